//! Files of the cache: sections of bytes under a key, each with a checksum.
//!
//! | bytes | what |
//! |---|---|
//! | 16 | `intransit cube`, a zero, version |
//! | 32 | key |
//! | 16 per section | length and XXH3, little-endian; always three sections |
//! | 8 | XXH3 of all above |
//! | the rest | the sections |
//!
//! A file that is not exactly that is as good as absent.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::key::Key;
use crate::store::{self, WriteError};

const MAGIC: [u8; 16] = *b"intransit cube\0\x01";
const SECTIONS: usize = 3;
const HEAD: usize = MAGIC.len() + 32 + SECTIONS * 16 + 8;
/// A first read this long holds the first section of most files.
const FIRST_READ: usize = 8192;

/// The sections of a file.
pub(super) type Sections = [Vec<u8>; SECTIONS];

/// Writes the sections of `key`.
///
/// # Errors
/// [`WriteError`] when the file cannot be written.
pub(super) fn write(path: &Path, key: &Key, sections: &Sections) -> Result<(), WriteError> {
    store::write_lightly(path, &bytes(key, sections))
}

fn bytes(key: &Key, sections: &Sections) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD + sections.iter().map(Vec::len).sum::<usize>());
    bytes.extend(MAGIC);
    bytes.extend(key.bytes());
    for section in sections {
        bytes.extend((section.len() as u64).to_le_bytes());
        bytes.extend(xxh3_64(section).to_le_bytes());
    }
    bytes.extend(xxh3_64(&bytes).to_le_bytes());
    for section in sections {
        bytes.extend(section);
    }
    bytes
}

/// An open file whose head is good.
#[derive(Debug)]
pub(super) struct Sectioned {
    file: File,
    /// The first bytes of the file.
    start: Vec<u8>,
    /// Offset, length and checksum of each section.
    table: [(u64, u64, u64); SECTIONS],
}

impl Sectioned {
    /// Opens the file of `key`; `None` where there is none, or it is no good.
    pub(super) fn open(path: &Path, key: &Key) -> Option<Self> {
        let mut file = File::open(path).ok()?;
        let length = file.metadata().ok()?.len();
        let mut start = Vec::with_capacity(FIRST_READ);
        file.by_ref().take(FIRST_READ as u64).read_to_end(&mut start).ok()?;
        let (head, checksum) = start.get(..HEAD)?.split_at(HEAD - 8);
        let good = number(checksum, 0)? == xxh3_64(head)
            && head.starts_with(&MAGIC)
            && head.get(MAGIC.len()..)?.starts_with(key.bytes());
        let mut table = [(0, 0, 0); SECTIONS];
        let mut offset = HEAD as u64;
        for (index, slot) in table.iter_mut().enumerate() {
            let at = MAGIC.len() + 32 + index * 16;
            let bytes = number(head, at)?;
            *slot = (offset, bytes, number(head, at + 8)?);
            offset = offset.checked_add(bytes)?;
        }
        (good && offset == length).then_some(Self { file, start, table })
    }

    /// The bytes of a section; `None` where they are damaged.
    pub(super) fn section(&mut self, index: usize) -> Option<Vec<u8>> {
        let (offset, length, checksum) = *self.table.get(index)?;
        let (from, length) = (usize::try_from(offset).ok()?, usize::try_from(length).ok()?);
        let bytes = if let Some(bytes) = self.start.get(from..from.checked_add(length)?) {
            bytes.to_vec()
        } else {
            let mut bytes = vec![0; length];
            self.file.seek(SeekFrom::Start(offset)).ok()?;
            self.file.read_exact(&mut bytes).ok()?;
            bytes
        };
        (xxh3_64(&bytes) == checksum).then_some(bytes)
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + 8)?.try_into().ok()?;
    Some(u64::from_le_bytes(bytes))
}

/// A value as a section.
pub(super) fn packed<T: serde::Serialize>(value: &T) -> Vec<u8> {
    // Plain structs of numbers and texts cannot fail to become bytes; an empty section is
    // never read as one.
    postcard::to_stdvec(value).unwrap_or_default()
}

/// As [`packed`], compressed.
pub(super) fn compressed<T: serde::Serialize>(value: &T) -> Vec<u8> {
    zstd::bulk::compress(&packed(value), 1).unwrap_or_default()
}

/// The value of a section; `None` where it is none.
pub(super) fn unpacked<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let (value, rest) = postcard::take_from_bytes(bytes).ok()?;
    rest.is_empty().then_some(value)
}

/// As [`unpacked`], of what [`compressed`] made.
pub(super) fn decompressed<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    unpacked(&zstd::stream::decode_all(bytes).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path, key: &Key) -> Option<Sections> {
        let mut file = Sectioned::open(path, key)?;
        Some([file.section(0)?, file.section(1)?, file.section(2)?])
    }

    #[test]
    fn any_flipped_bit_and_any_other_length_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.cube");
        let key = Key::of("test", &["a"]);
        let sections = [b"head".to_vec(), vec![7; 100], Vec::new()];
        write(&path, &key, &sections).unwrap();
        assert_eq!(read(&path, &key), Some(sections.clone()));
        assert_eq!(read(&path, &Key::of("test", &["b"])), None);
        let good = bytes(&key, &sections);
        for index in 0..good.len() {
            let mut bad = good.clone();
            bad[index] ^= 0x10;
            store::write_lightly(&path, &bad).unwrap();
            assert_eq!(read(&path, &key), None, "byte {index}");
        }
        for bad in [&good[..good.len() - 1], &[&good[..], b"x"].concat(), b""] {
            store::write_lightly(&path, bad).unwrap();
            assert_eq!(read(&path, &key), None, "{} bytes", bad.len());
        }
    }

    #[test]
    fn sections_beyond_the_first_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.cube");
        let key = Key::of("test", &["a"]);
        let sections = [vec![1; 9000], vec![2; 20_000], b"end".to_vec()];
        write(&path, &key, &sections).unwrap();
        assert_eq!(read(&path, &key), Some(sections));
    }
}
