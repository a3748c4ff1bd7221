//! Tracking logs alone, and what their header says.

use super::*;

#[test]
fn tracking_alone_knows_no_version() {
    let mail = only(&[tracking_2016(&INCOMING.line())]);
    assert_eq!((mail.direction, mail.tls), (Direction::Inbound, Tls::Unknown));
    assert_eq!(mail.connector, "EXCH01\\Default EXCH01");
    assert_eq!((&*mail.peer, &*mail.domain), ("example.net", "example.net"));
    assert_eq!((&*mail.remote_host, &*mail.remote_address), ("mx.example.net", "198.51.100.7"));
    assert_eq!(mail.time_ms, 1_795_255_230_000);
    let mail = only(&[tracking_2016(&LEAVING.line())]);
    assert_eq!((mail.direction, mail.tls), (Direction::Outbound, Tls::Unknown));
    assert_eq!(mail.connector, "To Internet");
    assert_eq!((&*mail.peer, &*mail.domain), ("mx.example.org", "example.org"));
    assert_eq!((&*mail.remote_host, &*mail.remote_address), ("mx.example.org", "203.0.113.5"));
    assert_eq!(mail.forced_tls, Some(false));
}

#[test]
fn other_events_are_no_rows() {
    let quiet = [
        ("HARECEIVE", "SMTP"),
        ("HAREDIRECT", "SMTP"),
        ("AGENTINFO", "AGENT"),
        ("DELIVER", "STOREDRIVER"),
        ("DSN", "DSN"),
        ("RECEIVE", "AGENT"),
        ("SUBMIT", "STOREDRIVER"),
        ("FAIL", "SMTP"),
    ];
    for (name, source) in quiet {
        let found = run(&[tracking_2016(&Event { name, source, ..INCOMING }.line())]);
        assert!(found.mails.is_empty() && found.rejects.is_empty(), "{name} {source}");
    }
    let mail = only(&[tracking_2016(&Event { source: "STOREDRIVER", ..INCOMING }.line())]);
    assert_eq!(mail.direction, Direction::Internal);
}

#[test]
fn forced_tls_is_what_the_connector_asked_for() {
    for (level, forced) in [
        ("Opportunistic", Some(false)),
        ("EncryptionOnly", Some(true)),
        ("CertificateValidation", Some(true)),
        ("DomainValidation", Some(true)),
    ] {
        let line = LEAVING.line().replace("Opportunistic", level);
        assert_eq!(only(&[tracking_2016(&line)]).forced_tls, forced, "{level}");
    }
    let none = Event { custom: "S:ToEntity=Internet", ..LEAVING };
    assert_eq!(only(&[tracking_2016(&none.line())]).forced_tls, None);
}

#[test]
fn directionality_in_all_its_forms() {
    let plain = Event { custom: "", client: "198.51.100.7,mx.example.net", ..INCOMING };
    let cases = [
        (plain, "Incoming", "0cA: ", Direction::Inbound),
        (plain, "Originating", "04I: ", Direction::Internal),
        (plain, "Undefined", "00A: ", Direction::Inbound),
        (plain, "Undefined", "06I: ", Direction::Internal),
        (plain, "", "", Direction::Inbound),
        // The server itself, with no sign of a client behind it.
        (Event { client: "192.0.2.1,x", ..plain }, "", "", Direction::Internal),
        (Event { client: "192.0.2.1,x", ..plain }, "Incoming", "0cA: ", Direction::Inbound),
        (Event { client: "192.0.2.1,x", ..INCOMING }, "", "", Direction::Inbound),
    ];
    for (event, direction, info, expected) in cases {
        let line = Event { direction, info, ..event }.line();
        assert_eq!(only(&[tracking_2016(&line)]).direction, expected, "{direction} {info}");
    }
}

#[test]
fn hops_within_the_organisation_are_internal() {
    let first = Event { custom: "S:FirstForestHop=EXCH01.example.com", ..INCOMING };
    // The same message on the next hub, which names the first.
    let second = Event { server: "192.0.2.2,EXCH02", ..first };
    let found = run(&[tracking_2016(&(first.line() + &second.line()))]);
    let directions: Vec<Direction> = found.mails.iter().map(|mail| mail.direction).collect();
    assert_eq!(directions, [Direction::Inbound, Direction::Internal]);
    assert_eq!(found.messages().len(), 1);
    // Older servers do not name it; the address of the first is known from its own rows.
    let second = Event { custom: "", ..second };
    let found = run(&[tracking_2016(&(first.line() + &second.line()))]);
    assert_eq!(found.mails[1].direction, Direction::Internal);
    // Without the first server's log, the name alone tells.
    let alone = Event { server: "192.0.2.2,EXCH02", ..first };
    assert_eq!(only(&[tracking_2016(&alone.line())]).direction, Direction::Internal);
    // A server's own address is that of its own front end, even where nothing else says so.
    let own = Event { custom: "", ..INCOMING };
    let found = run(&[tracking_2016(&(own.line() + &own.line()))]);
    assert!(found.mails.iter().all(|mail| mail.direction == Direction::Inbound));
    // A front end on the first server, and the hub on the second: no hop.
    let apart = Event {
        server: "192.0.2.2,EXCH02",
        custom: "S:FirstForestHop=EXCH02.example.com;S:ProxiedClientIPAddress=198.51.100.7",
        ..INCOMING
    };
    let found = run(&[tracking_2016(&(first.line() + &apart.line()))]);
    assert_eq!(found.mails[1].direction, Direction::Inbound);
}

#[test]
fn what_stays_within_is_not_sent() {
    let cases = [
        (LEAVING, Direction::Outbound),
        (Event { name: "SEND", ..LEAVING }, Direction::Outbound),
        (
            Event { connector: "Intra-Organization SMTP Send Connector", name: "SEND", ..LEAVING },
            Direction::Internal,
        ),
        (Event { connector: "组织内 SMTP 发送连接器", ..LEAVING }, Direction::Internal),
        (Event { connector: "EdgeSync - Inbound to Site-A", ..LEAVING }, Direction::Internal),
        (Event { connector: "EdgeSync - Site-A to Internet", ..LEAVING }, Direction::Outbound),
        // In another language: the marks of newer servers, or the address, tell.
        (
            Event { name: "SEND", custom: "S:IsSmtpResponseFromExternalServer=False", ..LEAVING },
            Direction::Internal,
        ),
        (
            Event { name: "SEND", custom: "S:IsSmtpResponseFromExternalServer=True", ..LEAVING },
            Direction::Outbound,
        ),
        (Event { name: "SEND", server: "192.0.2.1,exch01", ..LEAVING }, Direction::Internal),
    ];
    for (event, expected) in cases {
        let mail = only(&[tracking_2016(&event.line())]);
        assert_eq!(mail.direction, expected, "{} {}", event.name, event.connector);
    }
}

#[test]
fn the_columns_of_2010() {
    let row = |event: &str, ends: &str, connector: &str, direction: &str| {
        format!(
            "2026-11-21T10:00:30.000Z,{ends},08D0000000000002,{connector},SMTP,{event},9,\
             <m9@example.net>,user@example.org,,1000,1,,,Hello,sender@example.net,\
             sender@example.net,00A: ,{direction},,,,S:x=y\n"
        )
    };
    let inward = "198.51.100.7,mx.example.net,192.0.2.1,EXCH01";
    let file = TRACKING_2010.to_owned() + &row("RECEIVE", inward, "EXCH01\\Default EXCH01", "");
    let mail = only(&[file]);
    assert_eq!((mail.direction, mail.tls), (Direction::Inbound, Tls::Unknown));
    assert_eq!(mail.remote_address, "198.51.100.7");
    let outward = "192.0.2.1,EXCH01,203.0.113.5,mx.example.org";
    let file = TRACKING_2010.to_owned() + &row("SEND", outward, "To Internet", "");
    assert_eq!(only(&[file]).direction, Direction::Outbound);
    // With the session that the client had with the hub itself.
    let talk = Talk::new("EXCH01\\Default EXCH01", HUB, ("192.0.2.1:25", "198.51.100.7:4000"))
        .say(&["+,,", ">,220 exch01,", "<,EHLO mx.example.net,", ">,250  exch01,"])
        .say(STARTTLS)
        .tls("TLS1_0", "SERVER")
        .say(&["<,MAIL FROM:<sender@example.net>,", ">,250 2.1.0 OK,", "<,DATA,"])
        .say(&[
            ">,354 Start mail input,",
            ">,250 2.6.0 <m9@example.net> [InternalId=9] Queued mail for delivery,",
        ]);
    let tracking = TRACKING_2010.to_owned() + &row("RECEIVE", inward, "EXCH01\\Default EXCH01", "");
    let mail = only(&[RECEIVE.to_owned() + &ended(talk).all(), tracking]);
    assert_eq!((mail.tls, &*mail.cipher), (Tls::Tls1_0, "CALG_AES_256"));
}

#[test]
fn headers_recur_and_heads_are_cut() {
    let line = INCOMING.line();
    let file = tracking_2016(&line);
    let again = format!("\u{feff}{file}{file}");
    let found = run(&[again]);
    assert_eq!((found.mails.len(), found.rejects.len()), (2, 0));
    // Other columns below the second header of a file.
    let header = "#Fields: event-id,source,date-time,directionality,message-id\n";
    let found = run(&[file.clone() + header + "RECEIVE,SMTP,2026-11-21T10:00:00Z,Incoming,<x>\n"]);
    assert_eq!((found.mails.len(), found.rejects.len()), (2, 0));
    // No header of its own: that of the file before does not hold.
    let found = run(&[file.clone(), line.clone()]);
    assert_eq!((found.mails.len(), found.rejects.len()), (1, 1));
    assert_eq!(found.rejects[0].0, RejectReason::LineUnreadable);
    // The columns are those of tracking, whatever was cut above them.
    let fields = file.lines().find(|line| line.starts_with("#Fields")).unwrap();
    assert_eq!(run(&[format!("{fields}\n{line}")]).mails.len(), 1);
    // Another log of the same server.
    let other = file.replace("Message Tracking Log", "Transport Connectivity Log");
    assert_eq!(run(&[other]).rejects.len(), 1);
}

#[test]
fn lines_that_cannot_be_used() {
    let file = tracking_2016("");
    let cases = [
        (INCOMING.line().replace("Hello, ", "Hello\"\n"), 2),
        (INCOMING.line().replace("2026-11-21T10:00:30.000Z", "yesterday"), 1),
        (INCOMING.line().split_at(60).0.to_owned() + "\n", 1),
        (INCOMING.line().trim_end().to_owned() + ",more\n", 1),
        ("\n  \n".into(), 0),
    ];
    for (line, rejects) in cases {
        let found = run(&[file.clone() + &line]);
        assert_eq!((found.mails.len(), found.rejects.len()), (0, rejects), "{line}");
    }
    let talk = front();
    for broken in [
        talk.line(0).replace(FRONT, "08D0"),
        talk.line(0).replace(",0,", ",zero,"),
        talk.line(0).replace("+,,", "!,,"),
        talk.line(0).replace("+,,", "+,"),
    ] {
        assert_eq!(run(&[RECEIVE.to_owned() + &broken]).rejects.len(), 1, "{broken}");
    }
}

#[test]
fn names_in_other_encodings_pass_through() {
    let mut bytes = tracking_2016(&INCOMING.line()).into_bytes();
    let at = bytes.windows(7).position(|window| window == b"Default").unwrap();
    bytes[at] = 0xdc;
    let found = read(Exchange::new(true, false), Tz::UTC, YearRule::Absent, &[&bytes]);
    assert_eq!(found.mails[0].connector, "EXCH01\\\u{fffd}efault EXCH01");
}
