//! `report.json`: the report as it is.

use serde::Serialize;

use crate::report::Report;

/// The report as indented JSON with a newline at the end.
pub fn render(report: &Report) -> Vec<u8> {
    pretty(report)
}

/// Anything as indented JSON with a newline at the end.
pub fn pretty(value: &impl Serialize) -> Vec<u8> {
    // Plain structs with text keys cannot fail to serialise.
    let mut bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}
