//! Wall time to instant.
//!
//! Invariant: a later nominal time never resolves to an earlier instant.

use chrono::{DateTime, LocalResult, NaiveDateTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;

use super::Note;

/// No zone is, or ever was, further than this from UTC.
const MOST_OFFSET_SECONDS: i64 = 26 * 3600;

/// The instant at which a nominal time is due in a zone.
///
/// A time that a gap skips is due at the first instant after the gap; one that is shown twice
/// is due the first time. The note says which of the two it was.
pub fn resolve(nominal: NaiveDateTime, zone: Tz) -> (DateTime<Utc>, Option<Note>) {
    match zone.from_local_datetime(&nominal) {
        LocalResult::Single(at) => (at.to_utc(), None),
        LocalResult::Ambiguous(one, other) => (one.min(other).to_utc(), Some(Note::Fold)),
        LocalResult::None => (end_of_gap(nominal, zone), Some(Note::Gap)),
    }
}

/// The first instant after the gap in which a nominal time lies.
///
/// The clock never shows the nominal time, so a search for the second at which it is first
/// beyond it can only end where the clock jumps over it.
fn end_of_gap(nominal: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    let wanted = nominal.and_utc().timestamp();
    let mut before = wanted - MOST_OFFSET_SECONDS;
    let mut beyond = wanted + MOST_OFFSET_SECONDS;
    while beyond - before > 1 {
        let middle = i64::midpoint(before, beyond);
        if middle + offset_seconds(middle, zone) > wanted {
            beyond = middle;
        } else {
            before = middle;
        }
    }
    DateTime::from_timestamp(beyond, 0).unwrap_or_else(|| nominal.and_utc())
}

/// What the zone adds to UTC at an instant; 0 beyond the calendar.
fn offset_seconds(timestamp: i64, zone: Tz) -> i64 {
    DateTime::from_timestamp(timestamp, 0).map_or(0, |instant| {
        zone.offset_from_utc_datetime(&instant.naive_utc()).fix().local_minus_utc().into()
    })
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn wall(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap()
    }

    /// Zones with changes of 30 minutes, one, two, three and 24 hours; instants as in tzdb.
    #[test]
    fn each_change_of_the_clock_is_resolved() {
        let (gap, fold) = (Some(Note::Gap), Some(Note::Fold));
        let cases = [
            ("America/New_York", "2027-03-14 01:59", "2027-03-14 06:59", None),
            ("America/New_York", "2027-03-14 02:00", "2027-03-14 07:00", gap),
            ("America/New_York", "2027-03-14 02:30", "2027-03-14 07:00", gap),
            ("America/New_York", "2027-03-14 03:00", "2027-03-14 07:00", None),
            ("America/New_York", "2027-11-07 00:59", "2027-11-07 04:59", None),
            ("America/New_York", "2027-11-07 01:30", "2027-11-07 05:30", fold),
            ("America/New_York", "2027-11-07 02:00", "2027-11-07 07:00", None),
            ("Europe/Paris", "2027-03-28 02:30", "2027-03-28 01:00", gap),
            ("Europe/Paris", "2027-10-31 02:30", "2027-10-31 00:30", fold),
            ("Australia/Lord_Howe", "2027-10-03 02:15", "2027-10-02 15:30", gap),
            ("Australia/Lord_Howe", "2027-04-04 01:45", "2027-04-03 14:45", fold),
            ("America/Santiago", "2027-09-05 00:00", "2027-09-05 04:00", gap),
            ("Africa/Cairo", "2027-04-30 00:00", "2027-04-29 22:00", gap),
            ("America/Sao_Paulo", "2018-11-04 00:00", "2018-11-04 03:00", gap),
            ("America/Sao_Paulo", "2027-11-07 00:00", "2027-11-07 03:00", None),
            ("Pacific/Apia", "2011-12-29 23:59", "2011-12-30 09:59", None),
            ("Pacific/Apia", "2011-12-30 08:00", "2011-12-30 10:00", gap),
            ("Pacific/Apia", "2011-12-31 00:00", "2011-12-30 10:00", None),
            ("Africa/Casablanca", "2027-02-07 02:30", "2027-02-07 01:30", fold),
            ("Africa/Casablanca", "2027-03-14 02:30", "2027-03-14 02:00", gap),
            ("Antarctica/Troll", "2027-03-28 02:30", "2027-03-28 01:00", gap),
            ("Antarctica/Troll", "2027-10-31 01:30", "2027-10-30 23:30", fold),
            ("Antarctica/Casey", "2020-10-04 01:30", "2020-10-03 16:01", gap),
            ("Asia/Kolkata", "2027-03-28 02:30", "2027-03-27 21:00", None),
            ("UTC", "2027-03-28 02:30", "2027-03-28 02:30", None),
        ];
        for (zone, nominal, at, note) in cases {
            let expected = (wall(at).and_utc(), note);
            assert_eq!(resolve(wall(nominal), zone.parse().unwrap()), expected, "{zone} {nominal}");
        }
    }

    /// The instant after a gap is exact to the second, and order is kept through all changes.
    #[test]
    fn a_later_nominal_time_is_never_due_earlier() {
        for zone in ["America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia"]
        {
            let zone: Tz = zone.parse().unwrap();
            let first = wall("2011-01-01 00:00");
            let mut last = resolve(first, zone).0;
            for minutes in (0..60 * 24 * 400).step_by(15) {
                let (at, note) = resolve(first + TimeDelta::minutes(minutes), zone);
                assert!(at >= last, "{zone}: {at} follows {last}");
                if note == Some(Note::Gap) {
                    let before = at - TimeDelta::seconds(1);
                    let jump = offset_seconds(at.timestamp(), zone)
                        - offset_seconds(before.timestamp(), zone);
                    assert!(jump > 0, "{zone}: the clock does not jump at {at}");
                }
                last = at;
            }
        }
    }
}
