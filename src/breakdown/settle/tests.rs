use chrono_tz::Tz;
use proptest::prelude::*;

use super::*;
use crate::breakdown::coverage::Activity;

const DAY: u32 = 86_400;
const FIRST_DAY: u32 = 20_700;

/// A row of one identity: mostly a message, of few files, connectors, servers and domains.
fn row() -> impl Strategy<Value = Entry> {
    let role = prop_oneof![12 => Just(Role::Message), 1 => prop::sample::select(&Role::ALL[..])];
    let role = role.prop_filter("has an identity", |role| *role != Role::Anonymous);
    let way = prop_oneof![
        9 => prop::sample::select(&Direction::ALL[..2]),
        1 => Just(Direction::Internal),
    ];
    let tls = prop_oneof![
        6 => prop::sample::select(vec![Tls::NoTls, Tls::Tls1_2]),
        1 => Just(Tls::Unknown),
    ];
    let names = (prop::sample::select(vec![NO_NAME, 1, 2]), 0..3_u32);
    let names = (names, prop::sample::select(vec![NO_NAME, 3, 4, 5]));
    (0..4 * DAY, 0..3_u32, (role, way, tls), names).prop_map(
        |(time, file, (role, way, tls), ((connector, remote), peer))| {
            let class = (way as u32) << 7 | (tls as u32) << 4 | role as u32;
            let time = FIRST_DAY * DAY + time;
            Entry::of_parts(7, time, (file, class), remote, (connector, peer))
        },
    )
}

/// What is counted of runs, in an order of its own.
fn counted(
    rules: &Rules<'_>,
    runs: &[Vec<Entry>],
    mut settle: impl FnMut(&mut Run<'_>, &[Entry]),
) -> String {
    let mut tally = Tally::new(rules);
    for run in runs {
        settle(&mut Run { rules, tally: &mut tally }, run);
    }
    tally.fold(true, rules.packs).unwrap();
    let mut settled = Settled::default();
    tally.add_to(&mut settled).unwrap();
    let key = |count: &Count| (count.day, count.direction, count.connector, count.tls, count.file);
    settled.cells.sort_by_key(key);
    settled.peers.sort_by_key(|count| (count.period, count.direction, count.peer, count.tls));
    format!("{settled:#?}")
}

proptest! {
    /// Most identities are settled without weighing their rows.
    #[test]
    fn what_is_counted_at_once_is_what_weighing_gives(
        mut runs in prop::collection::vec(prop::collection::vec(row(), 1..7), 1..20),
        (days, all) in (any::<bool>(), any::<bool>()),
    ) {
        for run in &mut runs {
            run.sort_unstable();
        }
        let mut activity = Activity::default();
        for entry in runs.iter().flatten() {
            activity.add(entry.file(), i64::from(entry.time()) * 1000, true);
        }
        let first = i32::try_from(FIRST_DAY).unwrap();
        let windows = Windows {
            periods: vec![first + 2..first + 3, first + 1..first + 3],
            needed: vec![first + 2..first + 3, first + 1..first + 2, first + 1..first + 3],
            longest: first + 1..first + 3,
        };
        let rules = Rules {
            days: &activity.days(Tz::UTC, &|_| true),
            absent_is_no_tls: &[[true; 3], [false; 3], [true; 3]],
            only: vec![1],
            all,
            windows: (!days).then_some(windows),
            packs: true,
        };
        let mut weighed = Weighed::default();
        let found = counted(&rules, &runs, |of, run| of.settle(run, &mut weighed));
        let expected = counted(&rules, &runs, |of, run| of.settle_weighed(run, &mut weighed));
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn rows_that_may_supersede_one_another_are_weighed() {
    let row = |way: Direction, tls: Tls, role: Role| {
        let class = (way as u32) << 7 | (tls as u32) << 4 | role as u32;
        Entry::of_parts(7, FIRST_DAY * DAY, (0, class), 0, (1, 3))
    };
    let (inbound, outbound) = (Direction::Inbound, Direction::Outbound);
    let known = row(inbound, Tls::Tls1_2, Role::Message);
    let unknown = row(inbound, Tls::Unknown, Role::Message);
    let cases = [
        (known, true),
        (row(inbound, Tls::NoTls, Role::Message), true),
        (row(outbound, Tls::Unknown, Role::Message), true),
        (unknown, false),
        (row(Direction::Internal, Tls::Tls1_2, Role::Message), false),
        (row(outbound, Tls::NoTls, Role::MessageWithoutTls), false),
        (row(outbound, Tls::Tls1_2, Role::FurtherPeer), false),
        (row(inbound, Tls::Tls1_2, Role::Submission), false),
    ];
    for (other, expected) in cases {
        assert_eq!(nothing_to_weigh(&[known, other]), expected, "{other:?}");
        assert_eq!(nothing_to_weigh(&[other, known]), expected, "{other:?}");
    }
    assert!(nothing_to_weigh(&[unknown, unknown]));
}
