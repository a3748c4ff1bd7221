//! Cube: each trace file is counted once, and what it was counted to is kept in the state
//! folder; a report over unchanged files reads a few kilobytes, whatever the mail volume.
//!
//! | kept | for |
//! |---|---|
//! | `index` | files by path, length and time; contents; which contents share messages |
//! | `KEY.cube` | what a content, or several that share messages, were settled to, by day |
//! | `KEY.rows` | the rows of a content, for the day on which another shares messages with it; of a log, a piece for each reading |
//! | `KEY.left` | what the reader of a stream of logs held where it ended, so that the next one goes on there |
//!
//! Invariants
//! * A report is the same to the byte with and without the cache. Whatever is missing, damaged
//!   or made by other rules is as good as absent.
//! * A key names everything that what it stands for depends on: the content, how it is read,
//!   the identity that all files agreed on, the zone, and the rules.
//! * A file is taken for unchanged only when its length and time are those it had before it
//!   was read, and that time was then at least two seconds past.
//!
//! Logs mean something only beside the other files of their stream: their cubes stand for a stream
//! of which nothing has changed. Not kept: standard input; members of ZIP archives.

mod columns;
mod count;
mod file;
mod index;
mod key;
mod logs;
mod look;
mod rows;
mod share;
mod streams;

use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

pub use self::count::Counted;
use self::file::Sectioned;
use self::index::{CUBE, Index, ROWS};
use self::key::Key;
pub use self::look::{Cleared, Fault, Listed, Verdict, clear, list, verify};
use self::rows::Rows;
use crate::breakdown::{CountError, FileSeen, Member, MemberRows, Places, Room};
use crate::config::Memory;
use crate::ingest::{Content, Held, Known, Left, LeftFile, Outline, Stat};
use crate::store::{self, WriteError};
use crate::trace::Kind;

/// Name of the lock file.
const LOCK: &str = "lock";
/// How long another process is waited for.
const WAIT: Duration = Duration::from_secs(5);
/// A file changed this shortly before it is looked at may change again with the same time.
const RACY: Duration = Duration::from_secs(2);

/// Where the cache is, and how far it is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its folder.
    pub folder: PathBuf,
    /// Whether every file is hashed, not only those whose length or time has changed.
    pub recheck: bool,
}

impl Place {
    /// The cache of a state folder.
    pub fn of(state: &Path, recheck: bool) -> Self {
        Self { folder: state.join("cache"), recheck }
    }
}

/// Why the cache cannot be used; a report is then made without it.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Another process has it.
    #[error("the cache `{}` is in use by another process", folder.display())]
    Busy {
        /// Its folder.
        folder: PathBuf,
    },
    /// The folder cannot be used.
    #[error("the cache `{}` cannot be used", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of it is damaged.
    #[error("`{}` is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Something could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Rows could not be counted.
    #[error("rows could not be counted")]
    Count(#[source] CountError),
}

impl From<CountError> for Trouble {
    fn from(error: CountError) -> Self {
        match error {
            CountError::Kept { path } => Self::Damaged { path },
            other => Self::Count(other),
        }
    }
}

impl From<polars::prelude::PolarsError> for Trouble {
    fn from(error: polars::prelude::PolarsError) -> Self {
        Self::Count(error.into())
    }
}

impl Trouble {
    fn damaged(path: &Path) -> Self {
        Self::Damaged { path: path.to_owned() }
    }
}

/// The first section of a cube.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    /// What the file says as a whole; none for groups.
    held: Option<Held>,
    /// What its rows say beside their messages.
    seen: FileSeen,
    /// Where the rows of each file went.
    places: Vec<Places>,
    /// First and last day with messages.
    days: Option<(i32, i32)>,
}

impl Head {
    /// What a content, of which these are the rows, is settled by.
    fn member<'a>(&'a self, rows: MemberRows<'a>) -> Member<'a> {
        let absent = self.held.as_ref().map(|held| held.absent_is_no_tls);
        Member { rows, seen: &self.seen, absent_is_no_tls: absent.unwrap_or_default() }
    }
}

/// The cache, held by this process.
#[derive(Debug)]
pub struct Cubes {
    place: Place,
    zone: Tz,
    /// Where rows are until they are counted.
    room: Room,
    // Held, never read.
    _lock: File,
    /// Time of the file system when the cache was opened, since 1970 UTC.
    now: Duration,
    index: Index,
    /// Lengths of all tables.
    lengths: BTreeSet<u64>,
    /// Logs of all streams, by path and hash of their settings.
    logs: BTreeMap<(Vec<u8>, String), LeftFile>,
    /// Settings that were asked for last, and their key.
    settings: Mutex<(String, Key)>,
    /// Heads that were asked for, by the key of their rows.
    heads: Mutex<BTreeMap<Key, Arc<Head>>>,
    /// What a person should know.
    notes: Vec<String>,
    changed: bool,
}

impl Cubes {
    /// Takes the cache, for days of `zone`; rows may take as much memory as `memory` leaves.
    ///
    /// # Errors
    /// [`Trouble`] when another process has it, or the folder cannot be used.
    pub fn open(place: &Place, zone: Tz, memory: Memory) -> Result<Self, Trouble> {
        let folder = &place.folder;
        store::create_own_folder(folder)?;
        let (lock, now) = take(folder)?;
        store::sweep(folder)?;
        let mut notes = Vec::new();
        let index = Index::read(folder).unwrap_or_else(|| {
            notes.push(format!("the cache `{}` is made anew", folder.display()));
            Index::default()
        });
        let lengths = index.contents.values().filter_map(|entry| entry.recipe.as_ref());
        Ok(Self {
            place: place.clone(),
            zone,
            room: Room::of(memory, folder.clone()),
            _lock: lock,
            now,
            lengths: lengths.map(|recipe| recipe.bytes).collect(),
            logs: index.logs(),
            index,
            settings: Mutex::new((String::new(), Key::of_settings(""))),
            heads: Mutex::default(),
            changed: !notes.is_empty(),
            notes,
        })
    }

    /// Gives up what is at fault, so that it is made again.
    pub fn forget(mut self, trouble: &Trouble) {
        let Trouble::Damaged { path } = trouble else { return };
        // Whether it can be removed or not, it is not used.
        drop(store::remove_file(path));
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        if path.extension().is_some_and(|ending| ending == ROWS) {
            // What was learned meanwhile may be half of it.
            self.index = Index::read(&self.place.folder).unwrap_or_default();
            self.index.drop_rows(&stem.unwrap_or_default());
            drop(self.index.write(&self.place.folder, self.today()));
        }
    }

    /// The rows of a content, in their pieces.
    fn rows(&self, key: &Key) -> Result<Vec<Rows>, Trouble> {
        let entry = self.index.contents.get(key);
        let pieces = entry.map(|entry| entry.pieces.as_slice()).unwrap_or_default();
        pieces.iter().map(|key| Rows::open(&self.path(key, ROWS), key)).collect()
    }

    /// What a content said and was settled to, where that is kept.
    fn head_of(&self, rows: Key) -> Option<Arc<Head>> {
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        Some(match heads.entry(rows) {
            Slot::Occupied(held) => held.into_mut().clone(),
            Slot::Vacant(slot) => slot.insert(Arc::new(self.head(&self.cube_key(rows))?)).clone(),
        })
    }

    fn path(&self, key: &Key, ending: &str) -> PathBuf {
        self.place.folder.join(format!("{key}.{ending}"))
    }

    /// Days since 1970 UTC.
    fn today(&self) -> u64 {
        self.now.as_secs() / 86_400
    }

    /// The key of what one content was settled to.
    fn cube_key(&self, rows: Key) -> Key {
        Key::of_settled(&[rows], self.zone)
    }

    /// The key of settings, which most files have in common.
    fn settings_key(&self, how: &str) -> Key {
        let mut last = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        if last.0 != how {
            *last = (how.to_owned(), Key::of_settings(how));
        }
        last.1
    }

    fn head(&self, key: &Key) -> Option<Head> {
        let mut file = Sectioned::open(&self.path(key, CUBE), key)?;
        file::unpacked(&file.section(0)?)
    }
}

/// Removes what writes that were cut off left in a cache; one that is in use is left alone.
///
/// # Errors
/// [`Trouble`] when something cannot be removed.
pub fn sweep(Place { folder, .. }: &Place) -> Result<(), Trouble> {
    let Ok(lock) = File::open(folder.join(LOCK)) else { return Ok(()) };
    if lock.try_lock().is_err() {
        return Ok(());
    }
    Ok(store::sweep(folder)?)
}

/// Takes the lock, and tells the time of the file system by it.
fn take(folder: &Path) -> Result<(File, Duration), Trouble> {
    let fail = |source| Trouble::Folder { folder: folder.to_owned(), source };
    let path = folder.join(LOCK);
    let opened = store::open_lock(&path);
    let mut file = opened.map_err(|source| Trouble::Folder { folder: path, source })?;
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(std::fs::TryLockError::WouldBlock) if start.elapsed() < WAIT => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(Trouble::Busy { folder: folder.to_owned() });
            }
            Err(std::fs::TryLockError::Error(source)) => return Err(fail(source)),
        }
    }
    file.set_len(0).map_err(fail)?;
    writeln!(file, "process {}", std::process::id()).map_err(fail)?;
    let now = file.metadata().and_then(|meta| meta.modified()).map_err(fail)?;
    Ok((file, now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()))
}

/// The name of a file in the index: its whole path.
fn path_bytes(path: &Path) -> Option<Vec<u8>> {
    Some(std::path::absolute(path).ok()?.into_os_string().into_encoded_bytes())
}

impl Known for Cubes {
    fn unchanged(&self, path: &Path, stat: Stat, how: &str) -> Option<(String, Outline)> {
        if self.place.recheck {
            return None;
        }
        let entry = self.index.files.get(&(path_bytes(path)?, self.settings_key(how)))?;
        (entry.stat == stat).then(|| (entry.sha256.clone(), entry.outline))
    }

    fn has_length(&self, bytes: u64) -> bool {
        self.lengths.contains(&bytes)
    }

    fn content(&self, content: &Content<'_>) -> Option<Held> {
        let rows = Key::of_rows(content);
        self.index.contents.get(&rows)?;
        self.head_of(rows)?.held.clone()
    }

    fn leaves(&self) -> bool {
        true
    }

    fn rechecks(&self) -> bool {
        self.place.recheck
    }

    fn log(&self, path: &Path, stat: Stat, how: &str) -> Option<LeftFile> {
        if self.place.recheck {
            return None;
        }
        let log = self.logs.get(&(path_bytes(path)?, how.to_owned()))?;
        (log.stat == Some(stat)).then(|| log.clone())
    }

    fn left(&self, system: Kind) -> Vec<(usize, Left)> {
        let streams = self.index.streams.values().map(|stream| &stream.left).enumerate();
        let mut left: Vec<(usize, Left)> = streams
            .filter(|(_, left)| left.system == system)
            .map(|(number, left)| (number, left.clone()))
            .collect();
        left.sort_by_key(|(_, left)| std::cmp::Reverse(left.bytes()));
        left
    }

    fn counted(&self, number: usize) -> Option<Vec<Held>> {
        let (_, stream) = self.index.streams.iter().nth(number)?;
        let held = |rows: &Key| {
            self.index.contents.get(rows)?;
            self.head_of(*rows)?.held.clone()
        };
        stream.contents.iter().map(held).collect()
    }

    fn left_state(&self, number: usize) -> Option<Vec<u8>> {
        self.state_of(number)
    }
}
