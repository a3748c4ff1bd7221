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

/// Counts of small numbers, side by side: by place (a period or day, counted from the first), then
/// by the code of a name, direction and band. Nothing is looked for, and little memory is touched.
#[derive(Debug, Default)]
pub(super) struct Nearest {
    counts: Vec<Vec<u32>>,
    /// How many there are, in all places.
    length: usize,
    /// What is still to be added: place, index, messages. One after the other, additions do
    /// not wait for the memory that each of them touches.
    pending: Vec<(u32, u32, u32)>,
}

impl Nearest {
    /// More counts are not held: 8 MB.
    const MOST: usize = 1 << 21;
    const MOST_PLACES: usize = 1 << 12;
    /// Bits of direction (inbound or outbound) and band.
    const CLASS_BITS: u32 = 4;

    /// Takes in messages, which are counted by the next [`Nearest::settle`]; says whether there
    /// is room for them.
    pub(super) fn add(&mut self, place: usize, class: u8, name: u32, messages: u64) -> bool {
        let index = (name as usize) << Self::CLASS_BITS | usize::from(class);
        if place >= Self::MOST_PLACES || class >> Self::CLASS_BITS > 0 || index >= Self::MOST {
            return false;
        }
        if self.counts.len() <= place {
            self.counts.resize_with(place + 1, Vec::new);
        }
        let counts = &mut self.counts[place];
        if counts.len() <= index {
            let length = (index + 1).next_multiple_of(1 << 10);
            let more = length - counts.len();
            if self.length + more > Self::MOST {
                return false;
            }
            counts.resize(length, 0);
            self.length += more;
        }
        let words = [place as u64, index as u64, messages].map(u32::try_from);
        let [Ok(place), Ok(index), Ok(messages)] = words else { return false };
        self.pending.push((place, index, messages));
        true
    }

    /// Counts what was taken in; what does not fit into a count is given to `others`, as
    /// [`Nearest::add`] got it.
    pub(super) fn settle(&mut self, mut others: impl FnMut(usize, u8, u32, u64)) {
        for (place, index, messages) in self.pending.drain(..) {
            // `add` has made room for all of them.
            let count = &mut self.counts[place as usize][index as usize];
            if let Some(sum) = count.checked_add(messages) {
                *count = sum;
            } else {
                let (class, name) = Self::of_index(index);
                others(place as usize, class, name, u64::from(messages));
            }
        }
    }

    /// Class and name.
    fn of_index(index: u32) -> (u8, u32) {
        let class = u8::try_from(index & ((1 << Self::CLASS_BITS) - 1)).unwrap_or(0);
        (class, index >> Self::CLASS_BITS)
    }

    /// All counts: place, class, name and messages; there are none afterwards. What
    /// is pending is not among them.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (usize, u8, u32, u64)> {
        self.length = 0;
        let places = std::mem::take(&mut self.counts).into_iter().enumerate();
        places.flat_map(|(place, counts)| {
            let counted = (0_u32..).zip(counts).filter(|(_, messages)| *messages > 0);
            counted.map(move |(index, messages)| {
                let (class, name) = Self::of_index(index);
                (place, class, name, u64::from(messages))
            })
        })
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

    #[test]
    fn the_nearest_are_counted_once_and_what_finds_no_room_is_told() {
        let mut nearest = Nearest::default();
        let keys: Vec<(usize, u8, u32)> = (0..5000_usize)
            .map(|n| (n % 40, u8::try_from(n % 17).unwrap(), u32::try_from(n).unwrap()))
            .chain([(Nearest::MOST_PLACES, 0, 0), (0, 0, u32::MAX)])
            .collect();
        let mut left: BTreeMap<(usize, u8, u32), u64> = BTreeMap::new();
        for (messages, (place, class, peer)) in (1..).zip(keys.iter().copied()) {
            for messages in [messages, 1] {
                if !nearest.add(place, class, peer, messages) {
                    *left.entry((place, class, peer)).or_default() += messages;
                }
            }
        }
        nearest.settle(|_, _, _, _| panic!("each fits"));
        assert!(left.len() > 5000 / 17 + 2 && left.len() < 4000, "{}", left.len());
        for (place, class, peer, messages) in nearest.drain() {
            assert_eq!(left.insert((place, class, peer), messages), None);
        }
        for (messages, key) in (1_u64..).zip(keys) {
            assert_eq!(left[&key], messages + 1, "{key:?}");
        }
        assert!(!nearest.add(0, 0, 0, 1 << 32), "a count has a bound");
        assert!(nearest.add(0, 3, 9, u64::from(u32::MAX)) && nearest.add(0, 3, 9, 8));
        let mut others = Vec::new();
        nearest.settle(|place, class, peer, messages| others.push((place, class, peer, messages)));
        assert_eq!(others, [(0, 3, 9, 8)]);
        assert!(nearest.drain().eq([(0, 3, 9, u64::from(u32::MAX))]), "it can be used again");
    }
}
