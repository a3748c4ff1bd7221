//! Insights, as the program reports them.

use serde_json::Value;

use crate::support::{Folder, RANGE, detail};

fn table(no_tls: usize, tls1_2: usize) -> String {
    let row = |n: usize, tls: &str| {
        format!("2026-11-09T10:00:00Z,{tls}{n},Received,F,{tls},a@b.example,x@y.example")
    };
    let rows: Vec<String> = (0..no_tls)
        .map(|n| row(n, "No Tls"))
        .chain((0..tls1_2).map(|n| row(n, "TLS1.2")))
        .collect();
    detail(&rows.iter().map(String::as_str).collect::<Vec<_>>())
}

fn insights<'a>(report: &'a Value, rule: &str) -> Vec<&'a Value> {
    let all = report["periods"][0]["insights"].as_array().unwrap();
    all.iter().filter(|insight| insight["rule"] == rule).collect()
}

/// Exactly 25.000 % does not fire; one message more does.
#[test]
fn the_limit_itself_does_not_fire() {
    let report = Folder::with("a.csv", table(250, 750)).report(&RANGE);
    assert!(insights(&report, "no-tls-share").is_empty());
    let report = Folder::with("a.csv", table(251, 750)).report(&RANGE);
    let found = insights(&report, "no-tls-share");
    assert_eq!(found.len(), 1);
    let insight = found[0];
    assert_eq!((&insight["severity"], &insight["certainty"]), (&"alert".into(), &"certain".into()));
    assert_eq!((&insight["messages"], &insight["of"]), (&251.into(), &1001.into()));
    assert_eq!((&insight["limit_percent"], &insight["connector"]), (&25.into(), &"F".into()));
}

#[test]
fn too_little_mail_is_no_alert() {
    let report = Folder::with("a.csv", table(19, 0)).report(&RANGE);
    let insight = insights(&report, "no-tls-share")[0].clone();
    assert_eq!(
        (&insight["severity"], &insight["too_little_mail"]),
        (&"notice".into(), &true.into())
    );
    let report = Folder::with("a.csv", table(20, 0)).report(&RANGE);
    assert_eq!(insights(&report, "no-tls-share")[0]["severity"], "alert");
}

/// Limits, contacts and forced TLS come from intransit.toml; unknown keys are refused.
#[test]
fn settings_change_the_rules() {
    let folder = Folder::with("a.csv", table(5, 95));
    folder.add(
        "intransit.toml",
        "[report]\norganisation = \"Contoso\"\n[insights]\nno_tls_percent = 4\n\
         [[connector]]\nname = \"F\"\nforced_tls = true\ncontact = \"postmaster@fabrikam.example\"\n",
    );
    let report = folder.report(&RANGE);
    assert_eq!(report["organisation"], "Contoso");
    assert_eq!(insights(&report, "no-tls-share")[0]["limit_percent"], 4);
    let broken = insights(&report, "forced-tls-broken")[0];
    assert_eq!(
        (&broken["messages"], &broken["contact"]),
        (&5.into(), &"postmaster@fabrikam.example".into())
    );
    folder.add("intransit.toml", "[insights]\nno_tls_procent = 4\n");
    let stderr = folder.failure(2, &RANGE);
    assert!(
        stderr.contains("intransit.toml") && stderr.contains("hint: did you mean `no_tls_percent`"),
        "{stderr}"
    );
}

/// The sources of intransit.toml are used from any folder below it.
#[test]
fn sources_from_settings() {
    let folder = Folder::with("traces/a.csv", table(1, 1));
    folder.add("intransit.toml", "[[source]]\npath = \"traces/*.csv\"\n");
    folder.add("below/x", "");
    let mut command = crate::support::program();
    command.current_dir(folder.path().join("below")).args(["report", "--json"]).args(RANGE);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", crate::support::text(&output.stderr));
}

#[test]
fn comparison_with_the_period_before() {
    let folder = Folder::with(
        "a.csv",
        detail(&[
            "2026-11-02T10:00:00Z,1,Received,F,TLS1.2,a@b.example,x@y.example",
            "2026-11-03T10:00:00Z,2,Received,Gone,TLS1.2,a@b.example,x@y.example",
            "2026-11-15T10:00:00Z,3,Received,F,No Tls,a@b.example,x@y.example",
        ]),
    );
    let report = folder.report(&["--period", "week", "--period", "30d"]);
    assert_eq!(report["as_of"], "2026-11-16");
    let week = &report["periods"][0];
    assert_eq!((&week["from"], &week["to"]), (&"2026-11-09".into(), &"2026-11-15".into()));
    assert_eq!(week["totals"][0]["previous"]["messages"], 2);
    assert_eq!(insights(&report, "new-plaintext").len(), 1);
    assert_eq!(insights(&report, "connector-silent")[0]["connector"], "Gone");
    assert_eq!(report["periods"][1]["totals"][0]["previous"], Value::Null, "not covered");
}

#[test]
fn fail_on_sets_the_exit_code() {
    let folder = Folder::with("a.csv", table(50, 50));
    let run = |args: &[&str]| folder.run(&[&["report", ".", "--json"], &RANGE[..], args].concat());
    assert_eq!(run(&["--fail-on", "alert"]).status.code(), Some(1));
    assert_eq!(run(&[]).status.code(), Some(0));
    let clean = Folder::with("a.csv", table(0, 50));
    let args = [&["report", ".", "--json", "--fail-on", "alert"], &RANGE[..]].concat();
    assert_eq!(clean.run(&args).status.code(), Some(0));
}

/// `count = "recipients"` counts each recipient of a message once, whichever row names it.
#[test]
fn recipients_instead_of_messages() {
    let folder = Folder::with(
        "a.csv",
        detail(&[
            "2026-11-09T10:00:00Z,1,Sent,F,TLS1.2,x@y.example,a@f.example;b@f.example;A@f.example",
            "2026-11-09T10:00:00Z,1,Sent,F,TLS1.2,x@y.example,b@f.example",
            "2026-11-09T10:00:00Z,1,Sent,F,TLS1.2,x@y.example,c@g.example",
            "2026-11-09T10:00:00Z,2,Received,F,No Tls,a@h.example,x@y.example;z@y.example",
        ]),
    );
    folder.add("intransit.toml", "count = \"recipients\"\n");
    let report = folder.report(&RANGE);
    let expected = crate::support::expected(&["outbound|F|tls1_2|3", "inbound|F|no_tls|2"]);
    assert_eq!(crate::support::counts(&report), expected);
    let source = &report["sources"][0];
    assert_eq!((&source["unit"], &source["rows"]), (&"recipients".into(), &4.into()));
    assert_eq!(source["counted"], 4, "every row names a recipient");
    let peers = report["periods"][0]["peers"].as_array().unwrap();
    let peers: Vec<String> =
        peers.iter().map(|p| format!("{} {}", p["peer"], p["messages"])).collect();
    assert_eq!(peers, ["\"h.example\" 2", "\"f.example\" 2", "\"g.example\" 1"]);
    folder.add("intransit.toml", "count = \"sessions\"\n");
    assert!(folder.failure(2, &RANGE).contains("messages, recipients"));
}

/// `--connector` limits everything to the connectors named: totals and peers too.
#[test]
fn only_some_connectors() {
    let folder = Folder::with(
        "a.csv",
        detail(&[
            "2026-11-09T10:00:00Z,1,Received,F,TLS1.2,a@f.example,x@y.example",
            "2026-11-09T10:00:00Z,2,Received,Gateway,TLS1.2,a@g.example,x@y.example",
            "2026-11-09T10:00:00Z,3,Received,,TLS1.2,a@h.example,x@y.example",
        ]),
    );
    let args: Vec<&str> = RANGE.iter().copied().chain(["--connector", "Gateway"]).collect();
    let report = folder.report(&args);
    let period = &report["periods"][0];
    assert_eq!(period["totals"][0]["messages"], 1);
    assert_eq!(period["peers"].as_array().unwrap().len(), 1);
    assert_eq!(period["peers"][0]["peer"], "g.example");
    assert_eq!(period["connectors"].as_array().unwrap().len(), 1);
    let args: Vec<&str> = RANGE.iter().copied().chain(["--connector", "Gatewai"]).collect();
    let stderr = folder.failure(2, &args);
    assert!(stderr.contains("`Gatewai`") && stderr.contains("did you mean `Gateway`?"), "{stderr}");
}

/// A quiet week is a fact, not an error.
#[test]
fn a_period_without_mail_is_a_report() {
    let folder = Folder::with("a.csv", table(1, 1));
    let report = folder.report(&["--from", "2026-12-01", "--to", "2026-12-07"]);
    assert_eq!(report["periods"][0]["totals"][0]["messages"], 0);
    assert_eq!(report["periods"][0]["coverage"]["ends_after_newest_row"], true);
    let output =
        folder.run(&["report", ".", "--out", "o", "--from", "2026-12-01", "--to", "2026-12-07"]);
    assert!(output.status.success());
}

/// In a zone of half hours, rows before midnight do not hide that the next day has none.
#[test]
fn days_without_rows_in_a_zone_of_half_hours() {
    let folder = Folder::with(
        "a.csv",
        detail(&[
            "2026-11-09T18:10:00Z,1,Received,F,TLS1.2,a@b.example,x@y.example",
            "2026-11-11T10:00:00Z,2,Received,F,TLS1.2,a@b.example,x@y.example",
        ]),
    );
    let args = ["--timezone", "Asia/Kolkata", "--from", "2026-11-09", "--to", "2026-11-11"];
    let coverage = folder.report(&args)["periods"][0]["coverage"].clone();
    assert_eq!(coverage["days_without_rows"], serde_json::json!(["2026-11-10"]));
}

/// Rejects above 1 % of a file, and row counts at which exports are cut off, are noticed.
#[test]
fn coverage_is_judged() {
    let mut rows = table(0, 98);
    rows.push_str("bad\r\nbad\r\n");
    let report = Folder::with("a.csv", rows).report(&RANGE);
    let problems: Vec<&str> = insights(&report, "coverage-gap")
        .iter()
        .filter_map(|insight| insight["problem"].as_str())
        .collect();
    assert!(problems.contains(&"rejects"), "{problems:?}");
    let report = Folder::with("a.csv", table(0, 5000)).report(&RANGE);
    assert_eq!(report["periods"][0]["coverage"]["capped_files"], serde_json::json!(["a.csv"]));
}
