//! The demonstration: what the generator counted while it made the traces must be what the
//! reader counts.

use std::path::Path;

use serde_json::Value;

use crate::support::{Folder, program, text};

fn truths(manifest: &Value) -> Vec<String> {
    let totals = manifest["totals"].as_array().unwrap();
    let mut lines: Vec<String> = totals.iter().map(|total| line(&total["period"], total)).collect();
    lines.sort();
    lines
}

fn reported(report: &Value) -> Vec<String> {
    let periods = report["periods"].as_array().unwrap();
    let mut lines: Vec<String> = periods
        .iter()
        .flat_map(|period| {
            let connectors = period["connectors"].as_array().unwrap();
            connectors.iter().map(|connector| line(&period["id"], connector)).collect::<Vec<_>>()
        })
        .collect();
    lines.sort();
    lines
}

fn line(period: &Value, held: &Value) -> String {
    let (direction, connector) = (&held["direction"], &held["connector"]);
    format!("{period} {direction} {connector} {} {}", held["messages"], held["tls"])
}

/// Every (period, direction, connector, band), for several plans.
#[test]
fn the_report_equals_the_truth() {
    for plan in [
        &["--messages", "3000", "--seed", "1"][..],
        &["--messages", "2000", "--seed", "7", "--days", "75"],
        &["--messages", "500", "--seed", "3", "--days", "9"],
    ] {
        let folder = Folder::new();
        let args: Vec<&str> = ["sample", "--out", "."].iter().chain(plan).copied().collect();
        let output = folder.run(&args);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let manifest = std::fs::read(folder.path().join("manifest.json")).unwrap();
        let report = folder.report(&[]);
        let truths = truths(&serde_json::from_slice(&manifest).unwrap());
        assert!(truths.len() > 10, "{plan:?}");
        assert_eq!(reported(&report), truths, "{plan:?}");
    }
}

/// The shipped data is what the generator makes: `intransit sample --messages 2000`.
#[test]
fn the_shipped_data_is_generated() {
    let folder = Folder::new();
    let output = folder.run(&["sample", "--out", ".", "--messages", "2000"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/demo");
    let mut compared = 0;
    for entry in std::fs::read_dir(shipped).unwrap() {
        let path = entry.unwrap().path();
        let made = std::fs::read(folder.path().join(path.file_name().unwrap())).unwrap();
        assert!(std::fs::read(&path).unwrap() == made, "{} is stale", path.display());
        compared += 1;
    }
    assert_eq!(compared, 5);
}

/// A day of the demonstration is lost, and the report says so.
#[test]
fn the_lost_day_is_noticed() {
    let folder = Folder::new();
    folder.run(&["sample", "--out", ".", "--messages", "2000"]);
    let report = folder.report(&["--period", "30d"]);
    let coverage = &report["periods"][0]["coverage"];
    assert_eq!(coverage["days_without_rows"], serde_json::json!(["2026-11-03"]));
    let insights = report["periods"][0]["insights"].as_array().unwrap();
    let found = insights.iter().find(|insight| insight["rule"] == "coverage-gap").unwrap();
    assert_eq!(found["problem"], "days-without-rows");
}

/// The README's first command, on the shipped data with embedded defaults.
#[test]
fn the_first_command_of_the_readme_works() {
    let folder = Folder::new();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/demo");
    let out = folder.path().join("demo-report");
    let output = program()
        .current_dir(folder.path())
        .args(["report", shipped.to_str().unwrap(), "--organisation", "Contoso", "--out"])
        .arg(&out)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    for name in ["report.html", "report.pdf", "report.json", "connectors.csv", "daily.csv"] {
        assert!(std::fs::metadata(out.join(name)).unwrap().len() > 500, "{name}");
    }
}
