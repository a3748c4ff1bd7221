//! The canonical trace: the one table that every source is read into, and its vocabulary.
//!
//! | column | dtype | meaning |
//! |---|---|---|
//! | `time` | Datetime(ms, UTC) | when the message was received or handed over |
//! | `direction` | `UInt8`: [`Direction`] | inbound, outbound, internal |
//! | `connector` | `UInt32`: [`Names`], or [`NO_NAME`] | name as the source spells it |
//! | `connector_type` | `UInt8`: [`ConnectorType`] | partner, `on_premises`, none, unknown |
//! | `forced_tls` | `UInt8`: 0 no, 1 yes, 2 not said | whether the source says that TLS was forced |
//! | `tls` | `UInt8`: [`Tls`] | the eight bands |
//! | `cipher` | `UInt32`: [`Names`], or [`NO_NAME`] | cipher as the source spells it |
//! | `peer` | `UInt32`: [`Names`], or [`NO_NAME`] | remote domain or host: whom to contact |
//! | `remote` | `UInt32` | hash of the remote server where it belongs to the identity, else 0 |
//! | `message_key` | `UInt64` | hash of the identity, for counting once |
//! | `role` | `UInt8`: [`Role`] | what the row says of its message |
//! | `file` | `UInt32` | index into the list of input files |
//!
//! Words and names stand in the columns as their codes. Columns of polars' own enumerations
//! would check the code of every value again when they are made and when they are read.
//!
//! Day totals of an aggregate source travel beside the frames as [`Aggregate`] rows: they
//! have a date as it stands and no time.
//!
//! Invariant: all columns of a [`Block`] are made and read here only, with the same dtypes.

mod reject;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

pub use reject::{Reject, RejectReason, Rejects};

use polars::prelude::*;
use serde::{Deserialize, Serialize};

/// Which way a message went.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Entered the organisation.
    Inbound,
    /// Left the organisation.
    Outbound,
    /// Never crossed its border; reported per source only.
    Internal,
}

impl Direction {
    /// The name used in JSON and CSV.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
            Self::Internal => "internal",
        }
    }

    /// All directions, in the order of their codes.
    pub const ALL: [Self; 3] = [Self::Inbound, Self::Outbound, Self::Internal];
}

/// TLS bands in their fixed order. RFC 8996 deprecates TLS 1.0 and 1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Tls {
    /// Sent in clear.
    NoTls,
    /// SSL 3.0 or older.
    Ssl3,
    /// TLS 1.0.
    Tls1_0,
    /// TLS 1.1.
    Tls1_1,
    /// TLS 1.2.
    Tls1_2,
    /// TLS 1.3.
    Tls1_3,
    /// Encrypted, version not recorded.
    Unspecified,
    /// The trace does not say. Never folded into another band.
    Unknown,
}

impl Tls {
    /// All bands in their fixed order.
    pub const ALL: [Self; 8] = [
        Self::NoTls,
        Self::Ssl3,
        Self::Tls1_0,
        Self::Tls1_1,
        Self::Tls1_2,
        Self::Tls1_3,
        Self::Unspecified,
        Self::Unknown,
    ];

    /// The key used in JSON and CSV.
    pub fn key(self) -> &'static str {
        match self {
            Self::NoTls => "no_tls",
            Self::Ssl3 => "ssl3",
            Self::Tls1_0 => "tls1_0",
            Self::Tls1_1 => "tls1_1",
            Self::Tls1_2 => "tls1_2",
            Self::Tls1_3 => "tls1_3",
            Self::Unspecified => "tls_unspecified",
            Self::Unknown => "unknown",
        }
    }
}

/// Messages per TLS band.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct TlsCounts {
    /// No TLS.
    pub no_tls: u64,
    /// SSL 3.0 or older.
    pub ssl3: u64,
    /// TLS 1.0.
    pub tls1_0: u64,
    /// TLS 1.1.
    pub tls1_1: u64,
    /// TLS 1.2.
    pub tls1_2: u64,
    /// TLS 1.3.
    pub tls1_3: u64,
    /// Encrypted, version not recorded.
    pub tls_unspecified: u64,
    /// The trace does not say.
    pub unknown: u64,
}

impl TlsCounts {
    /// The count of one band.
    pub fn get(&self, band: Tls) -> u64 {
        match band {
            Tls::NoTls => self.no_tls,
            Tls::Ssl3 => self.ssl3,
            Tls::Tls1_0 => self.tls1_0,
            Tls::Tls1_1 => self.tls1_1,
            Tls::Tls1_2 => self.tls1_2,
            Tls::Tls1_3 => self.tls1_3,
            Tls::Unspecified => self.tls_unspecified,
            Tls::Unknown => self.unknown,
        }
    }

    /// Adds messages to one band.
    pub fn add(&mut self, band: Tls, messages: u64) {
        let count = match band {
            Tls::NoTls => &mut self.no_tls,
            Tls::Ssl3 => &mut self.ssl3,
            Tls::Tls1_0 => &mut self.tls1_0,
            Tls::Tls1_1 => &mut self.tls1_1,
            Tls::Tls1_2 => &mut self.tls1_2,
            Tls::Tls1_3 => &mut self.tls1_3,
            Tls::Unspecified => &mut self.tls_unspecified,
            Tls::Unknown => &mut self.unknown,
        };
        *count += messages;
    }

    /// Adds every band of `other`.
    pub fn add_all(&mut self, other: &Self) {
        for band in Tls::ALL {
            self.add(band, other.get(band));
        }
    }

    /// The sum over all bands.
    pub fn total(&self) -> u64 {
        Tls::ALL.iter().map(|band| self.get(*band)).sum()
    }
}

/// What the connector is for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ConnectorType {
    /// A partner organisation.
    Partner,
    /// The organisation's own servers.
    OnPremises,
    /// Mail without a connector.
    None,
    /// The trace does not say.
    Unknown,
}

impl ConnectorType {
    /// The name used in JSON and CSV.
    pub fn name(self) -> &'static str {
        match self {
            Self::Partner => "partner",
            Self::OnPremises => "on_premises",
            Self::None => "none",
            Self::Unknown => "unknown",
        }
    }

    /// All types, in the order of their codes.
    pub const ALL: [Self; 4] = [Self::Partner, Self::OnPremises, Self::None, Self::Unknown];
}

/// What one row of a source says of its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// The message was accepted or handed over.
    Message,
    /// As `Message`, but the row lacks a TLS version where others of its file may carry one
    /// (formats of event rows): No TLS if any row of the file carries a version, else unknown.
    MessageWithoutTls,
    /// A row that is a message of its own, because the source has no identity column.
    Anonymous,
    /// Another event of a message that must have come in; never counted by itself.
    EventIncoming,
    /// Another event of a message that may have stayed inside; never counted by itself.
    Event,
    /// Says that the message was written inside the organisation: what it was accepted
    /// from afterwards is a hop of its own servers, unless a connector is named.
    Submission,
    /// A hand-over that is mail only where another row of the message says that the message
    /// went this way; otherwise another event.
    Supposed,
    /// A further recipient of the row before it, where recipients are counted: counted, but
    /// no row of the file.
    FurtherRecipient,
    /// A further remote domain of the row before it; no row of the file.
    FurtherPeer,
}

impl Role {
    /// All roles, in the order of their codes.
    pub const ALL: [Self; 9] = [
        Self::Message,
        Self::MessageWithoutTls,
        Self::Anonymous,
        Self::EventIncoming,
        Self::Event,
        Self::Submission,
        Self::Supposed,
        Self::FurtherRecipient,
        Self::FurtherPeer,
    ];
}

/// The formats that can be read.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The aggregate table of the Connector report.
    ConnectorReport,
    /// Message rows of the historical search for the Connector report.
    ConnectorReportDetail,
    /// Message trace, summary: no TLS column.
    MessageTrace,
    /// Message trace, extended: event rows.
    MessageTraceDetail,
    /// Event details of single messages (Get-MessageTraceDetailV2, Graph).
    MessageTraceEvents,
    /// Message tracking logs of Exchange Server.
    ExchangeTracking,
    /// SMTP protocol logs of Exchange Server.
    ExchangeSmtp,
    /// Logs of Postfix.
    Postfix,
    /// Main logs of Exim.
    Exim,
    /// Logs of Sendmail.
    Sendmail,
    /// Logs of `OpenSMTPD`.
    #[serde(rename = "opensmtpd")]
    OpenSmtpd,
    /// Gmail logs exported from `BigQuery`.
    Gmail,
    /// Mimecast SIEM logs.
    Mimecast,
    /// Proofpoint on Demand logs.
    Proofpoint,
    /// SMTP TLS reports of other organisations (RFC 8460): sessions, never messages.
    TlsRpt,
    /// Any table with a column map.
    Table,
}

impl Kind {
    /// The name used on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::ConnectorReport => "connector-report",
            Self::ConnectorReportDetail => "connector-report-detail",
            Self::MessageTrace => "message-trace",
            Self::MessageTraceDetail => "message-trace-detail",
            Self::MessageTraceEvents => "message-trace-events",
            Self::ExchangeTracking => "exchange-tracking",
            Self::ExchangeSmtp => "exchange-smtp",
            Self::Postfix => "postfix",
            Self::Exim => "exim",
            Self::Sendmail => "sendmail",
            Self::OpenSmtpd => "opensmtpd",
            Self::Gmail => "gmail",
            Self::Mimecast => "mimecast",
            Self::Proofpoint => "proofpoint",
            Self::TlsRpt => "tls-rpt",
            Self::Table => "table",
        }
    }

    /// Says whether files of this kind are logs: lines that make sense in their order only.
    pub fn is_log(self) -> bool {
        matches!(
            self,
            Self::ExchangeTracking
                | Self::ExchangeSmtp
                | Self::Postfix
                | Self::Exim
                | Self::Sendmail
                | Self::OpenSmtpd
        )
    }

    /// Says whether rows of this kind are records of a cloud service, each with fields of
    /// its own.
    pub fn is_cloud(self) -> bool {
        matches!(self, Self::Gmail | Self::Mimecast | Self::Proofpoint)
    }

    /// All kinds.
    pub const ALL: [Self; 16] = [
        Self::ConnectorReport,
        Self::ConnectorReportDetail,
        Self::MessageTrace,
        Self::MessageTraceDetail,
        Self::MessageTraceEvents,
        Self::ExchangeTracking,
        Self::ExchangeSmtp,
        Self::Postfix,
        Self::Exim,
        Self::Sendmail,
        Self::OpenSmtpd,
        Self::Gmail,
        Self::Mimecast,
        Self::Proofpoint,
        Self::TlsRpt,
        Self::Table,
    ];
}

/// What is counted.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Messages, however many recipients they have.
    #[default]
    Messages,
    /// Recipients of messages, where the source names them.
    Recipients,
    /// TLS sessions; only for sources that know nothing else.
    #[serde(skip)]
    Sessions,
}

impl Unit {
    /// The name used in settings and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Recipients => "recipients",
            Self::Sessions => "sessions",
        }
    }

    /// All units.
    pub const ALL: [Self; 2] = [Self::Messages, Self::Recipients];
}

/// Day totals of one connector from an aggregate source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aggregate {
    /// Index into the list of input files.
    pub file: u32,
    /// Line of the row in its file.
    pub line: u64,
    /// The date as it stands in the source, days since 1970-01-01.
    pub day: i32,
    /// Which way.
    pub direction: Direction,
    /// Name; none = mail without a connector.
    pub connector: Option<String>,
    /// Type as the source says.
    pub connector_type: ConnectorType,
    /// Whether the source says that TLS was forced.
    pub forced_tls: Option<bool>,
    /// Messages per band.
    pub tls: TlsCounts,
    /// True where rows of one day and connector are parts to be added, not competing totals.
    pub additive: bool,
}

/// The names that the frames of one reading share, so that a name is stored once.
#[derive(Debug, Clone)]
pub struct Names {
    mapping: Arc<CategoricalMapping>,
    /// Length of all names.
    bytes: Arc<AtomicUsize>,
    /// A name was refused.
    full: Arc<AtomicBool>,
    /// Most names, and most bytes of all together.
    most: (usize, usize),
}

/// Most names of connectors, remote domains and ciphers in one reading, whatever the memory.
const MOST_NAMES: usize = 8_000_000;
/// Most bytes of all names together: 512 MiB.
const MOST_NAME_BYTES: usize = 512 << 20;

impl Names {
    /// An empty set of as many names as are ever held.
    pub fn new() -> Self {
        Self::at_most(MOST_NAMES, MOST_NAME_BYTES)
    }

    /// An empty set of so many names at most, and so many bytes of them.
    pub fn at_most(names: usize, bytes: usize) -> Self {
        let categories =
            Categories::random(PlSmallStr::from_static("intransit"), CategoricalPhysical::U32);
        let most = (names.min(MOST_NAMES), bytes.min(MOST_NAME_BYTES));
        Self { mapping: categories.mapping(), bytes: Arc::default(), full: Arc::default(), most }
    }

    /// Most names that it holds.
    pub fn most(&self) -> usize {
        self.most.0
    }

    /// The code of a name, giving it one where it is new.
    ///
    /// # Errors
    /// When there are more than it may hold, or they are too long together; from then on the
    /// names [are full](Self::is_full).
    pub fn code(&self, name: &str) -> PolarsResult<u32> {
        if let Some(code) = self.known(name) {
            return Ok(code);
        }
        let bytes = self.bytes.fetch_add(name.len(), Ordering::Relaxed);
        if self.len() < self.most.0 && bytes < self.most.1 {
            return self.mapping.insert_cat(name);
        }
        self.full.store(true, Ordering::Relaxed);
        Err(PolarsError::ComputeError("there are more names than are held".into()))
    }

    /// Says whether a name was refused: what was read is then not whole.
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Number of names, or a little more.
    pub fn len(&self) -> usize {
        self.mapping.num_cats_upper_bound()
    }

    /// Says whether there is no name yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The code of a name, where it has one.
    pub fn known(&self, name: &str) -> Option<u32> {
        self.mapping.get_cat(name)
    }

    /// The name of a code that [`Names::code`] gave.
    pub fn name(&self, code: u32) -> Option<&str> {
        if code == NO_NAME {
            return None;
        }
        self.mapping.cat_to_str(code)
    }
}

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}

/// Code of an absent name in a [`Row`].
pub const NO_NAME: u32 = u32::MAX;

/// One row on its way into or out of a [`Block`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Milliseconds since 1970 UTC.
    pub time_ms: i64,
    /// Which way.
    pub direction: Direction,
    /// Code of the connector's name, or [`NO_NAME`].
    pub connector: u32,
    /// Type as the source says.
    pub connector_type: ConnectorType,
    /// Whether the source says that TLS was forced.
    pub forced_tls: Option<bool>,
    /// Band.
    pub tls: Tls,
    /// Code of the cipher's name, or [`NO_NAME`].
    pub cipher: u32,
    /// Code of the remote domain, or [`NO_NAME`].
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

impl Block {
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
