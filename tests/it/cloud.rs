//! Logs of cloud services, through the program: every shape of file gives the same counts.

use serde_json::{Value, json};

use crate::support::{Folder, RANGE, counts, expected, rejects, sum};

/// Records of the `BigQuery` export: two accepted, one of them twice; one handed over; noise.
fn gmail() -> Vec<Value> {
    let record = |seconds: i64, id: &str, action: i64, from: &str, to: &str, connection: Value| {
        json!({
            "event_info": {"timestamp_usec": 1_794_214_800_000_000 + seconds * 1_000_000, "success": true},
            "message_info": {
                "action_type": action,
                "rfc2822_message_id": id,
                "source": {"service": from, "address": "bo@example.net"},
                "destination": [{"service": to, "address": "ana@example.com"}],
                "connection_info": connection,
            },
        })
    };
    let accepted = |version: &str| json!({"smtp_tls_state": 1, "smtp_tls_version": version, "smtp_reply_code": 250});
    vec![
        record(0, "<1@example.net>", 1, "smtp-inbound", "gmail-ui", accepted("TLSv1.3")),
        record(1, "<1@example.net>", 2, "smtp-inbound", "gmail-ui", json!({"smtp_tls_state": 0})),
        record(2, "<2@example.net>", 1, "smtp-inbound", "gmail-ui", json!({"smtp_tls_state": 0})),
        record(3, "<2@example.net>", 1, "smtp-inbound", "gmail-ui", json!({"smtp_tls_state": 0})),
        record(
            4,
            "<3@example.com>",
            10,
            "gmail-ui",
            "smtp-outbound",
            json!({"smtp_tls_state": 1, "smtp_out_remote_host": "mx.example.net", "smtp_reply_code": 250}),
        ),
    ]
}

fn lines(records: &[Value]) -> String {
    records.iter().map(|record| format!("{record}\n")).collect()
}

const GMAIL: [&str; 3] =
    ["inbound|-|tls1_3|1", "inbound|-|no_tls|1", "outbound|-|tls_unspecified|1"];

fn check(name: &str, content: impl AsRef<[u8]>, kind: &str, lines: &[&str]) {
    let report = Folder::with(name, content).report(&RANGE);
    assert_eq!(report["sources"][0]["kind"], kind, "{name}");
    assert_eq!(counts(&report), expected(lines), "{name}");
    let notes = report["sources"][0]["notes"].to_string();
    assert!(!notes.contains("no-tls-column") && !notes.contains("no-identity"), "{name}: {notes}");
    assert!(rejects(&report).is_empty(), "{name}: {:?}", rejects(&report));
    let fields = ["counted", "merged", "duplicates", "internal", "outside_period", "rejected"];
    assert_eq!(sum(&report, "rows"), fields.iter().map(|field| sum(&report, field)).sum::<u64>());
}

#[test]
fn gmail_as_json_of_every_shape() {
    check("logs.jsonl", lines(&gmail()), "gmail", &GMAIL);
    check("logs.json", Value::Array(gmail()).to_string(), "gmail", &GMAIL);
    let wrapped: Vec<Value> = gmail().into_iter().map(|record| json!({"gmail": record})).collect();
    check("activity.jsonl", lines(&wrapped), "gmail", &GMAIL);
}

/// A field that only a later record has is read all the same.
#[test]
fn records_have_fields_of_their_own() {
    let mut records: Vec<Value> = Vec::new();
    let filler = gmail().swap_remove(1);
    records.extend(std::iter::repeat_n(filler, 12_000));
    records.extend(gmail());
    let report = Folder::with("logs.jsonl", lines(&records)).report(&RANGE);
    assert_eq!(counts(&report), expected(&GMAIL));
    let report = Folder::with("logs.json", Value::Array(records).to_string()).report(&RANGE);
    assert_eq!(counts(&report), expected(&GMAIL));
}

#[test]
fn gmail_as_csv() {
    let head = "event_info_timestamp_usec,message_info_action_type,message_info_rfc2822_message_id,\
        message_info_source_service,message_info_source_address,message_info_flattened_destinations,\
        message_info_connection_info_smtp_tls_state,message_info_connection_info_smtp_tls_version\n";
    let rows = "1794214800000000,1,<1@example.net>,smtp-inbound,bo@example.net,gmail-ui:gmail-ui:ana@example.com,1,TLSv1.3\n\
        1794214802000000,1,<2@example.net>,smtp-inbound,bo@example.net,gmail-ui:gmail-ui:ana@example.com,0,\n";
    check("logs.csv", format!("{head}{rows}"), "gmail", &GMAIL[..2]);
}

/// `BigQuery`'s own Parquet has the records nested, destinations as lists of records.
#[test]
fn gmail_as_nested_parquet() {
    use polars::prelude::*;
    use polars_io::parquet::write::ParquetWriter;
    let texts = |name: &str, values: &[Option<&str>]| Series::new(name.into(), values);
    let structs = |name: &str, fields: &[Series]| {
        StructChunked::from_series(name.into(), fields[0].len(), fields.iter())
            .unwrap()
            .into_series()
    };
    let services = ["gmail-ui", "gmail-ui", "smtp-outbound"];
    let destinations: Vec<Series> = services
        .iter()
        .map(|service| {
            let fields =
                [texts("service", &[Some(service)]), texts("address", &[Some("ana@example.com")])];
            structs("", &fields)
        })
        .collect();
    let connection = structs(
        "connection_info",
        &[
            Series::new("smtp_tls_state".into(), [1_i64, 0, 1]),
            texts("smtp_tls_version", &[Some("TLSv1.3"), None, None]),
            texts("smtp_out_remote_host", &[None, None, Some("mx.example.net")]),
        ],
    );
    let from = ["smtp-inbound", "smtp-inbound", "gmail-ui"].map(Some);
    let source = structs(
        "source",
        &[texts("service", &from), texts("address", &[Some("bo@example.net"); 3])],
    );
    let message = structs(
        "message_info",
        &[
            Series::new("action_type".into(), [1_i64, 1, 10]),
            texts("rfc2822_message_id", &[Some("<1@x>"), Some("<2@x>"), Some("<3@x>")]),
            source,
            Series::new("destination".into(), destinations),
            connection,
        ],
    );
    let times: Vec<i64> = (0..3).map(|second| 1_794_214_800_000_000 + second * 1_000_000).collect();
    let event = structs("event_info", &[Series::new("timestamp_usec".into(), times)]);
    let mut frame = DataFrame::new(3, vec![event.into(), message.into()]).unwrap();
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut frame).unwrap();
    check("logs.parquet", bytes, "gmail", &GMAIL);
}

#[test]
fn mimecast_receipts_and_deliveries() {
    let records = [
        json!({"datetime": "2026-11-09T10:00:00+0100", "aCode": "a", "acc": "C0A0", "Act": "Acc", "Dir": "Inbound",
            "MsgId": "<1@example.net>", "Sender": "bo@example.net", "Rcpt": "ana@example.com", "TlsVer": "TLSv1.2"}),
        json!({"datetime": "2026-11-09T10:00:02+0100", "aCode": "a", "acc": "C0A0", "Delivered": "true", "Dir": "Inbound",
            "MsgId": "<1@example.net>", "Rcpt": "ana@example.com", "Route": "Office365", "UseTls": "Yes", "TlsVer": "TLSv1.2"}),
        json!({"datetime": "2026-11-09T10:01:00+0100", "aCode": "b", "acc": "C0A0", "Delivered": "true", "Dir": "Outbound",
            "MsgId": "<2@example.com>", "Rcpt": "bo@example.net", "Route": "Partner route", "UseTls": "No"}),
    ];
    let lines_of = lines(&records);
    check(
        "siem.json",
        lines_of,
        "mimecast",
        &["inbound|-|tls1_2|1", "outbound|Partner route|no_tls|1"],
    );
}

/// Proofpoint's mail log knows the TLS of what was sent, its message log which way it went.
#[test]
fn proofpoint_joins_its_two_streams() {
    let message = |qid: &str, direction: &str| {
        json!({"ts": "2026-11-09T01:00:00.123456-0800", "guid": qid,
            "metadata": {"origin": {"data": {"agent": "m1.example.com", "cid": "example_hosted"}}},
            "connection": {"sid": "1", "tls": {"inbound": {"version": "TLSv1.2", "cipher": "X"}}},
            "envelope": {"from": "bo@example.net", "rcpts": ["ana@example.com"]},
            "filter": {"disposition": "continue", "qid": qid, "routeDirection": direction, "routes": ["partner"]},
            "msg": {"header": {"message-id": [qid]}}})
    };
    let sent = |qid: &str| {
        json!({"ts": "2026-11-09T01:00:09.123456-0800", "id": format!("L{qid}"),
            "pps": {"agent": "m1.example.com", "cid": "example_hosted"},
            "sm": {"qid": qid, "mailer": "esmtp", "relay": "mx.example.net. [192.0.2.7]", "stat": "Sent (Ok)", "to": ["<bo@example.net>"]},
            "tls": {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384", "verify": "OK"}})
    };
    let folder =
        Folder::with("message.jsonl", lines(&[message("1", "inbound"), message("2", "outbound")]));
    folder.add("maillog.jsonl", lines(&[sent("1"), sent("2")]));
    let report = folder.report(&RANGE);
    assert_eq!(sum(&report, "rejected"), 0);
    let found = counts(&report);
    assert_eq!(
        found.get(&("inbound".to_owned(), "partner".to_owned(), "tls1_2".to_owned())),
        Some(&1),
        "{found:?}"
    );
    let outbound: Vec<_> = found.iter().filter(|((way, ..), _)| way == "outbound").collect();
    assert_eq!(outbound.len(), 1, "{found:?}");
    assert_eq!((&*outbound[0].0.2, *outbound[0].1), ("tls1_3", 1), "{found:?}");
}
