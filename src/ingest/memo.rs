//! Codes of the names seen last: nearly every row repeats a name that one shortly before it had.

use xxhash_rust::xxh3::xxh3_64;

use crate::trace::NO_NAME;

/// Codes of the names seen last, each in the slot of its hash: two to the power of `BITS`.
#[derive(Debug, Default)]
pub(super) struct CodeMemo<const BITS: u32> {
    /// None before the first name.
    slots: Vec<(Vec<u8>, u32)>,
}

impl<const BITS: u32> CodeMemo<BITS> {
    /// The code of a name as bytes that may be no UTF-8, which are replaced.
    pub(super) fn code_lossy(&mut self, name: &[u8], code: impl Fn(&str) -> u32) -> u32 {
        let slot = self.slots.get(Self::slot(name));
        match slot.filter(|(held, code)| held == name && *code != NO_NAME) {
            Some((_, code)) => *code,
            None => match simdutf8::basic::from_utf8(name) {
                Ok("") => NO_NAME,
                Ok(_) => self.code(name, code),
                Err(_) => code(&String::from_utf8_lossy(name)),
            },
        }
    }

    fn slot(name: &[u8]) -> usize {
        usize::try_from(xxh3_64(name) >> (u64::BITS - BITS)).unwrap_or(0)
    }

    /// The code of a name, found out by `code` where its slot holds another.
    pub(super) fn code(&mut self, name: &[u8], code: impl FnOnce(&str) -> u32) -> u32 {
        if self.slots.is_empty() {
            self.slots = vec![(Vec::new(), NO_NAME); 1 << BITS];
        }
        match self.slots.get_mut(Self::slot(name)) {
            Some((held, code)) if held == name && *code != NO_NAME => *code,
            held => {
                let code = code(std::str::from_utf8(name).unwrap_or(""));
                if let Some(held) = held {
                    *held = (name.to_vec(), code);
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
        let mut memo = CodeMemo::<4>::default();
        let names: Vec<Vec<u8>> = (0..200_usize)
            .map(|number| number.to_string().repeat(1 + number % 30).into_bytes())
            .chain([vec![], vec![0], vec![0, 0], vec![b'x'; 63], vec![b'x'; 64]])
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
