//! Anchors: heads that somebody remembers outside of the archive.

/// A head that is known from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Sequence number.
    pub seq: u64,
    /// SHA-256 of the head.
    pub head_sha256: String,
}

/// Header of every mail that names the newest head.
const HEADER: &str = "x-intransit-head";

/// Reads an anchor as people write it: `42:<hex>`, `000042:sha256:<hex>`, or as it stands in a
/// mail, `000042 sha256:<hex>`.
pub fn parse_anchor(text: &str) -> Option<Known> {
    let (seq, hash) = text.trim().split_once([':', ' '])?;
    let hash = hash.strip_prefix("sha256:").unwrap_or(hash);
    // `parse` alone would take a plus sign.
    let digits = seq.bytes().all(|byte| byte.is_ascii_digit());
    let hex = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    let seq = seq.parse().ok().filter(|seq| digits && *seq > 0)?;
    hex.then(|| Known { seq, head_sha256: hash.to_ascii_lowercase() })
}

/// Reads the anchor from the header of a mail; its body proves nothing, as anybody who answers
/// or forwards may have written it.
pub fn anchor_of_mail(bytes: &[u8]) -> Option<Known> {
    let mut value: Option<String> = None;
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line));
        if line.is_empty() {
            break;
        }
        if line.starts_with([' ', '\t']) {
            if let Some(value) = &mut value {
                value.push_str(&line);
            }
            continue;
        }
        if value.is_some() {
            break;
        }
        let field = line.split_once(':');
        value = field
            .filter(|(name, _)| name.trim_end().eq_ignore_ascii_case(HEADER))
            .map(|(_, value)| value.to_owned());
    }
    let value = value?;
    let (seq, hash) = value.trim().split_once([' ', '\t'])?;
    parse_anchor(&format!("{seq}:{}", hash.trim_start().strip_prefix("sha256:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(seq: u64) -> Known {
        Known { seq, head_sha256: crate::store::sha256(b"head") }
    }

    #[test]
    fn an_anchor_is_a_number_and_a_hash() {
        let hash = crate::store::sha256(b"head");
        for text in [
            format!("42:{hash}"),
            format!("000042:sha256:{hash}"),
            format!(" 000042 sha256:{hash}\n"),
            format!("42:{}", hash.to_uppercase()),
        ] {
            assert_eq!(parse_anchor(&text), Some(known(42)), "{text}");
        }
        for text in [
            hash.clone(),
            format!("0:{hash}"),
            format!("+42:{hash}"),
            format!("42:{hash}0"),
            format!("42:md5:{hash}"),
            format!("42:{}", hash.replace('a', "g")),
            format!(":{hash}"),
            String::new(),
        ] {
            assert_eq!(parse_anchor(&text), None, "{text}");
        }
    }

    #[test]
    fn only_the_header_of_a_mail_counts() {
        let hash = crate::store::sha256(b"head");
        let line = format!("X-Intransit-Head: 000042 sha256:{hash}");
        for mail in [
            format!("Subject: a\r\n{line}\r\n\r\nbody"),
            format!("From someone\nSubject: a\n{line}\n\nbody"),
            format!("Subject: a\r\nx-intransit-HEAD: 000042\r\n\tsha256:{hash}\r\nTo: b\r\n\r\n"),
            format!("{line}\r\nX-Intransit-Head: 000043 sha256:{hash}\r\n\r\n"),
        ] {
            assert_eq!(anchor_of_mail(mail.as_bytes()), Some(known(42)), "{mail}");
        }
        for mail in [
            format!("Subject: a\r\n\r\n{line}\r\n"),
            format!("Subject: a\r\n {line}\r\n\r\n"),
            format!("X-{line}\r\n\r\n"),
            line.replace("sha256:", "md5:"),
            format!("X-Intransit-Head: no\r\n{line}\r\n\r\n"),
        ] {
            assert_eq!(anchor_of_mail(mail.as_bytes()), None, "{mail}");
        }
    }
}
