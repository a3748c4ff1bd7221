//! Cron lines in every zone: what comes after an instant lies after it, in order, on a wall time
//! that the pattern has; what is newest before an instant lies before it.
//! Two bytes choose the zone, four the instant; the rest is the line.

#![no_main]

use chrono::{DateTime, TimeDelta};
use intransit::schedule::{self, Pattern};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _noted = intransit_fuzz::coverage::Noted;
    let Some((head, line)) = data.split_at_checked(6) else { return };
    let Ok(line) = std::str::from_utf8(line) else { return };
    let zones = chrono_tz::TZ_VARIANTS;
    let zone = zones[(usize::from(head[0]) << 8 | usize::from(head[1])) % zones.len()];
    let seconds = u32::from_be_bytes([head[2], head[3], head[4], head[5]]);
    let after = DateTime::from_timestamp(i64::from(seconds), 0).expect("a day in the calendar");
    let Ok(pattern) = line.parse::<Pattern>() else { return };
    let mut last = after;
    for found in schedule::occurrences(&pattern, zone, after).take(12) {
        assert!(found.at > last, "{line}: {} is not after {last}", found.at);
        for nominal in found.coalesced.iter().chain([&found.nominal]) {
            assert!(pattern.matches(*nominal), "{line}: {nominal} is no time of it");
        }
        let shown = found.at.with_timezone(&zone).naive_local();
        assert!(shown >= found.nominal, "{line}: due at {shown}, before {}", found.nominal);
        let text = schedule::nominal_text(found.nominal);
        assert_eq!(schedule::parse_nominal(&text), Some(found.nominal), "{text}");
        last = found.at;
    }
    if let Some(newest) = schedule::latest(&pattern, zone, after) {
        assert!(newest.at <= after, "{line}: the newest before {after} is {}", newest.at);
        let next = schedule::occurrences(&pattern, zone, newest.at).next();
        assert!(next.as_ref().is_none_or(|next| next.at > after), "{line}: {next:?} lies between");
        let before = newest.at - TimeDelta::seconds(1);
        let same = schedule::occurrences(&pattern, zone, before).next();
        assert_eq!(same.map(|same| same.at), Some(newest.at), "{line}: found from one side only");
    }
    drop(pattern.warnings(zone, after));
    assert!(pattern.to_string().parse::<Pattern>().is_ok(), "{line}: its own text is refused");
});
