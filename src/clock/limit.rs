//! How long one piece of work may take. It asks [`passed`] between its steps and gives up; where
//! it does not, another thread is told after fifteen minutes.
//!
//! One piece of work is done at a time in a process; threads that work for it see the same limit.
//! A limit within another never reaches beyond it. Time is that which the process counts: a clock
//! that is put right, and a night in which the machine sleeps, change nothing.
//!
//! Who asks says where it stands. In debug builds a test has the time be over at one of these
//! places (`INTRANSIT_LATE_AT=sealing`), and finds them all by reading the source.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How long work may go on without asking: longer than the ten minutes for which a relay's last
/// word is waited for, which are never cut short.
const GRACE: Duration = Duration::from_mins(15);
/// No limit.
const NEVER: u64 = u64::MAX;

/// The limit of what this process does at present.
static PRESENT: Limit = Limit::none();

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
    let (_working, ends) = channel::<()>();
    std::thread::spawn(move || {
        let waited = ends.recv_timeout(longest.saturating_add(GRACE));
        if waited == Err(RecvTimeoutError::Timeout) {
            stuck();
        }
    });
    PRESENT.within(longest, work)
}

/// Does what must be done even when the time is over: [`passed`] says no meanwhile.
pub fn in_any_case<T>(work: impl FnOnce() -> T) -> T {
    let _over = Over { limit: &PRESENT, before: PRESENT.end.swap(NEVER, Ordering::Relaxed) };
    work()
}

/// Says whether the time for the present piece of work is over, at a place in it.
pub fn passed(place: &str) -> bool {
    #[cfg(debug_assertions)]
    late::may_be(place);
    #[cfg(not(debug_assertions))]
    let _ = place;
    left().is_some_and(|left| left.is_zero())
}

/// As [`passed`], for a step that reads or writes.
///
/// # Errors
/// [`Passed`].
pub fn check(place: &str) -> std::io::Result<()> {
    if passed(place) { Err(std::io::Error::other(Passed)) } else { Ok(()) }
}

/// What is left of the time for the present piece of work; none where it has no limit.
pub fn left() -> Option<Duration> {
    PRESENT.left()
}

/// The shorter of a wait and what is left.
pub fn at_most(wait: Duration) -> Duration {
    left().map_or(wait, |left| left.min(wait))
}

/// A moment after which work has no time any more.
#[derive(Debug)]
struct Limit {
    /// In milliseconds since the first question.
    end: AtomicU64,
}

/// Puts back what held before.
struct Over<'a> {
    limit: &'a Limit,
    before: u64,
}

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.limit.end.store(self.before, Ordering::Relaxed);
    }
}

impl Limit {
    const fn none() -> Self {
        Self { end: AtomicU64::new(NEVER) }
    }

    fn within<T>(&self, longest: Duration, work: impl FnOnce() -> T) -> T {
        let end = millis().saturating_add(u64::try_from(longest.as_millis()).unwrap_or(NEVER));
        // Dropped at the end of the work, even where that is a panic.
        let _over = Over { limit: self, before: self.end.fetch_min(end, Ordering::Relaxed) };
        work()
    }

    fn left(&self) -> Option<Duration> {
        let end = self.end.load(Ordering::Relaxed);
        (end != NEVER).then(|| Duration::from_millis(end.saturating_sub(millis())))
    }
}

fn millis() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let start = START.get_or_init(Instant::now);
    u64::try_from(start.elapsed().as_millis()).unwrap_or(NEVER)
}

#[cfg(debug_assertions)]
mod late {
    use std::sync::OnceLock;
    use std::sync::atomic::Ordering;

    use super::{NEVER, PRESENT};

    static PLACE: OnceLock<Option<String>> = OnceLock::new();

    /// The time is over where a test says so, and there is a limit at all.
    pub(super) fn may_be(place: &str) {
        let asked = PLACE.get_or_init(|| std::env::var("INTRANSIT_LATE_AT").ok());
        if asked.as_deref() == Some(place) && PRESENT.end.load(Ordering::Relaxed) != NEVER {
            PRESENT.end.store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a limit of its own: other tests run beside this one.
    #[test]
    fn a_limit_holds_for_the_work_and_no_longer() {
        let limit = Limit::none();
        let over = || limit.left() == Some(Duration::ZERO);
        let (hour, none) = (Duration::from_hours(1), Duration::ZERO);
        assert!(limit.within(none, over));
        assert_eq!(limit.left(), None);
        assert!(!limit.within(hour, over));
        let both = |outer, inner| limit.within(outer, || (limit.within(inner, over), over()));
        assert_eq!(both(hour, none), (true, false));
        assert_eq!(both(none, hour), (true, true), "never beyond the one around it");
        let ended = || limit.within(none, || panic!("ended"));
        drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(ended)));
        assert_eq!(limit.left(), None, "also after a panic");
    }
}
