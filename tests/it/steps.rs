//! Every step between two that must not be lost together, for every command that changes
//! something: the process ends there, or the disk fails there, one step after the other.
//!
//! Whoever adds a durable change adds a step after it (a test reads the source), sees it appear
//! in a list below, and with that knows that it is safe to end there.

use std::path::Path;
use std::process::Command;

use crate::fault_server::{Act, At, FaultServer, Script, Transport};
use crate::office::{Mail, Office, WEEKLY, names};
use crate::support::text;

const FIRST: &str = "2026-11-15T00:00:00Z";
const DUE: &str = "2026-11-16T10:00:00Z";
/// Looks in peace, with time between them for what waits.
const LATER: [&str; 2] = ["2026-11-16T13:00:00Z", "2026-11-16T17:00:00Z"];

/// What must be there after a disturbance, whatever it was.
type Ends<'a> = &'a dyn Fn(&Office, &str);

/// A command that is disturbed.
struct Case<'a> {
    office: Office,
    now: &'a str,
    args: &'a [&'a str],
    /// Whether it is done again by hand before everything is looked at.
    again: bool,
    ends: Ends<'a>,
}

fn seen(more: &str) -> Office {
    let notify = "[notify]\naddress = \"admin@contoso.example\"\n";
    let office = Office::with(&format!("{WEEKLY}\n{notify}{more}"));
    office.ends(0, FIRST, &["tick"]);
    office
}

/// An office that has filed and mailed one report.
fn reported() -> Office {
    let office = seen("");
    office.ends(0, DUE, &["tick"]);
    office
}

fn copy_of(office: &Office) -> Office {
    let copy = Office { folder: crate::support::Folder::new() };
    let mut command = Command::new("cp");
    command.args(["-a", "."]).arg(copy.folder.path()).current_dir(office.folder.path());
    assert!(command.status().unwrap().success());
    copy
}

impl Case<'_> {
    /// Ends the process at each step in turn, then lets the disk fail at each; gives the names
    /// of the steps in order, each once.
    fn disturb(&self) -> Vec<String> {
        let mut steps: Vec<String> = Vec::new();
        for (variable, mark) in
            [("INTRANSIT_ABORT_AT", "aborted at step"), ("INTRANSIT_FAIL_AT", "made to fail")]
        {
            for step in 1.. {
                let Some(said) = self.one(variable, step, mark) else { break };
                let line = said.lines().find(|line| line.contains(mark)).unwrap();
                let name = line.split(": ").nth(1).unwrap().to_owned();
                if !steps.contains(&name) {
                    steps.push(name);
                }
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
        if !said.contains(mark) {
            return None;
        }
        if self.again {
            copy.at(self.now, self.args);
        }
        for now in LATER {
            copy.at(now, &["tick"]);
        }
        let what = format!("{variable}={step} {:?}: {said}", self.args);
        (self.ends)(&copy, &what);
        if copy.path("evidence").exists() {
            let verified = copy.at(LATER[1], &["archive", "verify"]);
            assert!(verified.status.success(), "{what}{}", text(&verified.stderr));
        }
        let mut left = Vec::new();
        for folder in ["state", "evidence", "outbox"] {
            unfinished(&copy.path(folder), &mut left);
        }
        assert!(left.is_empty(), "{left:?} {what}");
        Some(said)
    }
}

/// Bags, mails, and whether everything came to its good end.
fn all_done(office: &Office, what: &str, bags: usize, mails: usize) {
    assert_eq!((office.bags().len(), office.mails().len()), (bags, mails), "{what}");
    let open = office.select(
        "SELECT state FROM outbox WHERE state <> 'delivered'
         UNION ALL SELECT state FROM run WHERE state <> 'done' AND schedule = 'weekly'",
    );
    assert!(open.is_empty(), "{open:?} {what}");
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

/// What hands a message over to a folder.
const MAILED: [&str; 6] = [
    "message marked as sending",
    "file made",
    "file written",
    "file named",
    "message handed over",
    "relay freed",
];

#[test]
fn the_first_look_and_a_look_that_finds_a_run_due() {
    let ends = |office: &Office, what: &str| all_done(office, what, 1, 2);
    let first =
        Case { office: Office::new(), now: FIRST, args: &["tick"], again: true, ends: &ends };
    assert_eq!(first.disturb(), ["tables made", "ledger committed"]);
    let due = Case { office: seen(""), now: DUE, args: &["tick"], again: false, ends: &ends };
    let steps = due.disturb();
    let kept = ["ledger committed", "run changed", "light file made", "light file named"];
    assert_eq!(steps[..4], kept);
    for step in SEALED.iter().chain(&MAILED) {
        assert!(steps.iter().any(|found| found == step), "{step}: {steps:?}");
    }
    assert_eq!(steps.len(), 14, "{steps:?}");
}

/// A report that cannot be made: it is recorded once, and told once.
#[test]
fn a_report_that_cannot_be_made_and_its_notice() {
    let office = seen("");
    std::fs::remove_file(office.path("traces/all.csv")).unwrap();
    let ends = |office: &Office, what: &str| {
        assert_eq!(office.runs(), ["2026-11-16T07:00 failed"], "{what}");
        let to: Vec<String> = office.mails().into_iter().map(|mail| mail.to).collect();
        assert_eq!(to, ["admin@contoso.example"], "{what}");
    };
    let case = Case { office, now: DUE, args: &["tick"], again: false, ends: &ends };
    let expected = [&["ledger committed", "run changed", "run failed"][..], &MAILED].concat();
    assert_eq!(case.disturb(), expected);
}

/// A relay that takes one recipient and refuses the other: each has one receipt, one word is
/// said of it, and what arrived twice out of doubt is the same to the byte.
#[test]
fn mail_through_a_relay_with_its_receipts_and_the_notice() {
    let script = Script::new(Transport::StartTls);
    let script = script.when(At::Rcpt, "officer@", Act::say("550 5.1.1 nobody"));
    let server = FaultServer::start(script);
    let mail = format!(
        "[mail]\ntransport = \"smtp\"\nhost = \"localhost\"\nport = {}\nca_file = \"ca.pem\"\n\
         from = \"audit@contoso.example\"\n",
        server.port()
    );
    let office =
        Office::with(&format!("{WEEKLY}\n[notify]\naddress = \"admin@x.example\"\n{mail}"));
    office.folder.add("ca.pem", server.ca_pem());
    office.ends(0, FIRST, &["tick"]);
    let ends = |office: &Office, what: &str| {
        let states = office.select("SELECT recipient || ' ' || state FROM outbox ORDER BY 1");
        let expected = [
            "admin@x.example delivered",
            "auditor@contoso.example delivered",
            "officer@contoso.example refused",
        ];
        assert_eq!(states, expected, "{what}");
        let receipts = office.select(
            "SELECT message_id FROM attempt WHERE outcome = 'delivered' GROUP BY message_id
             HAVING count(*) = 1",
        );
        assert_eq!(receipts.len(), 2, "{what}");
        server.settle();
        let arrived: Vec<(String, Vec<u8>)> = server
            .messages()
            .into_iter()
            .map(|message| (Mail::parse(&message.bytes).id, message.bytes))
            .collect();
        for id in receipts {
            assert!(arrived.iter().any(|(other, _)| *other == id), "{id} never arrived: {what}");
        }
    };
    let case = Case { office, now: DUE, args: &["tick"], again: false, ends: &ends };
    let steps = case.disturb();
    for step in ["message marked as sending", "message handed over", "relay freed"] {
        assert!(steps.iter().any(|found| found == step), "{step}: {steps:?}");
    }
}

/// A relay that is down is parked, and the messages wait; asked again by hand, they go.
#[test]
fn mail_that_waits_for_a_relay_and_is_tried_again_by_hand() {
    let server = FaultServer::start(Script::new(Transport::StartTls));
    let busy = || {
        let hang_up = Act::SayAndHangUp("421 4.3.2 not now".into());
        Script::new(Transport::StartTls).at(At::Banner, hang_up)
    };
    server.set(busy());
    let mail = format!(
        "[mail]\ntransport = \"smtp\"\nhost = \"localhost\"\nport = {}\nca_file = \"ca.pem\"\n\
         from = \"audit@contoso.example\"\n",
        server.port()
    );
    let office = Office::with(&format!("{WEEKLY}\n{mail}"));
    office.folder.add("ca.pem", server.ca_pem());
    office.ends(0, FIRST, &["tick"]);
    let ends = |office: &Office, what: &str| {
        let states = office.select("SELECT DISTINCT state FROM outbox");
        assert_eq!(states, ["delivered"], "{what}");
        server.set(busy());
    };
    office.ends(4, DUE, &["tick"]);
    let up = |office: &Office, what: &str| {
        // Nothing was handed over while the relay was down; now it is up.
        server.set(Script::new(Transport::StartTls));
        for now in ["2026-11-16T19:00:00Z", "2026-11-16T21:00:00Z"] {
            office.at(now, &["tick"]);
        }
        ends(office, what);
    };
    let args = ["deliver", "retry"];
    let case = Case { office, now: LATER[0], args: &args, again: false, ends: &up };
    let steps = case.disturb();
    assert_eq!(
        steps,
        [
            "relay freed",
            "message to be tried again",
            "message handed over",
            "message put",
            "relay parked"
        ]
    );
}

/// A bag that is removed is there whole or not at all, whatever happens meanwhile.
#[test]
fn removing_bags_that_were_kept_long_enough() {
    let office = reported();
    office.ends(0, "2026-11-16T10:30:00Z", &["archive", "seal"]);
    let settings = std::fs::read_to_string(office.path("intransit.toml")).unwrap();
    office.folder.add("intransit.toml", format!("{settings}\n[archive]\nkeep = \"10m\"\n"));
    let ends = |office: &Office, what: &str| all_done(office, what, 2, 2);
    let now = "2026-11-16T10:50:00Z";
    let case = Case { office, now, args: &["archive", "prune"], again: true, ends: &ends };
    let removed = ["folder unnamed", "folder removed"];
    assert_eq!(case.disturb(), [&["run added"], &SEALED[..], &removed].concat());
}

/// Whoever asks again after the process ended may get a second closing bag: the first is whole.
#[test]
fn closing_the_books() {
    let ends = |office: &Office, what: &str| {
        let bags = office.bags().len();
        assert!((2..=3).contains(&bags), "{bags} {what}");
        all_done(office, what, bags, 2);
    };
    let now = "2026-11-16T10:30:00Z";
    let case =
        Case { office: reported(), now, args: &["archive", "seal"], again: true, ends: &ends };
    assert_eq!(case.disturb(), [&["run added"], &SEALED[..]].concat());
}

/// What is kept of the files that were read changes no report, whether it is there, half there,
/// or not.
#[test]
fn clearing_the_cache() {
    let ends = |office: &Office, what: &str| all_done(office, what, 1, 2);
    let args = ["cache", "clear"];
    let case = Case { office: reported(), now: LATER[0], args: &args, again: false, ends: &ends };
    assert_eq!(case.disturb(), ["file removed"]);
}

#[test]
fn a_dry_run_changes_nothing() {
    let ends = |office: &Office, what: &str| all_done(office, what, 1, 2);
    let args = ["run", "weekly", "--dry-run", "--out", "dry"];
    let case = Case { office: seen(""), now: DUE, args: &args, again: true, ends: &ends };
    assert_eq!(case.disturb(), ["file made", "file written", "file named"]);
}

/// The calls that change what outlives the process.
const CHANGES: [&str; 8] = [
    ".commit()?",
    "insert(&self.connection",
    "change(&self.connection",
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
