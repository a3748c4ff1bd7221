//! Lines as syslog daemons and journald write them.
//!
//! | form | example |
//! |---|---|
//! | traditional (RFC 3164) | `Nov 21 16:53:10 mx1 postfix/smtpd[272]: connect from …` |
//! | RFC 3339 stamp | `2026-11-21T16:53:28.963467+00:00 mx1 postfix/smtpd[272]: …` |
//! | RFC 5424 | `<22>1 2026-11-21T16:53:28Z mx1 postfix/smtpd 272 - - connect from …` |
//! | `journalctl -o json` | `{"__REALTIME_TIMESTAMP":"…","SYSLOG_IDENTIFIER":"…",…}` |

use std::borrow::Cow;

use super::fields::near;
use super::stamp::{Head, Stamps};

/// One line, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// Milliseconds since 1970 UTC.
    pub time_ms: i64,
    /// Host that logged.
    pub host: Cow<'a, [u8]>,
    /// Program, such as `postfix/submission/smtpd`.
    pub program: Cow<'a, [u8]>,
    /// Process id; 0 = not logged.
    pub pid: u32,
    /// What was logged.
    pub text: Cow<'a, [u8]>,
}

/// Why a line could not be taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineFault {
    /// No form of syslog.
    Shape,
    /// The stamp is no time, or nothing tells its year.
    Time,
}

/// Takes a line apart.
///
/// # Errors
/// [`LineFault`] for a line of no known form.
pub(crate) fn split<'a>(line: &'a [u8], stamps: &mut Stamps) -> Result<Line<'a>, LineFault> {
    match line.first() {
        Some(b'{') => journal(line),
        Some(b'<') => {
            let end = memchr::memchr(b'>', line).filter(|end| *end <= 4).ok_or(LineFault::Shape)?;
            let rest = line.get(end + 1..).unwrap_or_default();
            match rest.strip_prefix(b"1 ") {
                Some(rest) => rfc5424(rest, stamps),
                None => plain(rest, stamps),
            }
        }
        Some(_) => plain(line, stamps),
        None => Err(LineFault::Shape),
    }
}

fn plain<'a>(line: &'a [u8], stamps: &mut Stamps) -> Result<Line<'a>, LineFault> {
    let (head, within, rest) = stamp(line)?;
    let base_ms = stamps.instant_ms(&head).ok_or(LineFault::Time)?;
    let Tagged { host, program, pid, text } = tagged(rest).ok_or(LineFault::Shape)?;
    let time_ms = base_ms + i64::from(within);
    Ok(Line { time_ms, host: host.into(), program: program.into(), pid, text: text.into() })
}

/// What a line that begins with its stamp says by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tagged<'a> {
    pub host: &'a [u8],
    pub program: &'a [u8],
    /// Process id; 0 = not logged.
    pub pid: u32,
    pub text: &'a [u8],
}

/// The stamp of a line of one of the two plain forms, the milliseconds behind its head, and what
/// follows the blank.
pub(crate) fn stamp(line: &[u8]) -> Result<(Head<'_>, u32, &[u8]), LineFault> {
    if line.first().is_some_and(u8::is_ascii_digit) {
        let (stamp, rest) = word(line).ok_or(LineFault::Shape)?;
        let (head, within) = Head::iso(stamp).ok_or(LineFault::Time)?;
        return Ok((head, within, rest));
    }
    let (stamp, rest) = line.split_at_checked(15).ok_or(LineFault::Shape)?;
    if stamp.get(3) != Some(&b' ') || stamp.get(9) != Some(&b':') {
        return Err(LineFault::Shape);
    }
    let (head, within) = Head::traditional(stamp).ok_or(LineFault::Time)?;
    Ok((head, within, rest.strip_prefix(b" ").unwrap_or_default()))
}

/// `HOST PROGRAM[PID]: TEXT`.
pub(crate) fn tagged(line: &[u8]) -> Option<Tagged<'_>> {
    let (host, rest) = word(line)?;
    behind_host(host, rest)
}

/// `PROGRAM[PID]: TEXT`, behind the host and its blank.
pub(crate) fn behind_host<'a>(host: &'a [u8], rest: &'a [u8]) -> Option<Tagged<'a>> {
    // A tag is one word: what has blanks is a message of another kind.
    let (tag, text) = word(rest)?;
    let tag = tag.strip_suffix(b":").filter(|tag| !tag.is_empty())?;
    let (program, pid) = with_pid(tag).unwrap_or((tag, 0));
    Some(Tagged { host, program, pid, text })
}

/// `PROGRAM[PID]`.
fn with_pid(tag: &[u8]) -> Option<(&[u8], u32)> {
    let before = tag.strip_suffix(b"]")?;
    let (mut pid, mut unit, mut rest) = (0_u64, 1_u64, before);
    while let Some((digit, shorter)) = rest.split_last().filter(|(byte, _)| byte.is_ascii_digit()) {
        pid = pid.checked_add(u64::from(digit - b'0').checked_mul(unit)?)?;
        // Far beyond what a process id can be.
        unit = unit.saturating_mul(10);
        rest = shorter;
    }
    let program = rest.strip_suffix(b"[").filter(|_| rest.len() < before.len())?;
    Some((program, u32::try_from(pid).ok()?))
}

fn rfc5424<'a>(rest: &'a [u8], stamps: &mut Stamps) -> Result<Line<'a>, LineFault> {
    let (stamp, rest) = word(rest).ok_or(LineFault::Shape)?;
    let time_ms = stamps.iso(stamp).ok_or(LineFault::Time)?;
    let (host, rest) = word(rest).ok_or(LineFault::Shape)?;
    let (program, rest) = word(rest).ok_or(LineFault::Shape)?;
    let (pid, rest) = word(rest).ok_or(LineFault::Shape)?;
    let (_, rest) = word(rest).ok_or(LineFault::Shape)?;
    let text = if let Some(text) = rest.strip_prefix(b"- ") {
        text
    } else if rest.first() == Some(&b'[') {
        // Structured data ends at the first `] ` that no quote encloses.
        let mut quoted = false;
        let mut escaped = false;
        let end = rest.iter().zip(rest.iter().skip(1)).position(|(byte, next)| {
            quoted ^= *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            *byte == b']' && *next == b' ' && !quoted
        });
        rest.get(end.ok_or(LineFault::Shape)? + 2..).unwrap_or_default()
    } else {
        return Err(LineFault::Shape);
    };
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let pid = number(pid).unwrap_or(0);
    Ok(Line { time_ms, host: host.into(), program: program.into(), pid, text: text.into() })
}

/// A journal entry as `journalctl -o json` exports it; text that is no UTF-8 is a list of
/// its bytes there.
fn journal(line: &[u8]) -> Result<Line<'_>, LineFault> {
    use serde_json::Value;
    let entry: Value = serde_json::from_slice(line).map_err(|_| LineFault::Shape)?;
    let bytes = |name: &str| match entry.get(name) {
        Some(Value::String(text)) => Some(text.clone().into_bytes()),
        Some(Value::Array(list)) => {
            list.iter().map(|byte| u8::try_from(byte.as_u64()?).ok()).collect()
        }
        _ => None,
    };
    let text = |name: &str| entry.get(name).and_then(Value::as_str);
    let source = text("_SOURCE_REALTIME_TIMESTAMP").or_else(|| text("__REALTIME_TIMESTAMP"));
    let micros: i64 = source.ok_or(LineFault::Time)?.parse().map_err(|_| LineFault::Time)?;
    let program = bytes("SYSLOG_IDENTIFIER").or_else(|| bytes("_COMM")).ok_or(LineFault::Shape)?;
    let pid = text("SYSLOG_PID").or_else(|| text("_PID"));
    Ok(Line {
        time_ms: micros.div_euclid(1000),
        host: bytes("_HOSTNAME").unwrap_or_default().into(),
        program: program.into(),
        pid: pid.and_then(|pid| pid.parse().ok()).unwrap_or(0),
        text: bytes("MESSAGE").unwrap_or_default().into(),
    })
}

/// The bytes up to the first blank, and what follows it.
fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = near(b' ', text)?;
    Some((text.get(..end)?, text.get(end + 1..)?))
}

fn number(text: &[u8]) -> Option<u32> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u32, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::*;
    use crate::ingest::log::stamp::YearRule;

    #[test]
    fn every_form_says_the_same() {
        let forms: [&[u8]; 6] = [
            b"Nov 21 16:53:10 mx1 postfix/smtpd[272]: connect from a: b",
            b"<22>Nov 21 16:53:10 mx1 postfix/smtpd[272]: connect from a: b",
            b"2026-11-21T16:53:10.000000+00:00 mx1 postfix/smtpd[272]: connect from a: b",
            b"<22>1 2026-11-21T16:53:10Z mx1 postfix/smtpd 272 - - connect from a: b",
            b"<22>1 2026-11-21T16:53:10Z mx1 postfix/smtpd 272 - [x@1 a=\"] \\\"\"] connect from a: b",
            br#"{"__REALTIME_TIMESTAMP":"1795279990000000","_HOSTNAME":"mx1","SYSLOG_IDENTIFIER":"postfix/smtpd","_PID":"272","MESSAGE":"connect from a: b"}"#,
        ];
        for form in forms {
            let mut stamps = Stamps::new(Tz::UTC, YearRule::Given(2026));
            let line = split(form, &mut stamps).unwrap();
            assert_eq!(line.time_ms, 1_795_279_990_000);
            assert_eq!((&*line.host, &*line.program), (&b"mx1"[..], &b"postfix/smtpd"[..]));
            assert_eq!((line.pid, &*line.text), (272, &b"connect from a: b"[..]));
        }
    }

    #[test]
    fn process_ids_of_any_length() {
        let cases: [(&str, &str, u32); 12] = [
            ("a[1]", "a", 1),
            ("a[4294967295]", "a", u32::MAX),
            ("a[0000000000000000000000000007]", "a", 7),
            ("a[4294967296]", "a[4294967296]", 0),
            ("a[10000000000]", "a[10000000000]", 0),
            ("a[100000000000000000000000000]", "a[100000000000000000000000000]", 0),
            ("a[99999999999999999999999999]", "a[99999999999999999999999999]", 0),
            ("a[]", "a[]", 0),
            ("a[x1]", "a[x1]", 0),
            ("a1]", "a1]", 0),
            ("1]", "1]", 0),
            ("a", "a", 0),
        ];
        for (tag, program, pid) in cases {
            let line = format!("mx1 {tag}: text");
            let found = tagged(line.as_bytes()).unwrap();
            assert_eq!((found.program, found.pid), (program.as_bytes(), pid), "{tag}");
        }
    }

    #[test]
    fn what_is_no_line() {
        let mut stamps = Stamps::new(Tz::UTC, YearRule::Given(2026));
        let cases: [(&[u8], LineFault); 6] = [
            (b"", LineFault::Shape),
            (b"nonsense without a stamp", LineFault::Shape),
            (b"Nov 31 16:53:10 mx1 a[1]: x", LineFault::Time),
            (b"Nov 21 16:53:10 mx1", LineFault::Shape),
            (b"Nov 21 16:53:10 mx1 last message repeated 2 times: x", LineFault::Shape),
            (b"{\"MESSAGE\":1", LineFault::Shape),
        ];
        for (line, fault) in cases {
            assert_eq!(split(line, &mut stamps).unwrap_err(), fault);
        }
    }
}
