//! Postfix: lines of its daemons -> mails.
//!
//! | daemon | line | what it tells |
//! |---|---|---|
//! | smtpd | `connect from HOST[IP]`, `disconnect from …` | a session of this process begins, ends |
//! | smtpd | `… TLS connection established from HOST[IP]: TLSv1.3 with cipher …` | its protection |
//! | smtpd | `QID: client=HOST[IP]` | a message may come; not that it was accepted |
//! | pickup, cleanup | `QID: uid=0 from=<…>`, `QID: message-id=<…>` | a message begins here |
//! | cleanup | `QID: hold: …`, `QID: discard: …` | accepted, unless its session breaks off |
//! | qmgr | `QID: from=<…>, size=…, nrcpt=… (queue active)` | accepted; an attempt begins |
//! | qmgr | `QID: removed` | the queue id is free again |
//! | smtp | `… TLS connection established to HOST[IP]:PORT: …`, `… reused to …` | protection |
//! | smtp | `QID: to=<…>, relay=HOST[IP]:PORT, …, status=sent (…)` | handed over |
//! | lmtp, local, … | the same | delivered inside: internal |
//!
//! A TLS line has no queue id: inbound it belongs to the session of its process, outbound to
//! the delivery that its process prints next for the same server. Sender-chosen text (message
//! ids, headers, addresses) is only ever behind the words looked at here.
//!
//! Deliberately absent: `starttls=` counters of `disconnect` lines (a log without TLS lines is
//! unknown, however TLS was used), and everything that postscreen and tlsproxy say of sessions.

mod delivery;
mod inbound;
mod left;
mod outbound;
mod prepare;
mod program;
mod proof;
mod queue;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub(crate) use self::prepare::{Prepared, Preparer};

use self::delivery::Deliveries;
use self::inbound::Server;
use self::outbound::Client;
use self::prepare::Said;
use self::program::{Hosts, Program, Programs};
use self::proof::Proofs;
use self::queue::{Arrival, Message, Removed};
use super::recent::{Ledger, Recent};
use super::stamp::Stamps;
use super::syslog::{Line, LineFault, split};
use super::{Follow, Place, Sink};
use crate::trace::RejectReason;

/// Messages that are followed at once, at least.
const MOST_MESSAGES: usize = 1 << 18;
/// Messages that are remembered after their removal, at least.
const MOST_REMOVED: usize = 1 << 17;
/// Processes that are followed at once, at least.
const MOST_PROCESSES: usize = 1 << 16;
/// Cipher names, and the length of one.
const MOST_CIPHERS: usize = 256;
const LONGEST_CIPHER: usize = 64;

/// Follows the sessions and queues of all hosts of a stream.
#[derive(Debug)]
pub(crate) struct Postfix {
    programs: Programs,
    hosts: Hosts,
    /// By host, instance and queue id.
    messages: Recent<u64, Box<Message>>,
    /// Those that were removed.
    removed: Ledger<Removed>,
    /// Sessions of smtpd, by host, program and process.
    servers: Recent<u64, Server>,
    /// Connections of smtp, by host, program and process.
    clients: Recent<u64, Client>,
    /// Messages on hold or discarded whose session goes on, and the line that says so.
    held: BTreeMap<u64, Place>,
    proofs: Proofs,
    ciphers: Ciphers,
    /// A domain in lower case.
    domain: Vec<u8>,
    /// Arrivals that are over, to be used again.
    #[expect(clippy::vec_box, reason = "messages hold the boxes, and few have one")]
    spare: Vec<Box<Arrival>>,
}

/// A line of a daemon.
#[derive(Debug)]
struct Event<'a> {
    time_ms: i64,
    program: &'a Arc<Program>,
    /// Number of its host.
    host: usize,
    pid: u32,
    /// Which copy of the host's log: what stands in another one tells nothing of this line.
    copy: u32,
    place: Place,
}

impl Event<'_> {
    /// Key of the process.
    fn process(&self) -> u64 {
        self.program.seed ^ u64::from(self.pid).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

impl Default for Postfix {
    fn default() -> Self {
        Self::new()
    }
}

impl Postfix {
    /// Before the first line.
    pub(crate) fn new() -> Self {
        Self {
            programs: Programs::default(),
            hosts: Hosts::default(),
            messages: Recent::new(MOST_MESSAGES),
            removed: Ledger::new(MOST_REMOVED),
            servers: Recent::new(MOST_PROCESSES),
            clients: Recent::new(MOST_PROCESSES),
            held: BTreeMap::new(),
            proofs: Proofs::default(),
            ciphers: Ciphers::default(),
            domain: Vec::new(),
            spare: Vec::new(),
        }
    }
}

impl Postfix {
    /// One line that was not prepared.
    fn line(&mut self, line: &[u8], stamps: &mut Stamps, place: Place, out: &mut dyn Sink) {
        let line = match split(line, stamps) {
            Ok(line) => line,
            Err(_) if is_no_entry(line) => return,
            Err(LineFault::Time) => return out.reject(RejectReason::TimeUnreadable, place, line),
            Err(LineFault::Shape) => return out.reject(RejectReason::LineUnreadable, place, line),
        };
        let Some(program) = self.programs.find(&line.host, &line.program) else { return };
        let program = Arc::clone(&program.program);
        let host = self.hosts.enter(&program);
        let copy = self.hosts.saw(host, line.time_ms, place.file);
        let mut deliveries = Deliveries::default();
        let said = Said::parse(&program, &line.text, &mut deliveries);
        let Line { time_ms, pid, .. } = line;
        let event = Event { time_ms, program: &program, host, pid, copy, place };
        self.event(&event, &said, &deliveries, out);
    }

    fn event(
        &mut self,
        event: &Event<'_>,
        said: &Said<'_>,
        deliveries: &Deliveries<'_>,
        out: &mut dyn Sink,
    ) {
        match said {
            Said::Nothing => {}
            Said::Server(said) => self.server(event, said, out),
            Said::Cleanup(said) => self.cleanup(event, said, out),
            Said::Queue(said) => self.queue(event, said, out),
            Said::Pickup(id) => self.pickup(event, *id),
            Said::Client(said) => self.client(event, said, deliveries, out),
            Said::Inside(id, at) => {
                if let Some(delivery) = deliveries.get(*at) {
                    self.inside(event, *id, delivery, out);
                }
            }
            Said::Proxy(said) => self.tls_proxy(said),
        }
    }
}

impl Follow for Postfix {
    type Preparer = Preparer;

    fn follow(
        &mut self,
        prepared: &Prepared,
        stamps: &mut Stamps,
        before: Place,
        out: &mut dyn Sink,
    ) -> u64 {
        let lines = prepared.lines();
        let mut head: Option<(u32, Option<i64>)> = None;
        let mut hosts = vec![None; lines.programs.len()];
        for entry in &lines.entries {
            let place = Place { line: before.line + u64::from(entry.number), ..before };
            let base_ms = match head {
                Some((held, base_ms)) if held == entry.head => base_ms,
                _ => {
                    let base_ms = lines.head(entry).and_then(|head| stamps.instant_ms(head));
                    head = Some((entry.head, base_ms));
                    base_ms
                }
            };
            let Some(base_ms) = base_ms else {
                // What this changes in the stamps is not known here.
                head = None;
                self.line(lines.line(entry), stamps, place, out);
                continue;
            };
            let Some((index, program)) = lines.program(entry) else { continue };
            let Some(host) = hosts.get_mut(index) else { continue };
            let host = *host.get_or_insert_with(|| self.hosts.enter(program));
            let time_ms = base_ms + i64::from(entry.within_ms);
            let copy = self.hosts.saw(host, time_ms, place.file);
            let event = Event { time_ms, program, host, pid: entry.pid, copy, place };
            self.event(&event, &entry.said, &lines.deliveries, out);
        }
        lines.count
    }

    fn end(&mut self, out: &mut dyn Sink) {
        let mut held: Vec<(u64, Place)> = std::mem::take(&mut self.held).into_iter().collect();
        held.sort_unstable_by_key(|(_, place)| *place);
        for (key, place) in held {
            self.accept(key, place, out);
        }
        self.proofs.end(out);
    }

    fn leave(&self) -> Option<Vec<u8>> {
        left::leave(self)
    }

    fn resume(&mut self, left: &[u8]) -> bool {
        left::resume(self, left)
    }
}

/// Lines that syslog daemons and `journalctl` write about themselves, and blank ones.
fn is_no_entry(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"-- ") {
        return true;
    }
    let stamp = if line.first().is_some_and(u8::is_ascii_digit) {
        memchr::memchr(b' ', line).map_or(line.len(), |end| end + 1)
    } else {
        16
    };
    let text = line.get(stamp..).unwrap_or_default();
    let behind_host = memchr::memchr(b' ', text).and_then(|end| text.get(end + 1..));
    [Some(text), behind_host].into_iter().flatten().any(|text| {
        text.starts_with(b"last message repeated ")
            || text.starts_with(b"message repeated ")
            || text.starts_with(b"-- MARK --")
            || text.starts_with(b"syslogd ")
    })
}

/// Names of ciphers, each held once.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Ciphers {
    names: Vec<Box<[u8]>>,
}

impl Ciphers {
    /// The number of a name; 0 = none, as for names that are too long or too many.
    fn number(&mut self, name: &[u8]) -> u16 {
        let known = self.names.iter().position(|held| **held == *name);
        let index = known.or_else(|| {
            let new = !name.is_empty() && name.len() <= LONGEST_CIPHER;
            (new && self.names.len() < MOST_CIPHERS).then(|| {
                self.names.push(name.into());
                self.names.len() - 1
            })
        });
        index.and_then(|index| u16::try_from(index + 1).ok()).unwrap_or(0)
    }

    fn name(&self, number: u16) -> &[u8] {
        let index = usize::from(number).checked_sub(1);
        index.and_then(|index| self.names.get(index)).map_or(&[], |name| name)
    }
}

#[cfg(test)]
mod tests;
