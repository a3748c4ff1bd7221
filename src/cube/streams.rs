//! Streams of logs: where they were left, and their rows up to there.
//!
//! | file | section | holds |
//! |---|---|---|
//! | `KEY.left` | 0 | what the reader held, compressed |
//! | | 1 | what the rows of each file say beside their messages |
//! | `KEY.rows` | | rows of one file that one reading found |

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use super::count::Node;
use super::file::{self, Sectioned};
use super::index::{LEFT, ROWS, Stream};
use super::key::Key;
use super::rows::{self, Rows};
use super::{Cubes, RACY, Trouble};
use crate::breakdown::{Collector, FileSeen, ReadRows, Which};
use crate::ingest::{Left, LeftAt, Reading, Stat, StreamRead};
use crate::store;
use crate::trace::Names;

/// Rows of a file are kept in so many pieces, at most; then they are put together.
const MOST_PIECES: usize = 16;
/// What a reader holds takes no more than this.
const MOST_STATE: u64 = 512 << 20;

/// The streams that were gone on with, or are as they were, by the place of each in
/// [`Reading::streams`].
pub(super) type Before = BTreeMap<usize, (Key, Stream)>;

/// What the rows of logs said, up to where they were left after being left so many times.
type SettledSeen = BTreeMap<u8, BTreeMap<u32, FileSeen>>;

impl Cubes {
    /// What the reader of a stream held; `None` where that, or its rows, cannot be read.
    pub(super) fn state_of(&self, number: usize) -> Option<Vec<u8>> {
        let (key, stream) = self.index.streams.iter().nth(number)?;
        for (rows, _) in stream.rows.iter().flatten() {
            Rows::open(&self.path(rows, ROWS), rows).ok()?;
        }
        let section = self.open_left(key)?.section(0)?;
        let mut state = Vec::new();
        let decoder = zstd::stream::Decoder::new(section.as_slice()).ok()?;
        decoder.take(MOST_STATE).read_to_end(&mut state).ok()?;
        Some(state)
    }

    pub(super) fn open_left(&self, key: &Key) -> Option<Sectioned> {
        Sectioned::open(&self.path(key, LEFT), key)
    }

    /// Takes in the rows of the streams that were gone on with.
    pub(super) fn resume(
        &self,
        collector: &Collector,
        reading: &Reading,
        names: &Names,
    ) -> Result<Before, Trouble> {
        let mut before = Before::new();
        for (place, read) in reading.streams.iter().enumerate() {
            let held = read.held.as_ref().map(|(number, _)| *number);
            let Some(number) = read.resumed.or(held) else { continue };
            let Some((key, stream)) = self.index.streams.iter().nth(number) else { continue };
            before.insert(place, (*key, stream.clone()));
            if held.is_some() {
                continue;
            }
            let damaged = || Trouble::damaged(&self.path(key, LEFT));
            let section = self.open_left(key).and_then(|mut file| file.section(1));
            let seen: Vec<FileSeen> =
                section.and_then(|bytes| file::decompressed(&bytes)).ok_or_else(damaged)?;
            for (file, seen) in read.files.iter().zip(&seen) {
                collector.see_kept(*file, seen, names)?;
            }
            for (file, pieces) in read.files.iter().zip(&stream.rows) {
                for (rows, _) in pieces {
                    let rows = Rows::open(&self.path(rows, ROWS), rows)?;
                    collector.push_kept(*file, &rows, names)?;
                }
            }
        }
        Ok(before)
    }

    /// Keeps the streams as they were left.
    pub(super) fn leave(
        &mut self,
        reading: &Reading,
        mut before: Before,
        read: (&ReadRows, &Names),
        settled: &SettledSeen,
        (nodes, new): (&mut [Node], &mut BTreeSet<Key>),
    ) {
        for (place, stream) in reading.streams.iter().enumerate() {
            let before = before.remove(&place);
            if let (Some((_, left)), Some((key, _))) = (&stream.held, &before) {
                self.stays(key, left);
                continue;
            }
            let left = self.leave_one(stream, before.as_ref(), read, settled);
            let kept = left.and_then(|key| match key {
                Some(key) => self.keep_logs(key, stream, read, (nodes, new)),
                None => Ok(()),
            });
            if let Err(trouble) = kept {
                self.notes.push(format!("a log is not kept: {trouble}"));
            }
        }
    }

    /// Keeps a stream wherever it was left; gives the key of the place behind its last file.
    fn leave_one(
        &mut self,
        stream: &StreamRead,
        before: Option<&(Key, Stream)>,
        read: (&ReadRows, &Names),
        settled: &SettledSeen,
    ) -> Result<Option<Key>, Trouble> {
        let mut pieces = before.map(|(_, before)| before.rows.clone()).unwrap_or_default();
        pieces.resize(stream.files.len(), Vec::new());
        let mut family = before.map(|(_, before)| before.family);
        let mut kept: Vec<(Key, Stream)> = Vec::new();
        // Rows that were read after the stream was left so many times are not kept yet.
        let mut first = 0;
        for LeftAt { times, left, state } in &stream.left {
            let left = self.trusted(left.clone());
            if let Some((key, held)) = before.filter(|(_, before)| before.left == left) {
                if left.files.len() == stream.files.len() {
                    self.changed |= self.index.use_family(&held.family, self.today());
                    return Ok(Some(*key));
                }
                // Nothing was read before this place.
                continue;
            }
            let key = Key::of("stream", &[&store::sha256(&file::packed(&left))]);
            let family = *family.get_or_insert(key);
            let files = || stream.files.iter().take(left.files.len());
            for (ordinal, (file, pieces)) in files().zip(&mut pieces).enumerate() {
                self.add_piece(&key, (ordinal, *file), (first, *times), pieces, read)?;
            }
            first = times + 1;
            let seen = settled.range(..=*times).next_back().map(|(_, seen)| seen);
            let seen = |file| seen.and_then(|seen| seen.get(file)).cloned().unwrap_or_default();
            let seen: Vec<FileSeen> = files().map(seen).collect();
            let state = zstd::bulk::compress(state, 1).unwrap_or_default();
            file::write(&self.path(&key, LEFT), &key, &[state, file::compressed(&seen)])?;
            let rows = pieces.iter().take(left.files.len()).cloned().collect();
            let used = self.today();
            kept.push((key, Stream { left, rows, contents: Vec::new(), family, used }));
        }
        let whole = kept.last().filter(|(_, last)| last.left.files.len() == stream.files.len());
        let whole = whole.map(|(key, _)| *key);
        if let Some(family) = family.filter(|_| !kept.is_empty()) {
            // What stands before the place that was gone on with, at the end of a file that may
            // grow, is as good as it was.
            let end = before.map_or(0, |(_, before)| before.left.files.len());
            let again: Vec<usize> =
                stream.may_grow.iter().copied().filter(|at| *at <= end).collect();
            self.index.put_streams(kept, family, &again);
            self.changed = true;
        }
        Ok(whole)
    }

    /// Adds to the rows of a file that were kept those that were found now, as a further piece:
    /// those that were read after its stream was left so many times.
    fn add_piece(
        &self,
        stream: &Key,
        (ordinal, file): (usize, u32),
        (first, last): (u8, u8),
        pieces: &mut Vec<(Key, u64)>,
        (read, names): (&ReadRows, &Names),
    ) -> Result<(), Trouble> {
        let new = read.of_file(file, Which::New(first, last));
        if new.rows() == 0 {
            return Ok(());
        }
        let new = if pieces.len() < MOST_PIECES {
            new
        } else {
            pieces.clear();
            read.of_file(file, Which::Settled(last))
        };
        // Which rows are new depends on those before: a piece is never overwritten by another.
        let mut parts = vec![stream.to_string(), ordinal.to_string()];
        parts.extend(pieces.iter().map(|(key, _)| key.to_string()));
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let key = Key::of("rows of a stream", &parts);
        rows::write(&self.path(&key, ROWS), &key, new, &new.names(names)?)?;
        pieces.push((key, new.rows()));
        Ok(())
    }

    /// The stream without the lengths and times of files that may have changed since with the
    /// same ones.
    pub(super) fn trusted(&self, mut left: Left) -> Left {
        for file in &mut left.files {
            let settled = file.stat.is_some_and(|stat| {
                stat.modified + RACY <= self.now
                    && stat.bytes == file.bytes
                    && Stat::of(&super::look::path_of_bytes(&file.path)) == Some(stat)
            });
            file.stat = file.stat.filter(|_| settled);
        }
        left
    }

    /// Says whether all that is kept of a stream can be read.
    pub(super) fn is_stream_whole(&self, key: &Key, stream: &Stream) -> bool {
        let sections = |mut file: Sectioned| (0..file.len()).all(|at| file.section(at).is_some());
        let keys: BTreeSet<Key> = stream.rows.iter().flatten().map(|(key, _)| *key).collect();
        let rows = |key: &Key| Rows::open(&self.path(key, ROWS), key).is_ok_and(|r| r.is_whole());
        self.open_left(key).is_some_and(sections) && keys.iter().all(rows)
    }
}
