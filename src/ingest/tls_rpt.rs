//! Kind `tls-rpt`: SMTP TLS reports (RFC 8460), which other senders mail to a domain.
//!
//! A report counts *sessions* of one sender with one domain, by policy; it has neither
//! messages nor TLS versions nor connectors. [`documents()`] finds the JSON in a file or mail,
//! [`read`] reads it, [`summarise`] adds reports up.
//!
//! Read all the same, because reports like these are sent:
//!
//! | what | how it is read |
//! |---|---|
//! | `mx-host`, `policy-string` as a text, a list, null, or missing | a list |
//! | one object where a list belongs (`policies`, `failure-details`) | a list of one |
//! | `policy-domain`, `contact-info`, any part of a failure missing or null | none |
//! | `organization-name` missing | `contact-info` in its place; without both an error |
//! | `report-id` missing | none: such reports are never duplicates |
//! | a policy type that is not known, or missing | kept as written, or empty |
//! | numbers as texts (`"3"`) or with a zero fraction (`3.0`) | numbers |
//! | `summary` missing | no successes; the failures of its details |
//! | a count missing within a summary or a failure | 0 |
//! | a range of any length, times without a zone | as it stands; UTC |
//! | bytes that are no UTF-8, a byte order mark | replaced; skipped |
//! | an array of reports, reports one after the other | all of them |
//!
//! A negative or broken number, a range without both ends, an end before its start, and JSON
//! that is no report are errors.

mod documents;
mod mime;
mod sniff;
mod summary;
mod wire;

use chrono::{DateTime, Utc};

pub use documents::documents;
pub use sniff::{is_tls_rpt, is_tls_rpt_mail};
pub use summary::{Duplicate, Sender, Sessions, Summary, summarise};

/// Largest JSON text, plain or decompressed. Real reports are a thousand times smaller.
pub const MAX_BYTES: u64 = 64 << 20;

/// Commas of a document: every element of a list but one needs a comma, so that this bounds
/// the memory which a small document can ask for.
const MAX_COMMAS: usize = 1 << 20;

/// One report of one sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsReport {
    /// Who sent the report.
    pub organisation: String,
    /// Whom to ask about it.
    pub contact: Option<String>,
    /// Unique within the reports of its sender.
    pub report_id: Option<String>,
    /// Begin of the range.
    pub start: DateTime<Utc>,
    /// End of the range, as written: mostly its last second.
    pub end: DateTime<Utc>,
    /// Sessions by policy.
    pub policies: Vec<PolicyReport>,
}

/// Sessions under one policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyReport {
    /// Kind of the policy.
    pub policy_type: PolicyType,
    /// Lines of the policy, or TLSA records.
    pub strings: Vec<String>,
    /// Domain that the policy is for.
    pub domain: Option<String>,
    /// Hosts that the policy allows.
    pub mx_hosts: Vec<String>,
    /// Sessions that were negotiated as the policy asks.
    pub sessions: Sessions,
    /// Why sessions failed. Their counts need not add up to those of the summary.
    pub failures: Vec<Failure>,
}

/// Kind of a policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PolicyType {
    /// MTA-STS.
    Sts,
    /// DANE.
    Tlsa,
    /// The sender found neither.
    NoPolicyFound,
    /// Any other text; empty where the report names none.
    Other(String),
}

impl PolicyType {
    /// The name as in the report.
    pub fn name(&self) -> &str {
        match self {
            Self::Sts => "sts",
            Self::Tlsa => "tlsa",
            Self::NoPolicyFound => "no-policy-found",
            Self::Other(name) => name,
        }
    }
}

/// Sessions that failed for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Reason, such as `starttls-not-supported`; empty where the report names none.
    pub result_type: String,
    /// How many sessions.
    pub sessions: u64,
    /// Address of the sender's server.
    pub sending_mta_ip: Option<String>,
    /// Name of the receiving server, from its MX record.
    pub receiving_mx_hostname: Option<String>,
    /// What the receiving server called itself.
    pub receiving_mx_helo: Option<String>,
    /// Address of the receiving server.
    pub receiving_ip: Option<String>,
    /// Where to read more.
    pub additional_information: Option<String>,
    /// Error of the sender's TLS library or the like.
    pub reason_code: Option<String>,
}

/// Why a report could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TlsRptError {
    /// No JSON, or a field of the wrong form.
    #[error("not readable as a TLS report")]
    Json(#[source] serde_json::Error),
    /// JSON of something else.
    #[error("JSON, but no TLS report: it has none of the fields of RFC 8460")]
    OtherJson,
    /// A field that a report cannot do without.
    #[error("the TLS report lacks {field}")]
    Missing {
        /// Name of the field.
        field: &'static str,
    },
    /// A time that is none.
    #[error("{field} of the TLS report is no time: found {found:?}, expected 2026-11-09T00:00:00Z")]
    Time {
        /// Name of the field.
        field: &'static str,
        /// What it holds.
        found: String,
    },
    /// The range is backwards.
    #[error("the TLS report ends before it starts: from {start} to {end}")]
    Backwards {
        /// Begin of the range.
        start: DateTime<Utc>,
        /// End of the range.
        end: DateTime<Utc>,
    },
    /// The compressed report is damaged.
    #[error("the gzip data of the TLS report is damaged")]
    Gzip(#[source] std::io::Error),
    /// The report is larger than any real one.
    #[error("a TLS report of more than {} MiB", MAX_BYTES >> 20)]
    TooLarge,
    /// The report has more entries than any real one.
    #[error("a TLS report with more than {MAX_COMMAS} entries")]
    TooManyEntries,
    /// A mail or file without a report.
    #[error("found neither JSON nor gzip data nor a mail with a TLS report")]
    NoReport,
}

/// Reads the reports of a JSON document.
///
/// # Errors
/// [`TlsRptError`] when any of it is no report.
pub fn read(bytes: &[u8]) -> Result<Vec<TlsReport>, TlsRptError> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(TlsRptError::TooLarge);
    }
    if memchr::memchr_iter(b',', bytes).count() > MAX_COMMAS {
        return Err(TlsRptError::TooManyEntries);
    }
    let text = String::from_utf8_lossy(bytes);
    wire::read(text.trim_start_matches('\u{feff}'))
}

#[cfg(test)]
mod tests;
