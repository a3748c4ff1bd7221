use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn sample() -> Value {
    json!({
        "organization-name": "Example Inc.",
        "date-range": {
            "start-datetime": "2026-11-09T00:00:00Z",
            "end-datetime": "2026-11-09T23:59:59Z",
        },
        "contact-info": "tls@example.net",
        "report-id": "2026-11-09T00:00:00Z_example.com",
        "policies": [{
            "policy": {
                "policy-type": "sts",
                "policy-string": ["version: STSv1", "mode: enforce"],
                "policy-domain": "example.com",
                "mx-host": ["*.example.com"],
            },
            "summary": {
                "total-successful-session-count": 20,
                "total-failure-session-count": 3,
            },
            "failure-details": [{
                "result-type": "starttls-not-supported",
                "sending-mta-ip": "192.0.2.1",
                "receiving-mx-hostname": "mx1.example.com",
                "receiving-mx-helo": "mx1",
                "receiving-ip": "198.51.100.1",
                "failed-session-count": 3,
                "additional-information": "https://example.net/1",
                "failure-reason-code": "X509_V_ERR",
            }],
        }],
    })
}

fn reports(value: &Value) -> Result<Vec<TlsReport>, TlsRptError> {
    read(value.to_string().as_bytes())
}

fn one(value: &Value) -> TlsReport {
    let mut reports = reports(value).unwrap();
    assert_eq!(reports.len(), 1);
    reports.remove(0)
}

/// The sample with the value at a path replaced, or removed.
fn with(path: &str, value: impl Into<Option<Value>>) -> Value {
    let mut sample = sample();
    let (parent, name) = path.rsplit_once('/').unwrap();
    let parent = sample.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    assert!(parent.remove(name).is_some(), "{path}");
    if let Some(value) = value.into() {
        parent.insert(name.to_owned(), value);
    }
    sample
}

#[test]
fn a_report_as_the_standard_has_it() {
    let expected = TlsReport {
        organisation: "Example Inc.".to_owned(),
        contact: Some("tls@example.net".to_owned()),
        report_id: Some("2026-11-09T00:00:00Z_example.com".to_owned()),
        start: "2026-11-09T00:00:00Z".parse().unwrap(),
        end: "2026-11-09T23:59:59Z".parse().unwrap(),
        policies: vec![PolicyReport {
            policy_type: PolicyType::Sts,
            strings: vec!["version: STSv1".to_owned(), "mode: enforce".to_owned()],
            domain: Some("example.com".to_owned()),
            mx_hosts: vec!["*.example.com".to_owned()],
            sessions: Sessions { successful: 20, failed: 3 },
            failures: vec![Failure {
                result_type: "starttls-not-supported".to_owned(),
                sessions: 3,
                sending_mta_ip: Some("192.0.2.1".to_owned()),
                receiving_mx_hostname: Some("mx1.example.com".to_owned()),
                receiving_mx_helo: Some("mx1".to_owned()),
                receiving_ip: Some("198.51.100.1".to_owned()),
                additional_information: Some("https://example.net/1".to_owned()),
                reason_code: Some("X509_V_ERR".to_owned()),
            }],
        }],
    };
    assert_eq!(one(&sample()), expected);
}

#[test]
fn lists_that_are_none() {
    let host =
        |value: Value| one(&with("/policies/0/policy/mx-host", value)).policies[0].mx_hosts.clone();
    assert_eq!(host(json!("mx.example.com")), ["mx.example.com"]);
    assert_eq!(host(json!(null)), [""; 0]);
    assert_eq!(host(json!([])), [""; 0]);
    let strings = one(&with("/policies/0/policy/policy-string", json!("3 1 1 AB")));
    assert_eq!(strings.policies[0].strings, ["3 1 1 AB"]);
    assert!(one(&with("/policies/0/policy/policy-string", None)).policies[0].strings.is_empty());

    let entry = sample()["policies"][0].clone();
    assert_eq!(one(&with("/policies", entry)).policies.len(), 1);
    let failure = sample()["policies"][0]["failure-details"][0].clone();
    let report = one(&with("/policies/0/failure-details", failure));
    assert_eq!(report.policies[0].failures.len(), 1);
}

#[test]
fn parts_that_are_missing_or_null() {
    for value in [None, Some(json!(null)), Some(json!(" "))] {
        assert_eq!(one(&with("/contact-info", value.clone())).contact, None);
        assert_eq!(one(&with("/report-id", value.clone())).report_id, None);
        let path = "/policies/0/policy/policy-domain";
        assert_eq!(one(&with(path, value.clone())).policies[0].domain, None);
        let path = "/policies/0/failure-details/0/sending-mta-ip";
        assert_eq!(one(&with(path, value.clone())).policies[0].failures[0].sending_mta_ip, None);
        let path = "/policies/0/failure-details/0/result-type";
        assert_eq!(one(&with(path, value.clone())).policies[0].failures[0].result_type, "");
        assert_eq!(one(&with("/organization-name", value)).organisation, "tls@example.net");
    }
    for value in [None, Some(json!(null))] {
        assert!(one(&with("/policies", value.clone())).policies.is_empty());
        let report = one(&with("/policies/0/failure-details", value.clone()));
        assert!(report.policies[0].failures.is_empty());
        let report = one(&with("/policies/0/policy", value.clone()));
        assert_eq!(report.policies[0].policy_type, PolicyType::Other(String::new()));
        let report = one(&with("/policies/0/summary", value.clone()));
        assert_eq!(report.policies[0].sessions, Sessions { successful: 0, failed: 3 });
        let path = "/policies/0/summary/total-failure-session-count";
        let report = one(&with(path, value.clone()));
        assert_eq!(report.policies[0].sessions, Sessions { successful: 20, failed: 0 });
        let path = "/policies/0/failure-details/0/failed-session-count";
        assert_eq!(one(&with(path, value)).policies[0].failures[0].sessions, 0);
    }
}

#[test]
fn policy_types() {
    let cases = [
        ("sts", PolicyType::Sts),
        ("TLSA", PolicyType::Tlsa),
        ("no-policy-found", PolicyType::NoPolicyFound),
        ("Something-Else", PolicyType::Other("Something-Else".to_owned())),
    ];
    for (name, expected) in cases {
        let report = one(&with("/policies/0/policy/policy-type", json!(name)));
        let found = &report.policies[0].policy_type;
        assert_eq!(*found, expected);
        assert!(found.name().eq_ignore_ascii_case(name));
    }
}

#[test]
fn numbers() {
    let path = "/policies/0/summary/total-successful-session-count";
    let accepted = [
        (json!(0), 0),
        (json!("7"), 7),
        (json!(" 7 "), 7),
        (json!(7.0), 7),
        (json!(u64::MAX), u64::MAX),
    ];
    for (value, expected) in accepted {
        assert_eq!(one(&with(path, value)).policies[0].sessions.successful, expected);
    }
    for value in [
        json!(-1),
        json!("-1"),
        json!("+1"),
        json!(1.5),
        json!("many"),
        json!(""),
        json!([1]),
        json!(true),
        json!("18446744073709551616"),
    ] {
        let error = reports(&with(path, value.clone())).unwrap_err();
        assert!(matches!(error, TlsRptError::Json(_)), "{value}: {error:?}");
    }
}

#[test]
fn ranges() {
    let range = |start: &str, end: &str| {
        let range = json!({"start-datetime": start, "end-datetime": end});
        reports(&with("/date-range", range))
            .map(|reports| (reports[0].start.timestamp(), reports[0].end.timestamp()))
    };
    let week = range("2026-11-02T00:00:00Z", "2026-11-08T23:59:59Z").unwrap();
    assert_eq!(week.1 - week.0, 7 * 86_400 - 1);
    let other = range("2026-11-02T01:00:00.000+01:00", "2026-11-08 23:59:59").unwrap();
    assert_eq!(other, week);
    assert!(range("2026-11-02T00:00:00Z", "2026-11-02T00:00:00Z").is_ok());
    let backwards = range("2026-11-09T00:00:00Z", "2026-11-08T00:00:00Z");
    assert!(matches!(backwards, Err(TlsRptError::Backwards { .. })));
    let wrong = range("yesterday", "2026-11-08T00:00:00Z").unwrap_err();
    let words = wrong.to_string();
    assert!(words.contains("start-datetime") && words.contains("yesterday"), "{words}");
    for path in ["/date-range", "/date-range/start-datetime", "/date-range/end-datetime"] {
        for value in [None, Some(json!(null))] {
            let error = reports(&with(path, value)).unwrap_err();
            let field = path.rsplit_once('/').unwrap().1;
            assert_eq!(error.to_string(), format!("the TLS report lacks {field}"));
        }
    }
}

#[test]
fn several_reports() {
    let text = sample().to_string();
    for many in [format!("[{text},{text}]"), format!("{text}{text}"), format!("\n{text}\n{text}\n")]
    {
        assert_eq!(read(many.as_bytes()).unwrap().len(), 2);
    }
    assert_eq!(read(format!("\u{feff}{text}").as_bytes()).unwrap().len(), 1);
    let latin = text.replace("Example Inc.", "Exampl\u{1}");
    let latin: Vec<u8> = latin.into_bytes();
    assert!(read(&latin).is_err(), "a control character is no JSON");
    let mut latin = text.into_bytes();
    let place = latin.windows(4).position(|part| part == b"Inc.").unwrap();
    latin[place] = 0xe9;
    assert_eq!(read(&latin).unwrap()[0].organisation, "Example \u{fffd}nc.");
}

#[test]
fn what_is_no_report() {
    for text in ["{}", "[]", "[{}]", "", " ", "{\"value\":[]}", "{\"contact-info\":\"x\"}"] {
        let error = read(text.as_bytes()).unwrap_err();
        assert!(matches!(error, TlsRptError::OtherJson), "{text}: {error:?}");
    }
    for text in ["x", "1", "\"x\"", "null", "{", "[1]", "{\"policies\":3}", "{\"report-id\":{}}"] {
        let error = read(text.as_bytes()).unwrap_err();
        assert!(matches!(error, TlsRptError::Json(_)), "{text}: {error:?}");
    }
    let mut nameless = with("/organization-name", None);
    nameless["contact-info"] = json!(null);
    let error = reports(&nameless).unwrap_err();
    assert!(matches!(error, TlsRptError::Missing { field: "organization-name" }));
    // One broken report among good ones is not passed over.
    let pair = format!("[{},{{}}]", sample());
    assert!(matches!(read(pair.as_bytes()), Err(TlsRptError::OtherJson)));
}

#[test]
fn limits() {
    let many = "{},".repeat(MAX_COMMAS) + "{}";
    let text = format!("{{\"report-id\":1,\"policies\":[{many}]}}");
    assert!(matches!(read(text.as_bytes()), Err(TlsRptError::TooManyEntries)));
    let deep = "[".repeat(100_000);
    assert!(matches!(read(deep.as_bytes()), Err(TlsRptError::Json(_))));
    let deep = format!("{{\"x\":{deep}");
    assert!(matches!(read(deep.as_bytes()), Err(TlsRptError::Json(_))));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..9),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = sample().to_string().into_bytes();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        is_tls_rpt(&bytes);
        is_tls_rpt_mail(&bytes);
        if let Ok(found) = documents(&bytes) {
            prop_assert_eq!(found.len(), 1);
        }
        if let Ok(reports) = read(&bytes) {
            prop_assert!(!reports.is_empty());
            prop_assert!(reports.iter().all(|report| report.start <= report.end));
            summarise(&reports);
        }
    }

    /// Whatever stands in place of a value, a report is read or an error is given.
    #[test]
    fn no_value_makes_it_panic(place in any::<prop::sample::Index>(), choice in 0..9_usize) {
        let values = [
            json!(null), json!(true), json!(-1), json!(1.5), json!(u64::MAX), json!("x"),
            json!([]), json!({}), json!([[{}, 1]]),
        ];
        let mut sample = sample();
        let paths = [
            "/organization-name", "/date-range", "/date-range/end-datetime", "/contact-info",
            "/report-id", "/policies", "/policies/0", "/policies/0/policy",
            "/policies/0/policy/policy-type", "/policies/0/policy/policy-string",
            "/policies/0/policy/mx-host/0", "/policies/0/summary",
            "/policies/0/summary/total-failure-session-count", "/policies/0/failure-details",
            "/policies/0/failure-details/0", "/policies/0/failure-details/0/receiving-ip",
        ];
        *sample.pointer_mut(paths[place.index(paths.len())]).unwrap() = values[choice].clone();
        if let Ok(reports) = reports(&sample) {
            summarise(&reports);
        }
    }
}
