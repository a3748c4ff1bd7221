//! SHA-256 of what is read.

use std::io::{ErrorKind, Read};

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

/// Hashes the bytes of a file, piece by piece.
#[derive(Clone, Default)]
pub(in crate::ingest) struct Hasher {
    sha256: Sha256,
    bytes: u64,
}

impl Hasher {
    pub(in crate::ingest) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// How many more bytes make whole blocks of so many.
    pub(in crate::ingest) fn to_next(&self, block: usize) -> usize {
        // Less than a block is a usize.
        let beyond = usize::try_from(self.bytes % block as u64).unwrap_or(0);
        if beyond == 0 { 0 } else { block - beyond }
    }

    pub(in crate::ingest) fn finish(self) -> Digested {
        let midstate = self.sha256.serialize().to_vec();
        let sha256 = crate::store::hex(&self.sha256.finalize());
        Digested { sha256, bytes: self.bytes, midstate }
    }
}

/// Hashes what passes through it.
pub(super) struct Hashing<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Hashing<R> {
    /// Before the first byte.
    pub(super) fn new(inner: R) -> Self {
        Self { inner, hasher: Hasher::default() }
    }

    /// Behind so many bytes that were hashed before; `None` where the midstate is none.
    pub(super) fn resumed(inner: R, (bytes, midstate): (u64, &[u8])) -> Option<Self> {
        let sha256 = Sha256::deserialize(&midstate.try_into().ok()?).ok()?;
        Some(Self { inner, hasher: Hasher { sha256, bytes } })
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
        Ok(self.hasher.finish())
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        limit::check("reading")?;
        let length = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..length).unwrap_or_default());
        Ok(length)
    }
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
        for length in [0, 1, 1 << 20, text.len()] {
            let sha256 = crate::store::hex(&Sha256::digest(&text[..length]));
            let expected = (sha256, length as u64);
            for at_once in [999_983, 65_536, 4_097] {
                let mut hashing = Hashing::new(Slowly(&text[..length], at_once));
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
        let whole = Hashing::new(text.as_slice()).finish().unwrap();
        for at in [0, 1, 63, 64, 65, 4096, text.len() - 1, text.len()] {
            let begun = Hashing::new(&text[..at]).finish().unwrap();
            let before = (begun.bytes, begun.midstate.as_slice());
            let resumed = Hashing::resumed(&text[at..], before).unwrap();
            assert_eq!(resumed.finish().unwrap(), whole, "{at}");
        }
        for bad in [&[][..], &[0; 7], &[0xff; 105], &[0xff; 200]] {
            assert!(Hashing::resumed(&text[..], (1, bad)).is_none(), "{}", bad.len());
        }
    }
}
