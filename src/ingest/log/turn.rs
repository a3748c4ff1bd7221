//! What is done by one thread at a time, in order.
//!
//! A thread that brings a piece out of its turn leaves it here and goes on; whoever brings the
//! piece whose turn it is does that one and all behind it that lie ready. So nobody waits for
//! another, as long as not too many pieces lie here.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Pieces that lie ready, at most, before those who bring more wait.
const MOST_READY: usize = 8;

/// A value that pieces are worked into, by their numbers from 0 on.
pub(super) struct Turn<T, P> {
    state: Mutex<State<T, P>>,
    room: Condvar,
}

struct State<T, P> {
    next: u64,
    ready: BTreeMap<u64, P>,
    /// None while it is worked on.
    value: Option<T>,
    /// A thread ended by a panic: some piece never comes.
    broken: bool,
}

/// The turn never comes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken;

impl<T, P> Turn<T, P> {
    pub(super) fn new(value: T) -> Self {
        let state = State { next: 0, ready: BTreeMap::new(), value: Some(value), broken: false };
        Self { state: Mutex::new(state), room: Condvar::new() }
    }

    /// Brings a piece; each number comes once, and all before it come, too.
    ///
    /// # Errors
    /// [`Broken`] where another thread ended by a panic.
    pub(super) fn bring(
        &self,
        number: u64,
        piece: P,
        mut work: impl FnMut(&mut T, P),
    ) -> Result<(), Broken> {
        let mut state = self.state();
        state.ready.insert(number, piece);
        if let Some(mut value) = state.value.take() {
            while let Some(piece) = state.take_next() {
                drop(state);
                work(&mut value, piece);
                state = self.state();
                state.next += 1;
                if state.ready.len() == MOST_READY / 2 {
                    self.room.notify_all();
                }
            }
            state.value = Some(value);
        }
        // Whoever has the piece whose turn it is comes with it before waiting.
        if state.ready.len() > MOST_READY && !state.broken {
            let full =
                |state: &mut State<T, P>| state.ready.len() > MOST_READY / 2 && !state.broken;
            state = self.room.wait_while(state, full).unwrap_or_else(PoisonError::into_inner);
        }
        if state.broken { Err(Broken) } else { Ok(()) }
    }

    fn state(&self) -> MutexGuard<'_, State<T, P>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value, once all pieces were brought; none where a thread took it along in a panic.
    pub(super) fn end(self) -> Option<T> {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).value
    }
}

impl<T, P> State<T, P> {
    fn take_next(&mut self) -> Option<P> {
        if self.broken { None } else { self.ready.remove(&self.next) }
    }
}

/// Tells the threads that wait that they wait in vain, where this one ends by a panic.
pub(super) struct Alarm<'a, T, P>(pub(super) &'a Turn<T, P>);

impl<T, P> Drop for Alarm<'_, T, P> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.state().broken = true;
            self.0.room.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn pieces_are_worked_in_by_their_numbers_whoever_brings_them() {
        for workers in 1..6 {
            let turn = Turn::new(Vec::new());
            let next = AtomicU64::new(0);
            let work = || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= 2000 {
                        break;
                    }
                    if number.is_multiple_of(97) {
                        std::thread::sleep(std::time::Duration::from_micros(300));
                    }
                    turn.bring(number, number, |all: &mut Vec<u64>, piece| all.push(piece))
                        .unwrap();
                    let most = MOST_READY + workers;
                    assert!(turn.state().ready.len() <= most);
                }
            };
            std::thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
            assert_eq!(turn.end().unwrap(), (0..2000).collect::<Vec<_>>());
        }
    }

    #[test]
    fn nobody_waits_for_a_piece_that_a_panic_took_along() {
        let turn = Turn::new(());
        let outcome = std::thread::scope(|scope| {
            let brings =
                scope.spawn(|| (1..100).try_for_each(|number| turn.bring(number, (), |(), ()| ())));
            let panics = scope.spawn(|| {
                let _alarm = Alarm(&turn);
                panic!("takes the first piece along");
            });
            assert!(panics.join().is_err());
            brings.join().unwrap()
        });
        assert_eq!(outcome, Err(Broken));
    }
}
