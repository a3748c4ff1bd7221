//! What was used lately, as it is left for the next reading.

use std::hash::Hash;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Generation, Ledger, Map, Recent};

/// Both generations as they stand, and how many keys make the young one full.
#[derive(Deserialize)]
#[serde(bound = "K: Eq + Hash + Deserialize<'de>, V: Deserialize<'de>")]
struct Generations<K, V>(Map<K, V>, Map<K, V>, usize);

impl<K: Serialize, V: Serialize> Serialize for Recent<K, V> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        (&self.young, &self.old, self.most).serialize(to)
    }
}

impl<'de, K: Eq + Hash + Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Recent<K, V> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Generations(young, old, most) = Generations::deserialize(from)?;
        Ok(Self { young, old, most })
    }
}

impl<K, V> Recent<K, V> {
    /// Whether it has the bound of another, and keeps it.
    pub(crate) fn is_bounded_as(&self, other: &Self) -> bool {
        let full = self.young.len().max(self.old.len());
        self.most == other.most && full <= self.most
    }
}

impl<V: Serialize> Serialize for Ledger<V> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        (&self.young, &self.old, self.most).serialize(to)
    }
}

impl<V: Serialize> Serialize for Generation<V> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.leaves.iter().map(|leaf| (leaf.key, &leaf.value)))
    }
}

impl<'de, V: Copy + Deserialize<'de>> Deserialize<'de> for Ledger<V> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let (young, old, most) = <(Vec<(u64, V)>, Vec<(u64, V)>, usize)>::deserialize(from)?;
        let mut ledger = Self::new(most);
        for (generation, leaves) in [(&mut ledger.young, young), (&mut ledger.old, old)] {
            for (key, value) in leaves {
                generation.insert(key, value);
            }
        }
        Ok(ledger)
    }
}

impl<V> Ledger<V> {
    /// Whether it has the bound of another, and keeps it.
    pub(crate) fn is_bounded_as(&self, other: &Self) -> bool {
        let full = self.young.leaves.len().max(self.old.leaves.len());
        self.most == other.most && full <= self.most
    }
}
