//! Names of connectors for logs: a log knows services, transports and remote servers; which
//! of them make up a connector is known to the organisation.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Mail;
use crate::trace::{ConnectorType, Direction};

/// One `[[map]]`: what a mail must have to belong to a connector. What is none holds for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// Name of the connector.
    pub connector: String,
    /// Its type.
    pub connector_type: Option<ConnectorType>,
    /// Which way.
    pub direction: Option<Direction>,
    /// Service, listener or transport, as the log names it.
    pub service: Option<String>,
    /// Remote host; `*.example.com` means the hosts below it.
    pub relay: Option<String>,
    /// Remote network.
    pub network: Option<IpNet>,
    /// Domain of the sender (inbound) or the recipient (outbound); `*.example.com` likewise.
    pub domain: Option<String>,
}

/// The rules in their order: the first that fits counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connectors {
    rules: Vec<Rule>,
}

impl Connectors {
    /// Takes the rules in their order.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { rules }
    }

    /// The rule that a mail falls under.
    pub(super) fn rule(&self, mail: &Mail<'_>) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.fits(mail))
    }
}

impl Rule {
    fn fits(&self, mail: &Mail<'_>) -> bool {
        let is = |wanted: &Option<String>, found: &[u8]| {
            wanted.as_ref().is_none_or(|wanted| wanted.as_bytes() == found)
        };
        let below = |wanted: &Option<String>, found: &[u8]| {
            wanted.as_ref().is_none_or(|wanted| fits_host(wanted.as_bytes(), found))
        };
        self.direction.is_none_or(|direction| direction == mail.direction)
            && is(&self.service, mail.connector)
            && below(&self.relay, mail.remote_host)
            && below(&self.domain, mail.domain)
            && self.network.is_none_or(|network| {
                let address = std::str::from_utf8(mail.remote_address).unwrap_or("");
                address.parse::<IpAddr>().is_ok_and(|address| network.contains(&address))
            })
    }
}

/// Whether a host is the one wanted, or one below it where the wanted begins with `*.`.
fn fits_host(wanted: &[u8], host: &[u8]) -> bool {
    let host = host.strip_suffix(b".").unwrap_or(host);
    match wanted.strip_prefix(b"*") {
        Some(above) => {
            let at = host.len().checked_sub(above.len());
            at.filter(|at| *at > 0)
                .and_then(|at| host.get(at..))
                .is_some_and(|end| end.eq_ignore_ascii_case(above))
        }
        None => host.eq_ignore_ascii_case(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Place, Protection};
    use super::*;
    use crate::trace::Tls;

    #[test]
    fn the_first_rule_that_fits() {
        let rule = |connector: &str| Rule { connector: connector.to_owned(), ..Rule::default() };
        let connectors = Connectors::new(vec![
            Rule { relay: Some("*.fabrikam.example".to_owned()), ..rule("Fabrikam") },
            Rule { network: "198.51.100.0/24".parse().ok(), ..rule("Scanners") },
            Rule { domain: Some("example.net".to_owned()), ..rule("Example") },
            Rule { service: Some("partner".to_owned()), ..rule("Partners") },
        ]);
        let mail = Mail {
            time_ms: 0,
            direction: Direction::Inbound,
            connector: b"smtpd",
            forced_tls: None,
            tls: Protection::Known(Tls::NoTls),
            cipher: b"",
            peer: b"",
            remote_host: b"mx.example.org",
            remote_address: b"192.0.2.1",
            domain: b"example.org",
            key: 0,
            place: Place { file: 0, line: 1 },
        };
        let name = |mail: Mail<'_>| connectors.rule(&mail).map(|rule| rule.connector.clone());
        assert_eq!(name(mail), None);
        assert_eq!(
            name(Mail { remote_host: b"MX.Fabrikam.example.", ..mail }).unwrap(),
            "Fabrikam"
        );
        assert_eq!(name(Mail { remote_host: b"fabrikam.example", ..mail }), None);
        assert_eq!(name(Mail { remote_address: b"198.51.100.7", ..mail }).unwrap(), "Scanners");
        assert_eq!(name(Mail { domain: b"EXAMPLE.net", ..mail }).unwrap(), "Example");
        assert_eq!(name(Mail { connector: b"partner", ..mail }).unwrap(), "Partners");
    }
}
