//! A defect of the program itself, wherever it shows: one clear message, exit code 5, and
//! nothing left behind. A test has it stop itself; release builds cannot be asked to.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::office::{Office, WEEKLY};
use crate::support::{Folder, RANGE, detail, program, text};

const DUE: &str = "2026-11-16T10:00:00Z";

/// Runs a command that must not wait for ever.
fn within(command: &mut Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let limit = Instant::now() + Duration::from_mins(2);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > limit {
            child.kill().unwrap();
            panic!("waits for ever: {}", text(&child.wait_with_output().unwrap().stderr));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}

fn expect_defect(output: &Output, place: &str) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{place}: {said}");
    let message = format!("error: a defect of intransit: made to stop at {place} (");
    assert_eq!(said.matches("error: a defect").count(), 1, "{place}: {said}");
    assert!(said.contains(&message) && said.contains("\nhint: "), "{place}: {said}");
    assert!(!said.contains("panicked") && !said.contains("RUST_BACKTRACE"), "{place}: {said}");
}

/// Threads that read and count, with more to read than they could take at once: nobody waits
/// for one that is gone.
#[test]
fn in_every_thread_that_counts() {
    let row = "2026-11-09T10:00:00Z,1,Received,F,TLS1.2,a@b.example,x@y.example";
    let table = Folder::with("a.csv", detail(&vec![row; 400_000]));
    let line = "Nov  9 10:00:00 mx postfix/qmgr[2]: 4AB12C: from=<a@b.example>, size=1, nrcpt=1\n";
    let log = Folder::with("mail.log", line.repeat(300_000));
    for (place, folder) in [("parsing", &table), ("following", &log), ("settling", &table)] {
        let mut command = program();
        command.current_dir(folder.path()).args(["report", ".", "--out", "out"]).args(RANGE);
        command.args(["--year", "2026"]).env("INTRANSIT_PANIC_IN", place);
        expect_defect(&within(&mut command), place);
        assert!(!folder.path().join("out").exists(), "{place}: a report is whole or absent");
    }
}

/// Threads that nobody waits for while they live.
#[test]
fn in_threads_beside_the_work() {
    let office = Office::with(&format!("{WEEKLY}\n[archive]\nwitness_command = [\"cat\"]\n"));
    let mut command = office.command(DUE, &["run", "weekly"]);
    expect_defect(&within(command.env("INTRANSIT_PANIC_IN", "hook")), "hook");
    // The report was sealed before; nothing is made twice.
    let said = office.ends(0, DUE, &["run", "weekly"]);
    assert_eq!(office.bags().len(), 1, "{said}");

    let mut command = office.command(DUE, &["daemon"]);
    command.env("WATCHDOG_USEC", "1000000").env("INTRANSIT_PANIC_IN", "watchdog");
    expect_defect(&within(&mut command), "watchdog");
}

/// At every step that must not be lost together with the next: what was begun is made up for.
#[test]
fn at_every_step_of_a_run() {
    let (mut steps, mut failed) = (0, 0);
    for step in 1.. {
        let office = Office::new();
        office.ends(0, "2026-11-15T00:00:00Z", &["tick"]);
        let mut command = office.command(DUE, &["tick"]);
        let output = within(command.env("INTRANSIT_PANIC_AT", step.to_string()));
        if output.status.success() {
            break;
        }
        expect_defect(&output, &step.to_string());
        steps = step;
        for now in ["2026-11-16T13:00:00Z", "2026-11-16T17:00:00Z"] {
            office.at(now, &["tick"]);
        }
        // While the report itself is made, a defect is a failed run: another try would meet it.
        if office.runs() == ["2026-11-16T07:00 failed"] {
            failed += 1;
            office.ends(0, DUE, &["run", "weekly"]);
            assert_eq!(office.mails().len(), 2, "{step}");
            continue;
        }
        assert_eq!((office.bags().len(), office.mails().len()), (1, 2), "{step}");
        office.ends(0, "2026-11-16T17:00:00Z", &["archive", "verify"]);
    }
    assert!(steps > 20 && failed < steps / 2, "{steps} {failed}");
}
