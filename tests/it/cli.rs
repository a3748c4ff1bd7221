//! The command line: data on stdout, the rest on stderr, exit codes, errors that help.

use crate::support::{Folder, RANGE, detail, program, text};

fn folder() -> Folder {
    Folder::with(
        "a.csv",
        detail(&["2026-11-09T10:00:00Z,1,Received,F,TLS1.2,a@b.example,x@y.example", "bad row"]),
    )
}

#[test]
fn usage_mistakes_exit_with_2() {
    let cases: &[&[&str]] = &[
        &["report", "--period", "fortnight"],
        &["report", "a.csv", "--from", "2026-11-01"],
        &["report", "a.csv", "--from", "2026-11-30", "--to", "2026-11-01"],
        &["report", "a.csv", "--timezone", "Mars/Olympus"],
        &["report", "a.csv", "--lang", "tlh"],
        &["report", "a.csv", "--formats", "docx"],
        &["report", "a.csv", "--kind", "postfixx"],
        &["report", "a.csv", "--config", "absent.toml"],
        &["report", "a.csv", "--day-first", "--month-first"],
        &["report"],
        &["nonsense"],
        &[],
    ];
    let folder = folder();
    for args in cases {
        let output = folder.run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn a_source_that_matches_nothing_exits_with_3() {
    let folder = folder();
    for source in ["absent.csv", "absent/*.csv", "*.zip"] {
        let output = folder.run(&["report", source]);
        assert_eq!(output.status.code(), Some(3), "{source}");
        assert!(text(&output.stderr).contains(source));
    }
}

/// Without `--out` the folder is named after the organisation and the days.
#[test]
fn the_default_folder_and_the_summary() {
    let folder = folder();
    let output = folder
        .run(&[&["report", "a.csv", "--organisation", "../Contoso & Söhne"], &RANGE[..]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let expected = folder.path().join("intransit-contoso-s-hne-2026-11-01-2026-11-30");
    assert!(expected.join("report.pdf").is_file());
    let stdout = text(&output.stdout);
    assert!(stdout.contains("Chosen days, 1 November 2026 to 30 November 2026"), "{stdout}");
    assert!(stdout.contains("Inbound") && stdout.contains("(100.0%)"), "{stdout}");
}

/// `--json` writes no file; `--formats` writes only what is asked for.
#[test]
fn json_and_formats() {
    let folder = folder();
    let files = || std::fs::read_dir(folder.path()).unwrap().count();
    let before = files();
    assert!(folder.run(&[&["report", "a.csv", "--json"], &RANGE[..]].concat()).status.success());
    assert_eq!(files(), before);
    let output = folder.run(
        &[&["report", "a.csv", "--json", "--out", "o", "--formats", "csv,json"], &RANGE[..]]
            .concat(),
    );
    let written = std::fs::read_dir(folder.path().join("o")).unwrap().count();
    assert_eq!(written, 3);
    assert_eq!(std::fs::read(folder.path().join("o/report.json")).unwrap(), output.stdout);
}

#[test]
fn inspect_shows_what_a_file_is() {
    let folder = folder();
    let output = folder.run(&["inspect", "a.csv", "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let line = &lines[0];
    assert_eq!(
        (&line["file"], &line["kind"]),
        (&"a.csv".into(), &"connector-report-detail".into())
    );
    assert_eq!(
        (&line["rows"], &line["rejected"], &line["connectors"]),
        (&2.into(), &1.into(), &1.into())
    );
    assert_eq!(
        (&line["first"], &line["last"]),
        (&"2026-11-09T10:00:00Z".into(), &"2026-11-09T10:00:00Z".into())
    );
    assert_eq!(line["unit"], "messages");
    let shown = text(&folder.run(&["inspect", "a.csv"]).stdout);
    assert!(shown.contains("first in line 3") && shown.contains("TLS 1.2 1"), "{shown}");
}

#[test]
fn the_program_says_its_version() {
    let output = program().arg("--version").output().unwrap();
    assert_eq!(text(&output.stdout).trim(), concat!("intransit ", env!("CARGO_PKG_VERSION")));
}
