//! What a finished workbook says of its totals, read as any other program would.

use std::io::{Cursor, Read};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use zip::ZipArchive;

use super::MESSAGES;

/// The messages in the sheet of connectors: of each connector, and of each total.
///
/// `None` where the workbook cannot be opened or a cell holds no number.
pub(in crate::render) fn totals(bytes: &[u8]) -> Option<(Vec<u64>, Vec<u64>)> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let (sheet, column) = MESSAGES;
    let texts = texts(&part(&mut archive, "xl/sharedStrings.xml")?)?;
    let sheet = part(&mut archive, &format!("xl/worksheets/sheet{}.xml", sheet + 1))?;
    let column = char::from(b'A' + u8::try_from(column).ok()?);
    let mut cells = cells(&sheet, column)?.into_iter();
    let (mut rows, mut totals) = (Vec::new(), Vec::new());
    // The empty row after the last connector is not in the file.
    let mut before = cells.next()?.row;
    for cell in cells {
        let text =
            if cell.shared { texts.get(cell.value.parse::<usize>().ok()?)? } else { &cell.value };
        let messages = text.parse().ok()?;
        if totals.is_empty() && cell.row == before + 1 {
            rows.push(messages);
        } else {
            totals.push(messages);
        }
        before = cell.row;
    }
    Some((rows, totals))
}

struct Cell {
    row: u32,
    shared: bool,
    value: String,
}

fn part(archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str) -> Option<String> {
    let mut text = String::new();
    archive.by_name(name).ok()?.read_to_string(&mut text).ok()?;
    Some(text)
}

/// The texts that cells refer to by number.
fn texts(xml: &str) -> Option<Vec<String>> {
    let mut reader = Reader::from_str(xml);
    let mut texts: Vec<String> = Vec::new();
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) if tag.name().as_ref() == "si" => texts.push(String::new()),
            Event::Text(text) => {
                if let Some(last) = texts.last_mut() {
                    last.push_str(&text);
                }
            }
            Event::Eof => return Some(texts),
            _ => {}
        }
    }
}

/// The cells of one column that hold something, from the top down.
fn cells(xml: &str, column: char) -> Option<Vec<Cell>> {
    let mut reader = Reader::from_str(xml);
    let mut cells: Vec<Cell> = Vec::new();
    let (mut inside, mut value) = (false, false);
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) if tag.name().as_ref() == "c" => {
                let place = attribute(&tag, "r")?;
                let row = place.strip_prefix(column).and_then(|row| row.parse().ok());
                inside = row.is_some();
                if let Some(row) = row {
                    let shared = attribute(&tag, "t").as_deref() == Some("s");
                    cells.push(Cell { row, shared, value: String::new() });
                }
            }
            Event::Start(tag) if tag.name().as_ref() == "v" => value = true,
            Event::End(tag) if tag.name().as_ref() == "v" => value = false,
            Event::Text(text) if inside && value => {
                if let Some(last) = cells.last_mut() {
                    last.value.push_str(&text);
                }
            }
            Event::Eof => return Some(cells),
            _ => {}
        }
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = tag.try_get_attribute(name).ok()??;
    Some(attribute.value.into_owned())
}
