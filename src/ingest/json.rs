//! JSON tables: JSON Lines, an array of objects, or pages `{"value": […]}` as Microsoft
//! Graph answers. Objects are rows, keys are columns; nested objects give `outer.inner`.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::rc::Rc;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::ingest::abreast::Abreast;
use crate::ingest::blocks::newlines;
use crate::ingest::cloud;
use crate::ingest::parts::map_row;
use crate::ingest::row::{Context, Output};
use crate::trace::RejectReason;

/// Keys that become columns.
const MAX_COLUMNS: usize = crate::ingest::columns::MOST;
/// A row of a document may be as long as a line of other files.
const MAX_ROW: usize = crate::ingest::blocks::MAX_LINE;

/// How objects follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// One object a line.
    Lines,
    /// An array, or pages of arrays.
    Document,
}

/// The shape and columns of a file, from its first block; `None` where it is no JSON.
pub(super) fn sniff(start: &[u8]) -> Option<(Shape, Vec<String>)> {
    let start = start.trim_ascii_start();
    if !matches!(start.first(), Some(b'{' | b'[')) {
        return None;
    }
    let mut columns = Columns::default();
    let first_line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let is_row = serde_json::from_slice::<Value>(first_line)
        .is_ok_and(|value| value.is_object() && !value.get("value").is_some_and(Value::is_array));
    if is_row {
        for line in start.split(|byte| *byte == b'\n') {
            if let Ok(value) = serde_json::from_slice(line) {
                columns.add(&value);
            }
        }
        return Some((Shape::Lines, columns.names));
    }
    // The first block may end within a row: what was read until there is enough.
    let outcome = each_row(start, &mut |row| columns.add(row));
    let began = !columns.names.is_empty();
    (began || outcome.is_ok()).then_some((Shape::Document, columns.names))
}

#[derive(Default)]
struct Columns {
    names: Vec<String>,
}

impl Columns {
    fn add(&mut self, row: &Value) {
        for name in flat(row).into_keys() {
            if self.names.len() < MAX_COLUMNS && !self.names.contains(&name) {
                self.names.push(name);
            }
        }
    }
}

/// Maps every line of JSON Lines.
pub(super) fn map_block(context: &Context, lines: &[u8], abreast: &Abreast<'_>, out: &mut Output) {
    let mut start = 0;
    let ends = newlines(lines).map(|end| end + 1).chain([lines.len()]);
    let first_line = out.lines + 1;
    out.lines += newlines(lines).count() as u64;
    for (line, end) in (first_line..).zip(ends) {
        let text = lines.get(start..end).unwrap_or_default();
        let text = text.trim_ascii();
        start = end;
        abreast.step();
        if text.is_empty() {
            continue;
        }
        out.rows_read += 1;
        match serde_json::from_slice::<Value>(text) {
            Ok(row) if row.is_object() && context.kind.is_cloud() => {
                cloud::rows::map_object(context, flat(&row), line, out);
            }
            Ok(row) if row.is_object() => {
                map_row(context, cells(&row, context.columns.headers()).as_slice(), line, out);
            }
            _ => out.reject(RejectReason::JsonUnreadable, line, &String::from_utf8_lossy(text)),
        }
    }
}

/// The cells of an object in the order of the columns.
pub(super) fn cells(row: &Value, columns: &[String]) -> Vec<String> {
    let mut flat = flat(row);
    columns.iter().map(|name| flat.remove(name).unwrap_or_default()).collect()
}

/// Texts by name; nested objects as `outer.inner`, lists of plain values joined by `;`.
pub(super) fn flat(row: &Value) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    flatten(String::new(), row, 0, &mut out);
    out
}

fn flatten(name: String, value: &Value, depth: usize, out: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) if depth < 8 => {
            for (key, inner) in fields {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                flatten(name, inner, depth + 1, out);
            }
        }
        other => {
            out.insert(name, plain(other));
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(";"),
        other => other.to_string(),
    }
}

/// Calls `each` for every object of a document, holding one at a time.
///
/// # Errors
/// What the stream or the JSON reader says, with line and column.
pub(super) fn each_row(input: impl Read, each: &mut dyn FnMut(&Value)) -> serde_json::Result<()> {
    let left = Rc::new(Cell::new(MAX_ROW));
    let bounded = Bounded { inner: input, left: left.clone() };
    let mut deserializer = serde_json::Deserializer::from_reader(bounded);
    let mut each = |row: &Value| {
        left.set(MAX_ROW);
        each(row);
    };
    loop {
        Rows(&mut each).deserialize(&mut deserializer)?;
        left.set(MAX_ROW);
        // Documents may follow each other, as pages that were appended to one file do.
        if deserializer.end().is_ok() {
            return Ok(());
        }
    }
}

/// Ends a stream whose current row is longer than any real one.
struct Bounded<R> {
    inner: R,
    left: Rc<Cell<usize>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.inner.read(buffer)?;
        match self.left.get().checked_sub(length) {
            Some(left) => self.left.set(left),
            None => return Err(std::io::Error::other("a row is longer than 8 MiB")),
        }
        Ok(length)
    }
}

/// A value whose objects are rows.
struct Rows<'a>(&'a mut dyn FnMut(&Value));

impl<'de> DeserializeSeed<'de> for Rows<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object, an array of objects, or pages {\"value\": […]}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element::<Value>()? {
            (self.0)(&item);
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let mut row = serde_json::Map::new();
        let mut page = false;
        while let Some(key) = fields.next_key::<String>()? {
            if page {
                fields.next_value::<IgnoredAny>()?;
            } else if key == "value" {
                let held = fields.next_value_seed(PageValue { rows: &mut *self.0 })?;
                match held {
                    Some(value) => {
                        row.insert(key, value);
                    }
                    None => page = true,
                }
            } else {
                row.insert(key, fields.next_value()?);
            }
        }
        if !page {
            (self.0)(&Value::Object(row));
        }
        Ok(())
    }
}

/// The value of `value`: the rows of a page (`None`), or a plain cell.
struct PageValue<'a> {
    rows: &'a mut dyn FnMut(&Value),
}

impl<'de> DeserializeSeed<'de> for PageValue<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for PageValue<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows or a plain value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        Rows(self.rows).visit_seq(items).map(|()| None)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Value::String(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Some(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Some(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Some(number.into()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Some(Value::Null))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut object = serde_json::Map::new();
        while let Some((key, value)) = fields.next_entry()? {
            object.insert(key, value);
        }
        Ok(Some(Value::Object(object)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<Value> {
        let mut rows = Vec::new();
        each_row(text.as_bytes(), &mut |row| rows.push(row.clone())).unwrap();
        rows
    }

    #[test]
    fn documents_of_every_shape() {
        for text in [
            r#"[{"a":1},{"a":2}]"#,
            r#"{"@odata.context":"x","value":[{"a":1},{"a":2}],"@odata.nextLink":"y"}"#,
            "{\"value\":[{\"a\":1}]}\n{\"value\":[{\"a\":2}]}\n",
        ] {
            assert_eq!(rows(text).len(), 2, "{text}");
        }
        assert_eq!(rows(r#"{"a":1,"value":"x"}"#).len(), 1);
    }

    #[test]
    fn shapes_and_columns() {
        let lines = sniff(b"{\"time\":1}\n{\"time\":2,\"b\":{\"c\":3}}\n").unwrap();
        assert_eq!(lines, (Shape::Lines, vec!["time".to_owned(), "b.c".to_owned()]));
        let cut = sniff(b"[{\"time\":1},{\"tim").unwrap();
        assert_eq!(cut, (Shape::Document, vec!["time".to_owned()]));
        assert_eq!(sniff(b"Date,x\n"), None);
        assert_eq!(sniff(b"{nonsense"), None);
    }

    #[test]
    fn a_row_without_end_is_an_error() {
        let endless = std::io::Cursor::new(b"[{\"a\":\"".to_vec()).chain(std::io::repeat(b'x'));
        assert!(each_row(endless, &mut |_| ()).is_err());
    }
}
