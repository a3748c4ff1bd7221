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

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::PoisonError;

use chrono::NaiveDate;
use chrono_tz::Tz;
use polars::prelude::PolarsResult;
use serde::{Deserialize, Serialize};

use super::coverage::{Activity, QuarterSeen};
use super::members::{Member, ReadRows, Together};
use super::name_list::{FileNames, NameList, UsedNames, code, codes};
use super::settle::{self, PeerCounts, Settled, Windows};
use super::{
    Breakdown, Collector, ConnectorFacts, CountError, Counted, Facts, Room, Scope, SourceCounts,
    usable,
};
use crate::ingest::Reading;
use crate::trace::{Direction, Names, Rejects, Tls};

/// What the rows of one file say beside their messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSeen {
    /// When rows occurred.
    pub(super) quarters: Vec<QuarterSeen>,
    pub(super) connectors: NameList,
    /// What they say of their connectors; 0 = none.
    pub(super) facts: Vec<(Direction, u32, ConnectorFacts)>,
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
    /// Names that the rows use.
    pub names: UsedNames,
}

impl Collector {
    /// Rows of all files that were read, and what else those of each say.
    ///
    /// # Errors
    /// [`CountError`] when rows were too many, or a frame is at fault.
    pub fn into_files(self, names: &Names) -> Result<CollectedFiles, CountError> {
        let shared = self.shared.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = shared.failed {
            return Err(error);
        }
        Ok(CollectedFiles {
            rows: ReadRows::new(self.rows.into_kept()),
            seen: FileSeen::of_files(shared.activity, shared.facts, names),
            settled: FileSeen::up_to_each(shared.settled, names),
        })
    }
}

/// All files that were read.
#[derive(Debug)]
pub struct CollectedFiles {
    /// Their rows.
    pub rows: ReadRows,
    /// What else those of each say.
    pub seen: BTreeMap<u32, FileSeen>,
    /// What of it is settled, of logs that may go on, up to where they were left after being
    /// left so many times.
    pub settled: BTreeMap<u8, BTreeMap<u32, FileSeen>>,
}

impl FileSeen {
    /// What the files said up to the end of each part.
    fn up_to_each(
        parts: BTreeMap<u8, (Activity, Facts)>,
        names: &Names,
    ) -> BTreeMap<u8, BTreeMap<u32, Self>> {
        let (mut activity, mut facts) = (Activity::default(), Facts::default());
        let mut up_to = BTreeMap::new();
        for (times, (more, learned)) in parts {
            activity.merge(more);
            for (key, new) in learned {
                super::learn(&mut facts, key, new);
            }
            up_to.insert(times, Self::of_files(activity.clone(), facts.clone(), names));
        }
        up_to
    }

    fn of_files(activity: Activity, facts: Facts, names: &Names) -> BTreeMap<u32, Self> {
        let mut files: BTreeMap<u32, Self> = BTreeMap::new();
        for (file, quarters) in activity.into_files() {
            files.entry(file).or_default().quarters = quarters;
        }
        let facts: Vec<((u32, Direction, u32), ConnectorFacts)> = facts.into_iter().collect();
        for of_file in facts.chunk_by(|a, b| a.0.0 == b.0.0) {
            let Some(((file, ..), _)) = of_file.first() else { continue };
            let seen = files.entry(*file).or_default();
            let own = FileNames::of(of_file.iter().map(|((.., code), _)| *code), names);
            let fact = |((_, direction, code), facts): &((u32, Direction, u32), ConnectorFacts)| {
                (*direction, own.place(*code), *facts)
            };
            seen.facts = of_file.iter().map(fact).collect();
            seen.facts.sort();
            seen.connectors = own.into_list();
        }
        files
    }

    /// What its rows say of connectors, by their codes.
    ///
    /// # Errors
    /// When there are more names than codes.
    pub(super) fn facts(
        &self,
        names: &Names,
    ) -> PolarsResult<Vec<((Direction, u32), ConnectorFacts)>> {
        let codes = codes(&self.connectors, names)?;
        let fact = |(direction, connector, facts): &(Direction, u32, ConnectorFacts)| {
            ((*direction, code(&codes, *connector)), *facts)
        };
        Ok(self.facts.iter().map(fact).collect())
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

    pub(super) fn sorted(settled: Settled, files: usize, names: &Names) -> Self {
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
        let peers = DayPeers::of(&settled.peers, names);
        Self { places, days, cells, peers, names: settled.names }
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
        let key = |count: &settle::Count| {
            let connector = connectors.place(count.connector);
            (count.day, class(count.direction, count.tls), connector, count.file)
        };
        let all = counts.iter().map(|count| (key(count), count.messages)).collect();
        let cell = |((day, class, name, file), messages)| (day, class, name, file, messages);
        let cells = sums(all).map(cell).collect();
        Self { connectors: connectors.into_list(), cells }
    }
}

impl DayPeers {
    fn of(counts: &PeerCounts, names: &Names) -> Self {
        let domains = FileNames::of(counts.iter().map(|count| count.peer), names);
        let key = |count: &settle::PeerCount| {
            let day = i32::try_from(count.period).unwrap_or(i32::MAX);
            (day, class(count.direction, count.tls), domains.place(count.peer))
        };
        let all = counts.iter().map(|count| (key(count), count.messages)).collect();
        let peer = |((day, class, name), messages)| (day, class, name, messages);
        let peers = sums(all).map(peer).collect();
        Self { peers, domains: domains.into_list() }
    }
}

/// The sum of each key, in order. There may be millions, a few times each: a tree of them would
/// take longer, and more memory.
fn sums<K: Ord + Copy>(mut all: Vec<(K, u64)>) -> impl Iterator<Item = (K, u64)> {
    all.sort_unstable();
    all.dedup_by(|next, held| {
        let same = next.0 == held.0;
        held.1 += if same { next.1 } else { 0 };
        same
    });
    all.into_iter()
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
        for (key, new) in seen.facts(names)? {
            self.facts.entry(key).and_modify(|held| *held = held.with(new)).or_insert(new);
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

#[cfg(test)]
mod tests {
    use super::super::members::Which;
    use super::*;
    use crate::trace::{BeforeEnd, BlockBuilder, ConnectorType, NO_NAME, Role, Row};

    /// One row of the first file.
    fn push(collector: &Collector, minute: i64, before_end: Option<BeforeEnd>) {
        let mut rows = BlockBuilder::default();
        rows.push(Row {
            time_ms: minute * 60_000,
            direction: Direction::Inbound,
            connector: NO_NAME,
            connector_type: ConnectorType::None,
            forced_tls: None,
            tls: Tls::NoTls,
            cipher: NO_NAME,
            peer: NO_NAME,
            remote: 0,
            message_key: u64::try_from(minute).unwrap(),
            role: Role::Message,
        });
        let block = rows.finish(0).unwrap();
        collector.push(&crate::trace::Block { before_end, ..block });
    }

    #[test]
    fn what_is_settled_is_told_for_each_place_where_a_log_was_left() {
        let folder = tempfile::tempdir().unwrap();
        let room = Room { bytes: 1 << 20, folder: folder.path().to_owned() };
        let collector = Collector::new(room);
        push(&collector, 1, Some(BeforeEnd::Settled(0)));
        push(&collector, 2, Some(BeforeEnd::Settled(1)));
        push(&collector, 20, Some(BeforeEnd::Settled(1)));
        push(&collector, 40, Some(BeforeEnd::Open));
        let files = collector.into_files(&Names::new()).unwrap();
        let quarters = |seen: &FileSeen| -> Vec<(i64, u64)> {
            seen.quarters.iter().map(|(quarter, rows, ..)| (*quarter, *rows)).collect()
        };
        assert_eq!(quarters(&files.settled[&0][&0]), [(0, 1)]);
        assert_eq!(quarters(&files.settled[&1][&0]), [(0, 2), (1, 1)]);
        assert_eq!(quarters(&files.seen[&0]), [(0, 2), (1, 1), (2, 1)]);
        let rows = |which| files.rows.of_file(0, which).rows();
        let found = [Which::New(0, 0), Which::New(1, 1), Which::New(0, 1), Which::Settled(0)];
        assert_eq!(found.map(rows), [1, 2, 3, 1]);
        assert_eq!([Which::Settled(1), Which::Open, Which::All].map(rows), [3, 1, 4]);
    }
}
