//! Totals over reports.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::ingest::tls_rpt::{PolicyType, TlsReport};

/// Sessions by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sessions {
    /// As the policy asks.
    pub successful: u64,
    /// Not so.
    pub failed: u64,
}

impl Sessions {
    fn add(&mut self, other: Self) {
        self.successful = self.successful.saturating_add(other.successful);
        self.failed = self.failed.saturating_add(other.failed);
    }
}

/// What one organisation reported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sender {
    /// Its reports, without duplicates.
    pub reports: u64,
    /// Their sessions.
    pub sessions: Sessions,
}

/// A report that came more than once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// Who sent it.
    pub organisation: String,
    /// Its identity.
    pub report_id: String,
    /// Copies beyond the first.
    pub copies: u64,
    /// Whether any copy says something else than the first, which is the one counted.
    pub differs: bool,
}

/// Totals over reports. A report is told by its organisation and its identity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Reports counted.
    pub reports: u64,
    /// Reports that came more than once, by organisation and identity.
    pub duplicates: Vec<Duplicate>,
    /// Sessions of all reports.
    pub sessions: Sessions,
    /// Sessions by kind of policy.
    pub by_policy_type: BTreeMap<PolicyType, Sessions>,
    /// Failed sessions by reason. A report's details need not add up to its totals.
    pub by_result_type: BTreeMap<String, u64>,
    /// Reports and sessions by sender.
    pub by_organisation: BTreeMap<String, Sender>,
    /// First begin and last end; `None` without reports.
    pub span: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

/// Adds reports up; of reports with the same organisation and identity the first counts.
pub fn summarise(reports: &[TlsReport]) -> Summary {
    let mut summary = Summary::default();
    let mut known: BTreeMap<(&str, &str), (&TlsReport, Duplicate)> = BTreeMap::new();
    for report in reports {
        let Some(report_id) = report.report_id.as_deref() else {
            summary.add(report);
            continue;
        };
        let key = (report.organisation.as_str(), report_id);
        if let Some((first, duplicate)) = known.get_mut(&key) {
            duplicate.copies += 1;
            duplicate.differs |= *first != report;
            continue;
        }
        let duplicate = Duplicate {
            organisation: report.organisation.clone(),
            report_id: report_id.to_owned(),
            copies: 0,
            differs: false,
        };
        known.insert(key, (report, duplicate));
        summary.add(report);
    }
    let duplicates = known.into_values().map(|(_, duplicate)| duplicate);
    summary.duplicates = duplicates.filter(|duplicate| duplicate.copies > 0).collect();
    summary
}

impl Summary {
    fn add(&mut self, report: &TlsReport) {
        self.reports += 1;
        let sender = self.by_organisation.entry(report.organisation.clone()).or_default();
        sender.reports += 1;
        for policy in &report.policies {
            self.sessions.add(policy.sessions);
            sender.sessions.add(policy.sessions);
            self.by_policy_type.entry(policy.policy_type.clone()).or_default().add(policy.sessions);
            for failure in &policy.failures {
                let count = self.by_result_type.entry(failure.result_type.clone()).or_default();
                *count = count.saturating_add(failure.sessions);
            }
        }
        self.span = Some(match self.span {
            None => (report.start, report.end),
            Some((first, last)) => (first.min(report.start), last.max(report.end)),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::tls_rpt::read;

    fn report(organisation: &str, id: &str, day: u32, failed: u64) -> String {
        format!(
            r#"{{"organization-name":"{organisation}","report-id":{id},
            "date-range":{{"start-datetime":"2026-11-{day:02}T00:00:00Z","end-datetime":"2026-11-{day:02}T23:59:59Z"}},
            "policies":[
              {{"policy":{{"policy-type":"sts"}},"summary":{{"total-successful-session-count":10,"total-failure-session-count":{failed}}},
                "failure-details":[{{"result-type":"starttls-not-supported","failed-session-count":{failed}}},
                                   {{"result-type":"certificate-expired","failed-session-count":1}}]}},
              {{"policy":{{"policy-type":"tlsa"}},"summary":{{"total-successful-session-count":5}}}}]}}"#
        )
    }

    #[test]
    fn totals_and_duplicates() {
        let text = [
            report("B Inc.", "\"1\"", 10, 3),
            report("A Inc.", "\"1\"", 9, 2),
            // The same again, once with other figures.
            report("B Inc.", "\"1\"", 10, 3),
            report("A Inc.", "\"1\"", 9, 7),
            report("A Inc.", "\"2\"", 11, 0),
            // Without an identity, a report is never a duplicate.
            report("C Inc.", "null", 8, 1),
            report("C Inc.", "null", 8, 1),
        ]
        .join("\n");
        let summary = summarise(&read(text.as_bytes()).unwrap());
        assert_eq!(summary.reports, 5);
        assert_eq!(summary.sessions, Sessions { successful: 75, failed: 7 });
        let duplicate = |organisation: &str, differs| Duplicate {
            organisation: organisation.to_owned(),
            report_id: "1".to_owned(),
            copies: 1,
            differs,
        };
        assert_eq!(summary.duplicates, [duplicate("A Inc.", true), duplicate("B Inc.", false)]);
        let sts = Sessions { successful: 50, failed: 7 };
        let tlsa = Sessions { successful: 25, failed: 0 };
        let types = BTreeMap::from([(PolicyType::Sts, sts), (PolicyType::Tlsa, tlsa)]);
        assert_eq!(summary.by_policy_type, types);
        let results = [("certificate-expired", 5), ("starttls-not-supported", 7)];
        assert_eq!(summary.by_result_type, results.map(|(name, n)| (name.to_owned(), n)).into());
        let sender = |reports, successful, failed| Sender {
            reports,
            sessions: Sessions { successful, failed },
        };
        let senders = [
            ("A Inc.", sender(2, 30, 2)),
            ("B Inc.", sender(1, 15, 3)),
            ("C Inc.", sender(2, 30, 2)),
        ];
        assert_eq!(summary.by_organisation, senders.map(|(n, s)| (n.to_owned(), s)).into());
        let (first, last) = summary.span.unwrap();
        assert_eq!(first.to_rfc3339(), "2026-11-08T00:00:00+00:00");
        assert_eq!(last.to_rfc3339(), "2026-11-11T23:59:59+00:00");
    }

    #[test]
    fn nothing_and_too_much() {
        assert_eq!(summarise(&[]), Summary::default());
        let most = u64::MAX;
        let reports: Vec<_> = ["\"1\"", "\"2\""]
            .iter()
            .flat_map(|id| read(report("A", id, 9, most).as_bytes()).unwrap())
            .collect();
        assert_eq!(summarise(&reports).sessions.failed, most);
    }
}
