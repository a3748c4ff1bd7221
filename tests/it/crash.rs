//! The process is killed at any moment, again and again: afterwards every occurrence has one
//! run, every recipient one final state, and nothing is left lying about.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::fault_server::{FaultServer, Script, Transport};
use crate::office::{Office, WEEKLY, names};

/// Ten Mondays are due.
const DUE: &str = "2026-12-21T10:00:00Z";
const LATER: [&str; 3] = ["2026-12-21T12:00:00Z", "2026-12-21T14:00:00Z", "2026-12-21T16:00:00Z"];

/// How often the process is killed; more where a person asks for it.
fn kills() -> u64 {
    std::env::var("INTRANSIT_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(40)
}

/// Kills `tick` after a time that differs each time, up to a little more than a run takes.
fn kill_again_and_again(office: &Office, longest_ms: u64) {
    let mut state = 0x9e37_79b9_u64;
    let (first, weeks): (DateTime<Utc>, i64) = ("2026-10-19T10:00:00Z".parse().unwrap(), 9);
    for kill in 0..kills() {
        // The weeks pass meanwhile, so that there is always something to be broken off.
        let passed = TimeDelta::hours(
            weeks * 168 * i64::try_from(kill).unwrap() / i64::try_from(kills()).unwrap(),
        );
        let now = (first + passed).to_rfc3339();
        // A linear congruence spreads the moments well enough, the same in each run.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let wait = Duration::from_micros(1000 + (state >> 33) % (longest_ms * 1000));
        let mut tick = office
            .command(&now, &["tick"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(wait);
        tick.kill().unwrap();
        tick.wait().unwrap();
    }
}

/// Undisturbed looks, until nothing waits.
fn come_to_rest(office: &Office) {
    for now in [&[DUE], &LATER[..]].concat() {
        office.at(now, &["tick"]);
    }
    office.ends(0, LATER[2], &["tick"]);
}

fn unfinished(folder: &Path, found: &mut Vec<String>) {
    for name in names(folder) {
        let path = folder.join(&name);
        if name.starts_with(".tmp") {
            found.push(path.display().to_string());
        }
        if path.is_dir() {
            unfinished(&path, found);
        }
    }
}

fn check(office: &Office) {
    let runs = office.runs();
    assert_eq!(runs.len(), 10, "{runs:?}");
    assert!(runs.iter().all(|run| run.ends_with(" done")), "{runs:?}");
    let mondays: Vec<String> =
        office.bags().iter().map(|bag| bag.split_at(7).1.to_owned()).collect();
    let expected: Vec<String> =
        runs.iter().map(|run| format!("weekly-{}", run.split_at(10).0)).collect();
    assert_eq!(mondays, expected, "one bag for each, in order");
    let states = office.select("SELECT state || ' ' || count(*) FROM outbox GROUP BY state");
    assert_eq!(states, ["delivered 20"]);
    assert_eq!(office.select("PRAGMA integrity_check"), ["ok"]);
    office.ends(0, LATER[2], &["archive", "verify"]);
    let mut left = Vec::new();
    unfinished(office.folder.path(), &mut left);
    assert!(left.is_empty(), "{left:?}");
    for bag in office.bags() {
        let checked = std::process::Command::new("sha256sum")
            .args(["--check", "--strict", "--status", "manifest-sha256.txt"])
            .current_dir(office.path("evidence/bags").join(bag))
            .status()
            .unwrap();
        assert!(checked.success());
    }
}

#[test]
fn killed_at_any_moment_with_a_folder_every_message_is_there_once() {
    let office = Office::with(&format!("missed_window = \"90d\"\n{WEEKLY}"));
    office.ends(0, "2026-10-15T00:00:00Z", &["tick"]);
    kill_again_and_again(&office, 120);
    come_to_rest(&office);
    check(&office);
    assert_eq!(office.mails().len(), 20);
    let attempts = office.select("SELECT DISTINCT CAST(attempts AS TEXT) FROM outbox");
    assert_eq!(attempts, ["1"], "a crash uses up no attempt");
}

/// Mail through a relay, broken off again and again: copies of each message that arrived,
/// by Message-ID.
fn through_a_relay(on_doubt: &str) -> (Office, BTreeMap<String, Vec<Vec<u8>>>) {
    let server = FaultServer::start(Script::new(Transport::StartTls));
    let port = server.port();
    let office = Office::with(&format!(
        "missed_window = \"90d\"\n{WEEKLY}\n[mail]\ntransport = \"smtp\"\n\
         from = \"audit@contoso.example\"\nhost = \"localhost\"\nport = {port}\n\
         ca_file = \"ca.pem\"\non_doubt = \"{on_doubt}\"\n"
    ));
    office.folder.add("ca.pem", server.ca_pem());
    office.ends(0, "2026-10-15T00:00:00Z", &["tick"]);
    kill_again_and_again(&office, 160);
    for now in [&[DUE], &LATER[..]].concat() {
        office.at(now, &["tick"]);
    }
    server.settle();
    let mut arrived: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for message in server.messages() {
        let id = crate::office::Mail::parse(&message.bytes).id;
        arrived.entry(id).or_default().push(message.bytes);
    }
    (office, arrived)
}

#[test]
fn killed_at_any_moment_with_a_relay_only_unchanged_bytes_arrive_twice() {
    let (office, arrived) = through_a_relay("resend");
    come_to_rest(&office);
    check(&office);
    assert_eq!(arrived.len(), 20, "each message arrived, under its own Message-ID");
    for (id, copies) in arrived {
        assert!(copies.windows(2).all(|pair| pair[0] == pair[1]), "{id} changed");
    }
}

/// What was being handed over is known to be in doubt: it is never sent again by itself.
#[test]
fn killed_at_any_moment_nothing_arrives_twice_where_doubt_is_held() {
    let (office, arrived) = through_a_relay("hold");
    let twice: Vec<&String> =
        arrived.iter().filter(|(_, copies)| copies.len() > 1).map(|(id, _)| id).collect();
    assert!(twice.is_empty(), "{twice:?}");
    let delivered = office.select("SELECT message_id FROM outbox WHERE state = 'delivered'");
    assert!(delivered.iter().all(|id| arrived.contains_key(id)), "what is delivered arrived");
    let open = office.select("SELECT state FROM outbox WHERE state NOT IN ('delivered', 'held')");
    assert!(open.is_empty(), "{open:?}");
    assert_eq!(office.select("SELECT CAST(count(*) AS TEXT) FROM outbox"), ["20"]);
}
