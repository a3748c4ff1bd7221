//! The report as a reader sees it: every sentence and table, once, for HTML and PDF alike.
//!
//! Numbers are formatted here and nowhere else; see [`words::GROUP`](super::words::GROUP).

mod evidence;
mod period;
mod sessions;

use chrono::DateTime;
use serde::Serialize;

pub(super) use self::evidence::{SOURCE_COLUMNS, SourceColumn, source_notes};
use self::period::Builder;
pub(super) use self::period::{MOST_INSIGHTS, foremost, more_insights, round_up};
use super::words::{Words, number};
use super::{RenderError, clean};
use crate::report::Report;

/// A whole report.
#[derive(Debug, Serialize)]
pub(super) struct View {
    pub language: String,
    pub title: String,
    /// Title with the organisation, for a window or a list of documents.
    pub heading: String,
    pub question: String,
    pub organisation: String,
    pub about: String,
    /// What stands above everything else: a revision, missing traces, a limit.
    pub notices: Vec<String>,
    /// That connectors are counted together; it is among the notices, too.
    pub folded: Option<String>,
    pub made_by: String,
    pub footer: String,
    pub periods: Vec<PeriodView>,
    /// TLS reports of other organisations.
    pub tls_rpt: Option<PartView>,
    pub evidence: EvidenceView,
}

/// Sentences and tables under a title.
#[derive(Debug, Serialize)]
pub(super) struct PartView {
    pub title: String,
    pub lines: Vec<String>,
    pub tables: Vec<Table>,
}

/// One period.
#[derive(Debug, Serialize)]
pub(super) struct PeriodView {
    pub id: String,
    pub title: String,
    pub dates: String,
    /// Title and dates in one line.
    pub line: String,
    pub cards: Vec<Card>,
    pub split_title: String,
    pub totals: Table,
    pub splits: Vec<Split>,
    pub chart: Chart,
    pub insights_title: String,
    pub no_insights: String,
    pub insights: Vec<InsightView>,
    /// Which of them a reader is shown, in that order.
    pub foremost: Vec<usize>,
    /// How many are not, and where all are; empty where all are shown.
    pub more_insights: String,
    pub connectors_title: String,
    pub connectors: Vec<Table>,
    pub peers_title: String,
    pub no_peers: String,
    pub peers: Option<Table>,
    pub coverage_title: String,
    pub coverage: Vec<String>,
    pub coverage_tables: Vec<Table>,
}

/// The widget: one direction in short.
#[derive(Debug, Serialize)]
pub(super) struct Card {
    pub direction: String,
    pub messages: String,
    pub unit: String,
    pub share: String,
    pub share_of: String,
    pub lines: Vec<String>,
}

/// The bands of one direction as parts of a bar.
#[derive(Debug, Serialize)]
pub(super) struct Split {
    pub label: String,
    pub alt: String,
    pub parts: Vec<Part>,
}

/// One band: its messages and its share in tenths of a percent.
#[derive(Debug, Serialize)]
pub(super) struct Part {
    pub key: &'static str,
    pub name: String,
    pub tenths: u32,
    pub share: String,
    /// What a pointer shows.
    pub tip: String,
}

/// Messages per day and band, both directions.
#[derive(Debug, Serialize)]
pub(super) struct Chart {
    pub title: String,
    pub caption: String,
    pub alt: String,
    /// Name of each direction, in the order of the panels.
    pub panels: Vec<String>,
    pub days: Vec<ChartDay>,
    /// A round number at or above the highest day.
    pub top: u64,
    pub top_text: String,
    /// Bands that occur, for the legend.
    pub legend: Vec<Part>,
}

/// One day of the chart.
#[derive(Debug, Serialize)]
pub(super) struct ChartDay {
    pub date: String,
    pub short: String,
    /// Per panel: the messages of each band that occurs, from the ground up.
    pub panels: Vec<Vec<(&'static str, u64)>>,
    /// Per panel: what a pointer shows.
    pub texts: Vec<String>,
}

/// One insight.
#[derive(Debug, Serialize)]
pub(super) struct InsightView {
    pub level: &'static str,
    pub severity: String,
    pub place: String,
    /// Severity and place in one line.
    pub head: String,
    pub text: String,
    pub advice: String,
}

/// What an auditor needs.
#[derive(Debug, Serialize)]
pub(super) struct EvidenceView {
    pub title: String,
    pub sources_title: String,
    pub sources: Table,
    pub law: String,
    pub hashes_title: String,
    pub hashes: Table,
    pub rejects_title: String,
    pub rejects: Option<Table>,
    pub no_rejects: String,
    pub notes: Vec<String>,
    /// Where the report is filed, and whether that is signed.
    pub filed: Vec<String>,
    pub changes_title: String,
    pub changes: Option<Table>,
}

/// A table.
#[derive(Debug, Serialize)]
pub(super) struct Table {
    pub caption: String,
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
}

/// One column.
#[derive(Debug, Serialize)]
pub(super) struct Column {
    pub head: String,
    /// Numbers stand to the right.
    pub numeric: bool,
    /// The band that the column counts.
    pub band: Option<&'static str>,
}

/// One row.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub cells: Vec<Cell>,
    /// A sum of the others.
    pub total: bool,
}

/// One cell: a text, and under it a smaller one.
#[derive(Debug, Default, Serialize)]
pub(super) struct Cell {
    pub text: String,
    pub sub: String,
}

impl Table {
    /// The heads as texts.
    pub(super) fn head(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.head.clone()).collect()
    }
}

impl Row {
    /// The cells as texts.
    pub(super) fn texts(&self) -> Vec<String> {
        let text = |cell: &Cell| match cell.sub.as_str() {
            "" => cell.text.clone(),
            sub => format!("{} ({sub})", cell.text),
        };
        self.cells.iter().map(text).collect()
    }
}

/// Builds the view of a report in its language.
///
/// # Errors
/// [`RenderError::Language`] when there are no words in it.
pub(super) fn build(report: &Report) -> Result<View, RenderError> {
    let words = Words::of(&report.language)
        .ok_or_else(|| RenderError::Language(report.language.clone()))?;
    let organisation = clean(&report.organisation);
    let from = report.periods.iter().map(|period| period.from).min().unwrap_or(report.as_of);
    let to = report.periods.iter().map(|period| period.to).max().unwrap_or(report.as_of);
    let dates = words.fill("date.range", &[("from", &words.date(from)), ("to", &words.date(to))]);
    let generator = &report.generator;
    let title = words.text("report.title");
    Ok(View {
        language: report.language.clone(),
        heading: match organisation.as_str() {
            "" => title.clone(),
            organisation => words.labelled(&title, organisation),
        },
        title,
        question: words.text("report.question"),
        about: about(report, &organisation, words),
        notices: notices(report, words),
        folded: folded(report, words),
        made_by: words.fill(
            "report.made_by",
            &[
                ("name", &generator.name),
                ("version", &generator.version),
                ("tzdb", &generator.tzdb),
            ],
        ),
        footer: words.fill("report.footer", &[("organisation", &organisation), ("dates", &dates)]),
        organisation,
        periods: report
            .periods
            .iter()
            .map(|period| Builder { report, words, period }.build())
            .collect(),
        tls_rpt: sessions::sessions(report, words),
        evidence: evidence::evidence(report, words),
    })
}

fn about(report: &Report, organisation: &str, words: &Words) -> String {
    let mut about = words.fill(
        "report.about",
        &[
            ("organisation", organisation),
            ("timezone", &report.timezone),
            ("as_of", &words.date(report.as_of)),
        ],
    );
    if let Some(run) = &report.run {
        let nominal = run.nominal.replace('T', " ");
        let places = [("schedule", run.schedule.as_str()), ("nominal", &nominal)];
        about.push_str(&words.fill("report.run", &places));
    }
    about
}

/// What a reader must know before any number.
fn notices(report: &Report, words: &Words) -> Vec<String> {
    let mut notices = Vec::new();
    if let Some(run) = report.run.as_ref().filter(|run| run.revision > 1) {
        let revision = run.revision.to_string();
        notices.push(words.fill("notice.revision", &[("n", &revision)]));
    }
    if !report.only.is_empty() {
        let names: Vec<String> = report.only.iter().map(|name| clean(name)).collect();
        notices.push(words.fill("notice.only", &[("connectors", &words.list(&names))]));
    }
    if let Some(incomplete) = &report.incomplete {
        let needed = time(&incomplete.needed);
        notices.push(match &incomplete.newest {
            Some(newest) => {
                words.fill("notice.incomplete", &[("newest", &time(newest)), ("needed", &needed)])
            }
            None => words.fill("notice.no_rows", &[("needed", &needed)]),
        });
    }
    notices.extend(folded(report, words));
    notices
}

/// That there are too many connectors to be told apart.
fn folded(report: &Report, words: &Words) -> Option<String> {
    let folded = report.folded.as_ref()?;
    let (limit, n) = (number(folded.limit), number(folded.connectors));
    let places = [("limit", limit), ("n", n), ("other", words.text("connector.other"))];
    let places = places.each_ref().map(|(name, value)| (*name, value.as_str()));
    Some(words.fill("notice.folded", &places))
}

/// A connector's name for a reader.
pub(super) fn connector(report: &Report, words: &Words, name: Option<&str>) -> String {
    match name {
        None => words.text("connector.none"),
        Some(name) if report.is_other(name) => words.text("connector.other"),
        Some(name) => clean(name),
    }
}

fn cell(text: impl Into<String>) -> Cell {
    Cell { text: text.into(), sub: String::new() }
}

fn column(head: String, numeric: bool) -> Column {
    Column { head, numeric, band: None }
}

/// An instant of the report for people: `2026-11-09 08:00 UTC`.
fn time(instant: &str) -> String {
    DateTime::parse_from_rfc3339(instant)
        .map_or_else(|_| instant.to_owned(), |time| time.format("%Y-%m-%d %H:%M UTC").to_string())
}
