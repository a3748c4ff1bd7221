//! `intransit run`

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use chrono::NaiveDateTime;

use super::home::{HomeArgs, Installation, log};
use super::{Done, say, show_line, show_lines};
use crate::archive;
use crate::clock::Clock;
use crate::config::Memory;
use crate::failure::{Failure, FailureKind};
use crate::ledger::{Key, NewMessage, NewRun, Purpose, Run, RunState, State, Trigger};
use crate::render;
use crate::run::engine::{self, Engine, EngineError, Ran};
use crate::run::plan::Plan;
use crate::run::prepare::{self, Beside, Prepared};
use crate::run::time;
use crate::schedule;
use crate::store;

/// What `run` takes.
#[derive(Debug, clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag that may be given")]
pub(super) struct Args {
    /// Name of a schedule, or its file
    #[arg(value_name = "SCHEDULE")]
    schedule: String,
    /// Which occurrence, by its local time, such as 2026-11-16T07:00 [default: the latest due]
    #[arg(long, value_name = "LOCAL")]
    nominal: Option<String>,
    /// Make a further revision of a report that was made already
    #[arg(long)]
    revise: bool,
    /// Look into every file, not only those whose length or time has changed since the last
    /// report
    #[arg(long)]
    recheck: bool,
    /// Memory that the report may take, such as 1GiB; rows beyond it are set aside on the disk
    /// [default: 512MB]
    #[arg(long, value_name = "SIZE")]
    memory: Option<Memory>,
    /// Write what would be filed and sent into a folder, and do nothing else
    #[arg(long)]
    dry_run: bool,
    /// Folder of a dry run [default: ./dry-run-SCHEDULE-NOMINAL]
    #[arg(long, value_name = "DIR", requires = "dry_run")]
    out: Option<PathBuf>,
    /// Make the report and do nothing with it; end when standard input does
    #[arg(long, hide = true, conflicts_with = "dry_run")]
    trial: bool,
    #[command(flatten)]
    home: HomeArgs,
}

pub(super) fn run(args: &Args, clock: Clock) -> Result<Done, Failure> {
    log(false, false);
    let (installation, mut plan) = args.home.read_one(&args.schedule)?;
    // A dry run leaves nothing behind, not even what would make the next one fast.
    if args.dry_run {
        plan.request.cache = None;
    }
    if let Some(cache) = &mut plan.request.cache {
        cache.recheck = args.recheck;
    }
    plan.request.memory = args.memory.unwrap_or(plan.request.memory);
    let nominal = nominal(args, &plan, clock)?;
    let (due_at, _) = schedule::resolve(nominal, plan.zone);
    if due_at > clock.now() {
        say(&format!("note: {} is still to come", schedule::nominal_text(nominal)));
    }
    let wanted = NewRun {
        key: Key {
            schedule: plan.name.clone(),
            nominal: schedule::nominal_text(nominal),
            revision: 1,
        },
        zone: plan.zone.name().to_owned(),
        due_at,
        trigger: Trigger::Manual,
        skipped: None,
    };
    if args.trial {
        end_with_standard_input();
        let what = wanted.key.to_string();
        let files = || prepared(&installation, &plan, wanted, nominal, args.revise, clock);
        drop(time::within(&what, plan.longest(), files)?);
        return Ok(Done::Well);
    }
    if args.dry_run {
        return dry_run(args, &installation, &plan, wanted, nominal, clock);
    }
    let mut engine = installation.engine(&format!("run {}", plan.name), clock)?;
    let Some(run) = choose(&engine, wanted, args.revise)? else { return Ok(Done::Well) };
    let ran = engine.run_one(&plan, &run, &AtomicBool::new(false))?;
    outcome(&engine, &plan, &run.key, &ran)
}

/// The occurrence that is meant.
fn nominal(args: &Args, plan: &Plan, clock: Clock) -> Result<NaiveDateTime, Failure> {
    let Some(text) = &args.nominal else {
        let latest = schedule::latest(&plan.pattern, plan.zone, clock.now());
        return latest.map(|latest| latest.nominal).ok_or_else(|| {
            let message = format!("`{}` was never due", plan.pattern);
            Failure::usage(message, "`intransit schedule next` shows when it will be")
        });
    };
    let Some(nominal) = schedule::parse_nominal(text) else {
        let hint = "write a local time such as 2026-11-16T07:00";
        return Err(Failure::usage(format!("`{text}` is no local time"), hint));
    };
    if plan.pattern.matches(nominal) {
        return Ok(nominal);
    }
    let (at, _) = schedule::resolve(nominal, plan.zone);
    let before = schedule::latest(&plan.pattern, plan.zone, at);
    let after = schedule::occurrences(&plan.pattern, plan.zone, at).next();
    let near: Vec<String> = before
        .into_iter()
        .chain(after)
        .map(|occurrence| schedule::nominal_text(occurrence.nominal))
        .collect();
    let message = format!("`{text}` is no time of `{}`", plan.pattern);
    Err(Failure::usage(message, format!("the nearest are {}", near.join(" and "))))
}

/// The run to be made; none where the report is there already.
fn choose(engine: &Engine, mut wanted: NewRun, revise: bool) -> Result<Option<Run>, Failure> {
    let ledger = engine.ledger();
    let newest = ledger.newest_revision(&wanted.key.schedule, &wanted.key.nominal)?;
    match newest {
        Some(run) if run.state == RunState::Done && revise => {
            wanted.key.revision = run.key.revision + 1;
        }
        Some(run) if run.state == RunState::Done => {
            let bag = run.bag.unwrap_or_default();
            say(&format!("{} was made already: {bag}", run.key));
            say("hint: `--revise` makes a further revision");
            return Ok(None);
        }
        // Begun, failed or skipped: that one is made now.
        Some(run) => wanted.key = run.key,
        None if revise => {
            let message = format!("{} was not made yet", wanted.key);
            return Err(Failure::usage(message, "leave `--revise` out"));
        }
        None => {}
    }
    ledger.add_run(&wanted)?;
    let run = ledger.run(&wanted.key)?;
    // What a person asks for now does not wait for later traces.
    Ok(run.map(|run| Run { trigger: Trigger::Manual, ..run }))
}

/// Says what became of a run; undelivered mail is a failure of its own kind.
fn outcome(engine: &Engine, plan: &Plan, key: &Key, ran: &Ran) -> Result<Done, Failure> {
    match ran {
        Ran::Waits { until, reason, .. } => {
            let message = format!("{key} waits until {until}: {reason}");
            Err(Failure::said(FailureKind::Internal, &[message]))
        }
        Ran::Failed { reason, fault } => {
            Err(Failure::said((*fault).into(), &[format!("error: {key}: {reason}")]))
        }
        Ran::Done { bag } => {
            let json = std::fs::read(bag.join("data/report.json")).ok();
            let report = json.and_then(|json| serde_json::from_slice(&json).ok());
            if let Some(report) = report {
                let summary = render::summary::render(&report);
                show_lines(&summary.map_err(crate::run::RunError::Render)?)?;
            }
            show_line(&format!("filed in {}", bag.display()))?;
            delivered(engine, plan, key)
        }
    }
}

fn delivered(engine: &Engine, plan: &Plan, key: &Key) -> Result<Done, Failure> {
    let messages = engine.ledger().messages_of(key)?;
    let reports: Vec<_> =
        messages.iter().filter(|message| message.purpose == Purpose::Report).collect();
    if plan.recipients.is_empty() {
        say("note: the schedule has no [[recipient]]: nothing was mailed");
    }
    let mut missing = Vec::new();
    for message in &reports {
        let reply = message.reply.clone().unwrap_or_default();
        let line = format!("{}: {}: {reply}", message.recipient, message.state.name());
        if message.state == State::Delivered {
            let relay = message.relay.clone().unwrap_or_default();
            show_line(&format!("{}: delivered: {relay}", message.recipient))?;
        } else {
            missing.push(format!("error: {line}"));
        }
    }
    if missing.is_empty() {
        return Ok(Done::Well);
    }
    let relay = engine.ledger().parked(&plan.post.relay_name())?;
    missing.extend(relay.map(|relay| format!("error: {}: {}", relay.name, relay.why)));
    missing.push(
        "hint: it is tried again by `intransit tick` and `intransit daemon`; \
                  `intransit deliver list` shows the outbox"
            .to_owned(),
    );
    Err(Failure::said(FailureKind::Delivery, &missing))
}

/// Whoever started a trial keeps its input open, and may die.
fn end_with_standard_input() {
    std::thread::spawn(|| {
        drop(std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
        #[allow(clippy::exit, reason = "nobody waits any more for what the others do")]
        std::process::exit(0);
    });
}

/// What would be filed and sent, made and kept nowhere.
fn prepared(
    installation: &Installation,
    plan: &Plan,
    wanted: NewRun,
    nominal: NaiveDateTime,
    revise: bool,
    clock: Clock,
) -> Result<(Key, Prepared, Vec<NewMessage>), Failure> {
    let ledger = installation.ledger()?;
    let mut key = wanted.key;
    let mut beside = Beside { due_at: Some(wanted.due_at), ..Beside::default() };
    if let Some(ledger) = &ledger {
        let newest = ledger.newest_revision(&key.schedule, &key.nominal)?;
        let made = newest.filter(|run| run.state == RunState::Done);
        key.revision = made.map_or(1, |run| run.key.revision + u32::from(revise));
        beside.earlier = engine::earlier(ledger, plan, wanted.due_at)?;
    }
    // The place in the archive is known before; the head of the new bag is not.
    let archive = if let Some(ledger) = &ledger {
        let (place, signer) = engine::place(ledger, &plan.evidence)?;
        engine::archive_report(ledger, plan, &key, &place, signer.as_ref())?
    } else {
        let place = archive::place(&plan.evidence.dir, None).map_err(EngineError::from)?;
        let signer = plan.evidence.signer().map_err(EngineError::from)?;
        engine::place_report(&place, signer.as_ref())
    };
    let prepared = prepare::prepare(plan, &key, nominal, Some(archive))?;
    let letters = prepare::letters(plan, &key, &prepared, &beside, clock.now())?;
    Ok((key, prepared, letters))
}

/// Writes exactly what would be filed and sent, and changes nothing else.
fn dry_run(
    args: &Args,
    installation: &Installation,
    plan: &Plan,
    wanted: NewRun,
    nominal: NaiveDateTime,
    clock: Clock,
) -> Result<Done, Failure> {
    let what = wanted.key.to_string();
    let work = || prepared(installation, plan, wanted, nominal, args.revise, clock);
    let (key, prepared, letters) = time::within(&what, plan.longest(), work)?;
    let name = format!("dry-run-{}-{}", key.schedule, key.nominal.replace(':', ""));
    let folder = args.out.clone().unwrap_or_else(|| Path::new(".").join(name));
    let mut files: Vec<(PathBuf, &[u8])> = Vec::new();
    for (name, bytes) in &prepared.files {
        files.push((folder.join(name), bytes));
    }
    for variant in &prepared.variants {
        let inner = folder.join("variants").join(&variant.name);
        files.extend(variant.files.iter().map(|(name, bytes)| (inner.join(name), &bytes[..])));
    }
    for letter in &letters {
        let path = crate::deliver::folder::path(&folder.join("mail"), &letter.message_id);
        files.push((path, &letter.bytes));
    }
    for (path, bytes) in files {
        store::create_folder(path.parent().unwrap_or(&folder))?;
        store::write_atomic(&path, bytes)?;
        say(&format!("wrote {}", path.display()));
    }
    let summary = render::summary::render(&prepared.report);
    show_lines(&summary.map_err(crate::run::RunError::Render)?)?;
    Ok(Done::Well)
}
