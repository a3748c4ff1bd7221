//! Puts the rows of one part in order: all of an identity together, sorted.

use super::{Entry, bits_for, place};

/// Room in which the rows of one part are put in order; it is used again for the next.
#[derive(Debug, Default)]
pub(in crate::breakdown) struct Desk {
    unsorted: Vec<Entry>,
    sorted: Vec<Entry>,
    next: Vec<u32>,
}

impl Desk {
    /// The room, emptied, for the rows of a part.
    pub(in crate::breakdown) fn fresh(&mut self) -> &mut Vec<Entry> {
        self.unsorted.clear();
        &mut self.unsorted
    }

    /// The rows of the part, as they came.
    pub(in crate::breakdown) fn rows(&self) -> &[Entry] {
        &self.unsorted
    }

    /// Calls `each` with the rows of every identity, sorted, in the order of identities. All
    /// must be of one part by `bits`.
    pub(in crate::breakdown) fn each_identity(
        &mut self,
        bits: u32,
        mut each: impl FnMut(&[Entry]),
    ) {
        let Self { unsorted, sorted, next } = self;
        // Identities are even hashes: so many buckets leave one or two rows in most.
        let more = bits_for(unsorted.len() as u64, 1, 32 - bits);
        let bucket = |row: &Entry| place(row.key() << bits, more);
        next.clear();
        next.resize(1 << more, 0);
        for row in unsorted.iter() {
            next[bucket(row)] += 1;
        }
        let mut sum = 0;
        for slot in next.iter_mut() {
            sum += std::mem::replace(slot, sum);
        }
        sorted.resize(unsorted.len(), Entry::default());
        for row in unsorted.iter() {
            let slot = &mut next[bucket(row)];
            sorted[*slot as usize] = *row;
            *slot += 1;
        }
        let mut rest = sorted.as_mut_slice();
        let mut start = 0;
        for end in next.iter() {
            let (rows, more) = std::mem::take(&mut rest).split_at_mut((*end - start) as usize);
            (rest, start) = (more, *end);
            match rows {
                [] => {}
                [_] => each(rows),
                [a, b] if a.key() != b.key() => {
                    if a.key() > b.key() {
                        std::mem::swap(a, b);
                    }
                    each(std::slice::from_ref(a));
                    each(std::slice::from_ref(b));
                }
                _ => {
                    rows.sort_unstable();
                    rows.chunk_by(|a, b| a.key() == b.key()).for_each(&mut each);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_put_in_order_whatever_their_part() {
        let mut desk = Desk::default();
        for (bits, rows) in [(0, 0), (0, 1), (3, 700), (9, 5000), (20, 300)] {
            let key =
                |n: u64| (5 << (63 - bits)) ^ (n / 3).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> bits;
            let row =
                |n| Entry::of_parts(key(n), u32::try_from(n * 7 % 11).unwrap(), (1, 2), 0, (3, 4));
            let rows: Vec<Entry> = (0..rows).map(row).collect();
            desk.fresh().extend(&rows);
            let mut found = Vec::new();
            desk.each_identity(bits, |run| {
                assert!(run.iter().all(|row| row.key() == run[0].key()));
                found.extend(run.to_vec());
            });
            let mut expected = rows;
            expected.sort_unstable();
            assert_eq!(found, expected, "{bits}");
        }
    }
}
