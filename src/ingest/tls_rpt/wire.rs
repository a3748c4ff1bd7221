//! The JSON of a report, with the liberties that senders take.

use std::fmt;
use std::marker::PhantomData;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::ingest::time::TimeReader;
use crate::ingest::tls_rpt::{Failure, PolicyReport, PolicyType, Sessions, TlsReport, TlsRptError};

/// Reads documents that follow each other; each is a report or an array of reports.
pub(super) fn read(text: &str) -> Result<Vec<TlsReport>, TlsRptError> {
    let mut reports = Vec::new();
    for document in serde_json::Deserializer::from_str(text).into_iter::<Many<Written>>() {
        for report in document.map_err(TlsRptError::Json)?.0 {
            reports.push(report.checked()?);
        }
    }
    if reports.is_empty() { Err(TlsRptError::OtherJson) } else { Ok(reports) }
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Written {
    #[serde(default, deserialize_with = "text")]
    organization_name: Option<String>,
    #[serde(default, deserialize_with = "text")]
    contact_info: Option<String>,
    #[serde(default, deserialize_with = "text")]
    report_id: Option<String>,
    #[serde(default)]
    date_range: Option<DateRange>,
    #[serde(default)]
    policies: Option<Many<Entry>>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct DateRange {
    #[serde(default, deserialize_with = "text")]
    start_datetime: Option<String>,
    #[serde(default, deserialize_with = "text")]
    end_datetime: Option<String>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Entry {
    #[serde(default)]
    policy: Option<Terms>,
    #[serde(default)]
    summary: Option<Counts>,
    #[serde(default)]
    failure_details: Option<Many<Details>>,
}

#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Terms {
    #[serde(deserialize_with = "text")]
    policy_type: Option<String>,
    #[serde(deserialize_with = "texts")]
    policy_string: Vec<String>,
    #[serde(deserialize_with = "text")]
    policy_domain: Option<String>,
    #[serde(deserialize_with = "texts")]
    mx_host: Vec<String>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Counts {
    #[serde(default, deserialize_with = "count")]
    total_successful_session_count: u64,
    #[serde(default, deserialize_with = "count")]
    total_failure_session_count: u64,
}

#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Details {
    #[serde(deserialize_with = "text")]
    result_type: Option<String>,
    #[serde(deserialize_with = "count")]
    failed_session_count: u64,
    #[serde(deserialize_with = "text")]
    sending_mta_ip: Option<String>,
    #[serde(deserialize_with = "text")]
    receiving_mx_hostname: Option<String>,
    #[serde(deserialize_with = "text")]
    receiving_mx_helo: Option<String>,
    #[serde(deserialize_with = "text")]
    receiving_ip: Option<String>,
    #[serde(deserialize_with = "text")]
    additional_information: Option<String>,
    #[serde(deserialize_with = "text")]
    failure_reason_code: Option<String>,
}

impl Written {
    fn checked(self) -> Result<TlsReport, TlsRptError> {
        let named = self.organization_name.is_some() || self.report_id.is_some();
        if !named && self.policies.is_none() && self.date_range.is_none() {
            return Err(TlsRptError::OtherJson);
        }
        let organisation = self
            .organization_name
            .or_else(|| self.contact_info.clone())
            .ok_or(TlsRptError::Missing { field: "organization-name" })?;
        let range = self.date_range.ok_or(TlsRptError::Missing { field: "date-range" })?;
        let start = instant("start-datetime", range.start_datetime)?;
        let end = instant("end-datetime", range.end_datetime)?;
        if end < start {
            return Err(TlsRptError::Backwards { start, end });
        }
        let policies = self.policies.map(|entries| entries.0).unwrap_or_default();
        Ok(TlsReport {
            organisation,
            contact: self.contact_info,
            report_id: self.report_id,
            start,
            end,
            policies: policies.into_iter().map(PolicyReport::from).collect(),
        })
    }
}

impl From<Entry> for PolicyReport {
    fn from(entry: Entry) -> Self {
        let policy = entry.policy.unwrap_or_default();
        let details = entry.failure_details.map(|details| details.0).unwrap_or_default();
        let failures: Vec<Failure> = details.into_iter().map(Failure::from).collect();
        let sessions = match entry.summary {
            Some(counts) => Sessions {
                successful: counts.total_successful_session_count,
                failed: counts.total_failure_session_count,
            },
            None => Sessions {
                successful: 0,
                failed: failures.iter().fold(0, |sum, one| one.sessions.saturating_add(sum)),
            },
        };
        Self {
            policy_type: policy_type(policy.policy_type.unwrap_or_default()),
            strings: policy.policy_string,
            domain: policy.policy_domain,
            mx_hosts: policy.mx_host,
            sessions,
            failures,
        }
    }
}

impl From<Details> for Failure {
    fn from(details: Details) -> Self {
        Self {
            result_type: details.result_type.unwrap_or_default(),
            sessions: details.failed_session_count,
            sending_mta_ip: details.sending_mta_ip,
            receiving_mx_hostname: details.receiving_mx_hostname,
            receiving_mx_helo: details.receiving_mx_helo,
            receiving_ip: details.receiving_ip,
            additional_information: details.additional_information,
            reason_code: details.failure_reason_code,
        }
    }
}

fn policy_type(name: String) -> PolicyType {
    match name.to_ascii_lowercase().as_str() {
        "sts" => PolicyType::Sts,
        "tlsa" => PolicyType::Tlsa,
        "no-policy-found" => PolicyType::NoPolicyFound,
        _ => PolicyType::Other(name),
    }
}

fn instant(field: &'static str, text: Option<String>) -> Result<DateTime<Utc>, TlsRptError> {
    let found = text.ok_or(TlsRptError::Missing { field })?;
    let reader = TimeReader { zone: Tz::UTC, order: None };
    let instant = reader.instant_ms(&found).ok().and_then(DateTime::from_timestamp_millis);
    instant.ok_or(TlsRptError::Time { field, found })
}

/// A text, or a plain value as a text; `None` for null and for nothing.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = match Value::deserialize(deserializer)? {
        Value::Null => return Ok(None),
        Value::String(text) => text,
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        value @ (Value::Bool(_) | Value::Number(_)) => plain(&value),
        Value::Object(_) => return Err(D::Error::custom("found an object, expected a text")),
    };
    let text = text.trim();
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// A list of texts; one text is a list of one.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().map(plain).collect(),
        value => vec![plain(&value)],
    })
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A whole number, also as a text or with a zero fraction; 0 for null.
fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let value = Value::deserialize(deserializer)?;
    if value.is_null() {
        return Ok(0);
    }
    let text = plain(&value);
    let digits = text.trim();
    let digits = digits.strip_suffix(".0").unwrap_or(digits);
    let number = (!digits.starts_with('+')).then(|| digits.parse().ok()).flatten();
    number.ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        D::Error::custom(format!("found {shown:?}, expected a whole number from 0"))
    })
}

/// A list; one object is a list of one.
struct Many<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ManyVisitor(PhantomData))
    }
}

struct ManyVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ManyVisitor<T> {
    type Value = Many<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(items)).map(Many)
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields)).map(|one| Many(vec![one]))
    }
}
