//! The text of one field -> the values that it lists.
//!
//! | item | fields | meaning |
//! |---|---|---|
//! | `*` `*/n` | all | every value, every n-th value from the least |
//! | `a` `a-b` `a-b/n` | all | a value, a range, every n-th of a range |
//! | `L` | day-of-month | the last day |
//! | `day#n` `day#L` `dayL` | day-of-week | the n-th, the last such day of the month |
//! | `?` | both day fields, with seconds only | as `*` |
//!
//! Invariant: weekdays come out as 0 = Sunday to 6, whatever numbers were written.

use std::collections::{BTreeMap, BTreeSet};

/// Why a text is no pattern.
#[derive(Debug, thiserror::Error)]
pub enum PatternError {
    /// There is nothing but blanks.
    #[error("the schedule is empty (expected 5 fields such as `0 7 * * MON`)")]
    Empty,
    /// The number of fields fits no dialect; often two of them are glued together.
    #[error(
        "found {found} fields, expected 5 (minute hour day-of-month month day-of-week) \
         or 6 to 7 (second first, year last), with blanks between them"
    )]
    FieldCount {
        /// How many there are.
        found: usize,
    },
    /// A zone is given within the text.
    #[error("found `{found}`, expected no zone within the schedule (write it to `timezone`)")]
    TimeZone {
        /// The prefix as written.
        found: String,
    },
    /// `@reboot` names no time.
    #[error("`@reboot` names no time that a report could be due at (expected a time of day)")]
    Reboot,
    /// A word after `@` that is not known.
    #[error(
        "found `{found}`, expected @yearly, @annually, @monthly, @weekly, @daily, @midnight \
         or @hourly"
    )]
    Nickname {
        /// The word as written.
        found: String,
    },
    /// Nothing stands before, between or after commas.
    #[error("{field}: `{found}` has an empty item (expected a value on both sides of a comma)")]
    EmptyItem {
        /// Name of the field.
        field: &'static str,
        /// The whole field.
        found: String,
    },
    /// A character that no field can hold.
    #[error("{field}: found the character {found:?}, expected digits, names and * , - / # ?")]
    Character {
        /// Name of the field.
        field: &'static str,
        /// The character.
        found: char,
    },
    /// A value that the field does not have.
    #[error("{field}: found `{found}`, expected {expected}")]
    Value {
        /// Name of the field.
        field: &'static str,
        /// The item or the part of it that is wrong.
        found: String,
        /// What may stand there.
        expected: String,
    },
    /// A range whose end is before its start.
    #[error("{field}: `{found}` runs backwards (expected `{expected}`)")]
    Backwards {
        /// Name of the field.
        field: &'static str,
        /// The range.
        found: String,
        /// The same, written forwards.
        expected: String,
    },
    /// A step on a single value, which programs understand differently.
    #[error("{field}: `{found}` has a step on a single value (expected `{expected}`)")]
    BareStep {
        /// Name of the field.
        field: &'static str,
        /// The item.
        found: String,
        /// The range that is probably meant.
        expected: String,
    },
    /// No day has all that is asked for, such as 31 February.
    #[error("`{found}` never fires: no date from 1970 to 2100 fits its days, months and years")]
    Never {
        /// The whole text.
        found: String,
    },
    /// The `cron` crate did not take our own wording of the pattern; this is a fault here.
    #[error("the pattern could not be compiled from `{found}`")]
    Compile {
        /// What was passed to the crate.
        found: String,
        /// What the crate says.
        source: cron::error::Error,
    },
}

const MONTHS: &[&str] = &[
    "JANUARY",
    "FEBRUARY",
    "MARCH",
    "APRIL",
    "MAY",
    "JUNE",
    "JULY",
    "AUGUST",
    "SEPTEMBER",
    "OCTOBER",
    "NOVEMBER",
    "DECEMBER",
];
/// Names of weekdays; the index is the number that is used inside.
pub(super) const WEEKDAYS: &[&str] =
    &["SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY"];

/// What only some fields may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    MonthDay,
    Weekday,
}

/// What may stand in a field.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    label: &'static str,
    kind: Kind,
    least: u32,
    most: u32,
    /// The first one has the number `least`.
    names: &'static [&'static str],
    /// Whether `?` may stand for `*`.
    question: bool,
}

const fn plain(
    label: &'static str,
    least: u32,
    most: u32,
    names: &'static [&'static str],
) -> Rules {
    Rules { label, kind: Kind::Plain, least, most, names, question: false }
}

pub(super) const SECOND: Rules = plain("second", 0, 59, &[]);
pub(super) const MINUTE: Rules = plain("minute", 0, 59, &[]);
pub(super) const HOUR: Rules = plain("hour", 0, 23, &[]);
pub(super) const MONTH: Rules = plain("month", 1, 12, MONTHS);
pub(super) const YEAR: Rules = plain("year", 1970, 2100, &[]);

/// Days of the month; `question` in the dialect with seconds.
pub(super) const fn month_day(question: bool) -> Rules {
    Rules { kind: Kind::MonthDay, question, ..plain("day-of-month", 1, 31, &[]) }
}

/// Weekdays: 0 or 7 = Sunday in crontab(5), 1 = Sunday in the dialect with seconds.
pub(super) const fn weekday(seconds: bool) -> Rules {
    let least = if seconds { 1 } else { 0 };
    Rules { kind: Kind::Weekday, question: seconds, ..plain("day-of-week", least, 7, WEEKDAYS) }
}

/// What a field lists.
#[derive(Debug, Default)]
pub(super) struct Field {
    /// Plain values; weekdays are 0 = Sunday to 6.
    pub(super) values: BTreeSet<u32>,
    /// The last day of the month is listed.
    pub(super) last_day: bool,
    /// Weekdays by their place in the month, 1 to 5.
    pub(super) nth: BTreeMap<u32, BTreeSet<u32>>,
    /// Weekdays of which the last in the month is listed.
    pub(super) last_weekdays: BTreeSet<u32>,
    /// The field begins with `*` (or `?`), which crontab(5) calls unrestricted.
    pub(super) starred: bool,
    /// Weekdays written as numbers: what was written, and the weekday.
    pub(super) numbers: BTreeMap<u32, u32>,
}

/// Reads the text of one field.
pub(super) fn read(rules: &Rules, text: &str) -> Result<Field, PatternError> {
    let field = rules.label;
    let strange = |c: &char| !c.is_ascii_alphanumeric() && !"*,-/#?".contains(*c);
    if let Some(found) = text.chars().find(strange) {
        return Err(PatternError::Character { field, found });
    }
    let text = if text == "?" && rules.question { "*" } else { text };
    let mut list = Field { starred: text.starts_with('*'), ..Field::default() };
    for item in text.split(',') {
        if item.is_empty() {
            return Err(PatternError::EmptyItem { field, found: text.to_owned() });
        }
        rules.read_item(item, &mut list)?;
    }
    Ok(list)
}

impl Rules {
    /// Says whether every value of the field is listed.
    pub(super) fn is_full(&self, values: &BTreeSet<u32>) -> bool {
        u32::try_from(values.len()).is_ok_and(|count| count == self.end() - self.least + 1)
    }

    fn read_item(&self, item: &str, list: &mut Field) -> Result<(), PatternError> {
        if item == "?" && self.kind != Kind::Plain {
            let expected = "`*` (`?` is for expressions with seconds, and stands alone)";
            return Err(self.error(item, expected));
        }
        if self.kind == Kind::MonthDay && item.eq_ignore_ascii_case("L") {
            list.last_day = true;
            return Ok(());
        }
        if self.kind == Kind::Weekday {
            if let Some((day, place)) = item.split_once('#') {
                return self.read_nth(item, day, place, list);
            }
            if let Some(day) = item.strip_suffix(['L', 'l']) {
                return self.read_nth(item, day, "L", list);
            }
        }
        self.read_range(item, list)
    }

    /// Reads `*`, a value or a range, each perhaps with a step.
    fn read_range(&self, item: &str, list: &mut Field) -> Result<(), PatternError> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(self.step(item, step)?)),
            None => (item, None),
        };
        let (start, end) = if range == "*" {
            (self.least, self.end())
        } else if let Some((start, end)) = range.split_once('-') {
            let (start, end) = (self.value(item, start, list)?, self.value(item, end, list)?);
            (start, self.forwards(range, start, end)?)
        } else {
            let value = self.value(item, range, list)?;
            if let Some(step) = step {
                let expected = format!("{range}-{}/{step}", self.end());
                return Err(PatternError::BareStep {
                    field: self.label,
                    found: item.to_owned(),
                    expected,
                });
            }
            (value, value)
        };
        list.values.extend(self.stepped(start, end, step.unwrap_or(1)));
        Ok(())
    }

    /// The end of a range, not before its start: weekdays run on into the next week.
    fn forwards(&self, range: &str, start: u32, end: u32) -> Result<u32, PatternError> {
        if start <= end {
            return Ok(end);
        }
        if self.kind == Kind::Weekday {
            return Ok(end + 7);
        }
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let expected = format!("{first}-{},{}-{last}", self.most, self.least);
        Err(PatternError::Backwards { field: self.label, found: range.to_owned(), expected })
    }

    /// Reads the two parts of `FRI#2`; the place may be `L`.
    fn read_nth(
        &self,
        item: &str,
        day: &str,
        place: &str,
        list: &mut Field,
    ) -> Result<(), PatternError> {
        if day.is_empty() {
            return Err(self.error(item, "a weekday before it, such as FRIL or FRI#1"));
        }
        let day = self.inner(self.value(item, day, list)?);
        match place.parse() {
            _ if place.eq_ignore_ascii_case("L") => _ = list.last_weekdays.insert(day),
            Ok(nth @ 1..=5) if place.len() == 1 => _ = list.nth.entry(nth).or_default().insert(day),
            _ => return Err(self.error(item, "#1 to #5 after a weekday, or #L for the last")),
        }
        Ok(())
    }

    /// The number of a value, as numbers count in this field; `item` is what it is part of.
    fn value(&self, item: &str, text: &str, list: &mut Field) -> Result<u32, PatternError> {
        let wrong = || self.error(item, &self.expected());
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let inside = |number: &u32| (self.least..=self.most).contains(number);
            let number = text.parse().ok().filter(inside).ok_or_else(wrong)?;
            if self.kind == Kind::Weekday {
                list.numbers.insert(number, self.inner(number));
            }
            return Ok(number);
        }
        let name = text.to_ascii_uppercase();
        (self.least..)
            .zip(self.names)
            .find(|(_, full)| **full == name || full.get(..3) == Some(&name))
            .map(|(number, _)| number)
            .ok_or_else(wrong)
    }

    fn step(&self, item: &str, text: &str) -> Result<u32, PatternError> {
        let most = self.end() - self.least;
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse()
            .ok()
            .filter(|step| digits && (1..=most).contains(step))
            .ok_or_else(|| self.error(item, &format!("a step of 1 to {most} after `/`")))
    }

    /// The last value of `*`; 7 is no day besides 0 where weekdays count from 0.
    fn end(&self) -> u32 {
        if self.kind == Kind::Weekday { self.least + 6 } else { self.most }
    }

    fn stepped(&self, start: u32, end: u32, step: u32) -> BTreeSet<u32> {
        (start..=end)
            .filter(|number| (number - start).is_multiple_of(step))
            .map(|n| self.inner(n))
            .collect()
    }

    /// A number of this field as it is kept; differs for weekdays only.
    fn inner(&self, number: u32) -> u32 {
        if self.kind == Kind::Weekday { (number - self.least) % 7 } else { number }
    }

    fn expected(&self) -> String {
        let numbers = format!("{} to {}", self.least, self.most);
        match self.kind {
            Kind::Plain if self.names.is_empty() => numbers,
            Kind::Plain => format!("{numbers} or a name such as JAN"),
            Kind::MonthDay => format!("{numbers}, or L for the last day"),
            Kind::Weekday => {
                let sunday = if self.least == 0 { "0 and 7" } else { "1" };
                format!("{numbers} ({sunday} = Sunday) or a name such as MON")
            }
        }
    }

    fn error(&self, found: &str, expected: &str) -> PatternError {
        PatternError::Value {
            field: self.label,
            found: found.to_owned(),
            expected: expected.to_owned(),
        }
    }
}
