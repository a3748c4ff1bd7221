//! Rows that do not fit into the memory that they may take are set aside on the disk, and no
//! report shows it.

use chrono_tz::Tz;
use intransit::breakdown::{Collector, Room, Scope};
use intransit::config::Memory;
use intransit::cube::{self, Place};
use intransit::failure::Failure;
use intransit::ingest;
use intransit::run::{self, Request, RunError};
use intransit::trace::{Names, Unit};
use proptest::prelude::*;

use crate::cube::{FileOf, Office, RowOf, Shape, any_file};
use crate::support::{Folder, text};

/// So little that every block of rows is set aside.
const NONE: Memory = Memory::of_bytes(0);
/// So little that some rows are set aside and some are not: a few thousand rows are held.
const LITTLE: Memory = Memory::of_bytes(1 << 18);

fn report(request: &Request) -> Result<String, String> {
    let outcome = run::report(request).map_err(|error| error.chain())?;
    assert_eq!(outcome.notes, Vec::<String>::new());
    Ok(serde_json::to_string_pretty(&outcome.report).unwrap())
}

/// The reports of a folder in much memory, in little, and with the cache, cold and warm.
fn reports(office: &Office) -> Vec<Result<String, String>> {
    let with = |memory, cache: Option<Place>| report(&Request { memory, ..office.request(cache) });
    let mut reports = vec![with(Memory::default(), None), with(NONE, None), with(LITTLE, None)];
    for memory in [NONE, LITTLE] {
        for _ in 0..2 {
            reports.push(with(memory, Some(office.cache())));
        }
        if let Ok(verdict) = cube::verify(&office.cache()) {
            assert!(verdict.ok, "{verdict:?}");
        }
        cube::clear(&office.cache(), false).unwrap();
    }
    reports
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_report_shows_whether_rows_were_set_aside(
        files in prop::collection::vec(any_file(), 1..6),
        zone in prop::sample::select(vec![Tz::UTC, Tz::Asia__Kathmandu, Tz::America__Sao_Paulo]),
        recipients in any::<bool>(),
    ) {
        let unit = if recipients { Unit::Recipients } else { Unit::Messages };
        let office = Office::new(zone, unit);
        for (number, file) in files.iter().enumerate() {
            office.put(&format!("{number}.csv"), &file.text(), 600 - number as u64);
        }
        let all = reports(&office);
        for other in &all {
            prop_assert_eq!(other, &all[0]);
        }
    }
}

/// So many rows that they are settled in many parts, by several threads: three overlapping
/// files of kinds with one and with several rows per message.
fn many(seed: u64) -> Vec<FileOf> {
    let mut state = seed;
    let mut draw = |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((state >> 33) % below).unwrap()
    };
    let shapes = [(Shape::Detail, 40_000), (Shape::Events, 30_000), (Shape::Detail, 20_000)];
    let file = |(shape, rows): (Shape, usize)| FileOf {
        shape,
        rows: (0..rows)
            .map(|_| RowOf {
                message: u32::try_from(draw(60_000)).unwrap(),
                minute: u32::try_from(draw(30_000)).unwrap(),
                way: draw(4),
                connector: draw(4),
                tls: draw(5),
                event: draw(6),
                peer: u32::try_from(draw(3000)).unwrap(),
            })
            .collect(),
    };
    shapes.map(file).to_vec()
}

#[test]
fn many_rows_in_many_parts_are_counted_the_same() {
    for (seed, unit) in [(1, Unit::Messages), (2, Unit::Recipients)] {
        let office = Office::new(Tz::Europe__Paris, unit);
        for (number, file) in many(seed).iter().enumerate() {
            office.put(&format!("{number}.csv"), &file.text(), 600 - number as u64);
        }
        let all = reports(&office);
        assert!(all[0].is_ok());
        for (number, other) in all.iter().enumerate() {
            assert!(*other == all[0], "report {number} of seed {seed}");
        }
    }
}

/// A report is made of all rows or not at all.
#[test]
fn a_disk_that_takes_no_rows_is_an_error_and_no_number() {
    let office = Office::new(Tz::UTC, Unit::Messages);
    office.put("a.csv", &many(3)[2].text(), 60);
    let sources = office.request(None).sources;
    let names = Names::new();
    let collector = Collector::new(Room { bytes: 0, folder: "/nonexistent/x".into() });
    let sink = |block| collector.push(&block);
    let reading = ingest::read(&sources, false, Unit::Messages, &names, &sink).unwrap();
    let scope = Scope { zone: Tz::UTC, periods: Vec::new(), only: Vec::new(), named: Vec::new() };
    let error = collector.finish(&reading, &names, &scope).unwrap_err();
    let failure = Failure::from(RunError::Count(error));
    assert_eq!(failure.kind as i32, 5);
    let said = failure.to_string();
    assert!(said.contains("cannot be set aside in `/nonexistent/x`: No such file"), "{said}");
    assert!(said.contains("hint: free space there, or give more memory with --memory"), "{said}");
}

#[test]
fn memory_is_a_size_that_a_report_can_be_made_in() {
    let folder = Folder::with("a.csv", many(3)[2].text());
    let run = |args: &[&str]| {
        let output = folder.run(&[&["report", "a.csv", "--json"], args].concat());
        (output.status.code(), text(&output.stderr))
    };
    assert_eq!(run(&["--memory", "1GiB"]).0, Some(0));
    let (code, said) = run(&["--memory", "100MB"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("`100MB` is too little memory"), "{said}");
    let (code, said) = run(&["--memory", "lots"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("such as 512MB or 1GiB"), "{said}");
    folder.add("intransit.toml", "memory = \"9MB\"\n");
    let (code, said) = run(&[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("`9MB` is too little memory"), "{said}");
}
