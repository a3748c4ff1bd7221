//! The archive: the evidence of each run, as a `BagIt` 1.0 bag (RFC 8493).
//!
//! ```text
//! evidence/bags/000042-weekly-audit-2026-11-16/
//!   bagit.txt  bag-info.txt  manifest-sha256.txt  tagmanifest-sha256.txt
//!   data/   report files, run.json, config.toml, variants/…, inputs/…
//! ```
//! A bag is there whole or not at all, is never changed, and is checked with
//! `sha256sum -c manifest-sha256.txt` and no program of ours.

pub mod head;
pub mod sign;

use std::path::{Path, PathBuf};

use crate::store::{self, Content, WriteError};

/// Folder of the bags in the archive.
const BAGS: &str = "bags";

/// Why a run could not be filed.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A folder or file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The archive holds a bag that the ledger does not know.
    #[error("`{}` is in the archive, but not in the ledger", path.display())]
    Unknown {
        /// The bag.
        path: PathBuf,
    },
    /// The folder of the bags cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What goes into a bag.
#[derive(Debug, Clone)]
pub struct Bag {
    /// Sequence number.
    pub seq: u64,
    /// Name of the folder.
    pub name: String,
    /// Lines of `bag-info.txt`: label and value.
    pub info: Vec<(&'static str, String)>,
    /// Files under `data/`: name, content, and its SHA-256 and length.
    pub files: Vec<File>,
}

/// One file of a bag.
#[derive(Debug, Clone)]
pub struct File {
    /// Name under `data/`.
    pub name: String,
    /// Content.
    pub content: Content,
    /// SHA-256 in hexadecimal digits.
    pub sha256: String,
    /// Length in bytes.
    pub bytes: u64,
}

impl File {
    /// A file of these bytes.
    pub fn new(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self {
            name: name.into(),
            sha256: store::sha256(&bytes),
            bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            content: Content::Bytes(bytes),
        }
    }
}

/// The name of a run's bag.
pub fn bag_name(seq: u64, schedule: &str, nominal: &str, revision: u32) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let date: String = nominal.chars().take_while(|c| *c != 'T').collect();
    let schedule: String = schedule.chars().map(|c| if plain(c) { c } else { '-' }).collect();
    let revision = if revision > 1 { format!("-r{revision}") } else { String::new() };
    format!("{seq:06}-{schedule}-{date}{revision}")
}

/// Writes a bag; when this returns it is on the disk.
///
/// # Errors
/// [`ArchiveError`] when the bag is there already, or the disk fails.
pub fn seal(archive: &Path, bag: &Bag) -> Result<PathBuf, ArchiveError> {
    let bags = archive.join(BAGS);
    store::create_folder(&bags)?;
    let mut manifest: Vec<String> =
        bag.files.iter().map(|file| format!("{}  data/{}\n", file.sha256, file.name)).collect();
    manifest.sort();
    let mut tags = vec![
        File::new(
            "bagit.txt",
            b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n".to_vec(),
        ),
        File::new("bag-info.txt", info(bag).into_bytes()),
        File::new("manifest-sha256.txt", manifest.concat().into_bytes()),
    ];
    let tag_manifest: String =
        tags.iter().map(|tag| format!("{}  {}\n", tag.sha256, tag.name)).collect();
    tags.push(File::new("tagmanifest-sha256.txt", tag_manifest.into_bytes()));
    let payload =
        bag.files.iter().map(|file| (format!("data/{}", file.name), file.content.clone()));
    let all: Vec<(String, Content)> =
        payload.chain(tags.into_iter().map(|tag| (tag.name, tag.content))).collect();
    let path = bags.join(&bag.name);
    store::write_folder(&path, &all)?;
    Ok(path)
}

/// Removes what writes that were cut off left, and the bag that a run was about to make when
/// its process ended: no ledger knows it, no mail names it.
///
/// # Errors
/// [`ArchiveError`] when it cannot be removed.
pub fn recover(archive: &Path, unfinished: &[String]) -> Result<(), ArchiveError> {
    let bags = archive.join(BAGS);
    store::sweep(&bags)?;
    for name in unfinished {
        store::remove_folder(&bags.join(name))?;
    }
    Ok(())
}

/// Refuses an archive with bags that the ledger does not know: an older ledger was put back,
/// or two installations share an archive, and numbers would be given twice.
///
/// # Errors
/// [`ArchiveError::Unknown`] naming the bag.
pub fn check(archive: &Path, next_seq: u64) -> Result<(), ArchiveError> {
    let bags = archive.join(BAGS);
    let fail = |source| ArchiveError::Read { path: bags.clone(), source };
    let entries = match std::fs::read_dir(&bags) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(fail)?,
    };
    for entry in entries {
        let path = entry.map_err(fail)?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let seq = name.and_then(|name| name.split('-').next()?.parse::<u64>().ok());
        if seq.is_some_and(|seq| seq >= next_seq) {
            return Err(ArchiveError::Unknown { path });
        }
    }
    Ok(())
}

fn info(bag: &Bag) -> String {
    let octets: u64 = bag.files.iter().map(|file| file.bytes).sum();
    let mut text = String::new();
    for (label, value) in &bag.info {
        // A value of several lines would be read as further labels.
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        text.push_str(&format!("{label}: {value}\n"));
    }
    text.push_str(&format!("Payload-Oxum: {octets}.{}\n", bag.files.len()));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bag(seq: u64) -> Bag {
        Bag {
            seq,
            name: bag_name(seq, "weekly.audit", "2026-11-16T07:00", 2),
            info: vec![("Source-Organization", "Contoso\nPayload-Oxum: 0.0".to_owned())],
            files: vec![File::new("report.json", b"{}".to_vec())],
        }
    }

    #[test]
    fn a_bag_has_its_sums_and_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = seal(folder.path(), &bag(42)).unwrap();
        assert!(path.ends_with("bags/000042-weekly-audit-2026-11-16-r2"), "{}", path.display());
        let manifest = std::fs::read_to_string(path.join("manifest-sha256.txt")).unwrap();
        assert_eq!(manifest, format!("{}  data/report.json\n", store::sha256(b"{}")));
        let info = std::fs::read_to_string(path.join("bag-info.txt")).unwrap();
        assert_eq!(info.lines().count(), 2, "{info}");
        assert!(info.ends_with("Payload-Oxum: 2.1\n"), "{info}");
        assert!(seal(folder.path(), &bag(42)).is_err());
    }

    #[test]
    fn an_archive_ahead_of_its_ledger_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        seal(folder.path(), &bag(3)).unwrap();
        check(folder.path(), 4).unwrap();
        assert!(matches!(check(folder.path(), 3), Err(ArchiveError::Unknown { .. })));
    }
}
