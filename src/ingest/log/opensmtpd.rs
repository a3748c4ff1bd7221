//! The lines of `OpenSMTPD` in the log of mail.
//!
//! | line | meaning |
//! |---|---|
//! | `SID smtp connected address=… host=…` | a client connected |
//! | `SID smtp tls ciphers=…` | it encrypts from now on |
//! | `SID smtp message msgid=…` | its message was accepted |
//! | `SID smtp envelope evpid=… from=… to=…` | a recipient of this message, and its sender |
//! | `SID mta connecting address=… host=…` | a connection to a server begins, in clear |
//! | `SID mta tls ciphers=…` | it encrypts from now on |
//! | `SID mta delivery evpid=… result="Ok" …` | a message was handed over, for one recipient |
//! | `SID mda delivery evpid=… result=Ok …` | it was delivered on this host |
//!
//! Every line of a session bears its id, and handshakes are always logged. The first half of
//! an envelope's id is the id of its message.

mod lines;

use serde::{Deserialize, Serialize};

use self::lines::{Delivery, Peer, Suite, client_of, hex_id, server_of, suite_of};
use super::fields::{Words, beginning, domain, is_loopback, reason, table_key, until};
use super::left;
use super::recent::Recent;
use super::stamp::Stamps;
use super::syslog;
use super::{Mail, Place, Protection, Reader, Sink, identity};
use crate::trace::{Direction, RejectReason, Tls};

/// Sessions and messages that are remembered.
const REMEMBERED: usize = 1 << 16;
/// The one name there is: the log tells no listener.
const CONNECTOR: &[u8] = b"default";

/// Reads the lines of `OpenSMTPD`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OpenSmtpd {
    /// Sessions with clients, by host and session id.
    clients: Recent<u64, Client>,
    /// Sessions with servers, by host and session id.
    servers: Recent<u64, Server>,
    /// When messages were first seen, by host and message id.
    messages: Recent<u64, i64>,
}

/// A session with a client.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Client {
    /// Where it was seen from its beginning.
    from: Option<Peer>,
    suite: Option<Suite>,
    /// Accepted; its sender is told by the next line.
    accepted: Option<Accepted>,
}

/// A session with a server.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Server {
    /// Where it was seen from its beginning.
    to: Option<Peer>,
    suite: Option<Suite>,
}

/// An accepted message.
#[derive(Debug, Serialize, Deserialize)]
struct Accepted {
    time_ms: i64,
    place: Place,
    key: u64,
    line: Box<[u8]>,
}

/// A line of a session.
#[derive(Debug, Clone, Copy)]
struct At<'a> {
    time_ms: i64,
    place: Place,
    host: &'a [u8],
    session: u64,
    line: &'a [u8],
}

impl Default for OpenSmtpd {
    fn default() -> Self {
        Self {
            clients: Recent::new(REMEMBERED),
            servers: Recent::new(REMEMBERED),
            messages: Recent::new(REMEMBERED),
        }
    }
}

impl Reader for OpenSmtpd {
    fn line(&mut self, line: &[u8], stamps: &mut Stamps, place: Place, out: &mut dyn Sink) {
        let found = match syslog::split(line, stamps) {
            Ok(found) => found,
            Err(fault) => return out.reject(reason(fault), place, beginning(line)),
        };
        if *found.program != *b"smtpd" {
            return;
        }
        let Some((id, text)) = hex_id::<16>(&found.text) else { return };
        let session = table_key(&[&found.host, id]);
        let at = At { time_ms: found.time_ms, place, host: &found.host, session, line };
        let mut words = Words::new(text);
        match (words.next(), words.next()) {
            (Some(b"smtp"), Some(event)) => self.smtp(event, words.rest(), at, out),
            (Some(b"mta"), Some(event)) => self.mta(event, words.rest(), at, out),
            (Some(b"mda"), Some(b"delivery")) => self.delivery(words.rest(), true, at, out),
            _ => {}
        }
    }

    /// Messages whose sender the log no longer tells.
    fn end(&mut self, out: &mut dyn Sink) {
        let mut open: Vec<_> =
            self.clients.drain().filter(|(_, client)| client.accepted.is_some()).collect();
        open.sort_by_key(|(_, client)| client.accepted.as_ref().map(|accepted| accepted.place));
        for (_, mut client) in open {
            client.tell(None, out);
        }
    }

    fn leave(&self) -> Option<Vec<u8>> {
        left::packed(self)
    }

    fn resume(&mut self, left: &[u8]) -> bool {
        left::take_up(self, left, |held, began| {
            held.clients.is_bounded_as(&began.clients)
                && held.servers.is_bounded_as(&began.servers)
                && held.messages.is_bounded_as(&began.messages)
        })
    }
}

impl OpenSmtpd {
    /// A reader that knows nothing yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn smtp(&mut self, event: &[u8], rest: &[u8], at: At<'_>, out: &mut dyn Sink) {
        if event == b"connected" {
            let client = Client { from: client_of(rest), ..Client::default() };
            self.clients.insert(at.session, client);
            return;
        }
        if !matches!(event, b"tls" | b"message" | b"envelope" | b"disconnected") {
            return reject_older(event, at, out);
        }
        if self.clients.get(&at.session).is_none() {
            self.clients.insert(at.session, Client::default());
        }
        let Some(client) = self.clients.get(&at.session) else { return };
        if event == b"envelope" {
            let sender = rest.strip_prefix(b"evpid=").and_then(|text| {
                let (_, addresses) = hex_id::<16>(text)?;
                Some(until(addresses.strip_prefix(b"from=")?, b" to=")?.0)
            });
            return client.tell(sender, out);
        }
        client.tell(None, out);
        match event {
            b"tls" => client.suite = Some(suite_of(rest)),
            b"message" => {
                let id = rest.strip_prefix(b"msgid=").and_then(hex_id::<8>);
                let Some((id, _)) = id else {
                    return out.reject(RejectReason::LineUnreadable, at.place, beginning(at.line));
                };
                self.messages.insert(table_key(&[at.host, id]), at.time_ms);
                let key = message_key(at.host, id, at.time_ms);
                let (time_ms, place, line) = (at.time_ms, at.place, beginning(at.line).into());
                client.accepted = Some(Accepted { time_ms, place, key, line });
            }
            _ => {
                self.clients.remove(&at.session);
            }
        }
    }

    fn mta(&mut self, event: &[u8], rest: &[u8], at: At<'_>, out: &mut dyn Sink) {
        match event {
            // A session that cannot encrypt begins anew without, under the same id.
            b"connecting" => {
                let server = Server { to: server_of(rest), suite: None };
                self.servers.insert(at.session, server);
            }
            b"tls" => {
                let to = self.servers.remove(&at.session).and_then(|server| server.to);
                self.servers.insert(at.session, Server { to, suite: Some(suite_of(rest)) });
            }
            b"delivery" => self.delivery(rest, false, at, out),
            b"disconnected" => {
                self.servers.remove(&at.session);
            }
            _ => reject_older(event, at, out),
        }
    }

    fn delivery(&mut self, rest: &[u8], local: bool, at: At<'_>, out: &mut dyn Sink) {
        let Some(found) = Delivery::read(rest) else {
            return out.reject(RejectReason::LineUnreadable, at.place, beginning(at.line));
        };
        if !found.sent {
            return;
        }
        let message = table_key(&[at.host, found.message]);
        let first = self.messages.get(&message).copied().unwrap_or_else(|| {
            self.messages.insert(message, at.time_ms);
            at.time_ms
        });
        let session = if local { None } else { self.servers.get(&at.session) };
        let (to, suite) = session.map_or((None, None), |s| (s.to.as_ref(), s.suite.as_ref()));
        let (name, address) = to.map_or(found.relay, |to| (&*to.name, &*to.address));
        let internal = local || is_loopback(address) || to.is_some_and(|to| to.local);
        out.mail(&Mail {
            time_ms: at.time_ms,
            direction: if internal { Direction::Internal } else { Direction::Outbound },
            connector: CONNECTOR,
            forced_tls: None,
            tls: protection(suite, to.is_some()),
            cipher: suite.map_or(&b""[..], |suite| &suite.1),
            peer: if name.is_empty() { address } else { name },
            remote_host: name,
            remote_address: address,
            domain: domain(found.recipient),
            key: message_key(at.host, found.message, first),
            place: at.place,
        });
    }
}

impl Client {
    /// Tells the accepted message, if there is one, with its sender where that is known.
    fn tell(&mut self, sender: Option<&[u8]>, out: &mut dyn Sink) {
        let Some(accepted) = self.accepted.take() else { return };
        if self.from.is_none() && self.suite.is_none() && sender == Some(b"<>") {
            // From outside or a notice of this host's own: the beginning would tell.
            let reason = RejectReason::DirectionMissing;
            return out.reject(reason, accepted.place, &accepted.line);
        }
        let none = Peer::default();
        let from = self.from.as_ref().unwrap_or(&none);
        let sender = sender.map(domain).unwrap_or_default();
        let (name, address) = (&*from.name, &*from.address);
        let peer = [sender, name].into_iter().find(|text| !text.is_empty()).unwrap_or(address);
        out.mail(&Mail {
            time_ms: accepted.time_ms,
            direction: if from.local { Direction::Internal } else { Direction::Inbound },
            connector: CONNECTOR,
            forced_tls: None,
            tls: protection(self.suite.as_ref(), self.from.is_some()),
            cipher: self.suite.as_ref().map_or(&b""[..], |suite| &suite.1),
            peer,
            remote_host: name,
            remote_address: address,
            domain: sender,
            key: accepted.key,
            place: accepted.place,
        });
    }
}

/// Message ids are random numbers that recur: the time of the first sight belongs to them.
fn message_key(host: &[u8], id: &[u8], first_ms: i64) -> u64 {
    identity(&[b"opensmtpd", host, id, &first_ms.to_be_bytes()])
}

/// A session that was seen from its beginning and has no handshake is in clear.
fn protection(suite: Option<&Suite>, whole: bool) -> Protection {
    Protection::Known(match suite {
        Some(suite) => suite.0,
        None if whole => Tls::NoTls,
        None => Tls::Unknown,
    })
}

/// Old versions wrote lines of another form (`smtp event=message …`), which are not read.
fn reject_older(event: &[u8], at: At<'_>, out: &mut dyn Sink) {
    if event.starts_with(b"event=") {
        out.reject(RejectReason::LineUnreadable, at.place, beginning(at.line));
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz as Zone;

    use super::*;
    use crate::ingest::log::harness::{Found, read};
    use crate::ingest::log::stamp::YearRule;

    fn found(lines: &[&str]) -> Found {
        let lines = (1..).zip(lines);
        let log: String = lines
            .map(|(second, line)| {
                format!("Nov 21 16:53:{second:02} mx1 smtpd[192]: 70c2c48a0a6bac07 {line}\n")
            })
            .collect();
        let rule = YearRule::Given(2026);
        read(OpenSmtpd::new(), Zone::UTC, rule, &[log.as_bytes()])
    }

    const CONNECTED: &str = "smtp connected address=[2001:db8::3] host=c.example.org";
    const TLS: &str = "smtp tls ciphers=TLSv1.3:TLS_X:256";
    const MESSAGE: &str = "smtp message msgid=83dca88a size=844 nrcpt=2 proto=ESMTP";
    const ENVELOPE: &str =
        "smtp envelope evpid=83dca88a8162a15d from=<a@example.org> to=<b@example.net>";
    const QUIT: &str = "smtp disconnected reason=quit";
    const CONNECTING: &str = "mta connecting address=smtp://203.0.113.16:25 host=mx.example.net";
    const MTA_TLS: &str = "mta tls ciphers=TLSv1.2:ECDHE-X:256";
    const SENT: &str = "mta delivery evpid=83dca88a8162a15d from=<a@example.org> \
                        to=<b@example.net> rcpt=<-> source=\"192.0.2.10\" \
                        relay=\"203.0.113.17 (mx2.example.net)\" delay=0s result=\"Ok\" \
                        stat=\"250 ok\"";

    #[test]
    fn a_message_in_and_out() {
        let lines = [CONNECTED, TLS, MESSAGE, ENVELOPE, ENVELOPE, QUIT, CONNECTING, MTA_TLS, SENT];
        let found = found(&lines);
        let [came, went] = &*found.mails else { panic!("{:?}", found.mails) };
        assert_eq!(
            (came.direction, came.tls, came.place.line),
            (Direction::Inbound, Tls::Tls1_3, 3)
        );
        assert_eq!(
            (&*came.connector, &*came.cipher, &*came.peer),
            ("default", "TLS_X", "example.org")
        );
        assert_eq!((&*came.remote_host, &*came.remote_address), ("c.example.org", "2001:db8::3"));
        assert_eq!(
            (went.direction, went.tls, went.place.line),
            (Direction::Outbound, Tls::Tls1_2, 9)
        );
        assert_eq!((&*went.remote_host, &*went.remote_address), ("mx.example.net", "203.0.113.16"));
        assert_eq!((&*went.cipher, &*went.domain), ("ECDHE-X", "example.net"));
        assert_eq!(came.key, went.key);
        assert_eq!(came.time_ms, 1_795_279_983_000);
    }

    #[test]
    fn a_handshake_counts_from_its_line_on() {
        let second = MESSAGE.replace("83dc", "84dc");
        let found = found(&[CONNECTED, MESSAGE, ENVELOPE, TLS, &second, QUIT]);
        let bands: Vec<_> = found.mails.iter().map(|mail| mail.tls).collect();
        assert_eq!(bands, [Tls::NoTls, Tls::Tls1_3]);
        // The second message ended with its session: its sender is not known.
        assert_eq!(found.mails[1].peer, "c.example.org");
        assert_ne!(found.mails[0].key, found.mails[1].key);
    }

    #[test]
    fn a_connection_that_begins_anew_forgets_its_handshake() {
        let plain = CONNECTING.replace("smtp:", "smtp+notls:");
        let bands = |lines: &[&str]| found(lines).mails.remove(0).tls;
        assert_eq!(bands(&[CONNECTING, MTA_TLS, &plain, SENT]), Tls::NoTls);
        assert_eq!(bands(&[CONNECTING, SENT]), Tls::NoTls);
        assert_eq!(bands(&[MTA_TLS, SENT]), Tls::Tls1_2);
        assert_eq!(bands(&[SENT]), Tls::Unknown);
        assert_eq!(found(&[SENT]).mails[0].remote_host, "mx2.example.net");
        for result in ["TempFail", "PermFail"] {
            let failed = SENT.replace("\"Ok\"", &format!("\"{result}\""));
            assert!(found(&[CONNECTING, &failed]).mails.is_empty());
        }
    }

    #[test]
    fn sessions_that_began_before_the_log() {
        let rows = |lines: &[&str]| {
            let found = found(lines);
            let bands: Vec<_> = found.mails.iter().map(|m| (m.direction, m.tls)).collect();
            (bands, found.rejects.into_iter().map(|reject| reject.0).collect::<Vec<_>>())
        };
        let bounce = ENVELOPE.replace("a@example.org", "");
        let inbound = |tls| (vec![(Direction::Inbound, tls)], vec![]);
        assert_eq!(rows(&[MESSAGE, ENVELOPE]), inbound(Tls::Unknown));
        assert_eq!(rows(&[TLS, MESSAGE, &bounce]), inbound(Tls::Tls1_3));
        assert_eq!(rows(&["smtp tls ciphers=TLSv", MESSAGE]), inbound(Tls::Unspecified));
        // Perhaps a notice of the server's own.
        assert_eq!(rows(&[MESSAGE, &bounce]), (vec![], vec![RejectReason::DirectionMissing]));
    }

    #[test]
    fn what_never_left_or_entered_is_internal() {
        let own = "smtp connected address=local host=mx1.example.com";
        let loopback = "smtp connected address=127.0.0.1 host=localhost";
        let lmtp = CONNECTING.replace("smtp:", "lmtp:");
        let same = CONNECTING.replace("203.0.113.16", "[::1]");
        let stored = "mda delivery evpid=83dca88a8162a15d from=<> to=<b@example.com> \
                      rcpt=<b@example.com> user=nobody delay=0s result=Ok stat=Delivered";
        for lines in [
            &[own, MESSAGE, ENVELOPE][..],
            &[loopback, MESSAGE],
            &[&lmtp, SENT],
            &[&same, SENT],
            &[stored],
        ] {
            let found = found(lines);
            let directions: Vec<_> = found.mails.iter().map(|mail| mail.direction).collect();
            assert_eq!(directions, [Direction::Internal], "{lines:?}");
        }
    }

    #[test]
    fn what_others_chose_is_no_field() {
        let sent =
            SENT.replace("to=<b@", "to=<\"b> rcpt=<x> result=\\\"Ok\\\" relay=\\\"1\\\" \"@");
        let found_ok = found(&[CONNECTING, &sent]);
        assert_eq!(found_ok.mails[0].domain, "example.net");
        let failed = sent.replace("result=\"Ok\" stat", "result=\"TempFail\" stat");
        assert!(found(&[CONNECTING, &failed]).mails.is_empty());
    }

    #[test]
    fn what_has_no_form_is_rejected() {
        for line in [
            "smtp message msgid=83dc",
            "mta delivery evpid=83dca88a8162a15d from=<",
            "smtp event=message msgid=83dca88a",
        ] {
            let found = found(&[CONNECTED, line]);
            let reasons: Vec<_> = found.rejects.iter().map(|reject| reject.0).collect();
            assert_eq!(reasons, [RejectReason::LineUnreadable], "{line}");
        }
    }
}
