//! A map that remembers what was used lately and forgets the rest, so that its size is
//! bounded whatever a log holds.

#![expect(clippy::disallowed_types, reason = "looked up in the hot path; who drains it sorts")]

mod kept;

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

    /// The value of a key, made young; where there is none, the one that `make` gives.
    pub(crate) fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let full = self.young.len() >= self.most;
        if full || !self.old.is_empty() {
            let held = self.get(&key).is_some();
            if !held && self.young.len() >= self.most {
                self.make_room();
            }
        }
        self.young.entry(key).or_insert_with(make)
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

/// Buckets of a ledger, a power of two: so few that a processor keeps them at hand, since far more
/// is written than looked up.
const BUCKETS: usize = 1 << 15;

/// What a ledger holds of a key; the newest of a bucket first.
#[derive(Debug)]
struct Leaf<V> {
    key: u64,
    value: V,
    /// The one before it in its bucket, counted from 1; 0 = none.
    before: u32,
}

/// Values by keys that are hashes, for what is written often and hardly ever looked up: a value
/// is put behind the others, and only its number goes to a place of its own. Two generations,
/// as of [`Recent`].
#[derive(Debug)]
pub(crate) struct Ledger<V> {
    young: Generation<V>,
    old: Generation<V>,
    most: usize,
}

#[derive(Debug)]
struct Generation<V> {
    leaves: Vec<Leaf<V>>,
    /// The newest leaf of each bucket, counted from 1; 0 = none. Empty before the first.
    buckets: Vec<u32>,
}

impl<V: Copy> Ledger<V> {
    /// One that holds at least the `most` values written last, and never more than twice as many.
    pub(crate) fn new(most: usize) -> Self {
        let none = || Generation { leaves: Vec::new(), buckets: Vec::new() };
        Self { young: none(), old: none(), most: most.max(1) }
    }

    /// The value of a key that was written last, which is young again.
    pub(crate) fn get(&mut self, key: u64) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value);
        }
        let value = self.old.get(key)?;
        self.insert(key, value);
        Some(value)
    }

    /// Writes the value of a key.
    pub(crate) fn insert(&mut self, key: u64, value: V) {
        if self.young.leaves.len() >= self.most {
            std::mem::swap(&mut self.old, &mut self.young);
            self.young.leaves.clear();
            self.young.buckets.fill(0);
        }
        self.young.insert(key, value);
    }
}

impl<V: Copy> Generation<V> {
    fn get(&self, key: u64) -> Option<V> {
        let mut at = *self.buckets.get(bucket(key, self.buckets.len()))?;
        while let Some(leaf) = self.leaves.get(usize::try_from(at.checked_sub(1)?).ok()?) {
            if leaf.key == key {
                return Some(leaf.value);
            }
            at = leaf.before;
        }
        None
    }

    fn insert(&mut self, key: u64, value: V) {
        if self.buckets.is_empty() {
            self.buckets.resize(BUCKETS, 0);
        }
        let wide = self.buckets.len();
        let Some(newest) = self.buckets.get_mut(bucket(key, wide)) else { return };
        self.leaves.push(Leaf { key, value, before: *newest });
        *newest = u32::try_from(self.leaves.len()).unwrap_or(0);
    }
}

/// The bucket of a hash; `wide` is a power of two.
fn bucket(key: u64, wide: usize) -> usize {
    usize::try_from(key).unwrap_or(usize::MAX) & wide.wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_gives_what_was_written_last_and_forgets_the_rest() {
        let mix = |number: u64| xxh3_64(&number.to_le_bytes()) & 0x3ff_ffff;
        let mut ledger = Ledger::new(3_000);
        for number in 0..50_000_u64 {
            ledger.insert(mix(number), (number, 0));
            ledger.insert(mix(number), (number, 1));
            let before = number.saturating_sub(900);
            assert_eq!(ledger.get(mix(before)), Some((before, 1)), "{number}");
            assert!(ledger.young.leaves.len() <= 3_000 && ledger.old.leaves.len() <= 3_000);
        }
        assert_eq!(ledger.get(mix(40_000)), None);
        // What was looked up stays.
        ledger.insert(1, (7, 7));
        for number in 0..50_000_u64 {
            ledger.insert(mix(number), (number, 0));
            assert_eq!(ledger.get(1), Some((7, 7)), "{number}");
        }
    }

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
    fn what_is_missing_is_made() {
        let mut recent = Recent::new(10);
        for key in 0..1_000_u32 {
            let mut made = 0;
            *recent.get_or_insert_with(key / 2, || {
                made += 1;
                key
            }) += 1;
            assert_eq!(made, 1 - key % 2, "{key}");
            assert!(recent.len() <= 20);
        }
        let mut recent = Recent::new(10);
        (0..15).for_each(|key| recent.insert(key, key));
        // 3 is old by now, 13 young, 100 new.
        for (key, value) in [(3, 3), (13, 13), (100, 7), (3, 3), (100, 7)] {
            assert_eq!(*recent.get_or_insert_with(key, || 7), value, "{key}");
        }
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
