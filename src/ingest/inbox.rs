//! What is handed from the thread that reads to those that work.
//!
//! Some parts have their turn first: something that is done with one after the other, in the order
//! in which they were sent. Whoever takes a part gets the turn of those that wait for it along,
//! where nobody else has it, and may do both at once.
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

/// What there is to do: a part, or the turn of others, or both.
pub(super) struct Taken<'a, T> {
    pub part: Option<T>,
    pub turn: Option<Turn<'a, T>>,
}

/// The turn of some parts, which nobody else has meanwhile. Where it is dropped and not passed on,
/// the inbox is closed.
pub(super) struct Turn<'a, T> {
    shared: &'a Shared<T>,
    parts: Vec<T>,
    /// How many of them the others would soon wait for.
    wanted: usize,
}

struct Shared<T> {
    most: usize,
    state: Mutex<State<T>>,
    came: Condvar,
}

struct State<T> {
    /// Parts whose turn is still to come, in order.
    queue: VecDeque<T>,
    /// Some part has its turn.
    in_turn: bool,
    parts: VecDeque<T>,
    /// Nothing more comes.
    ended: bool,
    /// Nothing more is taken.
    closed: bool,
    /// Threads that wait.
    waiting: usize,
}

/// So many have their turn at once, at most: the more threads work, the more has to be done in turn
/// while one of them works on one part.
const AT_ONCE: usize = 8;
/// So many should lie ready for those who work, so that none waits for another's turn to end.
const READY: usize = 6;
/// Where so many parts wait for their turn, the reader takes part in the work.
const QUEUED: usize = 6;
/// Where so many do, and another has the turn, the reader waits for it.
const MOST_QUEUED: usize = 16;

type Guard<'a, T> = MutexGuard<'a, State<T>>;

impl<T> Shared<T> {
    fn state(&self) -> Guard<'_, T> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, mut state: Guard<'a, T>) -> Guard<'a, T> {
        state.waiting += 1;
        state = self.came.wait(state).unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        state
    }

    /// Says that something came, to one who waits.
    fn wake(&self, state: &State<T>) {
        if state.waiting > 0 {
            self.came.notify_one();
        }
    }

    /// What there is to do now.
    fn take(&self, state: &mut State<T>) -> Option<Taken<'_, T>> {
        if state.closed {
            return None;
        }
        let part = state.parts.pop_front();
        let turn = (!state.in_turn && !state.queue.is_empty()).then(|| {
            state.in_turn = true;
            let some = state.queue.len().min(AT_ONCE);
            let wanted = READY.saturating_sub(state.parts.len());
            Turn { shared: self, parts: state.queue.drain(..some).collect(), wanted }
        });
        (part.is_some() || turn.is_some()).then_some(Taken { part, turn })
    }
}

impl<T> Turn<'_, T> {
    /// The parts that have their turn, in order; at least one.
    pub(super) fn parts(&self) -> &[T] {
        &self.parts
    }

    /// How many of them should have their turn before the others find nothing to do.
    pub(super) fn wanted(&self) -> usize {
        self.wanted
    }

    /// Says that the first so many have had their turn, and are there for all. The others wait for
    /// theirs again, before those behind them.
    pub(super) fn pass(mut self, had: usize) {
        let mut state = self.shared.state();
        state.in_turn = false;
        if !state.closed {
            let waits = self.parts.split_off(had.min(self.parts.len()));
            state.parts.extend(self.parts.drain(..));
            waits.into_iter().rev().for_each(|part| state.queue.push_front(part));
            // One for each, and one for the turn of the others.
            (0..=had).for_each(|_| self.shared.wake(&state));
        }
        self.parts.clear();
    }
}

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        // What was done with these parts is not known.
        if !self.parts.is_empty() {
            self.shared.state().closed = true;
            self.shared.came.notify_all();
        }
    }
}

impl<T> Inbox<T> {
    /// One that holds so many at once, beside those whose turn is still to come.
    pub(super) fn new(most: usize) -> (Sender<T>, Self) {
        let state = State {
            queue: VecDeque::new(),
            in_turn: false,
            parts: VecDeque::new(),
            ended: false,
            closed: false,
            waiting: 0,
        };
        let shared = Arc::new(Shared { most, state: Mutex::new(state), came: Condvar::new() });
        (Sender(Arc::clone(&shared)), Self(shared))
    }

    pub(super) fn taker(&self) -> Taker<'_, T> {
        Taker(&self.0)
    }
}

impl<T> Sender<T> {
    /// Hands a part over that has no turn. Where there is no room for it, the one that waited
    /// longest comes back, for the sender to do it. Where a worker has given up, parts are dropped.
    #[must_use]
    fn send(&self, part: T) -> Option<Taken<'_, T>> {
        let mut state = self.0.state();
        if state.closed {
            return None;
        }
        state.parts.push_back(part);
        if state.parts.len() > self.0.most {
            return self.0.take(&mut state);
        }
        self.0.wake(&state);
        None
    }

    /// Hands a part over, behind all that were sent before: one that `waits` has its turn first, and
    /// none overtakes it. Where there are enough of them, something comes back for the sender to do.
    /// Where a worker has given up, parts are dropped.
    #[must_use]
    pub(super) fn send_in_order(&self, part: T, waits: bool) -> Option<Taken<'_, T>> {
        let mut state = self.0.state();
        if !waits && state.queue.is_empty() && !state.in_turn {
            drop(state);
            return self.send(part);
        }
        if state.closed {
            return None;
        }
        state.queue.push_back(part);
        self.0.wake(&state);
        if state.queue.len() < QUEUED && state.parts.len() <= self.0.most {
            return None;
        }
        loop {
            let taken = self.0.take(&mut state);
            if taken.is_some() || state.closed || state.queue.len() < MOST_QUEUED {
                return taken;
            }
            state = self.0.wait(state);
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.ended = true;
        state.closed |= std::thread::panicking();
        drop(state);
        self.0.came.notify_all();
    }
}

impl<T> Taker<'_, T> {
    /// What is next; `None` when there is no more, or another worker has given up.
    pub(super) fn next(&self) -> Option<Taken<'_, T>> {
        let mut state = self.0.state();
        loop {
            let taken = self.0.take(&mut state);
            let over = state.ended && state.queue.is_empty() && !state.in_turn;
            if taken.is_some() || state.closed || over {
                return taken;
            }
            state = self.0.wait(state);
        }
    }
}

impl<T> Drop for Taker<'_, T> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.closed = true;
        let (queue, parts) = (std::mem::take(&mut state.queue), std::mem::take(&mut state.parts));
        drop(state);
        self.0.came.notify_all();
        drop((queue, parts));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn nothing_is_kept_for_workers_that_are_gone() {
        let (sender, inbox) = Inbox::new(3);
        assert!(sender.send(0).is_none());
        drop(inbox.taker());
        assert!((1..100).all(|number| sender.send(number).is_none()));
        assert!((1..100).all(|number| sender.send_in_order(number, true).is_none()));
        assert!(inbox.taker().next().is_none());
    }

    /// Room, and workers beside the sender.
    const ROOMS: [(usize, usize); 6] = [(1, 0), (1, 1), (1, 4), (2, 3), (5, 2), (64, 5)];

    /// Lets so many workers do what is sent, and the sender with them.
    fn work_off<T: Send>(
        (sender, inbox): (Sender<T>, Inbox<T>),
        workers: usize,
        does: &(impl Fn(Taken<'_, T>) + Sync),
        send: impl FnOnce(&Sender<T>),
    ) {
        let works = || {
            let taker = inbox.taker();
            while let Some(taken) = taker.next() {
                does(taken);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(works);
            }
            send(&sender);
            drop(sender);
            works();
        });
    }

    #[test]
    fn each_part_is_done_once_whatever_the_room() {
        for (most, workers) in ROOMS {
            let (sum, count) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let does = |taken: Taken<'_, usize>| {
                sum.fetch_add(taken.part.unwrap(), Ordering::Relaxed);
                count.fetch_add(1, Ordering::Relaxed);
            };
            work_off(Inbox::new(most), workers, &does, |sender| {
                (0..10_000).filter_map(|number| sender.send(number)).for_each(does);
            });
            assert_eq!(sum.into_inner(), 9_999 * 5_000, "{most} {workers}");
            assert_eq!(count.into_inner(), 10_000, "{most} {workers}");
        }
    }

    #[test]
    fn turns_are_in_order_and_before_the_rest_whoever_gives_them() {
        for (most, workers) in ROOMS {
            let turns = Mutex::new(Vec::new());
            let had = |number: usize| turns.lock().unwrap().contains(&number);
            let done = Mutex::new(Vec::new());
            let does = |Taken { part, turn }: Taken<'_, usize>| {
                if let Some(number) = part {
                    assert!(had(number) || number % 3 == 0, "{number}");
                    done.lock().unwrap().push(number);
                }
                // Some give the turn back, some give it to a few parts.
                let Some(turn) = turn else { return };
                let had = part.map_or(1, |number| number % 5);
                turns.lock().unwrap().extend(turn.parts().iter().take(had));
                turn.pass(had);
            };
            work_off(Inbox::new(most), workers, &does, |sender| {
                for number in 0..1_000 {
                    let taken = match number % 3 {
                        0 => sender.send(number),
                        _ => sender.send_in_order(number, true),
                    };
                    taken.into_iter().for_each(does);
                }
            });
            let mut done = done.into_inner().unwrap();
            done.sort_unstable();
            assert_eq!(done, (0..1_000).collect::<Vec<_>>(), "{most} {workers}");
            let expected: Vec<_> = (0..1_000).filter(|number| number % 3 != 0).collect();
            assert_eq!(turns.into_inner().unwrap(), expected, "{most} {workers}");
        }
    }

    #[test]
    fn what_has_no_turn_overtakes_nothing() {
        let (sender, inbox) = Inbox::new(64);
        for number in 0..5 {
            assert!(sender.send_in_order(number, number == 1).is_none());
        }
        drop(sender);
        let taker = inbox.taker();
        let mut done = Vec::new();
        while let Some(Taken { part, turn }) = taker.next() {
            done.extend(part);
            if let Some(turn) = turn {
                turn.pass(1);
            }
        }
        assert_eq!(done, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_turn_that_is_given_back_wakes_one_who_waits() {
        let (sender, inbox) = Inbox::new(64);
        assert!(sender.send_in_order(7, true).is_none());
        let taker = inbox.taker();
        let turn = taker.next().unwrap().turn.unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let other = Taker(&inbox.0);
            scope.spawn(move || {
                let had = other.next().map(|Taken { turn, .. }| turn.unwrap().parts().to_vec());
                tell.send(had).unwrap();
            });
            while inbox.0.state().waiting == 0 {
                std::thread::yield_now();
            }
            turn.pass(0);
            let had = told.recv_timeout(std::time::Duration::from_secs(10));
            drop(inbox.taker());
            assert_eq!(had, Ok(Some(vec![7])));
        });
    }

    #[test]
    fn a_turn_that_ends_by_a_panic_ends_all() {
        let (sender, inbox) = Inbox::new(64);
        (0..5).for_each(|number| assert!(sender.send_in_order(number, true).is_none()));
        let taker = inbox.taker();
        let panics = || {
            let _turn = taker.next().unwrap().turn.unwrap();
            panic!("within its turn");
        };
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
        assert!(taker.next().is_none());
        assert!(sender.send_in_order(5, true).is_none());
    }

    #[test]
    fn the_part_that_comes_back_is_the_one_that_waited_longest() {
        let (sender, inbox) = Inbox::new(2);
        let part = |taken: Taken<'_, i32>| taken.part;
        let back: Vec<_> = (0..4).filter_map(|number| sender.send(number).and_then(part)).collect();
        drop(sender);
        let taker = inbox.taker();
        let kept: Vec<_> = std::iter::from_fn(|| taker.next().and_then(part)).collect();
        assert_eq!((back, kept), (vec![0, 1], vec![2, 3]));
    }
}
