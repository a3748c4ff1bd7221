//! What is handed from the thread that reads to those that work.
//!
//! The reader, once it had to wait for room, goes on when half of it is free: each wait and each
//! wake costs a processor that stands still, and would else come with every part.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Takes what is sent, once each, for several workers.
///
/// Invariant: where a worker ends before everything was taken, by an error or a panic, whoever
/// sends is not left waiting for it.
pub(super) struct Inbox<T>(Arc<Shared<T>>);

/// What the reader sends with; when it is dropped, nothing more comes.
pub(super) struct Sender<T>(Arc<Shared<T>>);

/// A worker's access; the inbox is closed for all as soon as one ends.
pub(super) struct Taker<'a, T>(&'a Shared<T>);

struct Shared<T> {
    most: usize,
    state: Mutex<State<T>>,
    came: Condvar,
    left: Condvar,
}

struct State<T> {
    parts: VecDeque<T>,
    /// Nothing more comes.
    ended: bool,
    /// Nothing more is taken.
    closed: bool,
    /// Workers that wait, and whether the sender does.
    waiting: (usize, bool),
}

impl<T> Shared<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Inbox<T> {
    /// One that holds so many at once.
    pub(super) fn new(most: usize) -> (Sender<T>, Self) {
        let (parts, waiting) = (VecDeque::new(), (0, false));
        let state = State { parts, ended: false, closed: false, waiting };
        let (came, left) = (Condvar::new(), Condvar::new());
        let shared = Arc::new(Shared { most, state: Mutex::new(state), came, left });
        (Sender(Arc::clone(&shared)), Self(shared))
    }

    pub(super) fn taker(&self) -> Taker<'_, T> {
        Taker(&self.0)
    }
}

impl<T> Sender<T> {
    /// Hands a part over, and waits while there is no room. `false` where nobody takes it.
    pub(super) fn send(&self, part: T) -> bool {
        let mut state = self.0.state();
        if state.parts.len() >= self.0.most {
            let full = |state: &mut State<T>| {
                state.waiting.1 = state.parts.len() > self.0.most / 2 && !state.closed;
                state.waiting.1
            };
            state = self.0.left.wait_while(state, full).unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            return false;
        }
        state.parts.push_back(part);
        if state.waiting.0 > 0 {
            self.0.came.notify_one();
        }
        true
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
            state.waiting.0 += 1;
            state = self.0.came.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting.0 -= 1;
        }
        let part = state.parts.pop_front();
        if state.waiting.1 && state.parts.len() <= self.0.most / 2 {
            self.0.left.notify_one();
        }
        part
    }
}

impl<T> Drop for Taker<'_, T> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.closed = true;
        let parts = std::mem::take(&mut state.parts);
        drop(state);
        self.0.came.notify_all();
        self.0.left.notify_all();
        drop(parts);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn nobody_sends_for_ever_to_workers_that_are_gone() {
        let (sender, inbox) = Inbox::new(1);
        let sent = std::thread::scope(|scope| {
            let worker = inbox.taker();
            scope.spawn(move || assert_eq!(worker.next(), Some(0)));
            (0..100).take_while(|n| sender.send(*n)).count()
        });
        assert!((1..=3).contains(&sent), "{sent}");
    }

    #[test]
    fn each_part_is_taken_once_whatever_the_room() {
        for (most, workers) in [(1, 1), (1, 4), (2, 3), (5, 2), (64, 5)] {
            let (sender, inbox) = Inbox::new(most);
            let (sum, count) = (AtomicUsize::new(0), AtomicUsize::new(0));
            std::thread::scope(|scope| {
                for _ in 0..workers {
                    scope.spawn(|| {
                        let taker = inbox.taker();
                        while let Some(number) = taker.next() {
                            sum.fetch_add(number, Ordering::Relaxed);
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                }
                assert!((0..10_000).all(|number| sender.send(number)));
                drop(sender);
            });
            assert_eq!(sum.into_inner(), 9_999 * 5_000, "{most} {workers}");
            assert_eq!(count.into_inner(), 10_000, "{most} {workers}");
        }
    }
}
