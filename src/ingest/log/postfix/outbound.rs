//! Mail that goes out: connections of smtp, and deliveries.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::super::{Mail, Protection, Sink};
use super::delivery::Delivery;
use super::program::Daemon;
use super::queue::State;
use super::text::{Peer, TlsLine, TlsUse, domain, queue_id};
use super::{Event, Postfix};
use crate::trace::{Direction, Tls};

/// A TLS line may stand so long before the connection that its delivery's times tell of:
/// more than clocks and rounding explain is another connection's.
const STALE_MS: i64 = 60_000;
/// What stamps and delays may be rounded by.
const ROUNDING_MS: i64 = 3_000;

/// The newest TLS connection of a process of smtp.
#[derive(Debug)]
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
    fn carries(&mut self, time_ms: i64, relay: &Peer<'_>, delivery: &Delivery<'_>) -> bool {
        let port = port_of(relay);
        let same = self.server == xxh3_64(relay.whole);
        let same_port = self.port == port || self.port == 0 || port == 0;
        let took_ms = delivery.took_ms.unwrap_or_default().saturating_add(STALE_MS);
        let age_ms = time_ms.saturating_sub(self.time_ms);
        let fits = age_ms >= -STALE_MS && (delivery.took_ms.is_none() || age_ms <= took_ms);
        let start = xxh3_64(delivery.start);
        same && same_port && fits && *self.start.get_or_insert(start) == start
    }
}

fn port_of(peer: &Peer<'_>) -> u64 {
    if peer.port.is_empty() { 0 } else { xxh3_64(peer.port) }
}

impl Postfix {
    /// A line of smtp.
    pub(super) fn client(&mut self, event: &Event<'_>, out: &mut dyn Sink) {
        let text = event.text;
        let Some((id, rest)) = queue_id(text) else {
            if let Some(line) = TlsLine::parse(text) {
                self.connected(event, &line);
            }
            return;
        };
        let at = self.find(&event.program, id);
        let state = self.state(event, at, id);
        let attempt = (at, state.attempt);
        if let Some(delivery) = Delivery::parse(rest) {
            let relay = Peer::parse(delivery.relay).map(|(peer, _)| peer);
            let connection = self.connection(event, attempt, relay, &delivery);
            if delivery.sent {
                let tls = self.protection(event, state, &delivery, connection);
                self.delivered(event, state, &delivery, relay, tls, out);
            }
        } else if rest.starts_with(b"lost connection with ")
            || rest.starts_with(b"conversation with ")
            || rest.starts_with(b"Cannot start TLS: ")
        {
            // The same server may be tried again without TLS.
            self.clients.remove(&event.process());
        } else if let Some(client) = self.clients.get(&event.process()) {
            client.attempt.get_or_insert(attempt);
        }
    }

    /// A TLS line of smtp.
    fn connected(&mut self, event: &Event<'_>, line: &TlsLine<'_>) {
        let server = server_of(event, &line.peer);
        match line.usage {
            TlsUse::From => return,
            TlsUse::To => self.proofs.established(event.program.logger, server),
            TlsUse::ReusedTo => self.proofs.reused(server),
        }
        if event.pid == 0 {
            return;
        }
        let client = Client {
            server: xxh3_64(line.peer.whole),
            port: port_of(&line.peer),
            tls: line.tls,
            cipher: self.ciphers.number(line.cipher),
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

    /// A line of tlsproxy: servers that it talks to prove nothing.
    pub(super) fn tls_proxy(&mut self, event: &Event<'_>) {
        let text = event.text;
        if let Some(server) = text.strip_prefix(b"CONNECT to ").and_then(Peer::bare) {
            self.proofs.reused(server_of(event, &server));
        } else if let Some(line) = TlsLine::parse(text) {
            if line.usage != TlsUse::From {
                self.proofs.reused(server_of(event, &line.peer));
            }
        } else if let Some(other) = text.strip_prefix(b"DISCONNECT ").and_then(Peer::bare) {
            // A server, or one of the many clients of postscreen.
            self.proofs.gone(server_of(event, &other));
        }
    }

    /// Version and cipher of the connection that a delivery used.
    fn connection(
        &mut self,
        event: &Event<'_>,
        attempt: (u64, u32),
        relay: Option<Peer<'_>>,
        delivery: &Delivery<'_>,
    ) -> Option<(Tls, u16)> {
        let client = self.clients.get(&event.process())?;
        if *client.attempt.get_or_insert(attempt) != attempt || client.copy != event.copy {
            // A later delivery of the process, with a connection of its own.
            self.clients.remove(&event.process());
            return None;
        }
        client.carries(event.time_ms, &relay?, delivery).then_some((client.tls, client.cipher))
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
        let behind = |(copy, ms)| copy == event.copy && self.programs.covers(&event.program, ms);
        if state.expected.is_some_and(behind) {
            return true;
        }
        let Some(took_ms) = delivery.took_ms else { return false };
        let begun_ms = event.time_ms.saturating_sub(took_ms).saturating_sub(ROUNDING_MS);
        self.programs.covers(&event.program, begun_ms)
    }

    /// A line of lmtp, local and the like.
    pub(super) fn inside(&mut self, event: &Event<'_>, out: &mut dyn Sink) {
        let Some((id, rest)) = queue_id(event.text) else { return };
        let Some(delivery) = Delivery::parse(rest).filter(|delivery| delivery.sent) else { return };
        let at = self.find(&event.program, id);
        let state = self.state(event, at, id);
        let relay = Peer::parse(delivery.relay).map(|(peer, _)| peer);
        let unknown = (Protection::Known(Tls::Unknown), 0);
        self.delivered(event, state, &delivery, relay, unknown, out);
    }

    /// A recipient was handed over.
    fn delivered(
        &mut self,
        event: &Event<'_>,
        state: State,
        delivery: &Delivery<'_>,
        relay: Option<Peer<'_>>,
        (tls, cipher): (Protection, u16),
        out: &mut dyn Sink,
    ) {
        self.domain.clear();
        self.domain.extend(domain(delivery.to).iter().map(u8::to_ascii_lowercase));
        let is_remote = |peer: Peer<'_>| !peer.is_loopback() && !peer.address.contains(&b'/');
        let leaves = event.program.daemon == Daemon::Client && relay.is_some_and(is_remote);
        let (host, address) = relay.map_or((&b""[..], &b""[..]), |peer| (peer.host, peer.address));
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

/// A server as the proofs know it: tlsproxy prints no names.
fn server_of(event: &Event<'_>, peer: &Peer<'_>) -> u64 {
    xxh3_64_with_seed(peer.address, event.program.host_seed ^ port_of(peer))
}
