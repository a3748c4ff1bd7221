//! Sizes of memory as settings and the command line write them: `512MB`, `1GiB`.

use std::str::FromStr;

use serde::Deserialize;

/// How much memory a report may take, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Memory {
    bytes: u64,
}

/// The text is no size of memory that a report can be made in.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// It is no size at all.
    #[error("`{found}` is no size of memory (expected a number and a unit such as 512MB or 1GiB)")]
    Shape {
        /// What was written.
        found: String,
    },
    /// It is too little.
    #[error("`{found}` is too little memory to make a report in (at least {})", Memory::LEAST_TEXT)]
    TooLittle {
        /// What was written.
        found: String,
    },
}

/// Units and their bytes.
const UNITS: [(&str, u64); 8] = [
    ("kb", 1000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];

impl Memory {
    const LEAST: u64 = 256_000_000;
    const LEAST_TEXT: &str = "256MB";

    /// A size that may be less than any that can be written; for tests.
    pub const fn of_bytes(bytes: u64) -> Self {
        Self { bytes }
    }

    /// Bytes of it that rows may take until they are counted. A third goes to the rows that
    /// are read, as much to those that were kept of earlier readings; the last is for
    /// what does not grow with them.
    pub fn for_rows(self) -> usize {
        usize::try_from(self.bytes / 3).unwrap_or(usize::MAX)
    }

    /// Most names of connectors, remote domains and ciphers: with what is counted of it by day,
    /// and is kept for the next report, each took 500 bytes at most.
    pub fn for_names(self) -> usize {
        usize::try_from(self.bytes.max(Self::LEAST) / 640).unwrap_or(usize::MAX)
    }

    /// Most bytes of all names together: several lists of them are made.
    pub fn for_name_bytes(self) -> usize {
        usize::try_from(self.bytes.max(Self::LEAST) / 8).unwrap_or(usize::MAX)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::of_bytes(512_000_000)
    }
}

impl FromStr for Memory {
    type Err = MemoryError;

    fn from_str(text: &str) -> Result<Self, MemoryError> {
        let found = || text.to_owned();
        let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let unit = unit.trim().to_lowercase();
        let unit = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, bytes)| *bytes);
        let bytes = number.parse::<u64>().ok().zip(unit).and_then(|(n, unit)| n.checked_mul(unit));
        match bytes {
            None => Err(MemoryError::Shape { found: found() }),
            Some(bytes) if bytes < Self::LEAST => Err(MemoryError::TooLittle { found: found() }),
            Some(bytes) => Ok(Self { bytes }),
        }
    }
}

impl TryFrom<String> for Memory {
    type Error = MemoryError;

    fn try_from(text: String) -> Result<Self, MemoryError> {
        text.parse()
    }
}

impl schemars::JsonSchema for Memory {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Memory".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A size of memory such as 512MB or 1GiB; at least 256MB.",
            "pattern": "^[0-9]+ ?([kKmMgGtT][iI]?[bB])$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_unit_and_a_least() {
        let bytes = |text: &str| text.parse::<Memory>().map(|memory| memory.bytes);
        assert_eq!(bytes("512MB").unwrap(), 512_000_000);
        assert_eq!(bytes("1 GiB").unwrap(), 1 << 30);
        assert_eq!(bytes("256000kb").unwrap(), 256_000_000);
        for text in ["", "512", "MB", "1.5GB", "-1GB", "512 M", "99999999999TB"] {
            assert!(matches!(bytes(text), Err(MemoryError::Shape { .. })), "{text}");
        }
        let error = bytes("255MB").unwrap_err().to_string();
        assert!(error.ends_with("(at least 256MB)"), "{error}");
    }
}
