use super::*;
use crate::trace::ConnectorType;

struct Row(Vec<(&'static str, &'static str)>);

impl Lookup for Row {
    fn get(&self, name: &str) -> Cow<'_, str> {
        let cell = self.0.iter().rev().find(|(held, _)| held.eq_ignore_ascii_case(name));
        cell.map_or(Cow::Borrowed(""), |(_, text)| Cow::Borrowed(*text))
    }
}

const RECEIPT: &[(&str, &str)] = &[
    ("datetime", "2026-11-09T10:00:00+0100"),
    ("aCode", "q1w2"),
    ("acc", "C0A0"),
    ("Act", "Acc"),
    ("Dir", "Inbound"),
    ("IP", "192.0.2.9"),
    ("MsgId", "<1@example.net>"),
    ("Sender", "bo@Example.net"),
    ("Rcpt", "ana@example.com"),
    ("TlsVer", "TLSv1.2"),
    ("Cphr", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
];

const DELIVERY: &[(&str, &str)] = &[
    ("datetime", "2026-11-09T10:00:00+0100"),
    ("aCode", "q1w2"),
    ("acc", "C0A0"),
    ("Delivered", "true"),
    ("Dir", "Outbound"),
    ("IP", "192.0.2.9"),
    ("MsgId", "<2@example.com>"),
    ("Sender", "ana@example.com"),
    ("Rcpt", "bo@example.net"),
    ("Route", "Partner route"),
    ("UseTls", "Yes"),
    ("TlsVer", "TLSv1.3"),
    ("Cphr", "TLS_AES_256_GCM_SHA384"),
];

const RECEIPT_2: &[(&str, &str)] = &[
    ("timestamp", "1794214800000"),
    ("aggregateId", "q1w2"),
    ("processingId", "p1"),
    ("accountId", "C0A0"),
    ("type", "receipt"),
    ("action", "Acc"),
    ("direction", "Inbound"),
    ("messageId", "<1@example.net>"),
    ("senderEnvelope", "bo@Example.net"),
    ("recipients", "ana@example.com"),
    ("tlsVersion", "TLSv1.2"),
    ("tlsCipher", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
];

const DELIVERY_2: &[(&str, &str)] = &[
    ("timestamp", "1794214800000"),
    ("aggregateId", "q1w2"),
    ("processingId", "p1"),
    ("accountId", "C0A0"),
    ("type", "delivery"),
    ("delivered", "true"),
    ("direction", "Outbound"),
    ("destinationIp", "192.0.2.9"),
    ("messageId", "<2@example.com>"),
    ("senderEnvelope", "ana@example.com"),
    ("recipients", "bo@example.net"),
    ("route", "Partner route"),
    ("tlsUsed", "Yes"),
    ("tlsVersion", "TLSv1.3"),
    ("tlsCipher", "TLS_AES_256_GCM_SHA384"),
];

/// A record with some cells replaced.
fn with(record: &[(&'static str, &'static str)], cells: &[(&'static str, &'static str)]) -> Row {
    Row([record, cells].concat())
}

fn read(row: &Row) -> Result<Vec<CloudMail>, Rejected> {
    let mut mails = Vec::new();
    map(row, Tz::UTC, &mut |mail| mails.push(mail))?;
    Ok(mails)
}

fn one(row: &Row) -> CloudMail {
    let mut mails = read(row).unwrap();
    assert_eq!(mails.len(), 1);
    mails.remove(0)
}

fn reason(row: &Row) -> RejectReason {
    read(row).unwrap_err().0
}

#[test]
fn an_acceptance_in_both_generations() {
    let expected = CloudMail {
        time_ms: 1_794_214_800_000,
        direction: Direction::Inbound,
        connector: None,
        connector_type: ConnectorType::None,
        forced_tls: None,
        tls: Tls::Tls1_2,
        without_version: false,
        cipher: Some("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384".to_owned()),
        peer: Some("example.net".to_owned()),
        server: None,
        id: Some("q1w2 <1@example.net>".to_owned()),
        counts: true,
        counts_if: None,
    };
    assert_eq!(one(&with(RECEIPT, &[])), expected);
    assert_eq!(one(&with(RECEIPT_2, &[])), expected);
}

#[test]
fn a_delivery_in_both_generations() {
    let expected = CloudMail {
        time_ms: 1_794_214_800_000,
        direction: Direction::Outbound,
        connector: Some("Partner route".to_owned()),
        connector_type: ConnectorType::Unknown,
        forced_tls: None,
        tls: Tls::Tls1_3,
        without_version: false,
        cipher: Some("TLS_AES_256_GCM_SHA384".to_owned()),
        peer: Some("example.net".to_owned()),
        server: Some("192.0.2.9".to_owned()),
        id: Some("q1w2 <2@example.com>".to_owned()),
        counts: true,
        counts_if: None,
    };
    assert_eq!(one(&with(DELIVERY, &[])), expected);
    assert_eq!(one(&with(DELIVERY_2, &[])), expected);
}

#[test]
fn hops_to_and_from_the_own_servers_are_internal() {
    let direction = |row: Row| one(&row).direction;
    for way in ["Outbound", "Internal"] {
        assert_eq!(direction(with(RECEIPT, &[("Dir", way)])), Direction::Internal);
        assert_eq!(direction(with(RECEIPT_2, &[("direction", way)])), Direction::Internal);
    }
    for way in ["Inbound", "Internal"] {
        assert_eq!(direction(with(DELIVERY, &[("Dir", way)])), Direction::Internal);
        assert_eq!(direction(with(DELIVERY_2, &[("direction", way)])), Direction::Internal);
    }
}

#[test]
fn what_is_neither_acceptance_nor_delivery_does_not_count() {
    let rows = [
        with(RECEIPT, &[("Act", "Rej")]),
        with(RECEIPT, &[("Act", "")]),
        // A process record has an action, but no direction.
        with(RECEIPT, &[("Dir", "")]),
        with(DELIVERY, &[("Delivered", "false")]),
        with(RECEIPT_2, &[("action", "Rej")]),
        with(RECEIPT_2, &[("type", "process")]),
        with(RECEIPT_2, &[("type", "journal")]),
        with(DELIVERY_2, &[("delivered", "false")]),
        with(DELIVERY_2, &[("delivered", "")]),
    ];
    for row in rows {
        let mail = one(&row);
        assert_eq!((mail.counts, mail.counts_if), (false, None), "{:?}", row.0);
    }
}

#[test]
fn a_receipt_without_a_version_is_left_to_its_file() {
    let mail = one(&with(RECEIPT, &[("TlsVer", ""), ("Cphr", "")]));
    assert_eq!((mail.tls, mail.without_version), (Tls::Unknown, true));
    let mail = one(&with(RECEIPT, &[("TlsVer", "TLSv1")]));
    assert_eq!((mail.tls, mail.without_version), (Tls::Tls1_0, false));
    assert_eq!(reason(&with(RECEIPT, &[("TlsVer", "TLSv7")])), RejectReason::TlsUnreadable);
}

#[test]
fn what_deliveries_say_of_tls() {
    let cases = [
        ("Yes", "TLSv1.2", Some(Tls::Tls1_2)),
        ("Yes", "", Some(Tls::Unspecified)),
        ("No", "", Some(Tls::NoTls)),
        ("No", "None", Some(Tls::NoTls)),
        ("", "", Some(Tls::Unknown)),
        ("", "TLSv1.1", Some(Tls::Tls1_1)),
        ("No", "TLSv1.2", None),
        ("Yes", "None", None),
        ("Perhaps", "TLSv1.2", None),
        ("Yes", "TLSv7", None),
    ];
    for (used, version, expected) in cases {
        let row = with(DELIVERY, &[("UseTls", used), ("TlsVer", version)]);
        match expected {
            Some(band) => assert_eq!(one(&row).tls, band, "{used} {version}"),
            None => assert_eq!(reason(&row), RejectReason::TlsUnreadable, "{used} {version}"),
        }
    }
}

#[test]
fn rows_that_cannot_be_used() {
    use RejectReason::*;
    assert_eq!(reason(&with(RECEIPT, &[("datetime", "soon")])), TimeUnreadable);
    assert_eq!(reason(&with(RECEIPT, &[("datetime", "")])), TimeUnreadable);
    assert_eq!(reason(&with(RECEIPT_2, &[("timestamp", "")])), TimeUnreadable);
    assert_eq!(reason(&with(RECEIPT, &[("Dir", "Sideways")])), DirectionUnreadable);
    assert_eq!(reason(&with(RECEIPT_2, &[("direction", "")])), DirectionMissing);
    assert_eq!(reason(&with(DELIVERY, &[("Dir", "")])), DirectionMissing);
    assert_eq!(reason(&with(DELIVERY, &[("Delivered", "soon")])), LineUnreadable);
}

#[test]
fn a_message_without_codes_has_no_identity() {
    let row = with(RECEIPT, &[("aCode", ""), ("MsgId", "")]);
    assert_eq!(one(&row).id, None);
}

#[test]
fn a_delivery_without_a_route_has_no_connector() {
    let mail = one(&with(DELIVERY, &[("Route", " ")]));
    assert_eq!((mail.connector, mail.connector_type), (None, ConnectorType::None));
}

#[test]
fn told_by_its_columns() {
    let is = |record: &[(&str, &str)]| {
        is(&record.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>())
    };
    for record in [RECEIPT, DELIVERY, RECEIPT_2, DELIVERY_2] {
        assert!(is(record));
        assert!(!is(&record[2..]));
    }
    assert!(is(&[("ACODE", ""), ("Acc", ""), ("DateTime", "")]));
    assert!(!is(&[("datetime", ""), ("direction", ""), ("tlsVersion", "")]));
}
