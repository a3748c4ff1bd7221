//! Runs that take too long, or end the process that makes them: recorded as failed, told, and in
//! nobody's way.

use std::process::Command;

use crate::office::{Office, WEEKLY};
use crate::support::text;

const FIRST: &str = "2026-11-15T00:00:00Z";
const DUE: &str = "2026-11-16T10:00:00Z";
const NOTIFY: &str = "[notify]\naddress = \"admin@contoso.example\"\n";

/// An office with two schedules, `weekly` and `other`, seen before they are due.
fn two(first_of_weekly: &str) -> Office {
    let office = Office::with(&format!("{first_of_weekly}{WEEKLY}\n{NOTIFY}"));
    office.folder.add("schedules/other.toml", format!("{WEEKLY}\n{NOTIFY}"));
    office.ends(0, FIRST, &["tick"]);
    office
}

fn states(office: &Office) -> Vec<String> {
    office.select("SELECT schedule || ' ' || state FROM run ORDER BY schedule")
}

fn reason(office: &Office) -> String {
    let reasons = office.select("SELECT reason FROM run WHERE schedule = 'weekly'");
    reasons.concat()
}

/// The notice that the administrator got.
fn told(office: &Office) -> String {
    let [mail] = &office.mail_to("admin@contoso.example")[..] else { panic!("one notice") };
    mail.text.clone()
}

/// A pipe into which nobody writes stands for traces that take too long.
#[test]
fn a_run_that_takes_too_long_is_stopped_and_told() {
    let office = two("run_timeout = \"1s\"\n");
    let weekly = office.path("schedules/weekly.toml");
    let settings = std::fs::read_to_string(&weekly).unwrap().replace("traces/*.csv", "pipe");
    office.folder.add("schedules/weekly.toml", settings);
    assert!(Command::new("mkfifo").arg(office.path("pipe")).status().unwrap().success());
    let said = office.ends(5, DUE, &["tick"]);
    assert!(said.contains("run_timeout = \"1s\": making the report took too long"), "{said}");
    assert_eq!(states(&office), ["other done", "weekly failed"]);
    assert!(told(&office).contains("run_timeout"), "{}", told(&office));
    // Failed is failed: it is not tried again by itself, and made when somebody asks for it.
    office.ends(0, "2026-11-16T12:00:00Z", &["tick"]);
    assert_eq!(states(&office), ["other done", "weekly failed"]);
    office.folder.add("schedules/weekly.toml", WEEKLY);
    office.ends(0, "2026-11-16T12:00:00Z", &["run", "weekly"]);
    assert_eq!(states(&office), ["other done", "weekly done"]);
}

#[test]
fn a_time_of_nothing_is_refused() {
    let office = Office::with(&format!("run_timeout = \"0s\"\n{WEEKLY}"));
    let said = office.ends(2, DUE, &["schedule", "check"]);
    assert!(said.contains("`run_timeout`: is no time at all"), "{said}");
}

/// A run that ends its process is begun three times, then made in a process of its own, which
/// ends as well: it is recorded as failed. The other schedule's report is made at the second
/// look, before it is tried again.
#[test]
fn a_run_that_ends_its_process_is_given_up_and_holds_up_no_other() {
    let office = two("");
    // By name, `other` would come first by itself.
    let settings = std::fs::read_to_string(office.path("schedules/other.toml")).unwrap();
    office.folder.add("schedules/zz.toml", settings);
    std::fs::remove_file(office.path("schedules/other.toml")).unwrap();
    office.ends(0, FIRST, &["tick"]);
    let tick = || {
        let mut command = office.command(DUE, &["tick"]);
        command.env("INTRANSIT_ABORT_IN", "weekly").output().unwrap()
    };
    assert_eq!(tick().status.code(), None, "aborted");
    assert_eq!(states(&office), ["weekly running", "zz due"]);
    assert_eq!(tick().status.code(), None);
    assert_eq!(states(&office), ["weekly running", "zz done"]);
    assert_eq!(office.mail_to("officer@contoso.example").len(), 1, "and mailed");
    assert_eq!(tick().status.code(), None);
    let fourth = tick();
    let said = text(&fourth.stderr);
    assert_eq!(fourth.status.code(), Some(5), "{said}");
    let why = "the process ended in the middle 3 times, and a process that only made the report";
    assert!(said.contains(why) && reason(&office).starts_with(why), "{said}");
    assert_eq!(states(&office), ["weekly failed", "zz done"]);
    assert!(told(&office).contains("the process ended in the middle 3 times"));
    assert_eq!(office.select("SELECT CAST(count(*) AS TEXT) FROM start"), ["0"]);
    // Once its cause is gone, it is made when somebody asks for it.
    office.ends(0, DUE, &["run", "weekly"]);
    assert_eq!(states(&office), ["weekly done", "zz done"]);
}

/// Somebody else who ends the process any number of times makes no run fail: made by itself, the
/// report comes to an end.
#[test]
fn a_run_whose_process_others_end_is_made_all_the_same() {
    let office = two("");
    for _ in 0..6 {
        let mut command = office.command(DUE, &["tick"]);
        // The second step of a look: the run is begun.
        let output = command.env("INTRANSIT_ABORT_AT", "4").output().unwrap();
        assert_eq!(output.status.code(), None, "{}", text(&output.stderr));
    }
    let counts = office.select("SELECT CAST(max(count) AS TEXT) FROM start");
    assert!(counts[0].parse::<u32>().unwrap() >= 3, "{counts:?}");
    office.ends(0, DUE, &["tick"]);
    assert_eq!(states(&office), ["other done", "weekly done"]);
}

/// What is given up in the end is given up whatever a trial says.
#[test]
fn a_run_is_not_begun_without_end() {
    let office = two("");
    let begun = "INSERT INTO start SELECT schedule, nominal, revision, 1000 FROM run
                 WHERE schedule = 'weekly'";
    let output = office.command(DUE, &["tick"]).env("INTRANSIT_ABORT_IN", "weekly").output();
    assert_eq!(output.unwrap().status.code(), None);
    let ledger = rusqlite::Connection::open(office.path("state/ledger.db")).unwrap();
    ledger.execute_batch(&format!("DELETE FROM start; {begun}")).unwrap();
    office.ends(5, DUE, &["tick"]);
    assert_eq!(states(&office), ["other done", "weekly failed"]);
    assert_eq!(reason(&office), "the process ended in the middle 1000 times");
}

/// A defect ends the process, and is remembered: others are made first, and the run is given up
/// when it meets the defect again and again.
#[test]
fn a_run_that_meets_a_defect_waits_and_is_given_up() {
    let office = two("");
    let tick = |now: &str| {
        let output = office.command(now, &["tick"]).env("INTRANSIT_PANIC_IN", "other").output();
        output.unwrap().status.code()
    };
    assert_eq!(tick(DUE), Some(5));
    assert_eq!(states(&office), ["other due", "weekly due"]);
    assert_eq!(tick("2026-11-16T10:00:30Z"), Some(0));
    assert_eq!(states(&office), ["other due", "weekly done"]);
    for time in ["10:02", "10:08", "10:24"] {
        assert_eq!(tick(&format!("2026-11-16T{time}:00Z")), Some(5));
        assert_eq!(states(&office), ["other due", "weekly done"]);
    }
    assert_eq!(tick("2026-11-16T11:25:00Z"), Some(5));
    assert_eq!(states(&office), ["other failed", "weekly done"]);
    office.ends(0, "2026-11-16T11:26:00Z", &["tick"]);
    assert!(told(&office).contains("the program found a defect in itself"), "{}", told(&office));
}

/// Every place of the source that asks whether the time is over.
fn places() -> Vec<String> {
    let mut found = std::collections::BTreeSet::new();
    let mut folders = vec![std::path::PathBuf::from("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let code = std::fs::read_to_string(&path).unwrap();
            for asked in ["limit::passed(\"", "limit::check(\""] {
                let places = code.split(asked).skip(1).filter_map(|rest| rest.split('"').next());
                found.extend(places.map(str::to_owned));
            }
        }
    }
    found.into_iter().collect()
}

/// What an office has whose run stops at each of the places, or where none reaches the place.
#[test]
fn a_run_whose_time_is_over_anywhere_is_failed_or_done_and_nothing_between() {
    let copies = "[archive]\ninputs = \"copy\"\n";
    let mut stopped = Vec::new();
    for place in places() {
        let office = Office::with(&format!("{WEEKLY}\n{copies}{NOTIFY}"));
        office.ends(0, FIRST, &["tick"]);
        let output = office.command(DUE, &["tick"]).env("INTRANSIT_LATE_AT", &place).output();
        let output = output.unwrap();
        let said = text(&output.stderr);
        let state = states(&office).concat();
        let left = |folder: &str| {
            let all = walkdir(&office.path(folder));
            all.into_iter().filter(|name| name.contains(".tmp-")).collect::<Vec<_>>()
        };
        assert_eq!([left("evidence"), left("outbox"), left("state")].concat(), [""; 0], "{place}");
        match output.status.code() {
            Some(5) => {
                assert_eq!(state, "weekly failed", "{place}: {said}");
                let why = "run_timeout = \"6h\": making the report took too long";
                assert!(said.contains(why) && told(&office).contains(why), "{place}: {said}");
                assert_eq!(office.bags(), [""; 0], "{place}");
                stopped.push(place);
            }
            code => {
                // What was no time for is mail: a test of its own.
                let expected = if place == "mail" { Some(4) } else { Some(0) };
                assert_eq!((code, state.as_str()), (expected, "weekly done"), "{place}: {said}");
                assert_eq!(office.bags().len(), 1, "{place}");
                continue;
            }
        }
        // It is made when somebody asks for it, whole.
        office.ends(0, "2026-11-16T12:00:00Z", &["run", "weekly"]);
        assert_eq!(office.mail_to("auditor@contoso.example").len(), 1);
        office.ends(0, "2026-11-16T12:00:00Z", &["archive", "verify"]);
    }
    // What only other sources or a broken cache reach is not among them.
    let expected = ["letters", "reading", "rendering", "report made", "sealing", "settling"];
    assert_eq!(stopped, expected);
}

fn walkdir(folder: &std::path::Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| {
            let mut names = walkdir(&path);
            names.push(path.display().to_string());
            names
        })
        .collect()
}

/// `intransit report`, filed or not, and a dry run: nothing is written, and it is said what to do.
#[test]
fn a_report_on_demand_whose_time_is_over_is_none() {
    let commands: [&[&str]; 3] = [
        &["report", "--out", "out"],
        &["report", "--archive", "--out", "out"],
        &["run", "weekly", "--dry-run", "--out", "out"],
    ];
    for place in ["reading", "settling", "rendering", "sealing"] {
        for args in commands {
            let office = two("");
            let home = std::fs::read_to_string(office.path("intransit.toml")).unwrap();
            let home = format!("{home}\n[[source]]\npath = \"traces/*.csv\"\n");
            office.folder.add("intransit.toml", home);
            let output = office.command(DUE, args).env("INTRANSIT_LATE_AT", place).output();
            let output = output.unwrap();
            let said = text(&output.stderr);
            if place == "sealing" && args[1] != "--archive" {
                assert!(output.status.success(), "nothing is sealed: {said}");
                continue;
            }
            assert_eq!(output.status.code(), Some(5), "{place} {args:?}: {said}");
            let told = ["error: making the report took too long", "run_timeout = \"12h\""];
            assert!(told.iter().all(|told| said.contains(told)), "{place} {args:?}: {said}");
            assert!(!office.path("out").exists() && office.bags().is_empty(), "{place} {args:?}");
            if args[1] == "--archive" {
                // Recorded, and the next one is filed.
                assert_eq!(states(&office), ["on-demand failed"]);
                office.ends(0, "2026-11-16T10:00:01Z", args);
                assert_eq!(office.bags().len(), 1);
                office.ends(0, DUE, &["archive", "verify"]);
            }
        }
    }
}

/// A report on demand obeys the settings; a pipe into which nobody writes takes too long.
#[test]
fn a_report_on_demand_has_the_time_of_the_settings() {
    let office = two("");
    assert!(Command::new("mkfifo").arg(office.path("pipe")).status().unwrap().success());
    let home = std::fs::read_to_string(office.path("intransit.toml")).unwrap();
    office.folder.add("intransit.toml", format!("run_timeout = \"1s\"\n{home}"));
    let said = office.ends(5, DUE, &["report", "pipe"]);
    assert!(said.contains("error: making the report took too long"), "{said}");
    office.folder.add("intransit.toml", format!("run_timeout = \"0s\"\n{home}"));
    let said = office.ends(2, DUE, &["report", "pipe"]);
    assert!(said.contains("`run_timeout`: is no time at all"), "{said}");
}

/// Mail for which no time is left goes out at the next look, none lost and none twice.
#[test]
fn mail_whose_time_is_over_waits_for_the_next_look() {
    let office = two("");
    let late = |now: &str, args: &[&str]| {
        let output = office.command(now, args).env("INTRANSIT_LATE_AT", "mail").output().unwrap();
        (output.status.code(), text(&output.stderr))
    };
    let (code, said) = late(DUE, &["run", "weekly"]);
    assert_eq!(code, Some(4), "{said}");
    let why = "auditor@contoso.example: queued: no time was left: it goes out at the next look";
    assert!(said.contains(why), "{said}");
    assert!(said.contains("run_timeout is over: 2 message(s) wait for the next look"), "{said}");
    assert_eq!(office.mails().len(), 0);
    assert_eq!(office.bags().len(), 1, "the report is filed all the same");
    office.ends(0, DUE, &["tick"]);
    assert_eq!(office.mails().len(), 4, "two of each schedule");
    office.ends(0, DUE, &["tick"]);
    assert_eq!(office.mails().len(), 4);
}
