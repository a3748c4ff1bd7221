//! UTF-16 as UTF-8.

use std::io::{BufRead, Read};

/// Order of the two bytes of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ingest) enum Order {
    /// The lower byte first.
    Little,
    /// The higher byte first.
    Big,
}

impl Order {
    fn unit(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    /// The bytes of a unit.
    pub(in crate::ingest) fn bytes(self, unit: u16) -> [u8; 2] {
        match self {
            Self::Little => unit.to_le_bytes(),
            Self::Big => unit.to_be_bytes(),
        }
    }
}

/// The order of the bytes of a text that begins so, where it is UTF-16.
pub(super) fn order(start: &[u8]) -> Option<Order> {
    match start {
        [0xff, 0xfe, ..] => Some(Order::Little),
        [0xfe, 0xff, ..] => Some(Order::Big),
        _ => order_without_bom(start),
    }
}

/// Text in a Latin script has a NUL in every second byte as UTF-16.
fn order_without_bom(start: &[u8]) -> Option<Order> {
    let pairs = start.len() / 2;
    if pairs < 2 {
        return None;
    }
    let nuls = |offset| start.iter().skip(offset).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (nuls(0), nuls(1));
    if odd * 10 > pairs * 6 && even * 20 < pairs {
        Some(Order::Little)
    } else if even * 10 > pairs * 6 && odd * 20 < pairs {
        Some(Order::Big)
    } else {
        None
    }
}

/// Writes a whole text without a BOM as UTF-8, in the place of what `into` holds; what is no
/// character becomes U+FFFD, as the Encoding Standard says.
pub(in crate::ingest) fn transcode(text: &[u8], order: Order, into: &mut Vec<u8>) {
    let mut state = State::new(order);
    let (mut rest, mut written) = (text, 0);
    while !rest.is_empty() {
        // As much as ASCII needs; where that was not enough, the next turn makes more room.
        let room = written + rest.len() / 2 + ROOM;
        if into.len() < room {
            into.resize(room, 0);
        }
        let (used, more) = state.decode(rest, into.get_mut(written..).unwrap_or_default());
        rest = rest.get(used..).unwrap_or_default();
        written += more;
    }
    into.truncate(written);
    if state.end() {
        into.extend_from_slice(NO_CHARACTER);
    }
}

/// Reads UTF-16 without a BOM and gives what [`transcode`] does.
pub(super) struct Transcoder<R> {
    inner: R,
    state: State,
    /// Bytes that were made but not asked for yet.
    small: [u8; ROOM],
    small_start: usize,
    small_end: usize,
}

struct State {
    order: Order,
    /// A unit of which the second byte is still to come.
    odd: Option<u8>,
    /// The first half of a character of two units.
    high: Option<u16>,
}

/// Units that are looked at together.
const UNITS: usize = 16;
/// Room that they need at most, with a half before them.
const ROOM: usize = 64;
const NO_CHARACTER: &[u8] = "\u{fffd}".as_bytes();

impl<R: BufRead> Transcoder<R> {
    pub(super) fn new(inner: R, order: Order) -> Self {
        let state = State::new(order);
        Self { inner, state, small: [0; ROOM], small_start: 0, small_end: 0 }
    }

    /// Fills a buffer that has room for some units.
    fn decode(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let raw = self.inner.fill_buf()?;
            if raw.is_empty() {
                return Ok(if self.state.end() { put(NO_CHARACTER, into) } else { 0 });
            }
            let (used, written) = self.state.decode(raw, into);
            self.inner.consume(used);
            if written > 0 {
                return Ok(written);
            }
        }
    }
}

impl<R: BufRead> Read for Transcoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if buffer.len() >= ROOM && self.small_start == self.small_end {
            return self.decode(buffer);
        }
        if self.small_start == self.small_end {
            let mut small = [0; ROOM];
            self.small_end = self.decode(&mut small)?;
            self.small = small;
            self.small_start = 0;
        }
        let held = self.small.get(self.small_start..self.small_end).unwrap_or_default();
        let length = held.len().min(buffer.len());
        put(held.get(..length).unwrap_or_default(), buffer);
        self.small_start += length;
        Ok(length)
    }
}

impl State {
    fn new(order: Order) -> Self {
        Self { order, odd: None, high: None }
    }

    /// Takes units while there is room for some more; says how many bytes it took and gave.
    fn decode(&mut self, raw: &[u8], into: &mut [u8]) -> (usize, usize) {
        let (mut rest, mut written) = (raw, 0);
        if let (Some(first), Some(second)) = (self.odd, rest.first()) {
            self.odd = None;
            written += self.unit(self.order.unit([first, *second]), into);
            rest = rest.get(1..).unwrap_or_default();
        }
        while let Some(room) = into.get_mut(written..).filter(|room| room.len() >= ROOM) {
            let simple = if self.high.is_none() { self.ascii(rest, room) } else { 0 };
            if simple > 0 {
                written += simple;
                rest = rest.get(2 * simple..).unwrap_or_default();
            } else if let Some((units, more)) = rest.split_first_chunk::<{ 2 * UNITS }>() {
                written += self.units(units, room);
                rest = more;
            } else if let Some((unit, more)) = rest.split_first_chunk() {
                written += self.unit(self.order.unit(*unit), room);
                rest = more;
            } else {
                if let Some(byte) = rest.first() {
                    self.odd = Some(*byte);
                    rest = b"";
                }
                break;
            }
        }
        (raw.len() - rest.len(), written)
    }

    /// Whether the text ended within a character.
    fn end(&mut self) -> bool {
        self.odd.take().is_some() | self.high.take().is_some()
    }

    /// Writes the ASCII at the beginning, some units at a time; says how many it wrote.
    fn ascii(&self, raw: &[u8], into: &mut [u8]) -> usize {
        match self.order {
            Order::Little => ascii(raw, into, u16::from_le_bytes),
            Order::Big => ascii(raw, into, u16::from_be_bytes),
        }
    }

    fn units(&mut self, units: &[u8; 2 * UNITS], into: &mut [u8]) -> usize {
        let mut written = 0;
        for bytes in units.as_chunks().0 {
            let word = self.order.unit(*bytes);
            let room = into.get_mut(written..).unwrap_or_default();
            written += match room {
                [byte, ..] if word < 0x80 && self.high.is_none() => {
                    *byte = word.to_le_bytes()[0];
                    1
                }
                room => self.unit(word, room),
            };
        }
        written
    }

    /// Writes what a unit makes whole; says how many bytes that are.
    fn unit(&mut self, unit: u16, into: &mut [u8]) -> usize {
        let mut written = 0;
        if let Some(high) = self.high.take() {
            if let Some(Ok(letter)) = char::decode_utf16([high, unit]).next() {
                return put(letter.encode_utf8(&mut [0; 4]).as_bytes(), into);
            }
            written = put(NO_CHARACTER, into);
        }
        let into = into.get_mut(written..).unwrap_or_default();
        match char::from_u32(unit.into()) {
            Some(letter) => written + put(letter.encode_utf8(&mut [0; 4]).as_bytes(), into),
            None if unit < 0xdc00 => {
                self.high = Some(unit);
                written
            }
            None => written + put(NO_CHARACTER, into),
        }
    }
}

/// As [`State::ascii`]. Written so that the compiler takes all units of a turn at once: what
/// turns out not to be ASCII is written too, and written over by whoever comes next.
fn ascii(raw: &[u8], into: &mut [u8], unit: fn([u8; 2]) -> u16) -> usize {
    let (units, _) = raw.as_chunks::<{ 2 * UNITS }>();
    let (places, _) = into.as_chunks_mut::<UNITS>();
    let mut written = 0;
    for (units, places) in units.iter().zip(places) {
        let mut all = 0;
        for (bytes, place) in units.as_chunks().0.iter().zip(places) {
            let word = unit(*bytes);
            all |= word;
            *place = word.to_le_bytes()[0];
        }
        if all >= 0x80 {
            break;
        }
        written += UNITS;
    }
    written
}

/// Writes bytes at the beginning of a buffer that has room for them.
fn put(bytes: &[u8], into: &mut [u8]) -> usize {
    for (to, from) in into.iter_mut().zip(bytes) {
        *to = *from;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    fn decoded(bytes: &[u8], order: Order, at_once: usize, asked: usize) -> Vec<u8> {
        let mut transcoder = Transcoder::new(BufReader::with_capacity(at_once, bytes), order);
        let mut all = Vec::new();
        let mut buffer = vec![0; asked];
        loop {
            match transcoder.read(&mut buffer).unwrap() {
                0 => return all,
                length => all.extend_from_slice(&buffer[..length]),
            }
        }
    }

    proptest! {
        #[test]
        fn it_gives_what_the_encoding_standard_says(
            units in proptest::collection::vec(
                prop_oneof![
                    20 => 0x20_u16..0x7f, 2 => 0x80_u16..0x3000, 1 => 0xd7f0_u16..0xe010,
                    1 => 0xfeff_u16..=0xffff,
                ],
                0..200,
            ),
            end in proptest::collection::vec(any::<u8>(), 0..2),
            at_once in 1_usize..70,
            asked in 1_usize..200,
            held in 0_usize..400,
        ) {
            for (order, encoding) in
                [(Order::Little, encoding_rs::UTF_16LE), (Order::Big, encoding_rs::UTF_16BE)]
            {
                let bytes = |unit: u16| match order {
                    Order::Little => unit.to_le_bytes(),
                    Order::Big => unit.to_be_bytes(),
                };
                let mut text: Vec<u8> = units.iter().flat_map(|unit| bytes(*unit)).collect();
                text.extend(&end);
                let (expected, _) = encoding.decode_without_bom_handling(&text);
                let found = decoded(&text, order, at_once, asked);
                prop_assert_eq!(String::from_utf8(found).unwrap(), &*expected);
                let mut whole = vec![b'x'; held];
                transcode(&text, order, &mut whole);
                prop_assert_eq!(String::from_utf8(whole).unwrap(), expected);
            }
        }
    }
}
