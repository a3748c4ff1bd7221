//! SHA-256 of what is read, by the reader itself or beside it.

use std::io::{Error, ErrorKind, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use sha2::digest::common::hazmat::SerializableState;
use sha2::{Digest, Sha256};

use crate::clock::limit;

/// SHA-256 and length of a file as it lies on the disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::ingest) struct Digested {
    /// Lower-case hexadecimal SHA-256.
    pub sha256: String,
    /// Length in bytes.
    pub bytes: u64,
    /// The hasher behind the last byte, to go on when there are more.
    pub midstate: Vec<u8>,
}

/// So many bytes are hashed by the reader in any case: most files are not worth a thread.
const FEW: u64 = 1 << 20;
/// Bytes that are handed over at once.
const PIECE: usize = 1 << 18;
/// Pieces that wait, at most.
const MOST_WAITING: usize = 4;

/// Hashes what passes through it.
pub(super) struct Hashing<R> {
    inner: R,
    hasher: Hasher,
    /// Whether bytes that begin so are hashed beside the reading.
    pays: fn(&[u8]) -> bool,
    /// Whether a thread is to be begun, once there are more than a few bytes.
    beside: bool,
    bytes: u64,
}

enum Hasher {
    Here(Sha256),
    Beside(Beside),
}

/// A thread that hashes.
struct Beside {
    pieces: SyncSender<Vec<u8>>,
    /// Pieces that were hashed, to be filled again.
    emptied: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    thread: JoinHandle<Sha256>,
}

impl<R: Read> Hashing<R> {
    /// Before the first byte. `pays` says by the first bytes whether a thread of its own hashes,
    /// which pays where the reader has as much to do as those who parse; the bytes are copied
    /// for it.
    pub(super) fn new(inner: R, pays: fn(&[u8]) -> bool) -> Self {
        Self { inner, hasher: Hasher::Here(Sha256::new()), pays, beside: false, bytes: 0 }
    }

    /// Behind so many bytes that were hashed before; `None` where the midstate is none.
    pub(super) fn resumed(inner: R, (bytes, midstate): (u64, &[u8])) -> Option<Self> {
        let hasher = Sha256::deserialize(&midstate.try_into().ok()?).ok()?;
        Some(Self { inner, hasher: Hasher::Here(hasher), pays: |_| false, beside: false, bytes })
    }

    /// Reads and hashes what is left.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn finish(mut self) -> std::io::Result<Digested> {
        let mut rest = vec![0; 1 << 16];
        loop {
            match self.read(&mut rest) {
                Ok(0) => break,
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
        let hasher = match self.hasher {
            Hasher::Here(hasher) => hasher,
            Hasher::Beside(beside) => beside.finish()?,
        };
        let midstate = hasher.serialize().to_vec();
        let sha256 = crate::store::hex(&hasher.finalize());
        Ok(Digested { sha256, bytes: self.bytes, midstate })
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        limit::check("reading")?;
        let length = self.inner.read(buffer)?;
        let read = buffer.get(..length).unwrap_or_default();
        match &mut self.hasher {
            Hasher::Here(hasher) => {
                hasher.update(read);
                if self.bytes == 0 {
                    self.beside = (self.pays)(read);
                }
                if self.beside && self.bytes >= FEW {
                    // Where no thread is to be had, this one goes on.
                    self.beside = false;
                    if let Some(beside) = Beside::begin(hasher.clone()) {
                        self.hasher = Hasher::Beside(beside);
                    }
                }
            }
            Hasher::Beside(beside) => beside.update(read)?,
        }
        self.bytes += length as u64;
        Ok(length)
    }
}

impl Beside {
    fn begin(mut hasher: Sha256) -> Option<Self> {
        let (pieces, given) = sync_channel::<Vec<u8>>(MOST_WAITING);
        let (back, emptied) = sync_channel::<Vec<u8>>(MOST_WAITING + 1);
        let hash = move || {
            for mut piece in given {
                hasher.update(&piece);
                piece.clear();
                // The reader is at its end, or holds enough.
                drop(back.try_send(piece));
            }
            hasher
        };
        let thread = std::thread::Builder::new().name("sha256".to_owned()).spawn(hash).ok()?;
        Some(Self { pieces, emptied, piece: Vec::new(), thread })
    }

    fn update(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            let next = self.emptied.try_recv().unwrap_or_default();
            let full = std::mem::replace(&mut self.piece, next);
            self.pieces.send(full).map_err(|_| gone())?;
        }
        Ok(())
    }

    fn finish(self) -> std::io::Result<Sha256> {
        self.pieces.send(self.piece).map_err(|_| gone())?;
        drop(self.pieces);
        self.thread.join().map_err(|_| gone())
    }
}

/// The thread that hashes ended by a panic.
fn gone() -> Error {
    Error::other("hashing failed")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives so many bytes at a time.
    struct Slowly<'a>(&'a [u8], usize);

    impl Read for Slowly<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let length = buffer.len().min(self.1).min(self.0.len());
            buffer[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }

    #[test]
    fn the_hash_is_that_of_the_bytes_however_they_come() {
        let text: Vec<u8> =
            (0..3_500_000_u32).map(|at| (at.wrapping_mul(at) >> 7).to_le_bytes()[0]).collect();
        let few = usize::try_from(FEW).unwrap();
        for length in [0, 1, few, few + 1, few + PIECE, text.len()] {
            let sha256 = crate::store::hex(&Sha256::digest(&text[..length]));
            let expected = (sha256, length as u64);
            for (at_once, beside) in
                [(999_983, true), (65_536, true), (4_097, true), (65_536, false)]
            {
                let pays: fn(&[u8]) -> bool = if beside { |_| true } else { |_| false };
                let mut hashing = Hashing::new(Slowly(&text[..length], at_once), pays);
                let mut begin = vec![0; length / 2];
                hashing.read_exact(&mut begin).unwrap();
                assert_eq!(begin, text[..length / 2]);
                let found = hashing.finish().unwrap();
                assert_eq!((found.sha256, found.bytes), expected, "{length} {at_once}");
            }
        }
    }

    #[test]
    fn hashing_goes_on_where_it_ended() {
        let text: Vec<u8> = (0..70_000_u32).flat_map(u32::to_le_bytes).collect();
        let whole = Hashing::new(text.as_slice(), |_| false).finish().unwrap();
        for at in [0, 1, 63, 64, 65, 4096, text.len() - 1, text.len()] {
            let begun = Hashing::new(&text[..at], |_| false).finish().unwrap();
            let before = (begun.bytes, begun.midstate.as_slice());
            let resumed = Hashing::resumed(&text[at..], before).unwrap();
            assert_eq!(resumed.finish().unwrap(), whole, "{at}");
        }
        for bad in [&[][..], &[0; 7], &[0xff; 105], &[0xff; 200]] {
            assert!(Hashing::resumed(&text[..], (1, bad)).is_none(), "{}", bad.len());
        }
    }
}
