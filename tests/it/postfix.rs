//! A real Postfix with dovecot AUTH on loopback: a mail server that these tests did not write.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::office::{Mail, Office, WEEKLY, names};
use crate::support::text;

const DUE: &str = "2026-11-16T10:00:00Z";

/// A private Postfix that ends with the test.
struct Postfix {
    folder: tempfile::TempDir,
    facts: BTreeMap<String, String>,
}

impl Postfix {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let started = Command::new("tests/postfix/start").arg(folder.path()).output().unwrap();
        assert!(started.status.success(), "{}", text(&started.stderr));
        let facts = std::fs::read_to_string(folder.path().join("peer.env")).unwrap();
        let facts = facts.lines().map(|line| line.split_once('=').unwrap());
        let facts = facts.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Self { folder, facts }
    }

    fn fact(&self, key: &str) -> &str {
        &self.facts[key]
    }

    /// An office that mails through it, on the port of this name.
    fn office(&self, port: &str, schedule: &str, security: &str, password: &str) -> Office {
        let (port, user, ca) = (self.fact(port), self.fact("USERNAME"), self.fact("CA"));
        let office = Office::with(&format!(
            "{schedule}\n[notify]\naddress = \"admin@contoso.example\"\n\n\
             [mail]\ntransport = \"smtp\"\nfrom = \"Mail audit <{user}>\"\n\
             host = \"localhost\"\nport = {port}\nsecurity = \"{security}\"\nca_file = \"{ca}\"\n\
             auth = \"password\"\nusername = \"{user}\"\npassword_file = \"password\"\n"
        ));
        let file = office.folder.add("password", format!("{password}\n"));
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(file, private).unwrap();
        office
    }

    /// The messages of a user, once there are so many.
    fn maildir(&self, user: &str, count: usize) -> Vec<PathBuf> {
        let folder = PathBuf::from(self.fact("MAILDIR")).join(user).join("new");
        let limit = Instant::now() + Duration::from_secs(20);
        loop {
            let found = names(&folder);
            if found.len() >= count {
                return found.iter().map(|name| folder.join(name)).collect();
            }
            assert!(Instant::now() < limit, "{user} has {} of {count}", found.len());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        Command::new("tests/postfix/stop").arg(self.folder.path()).status().ok();
    }
}

#[test]
fn the_report_arrives_as_it_was_filed_and_the_receipt_tells_the_truth() {
    let postfix = Postfix::start();
    for (count, (port, security)) in (1..).zip([("PORT", "starttls"), ("TLS_PORT", "tls")]) {
        let office = postfix.office(port, WEEKLY, security, postfix.fact("PASSWORD"));
        office.ends(0, DUE, &["schedule", "check"]);
        office.ends(0, DUE, &["run", "weekly"]);
        let listed = office.json(DUE, &["deliver", "list"]);
        let auditor = &listed[0];
        assert_eq!(auditor["recipient"], "auditor@contoso.example");
        let bytes: Vec<Vec<u8>> = postfix
            .maildir("auditor", count)
            .iter()
            .map(|path| std::fs::read(path).unwrap())
            .collect();
        let bytes = bytes.iter().max_by_key(|bytes| text(bytes).contains(port)).unwrap();
        let mail = Mail::parse(bytes);
        assert_eq!(format!("<{}>", mail.id), auditor["message_id"].as_str().unwrap());
        assert_eq!(mail.attachments.len(), 3);
        for (name, content) in &mail.attachments {
            assert_eq!(*content, office.filed(&office.bags()[0], name), "{name}");
        }
        let (tls, cipher) = (auditor["tls"].as_str().unwrap(), auditor["cipher"].as_str().unwrap());
        let received = text(bytes);
        assert!(received.contains(&format!("using {tls} with cipher {cipher}")), "{received}");
        assert!(auditor["reply"].as_str().unwrap().contains("queued as"), "{auditor}");
    }
    postfix.maildir("officer", 2);
}

/// Python's own parser reads the mail too.
#[test]
fn an_independent_parser_reads_the_mail() {
    let postfix = Postfix::start();
    let office = postfix.office("PORT", WEEKLY, "starttls", postfix.fact("PASSWORD"));
    office.ends(0, DUE, &["run", "weekly"]);
    let path = &postfix.maildir("auditor", 1)[0];
    let script = "import email,email.policy,hashlib,sys\n\
        m=email.message_from_binary_file(open(sys.argv[1],'rb'),policy=email.policy.default)\n\
        assert not m.defects and all(not p.defects for p in m.walk())\n\
        assert m.get_body(('plain',)).get_content() and m.get_body(('html',)).get_content()\n\
        for a in m.iter_attachments(): print(hashlib.sha256(a.get_content() if isinstance(a.get_content(),bytes) else a.get_payload(decode=True)).hexdigest(), a.get_filename())";
    let read = Command::new("python3").args(["-c", script]).arg(path).output().unwrap();
    assert!(read.status.success(), "{}", text(&read.stderr));
    let manifest = office.path("evidence/bags/000001-weekly-2026-11-16/manifest-sha256.txt");
    let manifest = std::fs::read_to_string(manifest).unwrap();
    let lines: Vec<String> = text(&read.stdout).lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 3);
    for line in lines {
        let (sha256, name) = line.split_once(' ').unwrap();
        assert!(manifest.contains(&format!("{sha256}  data/{name}\n")), "{line}");
    }
}

#[test]
fn what_a_real_relay_refuses_is_told_in_its_words() {
    let postfix = Postfix::start();
    let password = postfix.fact("PASSWORD").to_owned();
    let wrong_name = postfix.office("WRONG_PORT", WEEKLY, "starttls", &password);
    let said = wrong_name.ends(4, DUE, &["run", "weekly"]);
    assert!(said.contains("certificate") && said.contains("localhost"), "{said}");
    wrong_name.ends(2, DUE, &["schedule", "check"]);
    let wrong_password = postfix.office("PORT", WEEKLY, "starttls", "nonsense");
    let said = wrong_password.ends(4, DUE, &["run", "weekly"]);
    assert!(said.contains("535 5.7.8") && !said.contains("nonsense"), "{said}");
    let unknown = WEEKLY.replace("auditor@", "nobody@");
    let unknown = postfix.office("PORT", &unknown, "starttls", &password);
    unknown.ends(4, DUE, &["run", "weekly"]);
    let states = unknown.select("SELECT recipient || ' ' || state FROM outbox ORDER BY 1");
    assert_eq!(
        states,
        [
            "admin@contoso.example delivered",
            "nobody@contoso.example refused",
            "officer@contoso.example delivered"
        ]
    );
    let notice = Mail::read(&postfix.maildir("admin", 1)[0]);
    assert!(
        notice.text.contains("nobody@contoso.example: refused") && notice.text.contains("5.1.1")
    );
}

#[test]
fn what_is_too_large_for_a_real_relay_arrives_without_attachments() {
    let postfix = Postfix::start();
    let schedule = WEEKLY.replace("[\"pdf\", \"csv\"]", "[\"json\"]");
    let office = postfix.office("PORT", &schedule, "starttls", postfix.fact("PASSWORD"));
    // Days of many connectors make a report.json of some megabytes.
    let mut rows = Vec::new();
    for connector in 0..700 {
        for day in 9..16 {
            rows.push(format!(
                "2026-11-{day:02}T12:00:00Z,{connector}-{day},Inbound,Partner {connector},TLS1.2,a@x.example,b@y.example"
            ));
        }
    }
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    office.folder.add("traces/all.csv", crate::support::detail(&rows));
    office.ends(0, DUE, &["run", "weekly"]);
    let limit: usize = postfix.fact("SIZE_LIMIT").parse().unwrap();
    assert!(office.filed(&office.bags()[0], "report.json").len() > limit, "it is too large");
    let mail = Mail::read(&postfix.maildir("auditor", 1)[0]);
    assert!(mail.attachments.is_empty() && mail.text.contains("attachments were left out"));
}
