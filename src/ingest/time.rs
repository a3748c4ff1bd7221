//! Dates and times of the sources.
//!
//! Read are ISO 8601 with 0 to 9 fractional digits, with and without a zone, `/Date(ms)/`
//! of older PowerShell JSON, and culture-formatted dates (`11/9/2026 3:04:05 PM`), the last
//! only when their day and month order is known: it is given, or proven by the file.

use chrono::{MappedLocalTime, NaiveDate, NaiveDateTime, TimeZone};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// Order of day and month in culture-formatted dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DayOrder {
    /// 9/11/2026 is the 9th of November.
    DayFirst,
    /// 9/11/2026 is the 11th of September.
    MonthFirst,
}

/// Why a date or time could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeFault {
    /// No known format, or a date that does not exist.
    Unreadable,
    /// Before 1970 or after 2105.
    OutOfRange,
    /// Day and month could be either way round.
    OrderUnknown,
}

/// How times of one source are to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeReader {
    /// Zone of times that have none.
    pub zone: Tz,
    /// Order of culture-formatted dates, where known.
    pub order: Option<DayOrder>,
}

const MS_PER_DAY: i64 = 86_400_000;
/// 2105-01-01: seconds since 1970 still fit 32 bits.
pub(super) const LAST_MS: i64 = 49_309 * MS_PER_DAY;

impl TimeReader {
    /// Milliseconds since 1970 UTC.
    ///
    /// # Errors
    /// [`TimeFault`] when the text is no instant that can be told for sure.
    pub(super) fn instant_ms(self, text: &str) -> Result<i64, TimeFault> {
        let text = text.trim();
        if let Some(ms) = powershell_ms(text) {
            return in_range(ms);
        }
        let (date, rest) = self.date(text)?;
        let day_ms = i64::from(date) * MS_PER_DAY;
        let time = clock_time(rest).ok_or(TimeFault::Unreadable)?;
        let local_ms = day_ms + time.ms;
        let instant = match time.offset_minutes {
            Some(minutes) => local_ms - minutes * 60_000,
            None if self.zone == Tz::UTC => local_ms,
            None => self.local_to_utc(local_ms).ok_or(TimeFault::Unreadable)?,
        };
        in_range(instant)
    }

    /// Days since 1970-01-01 of the date as it stands, whatever its time and zone.
    ///
    /// # Errors
    /// [`TimeFault`] when the text is no date that can be told for sure.
    pub(super) fn day(self, text: &str) -> Result<i32, TimeFault> {
        let (day, rest) = self.date(text.trim())?;
        clock_time(rest).ok_or(TimeFault::Unreadable)?;
        in_range(i64::from(day) * MS_PER_DAY).map(|_| day)
    }

    fn date(self, text: &str) -> Result<(i32, &str), TimeFault> {
        if let Some(found) = iso_date(text) {
            return Ok(found);
        }
        if let Some(ms) = powershell_ms(text) {
            let day =
                i32::try_from(ms.div_euclid(MS_PER_DAY)).map_err(|_| TimeFault::OutOfRange)?;
            return Ok((day, ""));
        }
        let (first, second, year, rest) = culture_date(text).ok_or(TimeFault::Unreadable)?;
        let (month, day) = match self.order {
            Some(DayOrder::DayFirst) => (second, first),
            Some(DayOrder::MonthFirst) => (first, second),
            None => return Err(TimeFault::OrderUnknown),
        };
        Ok((days_since_1970(year, month, day).ok_or(TimeFault::Unreadable)?, rest))
    }

    /// A local time in a gap is read as if the clocks had not changed yet; one that occurs
    /// twice is the first.
    pub(super) fn local_to_utc(self, local_ms: i64) -> Option<i64> {
        let local = chrono::DateTime::from_timestamp_millis(local_ms)?.naive_utc();
        let resolve = |naive: NaiveDateTime| match self.zone.from_local_datetime(&naive) {
            MappedLocalTime::Single(at) | MappedLocalTime::Ambiguous(at, _) => {
                Some(at.timestamp_millis())
            }
            MappedLocalTime::None => None,
        };
        resolve(local).or_else(|| {
            let before = resolve(local - chrono::TimeDelta::hours(3))?;
            Some(before + 3 * 3_600_000)
        })
    }
}

/// Reads the common form `2026-11-09T10:00:09.3284899Z` fast: rows of one minute follow each
/// other, so that the minute is mostly the one before.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct DateMemo {
    minute: [u8; 16],
    start_ms: Option<i64>,
}

impl DateMemo {
    /// Milliseconds since 1970 UTC; `None` for every other form, right or wrong.
    pub(super) fn instant_ms(&mut self, text: &[u8]) -> Option<i64> {
        let (minute, rest) = text.split_first_chunk::<16>()?;
        let [b':', s1, s2, fraction @ .., b'Z'] = rest else { return None };
        let second = two(*s1, *s2).filter(|second| *second < 60)?;
        let ms = match fraction {
            [] => 0,
            [b'.', digits @ ..] if (1..=9).contains(&digits.len()) => thousandths(digits)?,
            _ => return None,
        };
        if self.minute != *minute || self.start_ms.is_none() {
            self.start_ms = Some(minute_ms(minute)?);
            self.minute = *minute;
        }
        in_range(self.start_ms? + i64::from(second * 1000 + ms)).ok()
    }
}

/// `2026-11-09T10:00`
fn minute_ms(minute: &[u8; 16]) -> Option<i64> {
    let (date, time) = minute.split_first_chunk::<10>()?;
    let [b'T' | b' ', h1, h2, b':', m1, m2] = time else { return None };
    let hour = two(*h1, *h2).filter(|hour| *hour < 24)?;
    let minute = two(*m1, *m2).filter(|minute| *minute < 60)?;
    let day = iso_date(std::str::from_utf8(date).ok()?)?.0;
    Some(i64::from(day) * MS_PER_DAY + i64::from(hour * 60 + minute) * 60_000)
}

fn two(tens: u8, ones: u8) -> Option<u32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| u32::from(tens) * 10 + u32::from(ones))
}

/// The first three of a fraction's digits, all of which must be digits.
fn thousandths(fraction: &[u8]) -> Option<u32> {
    // One after the other without a branch: most are right.
    if !fraction.iter().fold(true, |all, byte| all & byte.is_ascii_digit()) {
        return None;
    }
    let digit = |index: usize| fraction.get(index).map_or(0, |byte| u32::from(byte - b'0'));
    Some(digit(0) * 100 + digit(1) * 10 + digit(2))
}

fn in_range(ms: i64) -> Result<i64, TimeFault> {
    if (0..LAST_MS).contains(&ms) { Ok(ms) } else { Err(TimeFault::OutOfRange) }
}

/// The order that a culture-formatted date proves by a number above 12.
pub(super) fn proven_order(text: &str) -> Option<DayOrder> {
    let text = text.trim();
    if iso_date(text).is_some() {
        return None;
    }
    match culture_date(text)? {
        (13..=31, 1..=12, ..) => Some(DayOrder::DayFirst),
        (1..=12, 13..=31, ..) => Some(DayOrder::MonthFirst),
        _ => None,
    }
}

/// Says whether the text begins with an ISO 8601 date, whose order is never open.
pub(super) fn is_iso(text: &str) -> bool {
    iso_date(text.trim()).is_some()
}

/// A number of digits only; `None` where it is too large, too.
fn digits(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0_u32, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// `2026-11-09`, and what follows it.
fn iso_date(text: &str) -> Option<(i32, &str)> {
    let bytes = text.as_bytes();
    if bytes.get(4) != Some(&b'-') || bytes.get(7) != Some(&b'-') {
        return None;
    }
    let year = digits(bytes.get(..4)?)?;
    let month = digits(bytes.get(5..7)?)?;
    let day = digits(bytes.get(8..10)?)?;
    Some((days_since_1970(year, month, day)?, text.get(10..)?))
}

fn days_since_1970(year: u32, month: u32, day: u32) -> Option<i32> {
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    i32::try_from((date - NaiveDate::from_ymd_opt(1970, 1, 1)?).num_days()).ok()
}

/// `9/11/2026`, `9.11.2026` or `9-11-2026`: two numbers of one or two digits and a year.
fn culture_date(text: &str) -> Option<(u32, u32, u32, &str)> {
    let separator = text.find(['/', '.', '-'])?;
    let mark = *text.as_bytes().get(separator)?;
    let first = text.get(..separator)?;
    let rest = text.get(separator + 1..)?;
    let second_end = rest.find(char::from(mark))?;
    let second = rest.get(..second_end)?;
    let year = rest.get(second_end + 1..second_end + 5)?;
    let after = rest.get(second_end + 5..)?;
    let short = |part: &str| (1..=2).contains(&part.len());
    if !short(first) || !short(second) || after.starts_with(|letter: char| letter.is_ascii_digit())
    {
        return None;
    }
    Some((digits(first.as_bytes())?, digits(second.as_bytes())?, digits(year.as_bytes())?, after))
}

/// `/Date(1662401413490)/`, as Windows PowerShell's `ConvertTo-Json` writes.
fn powershell_ms(text: &str) -> Option<i64> {
    text.strip_prefix("/Date(")?.strip_suffix(")/")?.parse().ok()
}

struct ClockTime {
    ms: i64,
    offset_minutes: Option<i64>,
}

/// What follows a date: nothing, or a time with an optional zone.
fn clock_time(rest: &str) -> Option<ClockTime> {
    let rest = match rest.as_bytes().first() {
        None => return Some(ClockTime { ms: 0, offset_minutes: None }),
        Some(b'T' | b't' | b' ' | b',') => rest.get(1..)?.trim_start(),
        Some(_) => return None,
    };
    let hour_end = rest.find(':')?;
    let hour = digits(rest.get(..hour_end)?.as_bytes())?;
    let minute = digits(rest.get(hour_end + 1..hour_end + 3)?.as_bytes())?;
    let mut rest = rest.get(hour_end + 3..)?;
    let mut ms = 0;
    if let Some(seconds) = rest.strip_prefix(':') {
        ms = i64::from(digits(seconds.get(..2)?.as_bytes())?) * 1000;
        rest = seconds.get(2..)?;
        if ms >= 60_000 {
            return None;
        }
        if let Some(fraction) = rest.strip_prefix(['.', ',']) {
            let count = fraction.bytes().take_while(u8::is_ascii_digit).count();
            if !(1..=9).contains(&count) {
                return None;
            }
            let millis = format!("{:0<3.3}", fraction.get(..count)?);
            ms += i64::from(digits(millis.as_bytes())?);
            rest = fraction.get(count..)?;
        }
    }
    let (hour, rest) = half_day(hour, rest)?;
    if hour > 23 || minute > 59 || hour_end > 2 || hour_end == 0 {
        return None;
    }
    ms += i64::from(hour) * 3_600_000 + i64::from(minute) * 60_000;
    Some(ClockTime { ms, offset_minutes: offset(rest)? })
}

/// `AM` and `PM`, after the time.
fn half_day(hour: u32, rest: &str) -> Option<(u32, &str)> {
    let trimmed = rest.trim_start();
    let Some(mark) = trimmed.get(..2) else { return Some((hour, rest)) };
    let afternoon = mark.eq_ignore_ascii_case("PM");
    if !afternoon && !mark.eq_ignore_ascii_case("AM") {
        return Some((hour, rest));
    }
    let hour = if (1..=12).contains(&hour) { hour % 12 } else { return None };
    Some((hour + if afternoon { 12 } else { 0 }, trimmed.get(2..)?))
}

/// `Z`, `+hh:mm`, `-hhmm`, `+hh`, `UTC`, or nothing. The outer `None` is an unreadable zone.
#[expect(clippy::option_option, reason = "no zone and an unreadable zone are different things")]
fn offset(rest: &str) -> Option<Option<i64>> {
    let rest = rest.trim();
    if rest.is_empty() {
        return Some(None);
    }
    if rest.eq_ignore_ascii_case("Z") || rest.eq_ignore_ascii_case("UTC") || rest == "GMT" {
        return Some(Some(0));
    }
    let sign = match rest.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let numbers = rest.get(1..)?.replace(':', "");
    let (hours, minutes) = match numbers.len() {
        2 => (numbers.as_str(), "0"),
        4 => numbers.split_at_checked(2)?,
        _ => return None,
    };
    let hours = i64::from(digits(hours.as_bytes())?);
    let minutes = i64::from(digits(minutes.as_bytes())?);
    (hours <= 15 && minutes < 60).then_some(Some(sign * (hours * 60 + minutes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(zone: &str, order: Option<DayOrder>) -> TimeReader {
        TimeReader { zone: zone.parse().unwrap(), order }
    }

    fn ms(text: &str) -> i64 {
        chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
    }

    #[test]
    fn instants() {
        let cases = [
            ("2026-11-09T10:00:09Z", "2026-11-09T10:00:09Z"),
            ("2026-11-09T10:00:09.3284899Z", "2026-11-09T10:00:09.328Z"),
            ("2026-11-09T10:00:09.3", "2026-11-09T10:00:09.300Z"),
            ("2026-11-09 10:00:09.3284899", "2026-11-09T10:00:09.328Z"),
            ("2026-11-09T10:00", "2026-11-09T10:00:00Z"),
            ("2026-11-09T10:00:09+02:00", "2026-11-09T08:00:09Z"),
            ("2026-11-09T10:00:09-0330", "2026-11-09T13:30:09Z"),
            ("2026-11-09", "2026-11-09T00:00:00Z"),
        ];
        for (text, expected) in cases {
            assert_eq!(reader("UTC", None).instant_ms(text), Ok(ms(expected)), "{text}");
            let fast = DateMemo::default().instant_ms(text.as_bytes());
            assert!(fast.is_none_or(|fast| fast == ms(expected)), "{text}");
        }
        let mut memo = DateMemo::default();
        for (text, expected) in &cases[..2] {
            assert_eq!(memo.instant_ms(text.as_bytes()), Some(ms(expected)), "{text}");
        }
    }

    #[test]
    fn culture_dates_need_their_order() {
        let text = "11/9/2026 3:04:05 PM";
        assert_eq!(reader("UTC", None).instant_ms(text), Err(TimeFault::OrderUnknown));
        let month_first = reader("UTC", Some(DayOrder::MonthFirst)).instant_ms(text);
        assert_eq!(month_first, Ok(ms("2026-11-09T15:04:05Z")));
        let day_first = reader("UTC", Some(DayOrder::DayFirst)).instant_ms("09.11.2026 15:04");
        assert_eq!(day_first, Ok(ms("2026-11-09T15:04:00Z")));
        assert_eq!(proven_order("13/11/2026 01:00"), Some(DayOrder::DayFirst));
        assert_eq!(proven_order("11/13/2026"), Some(DayOrder::MonthFirst));
        assert_eq!(proven_order("11/12/2026"), None);
        assert_eq!(proven_order("2026-11-13"), None);
    }

    #[test]
    fn local_times_across_daylight_saving() {
        let paris = reader("Europe/Paris", None);
        let cases = [
            ("2026-07-01T12:00:00", "2026-07-01T10:00:00Z"),
            ("2027-10-31T02:30:00", "2027-10-31T00:30:00Z"),
            ("2027-03-28T02:30:00", "2027-03-28T01:30:00Z"),
        ];
        for (text, expected) in cases {
            assert_eq!(paris.instant_ms(text), Ok(ms(expected)), "{text}");
        }
    }

    #[test]
    fn nonsense_is_a_fault_never_a_panic() {
        let cases = [
            "",
            "x",
            "2026-13-01",
            "2026-02-30",
            "2026-11-09T25:00:00",
            "2026-11-09T10:61:00",
            "2026-11-09T10:00:00.",
            "2026-11-09T10:00:00Zx",
            "1969-12-31",
            "2200-01-01",
            "99/99/2026",
            "é026-11-09",
            "2026-11-09T1é:00",
            "/Date(x)/",
            "31/31/2026",
            "2026-11-09T10:00:00+99:00",
            "2026-11-09T10:00:00.12345678901Z",
            "2026-11-09T10000000000:00",
            "2026-11-09T10:00:00+1\u{e9}2",
        ];
        for text in cases {
            let result = reader("UTC", Some(DayOrder::DayFirst)).instant_ms(text);
            assert!(result.is_err(), "{text}: {result:?}");
            assert_eq!(DateMemo::default().instant_ms(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn the_day_of_an_aggregate_is_never_shifted() {
        let reader = reader("Pacific/Apia", None);
        let expected = reader.day("2026-11-09").unwrap();
        assert_eq!(reader.day("2026-11-09T00:00:00Z"), Ok(expected));
        assert_eq!(reader.day("2026-11-09T23:59:59-10:00"), Ok(expected));
    }
}
