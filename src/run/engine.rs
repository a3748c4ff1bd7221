//! The engine: writes down what came due, runs it, and hands the mail over.
//!
//! One pass does whatever is due and can be broken off at any instruction: what it has done
//! is in the ledger, and the next pass goes on from there. A run is sealed, then written down
//! as done together with its messages, then mailed; failing mail never unmakes a report.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use super::due::new_runs;
use super::evidence::Evidence;
use super::filing::{self, Circumstances};
use super::outbox::{self, Posts};
use super::plan::Plan;
use super::post::Post;
use super::prepare::{self, Beside, Prepared};
use super::trial::{self, Trial};
use super::{RunError, chain, changes, time};
use crate::archive::sign::Signer;
use crate::archive::{self, ArchiveError, Place, Sealed};
use crate::clock::{Clock, limit};
use crate::config::{ConfigError, Home};
use crate::cube;
use crate::ledger::{
    Key, KnownHead, Ledger, LedgerError, Lock, Message, NewMessage, NewRun, Purpose, Run, RunState,
    State, Trigger,
};
use crate::render::mail::{Earlier, Filed, Notice};
use crate::report::ArchiveReport;
use crate::schedule::{self, Occurrence};
use crate::store;

/// How long to wait before traces are looked at again.
const LOOK_AGAIN: TimeDelta = TimeDelta::minutes(15);
/// Waits in minutes before a run that failed for want of the machine is tried again.
const WAITS: [i64; 4] = [1, 5, 15, 60];
/// Earlier runs of which a mail may speak.
const EARLIER: usize = 8;

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

    /// A run whose head is on the disk is done, though its process ended before it could say
    /// so: what was sealed is what is mailed.
    fn adopt(
        &mut self,
        run: &Run,
        evidence: &Evidence,
        sealed: &Sealed,
    ) -> Result<bool, EngineError> {
        let plan = self.plans.iter().find(|plan| plan.name == run.key.schedule).cloned();
        let letters = match &plan {
            Some(plan) => {
                let Some(prepared) = Prepared::from_bag(&sealed.path) else { return Ok(false) };
                self.letters(plan, run, &prepared, sealed)?
            }
            None => Vec::new(),
        };
        let filed: Vec<String> = archive::delivered(&sealed.path);
        self.done(run, sealed, &letters, &filed)?;
        tracing::warn!(run = %run.key, "the process ended after sealing: taken as done");
        evidence.tell(sealed);
        Ok(true)
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

    /// Puts the archive in order after sealing failed: what has no head is removed, and what
    /// has one is done, though the disk complained. Where not even that is possible, the
    /// ledger still knows which bag was being made, and the next start puts it in order.
    fn after_failure(
        &mut self,
        key: &Key,
        evidence: &Evidence,
    ) -> Result<Option<Sealed>, EngineError> {
        let Some(run) = self.ledger.run(key)? else { return Ok(None) };
        let unfinished: Vec<String> = run.sealing.iter().cloned().collect();
        let whole = archive::recover(&evidence.dir, &unfinished)?;
        for sealed in whole {
            if self.adopt(&run, evidence, &sealed)? {
                return Ok(Some(sealed));
            }
        }
        Ok(None)
    }

    /// Files the run, then writes it down as done with its messages.
    fn seal(
        &mut self,
        plan: &Plan,
        run: &Run,
        prepared: &Prepared,
        (place, signer): (&Place, Option<&Signer>),
        started: DateTime<Utc>,
    ) -> Result<PathBuf, EngineError> {
        let key = &run.key;
        // Letters that cannot be written are found before anything is kept.
        let rehearsal = Beside {
            due_at: Some(run.due_at),
            filed: Some(Filed {
                folder: plan.evidence.name.clone(),
                bag: archive::bag_name(place.seq, &key.schedule, &key.nominal, key.revision),
                seq: place.seq,
                head_sha256: place.previous_head_sha256.clone(),
                signed: signer.is_some(),
            }),
            ..Beside::default()
        };
        prepare::rehearse(plan, &run.key, prepared, &rehearsal, started)?;
        let circumstances = Circumstances::of(plan, run, started, self.clock);
        let (deliveries, filed) = filing::deliveries(&self.ledger)?;
        let readers = |index: usize| prepared.readers(plan, index);
        let bag = filing::bag(place.seq, &circumstances, prepared, readers, deliveries);
        self.ledger.sealing(&run.key, started, &bag.name)?;
        let now = self.clock.now();
        let sealed = archive::seal(&plan.evidence.dir, &bag, place, signer, now)?;
        let letters = self.letters(plan, run, prepared, &sealed)?;
        self.done(run, &sealed, &letters, &filed)?;
        plan.evidence.tell(&sealed);
        Ok(sealed.path)
    }

    /// The letters of a run that is sealed.
    fn letters(
        &self,
        plan: &Plan,
        run: &Run,
        prepared: &Prepared,
        sealed: &Sealed,
    ) -> Result<Vec<NewMessage>, EngineError> {
        let beside = Beside {
            due_at: Some(run.due_at),
            earlier: earlier(&self.ledger, plan, run.due_at)?,
            filed: Some(filed(&plan.evidence, sealed)),
        };
        let now = self.clock.now();
        // What is filed is mailed, however long it took.
        let letters = || prepare::letters(plan, &run.key, prepared, &beside, now);
        Ok(limit::in_any_case(letters)?)
    }

    fn done(
        &mut self,
        run: &Run,
        sealed: &Sealed,
        letters: &[NewMessage],
        filed: &[String],
    ) -> Result<(), EngineError> {
        let head = KnownHead {
            seq: sealed.head.seq,
            bag: sealed.head.bag.clone(),
            sha256: sealed.head.sha256(),
            time: sealed.head.time.clone(),
        };
        Ok(self.ledger.finish(&run.key, self.clock.now(), &head, letters, filed)?)
    }

    /// Files something that no schedule made: a report on demand, or a closing bag.
    ///
    /// # Errors
    /// [`EngineError`] when ledger or archive fail.
    pub fn file_by_hand(
        &mut self,
        name: &str,
        evidence: &Evidence,
        build: impl FnOnce(
            &Run,
            &Place,
            Option<&Signer>,
            Vec<archive::File>,
        ) -> Result<archive::Bag, EngineError>,
    ) -> Result<Sealed, EngineError> {
        let now = self.clock.now();
        let key = self.free_key(name, now)?;
        let wanted = NewRun {
            key: key.clone(),
            zone: chrono_tz::UTC.name().to_owned(),
            due_at: now,
            trigger: Trigger::Manual,
            skipped: None,
        };
        self.ledger.add_run(&wanted)?;
        self.ledger.begin(&key, now)?;
        let filed = time::within(&key.to_string(), self.longest, || {
            let filed = self.file_run(&key, evidence, build);
            let late = limit::passed("not filed by hand");
            filed.map_err(|error| if late { RunError::Passed.into() } else { error })
        });
        match filed {
            Ok(sealed) => Ok(sealed),
            Err(error) => {
                if let Some(sealed) = self.after_failure(&key, evidence)? {
                    return Ok(sealed);
                }
                self.ledger.fail(&key, self.clock.now(), &chain(&error), &[])?;
                Err(error)
            }
        }
    }

    fn file_run(
        &mut self,
        key: &Key,
        evidence: &Evidence,
        build: impl FnOnce(
            &Run,
            &Place,
            Option<&Signer>,
            Vec<archive::File>,
        ) -> Result<archive::Bag, EngineError>,
    ) -> Result<Sealed, EngineError> {
        let now = self.clock.now();
        let Some(run) = self.ledger.run(key)? else {
            unreachable!("the run was written down just now");
        };
        let (place, signer) = place(&self.ledger, evidence)?;
        let (deliveries, filed) = filing::deliveries(&self.ledger)?;
        let bag = build(&run, &place, signer.as_ref(), deliveries)?;
        self.ledger.sealing(key, now, &bag.name)?;
        let sealed = archive::seal(&evidence.dir, &bag, &place, signer.as_ref(), now)?;
        self.done(&run, &sealed, &[], &filed)?;
        evidence.tell(&sealed);
        Ok(sealed)
    }

    /// A key that nothing has yet: two things may be filed in one second.
    fn free_key(&self, name: &str, now: DateTime<Utc>) -> Result<Key, EngineError> {
        let nominal = schedule::nominal_text(now.naive_utc());
        let newest = self.ledger.newest_revision(name, &nominal)?;
        let revision = newest.map_or(1, |run| run.key.revision + 1);
        Ok(Key { schedule: name.to_owned(), nominal, revision })
    }

    /// The report could not be made.
    fn could_not(
        &mut self,
        plan: &Plan,
        run: &Run,
        error: &RunError,
        waits: Option<DateTime<Utc>>,
    ) -> Result<Ran, EngineError> {
        let reason = match error {
            RunError::Ingest(_) => {
                format!("{}: [[source]]: {}", plan.file.display(), error.chain())
            }
            _ if error.is_settings() => format!("branding.templates: {}", error.chain()),
            RunError::Passed => {
                format!("run_timeout = \"{}\": {}", plan.run_timeout.text(), error.chain())
            }
            _ => error.chain(),
        };
        match waits {
            Some(deadline) if error.is_input() => {
                let until = deadline.min(self.clock.now() + LOOK_AGAIN);
                self.wait(&run.key, until, reason, false)
            }
            _ => {
                let fault = match error {
                    _ if error.is_input() => Fault::Input,
                    _ if error.is_settings() => Fault::Settings,
                    _ => Fault::Internal,
                };
                self.failed(plan, run, reason, fault)
            }
        }
    }

    /// Disk or folder failed: that may pass.
    fn machine_failed(
        &mut self,
        plan: &Plan,
        run: &Run,
        error: &EngineError,
    ) -> Result<Ran, EngineError> {
        let reason = chain(error);
        let attempts = usize::try_from(run.attempts).unwrap_or(usize::MAX);
        match (run.trigger, WAITS.get(attempts)) {
            (Trigger::Schedule, Some(minutes)) => {
                let until = self.clock.now() + TimeDelta::minutes(*minutes);
                self.wait(&run.key, until, reason, true)
            }
            _ => self.failed(plan, run, reason, Fault::Internal),
        }
    }

    fn wait(
        &mut self,
        key: &Key,
        until: DateTime<Utc>,
        reason: String,
        counts: bool,
    ) -> Result<Ran, EngineError> {
        tracing::warn!(run = %key, %until, "waits: {reason}");
        self.ledger.postpone(key, until, Some(&reason), counts)?;
        Ok(Ran::Waits { until, reason, machine: counts })
    }

    fn failed(
        &mut self,
        plan: &Plan,
        run: &Run,
        reason: String,
        fault: Fault,
    ) -> Result<Ran, EngineError> {
        let (key, now) = (&run.key, self.clock.now());
        tracing::error!(run = %key, "no report: {reason}");
        let notice = Notice::Failed {
            schedule: key.schedule.clone(),
            nominal: key.nominal.clone(),
            zone: plan.zone.name().to_owned(),
            reason: reason.clone(),
        };
        let letters = notices(plan, key, Purpose::Failed, &notice, now);
        // That nobody can be told changes nothing about the run.
        self.ledger.fail(key, now, &reason, letters.as_deref().unwrap_or_default())?;
        letters?;
        Ok(Ran::Failed { reason, fault })
    }

    /// Tells of runs whose mail has come to an end without reaching everyone.
    fn notices(&mut self) -> Result<(), EngineError> {
        for key in self.ledger.untold()? {
            let Some(plan) = self.plans.iter().find(|plan| plan.name == key.schedule) else {
                continue;
            };
            if plan.notify.is_empty() {
                continue;
            }
            let plan = plan.clone();
            let lines = undelivered(&self.ledger, &key)?.into_iter().map(|message| {
                (message.recipient, message.state.name(), message.reply.unwrap_or_default())
            });
            let notice = Notice::Undelivered {
                schedule: key.schedule.clone(),
                nominal: key.nominal.clone(),
                zone: plan.zone.name().to_owned(),
                lines: lines.collect(),
            };
            let now = self.clock.now();
            let letters = notices(&plan, &key, Purpose::Undelivered, &notice, now)?;
            self.ledger.queue(&letters, now)?;
        }
        Ok(())
    }
}

/// The letters that tell those of `[notify]`.
fn notices(
    plan: &Plan,
    key: &Key,
    purpose: Purpose,
    notice: &Notice,
    now: DateTime<Utc>,
) -> Result<Vec<NewMessage>, RunError> {
    plan.notify.iter().map(|to| prepare::notice(plan, key, purpose, notice, to, now)).collect()
}

/// What readers should know of the reports before this one, newest first, back to the
/// last one that reached everybody.
///
/// # Errors
/// [`LedgerError`] when the ledger fails.
pub fn earlier(
    ledger: &Ledger,
    plan: &Plan,
    due_at: DateTime<Utc>,
) -> Result<Vec<Earlier>, LedgerError> {
    let mut earlier = Vec::new();
    let before = ledger.runs(&plan.name)?.into_iter().filter(|other| other.due_at < due_at);
    let before: Vec<Run> = before.collect();
    for other in before.iter().rev().take(EARLIER) {
        let nominal = other.key.nominal.clone();
        let reason = other.reason.clone().unwrap_or_default();
        match other.state {
            RunState::Failed => earlier.push(Earlier::Failed { nominal, reason }),
            RunState::Skipped => earlier.push(Earlier::Skipped { nominal, reason }),
            RunState::Due | RunState::Running => {}
            RunState::Done => {
                let missing = undelivered(ledger, &other.key)?;
                if missing.is_empty() {
                    break;
                }
                earlier.extend(missing.into_iter().map(|message| Earlier::Undelivered {
                    nominal: message.key.nominal,
                    recipient: message.recipient,
                    state: message.state.name(),
                    reply: message.reply.unwrap_or_default(),
                }));
            }
        }
    }
    Ok(earlier)
}

/// The next place in the chain, and the key that signs.
///
/// # Errors
/// [`EngineError::Archive`] when the archive does not end where the ledger says.
pub fn place(ledger: &Ledger, evidence: &Evidence) -> Result<(Place, Option<Signer>), EngineError> {
    let newest = ledger.newest_head()?;
    let known = newest.as_ref().map(|head| (head.seq, head.sha256.as_str()));
    let place = archive::place(&evidence.dir, known)?;
    archive::check(&evidence.dir, place.seq)?;
    Ok((place, evidence.signer()?))
}

/// What a schedule's report prints of its place in the archive.
///
/// # Errors
/// [`LedgerError`] when the ledger fails.
pub fn archive_report(
    ledger: &Ledger,
    plan: &Plan,
    key: &Key,
    place: &Place,
    signer: Option<&Signer>,
) -> Result<ArchiveReport, LedgerError> {
    let runs = ledger.runs(&plan.name)?;
    let before = runs.iter().filter(|other| other.key != *key);
    let before = before.filter_map(|other| other.seq.zip(other.bag.as_deref())).max();
    let settings = before.and_then(|(_, bag)| plan.evidence.settings_of(bag));
    Ok(ArchiveReport {
        changes: settings.and_then(|before| changes::changes(&before, &plan.settings)),
        ..place_report(place, signer)
    })
}

/// What any report prints of its place in the archive.
pub fn place_report(place: &Place, signer: Option<&Signer>) -> ArchiveReport {
    ArchiveReport {
        seq: place.seq,
        previous_head: (place.seq > 1).then(|| place.previous_head_sha256.clone()),
        signed_by: signer.map(Signer::fingerprint),
        changes: None,
    }
}

/// Where a run is filed, as its mail says.
fn filed(evidence: &Evidence, sealed: &Sealed) -> Filed {
    Filed {
        folder: evidence.name.clone(),
        bag: sealed.head.bag.clone(),
        seq: sealed.head.seq,
        head_sha256: sealed.head.sha256(),
        signed: sealed.head.key != archive::head::UNSIGNED,
    }
}

/// The messages of a report that did not reach their recipient.
fn undelivered(ledger: &Ledger, key: &Key) -> Result<Vec<Message>, LedgerError> {
    let mut messages = ledger.messages_of(key)?;
    messages
        .retain(|message| message.purpose == Purpose::Report && message.state != State::Delivered);
    Ok(messages)
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
