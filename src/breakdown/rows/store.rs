//! The rows of a whole reading: batches in memory up to a bound, beyond it in a scratch file.
//!
//! A section holds the rows of one file that were set aside together, in the order of their
//! parts. Each part is a run of pieces, one per batch:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | number of rows |
//! | 4 | earliest time, where the rows are packed |
//! | 4 | widths of the columns; all 255 where the rows are whole |
//! | 16 or 28 per row | the row, little-endian |

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::{Batch, Entry, Layout, MOST_BITS, Origin, Packed, Part, Slim, bits_for};
use crate::store::{Scratch, ScratchError};

/// Takes in batches from several threads.
#[derive(Debug)]
pub(in crate::breakdown) struct Store {
    /// Bytes that batches may take.
    limit: usize,
    /// Where rows are set aside.
    folder: PathBuf,
    kept: Mutex<Kept>,
}

/// Rows that were taken in.
#[derive(Debug, Default)]
pub(in crate::breakdown) struct Kept {
    batches: Vec<Batch>,
    /// Bytes of the batches.
    bytes: usize,
    scratch: Option<Scratch>,
    sections: Vec<Section>,
}

/// Rows of one file in the scratch file.
#[derive(Debug)]
struct Section {
    file: u32,
    origin: Origin,
    rows: u64,
    offset: u64,
    /// Where each part ends, in bytes from the offset.
    ends: Box<[u64]>,
}

const HEAD: usize = 12;
const SLIM: usize = 16;
const WHOLE: usize = 28;
const WHOLE_WIDTHS: [u8; 4] = [u8::MAX; 4];
/// Bytes that are written at once.
const WRITE: usize = 1 << 20;

impl Store {
    /// An empty store that keeps `limit` bytes in memory, and sets aside what is more.
    pub(in crate::breakdown) fn new(limit: usize, folder: PathBuf) -> Self {
        Self { limit, folder, kept: Mutex::default() }
    }

    /// Takes in a batch. While rows are set aside, other threads wait here.
    ///
    /// # Errors
    /// [`ScratchError`] when they cannot be.
    pub(in crate::breakdown) fn push(&self, batch: Batch) -> Result<(), ScratchError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += batch.bytes();
        kept.batches.push(batch);
        if kept.bytes > self.limit { kept.set_aside(&self.folder) } else { Ok(()) }
    }

    /// All rows, once all are there.
    pub(in crate::breakdown) fn into_kept(self) -> Kept {
        let mut kept = self.kept.into_inner().unwrap_or_else(PoisonError::into_inner);
        kept.batches.sort_by_key(|batch| batch.file);
        kept.sections.sort_by_key(|section| section.file);
        kept
    }
}

impl Kept {
    /// Number of rows of the files that are `wanted`.
    pub(in crate::breakdown) fn rows(&self, wanted: &dyn Fn(u32) -> bool) -> u64 {
        let batches = self.batches.iter().filter(|batch| wanted(batch.file));
        let sections = self.sections.iter().filter(|section| wanted(section.file));
        batches.map(|batch| batch.len() as u64).sum::<u64>()
            + sections.map(|section| section.rows).sum::<u64>()
    }

    /// Adds the rows of a part that stand in files that are `wanted`.
    ///
    /// # Errors
    /// [`ScratchError`] when rows that were set aside cannot be read.
    pub(in crate::breakdown) fn read(
        &self,
        part: Part,
        wanted: &dyn Fn(u32) -> bool,
        into: &mut Vec<Entry>,
    ) -> Result<(), ScratchError> {
        for batch in self.batches.iter().filter(|batch| wanted(batch.file)) {
            batch.read(part, into);
        }
        let sections = self.sections.iter().filter(|section| wanted(section.file));
        self.read_sections(sections, part, into)
    }

    /// Number of rows of a file.
    pub(in crate::breakdown) fn rows_of(&self, file: u32) -> u64 {
        self.rows_from(file, &|_| true)
    }

    /// Number of rows of a file that came from somewhere `wanted`.
    pub(in crate::breakdown) fn rows_from(
        &self,
        file: u32,
        wanted: &dyn Fn(Origin) -> bool,
    ) -> u64 {
        let (batches, sections) = self.of_file(file);
        let batches = batches.iter().filter(|batch| wanted(batch.origin));
        let sections = sections.iter().filter(|section| wanted(section.origin));
        batches.map(|batch| batch.len() as u64).sum::<u64>()
            + sections.map(|section| section.rows).sum::<u64>()
    }

    /// Adds the rows of a part of one file that came from somewhere `wanted`.
    ///
    /// # Errors
    /// As [`Kept::read`].
    pub(in crate::breakdown) fn read_of(
        &self,
        file: u32,
        wanted: &dyn Fn(Origin) -> bool,
        part: Part,
        into: &mut Vec<Entry>,
    ) -> Result<(), ScratchError> {
        let (batches, sections) = self.of_file(file);
        for batch in batches.iter().filter(|batch| wanted(batch.origin)) {
            batch.read(part, into);
        }
        let sections = sections.iter().filter(|section| wanted(section.origin));
        self.read_sections(sections, part, into)
    }

    fn of_file(&self, file: u32) -> (&[Batch], &[Section]) {
        let start = self.batches.partition_point(|batch| batch.file < file);
        let end = self.batches.partition_point(|batch| batch.file <= file);
        let batches = self.batches.get(start..end).unwrap_or_default();
        let start = self.sections.partition_point(|section| section.file < file);
        let end = self.sections.partition_point(|section| section.file <= file);
        (batches, self.sections.get(start..end).unwrap_or_default())
    }

    fn read_sections<'a>(
        &self,
        sections: impl Iterator<Item = &'a Section>,
        part: Part,
        into: &mut Vec<Entry>,
    ) -> Result<(), ScratchError> {
        let Some(scratch) = &self.scratch else { return Ok(()) };
        let mut bytes = Vec::new();
        for section in sections {
            section.read(scratch, part, &mut bytes, into)?;
        }
        Ok(())
    }

    /// Moves all batches into the scratch file.
    fn set_aside(&mut self, folder: &Path) -> Result<(), ScratchError> {
        let mut batches = std::mem::take(&mut self.batches);
        self.bytes = 0;
        batches.sort_by_key(|batch| (batch.file, batch.origin));
        let scratch = match &mut self.scratch {
            Some(scratch) => scratch,
            slot => slot.insert(Scratch::new(folder)?),
        };
        let alike = |a: &Batch, b: &Batch| (a.file, a.origin) == (b.file, b.origin);
        for of_file in batches.chunk_by(alike) {
            self.sections.push(Section::write(of_file, scratch)?);
        }
        Ok(())
    }
}

impl Section {
    /// Writes the batches of one file.
    fn write(batches: &[Batch], scratch: &mut Scratch) -> Result<Self, ScratchError> {
        let rows = batches.iter().map(|batch| batch.len() as u64).sum();
        let bits = bits_for(rows, 256, MOST_BITS);
        let offset = scratch.end();
        let mut buffer = Vec::with_capacity(WRITE + WRITE / 4);
        let mut ends = Vec::with_capacity(1 << bits);
        for part in Part::all(bits) {
            for batch in batches {
                batch.write(part, &mut buffer);
                if buffer.len() >= WRITE {
                    scratch.append(&buffer)?;
                    buffer.clear();
                }
            }
            ends.push(scratch.end() - offset + buffer.len() as u64);
        }
        scratch.append(&buffer)?;
        let (file, origin) =
            batches.first().map_or((0, Origin::Read(0)), |batch| (batch.file, batch.origin));
        Ok(Self { file, origin, rows, offset, ends: ends.into_boxed_slice() })
    }

    /// Adds its rows of a part; `bytes` is room that is used again.
    fn read(
        &self,
        scratch: &Scratch,
        part: Part,
        bytes: &mut Vec<u8>,
        into: &mut Vec<Entry>,
    ) -> Result<(), ScratchError> {
        let bits = self.ends.len().ilog2();
        let end = |index: usize| self.ends.get(index).copied().unwrap_or(0);
        let parts = part.among(bits);
        let start = parts.start.checked_sub(1).map_or(0, end);
        let length = usize::try_from(end(parts.end - 1) - start).unwrap_or(0);
        bytes.resize(length, 0);
        scratch.read(self.offset + start, bytes)?;
        let finer = part.is_finer(bits).then_some(part);
        let mut rest = bytes.as_slice();
        while let Some((piece, more)) = Piece::split(rest) {
            piece.read(self.file, finer, into);
            rest = more;
        }
        Ok(())
    }
}

impl Batch {
    /// Writes its rows of a part as a piece.
    fn write(&self, part: Part, into: &mut Vec<u8>) {
        let (range, all) = self.range(part);
        let head = into.len();
        into.extend([0; HEAD]);
        let mut count = 0_u32;
        let (start, widths) = match &self.rows {
            Packed::Slim(layout, rows) => {
                let rows = rows.get(range).unwrap_or_default();
                for row in rows.iter().filter(|row| all || part.holds(row.key)) {
                    into.extend(row.key.to_le_bytes());
                    into.extend(row.rest.to_le_bytes());
                    count += 1;
                }
                (layout.start, layout.widths)
            }
            Packed::Whole(rows) => {
                let rows = rows.get(range).unwrap_or_default();
                for row in rows.iter().filter(|row| all || part.holds(row.key())) {
                    row.words().into_iter().for_each(|word| into.extend(word.to_le_bytes()));
                    count += 1;
                }
                (0, WHOLE_WIDTHS)
            }
        };
        if count == 0 {
            into.truncate(head);
            return;
        }
        let [count, start] = [count, start].map(u32::to_le_bytes);
        let words = count.into_iter().chain(start).chain(widths);
        into.iter_mut().skip(head).zip(words).for_each(|(slot, byte)| *slot = byte);
    }
}

/// Rows of one part of one batch, as bytes.
struct Piece<'a> {
    /// Where the rows are packed: how.
    layout: Option<Layout>,
    rows: &'a [u8],
}

impl<'a> Piece<'a> {
    /// The first piece of some, and the others.
    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (head, rest) = bytes.split_at_checked(HEAD)?;
        let words: &[[u8; 4]; 3] = head.as_chunks().0.try_into().ok()?;
        let [count, start, widths] = *words;
        let slim = widths != WHOLE_WIDTHS;
        let layout = slim.then_some(Layout { start: u32::from_le_bytes(start), widths });
        let length = u32::from_le_bytes(count) as usize * if slim { SLIM } else { WHOLE };
        let (rows, rest) = rest.split_at_checked(length)?;
        Some((Self { layout, rows }, rest))
    }

    /// Adds its rows; where a part is given, those of it.
    fn read(&self, file: u32, part: Option<Part>, into: &mut Vec<Entry>) {
        let start = into.len();
        if let Some(layout) = self.layout {
            into.extend(self.rows.as_chunks::<SLIM>().0.iter().map(|row| {
                let [key, rest] = *row.as_chunks().0 else { return Entry::default() };
                let slim = Slim { key: u64::from_le_bytes(key), rest: u64::from_le_bytes(rest) };
                layout.unpack(slim, file)
            }));
        } else {
            let rows = self.rows.as_chunks::<WHOLE>().0.iter();
            into.extend(rows.map(|row| Entry::of_words(row.as_chunks().0)));
        }
        if let Some(part) = part {
            let others = into.split_off(start);
            into.extend(others.into_iter().filter(|row| part.holds(row.key())));
        }
    }
}

impl Entry {
    fn words(&self) -> [u32; WHOLE / 4] {
        let Self { key_high, key_low, time, file_and_class, connector, remote, peer } = *self;
        [key_high, key_low, time, file_and_class, connector, remote, peer]
    }

    fn of_words(words: &[[u8; 4]]) -> Self {
        let mut words = words.iter().map(|word| u32::from_le_bytes(*word));
        let mut next = || words.next().unwrap_or(0);
        Self {
            key_high: next(),
            key_low: next(),
            time: next(),
            file_and_class: next(),
            connector: next(),
            remote: next(),
            peer: next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{NO_NAME, Row};

    /// Rows of three files, some of which cannot be packed.
    fn rows() -> Vec<(u32, Vec<Entry>)> {
        let entry = |file: u32, n: u64| {
            let key = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let far = if n % 3000 == 7 { u32::MAX - 1 } else { 5 };
            let number = u32::try_from(n).unwrap();
            let names = if n.is_multiple_of(5) { (NO_NAME, far) } else { (number % 50, NO_NAME) };
            let remote = if file == 2 { number.wrapping_mul(0x9e37_79b9) } else { 0 };
            Entry::of_parts(key, 1_790_000_000 + number, (file, number % 400), remote, names)
        };
        let block = |n: u64| {
            let (file, length) =
                ([0, 1, 2][(n % 3) as usize], [1, 40, 5000, 700][(n % 4) as usize]);
            (file, (0..length).map(|row| entry(file, n * 5000 + row)).collect())
        };
        (0..24).map(block).collect()
    }

    fn kept(limit: usize) -> Kept {
        let store = Store::new(limit, std::env::temp_dir());
        for (file, rows) in rows() {
            store.push(Batch::new(file, &rows)).unwrap();
        }
        store.into_kept()
    }

    fn all(kept: &Kept, bits: u32, wanted: &dyn Fn(u32) -> bool) -> Vec<Entry> {
        let mut all = Vec::new();
        for part in Part::all(bits) {
            let before = all.len();
            kept.read(part, wanted, &mut all).unwrap();
            assert!(all.iter().skip(before).all(|row| part.holds(row.key())));
        }
        all.sort_unstable();
        all
    }

    #[test]
    fn rows_come_back_as_they_were_whether_set_aside_or_not_and_in_any_parts() {
        let mut expected: Vec<Entry> = rows().into_iter().flat_map(|(_, rows)| rows).collect();
        expected.sort_unstable();
        for limit in [usize::MAX, 200_000, 20_000, 0] {
            let kept = kept(limit);
            assert_eq!(kept.scratch.is_some(), limit < usize::MAX, "{limit}");
            for bits in [0, 3, 9, 11] {
                assert_eq!(all(&kept, bits, &|_| true), expected, "{limit} {bits}");
            }
            assert_eq!(kept.rows(&|_| true), expected.len() as u64);
            let mut own: Vec<Entry> = Vec::new();
            Part::all(4).for_each(|part| kept.read_of(1, &|_| true, part, &mut own).unwrap());
            own.sort_unstable();
            assert_eq!(own, all(&kept, 0, &|file| file == 1));
            assert_eq!(kept.rows_of(1), own.len() as u64);
        }
    }

    #[test]
    fn most_rows_take_sixteen_bytes() {
        let (_, rows) = rows().swap_remove(6);
        let slim: Vec<Entry> = rows.iter().filter(|row| row.peer() < 9).copied().collect();
        assert_eq!(slim.len(), 1000);
        assert!(Batch::new(0, &slim).bytes() < slim.len() * 16 + 1000);
    }

    #[test]
    fn rows_of_a_frame_are_what_they_are_one_by_one() {
        let row = |n: u64| Row {
            time_ms: i64::try_from(n).unwrap() * 977_000,
            direction: crate::trace::Direction::Outbound,
            connector: if n.is_multiple_of(7) { NO_NAME } else { 3 },
            connector_type: crate::trace::ConnectorType::Partner,
            forced_tls: None,
            tls: crate::trace::Tls::Tls1_3,
            cipher: NO_NAME,
            peer: u32::try_from(n % 90).unwrap(),
            remote: 0,
            message_key: n.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            role: crate::trace::Role::Message,
        };
        // Rows of times that are none, and rows that need more room than packed ones have.
        let before = Row { time_ms: -1, ..row(1) };
        let wide = Row { peer: u32::MAX - 1, remote: u32::MAX, connector: 1 << 20, ..row(2) };
        for others in [vec![], vec![before], vec![wide], vec![before, wide]] {
            let rows: Vec<Row> = (0..2000).map(row).chain(others).collect();
            let mut builder = crate::trace::BlockBuilder::default();
            for row in &rows {
                builder.push(*row);
            }
            let mut seen = Vec::new();
            let frame = builder.finish(5).unwrap();
            let batch = Batch::of_frame(&frame, |row| seen.push(*row)).unwrap();
            let entries: Vec<Entry> = rows.iter().map(|row| Entry::new(row, 5)).collect();
            let expected = Batch::new(5, &entries);
            let read = |batch: &Batch| {
                let mut read = Vec::new();
                Part::all(3).for_each(|part| batch.read(part, &mut read));
                read
            };
            assert_eq!(read(&batch), read(&expected));
            assert_eq!((batch.bytes(), seen), (expected.bytes(), rows));
        }
    }

    #[test]
    fn rows_that_cannot_be_set_aside_are_an_error() {
        let store = Store::new(0, PathBuf::from("/nonexistent"));
        let error = store.push(Batch::new(0, &[Entry::default()])).unwrap_err();
        assert_eq!(error.folder, Path::new("/nonexistent"));
    }
}
