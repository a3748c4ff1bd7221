//! What the schedules and the ledger say together: is everything well?

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::due::GRACE;
use super::plan::Plan;
use crate::config::Span;
use crate::ledger::{Ledger, LedgerError, Purpose, Run, RunState, State};
use crate::report::instant;
use crate::schedule;

/// The state of an installation.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Whether nothing needs anybody.
    pub ok: bool,
    /// Each schedule.
    pub schedules: Vec<ScheduleStatus>,
    /// Version of the time zone database.
    pub tzdb: &'static str,
}

/// The state of one schedule.
#[derive(Debug, Clone, Serialize)]
pub struct ScheduleStatus {
    /// Its name.
    pub name: String,
    /// Whether it rests.
    pub paused: bool,
    /// Nominal time of the newest report.
    pub last_success: Option<String>,
    /// When the next occurrence is due, or the one that waits was.
    pub next_due: Option<String>,
    /// Whether an occurrence should long have been run.
    pub overdue: bool,
    /// Messages that did not reach their recipient.
    pub undelivered: u64,
    /// The newest run, where it failed: nominal time and reason.
    pub failed: Option<String>,
    /// Why it is not well, in words.
    pub problems: Vec<String>,
}

/// Looks at every schedule. `ledger` is none where nothing was ever run. With `max_age`, a
/// schedule whose newest report is older than that is overdue.
///
/// # Errors
/// [`LedgerError`] when the ledger fails.
pub fn status(
    plans: &[Plan],
    ledger: Option<&Ledger>,
    now: DateTime<Utc>,
    max_age: Option<TimeDelta>,
) -> Result<Status, LedgerError> {
    let schedules =
        plans.iter().map(|plan| one(plan, ledger, now, max_age)).collect::<Result<Vec<_>, _>>()?;
    Ok(Status {
        ok: schedules.iter().all(|schedule| schedule.problems.is_empty()),
        schedules,
        tzdb: chrono_tz::IANA_TZDB_VERSION,
    })
}

fn one(
    plan: &Plan,
    ledger: Option<&Ledger>,
    now: DateTime<Utc>,
    max_age: Option<TimeDelta>,
) -> Result<ScheduleStatus, LedgerError> {
    let runs = ledger.map_or(Ok(Vec::new()), |ledger| ledger.runs(&plan.name))?;
    let cursor = ledger.map_or(Ok(None), |ledger| ledger.cursor(&plan.name))?;
    let done = runs.iter().rev().find(|run| run.state == RunState::Done);
    let mut problems = Vec::new();
    let overdue = overdue(plan, &runs, cursor, now);
    problems.extend(overdue.iter().map(|nominal| format!("overdue since {nominal}")));
    let old = max_age.filter(|_| !plan.paused).and_then(|max_age| {
        let age = done.map(|run| now - run.due_at);
        match age {
            None => Some("no report yet".to_owned()),
            Some(age) if age > max_age => {
                Some(format!("the newest report is {} hours old", age.num_hours()))
            }
            Some(_) => None,
        }
    });
    let is_overdue = overdue.is_some() || old.is_some();
    problems.extend(old);
    let failed = failed(&runs);
    problems.extend(failed.iter().map(|failed| format!("no report of {failed}")));
    let undelivered = undelivered(plan, ledger, done)?;
    if undelivered > 0 {
        problems.push(format!("{undelivered} message(s) not delivered"));
    }
    let waiting = runs.iter().find(|run| matches!(run.state, RunState::Due | RunState::Running));
    let next = schedule::occurrences(&plan.pattern, plan.zone, now).next();
    let next = waiting.map(|run| run.due_at).or_else(|| next.map(|next| next.at));
    Ok(ScheduleStatus {
        name: plan.name.clone(),
        paused: plan.paused,
        last_success: done.map(|run| run.key.nominal.clone()),
        next_due: next.map(instant),
        overdue: is_overdue,
        undelivered,
        failed,
        problems,
    })
}

/// The nominal time of the oldest occurrence that should long have been run: one that
/// stands in the ledger as due, or one that nobody wrote down because nothing runs at all.
fn overdue(
    plan: &Plan,
    runs: &[Run],
    cursor: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<String> {
    let patience = GRACE + plan.wait_for_data.as_ref().map_or(TimeDelta::zero(), Span::length);
    let late = |at: DateTime<Utc>| now - at > patience;
    let waiting = runs
        .iter()
        .find(|run| matches!(run.state, RunState::Due | RunState::Running) && late(run.due_at));
    if let Some(run) = waiting {
        return Some(run.key.nominal.clone());
    }
    if plan.paused {
        return None;
    }
    let next = schedule::occurrences(&plan.pattern, plan.zone, cursor?).next()?;
    late(next.at).then(|| schedule::nominal_text(next.nominal))
}

/// The newest run, where it failed.
fn failed(runs: &[Run]) -> Option<String> {
    let newest = runs.iter().rev().find(|run| run.state != RunState::Skipped)?;
    let reason = newest.reason.as_deref().unwrap_or("no reason");
    (newest.state == RunState::Failed).then(|| format!("{}: {reason}", newest.key.nominal))
}

/// Messages on their way or held, of any run, and those of the newest report that were
/// refused or given up. A message queued a moment ago is no problem yet.
fn undelivered(
    plan: &Plan,
    ledger: Option<&Ledger>,
    done: Option<&Run>,
) -> Result<u64, LedgerError> {
    let Some(ledger) = ledger else { return Ok(0) };
    let messages = ledger.messages()?.into_iter().filter(|message| {
        message.key.schedule == plan.name
            && message.purpose == Purpose::Report
            && match message.state {
                State::Delivered => false,
                State::Refused | State::Expired => done.is_some_and(|run| run.key == message.key),
                State::Queued | State::Sending | State::InDoubt | State::Held => true,
            }
    });
    Ok(u64::try_from(messages.count()).unwrap_or(u64::MAX))
}
