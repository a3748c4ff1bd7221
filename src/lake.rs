//! Lake: traces that stay where they are are counted by the engine that is there, and only the
//! counts come back.
//!
//! | step | shape |
//! |---|---|
//! | names and types of the table's columns | [`Question`]: one SQL statement |
//! | the engine's answer | [`Answer`]: the counts, and what they are counts of |
//! | an answer, asked for now or filed | [`Counted`]: what a file is once it is settled |
//!
//! Invariants
//! * An answer gives the numbers that the same rows give as one file. What cannot be counted
//!   in the same way by the engine is refused before it is asked.
//! * An answer is the same to the byte whatever the order in which the engine gives its rows.
//! * No secret is in a question, an answer or an error.
//!
//! The client is built with the feature `lake` only; all the rest always is.

#[cfg(feature = "lake")]
mod client;

use std::fmt;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use chrono_tz::Tz;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::breakdown::answer::{AnswerError, AnswerRow, Answered};
use crate::breakdown::sql::{self, PeerScope};
use crate::breakdown::{Breakdown, CountError, Counts, DayCells, DayPeers, Parts, Scope};
use crate::clock::limit;
use crate::ingest::sql::TableColumn;
use crate::ingest::{self, Asked, FileNote, Identity, IngestError, Origin, Outline};
use crate::ingest::{Reading, Settings, SourceFile};
use crate::store;
use crate::trace::{Direction, Kind, Names, Unit};

/// Whether this program can ask an engine.
pub const BUILT: bool = cfg!(feature = "lake");
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Shortest wait for one.
const SHORTEST: Duration = Duration::from_millis(10);

/// An engine that speaks Spark Connect.
#[derive(Clone)]
pub struct Engine {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether the connection is protected; without, it goes to this very machine only.
    pub tls: bool,
    /// A bearer token.
    pub token: Option<SecretString>,
    /// Longest time that all questions of a report may take.
    pub time_limit: Duration,
    /// Most rows of an answer.
    pub row_limit: u64,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, tls, time_limit, row_limit, .. } = self;
        f.debug_struct("Engine")
            .field("host", host)
            .field("port", port)
            .field("tls", tls)
            .field("time_limit", time_limit)
            .field("row_limit", row_limit)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Host and port.
    pub fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Says whether anybody listens there.
    ///
    /// # Errors
    /// [`LakeError::Away`].
    pub fn knock(&self) -> Result<(), LakeError> {
        let away = |source| LakeError::Away { engine: self.name(), source };
        let addresses = (self.host.as_str(), self.port).to_socket_addrs().map_err(away)?;
        let mut last = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            // No time at all would be refused as a mistake.
            let wait = limit::at_most(CONNECT.min(self.time_limit)).max(SHORTEST);
            match TcpStream::connect_timeout(&address, wait) {
                Ok(_) => return Ok(()),
                Err(error) => last = error,
            }
        }
        Err(away(last))
    }
}

/// Where the rows are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Table {
    /// A table by its name, with catalog and schema where needed.
    Named(String),
    /// Parquet files by their path, as the engine reaches them.
    Parquet(String),
}

impl Table {
    /// As it is shown.
    pub fn name(&self) -> &str {
        match self {
            Self::Named(name) | Self::Parquet(name) => name,
        }
    }

    /// As it stands after FROM.
    fn relation(&self) -> String {
        match self {
            Self::Named(name) => {
                name.split('.').map(ingest::sql::quoted).collect::<Vec<_>>().join(".")
            }
            Self::Parquet(path) => format!("parquet.{}", ingest::sql::quoted(path)),
        }
    }
}

/// Why no counts were had.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// The program was built without a client.
    #[error("this program cannot ask an engine")]
    NotBuilt,
    /// Nobody answers there.
    #[error("the engine {engine} is away")]
    Away {
        /// Host and port.
        engine: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// What answers there does not speak Spark Connect, or not with this protection.
    #[error("{engine} does not answer as a Spark Connect server: {said}")]
    Stranger {
        /// Host and port.
        engine: String,
        /// What was said.
        said: String,
    },
    /// The engine says that the question cannot be answered.
    #[error("the engine {engine} says: {said}")]
    Engine {
        /// Host and port.
        engine: String,
        /// All that it said.
        said: String,
    },
    /// It took too long.
    #[error("the engine {engine} took longer than {seconds} s")]
    TooLong {
        /// Host and port.
        engine: String,
        /// The limit.
        seconds: u64,
    },
    /// There are more counts than may come back.
    #[error("the answer has more than {most} rows")]
    TooMany {
        /// The limit.
        most: u64,
    },
    /// The columns are none of a trace, or cannot be read by the engine.
    #[error(transparent)]
    Table(#[from] IngestError),
    /// The answer cannot be used.
    #[error("the answer of `{table}` cannot be used")]
    Answer {
        /// Name of the table.
        table: String,
        /// Why.
        source: AnswerError,
    },
    /// A filed answer is none.
    #[error("the filed answer cannot be read")]
    Filed(#[source] serde_json::Error),
}

impl LakeError {
    /// Says whether it may pass by itself.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Away { .. } | Self::TooLong { .. })
    }

    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotBuilt => Some(NOT_BUILT_HINT),
            Self::Away { .. } => Some("start it, or correct `url` in [[source]]"),
            Self::Stranger { .. } => Some(
                "correct `url` in [[source]], and `security`: \"tls\", or \"none-loopback-only\" for this machine",
            ),
            Self::TooLong { .. } => Some("give it more time with `time_limit` in [[source]]"),
            Self::TooMany { .. } => Some(
                "there are more connectors, domains or days than expected; `row_limit` in [[source]] allows more",
            ),
            Self::Table(error) => error.hint(),
            Self::Answer { source: AnswerError::DayOrder { .. }, .. } => {
                Some("say dates = \"day-first\" or \"month-first\" in [[source]]")
            }
            _ => None,
        }
    }
}

/// How to get a program that can ask an engine.
pub const NOT_BUILT_HINT: &str = "build it with `cargo build --release --features lake`, which needs protoc; docs/lake.md says how";

/// What is asked of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    head: Head,
}

/// What counts are counts of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    table: String,
    kind: Kind,
    outline: Outline,
    identity: Identity,
    notes: Vec<FileNote>,
    query: String,
}

/// What a report needs of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs {
    /// Zone in which days begin.
    pub zone: Tz,
    /// Which remote domains.
    pub peers: PeerScope,
    /// Most rows of the answer.
    pub row_limit: u64,
}

impl Question {
    /// The question of a report to a table with these columns.
    ///
    /// # Errors
    /// [`LakeError::Table`] where a file of these columns would be refused, or its rows cannot
    /// be counted by the engine as those of a file.
    pub fn new(
        table: &Table,
        columns: &[TableColumn],
        settings: &Settings,
        needs: &Needs,
    ) -> Result<Self, LakeError> {
        let mapped = ingest::sql::map(table.name(), &table.relation(), columns, settings)?;
        let query = sql::statement(&mapped.expressions, needs.zone, &needs.peers, needs.row_limit);
        let head = Head {
            table: table.name().to_owned(),
            kind: mapped.kind,
            outline: mapped.outline,
            identity: mapped.identity,
            notes: mapped.notes,
            query,
        };
        Ok(Self { head })
    }

    /// The statement.
    pub fn text(&self) -> &str {
        &self.head.query
    }

    /// The answer that these rows are.
    pub fn answered(self, mut rows: Vec<AnswerRow>) -> Answer {
        rows.sort();
        Answer { head: self.head, rows }
    }
}

/// The counts of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    head: Head,
    rows: Vec<AnswerRow>,
}

/// Asks an engine for the counts of a table.
///
/// # Errors
/// [`LakeError`] when it is away, does not know the table, or takes too long.
#[cfg(feature = "lake")]
pub fn ask(
    engine: &Engine,
    table: &Table,
    settings: &Settings,
    needs: &Needs,
) -> Result<Answer, LakeError> {
    engine.knock()?;
    let session = client::Session::open(engine)?;
    let columns = session.columns(&table.relation())?;
    let question = Question::new(table, &columns, settings, needs)?;
    let rows = session.rows(question.text())?;
    if rows.len() as u64 > engine.row_limit {
        return Err(LakeError::TooMany { most: engine.row_limit });
    }
    Ok(question.answered(rows))
}

/// Says that this program cannot ask.
///
/// # Errors
/// [`LakeError::NotBuilt`], always.
#[cfg(not(feature = "lake"))]
pub fn ask(_: &Engine, _: &Table, _: &Settings, _: &Needs) -> Result<Answer, LakeError> {
    Err(LakeError::NotBuilt)
}

impl Answer {
    /// The answer as it is filed: a line that says what it is, and one for each row.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = json_line(&self.head);
        for row in &self.rows {
            bytes.extend(json_line(row));
        }
        bytes
    }

    /// Reads a filed answer.
    ///
    /// # Errors
    /// [`LakeError::Filed`] when it is none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LakeError> {
        let mut lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let head = lines.next().unwrap_or_default();
        let head = serde_json::from_slice(head).map_err(LakeError::Filed)?;
        let rows = lines.map(serde_json::from_slice).collect::<Result<_, _>>();
        Ok(Self { head, rows: rows.map_err(LakeError::Filed)? })
    }

    /// The counts, as those of a file that was read.
    ///
    /// # Errors
    /// [`LakeError::Answer`] where the answer is not what was asked for.
    pub fn counted(&self, names: &Names) -> Result<Counted, LakeError> {
        let wrong = |source| LakeError::Answer { table: self.head.table.clone(), source };
        let answered = Answered::of(&self.rows, names).map_err(wrong)?;
        let reading = self.reading(&answered);
        let mut parts = Parts::default();
        parts.add_file(0, &answered.seen, names).map_err(|error| wrong(error.into()))?;
        let settlement = answered.settlement;
        parts.add_settled(vec![0], settlement.places, settlement.days);
        let counts = Here { cells: settlement.cells, peers: settlement.peers };
        Ok(Counted { reading, parts, counts })
    }

    fn reading(&self, answered: &Answered) -> Reading {
        let Head { table, kind, outline, identity, notes, query } = &self.head;
        let answer = self.to_bytes();
        let file = SourceFile {
            name: table.clone(),
            sha256: store::sha256(&answer),
            bytes: answer.len() as u64,
            kind: *kind,
            unit: Unit::Messages,
            rows: answered.rows,
            rejects: answered.rejects.clone(),
            span_ms: answered.span_ms,
            absent_is_no_tls: [false; Direction::ALL.len()],
            notes: notes.clone(),
            modified: None,
            path: table.into(),
            source: 0,
            usable: true,
            origin: Origin { outline: *outline, identity: *identity, stat: None, held: false },
            asked: Some(Arc::new(Asked { query: query.clone(), answer })),
        };
        Reading {
            files: vec![file],
            aggregates: Vec::new(),
            tls_reports: Vec::new(),
            skipped: Vec::new(),
            streams: Vec::new(),
        }
    }
}

fn json_line<T: Serialize>(value: &T) -> Vec<u8> {
    // Plain structs of numbers and texts cannot fail to become JSON.
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line
}

/// A table that was counted.
#[derive(Debug)]
pub struct Counted {
    /// What a reading of it as a file would say.
    pub reading: Reading,
    parts: Parts,
    counts: Here,
}

/// Counts that are at hand.
#[derive(Debug)]
struct Here {
    cells: DayCells,
    peers: DayPeers,
}

impl Counts for Here {
    type Error = CountError;

    fn cells(&mut self, _: usize) -> Result<DayCells, CountError> {
        Ok(std::mem::take(&mut self.cells))
    }

    fn peers(&mut self, _: usize) -> Result<DayPeers, CountError> {
        Ok(std::mem::take(&mut self.peers))
    }
}

impl Counted {
    /// Local day after the newest row.
    pub fn default_as_of(&self, zone: Tz) -> Option<NaiveDate> {
        self.parts.default_as_of(&self.reading, zone)
    }

    /// Counts the periods of a scope; the reading goes with them.
    ///
    /// # Errors
    /// [`CountError`] when there are more names than codes.
    pub fn finish(
        mut self,
        names: &Names,
        scope: &Scope,
    ) -> Result<(Breakdown, Reading), CountError> {
        let breakdown = self.parts.finish(&self.reading, names, scope, &mut self.counts)?;
        Ok((breakdown, self.reading))
    }
}

#[cfg(test)]
mod tests;
