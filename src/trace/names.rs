//! Names as codes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use polars::prelude::*;

/// The names that the frames of one reading share, so that a name is stored once.
#[derive(Debug, Clone)]
pub struct Names {
    mapping: Arc<CategoricalMapping>,
    /// Length of all names.
    bytes: Arc<AtomicUsize>,
    /// A name was refused.
    full: Arc<AtomicBool>,
    /// Most names, and most bytes of all together.
    most: (usize, usize),
}

/// Most names of connectors, remote domains and ciphers in one reading, whatever the memory.
const MOST_NAMES: usize = 8_000_000;
/// Most bytes of all names together: 512 MiB.
const MOST_NAME_BYTES: usize = 512 << 20;

impl Names {
    /// An empty set of as many names as are ever held.
    pub fn new() -> Self {
        Self::at_most(MOST_NAMES, MOST_NAME_BYTES)
    }

    /// An empty set of so many names at most, and so many bytes of them.
    pub fn at_most(names: usize, bytes: usize) -> Self {
        let categories =
            Categories::random(PlSmallStr::from_static("intransit"), CategoricalPhysical::U32);
        let most = (names.min(MOST_NAMES), bytes.min(MOST_NAME_BYTES));
        Self { mapping: categories.mapping(), bytes: Arc::default(), full: Arc::default(), most }
    }

    /// Most names that it holds.
    pub fn most(&self) -> usize {
        self.most.0
    }

    /// The code of a name, giving it one where it is new.
    ///
    /// # Errors
    /// When there are more than it may hold, or they are too long together; from then on the
    /// names [are full](Self::is_full).
    pub fn code(&self, name: &str) -> PolarsResult<u32> {
        if let Some(code) = self.known(name) {
            return Ok(code);
        }
        let bytes = self.bytes.fetch_add(name.len(), Ordering::Relaxed);
        if self.len() < self.most.0 && bytes < self.most.1 {
            return self.mapping.insert_cat(name);
        }
        self.full.store(true, Ordering::Relaxed);
        Err(PolarsError::ComputeError("there are more names than are held".into()))
    }

    /// Says whether a name was refused: what was read is then not whole.
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Number of names, or a little more.
    pub fn len(&self) -> usize {
        self.mapping.num_cats_upper_bound()
    }

    /// Says whether there is no name yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The code of a name, where it has one.
    pub fn known(&self, name: &str) -> Option<u32> {
        self.mapping.get_cat(name)
    }

    /// The name of a code that [`Names::code`] gave.
    pub fn name(&self, code: u32) -> Option<&str> {
        if code == NO_NAME {
            return None;
        }
        self.mapping.cat_to_str(code)
    }
}

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}

/// Code of an absent name in a [`Row`](super::Row).
pub const NO_NAME: u32 = u32::MAX;

/// The code of a name as a number that is small where codes are: [`NO_NAME`] is 0, every code one
/// more.
pub const fn code_to_number(code: u32) -> u32 {
    code.wrapping_add(1)
}

/// The code that has this number.
pub const fn number_to_code(number: u32) -> u32 {
    number.wrapping_sub(1)
}

const _: () = assert!(code_to_number(NO_NAME) == 0 && number_to_code(0) == NO_NAME);
