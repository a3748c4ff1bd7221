//! Fields of log lines that several mail servers share: addresses, quotes, cipher suites.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::syslog::LineFault;
use crate::ingest::log::band;
use crate::trace::{RejectReason, Tls};

/// Most bytes of an unreadable line that are kept for the reader of the report.
const SHOWN: usize = 240;

/// Why a line of syslog that could not be taken apart is rejected.
pub(crate) fn reason(fault: LineFault) -> RejectReason {
    match fault {
        LineFault::Shape => RejectReason::LineUnreadable,
        LineFault::Time => RejectReason::TimeUnreadable,
    }
}

/// The beginning of a line, to be shown.
pub(crate) fn beginning(line: &[u8]) -> &[u8] {
    line.get(..SHOWN).unwrap_or(line)
}

/// A short-lived key for a table: never an identity, see [`super::identity`].
pub(crate) fn table_key(parts: &[&[u8]]) -> u64 {
    parts.iter().fold(0, |seed, part| xxh3_64_with_seed(part, seed))
}

/// The domain of an address, with or without angle brackets; empty where there is none.
pub(crate) fn domain(address: &[u8]) -> &[u8] {
    let Some(at) = memchr::memrchr(b'@', address) else { return b"" };
    let domain = address.get(at + 1..).unwrap_or_default();
    domain.strip_suffix(b">").unwrap_or(domain)
}

/// Whether an IP address is this very host.
pub(crate) fn is_loopback(address: &[u8]) -> bool {
    address.starts_with(b"127.")
        || address.starts_with(b"::ffff:127.")
        || matches!(address, b"::1" | b"0:0:0:0:0:0:0:1")
}

/// Whether text has the form of an IP address.
pub(crate) fn is_address(text: &[u8]) -> bool {
    let form = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':' | b'%');
    (2..=60).contains(&text.len())
        && text.iter().all(form)
        && text.iter().any(|byte| matches!(byte, b'.' | b':'))
}

/// What stands before the first `end` that no double quotes enclose, and what follows it.
/// Within quotes a backslash takes the next byte for itself.
pub(crate) fn until<'a>(text: &'a [u8], end: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let first = *end.first()?;
    let mut from = 0;
    let mut quoted = false;
    loop {
        let rest = text.get(from..)?;
        let next = if quoted {
            memchr::memchr2(b'"', b'\\', rest)?
        } else {
            memchr::memchr2(b'"', first, rest)?
        };
        let at = from + next;
        match text.get(at)? {
            b'\\' if quoted => from = at + 2,
            b'"' => {
                quoted = !quoted;
                from = at + 1;
            }
            _ => {
                let (before, after) = text.split_at_checked(at)?;
                if let Some(after) = after.strip_prefix(end) {
                    return Some((before, after));
                }
                from = at + 1;
            }
        }
    }
}

/// `TLS1.3:TLS_AES_256_GCM_SHA384:256` -> band and cipher. `None` where the version is not
/// complete, as at the end of a line that was cut. A version that is not known is encrypted
/// mail all the same.
pub(crate) fn suite(text: &[u8]) -> Option<(Tls, &[u8])> {
    let (version, rest) = split_once(text, b':')?;
    let cipher = memchr::memrchr(b':', rest).and_then(|end| rest.get(..end)).unwrap_or_default();
    Some((band(version).unwrap_or(Tls::Unspecified), cipher))
}

/// What stands before the first `separator`, and what follows it.
pub(crate) fn split_once(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(separator, text)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// Words between single blanks.
#[derive(Debug, Clone)]
pub(crate) struct Words<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Words<'a> {
    /// The words of a text.
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { rest: (!text.is_empty()).then_some(text) }
    }

    /// What follows the words taken so far.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest.unwrap_or_default()
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let text = self.rest?;
        match split_once(text, b' ') {
            Some((word, rest)) => {
                self.rest = Some(rest);
                Some(word)
            }
            None => self.rest.take(),
        }
    }
}

/// Where a byte stands first. For what stands near the start of a text: looks at eight bytes at
/// once, without the call that a search of long texts begins with.
pub(crate) fn near(byte: u8, text: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let (words, rest) = text.as_chunks::<8>();
    for (word, start) in words.iter().zip((0..).step_by(8)) {
        // A byte of zeros is where it stands.
        let other = u64::from_le_bytes(*word) ^ u64::from_le_bytes([byte; 8]);
        let zeros = other.wrapping_sub(ONES) & !other & (ONES << 7);
        if zeros != 0 {
            return usize::try_from(zeros.trailing_zeros() / 8).ok().map(|at| start + at);
        }
    }
    let at = rest.iter().position(|found| *found == byte)?;
    Some(text.len() - rest.len() + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_several_is_near() {
        let text: Vec<u8> = (0..=255).chain(0..=255).collect();
        for length in (0..40).chain([255, 256, 257, 511, 512]) {
            for start in [0, 1, 7, 100, 250] {
                let text = &text[start..(start + length).min(text.len())];
                for byte in 0..=255 {
                    let expected = text.iter().position(|found| *found == byte);
                    assert_eq!(near(byte, text), expected, "{byte} {start} {length}");
                }
            }
        }
        assert_eq!(near(b':', b"\x3a\x3b\x3a\xba:::::::"), Some(0));
        assert_eq!(near(0x80, &[0x81, 0x7f, 0, 1, 0x80, 0x80, 0x80, 0x80]), Some(4));
    }

    #[test]
    fn quotes_hide_what_they_enclose() {
        let text = br#"<"a, b\", c"@example.org>, size=1"#;
        let (address, rest) = until(text, b", ").unwrap();
        assert_eq!((address, rest), (&br#"<"a, b\", c"@example.org>"#[..], &b"size=1"[..]));
        assert_eq!(domain(address), b"example.org");
        assert_eq!(until(b"<a,b>, c", b", "), Some((&b"<a,b>"[..], &b"c"[..])));
        for open in [&br#""a, b"#[..], br#""a\"#, br#""a\", "#, b"", b"a,"] {
            assert_eq!(until(open, b", "), None);
        }
    }

    #[test]
    fn a_suite_needs_a_whole_version() {
        assert_eq!(suite(b"TLS1.2:ECDHE_X:256"), Some((Tls::Tls1_2, &b"ECDHE_X"[..])));
        assert_eq!(suite(b"TLSv1:AES256-SHA:256"), Some((Tls::Tls1_0, &b"AES256-SHA"[..])));
        assert_eq!(suite(b"TLS9:x:1"), Some((Tls::Unspecified, &b"x"[..])));
        assert_eq!(suite(b"TLS1.2:ECD"), Some((Tls::Tls1_2, &b""[..])));
        assert_eq!(suite(b"TLS1"), None);
    }

    #[test]
    fn addresses() {
        for host in [&b"127.0.0.1"[..], b"127.1.2.3", b"::1", b"::ffff:127.0.0.1"] {
            assert!(is_loopback(host) && is_address(host));
        }
        for remote in [&b"192.0.2.1"[..], b"2001:db8::1", b"::ffff:192.0.2.1"] {
            assert!(!is_loopback(remote) && is_address(remote));
        }
        for text in [&b"cafe"[..], b"", b"mx.example.net", b"192.0.2.1]:25"] {
            assert!(!is_address(text));
        }
    }

    #[test]
    fn words_between_blanks() {
        let mut words = Words::new(b"a  b");
        assert_eq!(words.next(), Some(&b"a"[..]));
        assert_eq!(words.next(), Some(&b""[..]));
        assert_eq!(words.rest(), b"b");
        assert_eq!(words.next(), Some(&b"b"[..]));
        assert_eq!(words.next(), None);
    }
}
