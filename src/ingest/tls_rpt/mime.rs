//! The leaves of a mail: as much of MIME as it takes to find an attachment.
//!
//! Anyone may send a mail to the address that a domain publishes for reports, so that its
//! structure is hostile: depth is bounded, every level is read once, and nothing is kept.

use std::borrow::Cow;

use crate::ingest::tls_rpt::TlsRptError;

/// Multiparts and forwarded mails within each other.
const MAX_DEPTH: usize = 12;
/// Bytes of a header that are read.
const MAX_HEADER: usize = 256 << 10;

/// Takes in a leaf.
pub(super) type Each<'a> = dyn FnMut(&str, &[u8]) -> Result<(), TlsRptError> + 'a;

/// Calls `each` with the declared type, in lower case, and the decoded content of every leaf.
/// Stops at its first error.
pub(super) fn each_leaf(mail: &[u8], each: &mut Each<'_>) -> Result<(), TlsRptError> {
    // A mail cut out of an mbox begins with a line of its own.
    let mail = if mail.starts_with(b"From ") { after_line(mail) } else { mail };
    walk(mail, 0, each)
}

fn walk(entity: &[u8], depth: usize, each: &mut Each<'_>) -> Result<(), TlsRptError> {
    let (header, body) = Header::read(entity);
    let kind = header.kind();
    if kind.starts_with("multipart/")
        && let Some(boundary) = header.boundary()
    {
        if depth < MAX_DEPTH {
            for part in Sections::new(body, &boundary) {
                walk(part, depth + 1, each)?;
            }
        }
        return Ok(());
    }
    let content = match header.encoding().as_str() {
        "base64" => Cow::Owned(base64(body)),
        "quoted-printable" => Cow::Owned(quoted_printable(body)),
        _ => Cow::Borrowed(body),
    };
    if kind.starts_with("message/") {
        return if depth < MAX_DEPTH { walk(&content, depth + 1, each) } else { Ok(()) };
    }
    each(&kind, &content)
}

/// The fields that matter, unfolded.
#[derive(Default)]
struct Header {
    content_type: String,
    transfer_encoding: String,
}

impl Header {
    /// The header of an entity, and its body after the empty line.
    fn read(entity: &[u8]) -> (Self, &[u8]) {
        let mut header = Self::default();
        let mut rest = entity;
        let mut field: Option<&mut String> = None;
        while !rest.is_empty() && entity.len() - rest.len() < MAX_HEADER {
            let after = after_line(rest);
            let line = rest.get(..rest.len() - after.len()).unwrap_or_default();
            rest = after;
            let text = line.trim_ascii_end();
            if text.is_empty() {
                break;
            }
            if !text.starts_with(b" ") && !text.starts_with(b"\t") {
                let colon = memchr::memchr(b':', text).unwrap_or(text.len());
                let (name, value) = text.split_at(colon);
                field = match name.trim_ascii().to_ascii_lowercase().as_slice() {
                    b"content-type" => Some(&mut header.content_type),
                    b"content-transfer-encoding" => Some(&mut header.transfer_encoding),
                    _ => None,
                };
                if let Some(field) = &mut field {
                    field.clear();
                    field.push_str(&String::from_utf8_lossy(value.get(1..).unwrap_or_default()));
                }
            } else if let Some(field) = &mut field {
                field.push_str(&String::from_utf8_lossy(text));
            }
        }
        (header, rest)
    }

    /// `type/subtype` in lower case.
    fn kind(&self) -> String {
        let kind = self.content_type.split(';').next().unwrap_or_default();
        kind.trim().to_ascii_lowercase()
    }

    fn encoding(&self) -> String {
        self.transfer_encoding.trim().to_ascii_lowercase()
    }

    /// The parameter `boundary`, in quotes or without.
    fn boundary(&self) -> Option<Vec<u8>> {
        let mut rest = self.content_type.split_once(';')?.1;
        loop {
            let (name, after) = rest.split_once('=')?;
            let (value, after) = parameter(after.trim_start());
            if name.trim().eq_ignore_ascii_case("boundary") {
                return (!value.is_empty()).then(|| value.into_bytes());
            }
            rest = after.split_once(';')?.1;
        }
    }
}

/// The value of a parameter, and what follows it.
fn parameter(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        let (value, after) = text.split_at(end);
        return (value.trim().to_owned(), after);
    };
    let mut value = String::new();
    let mut letters = quoted.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => break,
            '\\' => value.extend(letters.next()),
            _ => value.push(letter),
        }
    }
    (value, letters.as_str())
}

/// The parts between the boundary lines of a multipart.
struct Sections<'a> {
    /// What follows the boundary line read last; `None` after the closing one.
    rest: Option<&'a [u8]>,
    delimiter: Vec<u8>,
}

impl<'a> Sections<'a> {
    fn new(body: &'a [u8], boundary: &[u8]) -> Self {
        let delimiter = [b"--", boundary].concat();
        let mut sections = Self { rest: Some(body), delimiter };
        // The preamble is no part.
        sections.next();
        sections
    }

    /// Whether a line is the delimiter, and if so whether it is the closing one.
    fn closes(&self, line: &[u8]) -> Option<bool> {
        match line.strip_prefix(self.delimiter.as_slice())?.trim_ascii_end() {
            b"" => Some(false),
            b"--" => Some(true),
            _ => None,
        }
    }
}

impl<'a> Iterator for Sections<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let section = self.rest?;
        let mut rest = section;
        while !rest.is_empty() {
            let after = after_line(rest);
            let line = rest.get(..rest.len() - after.len()).unwrap_or_default();
            if let Some(last) = self.closes(line) {
                self.rest = (!last).then_some(after);
                return Some(without_line_end(section.get(..section.len() - rest.len())?));
            }
            rest = after;
        }
        // A mail that was cut: what there is of its last part.
        self.rest = None;
        Some(section)
    }
}

/// What follows the first line.
fn after_line(bytes: &[u8]) -> &[u8] {
    let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
    bytes.get(end..).unwrap_or_default()
}

/// The end of line before a boundary belongs to the boundary.
fn without_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

/// Decodes base64 up to its padding; what is no base64 is skipped, as the standard asks.
fn base64(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() / 4 * 3 + 3);
    let (mut held, mut bits) = (0_u32, 0);
    for byte in bytes {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => break,
            _ => continue,
        };
        held = (held << 6) | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            let [.., low] = (held >> bits).to_be_bytes();
            out.push(low);
        }
    }
    out
}

/// Decodes quoted-printable; a `=` that quotes nothing stands for itself.
fn quoted_printable(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'=' {
            out.push(*byte);
            continue;
        }
        let soft_break = after.strip_prefix(b"\r\n").or_else(|| after.strip_prefix(b"\n"));
        if let Some(after) = soft_break {
            rest = after;
        } else if let [high, low, after @ ..] = after
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            out.push(high << 4 | low);
            rest = after;
        } else {
            out.push(*byte);
        }
    }
    out
}

fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
