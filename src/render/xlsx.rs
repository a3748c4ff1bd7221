//! `report.xlsx`: the figures of the report as a workbook, for people who calculate on.
//!
//! | sheet | one row per |
//! |---|---|
//! | Summary | period, direction and TLS version, below what the report is about |
//! | Connectors | period, direction and connector |
//! | Daily | period, day, direction and connector |
//! | Insights | insight |
//! | Remote domains | period and remote domain |
//! | Sources | file |
//! | Rejects | file and reason |
//!
//! Invariants
//! * Figures are numbers, shares percentages, days dates. A share is [`report::share`], in
//!   tenths of a percent, so that it is what the sentences say and what a reader recomputes.
//! * Totals are values of the report, under the rows and apart from them: a filter or a sum
//!   over a column takes none of them in.
//! * Text is text, whatever it begins with: no cell holds a formula or a link.
//! * The same report gives the same bytes: the workbook is dated by the report.

mod reread;
mod sheet;
mod summary;

use chrono::{Datelike, NaiveDate};
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Workbook, XlsxError};

pub(super) use self::reread::totals;
pub(super) use self::sheet::MOST_ROWS;
use self::sheet::{Looks, Sheet, Value};
use super::RenderError;
use super::view::{self, SOURCE_COLUMNS, SourceColumn, View};
use super::words::Words;
use crate::report::{self, PeriodReport, Report};
use crate::trace::{ConnectorType, Direction, Tls, TlsCounts};

/// Place and column of the messages in the sheet of connectors, for whoever reads it again.
const MESSAGES: (usize, u16) = (1, 7);

/// Renders the workbook.
///
/// # Errors
/// [`RenderError`] when the language file is at fault or the workbook cannot be written.
pub(super) fn render(report: &Report) -> Result<Vec<u8>, RenderError> {
    let words = Words::of(&report.language)
        .ok_or_else(|| RenderError::Language(report.language.clone()))?;
    let book = Book { report, view: view::build(report)?, words, looks: Looks::new() };
    Ok(book.write()?)
}

/// What every sheet is written from.
struct Book<'a> {
    report: &'a Report,
    view: View,
    words: &'a Words,
    looks: Looks,
}

impl Book<'_> {
    fn write(&self) -> Result<Vec<u8>, XlsxError> {
        let mut workbook = Workbook::new();
        workbook.set_properties(&self.properties()?);
        let sheets = [
            ("xlsx.summary", Self::summary as fn(&Self, Sheet<'_>) -> _),
            ("xlsx.connectors", Self::connectors),
            ("xlsx.daily", Self::daily),
            ("xlsx.insights", Self::insights),
            ("xlsx.peers", Self::peers),
            ("xlsx.sources", Self::sources),
            ("xlsx.rejects", Self::rejects),
        ];
        // What a limited report does not tell has no sheet.
        let limited = !self.report.only.is_empty();
        let withheld = |name| limited && matches!(name, "xlsx.sources" | "xlsx.rejects");
        for (name, fill) in sheets.into_iter().filter(|(name, _)| !withheld(*name)) {
            let worksheet = workbook.add_worksheet();
            worksheet.set_name(self.words.text(name))?;
            fill(self, Sheet::new(worksheet, &self.looks))?;
        }
        workbook.save_to_buffer()
    }

    fn properties(&self) -> Result<DocProperties, XlsxError> {
        let generator = &self.report.generator;
        Ok(DocProperties::new()
            .set_title(&self.view.title)
            .set_subject(&self.view.footer)
            .set_company(&self.view.organisation)
            .set_author(format!("{} {}", generator.name, generator.version))
            .set_comment(&self.view.made_by)
            .set_creation_datetime(&date_of(self.report.as_of)?))
    }

    /// Each period with its name.
    fn periods(&self) -> impl Iterator<Item = (&PeriodReport, &view::PeriodView)> {
        self.report.periods.iter().zip(&self.view.periods)
    }

    fn direction<'b>(&self, direction: Direction) -> Value<'b> {
        Value::Word(self.words.text(&format!("direction.{}", direction.name())))
    }

    fn name<'b>(&self, connector: Option<&'b str>) -> Value<'b> {
        match connector {
            Some(name) if !self.report.is_other(name) => Value::Foreign(name),
            other => Value::Word(view::connector(self.report, self.words, other)),
        }
    }

    fn heads(&self, keys: &[&str]) -> Vec<String> {
        keys.iter().map(|key| self.words.text(key)).collect()
    }

    /// The heads of [`counts`].
    fn count_heads(&self) -> Vec<String> {
        let bands = Tls::ALL.map(|band| self.words.text(&format!("tls.{}", band.key())));
        let messages = self.words.text("column.messages");
        let share = self.words.text("xlsx.share_no_tls");
        std::iter::once(messages).chain(bands).chain([share]).collect()
    }

    fn connectors(&self, mut sheet: Sheet<'_>) -> Result<(), XlsxError> {
        let first = self.heads(&[
            "xlsx.period",
            "xlsx.from",
            "xlsx.to",
            "column.direction",
            "column.connector",
            "column.type",
            "column.forced_tls",
        ]);
        let last = self.heads(&["xlsx.previous"]);
        sheet.head(&[first, self.count_heads(), last].concat())?;
        for (period, view) in self.periods() {
            for part in &period.connectors {
                let kind = self.words.text(&format!("type.{}", part.connector_type.name()));
                let mut row = dates(period, view);
                row.extend([
                    self.direction(part.direction),
                    self.name(part.connector.as_deref()),
                    Value::Word(kind),
                    Value::Word(self.forced(part.connector_type, part.forced_tls)),
                ]);
                row.extend(counts(part.messages, &part.tls));
                row.push(
                    part.previous.map_or(Value::Empty, |before| Value::Count(before.messages)),
                );
                sheet.row(&row)?;
            }
        }
        for (period, view) in self.periods() {
            for total in &period.totals {
                let mut row = dates(period, view);
                row.extend([self.direction(total.direction), self.all(), Value::Empty]);
                row.push(Value::Empty);
                row.extend(counts(total.messages, &total.tls));
                row.push(
                    total.previous.map_or(Value::Empty, |before| Value::Count(before.messages)),
                );
                sheet.total(&row)?;
            }
        }
        sheet.finish(self.words)
    }

    fn forced(&self, kind: ConnectorType, forced: Option<bool>) -> String {
        match forced {
            Some(true) => self.words.text("yes_no.yes"),
            Some(false) => self.words.text("yes_no.no"),
            None if kind == ConnectorType::None => String::new(),
            None => self.words.text("yes_no.unknown"),
        }
    }

    fn all<'b>(&self) -> Value<'b> {
        Value::Word(self.words.text("connectors.total"))
    }

    fn daily(&self, mut sheet: Sheet<'_>) -> Result<(), XlsxError> {
        let first =
            self.heads(&["xlsx.period", "column.date", "column.direction", "column.connector"]);
        sheet.head(&[first, self.count_heads()].concat())?;
        for (period, view) in self.periods() {
            for day in &period.daily {
                let mut row = vec![
                    Value::Word(view.title.clone()),
                    Value::Date(day.date),
                    self.direction(day.direction),
                    self.name(day.connector.as_deref()),
                ];
                row.extend(counts(day.messages, &day.tls));
                sheet.row(&row)?;
            }
        }
        for (period, view) in self.periods() {
            for total in &period.totals {
                let direction = self.direction(total.direction);
                let title = Value::Word(view.title.clone());
                let mut row = vec![title, Value::Empty, direction, self.all()];
                row.extend(counts(total.messages, &total.tls));
                sheet.total(&row)?;
            }
        }
        sheet.finish(self.words)
    }

    fn insights(&self, mut sheet: Sheet<'_>) -> Result<(), XlsxError> {
        sheet.head(&self.heads(&[
            "xlsx.period",
            "xlsx.severity",
            "xlsx.rule",
            "column.direction",
            "column.connector",
            "xlsx.text",
            "xlsx.advice",
            "xlsx.numerator",
            "xlsx.denominator",
            "xlsx.share",
            "xlsx.limit",
            "xlsx.previous",
        ]))?;
        for (period, view) in self.periods() {
            for (insight, shown) in period.insights.iter().zip(&view.insights) {
                let connector = insight.direction.map(|_| self.name(insight.connector.as_deref()));
                let direction = insight.direction.map(|direction| self.direction(direction));
                // Days, hours and files are no messages, and not all are parts of a whole.
                let share = report::share(insight.messages, insight.of)
                    .filter(|_| insight.problem.is_none());
                sheet.row(&[
                    Value::Word(view.title.clone()),
                    Value::Word(shown.severity.clone()),
                    Value::Word(insight.rule.id().to_owned()),
                    direction.unwrap_or(Value::Empty),
                    connector.unwrap_or(Value::Empty),
                    Value::Sentence(self.words.grouped(&shown.text)),
                    Value::Sentence(self.words.grouped(&shown.advice)),
                    Value::Count(insight.messages),
                    Value::Count(insight.of),
                    share.map_or(Value::Empty, Value::Tenths),
                    insight.limit_percent.map_or(Value::Empty, Value::Percent),
                    insight.previous.map_or(Value::Empty, Value::Count),
                ])?;
            }
        }
        sheet.finish(self.words)
    }

    fn peers(&self, mut sheet: Sheet<'_>) -> Result<(), XlsxError> {
        let first = self.heads(&["xlsx.period", "column.direction", "column.peer"]);
        sheet.head(&[first, self.count_heads()].concat())?;
        for (period, view) in self.periods() {
            for peer in &period.peers {
                let mut row = vec![
                    Value::Word(view.title.clone()),
                    self.direction(peer.direction),
                    Value::Foreign(&peer.peer),
                ];
                row.extend(counts(peer.messages, &peer.tls));
                sheet.row(&row)?;
            }
            if let Some(other) = &period.other_peers {
                let name = self.words.count("peers.other", other.peers);
                let mut row =
                    vec![Value::Word(view.title.clone()), Value::Empty, Value::Word(name)];
                row.extend(counts(other.messages, &other.tls));
                sheet.row(&row)?;
            }
        }
        sheet.finish(self.words)
    }

    fn sources(&self, mut sheet: Sheet<'_>) -> Result<(), XlsxError> {
        let first = self.heads(&["column.file", "column.kind", "column.unit"]);
        let numbers: Vec<String> =
            source_numbers().map(|(key, _)| self.words.text(&format!("column.{key}"))).collect();
        let last = self.heads(&["column.sha256", "xlsx.first", "xlsx.last", "xlsx.notes"]);
        sheet.head(&[first, numbers, last].concat())?;
        for source in &self.report.sources {
            let mut row = vec![
                Value::Foreign(&source.file),
                Value::Word(source.kind.name().to_owned()),
                Value::Word(self.words.text(&format!("unit.{}", source.unit))),
            ];
            row.extend(source_numbers().map(|(_, number)| Value::Count(number(source))));
            row.extend([
                Value::Word(source.sha256.clone()),
                source.first.as_deref().map_or(Value::Empty, Value::Instant),
                source.last.as_deref().map_or(Value::Empty, Value::Instant),
                Value::Word(view::source_notes(source, self.words)),
            ]);
            sheet.row(&row)?;
        }
        let all = Value::Word(self.words.text("evidence.total"));
        let sum = |(_, number): SourceColumn| self.report.sources.iter().map(number).sum::<u64>();
        let mut row = vec![all, Value::Empty, Value::Empty];
        row.extend(source_numbers().map(|column| Value::Count(sum(column))));
        sheet.total(&row)?;
        sheet.finish(self.words)
    }

    fn rejects(&self, mut sheet: Sheet<'_>) -> Result<(), XlsxError> {
        sheet.head(&self.heads(&[
            "column.file",
            "column.line",
            "xlsx.code",
            "column.reason",
            "column.found",
            "column.count",
        ]))?;
        for reject in &self.report.rejects {
            sheet.row(&[
                Value::Foreign(&reject.file),
                reject.line.map_or(Value::Empty, Value::Count),
                Value::Word(reject.reason.clone()),
                Value::Word(self.words.text(&format!("reject.{}", reject.reason))),
                Value::Foreign(&reject.found),
                Value::Count(reject.count),
            ])?;
        }
        let all = Value::Word(self.words.text("evidence.reject_total"));
        let count = self.report.rejects.iter().map(|reject| reject.count).sum();
        let [none, nor, neither, blank] = [const { Value::Empty }; 4];
        sheet.total(&[all, none, nor, neither, blank, Value::Count(count)])?;
        sheet.finish(self.words)
    }
}

/// The number columns of the sources: the reconciliation law, then the length.
fn source_numbers() -> impl Iterator<Item = SourceColumn> {
    let bytes: SourceColumn = ("bytes", |source| source.bytes);
    SOURCE_COLUMNS.into_iter().chain([bytes])
}

fn dates<'a>(period: &PeriodReport, view: &view::PeriodView) -> Vec<Value<'a>> {
    vec![Value::Word(view.title.clone()), Value::Date(period.from), Value::Date(period.to)]
}

/// Messages, each band, and the share of No TLS.
fn counts<'a>(messages: u64, tls: &TlsCounts) -> Vec<Value<'a>> {
    let share = report::share(tls.no_tls, messages).map_or(Value::Empty, Value::Tenths);
    let bands = Tls::ALL.map(|band| Value::Count(tls.get(band)));
    std::iter::once(Value::Count(messages)).chain(bands).chain([share]).collect()
}

/// A day as the date of the workbook; 1970 for a day that spreadsheets do not know.
fn date_of(day: NaiveDate) -> Result<ExcelDateTime, XlsxError> {
    let parts = (u16::try_from(day.year()), u8::try_from(day.month()), u8::try_from(day.day()));
    match parts {
        (Ok(year), Ok(month), Ok(day)) => ExcelDateTime::from_ymd(year, month, day),
        _ => ExcelDateTime::from_timestamp(0),
    }
    .or_else(|_| ExcelDateTime::from_timestamp(0))
}
