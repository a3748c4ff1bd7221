//! The workbook: unzipped and read as a spreadsheet would, beside report.json.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use intransit::render::branding::Branding;
use intransit::render::{self, Format, check};
use intransit::report::Report;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde_json::{Value, json};
use zip::ZipArchive;

use crate::support::{Folder, text};

const BANDS: [&str; 8] =
    ["no_tls", "ssl3", "tls1_0", "tls1_1", "tls1_2", "tls1_3", "tls_unspecified", "unknown"];
const COUNT: &str = "#,##0";
const SHARE: &str = "0.0%";
const DATE: &str = "yyyy\\-mm\\-dd";
const INSTANT: &str = "yyyy\\-mm\\-dd hh:mm:ss";

/// What a cell holds.
#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Text(String),
    /// A figure as it is written, and how it is to be shown.
    Figure(String, String),
}

type Cells = BTreeMap<(u32, String), Cell>;

/// One sheet as it lies in the file.
struct Sheet {
    cells: Cells,
    xml: String,
}

impl Sheet {
    fn row(&self, row: u32) -> Vec<Option<&Cell>> {
        let columns = ('A'..='Z').map(|column| column.to_string());
        let mut cells: Vec<_> = columns.map(|column| self.cells.get(&(row, column))).collect();
        while cells.last().is_some_and(Option::is_none) {
            cells.pop();
        }
        cells
    }

    /// The row where the first column says so.
    fn find(&self, first: &str) -> u32 {
        let is = |cell: &Cell| *cell == Cell::Text(first.to_owned());
        let found = self.cells.iter().find(|((_, column), cell)| column == "A" && is(cell));
        found.unwrap_or_else(|| panic!("no row {first}")).0.0
    }

    /// Compares a row with what it must hold.
    fn expect(&self, row: u32, expected: &[Cell]) {
        let blank = Cell::Text(String::new());
        let mut found: Vec<&Cell> =
            self.row(row).into_iter().map(|cell| cell.unwrap_or(&blank)).collect();
        found.resize(expected.len().max(found.len()), &blank);
        assert_eq!(found, expected.iter().collect::<Vec<_>>(), "row {row}");
    }
}

struct Book {
    parts: BTreeMap<String, String>,
}

impl Book {
    fn read(bytes: &[u8]) -> Self {
        let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
        let mut parts = BTreeMap::new();
        for index in 0..archive.len() {
            let mut file = archive.by_index(index).unwrap();
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            let time = file.last_modified().unwrap();
            assert_eq!((time.year(), time.month(), time.day()), (1980, 1, 1), "no time of writing");
            let name = file.name().unwrap().into_owned();
            parts.insert(name, text);
        }
        Self { parts }
    }

    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        tags(&self.parts["xl/workbook.xml"], |tag| {
            if tag.name().as_ref() == "sheet" {
                names.push(attribute(tag, "name").unwrap());
            }
        });
        names
    }

    fn texts(&self) -> Vec<String> {
        let mut texts: Vec<String> = Vec::new();
        events(&self.parts["xl/sharedStrings.xml"], |event| match event {
            Seen::Tag(tag) if tag.name().as_ref() == "si" => texts.push(String::new()),
            Seen::Tag(tag) if tag.name().as_ref() == "r" => panic!("no text is markup"),
            Seen::Text(text) => {
                if let Some(last) = texts.last_mut() {
                    last.push_str(text);
                }
            }
            Seen::Tag(_) => {}
        });
        texts.iter().map(|text| decoded(text)).collect()
    }

    /// The number formats of the cell styles, in order.
    fn formats(&self) -> Vec<String> {
        let (mut named, mut formats, mut inside) = (BTreeMap::new(), Vec::new(), false);
        tags(&self.parts["xl/styles.xml"], |tag| match tag.name().as_ref() {
            "numFmt" => {
                let code = attribute(tag, "formatCode").unwrap();
                named.insert(attribute(tag, "numFmtId").unwrap(), code);
            }
            "cellXfs" => inside = true,
            "cellStyles" => inside = false,
            "xf" if inside => {
                let id = attribute(tag, "numFmtId").unwrap();
                // ECMA-376, part 1, 18.8.30: formats that need no definition.
                let built_in = match id.as_str() {
                    "3" => COUNT,
                    "9" => "0%",
                    _ => "",
                };
                formats.push(named.get(&id).cloned().unwrap_or_else(|| built_in.to_owned()));
            }
            _ => {}
        });
        formats
    }

    fn sheet(&self, name: &str) -> Sheet {
        let number = self.names().iter().position(|found| found == name).unwrap() + 1;
        let xml = self.parts[&format!("xl/worksheets/sheet{number}.xml")].clone();
        let (texts, formats) = (self.texts(), self.formats());
        let mut cells = Cells::new();
        let (mut place, mut kind, mut format) = ((0, String::new()), None, String::new());
        let mut value = false;
        events(&xml, |event| match event {
            Seen::Tag(tag) => {
                value = tag.name().as_ref() == "v";
                if tag.name().as_ref() == "c" {
                    let cell = attribute(tag, "r").unwrap();
                    let column: String = cell.chars().filter(char::is_ascii_uppercase).collect();
                    place = (cell.strip_prefix(&column).unwrap().parse().unwrap(), column);
                    kind = attribute(tag, "t");
                    let style = attribute(tag, "s").unwrap_or_else(|| "0".to_owned());
                    format.clone_from(&formats[style.parse::<usize>().unwrap()]);
                }
            }
            Seen::Text(text) if value => {
                let cell = match kind.as_deref() {
                    Some("s") => Cell::Text(texts[text.parse::<usize>().unwrap()].clone()),
                    None => Cell::Figure(text.to_owned(), format.clone()),
                    Some(kind) => panic!("a cell of type {kind}"),
                };
                cells.insert(place.clone(), cell);
            }
            Seen::Text(_) => {}
        });
        Sheet { cells, xml }
    }
}

enum Seen<'a> {
    Tag(&'a BytesStart<'a>),
    Text(&'a str),
}

/// Tags and texts of a part; a part that is not well-formed ends the test.
fn events(xml: &str, mut seen: impl FnMut(Seen<'_>)) {
    let mut reader = Reader::from_str(xml);
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) | Event::Empty(tag) => seen(Seen::Tag(&tag)),
            Event::Text(text) => seen(Seen::Text(&text)),
            Event::GeneralRef(name) => {
                let letter = match &*name {
                    "amp" => "&",
                    "lt" => "<",
                    "gt" => ">",
                    "quot" => "\"",
                    other => panic!("&{other};"),
                };
                seen(Seen::Text(letter));
            }
            Event::Eof => return,
            _ => {}
        }
    }
}

fn tags(xml: &str, mut seen: impl FnMut(&BytesStart<'_>)) {
    events(xml, |event| {
        if let Seen::Tag(tag) = event {
            seen(tag);
        }
    });
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = tag.try_get_attribute(name).unwrap()?;
    Some(attribute.value.replace("&amp;", "&"))
}

/// ECMA-376, part 1, 22.9.2.19: `_x005F_` stands for an underscore that escapes nothing.
fn decoded(text: &str) -> String {
    text.replace("_x005F_", "_")
}

fn demo() -> Value {
    let folder = Folder::new();
    assert!(folder.run(&["sample", "--out", "t", "--messages", "1500"]).status.success());
    let output = folder.run(&["report", "t", "--json", "--organisation", "Contoso"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn report(value: &Value) -> Report {
    serde_json::from_value(value.clone()).unwrap()
}

fn rendered(report: &Report) -> Vec<u8> {
    let files = render::render(report, Format::Xlsx, &Branding::default()).unwrap();
    check::check(report, &files).unwrap();
    let [(name, bytes)] = <[_; 1]>::try_from(files).unwrap();
    assert_eq!(name, "report.xlsx");
    bytes
}

fn book(value: &Value) -> Book {
    Book::read(&rendered(&report(value)))
}

fn word(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

fn count(value: &Value) -> Cell {
    if value.is_null() {
        return word("");
    }
    Cell::Figure(value.to_string(), COUNT.to_owned())
}

/// A share to a tenth of a percent, rounded half up in integers: `0.333`.
fn share(part: &Value, of: &Value) -> Cell {
    let (part, of) = (part.as_u64().unwrap(), of.as_u64().unwrap());
    if of == 0 {
        return word("");
    }
    let tenths = (part * 2000 + of) / (2 * of);
    let text = format!("{}.{:03}", tenths / 1000, tenths % 1000);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    Cell::Figure(text.to_owned(), SHARE.to_owned())
}

fn days(date: &str) -> i64 {
    let date: chrono::NaiveDate = date.parse().unwrap();
    (date - chrono::NaiveDate::from_ymd_opt(1899, 12, 30).unwrap()).num_days()
}

fn date(value: &Value) -> Cell {
    Cell::Figure(days(value.as_str().unwrap()).to_string(), DATE.to_owned())
}

fn direction(value: &Value) -> Cell {
    word(match value.as_str() {
        Some("inbound") => "Inbound",
        Some("outbound") => "Outbound",
        _ => "",
    })
}

fn connector(value: &Value) -> Cell {
    word(value.as_str().unwrap_or("Without a connector"))
}

/// Messages, bands, share of No TLS.
fn counts(of: &Value) -> Vec<Cell> {
    let bands = BANDS.map(|band| count(&of["tls"][band]));
    let share = share(&of["tls"]["no_tls"], &of["messages"]);
    std::iter::once(count(&of["messages"])).chain(bands).chain([share]).collect()
}

fn list<'a>(of: &'a Value, key: &str) -> &'a [Value] {
    of[key].as_array().unwrap()
}

fn title(period: &Value) -> Cell {
    word(match period["id"].as_str().unwrap() {
        "week" => "Last week",
        "30d" => "Last 30 days",
        other => panic!("{other}"),
    })
}

/// Rows from the second on, then an empty one, then the totals, then nothing.
fn expect_table(sheet: &Sheet, rows: &[Vec<Cell>], totals: &[Vec<Cell>]) {
    let mut at = 2;
    for row in rows {
        sheet.expect(at, row);
        at += 1;
    }
    assert!(sheet.row(at).is_empty(), "an empty row stands above the totals");
    for total in totals {
        at += 1;
        sheet.expect(at, total);
    }
    assert!(sheet.row(at + 1).is_empty());
}

#[test]
fn connectors_and_days_are_those_of_the_report() {
    let report = demo();
    let book = book(&report);
    let (mut parts, mut days) = (Vec::new(), Vec::new());
    let (mut part_totals, mut day_totals) = (Vec::new(), Vec::new());
    for period in list(&report, "periods") {
        let span = [title(period), date(&period["from"]), date(&period["to"])];
        let row = |name: Cell, kind: &str, forced: &str, of: &Value| {
            let first = [direction(&of["direction"]), name, word(kind), word(forced)];
            let before = count(&of["previous"]["messages"]);
            [span.to_vec(), first.to_vec(), counts(of), vec![before]].concat()
        };
        for part in list(period, "connectors") {
            let kind = match part["type"].as_str().unwrap() {
                "partner" => "Partner",
                "on_premises" => "On-premises",
                "none" => "None",
                _ => "Not recorded",
            };
            let forced = match part["forced_tls"].as_bool() {
                Some(true) => "Yes",
                Some(false) => "No",
                None if kind == "None" => "",
                None => "Not recorded",
            };
            parts.push(row(connector(&part["connector"]), kind, forced, part));
        }
        for day in list(period, "daily") {
            let first = [title(period), date(&day["date"]), direction(&day["direction"])];
            days.push([first.to_vec(), vec![connector(&day["connector"])], counts(day)].concat());
        }
        for total in list(period, "totals") {
            part_totals.push(row(word("All mail flow"), "", "", total));
            let first = [title(period), word(""), direction(&total["direction"])];
            day_totals.push([first.to_vec(), vec![word("All mail flow")], counts(total)].concat());
        }
    }
    assert!(parts.len() > 20 && days.len() > 300, "the sample is not empty");
    for rows in [&mut parts, &mut part_totals] {
        for row in rows {
            // An empty cell at the end is no cell.
            if row.last() == Some(&word("")) {
                row.pop();
            }
        }
    }
    expect_table(&book.sheet("Connectors"), &parts, &part_totals);
    expect_table(&book.sheet("Daily"), &days, &day_totals);
}

#[test]
fn the_summary_holds_the_totals() {
    let report = demo();
    let sheet = book(&report).sheet("Summary");
    sheet.expect(sheet.find("Organisation"), &[word("Organisation"), word("Contoso")]);
    sheet.expect(sheet.find("As of"), &[word("As of"), date(&report["as_of"])]);
    let limit = |name: &str, key: &str| {
        let percent = report["limits"][key].as_f64().unwrap() / 100.0;
        let figure = Cell::Figure(percent.to_string(), "0%".to_owned());
        sheet.expect(sheet.find(name), &[word(name), figure]);
    };
    limit("Limit of No TLS", "no_tls_percent");
    limit("Limit of TLS 1.0 or older", "tls1_0_percent");
    let least = count(&report["limits"]["min_messages"]);
    sheet.expect(sheet.find("Judged from messages"), &[word("Judged from messages"), least]);
    let mut at = sheet.find("Period");
    for period in list(&report, "periods") {
        for total in list(period, "totals") {
            let mut row = |name: &str, part: &Value, before: Value| {
                at += 1;
                let mut cells = vec![title(period), date(&period["from"]), date(&period["to"])];
                cells.extend([count(&period["hours"]), direction(&total["direction"])]);
                cells.extend([word(name), count(part), share(part, &total["messages"])]);
                cells.extend([count(&before)]);
                sheet.expect(at, &cells);
            };
            let previous = &total["previous"];
            let protected = |of: &Value| {
                let messages = of["messages"].as_u64()?;
                let bare = of["tls"]["no_tls"].as_u64()? + of["tls"]["unknown"].as_u64()?;
                Some(messages - bare)
            };
            row("All mail flow", &total["messages"], previous["messages"].clone());
            let (now, before) = (protected(total).unwrap(), protected(previous));
            row("Protected by TLS", &json!(now), json!(before));
            let names = [
                "No TLS",
                "SSL 3.0 or older",
                "TLS 1.0",
                "TLS 1.1",
                "TLS 1.2",
                "TLS 1.3",
                "TLS, version not recorded",
                "Unknown",
            ];
            for (band, name) in BANDS.into_iter().zip(names) {
                row(name, &total["tls"][band], previous["tls"][band].clone());
            }
        }
    }
}

/// What stands above any number in the other files stands here too.
#[test]
fn a_revision_and_missing_traces_are_said() {
    let mut report = demo();
    report["run"] = json!({"schedule": "weekly", "nominal": "2026-11-16T07:00", "revision": 2});
    report["incomplete"] =
        json!({"newest": "2026-11-15T10:00:00Z", "needed": "2026-11-16T00:00:00Z"});
    let sheet = book(&report).sheet("Summary");
    let texts: Vec<&str> = sheet
        .cells
        .values()
        .filter_map(|cell| match cell {
            Cell::Text(text) => Some(text.as_str()),
            Cell::Figure(..) => None,
        })
        .collect();
    assert!(texts.iter().any(|text| text.starts_with("Revision 2: ")), "{texts:?}");
    assert!(texts.contains(
        &"Incomplete: the newest row is of 2026-11-15 10:00 UTC, the periods end at 2026-11-16 00:00 UTC."
    ));
    sheet.expect(sheet.find("Due"), &[word("Due"), word("2026-11-16 07:00")]);
    sheet.expect(sheet.find("Revision"), &[word("Revision"), count(&json!(2))]);
}

#[test]
fn insights_and_remote_domains_are_those_of_the_report() {
    let report = demo();
    let book = book(&report);
    let (insights, peers) = (book.sheet("Insights"), book.sheet("Remote domains"));
    let (mut at, mut peer_at) = (1, 1);
    for period in list(&report, "periods") {
        for insight in list(period, "insights") {
            at += 1;
            let row = insights.row(at);
            let cell = |column: usize| row.get(column).copied().flatten().cloned();
            let some = |cell: Cell| (cell != word("")).then_some(cell);
            assert_eq!(cell(2), Some(word(insight["rule"].as_str().unwrap())));
            assert_eq!(cell(3), some(direction(&insight["direction"])));
            if !insight["direction"].is_null() {
                assert_eq!(cell(4), Some(connector(&insight["connector"])));
            }
            for (column, key) in [(7, "messages"), (8, "of"), (11, "previous")] {
                assert_eq!(cell(column), some(count(&insight[key])), "{key}");
            }
            let shown = share(&insight["messages"], &insight["of"]);
            assert_eq!(cell(9), Some(shown).filter(|_| insight["problem"].is_null()));
            let limit = insight["limit_percent"].as_f64().map(|limit| (limit / 100.0).to_string());
            assert_eq!(cell(10), limit.map(|limit| Cell::Figure(limit, "0%".to_owned())));
            for column in [1, 5, 6] {
                assert!(matches!(cell(column), Some(Cell::Text(text)) if text.len() > 4));
            }
        }
        for peer in list(period, "peers") {
            peer_at += 1;
            let first = vec![title(period), direction(&peer["direction"])];
            let name = vec![word(peer["peer"].as_str().unwrap())];
            peers.expect(peer_at, &[first, name, counts(peer)].concat());
        }
    }
    assert!(at > 5 && peer_at > 10, "the sample has both");
    assert!(insights.row(at + 1).is_empty() && peers.row(peer_at + 1).is_empty());
}

#[test]
fn sources_and_rejects_are_those_of_the_report() {
    let mut report = demo();
    report["rejects"] = json!([
        {"file": "a.csv", "line": 17, "reason": "nul-byte", "found": "\u{0}x", "count": 12},
        {"file": "b.csv", "line": null, "reason": "unbalanced-quote", "found": "", "count": 30},
    ]);
    let book = book(&report);
    let numbers = [
        "rows",
        "counted",
        "merged",
        "duplicates",
        "internal",
        "outside_period",
        "rejected",
        "bytes",
    ];
    let sheet = book.sheet("Sources");
    let mut sums = numbers.map(|_| 0);
    for (at, source) in (2..).zip(list(&report, "sources")) {
        let text = |key: &str| word(source[key].as_str().unwrap());
        let instant = |key: &str| {
            let time = chrono::DateTime::parse_from_rfc3339(source[key].as_str().unwrap()).unwrap();
            time.timestamp() + 25_569 * 86_400
        };
        let row = sheet.row(at);
        assert_eq!(row[0], Some(&text("file")));
        assert_eq!(row[1], Some(&text("kind")));
        assert_eq!(row[2], Some(&text("unit")));
        for (index, key) in numbers.iter().enumerate() {
            assert_eq!(row[3 + index], Some(&count(&source[key])), "{key}");
            sums[index] += source[key].as_u64().unwrap();
        }
        assert_eq!(row[11], Some(&text("sha256")));
        for (column, key) in [(12, "first"), (13, "last")] {
            let Some(Cell::Figure(found, format)) = row[column] else { panic!("no {key}") };
            assert_eq!(format, INSTANT);
            let found: f64 = found.parse().unwrap();
            let seconds = format!("{:.0}", found * 86_400.0);
            assert_eq!(seconds, instant(key).to_string(), "{key}");
        }
    }
    let last = u32::try_from(list(&report, "sources").len()).unwrap() + 3;
    let sums = sums.map(|sum| count(&json!(sum)));
    sheet.expect(last, &[vec![word("All files"), word(""), word("")], sums.to_vec()].concat());

    let reason = |code: &str, words: &str| [word(code), word(words)];
    let [code, words] = reason("nul-byte", "NUL byte");
    let first =
        vec![word("a.csv"), count(&json!(17)), code, words, word("\u{fffd}x"), count(&json!(12))];
    let [code, words] = reason("unbalanced-quote", "quoted field never ends");
    let second = vec![word("b.csv"), word(""), code, words, word(""), count(&json!(30))];
    let blank = vec![word(""); 4];
    let total = [vec![word("All")], blank, vec![count(&json!(42))]].concat();
    expect_table(&book.sheet("Rejects"), &[first, second], &[total]);
}

#[test]
fn heads_are_frozen_bold_and_filtered() {
    let report = demo();
    let book = book(&report);
    let names =
        ["Summary", "Connectors", "Daily", "Insights", "Remote domains", "Sources", "Rejects"];
    assert_eq!(book.names(), names);
    for name in &names[1..] {
        let sheet = book.sheet(name);
        let (mut frozen, mut filter, mut head) = (0, None, None);
        tags(&sheet.xml, |tag| match tag.name().as_ref() {
            "pane" => {
                assert_eq!(attribute(tag, "state").as_deref(), Some("frozen"));
                frozen = attribute(tag, "ySplit").unwrap().parse().unwrap();
            }
            "autoFilter" => filter = attribute(tag, "ref"),
            "c" if head.is_none() => head = attribute(tag, "s"),
            _ => {}
        });
        assert_eq!(frozen, 1, "{name}");
        let data = (2..10_000).take_while(|row| !sheet.row(*row).is_empty()).count();
        let last = char::from(b'A' + u8::try_from(sheet.row(1).len()).unwrap() - 1);
        assert_eq!(filter, Some(format!("A1:{last}{}", data + 1)), "{name}");
        assert!(bold(&book, &head.unwrap()), "{name}");
        assert!(sheet.xml.contains("customWidth=\"1\""), "{name}");
    }
}

fn bold(book: &Book, style: &str) -> bool {
    let (mut fonts, mut inside, mut used) = (Vec::new(), false, Vec::new());
    tags(&book.parts["xl/styles.xml"], |tag| match tag.name().as_ref() {
        "font" => fonts.push(false),
        "b" => *fonts.last_mut().unwrap() = true,
        "cellXfs" => inside = true,
        "cellStyles" => inside = false,
        "xf" if inside => used.push(attribute(tag, "fontId").unwrap()),
        _ => {}
    });
    fonts[used[style.parse::<usize>().unwrap()].parse::<usize>().unwrap()]
}

#[test]
fn the_same_report_gives_the_same_bytes() {
    let report = report(&demo());
    let bytes = rendered(&report);
    assert!(bytes == rendered(&report), "in one process");
    let folder = Folder::new();
    folder.run(&["sample", "--out", "t", "--messages", "1500"]);
    let written = ["a", "b"].map(|out| {
        let args = ["report", "t", "--out", out, "--organisation", "Contoso", "--formats", "xlsx"];
        assert!(folder.run(&args).status.success());
        std::fs::read(folder.path().join(out).join("report.xlsx")).unwrap()
    });
    assert!(written[0] == written[1] && written[0] == bytes, "in two processes");
    let core = &Book::read(&bytes).parts["docProps/core.xml"];
    let as_of = format!(">{}T00:00:00Z<", report.as_of);
    assert_eq!(core.matches(&as_of).count(), 2, "made and changed on the day of the report");
    assert_eq!(core.matches("dcterms:W3CDTF").count(), 2);
}

/// Names as an attacker would choose them, and what must stand in the cell.
fn hostile_names() -> Vec<(String, String)> {
    let mut cases: Vec<(String, String)> = [
        ("=cmd|'/c calc'!A1", "=cmd|'/c calc'!A1"),
        ("=HYPERLINK(\"http://x.example\")", "=HYPERLINK(\"http://x.example\")"),
        ("{=1+1}", "{=1+1}"),
        ("+1", "+1"),
        ("-1", "-1"),
        ("@SUM(A1)", "@SUM(A1)"),
        ("http://x.example/", "http://x.example/"),
        ("12345", "12345"),
        ("00:01", "00:01"),
        ("a\u{0}\u{1b}[2Jb\r\nc", "a\u{fffd}\u{fffd}[2Jb\u{fffd}\u{fffd}c"),
        ("a\u{202e}xslx.\u{200b}b", "a\u{fffd}xslx.\u{fffd}b"),
        ("\u{fffe}\u{ffff}", "\u{fffd}\u{fffd}"),
        ("שלום مرحبا", "שלום مرحبا"),
        ("📠👩‍🚀", "📠👩\u{fffd}🚀"),
        ("</t></si></sst>&\"'<f>1</f>", "</t></si></sst>&\"'<f>1</f>"),
        ("<r><t>x</t></r>", "<r><t>x</t></r> "),
        ("<r></si><x></r>", "<r></si><x></r> "),
        ("_x0041_", "_x0041_"),
        (" spaces ", " spaces "),
    ]
    .map(|(name, expected)| (name.to_owned(), expected.to_owned()))
    .into();
    cases.push(("n".repeat(40_000), format!("{}…", "n".repeat(32_765))));
    cases.push(("😀".repeat(40_000), format!("{}…", "😀".repeat(16_382))));
    cases
}

/// No part but the sheets and what they need, no formula, nothing that points outside.
fn expect_harmless(book: &Book) {
    for (name, xml) in &book.parts {
        events(xml, |_| {});
        let known = ["[Content_Types].xml", "_rels/.rels", "docProps/app.xml", "docProps/core.xml"];
        let inside = name.starts_with("xl/worksheets/sheet")
            || ["_rels/workbook.xml.rels", "styles.xml", "workbook.xml", "sharedStrings.xml"]
                .iter()
                .any(|part| *name == format!("xl/{part}"))
            || name == "xl/theme/theme1.xml";
        assert!(known.contains(&name.as_str()) || inside, "{name}");
        assert!(!xml.contains("TargetMode"), "{name} points outside");
        if name.starts_with("xl/worksheets/") {
            tags(xml, |tag| {
                let tag = tag.name();
                assert!(!["f", "hyperlink", "hyperlinks"].contains(&tag.as_ref()), "{name}");
            });
        }
    }
}

/// The same of a workbook as bytes.
pub(crate) fn expect_harmless_bytes(bytes: &[u8]) {
    expect_harmless(&Book::read(bytes));
}

/// All parts of a workbook as text.
pub(crate) fn all_parts(bytes: &[u8]) -> String {
    Book::read(bytes).parts.into_values().collect()
}

#[test]
fn hostile_names_stay_text() {
    let cases = hostile_names();
    let mut report = demo();
    let hostile: Vec<&str> = cases.iter().map(|(name, _)| name.as_str()).collect();
    let parts: Vec<Value> = hostile
        .iter()
        .map(|name| {
            let mut part = report["periods"][0]["connectors"][0].clone();
            part["connector"] = json!(name);
            part
        })
        .collect();
    let source = report["sources"][0].clone();
    for name in &hostile {
        let mut file = source.clone();
        file["file"] = json!(name);
        report["sources"].as_array_mut().unwrap().push(file);
        let reject =
            json!({"file": name, "line": 1, "reason": "nul-byte", "found": name, "count": 1});
        report["rejects"].as_array_mut().unwrap().push(reject);
    }
    report["periods"][0]["connectors"] = json!(parts);
    report["only"] = json!(hostile);
    report["organisation"] = json!(format!("=1+1&\u{0}<r>{}</r>", "n".repeat(40_000)));
    report["run"] = json!({"schedule": "=weekly", "nominal": "=2026", "revision": 2});

    let book = book(&report);
    let sheet = book.sheet("Connectors");
    for (row, (name, expected)) in (2..).zip(&cases) {
        let name: String = name.chars().take(40).collect();
        assert_eq!(sheet.cells.get(&(row, "E".to_owned())), Some(&word(expected)), "{name:?}");
    }
    expect_harmless(&book);
    for text in book.texts() {
        assert!(text.encode_utf16().count() <= 32_767);
    }
}

/// Spreadsheets keep 15 digits: a larger number would turn into another one.
#[test]
fn numbers_too_large_for_a_spreadsheet_are_text() {
    let mut report = demo();
    for (index, messages) in [(0, 999_999_999_999_999_u64), (1, 1_000_000_000_000_001)] {
        report["periods"][0]["totals"][index]["messages"] = json!(messages);
        report["periods"][0]["totals"][index]["tls"]["no_tls"] = json!(messages);
    }
    let sheet = book(&report).sheet("Connectors");
    let found = |text: &str| sheet.cells.values().filter(|cell| **cell == word(text)).count();
    assert_eq!(found("1000000000000001"), 2);
    assert_eq!(found("999999999999999"), 0);
    let exact = count(&json!(999_999_999_999_999_u64));
    assert_eq!(sheet.cells.values().filter(|cell| **cell == exact).count(), 2);
}

/// A workbook that is not the report's does not leave.
#[test]
fn a_workbook_is_read_again() {
    let value = demo();
    let whole = rendered(&report(&value));
    let fault = |value: &Value, bytes: &[u8]| {
        let files = [("report.xlsx".to_owned(), bytes.to_vec())];
        check::check(&report(value), &files).err().map(|unreadable| unreadable.fault)
    };
    assert_eq!(fault(&value, &whole), None);
    assert_eq!(fault(&value, &whole[..whole.len() - 30]), Some("cannot be opened"));
    let mut other = value.clone();
    other["periods"][1]["totals"][0]["messages"] = json!(1);
    assert_eq!(fault(&other, &whole), Some("lacks a total"));
    let mut other = value.clone();
    other["periods"][1]["connectors"][0]["messages"] = json!(1);
    assert_eq!(fault(&other, &whole), Some("does not hold every connector"));
    let mut other = value;
    other["periods"][0]["connectors"].as_array_mut().unwrap().pop();
    assert_eq!(fault(&other, &whole), Some("does not hold every connector"));
}

/// A report without mail is a workbook with heads and zeros.
#[test]
fn an_empty_report_is_a_workbook() {
    let mut report = demo();
    for period in report["periods"].as_array_mut().unwrap() {
        for list in ["connectors", "daily", "peers", "insights"] {
            period[list] = json!([]);
        }
        for total in period["totals"].as_array_mut().unwrap() {
            total["messages"] = json!(0);
            total["tls"] = json!({"no_tls": 0, "ssl3": 0, "tls1_0": 0, "tls1_1": 0, "tls1_2": 0,
                                  "tls1_3": 0, "tls_unspecified": 0, "unknown": 0});
        }
    }
    report["sources"] = json!([]);
    let book = book(&report);
    let sheet = book.sheet("Connectors");
    assert!(sheet.row(2).is_empty());
    assert_eq!(sheet.cells.get(&(3, "H".to_owned())), Some(&count(&json!(0))));
    assert_eq!(sheet.cells.get(&(3, "Q".to_owned())), None, "no mail is no share");
}

/// Sheet names have a limit that words in some language could pass.
#[test]
fn sheet_names_fit_in_every_language() {
    use intransit::render::words::{LANGUAGES, Words};
    for (language, _) in LANGUAGES {
        let words = Words::of(language).unwrap();
        let mut names: Vec<String> =
            ["summary", "connectors", "daily", "insights", "peers", "sources", "rejects"]
                .map(|key| words.text(&format!("xlsx.{key}")).to_lowercase())
                .into();
        for name in &names {
            assert!((1..=31).contains(&name.chars().count()), "{language}: {name}");
            assert!(
                !name.contains(['[', ']', ':', '*', '?', '/', '\\', '\'']),
                "{language}: {name}"
            );
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 7, "{language}");
    }
}
