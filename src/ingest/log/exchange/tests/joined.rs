//! Tracking and protocol logs of one organisation together.

use super::*;

#[test]
fn the_client_counts_and_not_the_front_end() {
    let front = ended(taken(front().say(STARTTLS).tls("TLS1_3", "SERVER"), 1));
    let proxied = "<,XPROXYFROM SID=08D0000000000001 IP=198.51.100.7 PORT=40000 \
        DOMAIN=mx.example.net SEQNUM=1 PERMS=1 AUTHSRC=Anonymous,";
    let hub = ended(taken(hub().say(&[proxied, ">,250 XProxyFrom accepted,"]), 1));
    let tracking = tracking_2016(&INCOMING.line());
    let files = |logs: &[&Talk]| {
        let mut files: Vec<String> =
            logs.iter().map(|log| RECEIVE.to_owned() + &log.all()).collect();
        files.push(tracking.clone());
        files
    };
    // The front end's reply names the message as the hub knows it.
    for logs in [&[&front][..], &[&front, &hub], &[&hub, &front]] {
        let mail = only(&files(logs));
        assert_eq!((mail.tls, &*mail.cipher), (Tls::Tls1_3, "CALG_AES_256"));
        assert_eq!(mail.connector, "EXCH01\\Default Frontend EXCH01");
    }
    // The hub alone knows how the front end spoke, not how the client did.
    let mail = only(&files(&[&hub]));
    assert_eq!((mail.tls, &*mail.cipher), (Tls::Unknown, ""));
    assert_eq!(mail.connector, "EXCH01\\Default EXCH01");
    // Without the reply, the hub's session leads to that of the front end.
    let without = front.all().replace("InternalId=1, ", "InternalId=99, ");
    let mail =
        only(&[RECEIVE.to_owned() + &without, RECEIVE.to_owned() + &hub.all(), tracking.clone()]);
    assert_eq!(mail.tls, Tls::Tls1_3);
    // Unless the front end's session is cut.
    let cut = without.lines().skip(8).map(|line| line.to_owned() + "\n").collect::<String>();
    let mail =
        only(&[RECEIVE.to_owned() + &cut, RECEIVE.to_owned() + &hub.all(), tracking.clone()]);
    assert_eq!(mail.tls, Tls::Unknown);
}

#[test]
fn one_session_of_a_hub_serves_several_of_a_front_end() {
    let from = |sid: u32| format!("<,XPROXYFROM SID=08D00000000000{sid:02} IP=x PORT=1,");
    let accepted = ">,250 XProxyFrom accepted,";
    let talk = taken(hub().say(&[&from(21), accepted]), 1);
    let talk = ended(taken(talk.say(&["<,RSET,", ">,250 2.0.0 OK,", &from(22), accepted]), 2));
    let front_of = |id: &'static str, encrypted: bool, number: u32| {
        let talk = Talk { id, ..front() };
        let talk = if encrypted { talk.say(STARTTLS).tls("TLS1_2", "SERVER") } else { talk };
        ended(with(talk, &message(number, "250 2.6.0 <x> Queued mail for delivery"))).all()
    };
    let fronts = front_of("08D0000000000021", true, 1) + &front_of("08D0000000000022", false, 2);
    let second =
        Event { context: "08D0000000000002;2026-11-21T10:00:00.000Z;2", id: 2, ..INCOMING };
    let rows = INCOMING.line() + &second.line();
    let found = run(&[
        RECEIVE.to_owned() + &fronts,
        RECEIVE.to_owned() + &talk.all(),
        tracking_2016(&rows),
    ]);
    let bands: Vec<Tls> = found.mails.iter().map(|mail| mail.tls).collect();
    assert_eq!(bands, [Tls::Tls1_2, Tls::NoTls]);
    // Where the hub's log names no messages, the session tells of two front ends.
    let unnamed = talk.all().replace("receiving message", "something else");
    let found =
        run(&[RECEIVE.to_owned() + &fronts, RECEIVE.to_owned() + &unnamed, tracking_2016(&rows)]);
    let bands: Vec<Tls> = found.mails.iter().map(|mail| mail.tls).collect();
    assert_eq!(bands, [Tls::Unknown, Tls::Unknown]);
}

#[test]
fn sending_alone_and_with_tracking() {
    let secured = sending().say(&[">,STARTTLS,", "<,220 go ahead,"]).tls("TLS1_2", "CLIENT");
    let talk = sent(secured, 7, &["<,250 2.0.0 queued as 1,"]);
    let talk = ended(sent(talk, 8, &["<,451 4.7.1 Try again later,"]));
    let log = send_log(&talk.all());
    let mail = only(std::slice::from_ref(&log));
    assert_eq!((mail.direction, mail.tls), (Direction::Outbound, Tls::Tls1_2));
    assert_eq!((&*mail.connector, &*mail.cipher), ("To Internet", "CALG_AES_256"));
    assert_eq!((&*mail.peer, &*mail.domain), ("example.org", "example.org"));
    assert_eq!(mail.remote_address, "203.0.113.5");
    // By the message, as newer servers name no session; and by the session.
    let by_session =
        Event { context: "08D0000000000003;250 2.0.0 OK;ClientSubmitTime:", id: 70, ..LEAVING };
    for event in [LEAVING, by_session] {
        let mail = only(&[log.clone(), tracking_2016(&event.line())]);
        assert_eq!((mail.tls, &*mail.cipher), (Tls::Tls1_2, "CALG_AES_256"));
        assert_eq!(mail.remote_host, "mx.example.org");
    }
    // Another server, or another message: not this session.
    for event in [
        Event { server: "203.0.113.6,mx2.example.org", ..LEAVING },
        Event { id: 8, ..LEAVING },
        Event { context: "08D00000000000FF;250 OK", ..LEAVING },
    ] {
        assert_eq!(only(&[log.clone(), tracking_2016(&event.line())]).tls, Tls::Unknown);
    }
    let clear = send_log(&ended(sent(sending(), 7, &["<,250 ok,"])).all());
    assert_eq!(only(&[clear, tracking_2016(&LEAVING.line())]).tls, Tls::NoTls);
}

#[test]
fn a_front_end_hands_on_what_a_hub_sends() {
    let front = Talk::new("Outbound proxy virtual send connector", FRONT_OUT, ("192.0.2.1:1", "203.0.113.5:25"))
        .say(&["*,,attempting to connect. Outbound proxy from exch01.example.com with session id \
            08D0000000000003. Proxied session id 08D00000000000AA"])
        .say(&["+,,", "<,220 mx.example.org,", ">,EHLO mail.example.com,", "<,250 STARTTLS,"])
        .say(&[">,STARTTLS,", "<,220 go ahead,"])
        .tls("TLS1_3", "CLIENT")
        .say(&[">,EHLO mail.example.com,", "<,250 ok,"])
        .say(&["*,,Proxy session successfully set up for outbound proxy. Inbound session will now be blindly proxied"])
        .say(&["-,,Local"]);
    let hub = Talk::new("Outbound Proxy Send Connector", OUT, ("192.0.2.1:2", "192.0.2.1:717"))
        .say(&["*,,attempting to connect", "+,,", "<,220 exch01,", ">,EHLO exch01,", "<,250 X-ANONYMOUSTLS,"])
        .say(&[">,X-ANONYMOUSTLS,", "<,220 ready,"])
        .tls("TLS1_2", "CLIENT")
        .say(&[">,XPROXYTO DESTINATIONS=x SESSIONID=08D0000000000003 LAST=True,"])
        .say(&["<,250-XPROXYTOTARGETIPADDRESS 203.0.113.5,", "<,250-XPROXYTOTARGETHOSTNAME mx-1.example.org,", "<,250 ok,"])
        .say(&["*,,This session is now being proxied through the next hop. The actual connector being used is: To Internet"]);
    let hub = ended(sent(hub, 7, &["<,250 2.0.0 queued,"]));
    let event = Event {
        server: "192.0.2.1,exch01",
        custom: "S:OutboundProxyTargetIPAddress=203.0.113.5;S:OutboundProxyTargetHostName=mx-1.example.org",
        ..LEAVING
    };
    let (front, hub) = (send_log(&front.all()), send_log(&hub.all()));
    for logs in [[&front, &hub], [&hub, &front]] {
        let mut files: Vec<String> = logs.into_iter().cloned().collect();
        let alone = only(&files);
        files.push(tracking_2016(&event.line()));
        for mail in [alone, only(&files)] {
            assert_eq!((mail.direction, mail.tls), (Direction::Outbound, Tls::Tls1_3));
            assert_eq!((&*mail.connector, &*mail.remote_host), ("To Internet", "mx-1.example.org"));
            assert_eq!((&*mail.remote_address, &*mail.cipher), ("203.0.113.5", "CALG_AES_256"));
        }
    }
    // What hub and front end agreed on is not what the remote server got.
    assert_eq!(only(std::slice::from_ref(&hub)).tls, Tls::Unknown);
    assert_eq!(only(&[hub, tracking_2016(&event.line())]).tls, Tls::Unknown);
    // The front end's log alone has no message.
    assert!(run(&[front]).mails.is_empty());
}

#[test]
fn what_sessions_contradict_is_unknown() {
    let proxied = ["<,XPROXYFROM SID=08D0000000000001 IP=x,", ">,250 XProxyFrom accepted,"];
    let hub_log = RECEIVE.to_owned() + &ended(taken(hub().say(&proxied), 1)).all();
    let row = tracking_2016(&INCOMING.line());
    let plain = |number: u32| message(number, "250 2.6.0 <x> Queued mail for delivery");
    let tls_by_session = |talk: Talk| {
        let front_log = RECEIVE.to_owned() + &ended(talk).all();
        only(&[front_log, hub_log.clone(), row.clone()]).tls
    };
    assert_eq!(tls_by_session(with(front(), &plain(5))), Tls::NoTls);
    // The front end's session was in clear for one message, and not for another.
    let both = with(front(), &plain(5)).say(STARTTLS).tls("TLS1_2", "SERVER");
    assert_eq!(tls_by_session(with(both, &plain(6))), Tls::Unknown);
    // Its client was another server of the organisation.
    let server = front().say(&["<,X-EXPS GSSAPI,", ">,235 ok,"]);
    assert_eq!(tls_by_session(with(server, &plain(5))), Tls::Unknown);
    // The event tells of a front end, its session with the hub does not.
    let bare = Talk { lines: front().lines, ..hub() };
    for talk in [taken(Talk { lines: front().lines, ..hub() }, 1), with(bare, &plain(1))] {
        let log = RECEIVE.to_owned() + &ended(talk).all();
        assert_eq!(only(&[log.clone(), row.clone()]).tls, Tls::Unknown);
        let unnamed = Event { connector: "", id: 99, ..INCOMING };
        assert_eq!(only(&[log, tracking_2016(&unnamed.line())]).tls, Tls::Unknown);
    }
    // The begin of the hub's session is missing: it replaces nothing.
    let front = ended(taken(front().say(STARTTLS).tls("TLS1_3", "SERVER"), 1));
    let hub = ended(taken(hub().say(&proxied), 1));
    let cut = RECEIVE.to_owned() + &hub.lines(12..hub.lines.len());
    let mail = only(&[RECEIVE.to_owned() + &front.all(), cut, row]);
    assert_eq!((mail.tls, &*mail.connector), (Tls::Tls1_3, "EXCH01\\Default Frontend EXCH01"));
}

#[test]
fn a_message_that_was_sent_twice() {
    let row = tracking_2016(&LEAVING.line());
    let one = ended(sent(sending(), 7, &["<,250 ok,"]));
    let secured = sending().say(&[">,STARTTLS,", "<,220 go,"]).tls("TLS1_2", "CLIENT");
    let two = ended(sent(Talk { id: "08D0000000000033", ..secured }, 7, &["<,250 ok,"]));
    let logs = [send_log(&one.all()), send_log(&two.all())];
    assert_eq!(only(&[logs[0].clone(), logs[1].clone(), row]).tls, Tls::Unknown);
    // Two sessions of a front end for one of a hub.
    let front = |id: &'static str, version: Option<&str>| {
        let ends = ("192.0.2.1:1", "203.0.113.5:25");
        let talk = Talk::new("Outbound proxy virtual send connector", id, ends).say(&[
            "*,,attempting to connect. Outbound proxy from exch01 with session id 08D0000000000003. Proxied session id x",
            "+,,",
            ">,EHLO x,",
            "<,250 ok,",
        ]);
        let talk = match version {
            Some(version) => talk.say(&[">,STARTTLS,", "<,220 go,"]).tls(version, "CLIENT"),
            None => talk,
        };
        talk.say(&["*,,Proxy session successfully set up for outbound proxy. Inbound"])
    };
    let event = Event {
        context: "08D0000000000003;250 ok",
        custom: "S:OutboundProxyTargetIPAddress=203.0.113.5",
        ..LEAVING
    };
    let row = tracking_2016(&event.line());
    let one = send_log(&front("08D0000000000041", Some("TLS1_2")).all());
    assert_eq!(only(&[one.clone(), row.clone()]).tls, Tls::Tls1_2);
    let two = send_log(&front("08D0000000000042", None).all());
    assert_eq!(only(&[one, two, row.clone()]).tls, Tls::Unknown);
    // A copy of the log that was made earlier comes first.
    let talk = front("08D0000000000041", Some("TLS1_2"));
    let early = send_log(&talk.lines(1..3));
    assert_eq!(only(&[early, send_log(&talk.all()), row]).tls, Tls::Tls1_2);
}
