//! The engine: writes down what came due, runs it, and hands the mail over.
//!
//! One pass does whatever is due and can be broken off at any instruction: what it has done
//! is in the ledger, and the next pass goes on from there. A run is sealed, then written down
//! as done together with its messages, then mailed; failing mail never unmakes a report.

mod failing;
mod sealing;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use self::failing::LOOK_AGAIN;
pub use self::failing::earlier;
pub use self::sealing::{archive_report, place, place_report};
use super::due::new_runs;
use super::evidence::Evidence;
use super::outbox::{self, Posts};
use super::plan::Plan;
use super::post::Post;
use super::prepare;
use super::trial::{self, Trial};
use super::{RunError, chain, time};
use crate::archive::{self, ArchiveError, Sealed};
use crate::clock::{Clock, limit};
use crate::config::{ConfigError, Home};
use crate::cube;
use crate::ledger::{Key, Ledger, LedgerError, Lock, Run, RunState, Trigger};
use crate::schedule::{self, Occurrence};
use crate::store;

/// Why the engine cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The ledger failed, or another process holds it.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The archive contradicts the ledger.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A folder cannot be written.
    #[error(transparent)]
    Write(#[from] store::WriteError),
    /// A report could not be made.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Settings cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ran {
    /// Sealed and in the outbox.
    Done {
        /// The bag.
        bag: PathBuf,
    },
    /// Not yet: traces are missing, or the machine failed.
    Waits {
        /// Until when.
        until: DateTime<Utc>,
        /// What for.
        reason: String,
        /// Whether the machine failed, not the traces.
        machine: bool,
    },
    /// No report could be made.
    Failed {
        /// Why.
        reason: String,
        /// What is at fault.
        fault: Fault,
    },
}

/// What is at fault where a report cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The traces.
    Input,
    /// The settings, such as a template.
    Settings,
    /// The machine, or this program.
    Internal,
}

/// What one pass came to.
#[derive(Debug, Clone, Default)]
pub struct Pass {
    /// Runs that were looked at, and what became of them.
    pub ran: Vec<(Key, Ran)>,
}

/// The holder of a state folder.
#[derive(Debug)]
pub struct Engine {
    plans: Vec<Plan>,
    posts: Posts,
    ledger: Ledger,
    clock: Clock,
    trial: Trial,
    /// How long it may take to file what no schedule made.
    longest: Duration,
    /// When something last moved, for whoever watches.
    beat: Arc<AtomicU64>,
}

impl Engine {
    /// Takes the state folder and puts in order what a crash left.
    ///
    /// # Errors
    /// [`EngineError`] when another process holds the folder, or the archive has bags that
    /// the ledger does not know.
    pub fn open(
        home: &Home,
        plans: Vec<Plan>,
        state: &std::path::Path,
        who: &str,
        clock: Clock,
    ) -> Result<Self, EngineError> {
        let longest = time::longest(&time::run_timeout(&home.config, &home.file_name())?);
        let lock = Lock::take(state, who)?;
        let ledger = Ledger::open(lock)?;
        let posts = posts(home, &plans, longest);
        let trial = Trial { config: home.file.clone(), clock };
        let mut engine = Self { plans, posts, ledger, clock, trial, longest, beat: Arc::default() };
        engine.recover()?;
        Ok(engine)
    }

    /// Puts other plans in the place of these, as after a change of settings.
    pub fn reload(&mut self, home: &Home, plans: Vec<Plan>) {
        self.posts = posts(home, &plans, self.longest);
        self.trial.config.clone_from(&home.file);
        self.plans = plans;
    }

    /// The ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Counts up whenever a run begins or comes to an end, and with each message.
    pub fn beat(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.beat)
    }

    /// The plans.
    pub fn plans(&self) -> &[Plan] {
        &self.plans
    }

    fn recover(&mut self) -> Result<(), EngineError> {
        let now = self.clock.now();
        let interrupted = self.ledger.interrupted()?;
        let unfinished: Vec<String> =
            interrupted.iter().filter_map(|run| run.sealing.clone()).collect();
        let mut folders: Vec<Evidence> = Vec::new();
        for plan in &self.plans {
            if folders.iter().all(|known| known.dir != plan.evidence.dir) {
                folders.push(plan.evidence.clone());
            }
        }
        let mut whole: Vec<(Evidence, Sealed)> = Vec::new();
        for evidence in folders {
            let sealed = archive::recover(&evidence.dir, &unfinished)?;
            whole.extend(sealed.into_iter().map(|sealed| (evidence.clone(), sealed)));
        }
        for run in &interrupted {
            let found = whole.iter().find(|(_, held)| Some(&held.head.bag) == run.sealing.as_ref());
            let adopted = match found {
                Some((evidence, sealed)) => self.adopt(run, evidence, sealed)?,
                None => false,
            };
            if !adopted {
                self.run_again(run, now)?;
            }
        }
        let next_seq = self.ledger.newest_head()?.map_or(1, |head| head.seq + 1);
        for plan in &self.plans {
            archive::check(&plan.evidence.dir, next_seq)?;
        }
        for post in self.posts.values() {
            if let super::post::Way::Folder(folder) = &post.way {
                store::sweep(folder)?;
            }
        }
        for place in self.plans.iter().filter_map(|plan| plan.request.cache.as_ref()) {
            if let Err(trouble) = cube::sweep(place) {
                tracing::warn!("{}", chain(&trouble));
            }
        }
        outbox::recover(&self.ledger, &self.posts, now)?;
        Ok(())
    }

    fn run_again(&mut self, run: &Run, now: DateTime<Utc>) -> Result<(), EngineError> {
        if super::plan::RESERVED.contains(&run.key.schedule.as_str()) {
            // What a person asked for is asked for again, or not.
            return Ok(self.ledger.fail(&run.key, now, "the process ended in the middle", &[])?);
        }
        tracing::warn!(run = %run.key, "the process ended in the middle: run again");
        Ok(self.ledger.postpone(&run.key, now, None, false)?)
    }
    /// Does whatever is due. `stop` ends it after the current run or message.
    ///
    /// # Errors
    /// [`EngineError`] when ledger or archive fail; a report that cannot be made is no error.
    pub fn pass(&mut self, stop: &AtomicBool) -> Result<Pass, EngineError> {
        let mut pass = Pass::default();
        let plans = self.plans.clone();
        for plan in &plans {
            self.write_down(plan)?;
        }
        // What may end the process comes last, when all else is done.
        let mut suspects = Vec::new();
        for plan in &plans {
            if self.ledger.is_started(&plan.name)? {
                suspects.push(plan);
            } else {
                self.run_due(plan, stop, &mut pass)?;
            }
        }
        if !suspects.is_empty() && !stop.load(Ordering::Relaxed) {
            self.hand_over(None, stop)?;
        }
        for plan in suspects {
            self.run_due(plan, stop, &mut pass)?;
        }
        if !stop.load(Ordering::Relaxed) {
            self.hand_over(None, stop)?;
            self.notices()?;
            // A notice made in this pass leaves in this pass.
            self.hand_over(None, stop)?;
        }
        Ok(pass)
    }

    /// Writes down every occurrence since the cursor, in one transaction with the cursor.
    fn write_down(&mut self, plan: &Plan) -> Result<(), EngineError> {
        let now = self.clock.now();
        let Some(cursor) = self.ledger.cursor(&plan.name)? else {
            tracing::info!(schedule = plan.name, "first seen: occurrences count from now on");
            return Ok(self.ledger.plan(&plan.name, now, &[])?);
        };
        if cursor > now {
            let back = cursor - now;
            if back > TimeDelta::minutes(1) {
                tracing::warn!(
                    schedule = plan.name,
                    seconds = back.num_seconds(),
                    "the clock went back: nothing runs twice"
                );
            }
            return Ok(());
        }
        let occurrences = schedule::occurrences(&plan.pattern, plan.zone, cursor);
        let occurrences: Vec<Occurrence> =
            occurrences.take_while(|occurrence| occurrence.at <= now).collect();
        let runs = new_runs(plan, &occurrences, now);
        for run in runs.iter().filter(|run| run.skipped.is_some()) {
            let why = run.skipped.as_deref().unwrap_or_default();
            tracing::warn!(run = %run.key, "skipped: {why}");
        }
        Ok(self.ledger.plan(&plan.name, now, &runs)?)
    }

    /// Runs of one schedule are strictly serial: one that waits holds up the later ones.
    fn run_due(
        &mut self,
        plan: &Plan,
        stop: &AtomicBool,
        pass: &mut Pass,
    ) -> Result<(), EngineError> {
        for run in self.ledger.runs(&plan.name)? {
            if run.state != RunState::Due {
                continue;
            }
            let waits = run.next_at.is_some_and(|next| next > self.clock.now());
            if waits || stop.load(Ordering::Relaxed) {
                break;
            }
            self.beat.fetch_add(1, Ordering::Relaxed);
            let ran = self.execute(plan, &run)?;
            self.beat.fetch_add(1, Ordering::Relaxed);
            let goes_on = !matches!(ran, Ran::Waits { .. });
            pass.ran.push((run.key, ran));
            if !goes_on {
                break;
            }
        }
        Ok(())
    }

    /// Runs one occurrence that a person asks for, and hands over its mail.
    ///
    /// # Errors
    /// [`EngineError`] when ledger or archive fail.
    pub fn run_one(
        &mut self,
        plan: &Plan,
        run: &Run,
        stop: &AtomicBool,
    ) -> Result<Ran, EngineError> {
        let ran = self.execute(plan, run)?;
        self.hand_over(Some(&run.key), stop)?;
        self.notices()?;
        self.hand_over(Some(&run.key), stop)?;
        Ok(ran)
    }

    fn hand_over(&mut self, only: Option<&Key>, stop: &AtomicBool) -> Result<(), LedgerError> {
        outbox::deliver(&mut self.ledger, &self.posts, self.clock, only, (stop, &self.beat))
    }

    /// Hands over what is in the outbox.
    ///
    /// # Errors
    /// [`EngineError`] when the ledger fails.
    pub fn deliver(&mut self, stop: &AtomicBool) -> Result<(), EngineError> {
        Ok(self.hand_over(None, stop)?)
    }

    fn execute(&mut self, plan: &Plan, run: &Run) -> Result<Ran, EngineError> {
        let key = &run.key;
        let started = self.clock.now();
        let Some(nominal) = schedule::parse_nominal(&key.nominal) else {
            let reason = format!("`{}` is no local time", key.nominal);
            self.ledger.fail(key, started, &reason, &[])?;
            return Ok(Ran::Failed { reason, fault: Fault::Internal });
        };
        let starts = self.ledger.starts(key)?;
        self.ledger.begin(key, started)?;
        tracing::info!(run = %key, "running");
        if let Some(reason) = self.ends_its_process(plan, key, starts) {
            return self.failed(plan, run, reason, Fault::Internal);
        }
        self.beat.fetch_add(1, Ordering::Relaxed);
        let what = key.to_string();
        time::within(&what, plan.longest(), || self.make(plan, run, nominal, started))
    }

    /// Makes the report and files it, within the time that both may take together.
    fn make(
        &mut self,
        plan: &Plan,
        run: &Run,
        nominal: NaiveDateTime,
        started: DateTime<Utc>,
    ) -> Result<Ran, EngineError> {
        let key = &run.key;
        let may_wait = run.trigger == Trigger::Schedule;
        let deadline = plan.wait_for_data.as_ref().filter(|_| may_wait);
        let deadline = deadline.map(|wait| run.due_at + wait.length());
        let waits = deadline.filter(|deadline| started < *deadline);
        let (place, signer) = match place(&self.ledger, &plan.evidence) {
            Ok(place) => place,
            Err(error) => return self.machine_failed(plan, run, &error),
        };
        let archive = archive_report(&self.ledger, plan, key, &place, signer.as_ref())?;
        let prepare = || prepare::prepare(plan, key, nominal, Some(archive));
        let made = match std::panic::catch_unwind(std::panic::AssertUnwindSafe(prepare)) {
            Ok(made) => made,
            Err(panic) => {
                // The process ends, as for any defect, but the next one knows of it: the run
                // waits, so that others are made, and is given up when it meets the defect again.
                self.machine_failed(plan, run, &RunError::Defect.into())?;
                std::panic::resume_unwind(panic);
            }
        };
        let prepared = match made {
            Ok(prepared) => prepared,
            Err(error) if error.is_machine() => {
                return self.machine_failed(plan, run, &error.into());
            }
            Err(error) => return self.could_not(plan, run, &error, waits),
        };
        if let (Some(incomplete), Some(deadline)) = (&prepared.report.incomplete, waits) {
            let newest = incomplete.newest.as_deref().unwrap_or("none");
            let reason = format!("newest row {newest}, needed {}", incomplete.needed);
            return self.wait(key, deadline.min(started + LOOK_AGAIN), reason, false);
        }
        match self.seal(plan, run, &prepared, (&place, signer.as_ref()), started) {
            Ok(bag) => {
                tracing::info!(run = %key, bag = %bag.display(), "report made and filed");
                Ok(Ran::Done { bag })
            }
            Err(EngineError::Ledger(error)) => Err(error.into()),
            Err(error) => match self.after_failure(key, &plan.evidence)? {
                Some(sealed) => Ok(Ran::Done { bag: sealed.path }),
                None => match error {
                    // Whatever stopped then, and whatever it said: it was told to.
                    _ if limit::passed("not filed") => {
                        self.could_not(plan, run, &RunError::Passed, None)
                    }
                    EngineError::Run(error) if error.is_settings() => {
                        self.could_not(plan, run, &error, None)
                    }
                    error => self.machine_failed(plan, run, &error),
                },
            },
        }
    }

    /// Why a run is not made in this process, where it ended several that began it.
    fn ends_its_process(&self, plan: &Plan, key: &Key, starts: u32) -> Option<String> {
        let times = format!("the process ended in the middle {starts} times");
        if starts >= trial::HOPELESS {
            return Some(times);
        }
        if starts == 0 || !starts.is_multiple_of(trial::SUSPECT) {
            return None;
        }
        tracing::warn!(run = %key, "{times}: the report is made in a process of its own first");
        let how = self.trial.dies(plan, &key.nominal)?;
        Some(format!("{times}, and a process that only made the report {how}"))
    }
}

/// The posts of the plans, and the installation's own for schedules that are gone.
fn posts(home: &Home, plans: &[Plan], longest: Duration) -> Posts {
    let mut posts: Posts =
        plans.iter().map(|plan| (Some(plan.name.clone()), plan.post.clone())).collect();
    // Where the installation has no usable [mail] of its own, each schedule has one.
    if let Ok(own) = Post::of(home, &home.config.mail, &home.file_name(), longest) {
        posts.insert(None, own);
    }
    posts
}
