//! Lines of message tracking logs.
//!
//! | event-id | source | what it is |
//! |---|---|---|
//! | `RECEIVE` | SMTP | an acceptance: inbound, or internal where it is a hop or own mail |
//! | `RECEIVE` | STOREDRIVER | a mailbox's own mail: internal |
//! | `SEND`, `SENDEXTERNAL` | SMTP | a hand-over: outbound, or internal between own servers |
//! | all others | | no row |

use std::borrow::Cow;

use super::custom::Custom;
use super::fields::{self, Column, Row};
use super::known::{Facts, Name, message_on, message_to};
use super::{Exchange, is_intra_organization};
use crate::ingest::log::stamp::Stamps;
use crate::ingest::log::{Mail, Place, Protection, Sink, identity};
use crate::ingest::spelling;
use crate::trace::{Direction, RejectReason, Tls};

/// Columns without which a tracking log says nothing.
pub(super) const NEEDED: [Column; 3] = [Column::DateTime, Column::Source, Column::EventId];

/// An event that is mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Accepted,
    FromStore,
    HandedOver,
}

fn step(source: &[u8], event: &[u8]) -> Option<Step> {
    let is = |text: &[u8], word: &[u8]| text.eq_ignore_ascii_case(word);
    match event.first()? {
        b'R' | b'r' if is(event, b"RECEIVE") => match source {
            _ if is(source, b"SMTP") => Some(Step::Accepted),
            _ if is(source, b"STOREDRIVER") => Some(Step::FromStore),
            _ => None,
        },
        b'S' | b's' if is(source, b"SMTP") => {
            (is(event, b"SEND") || is(event, b"SENDEXTERNAL")).then_some(Step::HandedOver)
        }
        _ => None,
    }
}

/// One event, with what its mail needs.
struct Event<'a, 'r> {
    row: &'r Row<'a>,
    custom: Custom<'r>,
    client: &'a [u8],
    server: &'a [u8],
    session: Option<u64>,
}

impl Exchange {
    /// One line of a tracking log.
    pub(super) fn tracking_line(
        &mut self,
        row: &mut Row<'_>,
        line: &[u8],
        stamps: &mut Stamps,
        place: Place,
        out: &mut dyn Sink,
    ) {
        row.read_to(Column::Source);
        row.read_to(Column::EventId);
        let event = row.raw(Column::EventId);
        let step = step(row.raw(Column::Source), event);
        if step.is_none() && !event.is_empty() {
            return;
        }
        if !row.read_all() {
            return out.reject(RejectReason::LineUnreadable, place, line);
        }
        let Some(step) = step else { return };
        let Some(time_ms) = self.time_ms(row, stamps) else {
            return out.reject(RejectReason::TimeUnreadable, place, line);
        };
        let custom = row.text(Column::CustomData);
        let client = fields::address(row.raw(Column::ClientIp));
        let context = row.raw(Column::SourceContext);
        let event = Event {
            row,
            custom: Custom::read(&custom, client),
            client,
            server: fields::address(row.raw(Column::ServerIp)),
            session: context.split(|byte| *byte == b';').next().and_then(fields::session_id),
        };
        match step {
            Step::Accepted => self.receive(&event, time_ms, place, out),
            Step::FromStore => {
                out.mail(&stored(&event, &row.text(Column::SenderAddress), time_ms, place));
            }
            Step::HandedOver => self.send(&event, time_ms, place, out),
        }
    }

    fn receive(&mut self, event: &Event<'_, '_>, time_ms: i64, place: Place, out: &mut dyn Sink) {
        let direction = self.direction_of_receive(event);
        self.known.own_server(event.server);
        let facts = if direction == Direction::Inbound { self.client(event) } else { None };
        let row = event.row;
        let sender = row.text(Column::SenderAddress);
        let path = row.text(Column::ReturnPath);
        let logged = row.text(Column::ClientHostname);
        let host = match event.custom.client_host {
            b"" => &logged,
            host => host,
        };
        let domain = match fields::domain(&sender) {
            b"" if sender.is_empty() => fields::domain(&path),
            domain => domain,
        };
        let connector = self.connector(facts, row);
        let (tls, cipher) = self.protection(facts);
        out.mail(&Mail {
            time_ms,
            direction,
            connector: &connector,
            forced_tls: None,
            tls,
            cipher,
            peer: if domain.is_empty() { host } else { domain },
            remote_host: host,
            remote_address: match event.custom.client_address {
                b"" => event.client,
                address => address,
            },
            domain,
            key: key_of(row),
            place,
        });
    }

    /// Which way an accepted message went.
    fn direction_of_receive(&mut self, event: &Event<'_, '_>) -> Direction {
        if self.is_hop(event) {
            return Direction::Internal;
        }
        let word = event.row.raw(Column::Directionality);
        let said = std::str::from_utf8(word).ok().and_then(spelling::direction);
        match said {
            Some(Direction::Inbound) => Direction::Inbound,
            Some(_) => Direction::Internal,
            // Older servers leave it open: mail of authenticated clients is own mail, and
            // so is what a server gives to itself.
            None => {
                let info = event.row.raw(Column::MessageInfo);
                let own_mail = info.get(2) == Some(&b'I') && info.get(3) == Some(&b':');
                let client = match event.custom.client_address {
                    b"" => event.client,
                    address => address,
                };
                let original = fields::address(event.row.raw(Column::OriginalClientIp));
                let to_itself = client == event.server
                    && !client.is_empty()
                    && (original.is_empty() || original == client);
                if own_mail || to_itself { Direction::Internal } else { Direction::Inbound }
            }
        }
    }

    /// Says whether another server of the organisation passed the message on.
    fn is_hop(&mut self, event: &Event<'_, '_>) -> bool {
        let host = fields::host_label(event.row.raw(Column::ServerHostname));
        if let Some(first) = &event.custom.first_hub
            && !host.is_empty()
            && *first != host
        {
            return true;
        }
        // A front end is own, too, but stands for its client. The server's own address is
        // that of its own front end.
        !event.custom.proxied && event.client != event.server && self.known.is_own(event.client)
    }

    fn client(&mut self, event: &Event<'_, '_>) -> Option<Facts> {
        if !self.with_protocol {
            return None;
        }
        let host = fields::host_label(event.row.raw(Column::ServerHostname));
        let message = message_on(&host, event.row.raw(Column::InternalMessageId));
        let context = event.row.raw(Column::SourceContext);
        let facts = self.known.client_of(message, context, event.session, event.custom.proxied)?;
        // The hub's own session tells of its front end, not of the client behind it.
        let logged = event.row.text(Column::ConnectorId);
        let of_hub = event.custom.proxied
            && !logged.is_empty()
            && self.known.names.get(facts.connector) == &*logged;
        (!of_hub).then_some(facts)
    }

    fn send(&mut self, event: &Event<'_, '_>, time_ms: i64, place: Place, out: &mut dyn Sink) {
        self.known.own_server(event.client);
        let direction = self.direction_of_send(event);
        let facts = if direction == Direction::Outbound { self.server(event) } else { None };
        let row = event.row;
        let recipients = row.text(Column::RecipientAddress);
        let domain = fields::domain(fields::first_address(&recipients));
        let logged = row.text(Column::ServerHostname);
        let by_front = !event.custom.target_address.is_empty();
        let host: &[u8] = if by_front { event.custom.target_host } else { &logged };
        let connector = row.text(Column::ConnectorId);
        let (tls, cipher) = self.protection(facts);
        out.mail(&Mail {
            time_ms,
            direction,
            connector: &connector,
            forced_tls: event.custom.forced_tls(),
            tls,
            cipher,
            peer: if host.is_empty() { domain } else { host },
            remote_host: host,
            remote_address: if by_front { event.custom.target_address } else { event.server },
            domain,
            key: key_of(row),
            place,
        });
    }

    fn direction_of_send(&mut self, event: &Event<'_, '_>) -> Direction {
        let external = event.row.raw(Column::EventId).len() > b"SEND".len();
        let target = match event.custom.target_address {
            b"" => event.server,
            address => address,
        };
        let within = is_intra_organization(&event.row.text(Column::ConnectorId))
            || (!external && event.custom.outside == Some(false))
            || self.known.is_own(target);
        if within { Direction::Internal } else { Direction::Outbound }
    }

    fn server(&mut self, event: &Event<'_, '_>) -> Option<Facts> {
        if !self.with_protocol {
            return None;
        }
        let record = event.row.raw(Column::InternalMessageId);
        let message = event.row.text(Column::MessageId);
        let message = message_to(record, fields::bare_id(&message), event.server);
        let by_front = !event.custom.target_address.is_empty();
        self.known.server_of(event.session, message, by_front)
    }

    /// The connector of the front end where one is known, else the hub's.
    fn connector<'a>(&self, facts: Option<Facts>, row: &Row<'a>) -> Cow<'a, [u8]> {
        match facts.map(|facts| self.known.names.get(facts.connector)) {
            None | Some(b"") => row.text(Column::ConnectorId),
            Some(name) => Cow::Owned(name.to_vec()),
        }
    }

    fn protection(&self, facts: Option<Facts>) -> (Protection, &[u8]) {
        let tls = facts.map_or(Tls::Unknown, |facts| facts.tls);
        let cipher = facts.map_or(Name::default(), |facts| facts.cipher);
        (Protection::Known(tls), self.known.names.get(cipher))
    }
}

/// What a mailbox sent, taken in by its own server.
fn stored<'m>(event: &Event<'_, '_>, sender: &'m [u8], time_ms: i64, place: Place) -> Mail<'m> {
    Mail {
        time_ms,
        direction: Direction::Internal,
        connector: b"",
        forced_tls: None,
        tls: Protection::Known(Tls::Unknown),
        cipher: b"",
        peer: fields::domain(sender),
        remote_host: b"",
        remote_address: b"",
        domain: fields::domain(sender),
        key: key_of(event.row),
        place,
    }
}

/// The network message id, else the message id, else what only this server knows it by.
fn key_of(row: &Row<'_>) -> u64 {
    let network = row.raw(Column::NetworkMessageId);
    if !network.is_empty() {
        return identity(&[&network.to_ascii_lowercase()]);
    }
    let message = row.text(Column::MessageId);
    match fields::bare_id(&message) {
        b"" => identity(&[
            row.raw(Column::ServerHostname),
            row.raw(Column::InternalMessageId),
            row.raw(Column::SourceContext),
        ]),
        id => identity(&[id]),
    }
}
