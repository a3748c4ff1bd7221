//! What is done by one thread at a time, in order.
//!
//! A thread that brings a piece out of its turn leaves it here and goes on; whoever brings the
//! piece whose turn it is does that one and all behind it that lie ready, or some of them where
//! others wait for it elsewhere. So nobody waits for another, as long as not too many pieces lie
//! here.

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

    /// Brings a piece; each number comes once, and all before it come, too. Whoever has something
    /// else to do is let go after `most` pieces, as long as not too many lie ready; what is left
    /// is done by those who bring more, or by [`Turn::end`].
    ///
    /// # Errors
    /// [`Broken`] where another thread ended by a panic.
    pub(super) fn bring(
        &self,
        (number, piece): (u64, P),
        most: usize,
        mut work: impl FnMut(&mut T, P),
    ) -> Result<(), Broken> {
        let mut state = self.state();
        state.ready.insert(number, piece);
        loop {
            state = self.work_some(state, most, &mut work);
            // Whoever has the piece whose turn it is comes with it before waiting.
            if state.ready.len() <= MOST_READY || state.broken {
                break;
            }
            let full = |state: &mut State<T, P>| {
                state.ready.len() > MOST_READY / 2 && !state.can_work() && !state.broken
            };
            state = self.room.wait_while(state, full).unwrap_or_else(PoisonError::into_inner);
            if !state.can_work() {
                break;
            }
        }
        if state.broken { Err(Broken) } else { Ok(()) }
    }

    /// Does pieces whose turn it is, where nobody else does.
    fn work_some<'a>(
        &'a self,
        mut state: MutexGuard<'a, State<T, P>>,
        most: usize,
        work: &mut impl FnMut(&mut T, P),
    ) -> MutexGuard<'a, State<T, P>> {
        let Some(mut value) = state.value.take() else { return state };
        for _ in 0..most {
            let Some(piece) = state.take_next() else { break };
            drop(state);
            work(&mut value, piece);
            state = self.state();
            state.next += 1;
            if state.ready.len() == MOST_READY / 2 {
                self.room.notify_all();
            }
        }
        state.value = Some(value);
        if state.can_work() {
            self.room.notify_all();
        }
        state
    }

    fn state(&self) -> MutexGuard<'_, State<T, P>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value, once all pieces were brought, and those were done that lay ready; none where
    /// a thread took it along in a panic.
    pub(super) fn end(self, mut work: impl FnMut(&mut T, P)) -> Option<T> {
        drop(self.work_some(self.state(), usize::MAX, &mut work));
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).value
    }
}

impl<T, P> State<T, P> {
    /// Says whether there is a piece whose turn it is, and nobody who does it.
    fn can_work(&self) -> bool {
        !self.broken && self.value.is_some() && self.ready.contains_key(&self.next)
    }

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
        for (workers, most_at_once) in
            (1..6).flat_map(|workers| [(workers, 1), (workers, usize::MAX)])
        {
            let turn = Turn::new(Vec::new());
            let push = |all: &mut Vec<u64>, piece| all.push(piece);
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
                    turn.bring((number, number), most_at_once, push).unwrap();
                    let most = MOST_READY + workers;
                    assert!(turn.state().ready.len() <= most);
                }
            };
            std::thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
            assert_eq!(turn.end(push).unwrap(), (0..2000).collect::<Vec<_>>());
        }
    }

    #[test]
    fn nobody_waits_for_a_piece_that_a_panic_took_along() {
        let turn = Turn::new(());
        let outcome = std::thread::scope(|scope| {
            let brings = scope
                .spawn(|| (1..100).try_for_each(|number| turn.bring((number, ()), 9, |(), ()| ())));
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
