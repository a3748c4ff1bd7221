//! `custom_data` of Exchange event rows: `S:key=value;S:key=value`.
//!
//! A part that holds `;` itself is wrapped in single quotes:
//! `'S:InboundConnectorData=Name=Foo;ConnectorType=OnPremises;TenantId=…'`. A part without
//! the `S:` mark continues the one before it, as some exports drop the quotes.

use crate::ingest::spelling;
use crate::trace::ConnectorType;

/// What the custom data of one event says about protection in transit.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct CustomData<'a> {
    /// `tlsversion`, as spelled.
    pub tls_version: Option<&'a str>,
    /// `tlscipher`, as spelled.
    pub tls_cipher: Option<&'a str>,
    /// The inbound connector that accepted the message.
    pub inbound: Option<ConnectorData<'a>>,
    /// The outbound connector of the organisation that the message left through.
    pub outbound: Option<ConnectorData<'a>>,
}

/// `Name=…;ConnectorType=…;TenantId=…`
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ConnectorData<'a> {
    /// Name of the connector.
    pub name: &'a str,
    /// Its type.
    pub connector_type: ConnectorType,
}

/// Reads custom data; unknown keys are passed over.
pub(super) fn parse(text: &str) -> CustomData<'_> {
    let mut data = CustomData::default();
    for (key, value) in (Parts { rest: text }) {
        match key {
            "tlsversion" => data.tls_version = Some(value),
            "tlscipher" => data.tls_cipher = Some(value),
            "InboundConnectorData" => data.inbound = connector(value),
            "TenantOutboundConnectorCustomData"
            | "Microsoft.Exchange.Hygiene.TenantOutboundConnectorCustomData" => {
                data.outbound = connector(value);
            }
            _ => {}
        }
    }
    data
}

fn connector(value: &str) -> Option<ConnectorData<'_>> {
    let field = |name: &str| {
        value.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
    };
    let name = field("Name").map(str::trim).filter(|name| !name.is_empty())?;
    let connector_type =
        field("ConnectorType").map_or(ConnectorType::Unknown, spelling::connector_type);
    Some(ConnectorData { name, connector_type })
}

/// Key and value of each part.
struct Parts<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Parts<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.rest.trim_start_matches([';', ' ']);
            if rest.is_empty() {
                return None;
            }
            let (part, after) = match rest.strip_prefix('\'') {
                Some(quoted) => quoted_part(quoted),
                None => plain_part(rest),
            };
            self.rest = after;
            if let Some(pair) = part.strip_prefix("S:").unwrap_or(part).split_once('=') {
                return Some(pair);
            }
        }
    }
}

fn quoted_part(text: &str) -> (&str, &str) {
    match text.split_once("';") {
        Some((part, after)) => (part, after),
        None => (text.strip_suffix('\'').unwrap_or(text), ""),
    }
}

/// Up to the next `;` that begins a marked or quoted part.
fn plain_part(text: &str) -> (&str, &str) {
    let end = text
        .match_indices(';')
        .map(|(index, _)| index)
        .find(|index| {
            let next = text.get(index + 1..).unwrap_or("").trim_start();
            next.starts_with("S:") || next.starts_with("'S:") || next.is_empty()
        })
        .unwrap_or(text.len());
    let (part, after) = text.split_at(end);
    (part, after.strip_prefix(';').unwrap_or(after))
}

/// Name of the connector in a connector id; the receive connectors that every server has
/// (`EXCH01\Default EXCH01`) are mail without a connector of the organisation.
pub(super) fn own_connector(id: &str) -> Option<&str> {
    let name = spelling::connector(id)?;
    if let Some((server, rest)) = name.split_once('\\') {
        let built_in = rest
            .strip_prefix("Default Frontend ")
            .or_else(|| rest.strip_prefix("Default "))
            .is_some_and(|named| named.eq_ignore_ascii_case(server));
        if built_in {
            return None;
        }
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_and_quoted_connector() {
        let text = "S:ProxyHop1=EOP01.mail.protection.outlook.com(10.1.1.1);\
            'S:InboundConnectorData=Name=Fabrikam; inbound;ConnectorType=OnPremises;TenantId=1';\
            S:tlsversion=SP_PROT_TLS1_3_SERVER;S:tlscipher=CALG_AES_256";
        let data = parse(text);
        assert_eq!(data.tls_version, Some("SP_PROT_TLS1_3_SERVER"));
        assert_eq!(data.tls_cipher, Some("CALG_AES_256"));
        let inbound = data.inbound.unwrap();
        assert_eq!(inbound.name, "Fabrikam");
        assert_eq!(inbound.connector_type, ConnectorType::OnPremises);
        assert_eq!(data.outbound, None);
    }

    #[test]
    fn quotes_at_the_end_apostrophes_and_missing_quotes() {
        let quoted = parse("S:x=1;'S:InboundConnectorData=Name=O'Brien;ConnectorType=Partner'");
        assert_eq!(quoted.inbound.unwrap().name, "O'Brien");
        let bare =
            parse("S:InboundConnectorData=Name=Foo;ConnectorType=Partner;S:tlsversion=TLS1_2");
        assert_eq!(bare.inbound.unwrap().connector_type, ConnectorType::Partner);
        assert_eq!(bare.tls_version, Some("TLS1_2"));
        for nonsense in ["", ";", "'", "';", "S:", "S:=;=;'S:'", "'S:InboundConnectorData=Name=';"]
        {
            assert_eq!(parse(nonsense), CustomData::default(), "{nonsense}");
        }
    }

    #[test]
    fn a_servers_own_receive_connector_is_none() {
        assert_eq!(own_connector("EXCH01\\Default EXCH01"), None);
        assert_eq!(own_connector("EXCH01\\Default Frontend EXCH01"), None);
        assert_eq!(own_connector("EXCH01\\Relay"), Some("EXCH01\\Relay"));
    }
}
