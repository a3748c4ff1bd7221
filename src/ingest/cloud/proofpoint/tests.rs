use super::*;
use crate::trace::{ConnectorType, RejectReason};

type Cell = (&'static str, &'static str);

struct Row(Vec<Cell>);

impl Lookup for Row {
    fn get(&self, name: &str) -> Cow<'_, str> {
        let cell = self.0.iter().rev().find(|(held, _)| held.eq_ignore_ascii_case(name));
        cell.map_or(Cow::Borrowed(""), |(_, text)| Cow::Borrowed(*text))
    }
}

const MESSAGE: &[Cell] = &[
    ("ts", "2026-11-09T01:00:00.123456-0800"),
    ("guid", "G1"),
    ("metadata.origin.data.agent", "m1.example.com"),
    ("metadata.origin.data.cid", "example_hosted"),
    ("connection.ip", "192.0.2.9"),
    ("connection.sid", "3y1"),
    ("connection.tls.inbound.version", "TLSv1.2"),
    ("connection.tls.inbound.cipher", "ECDHE-RSA-AES128-GCM-SHA256"),
    ("envelope.from", "bo@Example.net"),
    ("envelope.rcpts", "ana@example.com;eve@example.org"),
    ("filter.disposition", "continue"),
    ("filter.qid", "4A1"),
    ("filter.routeDirection", "inbound"),
    ("filter.routes", "default_inbound;partner"),
    ("msg.header.message-id", "<1@example.net>"),
];

const SENT: &[Cell] = &[
    ("ts", "2026-11-09T01:00:00.123456-08:00"),
    ("id", "L1"),
    ("pps.agent", "m1.example.com"),
    ("pps.cid", "example_hosted"),
    ("sm.qid", "4A1"),
    ("sm.mailer", "esmtp"),
    ("sm.relay", "mx.example.net. [192.0.2.7]"),
    ("sm.stat", "Sent (Ok: queued)"),
    ("sm.to", "<bo@example.net>"),
    ("tls.version", "TLSv1.3"),
    ("tls.cipher", "TLS_AES_256_GCM_SHA384"),
    ("tls.verify", "OK"),
];

fn with(record: &[Cell], cells: &[Cell]) -> Row {
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
fn an_inbound_message() {
    let expected = CloudMail {
        time_ms: 1_794_214_800_123,
        direction: Direction::Inbound,
        connector: Some("default_inbound;partner".to_owned()),
        connector_type: ConnectorType::Unknown,
        forced_tls: None,
        tls: Tls::Tls1_2,
        without_version: false,
        cipher: Some("ECDHE-RSA-AES128-GCM-SHA256".to_owned()),
        peer: Some("example.net".to_owned()),
        server: None,
        id: Some("m1.example.com 4A1".to_owned()),
        counts: true,
        counts_if: None,
    };
    assert_eq!(one(&with(MESSAGE, &[])), expected);
}

#[test]
fn an_inbound_connection_without_tls() {
    let bare = [("connection.tls.inbound.version", ""), ("connection.tls.inbound.cipher", "")];
    assert_eq!(one(&with(MESSAGE, &bare)).tls, Tls::NoTls);
    let nowhere = [bare[0], bare[1], ("connection.ip", ""), ("connection.sid", "")];
    assert_eq!(one(&with(MESSAGE, &nowhere)).tls, Tls::Unknown);
    let row = with(MESSAGE, &[("connection.tls.inbound.version", "TLSv7")]);
    assert_eq!(reason(&row), RejectReason::TlsUnreadable);
}

#[test]
fn an_outbound_message_keeps_the_tls_of_its_way_in_to_itself() {
    let mails = read(&with(MESSAGE, &[("filter.routeDirection", "outbound")])).unwrap();
    let peers: Vec<_> = mails.iter().map(|mail| mail.peer.as_deref().unwrap()).collect();
    assert_eq!(peers, ["example.com", "example.org"]);
    for mail in mails {
        assert_eq!((mail.direction, mail.tls), (Direction::Outbound, Tls::Unknown));
        assert_eq!((mail.cipher, mail.server), (None, None));
        assert!(mail.counts);
    }
}

#[test]
fn what_comes_from_the_own_host_is_internal() {
    let own: [&[Cell]; 3] = [
        &[("connection.ip", "127.0.0.1")],
        &[("connection.ip", "::1")],
        &[("filter.isMsgReinjected", "true")],
    ];
    for cells in own {
        assert_eq!(one(&with(MESSAGE, cells)).direction, Direction::Internal, "{cells:?}");
    }
    let row = with(MESSAGE, &[("filter.isMsgReinjected", "false")]);
    assert_eq!(one(&row).direction, Direction::Inbound);
}

#[test]
fn a_refused_message_does_not_count() {
    for word in ["reject", "Retry", "tempfail"] {
        assert!(!one(&with(MESSAGE, &[("filter.disposition", word)])).counts, "{word}");
    }
    for word in ["accept", "discard", ""] {
        assert!(one(&with(MESSAGE, &[("filter.disposition", word)])).counts, "{word}");
    }
}

#[test]
fn a_hand_over_counts_where_its_message_is_outbound() {
    let expected = CloudMail {
        time_ms: 1_794_214_800_123,
        direction: Direction::Outbound,
        connector: None,
        connector_type: ConnectorType::None,
        forced_tls: None,
        tls: Tls::Tls1_3,
        without_version: false,
        cipher: Some("TLS_AES_256_GCM_SHA384".to_owned()),
        peer: Some("example.net".to_owned()),
        server: Some("mx.example.net. [192.0.2.7]".to_owned()),
        id: Some("m1.example.com 4A1".to_owned()),
        counts: false,
        counts_if: Some(Direction::Outbound),
    };
    assert_eq!(one(&with(SENT, &[])), expected);
    assert_eq!(one(&with(SENT, &[])).id, one(&with(MESSAGE, &[])).id);
}

#[test]
fn lines_of_the_mail_log_that_tell_of_no_hand_over() {
    let others: [&[Cell]; 9] = [
        &[("sm.stat", "Deferred: Connection refused")],
        &[("sm.stat", "Sentinel")],
        &[("sm.stat", ""), ("sm.from", "<ana@example.com>"), ("sm.to", "")],
        &[("sm.mailer", "local")],
        &[("sm.mailer", "*file*")],
        &[("sm.mailer", "dsn")],
        &[("sm.relay", "")],
        &[("sm.relay", "localhost [127.0.0.1]")],
        &[("sm.relay", "localhost [IPv6:::1]")],
    ];
    for cells in others {
        let mail = one(&with(SENT, cells));
        assert_eq!((mail.counts, mail.counts_if), (false, None), "{cells:?}");
    }
    for cells in [("sm.relay", "[192.0.2.7]"), ("sm.mailer", "relay"), ("sm.stat", "Sent")] {
        assert!(one(&with(SENT, &[cells])).counts_if.is_some(), "{cells:?}");
    }
}

#[test]
fn what_the_mail_log_says_of_tls() {
    let cases: [(&[Cell], Option<Tls>); 7] = [
        (&[("tls.version", "NONE"), ("tls.cipher", "NONE")], Some(Tls::NoTls)),
        (&[("tls.version", "")], Some(Tls::Unspecified)),
        (&[("tls.version", ""), ("tls.verify", "NONE")], Some(Tls::NoTls)),
        (&[("tls.version", ""), ("tls.verify", "")], Some(Tls::Unknown)),
        (&[("tls.version", ""), ("sm.tls.version", "TLSv1.1")], Some(Tls::Tls1_1)),
        (&[("tls.version", ""), ("tls.verify", "PROTOCOL")], None),
        (&[("tls.version", "TLSv7")], None),
    ];
    for (cells, expected) in cases {
        let row = with(SENT, cells);
        match expected {
            Some(band) => assert_eq!(one(&row).tls, band, "{cells:?}"),
            None => assert_eq!(reason(&row), RejectReason::TlsUnreadable, "{cells:?}"),
        }
    }
    assert_eq!(one(&with(SENT, cases[0].0)).cipher, None);
}

#[test]
fn identities() {
    assert_eq!(one(&with(MESSAGE, &[("filter.qid", "")])).id.as_deref(), Some("G1"));
    let bare = with(MESSAGE, &[("filter.qid", ""), ("guid", "")]);
    assert_eq!(one(&bare).id.as_deref(), Some("<1@example.net>"));
}

#[test]
fn rows_that_cannot_be_used() {
    use RejectReason::*;
    assert_eq!(reason(&with(MESSAGE, &[("ts", "")])), TimeUnreadable);
    assert_eq!(reason(&with(MESSAGE, &[("filter.routeDirection", "")])), DirectionMissing);
    assert_eq!(reason(&with(MESSAGE, &[("filter.routeDirection", "up")])), DirectionUnreadable);
    let row = with(MESSAGE, &[("filter.isMsgReinjected", "perhaps")]);
    assert_eq!(reason(&row), LineUnreadable);
}

#[test]
fn a_record_of_another_stream_does_not_count() {
    let row = Row(vec![("ts", "2026-11-09T01:00:00Z"), ("guid", "A1"), ("audit.action", "login")]);
    assert_eq!(one(&row), CloudMail::event(1_794_186_000_000, Some("A1".to_owned())));
}

#[test]
fn told_by_its_columns() {
    let is = |record: &[(&str, &str)]| {
        is(&record.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>())
    };
    assert!(is(MESSAGE));
    assert!(is(SENT));
    assert!(is(&[("Filter.RouteDirection", ""), ("filter.qid", "")]));
    assert!(!is(&MESSAGE[..11]));
    assert!(!is(&[("ts", ""), ("sm.qid", "")]));
}
