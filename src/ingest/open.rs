//! Bytes of a file as UTF-8 text: decompression, encoding, and the hash of what was read.
//!
//! What a file is, is told by its first bytes, never by its name:
//! gzip (RFC 1952), Zstandard (RFC 8878), ZIP, Parquet, UTF-16 with and without BOM.

mod hashing;
mod utf16;

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use self::hashing::Hashing;
pub(super) use self::hashing::{Digested, Hasher};
use self::utf16::Transcoder;
pub(super) use self::utf16::{Order, transcode};
use crate::clock::limit;
use crate::ingest::IngestError;
use crate::ingest::files::Input;

/// What holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    /// The bytes themselves.
    Plain,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// ZIP archive.
    Zip,
    /// Parquet.
    Parquet,
}

/// The container of a file, by its first bytes.
///
/// # Errors
/// [`IngestError::Read`] when the file cannot be read.
pub(super) fn container(input: &Input) -> Result<Container, IngestError> {
    let mut start = Vec::new();
    open(input)?.take(4).read_to_end(&mut start).map_err(|source| read_error(input, source))?;
    Ok(match start.as_slice() {
        [0x1f, 0x8b, ..] => Container::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd] => Container::Zstd,
        [b'P', b'K', 3 | 5, _] => Container::Zip,
        b"PAR1" => Container::Parquet,
        _ => Container::Plain,
    })
}

/// Calls `read` with the decompressed UTF-8 text of a file, then hashes what it left.
///
/// # Errors
/// What `read` returns, or [`IngestError`] when the rest cannot be read.
pub(super) fn with_text<T>(
    input: &Input,
    read: impl FnOnce(&mut dyn Read) -> Result<T, IngestError>,
) -> Result<(T, Digested), IngestError> {
    hashed(input, |units, order, _| utf8(units, order, read))
}

/// The text of a file as it lies there, decompressed.
pub(super) struct Units<'a> {
    /// The text, without a BOM.
    pub bytes: &'a mut dyn Read,
    /// The order of its bytes, where it is UTF-16.
    pub order: Option<Order>,
    /// The BOM, where the bytes of the file are still to be hashed: it, and the text.
    pub to_hash: Option<&'a [u8]>,
}

/// As [`with_text`], but UTF-16 is left as it is, and a file that is not packed is left to `read`
/// to be hashed.
///
/// # Errors
/// As [`with_text`].
pub(super) fn with_units<T>(
    input: &Input,
    read: impl FnOnce(Units<'_>) -> Result<T, IngestError>,
) -> Result<(T, Option<Digested>), IngestError> {
    let plain = input.member.is_none() && container(input)? == Container::Plain;
    if plain {
        let failed = |source| read_error(input, source);
        let text = units(&mut Checked(open(input)?), failed, |bytes, order, bom| {
            read(Units { bytes, order, to_hash: Some(bom) })
        });
        return Ok((text?, None));
    }
    let read = |bytes: &mut dyn Read, order, _: &[u8]| read(Units { bytes, order, to_hash: None });
    hashed(input, read).map(|(result, digested)| (result, Some(digested)))
}

/// Ends with an error when the time is over.
struct Checked<R>(R);

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        limit::check("reading")?;
        self.0.read(buffer)
    }
}

fn hashed<T>(
    input: &Input,
    read: impl FnOnce(&mut dyn Read, Option<Order>, &[u8]) -> Result<T, IngestError>,
) -> Result<(T, Digested), IngestError> {
    if let Some(member) = &input.member {
        let digested = member.digest(input)?;
        return unhashed(input, read).map(|result| (result, digested));
    }
    let mut hashing = Hashing::new(open(input)?);
    let result = stream(input, &mut hashing, read)?;
    let digested = hashing.finish().map_err(|source| read_error(input, source))?;
    Ok((result, digested))
}

/// Calls `read` with the text of a file from `position` on, whose bytes are its text and were
/// hashed before, up to some place behind that; then hashes what it left.
///
/// # Errors
/// What `read` returns, or [`IngestError`] when the file cannot be read.
pub(super) fn with_rest<T>(
    input: &Input,
    position: u64,
    hashed: (u64, &[u8]),
    read: impl FnOnce(&mut dyn Read) -> Result<T, IngestError>,
) -> Result<(T, Digested), IngestError> {
    let fail = |source| read_error(input, source);
    let mut file = open(input)?;
    file.seek(SeekFrom::Start(position)).map_err(fail)?;
    let mut again = Vec::new();
    (&file).take(hashed.0.saturating_sub(position)).read_to_end(&mut again).map_err(fail)?;
    let hashing = Hashing::resumed(file, hashed);
    let mut hashing =
        hashing.ok_or_else(|| fail(std::io::Error::other("no hash to go on with")))?;
    let result = read(&mut again.as_slice().chain(&mut hashing))?;
    Ok((result, hashing.finish().map_err(fail)?))
}

/// Whether the bytes of a file are its text, without a mark before them.
///
/// # Errors
/// [`IngestError::Read`] when the file cannot be read.
pub(super) fn is_text(input: &Input) -> Result<bool, IngestError> {
    let mut start = Vec::new();
    let read = open(input)?.take(SNIFF as u64).read_to_end(&mut start);
    read.map_err(|source| read_error(input, source))?;
    Ok(utf16::order(&start).is_none() && !start.starts_with(&[0xef, 0xbb, 0xbf]))
}

/// Hashes the first bytes of the text of a file, as many as there are.
///
/// # Errors
/// [`IngestError`] when it cannot be read.
pub(super) fn beginning_of_text(input: &Input, bytes: u64) -> Result<Digested, IngestError> {
    with_start(input, |text| {
        let hashed = Hashing::new(text.take(bytes)).finish();
        hashed.map_err(|source| corrupt(input, source))
    })
}

/// Hashes the text of a file, and the file.
///
/// # Errors
/// [`IngestError`] when it cannot be read.
pub(super) fn digest_of_text(input: &Input) -> Result<(Digested, Digested), IngestError> {
    with_text(input, |text| Hashing::new(text).finish().map_err(|source| corrupt(input, source)))
}

/// Decompresses `raw`, the bytes of the file.
fn stream<T>(
    input: &Input,
    raw: &mut dyn Read,
    read: impl FnOnce(&mut dyn Read, Option<Order>, &[u8]) -> Result<T, IngestError>,
) -> Result<T, IngestError> {
    let damaged = |source| corrupt(input, source);
    match container(input)? {
        Container::Gzip => {
            let buffered = BufReader::with_capacity(1 << 16, raw);
            let decoder = flate2::bufread::MultiGzDecoder::new(buffered);
            unpack(input, decoder, |inner| units(inner, damaged, read))
        }
        Container::Zstd => {
            let decoder = zstd::stream::read::Decoder::new(raw).map_err(damaged)?;
            unpack(input, decoder, |inner| units(inner, damaged, read))
        }
        Container::Plain | Container::Zip | Container::Parquet => {
            units(raw, |source| read_error(input, source), read)
        }
    }
}

/// As [`with_text`], for a look at the beginning: what is not read is not hashed.
///
/// # Errors
/// What `read` returns, or [`IngestError`] when the file cannot be opened.
pub(super) fn with_start<T>(
    input: &Input,
    read: impl FnOnce(&mut dyn Read) -> Result<T, IngestError>,
) -> Result<T, IngestError> {
    unhashed(input, |units, order, _| utf8(units, order, read))
}

fn unhashed<T>(
    input: &Input,
    read: impl FnOnce(&mut dyn Read, Option<Order>, &[u8]) -> Result<T, IngestError>,
) -> Result<T, IngestError> {
    let Some(member) = &input.member else {
        return stream(input, &mut open(input)?, read);
    };
    member.with_bytes(input, |inner| units(inner, |source| corrupt(input, source), read))
}

/// Hashes a file that is read by other means.
///
/// # Errors
/// [`IngestError::Read`] when the file cannot be read.
pub(super) fn digest(input: &Input) -> Result<Digested, IngestError> {
    Hashing::new(open(input)?).finish().map_err(|source| read_error(input, source))
}

/// Opens the file itself.
///
/// # Errors
/// [`IngestError::Read`] when it cannot be opened.
pub(super) fn open(input: &Input) -> Result<File, IngestError> {
    File::open(&input.path).map_err(|source| read_error(input, source))
}

/// How much longer than the file itself may be what it unpacks to: real traces shrink to a
/// tenth, and to a hundredth where all lines are alike.
pub(super) const MOST_TIMES: u64 = 250;
/// What any file may unpack to, however short it is: 256 MiB.
pub(super) const UNPACKED_ANYWAY: u64 = 256 << 20;

/// Says that a file may unpack to so many bytes.
///
/// # Errors
/// [`IngestError::Unpacked`] when that is more than any honest trace of its length, and more
/// than 256 MiB.
pub(super) fn check_unpacked(input: &Input, bytes: u64) -> Result<(), IngestError> {
    let packed = packed(input)?;
    if bytes > most_unpacked(packed) { Err(unpacked(input, packed)) } else { Ok(()) }
}

fn most_unpacked(packed: u64) -> u64 {
    packed.saturating_mul(MOST_TIMES).max(UNPACKED_ANYWAY)
}

fn packed(input: &Input) -> Result<u64, IngestError> {
    let meta = open(input)?.metadata().map_err(|source| read_error(input, source))?;
    Ok(meta.len())
}

fn unpacked(input: &Input, packed: u64) -> IngestError {
    IngestError::Unpacked { file: input.name.clone(), packed }
}

/// Calls `read` with what a decoder of this file gives, as long as that is within reason.
fn unpack<T>(
    input: &Input,
    decoder: impl Read,
    read: impl FnOnce(&mut dyn Read) -> Result<T, IngestError>,
) -> Result<T, IngestError> {
    let packed = packed(input)?;
    at_most(decoder, most_unpacked(packed), read, || unpacked(input, packed))
}

/// Calls `read` with at most so many bytes.
///
/// # Errors
/// `beyond` where there are more, whatever `read` made of it.
pub(super) fn at_most<T>(
    inner: impl Read,
    most: u64,
    read: impl FnOnce(&mut dyn Read) -> Result<T, IngestError>,
    beyond: impl FnOnce() -> IngestError,
) -> Result<T, IngestError> {
    let mut bounded = AtMost { inner, left: most, more: false };
    let result = read(&mut bounded);
    if bounded.more { Err(beyond()) } else { result }
}

/// Ends with an error behind a number of bytes, and remembers that it did.
struct AtMost<R> {
    inner: R,
    left: u64,
    more: bool,
}

impl<R: Read> Read for AtMost<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        limit::check("unpacking")?;
        let length = self.inner.read(buffer)?;
        match self.left.checked_sub(u64::try_from(length).unwrap_or(u64::MAX)) {
            Some(left) => self.left = left,
            None => self.more = true,
        }
        if self.more { Err(std::io::Error::other("more than is read")) } else { Ok(length) }
    }
}

/// The error of a file whose content is damaged.
pub(super) fn corrupt(input: &Input, source: std::io::Error) -> IngestError {
    IngestError::Corrupt { file: input.name.clone(), source }
}

fn read_error(input: &Input, source: std::io::Error) -> IngestError {
    IngestError::Read { path: input.path.clone(), source }
}

/// Bytes of UTF-16 that are read at once.
const AT_ONCE: usize = 1 << 16;
/// How much is looked at to tell an encoding.
const SNIFF: usize = 4096;

/// Calls `read` with a stream without its BOM, the order of its bytes where it is UTF-16, and the
/// BOM.
fn units<T>(
    inner: &mut dyn Read,
    failed: impl FnOnce(std::io::Error) -> IngestError,
    read: impl FnOnce(&mut dyn Read, Option<Order>, &[u8]) -> Result<T, IngestError>,
) -> Result<T, IngestError> {
    let mut start = Vec::with_capacity(SNIFF);
    (&mut *inner).take(SNIFF as u64).read_to_end(&mut start).map_err(failed)?;
    let order = utf16::order(&start);
    let bom = match start.as_slice() {
        [0xef, 0xbb, 0xbf, ..] => 3,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => 2,
        _ => 0,
    };
    let (bom, start) = start.split_at(bom.min(start.len()));
    read(&mut start.chain(inner), order, bom)
}

/// Calls `read` with UTF-8.
fn utf8<T>(
    units: &mut dyn Read,
    order: Option<Order>,
    read: impl FnOnce(&mut dyn Read) -> Result<T, IngestError>,
) -> Result<T, IngestError> {
    match order {
        Some(order) => read(&mut Transcoder::new(BufReader::with_capacity(AT_ONCE, units), order)),
        None => read(units),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> String {
        let mut out = String::new();
        let failed = |source| panic!("{source}");
        let read = |text: &mut dyn Read| Ok(text.read_to_string(&mut out).unwrap());
        units(&mut &*bytes, failed, |bytes, order, _| utf8(bytes, order, read)).unwrap();
        out
    }

    fn utf16(text: &str, bom: bool, big: bool) -> Vec<u8> {
        let units = bom.then_some(0xfeff).into_iter().chain(text.encode_utf16());
        units.flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    }

    #[test]
    fn utf16_of_both_orders_with_and_without_bom() {
        let sample = "Date,Connector\r\n2026-11-09,Société 日本 📠\r\n".repeat(300);
        for (bom, big) in [(true, false), (true, true), (false, false), (false, true)] {
            let out = decoded(&utf16(&sample, bom, big));
            assert_eq!(out, sample, "bom {bom} big {big}");
        }
        assert_eq!(decoded(sample.as_bytes()), sample);
        assert_eq!(decoded(format!("\u{feff}{sample}").as_bytes()), sample);
    }

    #[test]
    fn a_lone_surrogate_is_replaced_not_lost() {
        let mut bytes = utf16("Date,Name\r\n", true, false);
        bytes.extend([0x00, 0xd8]);
        assert_eq!(decoded(&bytes), "Date,Name\r\n\u{fffd}");
    }
}
