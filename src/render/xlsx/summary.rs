//! The first sheet: what the report is about, then the totals of each period.

use rust_xlsxwriter::XlsxError;

use super::Book;
use super::sheet::{Sheet, Value};
use crate::report::{self, PeriodReport, Total};
use crate::trace::{Tls, TlsCounts};

impl Book<'_> {
    /// Fills the first sheet.
    pub(super) fn summary(&self, mut sheet: Sheet<'_>) -> Result<(), XlsxError> {
        sheet.line(&self.view.title, &self.looks.title)?;
        sheet.gap();
        for notice in &self.view.notices {
            sheet.line(&self.words.grouped(notice), &self.looks.notice)?;
        }
        if !self.view.notices.is_empty() {
            sheet.gap();
        }
        self.facts(&mut sheet)?;
        sheet.gap();
        sheet.head(&self.heads(&[
            "xlsx.period",
            "xlsx.from",
            "xlsx.to",
            "xlsx.hours",
            "column.direction",
            "xlsx.tls",
            "column.messages",
            "xlsx.share",
            "xlsx.previous",
        ]))?;
        for (period, view) in self.periods() {
            for total in &period.totals {
                self.direction_rows(&mut sheet, period, &view.title, total)?;
            }
        }
        for (_, view) in self.periods() {
            sheet.gap();
            let title = self.words.labelled(&view.title, &view.coverage_title);
            sheet.line(&title, &self.looks.label)?;
            for line in &view.coverage {
                sheet.line(&self.words.grouped(line), &self.looks.plain)?;
            }
        }
        sheet.widths()
    }

    fn facts(&self, sheet: &mut Sheet<'_>) -> Result<(), XlsxError> {
        let (report, words) = (self.report, self.words);
        let generator = &report.generator;
        sheet.fact(&words.text("xlsx.organisation"), &Value::Foreign(&report.organisation))?;
        sheet.fact(&words.text("xlsx.timezone"), &Value::Word(report.timezone.clone()))?;
        sheet.fact(&words.text("xlsx.as_of"), &Value::Date(report.as_of))?;
        if let Some(run) = &report.run {
            sheet.fact(&words.text("xlsx.schedule"), &Value::Foreign(&run.schedule))?;
            let nominal = Value::Word(run.nominal.replace('T', " "));
            sheet.fact(&words.text("xlsx.due"), &nominal)?;
            sheet.fact(&words.text("xlsx.revision"), &Value::Count(run.revision.into()))?;
        }
        if let Some(archive) = &report.archive {
            sheet.fact(&words.text("xlsx.filed"), &Value::Count(archive.seq))?;
        }
        let limits = &report.limits;
        sheet.fact(&words.text("xlsx.no_tls_limit"), &Value::Percent(limits.no_tls_percent))?;
        sheet.fact(&words.text("xlsx.tls1_0_limit"), &Value::Percent(limits.tls1_0_percent))?;
        sheet.fact(&words.text("xlsx.min_messages"), &Value::Count(limits.min_messages))?;
        let program = format!("{} {}", generator.name, generator.version);
        sheet.fact(&words.text("xlsx.program"), &Value::Word(program))?;
        sheet.fact(&words.text("xlsx.tzdb"), &Value::Word(generator.tzdb.clone()))
    }

    /// All messages of a direction, those that TLS protected, then each band.
    fn direction_rows(
        &self,
        sheet: &mut Sheet<'_>,
        period: &PeriodReport,
        title: &str,
        total: &Total,
    ) -> Result<(), XlsxError> {
        let row = |name: String, part: u64, before: Option<u64>| {
            [
                Value::Word(title.to_owned()),
                Value::Date(period.from),
                Value::Date(period.to),
                Value::Count(period.hours.unsigned_abs()),
                self.direction(total.direction),
                Value::Word(name),
                Value::Count(part),
                report::share(part, total.messages).map_or(Value::Empty, Value::Tenths),
                before.map_or(Value::Empty, Value::Count),
            ]
        };
        let before = total.previous.as_ref();
        let all = self.words.text("connectors.total");
        sheet.sum(&row(all, total.messages, before.map(|before| before.messages)))?;
        // Of unknown messages some may have been protected too.
        let key = if total.tls.unknown > 0 { "xlsx.protected_least" } else { "xlsx.protected" };
        let was = before.map(|before| protected(&before.tls));
        sheet.row(&row(self.words.text(key), protected(&total.tls), was))?;
        for band in Tls::ALL {
            let name = self.words.text(&format!("tls.{}", band.key()));
            let was = before.map(|before| before.tls.get(band));
            sheet.row(&row(name, total.tls.get(band), was))?;
        }
        Ok(())
    }
}

fn protected(tls: &TlsCounts) -> u64 {
    tls.total() - tls.no_tls - tls.unknown
}
