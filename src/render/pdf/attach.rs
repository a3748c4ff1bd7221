//! The figures that the document was made from, inside it as associated files: a reader can
//! check every number, and a program need not read pages.

use lopdf::{Document, Object, ObjectId, Stream, StringFormat, dictionary};
use md5::{Digest, Md5};

use super::archive::text;
use crate::render::words::Words;
use crate::render::{csv, json};
use crate::report::Report;

/// What a file is to the document (ISO 19005-3, Annex E).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// The document was made from it.
    Source,
    /// Its figures are shown in the document.
    Data,
}

/// A file inside the document.
#[derive(Debug)]
pub(super) struct Attachment {
    pub(super) name: &'static str,
    /// Its media type.
    pub(super) media_type: &'static str,
    pub(super) relation: Relation,
    /// What it is, for people.
    pub(super) about: String,
    pub(super) bytes: Vec<u8>,
}

/// The figures of a report, byte for byte as the other formats have them.
pub(super) fn figures(report: &Report, words: &Words) -> [Attachment; 2] {
    [
        Attachment {
            name: "report.json",
            media_type: "application/json",
            relation: Relation::Source,
            about: words.text("report.attached_json"),
            bytes: json::render(report),
        },
        Attachment {
            name: "connectors.csv",
            media_type: "text/csv",
            relation: Relation::Data,
            about: words.text("report.attached_csv"),
            bytes: csv::connectors(report),
        },
    ]
}

/// Writes the files. Gives the description of each.
pub(super) fn write(
    document: &mut Document,
    attachments: &[Attachment],
    date: &Object,
) -> Vec<ObjectId> {
    attachments.iter().map(|attachment| file(document, attachment, date)).collect()
}

fn file(document: &mut Document, attachment: &Attachment, date: &Object) -> ObjectId {
    // The checksum is to find damage, as the format wants it; it proves nothing.
    let checksum = Md5::digest(&attachment.bytes).to_vec();
    let content = dictionary! {
        "Type" => "EmbeddedFile",
        "Subtype" => attachment.media_type,
        "Params" => dictionary! {
            "Size" => i64::try_from(attachment.bytes.len()).unwrap_or(i64::MAX),
            "ModDate" => date.clone(),
            "CheckSum" => Object::String(checksum, StringFormat::Hexadecimal),
        },
    };
    let content = document.add_object(Stream::new(content, attachment.bytes.clone()));
    document.add_object(dictionary! {
        "Type" => "Filespec",
        "F" => Object::string_literal(attachment.name),
        "UF" => text(attachment.name),
        "EF" => dictionary! { "F" => content, "UF" => content },
        "AFRelationship" => match attachment.relation {
            Relation::Source => "Source",
            Relation::Data => "Data",
        },
        "Desc" => text(&attachment.about),
    })
}
