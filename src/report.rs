//! The report model: every number that any renderer prints, in the shape of `report.json`.
//!
//! Codes, not sentences: the words are in the language files. Nothing of the moment (host,
//! person, clock) is in it, so that the same traces, settings and version give the same
//! bytes. `schema_version` grows when a field changes its meaning or goes.

mod build;
mod limited;
mod sessions;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::breakdown;
use crate::config::{ConnectorConfig, InsightsConfig};
use crate::insight::Insight;
use crate::period::Period;
use crate::trace::{ConnectorType, Direction, Kind, Tls, TlsCounts};

pub use self::build::build;
pub use self::limited::limited;
pub use self::sessions::TlsRptReport;

/// Version of the shape of `report.json`.
pub const SCHEMA_VERSION: u32 = 1;

/// A whole report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Version of this shape.
    pub schema_version: u32,
    /// Name of the organisation.
    pub organisation: String,
    /// Language of the rendered files.
    pub language: String,
    /// IANA zone in which days begin.
    pub timezone: String,
    /// First day that is not in any period.
    pub as_of: NaiveDate,
    /// Which run of which schedule; null for a report on demand.
    pub run: Option<RunReport>,
    /// Its place in the archive; null for a report that is not filed.
    pub archive: Option<ArchiveReport>,
    /// Connectors that the report is limited to; all where empty.
    pub only: Vec<String>,
    /// Set where traces were to be waited for and do not reach the end of the periods.
    pub incomplete: Option<Incomplete>,
    /// Set where there are so many connectors that the smallest are counted together, under the
    /// name `(other)`.
    #[serde(default)]
    pub folded: Option<Folded>,
    /// What made the report.
    pub generator: Generator,
    /// Limits of the rules.
    pub limits: Limits,
    /// The periods.
    pub periods: Vec<PeriodReport>,
    /// Every file that was read; as the next two empty where `only` is not.
    pub sources: Vec<SourceReport>,
    /// Files that were passed over.
    pub skipped: Vec<String>,
    /// Rows that could not be used.
    pub rejects: Vec<RejectReport>,
    /// What other organisations reported on TLS sessions with this one; null without reports.
    #[serde(default)]
    pub tls_rpt: Option<TlsRptReport>,
}

/// Connectors that are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Folded {
    /// How many.
    pub connectors: u64,
    /// Most that are told apart, beside those that the settings name.
    pub limit: u64,
}

/// What made the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Generator {
    /// Name of the program.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Version of its time zone database.
    pub tzdb: String,
}

/// Which run of which schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunReport {
    /// Name of the schedule.
    pub schedule: String,
    /// Nominal local time, as in `2026-11-16T07:00`.
    pub nominal: String,
    /// 1 for the first report of this time, 2 and on for later revisions.
    pub revision: u32,
}

/// A report's place in the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ArchiveReport {
    /// Sequence number of the bag that holds the report.
    pub seq: u64,
    /// SHA-256 of the head before; null for the first bag.
    pub previous_head: Option<String>,
    /// Fingerprint of the key that signs the head of this bag; null where nothing is signed.
    pub signed_by: Option<String>,
    /// Settings that changed since the schedule's report before; null where that is not known.
    pub changes: Option<Vec<SettingChange>>,
}

/// A setting that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettingChange {
    /// Key with its table, as in `insights.no_tls_percent`.
    pub key: String,
    /// Value before; null where there was none.
    pub before: Option<String>,
    /// Value now; null where there is none.
    pub after: Option<String>,
}

/// How far the traces reach, where that is not far enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Incomplete {
    /// Newest row, UTC; of day totals, the end of the newest day.
    pub newest: Option<String>,
    /// End of the periods, UTC.
    pub needed: String,
}

/// Limits of the rules, as configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Limits {
    /// Limit of `no-tls-share`.
    pub no_tls_percent: u32,
    /// Limit of `tls1_0-share`.
    pub tls1_0_percent: u32,
    /// Messages below which a share is not judged.
    pub min_messages: u64,
}

/// One period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PeriodReport {
    /// `week`, `30d`, `month`, `Nd` or `range`.
    pub id: String,
    /// First day.
    pub from: NaiveDate,
    /// Last day, inside.
    pub to: NaiveDate,
    /// Real length in hours.
    pub hours: i64,
    /// Inbound and outbound.
    pub totals: Vec<Total>,
    /// Connectors with mail, by direction, then name; mail without a connector first.
    pub connectors: Vec<Connector>,
    /// Days with mail.
    pub daily: Vec<Daily>,
    /// Remote domains, worst first.
    pub peers: Vec<PeerReport>,
    /// All other remote domains; null where all are listed.
    #[serde(default)]
    pub other_peers: Option<OtherPeers>,
    /// What to look at, gravest first.
    pub insights: Vec<Insight>,
    /// What the traces cover.
    pub coverage: CoverageReport,
}

/// Messages of one direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Total {
    /// Which way.
    pub direction: Direction,
    /// All messages.
    pub messages: u64,
    /// Messages per band.
    pub tls: TlsCounts,
    /// The period before, where the traces cover it.
    pub previous: Option<Previous>,
}

/// The period before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Previous {
    /// All messages.
    pub messages: u64,
    /// Messages per band.
    pub tls: TlsCounts,
}

/// Messages of one connector, or of mail without one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Connector {
    /// Which way.
    pub direction: Direction,
    /// Name; null for mail without a connector.
    pub connector: Option<String>,
    /// Its type.
    #[serde(rename = "type")]
    pub connector_type: ConnectorType,
    /// Whether it is said to force TLS, by the traces or the configuration.
    pub forced_tls: Option<bool>,
    /// All messages.
    pub messages: u64,
    /// Messages per band.
    pub tls: TlsCounts,
    /// The period before, where the traces cover it.
    pub previous: Option<Previous>,
}

/// Messages of one day and connector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Daily {
    /// Local day.
    pub date: NaiveDate,
    /// Which way.
    pub direction: Direction,
    /// Name; null for mail without a connector.
    pub connector: Option<String>,
    /// All messages.
    pub messages: u64,
    /// Messages per band.
    pub tls: TlsCounts,
}

/// Messages to or from one remote domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PeerReport {
    /// Which way.
    pub direction: Direction,
    /// Remote domain or host.
    pub peer: String,
    /// All messages.
    pub messages: u64,
    /// Messages per band.
    pub tls: TlsCounts,
}

/// Remote domains that are not listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OtherPeers {
    /// How many, each direction by itself.
    pub peers: u64,
    /// All their messages.
    pub messages: u64,
    /// Messages per band.
    pub tls: TlsCounts,
}

/// What the traces cover of a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CoverageReport {
    /// First row, UTC.
    pub first: Option<String>,
    /// Last row, UTC.
    pub last: Option<String>,
    /// Days without any row.
    pub days_without_rows: Vec<NaiveDate>,
    /// Hours without any row where rows were to be expected.
    pub gaps: Vec<GapReport>,
    /// Files whose number of rows is one at which exports are cut off.
    pub capped_files: Vec<String>,
    /// Messages whose protection no trace tells.
    pub unknown_messages: u64,
    /// Whether no message of the period has a known protection: an export without TLS.
    pub tls_not_recorded: bool,
    /// Whether the period ends after the day of the newest row.
    pub ends_after_newest_row: bool,
    /// Totals that stand beside message rows, as a check.
    pub controls: Vec<ControlReport>,
    /// Totals that contradict each other.
    pub conflicts: Vec<ConflictReport>,
}

/// Hours without any row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GapReport {
    /// First empty hour, UTC.
    pub from: String,
    /// End of the last empty hour, UTC.
    pub to: String,
}

/// A total of an aggregate source beside what rows gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ControlReport {
    /// Day.
    pub date: NaiveDate,
    /// Which way.
    pub direction: Direction,
    /// Name; null for mail without a connector.
    pub connector: Option<String>,
    /// Messages of the aggregate source.
    pub total: u64,
    /// Messages counted from rows.
    pub rows: u64,
    /// Rows minus total.
    pub difference: i64,
}

/// Two totals that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConflictReport {
    /// Day.
    pub date: NaiveDate,
    /// Which way.
    pub direction: Direction,
    /// Name; null for mail without a connector.
    pub connector: Option<String>,
    /// File whose total is used.
    pub used: String,
    /// File whose total is not.
    pub unused: String,
}

/// One file that was read. rows = counted + merged + duplicates + internal +
/// `outside_period` + rejected; `counted` and `outside_period` refer to the longest period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceReport {
    /// Name as the user reaches it.
    pub file: String,
    /// SHA-256 of the file as it lies on the disk.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
    /// Its kind.
    pub kind: Kind,
    /// What it counts.
    pub unit: String,
    /// Rows read.
    pub rows: u64,
    /// Rows that stand for a counted message or day total.
    pub counted: u64,
    /// Further rows of messages counted for this file.
    pub merged: u64,
    /// Rows of messages counted for another row or file.
    pub duplicates: u64,
    /// Rows of mail inside the organisation.
    pub internal: u64,
    /// Rows outside the longest period.
    pub outside_period: u64,
    /// Rows that could not be used.
    pub rejected: u64,
    /// Of the counted rows of messages, those whose protection is known; null for totals.
    pub tls_known: Option<u64>,
    /// First row, UTC.
    pub first: Option<String>,
    /// Last row, UTC.
    pub last: Option<String>,
    /// What a reader should know.
    pub notes: Vec<String>,
    /// What an engine was asked, for a table that stays where it is; length and hash are then
    /// those of its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
}

/// Rows of one file that could not be used, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RejectReport {
    /// Name of the file.
    pub file: String,
    /// Line of the first one; null where the reason is no single line.
    pub line: Option<u64>,
    /// Stable code of the reason.
    pub reason: String,
    /// What the first one held, shortened.
    pub found: String,
    /// How many.
    pub count: u64,
}

/// What a report is made with, beside the counts.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of the organisation.
    pub organisation: String,
    /// Language of the rendered files.
    pub language: String,
    /// Zone in which days begin.
    pub zone: Tz,
    /// First day that is not in any period.
    pub as_of: NaiveDate,
    /// The periods.
    pub periods: Vec<Period>,
    /// Limits of the rules.
    pub insights: InsightsConfig,
    /// What the organisation knows about its connectors.
    pub connectors: Vec<ConnectorConfig>,
    /// Which run of which schedule.
    pub run: Option<RunReport>,
    /// Its place in the archive.
    pub archive: Option<ArchiveReport>,
    /// Connectors that the report is limited to; all where empty.
    pub only: Vec<String>,
    /// Whether the traces are expected to reach the end of the periods.
    pub expects_whole: bool,
}

/// An instant as in JSON: RFC 3339, UTC, whole seconds.
pub fn instant(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

impl Report {
    /// Says whether a name stands for all connectors that are not told apart.
    pub fn is_other(&self, connector: &str) -> bool {
        self.folded.is_some() && connector == breakdown::OTHER
    }
}

/// Shares of the bands in tenths of a percent, by largest remainder, so that the printed
/// ones add up to 100.0 %. `None` where there is no message.
pub fn shares(tls: &TlsCounts) -> Option<[u32; 8]> {
    let total = u128::from(tls.total());
    if total == 0 {
        return None;
    }
    let mut shares = [0_u32; 8];
    let mut remainders: Vec<(u128, usize)> = Vec::with_capacity(8);
    let mut left = 1000_u32;
    for (index, (share, band)) in shares.iter_mut().zip(Tls::ALL).enumerate() {
        let part = u128::from(tls.get(band)) * 1000;
        *share = u32::try_from(part / total).unwrap_or(1000);
        left -= *share;
        remainders.push((part % total, index));
    }
    remainders.sort_by_key(|(remainder, index)| (std::cmp::Reverse(*remainder), *index));
    for (_, index) in remainders.into_iter().take(left as usize) {
        if let Some(share) = shares.get_mut(index) {
            *share += 1;
        }
    }
    Some(shares)
}

/// A share in tenths of a percent, rounded half up; `None` of no messages.
pub fn share(part: u64, total: u64) -> Option<u32> {
    let total = u128::from(total);
    let tenths = (u128::from(part) * 2000 + total).checked_div(2 * total)?;
    u32::try_from(tenths).ok()
}

/// Says which law of its own numbers a report breaks, if any: parts and totals, bands and
/// messages, rows and where they went. A report that breaks one is never shown.
pub fn broken_law(report: &Report) -> Option<String> {
    for period in &report.periods {
        for total in &period.totals {
            let parts = period.connectors.iter().filter(|part| part.direction == total.direction);
            let days = period.daily.iter().filter(|day| day.direction == total.direction);
            let parts: u64 = parts.map(|part| part.messages).sum();
            let days: u64 = days.map(|day| day.messages).sum();
            let sums = parts == total.messages && days == total.messages;
            if total.messages != total.tls.total() || !sums {
                let id = &period.id;
                return Some(format!(
                    "{id} {}: {total:?}, {parts}, {days}",
                    total.direction.name()
                ));
            }
        }
    }
    let broken = report.sources.iter().find(|source| {
        let gone = source.counted + source.merged + source.duplicates + source.internal;
        source.rows != gone + source.outside_period + source.rejected
    });
    broken.map(|source| format!("{source:?}"))
}

/// The JSON Schema of `report.json`.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Report).to_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_shares_add_up() {
        let thirds = TlsCounts { no_tls: 1, tls1_2: 1, tls1_3: 1, ..TlsCounts::default() };
        assert_eq!(shares(&thirds), Some([334, 0, 0, 0, 333, 333, 0, 0]));
        assert_eq!(shares(&TlsCounts::default()), None);
        let large =
            TlsCounts { no_tls: u64::MAX / 2, unknown: u64::MAX / 2, ..TlsCounts::default() };
        assert_eq!(shares(&large), Some([500, 0, 0, 0, 0, 0, 0, 500]));
        assert_eq!(share(1, 3), Some(333));
        assert_eq!(share(0, 0), None);
    }
}
