//! `intransit status`

use super::home::{HomeArgs, aligned};
use super::{Done, put, say, show_lines};
use crate::clock::Clock;
use crate::config::Span;
use crate::failure::Failure;
use crate::render::json::pretty;
use crate::run::status::{self, ScheduleStatus};

/// What `status` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A schedule whose newest report is older than this is overdue, such as 8d
    #[arg(long, value_name = "LENGTH")]
    max_age: Option<Span>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    home: HomeArgs,
}

pub(super) fn run(args: &Args, clock: Clock) -> Result<Done, Failure> {
    let mut installation = args.home.read()?;
    let faults = installation.check().err();
    let ledger = installation.ledger()?;
    let max_age = args.max_age.as_ref().map(Span::length);
    let status = status::status(&installation.plans, ledger.as_ref(), clock.now(), max_age)?;
    if args.json {
        put(&pretty(&status))?;
    } else {
        let mut rows =
            vec![["schedule", "last report", "next due", ""].map(str::to_owned).to_vec()];
        rows.extend(status.schedules.iter().map(row));
        show_lines(&aligned(&rows))?;
        if ledger.is_none() {
            say("note: nothing was run yet: start `intransit daemon`, or call `intransit tick`");
        }
    }
    match faults {
        Some(failure) => Err(failure),
        None if status.ok => Ok(Done::Well),
        None => Ok(Done::Finding),
    }
}

fn row(schedule: &ScheduleStatus) -> Vec<String> {
    let state = match schedule.problems.as_slice() {
        [] if schedule.paused => "paused".to_owned(),
        [] => "good".to_owned(),
        problems => problems.join("; "),
    };
    vec![
        schedule.name.clone(),
        schedule.last_success.clone().unwrap_or_else(|| "none".to_owned()),
        schedule.next_due.clone().unwrap_or_else(|| "never".to_owned()),
        state,
    ]
}
