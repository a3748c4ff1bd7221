//! Names of what is kept: a hash of everything that it depends on.

use std::fmt;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::ingest::Content;
use crate::store;

/// Grows with every change of what the rows of a file mean, of how they are counted, or of what
/// the readers of logs hold: what was kept by other rules is never used.
const RULES_VERSION: u32 = 3;

/// A SHA-256 of what something depends on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Key([u8; 32]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&store::hex(&self.0))
    }
}

impl Key {
    /// The key of something that depends on `parts`, this program and its rules.
    pub(super) fn of(what: &str, parts: &[&str]) -> Self {
        let mut text = format!("{what} {} {RULES_VERSION}", env!("CARGO_PKG_VERSION"));
        for part in parts {
            // Lengths keep parts apart whatever they hold.
            text.push_str(&format!("\n{} {part}", part.len()));
        }
        Self(store::sha256_bytes(text.as_bytes()))
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// How files are read.
    pub(super) fn of_settings(how: &str) -> Self {
        Self::of("settings", &[how])
    }

    /// The rows of a content, as they are read with these settings.
    pub(super) fn of_rows(content: &Content<'_>) -> Self {
        let Content { sha256, outline, identity, unit, how } = content;
        Self::of("rows", &[sha256, &format!("{outline:?} {identity:?} {unit:?}"), how])
    }

    /// What files of these rows, in this order, were settled to by the days of a zone.
    pub(super) fn of_settled(rows: &[Self], zone: Tz) -> Self {
        let mut parts = vec![zone.name().to_owned(), chrono_tz::IANA_TZDB_VERSION.to_owned()];
        parts.extend(rows.iter().map(Self::to_string));
        Self::of("settled", &parts.iter().map(String::as_str).collect::<Vec<_>>())
    }
}
