use mail_parser::{MessageParser, PartType};
use proptest::prelude::*;

use super::*;
use crate::ingest::tls_rpt::documents::tests::base64 as base64_of;

fn leaves(mail: &[u8]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    each_leaf(mail, &mut |kind, content| {
        found.push((kind.to_owned(), String::from_utf8_lossy(content).into_owned()));
        Ok(())
    })
    .unwrap();
    found
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(kind, text)| ((*kind).to_owned(), (*text).to_owned())).collect()
}

/// With both kinds of line ends.
fn check(mail: &str, expected: &[(&str, &str)]) {
    assert_eq!(leaves(mail.as_bytes()), pairs(expected), "{mail}");
    let crlf = mail.replace('\n', "\r\n");
    let expected: Vec<_> =
        expected.iter().map(|(kind, text)| (*kind, text.replace('\n', "\r\n"))).collect();
    let expected: Vec<_> = expected.iter().map(|(kind, text)| (*kind, text.as_str())).collect();
    assert_eq!(leaves(crlf.as_bytes()), pairs(&expected), "{crlf:?}");
}

#[test]
fn mails_of_one_part() {
    check("Subject: x\n\nhello\n", &[("", "hello\n")]);
    check("content-TYPE: Text/Plain; charset=x\n\nhello", &[("text/plain", "hello")]);
    check("Content-Type:\n application/json\n\n{}", &[("application/json", "{}")]);
    let encoded = "Content-Type: a/b\nContent-Transfer-Encoding: BASE64 \n\naGVs\nbG8=\n";
    check(encoded, &[("a/b", "hello")]);
    check(
        "Content-Transfer-Encoding: quoted-printable\n\n{=22a=\n=22}=zz=",
        &[("", "{\"a\"}=zz=")],
    );
    check("From ana@example.net Mon\nContent-Type: a/b\n\nx", &[("a/b", "x")]);
    check("", &[("", "")]);
    check("no header at all", &[("", "")]);
}

#[test]
fn multiparts() {
    let plain = "Content-Type: multipart/mixed; boundary=b; x=y\n\nbefore\n--b\n\none\n--b  \n\
        Content-Type: a/b\n\ntwo\n\n--b--\nafter\n--b\n\nthree\n";
    check(plain, &[("", "one"), ("a/b", "two\n")]);
    let quoted = "Content-Type: multipart/report; report-type=tlsrpt;\n boundary=\"a;b \\\"c\"\n\n\
        --a;b \"c\nContent-Type: a/b\n\none\n--a;b \"c--\n";
    check(quoted, &[("a/b", "one")]);
    let cut = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntw";
    check(cut, &[("", "one"), ("", "tw")]);
    let nested = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\
        Content-Type: multipart/alternative; boundary=bb\n\n--bb\n\none\n--bb--\n--bx\n--b\n\ntwo\n--b--\n";
    check(nested, &[("", "one"), ("", "two")]);
    let none = "Content-Type: multipart/mixed\n\n--b\n\none\n";
    check(none, &[("multipart/mixed", "--b\n\none\n")]);
}

#[test]
fn forwarded_mails() {
    let plain = "Content-Type: message/rfc822\n\nContent-Type: a/b\n\nhello";
    check(plain, &[("a/b", "hello")]);
    let encoded = "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n\
        Q29udGVudC1UeXBlOiBhL2IKCmhlbGxv";
    check(encoded, &[("a/b", "hello")]);
}

#[test]
fn depth_is_bounded() {
    let forwarded = |_: usize| "Content-Type: message/rfc822\n\n".to_owned();
    let multipart =
        |level: usize| format!("Content-Type: multipart/x; boundary=b{level}\n\n--b{level}\n");
    let heads: [&dyn Fn(usize) -> String; 2] = [&forwarded, &multipart];
    for head in heads {
        let mail = |levels: usize| {
            (0..levels).map(head).collect::<String>() + "Content-Type: a/b\n\nhello"
        };
        assert_eq!(leaves(mail(MAX_DEPTH).as_bytes()), pairs(&[("a/b", "hello")]));
        assert_eq!(leaves(mail(MAX_DEPTH + 1).as_bytes()), []);
        assert_eq!(leaves(mail(100_000).as_bytes()), []);
    }
}

#[test]
fn an_error_ends_the_walk() {
    let mut seen = 0;
    let mail = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n--b--\n";
    let end = each_leaf(mail, &mut |_, _| {
        seen += 1;
        Err(TlsRptError::TooLarge)
    });
    assert!(matches!(end, Err(TlsRptError::TooLarge)));
    assert_eq!(seen, 1);
}

#[test]
fn long_lines_take_no_longer_than_their_length() {
    let line = "=".repeat(4 << 20);
    let mail = format!("Content-Transfer-Encoding: quoted-printable\n\n{line}");
    assert_eq!(leaves(mail.as_bytes())[0].1.len(), line.len());
}

/// Contents as another reader finds them.
fn by_another_reader(mail: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut open = vec![MessageParser::default().parse(mail).unwrap()];
    while let Some(message) = open.pop() {
        for part in message.parts {
            match part.body {
                PartType::Text(text) | PartType::Html(text) => {
                    found.push(text.as_bytes().to_vec());
                }
                PartType::Binary(bytes) | PartType::InlineBinary(bytes) => {
                    found.push(bytes.to_vec());
                }
                PartType::Message(inner) => open.push(inner.into_owned()),
                PartType::Multipart(_) => {}
            }
        }
    }
    found.sort();
    found
}

/// A mail with one part for each subtype, text and form of encoding.
fn written(parts: &[(String, String, u8)]) -> String {
    let mut mail = "From: a@example.net\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=\"=_1\"\r\n"
        .to_owned();
    for (subtype, text, form) in parts {
        let (kind, encoding, body) = match form {
            0 => (format!("application/{subtype}"), "7bit", text.clone()),
            1 => {
                let quoted: Vec<_> = text.bytes().map(|byte| format!("={byte:02X}")).collect();
                ("image/x".to_owned(), "quoted-printable", quoted.join("=\r\n"))
            }
            2 => (format!("application/{subtype}"), "base64", base64_of(text.as_bytes())),
            _ => ("message/rfc822".to_owned(), "8bit", format!("Subject: x\r\n\r\n{text}")),
        };
        mail.push_str(&format!(
            "\r\n--=_1\r\nContent-Type: {kind}\r\n\
            Content-Transfer-Encoding: {encoding}\r\n\r\n{body}"
        ));
    }
    mail + "\r\n--=_1--\r\n"
}

proptest! {
    #[test]
    fn well_formed_mails_are_read_as_by_another_reader(
        parts in proptest::collection::vec(("[a-z]{1,9}", "[!-,.-~][ -~]{0,99}[!-~]", 0..4_u8), 1..6),
    ) {
        let mail = written(&parts);
        let mut found: Vec<_> =
            leaves(mail.as_bytes()).into_iter().map(|(_, text)| text.into_bytes()).collect();
        found.sort();
        prop_assert_eq!(found, by_another_reader(mail.as_bytes()));
    }

    #[test]
    fn no_bytes_make_it_panic(
        parts in proptest::collection::vec(("[a-z]{1,9}", ".{0,99}", 0..4_u8), 1..6),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
    ) {
        let mut mail = written(&parts).into_bytes();
        for (place, byte) in changes {
            let place = place.index(mail.len());
            mail[place] = byte;
        }
        leaves(&mail);
    }
}
