//! Work that is done for many things alike, several at a time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;

/// How many things are worked on in one go, where their results wait for one another: enough
/// for every processor to have some, and few enough to be held.
pub fn wave() -> usize {
    4 * workers()
}

/// How many threads count rows: as many as there are processors, but no more than a few,
/// since each has tables of its own.
pub fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(8)
}

/// What `work` gives on each of so many threads. This is one of them: another one would be put
/// beside it, on the same processor, until the system sees that it waits.
pub fn on_threads<R: Send>(threads: usize, work: &(impl Fn() -> R + Sync)) -> Vec<R> {
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let own = work();
        let join = |handle: ScopedJoinHandle<'_, _>| {
            handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        std::iter::once(own).chain(others.into_iter().map(join)).collect()
    })
}

/// The results of `work` for every item, in the order of the items.
pub fn each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    if items.len() < 2 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let some = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return done };
            crate::store::may_panic("counting");
            done.push((index, work(item)));
        }
    };
    let done = on_threads(workers().min(items.len()), &some);
    let mut all: Vec<(usize, R)> = done.into_iter().flatten().collect();
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_are_in_order() {
        let items: Vec<u64> = (0..1000).collect();
        let squares: Vec<u64> = items.iter().map(|n| n * n).collect();
        assert_eq!(super::each(&items, |n| n * n), squares);
        assert_eq!(super::each(&[3], |n| n + 1), [4]);
    }
}
