//! What each file holds, without counting messages: connectors and TLS bands of its rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use polars::prelude::{PolarsError, PolarsResult};

use crate::breakdown::coverage::{Activity, gaps_of_file};
use crate::breakdown::{Gap, name};
use crate::ingest::Reading;
use crate::trace::{Block, Names, Role, TlsCounts};

/// What one file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Names of its connectors, sorted.
    pub connectors: Vec<String>,
    /// Whether it also holds mail without a connector.
    pub without_connector: bool,
    /// Rows per band (for totals: messages).
    pub tls: TlsCounts,
    /// Hours without rows where rows were to be expected, in UTC.
    pub gaps: Vec<Gap>,
    /// First and last row.
    pub span: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

/// Takes in canonical frames from several threads.
#[derive(Debug, Default)]
pub struct Seen {
    files: Mutex<BTreeMap<u32, FileSeen>>,
    failed: Mutex<Option<PolarsError>>,
}

#[derive(Debug, Default)]
struct FileSeen {
    connectors: BTreeSet<u32>,
    tls: TlsCounts,
    activity: Activity,
}

impl Seen {
    /// Takes in one frame.
    pub fn push(&self, block: &Block) {
        let mut part = FileSeen::default();
        let read = block.for_each(|row| {
            if row.role >= Role::FurtherRecipient {
                return;
            }
            part.activity.add(block.file, row.time_ms, row.role <= Role::Anonymous);
            if row.role <= Role::Anonymous {
                part.connectors.insert(row.connector);
                part.tls.add(row.tls, 1);
            }
        });
        if let Err(error) = read {
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let held = files.entry(block.file).or_default();
        held.connectors.append(&mut part.connectors);
        held.tls.add_all(&part.tls);
        held.activity.merge(part.activity);
    }

    /// What was seen, in the order of the files.
    ///
    /// # Errors
    /// When polars refused a frame, which would be a defect.
    pub fn finish(self, reading: &Reading, names: &Names) -> PolarsResult<Vec<Inspection>> {
        if let Some(error) = self.failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        let mut files = self.files.into_inner().unwrap_or_else(PoisonError::into_inner);
        let inspections = (0..).zip(&reading.files).map(|(index, file)| {
            let seen = files.remove(&index).unwrap_or_default();
            let mut tls = seen.tls;
            let codes = seen.connectors.iter();
            let mut connectors: BTreeSet<Option<String>> =
                codes.map(|code| name(names, *code)).collect();
            for total in reading.aggregates.iter().filter(|total| total.file == index) {
                connectors.insert(total.connector.clone());
                tls.add_all(&total.tls);
            }
            let instant = |ms| DateTime::from_timestamp_millis(ms);
            Inspection {
                without_connector: connectors.contains(&None),
                connectors: connectors.into_iter().flatten().collect(),
                tls,
                gaps: gaps_of_file(&seen.activity),
                span: file
                    .span_ms
                    .and_then(|(first, last)| Some((instant(first)?, instant(last)?))),
            }
        });
        Ok(inspections.collect())
    }
}
