//! The logo of an organisation, at the head of the first page.
//!
//! It was laid on white before: there is no transparency, which older archives do not take.

use lopdf::{Document, Object, ObjectId, Stream, dictionary};
use printpdf::{Op, Pt, XObjectId, XObjectTransform};

use super::layout::{self, Layout};
use crate::render::branding::Picture;

/// The name under which the page refers to it.
const NAME: &str = "Logo";
/// Most height.
const HEIGHT: f32 = 36.0;
/// Most width.
const WIDTH: f32 = 170.0;

/// Draws the picture from the left margin, with the text that stands instead of it.
pub(super) fn draw(layout: &mut Layout, picture: &Picture, alt: &str) {
    let side = |pixels: u32| f32::from(u16::try_from(pixels).unwrap_or(u16::MAX).max(1));
    let (width, height) = (side(picture.width), side(picture.height));
    let scale = (HEIGHT / height).min(WIDTH / width);
    let (width, height) = (width * scale, height * scale);
    let bottom = layout.y() - height;
    let place = XObjectTransform {
        translate_x: Some(Pt(layout::LEFT)),
        translate_y: Some(Pt(bottom)),
        scale_x: Some(width),
        scale_y: Some(height),
        no_auto_scale: true,
        ..XObjectTransform::default()
    };
    let draw = Op::UseXobject { id: XObjectId(NAME.to_owned()), transform: place };
    layout.figure(alt, |layout| layout.shape((layout::LEFT, bottom), (width, height), [draw]));
    layout.down(height + 10.0);
}

/// Puts the pixels into the document.
pub(super) fn write(document: &mut Document, picture: &Picture) {
    let content = dictionary! {
        "Type" => "XObject",
        "Subtype" => "Image",
        "Width" => i64::from(picture.width),
        "Height" => i64::from(picture.height),
        "ColorSpace" => "DeviceRGB",
        "BitsPerComponent" => 8,
        "Interpolate" => false,
    };
    let image = document.add_object(Stream::new(content, picture.rgb.clone()));
    let resources = resources(document);
    if let Some(Object::Dictionary(pictures)) =
        resources.and_then(|id| document.objects.get_mut(&id))
    {
        pictures.set(NAME, image);
    }
}

/// What the first page, like every other, knows of pictures.
fn resources(document: &Document) -> Option<ObjectId> {
    let page = document.get_pages().into_values().next()?;
    let page = document.get_dictionary(page).ok()?;
    let (_, resources) = document.dereference(page.get(b"Resources").ok()?).ok()?;
    resources.as_dict().ok()?.get(b"XObject").ok()?.as_reference().ok()
}
