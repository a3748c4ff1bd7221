//! `Context::peers` as an SQL expression.

use super::{text, words};

/// A domain at the end of an address, as `row::domain` takes it.
const DOMAIN: &str = "@[\\t\\n\\f\\r ]*((?:[A-Za-z0-9._-]|[^\\x00-\\x7F])*(?:[A-Za-z0-9_-]|[^\\x00-\\x7F]))[>\"'.]*[\\t\\n\\f\\r ]*\\z";

/// The remote domains of a row, each once: those of the recipients for outbound mail, that of
/// the sender for inbound mail, or what the row names.
pub(super) fn domains(named: Option<&str>, sender: &str, recipient: &str) -> String {
    let named = named.map(|cell| {
        let name = words::trimmed(cell);
        format!("WHEN {name} <> '' THEN array(lower({name})) ")
    });
    format!(
        "CASE {}WHEN direction = 0 THEN {} WHEN direction = 1 THEN {} \
         ELSE CAST(array() AS array<string>) END",
        named.unwrap_or_default(),
        of_addresses(sender),
        of_addresses(recipient),
    )
}

fn of_addresses(cell: &str) -> String {
    if cell == "''" {
        return "CAST(array() AS array<string>)".to_owned();
    }
    format!(
        "array_distinct(filter(transform(split({cell}, ';'), address -> {}), \
         domain -> domain <> ''))",
        domain("address")
    )
}

fn domain(address: &str) -> String {
    let found = format!("regexp_extract(split_part({address}, '##', 1), {}, 1)", text(DOMAIN));
    format!("CASE WHEN octet_length({found}) <= 253 THEN lower({found}) ELSE '' END")
}
