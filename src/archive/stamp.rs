//! Time stamps from outside (RFC 3161): the query over a head, and its reply kept beside it.
//!
//! A reply proves that the head existed when a third party says so. It is checked with
//! `openssl ts -verify`; here only that it speaks of this head.

use crate::store;

/// The query over the SHA-256 of a head: a DER `TimeStampReq` of version 1 without nonce, so
/// that the same head always gives the same query, asking for the certificate.
pub fn query(head: &[u8]) -> Vec<u8> {
    /// SEQUENCE { OID 2.16.840.1.101.3.4.2.1 (SHA-256), NULL }, as RFC 5754 has it.
    const SHA256: [u8; 15] =
        [0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00];
    let hash = store::sha256_bytes(head);
    let mut der = vec![0x30, 0x39, 0x02, 0x01, 0x01, 0x30, 0x31];
    der.extend(SHA256);
    der.extend([0x04, 0x20]);
    der.extend(hash);
    der.extend([0x01, 0x01, 0xff]);
    der
}

/// Says whether a query or reply holds the SHA-256 of this head.
pub fn speaks_of(der: &[u8], head: &[u8]) -> bool {
    let hash = store::sha256_bytes(head);
    der.windows(hash.len()).any(|window| window == hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    #[test]
    fn openssl_reads_the_query() {
        let mut openssl = Command::new("openssl")
            .args(["ts", "-query", "-in", "/dev/stdin", "-text"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        openssl.stdin.take().unwrap().write_all(&query(b"head")).unwrap();
        let read = openssl.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&read.stdout).into_owned();
        assert!(text.contains("Hash Algorithm: sha256"), "{text}");
        assert!(text.contains("Certificate required: yes"), "{text}");
        assert!(speaks_of(&query(b"head"), b"head") && !speaks_of(&query(b"head"), b"heap"));
    }
}
