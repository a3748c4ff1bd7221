//! Message rows: kinds `connector-report-detail`, `message-trace` and `table`.
//!
//! | field | needed |
//! |---|---|
//! | time, direction (or given by the user) | always |
//! | TLS version | `connector-report-detail`, `table`; absent in `message-trace`: unknown |
//! | identity, connector, type, forced TLS, cipher, sender, recipient | where present |

use crate::ingest::columns::Field;
use crate::ingest::row::{Cells, Context, Identity, Output};
use crate::ingest::spelling;
use crate::trace::{Aggregate, ConnectorType, NO_NAME, RejectReason, Role, Row, Tls, TlsCounts};

/// Maps one row.
pub(super) fn map<C: Cells + ?Sized>(context: &Context, cells: &C, line: u64, out: &mut Output) {
    let time = context.text(cells, Field::Time);
    let time_ms = match context.times.instant_ms(&time) {
        Ok(time_ms) => time_ms,
        Err(fault) => return out.time_fault(fault, line, &time),
    };
    let word = context.text(cells, Field::Direction);
    let direction = match context.direction_of(&word) {
        Ok(direction) => direction,
        Err(reason) => return out.reject(reason, line, &word),
    };
    let version = context.text(cells, Field::Tls);
    let Some(tls) = spelling::tls(&version) else {
        return out.reject(RejectReason::TlsUnreadable, line, &version);
    };
    let connector = context.text(cells, Field::Connector);
    let connector = spelling::connector(&connector);
    let row = Row {
        time_ms,
        direction,
        connector: context.code(connector),
        connector_type: type_of(context, cells, connector),
        forced_tls: spelling::yes_no(&context.text(cells, Field::ForcedTls)),
        tls,
        cipher: context.code(some(&context.text(cells, Field::Cipher))),
        peer: NO_NAME,
        remote: 0,
        message_key: 0,
        role: Role::Message,
    };
    if context.columns.has(Field::Messages) {
        return weighted(context, cells, &row, connector, line, out);
    }
    let (message_key, role) = match context.message_key(cells) {
        Some(key) => (key, Role::Message),
        None if context.identity == Identity::None => (context.content_key(cells), Role::Anonymous),
        // A row without an id among rows with ids is a message that nothing else describes.
        None => (context.content_key(cells), Role::Anonymous),
    };
    out.saw_time(time_ms);
    out.saw_tls |= tls != Tls::Unknown;
    push_with_peers(context, cells, Row { message_key, role, ..row }, out);
}

/// Pushes a row, and what else it needs to name all its remote domains.
pub(super) fn push_with_peers<C: Cells + ?Sized>(
    context: &Context,
    cells: &C,
    row: Row,
    out: &mut Output,
) {
    let peers = context.peers(cells, row.direction);
    let mut peers = peers.into_iter();
    out.rows.push(Row { peer: peers.next().unwrap_or(NO_NAME), ..row });
    for peer in peers {
        out.rows.push(Row { peer, role: Role::FurtherPeer, ..row });
    }
}

fn type_of<C: Cells + ?Sized>(
    context: &Context,
    cells: &C,
    connector: Option<&str>,
) -> ConnectorType {
    if connector.is_none() {
        return ConnectorType::None;
    }
    match spelling::connector_type(&context.text(cells, Field::ConnectorType)) {
        ConnectorType::None => ConnectorType::Unknown,
        named => named,
    }
}

/// A row that stands for many messages is a day total of its connector.
fn weighted<C: Cells + ?Sized>(
    context: &Context,
    cells: &C,
    row: &Row,
    connector: Option<&str>,
    line: u64,
    out: &mut Output,
) {
    let volume = context.text(cells, Field::Messages);
    let messages = match super::connector_report::whole_number(&volume) {
        Ok(messages) => messages,
        Err(reason) => return out.reject(reason, line, &volume),
    };
    let time = context.text(cells, Field::Time);
    let Ok(day) = context.times.day(&time) else {
        return out.reject(RejectReason::TimeUnreadable, line, &time);
    };
    let mut tls = TlsCounts::default();
    tls.add(row.tls, messages);
    out.saw_time(i64::from(day) * 86_400_000);
    out.saw_tls |= row.tls != Tls::Unknown;
    out.aggregates.push(Aggregate {
        file: context.file,
        line,
        day,
        direction: row.direction,
        connector: connector.map(str::to_owned),
        connector_type: row.connector_type,
        forced_tls: row.forced_tls,
        tls,
        additive: true,
    });
}

fn some(text: &str) -> Option<&str> {
    let text = text.trim();
    (!text.is_empty()).then_some(text)
}
