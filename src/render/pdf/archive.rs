//! What makes pages a document: outline, language, title, and an identity that follows from
//! the content, so that the same report is the same file.

use lopdf::{Dictionary, Document, Object, ObjectId, StringFormat, dictionary};
use printpdf::{PdfDocument, PdfSaveOptions};
use sha2::{Digest, Sha256};

use super::layout::{Bookmark, Done, Heading, Layout};
use crate::render::RenderError;
use crate::render::view::View;

/// Writes the file. `identity` is what the identifier of the file follows from.
pub(super) fn finish(layout: Layout, view: &View, identity: &[u8]) -> Result<Vec<u8>, RenderError> {
    let done = layout.finish()?;
    let mut pdf = PdfDocument::new(&view.title);
    pdf.metadata.info.document_title = format!("{}: {}", view.title, view.organisation);
    pdf.metadata.info.author.clone_from(&view.organisation);
    pdf.metadata.info.creator.clone_from(&view.made_by);
    pdf.metadata.info.producer.clone_from(&view.made_by);
    pdf.metadata.info.subject.clone_from(&view.question);
    let Done { pages, fonts, bookmarks } = done;
    for (id, font) in fonts {
        pdf.resources.fonts.map.insert(id, printpdf::PdfFont::new(font));
    }
    pdf.pages = pages;
    let mut document = pdf.to_lopdf_document(&PdfSaveOptions::default(), &mut Vec::new());
    "1.7".clone_into(&mut document.version);
    let outline = outline(&mut document, &bookmarks);
    if let Ok(catalog) = document.catalog_mut() {
        catalog.set("Lang", text(&view.language));
        catalog.set("ViewerPreferences", dictionary! { "DisplayDocTitle" => true });
        if let Some(outline) = outline {
            catalog.set("Outlines", outline);
            catalog.set("PageMode", Object::Name(b"UseOutlines".to_vec()));
        }
    }
    set_identity(&mut document, identity);
    document.compress();
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).map_err(RenderError::Pdf)?;
    Ok(bytes)
}

fn set_identity(document: &mut Document, identity: &[u8]) {
    let digest = Sha256::digest(identity);
    let id: Vec<u8> = digest.iter().copied().take(16).collect();
    let id = Object::String(id, StringFormat::Hexadecimal);
    document.trailer.set("ID", Object::Array(vec![id.clone(), id]));
}

/// Parts, each with its sections under it, in the order of the document.
fn outline(document: &mut Document, bookmarks: &[Bookmark]) -> Option<ObjectId> {
    let pages: Vec<ObjectId> = document.get_pages().into_values().collect();
    let root = document.new_object_id();
    let items: Vec<(&Bookmark, ObjectId)> =
        bookmarks.iter().map(|bookmark| (bookmark, document.new_object_id())).collect();
    let groups: Vec<&[(&Bookmark, ObjectId)]> =
        items.chunk_by(|_, (next, _)| next.heading == Heading::Section).collect();
    let parts: Vec<ObjectId> =
        groups.iter().filter_map(|group| group.first()).map(|(_, id)| *id).collect();
    for (index, group) in groups.iter().enumerate() {
        let Some(((part, id), sections)) = group.split_first() else { continue };
        let around = Around { parent: root, list: &parts, index };
        let mut item = entry(part, &pages, &around);
        let children: Vec<ObjectId> = sections.iter().map(|(_, id)| *id).collect();
        if let (Some(first), Some(last)) = (children.first(), children.last()) {
            item.set("First", *first);
            item.set("Last", *last);
            item.set("Count", i64::try_from(children.len()).unwrap_or(0));
        }
        document.set_object(*id, item);
        for (index, (section, own)) in sections.iter().enumerate() {
            let around = Around { parent: *id, list: &children, index };
            document.set_object(*own, entry(section, &pages, &around));
        }
    }
    let (first, last) = (parts.first()?, parts.last()?);
    document.set_object(
        root,
        dictionary! {
            "Type" => "Outlines",
            "First" => *first,
            "Last" => *last,
            "Count" => i64::try_from(items.len()).unwrap_or(0),
        },
    );
    Some(root)
}

/// The neighbours of an outline item.
struct Around<'a> {
    parent: ObjectId,
    list: &'a [ObjectId],
    index: usize,
}

fn entry(bookmark: &Bookmark, pages: &[ObjectId], around: &Around<'_>) -> Dictionary {
    let page = pages.get(bookmark.page).copied().unwrap_or_default();
    let destination: Vec<Object> = vec![
        page.into(),
        Object::Name(b"XYZ".to_vec()),
        Object::Null,
        Object::Real(bookmark.y + 4.0),
        Object::Null,
    ];
    let mut item = dictionary! {
        "Title" => text(&bookmark.title),
        "Parent" => around.parent,
        "Dest" => destination,
    };
    if let Some(before) = around.index.checked_sub(1).and_then(|index| around.list.get(index)) {
        item.set("Prev", *before);
    }
    if let Some(next) = around.list.get(around.index + 1) {
        item.set("Next", *next);
    }
    item
}

/// A text string: UTF-16BE with BOM, ISO 32000-1, 7.9.2.2.
fn text(text: &str) -> Object {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    let bytes = units.flat_map(u16::to_be_bytes).collect();
    Object::String(bytes, StringFormat::Hexadecimal)
}
