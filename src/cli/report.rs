//! `intransit report`

use std::path::{Path, PathBuf};

use chrono::NaiveDate;

use super::{Done, put, say};
use crate::config::{self, ColumnMap, Config, SourceConfig};
use crate::failure::Failure;
use crate::ingest::{self, DayOrder, Source};
use crate::insight::Severity;
use crate::period::PeriodKind;
use crate::render::{self, Format};
use crate::report::Report;
use crate::run::{self, Outcome, Request, RunError};
use crate::store;
use crate::trace::{Direction, Kind, Unit};

/// Name printed where none is given.
const ORGANISATION: &str = "Organisation";

/// How files that leave something open are to be read.
#[derive(Debug, clap::Args)]
pub(super) struct SourceArgs {
    /// Kind of the files, where it is not to be told by their content: connector-report,
    /// connector-report-detail, message-trace, message-trace-detail, message-trace-events, table
    #[arg(long, value_name = "KIND", value_parser = kind)]
    kind: Option<Kind>,
    /// Column map: which header holds which field (TOML)
    #[arg(long, value_name = "FILE")]
    columns: Option<PathBuf>,
    /// Direction of rows that do not say
    #[arg(long, value_name = "DIRECTION", value_parser = direction)]
    direction: Option<Direction>,
    /// IANA zone of times that have none [default: UTC]
    #[arg(long, value_name = "ZONE")]
    source_timezone: Option<String>,
    /// Dates such as 9/11/2026 have the day first
    #[arg(long, conflicts_with = "month_first")]
    day_first: bool,
    /// Dates such as 9/11/2026 have the month first
    #[arg(long)]
    month_first: bool,
}

/// What `report` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Trace files, folders, globs, or - for standard input [default: those of intransit.toml]
    #[arg(value_name = "SOURCE")]
    sources: Vec<String>,
    /// week, month, or a number of days such as 30d (can be repeated) [default: week and 30d]
    #[arg(long, value_name = "PERIOD")]
    period: Vec<PeriodKind>,
    /// First day of a period of its own
    #[arg(long, value_name = "DATE", requires = "to")]
    from: Option<NaiveDate>,
    /// Last day of that period
    #[arg(long, value_name = "DATE", requires = "from")]
    to: Option<NaiveDate>,
    /// Day before which the periods end [default: the day after the newest row]
    #[arg(long, value_name = "DATE")]
    as_of: Option<NaiveDate>,
    /// IANA zone in which days begin [default: UTC]
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// Name printed on the report
    #[arg(long, value_name = "NAME")]
    organisation: Option<String>,
    /// Language of the report
    #[arg(long, value_name = "LANGUAGE")]
    lang: Option<String>,
    /// Only this connector (can be repeated)
    #[arg(long, value_name = "NAME")]
    connector: Vec<String>,
    /// Files to write: html, pdf, csv, json
    #[arg(long, value_name = "FORMATS", value_delimiter = ',', value_parser = format)]
    formats: Vec<Format>,
    /// Folder to write to [default: ./intransit-ORGANISATION-FROM-TO]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print report.json on stdout; files are then written only with --out
    #[arg(long)]
    json: bool,
    /// Exit with 1 when an insight is at least this severe: alert, warning or notice
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    fail_on: Option<Severity>,
    /// Settings [default: the nearest intransit.toml at or above this folder]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Pass over files that cannot be used, with a note in the report
    #[arg(long)]
    skip_bad_files: bool,
    /// Print the JSON Schema of report.json
    #[arg(long)]
    schema: bool,
    #[command(flatten)]
    source: SourceArgs,
}

fn kind(text: &str) -> Result<Kind, String> {
    one_of(text, &Kind::ALL, Kind::name)
}

fn format(text: &str) -> Result<Format, String> {
    one_of(text, &Format::ALL, Format::name)
}

fn severity(text: &str) -> Result<Severity, String> {
    one_of(text, &Severity::ALL, Severity::name)
}

fn direction(text: &str) -> Result<Direction, String> {
    one_of(text, &[Direction::Inbound, Direction::Outbound], Direction::name)
}

fn one_of<T: Copy>(text: &str, all: &[T], name: fn(T) -> &'static str) -> Result<T, String> {
    all.iter().copied().find(|known| name(*known) == text).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|known| name(*known)).collect();
        format!("expected one of {}", names.join(", "))
    })
}

pub(super) fn run(args: &Args) -> Result<Done, Failure> {
    if args.schema {
        put(&render::json::pretty(&crate::report::schema()))?;
        return Ok(Done::Well);
    }
    let (config, root) = settings(args)?;
    let request = request(args, &config, &root)?;
    let formats = formats(args, &config)?;
    let outcome = run::report(&request)?;
    tell(&outcome);
    write(args, &outcome.report, &formats)?;
    let worst = outcome.report.periods.iter().flat_map(|period| &period.insights);
    let worst = worst.map(|insight| insight.severity).max();
    Ok(match args.fail_on {
        Some(limit) if worst >= Some(limit) => Done::Finding,
        _ => Done::Well,
    })
}

/// The settings, and the folder from which their paths go.
fn settings(args: &Args) -> Result<(Config, PathBuf), Failure> {
    let here = Path::new(".");
    let found = args
        .config
        .clone()
        .or_else(|| std::env::current_dir().ok().and_then(|folder| Config::find(&folder)));
    let Some(path) = found else { return Ok((Config::default(), here.to_owned())) };
    let root = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let root = root.unwrap_or(here).to_owned();
    Ok((Config::read(&path)?, root))
}

fn request(args: &Args, config: &Config, root: &Path) -> Result<Request, Failure> {
    let timezone = args.timezone.as_ref().or(config.timezone.as_ref());
    let language = args.lang.clone().or_else(|| config.report.language.clone());
    let language = language.unwrap_or_else(|| "en".to_owned());
    render::check_language(&language)
        .map_err(|known| Failure::usage(format!("no language `{language}`"), known))?;
    let range = args.from.zip(args.to);
    // What was not typed stands in the settings.
    let in_settings = |error| {
        let mut failure = Failure::from(error);
        if args.timezone.is_none() {
            failure.hints.push("see `timezone` in intransit.toml".to_owned());
        }
        failure
    };
    Ok(Request {
        sources: sources(args, config, root)?,
        skip_bad_files: args.skip_bad_files,
        zone: timezone
            .map_or(Ok(chrono_tz::UTC), |name| config::zone(name))
            .map_err(in_settings)?,
        periods: periods(args, config, range.is_some())?,
        range,
        as_of: args.as_of,
        organisation: args
            .organisation
            .clone()
            .or_else(|| config.report.organisation.clone())
            .unwrap_or_else(|| ORGANISATION.to_owned()),
        language,
        only: args.connector.clone(),
        unit: unit(config)?,
        insights: config.insights.clone(),
        connectors: config.connector.clone(),
    })
}

fn unit(config: &Config) -> Result<Unit, Failure> {
    let Some(text) = &config.count else { return Ok(Unit::default()) };
    one_of(text, &Unit::ALL, Unit::name).map_err(|error| {
        Failure::usage(format!("`count = \"{text}\"`: {error}"), "see intransit.toml")
    })
}

fn periods(args: &Args, config: &Config, range: bool) -> Result<Vec<PeriodKind>, Failure> {
    if !args.period.is_empty() {
        return Ok(args.period.clone());
    }
    if range {
        return Ok(Vec::new());
    }
    match &config.periods {
        None => Ok(vec![PeriodKind::Week, PeriodKind::Days(30)]),
        Some(texts) => texts
            .iter()
            .map(|text| text.parse())
            .collect::<Result<_, crate::period::PeriodError>>()
            .map_err(|error| Failure::usage(error.to_string(), "see `periods` in intransit.toml")),
    }
}

fn formats(args: &Args, config: &Config) -> Result<Vec<Format>, Failure> {
    if !args.formats.is_empty() {
        return Ok(args.formats.clone());
    }
    match &config.report.formats {
        None => Ok(Format::ALL.to_vec()),
        Some(texts) => texts
            .iter()
            .map(|text| format(text))
            .collect::<Result<_, _>>()
            .map_err(|error| Failure::usage(error, "see `report.formats` in intransit.toml")),
    }
}

fn sources(args: &Args, config: &Config, root: &Path) -> Result<Vec<Source>, Failure> {
    let given = given_settings(&args.source)?;
    if !args.sources.is_empty() {
        let source = |path: &String| Source { path: path.clone(), settings: given.clone() };
        return Ok(args.sources.iter().map(source).collect());
    }
    if config.source.is_empty() {
        return Err(Failure::usage(
            "no SOURCE given, and no [[source]] in intransit.toml",
            "try `intransit sample --out demo && intransit report demo`",
        ));
    }
    config.source.iter().map(|source| configured(source, root, &given)).collect()
}

/// The settings of the command line, which hold for every source.
pub(super) fn given_settings(args: &SourceArgs) -> Result<ingest::Settings, Failure> {
    Ok(ingest::Settings {
        kind: args.kind,
        columns: args.columns.as_deref().map(ColumnMap::read).transpose()?,
        direction: args.direction,
        zone: args.source_timezone.as_deref().map_or(Ok(chrono_tz::UTC), config::zone)?,
        order: match (args.day_first, args.month_first) {
            (true, _) => Some(DayOrder::DayFirst),
            (_, true) => Some(DayOrder::MonthFirst),
            _ => None,
        },
    })
}

fn configured(
    source: &SourceConfig,
    root: &Path,
    given: &ingest::Settings,
) -> Result<Source, Failure> {
    let hint = "see [[source]] in intransit.toml";
    let own_kind =
        match source.kind.as_deref() {
            None | Some("auto") => None,
            Some(text) => Some(kind(text).map_err(|error| {
                Failure::usage(format!("`{text}` is not a kind: {error}"), hint)
            })?),
        };
    let own_direction = source.direction.as_deref().map(direction).transpose();
    let own_direction = own_direction.map_err(|error| Failure::usage(error, hint))?;
    let own_zone = source.timezone.as_deref().map(config::zone).transpose()?;
    let path = if root == Path::new(".") || Path::new(&source.path).is_absolute() {
        source.path.clone()
    } else {
        root.join(&source.path).to_string_lossy().into_owned()
    };
    Ok(Source {
        path,
        settings: ingest::Settings {
            kind: given.kind.or(own_kind),
            columns: given.columns.clone().or_else(|| source.columns.clone()),
            direction: given.direction.or(own_direction),
            zone: own_zone.unwrap_or(given.zone),
            order: given.order,
        },
    })
}

/// Says on stderr what the reader of the report should know at once.
fn tell(outcome: &Outcome) {
    for file in &outcome.reading.skipped {
        let what = if file.bad { "left out" } else { "skipped" };
        say(&format!("note: {what}: {}", file.why));
    }
    for file in &outcome.reading.files {
        if file.notes.contains(&ingest::FileNote::Windows1252) {
            say(&format!(
                "note: {}: bytes that are not UTF-8 were read as Windows-1252",
                file.name
            ));
        }
    }
    if outcome.as_of_from_rows {
        say(&format!("as of {} (the day after the newest row)", outcome.report.as_of));
    }
}

fn write(args: &Args, report: &Report, formats: &[Format]) -> Result<(), Failure> {
    if args.json {
        put(&render::json::render(report))?;
    }
    let folder = match (&args.out, args.json) {
        (Some(folder), _) => folder.clone(),
        (None, true) => return Ok(()),
        (None, false) => PathBuf::from(default_folder(report)),
    };
    // All files are rendered before the first is written: a report is whole or absent.
    let files = run::files(report, formats)?;
    store::create_folder(&folder)?;
    for (name, bytes) in &files {
        store::write_atomic(&folder.join(name), bytes)?;
    }
    if !args.json {
        let summary = render::summary::render(report).map_err(RunError::Render)?;
        put(summary.as_bytes())?;
    }
    for (name, _) in &files {
        say(&format!("wrote {}", folder.join(name).display()));
    }
    Ok(())
}

/// `intransit-ORGANISATION-FROM-TO`, over all periods.
fn default_folder(report: &Report) -> String {
    let from = report.periods.iter().map(|period| period.from).min().unwrap_or(report.as_of);
    let to = report.periods.iter().map(|period| period.to).max().unwrap_or(report.as_of);
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
    let name: String = report.organisation.to_lowercase().chars().map(plain).take(60).collect();
    let name = name.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
    let name = if name.is_empty() { "organisation".to_owned() } else { name };
    format!("intransit-{name}-{from}-{to}")
}
