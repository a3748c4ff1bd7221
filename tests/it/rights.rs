//! Who may read what the program writes, whatever the umask; and what lies in its way.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::evidence::keygen;
use crate::office::{Office, WEEKLY};
use crate::support::{Folder, RANGE, text};

const DUE: &str = "2026-11-16T10:00:00Z";

/// An office that signs, stamps, copies and tells a witness: it writes every kind of file.
fn office() -> Office {
    let office = Office::with(&format!(
        "{WEEKLY}\n[archive]\ninputs = \"copy\"\nsigning_key = \"key\"\n\
         witness_command = [\"true\"]\ntsa_command = [\"cat\"]\n"
    ));
    keygen(&office, "key");
    office
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The command under a umask, and as nobody where we are root, who is kept out by no mode.
fn under(umask: &str, command: &Command) -> Output {
    let mut shell = Command::new(if is_root() { "setpriv" } else { "sh" });
    if is_root() {
        shell.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "sh"]);
    }
    shell.args(["-c", "umask \"$0\" && exec \"$@\"", umask]).arg(command.get_program());
    shell.args(command.get_args()).current_dir(command.get_current_dir().unwrap());
    shell.output().unwrap()
}

fn hand_over(folder: &Path) {
    if is_root() {
        let given = Command::new("chown").args(["-R", "65534:65534"]).arg(folder).status().unwrap();
        assert!(given.success());
    }
}

/// Everything below a folder, with the folder, by its path from there: its mode.
fn modes(top: &Path) -> BTreeMap<PathBuf, u32> {
    let mut found = BTreeMap::new();
    let mut todo = vec![top.to_owned()];
    while let Some(path) = todo.pop() {
        let facts = path.symlink_metadata().unwrap();
        if facts.is_dir() {
            todo.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let below = path.strip_prefix(top.parent().unwrap()).unwrap().to_owned();
        found.insert(below, facts.permissions().mode() & 0o7777);
    }
    found
}

fn expect_modes(top: &Path, folder: u32, file: u32, umask: &str) {
    let found = modes(top);
    assert!(found.len() > 1, "{}", top.display());
    for (path, mode) in found {
        let is_folder = top.parent().unwrap().join(&path).is_dir();
        let expected = if is_folder { folder } else { file };
        assert_eq!(mode, expected, "{} is {mode:o} with umask {umask}", path.display());
    }
}

/// State, evidence, mails and the cache are for their owner alone; a report that was asked for
/// is as open as the umask lets it be, and no more.
#[test]
fn nothing_is_for_others_whatever_the_umask() {
    for (umask, folder, file) in [
        ("0000", 0o755, 0o644),
        ("0022", 0o755, 0o644),
        ("0277", 0o700, 0o600),
        ("0777", 0o700, 0o600),
    ] {
        let office = office();
        hand_over(office.folder.path());
        for args in [
            &["run", "weekly"][..],
            &["run", "weekly", "--revise"],
            &["run", "weekly", "--nominal", "2026-11-09T07:00", "--dry-run", "--out", "dry"],
            &["report", "--archive", "traces", "--out", "archived"],
            &["archive", "export", "--out", "copy/evidence.zip"],
            &["archive", "seal"],
        ] {
            if args[0] == "archive" {
                intransit::store::create_folder(&office.path("copy")).unwrap();
                hand_over(&office.path("copy"));
            }
            let output = under(umask, &office.command(DUE, args));
            assert!(output.status.success(), "{umask} {args:?} {}", text(&output.stderr));
        }
        for name in ["state", "evidence", "outbox", "dry", "copy"] {
            expect_modes(&office.path(name), 0o700, 0o600, umask);
        }
        expect_modes(&office.path("archived"), folder, file, umask);
    }
}

/// Folders that are there keep the rights that their owner gave them.
#[test]
fn an_opened_folder_stays_open() {
    let office = office();
    for name in ["state", "evidence", "outbox"] {
        std::fs::create_dir(office.path(name)).unwrap();
        std::fs::set_permissions(office.path(name), PermissionsExt::from_mode(0o750)).unwrap();
    }
    office.ends(0, DUE, &["run", "weekly"]);
    for name in ["state", "evidence", "outbox"] {
        assert_eq!(modes(&office.path(name))[Path::new(name)], 0o750, "{name}");
    }
}

fn copy_of(office: &Office) -> Office {
    let copy = Office { folder: Folder::new() };
    let mut command = Command::new("cp");
    command.args(["-a", "."]).arg(copy.folder.path()).current_dir(office.folder.path());
    assert!(command.status().unwrap().success());
    copy
}

/// A link at every name that a run writes, one after the other: what lies behind it is never
/// touched. Either the link is replaced, or the error says what is in the way.
#[test]
fn no_link_is_followed_where_something_is_written() {
    let fresh = office();
    let done = copy_of(&fresh);
    done.ends(0, DUE, &["run", "weekly"]);
    let mut paths = BTreeMap::new();
    for top in ["state", "evidence", "outbox"] {
        paths.extend(modes(&done.path(top)));
        // These three are the owner's to put elsewhere.
        paths.remove(Path::new(top));
    }
    let in_bag =
        |path: &PathBuf| path.starts_with("evidence/bags") && path.components().count() > 3;
    paths.retain(|path, _| !in_bag(path));
    for name in ["ledger.db-wal", "ledger.db-shm", "ledger.db-journal"] {
        paths.insert(Path::new("state").join(name), 0o600);
    }
    for name in ["evidence/bags/.tmp-000001-weekly-2026-11-16", "state/cache/.tmp-a"] {
        paths.insert(name.into(), 0o600);
    }
    assert!(paths.len() > 15, "{paths:?}");
    let (mut replaced, mut refused) = (0, 0);
    for path in paths.keys() {
        let is_folder = done.folder.path().join(path).is_dir();
        let office = copy_of(&fresh);
        let elsewhere = Folder::with("file", "untouched");
        intransit::store::create_folder(&elsewhere.path().join("folder")).unwrap();
        let target = elsewhere.path().join(if is_folder { "folder" } else { "file" });
        let link = office.folder.path().join(path);
        intransit::store::create_folder(link.parent().unwrap()).unwrap();
        symlink(&target, &link).unwrap();
        let output = office.at(DUE, &["run", "weekly"]);
        let said = text(&output.stderr);
        let what = format!("{}: {said}", path.display());
        assert_eq!(std::fs::read(elsewhere.path().join("file")).unwrap(), b"untouched", "{what}");
        let there = std::fs::read_dir(elsewhere.path().join("folder")).unwrap().count();
        assert_eq!(there, 0, "{what}");
        if link.is_symlink() {
            let words = ["symbolic link", "File exists", "in the archive, but not in the ledger"];
            let clear = words.iter().any(|words| said.contains(words));
            let named = said.contains(link.file_name().unwrap().to_str().unwrap());
            // What SQLite no longer needs it does not write.
            let unused = path.ends_with("ledger.db-journal");
            assert!(clear && named || unused, "{what}");
            assert!(output.status.code() != Some(101) && !said.contains("panicked"), "{what}");
            refused += 1;
        } else {
            assert!(output.status.success() || said.contains("waits"), "{what}");
            replaced += 1;
        }
    }
    assert!(replaced > 3 && refused > 3, "{replaced} {refused}");
}

/// The same for what a person asks for by name.
#[test]
fn no_link_in_a_folder_of_reports_is_followed() {
    let office = office();
    let elsewhere = Folder::with("file", "untouched");
    let folder = office.path("out");
    intransit::store::create_folder(&folder).unwrap();
    let names = [
        "report.html",
        "report.pdf",
        "connectors.csv",
        "daily.csv",
        "report.json",
        "report.xlsx",
        "evidence.zip",
        "contoso-truth.json",
    ];
    for name in names {
        symlink(elsewhere.path().join("file"), folder.join(name)).unwrap();
    }
    let formats = ["--formats", "html,pdf,csv,json,xlsx"];
    office.ends(0, DUE, &[&["report", "traces", "--out", "out"], &formats[..], &RANGE].concat());
    office.ends(0, DUE, &["run", "weekly"]);
    office.ends(0, DUE, &["archive", "export", "--out", "out/evidence.zip"]);
    assert_eq!(std::fs::read(elsewhere.path().join("file")).unwrap(), b"untouched");
    for name in &names[..7] {
        assert!(folder.join(name).symlink_metadata().unwrap().is_file(), "{name} is replaced");
    }
    // A dry run beside them, mails too.
    let dry = ["run", "weekly", "--nominal", "2026-11-09T07:00", "--dry-run", "--out", "dry"];
    office.ends(0, DUE, &dry);
    let files: Vec<PathBuf> = modes(&office.path("dry")).into_keys().collect();
    for path in
        files.iter().map(|path| office.folder.path().join(path)).filter(|path| path.is_file())
    {
        std::fs::remove_file(&path).unwrap();
        symlink(elsewhere.path().join("file"), &path).unwrap();
    }
    office.ends(0, DUE, &dry);
    assert_eq!(std::fs::read(elsewhere.path().join("file")).unwrap(), b"untouched");
}

/// A mail of the outbox folder that is only a link to one is not there.
#[test]
fn a_link_to_a_mail_is_no_mail() {
    let office = office();
    office.ends(0, DUE, &["run", "weekly"]);
    let folder = office.path("outbox");
    let name = crate::office::names(&folder).remove(0);
    let mail = std::fs::read(folder.join(&name)).unwrap();
    let other = copy_of(&office);
    for gone in ["state", "evidence", "outbox"] {
        std::fs::remove_dir_all(other.path(gone)).unwrap();
    }
    let elsewhere = Folder::with("mail", &mail);
    intransit::store::create_folder(&other.path("outbox")).unwrap();
    symlink(elsewhere.path().join("mail"), other.path("outbox").join(&name)).unwrap();
    other.ends(0, DUE, &["run", "weekly"]);
    assert!(!other.path("outbox").join(&name).is_symlink());
    assert_eq!(std::fs::read(elsewhere.path().join("mail")).unwrap(), mail);
}
