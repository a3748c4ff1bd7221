//! Newlines and quotes in a text as it lies in its file: of one byte each, or of two in UTF-16.
//!
//! Places are those of the first byte. A half unit at the end of a text is no mark.

use super::open::Order;

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
