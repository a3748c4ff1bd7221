//! Runs whose process ended in the middle again and again, for want of memory or by a defect.
//!
//! From outside nobody can tell whether a run ended its process or somebody else did. So a run
//! that was started [`SUSPECT`] times without an end, or any multiple of it, is first made in a
//! process of its own, which files and sends nothing: where that one dies and this one lives, the
//! run is at fault, and is recorded as failed. Where this one dies too, the run is given up after
//! [`HOPELESS`] starts: so many that nobody kills a process as often by chance.

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::plan::Plan;
use crate::clock::Clock;

/// Starts without an end after which a run is tried apart.
pub(super) const SUSPECT: u32 = 3;
/// Starts without an end after which a run is given up.
pub(super) const HOPELESS: u32 = 1_000;

/// What a trial needs to know of this process.
#[derive(Debug)]
pub(super) struct Trial {
    /// The settings file, where there is one.
    pub(super) config: Option<PathBuf>,
    /// The present.
    pub(super) clock: Clock,
}

impl Trial {
    /// Makes the report of an occurrence in a process of its own, and says how that died; none
    /// where it came to an end, good or bad.
    pub(super) fn dies(&self, plan: &Plan, nominal: &str) -> Option<String> {
        let started = self.command(plan, nominal).and_then(|mut command| command.spawn());
        let mut child = match started {
            Ok(child) => child,
            Err(error) => {
                tracing::warn!("a process of its own cannot be started: {error}");
                return None;
            }
        };
        // The other process ends when this one does: its input is then closed.
        let _alive = child.stdin.take();
        match wait(&mut child, plan.longest()) {
            Ok(Some(status)) => died(status),
            Ok(None) => Some("took too long".to_owned()),
            Err(error) => {
                tracing::warn!("a process of its own cannot be watched: {error}");
                None
            }
        }
    }

    fn command(&self, plan: &Plan, nominal: &str) -> std::io::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        if let Clock::Fixed(now) = self.clock {
            command.arg("--now").arg(now.to_rfc3339());
        }
        command.arg("run").arg(&plan.file).args(["--nominal", nominal, "--trial"]);
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command)
    }
}

fn wait(child: &mut Child, longest: Duration) -> std::io::Result<Option<ExitStatus>> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if begun.elapsed() > longest {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn died(status: ExitStatus) -> Option<String> {
    // Ended by a signal: killed, or aborted. What ends with an exit code says so in the ledger.
    status.code().is_none().then(|| format!("was ended ({status})"))
}
