//! Copies of evidence to hand out: one deterministic ZIP with the instructions on top.
//!
//! All heads and signatures are in it, so that the chain can be checked; of the bags those
//! that were asked for, named in `EXPORT.txt`.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use zip::write::SimpleFileOptions;

use super::verify::{EXPORT, export_text};
use super::{ArchiveError, BAGS, CHAIN, README, SCRIPT, SIGNERS};
use crate::store;

/// Writes the copy of some bags as a ZIP file. The same archive gives the same bytes.
///
/// # Errors
/// [`ArchiveError`] when something cannot be read, or the file cannot be written.
pub fn export(archive: &Path, bags: &[String], out: &Path) -> Result<(), ArchiveError> {
    let mut files: Vec<PathBuf> = [README, SCRIPT].map(|(name, _)| name.into()).into();
    files.push(SIGNERS.into());
    files.extend(names(&archive.join(CHAIN))?.iter().map(|name| Path::new(CHAIN).join(name)));
    for bag in bags {
        list(archive, &Path::new(BAGS).join(bag), &mut files)?;
    }
    let files = present(archive, files)?;
    let list = export_text(bags.iter().map(String::as_str));
    store::write_with(out, |file| write(file, archive, &files, &list))?;
    Ok(())
}

fn write(
    file: &mut (impl Write + Seek),
    archive: &Path,
    files: &[PathBuf],
    list: &str,
) -> std::io::Result<()> {
    let mut zip = zip::ZipWriter::new(Steady { file, failed: None, position: 0, end: 0 });
    // ZIP knows no time zones and no seconds of its own: one fixed time for all.
    let options = SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .last_modified_time(zip::DateTime::default())
        .unix_permissions(0o644)
        .large_file(true);
    for (index, name) in files.iter().enumerate() {
        let entry = Path::new("evidence").join(name);
        zip.start_file(entry.to_string_lossy(), options)?;
        let mut from = File::open(archive.join(name))?;
        let mut block = vec![0; 1 << 16];
        loop {
            let read = from.read(&mut block)?;
            if read == 0 {
                break;
            }
            zip.write_all(block.get(..read).unwrap_or_default())?;
        }
        // The instructions stand first, the list of what is here right behind them.
        if index == 0 {
            zip.start_file(format!("evidence/{EXPORT}"), options)?;
            zip.write_all(list.as_bytes())?;
        }
    }
    zip.finish()?.failed.map_or(Ok(()), Err)
}

/// A file that keeps its first failure for the end, and from then on only counts: what the ZIP
/// writer does when it is dropped after a failed write does not bear that it was one.
struct Steady<'a, W> {
    file: &'a mut W,
    failed: Option<Error>,
    position: u64,
    end: u64,
}

impl<W: Write + Seek> Steady<'_, W> {
    fn attempt(&mut self, act: impl FnOnce(&mut W) -> std::io::Result<()>) {
        if self.failed.is_none() {
            self.failed = act(self.file).err();
        }
    }
}

impl<W: Write + Seek> Write for Steady<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.attempt(|file| file.write_all(bytes));
        self.position += u64::try_from(bytes.len()).unwrap_or(0);
        self.end = self.end.max(self.position);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.attempt(Write::flush);
        Ok(())
    }
}

impl<W: Write + Seek> Seek for Steady<'_, W> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(offset) => self.end.checked_add_signed(offset),
        };
        self.position = position.ok_or(ErrorKind::InvalidInput)?;
        let to = SeekFrom::Start(self.position);
        self.attempt(|file| file.seek(to).map(drop));
        Ok(self.position)
    }
}

/// The files that are there: some are in few archives only. One that cannot be looked at is an
/// error, never left out.
fn present(archive: &Path, files: Vec<PathBuf>) -> Result<Vec<PathBuf>, ArchiveError> {
    let mut present = Vec::new();
    for name in files {
        let path = archive.join(&name);
        match std::fs::metadata(&path) {
            Ok(facts) if facts.is_file() => present.push(name),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(source) => return Err(ArchiveError::Read { path, source }),
        }
    }
    Ok(present)
}

fn list(archive: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), ArchiveError> {
    for name in names(&archive.join(folder))? {
        let path = folder.join(name);
        if archive.join(&path).is_dir() {
            list(archive, &path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn names(folder: &Path) -> Result<Vec<String>, ArchiveError> {
    let fail = |source| ArchiveError::Read { path: folder.to_owned(), source };
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(fail)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(fail)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of which one write fails, and those after it do not.
    struct FailsOnce {
        inner: std::io::Cursor<Vec<u8>>,
        writes_before: usize,
    }

    impl Write for FailsOnce {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let before = self.writes_before;
            self.writes_before = before.wrapping_sub(1);
            if before == 0 { Err(ErrorKind::StorageFull.into()) } else { self.inner.write(bytes) }
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Seek for FailsOnce {
        fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
            self.inner.seek(to)
        }
    }

    /// Whichever write fails, the copy is not there, and the ZIP writer, dropped in the middle,
    /// does not end the process.
    #[test]
    fn a_write_that_fails_is_told_and_ends_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for name in [README.0, SCRIPT.0] {
            store::write_atomic(&folder.path().join(name), name.as_bytes()).unwrap();
        }
        let files = [README.0.into(), SCRIPT.0.into()];
        for writes_before in 0.. {
            let mut file = FailsOnce { inner: std::io::Cursor::default(), writes_before };
            let Err(failed) = write(&mut file, folder.path(), &files, "list") else {
                assert!(writes_before > 10, "{writes_before}");
                return;
            };
            assert_eq!(failed.kind(), ErrorKind::StorageFull, "{failed}");
        }
    }
}
