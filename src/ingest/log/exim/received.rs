//! Lines of messages that came in: `<= SENDER [R=…] H=host (helo) [ip]:port I=[ip]:port U=…
//! P=protocol [L] X=version:cipher:bits CV=… DN="…" A=… S=… id=… T="…"`.
//!
//! The fields are written in this order, so what the client chose (subject, message id,
//! certificate) stands behind the ones that are read here. Before them stand the sender,
//! quoted where it holds blanks, the HELO name and the RFC 1413 identity: where one of these
//! two holds a blank, the rest of the line is not trusted.

use super::super::fields::{Words, is_address, split_once, suite, until};
use crate::trace::Tls;

/// What a line says of an arrival.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Received<'a> {
    /// Without angle brackets; `<>` for bounces.
    pub sender: &'a [u8],
    /// The client, where the mail came from one.
    pub client: Option<Client<'a>>,
    /// `[192.0.2.10]:587`; empty = not logged.
    pub listener: &'a [u8],
    /// Absent for what is no SMTP.
    pub protocol: Option<Protocol>,
    /// Band and cipher of `X=`.
    pub suite: Option<(Tls, &'a [u8])>,
    /// A client's words may stand where this server's should.
    pub doubtful: bool,
}

/// The other side of a connection.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Client<'a> {
    /// Verified name; empty = none. What the client said in HELO is no name.
    pub name: &'a [u8],
    /// IP address.
    pub address: &'a [u8],
}

/// What `P=` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Protocol {
    /// The protocol, apart from its encryption.
    pub class: &'static [u8],
    /// Whether it was encrypted.
    pub encrypted: bool,
}

/// Reads what follows the flag; `None` for what has not the form of an arrival.
pub(super) fn read(text: &[u8]) -> Option<Received<'_>> {
    let (sender, rest) = until(text, b" ")?;
    let mut found = Received { sender, ..Received::default() };
    let mut words = Words::new(rest);
    let mut ident = false;
    loop {
        let word = words.next()?;
        let Some((key, value)) = split_once(word, b'=') else {
            // `DS` and `TFO*` are flags; other bare words come of an identity with blanks.
            found.doubtful |= !matches!(word, b"DS" | b"TFO" | b"TFO*");
            continue;
        };
        match key {
            b"H" => match client(value, &mut words) {
                Some(client) => found.client = Some(client),
                None => return doubtful_client(&found, words.rest()),
            },
            b"I" => found.listener = value,
            b"U" => ident = true,
            b"P" => {
                found.protocol = protocol(value);
                break;
            }
            b"R" => {}
            _ => found.doubtful = true,
        }
    }
    let mut next = words.next()?;
    if next.first() == Some(&b'L') {
        next = words.next()?;
    }
    if let Some(value) = next.strip_prefix(b"X=") {
        found.suite = Some(suite(value)?);
    } else if next.starts_with(b"X") || next.is_empty() {
        // The line was cut.
        return None;
    }
    // An identity that held another `P=` would have been taken for this server's own.
    let from_client = ident && found.client.is_some();
    found.doubtful |= from_client && memchr::memmem::find(words.rest(), b" P=").is_some();
    Some(found)
}

/// `host`, `host (helo)`, `(helo)` or nothing, then `[ip]` or `[ip]:port`.
fn client<'a>(first: &'a [u8], words: &mut Words<'a>) -> Option<Client<'a>> {
    let mut name: &[u8] = b"";
    let mut word = first;
    if !matches!(word.first()?, b'(' | b'[') {
        name = word;
        word = words.next()?;
    }
    if word.first() == Some(&b'(') {
        word.strip_suffix(b")")?;
        word = words.next()?;
    }
    let address = split_once(word.strip_prefix(b"[")?, b']')?.0;
    is_address(address).then_some(Client { name, address })
}

/// Mail of a client that gave a name with blanks: it came, and nothing else is known. A line
/// without a size was cut.
fn doubtful_client<'a>(found: &Received<'a>, rest: &[u8]) -> Option<Received<'a>> {
    memchr::memmem::find(rest, b" S=")?;
    let client = Some(Client::default());
    Some(Received { sender: found.sender, client, doubtful: true, ..Received::default() })
}

/// The protocols that Exim logs for SMTP; `s` is for encryption, `a` for authentication.
fn protocol(name: &[u8]) -> Option<Protocol> {
    let (class, encrypted): (&'static [u8], bool) = match name.strip_prefix(b"utf8").unwrap_or(name)
    {
        b"smtp" => (b"smtp", false),
        b"smtps" | b"ssmtp" => (b"smtp", true),
        b"esmtp" => (b"esmtp", false),
        b"esmtps" | b"essmtp" => (b"esmtp", true),
        b"esmtpa" => (b"esmtpa", false),
        b"esmtpsa" | b"essmtpa" => (b"esmtpa", true),
        _ => return None,
    };
    Some(Protocol { class, encrypted })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(text: &str) -> Received<'_> {
        read(text.as_bytes()).unwrap()
    }

    #[test]
    fn an_arrival_over_tls() {
        let found = received(
            "a@example.org H=mx.example.org (helo) [198.51.100.4]:4711 I=[192.0.2.10]:25 \
             P=utf8esmtpsa L- X=TLS1.3:TLS_X:256 CV=no S=10 T=\"P=smtp\" for b@example.com",
        );
        assert_eq!(
            (found.sender, found.listener),
            (&b"a@example.org"[..], &b"[192.0.2.10]:25"[..])
        );
        assert_eq!(
            found.client.unwrap(),
            Client { name: b"mx.example.org", address: b"198.51.100.4" }
        );
        assert_eq!(found.protocol, Some(Protocol { class: b"esmtpa", encrypted: true }));
        assert_eq!(found.suite, Some((Tls::Tls1_3, &b"TLS_X"[..])));
        assert!(!found.doubtful);
    }

    #[test]
    fn an_arrival_in_clear_and_local_mail() {
        let found = received("<> H=([192.0.2.9]) [2001:db8::9] P=smtp S=10 id=x@example.org");
        assert_eq!(found.client.unwrap(), Client { name: b"", address: b"2001:db8::9" });
        assert_eq!((found.suite, found.doubtful), (None, false));
        let found = received("<> R=1xUoKq-000065-24 U=Debian-exim P=local S=2591");
        assert_eq!((found.client, found.protocol), (None, None));
    }

    #[test]
    fn a_client_cannot_put_its_words_for_the_servers() {
        let quoted = received(
            "\"H=x [192.0.2.1] P=smtp S=1 \"@example.org H=(c) [198.51.100.4] P=esmtps \
             X=TLS1.2:x:256 S=1",
        );
        assert_eq!(quoted.client.unwrap().address, b"198.51.100.4");
        assert_eq!(quoted.suite, Some((Tls::Tls1_2, &b"x"[..])));
        for forged in [
            "a@example.org H=(x) P=esmtps X=TLS1.3:x:256 S=1) [198.51.100.4] P=smtp S=1",
            "a@example.org H=(x y) [198.51.100.4] P=smtp S=1",
            "a@example.org H=(x [192.0.2.1] P=esmtps X=TLS1.3:x:256 S=1) [198.51.100.4] P=smtp S=1",
            "a@example.org H=(c) [198.51.100.4] U=me P=smtps X=TLS1.3:x:256 S=1 P=smtp S=1",
            "a@example.org H=(c) [198.51.100.4] U=m X=TLS1.3:x:256 P=smtp S=1",
        ] {
            assert!(received(forged).doubtful, "{forged}");
        }
    }

    #[test]
    fn a_line_that_was_cut_is_no_arrival() {
        let line = "a@example.org H=(c) [198.51.100.4] P=esmtps X=TLS1.2:x:256 CV=no S=1";
        let whole = line.find("TLS1.2:").unwrap() + "TLS1.2:".len();
        for end in 0..whole {
            assert_eq!(read(line.as_bytes().get(..end).unwrap()), None, "{end}");
        }
        for end in whole..line.len() {
            let suite = received(line.get(..end).unwrap()).suite;
            assert_eq!(suite.unwrap().0, Tls::Tls1_2, "{end}");
        }
    }
}
