//! Runs of a schedule, as its administrator sees them: what is made, filed, mailed and told.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::office::{Mail, Office, WEEKLY, names};
use crate::support::text;

/// Monday 16 November 2026, seven in São Paulo.
const DUE: &str = "2026-11-16T10:00:00Z";
const NOMINAL: &str = "2026-11-16T07:00";

fn week_of(report: &serde_json::Value) -> (String, String) {
    let period = &report["periods"][0];
    let day = |key: &str| period[key].as_str().unwrap().to_owned();
    (day("from"), day("to"))
}

#[test]
fn a_run_is_filed_and_mailed_to_everyone() {
    let office = Office::new();
    office.ends(0, DUE, &["run", "weekly", "--nominal", NOMINAL]);
    let [bag] = &office.bags()[..] else { panic!("one bag") };
    assert_eq!(bag, "000001-weekly-2026-11-16");
    for manifest in ["manifest-sha256.txt", "tagmanifest-sha256.txt"] {
        let checked = Command::new("sha256sum")
            .args(["--check", "--strict", "--quiet", manifest])
            .current_dir(office.path("evidence/bags").join(bag))
            .output()
            .unwrap();
        assert!(checked.status.success(), "{}", text(&checked.stderr));
    }
    let report = office.report(bag);
    assert_eq!(week_of(&report), ("2026-11-09".to_owned(), "2026-11-15".to_owned()));
    assert_eq!(report["run"]["nominal"], NOMINAL);
    assert_eq!(report["periods"][0]["totals"][0]["messages"], 7);
    assert_eq!(office.mails().len(), 2);
    let [auditor] = &office.mail_to("auditor@contoso.example")[..] else { panic!("one mail") };
    let attached: Vec<&str> = auditor.attachments.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(attached, ["report.pdf", "connectors.csv", "daily.csv"]);
    for (name, content) in &auditor.attachments {
        assert_eq!(*content, office.filed(bag, name), "{name} is what was filed");
    }
    let [officer] = &office.mail_to("officer@contoso.example")[..] else { panic!("one mail") };
    assert!(officer.attachments.is_empty());
    for mail in [auditor, officer] {
        assert_eq!(mail.auto_submitted, "auto-generated");
        assert!(
            mail.html.len() < 80_000
                && mail.html.contains("Fabrikam") == mail.text.contains("Fabrikam")
        );
        assert!(mail.subject.contains("9 November 2026 to 15 November 2026"), "{}", mail.subject);
        assert!(mail.text.contains("Filed as 000001-weekly-2026-11-16 under evidence."));
        assert!(!mail.html.contains("<img") && !mail.html.contains("<svg"));
        assert!(!mail.text.contains(" late"), "it is on time");
    }
}

#[test]
fn the_same_occurrence_is_made_once_and_revised_only_when_asked() {
    let office = Office::new();
    office.ends(0, DUE, &["run", "weekly"]);
    let first = office.filed("000001-weekly-2026-11-16", "report.json");
    let said = office.ends(0, DUE, &["run", "weekly"]);
    assert!(said.contains("was made already"), "{said}");
    assert_eq!((office.bags().len(), office.mails().len()), (1, 2));
    // More traces came in the meantime.
    office.traces("2026-09-01", "2026-12-20");
    office.ends(0, "2026-11-17T10:00:00Z", &["run", "weekly", "--nominal", NOMINAL, "--revise"]);
    assert_eq!(office.bags(), ["000001-weekly-2026-11-16", "000002-weekly-2026-11-16-r2"]);
    assert_eq!(office.filed("000001-weekly-2026-11-16", "report.json"), first);
    assert_eq!(office.report("000002-weekly-2026-11-16-r2")["run"]["revision"], 2);
    let mails = office.mail_to("officer@contoso.example");
    assert_eq!(mails.len(), 2);
    assert_ne!(mails[0].id, mails[1].id);
    assert_eq!(mails.iter().filter(|mail| mail.subject.contains("revision 2")).count(), 1);
}

#[test]
fn nothing_to_revise_and_no_such_time_are_told() {
    let office = Office::new();
    let said = office.ends(2, DUE, &["run", "weekly", "--revise"]);
    assert!(said.contains("was not made yet"), "{said}");
    let said = office.ends(2, DUE, &["run", "weekly", "--nominal", "2026-11-16T08:00"]);
    assert!(said.contains("2026-11-16T07:00") && said.contains("2026-11-23T07:00"), "{said}");
    let said = office.ends(2, DUE, &["run", "weekl"]);
    assert!(said.contains("did you mean `weekly`?"), "{said}");
}

/// The cursor starts when the schedule is first seen; then nothing due is lost.
#[test]
fn three_weeks_down_are_three_reports_in_order_marked_late() {
    let office = Office::new();
    office.ends(0, "2026-11-15T00:00:00Z", &["tick"]);
    assert!(office.bags().is_empty(), "nothing before the first look is made up");
    office.ends(0, "2026-12-01T12:00:00Z", &["tick"]);
    assert_eq!(
        office.bags(),
        ["000001-weekly-2026-11-16", "000002-weekly-2026-11-23", "000003-weekly-2026-11-30"]
    );
    let weeks: Vec<String> =
        office.bags().iter().map(|bag| week_of(&office.report(bag)).0).collect();
    assert_eq!(weeks, ["2026-11-09", "2026-11-16", "2026-11-23"]);
    let late: Vec<bool> = office
        .mail_to("officer@contoso.example")
        .iter()
        .map(|mail| mail.text.contains("late: it was due"))
        .collect();
    assert_eq!(late, [true, true, true]);
    assert!(office.mails()[0].text.contains("15 days and 2 hours late"));
    // The clock goes back a day, and forth again: nothing runs twice.
    for now in ["2026-11-30T12:00:00Z", "2026-11-16T10:00:00Z", "2026-12-01T12:00:00Z"] {
        office.ends(0, now, &["tick"]);
    }
    assert_eq!((office.bags().len(), office.mails().len()), (3, 6));
}

#[test]
fn what_is_not_made_up_for_is_recorded_with_its_reason() {
    let cases = [
        ("missed = \"last\"", ["skipped", "skipped", "done"], "makes up for the newest only"),
        ("missed = \"none\"", ["skipped", "skipped", "skipped"], "missed = \"none\""),
        ("missed_window = \"10d\"", ["skipped", "done", "done"], "missed_window"),
        ("paused = true", ["skipped", "skipped", "skipped"], "paused"),
    ];
    for (key, states, reason) in cases {
        let office = Office::with(&format!("{key}\n{WEEKLY}"));
        office.ends(0, "2026-11-15T00:00:00Z", &["tick"]);
        office.ends(0, "2026-12-01T12:00:00Z", &["tick"]);
        let expected: Vec<String> = ["2026-11-16", "2026-11-23", "2026-11-30"]
            .iter()
            .zip(states)
            .map(|(day, state)| format!("{day}T07:00 {state}"))
            .collect();
        assert_eq!(office.runs(), expected, "{key}");
        let reasons = office.select("SELECT reason FROM run WHERE state = 'skipped'");
        assert!(reasons.iter().all(|told| told.contains(reason)), "{key}: {reasons:?}");
        let done = states.iter().filter(|state| **state == "done").count();
        assert_eq!(office.bags().len(), done, "{key}");
    }
}

#[test]
fn an_occurrence_in_time_runs_under_every_policy() {
    for missed in ["all", "last", "none"] {
        let office = Office::with(&format!("missed = \"{missed}\"\n{WEEKLY}"));
        office.ends(0, "2026-11-15T00:00:00Z", &["tick"]);
        office.ends(0, "2026-11-16T10:20:00Z", &["tick"]);
        assert_eq!(office.runs(), ["2026-11-16T07:00 done"], "{missed}");
    }
}

/// Exchange's traces lag by up to a day: the report waits, then goes out marked.
#[test]
fn a_report_waits_for_its_data_and_says_when_it_did_not_come() {
    let schedule = format!("wait_for_data = \"6h\"\n{WEEKLY}");
    let office = Office::with(&schedule);
    office.traces("2026-10-01", "2026-11-14");
    office.ends(0, "2026-11-15T12:00:00Z", &["tick"]);
    office.ends(0, "2026-11-16T10:05:00Z", &["tick"]);
    assert_eq!(office.runs(), ["2026-11-16T07:00 due"]);
    assert!(office.mails().is_empty());
    // The rest arrives: the next look makes the report, whole.
    office.traces("2026-10-01", "2026-11-16");
    office.ends(0, "2026-11-16T11:00:00Z", &["tick"]);
    assert!(office.report("000001-weekly-2026-11-16")["incomplete"].is_null());
    // Next week nothing arrives: after six hours it goes out as it is.
    office.ends(0, "2026-11-23T10:05:00Z", &["tick"]);
    assert_eq!(office.bags().len(), 1);
    office.ends(0, "2026-11-23T16:01:00Z", &["tick"]);
    let incomplete = &office.report("000002-weekly-2026-11-23")["incomplete"];
    assert_eq!(incomplete["newest"], "2026-11-16T12:30:00Z");
    assert_eq!(incomplete["needed"], "2026-11-23T03:00:00Z");
    let mails = office.mail_to("officer@contoso.example");
    let marked: Vec<bool> = mails.iter().map(|mail| mail.subject.contains("incomplete")).collect();
    assert_eq!(marked, [false, true]);
    assert!(mails[1].text.contains("Incomplete: the newest row is of 2026-11-16 12:30 UTC"));
    let page = String::from_utf8(office.filed("000002-weekly-2026-11-23", "report.html")).unwrap();
    assert!(page.contains("Incomplete: the newest row"));
}

/// A run that waits holds up the later ones of its schedule, so that they come in order.
#[test]
fn runs_of_one_schedule_are_strictly_serial() {
    let office = Office::with(&format!(
        "wait_for_data = \"6h\"\n{}",
        WEEKLY.replace("0 7 * * MON", "0 7,8 * * MON")
    ));
    office.traces("2026-10-01", "2026-11-14");
    office.ends(0, "2026-11-15T12:00:00Z", &["tick"]);
    office.ends(0, "2026-11-16T10:50:00Z", &["tick"]);
    office.traces("2026-10-01", "2026-11-16");
    office.ends(0, "2026-11-16T11:01:00Z", &["tick"]);
    assert_eq!(office.runs(), ["2026-11-16T07:00 due", "2026-11-16T08:00 due"]);
    office.ends(0, "2026-11-16T11:10:00Z", &["tick"]);
    let order = office.select("SELECT nominal FROM run ORDER BY seq");
    assert_eq!(order, ["2026-11-16T07:00", "2026-11-16T08:00"]);
    assert_eq!(office.bags().len(), 2);
}

#[test]
fn a_report_that_cannot_be_made_is_told_and_the_next_one_speaks_of_it() {
    let office =
        Office::with(&format!("{WEEKLY}\n[notify]\naddress = \"admin@contoso.example\"\n"));
    office.ends(0, "2026-11-15T00:00:00Z", &["tick"]);
    std::fs::remove_file(office.path("traces/all.csv")).unwrap();
    let said = office.ends(3, DUE, &["tick"]);
    assert!(said.contains("weekly.toml") && said.contains("traces/*.csv"), "{said}");
    assert_eq!(office.runs(), ["2026-11-16T07:00 failed"]);
    let [notice] = &office.mails()[..] else { panic!("one notice") };
    assert_eq!(notice.to, "admin@contoso.example");
    assert!(notice.text.contains("traces/*.csv"), "{}", notice.text);
    assert!(notice.text.contains("intransit run weekly --nominal 2026-11-16T07:00"));
    let status = office.json("2026-11-16T12:00:00Z", &["status"]);
    assert_eq!(status["ok"], false);
    assert!(status["schedules"][0]["last_success"].is_null());
    office.ends(1, "2026-11-16T12:00:00Z", &["status"]);
    // A week later the traces are there again.
    office.traces("2026-10-01", "2026-12-20");
    office.ends(0, "2026-11-23T10:00:00Z", &["tick"]);
    let [officer] = &office.mail_to("officer@contoso.example")[..] else { panic!("one mail") };
    assert!(officer.text.contains("The report of 2026-11-16 07:00 could not be made"));
    // And the missing one can be made after all.
    office.ends(0, "2026-11-23T11:00:00Z", &["run", "weekly", "--nominal", NOMINAL]);
    assert_eq!(office.runs(), ["2026-11-16T07:00 done", "2026-11-23T07:00 done"]);
    assert_eq!(office.json("2026-11-23T12:00:00Z", &["status"])["ok"], true);
}

/// What passes by itself is tried again; only what waits for a person is recorded as failed.
#[test]
fn a_machine_that_cannot_read_now_reads_later() {
    let office = Office::new();
    office.ends(0, "2026-11-15T00:00:00Z", &["tick"]);
    let gone = office.path("no/temporary/folder");
    let output = office.command(DUE, &["tick"]).env("TMPDIR", gone).output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.contains("temporary folder") && said.contains("tried again after"), "{said}");
    assert_eq!(office.runs(), ["2026-11-16T07:00 due"]);
    office.ends(0, "2026-11-16T10:02:00Z", &["tick"]);
    assert_eq!(office.runs(), ["2026-11-16T07:00 done"]);
}

#[test]
fn status_tells_of_a_schedule_that_nobody_runs() {
    let office = Office::new();
    office.ends(0, "2026-11-15T00:00:00Z", &["tick"]);
    let status = office.json("2026-11-16T10:30:00Z", &["status"]);
    assert_eq!(status["schedules"][0]["overdue"], false, "within the hour");
    let status = office.json("2026-11-16T12:00:00Z", &["status"]);
    assert_eq!((&status["ok"], &status["schedules"][0]["overdue"]), (&false.into(), &true.into()));
    office.ends(0, DUE, &["tick"]);
    let status = office.json("2026-11-17T00:00:00Z", &["status"]);
    assert_eq!(status["schedules"][0]["last_success"], NOMINAL);
    assert_eq!(status["schedules"][0]["next_due"], "2026-11-23T10:00:00Z");
    office.ends(0, "2026-11-23T00:00:00Z", &["status", "--max-age", "8d"]);
    office.ends(1, "2026-11-25T00:00:00Z", &["status", "--max-age", "8d"]);
}

#[test]
fn one_process_works_on_a_state_folder() {
    let office = Office::new();
    let held =
        intransit::ledger::Lock::take(&office.path("state"), "process 4711 (intransit daemon)");
    let said = office.ends(2, DUE, &["tick"]);
    assert!(said.contains("is in use by process 4711 (intransit daemon)"), "{said}");
    drop(held);
    office.ends(0, DUE, &["tick"]);
}

#[test]
fn a_dry_run_writes_what_would_be_sent_and_changes_nothing() {
    let office = Office::new();
    let run = ["run", "weekly", "--nominal", NOMINAL];
    office.ends(0, DUE, &[&run[..], &["--dry-run", "--out", "dry"]].concat());
    assert!(!office.path("state").exists() && !office.path("evidence").exists());
    assert!(!office.path("outbox").exists());
    office.ends(0, DUE, &run);
    assert_eq!(names(&office.path("dry/mail")), names(&office.path("outbox")));
    for name in names(&office.path("outbox")) {
        let planned = Mail::read(&office.path("dry/mail").join(&name));
        let sent = Mail::read(&office.path("outbox").join(&name));
        assert_eq!((&planned.id, &planned.subject), (&sent.id, &sent.subject));
        assert_eq!(planned.attachments, sent.attachments, "{name}");
        // Where it is filed is known only when it is.
        let beginning = |mail: &Mail| mail.text.split("The full report").next().unwrap().to_owned();
        assert_eq!(beginning(&planned), beginning(&sent), "{name}");
    }
    for name in ["report.html", "report.pdf", "report.json", "connectors.csv", "daily.csv"] {
        let planned = std::fs::read(office.path("dry").join(name)).unwrap();
        assert_eq!(planned, office.filed("000001-weekly-2026-11-16", name), "{name}");
    }
}

#[test]
fn a_recipient_of_one_connector_sees_no_other() {
    let schedule = WEEKLY.replace(
        "address = \"officer@contoso.example\"",
        "address = \"partner@fabrikam.example\"\nattach = [\"json\", \"pdf\"]\nconnectors = [\"Fabrikam\"]",
    );
    let office = Office::with(&schedule);
    let rows = [
        "2026-11-10T12:00:00Z,1,Inbound,Fabrikam,TLS1.2,a@x.example,b@y.example",
        "2026-11-10T12:00:00Z,2,Inbound,Secret partner,No TLS,a@z.example,b@y.example",
        "2026-11-11T12:00:00Z,3,Outbound,,TLS1.3,b@y.example,a@x.example",
    ];
    office.folder.add("traces/all.csv", crate::support::detail(&rows));
    office.ends(0, DUE, &["run", "weekly"]);
    let [partner] = &office.mail_to("partner@fabrikam.example")[..] else { panic!("one mail") };
    let json = &partner.attachments.iter().find(|(name, _)| name == "report.json").unwrap().1;
    let report: serde_json::Value = serde_json::from_slice(json).unwrap();
    assert_eq!(report["only"], serde_json::json!(["Fabrikam"]));
    assert_eq!(report["periods"][0]["totals"][0]["messages"], 1);
    assert_eq!(report["periods"][0]["totals"][1]["messages"], 0);
    let seen = format!("{}{}{}", partner.text, partner.html, text(json));
    assert!(seen.contains("Fabrikam") && !seen.contains("Secret partner"), "{seen}");
    let bag = &office.bags()[0];
    assert_eq!(*json, office.filed(bag, "variants/01-en/report.json"), "what was sent is filed");
    assert_eq!(office.report(bag)["periods"][0]["totals"][0]["messages"], 2);
}

#[test]
fn inputs_are_copied_into_the_evidence_where_asked() {
    let office = Office::with(&format!("{WEEKLY}\n[archive]\ninputs = \"copy\"\n"));
    office.ends(0, DUE, &["run", "weekly"]);
    let copy = office.filed("000001-weekly-2026-11-16", "inputs/0001-all.csv");
    assert_eq!(copy, std::fs::read(office.path("traces/all.csv")).unwrap());
}

#[test]
fn wrong_settings_are_told_with_file_and_key() {
    let smtp = "[mail]\ntransport = \"smtp\"\nfrom = \"a@contoso.example\"\nhost = \"localhost\"\nport = 9\n";
    let with = |more: &str| format!("{WEEKLY}\n{more}");
    let cases = [
        (WEEKLY.replace("0 7 * * MON", "0 7 * * MOO"), "cron", "MOO"),
        (WEEKLY.replace("0 7 * * MON", "0 7 31 2 *"), "cron", "never"),
        (WEEKLY.replace("Sao_Paulo", "Sao_Paolo"), "timezone", "did you mean `America/Sao_Paulo`?"),
        (WEEKLY.replace("periods", "period"), "period", "did you mean `periods`?"),
        (WEEKLY.replace("[\"week\"]", "[\"wek\"]"), "periods", "wek"),
        (WEEKLY.replace("traces/*.csv", "trace/*.csv"), "source.path", "trace/*.csv"),
        (WEEKLY.replace("auditor@", "auditor"), "recipient.address", "auditorcontoso"),
        (WEEKLY.replace("officer@", "auditor@"), "recipient.address", "twice"),
        (WEEKLY.replace("\"pdf\"", "\"docx\""), "recipient.attach", "docx"),
        (
            with(&format!("{smtp}auth = \"password\"\nusername = \"a\"\n")),
            "mail.password_file",
            "is missing",
        ),
        (
            with(&format!(
                "{smtp}auth = \"password\"\nusername = \"a\"\npassword_file = \"none\"\n"
            )),
            "mail.password_file",
            "none",
        ),
        (
            with(&format!(
                "{smtp}auth = \"password\"\nusername = \"a\"\npassword_file = \"open\"\n"
            )),
            "mail.password_file",
            "can be read by others",
        ),
        (
            with("[archive]\nsigning_key = \"open\"\n"),
            "archive.signing_key",
            "can be read by others",
        ),
        (with(smtp), "mail", "localhost:9"),
        (with(&smtp.replace("host = \"localhost\"", "")), "mail.host", "is missing"),
    ];
    for (schedule, key, found) in cases {
        let office = Office::with(&schedule);
        let open = office.folder.add("open", "secret");
        let for_all = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        std::fs::set_permissions(open, for_all).unwrap();
        let said = office.ends(2, DUE, &["schedule", "check"]);
        let told = said.contains("weekly.toml") && said.contains(key) && said.contains(found);
        assert!(told, "{key}, {found}: {said}");
        assert_eq!(said.matches("error: ").count(), 1, "one message: {said}");
        assert!(!office.path("state").exists(), "nothing was run");
    }
    Office::new().ends(0, DUE, &["schedule", "check"]);
}

/// A schedule that cannot be used holds up no other, and is not passed over in silence.
#[test]
fn one_bad_schedule_does_not_stop_the_others() {
    let office = Office::new();
    office.folder.add("schedules/bad.toml", "cron = \"0 7 * *\"\ntimezone = \"UTC\"\n");
    office.ends(2, "2026-11-15T00:00:00Z", &["tick"]);
    let said = office.ends(2, DUE, &["tick"]);
    assert!(said.contains("bad.toml"), "{said}");
    assert_eq!(office.runs(), ["2026-11-16T07:00 done"]);
    office.ends(2, DUE, &["daemon"]);
}

#[test]
fn next_shows_what_a_clock_change_does() {
    let office = Office::with(
        &WEEKLY.replace("0 7 * * MON", "30 2 * * SUN").replace("America/Sao_Paulo", "Europe/Paris"),
    );
    let next = office.json(
        DUE,
        &["schedule", "next", "weekly", "--count", "1", "--from", "2027-03-27T00:00:00Z"],
    );
    assert_eq!(next[0]["nominal"], "2027-03-28T02:30");
    assert_eq!(next[0]["fires_at"], "2027-03-28T01:00:00Z");
    assert_eq!((&next[0]["note"], &next[0]["offset"]), (&"gap".into(), &"+02:00".into()));
    assert_eq!(next[0]["schedule"], "weekly");
}

/// In a gap several nominal times fall on one instant: one run, the others recorded.
#[test]
fn times_that_fall_on_one_instant_are_one_run() {
    let office = Office::with(
        &WEEKLY
            .replace("0 7 * * MON", "*/30 2 * * SUN")
            .replace("America/Sao_Paulo", "Europe/Paris"),
    );
    office.traces("2027-03-01", "2027-03-30");
    office.ends(0, "2027-03-27T12:00:00Z", &["tick"]);
    office.ends(0, "2027-03-28T01:05:00Z", &["tick"]);
    assert_eq!(office.runs(), ["2027-03-28T02:00 skipped", "2027-03-28T02:30 done"]);
}

/// Waits until something is so, for at most ten seconds.
fn until(what: &str, mut so: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(10);
    while !so() {
        assert!(Instant::now() < limit, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_daemon_runs_what_is_due_keeps_good_settings_and_stops_when_told() {
    let office = Office::new();
    office.ends(0, "2026-11-15T00:00:00Z", &["tick"]);
    let log = std::fs::File::create(office.path("log")).unwrap();
    let mut daemon = office
        .command(DUE, &["daemon", "--log-format", "json"])
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let logged = |word: &str| std::fs::read_to_string(office.path("log")).unwrap().contains(word);
    let signal = |name: &str| {
        let sent = Command::new("kill").args([name, &daemon.id().to_string()]).status().unwrap();
        assert!(sent.success());
    };
    until("the run", || office.mails().len() == 2);
    let said = office.ends(2, DUE, &["tick"]);
    assert!(said.contains(&format!("process {} (intransit daemon)", daemon.id())), "{said}");
    office.folder.add("schedules/weekly.toml", WEEKLY.replace("MON", "MOO"));
    signal("-HUP");
    until("the refusal", || logged("last good settings stay"));
    assert!(logged("MOO"), "it says why");
    office.folder.add("schedules/weekly.toml", WEEKLY.replace("MON", "TUE"));
    signal("-HUP");
    until("the change", || logged("settings read again"));
    signal("-TERM");
    assert_eq!(daemon.wait().unwrap().code(), Some(0));
    let log = std::fs::read_to_string(office.path("log")).unwrap();
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["level"].is_string() && line["timestamp"].is_string());
    }
    assert_eq!(office.bags().len(), 1);
}

#[test]
fn the_schema_for_editors_is_the_one_that_holds() {
    let path = std::path::Path::new("schedules/schedule.schema.json");
    let schema = intransit::render::json::pretty(&intransit::config::schema());
    if std::env::var_os("UPDATE").is_some() {
        intransit::store::write_atomic(path, &schema).unwrap();
    }
    let stored = std::fs::read(path).unwrap();
    assert!(stored == schema, "`UPDATE=1 cargo test the_schema` writes it anew");
    let schema: serde_json::Value = serde_json::from_slice(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for file in ["intransit.toml", "schedules/weekly-audit.toml"] {
        let value: toml::Value =
            std::fs::read_to_string(file).unwrap().parse::<toml::Table>().unwrap().into();
        let value = serde_json::to_value(value).unwrap();
        let faults: Vec<String> =
            validator.iter_errors(&value).map(|fault| fault.to_string()).collect();
        assert!(faults.is_empty(), "{file}: {faults:?}");
    }
}
