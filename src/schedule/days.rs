//! Which days a pattern means: what the `cron` crate can say of them, and two filters for
//! what it cannot.
//!
//! | text | days of the month | weekdays | filter |
//! |---|---|---|---|
//! | `15,L` | 15; 28 to 31 | | last day, on the second |
//! | `FRI#2` | 8 to 14 | FRI | |
//! | `FRIL` | 22 to 31 | FRI | last seven days |
//!
//! Invariant: a filter only removes days, so lists of the crate may be too wide, never too
//! narrow.

use std::collections::BTreeSet;

use chrono::{Datelike, Days, NaiveDate};

use super::fields::Field;

/// One way in which a day can belong to a pattern; a day needs only one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DayRule {
    /// Days of the month, 1 to 31.
    pub(super) days: BTreeSet<u32>,
    /// Weekdays, 0 = Sunday to 6.
    pub(super) weekdays: BTreeSet<u32>,
    /// The day also has to be the last of its month.
    pub(super) last_day: bool,
    /// The day also has to be one of the last seven of its month.
    pub(super) last_week: bool,
}

impl DayRule {
    fn any() -> Self {
        let (days, weekdays) = ((1..=31).collect(), (0..=6).collect());
        Self { days, weekdays, last_day: false, last_week: false }
    }

    /// A rule for the days of both, if there are any.
    fn and(&self, other: &Self) -> Option<Self> {
        let both = Self {
            days: &self.days & &other.days,
            weekdays: &self.weekdays & &other.weekdays,
            last_day: self.last_day || other.last_day,
            last_week: self.last_week || other.last_week,
        };
        (!both.days.is_empty() && !both.weekdays.is_empty()).then_some(both)
    }

    /// Says whether a day passes the filters; the lists are not looked at.
    pub(super) fn passes(&self, day: NaiveDate) -> bool {
        let month_ends_within = |days| {
            day.checked_add_days(Days::new(days)).is_none_or(|later| later.month() != day.month())
        };
        (!self.last_day || month_ends_within(1)) && (!self.last_week || month_ends_within(7))
    }
}

/// Joins the two day fields; `either` is the rule of crontab(5) for two restricted fields.
pub(super) fn join(month_days: &Field, weekdays: &Field, either: bool) -> Vec<DayRule> {
    let (month_days, weekdays) = (of_month(month_days), of_week(weekdays));
    if either {
        return [month_days, weekdays].concat();
    }
    let pairs = month_days.iter().flat_map(|one| weekdays.iter().map(|other| one.and(other)));
    pairs.flatten().collect()
}

fn of_month(field: &Field) -> Vec<DayRule> {
    let mut rules = Vec::new();
    if !field.values.is_empty() {
        rules.push(DayRule { days: field.values.clone(), ..DayRule::any() });
    }
    if field.last_day {
        rules.push(DayRule { days: (28..=31).collect(), last_day: true, ..DayRule::any() });
    }
    rules
}

fn of_week(field: &Field) -> Vec<DayRule> {
    let mut rules = Vec::new();
    if !field.values.is_empty() {
        rules.push(DayRule { weekdays: field.values.clone(), ..DayRule::any() });
    }
    for (&nth, weekdays) in &field.nth {
        let days = (7 * nth - 6..=31.min(7 * nth)).collect();
        rules.push(DayRule { days, weekdays: weekdays.clone(), ..DayRule::any() });
    }
    if !field.last_weekdays.is_empty() {
        let (days, weekdays) = ((22..=31).collect(), field.last_weekdays.clone());
        rules.push(DayRule { days, weekdays, last_week: true, ..DayRule::any() });
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::super::fields;
    use super::*;

    fn rules(month_days: &str, weekdays: &str, either: bool) -> Vec<DayRule> {
        let month_days = fields::read(&fields::month_day(false), month_days).unwrap();
        let weekdays = fields::read(&fields::weekday(false), weekdays).unwrap();
        join(&month_days, &weekdays, either)
    }

    fn is_friday(day: NaiveDate) -> bool {
        day.weekday() == chrono::Weekday::Fri
    }

    fn ends_month(day: NaiveDate) -> bool {
        day.day() == u32::from(day.num_days_in_month())
    }

    /// Every day of 2026 to 2029 is judged as by a definition that looks at one day only.
    #[test]
    fn rules_hold_for_the_days_that_were_meant() {
        type Wanted = fn(NaiveDate) -> bool;
        let cases: [(&str, &str, bool, Wanted); 6] = [
            ("L", "*", false, ends_month),
            ("15,L", "*", false, |day| day.day() == 15 || ends_month(day)),
            ("*", "FRIL", false, |day| {
                is_friday(day) && day.day() + 7 > u32::from(day.num_days_in_month())
            }),
            ("*", "FRI#5", false, |day| is_friday(day) && day.day() > 28),
            ("L", "FRI#L", false, |day| is_friday(day) && ends_month(day)),
            ("1", "FRI#2", true, |day| {
                day.day() == 1 || is_friday(day) && (8..15).contains(&day.day())
            }),
        ];
        let first = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
        for (month_days, weekdays, either, wanted) in cases {
            let rules = rules(month_days, weekdays, either);
            for day in first.iter_days().take(4 * 365 + 1) {
                let weekday = day.weekday().num_days_from_sunday();
                let fits = rules.iter().any(|rule| {
                    rule.days.contains(&day.day())
                        && rule.weekdays.contains(&weekday)
                        && rule.passes(day)
                });
                assert_eq!(fits, wanted(day), "{month_days} {weekdays}: {day}");
            }
        }
    }

    #[test]
    fn days_that_cannot_be_have_no_rule() {
        assert_eq!(rules("1", "FRI#2", false), []);
        assert_eq!(rules("L", "MON#1", false), []);
    }
}
