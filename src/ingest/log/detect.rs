//! Which log a file is, told by its first lines, and when it begins.

use chrono_tz::Tz;

use super::stamp::{Stamps, YearRule};
use super::syslog::{self, LineFault};
use crate::trace::Kind;

/// Lines looked at; what runs beside the mail server may log between its lines.
const LINES: usize = 20_000;

/// Where a log begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogStart {
    /// Time of the first line that has one, milliseconds since 1970 UTC.
    pub first_ms: Option<i64>,
    /// Whether a stamp lacks its year and nothing tells it.
    pub without_year: bool,
}

/// The kind of log, by the lines that only one kind of server writes.
pub(crate) fn detect(start: &[u8]) -> Option<Kind> {
    // What a line is does not depend on its year; any leap year has all dates.
    let stamps = &mut Stamps::new(Tz::UTC, YearRule::Given(2024));
    let mut seen: [(Kind, usize); 4] =
        [Kind::Postfix, Kind::Exim, Kind::Sendmail, Kind::OpenSmtpd].map(|kind| (kind, 0));
    for line in lines(start) {
        if let Some(kind) = exchange_kind(line) {
            return Some(kind);
        }
        let found = if is_exim(line) {
            Some(Kind::Exim)
        } else {
            syslog::split(line, stamps).ok().and_then(|line| server_of(&line.program, &line.text))
        };
        if let Some((_, count)) = seen.iter_mut().find(|(kind, _)| Some(*kind) == found) {
            *count += 1;
            // Enough of one kind.
            if *count == 50 {
                break;
            }
        }
    }
    let most = seen.into_iter().max_by_key(|(_, count)| *count);
    most.filter(|(_, count)| *count > 0).map(|(kind, _)| kind)
}

/// The time at which a log of `kind` begins.
pub(crate) fn start(kind: Kind, start: &[u8], stamps: &mut Stamps) -> LogStart {
    let mut without_year = false;
    let first_ms = lines(start).find_map(|line| match kind {
        Kind::ExchangeTracking | Kind::ExchangeSmtp => {
            let end = memchr::memchr(b',', line)?;
            stamps.iso(line.get(..end)?)
        }
        Kind::Exim => stamps.iso(line.get(..19)?),
        _ => match syslog::split(line, stamps) {
            Ok(line) => Some(line.time_ms),
            Err(LineFault::Time) => {
                without_year |= stamps.lacks_year();
                None
            }
            Err(LineFault::Shape) => None,
        },
    });
    LogStart { first_ms, without_year: first_ms.is_none() && without_year }
}

fn lines(start: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = start.split(|byte| *byte == b'\n').take(LINES);
    lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line)).filter(|line| !line.is_empty())
}

/// `#Log-type: Message Tracking Log`, `#Log-type: SMTP Receive Protocol Log`; docs write
/// `#Log-Type`.
fn exchange_kind(line: &[u8]) -> Option<Kind> {
    let head = line.get(..9)?;
    if !head.eq_ignore_ascii_case(b"#Log-type") {
        return None;
    }
    let name = line.get(9..)?.strip_prefix(b":")?.trim_ascii();
    if name.eq_ignore_ascii_case(b"Message Tracking Log") {
        Some(Kind::ExchangeTracking)
    } else if name.to_ascii_lowercase().ends_with(b"protocol log") {
        Some(Kind::ExchangeSmtp)
    } else {
        None
    }
}

/// `2026-11-21 16:53:10[ zone][ [pid]] 1vMabc-000000-00 <= …`, or what the daemon says at
/// its start and end.
fn is_exim(line: &[u8]) -> bool {
    let dated = line.len() > 20
        && line.get(4) == Some(&b'-')
        && line.get(7) == Some(&b'-')
        && line.get(10) == Some(&b' ')
        && line.get(13) == Some(&b':');
    if !dated {
        return false;
    }
    let words = line.get(20..).unwrap_or_default().split(|byte| *byte == b' ').take(6);
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        let flag = words.peek().copied().unwrap_or_default();
        let known = matches!(
            flag,
            b"<=" | b"=>" | b"->" | b"**" | b"==" | b">>" | b"*>" | b"Completed" | b"Message"
        );
        if (is_exim_id(word) && known) || (word == b"exim" && flag.first() == Some(&b'4')) {
            return true;
        }
    }
    false
}

/// `1vMabc-000000-00`, or since 4.97 `1vMabc-00000000000-0000`.
fn is_exim_id(word: &[u8]) -> bool {
    let mut parts = word.split(|byte| *byte == b'-').map(<[u8]>::len);
    let parts = (parts.next(), parts.next(), parts.next(), parts.next());
    let lengths =
        matches!(parts, (Some(6), Some(6), Some(2), None) | (Some(6), Some(11), Some(4), None));
    lengths && word.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

fn server_of(program: &[u8], text: &[u8]) -> Option<Kind> {
    let daemon = program.rsplit(|byte| *byte == b'/').next().unwrap_or(program);
    if program.len() > daemon.len() {
        let known: [&[u8]; 8] =
            [b"smtpd", b"smtp", b"qmgr", b"cleanup", b"pickup", b"lmtp", b"local", b"postscreen"];
        let ours = program.starts_with(b"postfix") || known.contains(&daemon);
        return ours.then_some(Kind::Postfix);
    }
    match program {
        b"sendmail" => Some(Kind::Sendmail),
        b"exim" | b"exim4" => Some(Kind::Exim),
        b"smtpd" => {
            let id = text.get(..16)?;
            (id.iter().all(u8::is_ascii_hexdigit) && text.get(16) == Some(&b' '))
                .then_some(Kind::OpenSmtpd)
        }
        _ if program.starts_with(b"sm-mta") || program.starts_with(b"sm-msp") => {
            Some(Kind::Sendmail)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> Option<Kind> {
        detect(text.as_bytes())
    }

    #[test]
    fn kinds_by_content() {
        let cases = [
            (
                "Nov 21 16:53:10 mx1 postfix/smtpd[2]: connect from a[192.0.2.1]",
                Some(Kind::Postfix),
            ),
            ("Nov 21 16:53:10 mx1 acme/smtpd[2]: connect from a[192.0.2.1]", Some(Kind::Postfix)),
            ("2026-11-21 16:53:10 1vMabc-000000-0A <= a@example.com H=x", Some(Kind::Exim)),
            (
                "2026-11-21 16:53:10.317 +0530 [83] 1vMabc-00000000abc-0A12 => a@example.com R=r",
                Some(Kind::Exim),
            ),
            ("2026-11-21 16:53:10 exim 4.96 daemon started: pid=1", Some(Kind::Exim)),
            ("Nov 21 16:53:10 mx1 sm-mta[2]: STARTTLS=server, relay=a", Some(Kind::Sendmail)),
            (
                "Nov 21 16:53:10 mx1 smtpd[2]: 0123456789abcdef smtp connected address=192.0.2.1",
                Some(Kind::OpenSmtpd),
            ),
            (
                "#Software: Microsoft\r\n#Log-Type: Message Tracking Log\r\n",
                Some(Kind::ExchangeTracking),
            ),
            ("#Log-type: SMTP Send Protocol Log\n", Some(Kind::ExchangeSmtp)),
            ("Nov 21 16:53:10 mx1 sshd[2]: Accepted publickey for x", None),
            ("time,direction,tls\n2026-11-21 10:00:00,inbound,none\n", None),
        ];
        for (text, expected) in cases {
            assert_eq!(kind(text), expected, "{text}");
        }
    }

    #[test]
    fn other_programs_may_log_between() {
        let noise = "Nov 21 16:53:10 mx1 dovecot: imap-login: Login: user=<a>\n".repeat(500);
        let text = format!("{noise}Nov 21 16:53:11 mx1 postfix/qmgr[2]: 4D533084A: removed\n");
        assert_eq!(kind(&text), Some(Kind::Postfix));
    }
}
