//! Ingest: files of any supported kind -> canonical frames, day totals and rejects.
//!
//! | in | out |
//! |---|---|
//! | files, folders, globs, `-` | [`Block`]s to a sink, in no particular order |
//! | | [`Reading`]: one [`SourceFile`] per file, day totals, files passed over |
//!
//! One thread reads, decompresses, hashes and cuts files into blocks; the others parse
//! blocks. Invariants: a bad row is a counted reject, never an error; a file is used as a
//! whole or not at all; the result does not depend on the order in which blocks are parsed.

mod blocks;
mod columns;
mod connector_report;
mod csv;
mod custom_data;
mod events;
mod files;
mod json;
mod messages;
mod open;
mod parquet;
mod row;
mod sniff;
mod spelling;
mod time;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use chrono_tz::Tz;

use self::blocks::{Blocks, Pool, TextBlock};
use self::columns::Field;
use self::files::Input;
pub use self::row::Identity;
use self::row::{Cells, Context, Fault, Memos, Output};
use self::sniff::{Format, Sniffed, sniff};
pub use self::spelling::direction as parse_direction;
pub use self::time::DayOrder;
use self::time::TimeReader;
use crate::config::ColumnMap;
use crate::trace::{Aggregate, Block, BlockBuilder, Direction, Kind, Names, Rejects, Unit};

/// Why a whole reading could not go on.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are named in the messages")]
pub enum IngestError {
    /// A source matches no file.
    #[error("`{source_name}` matches no file")]
    Absent { source_name: String },
    /// A source is no valid pattern.
    #[error("`{source_name}` is not a valid pattern")]
    Pattern { source_name: String, source: glob::PatternError },
    /// A file could not be read.
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// A file holds nothing.
    #[error("`{file}` is empty")]
    Empty { file: String },
    /// A compressed file is damaged or cut off.
    #[error("`{file}` is damaged or cut off")]
    Corrupt { file: String, source: std::io::Error },
    /// A Parquet file is damaged.
    #[error("`{file}` is not readable as Parquet")]
    Parquet { file: String, source: Arc<polars::prelude::PolarsError> },
    /// A JSON document is damaged.
    #[error("`{file}` is not readable as JSON")]
    Json { file: String, source: serde_json::Error },
    /// The columns are those of no known kind.
    #[error("`{file}` is no mail trace: found {}", found_columns(found))]
    NotATrace { file: String, found: Vec<String> },
    /// A column that the kind or the user's map needs is absent.
    #[error("`{file}` has no column `{column}`: found {}", found_columns(found))]
    MissingColumn { file: String, column: String, found: Vec<String> },
    /// Nothing says which way the messages went.
    #[error("`{file}` does not say which way messages went: found {}", found_columns(found))]
    NoDirection { file: String, found: Vec<String> },
    /// Day and month could be either way round.
    #[error(
        "`{file}` line {line}: `{found}` could be day/month or month/day, and no date in the file tells"
    )]
    DayOrder { file: String, line: u64, found: String },
    /// A label of the connector report is not known.
    #[error(
        "`{file}` line {line}: `{found}` does not say its direction (expected a label such as \"From partner - NAME\", or a Direction column)"
    )]
    Label { file: String, line: u64, found: String },
    /// polars refused a frame.
    #[error("a canonical frame could not be made")]
    Frame(#[source] polars::prelude::PolarsError),
}

/// At most twelve header names, shortened.
fn found_columns(found: &[String]) -> String {
    const SHOWN: usize = 12;
    if found.is_empty() {
        return "no columns".to_owned();
    }
    let clean = |name: &String| {
        let short: String =
            name.chars().take(40).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        format!("`{short}`")
    };
    let mut text = found.iter().take(SHOWN).map(clean).collect::<Vec<_>>().join(", ");
    if found.len() > SHOWN {
        text.push_str(&format!(" and {} more", found.len() - SHOWN));
    }
    text
}

impl IngestError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Absent { .. } => Some("name a file, a folder, a glob in quotes, or `-`"),
            Self::NotATrace { .. } => Some(
                "expected the header of a Connector report (Date, Connector direction and name, No TLS, …, Volume), \
                 a connector report detail (date_time_utc, direction, connector_name, tls_version), \
                 or a message trace (summary or extended); for other tables give --columns MAP.toml",
            ),
            Self::MissingColumn { .. } => {
                Some("give the column's real name with --columns MAP.toml, or another --kind")
            }
            Self::DayOrder { .. } => Some("give --day-first or --month-first"),
            Self::NoDirection { .. } | Self::Label { .. } => {
                Some("give --direction inbound or --direction outbound")
            }
            Self::Corrupt { .. } | Self::Parquet { .. } | Self::Json { .. } => {
                Some("export the file again, or leave it out with --skip-bad-files")
            }
            _ => None,
        }
    }

    /// A file that is no trace at all may lie in a folder of traces.
    fn is_no_trace(&self) -> bool {
        matches!(self, Self::NotATrace { .. } | Self::Empty { .. })
    }
}

/// How the files of one source are to be read.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Kind, where not told by content.
    pub kind: Option<Kind>,
    /// The user's column map.
    pub columns: Option<ColumnMap>,
    /// Direction of rows that do not say.
    pub direction: Option<Direction>,
    /// Zone of times that have none.
    pub zone: Tz,
    /// Order of culture-formatted dates.
    pub order: Option<DayOrder>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { kind: None, columns: None, direction: None, zone: Tz::UTC, order: None }
    }
}

/// One configured set of trace files.
#[derive(Debug, Clone)]
pub struct Source {
    /// A file, folder, glob or `-`.
    pub path: String,
    /// Folder from which the path goes; names of files are shown without it, so that a
    /// report does not depend on where an installation lies. Empty for the working folder.
    pub root: PathBuf,
    /// What stands for the file at `path` when a filed report is made again.
    pub archived: Option<Archived>,
    /// How its files are read.
    pub settings: Settings,
}

/// A copy that stands for the file that was read once.
#[derive(Debug, Clone)]
pub struct Archived {
    /// Name under which it was read.
    pub name: String,
    /// When it had been modified.
    pub modified: Option<SystemTime>,
}

/// What a reader of the report should know about a file. The code is stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileNote {
    /// No TLS column: every message of the file is `unknown`.
    NoTlsColumn,
    /// No identity column: duplicates across files are told by whole rows.
    NoIdentity,
    /// Bytes that are no UTF-8 were read as Windows-1252.
    Windows1252,
    /// Day and month order was proven by the file's own dates.
    DayOrderProven,
    /// Totals of days as they stand, whatever the zone of the report.
    DaysAsTheyStand,
}

impl FileNote {
    /// The stable code, as in `report.json`.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoTlsColumn => "no-tls-column",
            Self::NoIdentity => "no-identity",
            Self::Windows1252 => "windows-1252",
            Self::DayOrderProven => "day-order-proven",
            Self::DaysAsTheyStand => "days-as-they-stand",
        }
    }

    /// All notes.
    pub const ALL: [Self; 5] = [
        Self::NoTlsColumn,
        Self::NoIdentity,
        Self::Windows1252,
        Self::DayOrderProven,
        Self::DaysAsTheyStand,
    ];
}

/// One file that was read.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Name as the user reaches it.
    pub name: String,
    /// Lower-case hexadecimal SHA-256 of the file as it lies on the disk.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
    /// Its kind.
    pub kind: Kind,
    /// What is counted of it.
    pub unit: Unit,
    /// Rows read, whether used or not.
    pub rows: u64,
    /// Rows that could not be used.
    pub rejects: Rejects,
    /// Earliest and latest time, milliseconds since 1970 UTC.
    pub span_ms: Option<(i64, i64)>,
    /// Whether any row carried a TLS version.
    pub saw_tls: bool,
    /// What a reader should know.
    pub notes: Vec<FileNote>,
    /// Time of the last modification.
    pub modified: Option<SystemTime>,
    /// Where the bytes are; a member of an archive is in the archive's file.
    pub path: PathBuf,
    /// Which of the sources it belongs to.
    pub source: usize,
    /// Whether the rows may be used; false where the file turned out bad as a whole.
    pub usable: bool,
}

/// A file that was passed over.
#[derive(Debug, Clone)]
pub struct SkippedFile {
    /// Name as the user reaches it.
    pub name: String,
    /// Whether it is a damaged trace, not just another file.
    pub bad: bool,
    /// Why, in words for stderr.
    pub why: String,
}

/// What a whole reading gave beside its frames.
#[derive(Debug)]
pub struct Reading {
    /// Every file of a known kind, in order of name.
    pub files: Vec<SourceFile>,
    /// Day totals of all aggregate files.
    pub aggregates: Vec<Aggregate>,
    /// Files passed over.
    pub skipped: Vec<SkippedFile>,
}

/// Reads all sources and hands every canonical frame to `sink`, from several threads.
///
/// # Errors
/// [`IngestError`] for the first file that cannot be used as a whole, unless
/// `skip_bad_files`; a file that is no trace is an error only where it was named.
pub fn read(
    sources: &[Source],
    skip_bad_files: bool,
    unit: Unit,
    names: &Names,
    sink: &(dyn Fn(Block) + Sync),
) -> Result<Reading, IngestError> {
    let spool = tempfile::tempdir()
        .map_err(|source| IngestError::Read { path: std::env::temp_dir(), source })?;
    let mut skipped = Vec::new();
    let mut known: Vec<(Input, Sniffed, usize, &Settings)> = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let expanded = expand(source, spool.path())?;
        for input in with_members(expanded)? {
            if known.iter().any(|(held, ..)| held.name == input.name) {
                continue;
            }
            match sniff(&input, &source.settings) {
                Ok(sniffed) => known.push((input, sniffed, index, &source.settings)),
                Err(error) if passed_over(&error, &input, skip_bad_files) => {
                    skipped.push(skip(&input, &error));
                }
                Err(error) => return Err(error),
            }
        }
    }
    known.sort_by(|(a, ..), (b, ..)| a.name.cmp(&b.name));
    let shared = shared_identity(known.iter().map(|(_, sniffed, ..)| sniffed));
    let jobs: Vec<Job> = (0..)
        .zip(known)
        .map(|(file, (input, sniffed, source, settings))| {
            let shared = Shared { identity: shared, unit, names };
            Job { source, ..Job::new(file, input, sniffed, settings, &shared) }
        })
        .collect();
    run(&jobs, skip_bad_files, sink, &mut skipped)?;
    let mut aggregates = Vec::new();
    let mut files = Vec::new();
    for job in jobs {
        let (file, mut totals) = job.finish();
        if file.usable {
            aggregates.append(&mut totals);
        }
        files.push(file);
    }
    aggregates.sort_by_key(|total| (total.file, total.line));
    Ok(Reading { files, aggregates, skipped })
}

fn expand(source: &Source, spool: &Path) -> Result<Vec<Input>, IngestError> {
    let path = match source.path.as_str() {
        "-" => "-".to_owned(),
        path => source.root.join(path).to_string_lossy().into_owned(),
    };
    let mut inputs = files::expand(&[path], spool)?;
    for input in &mut inputs {
        if let Ok(shown) = Path::new(&input.name).strip_prefix(&source.root) {
            input.name = shown.to_string_lossy().into_owned();
        }
        if let Some(archived) = &source.archived {
            input.name.clone_from(&archived.name);
            input.modified = archived.modified;
        }
    }
    Ok(inputs)
}

/// Says how many files the sources match, without reading any.
///
/// # Errors
/// [`IngestError`] for a source that matches nothing or cannot be listed.
pub fn matched(sources: &[Source]) -> Result<usize, IngestError> {
    let mut count = 0;
    for source in sources.iter().filter(|source| source.path != "-") {
        count += expand(source, Path::new(""))?.len();
    }
    Ok(count)
}

fn with_members(inputs: Vec<Input>) -> Result<Vec<Input>, IngestError> {
    let mut all = Vec::new();
    for input in inputs {
        // What cannot be opened is reported when it is sniffed.
        if open::container(&input).is_ok_and(|kind| kind == open::Container::Zip) {
            match open::members(&input) {
                Ok(members) => all.extend(members),
                Err(error) if input.named => return Err(error),
                Err(_) => all.push(input),
            }
        } else {
            all.push(input);
        }
    }
    Ok(all)
}

fn passed_over(error: &IngestError, input: &Input, skip_bad_files: bool) -> bool {
    if error.is_no_trace() { !input.named || skip_bad_files } else { skip_bad_files }
}

fn skip(input: &Input, error: &IngestError) -> SkippedFile {
    let mut why = error.to_string();
    if let Some(cause) = std::error::Error::source(error) {
        why.push_str(&format!(": {cause}"));
    }
    SkippedFile { name: input.name.clone(), bad: !error.is_no_trace(), why }
}

/// The identity that all message files can agree on, so that a message that stands in two
/// files is the same one; each file's own where there is none.
fn shared_identity<'a>(files: impl Iterator<Item = &'a Sniffed>) -> Option<Identity> {
    let files: Vec<&Sniffed> = files.filter(|file| file.has_messages()).collect();
    let all = |has: &dyn Fn(&Sniffed) -> bool| files.iter().all(|file| has(file));
    if all(&|file| file.columns.has_network_message_id()) {
        Some(Identity::NetworkId)
    } else if all(&|file| file.columns.has(Field::MessageId)) {
        Some(Identity::MessageId)
    } else if all(&|file| file.columns.has(Field::NetworkId)) {
        Some(Identity::NetworkId)
    } else {
        None
    }
}

/// One file on its way through the threads.
struct Job {
    input: Input,
    source: usize,
    sniffed: Sniffed,
    context: Context,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    digested: open::Digested,
    output: Output,
    /// Lines of each block, and what was found at lines that count from its first.
    blocks: BTreeMap<u64, BlockLines>,
    bad: bool,
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
struct Shared<'a> {
    identity: Option<Identity>,
    unit: Unit,
    names: &'a Names,
}

impl Job {
    fn new(
        file: u32,
        input: Input,
        sniffed: Sniffed,
        settings: &Settings,
        shared: &Shared<'_>,
    ) -> Self {
        let context = Context {
            file,
            kind: sniffed.kind,
            columns: sniffed.columns.clone(),
            times: TimeReader { zone: settings.zone, order: sniffed.order },
            direction: settings.direction,
            identity: match sniffed.identity() {
                Identity::None => Identity::None,
                own => shared.identity.unwrap_or(own),
            },
            unit: shared.unit,
            names: shared.names.clone(),
        };
        Self { input, source: 0, sniffed, context, state: Mutex::new(State::default()) }
    }

    fn with_state<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds what one block gave.
    fn add(&self, sequence: u64, part: Output) {
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

    fn fault(&self) -> Option<IngestError> {
        let file = self.input.name.clone();
        self.with_state(|state| match state.output.fault.clone()? {
            Fault::DayOrder { line, found } => Some(IngestError::DayOrder { file, line, found }),
            Fault::LabelWithoutDirection { line, found } => {
                Some(IngestError::Label { file, line, found })
            }
        })
    }

    fn finish(self) -> (SourceFile, Vec<Aggregate>) {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let output = state.output;
        let columns = &self.sniffed.columns;
        let in_custom_data =
            matches!(self.sniffed.kind, Kind::MessageTraceDetail | Kind::MessageTraceEvents);
        let messages = self.sniffed.has_messages();
        let notes = [
            (FileNote::NoTlsColumn, messages && !in_custom_data && !columns.has(Field::Tls)),
            (FileNote::NoIdentity, messages && self.context.identity == Identity::None),
            (FileNote::Windows1252, output.windows_1252 > 0),
            (FileNote::DayOrderProven, self.sniffed.order_proven),
            (FileNote::DaysAsTheyStand, !messages),
        ];
        let file = SourceFile {
            name: self.input.name,
            sha256: state.digested.sha256,
            bytes: state.digested.bytes,
            kind: self.sniffed.kind,
            unit: if messages && columns.has(Field::Recipient) {
                self.context.unit
            } else {
                Unit::Messages
            },
            rows: output.rows_read,
            rejects: output.rejects,
            span_ms: output.span_ms,
            saw_tls: output.saw_tls,
            notes: notes.into_iter().filter_map(|(note, holds)| holds.then_some(note)).collect(),
            modified: self.input.modified,
            path: self.input.path,
            source: self.source,
            usable: !state.bad,
        };
        (file, output.aggregates)
    }
}

/// A part of a file that can be parsed by itself.
enum Part {
    Text { block: TextBlock, start: usize },
    Rows { sequence: u64, rows: Vec<(u64, Vec<String>)> },
}

impl Part {
    fn sequence(&self) -> u64 {
        match self {
            Self::Text { block, .. } => block.sequence,
            Self::Rows { sequence, .. } => *sequence,
        }
    }
}

type Work<'a> = (&'a Job, Part);

/// Reads all files on this thread and parses their parts on the others.
fn run(
    jobs: &[Job],
    skip_bad_files: bool,
    sink: &(dyn Fn(Block) + Sync),
    skipped: &mut Vec<SkippedFile>,
) -> Result<(), IngestError> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let (sender, receiver) = sync_channel::<Work<'_>>(2 * workers);
    let receiver = Mutex::new(receiver);
    let failed: Mutex<Option<IngestError>> = Mutex::new(None);
    let pool = Pool::default();
    let outcome = std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                if let Err(error) = parse_all(&receiver, &pool, sink) {
                    failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                }
            });
        }
        let outcome = read_all(jobs, skip_bad_files, &pool, &sender, skipped);
        drop(sender);
        outcome
    });
    outcome?;
    if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    for job in jobs {
        job.with_state(State::number_lines);
        if let Some(error) = job.fault() {
            if !skip_bad_files {
                return Err(error);
            }
            skipped.push(skip(&job.input, &error));
            job.with_state(|state| state.bad = true);
        }
    }
    Ok(())
}

fn read_all<'a>(
    jobs: &'a [Job],
    skip_bad_files: bool,
    pool: &Pool,
    sender: &SyncSender<Work<'a>>,
    skipped: &mut Vec<SkippedFile>,
) -> Result<(), IngestError> {
    for job in jobs {
        // A worker is gone only when it failed; its error is reported by the caller.
        let send = |part| drop(sender.send((job, part)));
        match read_file(job, pool, send) {
            Ok(digested) => job.with_state(|state| state.digested = digested),
            Err(error) if skip_bad_files => {
                skipped.push(skip(&job.input, &error));
                job.with_state(|state| state.bad = true);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn read_file(
    job: &Job,
    pool: &Pool,
    mut send: impl FnMut(Part),
) -> Result<open::Digested, IngestError> {
    let input = &job.input;
    let headers = job.sniffed.columns.headers();
    match &job.sniffed.format {
        Format::Csv(dialect) => read_text(input, true, dialect.rows_start, pool, &mut send),
        Format::Json(json::Shape::Lines) => read_text(input, false, 0, pool, &mut send),
        Format::Json(json::Shape::Document) => {
            let ((), digested) = open::with_text(input, |reader| {
                let mut rows = Vec::new();
                let mut count = 0;
                json::each_row(reader, &mut |row| {
                    count += 1;
                    rows.push((count, json::cells(row, headers)));
                    if rows.len() == 4096 {
                        send(Part::Rows { sequence: count, rows: std::mem::take(&mut rows) });
                    }
                })
                .map_err(|source| IngestError::Json { file: input.name.clone(), source })?;
                send(Part::Rows { sequence: count + 1, rows });
                Ok(())
            })?;
            Ok(digested)
        }
        Format::Parquet => {
            let used = job.sniffed.columns.used();
            let mut sequence = 0;
            parquet::each_slice(input, headers, &used, |rows| {
                sequence += 1;
                send(Part::Rows { sequence, rows });
            })?;
            open::digest(input)
        }
    }
}

fn read_text(
    input: &Input,
    quotes: bool,
    rows_start: usize,
    pool: &Pool,
    send: &mut impl FnMut(Part),
) -> Result<open::Digested, IngestError> {
    let ((), digested) = open::with_text(input, |reader| {
        let mut blocks = Blocks::new(reader, quotes, pool);
        let mut start = rows_start;
        let damaged = |source| open::corrupt(input, source);
        while let Some(block) = blocks.next_block().map_err(damaged)? {
            send(Part::Text { block, start: std::mem::take(&mut start) });
        }
        Ok(())
    })?;
    Ok(digested)
}

fn parse_all(
    receiver: &Mutex<Receiver<Work<'_>>>,
    pool: &Pool,
    sink: &(dyn Fn(Block) + Sync),
) -> Result<(), IngestError> {
    // What words mean is remembered from block to block of one file.
    let mut memos: Option<(u32, Memos)> = None;
    loop {
        let work = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((job, part)) = work else { return Ok(()) };
        let file = job.context.file;
        let mut output = match memos.take() {
            Some((held, memos)) if held == file => Output { memos, ..Output::default() },
            _ => Output::default(),
        };
        let sequence = part.sequence();
        parse(job, part, pool, &mut output);
        memos = Some((file, std::mem::take(&mut output.memos)));
        let rows = std::mem::take(&mut output.rows);
        if !rows.is_empty() {
            let context = &job.context;
            sink(rows.finish(context.file, &context.names).map_err(IngestError::Frame)?);
        }
        job.add(sequence, output);
    }
}

fn parse(job: &Job, part: Part, pool: &Pool, output: &mut Output) {
    let context = &job.context;
    match (part, &job.sniffed.format) {
        (Part::Text { block, start }, Format::Csv(dialect)) => {
            // Rows of these exports are rarely shorter.
            output.rows = BlockBuilder::with_capacity(block.bytes.len() / 150);
            csv::map_block(context, dialect, &block, start, output);
            pool.give(block.bytes);
        }
        (Part::Text { block, .. }, _) => {
            json::map_block(context, &block, output);
            pool.give(block.bytes);
        }
        (Part::Rows { rows, .. }, _) => {
            for (line, row) in rows {
                output.rows_read += 1;
                map_row(context, row.as_slice(), line, output);
            }
        }
    }
}

/// Maps one row by the kind of its file.
fn map_row<C: Cells + ?Sized>(context: &Context, cells: &C, line: u64, out: &mut Output) {
    match context.kind {
        Kind::ConnectorReport => connector_report::map(context, cells, line, out),
        Kind::ConnectorReportDetail | Kind::MessageTrace | Kind::Table => {
            messages::map(context, cells, line, out);
        }
        Kind::MessageTraceDetail => events::map_detail(context, cells, line, out),
        Kind::MessageTraceEvents => events::map_mep(context, cells, line, out),
    }
}
