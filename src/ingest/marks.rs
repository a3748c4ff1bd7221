//! Newlines and quotes in a text as it lies in its file: of one byte each, or of two in UTF-16.
//!
//! Places are those of the first byte. A half unit at the end of a text is no mark.

use super::open::Order;

/// What a text holds that its reader must know before it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marks {
    pub quotes: usize,
    pub nul: bool,
}

impl Marks {
    /// Those of a text of bytes, found in one pass.
    pub(super) fn of(text: &[u8]) -> Self {
        let mut marks = Self { quotes: 0, nul: false };
        // Few enough at a time for the compiler to count them in bytes, many at once.
        for piece in text.chunks(LANES * 255) {
            let (chunks, rest) = piece.as_chunks::<LANES>();
            let (mut quotes, mut least) = ([0_u8; LANES], [u8::MAX; LANES]);
            for chunk in chunks {
                for ((quotes, least), byte) in quotes.iter_mut().zip(&mut least).zip(chunk) {
                    *quotes = quotes.wrapping_add((*byte == b'"').into());
                    *least = (*least).min(*byte);
                }
            }
            marks.quotes += quotes.into_iter().map(usize::from).sum::<usize>();
            marks.quotes += count(b'"', rest, None);
            marks.nul |= least.iter().chain(rest).any(|byte| *byte == 0);
        }
        marks
    }
}

/// Bytes that are looked at together.
const LANES: usize = 64;

/// Bytes of a unit.
pub(super) fn width(order: Option<Order>) -> usize {
    if order.is_some() { 2 } else { 1 }
}

/// How many there are of a mark, which is ASCII.
pub(super) fn count(mark: u8, text: &[u8], order: Option<Order>) -> usize {
    let Some(order) = order else { return memchr::memchr_iter(mark, text).count() };
    let mark = order.bytes(mark.into());
    // Few enough at a time for the compiler to count them in the width of a unit, many at once.
    let pieces = text.as_chunks().0.chunks(1 << 12);
    let counts = pieces.map(|units| {
        units.iter().fold(0_u16, |count, unit| count.wrapping_add((*unit == mark).into()))
    });
    counts.map(usize::from).sum()
}

/// Place of the first.
pub(super) fn first(mark: u8, text: &[u8], order: Option<Order>) -> Option<usize> {
    let Some(order) = order else { return memchr::memchr(mark, text) };
    let mark = order.bytes(mark.into());
    Some(2 * text.as_chunks().0.iter().position(|unit| *unit == mark)?)
}

/// Place of the last.
pub(super) fn last(mark: u8, text: &[u8], order: Option<Order>) -> Option<usize> {
    let Some(order) = order else { return memchr::memrchr(mark, text) };
    let mark = order.bytes(mark.into());
    Some(2 * text.as_chunks().0.iter().rposition(|unit| *unit == mark)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn marks_are_those_of_the_bytes(
            mut text in proptest::collection::vec(
                proptest::prop_oneof![10 => 1_u8..=255, 5 => proptest::strategy::Just(b'"')],
                0..300,
            ),
            times in proptest::prop_oneof![proptest::strategy::Just(1), 1..300_usize],
            nul in proptest::option::of(proptest::prelude::any::<proptest::sample::Index>()),
        ) {
            text = text.repeat(times);
            let nul = nul.filter(|_| !text.is_empty()).map(|at| *at.get_mut(&mut text) = 0);
            let quotes = text.split(|byte| *byte == b'"').count() - 1;
            proptest::prop_assert_eq!(Marks::of(&text), Marks { quotes, nul: nul.is_some() });
        }
    }
}
