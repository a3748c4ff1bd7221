//! Counting what was settled: messages become rows of a frame, and the frame becomes sums.
//!
//! This is the group-by of the whole program. Each thread keeps a [`Tally`]; rows are folded
//! into groups when they are many, and the groups of all threads are put together at the end.

use std::collections::BTreeMap;

use polars::prelude::*;

use super::near::{Near, Nearest};
use super::{Message, Rules};
use crate::breakdown::SourceCounts;
use crate::breakdown::name_list::UsedNames;
use crate::trace::{
    Direction, NO_NAME, RejectReason, Rejects, Tls, code_to_number, number_to_code,
};

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
pub(in crate::breakdown) fn packs(names: usize, files: usize) -> bool {
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
pub(in crate::breakdown) struct Count {
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
pub(in crate::breakdown) struct PeerCount {
    /// Index of the period; without windows, the day.
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
pub(in crate::breakdown) type PeerCounts = Vec<PeerCount>;

/// What settling gives.
#[derive(Debug, Default)]
pub(in crate::breakdown) struct Settled {
    /// Messages, sums of the same key possibly in several items.
    pub cells: Vec<Count>,
    /// Remote domains, likewise.
    pub peers: PeerCounts,
    /// Where the rows of each file went.
    pub sources: Vec<SourceCounts>,
    /// Without windows: where the rows of each file went whose message lies on these days.
    pub on_days: BTreeMap<(u32, Vec<i32>), SourceCounts>,
    /// Rows that turned out to be unusable.
    pub rejects: Vec<Rejects>,
    /// Without windows: the names that rows use, counted or not.
    pub names: UsedNames,
}

/// Counts of one thread.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) cells: CellColumns,
    pub(super) peers: PeerColumns,
    sources: Vec<SourceCounts>,
    /// By file, then day from the first that occurs: almost every row.
    near_days: Vec<Vec<SourceCounts>>,
    first_day: i32,
    /// By file and any days.
    on_days: BTreeMap<(u32, Vec<i32>), SourceCounts>,
    rejects: Vec<Rejects>,
    pub(super) names: UsedNames,
    folded_cells: Folded,
    folded_peers: Folded,
}

/// Frames that were grouped, each by itself.
#[derive(Debug, Default)]
struct Folded {
    frames: Vec<DataFrame>,
    /// Rows of all frames, and those after the last time that they were grouped together.
    rows: usize,
    distinct: usize,
}

impl Folded {
    /// Takes in a frame. Groups that are in several are put together before they take more
    /// room than they need.
    fn push(&mut self, frame: DataFrame) -> PolarsResult<()> {
        self.rows += frame.height();
        self.frames.push(frame);
        if self.rows > 2 * self.distinct.max(FOLD_AT)
            && let Some(whole) = stack(std::mem::take(&mut self.frames))?
        {
            let whole = group(whole)?;
            self.rows = whole.height();
            self.distinct = self.rows;
            self.frames.push(whole);
        }
        Ok(())
    }

    /// All groups, each once.
    fn finish(self) -> PolarsResult<Option<DataFrame>> {
        stack(self.frames)?.map(group).transpose()
    }
}

#[derive(Debug)]
pub(super) struct CellColumns {
    keys: Vec<CellKey>,
    messages: Vec<u64>,
    /// The first day.
    first: i32,
    /// Messages of the first files and days, and of connectors whose numbers are small, which is
    /// most of them. They become rows when all is counted.
    nearest: Nearest,
    /// Other packed keys that are still to be counted. One after the other, additions do not wait
    /// for the memory that each of them touches.
    pending: Vec<(u64, u64)>,
    /// Packed keys that are counted before they become rows.
    near: Near,
}

#[derive(Debug)]
pub(super) struct PeerColumns {
    /// Period, direction, band and remote domain, as [`PeerColumns::push`] packs them.
    keys: Vec<u64>,
    messages: Vec<u64>,
    /// The first period.
    first: usize,
    /// Messages of periods and domains whose numbers are small, which is most of them, and of
    /// the other keys that came first. They become rows when all is counted.
    nearest: Nearest,
    near: Near,
}

impl CellColumns {
    /// Bits of the days that are near.
    const DAY_BITS: u32 = 9;

    fn from_day(first: i32) -> Self {
        Self {
            keys: Vec::new(),
            messages: Vec::new(),
            first,
            nearest: Nearest::default(),
            pending: Vec::new(),
            near: Near::new(16),
        }
    }

    /// Counts messages. `packs` says that all keys can be packed.
    pub(super) fn push(
        &mut self,
        day: i32,
        message: &Message,
        file: u32,
        (messages, packs): (u64, bool),
    ) {
        let key = CellKey {
            day,
            direction: message.direction as u8,
            tls: message.tls as u8,
            connector: message.connector,
            file,
        };
        if !packs {
            self.keys.push(key);
            self.messages.push(messages);
        } else if !self.place(&key).is_some_and(|(place, class, connector)| {
            self.nearest.add(place, class, connector, messages)
        }) {
            self.pending.push((key.pack(), messages));
        }
    }

    /// Where a key is counted among the nearest: file and day, direction and band, connector.
    fn place(&self, key: &CellKey) -> Option<(usize, u8, u32)> {
        let day = usize::try_from(key.day.checked_sub(self.first)?).ok()?;
        let place = (key.file as usize) << Self::DAY_BITS | day;
        let near = day >> Self::DAY_BITS == 0;
        near.then_some((place, key.direction << 3 | key.tls, code_to_number(key.connector)))
    }

    /// The key of a place, where days are counted from `first`.
    fn key(first: i32, (place, class, connector): (usize, u8, u32)) -> CellKey {
        let number = |part: usize| u32::try_from(part).unwrap_or(0);
        CellKey {
            day: first.saturating_add_unsigned(number(place & ((1 << Self::DAY_BITS) - 1))),
            direction: class >> 3,
            tls: class & 7,
            connector: number_to_code(connector),
            file: number(place >> Self::DAY_BITS),
        }
    }

    /// Counts what was pushed of one part.
    fn settle(&mut self) {
        let Self { keys, messages, first, nearest, pending, near } = self;
        nearest.settle(|place, class, connector, more| {
            keys.push(Self::key(*first, (place, class, connector)));
            messages.push(more);
        });
        for (key, more) in pending.drain(..) {
            if !near.add(key, more) {
                keys.push(CellKey::unpack(key));
                messages.push(more);
            }
        }
    }

    fn near_to_rows(&mut self) {
        for (place, class, connector, messages) in self.nearest.drain() {
            self.keys.push(Self::key(self.first, (place, class, connector)));
            self.messages.push(messages);
        }
        for (key, messages) in self.near.drain() {
            self.keys.push(CellKey::unpack(key));
            self.messages.push(messages);
        }
    }
}

impl PeerColumns {
    fn from_period(first: usize) -> Self {
        let (nearest, near) = (Nearest::default(), Near::new(20));
        Self { keys: Vec::new(), messages: Vec::new(), first, nearest, near }
    }

    pub(super) fn push(&mut self, period: usize, message: &Message, peer: u32, messages: u64) {
        let class = (message.direction as u8) << 3 | message.tls as u8;
        let place = period.checked_sub(self.first);
        if place.is_some_and(|place| self.nearest.add(place, class, peer, messages)) {
            return;
        }
        let key = Self::pack(period, class, peer);
        if !self.near.add(key, messages) {
            self.keys.push(key);
            self.messages.push(messages);
        }
    }

    fn pack(period: usize, class: u8, peer: u32) -> u64 {
        ((period as u64) << 5 | u64::from(class)) << 32 | u64::from(peer)
    }

    /// Counts what was pushed of one part.
    fn settle(&mut self) {
        let Self { keys, messages, first, nearest, .. } = self;
        nearest.settle(|place, class, peer, more| {
            keys.push(Self::pack(*first + place, class, peer));
            messages.push(more);
        });
    }

    fn near_to_rows(&mut self) {
        for (place, class, peer, messages) in self.nearest.drain() {
            self.keys.push(Self::pack(self.first + place, class, peer));
            self.messages.push(messages);
        }
        for (key, messages) in self.near.drain() {
            self.keys.push(key);
            self.messages.push(messages);
        }
    }
}

/// Rows counted before they are folded into groups.
const FOLD_AT: usize = 1 << 18;

impl Tally {
    /// Files and days that are near: their counts stand side by side.
    const NEAR_FILES: u32 = 512;
    const NEAR_DAYS: i32 = 512;

    /// An empty tally of what these rules count.
    pub(super) fn new(rules: &Rules<'_>) -> Self {
        let first_day = rules.days.first().map_or(0, |day| day.to_epoch_days());
        let first_period = match rules.windows {
            None => usize::try_from(first_day).unwrap_or(0),
            Some(_) => 0,
        };
        Self {
            cells: CellColumns::from_day(first_day),
            peers: PeerColumns::from_period(first_period),
            sources: Vec::new(),
            near_days: Vec::new(),
            first_day,
            on_days: BTreeMap::new(),
            rejects: Vec::new(),
            names: UsedNames::default(),
            folded_cells: Folded::default(),
            folded_peers: Folded::default(),
        }
    }

    pub(super) fn source(&mut self, file: u32) -> &mut SourceCounts {
        let index = file as usize;
        if self.sources.len() <= index {
            self.sources.resize(index + 1, SourceCounts::default());
        }
        // The vector was just made long enough.
        &mut self.sources[index]
    }

    /// Rows of a file whose message lies on these days.
    pub(super) fn on_days(&mut self, file: u32, days: &[i32]) -> &mut SourceCounts {
        let day = match days {
            [day] => day.checked_sub(self.first_day),
            _ => None,
        };
        let near = day.filter(|day| (0..Self::NEAR_DAYS).contains(day) && file < Self::NEAR_FILES);
        let Some(day) = near.and_then(|day| usize::try_from(day).ok()) else {
            return self.on_days.entry((file, days.to_vec())).or_default();
        };
        let file = file as usize;
        if self.near_days.len() <= file {
            self.near_days.resize_with(file + 1, Vec::new);
        }
        let of_file = &mut self.near_days[file];
        if of_file.len() <= day {
            of_file.resize(day + 1, SourceCounts::default());
        }
        // The vectors were just made long enough.
        &mut of_file[day]
    }

    pub(super) fn reject(&mut self, file: u32, reason: RejectReason) {
        let index = file as usize;
        if self.rejects.len() <= index {
            self.rejects.resize(index + 1, Rejects::default());
        }
        self.rejects[index].add(reason, 0, "");
    }

    /// Groups what was counted, when it is much or `all` of it is asked for.
    pub(super) fn fold(&mut self, all: bool, packs: bool) -> PolarsResult<()> {
        self.peers.settle();
        self.cells.settle();
        if all || self.cells.keys.len() >= FOLD_AT {
            self.cells.near_to_rows();
            let next = CellColumns::from_day(self.cells.first);
            let columns = std::mem::replace(&mut self.cells, next);
            self.folded_cells.push(group(columns.into_frame(packs)?)?)?;
        }
        if all || self.peers.keys.len() >= FOLD_AT {
            self.peers.near_to_rows();
            let next = PeerColumns::from_period(self.peers.first);
            let columns = std::mem::replace(&mut self.peers, next);
            self.folded_peers.push(group(columns.into_frame()?)?)?;
        }
        Ok(())
    }

    pub(super) fn add_to(self, whole: &mut Settled) -> PolarsResult<()> {
        if let Some(frame) = self.folded_cells.finish()? {
            read_cells(&frame, &mut whole.cells)?;
        }
        if let Some(frame) = self.folded_peers.finish()? {
            read_peers(&frame, &mut whole.peers)?;
        }
        whole.sources.resize(whole.sources.len().max(self.sources.len()), SourceCounts::default());
        for (held, counts) in whole.sources.iter_mut().zip(&self.sources) {
            held.add(counts);
        }
        let first_day = self.first_day;
        let near_days = (0_u32..).zip(self.near_days).flat_map(|(file, of_file)| {
            let days = (first_day..).zip(of_file);
            let days = days.filter(|(_, counts)| *counts != SourceCounts::default());
            days.map(move |(day, counts)| ((file, vec![day]), counts))
        });
        for (key, counts) in near_days.chain(self.on_days) {
            whole.on_days.entry(key).or_default().add(&counts);
        }
        whole.names.merge(&self.names);
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
    fn what_is_pushed_is_counted_whether_it_is_near_or_not() {
        let first = 20_700;
        let mut columns = CellColumns::from_day(first);
        let mut expected = BTreeMap::new();
        for day in [-1, 0, 511, 512].map(|day| first + day) {
            for (file, connector) in [(0, NO_NAME), (0, 0), (7, 77), (8, 77), (500, 4_000_000)] {
                for (direction, tls) in Direction::ALL.into_iter().zip(Tls::ALL.into_iter().rev()) {
                    let message = Message { direction, connector, tls, remote: 0, explicit: true };
                    let messages = expected.len() as u64 + 1;
                    columns.push(day, &message, file, (messages, true));
                    columns.push(day, &message, file, (messages, true));
                    let (direction, tls) = (direction as u8, tls as u8);
                    let key = CellKey { day, direction, tls, connector, file };
                    expected.insert(key.pack(), 2 * messages);
                }
            }
        }
        columns.settle();
        columns.near_to_rows();
        let keys = columns.keys.iter().map(|key| key.pack());
        let found: BTreeMap<u64, u64> = keys.zip(columns.messages.iter().copied()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn keys_survive_packing_and_columns_alike() {
        let keys = [
            CellKey { day: 20_766, direction: 1, tls: 7, connector: NO_NAME, file: 0 },
            CellKey { day: 0, direction: 0, tls: 0, connector: 0, file: (1 << FILE_BITS) - 1 },
            CellKey { day: 49_308, direction: 2, tls: 5, connector: 4_194_302, file: 77 },
        ];
        let counts = |packs: bool| {
            let messages = vec![1, 2, 3];
            let columns = CellColumns { keys: keys.to_vec(), messages, ..CellColumns::from_day(0) };
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
