//! `intransit tick` and `intransit daemon`

use std::sync::atomic::AtomicBool;

use super::home::{HomeArgs, log};
use super::{Done, say};
use crate::clock::Clock;
use crate::config::Home;
use crate::failure::{Failure, FailureKind};
use crate::ledger::{Ledger, State};
use crate::run::daemon;
use crate::run::engine::{Fault, Pass, Ran};
use crate::run::plan::Plan;

/// What `tick` takes.
#[derive(Debug, clap::Args)]
pub(super) struct TickArgs {
    #[command(flatten)]
    home: HomeArgs,
}

/// What `daemon` takes.
#[derive(Debug, clap::Args)]
pub(super) struct DaemonArgs {
    /// Form of the log on stderr: text or json
    #[arg(long, value_name = "FORM", default_value = "text", value_parser = ["text", "json"])]
    log_format: String,
    #[command(flatten)]
    home: HomeArgs,
}

/// Does whatever is due, then ends. A schedule that cannot be used does not hold up others.
pub(super) fn tick(args: &TickArgs, clock: Clock) -> Result<Done, Failure> {
    log(false, false);
    let mut installation = args.home.read()?;
    let faults = installation.check().err();
    if installation.plans.is_empty() {
        let hint = "write schedules/weekly-audit.toml beside intransit.toml";
        return Err(faults.unwrap_or_else(|| Failure::usage("there is no schedule", hint)));
    }
    let mut engine = installation.engine("tick", clock)?;
    let pass = engine.pass(&AtomicBool::new(false))?;
    let failed = failed(&pass);
    let undelivered = undelivered(engine.ledger())?;
    // Each is said; the gravest decides the exit code.
    let mut all: Vec<Failure> = faults.into_iter().chain(failed).chain(undelivered).collect();
    if all.is_empty() {
        return Ok(Done::Well);
    }
    let first = all.remove(0);
    say(&first.to_string());
    for other in &all {
        say(&other.to_string());
    }
    Err(Failure::said(first.kind, &[]))
}

fn failed(pass: &Pass) -> Option<Failure> {
    let mut lines = Vec::new();
    let mut gravest = Fault::Input;
    for (key, ran) in &pass.ran {
        match ran {
            Ran::Failed { reason, fault } => {
                lines.push(format!("error: {key}: {reason}"));
                gravest = gravest.max(*fault);
            }
            Ran::Waits { reason, until, machine: true } => {
                lines.push(format!("error: {key}: {reason}; tried again after {until}"));
                gravest = Fault::Internal;
            }
            Ran::Waits { .. } | Ran::Done { .. } => {}
        }
    }
    (!lines.is_empty()).then(|| Failure::said(gravest.into(), &lines))
}

/// Messages that are still on their way after this pass.
fn undelivered(ledger: &Ledger) -> Result<Option<Failure>, Failure> {
    let messages = ledger.messages()?;
    let waiting = messages
        .iter()
        .filter(|message| matches!(message.state, State::Queued | State::InDoubt | State::Held));
    let lines: Vec<String> = waiting
        .map(|message| {
            let reply = message.reply.as_deref().unwrap_or("not tried yet");
            let state = message.state.name();
            format!("error: {} to {}: {state}: {reply}", message.key, message.recipient)
        })
        .collect();
    Ok((!lines.is_empty()).then(|| Failure::said(FailureKind::Delivery, &lines)))
}

/// Does the same for ever. It does not start with settings that cannot be used.
pub(super) fn daemon(args: &DaemonArgs, clock: Clock) -> Result<Done, Failure> {
    log(true, args.log_format == "json");
    let mut installation = args.home.read()?;
    installation.check()?;
    if installation.plans.is_empty() {
        let hint = "write schedules/weekly-audit.toml beside intransit.toml";
        return Err(Failure::usage("there is no schedule", hint));
    }
    let engine = installation.engine("daemon", clock)?;
    let state = installation.state().to_owned();
    let reload = || -> Result<(Home, Vec<Plan>), Vec<String>> {
        let mut installation = args.home.read().map_err(|failure| vec![failure.to_string()])?;
        installation.check().map_err(|failure| vec![failure.to_string()])?;
        if installation.state() != state {
            return Err(vec!["another [state] needs a restart".to_owned()]);
        }
        Ok((installation.home, installation.plans))
    };
    daemon::run(engine, clock, &reload)?;
    Ok(Done::Well)
}
