//! Mail of whole runs through a relay that misbehaves: every recipient ends in exactly one
//! state, nothing is lost, and only what was in doubt arrives twice, byte for byte the same.

use std::time::Duration;

use crate::fault_server::{Act, At, Certificate, FaultServer, Script, Transport};
use crate::office::{Mail, Office, WEEKLY};

const DUE: &str = "2026-11-16T10:00:00Z";

fn starttls() -> Script {
    Script::new(Transport::StartTls)
}

/// An office whose mail goes to the server.
fn office(server: &FaultServer, more: &str) -> Office {
    let port = server.port();
    let office = Office::with(&format!(
        "{WEEKLY}\n[notify]\naddress = \"admin@contoso.example\"\n\n[mail]\ntransport = \"smtp\"\n\
         host = \"localhost\"\nport = {port}\nca_file = \"ca.pem\"\nlongest_wait = \"400ms\"\n{more}"
    ));
    office.folder.add("ca.pem", server.ca_pem());
    office
}

/// State of each report message, by recipient.
fn states(office: &Office) -> Vec<String> {
    let sql = "SELECT recipient || ' ' || state FROM outbox WHERE purpose = 'report' ORDER BY 1";
    office.select(sql)
}

const BOTH: [&str; 2] = ["auditor@contoso.example delivered", "officer@contoso.example delivered"];

#[test]
fn each_recipient_gets_a_message_of_its_own_with_a_receipt() {
    let server = FaultServer::start(starttls());
    let office = office(&server, "");
    office.ends(0, DUE, &["run", "weekly"]);
    assert_eq!(states(&office), BOTH);
    let messages = server.messages();
    assert_eq!(messages.len(), 2);
    assert!(messages.iter().all(|message| message.tls && message.rcpts.len() == 1));
    let listed = office.json(DUE, &["deliver", "list"]);
    assert_eq!(listed[0]["run"], "weekly/2026-11-16T07:00");
    assert_eq!(listed[0]["tls"], "TLSv1.3");
    let certificate = server.certificate_sha256(Certificate::Good);
    assert_eq!(listed[0]["certificate_sha256"], certificate.as_str());
    assert!(listed[0]["reply"].as_str().unwrap().starts_with("250"), "{listed}");
    let ids: Vec<String> =
        messages.iter().map(|message| format!("<{}>", Mail::parse(&message.bytes).id)).collect();
    assert!(ids.iter().all(|id| listed.to_string().contains(id)), "{ids:?} {listed}");
    // Nothing more is sent, however often one looks.
    office.ends(0, "2026-11-17T10:00:00Z", &["tick"]);
    assert_eq!(server.messages().len(), 2);
}

/// Later looks, far enough apart for every wait.
fn later(office: &Office, codes: &[i32]) {
    for (hours, code) in (1..).zip(codes) {
        office.ends(*code, &format!("2026-11-16T{:02}:00:00Z", 10 + 2 * hours), &["tick"]);
    }
}

/// Every fault that is about the moment: the mail is kept and arrives once, later.
#[test]
fn a_moody_relay_loses_nothing_and_doubles_nothing() {
    let faults: [(&str, Script); 12] = [
        ("421 banner", starttls().at(At::Banner, Act::SayAndHangUp("421 too busy".into()))),
        ("silent banner", starttls().at(At::Banner, Act::Silence)),
        ("garbage banner", starttls().at(At::Banner, Act::say("%$#!"))),
        ("drop at EHLO", starttls().at(At::Ehlo, Act::HangUp)),
        ("454 STARTTLS", starttls().at(At::StartTls, Act::say("454 not now"))),
        ("451 MAIL", starttls().at(At::Mail, Act::say("451 not now"))),
        ("greylist", starttls().at(At::Rcpt, Act::say("451 4.7.1 greylisted"))),
        ("421 RCPT", starttls().at(At::Rcpt, Act::SayAndHangUp("421 shutting down".into()))),
        ("451 DATA", starttls().at(At::Data, Act::say("451 not now"))),
        ("drop in the body", starttls().at(At::Body, Act::HangUp)),
        ("451 after the dot", starttls().at(At::Dot, Act::say("451 not now"))),
        ("421 after the dot", starttls().at(At::Dot, Act::SayAndHangUp("421 bye".into()))),
    ];
    for (name, script) in faults {
        let server = FaultServer::start(script);
        let office = office(&server, "");
        office.ends(4, DUE, &["run", "weekly"]);
        assert!(server.messages().is_empty(), "{name}");
        let waiting = states(&office);
        // A short message may be out, dot and all, before its sender hears that nobody listens.
        let unsure = |state: &String| name == "drop in the body" && state.ends_with(" in-doubt");
        let kept = |state: &String| state.ends_with(" queued") || unsure(state);
        assert!(waiting.iter().all(kept), "{name}: {waiting:?}");
        server.set(starttls());
        later(&office, &[0]);
        assert_eq!(states(&office), BOTH, "{name}");
        assert_eq!(server.messages().len(), 2, "{name}");
    }
}

/// After the final dot nobody knows: the same bytes go out once more.
#[test]
fn only_what_is_in_doubt_arrives_twice_and_unchanged() {
    let faults = [
        ("drop after the dot", Act::HangUp),
        ("silence after the dot", Act::Silence),
        ("slow after the dot", Act::Deaf(Duration::from_millis(800), "250 late".into())),
        ("garbage after the dot", Act::say("what?")),
    ];
    for (name, act) in faults {
        let server = FaultServer::start(starttls().first(1, At::Dot, act));
        let office = office(&server, "");
        office.ends(4, DUE, &["run", "weekly"]);
        later(&office, &[0]);
        assert_eq!(states(&office), BOTH, "{name}");
        server.settle();
        let messages = server.messages();
        assert_eq!(messages.len(), 3, "{name}");
        let auditor: Vec<_> =
            messages.iter().filter(|message| message.rcpts[0].contains("auditor@")).collect();
        assert_eq!(auditor.len(), 2, "{name}");
        assert_eq!(auditor[0].bytes, auditor[1].bytes, "{name}");
    }
}

#[test]
fn what_is_in_doubt_is_held_where_asked_or_after_a_second_doubt() {
    let dropping = || starttls().when(At::Dot, "auditor@", Act::HangUp);
    for (more, sent) in [("on_doubt = \"hold\"\n", 1), ("", 2)] {
        let server = FaultServer::start(dropping());
        let office = office(&server, more);
        office.ends(4, DUE, &["run", "weekly"]);
        later(&office, &[4, 4]);
        assert_eq!(
            states(&office),
            ["auditor@contoso.example held", "officer@contoso.example delivered"]
        );
        let auditor = |server: &FaultServer| {
            let messages = server.messages();
            messages.iter().filter(|message| message.rcpts[0].contains("auditor@")).count()
        };
        assert_eq!(auditor(&server), sent);
        let notices = |server: &FaultServer| {
            let messages = server.messages();
            messages.iter().filter(|message| message.rcpts[0].contains("admin@")).count()
        };
        assert_eq!(notices(&server), 1, "the administrator is told once");
        // A person decides.
        server.set(starttls());
        office.ends(0, "2026-11-17T10:00:00Z", &["deliver", "retry"]);
        assert_eq!(states(&office), BOTH);
        assert_eq!(auditor(&server), sent + 1);
    }
}

#[test]
fn a_recipient_that_is_refused_holds_up_nobody_and_is_told_of() {
    let script = starttls().when(At::Rcpt, "auditor@", Act::say("550 5.1.1 no such user"));
    let server = FaultServer::start(script);
    let office = office(&server, "");
    office.ends(4, DUE, &["run", "weekly"]);
    assert_eq!(
        states(&office),
        ["auditor@contoso.example refused", "officer@contoso.example delivered"]
    );
    let messages = server.messages();
    let notice = messages.iter().find(|message| message.rcpts[0].contains("admin@")).unwrap();
    let notice = Mail::parse(&notice.bytes);
    assert!(
        notice.text.contains("auditor@contoso.example: refused: ") && notice.text.contains("5.1.1")
    );
    let status = office.json(DUE, &["status"]);
    assert_eq!((&status["ok"], &status["schedules"][0]["undelivered"]), (&false.into(), &1.into()));
    // The next report says so to its readers.
    server.set(starttls());
    office.ends(0, "2026-11-16T12:00:00Z", &["tick"]);
    office.ends(0, "2026-11-23T10:00:00Z", &["tick"]);
    let messages = server.messages();
    let last = Mail::parse(&messages.last().unwrap().bytes);
    assert!(
        last.text.contains("was not delivered to auditor@contoso.example (refused)"),
        "{}",
        last.text
    );
}

/// What only a person can mend parks the relay; no recipient is burnt.
#[test]
fn faults_of_the_relay_or_its_settings_burn_no_recipient() {
    let faults: [(&str, Script, &str); 6] = [
        ("no STARTTLS", Script::new(Transport::Plain), "STARTTLS"),
        ("wrong name", starttls().certificate(Certificate::OtherName), "certificate"),
        ("unknown authority", starttls().certificate(Certificate::UnknownAuthority), "certificate"),
        ("expired", starttls().certificate(Certificate::Expired), "expired"),
        (
            "554 banner",
            starttls().at(At::Banner, Act::SayAndHangUp("554 go away".into())),
            "go away",
        ),
        ("550 MAIL", starttls().at(At::Mail, Act::say("550 5.7.60 not yours")), "5.7.60"),
    ];
    for (name, script, told) in faults {
        let server = FaultServer::start(script);
        let office = office(&server, "");
        let said = office.ends(4, DUE, &["run", "weekly"]);
        assert!(said.contains(told), "{name}: {said}");
        let waiting = states(&office);
        assert!(waiting.iter().all(|state| state.ends_with(" queued")), "{name}: {waiting:?}");
        assert_eq!(
            office.select("SELECT CAST(sum(attempts) AS TEXT) FROM outbox"),
            ["0"],
            "{name}"
        );
        assert_eq!(server.connections(), 1, "{name}: the relay is left alone");
        server.set(starttls());
        office.ends(0, "2026-11-16T10:01:00Z", &["deliver", "retry"]);
        assert_eq!(states(&office), BOTH, "{name}");
    }
}

#[test]
fn a_wrong_password_is_told_in_the_relays_words_and_never_shown() {
    let script = starttls().offers(&["AUTH PLAIN LOGIN"]).secret("right");
    let server = FaultServer::start(script);
    let office = office(
        &server,
        "auth = \"password\"\nusername = \"audit\"\npassword_file = \"password\"\n",
    );
    let password = office.folder.add("password", "wr0ng-s3cret\n");
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&password, private).unwrap();
    let said = office.ends(4, DUE, &["run", "weekly"]);
    assert!(said.contains("535") && !said.contains("wr0ng-s3cret"), "{said}");
    let listed = office.json(DUE, &["deliver", "list"]).to_string();
    assert!(!listed.contains("wr0ng-s3cret"), "{listed}");
    assert_eq!(server.logins().len(), 1);
    assert!(server.logins()[0].tls, "never in the clear");
}

#[test]
fn a_token_comes_from_a_command() {
    let script = starttls().offers(&["AUTH XOAUTH2"]).secret("t0ken");
    let server = FaultServer::start(script);
    let office = office(
        &server,
        "auth = \"xoauth2\"\nusername = \"audit\"\ntoken_command = [\"echo\", \"t0ken\"]\n",
    );
    office.ends(0, DUE, &["run", "weekly"]);
    assert_eq!(states(&office), BOTH);
}

/// Too large: the summary and where the archive lies, never an empty mail, never nothing.
#[test]
fn what_is_too_large_goes_without_attachments() {
    let scripts = [
        starttls().offers(&["SIZE 20000"]),
        starttls().when(At::Dot, "auditor@", Act::say("552 5.3.4 too big")),
    ];
    for (index, script) in scripts.into_iter().enumerate() {
        let server = FaultServer::start(script);
        let office = office(&server, "");
        if index == 1 {
            // This one refuses by content: the smaller message is taken.
            server.set(starttls().first(1, At::Dot, Act::say("552 5.3.4 too big")));
        }
        office.ends(0, DUE, &["run", "weekly"]);
        assert_eq!(states(&office), BOTH);
        let messages = server.messages();
        let auditor =
            messages.iter().find(|message| message.rcpts[0].contains("auditor@")).unwrap();
        let auditor = Mail::parse(&auditor.bytes);
        assert!(auditor.attachments.is_empty());
        assert!(auditor.text.contains("attachments were left out"), "{}", auditor.text);
        assert!(auditor.text.contains("Filed as 000001-weekly-2026-11-16"));
        assert!(auditor.id.contains(".small."), "other bytes, another Message-ID: {}", auditor.id);
    }
}

#[test]
fn after_five_days_a_message_is_given_up_and_told_of() {
    let server = FaultServer::start(starttls().at(At::Rcpt, Act::say("451 never")));
    let office = office(&server, "");
    office.ends(4, DUE, &["run", "weekly"]);
    office.ends(4, "2026-11-20T10:00:00Z", &["tick"]);
    office.ends(4, "2026-11-21T10:00:01Z", &["tick"]);
    assert_eq!(
        states(&office),
        ["auditor@contoso.example expired", "officer@contoso.example expired"]
    );
    assert!(server.messages().is_empty());
    let notices = office.select("SELECT recipient FROM outbox WHERE purpose = 'undelivered'");
    assert_eq!(notices, ["admin@contoso.example"]);
}

/// A machine that was off for a week has given up nothing: the mail is tried first.
#[test]
fn what_is_old_is_tried_before_it_is_given_up() {
    let server =
        FaultServer::start(starttls().at(At::Banner, Act::SayAndHangUp("421 busy".into())));
    let office = office(&server, "");
    office.ends(4, DUE, &["run", "weekly"]);
    server.set(starttls());
    office.ends(0, "2026-11-25T10:00:00Z", &["tick"]);
    assert_eq!(states(&office), BOTH);
    server.set(starttls().at(At::Banner, Act::SayAndHangUp("421 busy".into())));
    office.ends(4, "2026-11-25T10:00:00Z", &["run", "weekly"]);
    office.ends(4, "2026-12-02T10:00:00Z", &["tick"]);
    let sql = "SELECT state FROM outbox WHERE nominal = '2026-11-23T07:00' AND purpose = 'report'";
    let states = office.select(sql);
    assert_eq!(states, ["expired", "expired"], "a relay that stays down gives up all");
}

#[test]
fn a_test_mail_shows_its_receipt() {
    let server = FaultServer::start(starttls());
    let office = office(&server, "");
    let output = office.at(DUE, &["deliver", "test", "me@contoso.example", "--schedule", "weekly"]);
    assert!(output.status.success());
    assert!(crate::support::text(&output.stdout).contains("TLSv1.3"));
    assert_eq!(server.messages().len(), 1);
    server.set(starttls().at(At::Rcpt, Act::say("550 5.1.1 no such user")));
    let said =
        office.ends(4, DUE, &["deliver", "test", "me@contoso.example", "--schedule", "weekly"]);
    assert!(said.contains("5.1.1"), "{said}");
    assert!(!office.path("state").exists());
}
