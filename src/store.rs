//! The only file writer of the program.
//!
//! A file is either wholly there under its name or not at all: it is written beside its
//! place, flushed to the disk, and renamed. A symbolic link at the target is replaced,
//! never followed. All is for its owner alone, unless it is *open*: `report --out`, `sample`.

mod rights;
mod scratch;

use std::fs::File;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use self::rights::Readers;
pub use self::rights::{check_private, keep_memory_private, keep_private, open_lock, read_private};
pub use self::scratch::{Scratch, ScratchError};

/// How the names of unfinished files and folders begin.
const UNFINISHED: &str = ".tmp-";

/// Removes a folder with all it holds; a missing one is no error. It is there whole or not at
/// all: it loses its name first, and what is then left when removing fails goes with [`sweep`].
///
/// # Errors
/// [`WriteError`] naming the folder.
pub fn remove_folder(path: &Path) -> Result<(), WriteError> {
    let remove = || {
        let unfinished = beside(path);
        absent_is_well(std::fs::remove_dir_all(&unfinished))?;
        std::fs::rename(path, &unfinished)?;
        io_step("folder unnamed")?;
        flush_names(path)?;
        std::fs::remove_dir_all(&unfinished)?;
        io_step("folder removed")
    };
    absent_is_well(remove()).map_err(|source| WriteError { path: path.to_owned(), source })
}

fn absent_is_well(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Removes a file; a missing one is no error.
///
/// # Errors
/// [`WriteError`] naming the file.
pub fn remove_file(path: &Path) -> Result<(), WriteError> {
    absent_is_well(std::fs::remove_file(path))
        .and_then(|()| io_step("file removed"))
        .map_err(|source| WriteError { path: path.to_owned(), source })
}

/// Marks a moment between two steps that must not be lost together. A test ends the process
/// at each of them in turn: `INTRANSIT_ABORT_AT=7` at the seventh. Nothing in release builds.
pub fn step(name: &str) {
    #[cfg(debug_assertions)]
    steps::pass(name);
    #[cfg(not(debug_assertions))]
    let _ = name;
}

/// Marks a place, in a thread above all, at which a test has the program stop itself by a
/// panic: `INTRANSIT_PANIC_IN=settling`. Nothing in release builds.
pub fn may_panic(place: &str) {
    #[cfg(debug_assertions)]
    steps::may_panic("INTRANSIT_PANIC_IN", place);
    #[cfg(not(debug_assertions))]
    let _ = place;
}

/// As [`may_panic`], or the process ends as by kill -9: `INTRANSIT_ABORT_IN=weekly`.
pub fn may_end(place: &str) {
    #[cfg(debug_assertions)]
    steps::may_abort(place);
    may_panic(place);
}

/// A bound that no test reaches in a reasonable time, or the lower one that a test asks for.
/// Nothing in release builds.
pub fn lowered(variable: &str, bound: usize) -> usize {
    #[cfg(debug_assertions)]
    if let Some(lower) = std::env::var(variable).ok().and_then(|lower| lower.parse().ok()) {
        return bound.min(lower);
    }
    let _ = variable;
    bound
}

/// A [`step`] at which the disk may fail, too: a test lets each of them fail in turn,
/// `INTRANSIT_FAIL_AT=7` the seventh.
fn io_step(name: &str) -> std::io::Result<()> {
    step(name);
    #[cfg(debug_assertions)]
    return steps::may_fail(name);
    #[cfg(not(debug_assertions))]
    Ok(())
}

#[cfg(debug_assertions)]
mod steps {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static PASSED: AtomicU64 = AtomicU64::new(0);
    static LAST: OnceLock<Option<u64>> = OnceLock::new();

    /// Panics where a test asks for it: at a step by its number, at a place by its name.
    pub(super) fn may_panic(variable: &str, here: &str) {
        let asked = std::env::var(variable).is_ok_and(|place| place == here);
        assert!(!asked, "made to stop at {here}");
    }

    static TRIED: AtomicU64 = AtomicU64::new(0);
    static FAILS: OnceLock<Option<u64>> = OnceLock::new();

    /// Says so itself: that what can be made again could not be kept is not said by all.
    pub(super) fn may_fail(name: &str) -> std::io::Result<()> {
        let read = || std::env::var("INTRANSIT_FAIL_AT").ok()?.parse().ok();
        let tried = TRIED.fetch_add(1, Ordering::SeqCst) + 1;
        if *FAILS.get_or_init(read) == Some(tried) {
            use std::io::Write;
            let said = format!("made to fail at step {tried}: {name}");
            drop(writeln!(std::io::stderr(), "{said}"));
            return Err(std::io::Error::other(said));
        }
        Ok(())
    }

    pub(super) fn may_abort(here: &str) {
        if std::env::var("INTRANSIT_ABORT_IN").is_ok_and(|place| place == here) {
            std::process::abort();
        }
    }

    pub(super) fn pass(name: &str) {
        let read = || std::env::var("INTRANSIT_ABORT_AT").ok()?.parse().ok();
        let passed = PASSED.fetch_add(1, Ordering::SeqCst) + 1;
        if *LAST.get_or_init(read) == Some(passed) {
            use std::io::Write;
            // The name goes to whoever listens; then everything ends, as by kill -9.
            drop(writeln!(std::io::stderr(), "aborted at step {passed}: {name}"));
            std::process::abort();
        }
        if std::env::var_os("INTRANSIT_PANIC_AT").is_some() {
            may_panic("INTRANSIT_PANIC_AT", &passed.to_string());
        }
    }
}

/// What goes into a file of a new folder.
#[derive(Debug, Clone)]
pub enum Content {
    /// These bytes.
    Bytes(Vec<u8>),
    /// A copy of a file, which must still have this SHA-256.
    Copy {
        /// The file.
        from: PathBuf,
        /// SHA-256 in hexadecimal digits.
        sha256: String,
    },
}

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write `{}`", path.display())]
pub struct WriteError {
    /// The file or folder that was to be written.
    pub path: PathBuf,
    /// What the system said.
    pub source: std::io::Error,
}

/// Writes `bytes` as the whole content of `path`, for its owner alone, replacing what was there.
///
/// # Errors
/// [`WriteError`] when the folder is missing, the disk is full, or a right is missing;
/// the old content is then still whole.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    write_with(path, |file| file.write_all(bytes))
}

/// As [`write_atomic`], a file that others may read whom the umask does not keep out.
///
/// # Errors
/// As [`write_atomic`].
pub fn write_open(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    put(path, Readers::Others, |file| file.write_all(bytes))
        .map_err(|source| WriteError { path: path.to_owned(), source })
}

/// As [`write_with`], for what can be made again: not flushed to the disk, so that after a
/// power cut the file may hold anything. Whoever reads it must be able to tell.
///
/// # Errors
/// As [`write_with`].
pub fn write_lightly_with(
    path: &Path,
    fill: impl FnOnce(&mut File) -> std::io::Result<()>,
) -> Result<(), WriteError> {
    let write = || {
        let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder_of(path))?;
        io_step("light file made")?;
        rights::give(file.as_file(), Readers::Owner)?;
        fill(file.as_file_mut())?;
        file.persist(path).map_err(|failed| failed.error)?;
        io_step("light file named")
    };
    write().map_err(|source| WriteError { path: path.to_owned(), source })
}

/// As [`write_lightly_with`], of bytes that are there.
///
/// # Errors
/// As [`write_atomic`].
pub fn write_lightly(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    write_lightly_with(path, |file| file.write_all(bytes))
}

/// Writes a file through `fill`, replacing what was there: whole, or not at all.
///
/// # Errors
/// [`WriteError`] when `fill` fails, or the file cannot be put in its place.
pub fn write_with(
    path: &Path,
    fill: impl FnOnce(&mut File) -> std::io::Result<()>,
) -> Result<(), WriteError> {
    put(path, Readers::Owner, fill).map_err(|source| WriteError { path: path.to_owned(), source })
}

/// Creates a folder that only its owner may enter, and its parents, where they are missing.
///
/// # Errors
/// [`WriteError`] naming the folder.
pub fn create_folder(path: &Path) -> Result<(), WriteError> {
    rights::make_folder(path, Readers::Owner)
        .map_err(|source| WriteError { path: path.to_owned(), source })
}

/// As [`create_folder`], within a folder of ours: nobody has a reason to put a link there.
///
/// # Errors
/// As [`create_folder`], and when it is a link.
pub fn create_own_folder(path: &Path) -> Result<(), WriteError> {
    rights::make_folder(path, Readers::Owner)
        .and_then(|()| rights::no_link(path))
        .map_err(|source| WriteError { path: path.to_owned(), source })
}

/// Creates a folder that others may enter whom the umask does not keep out, and its parents.
///
/// # Errors
/// [`WriteError`] naming the folder.
pub fn create_open_folder(path: &Path) -> Result<(), WriteError> {
    rights::make_folder(path, Readers::Others)
        .map_err(|source| WriteError { path: path.to_owned(), source })
}

/// Removes what writes that were cut off left in a folder; a missing folder is clean.
///
/// # Errors
/// [`WriteError`] naming what could not be removed.
pub fn sweep(folder: &Path) -> Result<(), WriteError> {
    let fail = |path: &Path, source| WriteError { path: path.to_owned(), source };
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(|source| fail(folder, source))?,
    };
    for entry in entries {
        let path = entry.map_err(|source| fail(folder, source))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        if !name.is_some_and(|name| name.starts_with(UNFINISHED)) {
            continue;
        }
        let removed = if path.is_dir() && !path.is_symlink() {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        removed.map_err(|source| fail(&path, source))?;
    }
    Ok(())
}

/// Writes files into a new folder that appears under its name whole or not at all.
///
/// Names may hold folders. Every file, then every folder is flushed before the folder gets
/// its name; one that is there already is never touched. `go_on` is asked before each file and
/// each block of a copy, and ends the writing where it fails.
///
/// # Errors
/// [`WriteError`] when the folder is there already, the disk is full, a right is missing, or
/// `go_on` says no.
pub fn write_folder(
    path: &Path,
    files: &[(String, Content)],
    go_on: &dyn Fn() -> std::io::Result<()>,
) -> Result<(), WriteError> {
    let write = || {
        // A name that nobody can guess, and that goes by itself where this fails.
        let unfinished = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(folder_of(path))?;
        rights::give_folder(unfinished.path(), Readers::Owner)?;
        fill(unfinished.path(), files, go_on)?;
        take_name(unfinished, path)
    };
    write().map_err(|source| WriteError { path: path.to_owned(), source })
}

fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!("{UNFINISHED}{name}"))
}

fn fill(
    folder: &Path,
    files: &[(String, Content)],
    go_on: &dyn Fn() -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mut folders = std::collections::BTreeSet::from([folder.to_owned()]);
    for (name, content) in files {
        go_on()?;
        let path = folder.join(name);
        for above in path.ancestors().skip(1).take_while(|above| *above != folder) {
            folders.insert(above.to_owned());
        }
        if let Some(parent) = path.parent() {
            rights::make_folder(parent, Readers::Owner)?;
        }
        let mut file = File::options().write(true).create_new(true).open(&path)?;
        match content {
            Content::Bytes(bytes) => file.write_all(bytes)?,
            Content::Copy { from, sha256 } => copy(from, sha256, &mut file, go_on)?,
        }
        rights::give(&file, Readers::Owner)?;
        file.sync_all()?;
        io_step("file of a folder written")?;
    }
    folders.iter().rev().try_for_each(|folder| File::open(folder)?.sync_all())
}

/// Copies a file that must still be what it was when it was read.
fn copy(
    from: &Path,
    sha256: &str,
    to: &mut File,
    go_on: &dyn Fn() -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mut from = std::io::BufReader::with_capacity(1 << 16, File::open(from)?);
    let mut hash = Sha256::new();
    loop {
        go_on()?;
        let block = from.fill_buf()?;
        if block.is_empty() {
            break;
        }
        hash.update(block);
        to.write_all(block)?;
        let read = block.len();
        from.consume(read);
    }
    if hex(&hash.finalize()) == sha256 {
        return Ok(());
    }
    Err(std::io::Error::other("the file has changed since it was read"))
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |half: u8| DIGITS.get(usize::from(half)).copied().unwrap_or('0');
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

/// SHA-256 in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&sha256_bytes(bytes))
}

/// SHA-256 of a file, in hexadecimal digits.
///
/// # Errors
/// What the system says when the file cannot be read.
pub fn sha256_file(path: &Path) -> std::io::Result<String> {
    let mut file = std::io::BufReader::with_capacity(1 << 16, File::open(path)?);
    let mut hash = Sha256::new();
    loop {
        let block = file.fill_buf()?;
        if block.is_empty() {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(block);
        let read = block.len();
        file.consume(read);
    }
}

/// SHA-256.
pub fn sha256_bytes(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Renaming onto an empty folder would succeed; a name that is taken is refused before.
fn take_name(from: tempfile::TempDir, to: &Path) -> std::io::Result<()> {
    if to.symlink_metadata().is_ok() {
        return Err(std::io::ErrorKind::AlreadyExists.into());
    }
    io_step("folder written")?;
    std::fs::rename(from.path(), to)?;
    drop(from.keep());
    io_step("folder named")?;
    flush_names(to)
}

/// Flushes the names of the folder in which `path` lies.
fn flush_names(path: &Path) -> std::io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn put(
    path: &Path,
    readers: Readers,
    fill: impl FnOnce(&mut File) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder_of(path))?;
    io_step("file made")?;
    fill(file.as_file_mut())?;
    rights::give(file.as_file(), readers)?;
    file.as_file().sync_all()?;
    io_step("file written")?;
    file.persist(path).map_err(|failed| failed.error)?;
    io_step("file named")?;
    flush_names(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_whole_content_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        write_atomic(&path, b"first, longer").unwrap();
        write_atomic(&path, b"second").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_appears_whole_and_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let bag = folder.path().join("bag");
        let content = |text: &str| Content::Bytes(text.as_bytes().to_vec());
        let files = [("a.txt".to_owned(), content("a")), ("data/b.txt".to_owned(), content("b"))];
        write_folder(&bag, &files, &|| Ok(())).unwrap();
        assert_eq!(std::fs::read(bag.join("data/b.txt")).unwrap(), b"b");
        let error = write_folder(&bag, &files, &|| Ok(())).unwrap_err();
        assert_eq!(error.source.kind(), std::io::ErrorKind::AlreadyExists);
        sweep(folder.path()).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing unfinished");
    }

    #[test]
    fn names_the_path_it_could_not_write() {
        let error = write_atomic(Path::new("/nonexistent/report.json"), b"x").unwrap_err();
        assert_eq!(error.path, Path::new("/nonexistent/report.json"));
    }
}
