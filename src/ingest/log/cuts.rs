//! Logs cut anywhere: what is left of one may be unknown, never wrong.
//!
//! The captures are real logs; that the whole ones give what their traffic driver saw is
//! tested through the program.

use std::collections::BTreeMap;
use std::path::Path;

use chrono_tz::Tz;
use proptest::prelude::*;

use super::exim::Exim;
use super::harness::{Found, follow, follow_with, read};
use super::opensmtpd::OpenSmtpd;
use super::postfix::Postfix;
use super::sendmail::Sendmail;
use super::stamp::{Stamps, YearRule};
use super::{ByLine, Follow, Reader};
use crate::trace::{Direction, Tls};

const CAPTURES: [&str; 11] = [
    "exim/dev/mainlog.log",
    "exim/ext-dev/mainlog.log",
    "exim498/dev/mainlog.log",
    "opensmtpd/dev/maillog.log",
    "postfix/dev/mail.log",
    "postfix/gateway-dev/mail.log",
    "postfix/halflog-dev/mail.log",
    "postfix/loglevel0-dev/mail.log",
    "postfix/rfc3339-dev/mail.log",
    "postfix310/dev/mail.log",
    "sendmail/dev/maillog.log",
];

fn capture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/captures");
    std::fs::read(folder.join(name)).unwrap()
}

fn found(name: &str, files: &[&[u8]]) -> Found {
    let rule = YearRule::Given(2026);
    match name.split(['/', '3', '4']).next().unwrap() {
        "exim" => read(Exim::new(), Tz::UTC, rule, files),
        "opensmtpd" => read(OpenSmtpd::new(), Tz::UTC, rule, files),
        "sendmail" => read(Sendmail::new(), Tz::UTC, rule, files),
        _ => follow(Postfix::new(), Tz::UTC, rule, files),
    }
}

/// Reads a log with a reader that is left and gone on with between blocks, as `damage` left it.
fn left(name: &str, files: &[&[u8]], damage: &dyn Fn(&mut Vec<u8>)) -> Found {
    fn one<F: Follow>(
        fresh: impl Fn() -> F,
        files: &[&[u8]],
        harm: &dyn Fn(&mut Vec<u8>),
    ) -> Found {
        let rule = YearRule::Given(2026);
        follow_with(fresh(), Tz::UTC, rule, files, |follower, stamps| {
            let mut bytes = follower.leave().unwrap();
            let whole = bytes.clone();
            harm(&mut bytes);
            *follower = fresh();
            let resumed = follower.resume(&bytes);
            assert!(resumed || bytes != whole);
            let mut again = Stamps::new(Tz::UTC, rule);
            again.resume(stamps.leave());
            *stamps = again;
        })
    }
    fn by_line(reader: impl Reader + Send + 'static) -> ByLine<dyn Reader + Send> {
        ByLine(Box::new(reader))
    }
    match name.split(['/', '3', '4']).next().unwrap() {
        "exim" => one(|| by_line(Exim::new()), files, damage),
        "opensmtpd" => one(|| by_line(OpenSmtpd::new()), files, damage),
        "sendmail" => one(|| by_line(Sendmail::new()), files, damage),
        _ => one(Postfix::new, files, damage),
    }
}

/// Bands of what crossed the border, by direction and line of the whole log.
type Bands = BTreeMap<(Direction, u64), Vec<Tls>>;

fn bands(found: &Found, lines_before: u64) -> Bands {
    let mut bands = Bands::new();
    for mail in found.mails.iter().filter(|mail| mail.direction != Direction::Internal) {
        bands.entry((mail.direction, mail.place.line + lines_before)).or_default().push(mail.tls);
    }
    bands
}

/// Every mail of a part is one of the whole, with its band or an unknown one; encrypted mail
/// may have lost its version.
fn check(name: &str, whole: &Bands, part: &Bands, at: usize) {
    for (place, found) in part {
        let Some(known) = whole.get(place) else {
            panic!("{name} cut at {at}: {place:?} is no mail of the whole");
        };
        for band in found {
            let fits = *band == Tls::Unknown
                || known.contains(band)
                || (*band == Tls::Unspecified && !known.contains(&Tls::NoTls));
            // Where the whole does not know either, a part cannot know better.
            assert!(fits, "{name} cut at {at}: {place:?} is {band:?}, not {known:?}");
        }
    }
}

fn line_starts(log: &[u8]) -> Vec<usize> {
    std::iter::once(0).chain(memchr::memchr_iter(b'\n', log).map(|end| end + 1)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn a_log_cut_anywhere_is_never_wrong(share in 0.02_f64..0.98, of in 0..CAPTURES.len()) {
        for offset in 0..2 {
            let name = CAPTURES[(of + offset * 5) % CAPTURES.len()];
            let log = capture(name);
            let whole = bands(&found(name, &[&log]), 0);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place within a small file")]
            let at = (log.len() as f64 * share) as usize;
            // The end of the log is missing, in the middle of a line.
            check(name, &whole, &bands(&found(name, &[&log[..at]]), 0), at);
            // Its beginning is: the rest of a line comes first, counted as a line.
            let before = line_starts(&log).iter().filter(|start| **start <= at).count() - 1;
            check(name, &whole, &bands(&found(name, &[&log[at..]]), before as u64), at);
        }
    }

    #[test]
    fn a_reader_that_goes_on_where_it_left_finds_the_same(
        share in 0.02_f64..0.98,
        of in 0..CAPTURES.len(),
    ) {
        let name = CAPTURES[of];
        let log = capture(name);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place within a small file")]
        let at = memchr::memrchr(b'\n', &log[..(log.len() as f64 * share) as usize]);
        let files = log.split_at(at.map_or(0, |end| end + 1));
        let files = [files.0, files.1];
        let (whole, left) = (found(name, &files), left(name, &files, &|_| {}));
        prop_assert_eq!(format!("{whole:?}"), format!("{left:?}"));
    }

    #[test]
    fn what_was_left_and_is_damaged_never_stops_a_reader(
        of in 0..CAPTURES.len(),
        damage in prop::collection::vec((0.0_f64..1.0, any::<u8>()), 1..4),
        short in any::<bool>(),
    ) {
        let name = CAPTURES[of];
        let log = capture(name);
        left(name, &[&log], &|bytes| {
            for (share, byte) in &damage {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place within a small file")]
                let at = (bytes.len() as f64 * share) as usize;
                let last = bytes.len() - 1;
                bytes[at.min(last)] ^= byte;
                if short {
                    bytes.truncate(at);
                    break;
                }
            }
        });
    }

    #[test]
    fn damaged_lines_never_stop_a_reader(
        of in 0..CAPTURES.len(),
        damage in prop::collection::vec((0.0_f64..1.0, any::<u8>()), 1..40),
    ) {
        let name = CAPTURES[of];
        let mut log = capture(name);
        let length = log.len();
        for (share, byte) in damage {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place within a small file")]
            let at = (length as f64 * share) as usize;
            log[at.min(length - 1)] = byte;
        }
        found(name, &[&log]);
    }
}

#[test]
fn a_log_cut_at_many_lines_is_never_wrong() {
    let mut compared = 0;
    for name in CAPTURES {
        let log = capture(name);
        let whole = bands(&found(name, &[&log]), 0);
        let starts = line_starts(&log);
        for line in (1..starts.len() - 1).step_by(starts.len() / 12) {
            let at = starts[line];
            for (part, before) in [(&log[..at], 0), (&log[at..], line as u64)] {
                let part = bands(&found(name, &[part]), before);
                check(name, &whole, &part, at);
                compared += part.len();
            }
        }
    }
    assert!(compared > 10_000, "{compared}");
}
