//! Mail that goes out: connections of smtp, and deliveries.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::super::{Mail, Protection, Sink};
use super::delivery::{At, Deliveries, Delivery};
use super::program::{Daemon, Program};
use super::queue::{Id, State, Text};
use super::text::{Peer, TlsLine, TlsUse, domain};
use super::{Event, Postfix};
use crate::trace::{Direction, Tls};

/// A TLS line may stand so long before the connection that its delivery's times tell of:
/// more than clocks and rounding explain is another connection's.
const STALE_MS: i64 = 60_000;
/// What stamps and delays may be rounded by.
const ROUNDING_MS: i64 = 3_000;

/// The newest TLS connection of a process of smtp.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Client {
    /// Hash of `HOST[IP]`.
    server: u64,
    /// Hash of the port; 0 = not logged.
    port: u64,
    tls: Tls,
    cipher: u16,
    copy: u32,
    time_ms: i64,
    /// The attempt that it is used for: where its message is held, number of the attempt.
    attempt: Option<(u64, u32)>,
    /// The delivery within the attempt.
    start: Option<u64>,
}

impl Client {
    /// Whether this is the connection of a delivery, which it then belongs to.
    fn carries(&mut self, time_ms: i64, delivery: &Delivery<'_>) -> bool {
        let Some(relay) = &delivery.relay else { return false };
        let port = port_of(relay);
        let same = self.server == xxh3_64(relay.whole());
        let same_port = self.port == port || self.port == 0 || port == 0;
        let took_ms = delivery.took_ms.unwrap_or_default().saturating_add(STALE_MS);
        let age_ms = time_ms.saturating_sub(self.time_ms);
        let fits = age_ms >= -STALE_MS && (delivery.took_ms.is_none() || age_ms <= took_ms);
        let start = xxh3_64(delivery.start);
        same && same_port && fits && *self.start.get_or_insert(start) == start
    }
}

fn port_of(peer: &Peer<'_>) -> u64 {
    if peer.port().is_empty() { 0 } else { xxh3_64(peer.port()) }
}

/// A server as a TLS line of smtp or a line of tlsproxy names it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Remote {
    /// Hash of `HOST[IP]`.
    whole: u64,
    /// Hash of the port; 0 = not logged.
    port: u64,
    /// The server as the proofs know it: tlsproxy prints no names.
    address: u64,
}

impl Remote {
    fn new(program: &Program, peer: &Peer<'_>) -> Self {
        let port = port_of(peer);
        let address = xxh3_64_with_seed(peer.address(), program.host_seed ^ port);
        Self { whole: xxh3_64(peer.whole()), port, address }
    }
}

/// What a line of smtp says by itself.
#[derive(Debug)]
pub(super) enum ClientSaid<'a> {
    /// Nothing that matters here.
    Nothing,
    /// A connection is encrypted.
    Secured(TlsUse, Remote, Tls, &'a [u8]),
    /// A recipient was tried.
    Delivery(Id<'a>, At),
    /// The connection is gone: the same server may be tried again without TLS.
    Lost(Id<'a>),
    /// Something else about a message.
    Other(Id<'a>),
}

impl<'a> ClientSaid<'a> {
    pub(super) fn parse(
        program: &Program,
        text: Text<'a>,
        deliveries: &mut Deliveries<'a>,
    ) -> Self {
        let Some((id, rest)) = text.of else {
            return match TlsLine::parse(text.text) {
                Some(TlsLine { usage, peer, tls, cipher }) if usage != TlsUse::From => {
                    Self::Secured(usage, Remote::new(program, &peer), tls, cipher)
                }
                _ => Self::Nothing,
            };
        };
        if let Some(delivery) = Delivery::parse(rest) {
            Self::Delivery(id, deliveries.add(delivery))
        } else if rest.starts_with(b"lost connection with ")
            || rest.starts_with(b"conversation with ")
            || rest.starts_with(b"Cannot start TLS: ")
        {
            Self::Lost(id)
        } else {
            Self::Other(id)
        }
    }
}

/// What a line of lmtp, local and the like says: a recipient that was served.
pub(super) fn served(text: Text<'_>) -> Option<(Id<'_>, Delivery<'_>)> {
    let (id, rest) = text.of?;
    let delivery = Delivery::parse(rest).filter(|delivery| delivery.sent)?;
    Some((id, delivery))
}

/// What a line of tlsproxy says by itself: servers that it talks to prove nothing.
#[derive(Debug)]
pub(super) enum TlsProxySaid {
    /// Nothing that matters here.
    Nothing,
    /// It talks to a server.
    Server(Remote),
    /// It talks no more to a server, or to one of the many clients of postscreen.
    Gone(Remote),
}

impl TlsProxySaid {
    pub(super) fn parse(program: &Program, text: &[u8]) -> Self {
        if let Some(server) = text.strip_prefix(b"CONNECT to ").and_then(Peer::bare) {
            return Self::Server(Remote::new(program, &server));
        }
        if let Some(line) = TlsLine::parse(text) {
            let server = Remote::new(program, &line.peer);
            return if line.usage == TlsUse::From { Self::Nothing } else { Self::Server(server) };
        }
        let other = text.strip_prefix(b"DISCONNECT ").and_then(Peer::bare);
        other.map_or(Self::Nothing, |other| Self::Gone(Remote::new(program, &other)))
    }
}

impl Postfix {
    /// A line of smtp.
    pub(super) fn client(
        &mut self,
        event: &Event<'_>,
        said: &ClientSaid<'_>,
        deliveries: &Deliveries<'_>,
        out: &mut dyn Sink,
    ) {
        let id = match said {
            ClientSaid::Nothing => return,
            ClientSaid::Secured(usage, server, tls, cipher) => {
                return self.connected(event, (*usage, *server), (*tls, cipher));
            }
            ClientSaid::Delivery(id, _) | ClientSaid::Lost(id) | ClientSaid::Other(id) => *id,
        };
        let at = self.find(event, id);
        let state = self.message(event, at, id.text).state;
        let attempt = (at, state.attempt);
        match said {
            ClientSaid::Delivery(_, delivery) => {
                let Some(delivery) = deliveries.get(*delivery) else { return };
                let connection = self.connection(event, attempt, delivery);
                if delivery.sent {
                    let tls = self.protection(event, state, delivery, connection);
                    self.delivered(event, state, delivery, tls, out);
                }
            }
            ClientSaid::Lost(_) => drop(self.clients.remove(&event.process())),
            _ => {
                if let Some(client) = self.clients.get(&event.process()) {
                    client.attempt.get_or_insert(attempt);
                }
            }
        }
    }

    /// A TLS line of smtp.
    fn connected(
        &mut self,
        event: &Event<'_>,
        (usage, server): (TlsUse, Remote),
        (tls, cipher): (Tls, &[u8]),
    ) {
        match usage {
            TlsUse::From => return,
            TlsUse::To => self.proofs.established(event.program.logger, server.address),
            TlsUse::ReusedTo => self.proofs.reused(server.address),
        }
        if event.pid == 0 {
            return;
        }
        let client = Client {
            server: server.whole,
            port: server.port,
            tls,
            cipher: self.ciphers.number(cipher),
            copy: event.copy,
            time_ms: event.time_ms,
            attempt: None,
            start: None,
        };
        match self.clients.get(&event.process()) {
            Some(held) => *held = client,
            None => self.clients.insert(event.process(), client),
        }
    }

    /// A line of tlsproxy.
    pub(super) fn tls_proxy(&mut self, said: &TlsProxySaid) {
        match said {
            TlsProxySaid::Nothing => {}
            TlsProxySaid::Server(server) => self.proofs.reused(server.address),
            TlsProxySaid::Gone(other) => self.proofs.gone(other.address),
        }
    }

    /// Version and cipher of the connection that a delivery used.
    fn connection(
        &mut self,
        event: &Event<'_>,
        attempt: (u64, u32),
        delivery: &Delivery<'_>,
    ) -> Option<(Tls, u16)> {
        let client = self.clients.get(&event.process())?;
        if *client.attempt.get_or_insert(attempt) != attempt || client.copy != event.copy {
            // A later delivery of the process, with a connection of its own.
            self.clients.remove(&event.process());
            return None;
        }
        client.carries(event.time_ms, delivery).then_some((client.tls, client.cipher))
    }

    /// Protection of a delivery by smtp, and the number of its cipher.
    fn protection(
        &self,
        event: &Event<'_>,
        state: State,
        delivery: &Delivery<'_>,
        connection: Option<(Tls, u16)>,
    ) -> (Protection, u16) {
        match (delivery.level.tls, connection) {
            (Some(Tls::NoTls), _) => (Protection::Known(Tls::NoTls), 0),
            (_, Some((tls, cipher))) => (Protection::Known(tls), cipher),
            (Some(tls), None) => (Protection::Known(tls), 0),
            (None, None) if self.would_show(event, state, delivery) => {
                (Protection::NoLine(event.program.logger), 0)
            }
            (None, None) => (Protection::Known(Tls::Unknown), 0),
        }
    }

    /// Whether a TLS line of this delivery would stand in the log.
    fn would_show(&self, event: &Event<'_>, state: State, delivery: &Delivery<'_>) -> bool {
        if event.pid == 0 {
            return false;
        }
        // It comes after this line.
        let behind = |(copy, ms)| copy == event.copy && self.hosts.covers(event.host, ms);
        if state.expected.is_some_and(behind) {
            return true;
        }
        let Some(took_ms) = delivery.took_ms else { return false };
        let begun_ms = event.time_ms.saturating_sub(took_ms).saturating_sub(ROUNDING_MS);
        self.hosts.covers(event.host, begun_ms)
    }

    /// A line of lmtp, local and the like.
    pub(super) fn inside(
        &mut self,
        event: &Event<'_>,
        id: Id<'_>,
        delivery: &Delivery<'_>,
        out: &mut dyn Sink,
    ) {
        let at = self.find(event, id);
        let state = self.message(event, at, id.text).state;
        let unknown = (Protection::Known(Tls::Unknown), 0);
        self.delivered(event, state, delivery, unknown, out);
    }

    /// A recipient was handed over.
    fn delivered(
        &mut self,
        event: &Event<'_>,
        state: State,
        delivery: &Delivery<'_>,
        (tls, cipher): (Protection, u16),
        out: &mut dyn Sink,
    ) {
        self.domain.clear();
        self.domain.extend(domain(delivery.to).iter().map(u8::to_ascii_lowercase));
        let is_remote = |peer: Peer<'_>| !peer.is_loopback() && !peer.address().contains(&b'/');
        let leaves =
            event.program.daemon == Daemon::Client && delivery.relay.is_some_and(is_remote);
        let none = (&b""[..], &b""[..]);
        let (host, address) = delivery.relay.map_or(none, |peer| (peer.host(), peer.address()));
        out.mail(&Mail {
            time_ms: event.time_ms,
            direction: if leaves { Direction::Outbound } else { Direction::Internal },
            connector: &event.program.connector,
            forced_tls: delivery.level.forced,
            tls,
            cipher: self.ciphers.name(cipher),
            peer: host,
            remote_host: host,
            remote_address: address,
            domain: &self.domain,
            key: state.key,
            place: event.place,
        });
    }
}
