use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::trace::ConnectorType;

/// A row in the form of the older table, then in the other three.
fn forms(row: &Value) -> Vec<BTreeMap<String, String>> {
    let mut dotted = BTreeMap::new();
    for (record, fields) in row.as_object().unwrap() {
        for (name, value) in fields.as_object().unwrap() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            dotted.insert(format!("{record}.{name}"), text);
        }
    }
    let renamed = |rename: &dyn Fn(&str) -> String| {
        dotted.iter().map(|(name, text)| (rename(name), text.clone())).collect()
    };
    vec![
        dotted.clone(),
        renamed(&|name| format!("gmail.{name}")),
        renamed(&|name| name.replace('.', "_")),
        renamed(&|name| format!("gmail_{}", name.replace('.', "_"))),
    ]
}

impl Lookup for BTreeMap<String, String> {
    fn get(&self, name: &str) -> Cow<'_, str> {
        Self::get(self, name).map_or(Cow::Borrowed(""), |text| Cow::Borrowed(text))
    }
}

fn read(row: &BTreeMap<String, String>) -> Result<Vec<CloudMail>, Rejected> {
    let mut mails = Vec::new();
    map(row, Tz::UTC, &mut |mail| mails.push(mail))?;
    Ok(mails)
}

/// Reads a row in all forms, which must agree.
fn check(row: &Value) -> Result<Vec<CloudMail>, Rejected> {
    let results: Vec<_> = forms(row).iter().map(read).collect();
    for (form, result) in results.iter().enumerate() {
        assert_eq!(result, &results[0], "form {form}");
    }
    results[0].clone()
}

fn acceptance() -> Value {
    json!({
        "event_info": {"timestamp_usec": 1_794_214_800_123_456_i64, "success": true},
        "message_info": {
            "action_type": 1,
            "rfc2822_message_id": "<1@example.net>",
            "source.service": "smtp-inbound",
            "source.address": "Bo@Example.net",
            "destination": [{"service": "gmail-ui", "address": "ana@example.com"}],
            "connection_info.smtp_tls_state": 1,
            "connection_info.smtp_tls_version": "TLSv1.3",
            "connection_info.smtp_tls_cipher": "TLS_AES_128_GCM_SHA256",
            "connection_info.smtp_reply_code": 250,
            "connection_info.is_internal": false,
        },
    })
}

fn hand_over() -> Value {
    json!({
        "event_info": {"timestamp_usec": "1794214800123456", "success": true},
        "message_info": {
            "action_type": 10,
            "rfc2822_message_id": "2@example.com",
            "source.service": "gmail-ui",
            "source.address": "ana@example.com",
            "destination": [
                {"service": "smtp-outbound", "address": "bo@example.net"},
                {"service": "gmail-ui", "address": "eve@example.com"},
                {"service": "smtp-outbound", "address": "cy@example.org"},
            ],
            "connection_info.smtp_tls_state": 1,
            "connection_info.smtp_tls_version": "TLSv1.2",
            "connection_info.smtp_out_remote_host": "mx.example.net",
            "connection_info.smtp_out_connect_ip": "192.0.2.7",
        },
    })
}

fn with(mut row: Value, name: &str, value: Value) -> Value {
    let (record, field) = name.split_once('.').unwrap();
    row[record][field] = value;
    row
}

#[test]
fn an_acceptance() {
    let mails = check(&acceptance()).unwrap();
    let expected = CloudMail {
        time_ms: 1_794_214_800_123,
        direction: Direction::Inbound,
        connector: None,
        connector_type: ConnectorType::None,
        forced_tls: None,
        tls: Tls::Tls1_3,
        without_version: false,
        cipher: Some("TLS_AES_128_GCM_SHA256".to_owned()),
        peer: Some("example.net".to_owned()),
        server: None,
        id: Some("1@example.net".to_owned()),
        counts: true,
        counts_if: None,
    };
    assert_eq!(mails, [expected]);
}

#[test]
fn a_hand_over_names_its_server_and_every_domain_it_was_for() {
    let mails = check(&hand_over()).unwrap();
    let peers: Vec<_> = mails.iter().map(|mail| mail.peer.as_deref().unwrap()).collect();
    assert_eq!(peers, ["example.net", "example.org"]);
    for mail in &mails {
        assert_eq!(mail.direction, Direction::Outbound);
        assert_eq!(mail.tls, Tls::Tls1_2);
        assert_eq!(mail.server.as_deref(), Some("mx.example.net"));
        assert_eq!(mail.id.as_deref(), Some("2@example.com"));
        assert!(mail.counts);
    }
    let unnamed = with(hand_over(), "message_info.connection_info.smtp_out_remote_host", json!(""));
    assert_eq!(check(&unnamed).unwrap()[0].server.as_deref(), Some("192.0.2.7"));
}

#[test]
fn what_is_a_mail_and_what_another_event() {
    let counts = |row: &Value| {
        let mails = check(row).unwrap();
        mails.iter().any(|mail| mail.counts)
    };
    // Later steps carry state 0, which says nothing of the connection.
    let later = with(acceptance(), "message_info.action_type", json!(2));
    let later = with(later, "message_info.connection_info.smtp_tls_state", json!(0));
    assert!(!counts(&later));
    assert!(!counts(&with(acceptance(), "message_info.action_type", json!(""))));
    assert!(!counts(&with(acceptance(), "message_info.source.service", json!("smtp-relay"))));
    assert!(!counts(&with(acceptance(), "event_info.success", json!(false))));
    assert!(!counts(&with(
        acceptance(),
        "message_info.connection_info.smtp_reply_code",
        json!(550)
    )));
    let only_mailboxes = json!([{"service": "gmail-ui", "address": "ana@example.com"}]);
    assert!(!counts(&with(hand_over(), "message_info.destination", only_mailboxes)));
    assert!(!counts(&with(
        hand_over(),
        "message_info.connection_info.smtp_reply_code",
        json!("451")
    )));
    assert!(counts(&with(hand_over(), "message_info.destination", json!(""))));
    // A connection tells, whatever the number of the step.
    let other = with(hand_over(), "message_info.action_type", json!(11));
    assert!(counts(&other));
    for name in ["smtp_out_remote_host", "smtp_out_connect_ip"] {
        let name = format!("message_info.connection_info.{name}");
        assert!(counts(&with(other.clone(), &name, json!(""))), "{name}");
    }
    let prepared = with(hand_over(), "message_info.action_type", json!(2));
    let prepared = with(prepared, "message_info.connection_info.smtp_out_remote_host", json!(""));
    let prepared = with(prepared, "message_info.connection_info.smtp_out_connect_ip", json!(""));
    assert!(!counts(&prepared));
}

#[test]
fn destinations_as_plain_columns() {
    let plain = with(hand_over(), "message_info.destination", json!(""));
    let flattened = "gmail-ui::eve@example.com,smtp-outbound::bo@example.net";
    let row = with(plain.clone(), "message_info.flattened_destinations", json!(flattened));
    assert_eq!(check(&row).unwrap()[0].peer.as_deref(), Some("example.net"));
    let row = with(plain.clone(), "message_info.destination.service", json!("smtp-outbound"));
    let row = with(row, "message_info.destination.address", json!("cy@example.org"));
    assert_eq!(check(&row).unwrap()[0].peer.as_deref(), Some("example.org"));
    let row = with(plain, "message_info.destination.service", json!("gmail-ui"));
    assert!(!check(&row).unwrap()[0].counts);
}

#[test]
fn mail_within_the_organisation() {
    for name in ["is_internal", "is_intra_domain"] {
        for row in [acceptance(), hand_over()] {
            let row = with(row, &format!("message_info.connection_info.{name}"), json!(true));
            assert_eq!(check(&row).unwrap()[0].direction, Direction::Internal);
        }
    }
}

#[test]
fn states_and_versions() {
    let cases = [
        ("1", "TLSv1.2", Some(Tls::Tls1_2)),
        ("1", "TLS 1.0", Some(Tls::Tls1_0)),
        ("1", "", Some(Tls::Unspecified)),
        ("0", "", Some(Tls::NoTls)),
        ("0", "None", Some(Tls::NoTls)),
        ("", "", Some(Tls::Unknown)),
        ("", "TLSv1.3", Some(Tls::Tls1_3)),
        ("2", "TLSv1.3", Some(Tls::Tls1_3)),
        ("2", "", None),
        ("0", "TLSv1.2", None),
        ("1", "None", None),
        ("1", "TLSv9", None),
        ("maybe", "", None),
    ];
    for (state, version, expected) in cases {
        let row = with(acceptance(), "message_info.connection_info.smtp_tls_state", json!(state));
        let row = with(row, "message_info.connection_info.smtp_tls_version", json!(version));
        match (check(&row), expected) {
            (Ok(mails), Some(band)) => assert_eq!(mails[0].tls, band, "{state} {version}"),
            (Err((reason, _)), None) => assert_eq!(reason, RejectReason::TlsUnreadable),
            (result, _) => panic!("{state} {version}: {result:?}"),
        }
    }
}

#[test]
fn forced_tls_is_known_only_where_it_was_missing() {
    let name = "message_info.connection_info.tls_required_but_unavailable";
    let forced = |value: Value| check(&with(hand_over(), name, value)).unwrap()[0].forced_tls;
    assert_eq!(forced(json!(true)), Some(true));
    assert_eq!(forced(json!(false)), None);
    assert_eq!(forced(json!("")), None);
}

#[test]
fn rows_that_cannot_be_used() {
    let reason = |name: &str, value: Value| check(&with(acceptance(), name, value)).unwrap_err().0;
    assert_eq!(reason("event_info.timestamp_usec", json!("soon")), RejectReason::TimeUnreadable);
    assert_eq!(reason("event_info.timestamp_usec", json!(-5)), RejectReason::TimeOutOfRange);
    assert_eq!(reason("event_info.timestamp_usec", json!("")), RejectReason::TimeUnreadable);
    assert_eq!(reason("event_info.success", json!("perhaps")), RejectReason::LineUnreadable);
    let internal = "message_info.connection_info.is_internal";
    assert_eq!(reason(internal, json!("perhaps")), RejectReason::LineUnreadable);
}

#[test]
fn a_row_of_another_service_is_no_mail() {
    let row = BTreeMap::from([
        ("record_type".to_owned(), "drive".to_owned()),
        ("time_usec".to_owned(), "1794214800123456".to_owned()),
    ]);
    assert_eq!(read(&row).unwrap(), [CloudMail::event(1_794_214_800_123, None)]);
}

#[test]
fn told_by_its_columns() {
    for row in forms(&acceptance()) {
        let headers: Vec<String> = row.into_keys().collect();
        assert!(is(&headers), "{headers:?}");
    }
    let is = |headers: &[&str]| is(&headers.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert!(is(&["Event_Info.timestamp_usec", "message_info.action_type"]));
    assert!(!is(&["event_info.timestamp_usec", "message_id"]));
    assert!(!is(&["timestamp_usec", "action_type"]));
    assert!(!is(&["date_time_utc", "direction", "tls_version"]));
}
