//! A head: the short text that binds a bag to its place in the chain.
//!
//! ```text
//! intransit-archive v1
//! seq: 42
//! bag: 000042-weekly-audit-2026-11-16
//! run: weekly-audit/2026-11-16T07:00
//! time: 2026-11-16T10:00:05Z
//! tagmanifest-sha256: <SHA-256 of the bag's tagmanifest-sha256.txt>
//! previous-head-sha256: <SHA-256 of chain/000041.head; zeros for the first>
//! previous-sig-sha256: <SHA-256 of chain/000041.head.sig; zeros where there is none>
//! key: SHA256:<fingerprint of the signing key> | unsigned
//! ```
//! Nine lines, each ended by LF, in this order, and nothing else: one text per head.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::store;

/// First line.
const TITLE: &str = "intransit-archive v1";
/// What stands where there is no file to hash.
pub const NONE: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// What stands in the place of a key where nothing is signed.
pub const UNSIGNED: &str = "unsigned";

/// A head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Sequence number, from 1.
    pub seq: u64,
    /// Name of the bag's folder.
    pub bag: String,
    /// Which run it holds.
    pub run: String,
    /// When it was sealed: RFC 3339, UTC, whole seconds.
    pub time: String,
    /// SHA-256 of the bag's tag manifest.
    pub tag_manifest_sha256: String,
    /// SHA-256 of the head before.
    pub previous_head_sha256: String,
    /// SHA-256 of that head's signature.
    pub previous_sig_sha256: String,
    /// Fingerprint of the signing key, or [`UNSIGNED`].
    pub key: String,
}

/// Why a text is no head.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("is no head: line {line} (expected `{expected}`)")]
pub struct HeadError {
    /// Line that is wrong, from 1.
    pub line: usize,
    /// What should stand there.
    pub expected: &'static str,
}

const LABELS: [&str; 8] = [
    "seq",
    "bag",
    "run",
    "time",
    "tagmanifest-sha256",
    "previous-head-sha256",
    "previous-sig-sha256",
    "key",
];

impl Head {
    /// The text of the head, the very bytes that are hashed and signed.
    pub fn text(&self) -> String {
        let values = [
            self.seq.to_string(),
            self.bag.clone(),
            self.run.clone(),
            self.time.clone(),
            self.tag_manifest_sha256.clone(),
            self.previous_head_sha256.clone(),
            self.previous_sig_sha256.clone(),
            self.key.clone(),
        ];
        let lines = LABELS.iter().zip(values).map(|(label, value)| format!("{label}: {value}\n"));
        format!("{TITLE}\n{}", lines.collect::<String>())
    }

    /// SHA-256 of the text.
    pub fn sha256(&self) -> String {
        store::sha256(self.text().as_bytes())
    }

    /// Reads a head; only the very text that [`Head::text`] writes is one.
    ///
    /// # Errors
    /// [`HeadError`] naming the first line that is wrong.
    pub fn parse(text: &str) -> Result<Self, HeadError> {
        let mut lines = text.split_inclusive('\n');
        let line = |line, expected| HeadError { line, expected };
        if lines.next() != Some("intransit-archive v1\n") {
            return Err(line(1, TITLE));
        }
        let mut values: Vec<String> = Vec::new();
        for (number, label) in (2..).zip(LABELS) {
            let value = lines
                .next()
                .and_then(|text| text.strip_prefix(label)?.strip_prefix(": ")?.strip_suffix('\n'))
                .filter(|value| !value.is_empty() && is_valid(label, value));
            values.push(value.ok_or(line(number, label))?.to_owned());
        }
        if lines.next().is_some() {
            return Err(line(10, "the end"));
        }
        let [seq, bag, run, time, tag_manifest, previous_head, previous_sig, key] =
            <[String; 8]>::try_from(values).map_err(|_| line(2, "seq"))?;
        Ok(Self {
            seq: seq.parse().map_err(|_| line(2, "seq"))?,
            bag,
            run,
            time,
            tag_manifest_sha256: tag_manifest,
            previous_head_sha256: previous_head,
            previous_sig_sha256: previous_sig,
            key,
        })
    }
}

fn is_valid(label: &str, value: &str) -> bool {
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let plain = |c: char| c.is_ascii_graphic();
    match label {
        "seq" => value.parse::<u64>().is_ok_and(|seq| seq > 0 && seq.to_string() == value),
        "bag" => {
            value.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
                && value.len() < 200
        }
        "time" => DateTime::parse_from_rfc3339(value).is_ok_and(|time| {
            time.with_timezone(&Utc).to_rfc3339_opts(SecondsFormat::Secs, true) == value
        }),
        "key" => value == UNSIGNED || (value.starts_with("SHA256:") && value.chars().all(plain)),
        "run" => value.chars().all(plain),
        _ => value.len() == 64 && value.chars().all(hex),
    }
}

/// Name of a head's file in `chain/`.
pub fn file_name(seq: u64) -> String {
    format!("{seq:06}.head")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        Head {
            seq: 42,
            bag: "000042-weekly-audit-2026-11-16".to_owned(),
            run: "weekly-audit/2026-11-16T07:00".to_owned(),
            time: "2026-11-16T10:00:05Z".to_owned(),
            tag_manifest_sha256: store::sha256(b"a"),
            previous_head_sha256: store::sha256(b"b"),
            previous_sig_sha256: NONE.to_owned(),
            key: UNSIGNED.to_owned(),
        }
    }

    #[test]
    fn only_the_very_text_is_a_head() {
        let text = head().text();
        assert_eq!(Head::parse(&text), Ok(head()));
        let cases = [
            (text.replace("seq: 42", "seq: 042"), 2),
            (text.replace("v1", "v2"), 1),
            (text.replace("unsigned\n", "unsigned"), 9),
            (format!("{text}\n"), 10),
            (text.replace("bag: 0", "bag: ../0"), 3),
            (text.replace("T10:00:05Z", "T10:00:05+00:00"), 5),
            (text.to_uppercase(), 1),
            (text.replace('\n', "\r\n"), 1),
            (text.replace("seq: 42\nbag", "bag"), 2),
        ];
        for (text, line) in cases {
            assert_eq!(Head::parse(&text).unwrap_err().line, line, "{text}");
        }
    }
}
