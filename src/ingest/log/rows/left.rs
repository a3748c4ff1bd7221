//! What was found in a stream up to the place where it is left, but for rows that were given out.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Rows;
use crate::trace::{BeforeEnd, Direction, NO_NAME, Names, Rejects, Row};

/// No log has so many rows.
const MOST: u64 = 1 << 50;

/// What was found of a stream so far.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in super::super) struct LeftRows {
    /// In the order of the files.
    files: Vec<LeftFileRows>,
    /// Names that the rows below use, by their place, which stands for their code.
    names: Vec<String>,
    waiting: Vec<(u64, Vec<(u32, Row)>)>,
    proven: BTreeSet<u64>,
    undecided: Vec<(u32, Direction, BTreeSet<u64>)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct LeftFileRows {
    rows_read: u64,
    span_ms: Option<(i64, i64)>,
    rejects: Rejects,
    unproven: bool,
}

impl Rows<'_> {
    /// Gives out all rows that are decided, and tells what else was found so far, in so many
    /// files; `times` is how often the stream is left by then, none at its end.
    pub(in super::super) fn leave(&mut self, files: usize, times: Option<u8>) -> LeftRows {
        self.flush_all();
        self.before_end = Some(times.map_or(BeforeEnd::Open, BeforeEnd::Settled));
        let files = self.files.values().take(files).map(|rows| LeftFileRows {
            rows_read: rows.output.rows_read,
            span_ms: rows.output.span_ms,
            rejects: rows.output.rejects.clone(),
            unproven: rows.unproven,
        });
        let mut left = LeftRows {
            files: files.collect(),
            proven: self.proven.clone(),
            undecided: self.undecided.iter().map(|((f, d), all)| (*f, *d, all.clone())).collect(),
            ..LeftRows::default()
        };
        let Some(names) = self.names().cloned() else { return left };
        let mut places: BTreeMap<u32, u32> = BTreeMap::new();
        let mut place = |code: u32| match names.name(code) {
            None => NO_NAME,
            Some(name) => *places.entry(code).or_insert_with(|| {
                left.names.push(name.to_owned());
                u32::try_from(left.names.len() - 1).unwrap_or(NO_NAME)
            }),
        };
        for (logger, rows) in &self.waiting {
            let row = |(file, row): &(u32, Row)| (*file, renamed(row, &mut place));
            left.waiting.push((*logger, rows.iter().map(row).collect()));
        }
        left
    }

    /// Goes on where others left; says whether that can be.
    pub(in super::super) fn resume(&mut self, left: LeftRows) -> bool {
        let Some(names) = self.names().cloned() else { return false };
        let codes: Option<Vec<u32>> = left.names.iter().map(|name| names.code(name).ok()).collect();
        let Some(codes) = codes.filter(|_| left.files.len() <= self.files.len()) else {
            return false;
        };
        let few = |number: u64| number < MOST;
        let sound = left.files.iter().all(|held| {
            few(held.rows_read) && held.rejects.iter().all(|(_, reject)| few(reject.count))
        });
        if !sound {
            return false;
        }
        for (rows, held) in self.files.values_mut().zip(left.files) {
            rows.output.rows_read = held.rows_read;
            rows.output.span_ms = held.span_ms;
            rows.output.rejects = held.rejects;
            rows.unproven = held.unproven;
        }
        self.proven = left.proven;
        self.undecided = left.undecided.into_iter().map(|(f, d, all)| ((f, d), all)).collect();
        let mut code = |place: u32| codes.get(place as usize).copied().unwrap_or(NO_NAME);
        for (logger, rows) in left.waiting {
            self.count_waiting += rows.len();
            let rows = rows.iter().map(|(file, row)| (*file, renamed(row, &mut code))).collect();
            self.waiting.insert(logger, rows);
        }
        true
    }

    fn names(&self) -> Option<&Names> {
        self.files.values().next().map(|rows| &rows.job.context.names)
    }
}

fn renamed(row: &Row, code: &mut impl FnMut(u32) -> u32) -> Row {
    Row { connector: code(row.connector), cipher: code(row.cipher), peer: code(row.peer), ..*row }
}
