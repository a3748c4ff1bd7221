//! What is handed from the thread that reads to those that work.
//!
//! Some parts have their turn first: something that is done with one after the other, in the order
//! in which they were sent, by whoever has time for it.
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
    /// What is to be done with parts one by one and in order, before anything else.
    turn: fn(&T),
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

/// Where so many parts wait for their turn, the reader sees to it.
const MOST_QUEUED: usize = 6;
/// So many it leaves to others, so that both have something to do for a while.
const LEFT_QUEUED: usize = 3;

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

    /// Gives the next part of the queue its turn, where none has it.
    fn take_turn<'a>(&'a self, mut state: Guard<'a, T>) -> (Guard<'a, T>, Option<T>) {
        if state.in_turn || state.closed {
            return (state, None);
        }
        let Some(part) = state.queue.pop_front() else { return (state, None) };
        state.in_turn = true;
        drop(state);
        (self.turn)(&part);
        let mut state = self.state();
        state.in_turn = false;
        (state, Some(part))
    }
}

impl<T> Inbox<T> {
    /// One that holds so many at once, for parts that have their `turn` first where that is asked
    /// for.
    pub(super) fn new(most: usize, turn: fn(&T)) -> (Sender<T>, Self) {
        let state = State {
            queue: VecDeque::new(),
            in_turn: false,
            parts: VecDeque::new(),
            ended: false,
            closed: false,
            waiting: 0,
        };
        let shared =
            Arc::new(Shared { most, turn, state: Mutex::new(state), came: Condvar::new() });
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
        self.0.wake(&state);
        None
    }

    /// As [`Sender::send`], for a part that has its turn first, given by whoever has time.
    #[must_use]
    pub(super) fn send_in_turn(&self, part: T) -> Option<T> {
        let mut state = self.0.state();
        if state.closed {
            return None;
        }
        state.queue.push_back(part);
        self.0.wake(&state);
        let mut most = MOST_QUEUED;
        while state.queue.len() >= most {
            most = LEFT_QUEUED + 1;
            let (again, turned) = self.0.take_turn(state);
            state = again;
            if let Some(part) = turned {
                state.parts.push_back(part);
                self.0.wake(&state);
            } else if state.closed || state.queue.len() <= MOST_QUEUED || !state.parts.is_empty() {
                break;
            } else {
                state = self.0.wait(state);
            }
        }
        let full = state.parts.len() > self.0.most || state.queue.len() > MOST_QUEUED;
        if full { state.parts.pop_front() } else { None }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.ended = true;
        // A turn that ended by a panic has no end that is waited for.
        state.closed |= std::thread::panicking();
        drop(state);
        self.0.came.notify_all();
    }
}

impl<T> Taker<'_, T> {
    /// The next; `None` when there are no more, or another worker has given up.
    pub(super) fn next(&self) -> Option<T> {
        let mut state = self.0.state();
        loop {
            if let Some(part) = state.parts.pop_front() {
                return Some(part);
            }
            let (again, turned) = self.0.take_turn(state);
            state = again;
            if turned.is_some() {
                // The next of the queue may have its turn.
                self.0.wake(&state);
                return turned;
            }
            if state.closed || (state.ended && state.queue.is_empty() && !state.in_turn) {
                return None;
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
        let (sender, inbox) = Inbox::new(3, |_| ());
        assert_eq!(sender.send(0), None);
        drop(inbox.taker());
        assert!((1..100).all(|number| sender.send(number).is_none()));
        assert_eq!(inbox.taker().next(), None);
    }

    /// Room, and workers beside the sender.
    const ROOMS: [(usize, usize); 6] = [(1, 0), (1, 1), (1, 4), (2, 3), (5, 2), (64, 5)];

    /// Lets so many workers do what is sent, and the sender with them.
    fn work_off<T: Send>(
        (sender, inbox): (Sender<T>, Inbox<T>),
        workers: usize,
        does: &(impl Fn(T) + Sync),
        send: impl FnOnce(&Sender<T>),
    ) {
        let works = || {
            let taker = inbox.taker();
            while let Some(part) = taker.next() {
                does(part);
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
            let does = |number: usize| {
                sum.fetch_add(number, Ordering::Relaxed);
                count.fetch_add(1, Ordering::Relaxed);
            };
            work_off(Inbox::new(most, |_| ()), workers, &does, |sender| {
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
            let had = |number: &usize| turns.lock().unwrap().contains(number);
            let inbox = Inbox::new(most, |(number, turns): &(usize, &Mutex<Vec<usize>>)| {
                turns.lock().unwrap().push(*number);
            });
            let done = Mutex::new(Vec::new());
            let does = |(number, _): (usize, _)| {
                assert_eq!(had(&number), number % 3 != 0, "{number}");
                done.lock().unwrap().push(number);
            };
            work_off(inbox, workers, &does, |sender| {
                for number in 0..1_000 {
                    let part = (number, &turns);
                    let back =
                        if number % 3 == 0 { sender.send(part) } else { sender.send_in_turn(part) };
                    back.into_iter().for_each(does);
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
    fn the_part_that_comes_back_is_the_one_that_waited_longest() {
        let (sender, inbox) = Inbox::new(2, |_| ());
        let back: Vec<_> = (0..4).filter_map(|number| sender.send(number)).collect();
        drop(sender);
        let taker = inbox.taker();
        let kept: Vec<_> = std::iter::from_fn(|| taker.next()).collect();
        assert_eq!((back, kept), (vec![0, 1], vec![2, 3]));
    }
}
