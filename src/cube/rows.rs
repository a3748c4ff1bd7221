//! The rows of one content, kept for the day on which another file shares messages with it.
//!
//! | section | holds |
//! |---|---|
//! | 0 | number of rows and of parts, and names, compressed |
//! | 1, 3, … | identities of each part, sorted, each once: 8 bytes each |
//! | 2, 4, … | how often each stands there, and the other columns: see `columns` |

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::Trouble;
use super::columns;
use super::file::{self, Sectioned};
use super::key::Key;
use crate::breakdown::{
    CountError, FileNames, FileRows, KeptRows, NameList, OfFile, Part, at_once,
};

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    rows: u64,
    /// There are two to this power of parts.
    bits: u32,
    names: NameList,
}

/// Rows of one part, about.
const ROWS_OF_PART: u64 = 1 << 14;
/// There are at most two to this power of parts.
const MOST_BITS: u32 = 12;

/// The bits that tell the parts of a file apart.
fn bits(rows: u64) -> u32 {
    (rows / ROWS_OF_PART).checked_ilog2().unwrap_or(0).min(MOST_BITS)
}

/// Writes rows as those of `key`.
///
/// # Errors
/// [`Trouble`] when the file cannot be written, or rows cannot be had.
pub(super) fn write(
    path: &Path,
    key: &Key,
    of_file: OfFile<'_>,
    names: &FileNames,
) -> Result<(), Trouble> {
    let rows = of_file.rows();
    let bits = bits(rows);
    let mut parts = Part::all(bits);
    let mut made: VecDeque<Result<Vec<u8>, CountError>> = VecDeque::new();
    file::write_each(path, key, 1 + 2 * (1 << bits), |index| {
        if index == 0 {
            // The fields of a `Head`, in their order: the names are not copied.
            return Ok(file::compressed(&(rows, bits, names.list())));
        }
        if made.is_empty() {
            let next: Vec<Part> = parts.by_ref().take(at_once::wave()).collect();
            let sections = at_once::each(&next, |part| {
                let rows = of_file.part(*part, names)?;
                Ok((distinct(&rows), columns::bytes(&rows)))
            });
            for both in sections {
                let (keys, columns) = both.map_or_else(
                    |error| (Err(error), Ok(Vec::new())),
                    |(keys, columns)| (Ok(keys), Ok(columns)),
                );
                made.extend([keys, columns]);
            }
        }
        Ok(made.pop_front().unwrap_or_else(|| Ok(Vec::new()))?)
    })
}

/// Identities, each once, as bytes.
fn distinct(rows: &FileRows) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(rows.keys.len() * 8);
    for same in rows.keys.chunk_by(|a, b| a == b) {
        bytes.extend(same.iter().take(1).flat_map(|key| key.to_le_bytes()));
    }
    bytes
}

/// Rows of a content, open to be read.
#[derive(Debug)]
pub(super) struct Rows {
    path: PathBuf,
    file: Mutex<Sectioned>,
    head: Head,
}

impl Rows {
    /// Opens the rows of `key`.
    ///
    /// # Errors
    /// [`Trouble::Damaged`] when they cannot be read.
    pub(super) fn open(path: &Path, key: &Key) -> Result<Self, Trouble> {
        let open = || {
            let mut file = Sectioned::open(path, key)?;
            let head: Head = file::decompressed(&file.section(0)?)?;
            let whole = head.bits <= MOST_BITS && file.len() == 1 + 2 * (1 << head.bits);
            whole.then(|| Self { path: path.to_owned(), file: Mutex::new(file), head })
        };
        open().ok_or_else(|| Trouble::damaged(path))
    }

    fn section(&self, index: usize) -> Option<Vec<u8>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).section(index)
    }

    /// Says whether all of it can be read.
    pub(super) fn is_whole(&self) -> bool {
        (0..self.parts()).all(|part| self.read(part).is_some())
    }

    /// Identities of a part of the file's own.
    fn keys(&self, part: usize) -> Option<Vec<u64>> {
        let bytes = self.section(1 + 2 * part)?;
        let (keys, rest) = bytes.as_chunks();
        rest.is_empty().then(|| keys.iter().map(|key| u64::from_le_bytes(*key)).collect())
    }

    /// Identities of a part, sorted, each once.
    ///
    /// # Errors
    /// [`Trouble::Damaged`] when they cannot be read.
    fn identities(&self, part: Part) -> Result<Vec<u64>, Trouble> {
        let mut all = Vec::new();
        for own in part.among(self.head.bits) {
            let keys = self.keys(own).ok_or_else(|| Trouble::damaged(&self.path))?;
            if part.is_finer(self.head.bits) {
                all.extend(keys.into_iter().filter(|key| part.holds(*key)));
            } else {
                all.extend(keys);
            }
        }
        Ok(all)
    }

    fn read(&self, part: usize) -> Option<FileRows> {
        columns::read(&self.keys(part)?, &self.section(2 + 2 * part)?)
    }

    /// Says whether these are those rows.
    ///
    /// # Errors
    /// [`Trouble`] when the rows that were read cannot be had.
    pub(super) fn are(&self, of_file: OfFile<'_>, names: &FileNames) -> Result<bool, Trouble> {
        let rows = of_file.rows();
        if (self.head.rows, self.head.bits) != (rows, bits(rows))
            || self.head.names != *names.list()
        {
            return Ok(false);
        }
        for (index, part) in Part::all(self.head.bits).enumerate() {
            if self.read(index) != Some(of_file.part(part, names)?) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Identities of a part, of all pieces of a content, sorted, each once.
///
/// # Errors
/// [`Trouble::Damaged`] when they cannot be read.
pub(super) fn identities(pieces: &[Rows], part: Part) -> Result<Vec<u64>, Trouble> {
    let mut all = Vec::new();
    for piece in pieces {
        all.append(&mut piece.identities(part)?);
    }
    if pieces.len() > 1 {
        all.sort_unstable();
        all.dedup();
    }
    Ok(all)
}

/// The pieces of a content, as they are settled.
pub(super) fn kept(pieces: &[Rows]) -> Vec<&dyn KeptRows> {
    pieces.iter().map(|piece| piece as &dyn KeptRows).collect()
}

impl KeptRows for Rows {
    fn rows(&self) -> u64 {
        self.head.rows
    }

    fn names(&self) -> &NameList {
        &self.head.names
    }

    fn parts(&self) -> usize {
        1 << self.head.bits
    }

    fn part(&self, index: usize) -> Result<FileRows, CountError> {
        self.read(index).ok_or_else(|| CountError::Kept { path: self.path.clone() })
    }
}
