//! `report.json`: the report as it is.

use std::io::Write;

use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter};

use super::visible;
use crate::report::Report;

/// The report as indented JSON with a newline at the end.
pub fn render(report: &Report) -> Vec<u8> {
    pretty(report)
}

/// Anything as indented JSON with a newline at the end.
pub fn pretty(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut out = serde_json::Serializer::with_formatter(&mut bytes, Plain::default());
    // Plain structs with text keys cannot fail to serialise.
    drop(value.serialize(&mut out));
    bytes.push(b'\n');
    bytes
}

/// Indented, and with an escape for each character that would steer a terminal, hide, or turn
/// the writing direction: the text is the same for whoever parses it.
#[derive(Default)]
struct Plain(PrettyFormatter<'static>);

impl Formatter for Plain {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> std::io::Result<()> {
        let mut rest = fragment;
        while let Some((at, letter)) = rest.char_indices().find(|(_, c)| visible(*c) != *c) {
            let (before, after) = rest.split_at(at);
            // All of them are of the first plane.
            write!(writer, "{before}\\u{:04x}", u32::from(letter))?;
            rest = after.strip_prefix(letter).unwrap_or_default();
        }
        writer.write_all(rest.as_bytes())
    }

    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        self.0.end_object_value(writer)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_steers_a_terminal_is_escaped_and_read_again_as_it_was() {
        let text = "a\u{9b}31m\u{7f}\u{202e}b\u{1b}[0m\u{200b}é\u{2028}";
        let value = serde_json::json!({ text: [text, 1, null, {}] });
        let bytes = super::pretty(&value);
        let shown = String::from_utf8(bytes.clone()).unwrap();
        assert!(shown.chars().all(|c| c == '\n' || super::visible(c) == c), "{shown:?}");
        assert!(shown.contains("a\\u009b31m\\u007f\\u202eb\\u001b[0m\\u200bé\\u2028"), "{shown}");
        let read: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(read, value);
        let usual = serde_json::json!({ "a": [1, {"b": "é"}, []], "c": {} });
        let expected = serde_json::to_string_pretty(&usual).unwrap() + "\n";
        assert_eq!(String::from_utf8(super::pretty(&usual)).unwrap(), expected);
    }
}
