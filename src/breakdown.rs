//! Breakdown: canonical frames -> messages per day, direction, connector and TLS band.
//!
//! | in | out |
//! |---|---|
//! | [`Block`]s from any thread, in any order | [`Breakdown`]: plain structs, sorted |
//! | day totals of aggregate sources | the same, where no message rows cover them |
//!
//! A message counts once per identity, direction, connector, band and, where the trace names
//! it, remote server, on the local day of its earliest row. `settle` holds these rules.
//!
//! Invariants
//! * Per file: rows = counted + merged + duplicates + internal + outside + rejected.
//! * The result does not depend on the order of rows, blocks or files, except that a
//!   message that stands in several files is counted for the first of them.
//! * `unknown` is never folded into another band.
//!
//! polars ends here: nothing above this floor sees a frame.

mod aggregate;
pub mod answer;
pub mod at_once;
mod coverage;
mod fold;
mod inspect;
mod members;
mod name_list;
mod parts;
mod rows;
mod sessions;
mod settle;
pub mod sql;
mod summary;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use chrono::NaiveDate;
use chrono_tz::Tz;
use polars::prelude::PolarsError;
use serde::{Deserialize, Serialize};

pub use self::aggregate::{Conflict, Control};
use self::coverage::{Activity, LocalDays};
pub use self::coverage::{Coverage, Gap};
pub use self::fold::{MOST_CONNECTORS, OTHER};
pub use self::inspect::{Inspection, Seen};
pub use self::members::{FileRows, KeptRows, Member, MemberRows, OfFile, ReadRows, Which};
pub use self::name_list::{FileNames, NameList, UsedNames};
pub use self::parts::{
    CollectedFiles, Counts, DayCells, DayPeers, FileSeen, Parts, Places, Settlement,
};
pub use self::rows::Part;
use self::rows::{Batch, Entry, Kept, Origin, Store};
pub use self::summary::{Sum, Summary};
use crate::clock::limit;
use crate::config::Memory;
use crate::ingest::{Reading, SourceFile, tls_rpt};
use crate::period::Period;
use crate::store::ScratchError;
use crate::trace::{
    BeforeEnd, Block, ConnectorType, Direction, NO_NAME, Names, Rejects, Role, Row, TlsCounts,
};

/// Messages of one day, direction and connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Local day.
    pub date: NaiveDate,
    /// Which way.
    pub direction: Direction,
    /// Name; none = mail without a connector.
    pub connector: Option<String>,
    /// Messages per band.
    pub tls: TlsCounts,
}

/// Messages to or from one remote domain in one period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Which way.
    pub direction: Direction,
    /// Remote domain or host.
    pub name: String,
    /// Messages per band.
    pub tls: TlsCounts,
}

/// Remote domains of one period.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peers {
    /// The worst, in this order.
    pub listed: Vec<Peer>,
    /// All others, where there are any.
    pub rest: Option<PeerRest>,
}

/// Remote domains that are not listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PeerRest {
    /// How many, each direction by itself.
    pub peers: u64,
    /// Their messages per band.
    pub tls: TlsCounts,
}

/// What the traces say of a connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ConnectorFacts {
    /// Its type.
    pub connector_type: ConnectorType,
    /// Whether it is said to force TLS.
    pub forced_tls: Option<bool>,
}

impl ConnectorFacts {
    /// What two rows say together: a type that is said wins over one that is not, forced TLS
    /// over not forced.
    fn with(self, other: Self) -> Self {
        Self {
            connector_type: self.connector_type.min(other.connector_type),
            forced_tls: self.forced_tls.max(other.forced_tls),
        }
    }
}

/// Where the rows of one file went. See the law above.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceCounts {
    /// Rows that stand for a counted message or day total.
    pub counted: u64,
    /// Further rows of a message counted for the same file, and its other events.
    pub merged: u64,
    /// Rows of messages or totals that are counted for another row or file.
    pub duplicates: u64,
    /// Rows of mail that never crossed the organisation's border.
    pub internal: u64,
    /// Rows of messages outside the longest period.
    pub outside_period: u64,
    /// Of the counted rows of messages, those whose protection is known.
    pub tls_known: u64,
}

impl SourceCounts {
    fn add(&mut self, other: &Self) {
        self.counted += other.counted;
        self.merged += other.merged;
        self.duplicates += other.duplicates;
        self.internal += other.internal;
        self.outside_period += other.outside_period;
        self.tls_known += other.tls_known;
    }
}

/// What one report is about.
#[derive(Debug, Clone)]
pub struct Scope {
    /// Zone in which days begin.
    pub zone: Tz,
    /// The periods.
    pub periods: Vec<Period>,
    /// Only these connectors are counted; all, and mail without one, where empty.
    pub only: Vec<String>,
    /// Connectors that are told apart however many there are.
    pub named: Vec<String>,
}

impl Scope {
    /// The longest period: `counted` and `outside_period` of the sources refer to it.
    pub fn longest(&self) -> Option<Period> {
        self.periods.iter().copied().max_by_key(Period::days)
    }

    /// Says whether mail of a connector is counted.
    fn wants(&self, connector: Option<&str>) -> bool {
        self.only.is_empty()
            || connector.is_some_and(|name| self.only.iter().any(|wanted| wanted == name))
    }

    /// Says whether a day is needed: inside a period or the equal one before it.
    fn needs(&self, day: NaiveDate) -> bool {
        self.periods.iter().any(|period| {
            period.contains(day) || period.previous().is_some_and(|previous| previous.contains(day))
        })
    }
}

/// Counts, sorted and complete.
#[derive(Debug)]
pub struct Breakdown {
    /// Messages per day, direction and connector, over all periods and the ones before them.
    pub cells: Vec<Cell>,
    /// What the traces say of each connector.
    pub connectors: BTreeMap<(Direction, Option<String>), ConnectorFacts>,
    /// Connectors that are counted as [`OTHER`], since there are very many.
    pub folded: u64,
    /// Remote domains of each period.
    pub peers: Vec<Peers>,
    /// Where the rows of each file went, in the order of the files.
    pub sources: Vec<SourceCounts>,
    /// Rejects of each file.
    pub rejects: Vec<Rejects>,
    /// What the traces cover, one per period.
    pub coverage: Vec<Coverage>,
    /// First local day of any row, where there is one.
    pub first_day: Option<NaiveDate>,
    /// Totals of aggregate sources that message rows took the place of.
    pub controls: Vec<Control>,
    /// Totals of one day and connector that contradict each other.
    pub conflicts: Vec<Conflict>,
    /// What other organisations reported on TLS sessions in the longest period.
    pub sessions: Option<tls_rpt::Summary>,
}

/// Why rows could not be counted.
#[derive(Debug, thiserror::Error)]
pub enum CountError {
    /// polars refused a frame, which would be a defect.
    #[error("a frame of rows is at fault")]
    Frame(#[from] PolarsError),
    /// There are more rows than the memory holds that they may take, and no place for the rest.
    #[error(transparent)]
    Scratch(#[from] ScratchError),
    /// It took too long.
    #[error(transparent)]
    Passed(#[from] limit::Passed),
    /// Rows that were kept of an earlier reading are damaged.
    #[error("`{}` is damaged", path.display())]
    Kept {
        /// The file that holds them.
        path: PathBuf,
    },
}

/// Where rows are until all are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Bytes of memory that they may take.
    pub bytes: usize,
    /// Folder where the rest is set aside, in a file without a name.
    pub folder: PathBuf,
}

impl Room {
    /// The room that rows have in so much memory.
    pub fn of(memory: Memory, folder: PathBuf) -> Self {
        Self { bytes: memory.for_rows(), folder }
    }
}

/// Takes in canonical frames from several threads.
#[derive(Debug)]
pub struct Collector {
    rows: Store,
    shared: Mutex<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    activity: Activity,
    facts: Facts,
    /// What of it is settled, of logs that may go on: by how often they had been left.
    settled: BTreeMap<u8, (Activity, Facts)>,
    failed: Option<CountError>,
}

/// What rows say of connectors, by file, direction and connector.
type Facts = BTreeMap<(u32, Direction, u32), ConnectorFacts>;

fn learn(facts: &mut Facts, key: (u32, Direction, u32), new: ConnectorFacts) {
    facts.entry(key).and_modify(|held| *held = held.with(new)).or_insert(new);
}

impl Collector {
    /// An empty collector.
    pub fn new(room: Room) -> Self {
        Self { rows: Store::new(room.bytes, room.folder), shared: Mutex::default() }
    }

    /// Takes in one frame.
    pub fn push(&self, block: &Block) {
        let mut activity = Activity::default();
        let mut learned = Learned::default();
        let batch = Batch::of_frame(block, |row| {
            if row.role < Role::FurtherRecipient {
                activity.add(block.file, row.time_ms, row.role <= Role::Anonymous);
            }
            if row.role <= Role::Anonymous {
                learned.add(row);
            }
        });
        let (origin, settled) = match block.before_end {
            None => (Origin::Read(0), None),
            Some(BeforeEnd::Settled(times)) => (Origin::Read(times), Some(times)),
            Some(BeforeEnd::Open) => (Origin::Open, None),
        };
        let kept = batch
            .map_err(CountError::from)
            .and_then(|batch| self.rows.push(batch.from(origin)).map_err(CountError::from));
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let Shared { activity: all, facts, settled: parts, .. } = &mut *shared;
        let mut part = settled.map(|times| parts.entry(times).or_default());
        if let Some((of_part, _)) = &mut part {
            of_part.merge(activity.clone());
        }
        all.merge(activity);
        for ((direction, connector), new) in learned.facts() {
            let key = (block.file, direction, connector);
            learn(facts, key, new);
            if let Some((_, facts)) = &mut part {
                learn(facts, key, new);
            }
        }
        // What cannot be counted as a whole is not counted at all: `finish` says so.
        if let Err(error) = kept {
            shared.failed.get_or_insert(error);
        }
    }

    /// Takes in rows of a file that were kept of an earlier reading.
    ///
    /// # Errors
    /// [`CountError`] where they cannot be read, or be set aside.
    pub fn push_kept(
        &self,
        file: u32,
        rows: &dyn KeptRows,
        names: &Names,
    ) -> Result<(), CountError> {
        members::push(rows, names, (file, Origin::Kept), &mut Vec::new(), &self.rows)
    }

    /// Takes in what else the rows of a file said in an earlier reading.
    ///
    /// # Errors
    /// When there are more names than codes.
    pub fn see_kept(&self, file: u32, seen: &FileSeen, names: &Names) -> Result<(), CountError> {
        let facts = seen.facts(names)?;
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let Shared { activity, facts: all, settled, .. } = &mut *shared;
        let (of_part, facts_of_part) = settled.entry(0).or_default();
        for (activity, all) in [(activity, all), (of_part, facts_of_part)] {
            activity.add_kept(file, &seen.quarters);
            for ((direction, connector), new) in &facts {
                learn(all, (file, *direction, *connector), *new);
            }
        }
        Ok(())
    }

    /// Local day after the newest row of any usable file: the as-of date of a report on demand.
    pub fn default_as_of(&self, reading: &Reading, zone: Tz) -> Option<NaiveDate> {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        as_of(&shared.activity, reading, zone)
    }

    /// Counts everything that was taken in.
    ///
    /// # Errors
    /// [`CountError`] when rows were too many, or a frame is at fault.
    pub fn finish(
        self,
        reading: &Reading,
        names: &Names,
        scope: &Scope,
    ) -> Result<Breakdown, CountError> {
        let shared = self.shared.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = shared.failed {
            return Err(error);
        }
        let usable_file = |file| usable(reading, file);
        let days = shared.activity.days(scope.zone, &usable_file);
        let absent_is_no_tls: Vec<[bool; Direction::ALL.len()]> =
            reading.files.iter().map(|file| file.absent_is_no_tls).collect();
        let rules = settle::Rules {
            days: &days,
            absent_is_no_tls: &absent_is_no_tls,
            windows: Some(settle::Windows::new(scope)),
            only: scope.only.iter().filter_map(|name| names.known(name)).collect(),
            all: scope.only.is_empty(),
            packs: settle::packs(names.len(), reading.files.len()),
        };
        let rows = Usable { rows: self.rows.into_kept(), reading };
        let settled = settle::settle(&rows, &rules)?;
        // The memory of millions of rows is given back beside what follows; where no thread is to
        // be had, here.
        drop(std::thread::Builder::new().spawn(move || drop(rows.rows)));
        let facts = shared.facts.into_iter();
        let facts = facts.map(|((_, direction, code), facts)| ((direction, code), facts)).collect();
        let counted = Counted { settled, activity: shared.activity, days, facts };
        Ok(counted.breakdown(reading, names, scope))
    }
}

/// The rows of all files that may be used.
struct Usable<'a> {
    rows: Kept,
    reading: &'a Reading,
}

impl settle::InParts for Usable<'_> {
    fn rows(&self) -> u64 {
        self.rows.rows(&|file| usable(self.reading, file))
    }

    fn read(&self, part: Part, into: &mut Vec<Entry>) -> Result<(), CountError> {
        Ok(self.rows.read(part, &|file| usable(self.reading, file), into)?)
    }
}

/// What was counted of all rows, before day totals are put beside it.
struct Counted {
    settled: settle::Settled,
    activity: Activity,
    days: LocalDays,
    facts: Vec<((Direction, u32), ConnectorFacts)>,
}

impl Counted {
    fn breakdown(self, reading: &Reading, names: &Names, scope: &Scope) -> Breakdown {
        let Self { mut settled, activity, days, mut facts } = self;
        let totals = &reading.aggregates;
        let folded = fold::codes(&mut settled.cells, &mut facts, totals, names, scope);
        let mut sources = settled.sources;
        sources.resize(reading.files.len(), SourceCounts::default());
        let merged =
            aggregate::merge(&reading.aggregates, &reading.files, &settled.cells, names, scope);
        for (file, change) in &merged.moved_to_duplicates {
            if let Some(counts) = sources.get_mut(*file as usize) {
                counts.counted -= change;
                counts.duplicates += change;
            }
        }
        for (counts, of_totals) in sources.iter_mut().zip(&merged.sources) {
            counts.add(of_totals);
        }
        let sessions = sessions::sessions(reading, scope.longest(), scope.zone, &mut sources);
        let mut connectors: BTreeMap<_, ConnectorFacts> = BTreeMap::new();
        let of_rows = facts
            .iter()
            .map(|((direction, code), facts)| ((*direction, name(names, *code)), *facts));
        for (key, new) in of_rows.chain(merged.facts) {
            connectors.entry(key).and_modify(|held| *held = held.with(new)).or_insert(new);
        }
        let mut cells = merged.cells;
        cells.retain(|cell| scope.wants(cell.connector.as_deref()));
        let totals_days = aggregate::days(&reading.aggregates);
        let mut breakdown = Breakdown {
            cells,
            connectors,
            folded: 0,
            peers: fold::peers(&settled.peers, names, scope.periods.len()),
            sources,
            rejects: rejects(&reading.files, settled.rejects),
            coverage: coverage::of_periods(&activity, &days, &totals_days, reading, scope),
            first_day: days.first().into_iter().chain(totals_days.first().copied()).min(),
            controls: merged.controls,
            conflicts: merged.conflicts,
            sessions,
        };
        fold::connectors(&mut breakdown, scope, folded);
        breakdown
    }
}

/// The day after the newest row or total.
fn as_of(activity: &Activity, reading: &Reading, zone: Tz) -> Option<NaiveDate> {
    let of_messages = activity.last_day(zone, &|file| usable(reading, file));
    let of_totals = reading.aggregates.iter().map(|total| total.day).max().and_then(to_date);
    let of_reports = reading.tls_reports.iter().map(|(_, report)| report.end).max();
    let of_reports = of_reports.map(|end| end.with_timezone(&zone).date_naive());
    of_messages.max(of_totals).or(of_reports)?.succ_opt()
}

fn usable(reading: &Reading, file: u32) -> bool {
    reading.files.get(file as usize).is_some_and(|file| file.usable)
}

/// What the rows of one block say of their connectors.
#[derive(Debug, Default)]
struct Learned {
    /// Per connector code, one bit per direction, type and forced TLS.
    said: Vec<u64>,
    of_none: u64,
    /// Connectors whose code is beyond any usual number of names.
    far: BTreeMap<u32, u64>,
}

impl Learned {
    const NEAR: usize = 1 << 16;
    const FORCED: [Option<bool>; 3] = [None, Some(false), Some(true)];

    fn add(&mut self, row: &Row) {
        let forced = match row.forced_tls {
            None => 0,
            Some(false) => 1,
            Some(true) => 2,
        };
        let bit = (row.direction as u32 * 4 + row.connector_type as u32) * 3 + forced;
        let index = row.connector as usize;
        let said = if row.connector == NO_NAME {
            &mut self.of_none
        } else if index < Self::NEAR {
            if self.said.len() <= index {
                self.said.resize(index + 1, 0);
            }
            // The vector was just made long enough.
            &mut self.said[index]
        } else {
            self.far.entry(row.connector).or_default()
        };
        *said |= 1 << bit;
    }

    fn facts(&self) -> impl Iterator<Item = ((Direction, u32), ConnectorFacts)> {
        let near = (0..).zip(&self.said).map(|(code, said)| (code, *said));
        let far = self.far.iter().map(|(code, said)| (*code, *said));
        let all = near.chain(far).chain([(NO_NAME, self.of_none)]).filter(|(_, said)| *said != 0);
        all.flat_map(|(code, said)| {
            (0..36_usize).filter(move |bit| said >> bit & 1 == 1).filter_map(move |bit| {
                let direction = *Direction::ALL.get(bit / 12)?;
                let connector_type = *ConnectorType::ALL.get(bit / 3 % 4)?;
                let forced_tls = *Self::FORCED.get(bit % 3)?;
                Some(((direction, code), ConnectorFacts { connector_type, forced_tls }))
            })
        })
    }
}

fn name(names: &Names, code: u32) -> Option<String> {
    (code != NO_NAME).then(|| names.name(code).map(str::to_owned)).flatten()
}

fn rejects(files: &[SourceFile], settled: Vec<Rejects>) -> Vec<Rejects> {
    let mut all: Vec<Rejects> = files.iter().map(|file| file.rejects.clone()).collect();
    for (held, more) in all.iter_mut().zip(settled) {
        held.merge(more);
    }
    all
}

/// A day count since 1970-01-01 as a date.
fn to_date(day: i32) -> Option<NaiveDate> {
    NaiveDate::from_epoch_days(day)
}
