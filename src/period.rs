//! Reporting periods: half-open runs of whole local days in an IANA time zone.
//!
//! | text | days | before it (comparison) |
//! |---|---|---|
//! | `week` | the 7 days before the as-of date | the 7 days before those |
//! | `30d`, `Nd` | the N days before it | the N days before those |
//! | `month` | the last whole calendar month | the calendar month before |
//! | range | `--from` to `--to`, inclusive | as many days before |
//!
//! Invariant: `from < to`; `to` is the first day that is outside.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;

/// What a user asked for: a length that ends before an as-of date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeriodKind {
    /// The seven days before the as-of date.
    Week,
    /// The last calendar month that is over on the as-of date.
    Month,
    /// The given number of days before the as-of date (1 to 3660).
    Days(u32),
    /// Explicit dates.
    Range,
}

/// The text is not a period.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a period (expected week, month, or a number of days such as 30d)")]
pub struct PeriodError(pub String);

impl FromStr for PeriodKind {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        match text {
            "week" => Ok(Self::Week),
            "month" => Ok(Self::Month),
            _ => text
                .strip_suffix('d')
                .and_then(|days| days.parse().ok())
                .filter(|days| (1..=3660).contains(days))
                .map(Self::Days)
                .ok_or_else(|| PeriodError(text.to_owned())),
        }
    }
}

impl fmt::Display for PeriodKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Week => f.write_str("week"),
            Self::Month => f.write_str("month"),
            Self::Days(days) => write!(f, "{days}d"),
            Self::Range => f.write_str("range"),
        }
    }
}

/// Whole local days `[from, to)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// How the period was asked for; its text is the `id` in `report.json`.
    pub kind: PeriodKind,
    /// First day inside.
    pub from: NaiveDate,
    /// First day outside.
    pub to: NaiveDate,
}

impl Period {
    /// The period of this kind that ends before `as_of`; `None` beyond the calendar.
    pub fn ending_before(kind: PeriodKind, as_of: NaiveDate) -> Option<Self> {
        let (from, to) = match kind {
            PeriodKind::Week => (as_of.checked_sub_days(Days::new(7))?, as_of),
            PeriodKind::Days(days) => (as_of.checked_sub_days(Days::new(days.into()))?, as_of),
            PeriodKind::Month => {
                let to = as_of.with_day(1)?;
                (to.checked_sub_months(Months::new(1))?, to)
            }
            PeriodKind::Range => return None,
        };
        Some(Self { kind, from, to })
    }

    /// The days from `first` to `last`, both inside; `None` when `last` is before `first`.
    pub fn range(first: NaiveDate, last: NaiveDate) -> Option<Self> {
        let to = last.succ_opt()?;
        (first < to).then_some(Self { kind: PeriodKind::Range, from: first, to })
    }

    /// The equal period before this one, for comparison.
    pub fn previous(&self) -> Option<Self> {
        let from = match self.kind {
            PeriodKind::Month => self.from.checked_sub_months(Months::new(1))?,
            _ => self.from.checked_sub_days(Days::new(self.days()))?,
        };
        Some(Self { kind: self.kind, from, to: self.from })
    }

    /// Number of days.
    pub fn days(&self) -> u64 {
        u64::try_from((self.to - self.from).num_days()).unwrap_or(0)
    }

    /// The last day inside, as printed.
    pub fn last_day(&self) -> NaiveDate {
        self.to.pred_opt().unwrap_or(self.from)
    }

    /// Says whether the day is inside.
    pub fn contains(&self, day: NaiveDate) -> bool {
        self.from <= day && day < self.to
    }

    /// Real length in hours: 168 for most weeks, 167 or 169 across a DST change.
    pub fn hours(&self, zone: Tz) -> i64 {
        (day_start(self.to, zone) - day_start(self.from, zone)).num_hours()
    }
}

/// The first instant of a local day. Where midnight does not exist, the day begins after
/// the gap; where it occurs twice, it begins at the first.
pub fn day_start(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = day.and_time(NaiveTime::MIN);
    // Gaps are at most a day (Apia skipped 2011-12-30); quarter hours suffice for all of tzdb.
    (0..=96)
        .find_map(|quarters| {
            zone.from_local_datetime(&(midnight + chrono::TimeDelta::minutes(15 * quarters)))
                .earliest()
        })
        .map_or_else(|| midnight.and_utc(), |local| local.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn kinds_are_cut_before_the_as_of_date() {
        let cases = [
            ("week", "2026-11-16", "2026-11-09", "2026-11-15"),
            ("30d", "2026-11-16", "2026-10-17", "2026-11-15"),
            ("month", "2026-11-16", "2026-10-01", "2026-10-31"),
            ("month", "2026-11-01", "2026-10-01", "2026-10-31"),
            ("month", "2026-03-31", "2026-02-01", "2026-02-28"),
            ("1d", "2026-01-01", "2025-12-31", "2025-12-31"),
        ];
        for (kind, as_of, first, last) in cases {
            let period = Period::ending_before(kind.parse().unwrap(), day(as_of)).unwrap();
            assert_eq!((period.from, period.last_day()), (day(first), day(last)), "{kind} {as_of}");
        }
    }

    #[test]
    fn the_previous_month_is_a_month_not_as_many_days() {
        let month = Period::ending_before(PeriodKind::Month, day("2026-04-10")).unwrap();
        let previous = month.previous().unwrap();
        assert_eq!((previous.from, previous.to), (day("2026-02-01"), day("2026-03-01")));
    }

    #[test]
    fn hours_follow_daylight_saving() {
        let cases = [
            ("Europe/Paris", "2027-03-30", 167),
            ("Europe/Paris", "2027-11-03", 169),
            ("America/Sao_Paulo", "2018-11-06", 167),
            ("America/Santiago", "2027-09-08", 167),
            ("UTC", "2027-03-30", 168),
        ];
        for (zone, as_of, hours) in cases {
            let zone: Tz = zone.parse().unwrap();
            let week = Period::ending_before(PeriodKind::Week, day(as_of)).unwrap();
            assert_eq!(week.hours(zone), hours, "{zone} {as_of}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "d", "0d", "99999d", "-3d", "weekly", "30"] {
            assert_eq!(text.parse::<PeriodKind>(), Err(PeriodError(text.to_owned())));
        }
        assert_eq!(Period::range(day("2026-11-02"), day("2026-11-01")), None);
    }
}
