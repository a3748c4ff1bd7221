//! Names as a file keeps them. Codes of names differ from reading to reading, their places in
//! the list of a file do not.

use polars::prelude::PolarsResult;
use serde::{Deserialize, Serialize};

use super::rows::Entry;
use crate::trace::{NO_NAME, Names};

/// Names in one piece, sorted; each is told by its place, from 1.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameList {
    text: String,
    ends: Vec<u32>,
}

/// Which names rows use, by their codes. Codes follow one another: a list of them is shorter
/// than a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsedNames {
    used: Vec<bool>,
}

impl UsedNames {
    pub(super) fn mark(&mut self, rows: &[Entry]) {
        let codes = rows.iter().flat_map(|row| [row.connector(), row.peer()]);
        for code in codes.filter(|code| *code != NO_NAME) {
            let index = code as usize;
            if self.used.len() <= index {
                self.used.resize(index + 1, false);
            }
            self.used[index] = true;
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.used.resize(self.used.len().max(other.used.len()), false);
        for (used, other) in self.used.iter_mut().zip(&other.used) {
            *used |= other;
        }
    }

    /// The names.
    pub fn list(&self, names: &Names) -> FileNames {
        let used = (0..).zip(&self.used).filter(|(_, used)| **used);
        FileNames::of(used.map(|(code, _)| code), names)
    }
}

/// Names as a file keeps them: sorted, and told by their place in the list.
#[derive(Debug, Clone, Default)]
pub struct FileNames {
    list: NameList,
    /// By code; 0 where it has none.
    places: Vec<u32>,
}

impl FileNames {
    pub(super) fn of(codes: impl Iterator<Item = u32>, names: &Names) -> Self {
        // There may be millions: neither a tree of them is made nor a copy of each.
        let mut codes: Vec<u32> = codes.collect();
        codes.sort_unstable();
        codes.dedup();
        let named = codes.iter().filter_map(|code| Some((names.name(*code)?, *code)));
        let mut named: Vec<(&str, u32)> = named.collect();
        drop(codes);
        let mut own = Self::default();
        // Before they are sorted by name, the last code is the highest.
        own.places.resize(named.last().map_or(0, |(_, last)| *last as usize + 1), 0);
        named.sort_unstable();
        own.list.text.reserve_exact(named.iter().map(|(name, _)| name.len()).sum());
        own.list.ends.reserve_exact(named.len());
        for (place, (name, code)) in (1..).zip(named) {
            own.list.text.push_str(name);
            own.list.ends.push(u32::try_from(own.list.text.len()).unwrap_or(u32::MAX));
            // There is a place for the last code.
            own.places[code as usize] = place;
        }
        own
    }

    pub(super) fn place(&self, code: u32) -> u32 {
        self.places.get(code as usize).copied().unwrap_or(0)
    }

    /// The names.
    pub fn list(&self) -> &NameList {
        &self.list
    }

    /// The names alone.
    pub(super) fn into_list(self) -> NameList {
        self.list
    }
}

/// The codes that names have in a reading, by their place in a list.
pub(super) fn codes(list: &NameList, names: &Names) -> PolarsResult<Vec<u32>> {
    let mut start = 0;
    let codes = list.ends.iter().map(|end| {
        let name = list.text.get(std::mem::replace(&mut start, *end as usize)..*end as usize);
        names.code(name.unwrap_or_default())
    });
    std::iter::once(Ok(NO_NAME)).chain(codes).collect()
}

pub(super) fn code(codes: &[u32], place: u32) -> u32 {
    codes.get(place as usize).copied().unwrap_or(NO_NAME)
}
