//! Tables that an engine counts: what settings may say. `tests/lake` asks real engines.

use crate::support::{Folder, text};

/// Settings with one source; its keys are TOML.
fn settings(source: &str) -> Folder {
    Folder::with("intransit.toml", format!("timezone = \"UTC\"\n[[source]]\n{source}\n"))
}

fn refused(source: &str, words: &[&str]) {
    let folder = settings(source);
    let output = folder.run(&["report", "--json"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{source}: {said}");
    assert!(output.stdout.is_empty(), "no report goes with a failure");
    for word in words.iter().chain(&["intransit.toml", "hint: "]) {
        assert!(said.contains(word), "{source}: {said} lacks {word}");
    }
}

const ENGINE: &str = "engine = \"spark-connect\"\nurl = \"sc://lake.example.com\"\n";

/// Each fault names file and key, and says what to do.
#[test]
fn settings_that_cannot_be_used() {
    let with = |more: &str| format!("{ENGINE}{more}");
    let cases: &[(String, &[&str])] = &[
        ("engine = \"trino\"\npath = \"/lake\"".into(), &["`source.engine`", "spark-connect"]),
        ("engine = \"spark-connect\"\npath = \"/lake\"".into(), &["`source.url`", "is missing"]),
        (
            "engine = \"spark-connect\"\npath = \"/lake\"\nurl = \"sc://x/;token=hunter2\"".into(),
            &["`source.url`", "keys of its own"],
        ),
        (with(""), &["`source.table`", "is missing"]),
        (with("path = \"/lake\"\ntable = \"traces\""), &["`source.table`", "one of them"]),
        (with("path = \"traces\""), &["`source.path`", "whole path"]),
        (with("table = \"a..b\""), &["`source.table`", "catalog.schema.table"]),
        (with("table = \"t\"\nsecurity = \"none\""), &["`source.security`", "none-loopback-only"]),
        (
            with("table = \"t\"\nsecurity = \"none-loopback-only\""),
            &["`source.security`", "another machine", "tunnel"],
        ),
        (with("table = \"t\"\ntime_limit = \"0s\""), &["`source.time_limit`"]),
        (with("table = \"t\"\nrow_limit = 0"), &["`source.row_limit`"]),
        (with("table = \"t\"\ntoken_file = \"absent\""), &["`source.token_file`", "chmod 600"]),
        (
            with("table = \"t\"\ntoken_env = \"INTRANSIT_NO_SUCH\""),
            &["`source.token_env`", "set it"],
        ),
        (
            with("table = \"t\"\ntoken_env = \"A\"\ntoken_command = [\"a\"]"),
            &["`source.token_file`", "one of them"],
        ),
        (with("table = \"t\"\n[[source]]\npath = \".\""), &["`source.engine`", "count twice"]),
        (with("table = \"t\"\nkind = \"nonsense\""), &["`source.kind`"]),
        ("path = \".\"\nurl = \"sc://lake\"".into(), &["`source.url`", "engine"]),
        ("kind = \"table\"".into(), &["`source.path`", "is missing"]),
    ];
    for (source, words) in cases {
        refused(source, words);
    }
    let counts = "timezone = \"UTC\"\ncount = \"recipients\"\n[[source]]\ntable = \"t\"\n";
    let folder = Folder::with("intransit.toml", format!("{counts}{ENGINE}"));
    let output = folder.run(&["report", "--json"]);
    assert!(text(&output.stderr).contains("`count`: `recipients`"), "{}", text(&output.stderr));
}

/// A secret in the address is not repeated.
#[test]
fn an_address_with_a_secret_is_not_shown() {
    let source = "engine = \"spark-connect\"\npath = \"/lake\"\nurl = \"sc://x/;token=hunter2\"";
    let output = settings(source).run(&["report", "--json"]);
    assert!(!text(&output.stderr).contains("hunter2"), "{}", text(&output.stderr));
}

/// A program without the client says how to get one that has it; one with it finds nobody.
#[test]
fn a_program_without_the_client_says_how_to_get_it() {
    let local = "engine = \"spark-connect\"\nurl = \"sc://127.0.0.1:9\"\nsecurity = \"none-loopback-only\"\ntable = \"t\"";
    if intransit::lake::BUILT {
        let output = settings(local).run(&["report", "--json"]);
        assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("is away"), "{}", text(&output.stderr));
    } else {
        refused(local, &["`source.engine`", "--features lake", "protoc", "docs/lake.md"]);
    }
}
