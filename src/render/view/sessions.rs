//! TLS reports of other organisations, as a reader sees them.

use super::{Cell, PartView, Row, Table, cell, column, time};
use crate::render::clean;
use crate::render::words::{Words, number};
use crate::report::Report;

/// Organisations and reasons that are listed.
const MOST_LISTED: usize = 30;

/// Builds the part on TLS reports; none without such reports.
pub(super) fn sessions(report: &Report, words: &Words) -> Option<PartView> {
    let found = report.tls_rpt.as_ref()?;
    let reports = number(found.reports);
    let mut lines = vec![words.text("tls_rpt.about")];
    let span = found.first.as_deref().map(time).zip(found.last.as_deref().map(time));
    lines.push(match &span {
        Some((first, last)) => words.fill(
            "tls_rpt.sum",
            &[
                ("reports", &reports),
                ("first", first),
                ("last", last),
                ("successful", &number(found.successful)),
                ("failed", &number(found.failed)),
            ],
        ),
        None => words.text("tls_rpt.none"),
    });
    if found.duplicates > 0 {
        let places = [
            ("copies", &*number(found.duplicates)),
            ("contradictions", &*number(found.contradictions)),
        ];
        lines.push(words.fill("tls_rpt.duplicates", &places));
    }
    let policies = found.policies.iter().map(|each| {
        let name = if each.policy.is_empty() { "–" } else { &each.policy };
        (clean(name), vec![each.successful, each.failed])
    });
    let mut worst: Vec<_> = found.failures.iter().collect();
    worst.sort_by_key(|each| (std::cmp::Reverse(each.sessions), &each.reason));
    let failures = worst.into_iter().map(|each| {
        let name = if each.reason.is_empty() { "–" } else { &each.reason };
        (clean(name), vec![each.sessions])
    });
    let mut senders: Vec<_> = found.organisations.iter().collect();
    senders.sort_by_key(|each| (std::cmp::Reverse(each.failed), &each.organisation));
    let senders = senders
        .into_iter()
        .map(|each| (clean(&each.organisation), vec![each.reports, each.successful, each.failed]));
    let outcome = ["successful", "failed"];
    let tables = [
        table(words, "policies", &outcome, &policies.collect::<Vec<_>>()),
        table(words, "failures", &["sessions"], &failures.collect::<Vec<_>>()),
        table(words, "senders", &["reports", "successful", "failed"], &senders.collect::<Vec<_>>()),
    ];
    let tables = tables.into_iter().filter(|table| !table.rows.is_empty()).collect();
    Some(PartView { title: words.text("tls_rpt.title"), lines, tables })
}

/// A table of names and numbers; what does not fit is one last row with its sums.
fn table(words: &Words, key: &str, heads: &[&str], rows: &[(String, Vec<u64>)]) -> Table {
    let text = |key: &str| words.text(&format!("tls_rpt.{key}"));
    let mut columns = vec![column(text(&format!("{key}_head")), false)];
    columns.extend(heads.iter().map(|head| column(text(head), true)));
    let cells = |name: String, numbers: &[u64]| -> Vec<Cell> {
        std::iter::once(cell(name)).chain(numbers.iter().map(|each| cell(number(*each)))).collect()
    };
    let mut shown: Vec<Row> = rows
        .iter()
        .take(MOST_LISTED)
        .map(|(name, numbers)| Row { cells: cells(name.clone(), numbers), total: false })
        .collect();
    let rest = rows.get(MOST_LISTED..).unwrap_or_default();
    if !rest.is_empty() {
        let sums: Vec<u64> = (0..heads.len())
            .map(|at| rest.iter().filter_map(|(_, numbers)| numbers.get(at)).sum())
            .collect();
        let count = number(rest.len() as u64);
        let name = words.fill("tls_rpt.others", &[("count", &count)]);
        shown.push(Row { cells: cells(name, &sums), total: false });
    }
    Table { caption: text(&format!("{key}_caption")), columns, rows: shown }
}
