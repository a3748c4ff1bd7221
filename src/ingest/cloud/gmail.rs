//! Kind `gmail`: Gmail logs exported from `BigQuery`.
//!
//! A row is one event of a message. Names come in four forms, by table and by export:
//!
//! | table | JSON | CSV, Parquet, flat queries |
//! |---|---|---|
//! | Gmail logs (until 2023) | `message_info.action_type` | `message_info_action_type` |
//! | Workspace logs and reports | `gmail.message_info.…` | `gmail_message_info_…` |
//!
//! | mail | told by |
//! |---|---|
//! | inbound | `action_type` 1 (received by the inbound SMTP server), source `smtp-inbound` |
//! | outbound | destination `smtp-outbound`, and `action_type` 10 or a connection (`smtp_out_…`) |
//!
//! Other events of the same message repeat `smtp_tls_state` as 0 where it means nothing, so
//! they are never asked for TLS. A refused or failed event is no mail.

mod destinations;

use std::borrow::Cow;

use chrono_tz::Tz;

use crate::ingest::cloud::{self, CloudMail, Lookup, Rejected};
use crate::trace::{Direction, RejectReason, Tls};

/// One column in its four forms.
type Names = [&'static str; 4];

macro_rules! names {
    ($path:literal, $flat:literal) => {
        [$path, concat!("gmail.", $path), $flat, concat!("gmail_", $flat)]
    };
}

const TIME: Names = names!("event_info.timestamp_usec", "event_info_timestamp_usec");
const SUCCESS: Names = names!("event_info.success", "event_info_success");
const ACTION: Names = names!("message_info.action_type", "message_info_action_type");
const MESSAGE_ID: Names =
    names!("message_info.rfc2822_message_id", "message_info_rfc2822_message_id");
const SERVICE: Names = names!("message_info.source.service", "message_info_source_service");
const SENDER: Names = names!("message_info.source.address", "message_info_source_address");
const DESTINATIONS: Names = names!("message_info.destination", "message_info_destination");
const DESTINATION_SERVICE: Names =
    names!("message_info.destination.service", "message_info_destination_service");
const DESTINATION_ADDRESS: Names =
    names!("message_info.destination.address", "message_info_destination_address");
const FLATTENED: Names =
    names!("message_info.flattened_destinations", "message_info_flattened_destinations");
const TLS_STATE: Names = names!(
    "message_info.connection_info.smtp_tls_state",
    "message_info_connection_info_smtp_tls_state"
);
const TLS_VERSION: Names = names!(
    "message_info.connection_info.smtp_tls_version",
    "message_info_connection_info_smtp_tls_version"
);
const TLS_CIPHER: Names = names!(
    "message_info.connection_info.smtp_tls_cipher",
    "message_info_connection_info_smtp_tls_cipher"
);
const TLS_REQUIRED: Names = names!(
    "message_info.connection_info.tls_required_but_unavailable",
    "message_info_connection_info_tls_required_but_unavailable"
);
const REPLY: Names = names!(
    "message_info.connection_info.smtp_reply_code",
    "message_info_connection_info_smtp_reply_code"
);
const OUT_HOST: Names = names!(
    "message_info.connection_info.smtp_out_remote_host",
    "message_info_connection_info_smtp_out_remote_host"
);
const OUT_IP: Names = names!(
    "message_info.connection_info.smtp_out_connect_ip",
    "message_info_connection_info_smtp_out_connect_ip"
);
const IS_INTERNAL: Names =
    names!("message_info.connection_info.is_internal", "message_info_connection_info_is_internal");
const IS_INTRA_DOMAIN: Names = names!(
    "message_info.connection_info.is_intra_domain",
    "message_info_connection_info_is_intra_domain"
);

/// Time of a row of another Workspace service, in the table that all of them share.
const OTHER_TIME: &str = "time_usec";

/// Says whether these are the columns of a Gmail log.
pub(crate) fn is(headers: &[String]) -> bool {
    TIME.iter()
        .zip(ACTION)
        .any(|(time, action)| cloud::has(headers, time) && cloud::has(headers, action))
}

/// Maps one row.
///
/// # Errors
/// Why the row cannot be used, and what was found.
pub(crate) fn map(
    row: &dyn Lookup,
    _zone: Tz,
    emit: &mut dyn FnMut(CloudMail),
) -> Result<(), Rejected> {
    let Some(form) = (0..4).find(|form| !Event { row, form: *form }.get(TIME).is_empty()) else {
        // Without a Gmail record: a row of another service, if it has a time at all.
        emit(CloudMail::event(cloud::epoch(&row.get(OTHER_TIME), 1000)?, None));
        return Ok(());
    };
    let event = Event { row, form };
    let time_ms = cloud::epoch(&event.get(TIME), 1000)?;
    let base = CloudMail::event(time_ms, message_id(&event.get(MESSAGE_ID)));
    if event.failed()? {
        emit(base);
        return Ok(());
    }
    if event.is_acceptance() {
        let mail = event.protected(CloudMail { direction: Direction::Inbound, ..base })?;
        cloud::emit_with_peers(mail, &event.get(SENDER), emit);
    } else if event.has_connected()
        && let Some(recipients) = event.handed_over()
    {
        let server = cloud::some(&event.get(OUT_HOST)).or_else(|| cloud::some(&event.get(OUT_IP)));
        let mail = CloudMail { direction: Direction::Outbound, server, ..base };
        cloud::emit_with_peers(event.protected(mail)?, &recipients, emit);
    } else {
        emit(base);
    }
    Ok(())
}

fn message_id(text: &str) -> Option<String> {
    let id = text.trim();
    let id = id.strip_prefix('<').unwrap_or(id);
    cloud::some(id.strip_suffix('>').unwrap_or(id))
}

/// One row, whose names have one of four forms.
struct Event<'a> {
    row: &'a dyn Lookup,
    form: usize,
}

impl Event<'_> {
    fn get(&self, names: Names) -> Cow<'_, str> {
        names.get(self.form).map_or(Cow::Borrowed(""), |name| self.row.get(name))
    }

    fn flag(&self, names: Names) -> Result<bool, Rejected> {
        Ok(cloud::flag(&self.get(names))?.unwrap_or(false))
    }

    /// Refused by a policy, or by a 4xx or 5xx reply of either side.
    fn failed(&self) -> Result<bool, Rejected> {
        let success = cloud::flag(&self.get(SUCCESS))?.unwrap_or(true);
        let reply = self.get(REPLY);
        let refused = reply.len() == 3 && reply.starts_with(['4', '5']);
        Ok(!success || refused)
    }

    fn is_acceptance(&self) -> bool {
        let service = self.get(SERVICE);
        let service = service.trim();
        let smtp = service.is_empty() || service.eq_ignore_ascii_case("smtp-inbound");
        smtp && self.get(ACTION).trim() == "1"
    }

    /// Says whether this event may be about an outgoing SMTP connection.
    fn has_connected(&self) -> bool {
        self.get(ACTION).trim() == "10"
            || !self.get(OUT_IP).is_empty()
            || !self.get(OUT_HOST).is_empty()
    }

    /// Addresses that were handed over by SMTP, joined by `;`; `None` where all of them are
    /// said to be mailboxes and the like.
    fn handed_over(&self) -> Option<String> {
        let service = self.get(DESTINATION_SERVICE);
        if !service.is_empty() {
            let smtp = destinations::is_smtp(&service);
            return smtp.then(|| self.get(DESTINATION_ADDRESS).into_owned());
        }
        let list = self.get(DESTINATIONS);
        let list = if list.is_empty() { self.get(FLATTENED) } else { list };
        if list.is_empty() {
            // The export left the destinations out: the connection alone tells.
            return Some(String::new());
        }
        destinations::by_smtp(&list)
    }

    /// The mail with what its connection says.
    fn protected(&self, mail: CloudMail) -> Result<CloudMail, Rejected> {
        let inside = self.flag(IS_INTERNAL)? || self.flag(IS_INTRA_DOMAIN)?;
        let direction = if inside { Direction::Internal } else { mail.direction };
        let forced_tls = self.flag(TLS_REQUIRED)?.then_some(true);
        let tls = band(self.get(TLS_STATE).trim(), &self.get(TLS_VERSION))?;
        let cipher = cloud::some(&self.get(TLS_CIPHER));
        Ok(CloudMail { direction, forced_tls, tls, cipher, counts: true, ..mail })
    }
}

/// State 0 is a connection without TLS, 1 one with TLS; the version is often missing.
fn band(state: &str, version: &str) -> Result<Tls, Rejected> {
    let encrypted = |band: Tls| band != Tls::NoTls;
    match (state, cloud::band(version)?) {
        ("", None) => Ok(Tls::Unknown),
        ("1", None) => Ok(Tls::Unspecified),
        ("0", None) | ("" | "0", Some(Tls::NoTls)) => Ok(Tls::NoTls),
        (state, Some(band)) if state != "0" && encrypted(band) => Ok(band),
        _ => Err((RejectReason::TlsUnreadable, format!("state {state}, version {version}"))),
    }
}

#[cfg(test)]
mod tests;
