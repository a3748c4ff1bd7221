//! Parts of lines: queue ids, `HOST[IP]:PORT`, addresses, TLS lines.

use memchr::{memmem, memrchr};

use super::super::band;
use super::super::fields::near;
use crate::trace::Tls;

/// The longest `HOST[IP]:PORT`.
const LONGEST_PEER: usize = 320;

/// Text without the `[ID 197553 mail.info] ` that syslogd of illumos puts before it.
pub(super) fn without_message_number(text: &[u8]) -> &[u8] {
    let Some(rest) = text.strip_prefix(b"[ID ") else { return text };
    memmem::find(rest, b"] ").and_then(|end| rest.get(end + 2..)).unwrap_or(text)
}

/// The letters and digits of queue ids: short ids are hexadecimal, long ones have no vowels,
/// so that no word is taken for one.
const OF_ID: [bool; 256] = {
    let mut table = [false; 256];
    let all = b"0123456789ABCDEFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";
    let mut index = 0;
    while index < all.len() {
        table[all[index] as usize] = true;
        index += 1;
    }
    table
};

/// A queue id and what follows its colon.
pub(super) fn queue_id(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = text.get(..text.len().min(40))?;
    // The first byte that is not of an id must be the colon; words have one among their first five.
    let end = start.iter().position(|byte| !OF_ID[usize::from(*byte)]).filter(|end| *end >= 5)?;
    let (id, rest) = text.split_at_checked(end)?;
    Some((id, rest.strip_prefix(b": ")?))
}

/// A client or server as Postfix writes it: `HOST[IP]` or `HOST[IP]:PORT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer<'a> {
    text: &'a [u8],
    /// Where its brackets stand.
    open: u16,
    close: u16,
}

impl<'a> Peer<'a> {
    /// `HOST[IP]` or `HOST[IP]:PORT`, and what follows.
    pub(super) fn parse(text: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (peer, rest) = Self::maybe_bare(text)?;
        (!peer.host().is_empty() || text.starts_with(b"unknown[")).then_some((peer, rest))
    }

    /// `[IP]:PORT`, as tlsproxy writes it.
    pub(super) fn bare(text: &'a [u8]) -> Option<Self> {
        Some(Self::maybe_bare(text)?.0)
    }

    fn maybe_bare(text: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let text_start = text.get(..text.len().min(LONGEST_PEER))?;
        let open = near(b'[', text_start)?;
        // All of it, without a way out: several bytes at once.
        let no_host = |bad, byte: &u8| bad | matches!(byte, b' ' | b',' | b'<' | b'>');
        if text.get(..open)?.iter().fold(false, no_host) {
            return None;
        }
        let close = open + near(b']', text_start.get(open..)?)?;
        let mut end = close + 1;
        if let Some(behind) = text.get(end..)?.strip_prefix(b":") {
            let digits = behind.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits > 0 {
                end += 1 + digits;
            }
        }
        let (text, rest) = text.split_at_checked(end)?;
        let (open, close) = (u16::try_from(open).ok()?, u16::try_from(close).ok()?);
        Some((Self { text, open, close }, rest))
    }

    /// `HOST[IP]`.
    pub(super) fn whole(&self) -> &'a [u8] {
        self.text.get(..=usize::from(self.close)).unwrap_or_default()
    }

    /// Name; empty where it is not known.
    pub(super) fn host(&self) -> &'a [u8] {
        known(self.text.get(..usize::from(self.open)).unwrap_or_default())
    }

    /// Address; empty where there is none.
    pub(super) fn address(&self) -> &'a [u8] {
        let within = usize::from(self.open) + 1..usize::from(self.close);
        known(self.text.get(within).unwrap_or_default())
    }

    /// Port; empty where there is none.
    pub(super) fn port(&self) -> &'a [u8] {
        // Behind the bracket and the colon.
        self.text.get(usize::from(self.close) + 2..).unwrap_or_default()
    }

    /// Whether it is this machine itself.
    pub(super) fn is_loopback(&self) -> bool {
        is_loopback(self.host(), self.address())
    }
}

fn known(name: &[u8]) -> &[u8] {
    if name == b"unknown" { b"" } else { name }
}

/// Whether a client or server is this machine itself.
pub(super) fn is_loopback(host: &[u8], address: &[u8]) -> bool {
    let named = host.eq_ignore_ascii_case(b"localhost");
    // Most are not: only these can be.
    let candidate = [&b"127."[..], b":", b"0"].iter().any(|start| address.starts_with(start));
    if !named && !candidate {
        return false;
    }
    let address = std::str::from_utf8(address).unwrap_or_default();
    match address.parse::<std::net::IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => named,
    }
}

/// An address behind its `<`, and what follows its `>`. A quoted local part may hold anything.
pub(super) fn address(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let quoted = if text.first() == Some(&b'"') { quoted_length(text)? } else { 0 };
    let end = quoted + near(b'>', text.get(quoted..)?)?;
    Some((text.get(..end)?, text.get(end + 1..)?))
}

fn quoted_length(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    let close = text.iter().skip(1).position(|byte| {
        let closes = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        closes
    })?;
    Some(close + 2)
}

/// The domain of an address; empty where it has none.
pub(super) fn domain(address: &[u8]) -> &[u8] {
    let domain = memrchr(b'@', address).and_then(|at| address.get(at + 1..)).unwrap_or_default();
    // The @ was within a quoted local part.
    if domain.contains(&b'"') { b"" } else { domain }
}

/// Which connection a TLS line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TlsUse {
    /// `established from`: the client's.
    From,
    /// `established to`: one to a server.
    To,
    /// `reused to`: one to a server, made for an earlier message.
    ReusedTo,
}

/// `[Trusted ]TLS connection established to HOST[IP]:PORT: TLSv1.3 with cipher NAME (…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TlsLine<'a> {
    pub usage: TlsUse,
    pub peer: Peer<'a>,
    pub tls: Tls,
    pub cipher: &'a [u8],
}

impl<'a> TlsLine<'a> {
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        const NAME: &[u8] = b"TLS connection ";
        // What is known of the peer's certificate is one word; old versions have none.
        let rest = text.strip_prefix(NAME).or_else(|| {
            let word = near(b' ', text.get(..text.len().min(16))?)?;
            text.get(word + 1..)?.strip_prefix(NAME)
        })?;
        let (usage, rest) = if let Some(rest) = rest.strip_prefix(b"established from ") {
            (TlsUse::From, rest)
        } else if let Some(rest) = rest.strip_prefix(b"established to ") {
            (TlsUse::To, rest)
        } else {
            (TlsUse::ReusedTo, rest.strip_prefix(b"reused to ")?)
        };
        let (peer, mut rest) = Peer::parse(rest)?;
        // The name that the client asked for.
        if let Some(asked) = rest.strip_prefix(b" to ") {
            rest = asked.get(near(b':', asked)?..)?;
        }
        let rest = rest.strip_prefix(b": ")?;
        let (version, rest) = rest.split_at_checked(near(b' ', rest)?)?;
        let cipher = rest.strip_prefix(b" with cipher ")?;
        let cipher = cipher.get(..near(b' ', cipher)?)?;
        let named = version.starts_with(b"TLS") || version.starts_with(b"SSL");
        // A protocol that has no band here is still an encrypted one.
        let tls = band(version).filter(|_| named).unwrap_or(Tls::Unspecified);
        Some(Self { usage, peer, tls, cipher })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_no_queue_ids() {
        let cases: [(&str, Option<&str>); 9] = [
            ("AE4B0B063C9: client=a", Some("AE4B0B063C9")),
            ("4jWz1h4F9Sz1hhHQ: removed", Some("4jWz1h4F9Sz1hhHQ")),
            ("NOQUEUE: reject: x", None),
            ("warning: AE4B0B063C9: x", None),
            ("fatal: x", None),
            ("statistics: x", None),
            ("AE4B0B063C9 client=a", None),
            ("AE4: client=a", None),
            ("", None),
        ];
        for (text, id) in cases {
            let found = queue_id(text.as_bytes()).map(|(id, _)| id);
            assert_eq!(found, id.map(str::as_bytes), "{text}");
        }
    }

    proptest! {
        /// An id is what stands before the first colon: five to 39 letters and digits of ids.
        #[test]
        fn a_queue_id_ends_at_the_first_colon(
            text in "([0-9A-Fbz]{0,7}|[0-9A-Fbz]{30,42}|[a-fA-F0-9 :\\[]{0,6})(: |:|: :| |U: |)[a-z: ]{0,5}",
        ) {
            let of_id = |byte: &u8| OF_ID[usize::from(*byte)];
            let id = text.split_once(':').map(|(id, _)| id.as_bytes());
            let id = id.filter(|id| (5..40).contains(&id.len()) && id.iter().all(of_id));
            let rest = id.and_then(|id| text.as_bytes().get(id.len()..)?.strip_prefix(b": "));
            prop_assert_eq!(queue_id(text.as_bytes()), id.zip(rest));
        }
    }

    #[test]
    fn peers_of_all_kinds() {
        let cases = [
            ("mx.example.net[203.0.113.1]:25: x", "mx.example.net", "203.0.113.1", "25", ": x"),
            ("unknown[198.51.100.37]", "", "198.51.100.37", "", ""),
            (
                "mx.example.net[2001:db8:7::10]:25, y",
                "mx.example.net",
                "2001:db8:7::10",
                "25",
                ", y",
            ),
            ("unknown[unknown] commands=0/0", "", "", "", " commands=0/0"),
            ("a[203.0.113.1]: TLSv1", "a", "203.0.113.1", "", ": TLSv1"),
            ("a[private/lmtp], z", "a", "private/lmtp", "", ", z"),
        ];
        for (text, host, address, port, rest) in cases {
            let (peer, behind) = Peer::parse(text.as_bytes()).unwrap();
            let found = (peer.host(), peer.address());
            assert_eq!(found, (host.as_bytes(), address.as_bytes()), "{text}");
            assert_eq!((peer.port(), behind), (port.as_bytes(), rest.as_bytes()), "{text}");
        }
        for text in ["", "none", "[203.0.113.1]", "a[203.0.113.1", "a b[203.0.113.1]"] {
            assert_eq!(Peer::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn loopback_in_all_spellings() {
        let local = [
            ("a", "127.0.0.1"),
            ("a", "127.9.0.1"),
            ("a", "::1"),
            ("a", "::ffff:127.0.0.1"),
            ("a", "0:0:0:0:0:0:0:1"),
        ];
        for (host, address) in local.into_iter().chain([("localhost", ""), ("Localhost", "x")]) {
            assert!(is_loopback(host.as_bytes(), address.as_bytes()), "{host} {address}");
        }
        for (host, address) in [("localhost", "203.0.113.1"), ("a", "::2"), ("a", ""), ("", "")] {
            assert!(!is_loopback(host.as_bytes(), address.as_bytes()), "{host} {address}");
        }
    }

    #[test]
    fn quoted_addresses_hold_anything() {
        let text = br#""a>, relay=b\" [c"@Example.com>, rest"#;
        let (found, rest) = address(text).unwrap();
        assert_eq!(domain(found), b"Example.com");
        assert_eq!(rest, b", rest");
        assert_eq!(address(b">, x"), Some((&b""[..], &b", x"[..])));
        assert_eq!(address(b"a@b"), None);
        assert_eq!(address(b"\"a>"), None);
        assert_eq!(domain(b"\"a@b\""), b"");
        assert_eq!(domain(b"root"), b"");
    }

    #[test]
    fn tls_lines_of_all_versions() {
        let cases = [
            (
                "Anonymous TLS connection established from a[192.0.2.1]: TLSv1.3 with cipher C (1/1 b",
                Some((TlsUse::From, Tls::Tls1_3, "C")),
            ),
            (
                "TLS connection established from a[192.0.2.1]: TLSv1 with cipher AES128-SHA (128/128",
                Some((TlsUse::From, Tls::Tls1_0, "AES128-SHA")),
            ),
            (
                "Anonymous TLS connection established from a[192.0.2.1] to b.c: TLSv1.2 with cipher C (",
                Some((TlsUse::From, Tls::Tls1_2, "C")),
            ),
            (
                "Verified TLS connection established to a[2001:db8::1]:25: TLSv1.1 with cipher C (1",
                Some((TlsUse::To, Tls::Tls1_1, "C")),
            ),
            (
                "Untrusted TLS connection reused to a[192.0.2.1]:25: SSLv3 with cipher C (1",
                Some((TlsUse::ReusedTo, Tls::Ssl3, "C")),
            ),
            (
                "Trusted TLS connection established to a[192.0.2.1]:25: TLSv1.9 with cipher C (1",
                Some((TlsUse::To, Tls::Unspecified, "C")),
            ),
            (
                "Trusted TLS connection established to a[192.0.2.1]:25: none with cipher C (1",
                Some((TlsUse::To, Tls::Unspecified, "C")),
            ),
            // Cut lines.
            ("Trusted TLS connection established to a[192.0.2.1]:25: TLSv1", None),
            ("Trusted TLS connection established to a[192.0.2.1]:25: TLSv1.2 with cipher C", None),
            ("Trusted TLS connection established to a[192.0.2.1", None),
            // Text of others.
            (
                "AE4B0B063C9: a TLS connection established from a[192.0.2.1]: TLSv1 with cipher C (",
                None,
            ),
            ("setting up TLS connection from a[192.0.2.1]", None),
        ];
        for (text, expected) in cases {
            let found = TlsLine::parse(text.as_bytes());
            let found = found.map(|line| (line.usage, line.tls, line.cipher));
            let expected = expected.map(|(usage, tls, cipher)| (usage, tls, cipher.as_bytes()));
            assert_eq!(found, expected, "{text}");
        }
    }
}
