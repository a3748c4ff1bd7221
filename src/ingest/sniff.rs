//! What a file is: told from its first block, never from its name.

use std::io::Read;
use std::ops::ControlFlow;

use chrono::{DateTime, Utc};

use crate::config::ColumnMap;
use crate::ingest::blocks::MAX_LINE;
use crate::ingest::columns::{self, AbsentColumn, Columns, Field};
use crate::ingest::csv::{self, Dialect};
use crate::ingest::files::Input;
use crate::ingest::json::{self, Shape};
use crate::ingest::known::Outline;
use crate::ingest::log::stamp::{Stamps, YearRule};
use crate::ingest::log::{self, LogStart};
use crate::ingest::row::Identity;
use crate::ingest::time::{DayOrder, is_iso, proven_order};
use crate::ingest::{IngestError, Settings, open, parquet, tls_rpt};
use crate::trace::Kind;

/// How the rows of a file are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Format {
    /// Delimited text.
    Csv(Dialect),
    /// JSON.
    Json(Shape),
    /// Parquet.
    Parquet,
    /// Lines of a log.
    Log,
    /// TLS reports of other organisations.
    TlsReport,
}

/// What a file is.
#[derive(Debug, Clone)]
pub(super) struct Sniffed {
    /// How its rows are stored.
    pub format: Format,
    /// What its columns hold.
    pub columns: Columns,
    /// Its kind.
    pub kind: Kind,
    /// Order of culture-formatted dates, given or proven.
    pub order: Option<DayOrder>,
    /// The order was proven by the file, not given.
    pub order_proven: bool,
    /// Where a log begins; none for tables.
    pub log: Option<LogStart>,
}

impl Sniffed {
    /// Says whether the file has message rows, not totals.
    pub(super) fn has_messages(&self) -> bool {
        let totals = matches!(self.kind, Kind::ConnectorReport | Kind::TlsRpt);
        !totals && !self.columns.has(Field::Messages)
    }

    /// Whether the file means the same whatever stands beside it, and is rows only.
    pub(super) fn stands_alone(&self) -> bool {
        !matches!(self.format, Format::Log | Format::TlsReport)
    }

    /// A log that begins there.
    pub(super) fn of_log(kind: Kind, begins: LogStart) -> Self {
        Self::no_table(Format::Log, kind, Some(begins))
    }

    fn no_table(format: Format, kind: Kind, log: Option<LogStart>) -> Self {
        let columns = Columns::none();
        Self { format, columns, kind, order: None, order_proven: false, log }
    }
}

/// Tells what a file is.
///
/// # Errors
/// [`IngestError`] when it is no trace, lacks a column that its kind needs, or is damaged.
pub(super) fn sniff(input: &Input, settings: &Settings) -> Result<Sniffed, IngestError> {
    let (format, headers, start) = format(input, settings)?;
    if let Some(sniffed) = log(input, settings, &format, &start)? {
        return Ok(sniffed);
    }
    let not_a_trace =
        || IngestError::NotATrace { file: input.name.clone(), found: headers.clone() };
    let map = settings.columns.as_ref();
    let columns = Columns::find(&headers, map).map_err(|AbsentColumn(column)| {
        IngestError::MissingColumn { file: input.name.clone(), column, found: headers.clone() }
    })?;
    let kind = match settings.kind {
        Some(kind) => kind,
        None => columns
            .kind(map.is_some_and(|map| *map != ColumnMap::default()))
            .ok_or_else(not_a_trace)?,
    };
    if let Some(column) = columns.missing_for(kind).first() {
        return Err(IngestError::MissingColumn {
            file: input.name.clone(),
            column: (*column).to_owned(),
            found: headers,
        });
    }
    let mut sniffed =
        Sniffed { format, columns, kind, order: settings.order, order_proven: false, log: None };
    check_direction(input, settings, &sniffed)?;
    if settings.order.is_none() {
        sniffed.order = prove_order(input, &sniffed, &start)?;
        sniffed.order_proven = sniffed.order.is_some();
    }
    Ok(sniffed)
}

/// Event rows need an identity to be folded, message rows a direction from somewhere.
fn check_direction(
    input: &Input,
    settings: &Settings,
    sniffed: &Sniffed,
) -> Result<(), IngestError> {
    let columns = &sniffed.columns;
    let events = matches!(sniffed.kind, Kind::MessageTraceDetail | Kind::MessageTraceEvents);
    if events && Outline::of(sniffed).own_identity() == Identity::None {
        return Err(IngestError::MissingColumn {
            file: input.name.clone(),
            column: "network_message_id".to_owned(),
            found: columns.headers().to_vec(),
        });
    }
    let rows =
        matches!(sniffed.kind, Kind::ConnectorReportDetail | Kind::MessageTrace | Kind::Table);
    if rows && settings.direction.is_none() && !columns.has(Field::Direction) {
        return Err(IngestError::NoDirection {
            file: input.name.clone(),
            found: columns.headers().to_vec(),
        });
    }
    Ok(())
}

/// How the year of stamps without one is told: given, or by the time of the file.
pub(super) fn year_rule(input: &Input, settings: &Settings) -> YearRule {
    let modified = input.modified.map(|time| DateTime::<Utc>::from(time).timestamp_millis());
    match (settings.year, modified) {
        (Some(year), _) => YearRule::Given(year),
        (None, Some(ms)) => YearRule::NotAfter(ms),
        (None, None) => YearRule::Absent,
    }
}

/// What a log is; `None` for tables.
fn log(
    input: &Input,
    settings: &Settings,
    format: &Format,
    start: &[u8],
) -> Result<Option<Sniffed>, IngestError> {
    if *format == Format::TlsReport {
        return Ok(Some(Sniffed::no_table(Format::TlsReport, Kind::TlsRpt, None)));
    }
    let kind = match settings.kind {
        Some(kind) if kind.is_log() => kind,
        Some(_) => return Ok(None),
        None if *format != Format::Log => return Ok(None),
        None => match log::detect(start) {
            Some(kind) => kind,
            None => return Ok(None),
        },
    };
    let mut stamps = Stamps::new(settings.zone, year_rule(input, settings));
    let begins = log::start(kind, start, &mut stamps);
    if begins.without_year {
        return Err(IngestError::NoYear { file: input.name.clone() });
    }
    Ok(Some(Sniffed::of_log(kind, begins)))
}

/// How the rows are stored, the header, and the beginning of the text.
fn format(
    input: &Input,
    settings: &Settings,
) -> Result<(Format, Vec<String>, Vec<u8>), IngestError> {
    if input.member.is_none() && open::container(input)? == open::Container::Parquet {
        let headers = parquet::columns(input)?;
        if headers.len() > columns::MOST {
            return Err(IngestError::TooManyColumns { file: input.name.clone() });
        }
        return Ok((Format::Parquet, headers, Vec::new()));
    }
    let start = beginning(input)?;
    if start.trim_ascii().is_empty() {
        return Err(IngestError::Empty { file: input.name.clone() });
    }
    let report = tls_rpt::is_tls_rpt(&start) || tls_rpt::is_tls_rpt_mail(&start);
    if settings.kind == Some(Kind::TlsRpt) || (settings.kind.is_none() && report) {
        return Ok((Format::TlsReport, Vec::new(), start));
    }
    if settings.kind.is_some_and(Kind::is_log) || log::detect(&start).is_some() {
        return Ok((Format::Log, Vec::new(), start));
    }
    if let Some((shape, headers)) = json::sniff(&start) {
        return Ok((Format::Json(shape), headers, start));
    }
    let first_line = start.trim_ascii_start();
    if start.len() >= MAX_LINE && memchr::memchr(b'\n', first_line).is_none() {
        return Err(IngestError::LongHeader { file: input.name.clone() });
    }
    match csv::header(&start) {
        Some((_, headers)) if headers.len() > columns::MOST => {
            Err(IngestError::TooManyColumns { file: input.name.clone() })
        }
        Some((dialect, headers)) => Ok((Format::Csv(dialect), headers, start)),
        None => Err(IngestError::NotATrace { file: input.name.clone(), found: Vec::new() }),
    }
}

/// Bytes that are looked at to tell what a file is.
const BEGINNING: usize = 1 << 21;

/// The beginning of the text: so many bytes, or up to the end of a longer first line. A JSON
/// document may be one line of any length, so its beginning is enough.
fn beginning(input: &Input) -> Result<Vec<u8>, IngestError> {
    open::with_start(input, |reader| {
        let mut start = Vec::new();
        for limit in [BEGINNING, MAX_LINE] {
            let missing = (limit - start.len()) as u64;
            let read = Read::take(&mut *reader, missing).read_to_end(&mut start);
            read.map_err(|source| open::corrupt(input, source))?;
            let text = start.trim_ascii_start();
            let json = matches!(text.first(), Some(b'{' | b'['));
            if json || memchr::memchr(b'\n', text).is_some() {
                break;
            }
        }
        Ok(start)
    })
}

/// Looks for a date that proves the order, where dates need one: in the beginning, which is
/// at hand, and only if that leaves it open in the whole file.
fn prove_order(
    input: &Input,
    sniffed: &Sniffed,
    start: &[u8],
) -> Result<Option<DayOrder>, IngestError> {
    let Some(column) = sniffed.columns.get(Field::Time) else { return Ok(None) };
    let mut order = None;
    let mut look = |text: &str| {
        order = proven_order(text);
        let settled = order.is_some() || is_iso(text);
        if settled { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    match &sniffed.format {
        Format::Csv(dialect) => {
            let damaged = |source| open::corrupt(input, source);
            let mut beginning = start;
            let seen = csv::each_cell(&mut beginning, dialect, column, &mut look);
            if seen.map_err(damaged)?.is_continue() {
                open::with_start(input, |reader| {
                    csv::each_cell(reader, dialect, column, &mut look).map_err(damaged)
                })
                .map(drop)?;
            }
        }
        Format::Json(_) => {
            let headers = sniffed.columns.headers();
            let mut look = |row: &serde_json::Value| {
                if order.is_none()
                    && let Some(cell) = json::cells(row, headers).get(column)
                {
                    order = proven_order(cell);
                }
            };
            // The beginning may end within a row.
            drop(json::each_row(start, &mut look));
        }
        Format::Parquet | Format::Log | Format::TlsReport => {}
    }
    Ok(order)
}
