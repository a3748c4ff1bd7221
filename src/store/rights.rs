//! Who may read what is written, and what lies in its way.
//!
//! State, evidence, mails and the cache are for their owner alone: folders 0700, files 0600,
//! whatever the umask. What a person asked for by name (`report --out`, `sample`) is as open as
//! the umask lets it, at most 0755 and 0644. Where something is written no link is followed
//! that is not a folder of the settings.

use std::fs::{File, Metadata};
use std::io::{Error, ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{Mode, OFlags};
use secrecy::zeroize::Zeroizing;

/// Longest file with a secret that is read, in bytes; the longest key is far shorter.
const LONGEST_SECRET: u64 = 1 << 16;

/// What the umask of whoever called the program takes away.
static TAKEN: AtomicU32 = AtomicU32::new(0o022);

/// Who may read a file or enter a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    /// Its owner.
    Owner,
    /// Whom the umask does not keep out.
    Others,
}

impl Readers {
    fn file(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Others => 0o600 | (0o044 & !TAKEN.load(Ordering::Relaxed)),
        }
    }

    fn folder(self) -> u32 {
        match self {
            Self::Owner => 0o700,
            Self::Others => 0o700 | (0o055 & !TAKEN.load(Ordering::Relaxed)),
        }
    }
}

/// From here on all that this process and its commands make is for its owner alone, also what
/// libraries make, unless it is opened by name. Called once, before there are threads.
pub fn keep_private() {
    let before = rustix::process::umask(Mode::from_raw_mode(0o077));
    TAKEN.store(before.as_raw_mode(), Ordering::Relaxed);
}

/// Gives a file its rights.
pub(super) fn give(file: &File, readers: Readers) -> std::io::Result<()> {
    file.set_permissions(std::fs::Permissions::from_mode(readers.file()))
}

/// Gives a folder that was just made its rights.
pub(super) fn give_folder(path: &Path, readers: Readers) -> std::io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    folder.set_permissions(std::fs::Permissions::from_mode(readers.folder()))
}

/// Makes a folder and those above it where they are missing; those that are there keep their
/// rights.
pub(super) fn make_folder(path: &Path, readers: Readers) -> std::io::Result<()> {
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    let make = || std::fs::DirBuilder::new().mode(readers.folder()).create(path);
    let made = match (make(), path.parent()) {
        (Err(error), Some(parent)) if error.kind() == ErrorKind::NotFound => {
            make_folder(parent, readers)?;
            make()
        }
        (made, _) => made,
    };
    match made {
        Ok(()) => give_folder(path, readers),
        Err(_) if path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Refuses a link.
pub(super) fn no_link(path: &Path) -> std::io::Result<()> {
    match path.symlink_metadata() {
        Ok(facts) if facts.is_symlink() => Err(link()),
        _ => Ok(()),
    }
}

fn link() -> Error {
    let what = "it is a symbolic link, and none is followed where something is written: remove it";
    Error::new(ErrorKind::InvalidInput, what)
}

/// Opens a file that is locked, never emptied; makes it where it is missing.
///
/// # Errors
/// What the system says, and where it is a link or no file.
pub fn open_lock(path: &Path) -> std::io::Result<File> {
    // Not to wait for whoever reads a pipe.
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR);
    let file =
        File::from(opened.map_err(|error| {
            if error == rustix::io::Errno::LOOP { link() } else { error.into() }
        })?);
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(Error::new(ErrorKind::InvalidInput, "it is no file: remove it"))
}

/// Says whether a file with a secret in it is there and nobody else's to read. It is not opened:
/// who looks at settings need not be who may read it.
///
/// # Errors
/// A sentence that names the file.
pub fn check_private(path: &Path) -> Result<(), String> {
    let facts = std::fs::metadata(path);
    judge_private(path, &facts.map_err(|error| unreadable(path, &error))?)
}

/// Reads a file with a secret in it, which must be nobody else's to read. It is looked at after
/// it was opened, so that it is the same file that is read.
///
/// # Errors
/// A sentence that names the file, and nothing that is in it.
pub fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let fail = |error: Error| unreadable(path, &error);
    // Not to wait for whoever writes into a pipe.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty());
    let mut file = File::from(opened.map_err(|error| fail(error.into()))?);
    let facts = file.metadata().map_err(fail)?;
    judge_private(path, &facts)?;
    // Room for all of it: a buffer that grows leaves copies behind.
    let room = usize::try_from(facts.len()).unwrap_or(0) + 64;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.read_to_end(&mut bytes).map_err(fail)?;
    Ok(bytes)
}

fn unreadable(path: &Path, error: &Error) -> String {
    format!("cannot read `{}`: {error}", path.display())
}

fn judge_private(path: &Path, facts: &Metadata) -> Result<(), String> {
    if !facts.is_file() {
        return Err(format!("`{}` is no file", path.display()));
    }
    if facts.len() > LONGEST_SECRET {
        return Err(format!("`{}` is longer than {LONGEST_SECRET} bytes", path.display()));
    }
    let mode = facts.permissions().mode() & 0o777;
    // systemd gives a unit its credentials in a folder of its own, readable by its group.
    let given = std::env::var_os("CREDENTIALS_DIRECTORY");
    let others = if given.is_some_and(|folder| path.starts_with(folder)) { 0o007 } else { 0o077 };
    if mode & others == 0 {
        return Ok(());
    }
    Err(format!("`{}` can be read by others (mode {mode:03o}, expected 600)", path.display()))
}

/// From here on no core dump is made of this process and those that it starts, and nobody but
/// root looks into its memory: the password of the relay may be there. Where the system refuses,
/// it is as it was.
pub fn keep_memory_private() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).ok();
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn folders_get_their_rights_and_keep_those_that_they_have() {
        let top = tempfile::tempdir().unwrap();
        let inner = top.path().join("a/b");
        make_folder(&inner, Readers::Owner).unwrap();
        assert_eq!((mode(&top.path().join("a")), mode(&inner)), (0o700, 0o700));
        std::fs::set_permissions(&inner, std::fs::Permissions::from_mode(0o750)).unwrap();
        make_folder(&inner, Readers::Owner).unwrap();
        assert_eq!(mode(&inner), 0o750, "its owner opened it");
        make_folder(&top.path().join("c"), Readers::Others).unwrap();
        assert_eq!(mode(&top.path().join("c")), 0o755);
        File::create(top.path().join("d")).unwrap();
        assert!(make_folder(&top.path().join("d"), Readers::Owner).is_err(), "a file");
    }

    #[test]
    fn a_lock_is_a_file_and_no_link_to_one() {
        let top = tempfile::tempdir().unwrap();
        let (target, lock) = (top.path().join("target"), top.path().join("lock"));
        std::os::unix::fs::symlink(&target, &lock).unwrap();
        let error = open_lock(&lock).unwrap_err().to_string();
        assert!(error.contains("symbolic link") && !target.exists(), "{error}");
        std::fs::remove_file(&lock).unwrap();
        open_lock(&lock).unwrap();
        assert_eq!(mode(&lock), 0o600);
        assert!(open_lock(top.path()).is_err(), "a folder");
    }
}
