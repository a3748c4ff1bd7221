//! `intransit schedule`

use chrono::{DateTime, Offset, TimeZone, Utc};
use serde::Serialize;

use super::home::{HomeArgs, aligned, chosen};
use super::{Done, put, say, show_line, show_lines};
use crate::clock::{self, Clock};
use crate::config;
use crate::failure::{Failure, FailureKind};
use crate::ingest;
use crate::render::Format;
use crate::render::json::pretty;
use crate::report::instant;
use crate::run::lake::LakeSource;
use crate::run::plan::Plan;
use crate::schedule::{self, Note, Occurrence};

/// What `schedule` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the schedules
    List(ListArgs),
    /// Show when schedules are due next: local time, offset, UTC, and what a clock change does
    Next(NextArgs),
    /// Check settings, sources, recipients, mail and key files without running anything
    Check(CheckArgs),
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    home: HomeArgs,
}

#[derive(Debug, clap::Args)]
struct NextArgs {
    /// Names of schedules [default: all]
    #[arg(value_name = "SCHEDULE")]
    schedules: Vec<String>,
    /// How many of each
    #[arg(long, value_name = "N", default_value_t = 5)]
    count: usize,
    /// After this instant, such as 2027-03-27T00:00:00Z [default: now]
    #[arg(long, value_name = "INSTANT", value_parser = clock::instant)]
    from: Option<DateTime<Utc>>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    home: HomeArgs,
}

#[derive(Debug, clap::Args)]
struct CheckArgs {
    /// Names of schedules [default: all]
    #[arg(value_name = "SCHEDULE")]
    schedules: Vec<String>,
    /// Do not connect to the relay
    #[arg(long)]
    offline: bool,
    /// Print the JSON Schema of the settings files
    #[arg(long)]
    schema: bool,
    #[command(flatten)]
    home: HomeArgs,
}

pub(super) fn run(args: &Args, clock: Clock) -> Result<Done, Failure> {
    match &args.command {
        Command::List(args) => list(args),
        Command::Next(args) => next(args, clock),
        Command::Check(args) => check(args, clock),
    }
}

#[derive(Debug, Serialize)]
struct Listed<'a> {
    name: &'a str,
    cron: String,
    timezone: &'a str,
    paused: bool,
    recipients: usize,
    file: String,
}

fn list(args: &ListArgs) -> Result<Done, Failure> {
    let mut installation = args.home.read()?;
    let faults = installation.check().err();
    let listed: Vec<Listed<'_>> = installation
        .plans
        .iter()
        .map(|plan| Listed {
            name: &plan.name,
            cron: plan.pattern.to_string(),
            timezone: plan.zone.name(),
            paused: plan.paused,
            recipients: plan.recipients.len(),
            file: plan.file.display().to_string(),
        })
        .collect();
    if args.json {
        put(&pretty(&listed))?;
    } else {
        let row = |listed: &Listed<'_>| {
            let state = if listed.paused { "paused" } else { "" };
            let recipients = format!("{} recipient(s)", listed.recipients);
            vec![
                listed.name.to_owned(),
                listed.cron.clone(),
                listed.timezone.to_owned(),
                recipients,
                state.to_owned(),
            ]
        };
        let rows: Vec<Vec<String>> = listed.iter().map(row).collect();
        show_lines(&aligned(&rows))?;
    }
    faults.map_or(Ok(Done::Well), Err)
}

#[derive(Debug, Serialize)]
struct Next {
    schedule: String,
    nominal: String,
    zone: String,
    offset: String,
    fires_at: String,
    note: Option<Note>,
    /// Other nominal times that fall on the same instant, and run with this one.
    coalesced: Vec<String>,
    /// Version of the time zone database.
    tzdb: &'static str,
}

fn next(args: &NextArgs, clock: Clock) -> Result<Done, Failure> {
    let plans = match args.schedules.as_slice() {
        [] => {
            let mut installation = args.home.read()?;
            installation.check()?;
            installation.plans
        }
        names => names
            .iter()
            .map(|name| args.home.read_one(name).map(|(_, plan)| plan))
            .collect::<Result<_, _>>()?,
    };
    let from = args.from.unwrap_or_else(|| clock.now());
    let all: Vec<Next> = plans
        .iter()
        .flat_map(|plan| {
            let occurrences = schedule::occurrences(&plan.pattern, plan.zone, from);
            occurrences.take(args.count).map(|occurrence| described(plan, &occurrence))
        })
        .collect();
    if args.json {
        put(&pretty(&all))?;
        return Ok(Done::Well);
    }
    let mut rows =
        vec![["schedule", "nominal", "zone", "offset", "fires at", ""].map(str::to_owned).to_vec()];
    rows.extend(all.iter().map(|next| {
        let note = match next.note {
            Some(Note::Gap) => "the clock skips this time: first instant after it",
            Some(Note::Fold) => "the clock shows this time twice: the first",
            None => "",
        };
        vec![
            next.schedule.clone(),
            next.nominal.clone(),
            next.zone.clone(),
            next.offset.clone(),
            next.fires_at.clone(),
            note.to_owned(),
        ]
    }));
    show_lines(&aligned(&rows))?;
    say(&format!("time zone database {}", chrono_tz::IANA_TZDB_VERSION));
    Ok(Done::Well)
}

fn described(plan: &Plan, occurrence: &Occurrence) -> Next {
    Next {
        schedule: plan.name.clone(),
        nominal: schedule::nominal_text(occurrence.nominal),
        zone: plan.zone.name().to_owned(),
        offset: plan.zone.offset_from_utc_datetime(&occurrence.at.naive_utc()).fix().to_string(),
        fires_at: instant(occurrence.at),
        note: occurrence.note,
        tzdb: chrono_tz::IANA_TZDB_VERSION,
        coalesced: occurrence
            .coalesced
            .iter()
            .map(|other| schedule::nominal_text(*other))
            .collect(),
    }
}

fn check(args: &CheckArgs, clock: Clock) -> Result<Done, Failure> {
    if args.schema {
        put(&pretty(&config::schema()))?;
        return Ok(Done::Well);
    }
    let mut installation = args.home.read()?;
    let mut faults: Vec<String> =
        installation.check().err().map(|f| f.to_string()).into_iter().collect();
    let plans = chosen(&installation.plans, &args.schedules);
    // A schedule that is asked for and has a fault is no unknown one.
    let plans = if faults.is_empty() { plans? } else { plans.unwrap_or_default() };
    if plans.is_empty() && faults.is_empty() {
        let hint = "write schedules/weekly-audit.toml beside intransit.toml";
        return Err(Failure::usage("there is no schedule", hint));
    }
    for plan in &plans {
        let found = faults_of(plan, args.offline);
        if found.is_empty() {
            let next = schedule::occurrences(&plan.pattern, plan.zone, clock.now()).next();
            let next = next.map_or_else(
                || "never due again".to_owned(),
                |next| {
                    format!(
                        "due next {} ({})",
                        schedule::nominal_text(next.nominal),
                        instant(next.at)
                    )
                },
            );
            show_line(&format!("{}: good, {next}", plan.name))?;
            for origin in plan.post.origin().into_iter().chain(plan.evidence.origin()) {
                show_line(&format!("{}: {origin}", plan.name))?;
            }
        }
        faults.extend(found);
        for warning in warnings(plan, clock) {
            say(&format!("warning: {}: {warning}", plan.file.display()));
        }
    }
    if faults.is_empty() { Ok(Done::Well) } else { Err(Failure::said(FailureKind::Usage, &faults)) }
}

/// What only a look outside the settings can tell.
fn faults_of(plan: &Plan, offline: bool) -> Vec<String> {
    let mut faults = Vec::new();
    for source in &plan.request.sources {
        if let Err(error) = ingest::matched(std::slice::from_ref(source)) {
            let chain = crate::run::chain(&error);
            faults.push(format!("error: `{}`: `source.path`: {chain}", plan.file.display()));
        }
    }
    if let Some(LakeSource::Asked(way)) = &plan.request.lake
        && !offline
        && let Err(fault) = way.probe()
    {
        faults.push(format!("error: `{}`: `source.url`: {fault}", plan.file.display()));
    }
    if !offline && let Err(fault) = plan.post.probe() {
        faults.push(format!("error: `{}`: `mail`: {fault}", plan.file.display()));
    }
    faults
}

fn warnings(plan: &Plan, clock: Clock) -> Vec<String> {
    let mut warnings = plan.pattern.warnings(plan.zone, clock.now());
    let attached = plan.recipients.iter().flat_map(|reader| &reader.attach);
    let formats: Vec<Format> = plan.formats.iter().chain(attached).copied().collect();
    warnings.extend(plan.branding.note(&formats).map(str::to_owned));
    if plan.recipients.is_empty() {
        warnings
            .push("no [[recipient]]: the report is made and filed, but mailed to nobody".into());
    }
    if plan.notify.is_empty() {
        warnings.push("no [notify] address: nobody is told by mail when a run fails".into());
    }
    warnings
}
