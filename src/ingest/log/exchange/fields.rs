//! Comma-separated lines with a header of their own, and the small texts within them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// The columns that matter, of tracking and protocol logs alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    DateTime,
    ClientIp,
    ClientHostname,
    ServerIp,
    ServerHostname,
    SourceContext,
    ConnectorId,
    Source,
    EventId,
    InternalMessageId,
    MessageId,
    NetworkMessageId,
    RecipientAddress,
    SenderAddress,
    ReturnPath,
    MessageInfo,
    Directionality,
    OriginalClientIp,
    CustomData,
    SessionId,
    SequenceNumber,
    LocalEndpoint,
    RemoteEndpoint,
    Event,
    Data,
    Context,
}

/// Names of the columns, in the order of [`Column`].
const NAMES: [&[u8]; 26] = [
    b"date-time",
    b"client-ip",
    b"client-hostname",
    b"server-ip",
    b"server-hostname",
    b"source-context",
    b"connector-id",
    b"source",
    b"event-id",
    b"internal-message-id",
    b"message-id",
    b"network-message-id",
    b"recipient-address",
    b"sender-address",
    b"return-path",
    b"message-info",
    b"directionality",
    b"original-client-ip",
    b"custom-data",
    b"session-id",
    b"sequence-number",
    b"local-endpoint",
    b"remote-endpoint",
    b"event",
    b"data",
    b"context",
];

/// No log has more columns.
const MOST_COLUMNS: usize = 48;

/// Where the columns of a file stand.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Columns {
    at: [Option<u8>; NAMES.len()],
    /// How many the file has; 0 = its header was not seen.
    pub(super) count: usize,
}

impl Columns {
    /// Of a file whose header was not seen.
    pub(super) const NONE: Self = Self { at: [None; NAMES.len()], count: 0 };

    /// Reads what follows `#Fields:`.
    pub(super) fn read(list: &[u8]) -> Self {
        let mut columns = Self::NONE;
        for (index, name) in list.split(|byte| *byte == b',').take(MOST_COLUMNS).enumerate() {
            let name: Vec<u8> = name
                .trim_ascii()
                .iter()
                .map(|byte| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() })
                .collect();
            let known = NAMES.iter().position(|known| *known == name);
            if let Some(place) = known.and_then(|known| columns.at.get_mut(known)) {
                *place = u8::try_from(index).ok();
            }
            columns.count = index + 1;
        }
        columns
    }

    /// Index of a column, from 0.
    pub(super) fn index(&self, column: Column) -> Option<usize> {
        self.at.get(column as usize).copied().flatten().map(usize::from)
    }

    /// Says whether a file has all of these.
    pub(super) fn have(&self, wanted: &[Column]) -> bool {
        wanted.iter().all(|column| self.index(*column).is_some())
    }
}

/// One field: its bytes, without the quotes around them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell<'a> {
    bytes: &'a [u8],
    /// Whether quotes within are doubled.
    doubled: bool,
}

/// The fields of a line, one after the other; ends early where a quote is unbalanced.
#[derive(Debug)]
pub(super) struct Cells<'a> {
    rest: Option<&'a [u8]>,
    /// Whether the line ended within quotes, or text followed them.
    pub(super) broken: bool,
}

impl<'a> Cells<'a> {
    pub(super) fn of(line: &'a [u8]) -> Self {
        Self { rest: Some(line), broken: false }
    }

    fn quoted(&mut self, text: &'a [u8]) -> Option<Cell<'a>> {
        let mut from = 0;
        let mut doubled = false;
        loop {
            let Some(found) = memchr::memchr(b'"', text.get(from..)?) else {
                self.broken = true;
                self.rest = None;
                return None;
            };
            let end = from + found;
            match text.get(end + 1) {
                Some(b'"') => {
                    doubled = true;
                    from = end + 2;
                }
                after @ (None | Some(b',')) => {
                    self.rest = after.and_then(|_| text.get(end + 2..));
                    return Some(Cell { bytes: text.get(..end)?, doubled });
                }
                Some(_) => {
                    self.broken = true;
                    self.rest = None;
                    return None;
                }
            }
        }
    }
}

impl<'a> Iterator for Cells<'a> {
    type Item = Cell<'a>;

    fn next(&mut self) -> Option<Cell<'a>> {
        let rest = self.rest?;
        if let Some(text) = rest.strip_prefix(b"\"") {
            return self.quoted(text);
        }
        let (bytes, after) = match memchr::memchr(b',', rest) {
            Some(end) => (rest.get(..end)?, rest.get(end + 1..)),
            None => (rest, None),
        };
        self.rest = after;
        Some(Cell { bytes, doubled: false })
    }
}

/// A line with its fields.
#[derive(Debug)]
pub(super) struct Row<'a> {
    columns: &'a Columns,
    cells: Cells<'a>,
    held: [Cell<'a>; MOST_COLUMNS],
    count: usize,
}

impl<'a> Row<'a> {
    /// A line of a file with these columns, of which nothing is read yet.
    pub(super) fn new(line: &'a [u8], columns: &'a Columns) -> Self {
        let empty = Cell { bytes: b"", doubled: false };
        Self { columns, cells: Cells::of(line), held: [empty; MOST_COLUMNS], count: 0 }
    }

    /// Reads as far as a column.
    pub(super) fn read_to(&mut self, column: Column) {
        let wanted = self.columns.index(column).map_or(0, |index| index + 1);
        while self.count < wanted && self.read_one() {}
    }

    /// Reads to the end. Returns whether the line has as many fields as the header.
    pub(super) fn read_all(&mut self) -> bool {
        while self.read_one() {}
        !self.cells.broken && self.count == self.columns.count
    }

    fn read_one(&mut self) -> bool {
        let Some(cell) = self.cells.next() else { return false };
        if let Some(place) = self.held.get_mut(self.count) {
            *place = cell;
        }
        self.count += 1;
        true
    }

    /// A field whose quotes do not matter; empty where there is no such column.
    pub(super) fn raw(&self, column: Column) -> &'a [u8] {
        self.cell(column).map_or(b"", |cell| cell.bytes.trim_ascii())
    }

    /// A field as it was before it was quoted.
    pub(super) fn text(&self, column: Column) -> Cow<'a, [u8]> {
        let Some(cell) = self.cell(column) else { return Cow::Borrowed(b"") };
        let bytes = cell.bytes.trim_ascii();
        if !cell.doubled {
            return Cow::Borrowed(bytes);
        }
        let mut text = Vec::with_capacity(bytes.len());
        let mut quote = false;
        for byte in bytes {
            quote = *byte == b'"' && !quote;
            if !quote || *byte != b'"' {
                text.push(*byte);
            }
        }
        Cow::Owned(text)
    }

    fn cell(&self, column: Column) -> Option<Cell<'a>> {
        let index = self.columns.index(column)?;
        self.held.get(index).filter(|_| index < self.count).copied()
    }
}

/// What follows a prefix, whatever its case.
pub(super) fn after<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// A session id: 16 hexadecimal digits, and nothing more.
pub(super) fn session_id(text: &[u8]) -> Option<u64> {
    if text.len() != 16 {
        return None;
    }
    text.iter().try_fold(0_u64, |id, byte| {
        let digit = char::from(*byte).to_digit(16)?;
        Some((id << 4) | u64::from(digit))
    })
}

/// A whole number of at most 18 digits.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, byte| {
        byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0'))
    })
}

/// An address without brackets, zone index and the mapping of IPv4 to IPv6.
pub(super) fn address(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii();
    let text = text.strip_prefix(b"[").unwrap_or(text);
    let end = text.iter().position(|byte| matches!(byte, b']' | b'%')).unwrap_or(text.len());
    let text = text.get(..end).unwrap_or_default();
    after(text, b"::ffff:").filter(|rest| rest.contains(&b'.')).unwrap_or(text)
}

/// The address of `192.0.2.1:25` or `[2001:db8::1]:25`.
pub(super) fn endpoint(text: &[u8]) -> &[u8] {
    if text.first() == Some(&b'[') {
        return address(text);
    }
    let end = memchr::memrchr(b':', text).unwrap_or(text.len());
    address(text.get(..end).unwrap_or_default())
}

/// The domain of a mail address, which may stand in angle brackets; empty where it has none.
pub(super) fn domain(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii();
    let text = text.strip_suffix(b">").unwrap_or(text);
    let Some(at) = memchr::memrchr(b'@', text) else { return b"" };
    let domain = text.get(at + 1..).unwrap_or_default();
    let odd = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'<' | b'>');
    if domain.iter().any(odd) { b"" } else { domain }
}

/// The first of several addresses with `;` between them; one with `;` within stands in
/// single quotes.
pub(super) fn first_address(text: &[u8]) -> &[u8] {
    if let Some(quoted) = text.strip_prefix(b"'") {
        let end = memchr::memmem::find(quoted, b"';").unwrap_or(quoted.len());
        let first = quoted.get(..end).unwrap_or_default();
        return first.strip_suffix(b"'").unwrap_or(first);
    }
    let end = memchr::memchr(b';', text).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// A message id without angle brackets.
pub(super) fn bare_id(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii();
    let text = text.strip_prefix(b"<").unwrap_or(text);
    text.strip_suffix(b">").unwrap_or(text)
}

/// The name of a host without its domain, in lower case.
pub(super) fn host_label(text: &[u8]) -> Vec<u8> {
    let end = memchr::memchr(b'.', text).unwrap_or(text.len());
    text.get(..end).unwrap_or_default().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &[u8]) -> Option<Vec<String>> {
        let columns = Columns::read(b"data,context,event,source");
        let mut row = Row::new(line, &columns);
        row.read_all();
        let all = [Column::Data, Column::Context, Column::Event, Column::Source];
        (!row.cells.broken).then(|| {
            all.iter()
                .take(row.count)
                .map(|column| String::from_utf8_lossy(&row.text(*column)).into_owned())
                .collect()
        })
    }

    #[test]
    fn lines_are_split_at_commas_outside_quotes() {
        let cases: &[(&[u8], &[&str])] = &[
            (b"a,b,c", &["a", "b", "c"]),
            (b"", &[""]),
            (b",", &["", ""]),
            (b"\"a,b\",c", &["a,b", "c"]),
            (b"\"\",\"\"", &["", ""]),
            (b"\"say \"\"hi\"\", all\",\"\"\"\"", &["say \"hi\", all", "\""]),
            (b"a\"b,c", &["a\"b", "c"]),
        ];
        for (line, expected) in cases {
            assert_eq!(texts(line).unwrap(), *expected, "{}", String::from_utf8_lossy(line));
        }
        for broken in [&b"\"a,b"[..], b"a,\"b\"c", b"\"", b"x,\"y\"\""] {
            assert_eq!(texts(broken), None, "{}", String::from_utf8_lossy(broken));
        }
    }

    #[test]
    fn a_line_has_the_fields_of_its_header() {
        let columns = Columns::read(b"data,context");
        for (line, whole) in [
            (&b"a,b"[..], true),
            (b"a,\"b,c\"", true),
            (b"a", false),
            (b"a,b,c", false),
            (b"a,b,\"c", false),
            (b"a,\"b", false),
        ] {
            let mut row = Row::new(line, &columns);
            assert_eq!(row.read_all(), whole, "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn columns_are_found_however_they_are_spelled() {
        let columns = Columns::read(b" date-time, Client_IP ,unheard-of,EVENT-ID");
        assert_eq!(columns.count, 4);
        assert_eq!(columns.index(Column::ClientIp), Some(1));
        assert_eq!(columns.index(Column::EventId), Some(3));
        assert_eq!(columns.index(Column::Source), None);
        assert!(columns.have(&[Column::DateTime]) && !columns.have(&[Column::Source]));
    }

    #[test]
    fn addresses_and_domains() {
        assert_eq!(endpoint(b"192.0.2.1:25"), b"192.0.2.1");
        assert_eq!(endpoint(b"[2001:db8::1%3]:2525"), b"2001:db8::1");
        assert_eq!(endpoint(b""), b"");
        assert_eq!(address(b"fe80::1%3"), b"fe80::1");
        assert_eq!(address(b"::ffff:192.0.2.1"), b"192.0.2.1");
        assert_eq!(domain(b"<\"a@b>\"@example.com>"), b"example.com");
        assert_eq!(domain(b"MAILER-DAEMON"), b"");
        assert_eq!(domain(b"a@\"x y\""), b"");
        assert_eq!(first_address(b"a@example.com;b@example.net"), b"a@example.com");
        assert_eq!(first_address(b"'\"a;b\"@example.com';c@example.net"), b"\"a;b\"@example.com");
        assert_eq!(session_id(b"08DC1DB12C345BE5"), Some(0x08DC_1DB1_2C34_5BE5));
        assert_eq!(session_id(b"08DC1DB12C345BE"), None);
        assert_eq!(session_id(b"08DC1DB12C345BEG"), None);
        assert_eq!(number(b"0042"), Some(42));
        assert_eq!(number(b""), None);
        assert_eq!(number(b"9999999999999999999"), None);
        assert_eq!(host_label(b"EXCH01.example.com"), b"exch01");
    }
}
