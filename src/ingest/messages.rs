//! Message rows: kinds `connector-report-detail`, `message-trace` and `table`.
//!
//! | field | needed |
//! |---|---|
//! | time, direction (or given by the user) | always |
//! | TLS version | `connector-report-detail`, `table`; absent in `message-trace`: unknown |
//! | identity, connector, type, forced TLS, cipher, sender, recipient | where present |

use crate::ingest::columns::Field;
use crate::ingest::row::{Cells, Context, Output, Said};
use crate::ingest::spelling;
use crate::trace::{
    Aggregate, ConnectorType, Direction, NO_NAME, RejectReason, Role, Row, Tls, TlsCounts, Unit,
};

/// The fields whose words most rows repeat together.
pub(super) const REPEATED: [Field; 6] = [
    Field::Direction,
    Field::Connector,
    Field::ConnectorType,
    Field::ForcedTls,
    Field::Tls,
    Field::Cipher,
];

/// Maps one row.
pub(super) fn map<C: Cells + ?Sized>(context: &Context, cells: &C, line: u64, out: &mut Output) {
    let Some(time_ms) = time_of(context, cells, line, out) else { return };
    let Some(said) = said(context, cells, line, out) else { return };
    let row = Row {
        time_ms,
        direction: said.direction,
        connector: said.connector,
        connector_type: said.connector_type,
        forced_tls: said.forced_tls,
        tls: said.tls,
        cipher: said.cipher,
        peer: NO_NAME,
        remote: 0,
        message_key: 0,
        role: Role::Message,
    };
    if context.columns.has(Field::Messages) {
        return weighted(context, cells, &row, line, out);
    }
    let (message_key, role) = match context.message_key(cells) {
        Some(key) => (key, Role::Message),
        // No identity column, or no id in this row: nothing else describes the message.
        None => (context.content_key(cells), Role::Anonymous),
    };
    out.saw_time(time_ms);
    out.saw_tls |= said.tls != Tls::Unknown;
    push_with_peers(context, cells, Row { message_key, role, ..row }, out);
}

/// What the cells say that most rows repeat; a word that says nothing makes the row a reject.
fn said<C: Cells + ?Sized>(
    context: &Context,
    cells: &C,
    line: u64,
    out: &mut Output,
) -> Option<Said> {
    let span = context.repeated.and_then(|(first, last)| cells.span(first, last));
    let Some(span) = span else { return each_word(context, cells, line, out) };
    match out.memos.said.find(span) {
        Ok(said) => Some(said),
        Err(print) => {
            let said = each_word(context, cells, line, out)?;
            out.memos.said.learn(print, span, said);
            Some(said)
        }
    }
}

fn each_word<C: Cells + ?Sized>(
    context: &Context,
    cells: &C,
    line: u64,
    out: &mut Output,
) -> Option<Said> {
    let word = context.bytes(cells, Field::Direction);
    let direction = match out.memos.direction.get(&word, |word| context.direction_of(word)) {
        Ok(direction) => direction,
        Err(reason) => {
            out.reject(reason, line, &String::from_utf8_lossy(&word));
            return None;
        }
    };
    let version = context.bytes(cells, Field::Tls);
    let Some(tls) = out.memos.tls.get(&version, spelling::tls) else {
        let found = String::from_utf8_lossy(&version);
        out.reject(RejectReason::TlsUnreadable, line, &found);
        return None;
    };
    let connector = context.bytes(cells, Field::Connector);
    let connector = context.connector_code(&connector, out);
    let forced = context.bytes(cells, Field::ForcedTls);
    Some(Said {
        direction,
        connector,
        connector_type: type_of(context, cells, connector, out),
        forced_tls: out.memos.yes_no.get(&forced, spelling::yes_no),
        tls,
        cipher: context.code(some(&context.text(cells, Field::Cipher))),
    })
}

/// The time of a row; what is none is counted as a reject or noted as a fault.
pub(super) fn time_of<C: Cells + ?Sized>(
    context: &Context,
    cells: &C,
    line: u64,
    out: &mut Output,
) -> Option<i64> {
    let bytes = context.bytes(cells, Field::Time);
    if let Some(time_ms) = out.memos.date.instant_ms(&bytes) {
        return Some(time_ms);
    }
    let time = String::from_utf8_lossy(&bytes);
    match context.times.instant_ms(&time) {
        Ok(time_ms) => Some(time_ms),
        Err(fault) => {
            out.time_fault(fault, line, &time);
            None
        }
    }
}

/// Pushes a row, and what else it needs to name all its remote domains.
pub(super) fn push_with_peers<C: Cells + ?Sized>(
    context: &Context,
    cells: &C,
    row: Row,
    out: &mut Output,
) {
    let mut role = row.role;
    if context.unit == Unit::Recipients && row.direction != Direction::Internal {
        let Output { rows, memos, .. } = &mut *out;
        context.recipients(cells, row.direction, &mut memos.peer, |recipient, peer| {
            // A server that is part of the identity stays part of it.
            let remote = (row.remote ^ recipient).max(1);
            rows.push(Row { peer, remote, role, ..row });
            role = Role::FurtherRecipient;
        });
        if role != row.role {
            return;
        }
    }
    let Output { rows, memos, .. } = out;
    context.peers(cells, row.direction, &mut memos.peer, |peer| {
        rows.push(Row { peer, role, ..row });
        role = Role::FurtherPeer;
    });
    if role == row.role {
        out.rows.push(Row { peer: NO_NAME, ..row });
    }
}

fn type_of<C: Cells + ?Sized>(
    context: &Context,
    cells: &C,
    connector: u32,
    out: &mut Output,
) -> ConnectorType {
    if connector == NO_NAME {
        return ConnectorType::None;
    }
    let word = context.bytes(cells, Field::ConnectorType);
    match out.memos.connector_type.get(&word, spelling::connector_type) {
        ConnectorType::None => ConnectorType::Unknown,
        named => named,
    }
}

/// A row that stands for many messages is a day total of its connector.
fn weighted<C: Cells + ?Sized>(
    context: &Context,
    cells: &C,
    row: &Row,
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
        connector: context.names.name(row.connector).map(str::to_owned),
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
