//! Which column of a table holds what: by header name, never by position.
//!
//! Headers are compared without case, blanks, `_`, `-`, a trailing `?` and a trailing
//! `(percentage)` or `%`. A user's column map goes before the built-in names.

use std::collections::BTreeMap;

use crate::config::ColumnMap;
use crate::ingest::cloud;
use crate::ingest::spelling::fold;
use crate::trace::Kind;

/// Most columns of a table; further keys of JSON are not columns.
pub(super) const MOST: usize = 4096;

/// The canonical fields that a column may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// Time or date.
    Time,
    /// Network message id or message trace id: given by the service.
    NetworkId,
    /// Message-ID header.
    MessageId,
    /// Direction of the message.
    Direction,
    /// Connector name.
    Connector,
    /// "From partner - NAME": direction and connector in one.
    Label,
    /// Connector type.
    ConnectorType,
    /// Whether TLS is forced.
    ForcedTls,
    /// TLS version.
    Tls,
    /// Cipher.
    Cipher,
    /// Sender address.
    Sender,
    /// Recipient addresses.
    Recipient,
    /// Remote domain or host.
    Peer,
    /// Messages that a row stands for.
    Messages,
    /// Share or count of No TLS.
    NoTls,
    /// Share of TLS 1.0.
    Tls1_0,
    /// Share of TLS 1.1.
    Tls1_1,
    /// Share of TLS 1.2.
    Tls1_2,
    /// Share of TLS 1.3.
    Tls1_3,
    /// Messages of an aggregate row.
    Volume,
    /// Component that logged an event.
    Source,
    /// Event of a message trace.
    EventId,
    /// Key and value pairs of an event.
    CustomData,
    /// Remote server of an event.
    ServerHostname,
    /// Event of the detail cmdlet.
    Event,
    /// XML of the detail cmdlet.
    Data,
    /// Delivery status of a summary row.
    Status,
}

/// Names of each field, folded, best first.
const NAMES: [(Field, &[&str]); 27] = [
    (
        Field::Time,
        &[
            "datetimeutc",
            "origintimestamputc",
            "datetime",
            "date",
            "received",
            "receiveddatetime",
            "timestamp",
            "time",
        ],
    ),
    (Field::NetworkId, &["networkmessageid", "messagetraceid"]),
    (Field::MessageId, &["messageid", "internetmessageid"]),
    (Field::Direction, &["direction", "directionality", "maildirection", "emaildirection"]),
    (Field::Connector, &["connectorname", "connector", "connectorid", "connectors"]),
    (Field::Label, &["connectordirectionandname"]),
    (Field::ConnectorType, &["connectortype"]),
    (Field::ForcedTls, &["forcedtls"]),
    (Field::Tls, &["tlsversion", "tls", "tlsused", "smtptlsversion"]),
    (Field::Cipher, &["tlscipher", "cipher"]),
    (Field::Sender, &["senderaddress", "sender", "from"]),
    (Field::Recipient, &["recipientaddress", "recipient", "recipients", "recipientstatus", "to"]),
    (Field::Peer, &["peer", "remotedomain", "remotehost"]),
    (Field::Messages, &["messages", "messagecount"]),
    (Field::NoTls, &["notls"]),
    (Field::Tls1_0, &["tls1.0"]),
    (Field::Tls1_1, &["tls1.1"]),
    (Field::Tls1_2, &["tls1.2"]),
    (Field::Tls1_3, &["tls1.3"]),
    (Field::Volume, &["volume"]),
    (Field::Source, &["source"]),
    (Field::EventId, &["eventid"]),
    (Field::CustomData, &["customdata"]),
    (Field::ServerHostname, &["serverhostname"]),
    (Field::Event, &["event"]),
    (Field::Data, &["data"]),
    (Field::Status, &["status", "deliverystatus"]),
];

/// A column that the user's map names and the header lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AbsentColumn(pub String);

/// Positions of the fields in one table.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    positions: [Option<usize>; NAMES.len()],
    headers: Vec<String>,
    /// Columns by their own names, in lower case.
    names: BTreeMap<String, usize>,
}

impl Columns {
    /// Those of what is no table.
    pub(super) fn none() -> Self {
        Self { positions: [None; NAMES.len()], headers: Vec::new(), names: BTreeMap::new() }
    }

    /// Finds the fields in a header.
    ///
    /// # Errors
    /// The first column of the user's map that the header does not have.
    pub(super) fn find(headers: &[String], map: Option<&ColumnMap>) -> Result<Self, AbsentColumn> {
        let folded: Vec<String> = headers.iter().map(|header| fold_header(header)).collect();
        let mut positions = NAMES.map(|(_, names)| {
            names.iter().find_map(|name| folded.iter().position(|header| header == name))
        });
        for (field, name) in map.into_iter().flat_map(mapped) {
            let wanted = fold_header(name);
            let position = headers
                .iter()
                .position(|header| header.trim() == name.trim())
                .or_else(|| folded.iter().position(|header| *header == wanted))
                .ok_or_else(|| AbsentColumn(name.to_owned()))?;
            if let Some(slot) = positions.get_mut(slot_of(field)) {
                *slot = Some(position);
            }
            // The user's identity column is the identity, whatever other ids there are.
            if let (Field::MessageId, Some(slot)) =
                (field, positions.get_mut(slot_of(Field::NetworkId)))
            {
                *slot = None;
            }
        }
        // Of columns whose names differ in case only, the first one counts.
        let named = headers.iter().enumerate().rev();
        let names = named.map(|(at, name)| (name.trim().to_ascii_lowercase(), at)).collect();
        Ok(Self { positions, headers: headers.to_vec(), names })
    }

    /// Position of a field.
    pub(super) fn get(&self, field: Field) -> Option<usize> {
        self.positions.get(slot_of(field)).copied().flatten()
    }

    /// First and last column of those that hold the fields, where no other stands between them.
    pub(super) fn side_by_side(&self, fields: &[Field]) -> Option<(usize, usize)> {
        let mut held: Vec<usize> = fields.iter().filter_map(|field| self.get(*field)).collect();
        held.sort_unstable();
        held.dedup();
        let (first, last) = (*held.first()?, *held.last()?);
        (last - first + 1 == held.len()).then_some((first, last))
    }

    /// Says whether there is a column for the field.
    pub(super) fn has(&self, field: Field) -> bool {
        self.get(field).is_some()
    }

    /// Says whether the service's id is the network message id itself, not the trace id that
    /// summaries have in its place.
    pub(super) fn has_network_message_id(&self) -> bool {
        let header = self.get(Field::NetworkId).and_then(|position| self.headers.get(position));
        header.is_some_and(|header| fold_header(header) == "networkmessageid")
    }

    /// Number of columns of the table.
    pub(super) fn width(&self) -> usize {
        self.headers.len()
    }

    /// The header as found.
    pub(super) fn headers(&self) -> &[String] {
        &self.headers
    }

    /// Names of the columns that hold a field, for readers that can leave others out.
    pub(super) fn used(&self, kind: Kind) -> Vec<String> {
        if kind.is_cloud() {
            return self.headers.clone();
        }
        let mut positions: Vec<usize> = self.positions.iter().copied().flatten().collect();
        positions.sort_unstable();
        positions.dedup();
        positions.into_iter().filter_map(|position| self.headers.get(position).cloned()).collect()
    }

    /// The column of a name of its own, whatever the case of its ASCII letters.
    pub(super) fn named(&self, name: &str) -> Option<usize> {
        self.names.get(name).or_else(|| self.names.get(&name.to_ascii_lowercase())).copied()
    }

    /// The kind of table that these columns make, if any.
    pub(super) fn kind(&self, mapped: bool) -> Option<Kind> {
        if !mapped && let Some(kind) = cloud::rows::kind(&self.headers) {
            return Some(kind);
        }
        let has = |field| self.has(field);
        let connector = has(Field::Label) || has(Field::Connector);
        let bands = [Field::NoTls, Field::Tls1_0, Field::Tls1_1, Field::Tls1_2, Field::Tls1_3];
        if has(Field::Time) && connector && has(Field::Volume) && bands.into_iter().any(has) {
            Some(Kind::ConnectorReport)
        } else if !has(Field::Time) {
            None
        } else if mapped && has(Field::Tls) {
            Some(Kind::Table)
        } else if has(Field::EventId) && (has(Field::CustomData) || has(Field::Source)) {
            Some(Kind::MessageTraceDetail)
        } else if has(Field::Event) && has(Field::Data) {
            Some(Kind::MessageTraceEvents)
        } else if has(Field::Tls) {
            Some(Kind::ConnectorReportDetail)
        } else if (has(Field::MessageId) || has(Field::NetworkId))
            && (has(Field::Recipient) || has(Field::Direction) || has(Field::Status))
        {
            Some(Kind::MessageTrace)
        } else {
            None
        }
    }

    /// The fields that `kind` cannot do without and this table lacks, as header names.
    pub(super) fn missing_for(&self, kind: Kind) -> Vec<&'static str> {
        let required: &[Field] = match kind {
            Kind::ConnectorReport => &[Field::Time, Field::Volume],
            Kind::ConnectorReportDetail | Kind::Table => &[Field::Time, Field::Tls],
            Kind::MessageTrace => &[Field::Time],
            // Told by columns of their own, or no tables.
            Kind::ExchangeTracking
            | Kind::ExchangeSmtp
            | Kind::Postfix
            | Kind::Exim
            | Kind::Sendmail
            | Kind::OpenSmtpd
            | Kind::Gmail
            | Kind::Mimecast
            | Kind::Proofpoint
            | Kind::TlsRpt => &[],
            Kind::MessageTraceDetail => &[Field::Time, Field::EventId],
            Kind::MessageTraceEvents => &[Field::Time, Field::Event, Field::Data],
        };
        required.iter().filter(|field| !self.has(**field)).map(|field| name_of(*field)).collect()
    }
}

/// Place of a field in [`NAMES`], which keeps the order of the declaration: it is asked for
/// with every cell.
fn slot_of(field: Field) -> usize {
    field as usize
}

fn name_of(field: Field) -> &'static str {
    match field {
        Field::Time => "date_time_utc",
        Field::Tls => "tls_version",
        Field::EventId => "event_id",
        Field::Event => "Event",
        Field::Data => "Data",
        Field::Volume => "Volume",
        _ => "direction",
    }
}

fn fold_header(header: &str) -> String {
    let lower = header.trim().to_lowercase();
    let bare = ["(percentage)", "(percent)", "(%)", "%"]
        .iter()
        .find_map(|suffix| lower.strip_suffix(suffix))
        .unwrap_or(&lower);
    fold(bare)
}

fn mapped(map: &ColumnMap) -> impl Iterator<Item = (Field, &str)> {
    [
        (Field::Time, &map.time),
        (Field::MessageId, &map.message_id),
        (Field::Direction, &map.direction),
        (Field::Connector, &map.connector),
        (Field::ConnectorType, &map.connector_type),
        (Field::ForcedTls, &map.forced_tls),
        (Field::Tls, &map.tls),
        (Field::Cipher, &map.cipher),
        (Field::Sender, &map.sender),
        (Field::Recipient, &map.recipient),
        (Field::Peer, &map.peer),
        (Field::Messages, &map.messages),
    ]
    .into_iter()
    .filter_map(|(field, name)| Some((field, name.as_deref()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(header: &str) -> Columns {
        let headers: Vec<String> = header.split('|').map(str::to_owned).collect();
        Columns::find(&headers, None).unwrap()
    }

    #[test]
    fn names_keep_the_order_of_the_fields() {
        for (slot, (field, _)) in NAMES.iter().enumerate() {
            assert_eq!(slot_of(*field), slot, "{field:?}");
        }
    }

    #[test]
    fn kinds_are_told_by_their_columns() {
        let cases = [
            (
                "Date|Connector direction and name|Connector type|Forced TLS?|No TLS|TLS 1.2|Volume",
                Some(Kind::ConnectorReport),
            ),
            (
                "date|connector_direction_and_name|No TLS (percentage)|Volume",
                Some(Kind::ConnectorReport),
            ),
            (
                "date_time_utc|direction|connector_name|tls_version|sender_address",
                Some(Kind::ConnectorReportDetail),
            ),
            (
                "origin_timestamp_utc|sender_address|recipient_status|message_id|directionality|connector_id",
                Some(Kind::MessageTrace),
            ),
            (
                "Received|SenderAddress|RecipientAddress|Status|MessageTraceId",
                Some(Kind::MessageTrace),
            ),
            (
                "date_time_utc|source|event_id|message_id|custom_data",
                Some(Kind::MessageTraceDetail),
            ),
            ("Date|Event|Action|Detail|Data|MessageId", Some(Kind::MessageTraceEvents)),
            ("name|colour", None),
        ];
        for (header, kind) in cases {
            assert_eq!(columns(header).kind(false), kind, "{header}");
        }
    }

    #[test]
    fn the_best_name_wins_whatever_its_position() {
        let found = columns("timestamp|date_time_utc|directionality|direction");
        assert_eq!(found.get(Field::Time), Some(1));
        assert_eq!(found.get(Field::Direction), Some(3));
    }

    #[test]
    fn a_map_goes_first_and_must_exist() {
        let headers: Vec<String> = ["time", "Zeit"].map(str::to_owned).to_vec();
        let map = ColumnMap { time: Some("Zeit".to_owned()), ..ColumnMap::default() };
        assert_eq!(Columns::find(&headers, Some(&map)).unwrap().get(Field::Time), Some(1));
        let map = ColumnMap { tls: Some("TLS-Version".to_owned()), ..ColumnMap::default() };
        let absent = Columns::find(&headers, Some(&map)).unwrap_err();
        assert_eq!(absent, AbsentColumn("TLS-Version".to_owned()));
    }
}
