//! Event rows: kinds `message-trace-detail` (extended historical search, CSV) and
//! `message-trace-events` (Get-MessageTraceDetailV2 and Graph, with MEP XML).
//!
//! Of the many events of a message only its acceptance over SMTP (inbound) and its hand-over
//! to another server (outbound) are mail; the others are events of the same message and are
//! merged into it by the breakdown, whichever file they stand in.

use std::borrow::Cow;

use quick_xml::events::Event as XmlEvent;

use crate::ingest::columns::Field;
use crate::ingest::custom_data::{self, ConnectorData, CustomData, own_connector};
use crate::ingest::messages::{push_with_peers, time_of};
use crate::ingest::row::{Cells, Context, Output, remote_key};
use crate::ingest::spelling;
use crate::trace::{ConnectorType, Direction, NO_NAME, RejectReason, Role, Row, Tls};

/// What happened to the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Receive,
    Send,
    Submit,
    Other,
}

/// One event, wherever it was written.
struct Event<'a> {
    step: Step,
    /// What the source says of the whole message.
    directionality: Option<Direction>,
    connector_id: Cow<'a, str>,
    custom: &'a str,
    server: Cow<'a, str>,
}

/// Maps one row of an extended trace.
pub(super) fn map_detail<C: Cells + ?Sized>(
    context: &Context,
    cells: &C,
    line: u64,
    out: &mut Output,
) {
    let source = context.text(cells, Field::Source);
    let event_id = context.text(cells, Field::EventId);
    let step = detail_step(source.trim(), event_id.trim());
    let word = context.text(cells, Field::Direction);
    let directionality = match context.direction_of(&word) {
        Ok(direction) => Some(direction),
        Err(RejectReason::DirectionMissing) => None,
        Err(reason) => return out.reject(reason, line, &word),
    };
    let custom = context.text(cells, Field::CustomData);
    let event = Event {
        step,
        directionality,
        connector_id: context.text(cells, Field::Connector),
        custom: &custom,
        server: context.text(cells, Field::ServerHostname),
    };
    map(context, cells, &event, line, out);
}

fn detail_step(source: &str, event_id: &str) -> Step {
    let smtp = source.is_empty() || source.eq_ignore_ascii_case("SMTP");
    match event_id.to_ascii_uppercase().as_str() {
        "RECEIVE" if smtp => Step::Receive,
        "SENDEXTERNAL" => Step::Send,
        "SEND" if smtp => Step::Send,
        "SUBMIT" => Step::Submit,
        _ => Step::Other,
    }
}

/// Maps one row of event details, whose data is XML.
pub(super) fn map_mep<C: Cells + ?Sized>(
    context: &Context,
    cells: &C,
    line: u64,
    out: &mut Output,
) {
    let named = named_step(&context.text(cells, Field::Event));
    let data = context.text(cells, Field::Data);
    let properties = match Properties::read(&data) {
        Some(properties) => properties,
        None if matches!(named, Step::Receive | Step::Send) => {
            return out.reject(RejectReason::XmlUnreadable, line, &data);
        }
        None => Properties::default(),
    };
    let event = Event {
        step: mep_step(named, &properties),
        directionality: context.direction,
        connector_id: Cow::Borrowed(&properties.connector_id),
        custom: &properties.custom_data,
        server: Cow::Borrowed(&properties.target_host),
    };
    map(context, cells, &event, line, out);
}

/// Event names are translated; where the name is not known, the data tells.
fn mep_step(named: Step, properties: &Properties) -> Step {
    if named != Step::Other {
        return named;
    }
    let custom = custom_data::parse(&properties.custom_data);
    let version = custom.tls_version.unwrap_or("");
    if custom.outbound.is_some() || version.ends_with("_CLIENT") {
        Step::Send
    } else if custom.inbound.is_some() || version.ends_with("_SERVER") {
        Step::Receive
    } else {
        Step::Other
    }
}

fn named_step(name: &str) -> Step {
    match spelling::fold(name).as_str() {
        "receive" | "received" | "empfangen" | "réception" | "recevoir" | "reçu" | "recibir"
        | "recibido" | "receber" | "recebido" | "recebimento" | "ricevi" | "ricezione"
        | "ontvangen" | "受信" => Step::Receive,
        "send" | "sendexternal" | "sent" | "senden" | "gesendet" | "externsenden" | "envoyer"
        | "envoi" | "verzenden" | "invia" => Step::Send,
        "submit" | "submitted" | "übermitteln" | "soumettre" => Step::Submit,
        _ => Step::Other,
    }
}

fn map<C: Cells + ?Sized>(
    context: &Context,
    cells: &C,
    event: &Event<'_>,
    line: u64,
    out: &mut Output,
) {
    let Some(time_ms) = time_of(context, cells, line, out) else { return };
    let custom = custom_data::parse(event.custom);
    let base = Row {
        time_ms,
        direction: event.directionality.unwrap_or(Direction::Internal),
        connector: NO_NAME,
        connector_type: ConnectorType::None,
        forced_tls: None,
        tls: Tls::Unknown,
        cipher: context.code(custom.tls_cipher),
        peer: NO_NAME,
        remote: 0,
        message_key: context.message_key(cells).unwrap_or_else(|| context.content_key(cells)),
        role: Role::Event,
    };
    let row = match event.step {
        Step::Receive => accepted(context, event, &custom, base),
        Step::Send => handed_over(context, event, &custom, base),
        Step::Submit => Ok(Row { role: Role::Submission, ..base }),
        Step::Other => Ok(other(event, base)),
    };
    match row {
        Ok(row) => {
            out.saw_time(time_ms);
            // Only an acceptance tells what an absent version of another acceptance means.
            out.saw_tls |= event.step == Step::Receive && custom.tls_version.is_some();
            if row.role == Role::Message || row.role == Role::MessageWithoutTls {
                push_with_peers(context, cells, row, out);
            } else {
                out.rows.push(row);
            }
        }
        Err(found) => out.reject(RejectReason::TlsUnreadable, line, &found),
    }
}

fn other(event: &Event<'_>, base: Row) -> Row {
    let incoming = event.directionality == Some(Direction::Inbound);
    Row { role: if incoming { Role::EventIncoming } else { Role::Event }, ..base }
}

/// An acceptance over SMTP. What the organisation's own mailboxes sent is accepted by its
/// hubs too: that is no inbound mail, unless it came through one of its connectors.
fn accepted(
    context: &Context,
    event: &Event<'_>,
    custom: &CustomData<'_>,
    base: Row,
) -> Result<Row, String> {
    let incoming = !matches!(event.directionality, Some(Direction::Outbound | Direction::Internal));
    if !incoming && custom.inbound.is_none() {
        return Ok(other(event, base));
    }
    let (tls, role) = match custom.tls_version {
        Some(version) => (band(version)?, Role::Message),
        None if event.custom.trim().is_empty() => (Tls::Unknown, Role::Message),
        None => (Tls::Unknown, Role::MessageWithoutTls),
    };
    let (connector, connector_type) = named(custom.inbound.as_ref(), &event.connector_id);
    let connector = context.code(connector);
    Ok(Row { direction: Direction::Inbound, connector, connector_type, tls, role, ..base })
}

/// A hand-over to another server; hops between the service's own servers are none.
fn handed_over(
    context: &Context,
    event: &Event<'_>,
    custom: &CustomData<'_>,
    base: Row,
) -> Result<Row, String> {
    let (connector, connector_type) = named(custom.outbound.as_ref(), &event.connector_id);
    let own_hop = connector.is_some_and(|name| name.starts_with("Intra-Organization"));
    let relayed = event.directionality == Some(Direction::Inbound) && connector.is_none();
    if own_hop || relayed || event.directionality == Some(Direction::Internal) {
        return Ok(other(event, base));
    }
    let tls = custom.tls_version.map_or(Ok(Tls::Unknown), band)?;
    Ok(Row {
        direction: Direction::Outbound,
        connector: context.code(connector),
        connector_type,
        tls,
        remote: remote_key(&event.server),
        role: Role::Message,
        ..base
    })
}

/// Name and type of a connector: as the custom data says, else by its id.
fn named<'a>(
    data: Option<&ConnectorData<'a>>,
    connector_id: &'a str,
) -> (Option<&'a str>, ConnectorType) {
    match (data, own_connector(connector_id)) {
        (Some(data), _) => (Some(data.name), data.connector_type),
        (None, Some(name)) => (Some(name), ConnectorType::Unknown),
        (None, None) => (None, ConnectorType::None),
    }
}

fn band(version: &str) -> Result<Tls, String> {
    spelling::tls(version).ok_or_else(|| version.to_owned())
}

/// The properties of a MEP document that matter here.
#[derive(Debug, Default)]
struct Properties {
    connector_id: String,
    custom_data: String,
    target_host: String,
}

impl Properties {
    /// Reads `<root><MEP Name="…" String|Blob|…="…"/>…</root>`; `None` for other text.
    fn read(xml: &str) -> Option<Self> {
        let mut properties = Self::default();
        if xml.trim().is_empty() {
            return Some(properties);
        }
        let mut reader = quick_xml::Reader::from_str(xml);
        loop {
            match reader.read_event().ok()? {
                XmlEvent::Eof => return Some(properties),
                XmlEvent::Start(element) | XmlEvent::Empty(element)
                    if element.name().as_ref() == "MEP" =>
                {
                    properties.take(&element)?;
                }
                _ => {}
            }
        }
    }

    fn take(&mut self, element: &quick_xml::events::BytesStart<'_>) -> Option<()> {
        let mut name = String::new();
        let mut value = String::new();
        for attribute in element.attributes() {
            let attribute = attribute.ok()?;
            let text =
                attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0).ok()?.into_owned();
            if attribute.key.as_ref() == "Name" {
                name = text;
            } else {
                value = text;
            }
        }
        match name.as_str() {
            "ConnectorId" => self.connector_id = value,
            "CustomData" => self.custom_data = value,
            "OutboundProxyTargetHostName" => self.target_host = value,
            _ => {}
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mep_properties() {
        let xml = "<root><MEP Name=\"ConnectorId\" String=\"EXCH01\\Relay\" />\
            <MEP Name=\"CustomData\" Blob=\"S:tlsversion=SP_PROT_TLS1_3_SERVER;S:x=a &amp; b\" />\
            <MEP Name=\"SequenceNumber\" Long=\"0\" /></root>";
        let properties = Properties::read(xml).unwrap();
        assert_eq!(properties.connector_id, "EXCH01\\Relay");
        assert_eq!(properties.custom_data, "S:tlsversion=SP_PROT_TLS1_3_SERVER;S:x=a & b");
        assert!(Properties::read("<root><MEP ... String=\"x\" /></root>").is_none());
        assert!(Properties::read("<root><MEP Name=\"x\"").is_none());
    }

    #[test]
    fn steps_of_extended_traces() {
        let cases = [
            ("SMTP", "RECEIVE", Step::Receive),
            ("STOREDRIVER", "RECEIVE", Step::Other),
            ("SMTP", "SENDEXTERNAL", Step::Send),
            ("SMTP", "SEND", Step::Send),
            ("STOREDRIVER", "DELIVER", Step::Other),
            ("AGENT", "AGENTINFO", Step::Other),
            ("STOREDRIVER", "SUBMIT", Step::Submit),
            ("SMTP", "HARECEIVE", Step::Other),
        ];
        for (source, event, step) in cases {
            assert_eq!(detail_step(source, event), step, "{source} {event}");
        }
    }
}
