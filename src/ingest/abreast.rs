//! Hashing abreast of parsing.
//!
//! Each round of SHA-256 waits for the one before it, so that a processor which only hashes does
//! little of what it could. Here a file is hashed a few bytes at a time, between the cells or the
//! lines of what the same thread is parsing, and the processor does both at once. Bytes are hashed
//! in the order of the file, by one thread at a time.

use std::cell::{Cell, RefCell};

use super::inbox::Turn;
use super::job::Job;
use super::open::Hasher;

/// Bytes of one block of SHA-256 (FIPS 180-4, 5.2.1), and of one step: the shorter the steps, the
/// more of what is parsed is done beside them.
const STEP: usize = 64;

/// A part of a file.
pub(super) trait ToHash {
    /// What of it is still to be hashed, and its file.
    fn to_hash(&self) -> Option<(&Job, &[u8])>;
}

/// What is hashed abreast of parsing: whoever parses calls [`Abreast::step`] now and then.
pub(super) struct Abreast<'a> {
    /// Whether there is anything to do.
    some: Cell<bool>,
    pieces: RefCell<Pieces<'a>>,
}

/// Pieces of files, in order.
#[derive(Default)]
struct Pieces<'a> {
    left: Vec<Option<(&'a Job, &'a [u8])>>,
    /// How many were begun, and how many are to be hashed at least.
    begun: usize,
    wanted: usize,
    /// The file of the piece begun last, its hasher, and what of it is not hashed yet.
    job: Option<&'a Job>,
    hasher: Hasher,
    rest: &'a [u8],
}

/// Does `work`, and abreast of it hashes what has its turn.
pub(super) fn hashing<T: ToHash, R>(
    turn: Option<Turn<'_, T>>,
    work: impl FnOnce(&Abreast<'_>) -> R,
) -> R {
    let abreast = Abreast::hashing(turn.as_ref());
    let result = work(&abreast);
    let hashed = abreast.end();
    if let Some(turn) = turn {
        turn.pass(hashed);
    }
    result
}

impl<'a> Abreast<'a> {
    /// Hashes the parts that have their turn.
    fn hashing<T: ToHash>(turn: Option<&'a Turn<'_, T>>) -> Self {
        let Some(turn) = turn else { return Self::nothing() };
        let left = turn.parts().iter().map(T::to_hash).collect();
        let pieces = Pieces { left, wanted: turn.wanted(), ..Pieces::default() };
        Self { some: Cell::new(true), pieces: RefCell::new(pieces) }
    }

    /// Hashes nothing.
    pub(super) fn nothing() -> Self {
        Self { some: Cell::new(false), pieces: RefCell::default() }
    }

    /// Hashes a little more.
    pub(super) fn step(&self) {
        if self.some.get() {
            self.go_on();
        }
    }

    fn go_on(&self) {
        let mut pieces = self.pieces.borrow_mut();
        match pieces.rest.split_at_checked(STEP) {
            Some((block, rest)) => {
                pieces.hasher.update(block);
                pieces.rest = rest;
            }
            None => self.some.set(pieces.next()),
        }
    }

    /// Hashes what was begun to its end, and as many parts as are wanted; says how many are hashed.
    fn end(self) -> usize {
        let mut pieces = self.pieces.into_inner();
        while pieces.begun < pieces.wanted && pieces.next() {}
        pieces.finish();
        pieces.begun
    }
}

impl Pieces<'_> {
    /// Goes on with the next piece; says whether there is one.
    fn next(&mut self) -> bool {
        self.finish();
        let Some(next) = self.left.get(self.begun).copied() else { return false };
        self.begun += 1;
        if let Some((job, bytes)) = next {
            self.hasher = job.take_hasher();
            // Whole blocks need not be put together from pieces.
            let (start, rest) =
                bytes.split_at_checked(self.hasher.to_next(STEP)).unwrap_or((bytes, &[]));
            self.hasher.update(start);
            (self.job, self.rest) = (Some(job), rest);
        }
        true
    }

    fn finish(&mut self) {
        if let Some(job) = self.job.take() {
            self.hasher.update(std::mem::take(&mut self.rest));
            job.give_hasher(std::mem::take(&mut self.hasher));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::inbox::{Inbox, Taken};

    struct Piece<'a>(&'a Job, Option<Vec<u8>>);

    impl ToHash for Piece<'_> {
        fn to_hash(&self) -> Option<(&Job, &[u8])> {
            Some((self.0, self.1.as_deref()?))
        }
    }

    #[test]
    fn what_is_hashed_in_steps_has_the_hash_of_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        let header = "Date,Message-Id,Direction,Connector,Tls\r\n";
        crate::store::write_lightly(&path, header.as_bytes()).unwrap();
        let text: Vec<u8> = (0..20_000_u32).flat_map(u32::to_le_bytes).collect();
        // What of two files is to be hashed; of some parts nothing.
        let lengths = [Some(0), Some(1), Some(62), None, Some(1), Some(64), Some(65), Some(4_000)];
        let cut = |part: usize, length: usize| text[part * 4_000..][..length].to_vec();
        let parts: Vec<Option<Vec<u8>>> =
            (0..16).map(|part| Some(cut(part, lengths[part % 8]?))).collect();
        for steps in 0..200 {
            let jobs = [Job::of_file(&path), Job::of_file(&path)];
            let (sender, inbox) = Inbox::new(64);
            let hash = |taken: Taken<'_, Piece<'_>>| {
                hashing(taken.turn, |abreast| (0..steps).for_each(|_| abreast.step()));
            };
            for (at, part) in parts.iter().enumerate() {
                let piece = Piece(&jobs[at / 8], part.clone());
                sender.send_in_order(piece, true).into_iter().for_each(hash);
            }
            drop(sender);
            let taker = inbox.taker();
            std::iter::from_fn(|| taker.next()).for_each(hash);
            for (job, parts) in jobs.iter().zip(parts.chunks(8)) {
                job.set_hashed();
                let whole: Vec<u8> = parts.iter().flatten().flatten().copied().collect();
                assert_eq!(job.digested().sha256, crate::store::sha256(&whole), "{steps}");
                assert_eq!(job.digested().bytes, whole.len() as u64, "{steps}");
            }
        }
    }
}
