//! From files that were read, and files that were known, to the parts of a breakdown.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use chrono::NaiveDate;
use chrono_tz::Tz;

use super::file::{self, Sectioned};
use super::index::{CUBE, Entry, FileEntry, Group, ROWS, Recipe};
use super::key::Key;
use super::rows::{self, Rows};
use super::share::{self, Groups, Many};
use super::{Cubes, Head, RACY, Trouble, path_bytes};
use crate::breakdown::{
    Breakdown, CollectedFiles, Collector, Counts, DayCells, DayPeers, FileNames, Member,
    MemberRows, Part, Parts, Places, ReadRows, Scope, Settlement, UsedNames, Which, at_once,
};
use crate::ingest::{Content, Held, Reading, Settings, Source, SourceFile, Stat};
use crate::trace::{Names, Unit};

/// Files that were counted, day by day.
#[derive(Debug)]
pub struct Counted {
    parts: Parts,
    stored: Stored,
    cubes: Cubes,
}

/// The counts of settlements.
#[derive(Debug, Default)]
struct Stored {
    counts: Vec<Where>,
}

/// Where the counts of a settlement are.
#[derive(Debug)]
enum Where {
    Here(DayCells, DayPeers),
    File(PathBuf, Key),
}

/// One usable file of the reading.
pub(super) struct Node {
    pub file: u32,
    /// The content that it is, where that is kept.
    pub key: Option<Key>,
    /// Whether it was read now.
    read: bool,
    /// What else it says.
    pub head: Arc<Head>,
    /// What it was settled to, where that was done now.
    pub settled: Option<(DayCells, DayPeers)>,
}

/// What keys depend on.
struct Recipes<'a> {
    sources: &'a [Source],
    /// The settings of each source, written out.
    how: Vec<String>,
    unit: Unit,
}

impl Recipes<'_> {
    fn settings(&self, file: &SourceFile) -> Option<&Settings> {
        self.sources.get(file.source).map(|source| &source.settings)
    }

    fn content<'a>(&'a self, file: &'a SourceFile) -> Option<Content<'a>> {
        Some(Content {
            sha256: &file.sha256,
            outline: &file.origin.outline,
            identity: file.origin.identity,
            unit: self.unit,
            how: self.how.get(file.source)?,
        })
    }

    fn recipe(&self, file: &SourceFile) -> Option<Recipe> {
        let settings = self.settings(file)?;
        let columns = settings.columns.as_ref();
        Some(Recipe {
            sha256: file.sha256.clone(),
            bytes: file.bytes,
            outline: file.origin.outline,
            identity: file.origin.identity,
            unit: self.unit,
            kind: settings.kind,
            columns: columns.map(serde_json::to_string).transpose().ok()?,
            direction: settings.direction,
            zone: settings.zone.name().to_owned(),
            order: settings.order,
        })
    }
}

impl Cubes {
    /// Counts what was read, and keeps it; takes what was known.
    ///
    /// # Errors
    /// [`Trouble`] when something that is needed is damaged.
    pub fn count(
        mut self,
        collector: Collector,
        reading: &Reading,
        (sources, unit): (&[Source], Unit),
        names: &Names,
    ) -> Result<Counted, Trouble> {
        let how = sources.iter().map(|source| source.settings.written_out()).collect();
        let recipes = Recipes { sources, how, unit };
        match self.parts(collector, reading, &recipes, names) {
            Ok((parts, stored)) => Ok(Counted { parts, stored, cubes: self }),
            Err(trouble) => {
                self.forget(&trouble);
                Err(trouble)
            }
        }
    }

    fn parts(
        &mut self,
        collector: Collector,
        reading: &Reading,
        recipes: &Recipes<'_>,
        names: &Names,
    ) -> Result<(Parts, Stored), Trouble> {
        let before = self.resume(&collector, reading, names)?;
        let logs = Self::held_logs(reading, &before);
        let CollectedFiles { rows: read, seen: mut seen_of, settled } =
            collector.into_files(names)?;
        let mut parts = Parts::default();
        let mut nodes: Vec<Node> = Vec::new();
        let mut new: BTreeSet<Key> = BTreeSet::new();
        for (file, source) in (0..).zip(&reading.files) {
            let seen = seen_of.remove(&file).unwrap_or_default();
            let node = if source.origin.held {
                let table = || recipes.content(source).map(|content| Key::of_rows(&content));
                let key = logs.get(&file).copied().or_else(table);
                let head = key.and_then(|key| self.head_of(key)).unwrap_or_default();
                Node { file, key, read: false, head, settled: None }
            } else {
                let totals = reading.aggregates.iter().filter(|total| total.file == file);
                let held = Held::of(source, totals.cloned().collect());
                let head = Arc::new(Head { held: Some(held), seen, ..Head::default() });
                Node { file, key: None, read: true, head, settled: None }
            };
            parts.add_file(file, &node.head.seen, names)?;
            if source.usable {
                nodes.push(node);
            }
        }
        for node in nodes.iter_mut().filter(|node| node.read) {
            let own = self.settle_alone(node, &read, names)?.list(names);
            let source = reading.files.get(node.file as usize);
            let read = (&read, &own);
            node.key = source.and_then(|source| self.keep(node, source, recipes, read, &mut new));
        }
        self.leave(reading, before, (&read, names), &settled, (&mut nodes, &mut new));
        let stored = self.groups(nodes, &new, (&read, names), &mut parts)?;
        self.note_files(reading, recipes);
        self.save();
        Ok((parts, stored))
    }

    /// Keeps a file that was read, if it can be kept: the key of its rows.
    fn keep(
        &mut self,
        node: &Node,
        source: &SourceFile,
        recipes: &Recipes<'_>,
        read: (&ReadRows, &FileNames),
        new: &mut BTreeSet<Key>,
    ) -> Option<Key> {
        let stat = source.origin.stat?;
        if Stat::of(&source.path) != Some(stat) || stat.bytes != source.bytes {
            // It changed while it was read: nobody knows which bytes the rows came from.
            return None;
        }
        let key = Key::of_rows(&recipes.content(source)?);
        let cube = self.cube_key(key);
        let written = self.write(node, &key, &cube, read);
        if let Err(trouble) = written {
            self.notes.push(format!("`{}` is not kept: {trouble}", source.name));
            return None;
        }
        if !self.index.contents.contains_key(&key) {
            let entry = Entry {
                recipe: Some(recipes.recipe(source)?),
                pieces: vec![key],
                rows: source.rows,
                used: self.today(),
                shares: BTreeSet::new(),
                cubes: BTreeMap::new(),
            };
            self.index.contents.insert(key, entry);
            new.insert(key);
        }
        let entry = self.index.contents.get_mut(&key)?;
        entry.cubes.insert(self.zone.name().to_owned(), cube);
        self.changed = true;
        Some(key)
    }

    fn write(
        &self,
        node: &Node,
        key: &Key,
        cube: &Key,
        (read, names): (&ReadRows, &FileNames),
    ) -> Result<(), Trouble> {
        let of_file = read.of_file(node.file, Which::All);
        rows::write(&self.path(key, ROWS), key, of_file, names)?;
        if let Some((cells, peers)) = &node.settled {
            self.write_cube(cube, &node.head, cells, peers)?;
        }
        Ok(())
    }

    pub(super) fn write_cube(
        &self,
        key: &Key,
        head: &Head,
        cells: &DayCells,
        peers: &DayPeers,
    ) -> Result<(), Trouble> {
        // One after the other: where there are millions of names, each is as large as all else.
        let section = |index| match index {
            0 => file::packed(head),
            1 => file::packed(cells),
            _ => file::compressed(peers),
        };
        file::write_each(&self.path(key, CUBE), key, 3, |index| Ok(section(index)))
    }

    /// Puts files together that share messages, and settles them.
    fn groups(
        &mut self,
        mut nodes: Vec<Node>,
        new: &BTreeSet<Key>,
        read: (&ReadRows, &Names),
        parts: &mut Parts,
    ) -> Result<Stored, Trouble> {
        let groups = self.shared(&nodes, new, read.0)?;
        let mut stored = Stored::default();
        for group in groups {
            if let [only] = group.as_slice() {
                let Some(node) = nodes.get_mut(*only) else { continue };
                let counts = match (node.settled.take(), node.key) {
                    (Some((cells, peers)), _) => Where::Here(cells, peers),
                    (None, Some(key)) => {
                        let key = self.cube_key(key);
                        Where::File(self.path(&key, CUBE), key)
                    }
                    (None, None) => continue,
                };
                parts.add_settled(vec![node.file], node.head.places.clone(), node.head.days);
                stored.counts.push(counts);
                continue;
            }
            let members: Vec<&Node> = group.iter().filter_map(|index| nodes.get(*index)).collect();
            let (head, counts) = self.group(&members, read)?;
            let files = members.iter().map(|node| node.file).collect();
            parts.add_settled(files, head.places, head.days);
            stored.counts.push(counts);
        }
        self.use_contents(nodes.iter().filter_map(|node| node.key));
        Ok(stored)
    }

    /// What files that share messages were settled to, once or now.
    fn group(
        &mut self,
        members: &[&Node],
        read: (&ReadRows, &Names),
    ) -> Result<(Head, Where), Trouble> {
        let today = self.today();
        let keys: Option<Vec<Key>> = members.iter().map(|node| node.key).collect();
        let key = keys.as_ref().map(|keys| Key::of_settled(keys, self.zone));
        if let Some(key) = key
            && let Some(group) = self.index.groups.get_mut(&key)
        {
            self.changed |= group.used != today;
            group.used = today;
            if let Some(head) = self.head(&key) {
                return Ok((head, Where::File(self.path(&key, CUBE), key)));
            }
        }
        let settlement = self.settle(members, read)?;
        let head = Head { places: settlement.places, days: settlement.days, ..Head::default() };
        let (cells, peers) = (settlement.cells, settlement.peers);
        if let (Some(key), Some(members)) = (key, keys) {
            if let Err(trouble) = self.write_cube(&key, &head, &cells, &peers) {
                self.notes.push(format!("a group is not kept: {trouble}"));
            } else {
                let zone = self.zone.name().to_owned();
                self.index.groups.insert(key, Group { members, zone, used: today });
                self.changed = true;
            }
        }
        Ok((head, Where::Here(cells, peers)))
    }

    fn settle(
        &self,
        members: &[&Node],
        (read, names): (&ReadRows, &Names),
    ) -> Result<Settlement, Trouble> {
        let kept = |node: &&Node| match node.key {
            Some(key) if !node.read => self.rows(&key).map(Some),
            _ => Ok(None),
        };
        let kept = members.iter().map(kept).collect::<Result<Vec<_>, _>>()?;
        let kept: Vec<_> = kept.iter().map(|pieces| pieces.as_deref().map(rows::kept)).collect();
        let members = members.iter().zip(&kept).map(|(node, kept)| match kept {
            Some(kept) => node.head.member(MemberRows::Kept(kept)),
            None => node.head.member(MemberRows::Read(read, node.file)),
        });
        let members: Vec<Member<'_>> = members.collect();
        Ok(Settlement::of(&members, names, self.zone, &self.room)?)
    }

    /// Settles a file that was read by itself; gives the names that its rows use.
    fn settle_alone(
        &self,
        node: &mut Node,
        read: &ReadRows,
        names: &Names,
    ) -> Result<UsedNames, Trouble> {
        let settlement = if read.rows_of(node.file) == 0 {
            Settlement { places: vec![Places::default()], ..Settlement::default() }
        } else {
            self.settle(&[node], (read, names))?
        };
        let head = Arc::make_mut(&mut node.head);
        head.places = settlement.places;
        head.days = settlement.days;
        node.settled = Some((settlement.cells, settlement.peers));
        Ok(settlement.names)
    }

    /// Groups of the files that share messages; compares what was not compared yet.
    fn shared(
        &mut self,
        nodes: &[Node],
        new: &BTreeSet<Key>,
        read: &ReadRows,
    ) -> Result<Vec<Vec<usize>>, Trouble> {
        let mut groups = Groups::new(nodes.len());
        let mut first_of: BTreeMap<Key, usize> = BTreeMap::new();
        // Files to be compared, and their nodes.
        let mut wanted: BTreeMap<u32, usize> = BTreeMap::new();
        for (index, node) in nodes.iter().enumerate() {
            match node.key.map(|key| (key, first_of.get(&key).copied())) {
                // The same content under two names.
                Some((_, Some(first))) => {
                    groups.join(first, index);
                    continue;
                }
                Some((key, None)) => {
                    first_of.insert(key, index);
                }
                None => {}
            }
            let compared = node.key.is_some_and(|key| !new.contains(&key));
            if !compared && node.read {
                wanted.insert(node.file, index);
            }
        }
        let rows = wanted.keys().map(|file| read.rows_of(*file)).sum();
        let known = if rows > 0 { self.known(new, &first_of)? } else { Vec::new() };
        if wanted.len() + known.len() > 1 {
            let of_reading = |file: u32| wanted.contains_key(&file);
            let parts: Vec<Part> = share::parts(rows, !known.is_empty()).collect();
            for parts in parts.chunks(if known.is_empty() { at_once::wave() } else { 1 }) {
                let found = at_once::each(parts, |part| compare(read, *part, &of_reading, &known));
                for found in found {
                    self.note_shared(nodes, &found?, &wanted, (&known, &first_of), &mut groups);
                }
            }
        }
        for (key, index) in &first_of {
            let shares = self.index.contents.get(key).map(|entry| &entry.shares);
            for other in shares.into_iter().flatten().filter_map(|key| first_of.get(key)) {
                groups.join(*index, *other);
            }
        }
        Ok(groups.all())
    }

    /// The contents with which new files are compared: all, but what is not kept is compared
    /// with the files of this reading only.
    fn known(
        &self,
        new: &BTreeSet<Key>,
        first_of: &BTreeMap<Key, usize>,
    ) -> Result<Vec<KnownRows>, Trouble> {
        let known = self.index.contents.keys().filter(|key| !new.contains(key));
        let known = known.filter(|key| !new.is_empty() || first_of.contains_key(key));
        known.map(|key| Ok((*key, self.rows(key)?))).collect()
    }

    /// Puts files together that were found to share messages.
    fn note_shared(
        &mut self,
        nodes: &[Node],
        found: &Found,
        wanted: &BTreeMap<u32, usize>,
        (known, first_of): (&[KnownRows], &BTreeMap<Key, usize>),
        groups: &mut Groups,
    ) {
        let node = |file: &u32| wanted.get(file).copied();
        for (a, b) in &found.pairs {
            if let Some((a, b)) = node(a).zip(node(b)) {
                self.join(nodes, groups, a, b);
            }
        }
        for (index, files) in &found.with_known {
            let Some((key, _)) = known.get(*index) else { continue };
            for index in files.iter().filter_map(node) {
                if let Some(known) = first_of.get(key) {
                    groups.join(index, *known);
                }
                if let Some(own) = nodes.get(index).and_then(|node| node.key) {
                    self.share(own, *key);
                }
            }
        }
    }

    /// Writes down that two files share messages, where both are kept.
    fn join(&mut self, nodes: &[Node], groups: &mut Groups, a: usize, b: usize) {
        groups.join(a, b);
        let key = |index: usize| nodes.get(index).and_then(|node| node.key);
        if let Some((a, b)) = key(a).zip(key(b)) {
            self.share(a, b);
        }
    }

    fn share(&mut self, a: Key, b: Key) {
        for (one, other) in [(a, b), (b, a)] {
            if let Some(entry) = self.index.contents.get_mut(&one) {
                entry.shares.insert(other);
            }
        }
        self.changed = true;
    }

    fn use_contents(&mut self, keys: impl Iterator<Item = Key>) {
        let today = self.today();
        for key in keys {
            if let Some(entry) = self.index.contents.get_mut(&key) {
                self.changed |= entry.used != today;
                entry.used = today;
            }
        }
    }

    /// Writes down files whose content is known by now, if their time is old enough.
    fn note_files(&mut self, reading: &Reading, recipes: &Recipes<'_>) {
        for source in reading.files.iter().filter(|source| source.usable) {
            let Some((stat, how)) = source.origin.stat.zip(recipes.how.get(source.source)) else {
                continue;
            };
            let Some(path) = path_bytes(&source.path) else { continue };
            let place = (path, self.settings_key(how));
            let entry =
                FileEntry { stat, sha256: source.sha256.clone(), outline: source.origin.outline };
            if self.index.files.get(&place) == Some(&entry) {
                continue;
            }
            let settled = stat.modified + RACY <= self.now;
            if settled && Stat::of(&source.path) == Some(stat) && stat.bytes == source.bytes {
                self.index.files.insert(place, entry);
                self.changed = true;
            }
        }
    }

    fn save(&mut self) {
        if self.changed {
            let today = self.today();
            if let Err(error) = self.index.write(&self.place.folder, today) {
                self.notes.push(format!("the cache is not kept: {error}"));
            }
        }
    }
}

/// A content that is kept, and its rows.
type KnownRows = (Key, Vec<Rows>);

/// Which files share messages, by the identities of one part.
struct Found {
    /// Files of this reading, by their indices.
    pairs: BTreeSet<(u32, u32)>,
    /// Contents that are known, by their place in the list, and files that share with them.
    with_known: Vec<(usize, BTreeSet<u32>)>,
}

/// Compares the identities of one part of the files that are `wanted`: with one another, and
/// with those that are known.
fn compare(
    read: &ReadRows,
    part: Part,
    wanted: &dyn Fn(u32) -> bool,
    known: &[KnownRows],
) -> Result<Found, Trouble> {
    let mut many = Many::default();
    read.identities(part, wanted, many.list())?;
    many.sort();
    let mut with_known = Vec::new();
    for (index, (_, pieces)) in known.iter().enumerate() {
        with_known.push((index, many.with(&rows::identities(pieces, part)?)));
    }
    Ok(Found { pairs: many.pairs(), with_known })
}

impl Stored {
    fn section<T: serde::de::DeserializeOwned>(
        &self,
        settlement: usize,
        section: usize,
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<T, Trouble> {
        let Some(Where::File(path, key)) = self.counts.get(settlement) else {
            return Err(Trouble::damaged(&PathBuf::new()));
        };
        let value = Sectioned::open(path, key).and_then(|mut file| read(&file.section(section)?));
        value.ok_or_else(|| Trouble::damaged(path))
    }
}

impl Counts for Stored {
    type Error = Trouble;

    fn cells(&mut self, settlement: usize) -> Result<DayCells, Trouble> {
        match self.counts.get_mut(settlement) {
            Some(Where::Here(cells, _)) => Ok(std::mem::take(cells)),
            _ => self.section(settlement, 1, file::unpacked),
        }
    }

    fn peers(&mut self, settlement: usize) -> Result<DayPeers, Trouble> {
        match self.counts.get_mut(settlement) {
            Some(Where::Here(_, peers)) => Ok(std::mem::take(peers)),
            _ => self.section(settlement, 2, file::decompressed),
        }
    }
}

impl Counted {
    /// Local day after the newest row of any usable file.
    pub fn default_as_of(&self, reading: &Reading, zone: Tz) -> Option<NaiveDate> {
        self.parts.default_as_of(reading, zone)
    }

    /// What a person should know about the cache.
    pub fn notes(&self) -> &[String] {
        &self.cubes.notes
    }

    /// Counts the periods of a scope.
    ///
    /// # Errors
    /// [`Trouble`] when counts that were kept cannot be read.
    pub fn finish(
        self,
        reading: &Reading,
        names: &Names,
        scope: &Scope,
    ) -> Result<Breakdown, Trouble> {
        let Self { parts, mut stored, cubes } = self;
        let result = parts.finish(reading, names, scope, &mut stored);
        if let Err(trouble) = &result {
            cubes.forget(trouble);
        }
        result
    }
}
