//! `intransit report`

use std::path::PathBuf;
use std::sync::Arc;

use chrono::NaiveDate;

use super::home::HomeArgs;
use super::{Done, put, say, show_lines};
use crate::clock::Clock;
use crate::config::{self, ColumnMap, ConfigError, Home, Memory, SourceConfig};
use crate::failure::Failure;
use crate::ingest::{self, DayOrder, Source};
use crate::insight::Severity;
use crate::period::PeriodKind;
use crate::render::branding::Branding;
use crate::render::{self, Format};
use crate::report::Report;
use crate::run::branding;
use crate::run::engine;
use crate::run::filing::{self, Circumstances};
use crate::run::plan;
use crate::run::prepare::{self, Prepared};
use crate::run::settings::{self, Sources, one_of};
use crate::run::time;
use crate::run::{self, Outcome, Request, RunError};
use crate::store;
use crate::trace::{Direction, Kind};

/// How files that leave something open are to be read.
#[derive(Debug, clap::Args)]
pub(super) struct SourceArgs {
    /// Kind of the files, where it is not to be told by their content: connector-report,
    /// connector-report-detail, message-trace, message-trace-detail, message-trace-events,
    /// exchange-tracking, exchange-smtp, postfix, exim, sendmail, opensmtpd, gmail, mimecast,
    /// proofpoint, tls-rpt, table
    #[arg(long, value_name = "KIND", value_parser = kind)]
    kind: Option<Kind>,
    /// Column map: which header holds which field (TOML)
    #[arg(long, value_name = "FILE")]
    columns: Option<PathBuf>,
    /// Direction of rows that do not say
    #[arg(long, value_name = "DIRECTION", value_parser = settings::direction)]
    direction: Option<Direction>,
    /// IANA zone of times that have none [default: UTC]
    #[arg(long, value_name = "ZONE")]
    source_timezone: Option<String>,
    /// Year of the first line of logs whose stamps have none [default: told by the file's time]
    #[arg(long, value_name = "YEAR", value_parser = year)]
    year: Option<i32>,
    /// Dates such as 9/11/2026 have the day first
    #[arg(long, conflicts_with = "month_first")]
    day_first: bool,
    /// Dates such as 9/11/2026 have the month first
    #[arg(long)]
    month_first: bool,
}

/// What `report` takes.
#[derive(Debug, clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag that may be typed")]
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
    /// Files to write: html, pdf, csv, json, xlsx [default: all but xlsx]
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
    /// Look into every file, not only those whose length or time has changed since the last
    /// report
    #[arg(long)]
    recheck: bool,
    /// Memory that the report may take, such as 1GiB; rows beyond it are set aside on the disk
    /// [default: 512MB]
    #[arg(long, value_name = "SIZE")]
    memory: Option<Memory>,
    /// Seal the report into the archive
    #[arg(long)]
    archive: bool,
    /// Print the JSON Schema of report.json
    #[arg(long)]
    schema: bool,
    #[command(flatten)]
    source: SourceArgs,
}

fn year(text: &str) -> Result<i32, String> {
    let year: i32 = text.parse().map_err(|_| "a year such as 2026".to_owned())?;
    settings::year(year)
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

pub(super) fn run(args: &Args, clock: Clock) -> Result<Done, Failure> {
    if args.schema {
        put(&render::json::pretty(&crate::report::schema()))?;
        return Ok(Done::Well);
    }
    let home = Home::find(args.config.as_deref())?;
    let (configs, sources) = sources(args, &home)?;
    let request = request(args, &home, sources)?;
    let formats = if args.formats.is_empty() {
        settings::formats(&home.config, &home.file_name())?
    } else {
        args.formats.clone()
    };
    let branding = Arc::new(branding::read(&home, &home.config.branding, &home.file_name())?);
    if let Some(note) = branding.note(&formats) {
        say(&format!("note: {note}"));
    }
    let looks = (formats.as_slice(), &branding);
    let longest = time::longest(&time::run_timeout(&home.config, &home.file_name())?);
    let outcome = time::within("the report", longest, || {
        let outcome = if args.archive {
            filed(args, &home, &configs, &request, looks, clock)?
        } else {
            run::report(&request)?
        };
        tell(&outcome);
        write(args, &outcome.report, looks)?;
        Ok::<_, Failure>(outcome)
    })?;
    let worst = outcome.report.periods.iter().flat_map(|period| &period.insights);
    let worst = worst.map(|insight| insight.severity).max();
    Ok(match args.fail_on {
        Some(limit) if worst >= Some(limit) => Done::Finding,
        _ => Done::Well,
    })
}

fn request(args: &Args, home: &Home, sources: Sources) -> Result<Request, Failure> {
    let (config, file) = (&home.config, home.file_name());
    let language = args.lang.clone().or_else(|| config.report.language.clone());
    let language = language.unwrap_or_else(|| settings::LANGUAGE.to_owned());
    render::check_language(&language)
        .map_err(|known| Failure::usage(format!("no language `{language}`"), known))?;
    let range = args.from.zip(args.to);
    let zone = match (&args.timezone, &config.timezone) {
        (Some(typed), _) => config::zone(typed)?,
        (None, Some(written)) => settings::zone(written, "timezone", &file)?,
        (None, None) => chrono_tz::UTC,
    };
    let periods = if !args.period.is_empty() {
        args.period.clone()
    } else if range.is_some() {
        Vec::new()
    } else {
        settings::periods(config, &file)?
    };
    Ok(Request {
        sources: sources.files,
        lake: sources.lake,
        skip_bad_files: args.skip_bad_files,
        zone,
        periods,
        range,
        as_of: args.as_of,
        organisation: args
            .organisation
            .clone()
            .or_else(|| config.report.organisation.clone())
            .unwrap_or_else(|| settings::ORGANISATION.to_owned()),
        language,
        only: args.connector.clone(),
        named: settings::named(config),
        unit: settings::unit(config, &file)?,
        insights: config.insights.clone(),
        connectors: config.connector.clone(),
        run: None,
        archive: None,
        expects_whole: false,
        cache: plan::cache(home, config, args.recheck),
        memory: args.memory.or(config.memory).unwrap_or_default(),
    })
}

/// The sources: those of the command line, else those of the settings.
fn sources(args: &Args, home: &Home) -> Result<(Vec<SourceConfig>, Sources), Failure> {
    let connectors = settings::connectors(&home.config, &home.file_name())?;
    let given = ingest::Settings { connectors, ..given_settings(&args.source)? };
    if args.sources.is_empty() && home.config.source.is_empty() {
        return Err(Failure::usage(
            "no SOURCE given, and no [[source]] in intransit.toml",
            "try `intransit sample --out demo && intransit report demo`",
        ));
    }
    let typed = |path: &String| SourceConfig { path: path.clone(), ..SourceConfig::default() };
    let (configs, root) = if args.sources.is_empty() {
        (home.config.source.clone(), home.root.clone())
    } else {
        (args.sources.iter().map(typed).collect(), PathBuf::from("."))
    };
    let file = home.file_name();
    let unit = settings::unit(&home.config, &file)?;
    let sources = settings::sources(&configs, &root, &file, &given, unit)?;
    let one = |config: &SourceConfig| {
        let source = settings::source(config, &root, &file, &given)?;
        Ok(as_used(config, &source))
    };
    let as_used = configs.iter().map(one).collect::<Result<_, ConfigError>>()?;
    Ok((as_used, sources))
}

/// A source with everything that holds for it, typed or written.
fn as_used(config: &SourceConfig, source: &Source) -> SourceConfig {
    let used = &source.settings;
    let order = settings::ORDERS.iter().find(|(_, order)| Some(*order) == used.order);
    SourceConfig {
        kind: used.kind.map(|kind| kind.name().to_owned()),
        direction: used.direction.map(|direction| direction.name().to_owned()),
        timezone: Some(used.zone.name().to_owned()),
        dates: order.map(|(name, _)| (*name).to_owned()),
        year: used.year,
        columns: used.columns.clone(),
        ..config.clone()
    }
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
        year: args.year,
        connectors: Arc::default(),
    })
}

/// Makes the report, and seals it into the archive.
fn filed(
    args: &Args,
    home: &Home,
    configs: &[SourceConfig],
    request: &Request,
    (formats, branding): (&[Format], &Arc<Branding>),
    clock: Clock,
) -> Result<Outcome, Failure> {
    super::home::log(false, false);
    let installation = HomeArgs { config: args.config.clone() }.read()?;
    let evidence = installation.evidence()?;
    let mut engine = installation.engine("report --archive", clock)?;
    let settings = home.text_with(configs);
    let mut made = None;
    let sealed =
        engine.file_by_hand("on-demand", &evidence, |run, place, signer, deliveries| {
            let mut request = request.clone();
            request.archive = Some(engine::place_report(place, signer));
            let outcome = run::report(&request)?;
            let formats = prepare::with_figures(formats);
            let files = prepare::checked(&outcome.report, &formats, branding)?;
            let report = outcome.report.clone();
            let (as_of_from_rows, notes) = (outcome.as_of_from_rows, outcome.notes);
            let reading = Some(outcome.reading);
            let branding = Arc::clone(branding);
            let prepared = Prepared { report, reading, files, variants: Vec::new(), branding };
            let circumstances = Circumstances {
                run,
                started: clock.now(),
                clock,
                organisation: &request.organisation,
                settings: &settings,
                expects_whole: false,
                evidence: &evidence,
            };
            let readers = |_| Vec::new();
            let bag = filing::bag(place.seq, &circumstances, &prepared, readers, deliveries);
            let reading = prepared.reading;
            made = reading.map(|reading| Outcome {
                report: outcome.report,
                reading,
                as_of_from_rows,
                notes,
            });
            Ok(bag)
        })?;
    say(&format!("filed in {}", sealed.path.display()));
    say(&format!("head {:06} sha256:{}", sealed.head.seq, sealed.head.sha256()));
    made.ok_or_else(|| Failure::usage("no report was made", "try again"))
}

/// Says on stderr what the reader of the report should know at once.
fn tell(outcome: &Outcome) {
    for note in &outcome.notes {
        say(&format!("note: {note}"));
    }
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

fn write(
    args: &Args,
    report: &Report,
    (formats, branding): (&[Format], &Arc<Branding>),
) -> Result<(), Failure> {
    if args.json {
        put(&render::json::render(report))?;
    }
    let folder = match (&args.out, args.json) {
        (Some(folder), _) => folder.clone(),
        (None, true) => return Ok(()),
        (None, false) => PathBuf::from(default_folder(report)),
    };
    // All files are rendered before the first is written: a report is whole or absent.
    let files = run::files(report, formats, branding)?;
    store::create_open_folder(&folder)?;
    for (name, bytes) in &files {
        store::write_open(&folder.join(name), bytes)?;
    }
    if !args.json {
        let summary = render::summary::render(report).map_err(RunError::Render)?;
        show_lines(&summary)?;
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
