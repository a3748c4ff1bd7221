//! What the lines of `OpenSMTPD` say, one by one.

use serde::{Deserialize, Serialize};

use super::super::fields::{is_address, is_loopback, split_once, suite, until};
use crate::trace::Tls;

/// The other side.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Peer {
    /// Empty = unknown.
    pub name: Box<[u8]>,
    /// IP address.
    pub address: Box<[u8]>,
    /// Not over a network, or not by SMTP.
    pub local: bool,
}

/// Band and cipher.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Suite(pub Tls, pub Box<[u8]>);

/// `evpid=… from=<…> to=<…> rcpt=<…> source="…" relay="192.0.2.1 (mx…)" delay=0s result="Ok"
/// stat="…"`.
#[derive(Debug)]
pub(super) struct Delivery<'a> {
    /// Id of the message.
    pub message: &'a [u8],
    /// Address of the recipient.
    pub recipient: &'a [u8],
    /// Name and address of the server.
    pub relay: (&'a [u8], &'a [u8]),
    /// Whether it was handed over.
    pub sent: bool,
}

impl<'a> Delivery<'a> {
    /// `None` for what has not the form of a delivery.
    pub(super) fn read(text: &'a [u8]) -> Option<Self> {
        let (id, rest) = hex_id::<16>(text.strip_prefix(b"evpid=")?)?;
        let (_, rest) = until(rest.strip_prefix(b"from=")?, b" to=")?;
        let (recipient, mut rest) = until(rest, b" rcpt=")?;
        let mut found = Self { message: id.get(..8)?, recipient, relay: (b"", b""), sent: false };
        // The recipient again, then fields in this server's own words up to `stat=`.
        (_, rest) = until(rest, b" ")?;
        loop {
            let (field, behind) = until(rest, b" ")?;
            let (key, value) = split_once(field, b'=')?;
            let value = value.strip_prefix(b"\"").unwrap_or(value);
            let value = value.strip_suffix(b"\"").unwrap_or(value);
            match key {
                b"relay" => {
                    let (address, name) = split_once(value, b' ').unwrap_or((value, b""));
                    let name = name.strip_prefix(b"(").and_then(|name| name.strip_suffix(b")"));
                    found.relay = (name.unwrap_or_default(), without_brackets(address));
                }
                b"result" => {
                    found.sent = value == b"Ok";
                    return Some(found);
                }
                _ => {}
            }
            rest = behind;
        }
    }
}

/// A number of so many hexadecimal digits and a blank, and what follows.
pub(super) fn hex_id<const DIGITS: usize>(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (id, rest) = text.split_at_checked(DIGITS)?;
    let fits = id.iter().all(u8::is_ascii_hexdigit);
    Some((id, rest.strip_prefix(b" ").filter(|_| fits)?))
}

/// `ciphers=TLSv1.3:TLS_AES_256_GCM_SHA384:256`. A line of a handshake that cannot be read
/// says that the session is encrypted all the same.
pub(super) fn suite_of(text: &[u8]) -> Suite {
    let found = text.strip_prefix(b"ciphers=").and_then(suite);
    let (tls, cipher) = found.unwrap_or((Tls::Unspecified, b""));
    Suite(tls, cipher.into())
}

/// `address=192.0.2.1 host=…`, `address=local host=…`; `<unknown>` is no name.
pub(super) fn client_of(text: &[u8]) -> Option<Peer> {
    let (address, name) = split_once(text.strip_prefix(b"address=")?, b' ')?;
    let address = without_brackets(address);
    let name = name.strip_prefix(b"host=")?;
    let name = if name.starts_with(b"<") { b"" } else { name };
    // What is no address is a socket of this host.
    let local = is_loopback(address) || !is_address(address);
    Some(Peer { name: name.into(), address: address.into(), local })
}

/// `address=smtp+tls://192.0.2.1:25 host=…`.
pub(super) fn server_of(text: &[u8]) -> Option<Peer> {
    let (address, name) = split_once(text.strip_prefix(b"address=")?, b' ')?;
    let at = memchr::memmem::find(address, b"://")?;
    let (scheme, address) = (address.get(..at)?, address.get(at + 3..)?);
    let address = match memchr::memrchr(b':', address) {
        Some(port) => address.get(..port)?,
        None => address,
    };
    let address = without_brackets(address);
    let name = name.strip_prefix(b"host=")?;
    let name = if name.starts_with(b"<") { b"" } else { name };
    let local = scheme.starts_with(b"lmtp") || is_loopback(address) || !is_address(address);
    Some(Peer { name: name.into(), address: address.into(), local })
}

fn without_brackets(address: &[u8]) -> &[u8] {
    let inside = address.strip_prefix(b"[").and_then(|address| address.strip_suffix(b"]"));
    let address = inside.unwrap_or(address);
    address.strip_prefix(b"IPv6:").unwrap_or(address)
}
