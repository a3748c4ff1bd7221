//! Mail logs of cloud services, exported as tables: rows -> mails.
//!
//! | kind | what a row is | inbound mail | outbound mail |
//! |---|---|---|---|
//! | `gmail` | one event of a message | accepted by the SMTP server | handed over by SMTP |
//! | `mimecast` | receipt, process or delivery | receipt | delivery |
//! | `proofpoint` | one filtered message, or one line of the mail log | filtered message | both |
//!
//! Rows come as cells by name, whatever the file was: objects of JSON Lines give `outer.inner`.
//! What is neither acceptance nor hand-over is another event of its message: it is emitted,
//! but does not count. A word that is not known makes the row a reject: nothing is guessed.

pub(crate) mod gmail;
pub(crate) mod mimecast;
pub(crate) mod proofpoint;
pub(crate) mod rows;

use std::borrow::Cow;

use chrono_tz::Tz;

use crate::ingest::spelling;
use crate::ingest::time::{TimeFault, TimeReader};
use crate::trace::{ConnectorType, Direction, RejectReason, Tls};

/// The cells of one row by the name of their column.
pub(crate) trait Lookup {
    /// The text of a cell; empty where the row has none. Names are compared without regard
    /// to the case of ASCII letters.
    fn get(&self, name: &str) -> Cow<'_, str>;
}

/// One mail, or one further event of a mail, as a row tells it. Mails of one row after the
/// first differ from it in `peer` only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CloudMail {
    /// Milliseconds since 1970 UTC.
    pub time_ms: i64,
    /// Which way; internal for hops inside the organisation.
    pub direction: Direction,
    /// Name of the connector, where the service names one.
    pub connector: Option<String>,
    /// What the connector is for.
    pub connector_type: ConnectorType,
    /// Whether TLS was forced, where the row says so.
    pub forced_tls: Option<bool>,
    /// Protection.
    pub tls: Tls,
    /// The row lacks a version where others of its file may carry one: No TLS if any row of
    /// the file carries a version, else unknown, as `tls` says.
    pub without_version: bool,
    /// Cipher as logged.
    pub cipher: Option<String>,
    /// Domain of the recipient (outbound) or of the sender (inbound): whom to contact.
    pub peer: Option<String>,
    /// Remote server of an outbound mail: part of its identity.
    pub server: Option<String>,
    /// Identity of the message; `None` where nothing but the whole row describes it.
    pub id: Option<String>,
    /// Whether the row is a mail by itself; false for other events of a message.
    pub counts: bool,
    /// A row with `counts: false` that counts after all where another row of the same
    /// message says that the message went this way.
    pub counts_if: Option<Direction>,
}

/// Why a row could not be used, and what was found.
pub(crate) type Rejected = (RejectReason, String);

impl CloudMail {
    /// Another event of a message, which is no mail by itself.
    fn event(time_ms: i64, id: Option<String>) -> Self {
        Self {
            time_ms,
            direction: Direction::Internal,
            connector: None,
            connector_type: ConnectorType::None,
            forced_tls: None,
            tls: Tls::Unknown,
            without_version: false,
            cipher: None,
            peer: None,
            server: None,
            id,
            counts: false,
            counts_if: None,
        }
    }

    /// The same mail through a connector, if one is named.
    fn through(self, connector: Option<String>) -> Self {
        let connector_type =
            if connector.is_some() { ConnectorType::Unknown } else { ConnectorType::None };
        Self { connector, connector_type, ..self }
    }
}

/// Emits the mail once for every domain of a list of addresses, or once without a peer.
fn emit_with_peers(mail: CloudMail, addresses: &str, emit: &mut dyn FnMut(CloudMail)) {
    let mut domains: Vec<String> = Vec::new();
    for address in addresses.split([';', ',']) {
        if let Some(domain) = domain(address)
            && !domains.contains(&domain)
        {
            domains.push(domain);
        }
    }
    let Some(last) = domains.pop() else { return emit(mail) };
    for domain in domains {
        emit(CloudMail { peer: Some(domain), ..mail.clone() });
    }
    emit(CloudMail { peer: Some(last), ..mail });
}

/// Domain of an address such as `<name@Example.com>`, in lower case.
fn domain(address: &str) -> Option<String> {
    let (_, domain) = address.rsplit_once('@')?;
    let domain = domain.trim().trim_end_matches(['>', '"', '\'', '.']);
    let is_plain = |letter: char| {
        letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_') || !letter.is_ascii()
    };
    let plain = !domain.is_empty() && domain.len() <= 253 && domain.chars().all(is_plain);
    plain.then(|| domain.to_lowercase())
}

/// The text without blanks around it; `None` where nothing is left.
fn some(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Milliseconds since 1970 UTC of a date with a time.
fn instant(text: &str, zone: Tz) -> Result<i64, Rejected> {
    TimeReader { zone, order: None }.instant_ms(text).map_err(|fault| {
        let reason = match fault {
            TimeFault::OutOfRange => RejectReason::TimeOutOfRange,
            TimeFault::Unreadable | TimeFault::OrderUnknown => RejectReason::TimeUnreadable,
        };
        (reason, text.to_owned())
    })
}

/// Milliseconds since 1970 UTC of a count of so many parts of a millisecond.
fn epoch(text: &str, per_ms: i64) -> Result<i64, Rejected> {
    // 2105-01-01, as for every other time.
    const LAST_MS: i64 = 4_260_297_600_000;
    let count: i64 =
        text.trim().parse().map_err(|_| (RejectReason::TimeUnreadable, text.to_owned()))?;
    let ms = count.div_euclid(per_ms);
    let in_range = (0..LAST_MS).contains(&ms);
    if in_range { Ok(ms) } else { Err((RejectReason::TimeOutOfRange, text.to_owned())) }
}

/// Yes or no; `None` for an empty cell.
fn flag(text: &str) -> Result<Option<bool>, Rejected> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    match spelling::yes_no(text) {
        Some(flag) => Ok(Some(flag)),
        None => Err((RejectReason::LineUnreadable, text.to_owned())),
    }
}

/// The band of a version cell; `None` where it is empty.
fn band(text: &str) -> Result<Option<Tls>, Rejected> {
    match spelling::tls(text) {
        Some(Tls::Unknown) => Ok(None),
        Some(band) => Ok(Some(band)),
        None => Err((RejectReason::TlsUnreadable, text.to_owned())),
    }
}

/// The direction that a cell names.
fn direction(text: &str) -> Result<Direction, Rejected> {
    if text.trim().is_empty() {
        return Err((RejectReason::DirectionMissing, String::new()));
    }
    spelling::direction(text).ok_or_else(|| (RejectReason::DirectionUnreadable, text.to_owned()))
}

/// Says whether a column of this name is among the headers.
fn has(headers: &[String], name: &str) -> bool {
    headers.iter().any(|header| header.trim().eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn domains_of_addresses() {
        let cases = [
            ("ana@Example.com", Some("example.com")),
            (" <ana@example.com>", Some("example.com")),
            ("\"a@b\"@example.net.", Some("example.net")),
            ("ana@münchen.example", Some("münchen.example")),
            ("<>", None),
            ("ana", None),
            ("ana@", None),
            ("ana@a b", None),
            ("ana@a;b", None),
        ];
        for (address, expected) in cases {
            assert_eq!(domain(address).as_deref(), expected, "{address}");
        }
        assert_eq!(domain(&format!("a@{}", "x".repeat(254))), None);
    }

    #[test]
    fn a_mail_for_several_domains_is_emitted_once_for_each() {
        let peers = |addresses: &str| {
            let mut peers = Vec::new();
            emit_with_peers(CloudMail::event(1, None), addresses, &mut |mail| {
                peers.push(mail.peer.unwrap_or_default());
            });
            peers
        };
        assert_eq!(peers("a@x.example;<b@y.example>;c@X.example"), ["x.example", "y.example"]);
        assert_eq!(peers("a@x.example, b@y.example"), ["x.example", "y.example"]);
        assert_eq!(peers("<>"), [""]);
        assert_eq!(peers(""), [""]);
    }

    #[test]
    fn counts_since_1970() {
        assert_eq!(epoch(" 1762682409328901 ", 1000), Ok(1_762_682_409_328));
        assert_eq!(epoch("1762682409328", 1), Ok(1_762_682_409_328));
        let out = RejectReason::TimeOutOfRange;
        assert_eq!(epoch("-1", 1000), Err((out, "-1".to_owned())));
        assert_eq!(epoch("4260297600000", 1).unwrap_err().0, out);
        assert_eq!(epoch("4260297599999", 1), Ok(4_260_297_599_999));
        for text in ["", "x", "1.5", "1.66E+15", "99999999999999999999"] {
            assert_eq!(epoch(text, 1000).unwrap_err().0, RejectReason::TimeUnreadable, "{text}");
        }
    }

    #[test]
    fn times_with_and_without_a_zone() {
        assert_eq!(instant("2026-11-09T10:00:00+0100", Tz::UTC), Ok(1_794_214_800_000));
        let paris = chrono_tz::Europe::Paris;
        assert_eq!(instant("2026-11-09T10:00:00", paris), Ok(1_794_214_800_000));
        assert_eq!(instant("11/9/2026", Tz::UTC).unwrap_err().0, RejectReason::TimeUnreadable);
    }

    /// Names of every kind, so that rows of mixed origin occur too.
    const NAMES: &[&str] = &[
        "event_info.timestamp_usec",
        "gmail_event_info_timestamp_usec",
        "event_info.success",
        "message_info.action_type",
        "message_info.source.service",
        "message_info.source.address",
        "message_info.destination",
        "message_info.flattened_destinations",
        "message_info.connection_info.smtp_tls_state",
        "message_info.connection_info.smtp_tls_version",
        "message_info.connection_info.smtp_out_connect_ip",
        "datetime",
        "timestamp",
        "type",
        "aCode",
        "Act",
        "Dir",
        "Delivered",
        "UseTls",
        "TlsVer",
        "Rcpt",
        "Sender",
        "action",
        "direction",
        "delivered",
        "recipients",
        "ts",
        "filter.qid",
        "filter.routeDirection",
        "connection.ip",
        "connection.tls.inbound.version",
        "envelope.from",
        "envelope.rcpts",
        "sm.qid",
        "sm.stat",
        "sm.relay",
        "sm.to",
        "tls.version",
        "tls.verify",
    ];
    const TEXTS: &[&str] = &[
        "0",
        "1",
        "10",
        "true",
        "No",
        "Acc",
        "receipt",
        "delivery",
        "Inbound",
        "outbound",
        "NONE",
        "TLSv1.2",
        "TLSv9",
        "1794214800123456",
        "1794214800123",
        "2026-11-09T10:00:00+0100",
        "smtp-inbound",
        "smtp-outbound::a@example.net,x",
        "[{\"service\":\"smtp-outbound\"}",
        "{\"address\":\"a@é\"};",
        "a@example.net;<b@example.org>",
        "Sent (ok)",
        "x [IPv6:::1",
        "127.0.0.1",
    ];

    struct Cells(Vec<(&'static str, String)>);

    impl Lookup for Cells {
        fn get(&self, name: &str) -> Cow<'_, str> {
            let cell = self.0.iter().find(|(held, _)| held.eq_ignore_ascii_case(name));
            cell.map_or(Cow::Borrowed(""), |(_, text)| Cow::Borrowed(text))
        }
    }

    fn cell() -> impl Strategy<Value = (&'static str, String)> {
        let known = prop::sample::select(TEXTS).prop_map(str::to_owned);
        (prop::sample::select(NAMES), prop_oneof![4 => known, 1 => ".{0,12}"])
    }

    type Map = fn(&dyn Lookup, Tz, &mut dyn FnMut(CloudMail)) -> Result<(), Rejected>;

    proptest! {
        /// Every row is a reject, or gives mails that differ in their peers only.
        #[test]
        fn any_row_is_accounted_for(cells in prop::collection::vec(cell(), 0..30)) {
            let row = Cells(cells);
            for map in [gmail::map as Map, mimecast::map, proofpoint::map] {
                let mut mails = Vec::new();
                let result = map(&row, Tz::UTC, &mut |mail| mails.push(mail));
                prop_assert_eq!(result.is_err(), mails.is_empty());
                let Some(first) = mails.first() else { continue };
                for mail in &mails {
                    let peer = first.peer.clone();
                    prop_assert_eq!(&CloudMail { peer, ..mail.clone() }, first);
                }
                prop_assert!(!(first.counts && first.counts_if.is_some()));
            }
        }
    }
}
