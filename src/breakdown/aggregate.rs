//! Day totals of aggregate sources, and how they go together with message rows.
//!
//! Message rows of a (day, direction, connector) take the place of a total, which becomes a
//! control total with its difference. Where the message rows say nothing at all about TLS and
//! the total does, the total is used and the rows become the control: what is known
//! supersedes what is not, as it does between rows.
//!
//! Totals that contradict each other: the one of the file modified last is used, and the
//! conflict is reported.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::breakdown::settle::Count;
use crate::breakdown::{Cell, ConnectorFacts, Scope, SourceCounts, name, to_date};
use crate::ingest::SourceFile;
use crate::trace::{Aggregate, Direction, NO_NAME, Names, TlsCounts, Unit};

/// A total that message rows took the place of, or the other way round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// Day of the total.
    pub date: NaiveDate,
    /// Which way.
    pub direction: Direction,
    /// Name; none = mail without a connector.
    pub connector: Option<String>,
    /// Messages of the total.
    pub total: u64,
    /// Messages counted from rows.
    pub rows: u64,
}

/// Totals of one day and connector that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Day of the totals.
    pub date: NaiveDate,
    /// Which way.
    pub direction: Direction,
    /// Name; none = mail without a connector.
    pub connector: Option<String>,
    /// File whose total is used.
    pub used: String,
    /// File whose total is not.
    pub unused: String,
}

/// Everything counted, totals included.
#[derive(Debug, Default)]
pub(super) struct Merged {
    /// All messages, sorted by day, direction and connector.
    pub cells: Vec<Cell>,
    /// Totals that stand beside message rows.
    pub controls: Vec<Control>,
    /// Totals that contradict each other.
    pub conflicts: Vec<Conflict>,
    /// Where the rows of aggregate files went.
    pub sources: Vec<SourceCounts>,
    /// Message rows per file that a total takes the place of, within the longest period.
    pub moved_to_duplicates: BTreeMap<u32, u64>,
    /// What the totals say of their connectors.
    pub facts: Vec<((Direction, Option<String>), ConnectorFacts)>,
}

type Key = (i32, Direction, Option<String>);

/// Days that have a total.
pub(super) fn days(totals: &[Aggregate]) -> Vec<NaiveDate> {
    let mut days: Vec<NaiveDate> = totals.iter().filter_map(|total| to_date(total.day)).collect();
    days.sort_unstable();
    days.dedup();
    days
}

/// Puts message counts and totals together.
pub(super) fn merge(
    totals: &[Aggregate],
    files: &[SourceFile],
    counts: &[Count],
    names: &Names,
    scope: &Scope,
) -> Merged {
    let mut merged =
        Merged { sources: vec![SourceCounts::default(); files.len()], ..Merged::default() };
    let mut by_code: BTreeMap<(i32, Direction, u32), TlsCounts> = BTreeMap::new();
    for count in counts {
        let key = (count.day, count.direction, count.connector);
        by_code.entry(key).or_default().add(count.tls, count.messages);
    }
    let mut cells: BTreeMap<Key, TlsCounts> = by_code
        .into_iter()
        .map(|((day, direction, code), tls)| ((day, direction, name(names, code)), tls))
        .collect();
    let mut sorted: Vec<&Count> = counts.iter().collect();
    sorted.sort_by_key(|count| place_of(count));
    let beside = Beside { counts: sorted, files, names, scope };
    for (key, chosen) in choose(totals, files, scope, &mut merged) {
        place(key, &chosen, &beside, &mut cells, &mut merged);
    }
    merged.facts = totals
        .iter()
        .map(|total| {
            let facts = ConnectorFacts {
                connector_type: total.connector_type,
                forced_tls: total.forced_tls,
            };
            ((total.direction, total.connector.clone()), facts)
        })
        .collect();
    merged.cells = cells
        .into_iter()
        .filter_map(|((day, direction, connector), tls)| {
            Some(Cell { date: to_date(day)?, direction, connector, tls })
        })
        .collect();
    merged
}

/// The total that is used for one key.
struct Chosen {
    tls: TlsCounts,
    /// Rows that make it up, and their file.
    rows: u64,
    file: u32,
}

/// Picks one total per day, direction and connector, and places the rows of the others.
fn choose(
    totals: &[Aggregate],
    files: &[SourceFile],
    scope: &Scope,
    merged: &mut Merged,
) -> BTreeMap<Key, Chosen> {
    let mut by_key: BTreeMap<Key, BTreeMap<u32, Vec<&Aggregate>>> = BTreeMap::new();
    for total in totals {
        let key = (total.day, total.direction, total.connector.clone());
        by_key.entry(key).or_default().entry(total.file).or_default().push(total);
    }
    let mut chosen = BTreeMap::new();
    for (key, by_file) in by_key {
        let per_file: Vec<Chosen> = by_file
            .iter()
            .filter_map(|(file, rows)| sum_of_file(&key, *file, rows, files, scope, merged))
            .collect();
        let modified = |file: u32| files.get(file as usize).and_then(|file| file.modified);
        let best = per_file.iter().max_by_key(|total| (modified(total.file), total.file));
        let Some(best) = best.map(|best| Chosen { ..*best }) else { continue };
        for other in per_file.iter().filter(|other| other.file != best.file) {
            if other.tls != best.tls {
                merged.conflicts.extend(conflict(&key, best.file, other.file, files));
            }
            place_rows(&key, other, Place::Duplicate, scope, merged);
        }
        chosen.insert(key, best);
    }
    chosen
}

/// The total of one file: the sum of its parts, or the last of competing rows.
fn sum_of_file(
    key: &Key,
    file: u32,
    rows: &[&Aggregate],
    files: &[SourceFile],
    scope: &Scope,
    merged: &mut Merged,
) -> Option<Chosen> {
    let last = rows.last()?;
    if last.additive {
        let mut tls = TlsCounts::default();
        for row in rows {
            tls.add_all(&row.tls);
        }
        return Some(Chosen { tls, rows: rows.len() as u64, file });
    }
    if rows.iter().any(|row| row.tls != last.tls) {
        merged.conflicts.extend(conflict(key, file, file, files));
    }
    let others = Chosen { tls: last.tls, rows: rows.len() as u64 - 1, file };
    place_rows(key, &others, Place::Duplicate, scope, merged);
    Some(Chosen { tls: last.tls, rows: 1, file })
}

fn conflict(key: &Key, used: u32, unused: u32, files: &[SourceFile]) -> Option<Conflict> {
    let name = |file: u32| files.get(file as usize).map(|file| file.name.clone());
    Some(Conflict {
        date: to_date(key.0)?,
        direction: key.1,
        connector: key.2.clone(),
        used: name(used)?,
        unused: name(unused)?,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Counted,
    Duplicate,
}

fn place_rows(key: &Key, total: &Chosen, place: Place, scope: &Scope, merged: &mut Merged) {
    let Some(counts) = merged.sources.get_mut(total.file as usize) else { return };
    if !in_longest(key.0, scope) {
        counts.outside_period += total.rows;
    } else if place == Place::Counted {
        counts.counted += total.rows;
    } else {
        counts.duplicates += total.rows;
    }
}

fn in_longest(day: i32, scope: &Scope) -> bool {
    let longest = scope.longest();
    to_date(day).is_some_and(|date| longest.is_some_and(|period| period.contains(date)))
}

/// What stands beside the totals.
struct Beside<'a> {
    /// In order of day, direction and connector.
    counts: Vec<&'a Count>,
    files: &'a [SourceFile],
    names: &'a Names,
    scope: &'a Scope,
}

impl Beside<'_> {
    /// The message counts of one key.
    fn of(&self, key: &Key) -> &[&Count] {
        let code = match &key.2 {
            None => Some(NO_NAME),
            Some(name) => self.names.known(name),
        };
        let Some(code) = code else { return &[] };
        let wanted = (key.0, key.1, code);
        let start = self.counts.partition_point(|count| place_of(count) < wanted);
        let all = self.counts.get(start..).unwrap_or_default();
        let length = all.partition_point(|count| place_of(count) == wanted);
        all.get(..length).unwrap_or_default()
    }

    /// Says whether rows count messages, as totals do.
    fn in_messages(&self, counts: &[&Count]) -> bool {
        let unit = |count: &&Count| self.files.get(count.file as usize).map(|file| file.unit);
        counts.iter().all(|count| unit(count) == Some(Unit::Messages))
    }
}

fn place_of(count: &Count) -> (i32, Direction, u32) {
    (count.day, count.direction, count.connector)
}

/// Puts a chosen total among the cells, or makes it the control of the rows there.
fn place(
    key: Key,
    chosen: &Chosen,
    beside: &Beside<'_>,
    cells: &mut BTreeMap<Key, TlsCounts>,
    merged: &mut Merged,
) {
    let scope = beside.scope;
    let Some(date) = to_date(key.0).filter(|date| scope.needs(*date)) else {
        return place_rows(&key, chosen, Place::Counted, scope, merged);
    };
    let Some(of_rows) = cells.get_mut(&key) else {
        place_rows(&key, chosen, Place::Counted, scope, merged);
        cells.insert(key, chosen.tls);
        return;
    };
    merged.controls.push(Control {
        date,
        direction: key.1,
        connector: key.2.clone(),
        total: chosen.tls.total(),
        rows: of_rows.total(),
    });
    let rows_say_nothing = of_rows.unknown == of_rows.total();
    let total_says_something = chosen.tls.unknown < chosen.tls.total();
    let rows = if rows_say_nothing && total_says_something { beside.of(&key) } else { &[] };
    if !rows.is_empty() && beside.in_messages(rows) {
        *of_rows = chosen.tls;
        if in_longest(key.0, scope) {
            for count in rows {
                *merged.moved_to_duplicates.entry(count.file).or_default() += count.messages;
            }
        }
        place_rows(&key, chosen, Place::Counted, scope, merged);
    } else {
        place_rows(&key, chosen, Place::Duplicate, scope, merged);
    }
}
