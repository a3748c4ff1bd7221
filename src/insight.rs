//! Insights: rules over a [`Summary`] that say what a reader should look at.
//!
//! | rule | fires when |
//! |---|---|
//! | `no-tls-share` | No TLS is strictly above the limit |
//! | `tls1_0-share` | TLS 1.0 and older is strictly above the limit |
//! | `forced-tls-broken` | a connector said to force TLS carried any No TLS message |
//! | `legacy-tls` | any TLS 1.0, 1.1 or SSL message (RFC 8996) |
//! | `new-plaintext` | No TLS now, none in the period before |
//! | `connector-silent` | mail in the period before, none now |
//! | `coverage-gap` | days or hours without rows, export caps, more than 1 % rejects |
//!
//! An insight is data, never an error: a report with ten insights is a good run.
//!
//! Invariants
//! * A code is stable for ever; a changed rule gets a new code.
//! * Rules compare counts, not rounded shares, so 25.0 % is never "above 25 %".
//! * A share is judged by its bounds: `certain` when the known messages alone exceed the
//!   limit, `possible` when they do so together with those of which the trace does not say.
//! * A connector without messages yields no share (0 of 0 is not 0 %).

use serde::{Deserialize, Serialize};

use crate::breakdown::{Coverage, Sum, Summary};
use crate::config::InsightsConfig;
use crate::trace::{ConnectorType, Direction, TlsCounts};

/// The built-in rules.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// A connector said to force TLS carried mail without.
    ForcedTlsBroken,
    /// Too much mail without TLS.
    NoTlsShare,
    /// Too much mail with TLS 1.0 or older.
    #[serde(rename = "tls1_0-share")]
    Tls1_0Share,
    /// Mail without TLS where there was none before.
    NewPlaintext,
    /// No mail where there was some before.
    ConnectorSilent,
    /// The traces may not be whole.
    CoverageGap,
    /// Mail with a deprecated version.
    LegacyTls,
}

impl Rule {
    /// The stable id.
    pub fn id(self) -> &'static str {
        match self {
            Self::ForcedTlsBroken => "forced-tls-broken",
            Self::NoTlsShare => "no-tls-share",
            Self::Tls1_0Share => "tls1_0-share",
            Self::NewPlaintext => "new-plaintext",
            Self::ConnectorSilent => "connector-silent",
            Self::CoverageGap => "coverage-gap",
            Self::LegacyTls => "legacy-tls",
        }
    }

    /// All rules, gravest first.
    pub const ALL: [Self; 7] = [
        Self::ForcedTlsBroken,
        Self::NoTlsShare,
        Self::Tls1_0Share,
        Self::NewPlaintext,
        Self::ConnectorSilent,
        Self::CoverageGap,
        Self::LegacyTls,
    ];
}

/// How much an insight matters, least first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// To know.
    Notice,
    /// To look into.
    Warning,
    /// To act upon.
    Alert,
}

impl Severity {
    /// The name used in JSON and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Alert => "alert",
        }
    }

    /// All severities, least first.
    pub const ALL: [Self; 3] = [Self::Notice, Self::Warning, Self::Alert];

    fn one_lower(self) -> Self {
        match self {
            Self::Alert => Self::Warning,
            Self::Warning | Self::Notice => Self::Notice,
        }
    }
}

/// Whether the messages whose protection is not known decide.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// True whatever the unknown messages were.
    Certain,
    /// True if the unknown messages were of the bad kind.
    Possible,
}

/// What to do about an insight; its words are in the language file.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Advice {
    /// Ask the partner's postmaster to offer TLS 1.2 or later.
    AskPartner,
    /// Turn on TLS 1.2 or later on the organisation's own server or device.
    FixOwnServer,
    /// Ask the remote domains that are listed.
    AskRemoteDomains,
    /// Compare the connector's setting with the traffic; suspect the data too.
    CheckForcedSetting,
    /// Find out whether the connector is still used.
    CheckConnectorUse,
    /// Export again, in smaller parts.
    CheckExport,
    /// Correct the rows that were rejected.
    CheckRejects,
}

impl Advice {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::AskPartner => "ask-partner",
            Self::FixOwnServer => "fix-own-server",
            Self::AskRemoteDomains => "ask-remote-domains",
            Self::CheckForcedSetting => "check-forced-setting",
            Self::CheckConnectorUse => "check-connector-use",
            Self::CheckExport => "check-export",
            Self::CheckRejects => "check-rejects",
        }
    }

    /// All advice.
    pub const ALL: [Self; 7] = [
        Self::AskPartner,
        Self::FixOwnServer,
        Self::AskRemoteDomains,
        Self::CheckForcedSetting,
        Self::CheckConnectorUse,
        Self::CheckExport,
        Self::CheckRejects,
    ];
}

/// What a `coverage-gap` is about.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum CoverageProblem {
    /// Days of the period without any row (`messages` = days, `of` = days of the period).
    DaysWithoutRows,
    /// Hours without rows where rows were to be expected (`messages` = hours).
    HoursWithoutRows,
    /// Files whose row count is one at which exports are cut off (`messages` = files).
    ExportCap,
    /// Rejected rows above 1 % of a file (`messages` = rejected, `of` = rows).
    Rejects,
}

impl CoverageProblem {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::DaysWithoutRows => "days-without-rows",
            Self::HoursWithoutRows => "hours-without-rows",
            Self::ExportCap => "export-cap",
            Self::Rejects => "rejects",
        }
    }

    /// All problems.
    pub const ALL: [Self; 4] =
        [Self::DaysWithoutRows, Self::HoursWithoutRows, Self::ExportCap, Self::Rejects];
}

/// One thing that a reader should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Insight {
    /// Which rule fired.
    pub rule: Rule,
    /// How much it matters.
    pub severity: Severity,
    /// Whether unknown messages decide.
    pub certainty: Certainty,
    /// Which way; null for coverage.
    pub direction: Option<Direction>,
    /// Name; null for mail without a connector and for coverage.
    pub connector: Option<String>,
    /// Numerator: messages that the rule is about.
    pub messages: u64,
    /// Denominator: all messages.
    pub of: u64,
    /// The limit, for shares.
    pub limit_percent: Option<u32>,
    /// The numerator of the period before, where covered.
    pub previous: Option<u64>,
    /// True where a share is above its limit but of too few messages to judge.
    pub too_little_mail: bool,
    /// What a coverage gap is about.
    pub problem: Option<CoverageProblem>,
    /// What to do.
    pub advice: Advice,
    /// Whom to ask, as configured for the connector.
    pub contact: Option<String>,
}

/// What is known of one connector beside its messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Its type.
    pub connector_type: Option<ConnectorType>,
    /// Whether it is said to force TLS, by the traces or the configuration.
    pub forced_tls: Option<bool>,
    /// Whom to ask.
    pub contact: Option<String>,
}

/// Rows read and rejected of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileRejects {
    /// Rows read.
    pub rows: u64,
    /// Rows rejected.
    pub rejected: u64,
}

/// Says whether `part` is strictly more than `limit_percent` of `total`.
///
/// Units: `part` and `total` are message counts, with `part <= total`.
/// Exact for every `u64`: the comparison is made in `u128`, without rounding.
/// With `total == 0` the answer is `false`.
pub fn exceeds(part: u64, total: u64, limit_percent: u32) -> bool {
    debug_assert!(part <= total, "part {part} of total {total}");
    u128::from(part) * 100 > u128::from(total) * u128::from(limit_percent)
}

/// Applies all rules to one period. The order is by severity, rule, direction and connector.
pub fn insights(
    summary: &Summary,
    coverage: &Coverage,
    files: &[FileRejects],
    config: &InsightsConfig,
    known: &dyn Fn(Direction, Option<&str>) -> Known,
) -> Vec<Insight> {
    let mut found = Vec::new();
    for sum in &summary.connectors {
        let known = known(sum.direction, sum.connector.as_deref());
        let rules = Rules { sum, known: &known, config };
        found.extend(rules.shares());
        found.extend(rules.forced());
        found.extend(rules.legacy());
        found.extend(rules.new_plaintext());
        found.extend(rules.silent());
    }
    found.extend(of_coverage(summary, coverage, files));
    found.sort_by(|a, b| {
        let key = |i: &Insight| (std::cmp::Reverse(i.severity), i.rule, i.direction);
        key(a).cmp(&key(b)).then_with(|| a.connector.cmp(&b.connector))
    });
    found
}

/// The rules for one connector.
struct Rules<'a> {
    sum: &'a Sum,
    known: &'a Known,
    config: &'a InsightsConfig,
}

impl Rules<'_> {
    fn insight(&self, rule: Rule, severity: Severity, messages: u64) -> Insight {
        Insight {
            rule,
            severity,
            certainty: Certainty::Certain,
            direction: Some(self.sum.direction),
            connector: self.sum.connector.clone(),
            messages,
            of: self.sum.tls.total(),
            limit_percent: None,
            previous: None,
            too_little_mail: false,
            problem: None,
            advice: self.advice(rule),
            contact: self.known.contact.clone(),
        }
    }

    fn advice(&self, rule: Rule) -> Advice {
        match rule {
            Rule::ForcedTlsBroken => Advice::CheckForcedSetting,
            Rule::ConnectorSilent => Advice::CheckConnectorUse,
            _ => match self.known.connector_type {
                Some(ConnectorType::Partner) => Advice::AskPartner,
                Some(ConnectorType::OnPremises) => Advice::FixOwnServer,
                _ => Advice::AskRemoteDomains,
            },
        }
    }

    fn shares(&self) -> Vec<Insight> {
        let no_tls = |tls: &TlsCounts| (tls.no_tls, tls.no_tls + tls.unknown);
        let old = |tls: &TlsCounts| {
            let certain = tls.tls1_0 + tls.ssl3;
            (certain, certain + tls.unknown + tls.tls_unspecified)
        };
        [
            self.share(Rule::NoTlsShare, &no_tls, self.config.no_tls_percent),
            self.share(Rule::Tls1_0Share, &old, self.config.tls1_0_percent),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// `bounds` gives the certain and the possible numerator.
    fn share(
        &self,
        rule: Rule,
        bounds: &dyn Fn(&TlsCounts) -> (u64, u64),
        limit_percent: u32,
    ) -> Option<Insight> {
        let tls = &self.sum.tls;
        let total = tls.total();
        let (certain, possible) = bounds(tls);
        let (messages, certainty) = if exceeds(certain, total, limit_percent) {
            (certain, Certainty::Certain)
        } else if exceeds(possible, total, limit_percent) && tls.unknown < total {
            // Where everything is unknown, one coverage note says so for all connectors.
            (possible, Certainty::Possible)
        } else {
            return None;
        };
        let too_little_mail = total < self.config.min_messages;
        let severity = match (certainty, too_little_mail) {
            (_, true) => Severity::Notice,
            (Certainty::Certain, false) => Severity::Alert,
            (Certainty::Possible, false) => Severity::Alert.one_lower(),
        };
        let previous = self.sum.previous.as_ref().map(|tls| match certainty {
            Certainty::Certain => bounds(tls).0,
            Certainty::Possible => bounds(tls).1,
        });
        Some(Insight {
            certainty,
            limit_percent: Some(limit_percent),
            previous,
            too_little_mail,
            ..self.insight(rule, severity, messages)
        })
    }

    fn forced(&self) -> Option<Insight> {
        let messages = self.sum.tls.no_tls;
        let broken = self.known.forced_tls == Some(true) && messages > 0;
        let previous = self.sum.previous.map(|tls| tls.no_tls);
        broken.then(|| Insight {
            previous,
            ..self.insight(Rule::ForcedTlsBroken, Severity::Alert, messages)
        })
    }

    fn legacy(&self) -> Option<Insight> {
        let old = |tls: &TlsCounts| tls.ssl3 + tls.tls1_0 + tls.tls1_1;
        let messages = old(&self.sum.tls);
        let previous = self.sum.previous.as_ref().map(old);
        (messages > 0).then(|| Insight {
            previous,
            ..self.insight(Rule::LegacyTls, Severity::Notice, messages)
        })
    }

    fn new_plaintext(&self) -> Option<Insight> {
        let before = self.sum.previous?;
        let messages = self.sum.tls.no_tls;
        (messages > 0 && before.no_tls == 0).then(|| Insight {
            previous: Some(0),
            ..self.insight(Rule::NewPlaintext, Severity::Warning, messages)
        })
    }

    fn silent(&self) -> Option<Insight> {
        let before = self.sum.previous?.total();
        (self.sum.tls.total() == 0 && before > 0).then(|| Insight {
            previous: Some(before),
            ..self.insight(Rule::ConnectorSilent, Severity::Warning, 0)
        })
    }
}

fn of_coverage(summary: &Summary, coverage: &Coverage, files: &[FileRejects]) -> Vec<Insight> {
    let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    let hours: i64 = coverage.gaps.iter().map(|gap| (gap.to - gap.from).num_hours()).sum();
    let many: Vec<&FileRejects> =
        files.iter().filter(|file| exceeds(file.rejected, file.rows, 1)).collect();
    let rejected = many.iter().map(|file| file.rejected).sum();
    let rows = many.iter().map(|file| file.rows).sum();
    let days = count(coverage.days_without_rows.len());
    [
        (CoverageProblem::DaysWithoutRows, days, summary.period.days(), Advice::CheckExport),
        (CoverageProblem::HoursWithoutRows, hours.unsigned_abs(), 0, Advice::CheckExport),
        (CoverageProblem::ExportCap, count(coverage.capped_files.len()), 0, Advice::CheckExport),
        (CoverageProblem::Rejects, rejected, rows, Advice::CheckRejects),
    ]
    .into_iter()
    .filter(|(_, messages, ..)| *messages > 0)
    .map(|(problem, messages, of, advice)| Insight {
        rule: Rule::CoverageGap,
        severity: Severity::Warning,
        certainty: Certainty::Certain,
        direction: None,
        connector: None,
        messages,
        of,
        limit_percent: (problem == CoverageProblem::Rejects).then_some(1),
        previous: None,
        too_little_mail: false,
        problem: Some(problem),
        advice,
        contact: None,
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule text: the widget says "above 25%", so the limit itself passes.
    #[test]
    fn exceeds_is_strict_and_exact() {
        let cases = [
            // part, total, expected
            (25, 100, false),
            (26, 100, true),
            (250_000, 1_000_000, false),
            (250_001, 1_000_000, true),
            (0, 0, false),
            (u64::MAX, u64::MAX, true),
        ];
        for (part, total, expected) in cases {
            assert_eq!(exceeds(part, total, 25), expected, "{part} of {total}");
        }
    }

    fn found(
        tls: TlsCounts,
        previous: Option<TlsCounts>,
        forced: bool,
    ) -> Vec<(Rule, Severity, Certainty)> {
        let sum = Sum { direction: Direction::Inbound, connector: None, tls, previous };
        let known = Known { forced_tls: Some(forced), ..Known::default() };
        let config = InsightsConfig::default();
        let rules = Rules { sum: &sum, known: &known, config: &config };
        let all = rules.shares().into_iter().chain(rules.forced()).chain(rules.legacy());
        let all = all.chain(rules.new_plaintext()).chain(rules.silent());
        all.map(|insight| (insight.rule, insight.severity, insight.certainty)).collect()
    }

    #[test]
    fn shares_by_their_bounds() {
        use Certainty::{Certain, Possible};
        let tls =
            |no_tls, tls1_2, unknown| TlsCounts { no_tls, tls1_2, unknown, ..TlsCounts::default() };
        assert_eq!(found(tls(25, 75, 0), None, false), vec![]);
        let alert = vec![(Rule::NoTlsShare, Severity::Alert, Certain)];
        assert_eq!(found(tls(26, 75, 0), None, false), alert);
        let possible = vec![(Rule::NoTlsShare, Severity::Warning, Possible)];
        assert_eq!(found(tls(20, 70, 10), None, false), possible);
        assert_eq!(found(tls(0, 0, 100), None, false), vec![]);
        let little = vec![(Rule::NoTlsShare, Severity::Notice, Certain)];
        assert_eq!(found(tls(9, 10, 0), None, false), little);
        assert_eq!(found(TlsCounts::default(), None, true), vec![]);
    }

    #[test]
    fn tls_1_0_share_counts_what_is_older_too() {
        let tls = TlsCounts { ssl3: 30, tls1_0: 21, tls1_2: 49, ..TlsCounts::default() };
        let rules: Vec<Rule> = found(tls, None, false).into_iter().map(|(rule, ..)| rule).collect();
        assert_eq!(rules, [Rule::Tls1_0Share, Rule::LegacyTls]);
        let half = TlsCounts { tls1_0: 50, tls1_2: 50, ..TlsCounts::default() };
        let rules: Vec<Rule> =
            found(half, None, false).into_iter().map(|(rule, ..)| rule).collect();
        assert_eq!(rules, [Rule::LegacyTls]);
    }

    #[test]
    fn comparison_with_the_period_before() {
        let some = TlsCounts { no_tls: 1, tls1_3: 99, ..TlsCounts::default() };
        let clean = TlsCounts { tls1_3: 100, ..TlsCounts::default() };
        let rules = |tls, previous, forced| -> Vec<Rule> {
            found(tls, previous, forced).into_iter().map(|(rule, ..)| rule).collect()
        };
        assert_eq!(rules(some, Some(clean), false), [Rule::NewPlaintext]);
        assert_eq!(rules(some, None, false), []);
        assert_eq!(rules(some, Some(some), true), [Rule::ForcedTlsBroken]);
        assert_eq!(rules(TlsCounts::default(), Some(some), false), [Rule::ConnectorSilent]);
    }
}
