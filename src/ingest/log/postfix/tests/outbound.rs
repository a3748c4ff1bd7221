//! What is read of mail that goes out.

use super::{active, check, delivery, proof_out, tls_to};

#[test]
fn a_connection_belongs_to_one_delivery() {
    let (a, b) = ("mx.a.example[192.0.2.8]:25", "mx.b.example[2001:db8::1]:25");
    let to_a = "out smtp mx.a.example 192.0.2.8 mx.a.example";
    let to_b = "out smtp mx.b.example 2001:db8::1 mx.b.example";
    let start = proof_out() + &active("AAAAA1") + &active("AAAAA2");
    // All recipients of the delivery.
    let one = start.clone() + &tls_to(a) + &delivery("AAAAA1", a, "") + &delivery("AAAAA1", a, "");
    let sent = format!("1 {to_a} tls1_3");
    check(&one, &[&sent, &sent]);
    // The next delivery has a connection of its own.
    let next = one.clone() + &delivery("AAAAA2", a, "");
    check(&next, &[&sent, &sent, &format!("2 {to_a} no_tls")]);
    // So has the next part of the same message, and its next attempt.
    let part = one.clone() + &delivery("AAAAA1", a, "").replace("5/1/2", "5/3/2");
    check(&part, &[&sent, &sent, &format!("1 {to_a} no_tls")]);
    let again = one + &active("AAAAA1") + &delivery("AAAAA1", a, "");
    check(&again, &[&sent, &sent, &format!("1 {to_a} no_tls")]);
    // The first server put it off, the second took it.
    let said = "19 smtp[5]: AAAAA1: host mx.a.example[192.0.2.8] said: 450 later\n";
    let second = start.clone() + &tls_to(a) + said + &delivery("AAAAA1", b, "");
    check(&second, &[&format!("1 {to_b} no_tls")]);
    let both = start.clone() + &tls_to(a) + said + &tls_to(b) + &delivery("AAAAA1", b, "");
    check(&both, &[&format!("1 {to_b} tls1_3")]);
    // A connection of a message that was put off is not that of the next one.
    let other = start.clone() + &tls_to(a) + said + &delivery("AAAAA2", a, "");
    check(&other, &[&format!("1 {to_a} no_tls")]);
    let deferred = delivery("AAAAA1", a, "").replace("sent (250 ok)", "deferred (450 later)");
    let other = start.clone() + &tls_to(a) + &deferred + &delivery("AAAAA2", a, "");
    check(&other, &[&format!("1 {to_a} no_tls")]);
    // Broken off, and tried again in clear.
    let lost = "19 smtp[5]: AAAAA1: lost connection with mx.a.example[192.0.2.8] while x\n";
    let plain = start.clone() + &tls_to(a) + lost + &delivery("AAAAA1", a, "");
    check(&plain, &[&format!("1 {to_a} no_tls")]);
    // Nothing tells processes apart.
    let no_pid = start.clone() + &tls_to(a) + &delivery("AAAAA1", a, "");
    check(&no_pid.replace("smtp[5]", "smtp"), &[&format!("1 {to_a} unknown")]);
    // Another process, another port, and one that is too old to be this delivery's.
    let process = start.clone() + &tls_to(a).replace("[5]", "[6]") + &delivery("AAAAA1", a, "");
    check(&process, &[&format!("1 {to_a} no_tls")]);
    let port = start.clone() + &tls_to(a) + &delivery("AAAAA1", &a.replace(":25", ":26"), "");
    check(&port, &[&format!("1 {to_a} no_tls")]);
    let late = delivery("AAAAA1", a, "").replace("20 smtp", "120 smtp");
    check(&(start + &tls_to(a) + &late), &[&format!("1 {to_a} no_tls")]);
}

#[test]
fn lines_of_old_versions_have_no_ports() {
    let lines = active("AAAAA1")
        + "18 smtp[5]: TLS connection established to mx.a.example[192.0.2.8]: TLSv1 with cipher X (1/1 bits)\n\
           20 smtp[5]: AAAAA1: to=<v@d>, relay=mx.a.example[192.0.2.8], delay=3, status=sent (250)";
    check(&lines, &["1 out smtp mx.a.example 192.0.2.8 mx.a.example tls1_0"]);
}

#[test]
fn reused_connections_are_known_and_prove_nothing() {
    let relay = "mx[192.0.2.8]:25";
    let reused = tls_to(relay).replace("established", "reused");
    let plain = active("AAAAA2") + &delivery("AAAAA2", "c[192.0.2.9]:25", "conn_use=2, ");
    let known = "1 out smtp mx 192.0.2.8 mx tls1_3";
    let carried = active("AAAAA1") + &tls_to(relay) + &delivery("AAAAA1", relay, "");
    let carried_again = active("AAAAA1") + &reused + &delivery("AAAAA1", relay, "conn_use=2, ");
    // Alone, the connection shows that smtp logs TLS.
    check(&(carried.clone() + &plain), &[known, "2 out smtp c 192.0.2.9 c no_tls"]);
    // Not when its server appears in other lines too, before or after.
    let by_proxy = tls_to(relay).replace("smtp[5]", "tlsproxy[7]");
    let connect = "18 tlsproxy[7]: CONNECT to [192.0.2.8]:25\n".to_owned();
    for more in [&reused, &by_proxy, &connect] {
        let first = more.replacen("18", "14", 1);
        for lines in [first + &carried + &plain, carried.clone() + &plain + more] {
            check(&lines, &[known, "2 out smtp c 192.0.2.9 c unknown"]);
        }
    }
    let gone = "30 tlsproxy[7]: DISCONNECT [192.0.2.8]:25\n";
    let lines = carried.clone() + &plain + gone + &tls_to(relay).replacen("18", "31", 1);
    check(&lines, &[known, "2 out smtp c 192.0.2.9 c unknown"]);
    // A client of postscreen is no server.
    let client = gone.replacen("30", "14", 1).replace("]:25", "]:4025");
    check(&(client + &carried + &plain), &[known, "2 out smtp c 192.0.2.9 c no_tls"]);
    check(&(carried_again.clone() + &plain), &[known, "2 out smtp c 192.0.2.9 c unknown"]);
    let both = carried_again + &proof_out() + &plain;
    check(&both, &[known, "2 out smtp c 192.0.2.9 c no_tls"]);
}

#[test]
fn a_delivery_that_began_before_the_log_is_unknown() {
    let relay = "mx[192.0.2.8]:25";
    let line = delivery("AAAAA1", relay, "");
    // It took 2.5 s; clocks are rounded.
    for (first, tls) in [("19", "unknown"), ("15", "unknown"), ("14", "no_tls"), ("1", "no_tls")] {
        let start = proof_out().replacen('1', first, 1);
        check(&(start + &line), &[&format!("1 out smtp mx 192.0.2.8 mx {tls}")]);
    }
    // A hole in the log is a beginning as well.
    let start = proof_out();
    let hole = line.replace("20 smtp", "1000 smtp");
    check(&(start.clone() + &hole), &["1 out smtp mx 192.0.2.8 mx unknown"]);
    let known = start + "999 qmgr[3]: AAAAA1: from=<u@b>, size=1, nrcpt=1 (queue active)\n" + &hole;
    check(&known, &["1 out smtp mx 192.0.2.8 mx no_tls"]);
}

#[test]
fn levels_tell_what_lines_do_not() {
    let relay = "mx[192.0.2.8]:25";
    let cases = [
        ("tls=may:none, ", "no_tls"),
        ("tls=none, ", "no_tls"),
        ("tls=may, ", "tls_unspecified"),
        ("tls=encrypt, ", "forced tls_unspecified"),
        ("tls=may?, ", "unknown"),
    ];
    for (attribute, tls) in cases {
        let lines = active("AAAAA1") + &delivery("AAAAA1", relay, attribute);
        check(&lines, &[&format!("1 out smtp mx 192.0.2.8 mx {tls}")]);
    }
    let lines = active("AAAAA1") + &tls_to(relay) + &delivery("AAAAA1", relay, "tls=encrypt, ");
    check(&lines, &["1 out smtp mx 192.0.2.8 mx forced tls1_3"]);
    let lines = active("AAAAA1") + &tls_to(relay) + &delivery("AAAAA1", relay, "tls=may:none, ");
    check(&lines, &["1 out smtp mx 192.0.2.8 mx no_tls"]);
}
