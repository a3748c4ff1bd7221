//! Kind `mimecast`: SIEM logs of Mimecast as JSON Lines, of both generations of its API.
//!
//! | record | told by (API 1 / API 2) | mail |
//! |---|---|---|
//! | receipt | `Act` with `Dir` / `type` receipt | inbound: accepted (`Acc`) |
//! | process | `Act` without `Dir` / `type` process | no |
//! | delivery | `Delivered` / `type` delivery | outbound: delivered |
//! | journal, attachment, URL and others | neither | no |
//!
//! A receipt of outgoing mail and a delivery of incoming mail join the organisation's own
//! servers with Mimecast: hops inside. `Route` stands in deliveries only, so that outbound
//! mail has a connector and inbound mail has none.
//!
//! The older `key=value|key=value` lines are not read: their subject is not escaped, so that
//! a sender could write any field.

use std::borrow::Cow;

use chrono_tz::Tz;

use crate::ingest::cloud::{self, CloudMail, Lookup, Rejected};
use crate::trace::{Direction, RejectReason, Tls};

/// Names of one generation.
struct Names {
    message: &'static str,
    message_id: &'static str,
    time: &'static str,
    action: &'static str,
    direction: &'static str,
    delivered: &'static str,
    tls_used: &'static str,
    tls_version: &'static str,
    cipher: &'static str,
    route: &'static str,
    sender: &'static str,
    recipient: &'static str,
    server: &'static str,
}

const API_1: Names = Names {
    message: "aCode",
    message_id: "MsgId",
    time: "datetime",
    action: "Act",
    direction: "Dir",
    delivered: "Delivered",
    tls_used: "UseTls",
    tls_version: "TlsVer",
    cipher: "Cphr",
    route: "Route",
    sender: "Sender",
    recipient: "Rcpt",
    server: "IP",
};

const API_2: Names = Names {
    message: "aggregateId",
    message_id: "messageId",
    time: "timestamp",
    action: "action",
    direction: "direction",
    delivered: "delivered",
    tls_used: "tlsUsed",
    tls_version: "tlsVersion",
    cipher: "tlsCipher",
    route: "route",
    sender: "senderEnvelope",
    recipient: "recipients",
    server: "destinationIp",
};

/// Names the record in API 2 only.
const RECORD_TYPE: &str = "type";

/// What a record tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Receipt,
    Delivery,
    Other,
}

/// Says whether these are the columns of a Mimecast log.
pub(crate) fn is(headers: &[String]) -> bool {
    let all = |names: &[&str]| names.iter().all(|name| cloud::has(headers, name));
    all(&["aCode", "acc", "datetime"]) || all(&["aggregateId", "processingId", "timestamp", "type"])
}

/// Maps one row.
///
/// # Errors
/// Why the row cannot be used, and what was found.
pub(crate) fn map(
    row: &dyn Lookup,
    zone: Tz,
    emit: &mut dyn FnMut(CloudMail),
) -> Result<(), Rejected> {
    let second = row.get(API_1.time).trim().is_empty();
    let record = Record { row, names: if second { API_2 } else { API_1 } };
    let time = record.get(record.names.time);
    let time_ms = if second { cloud::epoch(&time, 1)? } else { cloud::instant(&time, zone)? };
    let event = CloudMail::event(time_ms, record.identity());
    let step = if second { record.named_step() } else { record.step() };
    match step {
        Step::Receipt => record.received(event, emit),
        Step::Delivery => record.delivered(event, emit),
        Step::Other => {
            emit(event);
            Ok(())
        }
    }
}

struct Record<'a> {
    row: &'a dyn Lookup,
    names: Names,
}

impl Record<'_> {
    fn get(&self, name: &str) -> Cow<'_, str> {
        self.row.get(name)
    }

    fn is_empty(&self, name: &str) -> bool {
        self.get(name).trim().is_empty()
    }

    fn step(&self) -> Step {
        let names = &self.names;
        if !self.is_empty(names.delivered) {
            Step::Delivery
        } else if !self.is_empty(names.action) && !self.is_empty(names.direction) {
            Step::Receipt
        } else {
            Step::Other
        }
    }

    fn named_step(&self) -> Step {
        match self.get(RECORD_TYPE).trim().to_ascii_lowercase().as_str() {
            "receipt" => Step::Receipt,
            "delivery" => Step::Delivery,
            _ => Step::Other,
        }
    }

    /// The service's code of the message, with its Message-ID: notices that Mimecast writes
    /// itself share one code.
    fn identity(&self) -> Option<String> {
        let message = self.get(self.names.message);
        let header = self.get(self.names.message_id);
        cloud::some(&format!("{} {}", message.trim(), header.trim()))
    }

    fn received(&self, event: CloudMail, emit: &mut dyn FnMut(CloudMail)) -> Result<(), Rejected> {
        if !self.get(self.names.action).trim().eq_ignore_ascii_case("Acc") {
            emit(event);
            return Ok(());
        }
        let direction = match cloud::direction(&self.get(self.names.direction))? {
            Direction::Inbound => Direction::Inbound,
            Direction::Outbound | Direction::Internal => Direction::Internal,
        };
        let version = cloud::band(&self.get(self.names.tls_version))?;
        let mail = CloudMail {
            direction,
            tls: version.unwrap_or(Tls::Unknown),
            without_version: version.is_none(),
            counts: true,
            ..self.with_cipher(event)
        };
        cloud::emit_with_peers(mail, &self.get(self.names.sender), emit);
        Ok(())
    }

    fn delivered(&self, event: CloudMail, emit: &mut dyn FnMut(CloudMail)) -> Result<(), Rejected> {
        if cloud::flag(&self.get(self.names.delivered))? != Some(true) {
            emit(event);
            return Ok(());
        }
        let direction = match cloud::direction(&self.get(self.names.direction))? {
            Direction::Outbound => Direction::Outbound,
            Direction::Inbound | Direction::Internal => Direction::Internal,
        };
        let tls = band(&self.get(self.names.tls_used), &self.get(self.names.tls_version))?;
        let server = cloud::some(&self.get(self.names.server));
        let mail = CloudMail { direction, tls, server, counts: true, ..self.with_cipher(event) };
        let mail = mail.through(cloud::some(&self.get(self.names.route)));
        cloud::emit_with_peers(mail, &self.get(self.names.recipient), emit);
        Ok(())
    }

    fn with_cipher(&self, mail: CloudMail) -> CloudMail {
        CloudMail { cipher: cloud::some(&self.get(self.names.cipher)), ..mail }
    }
}

/// The band of a delivery, which says both whether TLS was used and which version.
fn band(used: &str, version: &str) -> Result<Tls, Rejected> {
    let found = || (RejectReason::TlsUnreadable, format!("TLS used {used}, version {version}"));
    let used = cloud::flag(used).map_err(|_| found())?;
    match (used, cloud::band(version)?) {
        (None, None) => Ok(Tls::Unknown),
        (Some(true), None) => Ok(Tls::Unspecified),
        (Some(false), None | Some(Tls::NoTls)) | (None, Some(Tls::NoTls)) => Ok(Tls::NoTls),
        (Some(true), Some(Tls::NoTls)) | (Some(false), Some(_)) => Err(found()),
        (_, Some(band)) => Ok(band),
    }
}

#[cfg(test)]
mod tests;
