//! Which files a SOURCE means: a file, a folder, a glob, or `-` for standard input.
//!
//! The list is sorted by name and holds every file once, so that the same folder gives the
//! same report whatever order the file system lists it in.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::ingest::{IngestError, Stat};

/// One input file, or one member of an archive.
#[derive(Debug, Clone)]
pub(super) struct Input {
    /// Name as shown: the path as the user reaches it.
    pub name: String,
    /// Where the bytes are.
    pub path: PathBuf,
    /// Member of a ZIP archive.
    pub member: Option<usize>,
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

/// Expands the sources.
///
/// # Errors
/// [`IngestError`] for a source that matches nothing or cannot be listed.
pub(super) fn expand(sources: &[String], spool: &Path) -> Result<Vec<Input>, IngestError> {
    let mut inputs: BTreeMap<PathBuf, Input> = BTreeMap::new();
    for source in sources {
        for input in expand_one(source, spool)? {
            match inputs.get_mut(&input.path) {
                Some(held) => held.named |= input.named,
                None => drop(inputs.insert(input.path.clone(), input)),
            }
        }
    }
    let mut inputs: Vec<Input> = inputs.into_values().collect();
    inputs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(inputs)
}

fn expand_one(source: &str, spool: &Path) -> Result<Vec<Input>, IngestError> {
    let path = Path::new(source);
    if source == "-" {
        return Ok(vec![spool_stdin(spool)?]);
    }
    // A name that exists is that file, even where it holds a `[` or `*`.
    if path.is_dir() {
        let mut found = Vec::new();
        list(path, &mut found)?;
        return Ok(found);
    }
    if path.exists() && !path.is_file() {
        // A pipe or a device can be read once: its kind is told by a copy.
        let stream = std::fs::File::open(path)
            .map_err(|error| IngestError::Read { path: path.to_owned(), source: error })?;
        return Ok(vec![spool_stream(source, stream, spool)?]);
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

/// Standard input is read to a temporary file first: its kind is told by a first look, its
/// rows by a second.
fn spool_stdin(spool: &Path) -> Result<Input, IngestError> {
    spool_stream("-", std::io::stdin().lock(), spool)
}

fn spool_stream(name: &str, mut stream: impl Read, spool: &Path) -> Result<Input, IngestError> {
    let write = |source| IngestError::Spool { path: spool.to_owned(), source };
    let (mut file, path) = tempfile::NamedTempFile::new_in(spool)
        .and_then(|file| file.keep().map_err(|error| error.error))
        .map_err(write)?;
    std::io::copy(&mut stream, &mut file).map_err(write)?;
    Ok(Input {
        name: name.to_owned(),
        path,
        member: None,
        named: true,
        modified: None,
        bytes: None,
    })
}
