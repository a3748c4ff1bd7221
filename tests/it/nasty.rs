//! Hostile text through every output. Who reads a report, a mail, a log or a terminal sees the
//! text, and nothing else comes of it.

mod corpus;
mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use intransit::render::branding::Branding;
use intransit::render::{self, Format};
use intransit::report::Report;
use proptest::prelude::*;
use serde_json::{Value, json};

use self::corpus::{combined, corpus};
use self::read::{expect_same_kind, is_calm, letters, page};
use crate::office::{Office, WEEKLY, names};
use crate::support::{Folder, RANGE, program, text};

/// A trace whose connectors and remote domains have these names, one message each.
fn trace(names: &[String]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let head = [
        "date_time_utc",
        "network_message_id",
        "direction",
        "connector_name",
        "tls_version",
        "sender_address",
        "recipient_address",
    ];
    writer.write_record(head).unwrap();
    for (n, name) in names.iter().enumerate() {
        let (id, from) = (n.to_string(), format!("a@{name}"));
        let version = if n % 2 == 0 { "TLS1.2" } else { "No Tls" };
        let row = ["2026-11-09T10:00:00Z", &id, "Received", name, version, &from, "x@y.example"];
        writer.write_record(row).unwrap();
    }
    writer.into_inner().unwrap()
}

/// As many names that attack nobody.
fn plain_names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("connector {n}")).collect()
}

fn calm(output: &std::process::Output, what: &str) {
    for stream in [&output.stdout, &output.stderr] {
        let shown = String::from_utf8(stream.clone()).expect("text");
        assert!(is_calm(&shown), "{what}: {shown:?}");
    }
}

const FORMATS: [&str; 2] = ["--formats", "html,pdf,csv,json,xlsx"];

/// Reports of these names, by the name of the file.
fn reported(names: &[String], organisation: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = Folder::with("a.csv", trace(names));
    let args = ["report", "a.csv", "--out", "out", "--organisation", organisation];
    let output = folder.run(&[&args, &FORMATS[..], &RANGE].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    calm(&output, "report");
    let out = folder.path().join("out");
    crate::office::names(&out)
        .into_iter()
        .map(|name| (name.clone(), std::fs::read(out.join(name)).unwrap()))
        .collect()
}

/// Names of connectors in a report, as JSON has them.
fn connectors(report: &Value) -> BTreeSet<String> {
    let connectors = report["periods"][0]["connectors"].as_array().unwrap();
    connectors.iter().filter_map(|part| part["connector"].as_str().map(str::to_owned)).collect()
}

/// The whole way of a trace: every text of the list as connector, remote domain and organisation.
#[test]
fn a_trace_of_hostile_names_is_a_report_like_any_other() {
    let nasty = corpus();
    let organisation = "x\r\nBcc: v@example.com</title><script>\u{1b}[31m\u{202e}{{ 1 }}";
    let files = reported(&nasty, organisation);
    let plain = reported(&plain_names(nasty.len()), "Contoso");
    let file = |name: &str| text(&files[name]);

    let json: Value = serde_json::from_slice(&files["report.json"]).unwrap();
    let expected: BTreeSet<String> = nasty.iter().map(|name| name.trim().to_owned()).collect();
    assert_eq!(connectors(&json), expected, "JSON gives names back as they are");
    assert_eq!(json["organisation"], organisation);
    assert!(is_calm(&file("report.json")), "and escapes what a terminal would obey");

    expect_same_kind(&page(&file("report.html")), &page(&text(&plain["report.html"])), "page");
    expect_tables(&files, &expected);
    crate::xlsx::expect_harmless_bytes(&files["report.xlsx"]);
    let parts = ["etcpasswd", "scriptalert1script", "cmdccalcA1", "PDF17EOF"];
    expect_document(&files["report.pdf"], &plain["report.pdf"], &parts);
}

/// Both tables: as many fields as the head has, no formula, and the names as they are.
fn expect_tables(files: &BTreeMap<String, Vec<u8>>, expected: &BTreeSet<String>) {
    for (name, column) in [("connectors.csv", 4), ("daily.csv", 3)] {
        let mut reader = csv::Reader::from_reader(&files[name][..]);
        let mut found = BTreeSet::new();
        for row in reader.records() {
            let row = row.unwrap();
            for field in &row {
                let formula = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
                assert!(!field.starts_with(formula), "{name}: {field:?}");
            }
            let name = row[column].to_owned();
            let whole = name.strip_prefix('\'').filter(|_| !expected.contains(&name));
            found.insert(whole.unwrap_or(&name).to_owned());
        }
        assert_eq!(&found, expected, "{name}");
    }
}

/// A document that others find whole, with nothing to run or to load in it.
fn expect_document(bytes: &[u8], plain: &[u8], parts: &[&str]) {
    let folder = Folder::with("a.pdf", bytes);
    let ask = |program: &str, args: &[&str]| {
        let command = Command::new(program).args(args).current_dir(folder.path()).output();
        let output = command.expect("qpdf and poppler-utils; tests/run installs them");
        assert!(output.status.success(), "{program}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    ask("qpdf", &["--check", "a.pdf"]);
    assert_eq!(read::names_of_actions(bytes), read::names_of_actions(plain));
    let shown = ask("pdftotext", &["a.pdf", "-"]);
    assert!(is_calm(&shown.replace(['\u{c}', '\t'], " ")), "text layer");
    for part in parts {
        assert!(letters(&shown).contains(*part), "{part} is shown as text");
    }
}

/// A report as the program made it, to be filled with names.
fn made() -> Value {
    let folder = Folder::with("a.csv", trace(&plain_names(6)));
    folder.report(&RANGE)
}

/// Puts a name wherever a report has one of somebody else.
fn filled(report: &Value, names: &[String]) -> Value {
    let mut report = report.clone();
    let mut names = names.iter().cycle();
    let mut next = || json!(names.next().unwrap());
    report["organisation"] = next();
    report["run"] = json!({"schedule": next(), "nominal": next(), "revision": 2});
    report["skipped"] = json!([next()]);
    let file = next();
    report["sources"][0]["file"] = file.clone();
    report["rejects"] =
        json!([{"file": file, "line": 1, "reason": "nul-byte", "found": next(), "count": 1}]);
    report["archive"] = json!({"seq": 1, "previous_head": null, "signed_by": null,
        "changes": [{"key": next(), "before": next(), "after": next()}]});
    let period = &mut report["periods"][0];
    for list in ["connectors", "daily", "peers", "insights"] {
        let key = if list == "peers" { "peer" } else { "connector" };
        let count = period[list].as_array().unwrap().len();
        for n in 0..count {
            if !period[list][n][key].is_null() {
                period[list][n][key] = next();
            }
            if list == "insights" {
                period[list][n]["contact"] = next();
            }
        }
    }
    period["coverage"]["capped_files"] = json!([next()]);
    report
}

fn rendered(report: &Report, format: Format) -> BTreeMap<String, Vec<u8>> {
    render::render(report, format, &Branding::default()).unwrap().into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any mixture of them, wherever a report has a text of somebody else.
    #[test]
    fn mixtures_change_no_output_but_its_text(names in prop::collection::vec(combined(), 1..12)) {
        use std::sync::OnceLock;
        static MADE: OnceLock<(Value, read::Page)> = OnceLock::new();
        let (made, plain) = MADE.get_or_init(|| {
            let made = made();
            let plain = filled(&made, &plain_names(40));
            let report: Report = serde_json::from_value(plain).unwrap();
            let html = rendered(&report, Format::Html);
            (made, page(&text(&html["report.html"])))
        });
        let value = filled(made, &names);
        let report: Report = serde_json::from_value(value.clone()).unwrap();
        let html = rendered(&report, Format::Html);
        expect_same_kind(&page(&text(&html["report.html"])), plain, "page");
        let json = rendered(&report, Format::Json);
        let read: Value = serde_json::from_slice(&json["report.json"]).unwrap();
        prop_assert_eq!(read["periods"][0].clone(), value["periods"][0].clone());
        prop_assert_eq!(&read["rejects"], &value["rejects"]);
        prop_assert!(is_calm(&text(&json["report.json"])));
        prop_assert!(is_calm(&render::summary::render(&report).unwrap()));
        for (name, bytes) in rendered(&report, Format::Csv) {
            let mut reader = csv::Reader::from_reader(&bytes[..]);
            for row in reader.records() {
                let row = row.unwrap();
                let starts = |field: &str| field.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
                prop_assert!(!row.iter().any(starts), "{}: {:?}", name, row);
            }
        }
        crate::xlsx::expect_harmless_bytes(&rendered(&report, Format::Xlsx)["report.xlsx"]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    /// The same for the document, which takes longer.
    #[test]
    fn mixtures_leave_a_document_whole(names in prop::collection::vec(combined(), 1..12)) {
        let report: Report = serde_json::from_value(filled(&made(), &names)).unwrap();
        let bytes = rendered(&report, Format::Pdf).remove("report.pdf").unwrap();
        let folder = Folder::with("a.pdf", bytes);
        let mut check = Command::new("qpdf");
        let check = check.args(["--check", "a.pdf"]).current_dir(folder.path()).output();
        let check = check.expect("qpdf; tests/run installs it");
        prop_assert!(check.status.success(), "{}", text(&check.stdout));
    }
}

fn office(organisation: &str, names: &[String]) -> Office {
    let office =
        Office::with(&format!("{WEEKLY}\n[notify]\naddress = \"admin@contoso.example\"\n"));
    let value = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let settings = format!(
        "[report]\norganisation = {}\n\n[mail]\nfrom = \"Mail audit <mail-audit@contoso.example>\"\n",
        value(organisation)
    );
    office.folder.add("intransit.toml", settings);
    office.folder.add("traces/more.csv", trace(names));
    office
}

/// Names and values of a mail's header, unfolded, and its two bodies.
fn parts(bytes: &[u8]) -> (Vec<(String, String)>, String, String) {
    let message = mail_parser::MessageParser::default().parse(bytes).unwrap();
    let headers = message.headers_raw().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let headers = headers.collect();
    let html = message.body_html(0).unwrap().into_owned();
    (headers, message.body_text(0).unwrap().into_owned(), html)
}

/// What names do to a mail: nothing. As many headers, one reader, two bodies, no element.
#[test]
fn a_mail_of_hostile_names_is_a_mail_like_any_other() {
    const DUE: &str = "2026-11-16T10:00:00Z";
    let nasty = corpus();
    let mut plain = Vec::new();
    let organisations =
        ["Contoso", "x\r\nBcc: v@example.com\r\n\r\n<script>=?utf-8?Q?x?=\u{202e}\u{1b}"];
    for (organisation, names_of) in
        organisations.into_iter().zip([plain_names(nasty.len()), nasty.clone()])
    {
        let office = office(organisation, &names_of);
        let output = office.at(DUE, &["run", "weekly"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        calm(&output, "run");
        for args in [
            &["status"][..],
            &["deliver", "list"],
            &["archive", "list"],
            &["archive", "show", "1"],
            &["archive", "verify"],
        ] {
            calm(&office.at(DUE, args), &args.join(" "));
        }
        let folder = office.path("outbox");
        let mails: Vec<_> = names(&folder)
            .iter()
            .map(|name| parts(&std::fs::read(folder.join(name)).unwrap()))
            .collect();
        assert_eq!(mails.len(), 2);
        if plain.is_empty() {
            plain = mails;
            continue;
        }
        for ((headers, body, html), (usual, _, usual_html)) in mails.iter().zip(&plain) {
            let keys = |headers: &[(String, String)]| {
                headers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()
            };
            assert_eq!(keys(headers), keys(usual));
            for (name, value) in headers {
                // A folded line begins with a blank.
                let value = value.trim_end().replace("\r\n ", " ").replace("\r\n\t", " ");
                assert!(
                    value.is_ascii() && !value.contains(['\r', '\n', '\0', '\u{1b}']),
                    "{name}: {value:?}"
                );
            }
            assert!(is_calm(&body.replace('\r', "")), "{body:?}");
            expect_same_kind(&page(html), &page(usual_html), "mail");
        }
        // run.json and what else is filed can be read by a program.
        let record: Value =
            serde_json::from_slice(&office.filed("000001-weekly-2026-11-16", "run.json")).unwrap();
        assert_eq!(record["schedule"], "weekly");
    }
}

/// Names of the files themselves: shown, escaped, and never a path of what is written.
#[test]
fn hostile_names_of_trace_files() {
    use std::os::unix::ffi::OsStrExt;
    const DUE: &str = "2026-11-16T10:00:00Z";
    let office = Office::with(&WEEKLY.replace("traces/*.csv", "traces/*"));
    office.folder.add("intransit.toml", "[archive]\ninputs = \"copy\"\n");
    let mut made = 0;
    let write = |name: &[u8], made: &mut usize| {
        let path = office.path("traces").join(std::ffi::OsStr::from_bytes(name));
        // No file system takes every name.
        if intransit::store::write_atomic(&path, &trace(&[format!("name {made}")])).is_ok() {
            *made += 1;
        }
    };
    for name in corpus() {
        write(name.replace('/', "_").as_bytes(), &mut made);
    }
    for name in [&b"\xff\xfe\x80"[..], b"\xc3(", b"a\x1b\xff\x1b", b"\xed\xa0\x80"] {
        write(name, &mut made);
    }
    assert!(made > 60, "{made}");
    for args in [
        &["inspect", "traces"][..],
        &["report", "traces", "--out", "out"],
        &["run", "weekly"],
        &["cache", "list"],
        &["archive", "show", "1"],
        &["archive", "verify"],
    ] {
        let output = office.at(DUE, args);
        assert!(output.status.success(), "{args:?} {}", text(&output.stderr));
        calm(&output, &args.join(" "));
        let json = office.at(DUE, &[args, &["--json"]].concat());
        if json.status.code() != Some(2) {
            calm(&json, &args.join(" "));
        }
    }
    let copies = names(&office.path("evidence/bags/000001-weekly-2026-11-16/data/inputs"));
    assert!(copies.len() >= made, "{} of {made}", copies.len());
    let plain = |name: &&String| {
        name.starts_with('0')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    assert_eq!(copies.iter().filter(plain).count(), copies.len(), "{copies:?}");
    // What cannot be used is named in errors, just as calmly.
    for name in corpus().iter().map(|name| name.replace('/', "_")) {
        let folder = Folder::new();
        if intransit::store::write_atomic(&folder.path().join(&name), b"no trace").is_err() {
            continue;
        }
        let output = program()
            .current_dir(folder.path())
            .args(["report", "--"])
            .arg(Path::new(".").join(&name))
            .output()
            .unwrap();
        assert_ne!(output.status.code(), Some(0));
        calm(&output, &name);
        let errors = text(&output.stderr).lines().filter(|line| line.starts_with("error:")).count();
        assert_eq!(errors, 1, "{name:?} {}", text(&output.stderr));
    }
}

/// What JSON can say and text cannot: halves of surrogate pairs, NUL, invalid UTF-8.
#[test]
fn texts_that_are_none() {
    let row = |n: usize, name: &str| {
        format!(
            "{{\"date_time\":\"2026-11-09T10:00:00Z\",\"message_id\":\"<{n}@x>\",\"direction\":\"Received\",\
             \"connector_name\":\"{name}\",\"tls_version\":\"TLS1.2\"}}\n"
        )
    };
    let names = ["plain", "\\ud800", "\\udc00x", "a\\u0000b", "\\u001b[31m", "\\ud83d\\ude00"];
    let rows: String = names.iter().enumerate().map(|(n, name)| row(n, name)).collect();
    let mut bytes = rows.into_bytes();
    bytes.extend(row(9, "raw").replace("raw", "r").into_bytes());
    let folder = Folder::with("a.jsonl", &bytes);
    folder.add(
        "b.csv",
        [
            &trace(&["c".to_owned()])[..],
            b"2026-11-09T11:00:00Z,77,Received,\xff\xc3(\x80,TLS1.2,a@b.example,x@y.example\n",
        ]
        .concat(),
    );
    let args = ["report", ".", "--out", "out"];
    let output = folder.run(&[&args, &FORMATS[..], &RANGE].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    calm(&output, "report");
    let json = std::fs::read(folder.path().join("out/report.json")).unwrap();
    let report: Value = serde_json::from_slice(&json).unwrap();
    let rows = crate::support::sum(&report, "rows");
    assert_eq!(
        rows,
        crate::support::sum(&report, "counted") + crate::support::sum(&report, "rejected")
    );
    assert_eq!(rows, 9);
    assert!(connectors(&report).contains("😀"), "{:?}", connectors(&report));
    crate::xlsx::expect_harmless_bytes(
        &std::fs::read(folder.path().join("out/report.xlsx")).unwrap(),
    );
}

/// What a log of a mail server says of hosts and relays.
#[test]
fn hostile_words_in_logs() {
    let mut log = String::new();
    for (n, name) in corpus().iter().enumerate() {
        let name: String = name.chars().filter(|c| !matches!(c, '\n' | '\r' | '\0')).collect();
        let (minute, second) = (n / 60 % 60, n % 60);
        let stamp = format!("2026-11-09T10:{minute:02}:{second:02}.000000+00:00 mx postfix");
        log.push_str(&format!(
            "{stamp}/smtp[1]: Untrusted TLS connection established to {name}[192.0.2.1]:25: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\n\
             {stamp}/qmgr[2]: {n:010X}: from=<a@contoso.example>, size=1, nrcpt=1 (queue active)\n\
             {stamp}/smtp[1]: {n:010X}: to=<b@{name}>, relay={name}[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 {name})\n"
        ));
    }
    let folder = Folder::with("mail.log", log);
    let output = folder.run(&[&["report", ".", "--out", "out"], &FORMATS[..], &RANGE].concat());
    calm(&output, "report");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let file = |name: &str| std::fs::read(folder.path().join("out").join(name)).unwrap();
    let plain = page(&text(&reported(&plain_names(3), "Contoso")["report.html"]));
    let found = page(&text(&file("report.html")));
    for element in ["script", "img", "svg", "b", "u", "base", "meta"] {
        let count = |page: &read::Page| page.elements.get(element).copied().unwrap_or(0);
        let (found, plain) = (count(&found), count(&plain));
        assert!(found == plain || element == "svg", "{element}: {found} {plain}");
    }
    calm(&folder.run(&["inspect", "."]), "inspect");
    crate::xlsx::expect_harmless_bytes(&file("report.xlsx"));
}

/// Whoever hands over an archive chooses the names in it, and who removed what.
#[test]
fn hostile_words_in_an_archive() {
    const DUE: &str = "2026-11-16T10:00:00Z";
    let office = Office::new();
    office.ends(0, DUE, &["run", "weekly"]);
    let bag = office.path("evidence/bags/000001-weekly-2026-11-16");
    let mut manifest = std::fs::read(bag.join("manifest-sha256.txt")).unwrap();
    for name in corpus() {
        manifest.extend(format!("{}  data/{name}\n", "0".repeat(64)).into_bytes());
        let file: String = name.replace(['/', '\0'], "_").chars().take(60).collect();
        if !file.trim_matches('.').is_empty() {
            intransit::store::write_atomic(&bag.join("data").join(file), b"").unwrap();
        }
    }
    manifest.extend(b"\xff\x1b[31m\xc3(\n");
    intransit::store::write_atomic(&bag.join("manifest-sha256.txt"), &manifest).unwrap();
    for args in
        [&["archive", "show", "1"][..], &["archive", "verify"], &["archive", "verify", "--json"]]
    {
        let output = office.at(DUE, args);
        assert!(output.stdout.len() + output.stderr.len() > 500);
        calm(&output, &args.join(" "));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever subject, names of sender and reader, further headers and bodies hold: a mail has
    /// the headers that it has, one reader, and two bodies, or there is none.
    #[test]
    fn mixtures_make_no_header_and_no_part(
        texts in prop::collection::vec(combined(), 6),
        named in any::<bool>(),
    ) {
        use intransit::deliver::message::{Letter, bytes};
        let [subject, from, to, value, html, body] = <[String; 6]>::try_from(texts).unwrap();
        let named_as = |name: &str, address: &str| {
            // It is for whoever writes the settings to keep to the length of a line.
            let name: String = name.chars().take(100).collect();
            let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
            if named { format!("\"{quoted}\" <{address}>") } else { format!("{name} <{address}>") }
        };
        let letter = Letter {
            from: named_as(&from, "audit@contoso.example"),
            to: named_as(&to, "reader@contoso.example"),
            message_id: "a.b@contoso.example".to_owned(),
            date: chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
            subject: subject.clone(),
            html: html.clone(),
            text: body.clone(),
            headers: vec![("Auto-Submitted", "auto-generated".to_owned()), ("X-Intransit-Run", value)],
            attachments: vec![("a.csv".to_owned(), "text/csv", b"a".to_vec())],
        };
        // A name that cannot be written down is refused where settings are read.
        let Ok(bytes) = bytes(&letter) else { return Ok(()) };
        prop_assert!(bytes.is_ascii());
        let message = mail_parser::MessageParser::default().parse(&bytes).unwrap();
        let mut names: Vec<&str> = message.headers_raw().map(|(name, _)| name).collect();
        names.sort_unstable();
        let expected = ["Auto-Submitted", "Content-Type", "Date", "From", "MIME-Version",
            "Message-ID", "Subject", "To", "X-Intransit-Run"];
        prop_assert_eq!(names, expected);
        let one = |of: Option<&mail_parser::Address<'_>>| {
            let all: Vec<String> = of.unwrap().iter().map(|a| a.address().unwrap().to_owned()).collect();
            all.join(" ")
        };
        prop_assert_eq!(one(message.to()), "reader@contoso.example");
        prop_assert_eq!(one(message.from()), "audit@contoso.example");
        prop_assert_eq!((message.text_body_count(), message.html_body_count()), (1, 1));
        prop_assert_eq!(message.attachment_count(), 1);
        let lines = |text: &str| text.replace("\r\n", "\n").replace('\r', "\n").trim_end().to_owned();
        prop_assert_eq!(lines(&message.body_text(0).unwrap()), lines(&body));
        prop_assert_eq!(lines(&message.body_html(0).unwrap()), lines(&html));
        for line in text(&bytes).split("\r\n") {
            prop_assert!(line.len() <= 998 && !line.contains(['\r', '\n', '\0', '\u{1b}']), "{:?}", line);
        }
    }
}

/// What other organisations call themselves, their policies and their failures.
#[test]
fn hostile_words_in_reports_of_others() {
    let folder = Folder::with("a.csv", trace(&plain_names(2)));
    for (n, name) in corpus().iter().enumerate() {
        let report = json!({
            "organization-name": name, "report-id": format!("{n}{name}"), "contact-info": name,
            "date-range": {"start-datetime": "2026-11-09T00:00:00Z", "end-datetime": "2026-11-09T23:59:59Z"},
            "policies": [{
                "policy": {"policy-type": "sts", "policy-domain": name, "policy-string": [name], "mx-host": [name]},
                "summary": {"total-successful-session-count": 10, "total-failure-session-count": 1},
                "failure-details": [{"result-type": name, "failed-session-count": 1,
                    "receiving-mx-hostname": name, "failure-reason-code": name}]}]
        });
        folder.add(&format!("r{n}.json"), report.to_string());
    }
    let output = folder.run(&[&["report", ".", "--out", "out"], &FORMATS[..], &RANGE].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    calm(&output, "report");
    let file = |name: &str| std::fs::read(folder.path().join("out").join(name)).unwrap();
    let report: Value = serde_json::from_slice(&file("report.json")).unwrap();
    assert!(report["tls_rpt"]["reports"].as_u64().unwrap() > 60, "{}", report["tls_rpt"]);
    assert!(is_calm(&text(&file("report.json"))));
    let plain = page(&text(&reported(&plain_names(2), "Contoso")["report.html"]));
    let found = page(&text(&file("report.html")));
    for element in ["script", "style", "img", "b", "u", "i", "base", "meta"] {
        let count = |page: &read::Page| page.elements.get(element).copied().unwrap_or(0);
        assert_eq!(count(&found), count(&plain), "{element}");
    }
    assert_eq!(found.comments, plain.comments);
    crate::xlsx::expect_harmless_bytes(&file("report.xlsx"));
    expect_document(&file("report.pdf"), &reported(&plain_names(2), "Contoso")["report.pdf"], &[]);
}

/// What an administrator copies into settings: contacts, names of connectors, limits to some.
#[test]
fn hostile_words_in_settings() {
    const DUE: &str = "2026-11-16T10:00:00Z";
    let nasty = corpus();
    let value = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let mut settings = WEEKLY.to_owned();
    for name in &nasty {
        let name = value(name);
        settings.push_str(&format!(
            "\n[[connector]]\nname = {name}\nforced_tls = true\ncontact = {name}\n"
        ));
    }
    let only: Vec<String> = nasty.iter().map(|name| value(name.trim())).collect();
    settings.push_str(&format!(
        "\n[[recipient]]\naddress = \"some@contoso.example\"\nattach = [\"html\", \"pdf\", \"xlsx\", \"csv\"]\n\
         connectors = [{}]\n",
        only.join(", ")
    ));
    let office = Office::with(&settings);
    office.folder.add("traces/more.csv", trace(&nasty));
    let output = office.at(DUE, &["run", "weekly"]);
    calm(&output, "run");
    assert!(output.status.success(), "{}", text(&output.stderr));
    for args in [&["schedule", "check"][..], &["status"], &["schedule", "list"]] {
        calm(&office.at(DUE, args), &args.join(" "));
    }
    let folder = office.path("outbox");
    for name in names(&folder) {
        let (headers, body, html) = parts(&std::fs::read(folder.join(name)).unwrap());
        assert_eq!(headers.iter().filter(|(name, _)| name == "Bcc").count(), 0);
        assert!(is_calm(&body.replace('\r', "")), "{body:?}");
        let page = page(&html);
        for element in ["script", "img", "b", "u", "i", "base", "svg"] {
            assert_eq!(page.elements.get(element), None, "{element}");
        }
    }
}
