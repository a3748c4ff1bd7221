//! Schedules: cron text and an IANA time zone to the instants at which runs are due.
//!
//! | in | out |
//! |---|---|
//! | `0 7 * * MON` | [`Pattern`]: which wall-clock times are meant |
//! | pattern, zone, instant | [`occurrences`] after it, [`latest`] up to it |
//!
//! # Wall time first
//! A pattern names *nominal* times, as a clock on the wall shows them. The `cron` crate only
//! enumerates these, dressed as UTC, so that it never meets a change of the clock: left alone
//! with a zone it drops times that a change skips, doubles those that it repeats, and can go
//! back in time. Each nominal time is then resolved to one instant:
//!
//! | the clock shows the nominal time | instant | note |
//! |---|---|---|
//! | once | that one | |
//! | never (clocks went forward over it) | the first after the gap | [`Note::Gap`] |
//! | twice (clocks went back over it) | the first of the two | [`Note::Fold`] |
//!
//! # Invariants
//! * Instants strictly increase; none is at or before the instant that was asked about.
//! * Every nominal time of a pattern is in exactly one occurrence: as its `nominal`, or among
//!   its `coalesced` when a gap moves several nominal times to the same instant.
//! * Where the scan starts changes nothing: a later start gives a suffix of the same list.
//!
//! # Limits
//! * The `cron` crate knows the years 1970 to 2100; there is no occurrence outside them.
//! * Rules of zones are those compiled into `chrono-tz`; new ones need a new build. They end
//!   with the year 2099, after which each clock stays as it is.
//! * Patterns finer than hourly pause in a repeated hour, as each nominal time is due once.

mod days;
mod fields;
mod pattern;
mod wall;

use std::mem;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;
use serde::Serialize;

pub use fields::PatternError;
pub use pattern::Pattern;
pub use wall::resolve;

/// How a change of the clock affected an occurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Note {
    /// The clock skipped the nominal time; the instant is the first after the gap.
    Gap,
    /// The clock showed the nominal time twice; the instant is the first of the two.
    Fold,
}

/// One due run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// The time of the pattern, as a clock on the wall of the zone shows it.
    pub nominal: NaiveDateTime,
    /// When it is due.
    pub at: DateTime<Utc>,
    /// Set when a change of the clock touched the nominal time.
    pub note: Option<Note>,
    /// Earlier nominal times that a gap moved to the same instant, oldest first; they have no
    /// occurrence of their own.
    pub coalesced: Vec<NaiveDateTime>,
}

/// Yields the occurrences after an instant, oldest first.
///
/// * `after`: outside; an occurrence exactly then is not given.
///
/// Ends by itself when the pattern has no more times, at the latest with the year 2100.
pub fn occurrences(
    pattern: &Pattern,
    zone: Tz,
    after: DateTime<Utc>,
) -> impl Iterator<Item = Occurrence> {
    let after = within_calendar(after);
    // A nominal time that the clock has passed by `after` is due by `after`: it was shown, or
    // it lay in a gap that is over. So nothing before the wall time of `after` is needed, and
    // all nominal times of a gap still to come lie behind it.
    let shown = after.with_timezone(&zone).naive_local();
    let mut times = pattern
        .nominals(shown)
        .map(move |nominal| (nominal, resolve(nominal, zone)))
        .skip_while(move |(_, (at, _))| *at <= after)
        .peekable();
    std::iter::from_fn(move || {
        let (nominal, (at, note)) = times.next()?;
        let mut occurrence = Occurrence { nominal, at, note, coalesced: Vec::new() };
        while let Some((nominal, (_, note))) = times.next_if(|(_, (next, _))| *next <= at) {
            occurrence.coalesced.push(mem::replace(&mut occurrence.nominal, nominal));
            occurrence.note = note;
        }
        Some(occurrence)
    })
}

/// The newest occurrence at or before an instant.
///
/// Searches back in growing steps, 36 years in all, so that one is found for 29 February on
/// a given weekday too; `None` when there is none in that time.
pub fn latest(pattern: &Pattern, zone: Tz, until: DateTime<Utc>) -> Option<Occurrence> {
    let mut end = within_calendar(until);
    // Small steps first: a pattern that is often due is not listed over years.
    for hours in [1, 6, 36, 216, 1_296, 7_776, 46_656, 262_980] {
        let start = end - TimeDelta::hours(hours);
        if has_one(pattern, zone, (start, end)) {
            return newest(pattern, zone, (start, end));
        }
        end = start;
    }
    None
}

/// Says whether there is an occurrence after the one instant, up to the other.
fn has_one(pattern: &Pattern, zone: Tz, (start, end): (DateTime<Utc>, DateTime<Utc>)) -> bool {
    occurrences(pattern, zone, start).next().is_some_and(|found| found.at <= end)
}

/// The newest occurrence of a span that has one. The span is halved, not listed: a pattern of
/// every second whose last year is long over has millions.
fn newest(
    pattern: &Pattern,
    zone: Tz,
    (mut start, mut end): (DateTime<Utc>, DateTime<Utc>),
) -> Option<Occurrence> {
    while end - start > TimeDelta::hours(1) {
        let middle = start + (end - start) / 2;
        if has_one(pattern, zone, (middle, end)) {
            start = middle;
        } else {
            end = middle;
        }
    }
    occurrences(pattern, zone, start).take_while(|found| found.at <= end).last()
}

/// Writes a nominal time, as `2026-11-16T07:00`; seconds are given only when they are not 0.
pub fn nominal_text(nominal: NaiveDateTime) -> String {
    let form = if nominal.second() == 0 { "%Y-%m-%dT%H:%M" } else { "%Y-%m-%dT%H:%M:%S" };
    nominal.format(form).to_string()
}

/// Reads what [`nominal_text`] writes; seconds may be given, and a blank in place of the `T`.
pub fn parse_nominal(text: &str) -> Option<NaiveDateTime> {
    let text = text.replacen(' ', "T", 1);
    let nominal = NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S")
        .or_else(|_| NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M"))
        .ok()?;
    // The library takes signs, missing zeros and leap seconds; a key has one form only.
    let exact = nominal.format("%Y-%m-%dT%H:%M:%S").to_string();
    let exact = exact == text || exact.strip_suffix(":00") == Some(&text);
    (exact && nominal.nanosecond() == 0).then_some(nominal)
}

/// Moves an instant into the years that patterns have, with two days to spare, where no
/// arithmetic can overflow.
fn within_calendar(instant: DateTime<Utc>) -> DateTime<Utc> {
    let first = DateTime::UNIX_EPOCH - TimeDelta::days(2);
    let last = DateTime::UNIX_EPOCH + TimeDelta::days(132 * 366);
    instant.clamp(first, last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nominal_times_are_written_and_read_in_one_form() {
        let cases = [
            ("2026-11-16T07:00", "2026-11-16T07:00"),
            ("2026-11-16T07:00:00", "2026-11-16T07:00"),
            ("2026-11-16 07:00", "2026-11-16T07:00"),
            ("2026-11-16 07:00:30", "2026-11-16T07:00:30"),
            ("2028-02-29T23:59:59", "2028-02-29T23:59:59"),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_nominal(text).map(nominal_text).as_deref(), Some(expected), "{text}");
        }
    }

    /// Listing the seconds of the years before would take minutes.
    #[test]
    fn the_newest_of_a_pattern_that_is_long_over_is_found_at_once() {
        let every_second: Pattern = "* * * * * *".parse().unwrap();
        let until = "2105-08-26T09:01:36Z".parse().unwrap();
        let found = latest(&every_second, Tz::UTC, until).unwrap();
        assert_eq!(found.at.to_rfc3339(), "2100-12-31T23:59:59+00:00");
    }

    #[test]
    fn what_is_no_nominal_time_is_not_read() {
        let cases = [
            "",
            "2026-11-16",
            "2026-11-16T7:00",
            "2026-1-16T07:00",
            "2026-11-16T07:00Z",
            "2026-11-16T07:00+01:00",
            "2026-11-16T07:00:60",
            "2026-11-16T24:00",
            "2027-02-29T07:00",
            "+2026-11-16T07:00",
            "2026-11-16  07:00",
            " 2026-11-16T07:00",
            "2026-11-16t07:00",
            "2026-11-16T07:00:00.5",
            "2026-11-16T07:00:",
        ];
        for text in cases {
            assert_eq!(parse_nominal(text), None, "{text:?}");
        }
    }

    #[test]
    fn notes_have_the_words_of_the_record() {
        let words = [Note::Gap, Note::Fold].map(|note| serde_json::to_string(&note).unwrap());
        assert_eq!(words, ["\"gap\"", "\"fold\""]);
    }

    /// The ends of the calendar, where arithmetic could overflow, have no times and no panic.
    #[test]
    fn the_years_end_in_2100() {
        let yearly: Pattern = "0 7 31 12 *".parse().unwrap();
        let zone = Tz::Pacific__Kiritimati;
        let all: Vec<_> = occurrences(&yearly, zone, DateTime::<Utc>::MIN_UTC).collect();
        assert_eq!(all.len(), 131);
        assert_eq!(
            all.first().map(|first| nominal_text(first.nominal)).unwrap(),
            "1970-12-31T07:00"
        );
        assert_eq!(all.last().map(|last| nominal_text(last.nominal)).unwrap(), "2100-12-31T07:00");
        assert_eq!(occurrences(&yearly, zone, DateTime::<Utc>::MAX_UTC).next(), None);
        assert_eq!(latest(&yearly, zone, DateTime::<Utc>::MAX_UTC), all.last().cloned());
        assert_eq!(latest(&yearly, zone, DateTime::<Utc>::MIN_UTC), None);
    }
}
