//! Meanings of the texts seen lately: nearly every row repeats what one shortly before it said.

use crate::trace::NO_NAME;

/// What texts mean that were seen lately, up to a bound.
#[derive(Debug)]
pub(super) struct Lately<T> {
    /// A power of two of them, half of them empty; none before the first text.
    slots: Vec<Slot<T>>,
    used: usize,
    most_slots: usize,
    /// The texts, one behind the other.
    texts: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Slot<T> {
    print: Print,
    /// Where its text is, where it is long.
    start: u32,
    /// None where the slot is empty.
    meaning: Option<T>,
}

/// What tells a text from others: a short one for sure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Print {
    length: u32,
    /// The first and the last eight bytes of a short text, else two hashes.
    words: [u64; 2],
}

impl<T: Copy> Lately<T> {
    const FIRST_SLOTS: usize = 1 << 8;
    const EMPTY: Slot<T> =
        Slot { print: Print { length: 0, words: [0, 0] }, start: 0, meaning: None };
    /// Longer texts are not remembered.
    const LONGEST: usize = 1 << 10;
    /// Bytes of all long texts, at most: all are forgotten when they would be more.
    const MOST_BYTES: usize = 1 << 20;

    /// One that remembers half of so many texts, at most; a power of two.
    pub(super) fn new(most_slots: usize) -> Self {
        Self { slots: Vec::new(), used: 0, most_slots, texts: Vec::new() }
    }

    /// What a text means, and its print for [`Lately::learn`] where that is not known.
    ///
    /// # Errors
    /// The print.
    pub(super) fn find(&self, text: &[u8]) -> Result<T, Print> {
        let print = Print::of(text);
        self.slot(&print, text).ok_or(print)
    }

    fn slot(&self, print: &Print, text: &[u8]) -> Option<T> {
        let mut at = self.first(print);
        // Half of them are always empty.
        loop {
            let slot = self.slots.get(at)?;
            let meaning = slot.meaning?;
            if slot.print == *print {
                let start = slot.start as usize;
                let held = || self.texts.get(start..start + text.len());
                if text.len() <= Print::SHORT || held().is_some_and(|held| same(held, text)) {
                    return Some(meaning);
                }
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    /// Where a text is looked for first.
    fn first(&self, print: &Print) -> usize {
        let [first, last] = print.words;
        let hash = mix(first ^ u64::from(print.length), last);
        usize::try_from(hash >> 32).unwrap_or(0) & self.slots.len().saturating_sub(1)
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
        if self.used >= self.slots.len() / 2 {
            if self.slots.len() < self.most_slots {
                self.grow();
            } else {
                self.forget();
            }
        }
        let start = u32::try_from(self.texts.len()).unwrap_or(0);
        self.texts.extend_from_slice(long);
        self.put(Slot { print, start, meaning: Some(meaning) });
        self.used += 1;
    }

    fn put(&mut self, new: Slot<T>) {
        let mut at = self.first(&new.print);
        while self.slots.get(at).is_some_and(|slot| slot.meaning.is_some()) {
            at = (at + 1) & (self.slots.len() - 1);
        }
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = new;
        }
    }

    fn grow(&mut self) {
        let larger = (2 * self.slots.len()).max(Self::FIRST_SLOTS).min(self.most_slots);
        for slot in std::mem::replace(&mut self.slots, vec![Self::EMPTY; larger]) {
            if slot.meaning.is_some() {
                self.put(slot);
            }
        }
    }

    fn forget(&mut self) {
        self.slots.fill(Self::EMPTY);
        self.texts.clear();
        self.used = 0;
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
            assert!(memo.slots.len() <= 1 << 9 && memo.texts.len() <= 1 << 20);
        }
    }
}
