//! One process per state folder.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::LedgerError;
use crate::store;

/// Name of the lock file.
const FILE_NAME: &str = "lock";

/// The right to write to a state folder, for as long as it lives. The system takes the lock
/// back when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    folder: PathBuf,
    // Held, never read.
    _file: File,
}

impl Lock {
    /// Takes the lock; makes the folder where there is none.
    ///
    /// `who` is what another process is told, such as `process 4711 (intransit daemon)`.
    ///
    /// # Errors
    /// [`LedgerError::Held`] naming the holder.
    pub fn take(folder: &Path, who: &str) -> Result<Self, LedgerError> {
        store::create_folder(folder)?;
        let path = folder.join(FILE_NAME);
        let fail = |source| LedgerError::Lock { path: path.clone(), source };
        let mut file = store::open_lock(&path).map_err(fail)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The holder is told where it can be read; that the lock is held is certain.
                drop(file.read_to_string(&mut holder));
                let holder = holder.trim().to_owned();
                let unknown = "another process".to_owned();
                let holder = if holder.is_empty() { unknown } else { holder };
                return Err(LedgerError::Held { folder: folder.to_owned(), holder });
            }
            Err(std::fs::TryLockError::Error(source)) => return Err(fail(source)),
        }
        file.set_len(0).map_err(fail)?;
        file.rewind().map_err(fail)?;
        writeln!(file, "{who}").map_err(fail)?;
        Ok(Self { folder: folder.to_owned(), _file: file })
    }

    /// The state folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_process_is_told_who_holds_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let first = Lock::take(folder.path(), "process 1 (intransit daemon)").unwrap();
        let error = Lock::take(folder.path(), "process 2").unwrap_err().to_string();
        assert!(error.ends_with("is in use by process 1 (intransit daemon)"), "{error}");
        drop(first);
        Lock::take(folder.path(), "process 2").unwrap();
    }
}
