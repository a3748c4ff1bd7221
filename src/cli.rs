//! The command line: what may be typed, and one module per verb.
//!
//! Data goes to stdout, everything else to stderr.

mod inspect;
mod report;
mod sample;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Failure;

/// How was our mail protected in transit, connector by connector?
#[derive(Debug, Parser)]
#[command(name = "intransit", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the audit report from trace files
    Report(report::Args),
    /// Show what each file is, what it holds, and which rows cannot be used
    Inspect(inspect::Args),
    /// Write realistic demonstration traces, with the truth beside them
    Sample(sample::Args),
}

/// How a command ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    /// All is well.
    Well,
    /// An insight is at or above `--fail-on`.
    Finding,
}

/// Runs the command that was typed.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A closed terminal is no reason to fail.
            drop(error.print());
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let outcome = match cli.command {
        Command::Report(args) => report::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Sample(args) => sample::run(&args),
    };
    match outcome {
        Ok(Done::Well) => ExitCode::SUCCESS,
        Ok(Done::Finding) => ExitCode::from(1),
        Err(failure) => {
            say(&failure.to_string());
            ExitCode::from(failure.kind as u8)
        }
    }
}

/// Writes a line to stderr.
fn say(line: &str) {
    // There is nowhere left to say that stderr is closed.
    drop(writeln!(std::io::stderr().lock(), "{line}"));
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
