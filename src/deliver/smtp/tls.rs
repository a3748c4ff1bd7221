//! TLS towards a relay: whom we trust, what was agreed, and what failed in words of a user.
//!
//! Only TLS 1.2 and 1.3 exist here, always with a checked certificate; there is no switch
//! that turns the check off.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, Error, PeerIncompatible,
    ProtocolVersion, RootCertStore,
};
use sha2::{Digest, Sha256};

use super::wire::WireError;
use crate::deliver::outcome::presentable;

/// What was agreed with the relay.
#[derive(Debug)]
pub(super) struct Agreed {
    /// `TLSv1.3` or `TLSv1.2`.
    pub(super) version: Option<String>,
    /// IANA name of the cipher suite.
    pub(super) cipher: Option<String>,
    /// SHA-256 of the relay's own certificate, in hex.
    pub(super) certificate_sha256: Option<String>,
}

/// Prepares the client side for a relay called `host`.
///
/// * `ca_pem`: the only authorities to trust, as PEM; without it, those of the system.
///
/// # Errors
/// A sentence for a person, who must change a setting.
pub(super) fn client(host: &str, ca_pem: Option<&[u8]>) -> Result<ClientConnection, String> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| format!("`{host}` is no name that a certificate can hold"))?;
    let roots = match ca_pem {
        Some(pem) => given_roots(pem)?,
        None => system_roots()?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| format!("TLS cannot be used: {error}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    ClientConnection::new(Arc::new(config), name)
        .map_err(|error| format!("TLS cannot be used: {error}"))
}

fn given_roots(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate =
            certificate.map_err(|error| format!("the CA file is not valid PEM: {error}"))?;
        roots
            .add(certificate)
            .map_err(|error| format!("the CA file holds an unusable certificate: {error}"))?;
    }
    if roots.is_empty() {
        return Err("the CA file holds no certificate in PEM form".to_owned());
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        return Err(format!(
            "the system has no trusted certificate authorities ({}); name a CA file",
            if why.is_empty() { "none were found".to_owned() } else { why.join("; ") }
        ));
    }
    Ok(roots)
}

/// Says what was agreed in a finished handshake.
pub(super) fn agreed(tls: &ClientConnection) -> Agreed {
    let version = tls.protocol_version().map(|version| match version {
        ProtocolVersion::TLSv1_3 => "TLSv1.3".to_owned(),
        ProtocolVersion::TLSv1_2 => "TLSv1.2".to_owned(),
        other => format!("{other:?}"),
    });
    // The library marks the suites of TLS 1.3 with a prefix that IANA's names do not have.
    let cipher = tls.negotiated_cipher_suite().map(|suite| {
        let name = format!("{:?}", suite.suite());
        name.strip_prefix("TLS13_").map_or(name.clone(), |rest| format!("TLS_{rest}"))
    });
    let leaf = tls.peer_certificates().and_then(<[_]>::first);
    let certificate_sha256 =
        leaf.map(|der| Sha256::digest(der).iter().map(|byte| format!("{byte:02x}")).collect());
    Agreed { version, cipher, certificate_sha256 }
}

/// Says why a handshake failed, and whether a person must change something.
pub(super) fn explain(host: &str, error: &WireError) -> (String, bool) {
    let needed = "TLS 1.2 or later is required";
    match error {
        WireError::Tls(error) => explain_tls(host, error, needed),
        WireError::Injected => (error.to_string(), true),
        WireError::Closed => {
            (format!("{host} closed the connection during the TLS handshake; {needed}"), false)
        }
        other => (format!("{other} during the TLS handshake"), false),
    }
}

fn explain_tls(host: &str, error: &Error, needed: &str) -> (String, bool) {
    match error {
        Error::InvalidCertificate(error) => (explain_certificate(host, error), true),
        Error::NoCertificatesPresented => (format!("{host} shows no certificate"), true),
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        )
        | Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            (format!("{host} does not speak a TLS version that we do; {needed}"), true)
        }
        Error::AlertReceived(AlertDescription::HandshakeFailure) | Error::PeerIncompatible(_) => {
            (format!("{host} shares no TLS parameters with us ({error}); {needed}"), true)
        }
        Error::AlertReceived(AlertDescription::InternalError) => {
            (format!("{host} failed during the TLS handshake ({error})"), false)
        }
        Error::InvalidMessage(_) => (
            format!(
                "{host} does not speak TLS here ({error}); are the port and the kind of TLS right?"
            ),
            true,
        ),
        other => (format!("the TLS handshake with {host} failed: {other}"), true),
    }
}

fn explain_certificate(host: &str, error: &CertificateError) -> String {
    let subject = format!("the certificate of {host}");
    match error {
        CertificateError::NotValidForName => format!("{subject} is not valid for that name"),
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names: Vec<&str> = presented.iter().take(5).map(|name| bare(name)).collect();
            let names = presentable(&names.join(", "));
            format!("{subject} is not valid for that name (it holds: {names})")
        }
        CertificateError::UnknownIssuer => format!("{subject} is signed by an unknown authority"),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("{subject} has expired")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("{subject} is not valid yet")
        }
        CertificateError::Revoked => format!("{subject} has been revoked"),
        other => format!("{subject} is not acceptable: {other}"),
    }
}

/// The library names a subject as `DnsName("relay.example.com")`.
fn bare(name: &str) -> &str {
    let inner = name.strip_prefix("DnsName(\"").and_then(|rest| rest.strip_suffix("\")"));
    inner.unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_file_without_certificates_is_an_error() {
        let cases = [
            ("", "holds no certificate"),
            ("just text", "holds no certificate"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "unusable"),
            ("-----BEGIN CERTIFICATE-----\n%%%%\n-----END CERTIFICATE-----\n", "not valid PEM"),
        ];
        for (pem, expected) in cases {
            let why = client("relay.example.com", Some(pem.as_bytes())).unwrap_err();
            assert!(why.contains(expected), "{pem}: {why}");
        }
    }
}
