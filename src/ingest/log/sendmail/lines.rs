//! What the lines of Sendmail say, one by one.
//!
//! What others chose (addresses, message ids, names, replies of other servers) is logged as
//! it came. So a `from=` line is read from its end, where Sendmail's own fields stand, and
//! a `to=` line from its beginning, past the addresses and their quotes.

use super::super::fields::{is_address, split_once, until};

/// A line of interest.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// `STARTTLS=server|client, relay=…, version=…, …`.
    Tls(Tls<'a>),
    /// `STARTTLS=client, error: …`.
    ClientFailed,
    /// `QID: from=…`.
    From(&'a [u8], From<'a>),
    /// `QID: to=…`.
    To(&'a [u8], To<'a>),
    /// `QID: QID2: …`: the second one is a notice that the server makes of the first.
    Notice(&'a [u8]),
    /// `QID: collect: premature EOM …`: the message was not received.
    CutOff(&'a [u8]),
}

/// One handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tls<'a> {
    /// Whether the other side connected to this one.
    pub server: bool,
    /// The other side, as in the mail lines but without the client's address.
    pub relay: &'a [u8],
    /// `TLSv1.2`.
    pub version: &'a [u8],
    /// Empty = not logged.
    pub cipher: &'a [u8],
}

/// A message that was offered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct From<'a> {
    /// Address of the sender.
    pub sender: &'a [u8],
    /// Whether anything arrived for anybody: bytes and recipients above zero.
    pub held: bool,
    /// `ESMTPS`; empty for local submission.
    pub proto: &'a [u8],
    /// Listener; empty for local submission.
    pub daemon: &'a [u8],
    /// The client.
    pub relay: Relay<'a>,
}

/// What became of a message at one server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct To<'a> {
    /// Address of the first recipient.
    pub recipient: &'a [u8],
    /// Empty where no delivery was tried: the message was refused.
    pub mailer: &'a [u8],
    /// The server.
    pub relay: Relay<'a>,
    /// Whether it was handed over.
    pub sent: bool,
}

/// The other side of a connection: `mx.example.net. [192.0.2.1]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Relay<'a> {
    /// As the TLS lines of a client name it: with a final dot, or `[192.0.2.1]`.
    pub full: &'a [u8],
    /// Name; empty where it has none.
    pub name: &'a [u8],
    /// IP address; empty where there is no connection.
    pub address: &'a [u8],
}

/// Reads the text of a line; `None` for all lines of other kinds.
pub(super) fn event(text: &[u8]) -> Option<Event<'_>> {
    if let Some(rest) = text.strip_prefix(b"STARTTLS=") {
        return starttls(rest);
    }
    let (id, rest) = queue_id(text)?;
    match rest.first()? {
        b'f' => Some(Event::From(id, from(rest.strip_prefix(b"from=")?)?)),
        b't' => Some(Event::To(id, to(rest.strip_prefix(b"to=")?)?)),
        b'S' => starttls(rest.strip_prefix(b"STARTTLS=")?),
        b'c' => rest.starts_with(b"collect: premature EOM").then_some(Event::CutOff(id)),
        _ => queue_id(rest).map(|(notice, _)| Event::Notice(notice)),
    }
}

/// `6ALGt4TU000232: `, with at least one digit.
fn queue_id(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = text.iter().take(24).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let (id, rest) = text.split_at_checked(length)?;
    let fits = (8..24).contains(&length) && id.iter().any(u8::is_ascii_digit);
    Some((id, rest.strip_prefix(b": ").filter(|_| fits)?))
}

fn starttls(text: &[u8]) -> Option<Event<'_>> {
    let server = text.starts_with(b"server, ");
    let rest = text.strip_prefix(if server { b"server, " } else { b"client, " })?;
    if rest.starts_with(b"error: ") {
        return (!server).then_some(Event::ClientFailed);
    }
    let (relay, rest) = until_field(rest.strip_prefix(b"relay=")?, b", version=")?;
    // A version that a comma follows was not cut.
    let (version, rest) = split_once(rest, b',')?;
    let cipher = memchr::memmem::find(rest, b" cipher=")
        .and_then(|at| split_once(rest.get(at + 8..)?, b','))
        .map_or(&b""[..], |(cipher, _)| cipher);
    Some(Event::Tls(Tls { server, relay, version, cipher }))
}

fn until_field<'a>(text: &'a [u8], field: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memchr::memmem::find(text, field)?;
    Some((text.get(..at)?, text.get(at + field.len()..)?))
}

/// `<a@example.org>, size=1, class=0, nrcpts=1, msgid=<…>, bodytype=…, proto=ESMTP,
/// daemon=MTA, tls_verify=…, auth=…, relay=host [ip] (may be forged)`.
fn from(text: &[u8]) -> Option<From<'_>> {
    let (sender, rest) = until(text, b", ").or_else(|| until_field(text, b", "))?;
    let (size, mut rest) = split_once(rest.strip_prefix(b"size=")?, b',')?;
    let mut nrcpts: &[u8] = b"0";
    for key in [&b" class="[..], b" nrcpts="] {
        if let Some(value) = rest.strip_prefix(key) {
            let (value, behind) = split_once(value, b',')?;
            (nrcpts, rest) = (value, behind);
        }
    }
    let above_zero = |number: &[u8]| number.iter().any(|byte| (b'1'..=b'9').contains(byte));
    let mut found =
        From { sender, held: above_zero(size) && above_zero(nrcpts), ..From::default() };
    while let Some(at) = memchr::memmem::rfind(rest, b", ").or((!rest.is_empty()).then_some(0)) {
        let field = rest.get(at..)?;
        let field = field.strip_prefix(b", ").or(field.strip_prefix(b" ")).unwrap_or(field);
        let Some((key, value)) = split_once(field, b'=') else { break };
        match key {
            b"relay" if found.relay == Relay::default() => found.relay = relay(value),
            b"daemon" if found.daemon.is_empty() => found.daemon = value,
            b"proto" if found.proto.is_empty() => found.proto = value,
            b"tls_verify" | b"auth" | b"bodytype" => {}
            // The message id: what stands before it is its own.
            _ => break,
        }
        rest = rest.get(..at)?;
    }
    if found.relay == Relay::default() {
        // Local mail has neither: they were part of the message id.
        (found.proto, found.daemon) = (b"", b"");
    }
    Some(found)
}

/// `<b@example.net>,<c@example.net>, ctladdr=<a@example.org> (1/0), delay=…, xdelay=…,
/// mailer=esmtp, pri=…, relay=mx.example.net. [192.0.2.1], dsn=2.0.0, stat=Sent (…)`.
fn to(text: &[u8]) -> Option<To<'_>> {
    let (recipients, mut rest) = until(text, b", ").or_else(|| until_field(text, b", "))?;
    let recipient = until(recipients, b",").map_or(recipients, |(first, _)| first);
    let mut found = To { recipient, ..To::default() };
    if let Some(sender) = rest.strip_prefix(b"ctladdr=") {
        rest = until(sender, b", ")?.1;
    }
    let mut dsn: &[u8] = b"";
    while !rest.is_empty() {
        if let Some(stat) = rest.strip_prefix(b"stat=") {
            found.sent = stat.starts_with(b"Sent") && (dsn.is_empty() || dsn.starts_with(b"2."));
            return Some(found);
        }
        let (field, behind) = until_field(rest, b", ")?;
        match split_once(field, b'=') {
            Some((b"mailer", value)) if found.mailer.is_empty() => found.mailer = value,
            Some((b"relay", value)) if found.relay == Relay::default() => {
                found.relay = relay(value);
            }
            Some((b"dsn", value)) if dsn.is_empty() => dsn = value,
            _ => {}
        }
        rest = behind;
    }
    None
}

/// `mx.example.net. [IPv6:2001:db8::1] (may be forged)`.
pub(super) fn relay(text: &[u8]) -> Relay<'_> {
    let text = text.strip_suffix(b" (may be forged)").unwrap_or(text);
    let address = || {
        let open = memchr::memrchr(b'[', text)?;
        let address = text.get(open + 1..)?.strip_suffix(b"]")?;
        let address = address.strip_prefix(b"IPv6:").unwrap_or(address);
        is_address(address).then_some((text.get(..open)?, address))
    };
    let Some((before, address)) = address() else { return Relay::default() };
    let full = if before.is_empty() { text } else { before.trim_ascii_end() };
    // `[192.0.2.1]` is no name; before `@` stands what an ident server said.
    let name = if full.starts_with(b"[") { b"" } else { full };
    let name = memchr::memrchr(b'@', name).and_then(|at| name.get(at + 1..)).unwrap_or(name);
    Relay { full, name: name.strip_suffix(b".").unwrap_or(name), address }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Event<'_> {
        event(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_message_offered() {
        let text = "6ALGt4TU000232: from=<\"a, size=0\"@example.org>, size=771, class=0, \
                    nrcpts=1, msgid=<x, proto=SMTP, daemon=F, relay=f [192.0.2.9]>, \
                    bodytype=8BITMIME, proto=ESMTPS, daemon=MTA-v4, \
                    relay=c.example.org [IPv6:2001:db8::1] (may be forged)";
        let Event::From(b"6ALGt4TU000232", found) = read(text) else { panic!() };
        assert_eq!(found.sender, b"<\"a, size=0\"@example.org>");
        assert!(found.held);
        assert_eq!((found.proto, found.daemon), (&b"ESMTPS"[..], &b"MTA-v4"[..]));
        assert_eq!(
            (found.relay.name, found.relay.address),
            (&b"c.example.org"[..], &b"2001:db8::1"[..])
        );
        for text in ["size=0, class=0, nrcpts=1, relay=x", "size=9, class=0, nrcpts=0, relay=x"] {
            let text = format!("6ALGt4TU000232: from=<a@example.org>, {text}");
            let Event::From(_, found) = read(&text) else { panic!() };
            assert!(!found.held);
        }
    }

    #[test]
    fn mail_of_this_host_has_no_client() {
        let text = "6ALGt4TU000232: from=root, size=771, class=0, nrcpts=1, \
                    msgid=<x, proto=ESMTPS, daemon=F>, relay=root@localhost";
        let Event::From(_, found) = read(text) else { panic!() };
        assert_eq!(found.relay, Relay::default());
        assert_eq!((found.sender, found.proto, found.daemon), (&b"root"[..], &b""[..], &b""[..]));
    }

    #[test]
    fn a_message_handed_over() {
        let text = "6ALGt4TU000232: to=<\"b, mailer=f, stat=Sent\"@example.net>,<c@example.net>, \
                    ctladdr=<\"x, relay=f [192.0.2.9]\"@example.com> (1/0), delay=00:00:01, \
                    xdelay=00:00:01, mailer=esmtp, pri=30771, relay=mx.example.net. \
                    [203.0.113.13], dsn=2.0.0, stat=Sent (relay=g [192.0.2.8], stat=x)";
        let Event::To(_, found) = read(text) else { panic!() };
        assert!(found.sent);
        assert_eq!((found.mailer, found.relay.full), (&b"esmtp"[..], &b"mx.example.net."[..]));
        assert_eq!(
            (found.relay.name, found.relay.address),
            (&b"mx.example.net"[..], &b"203.0.113.13"[..])
        );
        assert_eq!(found.recipient, b"<\"b, mailer=f, stat=Sent\"@example.net>");
        let refused = "6ALGt4TU000232: to=<b@example.com>, delay=00:00:00, pri=1, stat=too big";
        assert!(matches!(read(refused), Event::To(_, To { mailer: b"", sent: false, .. })));
        let later = "6ALGt4TU000232: to=<b@example.net>, delay=00:00:00, mailer=esmtp, \
                     relay=mx. [203.0.113.1], dsn=4.7.0, reply=450 stat, stat=Sent, stat=Deferred";
        assert!(matches!(read(later), Event::To(_, To { sent: false, .. })));
    }

    #[test]
    fn handshakes_and_the_rest() {
        let text = "STARTTLS=client, relay=mx.example.net., version=TLSv1.2, verify=OK, \
                    cipher=ECDHE-X, bits=256/256";
        let expected = Tls {
            server: false,
            relay: b"mx.example.net.",
            version: b"TLSv1.2",
            cipher: b"ECDHE-X",
        };
        assert_eq!(read(text), Event::Tls(expected));
        let newer = format!("221820LG031423: {text}");
        assert_eq!(read(&newer), Event::Tls(expected));
        assert_eq!(read("STARTTLS=client, error: connect failed=-1"), Event::ClientFailed);
        assert_eq!(
            read("6ALGt8MD000481: 6ALGt8MC000496: DSN: Service unavailable"),
            Event::Notice(b"6ALGt8MC000496")
        );
        for other in [
            "STARTTLS=server, error: accept failed=-1",
            "STARTTLS=server, relay=c.example.org [192.0.2.1], version=TLSv1",
            "6ALGt4TU000232: message size (60188) exceeds maximum (40000)",
            "starting daemon (8.17.1.9): SMTP+queueing@00:00:04",
            "x: from=<a>",
            "",
        ] {
            assert_eq!(event(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn the_other_side() {
        let full = |text: &'static str| relay(text.as_bytes());
        assert_eq!(full("[127.0.0.1] [127.0.0.1]").full, b"[127.0.0.1]");
        assert_eq!(full("[198.51.100.3]").full, b"[198.51.100.3]");
        assert_eq!(full("me [x]@c.example.org [198.51.100.3]").name, b"c.example.org");
        for text in ["local", "root@localhost", "[/var/run/lmtp]", "mx.example.net. [192"] {
            assert_eq!(full(text), Relay::default(), "{text}");
        }
    }
}
