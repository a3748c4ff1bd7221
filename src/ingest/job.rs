//! One file on its way: what is known of it beforehand, what its parts gave, what it was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::abreast::{FileHash, Piece};
use super::blocks::Buffer;
use super::columns::Field;
use super::files::Input;
use super::known::{Held, Origin, Outline};
use super::log::stamp::{Stamps, YearRule};
use super::row::{Context, Fault, Identity, Output};
use super::sniff::{Format, Sniffed, year_rule};
use super::time::TimeReader;
use super::{FileNote, IngestError, Settings, SkippedFile, SourceFile, messages, open, skip};
use crate::trace::{Aggregate, Direction, Kind, Names, Rejects, Unit};

/// One file on its way through the threads.
pub(super) struct Job {
    pub input: Input,
    pub source: usize,
    pub sniffed: Sniffed,
    pub context: Context,
    /// Hash of the settings.
    pub how: String,
    year: YearRule,
    totals: Arc<AtomicUsize>,
    state: Mutex<State>,
    /// Of its bytes, where they are hashed piece by piece.
    hash: FileHash,
}

#[derive(Default)]
struct State {
    digested: open::Digested,
    output: Output,
    /// Lines of each block, and what was found at lines that count from its first.
    blocks: BTreeMap<u64, BlockLines>,
    notes: BTreeSet<FileNote>,
    absent_is_no_tls: [bool; Direction::ALL.len()],
    bad: bool,
    /// What it said when it was read, where it is not read again.
    held: Option<Held>,
}

struct BlockLines {
    lines: u64,
    aggregates: Vec<Aggregate>,
    rejects: Rejects,
    fault: Option<Fault>,
}

impl State {
    /// Numbers the lines of all blocks, once all are there.
    fn number_lines(&mut self) {
        let mut above = 0;
        for (_, mut block) in std::mem::take(&mut self.blocks) {
            for total in &mut block.aggregates {
                total.line += above;
            }
            self.output.aggregates.append(&mut block.aggregates);
            block.rejects.move_down(above);
            self.output.rejects.merge(block.rejects);
            if self.output.fault.is_none() {
                self.output.fault = block.fault.map(|fault| fault.moved_down(above));
            }
            above += block.lines;
        }
    }
}

/// What all files of a reading have in common.
pub(super) struct Shared<'a> {
    pub identity: Option<Identity>,
    pub unit: Unit,
    pub names: &'a Names,
    /// Day totals of all files so far.
    pub totals: &'a Arc<AtomicUsize>,
}

/// Most day totals of a reading: those of a thousand connectors for more than a year.
pub(super) const MOST_TOTALS: usize = 1_000_000;

#[cfg(test)]
impl Job {
    /// One file of a reading with default settings.
    pub(super) fn of_file(path: &std::path::Path) -> Self {
        let input = super::files::expand(&[path.to_str().unwrap().to_owned()], None);
        let (input, settings) = (input.unwrap().remove(0), Settings::default());
        let sniffed = super::sniff::sniff(&input, &settings).unwrap();
        let (names, totals, unit) = (Names::new(), Arc::default(), Unit::Messages);
        let shared = Shared { identity: None, unit, names: &names, totals: &totals };
        Self::new(0, 0, (input, sniffed), &settings, &shared)
    }
}

impl Job {
    pub(super) fn new(
        file: u32,
        source: usize,
        (input, sniffed): (Input, Sniffed),
        settings: &Settings,
        shared: &Shared<'_>,
    ) -> Self {
        let context = Context {
            repeated: sniffed.columns.side_by_side(&messages::REPEATED),
            file,
            kind: sniffed.kind,
            columns: sniffed.columns.clone(),
            times: TimeReader { zone: settings.zone, order: sniffed.order },
            direction: settings.direction,
            identity: Outline::of(&sniffed).identity(shared.identity),
            unit: shared.unit,
            names: shared.names.clone(),
            connectors: settings.connectors.clone(),
        };
        let year = year_rule(&input, settings);
        let how = if sniffed.log.is_some() {
            crate::store::sha256(settings.written_out().as_bytes())
        } else {
            String::new()
        };
        let (totals, state) = (shared.totals.clone(), Mutex::default());
        let hash = FileHash::default();
        Self { input, source, sniffed, context, how, year, totals, state, hash }
    }

    /// Reads the stamps of a log, from its first line on.
    pub(super) fn stamps(&self) -> Stamps {
        Stamps::new(self.context.times.zone, self.year)
    }

    /// Says something that a reader should know.
    pub(super) fn note(&self, note: FileNote) {
        self.with_state(|state| state.notes.insert(note));
    }

    /// Says that a message of this direction without a version was sent in clear.
    pub(super) fn absent_is_no_tls(&self, direction: Direction) {
        self.with_state(|state| {
            if let Some(absent) = state.absent_is_no_tls.get_mut(direction as usize) {
                *absent = true;
            }
        });
    }

    /// What was hashed, once it was.
    pub(super) fn digested(&self) -> open::Digested {
        self.with_state(|state| state.digested.clone())
    }

    /// Whether it cannot be used as a whole.
    pub(super) fn is_bad(&self) -> bool {
        self.with_state(|state| state.bad)
    }

    pub(super) fn set_digested(&self, digested: open::Digested) {
        self.with_state(|state| state.digested = digested);
    }

    /// Bytes of the file, to be hashed behind those that were asked for before.
    pub(super) fn piece(&self, bytes: Buffer) -> Piece {
        self.hash.piece(bytes)
    }

    /// Says that all bytes were hashed.
    pub(super) fn set_hashed(&self) {
        if let Some(digested) = self.hash.finish() {
            self.set_digested(digested);
        }
    }

    /// What reading gave; none where the file is bad as a whole and such files are passed over.
    ///
    /// # Errors
    /// What reading said, unless `skip_bad_files`.
    pub(super) fn unless_bad<T>(
        &self,
        read: Result<T, IngestError>,
        skip_bad_files: bool,
        skipped: &mut Vec<SkippedFile>,
    ) -> Result<Option<T>, IngestError> {
        match read {
            Ok(value) => Ok(Some(value)),
            Err(error) if skip_bad_files => {
                skipped.push(skip(&self.input, &error));
                self.set_bad();
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Says that the file cannot be used as a whole.
    pub(super) fn set_bad(&self) {
        self.with_state(|state| state.bad = true);
    }

    /// Says that it is what it was, and what it said then.
    pub(super) fn hold(&self, mut held: Held, digested: open::Digested) {
        held.bytes = digested.bytes;
        self.with_state(|state| {
            state.held = Some(held);
            state.digested = digested;
        });
    }

    /// Numbers the lines of all blocks, once all are there.
    pub(super) fn number_lines(&self) {
        self.with_state(State::number_lines);
    }

    fn with_state<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds what one block gave.
    pub(super) fn add(&self, sequence: u64, mut part: Output) {
        let more = part.aggregates.len();
        if self.totals.fetch_add(more, Ordering::Relaxed) + more > MOST_TOTALS {
            // The reading ends with an error, and takes no more memory until then.
            part.aggregates = Vec::new();
        }
        self.with_state(|state| {
            let whole = &mut state.output;
            whole.rows_read += part.rows_read;
            whole.saw_tls |= part.saw_tls;
            whole.windows_1252 += part.windows_1252;
            for time_ms in part.span_ms.into_iter().flat_map(|(first, last)| [first, last]) {
                whole.saw_time(time_ms);
            }
            let block = BlockLines {
                lines: part.lines,
                aggregates: part.aggregates,
                rejects: part.rejects,
                fault: part.fault,
            };
            state.blocks.insert(sequence, block);
        });
    }

    pub(super) fn fault(&self) -> Option<IngestError> {
        let file = self.input.name.clone();
        self.with_state(|state| match state.output.fault.clone()? {
            Fault::DayOrder { line, found } => Some(IngestError::DayOrder { file, line, found }),
            Fault::LabelWithoutDirection { line, found } => {
                Some(IngestError::Label { file, line, found })
            }
        })
    }

    pub(super) fn finish(self) -> (SourceFile, Vec<Aggregate>) {
        let is_log = self.sniffed.format == Format::Log;
        // Logs and cloud records have no columns to miss, and identities of their own.
        let has_columns = !is_log && !self.sniffed.kind.is_cloud();
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let origin = Origin::of(&self.input, &self.sniffed, self.context.identity);
        if let Some(held) = state.held {
            let sha256 = state.digested.sha256;
            return (held.file(self.input, self.source, sha256, origin), Vec::new());
        }
        let output = state.output;
        let columns = &self.sniffed.columns;
        let in_custom_data =
            matches!(self.sniffed.kind, Kind::MessageTraceDetail | Kind::MessageTraceEvents);
        let messages = self.sniffed.has_messages();
        let notes = [
            (
                FileNote::NoTlsColumn,
                messages && has_columns && !in_custom_data && !columns.has(Field::Tls),
            ),
            (
                FileNote::NoIdentity,
                messages && has_columns && self.context.identity == Identity::None,
            ),
            (FileNote::Windows1252, output.windows_1252 > 0),
            (FileNote::DayOrderProven, self.sniffed.order_proven),
            (FileNote::DaysAsTheyStand, !messages && self.sniffed.kind != Kind::TlsRpt),
        ];
        let mut noted = state.notes;
        noted.extend(notes.into_iter().filter_map(|(note, holds)| holds.then_some(note)));
        let notes: Vec<FileNote> = noted.into_iter().collect();
        let file = SourceFile {
            name: self.input.name,
            sha256: state.digested.sha256,
            bytes: state.digested.bytes,
            kind: self.sniffed.kind,
            unit: if self.sniffed.kind == Kind::TlsRpt {
                Unit::Sessions
            } else if messages && columns.has(Field::Recipient) {
                self.context.unit
            } else {
                Unit::Messages
            },
            rows: output.rows_read,
            rejects: output.rejects,
            span_ms: output.span_ms,
            absent_is_no_tls: if is_log {
                state.absent_is_no_tls
            } else {
                [output.saw_tls; Direction::ALL.len()]
            },
            notes,
            modified: self.input.modified,
            path: self.input.path,
            source: self.source,
            usable: !state.bad,
            origin,
            asked: None,
        };
        (file, output.aggregates)
    }
}
