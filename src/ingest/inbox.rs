//! What is handed from the thread that reads to those that work.
//!
//! There are parts, which whoever has time does, and pieces, which one after the other is done with
//! in the order in which they were sent, by one thread at a time: it has the turn of the pieces.
//! Whoever takes a part gets the turn along where nobody has it, and may do both at once. A part
//! does not wait for its pieces, nor they for it.
//!
//! The reader never waits for room as long as there is a part, and does one itself. A wait and
//! a wake cost a processor that stands still.

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
pub(super) struct Inbox<T, P>(Arc<Shared<T, P>>);

/// What the reader sends with; when it is dropped, nothing more comes.
pub(super) struct Sender<T, P>(Arc<Shared<T, P>>);

/// A worker's access; the inbox is closed for all as soon as one ends.
pub(super) struct Taker<'a, T, P>(&'a Shared<T, P>);

/// What there is to do: a part, or the turn of the pieces, or both.
pub(super) struct Taken<'a, T, P> {
    pub part: Option<T>,
    pub turn: Option<Turn<'a, T, P>>,
}

/// The turn of the pieces, which nobody else has meanwhile. Where it is dropped and not passed on,
/// the inbox is closed.
pub(super) struct Turn<'a, T, P> {
    shared: &'a Shared<T, P>,
    passed: bool,
}

struct Shared<T, P> {
    most: usize,
    state: Mutex<State<T, P>>,
    came: Condvar,
}

struct State<T, P> {
    parts: VecDeque<T>,
    pieces: VecDeque<P>,
    /// Somebody has the turn of the pieces.
    in_turn: bool,
    /// Nothing more comes.
    ended: bool,
    /// Nothing more is taken.
    closed: bool,
    /// Threads that wait.
    waiting: usize,
}

/// So many pieces may wait when a turn is passed on, so that they are done beside parts to come.
const PIECES: usize = 12;
/// Where so many wait, the reader works, or waits itself.
const MOST_PIECES: usize = 2 * PIECES;

type Guard<'a, T, P> = MutexGuard<'a, State<T, P>>;

impl<T, P> Shared<T, P> {
    fn state(&self) -> Guard<'_, T, P> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, mut state: Guard<'a, T, P>) -> Guard<'a, T, P> {
        state.waiting += 1;
        state = self.came.wait(state).unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        state
    }

    /// What there is to do now.
    fn take(&self, state: &mut State<T, P>) -> Option<Taken<'_, T, P>> {
        if state.closed {
            return None;
        }
        let part = state.parts.pop_front();
        let turn = (!state.in_turn && !state.pieces.is_empty()).then(|| {
            state.in_turn = true;
            Turn { shared: self, passed: false }
        });
        (part.is_some() || turn.is_some()).then_some(Taken { part, turn })
    }
}

impl<T, P> Turn<'_, T, P> {
    /// The next piece.
    pub(super) fn next(&self) -> Option<P> {
        self.shared.state().pieces.pop_front()
    }

    /// The next piece, where more wait than should.
    pub(super) fn next_of_too_many(&self) -> Option<P> {
        let mut state = self.shared.state();
        if state.pieces.len() > PIECES { state.pieces.pop_front() } else { None }
    }

    /// Lets others have the turn; they begin with `rest`, a piece that is not done with.
    pub(super) fn pass(mut self, rest: Option<P>) {
        self.passed = true;
        let mut state = self.shared.state();
        state.in_turn = false;
        if let Some(rest) = rest.filter(|_| !state.closed) {
            state.pieces.push_front(rest);
        }
        if state.waiting > 0 {
            // One may wait for the turn, another for room or for the end.
            self.shared.came.notify_all();
        }
    }
}

impl<T, P> Drop for Turn<'_, T, P> {
    fn drop(&mut self) {
        // What was done with its piece is not known.
        if !self.passed {
            self.shared.state().closed = true;
            self.shared.came.notify_all();
        }
    }
}

impl<T, P> Inbox<T, P> {
    /// One that holds so many parts at once.
    pub(super) fn new(most: usize) -> (Sender<T, P>, Self) {
        let state = State {
            parts: VecDeque::new(),
            pieces: VecDeque::new(),
            in_turn: false,
            ended: false,
            closed: false,
            waiting: 0,
        };
        let shared = Arc::new(Shared { most, state: Mutex::new(state), came: Condvar::new() });
        (Sender(Arc::clone(&shared)), Self(shared))
    }

    pub(super) fn taker(&self) -> Taker<'_, T, P> {
        Taker(&self.0)
    }
}

impl<T, P> Sender<T, P> {
    /// Hands over a part, or a piece, or both. Where there is no room for more, something comes
    /// back for the sender to do. Where a worker has given up, they are dropped.
    #[must_use]
    pub(super) fn send(&self, part: Option<T>, piece: Option<P>) -> Option<Taken<'_, T, P>> {
        let mut state = self.0.state();
        if state.closed {
            return None;
        }
        state.parts.extend(part);
        state.pieces.extend(piece);
        if state.parts.len() <= self.0.most && state.waiting > 0 {
            self.0.came.notify_one();
        }
        while state.parts.len() > self.0.most || state.pieces.len() > MOST_PIECES {
            let taken = self.0.take(&mut state);
            if taken.is_some() || state.closed {
                return taken;
            }
            state = self.0.wait(state);
        }
        None
    }
}

impl<T, P> Drop for Sender<T, P> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.ended = true;
        state.closed |= std::thread::panicking();
        drop(state);
        self.0.came.notify_all();
    }
}

impl<'a, T, P> Taker<'a, T, P> {
    /// What is next; `None` when there is no more, or another worker has given up.
    pub(super) fn next(&self) -> Option<Taken<'a, T, P>> {
        let mut state = self.0.state();
        loop {
            let taken = self.0.take(&mut state);
            // A turn that is not passed on yet may leave a rest.
            let over = state.ended && state.pieces.is_empty() && !state.in_turn;
            if taken.is_some() || state.closed || over {
                return taken;
            }
            state = self.0.wait(state);
        }
    }
}

impl<T, P> Drop for Taker<'_, T, P> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.closed = true;
        let (pieces, parts) = (std::mem::take(&mut state.pieces), std::mem::take(&mut state.parts));
        drop(state);
        self.0.came.notify_all();
        drop((pieces, parts));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn nothing_is_kept_for_workers_that_are_gone() {
        let (sender, inbox) = Inbox::new(3);
        assert!(sender.send(Some(0), Some(0)).is_none());
        drop(inbox.taker());
        assert!((1..100).all(|number| sender.send(Some(number), Some(number)).is_none()));
        assert!(inbox.taker().next().is_none());
    }

    /// Room, and workers beside the sender.
    const ROOMS: [(usize, usize); 6] = [(1, 0), (1, 1), (1, 4), (2, 3), (5, 2), (64, 5)];

    /// Lets so many workers do what is sent, and the sender with them.
    fn work_off(
        (most, workers): (usize, usize),
        does: &(impl Fn(Taken<'_, usize, usize>) + Sync),
        sent: impl Iterator<Item = (Option<usize>, Option<usize>)>,
    ) {
        let (sender, inbox) = Inbox::new(most);
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
            for (part, piece) in sent {
                sender.send(part, piece).into_iter().for_each(does);
            }
            drop(sender);
            works();
        });
    }

    #[test]
    fn each_part_is_done_once_whatever_the_room() {
        for room in ROOMS {
            let (sum, count) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let does = |taken: Taken<'_, usize, usize>| {
                sum.fetch_add(taken.part.unwrap(), Ordering::Relaxed);
                count.fetch_add(1, Ordering::Relaxed);
            };
            work_off(room, &does, (0..10_000).map(|number| (Some(number), None)));
            assert_eq!(sum.into_inner(), 9_999 * 5_000, "{room:?}");
            assert_eq!(count.into_inner(), 10_000, "{room:?}");
        }
    }

    #[test]
    fn pieces_are_done_with_in_order_and_parts_beside_them() {
        for room in ROOMS {
            let (pieces, parts) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
            let does = |Taken { part, turn }: Taken<'_, usize, usize>| {
                parts.lock().unwrap().extend(part);
                let Some(turn) = turn else { return };
                // Some give one back, once; some do with all that are too many.
                let some = part.unwrap_or(1) % 4;
                let next = |_| turn.next();
                let mut taken: Vec<_> = (0..=some).map_while(next).collect();
                taken.extend(std::iter::from_fn(|| turn.next_of_too_many()));
                let rest = if some > 1 { taken.pop() } else { None };
                pieces.lock().unwrap().extend(taken);
                turn.pass(rest);
            };
            let sent = (0..1_000).map(|number| {
                let part = (number % 5 != 0).then_some(number);
                (part, (number % 3 != 0).then_some(number))
            });
            work_off(room, &does, sent);
            let mut parts = parts.into_inner().unwrap();
            parts.sort_unstable();
            let expected =
                |of: usize| (0..1_000).filter(|number| number % of != 0).collect::<Vec<_>>();
            assert_eq!(parts, expected(5), "{room:?}");
            assert_eq!(pieces.into_inner().unwrap(), expected(3), "{room:?}");
        }
    }

    #[test]
    fn the_sender_works_where_too_many_pieces_wait() {
        let (sender, _inbox) = Inbox::<usize, usize>::new(64);
        let first = (0..).find_map(|piece| Some((piece, sender.send(None, Some(piece))?)));
        let (piece, Taken { part, turn }) = first.unwrap();
        assert_eq!((piece, part), (MOST_PIECES, None));
        let turn = turn.unwrap();
        let taken: Vec<_> = std::iter::from_fn(|| turn.next_of_too_many()).collect();
        assert_eq!(taken, (0..=MOST_PIECES - PIECES).collect::<Vec<_>>());
        assert_eq!(turn.next(), Some(taken.len()));
    }

    /// Has the turn, until somebody waits; then does with so many pieces and passes it on, with
    /// a rest. Gives what whoever waits is told within ten seconds.
    fn told<R: Send>(
        (done, rest): (usize, Option<usize>),
        waits: impl FnOnce(&Sender<usize, usize>, &Inbox<usize, usize>) -> R + Send,
    ) -> R {
        let (sender, inbox) = Inbox::new(64);
        assert!(sender.send(None, Some(0)).is_none());
        let taker = inbox.taker();
        let turn = taker.next().unwrap().turn.unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let (sender, inbox) = (&sender, &inbox);
            scope.spawn(move || tell.send(waits(sender, inbox)));
            while inbox.0.state().waiting == 0 {
                std::thread::yield_now();
            }
            assert!((0..done).all(|_| turn.next().is_some()));
            turn.pass(rest);
            let told = told.recv_timeout(std::time::Duration::from_secs(10));
            // Ends the wait of a thread that was not told.
            drop(taker);
            told.unwrap()
        })
    }

    #[test]
    fn who_waits_for_room_is_told_of_it() {
        let sends = |sender: &Sender<usize, usize>, _: &Inbox<usize, usize>| {
            (1..=MOST_PIECES).all(|piece| sender.send(None, Some(piece)).is_none())
        };
        assert!(told((MOST_PIECES, None), sends));
        // Too many are there still: whoever waited does with them.
        assert!(!told((0, None), sends));
    }

    #[test]
    fn who_waits_for_anything_is_told_of_a_rest() {
        let takes = |_: &Sender<usize, usize>, inbox: &Inbox<usize, usize>| {
            let taker = Taker(&inbox.0);
            taker.next().and_then(|taken| taken.turn?.next())
        };
        assert_eq!(told((1, Some(7)), takes), Some(7));
    }

    #[test]
    fn a_turn_that_ends_by_a_panic_ends_all() {
        let (sender, inbox) = Inbox::new(64);
        assert!((0..5).all(|number| sender.send(Some(number), Some(number)).is_none()));
        let taker = inbox.taker();
        let panics = || {
            let _turn = taker.next().unwrap().turn.unwrap();
            panic!("within its turn");
        };
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
        assert!(taker.next().is_none());
        assert!(sender.send(Some(5), Some(5)).is_none());
    }

    #[test]
    fn the_part_that_comes_back_is_the_one_that_waited_longest() {
        let (sender, inbox) = Inbox::<usize, usize>::new(2);
        let part = |taken: Taken<'_, usize, usize>| taken.part;
        let send = |number| sender.send(Some(number), None).and_then(part);
        let back: Vec<_> = (0..4).filter_map(send).collect();
        drop(sender);
        let taker = inbox.taker();
        let kept: Vec<_> = std::iter::from_fn(|| taker.next().and_then(part)).collect();
        assert_eq!((back, kept), (vec![0, 1], vec![2, 3]));
    }
}
