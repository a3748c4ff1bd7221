//! An archive is broken in every way one can think of; the program and the script that lies in
//! the archive must notice the same.
//!
//! The method is the one of systemd's journal ("journal: write bit fiddling test"), with a
//! second, independent verifier as the judge.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use intransit::archive::head::{Head, NONE, UNSIGNED, file_name};
use intransit::archive::sign::{NAMESPACE, Signer};
use intransit::archive::tombstone::{self, Tombstone};
use intransit::archive::verify::{EXPORT, Known, TruncationProof, Verdict, export_text, verify};
use intransit::archive::{self, Bag, File, README, SCRIPT, SIGNERS as ALLOWED_SIGNERS};
use intransit::store;
use proptest::prelude::*;

const HEX: &str = "0123456789abcdef";

// ---------------------------------------------------------------- archives

struct Keys {
    folder: tempfile::TempDir,
}

/// Three keys, made once by the program that people make them with.
fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c"] {
            let args = ["-q", "-t", "ed25519", "-N", "", "-f"];
            let path = folder.path().join(name);
            assert!(Command::new("ssh-keygen").args(args).arg(path).status().unwrap().success());
        }
        Keys { folder }
    })
}

impl Keys {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn signer(&self, name: &str) -> Signer {
        Signer::read(&self.path(name)).unwrap()
    }

    fn fingerprint(&self, name: &str) -> String {
        self.signer(name).fingerprint()
    }

    /// A key's line in `allowed_signers`.
    fn line(&self, name: &str) -> String {
        format!("{}\n", self.signer(name).allowed_signer().unwrap())
    }
}

/// Writes as `store` does, but leaves the flushing to those who need it.
fn write(path: &Path, bytes: impl AsRef<[u8]>) {
    fs::File::create(path).unwrap().write_all(bytes.as_ref()).unwrap();
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// An archive that is being made, or broken.
struct Archive {
    folder: tempfile::TempDir,
}

impl Archive {
    fn new() -> Self {
        let archive = Self { folder: tempfile::tempdir().unwrap() };
        for (name, text) in [README, SCRIPT] {
            write(&archive.at(name), text);
        }
        archive
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn at(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }

    fn copy(&self) -> Self {
        let to = Self { folder: tempfile::tempdir().unwrap() };
        copy(self.path(), to.path());
        to
    }

    /// How many heads there are.
    fn heads(&self) -> u64 {
        (1..1 << 20).take_while(|seq| self.head_path(*seq).exists()).count().try_into().unwrap()
    }

    fn head_path(&self, seq: u64) -> PathBuf {
        self.at("chain").join(file_name(seq))
    }

    fn sig_path(&self, seq: u64) -> PathBuf {
        self.at("chain").join(format!("{}.sig", file_name(seq)))
    }

    fn head(&self, seq: u64) -> Head {
        Head::parse(&read(&self.head_path(seq))).unwrap()
    }

    fn bag(&self, seq: u64) -> PathBuf {
        self.at("bags").join(self.head(seq).bag)
    }

    fn known(&self, seq: u64) -> Known {
        Known { seq, head_sha256: hash(&self.head_path(seq)) }
    }

    /// Seals a run as the program does: the bag, then its head.
    fn run(&self, key: Option<&str>, more: &[(String, String)]) {
        let seq = self.heads() + 1;
        let mut files = vec![
            File::new("run.json", format!("{{\"seq\":{seq}}}\n").into_bytes()),
            File::new("inputs/0001-größe und maß\\1.csv", b"a,b\n1,2\n".to_vec()),
            File::new("inputs/-n", Vec::new()),
        ];
        files.extend(more.iter().map(|(name, text)| File::new(name.clone(), text.clone().into())));
        let name = archive::bag_name(seq, "weekly", "2026-11-16T07:00", 1);
        let info = vec![("Source-Organization", "Contoso".to_owned())];
        let run = format!("weekly/{seq}");
        let bag = Bag { name, run, info, files };
        let (path, _) = archive::write_bag(self.path(), &bag).unwrap();
        self.chain(seq, path.file_name().unwrap().to_str().unwrap(), key);
    }

    /// Writes the head of a bag, and its signature.
    fn chain(&self, seq: u64, bag: &str, key: Option<&str>) {
        let before = |path: PathBuf| if path.exists() { hash(&path) } else { NONE.to_owned() };
        let head = Head {
            seq,
            bag: bag.to_owned(),
            run: format!("weekly/2026-11-16T07:0{}", seq % 10),
            time: "2026-11-16T10:00:05Z".to_owned(),
            tag_manifest_sha256: hash(&self.at("bags").join(bag).join("tagmanifest-sha256.txt")),
            previous_head_sha256: before(self.head_path(seq - 1)),
            previous_sig_sha256: before(self.sig_path(seq - 1)),
            key: key.map_or_else(|| UNSIGNED.to_owned(), |key| keys().fingerprint(key)),
        };
        self.write_head(&head, key);
    }

    fn write_head(&self, head: &Head, key: Option<&str>) {
        fs::create_dir_all(self.at("chain")).unwrap();
        write(&self.head_path(head.seq), head.text());
        let Some(key) = key else { return };
        let text = keys().signer(key).sign(head.text().as_bytes()).unwrap();
        write(&self.sig_path(head.seq), text);
        let allowed = self.at(ALLOWED_SIGNERS);
        let lines = if allowed.exists() { read(&allowed) } else { String::new() };
        if !lines.contains(&keys().line(key)) {
            write(&allowed, format!("{lines}{}", keys().line(key)));
        }
    }

    /// Makes lists and head of a bag fit again, as one could who has the key.
    fn rebind(&self, seq: u64, key: Option<&str>) {
        let bag = self.bag(seq);
        let sums = ["bagit.txt", "bag-info.txt", "manifest-sha256.txt"]
            .map(|name| format!("{}  {name}\n", hash(&bag.join(name))));
        write(&bag.join("tagmanifest-sha256.txt"), sums.concat());
        self.chain(seq, &self.head(seq).bag, key);
    }

    /// Lists the files of a bag as they are now.
    fn relist(&self, seq: u64) {
        let bag = self.bag(seq);
        let mut lines = Vec::new();
        let mut octets = 0;
        let files = tree(&bag.join("data")).into_iter().filter(|path| path.is_file());
        for path in files {
            let name = path.strip_prefix(&bag).unwrap().to_str().unwrap();
            lines.push(format!("{}  {name}\n", hash(&path)));
            octets += fs::metadata(&path).unwrap().len();
        }
        lines.sort();
        write(&bag.join("manifest-sha256.txt"), lines.concat());
        let info =
            format!("Source-Organization: Contoso\nPayload-Oxum: {octets}.{}\n", lines.len());
        write(&bag.join("bag-info.txt"), info);
    }

    fn tombstone(&self, seq: u64) -> Tombstone {
        let head = self.head(seq);
        Tombstone {
            seq,
            bag: head.bag,
            tag_manifest_sha256: head.tag_manifest_sha256,
            reason: "keep = \"6y\"".to_owned(),
            by: "person@host".to_owned(),
            time: "2032-11-20T08:00:00Z".to_owned(),
        }
    }

    /// Removes a bag, and seals the next run with its tombstone.
    fn prune(&self, seq: u64, key: Option<&str>) {
        let tombstone = self.tombstone(seq);
        fs::remove_dir_all(self.bag(seq)).unwrap();
        self.run(key, &[(tombstone::file_name(seq), tombstone.text())]);
    }

    /// What a time stamp has in common with every other: it holds the hash of the head.
    fn stamp(&self, seq: u64, ending: &str) -> PathBuf {
        let hash = hash(&self.head_path(seq));
        let mut bytes = b"\x30\x39\x02\x01\x01".to_vec();
        bytes.extend(hex_bytes(&hash));
        bytes.extend(b"\x01\x01\xff");
        let path = self.at("chain").join(format!("{}.{ending}", file_name(seq)));
        write(&path, bytes);
        path
    }
}

fn hex_bytes(hex: &str) -> Vec<u8> {
    let digit = |digit: u8| u8::try_from(HEX.find(char::from(digit)).unwrap()).unwrap();
    hex.as_bytes().chunks(2).map(|pair| digit(pair[0]) * 16 + digit(pair[1])).collect()
}

fn hash(path: &Path) -> String {
    store::sha256(&fs::read(path).unwrap())
}

/// Every file and folder below a folder, sorted.
fn tree(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        found.push(path.clone());
        if path.is_dir() {
            found.extend(tree(&path));
        }
    }
    found
}

/// Three runs, signed by one key.
fn signed() -> Archive {
    static BASE: OnceLock<Archive> = OnceLock::new();
    let build = || {
        let archive = Archive::new();
        (0..3).for_each(|_| archive.run(Some("a"), &[]));
        archive
    };
    BASE.get_or_init(build).copy()
}

fn unsigned() -> Archive {
    static BASE: OnceLock<Archive> = OnceLock::new();
    let build = || {
        let archive = Archive::new();
        (0..3).for_each(|_| archive.run(None, &[]));
        archive
    };
    BASE.get_or_init(build).copy()
}

/// All that an archive can have: unsigned at first, then two keys, a bag that was removed, and
/// time stamps.
fn rich() -> Archive {
    static BASE: OnceLock<Archive> = OnceLock::new();
    let build = || {
        let archive = Archive::new();
        archive.run(None, &[]);
        archive.run(Some("a"), &[]);
        archive.prune(1, Some("a"));
        archive.run(Some("b"), &[]);
        archive.stamp(2, "tsq");
        archive.stamp(2, "tsr");
        archive.stamp(4, "tsr");
        archive
    };
    BASE.get_or_init(build).copy()
}

/// A copy of the second of three bags.
fn exported() -> Archive {
    let archive = signed();
    for seq in [1, 3] {
        fs::remove_dir_all(archive.bag(seq)).unwrap();
    }
    write(&archive.at(EXPORT), export_text([archive.head(2).bag.as_str()]));
    archive
}

type Build = fn() -> Archive;
const ALL: [(&str, Build); 4] =
    [("signed", signed), ("unsigned", unsigned), ("rich", rich), ("exported", exported)];

// ---------------------------------------------------------------- verifiers

fn shells() -> Vec<&'static str> {
    let there = |shell: &&str| Command::new(shell).args(["-c", ":"]).output().is_ok();
    ["dash", "bash"].into_iter().filter(there).collect()
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/archive/verify.sh")
}

fn rust(archive: &Archive, anchors: &[Known]) -> Verdict {
    verify(archive.path(), &[], anchors).unwrap()
}

/// Runs the script: whether it found nothing wrong, and what it said.
fn shell(shell: &str, archive: &Archive, anchor: Option<&Known>) -> (bool, String) {
    let mut command = Command::new(shell);
    command.arg(script()).arg(archive.path());
    command.args(anchor.map(|known| format!("{}:{}", known.seq, known.head_sha256)));
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = text.lines().last().unwrap_or_default();
    match output.status.code() {
        Some(0) => assert!(last.starts_with("OK: ") && !text.contains("FAULT"), "{text}"),
        Some(1) => assert!(last.ends_with(" faults") && text.contains("FAULT"), "{text}"),
        _ => panic!("{output:?}"),
    }
    (output.status.success(), text)
}

/// Both must say the same; gives what the program says.
fn judge(what: &str, archive: &Archive, anchor: Option<&Known>, with: &str) -> Verdict {
    let verdict = rust(archive, anchor.map(std::slice::from_ref).unwrap_or_default());
    let (clean, text) = shell(with, archive, anchor);
    let faults = &verdict.faults;
    assert_eq!(clean, faults.is_empty(), "{what}: the program says {faults:#?}, {with} {text}");
    verdict
}

fn is_at(verdict: &Verdict, places: &[String]) -> bool {
    let mut faults = verdict.faults.iter();
    faults.any(|fault| places.iter().any(|place| fault.place.starts_with(place)))
}

/// What a path belongs to: itself, or its bag, or its head.
fn owner(name: &str) -> String {
    match name.split('/').collect::<Vec<_>>()[..] {
        ["bags", bag, ..] => format!("bags/{bag}"),
        ["chain", file] => format!("chain/{}", file.split('.').next().unwrap()),
        _ => name.to_owned(),
    }
}

// ---------------------------------------------------------------- clean archives

#[test]
fn whole_archives_are_clean_to_both() {
    for (name, build) in ALL {
        let archive = build();
        for with in shells() {
            let verdict = judge(name, &archive, Some(&archive.known(archive.heads())), with);
            assert_eq!(verdict.faults, [], "{name}");
            assert_eq!(verdict.truncation_proof, TruncationProof::Anchor);
            let (_, text) = shell(with, &archive, None);
            let newest = archive.known(archive.heads());
            let bags = fs::read_dir(archive.at("bags")).unwrap().count();
            let last = format!(
                "OK: {bags} bags, newest head {:06} sha256:{}\n",
                newest.seq, newest.head_sha256
            );
            assert!(text.ends_with(&last), "{name}: {text}");
            assert_eq!(text.contains("NOT SIGNED"), name == "unsigned", "{text}");
        }
    }
}

#[test]
fn the_verdict_says_what_was_checked() {
    let archive = rich();
    let verdict = rust(&archive, &[]);
    assert_eq!((verdict.bags, verdict.heads), (3, 4));
    assert_eq!(verdict.newest, Some((4, hash(&archive.head_path(4)))));
    assert_eq!(verdict.signed_by, [keys().fingerprint("a"), keys().fingerprint("b")]);
    assert_eq!(verdict.truncation_proof, TruncationProof::None);
    let notes = verdict.notes.join("\n");
    for note in ["heads before 2 are not signed", "signs from head 4 on", "keep = \"6y\""] {
        assert!(notes.contains(note), "{notes}");
    }
    assert!(rust(&unsigned(), &[]).notes.join(" ").contains("not signed"));
    let notes = rust(&exported(), &[]).notes.join(" ");
    assert!(notes.contains("2 bags are not part of this copy"), "{notes}");
    let json = serde_json::to_value(&verdict).unwrap();
    assert_eq!(json["truncation_proof"], "none");
}

#[test]
fn an_archive_without_a_run_is_clean_and_proves_nothing() {
    let archive = Archive::new();
    for with in shells() {
        let verdict = judge("empty", &archive, None, with);
        assert_eq!((verdict.bags, verdict.faults.len(), verdict.newest), (0, 0, None));
        assert!(verdict.notes.join(" ").contains("no head"));
        let known = Known { seq: 1, head_sha256: NONE.to_owned() };
        let verdict = judge("empty, but known", &archive, Some(&known), with);
        assert!(verdict.faults[0].what.starts_with("truncated"), "{:?}", verdict.faults);
    }
    assert!(verify(&archive.at("nowhere"), &[], &[]).is_err());
}

#[test]
fn nothing_is_written() {
    let archive = rich();
    let state = || -> BTreeMap<PathBuf, Option<String>> {
        let paths = tree(archive.path()).into_iter();
        paths.map(|path| (path.clone(), path.is_file().then(|| hash(&path)))).collect()
    };
    let before = state();
    judge("rich", &archive, None, "sh");
    assert_eq!(state(), before);
}

/// The texts that lie in an archive are no evidence: other versions have others.
#[test]
fn another_readme_is_a_note() {
    for (name, _) in [README, SCRIPT] {
        let archive = signed();
        write(&archive.at(name), "another");
        let verdict = judge(name, &archive, None, "sh");
        assert_eq!(verdict.faults, []);
        assert!(verdict.notes.join("\n").contains(&format!("{name} is not the one")));
        fs::remove_file(archive.at(name)).unwrap();
        let verdict = judge(name, &archive, None, "sh");
        assert_eq!(verdict.faults, []);
        assert!(verdict.notes.join("\n").contains(&format!("{name} is missing")));
    }
}

// ---------------------------------------------------------------- every file, every folder

/// A change of a file's bytes.
type Edit = (String, Box<dyn Fn(&mut Vec<u8>)>);

/// The changes that can be made to any file.
fn edits(length: usize) -> Vec<Edit> {
    let mut edits: Vec<Edit> = vec![
        ("append a byte".to_owned(), Box::new(|bytes| bytes.push(b'x'))),
        ("append a line end".to_owned(), Box::new(|bytes| bytes.push(b'\n'))),
        ("append a null".to_owned(), Box::new(|bytes| bytes.push(0))),
    ];
    if length > 0 {
        edits.push(("cut a byte".to_owned(), Box::new(|bytes| bytes.truncate(bytes.len() - 1))));
        edits.push(("empty".to_owned(), Box::new(Vec::clear)));
        for place in [0, length / 2, length - 1] {
            for bit in [0x01, 0x20, 0x80] {
                let flip = move |bytes: &mut Vec<u8>| bytes[place] ^= bit;
                edits.push((format!("flip {bit:02x} at {place}"), Box::new(flip)));
            }
        }
    }
    edits
}

/// Whether nothing binds a file: the texts, of which each version has its own.
fn is_free(name: &str) -> bool {
    name == README.0 || name == SCRIPT.0
}

/// A time stamp says more than the hash of a head, of which only `openssl` knows.
fn is_stamp(name: &str) -> bool {
    name.contains(".head.ts")
}

/// Edits each file of an archive; the script judges every `nth` of them.
fn edit_every_file(base: &Archive, nth: usize) -> usize {
    let with = shells();
    let mut count = 0;
    let work = base.copy();
    for path in tree(work.path()).into_iter().filter(|path| path.is_file()) {
        let name = path.strip_prefix(work.path()).unwrap().to_str().unwrap().to_owned();
        let content = fs::read(&path).unwrap();
        for (edit, apply) in edits(content.len()) {
            let mut bytes = content.clone();
            apply(&mut bytes);
            write(&path, &bytes);
            let what = format!("{edit}: {name}");
            let verdict = if count % nth == 0 {
                judge(&what, &work, None, with[(count / nth) % with.len()])
            } else {
                rust(&work, &[])
            };
            if is_free(&name) {
                assert_eq!(verdict.faults, [], "{what}");
            } else if !is_stamp(&name) || !verdict.faults.is_empty() {
                assert!(is_at(&verdict, &[owner(&name)]), "{what}: {:#?}", verdict.faults);
            }
            count += 1;
        }
        write(&path, &content);
    }
    assert_eq!(rust(&work, &[]).faults, [], "all is as it was");
    count
}

#[test]
fn an_edit_of_any_file_is_found() {
    let count = edit_every_file(&signed(), 23);
    assert!(count > 250, "{count}");
}

#[test]
fn an_edit_of_any_file_of_a_rich_archive_is_found() {
    let count = edit_every_file(&rich(), 29);
    assert!(count > 300, "{count}");
}

#[test]
fn an_edit_of_any_file_of_an_exported_copy_is_found() {
    let count = edit_every_file(&exported(), 23);
    assert!(count > 150, "{count}");
}

/// Where nothing is signed, all but the newest head is bound by the next; an anchor binds that.
#[test]
fn an_edit_of_any_file_of_an_unsigned_archive_is_found_with_an_anchor() {
    let base = unsigned();
    let newest = base.known(3);
    let work = base.copy();
    for path in tree(work.path()).into_iter().filter(|path| path.is_file()) {
        let name = path.strip_prefix(work.path()).unwrap().to_str().unwrap().to_owned();
        if is_free(&name) {
            continue;
        }
        let content = fs::read(&path).unwrap();
        for (edit, apply) in edits(content.len()) {
            let mut bytes = content.clone();
            apply(&mut bytes);
            write(&path, &bytes);
            let verdict = rust(&work, std::slice::from_ref(&newest));
            assert!(is_at(&verdict, &[owner(&name)]), "{edit}: {name}: {:#?}", verdict.faults);
        }
        write(&path, &content);
    }
    for path in [work.head_path(3), work.head_path(1)] {
        let text = read(&path);
        for (from, to) in [("10:00:05Z", "10:00:06Z"), ("weekly/", "weakly/")] {
            write(&path, text.replace(from, to));
            for anchor in [None, Some(&newest)] {
                let verdict = judge(to, &work, anchor, "sh");
                let free = path.ends_with("000003.head") && anchor.is_none();
                assert_eq!(verdict.faults.is_empty(), free, "{to}: {:?}", verdict.faults);
            }
        }
        write(&path, text);
    }
}

/// A change of a file or folder as a whole.
type Move = (&'static str, Box<dyn Fn()>);

/// The changes that can be made to this file or folder.
fn moves(path: &Path, outside: &Path) -> Vec<Move> {
    let (path, outside) = (path.to_owned(), outside.to_owned());
    let is_file = path.is_file();
    let p = || path.clone();
    let mut moves: Vec<Move> = Vec::new();
    let (from, to) = (p(), path.with_file_name("renamed"));
    moves.push(("rename", Box::new(move || fs::rename(&from, &to).unwrap())));
    let from = p();
    moves.push((
        "link to an identical copy",
        Box::new(move || {
            fs::rename(&from, &outside).unwrap();
            symlink(&outside, &from).unwrap();
        }),
    ));
    let from = p();
    if is_file {
        moves.push(("remove", Box::new(move || fs::remove_file(&from).unwrap())));
        let from = p();
        moves.push((
            "turn into a folder",
            Box::new(move || {
                fs::remove_file(&from).unwrap();
                fs::create_dir(&from).unwrap();
            }),
        ));
        return moves;
    }
    moves.push(("remove", Box::new(move || fs::remove_dir_all(&from).unwrap())));
    for (what, name) in [
        ("add a file", "added.txt"),
        ("add an unfinished file", ".tmp-x"),
        ("add a hidden file", ".x"),
        ("add a name of two lines", "a\nOK: 9 bags"),
        ("add a name of blanks", "  "),
    ] {
        let to = path.join(name);
        moves.push((what, Box::new(move || write(&to, "x"))));
    }
    let to = path.join("a fifo");
    let fifo = move || assert!(Command::new("mkfifo").arg(&to).status().unwrap().success());
    moves.push(("add a fifo", Box::new(fifo)));
    let to = path.join("loop");
    moves.push(("add a link to its own folder", Box::new(move || symlink(".", &to).unwrap())));
    let to = path.join("dangling");
    moves.push(("add a dangling link", Box::new(move || symlink("nowhere", &to).unwrap())));
    moves
}

fn move_everything(build: Build, nth: usize) {
    let with = shells();
    let base = build();
    let mut names: Vec<String> = tree(base.path())
        .iter()
        .map(|path| path.strip_prefix(base.path()).unwrap().to_str().unwrap().to_owned())
        .collect();
    names.push(String::new());
    let mut count = 0;
    for name in names {
        let kinds = moves(&base.at(&name), Path::new("/")).len();
        for kind in 0..kinds {
            let work = base.copy();
            let outside = tempfile::tempdir().unwrap();
            let moves = moves(&work.at(&name), &outside.path().join("copy"));
            let (edit, apply) = &moves[kind];
            if name.is_empty() && !edit.starts_with("add") {
                continue;
            }
            apply();
            let what = format!("{edit}: {name}");
            let verdict = if count % nth == 0 {
                judge(&what, &work, None, with[(count / nth) % with.len()])
            } else {
                rust(&work, &[])
            };
            count += 1;
            match (name.as_str(), *edit) {
                (name, "remove") if is_free(name) || is_stamp(name) => {
                    assert_eq!(verdict.faults, [], "{what}");
                }
                // Nothing is left that could name the file itself.
                (EXPORT | "chain", "remove") => {
                    assert!(is_at(&verdict, &["bags/".to_owned()]), "{what}");
                }
                _ => {
                    let mut places = vec![owner(&name)];
                    if matches!(*edit, "rename") {
                        places.push(
                            name.clone().replace(name.split('/').next_back().unwrap(), "renamed"),
                        );
                    }
                    assert!(is_at(&verdict, &places), "{what}: {:#?}", verdict.faults);
                }
            }
        }
    }
    assert!(count > 100, "{count}");
}

#[test]
fn a_move_of_any_file_or_folder_is_found() {
    move_everything(signed, 13);
}

#[test]
fn a_move_of_any_file_or_folder_of_a_rich_archive_is_found() {
    move_everything(rich, 17);
}

#[test]
fn a_move_of_any_file_or_folder_of_an_exported_copy_is_found() {
    move_everything(exported, 17);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, failure_persistence: None, ..Default::default() })]

    /// Whatever is done to bytes, the two verifiers agree.
    #[test]
    fn both_agree_on_any_edits(
        kind in 0..ALL.len(),
        edits in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..4_u8, any::<u8>()),
            1..4,
        ),
    ) {
        let work = ALL[kind].1();
        for (file, place, edit, byte) in &edits {
            let files: Vec<PathBuf> =
                tree(work.path()).into_iter().filter(|path| path.is_file()).collect();
            let path = &files[file.index(files.len())];
            let mut bytes = fs::read(path).unwrap();
            let place = place.index(bytes.len() + 1);
            match edit {
                0 => bytes.insert(place, *byte),
                1 if place < bytes.len() => drop(bytes.remove(place)),
                2 if place < bytes.len() => bytes[place] = *byte,
                _ => bytes.truncate(place),
            }
            write(path, &bytes);
        }
        let with = shells();
        judge(&format!("{edits:?}"), &work, None, with[edits.len() % with.len()]);
    }
}

// ---------------------------------------------------------------- what people would try

/// What is done, to which archive, and where the fault must be; nowhere when nobody can notice.
type Attack = (&'static str, Build, fn(&Archive), &'static [&'static str]);

fn swap(a: &Path, b: &Path) {
    let aside = a.with_file_name(".aside");
    fs::rename(a, &aside).unwrap();
    fs::rename(b, a).unwrap();
    fs::rename(aside, b).unwrap();
}

fn change(path: &Path, change: impl Fn(&str) -> String) {
    let text = read(path);
    let changed = change(&text);
    assert_ne!(text, changed, "{}", path.display());
    write(path, changed);
}

/// Changes a head and signs it again.
fn forge(archive: &Archive, seq: u64, key: &str, change: impl Fn(&mut Head)) {
    let mut head = archive.head(seq);
    change(&mut head);
    archive.write_head(&Head { key: keys().fingerprint(key), ..head }, Some(key));
}

fn attack(attacks: &[Attack]) {
    let shells = shells();
    for (number, (what, build, apply, places)) in attacks.iter().enumerate() {
        let archive = build();
        apply(&archive);
        let places: Vec<String> = places.iter().map(|place| (*place).to_owned()).collect();
        let verdict = judge(what, &archive, None, shells[number % shells.len()]);
        if places.is_empty() {
            assert_eq!(verdict.faults, [], "{what}");
        } else {
            assert!(is_at(&verdict, &places), "{what}: {:#?}", verdict.faults);
        }
    }
}

const MOVED: &[Attack] = &[
    ("bags swapped", signed, |a| swap(&a.bag(1), &a.bag(2)), &["bags/000001"]),
    ("heads swapped", signed, |a| swap(&a.head_path(1), &a.head_path(2)), &["chain/000001"]),
    ("heads and signatures swapped", signed, heads_swapped, &["chain/000001"]),
    ("signatures swapped", signed, |a| swap(&a.sig_path(1), &a.sig_path(2)), &["chain/000001"]),
    ("an old head as the newest", signed, |a| replay(a, 1, 4), &["chain/000004"]),
    ("an old head in the place of the newest", signed, |a| replay(a, 2, 3), &["chain/000003"]),
    ("an old signature", signed, |a| put(a, "000001.head.sig", "000003.head.sig"), CHAIN_3),
    ("a bag removed", signed, |a| fs::remove_dir_all(a.bag(2)).unwrap(), &["bags/000002"]),
    ("the newest bag removed", signed, |a| fs::remove_dir_all(a.bag(3)).unwrap(), BAG_3),
    ("a run removed", signed, |a| cut(a, 2), &["chain/000002"]),
    ("the first run removed", unsigned, |a| cut(a, 1), &["chain/000001"]),
    ("a run removed, the next renumbered", signed, renumbered, &["chain/000002"]),
    ("a signature removed", signed, |a| fs::remove_file(a.sig_path(3)).unwrap(), CHAIN_3),
    ("a copy of a bag", signed, |a| copy(&a.bag(2), &a.at("bags/000002-x")), &["bags/000002-x"]),
    ("a bag of two names", signed, bag_of_two_names, &["bags/000001"]),
    ("a bag without a head", signed, |a| copy(&a.bag(3), &a.at("bags/000004-x")), &["bags/000004"]),
    ("far off", signed, |a| put(a, "000001.head", "99999999999.head"), &["chain/99999999999.head"]),
    ("by more zeros", signed, |a| put(a, "000001.head", "0000001.head"), &["chain/0000001.head"]),
    ("by a longer name", signed, |a| put(a, "000001.head", "000001.headx.head"), CHAIN_1),
    ("by a name twice", signed, |a| put(a, "000001.head", "000001.head.head"), CHAIN_1),
    ("a stamp of a stamp", rich, |a| put(a, "000002.head.tsq", "000002.head.tsq.tsr"), CHAIN_2),
    ("a stamp of another head", rich, |a| put(a, "000004.head.tsr", "000002.head.tsr"), CHAIN_2),
    ("a question of another", rich, |a| put(a, "000004.head.tsr", "000002.head.tsq"), CHAIN_2),
    ("a stamp of no head", rich, |a| put(a, "000004.head.tsr", "000005.head.tsr"), CHAIN_5),
    ("a signature of no head", rich, |a| put(a, "000004.head.sig", "000005.head.sig"), CHAIN_5),
    ("a folder beside a head", signed, folder_beside_a_head, &["chain/000001.head.tsr"]),
];
const CHAIN_1: &[&str] = &["chain/000001.head"];
const CHAIN_2: &[&str] = &["chain/000002.head.ts"];
const CHAIN_5: &[&str] = &["chain/000005.head"];

/// Copies a file of the chain.
fn put(archive: &Archive, from: &str, to: &str) {
    fs::copy(archive.at("chain").join(from), archive.at("chain").join(to)).unwrap();
}

fn replay(archive: &Archive, from: u64, to: u64) {
    fs::copy(archive.head_path(from), archive.head_path(to)).unwrap();
    fs::copy(archive.sig_path(from), archive.sig_path(to)).unwrap();
}

fn heads_swapped(archive: &Archive) {
    swap(&archive.sig_path(1), &archive.sig_path(2));
    swap(&archive.head_path(1), &archive.head_path(2));
}

/// Removes a run with all that is there of it.
fn cut(archive: &Archive, seq: u64) {
    fs::remove_dir_all(archive.bag(seq)).unwrap();
    if archive.sig_path(seq).exists() {
        fs::remove_file(archive.sig_path(seq)).unwrap();
    }
    fs::remove_file(archive.head_path(seq)).unwrap();
}

fn renumbered(archive: &Archive) {
    cut(archive, 2);
    fs::rename(archive.sig_path(3), archive.sig_path(2)).unwrap();
    fs::rename(archive.head_path(3), archive.head_path(2)).unwrap();
}

/// A list of names that is searched without care would hold it.
fn bag_of_two_names(archive: &Archive) {
    let names = [1, 2].map(|seq| archive.head(seq).bag);
    copy(&archive.bag(2), &archive.at("bags").join(names.join(" ")));
}

fn folder_beside_a_head(archive: &Archive) {
    fs::create_dir(archive.at("chain/000001.head.tsr")).unwrap();
}

#[test]
fn what_is_swapped_removed_or_replayed_is_found() {
    attack(MOVED);
    let archive = signed();
    cut(&archive, 1);
    cut(&archive, 2);
    let first = &rust(&archive, &[]).faults[0];
    assert_eq!(first.place, "chain/000001.head");
    assert_eq!(first.what, "missing, and 1 more after it");
}

/// What is replaced by what in the newest head, which no later one binds.
const HEAD_TEXTS: &[[&str; 3]] = &[
    ["line ends of Windows", "\n", "\r\n"],
    ["one line end of Windows", ":05Z\n", ":05Z\r\n"],
    ["a line more", "key: unsigned\n", "key: unsigned\nmore: 1\n"],
    ["a line less", "key: unsigned\n", ""],
    ["an empty line", "key: unsigned\n", "key: unsigned\n\n"],
    ["a line twice", "seq: 3\n", "seq: 3\nseq: 3\n"],
    [
        "two lines in another order",
        "run: weekly/2026-11-16T07:03\ntime: 2026-11-16T10:00:05Z\n",
        "time: 2026-11-16T10:00:05Z\nrun: weekly/2026-11-16T07:03\n",
    ],
    ["another version", " v1", " v2"],
    ["a number with zeros", "seq: 3", "seq: 03"],
    ["another number", "seq: 3", "seq: 4"],
    ["no line end", "unsigned\n", "unsigned"],
    ["two blanks", "run: ", "run:  "],
    ["a null", "run: ", "run: \0"],
    ["no run", "weekly/2026-11-16T07:03", ""],
    ["a run of two words", "weekly/", "weekly "],
    ["letters beyond ASCII", "weekly/", "wöchentlich/"],
    ["another zone", ":05Z", ":05+00:00"],
    ["no such month", "time: 2026-11", "time: 2026-21"],
    ["a bag elsewhere", "bag: 000003", "bag: ../bags/000003"],
    ["a bag of another number", "bag: 000003", "bag: 000002"],
    ["an unknown kind of key", "unsigned", "MD5:0"],
];

#[test]
fn a_head_that_is_not_the_very_text_is_found() {
    let shells = shells();
    for (number, [what, from, to]) in HEAD_TEXTS.iter().enumerate() {
        let archive = unsigned();
        change(&archive.head_path(3), |text| text.replace(from, to));
        let verdict = judge(what, &archive, None, shells[number % shells.len()]);
        assert!(is_at(&verdict, &["chain/000003".to_owned()]), "{what}: {:?}", verdict.faults);
    }
}

/// What a head is made to say that is signed anew.
type Forgery<'a> = (&'a str, &'a str, &'a dyn Fn(&mut Head));

#[test]
fn a_head_that_does_not_follow_is_found() {
    let other = store::sha256(b"x");
    let cases: [Forgery; 4] = [
        ("another bag", "chain/000003", &|head| head.bag = head.bag.replace("03-", "02-")),
        ("another hash of a bag", "bags/000003", &|head| {
            head.tag_manifest_sha256.clone_from(&other);
        }),
        ("another head before", "chain/000002", &|head| {
            head.previous_head_sha256.clone_from(&other);
        }),
        ("another signature before", "chain/000002", &|head| {
            head.previous_sig_sha256.clone_from(&other);
        }),
    ];
    for (what, place, apply) in cases {
        let archive = signed();
        forge(&archive, 3, "a", apply);
        let verdict = judge(what, &archive, None, "sh");
        assert!(is_at(&verdict, &[place.to_owned()]), "{what}: {:?}", verdict.faults);
    }
    let archive = unsigned();
    change(&archive.head_path(1), |text| text.replacen(NONE, &other, 1));
    let verdict = judge("a head before the first", &archive, None, "sh");
    assert!(is_at(&verdict, &["chain/000001".to_owned()]), "{:?}", verdict.faults);
}

/// Signs a head with `ssh-keygen`, mostly for another purpose.
fn sign_with_ssh_keygen(archive: &Archive, seq: u64, key: &str, namespace: &str) {
    let head = archive.head_path(seq);
    fs::remove_file(archive.sig_path(seq)).unwrap();
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-Y", "sign", "-n", namespace, "-f"]).arg(keys().path(key)).arg(&head);
    assert!(command.output().unwrap().status.success());
}

const SIGNATURES: &[Attack] = &[
    ("signed by ssh-keygen", signed, |a| sign_with_ssh_keygen(a, 3, "a", NAMESPACE), &[]),
    ("for another purpose", signed, |a| sign_with_ssh_keygen(a, 3, "a", "git"), CHAIN_3),
    ("by another key", signed, |a| sign_with_ssh_keygen(a, 3, "b", NAMESPACE), CHAIN_3),
    ("by an older key", rich, |a| sign_with_ssh_keygen(a, 4, "a", NAMESPACE), &["chain/000004"]),
    ("another key in the middle", signed, |a| forge(a, 2, "b", |_| {}), &["chain/000002"]),
    ("an older key after a newer", rich, |a| a.run(Some("a"), &[]), &["chain/000005"]),
    ("unsigned after signed", signed, |a| a.run(None, &[]), &["chain/000004"]),
    ("no keys", signed, |a| fs::remove_file(a.at(ALLOWED_SIGNERS)).unwrap(), &[ALLOWED_SIGNERS]),
    ("no key", signed, |a| write(&a.at(ALLOWED_SIGNERS), ""), &[ALLOWED_SIGNERS]),
    ("another key that is not allowed", signed, foreign_key, &[ALLOWED_SIGNERS]),
    ("an older key put last", rich, older_key_put_last, &["chain/000004"]),
    ("keys in another order", rich, keys_reversed, &["chain/000004"]),
    ("a signature taken off", signed, signature_taken_off, CHAIN_3),
    ("a signature on an unsigned head", unsigned, signature_put_on, CHAIN_3),
];
const CHAIN_3: &[&str] = &["chain/000003"];

fn foreign_key(archive: &Archive) {
    forge(archive, 3, "b", |_| {});
    write(&archive.at(ALLOWED_SIGNERS), keys().line("a"));
}

fn keys_reversed(archive: &Archive) {
    write(&archive.at(ALLOWED_SIGNERS), keys().line("b") + &keys().line("a"));
}

fn older_key_put_last(archive: &Archive) {
    archive.run(Some("a"), &[]);
    keys_reversed(archive);
}

fn signature_taken_off(archive: &Archive) {
    fs::remove_file(archive.sig_path(3)).unwrap();
    change(&archive.head_path(3), |text| text.replace(&keys().fingerprint("a"), UNSIGNED));
}

fn signature_put_on(archive: &Archive) {
    let text = keys().signer("a").sign(&fs::read(archive.head_path(3)).unwrap()).unwrap();
    write(&archive.sig_path(3), text);
}

#[test]
fn a_signature_that_is_not_by_the_key_is_found() {
    attack(SIGNATURES);
}

/// Texts that OpenSSH takes, and that the program never writes.
#[test]
fn only_the_very_texts_of_signatures_and_keys_are_taken() {
    let sig = "chain/000003.head.sig";
    let twice = keys().line("a").repeat(2);
    let line = keys().line("a");
    let cases = [
        (
            "words after a signature",
            sig,
            "-----END SSH SIGNATURE-----\n",
            "-----END SSH SIGNATURE-----\nx\n",
        ),
        ("words before a signature", sig, "-----BEGIN", "x\n-----BEGIN"),
        ("a blank in a signature", sig, "==\n", "== \n"),
        ("a signature on other lines", sig, "==\n", "\n==\n"),
        ("line ends of Windows", sig, "\n", "\r\n"),
        ("a vertical tab for a line end", sig, "==\n", "==\x0b"),
        ("a key twice", ALLOWED_SIGNERS, &line, &twice),
        (
            "a comment",
            ALLOWED_SIGNERS,
            "intransit-archive namespaces",
            "# x\nintransit-archive namespaces",
        ),
        ("an empty line", ALLOWED_SIGNERS, "\n", "\n\n"),
        ("every purpose", ALLOWED_SIGNERS, " namespaces=\"intransit-archive-v1\"", ""),
        ("a key with a comment", ALLOWED_SIGNERS, "\n", " x\n"),
        ("line ends of Windows", ALLOWED_SIGNERS, "\n", "\r\n"),
        ("no line end", ALLOWED_SIGNERS, "\n", ""),
    ];
    for (what, place, from, to) in cases {
        let archive = signed();
        change(&archive.at(place), |text| text.replace(from, to));
        let verdict = judge(what, &archive, None, "sh");
        assert!(is_at(&verdict, &[place.to_owned()]), "{what}: {:?}", verdict.faults);
    }
}

/// Who can write to the archive can say that a new key took over; only people who know the keys
/// see it, so both verifiers must name the keys.
#[test]
fn a_new_key_for_the_newest_head_is_named() {
    let archive = signed();
    forge(&archive, 3, "b", |_| {});
    let verdict = judge("new key", &archive, None, "sh");
    assert_eq!(verdict.faults, []);
    assert_eq!(verdict.signed_by, [keys().fingerprint("a"), keys().fingerprint("b")]);
    let note = format!("{} signs from head 3 on", keys().fingerprint("b"));
    assert!(verdict.notes.join("\n").contains(&note), "{:?}", verdict.notes);
    assert!(shell("sh", &archive, None).1.contains(&keys().fingerprint("b")));
    let known = signed().known(3);
    assert!(is_at(
        &judge("with an anchor", &archive, Some(&known), "sh"),
        &["chain/000003".to_owned()]
    ));
    let archive = signed();
    change(&archive.at(ALLOWED_SIGNERS), |text| text.to_owned() + &keys().line("c"));
    let verdict = judge("a key that signed nothing", &archive, None, "sh");
    assert_eq!(verdict.faults, []);
    assert!(verdict.notes.join("\n").contains("signed nothing"), "{:?}", verdict.notes);
}

/// What is done to a file of the newest bag before all that binds it is made to fit again.
type Rewrite = (&'static str, &'static str, fn(&str) -> String);

const MANIFEST: &str = "manifest-sha256.txt";
const INFO: &str = "bag-info.txt";

const REWRITES: &[Rewrite] = &[
    ("a line twice", MANIFEST, |text| format!("{}{text}", lines(text)[0])),
    ("a file twice", MANIFEST, |text| format!("{NONE}  data/run.json\n{text}")),
    ("a file above", MANIFEST, |text| text.replace("data/run", "data/../data/run")),
    ("a file of the system", MANIFEST, |text| format!("{NONE}  /etc/passwd\n{text}")),
    ("a tag file as data", MANIFEST, |text| format!("{NONE}  bagit.txt\n{text}")),
    ("a file through a dot", MANIFEST, |text| text.replace("data/run", "data/./run")),
    ("another order", MANIFEST, |text| lines(text).into_iter().rev().collect()),
    ("a file not listed", MANIFEST, |text| lines(text)[1..].concat()),
    ("nothing listed", MANIFEST, |_| String::new()),
    ("a file that is not there", MANIFEST, |text| format!("{NONE}  data/gone\n{text}")),
    ("sums in capitals", MANIFEST, str::to_uppercase),
    ("binary mode", MANIFEST, |text| text.replace("  data", " *data")),
    ("no last line end", MANIFEST, |text| text.trim_end().to_owned()),
    ("line ends of Windows", MANIFEST, |text| text.replace('\n', "\r\n")),
    ("a blank line", MANIFEST, |text| format!("\n{text}")),
    ("another version of BagIt", "bagit.txt", |text| text.replace("1.0", "0.97")),
    ("a line more", "bagit.txt", |text| format!("{text}x: 1\n")),
    ("wrong octets", INFO, |text| text.replace("Oxum: 1", "Oxum: 2")),
    ("a wrong number of files", INFO, |text| text.replace(".3", ".4")),
    ("two Payload-Oxum", INFO, |text| format!("Payload-Oxum: 0.0\n{text}")),
    ("another after it", INFO, |text| format!("{text}Payload-Oxum: 0.0\n")),
    ("no Payload-Oxum", INFO, |text| text.replace("Payload", "payload")),
];

fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// The rules of a bag hold for whoever has the key, too.
#[test]
fn a_bag_that_is_none_is_found_though_all_that_binds_it_fits() {
    let shells = shells();
    for (number, (what, file, rewrite)) in REWRITES.iter().enumerate() {
        let archive = signed();
        change(&archive.bag(3).join(file), rewrite);
        archive.rebind(3, Some("a"));
        let verdict = judge(what, &archive, None, shells[number % shells.len()]);
        assert!(is_at(&verdict, &["bags/000003".to_owned()]), "{what}: {:?}", verdict.faults);
    }
    for order in [&[2_usize][..], &[1, 2, 0], &[0, 0, 1, 2], &[]] {
        let archive = signed();
        let list = archive.bag(3).join("tagmanifest-sha256.txt");
        change(&list, |text| order.iter().map(|line| lines(text)[*line]).collect());
        archive.chain(3, &archive.head(3).bag, Some("a"));
        let verdict = judge("tag manifest", &archive, None, "sh");
        assert!(is_at(&verdict, &["bags/000003".to_owned()]), "{order:?}: {:?}", verdict.faults);
    }
}

/// Changes the run in a bag, and the lists of the bag.
fn falsify(archive: &Archive, seq: u64) {
    change(&archive.bag(seq).join("data/run.json"), |text| text.replace(':', ":4"));
    archive.relist(seq);
}

const BAGS: &[Attack] = &[
    ("a folder beside data", signed, |a| fs::create_dir(a.bag(3).join("x")).unwrap(), BAG_3),
    ("a name like a tag file's", signed, |a| write(&a.bag(3).join("bagitxtxt"), ""), BAG_3),
    ("an empty folder", signed, |a| fs::create_dir(a.bag(3).join("data/x")).unwrap(), &[]),
    ("a manifest rewritten", signed, |a| falsify(a, 2), &["bags/000002"]),
    ("all lists rewritten", signed, all_lists_rewritten, &["bags/000002"]),
    ("a bag and its head rewritten with the key", signed, bag_and_head, &["chain/000002"]),
    ("the newest rewritten with the key", signed, newest_bag_and_head, &[]),
];
const BAG_3: &[&str] = &["bags/000003"];

fn bag_and_head(archive: &Archive) {
    falsify(archive, 2);
    archive.rebind(2, Some("a"));
}

fn newest_bag_and_head(archive: &Archive) {
    falsify(archive, 3);
    archive.rebind(3, Some("a"));
}

fn all_lists_rewritten(archive: &Archive) {
    let files = [archive.head_path(2), archive.sig_path(2)].map(|path| (read(&path), path));
    bag_and_head(archive);
    for (text, path) in files {
        write(&path, text);
    }
}

#[test]
fn a_bag_that_was_rewritten_is_found() {
    attack(BAGS);
}

/// What is replaced by what in the tombstone of the first bag.
const TOMBSTONE_TEXTS: &[[&str; 3]] = &[
    ["another number", "seq: 1", "seq: 2"],
    ["a number with zeros", "seq: 1", "seq: 01"],
    ["another bag", "weekly", "weakly"],
    ["another hash", "tagmanifest-sha256: ", "tagmanifest-sha256: 0"],
    ["no reason", "reason: keep = \"6y\"\n", ""],
    ["an empty reason", "keep = \"6y\"", ""],
    ["a bare label", ": person@host", ":"],
    ["a line more", "time: ", "more: 1\ntime: "],
    ["a line at the end", "00Z\n", "00Z\nmore: 1\n"],
    ["no last line end", "00Z\n", "00Z"],
    ["line ends of Windows", "\n", "\r\n"],
    ["another version", " v1", " v2"],
];

/// Removes the first bag, and seals a run with this text as its tombstone.
fn bury(archive: &Archive, name: &str, text: &str) {
    fs::remove_dir_all(archive.bag(1)).unwrap();
    archive.run(Some("a"), &[(name.to_owned(), text.to_owned())]);
}

#[test]
fn only_a_tombstone_that_fits_excuses_a_missing_bag() {
    let name = tombstone::file_name(1);
    let archive = signed();
    bury(&archive, &name, &archive.tombstone(1).text());
    assert_eq!(judge("it fits", &archive, None, "sh").faults, []);
    for [what, from, to] in TOMBSTONE_TEXTS {
        let archive = signed();
        let text = archive.tombstone(1).text();
        let changed = text.replace(from, to);
        assert_ne!(text, changed, "{what}");
        bury(&archive, &name, &changed);
        let verdict = judge(what, &archive, None, "sh");
        assert!(is_at(&verdict, &["bags/000001".to_owned()]), "{what}");
    }
    for name in ["000001.tombstone", "tombstones/000002.tombstone", "tombstones/1.tombstone"] {
        let archive = signed();
        bury(&archive, name, &archive.tombstone(1).text());
        let verdict = judge(name, &archive, None, "sh");
        assert!(is_at(&verdict, &["bags/000001".to_owned()]), "{name}");
    }
}

const TOMBSTONES: &[Attack] = &[
    ("in a bag with a fault", rich, |a| write(&a.bag(3).join("data/x"), ""), &["bags/000001"]),
    ("in a bag that is gone", rich, |a| fs::remove_dir_all(a.bag(3)).unwrap(), &["bags/000001"]),
    ("in an earlier bag", signed, tombstone_in_an_earlier_bag, &["bags/000003"]),
    ("of a bag that is there", signed, tombstone_of_a_bag_that_is_there, &[]),
    ("written again when its bag is removed", rich, tombstone_written_again, &[]),
];

fn tombstone_in_an_earlier_bag(archive: &Archive) {
    let tombstone = archive.tombstone(3);
    fs::create_dir(archive.bag(2).join("data/tombstones")).unwrap();
    write(&archive.bag(2).join("data").join(tombstone::file_name(3)), tombstone.text());
    archive.relist(2);
    archive.rebind(2, Some("a"));
    archive.rebind(3, Some("a"));
    fs::remove_dir_all(archive.bag(3)).unwrap();
}

fn tombstone_of_a_bag_that_is_there(archive: &Archive) {
    let tombstone = archive.tombstone(1);
    archive.run(Some("a"), &[(tombstone::file_name(1), tombstone.text())]);
}

fn tombstone_written_again(archive: &Archive) {
    let tombstones = [1, 3].map(|seq| (tombstone::file_name(seq), archive.tombstone(seq).text()));
    fs::remove_dir_all(archive.bag(3)).unwrap();
    archive.run(Some("b"), &tombstones);
}

#[test]
fn only_a_later_sound_bag_can_hold_a_tombstone() {
    attack(TOMBSTONES);
}

const EXPORTS: &[Attack] = &[
    (
        "a bag that is named is missing",
        exported,
        |a| {
            fs::remove_dir_all(a.bag(2)).unwrap();
        },
        &["bags/000002"],
    ),
    (
        "a bag that is named was removed long ago",
        rich,
        |a| {
            let names = [1, 2, 3, 4].map(|seq| a.head(seq).bag);
            write(&a.at(EXPORT), export_text(names.iter().map(String::as_str)));
        },
        &["bags/000001"],
    ),
    (
        "nothing is named",
        signed,
        |a| {
            fs::remove_dir_all(a.at("bags")).unwrap();
            write(&a.at(EXPORT), export_text([]));
        },
        &[],
    ),
    (
        "an export is added",
        signed,
        |a| {
            fs::remove_dir_all(a.bag(2)).unwrap();
            write(&a.at(EXPORT), export_text([a.head(1).bag.as_str()]));
        },
        &[],
    ),
    (
        "a head is left out",
        exported,
        |a| {
            fs::remove_file(a.sig_path(1)).unwrap();
            fs::remove_file(a.head_path(1)).unwrap();
        },
        &["chain/000001"],
    ),
    ("no list any more", exported, |a| fs::remove_file(a.at(EXPORT)).unwrap(), &["bags/000001"]),
    ("an empty list", exported, |a| write(&a.at(EXPORT), ""), &[EXPORT]),
    ("another version", exported, |a| edit_export(a, "v1", "v2"), &[EXPORT]),
    ("line ends of Windows", exported, |a| edit_export(a, "\n", "\r\n"), &[EXPORT]),
    ("no last line end", exported, |a| edit_export(a, "16\n", "16"), &[EXPORT]),
    ("a name without its label", exported, |a| edit_export(a, "bag: ", ""), &[EXPORT]),
    ("a bag of no head", exported, |a| edit_export(a, "bag: 0", "bag: x\nbag: 0"), &[EXPORT]),
];

fn edit_export(archive: &Archive, from: &str, to: &str) {
    change(&archive.at(EXPORT), |text| text.replace(from, to));
}

#[test]
fn an_exported_copy_holds_what_it_says() {
    attack(EXPORTS);
}

// ---------------------------------------------------------------- the end of the chain

/// Nothing in the archive tells of a run that was cut off; somebody outside must remember it.
#[test]
fn a_cut_end_is_found_only_by_who_remembers_it() {
    let archive = signed();
    let (second, third) = (archive.known(2), archive.known(3));
    cut(&archive, 3);
    for with in shells() {
        let verdict = judge("cut, and nobody knows", &archive, None, with);
        assert_eq!((verdict.faults.len(), verdict.truncation_proof), (0, TruncationProof::None));
        assert!(shell(with, &archive, None).1.contains("not proven"));
        let verdict = judge("cut, and a mail knows", &archive, Some(&third), with);
        assert_eq!(verdict.truncation_proof, TruncationProof::None, "it is contradicted");
        assert_eq!(verdict.faults.len(), 1);
        assert_eq!(verdict.faults[0].place, "chain/000003.head");
        assert!(verdict.faults[0].what.starts_with("truncated: an anchor knows head 3"));
        let verdict = judge("cut, and an older mail is there", &archive, Some(&second), with);
        assert_eq!((verdict.faults.len(), verdict.truncation_proof), (0, TruncationProof::Anchor));
    }
    let verdict = verify(archive.path(), &[second, third], &[]).unwrap();
    assert_eq!(verdict.truncation_proof, TruncationProof::None, "it is contradicted");
    assert!(verdict.faults[0].what.starts_with("truncated: the ledger knows head 3"));
    // Nor does one that fits prove what another contradicts.
    let (fits, other) = (archive.known(2), Known { seq: 2, head_sha256: "0".repeat(64) });
    for (ledger, anchors) in [([other.clone()], [fits.clone()]), ([fits], [other])] {
        let verdict = verify(archive.path(), &ledger, &anchors).unwrap();
        assert_eq!((verdict.faults.len(), verdict.truncation_proof), (1, TruncationProof::None));
    }
}

#[test]
fn an_anchor_of_an_older_head_proves_nothing_of_later_ones() {
    let archive = signed();
    let first = archive.known(1);
    let verdict = judge("old anchor", &archive, Some(&first), "sh");
    assert_eq!((verdict.faults.len(), verdict.truncation_proof), (0, TruncationProof::None));
    assert!(verdict.notes.join("\n").contains("reaches to head 1 only"), "{:?}", verdict.notes);
    let verdict = verify(archive.path(), &[archive.known(3)], &[first]).unwrap();
    assert_eq!(verdict.truncation_proof, TruncationProof::Ledger);
}

/// Who has the key, or where there is none, can write all anew.
#[test]
fn an_archive_written_anew_is_found_only_by_who_remembers_it() {
    for (name, build, key) in [("signed", signed as Build, Some("a")), ("unsigned", unsigned, None)]
    {
        let archive = build();
        let known = [1, 2, 3].map(|seq| archive.known(seq));
        change(&archive.bag(1).join("data/run.json"), |text| text.replace('1', "9"));
        archive.relist(1);
        (1..=3).for_each(|seq| archive.rebind(seq, key));
        assert_eq!(judge(name, &archive, None, "sh").faults, []);
        for known in &known {
            let verdict = judge(name, &archive, Some(known), "sh");
            assert_eq!(verdict.faults.len(), 1, "{:?}", verdict.faults);
            assert_eq!(verdict.faults[0].place, format!("chain/{}", file_name(known.seq)));
            assert!(verdict.faults[0].what.starts_with("rewritten: "));
        }
        let verdict = verify(archive.path(), &known, &[]).unwrap();
        assert_eq!(verdict.faults.len(), 3);
    }
}

// ---------------------------------------------------------------- the script itself

#[test]
fn the_script_takes_anchors_as_people_write_them_and_refuses_others() {
    let archive = signed();
    let hash = hash(&archive.head_path(3));
    let run = |args: &[&str]| {
        let mut command = Command::new("sh");
        command.arg(script()).arg(archive.path()).args(args).output().unwrap().status.code()
    };
    for anchor in
        [format!("3:{hash}"), format!("000003:sha256:{hash}"), format!("000003 sha256:{hash}")]
    {
        assert_eq!(run(&[&anchor]), Some(0), "{anchor}");
    }
    for anchor in [hash.clone(), format!("0:{hash}"), format!("3:{hash}0"), "3:".to_owned()] {
        assert_eq!(run(&[&anchor]), Some(2), "{anchor}");
    }
}

#[test]
fn the_script_checks_the_folder_in_which_it_lies() {
    let archive = rich();
    let run = || Command::new("sh").arg(archive.at(SCRIPT.0)).current_dir("/").output().unwrap();
    assert!(run().status.success());
    write(&archive.bag(2).join("data/added"), "");
    let output = run();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains(
            "FAULT bags/000002-weekly-2026-11-16/data/added: changed, added, or missing\n"
        ),
        "{text}"
    );
    let missing = Command::new("sh").arg(script()).arg("/nonexistent").output().unwrap();
    assert_eq!(missing.status.code(), Some(2));
}

/// A name or a text in the archive must not write to the auditor's terminal.
#[test]
fn nothing_in_an_archive_writes_to_the_terminal() {
    let archive = exported();
    change(&archive.at(EXPORT), |text| format!("{text}bag: \x1b[2Jx\rOK: 3 bags\n"));
    change(&archive.head_path(2), |text| text.replace("weekly", "\x1b[2J"));
    let (_, text) = shell("sh", &archive, None);
    assert!(!text.contains(['\x1b', '\r']), "{text:?}");
    write(&archive.at("a\x1b[2J\nOK: 3 bags"), "");
    let (_, text) = shell("sh", &archive, None);
    assert!(!text.contains('\x1b') && !text.contains("\nOK"), "{text:?}");
    let faults = rust(&archive, &[]).faults;
    assert!(!faults.iter().any(|fault| fault.place.contains(['\x1b', '\n'])), "{faults:?}");
}
