//! The only `now` of the program.
//!
//! Everything that needs the present asks here, so that `--now` (and `INTRANSIT_NOW`)
//! reproduces a run. Report files never contain the present: see `report`.

use chrono::{DateTime, Utc};

/// The present instant, or the one given for reproduction.
///
/// # Errors
/// Returns the text that could not be read as an RFC 3339 instant.
pub fn now(given: Option<&str>) -> Result<DateTime<Utc>, String> {
    match given {
        Some(text) => DateTime::parse_from_rfc3339(text)
            .map(|instant| instant.with_timezone(&Utc))
            .map_err(|_| text.to_owned()),
        #[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
        None => Ok(Utc::now()),
    }
}
