//! Protocol logs alone.

use super::*;

#[test]
fn protocol_alone_counts_what_was_accepted() {
    let talk = taken(front().say(STARTTLS).tls("TLS1_2", "SERVER"), 1);
    let talk = with(talk, &message(2, "550 5.7.1 Message rejected as spam"));
    let talk = ended(taken(talk, 3));
    let found = run(&[RECEIVE.to_owned() + &talk.all()]);
    assert_eq!(found.rejects, []);
    let domains: Vec<&str> = found.mails.iter().map(|mail| &*mail.domain).collect();
    assert_eq!(domains, ["example.net", "example.net"]);
    assert_ne!(found.mails[0].key, found.mails[1].key);
    for mail in &found.mails {
        assert_eq!((mail.direction, mail.tls), (Direction::Inbound, Tls::Tls1_2));
        assert_eq!(mail.connector, "EXCH01\\Default Frontend EXCH01");
        assert_eq!((&*mail.cipher, &*mail.remote_address), ("CALG_AES_256", "198.51.100.7"));
    }
    // In clear, seen from the first line; and with its head cut.
    let talk = ended(taken(front(), 1));
    assert_eq!(only(&[RECEIVE.to_owned() + &talk.all()]).tls, Tls::NoTls);
    let cut = talk.lines(3..talk.lines.len());
    assert_eq!(only(&[RECEIVE.to_owned() + &cut]).tls, Tls::Unknown);
    // The same log twice gives the same messages.
    let file = RECEIVE.to_owned() + &talk.all();
    let found = run(&[file.clone(), file]);
    assert_eq!((found.mails.len(), found.messages().len()), (2, 1));
    // A null sender is known by the name its server gave.
    let bounce = RECEIVE.to_owned() + &talk.all().replace("<sender1@example.net>", "<>");
    let mail = only(&[bounce]);
    assert_eq!((&*mail.peer, &*mail.domain), ("mx.example.net", ""));
}

#[test]
fn hubs_behind_a_front_end_and_own_servers_are_internal() {
    let proxied =
        ["<,XPROXYFROM SID=08D0000000000001 IP=198.51.100.7,", ">,250 XProxyFrom accepted,"];
    let bare = Talk::new("EXCH01\\Default EXCH01", HUB, ("192.0.2.1:2525", "192.0.2.9:50000"))
        .say(&["+,,", ">,220 exch01,", "<,EHLO exch09.example.com,", ">,250  exch01,"]);
    let cases = [
        (hub(), Direction::Internal),
        (Talk { lines: bare.lines.clone(), ..hub() }.say(&proxied), Direction::Internal),
        (Talk { lines: bare.lines.clone(), ..hub() }, Direction::Internal),
        (bare, Direction::Inbound),
        (
            front()
                .say(&["<,XPROXYFROM SID=08D0000000000001 IP=x,", ">,550 5.7.1 Not authorized,"]),
            Direction::Inbound,
        ),
        (
            front().say(&["<,X-ANONYMOUSTLS,", ">,500 5.3.3 Unrecognized command,"]),
            Direction::Inbound,
        ),
        (front().say(&["*,EXAMPLE\\user,authenticated"]), Direction::Internal),
    ];
    for (number, (talk, expected)) in cases.into_iter().enumerate() {
        let mail = only(&[RECEIVE.to_owned() + &ended(taken(talk, 1)).all()]);
        assert_eq!(mail.direction, expected, "case {number}");
        let tls = if expected == Direction::Internal { Tls::Unknown } else { Tls::NoTls };
        assert_eq!(mail.tls, tls, "case {number}");
    }
}

#[test]
fn a_handshake_without_its_line() {
    let talk = ended(taken(front().say(STARTTLS), 1));
    assert_eq!(only(&[RECEIVE.to_owned() + &talk.all()]).tls, Tls::Unspecified);
    let talk = ended(taken(front().say(&["<,STARTTLS,", ">,454 4.7.0 TLS not available,"]), 1));
    assert_eq!(only(&[RECEIVE.to_owned() + &talk.all()]).tls, Tls::NoTls);
    // Its line without the command: it may have been a front end's.
    let talk = ended(taken(front().tls("TLS1_2", "SERVER"), 1));
    assert_eq!(only(&[RECEIVE.to_owned() + &talk.all()]).tls, Tls::Unknown);
    // The command without its reply, which is missing.
    let talk = ended(taken(front().say(STARTTLS).tls("TLS1_2", "SERVER"), 1));
    let lost = talk.lines(0..5) + &talk.lines(7..talk.lines.len());
    assert_eq!(only(&[RECEIVE.to_owned() + &lost]).tls, Tls::Unknown);
    // Mail before TLS: each message as it was, the session as a whole unknown.
    let talk = ended(taken(taken(front(), 1).say(STARTTLS).tls("TLS1_2", "SERVER"), 2));
    let found = run(&[RECEIVE.to_owned() + &talk.all()]);
    let bands: Vec<Tls> = found.mails.iter().map(|mail| mail.tls).collect();
    assert_eq!(bands, [Tls::NoTls, Tls::Tls1_2]);
}

#[test]
fn sessions_interleave() {
    let one = ended(taken(front().say(STARTTLS).tls("TLS1_3", "SERVER"), 1));
    let two = ended(taken(Talk { id: "08D0000000000009", ..front() }, 2));
    let mut lines = RECEIVE.to_owned();
    for index in 0..one.lines.len() {
        lines += &one.line(index);
        if index < two.lines.len() {
            lines += &two.line(index);
        }
    }
    let found = run(&[lines]);
    let mut bands: Vec<(String, Tls)> =
        found.mails.iter().map(|mail| (mail.domain.clone(), mail.tls)).collect();
    bands.sort();
    assert_eq!(bands, [("example.net".into(), Tls::NoTls), ("example.net".into(), Tls::Tls1_3)]);
    // A session goes on in the next file.
    let first = RECEIVE.to_owned() + &one.lines(0..9);
    let second = RECEIVE.to_owned() + &one.lines(9..one.lines.len());
    assert_eq!(only(&[first, second]).tls, Tls::Tls1_3);
}

#[test]
fn a_senders_text_is_no_fact() {
    // A subject with all the words of the columns.
    let line = INCOMING.line().replace("Hello, ", "x,SMTP,SENDEXTERNAL,\"\",Originating,");
    let mail = only(&[tracking_2016(&line)]);
    assert_eq!((mail.direction, &*mail.domain), (Direction::Inbound, "example.net"));
    // Commands and names with the words of the server.
    let talk = front().say(&[
        "<,\"EHLO TLS protocol SP_PROT_TLS1_3_SERVER negotiation succeeded\",",
        ">,250 ok,",
    ]);
    let talk = talk.say(&[
        "<,\"MAIL FROM:<\"\"250 2.6.0 x Queued mail for delivery\"\"@example.net>\",",
        ">,250 2.1.0 OK,",
    ]);
    let talk = talk.say(&["<,NOOP 250 2.6.0 Queued mail for delivery,", ">,250 2.0.0 OK,"]);
    let talk = talk
        .say(&["*,TLS protocol SP_PROT_TLS1_3_SERVER negotiation succeeded,Certificate subject"]);
    let talk = talk.say(&[
        "<,DATA,",
        ">,354 go,",
        ">,250 2.6.0 <[InternalId=5> [InternalId=6] Queued mail for delivery,",
    ]);
    let mail = only(&[RECEIVE.to_owned() + &ended(talk).all()]);
    assert_eq!((mail.tls, &*mail.domain), (Tls::NoTls, "example.net"));
}

#[test]
fn a_reply_that_is_missing_leaves_it_open() {
    let whole = |asked: &str, reply: &str| ended(taken(front().say(&[asked, reply]), 1));
    // What only own servers ask for is believed, where its answer is lost.
    for asked in [
        "<,XPROXYFROM SID=08D0000000000001 IP=198.51.100.7,",
        "<,X-ANONYMOUSTLS,",
        "<,X-EXPS GSSAPI,",
    ] {
        let talk = whole(asked, ">,250 ok,");
        let lost = talk.lines(0..5) + &talk.lines(6..talk.lines.len());
        let mail = only(&[RECEIVE.to_owned() + &lost]);
        assert_eq!((mail.direction, mail.tls), (Direction::Internal, Tls::Unknown), "{asked}");
    }
    // An exchange of several steps.
    let talk = front().say(&["<,X-EXPS GSSAPI,", ">,334 more,", "<,<binary>,", ">,235 ok,"]);
    let mail = only(&[RECEIVE.to_owned() + &ended(taken(talk, 1)).all()]);
    assert_eq!(mail.direction, Direction::Internal);
    // Single lines at two places: they may be the two that tell.
    let talk = ended(taken(front().say(STARTTLS).tls("TLS1_2", "SERVER"), 1));
    let lost = talk.lines(0..4) + &talk.lines(5..6) + &talk.lines(7..talk.lines.len());
    assert_eq!(only(&[RECEIVE.to_owned() + &lost]).tls, Tls::Unknown);
}

#[test]
fn replies_that_accept_no_message() {
    let pipelined = front()
        .say(&["<,MAIL FROM:<sender@example.net>,", "<,RCPT TO:<user@example.com>,", "<,BDAT 5,"])
        .say(&["<,BDAT 5 LAST,", ">,250 2.1.0 Sender OK,", ">,250 2.1.5 Recipient OK,"])
        .say(&[">,\"250 2.6.0 CHUNK received OK, 5 octets\",", ">,250 2.6.0 <x> Accepted,"]);
    let pipelined = pipelined
        .say(&["<,MAIL FROM:<sender@example.net>,", "<,RCPT TO:<user@example.com>,", "<,DATA,"])
        .say(&[">,250 2.1.0 Sender OK,", ">,250 2.1.5 Recipient OK,", ">,354 go,"])
        .say(&[">,550 5.7.1 no,", "<,NOOP,", ">,250 2.0.0 ok,"]);
    let mail = only(&[RECEIVE.to_owned() + &ended(pipelined).all()]);
    assert_eq!((&*mail.domain, mail.place.line), ("example.net", 17));
    // A line of the replies is missing: the next message's are not taken for this one's.
    let refused = sent(sending(), 7, &["<,451 4.7.1 Try again later,"]);
    let places = [refused.lines.len() - 4, refused.lines.len() - 1];
    let talk = ended(sent(refused, 8, &["<,250 2.0.0 queued,"]));
    let number = talk.lines.iter().position(|line| line.contains("queued")).unwrap();
    for lost in places {
        let log = talk.lines(0..lost) + &talk.lines(lost + 1..talk.lines.len());
        let mail = only(&[send_log(&log)]);
        assert_eq!(mail.time_ms % 60_000, i64::try_from(number).unwrap() * 1000, "{lost}");
    }
}
