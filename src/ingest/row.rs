//! Rows of a table on their way into the canonical trace.
//!
//! A mapper reads [`Cells`] by column position and pushes into an [`Output`]. Mapping never
//! fails: a row is pushed, or counted as a reject with its line and reason. Only what makes
//! the whole file unusable is a [`Fault`].

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::ingest::columns::{Columns, Field};
use crate::ingest::log::Connectors;
use crate::ingest::memo::{CodeMemo, Lately};
use crate::ingest::spelling;
use crate::ingest::time::{DateMemo, TimeFault, TimeReader};
use crate::ingest::tls_rpt::TlsReport;
use crate::trace::{
    Aggregate, BlockBuilder, ConnectorType, Direction, Kind, NO_NAME, Names, RejectReason, Rejects,
    Tls, Unit,
};

/// The cells of one row.
pub(super) trait Cells {
    /// The bytes of a column, unquoted; empty where the row has none. They are UTF-8.
    fn bytes(&self, column: usize) -> Cow<'_, [u8]>;

    /// The bytes from one column up to another as they are written, with all between them, where
    /// the row has them at hand: equal ones hold equal cells.
    fn span(&self, _first: usize, _last: usize) -> Option<&[u8]> {
        None
    }

    /// The text of a column.
    fn cell(&self, column: usize) -> Cow<'_, str> {
        match self.bytes(column) {
            Cow::Borrowed(bytes) => Cow::Borrowed(simdutf8::basic::from_utf8(bytes).unwrap_or("")),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8(bytes).unwrap_or_default()),
        }
    }
}

impl Cells for [String] {
    fn bytes(&self, column: usize) -> Cow<'_, [u8]> {
        self.get(column).map_or(Cow::Borrowed(b""), |cell| Cow::Borrowed(cell.as_bytes()))
    }
}

/// Which column tells one message from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Identity {
    /// The id that the service gave, else the Message-ID header.
    NetworkId,
    /// The Message-ID header, because some other file has nothing else.
    MessageId,
    /// None: every row is a message.
    None,
}

/// What makes a whole file unusable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// Day and month of a date could be either way round.
    DayOrder {
        /// Line of the date.
        line: u64,
        /// The date.
        found: String,
    },
    /// An aggregate row does not say its direction.
    LabelWithoutDirection {
        /// Line of the label.
        line: u64,
        /// The label.
        found: String,
    },
}

impl Fault {
    /// The fault with its line counted from further above.
    pub(super) fn moved_down(mut self, lines: u64) -> Self {
        match &mut self {
            Self::DayOrder { line, .. } | Self::LabelWithoutDirection { line, .. } => {
                *line += lines;
            }
        }
        self
    }
}

/// How the rows of one file are to be read.
#[derive(Debug, Clone)]
pub(super) struct Context {
    /// Index into the list of input files.
    pub file: u32,
    /// Kind of the file.
    pub kind: Kind,
    /// Its columns.
    pub columns: Columns,
    /// How its times are read.
    pub times: TimeReader,
    /// Direction of rows that do not say.
    pub direction: Option<Direction>,
    /// Which column identifies a message.
    pub identity: Identity,
    /// What is counted.
    pub unit: Unit,
    /// First and last column of those that most rows repeat together, where they stand side by
    /// side.
    pub repeated: Option<(usize, usize)>,
    /// Names shared by all files.
    pub names: Names,
    /// Names of connectors for logs.
    pub connectors: Arc<Connectors>,
}

/// What the rows of one part of a file gave.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// Canonical rows.
    pub rows: BlockBuilder,
    /// Aggregate rows.
    pub aggregates: Vec<Aggregate>,
    /// Rows that could not be used.
    pub rejects: Rejects,
    /// Lines of the block, used or not; lines of rejects and faults count from its first.
    pub lines: u64,
    /// Rows read, whether used or not.
    pub rows_read: u64,
    /// Earliest and latest time or date, milliseconds since 1970.
    pub span_ms: Option<(i64, i64)>,
    /// Whether any row carried a TLS version.
    pub saw_tls: bool,
    /// Rows whose bytes were not UTF-8 and were read as Windows-1252.
    pub windows_1252: u64,
    /// The first thing that makes the whole file unusable.
    pub fault: Option<Fault>,
    /// Words of this part and what they mean: most rows repeat them.
    pub memos: Memos,
}

impl Memos {
    /// What of them holds for every file: codes of names are shared by all.
    pub(super) fn of_all_files(self) -> Self {
        Self { connector: self.connector, peer: self.peer, ..Self::default() }
    }
}

/// What the cells of a row say that most rows repeat together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Said {
    /// Which way.
    pub direction: Direction,
    /// Code of the connector.
    pub connector: u32,
    /// Its type.
    pub connector_type: ConnectorType,
    /// Whether it forces TLS.
    pub forced_tls: Option<bool>,
    /// TLS band.
    pub tls: Tls,
    /// Code of the cipher.
    pub cipher: u32,
}

/// Words and what they mean.
#[derive(Debug)]
pub(super) struct Memos {
    /// Cells that most rows repeat together.
    pub said: Lately<Said>,
    /// Directions.
    pub direction: Memo<Result<Direction, RejectReason>>,
    /// TLS spellings.
    pub tls: Memo<Option<Tls>>,
    /// Connector types.
    pub connector_type: Memo<ConnectorType>,
    /// Yes and no.
    pub yes_no: Memo<Option<bool>>,
    /// Connectors.
    pub connector: CodeMemo<10>,
    /// Remote domains.
    pub peer: CodeMemo<13>,
    /// The date read last.
    pub date: DateMemo,
}

impl Default for Memos {
    fn default() -> Self {
        Self {
            said: Lately::new(1 << 13),
            direction: Memo::default(),
            tls: Memo::default(),
            connector_type: Memo::default(),
            yes_no: Memo::default(),
            connector: CodeMemo::default(),
            peer: CodeMemo::default(),
            date: DateMemo::default(),
        }
    }
}

/// Remembers the meaning of the few words that a column repeats.
#[derive(Debug)]
pub(super) struct Memo<T> {
    known: Vec<(Vec<u8>, T)>,
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self { known: Vec::new() }
    }
}

impl<T: Copy> Memo<T> {
    /// More than a column of words has; others are read anew each time.
    const MOST: usize = 16;

    /// The meaning of a word, found out by `read` the first time.
    pub(super) fn get(&mut self, word: &[u8], read: impl FnOnce(&str) -> T) -> T {
        if let Some((_, meaning)) = self.known.iter().find(|(known, _)| known == word) {
            return *meaning;
        }
        let meaning = read(std::str::from_utf8(word).unwrap_or(""));
        if self.known.len() < Self::MOST {
            self.known.push((word.to_vec(), meaning));
        }
        meaning
    }
}

impl Output {
    /// What a file of TLS reports gave: a row per report.
    pub(super) fn of_reports(reports: &[TlsReport]) -> Self {
        let mut output = Self { rows_read: reports.len() as u64, ..Self::default() };
        for report in reports {
            output.saw_time(report.start.timestamp_millis());
            output.saw_time(report.end.timestamp_millis());
        }
        output
    }

    /// Counts a row that cannot be used.
    pub(super) fn reject(&mut self, reason: RejectReason, line: u64, found: &str) {
        self.rejects.add(reason, line, found);
    }

    /// Counts lines above the limit, which come before the others of their block.
    pub(super) fn skipped_lines(&mut self, lines: u64) {
        for _ in 0..lines {
            self.lines += 1;
            self.rows_read += 1;
            self.reject(RejectReason::LineTooLong, self.lines, "");
        }
    }

    /// Widens the span by one time.
    pub(super) fn saw_time(&mut self, time_ms: i64) {
        self.span_ms = Some(match self.span_ms {
            None => (time_ms, time_ms),
            Some((first, last)) => (first.min(time_ms), last.max(time_ms)),
        });
    }

    /// Counts the reject, or notes the fault, that an unreadable time is.
    pub(super) fn time_fault(&mut self, fault: TimeFault, line: u64, found: &str) {
        match fault {
            TimeFault::Unreadable => self.reject(RejectReason::TimeUnreadable, line, found),
            TimeFault::OutOfRange => self.reject(RejectReason::TimeOutOfRange, line, found),
            TimeFault::OrderUnknown => {
                self.fault.get_or_insert(Fault::DayOrder { line, found: found.to_owned() });
            }
        }
    }
}

impl Context {
    /// The text of a field; empty where the table has no such column.
    pub(super) fn text<'a, C: Cells + ?Sized>(&self, cells: &'a C, field: Field) -> Cow<'a, str> {
        self.columns.get(field).map_or(Cow::Borrowed(""), |column| cells.cell(column))
    }

    /// The bytes of a field; empty where the table has no such column.
    pub(super) fn bytes<'a, C: Cells + ?Sized>(&self, cells: &'a C, field: Field) -> Cow<'a, [u8]> {
        self.columns.get(field).map_or(Cow::Borrowed(b""), |column| cells.bytes(column))
    }

    /// The direction of a row, or why it has none.
    ///
    /// # Errors
    /// The reason to reject the row.
    pub(super) fn direction_of(&self, text: &str) -> Result<Direction, RejectReason> {
        let word = text.trim();
        if word.is_empty() || word.eq_ignore_ascii_case("undefined") {
            return self.direction.ok_or(RejectReason::DirectionMissing);
        }
        spelling::direction(word).ok_or(RejectReason::DirectionUnreadable)
    }

    /// Hash of the identity of a message, or `None` where the row has none.
    pub(super) fn message_key<C: Cells + ?Sized>(&self, cells: &C) -> Option<u64> {
        let network = || {
            let cell = self.bytes(cells, Field::NetworkId);
            let id = cell.trim_ascii();
            let id = id.strip_prefix(b"{").and_then(|id| id.strip_suffix(b"}")).unwrap_or(id);
            (!id.is_empty()).then(|| hash_lower(id))
        };
        let header = || {
            let cell = self.bytes(cells, Field::MessageId);
            let id = cell.trim_ascii();
            let id = id.strip_prefix(b"<").unwrap_or(id);
            let id = id.strip_suffix(b">").unwrap_or(id);
            (!id.is_empty()).then(|| xxh3_64(id))
        };
        match self.identity {
            Identity::NetworkId => network().or_else(header),
            Identity::MessageId => header().or_else(network),
            Identity::None => None,
        }
    }

    /// Hash of everything a row says, for rows without an identity.
    pub(super) fn content_key<C: Cells + ?Sized>(&self, cells: &C) -> u64 {
        let mut whole = String::new();
        for column in 0..self.columns.width() {
            whole.push_str(cells.cell(column).trim());
            whole.push('\u{1f}');
        }
        xxh3_64(whole.as_bytes())
    }

    /// As [`Context::code`] of the connector that a cell names: most rows repeat a few dozen.
    pub(super) fn connector_code(&self, cell: &[u8], out: &mut Output) -> u32 {
        out.memos.connector.code(cell, |text| self.code(spelling::connector(text)))
    }

    /// Calls `each` with the identity and remote domain of every recipient of a row, without
    /// repetition. The domain is that of the sender for inbound mail.
    pub(super) fn recipients<C: Cells + ?Sized>(
        &self,
        cells: &C,
        direction: Direction,
        memo: &mut CodeMemo<13>,
        mut each: impl FnMut(u32, u32),
    ) {
        let mut senders = NO_NAME;
        if direction == Direction::Inbound {
            self.peers(cells, direction, memo, |peer| senders = peer);
        }
        let cell = self.bytes(cells, Field::Recipient);
        let mut seen: Vec<u32> = Vec::new();
        for address in cell.split(|byte| *byte == b';') {
            let status = memchr::memmem::find(address, b"##").unwrap_or(address.len());
            let name = address.get(..status).unwrap_or_default().trim_ascii();
            let recipient = remote_key(&String::from_utf8_lossy(name));
            if recipient == 0 || seen.contains(&recipient) {
                continue;
            }
            seen.push(recipient);
            let peer = match direction {
                Direction::Inbound => senders,
                _ => end_of_address(address).map_or(NO_NAME, |end| self.peer(end, memo)),
            };
            each(recipient, peer);
        }
    }

    /// Code of a name, or [`NO_NAME`].
    pub(super) fn code(&self, name: Option<&str>) -> u32 {
        name.and_then(|name| self.names.code(name).ok()).unwrap_or(NO_NAME)
    }

    /// Calls `each` with the codes of the remote domains of a row, without repetition: the
    /// recipients' for outbound, the sender's for inbound mail.
    pub(super) fn peers<C: Cells + ?Sized>(
        &self,
        cells: &C,
        direction: Direction,
        memo: &mut CodeMemo<13>,
        mut each: impl FnMut(u32),
    ) {
        if self.columns.has(Field::Peer) {
            let named = self.text(cells, Field::Peer);
            if !named.trim().is_empty() {
                return each(self.code(Some(&named.trim().to_lowercase())));
            }
        }
        let field = match direction {
            Direction::Inbound => Field::Sender,
            Direction::Outbound => Field::Recipient,
            Direction::Internal => return,
        };
        let cell = self.bytes(cells, field);
        if let Some(end) = end_of_only(&cell) {
            let peer = self.peer(end, memo);
            if peer != NO_NAME {
                each(peer);
            }
            return;
        }
        let mut peers: Vec<u32> = Vec::new();
        for address in cell.split(|byte| *byte == b';') {
            let peer = end_of_address(address).map_or(NO_NAME, |end| self.peer(end, memo));
            if peer != NO_NAME && !peers.contains(&peer) {
                peers.push(peer);
                each(peer);
            }
        }
    }

    /// Code of the remote domain of an address that ends so behind its `@`, or [`NO_NAME`].
    fn peer(&self, end: &[u8], memo: &mut CodeMemo<13>) -> u32 {
        memo.code(end, |end| {
            let domain = domain(end.as_bytes());
            self.code(domain.as_deref().and_then(|domain| std::str::from_utf8(domain).ok()))
        })
    }
}

/// The identity of a remote server, for kinds where it belongs to that of the message.
pub(super) fn remote_key(host: &str) -> u32 {
    let host = host.trim();
    if host.is_empty() {
        return 0;
    }
    // The lower half of the hash; 0 means "not named".
    u32::try_from(hash_lower(host.as_bytes()) & u64::from(u32::MAX)).unwrap_or(1).max(1)
}

/// Hash of a text without regard to the case of its ASCII letters.
pub(super) fn hash_lower(text: &[u8]) -> u64 {
    let words = text.as_chunks::<8>().0.iter().chain(text.last_chunk());
    let raised = words.fold(0, |raised, word| raised | capitals(u64::from_le_bytes(*word)));
    // Most ids are long, and in small letters.
    if raised == 0 && text.len() >= 8 {
        return xxh3_64(text);
    }
    let mut lower = [0_u8; 64];
    match lower.get_mut(..text.len()) {
        Some(lower) => {
            lower.copy_from_slice(text);
            lower.make_ascii_lowercase();
            xxh3_64(lower)
        }
        None => xxh3_64(&text.to_ascii_lowercase()),
    }
}

/// So many times the same byte.
const fn each_byte(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The highest bit of every byte that is a capital ASCII letter.
const fn capitals(word: u64) -> u64 {
    let low = word & each_byte(0x7f);
    let from_a = low + each_byte(0x80 - b'A');
    let behind_z = low + each_byte(0x7f - b'Z');
    (from_a ^ behind_z) & !word & each_byte(0x80)
}

/// The highest bit of every byte that is this one.
const fn equal(word: u64, byte: u8) -> u64 {
    let word = word ^ each_byte(byte);
    !(((word & each_byte(0x7f)) + each_byte(0x7f)) | word | each_byte(0x7f))
}

/// Which bytes a domain is made of, and which of them are not as they are compared.
const PLAIN: u8 = 1;
const RAISED: u8 = 2;
const DOMAIN_BYTES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0_u8;
    loop {
        table[byte as usize] = match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' => PLAIN,
            b'A'..=b'Z' | 0x80..=0xff => PLAIN | RAISED,
            _ => 0,
        };
        if byte == u8::MAX {
            break table;
        }
        byte += 1;
    }
};

/// What stands behind the last `@` of a cell that holds one address without a status, as most do;
/// nothing where there is no `@`.
fn end_of_only(cell: &[u8]) -> Option<&[u8]> {
    let Some(last) = cell.last_chunk::<8>() else {
        let other = cell.iter().any(|byte| matches!(byte, b';' | b'#'));
        return (!other).then(|| end_of_address(cell).unwrap_or_default());
    };
    let (mut others, mut end) = (0, cell.len());
    let mut look = |start: usize, bytes: &[u8; 8]| {
        let word = u64::from_le_bytes(*bytes);
        others |= equal(word, b';') | equal(word, b'#');
        let at = equal(word, b'@');
        if at != 0 {
            end = start + 8 - at.leading_zeros() as usize / 8;
        }
    };
    for (index, bytes) in cell.as_chunks().0.iter().enumerate() {
        look(8 * index, bytes);
    }
    look(cell.len() - 8, last);
    if others == 0 { cell.get(end..) } else { None }
}

/// What stands behind the `@` of an address such as `name@example.com##Receive, Deliver`.
fn end_of_address(address: &[u8]) -> Option<&[u8]> {
    let status = memchr::memmem::find(address, b"##").unwrap_or(address.len());
    let address = address.get(..status)?;
    let at = memchr::memrchr(b'@', address)?;
    address.get(at + 1..)
}

/// The domain that an address ends with, in lower case.
fn domain(end: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut domain = end.trim_ascii();
    while let [rest @ .., b'>' | b'"' | b'.' | b'\''] = domain {
        domain = rest;
    }
    let (mut every, mut any) = (PLAIN, 0);
    for byte in domain {
        let class = DOMAIN_BYTES[usize::from(*byte)];
        every &= class;
        any |= class;
    }
    if domain.is_empty() || domain.len() > 253 || every & PLAIN == 0 {
        return None;
    }
    if any & RAISED == 0 {
        return Some(Cow::Borrowed(domain));
    }
    let text = std::str::from_utf8(domain).ok()?;
    Some(Cow::Owned(text.to_lowercase().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_of_addresses_as_exports_write_them() {
        let cases = [
            ("ana@Contoso.example", Some("contoso.example")),
            ("<ana@contoso.example>", Some("contoso.example")),
            ("\"Fname LName<fname.lname\"@domain.com##Receive, Fail", Some("domain.com")),
            (" ana@contoso.example##Receive, Deliver", Some("contoso.example")),
            ("nobody", None),
            ("a@", None),
            ("a@b c", None),
        ];
        for (address, expected) in cases {
            let address = address.as_bytes();
            let found = |end: Option<&[u8]>| Some(domain(end?)?.into_owned());
            let expected = expected.map(|domain| domain.as_bytes().to_vec());
            assert_eq!(found(end_of_address(address)), expected, "{address:?}");
            if let Some(end) = end_of_only(address) {
                assert_eq!(found(Some(end)), expected, "{address:?}");
            }
        }
    }

    #[test]
    fn the_end_of_an_address_is_found_wherever_its_mark_is() {
        for length in 0..40 {
            let plain = vec![b'a'; length];
            assert_eq!(end_of_only(&plain), Some(&b""[..]));
            for at in 0..length {
                for second in 0..=at {
                    let mut cell = plain.clone();
                    (cell[second], cell[at]) = (b'@', b'@');
                    assert_eq!(end_of_only(&cell), cell.get(at + 1..), "{length} {at}");
                    for other in *b";#" {
                        cell[second] = other;
                        assert_eq!(end_of_only(&cell), None, "{length} {at} {second}");
                    }
                }
            }
        }
    }

    #[test]
    fn identities_are_the_same_whatever_the_case_of_their_letters() {
        for byte in 0..=u8::MAX {
            for length in [1, 7, 8, 9, 36, 63, 64, 65, 200] {
                for at in [0, length / 2, length - 1] {
                    let mut text = vec![b'x'; length];
                    text[at] = byte;
                    let lower = xxh3_64(&text.to_ascii_lowercase());
                    assert_eq!(hash_lower(&text), lower, "{byte} {length} {at}");
                }
            }
        }
    }
}
