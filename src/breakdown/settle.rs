//! Which rows are messages, and which belong to a message that another row stands for.
//!
//! Rows are looked at one identity at a time:
//! 1. A message written inside (a submission) has no inbound acceptance, except through a
//!    connector: the organisation's own hubs accept it too.
//! 2. A row with a known band supersedes one of `unknown` of the same message and direction,
//!    unless both name a remote server and not the same.
//! 3. Each (direction, connector, band, remote server) that is left is one message, on the
//!    local day of its earliest row; its first row is counted, the others of that file are
//!    merged, those of other files are duplicates.
//! 4. Rows without an identity count as often as the file that holds most copies has them.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use polars::prelude::*;

use crate::breakdown::coverage::LocalDays;
use crate::breakdown::{Scope, SourceCounts};
use crate::period::Period;
use crate::trace::{Direction, NO_NAME, RejectReason, Rejects, Role, Row, Tls};

/// A row as kept until all rows are there: 28 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    key_high: u32,
    key_low: u32,
    /// Seconds since 1970 UTC.
    time: u32,
    /// File (24 bits), direction, band and role (two, three and three bits).
    file_and_class: u32,
    connector: u32,
    remote: u32,
    peer: u32,
}

impl Entry {
    /// Packs a canonical row.
    pub(super) fn new(row: &Row, file: u32) -> Self {
        let [h0, h1, h2, h3, l0, l1, l2, l3] = row.message_key.to_be_bytes();
        let role = row.role as u32;
        let class = (row.direction as u32) << 6 | (row.tls as u32) << 3 | role;
        Self {
            key_high: u32::from_be_bytes([h0, h1, h2, h3]),
            key_low: u32::from_be_bytes([l0, l1, l2, l3]),
            time: u32::try_from(row.time_ms.div_euclid(1000)).unwrap_or(0),
            file_and_class: file << 8 | class,
            connector: row.connector,
            remote: row.remote,
            peer: row.peer,
        }
    }

    /// The part that all rows of one message fall into.
    fn partition(&self) -> usize {
        self.key_high as usize % PARTITIONS
    }

    fn key(&self) -> u64 {
        u64::from(self.key_high) << 32 | u64::from(self.key_low)
    }

    fn direction(&self) -> Direction {
        Direction::ALL
            .get((self.file_and_class >> 6 & 3) as usize)
            .copied()
            .unwrap_or(Direction::Internal)
    }

    fn tls(&self) -> Tls {
        Tls::ALL.get((self.file_and_class >> 3 & 7) as usize).copied().unwrap_or(Tls::Unknown)
    }

    fn role(&self) -> Role {
        Role::ALL.get((self.file_and_class & 7) as usize).copied().unwrap_or(Role::Event)
    }

    fn file(&self) -> u32 {
        self.file_and_class >> 8
    }
}

/// Messages are settled apart by identity; more parts mean less memory at a time.
const PARTITIONS: usize = 512;

/// The rows of one block, those of each partition together.
#[derive(Debug)]
pub(super) struct Batch {
    entries: Box<[Entry]>,
    /// Where each partition ends.
    ends: Box<[u32]>,
}

impl Batch {
    /// Puts rows into the order of their partitions.
    pub(super) fn new(rows: &[Entry]) -> Self {
        let mut ends = vec![0_u32; PARTITIONS].into_boxed_slice();
        for row in rows {
            ends[row.partition()] += 1;
        }
        let mut sum = 0;
        for end in &mut ends {
            sum += *end;
            *end = sum;
        }
        // From the back, so that each partition fills towards its start.
        let mut next = ends.clone();
        let mut entries = rows.to_vec().into_boxed_slice();
        for row in rows {
            let slot = &mut next[row.partition()];
            *slot -= 1;
            entries[*slot as usize] = *row;
        }
        Self { entries, ends }
    }

    fn partition(&self, index: usize) -> &[Entry] {
        let end = |index: usize| self.ends.get(index).map_or(0, |end| *end as usize);
        let start = index.checked_sub(1).map_or(0, end);
        self.entries.get(start..end(index)).unwrap_or_default()
    }
}

/// What settling needs to know.
pub(super) struct Rules<'a> {
    /// Local day of every instant that occurs.
    pub days: &'a LocalDays,
    /// Whether a file has any row with a TLS version.
    pub saw_tls: &'a [bool],
    /// Whether the rows of a file may be used.
    pub usable: &'a (dyn Fn(u32) -> bool + Sync),
    /// The days that matter.
    pub(super) windows: Windows,
    /// Whether all codes are small enough for [`CellKey::pack`].
    pub(super) packs: bool,
}

/// The periods as ranges of days since 1970-01-01.
#[derive(Debug)]
pub(super) struct Windows {
    periods: Vec<Range<i32>>,
    /// The periods and the equal ones before them.
    needed: Vec<Range<i32>>,
    longest: Range<i32>,
}

impl Windows {
    /// The windows of a scope.
    pub(super) fn new(scope: &Scope) -> Self {
        let window = |period: &Period| period.from.to_epoch_days()..period.to.to_epoch_days();
        let before = scope.periods.iter().filter_map(Period::previous);
        Self {
            periods: scope.periods.iter().map(window).collect(),
            needed: scope.periods.iter().copied().chain(before).map(|p| window(&p)).collect(),
            longest: scope.longest().map_or(0..0, |period| window(&period)),
        }
    }
}

/// What messages are counted by. Grouping by one number is several times as fast as by five
/// columns, so the five are packed into one wherever they fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CellKey {
    day: i32,
    direction: u8,
    tls: u8,
    connector: u32,
    file: u32,
}

const FILE_BITS: u32 = 21;
const CONNECTOR_BITS: u32 = 22;
const NO_CONNECTOR: u64 = (1 << CONNECTOR_BITS) - 1;

/// Says whether every name and file has a code that [`CellKey::pack`] can hold.
pub(super) fn packs(names: usize, files: usize) -> bool {
    (names as u64) < NO_CONNECTOR && files < 1 << FILE_BITS
}

impl CellKey {
    /// Day (16 bits: up to the year 2149), direction, band, connector and file.
    fn pack(self) -> u64 {
        let connector = match self.connector {
            NO_NAME => NO_CONNECTOR,
            code => u64::from(code),
        };
        let day = u64::from(self.day.clamp(0, 0xffff).unsigned_abs());
        let head = day << 5 | u64::from(self.direction) << 3 | u64::from(self.tls);
        (head << CONNECTOR_BITS | connector) << FILE_BITS | u64::from(self.file)
    }

    fn unpack(key: u64) -> Self {
        let part = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        let byte = |value: u64| u8::try_from(value).unwrap_or(u8::MAX);
        let connector = key >> FILE_BITS & NO_CONNECTOR;
        let head = key >> (FILE_BITS + CONNECTOR_BITS);
        Self {
            day: i32::try_from(head >> 5).unwrap_or(i32::MAX),
            direction: byte(head >> 3 & 3),
            tls: byte(head & 7),
            connector: if connector == NO_CONNECTOR { NO_NAME } else { part(connector) },
            file: part(key & ((1 << FILE_BITS) - 1)),
        }
    }
}

/// Messages of one day, direction, connector, band and file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count {
    /// Local day since 1970-01-01.
    pub day: i32,
    /// Which way.
    pub direction: Direction,
    /// Code of the connector, or [`NO_NAME`].
    pub connector: u32,
    /// Band.
    pub tls: Tls,
    /// File for which the messages are counted.
    pub file: u32,
    /// How many.
    pub messages: u64,
}

/// Messages of one period and remote domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PeerCount {
    /// Index of the period.
    pub period: usize,
    /// Which way.
    pub direction: Direction,
    /// Code of the remote domain.
    pub peer: u32,
    /// Band.
    pub tls: Tls,
    /// How many.
    pub messages: u64,
}

/// Messages per period and remote domain.
pub(super) type PeerCounts = Vec<PeerCount>;

/// What settling gives.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// Messages, sums of the same key possibly in several items.
    pub cells: Vec<Count>,
    /// Remote domains, likewise.
    pub peers: PeerCounts,
    /// Where the rows of each file went.
    pub sources: Vec<SourceCounts>,
    /// Rows that turned out to be unusable.
    pub rejects: Vec<Rejects>,
}

/// Settles all partitions, several at a time.
///
/// # Errors
/// When polars refuses a frame, which would be a defect.
pub(super) fn settle(batches: &[Batch], rules: &Rules<'_>) -> PolarsResult<Settled> {
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let parts = std::thread::scope(|scope| {
        let work = || -> PolarsResult<Tally> {
            let mut tally = Tally::default();
            let mut rows = Vec::new();
            loop {
                let partition = next.fetch_add(1, Ordering::Relaxed);
                if partition >= PARTITIONS {
                    break;
                }
                let parts = batches.iter().map(|batch| batch.partition(partition));
                settle_partition(parts, &mut rows, rules, &mut tally);
                tally.fold(false, rules.packs)?;
            }
            tally.fold(true, rules.packs)?;
            Ok(tally)
        };
        let handles: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect::<PolarsResult<Vec<Tally>>>()
    })?;
    let mut whole = Settled::default();
    for part in parts {
        part.add_to(&mut whole)?;
    }
    Ok(whole)
}

fn settle_partition<'a>(
    parts: impl Iterator<Item = &'a [Entry]>,
    entries: &mut Vec<Entry>,
    rules: &Rules<'_>,
    tally: &mut Tally,
) {
    entries.clear();
    for part in parts {
        entries.extend(part.iter().filter(|entry| (rules.usable)(entry.file())));
    }
    // Most identities have one row: what is within them is put in order only where needed.
    entries.sort_unstable_by_key(Entry::key);
    for run in entries.chunk_by_mut(|a, b| a.key() == b.key()) {
        if run.len() > 1 {
            run.sort_unstable();
        }
        Run { rules, tally }.settle(run);
    }
}

/// The rows of one identity, sorted by time, then file.
struct Run<'a> {
    rules: &'a Rules<'a>,
    tally: &'a mut Tally,
}

impl Run<'_> {
    fn settle(&mut self, run: &[Entry]) {
        if let [only] = run
            && only.role() == Role::Message
            && only.direction() != Direction::Internal
        {
            // Most messages are one row: nothing to weigh.
            let message = Message::of(only, only.tls());
            self.count(&message, std::slice::from_ref(only), &[only.peer], 1);
            return;
        }
        if run.iter().any(|entry| entry.role() == Role::Anonymous) {
            return self.settle_anonymous(run);
        }
        let submitted = run.iter().any(|entry| entry.role() == Role::Submission);
        let is_message = |entry: &Entry| {
            let message = matches!(entry.role(), Role::Message | Role::MessageWithoutTls);
            let own_hop =
                submitted && entry.direction() == Direction::Inbound && entry.connector == NO_NAME;
            message && !own_hop && entry.direction() != Direction::Internal
        };
        let mut messages: Vec<Message> = Vec::new();
        for entry in run.iter().filter(|entry| is_message(entry)) {
            let message = Message::of(entry, self.band(entry));
            match messages.iter_mut().find(|held| held.same(&message)) {
                Some(held) => held.explicit |= message.explicit,
                None => messages.push(message),
            }
        }
        let (kept, superseded): (Vec<Message>, Vec<Message>) =
            messages.iter().partition(|message| !message.superseded_by(&messages));
        let mut left: Vec<Entry> = Vec::new();
        let mut rows_of: Vec<Vec<Entry>> = vec![Vec::new(); kept.len()];
        let mut peers_of: Vec<Vec<u32>> = vec![Vec::new(); kept.len()];
        for entry in run {
            let message = Message::of(entry, self.band(entry));
            let further = entry.role() == Role::FurtherPeer;
            let slot = kept.iter().position(|held| held.same(&message)).or_else(|| {
                let alike = |held: &Message| held.same(&Message { tls: held.tls, ..message });
                further.then(|| kept.iter().position(alike)).flatten()
            });
            match slot {
                Some(slot) if further || is_message(entry) => {
                    if let Some(peers) = peers_of.get_mut(slot).filter(|p| !p.contains(&entry.peer))
                    {
                        peers.push(entry.peer);
                    }
                    if !further && let Some(rows) = rows_of.get_mut(slot) {
                        rows.push(*entry);
                    }
                }
                _ if further => {}
                _ => left.push(*entry),
            }
        }
        for ((message, rows), peers) in kept.iter().zip(&rows_of).zip(&peers_of) {
            self.count(message, rows, peers, 1);
        }
        self.place_the_rest(&left, &kept, &superseded, &rows_of);
    }

    /// Says whether a row lies in the longest period.
    fn is_inside(&self, row: &Entry) -> bool {
        self.rules.windows.longest.contains(&self.rules.days.of(row.time))
    }

    /// The band of a row whose file tells, as a whole, what an absent version means.
    fn band(&self, entry: &Entry) -> Tls {
        let file_has_versions =
            self.rules.saw_tls.get(entry.file() as usize).copied().unwrap_or(false);
        match entry.role() {
            Role::MessageWithoutTls if file_has_versions => Tls::NoTls,
            _ => entry.tls(),
        }
    }

    /// Counts one message, and says where its rows went. `rows` are in order of time.
    fn count(&mut self, message: &Message, rows: &[Entry], peers: &[u32], copies: u64) {
        let Some(first) = rows.first() else { return };
        let day = self.rules.days.of(first.time);
        let owner = rows.iter().map(Entry::file).min().unwrap_or(first.file());
        let windows = &self.rules.windows;
        if windows.needed.iter().any(|window| window.contains(&day)) {
            self.tally.cells.push(day, message, owner, copies);
        }
        for (index, window) in windows.periods.iter().enumerate() {
            if window.contains(&day) {
                for peer in peers.iter().filter(|peer| **peer != NO_NAME) {
                    self.tally.peers.push(index, message, *peer, copies);
                }
            }
        }
        let inside = windows.longest.contains(&day);
        let mut still_to_count = copies;
        for row in rows {
            let counts = self.tally.source(row.file());
            if !inside {
                counts.outside_period += 1;
            } else if row.file() != owner {
                counts.duplicates += 1;
            } else if still_to_count > 0 {
                counts.counted += 1;
                still_to_count -= 1;
            } else {
                counts.merged += 1;
            }
        }
    }

    /// Rows of the identity that stand for no message of their own.
    fn place_the_rest(
        &mut self,
        left: &[Entry],
        kept: &[Message],
        superseded: &[Message],
        rows_of: &[Vec<Entry>],
    ) {
        let first_rows = rows_of.iter().filter_map(|rows| rows.first());
        let inside = first_rows.into_iter().any(|row| self.is_inside(row));
        for entry in left {
            let message = Message::of(entry, self.band(entry));
            let was_superseded = superseded.iter().any(|held| held.same(&message));
            let same_file = rows_of.iter().flatten().any(|row| row.file() == entry.file());
            let counts = self.tally.source(entry.file());
            if !kept.is_empty() && !inside {
                counts.outside_period += 1;
            } else if was_superseded && !same_file {
                counts.duplicates += 1;
            } else if !kept.is_empty() {
                counts.merged += 1;
            } else if entry.role() == Role::EventIncoming {
                self.tally.reject(entry.file(), RejectReason::NoAcceptance);
            } else {
                counts.internal += 1;
            }
        }
    }

    /// Rows without an identity that are equal to the letter: one message per copy in the
    /// file that holds most of them.
    fn settle_anonymous(&mut self, run: &[Entry]) {
        let mut peers: Vec<u32> = Vec::new();
        for entry in run {
            if !peers.contains(&entry.peer) {
                peers.push(entry.peer);
            }
        }
        let mut rows: Vec<Entry> =
            run.iter().filter(|entry| entry.role() != Role::FurtherPeer).copied().collect();
        rows.sort_unstable_by_key(|entry| (entry.file(), entry.time));
        let most = rows.chunk_by(|a, b| a.file() == b.file()).max_by_key(|copies| {
            (copies.len(), std::cmp::Reverse(copies.first().map(Entry::file)))
        });
        let (Some(owner), Some(copies)) =
            (most.and_then(<[Entry]>::first), most.map(<[Entry]>::len))
        else {
            return;
        };
        if owner.direction() == Direction::Internal {
            for row in &rows {
                self.tally.source(row.file()).internal += 1;
            }
            return;
        }
        let message = Message::of(owner, owner.tls());
        let owner_file = owner.file();
        let own: Vec<Entry> = rows.iter().filter(|row| row.file() == owner_file).copied().collect();
        self.count(&message, &own, &peers, copies as u64);
        let inside = self.is_inside(owner);
        for row in rows.iter().filter(|row| row.file() != owner_file) {
            let counts = self.tally.source(row.file());
            if inside { counts.duplicates += 1 } else { counts.outside_period += 1 }
        }
    }
}

/// What makes one message of an identity.
#[derive(Debug, Clone, Copy)]
struct Message {
    direction: Direction,
    connector: u32,
    tls: Tls,
    remote: u32,
    /// The trace names the band; false where it follows from an absent version.
    explicit: bool,
}

impl Message {
    fn of(entry: &Entry, tls: Tls) -> Self {
        Self {
            direction: entry.direction(),
            connector: entry.connector,
            tls,
            remote: entry.remote,
            explicit: entry.role() != Role::MessageWithoutTls,
        }
    }

    fn same(&self, other: &Self) -> bool {
        (self.direction, self.connector, self.tls, self.remote)
            == (other.direction, other.connector, other.tls, other.remote)
    }

    fn superseded_by(&self, all: &[Self]) -> bool {
        let weak = self.tls == Tls::Unknown || !self.explicit;
        weak && all.iter().any(|other| {
            let known = other.tls != Tls::Unknown && (other.explicit || self.tls == Tls::Unknown);
            // An acceptance without a version that names another connector is another one.
            let rival = !self.explicit
                && self.tls != Tls::Unknown
                && self.connector != NO_NAME
                && self.connector != other.connector;
            known
                && !rival
                && other.direction == self.direction
                && !other.same(self)
                && (self.remote == 0 || other.remote == 0 || self.remote == other.remote)
        })
    }
}

/// Counts of one thread.
#[derive(Debug, Default)]
struct Tally {
    cells: CellColumns,
    peers: PeerColumns,
    sources: Vec<SourceCounts>,
    rejects: Vec<Rejects>,
    folded_cells: Vec<DataFrame>,
    folded_peers: Vec<DataFrame>,
}

#[derive(Debug, Default)]
struct CellColumns {
    keys: Vec<CellKey>,
    messages: Vec<u64>,
}

#[derive(Debug, Default)]
struct PeerColumns {
    /// Period, direction, band and remote domain, as [`PeerColumns::push`] packs them.
    keys: Vec<u64>,
    messages: Vec<u64>,
    /// Messages of the domains whose codes are small, which is most of them: by period, then
    /// by the rest of the key. They become rows when all is counted.
    near: Vec<Vec<u64>>,
}

impl CellColumns {
    fn push(&mut self, day: i32, message: &Message, file: u32, messages: u64) {
        self.keys.push(CellKey {
            day,
            direction: message.direction as u8,
            tls: message.tls as u8,
            connector: message.connector,
            file,
        });
        self.messages.push(messages);
    }
}

impl PeerColumns {
    fn push(&mut self, period: usize, message: &Message, peer: u32, messages: u64) {
        if peer < Self::NEAR && period < 16 {
            if self.near.len() <= period {
                self.near.resize_with(period + 1, Vec::new);
            }
            let near = &mut self.near[period];
            let index =
                (peer as usize) << 5 | (message.direction as usize) << 3 | message.tls as usize;
            if near.len() <= index {
                near.resize(index + 1, 0);
            }
            near[index] += messages;
            return;
        }
        self.push_row(period, message.direction as u64, message.tls as u64, peer, messages);
    }

    const NEAR: u32 = 1 << 16;

    fn push_row(&mut self, period: usize, direction: u64, tls: u64, peer: u32, messages: u64) {
        let head = (period as u64) << 5 | direction << 3 | tls;
        self.keys.push(head << 32 | u64::from(peer));
        self.messages.push(messages);
    }

    fn near_to_rows(&mut self) {
        for (period, near) in std::mem::take(&mut self.near).into_iter().enumerate() {
            for (index, messages) in (0_u64..).zip(near).filter(|(_, messages)| *messages > 0) {
                let peer = u32::try_from(index >> 5).unwrap_or(NO_NAME);
                self.push_row(period, index >> 3 & 3, index & 7, peer, messages);
            }
        }
    }
}

/// Rows counted before they are folded into groups.
const FOLD_AT: usize = 1 << 18;

impl Tally {
    fn source(&mut self, file: u32) -> &mut SourceCounts {
        let index = file as usize;
        if self.sources.len() <= index {
            self.sources.resize(index + 1, SourceCounts::default());
        }
        // The vector was just made long enough.
        &mut self.sources[index]
    }

    fn reject(&mut self, file: u32, reason: RejectReason) {
        let index = file as usize;
        if self.rejects.len() <= index {
            self.rejects.resize(index + 1, Rejects::default());
        }
        self.rejects[index].add(reason, 0, "");
    }

    /// Groups what was counted, when it is much or `all` of it is asked for.
    fn fold(&mut self, all: bool, packs: bool) -> PolarsResult<()> {
        if all || self.cells.keys.len() >= FOLD_AT {
            let columns = std::mem::take(&mut self.cells);
            self.folded_cells.push(group(columns.into_frame(packs)?)?);
        }
        if all || self.peers.keys.len() >= FOLD_AT {
            self.peers.near_to_rows();
            let columns = std::mem::take(&mut self.peers);
            self.folded_peers.push(group(columns.into_frame()?)?);
        }
        Ok(())
    }

    fn add_to(self, whole: &mut Settled) -> PolarsResult<()> {
        if let Some(frame) = stack(self.folded_cells)? {
            read_cells(&group(frame)?, &mut whole.cells)?;
        }
        if let Some(frame) = stack(self.folded_peers)? {
            read_peers(&group(frame)?, &mut whole.peers)?;
        }
        for (file, counts) in (0..).zip(self.sources) {
            let mut sum = Self { sources: std::mem::take(&mut whole.sources), ..Self::default() };
            let held = sum.source(file);
            held.counted += counts.counted;
            held.merged += counts.merged;
            held.duplicates += counts.duplicates;
            held.internal += counts.internal;
            held.outside_period += counts.outside_period;
            whole.sources = sum.sources;
        }
        for (index, rejects) in self.rejects.into_iter().enumerate() {
            if whole.rejects.len() <= index {
                whole.rejects.resize(index + 1, Rejects::default());
            }
            whole.rejects[index].merge(rejects);
        }
        Ok(())
    }
}

/// The group-by of the whole program: the sum of `messages` per value of all other columns.
fn group(frame: DataFrame) -> PolarsResult<DataFrame> {
    let names = frame.get_column_names();
    let keys: Vec<Expr> = names
        .into_iter()
        .filter(|name| name.as_str() != "messages")
        .map(|name| col(name.clone()))
        .collect();
    frame.lazy().group_by(keys).agg([col("messages").sum()]).collect()
}

fn stack(frames: Vec<DataFrame>) -> PolarsResult<Option<DataFrame>> {
    let mut frames = frames.into_iter();
    let Some(mut whole) = frames.next() else { return Ok(None) };
    for frame in frames {
        whole.vstack_mut(&frame)?;
    }
    Ok(Some(whole))
}

impl CellColumns {
    fn into_frame(self, packs: bool) -> PolarsResult<DataFrame> {
        let height = self.keys.len();
        let messages = Column::new("messages".into(), self.messages);
        if packs {
            let cells = self.keys.iter().map(|key| key.pack());
            let cells = UInt64Chunked::from_iter_values("cell".into(), cells).into_series();
            return DataFrame::new(height, vec![cells.into(), messages]);
        }
        let column = |name: &str, value: fn(&CellKey) -> u32| {
            Column::new(name.into(), self.keys.iter().map(value).collect::<Vec<u32>>())
        };
        let columns = vec![
            Column::new("day".into(), self.keys.iter().map(|key| key.day).collect::<Vec<i32>>()),
            column("direction", |key| key.direction.into()),
            column("tls", |key| key.tls.into()),
            column("connector", |key| key.connector),
            column("file", |key| key.file),
            messages,
        ];
        DataFrame::new(height, columns)
    }
}

impl PeerColumns {
    fn into_frame(self) -> PolarsResult<DataFrame> {
        let height = self.keys.len();
        let keys = Column::new("peer".into(), self.keys);
        DataFrame::new(height, vec![keys, Column::new("messages".into(), self.messages)])
    }
}

fn read_cells(frame: &DataFrame, into: &mut Vec<Count>) -> PolarsResult<()> {
    let messages = frame.column("messages")?.u64()?;
    let mut add = |key: CellKey, messages: u64| {
        into.extend(Direction::ALL.get(usize::from(key.direction)).and_then(|direction| {
            Some(Count {
                day: key.day,
                direction: *direction,
                connector: key.connector,
                tls: *Tls::ALL.get(usize::from(key.tls))?,
                file: key.file,
                messages,
            })
        }));
    };
    if let Ok(cells) = frame.column("cell") {
        for (cell, messages) in cells.u64()?.iter().zip(messages.iter()) {
            add(CellKey::unpack(cell.unwrap_or(0)), messages.unwrap_or(0));
        }
        return Ok(());
    }
    let days = frame.column("day")?.i32()?;
    let column = |name: &str| -> PolarsResult<Vec<u32>> {
        Ok(frame.column(name)?.u32()?.iter().map(|value| value.unwrap_or(0)).collect())
    };
    let directions = column("direction")?;
    let tls = column("tls")?;
    let connectors = column("connector")?;
    let files = column("file")?;
    let words = directions.iter().zip(&tls).zip(connectors.iter().zip(&files));
    let byte = |value: &u32| u8::try_from(*value).unwrap_or(u8::MAX);
    for ((day, messages), ((direction, tls), (connector, file))) in
        days.iter().zip(messages.iter()).zip(words)
    {
        let key = CellKey {
            day: day.unwrap_or(0),
            direction: byte(direction),
            tls: byte(tls),
            connector: *connector,
            file: *file,
        };
        add(key, messages.unwrap_or(0));
    }
    Ok(())
}

fn read_peers(frame: &DataFrame, into: &mut PeerCounts) -> PolarsResult<()> {
    let keys = frame.column("peer")?.u64()?;
    let messages = frame.column("messages")?.u64()?;
    into.extend(keys.iter().zip(messages.iter()).filter_map(|(key, messages)| {
        let key = key?;
        let head = usize::try_from(key >> 32).ok()?;
        Some(PeerCount {
            period: head >> 5,
            direction: *Direction::ALL.get(head >> 3 & 3)?,
            tls: *Tls::ALL.get(head & 7)?,
            peer: u32::try_from(key & u64::from(u32::MAX)).ok()?,
            messages: messages?,
        })
    }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_packing_and_columns_alike() {
        let keys = [
            CellKey { day: 20_766, direction: 1, tls: 7, connector: NO_NAME, file: 0 },
            CellKey { day: 0, direction: 0, tls: 0, connector: 0, file: (1 << FILE_BITS) - 1 },
            CellKey { day: 49_308, direction: 2, tls: 5, connector: 4_194_302, file: 77 },
        ];
        let counts = |packs: bool| {
            let columns = CellColumns { keys: keys.to_vec(), messages: vec![1, 2, 3] };
            let mut found = Vec::new();
            let frame = group(columns.into_frame(packs).unwrap()).unwrap();
            read_cells(&frame, &mut found).unwrap();
            found.sort_by_key(|count| count.messages);
            found
        };
        for (key, count) in keys.iter().zip(counts(true)) {
            assert_eq!(CellKey::unpack(key.pack()), *key);
            assert_eq!(
                (count.day, count.connector, count.file),
                (key.day, key.connector, key.file)
            );
            assert_eq!((count.direction as u8, count.tls as u8), (key.direction, key.tls));
        }
        assert_eq!(counts(true), counts(false));
        assert!(!packs(1 << CONNECTOR_BITS, 1) && !packs(1, 1 << FILE_BITS) && packs(5, 5));
    }
}
