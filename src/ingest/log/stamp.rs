//! Times of log lines: with date, year and zone, or without.

use chrono::{DateTime, Datelike, MappedLocalTime, NaiveDate, NaiveDateTime, TimeDelta, TimeZone};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::ingest::time::{TimeFault, TimeReader};

/// How the year of stamps without one is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum YearRule {
    /// The year of the first line of the file.
    Given(i32),
    /// No line is newer than this instant (the file's time, ms since 1970), give or take a day.
    NotAfter(i64),
    /// Nothing tells.
    Absent,
}

/// Reads the stamps of one file, in the order of its lines.
#[derive(Debug)]
pub(crate) struct Stamps {
    zone: Tz,
    rule: YearRule,
    /// The first year-less stamp, and the year that the rule told it.
    first: Option<FirstYear>,
    /// The year-less stamp read last, with its year.
    last: Option<NaiveDateTime>,
    /// The head met last, and its instant.
    memo: Memo,
    /// Whether a year was told by the rule.
    pub inferred_year: bool,
    /// Whether a stamp without a zone was read.
    pub without_zone: bool,
}

/// What the time of a file told: a file that grew has another time, which may tell otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FirstYear {
    head: Vec<u8>,
    found: NaiveDateTime,
}

/// The stamps of a file up to a line.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LeftStamps {
    first: Option<FirstYear>,
    last: Option<NaiveDateTime>,
    memo: Memo,
    inferred_year: bool,
    without_zone: bool,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Memo {
    text: Vec<u8>,
    zone: Option<Vec<u8>>,
    base_ms: i64,
}

/// A stamp cut to ten minutes: most lines share it with the line before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head<'a> {
    text: &'a [u8],
    /// What follows the time of a stamp with a date; none in one without a year.
    zone: Option<&'a [u8]>,
}

impl<'a> Head<'a> {
    /// Cuts `Nov 21 16:53:10` (RFC 3164, 15 bytes) into its head and the milliseconds within
    /// its ten minutes.
    pub(crate) fn traditional(text: &'a [u8]) -> Option<(Self, u32)> {
        // All but the last digit of the minutes and the seconds.
        let (text, tail) = text.split_at_checked(11)?;
        let &[minute, b':', tens, ones] = tail else { return None };
        let seconds = digit(minute)? * 60 + digit(tens)? * 10 + digit(ones)?;
        if !(digit(tens)? < 6 || seconds % 60 == 60) {
            return None;
        }
        Some((Self { text, zone: None }, seconds * 1000))
    }

    /// Cuts an ISO 8601 stamp with date and time, blank or `T` between them, with or without a
    /// zone (`+00:00`, `+0000`, ` -0500`, `Z`), up to nine fractional digits.
    pub(crate) fn iso(text: &'a [u8]) -> Option<(Self, u32)> {
        // All but the last digit of the minutes, the seconds, their fraction, and the zone.
        let (text, tail) = text.split_at_checked(15)?;
        let (&[minute, b':', tens, ones], tail) = tail.split_first_chunk::<4>()? else {
            return None;
        };
        let fraction_end =
            tail.iter().position(|byte| !byte.is_ascii_digit() && !matches!(byte, b'.' | b','));
        let (fraction, zone) = tail.split_at_checked(fraction_end.unwrap_or(tail.len()))?;
        let mut within = (digit(minute)? * 60 + digit(tens)? * 10 + digit(ones)?) * 1000;
        if digit(tens)? > 5 {
            return None;
        }
        if let Some((_, digits)) = fraction.split_first() {
            for (digit_of, weight) in digits.iter().zip([100, 10, 1]) {
                within += digit(*digit_of)? * weight;
            }
        }
        Some((Self { text, zone: Some(zone) }, within))
    }
}

fn digit(byte: u8) -> Option<u32> {
    byte.is_ascii_digit().then(|| u32::from(byte - b'0'))
}

impl Stamps {
    /// For one file.
    pub(crate) fn new(zone: Tz, rule: YearRule) -> Self {
        Self {
            zone,
            rule,
            first: None,
            last: None,
            memo: Memo::default(),
            inferred_year: false,
            without_zone: false,
        }
    }

    /// What was read so far.
    pub(crate) fn leave(&self) -> LeftStamps {
        LeftStamps {
            first: self.first.clone(),
            last: self.last,
            memo: self.memo.clone(),
            inferred_year: self.inferred_year,
            without_zone: self.without_zone,
        }
    }

    /// Goes on with the file whose stamps were left.
    pub(crate) fn resume(&mut self, left: LeftStamps) {
        let LeftStamps { first, last, mut memo, inferred_year, without_zone } = left;
        // No stamp is so far from here.
        if memo.base_ms.unsigned_abs() > 1 << 60 {
            memo = Memo::default();
        }
        *self = Self { first, last, memo, inferred_year, without_zone, ..*self };
    }

    /// The first stamp whose year the rule told.
    pub(crate) fn first_year(&self) -> Option<FirstYear> {
        self.first.clone()
    }

    /// Whether the rule tells that stamp the same year.
    pub(crate) fn tells_same(&self, year: &FirstYear) -> bool {
        let mut fresh = Self::new(self.zone, self.rule);
        fresh.with_year(&year.head) == Some(year.found)
    }

    /// Whether nothing tells the year of stamps without one.
    pub(crate) fn lacks_year(&self) -> bool {
        self.rule == YearRule::Absent
    }

    /// `Nov 21 16:53:10` (RFC 3164, 15 bytes): milliseconds since 1970 UTC.
    #[cfg(test)]
    pub(crate) fn traditional(&mut self, text: &[u8]) -> Option<i64> {
        let (head, within) = Head::traditional(text)?;
        Some(self.instant_ms(&head)? + i64::from(within))
    }

    /// ISO 8601 (see [`Head::iso`]): milliseconds since 1970 UTC.
    pub(crate) fn iso(&mut self, text: &[u8]) -> Option<i64> {
        let (head, within) = Head::iso(text)?;
        Some(self.instant_ms(&head)? + i64::from(within))
    }

    /// The instant of a head, milliseconds since 1970 UTC.
    pub(crate) fn instant_ms(&mut self, head: &Head<'_>) -> Option<i64> {
        if self.memo.text != head.text || self.memo.zone.as_deref() != head.zone {
            let base_ms = if let Some(zone) = head.zone {
                self.dated_ms(head.text, zone)?
            } else {
                let naive = self.with_year(head.text)?;
                self.local_ms(naive)?
            };
            let zone = head.zone.map(<[u8]>::to_vec);
            self.memo = Memo { text: head.text.to_vec(), zone, base_ms };
        }
        self.without_zone |= head.zone.is_some_and(|zone| zone.trim_ascii().is_empty());
        Some(self.memo.base_ms)
    }

    /// The ten minutes that `2026-11-21 16:5` begins, in a zone as it was logged.
    fn dated_ms(&self, head: &[u8], zone: &[u8]) -> Option<i64> {
        let whole = [head, b"0:00", zone].concat();
        let reader = TimeReader { zone: self.zone, order: None };
        let found = reader.instant_ms(std::str::from_utf8(&whole).ok()?);
        found.map_err(|_: TimeFault| ()).ok()
    }

    /// The ten minutes that `Nov 21 16:5` begins, with their year.
    fn with_year(&mut self, head: &[u8]) -> Option<NaiveDateTime> {
        if self.last.is_some() {
            return self.told_year(head);
        }
        // A date that no year has is none whatever the rule.
        let found = self.told_year(head)?;
        self.first = Some(FirstYear { head: head.to_vec(), found });
        Some(found)
    }

    fn told_year(&mut self, head: &[u8]) -> Option<NaiveDateTime> {
        let head = std::str::from_utf8(head).ok()?;
        let mut words = head.split_ascii_whitespace();
        let (month, day, clock) = (words.next()?, words.next()?, words.next()?);
        let month = month_of(month)?;
        let day: u32 = day.parse().ok()?;
        let (hour, tens) = clock.split_once(':')?;
        let (hour, tens): (u32, u32) = (hour.parse().ok()?, tens.parse().ok()?);
        let at = |year| NaiveDate::from_ymd_opt(year, month, day)?.and_hms_opt(hour, tens * 10, 0);
        let found = match self.last {
            // Lines of a file follow each other: the year that lies nearest.
            Some(last) => (last.year() - 1..=last.year() + 1)
                .filter_map(at)
                .min_by_key(|naive| (*naive - last).abs())?,
            None => match self.rule {
                YearRule::Given(year) => at(year)?,
                YearRule::NotAfter(ms) => {
                    let newest = DateTime::from_timestamp_millis(ms)?.naive_utc();
                    let newest = newest + TimeDelta::days(1);
                    // A 29th of February may lie up to eight years back.
                    (0..=8).filter_map(|back| at(newest.year() - back)).find(|n| *n <= newest)?
                }
                YearRule::Absent => return None,
            },
        };
        self.inferred_year |= matches!(self.rule, YearRule::NotAfter(_));
        self.last = Some(found);
        Some(found)
    }

    fn local_ms(&mut self, naive: NaiveDateTime) -> Option<i64> {
        self.without_zone = true;
        match self.zone.from_local_datetime(&naive) {
            MappedLocalTime::Single(at) | MappedLocalTime::Ambiguous(at, _) => {
                Some(at.timestamp_millis())
            }
            // As if the clocks had not changed yet.
            MappedLocalTime::None => {
                let before = self.zone.from_local_datetime(&(naive - TimeDelta::hours(3)));
                Some((before.earliest()? + TimeDelta::hours(3)).timestamp_millis())
            }
        }
    }
}

fn month_of(name: &str) -> Option<u32> {
    const NAMES: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    (1..).zip(NAMES).find(|(_, held)| *held == name).map(|(month, _)| month)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
    }

    #[test]
    fn the_year_is_that_of_the_file_across_new_year() {
        let rule = YearRule::NotAfter(ms("2026-01-02T10:00:00Z"));
        let mut stamps = Stamps::new(Tz::UTC, rule);
        assert_eq!(stamps.traditional(b"Dec 31 23:59:59"), Some(ms("2025-12-31T23:59:59Z")));
        assert_eq!(stamps.traditional(b"Jan  1 00:00:01"), Some(ms("2026-01-01T00:00:01Z")));
        // A line that comes late.
        assert_eq!(stamps.traditional(b"Dec 31 23:59:58"), Some(ms("2025-12-31T23:59:58Z")));
        let mut stamps = Stamps::new(Tz::UTC, YearRule::Given(2023));
        assert_eq!(stamps.traditional(b"Dec 31 23:59:59"), Some(ms("2023-12-31T23:59:59Z")));
        assert_eq!(stamps.traditional(b"Feb 29 00:00:00"), Some(ms("2024-02-29T00:00:00Z")));
        assert_eq!(Stamps::new(Tz::UTC, YearRule::Absent).traditional(b"Dec 31 23:59:59"), None);
    }

    #[test]
    fn a_zone_is_used_where_the_stamp_has_none() {
        let mut stamps = Stamps::new(Tz::America__Sao_Paulo, YearRule::Given(2026));
        assert_eq!(stamps.traditional(b"Nov 21 16:53:10"), Some(ms("2026-11-21T19:53:10Z")));
        assert_eq!(stamps.iso(b"2026-11-21 16:53:10"), Some(ms("2026-11-21T19:53:10Z")));
        assert!(stamps.without_zone);
        let mut stamps = Stamps::new(Tz::America__Sao_Paulo, YearRule::Given(2026));
        let stamp = b"2026-11-21T16:53:28.963467+00:00";
        assert_eq!(stamps.iso(stamp), Some(ms("2026-11-21T16:53:28.963Z")));
        assert!(!stamps.without_zone);
        assert_eq!(stamps.iso(b"2026-11-21 16:53:28 -0500"), Some(ms("2026-11-21T21:53:28Z")));
    }

    #[test]
    fn what_is_no_stamp() {
        let mut stamps = Stamps::new(Tz::UTC, YearRule::Given(2026));
        for text in ["", "Nov 31 00:00:00", "Xyz 21 16:53:10", "Nov 21 16:53:71", "Nov 21 26:53:11"]
        {
            assert_eq!(stamps.traditional(text.as_bytes()), None, "{text}");
        }
    }
}
