//! Tells reports from their first bytes, which may be cut anywhere.

/// Looked at; a report shows itself long before.
const MOST: usize = 64 << 10;

/// Fields of a report itself.
const OUTER: [&[u8]; 5] =
    [b"organization-name", b"contact-info", b"date-range", b"report-id", b"policies"];
/// Fields within its policies, which may come first and be long.
const INNER: [&[u8]; 3] = [b"policy", b"summary", b"failure-details"];

/// Says whether a text begins as the JSON of a TLS report does: with two of its fields, or
/// with policies and a field of theirs. Only keys count, at the depth where they belong.
pub fn is_tls_rpt(start: &[u8]) -> bool {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    let start = start.get(..MOST).unwrap_or(start);
    // Reports may come in an array.
    let outer_depth = match start.first() {
        Some(b'{') => 1,
        Some(b'[') => 2,
        _ => return false,
    };
    let mut seen = [false; OUTER.len()];
    let mut inner = false;
    each_key(start, &mut |key, depth| {
        if depth == outer_depth {
            for (seen, field) in seen.iter_mut().zip(OUTER) {
                *seen |= key == field;
            }
        } else {
            inner |= depth == outer_depth + 2 && INNER.contains(&key);
        }
    });
    let outer = seen.iter().filter(|seen| **seen).count();
    let policies = seen.last() == Some(&true);
    outer >= 2 || (policies && inner)
}

/// Calls `each` with every key and the number of brackets around it.
fn each_key(json: &[u8], each: &mut dyn FnMut(&[u8], usize)) {
    let mut rest = json;
    let mut depth = 0_usize;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                let Some(end) = end_of_text(rest) else { return };
                let text = rest.get(..end).unwrap_or_default();
                rest = rest.get(end + 1..).unwrap_or_default();
                if rest.trim_ascii_start().first() == Some(&b':') {
                    each(text, depth);
                }
            }
            _ => {}
        }
    }
}

/// Place of the quote that ends a text.
fn end_of_text(bytes: &[u8]) -> Option<usize> {
    let mut escaped = false;
    bytes.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    })
}

/// Says whether the header of a mail declares a TLS report, as RFC 8460 asks its sender to.
/// A mail that was forwarded as an attachment does not.
pub fn is_tls_rpt_mail(start: &[u8]) -> bool {
    let start = start.get(..MOST).unwrap_or(start);
    let first = start.split(|byte| *byte == b':').next().unwrap_or_default();
    let name = |byte: &u8| byte.is_ascii_graphic();
    if first.is_empty() || first.len() == start.len() || !first.iter().all(name) {
        return false;
    }
    let mut value = false;
    for line in start.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            if line.starts_with(b"tls-report-domain:") || line.starts_with(b"tls-report-submitter:")
            {
                return true;
            }
            value = line.starts_with(b"content-type:");
        }
        if value && memchr::memmem::find(&line, b"tlsrpt").is_some() {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_of_reports() {
        let whole = r#"{ "organization-name" : "Example \"Inc\"", "date-range": {"start-datetime": "x"}, "contact-info": null, "report-id": "1", "policies": [{"policy": {}}]}"#;
        assert!(is_tls_rpt(whole.as_bytes()));
        // The second field is enough, wherever the text is cut after it.
        let second = whole.find("date-range").unwrap() + 12;
        for end in 0..whole.len() {
            assert_eq!(is_tls_rpt(&whole.as_bytes()[..end]), end >= second, "{end}");
        }
        let others = [
            "[{\"report-id\": 1, \"policies\": []}]",
            "\u{feff} {\"contact-info\":\"a\",\"date-range\":{",
            "{\"policies\":[{\"failure-details\":[{\"result-type\":\"x",
            "{\"policies\":{\"a\":{\"policy\":{",
            r#"{"contact-info":"x\"y","report-id":1}"#,
            r#"{"contact-info":"x\\","report-id":1}"#,
        ];
        for text in others {
            assert!(is_tls_rpt(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn starts_of_something_else() {
        let others = [
            "",
            "{",
            "[",
            "organization-name, report-id, policies",
            "{\"organization-name\":\"x\"}",
            "{\"policies\":[{\"name\":\"x\"}]}",
            "{\"policies\":[],\"x\":[{\"y\":{\"policy\":1}}]}",
            "{\"text\":\"\\\"report-id\\\": 1, \\\"policies\\\": []\"}",
            "{\"text\":[\"report-id\",\"policies\"]}",
            "{\"inner\":{\"report-id\":1,\"policies\":[]}}",
            "[[{\"report-id\":1,\"policies\":[]}]]",
        ];
        for text in others {
            assert!(!is_tls_rpt(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn mails_that_declare_a_report() {
        let mails = [
            "From: a@example.net\r\nTLS-Report-Domain: example.com\r\n\r\n",
            "tls-report-submitter: example.net\n",
            "Content-Type: multipart/report;\r\n report-type=\"tlsrpt\"\r\n\r\n",
            "Content-Type: application/TLSRPT+gzip; name=x\n\n",
        ];
        for mail in mails {
            assert!(is_tls_rpt_mail(mail.as_bytes()), "{mail}");
        }
        let others = [
            "",
            "no header at all, TLS-Report-Domain: x",
            "Subject: TLS-Report-Domain: tlsrpt\n\n",
            "Subject: x\n\nTLS-Report-Domain: example.com\n",
            "Content-Type: text/plain\nX-Note: tlsrpt\n\n",
        ];
        for mail in others {
            assert!(!is_tls_rpt_mail(mail.as_bytes()), "{mail}");
        }
    }
}
