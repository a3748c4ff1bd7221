//! What a person asks of the cache: what is kept, that it goes, whether it is right.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::Serialize;

use super::file::{self, Sectioned};
use super::index::{self, CUBE, Entry, FileEntry, FileKey, Index, LEFT, ROWS, Recipe, Stream};
use super::key::Key;
use super::rows::{self, Rows};
use super::share::{self, Many};
use super::{Cubes, Head, LOCK, Place, Trouble};
use crate::breakdown::{
    Collector, CountError, DayCells, DayPeers, FileSeen, KeptRows, Member, MemberRows, ReadRows,
    Room, Settlement, Which,
};
use crate::config::Memory;
use crate::ingest::{self, Content, Held, Identity, Known, Outline, Source, Stat};
use crate::store;
use crate::trace::{Kind, Names};

/// A content that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The file that held it when it was last looked at; none where that was too new to be
    /// recognised again.
    pub file: Option<PathBuf>,
    /// Whether that file still has the length and time that it had.
    pub unchanged: bool,
    /// SHA-256 of the content.
    pub sha256: String,
    /// Its kind.
    pub kind: Kind,
    /// Its length.
    pub bytes: u64,
    /// Rows read, whether used or not.
    pub rows: u64,
    /// Bytes that are kept of it.
    pub kept_bytes: u64,
    /// Zones by whose days it was counted.
    pub zones: Vec<String>,
    /// Contents with which it has a message in common.
    pub shares_with: usize,
    /// Files of the stream that ends in it, for logs, which are gone on with where they ended.
    pub stream_of: Option<usize>,
    /// Day, UTC, on which a report last asked for it.
    pub used: Option<NaiveDate>,
}

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Cleared {
    /// Files of the cache.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Fault {
    /// The file.
    pub place: String,
    /// What it is not.
    pub what: String,
}

/// What came of reading everything again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Whether all is well.
    pub ok: bool,
    /// Contents that were read again and counted to the same.
    pub same: usize,
    /// Files that are gone or have changed since: their contents are not used any more.
    pub passed: usize,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

/// Lists what is kept.
///
/// # Errors
/// [`Trouble`] when another process has the cache.
pub fn list(place: &Place) -> Result<Vec<Listed>, Trouble> {
    if !place.folder.exists() {
        return Ok(Vec::new());
    }
    let cubes = Cubes::open(place, Tz::UTC, Memory::default())?;
    let mut listed = Vec::new();
    for (entry, recipe) in cubes.index.contents.values().filter_map(Entry::table) {
        let files = cubes.index.files.iter();
        let files: Vec<_> =
            files.filter(|(_, file)| file.sha256 == recipe.sha256).map(Some).collect();
        let files = if files.is_empty() { vec![None] } else { files };
        listed.extend(files.into_iter().map(|file| cubes.listed(entry, recipe, file)));
    }
    let families: BTreeSet<Key> =
        cubes.index.streams.values().map(|stream| stream.family).collect();
    listed.extend(families.iter().filter_map(|family| cubes.listed_streams(family)));
    listed.sort_by(|a, b| (&a.file, &a.sha256).cmp(&(&b.file, &b.sha256)));
    Ok(listed)
}

/// Removes what is kept; with `unused`, only what no unchanged file stands for.
///
/// # Errors
/// [`Trouble`] when another process has the cache, or a file cannot be removed.
pub fn clear(place: &Place, unused: bool) -> Result<Cleared, Trouble> {
    if !place.folder.exists() {
        return Ok(Cleared::default());
    }
    let mut cubes = Cubes::open(place, Tz::UTC, Memory::default())?;
    let before = sizes(&place.folder);
    if unused {
        cubes.drop_unused()?;
    } else {
        for name in before.keys() {
            store::remove_file(&place.folder.join(name))?;
        }
    }
    let after = sizes(&place.folder);
    let gone = before.iter().filter(|(name, _)| !after.contains_key(*name));
    Ok(gone.fold(Cleared::default(), |sum, (_, bytes)| Cleared {
        files: sum.files + 1,
        bytes: sum.bytes + bytes,
    }))
}

/// Files of the cache and their bytes.
fn sizes(folder: &Path) -> BTreeMap<String, u64> {
    let names = index::names(folder).into_iter().filter(|name| name != LOCK);
    let size = |name: String| Some((folder.join(&name).metadata().ok()?.len(), name));
    names.filter_map(size).map(|(bytes, name)| (name, bytes)).collect()
}

/// Reads every file again, counts it again, and compares.
///
/// # Errors
/// [`Trouble`] when another process has the cache.
pub fn verify(place: &Place) -> Result<Verdict, Trouble> {
    let mut verdict = Verdict::default();
    if place.folder.exists() {
        let readable = Index::read(&place.folder).is_some();
        let cubes = Cubes::open(place, Tz::UTC, Memory::default())?;
        if !readable {
            verdict.fault(index::FILE_NAME, "it is damaged");
        }
        cubes.verify_files(&mut verdict)?;
        cubes.verify_shares(&mut verdict);
        cubes.verify_groups(&mut verdict)?;
        cubes.verify_streams(&mut verdict);
    }
    verdict.faults.sort();
    verdict.ok = verdict.faults.is_empty();
    Ok(verdict)
}

impl Verdict {
    /// Says of a file, once, that it cannot be read.
    fn damaged(&mut self, trouble: &Trouble) {
        let Trouble::Damaged { path } = trouble else { return };
        let place = path.to_string_lossy();
        if self.faults.iter().all(|fault| fault.place != place) {
            self.fault(place, "it is damaged or gone");
        }
    }

    fn fault(&mut self, place: impl Into<String>, what: &str) {
        self.faults.push(Fault { place: place.into(), what: what.to_owned() });
    }
}

/// A path as the index holds it.
#[cfg(unix)]
pub(super) fn path_of_bytes(path: &[u8]) -> PathBuf {
    PathBuf::from(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(path.to_vec()))
}

#[cfg(not(unix))]
pub(super) fn path_of_bytes(path: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(path).into_owned())
}

fn path_of(key: &FileKey) -> PathBuf {
    path_of_bytes(&key.0)
}

/// Knows nothing but which column tells one message from another.
struct Again(Identity);

impl Known for Again {
    fn unchanged(&self, _: &Path, _: Stat, _: &str) -> Option<(String, Outline)> {
        None
    }

    fn has_length(&self, _: u64) -> bool {
        false
    }

    fn content(&self, _: &Content<'_>) -> Option<Held> {
        None
    }

    fn identity(&self, _: Option<Identity>) -> Option<Identity> {
        Some(self.0)
    }
}

/// A file that was read again.
struct Fresh {
    sha256: String,
    held: Held,
    rows: ReadRows,
    names: Names,
    seen: FileSeen,
}

fn read_again(path: &Path, recipe: &Recipe, room: Room) -> Option<Result<Fresh, CountError>> {
    let source = Source {
        path: path.to_string_lossy().into_owned(),
        root: PathBuf::new(),
        archived: None,
        settings: recipe.settings()?,
    };
    let names = Names::new();
    let collector = Collector::new(room);
    let sink = |block| collector.push(&block);
    let known = Again(recipe.identity);
    let reading = ingest::read_unknown(&[source], false, recipe.unit, &names, &known, &sink);
    let mut reading = reading.ok()?;
    let totals = std::mem::take(&mut reading.aggregates);
    let file = reading.files.first()?;
    let (sha256, held) = (file.sha256.clone(), Held::of(file, totals));
    Some(collector.into_files(&names).map(|mut files| {
        let seen = files.seen.remove(&0).unwrap_or_default();
        Fresh { sha256, held, rows: files.rows, names, seen }
    }))
}

/// A day as the index counts it.
fn day(number: u64) -> Option<NaiveDate> {
    i32::try_from(number).ok().and_then(NaiveDate::from_epoch_days)
}

impl Cubes {
    fn listed(
        &self,
        entry: &Entry,
        recipe: &Recipe,
        file: Option<(&FileKey, &FileEntry)>,
    ) -> Listed {
        let pieces = entry.pieces.iter().map(|key| self.size(key, ROWS));
        Listed {
            file: file.map(|(key, _)| path_of(key)),
            unchanged: file.is_some_and(|(key, file)| Stat::of(&path_of(key)) == Some(file.stat)),
            sha256: recipe.sha256.clone(),
            kind: recipe.outline.kind,
            bytes: recipe.bytes,
            rows: entry.rows,
            kept_bytes: pieces.sum::<u64>() + self.size_of_cubes(entry),
            zones: entry.cubes.keys().cloned().collect(),
            shares_with: entry.shares.len(),
            stream_of: None,
            used: day(entry.used),
        }
    }

    /// A stream, by the last of the places where it was left.
    fn listed_streams(&self, family: &Key) -> Option<Listed> {
        let places = || self.index.streams.iter().filter(|(_, held)| held.family == *family);
        let (_, stream) = places().max_by_key(|(_, stream)| stream.left.files.len())?;
        let last = stream.left.files.last()?;
        let path = path_of_bytes(&last.path);
        let entries = || stream.contents.iter().filter_map(|key| self.index.contents.get(key));
        let rows = places().flat_map(|(_, stream)| stream.rows.iter().flatten());
        let mut pieces: BTreeSet<&Key> = rows.map(|(key, _)| key).collect();
        pieces.extend(entries().flat_map(|entry| &entry.pieces));
        let kept = pieces.iter().map(|key| self.size(key, ROWS)).sum::<u64>();
        let shares: BTreeSet<&Key> = entries().flat_map(|entry| &entry.shares).collect();
        let zones: BTreeSet<&String> = entries().flat_map(|entry| entry.cubes.keys()).collect();
        Some(Listed {
            unchanged: Stat::of(&path).is_some_and(|stat| stat.bytes == last.bytes),
            file: Some(path),
            sha256: last.sha256.clone(),
            kind: stream.left.system,
            bytes: stream.left.bytes(),
            rows: stream.rows.iter().flatten().map(|(_, rows)| rows).sum(),
            kept_bytes: kept
                + places().map(|(key, _)| self.size(key, LEFT)).sum::<u64>()
                + entries().map(|entry| self.size_of_cubes(entry)).sum::<u64>(),
            zones: zones.into_iter().cloned().collect(),
            shares_with: shares.iter().filter(|key| !stream.contents.contains(**key)).count(),
            stream_of: Some(stream.left.files.len()),
            used: day(stream.used),
        })
    }

    /// Bytes of what is kept under a key.
    fn size(&self, key: &Key, ending: &str) -> u64 {
        self.path(key, ending).metadata().map_or(0, |meta| meta.len())
    }

    fn size_of_cubes(&self, entry: &Entry) -> u64 {
        entry.cubes.values().map(|cube| self.size(cube, CUBE)).sum()
    }

    fn drop_unused(&mut self) -> Result<(), Trouble> {
        self.index.files.retain(|key, file| Stat::of(&path_of(key)) == Some(file.stat));
        let current: BTreeSet<&str> =
            self.index.files.values().map(|file| file.sha256.as_str()).collect();
        let is_current = |recipe: &Recipe| current.contains(recipe.sha256.as_str());
        self.index.contents.retain(|_, entry| entry.recipe.as_ref().is_none_or(is_current));
        // A log is not shorter than it was.
        let goes_on = |stream: &Stream| {
            stream.left.files.iter().all(|file| {
                let now = Stat::of(&path_of_bytes(&file.path));
                now.is_some_and(|now| now.bytes >= file.bytes)
            })
        };
        self.index.streams.retain(|_, stream| goes_on(stream));
        Ok(self.index.write(&self.place.folder, self.today())?)
    }

    /// Reads every file again whose length and time are those it had.
    fn verify_files(&self, verdict: &mut Verdict) -> Result<(), Trouble> {
        let mut done: BTreeSet<&Key> = BTreeSet::new();
        for (place, file) in &self.index.files {
            let path = path_of(place);
            if Stat::of(&path) != Some(file.stat) {
                verdict.passed += 1;
                continue;
            }
            for (key, entry) in &self.index.contents {
                let Some((entry, recipe)) = entry.table() else { continue };
                if recipe.sha256 != file.sha256 || !done.insert(key) {
                    continue;
                }
                match read_again(&path, recipe, self.room.clone()).transpose()? {
                    None => verdict.fault(path.to_string_lossy(), "it cannot be read again"),
                    Some(fresh) if fresh.sha256 != file.sha256 => {
                        let what = "its content has changed, its length and time have not";
                        verdict.fault(path.to_string_lossy(), what);
                    }
                    Some(fresh) => self.compare(key, entry, &fresh, verdict)?,
                }
            }
        }
        Ok(())
    }

    fn compare(
        &self,
        key: &Key,
        entry: &Entry,
        fresh: &Fresh,
        verdict: &mut Verdict,
    ) -> Result<(), Trouble> {
        let before = verdict.faults.len();
        let member = Member {
            rows: MemberRows::Read(&fresh.rows, 0),
            seen: &fresh.seen,
            absent_is_no_tls: fresh.held.absent_is_no_tls,
        };
        let mut names = None;
        for (zone, cube) in &entry.cubes {
            let Ok(zone) = zone.parse() else { continue };
            let settled = Settlement::of(&[member], &fresh.names, zone, &self.room)?;
            let head = Head {
                held: Some(fresh.held.clone()),
                seen: fresh.seen.clone(),
                places: settled.places,
                days: settled.days,
            };
            self.compare_cube(cube, &(head, settled.cells, settled.peers), verdict);
            names = Some(settled.names);
        }
        // The names that rows use are the same in every zone.
        let names = match names {
            Some(names) => names,
            None => Settlement::of(&[member], &fresh.names, Tz::UTC, &self.room)?.names,
        };
        let rows_path = self.path(key, ROWS);
        let kept = Rows::open(&rows_path, key).ok();
        let own = names.list(&fresh.names);
        let same =
            kept.map(|kept| kept.are(fresh.rows.of_file(0, Which::All), &own)).transpose()?;
        if same != Some(true) {
            verdict.fault(rows_path.to_string_lossy(), "these are not the rows of the file");
        }
        verdict.same += usize::from(verdict.faults.len() == before);
        Ok(())
    }

    fn compare_cube(
        &self,
        key: &Key,
        expected: &(Head, DayCells, DayPeers),
        verdict: &mut Verdict,
    ) {
        let path = self.path(key, CUBE);
        let read = || {
            let mut file = Sectioned::open(&path, key)?;
            let head: Head = file::unpacked(&file.section(0)?)?;
            let cells: DayCells = file::unpacked(&file.section(1)?)?;
            Some((head, cells, file::decompressed::<DayPeers>(&file.section(2)?)?))
        };
        if read().as_ref() != Some(expected) {
            verdict.fault(path.to_string_lossy(), "this is not what the rows are counted to");
        }
    }

    /// Compares all contents with all others again.
    fn verify_shares(&self, verdict: &mut Verdict) {
        let contents: Vec<(&Key, &Entry)> = self.index.contents.iter().collect();
        let mut open: Vec<(u32, Vec<Rows>)> = Vec::new();
        for (number, (key, _)) in (0..).zip(&contents) {
            match self.rows(key) {
                Ok(pieces) => open.push((number, pieces)),
                Err(trouble) => verdict.damaged(&trouble),
            }
        }
        let mut pairs: BTreeSet<(u32, u32)> = BTreeSet::new();
        let mut many = Many::default();
        let all = open.iter().flat_map(|(_, pieces)| pieces).map(KeptRows::rows).sum();
        for part in share::parts(all, true) {
            many.clear();
            for (number, pieces) in &open {
                match rows::identities(pieces, part) {
                    Ok(keys) => many.add(*number, &keys),
                    Err(trouble) => verdict.damaged(&trouble),
                }
            }
            many.sort();
            pairs.extend(many.pairs());
        }
        let key = |number: u32| contents.get(number as usize).map(|(key, _)| **key);
        let found = pairs.into_iter().filter_map(|(a, b)| key(a).zip(key(b)));
        let found: BTreeSet<(Key, Key)> = found.flat_map(|(a, b)| [(a, b), (b, a)]).collect();
        let noted = contents
            .iter()
            .flat_map(|(key, entry)| entry.shares.iter().map(|other| (**key, *other)));
        if found != noted.collect() && verdict.faults.is_empty() {
            verdict.fault(index::FILE_NAME, "it does not know which files share messages");
        }
    }

    /// Looks whether what is kept of streams of logs can be read.
    fn verify_streams(&self, verdict: &mut Verdict) {
        for (key, stream) in &self.index.streams {
            if !self.is_stream_whole(key, stream) {
                verdict
                    .fault(self.path(key, LEFT).to_string_lossy(), "it, or its rows, is damaged");
            }
        }
    }

    /// Settles groups, and logs, again from the rows that are kept.
    fn verify_groups(&self, verdict: &mut Verdict) -> Result<(), Trouble> {
        for (key, group) in &self.index.groups {
            self.verify_settled(key, (&group.members, &group.zone), verdict)?;
        }
        for (content, entry) in &self.index.contents {
            for (zone, cube) in entry.cubes.iter().filter(|_| entry.recipe.is_none()) {
                self.verify_settled(cube, (&[*content], zone), verdict)?;
            }
        }
        Ok(())
    }

    fn verify_settled(
        &self,
        cube: &Key,
        (contents, zone): (&[Key], &str),
        verdict: &mut Verdict,
    ) -> Result<(), Trouble> {
        let Ok(zone) = zone.parse::<Tz>() else { return Ok(()) };
        let member = |rows: &Key| {
            Some((self.rows(rows).ok()?, self.head(&Key::of_settled(&[*rows], zone))?))
        };
        let Some(members) = contents.iter().map(member).collect::<Option<Vec<_>>>() else {
            verdict.fault(self.path(cube, CUBE).to_string_lossy(), "it, or its rows, is damaged");
            return Ok(());
        };
        let kept: Vec<_> = members.iter().map(|(pieces, _)| rows::kept(pieces)).collect();
        let of_all = members.iter().zip(&kept);
        let of_all: Vec<Member<'_>> =
            of_all.map(|((_, head), kept)| head.member(MemberRows::Kept(kept))).collect();
        let settled = match Settlement::of(&of_all, &Names::new(), zone, &self.room) {
            Ok(settled) => settled,
            Err(CountError::Kept { path }) => {
                verdict.damaged(&Trouble::Damaged { path });
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        // What one content said is not in its rows.
        let said = match members.as_slice() {
            [(_, head)] => head.clone(),
            _ => Head::default(),
        };
        let head = Head { places: settled.places, days: settled.days, ..said };
        self.compare_cube(cube, &(head, settled.cells, settled.peers), verdict);
        Ok(())
    }
}
