//! The short table on stdout after `report`.

use super::view::{self, View};
use super::words::Words;
use super::{RenderError, clean};
use crate::report::Report;

/// The summary of a report as plain text.
///
/// # Errors
/// [`RenderError::Language`] when there are no words in the report's language.
pub fn render(report: &Report) -> Result<String, RenderError> {
    let view = view::build(report)?;
    let words = Words::of(&report.language)
        .ok_or_else(|| RenderError::Language(report.language.clone()))?;
    Ok(words.grouped(&text(&view)))
}

fn text(view: &View) -> String {
    let mut out = String::new();
    for period in &view.periods {
        out.push_str(&format!("{}, {}\n", period.title, period.dates));
        let table: Vec<Vec<String>> = std::iter::once(period.totals.head())
            .chain(period.totals.rows.iter().map(view::Row::texts))
            .collect();
        out.push_str(&aligned(&table));
        for insight in &period.insights {
            out.push_str(&format!(
                "  {}: {}{}\n",
                insight.severity,
                if insight.place.is_empty() {
                    String::new()
                } else {
                    format!("{}: ", clean(&insight.place))
                },
                insight.text
            ));
        }
        out.push('\n');
    }
    out
}

/// Columns padded to their widest cell; the first to the left, numbers to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let shown = |cell: &str| cell.chars().count();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|c| shown(c)).max())
        .map(|widest| widest.unwrap_or(0))
        .collect();
    let mut out = String::new();
    for row in rows {
        out.push(' ');
        for (index, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let padding = " ".repeat(width - shown(cell));
            let padded =
                if index == 0 { format!("{cell}{padding}") } else { format!("{padding}{cell}") };
            out.push_str(&format!(" {padded} "));
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    out
}
