//! Mail that comes in: sessions of smtpd, and what cleanup and qmgr say of their messages.

mod proxied;

use memchr::memrchr_iter;
use xxhash_rust::xxh3::xxh3_64;

use super::super::{Mail, Place, Protection, Sink};
use super::queue::{Arrival, Met, place_of};
use super::text::{Peer, TlsLine, TlsUse, domain, is_loopback, queue_id};
use super::{Event, Postfix};
use crate::trace::{Direction, Tls};

/// A header comes at most so long after its message began; later it is another message's.
const HEADER_WITHIN_MS: i64 = 24 * 3_600_000;
/// Messages on hold whose sessions go on.
const MOST_HELD: usize = 1 << 12;

/// A session of smtpd.
#[derive(Debug)]
pub(super) struct Server {
    /// Hash of the client.
    peer: u64,
    copy: u32,
    /// Version and number of the cipher; none in a session whose beginning stands in the log.
    tls: Option<(Tls, u16)>,
    /// Its newest message.
    open: u64,
    /// Its newest message, where a filter stands before the queue.
    proxied: Option<Box<Arrival>>,
}

impl Server {
    fn new(peer: u64, copy: u32) -> Self {
        Self { peer, copy, tls: None, open: 0, proxied: None }
    }

    /// The protection of a message from this client, and the number of its cipher.
    fn protection(&self, event: &Event<'_>, peer: &Peer<'_>) -> (Protection, u16) {
        // Another client: the log has a hole, or a proxy gave this client's name. Either way
        // nothing is known of its protection.
        let same = self.peer == xxh3_64(peer.whole) && self.copy == event.copy;
        match self.tls {
            _ if !same => (Protection::Known(Tls::Unknown), 0),
            Some((tls, cipher)) => (Protection::Known(tls), cipher),
            None => (Protection::NoLine(event.program.logger), 0),
        }
    }
}

impl Postfix {
    /// A line of smtpd.
    pub(super) fn server(&mut self, event: &Event<'_>, out: &mut dyn Sink) {
        let text = event.text;
        if let Some((id, rest)) = queue_id(text) {
            self.server_message(event, id, rest, out);
        } else if let Some(client) = text.strip_prefix(b"connect from ") {
            self.connect(event, client, out);
        } else if text.starts_with(b"disconnect from ") {
            self.end_session(event, out);
        } else if let Some(line) = TlsLine::parse(text) {
            if line.usage == TlsUse::From {
                self.secured(event, &line);
                out.proves(event.program.logger);
            }
        } else if let Some(rest) = text.strip_prefix(b"warning: ") {
            self.too_big(event, rest);
        } else if breaks_off(text) {
            if let Some(server) = self.servers.get(&event.process()) {
                self.held.remove(&server.open);
            }
        } else {
            self.proxied(event, out);
        }
    }

    /// A session begins.
    fn connect(&mut self, event: &Event<'_>, client: &[u8], out: &mut dyn Sink) {
        if event.pid == 0 {
            return;
        }
        let end = memchr::memchr(b']', client).map_or(0, |end| end + 1);
        let peer = xxh3_64(client.get(..end).unwrap_or_default());
        let server = Server::new(peer, event.copy);
        if let Some(held) = self.servers.get(&event.process()) {
            let before = std::mem::replace(held, server);
            self.settle(before.open, out);
        } else {
            self.servers.insert(event.process(), server);
        }
    }

    /// The TLS line of a session.
    fn secured(&mut self, event: &Event<'_>, line: &TlsLine<'_>) {
        if event.pid == 0 {
            return;
        }
        let tls = Some((line.tls, self.ciphers.number(line.cipher)));
        let peer = xxh3_64(line.peer.whole);
        match self.servers.get(&event.process()) {
            Some(server) if server.peer == peer && server.copy == event.copy => server.tls = tls,
            _ => {
                let server = Server { tls, ..Server::new(peer, event.copy) };
                self.servers.insert(event.process(), server);
            }
        }
    }

    fn end_session(&mut self, event: &Event<'_>, out: &mut dyn Sink) {
        if let Some(server) = self.servers.remove(&event.process()) {
            self.settle(server.open, out);
        }
    }

    /// A line of smtpd about a message.
    fn server_message(&mut self, event: &Event<'_>, id: &[u8], rest: &[u8], out: &mut dyn Sink) {
        let at = place_of(id, event.program.instance_seed);
        if let Some(client) = rest.strip_prefix(b"client=") {
            self.settle(at, out);
            let (arrival, before) = self.arrival(event, client, at);
            self.settle(before, out);
            self.begin(event, at, id, arrival.map_or(Met::Midway, Met::Arrived));
        } else if holds(rest) {
            self.hold(at, event.place, out);
        } else if rest.starts_with(b"reject: END-OF-MESSAGE ")
            || rest.starts_with(b"reject: DATA ")
            || rest.starts_with(b"milter-reject: END-OF-MESSAGE ")
            || rest.starts_with(b"milter-reject: DATA ")
        {
            self.held.remove(&at);
        }
    }

    /// How the message that begins with this line came, and the one before it in its session.
    fn arrival(
        &mut self,
        event: &Event<'_>,
        client: &[u8],
        at: u64,
    ) -> (Option<Box<Arrival>>, u64) {
        let Some((peer, _)) = Peer::parse(client) else { return (None, 0) };
        let server = self.servers.get(&event.process());
        let (mut tls, mut cipher, mut before) = (Protection::Known(Tls::Unknown), 0, 0);
        if let Some(server) = server {
            (tls, cipher) = server.protection(event, &peer);
            before = std::mem::replace(&mut server.open, at);
        }
        (Some(Box::new(Arrival::new(event, &peer, tls, cipher))), before)
    }

    /// A line of cleanup.
    pub(super) fn cleanup(&mut self, event: &Event<'_>, out: &mut dyn Sink) {
        let Some((id, rest)) = queue_id(event.text) else {
            if let Some(rest) = event.text.strip_prefix(b"warning: ") {
                self.too_big(event, rest);
            }
            return;
        };
        let at = self.find(&event.program, id);
        if rest.starts_with(b"message-id=") {
            self.header(event, at, id);
        } else if holds(rest) {
            if let Some(message) = self.messages.get(&at) {
                message.headed = true;
            }
            self.hold(at, event.place, out);
        } else if rest.starts_with(b"reject: ") || rest.starts_with(b"milter-reject: ") {
            self.held.remove(&at);
        }
    }

    /// A message's header was read; or the message begins with it: a bounce, say.
    fn header(&mut self, event: &Event<'_>, at: u64, id: &[u8]) {
        let fits = match self.messages.get(&at) {
            Some(message) => {
                message.headed = true;
                event.time_ms.saturating_sub(message.begun_ms) < HEADER_WITHIN_MS
            }
            None => self.was_there(event, at),
        };
        if !fits {
            self.begin(event, at, id, Met::Headed);
        }
    }

    /// A line of pickup.
    pub(super) fn pickup(&mut self, event: &Event<'_>) {
        let Some((id, rest)) = queue_id(event.text) else { return };
        if rest.starts_with(b"uid=") {
            let at = place_of(id, event.program.instance_seed);
            self.begin(event, at, id, Met::Begun);
        }
    }

    /// A line of qmgr.
    pub(super) fn queue(&mut self, event: &Event<'_>, out: &mut dyn Sink) {
        let Some((id, rest)) = queue_id(event.text) else { return };
        if rest == b"removed" {
            let at = self.find(&event.program, id);
            self.remove(event, at);
            return;
        }
        let Some(sender) = active_sender(rest) else { return };
        let at = self.find(&event.program, id);
        self.state(event, at, id);
        let Some(message) = self.messages.get(&at) else { return };
        message.state.attempt = message.state.attempt.wrapping_add(1);
        message.state.expected = Some((event.copy, event.time_ms));
        let key = message.state.key;
        if let Some(arrival) = message.arrival.take() {
            self.held.remove(&at);
            self.count(&arrival, key, sender, event.place, out);
        }
    }

    /// A message was put on hold or discarded: accepted, unless its session breaks off.
    fn hold(&mut self, at: u64, place: Place, out: &mut dyn Sink) {
        if self.messages.get(&at).is_none_or(|message| message.arrival.is_none()) {
            return;
        }
        if self.held.len() >= MOST_HELD {
            self.accept(at, place, out);
        } else {
            self.held.entry(at).or_insert(place);
        }
    }

    /// The session of a message went on: if it was put on hold, it was accepted.
    fn settle(&mut self, at: u64, out: &mut dyn Sink) {
        if self.held.is_empty() {
            return;
        }
        if let Some(place) = self.held.remove(&at) {
            self.accept(at, place, out);
        }
    }

    /// `QID: queue file size limit exceeded`.
    fn too_big(&mut self, event: &Event<'_>, text: &[u8]) {
        if let Some((id, b"queue file size limit exceeded")) = queue_id(text) {
            let at = self.find(&event.program, id);
            self.held.remove(&at);
        }
    }

    /// A message on hold is taken to be accepted.
    pub(super) fn accept(&mut self, at: u64, place: Place, out: &mut dyn Sink) {
        // Where smtpd put it on hold, its header must have come.
        let Some(message) = self.messages.get(&at).filter(|message| message.headed) else { return };
        let key = message.state.key;
        if let Some(arrival) = message.arrival.take() {
            self.count(&arrival, key, b"", place, out);
        }
    }

    /// A message that came by SMTP was accepted.
    fn count(
        &mut self,
        arrival: &Arrival,
        key: u64,
        sender: &[u8],
        place: Place,
        out: &mut dyn Sink,
    ) {
        let (host, client) = arrival.client();
        self.domain.clear();
        self.domain.extend(domain(sender).iter().map(u8::to_ascii_lowercase));
        let local = is_loopback(host, client);
        out.mail(&Mail {
            time_ms: arrival.time_ms,
            direction: if local { Direction::Internal } else { Direction::Inbound },
            connector: &arrival.program.connector,
            forced_tls: None,
            tls: arrival.tls,
            cipher: self.ciphers.name(arrival.cipher),
            peer: if self.domain.is_empty() { host } else { &self.domain },
            remote_host: host,
            remote_address: client,
            domain: &self.domain,
            key,
            place,
        });
    }
}

/// The sender in `from=<…>, size=…, nrcpt=… (queue active)`. It may hold anything, and is
/// therefore taken from both ends.
fn active_sender(text: &[u8]) -> Option<&[u8]> {
    let text = text.strip_prefix(b"from=<")?.strip_suffix(b" (queue active)")?;
    let size = memrchr_iter(b'>', text)
        .find(|at| text.get(*at..).is_some_and(|behind| behind.starts_with(b">, size=")))?;
    text.get(..size)
}

/// Whether a message is kept from the queue or thrown away, and its client told that it was
/// accepted.
fn holds(text: &[u8]) -> bool {
    let action = text.strip_prefix(b"milter-").unwrap_or(text);
    action.starts_with(b"hold: ") || action.starts_with(b"discard: ")
}

/// Whether a session broke off within the text of a message.
fn breaks_off(text: &[u8]) -> bool {
    let causes: [&[u8]; 3] =
        [b"lost connection after ", b"timeout after ", b"too many errors after "];
    let stage = causes.iter().find_map(|cause| text.strip_prefix(*cause)).unwrap_or_default();
    stage.starts_with(b"DATA") || stage.starts_with(b"BDAT")
}
