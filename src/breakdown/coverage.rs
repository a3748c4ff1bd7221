//! What the traces cover: first and last row, days and hours without rows.
//!
//! Mail has a rhythm: an empty hour at night says nothing, an empty hour on a Tuesday at ten
//! may be a lost log. A run of empty hours is a gap when rows stand on both sides of it and
//! the same hours of the other days (workdays and weekends apart) either let at least
//! [`EXPECTED_ROWS`] rows be expected in it, or all hold rows, for two hours or more.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike, NaiveDate, TimeZone, Timelike, Utc};
use chrono_tz::Tz;

use crate::breakdown::{Scope, to_date};
use crate::ingest::Reading;
use crate::period::{Period, day_start};
use crate::trace::Kind;

/// With ten messages expected, none at all comes by chance once in twenty thousand times; the
/// margin is for rows that come together, as one per recipient does.
const EXPECTED_ROWS: u64 = 10;
/// "The other days all have rows" says something from this many other days on.
const ENOUGH_DAYS: u64 = 4;
/// Row counts at which exports are cut off without a word.
const EXPORT_CAPS: [u64; 3] = [5_000, 50_000, 100_000];
/// Every zone of today changes its offset at a multiple of this.
const QUARTER_SECONDS: i64 = 900;

/// What the traces cover of one period.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// First row of the period.
    pub first: Option<DateTime<Utc>>,
    /// Last row of the period.
    pub last: Option<DateTime<Utc>>,
    /// Days of the period without any row.
    pub days_without_rows: Vec<NaiveDate>,
    /// Runs of whole hours without any row where rows were to be expected.
    pub gaps: Vec<Gap>,
    /// Files whose number of rows is one at which exports are cut off.
    pub capped_files: Vec<String>,
}

/// A run of whole hours without any row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// First empty hour.
    pub from: DateTime<Utc>,
    /// End of the last empty hour.
    pub to: DateTime<Utc>,
}

/// A quarter of an hour since 1970: its number, its rows, its first and its last.
pub(super) type QuarterSeen = (i64, u64, i64, i64);

/// When rows occurred: per file and quarter of an hour, their number and span.
#[derive(Debug, Clone, Default)]
pub(super) struct Activity {
    quarters: BTreeMap<(u32, i64), Quarter>,
    /// The same of files that are whole: file, quarter.
    of_files: Vec<(u32, i64, Quarter)>,
    last: Option<((u32, i64), Quarter)>,
}

#[derive(Debug, Clone, Copy)]
struct Quarter {
    rows: u64,
    first_ms: i64,
    last_ms: i64,
}

impl Quarter {
    fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.first_ms = self.first_ms.min(other.first_ms);
        self.last_ms = self.last_ms.max(other.last_ms);
    }
}

impl Activity {
    /// Takes in a row. Rows that are no `message` show that the log was on, but not how much
    /// mail there was.
    pub(super) fn add(&mut self, file: u32, time_ms: i64, message: bool) {
        let key = (file, time_ms.div_euclid(QUARTER_SECONDS * 1000));
        let new = Quarter { rows: u64::from(message), first_ms: time_ms, last_ms: time_ms };
        // Traces are mostly in order of time: the quarter is mostly the one before.
        match &mut self.last {
            Some((held, quarter)) if *held == key => quarter.merge(new),
            _ => {
                self.flush();
                self.last = Some((key, new));
            }
        }
    }

    /// Takes in what was seen of a file in an earlier reading.
    pub(super) fn add_kept(&mut self, file: u32, quarters: &[QuarterSeen]) {
        for (quarter, rows, first_ms, last_ms) in quarters {
            let held = Quarter { rows: *rows, first_ms: *first_ms, last_ms: *last_ms };
            self.put((file, *quarter), held);
        }
    }

    /// Takes in what another part saw.
    pub(super) fn merge(&mut self, mut other: Self) {
        other.flush();
        for (key, quarter) in other.quarters {
            self.put(key, quarter);
        }
    }

    /// The quarters of each file, as [`FileSeen`](super::FileSeen) keeps them.
    pub(super) fn into_files(mut self) -> BTreeMap<u32, Vec<QuarterSeen>> {
        self.flush();
        let mut files: BTreeMap<u32, Vec<QuarterSeen>> = BTreeMap::new();
        for ((file, quarter), held) in self.quarters {
            let Quarter { rows, first_ms, last_ms } = held;
            files.entry(file).or_default().push((quarter, rows, first_ms, last_ms));
        }
        files
    }

    /// Takes in the quarters of a file, which is taken in once.
    pub(super) fn add_file(&mut self, file: u32, quarters: &[QuarterSeen]) {
        self.of_files.extend(quarters.iter().map(|(quarter, rows, first_ms, last_ms)| {
            let held = Quarter { rows: *rows, first_ms: *first_ms, last_ms: *last_ms };
            (file, *quarter, held)
        }));
    }

    fn flush(&mut self) {
        if let Some((key, quarter)) = self.last.take() {
            self.put(key, quarter);
        }
    }

    fn put(&mut self, key: (u32, i64), quarter: Quarter) {
        self.quarters.entry(key).and_modify(|held| held.merge(quarter)).or_insert(quarter);
    }

    fn of_usable<'a>(
        &'a self,
        usable: &'a dyn Fn(u32) -> bool,
    ) -> impl Iterator<Item = (i64, &'a Quarter)> {
        let of_files = self.of_files.iter().map(|(file, quarter, held)| (*file, *quarter, held));
        self.quarters
            .iter()
            .map(|((file, quarter), held)| (*file, *quarter, held))
            .chain(of_files)
            .filter(|(file, ..)| usable(*file))
            .map(|(_, quarter, held)| (quarter, held))
    }

    /// Rows per quarter of an hour, over all usable files.
    fn by_quarter(&self, usable: &dyn Fn(u32) -> bool) -> BTreeMap<i64, Quarter> {
        let mut all: Vec<(i64, Quarter)> =
            self.of_usable(usable).map(|(quarter, held)| (quarter, *held)).collect();
        // Files are mostly one after the other.
        all.sort_by_key(|(quarter, _)| *quarter);
        all.dedup_by(|new, held| {
            let same = new.0 == held.0;
            if same {
                held.1.merge(new.1);
            }
            same
        });
        all.into_iter().collect()
    }

    /// Local days of all instants that occur.
    pub(super) fn days(&self, zone: Tz, usable: &dyn Fn(u32) -> bool) -> LocalDays {
        let quarters: Vec<i64> = self.of_usable(usable).map(|(quarter, _)| quarter).collect();
        LocalDays::new(zone, &quarters)
    }

    /// Local day of the newest row.
    pub(super) fn last_day(&self, zone: Tz, usable: &dyn Fn(u32) -> bool) -> Option<NaiveDate> {
        let newest = self.of_usable(usable).map(|(_, quarter)| quarter.last_ms).max()?;
        Some(local(newest.div_euclid(1000), zone)?.date_naive())
    }
}

fn local(seconds: i64, zone: Tz) -> Option<DateTime<Tz>> {
    zone.timestamp_opt(seconds, 0).single()
}

/// Local day of every quarter of an hour in which a row lies.
#[derive(Debug, Clone)]
pub(super) struct LocalDays {
    first_quarter: i64,
    days: Vec<i32>,
}

impl LocalDays {
    fn new(zone: Tz, quarters: &[i64]) -> Self {
        let first_quarter = quarters.iter().copied().min().unwrap_or(0);
        let last = quarters.iter().copied().max().unwrap_or(first_quarter - 1);
        let length = usize::try_from(last - first_quarter + 1).unwrap_or(0);
        let mut days = vec![i32::MIN; length];
        for quarter in quarters {
            let index = usize::try_from(quarter - first_quarter).unwrap_or(usize::MAX);
            let day = local(quarter * QUARTER_SECONDS, zone)
                .map(|time| time.date_naive().to_epoch_days());
            if let (Some(slot), Some(day)) = (days.get_mut(index), day) {
                *slot = day;
            }
        }
        Self { first_quarter, days }
    }

    /// The local day of an instant, given in seconds since 1970 UTC.
    pub(super) fn of(&self, seconds: u32) -> i32 {
        let index = i64::from(seconds) / QUARTER_SECONDS - self.first_quarter;
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        self.days.get(index).copied().unwrap_or(i32::MIN)
    }

    /// The first day that occurs.
    pub(super) fn first(&self) -> Option<NaiveDate> {
        self.days.iter().copied().filter(|day| *day != i32::MIN).min().and_then(to_date)
    }
}

/// Rows per local day and hour.
struct Rhythm {
    /// Rows per hour since 1970.
    hours: BTreeMap<i64, u64>,
    /// Days with message rows; a day without any is told as a day, not as hours.
    message_days: BTreeSet<NaiveDate>,
    zone: Tz,
    /// Per weekend or not and hour of the day: rows, days with rows, days.
    usual: BTreeMap<(bool, u32), Usual>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Usual {
    rows: u64,
    days_with_rows: u64,
    days: u64,
}

/// What the traces cover of each period.
pub(super) fn of_periods(
    activity: &Activity,
    days: &LocalDays,
    totals_days: &[NaiveDate],
    reading: &Reading,
    scope: &Scope,
) -> Vec<Coverage> {
    let by_quarter = activity.by_quarter(&|file| super::usable(reading, file));
    let day_of = |quarter: i64| days.of(u32::try_from(quarter * QUARTER_SECONDS).unwrap_or(0));
    let mut message_days: Vec<i32> = by_quarter.keys().map(|quarter| day_of(*quarter)).collect();
    message_days.dedup();
    let message_days = message_days.into_iter().filter_map(to_date).collect();
    let rhythm = Rhythm::new(&by_quarter, message_days, scope.zone);
    let message_days = &rhythm.message_days;
    let capped: Vec<String> = reading
        .files
        .iter()
        .filter(|file| file.usable && file.kind != Kind::ConnectorReport)
        .filter(|file| EXPORT_CAPS.contains(&file.rows))
        .map(|file| file.name.clone())
        .collect();
    scope
        .periods
        .iter()
        .map(|period| {
            let window = period.from.to_epoch_days()..period.to.to_epoch_days();
            let inside =
                by_quarter.iter().filter(|(quarter, _)| window.contains(&day_of(**quarter)));
            let span = span(inside.map(|(_, held)| held), totals_days, period);
            let has_rows =
                |day: &NaiveDate| message_days.contains(day) || totals_days.contains(day);
            Coverage {
                first: span.and_then(|(first, _)| DateTime::from_timestamp_millis(first)),
                last: span.and_then(|(_, last)| DateTime::from_timestamp_millis(last)),
                days_without_rows: period
                    .from
                    .iter_days()
                    .take_while(|day| *day < period.to)
                    .filter(|day| !has_rows(day))
                    .collect(),
                gaps: rhythm.gaps(period),
                capped_files: capped.clone(),
            }
        })
        .collect()
}

/// Gaps of one file from its first to its last row, by hours UTC.
pub(super) fn gaps_of_file(activity: &Activity) -> Vec<Gap> {
    let by_quarter = activity.by_quarter(&|_| true);
    let rhythm = Rhythm::new(&by_quarter, days_of(&by_quarter, Tz::UTC), Tz::UTC);
    let (first, last) = rhythm.span().into_inner();
    let day = |hour: i64| local(hour * 3600, Tz::UTC).map(|time| time.date_naive());
    let whole = day(first).zip(day(last)).and_then(|(first, last)| Period::range(first, last));
    whole.map_or_else(Vec::new, |period| rhythm.gaps(&period))
}

/// Local days of quarters of an hour: in zones of :30 and :45 an hour lies in two days.
fn days_of(by_quarter: &BTreeMap<i64, Quarter>, zone: Tz) -> BTreeSet<NaiveDate> {
    let day = |quarter: &i64| Some(local(quarter * QUARTER_SECONDS, zone)?.date_naive());
    by_quarter.keys().filter_map(day).collect()
}

fn span<'a>(
    quarters: impl Iterator<Item = &'a Quarter>,
    totals_days: &[NaiveDate],
    period: &Period,
) -> Option<(i64, i64)> {
    let of_totals = totals_days.iter().filter(|day| period.contains(**day)).map(|day| {
        let start = i64::from(day.to_epoch_days()) * 86_400_000;
        (start, start)
    });
    quarters
        .map(|quarter| (quarter.first_ms, quarter.last_ms))
        .chain(of_totals)
        .reduce(|(first, last), (a, b)| (first.min(a), last.max(b)))
}

impl Rhythm {
    fn new(
        by_quarter: &BTreeMap<i64, Quarter>,
        message_days: BTreeSet<NaiveDate>,
        zone: Tz,
    ) -> Self {
        let mut hours: BTreeMap<i64, u64> = BTreeMap::new();
        for (quarter, held) in by_quarter {
            *hours.entry(quarter.div_euclid(4)).or_default() += held.rows;
        }
        let mut rhythm = Self { hours, message_days, zone, usual: BTreeMap::new() };
        rhythm.learn();
        rhythm
    }

    /// Hours from the first to the last row; before and after them nothing is known.
    fn span(&self) -> std::ops::RangeInclusive<i64> {
        let first = self.hours.keys().next().copied().unwrap_or(1);
        let last = self.hours.keys().next_back().copied().unwrap_or(0);
        first..=last
    }

    fn learn(&mut self) {
        let mut usual: BTreeMap<(bool, u32), Usual> = BTreeMap::new();
        // A row with a date far off would make a span of decades: what matters is recent.
        let (first, last) = self.span().into_inner();
        for hour in first.max(last - 24 * 400)..=last {
            let Some((class, _)) = self.place(hour) else { continue };
            let rows = self.hours.get(&hour).copied().unwrap_or(0);
            let held = usual.entry(class).or_default();
            held.rows += rows;
            held.days_with_rows += u64::from(rows > 0);
            held.days += 1;
        }
        self.usual = usual;
    }

    /// Weekend or not, hour of the day, and the local day; `None` on days without rows.
    fn place(&self, hour: i64) -> Option<((bool, u32), NaiveDate)> {
        let time = local(hour * 3600, self.zone)?;
        let day = time.date_naive();
        let weekend = day.weekday().number_from_monday() > 5;
        self.message_days.contains(&day).then_some(((weekend, time.hour()), day))
    }

    fn gaps(&self, period: &Period) -> Vec<Gap> {
        let start = day_start(period.from, self.zone).timestamp().div_euclid(3600);
        let end = day_start(period.to, self.zone).timestamp().div_euclid(3600);
        let (first, last) = self.span().into_inner();
        let mut gaps = Vec::new();
        let mut run: Vec<i64> = Vec::new();
        for hour in start.max(first)..end.min(last + 1) {
            let empty = !self.hours.contains_key(&hour) && self.place(hour).is_some();
            if empty {
                run.push(hour);
            } else {
                gaps.extend(self.gap(&run));
                run.clear();
            }
        }
        gaps.extend(self.gap(&run));
        gaps
    }

    fn gap(&self, run: &[i64]) -> Option<Gap> {
        let (from, to) = (run.first()?, run.last()?);
        let usual: Vec<Usual> =
            run.iter().filter_map(|hour| self.usual.get(&self.place(*hour)?.0).copied()).collect();
        // Thousandths of rows, from the days other than this one.
        let expected: u64 =
            usual.iter().map(|usual| usual.rows * 1000 / usual.days.saturating_sub(1).max(1)).sum();
        let never_else = run.len() >= 2
            && usual
                .iter()
                .all(|usual| usual.days > ENOUGH_DAYS && usual.days_with_rows + 1 >= usual.days);
        let gap = Gap {
            from: DateTime::from_timestamp(from * 3600, 0)?,
            to: DateTime::from_timestamp((to + 1) * 3600, 0)?,
        };
        (expected >= EXPECTED_ROWS * 1000 || never_else).then_some(gap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 30 days from Monday 2026-10-05 UTC with `rows` rows in every hour that `has` says.
    fn gaps(rows: u64, has: impl Fn(i64) -> bool) -> Vec<(String, String)> {
        let monday = DateTime::parse_from_rfc3339("2026-10-05T00:00:00Z").unwrap().timestamp();
        let mut by_quarter = BTreeMap::new();
        for hour in (0..30 * 24).filter(|hour| has(*hour)) {
            let quarter = (monday + hour * 3600) / QUARTER_SECONDS;
            by_quarter.insert(quarter, Quarter { rows, first_ms: 0, last_ms: 0 });
        }
        let rhythm = Rhythm::new(&by_quarter, days_of(&by_quarter, Tz::UTC), Tz::UTC);
        let from: NaiveDate = "2026-10-05".parse().unwrap();
        let period = Period::range(from, "2026-11-03".parse().unwrap()).unwrap();
        let text = |time: DateTime<Utc>| time.format("%m-%d %H").to_string();
        rhythm.gaps(&period).iter().map(|gap| (text(gap.from), text(gap.to))).collect()
    }

    #[test]
    fn an_hour_missing_from_dense_traces_is_a_gap() {
        let expected = vec![("10-14 10".to_owned(), "10-14 11".to_owned())];
        assert_eq!(gaps(50, |hour| hour != 9 * 24 + 10), expected);
    }

    #[test]
    fn hours_that_never_else_are_empty_are_a_gap_even_with_little_mail() {
        let expected = vec![("10-14 10".to_owned(), "10-14 13".to_owned())];
        assert_eq!(gaps(1, |hour| !(9 * 24 + 10..9 * 24 + 13).contains(&hour)), expected);
        assert_eq!(gaps(1, |hour| hour != 9 * 24 + 10), vec![]);
    }

    #[test]
    fn quiet_nights_and_weekends_are_no_gaps() {
        assert_eq!(gaps(50, |hour| (8..18).contains(&(hour % 24)) && hour / 24 % 7 < 5), vec![]);
    }
}
