//! The heads: counted from 1, each holding the hash of the one before, signed by known keys.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::tree::{self, Kind, Log};
use crate::archive::head::{self, Head, NONE, UNSIGNED};
use crate::archive::sign::AllowedSigners;
use crate::store;

/// Folder of the heads in the archive.
pub(super) const CHAIN: &str = "chain";
/// Heads, signatures and time stamps are a few kilobytes.
const LIMIT: u64 = 1 << 20;
/// What may lie beside a head, by the ending of its name.
const SIG: &str = "sig";
const STAMPS: [&str; 2] = ["tsq", "tsr"];

/// A head that is there.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) seq: u64,
    /// SHA-256 of the file; none when it cannot be read.
    pub(super) sha256: Option<String>,
    /// What it says; none when it is no head.
    pub(super) head: Option<Head>,
}

/// All heads, in order.
#[derive(Debug, Default)]
pub(super) struct Chain {
    pub(super) links: Vec<Link>,
    /// Fingerprints of the keys that signed, in order of use.
    pub(super) signed_by: Vec<String>,
}

/// What the next head must follow.
struct Before {
    head_sha256: Option<String>,
    sig_sha256: Option<String>,
    /// Place of its key in `allowed_signers`, from 1; 0 while nothing was signed.
    key: usize,
}

struct Checker<'a> {
    log: &'a mut Log,
    folder: &'a Path,
    allowed: Option<&'a AllowedSigners>,
    signed_by: Vec<String>,
}

/// Checks the folder of the heads.
pub(super) fn check(log: &mut Log, folder: &Path, allowed: Option<&AllowedSigners>) -> Chain {
    let files = files(log, folder);
    let mut checker = Checker { log, folder, allowed, signed_by: Vec::new() };
    let first = || Some(NONE.to_owned());
    let mut before = Before { head_sha256: first(), sig_sha256: first(), key: 0 };
    let mut links = Vec::new();
    let mut expected = 1;
    for (seq, endings) in files {
        if seq > expected {
            let more = match seq - expected {
                1 => String::new(),
                gap => format!(", and {} more after it", gap - 1),
            };
            checker.log.fault(place(expected, ""), format!("missing{more}"));
            before.head_sha256 = None;
            before.sig_sha256 = None;
        }
        expected = seq.saturating_add(1);
        links.push(checker.link(seq, &endings, &mut before));
    }
    Chain { links, signed_by: checker.signed_by }
}

/// The heads and what lies beside each, by number; everything else is a fault.
fn files(log: &mut Log, folder: &Path) -> BTreeMap<u64, BTreeSet<String>> {
    let entries = log.entries(folder, CHAIN);
    let mut files: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    for (name, kind) in &entries {
        let known = number(name).filter(|_| *kind != Kind::Folder);
        match known {
            Some((seq, ending)) => {
                files.entry(seq).or_default().insert(ending);
            }
            None if *kind == Kind::Unusable => {}
            None => log.added(CHAIN, name),
        }
    }
    files.retain(|seq, endings| {
        let has_head = endings.contains("");
        for ending in endings.iter().filter(|_| !has_head) {
            log.fault(place(*seq, ending), "has no head");
        }
        has_head
    });
    files
}

/// The number and what comes after `.head` in the name of a file of the chain.
fn number(name: &OsStr) -> Option<(u64, String)> {
    let (digits, rest) = name.to_str()?.split_once(".head")?;
    let ending = rest.strip_prefix('.').unwrap_or(rest);
    let known = ending.is_empty() || ending == SIG || STAMPS.contains(&ending);
    let seq = digits.parse().ok().filter(|seq| *seq > 0 && known)?;
    (OsStr::new(&file_name(seq, ending)) == name).then(|| (seq, ending.to_owned()))
}

fn file_name(seq: u64, ending: &str) -> String {
    let dot = if ending.is_empty() { "" } else { "." };
    format!("{}{dot}{ending}", head::file_name(seq))
}

fn place(seq: u64, ending: &str) -> String {
    tree::below(CHAIN, OsStr::new(&file_name(seq, ending)))
}

impl Checker<'_> {
    fn link(&mut self, seq: u64, endings: &BTreeSet<String>, before: &mut Before) -> Link {
        let here = place(seq, "");
        let bytes = self.read(seq, "");
        let sha256 = bytes.as_deref().map(store::sha256);
        let head = bytes.as_deref().and_then(|bytes| self.parse(&here, bytes));
        let sig = endings.contains(SIG).then(|| self.read(seq, SIG)).flatten();
        if let Some(head) = &head {
            self.order(&here, seq, head, before);
            self.signature(
                seq,
                head,
                bytes.as_deref().unwrap_or_default(),
                endings,
                sig.as_deref(),
            );
            self.key_order(&here, head, before);
        }
        for ending in STAMPS.iter().filter(|ending| endings.contains(**ending)) {
            self.stamp(seq, ending, bytes.as_deref());
        }
        before.head_sha256.clone_from(&sha256);
        before.sig_sha256 = match sig {
            Some(sig) => Some(store::sha256(&sig)),
            // One that is there and cannot be read is a fault already.
            None => (!endings.contains(SIG)).then(|| NONE.to_owned()),
        };
        Link { seq, sha256, head }
    }

    /// Reads a file of the chain; nothing when it is a link or the like, which is noted already.
    fn read(&mut self, seq: u64, ending: &str) -> Option<Vec<u8>> {
        let path = self.folder.join(file_name(seq, ending));
        let plain = path.symlink_metadata().is_ok_and(|meta| meta.is_file());
        plain.then(|| self.log.read(&path, &place(seq, ending), LIMIT)).flatten()
    }

    fn parse(&mut self, here: &str, bytes: &[u8]) -> Option<Head> {
        let Ok(text) = std::str::from_utf8(bytes) else {
            self.log.fault(here, "is no head: it is not UTF-8");
            return None;
        };
        let parsed = Head::parse(text);
        parsed.map_err(|error| self.log.fault(here, error.to_string())).ok()
    }

    fn order(&mut self, here: &str, seq: u64, head: &Head, before: &Before) {
        let mut fault = |what: String| self.log.fault(here, what);
        if head.seq != seq {
            fault(format!("says that it is head {}", head.seq));
        }
        if !head.bag.starts_with(&format!("{seq:06}-")) {
            fault(format!("names the bag {}, which is not of its number", head.bag));
        }
        self.follows(seq, "", &head.previous_head_sha256, before.head_sha256.as_deref());
        self.follows(seq, SIG, &head.previous_sig_sha256, before.sig_sha256.as_deref());
    }

    /// What lies before a head must be what the head says. The fault is noted at what lies
    /// before: where one of the two was changed, it mostly was that one.
    fn follows(&mut self, seq: u64, ending: &str, said: &str, is: Option<&str>) {
        if is.is_none_or(|is| is == said) {
            return;
        }
        let here = place(seq, "");
        if seq == 1 {
            self.log.fault(here, "follows another head, though it is the first");
        } else {
            let what = format!("is not the one that {here} follows");
            self.log.fault(place(seq - 1, ending), what);
        }
    }

    fn signature(
        &mut self,
        seq: u64,
        head: &Head,
        bytes: &[u8],
        endings: &BTreeSet<String>,
        sig: Option<&[u8]>,
    ) {
        let here = place(seq, SIG);
        let there = endings.contains(SIG);
        if head.key == UNSIGNED {
            if there {
                self.log.fault(here, "added: the head says that it is unsigned");
            }
            return;
        }
        if !there {
            self.log.fault(here.as_str(), "missing");
        }
        let (Some(sig), Some(allowed)) = (sig, self.allowed) else { return };
        let sig = std::str::from_utf8(sig).unwrap_or_default();
        if !allowed.has(&head.key) {
            self.log.fault(super::SIGNERS, format!("does not hold {}", head.key));
        } else if !allowed.verifies(&head.key, bytes, sig) {
            self.log.fault(here, format!("signature is not by {}", head.key));
        } else if self.signed_by.last() != Some(&head.key) {
            self.signed_by.push(head.key.clone());
        }
    }

    /// Keys are used in the order of `allowed_signers`; none comes back after a newer one.
    fn key_order(&mut self, here: &str, head: &Head, before: &mut Before) {
        let keys = self.allowed.map(AllowedSigners::fingerprints).unwrap_or_default();
        let key = match keys.iter().position(|key| *key == head.key) {
            Some(place) => place + 1,
            None if head.key == UNSIGNED => 0,
            None => return,
        };
        if key >= before.key {
            before.key = key;
        } else if key == 0 {
            self.log.fault(here, "unsigned after heads that were signed");
        } else {
            self.log.fault(here, format!("{} signed after a newer key", head.key));
        }
    }

    /// Only `openssl ts -verify` checks a time stamp; this finds one that is for another head.
    fn stamp(&mut self, seq: u64, ending: &str, head: Option<&[u8]>) {
        let (Some(stamp), Some(head)) = (self.read(seq, ending), head) else { return };
        let hash = Sha256::digest(head);
        if !stamp.windows(hash.len()).any(|window| window == hash.as_slice()) {
            self.log.fault(place(seq, ending), "is for another head");
        }
    }
}
