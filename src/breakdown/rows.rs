//! Rows as they are kept until all of a reading are there: packed, in parts by identity, and
//! beyond a bound set aside on the disk.
//!
//! | step | shape |
//! |---|---|
//! | canonical rows of a block | [`Entry`]s |
//! | [`Batch`] | the same in 16 bytes each, or 28, those of each part together |
//! | [`Store`] | batches, and [`Section`](store)s of the scratch file |
//!
//! All rows of one message have one identity and so are in one part. An identity is a hash:
//! its first bits are the number of its part.

mod desk;
mod store;

use std::ops::Range;

use polars::prelude::PolarsResult;

pub(super) use self::desk::Desk;
pub(super) use self::store::{Kept, Store};
use crate::trace::{
    Block, Direction, Extent, NO_NAME, Role, Row, Tls, code_to_number, number_to_code,
};

/// Rows are put into at most two to this power of parts.
pub(super) const MOST_BITS: u32 = 10;

/// Some identities: those whose first bits are a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    index: usize,
    bits: u32,
}

impl Part {
    /// The parts that identities have by so many of their first bits, at most 32.
    pub fn all(bits: u32) -> impl Iterator<Item = Self> {
        (0..1_usize << bits).map(move |index| Self { index, bits })
    }

    /// The parts by `bits` that it is made of; itself where they are larger.
    pub(super) fn split(self, bits: u32) -> impl Iterator<Item = Self> {
        let bits = bits.max(self.bits);
        self.among(bits).map(move |index| Self { index, bits })
    }

    /// By how many bits it is told.
    pub(super) fn bits(self) -> u32 {
        self.bits
    }

    /// One of them.
    pub(super) fn new(index: usize, bits: u32) -> Self {
        Self { index, bits }
    }

    /// Says whether an identity belongs to it.
    pub fn holds(self, key: u64) -> bool {
        place(key, self.bits) == self.index
    }

    /// Which parts by `bits` hold identities of it.
    pub fn among(self, bits: u32) -> Range<usize> {
        if bits < self.bits {
            let at = self.index >> (self.bits - bits);
            return at..at + 1;
        }
        let finer = bits - self.bits;
        self.index << finer..(self.index + 1) << finer
    }

    /// Says whether parts by `bits` hold other identities, too.
    pub fn is_finer(self, bits: u32) -> bool {
        self.bits > bits
    }
}

/// Number of the part by `bits` that holds an identity.
fn place(key: u64, bits: u32) -> usize {
    // Shifted twice: by 64 bits at once is not defined.
    usize::try_from(key >> 32 >> (32 - bits)).unwrap_or(0)
}

/// How many bits make parts of about `rows_each` of so many rows, `most` at most.
pub(super) fn bits_for(rows: u64, rows_each: u64, most: u32) -> u32 {
    (rows / rows_each.max(1)).checked_ilog2().unwrap_or(0).min(most)
}

/// A row as it is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    key_high: u32,
    key_low: u32,
    /// Seconds since 1970 UTC.
    time: u32,
    /// File (23 bits), direction, band and role (two, three and four bits).
    file_and_class: u32,
    connector: u32,
    remote: u32,
    peer: u32,
}

const CLASS_BITS: u32 = 9;
const CLASS: u32 = (1 << CLASS_BITS) - 1;

impl Entry {
    /// Packs a canonical row.
    pub(super) fn new(row: &Row, file: u32) -> Self {
        let role = row.role as u32;
        let class = (row.direction as u32) << 7 | (row.tls as u32) << 4 | role;
        Self {
            key_high: high(row.message_key),
            key_low: low(row.message_key),
            time: u32::try_from(row.time_ms.div_euclid(1000)).unwrap_or(0),
            file_and_class: file << CLASS_BITS | class,
            connector: row.connector,
            remote: row.remote,
            peer: row.peer,
        }
    }

    /// An entry as it was kept. `place` is its file and class, `names` its connector and peer.
    pub(super) fn of_parts(
        key: u64,
        time: u32,
        place: (u32, u32),
        remote: u32,
        names: (u32, u32),
    ) -> Self {
        Self {
            key_high: high(key),
            key_low: low(key),
            time,
            file_and_class: place.0 << CLASS_BITS | place.1 & CLASS,
            connector: names.0,
            remote,
            peer: names.1,
        }
    }

    /// The entry with other codes for its names.
    pub(super) fn renamed(&self, code: impl Fn(u32) -> u32) -> Self {
        Self { connector: code(self.connector), peer: code(self.peer), ..*self }
    }

    /// The entry as one of another file.
    pub(super) fn in_file(&self, file: u32) -> Self {
        Self { file_and_class: file << CLASS_BITS | self.file_and_class & CLASS, ..*self }
    }

    pub(super) fn time(&self) -> u32 {
        self.time
    }

    /// Direction, band and role as they are packed.
    pub(super) fn class(&self) -> u32 {
        self.file_and_class & CLASS
    }

    pub(super) fn connector(&self) -> u32 {
        self.connector
    }

    pub(super) fn remote(&self) -> u32 {
        self.remote
    }

    pub(super) fn peer(&self) -> u32 {
        self.peer
    }

    pub(super) fn key(&self) -> u64 {
        u64::from(self.key_high) << 32 | u64::from(self.key_low)
    }

    pub(super) fn direction(&self) -> Direction {
        Direction::ALL
            .get((self.file_and_class >> 7 & 3) as usize)
            .copied()
            .unwrap_or(Direction::Internal)
    }

    pub(super) fn tls(&self) -> Tls {
        Tls::ALL.get((self.file_and_class >> 4 & 7) as usize).copied().unwrap_or(Tls::Unknown)
    }

    pub(super) fn role(&self) -> Role {
        Role::ALL.get((self.file_and_class & 15) as usize).copied().unwrap_or(Role::Event)
    }

    pub(super) fn file(&self) -> u32 {
        self.file_and_class >> CLASS_BITS
    }
}

fn high(key: u64) -> u32 {
    low(key >> 32)
}

fn low(key: u64) -> u32 {
    u32::try_from(key & u64::from(u32::MAX)).unwrap_or(0)
}

/// How the columns of one batch are packed into one number beside the identity: each has as
/// many bits as its largest value needs. A name that is absent is 0, others follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    /// The earliest time, from which all are counted.
    start: u32,
    /// Bits of time, connector, remote domain and remote server.
    widths: [u8; 4],
}

/// A row in 16 bytes: its identity, and all else as its [`Layout`] says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Slim {
    key: u64,
    rest: u64,
}

/// Bits that a number needs.
fn width(number: u32) -> u8 {
    u8::try_from(u32::BITS - number.leading_zeros()).unwrap_or(u8::MAX)
}

impl Layout {
    /// The layout of these rows; `None` where it needs more than 64 bits.
    fn of(rows: &[Entry]) -> Option<Self> {
        let (mut start, mut end) = (u32::MAX, 0);
        let (mut connectors, mut peers, mut remotes) = (0, 0, 0);
        for row in rows {
            start = start.min(row.time);
            end = end.max(row.time);
            connectors |= code_to_number(row.connector);
            peers |= code_to_number(row.peer);
            remotes |= row.remote;
        }
        Self::within((start, end), [connectors, peers, remotes])
    }

    /// The layout of rows of this extent; `None` where it needs more than 64 bits, or a time is
    /// none that an entry has.
    fn of_extent(extent: &Extent) -> Option<Self> {
        let Extent { times_ms: (first, last), connectors, peers, remotes } = *extent;
        let seconds = |time_ms: i64| u32::try_from(time_ms.div_euclid(1000)).ok();
        Self::within((seconds(first)?, seconds(last)?), [connectors, peers, remotes])
    }

    fn within((start, end): (u32, u32), [connectors, peers, remotes]: [u32; 3]) -> Option<Self> {
        let largest = [end.saturating_sub(start), connectors, peers, remotes];
        let widths = largest.map(width);
        let bits = CLASS_BITS + widths.iter().map(|width| u32::from(*width)).sum::<u32>();
        (bits <= u64::BITS).then_some(Self { start, widths })
    }

    fn pack(self, row: &Entry) -> Slim {
        let [_, connector, peer, remote] = self.widths;
        let head = u64::from(row.time.wrapping_sub(self.start)) << CLASS_BITS
            | u64::from(row.file_and_class & CLASS);
        let rest = head << connector | u64::from(code_to_number(row.connector));
        let rest = rest << peer | u64::from(code_to_number(row.peer));
        Slim { key: row.key(), rest: rest << remote | u64::from(row.remote) }
    }

    // Inline, so that the entry is made where it is put: to copy what was just written field by
    // field is slow.
    #[inline]
    fn unpack(self, slim: Slim, file: u32) -> Entry {
        let mut rest = slim.rest;
        let mut take = |width: u32| {
            let value = low(rest & ((1 << width) - 1));
            rest >>= width;
            value
        };
        let [time, connector, peer, remote] = self.widths.map(u32::from);
        let remote = take(remote);
        let peer = take(peer);
        let connector = take(connector);
        let class = take(CLASS_BITS);
        Entry {
            key_high: high(slim.key),
            key_low: low(slim.key),
            time: take(time).wrapping_add(self.start),
            file_and_class: file << CLASS_BITS | class,
            connector: number_to_code(connector),
            remote,
            peer: number_to_code(peer),
        }
    }
}

/// Rows, packed where they can be.
#[derive(Debug)]
enum Packed {
    Slim(Layout, Box<[Slim]>),
    Whole(Box<[Entry]>),
}

/// Whence rows came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// They were read, and are what they are; their log was left so many times before them.
    Read(u8),
    /// They were read at the end of a log that may go on.
    Open,
    /// They were kept of an earlier reading.
    Kept,
}

/// The rows of one block, those of each part together.
#[derive(Debug)]
pub(super) struct Batch {
    /// The file that they stand in, and whence they came.
    file: u32,
    origin: Origin,
    rows: Packed,
    /// Where each part ends.
    ends: Box<[u32]>,
}

impl Batch {
    /// Puts the rows of a file into the order of their parts.
    pub(super) fn new(file: u32, rows: &[Entry]) -> Self {
        if let Some(layout) = Layout::of(rows) {
            let rows: Vec<Slim> = rows.iter().map(|row| layout.pack(row)).collect();
            return Self::slim(file, layout, &rows);
        }
        let (rows, ends) = in_parts(rows, Entry::key);
        Self { file, origin: Origin::Read(0), rows: Packed::Whole(rows), ends }
    }

    fn slim(file: u32, layout: Layout, rows: &[Slim]) -> Self {
        let (rows, ends) = in_parts(rows, |row| row.key);
        Self { file, origin: Origin::Read(0), rows: Packed::Slim(layout, rows), ends }
    }

    /// The rows of a frame, each of which `each` gets, too.
    ///
    /// # Errors
    /// As [`Block::for_each`].
    pub(super) fn of_frame(block: &Block, each: impl FnMut(&Row)) -> PolarsResult<Self> {
        let file = block.file;
        Ok(match Layout::of_extent(&block.extent()?) {
            Some(layout) => {
                let rows = rows_of(block, each, |entry| layout.pack(&entry))?;
                Self::slim(file, layout, &rows)
            }
            None => Self::new(file, &rows_of(block, each, |entry| entry)?),
        })
    }

    /// The batch as one of other rows.
    pub(super) fn from(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }

    /// Number of its rows.
    fn len(&self) -> usize {
        match &self.rows {
            Packed::Slim(_, rows) => rows.len(),
            Packed::Whole(rows) => rows.len(),
        }
    }

    /// Bytes that it takes.
    fn bytes(&self) -> usize {
        let rows = match &self.rows {
            Packed::Slim(_, rows) => size_of_val(&**rows),
            Packed::Whole(rows) => size_of_val(&**rows),
        };
        size_of::<Self>() + rows + size_of_val(&*self.ends)
    }

    /// Which of its rows may belong to a part, and whether all of them do.
    fn range(&self, part: Part) -> (Range<usize>, bool) {
        let bits = self.ends.len().ilog2();
        let end = |index: usize| self.ends.get(index).map_or(0, |end| *end as usize);
        let parts = part.among(bits);
        let start = parts.start.checked_sub(1).map_or(0, end);
        (start..end(parts.end - 1), !part.is_finer(bits))
    }

    /// Adds its rows of a part.
    fn read(&self, part: Part, into: &mut Vec<Entry>) {
        let (range, all) = self.range(part);
        match &self.rows {
            Packed::Slim(layout, rows) => {
                let rows = rows.get(range).unwrap_or_default().iter();
                let unpack = |row: &Slim| layout.unpack(*row, self.file);
                if all {
                    into.extend(rows.map(unpack));
                } else {
                    into.extend(rows.filter(|row| part.holds(row.key)).map(unpack));
                }
            }
            Packed::Whole(rows) => {
                let rows = rows.get(range).unwrap_or_default();
                into.extend(rows.iter().filter(|row| all || part.holds(row.key())));
            }
        }
    }
}

/// The rows of a frame as `pack` makes them.
fn rows_of<T>(
    block: &Block,
    mut each: impl FnMut(&Row),
    pack: impl Fn(Entry) -> T,
) -> PolarsResult<Vec<T>> {
    let mut rows = Vec::with_capacity(block.frame.height());
    block.for_each(|row| {
        rows.push(pack(Entry::new(&row, block.file)));
        each(&row);
    })?;
    Ok(rows)
}

/// Rows in the order of their parts, and where each part ends.
fn in_parts<T: Copy + Default>(rows: &[T], key: impl Fn(&T) -> u64) -> (Box<[T]>, Box<[u32]>) {
    let bits = bits_for(rows.len() as u64, 8, MOST_BITS);
    let part = |row: &T| place(key(row), bits);
    let mut next = vec![0_u32; 1 << bits].into_boxed_slice();
    for row in rows {
        next[part(row)] += 1;
    }
    let mut sum = 0;
    for slot in &mut next {
        sum += std::mem::replace(slot, sum);
    }
    let mut sorted = vec![T::default(); rows.len()].into_boxed_slice();
    for row in rows {
        let slot = &mut next[part(row)];
        sorted[*slot as usize] = *row;
        *slot += 1;
    }
    (sorted, next)
}

impl Default for Entry {
    fn default() -> Self {
        Self::of_parts(0, 0, (0, 0), 0, (NO_NAME, NO_NAME))
    }
}
