//! Files that nobody should have: a clear error or counted rejects, never a crash.

use crate::files::gzip;
use crate::support::{Folder, RANGE, counts, detail, expected, rejects, text};

const ROW: &str = "2026-11-09T10:00:00Z,1,Received,F,TLS1.2,a@b.example,x@y.example";

/// A named file that is no trace, with what its error must say.
#[test]
fn named_files_that_cannot_be_used() {
    let png: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\0\0\0\x01\0\x08\x06\0\0\0\\r\xa8f";
    let cut = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
    let packed = gzip(detail(&vec![ROW; 2000]).as_bytes());
    let zstd = zstd::encode_all(detail(&vec![ROW; 2000]).as_bytes(), 3).unwrap();
    let wide = (0..100_000).map(|n| format!("column{n}")).collect::<Vec<_>>().join(",");
    let mut not_gzip = packed.clone();
    let middle = not_gzip.len() / 2;
    not_gzip[middle] ^= 0xff;
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty.csv", Vec::new(), "is empty"),
        ("blank.csv", b"\r\n\r\n".to_vec(), "is empty"),
        ("picture.csv", png.to_vec(), "is no mail trace"),
        ("wide.csv", wide.into_bytes(), "it has more than 4096 columns"),
        ("colon.csv", detail(&[ROW]).replace(',', "^").into_bytes(), "is no mail trace"),
        ("cut.csv.gz", cut(packed), "damaged or cut off"),
        ("cut.csv.zst", cut(zstd), "damaged or cut off"),
        ("flipped.csv.gz", not_gzip, "damaged or cut off"),
        ("bad.zip", b"PK\x03\x04nonsense".to_vec(), "damaged or cut off"),
        ("bad.parquet", b"PAR1nonsensePAR1".to_vec(), "not readable as Parquet"),
        ("header.csv", detail(&[]).into_bytes(), "no usable row"),
        ("all-bad.csv", detail(&["x,y", "z"]).into_bytes(), "2 of 2 row(s) rejected"),
        ("cut.json", b"[{\"dateTime\":\"2026-11-09T10:00:00Z\",\"event\":\"Receive\",\"data\":\"\",\"id\":\"1\",\"messageId\":\"1\"},{\"da".to_vec(), "not readable as JSON"),
        ("no-direction.csv", b"date,tls\n2026-11-09,TLS1.2\n".to_vec(), "which way messages went"),
    ];
    for (name, bytes, expected) in cases {
        let folder = Folder::with(name, bytes);
        let output = folder.run(&[&["report", name, "--json"], &RANGE[..]].concat());
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{name}: {stderr}");
        assert!(stderr.contains(expected), "{name}: {stderr}");
        assert!(stderr.contains(name) || expected.contains("row"), "{name}: {stderr}");
        assert!(stderr.len() < 2000, "{name}: an error is short");
        assert!(!stderr.contains("panicked"), "{name}: {stderr}");
    }
}

/// A damaged file among good ones is an error, or left out whole and said so; a file that
/// is no trace is only skipped.
#[test]
fn bad_files_among_good_ones() {
    let rows = |from: usize| -> String {
        let rows: Vec<String> =
            (from..from + 5000).map(|n| ROW.replace(",1,", &format!(",{n},"))).collect();
        detail(&rows.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let packed = gzip(rows(0).as_bytes());
    let folder = Folder::with("cut.csv.gz", &packed[..packed.len() - 9]);
    folder.add("good.csv", rows(3000));
    folder.add("manifest.json", "{\"hello\": 1}");
    folder.add("notes.txt", "hello");
    let stderr = folder.failure(3, &RANGE);
    assert!(stderr.contains("cut.csv.gz") && stderr.contains("hint:"), "{stderr}");
    let args: Vec<&str> = RANGE.iter().copied().chain(["--skip-bad-files"]).collect();
    let report = folder.report(&args);
    assert_eq!(counts(&report), expected(&["inbound|F|tls1_2|5000"]), "no row of the cut file");
    let skipped = report["skipped"].as_array().unwrap();
    assert_eq!(skipped.len(), 3, "{skipped:?}");
    assert_eq!(report["sources"].as_array().unwrap().len(), 1);
}

/// A line far above the limit is one reject, and the rows around it are counted.
#[test]
fn a_very_long_line_is_one_reject() {
    let long = "x".repeat(40 << 20);
    let table = detail(&[ROW, &long, &ROW.replace(",1,", ",2,")]);
    let report = Folder::with("a.csv", table).report(&RANGE);
    assert_eq!(counts(&report), expected(&["inbound|F|tls1_2|2"]));
    assert_eq!(rejects(&report), ["line-too-long x1"]);
    assert_eq!(report["rejects"][0]["line"], 3);
}

/// A JSON document on one line longer than any line of other files is read whole; a single
/// cell of that length is an error.
#[test]
fn json_on_one_long_line() {
    let rows: Vec<serde_json::Value> = (0..60_000)
        .map(|n| {
            serde_json::json!({
                "date_time": "2026-11-09T10:00:00Z", "message_id": format!("<{n}@x>"), "direction": "Received",
                "tls_version": "TLS1.2", "subject": "x".repeat(80),
            })
        })
        .collect();
    let document = serde_json::Value::Array(rows).to_string();
    assert!(document.len() > 9 << 20);
    let report = Folder::with("a.json", document).report(&RANGE);
    assert_eq!(counts(&report), expected(&["inbound|-|tls1_2|60000"]));
    let endless = format!(
        "[{{\"date\":\"2026-11-09\",\"direction\":\"1\",\"tls\":\"TLS1.2\"}},{{\"date\":\"{}\"}}]",
        "x".repeat(20 << 20)
    );
    let stderr = Folder::with("b.json", endless).failure(3, &RANGE);
    assert!(
        stderr.contains("not readable as JSON") && stderr.contains("longer than 8 MiB"),
        "{stderr}"
    );
}

/// Volumes beyond reason are rejects; the largest that are read add up.
#[test]
fn enormous_volumes() {
    let row =
        |day: u32, volume: &str| format!("2026-11-{day:02},From partner - F,0,100,{volume}\n");
    let rows = [row(1, "18446744073709551615"), row(2, "9999999999"), row(3, "9999999999")];
    let table =
        format!("Date,Connector direction and name,No TLS,TLS 1.2,Volume\n{}", rows.concat());
    let report = Folder::with("a.csv", table).report(&RANGE);
    assert_eq!(counts(&report), expected(&["inbound|F|tls1_2|19999999998"]));
    assert_eq!(rejects(&report), ["volume-unreadable x1"]);
}

/// Quotes that never close, in every line: linear time, counted rejects.
#[test]
fn quotes_that_never_close() {
    let row = "2026-11-09T10:00:00Z,1,Received,\"F,TLS1.2,a@b.example,x@y.example";
    let mut rows = vec![row; 100_001];
    rows.push(ROW);
    let report = Folder::with("a.csv", detail(&rows)).report(&RANGE);
    let counted = counts(&report);
    assert_eq!(counted.values().sum::<u64>(), 1, "{counted:?}");
    let rejected: u64 = report["sources"][0]["rejected"].as_u64().unwrap();
    assert_eq!(rejected, 100_001);
}

/// Names that attack whoever reads them.
#[test]
fn hostile_names_in_every_format() {
    let name = "日本 <script>alert(1)</script> =cmd|'/c calc'!A1";
    let formula = "=cmd|'/c calc'!A1";
    let escape = "\u{1b}]0;owned\u{7}\u{202e}gpj";
    let rows: Vec<String> = [name, formula, escape]
        .iter()
        .enumerate()
        .map(|(n, name)| {
            format!("2026-11-09T10:00:00Z,{n},Received,{name},No Tls,a@b.example,x@y.example")
        })
        .collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let folder = Folder::with("a.csv", detail(&rows));
    let output = folder.run(
        &[&["report", ".", "--out", "out", "--organisation", "<b>\"A\"&Co"], &RANGE[..]].concat(),
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    let stdout = text(&output.stdout);
    assert!(!stdout.contains('\u{1b}') && !stdout.contains('\u{202e}'), "{stdout:?}");
    let read = |name: &str| std::fs::read(folder.path().join("out").join(name)).unwrap();
    let html = text(&read("report.html"));
    assert!(html.contains("日本 &lt;script&gt;alert(1)"), "shown, escaped");
    assert!(!html.contains("<script>alert") && !html.contains("<b>") && !html.contains('\u{202e}'));
    let csv = text(&read("connectors.csv"));
    assert!(csv.contains("\"'=cmd|'/c calc'!A1\""), "{csv}");
    assert!(csv.contains("日本 <script>"), "{csv}");
    let json: serde_json::Value = serde_json::from_slice(&read("report.json")).unwrap();
    let names: Vec<&str> = json["periods"][0]["connectors"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|connector| connector["connector"].as_str())
        .collect();
    assert!(names.contains(&name) && names.contains(&escape), "JSON keeps names as they are");
    assert!(read("report.pdf").starts_with(b"%PDF-1.7"));
}
