//! Every step between two that must not be lost together, for every command that changes
//! something: the process ends there, or the disk fails there, one step after the other.
//!
//! Whoever adds a durable change adds a step after it (a test reads the source), sees it appear
//! in a list below, and with that knows that it is safe to end there.

use std::ops::RangeInclusive;
use std::path::Path;
use std::process::Command;

use crate::office::{Office, WEEKLY, names};
use crate::support::text;

const FIRST: &str = "2026-11-15T00:00:00Z";
const DUE: &str = "2026-11-16T10:00:00Z";
const LATER: [&str; 4] = [
    "2026-11-16T11:00:00Z",
    "2026-11-16T13:00:00Z",
    "2026-11-16T15:00:00Z",
    "2026-11-16T17:00:00Z",
];

/// A command that is disturbed.
struct Case {
    office: Office,
    now: &'static str,
    args: &'static [&'static str],
    /// What is done again by hand before everything is looked at.
    again: bool,
    /// Whether a file that is not finished may stay: in a folder that is the user's.
    leaves: bool,
    /// Bags and mails that there must be in the end.
    ends: (RangeInclusive<usize>, usize),
}

fn seen() -> Office {
    let office =
        Office::with(&format!("{WEEKLY}\n[notify]\naddress = \"admin@contoso.example\"\n"));
    office.ends(0, FIRST, &["tick"]);
    office
}

fn copy_of(office: &Office) -> Office {
    let copy = Office { folder: crate::support::Folder::new() };
    let mut command = Command::new("cp");
    command.args(["-a", "."]).arg(copy.folder.path()).current_dir(office.folder.path());
    assert!(command.status().unwrap().success());
    copy
}

impl Case {
    /// Ends the process at each step in turn, then lets the disk fail at each; gives the names
    /// of the steps, without repetition.
    fn disturb(&self) -> Vec<String> {
        let mut steps: Vec<String> = Vec::new();
        for step in 1.. {
            let Some(said) = self.one("INTRANSIT_ABORT_AT", step, "aborted at step") else { break };
            let aborted = said.lines().find(|line| line.starts_with("aborted at step")).unwrap();
            let name = aborted.split(": ").nth(1).unwrap().to_owned();
            if !steps.contains(&name) {
                steps.push(name);
            }
        }
        for step in 1.. {
            if self.one("INTRANSIT_FAIL_AT", step, "made to fail").is_none() {
                break;
            }
        }
        steps
    }

    /// Disturbs one step of a copy, then looks whether all is well. `None` when the command has
    /// no such step.
    fn one(&self, variable: &str, step: usize, mark: &str) -> Option<String> {
        let copy = copy_of(&self.office);
        let mut command = copy.command(self.now, self.args);
        let output = command.env(variable, step.to_string()).output().unwrap();
        let said = text(&output.stderr);
        if output.status.success() && !said.contains(mark) {
            return None;
        }
        if self.again {
            copy.at(self.now, self.args);
        }
        for now in LATER {
            copy.at(now, &["tick"]);
        }
        let what = format!("{variable}={step} {:?}: {said}", self.args);
        let (bags, mails) = self.ends.clone();
        assert!(bags.contains(&copy.bags().len()), "{:?} {what}", copy.bags());
        assert_eq!(copy.mails().len(), mails, "{what}");
        let open = copy.select(
            "SELECT state FROM outbox WHERE state <> 'delivered'
             UNION ALL SELECT state FROM run WHERE state <> 'done' AND schedule = 'weekly'",
        );
        assert!(open.is_empty(), "{open:?} {what}");
        let verified = copy.at(LATER[3], &["archive", "verify"]);
        assert!(verified.status.success(), "{what}{}", text(&verified.stderr));
        let mut left = Vec::new();
        unfinished(copy.folder.path(), &mut left);
        assert!(self.leaves || left.is_empty(), "{left:?} {what}");
        Some(said)
    }
}

fn unfinished(folder: &Path, found: &mut Vec<String>) {
    for name in names(folder) {
        let path = folder.join(&name);
        if path.is_dir() {
            unfinished(&path, found);
        }
        if name.starts_with(".tmp") {
            found.push(name);
        }
    }
}

/// What it takes to seal a bag.
const SEALED: [&str; 9] = [
    "run changed",
    "file of a folder written",
    "folder written",
    "folder named",
    "bag sealed",
    "file made",
    "file written",
    "file named",
    "ledger committed",
];

#[test]
fn the_first_look_and_a_look_that_finds_a_run_due() {
    let office = Office::new();
    let first =
        Case { office, now: FIRST, args: &["tick"], again: true, leaves: false, ends: (1..=1, 2) };
    assert_eq!(first.disturb(), ["tables made", "ledger committed"]);
    let due = Case {
        office: seen(),
        now: DUE,
        args: &["tick"],
        again: false,
        leaves: false,
        ends: (1..=1, 2),
    };
    let steps = [
        "ledger committed",
        "run changed",
        "light file made",
        "light file named",
        "file made",
        "file written",
        "file named",
        "file of a folder written",
        "folder written",
        "folder named",
        "bag sealed",
        "message marked as sending",
        "message handed over",
        "relay freed",
    ];
    assert_eq!(due.disturb(), steps);
}

/// A bag that is removed is there whole or not at all, whatever happens meanwhile.
#[test]
fn removing_bags_that_were_kept_long_enough() {
    let office = seen();
    office.ends(0, DUE, &["tick"]);
    office.ends(0, "2026-11-16T10:30:00Z", &["archive", "seal"]);
    let settings = std::fs::read_to_string(office.path("intransit.toml")).unwrap();
    office.folder.add("intransit.toml", format!("{settings}\n[archive]\nkeep = \"10m\"\n"));
    let now = "2026-11-16T10:50:00Z";
    let case = Case {
        office,
        now,
        args: &["archive", "prune"],
        again: true,
        leaves: false,
        ends: (2..=2, 2),
    };
    let removed = ["folder unnamed", "folder removed"];
    assert_eq!(case.disturb(), [&SEALED[..], &removed].concat());
}

/// Whoever asks again after the process ended may get a second closing bag: the first is whole.
#[test]
fn closing_the_books() {
    let office = seen();
    office.ends(0, DUE, &["tick"]);
    let now = "2026-11-16T10:30:00Z";
    let case = Case {
        office,
        now,
        args: &["archive", "seal"],
        again: true,
        leaves: false,
        ends: (2..=3, 2),
    };
    assert_eq!(case.disturb(), SEALED);
}

/// What is kept of the files that were read changes no report, whether it is there, half there,
/// or not.
#[test]
fn keeping_and_clearing_the_cache() {
    let office = seen();
    office.ends(0, DUE, &["tick"]);
    let case = Case {
        office,
        now: LATER[0],
        args: &["cache", "clear"],
        again: false,
        leaves: false,
        ends: (1..=1, 2),
    };
    assert_eq!(case.disturb(), ["file removed"]);
}

#[test]
fn a_dry_run_leaves_nothing_behind_but_its_folder() {
    let args = &["run", "weekly", "--dry-run", "--out", "dry"];
    let case = Case { office: seen(), now: DUE, args, again: true, leaves: true, ends: (1..=1, 2) };
    assert_eq!(case.disturb(), ["file made", "file written", "file named"]);
}

/// The calls that change what outlives the process.
const CHANGES: [&str; 6] = [
    ".commit()?",
    "connection.execute(",
    "            .execute(\"DELETE",
    "fs::rename(",
    ".persist(path)",
    "remove_dir_all(&unfinished)",
];

/// A change is followed by a step within its function. Transactions are one change: what stands
/// within them is not.
#[test]
fn every_durable_change_is_followed_by_a_step() {
    let mut missing = Vec::new();
    for file in ["src/store.rs", "src/ledger.rs", "src/ledger/outbox.rs", "src/ledger/runs.rs"] {
        let source = std::fs::read_to_string(file).unwrap();
        let code = source.split("#[cfg(test)]\nmod tests").next().unwrap();
        let functions = code.split("\n    fn ").flat_map(|part| part.split("fn "));
        for function in functions {
            let within = function.contains("connection: &rusqlite::Connection,");
            let Some(change) = CHANGES.iter().filter_map(|call| function.rfind(call)).max() else {
                continue;
            };
            if !within && !function.split_at(change).1.contains("step(\"") {
                let name = function.split('(').next().unwrap();
                missing.push(format!("{file}: {name}"));
            }
        }
    }
    assert!(missing.is_empty(), "no step after a change: {missing:?}");
}
