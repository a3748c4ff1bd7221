//! Sendmail's lines in the log of mail.
//!
//! | line | meaning |
//! |---|---|
//! | `STARTTLS=server, relay=…, version=…` | the client of this process encrypts |
//! | `QID: from=…, proto=…, daemon=…, relay=…` | a message was offered, and perhaps refused |
//! | `QID: to=…, mailer=…, relay=…, stat=…` | a delivery was tried: so the message was accepted |
//! | `STARTTLS=client, relay=…, version=…` | this process talks to that server with TLS |
//!
//! Handshakes are joined to mail by host, process and the other side. A queue id holds the
//! date, time and process of its making, so it is an identity by itself.

mod lines;

use serde::{Deserialize, Serialize};

use self::lines::{Event, From, Relay, To};
use super::fields::{beginning, domain, is_loopback, reason, table_key};
use super::left;
use super::recent::Recent;
use super::stamp::Stamps;
use super::syslog;
use super::{Mail, Place, Protection, Reader, Sink, band, identity};
use crate::trace::{Direction, RejectReason, Tls};

/// Messages, and processes with a handshake, that are remembered.
const REMEMBERED: usize = 1 << 16;
/// A connection rarely lasts longer: what began before the log did is over by then.
const SETTLED_MS: i64 = 3_600_000;

/// Reads Sendmail's lines.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Sendmail {
    /// Hosts.
    hosts: Recent<u64, Host>,
    /// Handshakes with clients, by host and process.
    clients: Recent<u64, Handshake>,
    /// Handshakes with servers, by host, process and server.
    servers: Recent<u64, Handshake>,
    /// Handshakes that failed, by host and process: their number in the stream.
    failed: Recent<u64, u64>,
    /// Messages by host and queue id.
    messages: Recent<u64, Message>,
    /// Lines read.
    count: u64,
}

/// What is known of a host.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Host {
    /// When its log begins.
    begins_ms: i64,
    /// Whether it writes `proto=ESMTPS` for encrypted sessions, as older versions do not.
    says_protocol: bool,
}

/// What a handshake led to.
#[derive(Debug, Serialize, Deserialize)]
struct Handshake {
    /// Address of the client.
    address: Box<[u8]>,
    tls: Tls,
    cipher: Box<[u8]>,
    /// Its number in the stream.
    count: u64,
    /// When its connection was last heard of.
    time_ms: i64,
}

/// What is known of a message.
#[derive(Debug, Serialize, Deserialize)]
enum Message {
    /// Its arrival is to be told when a delivery shows that it was accepted.
    Offered(Box<Offer>),
    /// Its arrival was told, or there is none to tell.
    Known,
    /// It will not be accepted.
    Refused,
}

/// An arrival that waits for its acceptance.
#[derive(Debug, Serialize, Deserialize)]
struct Offer {
    line: Box<[u8]>,
    time_ms: i64,
    place: Place,
    tls: Protection,
    cipher: Box<[u8]>,
}

/// Where and when a line was written.
#[derive(Debug, Clone, Copy)]
struct At<'a> {
    time_ms: i64,
    place: Place,
    host: &'a [u8],
    program: &'a [u8],
    pid: [u8; 4],
}

impl Default for Sendmail {
    fn default() -> Self {
        Self {
            hosts: Recent::new(1024),
            clients: Recent::new(REMEMBERED),
            servers: Recent::new(REMEMBERED),
            failed: Recent::new(REMEMBERED),
            messages: Recent::new(REMEMBERED),
            count: 0,
        }
    }
}

impl Reader for Sendmail {
    fn line(&mut self, line: &[u8], stamps: &mut Stamps, place: Place, out: &mut dyn Sink) {
        let found = match syslog::split(line, stamps) {
            Ok(found) => found,
            Err(fault) => return out.reject(reason(fault), place, beginning(line)),
        };
        if !is_sendmail(&found.program) {
            return;
        }
        self.count = self.count.saturating_add(1);
        let pid = found.pid.to_be_bytes();
        let (host, program) = (&*found.host, &*found.program);
        let at = At { time_ms: found.time_ms, place, host, program, pid };
        self.host(at);
        match lines::event(&found.text) {
            Some(Event::Tls(tls)) => self.handshake(tls, at, out),
            Some(Event::ClientFailed) => {
                self.failed.insert(table_key(&[at.host, &at.pid]), self.count);
            }
            Some(Event::From(id, from)) => self.offered(id, &from, &found.text, at, out),
            Some(Event::To(id, to)) => self.delivered(id, &to, at, out),
            Some(Event::Notice(id)) => {
                self.messages.insert(table_key(&[at.host, id]), Message::Known);
            }
            Some(Event::CutOff(id)) => {
                self.messages.insert(table_key(&[at.host, id]), Message::Refused);
            }
            None => {}
        }
    }

    /// Messages that were offered at the end, and of which the log says no more.
    fn end(&mut self, out: &mut dyn Sink) {
        let mut open: Vec<_> = self
            .messages
            .drain()
            .filter_map(|(_, message)| match message {
                Message::Offered(offer) => Some(offer),
                Message::Known | Message::Refused => None,
            })
            .collect();
        open.sort_by_key(|offer| offer.place);
        for offer in open {
            if let Some(Event::From(_, from)) = lines::event(&offer.line)
                && comes_from_outside(&from.relay)
            {
                out.reject(RejectReason::NoAcceptance, offer.place, beginning(&offer.line));
            }
        }
    }

    fn leave(&self) -> Option<Vec<u8>> {
        left::packed(self)
    }

    fn resume(&mut self, left: &[u8]) -> bool {
        left::take_up(self, left, |held, began| {
            held.hosts.is_bounded_as(&began.hosts)
                && held.clients.is_bounded_as(&began.clients)
                && held.servers.is_bounded_as(&began.servers)
                && held.failed.is_bounded_as(&began.failed)
                && held.messages.is_bounded_as(&began.messages)
        })
    }
}

impl Sendmail {
    /// A reader that knows nothing yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn handshake(&mut self, tls: lines::Tls<'_>, at: At<'_>, out: &mut dyn Sink) {
        let address = lines::relay(tls.relay).address;
        let handshake = Handshake {
            address: address.into(),
            tls: band(tls.version).unwrap_or(Tls::Unspecified),
            cipher: tls.cipher.into(),
            count: self.count,
            time_ms: at.time_ms,
        };
        if tls.server {
            out.proves(logger(at, Logger::Server));
            self.clients.insert(table_key(&[at.host, &at.pid]), handshake);
        } else {
            // The submission program talks to the server of its own host, with its own settings.
            if !(is_loopback(address) || tls.relay.starts_with(b"localhost")) {
                out.proves(logger(at, Logger::Client));
            }
            self.servers.insert(table_key(&[at.host, &at.pid, tls.relay]), handshake);
        }
    }

    fn offered(&mut self, id: &[u8], from: &From<'_>, text: &[u8], at: At<'_>, out: &mut dyn Sink) {
        if is_encrypted(from.proto) {
            out.proves(logger(at, Logger::Server));
            out.proves(logger(at, Logger::Protocol));
            let host = Host { says_protocol: true, ..self.host(at) };
            self.hosts.insert(table_key(&[at.host]), host);
        }
        let key = table_key(&[at.host, id]);
        match self.messages.get(&key) {
            // The same line again, in a file that overlaps with another.
            Some(Message::Known | Message::Offered(_)) => return,
            Some(Message::Refused) => {
                self.messages.remove(&key);
                return;
            }
            None => {}
        }
        if !from.held {
            return;
        }
        let (tls, cipher) = self.protection_of_client(from, at);
        let (line, time_ms, place) = (text.into(), at.time_ms, at.place);
        let offer = Box::new(Offer { line, time_ms, place, tls, cipher });
        self.messages.insert(key, Message::Offered(offer));
    }

    /// The handshake of this process, if its client is the one of the message.
    fn protection_of_client(&mut self, from: &From<'_>, at: At<'_>) -> (Protection, Box<[u8]>) {
        let encrypted = is_encrypted(from.proto);
        // A handshake that the protocol denies is one of an earlier process of that number.
        let denied = self.host(at).says_protocol && !encrypted;
        if let Some(handshake) = self.clients.get(&table_key(&[at.host, &at.pid]))
            && !denied
            && *handshake.address == *from.relay.address
            && at.time_ms.saturating_sub(handshake.time_ms) < SETTLED_MS
        {
            handshake.time_ms = at.time_ms;
            return (Protection::Known(handshake.tls), handshake.cipher.clone());
        }
        let tls = if encrypted {
            Protection::Known(Tls::Unspecified)
        } else if self.is_settled(at) {
            Protection::NoLine(logger(at, Logger::Server))
        } else {
            // The handshake may stand before the log begins: only the protocol tells.
            Protection::NoLine(logger(at, Logger::Protocol))
        };
        (tls, Box::default())
    }

    /// What is known of the host of a line.
    fn host(&mut self, at: At<'_>) -> Host {
        let key = table_key(&[at.host]);
        if let Some(host) = self.hosts.get(&key) {
            return *host;
        }
        let host = Host { begins_ms: at.time_ms, says_protocol: false };
        self.hosts.insert(key, host);
        host
    }

    fn is_settled(&mut self, at: At<'_>) -> bool {
        at.time_ms.saturating_sub(self.host(at).begins_ms) >= SETTLED_MS
    }

    fn delivered(&mut self, id: &[u8], to: &To<'_>, at: At<'_>, out: &mut dyn Sink) {
        let key = table_key(&[at.host, id]);
        let known = match self.messages.get(&key) {
            Some(message @ Message::Offered(_)) => {
                if let Message::Offered(offer) = std::mem::replace(message, Message::Known)
                    && !to.mailer.is_empty()
                {
                    arrived(&offer, id, at.host, out);
                }
                true
            }
            Some(Message::Known) => true,
            Some(Message::Refused) | None => false,
        };
        if to.sent {
            let (tls, cipher) = self.protection_of_server(to, known, at);
            sent(to, tls, &cipher, id, at, out);
        }
    }

    /// The handshake of this process with the server of the delivery.
    fn protection_of_server(
        &mut self,
        to: &To<'_>,
        known: bool,
        at: At<'_>,
    ) -> (Protection, Box<[u8]>) {
        let process = table_key(&[at.host, &at.pid]);
        let failed = self.failed.get(&process).map_or(0, |count| *count);
        // Lines of handshakes hold no more of a name than this.
        let name = to.relay.full.get(..100).unwrap_or(to.relay.full);
        if let Some(handshake) = self.servers.get(&table_key(&[at.host, &at.pid, name])) {
            // After a handshake that failed, or so long after, it may be another connection.
            let age_ms = at.time_ms.saturating_sub(handshake.time_ms);
            if handshake.count < failed || age_ms >= SETTLED_MS {
                return (Protection::Known(Tls::Unknown), Box::default());
            }
            handshake.time_ms = at.time_ms;
            return (Protection::Known(handshake.tls), handshake.cipher.clone());
        }
        // A message that came within the log goes over connections made within it.
        let whole = known || self.is_settled(at);
        let absent = Protection::NoLine(logger(at, Logger::Client));
        (if whole { absent } else { Protection::Known(Tls::Unknown) }, Box::default())
    }
}

/// What a program of a host is known to log.
#[derive(Debug, Clone, Copy)]
enum Logger {
    /// Handshakes with clients.
    Server,
    /// Handshakes with servers.
    Client,
    /// `proto=ESMTPS` for encrypted sessions, which older versions do not write.
    Protocol,
}

fn logger(at: At<'_>, logger: Logger) -> u64 {
    let name: &[u8] = match logger {
        Logger::Server => b"sendmail server",
        Logger::Client => b"sendmail client",
        Logger::Protocol => b"sendmail protocol",
    };
    table_key(&[name, at.host, at.program])
}

fn is_sendmail(program: &[u8]) -> bool {
    program.starts_with(b"sendmail") || program.starts_with(b"sm-")
}

/// `ESMTPS`, `SMTPS`, `ESMTPSA`.
fn is_encrypted(proto: &[u8]) -> bool {
    proto.strip_suffix(b"A").unwrap_or(proto).ends_with(b"S")
}

fn comes_from_outside(relay: &Relay<'_>) -> bool {
    !relay.address.is_empty() && !is_loopback(relay.address)
}

fn or_default(daemon: &[u8]) -> &[u8] {
    if daemon.is_empty() { b"default" } else { daemon }
}

fn arrived(offer: &Offer, id: &[u8], host: &[u8], out: &mut dyn Sink) {
    let Some(Event::From(_, from)) = lines::event(&offer.line) else { return };
    let outside = comes_from_outside(&from.relay);
    let sender = domain(from.sender);
    let Relay { name, address, .. } = from.relay;
    let peer = [sender, name].into_iter().find(|text| !text.is_empty()).unwrap_or(address);
    out.mail(&Mail {
        time_ms: offer.time_ms,
        direction: if outside { Direction::Inbound } else { Direction::Internal },
        connector: or_default(from.daemon),
        forced_tls: None,
        tls: offer.tls,
        cipher: &offer.cipher,
        peer,
        remote_host: name,
        remote_address: address,
        domain: sender,
        key: identity(&[b"sendmail", host, id]),
        place: offer.place,
    });
}

fn sent(to: &To<'_>, tls: Protection, cipher: &[u8], id: &[u8], at: At<'_>, out: &mut dyn Sink) {
    let Relay { name, address, .. } = to.relay;
    // The mailer's name says that it speaks LMTP, which nothing else in the line does.
    let lmtp = to.mailer.windows(4).any(|name| name.eq_ignore_ascii_case(b"lmtp"));
    let outside = comes_from_outside(&to.relay) && !lmtp;
    out.mail(&Mail {
        time_ms: at.time_ms,
        direction: if outside { Direction::Outbound } else { Direction::Internal },
        connector: or_default(b""),
        forced_tls: None,
        tls,
        cipher,
        peer: if name.is_empty() { address } else { name },
        remote_host: name,
        remote_address: address,
        domain: domain(to.recipient),
        key: identity(&[b"sendmail", at.host, id]),
        place: at.place,
    });
}

#[cfg(test)]
mod tests;
