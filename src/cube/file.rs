//! Files of the cache: sections of bytes under a key, each with a checksum.
//!
//! | bytes | what |
//! |---|---|
//! | 16 | `intransit cube`, a zero, version |
//! | 32 | key |
//! | 4 | number of sections, little-endian |
//! | 16 per section | length and XXH3, little-endian |
//! | 8 | XXH3 of all above |
//! | the rest | the sections |
//!
//! A file that is not exactly that is as good as absent.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::Trouble;
use super::key::Key;
use crate::store::{self, WriteError};

const MAGIC: [u8; 16] = *b"intransit cube\0\x02";
/// Bytes above the table of sections.
const TOP: usize = MAGIC.len() + 32 + 4;
/// More sections than any file has.
const MOST_SECTIONS: usize = 1 << 16;
/// A first read this long holds the first section of most files.
const FIRST_READ: usize = 8192;

/// Writes the sections of `key`.
///
/// # Errors
/// [`WriteError`] when the file cannot be written.
pub(super) fn write(path: &Path, key: &Key, sections: &[Vec<u8>]) -> Result<(), WriteError> {
    store::write_lightly(path, &bytes(key, sections))
}

fn bytes(key: &Key, sections: &[Vec<u8>]) -> Vec<u8> {
    let table: Vec<_> = sections.iter().map(|section| entry(section)).collect();
    let mut bytes = head(key, &table);
    for section in sections {
        bytes.extend(section);
    }
    bytes
}

/// Length and checksum of a section.
fn entry(section: &[u8]) -> (u64, u64) {
    (section.len() as u64, xxh3_64(section))
}

fn head(key: &Key, table: &[(u64, u64)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(head_length(table.len()));
    bytes.extend(MAGIC);
    bytes.extend(key.bytes());
    bytes.extend(u32::try_from(table.len()).unwrap_or(u32::MAX).to_le_bytes());
    for (length, checksum) in table {
        bytes.extend(length.to_le_bytes());
        bytes.extend(checksum.to_le_bytes());
    }
    bytes.extend(xxh3_64(&bytes).to_le_bytes());
    bytes
}

fn head_length(sections: usize) -> usize {
    TOP + sections * 16 + 8
}

/// Writes `count` sections of `key`, one after the other as `section` makes them.
///
/// # Errors
/// [`Trouble`] when one cannot be made, or the file cannot be written.
pub(super) fn write_each(
    path: &Path,
    key: &Key,
    count: usize,
    mut section: impl FnMut(usize) -> Result<Vec<u8>, Trouble>,
) -> Result<(), Trouble> {
    let mut failed = None;
    let written = store::write_lightly_with(path, |file| {
        file.seek(SeekFrom::Start(head_length(count) as u64))?;
        let mut table = Vec::with_capacity(count);
        for index in 0..count {
            let bytes = section(index).map_err(|trouble| {
                failed = Some(trouble);
                std::io::Error::other("a section cannot be made")
            })?;
            file.write_all(&bytes)?;
            table.push(entry(&bytes));
        }
        file.rewind()?;
        file.write_all(&head(key, &table))
    });
    failed.map_or(Ok(()), Err)?;
    Ok(written?)
}

/// An open file whose head is good.
#[derive(Debug)]
pub(super) struct Sectioned {
    file: File,
    /// The first bytes of the file.
    start: Vec<u8>,
    /// Offset, length and checksum of each section.
    table: Vec<(u64, u64, u64)>,
}

impl Sectioned {
    /// Opens the file of `key`; `None` where there is none, or it is no good.
    pub(super) fn open(path: &Path, key: &Key) -> Option<Self> {
        let file = File::open(path).ok()?;
        let length = file.metadata().ok()?.len();
        let mut start = Vec::with_capacity(FIRST_READ);
        (&file).take(FIRST_READ as u64).read_to_end(&mut start).ok()?;
        let count = u32::from_le_bytes(start.get(TOP - 4..TOP)?.try_into().ok()?) as usize;
        let head_length = head_length(Some(count).filter(|count| *count <= MOST_SECTIONS)?);
        if head_length > start.len() {
            let more = (head_length - start.len()) as u64;
            (&file).take(more).read_to_end(&mut start).ok()?;
        }
        let (head, checksum) = start.get(..head_length)?.split_at(head_length - 8);
        let good = number(checksum, 0)? == xxh3_64(head)
            && head.starts_with(&MAGIC)
            && head.get(MAGIC.len()..)?.starts_with(key.bytes());
        let mut table = Vec::with_capacity(count);
        let mut offset = head_length as u64;
        for index in 0..count {
            let at = TOP + index * 16;
            let bytes = number(head, at)?;
            table.push((offset, bytes, number(head, at + 8)?));
            offset = offset.checked_add(bytes)?;
        }
        (good && offset == length).then_some(Self { file, start, table })
    }

    /// Number of sections.
    pub(super) fn len(&self) -> usize {
        self.table.len()
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

    fn read(path: &Path, key: &Key) -> Option<Vec<Vec<u8>>> {
        let mut file = Sectioned::open(path, key)?;
        (0..file.len()).map(|index| file.section(index)).collect()
    }

    #[test]
    fn any_flipped_bit_and_any_other_length_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.cube");
        let key = Key::of("test", &["a"]);
        let sections = vec![b"head".to_vec(), vec![7; 100], Vec::new()];
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
        let sections = vec![vec![1; 9000], vec![2; 20_000], b"end".to_vec()];
        write(&path, &key, &sections).unwrap();
        assert_eq!(read(&path, &key), Some(sections));
    }

    #[test]
    fn sections_that_are_written_one_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.rows");
        let key = Key::of("test", &["a"]);
        // A table longer than the first read.
        let sections: Vec<Vec<u8>> = (0..700_u32).map(|n| n.to_le_bytes().to_vec()).collect();
        write_each(&path, &key, 700, |index| Ok(sections[index].clone())).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes(&key, &sections));
        assert_eq!(read(&path, &key), Some(sections));
        let other = folder.path().join("b.rows");
        let failed = write_each(&other, &key, 2, |_| Err(Trouble::damaged(&path)));
        assert!(matches!(failed, Err(Trouble::Damaged { .. })) && !other.exists());
    }
}
