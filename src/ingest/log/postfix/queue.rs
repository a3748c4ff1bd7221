//! Messages by queue id, from their beginning until they are removed.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::super::{Protection, identity};
use super::program::Program;
use super::text::{Peer, queue_id};
use super::{Event, Postfix};
use crate::trace::Tls;

/// A message in the queue.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Message {
    /// Time of its first line.
    pub begun_ms: i64,
    /// Where it is in its life.
    pub state: State,
    /// cleanup has read its header.
    pub headed: bool,
    /// How it came, until it is known to be accepted.
    pub arrival: Option<Box<Arrival>>,
}

impl Message {
    /// As it is met with this line.
    fn met(event: &Event<'_>, id: &[u8], met: Met) -> Self {
        let Program { host, instance, .. } = &**event.program;
        let state = State {
            key: identity(&[host, instance, id, &event.time_ms.to_le_bytes()]),
            attempt: 0,
            expected: (!matches!(met, Met::Midway)).then_some((event.copy, event.time_ms)),
        };
        let headed = matches!(met, Met::Headed);
        let arrival = if let Met::Arrived(arrival) = met { Some(arrival) } else { None };
        Self { begun_ms: event.time_ms, state, headed, arrival }
    }
}

/// What is known of a message when it is delivered.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct State {
    /// Identity.
    pub key: u64,
    /// Attempts that the queue manager began.
    pub attempt: u32,
    /// The newest line that shows that a delivery was still to come: copy of the log, time.
    pub expected: Option<(u32, i64)>,
}

/// A message that is no longer in the queue.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Removed {
    state: State,
    time_ms: i64,
}

/// How a message came by SMTP.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Arrival {
    pub time_ms: i64,
    pub tls: Protection,
    /// Number of the cipher.
    pub cipher: u16,
    /// The service that took it in, name and address of the client, one after the other.
    text: Vec<u8>,
    /// Where the service and the name end.
    ends: (usize, usize),
}

/// Arrivals that are kept to be used again.
const MOST_SPARE: usize = 64;

impl Arrival {
    /// The service that took it in.
    pub(super) fn connector(&self) -> &[u8] {
        self.text.get(..self.ends.0).unwrap_or_default()
    }

    /// Name and address of the client.
    pub(super) fn client(&self) -> (&[u8], &[u8]) {
        let (start, end) = self.ends;
        let client = self.text.get(start..).unwrap_or_default();
        client.split_at_checked(end - start).unwrap_or_default()
    }
}

impl Postfix {
    /// How a message comes from this client with this line.
    #[expect(clippy::unnecessary_box_returns, reason = "it may be one that was used before")]
    pub(super) fn arrival(
        &mut self,
        event: &Event<'_>,
        peer: &Peer<'_>,
        (tls, cipher): (Protection, u16),
    ) -> Box<Arrival> {
        let mut arrival = self.spare.pop().unwrap_or_else(|| {
            let tls = Protection::Known(Tls::Unknown);
            Box::new(Arrival { time_ms: 0, tls, cipher: 0, text: Vec::new(), ends: (0, 0) })
        });
        let Arrival { text, ends, .. } = &mut *arrival;
        text.clear();
        text.extend_from_slice(&event.program.connector);
        ends.0 = text.len();
        text.extend_from_slice(peer.host());
        ends.1 = text.len();
        text.extend_from_slice(peer.address());
        (arrival.time_ms, arrival.tls, arrival.cipher) = (event.time_ms, tls, cipher);
        arrival
    }

    /// Gives an arrival back that is over.
    pub(super) fn is_over(&mut self, arrival: Box<Arrival>) {
        if self.spare.len() < MOST_SPARE {
            self.spare.push(arrival);
        }
    }
}

/// A queue id.
#[derive(Debug, Clone, Copy)]
pub(super) struct Id<'a> {
    /// As logged.
    pub text: &'a [u8],
    /// Where its message is held, if the instance that logged it has its own queue.
    pub own: u64,
}

/// What a line says behind its program: all of it, and the message that it begins with, where it
/// does, with what follows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a> {
    pub text: &'a [u8],
    pub of: Option<(Id<'a>, &'a [u8])>,
}

impl<'a> Text<'a> {
    pub(super) fn new(text: &'a [u8], program: &Program) -> Self {
        let of = queue_id(text).map(|(id, rest)| (Id::new(id, program), rest));
        Self { text, of }
    }
}

impl<'a> Id<'a> {
    /// Of a line of this program.
    pub(super) fn new(text: &'a [u8], program: &Program) -> Self {
        Self { text, own: xxh3_64_with_seed(text, program.instance_seed) }
    }
}

impl Postfix {
    /// Where the message of a line is held, or would be.
    pub(super) fn find(&mut self, event: &Event<'_>, id: Id<'_>) -> u64 {
        let Self { messages, removed, hosts, .. } = self;
        let mut others = hosts.same_queue(event.host, event.program).peekable();
        if others.peek().is_none() {
            return id.own;
        }
        let mut held = |at: &u64| messages.get(at).is_some() || removed.get(*at).is_some();
        if held(&id.own) {
            return id.own;
        }
        others.map(|seed| xxh3_64_with_seed(id.text, seed)).find(held).unwrap_or(id.own)
    }

    /// A message begins with this line, or is met with it.
    pub(super) fn begin(&mut self, event: &Event<'_>, at: u64, id: &[u8], met: Met) {
        self.messages.insert(at, Box::new(Message::met(event, id, met)));
    }

    /// The message of a line that does not begin one. It may have begun before the log; or it
    /// was removed, and this is an overlapping copy of what was read before.
    pub(super) fn message(&mut self, event: &Event<'_>, at: u64, id: &[u8]) -> &mut Message {
        let Self { messages, removed, .. } = self;
        messages.get_or_insert_with(at, || {
            let removed = removed.get(at).filter(|removed| event.time_ms <= removed.time_ms);
            Box::new(match removed.map(|removed| removed.state) {
                Some(state) => {
                    Message { begun_ms: event.time_ms, state, headed: true, arrival: None }
                }
                None => Message::met(event, id, Met::Midway),
            })
        })
    }

    /// Whether this line is about a message that was removed: see [`Self::message`].
    pub(super) fn was_there(&mut self, event: &Event<'_>, at: u64) -> bool {
        self.removed.get(at).is_some_and(|removed| event.time_ms <= removed.time_ms)
    }

    /// A message leaves the queue.
    pub(super) fn remove(&mut self, event: &Event<'_>, at: u64) {
        if let Some(message) = self.messages.remove(&at) {
            self.removed.insert(at, Removed { state: message.state, time_ms: event.time_ms });
        }
    }
}

/// How much of a message was seen when it is met.
#[derive(Debug)]
pub(super) enum Met {
    /// It may have begun before the log.
    Midway,
    /// Its beginning.
    Begun,
    /// Its beginning, which is its header: it was made here.
    Headed,
    /// Its beginning, by SMTP.
    Arrived(Box<Arrival>),
}
