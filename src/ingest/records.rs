//! Records and cells of delimited text, found in a whole block at once.
//!
//! | step | shape |
//! |---|---|
//! | text of a block | [`Marks`]: places of delimiters, line ends, quotes and NUL bytes |
//! | [`Records`] | a [`Record`] at a time: its text, and where its cells end |
//!
//! Every `"` is taken for a quote that opens or closes, so that a delimiter or line end counts
//! where the number of those before it is even. Marks are found 64 bytes at a time in steps that
//! compilers turn into vector instructions.

use std::borrow::Cow;

/// Places of all delimiters, line ends, quotes and NUL bytes of a block, in order.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Behind the first `length`, what was there before.
    places: Vec<u32>,
    length: usize,
}

impl Marks {
    /// Finds the marks of a text of less than 4 GiB, whose delimiter is no line end.
    pub(super) fn find(&mut self, text: &[u8], delimiter: u8) {
        self.length = 0;
        let (pieces, rest) = text.as_chunks::<64>();
        let mut start = 0;
        for piece in pieces {
            self.add(start, mask(piece, delimiter));
            start += 64;
        }
        let mut last = [0; 64];
        if let Some(last) = last.get_mut(..rest.len()) {
            last.copy_from_slice(rest);
        }
        // Behind the text there is nothing, whatever the delimiter.
        let inside = (1_u64 << rest.len()) - 1;
        self.add(start, mask(&last, delimiter) & inside);
    }

    /// Adds the places that are set, counted from `start`.
    fn add(&mut self, start: u32, mut set: u64) {
        if self.places.len() < self.length + 64 {
            self.places.resize(2 * self.places.len().max(1 << 10), 0);
        }
        let found = set.count_ones() as usize;
        let mut room = self.places.get_mut(self.length..).unwrap_or_default();
        self.length += found;
        // Eight at once, whether there are as many or not: that is faster than to count.
        while set != 0 {
            let Some((eight, more)) = room.split_first_chunk_mut::<8>() else { break };
            for place in eight {
                *place = start.wrapping_add(set.trailing_zeros());
                set &= set.wrapping_sub(1);
            }
            room = more;
        }
    }

    fn get(&self) -> &[u32] {
        self.places.get(..self.length).unwrap_or_default()
    }
}

/// One bit for every byte that is a delimiter, a line end, a quote or NUL.
fn mask(piece: &[u8; 64], delimiter: u8) -> u64 {
    let is_mark = |byte: &u8| {
        let line_end = u8::from(*byte == b'\n');
        u8::from(*byte == delimiter) | line_end | u8::from(*byte == b'"') | u8::from(*byte == 0)
    };
    let mut flags = [0_u8; 64];
    for (flag, byte) in flags.iter_mut().zip(piece) {
        *flag = is_mark(byte);
    }
    let mut mask = 0;
    for (eight, flags) in flags.as_chunks::<8>().0.iter().enumerate() {
        // The eight lowest bits of the bytes meet in the highest byte of the product.
        let bits = u64::from_le_bytes(*flags).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        mask |= bits << (8 * eight);
    }
    mask
}

/// The records of a text, one after the other.
pub(super) struct Records<'a> {
    text: &'a [u8],
    delimiter: u8,
    marks: &'a [u32],
    /// Where the next record begins.
    at: usize,
    /// Line ends right before the last record, or the end.
    blank_lines: u64,
    /// Delimiters of a record with quotes.
    outside: Vec<u32>,
}

/// One record as it lies in its text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    text: &'a [u8],
    start: usize,
    end: usize,
    /// Places of the delimiters.
    delimiters: &'a [u32],
    /// Line ends right before it: blank lines are no records.
    pub blank_lines: u64,
    /// Whether a line end is within quotes.
    pub spans_lines: bool,
    /// Whether there is a NUL byte that is no delimiter.
    pub nul: bool,
}

impl<'a> Records<'a> {
    /// The records of a text whose marks were found.
    pub(super) fn new(text: &'a [u8], delimiter: u8, marks: &'a Marks) -> Self {
        Self { text, delimiter, marks: marks.get(), at: 0, blank_lines: 0, outside: Vec::new() }
    }

    /// The next record; `None` at the end.
    pub(super) fn next(&mut self) -> Option<Record<'_>> {
        self.blank_lines = 0;
        while let Some(byte @ (b'\r' | b'\n')) = self.text.get(self.at) {
            if *byte == b'\n' {
                self.blank_lines += 1;
                self.marks = self.marks.get(1..)?;
            }
            self.at += 1;
        }
        let start = self.at;
        if start >= self.text.len() {
            return None;
        }
        let is_delimiter = |place: &&u32| self.byte(**place) == self.delimiter;
        let cells = self.marks.iter().take_while(is_delimiter).count();
        let (delimiters, rest) = self.marks.split_at(cells);
        let line_end = rest.first().copied();
        if line_end.is_some_and(|place| self.byte(place) != b'\n') {
            return Some(self.with_others());
        }
        self.marks = rest.get(1..).unwrap_or_default();
        let end = self.end(line_end);
        let (text, blank_lines) = (self.text, self.blank_lines);
        Some(Record { text, start, end, delimiters, blank_lines, spans_lines: false, nul: false })
    }

    /// Once there is no record any more: the blank lines behind the last.
    pub(super) fn blank_lines_left(&self) -> u64 {
        self.blank_lines
    }

    /// The next record, which has quotes or NUL bytes.
    fn with_others(&mut self) -> Record<'_> {
        self.outside.clear();
        let (mut inside, mut spans_lines, mut nul) = (false, false, false);
        let mut used = 0;
        let mut line_end = None;
        for place in self.marks {
            used += 1;
            let byte = self.byte(*place);
            if byte == self.delimiter && !inside {
                self.outside.push(*place);
            } else if byte == b'"' {
                inside = !inside;
            } else if byte == b'\n' && !inside {
                line_end = Some(*place);
                break;
            } else {
                spans_lines |= byte == b'\n';
                nul |= byte == 0 && byte != self.delimiter;
            }
        }
        self.marks = self.marks.get(used..).unwrap_or_default();
        let start = self.at;
        let end = self.end(line_end);
        let (text, blank_lines) = (self.text, self.blank_lines);
        Record { text, start, end, delimiters: &self.outside, blank_lines, spans_lines, nul }
    }

    fn byte(&self, place: u32) -> u8 {
        self.text.get(place as usize).copied().unwrap_or(0)
    }

    /// Moves behind a record, and says where it ends without its line end.
    fn end(&mut self, line_end: Option<u32>) -> usize {
        let Some(end) = line_end.map(|place| place as usize) else {
            self.at = self.text.len();
            return self.at;
        };
        let returns = end > self.at && self.text.get(end - 1) == Some(&b'\r');
        self.at = end + 1;
        end - usize::from(returns)
    }
}

impl<'a> Record<'a> {
    /// Its text, without the line end.
    pub(super) fn text(&self) -> &'a [u8] {
        self.text.get(self.start..self.end).unwrap_or_default()
    }

    /// Number of its cells, at least one.
    pub(super) fn cells(&self) -> usize {
        self.delimiters.len() + 1
    }

    /// A cell as it is written; empty where there is none.
    pub(super) fn cell(&self, index: usize) -> &'a [u8] {
        self.span(index, index)
    }

    /// The text from a cell up to another.
    pub(super) fn span(&self, first: usize, last: usize) -> &'a [u8] {
        let behind = |before: usize| Some(*self.delimiters.get(before)? as usize + 1);
        let start = first.checked_sub(1).map_or(Some(self.start), behind);
        let end = match self.delimiters.get(last) {
            Some(place) => *place as usize,
            None if last == self.delimiters.len() => self.end,
            None => return b"",
        };
        start.and_then(|start| self.text.get(start..end)).unwrap_or_default()
    }

    /// A cell without the quotes around it, and those in it once each.
    pub(super) fn unquoted(&self, index: usize) -> Cow<'a, [u8]> {
        let cell = self.cell(index);
        match cell {
            [b'"', inner @ .., b'"'] => single_quotes(inner),
            _ => Cow::Borrowed(cell),
        }
    }
}

/// A text with every `""` made a `"`, up to a `"` that stands alone.
fn single_quotes(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'"', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut single = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(quote) = memchr::memchr(b'"', rest) {
        let (with_quote, after) = rest.split_at(quote + 1);
        single.extend_from_slice(with_quote);
        let Some(after) = after.strip_prefix(b"\"") else {
            rest = after;
            break;
        };
        rest = after;
    }
    single.extend_from_slice(rest);
    Cow::Owned(single)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Found = (Vec<Vec<u8>>, u64, (bool, bool));

    fn found(text: &[u8], delimiter: u8) -> Vec<Found> {
        let mut marks = Marks::default();
        marks.find(&[b','; 300], b',');
        marks.find(text, delimiter);
        let mut records = Records::new(text, delimiter, &marks);
        let mut all = Vec::new();
        while let Some(record) = records.next() {
            let cells = (0..record.cells()).map(|cell| record.cell(cell).to_vec()).collect();
            assert_eq!(record.span(0, record.cells() - 1), record.text());
            assert_eq!(record.cell(record.cells()), b"");
            all.push((cells, record.blank_lines, (record.spans_lines, record.nul)));
        }
        all
    }

    /// The same, byte by byte.
    fn expected(text: &[u8], delimiter: u8) -> Vec<Found> {
        let mut all = Vec::new();
        let mut rest = text;
        loop {
            let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            let blank_lines = memchr::memchr_iter(b'\n', &rest[..blank]).count() as u64;
            rest = &rest[blank..];
            if rest.is_empty() {
                return all;
            }
            let (mut cells, mut inside, mut spans_lines) = (vec![Vec::new()], false, false);
            let mut used = 0;
            let mut line_ends = false;
            for byte in rest {
                used += 1;
                inside ^= *byte == b'"';
                line_ends = *byte == b'\n' && !inside;
                if line_ends {
                    break;
                }
                spans_lines |= *byte == b'\n';
                if *byte == delimiter && !inside {
                    cells.push(Vec::new());
                } else {
                    cells.last_mut().unwrap().push(*byte);
                }
            }
            let last = cells.last_mut().unwrap();
            if line_ends && last.last() == Some(&b'\r') {
                last.pop();
            }
            let nul = delimiter != 0 && rest[..used].contains(&0);
            all.push((cells, blank_lines, (spans_lines, nul)));
            rest = &rest[used..];
        }
    }

    #[test]
    fn records_end_with_lines_outside_quotes() {
        let text = b"a,\"b\nc\"\r\n\n\r\n,\"\"\"x,\"\" y\"\nlast\0";
        let [first, second, third] = &found(text, b',')[..] else { panic!() };
        assert_eq!(first, &(vec![b"a".to_vec(), b"\"b\nc\"".to_vec()], 0, (true, false)));
        assert_eq!(second, &(vec![vec![], b"\"\"\"x,\"\" y\"".to_vec()], 2, (false, false)));
        assert_eq!(third, &(vec![b"last\0".to_vec()], 0, (false, true)));
        assert_eq!(single_quotes(b"\"\"x,\"\" y"), &b"\"x,\" y"[..]);
        assert_eq!(single_quotes(b"a\"b\"\"c"), &b"a\"b\"\"c"[..]);
        assert!(matches!(single_quotes(b"plain"), Cow::Borrowed(b"plain")));
    }

    proptest! {
        #[test]
        fn records_are_those_that_are_found_byte_by_byte(
            text in proptest::collection::vec(
                prop_oneof![
                    4 => Just(b'a'), 3 => Just(b','), 1 => Just(b'"'), 1 => Just(b'\n'),
                    1 => Just(b'\r'), 1 => Just(0), 1 => any::<u8>(),
                ],
                0..300,
            ),
            delimiter in prop_oneof![Just(b','), Just(b'\t'), Just(0)],
        ) {
            prop_assert_eq!(found(&text, delimiter), expected(&text, delimiter));
        }
    }
}
