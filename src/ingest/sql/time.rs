//! `time` as SQL: three layers of expressions that end in `times`, with `ms` and `time_fault`.
//!
//! Zones are written out as the steps of their offsets, so that a day begins when it begins
//! for files, whatever time zone database the engine has.

use chrono::{Offset, TimeZone};
use chrono_tz::Tz;

use super::{DAY_ORDER, is_utc, text, words};
use crate::ingest::time::{DayOrder, LAST_MS, TimeReader};

/// `char::is_whitespace` as a class of both Java's and Rust's regular expressions.
const BLANK: &str = "[\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}]";
/// The form that most exports have; its parts stand at fixed places.
const COMMON: &str =
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?Z?\\z";
const ISO_DATE: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}";
/// A date with its day and month in the order of a culture: three numbers, and the rest.
const CULTURE_DATE: &str = "^([0-9]{1,2})(?:/([0-9]{1,2})/|[.]([0-9]{1,2})[.]|-([0-9]{1,2})-)([0-9]{4})([^0-9][\\x{0}-\\x{10ffff}]*)?\\z";
const POWERSHELL: &str = "^/Date[(][+-]?[0-9]+[)]/\\z";
/// Seconds between two looks at a zone: no zone changes its offset twice within them.
const LOOK_SECONDS: i64 = 21_600;
/// Local days are told by quarters of an hour, as for files.
const QUARTER_SECONDS: i64 = 900;

/// `clock_time`: hour, minute, seconds with their colon, seconds, fraction with its point,
/// fraction, half of the day, zone.
fn clock_form() -> String {
    format!(
        "^(?:[Tt ,]{BLANK}*([0-9]{{1,2}}):([0-9]{{2}})(?::([0-9]{{2}})(?:[.,]([0-9]{{1,9}}))?)?{BLANK}*([AaPp][Mm])?{BLANK}*([Zz]|[Uu][Tt][Cc]|GMT|[+-]:*[0-9]:*[0-9]:*(?:[0-9]:*[0-9]:*)?)?)?\\z"
    )
}

/// Times that are instants already.
pub(super) fn of_instants(cell: &str) -> Vec<String> {
    vec![format!(
        "times AS (SELECT *, {cell} AS ms, {} AS time_fault FROM cells)",
        fault(cell, "''")
    )]
}

/// Times without a zone, in columns of that type.
pub(super) fn of_local_times(cell: &str, zone: Tz) -> Vec<String> {
    // As text it has one of the forms below.
    of_texts(cell, zone, None)
}

/// Times as texts, in any of the forms that files may have.
pub(super) fn of_texts(cell: &str, zone: Tz, order: Option<DayOrder>) -> Vec<String> {
    vec![
        format!("bare AS (SELECT *, {} AS stamp FROM cells)", words::trimmed(cell)),
        format!("shaped AS (SELECT *, {} AS shape FROM bare)", shape(order)),
        format!("parted AS (SELECT *, {} FROM shaped)", parts(order)),
        format!("clocked AS (SELECT *, {} FROM parted)", clock()),
        format!("dated AS (SELECT *, {} FROM clocked)", date_and_offset()),
        format!("instants AS (SELECT *, {} AS ms FROM dated)", instant(zone)),
        format!("times AS (SELECT *, {} AS time_fault FROM instants)", fault("ms", "shape")),
    ]
}

/// Which form a stamp has: 1 the common one, 2 a date first, 3 a date of a culture, 4
/// PowerShell's, 5 a date whose order is not known, 0 none.
fn shape(order: Option<DayOrder>) -> String {
    let culture = if order.is_some() { 3 } else { 5 };
    format!(
        "CASE WHEN stamp RLIKE {} THEN 1 WHEN stamp RLIKE {} THEN 2 WHEN stamp RLIKE {} \
         THEN {culture} WHEN stamp RLIKE {} THEN 4 ELSE 0 END",
        text(COMMON),
        text(ISO_DATE),
        text(CULTURE_DATE),
        text(POWERSHELL),
    )
}

/// Year, month, day and what follows them.
fn parts(order: Option<DayOrder>) -> String {
    let culture = |group: usize| format!("regexp_extract(stamp, {}, {group})", text(CULTURE_DATE));
    let first = culture(1);
    let second = format!("concat({}, {}, {})", culture(2), culture(3), culture(4));
    let (month, day) = match order {
        Some(DayOrder::MonthFirst) => (first, second),
        _ => (second, first),
    };
    let part = |iso: &str, culture: &str| {
        number(&format!(
            "CASE WHEN shape IN (1, 2) THEN {iso} WHEN shape = 3 THEN {culture} ELSE '' END"
        ))
    };
    format!(
        "{} AS y, {} AS mo, {} AS d, \
         CASE WHEN shape = 2 THEN substr(stamp, 11) WHEN shape = 3 THEN {} ELSE '' END AS rest",
        part("substr(stamp, 1, 4)", &culture(5)),
        part("substr(stamp, 6, 2)", &month),
        part("substr(stamp, 9, 2)", &day),
        culture(6),
    )
}

/// Digits as a number; none are 0.
fn number(digits: &str) -> String {
    format!("try_cast(concat('0', {digits}) AS int)")
}

/// Hour, minute, seconds, milliseconds, half of the day and zone of a stamp.
fn clock() -> String {
    let form = text(&clock_form());
    let group = |group: usize| format!("regexp_extract(rest, {form}, {group})");
    let part = |at: usize, of_rest: usize| {
        let rest = group(of_rest);
        number(&format!("CASE WHEN shape = 1 THEN substr(stamp, {at}, 2) ELSE {rest} END"))
    };
    let fraction = format!(
        "rpad(CASE WHEN shape = 1 THEN replace(substr(stamp, 21, 3), 'Z', '') \
         ELSE substr({}, 1, 3) END, 3, '0')",
        group(4)
    );
    format!(
        "{} AS h, {} AS mi, {} AS s, {} AS f, CASE WHEN shape = 1 THEN '' ELSE upper({}) END AS half, \
         CASE WHEN shape = 1 THEN CASE WHEN stamp LIKE '%Z' THEN 'Z' ELSE '' END ELSE {} END AS z, \
         shape = 1 OR rest RLIKE {form} AS told",
        part(12, 1),
        part(15, 2),
        part(18, 3),
        number(&fraction),
        group(5),
        group(6),
    )
}

/// Days since 1970 and milliseconds of the day, absent where there is no such date or time,
/// and the minutes of the zone, absent where there is none.
fn date_and_offset() -> String {
    // The year as it begins in March; its days by the calendar of 400 years.
    let year = "(y - CASE WHEN mo <= 2 THEN 1 ELSE 0 END)";
    let in_year = "((153 * (mo + CASE WHEN mo > 2 THEN -3 ELSE 9 END) + 2) div 5 + d - 1)";
    let days = format!(
        "({year} * 365 + {year} div 4 - {year} div 100 + {year} div 400 + {in_year} - 719468)"
    );
    let month_days = "CASE WHEN mo IN (4, 6, 9, 11) THEN 30 WHEN mo <> 2 THEN 31 \
                      WHEN y % 4 = 0 AND (y % 100 <> 0 OR y % 400 = 0) THEN 29 ELSE 28 END";
    let hour = "CASE WHEN half = '' THEN h WHEN h NOT BETWEEN 1 AND 12 THEN 99 \
                WHEN half = 'PM' THEN h % 12 + 12 ELSE h % 12 END";
    let digits = "translate(z, '+-:', '')";
    let minutes = format!(
        "({} * 60 + {})",
        number(&format!("substr({digits}, 1, 2)")),
        number(&format!("substr({digits}, 3, 2)"))
    );
    format!(
        "CASE WHEN mo BETWEEN 1 AND 12 AND d BETWEEN 1 AND {month_days} THEN {days} END AS days, \
         CASE WHEN told AND {hour} <= 23 AND mi <= 59 AND s <= 59 THEN \
         CAST({hour} AS bigint) * 3600000 + mi * 60000 + s * 1000 + f END AS day_ms, \
         CASE WHEN z LIKE '+%' THEN {minutes} WHEN z LIKE '-%' THEN -{minutes} \
         WHEN z <> '' THEN 0 END AS zone_minutes, \
         z NOT LIKE '+%' AND z NOT LIKE '-%' OR substr({digits}, 1, 2) <= '15' \
         AND substr({digits}, 3, 2) < '60' AS zone_told"
    )
}

/// Milliseconds since 1970 UTC; absent where the stamp is none.
fn instant(zone: Tz) -> String {
    let local = "(CAST(days AS bigint) * 86400000 + day_ms)";
    let without = if is_utc(zone) {
        local.to_owned()
    } else {
        let reader = TimeReader { zone, order: None };
        let moved = |second: i64| Some(reader.local_to_utc(second * 1000)? / 1000 - second);
        let steps = steps(LOOK_SECONDS, 1, &moved);
        format!("({local} + ({}) * 1000)", tree(&steps, &format!("({local} div 1000)")))
    };
    let powershell = "try_cast(replace(replace(stamp, '/Date(', ''), ')/', '') AS bigint)";
    format!(
        "CASE WHEN shape = 4 THEN {powershell} WHEN shape IN (0, 5) OR NOT zone_told THEN NULL \
         WHEN zone_minutes IS NULL THEN {without} ELSE {local} - zone_minutes * 60000 END"
    )
}

fn fault(ms: &str, shape: &str) -> String {
    let order = if shape == "shape" {
        format!("WHEN shape = 5 THEN '{DAY_ORDER}' ")
    } else {
        String::new()
    };
    format!(
        "CASE {order}WHEN {ms} IS NULL THEN 'time-unreadable' \
         WHEN {ms} < 0 OR {ms} >= {LAST_MS} THEN 'time-out-of-range' END"
    )
}

/// The local day of an instant in days since 1970, as `LocalDays` tells it; `ms` is an
/// expression of milliseconds.
pub fn day_of(zone: Tz, ms: &str) -> String {
    let quarter = format!("({ms} div {})", QUARTER_SECONDS * 1000);
    let offset = |second: i64| {
        let at = chrono::DateTime::from_timestamp(second, 0)?.naive_utc();
        Some(i64::from(zone.offset_from_utc_datetime(&at).fix().local_minus_utc()))
    };
    let steps = steps(LOOK_SECONDS, QUARTER_SECONDS, &offset);
    let offset = tree(&steps, &format!("({quarter} * {QUARTER_SECONDS})"));
    // Moved by a whole number of days, so that division cuts towards the day.
    format!("CAST(({quarter} * {QUARTER_SECONDS} + ({offset}) + 86400) div 86400 - 1 AS int)")
}

/// Where a function of seconds takes another value, from 1970 on; `within` is a multiple of
/// which each such second is one.
fn steps(look: i64, within: i64, value: &dyn Fn(i64) -> Option<i64>) -> Vec<(i64, Option<i64>)> {
    let mut steps = vec![(0, value(0))];
    let mut held = value(0);
    let mut before = 0;
    while before < LAST_MS / 1000 {
        let next = before + look;
        if value(next) == held {
            before = next;
        } else {
            let (mut same, mut other) = (before, next);
            while other - same > within {
                let middle = same + (other - same) / within / 2 * within;
                if value(middle) == held { same = middle } else { other = middle }
            }
            held = value(other);
            steps.push((other, held));
            // The rest of the look may hold another step.
            before = other;
        }
    }
    steps
}

/// The value of steps at `of`, found by halving.
fn tree(steps: &[(i64, Option<i64>)], of: &str) -> String {
    match steps {
        [] => "NULL".to_owned(),
        [(_, value)] => value.map_or_else(|| "NULL".to_owned(), |value| value.to_string()),
        _ => {
            let (low, high) = steps.split_at(steps.len() / 2);
            let start = high.first().map_or(0, |(start, _)| *start);
            format!("CASE WHEN {of} < {start} THEN {} ELSE {} END", tree(low, of), tree(high, of))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZONES: [Tz; 9] = [
        Tz::UTC,
        Tz::Europe__Paris,
        Tz::America__Sao_Paulo,
        Tz::America__New_York,
        Tz::Africa__Casablanca,
        Tz::Africa__Monrovia,
        Tz::Asia__Kolkata,
        Tz::Australia__Lord_Howe,
        Tz::Pacific__Apia,
    ];

    fn at(steps: &[(i64, Option<i64>)], second: i64) -> Option<i64> {
        let later = steps.partition_point(|(start, _)| *start <= second);
        steps[later.saturating_sub(1)].1
    }

    /// Instants spread over all years, and the quarters around each step.
    fn instants(steps: &[(i64, Option<i64>)]) -> Vec<i64> {
        let spread = (0..4000_i64).map(|n| n * 1_065_097 % (LAST_MS / 1000) / 900 * 900);
        let around = steps.iter().flat_map(|(start, _)| [start - 900, *start, start + 900]);
        spread.chain(around).filter(|second| (0..LAST_MS / 1000).contains(second)).collect()
    }

    #[test]
    fn steps_of_a_zone_are_its_offsets() {
        for zone in ZONES {
            let offset = |second: i64| {
                let at = chrono::DateTime::from_timestamp(second, 0)?.naive_utc();
                Some(i64::from(zone.offset_from_utc_datetime(&at).fix().local_minus_utc()))
            };
            let steps = steps(LOOK_SECONDS, QUARTER_SECONDS, &offset);
            for second in instants(&steps) {
                assert_eq!(at(&steps, second), offset(second), "{zone} {second}");
            }
        }
        assert_eq!(day_of(Tz::UTC, "ms").matches("CASE").count(), 0, "UTC has no steps");
    }

    #[test]
    fn local_times_are_moved_as_files_move_them() {
        for zone in ZONES {
            let reader = TimeReader { zone, order: None };
            let moved = |second: i64| Some(reader.local_to_utc(second * 1000)? / 1000 - second);
            let steps = steps(LOOK_SECONDS, 1, &moved);
            for second in instants(&steps) {
                assert_eq!(at(&steps, second), moved(second), "{zone} {second}");
            }
        }
    }

    #[test]
    fn a_tree_has_all_steps_and_halves_them() {
        let steps: Vec<(i64, Option<i64>)> = (0..9).map(|n| (n * 10, Some(n))).collect();
        let text = tree(&steps, "t");
        assert_eq!(text.matches("CASE").count(), 8);
        assert!(text.starts_with("CASE WHEN t < 40 THEN CASE WHEN t < 20"), "{text}");
        assert_eq!(tree(&[(0, None)], "t"), "NULL");
    }
}
