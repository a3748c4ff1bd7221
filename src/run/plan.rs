//! A schedule made ready: settings checked, words turned into values.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use chrono_tz::Tz;

use super::evidence::Evidence;
use super::post::Post;
use super::settings::Sources;
use super::{Request, branding, settings, time};
use crate::config::{Config, ConfigError, Home, Missed, RecipientConfig, ScheduleSettings, Span};
use crate::cube::Place;
use crate::deliver::message;
use crate::ingest;
use crate::render::Format;
use crate::render::branding::Branding;
use crate::schedule::Pattern;
use crate::trace::Unit;

/// How far back missed occurrences are made up for where nothing is said.
const MISSED_WINDOW: TimeDelta = TimeDelta::days(35);

/// Runs that no schedule made have these names in the place of a schedule's.
pub const RESERVED: [&str; 2] = ["on-demand", "closing"];

/// One schedule, ready to be run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// Its file.
    pub file: PathBuf,
    /// Folder from which the paths of its sources go.
    pub root: PathBuf,
    /// When it is due, on the wall clock.
    pub pattern: Pattern,
    /// Whose wall clock.
    pub zone: Tz,
    /// Which missed occurrences are made up for.
    pub missed: Missed,
    /// How far back.
    pub missed_window: TimeDelta,
    /// How long to wait for traces.
    pub wait_for_data: Option<Span>,
    /// How long a run may take.
    pub run_timeout: Span,
    /// Whether it rests.
    pub paused: bool,
    /// What each report is made of.
    pub request: Request,
    /// Files of the report.
    pub formats: Vec<Format>,
    /// How they look.
    pub branding: Arc<Branding>,
    /// Who gets it.
    pub recipients: Vec<Addressee>,
    /// Who is told when something goes wrong.
    pub notify: Vec<String>,
    /// How mail leaves.
    pub post: Post,
    /// How evidence is kept.
    pub evidence: Evidence,
    /// The settings as used.
    pub settings: String,
}

/// A recipient of a schedule's report.
#[derive(Debug, Clone)]
pub struct Addressee {
    /// Address.
    pub address: String,
    /// Language of mail and attachments.
    pub language: String,
    /// What goes along.
    pub attach: Vec<Format>,
    /// Only these connectors; all where empty.
    pub connectors: Vec<String>,
}

/// Collects what is wrong, so that a person mends all of it at once.
struct Checks {
    faults: Vec<ConfigError>,
}

impl Checks {
    fn take<T>(&mut self, result: Result<T, ConfigError>) -> Option<T> {
        result.map_err(|fault| self.faults.push(fault)).ok()
    }
}

impl Plan {
    /// Checks a schedule's settings.
    ///
    /// # Errors
    /// Every fault, each with file and key.
    pub fn of(home: &Home, schedule: &ScheduleSettings) -> Result<Self, Vec<ConfigError>> {
        let mut checks = Checks { faults: Vec::new() };
        let plan = build(home, schedule, &mut checks);
        match plan {
            Some(plan) if checks.faults.is_empty() => Ok(plan),
            _ => Err(checks.faults),
        }
    }

    /// How long a run may take.
    pub fn longest(&self) -> Duration {
        time::longest(&self.run_timeout)
    }
}

fn build(home: &Home, schedule: &ScheduleSettings, checks: &mut Checks) -> Option<Plan> {
    let (config, file) = (&schedule.config, schedule.file.as_path());
    let pattern = checks.take(pattern(config.cron.as_deref(), file));
    let zone = checks.take(zone(config.timezone.as_deref(), file));
    let periods = checks.take(settings::periods(config, file));
    let formats = checks.take(settings::formats(config, file));
    let unit = checks.take(settings::unit(config, file));
    let language = config.report.language.as_deref().unwrap_or(settings::LANGUAGE);
    let language = checks.take(settings::language(language, "report.language", file));
    let sources = checks.take(sources(home, schedule, unit.unwrap_or_default()));
    let branding = checks.take(branding(home, schedule));
    let recipients = checks.take(recipients(&config.recipient, language.as_deref(), file));
    let notify = checks.take(addresses(config.notify.address.list(), file));
    let run_timeout = checks.take(time::run_timeout(config, file));
    let longest = run_timeout.as_ref().map(time::longest).unwrap_or_default();
    let post = checks.take(Post::of(home, &config.mail, file, longest));
    let evidence = checks.take(Evidence::of(home, &config.archive, file));
    if RESERVED.contains(&schedule.name.as_str()) {
        let hint = "name the file otherwise";
        checks.faults.push(ConfigError::value(file, "name", "is taken", hint));
    }
    let wait = config.wait_for_data.clone().or_else(|| config.mail.wait_for_data.clone());
    let (zone, sources) = (zone?, sources?);
    Some(Plan {
        name: schedule.name.clone(),
        file: schedule.file.clone(),
        root: home.root.clone(),
        pattern: pattern?,
        zone,
        missed: config.missed.unwrap_or(Missed::All),
        missed_window: config.missed_window.as_ref().map_or(MISSED_WINDOW, Span::length),
        run_timeout: run_timeout?,
        paused: config.paused.unwrap_or(false),
        request: Request {
            sources: sources.files,
            lake: sources.lake,
            skip_bad_files: false,
            zone,
            periods: periods?,
            range: None,
            as_of: None,
            organisation: config
                .report
                .organisation
                .clone()
                .unwrap_or_else(|| settings::ORGANISATION.to_owned()),
            language: language?,
            only: Vec::new(),
            named: settings::named(config),
            unit: unit?,
            insights: config.insights.clone(),
            connectors: config.connector.clone(),
            run: None,
            archive: None,
            expects_whole: wait.is_some(),
            cache: cache(home, &home.config, false),
            memory: config.memory.unwrap_or_default(),
        },
        wait_for_data: wait,
        formats: formats?,
        branding: branding?,
        recipients: recipients?,
        notify: notify?,
        post: post?,
        evidence: evidence?,
        settings: schedule.text.clone(),
    })
}

/// What the schedule does not say otherwise stands in the installation's file.
fn branding(home: &Home, schedule: &ScheduleSettings) -> Result<Arc<Branding>, ConfigError> {
    let (config, installation) = (&schedule.config.branding, home.file_name());
    let own = *config != home.config.branding;
    let file = if own { schedule.file.as_path() } else { installation.as_path() };
    branding::read(home, config, file).map(Arc::new)
}

/// Where what files were counted to is kept; nowhere without an installation.
pub fn cache(home: &Home, config: &Config, recheck: bool) -> Option<Place> {
    home.file.as_ref().map(|_| Place::of(&home.path(&config.state.dir), recheck))
}

fn pattern(text: Option<&str>, file: &Path) -> Result<Pattern, ConfigError> {
    let hint = "five crontab fields, such as cron = \"0 7 * * MON\"";
    let Some(text) = text else {
        return Err(ConfigError::value(file, "cron", "is missing", hint));
    };
    text.parse().map_err(|error: crate::schedule::PatternError| {
        ConfigError::value(file, "cron", format!("`{text}`: {error}"), hint)
    })
}

fn zone(text: Option<&str>, file: &Path) -> Result<Tz, ConfigError> {
    let hint = "an IANA name, such as timezone = \"America/Sao_Paulo\"";
    match text {
        Some(text) => settings::zone(text, "timezone", file),
        None => Err(ConfigError::value(file, "timezone", "is missing", hint)),
    }
}

fn sources(home: &Home, schedule: &ScheduleSettings, unit: Unit) -> Result<Sources, ConfigError> {
    let (config, file) = (&schedule.config, schedule.file.as_path());
    if config.source.is_empty() {
        let hint = "[[source]] path = \"traces/*.csv.gz\"";
        return Err(ConfigError::value(file, "source", "is missing", hint));
    }
    let connectors = settings::connectors(config, file)?;
    let given = ingest::Settings { connectors, ..ingest::Settings::default() };
    if config.source.iter().any(|source| source.path == "-") {
        let hint = "name files: nobody types or pipes anything into a schedule";
        return Err(ConfigError::value(file, "source.path", "`-` is standard input", hint));
    }
    settings::sources(&config.source, &home.root, file, &given, unit)
}

fn recipients(
    configs: &[RecipientConfig],
    language: Option<&str>,
    file: &Path,
) -> Result<Vec<Addressee>, ConfigError> {
    let mut all: Vec<Addressee> = Vec::new();
    for config in configs {
        let address = address(&config.address, "recipient.address", file)?;
        if all.iter().any(|known| known.address == address) {
            let found = format!("`{address}` stands there twice");
            let hint = "one [[recipient]] per address: each gets one message";
            return Err(ConfigError::value(file, "recipient.address", found, hint));
        }
        let own = config.language.as_deref().or(language).unwrap_or(settings::LANGUAGE);
        all.push(Addressee {
            address,
            language: settings::language(own, "recipient.language", file)?,
            attach: settings::format_list(&config.attach, "recipient.attach", file)?,
            connectors: config.connectors.clone(),
        });
    }
    Ok(all)
}

fn addresses(texts: &[String], file: &Path) -> Result<Vec<String>, ConfigError> {
    texts.iter().map(|text| address(text, "notify.address", file)).collect()
}

fn address(text: &str, key: &str, file: &Path) -> Result<String, ConfigError> {
    message::address(text).map_err(|error| {
        ConfigError::value(file, key, error.to_string(), "write it as name@example.com")
    })
}
