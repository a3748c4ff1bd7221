//! What is read of mail that comes in.

use super::{TLS13, check, log, mails, proof, proof_out};

#[test]
fn all_messages_of_a_session_share_its_protection() {
    let lines = format!(
        "10 smtpd[1]: connect from a.example.org[192.0.2.1]
         10 smtpd[1]: Anonymous TLS connection established from a.example.org[192.0.2.1]: {TLS13}
         10 smtpd[1]: AAAAA1: client=a.example.org[192.0.2.1]
         10 cleanup[2]: AAAAA1: message-id=<x@y>
         10 qmgr[3]: AAAAA1: from=<u@Sender.Example.org>, size=1, nrcpt=1 (queue active)
         11 smtpd[1]: AAAAA2: client=a.example.org[192.0.2.1]
         11 smtpd[1]: disconnect from a.example.org[192.0.2.1] ehlo=2 starttls=1 mail=2
         11 smtpd[1]: connect from unknown[192.0.2.2]
         11 smtpd[1]: AAAAA3: client=unknown[192.0.2.2]
         11 qmgr[3]: AAAAA3: from=<>, size=1, nrcpt=1 (queue active)
         11 qmgr[3]: AAAAA2: from=<>, size=1, nrcpt=1 (queue active)
         11 qmgr[3]: AAAAA2: from=<>, size=1, nrcpt=1 (queue active)"
    );
    check(
        &lines,
        &[
            "1 in smtpd a.example.org 192.0.2.1 sender.example.org tls1_3",
            "2 in smtpd - 192.0.2.2 - no_tls",
            "3 in smtpd a.example.org 192.0.2.1 a.example.org tls1_3",
        ],
    );
}

/// A process that dies says no goodbye.
#[test]
fn a_session_begins_anew_with_each_connect() {
    let lines = proof().replace("[99]", "[1]").lines().take(2).collect::<Vec<_>>().join("\n")
        + "\n9 smtpd[1]: connect from p.example.org[192.0.2.99]
         10 smtpd[1]: AAAAA1: client=p.example.org[192.0.2.99]
         10 qmgr[3]: AAAAA1: from=<u@b.example>, size=1, nrcpt=1 (queue active)";
    check(&lines, &["1 in smtpd p.example.org 192.0.2.99 b.example no_tls"]);
}

#[test]
fn no_tls_is_said_only_where_smtpd_is_known_to_log_it() {
    let lines = "10 submission/smtpd[1]: connect from a[192.0.2.1]
         10 submission/smtpd[1]: AAAAA1: client=a[192.0.2.1], sasl_method=PLAIN
         10 qmgr[3]: AAAAA1: from=<u@b.example>, size=1, nrcpt=1 (queue active)";
    check(lines, &["1 in submission a 192.0.2.1 b.example unknown"]);
    let proven = proof() + lines;
    check(&proven, &["1 in submission a 192.0.2.1 b.example no_tls"]);
    // Lines of smtp say nothing of smtpd.
    check(&(proof_out() + lines), &["1 in submission a 192.0.2.1 b.example unknown"]);
    // Those of another instance neither.
    let other = log(&proof()).into_iter().map(|line| line.replace("postfix/", "postfix-b/"));
    let both = [other.collect(), log(lines)];
    assert_eq!(mails(&both), ["1 in submission a 192.0.2.1 b.example unknown"]);
}

#[test]
fn a_session_of_before_the_log_is_unknown() {
    let tail = "10 smtpd[1]: AAAAA1: client=a[192.0.2.1]
         10 qmgr[3]: AAAAA1: from=<u@b.example>, size=1, nrcpt=1 (queue active)";
    check(&(proof() + tail), &["1 in smtpd a 192.0.2.1 b.example unknown"]);
    // The session is another one's: the log has a hole, or a proxy named this client.
    let other = proof() + "2 smtpd[1]: connect from c[192.0.2.7]\n" + tail;
    check(&other, &["1 in smtpd a 192.0.2.1 b.example unknown"]);
    // It ended.
    let ended = proof()
        + "2 smtpd[1]: connect from a[192.0.2.1]\n2 smtpd[1]: disconnect from a[192.0.2.1]\n"
        + tail;
    check(&ended, &["1 in smtpd a 192.0.2.1 b.example unknown"]);
    // Its TLS line is the first that is seen.
    let tls = format!("2 smtpd[1]: TLS connection established from a[192.0.2.1]: {TLS13}\n{tail}");
    check(&tls, &["1 in smtpd a 192.0.2.1 b.example tls1_3"]);
    // Nothing tells processes apart.
    let no_pid = proof()
        + "2 smtpd: connect from a[192.0.2.1]\n2 smtpd: AAAAA1: client=a[192.0.2.1]\n\
           3 qmgr[3]: AAAAA1: from=<u@b.example>, size=1, nrcpt=1 (queue active)";
    check(&no_pid, &["1 in smtpd a 192.0.2.1 b.example unknown"]);
}

#[test]
fn a_client_line_is_no_acceptance() {
    let start = "10 smtpd[1]: connect from a[192.0.2.1]
         10 smtpd[1]: AAAAA1: client=a[192.0.2.1]
         10 cleanup[2]: AAAAA1: message-id=<x@y>\n";
    for end in [
        "11 cleanup[2]: AAAAA1: reject: header Subject: x from a[192.0.2.1]; from=<u@b>: no",
        "11 smtpd[1]: warning: AAAAA1: queue file size limit exceeded",
        "11 smtpd[1]: lost connection after DATA (20 bytes) from a[192.0.2.1]",
        "11 smtpd[1]: disconnect from a[192.0.2.1]",
        "11 qmgr[3]: AAAAA1: from=<u@b>, status=expired, returned to sender",
        "11 qmgr[3]: AAAAA1: from=<u@b>, size=1, nrcpt=1 (queue act",
        "11 cleanup[2]: AAAAA1: warning: header Subject: x hold: discard: (queue active)",
    ] {
        check(&(start.to_owned() + end), &[]);
    }
}

#[test]
fn mail_on_hold_was_accepted_unless_its_session_broke_off() {
    let start = "10 smtpd[1]: connect from a[192.0.2.1]
         10 smtpd[1]: AAAAA1: client=a[192.0.2.1]\n";
    let held = ["1 in smtpd a 192.0.2.1 a unknown"];
    let held_by = [
        "hold: header Subject: x from a[192.0.2.1]; from=<u@b>: y",
        "discard: header Subject: x from a[192.0.2.1]; from=<u@b>: y",
        "milter-hold: END-OF-MESSAGE from a[192.0.2.1]: y",
        "milter-discard: END-OF-MESSAGE from a[192.0.2.1]: y",
    ];
    for action in held_by {
        let start = format!("{start}11 cleanup[2]: AAAAA1: {action}\n");
        for end in ["", "11 smtpd[1]: disconnect from a[192.0.2.1]"] {
            check(&format!("{start}{end}"), &held);
        }
        for next in ["AAAAA2: client=a[192.0.2.1]", "connect from a[192.0.2.1]"] {
            check(&format!("{start}12 smtpd[1]: {next}"), &held);
        }
        // Released later: counted once.
        let released = "11 smtpd[1]: disconnect from a[192.0.2.1]
            99 qmgr[3]: AAAAA1: from=<u@b.example>, size=1, nrcpt=1 (queue active)";
        check(&format!("{start}{released}"), &held);
        for end in [
            "smtpd[1]: lost connection after DATA (9 bytes) from a[192.0.2.1]",
            "smtpd[1]: timeout after BDAT from a[192.0.2.1]",
            "smtpd[1]: warning: AAAAA1: queue file size limit exceeded",
            "cleanup[2]: AAAAA1: reject: body x from a[192.0.2.1]; from=<u@b>: no",
            "cleanup[2]: AAAAA1: milter-reject: END-OF-MESSAGE from a[192.0.2.1]: no",
            "smtpd[1]: AAAAA1: reject: END-OF-MESSAGE from a[192.0.2.1]: no",
        ] {
            let end = "\n11 smtpd[1]: disconnect from a[192.0.2.1]".to_owned() + "\n12 " + end;
            let (quit, end) = end.rsplit_once("\n12 ").unwrap();
            check(&format!("{start}11 {end}{quit}"), &[]);
        }
        // Broken off after the message.
        let end = "11 smtpd[1]: lost connection after END-OF-MESSAGE from a[192.0.2.1]";
        check(&format!("{start}{end}"), &held);
    }
    // By smtpd at RCPT: the text must still come.
    let rcpt = format!("{start}10 smtpd[1]: AAAAA1: hold: RCPT from a[192.0.2.1]: <u>: y\n");
    let end = "12 smtpd[1]: disconnect from a[192.0.2.1]";
    check(&format!("{rcpt}{end}"), &[]);
    check(&format!("{rcpt}11 cleanup[2]: AAAAA1: message-id=<x@y>\n{end}"), &held);
}

#[test]
fn a_filter_before_the_queue_hides_no_mail() {
    let lines = format!(
        "10 smtpd[1]: connect from a[192.0.2.1]
         10 smtpd[1]: Anonymous TLS connection established from a[192.0.2.1]: {TLS13}
         10 smtpd[1]: NOQUEUE: client=a[192.0.2.1]
         11 smtpd[1]: proxy-accept: END-OF-MESSAGE: 250 2.0.0 Ok: queued as AAAAA1; \
            from=<u@B.example> to=<v@c.example> proto=ESMTP helo=<a>
         11 smtpd[1]: NOQUEUE: client=a[192.0.2.1]
         12 smtpd[1]: proxy-reject: END-OF-MESSAGE: 554 5.7.0 no; from=<u@b.example>
         12 smtpd[2]: proxy-accept: END-OF-MESSAGE: 250 ok; from=<u@b.example>
         12 smtpd[1]: proxy-accept: CONNECT: 250 ok; from=<u@b.example>"
    );
    check(&lines, &["1 in smtpd a 192.0.2.1 b.example tls1_3"]);
    let again = "\n13 smtpd[1]: proxy-accept: END-OF-MESSAGE: 250 ok; from=<u@b.example>";
    let twice = lines + again + again;
    let second = "2 in smtpd a 192.0.2.1 b.example tls1_3";
    check(&twice, &["1 in smtpd a 192.0.2.1 b.example tls1_3", second]);
}
