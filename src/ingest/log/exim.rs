//! Exim's main log, from its own file or through syslog.
//!
//! | line | meaning |
//! |---|---|
//! | `STAMP ID <= …` | a message was accepted |
//! | `STAMP ID => …`, `-> …`, `>> …` | it was handed over: first recipient, a further one, before its acceptance |
//! | `STAMP ID ** …`, `== …`, `*> …`, `(= …` | failed, deferred, not really sent, refused: no mail |
//! | other lines with a stamp | no mail |
//! | lines that a blank begins | the end of a message of several lines |
//!
//! Each line of mail has its own TLS field (`X=`), so nothing is joined. Without it, the
//! protocol of an arrival says whether it was encrypted; a delivery was in clear if the log
//! has such fields at all.

mod clock;
mod delivered;
mod received;

use serde::{Deserialize, Serialize};

use self::clock::Clock;
use self::delivered::{Delivered, Reading, Said};
use self::received::{Protocol, Received};
use super::fields::{beginning, domain, is_loopback, reason, table_key};
use super::left;
use super::stamp::Stamps;
use super::syslog::{self, LineFault};
use super::{Mail, Place, Protection, Reader, Sink, identity};
use crate::trace::{Direction, Tls};

/// The second line of a message that Exim writes whenever it starts; parts of it stand
/// alone where processes wrote at once.
const NOTICE: &[u8] = b" Suggested action: use keep_environment.";

/// Reads Exim's main log.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Exim {
    clock: Clock,
    #[serde(skip)]
    reading: Reading,
    /// The file whose last line can be continued by one that a blank begins.
    continues: Option<u32>,
}

/// Where and when a line was written.
#[derive(Debug, Clone, Copy)]
struct At {
    time_ms: i64,
    place: Place,
    /// Number of the host, or of the log where it names none.
    host: u64,
}

impl Exim {
    /// A reader that knows nothing yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }
}

impl Reader for Exim {
    fn line(&mut self, line: &[u8], stamps: &mut Stamps, place: Place, out: &mut dyn Sink) {
        if clock::is_own(line) {
            match self.clock.split(line, stamps, place.file) {
                Ok((time_ms, text)) => {
                    self.continues = Some(place.file);
                    let at = At { time_ms, place, host: table_key(&[b"exim"]) };
                    self.event(text, at, line, out);
                }
                Err(fault) => {
                    self.continues = None;
                    out.reject(reason(fault), place, beginning(line));
                }
            }
            return;
        }
        let continued = self.continues == Some(place.file) && line.first() == Some(&b' ');
        if continued || (line.len() > 1 && NOTICE.ends_with(line)) {
            return;
        }
        match syslog::split(line, stamps) {
            Ok(found) => {
                if found.program.starts_with(b"exim")
                    && let Some(text) = own_text(&found.text)
                {
                    let host = table_key(&[b"exim", &found.host]);
                    let at = At { time_ms: found.time_ms, place, host };
                    self.event(text, at, line, out);
                }
            }
            Err(fault) => {
                self.continues = None;
                out.reject(reason(fault), place, beginning(line));
            }
        }
    }

    fn end(&mut self, _out: &mut dyn Sink) {}

    fn leave(&self) -> Option<Vec<u8>> {
        left::packed(self)
    }

    fn resume(&mut self, left: &[u8]) -> bool {
        left::take_up(self, left, |_, _| true)
    }
}

impl Exim {
    fn event(&self, text: &[u8], at: At, line: &[u8], out: &mut dyn Sink) {
        let Some((id, flag, rest)) = flagged(text) else { return };
        let read = match flag {
            b"<=" => {
                let found = received::read(rest);
                found.inspect(|found| inbound(found, id, at, out)).is_some()
            }
            _ => match self.reading.read(rest) {
                Some(found) => {
                    outbound(&found, id, at, out);
                    true
                }
                None => was_dropped(rest),
            },
        };
        if !read {
            out.reject(reason(LineFault::Shape), at.place, beginning(line));
        }
    }
}

/// Whether a filter or router threw a message away, by name of no transport.
fn was_dropped(text: &[u8]) -> bool {
    [&b"blackhole "[..], b":blackhole:", b"discarded"].iter().any(|word| text.starts_with(word))
}

/// The text of a line from syslog without Exim's own stamp; `None` for the second and later
/// parts of a line that was too long for syslog (`[2/3] …`).
fn own_text(text: &[u8]) -> Option<&[u8]> {
    let text = match text {
        [b'[', part, b'/' | b'\\', rest @ ..] if part.is_ascii_digit() => {
            let close = memchr::memmem::find(rest, b"] ").filter(|close| *close <= 3)?;
            if *part != b'1' {
                return None;
            }
            rest.get(close + 2..)?
        }
        [b'[', tens, ones, b'/' | b'\\', ..] if tens.is_ascii_digit() && ones.is_ascii_digit() => {
            return None;
        }
        _ => text,
    };
    Some(if clock::is_own(text) { clock::skip(text)? } else { clock::without_pid(text) })
}

/// Message id (6-6-2 digits, 6-11-4 since 4.97), flag, and what follows.
fn flagged(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let length = if text.get(16) == Some(&b' ') { 16 } else { 23 };
    let (id, rest) = text.split_at_checked(length)?;
    let second = if length == 16 { 13 } else { 18 };
    let fits = id.iter().enumerate().all(|(index, byte)| {
        if index == 6 || index == second { *byte == b'-' } else { byte.is_ascii_alphanumeric() }
    });
    match rest {
        [b' ', a, b, b' ', rest @ ..] if fits => {
            let flag: &[u8] = match [*a, *b] {
                [b'<', b'='] => b"<=",
                [b'=', b'>'] => b"=>",
                [b'-', b'>'] => b"->",
                [b'>', b'>'] => b">>",
                _ => return None,
            };
            Some((id, flag, rest))
        }
        _ => None,
    }
}

fn inbound(found: &Received<'_>, id: &[u8], at: At, out: &mut dyn Sink) {
    let client = found.client.as_ref();
    let (name, address) = client.map_or((&b""[..], &b""[..]), |c| (c.name, c.address));
    // Mail that came from no client, or not by SMTP, was submitted on this host; what came
    // by the loopback address was already counted.
    let outside = client.is_some() && !is_loopback(address);
    let inbound = outside && (found.protocol.is_some() || found.doubtful);
    let (tls, cipher) = match (found.suite, found.protocol) {
        _ if found.doubtful => (Tls::Unknown, &b""[..]),
        (Some((tls, cipher)), _) => {
            out.proves(at.host);
            (tls, cipher)
        }
        (None, Some(Protocol { encrypted: true, .. })) => (Tls::Unspecified, &b""[..]),
        (None, Some(_)) => (Tls::NoTls, &b""[..]),
        (None, None) => (Tls::Unknown, &b""[..]),
    };
    let class = found.protocol.map_or(&b""[..], |protocol| protocol.class);
    let connector = if found.listener.is_empty() { class } else { found.listener };
    let sender = domain(found.sender);
    let peer = [sender, name].into_iter().find(|text| !text.is_empty()).unwrap_or(address);
    out.mail(&Mail {
        time_ms: at.time_ms,
        direction: if inbound { Direction::Inbound } else { Direction::Internal },
        connector: if found.doubtful { b"" } else { connector },
        forced_tls: None,
        tls: Protection::Known(tls),
        cipher,
        peer,
        remote_host: name,
        remote_address: address,
        domain: sender,
        key: identity(&[b"exim", id]),
        place: at.place,
    });
}

fn outbound(found: &Delivered<'_>, id: &[u8], at: At, out: &mut dyn Sink) {
    let server = found.server.as_ref();
    let outside = server.filter(|server| {
        !is_loopback(server.address) && !speaks_lmtp(found.transport) && server.port != b"24"
    });
    let (tls, cipher) = match found.said {
        Said::Suite(tls, cipher) => {
            out.proves(at.host);
            if found.bare {
                out.proves(bare(at.host));
            }
            (Protection::Known(tls), cipher)
        }
        Said::Half => (Protection::Known(Tls::Unknown), &b""[..]),
        Said::Nothing if found.bare => (Protection::NoLine(bare(at.host)), &b""[..]),
        Said::Nothing => (Protection::NoLine(at.host), &b""[..]),
    };
    let (name, address) = server.map_or((&b""[..], &b""[..]), |s| (s.name, s.address));
    out.mail(&Mail {
        time_ms: at.time_ms,
        direction: if outside.is_some() { Direction::Outbound } else { Direction::Internal },
        connector: found.transport,
        forced_tls: None,
        tls,
        cipher,
        peer: if name.is_empty() { address } else { name },
        remote_host: name,
        remote_address: address,
        domain: found.domain,
        key: identity(&[b"exim", id]),
        place: at.place,
    });
}

/// Whether a transport's name says that it speaks LMTP, which nothing else in the line does.
fn speaks_lmtp(transport: &[u8]) -> bool {
    transport.windows(4).any(|name| name.eq_ignore_ascii_case(b"lmtp"))
}

/// A log whose lines go on behind the TLS fields (`C="…"`, written by default) shows by that
/// that a line without `X=` was not cut before it. Lines that end there are judged by other
/// lines that do: they come of a log without these fields, or were cut.
fn bare(host: u64) -> u64 {
    !host
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::*;
    use crate::ingest::log::harness::{Found, read};
    use crate::ingest::log::stamp::YearRule;
    use crate::trace::RejectReason;

    fn found(log: &str) -> Found {
        read(Exim::new(), Tz::UTC, YearRule::Given(2026), &[log.as_bytes()])
    }

    const IN: &str = "<= a@example.org H=(c.example.org) [198.51.100.4] P=esmtps \
                      X=TLS1.2:ECDHE_X:256 CV=no S=629 id=x@example.org";
    const OUT: &str = "=> b@example.net R=mx T=remote_smtp H=mx.example.net [203.0.113.10]";

    #[test]
    fn mail_in_and_out_by_every_form_of_the_log() {
        for stamp in [
            "2026-11-21 16:53:07",
            "2026-11-21 16:53:07.000 +0000 [183]",
            "2026-11-21 22:23:07 +0530",
            "Nov 21 16:53:07 mx1 exim[183]:",
            "2026-11-21T16:53:07.000+00:00 mx1 exim[183]: 2026-11-21 16:53:07",
            "<22>1 2026-11-21T16:53:07Z mx1 exim 183 - - [1/2] 2026-11-21 16:53:07 [183]",
        ] {
            for id in ["1xUoKp-00002u-1O", "1xUoM3-0000000002u-45Tu"] {
                let log = format!(
                    "{stamp} {id} {IN}\n{stamp} {id} {OUT} C=\"250 ok\"\n{stamp} {id} Completed\n"
                );
                let found = found(&log);
                assert!(found.rejects.is_empty(), "{:?}", found.rejects);
                let [came, went] = &*found.mails else { panic!("{log}") };
                assert_eq!(came.time_ms, 1_795_279_987_000);
                assert_eq!((came.direction, came.tls), (Direction::Inbound, Tls::Tls1_2));
                assert_eq!((&*came.connector, &*came.cipher), ("esmtp", "ECDHE_X"));
                assert_eq!((&*came.peer, &*came.domain), ("example.org", "example.org"));
                assert_eq!((&*came.remote_host, &*came.remote_address), ("", "198.51.100.4"));
                assert_eq!((went.direction, went.tls), (Direction::Outbound, Tls::NoTls));
                assert_eq!((&*went.connector, &*went.peer), ("remote_smtp", "mx.example.net"));
                assert_eq!((&*went.remote_address, &*went.domain), ("203.0.113.10", "example.net"));
                assert_eq!(came.key, went.key);
            }
        }
    }

    #[test]
    fn no_field_means_no_tls_only_where_the_log_has_such_fields() {
        let stamp = "2026-11-21 16:53:07 1xUoKp-00002u-1O";
        let clear = format!("{stamp} {OUT} C=\"250 ok\"\n");
        let bare = format!("{stamp} {OUT}\n");
        let tls = format!("{stamp} {OUT} X=TLS1.3:x:256 CV=no C=\"250 ok\"\n");
        let bare_tls = format!("{stamp} {OUT} X=TLS1.3:x:256 CV=no\n");
        let first = |log: &str| found(log).mails[0].tls;
        assert_eq!(first(&clear), Tls::Unknown);
        assert_eq!(first(&format!("{clear}{tls}")), Tls::NoTls);
        // The line may have been cut before its TLS field.
        assert_eq!(first(&format!("{bare}{tls}")), Tls::Unknown);
        assert_eq!(first(&format!("{bare}{bare_tls}")), Tls::NoTls);
    }

    #[test]
    fn the_protocol_tells_where_the_tls_field_is_switched_off() {
        let line = |protocol: &str| {
            let log = format!(
                "2026-11-21 16:53:07 1xUoKp-00002u-1O <= <> H=(c) [198.51.100.4] \
                 I=[192.0.2.10]:587 P={protocol} S=1\n"
            );
            let mail = found(&log).mails.remove(0);
            (mail.direction, mail.tls, mail.connector, mail.peer)
        };
        let expected = |direction, tls| {
            (direction, tls, "[192.0.2.10]:587".to_owned(), "198.51.100.4".to_owned())
        };
        assert_eq!(line("esmtpsa"), expected(Direction::Inbound, Tls::Unspecified));
        assert_eq!(line("esmtp"), expected(Direction::Inbound, Tls::NoTls));
        assert_eq!(line("spam-scanned"), expected(Direction::Internal, Tls::Unknown));
    }

    #[test]
    fn a_line_that_a_client_may_have_forged_has_no_band() {
        let log = format!(
            "2026-11-21 16:53:07 1xUoKp-00002u-1O <= a@example.org H=(c) [198.51.100.4] U=me \
             P=esmtps X=TLS1.3:x:256 S=1 P=smtp S=1\n\
             2026-11-21 16:53:07 1xUoKp-00002u-1O {OUT} C=\"250 ok\"\n"
        );
        let found = found(&log);
        let [came, went] = &*found.mails else { panic!() };
        assert_eq!((came.direction, came.tls), (Direction::Inbound, Tls::Unknown));
        assert_eq!((&*came.connector, &*came.cipher), ("", ""));
        // Nor does it show what the log has.
        assert_eq!(went.tls, Tls::Unknown);
    }

    #[test]
    fn what_never_left_or_entered_is_internal() {
        for line in [
            "<= <> R=1xUoKq-000065-24 U=Debian-exim P=local S=2591",
            "<= a@example.org H=localhost [127.0.0.1] P=esmtp S=1",
            "<= a@example.org H=(x) [::1] P=esmtps X=TLS1.3:x:256 S=1",
            "=> b <b@example.com> R=local T=maildir",
            "=> b@example.com R=l T=t_lmtp H=127.0.0.1 [127.0.0.1] C=\"250 ok\"",
            "-> b@example.com R=l T=dovecot_LMTP H=store.example.com [192.0.2.50] C=\"250 ok\"",
            "=> b@example.com R=l T=store H=store.example.com [192.0.2.50]:24 C=\"250 ok\"",
        ] {
            let found = found(&format!("2026-11-21 16:53:07 1xUoKp-00002u-1O {line}\n"));
            let directions: Vec<_> = found.mails.iter().map(|mail| mail.direction).collect();
            assert_eq!(directions, [Direction::Internal], "{line}");
        }
    }

    #[test]
    fn what_is_no_mail() {
        let log = "2026-11-21 16:53:05 Warning: purging the environment.\n \
                   Suggested action: use keep_environment.\n\
                   se keep_environment.\n\
                   2026-11-21 16:53:06 exim 4.96 daemon started: pid=170, -q4s\n\
                   2026-11-21 16:53:07 1xUoKp-00002s-1N H=(c) [198.51.100.4] X=TLS1.2:x:256 \
                   F=<a@example.org> rejected after DATA: no\n\
                   2026-11-21 16:53:07 1xUoKp-00002u-1O == b@example.net R=mx T=smtp defer (-1)\n\
                   2026-11-21 16:53:07 1xUoKp-00002u-1O ** b@example.net R=mx T=smtp H=mx \
                   [203.0.113.1] X=TLS1.2:x:256: 550 no\n\
                   2026-11-21 16:53:07 1xUoKp-00002u-1O *> b@example.net R=mx T=smtp H=mx [203.0.113.1]\n\
                   2026-11-21 16:53:07 1xUoKp-00002u-1O (= a@example.org H=(c) [198.51.100.4] P=smtp S=1\n\
                   2026-11-21 16:53:07 1xUoKp-00002u-1O => blackhole (DATA ACL discarded recipients)\n\
                   2026-11-21 16:53:07 1xUoKp-00002u-1O Completed\n\
                   Nov 21 16:53:07 mx1 cron[1]: x\n\
                   Nov 21 16:53:07 mx1 exim[1]: [2/2] 2026-11-21 16:53:07 1xUoKp-00002u-1O <= x\n";
        let found = found(log);
        assert!(found.mails.is_empty(), "{:?}", found.mails);
        assert!(found.rejects.is_empty(), "{:?}", found.rejects);
    }

    #[test]
    fn what_has_no_form_is_rejected() {
        use RejectReason::{LineUnreadable, TimeUnreadable};
        let cases = [
            ("nonsense", LineUnreadable),
            (" a blank that follows nothing", LineUnreadable),
            ("2026-13-21 16:53:07 1xUoKp-00002u-1O Completed", TimeUnreadable),
            ("2026-11-21 16:53:07 1xUoKp-00002u-1O <= a@example.org H=(c) [192", LineUnreadable),
            ("2026-11-21 16:53:07 1xUoKp-00002u-1O => b@example.net T=s H=m [192", LineUnreadable),
            ("2026-11-21 16:53:07 1xUoKp-00002u-1O => b@example.net R=mx", LineUnreadable),
        ];
        for (line, reason) in cases {
            let found = found(line);
            let reasons: Vec<_> = found.rejects.iter().map(|reject| reject.0).collect();
            assert_eq!(reasons, [reason], "{line}");
            assert!(found.mails.is_empty());
        }
    }
}
