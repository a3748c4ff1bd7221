//! How long one piece of work may take. It asks [`passed`] between its steps and gives up; where
//! it does not, another thread is told after ten minutes.
//!
//! There is one limit in a process at a time, since one report is made at a time; threads that
//! work for it see the same one. Time is that which the process counts: a clock that is put
//! right, and a night in which the machine sleeps, change nothing.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How long work may go on without asking.
const GRACE: Duration = Duration::from_mins(10);
/// No limit.
const NEVER: u64 = u64::MAX;

/// When the time is over, in milliseconds since the first question.
static END: AtomicU64 = AtomicU64::new(NEVER);

/// The time for a piece of work is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its time is over")]
pub struct Passed;

/// Does `work`, for which [`passed`] says from then on when `longest` is over. `stuck` is called
/// from another thread where the work goes on all the same.
pub fn within<T>(
    longest: Duration,
    stuck: impl FnOnce() + Send + 'static,
    work: impl FnOnce() -> T,
) -> T {
    struct Over;
    impl Drop for Over {
        fn drop(&mut self) {
            END.store(NEVER, Ordering::Relaxed);
        }
    }
    let end = millis().saturating_add(u64::try_from(longest.as_millis()).unwrap_or(NEVER));
    END.store(end, Ordering::Relaxed);
    // Dropped at the end of the work, even where that is a panic.
    let _over = Over;
    let (_working, ends) = channel::<()>();
    std::thread::spawn(move || {
        let waited = ends.recv_timeout(longest.saturating_add(GRACE));
        if waited == Err(RecvTimeoutError::Timeout) {
            stuck();
        }
    });
    work()
}

/// Says whether the time for the present piece of work is over.
pub fn passed() -> bool {
    let end = END.load(Ordering::Relaxed);
    end != NEVER && millis() >= end
}

/// As [`passed`], for a step that reads or writes.
///
/// # Errors
/// [`Passed`].
pub fn check() -> std::io::Result<()> {
    if passed() { Err(std::io::Error::other(Passed)) } else { Ok(()) }
}

fn millis() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let start = START.get_or_init(Instant::now);
    u64::try_from(start.elapsed().as_millis()).unwrap_or(NEVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_holds_for_the_work_and_no_longer() {
        let never = || unreachable!("the work ended");
        assert!(within(Duration::ZERO, never, || passed() && check().is_err()));
        assert!(!passed());
        assert!(!within(Duration::from_hours(1), never, passed));
        drop(std::panic::catch_unwind(|| within(Duration::ZERO, never, || panic!("ended"))));
        assert!(!passed(), "also after a panic");
    }
}
