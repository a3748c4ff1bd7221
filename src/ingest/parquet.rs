//! Parquet tables, read by polars in slices of rows and only the columns that are used.

use std::sync::Arc;

use polars::prelude::{AnyValue, DataFrame, PolarsResult, TimeUnit};
use polars_io::SerReader;
use polars_io::parquet::read::ParquetReader;

use crate::ingest::IngestError;
use crate::ingest::files::Input;
use crate::ingest::open;

/// Rows read at once.
const SLICE: usize = 1 << 16;

/// Names of the columns.
///
/// # Errors
/// [`IngestError`] when the file is no readable Parquet.
pub(super) fn columns(input: &Input) -> Result<Vec<String>, IngestError> {
    let mut reader = ParquetReader::new(open::open(input)?);
    let schema = reader.schema().map_err(|error| corrupt(input, error))?;
    Ok(schema.iter_names().map(ToString::to_string).collect())
}

/// Calls `each` with up to 65,536 rows at a time, as texts in the order of `columns`.
/// Columns whose name is not in `used` come out empty.
///
/// # Errors
/// [`IngestError`] when the file is damaged.
pub(super) fn each_slice(
    input: &Input,
    columns: &[String],
    used: &[String],
    mut each: impl FnMut(Vec<(u64, Vec<String>)>),
) -> Result<(), IngestError> {
    let rows =
        ParquetReader::new(open::open(input)?).num_rows().map_err(|error| corrupt(input, error))?;
    let mut start = 0;
    while start < rows {
        let frame = ParquetReader::new(open::open(input)?)
            .with_columns(Some(used.to_vec()))
            .with_slice(Some((start, SLICE)))
            .finish()
            .map_err(|error| corrupt(input, error))?;
        if frame.height() == 0 {
            break;
        }
        each(texts(&frame, columns, start as u64).map_err(|error| corrupt(input, error))?);
        start += frame.height();
    }
    Ok(())
}

fn texts(
    frame: &DataFrame,
    columns: &[String],
    start: u64,
) -> PolarsResult<Vec<(u64, Vec<String>)>> {
    let held: Vec<_> = columns.iter().map(|name| frame.column(name).ok()).collect();
    (0..frame.height())
        .map(|index| {
            let cells = held
                .iter()
                .map(|column| column.map_or(Ok(String::new()), |held| Ok(text(&held.get(index)?))))
                .collect::<PolarsResult<Vec<String>>>()?;
            Ok((start + index as u64 + 1, cells))
        })
        .collect()
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
