//! A tombstone: what stays of a bag that was removed when its time was over.
//!
//! ```text
//! intransit-tombstone v1
//! seq: 3
//! bag: 000003-weekly-audit-2026-11-16
//! tagmanifest-sha256: <as in chain/000003.head>
//! reason: keep = "6y"
//! by: person@host
//! time: 2032-11-20T08:00:00Z
//! ```
//! It lies as `data/tombstones/000003.tombstone` in a later bag, whose head binds it. The head
//! of the removed bag stays for ever, so the chain stays whole.

/// First line.
const TITLE: &str = "intransit-tombstone v1";

/// A tombstone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// Sequence number of the removed bag.
    pub seq: u64,
    /// Name of its folder.
    pub bag: String,
    /// SHA-256 of its tag manifest.
    pub tag_manifest_sha256: String,
    /// Which rule asked for the removal.
    pub reason: String,
    /// Who removed it.
    pub by: String,
    /// When: RFC 3339, UTC.
    pub time: String,
}

impl Tombstone {
    /// The text of the tombstone.
    pub fn text(&self) -> String {
        let Self { seq, bag, tag_manifest_sha256, reason, by, time } = self;
        format!(
            "{TITLE}\nseq: {seq}\nbag: {bag}\ntagmanifest-sha256: {tag_manifest_sha256}\n\
             reason: {reason}\nby: {by}\ntime: {time}\n"
        )
    }

    /// Reads a tombstone; only the very text that [`Tombstone::text`] writes is one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let mut value = |label: &str| {
            let value = lines.next()?.strip_prefix(label)?;
            (!value.is_empty()).then(|| value.to_owned())
        };
        value("intransit-tombstone v").filter(|version| version == "1")?;
        let found = Self {
            seq: value("seq: ")?.parse().ok()?,
            bag: value("bag: ")?,
            tag_manifest_sha256: value("tagmanifest-sha256: ")?,
            reason: value("reason: ")?,
            by: value("by: ")?,
            time: value("time: ")?,
        };
        (found.text() == text).then_some(found)
    }
}

/// Name of a tombstone in the bag that holds it, below `data/`.
pub fn file_name(seq: u64) -> String {
    format!("tombstones/{seq:06}.tombstone")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_text_is_a_tombstone() {
        let tombstone = Tombstone {
            seq: 3,
            bag: "000003-weekly-audit-2026-11-16".to_owned(),
            tag_manifest_sha256: crate::store::sha256(b"a"),
            reason: "keep = \"6y\"".to_owned(),
            by: "person@host".to_owned(),
            time: "2032-11-20T08:00:00Z".to_owned(),
        };
        let text = tombstone.text();
        assert_eq!(Tombstone::parse(&text), Some(tombstone));
        for wrong in [
            text.replace("v1", "v2"),
            text.replace("seq: 3", "seq: 03"),
            text.replace("by: person@host\n", ""),
            text.replace("person@host", ""),
            format!("{text}\n"),
            text.trim_end().to_owned(),
            text.replace('\n', "\r\n").replace("v1\r", "v1"),
        ] {
            assert_eq!(Tombstone::parse(&wrong), None, "{wrong}");
        }
    }
}
