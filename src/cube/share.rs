//! Which files share messages: those that have an identity in common.
//!
//! The lists are sorted, so one pass over two lists tells. A filter in front of it would say
//! little: of thousands of identities one in a hundred would pass it by chance in any pair of
//! files, and the lists would have to be read all the same.

use std::collections::{BTreeMap, BTreeSet};

use crate::breakdown::Part;

/// Identities that are compared at once, about: 16 bytes each. Those that are `known` are read
/// again for each part that is smaller than their own; then parts are few.
const AT_ONCE: u64 = 1 << 15;
const AT_ONCE_WITH_KNOWN: u64 = 1 << 21;

/// The parts in which the identities of so many rows are compared.
pub(super) fn parts(rows: u64, known: bool) -> impl Iterator<Item = Part> {
    let at_once = if known { AT_ONCE_WITH_KNOWN } else { AT_ONCE };
    Part::all(rows.div_ceil(at_once).next_power_of_two().ilog2())
}

/// Identities of several files in one list: identity and number of the file.
#[derive(Debug, Default)]
pub(super) struct Many {
    keys: Vec<(u64, u32)>,
}

impl Many {
    /// Takes in the identities of a file.
    pub(super) fn add(&mut self, file: u32, keys: &[u64]) {
        self.keys.extend(keys.iter().map(|key| (*key, file)));
    }

    /// Where identities are taken in, each with its file.
    pub(super) fn list(&mut self) -> &mut Vec<(u64, u32)> {
        &mut self.keys
    }

    /// Empties the list.
    pub(super) fn clear(&mut self) {
        self.keys.clear();
    }

    /// Puts the list in order, once all is there.
    pub(super) fn sort(&mut self) {
        self.keys.sort_unstable();
        self.keys.dedup();
    }

    /// Pairs of the files that share an identity, the smaller number first.
    pub(super) fn pairs(&self) -> BTreeSet<(u32, u32)> {
        let mut pairs = BTreeSet::new();
        // Files that overlap share thousands of identities: each set of them is looked at once.
        let mut seen: BTreeSet<Vec<u32>> = BTreeSet::new();
        for same in self.keys.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() > 1) {
            let mut files: Vec<u32> = same.iter().map(|(_, file)| *file).collect();
            files.dedup();
            if seen.contains(&files) {
                continue;
            }
            for (index, first) in files.iter().enumerate() {
                pairs.extend(files.iter().skip(index + 1).map(|second| (*first, *second)));
            }
            seen.insert(files);
        }
        pairs
    }

    /// The files that share an identity with another, whose identities are sorted.
    pub(super) fn with(&self, other: &[u64]) -> BTreeSet<u32> {
        let mut found = BTreeSet::new();
        let mut own = self.keys.iter().peekable();
        for key in other {
            while own.next_if(|(held, _)| held < key).is_some() {}
            while let Some((_, file)) = own.next_if(|(held, _)| held == key) {
                found.insert(*file);
            }
        }
        found
    }
}

/// Numbers that belong together, directly or through others.
#[derive(Debug)]
pub(super) struct Groups {
    above: Vec<usize>,
}

impl Groups {
    /// Each by itself.
    pub(super) fn new(length: usize) -> Self {
        Self { above: (0..length).collect() }
    }

    fn top(&mut self, mut one: usize) -> usize {
        while let Some(above) = self.above.get(one).copied().filter(|above| *above != one) {
            let higher = self.above.get(above).copied().unwrap_or(above);
            if let Some(slot) = self.above.get_mut(one) {
                *slot = higher;
            }
            one = above;
        }
        one
    }

    /// Puts two together.
    pub(super) fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.top(a), self.top(b));
        if let Some(slot) = self.above.get_mut(a.max(b)) {
            *slot = a.min(b);
        }
    }

    /// The groups, each in order, by their first.
    pub(super) fn all(mut self) -> Vec<Vec<usize>> {
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for one in 0..self.above.len() {
            groups.entry(self.top(one)).or_default().push(one);
        }
        groups.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_with_an_identity_in_common() {
        let mut many = Many::default();
        for (file, keys) in [(0, vec![1, 5, 9]), (1, vec![5, 6]), (2, vec![7]), (3, vec![5, 6])] {
            many.add(file, &keys);
        }
        many.sort();
        assert_eq!(many.pairs(), BTreeSet::from([(0, 1), (0, 3), (1, 3)]));
        assert_eq!(many.with(&[0, 6, 7, 8]), BTreeSet::from([1, 2, 3]));
        assert_eq!(many.with(&[2, 3]), BTreeSet::new());
    }

    #[test]
    fn groups_are_joined_through_others() {
        let mut groups = Groups::new(6);
        for (a, b) in [(4, 1), (1, 3), (5, 0)] {
            groups.join(a, b);
        }
        assert_eq!(groups.all(), [vec![0, 5], vec![1, 3, 4], vec![2]]);
    }
}
