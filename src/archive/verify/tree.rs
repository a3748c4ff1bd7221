//! Looks into folders without following a link, and hashes files block by block.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::Fault;
use crate::store;

/// How the names of unfinished files and folders begin.
const UNFINISHED: &str = ".tmp-";

/// What a name in a folder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file that can be read.
    File,
    /// A folder that can be entered.
    Folder,
    /// A link, a device, a name that cannot be: a fault that has been noted already.
    Unusable,
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) faults: Vec<Fault>,
    pub(super) notes: Vec<String>,
}

impl Log {
    pub(super) fn fault(&mut self, place: impl Into<String>, what: impl Into<String>) {
        self.faults.push(Fault { place: place.into(), what: what.into() });
    }

    /// Notes why a file could not be read.
    pub(super) fn unreadable(&mut self, place: &str, error: &io::Error) {
        self.fault(place, format!("cannot be read: {error}"));
    }

    /// Notes something that nobody put there in the course of things.
    pub(super) fn added(&mut self, folder: &str, name: &OsStr) {
        let unfinished = name.as_encoded_bytes().starts_with(UNFINISHED.as_bytes());
        self.fault(below(folder, name), if unfinished { "unfinished" } else { "added" });
    }

    /// Lists a folder; a fault is noted for everything that is neither a file nor a folder.
    pub(super) fn entries(&mut self, folder: &Path, place: &str) -> BTreeMap<OsString, Kind> {
        let listed = list(folder);
        let entries = listed.unwrap_or_else(|error| {
            self.unreadable(place, &error);
            BTreeMap::new()
        });
        let mut kinds = BTreeMap::new();
        for (name, kind) in entries {
            let what = if name.as_encoded_bytes().iter().any(u8::is_ascii_control) {
                Some("its name holds a control character")
            } else if kind.is_symlink() {
                Some("is a symbolic link")
            } else if !kind.is_file() && !kind.is_dir() {
                Some("is neither a file nor a folder")
            } else {
                None
            };
            let kind = match what {
                Some(what) => {
                    self.fault(below(place, &name), what);
                    Kind::Unusable
                }
                None if kind.is_dir() => Kind::Folder,
                None => Kind::File,
            };
            kinds.insert(name, kind);
        }
        kinds
    }

    /// Notes a fault unless a name is there, as the thing it should be; says whether it is.
    pub(super) fn expect(
        &mut self,
        entries: &BTreeMap<OsString, Kind>,
        place: &str,
        name: &str,
        kind: Kind,
    ) -> bool {
        let found = entries.get(OsStr::new(name)).copied();
        match found {
            None => self.fault(below(place, OsStr::new(name)), "missing"),
            Some(found) if found == kind => return true,
            Some(Kind::File) => self.fault(below(place, OsStr::new(name)), "is not a folder"),
            Some(Kind::Folder) => self.fault(below(place, OsStr::new(name)), "is not a file"),
            Some(Kind::Unusable) => {}
        }
        false
    }

    /// Reads a file that is known to be short; a fault is noted when it cannot be read.
    pub(super) fn read(&mut self, path: &Path, place: &str, limit: u64) -> Option<Vec<u8>> {
        match read(path, limit) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                self.unreadable(place, &error);
                None
            }
        }
    }
}

fn list(folder: &Path) -> io::Result<BTreeMap<OsString, std::fs::FileType>> {
    let entries = std::fs::read_dir(folder)?;
    entries
        .map(|entry| entry.and_then(|entry| Ok((entry.file_name(), entry.file_type()?))))
        .collect()
}

fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if u64::try_from(read).is_ok_and(|read| read <= limit) {
        return Ok(bytes);
    }
    Err(io::Error::other("it is larger than any that this program writes"))
}

/// SHA-256 and length of a file of any size.
pub(super) fn sum(path: &Path) -> io::Result<(String, u64)> {
    let mut file = File::open(path)?;
    let mut block = vec![0; 1 << 16];
    let mut hash = Sha256::new();
    let mut bytes = 0;
    loop {
        let read = match file.read(&mut block) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        let Some(filled) = block.get(..read).filter(|filled| !filled.is_empty()) else { break };
        hash.update(filled);
        bytes += u64::try_from(read).unwrap_or(0);
    }
    Ok((store::hex(&hash.finalize()), bytes))
}

/// The place of a name in a folder, fit for a terminal: an added name may hold anything.
pub(super) fn below(folder: &str, name: &OsStr) -> String {
    let mut place = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    for c in name.to_string_lossy().chars() {
        if c.is_control() {
            place.extend(c.escape_default());
        } else {
            place.push(c);
        }
    }
    place
}
