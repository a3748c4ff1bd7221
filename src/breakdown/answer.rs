//! From the answer of an engine to the parts of a breakdown: what [`sql`](super::sql) asked
//! for, in the shape that a file has once it is settled. From there on nothing differs.

use std::collections::BTreeMap;

use polars::prelude::PolarsResult;
use serde::{Deserialize, Serialize};

use super::coverage::QuarterSeen;
use super::name_list::FileNames;
use super::settle::{Count, PeerCount, Settled};
use super::{ConnectorFacts, FileSeen, Settlement, SourceCounts};
use crate::ingest::sql::DAY_ORDER;
use crate::trace::{ConnectorType, Direction, NO_NAME, Names, RejectReason, Rejects, Tls};

/// One row of an answer; `sql` says what stands where.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AnswerRow {
    /// Which part it belongs to.
    pub part: String,
    /// Day or quarter of an hour.
    pub number: Option<i64>,
    /// Code of the direction.
    pub direction: Option<i64>,
    /// Code of the band.
    pub tls: Option<i64>,
    /// Connector, remote domain or reason.
    pub name: Option<String>,
    /// Days, or what a cell held.
    pub found: Option<String>,
    /// Messages.
    pub messages: i64,
    /// Rows of the table.
    pub line_count: i64,
    /// Least value.
    pub low: Option<i64>,
    /// Greatest value.
    pub high: Option<i64>,
}

/// What an answer says of its table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answered {
    /// Rows of the table, whether used or not.
    pub rows: u64,
    /// Rows that could not be used.
    pub rejects: Rejects,
    /// Earliest and latest time.
    pub span_ms: Option<(i64, i64)>,
    /// What the rows say beside their messages.
    pub seen: FileSeen,
    /// What they were settled to.
    pub settlement: Settlement,
}

/// Why an answer cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// A date of the table could be read either way round.
    #[error("`{found}` could be day/month or month/day")]
    DayOrder {
        /// The date.
        found: String,
    },
    /// A row is none of those that were asked for.
    #[error("a row of the answer was not asked for: {0}")]
    Row(String),
    /// There are more names than codes.
    #[error("there are too many names")]
    Names(#[from] polars::prelude::PolarsError),
}

/// Counts of an answer on their way.
#[derive(Default)]
struct Gathered {
    settled: Settled,
    places: SourceCounts,
    on_days: BTreeMap<Vec<i32>, SourceCounts>,
    quarters: Vec<QuarterSeen>,
    facts: BTreeMap<(Direction, u32), ConnectorFacts>,
    rejects: Rejects,
    rejected: u64,
}

impl Answered {
    /// Reads an answer, whatever the order of its rows.
    ///
    /// # Errors
    /// [`AnswerError`] where a row is none that was asked for, or a date has no order.
    pub fn of(rows: &[AnswerRow], names: &Names) -> Result<Self, AnswerError> {
        let mut gathered = Gathered::default();
        for row in rows {
            let wrong = || AnswerError::Row(format!("{row:?}"));
            gathered.add(row, names)?.ok_or_else(wrong)?;
        }
        Ok(gathered.answered(names))
    }
}

impl Gathered {
    /// Takes in a row; `None` where it is of no use.
    fn add(&mut self, row: &AnswerRow, names: &Names) -> Result<Option<()>, AnswerError> {
        Ok(match row.part.as_str() {
            "cell" => self.cell(row, code(row, names)?),
            "peer" => self.peer(row, code(row, names)?),
            "seen" => self.quarter(row),
            "reject" if row.name.as_deref() == Some(DAY_ORDER) => {
                let found = row.found.clone().unwrap_or_default();
                return Err(AnswerError::DayOrder { found });
            }
            "reject" => self.reject(row),
            _ => None,
        })
    }

    fn cell(&mut self, row: &AnswerRow, connector: u32) -> Option<()> {
        let direction = direction(row)?;
        let low = usize::try_from(row.low?).ok()?;
        let new = ConnectorFacts {
            connector_type: *ConnectorType::ALL.get(low)?,
            forced_tls: row.high.map(|forced| forced == 1),
        };
        let facts = self.facts.entry((direction, connector));
        facts.and_modify(|held| *held = held.with(new)).or_insert(new);
        let Some(day) = row.number else { return self.left(row) };
        let day = i32::try_from(day).ok()?;
        let (tls, messages) = (band(row)?, u64::try_from(row.messages).ok()?);
        let merged = u64::try_from(row.line_count).ok()?.checked_sub(messages)?;
        // As for files: the evening before 1970 is on no day.
        if day >= 0 {
            self.settled.cells.push(Count { day, direction, connector, tls, file: 0, messages });
        }
        let tls_known = if tls == Tls::Unknown { 0 } else { messages };
        let counts =
            SourceCounts { counted: messages, merged, tls_known, ..SourceCounts::default() };
        self.on_days.entry(vec![day]).or_default().add(&counts);
        Some(())
    }

    fn peer(&mut self, row: &AnswerRow, peer: u32) -> Option<()> {
        let count = |period| {
            Some(PeerCount {
                period,
                direction: direction(row)?,
                peer,
                tls: band(row)?,
                messages: u64::try_from(row.messages).ok()?,
            })
        };
        if let Ok(day) = usize::try_from(row.number?) {
            self.settled.peers.push(count(day)?);
        }
        Some(())
    }

    /// Rows that belong to messages on these days; to none where there is no day.
    fn left(&mut self, row: &AnswerRow) -> Option<()> {
        let rows = u64::try_from(row.line_count).ok()?;
        let days = row.found.as_deref()?;
        if days.is_empty() {
            self.places.internal += rows;
            return Some(());
        }
        let mut days = days.split(',').map(|day| day.parse().ok()).collect::<Option<Vec<i32>>>()?;
        days.sort_unstable();
        self.on_days.entry(days).or_default().merged += rows;
        Some(())
    }

    fn quarter(&mut self, row: &AnswerRow) -> Option<()> {
        let rows = u64::try_from(row.line_count).ok()?;
        self.quarters.push((row.number?, rows, row.low?, row.high?));
        Some(())
    }

    fn reject(&mut self, row: &AnswerRow) -> Option<()> {
        let code = row.name.as_deref()?;
        let reason = RejectReason::ALL.into_iter().find(|reason| reason.code() == code)?;
        let count = u64::try_from(row.line_count).ok()?;
        self.rejects.add_many(reason, count, row.found.as_deref().unwrap_or(""));
        self.rejected += count;
        Some(())
    }

    fn answered(self, names: &Names) -> Answered {
        let Self { mut settled, places, on_days, mut quarters, facts, rejects, rejected } = self;
        quarters.sort_unstable();
        let seen_rows: u64 = quarters.iter().map(|(_, rows, ..)| rows).sum();
        let span_ms = quarters
            .iter()
            .map(|(_, _, first, last)| (*first, *last))
            .reduce(|(first, last), (a, b)| (first.min(a), last.max(b)));
        settled.sources = vec![places];
        settled.on_days = on_days.into_iter().map(|(days, counts)| ((0, days), counts)).collect();
        let seen = FileSeen::of(quarters, facts, names);
        let settlement = Settlement::sorted(settled, 1, names);
        Answered { rows: seen_rows + rejected, rejects, span_ms, seen, settlement }
    }
}

impl FileSeen {
    fn of(
        quarters: Vec<QuarterSeen>,
        facts: BTreeMap<(Direction, u32), ConnectorFacts>,
        names: &Names,
    ) -> Self {
        let own = FileNames::of(facts.keys().map(|(_, code)| *code), names);
        let fact = |((direction, code), facts)| (direction, own.place(code), facts);
        let mut facts: Vec<_> = facts.into_iter().map(fact).collect();
        facts.sort();
        Self { quarters, connectors: own.list().clone(), facts }
    }
}

/// The code of the name of a row; no name is mail without a connector.
fn code(row: &AnswerRow, names: &Names) -> PolarsResult<u32> {
    match row.name.as_deref() {
        None | Some("") => Ok(NO_NAME),
        Some(name) => names.code(name),
    }
}

fn direction(row: &AnswerRow) -> Option<Direction> {
    Direction::ALL.get(usize::try_from(row.direction?).ok()?).copied()
}

fn band(row: &AnswerRow) -> Option<Tls> {
    Tls::ALL.get(usize::try_from(row.tls?).ok()?).copied()
}
