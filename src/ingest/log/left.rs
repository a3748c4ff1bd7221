//! A stream of logs as a reading left it, so that the next one goes on there.
//!
//! What is left stands before the end of the stream: before an incomplete last line, and before
//! what is still open is decided. A reading that goes on from there says what one of the whole
//! stream would say.
//!
//! Invariant: a stream is gone on with only where its files begin with what was read, byte for
//! byte, as far as can be told without reading all of it: files that did not change, or have the
//! same hash, and a last one that is the same file by its name or number, is not shorter, and has
//! the same bytes where the reading ended. All else is read as a whole.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::detect::LogStart;
use super::rows::LeftRows;
use super::stamp::{FirstYear, LeftStamps};
use crate::ingest::job::Job;
use crate::ingest::known::Stat;
use crate::ingest::open::{self, Container, Digested};
use crate::ingest::{FileNote, IngestError};
use crate::store;
use crate::trace::{Kind, Unit};

/// Bytes at the end of what was read that are compared.
pub(super) const ENDING: usize = 8192;
/// A stream that holds more than this is not left: 256 MiB.
const MOST_BYTES: usize = 256 << 20;

/// A value as bytes; none where there are very many.
pub(super) fn packed<T: Serialize>(value: &T) -> Option<Vec<u8>> {
    postcard::to_stdvec(value).ok().filter(|bytes| bytes.len() <= MOST_BYTES)
}

/// The value of some bytes; `None` where they are none.
pub(super) fn unpacked<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let (value, rest) = postcard::take_from_bytes(bytes).ok()?;
    rest.is_empty().then_some(value)
}

/// Takes up what a reader left, where that fits the one that begins: its settings and bounds.
pub(super) fn take_up<T: DeserializeOwned>(
    reader: &mut T,
    left: &[u8],
    fits: impl Fn(&T, &T) -> bool,
) -> bool {
    let held = unpacked::<T>(left).filter(|held| fits(held, reader));
    held.map(|held| *reader = held).is_some()
}

/// The files of a stream as they were read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Kind of its lines; protocol logs of Exchange belong to its tracking logs.
    pub system: Kind,
    unit: Unit,
    /// In the order in which they were read.
    pub files: Vec<LeftFile>,
    end: LeftEnd,
}

/// A file as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftFile {
    /// Its path, as bytes.
    pub path: Vec<u8>,
    /// Length and time before it was read; none where they say nothing of its content.
    pub stat: Option<Stat>,
    /// SHA-256 of the file as it lies on the disk.
    pub sha256: String,
    /// Length of what was hashed.
    pub bytes: u64,
    kind: Kind,
    /// Hash of the settings.
    how: String,
    /// When it begins.
    first_ms: Option<i64>,
    first_year: Option<FirstYear>,
    /// Device and number of the file.
    number: Option<(u64, u64)>,
    /// Whether its bytes are its text.
    is_text: bool,
}

/// Where the last file was left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LeftEnd {
    /// Bytes of its text before the first line that was not complete.
    position: u64,
    /// SHA-256 of so many bytes before the end of the text.
    ending: (u64, String),
    /// The hasher behind the last byte.
    midstate: Vec<u8>,
}

/// What a reader holds at the end of the last whole line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct State {
    pub reader: Vec<u8>,
    pub rows: LeftRows,
    /// Of the last file.
    pub stamps: LeftStamps,
    /// Number of the last line.
    pub line: u64,
    /// What is to be known of the files before it.
    pub notes: Vec<(u32, FileNote)>,
    /// The first year that was told in each file.
    pub years: BTreeMap<u32, FirstYear>,
}

/// What was seen of the last file of a stream.
#[derive(Debug, Default)]
pub(super) struct End {
    /// Bytes of text.
    text: u64,
    /// Bytes of text before the first line that was not complete.
    position: u64,
    /// The last bytes of the text.
    ending: Vec<u8>,
}

impl End {
    /// Before the first byte that is read, where those before it were read already.
    pub(super) fn resumed(rest: &Rest) -> Self {
        let Rest { position, hashed, ending } = rest;
        let tail = hashed.as_ref().map_or(0, |(bytes, _)| bytes.saturating_sub(*position));
        let before = ending.len().saturating_sub(usize::try_from(tail).unwrap_or(0));
        let ending = ending.get(..before).unwrap_or_default().to_vec();
        Self { text: *position, position: *position, ending }
    }

    /// Takes in whole lines, or the rest of the text.
    pub(super) fn saw(&mut self, text: &[u8]) {
        self.text += text.len() as u64;
        if text.ends_with(b"\n") {
            self.position = self.text;
        }
        let last = text.get(text.len().saturating_sub(ENDING)..).unwrap_or_default();
        let more = (self.ending.len() + last.len()).saturating_sub(ENDING);
        self.ending.drain(..more.min(self.ending.len()));
        self.ending.extend_from_slice(last);
    }
}

/// How the next reading goes on with a file that was read before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// It is as it was; only this is to be said of it.
    Same(Digested),
    /// The text behind a position is new.
    Rest(Rest),
}

/// The part of a text that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rest {
    /// Where it begins.
    pub position: u64,
    /// Where the bytes are the text: how many were hashed, and the hasher behind them.
    pub hashed: Option<(u64, Vec<u8>)>,
    /// What stood at the end of what was read.
    pub ending: Vec<u8>,
}

/// The files of a stream that were read before, as they are now.
#[derive(Debug)]
pub(super) struct Resumed {
    pub next: Vec<Next>,
}

impl Left {
    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.bytes))
    }

    /// Whether it is what became of another: files in the same places, read in the same way.
    pub fn replaces(&self, other: &Self) -> bool {
        let place = |file: &LeftFile| (file.path.clone(), file.how.clone());
        (self.system, self.unit) == (other.system, other.unit)
            && self.files.iter().map(place).eq(other.files.iter().map(place))
    }

    /// Bytes of an incomplete last line.
    fn tail(&self) -> u64 {
        self.files.last().map_or(0, |file| file.bytes).saturating_sub(self.end.position)
    }

    /// Describes a stream that was read to the end of the last of these files; `None` where it
    /// cannot be gone on with.
    pub(super) fn of(
        stream: &[&Job],
        system: Kind,
        years: &BTreeMap<u32, FirstYear>,
        ends: &BTreeMap<u32, End>,
    ) -> Option<Self> {
        let mut files = files_of(stream, years)?;
        for (ordinal, file) in (0..).zip(&mut files) {
            let whole = ends.get(&ordinal).is_some_and(|end| end.text == file.bytes);
            let grew = file.stat.is_some_and(|stat| stat.bytes != file.bytes);
            // Of what was written meanwhile, bytes may have been hashed that were not read.
            if grew && !(file.is_text && whole) {
                return None;
            }
        }
        let end = ends.get(&u32::try_from(files.len() - 1).ok()?)?;
        let digested = stream.last()?.digested();
        let last = files.last_mut()?;
        last.is_text = last.is_text && end.text == last.bytes;
        let tail = end.text - end.position;
        let length = if last.is_text { end.ending.len() } else { 0 };
        let known = if last.is_text { tail < ENDING as u64 } else { tail == 0 };
        let ending = (length as u64, store::sha256(end.ending.get(..length)?));
        let midstate = if last.is_text { digested.midstate } else { Vec::new() };
        let end = LeftEnd { position: end.position, ending, midstate };
        let unit = stream.first()?.context.unit;
        known.then_some(Self { system, unit, files, end })
    }

    /// The same files, which may have other names now.
    pub(super) fn again(self, stream: &[&Job]) -> Option<Self> {
        let held = self.files.iter().zip(stream);
        let again = held.map(|(file, job)| LeftFile::of(job, file.first_year.clone()));
        let mut files = again.collect::<Option<Vec<_>>>()?;
        let (last, before) = files.last_mut().zip(self.files.last())?;
        // A line that is not complete is found again in a text only.
        if before.is_text && !last.is_text && self.tail() > 0 {
            return None;
        }
        last.is_text &= before.is_text;
        Some(Self { files, ..self })
    }

    /// What is to be said of each file, where the stream is what it was, to its last byte; with
    /// `by_hash`, whatever lengths and times say.
    pub(super) fn unchanged(&self, stream: &[&Job], by_hash: bool) -> Option<Vec<Digested>> {
        if !self.begins(stream) || stream.len() != self.files.len() {
            return None;
        }
        let same = |(file, job): (&LeftFile, &&Job)| {
            if by_hash { file.same_bytes(job) } else { file.same(job) }
        };
        // The last file is the one that has changed, mostly: then no other is hashed for it.
        let (last, before) = self.files.split_last()?;
        let (job, jobs_before) = stream.split_last()?;
        let last = match self.ending_of(last, job).filter(|_| !by_hash) {
            Some(_) if job.input.bytes == Some(last.bytes) => last.digested(),
            _ => same((last, job))?,
        };
        let mut all = before.iter().zip(jobs_before).map(same).collect::<Option<Vec<_>>>()?;
        all.push(last);
        Some(all)
    }

    /// Whether the files of a stream begin with these: of the same kinds, from the same times on,
    /// read in the same way.
    fn begins(&self, stream: &[&Job]) -> bool {
        let enough = stream.len() >= self.files.len();
        let alike = self.files.iter().zip(stream).all(|(file, job)| file.is_alike(job));
        enough && alike && stream.iter().all(|job| job.context.unit == self.unit)
    }

    /// How each of the files that were read is gone on with; `None` where the stream is another.
    pub(super) fn resumed(&self, stream: &[&Job]) -> Option<Resumed> {
        if !self.begins(stream) {
            return None;
        }
        let (last, before) = self.files.split_last()?;
        let now = stream.get(..self.files.len())?;
        let (job, jobs_before) = now.split_last()?;
        let mut next = Vec::with_capacity(now.len());
        for (file, job) in before.iter().zip(jobs_before) {
            next.push(Next::Same(file.same(job)?));
        }
        next.push(self.last(last, job)?);
        Some(Resumed { next })
    }

    fn last(&self, file: &LeftFile, job: &Job) -> Option<Next> {
        if self.tail() == 0 || !file.is_text {
            if let Some(digested) = file.unchanged(job) {
                return Some(Next::Same(digested));
            }
            if !file.is_text {
                return file.same(job).map(Next::Same);
            }
        }
        let container = open::container(&job.input).ok()?;
        let position = self.end.position;
        if container != Container::Plain {
            let text = open::beginning_of_text(&job.input, file.bytes).ok()?;
            let rest = Rest { position, hashed: None, ending: Vec::new() };
            return (text.sha256 == file.sha256).then_some(Next::Rest(rest));
        }
        if !open::is_text(&job.input).ok()? {
            return None;
        }
        let ending = self.ending_in(job)?;
        if !file.is_same_file(job) {
            // Another file may begin in the same way, as a copy does.
            let text = open::beginning_of_text(&job.input, file.bytes).ok()?;
            if text.sha256 != file.sha256 {
                return None;
            }
        }
        let hashed = Some((file.bytes, self.end.midstate.clone()));
        Some(Next::Rest(Rest { position, hashed, ending }))
    }

    /// What stands where the reading of a text ended, if it is the same file, with that there.
    fn ending_of(&self, file: &LeftFile, job: &Job) -> Option<Vec<u8>> {
        if file.is_text && file.is_same_file(job) { self.ending_in(job) } else { None }
    }

    /// What stands where the reading ended, if it is what stood there.
    fn ending_in(&self, job: &Job) -> Option<Vec<u8>> {
        let bytes = self.files.last()?.bytes;
        let (length, sha256) = &self.end.ending;
        let mut file = open::open(&job.input).ok()?;
        file.seek(SeekFrom::Start(bytes.checked_sub(*length)?)).ok()?;
        let mut ending = vec![0; usize::try_from(*length).ok().filter(|most| *most <= ENDING)?];
        file.read_exact(&mut ending).ok()?;
        (store::sha256(&ending) == *sha256).then_some(ending)
    }
}

fn files_of(stream: &[&Job], years: &BTreeMap<u32, FirstYear>) -> Option<Vec<LeftFile>> {
    let files = (0..).zip(stream);
    files.map(|(file, job)| LeftFile::of(job, years.get(&file).cloned())).collect()
}

impl LeftFile {
    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Hash of the settings with which it was read.
    pub fn how(&self) -> &str {
        &self.how
    }

    /// Where it begins.
    pub(in crate::ingest) fn start(&self) -> LogStart {
        LogStart { first_ms: self.first_ms, without_year: false }
    }

    fn of(job: &Job, first_year: Option<FirstYear>) -> Option<Self> {
        let digested = job.digested();
        let input = &job.input;
        // Pipes and members of archives have no file of their own.
        let stat = input.stat().filter(|_| !job.is_bad())?;
        let plain = open::container(input).ok()? == Container::Plain;
        Some(Self {
            path: path_bytes(job),
            stat: Some(stat),
            sha256: digested.sha256,
            bytes: digested.bytes,
            kind: job.sniffed.kind,
            how: job.how.clone(),
            first_ms: job.sniffed.log?.first_ms,
            first_year,
            number: number(job),
            is_text: plain && open::is_text(input).ok()?,
        })
    }

    /// Whether it is of the same kind, begins at the same time, and is read in the same way.
    fn is_alike(&self, job: &Job) -> bool {
        let begins = job.sniffed.log.is_some_and(|at| at.first_ms == self.first_ms);
        let same_year = self.first_year.as_ref().is_none_or(|year| job.stamps().tells_same(year));
        begins && same_year && self.kind == job.sniffed.kind && self.how == job.how
    }

    /// Whether it has its name, or its number.
    fn is_same_file(&self, job: &Job) -> bool {
        self.path == path_bytes(job) || self.number.is_some() && number(job) == self.number
    }

    /// What was read, where length and time say that it is unchanged.
    fn unchanged(&self, job: &Job) -> Option<Digested> {
        let stat = self.stat.filter(|stat| stat.bytes == self.bytes)?;
        (self.is_same_file(job) && job.input.stat() == Some(stat)).then(|| self.digested())
    }

    /// What is to be said of the file, where its content, packed or not, is what was read.
    fn same(&self, job: &Job) -> Option<Digested> {
        self.unchanged(job).or_else(|| self.same_bytes(job))
    }

    /// The same, whatever length and time say.
    fn same_bytes(&self, job: &Job) -> Option<Digested> {
        let input = &job.input;
        if input.stat()?.bytes == self.bytes {
            let digested = open::digest(input).ok()?;
            if digested.sha256 == self.sha256 {
                return Some(digested);
            }
        }
        let packed = matches!(open::container(input).ok()?, Container::Gzip | Container::Zstd);
        if !(packed && self.is_text) {
            return None;
        }
        let (text, digested) = open::digest_of_text(input).ok()?;
        (text.sha256 == self.sha256).then_some(digested)
    }

    fn digested(&self) -> Digested {
        Digested { sha256: self.sha256.clone(), bytes: self.bytes, midstate: Vec::new() }
    }
}

fn path_bytes(job: &Job) -> Vec<u8> {
    let path = std::path::absolute(&job.input.path).unwrap_or_else(|_| job.input.path.clone());
    path.into_os_string().into_encoded_bytes()
}

/// Device and number of a file.
fn number(job: &Job) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let meta = job.input.path.metadata().ok()?;
    Some((meta.dev(), meta.ino()))
}

/// Reads the rest of a text.
///
/// # Errors
/// [`IngestError`] when it cannot be read.
pub(super) fn read_rest(
    job: &Job,
    rest: &Rest,
    read: impl FnOnce(&mut dyn Read) -> Result<(), IngestError>,
) -> Result<Digested, IngestError> {
    let read = match &rest.hashed {
        Some((bytes, midstate)) => {
            open::with_rest(&job.input, rest.position, (*bytes, midstate), read)
        }
        None => open::with_text(&job.input, |text| {
            std::io::copy(&mut Read::take(&mut *text, rest.position), &mut std::io::sink())
                .map_err(|source| open::corrupt(&job.input, source))?;
            read(text)
        }),
    };
    Ok(read?.1)
}

#[cfg(test)]
mod tests {
    use super::super::Reader;
    use super::super::exchange::Exchange;
    use super::*;

    #[test]
    fn what_was_left_by_a_reader_with_other_settings_is_not_taken_up() {
        let left = Exchange::new(true, false).leave().unwrap();
        for (tracking, protocol) in [(true, false), (true, true), (false, true)] {
            let taken_up = Exchange::new(tracking, protocol).resume(&left);
            assert_eq!(taken_up, (tracking, protocol) == (true, false), "{tracking} {protocol}");
        }
    }

    #[test]
    fn only_what_fits_is_taken_up() {
        let mut number = 1_u32;
        let left = packed(&7_u32).unwrap();
        assert!(!take_up(&mut number, &left, |held, began| held < began));
        assert!(!take_up(&mut number, &[left.as_slice(), b"x"].concat(), |_, _| true));
        assert_eq!(number, 1);
        assert!(take_up(&mut number, &left, |held, began| held > began));
        assert_eq!(number, 7);
    }
}
