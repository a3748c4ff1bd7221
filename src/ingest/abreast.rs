//! Hashing abreast of parsing.
//!
//! Each round of SHA-256 waits for the one before it, so that a processor which only hashes does
//! little of what it could. Here a file is hashed a few bytes at a time, between the cells or the
//! lines of what the same thread is parsing, and the processor does both at once. Bytes are hashed
//! in the order of the file, by one thread at a time; when they are parsed does not matter.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex, PoisonError};

use super::blocks::Buffer;
use super::inbox::Taken;
use super::open::{Digested, Hasher};

/// Bytes of one block of SHA-256 (FIPS 180-4, 5.2.1), and of one step: the shorter the steps, the
/// more of what is parsed is done beside them.
const STEP: usize = 64;
/// What is hashed at once where there is nothing to parse, before another look whether there is.
const AT_ONCE: usize = 1 << 16;

/// The hash of a file of which piece after piece is hashed.
#[derive(Clone, Default)]
pub(super) struct FileHash(Arc<Mutex<Option<Hasher>>>);

impl FileHash {
    /// What follows those that were asked for before.
    pub(super) fn piece(&self, bytes: Buffer) -> Piece {
        Piece { file: self.clone(), bytes, hashed: 0 }
    }

    /// Of all pieces, once they are hashed; none where there were none.
    pub(super) fn finish(&self) -> Option<Digested> {
        self.hasher().take().map(Hasher::finish)
    }

    fn hasher(&self) -> std::sync::MutexGuard<'_, Option<Hasher>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes of a file that are to be hashed.
pub(super) struct Piece {
    file: FileHash,
    bytes: Buffer,
    /// So many of them are.
    hashed: usize,
}

/// What is hashed abreast of parsing: whoever parses calls [`Abreast::step`] now and then.
pub(super) struct Abreast<'t> {
    /// Whether there is anything to do.
    some: Cell<bool>,
    hashing: RefCell<Hashing<'t>>,
}

/// Hashes pieces in order.
struct Hashing<'t> {
    next: &'t dyn Fn() -> Option<Piece>,
    /// The one begun last, and the hash of its file.
    piece: Option<Piece>,
    hasher: Hasher,
}

/// Does `work` with what was taken, and abreast of it hashes pieces where it has their turn; where
/// there is only their turn, hashes for a while.
pub(super) fn hashing<T, R>(
    Taken { part, turn }: Taken<'_, T, Piece>,
    work: impl FnOnce(T, &Abreast<'_>) -> R,
) -> Option<R> {
    let Some(turn) = turn else { return part.map(|part| work(part, &Abreast::nothing())) };
    let next = || turn.next();
    let abreast = Abreast { some: Cell::new(true), hashing: RefCell::new(Hashing::of(&next)) };
    if part.is_none() {
        abreast.alone();
    }
    let result = part.map(|part| work(part, &abreast));
    let rest = abreast.end(|| turn.next_of_too_many());
    turn.pass(rest);
    result
}

impl Abreast<'_> {
    /// Hashes nothing.
    pub(super) fn nothing() -> Self {
        Self { some: Cell::new(false), hashing: RefCell::new(Hashing::of(&|| None)) }
    }

    /// Hashes a little more.
    pub(super) fn step(&self) {
        if self.some.get() {
            self.go_on(STEP);
        }
    }

    /// Hashes for a while: there is nothing to parse.
    fn alone(&self) {
        // The first only begins a piece.
        self.go_on(AT_ONCE);
        self.go_on(AT_ONCE);
    }

    fn go_on(&self, most: usize) {
        let mut hashing = self.hashing.borrow_mut();
        if !hashing.hash(most) {
            let next = (hashing.next)();
            self.some.set(next.is_some());
            hashing.begin(next);
        }
    }

    /// Hashes to their end those of which there are too many; gives what is left of the last one.
    fn end(self, next_of_too_many: impl Fn() -> Option<Piece>) -> Option<Piece> {
        let mut hashing = self.hashing.into_inner();
        while let Some(next) = next_of_too_many() {
            hashing.begin(Some(next));
        }
        hashing.leave()
    }
}

impl<'t> Hashing<'t> {
    fn of(next: &'t dyn Fn() -> Option<Piece>) -> Self {
        Self { next, piece: None, hasher: Hasher::default() }
    }

    /// Hashes so many bytes of the piece; says whether it has so many, or at least whole steps.
    fn hash(&mut self, most: usize) -> bool {
        let Some(piece) = &mut self.piece else { return false };
        let rest = piece.bytes.len() - piece.hashed;
        let length = if rest < most { rest - rest % STEP } else { most };
        let Some(bytes) = piece.bytes.get(piece.hashed..piece.hashed + length) else {
            return false;
        };
        self.hasher.update(bytes);
        piece.hashed += length;
        length > 0
    }

    /// Ends the piece, and begins the next one.
    fn begin(&mut self, next: Option<Piece>) {
        if let Some(piece) = self.piece.take() {
            self.hasher.update(piece.bytes.get(piece.hashed..).unwrap_or_default());
            self.give_back(&piece);
        }
        let Some(mut piece) = next else { return };
        self.hasher = piece.file.hasher().take().unwrap_or_default();
        if piece.hashed == 0 {
            // Whole blocks need not be put together from pieces.
            let length = self.hasher.to_next(STEP).min(piece.bytes.len());
            self.hasher.update(piece.bytes.get(..length).unwrap_or_default());
            piece.hashed = length;
        }
        self.piece = Some(piece);
    }

    /// What is left of the piece.
    fn leave(mut self) -> Option<Piece> {
        let piece = self.piece.take()?;
        self.give_back(&piece);
        Some(piece)
    }

    fn give_back(&mut self, piece: &Piece) {
        *piece.file.hasher() = Some(std::mem::take(&mut self.hasher));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::inbox::Inbox;

    #[test]
    fn what_is_hashed_in_steps_has_the_hash_of_the_whole() {
        let text: Vec<u8> = (0..20_000_u32).flat_map(u32::to_le_bytes).collect();
        // What of two files is to be hashed; of some parts nothing.
        let lengths = [Some(0), Some(1), Some(62), None, Some(1), Some(64), Some(65), Some(4_000)];
        let cut = |part: usize, length: usize| text[part * 4_000..][..length].to_vec();
        let parts: Vec<Option<Vec<u8>>> =
            (0..16).map(|part| Some(cut(part, lengths[part % 8]?))).collect();
        for steps in 0..200 {
            let files = [FileHash::default(), FileHash::default()];
            let (sender, inbox) = Inbox::new(64);
            let hash = |taken: Taken<'_, usize, Piece>| {
                hashing(taken, |_, abreast| (0..steps).for_each(|_| abreast.step()));
            };
            for (at, part) in parts.iter().enumerate() {
                let piece = part.clone().map(|part| files[at / 8].piece(part.into()));
                sender.send((at % 3 > 0).then_some(at), piece).into_iter().for_each(hash);
            }
            drop(sender);
            let taker = inbox.taker();
            std::iter::from_fn(|| taker.next()).for_each(hash);
            for (file, parts) in files.iter().zip(parts.chunks(8)) {
                let digested = file.finish().unwrap();
                let whole: Vec<u8> = parts.iter().flatten().flatten().copied().collect();
                assert_eq!(digested.sha256, crate::store::sha256(&whole), "{steps}");
                assert_eq!(digested.bytes, whole.len() as u64, "{steps}");
            }
        }
    }
}
