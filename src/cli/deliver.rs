//! `intransit deliver`

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde::Serialize;

use super::home::{HomeArgs, aligned};
use super::{Done, put, say, show_line, show_lines};
use crate::clock::Clock;
use crate::failure::{Failure, FailureKind};
use crate::ledger::{Message, State};
use crate::render::json::pretty;
use crate::run::branding;
use crate::run::post::Post;

/// What `deliver` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the messages and what became of each
    List(ListArgs),
    /// Try again now what is on its way or held; with a filter, also what was refused
    Retry(RetryArgs),
    /// Send a test mail
    Test(TestArgs),
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
struct RetryArgs {
    /// Only messages of this run, such as weekly-audit/2026-11-16T07:00
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Only messages to this address
    #[arg(long, value_name = "ADDRESS")]
    recipient: Option<String>,
    #[command(flatten)]
    home: HomeArgs,
}

#[derive(Debug, clap::Args)]
struct TestArgs {
    /// Who gets it
    #[arg(value_name = "ADDRESS")]
    address: String,
    /// With the mail settings of this schedule [default: those of intransit.toml]
    #[arg(long, value_name = "SCHEDULE")]
    schedule: Option<String>,
    #[command(flatten)]
    home: HomeArgs,
}

pub(super) fn run(args: &Args, clock: Clock) -> Result<Done, Failure> {
    match &args.command {
        Command::List(args) => list(args),
        Command::Retry(args) => retry(args, clock),
        Command::Test(args) => test(args, clock),
    }
}

#[derive(Debug, Serialize)]
struct Listed {
    run: String,
    purpose: &'static str,
    recipient: String,
    state: &'static str,
    message_id: String,
    attempts: u32,
    reply: Option<String>,
    relay: Option<String>,
    tls: Option<String>,
    cipher: Option<String>,
    certificate_sha256: Option<String>,
    next_at: Option<String>,
    updated: String,
}

fn listed(message: &Message) -> Listed {
    Listed {
        run: message.key.to_string(),
        purpose: message.purpose.name(),
        recipient: message.recipient.clone(),
        state: message.state.name(),
        message_id: format!("<{}>", message.message_id),
        attempts: message.attempts,
        reply: message.reply.clone(),
        relay: message.relay.clone(),
        tls: message.tls.clone(),
        cipher: message.cipher.clone(),
        certificate_sha256: message.certificate_sha256.clone(),
        next_at: message.next_at.map(crate::report::instant),
        updated: crate::report::instant(message.updated),
    }
}

fn list(args: &ListArgs) -> Result<Done, Failure> {
    let installation = args.home.read()?;
    let ledger = installation.ledger()?;
    let messages = ledger.map_or(Ok(Vec::new()), |ledger| ledger.messages())?;
    let all: Vec<Listed> = messages.iter().map(listed).collect();
    if args.json {
        put(&pretty(&all))?;
        return Ok(Done::Well);
    }
    let rows: Vec<Vec<String>> = all
        .into_iter()
        .map(|message| {
            vec![
                message.run,
                message.purpose.to_owned(),
                message.recipient,
                message.state.to_owned(),
                message.tls.unwrap_or_default(),
                message.reply.unwrap_or_default(),
            ]
        })
        .collect();
    show_lines(&aligned(&rows))?;
    Ok(Done::Well)
}

fn retry(args: &RetryArgs, clock: Clock) -> Result<Done, Failure> {
    super::home::log(false, false);
    let mut installation = args.home.read()?;
    installation.check()?;
    let mut engine = installation.engine("deliver retry", clock)?;
    let filtered = args.run.is_some() || args.recipient.is_some();
    let meant = |message: &Message| {
        let run = args.run.as_ref().is_none_or(|run| *run == message.key.to_string());
        let to = args.recipient.as_ref().is_none_or(|to| *to == message.recipient);
        let state = match message.state {
            State::Queued | State::InDoubt | State::Held => true,
            State::Refused | State::Expired => filtered,
            State::Sending | State::Delivered => false,
        };
        run && to && state
    };
    let messages = engine.ledger().messages()?;
    let chosen: Vec<&Message> = messages.iter().filter(|message| meant(message)).collect();
    if chosen.is_empty() {
        say("nothing to try again");
        return Ok(Done::Well);
    }
    // Whoever asks has mended the relay, or wants to know.
    engine.ledger().unpark(None)?;
    for message in &chosen {
        engine.ledger().retry(&message.message_id, clock.now())?;
    }
    engine.deliver(&AtomicBool::new(false))?;
    let mut missing = Vec::new();
    for message in engine.ledger().messages()? {
        let same = |other: &&Message| {
            (&other.key, &other.recipient, other.purpose)
                == (&message.key, &message.recipient, message.purpose)
        };
        if chosen.iter().copied().any(|other| same(&other)) && message.state != State::Delivered {
            let reply = message.reply.unwrap_or_default();
            let state = message.state.name();
            missing.push(format!("error: {}: {state}: {reply}", message.recipient));
        }
    }
    if missing.is_empty() {
        say(&format!("{} message(s) delivered", chosen.len()));
        return Ok(Done::Well);
    }
    Err(Failure::said(FailureKind::Delivery, &missing))
}

fn test(args: &TestArgs, clock: Clock) -> Result<Done, Failure> {
    let (post, branding) = if let Some(name) = &args.schedule {
        let plan = args.home.read_one(name)?.1;
        (plan.post, plan.branding)
    } else {
        let home = crate::config::Home::find(args.home.config.as_deref())?;
        let (config, file) = (&home.config, home.file_name());
        let branding = branding::read(&home, &config.branding, &file)?;
        (Post::of(&home, &config.mail, &file, Duration::MAX)?, Arc::new(branding))
    };
    match post.test(&args.address, branding.accent, clock.now())? {
        Ok(receipt) => {
            let tls = receipt.tls.unwrap_or_else(|| "no TLS".to_owned());
            let cipher = receipt.cipher.unwrap_or_default();
            show_line(&format!("delivered: {} ({tls} {cipher})", receipt.relay))?;
            show_line(&receipt.reply)?;
            Ok(Done::Well)
        }
        Err(why) => Err(Failure::said(FailureKind::Delivery, &[format!("error: {why}")])),
    }
}
