//! Bytes set aside while a report is made, in a file without a name that goes with the process.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::io_step;

/// Bytes in the order in which they were put there.
#[derive(Debug)]
pub struct Scratch {
    file: File,
    folder: PathBuf,
    end: u64,
}

/// Why bytes could not be set aside, or not be read again.
#[derive(Debug, thiserror::Error)]
#[error("rows that do not fit into memory cannot be set aside in `{}`", folder.display())]
pub struct ScratchError {
    /// The folder whose disk is at fault.
    pub folder: PathBuf,
    /// What the system said.
    pub source: std::io::Error,
}

impl Scratch {
    /// An empty one in a folder, which must exist.
    ///
    /// # Errors
    /// [`ScratchError`] when nothing can be written there.
    pub fn new(folder: &Path) -> Result<Self, ScratchError> {
        let file = io_step("scratch file made").and_then(|()| tempfile::tempfile_in(folder));
        let fail = |source| ScratchError { folder: folder.to_owned(), source };
        Ok(Self { file: file.map_err(fail)?, folder: folder.to_owned(), end: 0 })
    }

    /// Number of bytes so far: where the next ones will be.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Adds bytes at the end.
    ///
    /// # Errors
    /// [`ScratchError`] when the disk is full, above all.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), ScratchError> {
        let written = io_step("scratch file written").and_then(|()| self.file.write_all(bytes));
        written.map_err(|source| self.fail(source))?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Fills `bytes` with those that begin at `offset`.
    ///
    /// # Errors
    /// [`ScratchError`] when they cannot be read, or are not there.
    pub fn read(&self, offset: u64, bytes: &mut [u8]) -> Result<(), ScratchError> {
        read_at(&self.file, offset, bytes).map_err(|source| self.fail(source))
    }

    fn fail(&self, source: std::io::Error) -> ScratchError {
        ScratchError { folder: self.folder.clone(), source }
    }
}

#[cfg(unix)]
fn read_at(file: &File, offset: u64, bytes: &mut [u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_at(file: &File, mut offset: u64, mut bytes: &mut [u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, bytes, offset)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        offset += read as u64;
        bytes = &mut bytes[read..];
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_read_again_and_leaves_no_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut scratch = Scratch::new(folder.path()).unwrap();
        scratch.append(b"first").unwrap();
        assert_eq!(scratch.end(), 5);
        scratch.append(b"second").unwrap();
        let mut bytes = [0; 8];
        scratch.read(3, &mut bytes).unwrap();
        assert_eq!(&bytes, b"stsecond");
        assert!(scratch.read(4, &mut bytes).is_err(), "beyond the end");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
