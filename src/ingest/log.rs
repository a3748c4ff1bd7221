//! Logs of mail servers: lines -> mails, session by session.
//!
//! | in | out |
//! |---|---|
//! | lines of all files of one kind, in order of time | [`Mail`]s and rejects to a [`Sink`] |
//!
//! A row of a log source is a record: one acceptance, one delivery, or a line that could not
//! be read. Lines that tell of no mail are no rows. Invariants: bounded state whatever the
//! log holds; no line makes a reader fail; sender-chosen text is never taken for a fact.

#[cfg(test)]
mod cuts;
mod detect;
mod ends;
mod exchange;
mod exim;
pub(crate) mod fields;
#[cfg(test)]
mod harness;
mod left;
mod mapping;
mod opensmtpd;
mod postfix;
mod recent;
mod rows;
mod sendmail;
pub(super) mod stamp;
mod stream;
mod syslog;
mod turn;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

pub(super) use self::detect::{LogStart, detect, start};
pub use self::left::{Left, LeftFile};
pub use self::mapping::{Connectors, Rule};
pub(super) use self::stream::run;

use self::stamp::Stamps;
use crate::ingest::abreast::Abreast;
use crate::ingest::blocks::Buffer;
use crate::trace::{Direction, RejectReason, Tls};

/// Where a line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Which file of the stream, in their order.
    pub file: u32,
    /// Line of the file, from 1.
    pub line: u64,
}

/// What a log says about the protection of one mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Protection {
    /// The log says it.
    Known(Tls),
    /// The log has no TLS line for it: No TLS if the logger with this number is known to log
    /// TLS (see [`Sink::proves`]) anywhere in the stream, else unknown.
    NoLine(u64),
}

/// One mail that was accepted or handed over, as a log tells it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mail<'a> {
    /// Milliseconds since 1970 UTC.
    pub time_ms: i64,
    /// Which way; internal for hops inside the organisation.
    pub direction: Direction,
    /// Connector: service, listener or transport. Empty = none.
    pub connector: &'a [u8],
    /// Whether TLS was forced, where the log says so.
    pub forced_tls: Option<bool>,
    /// Protection.
    pub tls: Protection,
    /// Cipher as logged; empty = not logged.
    pub cipher: &'a [u8],
    /// Whom to contact: the remote host of outbound mail, the sender's domain (or client
    /// host) of inbound mail. Empty = not logged.
    pub peer: &'a [u8],
    /// Name and address of this side's client or server, for mapping to connector names:
    /// the remote host name as logged, without address. Empty = not logged.
    pub remote_host: &'a [u8],
    /// The remote IP address as logged, without brackets and port. Empty = not logged.
    pub remote_address: &'a [u8],
    /// Domain of the recipient (outbound) or of the sender (inbound). Empty = not logged.
    pub domain: &'a [u8],
    /// Identity: see [`identity`]. Equal for all rows of one message in one direction.
    pub key: u64,
    /// The line that says so.
    pub place: Place,
}

/// Takes in what a reader finds.
pub(crate) trait Sink {
    /// One mail; one row of its file.
    fn mail(&mut self, mail: &Mail<'_>);
    /// A line that could not be used; one row of its file.
    fn reject(&mut self, reason: RejectReason, place: Place, found: &[u8]);
    /// The log shows that this logger (host and daemon, by a number of the reader's choice)
    /// writes TLS lines.
    fn proves(&mut self, logger: u64);
}

/// Reads the lines of one kind of log.
pub(crate) trait Reader {
    /// One line, without its end.
    fn line(&mut self, line: &[u8], stamps: &mut Stamps, place: Place, out: &mut dyn Sink);
    /// The end of all lines: what is still open is decided now.
    fn end(&mut self, out: &mut dyn Sink);
    /// All that is remembered of the lines so far; none where that cannot be kept.
    fn leave(&self) -> Option<Vec<u8>>;
    /// Goes on where a reader like this one left; says whether that can be.
    fn resume(&mut self, left: &[u8]) -> bool;
}

/// Follows the lines of one kind of log, block after block.
pub(crate) trait Follow: Send {
    /// What is done with a block beforehand.
    type Preparer: Prepare;
    /// The next block of a file, of which `before` is the last line before it. Gives the number
    /// of its lines.
    fn follow(
        &mut self,
        prepared: &<Self::Preparer as Prepare>::Prepared,
        stamps: &mut Stamps,
        before: Place,
        out: &mut dyn Sink,
    ) -> u64;
    /// The end of all lines: what is still open is decided now.
    fn end(&mut self, out: &mut dyn Sink);
    /// All that is remembered of the lines so far; none where that cannot be kept.
    fn leave(&self) -> Option<Vec<u8>> {
        None
    }
    /// Goes on where one like this left; says whether that can be.
    fn resume(&mut self, _left: &[u8]) -> bool {
        false
    }
}

/// Finds out what lines say by themselves; each thread has one of its own.
pub(crate) trait Prepare: Default + Send {
    /// A block, and what was found out of it.
    type Prepared: Send;
    /// Looks at a block of whole lines, and goes on with what is done abreast.
    fn prepare(&mut self, text: Buffer, abreast: &Abreast<'_>) -> Self::Prepared;
}

/// Follows lines with a reader to which a line says nothing by itself.
pub(crate) struct ByLine<R: ?Sized>(pub Box<R>);

/// Prepares nothing.
#[derive(Debug, Default)]
pub(crate) struct Unprepared;

impl Prepare for Unprepared {
    type Prepared = Buffer;

    fn prepare(&mut self, text: Buffer, _: &Abreast<'_>) -> Buffer {
        text
    }
}

impl<R: Reader + Send + ?Sized> Follow for ByLine<R> {
    type Preparer = Unprepared;

    fn follow(
        &mut self,
        text: &Buffer,
        stamps: &mut Stamps,
        before: Place,
        out: &mut dyn Sink,
    ) -> u64 {
        each_line(text, |number, _, line| {
            let place = Place { line: before.line + u64::from(number), ..before };
            self.0.line(line, stamps, place, out);
        })
    }

    fn end(&mut self, out: &mut dyn Sink) {
        self.0.end(out);
    }

    fn leave(&self) -> Option<Vec<u8>> {
        self.0.leave()
    }

    fn resume(&mut self, left: &[u8]) -> bool {
        self.0.resume(left)
    }
}

/// Calls `each` with the lines of a block that are not empty, without their ends: number from
/// 1, start, line. Gives the number of all lines.
pub(crate) fn each_line<'a>(text: &'a [u8], mut each: impl FnMut(u32, usize, &'a [u8])) -> u64 {
    if text.is_empty() {
        return 0;
    }
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let (mut start, mut number) = (0, 0_u32);
    for end in memchr::memchr_iter(b'\n', text).chain([text.len()]) {
        let line = text.get(start..end).unwrap_or_default();
        number += 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty() {
            each(number, start, line);
        }
        start = end + 1;
    }
    u64::from(number)
}

/// Hash of the parts of an identity, such as host, instance, queue id and time of arrival.
pub(crate) fn identity(parts: &[&[u8]]) -> u64 {
    // Nearly all are short, and hashed in one piece at a fraction of the cost.
    let mut whole = [0_u8; 128];
    let mut filled = 0;
    for byte_run in parts.iter().flat_map(|part| [*part, b"\x1f"]) {
        let Some(room) = whole.get_mut(filled..filled + byte_run.len()) else {
            return long_identity(parts);
        };
        room.copy_from_slice(byte_run);
        filled += byte_run.len();
    }
    xxh3_64(whole.get(..filled).unwrap_or_default())
}

fn long_identity(parts: &[&[u8]]) -> u64 {
    let mut hasher = Xxh3::new();
    for part in parts {
        hasher.update(part);
        hasher.update(&[0x1f]);
    }
    hasher.digest()
}

/// The band of a protocol version as servers log it (`TLSv1.2`, `TLS1.3`, `TLSv1/SSLv3`).
pub(crate) fn band(version: &[u8]) -> Option<Tls> {
    match version {
        b"TLSv1.3" | b"TLS1.3" => Some(Tls::Tls1_3),
        b"TLSv1.2" | b"TLS1.2" => Some(Tls::Tls1_2),
        _ => crate::ingest::spelling::tls(std::str::from_utf8(version).ok()?),
    }
}
