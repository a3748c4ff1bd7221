//! Logs of real mail servers, beside what the traffic driver itself saw.
//!
//! `tests/data/captures` holds each log with a `truth.json`: messages per service (inbound)
//! or remote host (outbound) and TLS version, from the driver's own TLS objects.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Folder, RANGE, rejects, sum, text};

/// Messages by direction, place and band, zeros left out.
type Found = BTreeMap<(String, String, String), u64>;

const ALL: [&str; 11] = [
    "exim/dev",
    "exim/ext-dev",
    "exim498/dev",
    "opensmtpd/dev",
    "postfix/dev",
    "postfix/gateway-dev",
    "postfix/halflog-dev",
    "postfix/loglevel0-dev",
    "postfix/rfc3339-dev",
    "postfix310/dev",
    "sendmail/dev",
];

fn capture(name: &str) -> (Vec<u8>, Value) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/captures").join(name);
    let mut entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let log: PathBuf = entries.find(|path| path.extension().unwrap() == "log").unwrap();
    let truth = std::fs::read(folder.join("truth.json")).unwrap();
    (std::fs::read(log).unwrap(), serde_json::from_slice(&truth).unwrap())
}

fn band(of_truth: &str) -> &'static str {
    match of_truth {
        "none" => "no_tls",
        "1.0" => "tls1_0",
        "1.1" => "tls1_1",
        "1.2" => "tls1_2",
        "1.3" => "tls1_3",
        other => panic!("{other}"),
    }
}

/// What the driver saw, with services by the names that the log has for them.
fn truth(truth: &Value, service: &dyn Fn(&str) -> String) -> Found {
    let mut found = Found::new();
    for direction in ["inbound", "outbound"] {
        for (place, bands) in truth["totals"][direction].as_object().unwrap() {
            let place = if direction == "inbound" { service(place) } else { place.clone() };
            for (version, counts) in bands.as_object().unwrap() {
                let messages = counts["messages"].as_u64().unwrap();
                if messages > 0 {
                    let key = (direction.to_owned(), place.clone(), band(version).to_owned());
                    *found.entry(key).or_default() += messages;
                }
            }
        }
    }
    found
}

/// What a report counts: inbound by connector, outbound by remote host.
fn reported(report: &Value) -> Found {
    let mut found = Found::new();
    let mut add = |direction: &str, place: &Value, tls: &Value| {
        for (band, messages) in tls.as_object().unwrap() {
            let messages = messages.as_u64().unwrap();
            if messages > 0 {
                let place = place.as_str().unwrap_or("-").to_owned();
                *found.entry((direction.to_owned(), place, band.clone())).or_default() += messages;
            }
        }
    };
    let period = &report["periods"][0];
    for connector in period["connectors"].as_array().unwrap() {
        if connector["direction"] == "inbound" {
            add("inbound", &connector["connector"], &connector["tls"]);
        }
    }
    for peer in period["peers"].as_array().unwrap() {
        if peer["direction"] == "outbound" {
            add("outbound", &peer["peer"], &peer["tls"]);
        }
    }
    found
}

/// The same without places.
fn by_band(found: &Found) -> BTreeMap<(String, String), u64> {
    let mut sums = BTreeMap::new();
    for ((direction, _, band), messages) in found {
        *sums.entry((direction.clone(), band.clone())).or_default() += messages;
    }
    sums
}

/// Where TLS is not logged, everything but the deliveries over reused connections is unknown.
fn without_log(found: &Found, direction: &str) -> Found {
    let mut kept = Found::new();
    for ((of, place, band), messages) in found {
        let known = of != direction || place == "mx.reuse.example.net";
        let band = if known { band.clone() } else { "unknown".to_owned() };
        *kept.entry((of.clone(), place.clone(), band)).or_default() += messages;
    }
    kept
}

fn report_of(files: &[(&str, &[u8])], more: &[&str]) -> Value {
    let folder = Folder::new();
    for (name, bytes) in files {
        folder.add(name, bytes);
    }
    let args: Vec<&str> =
        RANGE.iter().copied().chain(["--year", "2026"]).chain(more.to_vec()).collect();
    folder.report(&args)
}

/// Every row went somewhere, and what was outside the organisation adds up.
fn check_law(report: &Value) {
    let fields = ["counted", "merged", "duplicates", "internal", "outside_period", "rejected"];
    let gone: u64 = fields.iter().map(|field| sum(report, field)).sum();
    assert_eq!(sum(report, "rows"), gone);
}

fn postfix_service(name: &str) -> String {
    if name == "public" { "smtpd".to_owned() } else { name.to_owned() }
}

#[test]
fn postfix_counts_what_the_driver_saw() {
    for name in ["postfix/dev", "postfix/gateway-dev", "postfix/rfc3339-dev", "postfix310/dev"] {
        let (log, driver) = capture(name);
        let report = report_of(&[("mail.log", &log)], &[]);
        assert_eq!(report["sources"][0]["kind"], "postfix");
        assert_eq!(reported(&report), truth(&driver, &postfix_service), "{name}");
        assert!(rejects(&report).is_empty(), "{name}: {:?}", rejects(&report));
        assert_eq!(report["sources"][0]["tls_known"], report["sources"][0]["counted"], "{name}");
        check_law(&report);
    }
}

#[test]
fn postfix_without_tls_in_its_log_is_unknown_never_in_clear() {
    let (log, driver) = capture("postfix/loglevel0-dev");
    let report = report_of(&[("mail.log", &log)], &[]);
    let seen = truth(&driver, &postfix_service);
    assert_eq!(reported(&report), without_log(&without_log(&seen, "inbound"), "outbound"));
    assert!(report["sources"][0]["notes"].to_string().contains("tls-not-logged"));
    let (log, driver) = capture("postfix/halflog-dev");
    let report = report_of(&[("mail.log", &log)], &[]);
    let seen = truth(&driver, &postfix_service);
    assert_eq!(reported(&report), without_log(&seen, "outbound"));
}

#[test]
fn postfix_transports_are_the_outbound_connectors() {
    let (log, _) = capture("postfix/dev");
    let report = report_of(&[("mail.log", &log)], &[]);
    let connectors = report["periods"][0]["connectors"].as_array().unwrap();
    let outbound = connectors.iter().filter(|connector| connector["direction"] == "outbound");
    let names: Vec<&str> = outbound.map(|each| each["connector"].as_str().unwrap()).collect();
    assert_eq!(names, ["partnerout", "relay", "smtp"]);
}

#[test]
fn exim_counts_what_the_driver_saw() {
    for name in ["exim/dev", "exim/ext-dev", "exim498/dev"] {
        let (log, driver) = capture(name);
        let report = report_of(&[("mainlog", &log)], &[]);
        assert_eq!(report["sources"][0]["kind"], "exim");
        let (found, seen) = (reported(&report), truth(&driver, &str::to_owned));
        let outbound = |all: &Found| -> Found {
            let ours = all.iter().filter(|((direction, ..), _)| direction == "outbound");
            ours.map(|(key, count)| (key.clone(), *count)).collect()
        };
        assert_eq!(outbound(&found), outbound(&seen), "{name}");
        assert_eq!(by_band(&found), by_band(&seen), "{name}");
        check_law(&report);
    }
}

#[test]
fn exim_listeners_are_the_inbound_connectors_where_they_are_logged() {
    let (log, driver) = capture("exim/ext-dev");
    let report = report_of(&[("mainlog", &log)], &[]);
    let found = reported(&report);
    let of = |place: &str| -> BTreeMap<String, u64> {
        let ours = found.iter().filter(|((way, at, _), _)| way == "inbound" && at == place);
        ours.map(|((.., band), messages)| (band.clone(), *messages)).collect()
    };
    let seen = truth(&driver, &str::to_owned);
    let seen_at = |place: &str| -> BTreeMap<String, u64> {
        let ours = seen.iter().filter(|((way, at, _), _)| way == "inbound" && at == place);
        ours.map(|((.., band), messages)| (band.clone(), *messages)).collect()
    };
    assert_eq!(of("[192.0.2.10]:587"), seen_at("submission"));
    assert_eq!(of("[192.0.2.11]:25"), seen_at("partner"));
}

#[test]
fn sendmail_and_opensmtpd_count_what_the_driver_saw() {
    for (name, kind) in [("sendmail/dev", "sendmail"), ("opensmtpd/dev", "opensmtpd")] {
        let (log, driver) = capture(name);
        let report = report_of(&[("maillog", &log)], &[]);
        assert_eq!(report["sources"][0]["kind"], kind);
        let (found, seen) = (reported(&report), truth(&driver, &str::to_owned));
        assert_eq!(by_band(&found), by_band(&seen), "{name}");
        assert!(rejects(&report).is_empty(), "{name}: {:?}", rejects(&report));
        check_law(&report);
    }
    let (log, driver) = capture("sendmail/dev");
    let report = report_of(&[("maillog", &log)], &[]);
    let name = |service: &str| match service {
        "partner" => "ACME".to_owned(),
        "smtps" => "TLSMTA".to_owned(),
        other => other.to_owned(),
    };
    let (found, seen) = (reported(&report), truth(&driver, &name));
    for (key, messages) in
        seen.iter().filter(|((_, place, _), _)| place != "public" && place != "submission")
    {
        assert_eq!(found.get(key), Some(messages), "{key:?}");
    }
}

/// A log cut after every so many lines, as `logrotate` leaves it.
fn rotated(log: &[u8], at: [usize; 2]) -> [Vec<u8>; 3] {
    let lines: Vec<&[u8]> = log.split_inclusive(|byte| *byte == b'\n').collect();
    [lines[..at[0]].concat(), lines[at[0]..at[1]].concat(), lines[at[1]..].concat()]
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn sessions_go_on_across_a_rotation() {
    for name in ALL {
        let (log, _) = capture(name);
        let lines = log.split(|byte| *byte == b'\n').count();
        let whole = reported(&report_of(&[("mail.log", &log)], &[]));
        for part in 1..6 {
            let at = [lines * part / 13, lines * (part + 6) / 13];
            let [oldest, older, newest] = rotated(&log, at);
            let files: [(&str, &[u8]); 3] =
                [("mail.log", &newest), ("mail.log.1", &older), ("mail.log.2.gz", &gzip(&oldest))];
            let report = report_of(&files, &[]);
            assert_eq!(reported(&report), whole, "{name} cut at {at:?}");
            check_law(&report);
        }
    }
}

#[test]
fn overlapping_copies_count_once() {
    for name in ["postfix/dev", "exim/dev", "sendmail/dev", "opensmtpd/dev"] {
        let (log, _) = capture(name);
        let lines = log.split(|byte| *byte == b'\n').count();
        let whole = reported(&report_of(&[("mail.log", &log)], &[]));
        let [first, middle, last] = rotated(&log, [lines / 3, 2 * lines / 3]);
        let files: [(&str, &[u8]); 2] =
            [("a.log", &[first, middle.clone()].concat()), ("b.log", &[middle, last].concat())];
        let report = report_of(&files, &[]);
        assert_eq!(reported(&report), whole, "{name}");
        assert!(sum(&report, "duplicates") > 0, "{name}");
        check_law(&report);
    }
}

#[test]
fn several_systems_in_one_report() {
    let logs = ["postfix/dev", "exim/dev", "sendmail/dev", "opensmtpd/dev"].map(capture);
    let names = ["postfix.log", "exim.log", "sendmail.log", "opensmtpd.log"];
    let files: Vec<(&str, &[u8])> =
        names.iter().zip(&logs).map(|(name, (log, _))| (*name, log.as_slice())).collect();
    let report = report_of(&files, &[]);
    let mut seen: BTreeMap<(String, String), u64> = BTreeMap::new();
    for (_, driver) in &logs {
        for (key, messages) in by_band(&truth(driver, &str::to_owned)) {
            *seen.entry(key).or_default() += messages;
        }
    }
    let totals = report["periods"][0]["totals"].as_array().unwrap();
    for total in totals {
        for (band, messages) in total["tls"].as_object().unwrap() {
            let key = (total["direction"].as_str().unwrap().to_owned(), band.clone());
            assert_eq!(messages.as_u64().unwrap(), seen.get(&key).copied().unwrap_or(0), "{key:?}");
        }
    }
    let kinds = report["sources"].as_array().unwrap().iter().map(|source| source["kind"].clone());
    assert_eq!(kinds.collect::<Vec<_>>(), ["exim", "opensmtpd", "postfix", "sendmail"]);
}

/// Two hosts whose processes have the same numbers, in one file.
#[test]
fn hosts_that_log_to_one_place_are_told_apart() {
    for name in ["postfix/dev", "sendmail/dev", "opensmtpd/dev"] {
        let (log, _) = capture(name);
        let first = text(&log);
        let second = first.replace(" mx1 ", " mx2 ");
        let lines = first.lines().zip(second.lines()).flat_map(|(a, b)| [a, b]);
        let both = lines.collect::<Vec<_>>().join("\n");
        let mut twice = reported(&report_of(&[("mail.log", &log)], &[]));
        for messages in twice.values_mut() {
            *messages *= 2;
        }
        assert_eq!(reported(&report_of(&[("mail.log", both.as_bytes())], &[])), twice, "{name}");
    }
}

#[test]
fn garbage_is_rejected_line_by_line() {
    for name in ALL {
        let (log, _) = capture(name);
        let whole = report_of(&[("mail.log", &log)], &[]);
        let mut dirty = Vec::new();
        for (number, line) in log.split_inclusive(|byte| *byte == b'\n').enumerate() {
            dirty.extend_from_slice(line);
            if number % 100 == 50 {
                dirty.extend_from_slice(b"\xff\xfe nonsense \x00 without a stamp\n");
            }
        }
        dirty.extend(vec![b'x'; 1 << 20]);
        dirty.push(b'\n');
        let report = report_of(&[("mail.log", &dirty)], &[]);
        assert_eq!(reported(&report), reported(&whole), "{name}");
        let lines = log.split(|byte| *byte == b'\n').count() as u64;
        let added = sum(&report, "rejected") - sum(&whole, "rejected");
        assert!(added >= lines / 100, "{name}: {added}");
        check_law(&report);
    }
}

#[test]
fn a_map_names_the_connectors() {
    let (log, driver) = capture("postfix/dev");
    let folder = Folder::with("mail.log", &log);
    folder.add(
        "intransit.toml",
        "[[source]]\npath = \"mail.log\"\nyear = 2026\n\
         [[map]]\nconnector = \"Fabrikam inbound\"\ntype = \"partner\"\nservice = \"partner\"\n\
         [[map]]\nconnector = \"Smart host\"\nrelay = \"mx.smarthost.example.net\"\n\
         [[map]]\nconnector = \"IPv6\"\nnetwork = \"2001:db8:7::/48\"\n\
         [[map]]\nconnector = \"Partners\"\ndirection = \"outbound\"\ndomain = \"partner.example.net\"\n",
    );
    let args: Vec<&str> = ["report", "--json"].into_iter().chain(RANGE).collect();
    let output = folder.run(&args);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let connectors = report["periods"][0]["connectors"].as_array().unwrap();
    let of = |name: &str| connectors.iter().find(|each| each["connector"] == name).unwrap();
    let total = |direction: &str, place: &str| -> u64 {
        let bands = driver["totals"][direction][place].as_object().unwrap();
        bands.values().map(|counts| counts["messages"].as_u64().unwrap()).sum()
    };
    assert_eq!(of("Fabrikam inbound")["messages"], total("inbound", "partner"));
    assert_eq!(of("Fabrikam inbound")["type"], "partner");
    assert_eq!(of("Smart host")["messages"], total("outbound", "mx.smarthost.example.net"));
    assert_eq!(of("IPv6")["messages"], total("outbound", "mx.six.example.net"));
    assert_eq!(of("Partners")["messages"], total("outbound", "mx.partner.example.net"));
}

#[test]
fn a_map_that_says_nothing_is_refused() {
    let cases = [
        ("connector = \"A\"\n", "map"),
        ("connector = \"A\"\nnetwork = \"198.51.100.0/99\"\n", "map.network"),
        ("connector = \"A\"\nservice = \"a\"\ntype = \"friend\"\n", "map.type"),
        ("connector = \"A\"\nservice = \"a\"\ndirection = \"up\"\n", "map.direction"),
    ];
    for (lines, key) in cases {
        let folder = Folder::with("mail.log", capture("postfix/dev").0);
        folder.add("intransit.toml", format!("[[source]]\npath = \"mail.log\"\n[[map]]\n{lines}"));
        let output = folder.run(&["report", "--json"]);
        assert_eq!(output.status.code(), Some(2), "{lines}");
        assert!(text(&output.stderr).contains(&format!("`{key}`")), "{}", text(&output.stderr));
    }
}

/// The year of stamps without one is that of the file, across New Year.
#[test]
fn the_year_is_told_by_the_file() {
    let (log, _) = capture("postfix/dev");
    let log = text(&log);
    let lines: Vec<&str> = log.lines().collect();
    let half = lines.len() / 2;
    let old = lines[..half].join("\n").replace("Nov 21", "Dec 31");
    let new = lines[half..].join("\n").replace("Nov 21", "Jan  1");
    let folder = Folder::new();
    let path = folder.add("mail.log", format!("{old}\n{new}\n"));
    let modified = std::time::UNIX_EPOCH + std::time::Duration::from_hours(490_920); // 2026-01-02
    std::fs::File::options().append(true).open(path).unwrap().set_modified(modified).unwrap();
    let report = folder.report(&["--from", "2025-12-31", "--to", "2026-01-01"]);
    assert_eq!(sum(&report, "outside_period"), 0);
    assert!(report["sources"][0]["notes"].to_string().contains("year-inferred"));
    let first = report["sources"][0]["first"].as_str().unwrap();
    let last = report["sources"][0]["last"].as_str().unwrap();
    assert!(first.starts_with("2025-12-31T") && last.starts_with("2026-01-01T"), "{first} {last}");
    let given = folder.report(&["--year", "2024", "--from", "2024-12-31", "--to", "2025-01-01"]);
    assert_eq!(sum(&given, "outside_period"), 0);
}

#[test]
fn a_log_from_standard_input_needs_its_year() {
    let (log, _) = capture("postfix/dev");
    let run = |args: &[&str]| {
        let mut command = crate::support::program();
        let mut child = command
            .args(["report", "-", "--json"])
            .args(args)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&log).unwrap();
        child.wait_with_output().unwrap()
    };
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("--year"), "{}", text(&output.stderr));
    assert!(run(&["--year", "2026"]).status.success());
}

/// Local times without a zone are read in the zone given.
#[test]
fn stamps_without_a_zone_are_read_in_the_zone_given() {
    let (log, _) = capture("postfix/dev");
    let utc = report_of(&[("mail.log", &log)], &[]);
    let there = report_of(&[("mail.log", &log)], &["--source-timezone", "America/Sao_Paulo"]);
    let hour = |report: &Value| {
        let first = report["sources"][0]["first"].as_str().unwrap();
        first.get(11..13).unwrap().parse::<u32>().unwrap()
    };
    assert_eq!(hour(&there), hour(&utc) + 3);
    assert!(utc["sources"][0]["notes"].to_string().contains("zone-assumed"));
    let (log, _) = capture("postfix/rfc3339-dev");
    let report = report_of(&[("mail.log", &log)], &[]);
    assert!(!report["sources"][0]["notes"].to_string().contains("zone-assumed"));
}

/// A front end that took a message over TLS 1.3 and one in clear, its hub, and the tracking log.
fn exchange() -> [(&'static str, String); 2] {
    let protocol = "#Software: Microsoft Exchange Server\r\n#Log-type: SMTP Receive Protocol Log\r\n\
        #Fields: date-time,connector-id,session-id,sequence-number,local-endpoint,remote-endpoint,event,data,context\r\n";
    let tls = "*,,\"TLS protocol SP_PROT_TLS1_3_SERVER negotiation succeeded using bulk encryption \
        algorithm CALG_AES_256 with strength 256 bits\"";
    let session = |id: &str, secure: bool, number: u32| -> String {
        let mut said = vec!["+,,".to_owned()];
        if secure {
            said.extend(["<,STARTTLS,", ">,220 2.0.0 SMTP server ready,", tls].map(str::to_owned));
        }
        said.extend(
            ["<,MAIL FROM:<bo@example.net>,", ">,250 2.1.0 Sender OK,", "<,DATA,"]
                .map(str::to_owned),
        );
        said.push(format!(
            ">,250 2.6.0 <{number}@example.net> [InternalId={number}] Queued mail for delivery,"
        ));
        said.push("-,,Local".to_owned());
        let lines = said.iter().enumerate().map(|(at, line)| {
            format!(
                "2026-11-21T10:00:0{at}.000Z,EXCH01\\Inbound from Fabrikam,{id},{at},192.0.2.10:25,198.51.100.7:4000{number},{line}\r\n"
            )
        });
        lines.collect()
    };
    let tracking = "#Software: Microsoft Exchange Server\r\n#Log-type: Message Tracking Log\r\n\
        #Fields: date-time,client-ip,client-hostname,server-ip,server-hostname,source-context,connector-id,source,\
        event-id,internal-message-id,message-id,network-message-id,recipient-address,recipient-status,total-bytes,\
        recipient-count,related-recipient-address,reference,message-subject,sender-address,return-path,message-info,\
        directionality,tenant-id,original-client-ip,original-server-ip,custom-data\r\n";
    let event = |id: &str, number: u32| {
        format!(
            "2026-11-21T10:00:09.000Z,198.51.100.7,mx.example.net,192.0.2.10,EXCH01,{id};2026-11-21T10:00:01.000Z;0,\
             EXCH01\\Inbound from Fabrikam,SMTP,RECEIVE,{number},<{number}@example.net>,net-{number},ana@contoso.example,,\
             100,1,,,\"Figures, weekly\",bo@example.net,bo@example.net,,Incoming,,198.51.100.7,192.0.2.10,\r\n"
        )
    };
    let (first, second) = ("08D0000000000001", "08D0000000000002");
    [
        (
            "RECV20261121-1.log",
            format!("{protocol}{}{}", session(first, true, 1), session(second, false, 2)),
        ),
        ("MSGTRK20261121-1.log", format!("{tracking}{}{}", event(first, 1), event(second, 2))),
    ]
}

#[test]
fn exchange_logs_are_joined_by_session() {
    let [protocol, tracking] = exchange();
    let name = "EXCH01\\Inbound from Fabrikam";
    let of = |files: &[(&str, &[u8])]| {
        let report = report_of(files, &[]);
        check_law(&report);
        (crate::support::counts(&report), report["sources"].clone())
    };
    let both = [(protocol.0, protocol.1.as_bytes()), (tracking.0, tracking.1.as_bytes())];
    let known = crate::support::expected(&[
        &format!("inbound|{name}|tls1_3|1"),
        &format!("inbound|{name}|no_tls|1"),
    ]);
    let (found, sources) = of(&both);
    assert_eq!(found, known);
    assert_eq!(
        (&sources[0]["kind"], &sources[1]["kind"]),
        (&"exchange-tracking".into(), &"exchange-smtp".into())
    );
    // Protocol logs know the sessions, tracking logs the messages.
    assert_eq!(of(&both[..1]).0, known);
    let (found, sources) = of(&both[1..]);
    assert_eq!(found, crate::support::expected(&[&format!("inbound|{name}|unknown|2")]));
    assert!(sources[0]["notes"].to_string().contains("no-protocol-log"));
}
