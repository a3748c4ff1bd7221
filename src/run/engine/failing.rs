//! Runs without a report, and reports that did not reach everyone.

use chrono::{DateTime, TimeDelta, Utc};

use super::super::plan::Plan;
use super::super::prepare;
use super::super::{RunError, chain};
use super::{Engine, EngineError, Fault, Ran};
use crate::ledger::{
    Key, Ledger, LedgerError, Message, NewMessage, Purpose, Run, RunState, State, Trigger,
};
use crate::render::mail::{Earlier, Notice};

/// How long to wait before traces are looked at again.
pub(super) const LOOK_AGAIN: TimeDelta = TimeDelta::minutes(15);
/// Waits in minutes before a run that failed for want of the machine is tried again.
const WAITS: [i64; 4] = [1, 5, 15, 60];
/// Earlier runs of which a mail may speak.
const EARLIER: usize = 8;

impl Engine {
    /// The report could not be made.
    pub(super) fn could_not(
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
    pub(super) fn machine_failed(
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

    pub(super) fn wait(
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

    pub(super) fn failed(
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
    pub(super) fn notices(&mut self) -> Result<(), EngineError> {
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

/// The messages of a report that did not reach their recipient.
fn undelivered(ledger: &Ledger, key: &Key) -> Result<Vec<Message>, LedgerError> {
    let mut messages = ledger.messages_of(key)?;
    messages
        .retain(|message| message.purpose == Purpose::Report && message.state != State::Delivered);
    Ok(messages)
}
