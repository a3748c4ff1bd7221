//! What makes pages an archival document: PDF/A-3b (ISO 19005-3) with the structure, the
//! meaning of its colours, what it says about itself, the figures that it was made from,
//! and an identity that follows from its content.
//!
//! | PDF/A wants | here |
//! |---|---|
//! | metadata that any program can read | `metadata`, in XMP and in the old dictionary alike |
//! | colours that mean the same everywhere | `srgb`, as the output intent |
//! | fonts inside, every glyph with its character | `font` |
//! | attachments that say what they are | `attach` |
//! | pictures without transparency | `picture` |
//! | no encryption, scripts, transparency, references | nothing here writes any |
//!
//! Invariant: the same report is the same file.

use std::collections::BTreeMap;

use lopdf::{Document, Object, ObjectId, SaveOptions, Stream, StringFormat, dictionary};
use printpdf::{PdfDocument, PdfSaveOptions};
use sha2::{Digest, Sha256};

use super::attach::{self, Attachment};
use super::layout::{Done, Layout};
use super::metadata::Facts;
use super::{outline, picture, srgb};
use crate::render::RenderError;
use crate::render::branding::Picture;

/// Writes the file.
pub(super) fn finish(
    layout: Layout,
    facts: &Facts,
    attachments: &[Attachment],
    logo: Option<&Picture>,
) -> Result<Vec<u8>, RenderError> {
    let Done { pages, fonts, bookmarks, tags, owners } = layout.finish()?;
    let mut pdf = PdfDocument::new(&facts.title);
    for (id, font) in fonts {
        pdf.resources.fonts.map.insert(id, printpdf::PdfFont::new(font));
    }
    pdf.pages = pages;
    let mut document = pdf.to_lopdf_document(&PdfSaveOptions::default(), &mut Vec::new());
    "1.7".clone_into(&mut document.version);
    dress_pages(&mut document);
    if let Some(logo) = logo {
        picture::write(&mut document, logo);
    }
    let structure = tags.write(&mut document, &owners);
    let outline = outline::write(&mut document, &bookmarks);
    let metadata = document.add_object(facts.packet());
    let info = document.add_object(facts.info());
    let intent = output_intent(&mut document);
    let files = attach::write(&mut document, attachments, &facts.pdf_date());
    // A name tree is sorted by name.
    let names: BTreeMap<&str, ObjectId> =
        attachments.iter().map(|attachment| attachment.name).zip(files.iter().copied()).collect();
    let names: Vec<Object> =
        names.into_iter().flat_map(|(name, file)| [text(name), file.into()]).collect();
    let labels = dictionary! { "Nums" => vec![0.into(), dictionary! { "S" => "D" }.into()] };
    if let Ok(catalog) = document.catalog_mut() {
        catalog.set("Lang", Object::string_literal(facts.language.as_str()));
        catalog.set("MarkInfo", dictionary! { "Marked" => true });
        catalog.set("StructTreeRoot", structure);
        catalog.set("ViewerPreferences", dictionary! { "DisplayDocTitle" => true });
        catalog.set("PageLabels", labels);
        catalog.set("Metadata", metadata);
        catalog.set("OutputIntents", vec![intent.into()]);
        catalog.set("AF", files.iter().map(|file| (*file).into()).collect::<Vec<Object>>());
        let names = dictionary! { "Names" => names };
        catalog.set("Names", dictionary! { "EmbeddedFiles" => names });
        if let Some(outline) = outline {
            catalog.set("Outlines", outline);
            catalog.set("PageMode", "UseOutlines");
        }
    }
    if let Ok(old) = document.trailer.get(b"Info").and_then(Object::as_reference) {
        document.objects.remove(&old);
    }
    document.trailer.set("Info", info);
    set_identity(&mut document, attachments);
    save(document)
}

/// Tells each page which entry of the parent tree is its own, and that the order of its
/// parts is that of the structure.
fn dress_pages(document: &mut Document) {
    let pages: Vec<ObjectId> = document.get_pages().into_values().collect();
    for (number, page) in (0_i64..).zip(pages) {
        if let Ok(page) = document.get_dictionary_mut(page) {
            page.remove(b"Annots");
            page.set("StructParents", number);
            page.set("Tabs", "S");
        }
    }
}

/// What the colours of all pages mean.
fn output_intent(document: &mut Document) -> ObjectId {
    let profile = Stream::new(dictionary! { "N" => 3 }, srgb::profile());
    let profile = document.add_object(profile);
    document.add_object(dictionary! {
        "Type" => "OutputIntent",
        "S" => "GTS_PDFA1",
        "OutputConditionIdentifier" => Object::string_literal("sRGB"),
        "Info" => Object::string_literal("sRGB IEC 61966-2-1"),
        "DestOutputProfile" => profile,
    })
}

/// The first half names the report, the second this very file: whatever is drawn or said in
/// another way gives another one.
fn set_identity(document: &mut Document, attachments: &[Attachment]) {
    let mut report = Sha256::new();
    for attachment in attachments {
        report.update(&attachment.bytes);
    }
    let mut file = report.clone();
    for object in document.objects.values() {
        if let Object::Stream(stream) = object {
            file.update(&stream.content);
        }
    }
    let half = |digest: &[u8]| {
        Object::String(digest.iter().copied().take(16).collect(), StringFormat::Hexadecimal)
    };
    let id = vec![half(&report.finalize()), half(&file.finalize())];
    document.trailer.set("ID", id);
}

fn save(mut document: Document) -> Result<Vec<u8>, RenderError> {
    document.compress();
    let options = SaveOptions::builder()
        .use_object_streams(true)
        .use_xref_streams(true)
        .compression_level(9)
        .max_objects_per_stream(200)
        .build();
    let mut bytes = Vec::new();
    document.save_with_options(&mut bytes, options).map_err(RenderError::Pdf)?;
    Ok(bytes)
}

/// A text string: UTF-16BE with its mark, ISO 32000-1, 7.9.2.2.
pub(super) fn text(text: &str) -> Object {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    let bytes = units.flat_map(u16::to_be_bytes).collect();
    Object::String(bytes, StringFormat::Hexadecimal)
}
