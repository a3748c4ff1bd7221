//! Counts of the keys that came first: almost all messages have one of a few thousand keys,
//! and those that are counted here need not go through the group-by one by one.

/// A table of keys and counts that grows up to a bound.
#[derive(Debug)]
pub(super) struct Near {
    /// Key and count; none where that is 0. As many as two to the power of `bits`, or none.
    slots: Vec<(u64, u64)>,
    bits: u32,
    most_bits: u32,
    used: usize,
}

impl Near {
    const FIRST_BITS: u32 = 10;

    /// An empty table that takes at most two to this power of slots, of 16 bytes each.
    pub(super) fn new(most_bits: u32) -> Self {
        Self { slots: Vec::new(), bits: Self::FIRST_BITS, most_bits, used: 0 }
    }

    /// Counts messages of a key, at least one; says whether there was room for it.
    pub(super) fn add(&mut self, key: u64, messages: u64) -> bool {
        if self.slots.is_empty() {
            self.slots.resize(1 << self.bits, (0, 0));
        }
        let place = self.place(key);
        // A place is always one of the slots.
        let slot = &mut self.slots[place];
        if slot.1 > 0 {
            slot.1 += messages;
            return true;
        }
        if self.used >= self.slots.len() / 4 * 3 {
            if self.bits >= self.most_bits {
                return false;
            }
            self.grow();
            return self.add(key, messages);
        }
        self.slots[place] = (key, messages);
        self.used += 1;
        true
    }

    /// Where a key is, or would be.
    fn place(&self, key: u64) -> usize {
        let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - self.bits);
        let mask = self.slots.len() - 1;
        let mut place = usize::try_from(hash).unwrap_or(0);
        // A quarter is always empty.
        while self.slots.get(place).is_some_and(|(held, count)| *count > 0 && *held != key) {
            place = (place + 1) & mask;
        }
        place
    }

    fn grow(&mut self) {
        self.bits += 1;
        let larger = vec![(0, 0); 1 << self.bits];
        for slot in std::mem::replace(&mut self.slots, larger) {
            if slot.1 > 0 {
                let place = self.place(slot.0);
                self.slots[place] = slot;
            }
        }
    }

    /// All keys and counts; the table is empty afterwards.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (u64, u64)> {
        self.used = 0;
        std::mem::take(&mut self.slots).into_iter().filter(|(_, messages)| *messages > 0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn what_is_near_is_counted_once_and_what_finds_no_room_is_told() {
        let mut near = Near::new(15);
        let mut left: BTreeMap<u64, u64> = BTreeMap::new();
        for key in (0..60_000_u64).chain(0..60_000) {
            if !near.add(key, key % 3 + 1) {
                *left.entry(key).or_default() += key % 3 + 1;
            }
        }
        assert_eq!(left.len(), 60_000 - (1 << 15) / 4 * 3);
        for (key, messages) in near.drain() {
            assert_eq!(left.insert(key, messages), None, "{key} is in one place");
        }
        assert_eq!(left.len(), 60_000);
        assert!(left.iter().all(|(key, messages)| *messages == 2 * (key % 3 + 1)));
        assert!(near.add(7, 1) && near.drain().eq([(7, 1)]), "it can be used again");
    }
}
