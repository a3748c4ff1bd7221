//! The rows of single files, read now or kept of an earlier reading, alone and together.

use super::name_list::{FileNames, NameList, UsedNames, code, codes};
use super::rows::{Batch, Desk, Entry, Kept, MOST_BITS, Origin, Part, Store, bits_for};
use super::{CountError, FileSeen, Room, settle};
use crate::trace::{Direction, Names};

/// The rows of one file, or of a part of it, sorted by identity, column by column; names are
/// told by their place in the list of the file, from 1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileRows {
    /// Identities.
    pub keys: Vec<u64>,
    /// Seconds since 1970 UTC.
    pub times: Vec<u32>,
    /// Direction, band and role.
    pub classes: Vec<u32>,
    /// Connectors; 0 = none.
    pub connectors: Vec<u32>,
    /// Remote servers where they belong to the identity.
    pub remotes: Vec<u32>,
    /// Remote domains; 0 = none.
    pub peers: Vec<u32>,
}

/// The rows of all files that were read.
#[derive(Debug)]
pub struct ReadRows {
    rows: Kept,
}

/// Which rows of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All.
    All,
    /// Those that are what they are, whatever follows in their log, up to the place where it was
    /// left after being left so many times.
    Settled(u8),
    /// Of these, those that were read after it was left so many times.
    New(u8, u8),
    /// Those that are what they are only because their log ended.
    Open,
}

impl Which {
    fn holds(self, origin: Origin) -> bool {
        match self {
            Self::All => true,
            Self::Settled(last) => match origin {
                Origin::Kept => true,
                Origin::Read(times) => times <= last,
                Origin::Open => false,
            },
            Self::New(first, last) => {
                matches!(origin, Origin::Read(times) if (first..=last).contains(&times))
            }
            Self::Open => origin == Origin::Open,
        }
    }
}

/// Rows of one file.
#[derive(Debug, Clone, Copy)]
pub struct OfFile<'a> {
    rows: &'a Kept,
    file: u32,
    which: Which,
}

impl OfFile<'_> {
    /// How many there are.
    pub fn rows(self) -> u64 {
        self.rows.rows_from(self.file, &|origin| self.which.holds(origin))
    }

    /// Those of a part, as they are kept.
    ///
    /// # Errors
    /// [`CountError::Scratch`] where they cannot be read again.
    pub fn part(self, part: Part, names: &FileNames) -> Result<FileRows, CountError> {
        let mut desk = Desk::default();
        let unsorted = desk.fresh();
        self.read(part, unsorted)?;
        // Codes of names differ from reading to reading, their places do not.
        for row in unsorted {
            *row = row.renamed(|code| names.place(code));
        }
        let mut rows: Vec<Entry> = Vec::new();
        desk.each_identity(part.bits(), |same| rows.extend_from_slice(same));
        Ok(FileRows {
            keys: rows.iter().map(Entry::key).collect(),
            times: rows.iter().map(Entry::time).collect(),
            classes: rows.iter().map(Entry::class).collect(),
            connectors: rows.iter().map(Entry::connector).collect(),
            remotes: rows.iter().map(Entry::remote).collect(),
            peers: rows.iter().map(Entry::peer).collect(),
        })
    }

    /// The names that they use.
    ///
    /// # Errors
    /// As [`OfFile::part`].
    pub fn names(self, names: &Names) -> Result<FileNames, CountError> {
        let mut used = UsedNames::default();
        let mut rows = Vec::new();
        for part in Part::all(bits_for(self.rows(), 1 << 16, MOST_BITS)) {
            rows.clear();
            self.read(part, &mut rows)?;
            used.mark(&rows);
        }
        Ok(used.list(names))
    }

    fn read(self, part: Part, into: &mut Vec<Entry>) -> Result<(), CountError> {
        Ok(self.rows.read_of(self.file, &|origin| self.which.holds(origin), part, into)?)
    }
}

/// Rows of one file that were kept of an earlier reading.
pub trait KeptRows: Sync {
    /// How many there are.
    fn rows(&self) -> u64;

    /// Names of connectors and remote domains.
    fn names(&self) -> &NameList;

    /// In how many parts they are kept.
    fn parts(&self) -> usize;

    /// Those of one of them.
    ///
    /// # Errors
    /// [`CountError::Kept`] where they are damaged.
    fn part(&self, index: usize) -> Result<FileRows, CountError>;
}

/// Where the rows of one file are.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations, reason = "what is kept has no text of its own")]
pub enum MemberRows<'a> {
    /// It was read: among the rows of all files, and its index.
    Read(&'a ReadRows, u32),
    /// They were kept, in one piece or several.
    Kept(&'a [&'a dyn KeptRows]),
}

/// What one file has to be settled.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations, reason = "what is kept has no text of its own")]
pub struct Member<'a> {
    /// Its rows.
    pub rows: MemberRows<'a>,
    /// What else they say.
    pub seen: &'a FileSeen,
    /// Per direction: whether a message without a TLS version had none.
    pub absent_is_no_tls: [bool; Direction::ALL.len()],
}

impl ReadRows {
    pub(super) fn new(rows: Kept) -> Self {
        Self { rows }
    }

    /// How many rows a file has.
    pub fn rows_of(&self, file: u32) -> u64 {
        self.rows.rows_of(file)
    }

    /// The rows of one file that are to be kept.
    pub fn of_file(&self, file: u32, which: Which) -> OfFile<'_> {
        OfFile { rows: &self.rows, file, which }
    }

    /// Adds the identities of a part, each with its file, of those files that are `wanted`.
    ///
    /// # Errors
    /// [`CountError::Scratch`] where they cannot be read again.
    pub fn identities(
        &self,
        part: Part,
        wanted: &dyn Fn(u32) -> bool,
        into: &mut Vec<(u64, u32)>,
    ) -> Result<(), CountError> {
        let mut rows = Vec::new();
        let bits = bits_for(self.rows.rows(wanted), 1 << 16, MOST_BITS);
        for part in part.split(bits) {
            rows.clear();
            self.rows.read(part, wanted, &mut rows)?;
            into.extend(rows.iter().map(|row| (row.key(), row.file())));
        }
        Ok(())
    }
}

/// Adds rows that were kept to those of a reading, as rows of this file; `room` is used again.
///
/// # Errors
/// [`CountError`] where they cannot be read, or be set aside.
pub(super) fn push(
    kept: &dyn KeptRows,
    names: &Names,
    (file, origin): (u32, Origin),
    room: &mut Vec<Entry>,
    store: &Store,
) -> Result<(), CountError> {
    let codes = codes(kept.names(), names)?;
    for index in 0..kept.parts() {
        room.clear();
        kept.part(index)?.add_to(file, &codes, room);
        store.push(Batch::new(file, room).from(origin))?;
    }
    Ok(())
}

/// The rows of files that are settled together, each with its place among them.
pub(super) struct Together<'a> {
    /// Those that were read.
    read: Vec<(u32, &'a ReadRows, u32)>,
    /// The rows of those that were kept.
    kept: Kept,
}

impl<'a> Together<'a> {
    /// Takes the members together: what was kept is read once, and held or set aside like
    /// what is read now.
    ///
    /// # Errors
    /// [`CountError`] where rows cannot be read, or be set aside.
    pub(super) fn of(
        members: &[Member<'a>],
        names: &Names,
        room: &Room,
    ) -> Result<Self, CountError> {
        let store = Store::new(room.bytes, room.folder.clone());
        let mut read = Vec::new();
        let mut rows = Vec::new();
        for (place, member) in (0..).zip(members) {
            match member.rows {
                MemberRows::Read(of_all, file) => read.push((place, of_all, file)),
                MemberRows::Kept(pieces) => {
                    for kept in pieces {
                        push(*kept, names, (place, Origin::Read(0)), &mut rows, &store)?;
                    }
                }
            }
        }
        Ok(Self { read, kept: store.into_kept() })
    }
}

impl settle::InParts for Together<'_> {
    fn rows(&self) -> u64 {
        let read = self.read.iter().map(|(_, read, file)| read.rows_of(*file));
        read.sum::<u64>() + self.kept.rows(&|_| true)
    }

    fn read(&self, part: Part, into: &mut Vec<Entry>) -> Result<(), CountError> {
        for (place, read, file) in &self.read {
            let start = into.len();
            read.rows.read_of(*file, &|_| true, part, into)?;
            into.iter_mut().skip(start).for_each(|row| *row = row.in_file(*place));
        }
        Ok(self.kept.read(part, &|_| true, into)?)
    }
}

impl FileRows {
    /// Adds the rows, as those of `file`.
    fn add_to(&self, file: u32, codes: &[u32], into: &mut Vec<Entry>) {
        let words = self.times.iter().zip(&self.classes).zip(&self.connectors);
        let words = words.zip(self.remotes.iter().zip(&self.peers));
        into.extend(self.keys.iter().zip(words).map(
            |(key, (((time, class), connector), (remote, peer)))| {
                let names = (code(codes, *connector), code(codes, *peer));
                Entry::of_parts(*key, *time, (file, *class), *remote, names)
            },
        ));
    }
}
