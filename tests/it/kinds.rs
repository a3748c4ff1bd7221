//! Every kind of export, told by its content, gives the exact counts.

use crate::support::{Folder, RANGE, counts, detail, expected, rejects, sum};

/// Connector report: shares to whole messages, labels in several languages, separators.
#[test]
fn connector_report() {
    let folder = Folder::with(
        "export.csv",
        "\u{feff}Date,Connector direction and name,Connector type,Forced TLS?,No TLS,TLS 1.0,TLS 1.1,TLS 1.2,TLS 1.3,Volume\r\n\
         2026-11-09,From the internet without a connector,NoConnector,False,1.5%,0%,0%,48.5%,50%,200\r\n\
         2026-11-09,From your org - Contoso Corp Connector,OnPremises,True,0,10,0,90,0,\"1,000\"\r\n\
         2026-11-09,\"To partner - Fabrikam, Inc.\",Partner,True,0,0,0,\"33,3\",\"66,7\",10\r\n\
         2026-11-10,Para a Internet sem um conector,,,100,0,0,0,0,7\r\n\
         2026-11-11,An das Internet ohne Connector,,,0,0,0,100,0,0\r\n",
    );
    let report = folder.report(&RANGE);
    let expected = expected(&[
        "inbound|-|no_tls|3",
        "inbound|-|tls1_2|97",
        "inbound|-|tls1_3|100",
        "inbound|Contoso Corp Connector|tls1_0|100",
        "inbound|Contoso Corp Connector|tls1_2|900",
        "outbound|Fabrikam, Inc.|tls1_2|3",
        "outbound|Fabrikam, Inc.|tls1_3|7",
        "outbound|-|no_tls|7",
    ]);
    assert_eq!(counts(&report), expected);
    assert_eq!(report["sources"][0]["kind"], "connector-report");
    let connectors = report["periods"][0]["connectors"].as_array().unwrap();
    let own = connectors.iter().find(|c| c["connector"] == "Contoso Corp Connector").unwrap();
    assert_eq!(
        (own["type"].as_str(), own["forced_tls"].as_bool()),
        (Some("on_premises"), Some(true))
    );
}

/// Without a TLS 1.3 column, what the shares leave over is unknown, never a version.
#[test]
fn connector_report_without_tls_1_3() {
    let folder = Folder::with(
        "old.csv",
        "Date;Connector direction and name;No TLS (percentage);TLS 1.2 (percentage);Volume\n\
         2026-11-09;To the internet without a connector;2,0;40,0;100\n",
    );
    let report = folder.report(&RANGE);
    let expected =
        expected(&["outbound|-|no_tls|2", "outbound|-|tls1_2|40", "outbound|-|unknown|58"]);
    assert_eq!(counts(&report), expected);
}

#[test]
fn connector_report_rows_that_cannot_be() {
    let folder = Folder::with(
        "bad.csv",
        "Date,Connector direction and name,No TLS,TLS 1.2,TLS 1.3,Volume\n\
         2026-11-09,From partner - A,1,50,50,100\n\
         2026-11-09,From partner - B,0,100,0,-5\n\
         2026-11-09,From partner - C,0,100,0,12.5\n\
         2026-11-09,From partner - D,x,100,0,10\n\
         soon,From partner - E,0,100,0,10\n\
         2026-11-09,From partner - F,-1,100,0,10\n\
         2026-11-09,From partner - G,0,33.4,66.7,10\n",
    );
    let report = folder.report(&RANGE);
    let expected = expected(&["inbound|G|tls1_2|3", "inbound|G|tls1_3|7"]);
    assert_eq!(counts(&report), expected);
    assert_eq!(
        rejects(&report),
        [
            "time-unreadable x1",
            "volume-unreadable x1",
            "volume-negative x1",
            "percent-unreadable x2",
            "percent-above-100 x1"
        ]
    );
    assert_eq!(report["rejects"][4]["line"], 2);
}

/// A label that is not known takes its direction from a column or the user.
#[test]
fn connector_report_with_unknown_labels() {
    let table =
        "Date,Connector direction and name,No TLS,TLS 1.2,Volume\n2026-11-09,Fabrikam,0,100,10\n";
    let folder = Folder::with("export.csv", table);
    let stderr = folder.failure(3, &RANGE);
    assert!(stderr.contains("line 2") && stderr.contains("`Fabrikam`"), "{stderr}");
    assert!(stderr.contains("hint: give --direction"), "{stderr}");
    let args: Vec<&str> = RANGE.iter().copied().chain(["--direction", "outbound"]).collect();
    assert_eq!(counts(&folder.report(&args)), expected(&["outbound|Fabrikam|tls1_2|10"]));
    let with_column =
        "Date,Direction,Connector,No TLS,TLS 1.2,Volume\n2026-11-09,Inbound,Fabrikam,0,100,10\n";
    let folder = Folder::with("export.csv", with_column);
    assert_eq!(counts(&folder.report(&RANGE)), expected(&["inbound|Fabrikam|tls1_2|10"]));
}

/// One row per recipient is one message; empty TLS is unknown; none-connectors are none.
#[test]
fn connector_report_detail() {
    let folder = Folder::with(
        "detail.csv",
        detail(&[
            "2026-11-09T10:00:00.1234567Z,AAAA,Received,Fabrikam inbound,TLS1.2,a@fabrikam.example,x@contoso.example",
            "2026-11-09T10:00:00.1234567Z,aaaa,Received,Fabrikam inbound,TLS1.2,a@fabrikam.example,y@contoso.example",
            "2026-11-09T11:00:00Z,bbbb,Inbound,,No Tls,a@example.com,x@contoso.example",
            "2026-11-09T11:00:00Z,cccc,Sent,To_DefaultOpportunisticTLS,,x@contoso.example,a@example.net;b@example.net",
            "2026-11-09T11:00:00Z,dddd,Originating,NoConnector,TLSv1,x@contoso.example,a@example.org",
            "2026-11-09T12:00:00Z,eeee,Intra-org,,TLS1.2,x@contoso.example,y@contoso.example",
            "2026-11-09T12:00:00Z,ffff,Sideways,,TLS1.2,x@contoso.example,y@contoso.example",
            "2026-11-09T12:00:00Z,gggg,Sent,,TLS9,x@contoso.example,y@contoso.example",
        ]),
    );
    let report = folder.report(&RANGE);
    let expected = expected(&[
        "inbound|Fabrikam inbound|tls1_2|1",
        "inbound|-|no_tls|1",
        "outbound|-|unknown|1",
        "outbound|-|tls1_0|1",
    ]);
    assert_eq!(counts(&report), expected);
    assert_eq!(rejects(&report), ["direction-unreadable x1", "tls-unreadable x1"]);
    assert_eq!((sum(&report, "merged"), sum(&report, "internal")), (1, 1));
    let peers = report["periods"][0]["peers"].as_array().unwrap();
    assert_eq!(peers[0]["peer"], "example.com", "worst first");
    assert_eq!(peers.len(), 4);
}

/// A message rejected at midnight is counted once, on the day of its first row.
#[test]
fn a_message_belongs_to_the_day_of_its_first_row() {
    let folder = Folder::with(
        "detail.csv",
        detail(&[
            "2026-11-09T03:00:01Z,aaaa,Received,F,TLS1.2,a@b.example,x@contoso.example",
            "2026-11-09T02:59:59Z,aaaa,Received,F,TLS1.2,a@b.example,y@contoso.example",
        ]),
    );
    let zone = ["--timezone", "America/Sao_Paulo", "--from", "2026-11-09", "--to", "2026-11-09"];
    let report = folder.report(&zone);
    assert_eq!(counts(&report), expected(&[]));
    assert_eq!(sum(&report, "outside_period"), 2);
    let zone = ["--timezone", "America/Sao_Paulo", "--from", "2026-11-08", "--to", "2026-11-08"];
    assert_eq!(counts(&folder.report(&zone)), expected(&["inbound|F|tls1_2|1"]));
}

/// The enhanced summary knows connector and volume, and says that it does not know TLS.
#[test]
fn message_trace() {
    let folder = Folder::with(
        "summary.csv",
        "origin_timestamp_utc,sender_address,recipient_status,message_subject,total_bytes,message_id,network_message_id,original_client_ip,directionality,connector_id,delivery_priority\n\
         2026-11-09T10:00:09.3284899Z,a@contoso.example,\"b@example.com##Receive, Deliver;c@example.net##Receive, Send\",AW: x,49790,<1@contoso.example>,81945af2-cab7-45ad-ba23-08d8ede2715d,192.0.2.1,Originating,To_DefaultOpportunisticTLS,Normal\n\
         2026-11-09T10:00:10Z,a@fabrikam.example,\"b@contoso.example##Receive, Fail\",y,1,<2@fabrikam.example>,81945af2-cab7-45ad-ba23-08d8ede2715e,192.0.2.1,Incoming,Fabrikam inbound,Normal\n",
    );
    let report = folder.report(&RANGE);
    let expected = expected(&["outbound|-|unknown|1", "inbound|Fabrikam inbound|unknown|1"]);
    assert_eq!(counts(&report), expected);
    assert_eq!(report["sources"][0]["notes"], serde_json::json!(["no-tls-column"]));
    assert_eq!(report["periods"][0]["coverage"]["tls_not_recorded"], true);
    let insights = report["periods"][0]["insights"].as_array().unwrap();
    let of_connectors: Vec<_> = insights.iter().filter(|i| i["rule"] != "coverage-gap").collect();
    assert!(of_connectors.is_empty(), "one note takes the place of insights: {of_connectors:?}");
}

/// Summaries of the cmdlet do not say the direction.
#[test]
fn message_trace_of_the_cmdlet() {
    let table = "\"Received\",\"SenderAddress\",\"RecipientAddress\",\"Subject\",\"Status\",\"MessageId\",\"MessageTraceId\"\n\
        \"11/13/2026 3:04:05 PM\",\"a@example.com\",\"x@contoso.example\",\"s\",\"Delivered\",\"<1@x>\",\"cf7a249a-5edd-4350-130a-08da8f69e0f6\"\n\
        \"11/09/2026 3:04:05 AM\",\"a@example.com\",\"y@contoso.example\",\"s\",\"Delivered\",\"<1@x>\",\"cf7a249a-5edd-4350-130a-08da8f69e0f6\"\n";
    let folder = Folder::with("trace.csv", table);
    let stderr = folder.failure(3, &RANGE);
    assert!(stderr.contains("which way messages went"), "{stderr}");
    let args: Vec<&str> = RANGE.iter().copied().chain(["--direction", "inbound"]).collect();
    let report = folder.report(&args);
    assert_eq!(counts(&report), expected(&["inbound|-|unknown|1"]));
    let notes = report["sources"][0]["notes"].to_string();
    assert!(notes.contains("day-order-proven"), "{notes}");
}

const EXTENDED: &str = "date_time_utc,source,event_id,message_id,network_message_id,recipient_address,sender_address,directionality,connector_id,server_hostname,custom_data\n";

/// Events are folded into messages, whichever file they stand in; hops inside are none.
#[test]
fn message_trace_detail() {
    let first = format!(
        "{EXTENDED}\
         2026-11-09T10:00:00Z,SMTP,RECEIVE,<1>,N1,x@contoso.example,a@fabrikam.example,Incoming,,,\"S:ProxyHop1=a;'S:InboundConnectorData=Name=Fabrikam inbound;ConnectorType=Partner;TenantId=1';S:tlsversion=SP_PROT_TLS1_3_SERVER\"\n\
         2026-11-09T10:00:01Z,AGENT,AGENTINFO,<1>,N1,x@contoso.example,a@fabrikam.example,Incoming,,,S:SFA=SUM|SFV=SPM\n\
         2026-11-09T10:00:02Z,STOREDRIVER,DELIVER,<1>,N1,x@contoso.example,a@fabrikam.example,Incoming,,,S:E2ELatency=1\n\
         2026-11-09T11:00:00Z,SMTP,RECEIVE,<2>,N2,x@contoso.example,a@example.com,Incoming,EXCH01\\Default EXCH01,,S:ProxyHop1=a\n\
         2026-11-09T11:00:00Z,SMTP,HARECEIVE,<2>,N2,x@contoso.example,a@example.com,Incoming,,,\n\
         2026-11-09T12:00:00Z,STOREDRIVER,SUBMIT,<3>,N3,a@example.net,x@contoso.example,Originating,,,\n\
         2026-11-09T12:00:00Z,SMTP,RECEIVE,<3>,N3,a@example.net,x@contoso.example,Originating,,,S:tlsversion=SP_PROT_TLS1_2_SERVER\n"
    );
    let second = format!(
        "{EXTENDED}\
         2026-11-09T12:00:01Z,SMTP,SENDEXTERNAL,<3>,N3,a@example.net,x@contoso.example,Originating,Outbound relay,mx.example.net,\n\
         2026-11-09T13:00:00Z,STOREDRIVER,SUBMIT,<4>,N4,y@contoso.example,x@contoso.example,Originating,,,\n\
         2026-11-09T13:00:01Z,STOREDRIVER,DELIVER,<4>,N4,y@contoso.example,x@contoso.example,Originating,,,\n\
         2026-11-09T14:00:01Z,STOREDRIVER,DELIVER,<5>,N5,y@contoso.example,a@example.org,Incoming,,,\n\
         2026-11-09T10:00:03Z,STOREDRIVER,DELIVER,<1>,N1,z@contoso.example,a@fabrikam.example,Incoming,,,\n"
    );
    let folder = Folder::with("1.csv", first);
    folder.add("2.csv", second);
    let report = folder.report(&RANGE);
    let expected = expected(&[
        "inbound|Fabrikam inbound|tls1_3|1",
        "inbound|-|no_tls|1",
        "outbound|Outbound relay|unknown|1",
    ]);
    assert_eq!(counts(&report), expected);
    assert_eq!(rejects(&report), ["no-acceptance x1"]);
    assert_eq!(sum(&report, "internal"), 2);
    let connectors = report["periods"][0]["connectors"].as_array().unwrap();
    assert!(connectors.iter().any(|c| c["type"] == "partner"));
}

/// Without a version in any row of the file, absence says nothing.
#[test]
fn events_of_a_file_without_any_version_are_unknown() {
    let row = "2026-11-09T11:00:00Z,SMTP,RECEIVE,<2>,N2,x@contoso.example,a@example.com,Incoming,,,S:ProxyHop1=a\n";
    let folder = Folder::with("1.csv", format!("{EXTENDED}{row}"));
    assert_eq!(counts(&folder.report(&RANGE)), expected(&["inbound|-|unknown|1"]));
}

/// The version of a hand-over does not tell what its absence at an acceptance means.
#[test]
fn only_acceptances_tell_what_an_absent_version_means() {
    let rows = "2026-11-09T11:00:00Z,SMTP,RECEIVE,<2>,N2,x@contoso.example,a@example.com,Incoming,,,S:ProxyHop1=a\n\
        2026-11-09T11:00:00Z,SMTP,SENDEXTERNAL,<3>,N3,a@example.com,x@contoso.example,Originating,,mx.example.com,S:tlsversion=SP_PROT_TLS1_2_CLIENT\n";
    let report = Folder::with("1.csv", format!("{EXTENDED}{rows}")).report(&RANGE);
    assert_eq!(counts(&report), expected(&["inbound|-|unknown|1", "outbound|-|tls1_2|1"]));
}

const MEP: &str = "<root><MEP Name=\"ConnectorId\" String=\"Fabrikam inbound\" /><MEP Name=\"CustomData\" Blob=\"S:ProxyHop1=EOP01(10.1.1.1);S:tlsversion=SP_PROT_TLS1_2_SERVER;S:tlscipher=CALG_AES_256\" /></root>";

/// Event details as CSV with MEP XML, with a translated event name.
#[test]
fn message_trace_events_as_csv() {
    let xml = MEP.replace('"', "\"\"");
    let folder = Folder::with(
        "details.csv",
        format!(
            "\"Date\",\"Event\",\"Action\",\"Detail\",\"Data\",\"MessageId\",\"MessageTraceId\"\n\
             \"2026-11-09T10:00:00\",\"Empfangen\",\"\",\"x\",\"{xml}\",\"<1@x>\",\"AAAA\"\n\
             \"2026-11-09T10:00:01\",\"Zugestellt\",\"\",\"x\",\"<root></root>\",\"<1@x>\",\"AAAA\"\n\
             \"2026-11-09T10:00:02\",\"Receive\",\"\",\"x\",\"<root><MEP ... /></root>\",\"<2@x>\",\"BBBB\"\n"
        ),
    );
    let report = folder.report(&RANGE);
    assert_eq!(counts(&report), expected(&["inbound|Fabrikam inbound|tls1_2|1"]));
    assert_eq!(rejects(&report), ["xml-unreadable x1"]);
}

/// What was submitted inside and received by the organisation's own hub is no inbound mail.
#[test]
fn message_trace_events_of_outgoing_mail() {
    let data = |version: &str| {
        format!("<root><MEP Name=\"\"CustomData\"\" Blob=\"\"S:tlsversion={version}\"\" /></root>")
    };
    let (server, client) = (data("SP_PROT_TLS1_2_SERVER"), data("SP_PROT_TLS1_3_CLIENT"));
    let folder = Folder::with(
        "details.csv",
        format!(
            "Date,Event,Data,MessageTraceId\n\
             2026-11-09T10:00:00,Submit,,AAAA\n\
             2026-11-09T10:00:01,Receive,\"{server}\",AAAA\n\
             2026-11-09T10:00:02,Send external,\"{client}\",AAAA\n\
             2026-11-09T10:00:01,Receive,\"{server}\",BBBB\n"
        ),
    );
    let report = folder.report(&RANGE);
    assert_eq!(counts(&report), expected(&["inbound|-|tls1_2|1", "outbound|-|tls1_3|1"]));
    assert_eq!(sum(&report, "merged"), 2);
}

/// Event details as Microsoft Graph answers, pages one after the other.
#[test]
fn message_trace_events_as_json() {
    let page = |id: &str| {
        serde_json::json!({
            "@odata.context": "x",
            "value": [
                {"id": id, "messageId": format!("<{id}@x>"), "dateTime": "2026-11-09T10:30:05Z", "event": "Receive", "data": MEP},
                {"id": id, "messageId": format!("<{id}@x>"), "dateTime": "2026-11-09T10:30:10Z", "event": "Deliver", "data": ""},
            ],
            "@odata.nextLink": "y"
        })
    };
    let folder = Folder::with("pages.json", format!("{}\n{}\n", page("1"), page("2")));
    let pretty = serde_json::to_string_pretty(&page("3")).unwrap();
    folder.add("pretty.json", format!("\u{feff}{pretty}"));
    let report = folder.report(&RANGE);
    assert_eq!(counts(&report), expected(&["inbound|Fabrikam inbound|tls1_2|3"]));
    assert_eq!(report["sources"][0]["kind"], "message-trace-events");
}

const MAP: &str = "time = \"Zeit\"\ndirection = \"Richtung\"\ntls = \"Version\"\nconnector = \"Weg\"\nmessage_id = \"Kennung\"\n";

/// Any table with a column map: TSV and JSON Lines.
#[test]
fn table_with_a_column_map() {
    let folder = Folder::with("map.toml", MAP);
    folder.add(
        "t/a.tsv",
        "Kennung\tZeit\tRichtung\tWeg\tVersion\n1\t2026-11-09 10:00:00\tinbound\tA\tTLSv1.2\n",
    );
    folder.add(
        "t/b.jsonl",
        "{\"Kennung\":2,\"Zeit\":\"2026-11-09T11:00:00Z\",\"Richtung\":2,\"Weg\":null,\"Version\":\"No TLS\"}\n\
         {\"Kennung\":1,\"Zeit\":\"2026-11-09T10:00:00Z\",\"Richtung\":1,\"Weg\":\"A\",\"Version\":\"TLSv1.2\"}\n\
         {broken\n",
    );
    let run = |args: &[&str]| {
        folder
            .run(&[&["report", "t", "--json", "--columns", "map.toml"], &RANGE[..], args].concat())
    };
    let output = run(&[]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let wanted = expected(&["inbound|A|tls1_2|1", "outbound|-|no_tls|1"]);
    assert_eq!(counts(&report), wanted);
    assert_eq!(report["sources"][0]["kind"], "table");
    assert_eq!((sum(&report, "duplicates"), sum(&report, "rejected")), (1, 1));
}

/// Parquet, with real time and whole-number columns.
#[test]
fn table_as_parquet() {
    use polars::prelude::*;
    use polars_io::parquet::write::ParquetWriter;
    let times = Int64Chunked::from_slice("Zeit".into(), &[1_794_218_400_000, 1_794_222_000_000])
        .into_datetime(TimeUnit::Milliseconds, Some(TimeZone::UTC));
    let columns = vec![
        times.into_series().into(),
        Column::new("Kennung".into(), ["1", "2"]),
        Column::new("Richtung".into(), [1_i64, 2]),
        Column::new("Weg".into(), [Some("A"), None]),
        Column::new("Version".into(), ["TLS1.3", "none"]),
        Column::new("Unused".into(), [0.5_f64, 0.25]),
    ];
    let mut frame = DataFrame::new(2, columns).unwrap();
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut frame).unwrap();
    let folder = Folder::with("map.toml", MAP);
    folder.add("t.parquet", bytes);
    let args = [&["report", "t.parquet", "--json", "--columns", "map.toml"], &RANGE[..]].concat();
    let output = folder.run(&args);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", crate::support::text(&output.stderr)));
    assert_eq!(counts(&report), expected(&["inbound|A|tls1_3|1", "outbound|-|no_tls|1"]));
}

/// A table whose rows stand for many messages.
#[test]
fn table_of_totals() {
    let folder =
        Folder::with("map.toml", "time=\"d\"\ndirection=\"w\"\ntls=\"v\"\nmessages=\"n\"\n");
    folder.add("t.csv", "d,w,v,n\n2026-11-09,1,TLS1.2,40\n2026-11-09,1,No TLS,2\n2026-11-09,1,TLS1.2,5\n2026-11-09,1,TLS1.2,-1\n");
    let args = [&["report", "t.csv", "--json", "--columns", "map.toml"], &RANGE[..]].concat();
    let output = folder.run(&args);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(counts(&report), expected(&["inbound|-|tls1_2|45", "inbound|-|no_tls|2"]));
    assert_eq!(rejects(&report), ["volume-negative x1"]);
}

#[test]
fn a_map_that_names_an_absent_column_is_an_error() {
    let folder = Folder::with("t.csv", "a,b\n1,2\n");
    folder.add("map.toml", MAP);
    let output = folder.run(&["report", "t.csv", "--columns", "map.toml"]);
    assert_eq!(output.status.code(), Some(3));
    let stderr = crate::support::text(&output.stderr);
    assert!(stderr.contains("has no column") && stderr.contains("found `a`, `b`"), "{stderr}");
}
