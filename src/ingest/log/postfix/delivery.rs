//! `to=` lines: `to=<…>, relay=HOST[IP]:PORT, delay=…, delays=a/b/c/d, dsn=…, status=sent (…)`.

use memchr::memrchr;

use super::super::fields::near;
use super::text::{Peer, address};
use crate::trace::Tls;

/// One recipient of one attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Delivery<'a> {
    /// Address of the recipient.
    pub to: &'a [u8],
    /// Server; none where it is none, as for local deliveries.
    pub relay: Option<Peer<'a>>,
    /// The times before the transfer: equal on all lines of one delivery.
    pub start: &'a [u8],
    /// For how long the connection was set up and used, at most.
    pub took_ms: Option<i64>,
    /// TLS level, from version 3.11 on.
    pub level: Level,
    /// Whether the recipient was handed over.
    pub sent: bool,
}

/// What a `tls=` attribute says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Level {
    /// No TLS, or TLS of any version.
    pub tls: Option<Tls>,
    /// TLS was a must.
    pub forced: Option<bool>,
}

/// The deliveries of several lines. A line tells of its own by its place, since most lines have
/// none, and are kept small.
#[derive(Debug, Default)]
pub(super) struct Deliveries<'a>(Vec<Delivery<'a>>);

/// The place of a delivery among others.
#[derive(Debug, Clone, Copy)]
pub(super) struct At(u32);

impl<'a> Deliveries<'a> {
    /// None yet, and room for so many.
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes in a delivery.
    pub(super) fn add(&mut self, delivery: Delivery<'a>) -> At {
        // A block has fewer lines than that.
        let at = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0.push(delivery);
        At(at)
    }

    /// The delivery at a place.
    pub(super) fn get(&self, at: At) -> Option<&Delivery<'a>> {
        self.0.get(at.0 as usize)
    }
}

impl<'a> Delivery<'a> {
    /// Of the text behind the queue id. Lines that are cut before their status are none.
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        let mut delivery = Self::default();
        let mut rest = text.strip_prefix(b"to=")?;
        (delivery.to, rest) = recipient(rest)?;
        loop {
            let field = rest.strip_prefix(b", ")?;
            // Names are short.
            let (key, value) = field.split_at_checked(near(b'=', field)? + 1)?;
            if key == b"status=" {
                delivery.sent = value.starts_with(b"sent (");
                let whole = delivery.sent || near(b' ', value).is_some();
                return whole.then_some(delivery);
            }
            let (value, behind) =
                if key == b"orig_to=" { recipient(value)? } else { until_comma(value)? };
            rest = behind;
            match key {
                b"relay=" => delivery.relay = Peer::parse(value).map(|(peer, _)| peer),
                b"delay=" => delivery.took_ms = seconds_ms(value),
                b"delays=" => delivery.delays(value),
                b"tls=" => delivery.level = Level::parse(value),
                _ => {}
            }
        }
    }

    fn delays(&mut self, value: &'a [u8]) {
        let Some(last) = memrchr(b'/', value) else { return };
        let (start, transfer) = value.split_at_checked(last).unwrap_or_default();
        let setup = start.rsplit(|byte| *byte == b'/').next();
        let transfer = transfer.get(1..).and_then(seconds_ms);
        if let (Some(setup), Some(transfer)) = (setup.and_then(seconds_ms), transfer) {
            self.start = start;
            self.took_ms = Some(setup.saturating_add(transfer));
        }
    }
}

/// `<address>`, or in very old lines `address`, and what follows.
fn recipient(text: &[u8]) -> Option<(&[u8], &[u8])> {
    match text.strip_prefix(b"<") {
        Some(text) => address(text),
        None => until_comma(text),
    }
}

/// What stands before `, `, and the rest from there on.
fn until_comma(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut end = near(b',', text)?;
    while text.get(end + 1) != Some(&b' ') {
        end += 1 + near(b',', text.get(end + 1..)?)?;
    }
    text.split_at_checked(end)
}

/// Milliseconds of `0.02`, `8.3`, `63350`.
fn seconds_ms(text: &[u8]) -> Option<i64> {
    let point = near(b'.', text).unwrap_or(text.len());
    let (whole, fraction) = text.split_at_checked(point)?;
    if whole.is_empty() || whole.len() > 9 {
        return None;
    }
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| i64::from(byte - b'0'));
    let seconds = whole.iter().try_fold(0, |sum, byte| Some(sum * 10 + digit(byte)?))?;
    let mut ms = seconds * 1000;
    let mut unit = 100;
    for byte in fraction.iter().skip(1) {
        ms += digit(byte)? * unit;
        unit /= 10;
    }
    Some(ms)
}

impl Level {
    /// `may`, `may:none` (fell back to none), `dane/requiretls`, `may?` (never decided).
    fn parse(value: &[u8]) -> Self {
        let level = value.split(|byte| *byte == b'/').next().unwrap_or_default();
        let used = level.rsplit(|byte| *byte == b':').next().unwrap_or_default();
        match used {
            b"none" => Self { tls: Some(Tls::NoTls), forced: None },
            b"may" | b"dane" => Self { tls: Some(Tls::Unspecified), forced: None },
            b"encrypt" | b"dane-only" | b"fingerprint" | b"verify" | b"secure" => {
                Self { tls: Some(Tls::Unspecified), forced: Some(true) }
            }
            _ => Self::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<Delivery<'_>> {
        Delivery::parse(text.as_bytes())
    }

    fn relay(text: &str) -> Option<Peer<'_>> {
        Peer::parse(text.as_bytes()).map(|(peer, _)| peer)
    }

    #[test]
    fn a_line_of_each_age() {
        let new = "to=<a@example.net>, orig_to=<b@example.net>, relay=mx[203.0.113.1]:25, \
                   conn_use=2, delay=3.6, delays=0.08/0.02/0.85/0.14, tls=dane, dsn=2.1.5, \
                   status=sent (250 ok, status=deferred (x))";
        let expected = Delivery {
            to: b"a@example.net",
            relay: relay("mx[203.0.113.1]:25"),
            start: b"0.08/0.02/0.85",
            took_ms: Some(990),
            level: Level { tls: Some(Tls::Unspecified), forced: None },
            sent: true,
        };
        assert_eq!(parse(new), Some(expected));
        let old = "to=<a@example.net>, relay=mx[203.0.113.1], delay=3, status=sent (250 ok)";
        let expected = Delivery {
            to: b"a@example.net",
            relay: relay("mx[203.0.113.1]"),
            took_ms: Some(3000),
            sent: true,
            ..Delivery::default()
        };
        assert_eq!(parse(old), Some(expected));
        let bare = "to=root@example.net, orig_to=root, relay=local, delay=1, status=sent (done)";
        assert_eq!(
            parse(bare).map(|found| (found.to, found.sent)),
            Some((&b"root@example.net"[..], true))
        );
    }

    #[test]
    fn what_is_no_delivery() {
        let sent = |text: &str| parse(text).is_some_and(|found| found.sent);
        assert!(sent("to=<a@b>, relay=r, status=sent (x)"));
        for text in [
            "to=<a@b>, relay=r, status=sent",
            "to=<a@b>, relay=r, status=sent ",
            "to=<a@b>, relay=r, status=sen",
            "to=<a@b>, relay=r, status=deferred (status=sent (x))",
            "to=<a@b>, relay=r, status=bounced (, status=sent (x))",
            "to=<a@b>, relay=r, status=deliverable (x)",
            "to=<\"a>, relay=r, status=sent (x)\"@b>, relay=r, status=bounced (x)",
            "to=<\"a>, relay=r, status=sent (x)",
            "to=<a@b> relay=r, status=sent (x)",
            "from=<a@b>, relay=r, status=sent (x)",
        ] {
            assert!(!sent(text), "{text}");
        }
    }

    #[test]
    fn seconds() {
        let cases = [
            ("0", Some(0)),
            ("0.02", Some(20)),
            ("8.3", Some(8300)),
            ("63350", Some(63_350_000)),
            ("0.000999", Some(0)),
            ("999999999.9999999999999999999999", Some(999_999_999_999)),
            ("9999999999", None),
            ("", None),
            (".5", None),
            ("1.2.3", None),
            ("-1", None),
        ];
        for (text, ms) in cases {
            assert_eq!(seconds_ms(text.as_bytes()), ms, "{text}");
        }
    }

    #[test]
    fn levels() {
        let (plain, used) = (Some(Tls::NoTls), Some(Tls::Unspecified));
        let cases = [
            ("none", plain, None),
            ("may:none", plain, None),
            ("encrypt:none", plain, None),
            ("may", used, None),
            ("dane/requiretls", used, None),
            ("encrypt", used, Some(true)),
            ("secure/requiretls", used, Some(true)),
            ("dane/!requiretls:nocertmatch", used, None),
            ("may?", None, None),
            ("other", None, None),
            ("", None, None),
        ];
        for (value, tls, forced) in cases {
            assert_eq!(Level::parse(value.as_bytes()), Level { tls, forced }, "{value}");
        }
    }
}
