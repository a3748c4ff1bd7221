//! Files of one kind of log as one stream: in order of time, so that sessions go on across
//! a rotation.
//!
//! One thread reads, decompresses and hashes. The others find out what the lines of a block say
//! by themselves, and then wait for the turn of their block to follow the sessions through it.
//! Streams of several kinds follow each other.

use std::cmp::Reverse;
use std::sync::{Condvar, Mutex, PoisonError};

use super::super::blocks::{LOG_BLOCK, Pool, TextBlock};
use super::super::inbox::{Inbox, Sender, Taker};
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
use super::{ByLine, Follow, Place, Prepare, Reader, Sink};
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

fn read_stream(
    stream: &[&Job],
    skip_bad_files: bool,
    sink: &(dyn Fn(Block) + Sync),
    skipped: &mut Vec<SkippedFile>,
) -> Result<(), IngestError> {
    let has = |kind| stream.iter().any(|job| job.sniffed.kind == kind);
    let reader: Box<dyn Reader + Send> = match stream.first().map(|job| system(job.sniffed.kind)) {
        Some(Kind::Postfix) => {
            return follow(stream, Postfix::new(), skip_bad_files, sink, skipped);
        }
        Some(Kind::Exim) => Box::new(Exim::new()),
        Some(Kind::Sendmail) => Box::new(Sendmail::new()),
        Some(Kind::OpenSmtpd) => Box::new(OpenSmtpd::new()),
        Some(Kind::ExchangeTracking) => {
            Box::new(Exchange::new(has(Kind::ExchangeTracking), has(Kind::ExchangeSmtp)))
        }
        _ => return Ok(()),
    };
    follow(stream, ByLine(reader), skip_bad_files, sink, skipped)
}

/// Threads that prepare and follow, at most: one of them follows at a time.
const WORKERS: usize = 8;
/// Blocks that wait to be prepared, at most.
const MOST_WAITING: usize = 6;

/// A block of a file, and its place in the stream.
type Part<'a> = (u64, &'a Job, TextBlock);

/// Reads the files of a stream on this thread; prepares blocks on the others and follows them,
/// one after the other.
fn follow<F: Follow + 'static>(
    stream: &[&Job],
    follower: F,
    skip_bad_files: bool,
    sink: &(dyn Fn(Block) + Sync),
    skipped: &mut Vec<SkippedFile>,
) -> Result<(), IngestError> {
    let pool = Pool::new(LOG_BLOCK);
    let (sender, inbox) = Inbox::<Part<'_>>::new(MOST_WAITING);
    let turn = Turn::new(Following { follower, rows: Rows::new(stream, sink), current: None });
    // Two more than processors, since some wait for their turn.
    let workers = std::thread::available_parallelism().map_or(1, usize::from) + 2;
    let workers = workers.min(WORKERS);
    let outcome = std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| work(&inbox.taker(), &turn, &pool));
        }
        let outcome = read_all(stream, &pool, &sender, skip_bad_files, skipped);
        drop(sender);
        outcome
    });
    // It is there: a thread that ended with it would have ended this one.
    outcome.and(turn.end().map_or(Ok(()), Following::finish))
}

fn read_all<'a>(
    stream: &[&'a Job],
    pool: &Pool,
    sender: &Sender<Part<'a>>,
    skip_bad_files: bool,
    skipped: &mut Vec<SkippedFile>,
) -> Result<(), IngestError> {
    let mut sequence = 0;
    for job in stream {
        // A worker is gone only when it panicked, which ends the scope with its panic.
        let send = |block| {
            sender.send((sequence, *job, block));
            sequence += 1;
        };
        let read = read_blocks(&job.input, false, pool, send);
        if let Some(digested) = job.unless_bad(read, skip_bad_files, skipped)? {
            job.set_digested(digested);
        }
    }
    Ok(())
}

fn work<'a, F: Follow + 'static>(
    parts: &Taker<'_, Part<'a>>,
    turn: &Turn<Following<'a, F>>,
    pool: &Pool,
) {
    let _alarm = Alarm(turn);
    let mut preparer = F::Preparer::default();
    while let Some((sequence, job, block)) = parts.next() {
        crate::store::may_panic("following");
        let prepared = preparer.prepare(&block.bytes);
        let followed = turn.take(sequence, |following| {
            following.block(job, block.skipped_lines, prepared);
        });
        if followed.is_none() {
            return;
        }
        pool.give(block.bytes);
    }
}

/// What is done by one thread at a time, in the order of the blocks.
struct Turn<T> {
    state: Mutex<TurnState<T>>,
    /// Where the threads wait, each by the number of its block.
    waiting: [Condvar; WORKERS],
}

struct TurnState<T> {
    next: u64,
    /// A thread ended without having had its turn.
    broken: bool,
    /// None while it is used, so that those who come to wait need not wait for that as well.
    value: Option<T>,
}

impl<T> Turn<T> {
    fn new(value: T) -> Self {
        let state = TurnState { next: 0, broken: false, value: Some(value) };
        Self { state: Mutex::new(state), waiting: Default::default() }
    }

    /// Waits for the turn of a block, and then uses the value. `None` where that turn never
    /// comes.
    fn take<R>(&self, sequence: u64, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        let state = self.state.lock().ok()?;
        let waits = |state: &mut TurnState<T>| state.next != sequence && !state.broken;
        let mut state = self.place(sequence)?.wait_while(state, waits).ok()?;
        let mut value = state.value.take().filter(|_| !state.broken)?;
        drop(state);
        let result = work(&mut value);
        let mut state = self.state.lock().ok()?;
        state.value = Some(value);
        state.next += 1;
        drop(state);
        self.place(sequence + 1)?.notify_one();
        Some(result)
    }

    /// No two of the workers' blocks have the same.
    fn place(&self, sequence: u64) -> Option<&Condvar> {
        self.waiting.get(usize::try_from(sequence % WORKERS as u64).ok()?)
    }

    fn end(self) -> Option<T> {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).value
    }
}

/// Tells the threads that wait that they wait in vain, where this one ends by a panic.
struct Alarm<'a, T>(&'a Turn<T>);

impl<T> Drop for Alarm<'_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.state.lock().unwrap_or_else(PoisonError::into_inner).broken = true;
            self.0.waiting.iter().for_each(Condvar::notify_all);
        }
    }
}

/// Follows the sessions through all files.
struct Following<'a, F> {
    follower: F,
    rows: Rows<'a>,
    /// The file that is read, its stamps, and the number of the line read last.
    current: Option<(&'a Job, Stamps, u64)>,
}

impl<'a, F: Follow + 'static> Following<'a, F> {
    fn block(
        &mut self,
        job: &'a Job,
        skipped_lines: u64,
        prepared: <F::Preparer as Prepare>::Prepared<'_>,
    ) {
        let file = job.context.file;
        if self.current.as_ref().is_none_or(|(held, _, _)| held.context.file != file) {
            self.note_stamps();
        }
        let (_, stamps, line) = self.current.get_or_insert_with(|| (job, job.stamps(), 0));
        for _ in 0..skipped_lines {
            *line += 1;
            self.rows.reject(RejectReason::LineTooLong, Place { file, line: *line }, b"");
        }
        let before = Place { file, line: *line };
        *line += self.follower.follow(prepared, stamps, before, &mut self.rows);
    }

    /// The stamps of the file that was read are all known.
    fn note_stamps(&mut self) {
        let Some((job, stamps, _)) = self.current.take() else { return };
        if stamps.inferred_year {
            job.note(FileNote::YearInferred);
        }
        if stamps.without_zone {
            job.note(FileNote::ZoneAssumed);
        }
    }

    fn finish(mut self) -> Result<(), IngestError> {
        self.note_stamps();
        let Self { mut follower, mut rows, .. } = self;
        follower.end(&mut rows);
        // What it held of hundreds of thousands of messages is given back beside the counting;
        // where no thread is to be had, here.
        drop(std::thread::Builder::new().spawn(move || drop(follower)));
        rows.finish()
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
