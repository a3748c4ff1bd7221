//! Meanings of the texts seen lately: nearly every row repeats what one shortly before it said.

use crate::trace::NO_NAME;

/// What texts mean that were seen lately, up to a bound.
#[derive(Debug)]
pub(super) struct Lately<T> {
    /// A power of two of them, half of them empty; none before the first text. They are small, so
    /// that they stay at hand, and the meanings lie side by side.
    places: Vec<Place>,
    most_places: usize,
    meanings: Vec<Meaning<T>>,
    /// The texts, one behind the other.
    texts: Vec<u8>,
}

/// Where a text may be.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// Some bits of its hash, other than those that lead here.
    tag: u16,
    /// Number of its meaning, from 1; 0 where the place is empty.
    number: u16,
}

#[derive(Debug, Clone, Copy)]
struct Meaning<T> {
    print: Print,
    /// Where its text is, where it is long.
    start: u32,
    of_text: T,
}

/// What tells a text from others: a short one for sure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Print {
    length: u32,
    /// The first and the last eight bytes of a short text, else two hashes.
    words: [u64; 2],
}

impl<T: Copy> Lately<T> {
    const FIRST_PLACES: usize = 1 << 8;
    /// Longer texts are not remembered.
    const LONGEST: usize = 1 << 10;
    /// Bytes of all long texts, at most: all are forgotten when they would be more.
    const MOST_BYTES: usize = 1 << 20;

    /// One that remembers half of so many texts, at most; a power of two, up to 65,536.
    pub(super) fn new(most_places: usize) -> Self {
        Self { places: Vec::new(), most_places, meanings: Vec::new(), texts: Vec::new() }
    }

    /// What a text means, and its print for [`Lately::learn`] where that is not known.
    ///
    /// # Errors
    /// The print.
    pub(super) fn find(&self, text: &[u8]) -> Result<T, Print> {
        let print = Print::of(text);
        self.meaning(&print, text).ok_or(print)
    }

    fn meaning(&self, print: &Print, text: &[u8]) -> Option<T> {
        let (mut at, tag) = self.first(print);
        // Half of them are always empty.
        loop {
            let place = self.places.get(at)?;
            let index = usize::from(place.number).checked_sub(1)?;
            if place.tag == tag {
                let held = self.meanings.get(index)?;
                let start = held.start as usize;
                let same_text = || {
                    let held = self.texts.get(start..start + text.len());
                    held.is_some_and(|held| same(held, text))
                };
                if held.print == *print && (text.len() <= Print::SHORT || same_text()) {
                    return Some(held.of_text);
                }
            }
            at = (at + 1) & (self.places.len() - 1);
        }
    }

    /// Where a text is looked for first, and the tag of its place.
    fn first(&self, print: &Print) -> (usize, u16) {
        let [first, last] = print.words;
        let hash = mix(first ^ u64::from(print.length), last);
        let at = usize::try_from(hash >> 32).unwrap_or(0) & self.places.len().saturating_sub(1);
        (at, u16::try_from(hash & u64::from(u16::MAX)).unwrap_or(0))
    }

    /// Remembers what a text means that was not found; its print is the one that
    /// [`Lately::find`] gave.
    pub(super) fn learn(&mut self, print: Print, text: &[u8], meaning: T) {
        if text.len() > Self::LONGEST {
            return;
        }
        let long = if text.len() > Print::SHORT { text } else { b"" };
        if self.texts.len() + long.len() > Self::MOST_BYTES {
            self.forget();
        }
        if self.meanings.len() >= self.places.len() / 2 {
            if self.places.len() < self.most_places {
                self.grow();
            } else {
                self.forget();
            }
        }
        let start = u32::try_from(self.texts.len()).unwrap_or(0);
        self.texts.extend_from_slice(long);
        self.meanings.push(Meaning { print, start, of_text: meaning });
        self.put(self.meanings.len(), &print);
    }

    /// Gives a meaning a place.
    fn put(&mut self, number: usize, print: &Print) {
        let (mut at, tag) = self.first(print);
        while self.places.get(at).is_some_and(|place| place.number > 0) {
            at = (at + 1) & (self.places.len() - 1);
        }
        // Half of the places are as many as numbers can tell.
        if let (Some(place), Ok(number)) = (self.places.get_mut(at), u16::try_from(number)) {
            *place = Place { tag, number };
        }
    }

    fn grow(&mut self) {
        let larger = (2 * self.places.len()).max(Self::FIRST_PLACES).min(self.most_places);
        self.places = vec![Place::default(); larger];
        let prints: Vec<Print> = self.meanings.iter().map(|meaning| meaning.print).collect();
        for (index, print) in prints.iter().enumerate() {
            self.put(index + 1, print);
        }
    }

    fn forget(&mut self) {
        self.places.fill(Place::default());
        self.meanings.clear();
        self.texts.clear();
    }
}

impl Print {
    /// Bytes of a short text, at most.
    const SHORT: usize = 16;

    fn of(text: &[u8]) -> Self {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let word = u64::from_le_bytes;
        let (first, last) = (text.first_chunk::<8>(), text.last_chunk::<8>());
        let words = match first.zip(last) {
            None => [text.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)), 0],
            Some((first, last)) if text.len() <= Self::SHORT => [word(*first), word(*last)],
            Some((_, last)) => {
                let (mut one, mut other) = (word(*last), 0);
                for piece in text.as_chunks::<16>().0 {
                    if let [a, b] = piece.as_chunks::<8>().0 {
                        one = mix(one ^ word(*a), word(*b));
                        other = one ^ u64::rotate_left(other, 32);
                    }
                }
                let end = text.last_chunk::<16>().and_then(|end| end.first_chunk::<8>());
                [mix(one ^ end.map_or(0, |end| word(*end)), word(*last)), other]
            }
        };
        Self { length, words }
    }
}

/// Mixes two words into one.
fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ 0x9e37_79b9_7f4a_7c15) * u128::from(b ^ 0xd6e8_feb8_6659_fd93);
    let half = |number: u128| u64::try_from(number & u128::from(u64::MAX)).unwrap_or(0);
    half(product) ^ half(product >> 64)
}

/// Says whether two texts are the same, without a call.
fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    if let (Some(a_end), Some(b_end)) = (a.last_chunk::<16>(), b.last_chunk::<16>()) {
        let mut pieces = a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0);
        return a_end == b_end && pieces.all(|(a, b)| a == b);
    }
    a == b
}

/// Codes of the names seen lately: as many as two to the power of `BITS`.
#[derive(Debug)]
pub(super) struct CodeMemo<const BITS: u32>(Lately<u32>);

impl<const BITS: u32> Default for CodeMemo<BITS> {
    fn default() -> Self {
        Self(Lately::new(2 << BITS))
    }
}

impl<const BITS: u32> CodeMemo<BITS> {
    /// The code of a name as bytes that may be no UTF-8, which are replaced.
    pub(super) fn code_lossy(&mut self, name: &[u8], code: impl Fn(&str) -> u32) -> u32 {
        if let Ok(code) = self.0.find(name) {
            return code;
        }
        match simdutf8::basic::from_utf8(name) {
            Ok("") => NO_NAME,
            Ok(_) => self.code(name, code),
            Err(_) => code(&String::from_utf8_lossy(name)),
        }
    }

    /// The code of a name, found out by `code` where it was not seen lately, or has none.
    pub(super) fn code(&mut self, name: &[u8], code: impl FnOnce(&str) -> u32) -> u32 {
        match self.0.find(name) {
            Ok(code) => code,
            Err(print) => {
                let code = code(std::str::from_utf8(name).unwrap_or(""));
                if code != NO_NAME {
                    self.0.learn(print, name, code);
                }
                code
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeMap;

    use super::*;

    /// Texts of all lengths, many of which differ in one byte.
    fn texts() -> Vec<Vec<u8>> {
        let numbers = (0..200_usize).map(|n| n.to_string().repeat(1 + n % 30).into_bytes());
        let lengths = (0..70).flat_map(|length| {
            let one = |at: usize| (0..length).map(|byte| u8::from(byte == at)).collect();
            (0..=length).map(one).collect::<Vec<Vec<u8>>>()
        });
        let mut all: Vec<Vec<u8>> = numbers.chain(lengths).collect();
        all.sort();
        all.dedup();
        all
    }

    #[test]
    fn bytes_that_are_no_text_are_not_taken_for_a_name() {
        let mut memo = CodeMemo::<1>::default();
        let code = |name: &str| if name == "\u{fffd}" { 9 } else { 5 };
        for _ in 0..2 {
            assert_eq!(memo.code_lossy(b"\xff", code), 9);
            assert_eq!(memo.code_lossy(b"", code), NO_NAME);
            assert_eq!(memo.code_lossy(b"a", code), 5);
        }
    }

    #[test]
    fn every_name_has_its_own_code() {
        let texts = texts();
        let codes: BTreeMap<&[u8], u32> =
            (0..).zip(&texts).map(|(code, name)| (name.as_slice(), code)).collect();
        let mut small = CodeMemo::<4>::default();
        let mut large = CodeMemo::<13>::default();
        for round in 0..3 {
            for name in &texts {
                for _ in 0..=round {
                    let code = |text: &str| codes[text.as_bytes()];
                    assert_eq!(small.code(name, code), codes[name.as_slice()]);
                    assert_eq!(large.code(name, code), codes[name.as_slice()]);
                }
            }
        }
    }

    #[test]
    fn what_was_seen_last_is_not_asked_again() {
        let mut memo = CodeMemo::<13>::default();
        let asked = Cell::new(0);
        let texts = texts();
        for _ in 0..10 {
            for name in &texts {
                memo.code(name, |_| {
                    asked.set(asked.get() + 1);
                    7
                });
            }
        }
        assert_eq!(asked.get(), texts.len());
    }

    #[test]
    fn texts_that_are_many_or_long_take_no_more_room() {
        let mut memo = Lately::new(1 << 9);
        for n in 0..20_000_u32 {
            let text = n.to_string().repeat(1 + n as usize % 700);
            if let Err(print) = memo.find(text.as_bytes()) {
                memo.learn(print, text.as_bytes(), n);
                let found = memo.find(text.as_bytes()).ok();
                assert_eq!(found, (text.len() <= 1 << 10).then_some(n));
            }
            assert!(memo.places.len() <= 1 << 9 && memo.texts.len() <= 1 << 20);
        }
    }
}
