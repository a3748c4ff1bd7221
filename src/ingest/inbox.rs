//! What is handed from the thread that reads to those that work.
//!
//! The reader never waits for room: where there is none, it does a part itself. A wait and a wake
//! cost a processor that stands still.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// How many threads work beside the one that reads, so that each processor has one of them.
pub(super) fn others() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).saturating_sub(1).max(1)
}

/// Takes what is sent, once each, for several workers.
///
/// Invariant: where a worker ends before everything was taken, by an error or a panic, all others
/// find nothing more.
pub(super) struct Inbox<T>(Arc<Shared<T>>);

/// What the reader sends with; when it is dropped, nothing more comes.
pub(super) struct Sender<T>(Arc<Shared<T>>);

/// A worker's access; the inbox is closed for all as soon as one ends.
pub(super) struct Taker<'a, T>(&'a Shared<T>);

struct Shared<T> {
    most: usize,
    state: Mutex<State<T>>,
    came: Condvar,
}

struct State<T> {
    parts: VecDeque<T>,
    /// Nothing more comes.
    ended: bool,
    /// Nothing more is taken.
    closed: bool,
    /// Workers that wait.
    waiting: usize,
}

impl<T> Shared<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Inbox<T> {
    /// One that holds so many at once.
    pub(super) fn new(most: usize) -> (Sender<T>, Self) {
        let state = State { parts: VecDeque::new(), ended: false, closed: false, waiting: 0 };
        let shared = Arc::new(Shared { most, state: Mutex::new(state), came: Condvar::new() });
        (Sender(Arc::clone(&shared)), Self(shared))
    }

    pub(super) fn taker(&self) -> Taker<'_, T> {
        Taker(&self.0)
    }
}

impl<T> Sender<T> {
    /// Hands a part over. Where there is no room for it, the one that waited longest comes back,
    /// for the sender to do it. Where a worker has given up, parts are dropped.
    #[must_use]
    pub(super) fn send(&self, part: T) -> Option<T> {
        let mut state = self.0.state();
        if state.closed {
            return None;
        }
        state.parts.push_back(part);
        if state.parts.len() > self.0.most {
            return state.parts.pop_front();
        }
        if state.waiting > 0 {
            self.0.came.notify_one();
        }
        None
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.state().ended = true;
        self.0.came.notify_all();
    }
}

impl<T> Taker<'_, T> {
    /// The next; `None` when there are no more, or another worker has given up.
    pub(super) fn next(&self) -> Option<T> {
        let mut state = self.0.state();
        while state.parts.is_empty() && !state.ended && !state.closed {
            state.waiting += 1;
            state = self.0.came.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
        state.parts.pop_front()
    }
}

impl<T> Drop for Taker<'_, T> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.closed = true;
        let parts = std::mem::take(&mut state.parts);
        drop(state);
        self.0.came.notify_all();
        drop(parts);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn nothing_is_kept_for_workers_that_are_gone() {
        let (sender, inbox) = Inbox::new(3);
        assert_eq!(sender.send(0), None);
        drop(inbox.taker());
        assert!((1..100).all(|number| sender.send(number).is_none()));
        assert_eq!(inbox.taker().next(), None);
    }

    #[test]
    fn each_part_is_done_once_whatever_the_room() {
        for (most, workers) in [(1, 0), (1, 1), (1, 4), (2, 3), (5, 2), (64, 5)] {
            let (sender, inbox) = Inbox::new(most);
            let (sum, count) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let does = |number: usize| {
                sum.fetch_add(number, Ordering::Relaxed);
                count.fetch_add(1, Ordering::Relaxed);
            };
            let works = || {
                let taker = inbox.taker();
                while let Some(number) = taker.next() {
                    does(number);
                }
            };
            std::thread::scope(|scope| {
                for _ in 0..workers {
                    scope.spawn(works);
                }
                (0..10_000).filter_map(|number| sender.send(number)).for_each(does);
                drop(sender);
                works();
            });
            assert_eq!(sum.into_inner(), 9_999 * 5_000, "{most} {workers}");
            assert_eq!(count.into_inner(), 10_000, "{most} {workers}");
        }
    }

    #[test]
    fn the_part_that_comes_back_is_the_one_that_waited_longest() {
        let (sender, inbox) = Inbox::new(2);
        let back: Vec<_> = (0..4).filter_map(|number| sender.send(number)).collect();
        drop(sender);
        let taker = inbox.taker();
        let kept: Vec<_> = std::iter::from_fn(|| taker.next()).collect();
        assert_eq!((back, kept), (vec![0, 1], vec![2, 3]));
    }
}
