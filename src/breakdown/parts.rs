//! Breakdown in parts: the rows of one file, or of several that share messages, are settled
//! once, day by day, and any periods are counted from that.
//!
//! | step | shape |
//! |---|---|
//! | a [`Collector`] | [`ReadRows`] of all files, and [`FileSeen`] of each |
//! | [`Settlement::of`] files that share messages | counts by day, and where the rows went |
//! | [`Parts`] of all files, a scope | [`Breakdown`] |
//!
//! Invariant: when no message stands in files of two settlements, the result is the one of
//! [`Collector::finish`], to the last number.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::PoisonError;

use chrono::NaiveDate;
use chrono_tz::Tz;
use polars::prelude::PolarsResult;
use serde::{Deserialize, Serialize};

use super::at_once;
use super::coverage::{Activity, QuarterSeen};
use super::rows::{Batch, Desk, Entry, Kept, MOST_BITS, Part, Store, bits_for};
use super::settle::{self, PeerCounts, Settled, Windows};
use super::{
    Breakdown, Collector, ConnectorFacts, CountError, Counted, Room, Scope, SourceCounts, name,
    usable,
};
use crate::ingest::Reading;
use crate::trace::{Direction, NO_NAME, Names, Rejects, Tls};

/// Names in one piece, sorted; each is told by its place, from 1.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameList {
    text: String,
    ends: Vec<u32>,
}

/// What the rows of one file say beside their messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSeen {
    /// When rows occurred.
    quarters: Vec<QuarterSeen>,
    connectors: NameList,
    /// What they say of their connectors; 0 = none.
    facts: Vec<(Direction, u32, ConnectorFacts)>,
}

/// The rows of one file, or of a part of it, sorted by identity, column by column; names are
/// told by their place in the list of the file, from 1.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRows {
    /// Identities.
    pub keys: Vec<u64>,
    /// Seconds since 1970 UTC.
    pub times: Vec<u32>,
    /// Direction, band and role.
    pub classes: Vec<u16>,
    /// Connectors; 0 = none.
    pub connectors: Vec<u32>,
    /// Remote servers where they belong to the identity.
    pub remotes: Vec<u32>,
    /// Remote domains; 0 = none.
    pub peers: Vec<u32>,
}

/// The rows of all files that were read.
#[derive(Debug)]
pub struct ReadRows {
    rows: Kept,
}

/// Rows of one file that were kept of an earlier reading.
pub trait KeptRows: Sync {
    /// How many there are.
    fn rows(&self) -> u64;

    /// Names of connectors and remote domains.
    fn names(&self) -> &NameList;

    /// In how many parts they are kept.
    fn parts(&self) -> usize;

    /// Those of one of them.
    ///
    /// # Errors
    /// [`CountError::Kept`] where they are damaged.
    fn part(&self, index: usize) -> Result<FileRows, CountError>;
}

/// Messages by day and connector. Names are told by their place in the list, from 1; 0 = none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayCells {
    connectors: NameList,
    /// Day, direction and band, connector, file, messages.
    cells: Vec<(i32, u8, u32, u32, u64)>,
}

/// Messages by day and remote domain, with names likewise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayPeers {
    domains: NameList,
    /// Day, direction and band, remote domain, messages.
    peers: Vec<(i32, u8, u32, u64)>,
}

/// Gives the counts of settlements, by their place in the order in which they were taken in.
pub trait Counts {
    /// Why counts cannot be given.
    type Error: From<CountError>;

    /// Messages by connector.
    ///
    /// # Errors
    /// Where they cannot be read.
    fn cells(&mut self, settlement: usize) -> Result<DayCells, Self::Error>;

    /// Messages by remote domain.
    ///
    /// # Errors
    /// Where they cannot be read.
    fn peers(&mut self, settlement: usize) -> Result<DayPeers, Self::Error>;
}

/// Where the rows of one file went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// By the days on which their message lies; without any, whatever the period.
    on_days: Vec<(Vec<i32>, SourceCounts)>,
    internal: u64,
    rejects: Rejects,
}

/// What files that share messages were settled to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settlement {
    /// Where the rows of each file went, in the order of the files.
    pub places: Vec<Places>,
    /// First and last day with messages.
    pub days: Option<(i32, i32)>,
    /// Messages by connector.
    pub cells: DayCells,
    /// Messages by remote domain.
    pub peers: DayPeers,
}

/// Where the rows of one file are.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations, reason = "what is kept has no text of its own")]
pub enum MemberRows<'a> {
    /// It was read: among the rows of all files, and its index.
    Read(&'a ReadRows, u32),
    /// They were kept.
    Kept(&'a dyn KeptRows),
}

/// What one file has to be settled.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations, reason = "what is kept has no text of its own")]
pub struct Member<'a> {
    /// Its rows.
    pub rows: MemberRows<'a>,
    /// What else they say.
    pub seen: &'a FileSeen,
    /// Per direction: whether a message without a TLS version had none.
    pub absent_is_no_tls: [bool; Direction::ALL.len()],
}

impl Collector {
    /// Rows of all files that were read, and what else those of each say.
    ///
    /// # Errors
    /// [`CountError`] when rows were too many, or a frame is at fault.
    pub fn into_files(
        self,
        names: &Names,
    ) -> Result<(ReadRows, BTreeMap<u32, FileSeen>), CountError> {
        let shared = self.shared.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = shared.failed {
            return Err(error);
        }
        let mut files: BTreeMap<u32, FileSeen> = BTreeMap::new();
        for (file, quarters) in shared.activity.into_files() {
            files.entry(file).or_default().quarters = quarters;
        }
        let facts: Vec<((u32, Direction, u32), ConnectorFacts)> =
            shared.facts.into_iter().collect();
        for of_file in facts.chunk_by(|a, b| a.0.0 == b.0.0) {
            let Some(((file, ..), _)) = of_file.first() else { continue };
            let seen = files.entry(*file).or_default();
            let own = FileNames::of(of_file.iter().map(|((.., code), _)| *code), names);
            let fact = |((_, direction, code), facts): &((u32, Direction, u32), ConnectorFacts)| {
                (*direction, own.place(*code), *facts)
            };
            seen.facts = of_file.iter().map(fact).collect();
            seen.facts.sort();
            seen.connectors = own.list;
        }
        Ok((ReadRows { rows: self.rows.into_kept() }, files))
    }
}

impl ReadRows {
    /// How many rows a file has.
    pub fn rows_of(&self, file: u32) -> u64 {
        self.rows.rows_of(file)
    }

    /// Names of a file's connectors and remote domains.
    ///
    /// # Errors
    /// [`CountError::Scratch`] where rows cannot be read again.
    pub fn names_of(&self, file: u32, names: &Names) -> Result<FileNames, CountError> {
        let codes = |part: &Part| -> Result<Vec<u32>, CountError> {
            let mut rows = Vec::new();
            self.rows.read_of(file, *part, &mut rows)?;
            // Codes follow one another: a list of them is shorter than a tree.
            let mut seen: Vec<bool> = vec![false; names.len()];
            let codes = rows.iter().flat_map(|row| [row.connector(), row.peer()]);
            for code in codes.filter(|code| *code != NO_NAME) {
                let index = code as usize;
                if seen.len() <= index {
                    seen.resize(index + 1, false);
                }
                seen[index] = true;
            }
            Ok((0..).zip(&seen).filter(|(_, seen)| **seen).map(|(code, _)| code).collect())
        };
        let mut used: BTreeSet<u32> = BTreeSet::new();
        let bits = bits_for(self.rows_of(file), 1 << 16, MOST_BITS);
        for codes in at_once::each(&Part::all(bits).collect::<Vec<_>>(), codes) {
            used.extend(codes?);
        }
        Ok(FileNames::of(used.into_iter(), names))
    }

    /// The rows of a part of one file, as they are kept.
    ///
    /// # Errors
    /// [`CountError::Scratch`] where they cannot be read again.
    pub fn part_of(
        &self,
        file: u32,
        part: Part,
        names: &FileNames,
    ) -> Result<FileRows, CountError> {
        let mut desk = Desk::default();
        let unsorted = desk.fresh();
        self.rows.read_of(file, part, unsorted)?;
        // Codes of names differ from reading to reading, their places do not.
        for row in unsorted {
            *row = row.renamed(|code| names.place(code));
        }
        let mut rows = FileRows::default();
        desk.each_identity(part.bits(), |same| rows.add(same));
        Ok(rows)
    }

    /// Adds the identities of a part, each with its file, of those files that are `wanted`.
    ///
    /// # Errors
    /// [`CountError::Scratch`] where they cannot be read again.
    pub fn identities(
        &self,
        part: Part,
        wanted: &dyn Fn(u32) -> bool,
        into: &mut Vec<(u64, u32)>,
    ) -> Result<(), CountError> {
        let mut rows = Vec::new();
        let bits = bits_for(self.rows.rows(wanted), 1 << 16, MOST_BITS);
        for part in part.split(bits) {
            rows.clear();
            self.rows.read(part, wanted, &mut rows)?;
            into.extend(rows.iter().map(|row| (row.key(), row.file())));
        }
        Ok(())
    }
}

/// Names as a file keeps them: sorted, and told by their place in the list.
#[derive(Debug, Clone, Default)]
pub struct FileNames {
    list: NameList,
    /// By code; 0 where it has none.
    places: Vec<u32>,
}

impl FileNames {
    fn of(codes: impl Iterator<Item = u32>, names: &Names) -> Self {
        let codes: BTreeSet<u32> = codes.collect();
        let named = codes.into_iter().filter_map(|code| Some((name(names, code)?, code)));
        let mut named: Vec<(String, u32)> = named.collect();
        named.sort();
        let mut own = Self::default();
        for (place, (name, code)) in (1..).zip(named) {
            own.list.text.push_str(&name);
            own.list.ends.push(u32::try_from(own.list.text.len()).unwrap_or(u32::MAX));
            let index = code as usize;
            if own.places.len() <= index {
                own.places.resize(index + 1, 0);
            }
            own.places[index] = place;
        }
        own
    }

    fn place(&self, code: u32) -> u32 {
        self.places.get(code as usize).copied().unwrap_or(0)
    }

    /// The names.
    pub fn list(&self) -> &NameList {
        &self.list
    }
}

/// The codes that names have in a reading, by their place in a list.
fn codes(list: &NameList, names: &Names) -> PolarsResult<Vec<u32>> {
    let mut start = 0;
    let codes = list.ends.iter().map(|end| {
        let name = list.text.get(std::mem::replace(&mut start, *end as usize)..*end as usize);
        names.code(name.unwrap_or_default())
    });
    std::iter::once(Ok(NO_NAME)).chain(codes).collect()
}

fn code(codes: &[u32], place: u32) -> u32 {
    codes.get(place as usize).copied().unwrap_or(NO_NAME)
}

/// The rows of files that are settled together, each with its place among them.
struct Together<'a> {
    /// Those that were read.
    read: Vec<(u32, &'a ReadRows, u32)>,
    /// The rows of those that were kept.
    kept: Kept,
}

impl<'a> Together<'a> {
    /// Takes the members together: what was kept is read once, and held or set aside like
    /// what is read now.
    fn of(members: &[Member<'a>], names: &Names, room: &Room) -> Result<Self, CountError> {
        let store = Store::new(room.bytes, room.folder.clone());
        let mut read = Vec::new();
        let mut rows = Vec::new();
        for (place, member) in (0..).zip(members) {
            match member.rows {
                MemberRows::Read(of_all, file) => read.push((place, of_all, file)),
                MemberRows::Kept(kept) => {
                    let codes = codes(kept.names(), names)?;
                    for index in 0..kept.parts() {
                        rows.clear();
                        kept.part(index)?.add_to(place, &codes, &mut rows);
                        store.push(Batch::new(place, &rows))?;
                    }
                }
            }
        }
        Ok(Self { read, kept: store.into_kept() })
    }
}

impl settle::InParts for Together<'_> {
    fn rows(&self) -> u64 {
        let read = self.read.iter().map(|(_, read, file)| read.rows_of(*file));
        read.sum::<u64>() + self.kept.rows(&|_| true)
    }

    fn read(&self, part: Part, into: &mut Vec<Entry>) -> Result<(), CountError> {
        for (place, read, file) in &self.read {
            let start = into.len();
            read.rows.read_of(*file, part, into)?;
            into.iter_mut().skip(start).for_each(|row| *row = row.in_file(*place));
        }
        Ok(self.kept.read(part, &|_| true, into)?)
    }
}

impl FileRows {
    fn add(&mut self, rows: &[Entry]) {
        self.keys.extend(rows.iter().map(Entry::key));
        self.times.extend(rows.iter().map(Entry::time));
        self.classes.extend(rows.iter().map(Entry::class));
        self.connectors.extend(rows.iter().map(Entry::connector));
        self.remotes.extend(rows.iter().map(Entry::remote));
        self.peers.extend(rows.iter().map(Entry::peer));
    }

    /// Adds the rows, as those of `file`.
    fn add_to(&self, file: u32, codes: &[u32], into: &mut Vec<Entry>) {
        let words = self.times.iter().zip(&self.classes).zip(&self.connectors);
        let words = words.zip(self.remotes.iter().zip(&self.peers));
        into.extend(self.keys.iter().zip(words).map(
            |(key, (((time, class), connector), (remote, peer)))| {
                let names = (code(codes, *connector), code(codes, *peer));
                Entry::of_parts(*key, *time, (file, *class), *remote, names)
            },
        ));
    }
}

impl Settlement {
    /// Settles files that share messages, in their order.
    ///
    /// # Errors
    /// [`CountError`] when rows cannot be read, or a frame is at fault.
    pub fn of(
        members: &[Member<'_>],
        names: &Names,
        zone: Tz,
        room: &Room,
    ) -> Result<Self, CountError> {
        let rows = Together::of(members, names, room)?;
        let mut activity = Activity::default();
        for (file, member) in (0..).zip(members) {
            activity.add_file(file, &member.seen.quarters);
        }
        let days = activity.days(zone, &|_| true);
        let absent_is_no_tls: Vec<_> =
            members.iter().map(|member| member.absent_is_no_tls).collect();
        let rules = settle::Rules {
            days: &days,
            absent_is_no_tls: &absent_is_no_tls,
            windows: None,
            only: Vec::new(),
            all: true,
            packs: settle::packs(names.len(), members.len()),
        };
        let settled = settle::settle(&rows, &rules)?;
        drop(rows);
        Ok(Self::sorted(settled, members.len(), names))
    }

    fn sorted(settled: Settled, files: usize, names: &Names) -> Self {
        let mut places = vec![Places::default(); files];
        for (place, counts) in places.iter_mut().zip(&settled.sources) {
            place.internal = counts.internal;
        }
        for (place, rejects) in places.iter_mut().zip(settled.rejects) {
            place.rejects = rejects;
        }
        for ((file, days), counts) in settled.on_days {
            if let Some(place) = places.get_mut(file as usize)
                && counts != SourceCounts::default()
            {
                place.on_days.push((days, counts));
            }
        }
        let cells = DayCells::of(&settled.cells, names);
        let days = cells.cells.first().zip(cells.cells.last());
        let days = days.map(|(first, last)| (first.0, last.0));
        Self { places, days, cells, peers: DayPeers::of(&settled.peers, names) }
    }
}

/// Direction and band as one number.
fn class(direction: Direction, tls: Tls) -> u8 {
    (direction as u8) << 3 | tls as u8
}

fn of_class(class: u8) -> Option<(Direction, Tls)> {
    let direction = Direction::ALL.get(usize::from(class >> 3))?;
    Some((*direction, *Tls::ALL.get(usize::from(class & 7))?))
}

impl DayCells {
    fn of(counts: &[settle::Count], names: &Names) -> Self {
        let connectors = FileNames::of(counts.iter().map(|count| count.connector), names);
        let mut sums: BTreeMap<_, u64> = BTreeMap::new();
        for count in counts {
            let connector = connectors.place(count.connector);
            let key = (count.day, class(count.direction, count.tls), connector, count.file);
            *sums.entry(key).or_default() += count.messages;
        }
        let cell = |((day, class, name, file), messages)| (day, class, name, file, messages);
        Self { connectors: connectors.list, cells: sums.into_iter().map(cell).collect() }
    }
}

impl DayPeers {
    fn of(counts: &PeerCounts, names: &Names) -> Self {
        let domains = FileNames::of(counts.iter().map(|count| count.peer), names);
        let mut sums: BTreeMap<_, u64> = BTreeMap::new();
        for count in counts {
            let day = i32::try_from(count.period).unwrap_or(i32::MAX);
            let key = (day, class(count.direction, count.tls), domains.place(count.peer));
            *sums.entry(key).or_default() += count.messages;
        }
        let peer = |((day, class, name), messages)| (day, class, name, messages);
        Self { domains: domains.list, peers: sums.into_iter().map(peer).collect() }
    }
}

/// All files of a reading: what they say, and what they were settled to.
#[derive(Debug, Default)]
pub struct Parts {
    activity: Activity,
    facts: BTreeMap<(Direction, u32), ConnectorFacts>,
    settled: Vec<SettledFiles>,
}

/// Files that were settled together.
#[derive(Debug)]
struct SettledFiles {
    /// Their indices, in order.
    files: Vec<u32>,
    places: Vec<Places>,
    days: Option<(i32, i32)>,
}

impl Parts {
    /// Takes in what the rows of a file say.
    ///
    /// # Errors
    /// When there are more names than codes.
    pub fn add_file(&mut self, file: u32, seen: &FileSeen, names: &Names) -> PolarsResult<()> {
        self.activity.add_file(file, &seen.quarters);
        let codes = codes(&seen.connectors, names)?;
        for (direction, connector, new) in &seen.facts {
            let key = (*direction, code(&codes, *connector));
            self.facts.entry(key).and_modify(|held| *held = held.with(*new)).or_insert(*new);
        }
        Ok(())
    }

    /// Takes in what files were settled to; the counts follow where they are needed.
    pub fn add_settled(&mut self, files: Vec<u32>, places: Vec<Places>, days: Option<(i32, i32)>) {
        self.settled.push(SettledFiles { files, places, days });
    }

    /// Local day after the newest row of any usable file.
    pub fn default_as_of(&self, reading: &Reading, zone: Tz) -> Option<NaiveDate> {
        super::as_of(&self.activity, reading, zone)
    }

    /// Counts the periods of a scope.
    ///
    /// # Errors
    /// Where counts cannot be read.
    pub fn finish<C: Counts>(
        self,
        reading: &Reading,
        names: &Names,
        scope: &Scope,
        counts: &mut C,
    ) -> Result<Breakdown, C::Error> {
        let windows = Windows::new(scope);
        let mut sums = Sums::default();
        sums.settled.sources.resize(reading.files.len(), SourceCounts::default());
        sums.settled.rejects.resize(reading.files.len(), Rejects::default());
        for (index, part) in self.settled.iter().enumerate() {
            sums.place(part, &windows);
            if part.meets(&windows.needed) {
                let cells = counts.cells(index)?;
                sums.cells(&part.files, &cells, names, &windows).map_err(CountError::from)?;
            }
            if part.meets(&windows.periods) {
                let peers = counts.peers(index)?;
                sums.peers(&peers, names, &windows).map_err(CountError::from)?;
            }
        }
        let days = self.activity.days(scope.zone, &|file| usable(reading, file));
        let settled = sums.finish();
        let facts = self.facts.into_iter().collect();
        let counted = Counted { settled, activity: self.activity, days, facts };
        Ok(counted.breakdown(reading, names, scope))
    }
}

impl SettledFiles {
    /// Says whether it reaches into any of the windows.
    fn meets(&self, windows: &[Range<i32>]) -> bool {
        let meets = |(first, last): (i32, i32)| {
            windows.iter().any(|window| first < window.end && window.start <= last)
        };
        self.days.is_some_and(meets)
    }
}

/// The sums of several settlements.
#[derive(Debug, Default)]
struct Sums {
    settled: Settled,
    /// Messages by period, direction and band, and code of the remote domain, in one number.
    peers: Vec<(u64, u64)>,
}

impl Sums {
    fn place(&mut self, part: &SettledFiles, windows: &Windows) {
        for (file, places) in part.files.iter().zip(&part.places) {
            let index = *file as usize;
            let Some(sum) = self.settled.sources.get_mut(index) else { continue };
            sum.internal += places.internal;
            for (days, counts) in &places.on_days {
                let inside =
                    days.is_empty() || days.iter().any(|day| windows.longest.contains(day));
                if inside {
                    sum.add(counts);
                } else {
                    sum.outside_period += counts.counted + counts.merged + counts.duplicates;
                }
            }
            if let Some(rejects) = self.settled.rejects.get_mut(index) {
                rejects.merge(places.rejects.clone());
            }
        }
    }

    fn cells(
        &mut self,
        files: &[u32],
        counts: &DayCells,
        names: &Names,
        windows: &Windows,
    ) -> PolarsResult<()> {
        let connectors = codes(&counts.connectors, names)?;
        for (day, class, connector, file, messages) in &counts.cells {
            let needed = windows.needed.iter().any(|window| window.contains(day));
            let Some((direction, tls)) = of_class(*class).filter(|_| needed) else { continue };
            self.settled.cells.extend(files.get(*file as usize).map(|file| settle::Count {
                day: *day,
                direction,
                connector: code(&connectors, *connector),
                tls,
                file: *file,
                messages: *messages,
            }));
        }
        Ok(())
    }

    fn peers(&mut self, counts: &DayPeers, names: &Names, windows: &Windows) -> PolarsResult<()> {
        let domains = codes(&counts.domains, names)?;
        for (day, class, domain, messages) in &counts.peers {
            let low = u64::from(*class) << 32 | u64::from(code(&domains, *domain));
            let periods = (0_u64..).zip(&windows.periods);
            for (period, _) in periods.filter(|(_, window)| window.contains(day)) {
                self.peers.push((period << 40 | low, *messages));
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Settled {
        self.peers.sort_unstable();
        for same in self.peers.chunk_by(|a, b| a.0 == b.0) {
            let Some((key, _)) = same.first() else { continue };
            let [.., class, p0, p1, p2, p3] = key.to_be_bytes();
            let peer = u32::from_be_bytes([p0, p1, p2, p3]);
            let period = usize::try_from(key >> 40).unwrap_or(usize::MAX);
            let messages = same.iter().map(|(_, messages)| messages).sum();
            self.settled.peers.extend(of_class(class).map(|(direction, tls)| settle::PeerCount {
                period,
                direction,
                peer,
                tls,
                messages,
            }));
        }
        self.settled
    }
}
