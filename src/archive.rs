//! The archive: the evidence of each run, which anybody can check without us.
//!
//! ```text
//! evidence/
//!   README-AUDITORS.txt  verify.sh  allowed_signers
//!   bags/000042-weekly-audit-2026-11-16/     a BagIt 1.0 bag (RFC 8493)
//!     bagit.txt  bag-info.txt  manifest-sha256.txt  tagmanifest-sha256.txt
//!     data/   report files, run.json, settings.toml, variants/…, inputs/…, deliveries/…
//!   chain/000042.head  000042.head.sig       what binds the bags together
//! ```
//! A bag and its head are there whole or not at all, and are never changed. The order of
//! writing is: bag, signature, head; a head is the last thing to appear.

pub mod export;
pub mod head;
pub mod sign;
pub mod stamp;
pub mod tombstone;
pub mod verify;

use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, Utc};

use self::head::Head;
use self::sign::{SignError, Signer};
use crate::clock::limit;
use crate::store::{self, Content, WriteError};

/// Folder of the bags in the archive.
pub const BAGS: &str = "bags";
/// Folder of the heads in the archive.
pub const CHAIN: &str = "chain";
/// File of the keys that may sign.
pub const SIGNERS: &str = "allowed_signers";
/// What an auditor reads first.
pub const README: (&str, &str) =
    ("README-AUDITORS.txt", include_str!("../templates/archive/README-AUDITORS.txt"));
/// The script that needs no program of ours.
pub const SCRIPT: (&str, &str) = ("verify.sh", include_str!("../templates/archive/verify.sh"));
/// Free space that must be left beside what a bag needs, in bytes.
const SPARE: u64 = 16 * 1024 * 1024;

/// Why a run could not be filed.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A folder or file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The head could not be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The archive holds a bag or head that the ledger does not know.
    #[error("`{}` is in the archive, but not in the ledger", path.display())]
    Unknown {
        /// The bag or head.
        path: PathBuf,
    },
    /// The newest head that the ledger knows is not the one in the archive.
    #[error("`{}` is not the head that the ledger knows", path.display())]
    Changed {
        /// The head.
        path: PathBuf,
    },
    /// Not enough space.
    #[error("`{}` has {free} bytes left (expected {needed})", path.display())]
    Space {
        /// The archive.
        path: PathBuf,
        /// Bytes that are free.
        free: u64,
        /// Bytes that the bag needs.
        needed: u64,
    },
    /// A file or folder cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Where a bag stands in the chain: known before the bag is made, so that its report can
/// print it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Sequence number.
    pub seq: u64,
    /// SHA-256 of the head before; [`head::NONE`] for the first.
    pub previous_head_sha256: String,
    /// SHA-256 of its signature.
    pub previous_sig_sha256: String,
}

/// A bag that is on the disk with its head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The bag.
    pub path: PathBuf,
    /// Its head.
    pub head: Head,
}

/// What goes into a bag.
#[derive(Debug, Clone)]
pub struct Bag {
    /// Name of the folder.
    pub name: String,
    /// Which run it holds, as in the head.
    pub run: String,
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

/// The place after the newest head. `known` is that head as the ledger knows it.
///
/// # Errors
/// [`ArchiveError::Changed`] when the archive holds another one: it must not be built upon.
pub fn place(archive: &Path, known: Option<(u64, &str)>) -> Result<Place, ArchiveError> {
    let Some((seq, sha256)) = known else {
        let none = head::NONE.to_owned();
        return Ok(Place { seq: 1, previous_head_sha256: none.clone(), previous_sig_sha256: none });
    };
    let path = archive.join(CHAIN).join(head::file_name(seq));
    let text = std::fs::read(&path);
    if text.is_err() || text.is_ok_and(|text| store::sha256(&text) != sha256) {
        return Err(ArchiveError::Changed { path });
    }
    Ok(Place {
        seq: seq + 1,
        previous_head_sha256: sha256.to_owned(),
        previous_sig_sha256: sig_sha256(&path)?,
    })
}

fn sig_sha256(head: &Path) -> Result<String, ArchiveError> {
    let path = head.with_extension("head.sig");
    match std::fs::read(&path) {
        Ok(sig) => Ok(store::sha256(&sig)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(head::NONE.to_owned()),
        Err(source) => Err(ArchiveError::Read { path, source }),
    }
}

/// Writes a bag and its head; when this returns both are on the disk.
///
/// # Errors
/// [`ArchiveError`] when the bag is there already, the disk is full or fails, or the time is over
/// before all files are written; once they are, the head follows whatever the time.
pub fn seal(
    archive: &Path,
    bag: &Bag,
    place: &Place,
    signer: Option<&Signer>,
    time: DateTime<Utc>,
) -> Result<Sealed, ArchiveError> {
    let chain = archive.join(CHAIN);
    store::create_folder(archive)?;
    for folder in [&archive.join(BAGS), &chain] {
        store::create_own_folder(folder)?;
    }
    check_space(archive, bag)?;
    introduce(archive, signer)?;
    let (path, tag_manifest_sha256) = write_bag(archive, bag)?;
    let head = Head {
        seq: place.seq,
        bag: bag.name.clone(),
        run: bag.run.clone(),
        time: time.to_rfc3339_opts(SecondsFormat::Secs, true),
        tag_manifest_sha256,
        previous_head_sha256: place.previous_head_sha256.clone(),
        previous_sig_sha256: place.previous_sig_sha256.clone(),
        key: signer.map_or_else(|| head::UNSIGNED.to_owned(), Signer::fingerprint),
    };
    store::step("bag sealed");
    let text = head.text();
    let file = chain.join(head::file_name(place.seq));
    if let Some(signer) = signer {
        let signature = signer.sign(text.as_bytes())?;
        store::write_atomic(&file.with_extension("head.sig"), signature.as_bytes())?;
    }
    store::write_atomic(&file, text.as_bytes())?;
    Ok(Sealed { path, head })
}

/// Writes a bag alone; without a head it is no evidence yet. Gives its folder, and the
/// SHA-256 of its tag manifest.
///
/// # Errors
/// [`ArchiveError`] when the bag is there already, or the disk fails.
pub fn write_bag(archive: &Path, bag: &Bag) -> Result<(PathBuf, String), ArchiveError> {
    let bags = archive.join(BAGS);
    store::create_folder(archive)?;
    store::create_own_folder(&bags)?;
    let (files, tag_manifest_sha256) = contents(bag);
    let path = bags.join(&bag.name);
    store::write_folder(&path, &files, &|| limit::check("sealing"))?;
    Ok((path, tag_manifest_sha256))
}

/// The files of a bag with its manifests, and the SHA-256 of the last of them.
fn contents(bag: &Bag) -> (Vec<(String, Content)>, String) {
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
    let list: String = tags.iter().map(|tag| format!("{}  {}\n", tag.sha256, tag.name)).collect();
    tags.push(File::new("tagmanifest-sha256.txt", list.into_bytes()));
    let sha256 = tags.last().map(|tag| tag.sha256.clone()).unwrap_or_default();
    let payload =
        bag.files.iter().map(|file| (format!("data/{}", file.name), file.content.clone()));
    (payload.chain(tags.into_iter().map(|tag| (tag.name, tag.content))).collect(), sha256)
}

/// Writes what an auditor needs to begin with, and the key that signs from now on. A key
/// that signed once stays in the list.
fn introduce(archive: &Path, signer: Option<&Signer>) -> Result<(), ArchiveError> {
    for (name, text) in [README, SCRIPT] {
        let path = archive.join(name);
        if std::fs::read(&path).ok().as_deref() != Some(text.as_bytes()) {
            store::write_atomic(&path, text.as_bytes())?;
        }
    }
    let Some(signer) = signer else { return Ok(()) };
    let path = archive.join(SIGNERS);
    let known = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        other => other.map_err(|source| ArchiveError::Read { path: path.clone(), source })?,
    };
    let line = signer.allowed_signer()?;
    if !known.lines().any(|known| known == line) {
        store::write_atomic(&path, format!("{known}{line}\n").as_bytes())?;
    }
    Ok(())
}

/// Twice what the bag needs must be free: a copy that fails halfway fills the disk for all.
fn check_space(archive: &Path, bag: &Bag) -> Result<(), ArchiveError> {
    let octets: u64 = bag.files.iter().map(|file| file.bytes).sum();
    let needed = octets.saturating_mul(2).saturating_add(SPARE);
    let free = match rustix::fs::statvfs(archive) {
        Ok(facts) => facts.f_bavail.saturating_mul(facts.f_frsize),
        Err(error) => {
            let source = error.into();
            return Err(ArchiveError::Read { path: archive.to_owned(), source });
        }
    };
    if free >= needed {
        return Ok(());
    }
    Err(ArchiveError::Space { path: archive.to_owned(), free, needed })
}

/// Removes what writes that were cut off left, and bags that a run was about to make when its
/// process ended: without a head they are no evidence, and nobody has seen them. A bag that
/// has its head is kept: gives those.
///
/// # Errors
/// [`ArchiveError`] when something cannot be read or removed.
pub fn recover(archive: &Path, unfinished: &[String]) -> Result<Vec<Sealed>, ArchiveError> {
    let (bags, chain) = (archive.join(BAGS), archive.join(CHAIN));
    for folder in [archive, &bags, &chain] {
        store::sweep(folder)?;
    }
    let mut whole = Vec::new();
    for name in unfinished {
        let Some(seq) = seq_of(name) else { continue };
        let file = chain.join(head::file_name(seq));
        let head = std::fs::read_to_string(&file).ok().and_then(|text| Head::parse(&text).ok());
        match head.filter(|head| head.bag == *name) {
            Some(head) => whole.push(Sealed { path: bags.join(name), head }),
            None if file.exists() => {}
            None => {
                store::remove_folder(&bags.join(name))?;
                store::remove_file(&file.with_extension("head.sig"))?;
            }
        }
    }
    Ok(whole)
}

/// Refuses an archive with bags or heads that the ledger does not know: an older ledger was
/// put back, or two installations share an archive, and numbers would be given twice.
///
/// # Errors
/// [`ArchiveError::Unknown`] naming the bag or head.
pub fn check(archive: &Path, next_seq: u64) -> Result<(), ArchiveError> {
    for folder in [archive.join(BAGS), archive.join(CHAIN)] {
        let fail = |source| ArchiveError::Read { path: folder.clone(), source };
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            other => other.map_err(fail)?,
        };
        for entry in entries {
            let path = entry.map_err(fail)?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            if name.and_then(|name| seq_of(&name)).is_some_and(|seq| seq >= next_seq) {
                return Err(ArchiveError::Unknown { path });
            }
        }
    }
    Ok(())
}

/// The messages that a bag holds as they were sent, by Message-ID.
pub fn delivered(bag: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(bag.join("data/deliveries"));
    let names = entries.into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.filter_map(|name| Some(name.to_str()?.strip_suffix(".eml")?.to_owned())).collect()
}

/// The number with which the name of a bag or head begins.
pub fn seq_of(name: &str) -> Option<u64> {
    name.split(['-', '.']).next()?.parse().ok()
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
            name: bag_name(seq, "weekly.audit", "2026-11-16T07:00", 2),
            run: "weekly.audit/2026-11-16T07:00r2".to_owned(),
            info: vec![("Source-Organization", "Contoso\nPayload-Oxum: 0.0".to_owned())],
            files: vec![File::new("report.json", b"{}".to_vec())],
        }
    }

    fn sealed(archive: &Path, known: Option<(u64, &str)>) -> Sealed {
        let place = place(archive, known).unwrap();
        seal(archive, &bag(place.seq), &place, None, DateTime::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn a_bag_has_its_sums_and_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let first = sealed(folder.path(), None);
        let path = &first.path;
        assert!(path.ends_with("bags/000001-weekly-audit-2026-11-16-r2"), "{}", path.display());
        let manifest = std::fs::read_to_string(path.join("manifest-sha256.txt")).unwrap();
        assert_eq!(manifest, format!("{}  data/report.json\n", store::sha256(b"{}")));
        let info = std::fs::read_to_string(path.join("bag-info.txt")).unwrap();
        assert_eq!(info.lines().count(), 2, "{info}");
        assert!(info.ends_with("Payload-Oxum: 2.1\n"), "{info}");
        let place = place(folder.path(), None).unwrap();
        assert!(seal(folder.path(), &bag(1), &place, None, DateTime::UNIX_EPOCH).is_err());
    }

    #[test]
    fn each_head_names_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let first = sealed(folder.path(), None).head;
        let second = sealed(folder.path(), Some((1, &first.sha256()))).head;
        assert_eq!(second.previous_head_sha256, first.sha256());
        let changed = place(folder.path(), Some((2, &first.sha256())));
        assert!(matches!(changed, Err(ArchiveError::Changed { .. })));
    }

    #[test]
    fn an_archive_ahead_of_its_ledger_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        sealed(folder.path(), None);
        check(folder.path(), 2).unwrap();
        assert!(matches!(check(folder.path(), 1), Err(ArchiveError::Unknown { .. })));
    }

    #[test]
    fn what_a_crash_left_is_removed_and_what_has_its_head_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let first = sealed(folder.path(), None);
        let half = bag(2).name;
        store::create_folder(&folder.path().join(BAGS).join(&half)).unwrap();
        let whole = recover(folder.path(), &[first.head.bag.clone(), half]).unwrap();
        assert_eq!(whole, [first]);
        check(folder.path(), 2).unwrap();
    }

    #[test]
    fn a_disk_without_space_is_told_before_anything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut large = bag(1);
        large.files[0].bytes = u64::MAX / 4;
        let place = place(folder.path(), None).unwrap();
        let refused = seal(folder.path(), &large, &place, None, DateTime::UNIX_EPOCH);
        assert!(matches!(refused, Err(ArchiveError::Space { .. })));
        assert_eq!(std::fs::read_dir(folder.path().join(BAGS)).unwrap().count(), 0);
    }
}
