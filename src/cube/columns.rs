//! Rows as the bytes of a section: column after column, each number in as many bytes as the
//! largest of its column needs. Packing them further would take longer than writing them.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | earliest time, from which all are counted |
//! | 6 | width in bytes of copies, times, classes, connectors, remote servers, remote domains |
//! | width per identity | its rows, one fewer; the width is mostly 0 |
//! | width per row | times, then each other column |
//!
//! Identities stand in a section of their own.

use crate::breakdown::FileRows;

const COLUMNS: usize = 6;

/// All columns but the identities.
pub(super) fn bytes(rows: &FileRows) -> Vec<u8> {
    let same = rows.keys.chunk_by(|a, b| a == b);
    let copies: Vec<u32> =
        same.map(|same| u32::try_from(same.len() - 1).unwrap_or(u32::MAX)).collect();
    let start = rows.times.iter().copied().min().unwrap_or(0);
    let times: Vec<u32> = rows.times.iter().map(|time| time - start).collect();
    let FileRows { classes, connectors, remotes, peers, .. } = rows;
    let columns: [&[u32]; COLUMNS] = [&copies, &times, classes, connectors, remotes, peers];
    let widths = columns.map(width);
    let mut bytes = Vec::with_capacity(10 + times.len() * widths.iter().sum::<usize>());
    bytes.extend(start.to_le_bytes());
    bytes.extend(widths.map(|width| u8::try_from(width).unwrap_or(4)));
    for (column, width) in columns.into_iter().zip(widths) {
        match width {
            0 => {}
            1 => bytes.extend(column.iter().map(|number| number.to_le_bytes()[0])),
            2 => put::<2>(column, &mut bytes),
            3 => put::<3>(column, &mut bytes),
            _ => put::<4>(column, &mut bytes),
        }
    }
    bytes
}

/// Bytes that the largest number needs.
fn width(column: &[u32]) -> usize {
    let all = column.iter().fold(0, |all, number| all | number);
    (u32::BITS - all.leading_zeros()).div_ceil(8) as usize
}

fn put<const WIDTH: usize>(column: &[u32], into: &mut Vec<u8>) {
    let start = into.len();
    into.resize(start + column.len() * WIDTH, 0);
    let (slots, _) = into[start..].as_chunks_mut::<WIDTH>();
    for (slot, number) in slots.iter_mut().zip(column) {
        slot.iter_mut().zip(number.to_le_bytes()).for_each(|(slot, byte)| *slot = byte);
    }
}

/// The rows of which these are the identities, each once, and the other columns; `None` where
/// they are none.
pub(super) fn read(identities: &[u64], bytes: &[u8]) -> Option<FileRows> {
    let (start, rest) = bytes.split_first_chunk::<4>()?;
    let (widths, mut rest) = rest.split_first_chunk::<COLUMNS>()?;
    let start = u32::from_le_bytes(*start);
    let [of_copies, of_rows @ ..] = widths.map(usize::from);
    let copies = take(&mut rest, of_copies, identities.len())?;
    let count = copies
        .iter()
        .try_fold(identities.len(), |sum, more| sum.checked_add(usize::try_from(*more).ok()?))?;
    if rest.len() != count.checked_mul(of_rows.iter().sum())? {
        return None;
    }
    let mut keys = Vec::with_capacity(count);
    for (key, more) in identities.iter().zip(&copies) {
        keys.extend(std::iter::repeat_n(*key, *more as usize + 1));
    }
    let mut column = of_rows.into_iter().map(|width| take(&mut rest, width, count));
    let mut next = || column.next().flatten();
    let times = next()?.iter().map(|time| start.checked_add(*time)).collect::<Option<_>>()?;
    let (classes, connectors, remotes, peers) = (next()?, next()?, next()?, next()?);
    Some(FileRows { keys, times, classes, connectors, remotes, peers })
}

/// A column of so many numbers of that width.
fn take(bytes: &mut &[u8], width: usize, count: usize) -> Option<Vec<u32>> {
    if width == 0 {
        return Some(vec![0; count]);
    }
    if width > 4 {
        return None;
    }
    let column = bytes.split_off(..count.checked_mul(width)?)?;
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
    Some(column.chunks_exact(width).map(number).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: u32, widest: u32) -> FileRows {
        let column = |factor: u32| (0..count).map(|n| n.wrapping_mul(factor) & widest).collect();
        FileRows {
            keys: (0..count).map(|n| u64::from(n / 3)).collect(),
            times: (0..count).map(|n| 1_790_000_000 + ((n * 77) & widest)).collect(),
            classes: column(3),
            connectors: column(0),
            remotes: column(0x9e37_79b9),
            peers: column(0x0101_0101),
        }
    }

    #[test]
    fn columns_of_every_width_come_back() {
        for widest in [0, 0xff, 0xffff, 0x00ff_ffff, u32::MAX] {
            for count in [0, 1, 2, 1000] {
                let rows = rows(count, widest);
                let mut identities = rows.keys.clone();
                identities.dedup();
                let mut bytes = bytes(&rows);
                assert_eq!(read(&identities, &bytes), Some(rows), "{count} {widest:x}");
                bytes.push(0);
                assert_eq!(read(&identities, &bytes), None, "too long");
                bytes.truncate(9);
                assert_eq!(read(&identities, &bytes), None, "too short");
            }
        }
    }
}
