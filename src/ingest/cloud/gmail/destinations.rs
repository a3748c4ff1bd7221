//! The destinations of a Gmail event: a repeated record as JSON, or its flattened text.

use serde::Deserialize;

/// Says whether a destination is reached by SMTP from Gmail.
pub(super) fn is_smtp(service: &str) -> bool {
    service.trim().eq_ignore_ascii_case("smtp-outbound")
}

/// Addresses handed over by SMTP, joined by `;`; `None` where there is no such destination.
pub(super) fn by_smtp(list: &str) -> Option<String> {
    let list = list.trim();
    let mut found: Option<String> = None;
    let mut add = |service: &str, address: &str| {
        if is_smtp(service) {
            let addresses = found.get_or_insert_default();
            if !addresses.is_empty() {
                addresses.push(';');
            }
            addresses.push_str(address);
        }
    };
    if list.starts_with(['[', '{']) {
        each_record(list, &mut add);
    } else {
        each_flattened(list, &mut add);
    }
    found
}

#[derive(Deserialize)]
struct Destination {
    #[serde(default)]
    service: Option<String>,
    #[serde(default)]
    address: Option<String>,
}

/// `[{…},{…}]`, or objects that a flattener joined by `;`.
fn each_record(list: &str, each: &mut dyn FnMut(&str, &str)) {
    let mut rest = list.strip_prefix('[').unwrap_or(list);
    loop {
        rest = rest.trim_start_matches([';', ',', ' ', '\t', '\r', '\n']);
        let mut records = serde_json::Deserializer::from_str(rest).into_iter::<Destination>();
        let Some(Ok(record)) = records.next() else { return };
        let end = records.byte_offset();
        let service = record.service.unwrap_or_default();
        each(&service, &record.address.unwrap_or_default());
        let Some(after) = rest.get(end..) else { return };
        rest = after;
    }
}

/// `service:selector:address,service:selector:address`. A comma within an address would make
/// a part without both colons, which names no service.
fn each_flattened(list: &str, each: &mut dyn FnMut(&str, &str)) {
    for part in list.split(',') {
        let mut fields = part.splitn(3, ':');
        if let (Some(service), Some(_), Some(address)) =
            (fields.next(), fields.next(), fields.next())
        {
            each(service, address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_in_every_form() {
        let record = r#"{"address":"bo@example.net","service":"smtp-outbound","selector":""}"#;
        let mailbox = r#"{"address":"ana@example.com","service":"gmail-ui","selector":null}"#;
        let cases = [
            (format!("[{mailbox},{record}]"), Some("bo@example.net")),
            (format!(" [ {record} , {mailbox} ] "), Some("bo@example.net")),
            (format!("{mailbox};{record}"), Some("bo@example.net")),
            (record.to_owned(), Some("bo@example.net")),
            (format!("[{record},{record}]"), Some("bo@example.net;bo@example.net")),
            (format!("[{mailbox}]"), None),
            ("[]".to_owned(), None),
            ("[{\"service\":\"smtp-outbound\"}]".to_owned(), Some("")),
            ("[{\"service\":7}]".to_owned(), None),
            (
                "gmail-ui::ana@example.com,smtp-outbound::bo@example.net".to_owned(),
                Some("bo@example.net"),
            ),
            (
                "smtp-outbound:gw:bo@example.net, SMTP-Outbound::cy@example.org".to_owned(),
                Some("bo@example.net;cy@example.org"),
            ),
            ("gmail-ui::ana@example.com".to_owned(), None),
            ("smtp-outbound".to_owned(), None),
        ];
        for (list, expected) in cases {
            assert_eq!(by_smtp(&list).as_deref(), expected, "{list}");
        }
    }
}
