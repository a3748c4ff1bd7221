//! At the ends of which files a stream is left, so that the next reading can go on there.
//!
//! The last file grows. Where the logs of several servers are written at once, or the protocol
//! logs of Exchange beside its tracking logs, others do, too. What the reader holds behind one
//! file is where it begins with the next: a reading goes on at the end of the first file that has
//! changed, and reads all files behind it.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::ingest::job::Job;
use crate::ingest::open::{self, Container};

/// Files before the last at whose ends a stream is left, at most: the first of them, from which
/// all that follow are read again.
const MOST: usize = 3;

/// The last file, and those that were still written when the newest behind them had begun.
pub(super) fn ends(stream: &[&Job]) -> BTreeSet<u32> {
    let mut ends = BTreeSet::new();
    // When the newest of the files behind begins.
    let mut newest = None;
    for (file, job) in (0..).zip(stream).collect::<Vec<(u32, _)>>().into_iter().rev() {
        let grows = newest.is_some_and(|newest| written_ms(job) > Some(newest)) && is_plain(job);
        if ends.is_empty() || grows {
            ends.insert(file);
        }
        newest = newest.max(job.sniffed.log.and_then(|at| at.first_ms));
    }
    let last = ends.last().copied();
    ends.into_iter().take(MOST).chain(last).collect()
}

/// When it was written last, milliseconds since 1970 UTC.
fn written_ms(job: &Job) -> Option<i64> {
    Some(DateTime::<Utc>::from(job.input.modified?).timestamp_millis())
}

/// Whether it is a file that can grow.
fn is_plain(job: &Job) -> bool {
    let alone = job.input.stat().is_some();
    alone && open::container(&job.input).is_ok_and(|kind| kind == Container::Plain)
}
