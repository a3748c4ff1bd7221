//! One bag against its own lists and against the head that binds it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use super::tree::{self, Kind, Log};
use crate::archive::tombstone::{self, Tombstone};
use crate::store;

const BAGIT: &str = "bagit.txt";
const BAG_INFO: &str = "bag-info.txt";
const MANIFEST: &str = "manifest-sha256.txt";
const TAG_MANIFEST: &str = "tagmanifest-sha256.txt";
const DATA: &str = "data";
/// The files of which the tag manifest holds the sums, in its order.
const TAGS: [&str; 3] = [BAGIT, BAG_INFO, MANIFEST];
/// RFC 8493, section 2.1.1.
const BAGIT_TEXT: &[u8] = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";
/// A list of half a million files.
const LIST_LIMIT: u64 = 64 << 20;
/// A tombstone is seven short lines.
const TOMBSTONE_LIMIT: u64 = 64 << 10;

/// SHA-256 of the files that a manifest lists, by name.
type Listed = BTreeMap<Vec<u8>, String>;

/// Checks a bag; the tombstones in it, unless it has a fault.
pub(super) fn check(
    log: &mut Log,
    path: &Path,
    place: &str,
    tag_manifest_sha256: &str,
) -> Option<Vec<Tombstone>> {
    let before = log.faults.len();
    let entries = log.entries(path, place);
    for (name, kind) in &entries {
        let known = name == DATA || name == TAG_MANIFEST || TAGS.iter().any(|tag| name == tag);
        if !known && *kind != Kind::Unusable {
            log.added(place, name);
        }
    }
    let tag = |log: &mut Log, name: &str| {
        let there = log.expect(&entries, place, name, Kind::File);
        let place = tree::below(place, OsStr::new(name));
        there.then(|| log.read(&path.join(name), &place, LIST_LIMIT)).flatten()
    };
    let tags = TAGS.map(|name| tag(log, name));
    let trusted = tag(log, TAG_MANIFEST)
        .is_some_and(|list| tag_sums(log, place, &tags, &list, tag_manifest_sha256));
    let [bagit, info, manifest] = tags;
    if bagit.is_some_and(|bagit| bagit != BAGIT_TEXT) {
        log.fault(format!("{place}/{BAGIT}"), "is not the one of BagIt 1.0");
    }
    let listed = manifest.map(|list| parse(log, &format!("{place}/{MANIFEST}"), &list));
    let data = log.expect(&entries, place, DATA, Kind::Folder);
    let mut payload = Payload { listed: listed?, trusted, octets: 0, tombstones: Vec::new() };
    let clean = log.faults.len();
    let files = if data { payload.walk(log, path, place) } else { 0 };
    if log.faults.len() == clean {
        let oxum = format!("Payload-Oxum: {}.{files}", payload.octets);
        if info.is_some_and(|info| !has_line(&info, &oxum)) {
            log.fault(format!("{place}/{BAG_INFO}"), format!("does not say `{oxum}` once"));
        }
    }
    (log.faults.len() == before).then_some(payload.tombstones)
}

/// Checks the sums of the tag files; says whether the tag manifest is the one of the head.
fn tag_sums(
    log: &mut Log,
    place: &str,
    tags: &[Option<Vec<u8>>; 3],
    list: &[u8],
    wanted: &str,
) -> bool {
    let here = format!("{place}/{TAG_MANIFEST}");
    if store::sha256(list) != wanted {
        log.fault(here, "is not the one that the head names");
        return false;
    }
    let mut lines = list.split_inclusive(|byte| *byte == b'\n');
    for (name, bytes) in TAGS.iter().zip(tags) {
        let line = lines.next().unwrap_or_default();
        if !line.ends_with(format!("  {name}\n").as_bytes()) {
            log.fault(here, "is not the list of the three tag files");
            return true;
        }
        let Some(bytes) = bytes else { continue };
        if line != format!("{}  {name}\n", store::sha256(bytes)).as_bytes() {
            log.fault(format!("{place}/{name}"), "changed");
        }
    }
    if lines.next().is_some() {
        log.fault(here, "is not the list of the three tag files");
    }
    true
}

/// The line must stand there, and no other of its label.
fn has_line(info: &[u8], wanted: &str) -> bool {
    let label = wanted.split_inclusive(':').next().unwrap_or_default();
    let mut lines = info.split(|byte| *byte == b'\n').filter(|l| l.starts_with(label.as_bytes()));
    lines.next() == Some(wanted.as_bytes()) && lines.next().is_none()
}

/// Reads a manifest: sorted lines `<SHA-256>  data/<file>`, each file once.
fn parse(log: &mut Log, place: &str, list: &[u8]) -> Listed {
    let mut listed = Listed::new();
    let mut before: &[u8] = &[];
    for (number, line) in (1..).zip(list.split_inclusive(|byte| *byte == b'\n')) {
        let Some((hash, name)) = entry(line) else {
            log.fault(place, format!("line {number} is not `<SHA-256>  data/<file>`"));
            continue;
        };
        if line <= before {
            log.fault(place, format!("line {number} is not in order"));
        }
        if listed.insert(name.to_vec(), hash.to_owned()).is_some() {
            log.fault(place, format!("line {number} names a file again"));
        }
        before = line;
    }
    listed
}

fn entry(line: &[u8]) -> Option<(&str, &[u8])> {
    let (hash, name) = line.strip_suffix(b"\n")?.split_at_checked(64)?;
    let name = name.strip_prefix(b"  ")?;
    let mut parts = name.split(|byte| *byte == b'/');
    let sound = parts.next() == Some(DATA.as_bytes())
        && name.len() > DATA.len()
        && parts.all(|part| ![&b""[..], b".", b".."].contains(&part))
        && !name.iter().any(u8::is_ascii_control);
    let hash = std::str::from_utf8(hash).ok()?;
    let hex = hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (sound && hex).then_some((hash, name))
}

/// The files below `data/`, compared with the manifest.
struct Payload {
    /// Files that were not yet seen.
    listed: Listed,
    /// Whether the tag manifest is the one of the head, and so the manifest can be believed.
    trusted: bool,
    octets: u64,
    tombstones: Vec<Tombstone>,
}

impl Payload {
    /// Looks at every file, and notes what is changed, added or missing; how many there are.
    fn walk(&mut self, log: &mut Log, bag: &Path, bag_place: &str) -> u64 {
        let mut files = 0;
        let mut folders =
            vec![(bag.join(DATA), DATA.as_bytes().to_vec(), format!("{bag_place}/data"))];
        while let Some((folder, name, place)) = folders.pop() {
            for (entry, kind) in log.entries(&folder, &place) {
                let path = folder.join(&entry);
                let place = tree::below(&place, &entry);
                let name = [name.as_slice(), b"/", entry.as_encoded_bytes()].concat();
                match kind {
                    Kind::Folder => folders.push((path, name, place)),
                    Kind::File => {
                        files += 1;
                        self.file(log, &path, &name, &place);
                    }
                    Kind::Unusable => {
                        self.listed.remove(&name);
                    }
                }
            }
        }
        for name in std::mem::take(&mut self.listed).into_keys() {
            let name = String::from_utf8_lossy(&name).into_owned();
            log.fault(tree::below(bag_place, OsStr::new(&name)), "missing");
        }
        files
    }

    fn file(&mut self, log: &mut Log, path: &Path, name: &[u8], place: &str) {
        let listed = self.listed.remove(name);
        let (sha256, bytes) = match tree::sum(path) {
            Ok(sum) => sum,
            Err(error) => return log.unreadable(place, &error),
        };
        self.octets += bytes;
        match listed {
            None => log.fault(place, "added"),
            Some(listed) if listed == sha256 => {}
            Some(_) if self.trusted => log.fault(place, "changed"),
            Some(_) => log.fault(place, format!("does not fit {MANIFEST}")),
        }
        if name.starts_with(b"data/tombstones/") && bytes <= TOMBSTONE_LIMIT {
            let text = log.read(path, place, TOMBSTONE_LIMIT);
            let found = text.and_then(|text| Tombstone::parse(std::str::from_utf8(&text).ok()?));
            // One that lies under another's name is none: it would be looked up by its name.
            self.tombstones.extend(found.filter(|found| {
                name == format!("data/{}", tombstone::file_name(found.seq)).as_bytes()
            }));
        }
    }
}
