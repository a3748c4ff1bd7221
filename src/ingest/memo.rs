//! Codes of the names seen last: nearly every row repeats a name that one shortly before it had.

use crate::trace::NO_NAME;

/// The longest name that is remembered.
const LONGEST: usize = 63;

/// A name, its length behind it: as numbers, which are compared at once.
type Key = [u64; 8];

/// Codes of the names seen last, each in the slot of its hash: two to the power of `BITS`.
#[derive(Debug, Default)]
pub(super) struct CodeMemo<const BITS: u32> {
    /// None before the first name.
    slots: Vec<(Key, u32)>,
}

impl<const BITS: u32> CodeMemo<BITS> {
    /// The code of a name, found out by `code` where its slot holds another.
    pub(super) fn code(&mut self, name: &[u8], code: impl FnOnce(&str) -> u32) -> u32 {
        let text = |name| std::str::from_utf8(name).unwrap_or("");
        let Some((key, hash)) = key(name) else { return code(text(name)) };
        if self.slots.is_empty() {
            // No name has this key.
            self.slots = vec![([u64::MAX; 8], NO_NAME); 1 << BITS];
        }
        let slot = usize::try_from(hash >> (u64::BITS - BITS)).unwrap_or(0);
        match self.slots.get_mut(slot) {
            Some((held, code)) if *held == key => *code,
            Some(held) => {
                *held = (key, code(text(name)));
                held.1
            }
            None => code(text(name)),
        }
    }
}

/// The key of a name that is short enough, and its hash. Who chooses names so that their hashes
/// are equal slows a reading down, no more.
fn key(name: &[u8]) -> Option<(Key, u64)> {
    let mut bytes = [0; LONGEST + 1];
    bytes.get_mut(..name.len())?.copy_from_slice(name);
    *bytes.last_mut()? = u8::try_from(name.len()).ok()?;
    let (words, _) = bytes.as_chunks::<8>();
    let mut key = [0; 8];
    let mut hash = 0_u64;
    for (word, bytes) in key.iter_mut().zip(words) {
        *word = u64::from_le_bytes(*bytes);
        hash = (hash.rotate_left(5) ^ *word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    (name.len() <= LONGEST).then_some((key, hash))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_name_has_its_own_code() {
        let mut memo = CodeMemo::<4>::default();
        let names: Vec<Vec<u8>> = (0..200_usize)
            .map(|number| number.to_string().repeat(1 + number % 30).into_bytes())
            .chain([vec![], vec![0], vec![0, 0], vec![b'x'; LONGEST], vec![b'x'; LONGEST + 1]])
            .collect();
        let codes: BTreeMap<&[u8], u32> =
            (0..).zip(&names).map(|(code, name)| (name.as_slice(), code)).collect();
        for round in 0..3 {
            for name in &names {
                for _ in 0..=round {
                    let found = memo.code(name, |text| codes[text.as_bytes()]);
                    assert_eq!(found, codes[name.as_slice()]);
                }
            }
        }
    }

    #[test]
    fn what_was_seen_last_is_not_asked_again() {
        let mut memo = CodeMemo::<10>::default();
        let asked = Cell::new(0);
        for _ in 0..10 {
            for name in ["contoso.example", "fabrikam.example"] {
                memo.code(name.as_bytes(), |_| {
                    asked.set(asked.get() + 1);
                    7
                });
            }
        }
        assert_eq!(asked.get(), 2);
    }
}
