//! Words of the sources and what they mean: TLS versions, directions, connector types.
//!
//! Spellings were collected from Exchange Online and Exchange Server exports, SMTP protocol
//! logs, Postfix, Exim, Gmail and Mimecast logs. A word that is not known is `None`, which
//! makes its row a reject: it is never guessed.

use crate::trace::{ConnectorType, Direction, Tls};

/// The band that a TLS spelling means. An empty cell is `unknown`.
pub(super) fn tls(text: &str) -> Option<Tls> {
    let text = text.trim();
    // The spellings of the exports themselves come first: they are looked up once per row.
    match text {
        "TLS1.2" | "TLS1_2" | "TLSv1.2" => return Some(Tls::Tls1_2),
        "TLS1.3" | "TLS1_3" | "TLSv1.3" => return Some(Tls::Tls1_3),
        "No Tls" | "NoTLS" | "No TLS" => return Some(Tls::NoTls),
        _ => {}
    }
    let folded = text.to_ascii_lowercase().replace(['_', '-', ' '], "");
    match folded.as_str() {
        "" | "unknown" | "null" | "n/a" => return Some(Tls::Unknown),
        "notls" | "none" | "no" | "false" | "0" | "plaintext" | "cleartext" | "usetls:no"
        | "may:none" | "tls=may:none" => return Some(Tls::NoTls),
        "tls" | "yes" | "true" | "1" | "usetls:yes" | "tlsv1/sslv3" | "tlsunspecified" => {
            return Some(Tls::Unspecified);
        }
        _ => {}
    }
    let bare = folded.strip_prefix("spprot").unwrap_or(&folded);
    let bare = bare.strip_suffix("server").or_else(|| bare.strip_suffix("client")).unwrap_or(bare);
    if let Some(version) = bare.strip_prefix("tls") {
        return tls_version(version.strip_prefix('v').unwrap_or(version));
    }
    if let Some(version) = bare.strip_prefix("ssl") {
        let version = version.strip_prefix('v').unwrap_or(version);
        return matches!(version, "2" | "3" | "2.0" | "3.0" | "20" | "30").then_some(Tls::Ssl3);
    }
    if bare.contains('.') { tls_version(bare) } else { schannel_bits(bare) }
}

fn tls_version(version: &str) -> Option<Tls> {
    match version {
        "1" | "1.0" | "10" => Some(Tls::Tls1_0),
        "1.1" | "11" => Some(Tls::Tls1_1),
        "1.2" | "12" => Some(Tls::Tls1_2),
        "1.3" | "13" => Some(Tls::Tls1_3),
        _ => None,
    }
}

/// Schannel's `SP_PROT_*` flags, server and client, decimal or hexadecimal.
fn schannel_bits(text: &str) -> Option<Tls> {
    let bits = match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => text.parse().ok()?,
    };
    match bits {
        0x10 | 0x20 => Some(Tls::Ssl3),
        0x40 | 0x80 => Some(Tls::Tls1_0),
        0x100 | 0x200 => Some(Tls::Tls1_1),
        0x400 | 0x800 => Some(Tls::Tls1_2),
        0x1000 | 0x2000 => Some(Tls::Tls1_3),
        _ => None,
    }
}

/// The direction that a word means.
pub fn direction(text: &str) -> Option<Direction> {
    let folded = fold(text);
    match folded.as_str() {
        "inbound" | "received" | "incoming" | "1" => Some(Direction::Inbound),
        "outbound" | "sent" | "originating" | "2" => Some(Direction::Outbound),
        "internal" | "intraorg" => Some(Direction::Internal),
        _ => None,
    }
}

/// The connector type that a word means; an unknown word is the type `unknown`.
pub(super) fn connector_type(text: &str) -> ConnectorType {
    match fold(text).as_str() {
        "partner" | "frompartner" | "topartner" => ConnectorType::Partner,
        "onpremises" | "fromyourorg" | "toyourorg" | "yourorg" => ConnectorType::OnPremises,
        "noconnector" | "none" => ConnectorType::None,
        _ => ConnectorType::Unknown,
    }
}

/// Yes or no; `None` for anything else.
pub(super) fn yes_no(text: &str) -> Option<bool> {
    match fold(text).as_str() {
        "true" | "yes" | "1" | "required" => Some(true),
        "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// The connector that a cell names; `None` for mail without a connector.
pub(super) fn connector(text: &str) -> Option<&str> {
    let name = text.trim();
    let none = name.is_empty()
        || name.eq_ignore_ascii_case("NoConnector")
        || name.eq_ignore_ascii_case("No connector")
        || name.eq_ignore_ascii_case("To_DefaultOpportunisticTLS");
    (!none).then_some(name)
}

/// A header or word as compared: without case, blanks, `_`, `-` and a trailing `?`.
pub(super) fn fold(text: &str) -> String {
    text.trim()
        .trim_end_matches('?')
        .chars()
        .filter(|letter| !letter.is_whitespace() && !matches!(letter, '_' | '-'))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_seen_in_the_wild() {
        let cases: &[(Tls, &[&str])] = &[
            (Tls::NoTls, &["No Tls", "NoTLS", "No TLS", "None", "UseTls:No", "0", "tls=may:none"]),
            (Tls::Ssl3, &["SSLv3", "SSL 3.0", "SP_PROT_SSL3_SERVER", "0x10", "SSLv2"]),
            (Tls::Tls1_0, &["TLS1.0", "TLS 1.0", "TLSv1", "TLSv1.0", "TLS1_0", "64", "128"]),
            (Tls::Tls1_0, &["SP_PROT_TLS1_SERVER", "SP_PROT_TLS1_0_CLIENT", "tls1.0", "1.0"]),
            (Tls::Tls1_1, &["TLS1.1", "TLSv1.1", "TLS1_1", "SP_PROT_TLS1_1_SERVER", "0x200"]),
            (Tls::Tls1_2, &["TLS1.2", "SP_PROT_TLS1_2_CLIENT", "SP_PROT-TLS1_2_CLIENT", "1024"]),
            (Tls::Tls1_3, &["TLS1.3", "TLSv1.3", "TLS 1.3", "SP_PROT_TLS1_3_SERVER", "0x2000"]),
            (Tls::Unspecified, &["TLSv1/SSLv3", "1", "TLS", "Yes"]),
            (Tls::Unknown, &["", "  ", "Unknown"]),
        ];
        for (band, spellings) in cases {
            for spelling in *spellings {
                assert_eq!(tls(spelling), Some(*band), "{spelling}");
            }
        }
        for nonsense in ["TLS1.4", "TLS 2", "maybe", "99", "SSL", "TLS1.22"] {
            assert_eq!(tls(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn connectors_that_are_none() {
        assert_eq!(connector(" To_DefaultOpportunisticTLS "), None);
        assert_eq!(connector("NoConnector"), None);
        assert_eq!(connector(""), None);
        assert_eq!(connector(" Fabrikam inbound"), Some("Fabrikam inbound"));
    }
}
