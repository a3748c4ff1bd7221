//! Secrets: planted in every place that they can come from, and looked for in everything that
//! the program says, writes, sends and starts.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::evidence::keygen;
use crate::fault_server::{Act, At, FaultServer, Script, Transport};
use crate::office::{Office, WEEKLY};
use crate::support::{program, text};

const DUE: &str = "2026-11-16T10:00:00Z";
const SECRET: &str = "zk7-planted-s3cret-Q9";

/// Where the secret of the relay comes from.
#[derive(Debug, Clone, Copy)]
enum From {
    File,
    Variable,
    Command,
}

const ALL: [From; 3] = [From::File, From::Variable, From::Command];

fn private(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// An office that signs its evidence, tells a witness and signs in at the relay. Its hooks
/// write down what they were started with.
fn office(server: &FaultServer, from: From) -> Office {
    let hook = "cat >/dev/null; { env; tr '\\\\0' '\\\\n' </proc/$PPID/cmdline; \
                tr '\\\\0' '\\\\n' </proc/$$/cmdline; } >>hooks.txt; echo hook >&2";
    let secret = match from {
        From::File => "auth = \"password\"\npassword_file = \"planted-file\"\n",
        From::Variable => "auth = \"password\"\npassword_env = \"PLANTED_PASSWORD\"\n",
        From::Command => "auth = \"xoauth2\"\ntoken_command = [\"./planted-command\"]\n",
    };
    let port = server.port();
    let office = Office::with(&format!(
        "{WEEKLY}\n[notify]\naddress = \"admin@contoso.example\"\n\n[archive]\n\
         signing_key = \"planted-key\"\nwitness_command = [\"sh\", \"-c\", \"{hook}\"]\n\
         tsa_command = [\"sh\", \"-c\", \"{hook}\"]\n\n[mail]\ntransport = \"smtp\"\n\
         host = \"localhost\"\nport = {port}\nca_file = \"ca.pem\"\nusername = \"robot\"\n\
         longest_wait = \"2s\"\n{secret}"
    ));
    office.folder.add("ca.pem", server.ca_pem());
    private(&office.folder.add("planted-file", format!("{SECRET}\n")), 0o600);
    let script = format!("#!/bin/sh\n{{ env; }} >>hooks.txt\necho {SECRET}\n");
    private(&office.folder.add("planted-command", script), 0o700);
    keygen(&office, "planted-key");
    office
}

fn command(office: &Office, args: &[&str]) -> Command {
    let mut command = office.command(DUE, args);
    let settings = std::fs::read_to_string(office.path("schedules/weekly.toml")).unwrap();
    if settings.contains("password_env") {
        command.env("PLANTED_PASSWORD", SECRET);
    }
    command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "1");
    command
}

/// What must be found nowhere: the secrets as they are, and as they travel.
fn needles(office: &Office) -> Vec<Vec<u8>> {
    let plain = format!("\0robot\0{SECRET}");
    let bearer = format!("user=robot\u{1}auth=Bearer {SECRET}\u{1}\u{1}");
    let mut needles = vec![SECRET.to_owned(), STANDARD.encode(SECRET)];
    needles.extend([STANDARD.encode(plain), STANDARD.encode(bearer)]);
    let key = std::fs::read_to_string(office.path("planted-key")).unwrap();
    // The lines in the middle of a key file hold its private half.
    let lines: Vec<&str> = key.lines().filter(|line| !line.starts_with('-')).collect();
    needles.extend(lines[2..].iter().map(|line| (*line).to_owned()));
    needles.into_iter().map(String::into_bytes).collect()
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// Every file of the office but those in which the secrets were planted.
fn written(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            written(&path, found);
        } else if !path.file_name().unwrap().to_str().unwrap().starts_with("planted") {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
}

struct Said(Vec<(String, Vec<u8>)>);

impl Said {
    fn run(&mut self, office: &Office, args: &[&str]) -> Output {
        let output = command(office, args).output().unwrap();
        self.0.push((format!("stdout of {args:?}"), output.stdout.clone()));
        self.0.push((format!("stderr of {args:?}"), output.stderr.clone()));
        output
    }

    fn expect_no_secret(mut self, office: &Office, server: &FaultServer, what: &str) {
        written(office.folder.path(), &mut self.0);
        let messages = server.all_messages();
        self.0.extend(messages.into_iter().map(|message| ("a mail".to_owned(), message.bytes)));
        for (place, bytes) in &self.0 {
            for needle in needles(office) {
                assert!(!holds(bytes, &needle), "{what}: {place}: {}", text(bytes));
            }
        }
        let names: Vec<&String> = self.0.iter().map(|(place, _)| place).collect();
        for expected in ["ledger.db", "run.json", "hooks.txt", ".head.sig"] {
            assert!(names.iter().any(|name| name.ends_with(expected)), "{what}: no {expected}");
        }
    }
}

/// Relays that take the secret, refuse it, and say it back in whatever they say.
fn relays() -> Vec<(&'static str, Script)> {
    let relay = || Script::new(Transport::StartTls).offers(&["AUTH PLAIN LOGIN XOAUTH2"]);
    let coded = STANDARD.encode(format!("\0robot\0{SECRET}"));
    let bearer = STANDARD.encode(format!("user=robot\u{1}auth=Bearer {SECRET}\u{1}\u{1}"));
    let echo = format!("{SECRET} and {coded} and {} and {bearer}", STANDARD.encode(SECRET));
    let (half, rest) = SECRET.split_at(9);
    vec![
        ("good", relay()),
        ("wrong secret", relay().secret("another")),
        ("login alone", Script::new(Transport::StartTls).offers(&["AUTH LOGIN XOAUTH2"])),
        ("refuses and repeats", relay().at(At::Auth, Act::say(format!("535 5.7.8 no: {echo}")))),
        (
            "challenges",
            relay().at(
                At::Auth,
                Act::Challenge(format!("{{\"status\":\"{SECRET}\"}}"), format!("535 {echo}")),
            ),
        ),
        ("repeats at MAIL", relay().at(At::Mail, Act::say(format!("550 {echo}")))),
        ("repeats at RCPT", relay().at(At::Rcpt, Act::say(format!("550 5.1.1 {echo}")))),
        ("repeats in lines", relay().at(At::Rcpt, Act::say(format!("550-{half}\r\n550 {rest}")))),
        ("repeats in a receipt", relay().at(At::Dot, Act::say(format!("250 2.0.0 {echo}")))),
        ("garbage", relay().at(At::Mail, Act::say(format!("?? {echo}")))),
        ("out of turn", relay().at(At::Auth, Act::say(format!("235 ok\r\n250 {echo}")))),
        ("hangs up", relay().at(At::Auth, Act::SayAndHangUp(format!("421 {echo}")))),
        ("offers nothing", Script::new(Transport::StartTls)),
    ]
}

#[test]
fn a_secret_is_in_nothing_that_is_said_written_or_started() {
    for from in ALL {
        for (name, script) in relays() {
            let what = format!("{from:?}, {name}");
            let server = FaultServer::start(script);
            let office = office(&server, from);
            let mut said = Said(Vec::new());
            let output = said.run(&office, &["run", "weekly"]);
            let code = output.status.code();
            assert!([Some(0), Some(4)].contains(&code), "{what}: {}", text(&output.stderr));
            if name == "good" {
                assert_eq!(code, Some(0), "{what}: {}", text(&output.stderr));
                assert!(server.logins().iter().all(|login| login.tls && login.secret == SECRET));
            }
            for args in [
                &["tick"][..],
                &["deliver", "retry"],
                &["deliver", "list", "--json"],
                &["deliver", "test", "me@contoso.example", "--schedule", "weekly"],
                &["status", "--json"],
                &["schedule", "check"],
                &["archive", "verify"],
                &["archive", "seal"],
            ] {
                said.run(&office, args);
            }
            said.expect_no_secret(&office, &server, &what);
        }
    }
}

/// `schedule check` says where a secret comes from, never what it is.
#[test]
fn a_check_says_where_a_secret_comes_from() {
    let server =
        FaultServer::start(Script::new(Transport::StartTls).offers(&["AUTH PLAIN XOAUTH2"]));
    for (from, expected) in [
        (From::File, "the password in the file `planted-file`"),
        (From::Variable, "the password in the environment variable `PLANTED_PASSWORD`"),
        (From::Command, "the token that the command `./planted-command` prints"),
    ] {
        let office = office(&server, from);
        let output = command(&office, &["schedule", "check"]).output().unwrap();
        let shown = text(&output.stdout);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let line = format!("weekly: signs in at localhost as `robot` with {expected}\n");
        assert!(shown.contains(&line), "{shown}");
        assert!(shown.contains("weekly: signs with the key in `planted-key`, SHA256:"), "{shown}");
    }
}

/// Files with secrets that others can read are refused, when settings are checked and when a
/// secret is needed: in between somebody may have opened them.
#[test]
fn files_that_others_can_read_are_refused() {
    let server = FaultServer::start(Script::new(Transport::StartTls).offers(&["AUTH PLAIN"]));
    for (name, key) in
        [("planted-file", "mail.password_file"), ("planted-key", "archive.signing_key")]
    {
        for mode in [0o640, 0o604, 0o644, 0o660, 0o601] {
            let office = office(&server, From::File);
            private(&office.path(name), mode);
            let said = office.ends(2, DUE, &["schedule", "check"]);
            let expected = format!("can be read by others (mode {mode:03o}, expected 600)");
            assert!(said.contains(&expected) && said.contains(key), "{said}");
            assert!(said.contains(&format!("hint: chmod 600 {name}")), "{said}");
            assert!(!said.contains(SECRET), "{said}");
            office.ends(2, DUE, &["run", "weekly"]);
        }
    }
    assert!(server.logins().is_empty());
    let office = office(&server, From::File);
    for content in [&b"\xff\xfe"[..], b"", b"a\nb\n", b"a\x07"] {
        private(&office.folder.add("planted-file", content), 0o400);
        let test = ["deliver", "test", "me@contoso.example", "--schedule", "weekly"];
        let said = office.ends(4, DUE, &test);
        assert!(said.contains("no text") || said.contains("must hold text"), "{said}");
    }
    assert!(server.logins().is_empty());
}

/// A secret that somebody wrote into the settings is not repeated when they are refused.
#[test]
fn settings_that_are_refused_are_not_quoted_with_a_secret() {
    let server = FaultServer::start(Script::new(Transport::StartTls));
    for wrong in [
        format!("password = \"{SECRET}\""),
        format!("password = {SECRET}"),
        format!("smtp_password=\"{SECRET}\""),
        format!("token = \"{SECRET}\""),
        format!("client_secret = '{SECRET}'"),
        format!("password_file = [\"{SECRET}\""),
    ] {
        let office = office(&server, From::File);
        let settings = std::fs::read_to_string(office.path("schedules/weekly.toml")).unwrap();
        office.folder.add("schedules/weekly.toml", format!("{settings}\n{wrong}\n"));
        for args in [&["schedule", "check"][..], &["run", "weekly"], &["tick"], &["status"]] {
            let output = command(&office, args).output().unwrap();
            let said = text(&output.stderr) + &text(&output.stdout);
            assert_ne!(output.status.code(), Some(0), "{said}");
            assert!(!said.contains(SECRET) && said.contains("weekly.toml"), "{wrong}: {said}");
        }
    }
}

/// While secrets are handled no core dump is made, and nobody else looks into the memory.
#[test]
fn the_memory_of_a_running_daemon_is_its_own() {
    let server = FaultServer::start(Script::new(Transport::StartTls).offers(&["AUTH PLAIN"]));
    let office = office(&server, From::Variable);
    let root = rustix::process::geteuid().is_root();
    let mut daemon = command(&office, &["daemon"]);
    if root {
        let mut given = Command::new("chown");
        given.args(["-R", "65534:65534"]).arg(office.folder.path());
        assert!(given.status().unwrap().success());
        let mut other = Command::new("setpriv");
        other.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        other.arg(daemon.get_program()).args(daemon.get_args());
        other.current_dir(office.folder.path()).env("PLANTED_PASSWORD", SECRET);
        daemon = other;
    }
    daemon.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut daemon = daemon.spawn().unwrap();
    let lines = BufReader::new(daemon.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut lines = lines.inspect(|line| assert!(!line.contains("error:"), "{line}"));
    assert!(lines.any(|line| line.contains("ready")), "it ends before it is ready");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.id())).unwrap();
    let cores = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(cores.split_whitespace().collect::<Vec<_>>()[4..6], ["0", "0"], "{cores}");
    for name in ["environ", "mem", "maps"] {
        let path = format!("/proc/{}/{name}", daemon.id());
        let mut look = Command::new(if root { "setpriv" } else { "head" });
        if root {
            look.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "head"]);
        }
        let output = look.args(["-c", "1"]).arg(&path).output().unwrap();
        assert!(!output.status.success(), "{path} can be read by the same user");
    }
    let ended = Command::new("kill").arg(daemon.id().to_string()).status().unwrap();
    assert!(ended.success());
    // What else it says must go somewhere.
    lines.for_each(drop);
    assert!(daemon.wait().unwrap().success());
    assert!(program().arg("--version").output().unwrap().status.success());
}
