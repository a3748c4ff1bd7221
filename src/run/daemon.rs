//! The engine, for ever, in the foreground.
//!
//! Sleeps in short slices against the wall clock, never once until the next occurrence: after
//! a suspended night or a corrected clock the next slice sees what is due. A clock that leaps
//! more than a day ahead while the machine itself counted no such time is not believed for an
//! hour: a wrong clock would make, sign and send reports of weeks that are not over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rustix::time::{ClockId, clock_gettime};
use sd_notify::NotifyState;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::engine::{Engine, EngineError};
use super::plan::Plan;
use crate::clock::Clock;
use crate::config::Home;

/// One slice of sleep.
const SLICE: Duration = Duration::from_millis(500);
/// Longest time between two looks at what is due.
const LOOK: TimeDelta = TimeDelta::seconds(20);
/// A leap of the clock that is not believed at once.
const LEAP: TimeDelta = TimeDelta::days(1);
/// How long it is not believed.
const DISBELIEF: TimeDelta = TimeDelta::hours(1);
/// What takes longer than the longest `run_timeout`, and this, is stuck: the watchdog is no
/// longer fed.
const STUCK_SECONDS: u64 = 3 * 3600;

/// Settings read again: the installation and its plans, or what is wrong with them.
pub type Reload<'a> = dyn Fn() -> Result<(Home, Vec<Plan>), Vec<String>> + 'a;

/// Runs until SIGTERM or SIGINT; SIGHUP reads the settings again, and keeps the last good
/// ones where the new are not.
///
/// # Errors
/// [`EngineError`] when the ledger or archive fail.
pub fn run(mut engine: Engine, clock: Clock, reload: &Reload<'_>) -> Result<(), EngineError> {
    let stop = Arc::new(AtomicBool::new(false));
    let again = Arc::new(AtomicBool::new(false));
    for (signal, flag) in [(SIGTERM, &stop), (SIGINT, &stop), (SIGHUP, &again)] {
        if let Err(error) = signal_hook::flag::register(signal, Arc::clone(flag)) {
            tracing::error!(signal, "cannot watch for the signal: {error}");
        }
    }
    let pulse = Pulse::of(&engine);
    let mut watchdog = feed_watchdog(&pulse);
    say(&[NotifyState::Ready]);
    tracing::info!(schedules = engine.plans().len(), "ready");
    let mut watch = Watch::new(clock);
    while !stop.load(Ordering::Relaxed) {
        pulse.passes.fetch_add(1, Ordering::Relaxed);
        // It never ends by itself: a defect in it is one of the daemon.
        if let Some(Err(panic)) =
            watchdog.take_if(|thread| thread.is_finished()).map(JoinHandle::join)
        {
            std::panic::resume_unwind(panic);
        }
        if again.swap(false, Ordering::Relaxed) {
            reload_plans(&mut engine, reload);
            pulse.longest_seconds.store(longest_seconds(&engine), Ordering::Relaxed);
        }
        if watch.believes(clock) {
            engine.pass(&stop)?;
        }
        sleep(clock, &stop, &again);
    }
    say(&[NotifyState::Stopping]);
    tracing::info!("stopped");
    Ok(())
}

fn sleep(clock: Clock, stop: &AtomicBool, again: &AtomicBool) {
    let until = clock.now() + LOOK;
    let mut slices = LOOK.num_milliseconds() / i64::try_from(SLICE.as_millis()).unwrap_or(1);
    while slices > 0 && clock.now() < until {
        if stop.load(Ordering::Relaxed) || again.load(Ordering::Relaxed) {
            return;
        }
        std::thread::sleep(SLICE);
        slices -= 1;
    }
}

fn reload_plans(engine: &mut Engine, reload: &Reload<'_>) {
    match reload() {
        Ok((home, plans)) => {
            engine.reload(&home, plans);
            tracing::info!(schedules = engine.plans().len(), "settings read again");
        }
        Err(faults) => {
            for fault in faults {
                tracing::error!("the last good settings stay: {fault}");
            }
        }
    }
}

/// Compares the wall clock with the time that the machine has counted.
struct Watch {
    wall: DateTime<Utc>,
    boot: u64,
    until: Option<u64>,
}

impl Watch {
    fn new(clock: Clock) -> Self {
        Self { wall: clock.now(), boot: boot_seconds(), until: None }
    }

    fn believes(&mut self, clock: Clock) -> bool {
        let (wall, boot) = (clock.now(), boot_seconds());
        let counted =
            TimeDelta::seconds(i64::try_from(boot.saturating_sub(self.boot)).unwrap_or(0));
        let leap = (wall - self.wall) - counted;
        if leap <= LEAP {
            if self.until.take().is_some() {
                tracing::info!("the clock is believed again");
            }
            (self.wall, self.boot) = (wall, boot);
            return true;
        }
        let disbelief = u64::try_from(DISBELIEF.num_seconds()).unwrap_or(0);
        let first = self.until.is_none();
        let until = *self.until.get_or_insert(boot + disbelief);
        if first {
            tracing::error!(
                seconds = leap.num_seconds(),
                "the clock leapt ahead: nothing runs for an hour, unless it is put back"
            );
        }
        if boot < until {
            return false;
        }
        tracing::warn!("the clock stayed where it is: it is believed now");
        (self.wall, self.boot, self.until) = (wall, boot, None);
        true
    }
}

/// Seconds since the machine started, those asleep too.
fn boot_seconds() -> u64 {
    u64::try_from(clock_gettime(ClockId::Boottime).tv_sec).unwrap_or(0)
}

/// What shows that the engine moves.
#[derive(Debug, Clone)]
struct Pulse {
    passes: Arc<AtomicU64>,
    runs: Arc<AtomicU64>,
    /// How long a run may take.
    longest_seconds: Arc<AtomicU64>,
}

impl Pulse {
    fn of(engine: &Engine) -> Self {
        let longest_seconds = Arc::new(AtomicU64::new(longest_seconds(engine)));
        Self { passes: Arc::default(), runs: engine.beat(), longest_seconds }
    }

    fn count(&self) -> (u64, u64) {
        (self.passes.load(Ordering::Relaxed), self.runs.load(Ordering::Relaxed))
    }
}

fn longest_seconds(engine: &Engine) -> u64 {
    engine.plans().iter().map(|plan| plan.longest().as_secs()).max().unwrap_or(0)
}

/// Feeds systemd's watchdog for as long as the engine moves.
fn feed_watchdog(pulse: &Pulse) -> Option<JoinHandle<()>> {
    let interval = sd_notify::watchdog_enabled()?;
    let pulse = pulse.clone();
    Some(std::thread::spawn(move || {
        let (mut seen, mut since) = (pulse.count(), boot_seconds());
        loop {
            crate::store::may_panic("watchdog");
            if pulse.count() != seen {
                (seen, since) = (pulse.count(), boot_seconds());
            }
            let longest = pulse.longest_seconds.load(Ordering::Relaxed);
            if boot_seconds().saturating_sub(since) < longest.saturating_add(STUCK_SECONDS) {
                say(&[NotifyState::Watchdog]);
            }
            std::thread::sleep(interval / 2);
        }
    }))
}

fn say(states: &[NotifyState<'_>]) {
    // Without systemd there is nobody to tell, and that is no fault.
    drop(sd_notify::notify(states));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_leaps_a_day_ahead_is_not_believed_at_once() {
        let at = |seconds| Clock::Fixed(DateTime::from_timestamp(seconds, 0).unwrap());
        let start = 1_800_000_000;
        let mut watch = Watch::new(at(start));
        assert!(watch.believes(at(start + 3600)), "an hour ahead may be a correction");
        assert!(watch.believes(at(start - 7 * 86_400)), "a clock may go back");
        let mut watch = Watch::new(at(start));
        assert!(!watch.believes(at(start + 2 * 86_400)));
        assert!(!watch.believes(at(start + 2 * 86_400)));
        assert!(watch.believes(at(start + 60)), "it was put right");
        assert!(!watch.believes(at(start + 30 * 86_400)));
        watch.until = Some(0);
        assert!(watch.believes(at(start + 30 * 86_400)), "after an hour it is the truth");
    }
}
