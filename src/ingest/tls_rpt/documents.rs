//! Where the JSON of reports lies: plain, in gzip data, or in the parts of a mail.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::MultiGzDecoder;

use crate::ingest::tls_rpt::{MAX_BYTES, TlsRptError, is_tls_rpt, mime};

/// Finds the JSON documents of a file: JSON, gzip data, or a mail that carries either, also
/// within a forwarded mail. Names and declared types are not relied on.
///
/// Decompressed data of one file is bounded by [`MAX_BYTES`] as a whole.
///
/// # Errors
/// [`TlsRptError`] when there is none, or the one there is cannot be unpacked.
pub fn documents(bytes: &[u8]) -> Result<Vec<Cow<'_, [u8]>>, TlsRptError> {
    let mut left = MAX_BYTES;
    let bytes =
        if is_gzip(bytes) { Cow::Owned(gunzip(bytes, &mut left)?) } else { Cow::Borrowed(bytes) };
    if is_json(&bytes) {
        return Ok(vec![bytes]);
    }
    let mut parts = Parts { left, documents: Vec::new(), fault: None };
    mime::each_leaf(&bytes, &mut |kind, content| parts.add(kind, content))?;
    match (parts.documents.is_empty(), parts.fault) {
        (false, _) => Ok(parts.documents.into_iter().map(Cow::Owned).collect()),
        (true, Some(fault)) => Err(fault),
        (true, None) => Err(TlsRptError::NoReport),
    }
}

struct Parts {
    left: u64,
    documents: Vec<Vec<u8>>,
    /// What was wrong with an attachment that might have been a report.
    fault: Option<TlsRptError>,
}

impl Parts {
    fn add(&mut self, kind: &str, bytes: &[u8]) -> Result<(), TlsRptError> {
        if !is_gzip(bytes) {
            if is_json(bytes) && is_tls_rpt(bytes) {
                self.documents.push(bytes.to_vec());
            }
            return Ok(());
        }
        match gunzip(bytes, &mut self.left) {
            Ok(unpacked) if is_json(&unpacked) && is_tls_rpt(&unpacked) => {
                self.documents.push(unpacked);
            }
            // Another attachment, such as a DMARC report.
            Ok(_) => {}
            Err(fault) if kind.starts_with("application/tlsrpt") => return Err(fault),
            Err(fault) => self.fault = Some(fault),
        }
        Ok(())
    }
}

fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

fn is_json(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    matches!(text.first(), Some(b'{' | b'['))
}

/// Unpacks gzip data, and takes what comes out from what is left.
fn gunzip(bytes: &[u8], left: &mut u64) -> Result<Vec<u8>, TlsRptError> {
    let mut unpacked = Vec::new();
    let length = MultiGzDecoder::new(bytes)
        .take(*left + 1)
        .read_to_end(&mut unpacked)
        .map_err(TlsRptError::Gzip)?;
    *left = left.checked_sub(length as u64).ok_or(TlsRptError::TooLarge)?;
    Ok(unpacked)
}

#[cfg(test)]
pub(super) mod tests;
