//! The command line: what may be typed, and one module per verb.
//!
//! Data goes to stdout, everything else to stderr.

mod archive;
mod cache;
mod defect;
mod deliver;
mod home;
mod inspect;
mod report;
mod run;
mod sample;
mod schedule;
mod status;
mod tick;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::clock::{self, Clock};
use crate::failure::Failure;
use crate::render;

/// How was our mail protected in transit, connector by connector?
#[derive(Debug, Parser)]
#[command(name = "intransit", version, max_term_width = 100)]
pub struct Cli {
    /// The present, for tests and to reproduce a run
    #[arg(long, global = true, hide = true, value_name = "INSTANT")]
    now: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the audit report from trace files
    Report(report::Args),
    /// Show what each file is, what it holds, and which rows cannot be used
    Inspect(inspect::Args),
    /// Run one schedule now: report, evidence, mail
    Run(run::Args),
    /// Do whatever is due, then end (for cron, a systemd timer, Kubernetes)
    Tick(tick::TickArgs),
    /// Do whatever is due, for ever, in the foreground
    Daemon(tick::DaemonArgs),
    /// Show and check the schedules
    Schedule(schedule::Args),
    /// Show whether every schedule did its work; exit 1 when one did not
    Status(status::Args),
    /// Show the outbox, try again, send a test mail
    Deliver(deliver::Args),
    /// Show, check, export and reproduce the evidence
    Archive(archive::Args),
    /// Show, check and remove what is kept of the files that were read
    Cache(cache::Args),
    /// Write realistic demonstration traces, with the truth beside them
    Sample(sample::Args),
}

/// How a command ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    /// All is well.
    Well,
    /// An insight is at or above `--fail-on`, or something needs attention.
    Finding,
}

/// Runs the command that was typed.
pub fn main() -> ExitCode {
    defect::guarded(attend)
}

fn attend() -> ExitCode {
    crate::store::keep_private();
    crate::store::keep_memory_private();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let text = error.render().to_string();
            if text == render::plain_lines(&text) {
                // A closed terminal is no reason to fail.
                drop(error.print());
            } else {
                say(&text);
            }
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match perform(cli) {
        Ok(Done::Well) => ExitCode::SUCCESS,
        Ok(Done::Finding) => ExitCode::from(1),
        Err(failure) => {
            let text = failure.to_string();
            if !text.is_empty() {
                say(&text);
            }
            ExitCode::from(failure.kind as u8)
        }
    }
}

fn perform(cli: Cli) -> Result<Done, Failure> {
    let now = cli.now.or_else(|| std::env::var(clock::VARIABLE).ok());
    let clock = Clock::of(now.as_deref()).map_err(|error| {
        Failure::usage(error.to_string(), format!("see --now and {}", clock::VARIABLE))
    })?;
    match cli.command {
        Command::Report(args) => report::run(&args, clock),
        Command::Archive(args) => archive::run(&args, clock),
        Command::Inspect(args) => inspect::run(&args),
        Command::Run(args) => run::run(&args, clock),
        Command::Tick(args) => tick::tick(&args, clock),
        Command::Daemon(args) => tick::daemon(&args, clock),
        Command::Schedule(args) => schedule::run(&args, clock),
        Command::Status(args) => status::run(&args, clock),
        Command::Deliver(args) => deliver::run(&args, clock),
        Command::Cache(args) => cache::run(&args),
        Command::Sample(args) => sample::run(&args),
    }
}

/// Writes a line to stderr.
fn say(line: &str) {
    // Names of files and words of others may hold what steers a terminal. There is nowhere
    // left to say that stderr is closed.
    drop(writeln!(std::io::stderr().lock(), "{}", render::plain_lines(line)));
}

/// Writes lines for a person to stdout.
fn show_lines(lines: &str) -> Result<(), Failure> {
    put(render::plain_lines(lines).as_bytes())
}

/// Writes one line for a person to stdout, whatever the names in it hold.
fn show_line(line: &str) -> Result<(), Failure> {
    put(format!("{}\n", render::plain(line)).as_bytes())
}

/// Writes data to stdout.
fn put(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        // Whoever reads has seen enough, as `head` does.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(source) => {
            Err(crate::store::WriteError { path: "standard output".into(), source }.into())
        }
        Ok(()) => Ok(()),
    }
}
