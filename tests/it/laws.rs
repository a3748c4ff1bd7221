//! Laws that hold for any rows: order, splitting, copies and compression change nothing,
//! and every row is accounted for.

use proptest::prelude::*;

use crate::files::gzip;
use crate::support::{Counts, Folder, RANGE, counts, sum};

#[derive(Debug, Clone)]
struct RowOf {
    message: u32,
    minute: u32,
    direction: &'static str,
    connector: &'static str,
    tls: &'static str,
}

fn any_row() -> impl Strategy<Value = RowOf> {
    let directions = prop::sample::select(vec!["Received", "Sent", "Intra-org", "nonsense"]);
    let connectors = prop::sample::select(vec!["", "Fabrikam", "\"a, b\"", "NoConnector"]);
    let versions = prop::sample::select(vec!["TLS1.2", "TLS1.3", "No Tls", "", "TLSv1", "bad"]);
    (0..30_u32, 0..80_000_u32, directions, connectors, versions).prop_map(
        |(message, minute, direction, connector, tls)| RowOf {
            message,
            minute,
            direction,
            connector,
            tls,
        },
    )
}

fn table(rows: &[RowOf]) -> String {
    let mut text = String::from("date_time_utc,message_id,direction,connector,tls_version\n");
    for row in rows {
        let day = 10 + row.minute / 1440 % 60;
        let (month, day) = if day > 30 { (12, day - 30) } else { (11, day) };
        let (hour, minute) = (row.minute / 60 % 24, row.minute % 60);
        text.push_str(&format!(
            "2026-{month:02}-{day:02}T{hour:02}:{minute:02}:00Z,<{}@x>,{},{},{}\n",
            row.message, row.direction, row.connector, row.tls
        ));
    }
    text
}

/// Counts and the reconciliation of one folder; `None` where no row is usable.
fn measure(folder: &Folder) -> Option<Counts> {
    let output = folder.run(&[&["report", ".", "--json"], &RANGE[..]].concat());
    if output.status.code() == Some(3) {
        return None;
    }
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let parts = ["counted", "merged", "duplicates", "internal", "outside_period", "rejected"];
    let placed: u64 = parts.iter().map(|part| sum(&report, part)).sum();
    assert_eq!(sum(&report, "rows"), placed);
    let counts = counts(&report);
    assert_eq!(counts.values().sum::<u64>(), sum(&report, "counted"));
    Some(counts)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// One file, two files in any split, shuffled, copied or compressed: the same counts.
    #[test]
    fn the_same_rows_give_the_same_counts(
        rows in prop::collection::vec(any_row(), 1..60),
        order in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let whole = Folder::with("a.csv", table(&rows));
        let expected = measure(&whole);

        let mut turned = rows.clone();
        turned.rotate_left(order.index(rows.len()));
        turned.reverse();
        let (first, second) = turned.split_at(cut.index(rows.len()));
        let split = Folder::with("1.csv", table(first));
        split.add("2.csv.gz", gzip(table(second).as_bytes()));
        prop_assert_eq!(&measure(&split), &expected);

        let copied = Folder::with("a.csv", table(&rows));
        copied.add("b/copy.zst", zstd::encode_all(table(&rows).as_bytes(), 1).unwrap());
        copied.add("c.csv", table(first));
        prop_assert_eq!(&measure(&copied), &expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// What the `csv` crate writes, an independent implementation, is read as it was meant:
    /// quotes, delimiters and line ends within names included.
    #[test]
    fn names_survive_delimited_text(
        names in prop::collection::vec("[a-z\",;|\r\n' é日]{1,12}", 1..40),
        delimiter in prop::sample::select(vec![b',', b';', b'\t', b'|']),
    ) {
        let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
        writer.write_record(["date", "message_id", "direction", "connector", "tls"]).unwrap();
        let mut expected = Counts::new();
        for (n, name) in names.iter().enumerate() {
            let id = n.to_string();
            writer.write_record(["2026-11-09T10:00:00Z", id.as_str(), "1", name, "TLS1.2"]).unwrap();
            // `-` stands for no connector in these counts, and in no name.
            let name = match name.trim() { "" => "-", name => name };
            *expected.entry(("inbound".into(), name.into(), "tls1_2".into())).or_default() += 1;
        }
        let folder = Folder::with("a.csv", writer.into_inner().unwrap());
        prop_assert_eq!(measure(&folder), Some(expected));
    }
}

/// Rows without an identity: a copy of the file adds nothing, equal rows of one file count.
#[test]
fn rows_without_identity() {
    let table = "date,direction,tls\n2026-11-09T10:00:00Z,1,TLS1.2\n2026-11-09T10:00:00Z,1,TLS1.2\n2026-11-09T10:00:01Z,1,TLS1.3\n";
    let folder = Folder::with("a.csv", table);
    let alone = counts(&folder.report(&RANGE));
    folder.add("copy.csv.gz", gzip(table.as_bytes()));
    let report = folder.report(&RANGE);
    assert_eq!(counts(&report), alone);
    assert_eq!(alone.values().sum::<u64>(), 3);
    assert_eq!(sum(&report, "duplicates"), 3);
}

/// The same where recipients are counted: a copy of the file adds nothing and reconciles.
#[test]
fn rows_without_identity_by_recipients() {
    let table =
        "date,direction,tls,recipient\n2026-11-09T10:00:00Z,2,TLS1.2,a@x.example;b@x.example\n";
    let folder = Folder::with("a.csv", table);
    folder.add("copy.csv.gz", gzip(table.as_bytes()));
    folder.add("intransit.toml", "count = \"recipients\"\n");
    let report = folder.report(&RANGE);
    assert_eq!(counts(&report).values().sum::<u64>(), 2);
    assert_eq!((sum(&report, "counted"), sum(&report, "duplicates")), (1, 1));
}

/// Of competing totals in one file the last is used, however many blocks lie between them.
#[test]
fn the_last_of_competing_totals_is_used() {
    let row = |day: u32, volume: u32| {
        format!("2026-11-{day:02},From partner - F{},0,100,{volume}\n", "x".repeat(80))
    };
    let mut table = String::from("Date,Connector direction and name,No TLS,TLS 1.2,Volume\n");
    // Late in the first block of 2 MiB, then early in the second.
    for n in 0..20_000 {
        table.push_str(&if n == 15_000 { row(9, 1) } else { row(1 + n % 8, 7) });
    }
    table.push_str(&row(9, 2));
    assert!(table.len() > 2_200_000 && table.len() < 3_000_000, "{}", table.len());
    let folder = Folder::with("a.csv", table);
    let report = folder.report(&["--from", "2026-11-09", "--to", "2026-11-09"]);
    assert_eq!(counts(&report).values().sum::<u64>(), 2);
}

/// A known band supersedes unknown of the same message, across kinds and whatever the
/// identity columns that the files share.
#[test]
fn known_supersedes_unknown() {
    let folder = Folder::with(
        "summary.csv",
        "origin_timestamp_utc,sender_address,recipient_status,message_id,network_message_id,directionality,connector_id\n\
         2026-11-09T10:00:00Z,a@b.example,x@y.example##Receive,<1@x>,N1,Incoming,F\n\
         2026-11-09T10:00:00Z,a@b.example,x@y.example##Receive,<2@x>,N2,Incoming,F\n",
    );
    folder.add(
        "detail.csv",
        "date_time_utc,message_id,direction,connector_name,tls_version\n2026-11-09T10:00:00Z,<1@x>,Received,F,TLS1.2\n",
    );
    let report = folder.report(&RANGE);
    let expected = crate::support::expected(&["inbound|F|tls1_2|1", "inbound|F|unknown|1"]);
    assert_eq!(counts(&report), expected);
    assert_eq!(sum(&report, "duplicates"), 1);
}

/// A summary with a trace id of its own and an extended trace meet by the Message-ID.
#[test]
fn a_trace_id_is_no_network_message_id() {
    let folder = Folder::with(
        "summary.csv",
        "Received,SenderAddress,RecipientAddress,Status,MessageId,MessageTraceId\n\
         2026-11-09T10:00:00,a@b.example,x@y.example,Delivered,<1@x>,T1\n",
    );
    folder.add(
        "detail.csv",
        "date_time_utc,source,event_id,message_id,network_message_id,directionality,connector_id,custom_data\n\
         2026-11-09T10:00:00Z,SMTP,RECEIVE,<1@x>,N1,Incoming,F,S:tlsversion=SP_PROT_TLS1_2_SERVER\n",
    );
    let args: Vec<&str> = RANGE.iter().copied().chain(["--direction", "inbound"]).collect();
    let report = folder.report(&args);
    assert_eq!(counts(&report), crate::support::expected(&["inbound|F|tls1_2|1"]));
    assert_eq!(sum(&report, "duplicates"), 1);
}

/// Message rows take the place of a day total, which becomes a control.
#[test]
fn message_rows_take_the_place_of_totals() {
    let total = |share: &str, volume: u32| {
        format!(
            "Date,Connector direction and name,No TLS,TLS 1.2,Volume\n2026-11-09,From partner - F,{share},{volume}\n2026-11-10,From partner - F,{share},{volume}\n"
        )
    };
    let folder = Folder::with("totals.csv", total("0,100", 5));
    folder.add(
        "detail.csv",
        "date_time_utc,message_id,direction,connector_name,tls_version\n2026-11-09T10:00:00Z,<1@x>,Received,F,TLS1.3\n",
    );
    let report = folder.report(&RANGE);
    let expected = crate::support::expected(&["inbound|F|tls1_2|5", "inbound|F|tls1_3|1"]);
    assert_eq!(counts(&report), expected);
    let control = &report["periods"][0]["coverage"]["controls"][0];
    assert_eq!(
        (&control["total"], &control["rows"], &control["difference"]),
        (&5.into(), &1.into(), &(-4).into())
    );
    assert_eq!(sum(&report, "duplicates"), 1);

    let conflict = Folder::with("a.csv", total("0,100", 5));
    conflict.add("b.csv", total("0,100", 5));
    assert_eq!(sum(&conflict.report(&RANGE), "duplicates"), 2);
    let later = conflict.add("a.csv", total("100,0", 6));
    let time = std::time::SystemTime::now() + std::time::Duration::from_mins(1);
    std::fs::File::options().write(true).open(later).unwrap().set_modified(time).unwrap();
    let report = conflict.report(&RANGE);
    assert_eq!(counts(&report), crate::support::expected(&["inbound|F|no_tls|12"]));
    assert_eq!(report["periods"][0]["coverage"]["conflicts"].as_array().unwrap().len(), 2);
}

/// Rows that say nothing about TLS give way to a total that does.
#[test]
fn totals_take_the_place_of_rows_without_tls() {
    let folder = Folder::with(
        "totals.csv",
        "Date,Connector direction and name,No TLS,TLS 1.2,Volume\n2026-11-09,From partner - F,50,50,4\n",
    );
    folder.add(
        "summary.csv",
        "origin_timestamp_utc,recipient_status,message_id,directionality,connector_id\n\
         2026-11-09T10:00:00Z,x@y.example##Receive,<1@x>,Incoming,F\n\
         2026-11-09T11:00:00Z,x@y.example##Receive,<2@x>,Incoming,F\n",
    );
    let report = folder.report(&RANGE);
    let expected = crate::support::expected(&["inbound|F|no_tls|2", "inbound|F|tls1_2|2"]);
    assert_eq!(counts(&report), expected);
    assert_eq!((sum(&report, "counted"), sum(&report, "duplicates")), (1, 2));
    let control = &report["periods"][0]["coverage"]["controls"][0];
    assert_eq!((&control["total"], &control["rows"]), (&4.into(), &2.into()));
}

/// A message handed to two servers counts twice, to one server of two recipients once.
#[test]
fn a_message_counts_once_per_server() {
    let head = "date_time_utc,source,event_id,network_message_id,recipient_address,sender_address,directionality,connector_id,server_hostname,custom_data\n";
    let row = |server: &str, to: &str| {
        format!(
            "2026-11-09T10:00:00Z,SMTP,SENDEXTERNAL,N1,{to},a@contoso.example,Originating,,{server},\n"
        )
    };
    let rows = [
        row("mx1.example.com", "a@example.com"),
        row("MX1.example.com", "b@example.com"),
        row("mx.example.net", "c@example.net"),
    ];
    let folder = Folder::with("a.csv", format!("{head}{}", rows.concat()));
    assert_eq!(counts(&folder.report(&RANGE)), crate::support::expected(&["outbound|-|unknown|2"]));
}
