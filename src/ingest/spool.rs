//! What can be read only once: standard input and pipes are copied into a temporary folder,
//! since the kind of a file is told by a first look and its rows are read by a second.
//!
//! | limit | what is refused |
//! |---|---|
//! | [`MOST_BYTES`] | a stream that does not end |
//! | a first look at 8 MiB | a stream that is no trace, whatever its length |
//! | [`PATIENCE`] | a pipe into which nobody writes |

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use crate::clock::limit;
use crate::ingest::IngestError;
use crate::ingest::blocks::MAX_LINE;
use crate::ingest::files::Input;

/// Most bytes that are copied: 16 GiB.
pub(super) const MOST_BYTES: u64 = 16 << 30;
/// How long a pipe may be silent.
const PATIENCE: Duration = Duration::from_mins(10);

/// How often a reader that waits asks whether its time is over.
const SLICE: Duration = Duration::from_millis(200);

/// Says early that a stream is no trace.
pub(super) type Look<'a> = &'a dyn Fn(&Input) -> Result<(), IngestError>;

/// Where streams are copied to, and how they are looked at.
#[derive(Clone, Copy)]
pub(super) struct Spool<'a> {
    /// The temporary folder.
    pub folder: &'a Path,
    /// Looks at the beginning.
    pub look: Look<'a>,
}

impl Spool<'_> {
    /// Copies standard input.
    ///
    /// # Errors
    /// [`IngestError`] when it cannot be read or copied, does not end, or is no trace.
    pub(super) fn stdin(&self) -> Result<Input, IngestError> {
        self.copy("-", std::io::stdin().lock(), MOST_BYTES)
    }

    /// Copies what somebody writes into a pipe.
    ///
    /// # Errors
    /// As [`stdin`](Self::stdin), and when nothing comes for a long time.
    pub(super) fn pipe(&self, name: &str, path: &Path) -> Result<Input, IngestError> {
        self.copy(name, Pipe::open(path.to_owned(), PATIENCE), MOST_BYTES)
    }

    fn copy(&self, name: &str, mut stream: impl Read, most: u64) -> Result<Input, IngestError> {
        let write = |source| IngestError::Spool { path: self.folder.to_owned(), source };
        let (mut file, path) = tempfile::NamedTempFile::new_in(self.folder)
            .and_then(|file| file.keep().map_err(|error| error.error))
            .map_err(write)?;
        let input = Input {
            name: name.to_owned(),
            path,
            member: None,
            named: true,
            modified: None,
            bytes: None,
        };
        let mut buffer = vec![0; 1 << 16];
        let (mut copied, mut looked) = (0_u64, false);
        loop {
            let read = match stream.read(&mut buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                other => other,
            };
            let length =
                read.map_err(|source| IngestError::Read { path: PathBuf::from(name), source })?;
            if length == 0 {
                return Ok(input);
            }
            copied += length as u64;
            if copied > most {
                return Err(IngestError::Endless { file: name.to_owned() });
            }
            file.write_all(buffer.get(..length).unwrap_or_default()).map_err(write)?;
            if !looked && copied > MAX_LINE as u64 {
                (self.look)(&input)?;
                looked = true;
            }
        }
    }
}

/// A pipe that is read by a thread of its own, so that one into which nobody writes is given
/// up: opening it waits, too. That thread may be left behind, waiting.
struct Pipe {
    parts: Receiver<std::io::Result<Vec<u8>>>,
    part: std::io::Cursor<Vec<u8>>,
    patience: Duration,
}

impl Pipe {
    fn open(path: PathBuf, patience: Duration) -> Self {
        let (sender, parts) = sync_channel(4);
        std::thread::spawn(move || {
            if let Err(error) = send_all(&path, &sender) {
                // Nobody may be left to take it.
                drop(sender.send(Err(error)));
            }
        });
        Self { parts, part: std::io::Cursor::default(), patience }
    }
}

fn send_all(path: &Path, sender: &SyncSender<std::io::Result<Vec<u8>>>) -> std::io::Result<()> {
    let mut file = std::fs::File::open(path)?;
    loop {
        let mut part = vec![0; 1 << 16];
        let length = file.read(&mut part)?;
        part.truncate(length);
        if length == 0 || sender.send(Ok(part)).is_err() {
            return Ok(());
        }
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.part.read(buffer)?;
        if length > 0 {
            return Ok(length);
        }
        let begun = Instant::now();
        loop {
            limit::check("waiting for a pipe")?;
            match self.parts.recv_timeout(SLICE.min(self.patience)) {
                Ok(part) => {
                    self.part = std::io::Cursor::new(part?);
                    return self.part.read(buffer);
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
                Err(RecvTimeoutError::Timeout) if begun.elapsed() < self.patience => {}
                Err(RecvTimeoutError::Timeout) => {
                    let minutes = self.patience.as_secs() / 60;
                    let why = format!("nobody wrote into it for {minutes} minutes");
                    return Err(std::io::Error::new(std::io::ErrorKind::TimedOut, why));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copied(stream: impl Read, most: u64) -> Result<Input, IngestError> {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool { folder: folder.path(), look: &|_| Ok(()) };
        spool.copy("-", stream, most)
    }

    #[test]
    fn a_stream_that_does_not_end_is_given_up() {
        let error = copied(std::io::repeat(b'\n'), 1 << 20).unwrap_err();
        assert!(error.to_string().contains("`-` does not end"), "{error}");
        assert!(copied(std::io::repeat(b'\n').take(1 << 20), 1 << 20).is_ok());
    }

    #[test]
    fn a_pipe_into_which_nobody_writes_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).unwrap();
        let silent = copied(Pipe::open(path, Duration::from_millis(50)), 1 << 20).unwrap_err();
        let IngestError::Read { source, .. } = silent else { panic!("{silent}") };
        assert!(source.to_string().contains("nobody wrote into it"), "{source}");
    }
}
