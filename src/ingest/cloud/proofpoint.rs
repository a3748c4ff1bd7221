//! Kind `proofpoint`: JSON Lines of the Proofpoint on Demand log service, both streams.
//!
//! | stream | told by | inbound mail | outbound mail |
//! |---|---|---|---|
//! | `message` | `filter.…`, `connection.…` | with `connection.tls.inbound` | TLS unknown |
//! | `maillog` | `sm.…` | – | hand-over (`stat=Sent`) with `tls` |
//!
//! `connection.tls.inbound` is the connection to Proofpoint: for outgoing mail a hop inside.
//! A line of the mail log does not say which way its message went. It counts as outbound only
//! if a `message` record of the same host and queue id says so ([`CloudMail::counts_if`]),
//! and then supersedes that record, whose TLS is unknown.

mod maillog;

use std::borrow::Cow;
use std::net::IpAddr;

use chrono_tz::Tz;

use crate::ingest::cloud::{self, CloudMail, Lookup, Rejected};
use crate::trace::{Direction, Tls};

/// Says whether these are the columns of a Proofpoint log.
pub(crate) fn is(headers: &[String]) -> bool {
    let has = |name| cloud::has(headers, name);
    let message = has("filter.routeDirection") && has("filter.qid");
    let maillog = has("sm.qid") && (has("pps.cid") || has("metadata.origin.data.cid"));
    message || maillog
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
    let time_ms = cloud::instant(&row.get("ts"), zone)?;
    if cloud::some(&row.get("filter.qid")).is_some() || has_direction(row) {
        return message(row, time_ms, emit);
    }
    if let Some(qid) = cloud::some(&row.get("sm.qid")) {
        return maillog::map(row, CloudMail::event(time_ms, Some(queued(row, &qid))), emit);
    }
    emit(CloudMail::event(time_ms, cloud::some(&row.get("guid"))));
    Ok(())
}

fn has_direction(row: &dyn Lookup) -> bool {
    !row.get("filter.routeDirection").trim().is_empty()
}

/// One filtered message.
fn message(
    row: &dyn Lookup,
    time_ms: i64,
    emit: &mut dyn FnMut(CloudMail),
) -> Result<(), Rejected> {
    let direction = cloud::direction(&row.get("filter.routeDirection"))?;
    let event = CloudMail::event(time_ms, identity(row));
    if is_refused(&row.get("filter.disposition")) {
        emit(event);
        return Ok(());
    }
    let mail = CloudMail { direction, counts: true, ..event };
    let mail = mail.through(cloud::some(&row.get("filter.routes")));
    match direction {
        Direction::Inbound => inbound(row, mail, emit),
        Direction::Outbound | Direction::Internal => {
            cloud::emit_with_peers(mail, &row.get("envelope.rcpts"), emit);
            Ok(())
        }
    }
}

fn inbound(
    row: &dyn Lookup,
    mail: CloudMail,
    emit: &mut dyn FnMut(CloudMail),
) -> Result<(), Rejected> {
    // What was released or sent again by Proofpoint itself comes from its own host.
    let again = cloud::flag(&row.get("filter.isMsgReinjected"))? == Some(true);
    let own = again || is_loopback(&row.get("connection.ip"));
    let version = cloud::band(&row.get("connection.tls.inbound.version"))?;
    let has_connection = ["connection.ip", "connection.sid", "connection.protocol"]
        .iter()
        .any(|name| !row.get(name).trim().is_empty());
    let mail = CloudMail {
        direction: if own { Direction::Internal } else { Direction::Inbound },
        // The record describes the connection, and its TLS where there was one.
        tls: version.unwrap_or(if has_connection { Tls::NoTls } else { Tls::Unknown }),
        cipher: cloud::some(&row.get("connection.tls.inbound.cipher")),
        ..mail
    };
    cloud::emit_with_peers(mail, &row.get("envelope.from"), emit);
    Ok(())
}

/// Dispositions by which the message was not taken in. With every other one it was, whatever
/// became of it.
fn is_refused(disposition: &str) -> bool {
    let refusals = ["reject", "retry", "tempfail"];
    refusals.iter().any(|word| disposition.trim().eq_ignore_ascii_case(word))
}

/// Host and queue id, which both streams have; else what identifies the record.
fn identity(row: &dyn Lookup) -> Option<String> {
    match cloud::some(&row.get("filter.qid")) {
        Some(qid) => Some(queued(row, &qid)),
        None => {
            cloud::some(&row.get("guid")).or_else(|| cloud::some(&row.get("msg.header.message-id")))
        }
    }
}

fn queued(row: &dyn Lookup, qid: &str) -> String {
    let host = row.get("metadata.origin.data.agent");
    let host = if host.trim().is_empty() { row.get("pps.agent") } else { host };
    format!("{} {qid}", host.trim())
}

fn is_loopback(address: &str) -> bool {
    address.trim().parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// The first of two cells that has a text.
fn first_of<'a>(row: &'a dyn Lookup, names: [&str; 2]) -> Cow<'a, str> {
    let [first, second] = names;
    let text = row.get(first);
    if text.trim().is_empty() { row.get(second) } else { text }
}

#[cfg(test)]
mod tests;
