//! What other organisations reported on TLS sessions with this one (RFC 8460). Sessions are
//! no messages and have no TLS version: they stand in a part of their own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::instant;
use crate::ingest::tls_rpt::{Sessions, Summary};

/// Sums over the TLS reports that touch the longest period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TlsRptReport {
    /// Reports, each once.
    pub reports: u64,
    /// Further copies of the same reports.
    pub duplicates: u64,
    /// Reports of which a copy says something else; the first one counts.
    pub contradictions: u64,
    /// Begin of the first report, UTC.
    pub first: Option<String>,
    /// End of the last report, UTC.
    pub last: Option<String>,
    /// Sessions that were negotiated as the policy asks.
    pub successful: u64,
    /// Sessions that were not.
    pub failed: u64,
    /// Sessions by kind of policy: `sts`, `tlsa`, `no-policy-found`, or as the report says.
    pub policies: Vec<PolicySessions>,
    /// Failed sessions by reason; details need not add up to `failed`.
    pub failures: Vec<FailedSessions>,
    /// Sessions by sending organisation.
    pub organisations: Vec<OrganisationSessions>,
}

/// Sessions of one kind of policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicySessions {
    /// Kind of policy.
    pub policy: String,
    /// Sessions that were negotiated as the policy asks.
    pub successful: u64,
    /// Sessions that were not.
    pub failed: u64,
}

/// Sessions that failed for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailedSessions {
    /// Reason, such as `starttls-not-supported`.
    pub reason: String,
    /// Sessions.
    pub sessions: u64,
}

/// Sessions of one sending organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrganisationSessions {
    /// Who sent the reports.
    pub organisation: String,
    /// Reports.
    pub reports: u64,
    /// Sessions that were negotiated as the policy asks.
    pub successful: u64,
    /// Sessions that were not.
    pub failed: u64,
}

impl From<&Summary> for TlsRptReport {
    fn from(summary: &Summary) -> Self {
        let Sessions { successful, failed } = summary.sessions;
        Self {
            reports: summary.reports,
            duplicates: summary.duplicates.iter().map(|duplicate| duplicate.copies).sum(),
            contradictions: summary.duplicates.iter().filter(|d| d.differs).count() as u64,
            first: summary.span.map(|(first, _)| instant(first)),
            last: summary.span.map(|(_, last)| instant(last)),
            successful,
            failed,
            policies: summary
                .by_policy_type
                .iter()
                .map(|(policy, sessions)| PolicySessions {
                    policy: policy.name().to_owned(),
                    successful: sessions.successful,
                    failed: sessions.failed,
                })
                .collect(),
            failures: summary
                .by_result_type
                .iter()
                .map(|(reason, sessions)| FailedSessions {
                    reason: reason.clone(),
                    sessions: *sessions,
                })
                .collect(),
            organisations: summary
                .by_organisation
                .iter()
                .map(|(organisation, sender)| OrganisationSessions {
                    organisation: organisation.clone(),
                    reports: sender.reports,
                    successful: sender.sessions.successful,
                    failed: sender.sessions.failed,
                })
                .collect(),
        }
    }
}
