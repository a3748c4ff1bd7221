//! Mails of a row -> canonical rows.

use std::borrow::Cow;
use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use super::{CloudMail, Lookup, gmail, mimecast, proofpoint};
use crate::ingest::columns::Columns;
use crate::ingest::row::{Cells, Context, Output, hash_lower, remote_key};
use crate::trace::{Direction, Kind, NO_NAME, Role, Row, Tls};

/// The kind of cloud log whose columns these are, if any.
pub(in crate::ingest) fn kind(headers: &[String]) -> Option<Kind> {
    if gmail::is(headers) {
        Some(Kind::Gmail)
    } else if mimecast::is(headers) {
        Some(Kind::Mimecast)
    } else {
        proofpoint::is(headers).then_some(Kind::Proofpoint)
    }
}

/// The fields of an object by their names in lower case: each object has keys of its own.
struct Fields(BTreeMap<String, String>);

impl Lookup for Fields {
    fn get(&self, name: &str) -> Cow<'_, str> {
        let field = self.0.get(name).or_else(|| self.0.get(&name.to_ascii_lowercase()));
        field.map_or(Cow::Borrowed(""), |field| Cow::Borrowed(field))
    }
}

/// Cells by the name of their column.
struct ByName<'a, C: ?Sized> {
    columns: &'a Columns,
    cells: &'a C,
}

impl<C: Cells + ?Sized> Lookup for ByName<'_, C> {
    fn get(&self, name: &str) -> Cow<'_, str> {
        self.columns.named(name).map_or(Cow::Borrowed(""), |column| self.cells.cell(column))
    }
}

/// Maps one row of a table.
pub(in crate::ingest) fn map<C: Cells + ?Sized>(
    context: &Context,
    cells: &C,
    line: u64,
    out: &mut Output,
) {
    let row = ByName { columns: &context.columns, cells };
    map_row(context, &row, &|| context.content_key(cells), line, out);
}

/// Maps one JSON object, whose nested fields are named `outer.inner`.
pub(in crate::ingest) fn map_object(
    context: &Context,
    fields: BTreeMap<String, String>,
    line: u64,
    out: &mut Output,
) {
    let lower = |(name, text): (String, String)| (name.to_ascii_lowercase(), text);
    let fields = Fields(fields.into_iter().map(lower).collect());
    let content = || {
        let texts = fields.0.iter().map(|(name, text)| format!("{name}\u{1f}{text}\u{1f}"));
        xxh3_64(texts.collect::<String>().as_bytes())
    };
    map_row(context, &fields, &content, line, out);
}

fn map_row(
    context: &Context,
    row: &dyn Lookup,
    content_key: &dyn Fn() -> u64,
    line: u64,
    out: &mut Output,
) {
    let map = match context.kind {
        Kind::Gmail => gmail::map,
        Kind::Mimecast => mimecast::map,
        _ => proofpoint::map,
    };
    let mut mails: Vec<CloudMail> = Vec::new();
    if let Err((reason, found)) = map(row, context.times.zone, &mut |mail| mails.push(mail)) {
        return out.reject(reason, line, &found);
    }
    let mut mails = mails.into_iter();
    let Some(first) = mails.next() else { return };
    out.saw_time(first.time_ms);
    out.saw_tls |= first.counts && !first.without_version && first.tls != Tls::Unknown;
    let row = canonical(context, content_key, &first);
    out.rows.push(row);
    for further in mails {
        let peer = context.code(further.peer.as_deref());
        out.rows.push(Row { peer, role: Role::FurtherPeer, ..row });
    }
}

fn canonical(context: &Context, content_key: &dyn Fn() -> u64, mail: &CloudMail) -> Row {
    let (message_key, without_id) = match &mail.id {
        Some(id) => (hash_lower(id.as_bytes()), false),
        None => (content_key(), true),
    };
    let role = match mail.counts_if {
        Some(_) => Role::Supposed,
        None if !mail.counts => Role::Event,
        None if without_id => Role::Anonymous,
        None if mail.without_version => Role::MessageWithoutTls,
        None => Role::Message,
    };
    let server = mail.server.as_deref().filter(|_| mail.direction == Direction::Outbound);
    Row {
        time_ms: mail.time_ms,
        direction: mail.counts_if.unwrap_or(mail.direction),
        connector: mail.connector.as_deref().map_or(NO_NAME, |name| context.code(Some(name))),
        connector_type: mail.connector_type,
        forced_tls: mail.forced_tls,
        tls: mail.tls,
        cipher: context.code(mail.cipher.as_deref()),
        peer: context.code(mail.peer.as_deref()),
        remote: server.map_or(0, remote_key),
        message_key,
        role,
    }
}
