//! Ingest: files of any supported kind -> canonical frames, day totals and rejects.
//!
//! | in | out |
//! |---|---|
//! | files, folders, globs, `-` | [`Block`]s to a sink, in no particular order |
//! | | [`Reading`]: one [`SourceFile`] per file, day totals, files passed over |
//!
//! Tables (`parts`): one thread reads, decompresses and cuts files into blocks, and works like
//! the others where enough of them wait; blocks are hashed in order, abreast of parsing any. Logs
//! (`log`): all files of one kind are one stream, followed session by session. Invariants: a bad
//! row is a counted reject, never an error; a file is used as a whole or not at all; the result
//! does not depend on the order in which blocks are parsed.

mod abreast;
mod blocks;
mod cloud;
mod columns;
mod connector_report;
mod csv;
mod custom_data;
mod error;
mod events;
mod files;
mod inbox;
mod job;
mod json;
mod known;
mod log;
mod marks;
mod memo;
mod messages;
mod open;
mod parquet;
mod parts;
mod row;
mod sniff;
mod spelling;
mod spool;
pub mod sql;
mod time;
pub mod tls_rpt;
mod zipped;

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

pub use self::error::IngestError;
use self::files::Input;
use self::job::{Job, Shared};
pub use self::known::{Content, Held, Known, LeftAt, Nothing, Origin, Outline, Stat, StreamRead};
pub use self::log::{Connectors, Left, LeftFile, Rule};
pub use self::row::Identity;
use self::row::Output;
use self::sniff::{Format, Sniffed, sniff};
pub use self::spelling::direction as parse_direction;
use self::spool::Spool;
pub use self::time::DayOrder;
use self::tls_rpt::TlsReport;
pub use self::zipped::ZipFault;
use crate::config::ColumnMap;
use crate::store;
use crate::trace::{Aggregate, Block, Direction, Kind, Names, Rejects, Unit};

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
    /// Year of the first line of a log whose stamps have none.
    pub year: Option<i32>,
    /// Names of connectors for logs.
    pub connectors: Arc<Connectors>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            kind: None,
            columns: None,
            direction: None,
            zone: Tz::UTC,
            order: None,
            year: None,
            connectors: Arc::default(),
        }
    }
}

impl Settings {
    /// All settings as one text, so that none is forgotten where it matters that they are
    /// the same.
    pub fn written_out(&self) -> String {
        format!("{self:?}")
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
    /// Stamps have no year: it was told by the time of the file.
    YearInferred,
    /// Stamps have no zone: that of the settings was taken.
    ZoneAssumed,
    /// The log does not show that TLS is logged: mail without a TLS line is `unknown`.
    TlsNotLogged,
    /// A tracking log without the protocol logs that know TLS.
    NoProtocolLog,
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
            Self::YearInferred => "year-inferred",
            Self::ZoneAssumed => "zone-assumed",
            Self::TlsNotLogged => "tls-not-logged",
            Self::NoProtocolLog => "no-protocol-log",
        }
    }

    /// All notes.
    pub const ALL: [Self; 9] = [
        Self::NoTlsColumn,
        Self::NoIdentity,
        Self::Windows1252,
        Self::DayOrderProven,
        Self::DaysAsTheyStand,
        Self::YearInferred,
        Self::ZoneAssumed,
        Self::TlsNotLogged,
        Self::NoProtocolLog,
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
    /// Per direction: whether a message without a TLS version had none, because the file
    /// shows that versions are recorded.
    pub absent_is_no_tls: [bool; Direction::ALL.len()],
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
    /// How it came into the reading.
    pub origin: Origin,
    /// What an engine was asked and answered, for a table that stays where it is: its length
    /// and hash are those of the answer.
    pub asked: Option<Arc<Asked>>,
}

/// A question to an engine, and its answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Asked {
    /// The statement.
    pub query: String,
    /// The answer as it is filed.
    pub answer: Vec<u8>,
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
    /// TLS reports of other organisations, with their file.
    pub tls_reports: Vec<(u32, TlsReport)>,
    /// Files passed over.
    pub skipped: Vec<SkippedFile>,
    /// Streams of logs.
    pub streams: Vec<StreamRead>,
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
    read_unknown(sources, skip_bad_files, unit, names, &Nothing, sink)
}

/// As [`read`], but for files and contents that are known: they are in the [`Reading`], and
/// `sink` gets nothing of them.
///
/// # Errors
/// As [`read`].
pub fn read_unknown(
    sources: &[Source],
    skip_bad_files: bool,
    unit: Unit,
    names: &Names,
    known: &dyn Known,
    sink: &(dyn Fn(Block) + Sync),
) -> Result<Reading, IngestError> {
    let spool = tempfile::tempdir()
        .map_err(|source| IngestError::Spool { path: std::env::temp_dir(), source })?;
    let mut skipped = Vec::new();
    let how: Vec<String> = sources.iter().map(|source| source.settings.written_out()).collect();
    let with_how: Vec<(&Source, &str)> =
        sources.iter().zip(how.iter().map(String::as_str)).collect();
    let mut found = find(&with_how, skip_bad_files, known, spool.path(), &mut skipped)?;
    found.sort_by(|a, b| a.input.name.cmp(&b.input.name));
    let outlines: Vec<Outline> = found.iter().map(Found::outline).collect();
    let identity = known.identity(shared_identity(&outlines));
    let totals: Arc<AtomicUsize> = Arc::default();
    let shared = Shared { identity, unit, names, totals: &totals };
    let mut jobs: Vec<Job> = Vec::new();
    let mut given: Vec<Given> = Vec::new();
    for (file, mut one) in (0..).zip(found) {
        if let Some(held) = one.held(known, &shared) {
            given.push(held.given(file, one));
            continue;
        }
        let Ok(sniffed) = one.sniffed() else {
            // It was good once: whatever became of it is told as if nothing were known.
            return read(sources, skip_bad_files, unit, names, sink);
        };
        jobs.push(Job::new(file, one.source, (one.input, sniffed), one.settings, &shared));
    }
    parts::run(&jobs, skip_bad_files, sink, &mut skipped)?;
    let streams = log::run(&jobs, skip_bad_files, known, sink, &mut skipped)?;
    let tls_reports = tls_reports(&jobs, skip_bad_files, &mut skipped)?;
    given.extend(jobs.into_iter().map(|job| (job.context.file, job.finish())));
    given.sort_by_key(|(file, _)| *file);
    let mut aggregates = Vec::new();
    let mut files = Vec::new();
    for (_, (file, mut totals)) in given {
        if file.usable {
            aggregates.append(&mut totals);
        }
        files.push(file);
    }
    if names.is_full() {
        return Err(IngestError::TooManyNames { most: names.most() });
    }
    if totals.load(Ordering::Relaxed) > job::MOST_TOTALS || aggregates.len() > job::MOST_TOTALS {
        return Err(IngestError::TooManyTotals);
    }
    aggregates.sort_by_key(|total| (total.file, total.line));
    Ok(Reading { files, aggregates, tls_reports, skipped, streams })
}

/// Reads the files that hold TLS reports of other organisations.
fn tls_reports(
    jobs: &[Job],
    skip_bad_files: bool,
    skipped: &mut Vec<SkippedFile>,
) -> Result<Vec<(u32, TlsReport)>, IngestError> {
    let mut all = Vec::new();
    for job in jobs.iter().filter(|job| job.sniffed.format == Format::TlsReport) {
        if let Some(reports) = job.unless_bad(tls_reports_of(job), skip_bad_files, skipped)? {
            let file = job.context.file;
            job.add(0, Output::of_reports(&reports));
            all.extend(reports.into_iter().map(|report| (file, report)));
        }
    }
    Ok(all)
}

fn tls_reports_of(job: &Job) -> Result<Vec<TlsReport>, IngestError> {
    let input = &job.input;
    let damaged = |source| IngestError::TlsReport { file: input.name.clone(), source };
    let (text, digested) = open::with_text(input, |reader| {
        let mut text = Vec::new();
        let read = reader.take(tls_rpt::MAX_BYTES + 1).read_to_end(&mut text);
        read.map_err(|source| open::corrupt(input, source))?;
        Ok(text)
    })?;
    job.set_digested(digested);
    let mut reports = Vec::new();
    for document in tls_rpt::documents(&text).map_err(damaged)? {
        reports.extend(tls_rpt::read(&document).map_err(damaged)?);
    }
    Ok(reports)
}

/// A file of a reading and its day totals, by its index.
type Given = (u32, (SourceFile, Vec<Aggregate>));

/// A file that is to be read, or is known.
struct Found<'a> {
    input: Input,
    source: usize,
    settings: &'a Settings,
    how: &'a str,
    told: Told,
}

/// What a first look told, now or when the file was read.
enum Told {
    Sniffed(Box<Sniffed>),
    Unchanged(String, Outline),
}

impl Told {
    /// What is known of a file that is as it was.
    fn before(known: &dyn Known, path: &Path, stat: Stat, how: &str) -> Option<Self> {
        if let Some((sha256, outline)) = known.unchanged(path, stat, how) {
            return Some(Self::Unchanged(sha256, outline));
        }
        let log = known.log(path, stat, &store::sha256(how.as_bytes()))?;
        Some(Self::Sniffed(Box::new(Sniffed::of_log(log.kind(), log.start()))))
    }
}

/// A content that is known.
struct HeldContent {
    sha256: String,
    outline: Outline,
    identity: Identity,
    held: Held,
}

impl Found<'_> {
    fn outline(&self) -> Outline {
        match &self.told {
            Told::Sniffed(sniffed) => Outline::of(sniffed),
            Told::Unchanged(_, outline) => *outline,
        }
    }

    /// What is known of the content.
    fn held(&mut self, known: &dyn Known, shared: &Shared<'_>) -> Option<HeldContent> {
        let outline = self.outline();
        let sha256 = match &self.told {
            Told::Unchanged(sha256, _) => sha256.clone(),
            Told::Sniffed(sniffed) => {
                let alone = sniffed.stands_alone();
                let stat = self.input.stat().filter(|_| alone)?;
                known.has_length(stat.bytes).then(|| open::digest(&self.input).ok())??.sha256
            }
        };
        let identity = outline.identity(shared.identity);
        let (unit, how) = (shared.unit, self.how);
        let content = Content { sha256: &sha256, outline: &outline, identity, unit, how };
        let held = known.content(&content)?;
        Some(HeldContent { sha256, outline, identity, held })
    }

    /// What a first look tells.
    fn sniffed(&mut self) -> Result<Sniffed, IngestError> {
        match &self.told {
            Told::Sniffed(sniffed) => Ok(Sniffed::clone(sniffed)),
            Told::Unchanged(..) => sniff(&self.input, self.settings),
        }
    }
}

impl HeldContent {
    fn given(self, file: u32, found: Found<'_>) -> Given {
        let Self { sha256, outline, identity, mut held } = self;
        let totals = std::mem::take(&mut held.aggregates);
        let totals = totals.into_iter().map(|total| Aggregate { file, ..total }).collect();
        let origin = Origin { outline, identity, stat: found.input.stat(), held: true };
        (file, (held.file(found.input, found.source, sha256, origin), totals))
    }
}

/// All files of the sources, each once.
fn find<'a>(
    sources: &[(&'a Source, &'a str)],
    skip_bad_files: bool,
    known: &dyn Known,
    spool: &Path,
    skipped: &mut Vec<SkippedFile>,
) -> Result<Vec<Found<'a>>, IngestError> {
    let mut found: Vec<Found<'_>> = Vec::new();
    // Names that are no UTF-8 may look alike.
    let place = |input: &Input| {
        let alike = input.name.contains('\u{fffd}');
        (input.name.clone(), alike.then(|| input.path.clone()))
    };
    let mut taken: BTreeSet<(String, Option<PathBuf>)> = BTreeSet::new();
    for (source, (one, how)) in sources.iter().enumerate() {
        let settings = &one.settings;
        for input in expand(one, Some(spool))? {
            let stat = input.stat().filter(|_| one.archived.is_none());
            if let Some(told) = stat.and_then(|stat| Told::before(known, &input.path, stat, how)) {
                if taken.insert(place(&input)) {
                    found.push(Found { input, source, settings, how, told });
                }
                continue;
            }
            let members = match with_members(&input) {
                Ok(members) => members,
                Err(error) if passed_over(&error, &input, skip_bad_files) => {
                    skipped.push(skip(&input, &error));
                    continue;
                }
                Err(error) => return Err(error),
            };
            for input in members {
                if taken.contains(&place(&input)) {
                    continue;
                }
                match sniff(&input, settings) {
                    Ok(sniffed) => {
                        taken.insert(place(&input));
                        let told = Told::Sniffed(Box::new(sniffed));
                        found.push(Found { input, source, settings, how, told });
                    }
                    Err(error) if passed_over(&error, &input, skip_bad_files) => {
                        skipped.push(skip(&input, &error));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
    }
    files::check_number(found.len())?;
    Ok(found)
}

fn expand(source: &Source, folder: Option<&Path>) -> Result<Vec<Input>, IngestError> {
    let look = |input: &Input| look(input, &source.settings);
    let spool = folder.map(|folder| Spool { folder, look: &look });
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
        count += expand(source, None)?.len();
    }
    Ok(count)
}

/// A look at the beginning of a stream, which goes on: what is damaged may only be cut off.
fn look(input: &Input, settings: &Settings) -> Result<(), IngestError> {
    use open::Container::{Parquet, Zip};
    // These say at their end what they hold.
    if matches!(open::container(input)?, Zip | Parquet) {
        return Ok(());
    }
    match sniff(input, settings) {
        Err(error) if error.is_no_trace() => Err(error),
        _ => Ok(()),
    }
}

fn with_members(input: &Input) -> Result<Vec<Input>, IngestError> {
    // What cannot be opened is reported when it is sniffed.
    if open::container(input).is_ok_and(|kind| kind == open::Container::Zip) {
        return zipped::members(input);
    }
    Ok(vec![input.clone()])
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
fn shared_identity(files: &[Outline]) -> Option<Identity> {
    let all =
        |has: &dyn Fn(&Outline) -> bool| files.iter().filter(|file| file.has_messages).all(has);
    if all(&|file| file.has_network_message_id) {
        Some(Identity::NetworkId)
    } else if all(&|file| file.has_message_id) {
        Some(Identity::MessageId)
    } else if all(&|file| file.has_network_id) {
        Some(Identity::NetworkId)
    } else {
        None
    }
}
