//! TLS reports of other organisations (RFC 8460) beside mail traces.

use std::io::Write;

use base64::Engine;
use serde_json::Value;

use crate::support::{Folder, RANGE, detail, sum, text};

fn report(organisation: &str, id: &str, day: u32, failed: u64) -> String {
    format!(
        r#"{{"organization-name":"{organisation}","report-id":"{id}","contact-info":"tls@example.net",
        "date-range":{{"start-datetime":"2026-11-{day:02}T00:00:00Z","end-datetime":"2026-11-{day:02}T23:59:59Z"}},
        "policies":[{{"policy":{{"policy-type":"sts","policy-domain":"contoso.example"}},
        "summary":{{"total-successful-session-count":10,"total-failure-session-count":{failed}}},
        "failure-details":[{{"result-type":"starttls-not-supported","failed-session-count":{failed}}}]}}]}}"#
    )
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn mail(report: &str) -> String {
    let body = base64::prelude::BASE64_STANDARD.encode(gzip(report.as_bytes()));
    let lines: Vec<String> = body.as_bytes().chunks(76).map(text).collect();
    format!(
        "From: reports@fabrikam.example\r\nTo: tls@contoso.example\r\nSubject: Report Domain: contoso.example\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=\"tlsrpt\"; boundary=\"b\"\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nA report.\r\n--b\r\n\
         Content-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n--b--\r\n",
        lines.join("\r\n")
    )
}

fn folder() -> Folder {
    let folder = Folder::with("plain.json", report("Fabrikam", "1", 9, 3));
    folder.add("packed.json.gz", gzip(report("Example Net", "7", 10, 0).as_bytes()));
    folder.add("mailed.eml", mail(&report("Fabrikam", "2", 11, 1)));
    folder.add("again.json", report("Fabrikam", "1", 9, 3));
    folder.add("old.json", report("Fabrikam", "0", 9, 5).replace("2026-11", "2026-09"));
    folder
}

#[test]
fn sessions_stand_beside_messages_never_among_them() {
    let folder = folder();
    let row =
        "2026-11-09T10:00:00Z,1,Received,Fabrikam,TLS1.3,a@fabrikam.example,b@contoso.example";
    folder.add("trace.csv", detail(&[row]));
    let report = folder.report(&RANGE);
    let found = &report["tls_rpt"];
    assert_eq!(found["reports"], 3);
    assert_eq!(found["duplicates"], 1);
    assert_eq!((&found["successful"], &found["failed"]), (&Value::from(30), &Value::from(4)));
    assert_eq!(found["failures"][0]["reason"], "starttls-not-supported");
    assert_eq!(found["organisations"][1]["organisation"], "Fabrikam");
    assert_eq!(found["organisations"][1]["reports"], 2);
    let totals = report["periods"][0]["totals"].as_array().unwrap();
    assert_eq!(totals.iter().map(|total| total["messages"].as_u64().unwrap()).sum::<u64>(), 1);
    let of_reports = |field: &str| -> u64 {
        let sources = report["sources"].as_array().unwrap().iter();
        sources.filter(|s| s["kind"] == "tls-rpt").map(|s| s[field].as_u64().unwrap()).sum()
    };
    assert_eq!((of_reports("rows"), of_reports("counted")), (5, 3));
    assert_eq!((of_reports("duplicates"), of_reports("outside_period")), (1, 1));
    assert_eq!(report["sources"][0]["unit"], "sessions");
    assert_eq!(report["sources"][0]["tls_known"], Value::Null);
    assert_eq!(sum(&report, "rejected"), 0);
}

#[test]
fn reports_alone_are_a_report_without_mail() {
    let report = folder().report(&RANGE);
    assert_eq!(report["tls_rpt"]["reports"], 3);
    assert!(report["periods"][0]["connectors"].as_array().unwrap().is_empty());
}

#[test]
fn the_part_is_in_every_document() {
    let folder = folder();
    let mut args = vec!["report", ".", "--out", "out", "--lang", "fr"];
    args.extend(RANGE);
    let output = folder.run(&args);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let html = std::fs::read_to_string(folder.path().join("out/report.html")).unwrap();
    assert!(html.contains("Rapports TLS d’autres organisations"));
    assert!(html.contains("starttls-not-supported") && html.contains("Example Net"));
    let pdf = folder.path().join("out/report.pdf");
    let read = std::process::Command::new("pdftotext").arg(&pdf).arg("-").output().unwrap();
    let read = text(&read.stdout);
    assert!(read.contains("Rapports TLS d’autres organisations"), "{read}");
}

#[test]
fn a_damaged_report_is_an_error_that_names_its_file() {
    let whole = report("Fabrikam", "1", 9, 3);
    let folder = Folder::with("cut.json", whole.get(..whole.len() - 40).unwrap());
    let error = folder.failure(3, &RANGE);
    assert!(error.contains("cut.json"), "{error}");
    let packed = gzip(whole.as_bytes());
    let folder = Folder::with("cut.json.gz", packed.split_at(packed.len() - 20).0);
    let error = folder.failure(3, &RANGE);
    assert!(error.contains("cut.json.gz"), "{error}");
}
