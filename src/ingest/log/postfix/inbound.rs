//! Mail that comes in: sessions of smtpd, and what cleanup and qmgr say of their messages.
//!
//! What a line says by itself is told apart from what it means after the lines before it: the
//! first can be found out for many lines at once.

mod proxied;

use memchr::memrchr_iter;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use self::proxied::ProxySaid;
use super::super::fields::near;
use super::super::{Mail, Place, Protection, Sink};
use super::program::Program;
use super::queue::{Arrival, Id, Met, Text};
use super::text::{Peer, TlsLine, TlsUse, domain, is_loopback, queue_id};
use super::{Event, Postfix};
use crate::trace::{Direction, Tls};

/// A header comes at most so long after its message began; later it is another message's.
const HEADER_WITHIN_MS: i64 = 24 * 3_600_000;
/// Messages on hold whose sessions go on.
const MOST_HELD: usize = 1 << 12;

/// A session of smtpd.
#[derive(Debug, Serialize, Deserialize)]
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
        let same = self.peer == xxh3_64(peer.whole()) && self.copy == event.copy;
        match self.tls {
            _ if !same => (Protection::Known(Tls::Unknown), 0),
            Some((tls, cipher)) => (Protection::Known(tls), cipher),
            None => (Protection::NoLine(event.program.logger), 0),
        }
    }
}

/// What a line of smtpd says by itself.
#[derive(Debug)]
pub(super) enum ServerSaid<'a> {
    /// Nothing that matters here.
    Nothing,
    /// A session begins: hash of the client.
    Connect(u64),
    /// It ends.
    Disconnect,
    /// Its connection is encrypted.
    Secured(TlsLine<'a>),
    /// A message may come.
    Client(Id<'a>, Option<Peer<'a>>),
    /// A message is kept from the queue.
    Holds(Id<'a>),
    /// A message is refused after all.
    Refuses(Id<'a>),
    /// A message is too big.
    TooBig(Id<'a>),
    /// The session breaks off within a message.
    BreaksOff,
    /// Of a message that passes a filter before the queue.
    Proxied(ProxySaid<'a>),
}

impl<'a> ServerSaid<'a> {
    pub(super) fn parse(program: &Program, Text { text, of }: Text<'a>) -> Self {
        if let Some((id, rest)) = of {
            if let Some(client) = rest.strip_prefix(b"client=") {
                Self::Client(id, Peer::parse(client).map(|(peer, _)| peer))
            } else if holds(rest) {
                Self::Holds(id)
            } else if refuses(rest) {
                Self::Refuses(id)
            } else {
                Self::Nothing
            }
        } else if let Some(client) = text.strip_prefix(b"connect from ") {
            let end = near(b']', client).map_or(0, |end| end + 1);
            Self::Connect(xxh3_64(client.get(..end).unwrap_or_default()))
        } else if text.starts_with(b"disconnect from ") {
            Self::Disconnect
        } else if let Some(line) = TlsLine::parse(text) {
            if line.usage == TlsUse::From { Self::Secured(line) } else { Self::Nothing }
        } else if let Some(rest) = text.strip_prefix(b"warning: ") {
            too_big(program, rest).map_or(Self::Nothing, Self::TooBig)
        } else if breaks_off(text) {
            Self::BreaksOff
        } else {
            ProxySaid::parse(text).map_or(Self::Nothing, Self::Proxied)
        }
    }
}

/// What a line of cleanup says by itself.
#[derive(Debug)]
pub(super) enum CleanupSaid<'a> {
    /// Nothing that matters here.
    Nothing,
    /// The header of a message.
    Header(Id<'a>),
    /// A message is kept from the queue.
    Holds(Id<'a>),
    /// A message is refused after all, or too big.
    Refuses(Id<'a>),
}

impl<'a> CleanupSaid<'a> {
    pub(super) fn parse(program: &Program, Text { text, of }: Text<'a>) -> Self {
        let Some((id, rest)) = of else {
            let rest = text.strip_prefix(b"warning: ").unwrap_or_default();
            return too_big(program, rest).map_or(Self::Nothing, Self::Refuses);
        };
        if rest.starts_with(b"message-id=") {
            Self::Header(id)
        } else if holds(rest) {
            Self::Holds(id)
        } else if rest.starts_with(b"reject: ") || rest.starts_with(b"milter-reject: ") {
            Self::Refuses(id)
        } else {
            Self::Nothing
        }
    }
}

/// What a line of qmgr says by itself.
#[derive(Debug)]
pub(super) enum QueueSaid<'a> {
    /// Nothing that matters here.
    Nothing,
    /// A message leaves the queue.
    Removed(Id<'a>),
    /// An attempt begins: message and sender.
    Active(Id<'a>, &'a [u8]),
}

impl<'a> QueueSaid<'a> {
    pub(super) fn parse(text: Text<'a>) -> Self {
        let Some((id, rest)) = text.of else { return Self::Nothing };
        if rest == b"removed" {
            return Self::Removed(id);
        }
        active_sender(rest).map_or(Self::Nothing, |sender| Self::Active(id, sender))
    }
}

/// The message that begins with a line of pickup.
pub(super) fn picked_up(text: Text<'_>) -> Option<Id<'_>> {
    let (id, _) = text.of.filter(|(_, rest)| rest.starts_with(b"uid="))?;
    Some(id)
}

impl Postfix {
    /// A line of smtpd.
    pub(super) fn server(&mut self, event: &Event<'_>, said: &ServerSaid<'_>, out: &mut dyn Sink) {
        match said {
            ServerSaid::Nothing => {}
            ServerSaid::Connect(peer) => self.connect(event, *peer, out),
            ServerSaid::Disconnect => self.end_session(event, out),
            ServerSaid::Secured(line) => {
                self.secured(event, line);
                out.proves(event.program.logger);
            }
            ServerSaid::Client(id, peer) => self.arrives(event, *id, peer.as_ref(), out),
            ServerSaid::Holds(id) => self.hold(id.own, event.place, out),
            ServerSaid::Refuses(id) => drop(self.held.remove(&id.own)),
            ServerSaid::TooBig(id) => self.refuse(event, *id),
            ServerSaid::BreaksOff => {
                if let Some(server) = self.servers.get(&event.process()) {
                    self.held.remove(&server.open);
                }
            }
            ServerSaid::Proxied(said) => self.proxied(event, said, out),
        }
    }

    /// A session begins.
    fn connect(&mut self, event: &Event<'_>, peer: u64, out: &mut dyn Sink) {
        if event.pid == 0 {
            return;
        }
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
        let peer = xxh3_64(line.peer.whole());
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

    /// A message may come with this line.
    fn arrives(
        &mut self,
        event: &Event<'_>,
        id: Id<'_>,
        peer: Option<&Peer<'_>>,
        out: &mut dyn Sink,
    ) {
        self.settle(id.own, out);
        let Some(peer) = peer else {
            self.begin(event, id.own, id.text, Met::Midway);
            return;
        };
        let (mut tls, mut cipher, mut before) = (Protection::Known(Tls::Unknown), 0, 0);
        if let Some(server) = self.servers.get(&event.process()) {
            (tls, cipher) = server.protection(event, peer);
            before = std::mem::replace(&mut server.open, id.own);
        }
        self.settle(before, out);
        let arrival = self.arrival(event, peer, (tls, cipher));
        self.begin(event, id.own, id.text, Met::Arrived(arrival));
    }

    /// A line of cleanup.
    pub(super) fn cleanup(
        &mut self,
        event: &Event<'_>,
        said: &CleanupSaid<'_>,
        out: &mut dyn Sink,
    ) {
        match *said {
            CleanupSaid::Nothing => {}
            CleanupSaid::Header(id) => self.header(event, id),
            CleanupSaid::Holds(id) => {
                let at = self.find(event, id);
                if let Some(message) = self.messages.get(&at) {
                    message.headed = true;
                }
                self.hold(at, event.place, out);
            }
            CleanupSaid::Refuses(id) => self.refuse(event, id),
        }
    }

    /// A message's header was read; or the message begins with it: a bounce, say.
    fn header(&mut self, event: &Event<'_>, id: Id<'_>) {
        let at = self.find(event, id);
        let fits = match self.messages.get(&at) {
            Some(message) => {
                message.headed = true;
                event.time_ms.saturating_sub(message.begun_ms) < HEADER_WITHIN_MS
            }
            None => self.was_there(event, at),
        };
        if !fits {
            self.begin(event, at, id.text, Met::Headed);
        }
    }

    /// A line of pickup: a message begins.
    pub(super) fn pickup(&mut self, event: &Event<'_>, id: Id<'_>) {
        self.begin(event, id.own, id.text, Met::Begun);
    }

    /// A line of qmgr.
    pub(super) fn queue(&mut self, event: &Event<'_>, said: &QueueSaid<'_>, out: &mut dyn Sink) {
        let (id, sender) = match *said {
            QueueSaid::Nothing => return,
            QueueSaid::Removed(id) => {
                let at = self.find(event, id);
                return self.remove(event, at);
            }
            QueueSaid::Active(id, sender) => (id, sender),
        };
        let at = self.find(event, id);
        let message = self.message(event, at, id.text);
        message.state.attempt = message.state.attempt.wrapping_add(1);
        message.state.expected = Some((event.copy, event.time_ms));
        let key = message.state.key;
        if let Some(arrival) = message.arrival.take() {
            self.held.remove(&at);
            self.count(arrival, key, sender, event.place, out);
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

    /// A message that was on hold is refused after all.
    fn refuse(&mut self, event: &Event<'_>, id: Id<'_>) {
        if !self.held.is_empty() {
            let at = self.find(event, id);
            self.held.remove(&at);
        }
    }

    /// A message on hold is taken to be accepted.
    pub(super) fn accept(&mut self, at: u64, place: Place, out: &mut dyn Sink) {
        // Where smtpd put it on hold, its header must have come.
        let Some(message) = self.messages.get(&at).filter(|message| message.headed) else { return };
        let key = message.state.key;
        if let Some(arrival) = message.arrival.take() {
            self.count(arrival, key, b"", place, out);
        }
    }

    /// A message that came by SMTP was accepted.
    fn count(
        &mut self,
        arrival: Box<Arrival>,
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
            connector: arrival.connector(),
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
        self.is_over(arrival);
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

/// `QID: queue file size limit exceeded`, behind `warning: `.
fn too_big<'a>(program: &Program, text: &'a [u8]) -> Option<Id<'a>> {
    let (id, _) = queue_id(text).filter(|(_, rest)| rest == b"queue file size limit exceeded")?;
    Some(Id::new(id, program))
}

/// Whether smtpd refuses a message at its end.
fn refuses(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"milter-").unwrap_or(text);
    text.starts_with(b"reject: END-OF-MESSAGE ") || text.starts_with(b"reject: DATA ")
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
