//! The only place where everything meets: the pipeline of one report, and what keeps it
//! running by itself.
//!
//! ```text
//! report     sources -> ingest -> breakdown -> insights -> report -> rendered files
//! plan       settings of a schedule, checked
//! branding   [branding], read and checked
//! evidence   [archive], checked; time stamp and witness
//! filing     what goes into a bag: report, circumstances, inputs, mail as it was sent
//! prepare    one occurrence: report frozen, files rendered and checked, letters written
//! due        occurrences -> rows of the ledger, with the policy for missed ones
//! lake       a report of a table that an engine counts where it is
//! engine     what is due -> prepare -> archive -> ledger -> outbox; one process per state folder
//! outbox     message after message to relay or folder, each outcome written down
//! reproduce  a filed report made again and compared
//! retention  bags that were kept long enough
//! time       how long a run may take
//! status     what the ledger and the schedules say together
//! trial      a run that may end its process, made in one of its own
//! daemon     the engine, for ever
//! ```

pub mod branding;
mod changes;
mod command;
pub mod daemon;
pub mod due;
pub mod engine;
pub mod evidence;
pub mod filing;
pub mod lake;
pub mod outbox;
pub mod plan;
pub mod post;
pub mod prepare;
pub mod reproduce;
pub mod retention;
mod secret;
pub mod settings;
pub mod status;
pub mod time;
mod trial;

use chrono::NaiveDate;
use chrono_tz::Tz;

use crate::breakdown::{Breakdown, Collector, CountError, Inspection, Room, Scope, Seen};
use crate::clock::limit;
use crate::config::{self, ConnectorConfig, InsightsConfig, Memory};
use crate::cube::{Cubes, Place, Trouble};
use crate::deliver::message::MessageError;
use crate::ingest::{self, IngestError, Reading, Source};
use crate::lake::LakeError;
use crate::period::{Period, PeriodKind};
use crate::render::branding::Branding;
use crate::render::{self, Format, RenderError};
use crate::report::{self, ArchiveReport, Report, RunReport};
use crate::trace::{Names, Unit};

/// What one report is to be.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where the traces are.
    pub sources: Vec<Source>,
    /// A table that is counted where it is, in the place of sources.
    pub lake: Option<lake::LakeSource>,
    /// Whether a bad file is passed over with a note instead of an error.
    pub skip_bad_files: bool,
    /// Zone in which days begin.
    pub zone: Tz,
    /// Periods that end before the as-of date.
    pub periods: Vec<PeriodKind>,
    /// Explicit first and last day, instead.
    pub range: Option<(NaiveDate, NaiveDate)>,
    /// First day that is not in any period; the day after the newest row where not given.
    pub as_of: Option<NaiveDate>,
    /// Name of the organisation.
    pub organisation: String,
    /// Language of the rendered files.
    pub language: String,
    /// Only these connectors; all where empty.
    pub only: Vec<String>,
    /// Connectors that stand in the report by name, however many there are.
    pub named: Vec<String>,
    /// What is counted.
    pub unit: Unit,
    /// Limits of the rules.
    pub insights: InsightsConfig,
    /// What the organisation knows about its connectors.
    pub connectors: Vec<ConnectorConfig>,
    /// Which run of which schedule; none on demand.
    pub run: Option<RunReport>,
    /// Its place in the archive; none where it is not filed.
    pub archive: Option<ArchiveReport>,
    /// Whether the traces are expected to reach the end of the periods.
    pub expects_whole: bool,
    /// Where what files were counted to is kept; nothing is kept where not given.
    pub cache: Option<Place>,
    /// How much memory may be taken.
    pub memory: Memory,
}

impl Request {
    /// A report over these traces and no more than that: the last week and 30 days in UTC, in
    /// English, of messages, with nothing kept.
    #[must_use]
    pub fn of(sources: Vec<Source>) -> Self {
        Self {
            sources,
            lake: None,
            skip_bad_files: false,
            zone: Tz::UTC,
            periods: vec![PeriodKind::Week, PeriodKind::Days(30)],
            range: None,
            as_of: None,
            organisation: settings::ORGANISATION.to_owned(),
            language: settings::LANGUAGE.to_owned(),
            only: Vec::new(),
            named: Vec::new(),
            unit: Unit::Messages,
            insights: InsightsConfig::default(),
            connectors: Vec::new(),
            run: None,
            archive: None,
            expects_whole: false,
            cache: None,
            memory: Memory::default(),
        }
    }

    /// Where rows are until they are counted: beside the cache, or in the system's folder for
    /// temporary files.
    fn room(&self) -> Room {
        let folder = self.cache.as_ref().map(|place| place.folder.clone());
        let folder = folder.filter(|folder| folder.is_dir());
        Room::of(self.memory, folder.unwrap_or_else(std::env::temp_dir))
    }

    /// No name yet.
    fn names(&self) -> Names {
        Names::at_most(self.memory.for_names(), self.memory.for_name_bytes())
    }
}

/// A report and what was learned while making it.
#[derive(Debug)]
pub struct Outcome {
    /// The report.
    pub report: Report,
    /// What was read.
    pub reading: Reading,
    /// Whether the as-of date was taken from the newest row.
    pub as_of_from_rows: bool,
    /// What a person should know who waits for it, and no report says.
    pub notes: Vec<String>,
}

/// Why no report could be made.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A source cannot be used.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// An engine did not count a table.
    #[error(transparent)]
    Lake(LakeError),
    /// A secret cannot be had.
    #[error("the token of [[source]]: {0}")]
    Secret(String),
    /// No file holds a row that can be used.
    #[error("no usable row in {files} file(s): {rejected} of {rows} row(s) rejected")]
    NoUsableRow {
        /// Files read.
        files: usize,
        /// Rows read.
        rows: u64,
        /// Rows rejected.
        rejected: u64,
    },
    /// The dates lie beyond the calendar, or the wrong way round.
    #[error("the period has no day: from {from} to {to}")]
    EmptyPeriod {
        /// First day.
        from: NaiveDate,
        /// Last day.
        to: NaiveDate,
    },
    /// A period that ends before the as-of date lies beyond the calendar.
    #[error("no period can end before {0}")]
    AsOf(NaiveDate),
    /// A connector that was asked for is in no trace.
    #[error("no trace names the connector `{name}`")]
    NoSuchConnector {
        /// What was asked for.
        name: String,
        /// The name most like it.
        nearest: Option<String>,
    },
    /// It took longer than it may, or filing it did.
    #[error("making the report took too long")]
    Passed,
    /// The program is at fault.
    #[error("the program found a defect in itself")]
    Defect,
    /// Rows could not be counted.
    #[error("the rows could not be counted")]
    Count(#[source] CountError),
    /// The numbers of the report contradict each other: a defect, never shown as a report.
    #[error("the report does not add up: {0}")]
    DoesNotAddUp(String),
    /// A file could not be rendered.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// A rendered file does not hold what it must: it is never sent.
    #[error("the report is not sent")]
    Unreadable(#[source] render::check::Unreadable),
    /// A letter could not be built.
    #[error(transparent)]
    Message(#[from] MessageError),
}

impl RunError {
    /// Says whether the traces are at fault, and other traces may help.
    pub fn is_input(&self) -> bool {
        matches!(self, Self::Ingest(_) | Self::Lake(_) | Self::Secret(_) | Self::NoUsableRow { .. })
    }

    /// Says whether the machine, or an engine, failed while the traces were read and counted:
    /// that may pass by itself.
    pub fn is_machine(&self) -> bool {
        match self {
            Self::Ingest(error) => error.is_machine(),
            Self::Lake(error) => error.may_pass(),
            Self::Count(CountError::Scratch(_)) => true,
            _ => false,
        }
    }

    /// Says whether settings are at fault: a template that does not fit this report.
    pub fn is_settings(&self) -> bool {
        matches!(self, Self::Render(RenderError::OwnTemplate(_)))
    }

    /// The error and its causes in one line.
    pub fn chain(&self) -> String {
        chain(self)
    }
}

/// An error and its causes in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    // The TOML reader says several lines, and so may the name of a file.
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// Reads the traces and builds the report.
///
/// # Errors
/// [`RunError`] when there is nothing to report on; a week without mail is a report.
pub fn report(request: &Request) -> Result<Outcome, RunError> {
    let made = cached_or_not(request);
    // Whatever stopped then, and whatever it said: it was told to.
    if limit::passed("report made") { Err(RunError::Passed) } else { made }
}

fn cached_or_not(request: &Request) -> Result<Outcome, RunError> {
    if let Some(source) = &request.lake {
        return lake::report(request, source);
    }
    // What is kept does not tell the remote domains of one connector from those of another.
    let cache = request.cache.as_ref().filter(|_| request.only.is_empty());
    let Some(place) = cache else { return uncached(request) };
    match cached(request, place) {
        Ok(outcome) => Ok(outcome),
        Err(Uncached::Run(error)) => Err(error),
        Err(Uncached::Cache(_)) if limit::passed("without the cache") => Err(RunError::Passed),
        Err(Uncached::Cache(trouble)) => {
            let mut outcome = uncached(request)?;
            outcome.notes.push(format!("made without the cache: {}", chain(&trouble)));
            Ok(outcome)
        }
    }
}

/// Why a report was not made with the cache.
enum Uncached {
    Run(RunError),
    Cache(Trouble),
}

impl From<Trouble> for Uncached {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            // Without the cache there would be no more room for the rows.
            Trouble::Count(error @ CountError::Scratch(_)) => Self::Run(RunError::Count(error)),
            trouble => Self::Cache(trouble),
        }
    }
}

impl From<RunError> for Uncached {
    fn from(error: RunError) -> Self {
        Self::Run(error)
    }
}

fn uncached(request: &Request) -> Result<Outcome, RunError> {
    let names = request.names();
    let collector = Collector::new(request.room());
    let reading =
        ingest::read(&request.sources, request.skip_bad_files, request.unit, &names, &|block| {
            collector.push(&block);
        })?;
    check_usable(&reading)?;
    let newest = collector.default_as_of(&reading, request.zone);
    let (as_of, scope) = scope(request, &reading, newest)?;
    let breakdown = collector.finish(&reading, &names, &scope).map_err(RunError::Count)?;
    build(request, reading, &breakdown, (as_of, scope.periods))
}

/// As [`uncached`], without reading what is known.
fn cached(request: &Request, place: &Place) -> Result<Outcome, Uncached> {
    let Request { sources, unit, zone, .. } = request;
    let names = request.names();
    let cubes = Cubes::open(place, *zone, request.memory)?;
    let collector = Collector::new(request.room());
    let sink = |block| collector.push(&block);
    let reading =
        ingest::read_unknown(sources, request.skip_bad_files, *unit, &names, &cubes, &sink)
            .map_err(RunError::Ingest)?;
    check_usable(&reading)?;
    let counted = cubes.count(collector, &reading, (sources, *unit), &names)?;
    let newest = counted.default_as_of(&reading, *zone);
    let (as_of, scope) = scope(request, &reading, newest)?;
    let notes = counted.notes().to_vec();
    let breakdown = counted.finish(&reading, &names, &scope)?;
    let mut outcome = build(request, reading, &breakdown, (as_of, scope.periods))?;
    outcome.notes = notes;
    Ok(outcome)
}

/// The as-of date, and what the report is about.
fn scope(
    request: &Request,
    reading: &Reading,
    newest: Option<NaiveDate>,
) -> Result<(NaiveDate, Scope), RunError> {
    let as_of = request.as_of.or(newest).ok_or_else(|| no_usable_row(reading))?;
    let periods = periods(request, as_of)?;
    let (only, named) = (request.only.clone(), request.named.clone());
    Ok((as_of, Scope { zone: request.zone, periods, only, named }))
}

fn build(
    request: &Request,
    reading: Reading,
    breakdown: &Breakdown,
    (as_of, periods): (NaiveDate, Vec<Period>),
) -> Result<Outcome, RunError> {
    check_connectors(&request.only, breakdown)?;
    let settings = report::Settings {
        organisation: request.organisation.clone(),
        language: request.language.clone(),
        zone: request.zone,
        as_of,
        periods,
        insights: request.insights.clone(),
        connectors: request.connectors.clone(),
        run: request.run.clone(),
        archive: request.archive.clone(),
        only: request.only.clone(),
        expects_whole: request.expects_whole,
    };
    let report = report::build(breakdown, &reading, &settings);
    if let Some(law) = report::broken_law(&report) {
        return Err(RunError::DoesNotAddUp(law));
    }
    Ok(Outcome { report, reading, as_of_from_rows: request.as_of.is_none(), notes: Vec::new() })
}

/// Renders the files of a report: name and content of each.
///
/// # Errors
/// [`RunError::Render`] naming the format.
pub fn files(
    report: &Report,
    formats: &[Format],
    branding: &Branding,
) -> Result<Vec<(String, Vec<u8>)>, RunError> {
    let mut files = Vec::new();
    for format in formats {
        if limit::passed("rendering") {
            return Err(RunError::Passed);
        }
        files.extend(render::render(report, *format, branding)?);
    }
    Ok(files)
}

fn periods(request: &Request, as_of: NaiveDate) -> Result<Vec<Period>, RunError> {
    let mut periods: Vec<Period> = Vec::new();
    if let Some((from, to)) = request.range {
        periods.push(Period::range(from, to).ok_or(RunError::EmptyPeriod { from, to })?);
    }
    for kind in &request.periods {
        let period = Period::ending_before(*kind, as_of).ok_or(RunError::AsOf(as_of))?;
        if !periods.contains(&period) {
            periods.push(period);
        }
    }
    Ok(periods)
}

/// A connector that no trace names would give an empty report without a word.
fn check_connectors(only: &[String], breakdown: &Breakdown) -> Result<(), RunError> {
    let known: Vec<&str> =
        breakdown.connectors.keys().filter_map(|(_, name)| name.as_deref()).collect();
    match only.iter().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(RunError::NoSuchConnector {
            name: name.clone(),
            nearest: config::nearest(name, known.iter().copied()),
        }),
    }
}

fn check_usable(reading: &Reading) -> Result<(), RunError> {
    let usable = reading.files.iter().filter(|file| file.usable);
    let rows: u64 = usable.map(|file| file.rows.saturating_sub(file.rejects.total())).sum();
    if rows == 0 { Err(no_usable_row(reading)) } else { Ok(()) }
}

fn no_usable_row(reading: &Reading) -> RunError {
    RunError::NoUsableRow {
        files: reading.files.len(),
        rows: reading.files.iter().map(|file| file.rows).sum(),
        rejected: reading.files.iter().map(|file| file.rejects.total()).sum(),
    }
}

/// What a file holds, for `inspect`.
///
/// # Errors
/// [`RunError::Ingest`] when a named file cannot be used.
pub fn inspect(sources: &[Source]) -> Result<(Reading, Vec<Inspection>), RunError> {
    let names = Names::new();
    let seen = Seen::default();
    let reading = ingest::read(sources, true, Unit::Messages, &names, &|block| seen.push(&block))?;
    let inspections =
        seen.finish(&reading, &names).map_err(|error| RunError::Count(error.into()))?;
    Ok((reading, inspections))
}
