//! Copies of evidence to hand out: one deterministic ZIP with the instructions on top.
//!
//! All heads and signatures are in it, so that the chain can be checked; of the bags those
//! that were asked for, named in `EXPORT.txt`.

use std::fs::File;
use std::io::{Read, Write};
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
    files.retain(|file| archive.join(file).is_file());
    let list = export_text(bags.iter().map(String::as_str));
    store::write_with(out, |file| write(file, archive, &files, &list))?;
    Ok(())
}

fn write(file: &mut File, archive: &Path, files: &[PathBuf], list: &str) -> std::io::Result<()> {
    let mut zip = zip::ZipWriter::new(file);
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
    zip.finish()?;
    Ok(())
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
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(fail)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(fail)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
