//! Encodings, containers and the quirks of delimited text.

use std::io::Write;

use crate::support::{Counts, Folder, RANGE, counts, detail, expected, rejects, sum, text};

fn utf16(text: &str, bom: bool, big: bool) -> Vec<u8> {
    let units = bom.then_some(0xfeff).into_iter().chain(text.encode_utf16());
    units.flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn sample() -> String {
    detail(&[
        "2026-11-09T10:00:00Z,1,Received,\"Société, \"\"Nord\"\"\",TLS1.2,a@fabrikam.example,x@contoso.example",
        "2026-11-09T10:00:00Z,2,Received,日本 📠,TLS1.3,a@fabrikam.example,x@contoso.example",
        "2026-11-09T10:00:00Z,3,Sent,\"two\r\nlines\",No Tls,x@contoso.example,a@fabrikam.example",
    ])
}

fn sample_counts() -> Counts {
    expected(&[
        "inbound|Société, \"Nord\"|tls1_2|1",
        "inbound|日本 📠|tls1_3|1",
        "outbound|two\r\nlines|no_tls|1",
    ])
}

#[test]
fn every_encoding_and_container() {
    let plain = sample();
    let bytes = plain.as_bytes();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("utf-8.csv", bytes.to_vec()),
        ("utf-8-bom.csv", format!("\u{feff}{plain}").into_bytes()),
        ("utf-16le-bom.csv", utf16(&plain, true, false)),
        ("utf-16be-bom.csv", utf16(&plain, true, true)),
        ("utf-16le.csv", utf16(&plain, false, false)),
        ("utf-16be.csv", utf16(&plain, false, true)),
        ("plain.gz", gzip(bytes)),
        ("two-members.gz", [gzip(&bytes[..100]), gzip(&bytes[100..])].concat()),
        ("utf-16.csv.gz", gzip(&utf16(&plain, false, false))),
        ("plain.zst", zstd::encode_all(bytes, 3).unwrap()),
        ("utf-16.zst", zstd::encode_all(utf16(&plain, true, true).as_slice(), 3).unwrap()),
        ("plain.zip", zip(&[("inner/a.csv", bytes)])),
        ("with-others.zip", zip(&[("a.csv", bytes), ("readme.txt", b"hello"), ("b.csv", bytes)])),
        ("wrong-name.png", bytes.to_vec()),
        ("sep.csv", format!("sep=,\r\n{plain}").into_bytes()),
        ("type.csv", format!("#TYPE Selected.System\r\n{plain}").into_bytes()),
        ("no-last-newline.csv", bytes.strip_suffix(b"\r\n").unwrap().to_vec()),
        ("blank-lines.csv", plain.replace("\r\n2026", "\r\n\r\n\r\n2026").into_bytes()),
    ];
    for (name, bytes) in cases {
        let folder = Folder::with(name, bytes);
        let report = folder.report(&RANGE);
        assert_eq!(counts(&report), sample_counts(), "{name}");
    }
}

/// A ZIP that is named may hold other files beside traces, as a folder may.
#[test]
fn a_named_zip_with_other_files() {
    let rows = sample();
    let files: [(&str, &[u8]); 2] =
        [("a.csv", rows.as_bytes()), ("__MACOSX/._a.csv", b"\x00\x05\x16")];
    let folder = Folder::with("export.zip", zip(&files));
    let output = folder.run(&[&["report", "export.zip", "--json"], &RANGE[..]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(counts(&report), sample_counts());
    assert_eq!(report["skipped"], serde_json::json!(["export.zip/__MACOSX/._a.csv"]));
}

#[test]
fn standard_input_globs_and_names_with_brackets() {
    let folder = Folder::with("a [1].csv", sample());
    let report = folder.run(&[&["report", "a [1].csv", "--json"], &RANGE[..]].concat());
    assert!(report.status.success(), "{}", text(&report.stderr));
    let report = folder.run(&[&["report", "a*.csv", "--json"], &RANGE[..]].concat());
    assert!(report.status.success(), "{}", text(&report.stderr));
    let mut child = crate::support::program()
        .args([&["report", "-", "--json"], &RANGE[..]].concat())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&gzip(sample().as_bytes())).unwrap();
    let output = child.wait_with_output().unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(counts(&report), sample_counts());
}

/// Bytes that are no UTF-8 are read as Windows-1252, and that is said.
#[test]
fn windows_1252_as_a_last_resort() {
    let rows =
        detail(&["2026-11-09T10:00:00Z,1,Received,Soci\u{1}t\u{1},TLS1.2,a@b.example,x@y.example"]);
    let bytes: Vec<u8> = rows.bytes().map(|byte| if byte == 1 { 0xe9 } else { byte }).collect();
    let folder = Folder::with("a.csv", bytes);
    let output = folder.run(&[&["report", ".", "--json"], &RANGE[..]].concat());
    assert!(text(&output.stderr).contains("Windows-1252"), "{}", text(&output.stderr));
    let report = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(counts(&report), expected(&["inbound|Société|tls1_2|1"]));
}

/// Columns are found by name in any order; five suffice; other delimiters work.
#[test]
fn five_columns_in_any_order() {
    for delimiter in [",", ";", "\t", "|"] {
        let table = "TLS_Used;Connector Name;Direction;Sender-Address;Date\n\
             TLS1.2;F;Received;a@b.example;2026-11-09T10:00:00Z\n\
             TLS1.3;F;Received;a@b.example;2026-11-09T10:00:01Z\n";
        let folder = Folder::with("a.csv", table.replace(';', delimiter));
        let report = folder.report(&RANGE);
        assert_eq!(counts(&report), expected(&["inbound|F|tls1_2|1", "inbound|F|tls1_3|1"]));
        assert_eq!(report["sources"][0]["notes"], serde_json::json!(["no-identity"]));
    }
}

/// A stray quote costs at most its own row, never the rows after it.
#[test]
fn stray_quotes_do_not_swallow_rows() {
    let mut rows: Vec<String> = (0..50)
        .map(|n| format!("2026-11-09T10:00:00Z,{n},Received,F,TLS1.2,a@b.example,x@y.example"))
        .collect();
    rows[10] = rows[10].replace(",F,", ",5\" disk,");
    rows[20] = rows[20].replace(",F,", ",6\" disk,");
    rows[30] = rows[30].replace(",F,", ",\"never closed,");
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let report = Folder::with("a.csv", detail(&rows)).report(&RANGE);
    let expected = expected(&[
        "inbound|F|tls1_2|47",
        "inbound|5\" disk|tls1_2|1",
        "inbound|6\" disk|tls1_2|1",
    ]);
    assert_eq!(counts(&report), expected);
    assert_eq!(rejects(&report), ["unbalanced-quote x1"]);
    assert_eq!(report["rejects"][0]["line"], 32);
}

#[test]
fn rows_of_the_wrong_width_are_rejects_with_their_line() {
    let table = detail(&[
        "2026-11-09T10:00:00Z,1,Received,\"a\nb\",TLS1.2,a@b.example,x@y.example",
        "2026-11-09T10:00:00Z,2,Received",
        "2026-11-09T10:00:00Z,3,Received,F,TLS1.2,a@b.example,x@y.example,,",
        "2026-11-09T10:00:00Z,4,Received,F,TLS1.2,a@b.example,x@y.example,more",
        "2026-11-09T10:00:00Z,5,Received,F\0,TLS1.2,a@b.example,x@y.example",
    ]);
    let report = Folder::with("a.csv", table).report(&RANGE);
    assert_eq!(counts(&report), expected(&["inbound|a\nb|tls1_2|1", "inbound|F|tls1_2|1"]));
    assert_eq!(rejects(&report), ["field-count x2", "nul-byte x1"]);
    assert_eq!(
        (&report["rejects"][0]["line"], &report["rejects"][1]["line"]),
        (&4.into(), &7.into())
    );
    assert_eq!(sum(&report, "rows"), 5);
}

/// Day and month order is never guessed.
#[test]
fn culture_dates_need_an_order() {
    let table =
        "date,message_id,direction,tls\n9/11/2026 10:00,1,1,TLS1.2\n10/11/2026 10:00,2,1,TLS1.2\n";
    let folder = Folder::with("a.csv", table);
    let stderr = folder.failure(3, &RANGE);
    assert!(stderr.contains("hint: give --day-first or --month-first"), "{stderr}");
    assert!(stderr.contains("line 2") && stderr.contains("9/11/2026"), "{stderr}");
    let day_first: Vec<&str> = RANGE.iter().copied().chain(["--day-first"]).collect();
    assert_eq!(counts(&folder.report(&day_first)), expected(&["inbound|-|tls1_2|2"]));
    let month_first = ["--month-first", "--from", "2026-09-11", "--to", "2026-09-11"];
    assert_eq!(counts(&folder.report(&month_first)), expected(&["inbound|-|tls1_2|1"]));
    folder.add("a.csv", format!("{table}25/11/2026 10:00,3,1,TLS1.2\n"));
    assert_eq!(counts(&folder.report(&RANGE)), expected(&["inbound|-|tls1_2|3"]));
    // A first row without a date proves nothing, and hides nothing.
    let (head, rows) = table.split_once('\n').unwrap();
    folder.add("a.csv", format!("{head}\n,0,1,TLS1.2\n{rows}25/11/2026 10:00,3,1,TLS1.2\n"));
    let report = folder.report(&RANGE);
    assert_eq!(counts(&report), expected(&["inbound|-|tls1_2|3"]));
    assert_eq!(rejects(&report), ["time-unreadable x1"]);
    // The proof may lie far down.
    let many = rows.repeat(60_000);
    folder.add("a.csv", format!("{head}\n{many}25/11/2026 10:00,3,1,TLS1.2\n"));
    assert_eq!(counts(&folder.report(&RANGE)), expected(&["inbound|-|tls1_2|3"]));
}

/// Times without a zone are in the zone that is given.
#[test]
fn times_without_a_zone() {
    let table = "date,message_id,direction,tls\n2026-11-09T23:30:00,1,1,TLS1.2\n";
    let folder = Folder::with("a.csv", table);
    let day = ["--from", "2026-11-09", "--to", "2026-11-09"];
    assert_eq!(counts(&folder.report(&day)), expected(&["inbound|-|tls1_2|1"]));
    let args: Vec<&str> =
        day.iter().copied().chain(["--source-timezone", "America/Sao_Paulo"]).collect();
    assert_eq!(counts(&folder.report(&args)), expected(&[]));
}

/// A pipe that nobody writes to would be waited for without end; one that is named is read.
#[test]
fn pipes_in_a_folder_are_passed_over() {
    let row = "2026-11-09T10:00:00Z,1,Received,Fabrikam,TLS1.3,a@b.example,c@d.example";
    let folder = Folder::with("trace.csv", detail(&[row]));
    let pipe = folder.path().join("pipe.csv");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let args: Vec<&str> = ["report", "*.csv", "--json"].into_iter().chain(RANGE).collect();
    assert!(folder.run(&args).status.success());
    let written = detail(&[row]);
    let into = pipe.clone();
    let writer = std::thread::spawn(move || {
        let mut file = std::fs::File::options().write(true).open(into).unwrap();
        file.write_all(written.as_bytes()).unwrap();
    });
    let args: Vec<&str> = ["report", "pipe.csv", "--json"].into_iter().chain(RANGE).collect();
    let output = folder.run(&args);
    writer.join().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}
