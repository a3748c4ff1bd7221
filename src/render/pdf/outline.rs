//! The outline: parts, each with its sections under it, in the order of the document.

use lopdf::{Dictionary, Document, Object, ObjectId, dictionary};

use super::archive::text;
use super::layout::{Bookmark, Heading};

/// Writes the outline. Gives its root, if there is anything in it.
pub(super) fn write(document: &mut Document, bookmarks: &[Bookmark]) -> Option<ObjectId> {
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
