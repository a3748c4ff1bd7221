//! Texts within the lines of a session: commands, replies and what the server notes.

use super::fields::{self, after, number, session_id};
use super::replies::Record;
use crate::ingest::spelling;
use crate::trace::Tls;

/// Bytes of a foreign text that are kept.
const MOST_BYTES: usize = 255;

/// The band of a version; one that is not known is TLS all the same.
pub(super) fn band(version: &[u8]) -> Tls {
    let known = std::str::from_utf8(version).ok().and_then(spelling::tls);
    match known {
        None | Some(Tls::NoTls | Tls::Unknown) => Tls::Unspecified,
        Some(tls) => tls,
    }
}

/// The bulk cipher of a TLS line.
pub(super) fn cipher(rest: &[u8]) -> &[u8] {
    const BEFORE: &[u8] = b"bulk encryption algorithm ";
    let start = memchr::memmem::find(rest, BEFORE).map(|start| start + BEFORE.len());
    let name = start.and_then(|start| rest.get(start..)).unwrap_or_default();
    let end = name.iter().position(|byte| matches!(byte, b' ' | b',')).unwrap_or(name.len());
    cut(name.get(..end).unwrap_or_default())
}

/// `4711 and InternetMessageId <a@example.com>`: the id is the sender's and ends the text.
pub(super) fn record(rest: &[u8]) -> Option<Record> {
    let end = memchr::memchr(b' ', rest)?;
    let (id, rest) = rest.split_at_checked(end)?;
    number(id)?;
    let message = after(rest, b" and InternetMessageId ")?;
    Some(Record { id: id.into(), message: fields::bare_id(message).into() })
}

/// `exch01.example.com with session id 08D…. Proxied session id 08D…`
pub(super) fn hub_session(rest: &[u8]) -> Option<u64> {
    const BEFORE: &[u8] = b" with session id ";
    let start = memchr::memmem::find(rest, BEFORE)? + BEFORE.len();
    session_id(rest.get(start..start + 16)?)
}

/// Says whether a command brings the last part of a message.
pub(super) fn is_last_chunk(text: &[u8]) -> bool {
    let Some(rest) = after(text, b"BDAT ") else { return false };
    rest.rsplit(|byte| *byte == b' ').next().is_some_and(|word| word.eq_ignore_ascii_case(b"LAST"))
}

/// The path of `<a@example.com> SIZE=1`: quoted parts may hold `>`.
pub(super) fn path_of(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii();
    let mut quoted = false;
    let mut escaped = false;
    for (index, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return text.get(..=index).unwrap_or(text),
            _ => {}
        }
    }
    text
}

/// A foreign text, as far as it is kept.
pub(super) fn cut(text: &[u8]) -> &[u8] {
    text.get(..MOST_BYTES).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_records_and_sessions() {
        assert_eq!(path_of(b"<a@example.com> SIZE=1"), b"<a@example.com>");
        assert_eq!(
            path_of(b" <\"x>\\\" y\"@example.com> BODY=7BIT"),
            b"<\"x>\\\" y\"@example.com>"
        );
        assert_eq!(path_of(b"<>"), b"<>");
        let found = record(b"4711 and InternetMessageId <a b@example.com>").unwrap();
        assert_eq!((&*found.id, &*found.message), (&b"4711"[..], &b"a b@example.com"[..]));
        assert_eq!(record(b"x and InternetMessageId <a@example.com>"), None);
        let text = b"exch01.example.com with session id 08D0000000000001. Proxied session id X";
        assert_eq!(hub_session(text), Some(0x08D0_0000_0000_0001));
        assert_eq!(hub_session(b"exch01 with session id 08D"), None);
    }

    #[test]
    fn versions_however_they_are_spelled() {
        for (spelled, tls) in [
            ("SP_PROT_TLS1_2_SERVER", Tls::Tls1_2),
            ("SP_PROT-TLS1_2_CLIENT", Tls::Tls1_2),
            ("SP_PROT_TLS1_3_SERVER", Tls::Tls1_3),
            ("SP_PROT_TLS1_0_CLIENT", Tls::Tls1_0),
            ("SP_PROT_TLS1_SERVER", Tls::Tls1_0),
            ("SP_PROT_SSL3_SERVER", Tls::Ssl3),
            ("8192", Tls::Tls1_3),
            ("SP_PROT_TLS9_SERVER", Tls::Unspecified),
            ("0", Tls::Unspecified),
            ("", Tls::Unspecified),
        ] {
            assert_eq!(band(spelled.as_bytes()), tls, "{spelled}");
        }
        let line = b"X negotiation succeeded using bulk encryption algorithm CALG_AES_256 with \
            strength 256 bits";
        assert_eq!(cipher(line), b"CALG_AES_256");
        assert_eq!(cipher(b"X negotiation succeeded"), b"");
    }
}
