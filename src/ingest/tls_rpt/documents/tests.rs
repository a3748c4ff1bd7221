use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

const REPORT: &str = r#"{"organization-name":"Example","report-id":"1","policies":[]}"#;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(in crate::ingest::tls_rpt) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for (index, chunk) in bytes.chunks(3).enumerate() {
        let mut bits = [0; 3];
        bits[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, bits[0], bits[1], bits[2]]);
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place)) as usize & 63];
            out.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
        if index % 19 == 18 {
            out.push_str("\r\n");
        }
    }
    out
}

/// A mail with a text and attachments of a declared type.
fn mail(attachments: &[(&str, &[u8])]) -> Vec<u8> {
    let mut mail = "From: reports@example.net\r\nTo: tls@example.com\r\nSubject: Report\r\n\
        MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=tlsrpt; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/plain\r\n\r\nA report.\r\n"
        .to_owned();
    for (declared, bytes) in attachments {
        let body = base64(bytes);
        mail.push_str(&format!(
            "--b\r\nContent-Type: {declared}\r\nContent-Transfer-Encoding: base64\r\n\r\n{body}\r\n"
        ));
    }
    mail.push_str("--b--\r\n");
    mail.into_bytes()
}

fn texts(bytes: &[u8]) -> Vec<String> {
    let found = documents(bytes).unwrap();
    found.iter().map(|json| String::from_utf8(json.to_vec()).unwrap()).collect()
}

#[test]
fn plain_and_compressed() {
    assert_eq!(texts(REPORT.as_bytes()), [REPORT]);
    assert_eq!(texts(format!("\u{feff}\n{REPORT}").as_bytes()).len(), 1);
    assert_eq!(texts(&gzip(REPORT.as_bytes())), [REPORT]);
    let twice = [gzip(b"[1,"), gzip(b"2]")].concat();
    assert_eq!(texts(&twice), ["[1,2]"]);
}

#[test]
fn in_mails() {
    let json = REPORT.as_bytes();
    let packed = gzip(json);
    let cases: [&[(&str, &[u8])]; 5] = [
        &[("application/tlsrpt+gzip", &packed)],
        &[("application/tlsrpt+json", json)],
        &[("application/octet-stream; name=\"report.json.gz\"", &packed)],
        &[("text/plain; charset=utf-8", json)],
        // Other attachments do not matter, whatever they claim to be.
        &[
            ("application/gzip", &gzip(b"<feedback/>")),
            ("application/json", b"{}"),
            ("image/png", json),
        ],
    ];
    for attachments in cases {
        let mail = mail(attachments);
        assert_eq!(texts(&mail), [REPORT], "{attachments:?}");
        assert_eq!(texts(&gzip(&mail)), [REPORT], "{attachments:?}");
    }
    let both = mail(&[("application/tlsrpt+gzip", &packed), ("application/tlsrpt+json", json)]);
    assert_eq!(texts(&both), [REPORT, REPORT]);
    let single = format!("Subject: x\r\nContent-Type: application/tlsrpt+json\r\n\r\n{REPORT}");
    assert_eq!(texts(single.as_bytes()), [REPORT]);
}

fn forwarded(inner: &[u8]) -> Vec<u8> {
    let head = b"Subject: Fwd\r\nMIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\n";
    [head.as_slice(), inner].concat()
}

#[test]
fn in_forwarded_mails() {
    let mut bytes = mail(&[("application/tlsrpt+gzip", &gzip(REPORT.as_bytes()))]);
    for _ in 0..3 {
        bytes = forwarded(&bytes);
        assert_eq!(texts(&bytes), [REPORT]);
    }
    for _ in 0..200 {
        bytes = forwarded(&bytes);
    }
    assert!(matches!(documents(&bytes), Err(TlsRptError::NoReport)));
    // Deep enough to exhaust the stack of a reader that follows every level.
    bytes = forwarded(b"").repeat(100_000);
    assert!(matches!(documents(&bytes), Err(TlsRptError::NoReport)));
}

#[test]
fn without_a_report() {
    for bytes in [&b""[..], b"hello", b"\x89PNG\r\n", &gzip(b"hello"), &mail(&[])] {
        assert!(matches!(documents(bytes), Err(TlsRptError::NoReport)), "{bytes:?}");
    }
    let other = mail(&[("application/json", br#"{"organization-name":"x"}"#)]);
    assert!(matches!(documents(&other), Err(TlsRptError::NoReport)));
}

#[test]
fn damaged_data() {
    let packed = gzip(REPORT.as_bytes());
    let cut = &packed[..packed.len() - 9];
    assert!(matches!(documents(cut), Err(TlsRptError::Gzip(_))));
    let mut wrong = packed.clone();
    *wrong.last_mut().unwrap() ^= 1;
    assert!(matches!(documents(&wrong), Err(TlsRptError::Gzip(_))));
    for declared in ["application/tlsrpt+gzip", "application/gzip"] {
        let mail = mail(&[(declared, cut)]);
        assert!(matches!(documents(&mail), Err(TlsRptError::Gzip(_))), "{declared}");
    }
    // A damaged report is not passed over because of another one; a damaged stranger is.
    let good: (&str, &[u8]) = ("application/tlsrpt+gzip", &packed);
    let bad = mail(&[good, ("Application/TLSRPT+gzip", cut)]);
    assert!(matches!(documents(&bad), Err(TlsRptError::Gzip(_))));
    assert_eq!(texts(&mail(&[("application/gzip", cut), good])), [REPORT]);
}

#[test]
fn bombs() {
    let most = usize::try_from(MAX_BYTES).unwrap();
    let mut spaces = vec![b' '; most - REPORT.len()];
    spaces.extend_from_slice(REPORT.as_bytes());
    assert_eq!(documents(&gzip(&spaces)).unwrap()[0].len(), most);
    spaces.push(b' ');
    let bomb = gzip(&spaces);
    assert!(bomb.len() < 100_000);
    assert!(matches!(documents(&bomb), Err(TlsRptError::TooLarge)));
    // The bound holds for a mail as a whole.
    let half = gzip(&spaces[spaces.len() / 2 - 1..]);
    let part: (&str, &[u8]) = ("application/tlsrpt+gzip", &half);
    assert_eq!(documents(&mail(&[part])).unwrap().len(), 1);
    assert!(matches!(documents(&mail(&[part, part])), Err(TlsRptError::TooLarge)));
}
