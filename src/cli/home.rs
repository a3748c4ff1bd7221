//! What the commands around schedules share: the installation, its plans, its state folder.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::say;
use crate::clock::Clock;
use crate::config::{ArchiveConfig, ConfigError, Home, ScheduleSettings};
use crate::failure::{Failure, FailureKind};
use crate::ledger::Ledger;
use crate::render::{self, summary};
use crate::run::engine::Engine;
use crate::run::evidence::Evidence;
use crate::run::plan::Plan;

/// Where the settings are.
#[derive(Debug, clap::Args)]
pub(super) struct HomeArgs {
    /// Settings [default: the nearest intransit.toml at or above this folder]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

/// An installation as it was read: what can be used, and what cannot.
pub(super) struct Installation {
    pub(super) home: Home,
    pub(super) plans: Vec<Plan>,
    pub(super) faults: Vec<ConfigError>,
    state: PathBuf,
}

impl HomeArgs {
    /// Reads the installation and all its schedules.
    pub(super) fn read(&self) -> Result<Installation, Failure> {
        let home = Home::find(self.config.as_deref())?;
        let mut installation =
            Installation { state: state(&home), home, plans: Vec::new(), faults: Vec::new() };
        let home = installation.home.clone();
        for file in home.schedule_files()? {
            match home.read_schedule(&file) {
                Ok(settings) => installation.add(&settings),
                Err(fault) => installation.faults.push(fault),
            }
        }
        installation.check_archives();
        Ok(installation)
    }

    /// Reads the installation and one of its schedules, which must be without fault.
    pub(super) fn read_one(&self, name: &str) -> Result<(Installation, Plan), Failure> {
        let home = Home::find(self.config.as_deref())?;
        let settings = home.schedule(name)?;
        let mut installation =
            Installation { state: state(&home), home, plans: Vec::new(), faults: Vec::new() };
        installation.add(&settings);
        installation.check()?;
        let plan = installation.plans.first().cloned();
        plan.map(|plan| (installation, plan)).ok_or_else(|| {
            Failure::usage(format!("`{name}` cannot be used"), "try `intransit schedule check`")
        })
    }
}

fn state(home: &Home) -> PathBuf {
    home.path(&home.config.state.dir)
}

impl Installation {
    /// One ledger, one chain: all schedules file into one archive.
    fn check_archives(&mut self) {
        let Some(first) = self.plans.first() else { return };
        let dir = &first.evidence.dir;
        if let Some(other) = self.plans.iter().find(|plan| plan.evidence.dir != *dir) {
            self.faults.push(ConfigError::value(
                &other.file,
                "archive.dir",
                format!("`{}` is not `{}`", other.evidence.dir.display(), dir.display()),
                "all schedules share one archive: set [archive] in intransit.toml",
            ));
        }
    }

    /// How evidence is kept by this installation: as `intransit.toml` says, or, where it says
    /// nothing, as all schedules do.
    pub(super) fn evidence(&self) -> Result<Evidence, Failure> {
        let (home, file) = (&self.home, self.home.file_name());
        let own = Evidence::of(home, &home.config.archive, &file)?;
        let silent = Evidence::of(home, &ArchiveConfig::default(), &file)?;
        let Some(first) = self.plans.first().filter(|_| own == silent) else { return Ok(own) };
        let agreed = self.plans.iter().all(|plan| plan.evidence == first.evidence);
        Ok(if agreed { first.evidence.clone() } else { own })
    }

    fn add(&mut self, settings: &ScheduleSettings) {
        match Plan::of(&self.home, settings) {
            Ok(plan) => self.plans.push(plan),
            Err(faults) => self.faults.extend(faults),
        }
        // One process, one ledger: a schedule's own [state] must not lead elsewhere.
        let own = self.home.path(&settings.config.state.dir);
        if self.home.file.is_none() && self.plans.len() + self.faults.len() == 1 {
            self.state = own;
        } else if own != self.state {
            self.faults.push(ConfigError::value(
                &settings.file,
                "state.dir",
                format!("`{}` is not the installation's", own.display()),
                "all schedules share one ledger: set [state] in intransit.toml",
            ));
        }
    }

    /// Fails when anything is wrong, saying all of it.
    pub(super) fn check(&mut self) -> Result<(), Failure> {
        let mut faults = std::mem::take(&mut self.faults).into_iter();
        let Some(first) = faults.next() else { return Ok(()) };
        let failure = Failure::from(first);
        let mut all = vec![failure.to_string()];
        for fault in faults.map(|fault| Failure::from(fault).to_string()) {
            // What the installation says is at fault in every schedule.
            if !all.contains(&fault) {
                all.push(fault);
            }
        }
        Err(Failure::said(FailureKind::Usage, &all))
    }

    /// Takes the state folder.
    pub(super) fn engine(&self, what: &str, clock: Clock) -> Result<Engine, Failure> {
        let who = format!("process {} (intransit {what})", std::process::id());
        Ok(Engine::open(&self.home, self.plans.clone(), &self.state, &who, clock)?)
    }

    /// The ledger for reading; none where nothing was ever run.
    pub(super) fn ledger(&self) -> Result<Option<Ledger>, Failure> {
        Ok(Ledger::read(&self.state)?)
    }

    pub(super) fn state(&self) -> &Path {
        &self.state
    }
}

/// The plan of each name, or of all.
pub(super) fn chosen(plans: &[Plan], names: &[String]) -> Result<Vec<Plan>, Failure> {
    if names.is_empty() {
        return Ok(plans.to_vec());
    }
    let one = |name: &String| {
        let found = plans.iter().find(|plan| plan.name == *name).cloned();
        found.ok_or_else(|| {
            let known = plans.iter().map(|plan| plan.name.as_str());
            let hint = crate::config::nearest(name, known).map_or_else(
                || "`intransit schedule list` shows them".to_owned(),
                |meant| format!("did you mean `{meant}`?"),
            );
            Failure::usage(format!("no schedule `{name}`"), hint)
        })
    };
    names.iter().map(one).collect()
}

/// Columns padded to their widest cell.
pub(super) fn aligned(rows: &[Vec<String>]) -> String {
    // A line end in a name would make a row of its own.
    let plain = |row: &Vec<String>| row.iter().map(|cell| render::plain(cell)).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(plain).collect();
    summary::columns(&rows, |_, cell, padding| format!("{cell}{padding}  "))
}

/// Shows what happens on stderr: for a person, line by line; for a service, with the time.
pub(super) fn log(service: bool, json: bool) {
    let builder = tracing_subscriber::fmt()
        .with_writer(|| LogLine)
        .with_ansi(false)
        .with_target(false)
        .with_max_level(tracing::Level::INFO);
    let result = match (service, json) {
        (true, true) => builder.json().flatten_event(true).try_init(),
        (true, false) => builder.try_init(),
        (false, _) => builder.without_time().compact().try_init(),
    };
    if let Err(error) = result {
        say(&format!("note: nothing will be logged: {error}"));
    }
}

/// Takes a whole line of the log at once, as `tracing-subscriber` gives it, and lets nothing
/// through that would make a second one or steer a terminal.
struct LogLine;

impl Write for LogLine {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let text = render::plain(text.strip_suffix('\n').unwrap_or(&text));
        writeln!(std::io::stderr().lock(), "{text}").map(|()| line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
