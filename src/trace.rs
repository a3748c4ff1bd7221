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
//! Invariant: all columns of a [`Block`] are made and read in one place only, with the same dtypes.

mod block;
mod kind;
mod names;
mod reject;

pub use block::{BeforeEnd, Block, BlockBuilder, Extent, Row};
pub use kind::Kind;
pub use names::{NO_NAME, Names, code_to_number, number_to_code};
pub use reject::{Reject, RejectReason, Rejects};

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
