//! Exim's own stamps: `2026-11-21 16:53:07[.317][ +0530][ [183]] `.

use serde::{Deserialize, Serialize};

use super::super::fields::Words;
use super::super::stamp::Stamps;
use super::super::syslog::LineFault;

/// Bytes of a stamp that ten minutes share.
const HEAD: usize = 15;
/// Bytes of a zone, with the blank before it.
const ZONE: usize = 6;

/// Reads stamps, of which most differ from the one before in minutes and seconds only.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Clock {
    file: Option<u32>,
    head: [u8; HEAD],
    zone: Option<[u8; ZONE]>,
    base_ms: i64,
}

/// A stamp as it stands, taken apart.
#[derive(Debug)]
struct Stamp<'a> {
    head: &'a [u8; HEAD],
    /// Milliseconds since the ten minutes began.
    within_ms: i64,
    zone: Option<[u8; ZONE]>,
    rest: &'a [u8],
}

/// Whether a line begins as Exim's own stamps do, and not as those of syslog.
pub(super) fn is_own(line: &[u8]) -> bool {
    line.get(4) == Some(&b'-')
        && line.get(10) == Some(&b' ')
        && line.first().is_some_and(u8::is_ascii_digit)
}

/// What follows the stamp and the process id.
pub(super) fn skip(line: &[u8]) -> Option<&[u8]> {
    Some(stamp(line)?.rest)
}

impl Clock {
    /// The instant of a line, and what follows its stamp and process id.
    ///
    /// # Errors
    /// [`LineFault`] for a line without a stamp, or with one that is no time.
    pub(super) fn split<'a>(
        &mut self,
        line: &'a [u8],
        stamps: &mut Stamps,
        file: u32,
    ) -> Result<(i64, &'a [u8]), LineFault> {
        let stamp = stamp(line).ok_or(LineFault::Shape)?;
        // Another file may have another zone.
        if self.file != Some(file) || self.head != *stamp.head || self.zone != stamp.zone {
            let mut text = stamp.head.to_vec();
            text.extend_from_slice(b"0:00");
            text.extend(stamp.zone.into_iter().flatten());
            self.base_ms = stamps.iso(&text).ok_or(LineFault::Time)?;
            (self.file, self.head, self.zone) = (Some(file), *stamp.head, stamp.zone);
        }
        if stamp.within_ms < 0 {
            return Err(LineFault::Time);
        }
        Ok((self.base_ms.saturating_add(stamp.within_ms), stamp.rest))
    }
}

fn stamp(line: &[u8]) -> Option<Stamp<'_>> {
    let (head, rest) = line.split_first_chunk::<HEAD>()?;
    let shape = b"dddd-dd-dd dd:d";
    let fits = |(byte, form): (&u8, &u8)| match form {
        b'd' => byte.is_ascii_digit(),
        _ => byte == form,
    };
    if !head.iter().zip(shape).all(fits) {
        return None;
    }
    let (&[minute, b':', tens, ones], mut rest) = rest.split_first_chunk::<4>()? else {
        return None;
    };
    if ![minute, tens, ones].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |byte: u8| i64::from(byte - b'0');
    let seconds = digit(tens) * 10 + digit(ones);
    let mut within_ms = (digit(minute) * 60 + seconds) * 1000;
    if seconds > 60 {
        within_ms = -1;
    }
    if let Some(fraction) = rest.strip_prefix(b".") {
        let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if within_ms >= 0 {
            let scale = [100, 10, 1];
            within_ms +=
                fraction.iter().take(digits).zip(scale).map(|(d, s)| digit(*d) * s).sum::<i64>();
        }
        rest = fraction.get(digits..)?;
    }
    let mut zone = None;
    if let Some((found @ [b' ', b'+' | b'-', digits @ ..], behind)) =
        rest.split_first_chunk::<ZONE>()
        && digits.iter().all(u8::is_ascii_digit)
    {
        (zone, rest) = (Some(*found), behind);
    }
    Some(Stamp { head, within_ms, zone, rest: without_pid(rest.strip_prefix(b" ")?) })
}

/// The text without a leading `[183] `.
pub(super) fn without_pid(text: &[u8]) -> &[u8] {
    if text.first() != Some(&b'[') {
        return text;
    }
    let mut words = Words::new(text);
    let pid = words.next().and_then(|word| word.strip_prefix(b"[")?.strip_suffix(b"]"));
    match pid {
        Some(pid) if !pid.is_empty() && pid.iter().all(u8::is_ascii_digit) => words.rest(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use chrono_tz::Tz;

    use super::*;
    use crate::ingest::log::stamp::YearRule;

    fn ms(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
    }

    #[test]
    fn every_form_of_the_stamp() {
        let mut stamps = Stamps::new(Tz::America__Sao_Paulo, YearRule::Absent);
        let mut clock = Clock::default();
        let cases = [
            ("2026-11-21 16:53:07 x y", "2026-11-21T19:53:07Z"),
            ("2026-11-21 16:59:59.1 x y", "2026-11-21T19:59:59.100Z"),
            ("2026-11-21 16:53:07.317 +0530 [183] x y", "2026-11-21T11:23:07.317Z"),
            ("2026-11-21 16:53:07 -0500 x y", "2026-11-21T21:53:07Z"),
            ("2026-11-21 16:53:07 [183] x y", "2026-11-21T19:53:07Z"),
        ];
        for (line, expected) in cases {
            let (time, rest) = clock.split(line.as_bytes(), &mut stamps, 0).unwrap();
            assert_eq!((time, rest), (ms(expected), &b"x y"[..]), "{line}");
        }
        assert!(stamps.without_zone);
    }

    #[test]
    fn another_file_may_have_another_zone() {
        let mut clock = Clock::default();
        for (file, zone, expected) in [(0, Tz::UTC, 16), (1, Tz::America__Sao_Paulo, 19)] {
            let mut stamps = Stamps::new(zone, YearRule::Absent);
            let (time, _) = clock.split(b"2026-11-21 16:53:07 x", &mut stamps, file).unwrap();
            assert_eq!(time, ms(&format!("2026-11-21T{expected}:53:07Z")));
        }
    }

    #[test]
    fn what_is_no_stamp() {
        let mut stamps = Stamps::new(Tz::UTC, YearRule::Absent);
        let mut clock = Clock::default();
        for line in ["", "x", "2026-11-21 16:53", "2026-11-21 16:53:07", "2026-11-21T16:53:07 x"] {
            let found = clock.split(line.as_bytes(), &mut stamps, 0);
            assert_eq!(found.unwrap_err(), LineFault::Shape, "{line}");
        }
        for line in ["2026-13-21 16:53:07 x", "2026-11-21 16:53:71 x", "2026-11-21 26:53:01 x"] {
            let found = clock.split(line.as_bytes(), &mut stamps, 0);
            assert_eq!(found.unwrap_err(), LineFault::Time, "{line}");
        }
    }
}
