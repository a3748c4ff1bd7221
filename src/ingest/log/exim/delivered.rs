//! Lines of messages that were handed over: `=> ADDRESS [(parents)] [<original>] [F=<…>]
//! [P=<…>] R=router T=transport [S=…] H=host [ip]:port I=[ip]:port X=version:cipher:bits CV=…
//! DN="…" A=… L K C="…" QT=… DT=…`.
//!
//! Exim writes a recipient's local part without the quotes that held it together, and then
//! the address as it was given, in quotes. So the address can say anything, which is why
//! the transport is looked for from the end where such an address occurs.

use memchr::memmem::Finder;

use super::super::fields::{Words, domain, is_address, split_once, suite, until};
use crate::trace::Tls;

/// What a line says of a delivery.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Delivered<'a> {
    /// Domain of the recipient; empty = not certain.
    pub domain: &'a [u8],
    /// `T=`.
    pub transport: &'a [u8],
    /// Host that took the message; absent for local deliveries.
    pub server: Option<Server<'a>>,
    /// What the line says of TLS.
    pub said: Said<'a>,
    /// Whether the line ends where the TLS fields do.
    pub bare: bool,
}

/// The host that took a message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Server<'a> {
    /// Name.
    pub name: &'a [u8],
    /// IP address.
    pub address: &'a [u8],
    /// Port; empty = not logged.
    pub port: &'a [u8],
}

/// What a line says of TLS.
#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
pub(super) enum Said<'a> {
    /// Band and cipher of `X=`.
    Suite(Tls, &'a [u8]),
    /// No `X=`.
    #[default]
    Nothing,
    /// An `X=` that was cut.
    Half,
}

/// Finds addresses that were quoted.
#[derive(Debug)]
pub(super) struct Reading {
    quoted: Finder<'static>,
}

impl Default for Reading {
    fn default() -> Self {
        Self { quoted: Finder::new(b"<\"") }
    }
}

impl Reading {
    /// Reads what follows the flag; `None` for what was handed to no transport.
    pub(super) fn read<'a>(&self, text: &'a [u8]) -> Option<Delivered<'a>> {
        // Pipes, files and replies of a user's filter say whatever the user wrote.
        if matches!(text.first()?, b'|' | b'/' | b'>') || text.starts_with(b"save ") {
            return Some(Delivered::default());
        }
        let mut found = Delivered::default();
        let mut words = if self.quoted.find(text).is_some() {
            Words::new(from_transport(text)?)
        } else {
            let mut words = Words::new(text);
            found.domain = domain(words.next()?);
            words
        };
        loop {
            let word = words.next()?;
            if let Some(transport) = word.strip_prefix(b"T=") {
                found.transport = transport;
                break;
            }
        }
        rest(&mut found, words)?;
        Some(found)
    }
}

/// The fields behind the transport; `None` where a host's address was cut.
fn rest<'a>(found: &mut Delivered<'a>, mut words: Words<'a>) -> Option<()> {
    let mut word = words.next();
    if word.is_some_and(|word| word.starts_with(b"S=")) {
        word = words.next();
    }
    let Some(name) = word.and_then(|word| word.strip_prefix(b"H=")) else { return Some(()) };
    word = words.next();
    if word == Some(b"DS") {
        word = words.next();
    }
    let Some(inside) = word.and_then(|word| word.strip_prefix(b"[")) else { return Some(()) };
    let (address, behind) = split_once(inside, b']')?;
    let port = behind.strip_prefix(b":").unwrap_or_default();
    let port = port.strip_suffix(b"*").unwrap_or(port);
    if !is_address(address) {
        return None;
    }
    found.server = Some(Server { name, address, port });
    let mut last = word;
    word = words
        .by_ref()
        .inspect(|word| last = Some(word))
        .find(|word| word.starts_with(b"X=") || follows_tls(word));
    found.bare = word.is_none();
    if let Some(value) = word.and_then(|word| word.strip_prefix(b"X=")) {
        found.said = suite(value).map_or(Said::Half, |(tls, cipher)| Said::Suite(tls, cipher));
        found.bare = ends_with_tls(words.rest());
    } else if found.bare && last == Some(b"X") {
        found.said = Said::Half;
    }
    Some(())
}

/// Whether a word stands behind the TLS fields, so that the line was not cut before them.
fn follows_tls(word: &[u8]) -> bool {
    matches!(
        word,
        [b'A' | b'C', b'=', ..]
            | [b'Q' | b'D', b'T', b'=', ..]
            | [b'K' | b'L']
            | [b'L', b'*']
            | [b'P', b'R', b'D', b'R']
    )
}

/// Whether nothing follows `CV=yes DN="…"`.
fn ends_with_tls(text: &[u8]) -> bool {
    let mut rest = text;
    if rest.starts_with(b"CV=") {
        rest = split_once(rest, b' ').map_or(&b""[..], |(_, rest)| rest);
    }
    if rest.starts_with(b"DN=\"") {
        rest = until(rest, b" ").map_or(&b""[..], |(_, rest)| rest);
    }
    rest.is_empty()
}

/// The text from the last ` T=` that the reply of the other server does not hold.
fn from_transport(text: &[u8]) -> Option<&[u8]> {
    let mut head = text;
    while let Some(at) = memchr::memrchr(b' ', head) {
        let word = head.get(at + 1..)?;
        if !(word.starts_with(b"QT=") || word.starts_with(b"DT=")) {
            break;
        }
        head = head.get(..at)?;
    }
    if let Some(inside) = head.strip_suffix(b"\"") {
        // Quotes within the reply have a backslash before them.
        let mut end = inside.len();
        while let Some(at) = memchr::memrchr(b'"', inside.get(..end)?) {
            let before = inside.get(..at)?;
            if before.last() != Some(&b'\\') {
                head = before.strip_suffix(b" C=").unwrap_or(head);
                break;
            }
            end = at;
        }
    }
    let at = memchr::memmem::rfind(head, b" T=")?;
    text.get(at + 1..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(text: &str) -> Delivered<'_> {
        Reading::default().read(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_delivery_over_tls() {
        let found = delivered(
            "b@example.net <list@example.com> F=<a@example.com> P=<a@example.com> R=mx T=smtp \
             S=12 H=mx.example.net DS [2001:db8::25]:25* I=[192.0.2.10]:4711 \
             X=TLS1.3:TLS_X:256* CV=dane DN=\"O=Example \\\"Lab\\\" T=x\" K C=\"250 ok\" QT=1s",
        );
        let server = Server { name: b"mx.example.net", address: b"2001:db8::25", port: b"25" };
        assert_eq!(found.server, Some(server));
        assert_eq!((found.domain, found.transport), (&b"example.net"[..], &b"smtp"[..]));
        assert_eq!(found.said, Said::Suite(Tls::Tls1_3, b"TLS_X"));
        assert!(!found.bare);
    }

    #[test]
    fn a_delivery_in_clear_and_lines_that_end_early() {
        let line = "b@example.net R=mx T=smtp H=mx.example.net [192.0.2.25] C=\"250 X=TLS1.0:x\"";
        let found = delivered(line);
        assert_eq!((found.said, found.bare), (Said::Nothing, false));
        assert!(delivered("b@example.net R=mx T=smtp H=mx.example.net [192.0.2.25]").bare);
        let tls = "b@example.net R=mx T=smtp H=mx [192.0.2.25] X=TLS1.2:x:256 CV=no DN=\"C=x y\"";
        assert!(delivered(tls).bare);
        let half = "b@example.net R=mx T=smtp H=mx [192.0.2.25] X=TLS1";
        assert_eq!(delivered(half).said, Said::Half);
        let none = Reading::default().read(b"b@example.net R=mx T=smtp H=mx [192.0.2");
        assert_eq!(none, None);
    }

    #[test]
    fn local_deliveries_have_no_server() {
        for line in [
            "b <b@example.com> R=local T=maildir",
            "|/bin/cat T=smtp H=mx [192.0.2.25] <b@example.com> R=local T=pipe",
            "/var/mail/b T=smtp H=mx [192.0.2.25] X=TLS1.0:x:1 <b@example.com> R=local T=file",
            "b@example.com R=local T=socket H=name",
        ] {
            assert_eq!(delivered(line).server, None, "{line}");
        }
        assert_eq!(Reading::default().read(b"blackhole (DATA ACL discarded recipients)"), None);
    }

    #[test]
    fn a_recipient_cannot_put_its_words_for_the_servers() {
        let found = delivered(
            "x T=fake H=f [192.0.2.1] X=TLS1.0:f:1 C=\"@example.net \
             <\"x T=fake H=f [192.0.2.1] X=TLS1.0:f:1 C=\\\"\"@example.net> R=mx T=smtp \
             H=mx.example.net [192.0.2.25] X=TLS1.3:x:256 CV=no C=\"250 \\\" T=z H=y\" DT=1s",
        );
        assert_eq!(found.transport, b"smtp");
        assert_eq!(found.server.unwrap().address, b"192.0.2.25");
        assert_eq!(found.said, Said::Suite(Tls::Tls1_3, b"x"));
        assert_eq!(found.domain, b"");
    }
}
