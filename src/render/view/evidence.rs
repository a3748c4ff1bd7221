//! What an auditor needs, as a reader sees it.

use super::{Cell, Column, EvidenceView, Row, Table, cell, column, time};
use crate::render::clean;
use crate::render::words::{Words, number};
use crate::report::{self, Report, SourceReport};

/// Builds the evidence part.
pub(super) fn evidence(report: &Report, words: &Words) -> EvidenceView {
    let limits = &report.limits;
    // Of files that hold other readers' connectors too, such a report says nothing.
    let whole = report.only.is_empty();
    let mut notes = Vec::new();
    if whole {
        notes.push(words.text("evidence.reconciled"));
    }
    notes.push(words.fill(
        "evidence.limits",
        &[
            ("no_tls", &words.whole_percent(limits.no_tls_percent)),
            ("tls1_0", &words.whole_percent(limits.tls1_0_percent)),
            ("min", &number(limits.min_messages)),
        ],
    ));
    notes.push(words.text("evidence.recompute"));
    notes.push(words.fill("evidence.awk", &[("command", RECOMPUTE)]));
    if !report.skipped.is_empty() {
        let files: Vec<String> = report.skipped.iter().map(|file| clean(file)).collect();
        notes.push(words.fill("evidence.skipped", &[("files", &words.list(&files))]));
    }
    EvidenceView {
        title: words.text("evidence.title"),
        sources_title: words.text("evidence.sources"),
        sources: sources(report, words),
        law: words.text(if whole { "evidence.law" } else { "evidence.withheld" }),
        hashes_title: words.text("evidence.hashes"),
        hashes: hashes(report, words),
        rejects_title: words.text("evidence.rejects"),
        rejects: rejects(report, words),
        no_rejects: words.text(if whole {
            "evidence.no_rejects"
        } else {
            "evidence.rejects_withheld"
        }),
        notes,
        filed: filed(report, words),
        changes_title: words.text("evidence.changes"),
        changes: changes(report, words),
    }
}

/// Recomputes the totals from connectors.csv with a stock tool. Names may hold commas, so
/// fields are counted from the right: `messages` is the ninth from the end.
pub(super) const RECOMPUTE: &str =
    "awk -F, 'NR>1 {n[$1\" \"$4]+=$(NF-8)} END {for (k in n) print k, n[k]}' connectors.csv";

/// Where the report is filed, and what changed since the one before.
fn filed(report: &Report, words: &Words) -> Vec<String> {
    let Some(archive) = &report.archive else { return Vec::new() };
    let seq = format!("{:06}", archive.seq);
    let mut lines = vec![match &archive.previous_head {
        Some(head) => words.fill("evidence.filed", &[("seq", &seq), ("head", head)]),
        None => words.fill("evidence.filed_first", &[("seq", &seq)]),
    }];
    lines.push(match &archive.signed_by {
        Some(key) => words.fill("evidence.signed", &[("key", key)]),
        None => words.text("evidence.unsigned"),
    });
    match &archive.changes {
        None => lines.push(words.text("evidence.changes_unknown")),
        Some(changes) if changes.is_empty() => lines.push(words.text("evidence.no_changes")),
        Some(_) => {}
    }
    lines
}

fn changes(report: &Report, words: &Words) -> Option<Table> {
    let changes = report.archive.as_ref()?.changes.as_ref()?;
    if changes.is_empty() {
        return None;
    }
    let columns =
        ["key", "before", "after"].map(|key| column(words.text(&format!("column.{key}")), false));
    let rows = changes.iter().map(|change| {
        let value = |value: &Option<String>| cell(clean(value.as_deref().unwrap_or("")));
        let cells = vec![cell(clean(&change.key)), value(&change.before), value(&change.after)];
        Row { cells, total: false }
    });
    let caption = words.text("evidence.changes");
    Some(Table { caption, columns: columns.into(), rows: rows.collect() })
}

/// What each column of the source table shows, in the order of the reconciliation law.
pub(in crate::render) type SourceColumn = (&'static str, fn(&SourceReport) -> u64);
pub(in crate::render) const SOURCE_COLUMNS: [SourceColumn; 7] = [
    ("rows", |source| source.rows),
    ("counted", |source| source.counted),
    ("merged", |source| source.merged),
    ("duplicates", |source| source.duplicates),
    ("internal", |source| source.internal),
    ("outside_period", |source| source.outside_period),
    ("rejected", |source| source.rejected),
];

/// What a reader should know about a file, in words.
pub(in crate::render) fn source_notes(source: &SourceReport, words: &Words) -> String {
    let known = source.tls_known.filter(|known| source.kind.is_log() || *known < source.counted);
    let known = known.and_then(|known| {
        let share = words.percent(report::share(known, source.counted)?);
        let (known, counted) = (number(known), number(source.counted));
        let places = [("share", &*share), ("known", &*known), ("counted", &*counted)];
        Some(words.fill("evidence.tls_known", &places))
    });
    let notes = source.notes.iter().map(|note| words.text(&format!("note.{note}")));
    words.join("semicolon", &notes.chain(known).collect::<Vec<String>>())
}

fn sources(report: &Report, words: &Words) -> Table {
    let mut columns: Vec<Column> =
        ["file", "kind"].map(|key| column(words.text(&format!("column.{key}")), false)).into();
    columns.extend(
        SOURCE_COLUMNS.iter().map(|(key, _)| column(words.text(&format!("column.{key}")), true)),
    );
    let mut rows: Vec<Row> = report
        .sources
        .iter()
        .map(|source| {
            let notes = source_notes(source, words);
            let kind = Cell { text: source.kind.name().to_owned(), sub: notes };
            let unit = words.text(&format!("unit.{}", source.unit));
            let file = Cell { text: clean(&source.file), sub: unit };
            let counts = SOURCE_COLUMNS.iter().map(|(_, value)| cell(number(value(source))));
            Row { cells: [file, kind].into_iter().chain(counts).collect(), total: false }
        })
        .collect();
    let sums = SOURCE_COLUMNS
        .iter()
        .map(|(_, value)| cell(number(report.sources.iter().map(value).sum())));
    if !rows.is_empty() {
        let first = [cell(words.text("evidence.total")), Cell::default()];
        rows.push(Row { cells: first.into_iter().chain(sums).collect(), total: true });
    }
    Table { caption: words.text("evidence.sources_caption"), columns, rows }
}

fn hashes(report: &Report, words: &Words) -> Table {
    let columns = [("file", false), ("sha256", false), ("bytes", true), ("span", false)]
        .map(|(key, numeric)| column(words.text(&format!("column.{key}")), numeric));
    let rows = report.sources.iter().map(|source| {
        let first = source.first.as_deref().map(time).unwrap_or_default();
        let last = source.last.as_deref().map(time).unwrap_or_default();
        Row {
            cells: vec![
                cell(clean(&source.file)),
                cell(source.sha256.clone()),
                cell(number(source.bytes)),
                Cell { text: first, sub: last },
            ],
            total: false,
        }
    });
    Table { caption: words.text("evidence.hashes"), columns: columns.into(), rows: rows.collect() }
}

fn rejects(report: &Report, words: &Words) -> Option<Table> {
    if report.rejects.is_empty() {
        return None;
    }
    let columns =
        [("file", false), ("line", true), ("reason", false), ("found", false), ("count", true)]
            .map(|(key, numeric)| column(words.text(&format!("column.{key}")), numeric));
    let rows = report.rejects.iter().map(|reject| Row {
        cells: vec![
            cell(clean(&reject.file)),
            cell(reject.line.map_or_else(String::new, number)),
            cell(words.text(&format!("reject.{}", reject.reason))),
            cell(clean(&reject.found)),
            cell(number(reject.count)),
        ],
        total: false,
    });
    Some(Table {
        caption: words.text("evidence.rejects"),
        columns: columns.into(),
        rows: rows.collect(),
    })
}
