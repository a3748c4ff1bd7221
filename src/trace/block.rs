//! Rows as canonical frames: the only place where their columns are made and read.

use polars::prelude::*;
use serde::{Deserialize, Serialize};

use super::{ConnectorType, Direction, Role, Tls, code_to_number};

/// One row on its way into or out of a [`Block`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Milliseconds since 1970 UTC.
    pub time_ms: i64,
    /// Which way.
    pub direction: Direction,
    /// Code of the connector's name, or [`NO_NAME`](super::NO_NAME).
    pub connector: u32,
    /// Type as the source says.
    pub connector_type: ConnectorType,
    /// Whether the source says that TLS was forced.
    pub forced_tls: Option<bool>,
    /// Band.
    pub tls: Tls,
    /// Code of the cipher's name, or [`NO_NAME`](super::NO_NAME).
    pub cipher: u32,
    /// Code of the remote domain, or [`NO_NAME`](super::NO_NAME).
    pub peer: u32,
    /// Hash of the remote server where it belongs to the identity, else 0.
    pub remote: u32,
    /// Hash of the message's identity.
    pub message_key: u64,
    /// What the row says of its message.
    pub role: Role,
}

/// How rows stand to the end of a log that may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BeforeEnd {
    /// They are what they are, whatever follows. The log was left so many times before them.
    Settled(u8),
    /// They were found, or decided, only because the log ended: the next reading does so anew.
    Open,
}

/// Some rows of one file as a canonical frame.
#[derive(Debug, Clone)]
pub struct Block {
    /// Index into the list of input files.
    pub file: u32,
    /// How its rows stand to the end of their log, where that matters.
    pub before_end: Option<BeforeEnd>,
    /// The canonical columns.
    pub frame: DataFrame,
}

/// Collects rows, column by column, and makes the canonical frame.
#[derive(Debug, Default)]
pub struct BlockBuilder {
    time: Vec<i64>,
    direction: Vec<u8>,
    connector: Vec<u32>,
    connector_type: Vec<u8>,
    forced_tls: Vec<u8>,
    tls: Vec<u8>,
    cipher: Vec<u32>,
    peer: Vec<u32>,
    remote: Vec<u32>,
    message_key: Vec<u64>,
    role: Vec<u8>,
}

impl BlockBuilder {
    /// An empty builder with room for `rows`.
    pub fn with_capacity(rows: usize) -> Self {
        Self {
            time: Vec::with_capacity(rows),
            direction: Vec::with_capacity(rows),
            connector: Vec::with_capacity(rows),
            connector_type: Vec::with_capacity(rows),
            forced_tls: Vec::with_capacity(rows),
            tls: Vec::with_capacity(rows),
            cipher: Vec::with_capacity(rows),
            peer: Vec::with_capacity(rows),
            remote: Vec::with_capacity(rows),
            message_key: Vec::with_capacity(rows),
            role: Vec::with_capacity(rows),
        }
    }

    /// Adds a row.
    pub fn push(&mut self, row: Row) {
        self.time.push(row.time_ms);
        self.direction.push(row.direction as u8);
        self.connector.push(row.connector);
        self.connector_type.push(row.connector_type as u8);
        self.forced_tls.push(row.forced_tls.map_or(NOT_SAID, u8::from));
        self.tls.push(row.tls as u8);
        self.cipher.push(row.cipher);
        self.peer.push(row.peer);
        self.remote.push(row.remote);
        self.message_key.push(row.message_key);
        self.role.push(row.role as u8);
    }

    /// Number of rows so far.
    pub fn len(&self) -> usize {
        self.time.len()
    }

    /// Says whether there is no row yet.
    pub fn is_empty(&self) -> bool {
        self.time.is_empty()
    }

    /// Makes the frame of what was pushed.
    ///
    /// # Errors
    /// When polars refuses the columns, which would be a defect.
    pub fn finish(self, file: u32) -> PolarsResult<Block> {
        let height = self.len();
        let columns = vec![
            Int64Chunked::from_vec("time".into(), self.time)
                .into_datetime(TimeUnit::Milliseconds, Some(TimeZone::UTC))
                .into_series()
                .into(),
            column::<UInt8Type>("direction", self.direction),
            column::<UInt32Type>("connector", self.connector),
            column::<UInt8Type>("connector_type", self.connector_type),
            column::<UInt8Type>("forced_tls", self.forced_tls),
            column::<UInt8Type>("tls", self.tls),
            column::<UInt32Type>("cipher", self.cipher),
            column::<UInt32Type>("peer", self.peer),
            column::<UInt32Type>("remote", self.remote),
            column::<UInt64Type>("message_key", self.message_key),
            column::<UInt8Type>("role", self.role),
            Column::new_scalar("file".into(), Scalar::from(file), height),
        ];
        Ok(Block { file, before_end: None, frame: DataFrame::new(height, columns)? })
    }
}

/// Between what the numbers of some rows lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// First and last time, milliseconds since 1970 UTC.
    pub times_ms: (i64, i64),
    /// All bits of the numbers of connectors, as [`code_to_number`] has them.
    pub connectors: u32,
    /// All bits of those of remote domains, likewise.
    pub peers: u32,
    /// All bits of the hashes of remote servers.
    pub remotes: u32,
}

impl Block {
    /// The extent of the rows; of none, times from the latest to the earliest that there are.
    ///
    /// # Errors
    /// As [`Block::for_each`].
    pub fn extent(&self) -> PolarsResult<Extent> {
        let column = |name| self.frame.column(name);
        let bits = |name, number: fn(u32) -> u32| -> PolarsResult<u32> {
            let held = column(name)?.u32()?.cont_slice()?;
            Ok(held.iter().fold(0, |all, held| all | number(*held)))
        };
        let times = column("time")?.datetime()?.physical().cont_slice()?.iter();
        let widen = |(first, last): (i64, i64), time: &i64| (first.min(*time), last.max(*time));
        Ok(Extent {
            times_ms: times.fold((i64::MAX, i64::MIN), widen),
            connectors: bits("connector", code_to_number)?,
            peers: bits("peer", code_to_number)?,
            remotes: bits("remote", |hash| hash)?,
        })
    }

    /// Calls `each` for every row of the frame.
    ///
    /// # Errors
    /// When a column is absent or has another dtype, which would be a defect.
    pub fn for_each(&self, mut each: impl FnMut(Row)) -> PolarsResult<()> {
        // One chunk and no null, as they were made: plain slices.
        let column = |name| self.frame.column(name);
        let bytes = |name| column(name)?.u8()?.cont_slice();
        let words = |name| column(name)?.u32()?.cont_slice();
        let times = column("time")?.datetime()?.physical().cont_slice()?;
        let keys = column("message_key")?.u64()?.cont_slice()?;
        let names = words("connector")?.iter().zip(words("cipher")?).zip(words("peer")?);
        let numbers = times.iter().zip(keys).zip(words("remote")?).zip(names);
        let codes = bytes("direction")?.iter().zip(bytes("connector_type")?);
        let codes = codes.zip(bytes("forced_tls")?).zip(bytes("tls")?).zip(bytes("role")?);
        for (number, code) in numbers.zip(codes) {
            let (((time, key), remote), ((connector, cipher), peer)) = number;
            let ((((direction, kind), forced), tls), role) = code;
            let fault = || polars_err!(ComputeError: "a canonical column is at fault");
            let role = Role::ALL.get(usize::from(*role)).ok_or_else(fault)?;
            let tls = Tls::ALL.get(usize::from(*tls)).ok_or_else(fault)?;
            let direction = Direction::ALL.get(usize::from(*direction)).ok_or_else(fault)?;
            let kind = ConnectorType::ALL.get(usize::from(*kind)).ok_or_else(fault)?;
            // Made where it is used: to copy what was just written field by field is slow.
            each(Row {
                time_ms: *time,
                direction: *direction,
                connector: *connector,
                connector_type: *kind,
                forced_tls: (*forced < NOT_SAID).then_some(*forced == 1),
                tls: *tls,
                cipher: *cipher,
                peer: *peer,
                remote: *remote,
                message_key: *key,
                role: *role,
            });
        }
        Ok(())
    }
}

/// A column without nulls, of values as they are.
fn column<T: PolarsNumericType>(name: &'static str, values: Vec<T::Native>) -> Column
where
    ChunkedArray<T>: IntoSeries,
{
    ChunkedArray::<T>::from_vec(name.into(), values).into_series().into()
}

/// Code of a source that does not say whether TLS was forced.
const NOT_SAID: u8 = 2;

#[cfg(test)]
mod tests {
    use super::super::{NO_NAME, Names};
    use super::*;

    #[test]
    fn a_block_gives_back_what_was_pushed() {
        let names = Names::new();
        let row = Row {
            time_ms: 1_794_000_000_123,
            direction: Direction::Outbound,
            connector: names.code("Relais, scanners 07").unwrap(),
            connector_type: ConnectorType::Partner,
            forced_tls: Some(true),
            tls: Tls::Tls1_3,
            cipher: NO_NAME,
            peer: names.code("fabrikam.example").unwrap(),
            remote: 7,
            message_key: u64::MAX,
            role: Role::EventIncoming,
        };
        let bare = Row { connector: NO_NAME, forced_tls: None, tls: Tls::Unknown, ..row };
        let mut builder = BlockBuilder::default();
        builder.push(row);
        builder.push(bare);
        let block = builder.finish(3).unwrap();
        assert_eq!(block.frame.shape(), (2, 12));
        let mut seen = Vec::new();
        block.for_each(|row| seen.push(row)).unwrap();
        assert_eq!(seen, [row, bare]);
        assert_eq!(names.name(row.connector), Some("Relais, scanners 07"));
    }
}
