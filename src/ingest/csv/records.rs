//! Records of delimited text, found by their separators.
//!
//! A few bytes are compared at once, and a bit for each of them says whether it is a separator, or
//! stands within quotes. Every `"` counts, wherever it stands: the first opens, the next closes, as
//! in RFC 4180 two of them side by side do. What stray ones make of a record is for others to see.

use std::borrow::Cow;

use wide::u8x16;

/// Bytes that are told by one number.
const CHUNK: usize = 64;
/// Bytes that are looked at ahead: few, so that what was found stays at hand until it is used.
const AHEAD: usize = 64 * CHUNK;

/// Finds one record after the other.
pub(super) struct Records<'a> {
    text: &'a [u8],
    sought: Sought,
    /// Delimiters and line ends outside quotes; the first of them belong to records that were given.
    places: Vec<usize>,
    given: usize,
    /// So many bytes were looked at.
    looked_at: usize,
    /// All ones where what follows them is within quotes.
    quoted: u64,
    /// A line end within quotes was found.
    hides_line_end: bool,
    /// Where the next record begins, or blank lines before it.
    start: usize,
    /// Line ends that belong to no record, so far.
    blank_lines: u64,
}

/// One record.
#[derive(Clone, Copy)]
pub(super) struct Record<'r> {
    text: &'r [u8],
    /// Where it begins, and ends without its line end.
    start: usize,
    end: usize,
    delimiters: &'r [usize],
    /// Line ends before it that belong to no record.
    pub(super) blank_lines: u64,
    /// Whether a line end may lie within it.
    pub(super) may_hold_line_end: bool,
}

/// What is looked for.
#[derive(Clone, Copy)]
struct Sought {
    delimiter: u8x16,
    line_end: u8x16,
    quote: u8x16,
}

impl<'a> Records<'a> {
    /// Those of a text that begins outside quotes.
    pub(super) fn of(text: &'a [u8], delimiter: u8) -> Self {
        let sought = Sought {
            delimiter: u8x16::splat(delimiter),
            line_end: u8x16::splat(b'\n'),
            quote: u8x16::splat(b'"'),
        };
        Self {
            text,
            sought,
            places: Vec::new(),
            given: 0,
            looked_at: 0,
            quoted: 0,
            hides_line_end: false,
            start: 0,
            blank_lines: 0,
        }
    }

    /// Line ends that belong to no record, so far.
    pub(super) fn blank_lines(&self) -> u64 {
        self.blank_lines
    }

    /// The next record. Line ends before it are passed over, as are CR that belong to none; the
    /// last record may lack its line end.
    pub(super) fn next(&mut self) -> Option<Record<'_>> {
        self.pass_blank();
        let mut at = self.given;
        let line_end = loop {
            match self.places.get(at) {
                Some(place) if self.text.get(*place) != Some(&b'\n') => {}
                // One that was passed over has its place, too.
                Some(place) if *place < self.start => self.given = at + 1,
                Some(place) => break Some(*place),
                None if self.looked_at < self.text.len() => {
                    at -= self.given;
                    self.look_ahead();
                    continue;
                }
                None => break None,
            }
            at += 1;
        };
        let delimiters = self.places.get(self.given..at).unwrap_or_default();
        let start = self.start;
        self.start = line_end.map_or(self.text.len(), |line_end| line_end + 1);
        self.given = at + 1;
        let whole = self.text.get(start..self.start).filter(|whole| !whole.is_empty())?;
        let end = self.start - line_end_length(whole);
        let (blank_lines, may_hold_line_end) = (self.blank_lines, self.hides_line_end);
        Some(Record { text: self.text, start, end, delimiters, blank_lines, may_hold_line_end })
    }

    fn pass_blank(&mut self) {
        while let Some(byte @ (b'\r' | b'\n')) = self.text.get(self.start) {
            self.blank_lines += u64::from(*byte == b'\n');
            self.start += 1;
        }
    }

    /// Finds more places.
    fn look_ahead(&mut self) {
        self.places.drain(..self.given);
        self.given = 0;
        let rest = self.text.get(self.looked_at..).unwrap_or_default();
        let ahead = rest.get(..AHEAD).unwrap_or(rest);
        let (chunks, last) = ahead.as_chunks();
        for chunk in chunks {
            self.look_at(chunk, CHUNK);
        }
        if !last.is_empty() {
            let mut chunk = [0; CHUNK];
            chunk.iter_mut().zip(last).for_each(|(slot, byte)| *slot = *byte);
            self.look_at(&chunk, last.len());
        }
    }

    #[inline]
    fn look_at(&mut self, chunk: &[u8; CHUNK], length: usize) {
        let (mut found, quotes) = self.sought.in_chunk(chunk);
        if length < CHUNK {
            found &= (1 << length) - 1;
        }
        let quoted = within(quotes, self.quoted);
        // Whether the last byte is within quotes, for all that follow.
        self.quoted = 0_u64.wrapping_sub(quoted >> 63);
        let mut hidden = found & quoted;
        while hidden != 0 && !self.hides_line_end {
            self.hides_line_end = chunk[hidden.trailing_zeros() as usize & (CHUNK - 1)] == b'\n';
            hidden &= hidden - 1;
        }
        found &= !quoted;
        self.places.reserve(CHUNK);
        while found != 0 {
            self.places.push(self.looked_at.wrapping_add(found.trailing_zeros() as usize));
            found &= found - 1;
        }
        self.looked_at += length;
    }
}

impl Sought {
    /// Separators and quotes: the lowest bit tells of the first byte.
    #[inline]
    fn in_chunk(self, chunk: &[u8; CHUNK]) -> (u64, u64) {
        let Self { delimiter, line_end, quote } = self;
        let (mut separators, mut quotes) = (0, 0);
        for (place, piece) in chunk.as_chunks().0.iter().enumerate() {
            let piece = u8x16::new(*piece);
            let of_piece = piece.simd_eq(delimiter) | piece.simd_eq(line_end);
            separators |= u64::from(of_piece.to_bitmask()) << (16 * place);
            quotes |= u64::from(piece.simd_eq(quote).to_bitmask()) << (16 * place);
        }
        (separators, quotes)
    }
}

/// Which bytes are within quotes, where these are quotes: each bit is the sum, without carry, of all
/// up to it. The second number is all ones where the first byte is within quotes already.
fn within(quotes: u64, quoted: u64) -> u64 {
    if quotes == 0 {
        return quoted;
    }
    let mut sums = quotes;
    for width in [1, 2, 4, 8, 16, 32] {
        sums ^= sums << width;
    }
    sums ^ quoted
}

fn line_end_length(record: &[u8]) -> usize {
    match record {
        [.., b'\r', b'\n'] => 2,
        [.., b'\n'] => 1,
        _ => 0,
    }
}

impl<'r> Record<'r> {
    /// Number of its fields, one at least.
    pub(super) fn fields(&self) -> usize {
        self.delimiters.len() + 1
    }

    /// The record as it is written, without its line end.
    pub(super) fn whole(&self) -> &'r [u8] {
        self.text.get(self.start..self.end).unwrap_or_default()
    }

    /// The text from one field up to another as it is written.
    pub(super) fn span(&self, first: usize, last: usize) -> Option<&'r [u8]> {
        let start = match first.checked_sub(1) {
            Some(before) => self.delimiters.get(before)? + 1,
            None => self.start,
        };
        let end = match self.delimiters.get(last) {
            Some(end) => *end,
            None if last == self.delimiters.len() => self.end,
            None => return None,
        };
        self.text.get(start..end)
    }

    /// A field without its quotes.
    pub(super) fn field(&self, index: usize) -> Option<Cow<'r, [u8]>> {
        Some(match self.span(index, index)? {
            // Few fields are quoted; only those need a second look.
            [b'"', inner @ .., b'"'] => unescape(inner),
            field => Cow::Borrowed(field),
        })
    }
}

/// What stands between quotes, with one quote for each two.
fn unescape(inner: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr(b'"', inner) else { return Cow::Borrowed(inner) };
    let mut text = Vec::with_capacity(inner.len());
    let mut at = first;
    text.extend_from_slice(inner.get(..first).unwrap_or_default());
    // A stray one ends it: what follows is as it is written.
    while let Some([b'"', b'"']) = inner.get(at..at + 2) {
        let rest = inner.get(at + 2..).unwrap_or_default();
        let next = memchr::memchr(b'"', rest).unwrap_or(rest.len());
        text.push(b'"');
        text.extend_from_slice(rest.get(..next).unwrap_or_default());
        at += 2 + next;
    }
    text.extend_from_slice(inner.get(at..).unwrap_or_default());
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use simd_csv::ZeroCopyReaderBuilder;

    use super::*;

    /// A record as a reader has it: as it is written, and its fields.
    type Found = (Vec<u8>, Vec<Vec<u8>>);

    fn found(text: &[u8], delimiter: u8) -> (Vec<Found>, u64) {
        let mut records = Records::of(text, delimiter);
        let mut all = Vec::new();
        while let Some(record) = records.next() {
            let fields =
                (0..record.fields()).map(|index| record.field(index).unwrap().into_owned());
            let fields: Vec<Vec<u8>> = fields.collect();
            assert_eq!(record.span(0, fields.len() - 1).unwrap(), record.whole());
            assert!(record.field(fields.len()).is_none() && record.span(0, fields.len()).is_none());
            assert!(record.may_hold_line_end || memchr::memchr(b'\n', record.whole()).is_none());
            all.push((record.whole().to_vec(), fields));
        }
        (all, records.blank_lines())
    }

    /// What another reader finds, which looks for one separator after the other.
    fn expected(text: &[u8], delimiter: u8) -> Vec<Found> {
        // It takes a byte order mark for none of the text, and two line ends from the first record.
        let text = [b"first\n", text].concat();
        let mut builder = ZeroCopyReaderBuilder::new();
        builder.delimiter(delimiter).has_headers(false).flexible(true);
        let mut reader = builder.from_reader(text.as_slice());
        let mut all = Vec::new();
        while let Some(record) = reader.read_byte_record().unwrap() {
            let fields = record.unescaped_iter().map(|field| field.to_vec()).collect();
            all.push((record.as_slice().to_vec(), fields));
        }
        all.split_off(1)
    }

    #[test]
    fn records_longer_than_what_is_looked_at_ahead_are_whole() {
        for length in [0, 1, AHEAD - 3, AHEAD - 2, AHEAD - 1, AHEAD, 3 * AHEAD + 7] {
            let long = "x".repeat(length);
            let text = format!("{long},\"{long}\"\n\n\r\na,b\r\n{long}");
            let (all, blank_lines) = found(text.as_bytes(), b',');
            assert_eq!(all, expected(text.as_bytes(), b','), "{length}");
            assert_eq!((all.len(), blank_lines), (2 + usize::from(length > 0), 2));
        }
    }

    fn piece() -> impl Strategy<Value = String> {
        let word = "[a-z\u{e9}\u{65e5}]{0,90}";
        prop_oneof![
            6 => word.prop_map(|word| format!("{word},")),
            3 => word.prop_map(|word| format!("\"{word}\",")),
            2 => prop::sample::select(vec![
                "\n", "\r\n", "\n\n", "\r", "\"", "\"\"", ",,,,", "\"a,b\"", "\"a\n", "\"a\r\n",
                "\0", "\u{feff}", ";", "\"\"\"\"", "\"\r\n\"",
            ]).prop_map(str::to_owned),
        ]
    }

    proptest! {
        #[test]
        fn records_are_those_that_another_reader_finds(
            pieces in prop::collection::vec(piece(), 0..200),
            delimiter in prop::sample::select(vec![b',', b';', b'\t', 0]),
        ) {
            let text = pieces.concat();
            // There the other reader takes the byte behind CR for part of a line end.
            let odd = |part: &[u8]| matches!(part, [b'"', b'\r', other, b'\n'] if *other != b'\n');
            prop_assume!(!text.as_bytes().windows(4).any(odd));
            let (all, blank_lines) = found(text.as_bytes(), delimiter);
            prop_assert_eq!(&all, &expected(text.as_bytes(), delimiter));
            // Every line is one of a record, or blank; the last record may lack its line end.
            let line_ends = |text: &[u8]| memchr::memchr_iter(b'\n', text).count() as u64;
            let within: u64 = all.iter().map(|(whole, _)| line_ends(whole)).sum();
            let lines = blank_lines + within + all.len() as u64;
            let missing = lines - line_ends(text.as_bytes());
            prop_assert!(missing <= u64::from(!text.ends_with('\n') || within > 0), "{missing}");
        }
    }
}
