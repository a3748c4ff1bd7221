//! The document as an archive and a screen reader take it: PDF/A-3b (ISO 19005-3) and tagged
//! PDF (ISO 32000-1, 14.7 and 14.8), looked at from outside with lopdf, poppler and qpdf.
//!
//! It has a logo and a colour, so that what they add is held to the same rules.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Output};
use std::sync::OnceLock;

use intransit::insight::{Advice, Certainty, Insight, Rule, Severity};
use intransit::render::branding::{Accent, Branding, Logo};
use intransit::render::{Format, render};
use intransit::report::{
    ArchiveReport, Connector, CoverageReport, Daily, Generator, Limits, PeerReport, PeriodReport,
    RejectReport, Report, SettingChange, SourceReport, Total,
};
use intransit::trace::{ConnectorType, Direction, Kind, TlsCounts};
use lopdf::content::Content;
use lopdf::{Dictionary, Document, Object, ObjectId};
use md5::Md5;
use sha2::{Digest, Sha256};

const DIRECTIONS: [Direction; 2] = [Direction::Inbound, Direction::Outbound];

/// What tenants may call their connectors, and how the document shows it.
const NAMES: [(&str, &str); 12] = [
    ("Fabrikam Logística", "Fabrikam Logística"),
    ("Αθήνα Ταχυδρομείο", "Αθήνα Ταχυδρομείο"),
    ("Почта Ёж", "Почта Ёж"),
    ("日本 relay", "<U+65E5><U+672C> relay"),
    ("Fax 📠", "Fax <U+1F4E0>"),
    ("שלום", "<U+05E9><U+05DC><U+05D5><U+05DD>"),
    ("a\u{202e}b\tc", "a\u{fffd}b\u{fffd}c"),
    ("(open \\ <b>&amp;", "(open \\ <b>&amp;"),
    ("{n} \u{fffe}", "{n} <U+FFFE>"),
    ("No break\u{a0}space", "No break space"),
    ("=HYPERLINK(\"x\")", "=HYPERLINK(\"x\")"),
    ("ẞ ǅ ﬁ ₿", "ẞ ǅ ﬁ ₿"),
];

fn tls(seed: u64) -> TlsCounts {
    TlsCounts {
        no_tls: seed % 7,
        tls1_2: 10_007 * seed,
        tls1_3: 123_456 + seed,
        ..Default::default()
    }
}

fn sum<'a>(parts: impl Iterator<Item = &'a TlsCounts>) -> TlsCounts {
    parts.fold(TlsCounts::default(), |mut sum, part| {
        sum.add_all(part);
        sum
    })
}

fn insight(connector: &Connector) -> Insight {
    Insight {
        rule: Rule::NoTlsShare,
        severity: Severity::Warning,
        certainty: Certainty::Certain,
        direction: Some(connector.direction),
        connector: connector.connector.clone(),
        messages: connector.tls.no_tls,
        of: connector.messages,
        limit_percent: Some(25),
        previous: None,
        too_little_mail: false,
        problem: None,
        advice: Advice::AskPartner,
        contact: None,
    }
}

fn period(id: &str, names: &[String]) -> PeriodReport {
    let numbered = (1_u64..).zip(names).zip(DIRECTIONS.into_iter().cycle());
    let connectors: Vec<Connector> = numbered
        .map(|((seed, name), direction)| Connector {
            direction,
            connector: Some(name.clone()),
            connector_type: ConnectorType::Partner,
            forced_tls: Some(seed % 2 == 0),
            messages: tls(seed).total(),
            tls: tls(seed),
            previous: None,
        })
        .collect();
    let of = |direction| connectors.iter().filter(move |part| part.direction == direction);
    let date = "2026-11-10".parse().unwrap();
    let day = |part: &Connector| Daily {
        date,
        direction: part.direction,
        connector: part.connector.clone(),
        messages: part.messages,
        tls: part.tls,
    };
    let total = |direction| {
        let tls = sum(of(direction).map(|part| &part.tls));
        Total { direction, messages: tls.total(), tls, previous: None }
    };
    let peer = |peer: &str| PeerReport {
        direction: Direction::Inbound,
        peer: peer.to_owned(),
        messages: tls(5).total(),
        tls: tls(5),
    };
    PeriodReport {
        id: id.to_owned(),
        from: "2026-11-09".parse().unwrap(),
        to: "2026-11-15".parse().unwrap(),
        hours: 168,
        totals: DIRECTIONS.map(total).into(),
        daily: connectors.iter().map(day).collect(),
        peers: ["fabrikam.example", "müller.example"].map(peer).into(),
        other_peers: None,
        insights: connectors.iter().take(3).map(insight).collect(),
        coverage: CoverageReport {
            first: Some("2026-11-09T00:00:05Z".to_owned()),
            last: Some("2026-11-15T23:59:05Z".to_owned()),
            days_without_rows: Vec::new(),
            gaps: Vec::new(),
            capped_files: Vec::new(),
            unknown_messages: 0,
            tls_not_recorded: false,
            ends_after_newest_row: false,
            controls: Vec::new(),
            conflicts: Vec::new(),
        },
        connectors,
    }
}

/// A report with these connectors in each of these periods.
fn report(periods: &[&str], names: &[String]) -> Report {
    let source = SourceReport {
        file: "a-rather-long-name-of-an-export/message-trace-detail-2026-11.csv.gz".to_owned(),
        sha256: "0123456789abcdef".repeat(4),
        bytes: 1_234_567,
        kind: Kind::MessageTraceDetail,
        unit: "messages".to_owned(),
        rows: 1_000_000,
        counted: 999_999,
        merged: 0,
        duplicates: 0,
        internal: 0,
        outside_period: 0,
        rejected: 1,
        tls_known: Some(999_999),
        first: Some("2026-11-09T00:00:05Z".to_owned()),
        last: Some("2026-11-15T23:59:05Z".to_owned()),
        notes: Vec::new(),
        query: None,
    };
    let change = SettingChange {
        key: "insights.no_tls_percent".to_owned(),
        before: None,
        after: Some("20".to_owned()),
    };
    Report {
        schema_version: 1,
        organisation: "Contoso <R&D> \u{ffff} \"日本\" ]]>".to_owned(),
        language: "en".to_owned(),
        timezone: "Europe/Paris".to_owned(),
        as_of: "2026-11-16".parse().unwrap(),
        run: None,
        archive: Some(ArchiveReport {
            seq: 7,
            previous_head: Some("0123456789abcdef".repeat(4)),
            signed_by: None,
            changes: Some(vec![change]),
        }),
        only: Vec::new(),
        incomplete: None,
        folded: None,
        generator: Generator {
            name: "intransit".to_owned(),
            version: "0".to_owned(),
            tzdb: "2025b".to_owned(),
        },
        limits: Limits { no_tls_percent: 25, tls1_0_percent: 50, min_messages: 10 },
        periods: periods.iter().map(|id| period(id, names)).collect(),
        tls_rpt: None,
        rejects: vec![RejectReport {
            file: source.file.clone(),
            line: Some(7),
            reason: "bad-time".to_owned(),
            found: "yesterday".to_owned(),
            count: 1,
        }],
        sources: vec![source],
        skipped: Vec::new(),
    }
}

/// A report whose names are hostile and whose tables go over pages.
fn hostile() -> Report {
    let mut names: Vec<String> = NAMES.iter().map(|(name, _)| (*name).to_owned()).collect();
    names.extend(["long name ".repeat(16), "x".repeat(160), "語".repeat(160)]);
    names.extend((0..80).map(|n| format!("Connector number {n:03} of many")));
    let mut report = report(&["week", "30d"], &names);
    // A paragraph that goes over a page, and a list without items.
    report.only = [names.clone(), names].concat();
    report.periods[1].insights.clear();
    report
}

/// The hostile report as a document, made once.
fn made() -> &'static [u8] {
    static FILE: OnceLock<Vec<u8>> = OnceLock::new();
    FILE.get_or_init(|| pdf(&hostile()))
}

/// What poppler reads along the structure of a small document; it is slow with large ones.
fn read_aloud() -> (Document, String) {
    let bytes = pdf(&report(&["30d"], &["long name ".repeat(16), "Fabrikam".to_owned()]));
    let read = ask("pdfinfo", &["-struct-text", "FILE"], &bytes);
    (Document::load_mem(&bytes).unwrap(), read)
}

fn branding() -> Branding {
    Branding {
        logo: Some(Logo::read(crate::support::png(200, 50)).unwrap()),
        accent: Some(Accent::read("#5b2d8e").unwrap()),
        ..Branding::default()
    }
}

fn pdf(report: &Report) -> Vec<u8> {
    file(report, Format::Pdf, "report.pdf")
}

fn file(report: &Report, format: Format, name: &str) -> Vec<u8> {
    let files = render(report, format, &branding()).unwrap();
    files.into_iter().find(|(found, _)| found == name).unwrap().1
}

fn open() -> Document {
    Document::load_mem(made()).unwrap()
}

/// What a program says of a document, which it gets as a file.
fn ask(program: &str, args: &[&str], pdf: &[u8]) -> String {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(pdf).unwrap();
    let path = file.path().to_string_lossy().into_owned();
    let args: Vec<&str> =
        args.iter().map(|arg| if *arg == "FILE" { &path } else { *arg }).collect();
    let Output { status, stdout, stderr } = Command::new(program)
        .args(args)
        .output()
        .unwrap_or_else(|error| panic!("{program}; tests/run installs it: {error}"));
    assert!(status.success(), "{program}: {}", String::from_utf8_lossy(&stderr));
    assert!(stderr.is_empty(), "{program}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// The object itself, wherever it stands.
fn at<'a>(document: &'a Document, object: &'a Object) -> &'a Object {
    document.dereference(object).unwrap().1
}

fn dict<'a>(document: &'a Document, within: &'a Dictionary, key: &str) -> &'a Dictionary {
    at(document, within.get(key.as_bytes()).unwrap()).as_dict().unwrap()
}

fn array<'a>(document: &'a Document, within: &'a Dictionary, key: &str) -> &'a [Object] {
    at(document, within.get(key.as_bytes()).unwrap()).as_array().unwrap()
}

fn name<'a>(within: &'a Dictionary, key: &str) -> &'a str {
    std::str::from_utf8(within.get(key.as_bytes()).unwrap().as_name().unwrap()).unwrap()
}

/// A text string, which is UTF-16BE where it begins with the mark.
fn text(object: &Object) -> String {
    let bytes = object.as_str().unwrap();
    match bytes.strip_prefix(&[0xfe, 0xff]) {
        Some(units) => {
            let units: Vec<u16> =
                units.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            String::from_utf16(&units).unwrap()
        }
        None => String::from_utf8(bytes.to_vec()).unwrap(),
    }
}

/// ISO 19005-3, 6.1.2, 6.1.3: the header, a comment that shows the file to be binary, an
/// identifier, no encryption, nothing after the end.
#[test]
fn the_file_is_framed_as_archives_want_it() {
    let bytes = made();
    let lines: Vec<&[u8]> = bytes.splitn(3, |byte| *byte == b'\n').collect();
    assert_eq!(lines[0], b"%PDF-1.7");
    assert!(lines[1][0] == b'%' && lines[1].len() >= 5, "{:?}", lines[1]);
    assert!(lines[1][1..].iter().all(|byte| *byte > 127), "{:?}", lines[1]);
    assert!(bytes.ends_with(b"%%EOF"), "nothing follows the end");
    let document = open();
    assert!(!document.trailer.has(b"Encrypt"));
    let id = array(&document, &document.trailer, "ID");
    assert!(id.len() == 2 && id.iter().all(|half| half.as_str().unwrap().len() == 16));
    ask("qpdf", &["--check", "FILE"], bytes);
}

/// The texts of an XMP packet by the path of their elements.
fn xmp(packet: &[u8]) -> BTreeMap<String, String> {
    let packet = std::str::from_utf8(packet).unwrap();
    let mut reader = quick_xml::Reader::from_str(packet);
    let (mut path, mut found) = (Vec::new(), BTreeMap::new());
    loop {
        use quick_xml::events::Event;
        match reader.read_event().unwrap() {
            Event::Start(tag) => {
                path.push(tag.name().as_ref().to_owned());
            }
            Event::End(_) => assert!(path.pop().is_some()),
            Event::Text(text) => {
                found.entry(path.join("/")).or_insert_with(String::new).push_str(&text);
            }
            Event::GeneralRef(entity) => {
                let entity = format!("&{};", &*entity);
                let letter = quick_xml::escape::unescape(&entity).unwrap().into_owned();
                found.entry(path.join("/")).or_insert_with(String::new).push_str(&letter);
            }
            Event::Eof => break,
            _ => {}
        }
    }
    assert!(path.is_empty(), "every element is closed");
    let trimmed = found.into_iter().filter(|(_, text)| !text.trim().is_empty());
    trimmed
        .map(|(path, text)| (path.replace("x:xmpmeta/rdf:RDF/rdf:Description/", ""), text))
        .collect()
}

/// ISO 19005-3, 6.6: metadata that any program can read, that says 3B, and that agrees with
/// the old dictionary; the dates are those of the report.
#[test]
fn what_the_document_says_about_itself() {
    let document = open();
    let catalog = document.catalog().unwrap();
    let packet = at(&document, catalog.get(b"Metadata").unwrap()).as_stream().unwrap();
    assert!(!packet.dict.has(b"Filter"), "anyone who scans the file finds it");
    assert!(packet.content.starts_with("<?xpacket begin=\"\u{feff}\" id=".as_bytes()));
    let said = xmp(&packet.content);
    assert_eq!(said["pdfaid:part"], "3");
    assert_eq!(said["pdfaid:conformance"], "B");
    assert_eq!(said["dc:language/rdf:Bag/rdf:li"], "en");
    let info = dict(&document, &document.trailer, "Info");
    let same = [
        ("Title", "dc:title/rdf:Alt/rdf:li"),
        ("Author", "dc:creator/rdf:Seq/rdf:li"),
        ("Subject", "dc:description/rdf:Alt/rdf:li"),
        ("Creator", "xmp:CreatorTool"),
        ("Producer", "pdf:Producer"),
    ];
    for (old, new) in same {
        assert_eq!(text(info.get(old.as_bytes()).unwrap()), said[new], "{old}");
    }
    assert_eq!(
        said["dc:title/rdf:Alt/rdf:li"],
        "Mail protected in transit: Contoso <R&D> \u{fffd} \"日本\" ]]>"
    );
    for (old, new) in [("CreationDate", "xmp:CreateDate"), ("ModDate", "xmp:ModifyDate")] {
        assert_eq!(text(info.get(old.as_bytes()).unwrap()), "D:20261116000000+01'00'", "{old}");
        assert_eq!(said[new], "2026-11-16T00:00:00+01:00", "{new}");
    }
    assert_eq!(info.len(), same.len() + 2, "{info:?}");
    assert_eq!(text(catalog.get(b"Lang").unwrap()), "en");
    let preferences = dict(&document, catalog, "ViewerPreferences");
    assert!(preferences.get(b"DisplayDocTitle").unwrap().as_bool().unwrap());
}

fn number(bytes: &[u8], place: usize) -> usize {
    let number: [u8; 4] = bytes[place..place + 4].try_into().unwrap();
    u32::from_be_bytes(number) as usize
}

/// ISO 19005-3, 6.2.3: what colours mean; ICC.1:2004-10, 7.2 and 7.3: the profile is whole.
#[test]
fn colours_mean_the_same_everywhere() {
    let document = open();
    let intents = array(&document, document.catalog().unwrap(), "OutputIntents");
    assert_eq!(intents.len(), 1);
    let intent = at(&document, &intents[0]).as_dict().unwrap();
    assert_eq!(name(intent, "S"), "GTS_PDFA1");
    assert_eq!(text(intent.get(b"OutputConditionIdentifier").unwrap()), "sRGB");
    let profile = at(&document, intent.get(b"DestOutputProfile").unwrap()).as_stream().unwrap();
    assert_eq!(profile.dict.get(b"N").unwrap().as_i64().unwrap(), 3);
    let profile = profile.get_plain_content().unwrap();
    assert_eq!(number(&profile, 0), profile.len());
    assert_eq!(&profile[8..24], b"\x04\x20\0\0mntrRGB XYZ ");
    assert_eq!(&profile[36..40], b"acsp");
    let tags: BTreeMap<&[u8], &[u8]> = (0..number(&profile, 128))
        .map(|index| {
            let entry = 132 + 12 * index;
            let (begin, length) = (number(&profile, entry + 4), number(&profile, entry + 8));
            assert_eq!(begin % 4, 0);
            (&profile[entry..entry + 4], &profile[begin..begin + length])
        })
        .collect();
    let wanted = ["bTRC", "bXYZ", "chad", "cprt", "desc", "gTRC", "gXYZ", "rTRC", "rXYZ", "wtpt"];
    assert_eq!(tags.keys().copied().collect::<Vec<_>>(), wanted.map(str::as_bytes));
    // Full red, green and blue make white.
    for axis in 0..3 {
        let of = |tag: &str| number(tags[tag.as_bytes()], 8 + 4 * axis);
        assert_eq!(of("rXYZ") + of("gXYZ") + of("bXYZ"), of("wtpt"), "{axis}");
    }
}

/// A piece of a page's content that belongs to an element: its page and number.
type Piece = (ObjectId, i64);

/// An element of the structure tree.
#[derive(Debug)]
struct Element {
    id: ObjectId,
    role: String,
    dict: Dictionary,
    pieces: Vec<Piece>,
    kids: Vec<Self>,
}

impl Element {
    fn read(document: &Document, id: ObjectId, parent: ObjectId) -> Self {
        let dict = document.get_dictionary(id).unwrap().clone();
        assert_eq!(dict.get(b"P").unwrap().as_reference().unwrap(), parent, "{dict:?}");
        let page = dict.get(b"Pg").ok().map(|page| page.as_reference().unwrap());
        let (mut pieces, mut kids) = (Vec::new(), Vec::new());
        for kid in dict.get(b"K").unwrap().as_array().unwrap() {
            match kid {
                Object::Integer(piece) => pieces.push((page.unwrap(), *piece)),
                Object::Dictionary(piece) => {
                    assert_eq!(name(piece, "Type"), "MCR");
                    let page = piece.get(b"Pg").unwrap().as_reference().unwrap();
                    pieces.push((page, piece.get(b"MCID").unwrap().as_i64().unwrap()));
                }
                kid => kids.push(Self::read(document, kid.as_reference().unwrap(), id)),
            }
        }
        Self { id, role: name(&dict, "S").to_owned(), dict, pieces, kids }
    }

    /// The element and all below it, in reading order.
    fn all(&self) -> Vec<&Self> {
        let mut all = vec![self];
        all.extend(self.kids.iter().flat_map(Self::all));
        all
    }

    fn of_role(&self, role: &str) -> Vec<&Self> {
        self.all().into_iter().filter(|element| element.role == role).collect()
    }

    /// What an attribute dictionary says.
    fn attribute<'a>(&'a self, document: &'a Document, key: &str) -> Option<&'a Object> {
        let attributes = at(document, self.dict.get(b"A").ok()?).as_dict().unwrap();
        attributes.get(key.as_bytes()).ok()
    }
}

fn tree(document: &Document) -> Element {
    let catalog = document.catalog().unwrap();
    assert!(dict(document, catalog, "MarkInfo").get(b"Marked").unwrap().as_bool().unwrap());
    let root = catalog.get(b"StructTreeRoot").unwrap().as_reference().unwrap();
    let kids = array(document, document.get_dictionary(root).unwrap(), "K");
    assert_eq!(kids.len(), 1);
    Element::read(document, kids[0].as_reference().unwrap(), root)
}

/// The marked pieces of a page with their tags. Fails where anything is drawn outside.
fn marked(document: &Document, page: ObjectId) -> BTreeMap<i64, String> {
    let content = Content::decode(&document.get_page_content(page)).unwrap();
    let mut open: Vec<bool> = Vec::new();
    let mut pieces = BTreeMap::new();
    let mut footers = 0;
    for operation in &content.operations {
        match operation.operator.as_str() {
            "BDC" => {
                let tag = String::from_utf8(operation.operands[0].as_name().unwrap().to_vec());
                let tag = tag.unwrap();
                let properties = operation.operands[1].as_dict().unwrap();
                assert!(open.is_empty(), "no piece within another");
                open.push(true);
                if let Ok(piece) = properties.get(b"MCID") {
                    let before = pieces.insert(piece.as_i64().unwrap(), tag);
                    assert!(before.is_none(), "{piece:?} twice");
                } else {
                    assert_eq!(tag, "Artifact");
                    let kind = properties.get(b"Subtype").and_then(Object::as_name);
                    footers += usize::from(kind.is_ok_and(|kind| kind == b"Footer"));
                }
            }
            "EMC" => assert!(open.pop().is_some()),
            "BT" | "ET" | "Tf" | "Td" | "TJ" | "Tj" | "re" | "f" | "rg" | "m" | "l" | "h" | "n"
            | "q" | "cm" | "Do" | "Q" => {
                assert!(!open.is_empty(), "{operation:?} is neither content nor artifact");
            }
            other => panic!("`{other}` is not known to be harmless"),
        }
    }
    assert!(open.is_empty());
    assert_eq!(footers, 1, "the foot of a page is an artifact of its own");
    pieces
}

/// Whatever is drawn belongs to an element or is an artifact; page and element name each
/// other (ISO 32000-1, 14.7.4.4), and reading goes through each page from its first piece on.
#[test]
fn content_and_structure_fit() {
    let document = open();
    let tree = tree(&document);
    let root = document.catalog().unwrap().get(b"StructTreeRoot").unwrap();
    let root = at(&document, root).as_dict().unwrap();
    let parents = array(&document, dict(&document, root, "ParentTree"), "Nums");
    let pages: Vec<ObjectId> = document.get_pages().into_values().collect();
    assert!(pages.len() > 8, "tables go over pages");
    let mut owners: BTreeMap<Piece, ObjectId> = BTreeMap::new();
    let mut tags: BTreeMap<Piece, String> = BTreeMap::new();
    assert_eq!(parents.len(), 2 * pages.len());
    for ((index, page), entry) in (0_i64..).zip(&pages).zip(parents.chunks(2)) {
        let dict = document.get_dictionary(*page).unwrap();
        assert_eq!(name(dict, "Tabs"), "S");
        assert_eq!(dict.get(b"StructParents").unwrap().as_i64().unwrap(), index);
        assert_eq!(entry[0].as_i64().unwrap(), index);
        let listed = at(&document, &entry[1]).as_array().unwrap();
        let pieces = marked(&document, *page);
        assert_eq!(pieces.len(), listed.len());
        assert!((0_i64..).zip(pieces.keys()).all(|(number, piece)| number == *piece));
        for ((piece, tag), owner) in pieces.into_iter().zip(listed) {
            owners.insert((*page, piece), owner.as_reference().unwrap());
            tags.insert((*page, piece), tag);
        }
    }
    let mut last = (0, -1);
    let mut claimed = BTreeSet::new();
    for element in tree.all() {
        for piece in &element.pieces {
            assert!(claimed.insert(*piece), "{piece:?} belongs to two elements");
            assert_eq!(owners.get(piece), Some(&element.id), "{element:?}");
            assert_eq!(tags[piece], element.role);
            let place = (pages.iter().position(|page| *page == piece.0).unwrap(), piece.1);
            assert!(place > last, "{place:?} is read after {last:?}");
            last = place;
        }
    }
    let torn =
        |element: &&Element| element.pieces.iter().any(|(page, _)| *page != element.pieces[0].0);
    assert!(tree.all().into_iter().any(|element| torn(&element)), "a paragraph goes over a page");
    assert_eq!(claimed.len(), owners.len(), "no piece is left without an element");
}

/// Elements stand where ISO 32000-1, 14.8.4 lets them.
#[test]
fn elements_stand_in_their_places() {
    let document = open();
    let tree = tree(&document);
    assert_eq!(tree.role, "Document");
    for element in tree.all() {
        for kid in &element.kids {
            let fits = match kid.role.as_str() {
                "H1" | "Part" => element.role == "Document",
                "Figure" if element.role == "Document" => true,
                "H2" | "Sect" | "Div" => element.role == "Part",
                "H3" | "L" | "Table" | "Figure" => element.role == "Sect",
                "LI" => element.role == "L",
                "LBody" => element.role == "LI",
                "Caption" | "THead" | "TBody" => element.role == "Table",
                "TR" => ["THead", "TBody"].contains(&element.role.as_str()),
                "TH" | "TD" => element.role == "TR",
                "P" => {
                    ["Document", "Part", "Sect", "LBody", "Div"].contains(&element.role.as_str())
                }
                _ => false,
            };
            assert!(fits, "{} in {}", kid.role, element.role);
        }
        let empty = element.kids.is_empty() && element.pieces.is_empty();
        assert!(!empty || element.role == "TD", "{element:?}");
    }
    let report = hostile();
    let insights = report.periods.iter().map(|period| period.insights.len()).sum::<usize>();
    let legend = 5 * report.periods.len();
    assert_eq!(tree.of_role("LI").len(), insights + legend);
}

/// Every table has one head, and as many cells in each row; every row of the report is one
/// row, wherever pages break.
#[test]
fn tables_have_heads_and_cells() {
    let document = open();
    let tree = tree(&document);
    let scope = |cell: &Element| {
        cell.attribute(&document, "Scope")
            .map(|scope| String::from_utf8(scope.as_name().unwrap().to_vec()).unwrap())
    };
    let mut rows = 0;
    for table in tree.of_role("Table") {
        let parts: Vec<&str> = table.kids.iter().map(|kid| kid.role.as_str()).collect();
        assert_eq!(parts, ["Caption", "THead", "TBody"]);
        let [_, head, body] = table.kids.as_slice() else { panic!() };
        assert_eq!(head.kids.len(), 1);
        let heads = &head.kids[0].kids;
        for cell in heads {
            assert_eq!((cell.role.as_str(), scope(cell).as_deref()), ("TH", Some("Column")));
        }
        for row in &body.kids {
            assert_eq!(row.kids.len(), heads.len());
            for (index, cell) in row.kids.iter().enumerate() {
                let expected = if index == 0 { ("TH", Some("Row")) } else { ("TD", None) };
                assert_eq!((cell.role.as_str(), scope(cell).as_deref()), expected);
            }
        }
        rows += body.kids.len();
    }
    let report = hostile();
    let of_periods: usize = report
        .periods
        .iter()
        .map(|period| period.totals.len() + period.connectors.len() + 2 + period.peers.len())
        .sum();
    let changes = 1;
    let evidence = changes + 2 * report.sources.len() + 1 + report.rejects.len();
    assert_eq!(rows, of_periods + evidence);
    assert_eq!(tree.of_role("Table").len(), 4 * report.periods.len() + 4);
    // The head of a table that goes on is shown again, but is no second head.
    let shown = ask("pdftotext", &["-layout", "FILE", "-"], made());
    assert!(shown.matches("Forced").count() > 2 * report.periods.len());
}

/// A chart says in words what it shows, and where it stands on its page.
#[test]
fn figures_have_a_text_and_a_place() {
    let document = open();
    let tree = tree(&document);
    let figures = tree.of_role("Figure");
    let charts = 3 * hostile().periods.len();
    assert_eq!(figures.len(), 1 + charts, "a logo, two splits and a chart per period");
    for (index, figure) in figures.into_iter().enumerate() {
        let alt = text(figure.dict.get(b"Alt").unwrap());
        let says = match index {
            0 => alt.starts_with("Contoso <R&D>"),
            _ => alt.contains('%') || alt.contains("Stacked bars"),
        };
        assert!(says, "{alt}");
        assert!(!alt.contains('\u{2063}'), "{alt}");
        let corners = figure.attribute(&document, "BBox").unwrap().as_array().unwrap();
        let corners: Vec<f32> = corners.iter().map(|edge| edge.as_float().unwrap()).collect();
        let [left, bottom, right, top] = corners.as_slice() else { panic!("{corners:?}") };
        assert!(*left >= 41.9 && *right <= 553.4 && left < right, "{corners:?}");
        assert!(*bottom >= 50.0 && *top <= 800.0 && bottom < top, "{corners:?}");
        let pages: BTreeSet<ObjectId> = figure.pieces.iter().map(|(page, _)| *page).collect();
        assert_eq!(pages.len(), 1, "a figure is not torn");
    }
}

/// The bookmarks in order: level, title, page from 0, height.
fn bookmarks(document: &Document) -> Vec<(usize, String, usize, f32)> {
    let pages: Vec<ObjectId> = document.get_pages().into_values().collect();
    let root = dict(document, document.catalog().unwrap(), "Outlines");
    let mut found = Vec::new();
    let mut open = vec![(1, root.get(b"First").unwrap().as_reference().unwrap())];
    while let Some((level, id)) = open.pop() {
        let item = document.get_dictionary(id).unwrap();
        let place = item.get(b"Dest").unwrap().as_array().unwrap();
        let page = pages.iter().position(|page| *page == place[0].as_reference().unwrap()).unwrap();
        let y = place[3].as_float().unwrap();
        found.push((level, text(item.get(b"Title").unwrap()), page, y));
        open.extend(item.get(b"Next").and_then(Object::as_reference).map(|next| (level, next)));
        open.extend(
            item.get(b"First").and_then(Object::as_reference).map(|first| (level + 1, first)),
        );
    }
    found
}

/// Poppler reads the headings in the order of the bookmarks, each leads to the page and
/// height of its heading, and pages are labelled from 1.
#[test]
fn bookmarks_lead_to_headings_in_order() {
    let (document, read) = read_aloud();
    let outline = bookmarks(&document);
    let mut lines = read.lines().map(str::trim);
    let mut headings = Vec::new();
    while let Some(line) = lines.next() {
        let level = ["H1 ", "H2 ", "H3 "].iter().position(|role| line.starts_with(role));
        if let Some(level) = level {
            headings.push((level, lines.next().unwrap().trim_matches('"').to_owned()));
        }
    }
    assert_eq!(headings.remove(0), (0, "Mail protected in transit".to_owned()));
    let titles: Vec<(usize, String)> =
        outline.iter().map(|(level, title, ..)| (*level, title.clone())).collect();
    assert_eq!(titles, headings);
    let tree = tree(&document);
    let elements = tree.all().into_iter().filter(|e| e.role == "H2" || e.role == "H3");
    let pages: Vec<ObjectId> = document.get_pages().into_values().collect();
    for ((_, title, page, y), element) in outline.into_iter().zip(elements) {
        assert_eq!(element.pieces[0].0, pages[page], "{title}");
        let baseline = baseline(&document, element.pieces[0]);
        assert!(y > baseline && y - baseline < 25.0, "{title}: {y} {baseline}");
    }
    let labels =
        array(&document, dict(&document, document.catalog().unwrap(), "PageLabels"), "Nums");
    assert_eq!(labels[0].as_i64().unwrap(), 0);
    assert_eq!(name(labels[1].as_dict().unwrap(), "S"), "D");
}

/// Height of the first text of a piece.
fn baseline(document: &Document, (page, piece): Piece) -> f32 {
    let content = Content::decode(&document.get_page_content(page)).unwrap();
    let begins = |operation: &lopdf::content::Operation| {
        operation.operator == "BDC"
            && operation.operands[1]
                .as_dict()
                .unwrap()
                .get(b"MCID")
                .and_then(Object::as_i64)
                .is_ok_and(|found| found == piece)
    };
    let mut operations = content.operations.iter().skip_while(|operation| !begins(operation));
    let cursor = operations.find(|operation| operation.operator == "Td").unwrap();
    cursor.operands[1].as_float().unwrap()
}

/// ISO 19005-3, 6.8: the attached figures are those of the other formats, byte for byte, and
/// say what they are.
#[test]
fn attachments_are_the_figures() {
    let report = hostile();
    let document = open();
    let catalog = document.catalog().unwrap();
    let expected = [
        ("connectors.csv", file(&report, Format::Csv, "connectors.csv"), "text/csv", "Data"),
        ("report.json", file(&report, Format::Json, "report.json"), "application/json", "Source"),
    ];
    let names = dict(&document, dict(&document, catalog, "Names"), "EmbeddedFiles");
    let names = array(&document, names, "Names");
    assert_eq!(names.len(), 2 * expected.len());
    let associated: BTreeSet<ObjectId> =
        array(&document, catalog, "AF").iter().map(|file| file.as_reference().unwrap()).collect();
    assert_eq!(associated.len(), expected.len());
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_string_lossy();
    ask("pdfdetach", &["-saveall", "-o", &folder, "FILE"], made());
    for (pair, (file_name, content, media_type, relation)) in names.chunks(2).zip(expected) {
        assert_eq!(text(&pair[0]), file_name, "the names are sorted");
        assert!(associated.contains(&pair[1].as_reference().unwrap()));
        let file = at(&document, &pair[1]).as_dict().unwrap();
        assert_eq!(text(file.get(b"F").unwrap()), file_name);
        assert_eq!(text(file.get(b"UF").unwrap()), file_name);
        assert_eq!(name(file, "AFRelationship"), relation);
        assert!(!text(file.get(b"Desc").unwrap()).contains("attached_"), "it has words");
        let stream = dict(&document, file, "EF").get(b"F").unwrap();
        let stream = at(&document, stream).as_stream().unwrap();
        assert_eq!(name(&stream.dict, "Subtype"), media_type);
        let parameters = dict(&document, &stream.dict, "Params");
        let size = parameters.get(b"Size").unwrap().as_i64().unwrap();
        assert_eq!(usize::try_from(size).unwrap(), content.len());
        assert_eq!(text(parameters.get(b"ModDate").unwrap()), "D:20261116000000+01'00'");
        let checksum = parameters.get(b"CheckSum").unwrap().as_str().unwrap();
        assert_eq!(checksum, Md5::digest(&content).as_slice());
        assert!(stream.get_plain_content().unwrap() == content, "{file_name}");
        let saved = std::fs::read(std::path::Path::new(&*folder).join(file_name)).unwrap();
        assert!(saved == content, "{file_name} as poppler saves it");
    }
}

/// ISO 19005-3, 6.2.11: every font is inside, only what is used of it, and every glyph can
/// be read back.
#[test]
fn fonts_are_inside() {
    let document = open();
    let mut fonts = 0;
    for font in document.objects.values().filter_map(|object| object.as_dict().ok()) {
        if !font.get(b"Type").and_then(Object::as_name).is_ok_and(|kind| kind == b"Font") {
            continue;
        }
        fonts += 1;
        assert_eq!(name(font, "Subtype"), "Type0");
        assert_eq!(name(font, "Encoding"), "Identity-H");
        let (tag, face) = name(font, "BaseFont").split_once('+').unwrap();
        assert!(tag.len() == 6 && tag.bytes().all(|letter| letter.is_ascii_uppercase()), "{tag}");
        assert!(face.starts_with("NotoSans-"));
        let map = at(&document, font.get(b"ToUnicode").unwrap()).as_stream().unwrap();
        let map = String::from_utf8(map.get_plain_content().unwrap()).unwrap();
        assert!(map.contains("beginbf"), "{map}");
        let inner = at(&document, &array(&document, font, "DescendantFonts")[0]).as_dict().unwrap();
        assert_eq!(name(inner, "CIDToGIDMap"), "Identity");
        let descriptor = dict(&document, inner, "FontDescriptor");
        for named in [name(inner, "BaseFont"), name(descriptor, "FontName")] {
            assert_eq!(named, name(font, "BaseFont"));
        }
        let program = at(&document, descriptor.get(b"FontFile2").unwrap()).as_stream().unwrap();
        let program = program.get_plain_content().unwrap();
        assert!(program.len() < 100_000, "{} bytes", program.len());
        widths_agree(&program, array(&document, inner, "W"));
        no_glyph_is_missing(&document, &map);
    }
    assert_eq!(fonts, 2);
}

/// ISO 19005-3, 6.2.11.5: widths are those of the font program, to one in a thousand.
fn widths_agree(program: &[u8], listed: &[Object]) {
    let table = |tag: &[u8]| {
        let count = usize::from(u16::from_be_bytes([program[4], program[5]]));
        let mut entries = (0..count).map(|index| 12 + 16 * index);
        let entry = entries.find(|entry| &program[*entry..*entry + 4] == tag).unwrap();
        number(program, entry + 8)
    };
    let short = |place: usize| u16::from_be_bytes([program[place], program[place + 1]]);
    let (em, metrics) = (f32::from(short(table(b"head") + 18)), table(b"hmtx"));
    let full = usize::from(short(table(b"hhea") + 34));
    let mut compared = 0;
    let mut rest = listed.iter();
    while let Some(first) = rest.next() {
        let first = usize::try_from(first.as_i64().unwrap()).unwrap();
        let widths = rest.next().unwrap().as_array().expect("runs of widths");
        for (glyph, width) in (first..).zip(widths) {
            let advance = f32::from(short(metrics + 4 * glyph.min(full - 1))) * 1000.0 / em;
            let width = width.as_float().unwrap();
            assert!((advance - width).abs() <= 1.0, "{glyph}: {advance} {width}");
            compared += 1;
        }
    }
    assert!(compared > 20, "{compared}");
}

/// Glyph 0 is drawn for what a font lacks: it is never shown, and never read as anything.
fn no_glyph_is_missing(document: &Document, map: &str) {
    let (_, mapped) = map.split_once("endcodespacerange").unwrap();
    assert!(!mapped.contains("<0000>"), "{map}");
    for page in document.get_pages().into_values() {
        let content = Content::decode(&document.get_page_content(page)).unwrap();
        for operation in content.operations.iter().filter(|o| ["Tj", "TJ"].contains(&&*o.operator))
        {
            let parts = operation.operands[0].as_array().unwrap_or(&operation.operands);
            for glyphs in parts.iter().filter_map(|part| part.as_str().ok()) {
                assert!(glyphs.len() % 2 == 0);
                assert!(glyphs.chunks(2).all(|glyph| glyph != [0, 0]), "{operation:?}");
            }
        }
    }
}

/// Every key of every dictionary, wherever it stands.
fn keys(object: &Object, into: &mut BTreeSet<String>) {
    let dictionary = match object {
        Object::Array(items) => return items.iter().for_each(|item| keys(item, into)),
        Object::Dictionary(dictionary) => dictionary,
        Object::Stream(stream) => &stream.dict,
        _ => return,
    };
    for (key, value) in dictionary {
        into.insert(String::from_utf8(key.clone()).unwrap());
        keys(value, into);
    }
}

/// ISO 19005-3, 6.2.10, 6.3, 6.5, 6.9: no transparency, annotations, actions, scripts,
/// layers or streams that lie elsewhere. What is not on this list needs a thought.
#[test]
fn nothing_acts_and_nothing_lies_outside() {
    let document = open();
    let mut found = BTreeSet::new();
    for object in document.objects.values() {
        keys(object, &mut found);
    }
    let harmful = [
        "AA",
        "A1",
        "Annots",
        "BM",
        "CA",
        "Encrypt",
        "FFilter",
        "FDecodeParms",
        "Group",
        "JS",
        "JavaScript",
        "NeedsRendering",
        "OCProperties",
        "OpenAction",
        "Perms",
        "SMask",
        "URI",
        "XFA",
        "ca",
        "AcroForm",
        "Requirements",
        "GTS_PDFXVersion",
        "AlternatePresentations",
    ];
    for key in harmful {
        assert!(!found.contains(key), "{key}");
    }
    for page in document.get_pages().into_values() {
        let resources = dict(&document, document.get_dictionary(page).unwrap(), "Resources");
        for kind in ["ExtGState", "Shading"] {
            assert!(dict(&document, resources, kind).is_empty(), "{kind}");
        }
        let pictures: Vec<_> = dict(&document, resources, "XObject").iter().collect();
        assert!(pictures.len() == 1 && pictures[0].0 == b"Logo", "{pictures:?}");
    }
    let bytes = made();
    assert!(!bytes.windows(6).any(|bytes| bytes == b"/LZWDe"), "no filter that archives refuse");
}

/// ISO 19005-3, 6.2.8: pixels in the colours of the document, as they are, without
/// transparency; on the first page, once, in their own proportions.
#[test]
fn the_logo_is_plain_pixels_on_the_first_page() {
    let document = open();
    let is_image = |object: &&Object| {
        let dict = object.as_stream().map(|stream| &stream.dict);
        dict.is_ok_and(|dict| dict.get(b"Subtype").is_ok_and(|kind| *kind == "Image".into()))
    };
    let images: Vec<&Object> = document.objects.values().filter(is_image).collect();
    let [image] = images.as_slice() else { panic!("{} images", images.len()) };
    let image = image.as_stream().unwrap();
    let (mut keys, known): (Vec<String>, _) = (
        image.dict.iter().map(|(key, _)| String::from_utf8(key.clone()).unwrap()).collect(),
        [
            "BitsPerComponent",
            "ColorSpace",
            "Filter",
            "Height",
            "Interpolate",
            "Length",
            "Subtype",
            "Type",
            "Width",
        ],
    );
    keys.sort();
    assert_eq!(keys, known);
    assert_eq!(name(&image.dict, "ColorSpace"), "DeviceRGB");
    assert!(!image.dict.get(b"Interpolate").unwrap().as_bool().unwrap());
    let pixels = image.get_plain_content().unwrap();
    assert_eq!(pixels.len(), 200 * 50 * 3);
    assert_eq!(pixels[..3], [255, 255, 255], "what is clear is white");
    assert_eq!(pixels[199 * 3..200 * 3], [255, 56, 56], "what is half covered is laid on white");
    let drawn = |page: ObjectId| {
        let content = Content::decode(&document.get_page_content(page)).unwrap();
        content.operations.iter().filter(|operation| operation.operator == "Do").count()
    };
    let pages: Vec<usize> = document.get_pages().into_values().map(drawn).collect();
    assert!(pages[0] == 1 && pages[1..].iter().all(|count| *count == 0), "{pages:?}");
    let listed = ask("pdfimages", &["-list", "FILE"], made());
    let line: Vec<&str> = listed.lines().nth(2).unwrap().split_whitespace().collect();
    assert_eq!(line[3..8], ["200", "50", "rgb", "3", "8"]);
    assert_eq!(line[12], line[13], "as many pixels to an inch both ways: {listed}");
}

/// Without a branding there is no picture at all.
#[test]
fn without_a_logo_there_is_no_picture() {
    let small = report(&["week"], &["Fabrikam".to_owned()]);
    let files = render(&small, Format::Pdf, &Branding::default()).unwrap();
    assert_eq!(ask("pdfimages", &["-list", "FILE"], &files[0].1).lines().count(), 2);
    assert!(!pdf_colours(&files[0].1).contains(&ACCENT));
    assert!(pdf_colours(&pdf(&small)).contains(&ACCENT));
}

/// The colour of [`branding`], as a page names it.
const ACCENT: [u32; 3] = [0x5b, 0x2d, 0x8e];

/// The colours that the first page fills with.
fn pdf_colours(bytes: &[u8]) -> BTreeSet<[u32; 3]> {
    let document = Document::load_mem(bytes).unwrap();
    let page = document.get_pages().into_values().next().unwrap();
    let content = Content::decode(&document.get_page_content(page)).unwrap();
    let fills = content.operations.iter().filter(|operation| operation.operator == "rg");
    fills
        .map(|operation| {
            [0, 1, 2].map(|index| {
                let part = (operation.operands[index].as_float().unwrap() * 255.0).round();
                format!("{part}").parse().unwrap()
            })
        })
        .collect()
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Says for the test below what another process makes of the report.
#[test]
fn another_process_renders() {
    let mut out = std::io::stdout();
    writeln!(out, "\nrendered {}", digest(made())).unwrap();
}

/// The same report is the same file, in this process and in any other; another report has
/// another identifier.
#[test]
fn the_same_report_is_the_same_file() {
    let first = made();
    assert!(first == pdf(&hostile()), "twice in one process");
    let other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "pdf_structure::another_process_renders", "--nocapture"])
        .output()
        .unwrap();
    let said = String::from_utf8(other.stdout).unwrap();
    assert!(said.contains(&format!("rendered {}", digest(first))), "{said}");
    let id = |bytes: &[u8]| {
        let document = Document::load_mem(bytes).unwrap();
        array(&document, &document.trailer, "ID").to_vec()
    };
    let mut changed = hostile();
    changed.periods[0].connectors[0].messages += 1;
    let (before, after) = (id(first), id(&pdf(&changed)));
    assert!(before[0] != after[0] && before[1] != after[1]);
}

/// Poppler finds every connector once per place where it is shown, spelled out where the
/// font lacks it, and every number as one number.
#[test]
fn another_reader_finds_names_and_numbers() {
    let report = hostile();
    let bytes = made();
    let found = ask("pdftotext", &["FILE", "-"], bytes);
    let words: BTreeSet<&str> = found.split_whitespace().collect();
    let joined: String = found.split_whitespace().collect();
    for (name, shown) in NAMES {
        let shown: String = shown.split_whitespace().collect();
        assert!(joined.contains(&shown), "{name}");
    }
    for (name, shown) in [("x", "x"), ("語", "<U+8A9E>")] {
        assert!(joined.contains(&shown.repeat(160)), "{name}");
    }
    for connector in report.periods.iter().flat_map(|period| &period.connectors) {
        let name = connector.connector.as_deref().unwrap();
        if name.starts_with("Connector number") {
            let listed: String = name.split_whitespace().collect();
            // In a table per period, and twice in the notice above.
            assert_eq!(joined.matches(&listed).count(), report.periods.len() + 2, "{name}");
        }
        for number in [connector.messages, connector.tls.tls1_2, connector.tls.tls1_3] {
            assert!(words.contains(number.to_string().as_str()), "{number} of {name}");
        }
    }
    assert!(ask("pdfinfo", &["FILE"], bytes).contains("Tagged:          yes"));
}

/// Who reads a cell or paragraph as one text finds its lines apart (ISO 32000-1, 14.8.2.5).
#[test]
fn lines_of_one_text_are_apart() {
    let (_, read) = read_aloud();
    let number = tls(1).tls1_3;
    assert!(read.contains(&format!("\"{number} ")), "a count and its share: {read}");
    assert!(read.contains("long name ".repeat(16).trim()), "a name over several lines: {read}");
    assert!(!read.contains("Page "), "what stands at the foot of a page is not read");
}
