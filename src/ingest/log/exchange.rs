//! Exchange Server: message tracking logs and SMTP protocol logs.
//!
//! | file | `#Log-type:` | what it gives |
//! |---|---|---|
//! | `MSGTRK*.LOG` | Message Tracking Log | one row per message accepted or handed over; no TLS version |
//! | `RECV*.LOG` | SMTP Receive Protocol Log | the TLS of each client's session |
//! | `SEND*.LOG` | SMTP Send Protocol Log | the TLS of each session with another server |
//!
//! Each file says in its header which it is, and in `#Fields:` which columns it has. Where
//! tracking logs are given they alone are counted, and protocol logs tell the TLS of their
//! messages; else the accepted messages of the sessions are counted.
//!
//! A front end hands every message on to a hub, which tracks it. What a message is protected
//! by is what its client and the front end agreed on, not what they and the hub did.
//!
//! Protocol logs are read before tracking logs. Read after them, they tell nothing more: a
//! row is given out when it is read. State is bounded: sessions and messages that were not
//! met for long are forgotten, and then unknown.

mod custom;
mod fields;
mod known;
mod order;
mod protocol;
mod replies;
mod session;
#[cfg(test)]
mod tests;
mod texts;
mod tracking;

use serde::{Deserialize, Serialize};

use self::fields::{Column, Columns, Row, after};
use self::known::Known;
use self::protocol::Held;
use self::session::{Session, Side};
use super::left;
use super::recent::Recent;
use super::stamp::Stamps;
use super::{Place, Reader, Sink};
use crate::ingest::time::DateMemo;
use crate::trace::RejectReason;

/// Sessions that are open at a time, at least.
const MOST_OPEN: usize = 65_536;

/// What the header of a file says that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    Unsaid,
    Tracking,
    Protocol(Side),
    Other,
}

/// The header of the file that is being read.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Header {
    kind: Kind,
    columns: Columns,
}

impl Header {
    const NONE: Self = Self { kind: Kind::Unsaid, columns: Columns::NONE };

    /// One line of the header; lines that matter not are passed over.
    fn read(&mut self, line: &[u8]) {
        if let Some(said) = after(line, b"#Log-type:") {
            let said = said.trim_ascii();
            self.kind = match said.to_ascii_lowercase().as_slice() {
                b"message tracking log" => Kind::Tracking,
                b"smtp receive protocol log" => Kind::Protocol(Side::Receive),
                b"smtp send protocol log" => Kind::Protocol(Side::Send),
                _ => Kind::Other,
            };
        } else if let Some(list) = after(line, b"#Fields:") {
            self.columns = Columns::read(list);
        }
    }

    /// What a line below this header is; `None` where the header does not tell.
    fn kind(&self) -> Option<Kind> {
        let tracking = self.columns.have(&tracking::NEEDED);
        match self.kind {
            // Of the logs that are read here, only tracking logs have these columns.
            Kind::Unsaid | Kind::Tracking if tracking => Some(Kind::Tracking),
            kind @ Kind::Protocol(_) if self.columns.have(&protocol::NEEDED) => Some(kind),
            _ => None,
        }
    }
}

/// Reads both kinds of logs as one stream.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Exchange {
    with_tracking: bool,
    with_protocol: bool,
    file: Option<u32>,
    header: Header,
    dates: DateMemo,
    sessions: Recent<(Side, u64), Session>,
    known: Known,
    held: Vec<Held>,
}

impl Exchange {
    /// * `with_tracking`: whether any file of the stream is a tracking log. If so, messages of
    ///   protocol logs are not counted.
    /// * `with_protocol`: whether any file of the stream is a protocol log.
    pub(crate) fn new(with_tracking: bool, with_protocol: bool) -> Self {
        Self {
            with_tracking,
            with_protocol,
            file: None,
            header: Header::NONE,
            dates: DateMemo::default(),
            sessions: Recent::new(MOST_OPEN),
            known: Known::default(),
            held: Vec::new(),
        }
    }

    fn time_ms(&mut self, row: &Row<'_>, stamps: &mut Stamps) -> Option<i64> {
        let text = row.raw(Column::DateTime);
        self.dates.instant_ms(text).or_else(|| stamps.iso(text))
    }
}

impl Reader for Exchange {
    fn line(&mut self, line: &[u8], stamps: &mut Stamps, place: Place, out: &mut dyn Sink) {
        if self.file != Some(place.file) {
            self.file = Some(place.file);
            self.header = Header::NONE;
        }
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        if line.first() == Some(&b'#') {
            return self.header.read(line);
        }
        if line.trim_ascii().is_empty() {
            return;
        }
        let header = self.header;
        let mut row = Row::new(line, &header.columns);
        match header.kind() {
            Some(Kind::Tracking) => self.tracking_line(&mut row, line, stamps, place, out),
            Some(Kind::Protocol(side)) => {
                self.protocol_line(side, &mut row, line, stamps, place, out);
            }
            _ => out.reject(RejectReason::LineUnreadable, place, line),
        }
    }

    fn end(&mut self, out: &mut dyn Sink) {
        self.release_all(out);
    }

    fn leave(&self) -> Option<Vec<u8>> {
        left::packed(self)
    }

    fn resume(&mut self, left: &[u8]) -> bool {
        left::take_up(self, left, |held, began| {
            held.with_tracking == began.with_tracking
                && held.with_protocol == began.with_protocol
                && held.sessions.is_bounded_as(&began.sessions)
                && held.known.is_bounded_as(&began.known)
        })
    }
}

/// Says whether a send connector is one that every server has for other servers of its
/// organisation. Its name follows the language of the server; where another language is
/// used, addresses of own servers and the marks of newer versions tell.
fn is_intra_organization(connector: &[u8]) -> bool {
    const NAMES: [&str; 4] = [
        "Intra-Organization SMTP Send Connector",
        "组织内 SMTP 发送连接器",
        "Inbound Proxy Internal Send Connector",
        "Client Proxy Send Connector",
    ];
    NAMES.iter().any(|name| connector.eq_ignore_ascii_case(name.as_bytes()))
        || after(connector, b"EdgeSync - Inbound to ").is_some()
}
