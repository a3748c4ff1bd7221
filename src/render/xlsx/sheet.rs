//! One sheet: a head, rows under it, totals apart from them.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
use rust_xlsxwriter::{Color, Format, FormatAlign, FormatBorder, Worksheet, XlsxError};

use crate::render::visible;
use crate::render::words::{Words, number};

/// Rows of a sheet, as the format allows.
const MAX_ROWS: u32 = 1_048_576;
/// Rows kept for totals and notes.
const KEPT: u32 = 4096;
/// Most rows under a head that is the first row.
pub(in crate::render) const MOST_ROWS: usize = (MAX_ROWS - KEPT) as usize - 1;
/// Longest text of a cell in UTF-16 units is 32,767, one of which [`text`] may need.
const MAX_TEXT: usize = 32_766;
/// Spreadsheets keep 15 digits of a number.
const MAX_NUMBER: u64 = 999_999_999_999_999;
/// Paper size A4.
const A4: u8 = 9;

/// What stands in a cell.
#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    Empty,
    /// Words of our own.
    Word(String),
    /// Words of our own that take more than one line.
    Sentence(String),
    /// Text from a trace or the settings.
    Foreign(&'a str),
    Count(u64),
    /// A share in tenths of a percent.
    Tenths(u32),
    /// A whole percentage.
    Percent(u32),
    Date(NaiveDate),
    /// An instant of the report, UTC.
    Instant(&'a str),
}

/// How cells look.
pub(super) struct Looks {
    pub(super) title: Format,
    pub(super) notice: Format,
    pub(super) label: Format,
    pub(super) plain: Format,
    head: Format,
    row: Look,
    total: Look,
}

/// How the cells of one kind of row look.
struct Look {
    word: Format,
    sentence: Format,
    foreign: Format,
    count: Format,
    tenths: Format,
    percent: Format,
    date: Format,
    instant: Format,
}

impl Looks {
    pub(super) fn new() -> Self {
        let bold = Format::new().set_bold();
        let head = bold.clone().set_text_wrap().set_align(FormatAlign::Top);
        let total = bold.clone().set_align(FormatAlign::Top).set_border_top(FormatBorder::Thin);
        Self {
            title: bold.clone().set_font_size(14),
            notice: bold.clone().set_font_color(Color::RGB(0x9C_00_06)),
            label: bold,
            plain: Format::new(),
            head: head
                .set_background_color(Color::RGB(0xF2_F2_F2))
                .set_border_bottom(FormatBorder::Thin),
            row: Look::of(&Format::new().set_align(FormatAlign::Top)),
            total: Look::of(&total),
        }
    }
}

impl Look {
    fn of(base: &Format) -> Self {
        let number = |format: &str| base.clone().set_num_format(format);
        Self {
            word: base.clone(),
            sentence: base.clone().set_text_wrap(),
            // Stays text even when somebody edits the cell.
            foreign: base.clone().set_quote_prefix(),
            count: number("#,##0"),
            tenths: number("0.0%"),
            percent: number("0%"),
            date: number("yyyy\\-mm\\-dd"),
            instant: number("yyyy\\-mm\\-dd hh:mm:ss"),
        }
    }
}

/// A sheet that is being written from the top down.
pub(super) struct Sheet<'a> {
    worksheet: &'a mut Worksheet,
    looks: &'a Looks,
    /// The row that is written next.
    next: u32,
    /// The row of the head, and the last row under it.
    head: u32,
    last: u32,
    /// Widest cell of each column, in characters.
    widths: Vec<usize>,
    /// Rows that a sheet can hold, without what is kept for totals.
    room: u32,
    /// Rows for which there was no room.
    left_out: u64,
    totals: bool,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(worksheet: &'a mut Worksheet, looks: &'a Looks) -> Self {
        worksheet.set_landscape().set_paper_size(A4).set_print_fit_to_pages(1, 0);
        worksheet.set_footer("&C&P / &N");
        Self {
            worksheet,
            looks,
            next: 0,
            head: 0,
            last: 0,
            widths: Vec::new(),
            room: MAX_ROWS - KEPT,
            left_out: 0,
            totals: false,
        }
    }

    /// A line above or below the table: it may run over the cells beside it.
    pub(super) fn line(&mut self, line: &str, look: &Format) -> Result<(), XlsxError> {
        self.worksheet.write_string_with_format(self.next, 0, text(line), look)?;
        self.next += 1;
        Ok(())
    }

    /// A label and what it is about.
    pub(super) fn fact(&mut self, label: &str, value: &Value<'_>) -> Result<(), XlsxError> {
        self.worksheet.write_string_with_format(self.next, 0, text(label), &self.looks.label)?;
        self.widen(0, label.chars().count());
        self.put(1, value, &self.looks.row)?;
        self.next += 1;
        Ok(())
    }

    /// Leaves a row empty.
    pub(super) fn gap(&mut self) {
        self.next += 1;
    }

    /// The heads of the table.
    pub(super) fn head(&mut self, heads: &[String]) -> Result<(), XlsxError> {
        for (column, head) in (0..).zip(heads) {
            let text = text(head);
            self.worksheet.write_string_with_format(self.next, column, text, &self.looks.head)?;
            // A long head takes two lines; the button of the filter needs room too.
            let longest = head.split(' ').map(|word| word.chars().count()).max().unwrap_or(0);
            let half = head.chars().count().div_ceil(2);
            self.widen(column, longest.max(half) + 3);
        }
        (self.head, self.last) = (self.next, self.next);
        self.next += 1;
        Ok(())
    }

    /// A row of the table.
    pub(super) fn row(&mut self, values: &[Value<'_>]) -> Result<(), XlsxError> {
        if self.next >= self.room {
            self.left_out += 1;
            return Ok(());
        }
        self.last = self.next;
        self.cells(values, &self.looks.row)
    }

    /// A row of the table that sums up the ones after it.
    pub(super) fn sum(&mut self, values: &[Value<'_>]) -> Result<(), XlsxError> {
        self.last = self.next;
        self.cells(values, &self.looks.total)
    }

    /// A row of totals under the table; an empty row keeps filters and sums away from it.
    pub(super) fn total(&mut self, values: &[Value<'_>]) -> Result<(), XlsxError> {
        if !self.totals {
            self.totals = true;
            self.gap();
        }
        self.cells(values, &self.looks.total)
    }

    fn cells(&mut self, values: &[Value<'_>], look: &Look) -> Result<(), XlsxError> {
        for (column, value) in (0..).zip(values) {
            let width = self.put(column, value, look)?;
            self.widen(column, width);
        }
        self.next += 1;
        Ok(())
    }

    /// Writes a cell of the next row and says how many characters it shows.
    fn put(&mut self, column: u16, value: &Value<'_>, look: &Look) -> Result<usize, XlsxError> {
        let (sheet, row) = (&mut *self.worksheet, self.next);
        let (figure, look) = match value {
            Value::Empty => return Ok(0),
            Value::Word(word) => (Err(text(word)), &look.word),
            Value::Sentence(sentence) => (Err(text(sentence)), &look.sentence),
            Value::Foreign(foreign) => (Err(text(foreign)), &look.foreign),
            Value::Count(count) => (figure(*count).ok_or_else(|| count.to_string()), &look.count),
            Value::Tenths(tenths) => (Ok(f64::from(*tenths) / 1000.0), &look.tenths),
            Value::Percent(percent) => (Ok(f64::from(*percent) / 100.0), &look.percent),
            Value::Date(date) => (day(*date).ok_or_else(|| date.to_string()), &look.date),
            Value::Instant(time) => (instant(time).ok_or_else(|| text(time)), &look.instant),
        };
        Ok(match figure {
            Ok(figure) => {
                sheet.write_number_with_format(row, column, figure, look)?;
                shown(value)
            }
            Err(text) => {
                let width = text.chars().count();
                sheet.write_string_with_format(row, column, text, look)?;
                width
            }
        })
    }

    fn widen(&mut self, column: u16, width: usize) {
        let column = usize::from(column);
        if self.widths.len() <= column {
            self.widths.resize(column + 1, 0);
        }
        if let Some(widest) = self.widths.get_mut(column) {
            *widest = width.max(*widest);
        }
    }

    /// Freezes the head, adds the filter, says what is left out, sets the widths.
    pub(super) fn finish(mut self, words: &Words) -> Result<(), XlsxError> {
        if self.left_out > 0 {
            let rows = words.grouped(&number(self.left_out));
            self.gap();
            let note = words.fill("xlsx.left_out", &[("n", &rows)]);
            self.line(&note, &self.looks.notice)?;
        }
        self.worksheet.set_freeze_panes(self.head + 1, 0)?;
        self.worksheet.set_repeat_rows(self.head, self.head)?;
        let columns = u16::try_from(self.widths.len()).unwrap_or(u16::MAX);
        self.worksheet.autofilter(self.head, 0, self.last, columns.saturating_sub(1))?;
        self.widths()
    }

    /// Sets the widths alone, for a sheet whose table stands below other things.
    pub(super) fn widths(self) -> Result<(), XlsxError> {
        for (column, width) in (0..).zip(self.widths) {
            let width = u32::try_from(width.clamp(8, 60)).unwrap_or(60) + 1;
            self.worksheet.set_column_width(column, width)?;
        }
        Ok(())
    }
}

/// Text as a cell can hold it: nothing hidden, not above the limit.
fn text(text: &str) -> String {
    let mut units = 0;
    let end = text.char_indices().find(|(_, letter)| {
        units += letter.len_utf16();
        units > MAX_TEXT
    });
    let whole = match end {
        // The last character makes room for the ellipsis.
        Some((end, _)) => {
            let kept = text.get(..end).unwrap_or_default();
            let mut letters = kept.chars();
            letters.next_back();
            Cow::Owned(format!("{}…", letters.as_str()))
        }
        None => Cow::Borrowed(text),
    };
    let letter = |letter| match visible(letter) {
        // XML has no way to write these.
        '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        letter => letter,
    };
    let mut shown: String = whole.chars().map(letter).collect();
    // The writer takes such a text for markup of its own and would write it as it is.
    if shown.starts_with("<r>") && shown.ends_with("</r>") {
        shown.push(' ');
    }
    shown
}

/// The number as a spreadsheet keeps it; `None` where it would round.
fn figure(count: u64) -> Option<f64> {
    let high = u32::try_from(count >> 32).ok()?;
    let low = u32::try_from(count & u64::from(u32::MAX)).ok()?;
    (count <= MAX_NUMBER).then(|| f64::from(high) * 4_294_967_296.0 + f64::from(low))
}

/// The day as a number of days; `None` before March 1900, where spreadsheets disagree.
fn day(date: NaiveDate) -> Option<f64> {
    let days = date.signed_duration_since(NaiveDate::from_ymd_opt(1899, 12, 30)?).num_days();
    let days = i32::try_from(days).ok()?;
    (61..=2_958_465).contains(&days).then(|| f64::from(days))
}

fn instant(time: &str) -> Option<f64> {
    let time: NaiveDateTime = DateTime::parse_from_rfc3339(time).ok()?.naive_utc();
    let seconds = time.time().signed_duration_since(NaiveTime::MIN).num_seconds();
    Some(day(time.date())? + f64::from(i32::try_from(seconds).ok()?) / 86400.0)
}

/// Characters that a figure takes.
fn shown(value: &Value<'_>) -> usize {
    match value {
        Value::Count(count) => {
            let digits = count.checked_ilog10().unwrap_or(0) + 1;
            usize::try_from(digits + (digits - 1) / 3).unwrap_or(0)
        }
        Value::Date(_) => 10,
        Value::Instant(_) => 19,
        _ => 6,
    }
}

#[cfg(test)]
mod tests {
    use rust_xlsxwriter::Workbook;

    use super::*;

    #[test]
    fn text_fits_a_cell() {
        let long = "😀".repeat(40_000);
        let cut = text(&long);
        assert_eq!(cut.encode_utf16().count(), MAX_TEXT - 1);
        assert!(cut.ends_with('…'));
        assert_eq!(text(&"a".repeat(40_000)).encode_utf16().count(), MAX_TEXT);
        assert_eq!(text(&"a".repeat(MAX_TEXT)), "a".repeat(MAX_TEXT));
        assert_eq!(text("a\u{0}b\u{202e}c\r\n"), "a\u{fffd}b\u{fffd}c\u{fffd}\u{fffd}");
        assert_eq!(text("=1+1"), "=1+1");
        assert_eq!(text("<r><t>x</t></r>"), "<r><t>x</t></r> ");
    }

    #[test]
    fn figures_are_exact_or_text() {
        assert_eq!(figure(4200).map(|figure| figure.to_string()).as_deref(), Some("4200"));
        let most = figure(MAX_NUMBER).map(|figure| figure.to_string());
        assert_eq!(most.as_deref(), Some("999999999999999"));
        assert_eq!(figure(MAX_NUMBER + 1), None);
        assert_eq!(figure(u64::MAX), None);
    }

    #[test]
    fn days_are_those_of_spreadsheets() {
        let cases = [
            ("1900-03-01", Some("61")),
            ("2026-11-16", Some("46342")),
            ("9999-12-31", Some("2958465")),
            ("1900-02-28", None),
        ];
        for (date, expected) in cases {
            let found = day(date.parse().unwrap()).map(|days| days.to_string());
            assert_eq!(found.as_deref(), expected, "{date}");
        }
        let noon = instant("2026-11-16T12:00:00Z").map(|time| time.to_string());
        assert_eq!(noon.as_deref(), Some("46342.5"));
    }

    /// A sheet that is full says so, and still holds its totals.
    #[test]
    fn rows_without_room_are_counted() {
        let (mut book, looks) = (Workbook::new(), Looks::new());
        let mut sheet = Sheet::new(book.add_worksheet(), &looks);
        sheet.room = 3;
        sheet.head(&["a".to_owned()]).unwrap();
        for count in 0..5 {
            sheet.row(&[Value::Count(count)]).unwrap();
        }
        assert_eq!((sheet.last, sheet.left_out), (2, 3));
        sheet.total(&[Value::Count(10)]).unwrap();
        assert_eq!(sheet.next, 5);
        sheet.finish(Words::english()).unwrap();
    }
}
