//! Evidence of whole runs, as an auditor meets it.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::office::{Mail, Office, WEEKLY, names};
use crate::support::text;

const DUE: [&str; 3] = ["2026-11-16T10:00:00Z", "2026-11-23T10:00:00Z", "2026-11-30T10:00:00Z"];

/// Makes a key with the program that people make them with.
pub(crate) fn keygen(office: &Office, name: &str) {
    let path = office.path(name);
    intransit::store::create_folder(path.parent().unwrap()).unwrap();
    let args = ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"];
    assert!(Command::new("ssh-keygen").args(args).arg(&path).status().unwrap().success());
}

/// An office that signs, with more keys under [archive].
fn signed(more: &str) -> Office {
    let office = Office::new();
    keygen(&office, "keys/one");
    archive(&office, &format!("signing_key = \"keys/one\"\n{more}"));
    office
}

fn archive(office: &Office, keys: &str) {
    let settings = "[report]\norganisation = \"Contoso\"\n\n\
                    [mail]\nfrom = \"Mail audit <mail-audit@contoso.example>\"\n\n[archive]\n";
    office.folder.add("intransit.toml", format!("{settings}{keys}"));
}

fn three_weeks(office: &Office) {
    for due in DUE {
        office.ends(0, due, &["run", "weekly"]);
    }
}

/// The script that needs nothing of ours.
fn script(archive: &Path, anchor: &[&str]) -> Output {
    Command::new("sh").arg(archive.join("verify.sh")).arg(archive).args(anchor).output().unwrap()
}

fn head(office: &Office, seq: usize) -> String {
    let listed = office.json(DUE[2], &["archive", "list"]);
    listed[seq - 1]["head"].as_str().unwrap().to_owned()
}

#[test]
fn reports_mails_and_bags_hold_each_other() {
    let office = signed("");
    three_weeks(&office);
    let bags = office.bags();
    assert_eq!(bags.len(), 3);
    for (index, bag) in bags.iter().enumerate() {
        let place = office.report(bag)["archive"].clone();
        assert_eq!(place["seq"], index + 1);
        let before = if index == 0 { "null".to_owned() } else { head(&office, index) };
        assert_eq!(
            place["previous_head"].as_str().unwrap_or("null"),
            before.trim_start_matches("sha256:")
        );
        assert!(place["signed_by"].as_str().unwrap().starts_with("SHA256:"));
    }
    // The mail of run N carries head N, in a header of one line and in its body.
    let mails = office.mail_to("officer@contoso.example");
    for (index, mail) in mails.iter().enumerate() {
        let name =
            names(&office.path("outbox")).into_iter().find(|name| name.contains(&mail.id)).unwrap();
        let bytes = std::fs::read(office.path("outbox").join(name)).unwrap();
        let said = format!("{:06} {}", index + 1, head(&office, index + 1));
        assert!(text(&bytes).contains(&format!("\r\nX-Intransit-Head: {said}\r\n")), "{said}");
        assert!(mail.text.contains(&said) && mail.html.contains(&said));
        // As it was sent it lies in the bag after, with its receipt.
        if let Some(next) = bags.get(index + 1) {
            let filed = office.filed(next, &format!("deliveries/{}.eml", mail.id));
            assert_eq!(filed, bytes);
            let receipts = text(&office.filed(next, "deliveries/deliveries.json"));
            assert!(receipts.contains(&mail.id) && receipts.contains("\"delivered\""));
        }
    }
    let page = text(&office.filed(&bags[1], "report.html"));
    assert!(
        page.contains("Filed in the archive as number 000002")
            && page.contains("Signed with the key")
    );
    // The archive is clean for us and for the script, and a mail is an anchor.
    let said = office.at(DUE[2], &["archive", "verify"]);
    assert!(said.status.success(), "{}", text(&said.stderr));
    let checked = script(&office.path("evidence"), &[]);
    assert!(checked.status.success(), "{}", text(&checked.stdout));
    let mail = names(&office.path("outbox")).into_iter().next_back().unwrap();
    let mail = format!("outbox/{mail}");
    let verdict =
        office.json(DUE[2], &["archive", "verify", "--dir", "evidence", "--anchor", &mail]);
    assert_eq!((&verdict["ok"], &verdict["truncation_proof"]), (&true.into(), &"anchor".into()));
}

#[test]
fn a_cut_tail_is_seen_by_the_ledger_and_by_any_mail_that_was_kept() {
    let office = signed("");
    three_weeks(&office);
    let (bag, newest) = (office.bags()[2].clone(), head(&office, 3));
    std::fs::remove_dir_all(office.path("evidence/bags").join(bag)).unwrap();
    for ending in ["head", "head.sig"] {
        std::fs::remove_file(office.path(&format!("evidence/chain/000003.{ending}"))).unwrap();
    }
    let cut = |anchor: &[&str]| {
        let args = [&["archive", "verify", "--dir", "evidence"], anchor].concat();
        office.json(DUE[2], &args)
    };
    let without = cut(&[]);
    assert_eq!((&without["ok"], &without["truncation_proof"]), (&true.into(), &"none".into()));
    let anchor = format!("3:{newest}");
    assert_eq!(cut(&["--anchor", &anchor])["ok"], false);
    assert!(!script(&office.path("evidence"), &[&anchor]).status.success());
    let by_ledger = office.at(DUE[2], &["archive", "verify", "--json"]);
    assert_eq!(by_ledger.status.code(), Some(1));
    assert!(text(&by_ledger.stdout).contains("truncated"), "{}", text(&by_ledger.stdout));
    // Nothing is built upon an archive that was cut.
    let said = office.ends(5, "2026-12-07T10:00:00Z", &["run", "weekly"]);
    assert!(said.contains("is not the head that the ledger knows"), "{said}");
}

/// An older ledger put back would give numbers twice.
#[test]
fn a_ledger_behind_its_archive_is_refused() {
    let office = signed("");
    office.ends(0, DUE[0], &["run", "weekly"]);
    let ledger = office.path("state/ledger.db");
    let older = std::fs::read(&ledger).unwrap();
    office.ends(0, DUE[1], &["run", "weekly"]);
    std::fs::remove_file(office.path("state/ledger.db-wal")).ok();
    intransit::store::write_atomic(&ledger, &older).unwrap();
    let said = office.ends(5, DUE[2], &["tick"]);
    assert!(said.contains("in the archive, but not in the ledger"), "{said}");
}

/// The process ended after the head, before the ledger knew: what was sealed is what is sent.
#[test]
fn what_was_sealed_before_a_crash_is_taken_as_done() {
    let office = signed("");
    office.ends(0, DUE[0], &["run", "weekly"]);
    let sent: Vec<(String, String)> =
        office.mails().into_iter().map(|mail| (mail.id, mail.text)).collect();
    let before = head(&office, 1);
    let ledger = rusqlite::Connection::open(office.path("state/ledger.db")).unwrap();
    ledger
        .execute_batch(
            "UPDATE run SET state = 'running', sealing = bag, bag = NULL, seq = NULL;
             DELETE FROM head; DELETE FROM outbox;",
        )
        .unwrap();
    drop(ledger);
    std::fs::remove_dir_all(office.path("outbox")).unwrap();
    // The traces have changed since; the sealed report has not.
    office.traces("2026-10-01", "2026-11-12");
    office.ends(0, DUE[0], &["tick"]);
    assert_eq!((office.bags().len(), head(&office, 1)), (1, before));
    let again: Vec<(String, String)> =
        office.mails().into_iter().map(|mail| (mail.id, mail.text)).collect();
    assert_eq!(again, sent);
    office.ends(0, DUE[0], &["archive", "verify"]);
}

#[test]
fn unsigned_evidence_says_so_everywhere() {
    let office = Office::new();
    three_weeks(&office);
    let bag = &office.bags()[0];
    for (name, said) in [
        ("report.html", text(&office.filed(bag, "report.html"))),
        ("mail", office.mail_to("officer@contoso.example")[0].text.clone()),
        ("list", text(&office.at(DUE[0], &["archive", "list"]).stdout)),
        ("script", text(&script(&office.path("evidence"), &[]).stdout)),
    ] {
        assert!(said.to_uppercase().contains("NOT SIGNED"), "{name}: {said}");
    }
    assert!(office.report(bag)["archive"]["signed_by"].is_null());
    office.ends(0, DUE[0], &["archive", "verify"]);
}

/// What stands in the only schedule's file holds for what is filed by hand, too.
#[test]
fn the_key_of_the_schedule_signs_what_is_filed_by_hand() {
    let office = Office::with(&format!("{WEEKLY}\n[archive]\nsigning_key = \"keys/one\"\n"));
    keygen(&office, "keys/one");
    office.ends(0, DUE[0], &["run", "weekly"]);
    office.ends(0, DUE[0], &["report", "traces", "--archive", "--json"]);
    office.ends(0, DUE[1], &["archive", "seal"]);
    let verdict = office.json(DUE[1], &["archive", "verify"]);
    assert_eq!((&verdict["ok"], &verdict["heads"]), (&true.into(), &3.into()), "{verdict}");
    // Two archives would be two chains over one ledger.
    let other = WEEKLY.to_owned() + "\n[archive]\ndir = \"elsewhere\"\n";
    office.folder.add("schedules/other.toml", other);
    let said = office.ends(2, DUE[1], &["schedule", "check"]);
    assert!(said.contains("archive.dir") && said.contains("one archive"), "{said}");
}

#[test]
fn two_keys_over_time_verify() {
    let office = signed("");
    office.ends(0, DUE[0], &["run", "weekly"]);
    keygen(&office, "keys/two");
    archive(&office, "signing_key = \"keys/two\"\n");
    office.ends(0, DUE[1], &["run", "weekly"]);
    let verdict = office.json(DUE[1], &["archive", "verify"]);
    assert_eq!(verdict["ok"], true, "{verdict}");
    assert_eq!(verdict["signed_by"].as_array().unwrap().len(), 2);
    assert!(script(&office.path("evidence"), &[]).status.success());
    // The settings changed, and the report says which.
    let changes = &office.report(&office.bags()[1])["archive"]["changes"];
    assert_eq!(changes[0]["key"], "archive.signing_key");
    assert_eq!(changes[0]["after"], "\"keys/two\"");
    let page = text(&office.filed(&office.bags()[1], "report.html"));
    assert!(page.contains("archive.signing_key"));
}

#[test]
fn a_report_is_made_again_from_its_copies_whatever_became_of_the_files() {
    let office = signed("inputs = \"copy\"\n");
    office.ends(0, DUE[0], &["run", "weekly"]);
    office.traces("2026-11-10", "2026-11-11");
    let again = office.json(DUE[1], &["archive", "reproduce", "1"]);
    assert_eq!(again["different"], serde_json::json!([]), "{again}");
    assert_eq!(again["same"].as_array().unwrap().len(), 5);
    std::fs::remove_file(office.path("traces/all.csv")).unwrap();
    office.ends(0, DUE[1], &["archive", "reproduce", "1"]);
    // A changed figure is found and named.
    let report = office.path("evidence/bags/000001-weekly-2026-11-16/data/connectors.csv");
    let figures = std::fs::read_to_string(&report).unwrap().replace(",7,", ",8,");
    intransit::store::write_atomic(&report, figures.as_bytes()).unwrap();
    let output = office.at(DUE[1], &["archive", "reproduce", "1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stdout).contains("DIFFERENT: connectors.csv: line 2"),
        "{}",
        text(&output.stdout)
    );
}

#[test]
fn where_only_hashes_were_kept_a_changed_file_is_named() {
    let office = signed("");
    office.ends(0, DUE[0], &["run", "weekly"]);
    office.ends(0, DUE[1], &["archive", "reproduce", "1"]);
    office.traces("2026-11-10", "2026-11-11");
    let said = office.ends(3, DUE[1], &["archive", "reproduce", "1"]);
    assert!(said.contains("traces/all.csv") && said.contains("has changed"), "{said}");
    assert!(said.contains("hint: with `inputs = \"copy\"`"), "{said}");
}

#[test]
fn a_report_on_demand_is_sealed_and_made_again() {
    let office = signed("inputs = \"copy\"\n");
    let args = [
        "report",
        "traces",
        "--archive",
        "--json",
        "--timezone",
        "Europe/Paris",
        "--period",
        "month",
    ];
    office.ends(0, DUE[0], &args);
    assert_eq!(office.bags(), ["000001-on-demand-2026-11-16"]);
    office.ends(0, DUE[0], &["archive", "verify"]);
    office.ends(0, DUE[0], &["archive", "reproduce", "1"]);
    // It takes its place in the chain of the scheduled ones.
    office.ends(0, DUE[0], &["run", "weekly"]);
    assert_eq!(office.report(&office.bags()[1])["archive"]["seq"], 2);
    office.ends(0, DUE[0], &["archive", "verify"]);
}

#[test]
fn an_exported_copy_verifies_by_itself_and_is_the_same_each_time() {
    let office = signed("");
    three_weeks(&office);
    for out in ["a.zip", "b.zip"] {
        office.ends(0, DUE[2], &["archive", "export", "2", "--out", out]);
    }
    let bytes = std::fs::read(office.path("a.zip")).unwrap();
    assert_eq!(bytes, std::fs::read(office.path("b.zip")).unwrap());
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let first = zip.by_index(0).unwrap().name().unwrap().into_owned();
    assert_eq!(first, "evidence/README-AUDITORS.txt", "the instructions stand on top");
    for index in 0..zip.len() {
        let mut file = zip.by_index(index).unwrap();
        let name = format!("handed-out/{}", file.name().unwrap());
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        office.folder.add(&name, content);
    }
    let copy = office.path("handed-out/evidence");
    assert_eq!(names(&copy.join("bags")), ["000002-weekly-2026-11-23"]);
    let verdict = office.json(DUE[2], &["archive", "verify", "--dir", "handed-out/evidence"]);
    assert_eq!((&verdict["ok"], &verdict["bags"]), (&true.into(), &1.into()), "{verdict}");
    let checked = script(&copy, &[]);
    assert!(checked.status.success(), "{}", text(&checked.stdout));
    std::fs::remove_file(copy.join("bags/000002-weekly-2026-11-23/data/report.pdf")).unwrap();
    assert!(!script(&copy, &[]).status.success());
}

#[test]
fn pruned_bags_leave_tombstones_and_the_chain_whole() {
    let office = signed("keep = \"30d\"\n");
    three_weeks(&office);
    let later = "2026-12-28T09:00:00Z";
    let dry = office.at(later, &["archive", "prune", "--dry-run"]);
    assert_eq!(text(&dry.stdout), "000001-weekly-2026-11-16\n000002-weekly-2026-11-23\n");
    assert_eq!(office.bags().len(), 3);
    office.ends(0, later, &["archive", "prune"]);
    assert_eq!(office.bags(), ["000003-weekly-2026-11-30", "000004-closing-2026-12-28"]);
    office.ends(0, later, &["archive", "verify"]);
    let checked = script(&office.path("evidence"), &[]);
    assert!(checked.status.success(), "{}", text(&checked.stdout));
    // The schedule goes on, and a bag that is gone without a tombstone is a fault.
    office.ends(0, later, &["run", "weekly", "--nominal", "2026-12-21T07:00"]);
    office.ends(0, later, &["archive", "verify"]);
    std::fs::remove_dir_all(office.path("evidence/bags/000003-weekly-2026-11-30")).unwrap();
    office.ends(1, later, &["archive", "verify"]);
    assert!(!script(&office.path("evidence"), &[]).status.success());
}

#[test]
fn a_closing_bag_holds_what_is_in_no_bag_yet() {
    let office = signed("");
    office.ends(0, DUE[0], &["run", "weekly"]);
    office.ends(0, DUE[1], &["archive", "seal"]);
    let held = names(&office.path("evidence/bags/000002-closing-2026-11-23/data/deliveries"));
    assert_eq!(held.len(), 3, "two mails and the list: {held:?}");
    office.ends(0, DUE[1], &["archive", "verify"]);
}

/// The witness is told each head; a local authority stamps it, and openssl takes the stamp.
#[test]
fn heads_are_told_to_a_witness_and_stamped() {
    let office =
        signed("witness_command = [\"sh\", \"witness.sh\"]\ntsa_command = [\"sh\", \"tsa.sh\"]\n");
    office.folder.add("witness.sh", "echo \"$1 $2\" >> witnessed\n");
    office.folder.add(
        "tsa.sh",
        "cat > q && openssl ts -reply -queryfile q -config tsa.cnf -section tsa -out r 2>/dev/null && cat r\n",
    );
    office.folder.add(
        "tsa.cnf",
        "oid_section = new\n[new]\npolicy = 1.2.3.4\n[tsa]\nserial = ./serial\ncrypto_device = builtin\n\
         signer_cert = ./tsa.pem\ncerts = ./tsa.pem\nsigner_key = ./tsa.key\nsigner_digest = sha256\n\
         default_policy = policy\ndigests = sha256\naccuracy = secs:1\n\
         [v3]\nextendedKeyUsage = critical,timeStamping\n[req]\ndistinguished_name = dn\n[dn]\n",
    );
    office.folder.add("serial", "01\n");
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "tsa.key", "-out",
            "tsa.pem",
        ])
        .args(["-days", "2", "-subj", "/CN=tsa.example", "-config", "tsa.cnf", "-extensions", "v3"])
        .current_dir(office.folder.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    let said = office.ends(0, DUE[0], &["run", "weekly"]);
    assert!(!said.contains("no time stamp"), "{said}");
    let witnessed = std::fs::read_to_string(office.path("witnessed")).unwrap();
    assert_eq!(witnessed, format!("000001 {}\n", head(&office, 1)));
    let checked = Command::new("openssl")
        .args(["ts", "-verify", "-data", "evidence/chain/000001.head"])
        .args(["-in", "evidence/chain/000001.head.tsr", "-CAfile", "tsa.pem"])
        .current_dir(office.folder.path())
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    office.ends(0, DUE[0], &["archive", "verify"]);
    // A witness that fails unmakes nothing, but is told of.
    office.folder.add("witness.sh", "exit 1\n");
    let said = office.ends(0, DUE[1], &["run", "weekly"]);
    assert!(said.contains("the witness was not told"), "{said}");
}

/// The same office in a folder of its own.
fn copy_of(office: &Office) -> Office {
    let copy = Office { folder: crate::support::Folder::new() };
    let copied = Command::new("cp")
        .args(["-a", "."])
        .arg(copy.folder.path())
        .current_dir(office.folder.path())
        .status()
        .unwrap();
    assert!(copied.success());
    copy
}

/// The disk fails at every step in turn: afterwards there is no bag or a whole one, and the
/// next attempt succeeds.
#[test]
fn a_disk_that_fails_at_any_step_leaves_no_half_evidence() {
    let office = signed("");
    office.ends(0, DUE[0], &["run", "weekly"]);
    let mut failures = 0;
    for step in 1.. {
        let copy = copy_of(&office);
        let run = ["run", "weekly", "--nominal", "2026-11-23T07:00"];
        let mut command = copy.command(DUE[1], &run);
        let output = command.env("INTRANSIT_FAIL_AT", step.to_string()).output().unwrap();
        let said = text(&output.stderr);
        if !said.contains("made to fail") && output.status.success() {
            break;
        }
        failures += 1;
        copy.at(DUE[1], &run);
        copy.at("2026-11-23T10:30:00Z", &["tick"]);
        assert_eq!(copy.bags().len(), 2, "{step}: {said}");
        assert_eq!(copy.mails().len(), 4, "{step}: {said}");
        let verified = copy.at("2026-11-23T10:30:00Z", &["archive", "verify"]);
        assert!(verified.status.success(), "{step}: {said}{}", text(&verified.stderr));
    }
    assert!(failures > 15, "{failures}");
}

/// The process ends at every step between two that must not be lost together, in turn.
#[test]
fn aborted_at_every_step_there_is_no_bag_or_a_whole_one() {
    let office = signed("");
    office.ends(0, DUE[0], &["run", "weekly"]);
    let mut steps: Vec<String> = Vec::new();
    for step in 1.. {
        let copy = copy_of(&office);
        let aborted = copy
            .command(DUE[1], &["run", "weekly"])
            .env("INTRANSIT_ABORT_AT", step.to_string())
            .output()
            .unwrap();
        if aborted.status.success() {
            break;
        }
        let said = text(&aborted.stderr);
        let name = said.lines().last().unwrap().split(": ").nth(1).unwrap().to_owned();
        for bag in copy.bags().iter().filter(|bag| !bag.starts_with('.')) {
            let manifest = copy.path("evidence/bags").join(bag).join("tagmanifest-sha256.txt");
            assert!(manifest.exists(), "{name}: {bag} is not whole");
        }
        // What was begun is finished or begun anew; later looks send what was in doubt.
        copy.ends(0, "2026-11-23T10:01:00Z", &["tick"]);
        if copy.bags().len() == 1 {
            copy.ends(
                0,
                "2026-11-23T10:02:00Z",
                &["run", "weekly", "--nominal", "2026-11-23T07:00"],
            );
        }
        assert_eq!(copy.bags().len(), 2, "{name}");
        assert_eq!(copy.mails().len(), 4, "{name}");
        copy.ends(0, "2026-11-23T10:03:00Z", &["archive", "verify"]);
        steps.push(name);
    }
    steps.dedup();
    let sealing: Vec<&str> = steps.iter().map(String::as_str).collect();
    // Whoever adds a step adds it here, and sees that it is safe.
    assert_eq!(
        sealing,
        [
            "run added",
            "run changed",
            "light file made",
            "light file named",
            "run changed",
            "file of a folder written",
            "folder written",
            "folder named",
            "bag sealed",
            "file made",
            "file written",
            "file named",
            "file made",
            "file written",
            "file named",
            "ledger committed",
            "message marked as sending",
            "file made",
            "file written",
            "file named",
            "message handed over",
            "relay freed",
            "ledger committed",
            "message marked as sending",
            "file made",
            "file written",
            "file named",
            "message handed over",
            "relay freed",
            "ledger committed",
        ]
    );
}

/// A mail as it was sent is an anchor for whoever kept it.
#[test]
fn the_head_of_a_mail_is_read_from_its_header_alone() {
    let office = signed("");
    office.ends(0, DUE[0], &["run", "weekly"]);
    let name = names(&office.path("outbox")).into_iter().next().unwrap();
    let bytes = std::fs::read(office.path("outbox").join(name)).unwrap();
    let mail = Mail::parse(&bytes);
    assert!(mail.text.contains(&head(&office, 1)));
    let known = intransit::archive::verify::anchor_of_mail(&bytes).unwrap();
    assert_eq!((known.seq, format!("sha256:{}", known.head_sha256)), (1, head(&office, 1)));
    let body = text(&bytes).replace("X-Intransit-Head:", "X-Other:");
    assert!(intransit::archive::verify::anchor_of_mail(body.as_bytes()).is_none());
}

/// The commands of README-AUDITORS.txt, typed as they stand there.
#[test]
fn the_auditors_commands_work_as_they_are_written() {
    let office = signed("");
    three_weeks(&office);
    let readme = std::fs::read_to_string(office.path("evidence/README-AUDITORS.txt")).unwrap();
    let newest = head(&office, 3).replace("sha256:", "");
    // A block of commands is what stands five blanks in, line after line.
    let mut blocks: Vec<String> = vec![String::new()];
    for line in readme.lines() {
        match line.strip_prefix("     ") {
            // What a program has that need not be here is left out.
            Some(other) if other.starts_with("bagit.py") || other.starts_with("openssl") => {}
            Some(command) => blocks.last_mut().unwrap().push_str(&format!("{command}\n")),
            None => blocks.push(String::new()),
        }
    }
    let verbs = ["cd ", "sed ", "sh ", "awk ", "ssh-keygen "];
    blocks.retain(|block| verbs.iter().any(|verb| block.starts_with(verb)));
    assert!(blocks.len() >= 5, "{blocks:?}");
    let mut said = String::new();
    for block in blocks {
        let typed = block
            .replace("000042-weekly-audit-2026-11-16", "000003-weekly-2026-11-30")
            .replace("42:0123...", &format!("3:{newest}"))
            .replace("000042", "000003");
        let mut sh = Command::new("sh");
        let ran = sh.args(["-e", "-c", &typed]).current_dir(office.path("evidence")).output();
        let ran = ran.unwrap();
        assert!(ran.status.success(), "{typed}: {}{}", text(&ran.stdout), text(&ran.stderr));
        said.push_str(&text(&ran.stdout));
    }
    assert!(said.contains("week inbound 7") && said.contains("Good"), "{said}");
}

/// A clock that was set by hand leaves a mark in every bag that is made by it; the machine's
/// own leaves none.
#[test]
fn a_clock_that_was_set_by_hand_is_told() {
    let office = Office::new();
    let info = |bag: &str| {
        let path = office.path("evidence/bags").join(bag).join("bag-info.txt");
        std::fs::read_to_string(path).unwrap()
    };
    office.ends(0, "2026-11-16T10:00:00Z", &["run", "weekly"]);
    office.ends(0, "2026-11-16T11:00:00Z", &["archive", "seal"]);
    let machine = office.folder.run(&["report", "--archive", "traces", "--out", "out"]);
    assert!(machine.status.success(), "{}", text(&machine.stderr));
    let bags = office.bags();
    let clock = |bag: &str| {
        let record: Value = serde_json::from_slice(&office.filed(bag, "run.json")).unwrap();
        record["clock"].clone()
    };
    let said = clock(&bags[0]).as_str().unwrap().to_owned();
    assert!(
        said.starts_with("set by hand to 2026-11-16T10:00:00Z, the machine's said 20"),
        "{said}"
    );
    assert!(info(&bags[0]).contains("Intransit-Clock: set by hand to 2026-11-16T10:00:00Z"));
    assert!(info(&bags[1]).contains("Intransit-Clock: set by hand to 2026-11-16T11:00:00Z"));
    assert_eq!(clock(&bags[2]), Value::Null);
    assert!(!info(&bags[2]).contains("Intransit-Clock"));
    let verified = office.at("2026-11-16T12:00:00Z", &["archive", "verify"]);
    assert!(verified.status.success(), "{}", text(&verified.stderr));
}
