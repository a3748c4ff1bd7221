//! The mail body: a summary worth reading on a phone, as HTML and as text from one view.
//!
//! Classic Outlook lays HTML out with Word, and some services show at most about 100 kB: so
//! tables, inline CSS, cells for bars, no image, and less than [`MAX_HTML`] bytes.

use chrono::{DateTime, TimeDelta, Utc};
use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::Serialize;

use super::branding::{Accent, Branding, Kind, Templates};
use super::view::{self, Part};
use super::words::{Words, number};
use super::{RenderError, clean};
use crate::insight::{Advice, Insight, Severity};
use crate::report::{self, Connector, PeerReport, Report, Total};
use crate::trace::Direction;

/// Longest HTML part in bytes.
pub const MAX_HTML: usize = 80_000;
/// Name of the HTML part's template.
const HTML: &str = "mail/report.html";
/// Most insights in a body.
const MAX_INSIGHTS: usize = 12;
/// Most lines about earlier reports, changes and connectors.
const MAX_LINES: usize = 15;
/// Most remote domains.
const MAX_PEERS: usize = 5;
/// Lateness from which on it is worth a word.
const LATE: TimeDelta = TimeDelta::hours(1);

/// A rendered body.
#[derive(Debug, Clone)]
pub struct Body {
    /// Subject line.
    pub subject: String,
    /// HTML part.
    pub html: String,
    /// Text part.
    pub text: String,
}

/// What a mail says that is not in the report.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// When the run was due.
    pub due_at: Option<DateTime<Utc>>,
    /// When the mail was made.
    pub made_at: Option<DateTime<Utc>>,
    /// What became of earlier reports.
    pub earlier: Vec<Earlier>,
    /// Where the report is filed.
    pub filed: Option<Filed>,
    /// Names of the attachments.
    pub attached: Vec<String>,
    /// Whether attachments were left out because of the size.
    pub left_out: bool,
}

/// Where a report is filed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filed {
    /// Folder of the evidence, as the settings write it.
    pub folder: String,
    /// Name of the bag.
    pub bag: String,
    /// Sequence number.
    pub seq: u64,
    /// SHA-256 of the head.
    pub head_sha256: String,
    /// Whether the head is signed.
    pub signed: bool,
}

impl Filed {
    /// The head as a header of the mail and `archive verify --anchor` have it.
    pub fn head(&self) -> String {
        format!("{:06} sha256:{}", self.seq, self.head_sha256)
    }
}

/// Something about an earlier report that its readers should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Earlier {
    /// It did not reach somebody.
    Undelivered {
        /// Nominal time of the run.
        nominal: String,
        /// Address.
        recipient: String,
        /// State of the message, as in the ledger.
        state: &'static str,
        /// What the relay said.
        reply: String,
    },
    /// It could not be made.
    Failed {
        /// Nominal time of the run.
        nominal: String,
        /// Why.
        reason: String,
    },
    /// It was not to be made.
    Skipped {
        /// Nominal time of the run.
        nominal: String,
        /// Why.
        reason: String,
    },
}

/// A notice about something that went wrong, or a test.
#[derive(Debug, Clone)]
pub enum Notice {
    /// A report could not be made.
    Failed {
        /// Name of the schedule.
        schedule: String,
        /// Nominal time of the run.
        nominal: String,
        /// Its zone.
        zone: String,
        /// Why.
        reason: String,
    },
    /// A report did not reach everyone.
    Undelivered {
        /// Name of the schedule.
        schedule: String,
        /// Nominal time of the run.
        nominal: String,
        /// Its zone.
        zone: String,
        /// Address, state and reply of each who was not reached.
        lines: Vec<(String, &'static str, String)>,
    },
    /// A person wants to see a mail arrive.
    Test,
}

#[derive(Debug, Serialize)]
struct MailView {
    language: String,
    subject: String,
    title: String,
    about: String,
    /// Stands between a label and what it labels.
    colon: String,
    notices: Vec<String>,
    periods: Vec<MailPeriod>,
    changed_title: String,
    changes: Vec<String>,
    insights_title: String,
    no_insights: String,
    insights: Vec<MailInsight>,
    more_insights: String,
    tables: Vec<MailTable>,
    earlier_title: String,
    earlier: Vec<String>,
    where_title: String,
    r#where: Vec<String>,
    footer: Vec<String>,
}

#[derive(Debug, Serialize)]
struct MailPeriod {
    title: String,
    dates: String,
    line: String,
    ways: Vec<Way>,
}

#[derive(Debug, Serialize)]
struct Way {
    direction: String,
    unit: String,
    share: String,
    share_of: String,
    parts: Vec<Bar>,
}

#[derive(Debug, Serialize)]
struct Bar {
    name: String,
    share: String,
    width: u32,
    colour: &'static str,
}

#[derive(Debug, Serialize)]
struct MailInsight {
    class: &'static str,
    colour: &'static str,
    severity: String,
    place: String,
    head: String,
    text: String,
    advice: String,
}

#[derive(Debug, Serialize)]
struct MailTable {
    title: String,
    caption: String,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

#[derive(Debug, Serialize)]
struct NoticeView {
    language: String,
    subject: String,
    title: String,
    about: String,
    notices: Vec<String>,
    lines: Vec<String>,
    footer: Vec<String>,
}

/// Renders the body of a report's mail in the report's language.
///
/// # Errors
/// [`RenderError`] when a template or language file is at fault.
pub fn report(report: &Report, facts: &Facts, branding: &Branding) -> Result<Body, RenderError> {
    let words = Words::of(&report.language)
        .ok_or_else(|| RenderError::Language(report.language.clone()))?;
    let mut shown = MAX_INSIGHTS;
    loop {
        let view = Builder { report, facts, words }.build(shown)?;
        let body = Body {
            subject: plain(words, &view.subject),
            html: fill(HTML, &view, words, (&branding.templates, branding.accent))?,
            text: fill("mail/report.txt", &view, words, (&branding.templates, branding.accent))?,
        };
        // Names are foreign text of any length: less of them until the body fits.
        if body.html.len() < MAX_HTML {
            return Ok(body);
        }
        if shown == 0 {
            return too_long(body, branding);
        }
        shown /= 2;
    }
}

/// With the built-in template this is as short as can be; another is told.
fn too_long(body: Body, branding: &Branding) -> Result<Body, RenderError> {
    if !branding.templates.replace(HTML) {
        return Ok(body);
    }
    let length = body.html.len();
    let what = format!("makes {length} bytes, where less than {MAX_HTML} are allowed");
    Err(branding.templates.at_fault(HTML, what))
}

/// Renders a notice. Its templates are always the built-in ones: whoever is to be told that
/// something went wrong is told, whatever is wrong with other templates.
///
/// # Errors
/// [`RenderError`] when a template or language file is at fault.
pub fn notice(
    notice: &Notice,
    language: &str,
    accent: Option<Accent>,
) -> Result<Body, RenderError> {
    let words = Words::of(language).ok_or_else(|| RenderError::Language(language.to_owned()))?;
    let (key, places, mut lines): (_, Vec<(&str, String)>, Vec<String>) = match notice {
        Notice::Failed { schedule, nominal, zone, reason } => {
            let places = run_places(schedule, nominal, zone);
            ("failed", places, vec![words.fill("failed.why", &[("reason", &clean(reason))])])
        }
        Notice::Undelivered { schedule, nominal, zone, lines } => {
            let line = |(recipient, state, reply): &(String, &'static str, String)| {
                let state = words.text(&format!("state.{state}"));
                words.fill(
                    "undelivered.line",
                    &[
                        ("recipient", &clean(recipient)),
                        ("state", &state),
                        ("reply", &clean(reply)),
                    ],
                )
            };
            let lines = lines.iter().map(line).collect();
            let mut places = run_places(schedule, nominal, zone);
            places.retain(|(name, _)| *name != "command");
            places.push(("command", format!("intransit deliver retry --run {schedule}/{nominal}")));
            ("undelivered", places, lines)
        }
        Notice::Test => ("test", Vec::new(), Vec::new()),
    };
    let places: Vec<(&str, &str)> =
        places.iter().map(|(name, value)| (*name, value.as_str())).collect();
    lines.insert(0, words.fill(&format!("{key}.what"), &places));
    if !matches!(notice, Notice::Test) {
        lines.push(words.fill(&format!("{key}.next"), &places));
    }
    let view = NoticeView {
        language: language.to_owned(),
        subject: words.fill(&format!("{key}.subject"), &places),
        title: words.text(&format!("{key}.title")),
        about: String::new(),
        notices: Vec::new(),
        lines,
        footer: vec![automatic(words)],
    };
    let built_in = Templates::default();
    Ok(Body {
        subject: plain(words, &view.subject),
        html: fill("mail/notice.html", &view, words, (&built_in, accent))?,
        text: fill("mail/notice.txt", &view, words, (&built_in, accent))?,
    })
}

fn run_places(schedule: &str, nominal: &str, zone: &str) -> Vec<(&'static str, String)> {
    vec![
        ("schedule", schedule.to_owned()),
        ("nominal", nominal.replace('T', " ")),
        ("zone", zone.to_owned()),
        ("command", format!("intransit run {schedule} --nominal {nominal}")),
    ]
}

fn automatic(words: &Words) -> String {
    words.fill(
        "mail.automatic",
        &[("name", env!("CARGO_PKG_NAME")), ("version", env!("CARGO_PKG_VERSION"))],
    )
}

/// A header's text: one line, digits grouped.
fn plain(words: &Words, text: &str) -> String {
    // Blanks that do not break are part of the words: they stay.
    words.grouped(text).split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

fn fill<V: Serialize>(
    template: &str,
    view: &V,
    words: &'static Words,
    (templates, accent): (&Templates, Option<Accent>),
) -> Result<String, RenderError> {
    let is_html = template.rsplit('.').next() == Some("html");
    let kind = if is_html { Kind::MailHtml } else { Kind::MailText };
    let environment = templates.environment(kind, words)?;
    let looks = context! {
        accent => accent.map(|accent| accent.light.to_string()),
        accent_dark => accent.map(|accent| accent.dark.to_string()),
    };
    let context = context! { mail => Value::from(Serde(view)), branding => looks };
    Ok(words.grouped(&templates.fill(&environment, template, context)?))
}

struct Builder<'a> {
    report: &'a Report,
    facts: &'a Facts,
    words: &'static Words,
}

impl Builder<'_> {
    fn build(&self, shown: usize) -> Result<MailView, RenderError> {
        let (words, report) = (self.words, self.report);
        let whole = view::build(report)?;
        let first = whole.periods.first();
        let foremost = report.periods.first();
        let foremost = foremost.map(|period| view::foremost(&period.insights, shown));
        let insights: Vec<MailInsight> = foremost
            .into_iter()
            .flatten()
            .filter_map(|place| first.and_then(|period| period.insights.get(place)))
            .map(|insight| MailInsight {
                class: if insight.level == "notice" { "info" } else { insight.level },
                colour: severity_colour(insight.level),
                severity: insight.severity.clone(),
                place: insight.place.clone(),
                head: insight.head.clone(),
                text: insight.text.clone(),
                advice: insight.advice.clone(),
            })
            .collect();
        let all = first.map_or(0, |period| period.insights.len());
        let hidden = u64::try_from(all.saturating_sub(insights.len())).unwrap_or(0);
        let mut notices = self.late();
        notices.extend(whole.notices.clone());
        Ok(MailView {
            language: report.language.clone(),
            subject: self.subject(),
            title: whole.title.clone(),
            about: whole.about.clone(),
            colon: words.text("join.colon"),
            notices,
            periods: whole.periods.iter().map(mail_period).collect(),
            changed_title: words.text("mail.changed"),
            changes: self.changes(shown),
            insights_title: words.text("insights.title"),
            no_insights: words.text("insights.none"),
            insights,
            more_insights: if hidden > 0 {
                words.count("mail.more_insights", hidden)
            } else {
                String::new()
            },
            tables: self.attention(&whole, shown).into_iter().chain(self.peers(&whole)).collect(),
            earlier_title: words.text("mail.earlier"),
            earlier: self.facts.earlier.iter().take(MAX_LINES).map(|e| self.earlier(e)).collect(),
            where_title: words.text("mail.where"),
            r#where: self.filed(),
            footer: vec![whole.made_by.clone(), automatic(words)],
        })
    }

    fn subject(&self) -> String {
        let (words, report) = (self.words, self.report);
        let first = report.periods.first();
        let from = first.map_or(report.as_of, |period| period.from);
        let to = first.map_or(report.as_of, |period| period.to);
        // What matters comes first: a phone shows the beginning of a subject.
        let mut also = vec![self.gravest()];
        if let Some(run) = report.run.as_ref().filter(|run| run.revision > 1) {
            also.push(words.fill("mail.subject_revision", &[("n", &run.revision.to_string())]));
        }
        if report.incomplete.is_some() {
            also.push(words.text("mail.subject_incomplete"));
        }
        words.fill(
            "mail.subject",
            &[
                ("organisation", &clean(&report.organisation)),
                ("summary", &words.join("comma", &also)),
                ("from", &words.date(from)),
                ("to", &words.date(to)),
            ],
        )
    }

    /// How many alerts, or else warnings, the first period has.
    fn gravest(&self) -> String {
        let insights = self.report.periods.first().map_or(&[][..], |period| &period.insights);
        let of = |severity| {
            let count = insights.iter().filter(|insight| insight.severity == severity).count();
            u64::try_from(count).unwrap_or(0)
        };
        match (of(Severity::Alert), of(Severity::Warning)) {
            (0, 0) => self.words.text("mail.nothing"),
            (0, warnings) => self.words.count("mail.warnings", warnings),
            (alerts, _) => self.words.count("mail.alerts", alerts),
        }
    }

    fn late(&self) -> Vec<String> {
        let (Some(due), Some(made)) = (self.facts.due_at, self.facts.made_at) else {
            return Vec::new();
        };
        let late = made - due;
        let Some(run) = self.report.run.as_ref().filter(|_| late >= LATE) else {
            return Vec::new();
        };
        let nominal = run.nominal.replace('T', " ");
        let places = [("late", self.length(late)), ("nominal", nominal)];
        let places = places.each_ref().map(|(name, value)| (*name, value.as_str()));
        vec![self.words.fill("mail.late", &places)]
    }

    fn length(&self, length: TimeDelta) -> String {
        let words = self.words;
        let days = u64::try_from(length.num_days()).unwrap_or(0);
        let hours = u64::try_from(length.num_hours() % 24).unwrap_or(0);
        match (days, hours) {
            (0, hours) => words.count("mail.hours", hours),
            (days, 0) => words.count("mail.days", days),
            (days, hours) => {
                words.list(&[words.count("mail.days", days), words.count("mail.hours", hours)])
            }
        }
    }

    fn changes(&self, shown: usize) -> Vec<String> {
        let Some(period) = self.report.periods.first() else { return Vec::new() };
        let mut lines: Vec<String> = period.totals.iter().map(|total| self.change(total)).collect();
        let new = |part: &&Connector| {
            part.connector.is_some() && part.previous.is_some_and(|before| before.messages == 0)
        };
        lines.extend(period.connectors.iter().filter(new).take(shown.min(MAX_LINES)).map(|part| {
            self.words.fill(
                "mail.new_connector",
                &[
                    ("connector", &self.name(part.connector.as_deref())),
                    ("direction", &self.direction(part.direction)),
                    ("messages", &self.words.count("widget.messages", part.messages)),
                ],
            )
        }));
        lines
    }

    fn change(&self, total: &Total) -> String {
        let words = self.words;
        let direction = self.direction(total.direction);
        let messages = words.count("widget.messages", total.messages);
        let Some(before) = total.previous else {
            let key = if total.messages == 0 { "mail.no_mail" } else { "mail.no_previous" };
            return words.fill(key, &[("direction", &direction), ("messages", &messages)]);
        };
        let difference = number(total.messages.abs_diff(before.messages));
        let change = match total.messages.cmp(&before.messages) {
            std::cmp::Ordering::Equal => words.text("mail.same"),
            std::cmp::Ordering::Greater => words.fill("mail.more", &[("n", &difference)]),
            std::cmp::Ordering::Less => words.fill("mail.less", &[("n", &difference)]),
        };
        let share = report::share(total.tls.no_tls, total.messages);
        let share_before = report::share(before.tls.no_tls, before.messages);
        let shares =
            share.zip(share_before).map(|(now, then)| (words.percent(now), words.percent(then)));
        let (key, (share, share_before)) = match shares {
            Some(shares) => ("mail.volume_clear", shares),
            None => ("mail.volume", Default::default()),
        };
        words.fill(
            key,
            &[
                ("direction", &direction),
                ("messages", &messages),
                ("change", &change),
                ("share", &share),
                ("share_before", &share_before),
            ],
        )
    }

    /// The connectors of which an alert or warning speaks, worst first.
    fn attention(&self, whole: &view::View, shown: usize) -> Option<MailTable> {
        let words = self.words;
        let period = self.report.periods.first()?;
        let grave = |insight: &&Insight| insight.severity >= Severity::Warning;
        let mut rows: Vec<&Connector> = Vec::new();
        for insight in period.insights.iter().filter(grave) {
            let of = |part: &&Connector| {
                Some(part.direction) == insight.direction && part.connector == insight.connector
            };
            let found = period.connectors.iter().find(of);
            rows.extend(found.filter(|part| !rows.contains(part)));
        }
        if rows.is_empty() {
            return None;
        }
        let title = whole.periods.first().map_or("", |period| period.title.as_str());
        let row = |part: &&Connector| {
            let share = report::share(part.tls.no_tls, part.messages).unwrap_or(0);
            vec![
                self.name(part.connector.as_deref()),
                self.direction(part.direction),
                number(part.messages),
                words.percent(share),
            ]
        };
        let head = ["column.connector", "column.direction", "column.messages", "tls.no_tls"];
        Some(MailTable {
            title: words.text("mail.attention"),
            caption: words.fill("mail.attention_caption", &[("period", title)]),
            head: head.map(|key| words.text(key)).into(),
            rows: rows.iter().take(shown.clamp(1, MAX_LINES)).map(row).collect(),
        })
    }

    /// The remote domains that an advice speaks of: whom to call.
    fn peers(&self, whole: &view::View) -> Option<MailTable> {
        let words = self.words;
        let period = self.report.periods.first()?;
        let asked =
            period.insights.iter().any(|insight| insight.advice == Advice::AskRemoteDomains);
        let weak =
            |peer: &PeerReport| peer.tls.no_tls + peer.tls.ssl3 + peer.tls.tls1_0 + peer.tls.tls1_1;
        let worst: Vec<&PeerReport> =
            period.peers.iter().filter(|peer| weak(peer) > 0).take(MAX_PEERS).collect();
        if !asked || worst.is_empty() {
            return None;
        }
        let title = whole.periods.first().map_or("", |period| period.title.as_str());
        let row = |peer: &&PeerReport| {
            vec![
                clean(&peer.peer),
                self.direction(peer.direction),
                number(peer.messages),
                number(weak(peer)),
            ]
        };
        let head = ["column.peer", "column.direction", "column.messages", "mail.weak"];
        Some(MailTable {
            title: words.text("peers.title"),
            caption: words.fill("mail.peers_caption", &[("period", title)]),
            head: head.map(|key| words.text(key)).into(),
            rows: worst.iter().map(row).collect(),
        })
    }

    fn earlier(&self, earlier: &Earlier) -> String {
        let words = self.words;
        let (key, nominal, places) = match earlier {
            Earlier::Undelivered { nominal, recipient, state, reply } => {
                let state = words.text(&format!("state.{state}"));
                let places = vec![
                    ("recipient", clean(recipient)),
                    ("state", state),
                    ("reply", clean(reply)),
                ];
                ("mail.earlier_undelivered", nominal, places)
            }
            Earlier::Failed { nominal, reason } => {
                ("mail.earlier_failed", nominal, vec![("reason", clean(reason))])
            }
            Earlier::Skipped { nominal, reason } => {
                ("mail.earlier_skipped", nominal, vec![("reason", clean(reason))])
            }
        };
        let nominal = nominal.replace('T', " ");
        let mut all = vec![("nominal", nominal.as_str())];
        all.extend(places.iter().map(|(name, value)| (*name, value.as_str())));
        words.fill(key, &all)
    }

    fn filed(&self) -> Vec<String> {
        let words = self.words;
        let facts = self.facts;
        let mut lines = Vec::new();
        if !facts.attached.is_empty() {
            lines.push(words.fill("mail.attached", &[("files", &words.list(&facts.attached))]));
        }
        if facts.left_out {
            lines.push(words.text("mail.not_attached"));
        }
        if let Some(filed) = &facts.filed {
            let places = [("bag", filed.bag.as_str()), ("folder", &filed.folder)];
            lines.push(words.fill("mail.archived", &places));
            lines.push(words.fill("mail.head", &[("head", &filed.head())]));
            if !filed.signed {
                lines.push(words.text("evidence.unsigned"));
            }
        }
        lines
    }

    fn direction(&self, direction: Direction) -> String {
        self.words.text(&format!("direction.{}", direction.name()))
    }

    fn name(&self, connector: Option<&str>) -> String {
        view::connector(self.report, self.words, connector)
    }
}

fn mail_period(period: &view::PeriodView) -> MailPeriod {
    let ways = period.cards.iter().zip(&period.splits).map(|(card, split)| Way {
        direction: card.direction.clone(),
        unit: card.unit.clone(),
        share: card.share.clone(),
        share_of: card.share_of.clone(),
        parts: bars(&split.parts),
    });
    MailPeriod {
        title: period.title.clone(),
        dates: period.dates.clone(),
        line: period.line.clone(),
        ways: ways.collect(),
    }
}

/// Cells of a bar. Each part is at least one percent wide, so that it can be seen.
fn bars(parts: &[Part]) -> Vec<Bar> {
    parts
        .iter()
        .map(|part| Bar {
            name: part.name.clone(),
            share: part.share.clone(),
            width: (part.tenths / 10).max(1),
            colour: band_colour(part.key),
        })
        .collect()
}

/// Colours that can be told apart on light and dark ground.
fn band_colour(band: &str) -> &'static str {
    match band {
        "no_tls" => "#c9362b",
        "ssl3" => "#9b4dca",
        "tls1_0" => "#d9730d",
        "tls1_1" => "#c9a000",
        "tls1_2" => "#3b82c4",
        "tls1_3" => "#2a6cae",
        "tls_unspecified" => "#7b8594",
        _ => "#98a1ab",
    }
}

fn severity_colour(level: &str) -> &'static str {
    match level {
        "alert" => "#b3261e",
        "warning" => "#9a5b00",
        _ => "#2b5f93",
    }
}
