//! The limits of docs/limits.md: each is reached here, and says so.

use std::io::Write;

use crate::files::{gzip, zip};
use crate::support::{Folder, RANGE, counts, detail, expected, rejects, text};

const ROW: &str = "2026-11-09T10:00:00Z,1,Received,F,TLS1.2,a@b.example,x@y.example";

/// So many bytes of rows, each with an address that is very long.
fn rows(bytes: usize) -> Vec<u8> {
    let row = ROW.replace("a@", &"a".repeat(100_000));
    format!("{row}\r\n").repeat(bytes / row.len() + 1).into_bytes()
}

/// What unpacks to a thousand times its length, in each container.
fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    // A file of many gzip members is one file.
    let mut member = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    member.write_all(&rows(1 << 20)).unwrap();
    let member = member.finish().unwrap();
    let gz = [gzip(detail(&[]).as_bytes()), member.repeat(300)].concat();
    let mut zst = zstd::Encoder::new(Vec::new(), 3).unwrap();
    zst.write_all(detail(&[]).as_bytes()).unwrap();
    let block = rows(1 << 20);
    for _ in 0..300 {
        zst.write_all(&block).unwrap();
    }
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for name in ["a.csv", "b.csv"] {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(detail(&[]).as_bytes()).unwrap();
        for _ in 0..150 {
            archive.write_all(&block).unwrap();
        }
    }
    let archive = archive.finish().unwrap().into_inner();
    vec![("a.csv.gz", gz), ("a.csv.zst", zst.finish().unwrap()), ("a.zip", archive)]
}

/// A file that unpacks without end is an error that says what to do, named or found; it is
/// never counted in part.
#[test]
fn what_unpacks_to_more_than_any_trace_is_refused() {
    for (name, bytes) in bombs() {
        assert!(bytes.len() < 2 << 20, "{name}: {} bytes", bytes.len());
        let folder = Folder::with(name, bytes);
        let stderr = folder.failure(3, &RANGE);
        let says = format!("`{name}` unpacks to more than 256 MiB and more than 250 times");
        assert!(stderr.contains(&says) && stderr.contains("hint:"), "{stderr}");
        folder.add("good.csv", detail(&[ROW]));
        let report = folder.report(&[&RANGE[..], &["--skip-bad-files"]].concat());
        assert_eq!(counts(&report), expected(&["inbound|F|tls1_2|1"]), "{name}");
        assert_eq!(report["skipped"], serde_json::json!([name]));
    }
}

/// 24 MiB of equal lines in a few kilobytes are read: they are no danger.
#[test]
fn what_unpacks_to_less_than_256_mib_is_read_whatever_the_ratio() {
    let packed = zstd::encode_all(&*[detail(&[]).into_bytes(), rows(24 << 20)].concat(), 3);
    let packed = packed.unwrap();
    assert!(packed.len() < 24 << 10, "far beyond 250 times");
    let report = Folder::with("a.csv.zst", packed).report(&RANGE);
    assert_eq!(counts(&report), expected(&["inbound|F|tls1_2|1"]));
}

/// Finds the entry of a member in the list at the end of an archive.
fn entry(archive: &[u8], number: usize) -> usize {
    let starts = memchr::memmem::find_iter(archive, b"PK\x01\x02");
    starts.collect::<Vec<_>>()[number]
}

/// A member that unpacks to more than the archive says is damaged.
#[test]
fn a_member_that_is_longer_than_its_archive_says() {
    let table = detail(&[ROW]);
    let mut longer = zip(&[("a.csv", table.as_bytes()), ("b.csv", table.as_bytes())]);
    let at = entry(&longer, 1) + 24;
    longer[at..at + 4].copy_from_slice(&50_u32.to_le_bytes());
    let stderr = Folder::with("a.zip", longer).failure(3, &RANGE);
    assert!(stderr.contains("`a.zip/b.csv` is damaged or cut off"), "{stderr}");
}

/// Archives that no honest program makes, and what is said of each.
#[test]
fn archives_that_are_refused() {
    let table = detail(&[ROW]);
    let two = zip(&[("a.csv", table.as_bytes()), ("b.csv", table.as_bytes())]);
    let mut same = two.clone();
    for at in memchr::memmem::find_iter(&two, b"b.csv") {
        same[at] = b'a';
    }
    let mut overlap = two.clone();
    let at = entry(&two, 1) + 42;
    overlap[at..at + 4].copy_from_slice(&0_u32.to_le_bytes());
    let many: Vec<String> = (0..10_001).map(|n| format!("{n}.csv")).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    let long: Vec<String> = (0..300).map(|n| format!("{n}{}", "x".repeat(60_000))).collect();
    let long: Vec<(&str, &[u8])> = long.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    let cases = [
        (same, "two of its members have the same name"),
        (overlap, "its members overlap"),
        (zip(&many), "it has 10001 members, and at most 10000 are read"),
        (zip(&long), "its list of members takes more than 16 MiB"),
    ];
    for (bytes, says) in cases {
        let folder = Folder::with("a.zip", bytes);
        let stderr = folder.failure(3, &RANGE);
        assert!(stderr.contains("`a.zip") && stderr.contains(says), "{says}: {stderr}");
        assert!(stderr.contains("hint: unpack it"), "{says}: {stderr}");
        let output = folder.run(&[&["report", "a.zip", "--json"], &RANGE[..]].concat());
        assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains(says), "named: {}", text(&output.stderr));
    }
}

/// Members are read one by one, and an archive of many of them is one file.
#[test]
fn an_archive_of_a_thousand_members() {
    let tables: Vec<(String, String)> = (0..1000)
        .map(|n| (format!("{n}.csv"), detail(&[&ROW.replace(",1,", &format!(",{n},"))])))
        .collect();
    let members: Vec<(&str, &[u8])> =
        tables.iter().map(|(name, table)| (name.as_str(), table.as_bytes())).collect();
    let report = Folder::with("a.zip", zip(&members)).report(&RANGE);
    assert_eq!(counts(&report), expected(&["inbound|F|tls1_2|1000"]));
    let sources = report["sources"].as_array().unwrap();
    assert_eq!(sources.len(), 1000);
    assert!(sources.iter().all(|source| source["sha256"] == sources[0]["sha256"]));
}

/// So many more columns than the usual ones.
fn wide(more: usize) -> String {
    let table = detail(&[ROW]);
    let (head, row) = table.split_once("\r\n").unwrap();
    let names: Vec<String> = (0..more).map(|n| format!(",c{n}")).collect();
    format!("{head}{}\r\n{}{}\r\n", names.concat(), row.trim_end(), ",".repeat(more))
}

#[test]
fn columns_of_a_table() {
    let report = Folder::with("a.csv", wide(4096 - 7)).report(&RANGE);
    assert_eq!(counts(&report), expected(&["inbound|F|tls1_2|1"]));
    let folder = Folder::with("a.csv", wide(4096 - 6));
    let output = folder.run(&[&["report", "a.csv", "--json"], &RANGE[..]].concat());
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("`a.csv` is no mail trace: it has more than 4096 columns"), "{stderr}");
    folder.add("good.csv", detail(&[ROW]));
    let report = folder.report(&RANGE);
    assert_eq!(report["skipped"], serde_json::json!(["a.csv"]), "found, it is passed over");
}

#[test]
fn length_of_a_header() {
    let long = format!("\"{}\",{}", "x".repeat(9 << 20), detail(&[ROW]));
    let folder = Folder::with("a.csv", long);
    let output = folder.run(&[&["report", "a.csv", "--json"], &RANGE[..]].concat());
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("its first line is longer than 8 MiB"), "{stderr}");
}

/// Millions of fields in a row are one reject.
#[test]
fn fields_of_a_row() {
    let report = Folder::with("a.csv", detail(&[ROW, &"x,".repeat(3 << 20), ROW])).report(&RANGE);
    assert_eq!(counts(&report), expected(&["inbound|F|tls1_2|1"]));
    assert_eq!(rejects(&report), ["field-count x1"]);
}

/// Settings and column maps are read only where they are no longer than settings are.
#[test]
fn length_of_settings() {
    let long = format!("# {}é\n", "x".repeat(1 << 20));
    let cases: [(&str, &[&str]); 3] = [
        ("intransit.toml", &["schedule", "check"]),
        ("schedules/weekly.toml", &["schedule", "check"]),
        ("map.toml", &["report", "a.csv", "--columns", "map.toml"]),
    ];
    for (name, args) in cases {
        let folder = Folder::with("a.csv", detail(&[ROW]));
        if name != "intransit.toml" {
            folder.add("intransit.toml", "");
        }
        folder.add(name, &long);
        let output = folder.run(args);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(name) && stderr.contains("longer than 1 MiB"), "{stderr}");
    }
}

/// Devices give bytes without end: they are refused by name, and as standard input as soon as
/// what they give is seen to be no trace.
#[test]
fn devices_and_streams_without_end() {
    let folder = Folder::new();
    let output = folder.run(&["report", "/dev/zero", "--json"]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("`/dev/zero` is a device, not a file"), "{stderr}");
    assert!(stderr.contains("hint: give `-`"), "{stderr}");
    for endless in ["/dev/zero", "/dev/urandom"] {
        let input = std::fs::File::open(endless).unwrap();
        let mut command = crate::support::program();
        let output = command.args(["report", "-"]).stdin(input).output().unwrap();
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{stderr}");
        assert!(stderr.contains("`-` is no mail trace"), "{stderr}");
    }
}

/// A schedule reads files.
#[test]
fn standard_input_in_a_schedule() {
    let office = crate::office::Office::with(&crate::office::WEEKLY.replace("traces/*.csv", "-"));
    let said = office.ends(2, "2026-11-16T10:00:00Z", &["schedule", "check"]);
    assert!(said.contains("`source.path`: `-` is standard input"), "{said}");
}

/// So many connectors, the first with the most mail, each with a message in clear per day of a
/// week; and a remote domain each.
fn many_connectors(connectors: usize) -> String {
    let mut rows = Vec::new();
    for n in 0..connectors {
        let more = if n < 10 { 20 } else { 0 };
        for copy in 0..=more {
            rows.push(format!(
                "2026-11-09T10:00:00Z,{n}-{copy},Received,C{n},No Tls,a@d{n}.example,x@y.example"
            ));
        }
    }
    rows.push("2026-11-09T10:00:00Z,x,Received,(other),TLS1.3,a@d.example,x@y.example".to_owned());
    rows.push("2026-11-09T10:00:00Z,y,Received,Tiny,TLS1.3,a@d.example,x@y.example".to_owned());
    detail(&rows.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Beyond a thousand connectors the smallest are counted together: sums stay exact, the biggest
/// and those that the settings name stay, and the report says so in every format and language.
#[test]
fn connectors_beyond_a_thousand_are_counted_together() {
    let folder = Folder::with("a.csv", many_connectors(1500));
    folder.add("intransit.toml", "[[connector]]\nname = \"Tiny\"\n");
    let report = folder.report(&RANGE);
    let period = &report["periods"][0];
    let connectors = period["connectors"].as_array().unwrap();
    assert_eq!(connectors.len(), 1002, "a thousand, the one with a name of its own, and others");
    let of = |name: &str| {
        let mut all = connectors.iter().filter(|connector| connector["connector"] == name);
        let found = all.next().map(|connector| connector["messages"].as_u64().unwrap());
        assert!(all.next().is_none(), "{name} stands there once");
        found
    };
    assert_eq!((of("C3"), of("C999"), of("Tiny")), (Some(21), None, Some(1)));
    assert_eq!(of("(other)"), Some(501), "500 and the one that has this name");
    assert_eq!(period["totals"][0]["messages"], 1502 + 200);
    assert_eq!(report["folded"], serde_json::json!({"connectors": 501, "limit": 1000}));
    assert_eq!(period["peers"].as_array().unwrap().len(), 50);
    assert_eq!(period["peers"][0]["peer"], "d0.example", "worst first");
    assert_eq!(period["other_peers"]["peers"], 1501 - 50);
    assert_eq!(period["other_peers"]["messages"], 1502 + 200 - 10 * 21 - 40);
    // The other way in which reports are made gives the same.
    let cached = folder.report(&RANGE);
    assert_eq!(cached["periods"], report["periods"]);
}

#[test]
fn a_thousand_connectors_are_told_apart() {
    let report = Folder::with("a.csv", many_connectors(998)).report(&RANGE);
    assert_eq!(report["folded"], serde_json::Value::Null);
    assert_eq!(report["periods"][0]["connectors"].as_array().unwrap().len(), 1000);
}

#[test]
fn what_is_counted_together_is_said_in_every_language() {
    let folder = Folder::with("a.csv", many_connectors(1500));
    let said = [
        ("en", "Other connectors", "other remote domains"),
        ("fr", "Autres connecteurs", "autres domaines distants"),
        ("pt-BR", "Outros conectores", "outros domínios remotos"),
        ("de", "Übrige Connectors", "weitere Remotedomänen"),
        ("es", "Otros conectores", "otros dominios remotos"),
    ];
    for (language, other, domains) in said {
        let args = ["report", ".", "--out", language, "--lang", language, "--formats", "html,csv"];
        let output = folder.run(&[&args[..], &RANGE[..]].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(text(&output.stdout).contains(other), "{language}: the summary says so");
        let html = std::fs::read_to_string(folder.path().join(language).join("report.html"));
        let html = html.unwrap();
        assert!(html.contains(other) && html.contains(domains), "{language}");
        assert!(!html.contains("(other)"), "{language}: the name of the data is none for readers");
    }
}

/// A mail that would be larger than `max_megabytes` goes without its attachments, and says so.
#[test]
fn size_of_a_mail() {
    let schedule = crate::office::WEEKLY.replace("[\"pdf\", \"csv\"]", "[\"html\", \"json\"]");
    let office = crate::office::Office::with(&schedule);
    let settings = std::fs::read_to_string(office.path("intransit.toml")).unwrap();
    office.folder.add("intransit.toml", format!("{settings}max_megabytes = 1\n"));
    let rows: Vec<String> = (0..900)
        .map(|n| {
            format!("2026-11-1{}T12:00:00Z,c{n},Inbound,C{n},TLS1.2,a@x.example,b@y.example", n % 6)
        })
        .collect();
    office
        .folder
        .add("traces/more.csv", detail(&rows.iter().map(String::as_str).collect::<Vec<_>>()));
    office.ends(0, "2026-11-16T10:00:00Z", &["run", "weekly"]);
    let [mail] = &office.mail_to("auditor@contoso.example")[..] else { panic!("one mail") };
    assert!(mail.attachments.is_empty() && mail.text.contains("attachments were left out"));
    let filed = office.filed("000001-weekly-2026-11-16", "report.html");
    assert!(filed.len() > 500_000, "{} bytes: the report itself is whole", filed.len());
}

/// Of any number of rows that cannot be used, each reason keeps one, and all are counted.
#[test]
fn rejects_that_are_kept() {
    let bad = format!("{},x", "y".repeat(500));
    let mut rows = vec![bad.as_str(); 5000];
    rows.push(ROW);
    let report = Folder::with("a.csv", detail(&rows)).report(&RANGE);
    assert_eq!(rejects(&report), ["field-count x5000"]);
    let found = report["rejects"][0]["found"].as_str().unwrap();
    assert!(found.chars().count() <= 61, "{found}");
}

/// Rows with a connector of its own each.
fn of_connectors(names: impl Iterator<Item = String>) -> String {
    let rows: Vec<String> = names
        .map(|name| {
            format!("2026-11-09T10:00:00Z,{name},Received,{name},TLS1.2,a@b.example,x@y.example")
        })
        .collect();
    detail(&rows.iter().map(String::as_str).collect::<Vec<_>>())
}

/// More names than the memory holds, by their number or their length, with and without the
/// cache: refused, and it is said what to do. More memory holds more.
#[test]
fn names_of_a_reading() {
    let many = of_connectors((0..400_001).map(|n| n.to_string()));
    let long = of_connectors((0..330).map(|n| format!("{n}{}", "x".repeat(100_000))));
    let said = "the sources hold more than 400000 names of connectors, remote domains and ciphers";
    let least = [&RANGE[..], &["--memory", "256MB"]].concat();
    let refused = |folder: &Folder| {
        let stderr = folder.failure(3, &least);
        assert!(stderr.contains(said), "{stderr}");
        assert!(stderr.contains("hint: give it more memory (--memory"), "{stderr}");
    };
    refused(&Folder::with("a.csv", many));
    let folder = Folder::with("a.csv", long);
    refused(&folder);
    folder.add("intransit.toml", "");
    refused(&folder);
    let report = folder.report(&RANGE);
    assert_eq!(report["periods"][0]["connectors"].as_array().unwrap().len(), 330);
}

/// Named, found in a folder, or members of archives: a million takes minutes, so ten stand for it.
#[test]
fn files_of_a_reading() {
    let table = |n: usize| detail(&[&ROW.replace(",1,", &format!(",{n},"))]);
    let folder = |files: usize| {
        let folder = Folder::new();
        for n in 0..files {
            folder.add(&format!("in/{n}.csv"), table(n));
        }
        folder
    };
    let tables: Vec<(String, String)> = (0..6).map(|n| (format!("{n}.csv"), table(n))).collect();
    let members: Vec<(&str, &[u8])> =
        tables.iter().map(|(name, table)| (name.as_str(), table.as_bytes())).collect();
    let archives = Folder::with("a.zip", zip(&members));
    archives.add("b.zip", zip(&members));
    for (folder, source) in [(folder(11), "in"), (folder(11), "in/*.csv"), (archives, ".")] {
        let args = [&["report", source, "--json"], &RANGE[..]].concat();
        let run = |most: &str| {
            let mut command = crate::support::program();
            command.current_dir(folder.path()).args(&args).env("INTRANSIT_MOST_FILES", most);
            let output = command.output().unwrap();
            (output.status.code(), text(&output.stderr))
        };
        let (code, stderr) = run("10");
        assert_eq!(code, Some(3), "{source}: {stderr}");
        assert!(stderr.contains("the sources hold more than 10 files"), "{source}: {stderr}");
        assert!(stderr.contains("hint: name fewer"), "{source}: {stderr}");
        assert_eq!(run("12").0, Some(0), "{source}");
    }
}

/// A million day totals are those of a thousand connectors for more than two years.
#[test]
fn day_totals_of_a_reading() {
    let head = "Date,Connector direction and name,No TLS,TLS 1.2,Volume\r\n";
    let rows: Vec<String> = (0..1_000_001)
        .map(|n| format!("2026-11-{:02},To partner - {},0,100,1\r\n", n % 30 + 1, n / 30))
        .collect();
    let half = rows.len() / 2;
    let folder = Folder::with("a.csv", format!("{head}{}", rows[..half].concat()));
    folder.add("b.csv", format!("{head}{}", rows[half..].concat()));
    let stderr = folder.failure(3, &RANGE);
    assert!(stderr.contains("the sources hold more than 1000000 day totals"), "{stderr}");
    assert!(stderr.contains("hint: give fewer files"), "{stderr}");
}

/// A Parquet file of so many rows, each with a text of so many letters that packs to nothing.
fn parquet(rows: usize, letters: usize) -> Vec<u8> {
    use polars::prelude::*;
    use polars_io::parquet::write::ParquetWriter;
    let texts: Vec<String> = (0..rows).map(|n| format!("{n}{}", "x".repeat(letters))).collect();
    let column = |name: &str, text: &str| Column::new(name.into(), vec![text; rows]);
    let columns = vec![
        column("date_time_utc", "2026-11-09T10:00:00Z"),
        Column::new("network_message_id".into(), texts),
        column("direction", "Received"),
        column("connector_name", "F"),
        column("tls_version", "TLS1.2"),
        column("sender_address", "a@b.example"),
        column("recipient_address", "x@y.example"),
    ];
    let mut bytes = Vec::new();
    let mut frame = DataFrame::new(rows, columns).unwrap();
    ParquetWriter::new(&mut bytes).finish(&mut frame).unwrap();
    bytes
}

/// A Parquet file says in its list what it unpacks to.
#[test]
fn parquet_that_unpacks_to_more_than_any_trace() {
    let bomb = parquet(300, 1 << 20);
    assert!(bomb.len() < 1 << 20, "{} bytes", bomb.len());
    let folder = Folder::with("a.parquet", bomb);
    let stderr = folder.failure(3, &RANGE);
    assert!(stderr.contains("`a.parquet` unpacks to more than 256 MiB"), "{stderr}");
    folder.add("good.csv", detail(&[ROW]));
    let report = folder.report(&[&RANGE[..], &["--skip-bad-files"]].concat());
    assert_eq!(report["skipped"], serde_json::json!(["a.parquet"]));
    let folder = Folder::with("a.parquet", parquet(24, 1 << 20));
    assert_eq!(counts(&folder.report(&RANGE)), expected(&["inbound|F|tls1_2|24"]));
}

#[test]
fn columns_of_parquet() {
    use polars::prelude::*;
    use polars_io::parquet::write::ParquetWriter;
    let wide = |columns: usize| {
        let head = "date_time_utc,network_message_id,direction,connector_name,tls_version";
        let row = "2026-11-09T10:00:00Z,1,Received,F,TLS1.2";
        let own = head.split(',').zip(row.split(','));
        let own: Vec<Column> = own.map(|(name, text)| Column::new(name.into(), [text])).collect();
        let more = (0..columns - own.len()).map(|n| Column::new(format!("c{n}").into(), [1_i32]));
        let mut frame = DataFrame::new(1, own.iter().cloned().chain(more).collect()).unwrap();
        let mut bytes = Vec::new();
        ParquetWriter::new(&mut bytes).finish(&mut frame).unwrap();
        bytes
    };
    let folder = Folder::with("a.parquet", wide(4096));
    assert_eq!(counts(&folder.report(&RANGE)), expected(&["inbound|F|tls1_2|1"]));
    let folder = Folder::with("a.parquet", wide(4097));
    let output = folder.run(&[&["report", "a.parquet", "--json"], &RANGE[..]].concat());
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("it has more than 4096 columns"), "{stderr}");
}

/// Connectors without protection, each with a few messages more than the one before it.
fn bare(connectors: usize) -> String {
    let rows: Vec<String> = (0..connectors)
        .flat_map(|n| (0..30 + n).map(move |copy| (n, copy)))
        .map(|(n, copy)| {
            format!(
                "2026-11-09T10:00:00Z,{n}-{copy},Received,C{n:03},No Tls,a@b.example,x@y.example"
            )
        })
        .collect();
    detail(&rows.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Page and document show the gravest matters with the most messages, and say in every language
/// how many others there are and where; JSON and the workbook hold all.
#[test]
fn matters_beyond_twenty_are_said_not_shown() {
    let folder = Folder::with("a.csv", bare(50));
    let all = folder.report(&RANGE)["periods"][0]["insights"].as_array().unwrap().len();
    assert!(all >= 50, "{all}");
    let said = [
        ("en", "more are in report.json, and in report.xlsx"),
        ("fr", "autres figurent dans report.json, et dans report.xlsx"),
        ("pt-BR", "em report.json e, se existir, em report.xlsx"),
        ("de", "weitere Punkte stehen in report.json und"),
        ("es", "más en report.json y, si existe, en report.xlsx"),
    ];
    for (language, said) in said {
        let args = ["report", ".", "--out", language, "--lang", language, "--formats", "html,pdf"];
        let output = folder.run(&[&args[..], &RANGE[..]].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let html = folder.path().join(language).join("report.html");
        let html = std::fs::read_to_string(html).unwrap();
        let matters = html.split("<ul class=\"matters\">").nth(1).unwrap();
        let (matters, after) = matters.split_once("</ul>").unwrap();
        assert_eq!(matters.matches("<li").count(), 20, "{language}");
        assert!(matters.contains("C049") && !matters.contains("C000"), "{language}: the biggest");
        let line = after.split("</section>").next().unwrap();
        let hidden = (all - 20).to_string();
        assert!(line.contains(said) && line.contains(&hidden), "{language}: {line}");
        let pdf = folder.path().join(language).join("report.pdf");
        let read = std::process::Command::new("pdftotext").arg(pdf).arg("-").output().unwrap();
        let read = text(&read.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(read.contains(said), "{language}: {read}");
    }
    // As many as are shown are all there is: nothing is said.
    let folder = Folder::with("a.csv", bare(10));
    let args = ["report", ".", "--out", "few", "--formats", "html"];
    assert!(folder.run(&[&args[..], &RANGE[..]].concat()).status.success());
    let html = std::fs::read_to_string(folder.path().join("few/report.html")).unwrap();
    assert!(!html.contains("report.xlsx where there is one"));
}
