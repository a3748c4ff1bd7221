//! What the document says about itself: XMP for every program (ISO 16684-1), and the old
//! information dictionary with the same values.

use chrono::{DateTime, FixedOffset};
use lopdf::{Dictionary, Object, Stream, dictionary};

use super::archive::text;

/// What is said. Texts hold only characters that XML can hold; see [`plain`].
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) title: String,
    /// The organisation; may be empty.
    pub(super) author: String,
    pub(super) subject: String,
    /// The program.
    pub(super) maker: String,
    /// Language tag.
    pub(super) language: String,
    /// Midnight of the day as of which the report is, never the moment of making.
    pub(super) date: DateTime<FixedOffset>,
}

impl Facts {
    /// The XMP packet, not compressed: whoever scans the file for it shall find it.
    pub(super) fn packet(&self) -> Stream {
        let dict = dictionary! { "Type" => "Metadata", "Subtype" => "XML" };
        Stream::new(dict, self.xmp().into_bytes()).with_compression(false)
    }

    fn xmp(&self) -> String {
        let [title, author, subject, maker, language] =
            [&self.title, &self.author, &self.subject, &self.maker, &self.language]
                .map(|text| escaped(text));
        let creator = match author.as_str() {
            "" => String::new(),
            author => {
                format!("  <dc:creator><rdf:Seq><rdf:li>{author}</rdf:li></rdf:Seq></dc:creator>\n")
            }
        };
        let date = self.date.format("%Y-%m-%dT%H:%M:%S%:z");
        let in_any_language = |text: &str| {
            format!("<rdf:Alt><rdf:li xml:lang=\"x-default\">{text}</rdf:li></rdf:Alt>")
        };
        [
            "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n",
            "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\n",
            "<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\n",
            " <rdf:Description rdf:about=\"\"\n",
            "   xmlns:pdfaid=\"http://www.aiim.org/pdfa/ns/id/\"\n",
            "   xmlns:dc=\"http://purl.org/dc/elements/1.1/\"\n",
            "   xmlns:xmp=\"http://ns.adobe.com/xap/1.0/\"\n",
            "   xmlns:pdf=\"http://ns.adobe.com/pdf/1.3/\">\n",
            "  <pdfaid:part>3</pdfaid:part>\n",
            "  <pdfaid:conformance>B</pdfaid:conformance>\n",
            "  <dc:format>application/pdf</dc:format>\n",
            &format!("  <dc:title>{}</dc:title>\n", in_any_language(&title)),
            &creator,
            &format!("  <dc:description>{}</dc:description>\n", in_any_language(&subject)),
            &format!(
                "  <dc:language><rdf:Bag><rdf:li>{language}</rdf:li></rdf:Bag></dc:language>\n"
            ),
            &format!("  <xmp:CreatorTool>{maker}</xmp:CreatorTool>\n"),
            &format!("  <xmp:CreateDate>{date}</xmp:CreateDate>\n"),
            &format!("  <xmp:ModifyDate>{date}</xmp:ModifyDate>\n"),
            &format!("  <xmp:MetadataDate>{date}</xmp:MetadataDate>\n"),
            &format!("  <pdf:Producer>{maker}</pdf:Producer>\n"),
            " </rdf:Description>\n</rdf:RDF>\n</x:xmpmeta>\n<?xpacket end=\"r\"?>",
        ]
        .concat()
    }

    /// The information dictionary.
    pub(super) fn info(&self) -> Dictionary {
        let mut info = dictionary! {
            "Title" => text(&self.title),
            "Subject" => text(&self.subject),
            "Creator" => text(&self.maker),
            "Producer" => text(&self.maker),
            "CreationDate" => self.pdf_date(),
            "ModDate" => self.pdf_date(),
        };
        if !self.author.is_empty() {
            info.set("Author", text(&self.author));
        }
        info
    }

    /// The date as PDF writes it: `D:20261116000000+01'00'`.
    pub(super) fn pdf_date(&self) -> Object {
        let offset = self.date.format("%:z").to_string().replace(':', "'");
        Object::string_literal(format!("{}{offset}'", self.date.format("D:%Y%m%d%H%M%S")))
    }
}

/// A text with what XML cannot hold (XML 1.0, 2.2) shown as such.
pub(super) fn plain(text: &str) -> String {
    let fits = |letter: char| matches!(letter, '\t' | '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{1_0000}'..);
    text.chars().map(|letter| if fits(letter) { letter } else { '\u{fffd}' }).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
