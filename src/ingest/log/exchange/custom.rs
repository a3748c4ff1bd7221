//! The custom-data of an event: `S:key=value;'S:key=value; with a semicolon'`.
//!
//! A value with `;` or an apostrophe is wrapped in apostrophes, those within it doubled, so
//! that no text of a sender can add a key.

use super::fields::{address, host_label};

/// What the custom data says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Custom<'a> {
    /// Whether the connector was told to insist on TLS.
    pub(super) required: Option<bool>,
    /// Whether TLS was insisted on for this message.
    pub(super) effective: Option<bool>,
    /// The client of the front end that handed the message on.
    pub(super) client_address: &'a [u8],
    /// The name that client gave.
    pub(super) client_host: &'a [u8],
    /// Whether a front end handed it on.
    pub(super) proxied: bool,
    /// Name of the first hub of the organisation, without its domain.
    pub(super) first_hub: Option<Vec<u8>>,
    /// The server that a front end handed the message to.
    pub(super) target_address: &'a [u8],
    /// Its name.
    pub(super) target_host: &'a [u8],
    /// Whether the answer came from a server outside.
    pub(super) outside: Option<bool>,
}

impl<'a> Custom<'a> {
    /// Reads custom data. `client` is the address the session came from: where it is that of
    /// a front end in the message's trace, that front end handed the message on.
    pub(super) fn read(text: &'a [u8], client: &[u8]) -> Self {
        let mut custom = Self::default();
        for (key, value) in (Parts { rest: text }) {
            match key {
                b"Microsoft.Exchange.Transport.MailRecipient.RequiredTlsAuthLevel" => {
                    custom.required = insists(value);
                }
                b"Microsoft.Exchange.Transport.MailRecipient.EffectiveTlsAuthLevel" => {
                    custom.effective = insists(value);
                }
                b"ProxiedClientIPAddress" => {
                    custom.client_address = address(value);
                    custom.proxied = true;
                }
                b"ProxiedClientHostname" => custom.client_host = value,
                b"FirstForestHop" if !value.is_empty() => {
                    custom.first_hub = Some(host_label(value));
                }
                b"OutboundProxyTargetIPAddress" => custom.target_address = address(value),
                b"OutboundProxyTargetHostName" => custom.target_host = value,
                b"IsSmtpResponseFromExternalServer" => custom.outside = truth(value),
                _ if key.starts_with(b"ProxyHop") => {
                    custom.proxied |= !client.is_empty() && in_parentheses(value) == Some(client);
                }
                _ => {}
            }
        }
        custom
    }

    /// Whether TLS was forced.
    pub(super) fn forced_tls(&self) -> Option<bool> {
        self.required.or(self.effective)
    }
}

/// What an authentication level says of TLS.
fn insists(level: &[u8]) -> Option<bool> {
    match level.to_ascii_lowercase().as_slice() {
        b"opportunistic" => Some(false),
        b"encryptiononly" | b"certificatevalidation" | b"domainvalidation" => Some(true),
        _ => None,
    }
}

fn truth(value: &[u8]) -> Option<bool> {
    match value.to_ascii_lowercase().as_slice() {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}

/// The address of `exch01.example.com(192.0.2.1)`.
fn in_parentheses(value: &[u8]) -> Option<&[u8]> {
    let open = memchr::memrchr(b'(', value)?;
    Some(address(value.get(open + 1..)?.strip_suffix(b")")?))
}

/// Key and value of each part that is a text.
struct Parts<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Parts<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let (part, after) = match self.rest.strip_prefix(b"'") {
                Some(quoted) => quoted_part(quoted),
                None => match memchr::memchr(b';', self.rest) {
                    Some(end) => self.rest.split_at_checked(end)?,
                    None => (self.rest, &b""[..]),
                },
            };
            self.rest = after.strip_prefix(b";").unwrap_or(after);
            if let Some(pair) = part.strip_prefix(b"S:").and_then(pair) {
                return Some(pair);
            }
        }
        None
    }
}

/// Up to the apostrophe that is not doubled, and what follows it.
fn quoted_part(text: &[u8]) -> (&[u8], &[u8]) {
    let mut from = 0;
    while let Some(found) = text.get(from..).and_then(|rest| memchr::memchr(b'\'', rest)) {
        let end = from + found;
        match text.get(end + 1) {
            Some(b'\'') => from = end + 2,
            Some(b';') | None => {
                let part = text.get(..end).unwrap_or_default();
                return (part, text.get(end + 1..).unwrap_or_default());
            }
            Some(_) => from = end + 1,
        }
    }
    (text, b"")
}

fn pair(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b'=', part)?;
    Some((part.get(..end)?, part.get(end + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_proxies_and_targets() {
        let text = b"S:E2ELatency=1.9;I32:Count=1;\
            S:Microsoft.Exchange.Transport.MailRecipient.RequiredTlsAuthLevel=DomainValidation;\
            S:OutboundProxyTargetIPAddress=203.0.113.5;S:OutboundProxyTargetHostName=mx.example.net;\
            S:IsSmtpResponseFromExternalServer=True";
        let custom = Custom::read(text, b"");
        assert_eq!(custom.forced_tls(), Some(true));
        assert_eq!(custom.target_address, b"203.0.113.5");
        assert_eq!(custom.target_host, b"mx.example.net");
        assert_eq!(custom.outside, Some(true));
        for (level, forced) in [
            ("EncryptionOnly", Some(true)),
            ("CertificateValidation", Some(true)),
            ("Opportunistic", Some(false)),
            ("Whatever", None),
        ] {
            let text = format!(
                "S:Microsoft.Exchange.Transport.MailRecipient.EffectiveTlsAuthLevel={level}"
            );
            assert_eq!(Custom::read(text.as_bytes(), b"").forced_tls(), forced, "{level}");
        }
    }

    #[test]
    fn a_front_end_is_known_by_its_client_or_its_address() {
        let named = Custom::read(b"S:ProxiedClientIPAddress=198.51.100.7", b"192.0.2.1");
        assert!(named.proxied);
        assert_eq!(named.client_address, b"198.51.100.7");
        let hop = b"S:ProxyHop1=exch01.example.com(192.0.2.1);S:FirstForestHop=EXCH01.example.com";
        assert!(Custom::read(hop, b"192.0.2.1").proxied);
        let elsewhere = Custom::read(hop, b"192.0.2.2");
        assert!(!elsewhere.proxied);
        assert_eq!(elsewhere.first_hub.as_deref(), Some(&b"exch01"[..]));
    }

    #[test]
    fn a_senders_text_adds_no_key() {
        let text = b"S:ProxiedClientIPAddress=198.51.100.7;\
            'S:PurportedSender=\"a'';S:ProxiedClientIPAddress=203.0.113.66;\"@example.org'";
        assert_eq!(Custom::read(text, b"").client_address, b"198.51.100.7");
        let text = b"'S:OriginalFromAddress=\"x;S:FirstForestHop=evil;\"@example.org'";
        assert_eq!(Custom::read(text, b"").first_hub, None);
        for nonsense in [&b"'"[..], b";;;", b"''", b"'S:", b"S:=", b"'S:a=b';'", b"S:ProxyHop1=("] {
            assert_eq!(Custom::read(nonsense, b"x"), Custom::default());
        }
    }
}
