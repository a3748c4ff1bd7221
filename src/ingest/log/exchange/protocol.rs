//! Lines of SMTP protocol logs: to sessions, and from them to mails or facts.

use serde::{Deserialize, Serialize};

use super::fields::{self, Column, Row};
use super::known::{Facts, Name, Via, message_on, message_to};
use super::replies::Envelope;
use super::session::{Outcome, Session, Side};
use super::{Exchange, is_intra_organization};
use crate::ingest::log::stamp::Stamps;
use crate::ingest::log::{Mail, Place, Protection, Sink, identity};
use crate::trace::{Direction, RejectReason, Tls};

/// Columns without which a protocol log says nothing.
pub(super) const NEEDED: [Column; 7] = [
    Column::DateTime,
    Column::ConnectorId,
    Column::SessionId,
    Column::SequenceNumber,
    Column::Event,
    Column::Data,
    Column::Context,
];

/// Messages that wait for the log of a front end; more are unknown.
const MOST_HELD: usize = 65_536;

/// A message that a front end handed on, of which only the end of all files can tell how.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Held {
    hub: u64,
    time_ms: i64,
    connector: Name,
    domain: Box<[u8]>,
    host: Box<[u8]>,
    address: Box<[u8]>,
    key: u64,
    place: Place,
}

/// What is common to a line and the session it belongs to.
#[derive(Debug, Clone, Copy)]
struct At<'a, 'r> {
    side: Side,
    id: u64,
    row: &'r Row<'a>,
    /// The reply that accepts.
    reply: &'r [u8],
    time_ms: i64,
    place: Place,
}

/// Session, sequence number and event of a line.
fn anchors(row: &mut Row<'_>) -> Option<(u64, u64, u8)> {
    if !row.read_all() {
        return None;
    }
    let id = fields::session_id(row.raw(Column::SessionId))?;
    let sequence = fields::number(row.raw(Column::SequenceNumber))?;
    match row.raw(Column::Event) {
        [event @ (b'+' | b'-' | b'>' | b'<' | b'*')] => Some((id, sequence, *event)),
        _ => None,
    }
}

impl Exchange {
    /// One line of a protocol log.
    pub(super) fn protocol_line(
        &mut self,
        side: Side,
        row: &mut Row<'_>,
        line: &[u8],
        stamps: &mut Stamps,
        place: Place,
        out: &mut dyn Sink,
    ) {
        let Some((id, sequence, event)) = anchors(row) else {
            return out.reject(RejectReason::LineUnreadable, place, line);
        };
        let again = |held: &Session| sequence == 0 || (event == b'+' && held.was_read(sequence));
        if self.sessions.get(&(side, id)).is_none_or(|held| again(held)) {
            let local = fields::endpoint(row.raw(Column::LocalEndpoint));
            self.known.own_server(local);
            self.sessions.insert((side, id), Session::new(side, sequence, event));
        }
        let Some(session) = self.sessions.get(&(side, id)) else { return };
        if !session.place(sequence) {
            return;
        }
        let data = row.text(Column::Data);
        let asks = (event == b'<') == (side == Side::Receive);
        let outcome = match event {
            b'*' => session.information(&data, &row.text(Column::Context), &mut self.known.names),
            b'<' | b'>' if asks => {
                session.command(&data);
                Outcome::Nothing
            }
            b'<' | b'>' => session.reply(&data),
            _ => Outcome::Nothing,
        };
        if event == b'*' && self.with_tracking {
            self.note_context(id, side, &data, row);
        }
        match outcome {
            Outcome::Nothing => {}
            Outcome::HandedOn => self.handed_on(id, row),
            Outcome::Accepted(envelope) => {
                let Some(time_ms) = self.time_ms(row, stamps) else {
                    return out.reject(RejectReason::TimeUnreadable, place, line);
                };
                let at = At { side, id, row, reply: &data, time_ms, place };
                self.accepted(&at, &envelope, out);
            }
        }
        if event == b'-' {
            self.close(side, id, row);
        }
    }

    /// The message that begins here has the source context that tracking will name, and
    /// comes from a client of a front end.
    fn note_context(&mut self, id: u64, side: Side, data: &[u8], row: &Row<'_>) {
        if side == Side::Receive
            && row.raw(Column::Context) == b"receiving message"
            && let Some(front) = self.sessions.get(&(side, id)).and_then(|held| held.front)
        {
            self.known.context(data, front);
        }
    }

    /// The front end has set up its session with the remote server.
    fn handed_on(&mut self, id: u64, row: &Row<'_>) {
        let connector = self.known.names.hold(&row.text(Column::ConnectorId));
        let Some(session) = self.sessions.get(&(Side::Send, id)) else { return };
        if let Some(hub) = session.hub {
            let facts = Facts { tls: session.tls(), connector, cipher: session.cipher };
            self.known.onward(hub, facts);
        }
    }

    fn close(&mut self, side: Side, id: u64, row: &Row<'_>) {
        let Some(session) = self.sessions.remove(&(side, id)) else { return };
        if self.with_tracking && session.begun > 0 {
            self.remember(side, id, &session, true, row);
        }
    }

    fn remember(&mut self, side: Side, id: u64, session: &Session, over: bool, row: &Row<'_>) {
        let connector = self.known.names.hold(&row.text(Column::ConnectorId));
        let facts = session.facts(over, connector);
        match side {
            Side::Receive => self.known.received(id, facts),
            Side::Send => self.known.sending(id, facts),
        }
    }

    fn accepted(&mut self, at: &At<'_, '_>, envelope: &Envelope, out: &mut dyn Sink) {
        // Taken out so that both it and what is known can be used.
        let Some(session) = self.sessions.remove(&(at.side, at.id)) else { return };
        if self.with_tracking {
            self.keep_facts(at, envelope, &session);
        } else {
            self.emit(at, envelope, &session, out);
        }
        self.sessions.insert((at.side, at.id), session);
    }

    /// Tracking logs count the message; its session tells how it was protected.
    fn keep_facts(&mut self, at: &At<'_, '_>, envelope: &Envelope, session: &Session) {
        self.remember(at.side, at.id, session, false, at.row);
        let remote = fields::endpoint(at.row.raw(Column::RemoteEndpoint));
        match (at.side, &envelope.record, queued_as(at.reply)) {
            (Side::Send, Some(record), _) => {
                self.known.sent(message_to(&record.id, &record.message, remote), at.id);
            }
            (Side::Receive, _, Some((internal_id, Some(host)))) if session.via() == Via::Direct => {
                let connector = self.known.names.hold(&at.row.text(Column::ConnectorId));
                let facts = Facts { tls: session.tls(), connector, cipher: session.cipher };
                self.known.accepted(message_on(&fields::host_label(host), internal_id), facts);
            }
            _ => {}
        }
    }

    /// No tracking logs are read: the session's message is the mail.
    fn emit(
        &mut self,
        at: &At<'_, '_>,
        envelope: &Envelope,
        session: &Session,
        out: &mut dyn Sink,
    ) {
        let remote = fields::endpoint(at.row.raw(Column::RemoteEndpoint));
        let direction = self.direction(at, session, remote);
        let key = key_of(at, envelope, session);
        let logged = at.row.text(Column::ConnectorId);
        if session.via() == Via::Onward && direction == Direction::Outbound {
            let connector = match session.connector {
                name if name == Name::default() => self.known.names.hold(&logged),
                name => name,
            };
            let address = if session.target_address.is_empty() {
                remote.into()
            } else {
                session.target_address.clone()
            };
            let held = Held {
                hub: at.id,
                time_ms: at.time_ms,
                connector,
                domain: envelope.domain.clone(),
                host: session.target_host.clone(),
                address,
                key,
                place: at.place,
            };
            return self.hold(held, out);
        }
        let inbound = at.side == Side::Receive;
        let whom =
            if inbound && envelope.domain.is_empty() { &session.hello } else { &envelope.domain };
        let border = direction != Direction::Internal;
        out.mail(&Mail {
            time_ms: at.time_ms,
            direction,
            connector: &logged,
            forced_tls: None,
            tls: Protection::Known(if border { session.tls() } else { Tls::Unknown }),
            cipher: if border { self.known.names.get(session.cipher) } else { b"" },
            peer: whom,
            remote_host: b"",
            remote_address: remote,
            domain: &envelope.domain,
            key,
            place: at.place,
        });
    }

    fn direction(&mut self, at: &At<'_, '_>, session: &Session, remote: &[u8]) -> Direction {
        let local = fields::endpoint(at.row.raw(Column::LocalEndpoint));
        let own = (!remote.is_empty() && remote == local) || self.known.is_own(remote);
        let crosses = match (at.side, session.via()) {
            (Side::Receive, Via::Direct) => !own && !session.is_own_client(),
            (Side::Send, Via::Direct) => {
                !own && !is_intra_organization(&at.row.text(Column::ConnectorId))
            }
            (Side::Send, Via::Onward) => true,
            _ => false,
        };
        match at.side {
            _ if !crosses => Direction::Internal,
            Side::Receive => Direction::Inbound,
            Side::Send => Direction::Outbound,
        }
    }

    fn hold(&mut self, held: Held, out: &mut dyn Sink) {
        if self.held.len() >= MOST_HELD || self.known.onward_of(held.hub).is_some() {
            self.release(&held, out);
        } else {
            self.held.push(held);
        }
    }

    /// All files are read: what is still not known stays unknown.
    pub(super) fn release_all(&mut self, out: &mut dyn Sink) {
        for held in std::mem::take(&mut self.held) {
            self.release(&held, out);
        }
    }

    fn release(&mut self, held: &Held, out: &mut dyn Sink) {
        let facts = self.known.onward_of(held.hub);
        let cipher = facts.map_or(Name::default(), |facts| facts.cipher);
        out.mail(&Mail {
            time_ms: held.time_ms,
            direction: Direction::Outbound,
            connector: self.known.names.get(held.connector),
            forced_tls: None,
            tls: Protection::Known(facts.map_or(Tls::Unknown, |facts| facts.tls)),
            cipher: self.known.names.get(cipher),
            peer: if held.host.is_empty() { &held.domain } else { &held.host },
            remote_host: &held.host,
            remote_address: &held.address,
            domain: &held.domain,
            key: held.key,
            place: held.place,
        });
    }
}

/// Internal id and host of `250 2.6.0 <id> [InternalId=1, Hostname=exch01.example.com] …`.
/// The message id before it is the sender's: the last bracket is the server's.
fn queued_as(reply: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    const BEFORE: &[u8] = b"[InternalId=";
    let start = memchr::memmem::rfind(reply, BEFORE)? + BEFORE.len();
    let rest = reply.get(start..)?;
    let inside = rest.get(..memchr::memchr(b']', rest)?)?;
    let (internal_id, host) = match memchr::memmem::find(inside, b", Hostname=") {
        Some(end) => (inside.get(..end)?, inside.get(end + 11..)),
        None => (inside, None),
    };
    fields::number(internal_id)?;
    Some((internal_id, host))
}

/// The message as its sender knows it, or its place in the session.
fn key_of(at: &At<'_, '_>, envelope: &Envelope, session: &Session) -> u64 {
    let count = session.accepted.to_be_bytes();
    let id = at.id.to_be_bytes();
    match (at.side, &envelope.record, queued_as(at.reply)) {
        (Side::Send, Some(record), _) => identity(&[b"send", &record.id, &record.message]),
        (Side::Send, None, _) => identity(&[b"send", &id, &count]),
        (Side::Receive, _, Some((internal_id, _))) => identity(&[b"receive", &id, internal_id]),
        (Side::Receive, _, None) => identity(&[b"receive", &id, b"", &count]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_own_bracket_is_the_last() {
        let reply = b"250 2.6.0 <x [InternalId=9, Hostname=evil]> [InternalId=42, \
            Hostname=exch01.example.com] 100 bytes in 0.1, 1.0 KB/sec Queued mail for delivery";
        assert_eq!(queued_as(reply), Some((&b"42"[..], Some(&b"exch01.example.com"[..]))));
        let old = b"250 2.6.0 <x@example.com> [InternalId=7] Queued mail for delivery";
        assert_eq!(queued_as(old), Some((&b"7"[..], None)));
        assert_eq!(queued_as(b"250 2.6.0 <x@example.com> Queued mail for delivery"), None);
        assert_eq!(queued_as(b"250 [InternalId=x]"), None);
        assert_eq!(queued_as(b"250 [InternalId=1"), None);
    }
}
