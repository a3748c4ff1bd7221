//! A map that remembers what was used lately and forgets the rest, so that its size is
//! bounded whatever a log holds.

#![expect(clippy::disallowed_types, reason = "looked up in the hot path; who drains it sorts")]

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use xxhash_rust::xxh3::xxh3_64;

type Map<K, V> = HashMap<K, V, BuildHasherDefault<Mix>>;

/// Hashes keys that are numbers by a multiplication, others by XXH3. Keys of attackers' choice
/// can only slow a reading down, and the maps are bounded.
#[derive(Debug, Default)]
pub(crate) struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        self.write_u64(xxh3_64(bytes));
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(u64::from(number));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        let wide = u128::from(self.0 ^ number ^ 0x9e37_79b9_7f4a_7c15)
            * u128::from(0xd6e8_feb8_6659_fd93_u64);
        // Both halves, so that every bit of the key shows in every bit of the hash.
        let [low, high] =
            [wide & u128::from(u64::MAX), wide >> 64].map(|half| u64::try_from(half).unwrap_or(0));
        self.0 = low ^ high;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Two generations: when the young one is full, the old one is forgotten and the young one
/// takes its place. What is looked up becomes young again.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    young: Map<K, V>,
    old: Map<K, V>,
    most: usize,
}

impl<K: Eq + Hash, V> Recent<K, V> {
    /// A map that holds at least the `most` keys used last, and never more than twice as many.
    pub(crate) fn new(most: usize) -> Self {
        Self { young: Map::default(), old: Map::default(), most: most.max(1) }
    }

    /// The value of a key, made young.
    pub(crate) fn get(&mut self, key: &K) -> Option<&mut V> {
        // Nearly always there is nothing old, or what is asked for is young.
        if !self.old.is_empty() && !self.young.contains_key(key) {
            let (key, value) = self.old.remove_entry(key)?;
            self.make_room();
            self.young.insert(key, value);
        }
        self.young.get_mut(key)
    }

    /// Sets the value of a key.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        // An old value of the key is hidden by the young one until both are forgotten.
        if self.young.len() >= self.most && !self.young.contains_key(&key) {
            self.make_room();
        }
        self.young.insert(key, value);
    }

    /// Forgets a key.
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let old = if self.old.is_empty() { None } else { self.old.remove(key) };
        self.young.remove(key).or(old)
    }

    /// Number of keys held.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Forgets everything, and gives it away in no particular order.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (K, V)> {
        let mut old = std::mem::take(&mut self.old);
        let young = std::mem::take(&mut self.young);
        if !old.is_empty() {
            old.retain(|key, _| !young.contains_key(key));
        }
        old.into_iter().chain(young)
    }

    fn make_room(&mut self) {
        if self.young.len() >= self.most {
            // Cleared rather than made anew: its room is filled again.
            std::mem::swap(&mut self.old, &mut self.young);
            self.young.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_held_and_the_size_is_bounded() {
        let mut recent = Recent::new(100);
        for key in 0..10_000_u32 {
            recent.insert(key, key);
            assert!(recent.len() <= 200);
            assert_eq!(recent.get(&key.saturating_sub(49)), Some(&mut key.saturating_sub(49)));
        }
        assert_eq!(recent.get(&0), None);
        assert_eq!(recent.remove(&9_999), Some(9_999));
        assert_eq!(recent.get(&9_999), None);
    }

    #[test]
    fn what_is_used_stays() {
        let mut recent = Recent::new(10);
        recent.insert(0, "kept");
        for key in 1..1_000 {
            recent.insert(key, "new");
            assert_eq!(recent.get(&0), Some(&mut "kept"));
        }
    }
}
