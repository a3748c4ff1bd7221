//! The SMTP client against a relay that misbehaves in every phase.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use intransit::deliver::outcome::{Outcome, Phase, Receipt, RelayFailure};
use intransit::deliver::smtp::{Auth, Parcel, Relay, Security, Session};

use crate::fault_server::{Act, At, Certificate, FaultServer, Handshake, Script, Transport};

const TEXT: &[u8] = b"Subject: report\r\n\r\nAll well.\r\n";
/// Long enough for a busy machine; for tests in which nobody has to wait.
const PATIENT: Duration = Duration::from_secs(10);
/// For tests in which somebody waits in vain.
const SHORT: Duration = Duration::from_millis(400);

fn relay(server: &FaultServer, security: Security) -> Relay {
    Relay {
        host: "127.0.0.1".to_owned(),
        port: server.port(),
        security,
        auth: Auth::None,
        ca_pem: Some(server.ca_pem().as_bytes().to_vec()),
        hello: Some("client.example.org".to_owned()),
        longest_wait: Some(PATIENT),
    }
}

fn start_tls(server: &FaultServer) -> Relay {
    relay(server, Security::StartTls)
}

fn good() -> Script {
    Script::new(Transport::StartTls)
}

fn password(password: &str) -> Auth {
    Auth::Password { username: "robot".to_owned(), password: password.into() }
}

fn token(token: &str) -> Auth {
    Auth::Xoauth2 { username: "robot@example.org".to_owned(), token: token.into() }
}

fn parcel(bytes: &[u8]) -> Parcel<'_> {
    to("auditor@example.com", bytes)
}

fn to<'a>(recipient: &'a str, bytes: &'a [u8]) -> Parcel<'a> {
    Parcel { sender: "robot@example.org", recipient, message_id: "<r+1@example.org>", bytes }
}

fn send(session: &mut Session, parcel: &Parcel<'_>) -> Outcome {
    session.send(parcel, &mut || Ok(()))
}

/// Opens, sends one message, closes, and waits until the server has heard it all.
fn deliver(server: &FaultServer, relay: &Relay) -> Outcome {
    deliver_bytes(server, relay, TEXT)
}

fn deliver_bytes(server: &FaultServer, relay: &Relay, bytes: &[u8]) -> Outcome {
    let outcome = match Session::open(relay) {
        Ok(mut session) => {
            let outcome = send(&mut session, &parcel(bytes));
            session.close();
            outcome
        }
        Err(failure) => Outcome::RelayDown(failure),
    };
    server.settle();
    outcome
}

/// An outcome as `kind phase: why`.
fn brief(outcome: &Outcome) -> String {
    let (kind, phase, why) = match outcome {
        Outcome::Delivered(receipt) => return format!("delivered: {}", receipt.reply),
        Outcome::Refused { phase, why } => ("refused", phase, why),
        Outcome::TooLarge { phase, why } => ("too-large", phase, why),
        Outcome::Deferred { phase, why } => ("deferred", phase, why),
        Outcome::InDoubt { phase, why } => ("in-doubt", phase, why),
        Outcome::RelayDown(RelayFailure { phase, why, needs_a_person: true }) => {
            ("person", phase, why)
        }
        Outcome::RelayDown(RelayFailure { phase, why, .. }) => ("down", phase, why),
    };
    format!("{kind} {phase}: {why}")
}

fn receipt(outcome: Outcome) -> Receipt {
    match outcome {
        Outcome::Delivered(receipt) => receipt,
        other => panic!("not delivered: {other:?}"),
    }
}

fn nothing_in_clear_but(server: &FaultServer, verbs: &[&str]) {
    let clear: Vec<String> =
        server.commands().into_iter().filter(|c| !c.tls).map(|c| c.line).collect();
    let heard: Vec<&str> = clear.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(heard, verbs, "{clear:?}");
}

// --- Delivery ---------------------------------------------------------------------------

#[test]
fn start_tls_delivers_and_the_receipt_names_the_connection() {
    let server = FaultServer::start(good());
    let got = receipt(deliver(&server, &start_tls(&server)));
    assert_eq!(got.reply, "250 2.0.0 queued as 0");
    assert_eq!(got.relay, format!("127.0.0.1:{} (127.0.0.1)", server.port()));
    assert_eq!(got.tls.as_deref(), Some("TLSv1.3"));
    assert_eq!(got.cipher.as_deref(), Some("TLS_AES_256_GCM_SHA384"));
    assert_eq!(got.certificate_sha256, Some(server.certificate_sha256(Certificate::Good)));
    let messages = server.messages();
    assert_eq!(messages.len(), 1);
    assert!(messages[0].tls);
    assert_eq!(messages[0].mail, "MAIL FROM:<robot@example.org>");
    assert_eq!(messages[0].rcpts, ["RCPT TO:<auditor@example.com>"]);
    assert_eq!(messages[0].bytes, TEXT);
    assert_eq!(server.commands()[0].line, "EHLO client.example.org");
    nothing_in_clear_but(&server, &["EHLO", "STARTTLS"]);
    assert_eq!(
        server.verbs(0),
        ["EHLO", "STARTTLS", "EHLO", "MAIL", "RCPT", "DATA", "QUIT"],
        "and nothing more"
    );
}

#[test]
fn implicit_tls_delivers_without_a_word_in_clear() {
    let server = FaultServer::start(Script::new(Transport::Tls).handshake(Handshake::Tls12));
    let relay = Relay { host: "localhost".to_owned(), ..relay(&server, Security::Tls) };
    let got = receipt(deliver(&server, &relay));
    assert_eq!(got.tls.as_deref(), Some("TLSv1.2"));
    assert_eq!(got.cipher.as_deref(), Some("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"));
    assert_eq!(got.relay, format!("localhost:{} (127.0.0.1)", server.port()));
    nothing_in_clear_but(&server, &[]);
    assert_eq!(server.messages().len(), 1);
}

#[test]
fn without_tls_only_loopback_is_spoken_to() {
    let server = FaultServer::start(Script::new(Transport::Plain));
    let here = relay(&server, Security::NoneLoopbackOnly);
    let got = receipt(deliver(&server, &here));
    assert_eq!((got.tls, got.cipher, got.certificate_sha256), (None, None, None));
    // 192.0.2.0/24 is for documentation (RFC 5737): a connection would time out instead.
    let elsewhere = Relay { host: "192.0.2.1".to_owned(), longest_wait: Some(SHORT), ..here };
    let failure = Session::open(&elsewhere).unwrap_err();
    assert_eq!(
        failure.to_string(),
        "at connect: 192.0.2.1 is not this machine, so TLS is required"
    );
    assert!(failure.needs_a_person);
}

#[test]
fn one_session_carries_many_parcels_and_a_bad_recipient_spoils_none() {
    let refusal = Act::say("550-5.1.1 no such user\r\n550 5.1.1 here");
    let server = FaultServer::start(good().when(At::Rcpt, "bad@", refusal));
    let mut session = Session::open(&start_tls(&server)).unwrap();
    let recipients = ["one@example.com", "bad@example.com", "two@example.com"];
    let outcomes: Vec<String> =
        recipients.iter().map(|r| brief(&send(&mut session, &to(r, TEXT)))).collect();
    assert_eq!(
        outcomes,
        [
            "delivered: 250 2.0.0 queued as 0",
            "refused rcpt-to: 550 5.1.1 no such user 5.1.1 here",
            "delivered: 250 2.0.0 queued as 1",
        ]
    );
    assert!(session.is_usable());
    session.close();
    server.settle();
    assert_eq!(server.connections(), 1);
    let reached: Vec<String> = server.messages().into_iter().map(|m| m.rcpts.join(",")).collect();
    assert_eq!(reached, ["RCPT TO:<one@example.com>", "RCPT TO:<two@example.com>"]);
    assert_eq!(server.verbs(0).iter().filter(|verb| *verb == "RSET").count(), 1);
}

/// RFC 5321 section 4.5.2 and 2.3.8.
#[test]
fn dots_and_bare_line_ends_arrive_intact() {
    let server = FaultServer::start(good());
    let sent = b"Subject: x\n\n.\n..\r\n.dot\rlast\n.";
    receipt(deliver_bytes(&server, &start_tls(&server), sent));
    let expected = b"Subject: x\r\n\r\n.\r\n..\r\n.dot\r\nlast\r\n.\r\n";
    assert_eq!(
        server.messages()[0].bytes.escape_ascii().to_string(),
        expected.escape_ascii().to_string()
    );
    assert_eq!(server.verbs(0).last().unwrap(), "QUIT", "nothing of the content became a command");
}

#[test]
fn a_large_message_arrives_whole() {
    for script in [good(), Script::new(Transport::Plain)] {
        let server = FaultServer::start(script.clone().offers(&["SIZE 5000000"]));
        let line = b".0123456789 0123456789 0123456789\r\n";
        let sent = line.repeat(1024 * 1024 / line.len() + 1000);
        let security = match script.transport() {
            Transport::Plain => Security::NoneLoopbackOnly,
            _ => Security::StartTls,
        };
        receipt(deliver_bytes(&server, &relay(&server, security), &sent));
        assert!(server.messages()[0].bytes == sent, "the content differs");
        assert!(server.messages()[0].mail.ends_with(&format!(" SIZE={}", sent.len())));
    }
}

// --- TLS --------------------------------------------------------------------------------

#[test]
fn without_start_tls_nothing_but_ehlo_is_said() {
    let server = FaultServer::start(Script::new(Transport::Plain).offers(&["AUTH PLAIN"]));
    let relay = Relay { auth: password("hunter2"), ..start_tls(&server) };
    let outcome = deliver(&server, &relay);
    assert!(
        brief(&outcome).starts_with("person start-tls: the relay does not offer"),
        "{outcome:?}"
    );
    nothing_in_clear_but(&server, &["EHLO"]);
    assert!(server.logins().is_empty() && server.messages().is_empty());
}

#[test]
fn a_refused_start_tls_ends_the_conversation() {
    let cases = [
        ("454 4.7.0 TLS not available", "down start-tls: 454 4.7.0 TLS not available"),
        ("501 5.5.4 no", "person start-tls: 501 5.5.4 no"),
        ("250 sure", "down start-tls: unexpected answer `250 sure`"),
    ];
    for (reply, expected) in cases {
        let server = FaultServer::start(good().at(At::StartTls, Act::say(reply)));
        assert_eq!(brief(&deliver(&server, &start_tls(&server))), expected);
        nothing_in_clear_but(&server, &["EHLO", "STARTTLS"]);
    }
}

/// CVE-2011-0411: words put behind the reply to STARTTLS must not count as said inside TLS.
#[test]
fn plain_text_behind_the_reply_to_start_tls_ends_the_conversation() {
    let injected = "220 ready\r\n250-fault.example\r\n250 AUTH PLAIN";
    let server = FaultServer::start(good().at(At::StartTls, Act::say(injected)));
    let outcome = deliver(&server, &start_tls(&server));
    assert!(brief(&outcome).starts_with("person handshake: the relay, or somebody"), "{outcome:?}");
    nothing_in_clear_but(&server, &["EHLO", "STARTTLS"]);
}

/// RFC 3207 section 4.2: what was offered in the clear does not count.
#[test]
fn offers_made_before_tls_are_forgotten() {
    let clear = "250-fault.example\r\n250-STARTTLS\r\n250-AUTH PLAIN\r\n250 SIZE 1";
    let server = FaultServer::start(good().first(1, At::Ehlo, Act::say(clear)));
    receipt(deliver(&server, &start_tls(&server)));
    let relay = Relay { auth: password("hunter2"), ..start_tls(&server) };
    server.set(good().first(1, At::Ehlo, Act::say(clear)));
    assert_eq!(
        brief(&deliver(&server, &relay)),
        "person auth: PLAIN or LOGIN is needed, the relay offers: no authentication"
    );
}

#[test]
fn a_certificate_that_proves_nothing_is_refused_in_plain_words() {
    let cases = [
        (Certificate::OtherName, "is not valid for that name (it holds: other.example)"),
        (Certificate::UnknownAuthority, "is signed by an unknown authority"),
        (Certificate::Expired, "has expired"),
    ];
    for (certificate, expected) in cases {
        for (transport, security) in
            [(Transport::StartTls, Security::StartTls), (Transport::Tls, Security::Tls)]
        {
            let server = FaultServer::start(Script::new(transport).certificate(certificate));
            let outcome = deliver(&server, &relay(&server, security));
            assert_eq!(
                brief(&outcome),
                format!("person handshake: the certificate of 127.0.0.1 {expected}")
            );
            assert!(server.messages().is_empty());
            assert!(server.commands().iter().all(|command| !command.tls), "nothing inside TLS");
        }
    }
}

/// The system's authorities do not know the test's; and a CA file replaces them.
#[test]
fn without_a_ca_file_the_systems_authorities_decide() {
    let server = FaultServer::start(good());
    let relay = Relay { ca_pem: None, ..start_tls(&server) };
    let outcome = brief(&deliver(&server, &relay));
    assert!(outcome.starts_with("person handshake: "), "{outcome}");
    assert!(server.messages().is_empty());
}

#[test]
fn an_unusable_ca_file_is_found_before_the_relay_is_bothered() {
    let server = FaultServer::start(good());
    let relay = Relay { ca_pem: Some(b"no PEM".to_vec()), ..start_tls(&server) };
    assert_eq!(
        brief(&deliver(&server, &relay)),
        "person handshake: the CA file holds no certificate in PEM form"
    );
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_failed_handshake_says_what_is_needed() {
    let required = "TLS 1.2 or later is required";
    let cases = [
        (Handshake::HangUp, "down", required),
        // Alerts: protocol_version, handshake_failure, internal_error (RFC 8446 section 6).
        (Handshake::Bytes(&[21, 3, 3, 0, 2, 2, 70]), "person", required),
        (Handshake::Bytes(&[21, 3, 3, 0, 2, 2, 40]), "person", required),
        (Handshake::Bytes(&[21, 3, 3, 0, 2, 2, 80]), "down", "InternalError"),
        (Handshake::Bytes(b"220 relay.example.com ESMTP\r\n"), "person", "does not speak TLS here"),
    ];
    for (handshake, kind, expected) in cases {
        let server = FaultServer::start(Script::new(Transport::Tls).handshake(handshake));
        let outcome = brief(&deliver(&server, &relay(&server, Security::Tls)));
        assert!(outcome.starts_with(&format!("{kind} handshake: ")), "{outcome}");
        assert!(outcome.contains(expected), "{outcome}");
    }
}

#[test]
fn a_port_of_the_other_kind_of_tls_is_recognised() {
    // Implicit TLS where the relay greets in plain text.
    let server = FaultServer::start(good());
    let outcome = brief(&deliver(&server, &relay(&server, Security::Tls)));
    assert!(
        outcome.starts_with("person handshake: 127.0.0.1 does not speak TLS here"),
        "{outcome}"
    );
    // STARTTLS where the relay waits for TLS.
    let server = FaultServer::start(Script::new(Transport::Tls));
    let relay = Relay { longest_wait: Some(SHORT), ..start_tls(&server) };
    let outcome = brief(&deliver(&server, &relay));
    assert!(outcome.starts_with("down greeting: the relay did not react"), "{outcome}");
    assert!(outcome.ends_with("does this port expect TLS from the start?"), "{outcome}");
}

// --- Authentication ---------------------------------------------------------------------

#[test]
fn credentials_are_said_once_inside_tls_only_in_the_best_mechanism() {
    let long = "t".repeat(2000);
    let cases = [
        ("AUTH LOGIN PLAIN", password("päss word"), "PLAIN", "päss word"),
        ("auth login", password("hunter2"), "LOGIN", "hunter2"),
        ("AUTH=LOGIN", password("hunter2"), "LOGIN", "hunter2"),
        ("AUTH PLAIN XOAUTH2", token("short"), "XOAUTH2", "short"),
        ("AUTH PLAIN XOAUTH2", token(&long), "XOAUTH2", &long),
        ("AUTH PLAIN", password(&long), "PLAIN", &long),
    ];
    for (offer, auth, mechanism, secret) in cases {
        let server = FaultServer::start(good().offers(&[offer]).secret(secret));
        receipt(deliver(&server, &Relay { auth, ..start_tls(&server) }));
        let logins = server.logins();
        assert_eq!(logins.len(), 1, "{offer}");
        assert_eq!((logins[0].mechanism.as_str(), logins[0].secret.as_str()), (mechanism, secret));
        assert!(logins[0].tls && logins[0].user.starts_with("robot"));
        nothing_in_clear_but(&server, &["EHLO", "STARTTLS"]);
        // RFC 4954 section 4: a long response follows in a line of its own.
        let commands = server.commands();
        let auth = commands.iter().find(|command| command.line.starts_with("AUTH ")).unwrap();
        assert!(auth.line.len() + 2 <= 512, "{} bytes", auth.line.len());
    }
}

#[test]
fn a_refused_login_is_shown_as_said_and_parks_the_relay() {
    let said = "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled";
    let cases = [
        (format!("535 {said}"), format!("person auth: 535 {said}")),
        ("454 4.7.0 try later".to_owned(), "down auth: 454 4.7.0 try later".to_owned()),
        ("421 4.3.2 closing".to_owned(), "down auth: 421 4.3.2 closing".to_owned()),
        ("250 hm".to_owned(), "delivered".to_owned()),
        ("334 ".to_owned(), "down auth: unexpected answer `334`".to_owned()),
    ];
    for (reply, expected) in cases {
        let script = good().offers(&["AUTH PLAIN"]).at(At::Auth, Act::Say(reply));
        let server = FaultServer::start(script);
        let outcome =
            brief(&deliver(&server, &Relay { auth: password("pw"), ..start_tls(&server) }));
        assert!(outcome.starts_with(&expected), "{outcome}");
    }
}

#[test]
fn without_a_common_mechanism_no_credential_is_said() {
    let cases = [
        (password("hunter2"), "PLAIN or LOGIN is needed, the relay offers: CRAM-MD5, XOAUTH2"),
        (token("hunter2"), "XOAUTH2 is needed, the relay offers: CRAM-MD5, PLAIN"),
    ];
    for (auth, expected) in cases {
        let other = if matches!(auth, Auth::Password { .. }) { "XOAUTH2" } else { "PLAIN" };
        let server = FaultServer::start(good().offers(&[&format!("AUTH CRAM-MD5 {other}")]));
        let outcome = brief(&deliver(&server, &Relay { auth, ..start_tls(&server) }));
        assert_eq!(outcome, format!("person auth: {expected}"));
        assert_eq!(server.verbs(0), ["EHLO", "STARTTLS", "EHLO"]);
    }
}

#[test]
fn a_secret_with_control_characters_is_not_sent() {
    for secret in ["", "hunter2\n", "a\0b"] {
        let server = FaultServer::start(good().offers(&["AUTH PLAIN"]));
        let outcome =
            brief(&deliver(&server, &Relay { auth: password(secret), ..start_tls(&server) }));
        assert!(outcome.starts_with("person auth: the user name and the secret must"), "{outcome}");
        assert!(server.logins().is_empty());
    }
}

/// The reason stands in the challenge, the code comes after an empty line; both are shown.
#[test]
fn a_failed_xoauth2_shows_reason_and_code() {
    let challenge = r#"{"status":"400","schemes":"Bearer","scope":"https://mail.example/"}"#;
    let last = "535 5.7.3 Authentication unsuccessful [MA2P292CA0013]";
    let act = Act::Challenge(challenge.to_owned(), last.to_owned());
    for secret in ["short".to_owned(), "t".repeat(2000)] {
        let server = FaultServer::start(good().offers(&["AUTH XOAUTH2"]).at(At::Auth, act.clone()));
        let relay = Relay { auth: token(&secret), ..start_tls(&server) };
        let outcome = brief(&deliver(&server, &relay));
        assert!(outcome.starts_with(&format!("person auth: {last} (")), "{outcome}");
        for part in ["status 400", "schemes Bearer", "scope https://mail.example/"] {
            assert!(outcome.contains(part), "{outcome}");
        }
        assert_eq!(server.commands().last().unwrap().line, "", "the empty answer");
    }
}

#[test]
fn no_outcome_repeats_a_secret_even_when_the_relay_does() {
    let secret = "correct-horse-battery";
    let encoded = STANDARD.encode(secret);
    let plain = STANDARD.encode(format!("\0robot\0{secret}"));
    let xoauth2 =
        STANDARD.encode(format!("user=robot@example.org\u{1}auth=Bearer {secret}\u{1}\u{1}"));
    let cases = [
        ("PLAIN", password(secret), &plain),
        ("LOGIN", password(secret), &encoded),
        ("XOAUTH2", token(secret), &xoauth2),
    ];
    for (offer, auth, response) in cases {
        let echo = format!("{secret} {response}");
        let acts = [
            Act::Say(format!("535 5.7.8 not {echo}")),
            Act::Say(format!("535-not {echo}\r\n535 {echo}")),
            Act::Say(format!("what is {echo}?")),
            // The cut after 500 characters must not leave half a secret.
            Act::Say(format!("535 {} {echo}", "x".repeat(485))),
            Act::Say(format!("what {} {echo}", "x".repeat(485))),
            Act::Say(format!("334 \r\n535 {} {echo}", "x".repeat(485))),
            Act::Challenge(format!("{} {echo}", "x".repeat(490)), "535 no".to_owned()),
            Act::Challenge(format!("{{\"status\":\"{secret}\"}}"), format!("535 {echo}")),
            Act::Challenge(format!("no JSON {secret}"), format!("what is {echo}?")),
        ];
        for act in acts {
            let script = good().offers(&[&format!("AUTH {offer}")]).at(At::Auth, act.clone());
            let server = FaultServer::start(script);
            let relay = Relay { auth: auth.clone(), ..start_tls(&server) };
            let failure = Session::open(&relay).unwrap_err();
            for shown in [failure.to_string(), format!("{failure:?}"), format!("{relay:?}")] {
                // Eight characters are what a cut could leave of the secret itself.
                let starts = [secret, &encoded, response].map(|text| text.split_at(8).0);
                assert!(!starts.iter().any(|start| shown.contains(start)), "{offer}: {shown}");
            }
        }
    }
}

// --- Replies ----------------------------------------------------------------------------

/// What every reply at every point means, and that only an accepted message counts.
#[test]
fn replies_decide_about_relay_message_or_recipient() {
    let cases = [
        (At::Banner, "421 4.3.2 busy", "down greeting: 421 4.3.2 busy"),
        (At::Banner, "554 5.7.1 go away", "person greeting: 554 5.7.1 go away"),
        (At::Banner, "250 hm", "down greeting: unexpected answer `250 hm`"),
        (
            At::Banner,
            "SSH-2.0-OpenSSH_9.2",
            "down greeting: the relay gave no valid SMTP reply: `SSH-2.0-OpenSSH_9.2`",
        ),
        (At::Ehlo, "550 5.7.1 who?", "person ehlo: 550 5.7.1 who?"),
        (At::Ehlo, "421 busy", "down ehlo: 421 busy"),
        (At::Ehlo, "451 later", "down ehlo: 451 later"),
        (At::Mail, "421 4.4.2 timeout", "down mail-from: 421 4.4.2 timeout"),
        (At::Mail, "451 4.3.0 later", "down mail-from: 451 4.3.0 later"),
        (
            At::Mail,
            "530 5.7.57 not authenticated",
            "person mail-from: 530 5.7.57 not authenticated",
        ),
        (At::Mail, "550 5.7.60 not your address", "person mail-from: 550 5.7.60 not your address"),
        (At::Mail, "552 5.3.4 too big", "too-large mail-from: 552 5.3.4 too big"),
        (At::Rcpt, "451 4.7.1 greylisted", "deferred rcpt-to: 451 4.7.1 greylisted"),
        (At::Rcpt, "550 5.1.1 unknown", "refused rcpt-to: 550 5.1.1 unknown"),
        (At::Rcpt, "550 5.2.3 too big for her", "too-large rcpt-to: 550 5.2.3 too big for her"),
        (At::Rcpt, "421 4.3.2 closing", "down rcpt-to: 421 4.3.2 closing"),
        (At::Data, "451 4.3.0 later", "deferred data: 451 4.3.0 later"),
        (At::Data, "554 5.5.1 no", "refused data: 554 5.5.1 no"),
        (At::Data, "552 too big", "too-large data: 552 too big"),
        (At::Data, "250 hm", "down data: unexpected answer `250 hm`"),
        (At::Dot, "451 4.3.0 later", "deferred final-dot: 451 4.3.0 later"),
        (At::Dot, "421 4.3.2 closing", "deferred final-dot: 421 4.3.2 closing"),
        (At::Dot, "550 5.7.1 content", "refused final-dot: 550 5.7.1 content"),
        (At::Dot, "552 5.3.4 too big", "too-large final-dot: 552 5.3.4 too big"),
        (
            At::Dot,
            "354 go on",
            "in-doubt final-dot: unexpected answer `354 go on` after the final dot",
        ),
        (
            At::Dot,
            "ok, thanks",
            "in-doubt final-dot: the relay gave no valid SMTP reply: `ok, thanks`, after the final dot",
        ),
        (
            At::Dot,
            "250-ok\r\n550 no",
            "in-doubt final-dot: the relay gave no valid SMTP reply: `550 within a reply of another code`, after the final dot",
        ),
    ];
    for (at, reply, expected) in cases {
        let server = FaultServer::start(good().at(at, Act::say(reply)));
        let outcome = brief(&deliver(&server, &start_tls(&server)));
        assert_eq!(outcome, expected);
        let kept = server.messages().len();
        assert_eq!(kept, usize::from(outcome.starts_with("in-doubt")), "{expected}");
        if at != At::Dot {
            assert!(server.all_messages().is_empty() && server.cut_off().is_empty(), "{expected}");
        }
    }
}

/// Greylisting (RFC 6647): the same session may try again later.
#[test]
fn after_a_deferral_the_same_session_can_deliver() {
    for at in [At::Rcpt, At::Data, At::Dot] {
        let server = FaultServer::start(good().first(1, at, Act::say("451 4.7.1 later")));
        let mut session = Session::open(&start_tls(&server)).unwrap();
        let first = brief(&send(&mut session, &parcel(TEXT)));
        assert!(first.starts_with("deferred"), "{first}");
        assert!(session.is_usable());
        receipt(send(&mut session, &parcel(TEXT)));
        session.close();
        server.settle();
        assert_eq!((server.messages().len(), server.connections()), (1, 1));
    }
}

#[test]
fn a_session_that_is_over_says_so() {
    let cases = [
        (At::Rcpt, Act::say("421 closing")),
        (At::Dot, Act::say("421 closing")),
        (At::Rcpt, Act::HangUp),
        (At::Dot, Act::HangUp),
        (At::Dot, Act::say("nonsense")),
        (At::Dot, Act::say("354 go on")),
        (At::Data, Act::say("250 hm")),
    ];
    for (at, act) in cases {
        let server = FaultServer::start(good().at(at, act.clone()));
        let mut session = Session::open(&start_tls(&server)).unwrap();
        assert!(session.is_usable());
        send(&mut session, &parcel(TEXT));
        assert!(!session.is_usable(), "{at:?} {act:?}");
        let commands = server.commands().len();
        let again = brief(&send(&mut session, &parcel(TEXT)));
        assert_eq!(again, "down mail-from: the connection to the relay has ended");
        session.close();
        server.settle();
        assert_eq!(server.commands().len(), commands, "and nothing more is said");
    }
}

#[test]
fn a_failed_reset_makes_the_session_unusable_but_keeps_the_outcome() {
    for act in [Act::say("500 what?"), Act::HangUp] {
        let script = good().at(At::Rcpt, Act::say("550 no")).at(At::Rset, act);
        let server = FaultServer::start(script);
        let mut session = Session::open(&start_tls(&server)).unwrap();
        assert_eq!(brief(&send(&mut session, &parcel(TEXT))), "refused rcpt-to: 550 no");
        assert!(!session.is_usable());
    }
}

/// A second reply to one command must not be taken for the reply to the next one.
#[test]
fn replies_out_of_turn_never_count_as_acceptance() {
    let script = good().at(At::Data, Act::say("354 go on\r\n250 2.0.0 accepted"));
    let server = FaultServer::start(script);
    let outcome = brief(&deliver(&server, &start_tls(&server)));
    assert_eq!(outcome, "down body: unexpected answer `250 2.0.0 accepted`");
    assert!(server.all_messages().is_empty());
    // The content is small, so all of it arrived; the dot did not.
    assert_eq!(server.cut_off().len(), 1);

    let server = FaultServer::start(good().at(At::Mail, Act::say("250 ok\r\n250 ok")));
    let outcome = brief(&deliver(&server, &start_tls(&server)));
    assert_eq!(outcome, "down rcpt-to: the relay spoke out of turn: 250 ok");
    assert_eq!(server.verbs(0).last().unwrap(), "MAIL");
}

#[test]
fn a_relay_that_hangs_up_between_messages_is_down_not_in_doubt() {
    let script = good().first(1, At::Dot, Act::say("250 ok\r\n421 4.4.2 idle too long"));
    let server = FaultServer::start(script);
    let mut session = Session::open(&start_tls(&server)).unwrap();
    receipt(send(&mut session, &parcel(TEXT)));
    let outcome = brief(&send(&mut session, &parcel(TEXT)));
    assert_eq!(outcome, "down mail-from: the relay spoke out of turn: 421 4.4.2 idle too long");
    assert!(!session.is_usable());
}

// --- Broken connections -----------------------------------------------------------------

#[test]
fn a_connection_lost_before_the_dot_is_surely_not_accepted() {
    let cases = [
        (At::Banner, "greeting"),
        (At::Ehlo, "ehlo"),
        (At::StartTls, "start-tls"),
        (At::Auth, "auth"),
        (At::Mail, "mail-from"),
        (At::Rcpt, "rcpt-to"),
        (At::Data, "data"),
    ];
    for (at, phase) in cases {
        let server = FaultServer::start(good().offers(&["AUTH PLAIN"]).at(at, Act::HangUp));
        let relay = Relay { auth: password("hunter2"), ..start_tls(&server) };
        let outcome = brief(&deliver(&server, &relay));
        assert_eq!(outcome, format!("down {phase}: the relay closed the connection"));
        assert!(server.all_messages().is_empty());
    }
    let server = FaultServer::start(good().at(At::Quit, Act::HangUp));
    receipt(deliver(&server, &start_tls(&server)));
}

#[test]
fn a_connection_lost_in_the_content_is_surely_not_accepted() {
    let large = b"0123456789 0123456789 0123456789\r\n".repeat(300_000);
    let cases = [
        (Act::HangUp, "down body: the relay closed the connection"),
        (Act::say("552 5.3.4 too big"), "too-large body: 552 5.3.4 too big"),
        (Act::say("421 4.3.2 closing"), "down body: 421 4.3.2 closing"),
        (Act::SayAndHangUp("552 5.3.4 too big".to_owned()), "too-large body: 552 5.3.4 too big"),
        (Act::SayAndHangUp("421 4.3.2 closing".to_owned()), "down body: 421 4.3.2 closing"),
        (Act::SayAndHangUp("451 4.3.0 disk full".to_owned()), "deferred body: 451 4.3.0 disk full"),
        (Act::SayAndHangUp("554 5.7.1 no".to_owned()), "refused body: 554 5.7.1 no"),
    ];
    for (act, expected) in cases {
        for transport in [Transport::StartTls, Transport::Plain] {
            let security = match transport {
                Transport::Plain => Security::NoneLoopbackOnly,
                _ => Security::StartTls,
            };
            let script = Script::new(transport).at(At::Body, act.clone());
            let server = FaultServer::start(script);
            let mut session = Session::open(&relay(&server, security)).unwrap();
            let mut asked = 0;
            let outcome = session.send(&parcel(&large), &mut || {
                asked += 1;
                Ok(())
            });
            assert_eq!(brief(&outcome), expected);
            assert_eq!(asked, 0, "the message never was about to be delivered");
            assert!(!session.is_usable());
            drop(session);
            server.settle();
            assert!(server.all_messages().is_empty());
            let arrived: Vec<usize> = server.cut_off().iter().map(Vec::len).collect();
            assert!(arrived.len() == 1 && arrived[0] < large.len(), "stopped early: {arrived:?}");
        }
    }
}

/// The last look comes after the note, which may have taken a while, and before the dot.
#[test]
fn a_relay_that_hangs_up_just_before_the_dot_leaves_no_doubt() {
    let cases = [
        (Act::HangUp, "down body: the relay closed the connection"),
        (Act::SayAndHangUp("451 4.3.0 disk full".to_owned()), "deferred body: 451 4.3.0 disk full"),
    ];
    for (act, expected) in cases {
        let server = FaultServer::start(good().at(At::Body, act));
        let mut session = Session::open(&start_tls(&server)).unwrap();
        let outcome = session.send(&parcel(TEXT), &mut || {
            server.settle();
            Ok(())
        });
        assert_eq!(brief(&outcome), expected);
        assert!(!session.is_usable());
    }
}

/// RFC 1047: the relay has the message, the client cannot know.
#[test]
fn silence_after_the_dot_is_doubt() {
    let slow = Act::Trickle("250 2.0.0 ok".to_owned(), Duration::from_millis(100));
    let cases = [
        (Act::HangUp, PATIENT, "the relay closed the connection, after the final dot"),
        (
            Act::SayAndHangUp("250-ok".to_owned()),
            PATIENT,
            "the relay closed the connection, after the final dot",
        ),
        (Act::Silence, SHORT, "the relay did not react within 0.4 s, after the final dot"),
        (slow, SHORT, "the relay did not react within 0.4 s, after the final dot"),
    ];
    for (act, wait, expected) in cases {
        let server = FaultServer::start(good().at(At::Dot, act));
        let relay = Relay { longest_wait: Some(wait), ..start_tls(&server) };
        let mut session = Session::open(&relay).unwrap();
        let mut asked = 0;
        let outcome = session.send(&parcel(TEXT), &mut || {
            asked += 1;
            Ok(())
        });
        assert_eq!(brief(&outcome), format!("in-doubt final-dot: {expected}"));
        assert!(matches!(outcome, Outcome::InDoubt { phase: Phase::FinalDot, .. }));
        assert_eq!((asked, session.is_usable()), (1, false));
        session.close();
        server.settle();
        assert_eq!(server.messages().len(), 1, "once, however it ended");
    }
}

#[test]
fn a_message_that_cannot_be_noted_is_not_sent() {
    let server = FaultServer::start(good());
    let mut session = Session::open(&start_tls(&server)).unwrap();
    let outcome = session.send(&parcel(TEXT), &mut || Err("disk full".to_owned()));
    assert_eq!(
        brief(&outcome),
        "deferred final-dot: the message could not be noted as on its way: disk full"
    );
    assert!(!session.is_usable());
    session.close();
    server.settle();
    assert!(server.all_messages().is_empty(), "no dot");
    assert_eq!(server.cut_off(), [TEXT], "and the whole content before it");
    assert_eq!(server.verbs(0).last().unwrap(), "DATA");
}

/// The note is made when nothing but the dot is missing: never for a refused message.
#[test]
fn only_a_message_whose_dot_follows_is_noted() {
    let script = good().when(At::Rcpt, "bad@", Act::say("550 no"));
    let server = FaultServer::start(script);
    let mut session = Session::open(&start_tls(&server)).unwrap();
    for (recipient, expected) in [("good@example.com", 1), ("bad@example.com", 0)] {
        let mut asked = 0;
        session.send(&to(recipient, TEXT), &mut || {
            asked += 1;
            assert!(server.all_messages().is_empty(), "the dot has not gone out");
            Ok(())
        });
        assert_eq!(asked, expected, "{recipient}");
    }
}

// --- Waiting ----------------------------------------------------------------------------

/// The outcome must come after one wait. A busy machine may spoil an attempt; a second wait
/// would spoil all three.
fn timed(script: &Script, expected: &str) {
    let attempt = || {
        let server = FaultServer::start(script.clone());
        let relay = Relay { longest_wait: Some(SHORT), ..start_tls(&server) };
        let started = Instant::now();
        let outcome = match Session::open(&relay) {
            Ok(mut session) => send(&mut session, &parcel(TEXT)),
            Err(failure) => Outcome::RelayDown(failure),
        };
        (brief(&outcome), started.elapsed())
    };
    let mut attempts = Vec::new();
    for _ in 0..3 {
        let (outcome, took) = attempt();
        if outcome.starts_with(expected) && took < SHORT * 2 {
            return;
        }
        attempts.push((outcome, took));
    }
    panic!("{expected}: {attempts:?}");
}

#[test]
fn a_silent_relay_is_waited_for_once() {
    timed(
        &good().at(At::Banner, Act::Silence),
        "down greeting: the relay did not react within 0.4 s",
    );
    timed(&good().at(At::StartTls, Act::Silence), "down start-tls: the relay did not react");
    timed(&good().at(At::Rcpt, Act::Silence), "down rcpt-to: the relay did not react");
    timed(&good().at(At::Dot, Act::Silence), "in-doubt final-dot: the relay did not react");
}

/// One byte at a time keeps every single read short; the deadline is that of the reply.
#[test]
fn a_trickling_relay_cannot_stretch_the_wait() {
    let drop_by_drop = |text: &str| Act::Trickle(text.to_owned(), Duration::from_millis(50));
    timed(
        &good().at(At::Banner, drop_by_drop("220 fault.example ESMTP")),
        "down greeting: the relay did",
    );
    timed(
        &good().at(At::Mail, drop_by_drop("250 2.1.0 sender is fine")),
        "down mail-from: the relay did",
    );
    let lines = "250-a\r\n".repeat(20);
    timed(
        &good().at(At::Mail, drop_by_drop(&format!("{lines}250 a"))),
        "down mail-from: the relay did",
    );
}

#[test]
fn a_slow_but_complete_reply_is_taken() {
    let act = Act::Trickle("250 2.0.0 ok".to_owned(), Duration::from_millis(5));
    let server = FaultServer::start(good().at(At::Dot, act));
    assert_eq!(receipt(deliver(&server, &start_tls(&server))).reply, "250 2.0.0 ok");
}

#[test]
fn replies_without_end_are_cut_short() {
    let cases = [
        ("220 no line end ", "longer than 4096 bytes"),
        ("220-again\r\n", "longer than 65536 bytes"),
        ("220-\r\n", "longer than 65536 bytes"),
    ];
    for (text, expected) in cases {
        let server = FaultServer::start(good().at(At::Banner, Act::Endless(text.to_owned())));
        let outcome = brief(&deliver(&server, &start_tls(&server)));
        assert!(outcome.starts_with("down greeting: "), "{outcome}");
        assert!(outcome.ends_with(expected), "{outcome}");
    }
}

/// A relay that stops reading blocks our writes, not only our reads; what it says before it
/// hangs up is heard all the same.
#[test]
fn a_relay_that_stops_reading_is_given_up() {
    let large = b"0123456789 0123456789 0123456789\r\n".repeat(300_000);
    let cases = [
        (SHORT, SHORT * 3, "250 never heard", "down body: the relay did not react within 0.4 s"),
        // Late enough that the client is stuck in a write when it is said and the line is cut.
        (PATIENT, SHORT * 2, "552 5.3.4 too big", "too-large body: 552 5.3.4 too big"),
    ];
    for (wait, pause, reply, expected) in cases {
        let server = FaultServer::start(good().at(At::Body, Act::Deaf(pause, reply.to_owned())));
        let relay = Relay { longest_wait: Some(wait), ..start_tls(&server) };
        let mut session = Session::open(&relay).unwrap();
        let started = Instant::now();
        assert_eq!(brief(&send(&mut session, &parcel(&large))), expected);
        assert!(started.elapsed() < SHORT * 5, "{:?}", started.elapsed());
        assert!(!session.is_usable());
    }
}

// --- Extensions -------------------------------------------------------------------------

#[test]
fn extensions_are_used_where_offered_in_any_case() {
    let offers = ["size 100000", "Dsn", "8bitmime", "SmtpUtf8", "x-unknown"];
    let server = FaultServer::start(good().offers(&offers));
    let mut session = Session::open(&start_tls(&server)).unwrap();
    receipt(send(&mut session, &to("ünï@exämple.org", "Subject: é\r\n".as_bytes())));
    let message = server.messages().remove(0);
    assert_eq!(
        message.mail,
        "MAIL FROM:<robot@example.org> SIZE=13 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=r+2B1@example.org"
    );
    assert_eq!(message.rcpts, ["RCPT TO:<ünï@exämple.org> NOTIFY=FAILURE,DELAY"]);
    assert_eq!(message.bytes, "Subject: é\r\n".as_bytes());
}

#[test]
fn start_tls_is_recognised_in_any_case() {
    let clear = "250-fault.example\r\n250 StartTls";
    let server = FaultServer::start(good().first(1, At::Ehlo, Act::say(clear)));
    receipt(deliver(&server, &start_tls(&server)));
    assert!(server.messages()[0].tls);
}

#[test]
fn without_smtputf8_a_domain_is_translated_and_a_name_is_not() {
    let server = FaultServer::start(good());
    let mut session = Session::open(&start_tls(&server)).unwrap();
    receipt(send(&mut session, &to("auditor@exämple.org", TEXT)));
    assert_eq!(server.messages()[0].rcpts, ["RCPT TO:<auditor@xn--exmple-cua.org>"]);
    let outcome = brief(&send(&mut session, &to("ünï@example.org", TEXT)));
    assert!(outcome.starts_with("refused rcpt-to: "), "{outcome}");
    assert!(outcome.contains("the relay lacks SMTPUTF8"), "{outcome}");
    let eight_bit = brief(&send(&mut session, &parcel("é".as_bytes())));
    assert!(eight_bit.starts_with("refused mail-from: the message holds 8-bit"), "{eight_bit}");
    assert!(session.is_usable(), "nothing was said of them");
    let from = Parcel { sender: "rübe@example.org", ..parcel(TEXT) };
    assert!(brief(&send(&mut session, &from)).starts_with("person mail-from: the sender"));
    session.close();
    server.settle();
    assert_eq!(server.verbs(0).iter().filter(|verb| *verb == "MAIL").count(), 1);
}

/// RFC 1870 section 6.3: the size is in the offer, so nothing needs to be said.
#[test]
fn a_message_over_the_announced_size_is_not_even_announced() {
    let limit = TEXT.len();
    let cases = [(limit, true), (limit - 1, false), (0, true)];
    for (announced, fits) in cases {
        let server = FaultServer::start(good().offers(&[&format!("SIZE {announced}")]));
        let mut session = Session::open(&start_tls(&server)).unwrap();
        let outcome = send(&mut session, &parcel(TEXT));
        if fits {
            receipt(outcome);
        } else {
            let expected = format!(
                "too-large mail-from: the message has {limit} octets, the relay takes at most {announced}"
            );
            assert_eq!(brief(&outcome), expected);
            assert!(session.is_usable());
            assert_eq!(server.verbs(0), ["EHLO", "STARTTLS", "EHLO"]);
        }
    }
}

// --- Reaching the relay -----------------------------------------------------------------

#[test]
fn a_relay_that_cannot_be_reached_is_down() {
    let server = FaultServer::start(good());
    let relay = start_tls(&server);
    drop(server);
    let outcome = Session::open(&relay).unwrap_err();
    assert_eq!((outcome.phase, outcome.needs_a_person), (Phase::Connect, false));
    // RFC 6761: the name `invalid` never resolves.
    let nowhere = Relay { host: "relay.invalid".to_owned(), ..relay };
    let outcome = Session::open(&nowhere).unwrap_err();
    assert_eq!((outcome.phase, outcome.needs_a_person), (Phase::Connect, false));
    assert!(outcome.why.starts_with("the address of relay.invalid cannot be found"), "{outcome}");
}

#[test]
fn our_name_is_fit_for_ehlo() {
    let server = FaultServer::start(good());
    let own = Relay { hello: None, ..start_tls(&server) };
    receipt(deliver(&server, &own));
    let said = server.commands()[0].line.clone();
    let name = said.strip_prefix("EHLO ").unwrap();
    assert!(name == "[127.0.0.1]" || name.contains('.'), "{said}");
    let literal = Relay { hello: Some("[IPv6:2001:db8::1]".to_owned()), ..start_tls(&server) };
    receipt(deliver(&server, &literal));
    assert!(
        server.commands().iter().any(|c| c.line.eq_ignore_ascii_case("EHLO [IPv6:2001:db8::1]"))
    );
    let broken = Relay { hello: Some("a\r\nMAIL FROM:<>".to_owned()), ..start_tls(&server) };
    assert!(Session::open(&broken).unwrap_err().needs_a_person);
    server.settle();
    assert!(server.verbs(2).is_empty());
}

#[test]
fn a_relay_that_recovers_is_used_again() {
    let server = FaultServer::start(good().at(At::Banner, Act::say("421 4.3.2 maintenance")));
    let relay = start_tls(&server);
    assert!(brief(&deliver(&server, &relay)).starts_with("down greeting"));
    server.set(good());
    receipt(deliver(&server, &relay));
    assert_eq!((server.connections(), server.messages().len()), (2, 1));
}
