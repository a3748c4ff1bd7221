//! Which files a SOURCE means: a file, a folder, a glob, or `-` for standard input.
//!
//! The list is sorted by name and holds every file once, so that the same folder gives the
//! same report whatever order the file system lists it in.

use std::collections::BTreeMap;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::ingest::spool::Spool;
use crate::ingest::zipped::Member;
use crate::ingest::{IngestError, Stat};

/// One input file, or one member of an archive.
#[derive(Debug, Clone)]
pub(super) struct Input {
    /// Name as shown: the path as the user reaches it.
    pub name: String,
    /// Where the bytes are.
    pub path: PathBuf,
    /// Member of a ZIP archive.
    pub member: Option<Member>,
    /// Whether the user named the file itself, not a folder or pattern around it.
    pub named: bool,
    /// Time of the last modification.
    pub modified: Option<SystemTime>,
    /// Length, where it is a file of its own.
    pub bytes: Option<u64>,
}

impl Input {
    /// Length and time, where it is a file of its own.
    pub(super) fn stat(&self) -> Option<Stat> {
        Stat::new(self.bytes.filter(|_| self.member.is_none())?, self.modified)
    }
}

/// Most files of a reading. Places of files are kept in 23 bits; a million is where listing them
/// takes more memory than counting their rows.
const MOST: usize = 1_000_000;

/// Says that there may be so many files.
///
/// # Errors
/// [`IngestError::TooManyFiles`].
pub(super) fn check_number(files: usize) -> Result<(), IngestError> {
    let most = crate::store::lowered("INTRANSIT_MOST_FILES", MOST);
    if files > most { Err(IngestError::TooManyFiles { most }) } else { Ok(()) }
}

/// Expands the sources. Without a place to copy them to, pipes are named and not read.
///
/// # Errors
/// [`IngestError`] for a source that matches nothing or cannot be listed, or for too many files.
pub(super) fn expand(
    sources: &[String],
    spool: Option<Spool<'_>>,
) -> Result<Vec<Input>, IngestError> {
    let mut inputs: BTreeMap<PathBuf, Input> = BTreeMap::new();
    for source in sources {
        for input in expand_one(source, spool)? {
            match inputs.get_mut(&input.path) {
                Some(held) => held.named |= input.named,
                None => drop(inputs.insert(input.path.clone(), input)),
            }
        }
    }
    check_number(inputs.len())?;
    let mut inputs: Vec<Input> = inputs.into_values().collect();
    inputs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(inputs)
}

fn expand_one(source: &str, spool: Option<Spool<'_>>) -> Result<Vec<Input>, IngestError> {
    let path = Path::new(source);
    if source == "-" {
        return spool.map_or_else(|| Ok(vec![input(path, true)]), |spool| Ok(vec![spool.stdin()?]));
    }
    // A name that exists is that file, even where it holds a `[` or `*`.
    if path.is_dir() {
        let mut found = Vec::new();
        list(path, &mut found)?;
        return Ok(found);
    }
    if let Some(meta) = path.metadata().ok().filter(|meta| !meta.is_file()) {
        // A device may give bytes without end.
        let device = meta.file_type().is_char_device() || meta.file_type().is_block_device();
        return match spool {
            _ if device => Err(IngestError::Device { path: path.to_owned() }),
            Some(spool) => Ok(vec![spool.pipe(source, path)?]),
            None => Ok(vec![input(path, true)]),
        };
    }
    if path.exists() {
        return Ok(vec![input(path, true)]);
    }
    if !source.contains(['*', '?', '[']) {
        return Err(IngestError::Absent { source_name: source.to_owned() });
    }
    let pattern = glob::glob(source)
        .map_err(|error| IngestError::Pattern { source_name: source.to_owned(), source: error })?;
    let mut found = Vec::new();
    nameless(source, &mut found)?;
    for path in pattern {
        let path = path.map_err(|error| IngestError::Read {
            path: error.path().to_owned(),
            source: error.into(),
        })?;
        if path.is_dir() {
            list(&path, &mut found)?;
        } else if path.is_file() {
            // A pipe that nobody writes to would be waited for without end.
            found.push(input(&path, false));
        }
    }
    if found.is_empty() {
        return Err(IngestError::Absent { source_name: source.to_owned() });
    }
    Ok(found)
}

/// Files that a pattern means and whose names are no text: `glob` passes over them, and a file
/// must not be left out for its name.
fn nameless(source: &str, found: &mut Vec<Input>) -> Result<(), IngestError> {
    let (folder, last) = match source.rsplit_once('/') {
        Some(("", last)) => ("/", last),
        Some(parts) => parts,
        None => (".", source),
    };
    let fail = |error| IngestError::Pattern { source_name: source.to_owned(), source: error };
    let pattern = glob::Pattern::new(last).map_err(fail)?;
    let folders: Vec<PathBuf> = if folder.contains(['*', '?', '[']) {
        glob::glob(folder).map_err(fail)?.flatten().collect()
    } else {
        vec![folder.into()]
    };
    for entry in folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten() {
        // What cannot be listed is named where the pattern itself is followed.
        let Ok(entry) = entry else { continue };
        let name = entry.file_name();
        if name.to_str().is_none() && pattern.matches(&name.to_string_lossy()) {
            let path = entry.path();
            if path.is_file() {
                found.push(input(&path, false));
            }
        }
    }
    Ok(())
}

/// The files of a folder and of the folders in it; links to folders are not followed, so
/// that a loop ends.
fn list(folder: &Path, found: &mut Vec<Input>) -> Result<(), IngestError> {
    let read = |source| IngestError::Read { path: folder.to_owned(), source };
    for entry in std::fs::read_dir(folder).map_err(read)? {
        let entry = entry.map_err(read)?;
        let path = entry.path();
        check_number(found.len())?;
        if entry.file_type().map_err(read)?.is_dir() {
            list(&path, found)?;
        } else if path.is_file() {
            found.push(input(&path, false));
        }
    }
    Ok(())
}

fn input(path: &Path, named: bool) -> Input {
    let meta = path.metadata().ok();
    Input {
        name: path.to_string_lossy().trim_start_matches("./").to_owned(),
        path: path.to_owned(),
        member: None,
        named,
        modified: meta.as_ref().and_then(|meta| meta.modified().ok()),
        bytes: meta.map(|meta| meta.len()),
    }
}
