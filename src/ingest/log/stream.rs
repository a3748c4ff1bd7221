//! Files of one kind of log as one stream: in order of time, so that sessions go on across
//! a rotation.
//!
//! One thread reads, decompresses and hashes, the other follows the sessions; streams of
//! several kinds follow each other.

use std::cmp::Reverse;
use std::sync::mpsc::{Receiver, sync_channel};

use super::super::blocks::{Pool, TextBlock};
use super::super::job::Job;
use super::super::parts::read_blocks;
use super::super::{FileNote, IngestError, SkippedFile};
use super::exchange::Exchange;
use super::exim::Exim;
use super::opensmtpd::OpenSmtpd;
use super::postfix::Postfix;
use super::rows::Rows;
use super::sendmail::Sendmail;
use super::stamp::Stamps;
use super::{Place, Reader, Sink};
use crate::trace::{Block, Kind, RejectReason};

/// Reads all logs among the files.
///
/// # Errors
/// [`IngestError`] for the first file that cannot be used as a whole, unless `skip_bad_files`.
pub(crate) fn run(
    jobs: &[Job],
    skip_bad_files: bool,
    sink: &(dyn Fn(Block) + Sync),
    skipped: &mut Vec<SkippedFile>,
) -> Result<(), IngestError> {
    let mut logs: Vec<(&Job, super::LogStart)> =
        jobs.iter().filter_map(|job| Some((job, job.sniffed.log?))).collect();
    // Sessions are read before the tracking log that refers to them.
    let order = |job: &Job| (system(job.sniffed.kind), job.sniffed.kind == Kind::ExchangeTracking);
    logs.sort_by_cached_key(|(job, at)| {
        let name = &job.input.name;
        (order(job), at.first_ms, Rotation::of(name), name.clone())
    });
    let logs: Vec<&Job> = logs.into_iter().map(|(job, _)| job).collect();
    let without_tls = !logs.iter().any(|job| job.sniffed.kind == Kind::ExchangeSmtp);
    for job in logs.iter().filter(|job| job.sniffed.kind == Kind::ExchangeTracking && without_tls) {
        job.note(FileNote::NoProtocolLog);
    }
    for stream in logs.chunk_by(|a, b| system(a.sniffed.kind) == system(b.sniffed.kind)) {
        read_stream(stream, skip_bad_files, sink, skipped)?;
    }
    Ok(())
}

/// Which of the files that begin in the same second is older, by the names that logrotate
/// gives: dates first, then the higher numbers, the one still written last.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rotation {
    Dated(String),
    Numbered(Reverse<u32>),
    Current,
}

impl Rotation {
    fn of(name: &str) -> Self {
        let packed = [".gz", ".zst", ".zip"].iter().find_map(|ending| name.strip_suffix(ending));
        let name = packed.unwrap_or(name);
        let digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if let Some((_, date)) = name.rsplit_once('-').filter(|(_, date)| digits(date)) {
            return Self::Dated(date.to_owned());
        }
        let number = name.rsplit_once('.').and_then(|(_, number)| number.parse().ok());
        number.map_or(Self::Current, |number| Self::Numbered(Reverse(number)))
    }
}

/// Kinds whose lines belong together.
fn system(kind: Kind) -> Kind {
    if kind == Kind::ExchangeSmtp { Kind::ExchangeTracking } else { kind }
}

fn reader(stream: &[&Job]) -> Option<Box<dyn Reader>> {
    let has = |kind| stream.iter().any(|job| job.sniffed.kind == kind);
    Some(match system(stream.first()?.sniffed.kind) {
        Kind::Postfix => Box::new(Postfix::new()),
        Kind::Exim => Box::new(Exim::new()),
        Kind::Sendmail => Box::new(Sendmail::new()),
        Kind::OpenSmtpd => Box::new(OpenSmtpd::new()),
        Kind::ExchangeTracking => {
            Box::new(Exchange::new(has(Kind::ExchangeTracking), has(Kind::ExchangeSmtp)))
        }
        _ => return None,
    })
}

/// Lines of a file, in order.
type Part<'a> = (&'a Job, TextBlock);

fn read_stream(
    stream: &[&Job],
    skip_bad_files: bool,
    sink: &(dyn Fn(Block) + Sync),
    skipped: &mut Vec<SkippedFile>,
) -> Result<(), IngestError> {
    let pool = Pool::default();
    let (sender, receiver) = sync_channel::<Part<'_>>(4);
    std::thread::scope(|scope| {
        let pool = &pool;
        let follow = scope.spawn(move || {
            let mut rows = Rows::new(stream, sink);
            if let Some(mut reader) = reader(stream) {
                follow(&receiver, &mut *reader, pool, &mut rows);
            }
            rows.finish()
        });
        let mut read = || {
            for job in stream {
                let send = |block| drop(sender.send((*job, block)));
                let read = read_blocks(&job.input, false, pool, send);
                if let Some(digested) = job.unless_bad(read, skip_bad_files, skipped)? {
                    job.set_digested(digested);
                }
            }
            Ok(())
        };
        let outcome = read();
        drop(sender);
        let followed = follow.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        outcome.and(followed)
    })
}

/// Follows the sessions through all files.
fn follow(
    receiver: &Receiver<Part<'_>>,
    reader: &mut dyn Reader,
    pool: &Pool,
    rows: &mut Rows<'_>,
) {
    let mut current: Option<(&Job, Stamps, u64)> = None;
    while let Ok((job, block)) = receiver.recv() {
        let file = job.context.file;
        let (_, stamps, number) = match &mut current {
            Some(held) if held.0.context.file == file => held,
            _ => {
                if let Some((job, stamps, _)) = current.take() {
                    note_stamps(job, &stamps);
                }
                current.insert((job, job.stamps(), 0))
            }
        };
        for _ in 0..block.skipped_lines {
            *number += 1;
            rows.reject(RejectReason::LineTooLong, Place { file, line: *number }, b"");
        }
        let text = block.bytes.strip_suffix(b"\n").unwrap_or(&block.bytes);
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', text).chain([text.len()]) {
            let line = text.get(start..end).unwrap_or_default();
            start = end + 1;
            *number += 1;
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !line.is_empty() {
                reader.line(line, stamps, Place { file, line: *number }, rows);
            }
        }
        pool.give(block.bytes);
    }
    if let Some((job, stamps, _)) = current {
        note_stamps(job, &stamps);
    }
    reader.end(rows);
}

fn note_stamps(job: &Job, stamps: &Stamps) {
    if stamps.inferred_year {
        job.note(FileNote::YearInferred);
    }
    if stamps.without_zone {
        job.note(FileNote::ZoneAssumed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_files_come_first() {
        let mut names = [
            "mail.log",
            "mail.log.1",
            "mail.log.10.gz",
            "mail.log.2.gz",
            "mail.log-20261114",
            "mail.log-20261107.gz",
        ];
        names.sort_by_key(|name| Rotation::of(name));
        let expected = [
            "mail.log-20261107.gz",
            "mail.log-20261114",
            "mail.log.10.gz",
            "mail.log.2.gz",
            "mail.log.1",
            "mail.log",
        ];
        assert_eq!(names, expected);
    }
}
