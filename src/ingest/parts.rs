//! Files of tables, read on one thread, and hashed and parsed part by part on all.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Mutex, PoisonError};

use super::abreast::{self, Abreast, Piece};
use super::blocks::{BLOCK, Blocks, Buffer, Pool, TextBlock};
use super::files::Input;
use super::inbox::{Inbox, Taken, Taker, others};
use super::job::Job;
use super::marks::Marks;
use super::open::{Order, Units, transcode};
use super::row::{Cells, Context, Memos, Output};
use super::sniff::Format;
use super::{
    IngestError, SkippedFile, cloud, connector_report, csv, events, json, messages, open, parquet,
    skip,
};
use crate::trace::{Block, BlockBuilder, Kind};

/// A part of a file that can be parsed by itself.
enum Part {
    Text(TextPart),
    Rows { sequence: u64, rows: Vec<(u64, Vec<String>)> },
    Parquet { sequence: u64, rows: parquet::Rows },
    Objects { sequence: u64, rows: Vec<(u64, BTreeMap<String, String>)> },
}

/// A part of a text.
struct TextPart {
    block: TextBlock,
    /// That of UTF-16, which has nothing before the first row then.
    order: Option<Order>,
    /// Where the rows begin.
    start: usize,
}

impl Part {
    fn sequence(&self) -> u64 {
        match self {
            Self::Text(part) => part.block.sequence,
            Self::Rows { sequence, .. }
            | Self::Parquet { sequence, .. }
            | Self::Objects { sequence, .. } => *sequence,
        }
    }
}

/// A frame is made of at least so many rows, where a file has them.
const FRAME_ROWS: usize = 28_000;

type Work<'a> = (&'a Job, Part);

/// Reads all tables on this thread and parses their parts on all.
///
/// # Errors
/// [`IngestError`] for the first file that cannot be used as a whole, unless `skip_bad_files`.
pub(super) fn run(
    jobs: &[Job],
    skip_bad_files: bool,
    sink: &(dyn Fn(Block) + Sync),
    skipped: &mut Vec<SkippedFile>,
) -> Result<(), IngestError> {
    let others = others();
    let (sender, inbox) = Inbox::<Work<'_>, Piece>::new(8 * others);
    let failed: Mutex<Option<IngestError>> = Mutex::new(None);
    let fails = |error| {
        failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    };
    let pool = Pool::new(BLOCK);
    let outcome = std::thread::scope(|scope| {
        for _ in 0..others {
            scope.spawn(|| {
                let done = Worker::new(sink).work_all(&inbox.taker());
                done.unwrap_or_else(fails);
            });
        }
        let mut own = Worker::new(sink);
        let outcome = read_all(jobs, skip_bad_files, &pool, skipped, |job, part, bytes| {
            let work = part.map(|part| (job, part));
            let piece = bytes.map(|bytes| job.piece(bytes));
            if let Some(taken) = sender.send(work, piece) {
                own.do_taken(taken).unwrap_or_else(fails);
            }
        });
        drop(sender);
        own.work_all(&inbox.taker()).unwrap_or_else(fails);
        outcome
    });
    outcome?;
    if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    for job in tables(jobs) {
        job.set_hashed();
        job.number_lines();
        if let Some(error) = job.fault() {
            if !skip_bad_files {
                return Err(error);
            }
            skipped.push(skip(&job.input, &error));
            job.set_bad();
        }
    }
    Ok(())
}

fn tables(jobs: &[Job]) -> impl Iterator<Item = &Job> {
    let is_table = |job: &&Job| !matches!(job.sniffed.format, Format::Log | Format::TlsReport);
    jobs.iter().filter(is_table)
}

fn read_all<'a>(
    jobs: &'a [Job],
    skip_bad_files: bool,
    pool: &Pool,
    skipped: &mut Vec<SkippedFile>,
    mut send: impl FnMut(&'a Job, Option<Part>, Option<Buffer>),
) -> Result<(), IngestError> {
    for job in tables(jobs) {
        let read = read_file(job, pool, |part, bytes| send(job, part, bytes));
        if let Some(Some(digested)) = job.unless_bad(read, skip_bad_files, skipped)? {
            job.set_digested(digested);
        }
    }
    Ok(())
}

/// Sends the parts of a file; gives its hash, or sends all that is to be hashed beside them.
fn read_file(
    job: &Job,
    pool: &Pool,
    mut send: impl FnMut(Option<Part>, Option<Buffer>),
) -> Result<Option<open::Digested>, IngestError> {
    let input = &job.input;
    let headers = job.sniffed.columns.headers();
    let mut text = |part: Option<TextPart>, bytes| send(part.map(Part::Text), bytes);
    match &job.sniffed.format {
        Format::Csv(dialect) => read_text(input, true, dialect.rows_start, pool, &mut text),
        Format::Json(json::Shape::Lines) => read_text(input, false, 0, pool, &mut text),
        // Records of a service have fields of their own, each.
        Format::Json(json::Shape::Document) if job.sniffed.kind.is_cloud() => {
            let send = |sequence, rows| send(Some(Part::Objects { sequence, rows }), None);
            read_document(input, json::flat, send).map(Some)
        }
        Format::Json(json::Shape::Document) => {
            let send = |sequence, rows| send(Some(Part::Rows { sequence, rows }), None);
            read_document(input, |row| json::cells(row, headers), send).map(Some)
        }
        Format::Log | Format::TlsReport => open::digest(input).map(Some),
        Format::Parquet if job.sniffed.kind.is_cloud() => {
            parquet::each_objects(input, |rows| {
                let sequence = rows.last().map_or(0, |(row, _)| *row);
                let rows = rows.iter().map(|(row, object)| (*row, json::flat(object))).collect();
                send(Some(Part::Objects { sequence, rows }), None);
            })?;
            open::digest(input).map(Some)
        }
        Format::Parquet => {
            let used = job.sniffed.columns.used(job.sniffed.kind);
            let mut sequence = 0;
            parquet::each_slice(input, headers, &used, |rows| {
                sequence += 1;
                send(Some(Part::Parquet { sequence, rows }), None);
            })?;
            open::digest(input).map(Some)
        }
    }
}

/// Reads a document and sends its rows, each as `row` has it, a few thousand at a time.
fn read_document<T>(
    input: &Input,
    row: impl Fn(&serde_json::Value) -> T,
    mut send: impl FnMut(u64, Vec<(u64, T)>),
) -> Result<open::Digested, IngestError> {
    let ((), digested) = open::with_text(input, |reader| {
        let mut rows = Vec::new();
        let mut count = 0;
        json::each_row(reader, &mut |object| {
            count += 1;
            rows.push((count, row(object)));
            if rows.len() == 4096 {
                send(count, std::mem::take(&mut rows));
            }
        })
        .map_err(|source| IngestError::Json { file: input.name.clone(), source })?;
        send(count + 1, rows);
        Ok(())
    })?;
    Ok(digested)
}

/// Where the rows of a log begin: behind its end, since it has none, and all of it is needed in
/// UTF-8.
const ALL_UTF8: usize = usize::MAX;

/// Sends the parts of a text, and beside them what of the file is to be hashed, in its order.
fn read_text(
    input: &Input,
    quotes: bool,
    rows_start: usize,
    pool: &Pool,
    send: &mut impl FnMut(Option<TextPart>, Option<Buffer>),
) -> Result<Option<open::Digested>, IngestError> {
    let mut before_rows = rows_start;
    let ((), digested) = open::with_units(input, |Units { bytes, order, to_hash }| {
        if let Some(bom) = to_hash {
            send(None, Some(bom.to_vec().into()));
        }
        let mut blocks = Blocks::of_units(bytes, order, quotes, pool);
        each_block(input, &mut blocks, &mut |cut| {
            let mut block = match cut {
                Cut::Block(block) => block,
                Cut::Passed(bytes) => return send(None, to_hash.map(|_| bytes.to_vec().into())),
            };
            let bytes = to_hash.map(|_| block.bytes.clone());
            let mut order = order;
            // Where the rows begin is known in UTF-8: what is before them takes one block.
            if before_rows > 0
                && let Some(order) = order.take()
            {
                let mut text = Vec::new();
                transcode(&block.bytes, order, &mut text);
                block.bytes = text.into();
                block.marks = None;
            }
            let start = before_rows.min(block.bytes.len());
            before_rows -= start;
            send(Some(TextPart { block, order, start }), bytes);
        })
    })?;
    Ok(digested)
}

/// Sends a log block by block; gives its hash, or sends all that is to be hashed beside them.
pub(super) fn read_lines(
    input: &Input,
    pool: &Pool,
    mut send: impl FnMut(Option<TextBlock>, Option<Buffer>),
) -> Result<Option<open::Digested>, IngestError> {
    let mut send = |part: Option<TextPart>, bytes| send(part.map(|part| part.block), bytes);
    read_text(input, false, ALL_UTF8, pool, &mut send)
}

/// Cuts lines that are hashed elsewhere into blocks.
pub(super) fn blocks_of(
    input: &Input,
    reader: &mut dyn Read,
    pool: &Pool,
    mut send: impl FnMut(TextBlock),
) -> Result<(), IngestError> {
    each_block(input, &mut Blocks::new(reader, false, pool), &mut |cut| {
        if let Cut::Block(block) = cut {
            send(block);
        }
    })
}

/// What a text is cut into.
enum Cut<'a> {
    Block(TextBlock),
    /// Of a line above the limit.
    Passed(&'a [u8]),
}

fn each_block(
    input: &Input,
    blocks: &mut Blocks<'_>,
    send: &mut dyn FnMut(Cut<'_>),
) -> Result<(), IngestError> {
    let damaged = |source| open::corrupt(input, source);
    let next = |blocks: &mut Blocks<'_>, send: &mut dyn FnMut(Cut<'_>)| {
        blocks.next_block_and(&mut |bytes| send(Cut::Passed(bytes)))
    };
    while let Some(block) = next(blocks, send).map_err(damaged)? {
        send(Cut::Block(block));
    }
    Ok(())
}

/// Parses parts on one thread.
struct Worker<'a> {
    sink: &'a (dyn Fn(Block) + Sync),
    /// What words mean is remembered from block to block of one file, codes from file to file.
    memos: Memos,
    /// Rows of several blocks of one file go into one frame.
    rows: BlockBuilder,
    /// The file of those rows.
    file: Option<u32>,
    /// A buffer for what is transcoded.
    text: Vec<u8>,
}

impl<'a> Worker<'a> {
    fn new(sink: &'a (dyn Fn(Block) + Sync)) -> Self {
        let (memos, rows) = (Memos::default(), BlockBuilder::default());
        Self { sink, memos, rows, file: None, text: Vec::new() }
    }

    /// Parses parts until there are no more.
    fn work_all(mut self, works: &Taker<'_, Work<'_>, Piece>) -> Result<(), IngestError> {
        while let Some(taken) = works.next() {
            self.do_taken(taken)?;
        }
        self.give()
    }

    fn do_taken(&mut self, taken: Taken<'_, Work<'_>, Piece>) -> Result<(), IngestError> {
        abreast::hashing(taken, |work, abreast| self.work(work, abreast)).unwrap_or(Ok(()))
    }

    fn work(&mut self, (job, part): Work<'_>, abreast: &Abreast<'_>) -> Result<(), IngestError> {
        crate::store::may_panic("parsing");
        let file = job.context.file;
        if self.file != Some(file) {
            self.give()?;
            self.file = Some(file);
            self.memos = std::mem::take(&mut self.memos).of_all_files();
        }
        let rows = std::mem::take(&mut self.rows);
        let memos = std::mem::take(&mut self.memos);
        let mut output = Output { rows, memos, ..Output::default() };
        let sequence = part.sequence();
        match part {
            Part::Text(part) => parse_text(job, &part, abreast, &mut self.text, &mut output),
            Part::Objects { rows, .. } => {
                for (line, fields) in rows {
                    output.rows_read += 1;
                    cloud::rows::map_object(&job.context, fields, line, &mut output);
                }
            }
            Part::Rows { rows, .. } => {
                for (line, row) in rows {
                    output.rows_read += 1;
                    map_row(&job.context, row.as_slice(), line, &mut output);
                }
            }
            Part::Parquet { rows, .. } => {
                for (line, row) in rows.each() {
                    output.rows_read += 1;
                    map_row(&job.context, &row, line, &mut output);
                }
            }
        }
        self.memos = std::mem::take(&mut output.memos);
        self.rows = std::mem::take(&mut output.rows);
        if self.rows.len() >= FRAME_ROWS {
            self.give()?;
        }
        job.add(sequence, output);
        Ok(())
    }

    /// Hands the rows on.
    fn give(&mut self) -> Result<(), IngestError> {
        if let Some(file) = self.file.filter(|_| !self.rows.is_empty()) {
            let rows = std::mem::take(&mut self.rows);
            (self.sink)(rows.finish(file).map_err(IngestError::Frame)?);
        }
        Ok(())
    }
}

/// Parses a block, in `spare` where it is to be transcoded first.
fn parse_text(
    job: &Job,
    TextPart { block, order, start }: &TextPart,
    abreast: &Abreast<'_>,
    spare: &mut Vec<u8>,
    output: &mut Output,
) {
    let (bytes, marks) = match order {
        Some(order) => {
            transcode(&block.bytes, *order, spare);
            (&**spare, None)
        }
        None => (&*block.bytes, block.marks),
    };
    output.skipped_lines(block.skipped_lines);
    match &job.sniffed.format {
        Format::Csv(dialect) => {
            if output.rows.is_empty() {
                // Rows of these exports are rarely shorter.
                let of_block = bytes.len() / 150;
                let rows = if of_block < BLOCK / 300 { of_block } else { FRAME_ROWS + of_block };
                output.rows = BlockBuilder::with_capacity(rows);
            }
            let marks = marks.unwrap_or_else(|| Marks::of(bytes));
            csv::map_block(&job.context, (dialect, *start), (bytes, marks), abreast, output);
        }
        _ => json::map_block(&job.context, bytes, abreast, output),
    }
}

/// Maps one row by the kind of its file.
pub(super) fn map_row<C: Cells + ?Sized>(
    context: &Context,
    cells: &C,
    line: u64,
    out: &mut Output,
) {
    match context.kind {
        Kind::ConnectorReport => connector_report::map(context, cells, line, out),
        Kind::ConnectorReportDetail | Kind::MessageTrace | Kind::Table => {
            messages::map(context, cells, line, out);
        }
        Kind::MessageTraceDetail => events::map_detail(context, cells, line, out),
        Kind::MessageTraceEvents => events::map_mep(context, cells, line, out),
        Kind::Gmail | Kind::Mimecast | Kind::Proofpoint => {
            cloud::rows::map(context, cells, line, out);
        }
        // Logs are read line by line, elsewhere.
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::trace::{Reject, RejectReason, Row};

    /// What a file says, whatever its bytes are.
    #[derive(Debug, PartialEq)]
    struct Said {
        rows: Vec<Row>,
        rows_read: u64,
        rejects: Vec<(RejectReason, u64, u64, String)>,
        span_ms: Option<(i64, i64)>,
        bytes: u64,
    }

    /// Reads a table in blocks of so many bytes.
    fn said(table: &[u8], block: usize) -> Said {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table");
        crate::store::write_lightly(&path, table).unwrap();
        let job = Job::of_file(&path);
        let rows = Mutex::new(Vec::new());
        let sink = |block: Block| block.for_each(|row| rows.lock().unwrap().push(row)).unwrap();
        let pool = Pool::new(block);
        let mut worker = Worker::new(&sink);
        let hashed = read_file(&job, &pool, |part, bytes| {
            // In order, as those who take the parts do.
            let (sender, inbox) = Inbox::new(1);
            let piece = bytes.map(|bytes| job.piece(bytes));
            assert!(sender.send(part.map(|part| (&job, part)), piece).is_none());
            drop(sender);
            let taker = inbox.taker();
            while let Some(taken) = taker.next() {
                worker.do_taken(taken).unwrap();
            }
        });
        assert_eq!(hashed.unwrap(), None);
        worker.give().unwrap();
        job.set_hashed();
        job.number_lines();
        let file = job.finish().0;
        assert_eq!(file.sha256, crate::store::sha256(table));
        let reject = |(reason, reject): (RejectReason, &Reject)| {
            // Whether the end of what is shown holds a line end depends on where blocks end.
            let found = reject.found.chars().take(20).collect();
            (reason, reject.line, reject.count, found)
        };
        Said {
            rows: rows.into_inner().unwrap(),
            rows_read: file.rows,
            rejects: file.rejects.iter().map(reject).collect(),
            span_ms: file.span_ms,
            bytes: file.bytes,
        }
    }

    /// A piece of a table: rows, and what tears them apart.
    fn piece() -> impl Strategy<Value = Vec<u16>> {
        let row =
            (0..90_u8, prop_oneof!["F", "Soci\u{e9}t\u{e9} \u{65e5}\u{1f4e0}", "\"a\n\"\"b\""]);
        let row = row.prop_map(|(at, connector)| {
            format!("2026-11-09T10:{at}:00Z,{at},Received,{connector},TLS1.2,a@b.example\r\n")
        });
        let torn = prop::sample::select(vec!["\"", "\"\"", ",", "\n", "\r\n", "\r", "\0", "x,\n"]);
        prop_oneof![
            6 => row.prop_map(|row| row.encode_utf16().collect()),
            3 => torn.prop_map(|torn| torn.encode_utf16().collect()),
            // Halves of characters, and characters with a byte of a newline or a quote.
            2 => prop::sample::select(vec![
                0xd83d, 0xdcf8, 0x0a0a, 0x220a, 0x0a22, 0x2222, 0x0d0a, 0xfffe,
            ]).prop_map(|unit| vec![unit]),
        ]
    }

    #[test]
    fn a_row_with_a_byte_order_mark_is_the_same_wherever_blocks_end() {
        let row = "2026-11-09T10:10:00Z,1,Received,F,TLS1.2\r\n";
        let table = format!(
            "Date,Message-Id,Direction,Connector,Tls\r\n{row}\u{feff}{row}\u{feff}{row}{row}"
        );
        for block in 1..table.len() {
            let said = said(table.as_bytes(), block);
            assert_eq!(said.rows.len(), 2, "{block}");
            let found = "\u{feff}2026-11-09T10:10:00".to_owned();
            let reject = (RejectReason::TimeUnreadable, 3, 2, found);
            assert_eq!(said.rejects, [reject], "{block}");
        }
    }

    #[test]
    fn a_table_of_many_parts_has_the_hash_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table");
        let row = "2026-11-09T10:10:00Z,1,Received,F,TLS1.2\r\n";
        let header = "Date,Message-Id,Direction,Connector,Tls\r\n";
        let table = header.to_owned() + &row.repeat(40 * BLOCK / row.len());
        crate::store::write_lightly(&path, table.as_bytes()).unwrap();
        for _ in 0..3 {
            let jobs = [Job::of_file(&path), Job::of_file(&path)];
            let rows = std::sync::atomic::AtomicUsize::new(0);
            let sink = |block: Block| {
                rows.fetch_add(block.frame.height(), std::sync::atomic::Ordering::Relaxed);
            };
            run(&jobs, false, &sink, &mut Vec::new()).unwrap();
            assert_eq!(rows.into_inner(), 2 * (table.lines().count() - 1));
            for job in jobs {
                let file = job.finish().0;
                assert_eq!(file.sha256, crate::store::sha256(table.as_bytes()));
                assert_eq!(file.bytes, table.len() as u64);
            }
        }
    }

    /// [`said`] compares the hash.
    #[test]
    fn a_line_that_is_passed_over_is_hashed_too() {
        let row = "2026-11-09T10:10:00Z,1,Received,F,TLS1.2\r\n";
        let long = "x".repeat(crate::ingest::blocks::MAX_LINE + BLOCK);
        let table = format!("Date,Message-Id,Direction,Connector,Tls\r\n{row}{long}\r\n{row}");
        let wide: Vec<u8> =
            [0xfeff].into_iter().chain(table.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        for table in [table.into_bytes(), wide] {
            let said = said(&table, BLOCK);
            assert_eq!(said.rows.len(), 2);
            assert_eq!(said.rejects, [(RejectReason::LineTooLong, 3, 1, String::new())]);
        }
    }

    proptest! {
        /// UTF-16 is cut as it lies in its file, at other places than the same text in UTF-8.
        #[test]
        fn a_table_says_the_same_in_utf16_as_in_utf8(
            preamble in prop::sample::select(vec!["", "#TYPE Soci\u{e9}t\u{e9}\r\n", "sep=,\n"]),
            pieces in prop::collection::vec(piece(), 0..60),
            odd in prop::collection::vec(any::<u8>(), 0..2),
            big in any::<bool>(),
            block in 1..3_000_usize,
            other in 1..3_000_usize,
        ) {
            let header = "Date,Message-Id,Direction,\"Connector\",Tls,\"Von \u{fc}ber\nall\"\r\n";
            let units = [preamble, header].concat();
            let units: Vec<u16> = units.encode_utf16().chain(pieces.concat()).collect();
            let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
            let mut wide: Vec<u8> =
                [0xfeff].iter().chain(&units).flat_map(|unit| bytes(*unit)).collect();
            wide.extend(&odd);
            let encoding = if big { encoding_rs::UTF_16BE } else { encoding_rs::UTF_16LE };
            let plain = encoding.decode_with_bom_removal(&wide).0;
            let mut expected = said(plain.as_bytes(), other);
            prop_assert_eq!(&said(plain.as_bytes(), block), &expected, "cut");
            prop_assert_eq!(expected.bytes, plain.len() as u64);
            expected.bytes = wide.len() as u64;
            prop_assert_eq!(said(&wide, block), expected);
        }
    }
}
