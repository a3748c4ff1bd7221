//! Parquet tables, read by polars in slices of rows and only the columns that are used.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use polars::prelude::{
    AnyValue, ArrowDataType, ArrowField, Column, DataFrame, Field, PolarsResult, StringChunked,
    TimeUnit,
};
use polars_io::SerReader;
use polars_io::parquet::read::ParquetReader;
use serde_json::{Map, Value};

use crate::clock::limit;
use crate::ingest::IngestError;
use crate::ingest::files::Input;
use crate::ingest::open;
use crate::ingest::row::Cells;

/// Rows read at once.
const SLICE: usize = 1 << 16;
/// Rows that are mapped at once, on one thread.
const PART: usize = 1 << 13;

/// Some rows of a table.
pub(super) struct Rows {
    /// In the order of the header.
    columns: Arc<Vec<Texts>>,
    /// Their places in the columns.
    range: Range<usize>,
    /// Rows of the file before those of the columns.
    before: u64,
}

/// What a column holds.
enum Texts {
    /// It is not used, or not there.
    None,
    /// Texts as they lie in the file.
    Held(StringChunked),
    /// Texts of other values.
    Made(Vec<String>),
}

/// One row.
pub(super) struct RowCells<'a> {
    columns: &'a [Texts],
    index: usize,
}

impl Rows {
    /// The rows, each with its number in the file, from 1.
    pub(super) fn each(&self) -> impl Iterator<Item = (u64, RowCells<'_>)> {
        self.range.clone().map(|index| {
            (self.before + index as u64 + 1, RowCells { columns: &self.columns, index })
        })
    }
}

impl Cells for RowCells<'_> {
    fn bytes(&self, column: usize) -> Cow<'_, [u8]> {
        let text = match self.columns.get(column) {
            Some(Texts::Held(held)) => held.get(self.index).unwrap_or_default(),
            Some(Texts::Made(made)) => made.get(self.index).map_or("", String::as_str),
            Some(Texts::None) | None => "",
        };
        Cow::Borrowed(text.as_bytes())
    }
}

impl Texts {
    fn of(column: &Column) -> PolarsResult<Self> {
        if let Ok(held) = column.str() {
            return Ok(Self::Held(held.rechunk().into_owned()));
        }
        let made = (0..column.len()).map(|index| Ok(text(&column.get(index)?)));
        Ok(Self::Made(made.collect::<PolarsResult<_>>()?))
    }
}

/// Names of the columns; those within a nested column as `outer.inner`.
///
/// # Errors
/// [`IngestError`] when the file is no readable Parquet.
pub(super) fn columns(input: &Input) -> Result<Vec<String>, IngestError> {
    let mut reader = ParquetReader::new(open::open(input)?);
    let schema = reader.schema().map_err(|error| corrupt(input, error))?;
    let mut names = Vec::new();
    schema.iter_values().for_each(|field| flat_names("", field, &mut names));
    Ok(names)
}

fn flat_names(outer: &str, field: &ArrowField, into: &mut Vec<String>) {
    let name =
        if outer.is_empty() { field.name.to_string() } else { format!("{outer}.{}", field.name) };
    match &field.dtype {
        ArrowDataType::Struct(fields) => {
            for inner in fields {
                flat_names(&name, inner, into);
            }
        }
        _ => into.push(name),
    }
}

/// Calls `each` with up to 65,536 rows at a time, as objects: nested columns and lists too.
///
/// # Errors
/// [`IngestError`] when the file is damaged.
pub(super) fn each_objects(
    input: &Input,
    mut each: impl FnMut(Vec<(u64, Value)>),
) -> Result<(), IngestError> {
    each_frame(input, None, |frame, start| {
        let rows = (0..frame.height()).map(|index| {
            let mut object = Map::new();
            for column in frame.columns() {
                object.insert(column.name().to_string(), value(&column.get(index)?));
            }
            Ok((start + index as u64 + 1, Value::Object(object)))
        });
        each(rows.collect::<PolarsResult<_>>()?);
        Ok(())
    })
}

/// A cell as JSON has it.
fn value(cell: &AnyValue<'_>) -> Value {
    match cell {
        AnyValue::Null => Value::Null,
        AnyValue::Boolean(flag) => Value::Bool(*flag),
        AnyValue::List(items) => Value::Array(items.iter().map(|item| value(&item)).collect()),
        AnyValue::Struct(..) => match cell.clone().into_static() {
            AnyValue::StructOwned(held) => object(&held.0, &held.1),
            other => Value::String(text(&other)),
        },
        AnyValue::StructOwned(held) => object(&held.0, &held.1),
        other => Value::String(text(other)),
    }
}

fn object(values: &[AnyValue<'_>], fields: &[Field]) -> Value {
    let pairs = fields.iter().zip(values);
    Value::Object(pairs.map(|(field, held)| (field.name().to_string(), value(held))).collect())
}

/// Calls `each` with up to 8,192 rows at a time, as texts in the order of `columns`.
/// Columns whose name is not in `used` come out empty.
///
/// # Errors
/// [`IngestError`] when the file is damaged.
pub(super) fn each_slice(
    input: &Input,
    columns: &[String],
    used: &[String],
    mut each: impl FnMut(Rows),
) -> Result<(), IngestError> {
    each_frame(input, Some(used), |frame, before| {
        let texts = |name: &String| frame.column(name).map_or(Ok(Texts::None), Texts::of);
        let columns = Arc::new(columns.iter().map(texts).collect::<PolarsResult<Vec<_>>>()?);
        for start in (0..frame.height()).step_by(PART) {
            let range = start..frame.height().min(start + PART);
            each(Rows { columns: Arc::clone(&columns), range, before });
        }
        Ok(())
    })
}

/// Calls `each` with a frame of up to 65,536 rows at a time and the rows before it.
fn each_frame(
    input: &Input,
    used: Option<&[String]>,
    mut each: impl FnMut(&DataFrame, u64) -> PolarsResult<()>,
) -> Result<(), IngestError> {
    let rows = rows(input)?;
    let mut start = 0;
    while start < rows {
        limit::check("reading Parquet").map_err(|source| open::corrupt(input, source))?;
        let frame = ParquetReader::new(open::open(input)?)
            .with_columns(used.map(<[String]>::to_vec))
            .with_slice(Some((start, SLICE)))
            .finish()
            .map_err(|error| corrupt(input, error))?;
        if frame.height() == 0 {
            break;
        }
        each(&frame, start as u64).map_err(|error| corrupt(input, error))?;
        start += frame.height();
    }
    Ok(())
}

/// Number of rows, where they are within reason: a row counts as a byte at least, since a column
/// of one value takes next to none, however many rows there are.
fn rows(input: &Input) -> Result<usize, IngestError> {
    let mut reader = ParquetReader::new(open::open(input)?);
    let metadata = reader.get_metadata().map_err(|error| corrupt(input, error))?;
    let sizes = metadata.row_groups.iter().map(|group| group.total_byte_size() as u64);
    let unpacked = sizes.fold(0, u64::saturating_add);
    let rows = metadata.num_rows;
    open::check_unpacked(input, unpacked.max(rows as u64))?;
    Ok(rows)
}

fn text(value: &AnyValue<'_>) -> String {
    match value {
        AnyValue::Null => String::new(),
        AnyValue::String(text) => (*text).to_owned(),
        AnyValue::Datetime(time, unit, zone) => instant(*time, *unit, zone.is_some()),
        AnyValue::DatetimeOwned(time, unit, zone) => instant(*time, *unit, zone.is_some()),
        other => other.get_str().map_or_else(|| other.to_string(), str::to_owned),
    }
}

/// ISO 8601; a time with a zone is stored as UTC, one without stays without.
fn instant(time: i64, unit: TimeUnit, zoned: bool) -> String {
    let millis = match unit {
        TimeUnit::Nanoseconds => time.div_euclid(1_000_000),
        TimeUnit::Microseconds => time.div_euclid(1000),
        TimeUnit::Milliseconds => time,
    };
    chrono::DateTime::from_timestamp_millis(millis).map_or_else(String::new, |time| {
        let mark = if zoned { "Z" } else { "" };
        format!("{}{mark}", time.format("%Y-%m-%dT%H:%M:%S%.3f"))
    })
}

fn corrupt(input: &Input, error: polars::prelude::PolarsError) -> IngestError {
    IngestError::Parquet { file: input.name.clone(), source: Arc::new(error) }
}
