//! Puts the rows of one part in order: all of an identity together, sorted.

use super::{Entry, bits_for, place};

/// Room in which the rows of one part are put in order; it is used again for the next.
#[derive(Debug, Default)]
pub(in crate::breakdown) struct Desk {
    unsorted: Vec<Entry>,
    sorted: Vec<Entry>,
    next: Vec<u32>,
    /// By the first bits of identities: whether a row has them, and whether another has, too.
    once: Vec<u64>,
    twice: Vec<u64>,
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

    /// Calls `each` with most of the rows whose identity no other row has, as they came, and takes
    /// them away: to see that takes less than to sort them. All must be of one part by `bits`.
    pub(in crate::breakdown) fn take_alone(&mut self, bits: u32, mut each: impl FnMut(&Entry)) {
        let Self { unsorted, once, twice, .. } = self;
        // Identities are even hashes: of so many places, one row in thirty has that of another.
        let more = bits_for(32 * unsorted.len() as u64, 1, 32 - bits);
        let word_and_bit = |row: &Entry| {
            let place = place(row.key() << bits, more);
            (place / 64, 1 << (place % 64))
        };
        for words in [&mut *once, &mut *twice] {
            words.clear();
            words.resize((1_usize << more).div_ceil(64), 0);
        }
        for row in unsorted.iter() {
            let (word, bit) = word_and_bit(row);
            twice[word] |= once[word] & bit;
            once[word] |= bit;
        }
        unsorted.retain(|row| {
            let (word, bit) = word_and_bit(row);
            let alone = twice[word] & bit == 0;
            if alone {
                each(row);
            }
            !alone
        });
    }

    /// Calls `each` with the rows of every identity, sorted, in the order of identities. All
    /// must be of one part by `bits`.
    pub(in crate::breakdown) fn each_identity(
        &mut self,
        bits: u32,
        mut each: impl FnMut(&[Entry]),
    ) {
        let Self { unsorted, sorted, next, .. } = self;
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

    /// Parts by so many bits, and rows of them, of which so many have one identity.
    const CASES: [(u32, u64, u64); 8] = [
        (0, 0, 1),
        (0, 1, 1),
        (3, 700, 3),
        (3, 700, 1),
        (9, 5000, 3),
        (9, 5000, 1),
        (20, 300, 3),
        (30, 300, 2),
    ];

    fn rows((bits, rows, alike): (u32, u64, u64)) -> Vec<Entry> {
        let key =
            |n: u64| (5 << (63 - bits)) ^ (n / alike).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> bits;
        let time = |n: u64| u32::try_from(n * 7 % 11).unwrap();
        (0..rows).map(|n| Entry::of_parts(key(n), time(n), (1, 2), 0, (3, 4))).collect()
    }

    #[test]
    fn rows_that_are_alone_are_taken_away_and_no_others() {
        let mut desk = Desk::default();
        for case in CASES {
            let rows = rows(case);
            desk.fresh().extend(&rows);
            let mut alone = Vec::new();
            desk.take_alone(case.0, |row| alone.push(*row));
            let same = |row: &Entry| rows.iter().filter(|other| other.key() == row.key()).count();
            assert!(alone.iter().all(|row| same(row) == 1), "{case:?}");
            if case.1 > 300 && case.2 == 1 {
                assert!(alone.len() > rows.len() * 9 / 10, "{} of {case:?}", alone.len());
            }
            alone.extend(desk.rows());
            alone.sort_unstable();
            let mut expected = rows;
            expected.sort_unstable();
            assert_eq!(alone, expected, "{case:?}");
        }
    }

    #[test]
    fn rows_are_put_in_order_whatever_their_part() {
        let mut desk = Desk::default();
        for case in CASES {
            let (bits, rows) = (case.0, rows(case));
            desk.fresh().extend(&rows);
            let mut found = Vec::new();
            desk.each_identity(bits, |run| {
                assert!(run.iter().all(|row| row.key() == run[0].key()));
                found.extend(run.to_vec());
            });
            let mut expected = rows;
            expected.sort_unstable();
            assert_eq!(found, expected, "{case:?}");
        }
    }
}
