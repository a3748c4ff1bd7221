//! Checks an archive: every byte that is bound by a head, every head by the next.
//!
//! | found | by |
//! |---|---|
//! | a file changed, removed, added | the manifest of its bag |
//! | a manifest rewritten | the head, which holds the hash of the tag manifest |
//! | a bag or head removed, swapped, replayed | the next head, which holds the hash of the last |
//! | a head rewritten | its signature; or the next head and its signature |
//! | the newest heads removed, all rewritten with the key | an anchor, or the ledger; else nothing |
//!
//! Nothing is written, no link is followed, and a file is never held in memory whole unless it
//! is a list. `verify.sh`, which lies in every archive, finds the same without this program;
//! tests hold the two against each other.

mod anchor;
mod bag;
mod chain;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use anchor::{Known, anchor_of_mail, parse_anchor};
use chain::{CHAIN, Chain, Link};
use tree::{Kind, Log};

use super::sign::AllowedSigners;
use super::tombstone::Tombstone;
use super::{BAGS, README, SCRIPT, SIGNERS};

/// Which bags an exported copy holds.
pub const EXPORT: &str = "EXPORT.txt";

/// First line of [`EXPORT`].
const EXPORT_TITLE: &str = "intransit-export v1";
/// What an archive holds beside bags and chain is short.
const LIMIT: u64 = 16 << 20;

/// Something that is not as it was sealed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Fault {
    /// File or folder, from the archive's folder on; `.` for the archive itself.
    pub place: String,
    /// What is wrong with it.
    pub what: String,
}

/// What would have shown that the newest heads were removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TruncationProof {
    /// An anchor from outside that reaches to the newest head.
    Anchor,
    /// The ledger of this installation, which whoever cut the archive may have cut as well.
    Ledger,
    /// Nothing.
    None,
}

/// What the check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Bags that are there and were checked.
    pub bags: u64,
    /// Heads that are there.
    pub heads: u64,
    /// What is wrong, sorted; empty when nothing is.
    pub faults: Vec<Fault>,
    /// What a reader should know, though it is no fault.
    pub notes: Vec<String>,
    /// What speaks against a cut end.
    pub truncation_proof: TruncationProof,
    /// Number and SHA-256 of the newest head.
    pub newest: Option<(u64, String)>,
    /// Fingerprints of the keys whose signatures hold, in order of use.
    pub signed_by: Vec<String>,
}

/// Why nothing could be checked.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the archive `{}`", path.display())]
pub struct VerifyError {
    /// The folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: std::io::Error,
}

/// Checks an archive against itself, and against the heads that are known from elsewhere:
/// `ledger` from this installation, `anchors` from outside.
///
/// # Errors
/// [`VerifyError`] when the folder cannot be read; all else is a fault in the verdict.
pub fn verify(archive: &Path, ledger: &[Known], anchors: &[Known]) -> Result<Verdict, VerifyError> {
    let listed = std::fs::read_dir(archive);
    listed.map_err(|source| VerifyError { path: archive.to_owned(), source })?;
    let mut log = Log::default();
    let top = log.entries(archive, "");
    top_folder(&mut log, archive, &top);
    let is = |name: &str, kind| top.get(OsStr::new(name)) == Some(&kind);
    let allowed = is(SIGNERS, Kind::File).then(|| allowed(&mut log, archive)).flatten();
    let chain = if is(CHAIN, Kind::Folder) {
        chain::check(&mut log, &archive.join(CHAIN), allowed.as_ref())
    } else {
        Chain::default()
    };
    let folders = if is(BAGS, Kind::Folder) {
        log.entries(&archive.join(BAGS), BAGS)
    } else {
        BTreeMap::new()
    };
    keys(&mut log, &chain, allowed.as_ref(), is(SIGNERS, Kind::File));
    let bags = bags(&mut log, archive, &chain, &folders);
    let export = is(EXPORT, Kind::File).then(|| export(&mut log, archive, &chain)).flatten();
    missing(&mut log, &chain, &folders, &bags.tombstones, export.as_ref());
    let truncation_proof = known(&mut log, &chain, ledger, anchors);
    let newest = chain.links.last();
    let newest = newest.and_then(|link| Some((link.seq, link.sha256.clone()?)));
    log.faults.sort();
    log.faults.dedup();
    Ok(Verdict {
        bags: bags.count,
        heads: u64::try_from(chain.links.len()).unwrap_or(u64::MAX),
        faults: log.faults,
        notes: log.notes,
        truncation_proof,
        newest,
        signed_by: chain.signed_by,
    })
}

/// Checks what lies in the folder of the archive itself.
fn top_folder(log: &mut Log, archive: &Path, top: &BTreeMap<OsString, Kind>) {
    for (name, kind) in top.iter().filter(|(_, kind)| **kind != Kind::Unusable) {
        let expected = match name.to_str() {
            Some(BAGS | CHAIN) => Kind::Folder,
            Some(SIGNERS | EXPORT) => Kind::File,
            Some(name) if name == README.0 || name == SCRIPT.0 => Kind::File,
            _ => {
                log.added("", name);
                continue;
            }
        };
        if *kind != expected {
            let what = if expected == Kind::File { "is not a file" } else { "is not a folder" };
            log.fault(tree::below("", name), what);
        }
    }
    for (name, text) in [README, SCRIPT] {
        let what = match top.get(OsStr::new(name)) {
            Some(Kind::File) => {
                let bytes = log.read(&archive.join(name), name, LIMIT);
                bytes
                    .filter(|bytes| bytes != text.as_bytes())
                    .map(|_| "is not the one that this program writes")
            }
            Some(_) => None,
            None => Some("is missing"),
        };
        log.notes.extend(what.map(|what| format!("{name} {what}")));
    }
}

/// Reads the keys.
fn allowed(log: &mut Log, archive: &Path) -> Option<AllowedSigners> {
    let bytes = log.read(&archive.join(SIGNERS), SIGNERS, LIMIT)?;
    let allowed = std::str::from_utf8(&bytes).ok().and_then(AllowedSigners::parse);
    if allowed.is_none() {
        log.fault(SIGNERS, "is not a list of keys that this program writes");
    }
    allowed
}

/// Says who signed what, and that nobody signed.
fn keys(log: &mut Log, chain: &Chain, allowed: Option<&AllowedSigners>, there: bool) {
    let heads = || chain.links.iter().filter_map(|link| link.head.as_ref());
    let signed = |head: &&super::head::Head| head.key != super::head::UNSIGNED;
    if chain.links.is_empty() {
        log.notes.push("the archive holds no head: nothing is proven".to_owned());
    } else if !heads().any(|head| signed(&head)) {
        let note = "the archive is not signed: whoever could write to it could have made all of it";
        log.notes.push(note.to_owned());
    } else {
        if !there {
            log.fault(SIGNERS, "missing");
        }
        let first = heads().find(signed).map_or(1, |head| head.seq);
        if first > 1 {
            log.notes.push(format!("heads before {first} are not signed"));
        }
    }
    let mut key: Option<&str> = None;
    for head in heads().filter(signed) {
        if key.is_some_and(|key| key != head.key) {
            let note =
                format!("{} signs from head {} on: ask whether it should", head.key, head.seq);
            log.notes.push(note);
        }
        key = Some(&head.key);
    }
    for key in allowed.map(AllowedSigners::fingerprints).unwrap_or_default() {
        if !heads().any(|head| head.key == key) {
            log.notes.push(format!("{key} is in {SIGNERS}, but signed nothing"));
        }
    }
}

struct Bags {
    count: u64,
    /// Tombstones with the number of the bag that holds them.
    tombstones: Vec<(u64, Tombstone)>,
}

/// Checks the bags that are there.
fn bags(log: &mut Log, archive: &Path, chain: &Chain, folders: &BTreeMap<OsString, Kind>) -> Bags {
    let heads = chain.links.iter().filter_map(|link| link.head.as_ref());
    let by_name: BTreeMap<&OsStr, _> = heads.map(|head| (OsStr::new(&head.bag), head)).collect();
    let mut bags = Bags { count: 0, tombstones: Vec::new() };
    for (name, kind) in folders.iter().filter(|(_, kind)| **kind != Kind::Unusable) {
        let place = tree::below(BAGS, name);
        match by_name.get(name.as_os_str()) {
            None if is_unread(chain, name) => log.fault(place, "its head cannot be read"),
            None if *kind == Kind::Folder && is_bag(name) => log.fault(place, "has no head"),
            None => log.added(BAGS, name),
            Some(_) if *kind != Kind::Folder => log.fault(place, "is not a folder"),
            Some(head) => {
                let path = archive.join(BAGS).join(name);
                let found = bag::check(log, &path, &place, &head.tag_manifest_sha256);
                let tombstones = found.into_iter().flatten();
                bags.tombstones.extend(tombstones.map(|tombstone| (head.seq, tombstone)));
                bags.count += 1;
            }
        }
    }
    bags
}

fn number(name: &OsStr) -> Option<u64> {
    name.to_str()?.split('-').next()?.parse().ok()
}

fn is_bag(name: &OsStr) -> bool {
    number(name).is_some()
}

/// Whether the head that would name this bag is there, and is no head any more.
fn is_unread(chain: &Chain, name: &OsStr) -> bool {
    let seq = number(name);
    chain.links.iter().any(|link| Some(link.seq) == seq && link.head.is_none())
}

/// Reads which bags an exported copy holds.
fn export(log: &mut Log, archive: &Path, chain: &Chain) -> Option<BTreeSet<String>> {
    let bytes = log.read(&archive.join(EXPORT), EXPORT, LIMIT)?;
    let Some(names) = std::str::from_utf8(&bytes).ok().and_then(export_names) else {
        log.fault(EXPORT, "is not a list of bags that this program writes");
        return None;
    };
    for name in &names {
        if !chain.links.iter().any(|link| link.head.as_ref().is_some_and(|h| h.bag == *name)) {
            log.fault(EXPORT, format!("names {name}, which no head knows"));
        }
    }
    Some(names)
}

/// The text of [`EXPORT`] for these bags.
pub fn export_text<'a>(bags: impl IntoIterator<Item = &'a str>) -> String {
    let lines = bags.into_iter().map(|bag| format!("bag: {bag}\n"));
    format!("{EXPORT_TITLE}\n{}", lines.collect::<String>())
}

fn export_names(text: &str) -> Option<BTreeSet<String>> {
    let mut lines = text.strip_suffix('\n')?.split('\n');
    lines.next().filter(|title| *title == EXPORT_TITLE)?;
    let plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    lines
        .map(|line| line.strip_prefix("bag: ").filter(|name| plain(name)).map(str::to_owned))
        .collect()
}

/// Notes each bag that a head names and that is not there, unless it may be away.
fn missing(
    log: &mut Log,
    chain: &Chain,
    folders: &BTreeMap<OsString, Kind>,
    tombstones: &[(u64, Tombstone)],
    export: Option<&BTreeSet<String>>,
) {
    let mut left_out: u64 = 0;
    for head in chain.links.iter().filter_map(|link| link.head.as_ref()) {
        let place = tree::below(BAGS, OsStr::new(&head.bag));
        let tombstone = tombstones.iter().find(|(holder, tombstone)| {
            *holder > head.seq
                && tombstone.seq == head.seq
                && tombstone.bag == head.bag
                && tombstone.tag_manifest_sha256 == head.tag_manifest_sha256
        });
        let named = export.map(|names| names.contains(&head.bag));
        let there = folders.contains_key(OsStr::new(&head.bag));
        match (there, named, tombstone) {
            (true, _, Some((holder, _))) => {
                log.notes
                    .push(format!("{place} is there, though bag {holder} says it was removed"));
            }
            (true, _, None) => {}
            (false, Some(true), _) => {
                log.fault(place, format!("missing, though {EXPORT} names it"));
            }
            (false, _, Some((holder, tombstone))) => {
                let Tombstone { reason, by, time, .. } = tombstone;
                let note =
                    format!("{place} was removed ({reason}) by {by} at {time}, says bag {holder}");
                log.notes.push(note);
            }
            (false, Some(false), None) => left_out += 1,
            (false, None, None) => log.fault(place, "missing"),
        }
    }
    if left_out > 0 {
        log.notes
            .push(format!("{left_out} bags are not part of this copy; nothing is said of them"));
    }
}

/// Compares the chain with what is known of it elsewhere.
fn known(log: &mut Log, chain: &Chain, ledger: &[Known], anchors: &[Known]) -> TruncationProof {
    let newest = chain.links.last().map_or(0, |link| link.seq);
    let mut contradicted = false;
    for (who, known) in [("the ledger", ledger), ("an anchor", anchors)] {
        for Known { seq, head_sha256 } in known {
            let place = format!("{CHAIN}/{}", super::head::file_name(*seq));
            let found = chain.links.iter().find(|link| link.seq == *seq);
            let hash = found.and_then(|link: &Link| link.sha256.as_ref());
            if *seq > newest {
                let what =
                    format!("truncated: {who} knows head {seq}, the newest here is {newest}");
                log.fault(place, what);
                contradicted = true;
            } else if hash.is_some_and(|hash| hash != head_sha256) {
                contradicted = true;
                log.fault(place, format!("rewritten: {who} knows it as sha256:{head_sha256}"));
            }
        }
    }
    // What one of them contradicts is proven by none.
    if contradicted {
        return TruncationProof::None;
    }
    // One that is older than the newest head says nothing of those after it.
    let sha256 = chain.links.last().and_then(|link| link.sha256.as_ref());
    let is_newest = |known: &Known| known.seq == newest && Some(&known.head_sha256) == sha256;
    let reaches = |known: &[Known]| known.iter().any(is_newest);
    if reaches(anchors) {
        return TruncationProof::Anchor;
    }
    if reaches(ledger) {
        return TruncationProof::Ledger;
    }
    if let Some(seq) = anchors.iter().chain(ledger).map(|known| known.seq).max() {
        log.notes.push(format!("what is known elsewhere reaches to head {seq} only"));
    }
    TruncationProof::None
}
