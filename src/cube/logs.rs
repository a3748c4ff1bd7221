//! Files of a stream of logs as contents: what each was counted to, with what the end of the
//! stream decided. They are taken as they are where none of the files of the stream changed.
//!
//! The rows of such a content are those that its stream keeps to go on, and one piece more: the
//! rows that are what they are only because the stream ended.

use std::collections::{BTreeMap, BTreeSet};

use super::count::Node;
use super::index::{Entry, ROWS};
use super::key::Key;
use super::rows;
use super::streams::Before;
use super::{Cubes, Trouble};
use crate::breakdown::{ReadRows, Which};
use crate::ingest::{Left, Reading, StreamRead};
use crate::trace::Names;

impl Cubes {
    /// The contents of the logs that are as they were, by their files.
    pub(super) fn held_logs(reading: &Reading, before: &Before) -> BTreeMap<u32, Key> {
        let held = reading.streams.iter().enumerate().filter(|(_, read)| read.held.is_some());
        held.filter_map(|(place, read)| Some((read, before.get(&place)?)))
            .flat_map(|(read, (_, stream))| read.files.iter().zip(&stream.contents))
            .map(|(file, content)| (*file, *content))
            .collect()
    }

    /// Writes down where the files of a stream lie that is as it was.
    pub(super) fn stays(&mut self, key: &Key, left: &Left) {
        let (today, left) = (self.today(), self.trusted(left.clone()));
        let Some(stream) = self.index.streams.get_mut(key) else { return };
        self.changed |= stream.left != left;
        stream.left = left;
        let family = stream.family;
        self.changed |= self.index.use_family(&family, today);
    }

    /// Keeps each file of a stream as a content.
    ///
    /// # Errors
    /// [`Trouble`] when something cannot be written.
    pub(super) fn keep_logs(
        &mut self,
        key: Key,
        stream: &StreamRead,
        read: (&ReadRows, &Names),
        (nodes, new): (&mut [Node], &mut BTreeSet<Key>),
    ) -> Result<(), Trouble> {
        let pieces = self.index.streams.get(&key).map(|stream| stream.rows.clone());
        let mut contents = Vec::with_capacity(stream.files.len());
        for (ordinal, (file, pieces)) in
            stream.files.iter().zip(pieces.unwrap_or_default()).enumerate()
        {
            // They stand in the order of their files.
            let place = nodes.binary_search_by_key(file, |node| node.file);
            let Some(node) = place.ok().and_then(|place| nodes.get_mut(place)) else { continue };
            let content = Key::of("log", &[&key.to_string(), &ordinal.to_string()]);
            let mut pieces: Vec<Key> = pieces.into_iter().map(|(key, _)| key).collect();
            pieces.extend(self.end_of_log(&content, *file, read)?);
            let cube = self.cube_key(content);
            if let Some((cells, peers)) = &node.settled {
                self.write_cube(&cube, &node.head, cells, peers)?;
            }
            let rows = node.head.held.as_ref().map_or(0, |held| held.rows);
            contents.push((content, (pieces, rows), cube));
            node.key = Some(content);
        }
        self.changed = true;
        if let Some(stream) = self.index.streams.get_mut(&key) {
            stream.contents = contents.iter().map(|(content, ..)| *content).collect();
        }
        let (zone, used) = (self.zone.name().to_owned(), self.today());
        for (content, (pieces, rows), cube) in contents {
            let entry = self.index.contents.entry(content).or_insert_with(|| {
                new.insert(content);
                Entry {
                    recipe: None,
                    pieces: Vec::new(),
                    rows,
                    used,
                    shares: BTreeSet::new(),
                    cubes: BTreeMap::new(),
                }
            });
            entry.pieces = pieces;
            entry.cubes.insert(zone.clone(), cube);
        }
        Ok(())
    }

    /// The rows of a log that the end of its stream decided, where there are any.
    fn end_of_log(
        &self,
        content: &Key,
        file: u32,
        (read, names): (&ReadRows, &Names),
    ) -> Result<Option<Key>, Trouble> {
        let open = read.of_file(file, Which::Open);
        if open.rows() == 0 {
            return Ok(None);
        }
        let key = Key::of("end of a log", &[&content.to_string()]);
        rows::write(&self.path(&key, ROWS), &key, open, &open.names(names)?)?;
        Ok(Some(key))
    }
}
