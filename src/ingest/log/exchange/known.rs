//! What sessions told, kept for the tracking logs that are read after them.
//!
//! | question | answered by |
//! |---|---|
//! | how did the client of this accepted message speak? | server and internal id, as the front end's reply to it named them |
//! | and if the front end's log is cut there? | session id of the hub; its XPROXYFROM names the front end's session |
//! | how was this message handed over? | session id, else record id, message id and remote address |
//! | and if a front end handed it over? | the hub's session id, as the front end's own log names it |
//!
//! All maps forget what was not used lately: what is forgotten is unknown, never a guess.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::recent::Recent;
use crate::ingest::log::identity;
use crate::trace::Tls;

/// Sessions, and messages, of which facts are held at least.
const MOST: usize = 2_000_000;
/// Addresses of own servers held at least.
const MOST_SERVERS: usize = 4_096;
/// Names of connectors and ciphers held at most.
const MOST_NAMES: usize = 65_536;

/// A name held once for all sessions; the default is the empty name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Name(u32);

/// Names of connectors and ciphers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Names {
    list: Vec<Box<[u8]>>,
    index: BTreeMap<Box<[u8]>, u32>,
}

impl Names {
    /// Holds a name. Beyond the bound a new name is lost.
    pub(super) fn hold(&mut self, name: &[u8]) -> Name {
        if name.is_empty() {
            return Name::default();
        }
        if let Some(number) = self.index.get(name) {
            return Name(*number);
        }
        let Some(number) = u32::try_from(self.list.len() + 1).ok() else { return Name::default() };
        if self.list.len() >= MOST_NAMES {
            return Name::default();
        }
        self.list.push(name.into());
        self.index.insert(name.into(), number);
        Name(number)
    }

    /// The bytes of a name.
    pub(super) fn get(&self, name: Name) -> &[u8] {
        let index = (name.0 as usize).checked_sub(1);
        index.and_then(|index| self.list.get(index)).map_or(b"", |held| held)
    }
}

/// How a client or a server spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) tls: Tls,
    pub(super) connector: Name,
    pub(super) cipher: Name,
}

/// Who stands behind the other end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Via {
    /// The client or server itself.
    Direct,
    /// A client of a front end, in this session of it.
    Front(u64),
    /// Clients of several sessions of front ends, or of one whose id was not read.
    Fronts,
    /// Another server of the organisation, for itself.
    Hop,
    /// A server that a front end handed the messages to.
    Onward,
}

/// Facts of a session as a whole.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct SessionFacts {
    pub(super) own: Facts,
    pub(super) via: Via,
}

/// All that is held.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Known {
    pub(super) names: Names,
    receive: Recent<u64, SessionFacts>,
    send: Recent<u64, SessionFacts>,
    /// Server and internal id -> how the client that sent it spoke.
    accepted: Recent<u64, Facts>,
    /// Source context of a hub -> session of the front end.
    contexts: Recent<u64, u64>,
    /// Session of a hub -> how its front end spoke with the remote server.
    onward: Recent<u64, Facts>,
    /// Message and remote address -> session that handed it over; 0 = several.
    sent: Recent<u64, u64>,
    servers: Recent<u64, ()>,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            names: Names::default(),
            receive: Recent::new(MOST),
            send: Recent::new(MOST),
            accepted: Recent::new(MOST),
            contexts: Recent::new(MOST),
            onward: Recent::new(MOST),
            sent: Recent::new(MOST),
            servers: Recent::new(MOST_SERVERS),
        }
    }
}

/// The key of a message that a server of this name holds under this internal id.
pub(super) fn message_on(host_label: &[u8], internal_id: &[u8]) -> u64 {
    identity(&[host_label, internal_id])
}

/// The key of a message on its way to a remote address.
pub(super) fn message_to(record_id: &[u8], bare_message_id: &[u8], address: &[u8]) -> u64 {
    identity(&[record_id, bare_message_id, &address.to_ascii_lowercase()])
}

impl Known {
    /// Whether all maps have the bounds of those of another, so that it can take its place.
    pub(super) fn is_bounded_as(&self, other: &Self) -> bool {
        self.names.list.len() <= MOST_NAMES
            && self.receive.is_bounded_as(&other.receive)
            && self.send.is_bounded_as(&other.send)
            && self.accepted.is_bounded_as(&other.accepted)
            && self.contexts.is_bounded_as(&other.contexts)
            && self.onward.is_bounded_as(&other.onward)
            && self.sent.is_bounded_as(&other.sent)
            && self.servers.is_bounded_as(&other.servers)
    }

    /// The address belongs to a server of the organisation: a log of its own says so.
    pub(super) fn own_server(&mut self, address: &[u8]) {
        if !address.is_empty() {
            self.servers.insert(identity(&[&address.to_ascii_lowercase()]), ());
        }
    }

    /// Says whether an address is known to be that of a server of the organisation.
    pub(super) fn is_own(&mut self, address: &[u8]) -> bool {
        !address.is_empty()
            && self.servers.get(&identity(&[&address.to_ascii_lowercase()])).is_some()
    }

    /// A receive session that is over.
    pub(super) fn received(&mut self, session: u64, facts: SessionFacts) {
        self.receive.insert(session, facts);
    }

    /// A send session, as far as it is known.
    pub(super) fn sending(&mut self, session: u64, facts: SessionFacts) {
        self.send.insert(session, facts);
    }

    /// A message was accepted. What is known is not replaced by what is not.
    pub(super) fn accepted(&mut self, message: u64, facts: Facts) {
        let held = self.accepted.get(&message);
        if facts.tls != Tls::Unknown || held.is_none() {
            self.accepted.insert(message, facts);
        }
    }

    /// The message with this source context came from this session of a front end.
    pub(super) fn context(&mut self, source_context: &[u8], front: u64) {
        self.contexts.insert(identity(&[source_context]), front);
    }

    /// A front end handed on what this session of a hub sends.
    pub(super) fn onward(&mut self, hub: u64, facts: Facts) {
        match self.onward.get(&hub) {
            // Two servers, spoken to differently: which message went where is not told.
            Some(held) if held.tls != facts.tls => held.tls = Tls::Unknown,
            Some(_) => {}
            None => self.onward.insert(hub, facts),
        }
    }

    /// A message was handed over in this session.
    pub(super) fn sent(&mut self, message: u64, session: u64) {
        match self.sent.get(&message) {
            Some(held) if *held != session => *held = 0,
            Some(_) => {}
            None => self.sent.insert(message, session),
        }
    }

    /// How the client of an accepted message spoke.
    ///
    /// * `context`: source-context of the event, which begins with the session id.
    /// * `proxied`: whether the event itself tells of a front end.
    pub(super) fn client_of(
        &mut self,
        message: u64,
        context: &[u8],
        session: Option<u64>,
        proxied: bool,
    ) -> Option<Facts> {
        let known = self.accepted.get(&message).copied();
        if known.is_some_and(|facts| facts.tls != Tls::Unknown) {
            return known;
        }
        self.client_by_session(context, session, proxied).or(known)
    }

    fn client_by_session(
        &mut self,
        context: &[u8],
        session: Option<u64>,
        proxied: bool,
    ) -> Option<Facts> {
        let front = match self.contexts.get(&identity(&[context])) {
            Some(front) => *front,
            None => match *self.receive.get(&session?)? {
                SessionFacts { via: Via::Front(front), .. } => front,
                SessionFacts { via: Via::Direct, own } if !proxied => return Some(own),
                _ => return None,
            },
        };
        let facts = self.receive.get(&front)?;
        (facts.via == Via::Direct).then_some(facts.own)
    }

    /// How the server spoke that a message was handed to. `proxied`: whether the event
    /// itself tells of a front end.
    pub(super) fn server_of(
        &mut self,
        session: Option<u64>,
        message: u64,
        proxied: bool,
    ) -> Option<Facts> {
        let session = match session {
            Some(session) => session,
            None => *self.sent.get(&message)?,
        };
        let facts = self.send.get(&session).copied();
        match facts {
            Some(SessionFacts { via: Via::Direct, own }) if !proxied => Some(own),
            Some(SessionFacts { via: Via::Hop, .. }) if !proxied => None,
            Some(SessionFacts { via: Via::Onward, .. }) | None => self.onward_of(session),
            Some(_) if proxied => self.onward_of(session),
            Some(_) => None,
        }
    }

    /// How a front end spoke with the server it handed the messages of this session to.
    pub(super) fn onward_of(&mut self, hub: u64) -> Option<Facts> {
        self.onward.get(&hub).copied()
    }
}
