use chrono_tz::Tz as Zone;

use super::*;
use crate::ingest::log::harness::{Found, read};
use crate::ingest::log::stamp::YearRule;

/// Lines as `PID TEXT`, one second apart, or `@SECONDS` to wait.
fn found(lines: &[&str]) -> Found {
    let mut log = String::from("2026-11-21T16:00:00Z mx1 sendmail[1]: starting daemon\n");
    let mut seconds = 0;
    for line in lines {
        if let Some(wait) = line.strip_prefix('@') {
            seconds += wait.parse::<u64>().unwrap();
            continue;
        }
        seconds += 1;
        let (pid, text) = line.split_once(' ').unwrap();
        let (hour, minute) = (16 + seconds / 3600, seconds / 60 % 60);
        let stamp = format!("2026-11-21T{hour:02}:{minute:02}:{:02}Z", seconds % 60);
        log += &format!("{stamp} mx1 sendmail[{pid}]: {text}\n");
    }
    read(Sendmail::new(), Zone::UTC, YearRule::Absent, &[log.as_bytes()])
}

fn tls(found: &Found) -> Vec<(Direction, Tls)> {
    found.mails.iter().map(|mail| (mail.direction, mail.tls)).collect()
}

const HANDSHAKE: &str = "7 STARTTLS=server, relay=c.example.org [198.51.100.3], version=TLSv1.2, \
                         verify=NO, cipher=ECDHE-X, bits=256/256";
const FROM: &str = "7 6ALGt4TU000007: from=<a@example.org>, size=771, class=0, nrcpts=1, \
                    msgid=<x@example.org>, proto=ESMTPS, daemon=MSP-v4, \
                    relay=c.example.org [198.51.100.3]";
const DEFERRED: &str = "8 6ALGt4TU000007: to=<b@example.net>, delay=00:00:01, xdelay=00:00:01, \
                        mailer=esmtp, pri=1, relay=mx.example.net. [203.0.113.1], dsn=4.7.1, \
                        reply=451 4.7.1 later, stat=Deferred: 451 4.7.1 later";
const CLIENT: &str = "8 STARTTLS=client, relay=mx.example.net., version=TLSv1.3, verify=OK, \
                      cipher=TLS_X, bits=256/256";
const SENT: &str = "8 6ALGt4TU000007: to=<b@example.net>,<c@example.net>, delay=00:00:01, \
                    xdelay=00:00:01, mailer=esmtp, pri=1, relay=mx.example.net. \
                    [203.0.113.1], dsn=2.0.0, stat=Sent (ok)";
const FAILED: &str = "8 STARTTLS=client, error: connect failed=-1, reason=x, SSL_error=1";

#[test]
fn an_arrival_is_told_once_and_when_it_arrived() {
    let found = found(&[HANDSHAKE, FROM, DEFERRED, DEFERRED, CLIENT, SENT, FROM]);
    let [came, went] = &*found.mails else { panic!("{:?}", found.mails) };
    assert_eq!((came.direction, came.tls, came.place.line), (Direction::Inbound, Tls::Tls1_2, 3));
    assert_eq!((&*came.connector, &*came.cipher), ("MSP-v4", "ECDHE-X"));
    assert_eq!((&*came.peer, &*came.domain), ("example.org", "example.org"));
    assert_eq!((&*came.remote_host, &*came.remote_address), ("c.example.org", "198.51.100.3"));
    assert_eq!((went.direction, went.tls, went.place.line), (Direction::Outbound, Tls::Tls1_3, 7));
    assert_eq!((&*went.connector, &*went.cipher), ("default", "TLS_X"));
    assert_eq!((&*went.peer, &*went.remote_address), ("mx.example.net", "203.0.113.1"));
    assert_eq!((&*went.domain, came.key), ("example.net", went.key));
    assert_eq!(went.time_ms - came.time_ms, 4000);
    assert!(found.rejects.is_empty());
}

#[test]
fn what_was_refused_is_no_mail() {
    let too_big = "7 6ALGt4TU000007: to=<b@example.net>, delay=00:00:00, pri=1, stat=too big";
    let cut_off = "7 6ALGt4TU000007: collect: premature EOM: unexpected close";
    for lines in [
        &[HANDSHAKE, FROM, too_big, DEFERRED][..],
        &[HANDSHAKE, cut_off, FROM],
        &[HANDSHAKE, &FROM.replace("nrcpts=1", "nrcpts=0")],
        &[HANDSHAKE, &FROM.replace("size=771", "size=0")],
    ] {
        let found = found(lines);
        assert!(found.mails.is_empty() && found.rejects.is_empty(), "{lines:?}");
    }
    // Offered at the end of the log: nothing tells whether it was accepted.
    let found = found(&[HANDSHAKE, FROM]);
    let [(RejectReason::NoAcceptance, place, _)] = &*found.rejects else { panic!() };
    assert_eq!((place.line, found.mails.len()), (3, 0));
}

#[test]
fn a_handshake_belongs_to_its_process_client_and_protocol() {
    let inbound = |lines: &[&str]| tls(&found(lines))[0].1;
    let plain = FROM.replace("ESMTPS", "ESMTP");
    let later = FROM.replace("4TU", "5TU");
    assert_eq!(inbound(&[HANDSHAKE, &plain, DEFERRED]), Tls::Tls1_2);
    assert_eq!(inbound(&[&HANDSHAKE.replace("7 ", "9 "), FROM, DEFERRED]), Tls::Unspecified);
    let other = HANDSHAKE.replace("100.3]", "100.4]");
    assert_eq!(inbound(&[&other, FROM, DEFERRED]), Tls::Unspecified);
    // A version that says ESMTPS means what it says by ESMTP.
    assert_eq!(inbound(&[HANDSHAKE, &later, &plain, DEFERRED]), Tls::NoTls);
    assert_eq!(inbound(&[&plain, DEFERRED, &later]), Tls::NoTls);
    // Of a version that does not, the handshake may stand before the log begins.
    assert_eq!(inbound(&[&plain, DEFERRED, &other]), Tls::Unknown);
    assert_eq!(inbound(&["@3600", &plain, DEFERRED, &other]), Tls::NoTls);
    assert_eq!(inbound(&["@3600", &plain, DEFERRED]), Tls::Unknown);
}

#[test]
fn a_queue_run_talks_to_several_servers() {
    let second = |text: &str| text.replace("mx.example.net", "mx2.example.net");
    let proof = CLIENT.replace("8 ", "99 ");
    let bands = |lines: &[&str]| -> Vec<_> {
        let rows = tls(&found(&[lines, &[&proof]].concat()));
        rows.into_iter().filter(|row| row.0 == Direction::Outbound).map(|row| row.1).collect()
    };
    let (client2, sent2) = (second(CLIENT).replace("TLSv1.3", "TLSv1"), second(SENT));
    assert_eq!(
        bands(&[FROM, CLIENT, &client2, SENT, &sent2, SENT]),
        [Tls::Tls1_3, Tls::Tls1_0, Tls::Tls1_3]
    );
    assert_eq!(bands(&[FROM, CLIENT, &sent2]), [Tls::NoTls]);
    assert_eq!(bands(&[FROM, FAILED, SENT]), [Tls::NoTls]);
    assert_eq!(bands(&[FROM, CLIENT, FAILED, SENT]), [Tls::Unknown]);
    assert_eq!(bands(&[FROM, FAILED, CLIENT, SENT]), [Tls::Tls1_3]);
    assert_eq!(bands(&[FROM, CLIENT, "@3600", SENT]), [Tls::Unknown]);
    // A connection of before the log, unless the message came within the log.
    assert_eq!(bands(&[SENT]), [Tls::Unknown]);
    assert_eq!(bands(&["@3600", SENT]), [Tls::NoTls]);
    let notice = "8 6ALGt8MD000481: 6ALGt4TU000007: DSN: User unknown";
    assert_eq!(bands(&[notice, SENT]), [Tls::NoTls]);
}

#[test]
fn what_never_left_or_entered_is_internal() {
    let local = "8 6ALGt4TU000007: to=/dev/null, ctladdr=<b@example.com> (1/0), \
                 delay=00:00:00, xdelay=00:00:00, mailer=*file*, pri=1, dsn=2.0.0, stat=Sent";
    let relayed = SENT.replace("mx.example.net. [203.0.113.1]", "[127.0.0.1] [127.0.0.1]");
    let lmtp = SENT.replace("mailer=esmtp", "mailer=lmtp");
    for sent in [local, &relayed, &lmtp] {
        for from in [
            FROM.replace("c.example.org [198.51.100.3]", "localhost [127.0.0.1]"),
            FROM.replace("c.example.org [198.51.100.3]", "root@localhost"),
        ] {
            let found = found(&[&from, sent]);
            assert!(tls(&found).iter().all(|(d, _)| *d == Direction::Internal), "{from} {sent}");
            assert_eq!(found.mails.len(), 2);
        }
    }
    // A handshake with this host says nothing about others.
    let own = CLIENT.replace("mx.example.net.", "[127.0.0.1]");
    assert_eq!(tls(&found(&[&own, FROM, SENT]))[1].1, Tls::Unknown);
}

#[test]
fn other_programs_and_other_text() {
    let log = "Nov 21 16:00:00 mx1 postfix/smtpd[7]: x\nNov 21 16:00:00 mx1 cron[7]: from=<a>\n";
    let rule = YearRule::Given(2026);
    let found = read(Sendmail::new(), Zone::UTC, rule, &[log.as_bytes(), b"nonsense\n"]);
    assert!(found.mails.is_empty());
    assert_eq!(found.rejects.len(), 1);
    assert_eq!(found.rejects[0].0, RejectReason::LineUnreadable);
}
