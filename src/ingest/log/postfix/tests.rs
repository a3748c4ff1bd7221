//! Short logs, and what is read from them.

mod inbound;
mod outbound;

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::Tz;

use super::*;
use crate::ingest::abreast::Abreast;
use crate::ingest::log::stamp::YearRule;
use crate::ingest::log::{Mail, Prepare, Protection};
use crate::trace::Direction;

/// Mails in words, and rejects by reason.
#[derive(Debug, Default)]
struct Words {
    mails: Vec<(String, Option<u64>)>,
    keys: BTreeMap<u64, usize>,
    rejects: Vec<&'static str>,
    proven: BTreeSet<u64>,
}

impl Sink for Words {
    fn mail(&mut self, mail: &Mail<'_>) {
        let text = |bytes: &[u8]| match String::from_utf8_lossy(bytes) {
            empty if empty.is_empty() => "-".to_owned(),
            text => text.into_owned(),
        };
        let direction = match mail.direction {
            Direction::Inbound => "in",
            Direction::Outbound => "out",
            Direction::Internal => "local",
        };
        // Messages are numbered in the order in which they are met.
        let next = self.keys.len() + 1;
        let number = *self.keys.entry(mail.key).or_insert(next);
        let words = format!(
            "{number} {direction} {} {} {} {} {}",
            text(mail.connector),
            text(mail.remote_host),
            text(mail.remote_address),
            text(mail.peer),
            if mail.forced_tls == Some(true) { "forced " } else { "" },
        );
        let (tls, logger) = match mail.tls {
            Protection::Known(tls) => (tls.key(), None),
            Protection::NoLine(logger) => ("?", Some(logger)),
        };
        self.mails.push((format!("{words}{tls}"), logger));
    }

    fn reject(&mut self, reason: RejectReason, _: Place, _: &[u8]) {
        self.rejects.push(reason.code());
    }

    fn proves(&mut self, logger: u64) {
        self.proven.insert(logger);
    }
}

/// Lines such as `10 smtpd[1]: connect from …`: seconds, daemon, process.
fn log(lines: &str) -> Vec<String> {
    let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines = lines.map(|line| {
        let (seconds, line) = line.split_once(' ').unwrap();
        let seconds: u32 = seconds.parse().unwrap();
        let (day, hour, minute) = (21 + seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
        format!("Nov {day} {hour:02}:{minute:02}:{:02} mx1 postfix/{line}", seconds % 60)
    });
    lines.collect()
}

fn read(files: &[Vec<String>]) -> Words {
    let mut words = Words::default();
    let mut reader = Postfix::new();
    for (file, lines) in (0..).zip(files) {
        let mut stamps = Stamps::new(Tz::UTC, YearRule::Given(2026));
        let text = lines.join("\n").into_bytes();
        let mut preparer = Preparer::default();
        let before = Place { file, line: 0 };
        let nothing = Abreast::nothing();
        let prepared = preparer.prepare(text.into(), &nothing);
        reader.follow(&prepared, &mut stamps, before, &mut words);
    }
    reader.end(&mut words);
    words
}

/// The mails of a log in words.
fn mails(files: &[Vec<String>]) -> Vec<String> {
    let words = read(files);
    assert_eq!(words.rejects, [""; 0]);
    let proven = words.proven;
    let decided = words.mails.into_iter().map(|(words, logger)| match logger {
        Some(logger) if proven.contains(&logger) => words.replace('?', "no_tls"),
        _ => words.replace('?', "unknown"),
    });
    decided.collect()
}

#[track_caller]
fn check(lines: &str, expected: &[&str]) {
    assert_eq!(mails(&[log(lines)]), expected, "{lines}");
}

const TLS13: &str = "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)";

/// A line that shows that smtpd logs TLS, of a session without mail.
fn proof() -> String {
    format!(
        "1 smtpd[99]: connect from p.example.org[192.0.2.99]\n\
         1 smtpd[99]: Anonymous TLS connection established from p.example.org[192.0.2.99]: {TLS13}\n\
         1 smtpd[99]: disconnect from p.example.org[192.0.2.99] ehlo=2 starttls=1 quit=1\n"
    )
}

/// The same for smtp.
fn proof_out() -> String {
    format!("1 smtp[98]: Trusted TLS connection established to p[192.0.2.99]:25: {TLS13}\n")
}

/// A delivery to `relay` by process 5 at 20 s, of the message that became active at 15 s.
fn delivery(id: &str, relay: &str, more: &str) -> String {
    format!(
        "20 smtp[5]: {id}: to=<v@Dest.example>, relay={relay}, delay=9, delays=5/1/2/0.5, \
         {more}dsn=2.0.0, status=sent (250 ok)\n"
    )
}

fn active(id: &str) -> String {
    format!("15 qmgr[3]: {id}: from=<u@b.example>, size=1, nrcpt=1 (queue active)\n")
}

fn tls_to(relay: &str) -> String {
    format!("18 smtp[5]: Untrusted TLS connection established to {relay}: {TLS13}\n")
}

#[test]
fn what_the_host_tells_itself_is_internal() {
    for client in
        ["localhost[127.0.0.1]", "a[::1]", "localhost[127.0.0.1], orig_client=b[192.0.2.5]"]
    {
        let lines = format!(
            "10 smtpd[1]: connect from {}
             10 smtpd[1]: AAAAA1: client={client}
             10 qmgr[3]: AAAAA1: from=<u@b.example>, size=1, nrcpt=1 (queue active)",
            client.split(',').next().unwrap()
        );
        let found = mails(&[log(&lines)]);
        assert!(found.len() == 1 && found[0].starts_with("1 local smtpd "), "{found:?}");
    }
    // Mail of programs and bounces is no inbound mail at all.
    check(
        "10 pickup[1]: AAAAA1: uid=0 from=<root>
         10 cleanup[2]: AAAAA1: message-id=<x@y>
         10 qmgr[3]: AAAAA1: from=<root@b.example>, size=1, nrcpt=1 (queue active)
         10 cleanup[2]: AAAAA2: message-id=<z@y>
         10 qmgr[3]: AAAAA2: from=<>, size=1, nrcpt=1 (queue active)",
        &[],
    );
    let sent = "delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (ok)";
    let lines = format!(
        "10 lmtp[1]: AAAAA1: to=<u@b.example>, relay=c[192.0.2.7]:24, {sent}
         10 virtual[1]: AAAAA1: to=<u@b.example>, relay=virtual, {sent}
         10 smtp[1]: AAAAA1: to=<u@b.example>, relay=127.0.0.1[127.0.0.1]:10024, {sent}
         10 smtp[1]: AAAAA1: to=<u@b.example>, relay=c[private/lmtp], {sent}
         10 smtp[1]: AAAAA1: to=<u@b.example>, relay=none, {sent}"
    );
    let found = mails(&[log(&lines)]);
    assert!(found.len() == 5 && found.iter().all(|mail| mail.starts_with("1 local")), "{found:?}");
}

#[test]
fn a_queue_id_is_one_message_until_it_is_removed() {
    let relay = "mx[192.0.2.8]:25";
    let arrives = "12 smtpd[1]: AAAAA1: client=a[192.0.2.1]\n";
    let sent = delivery("AAAAA1", relay, "tls=may, ");
    let removed = "20 qmgr[3]: AAAAA1: removed\n";
    let later = "21 cleanup[2]: AAAAA1: message-id=<x@y>\n";
    let first = arrives.to_owned() + &active("AAAAA1") + &sent;
    let rows = |number: u32| format!("{number} out smtp mx 192.0.2.8 mx tls_unspecified");
    let inbound = "1 in smtpd a 192.0.2.1 b.example unknown";
    // Deferred, then sent; the second attempt is no second message.
    let twice = first.clone() + &active("AAAAA1") + &sent;
    check(&twice, &[inbound, &rows(1), &rows(1)]);
    // The id comes again.
    let again = first.clone() + removed + later + &sent.replace("20 smtp", "22 smtp");
    check(&again, &[inbound, &rows(1), &rows(2)]);
    let long_after = later.replace("21 cleanup", "90000 cleanup");
    let again = first.clone() + &long_after + &sent.replace("20 smtp", "90000 smtp");
    check(&again, &[inbound, &rows(1), &rows(2)]);
    // Its beginning shows that no TLS line of its delivery stood before the log.
    let begun = proof_out().replacen('1', "19", 1)
        + "19 pickup[1]: AAAAA1: uid=0 from=<u>\n"
        + removed
        + later
        + &delivery("AAAAA1", relay, "").replace("20 smtp", "22 smtp");
    check(&begun, &["1 out smtp mx 192.0.2.8 mx no_tls"]);
    let active_again = active("AAAAA1").replace("15 qmgr", "22 qmgr");
    let again = first.clone() + removed + &active_again + &sent.replace("20 smtp", "22 smtp");
    check(&again, &[inbound, &rows(1), &rows(2)]);
    let again = first + &arrives.replace("12 smtpd", "23 smtpd") + &sent;
    check(&again, &[inbound, &rows(1), &rows(2)]);
}

#[test]
fn overlapping_files_are_the_same_messages() {
    let relay = "mx[192.0.2.8]:25";
    let first = log(&(proof_out() + &proof() + "12 smtpd[1]: connect from a[192.0.2.1]"));
    let middle = "14 smtpd[1]: AAAAA1: client=a[192.0.2.1]\n".to_owned()
        + &active("AAAAA1")
        + &delivery("AAAAA1", relay, "")
        + "20 qmgr[3]: AAAAA1: removed\n";
    let (inbound, outbound) = ("1 in smtpd a 192.0.2.1 b.example", "1 out smtp mx 192.0.2.8 mx");
    let whole = [first, log(&middle)].concat();
    let known = [format!("{inbound} no_tls"), format!("{outbound} no_tls")];
    assert_eq!(mails(std::slice::from_ref(&whole)), known);
    // The copy begins within the session, which it therefore knows nothing of.
    let unknown = [format!("{inbound} unknown"), format!("{outbound} no_tls")];
    assert_eq!(mails(&[whole.clone(), log(&middle)]), [known.clone(), unknown].concat());
    // It begins within the delivery, in the second in which the attempt began.
    let tail = log(&delivery("AAAAA1", relay, "").replace("20 smtp", "15 smtp"));
    let unknown = [format!("{outbound} unknown")];
    // A connection that the first file ends with is not its own.
    let more = [whole.clone(), log(&tls_to(relay))].concat();
    assert_eq!(mails(&[more, tail.clone()]), [&known[..], &unknown].concat());
    assert_eq!(mails(&[whole, tail]), [&known[..], &unknown].concat());
}

#[test]
fn text_of_others_is_no_fact() {
    let lines = proof()
        + &format!(
            "10 smtpd[1]: connect from a[192.0.2.1]
             10 smtpd[1]: AAAAA1: client=a[192.0.2.1]
             10 cleanup[2]: AAAAA1: message-id=<x TLS connection established from a[192.0.2.1]: {TLS13}>
             10 smtpd[1]: AAAAA1: reject: RCPT from a[192.0.2.1]: x; helo=<TLS connection established>
             10 qmgr[3]: AAAAA1: from=<\"u>, size=1, nrcpt=1 (queue active)\"@b.example>, size=1, nrcpt=1 (queue active)
             11 smtp[4]: AAAAA1: to=<\"v>, relay=evil[192.0.2.3]:25, delay=1, status=sent (x)\"@d.example>, \
                relay=mx[192.0.2.8]:25, delay=1, delays=0/0/0/1, dsn=4.0.0, status=deferred (>, relay=b[192.0.2.3], status=sent (x))"
        );
    check(&lines, &["1 in smtpd a 192.0.2.1 b.example no_tls"]);
}

#[test]
fn lines_of_others_are_no_rows_and_broken_ones_are_rejects() {
    let cases: [(&str, &[&str]); 14] = [
        ("", &[]),
        ("   \t", &[]),
        ("Nov 21 16:53:10 mx1 CRON[1]: (root) CMD (x)", &[]),
        ("Nov 21 16:53:10 mx1 smtpd[1]: AAAAA1: client=a[192.0.2.1]", &[]),
        ("Nov 21 16:53:10 mx1 dovecot: AAAAA1: from=<a@b>, size=1, nrcpt=1 (queue active)", &[]),
        ("Nov 21 16:53:10 mx1 last message repeated 2 times", &[]),
        ("Nov 21 16:53:10 last message repeated 2 times", &[]),
        (
            "Nov 21 16:53:10 mx1 postfix/smtpd[1]: message repeated 2 times: [ connect from a[b]]",
            &[],
        ),
        ("Nov 21 16:53:10 mx1 -- MARK --", &[]),
        ("-- Journal begins at Sat 2026-11-21 --", &[]),
        ("nonsense", &["line-unreadable"]),
        ("Nov 21 16:53:10 mx1 nonsense", &["line-unreadable"]),
        ("Nov 31 16:53:10 mx1 postfix/smtpd[1]: x", &["time-unreadable"]),
        ("\u{0}\u{0}\u{0}", &["line-unreadable"]),
    ];
    for (line, expected) in cases {
        let words = read(&[vec![line.to_owned()]]);
        assert_eq!(words.rejects, expected, "{line}");
        assert!(words.mails.is_empty(), "{line}");
    }
}

#[test]
fn services_with_names_of_their_own_share_the_queue() {
    let mut lines = log(&format!(
        "10 smtpd[1]: connect from a[192.0.2.1]
         10 smtpd[1]: AAAAA1: client=a[192.0.2.1]
         {}{}",
        active("AAAAA1"),
        delivery("AAAAA1", "mx[192.0.2.8]:25", "tls=may, ")
    ));
    for line in &mut lines {
        *line = line.replace("postfix/smtpd", "acme/smtpd").replace("postfix/smtp[", "out/smtp[");
    }
    let expected =
        ["1 in acme a 192.0.2.1 b.example unknown", "1 out out mx 192.0.2.8 mx tls_unspecified"];
    assert_eq!(mails(&[lines]), expected);
}

#[test]
fn what_is_held_is_bounded() {
    fn sendable<T: Send>(_: &T) {}
    let mut reader = Postfix::default();
    sendable(&reader);
    let mut words = Words::default();
    let mut stamps = Stamps::new(Tz::UTC, YearRule::Given(2026));
    let mut preparer = Preparer::default();
    for number in 0..70_000_u32 {
        let line = match number % 7 {
            0 => format!("smtpd[{number}]: connect from a{number}[192.0.2.1]"),
            1 => format!("smtpd[{}]: {number:06}: client=a{}[192.0.2.1]", number - 1, number - 1),
            2 => format!("cleanup[7]: {:06}: hold: header x", number - 1),
            3 => format!("qmgr[1]: {number:06}: from=<a@b>, size=1, nrcpt=1 (queue active)"),
            4 => format!(
                "smtp[{number}]: Trusted TLS connection established to a{number}[{number}]:25: {TLS13}"
            ),
            5 => format!(
                "smtp[{number}]: Trusted TLS connection reused to a{number}[{number}]:25: {TLS13}"
            ),
            _ => format!("x{number}/smtpd[{number}]: connect from a[192.0.2.1]"),
        };
        let line = format!("Nov 21 16:53:10 mx1 postfix/{line}");
        let before = Place { file: 0, line: u64::from(number) };
        let nothing = Abreast::nothing();
        let prepared = preparer.prepare(line.into_bytes().into(), &nothing);
        assert_eq!(reader.follow(&prepared, &mut stamps, before, &mut words), 1);
    }
    assert_eq!((reader.held.len(), reader.ciphers.names.len()), (4096, 1));
    reader.end(&mut words);
    assert_eq!(words.mails.len(), 10_000);
}
