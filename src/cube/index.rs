//! What the cache holds: files as they were last seen, contents that were read, and groups of
//! contents that share messages.
//!
//! Invariant: every content in the index was compared with every other one in it, so that
//! those which `shares` does not name have no message in common.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::file::{self, Sectioned};
use super::key::Key;
use crate::config::ColumnMap;
use crate::ingest::{DayOrder, Identity, Left, LeftFile, Outline, Settings, Stat};
use crate::store::{self, WriteError};
use crate::trace::{Direction, Kind, Unit};

/// Name of the index in the folder of the cache.
pub(super) const FILE_NAME: &str = "index";
/// Endings of the other files: rows of a content, and what contents were settled to.
pub(super) const ROWS: &str = "rows";
pub(super) const CUBE: &str = "cube";
/// Ending of what the reader of a log held where it was left.
pub(super) const LEFT: &str = "left";

/// Days after which a content that no report asked for is given up.
const KEEP_CONTENT_DAYS: u64 = 400;
/// The same for what groups of contents were settled to, and for streams of logs.
const KEEP_GROUP_DAYS: u64 = 40;
/// Places where streams of logs were left that are kept, at most.
const MOST_STREAMS: usize = 64;

/// Path of a file, and how it is read.
pub(super) type FileKey = (Vec<u8>, Key);

/// What the cache holds.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Index {
    /// Files as they were last seen.
    pub files: BTreeMap<FileKey, FileEntry>,
    /// Contents that were read, by the key of their rows.
    pub contents: BTreeMap<Key, Entry>,
    /// Groups of contents, by the key of what they were settled to.
    pub groups: BTreeMap<Key, Group>,
    /// Streams of logs that may go on.
    pub streams: BTreeMap<Key, Stream>,
}

/// A stream of logs as it was left.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Stream {
    pub left: Left,
    /// Rows of each file, in pieces as they were read: key and number.
    pub rows: Vec<Vec<(Key, u64)>>,
    /// Each file as a content, with what the end decided; none where that is not kept.
    pub contents: Vec<Key>,
    /// What all places have in common where one stream was left.
    pub family: Key,
    pub used: u64,
}

/// A file as it was last seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileEntry {
    pub stat: Stat,
    pub sha256: String,
    pub outline: Outline,
}

/// A content that was read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Entry {
    /// How it was read; none of a log, which means something only in its stream.
    pub recipe: Option<Recipe>,
    /// The pieces in which its rows are kept; of a table, one.
    pub pieces: Vec<Key>,
    /// Rows read, whether used or not.
    pub rows: u64,
    /// Day on which a report last asked for it.
    pub used: u64,
    /// Contents with which it has a message in common.
    pub shares: BTreeSet<Key>,
    /// What it was settled to, by zone.
    pub cubes: BTreeMap<String, Key>,
}

/// How a content was read, so that it can be read again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Recipe {
    pub sha256: String,
    pub bytes: u64,
    pub outline: Outline,
    pub identity: Identity,
    pub unit: Unit,
    pub kind: Option<Kind>,
    /// As JSON: it leaves fields out, which this format cannot.
    pub columns: Option<String>,
    pub direction: Option<Direction>,
    pub zone: String,
    pub order: Option<DayOrder>,
}

/// Contents that were settled together.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Group {
    /// Their keys, in order.
    pub members: Vec<Key>,
    pub zone: String,
    pub used: u64,
}

impl Entry {
    /// The content, and how it is read by itself, where it can be.
    pub(super) fn table(&self) -> Option<(&Self, &Recipe)> {
        Some((self, self.recipe.as_ref()?))
    }
}

impl Recipe {
    /// The settings, but for those that only logs have.
    pub(super) fn settings(&self) -> Option<Settings> {
        let columns = match &self.columns {
            Some(text) => Some(serde_json::from_str::<ColumnMap>(text).ok()?),
            None => None,
        };
        Some(Settings {
            kind: self.kind,
            columns,
            direction: self.direction,
            zone: self.zone.parse().ok()?,
            order: self.order,
            ..Settings::default()
        })
    }
}

impl Index {
    fn key() -> Key {
        Key::of("index", &[])
    }

    /// Reads the index; `None` where there is one that cannot be used.
    pub(super) fn read(folder: &Path) -> Option<Self> {
        let path = folder.join(FILE_NAME);
        if !path.exists() {
            return Some(Self::default());
        }
        file::unpacked(&Sectioned::open(&path, &Self::key())?.section(0)?)
    }

    /// Writes the index, and removes what it does not name.
    ///
    /// # Errors
    /// [`WriteError`] naming the file.
    pub(super) fn write(&mut self, folder: &Path, today: u64) -> Result<(), WriteError> {
        self.tidy(today);
        let sections = [file::packed(self), Vec::new(), Vec::new()];
        file::write(&folder.join(FILE_NAME), &Self::key(), &sections)?;
        let named = self.names();
        for name in names(folder) {
            let kept =
                [ROWS, CUBE, LEFT].iter().any(|ending| name.ends_with(&format!(".{ending}")));
            if kept && !named.contains(&name) {
                store::remove_file(&folder.join(name))?;
            }
        }
        Ok(())
    }

    /// Gives up what no file holds any more, and what nobody asked for in a long time.
    fn tidy(&mut self, today: u64) {
        let current: BTreeSet<&str> =
            self.files.values().map(|file| file.sha256.as_str()).collect();
        self.contents.retain(|_, Entry { recipe, used, .. }| {
            let is_current = |recipe: &Recipe| current.contains(recipe.sha256.as_str());
            let age = today.saturating_sub(*used);
            age == 0 || recipe.as_ref().is_none_or(is_current) && age <= KEEP_CONTENT_DAYS
        });
        self.streams.retain(|_, stream| today.saturating_sub(stream.used) <= KEEP_GROUP_DAYS);
        while self.streams.len() > MOST_STREAMS {
            let oldest = self.streams.iter().min_by_key(|(_, stream)| stream.used);
            let Some(oldest) = oldest.map(|(key, _)| *key) else { break };
            self.streams.remove(&oldest);
        }
        self.drop_loose_ends(today);
    }

    /// Drops what refers to contents that are gone, and logs that no stream has.
    pub(super) fn drop_loose_ends(&mut self, today: u64) {
        let logs: BTreeSet<Key> =
            self.streams.values().flat_map(|stream| stream.contents.iter().copied()).collect();
        self.contents.retain(|key, entry| entry.recipe.is_some() || logs.contains(key));
        let contents: BTreeSet<Key> = self.contents.keys().copied().collect();
        for entry in self.contents.values_mut() {
            entry.shares.retain(|key| contents.contains(key));
        }
        self.groups.retain(|_, group| {
            let whole = group.members.iter().all(|key| contents.contains(key));
            whole && today.saturating_sub(group.used) <= KEEP_GROUP_DAYS
        });
    }

    /// Takes in where a stream was left, in place of where it was left before; but at the ends of
    /// `again`, each told by a number of files, it stays.
    pub(super) fn put_streams(&mut self, kept: Vec<(Key, Stream)>, family: Key, again: &[usize]) {
        let used = kept.last().map_or(0, |(_, stream)| stream.used);
        let replaced = |held: &Stream| kept.iter().any(|(_, new)| new.left.replaces(&held.left));
        let gone: BTreeSet<Key> =
            self.streams.values().filter(|held| replaced(held)).map(|held| held.family).collect();
        let is_new = |files: usize| kept.iter().any(|(_, new)| new.left.files.len() == files);
        self.streams.retain(|_, held| {
            let files = held.left.files.len();
            if held.family == family {
                again.contains(&files) && !is_new(files)
            } else {
                !gone.contains(&held.family)
            }
        });
        self.streams.extend(kept);
        self.use_family(&family, used);
        self.drop_loose_ends(0);
    }

    /// Says that a stream was asked for on a day; gives whether that is new.
    pub(super) fn use_family(&mut self, family: &Key, today: u64) -> bool {
        let mut new = false;
        for stream in self.streams.values_mut().filter(|stream| stream.family == *family) {
            new |= stream.used != today;
            stream.used = today;
        }
        new
    }

    /// Gives up the contents and streams of which rows are in the file with this stem.
    pub(super) fn drop_rows(&mut self, stem: &str) {
        let is_there = |key: &Key| key.to_string() == stem;
        self.contents.retain(|_, entry| !entry.pieces.iter().any(is_there));
        let has = |stream: &Stream| stream.rows.iter().flatten().any(|(key, _)| is_there(key));
        self.streams.retain(|_, stream| !has(stream));
        self.drop_loose_ends(0);
    }

    /// The logs of all streams, by path and hash of their settings.
    pub(super) fn logs(&self) -> BTreeMap<(Vec<u8>, String), LeftFile> {
        let files = self.streams.values().flat_map(|stream| &stream.left.files);
        let trusted = files.filter(|file| file.stat.is_some());
        trusted.map(|file| ((file.path.clone(), file.how().to_owned()), file.clone())).collect()
    }

    /// Names of the files that belong to it.
    fn names(&self) -> BTreeSet<String> {
        let mut names: BTreeSet<String> = BTreeSet::new();
        for entry in self.contents.values() {
            names.extend(entry.pieces.iter().map(|key| format!("{key}.{ROWS}")));
            names.extend(entry.cubes.values().map(|key| format!("{key}.{CUBE}")));
        }
        names.extend(self.groups.keys().map(|key| format!("{key}.{CUBE}")));
        for (key, stream) in &self.streams {
            names.insert(format!("{key}.{LEFT}"));
            let rows = stream.rows.iter().flatten();
            names.extend(rows.map(|(key, _)| format!("{key}.{ROWS}")));
        }
        names
    }
}

/// Names of the files in a folder.
pub(super) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
