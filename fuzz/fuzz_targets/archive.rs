//! An archive that somebody changed: bytes, whole files, names, order. Whatever was changed, the
//! check names a fault; what was not changed has none.
//!
//! The input is a list of changes: what, which file, where, and up to 8 bytes to write.

#![no_main]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use chrono::DateTime;
use intransit::archive::verify::{Known, verify};
use intransit::archive::{self, Bag, File};

type Tree = BTreeMap<PathBuf, Vec<u8>>;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _noted = intransit_fuzz::coverage::Noted;
    static SOUND: OnceLock<(Tree, Known)> = OnceLock::new();
    let (sound, newest) = SOUND.get_or_init(sound);
    let mut tree = sound.clone();
    for change in data.chunks(12).take(8) {
        apply(&mut tree, change);
    }
    let folder = intransit_fuzz::folder().join("changed");
    write(&folder, &tree);
    let verdict = verify(&folder, std::slice::from_ref(newest), &[]);
    let faults = verdict.map_or_else(
        |error| vec![error.to_string()],
        |verdict| {
            verdict.faults.iter().map(|fault| format!("{}: {}", fault.place, fault.what)).collect()
        },
    );
    // What helps a reader and is bound by nothing: the program says so in a note.
    let helps =
        |path: &Path| path.parent() == Some(Path::new("")) && !path.ends_with("allowed_signers");
    let bound = |tree: &Tree| {
        let kept = tree.iter().filter(|(path, _)| !helps(path));
        kept.map(|(path, bytes)| (path.clone(), bytes.clone())).collect::<Tree>()
    };
    let changed = bound(&tree) != bound(sound);
    assert!(
        !changed || !faults.is_empty(),
        "a change that nobody sees: {}",
        difference(sound, &tree)
    );
    assert!(tree != *sound || faults.is_empty(), "nothing changed: {faults:?}");
});

fn apply(tree: &mut Tree, change: &[u8]) {
    let [what, which, high, low, bytes @ ..] = change else { return };
    let names: Vec<PathBuf> = tree.keys().cloned().collect();
    let Some(name) = names.get(usize::from(*which) % names.len().max(1)) else { return };
    let at = usize::from(*high) << 8 | usize::from(*low);
    let Some(mut content) = tree.get(name).cloned() else { return };
    let at = at % (content.len() + 1);
    let other = names[usize::from(*low) % names.len()].clone();
    match what % 9 {
        0 => {
            let end = content.len().min(at + bytes.len());
            content.splice(at..end, bytes.iter().copied());
        }
        1 => content.truncate(at),
        2 => drop(content.splice(at..at, bytes.iter().copied())),
        3 => {
            tree.remove(name);
            return;
        }
        4 => {
            tree.insert(other, content);
            return;
        }
        5 => {
            tree.remove(name);
            let new: String = String::from_utf8_lossy(bytes).replace(['/', '\0'], "_");
            tree.insert(name.with_file_name(if new.is_empty() { "x" } else { &new }), content);
            return;
        }
        6 => {
            let taken = tree.insert(other, content).unwrap_or_default();
            tree.insert(name.clone(), taken);
            return;
        }
        7 => {
            // Everything of one bag, or of the chain.
            let Some(above) = name.parent().map(Path::to_owned) else { return };
            tree.retain(|path, _| !path.starts_with(&above));
            return;
        }
        _ => {
            if let Some(byte) = content.get_mut(at) {
                *byte ^= bytes.first().copied().unwrap_or(1).max(1);
            }
        }
    }
    tree.insert(name.clone(), content);
}

fn difference(sound: &Tree, tree: &Tree) -> String {
    let names = sound.keys().chain(tree.keys());
    let changed: Vec<String> = names
        .filter(|name| sound.get(*name) != tree.get(*name))
        .map(|name| {
            let text = tree.get(name).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            format!("{}: {text:?}", name.display())
        })
        .collect();
    changed.join("; ")
}

/// Three signed bags, and the head that the ledger knows.
fn sound() -> (Tree, Known) {
    let folder = intransit_fuzz::folder().join("sound");
    let signer = intransit_fuzz::signer();
    let mut known: Option<(u64, String)> = None;
    for seq in 1..=3 {
        let name = archive::bag_name(seq, "weekly", "2026-11-16T07:00", 1);
        let bag = Bag {
            run: format!("weekly/{seq}"),
            info: vec![("Source-Organization", "Contoso".to_owned())],
            files: vec![
                File::new("report.json", b"{}".to_vec()),
                File::new("deliveries/1.eml", format!("Subject: {seq}\r\n").into_bytes()),
            ],
            name,
        };
        let before = known.as_ref().map(|(seq, sha256)| (*seq, sha256.as_str()));
        let place = archive::place(&folder, before).expect("the head before is there");
        let time = DateTime::from_timestamp(1_800_000_000, 0).expect("a day in the calendar");
        let sealed =
            archive::seal(&folder, &bag, &place, Some(&signer), time).expect("it is sealed");
        known = Some((seq, sealed.head.sha256()));
    }
    let mut tree = Tree::new();
    read(&folder, &folder, &mut tree);
    let (seq, head_sha256) = known.expect("three bags");
    (tree, Known { seq, head_sha256 })
}

fn read(root: &Path, folder: &Path, tree: &mut Tree) {
    for entry in std::fs::read_dir(folder).expect("it is there") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            read(root, &path, tree);
        } else {
            let name = path.strip_prefix(root).expect("it lies below").to_owned();
            tree.insert(name, std::fs::read(&path).expect("it can be read"));
        }
    }
}

fn write(folder: &Path, tree: &Tree) {
    drop(std::fs::remove_dir_all(folder));
    std::fs::create_dir_all(folder).expect("a folder can be made");
    for (name, bytes) in tree {
        let path = folder.join(name);
        // A name may be a file and a folder at once, or one that no file can have.
        if path.parent().is_some_and(|above| std::fs::create_dir_all(above).is_ok()) {
            drop(std::fs::write(path, bytes));
        }
    }
}
