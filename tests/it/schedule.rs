//! Schedules: changes of the clock by name, laws over thirty years of many zones, and an
//! independent implementation as a second opinion.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc, Weekday};
use chrono_tz::Tz;
use intransit::schedule::{
    Note, Occurrence, Pattern, latest, nominal_text, occurrences, parse_nominal, resolve,
};
use proptest::prelude::*;

/// Zones whose clocks change in every way there is: by half an hour, one, two and three hours
/// and a day, at midnight, across midnight, around Ramadan, no longer, and never.
const ZONES: [Tz; 14] = [
    Tz::UTC,
    Tz::Europe__Paris,
    Tz::Europe__London,
    Tz::America__New_York,
    Tz::America__Santiago,
    Tz::America__Sao_Paulo,
    Tz::America__Scoresbysund,
    Tz::Africa__Cairo,
    Tz::Africa__Casablanca,
    Tz::Antarctica__Casey,
    Tz::Antarctica__Troll,
    Tz::Australia__Lord_Howe,
    Tz::Asia__Kolkata,
    Tz::Pacific__Apia,
];

fn pattern(text: &str) -> Pattern {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn wall(text: &str) -> NaiveDateTime {
    parse_nominal(text).unwrap_or_else(|| panic!("{text} is no nominal time"))
}

fn utc(text: &str) -> DateTime<Utc> {
    wall(text).and_utc()
}

/// One occurrence on a line: nominal, instant, note, and what it coalesced.
fn line(found: &Occurrence) -> String {
    let note = match found.note {
        Some(Note::Gap) => " gap",
        Some(Note::Fold) => " fold",
        None => "",
    };
    let coalesced: Vec<_> = found.coalesced.iter().map(|time| nominal_text(*time)).collect();
    let coalesced = if coalesced.is_empty() { String::new() } else { format!(" {coalesced:?}") };
    format!("{} at {}Z{note}{coalesced}", nominal_text(found.nominal), found.at.format("%dT%H:%M"))
}

/// What comes after an instant in a zone, line by line.
fn check(text: &str, zone: Tz, after: &str, expected: &[&str]) {
    let pattern = pattern(text);
    let found = occurrences(&pattern, zone, utc(after)).take(expected.len());
    let found: Vec<_> = found.map(|found| line(&found)).collect();
    assert_eq!(found, expected, "{text} in {zone} after {after}");
}

/// Pattern, zone, question, and the next two answers; clocks change at the first.
type Change = (&'static str, Tz, &'static str, [&'static str; 2]);

#[rustfmt::skip]
const CHANGES: [Change; 13] = [
    ("30 2 * * *", Tz::America__New_York, "2027-03-13 12:00",
        ["2027-03-14T02:30 at 14T07:00Z gap", "2027-03-15T02:30 at 15T06:30Z"]),
    ("30 1 * * *", Tz::America__New_York, "2027-11-06 12:00",
        ["2027-11-07T01:30 at 07T05:30Z fold", "2027-11-08T01:30 at 08T06:30Z"]),
    ("30 2 * * SUN", Tz::Europe__Paris, "2027-03-21 12:00",
        ["2027-03-28T02:30 at 28T01:00Z gap", "2027-04-04T02:30 at 04T00:30Z"]),
    ("30 2 * * SUN", Tz::Europe__Paris, "2027-10-30 12:00",
        ["2027-10-31T02:30 at 31T00:30Z fold", "2027-11-07T02:30 at 07T01:30Z"]),
    ("15 2 * * *", Tz::Australia__Lord_Howe, "2027-10-02 12:00",
        ["2027-10-03T02:15 at 02T15:30Z gap", "2027-10-04T02:15 at 03T15:15Z"]),
    ("45 1 * * *", Tz::Australia__Lord_Howe, "2027-04-03 12:00",
        ["2027-04-04T01:45 at 03T14:45Z fold", "2027-04-05T01:45 at 04T15:15Z"]),
    ("0 0 * * SUN", Tz::America__Santiago, "2027-09-01 12:00",
        ["2027-09-05T00:00 at 05T04:00Z gap", "2027-09-12T00:00 at 12T03:00Z"]),
    ("0 0 * * FRI", Tz::Africa__Cairo, "2027-04-28 12:00",
        ["2027-04-30T00:00 at 29T22:00Z gap", "2027-05-07T00:00 at 06T21:00Z"]),
    ("0 0 * * *", Tz::America__Sao_Paulo, "2018-11-03 12:00",
        ["2018-11-04T00:00 at 04T03:00Z gap", "2018-11-05T00:00 at 05T02:00Z"]),
    ("0 8 * * FRI", Tz::Pacific__Apia, "2011-12-24 12:00",
        ["2011-12-30T08:00 at 30T10:00Z gap", "2012-01-06T08:00 at 05T18:00Z"]),
    ("30 2 * * *", Tz::Africa__Casablanca, "2027-03-13 12:00",
        ["2027-03-14T02:30 at 14T02:00Z gap", "2027-03-15T02:30 at 15T01:30Z"]),
    ("30 2 * * *", Tz::Antarctica__Troll, "2027-03-27 12:00",
        ["2027-03-28T02:30 at 28T01:00Z gap", "2027-03-29T02:30 at 29T00:30Z"]),
    ("30 1 * * *", Tz::Antarctica__Troll, "2027-10-30 12:00",
        ["2027-10-31T01:30 at 30T23:30Z fold", "2027-11-01T01:30 at 01T01:30Z"]),
];

/// The traps of the `cron` crate, each a lost, doubled or misplaced run when left to it.
#[test]
fn no_change_of_the_clock_loses_or_doubles_a_run() {
    for (text, zone, after, expected) in CHANGES {
        check(text, zone, after, &expected);
    }
}

/// Nominal times of one gap make one run; those that do not run of their own are named.
#[test]
fn a_gap_coalesces_the_times_in_it() {
    check(
        "*/20 2,3 * * *",
        Tz::America__New_York,
        "2027-03-13 12:00",
        &[
            "2027-03-14T03:00 at 14T07:00Z \
             [\"2027-03-14T02:00\", \"2027-03-14T02:20\", \"2027-03-14T02:40\"]",
            "2027-03-14T03:20 at 14T07:20Z",
        ],
    );
    check(
        "*/20 2 * * *",
        Tz::America__New_York,
        "2027-03-13 12:00",
        &[
            "2027-03-14T02:40 at 14T07:00Z gap [\"2027-03-14T02:00\", \"2027-03-14T02:20\"]",
            "2027-03-15T02:00 at 15T06:00Z",
        ],
    );
    check(
        "0 */12 * * *",
        Tz::Pacific__Apia,
        "2011-12-29 12:00",
        &[
            "2011-12-29T12:00 at 29T22:00Z",
            "2011-12-31T00:00 at 30T10:00Z [\"2011-12-30T00:00\", \"2011-12-30T12:00\"]",
            "2011-12-31T12:00 at 30T22:00Z",
        ],
    );
}

/// Within the repeated hour 05:00 to 07:00 UTC, an answer never lies before the question.
#[test]
fn the_second_pass_of_a_fold_has_no_runs_of_the_first() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("30 1 * * *", "2027-11-07 05:29:59", &["2027-11-07T01:30 at 07T05:30Z fold"]),
        ("30 1 * * *", "2027-11-07 05:30", &["2027-11-08T01:30 at 08T06:30Z"]),
        ("30 1 * * *", "2027-11-07 06:10", &["2027-11-08T01:30 at 08T06:30Z"]),
        (
            "*/20 * * * *",
            "2027-11-07 05:35",
            &["2027-11-07T01:40 at 07T05:40Z fold", "2027-11-07T02:00 at 07T07:00Z"],
        ),
        ("*/20 * * * *", "2027-11-07 06:10", &["2027-11-07T02:00 at 07T07:00Z"]),
    ];
    for (text, after, expected) in cases {
        check(text, Tz::America__New_York, after, expected);
    }
}

fn year_start(year: i32) -> NaiveDateTime {
    NaiveDate::from_ymd_opt(year, 1, 1).unwrap().and_time(NaiveTime::MIN)
}

fn ends_month(day: NaiveDate) -> bool {
    day.succ_opt().unwrap().day() == 1
}

/// A pattern, with its meaning said a second time: hours, minutes, and a judge of days.
type Meaning = (&'static str, &'static [u32], &'static [u32], fn(NaiveDate) -> bool);

const MEANINGS: [Meaning; 13] = [
    ("30 2 * * *", &[2], &[30], |_| true),
    ("0 0 * * *", &[0], &[0], |_| true),
    ("0 7 * * MON", &[7], &[0], |day| day.weekday() == Weekday::Mon),
    ("0 30 2 ? * SUN", &[2], &[30], |day| day.weekday() == Weekday::Sun),
    ("45 1 * * 0,6", &[1], &[45], |day| day.weekday().number_from_monday() > 5),
    ("30 23 * * SAT", &[23], &[30], |day| day.weekday() == Weekday::Sat),
    ("*/20 1-3 * * SUN", &[1, 2, 3], &[0, 20, 40], |day| day.weekday() == Weekday::Sun),
    ("0 */6 28-31 3,10,12 *", &[0, 6, 12, 18], &[0], |day| {
        day.day() >= 28 && [3, 10, 12].contains(&day.month())
    }),
    ("0 0,23 L * *", &[0, 23], &[0], ends_month),
    ("0 8 1,L * MON", &[8], &[0], |day| {
        day.day() == 1 || ends_month(day) || day.weekday() == Weekday::Mon
    }),
    ("0 2 * * SUN#L", &[2], &[0], |day| {
        day.weekday() == Weekday::Sun && (day + TimeDelta::days(7)).month() != day.month()
    }),
    ("15 1 * * SUN#1", &[1], &[15], |day| day.weekday() == Weekday::Sun && day.day() <= 7),
    ("59 23 29 2 *", &[23], &[59], |day| (day.month(), day.day()) == (2, 29)),
];

/// All nominal times of the years 2010 to 2039, from the second meaning.
fn meant((_, hours, minutes, fits): &Meaning) -> Vec<NaiveDateTime> {
    let mut times = Vec::new();
    let days = year_start(2010).date().iter_days().take_while(|day| day.year() < 2040);
    for day in days.filter(|day| fits(*day)) {
        for hour in *hours {
            times.extend(minutes.iter().map(|minute| day.and_hms_opt(*hour, *minute, 0).unwrap()));
        }
    }
    times
}

/// The instant and the note of an occurrence are what a clock of the zone shows then.
fn check_clock(found: &Occurrence, zone: Tz) {
    let shown = |at: DateTime<Utc>| at.with_timezone(&zone).naive_local();
    let (at, nominal) = (found.at, found.nominal);
    if found.note == Some(Note::Gap) {
        assert!(shown(at) > nominal, "{zone}: {}", line(found));
        assert!(shown(at - TimeDelta::seconds(1)) < nominal, "{zone}: {}", line(found));
    } else {
        assert_eq!(shown(at), nominal, "{zone}: {}", line(found));
    }
    if found.note == Some(Note::Fold) {
        let again = [30, 60, 120, 180].map(|minutes| shown(at + TimeDelta::minutes(minutes)));
        assert!(again.contains(&nominal), "{zone}: {}", line(found));
    }
}

/// Thirty years of every pattern in every zone: instants only go forward, and every nominal
/// time is recorded exactly once, as run or as coalesced.
#[test]
fn every_nominal_time_is_recorded_exactly_once() {
    let until = year_start(2040);
    for meaning in &MEANINGS {
        let (pattern, meant) = (pattern(meaning.0), meant(meaning));
        for zone in ZONES {
            let mut recorded = Vec::with_capacity(meant.len());
            let mut last = utc("2009-12-25 00:00");
            for found in occurrences(&pattern, zone, last) {
                assert!(found.at > last, "{zone}: {} follows {last}", line(&found));
                last = found.at;
                check_clock(&found, zone);
                recorded.extend(found.coalesced);
                recorded.push(found.nominal);
                if found.nominal >= until {
                    break;
                }
            }
            recorded.retain(|time| *time >= year_start(2010) && *time < until);
            assert!(recorded == meant, "{pattern} in {zone} records other times than were meant");
        }
    }
}

/// Only differences that are known and understood; everything else fails the test.
///
/// croner searches at most two hours for the end of a gap: with longer ones it gives an error
/// (Casey's three hours, Apia's day). It also runs a time of a gap only if the day on which
/// the gap ends fits the pattern, so one that ends at midnight loses a weekly run
/// (Scoresbysund). Ours is right in both, as no nominal time may be lost.
fn is_croners_limit(
    found: &Occurrence,
    zone: Tz,
    theirs: &Result<DateTime<Tz>, croner::errors::CronError>,
) -> bool {
    let after_gap = found.at.with_timezone(&zone).naive_local();
    match theirs {
        _ if found.note != Some(Note::Gap) => false,
        Ok(theirs) => *theirs > found.at && after_gap.date() != found.nominal.date(),
        Err(_) => after_gap - found.nominal > TimeDelta::hours(2),
    }
}

/// croner 4 agrees on every instant; names only, as numbers are tested by tables.
///
/// Only fields that are `*` or a list are used: croner calls a day field unrestricted only if
/// it is `*`, where crontab(5) and we ask whether it begins with one (`*/2`).
#[test]
fn an_independent_implementation_agrees() {
    let texts = [
        "30 2 * * *",
        "30 0 * * WED,SUN",
        "0 7 * * FRI",
        "30 23 * * SAT",
        "59 23 31 * *",
        "0 8 15,L * *",
        "0 3 13 * FRI",
        "15 2 29 FEB *",
        "30 1 * MAR-NOV SUN#1",
        "0 2 * * SUN#L",
        "0 0 1 JAN,APR,JUL,OCT *",
    ];
    let mut limits = BTreeSet::new();
    let (from, until) = (utc("2010-01-01 12:00"), utc("2040-01-01 12:00"));
    for text in texts {
        let pattern = pattern(text);
        let croner: croner::Cron = text.parse().unwrap();
        for zone in ZONES {
            let mut last = from;
            for found in occurrences(&pattern, zone, from) {
                let theirs = croner.find_next_occurrence(&last.with_timezone(&zone), false);
                if theirs.as_ref().ok().is_none_or(|theirs| *theirs != found.at) {
                    let known = is_croners_limit(&found, zone, &theirs);
                    assert!(known, "{text} in {zone}: {} but croner {theirs:?}", line(&found));
                    limits.insert(zone.name());
                }
                last = found.at;
                if last > until {
                    break;
                }
            }
        }
    }
    // An exclusion that is no longer needed has to go.
    for zone in ["Antarctica/Casey", "Pacific/Apia", "America/Scoresbysund"] {
        assert!(limits.contains(zone), "croner no longer differs in {zone}: {limits:?}");
    }
}

/// Patterns with the days that a window needs to hold several of their times.
const WINDOWS: [(&str, i64); 7] = [
    ("*/20 * * * *", 2),
    ("0 */6 * * *", 4),
    ("30 2 * * *", 8),
    ("45 1 * * SUN", 40),
    ("0 0 * * FRI", 40),
    ("0 8 L * *", 130),
    ("0 7 29 2 *", 9 * 366),
];

/// Instants of 2010 to 2039, half of them within hours of a change of some clock.
fn any_instant() -> impl Strategy<Value = DateTime<Utc>> {
    let changes = vec![
        utc("2011-12-30 10:00"),
        utc("2018-11-04 03:00"),
        utc("2020-10-03 16:01"),
        utc("2027-03-14 07:00"),
        utc("2027-03-28 01:00"),
        utc("2027-04-03 15:00"),
        utc("2027-04-29 22:00"),
        utc("2027-09-05 04:00"),
        utc("2027-10-31 01:00"),
        utc("2027-11-07 06:00"),
    ];
    let span = (utc("2010-01-01 00:00").timestamp(), utc("2040-01-01 00:00").timestamp());
    let anywhere = (span.0..span.1).prop_map(|at| DateTime::from_timestamp(at, 0).unwrap());
    let minutes = -300..300_i64;
    let near = (prop::sample::select(changes), minutes, prop::sample::select(vec![-1, 0, 1]));
    let near = near.prop_map(|(at, minutes, seconds)| {
        at + TimeDelta::minutes(minutes) + TimeDelta::seconds(seconds)
    });
    prop_oneof![anywhere, near]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// A start in the middle gives the rest of the list of an earlier start, no more and no
    /// less; and `latest` is the last of what such a start leaves out.
    #[test]
    fn any_start_gives_the_rest_of_one_list(
        (text, days) in prop::sample::select(&WINDOWS[..]),
        zone in prop::sample::select(&ZONES[..]),
        instant in any_instant(),
    ) {
        let pattern = pattern(text);
        let list = occurrences(&pattern, zone, instant - TimeDelta::days(days));
        let end = instant + TimeDelta::days(days);
        let list: Vec<_> = list.take_while(|found| found.at <= end).collect();
        let (before, after) = list.split_at(list.partition_point(|found| found.at <= instant));

        let rest: Vec<_> = occurrences(&pattern, zone, instant).take(after.len()).collect();
        prop_assert_eq!(&rest[..], after);
        prop_assert!(!before.is_empty(), "the window of {} is too narrow", text);
        prop_assert_eq!(latest(&pattern, zone, instant), before.last().cloned());
        for found in &list {
            prop_assert_eq!(pattern.matches(found.nominal), true);
            prop_assert_eq!(resolve(found.nominal, zone), (found.at, found.note));
        }
    }
}

#[test]
fn the_latest_is_found_far_back_but_not_for_ever() {
    let cases = [
        ("@yearly", "2027-06-01 00:00", Some("2027-01-01T00:00")),
        ("0 7 * * MON", "2026-11-16 06:59:59", Some("2026-11-09T07:00")),
        ("0 7 * * MON", "2026-11-16 07:00", Some("2026-11-16T07:00")),
        ("0 7 29 2 *", "2027-06-01 00:00", Some("2024-02-29T07:00")),
        ("0 0 7 29 2 MON", "2043-06-01 00:00", Some("2016-02-29T07:00")),
        ("0 0 7 1 1 ? 2030", "2029-12-31 00:00", None),
        ("0 0 7 1 1 ? 2030", "2060-01-01 00:00", Some("2030-01-01T07:00")),
        ("0 0 7 1 1 ? 1980", "2027-01-01 00:00", None),
    ];
    for (text, until, expected) in cases {
        let found = latest(&pattern(text), Tz::UTC, utc(until));
        let found = found.map(|found| nominal_text(found.nominal));
        assert_eq!(found.as_deref(), expected, "{text} until {until}");
    }
}

#[test]
fn an_exhausted_pattern_ends() {
    let pattern = pattern("0 0 7 1 1,7 ? 2027");
    let all = occurrences(&pattern, Tz::Europe__Paris, utc("2026-11-16 00:00"));
    let all: Vec<_> = all.map(|found| line(&found)).collect();
    assert_eq!(all, ["2027-01-01T07:00 at 01T06:00Z", "2027-07-01T07:00 at 01T05:00Z"]);
}
