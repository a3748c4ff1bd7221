//! What is known of files from readings before: one that did not change, or whose content
//! was read in the same way, is not read again.
//!
//! Invariant: what is known changes which bytes are read, never what a [`Reading`] says.
//!
//! [`Reading`]: super::Reading

use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::columns::Field;
use super::files::Input;
use super::sniff::Sniffed;
use super::{FileNote, Identity, Left, LeftFile, SourceFile};
use crate::trace::{Aggregate, Direction, Kind, Rejects, Unit};

/// Length and time of a file, by which a change is noticed without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stat {
    /// Length in bytes.
    pub bytes: u64,
    /// Time of the last modification, since 1970 UTC.
    pub modified: Duration,
}

impl Stat {
    /// Length and time of a file as it is now.
    pub fn of(path: &Path) -> Option<Self> {
        let meta = path.metadata().ok()?;
        Self::new(meta.len(), meta.modified().ok())
    }

    pub(super) fn new(bytes: u64, modified: Option<SystemTime>) -> Option<Self> {
        let modified = modified?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(Self { bytes, modified })
    }
}

/// What a first look at a file told, as far as other files are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "each is a column that may be there")]
pub struct Outline {
    /// Its kind.
    pub kind: Kind,
    /// Whether it is a table with rows of messages, not totals.
    pub has_messages: bool,
    /// Whether it has the network message id itself.
    pub has_network_message_id: bool,
    /// Whether it has the Message-ID header.
    pub has_message_id: bool,
    /// Whether it has an id of the service.
    pub has_network_id: bool,
}

impl Outline {
    /// What sniffing told.
    pub(super) fn of(sniffed: &Sniffed) -> Self {
        let columns = &sniffed.columns;
        Self {
            kind: sniffed.kind,
            has_messages: sniffed.has_messages() && sniffed.log.is_none(),
            has_network_message_id: columns.has_network_message_id(),
            has_message_id: columns.has(Field::MessageId),
            has_network_id: columns.has(Field::NetworkId),
        }
    }

    /// The best identity that the file itself offers.
    pub(super) fn own_identity(self) -> Identity {
        if self.has_network_message_id {
            Identity::NetworkId
        } else if self.has_message_id {
            Identity::MessageId
        } else if self.has_network_id {
            Identity::NetworkId
        } else {
            Identity::None
        }
    }

    /// The identity that its rows have, where files agreed on `shared`.
    pub(super) fn identity(self, shared: Option<Identity>) -> Identity {
        match self.own_identity() {
            Identity::None => Identity::None,
            own => shared.unwrap_or(own),
        }
    }
}

/// How a file came into a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// What a first look told.
    pub outline: Outline,
    /// Which column told one message from another.
    pub identity: Identity,
    /// Length and time when the reading began; none where the content does not stand in a
    /// file of its own, or means something only beside other files, as logs do.
    pub stat: Option<Stat>,
    /// Whether it was known, and not read.
    pub held: bool,
}

impl Origin {
    pub(super) fn of(input: &Input, sniffed: &Sniffed, identity: Identity) -> Self {
        let alone = sniffed.stands_alone();
        let stat = input.stat().filter(|_| alone);
        Self { outline: Outline::of(sniffed), identity, stat, held: false }
    }
}

/// What a content says depends on this.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    /// SHA-256 of the file.
    pub sha256: &'a str,
    /// What a first look told.
    pub outline: &'a Outline,
    /// Which column tells one message from another.
    pub identity: Identity,
    /// What is counted.
    pub unit: Unit,
    /// How it is read; see [`written_out`](super::Settings::written_out).
    pub how: &'a str,
}

/// What a content said when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Length of the file.
    pub bytes: u64,
    /// What is counted of it.
    pub unit: Unit,
    /// Rows read, whether used or not.
    pub rows: u64,
    /// Rows that could not be used.
    pub rejects: Rejects,
    /// Earliest and latest time.
    pub span_ms: Option<(i64, i64)>,
    /// Per direction: whether a message without a TLS version had none.
    pub absent_is_no_tls: [bool; Direction::ALL.len()],
    /// What a reader should know.
    pub notes: Vec<FileNote>,
    /// Day totals.
    pub aggregates: Vec<Aggregate>,
}

impl Held {
    /// What a file said that was read now.
    pub fn of(file: &SourceFile, aggregates: Vec<Aggregate>) -> Self {
        Self {
            bytes: file.bytes,
            unit: file.unit,
            rows: file.rows,
            rejects: file.rejects.clone(),
            span_ms: file.span_ms,
            absent_is_no_tls: file.absent_is_no_tls,
            notes: file.notes.clone(),
            aggregates: aggregates
                .into_iter()
                .map(|total| Aggregate { file: 0, ..total })
                .collect(),
        }
    }

    /// The file as if it had been read again.
    pub(super) fn file(
        self,
        input: Input,
        source: usize,
        sha256: String,
        origin: Origin,
    ) -> SourceFile {
        SourceFile {
            name: input.name,
            sha256,
            bytes: self.bytes,
            kind: origin.outline.kind,
            unit: self.unit,
            rows: self.rows,
            rejects: self.rejects,
            span_ms: self.span_ms,
            absent_is_no_tls: self.absent_is_no_tls,
            notes: self.notes,
            modified: input.modified,
            path: input.path,
            source,
            usable: true,
            origin: Origin { held: true, ..origin },
            asked: None,
        }
    }
}

/// Knows files and contents.
pub trait Known: Sync {
    /// SHA-256 and outline of a file that is as it was when it was read, with settings that
    /// were written out as `how`.
    fn unchanged(&self, path: &Path, stat: Stat, how: &str) -> Option<(String, Outline)>;

    /// Whether some content of this length is known, so that a hash is worth its time.
    fn has_length(&self, bytes: u64) -> bool;

    /// What a content said.
    fn content(&self, content: &Content<'_>) -> Option<Held>;

    /// The identity that is used, where the files agree on `shared`.
    fn identity(&self, shared: Option<Identity>) -> Option<Identity> {
        shared
    }

    /// Whether streams of logs are left so that the next reading can go on there.
    fn leaves(&self) -> bool {
        false
    }

    /// Whether the length and time of a log are not trusted: all of it is hashed.
    fn rechecks(&self) -> bool {
        false
    }

    /// A log that is as it was when it was read, with settings whose hash is `how`.
    fn log(&self, _path: &Path, _stat: Stat, _how: &str) -> Option<LeftFile> {
        None
    }

    /// Streams of logs as they were left, each with a number; the longest first.
    fn left(&self, _system: Kind) -> Vec<(usize, Left)> {
        Vec::new()
    }

    /// What the files of the stream with this number said, in their order, where all of it is
    /// counted.
    fn counted(&self, _number: usize) -> Option<Vec<Held>> {
        None
    }

    /// What a reader held where the stream with this number was left.
    fn left_state(&self, _number: usize) -> Option<Vec<u8>> {
        None
    }
}

/// A stream of logs that was read.
#[derive(Debug)]
pub struct StreamRead {
    /// The stream that was gone on with: its rows were not read again.
    pub resumed: Option<usize>,
    /// The stream that is as it was, and how it lies now: nothing of it was read.
    pub held: Option<(usize, Left)>,
    /// Its files, by their indices, in the order of the stream.
    pub files: Vec<u32>,
    /// Where it was left: at the end, and before that at the ends of files that may grow, too.
    /// None where it cannot be gone on with.
    pub left: Vec<LeftAt>,
    /// The ends of files at which it is left where they have changed, each told by the number of
    /// files up to there.
    pub may_grow: Vec<usize>,
}

/// A stream as it was left at the end of one of its files.
#[derive(Debug)]
pub struct LeftAt {
    /// How often this reading had left it before.
    pub times: u8,
    /// Its files up to there.
    pub left: Left,
    /// What the reader held.
    pub state: Vec<u8>,
}

/// Knows nothing: every file is read.
#[derive(Debug, Clone, Copy)]
pub struct Nothing;

impl Known for Nothing {
    fn unchanged(&self, _: &Path, _: Stat, _: &str) -> Option<(String, Outline)> {
        None
    }

    fn has_length(&self, _: u64) -> bool {
        false
    }

    fn content(&self, _: &Content<'_>) -> Option<Held> {
        None
    }
}
