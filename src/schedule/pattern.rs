//! Cron text -> the wall-clock times that it means.
//!
//! | fields | order | numbers of weekdays | both day fields restricted |
//! |---|---|---|---|
//! | 5, as crontab(5) | minute hour day-of-month month day-of-week | 0 or 7 = Sunday | either |
//! | 6 or 7, as Quartz | second, those five, year | 1 = Sunday to 7 | both |
//!
//! Invariants
//! * A pattern has at least one time from 1970 to 2100.
//! * The dialect follows from the number of fields and is never guessed from their values.
//!
//! Deliberately absent: nearest workday (`W`), days before the last (`L-3`), a zone in the
//! text.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;

use super::days::{self, DayRule};
use super::fields::{self, Field, PatternError, Rules};

/// Words that stand for five fields, as in crontab(5).
const NICKNAMES: &[(&str, &str)] = &[
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// A set of nominal times, written as cron text.
///
/// | fields | order | numbers of weekdays | both day fields restricted |
/// |---|---|---|---|
/// | 5, as crontab(5) | minute hour day-of-month month day-of-week | 0 or 7 = Sunday | either |
/// | 6 or 7, as Quartz | second, those five, year | 1 = Sunday to 7 | both |
///
/// Fields are lists of values, ranges (`MON-FRI`, for weekdays also `FRI-MON`) and steps
/// (`*/15`, `8-18/2`). Months and weekdays have English names; `L` is the last day of the
/// month, `FRI#2` the second Friday, `FRI#L` or `FRIL` the last. Nicknames such as `@weekly`
/// stand for five fields.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    /// A time belongs to the pattern when it belongs to one of these.
    alternatives: Vec<Alternative>,
    /// Numbers of weekdays that count from 1 = Sunday, with the meant weekday.
    risky_numbers: Vec<(u32, u32)>,
    /// How many times there are within an hour that has one.
    times_per_hour: usize,
    /// The day fields are both restricted, and either suffices.
    either_day: bool,
}

#[derive(Debug, Clone)]
struct Alternative {
    schedule: cron::Schedule,
    days: DayRule,
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let text = text.trim();
        let first = text.split_ascii_whitespace().next();
        if let Some(found) = first.filter(|word| word.to_ascii_uppercase().contains("TZ=")) {
            return Err(PatternError::TimeZone { found: found.to_owned() });
        }
        let fields = if text.starts_with('@') { long_form(text)? } else { text };
        let fields: Vec<&str> =
            fields.split([' ', '\t']).filter(|field| !field.is_empty()).collect();
        let (second, five, year, seconds) = match *fields.as_slice() {
            [] => return Err(PatternError::Empty),
            [minute, hour, day, month, weekday] => {
                ("0", [minute, hour, day, month, weekday], "*", false)
            }
            [second, minute, hour, day, month, weekday] => {
                (second, [minute, hour, day, month, weekday], "*", true)
            }
            [second, minute, hour, day, month, weekday, year] => {
                (second, [minute, hour, day, month, weekday], year, true)
            }
            _ => return Err(PatternError::FieldCount { found: fields.len() }),
        };
        let [minute, hour, day, month, weekday] = five;
        let second = fields::read(&fields::SECOND, second)?;
        let minute = fields::read(&fields::MINUTE, minute)?;
        let hour = fields::read(&fields::HOUR, hour)?;
        let day = fields::read(&fields::month_day(seconds), day)?;
        let month = fields::read(&fields::MONTH, month)?;
        let weekday = fields::read(&fields::weekday(seconds), weekday)?;
        let year = fields::read(&fields::YEAR, year)?;

        let either_day = !seconds && !day.starred && !weekday.starred;
        let alternatives = days::join(&day, &weekday, either_day)
            .into_iter()
            .map(|days| Alternative::new(&[&second, &minute, &hour, &month, &year], days))
            .collect::<Result<Vec<_>, _>>()?;
        let pattern = Self {
            text: text.to_owned(),
            alternatives,
            risky_numbers: if seconds { weekday.numbers.into_iter().collect() } else { Vec::new() },
            times_per_hour: second.values.len() * minute.values.len(),
            either_day,
        };
        let first = pattern.nominals(DateTime::UNIX_EPOCH.naive_utc()).next();
        if first.is_none() {
            return Err(PatternError::Never { found: pattern.text });
        }
        Ok(pattern)
    }
}

/// The five fields for which a nickname stands.
fn long_form(text: &str) -> Result<&'static str, PatternError> {
    if text.eq_ignore_ascii_case("@reboot") {
        return Err(PatternError::Reboot);
    }
    let known = NICKNAMES.iter().find(|(nickname, _)| nickname.eq_ignore_ascii_case(text));
    known
        .map(|(_, fields)| *fields)
        .ok_or_else(|| PatternError::Nickname { found: text.to_owned() })
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Pattern {
    /// Says whether a wall-clock time is one of the pattern, in whatever zone.
    pub fn matches(&self, wall: NaiveDateTime) -> bool {
        wall.nanosecond() == 0 && self.alternatives.iter().any(|one| one.matches(wall))
    }

    /// What a reader of the text may not expect of it: each a sentence, none an error.
    ///
    /// * `zone`, `from`: dates that are shown are the next after `from`, as dated in `zone`.
    pub fn warnings(&self, zone: Tz, from: DateTime<Utc>) -> Vec<String> {
        let next = super::occurrences(self, zone, from).next();
        let Some(next) = next else {
            let day = from.date_naive();
            return vec![format!("`{self}` has no time after {day} (the calendar ends in 2100)")];
        };
        let mut found = Vec::new();
        if !self.risky_numbers.is_empty() {
            let meant = self.risky_numbers.iter().map(|(written, day)| {
                let name = usize::try_from(*day).ok().and_then(|day| fields::WEEKDAYS.get(day));
                format!("{written} = {}", name.and_then(|name| name.get(..3)).unwrap_or("?"))
            });
            found.push(format!(
                "in an expression of 6 or 7 fields, weekdays count from 1 = Sunday ({}): the next \
                 dates are {}; write names to be understood everywhere",
                meant.collect::<Vec<_>>().join(", "),
                self.next_dates(next.nominal, 3).join(", "),
            ));
        }
        if self.either_day {
            found.push(format!(
                "day-of-month and day-of-week are both given, and a day that fits either is \
                 meant, as in crontab(5): the next dates are {}",
                self.next_dates(next.nominal, 3).join(", "),
            ));
        }
        if self.times_per_hour > 1 {
            found.push(format!(
                "fires {} times within an hour, which is often for an audit report; in an hour \
                 that the clock repeats, it fires the first time only",
                self.times_per_hour
            ));
        }
        found
    }

    /// The next dates from a nominal time on, as `Mon 2026-11-16`.
    fn next_dates(&self, from: NaiveDateTime, count: usize) -> Vec<String> {
        let first = self.nominals(from).next();
        // From day to day, as there may be thousands of times in one.
        let dates = std::iter::successors(first, |last| {
            self.nominals(last.date().succ_opt()?.and_time(NaiveTime::MIN)).next()
        });
        dates.take(count).map(|nominal| nominal.format("%a %Y-%m-%d").to_string()).collect()
    }

    /// Yields the nominal times from `from` on (inside), in order, each once.
    pub(super) fn nominals(&self, from: NaiveDateTime) -> impl Iterator<Item = NaiveDateTime> {
        let just_before = from.with_nanosecond(0).unwrap_or(from) - TimeDelta::seconds(1);
        let after = |one: &Alternative, wall| one.next_after(wall);
        let mut next: Vec<_> =
            self.alternatives.iter().map(|one| after(one, just_before)).collect();
        std::iter::from_fn(move || {
            let nominal = next.iter().flatten().min().copied()?;
            // Alternatives may agree on a time; all of them move on from it.
            for (one, next) in self.alternatives.iter().zip(&mut next) {
                if *next == Some(nominal) {
                    *next = after(one, nominal);
                }
            }
            Some(nominal)
        })
    }
}

impl Alternative {
    /// * `times`: second, minute, hour, month and year.
    fn new(times: &[&Field; 5], days: DayRule) -> Result<Self, PatternError> {
        let [second, minute, hour, month, year] = times.map(|field| &field.values);
        let weekdays = days.weekdays.iter().map(|day| day + 1).collect();
        let found = [
            listed(&fields::SECOND, second),
            listed(&fields::MINUTE, minute),
            listed(&fields::HOUR, hour),
            listed(&fields::month_day(true), &days.days),
            listed(&fields::MONTH, month),
            listed(&fields::weekday(true), &weekdays),
            listed(&fields::YEAR, year),
        ]
        .join(" ");
        match cron::Schedule::from_str(&found) {
            Ok(schedule) => Ok(Self { schedule, days }),
            Err(source) => Err(PatternError::Compile { found, source }),
        }
    }

    fn matches(&self, wall: NaiveDateTime) -> bool {
        self.schedule.includes(wall.and_utc()) && self.days.passes(wall.date())
    }

    /// The first time after a wall-clock time.
    fn next_after(&self, wall: NaiveDateTime) -> Option<NaiveDateTime> {
        let mut wall = wall;
        loop {
            let found = self.schedule.after(&wall.and_utc()).next()?.naive_utc();
            if self.days.passes(found.date()) {
                return Some(found);
            }
            // The filters look at the day only: the rest of it need not be asked for.
            wall = found.date().and_hms_opt(23, 59, 59)?;
        }
    }
}

/// Values in the words of the `cron` crate, which is faster where a full list is `*`.
fn listed(rules: &Rules, values: &BTreeSet<u32>) -> String {
    if rules.is_full(values) {
        return "*".to_owned();
    }
    values.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn wall(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").unwrap()
    }

    /// The first times from 2026-11-16 00:00, a Monday, on: `Mon 16 Nov 07:00:00, ...`
    fn next(text: &str, count: usize) -> String {
        let times = pattern(text);
        let times = times.nominals(wall("2026-11-16 00:00:00")).take(count);
        let times = times.map(|nominal| nominal.format("%a %-d %b %H:%M:%S").to_string());
        times.collect::<Vec<_>>().join(", ")
    }

    /// Each pair of texts means the same times; so only one of them needs a test of its own.
    #[test]
    fn one_thing_can_be_written_in_several_ways() {
        let cases = [
            ("0 7 * * 1", "0 7 * * MON"),
            ("0 7 * * 0", "0 7 * * SUN"),
            ("0 7 * * 7", "0 7 * * SUN"),
            ("0 7 * * monday,Fri", "0 7 * * 5,1"),
            ("0 7 * * 1-5", "0 7 * * MON,TUE,WED,THU,FRI"),
            ("0 7 * * FRI-MON", "0 7 * * 5,6,0,1"),
            ("0 7 * * 5-7", "0 7 * * FRI,SAT,SUN"),
            ("0 7 * * 6-1", "0 7 * * SAT,SUN,MON"),
            ("0 7 * * SAT-SUN", "0 7 * * 6,7"),
            ("0 7 * * 0-7", "0 7 * * *"),
            ("0 7 * * 7-1", "0 7 * * SUN,MON"),
            ("0 7 * * FRI-TUE/2", "0 7 * * FRI,SUN,TUE"),
            ("0 7 * * */2", "0 7 * * SUN,TUE,THU,SAT"),
            ("0 7 * * FRIL", "0 7 * * 5L"),
            ("0 7 * * FRI#L", "0 7 * * Fridayl"),
            ("0 7 * january,Dec MON", "0 7 * 1,12 MON"),
            ("*/15 8-10/2 * * *", "0,15,30,45 8,10 * * *"),
            ("5-59/20 * * * *", "5,25,45 * * * *"),
            ("00 07 01 * *", "0 7 1 * *"),
            ("  0\t7  *   * *  ", "0 7 * * *"),
            ("0 7 * * *", "0 0 7 * * *"),
            ("0 7 * * *", "0 0 7 ? * ? *"),
            ("0 7 * * MON", "0 0 7 ? * 2"),
            ("0 7 * * SUN", "0 0 7 ? * 1"),
            ("0 7 * * SAT", "0 0 7 ? * 7 *"),
            ("0 7 * * FRI-MON", "0 0 7 ? * 6-2"),
            ("0 7 * * FRI#3", "0 0 7 ? * 6#3"),
            ("0 7 * * FRIL", "0 0 7 ? * 6L"),
            ("0 7 * * */2", "0 0 7 ? * */2"),
            ("@yearly", "0 0 1 1 *"),
            ("@annually", "0 0 1 1 *"),
            ("@Monthly", "0 0 1 * *"),
            ("@weekly", "0 0 * * SUN"),
            ("@daily", "0 0 * * *"),
            ("@midnight", "0 0 * * *"),
            ("@hourly", "0 * * * *"),
        ];
        for (one, other) in cases {
            assert_eq!(next(one, 40), next(other, 40), "{one} and {other}");
        }
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        let cases = [
            ("0 6 * * 1", "Mon 16 Nov 06:00:00, Mon 23 Nov 06:00:00, Mon 30 Nov 06:00:00"),
            ("0 0 6 ? * 2", "Mon 16 Nov 06:00:00, Mon 23 Nov 06:00:00, Mon 30 Nov 06:00:00"),
            ("0 6 * * MON-FRI", "Mon 16 Nov 06:00:00, Tue 17 Nov 06:00:00, Wed 18 Nov 06:00:00"),
            ("0 6 * * SAT-SUN", "Sat 21 Nov 06:00:00, Sun 22 Nov 06:00:00, Sat 28 Nov 06:00:00"),
            ("*/30 6 * * *", "Mon 16 Nov 06:00:00, Mon 16 Nov 06:30:00, Tue 17 Nov 06:00:00"),
            ("30 15 6 * * *", "Mon 16 Nov 06:15:30, Tue 17 Nov 06:15:30, Wed 18 Nov 06:15:30"),
            ("0 8 31 * *", "Thu 31 Dec 08:00:00, Sun 31 Jan 08:00:00, Wed 31 Mar 08:00:00"),
            ("0 8 L * *", "Mon 30 Nov 08:00:00, Thu 31 Dec 08:00:00, Sun 31 Jan 08:00:00"),
            ("0 8 15,L * *", "Mon 30 Nov 08:00:00, Tue 15 Dec 08:00:00, Thu 31 Dec 08:00:00"),
            ("0 8 29 2 *", "Tue 29 Feb 08:00:00, Sun 29 Feb 08:00:00, Fri 29 Feb 08:00:00"),
            ("0 8 * * FRI#1", "Fri 4 Dec 08:00:00, Fri 1 Jan 08:00:00, Fri 5 Feb 08:00:00"),
            ("0 8 * * MON#3", "Mon 16 Nov 08:00:00, Mon 21 Dec 08:00:00, Mon 18 Jan 08:00:00"),
            ("0 8 * * MON#5", "Mon 30 Nov 08:00:00, Mon 29 Mar 08:00:00, Mon 31 May 08:00:00"),
            ("0 8 * * FRIL", "Fri 27 Nov 08:00:00, Fri 25 Dec 08:00:00, Fri 29 Jan 08:00:00"),
            ("0 8 * * TUE,FRI#4", "Tue 17 Nov 08:00:00, Tue 24 Nov 08:00:00, Fri 27 Nov 08:00:00"),
            ("0 0 8 1 1 ? 2030,2032", "Tue 1 Jan 08:00:00, Thu 1 Jan 08:00:00"),
        ];
        for (text, expected) in cases {
            assert_eq!(next(text, 3), expected, "{text}");
        }
    }

    #[test]
    fn the_last_day_follows_leap_years() {
        let last = pattern("0 8 L 2 *");
        let days = last.nominals(wall("2096-01-01 00:00:00")).map(|day| day.date().to_string());
        let expected = ["2096-02-29", "2097-02-28", "2098-02-28", "2099-02-28", "2100-02-28"];
        assert_eq!(days.collect::<Vec<_>>(), expected);
    }

    /// crontab(5): "If both fields are restricted (i.e., do not contain the "*" character),
    /// the command will be run when either field matches"; what counts is how it begins.
    #[test]
    fn two_restricted_day_fields_mean_either_and_with_seconds_both() {
        let cases = [
            ("0 8 1 * MON", "Mon 16 Nov, Mon 23 Nov, Mon 30 Nov, Tue 1 Dec, Mon 7 Dec"),
            ("0 8 L * MON#1", "Mon 30 Nov, Mon 7 Dec, Thu 31 Dec, Mon 4 Jan, Sun 31 Jan"),
            ("0 8 31 2 SUN", "Sun 7 Feb, Sun 14 Feb, Sun 21 Feb, Sun 28 Feb, Sun 6 Feb"),
            ("0 8 */2 * MON", "Mon 23 Nov, Mon 7 Dec, Mon 21 Dec, Mon 11 Jan, Mon 25 Jan"),
            ("0 8 1-7 * */6", "Sat 5 Dec, Sun 6 Dec, Sat 2 Jan, Sun 3 Jan, Sat 6 Feb"),
            ("0 0 8 1 * MON", "Mon 1 Feb, Mon 1 Mar, Mon 1 Nov, Mon 1 May, Mon 1 Jan"),
            ("0 0 8 L * FRIL", "Fri 30 Apr, Fri 31 Dec, Fri 31 Mar, Fri 30 Jun, Fri 31 Aug"),
        ];
        for (text, expected) in cases {
            let days = next(text, 5).replace(" 08:00:00", "");
            assert_eq!(days, expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_the_reason() {
        let cases = [
            ("", "the schedule is empty (expected 5 fields such as `0 7 * * MON`)"),
            ("0 7 * *", "found 4 fields, expected 5 (minute hour"),
            ("0 0 8***", "found 3 fields, expected 5 (minute hour"),
            ("0 0 7 * * MON 2026 2027", "found 8 fields, expected 5"),
            ("0 0 8*** * *", "day-of-month: found `8***`"),
            ("60 7 * * *", "minute: found `60`, expected 0 to 59"),
            ("0 24 * * *", "hour: found `24`, expected 0 to 23"),
            ("0 7 0 * *", "day-of-month: found `0`, expected 1 to 31, or L for the last day"),
            ("0 7 * 13 *", "month: found `13`, expected 1 to 12 or a name such as JAN"),
            ("0 7 * * 8", "day-of-week: found `8`, expected 0 to 7 (0 and 7 = Sunday) or a name"),
            ("0 0 7 * * 0", "day-of-week: found `0`, expected 1 to 7 (1 = Sunday) or a name"),
            ("60 0 7 * * *", "second: found `60`, expected 0 to 59"),
            ("0 0 7 * * * 2101", "year: found `2101`, expected 1970 to 2100"),
            ("99999999999 7 * * *", "minute: found `99999999999`, expected 0 to 59"),
            ("0 7 * * MOND", "day-of-week: found `MOND`, expected 0 to 7"),
            ("0 7 * MON *", "month: found `MON`, expected 1 to 12"),
            ("JAN 7 * * *", "minute: found `JAN`, expected 0 to 59"),
            ("0 7 * * *L", "day-of-week: found `*L`, expected 0 to 7"),
            ("0 7 * * L", "day-of-week: found `L`, expected a weekday before it, such as FRIL"),
            ("0 7 * * #1", "day-of-week: found `#1`, expected a weekday before it"),
            ("0 7 * * FRI#6", "day-of-week: found `FRI#6`, expected #1 to #5 after a weekday"),
            ("0 7 * * FRI#0", "day-of-week: found `FRI#0`, expected #1 to #5 after a weekday"),
            ("0 7 * * FRI#1#2", "day-of-week: found `FRI#1#2`, expected #1 to #5"),
            ("0 7 * * MON-FRI#1", "day-of-week: found `MON-FRI#1`, expected 0 to 7"),
            ("0 7 LW * *", "day-of-month: found `LW`, expected 1 to 31, or L for the last day"),
            ("0 7 L-3 * *", "day-of-month: found `L-3`, expected 1 to 31, or L"),
            ("0 7 ? * MON", "day-of-month: found `?`, expected `*` (`?` is for expressions with"),
            ("0 0 7 ?,1 * MON", "day-of-month: found `?`, expected `*` (`?` is for"),
            ("0 ? 7 * * MON", "minute: found `?`, expected 0 to 59"),
            ("1,,2 7 * * *", "minute: `1,,2` has an empty item"),
            ("1, 7 * * *", "minute: `1,` has an empty item"),
            ("-5 7 * * *", "minute: found `-5`, expected 0 to 59"),
            ("1-2-3 7 * * *", "minute: found `1-2-3`, expected 0 to 59"),
            ("+5 7 * * *", "minute: found the character '+'"),
            ("0 7\u{a0}* * * *", "hour: found the character '\\u{a0}'"),
            ("0 7 * *\n* *", "month: found the character '\\n'"),
            ("٣ 7 * * *", "minute: found the character '٣'"),
            ("50-10 7 * * *", "minute: `50-10` runs backwards (expected `50-59,0-10`)"),
            ("0 7 * NOV-FEB *", "month: `NOV-FEB` runs backwards (expected `NOV-12,1-FEB`)"),
            ("5/15 7 * * *", "minute: `5/15` has a step on a single value (expected `5-59/15`)"),
            ("0 7 * * MON/2", "day-of-week: `MON/2` has a step on a single value (expected"),
            ("*/0 7 * * *", "minute: found `*/0`, expected a step of 1 to 59 after `/`"),
            ("*/60 7 * * *", "minute: found `*/60`, expected a step of 1 to 59 after `/`"),
            ("*/ 7 * * *", "minute: found `*/`, expected a step of 1 to 59"),
            ("0 7 * * */7", "day-of-week: found `*/7`, expected a step of 1 to 6 after `/`"),
            ("MAILTO=x 7 * * *", "minute: found the character '='"),
            ("*/5/5 7 * * *", "minute: found `*/5/5`, expected a step of 1 to 59"),
            ("CRON_TZ=Europe/Paris 0 7 * * *", "found `CRON_TZ=Europe/Paris`, expected no zone"),
            (
                "TZ=UTC 0 7 * * *",
                "found `TZ=UTC`, expected no zone within the schedule (write it to `timezone`)",
            ),
            ("@reboot", "`@reboot` names no time"),
            ("@every 5m", "found `@every 5m`, expected @yearly,"),
            ("0 7 31 2 *", "`0 7 31 2 *` never fires"),
            ("0 7 30 FEB *", "`0 7 30 FEB *` never fires"),
            ("0 7 31 4,6,9,11 *", "never fires"),
            ("0 0 7 1 * FRI#2", "`0 0 7 1 * FRI#2` never fires"),
            ("0 0 7 29 2 ? 2027", "`0 0 7 29 2 ? 2027` never fires"),
        ];
        for (text, expected) in cases {
            let message = text.parse::<Pattern>().map_or_else(|e| e.to_string(), |p| p.to_string());
            assert!(message.contains(expected), "{text:?} gave {message:?}, not {expected:?}");
        }
    }

    /// What was written is shown, and the order of items and their repetition do not matter.
    #[test]
    fn the_text_is_kept() {
        assert_eq!(pattern(" 0 07 * *  Mon,mon ").to_string(), "0 07 * *  Mon,mon");
        assert_eq!(next("0 7 * * Mon,mon", 9), next("0 7 * * MON", 9));
    }

    #[test]
    fn a_match_is_exact_to_the_second() {
        let cases = [
            ("0 7 * * MON", "2026-11-16 07:00:00", true),
            ("0 7 * * MON", "2026-11-17 07:00:00", false),
            ("0 7 * * MON", "2026-11-16 07:01:00", false),
            ("0 7 * * MON", "2026-11-16 07:00:01", false),
            ("0 7 L * *", "2028-02-29 07:00:00", true),
            ("0 7 L * *", "2028-02-28 07:00:00", false),
            ("0 7 * * MONL", "2026-11-23 07:00:00", false),
            ("0 7 * * MONL", "2026-11-30 07:00:00", true),
            ("0 7 1 * MON", "2026-12-01 07:00:00", true),
            ("0 7 * * *", "1969-12-31 07:00:00", false),
            ("0-58 7 * * *", "2026-11-16 07:59:00", false),
            ("0 7 * * SUN-FRI", "2026-11-21 07:00:00", false),
            ("0 7 1-30 * *", "2026-12-31 07:00:00", false),
        ];
        for (text, time, expected) in cases {
            assert_eq!(pattern(text).matches(wall(time)), expected, "{text} at {time}");
        }
        let halfway = wall("2026-11-16 07:00:00").with_nanosecond(500_000_000).unwrap();
        assert!(!pattern("0 7 * * MON").matches(halfway));
    }

    #[test]
    fn warnings_name_what_may_surprise() {
        let from = wall("2026-11-16 00:00:00").and_utc();
        let numbers = "weekdays count from 1 = Sunday (2 = MON, 6 = FRI): the next dates are \
                       Mon 2026-11-16, Tue 2026-11-17, Wed 2026-11-18;";
        let cases = [
            ("0 0 7 ? * 2-6", vec![numbers]),
            ("0 0 7 ? * 6#1", vec!["(6 = FRI): the next dates are Fri 2026-12-04, Fri 2027-01-01"]),
            ("0 0 7 ? * MON-FRI", vec![]),
            ("0 7 * * 1-5", vec![]),
            ("0 7 1 * MON", vec!["either is meant, as in crontab(5): the next dates are Mon 2026"]),
            ("0 7 1 * *", vec![]),
            ("0 0 7 1 * MON", vec![]),
            ("*/20 * * * *", vec!["fires 3 times within an hour"]),
            ("*/30 0 7 * * MON", vec!["fires 2 times within an hour"]),
            ("@hourly", vec![]),
            ("0 0 7 1 1 ? 2020", vec!["`0 0 7 1 1 ? 2020` has no time after 2026-11-16"]),
            ("0 */10 7 ? * 2", vec!["Mon 2026-11-16, Mon 2026-11-23, Mon 2026-11-30", "6 times"]),
        ];
        for (text, expected) in cases {
            let warnings = pattern(text).warnings(Tz::UTC, from);
            assert_eq!(warnings.len(), expected.len(), "{text}: {warnings:?}");
            for (warning, part) in warnings.iter().zip(expected) {
                assert!(warning.contains(part), "{text}: {warning}");
            }
        }
    }
}
