//! ZIP archives: opened once, hashed once, and refused where they promise too much.
//!
//! | limit | what is refused |
//! |---|---|
//! | [`MOST_MEMBERS`] | an archive of more members |
//! | [`MOST_DIRECTORY`] | a list of members that is longer, before it fills the memory |
//! | `open::most_unpacked` | members that unpack to more, all together |
//! | each byte belongs to one member | members that overlap, as in archives that unpack without end |
//! | a name is one member's | a second member of a name, which would hide the first |
//!
//! A member that unpacks to more than the list says is damaged; the decoder notices.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use zip::result::ZipError;

use crate::ingest::IngestError;
use crate::ingest::files::Input;
use crate::ingest::open::{self, Digested};

/// Most files and folders in an archive.
const MOST_MEMBERS: usize = 10_000;
/// Most bytes that are read to learn what an archive holds.
const MOST_DIRECTORY: u64 = 16 << 20;

/// Why an archive is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ZipFault {
    /// Too many members.
    #[error("it has {0} members, and at most {MOST_MEMBERS} are read")]
    Members(usize),
    /// The list of members is too long.
    #[error("its list of members takes more than {} MiB", MOST_DIRECTORY >> 20)]
    Directory,
    /// A byte belongs to two members.
    #[error("its members overlap, as those of no honest archive do")]
    Overlap,
    /// Two members have one name.
    #[error("two of its members have the same name")]
    SameName,
}

/// One member of an archive.
#[derive(Debug, Clone)]
pub(super) struct Member {
    archive: Arc<Archive>,
    index: usize,
}

/// What all members of an archive share, so that it is not read again for each.
#[derive(Debug)]
struct Archive {
    /// Its list of members; the file itself is opened where a member is read.
    opened: zip::ZipArchive<Reopened>,
    digested: OnceLock<Digested>,
}

/// The files in an archive, folders left out.
///
/// # Errors
/// [`IngestError::Corrupt`] when the archive has no readable list of members,
/// [`IngestError::Zip`] or [`IngestError::Unpacked`] when it is refused.
pub(super) fn members(input: &Input) -> Result<Vec<Input>, IngestError> {
    let refused = |fault| IngestError::Zip { file: input.name.clone(), source: fault };
    let damaged = |error| open::corrupt(input, plain(error));
    let mut reader = Reopened::new(&input.path);
    reader.left = Some(MOST_DIRECTORY);
    let opened = zip::ZipArchive::new(reader).map_err(plain).map_err(|error| {
        if is_too_long(&error) { refused(ZipFault::Directory) } else { open::corrupt(input, error) }
    })?;
    if opened.len() > MOST_MEMBERS {
        return Err(refused(ZipFault::Members(opened.len())));
    }
    if opened.has_duplicate_names() {
        return Err(refused(ZipFault::SameName));
    }
    // What is read from here on grows with the number of members only.
    let mut opened = opened.clone();
    if opened.has_overlapping_entries().map_err(damaged)? {
        return Err(refused(ZipFault::Overlap));
    }
    let mut found = Vec::new();
    let mut unpacked = 0_u64;
    for index in 0..opened.len() {
        let member = opened.by_index_raw(index).map_err(damaged)?;
        if member.is_file() {
            let inner = member.name().map_err(damaged)?.into_owned();
            unpacked = unpacked.saturating_add(member.size());
            found.push((index, inner));
        }
    }
    open::check_unpacked(input, unpacked)?;
    let archive = Arc::new(Archive { opened: opened.clone(), digested: OnceLock::new() });
    let mut members: Vec<Input> = found
        .into_iter()
        .map(|(index, inner)| Input {
            name: format!("{}/{inner}", input.name),
            member: Some(Member { archive: archive.clone(), index }),
            // Of several members some may be no trace, as in a folder.
            named: false,
            ..input.clone()
        })
        .collect();
    if let [only] = members.as_mut_slice() {
        only.name.clone_from(&input.name);
        only.named = input.named;
    }
    Ok(members)
}

impl Member {
    /// Calls `read` with the bytes of the member.
    ///
    /// # Errors
    /// What `read` returns, or [`IngestError`] when the member cannot be read.
    pub(super) fn with_bytes<T>(
        &self,
        input: &Input,
        read: impl FnOnce(&mut dyn Read) -> Result<T, IngestError>,
    ) -> Result<T, IngestError> {
        let mut archive = self.archive.opened.clone();
        let member = archive.by_index(self.index).map_err(plain);
        let mut member = member.map_err(|error| open::corrupt(input, error))?;
        read(&mut member)
    }

    /// SHA-256 and length of the archive.
    ///
    /// # Errors
    /// [`IngestError::Read`] when it cannot be read.
    pub(super) fn digest(&self, input: &Input) -> Result<Digested, IngestError> {
        if let Some(digested) = self.archive.digested.get() {
            return Ok(digested.clone());
        }
        let digested = open::digest(input)?;
        Ok(self.archive.digested.get_or_init(|| digested).clone())
    }
}

/// A file that is opened when it is read. A copy of it is closed, so that thousands of archives
/// do not take as many open files.
#[derive(Debug)]
struct Reopened {
    path: PathBuf,
    file: Option<BufReader<File>>,
    /// How much more may be read, where that is bounded.
    left: Option<u64>,
}

impl Reopened {
    fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), file: None, left: None }
    }

    fn file(&mut self) -> std::io::Result<&mut BufReader<File>> {
        Ok(match &mut self.file {
            Some(file) => file,
            closed => closed.insert(BufReader::new(File::open(&self.path)?)),
        })
    }
}

impl Clone for Reopened {
    fn clone(&self) -> Self {
        Self::new(&self.path)
    }
}

/// What the system said stays what it said.
fn plain(error: ZipError) -> std::io::Error {
    match error {
        ZipError::Io(error) => error,
        other => other.into(),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the list of members is too long")]
struct TooLong;

fn is_too_long(error: &std::io::Error) -> bool {
    error.get_ref().and_then(|inner| inner.downcast_ref::<TooLong>()).is_some()
}

impl Read for Reopened {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.file()?.read(buffer)?;
        if let Some(left) = &mut self.left {
            let read = u64::try_from(length).unwrap_or(u64::MAX);
            *left = left.checked_sub(read).ok_or_else(|| std::io::Error::other(TooLong))?;
        }
        Ok(length)
    }
}

impl Seek for Reopened {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.file()?.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// However many members there are, the archive is hashed once.
    #[test]
    fn an_archive_is_hashed_for_the_first_member_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.zip");
        let mut writer = zip::ZipWriter::new(File::create(&path).unwrap());
        for name in ["a", "b"] {
            writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(b"text").unwrap();
        }
        writer.finish().unwrap();
        let found = crate::ingest::files::expand(&[path.display().to_string()], None);
        let members = members(&found.unwrap()[0]).unwrap();
        let digest = |input: &Input| input.member.as_ref().unwrap().digest(input);
        let first = digest(&members[0]).unwrap();
        crate::store::remove_file(&path).unwrap();
        assert_eq!(digest(&members[1]).unwrap(), first);
    }
}
