//! The client: what is asked goes out over Spark Connect, what comes back is Arrow.
//!
//! The crate waits without end and tries again for an hour; so each call runs on a thread of
//! its own and is waited for until the time of the whole report is over.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType as ArrowType, Int64Type};
use secrecy::ExposeSecret;
use secrecy::zeroize::Zeroizing;
use spark_connect::{DataType, SparkError, SparkSession};

use super::{Engine, LakeError};
use crate::breakdown::answer::AnswerRow;
use crate::clock::limit;
use crate::ingest::sql::{ColumnType, TableColumn};

/// Longest wait for the first word of an engine; a cold one makes a session first.
const FIRST_WORD: Duration = Duration::from_mins(2);
/// Longest wait for an engine to be told that nobody waits for its answer any more.
const GOODBYE: Duration = Duration::from_secs(5);

/// A session of an engine.
pub(super) struct Session<'a> {
    engine: &'a Engine,
    spark: SparkSession,
    begun: Instant,
}

impl<'a> Session<'a> {
    /// Opens a session, and hears whether a Spark Connect server answers.
    ///
    /// # Errors
    /// [`LakeError::Stranger`] when none does.
    pub(super) fn open(engine: &'a Engine) -> Result<Self, LakeError> {
        let begun = Instant::now();
        let stranger = |said: String| LakeError::Stranger { engine: engine.name(), said };
        let session = SparkSession::builder().remote(&address(engine)).get_or_create();
        let session = session.map_err(|error| stranger(said(engine, &error)))?;
        let opened = Self { engine, spark: session.clone(), begun };
        let greeting = move || Ok::<_, Box<SparkError>>(session.sql("SELECT 1")?.schema()?);
        match within(FIRST_WORD.min(engine.time_limit), greeting) {
            Some(Ok(_)) => Ok(opened),
            Some(Err(error)) => Err(stranger(said(engine, &error))),
            None => Err(stranger("it says nothing".to_owned())),
        }
    }

    /// Names and types of the columns of what stands after FROM.
    ///
    /// # Errors
    /// [`LakeError::Engine`] where there is no such table.
    pub(super) fn columns(&self, from: &str) -> Result<Vec<TableColumn>, LakeError> {
        let query = format!("SELECT * FROM {from}");
        let session = self.spark.clone();
        let schema = self.call(move || Ok(session.sql(&query)?.schema()?))?;
        let DataType::Struct { fields } = schema else { return Ok(Vec::new()) };
        let column = |field: spark_connect::StructField| TableColumn {
            holds: holds(&field.data_type),
            name: field.name,
        };
        Ok(fields.into_iter().map(column).collect())
    }

    /// The rows of an answer.
    ///
    /// # Errors
    /// [`LakeError`] as the engine says, or when it takes too long.
    pub(super) fn rows(&self, query: &str) -> Result<Vec<AnswerRow>, LakeError> {
        let (session, query) = (self.spark.clone(), query.to_owned());
        let batches = self.call(move || Ok(session.sql(&query)?.collect_record_batches()?))?;
        let mut rows = Vec::new();
        for batch in &batches {
            let shape = || {
                let said = format!("an answer of another shape: {:?}", batch.schema());
                LakeError::Engine { engine: self.engine.name(), said }
            };
            add_rows(batch, &mut rows).ok_or_else(shape)?;
        }
        Ok(rows)
    }

    fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Box<SparkError>> + Send + 'static,
    ) -> Result<T, LakeError> {
        let left = self.engine.time_limit.saturating_sub(self.begun.elapsed());
        match within(left, work) {
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) => {
                let said = said(self.engine, &error);
                Err(LakeError::Engine { engine: self.engine.name(), said })
            }
            None => {
                let session = self.spark.clone();
                // Whether it hears it or not, its answer is not waited for.
                let _interrupted = within(GOODBYE, move || session.interrupt_all().is_ok());
                let seconds = self.engine.time_limit.as_secs();
                Err(LakeError::TooLong { engine: self.engine.name(), seconds })
            }
        }
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        let session = self.spark.clone();
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            drop(sender.send(session.stop()));
        });
        // What an engine keeps for a session goes by itself after a while.
        drop(receiver.recv_timeout(GOODBYE));
    }
}

/// What `work` gives, if it does so in time, and within that of the whole report. A defect in it is ours, wherever it shows.
fn within<T: Send + 'static>(
    longest: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    let worker = std::thread::spawn(move || {
        // Nobody may be left to take it.
        drop(sender.send(work()));
    });
    match receiver.recv_timeout(limit::at_most(longest)) {
        Ok(value) => Some(value),
        Err(RecvTimeoutError::Timeout) => None,
        Err(RecvTimeoutError::Disconnected) => match worker.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => None,
        },
    }
}

/// The connection string; its parts are percent-encoded, so that none can add another.
fn address(engine: &Engine) -> Zeroizing<String> {
    let Engine { host, port, tls, token, .. } = engine;
    let mut address = Zeroizing::new(format!("sc://{host}:{port}/;use_ssl={tls}"));
    if let Some(token) = token {
        let token = token.expose_secret();
        // Grown once: what a longer text leaves behind would not be wiped.
        address.reserve_exact(8 + 3 * token.len());
        address.push_str(";token=");
        for byte in token.bytes() {
            address.push('%');
            for digit in [byte >> 4, byte & 15] {
                address.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
            }
        }
    }
    address
}

/// All that an engine said, without our secret.
fn said(engine: &Engine, error: &SparkError) -> String {
    let said = error.to_string();
    let secret = engine.token.as_ref().map_or("", |token| token.expose_secret());
    if secret.is_empty() { said } else { said.replace(secret, "[removed]") }
}

fn holds(held: &DataType) -> ColumnType {
    match held {
        DataType::String { .. } | DataType::Varchar { .. } => ColumnType::Text,
        DataType::Byte | DataType::Short | DataType::Integer | DataType::Long => ColumnType::Whole,
        DataType::Boolean => ColumnType::Flag,
        DataType::Timestamp => ColumnType::Instant,
        DataType::TimestampNtz => ColumnType::LocalTime,
        other => ColumnType::Other(other.simple_string()),
    }
}

fn add_rows(batch: &RecordBatch, rows: &mut Vec<AnswerRow>) -> Option<()> {
    let column = |name: &str, held: ArrowType| cast(batch.column_by_name(name)?, &held).ok();
    let texts = |name| column(name, ArrowType::Utf8);
    let numbers = |name| column(name, ArrowType::Int64);
    let (part, name, found) = (texts("part")?, texts("name")?, texts("found")?);
    let columns = ["number", "direction", "tls", "messages", "line_count", "low", "high"];
    let columns = columns.map(numbers);
    let [number, direction, tls, messages, line_count, low, high] = columns;
    let (number, direction, tls, low, high) = (number?, direction?, tls?, low?, high?);
    let (messages, line_count) = (messages?, line_count?);
    let text = |column: &dyn Array, at: usize| {
        (!column.is_null(at)).then(|| column.as_string::<i32>().value(at).to_owned())
    };
    let whole = |column: &dyn Array, at: usize| {
        (!column.is_null(at)).then(|| column.as_primitive::<Int64Type>().value(at))
    };
    for at in 0..batch.num_rows() {
        rows.push(AnswerRow {
            part: text(&part, at)?,
            number: whole(&number, at),
            direction: whole(&direction, at),
            tls: whole(&tls, at),
            name: text(&name, at),
            found: text(&found, at),
            messages: whole(&messages, at)?,
            line_count: whole(&line_count, at)?,
            low: whole(&low, at),
            high: whole(&high, at),
        });
    }
    Some(())
}
