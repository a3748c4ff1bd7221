//! The files of a report: one set of figures, the same bytes every time.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Folder, RANGE, detail, text};

fn demo() -> Folder {
    let folder = Folder::new();
    assert!(folder.run(&["sample", "--out", "t", "--messages", "1500"]).status.success());
    for out in ["out", "again"] {
        let output = folder.run(&["report", "t", "--out", out, "--organisation", "Contoso"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    folder
}

fn read(folder: &Folder, name: &str) -> Vec<u8> {
    std::fs::read(folder.path().join(name)).unwrap()
}

const FILES: [&str; 5] =
    ["report.html", "report.pdf", "report.json", "connectors.csv", "daily.csv"];

#[test]
fn two_runs_give_the_same_bytes() {
    let folder = demo();
    for name in FILES {
        let (first, second) = (format!("out/{name}"), format!("again/{name}"));
        assert!(read(&folder, &first) == read(&folder, &second), "{name} differs");
    }
    let written = std::fs::read_dir(folder.path().join("out")).unwrap().count();
    assert_eq!(written, FILES.len(), "nothing else is left");
}

#[test]
fn the_json_keeps_to_its_schema() {
    let folder = demo();
    let schema: Value =
        serde_json::from_slice(&folder.run(&["report", "--schema"]).stdout).unwrap();
    let report: Value = serde_json::from_slice(&read(&folder, "out/report.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&report).map(|e| e.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let mut broken = report;
    broken["periods"][0]["totals"][0]["messages"] = "many".into();
    assert!(!validator.is_valid(&broken), "the schema says something");
}

fn csv_rows(bytes: &[u8]) -> Vec<csv::StringRecord> {
    csv::Reader::from_reader(bytes).into_records().map(Result::unwrap).collect()
}

/// The CSV files hold the figures of report.json, row by row.
#[test]
fn csv_and_json_agree() {
    let folder = demo();
    let report: Value = serde_json::from_slice(&read(&folder, "out/report.json")).unwrap();
    let rows = csv_rows(&read(&folder, "out/connectors.csv"));
    let mut expected = Vec::new();
    for period in report["periods"].as_array().unwrap() {
        for connector in period["connectors"].as_array().unwrap() {
            let bands = [
                "no_tls",
                "ssl3",
                "tls1_0",
                "tls1_1",
                "tls1_2",
                "tls1_3",
                "tls_unspecified",
                "unknown",
            ];
            let counts = bands.map(|band| connector["tls"][band].to_string()).join(",");
            let name = connector["connector"].as_str().unwrap_or("");
            expected.push(format!(
                "{}|{name}|{}|{counts}",
                period["id"].as_str().unwrap(),
                connector["messages"]
            ));
        }
    }
    let found: Vec<String> = rows
        .iter()
        .map(|row| {
            format!(
                "{}|{}|{}|{}",
                &row[0],
                &row[4],
                &row[7],
                row.iter().skip(8).collect::<Vec<_>>().join(",")
            )
        })
        .collect();
    assert_eq!(found, expected);
    for row in &rows {
        let bands: u64 = row.iter().skip(8).map(|count| count.parse::<u64>().unwrap()).sum();
        assert_eq!(bands, row[7].parse::<u64>().unwrap());
    }
    let days = csv_rows(&read(&folder, "out/daily.csv"));
    let of_week = |rows: &[csv::StringRecord], column: usize| -> u64 {
        rows.iter()
            .filter(|row| &row[0] == "week")
            .map(|row| row[column].parse::<u64>().unwrap())
            .sum()
    };
    assert_eq!(of_week(&days, 4), of_week(&rows, 7));
}

/// The page loads nothing, runs nothing, and holds every figure of the connector table.
#[test]
fn the_page_is_self_contained_and_whole() {
    let folder = demo();
    let html = text(&read(&folder, "out/report.html"));
    assert!(html.contains("default-src 'none'"));
    for foreign in ["http://", "https://", "src=", "<link", "@import", "url(", "style=\""] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    for row in csv_rows(&read(&folder, "out/connectors.csv")) {
        for number in row.iter().skip(7).take(3) {
            assert!(html.contains(&format!("data-n=\"{number}\"")), "{number}");
        }
    }
}

/// The document: bookmarks in the order of the pages, page numbers, embedded subset fonts,
/// and everything within the margins.
#[test]
fn the_document_is_well_made() {
    let folder = demo();
    let bytes = read(&folder, "out/report.pdf");
    let document = lopdf::Document::load_mem(&bytes).unwrap();
    let outline = bookmarks(&document);
    assert_eq!(outline.first().map(|(title, _)| title.as_str()), Some("Last week"));
    assert!(outline.iter().any(|(title, _)| title == "Connector report"));
    let pages: Vec<usize> = outline.iter().map(|(_, page)| *page).collect();
    assert!(pages.is_sorted(), "{outline:?}");
    let fonts = document.objects.values().filter_map(|object| object.as_dict().ok());
    let embedded = fonts.filter(|dict| dict.has(b"FontFile2")).count();
    assert_eq!(embedded, 2);
    assert!(bytes.len() < 400_000, "fonts are subset: {} bytes", bytes.len());
    let catalog = document.catalog().unwrap();
    assert_eq!(catalog.get(b"PageMode").unwrap().as_name().unwrap(), b"UseOutlines");
    assert!(catalog.has(b"Lang"));
    inside_the_margins(&document);
}

fn bookmarks(document: &lopdf::Document) -> Vec<(String, usize)> {
    let pages: Vec<lopdf::ObjectId> = document.get_pages().into_values().collect();
    let root = document.catalog().unwrap().get(b"Outlines").unwrap().as_reference().unwrap();
    let mut found = Vec::new();
    let mut open =
        vec![document.get_dictionary(root).unwrap().get(b"First").unwrap().as_reference().unwrap()];
    while let Some(id) = open.pop() {
        let item = document.get_dictionary(id).unwrap();
        let title = item.get(b"Title").unwrap().as_str().unwrap();
        let units: Vec<u16> =
            title.chunks(2).skip(1).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
        let page = item.get(b"Dest").unwrap().as_array().unwrap()[0].as_reference().unwrap();
        found.push((
            String::from_utf16(&units).unwrap(),
            pages.iter().position(|p| *p == page).unwrap(),
        ));
        open.extend(item.get(b"Next").and_then(lopdf::Object::as_reference));
        open.extend(item.get(b"First").and_then(lopdf::Object::as_reference));
    }
    found
}

/// Every rectangle and every start of a text lies within the page's margins.
fn inside_the_margins(document: &lopdf::Document) {
    let mut seen = BTreeSet::new();
    for page in document.get_pages().into_values() {
        let content = document.get_page_content(page);
        let content = lopdf::content::Content::decode(&content).unwrap();
        for operation in &content.operations {
            let numbers: Vec<f32> =
                operation.operands.iter().filter_map(|o| o.as_float().ok()).collect();
            seen.insert(operation.operator.clone());
            match (operation.operator.as_str(), numbers.as_slice()) {
                ("re", [x, y, width, height]) => {
                    assert!(*x >= 41.9 && x + width <= 553.4, "{numbers:?}");
                    assert!(*y >= 25.0 && y + height <= 800.0, "{numbers:?}");
                }
                ("Td", [x, y]) => {
                    assert!(*x >= 41.9 && *x <= 553.4 && *y >= 25.0 && *y <= 800.0, "{numbers:?}");
                }
                _ => {}
            }
        }
    }
    assert!(seen.contains("Td") && seen.contains("TJ"), "{seen:?}");
}

/// A table longer than a page: its head stands on each, every row stands once, and nothing
/// leaves the margins.
#[test]
fn a_long_table_goes_over_pages() {
    let rows: Vec<String> = (0..150)
        .map(|n| format!("2026-11-09T10:00:00Z,{n},Received,Connector number {n:03} of many,TLS1.2,a@b.example,x@y.example"))
        .collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let folder = Folder::with("a.csv", detail(&rows));
    let args = [&["report", "a.csv", "--out", "out", "--formats", "pdf"], &RANGE[..]];
    assert!(folder.run(&args.concat()).status.success());
    let document = lopdf::Document::load_mem(&read(&folder, "out/report.pdf")).unwrap();
    inside_the_margins(&document);
    let pages: Vec<String> = (1..=document.get_pages().len())
        .map(|page| {
            let page = page.to_string();
            let output = std::process::Command::new("pdftotext")
                .args(["-f", &page, "-l", &page])
                .arg(folder.path().join("out/report.pdf"))
                .arg("-")
                .output()
                .expect("pdftotext of poppler-utils; tests/run installs it");
            text(&output.stdout)
        })
        .collect();
    let with_rows: Vec<&String> =
        pages.iter().filter(|page| page.contains("Connector number")).collect();
    assert!(with_rows.len() >= 3, "{} pages", with_rows.len());
    for page in with_rows {
        assert!(page.contains("Forced TLS?"), "the head stands on every page: {page}");
    }
    for n in 0..150 {
        let name = format!("Connector number {n:03} of many");
        assert_eq!(
            pages.iter().map(|page| page.matches(&name).count()).sum::<usize>(),
            1,
            "{name}"
        );
    }
}

/// Poppler, an independent reader, finds every connector and every number.
#[test]
fn another_reader_finds_everything_in_the_document() {
    let folder = demo();
    let output = std::process::Command::new("pdftotext")
        .arg(folder.path().join("out/report.pdf"))
        .arg("-")
        .output()
        .expect("pdftotext of poppler-utils; tests/run installs it");
    let found = text(&output.stdout);
    let words: BTreeSet<&str> = found.split_whitespace().collect();
    for row in csv_rows(&read(&folder, "out/connectors.csv")) {
        let name = row[4].replace('📠', "<U+1F4E0>");
        assert!(found.contains(name.as_str()), "{name}");
        for number in row.iter().skip(7).filter(|number| *number != "0") {
            assert!(words.contains(number), "{number} of {name}");
        }
    }
    let check = std::process::Command::new("qpdf")
        .arg("--check")
        .arg(folder.path().join("out/report.pdf"))
        .output()
        .expect("qpdf; tests/run installs it");
    assert!(check.status.success(), "{}", text(&check.stdout));
}

fn pdf_text(bytes: &[u8]) -> String {
    let folder = Folder::with("a.pdf", bytes);
    let output = std::process::Command::new("pdftotext")
        .arg(folder.path().join("a.pdf"))
        .arg("-")
        .output()
        .expect("pdftotext of poppler-utils; tests/run installs it");
    text(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Who sees some connectors only sees neither files nor rejected rows, nor what others reported;
/// and is told that it is so.
#[test]
fn a_limited_report_tells_nothing_of_others() {
    let rows = [
        "2026-11-09T10:00:00Z,1,Received,Fabrikam,TLS1.3,a@fabrikam.example,c@contoso.example",
        "2026-11-09T10:00:00Z,2,Received,Othello,secret-word,a@b.example,c@contoso.example",
    ];
    let folder = Folder::with("trace.csv", detail(&rows));
    let report: intransit::report::Report = serde_json::from_value(folder.report(&RANGE)).unwrap();
    assert_eq!(report.rejects[0].found, "secret-word");
    let limited = intransit::report::limited(&report, &["Fabrikam".to_owned()]);
    assert!(limited.tls_rpt.is_none());
    let branding = std::sync::Arc::new(intransit::render::branding::Branding::default());
    for format in intransit::render::Format::ALL {
        for (name, bytes) in intransit::render::render(&limited, format, &branding).unwrap() {
            let shown = match name.as_str() {
                "report.pdf" => pdf_text(&bytes),
                "report.xlsx" => crate::xlsx::all_parts(&bytes),
                _ => text(&bytes),
            };
            let sha256 = &report.sources[0].sha256;
            for secret in ["trace.csv", "secret-word", "Othello", sha256.as_str()] {
                assert!(!shown.contains(secret), "{name} holds {secret}");
            }
            assert_eq!(
                shown.contains("stands in the whole report"),
                name.ends_with("html") || name.ends_with("pdf"),
                "{name}"
            );
        }
    }
}
