//! What came due, as rows of the ledger: what is run, and what is skipped for which reason.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use super::plan::Plan;
use crate::config::Missed;
use crate::ledger::{Key, NewRun, Trigger};
use crate::schedule::{self, Occurrence};

/// An occurrence that could not start within this time counts as missed.
pub const GRACE: TimeDelta = TimeDelta::hours(1);
/// Most missed occurrences that are made up for at once.
const MOST_MISSED: usize = 400;

/// The rows of what came due: what is run, and what is skipped for which reason.
pub(super) fn new_runs(plan: &Plan, occurrences: &[Occurrence], now: DateTime<Utc>) -> Vec<NewRun> {
    let mut runs = Vec::new();
    let newest = occurrences.last().map(|occurrence| occurrence.at);
    let too_many = occurrences.len().saturating_sub(MOST_MISSED);
    for (index, occurrence) in occurrences.iter().enumerate() {
        let at = occurrence.at;
        let missed = now - at > GRACE;
        let skipped = if plan.paused {
            Some("the schedule is paused".to_owned())
        } else if missed && now - at > plan.missed_window {
            let hours = plan.missed_window.num_hours();
            Some(format!("missed longer ago than missed_window ({hours} hours)"))
        } else if index < too_many {
            Some(format!("more than {MOST_MISSED} occurrences were missed"))
        } else {
            match plan.missed {
                Missed::None if missed => Some("missed, and missed = \"none\"".to_owned()),
                Missed::Last if missed && Some(at) != newest => {
                    Some("missed, and missed = \"last\" makes up for the newest only".to_owned())
                }
                _ => None,
            }
        };
        for nominal in &occurrence.coalesced {
            let other = schedule::nominal_text(occurrence.nominal);
            let reason = format!("falls on the same instant as {other}");
            runs.push(new_run(plan, *nominal, at, Some(reason)));
        }
        runs.push(new_run(plan, occurrence.nominal, at, skipped));
    }
    runs
}

fn new_run(
    plan: &Plan,
    nominal: NaiveDateTime,
    due_at: DateTime<Utc>,
    skipped: Option<String>,
) -> NewRun {
    NewRun {
        key: Key {
            schedule: plan.name.clone(),
            nominal: schedule::nominal_text(nominal),
            revision: 1,
        },
        zone: plan.zone.name().to_owned(),
        due_at,
        trigger: Trigger::Schedule,
        skipped,
    }
}
