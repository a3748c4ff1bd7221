//! Mails of a log -> canonical rows of the files that they stand in.
//!
//! A mail without a TLS line is No TLS only where its logger is known to write such lines,
//! which may turn out later: such rows wait, up to a bound; beyond it they go on as "without
//! TLS", and their file and direction are decided when all lines are read.

mod left;

use std::collections::{BTreeMap, BTreeSet};

pub(super) use self::left::LeftRows;
use super::super::job::Job;
use super::super::memo::CodeMemo;
use super::super::row::{Output, remote_key};
use super::super::{FileNote, IngestError};
use super::{Mail, Place, Protection, Sink};
use crate::trace::{
    BeforeEnd, Block, BlockBuilder, ConnectorType, Direction, NO_NAME, RejectReason, Role, Row, Tls,
};

/// Rows that wait for a proof, at most.
const MOST_WAITING: usize = 1 << 17;
/// Rows of a frame.
const FRAME: usize = 1 << 16;
/// 1970 to 2104: seconds since 1970 fit 32 bits.
const TIMES_MS: std::ops::Range<i64> = 0..49_309 * 86_400_000;

/// Takes in the mails of one stream.
pub(super) struct Rows<'a> {
    sink: &'a (dyn Fn(Block) + Sync),
    /// By their place in the stream.
    files: BTreeMap<u32, FileRows<'a>>,
    waiting: BTreeMap<u64, Vec<(u32, Row)>>,
    count_waiting: usize,
    proven: BTreeSet<u64>,
    /// Loggers with rows that could wait no longer, by file and direction.
    undecided: BTreeMap<(u32, Direction), BTreeSet<u64>>,
    /// How rows stand to the end, where the stream is left.
    before_end: Option<BeforeEnd>,
    failed: Option<IngestError>,
}

/// The rows of one file.
struct FileRows<'a> {
    job: &'a Job,
    output: Output,
    unproven: bool,
    ciphers: CodeMemo<8>,
    /// Name and address of the server of a mail.
    server: Vec<u8>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(jobs: &[&'a Job], leaves: bool, sink: &'a (dyn Fn(Block) + Sync)) -> Self {
        let files = (0..).zip(jobs).map(|(ordinal, job)| {
            let rows = FileRows {
                job,
                output: Output::default(),
                unproven: false,
                ciphers: CodeMemo::default(),
                server: Vec::new(),
            };
            (ordinal, rows)
        });
        Self {
            sink,
            files: files.collect(),
            waiting: BTreeMap::new(),
            count_waiting: 0,
            proven: BTreeSet::new(),
            undecided: BTreeMap::new(),
            before_end: leaves.then_some(BeforeEnd::Settled(0)),
            failed: None,
        }
    }

    /// Decides what still waits, and gives each file what was found in it.
    ///
    /// # Errors
    /// [`IngestError::Frame`] when polars refused a frame, which would be a defect.
    pub(super) fn finish(mut self) -> Result<(), IngestError> {
        for (_, rows) in std::mem::take(&mut self.waiting) {
            for (file, row) in rows {
                self.push(file, Row { tls: Tls::Unknown, ..row });
                self.note_unproven(file);
            }
        }
        for ((file, direction), loggers) in std::mem::take(&mut self.undecided) {
            let proven = loggers.is_subset(&self.proven);
            if !proven {
                self.note_unproven(file);
            }
            if let Some(rows) = self.files.get_mut(&file)
                && proven
            {
                rows.job.absent_is_no_tls(direction);
            }
        }
        self.flush_all();
        for (_, rows) in self.files {
            if rows.unproven {
                rows.job.note(FileNote::TlsNotLogged);
            }
            rows.job.add(0, rows.output);
            rows.job.number_lines();
        }
        self.failed.map_or(Ok(()), Err)
    }

    fn note_unproven(&mut self, file: u32) {
        if let Some(rows) = self.files.get_mut(&file) {
            rows.unproven = true;
        }
    }

    fn push(&mut self, file: u32, row: Row) {
        let Some(rows) = self.files.get_mut(&file) else { return };
        rows.output.rows.push(row);
        if rows.output.rows.len() >= FRAME {
            self.flush(file);
        }
    }

    fn flush_all(&mut self) {
        let files: Vec<u32> = self.files.keys().copied().collect();
        for file in files {
            self.flush(file);
        }
    }

    fn flush(&mut self, file: u32) {
        let Some(rows) = self.files.get_mut(&file) else { return };
        let full = rows.output.rows.len() >= FRAME;
        // Behind a full frame there is likely another.
        let next = BlockBuilder::with_capacity(if full { FRAME } else { 0 });
        let builder = std::mem::replace(&mut rows.output.rows, next);
        if builder.is_empty() {
            return;
        }
        match BlockBuilder::finish(builder, rows.job.context.file) {
            Ok(block) => (self.sink)(Block { before_end: self.before_end, ..block }),
            Err(error) => {
                self.failed.get_or_insert(IngestError::Frame(error));
            }
        }
    }

    fn wait(&mut self, logger: u64, file: u32, row: Row) {
        if self.count_waiting < MOST_WAITING {
            self.count_waiting += 1;
            self.waiting.entry(logger).or_default().push((file, row));
            return;
        }
        self.undecided.entry((file, row.direction)).or_default().insert(logger);
        self.push(file, Row { role: Role::MessageWithoutTls, tls: Tls::Unknown, ..row });
    }

    fn row(rows: &mut FileRows<'_>, mail: &Mail<'_>) -> Row {
        let context = &rows.job.context;
        let rule = context.connectors.rule(mail);
        let (connector, connector_type) = match rule {
            Some(rule) => {
                let kind = rule.connector_type.unwrap_or(ConnectorType::Unknown);
                (context.code(Some(&rule.connector)), kind)
            }
            None if mail.connector.is_empty() => (NO_NAME, ConnectorType::None),
            None => {
                let memo = &mut rows.output.memos.connector;
                let code = memo.code_lossy(mail.connector, |name| context.code(Some(name)));
                (code, ConnectorType::Unknown)
            }
        };
        let peers = &mut rows.output.memos.peer;
        let peer = peers.code_lossy(mail.peer, |peer| context.code(Some(&peer.to_lowercase())));
        let remote = if mail.direction == Direction::Outbound {
            rows.server.clear();
            rows.server.extend_from_slice(mail.remote_host);
            rows.server.push(b' ');
            rows.server.extend_from_slice(mail.remote_address);
            match std::str::from_utf8(&rows.server) {
                Ok(server) => remote_key(server),
                Err(_) => remote_key(&String::from_utf8_lossy(&rows.server)),
            }
        } else {
            0
        };
        let cipher = rows.ciphers.code_lossy(mail.cipher, |name| context.code(Some(name)));
        Row {
            time_ms: mail.time_ms,
            direction: mail.direction,
            connector,
            connector_type,
            forced_tls: mail.forced_tls,
            tls: Tls::NoTls,
            cipher,
            peer,
            remote,
            message_key: mail.key,
            role: Role::Message,
        }
    }
}

impl Sink for Rows<'_> {
    fn mail(&mut self, mail: &Mail<'_>) {
        let file = mail.place.file;
        let Some(rows) = self.files.get_mut(&file) else { return };
        rows.output.rows_read += 1;
        if !TIMES_MS.contains(&mail.time_ms) {
            let found = mail.time_ms.to_string();
            rows.output.reject(RejectReason::TimeOutOfRange, mail.place.line, &found);
            return;
        }
        rows.output.saw_time(mail.time_ms);
        let row = Self::row(rows, mail);
        match mail.tls {
            Protection::Known(tls) => self.push(file, Row { tls, ..row }),
            Protection::NoLine(logger) if self.proven.contains(&logger) => self.push(file, row),
            Protection::NoLine(logger) => self.wait(logger, file, row),
        }
    }

    fn reject(&mut self, reason: RejectReason, place: Place, found: &[u8]) {
        let Some(rows) = self.files.get_mut(&place.file) else { return };
        rows.output.rows_read += 1;
        let short = found.get(..400).unwrap_or(found);
        rows.output.reject(reason, place.line, &String::from_utf8_lossy(short));
    }

    fn proves(&mut self, logger: u64) {
        if !self.proven.insert(logger) {
            return;
        }
        let rows = self.waiting.remove(&logger).unwrap_or_default();
        self.count_waiting -= rows.len();
        for (file, row) in rows {
            self.push(file, row);
        }
    }
}
