//! The short table on stdout after `report`.

use super::RenderError;
use super::view::{self, View};
use super::words::Words;
use crate::report::Report;

/// The summary of a report as plain text.
///
/// # Errors
/// [`RenderError::Language`] when there are no words in the report's language.
pub fn render(report: &Report) -> Result<String, RenderError> {
    let view = view::build(report)?;
    let words = Words::of(&report.language)
        .ok_or_else(|| RenderError::Language(report.language.clone()))?;
    Ok(words.grouped(&text(&view, words)))
}

fn text(view: &View, words: &Words) -> String {
    let mut out = String::new();
    for period in &view.periods {
        out.push_str(&format!("{}\n", period.line));
        let table: Vec<Vec<String>> = std::iter::once(period.totals.head())
            .chain(period.totals.rows.iter().map(view::Row::texts))
            .collect();
        out.push_str(&aligned(&table));
        for insight in &period.insights {
            out.push_str(&format!("  {}\n", words.labelled(&insight.head, &insight.text)));
        }
        out.push('\n');
    }
    if let Some(folded) = &view.folded {
        out.push_str(&format!("{folded}\n\n"));
    }
    out
}

/// Columns padded to their widest cell; the first to the left, numbers to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let pad = |index: usize, cell: &str, padding: &str| {
        if index == 0 { format!(" {cell}{padding} ") } else { format!(" {padding}{cell} ") }
    };
    columns(rows, pad).lines().map(|line| format!(" {line}\n")).collect()
}

/// Rows of a table for a terminal; `pad` puts a cell and its padding together.
pub fn columns(rows: &[Vec<String>], pad: impl Fn(usize, &str, &str) -> String) -> String {
    let shown = |cell: &str| cell.chars().count();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|c| shown(c)).max())
        .map(|widest| widest.unwrap_or(0))
        .collect();
    let mut out = String::new();
    for row in rows {
        for (index, (cell, width)) in row.iter().zip(&widths).enumerate() {
            out.push_str(&pad(index, cell, &" ".repeat(width - shown(cell))));
        }
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
    }
    out
}
