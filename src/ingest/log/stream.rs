//! Files of one kind of log as one stream: in order of time, so that sessions go on across
//! a rotation.
//!
//! One thread reads and decompresses. The others, and it too where enough blocks wait, find out
//! what the lines of a block say by themselves, and hash abreast of it; one at a time follows the
//! sessions through the blocks, in order. Streams of several kinds follow each other.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::super::abreast::{self, Abreast};
use super::super::blocks::{Buffer, LOG_BLOCK, Pool, TextBlock};
use super::super::inbox::{Inbox, Taken, Taker, others};
use super::super::job::Job;
use super::super::known::{Known, LeftAt, StreamRead};
use super::super::parts::{blocks_of, read_lines};
use super::super::{FileNote, IngestError, SkippedFile};
use super::ends;
use super::exchange::Exchange;
use super::exim::Exim;
use super::left::{End, Left, Next, Resumed, State, packed, read_rest, unpacked};
use super::opensmtpd::OpenSmtpd;
use super::postfix::Postfix;
use super::rows::Rows;
use super::sendmail::Sendmail;
use super::stamp::{FirstYear, Stamps};
use super::turn::{Alarm, Broken, Turn};
use super::{ByLine, Follow, Place, Prepare, Reader, Sink};
use crate::trace::{Block, Kind, RejectReason};

/// Reads all logs among the files.
///
/// # Errors
/// [`IngestError`] for the first file that cannot be used as a whole, unless `skip_bad_files`.
pub(crate) fn run(
    jobs: &[Job],
    skip_bad_files: bool,
    known: &dyn Known,
    sink: &(dyn Fn(Block) + Sync),
    skipped: &mut Vec<SkippedFile>,
) -> Result<Vec<StreamRead>, IngestError> {
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
    let mut read = Vec::new();
    for stream in logs.chunk_by(|a, b| system(a.sniffed.kind) == system(b.sniffed.kind)) {
        let reading = Reading { stream, skip_bad_files, known, sink };
        read.extend(read_stream(&reading, skipped)?);
    }
    Ok(read)
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

/// How a stream is read.
struct Reading<'a> {
    stream: &'a [&'a Job],
    skip_bad_files: bool,
    known: &'a dyn Known,
    sink: &'a (dyn Fn(Block) + Sync),
}

fn read_stream(
    reading: &Reading<'_>,
    skipped: &mut Vec<SkippedFile>,
) -> Result<Option<StreamRead>, IngestError> {
    let has = |kind| reading.stream.iter().any(|job| job.sniffed.kind == kind);
    let Some(system) = reading.stream.first().map(|job| system(job.sniffed.kind)) else {
        return Ok(None);
    };
    let reader = || -> Box<dyn Reader + Send> {
        match system {
            Kind::Exim => Box::new(Exim::new()),
            Kind::Sendmail => Box::new(Sendmail::new()),
            Kind::OpenSmtpd => Box::new(OpenSmtpd::new()),
            _ => Box::new(Exchange::new(has(Kind::ExchangeTracking), has(Kind::ExchangeSmtp))),
        }
    };
    if system == Kind::Postfix {
        return follow(reading, system, Postfix::new, skipped);
    }
    follow(reading, system, || ByLine(reader()), skipped)
}

/// Blocks that wait to be prepared, at most.
const MOST_WAITING: usize = 16;

/// What is to be prepared.
struct Part<'a> {
    /// Its place in the stream.
    sequence: u64,
    /// The file, by its place in the stream.
    file: u32,
    job: &'a Job,
    body: Body,
}

enum Body {
    /// Lines of the log.
    Block(TextBlock),
    /// The stream is left here, at the end of a file.
    Leave,
}

/// Reads the files of a stream on this thread; prepares blocks on all and follows them, one after
/// the other.
fn follow<F: Follow + 'static>(
    reading: &Reading<'_>,
    system: Kind,
    follower: impl Fn() -> F,
    skipped: &mut Vec<SkippedFile>,
) -> Result<Option<StreamRead>, IngestError> {
    if let Some(read) = as_it_was(reading, system) {
        return Ok(Some(read));
    }
    let stream = reading.stream;
    let pool = Pool::new(LOG_BLOCK);
    let (sender, inbox) = Inbox::<Part<'_>, abreast::Piece>::new(MOST_WAITING);
    let Begun { following, next, resumed, left: before } = Begun::of(reading, system, follower);
    let leaves = if reading.known.leaves() { ends::ends(stream) } else { BTreeSet::new() };
    let turn = Turn::new(following);
    let outcome = std::thread::scope(|scope| {
        for _ in 0..others() {
            scope.spawn(|| Worker::new(&turn, usize::MAX).work_all(&inbox.taker()));
        }
        // Others wait for what is to be read.
        let mut own = Worker::new(&turn, 1);
        let outcome = read_all(reading, (&next, &leaves), &pool, skipped, &mut |part, piece| {
            if let Some(taken) = sender.send(part, piece) {
                // Broken is what a panic of another thread left, which ends the scope.
                drop(own.do_taken(taken));
            }
        });
        drop(sender);
        own.most = usize::MAX;
        own.work_all(&inbox.taker());
        outcome
    });
    let ends = outcome?;
    for job in stream {
        job.set_hashed();
    }
    // It is there: a thread that ended with it would have ended this one.
    let (left, found) = turn.end(Following::piece).map_or((Vec::new(), Ok(())), Following::finish);
    found?;
    let at = |(times, (file, state)): (u8, (u32, State))| {
        let left = if ends.contains_key(&file) {
            Left::of(stream.get(..=file as usize)?, system, &state.years, &ends)?
        } else {
            // The last file is as it was: it ends where it did.
            before.clone()?.again(stream)?
        };
        Some(LeftAt { times, left, state: packed(&state)? })
    };
    let left = (0..).zip(left).filter_map(at).collect();
    let may_grow = leaves.iter().map(|file| *file as usize + 1).collect();
    Ok(Some(StreamRead { resumed, held: None, files: reading.files(), left, may_grow }))
}

/// A stream that was counted and is what it was, to its last byte: none of it is read.
fn as_it_was(reading: &Reading<'_>, system: Kind) -> Option<StreamRead> {
    let Reading { stream, known, .. } = reading;
    let left = known.left(system).into_iter();
    for (number, left) in left.filter(|(_, left)| left.files.len() == stream.len()) {
        let counted = known.counted(number).filter(|counted| counted.len() == stream.len());
        let Some(counted) = counted else { continue };
        let Some(digested) = left.unchanged(stream, known.rechecks()) else { continue };
        for (job, (held, digested)) in stream.iter().zip(counted.into_iter().zip(digested)) {
            job.hold(held, digested);
        }
        let now = left.clone().again(stream).unwrap_or(left);
        let held = Some((number, now));
        let (files, left) = (reading.files(), Vec::new());
        return Some(StreamRead { resumed: None, held, files, left, may_grow: Vec::new() });
    }
    None
}

impl Reading<'_> {
    /// The files of the stream, by their indices.
    fn files(&self) -> Vec<u32> {
        self.stream.iter().map(|job| job.context.file).collect()
    }
}

/// A stream before its first line, or where another reading left it.
struct Begun<'a, F> {
    following: Following<'a, F>,
    next: Vec<Next>,
    /// What was gone on with.
    resumed: Option<usize>,
    left: Option<Left>,
}

impl<'a, F: Follow + 'static> Begun<'a, F> {
    fn of(reading: &Reading<'a>, system: Kind, follower: impl Fn() -> F) -> Self {
        let fresh = || Following::new(reading, follower());
        let known = reading.known;
        // What was read is trusted, but not where all is to be hashed.
        let left = if known.rechecks() { Vec::new() } else { known.left(system) };
        for (number, left) in left {
            let Some(Resumed { next }) = left.resumed(reading.stream) else { continue };
            let Some(state) = known.left_state(number) else { continue };
            let mut following = fresh();
            let Some(state) = unpacked::<State>(&state) else { continue };
            if following.resume(state, next.len()) {
                let resumed = Some(number);
                return Self { following, next, resumed, left: Some(left) };
            }
        }
        Self { following: fresh(), next: Vec::new(), resumed: None, left: None }
    }
}

/// Reads the files, but for what was read before; says where those end at whose ends the stream
/// is left, unless they are as they were.
fn read_all<'a>(
    reading: &Reading<'a>,
    (next, leaves): (&[Next], &BTreeSet<u32>),
    pool: &Pool,
    skipped: &mut Vec<SkippedFile>,
    hand_over: &mut dyn FnMut(Option<Part<'a>>, Option<abreast::Piece>),
) -> Result<BTreeMap<u32, End>, IngestError> {
    let mut sequence = 0;
    let mut ends = BTreeMap::new();
    for (file, job) in (0_u32..).zip(reading.stream) {
        let mut send = |body: Option<Body>, bytes: Option<Buffer>| {
            let part = body.map(|body| Part { sequence, file, job, body });
            sequence += u64::from(part.is_some());
            hand_over(part, bytes.map(|bytes| job.piece(bytes)));
        };
        let leaves = leaves.contains(&file);
        let is_last = file as usize + 1 == reading.stream.len();
        let rest = match next.get(file as usize) {
            Some(Next::Same(digested)) => {
                job.set_digested(digested.clone());
                // At the end of another, it was left before.
                if is_last && leaves {
                    send(Some(Body::Leave), None);
                }
                continue;
            }
            Some(Next::Rest(rest)) => Some(rest),
            None => None,
        };
        let mut seen = rest.map(End::resumed).unwrap_or_default();
        let mut held: Option<TextBlock> = None;
        let mut each = |mut block: Option<TextBlock>, bytes| {
            // Only behind the last block it is known to be the last.
            if leaves && let Some(new) = block.take() {
                block = held.replace(new);
                if let Some(block) = &block {
                    seen.saw(&block.bytes);
                }
            }
            send(block.map(Body::Block), bytes);
        };
        let read = match rest {
            Some(rest) => {
                let mut each = |block| each(Some(block), None);
                read_rest(job, rest, |text| blocks_of(&job.input, text, pool, &mut each)).map(Some)
            }
            None => read_lines(&job.input, pool, &mut each),
        };
        if let Some(Some(digested)) = job.unless_bad(read, reading.skip_bad_files, skipped)? {
            job.set_digested(digested);
        }
        if leaves {
            let (whole, tail) = held.map(split).unwrap_or_default();
            let mut block = |block: TextBlock| {
                seen.saw(&block.bytes);
                Body::Block(block)
            };
            let whole = whole.map(&mut block);
            let parts = [whole, Some(Body::Leave), tail.map(block)];
            parts.into_iter().flatten().for_each(|body| send(Some(body), None));
            ends.insert(file, seen);
        }
    }
    Ok(ends)
}

/// The whole lines of the last block of a file, and the line that is not complete.
fn split(block: TextBlock) -> (Option<TextBlock>, Option<TextBlock>) {
    let TextBlock { bytes, sequence, skipped_lines, marks } = block;
    let end = memchr::memrchr(b'\n', &bytes).map_or(0, |end| end + 1);
    let (whole, tail) = bytes.split_at(end);
    let of = |bytes: &[u8], sequence, skipped_lines| {
        let bytes = bytes.to_vec().into();
        TextBlock { bytes, sequence, skipped_lines, marks }
    };
    let has_whole = !whole.is_empty() || skipped_lines > 0;
    (
        has_whole.then(|| of(whole, sequence, skipped_lines)),
        (!tail.is_empty()).then(|| of(tail, sequence + 1, 0)),
    )
}

/// What is followed, in order.
enum Piece<'a, P> {
    Block {
        file: u32,
        job: &'a Job,
        skipped_lines: u64,
        prepared: P,
    },
    /// The stream is left here, at the end of a file.
    Leave {
        file: u32,
    },
}

type PieceOf<'a, F> = Piece<'a, <<F as Follow>::Preparer as Prepare>::Prepared>;

/// Prepares blocks on one thread, and follows them where it is their turn.
struct Worker<'w, 'a, F: Follow> {
    turn: &'w Turn<Following<'a, F>, PieceOf<'a, F>>,
    /// So many blocks are followed before it goes on with something else.
    most: usize,
    preparer: F::Preparer,
}

impl<'w, 'a, F: Follow + 'static> Worker<'w, 'a, F> {
    fn new(turn: &'w Turn<Following<'a, F>, PieceOf<'a, F>>, most: usize) -> Self {
        Self { turn, most, preparer: F::Preparer::default() }
    }

    fn work_all(mut self, parts: &Taker<'_, Part<'a>, abreast::Piece>) {
        while let Some(taken) = parts.next() {
            if self.do_taken(taken).is_err() {
                return;
            }
        }
    }

    fn do_taken(&mut self, taken: Taken<'_, Part<'a>, abreast::Piece>) -> Result<(), Broken> {
        let _alarm = Alarm(self.turn);
        crate::store::may_panic("following");
        // Following may take long, and wait: the turn of what is hashed is others' meanwhile.
        let piece = abreast::hashing(taken, |part, abreast| self.piece(part, abreast));
        let Some(piece) = piece else { return Ok(()) };
        self.turn.bring(piece, self.most, Following::piece)
    }

    /// What is followed of a part, and its place in the stream.
    fn piece(&mut self, part: Part<'a>, abreast: &Abreast<'_>) -> (u64, PieceOf<'a, F>) {
        let Part { sequence, file, job, body } = part;
        let piece = match body {
            Body::Block(block) => {
                let prepared = self.preparer.prepare(block.bytes, abreast);
                Piece::Block { file, job, skipped_lines: block.skipped_lines, prepared }
            }
            Body::Leave => Piece::Leave { file },
        };
        (sequence, piece)
    }
}

/// Follows the sessions through all files.
struct Following<'a, F> {
    follower: F,
    rows: Rows<'a>,
    stream: &'a [&'a Job],
    /// The file that is read, its stamps, and the number of the line read last.
    current: Option<(u32, Stamps, u64)>,
    /// What is to be known of files that were read.
    notes: Vec<(u32, FileNote)>,
    /// The first year that was told in each file.
    years: BTreeMap<u32, FirstYear>,
    /// All that was remembered at the ends of files.
    left: Vec<(u32, State)>,
}

impl<'a, F: Follow + 'static> Following<'a, F> {
    fn new(reading: &Reading<'a>, follower: F) -> Self {
        let rows = Rows::new(reading.stream, reading.known.leaves(), reading.sink);
        let (stream, years) = (reading.stream, BTreeMap::new());
        let (notes, left) = (Vec::new(), Vec::new());
        Self { follower, rows, stream, current: None, notes, years, left }
    }

    /// Goes on where so many files were left; says whether that can be.
    fn resume(&mut self, state: State, files: usize) -> bool {
        let Some((job, last)) = files
            .checked_sub(1)
            .and_then(|last| Some((self.stream.get(last)?, u32::try_from(last).ok()?)))
        else {
            return false;
        };
        // No log has so many lines.
        if state.line > 1 << 50 {
            return false;
        }
        let mut stamps = job.stamps();
        stamps.resume(state.stamps);
        for (file, note) in &state.notes {
            if let Some(job) = self.stream.get(*file as usize) {
                job.note(*note);
            }
        }
        self.current = Some((last, stamps, state.line));
        (self.notes, self.years) = (state.notes, state.years);
        self.follower.resume(&state.reader) && self.rows.resume(state.rows)
    }

    /// Remembers all, at the end of a file.
    fn leave(&mut self, file: u32) {
        let Some(reader) = self.follower.leave() else { return };
        let Some((begun, stamps, line)) = &self.current else { return };
        // A file without a whole line has not begun yet.
        if *begun != file {
            return;
        }
        self.years.extend(stamps.first_year().map(|year| (file, year)));
        let files = file as usize + 1;
        let times = u8::try_from(self.left.len() + 1).ok();
        let state = State {
            reader,
            rows: self.rows.leave(files, times.filter(|_| files < self.stream.len())),
            stamps: stamps.leave(),
            line: *line,
            notes: self.notes.clone(),
            years: self.years.clone(),
        };
        self.left.push((file, state));
    }

    fn piece(&mut self, piece: PieceOf<'a, F>) {
        match piece {
            Piece::Block { file, job, skipped_lines, prepared } => {
                self.block((file, job), skipped_lines, &prepared);
            }
            Piece::Leave { file } => self.leave(file),
        }
    }

    fn block(
        &mut self,
        (file, job): (u32, &Job),
        skipped_lines: u64,
        prepared: &<F::Preparer as Prepare>::Prepared,
    ) {
        if self.current.as_ref().is_none_or(|(held, _, _)| *held != file) {
            self.note_stamps();
        }
        let (_, stamps, line) = self.current.get_or_insert_with(|| (file, job.stamps(), 0));
        for _ in 0..skipped_lines {
            *line += 1;
            self.rows.reject(RejectReason::LineTooLong, Place { file, line: *line }, b"");
        }
        let before = Place { file, line: *line };
        *line += self.follower.follow(prepared, stamps, before, &mut self.rows);
    }

    /// The stamps of the file that was read are all known.
    fn note_stamps(&mut self) {
        let Some((file, stamps, _)) = self.current.take() else { return };
        self.years.extend(stamps.first_year().map(|year| (file, year)));
        let notes = [
            (FileNote::YearInferred, stamps.inferred_year),
            (FileNote::ZoneAssumed, stamps.without_zone),
        ];
        for (note, _) in notes.into_iter().filter(|(_, holds)| *holds) {
            self.notes.push((file, note));
            if let Some(job) = self.stream.get(file as usize) {
                job.note(note);
            }
        }
    }

    /// What was remembered before the end, and what came of it.
    fn finish(mut self) -> (Vec<(u32, State)>, Result<(), IngestError>) {
        self.note_stamps();
        let Self { mut follower, mut rows, left, .. } = self;
        follower.end(&mut rows);
        // What it held of hundreds of thousands of messages is given back beside the counting;
        // where no thread is to be had, here.
        drop(std::thread::Builder::new().spawn(move || drop(follower)));
        (left, rows.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::known::Nothing;

    /// The blocks of both logs are hashed, prepared and followed by whoever has time.
    #[test]
    fn logs_of_many_blocks_have_the_hashes_of_their_files_and_all_of_their_messages() {
        let folder = tempfile::tempdir().unwrap();
        let session = |number: u32| {
            let at =
                format!("Nov 21 {:02}:{:02}:{:02}", number / 3_600, number / 60 % 60, number % 60);
            let id = format!("{:012X}", u64::from(number) + 0x00A0_0000_0000);
            format!(
                "{at} mx1 postfix/smtpd[{number}]: connect from a.example.org[192.0.2.1]\n\
                 {at} mx1 postfix/smtpd[{number}]: Anonymous TLS connection established from \
                 a.example.org[192.0.2.1]: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\n\
                 {at} mx1 postfix/smtpd[{number}]: {id}: client=a.example.org[192.0.2.1]\n\
                 {at} mx1 postfix/cleanup[9]: {id}: message-id=<{number}@example.org>\n\
                 {at} mx1 postfix/qmgr[8]: {id}: from=<a@example.org>, size=500, nrcpt=1 (queue active)\n\
                 {at} mx1 postfix/smtpd[{number}]: disconnect from a.example.org[192.0.2.1]\n"
            )
        };
        let logs: [String; 2] =
            [1, 10_001].map(|first| (first..first + 10_000).map(session).collect());
        let paths = ["mail.log.1", "mail.log"].map(|name| folder.path().join(name));
        for (path, log) in paths.iter().zip(&logs) {
            assert!(log.len() > 8 * LOG_BLOCK);
            crate::store::write_lightly(path, log.as_bytes()).unwrap();
        }
        for _ in 0..3 {
            let jobs = paths.each_ref().map(|path| Job::of_file(path));
            let rows = std::sync::Mutex::new(Vec::new());
            let sink = |block: Block| block.for_each(|row| rows.lock().unwrap().push(row)).unwrap();
            run(&jobs, false, &Nothing, &sink, &mut Vec::new()).unwrap();
            let rows = rows.into_inner().unwrap();
            assert_eq!(rows.len(), 20_000);
            assert!(rows.iter().all(|row| row.tls == crate::trace::Tls::Tls1_3));
            assert!(rows.is_sorted_by_key(|row| row.time_ms));
            for (job, log) in jobs.into_iter().zip(&logs) {
                let file = job.finish().0;
                assert_eq!(file.sha256, crate::store::sha256(log.as_bytes()));
                assert_eq!(file.rows, 10_000);
            }
        }
    }

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
