//! The rows of one content, kept for the day on which another file shares messages with it.
//!
//! | section | holds |
//! |---|---|
//! | 0 | identities, sorted, each once: 8 bytes each |
//! | 1 | how often each stands there, and the other columns, compressed |

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Trouble;
use super::file::{self, Sectioned};
use super::key::Key;
use crate::breakdown::FileRows;
use crate::store::WriteError;

#[derive(Serialize, Deserialize)]
struct Columns {
    /// Rows of each identity.
    copies: Vec<u32>,
    /// All columns but the identities.
    rest: FileRows,
}

/// Identities, each once.
pub(super) fn distinct(rows: &FileRows) -> Vec<u64> {
    let mut keys = rows.keys.clone();
    keys.dedup();
    keys
}

/// Writes the rows of `key`.
///
/// # Errors
/// [`WriteError`] when the file cannot be written.
pub(super) fn write(path: &Path, key: &Key, rows: FileRows) -> Result<(), WriteError> {
    let same = rows.keys.chunk_by(|a, b| a == b);
    let copies = same.map(|same| u32::try_from(same.len()).unwrap_or(u32::MAX)).collect();
    let keys = distinct(&rows).into_iter().flat_map(u64::to_le_bytes).collect();
    let columns = Columns { copies, rest: FileRows { keys: Vec::new(), ..rows } };
    file::write(path, key, &[keys, file::compressed(&columns), Vec::new()])
}

/// Reads the identities of `key`.
///
/// # Errors
/// [`Trouble::Damaged`] when they cannot be read.
pub(super) fn read_keys(path: &Path, key: &Key) -> Result<Vec<u64>, Trouble> {
    let keys = Sectioned::open(path, key).and_then(|mut file| keys(&mut file));
    keys.ok_or_else(|| Trouble::damaged(path))
}

fn keys(file: &mut Sectioned) -> Option<Vec<u64>> {
    let bytes = file.section(0)?;
    let numbers = bytes.chunks_exact(8).map(|bytes| bytes.try_into().map(u64::from_le_bytes));
    numbers.collect::<Result<_, _>>().ok()
}

/// Reads the rows of `key`.
///
/// # Errors
/// [`Trouble::Damaged`] when they cannot be read.
pub(super) fn read(path: &Path, key: &Key) -> Result<FileRows, Trouble> {
    let rows = || {
        let mut file = Sectioned::open(path, key)?;
        let distinct = keys(&mut file)?;
        let Columns { copies, rest } = file::decompressed(&file.section(1)?)?;
        let mut keys = Vec::with_capacity(rest.times.len());
        for (key, copies) in distinct.iter().zip(copies) {
            keys.extend(std::iter::repeat_n(*key, copies as usize));
        }
        (keys.len() == rest.times.len()).then_some(FileRows { keys, ..rest })
    };
    rows().ok_or_else(|| Trouble::damaged(path))
}
