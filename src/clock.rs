//! The present: the only place that asks what time it is.
//!
//! `--now` and the variable `INTRANSIT_NOW` set it, for tests and to reproduce a run; it then
//! stands still. What is worth the same in any year (a report) does not ask at all.

pub mod limit;

use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};

/// Variable that sets the present.
pub const VARIABLE: &str = "INTRANSIT_NOW";

/// Tells the present instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The machine's clock.
    Machine,
    /// Always this instant.
    Fixed(DateTime<Utc>),
}

/// The text is not an instant.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{found}` is not an instant (expected RFC 3339 with a zone, such as 2026-11-16T10:00:00Z)"
)]
pub struct InstantError {
    /// What was written.
    pub found: String,
}

impl Clock {
    /// The clock that `text` asks for; the machine's where there is none.
    ///
    /// # Errors
    /// [`InstantError`] when the text is not an RFC 3339 instant.
    pub fn of(text: Option<&str>) -> Result<Self, InstantError> {
        text.map_or(Ok(Self::Machine), |text| instant(text).map(Self::Fixed))
    }

    /// What an auditor should know where the machine's clock was not asked: that it was not, and
    /// what it said.
    pub fn set_by_hand(self) -> Option<String> {
        let Self::Fixed(instant) = self else { return None };
        let text = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
        let machine = Self::Machine.now();
        Some(format!("set by hand to {}, the machine's said {}", text(instant), text(machine)))
    }

    /// The present, in whole seconds, so that what is stored is what was compared.
    #[allow(clippy::disallowed_methods, reason = "the one place that asks")]
    pub fn now(self) -> DateTime<Utc> {
        match self {
            Self::Machine => Utc::now().trunc_subsecs(0),
            Self::Fixed(instant) => instant,
        }
    }
}

/// Reads an RFC 3339 instant.
///
/// # Errors
/// [`InstantError`] when the text is not one.
pub fn instant(text: &str) -> Result<DateTime<Utc>, InstantError> {
    DateTime::parse_from_rfc3339(text)
        .map(|instant| instant.with_timezone(&Utc))
        .map_err(|_| InstantError { found: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_instant_stands_still() {
        let clock = Clock::of(Some("2026-11-16T07:00:00-03:00")).unwrap();
        assert_eq!(clock.now().to_rfc3339(), "2026-11-16T10:00:00+00:00");
        assert_eq!(clock.now(), clock.now());
        assert_eq!(Clock::of(None), Ok(Clock::Machine));
    }

    #[test]
    fn a_time_without_a_zone_is_no_instant() {
        assert!(Clock::of(Some("2026-11-16T07:00")).is_err());
    }
}
