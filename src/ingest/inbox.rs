//! What is handed from the thread that reads to those that work.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

/// Takes what is sent, once each, for several workers.
///
/// Invariant: where a worker ends before everything was taken, by an error or a panic, whoever
/// sends is not left waiting for it.
pub(super) struct Inbox<T>(Mutex<Option<Receiver<T>>>);

/// A worker's access; the inbox is closed for all as soon as one ends.
pub(super) struct Taker<'a, T>(&'a Inbox<T>);

impl<T> Inbox<T> {
    /// One that holds so many at once.
    pub(super) fn new(most: usize) -> (SyncSender<T>, Self) {
        let (sender, receiver) = sync_channel(most);
        (sender, Self(Mutex::new(Some(receiver))))
    }

    pub(super) fn taker(&self) -> Taker<'_, T> {
        Taker(self)
    }
}

impl<T> Taker<'_, T> {
    /// The next; `None` when there are no more, or another worker has given up.
    pub(super) fn next(&self) -> Option<T> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.recv().ok()
    }
}

impl<T> Drop for Taker<'_, T> {
    fn drop(&mut self) {
        drop(self.0.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_sends_for_ever_to_workers_that_are_gone() {
        let (sender, inbox) = Inbox::new(1);
        let sent = std::thread::scope(|scope| {
            let worker = inbox.taker();
            scope.spawn(move || assert_eq!(worker.next(), Some(0)));
            (0..100).take_while(|n| sender.send(*n).is_ok()).count()
        });
        assert!((1..=3).contains(&sent), "{sent}");
    }
}
