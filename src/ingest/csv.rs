//! Delimited text (RFC 4180 and its relatives).
//!
//! Records are found by taking every `"` for a quote. Real exports hold stray ones (`5" disk`),
//! which would swallow what follows; a record that looks so is read again by the strict rule that
//! a quote opens only at the start of a field.

mod records;

use std::borrow::Cow;
use std::io::Read;
use std::ops::ControlFlow;

use self::records::{Record, Records};
use crate::ingest::abreast::Abreast;
use crate::ingest::blocks::{BLOCK, Blocks, Pool, newlines};
use crate::ingest::columns;
use crate::ingest::marks::Marks;
use crate::ingest::parts::map_row;
use crate::ingest::row::{Cells, Context, Output};
use crate::trace::RejectReason;

/// How a table is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dialect {
    /// Byte between fields.
    pub delimiter: u8,
    /// Bytes before the first row: a `#TYPE` or `sep=` line, the header.
    pub rows_start: usize,
}

/// The dialect and header of a table, from its first block. `None` without any line. Of a
/// header with too many columns, one more than [`columns::MOST`] is there.
pub(super) fn header(start: &[u8]) -> Option<(Dialect, Vec<String>)> {
    let mut preamble = 0;
    let mut stated = None;
    loop {
        let rest = start.get(preamble..)?;
        let line_end = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        let line = rest.get(..line_end)?;
        let text = line.trim_ascii();
        if let [b's', b'e', b'p', b'=', delimiter] = text {
            stated = Some(*delimiter);
        } else if rest.is_empty() {
            return None;
        } else if !text.is_empty() && !text.starts_with(b"#TYPE") {
            break;
        }
        preamble += line_end;
    }
    let rest = start.get(preamble..)?;
    let delimiter = stated.unwrap_or_else(|| likely_delimiter(rest));
    let mut quotes = QuoteState::default();
    let (fields, used) = strict_record(rest, delimiter, columns::MOST, &mut quotes);
    let fields = fields?.into_iter().map(|field| decode(&field).trim().to_owned()).collect();
    Some((Dialect { delimiter, rows_start: preamble + used }, fields))
}

/// The candidate that occurs most often in the first line, outside quotes.
fn likely_delimiter(text: &[u8]) -> u8 {
    let line_end = memchr::memchr(b'\n', text).unwrap_or(text.len());
    let line = text.get(..line_end).unwrap_or_default();
    let count = |delimiter: u8| {
        let mut quoted = false;
        line.iter()
            .filter(|byte| {
                quoted ^= **byte == b'"';
                **byte == delimiter && !quoted
            })
            .count()
    };
    // The last of equal ones wins in `max_by_key`, so the comma is last.
    *[b'|', b'\t', b';', b','].iter().max_by_key(|delimiter| count(**delimiter)).unwrap_or(&b',')
}

/// The cells of a record as it lies in its block; with each look at them goes on what is done
/// abreast.
struct RecordCells<'a, 'b>(Record<'a>, &'a Abreast<'b>);

impl Cells for RecordCells<'_, '_> {
    fn bytes(&self, column: usize) -> Cow<'_, [u8]> {
        self.1.step();
        self.0.field(column).unwrap_or_default()
    }

    fn span(&self, first: usize, last: usize) -> Option<&[u8]> {
        self.1.step();
        self.0.span(first, last)
    }
}

/// Maps every row of whole records from byte `start` on; all marks that they hold are told.
pub(super) fn map_block(
    context: &Context,
    (dialect, start): (&Dialect, usize),
    (records, marks): (&[u8], Marks),
    abreast: &Abreast<'_>,
    out: &mut Output,
) {
    let before_start = records.get(..start).unwrap_or_default();
    let bytes = records.get(start..).unwrap_or_default();
    let doubts = Doubts::of(bytes, marks);
    let width = context.columns.width();
    let first_line = out.lines + 1 + newlines(before_start).count() as u64;
    let mut lines_of_records = 0;
    let mut records = Records::of(bytes, dialect.delimiter);
    loop {
        abreast.step();
        let Some(record) = records.next() else { break };
        abreast.step();
        let line = first_line + lines_of_records + record.blank_lines;
        let doubtful = doubts.apply_to(&record);
        let raw = record.whole();
        if record.fields() == width && !doubtful {
            out.rows_read += 1;
            map_row(context, &RecordCells(record, abreast), line, out);
        } else {
            read_again(context, dialect, raw, line, out);
        }
        // Only a record that is doubted can hold a newline.
        lines_of_records += 1 + if doubtful { newlines(raw).count() as u64 } else { 0 };
    }
    out.lines = first_line + lines_of_records + records.blank_lines() - 1;
}

/// Calls `each` with the text of one column until it breaks, to learn how it is written, and
/// says whether it did.
///
/// # Errors
/// What the stream says.
pub(super) fn each_cell(
    inner: &mut dyn Read,
    dialect: &Dialect,
    column: usize,
    each: &mut dyn FnMut(&str) -> ControlFlow<()>,
) -> std::io::Result<ControlFlow<()>> {
    let pool = Pool::new(BLOCK);
    let mut blocks = Blocks::new(inner, true, &pool);
    let nothing = Abreast::nothing();
    let mut before_rows = dialect.rows_start;
    while let Some(block) = blocks.next_block()? {
        let start = before_rows.min(block.bytes.len());
        before_rows -= start;
        let bytes = block.bytes.get(start..).unwrap_or_default();
        let mut records = Records::of(bytes, dialect.delimiter);
        while let Some(record) = records.next() {
            if each(&RecordCells(record, &nothing).cell(column)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// What a block holds that a record must be looked at twice for.
struct Doubts {
    nul: bool,
    not_utf8: bool,
}

impl Doubts {
    fn of(bytes: &[u8], marks: Marks) -> Self {
        Self { nul: marks.nul, not_utf8: simdutf8::basic::from_utf8(bytes).is_err() }
    }

    fn apply_to(&self, record: &Record<'_>) -> bool {
        let may_span_lines = record.may_hold_line_end;
        let record = record.whole();
        let spans_lines = may_span_lines && memchr::memchr(b'\n', record).is_some();
        let nul = self.nul && memchr::memchr(0, record).is_some();
        let not_utf8 = self.not_utf8 && std::str::from_utf8(record).is_err();
        spans_lines || nul || not_utf8
    }
}

/// Reads by the strict rule what the fast reader took for one record.
fn read_again(
    context: &Context,
    dialect: &Dialect,
    record: &[u8],
    first_line: u64,
    out: &mut Output,
) {
    let decoded = decode(record);
    if matches!(decoded, Cow::Owned(_)) {
        out.windows_1252 += 1;
    }
    let mut rest = decoded.as_bytes();
    let mut line = first_line;
    let mut quotes = QuoteState::default();
    while !rest.is_empty() {
        let width = context.columns.width();
        let (fields, used) = strict_record(rest, dialect.delimiter, width, &mut quotes);
        let (this, after) = rest.split_at(used);
        map_fields(context, fields, this, line, out);
        line += newlines(this).count() as u64;
        rest = after;
    }
}

fn map_fields(
    context: &Context,
    fields: Option<Vec<Vec<u8>>>,
    raw: &[u8],
    line: u64,
    out: &mut Output,
) {
    if raw.trim_ascii().is_empty() {
        return;
    }
    out.rows_read += 1;
    let Some(mut fields) = fields else {
        return out.reject(RejectReason::UnbalancedQuote, line, &decode(raw));
    };
    let width = context.columns.width();
    while fields.len() > width && fields.last().is_some_and(Vec::is_empty) {
        fields.pop();
    }
    if memchr::memchr(0, raw).is_some() {
        return out.reject(RejectReason::NulByte, line, &decode(raw));
    }
    if fields.len() != width {
        return out.reject(RejectReason::FieldCount, line, &decode(raw));
    }
    let fields: Vec<String> = fields.iter().map(|field| decode(field).into_owned()).collect();
    map_row(context, fields.as_slice(), line, out);
}

/// UTF-8 where it is, else Windows-1252, in which every byte is a character.
fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            Cow::Owned(encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned())
        }
    }
}

/// Remembers that no quote closes any more, so that looking for one stays linear.
#[derive(Default)]
struct QuoteState {
    none_closes: bool,
}

/// One record by the strict rule, and how many bytes it takes with its line end. `None` for
/// a field whose quote is never closed: then the record is its first line. Of a record with
/// more than `most` fields one more is given, so that millions of them take no memory.
fn strict_record(
    text: &[u8],
    delimiter: u8,
    most: usize,
    quotes: &mut QuoteState,
) -> (Option<Vec<Vec<u8>>>, usize) {
    let mut fields = Vec::new();
    let mut at = 0;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let (field, used) = match rest.strip_prefix(b"\"") {
            None => plain_field(rest, delimiter),
            Some(quoted) => {
                if let Some((field, used)) = quoted_field(quoted, delimiter, quotes) {
                    (field, used + 1)
                } else {
                    let line = memchr::memchr(b'\n', text).map_or(text.len(), |end| end + 1);
                    return (None, line);
                }
            }
        };
        if fields.len() <= most {
            fields.push(field);
        } else if let Some(last) = fields.last_mut().filter(|last| last.is_empty()) {
            // Empty fields at the end are forgiven, others are not.
            *last = field;
        }
        at += used;
        match text.get(at) {
            Some(byte) if *byte == delimiter => at += 1,
            Some(b'\r') if text.get(at + 1) == Some(&b'\n') => return (Some(fields), at + 2),
            Some(_) => return (Some(fields), at + 1),
            None => return (Some(fields), at),
        }
    }
}

fn plain_field(text: &[u8], delimiter: u8) -> (Vec<u8>, usize) {
    let mut end = memchr::memchr2(delimiter, b'\n', text).unwrap_or(text.len());
    if text.get(end) != Some(&delimiter) && end > 0 && text.get(end - 1) == Some(&b'\r') {
        end -= 1;
        // A lone CR at the very end of the text is a line end too.
        if text.get(end + 1).is_none() {
            return (text.get(..end).unwrap_or_default().to_vec(), end);
        }
    }
    (text.get(..end).unwrap_or_default().to_vec(), end)
}

/// The content of a quoted field, and the bytes it takes with its closing quote.
fn quoted_field(text: &[u8], delimiter: u8, quotes: &mut QuoteState) -> Option<(Vec<u8>, usize)> {
    if quotes.none_closes {
        return None;
    }
    let mut field = Vec::new();
    let mut at = 0;
    while let Some(offset) = memchr::memchr(b'"', text.get(at..)?) {
        let quote = at + offset;
        field.extend_from_slice(text.get(at..quote)?);
        match text.get(quote + 1) {
            Some(b'"') => {
                field.push(b'"');
                at = quote + 2;
            }
            None | Some(b'\r' | b'\n') => return Some((field, quote + 1)),
            Some(byte) if *byte == delimiter => return Some((field, quote + 1)),
            Some(_) => {
                field.push(b'"');
                at = quote + 1;
            }
        }
    }
    quotes.none_closes = true;
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strict(text: &str) -> (Option<Vec<String>>, usize) {
        let (fields, used) = strict_record(text.as_bytes(), b',', 3, &mut QuoteState::default());
        let fields = fields.map(|fields| {
            fields.into_iter().map(|field| String::from_utf8(field).unwrap()).collect()
        });
        (fields, used)
    }

    fn owned(fields: &[&str]) -> Vec<String> {
        fields.iter().map(|field| (*field).to_owned()).collect()
    }

    #[test]
    fn strict_records() {
        let cases = [
            ("a,b\nc", Some(owned(&["a", "b"])), 4),
            ("a,b\r\nc", Some(owned(&["a", "b"])), 5),
            ("a,\"b,\"\"c\"\"\nd\",e\n", Some(owned(&["a", "b,\"c\"\nd", "e"])), 16),
            ("5\" disk,b\n", Some(owned(&["5\" disk", "b"])), 10),
            ("\"a\" b\",c\n", Some(owned(&["a\" b", "c"])), 9),
            (",\n", Some(owned(&["", ""])), 2),
            ("a,\"b\nc,d\n", None, 5),
            ("a,b,c,,,d,e\nf", Some(owned(&["a", "b", "c", "d"])), 12),
            ("a,b,c,d,e,\"f\n\"\ng", Some(owned(&["a", "b", "c", "d"])), 15),
        ];
        for (text, fields, used) in cases {
            assert_eq!(strict(text), (fields, used), "{text:?}");
        }
    }

    #[test]
    fn headers_and_dialects() {
        let cases: [(&str, u8, &[&str]); 5] = [
            ("Date,No TLS\n", b',', &["Date", "No TLS"]),
            ("Date;\"No, TLS\";x\r\n", b';', &["Date", "No, TLS", "x"]),
            ("#TYPE Selected.Object\n\"Received\",\"Status\"\n", b',', &["Received", "Status"]),
            ("sep=;\r\na;b\r\n", b';', &["a", "b"]),
            ("a\tb\tc", b'\t', &["a", "b", "c"]),
        ];
        for (text, delimiter, fields) in cases {
            let (dialect, found) = header(text.as_bytes()).unwrap();
            assert_eq!(dialect.delimiter, delimiter, "{text:?}");
            assert_eq!(found, fields, "{text:?}");
        }
        assert_eq!(header(b""), None);
        assert_eq!(header(b"\r\n\n"), None);
    }
}
