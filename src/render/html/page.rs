//! What the page shows beyond the common view: each day of each connector, and the choices.
//!
//! | part | one entry per |
//! |---|---|
//! | [`Page::periods`] | period: the split each way, its connectors, the period before |
//! | [`Page::matters`] | what needs attention, the same matter of several periods once |
//! | [`Page::places`] | direction and connector |
//! | [`Page::details`] | day, direction and connector: what the script adds up |
//! | [`Page::days`] | day of the report: the charts and the tables beside them |

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, NaiveDate};
use serde::Serialize;

use crate::insight::{Insight, Severity};
use crate::render::clean;
use crate::render::view::{self, InsightView, View, round_up};
use crate::render::words::{Words, number};
use crate::report::{self, PeriodReport, Previous, Report};
use crate::trace::{ConnectorType, Direction, Tls, TlsCounts};

/// The ways that are reported.
const WAYS: [Direction; 2] = [Direction::Inbound, Direction::Outbound];

/// Words that the script needs. It takes them from the page, and so holds none itself.
const SCRIPT_WORDS: [&str; 44] = [
    "number.group",
    "number.decimal",
    "number.percent",
    "date.long",
    "date.range",
    "widget.messages.one",
    "widget.messages.other",
    "widget.protected",
    "widget.at_least",
    "widget.no_mail",
    "widget.not_recorded",
    "widget.no_previous",
    "chart.day",
    "chart.alt",
    "column.date",
    "column.direction",
    "column.connector",
    "connector.none",
    "connectors.total",
    "direction.inbound",
    "direction.outbound",
    "html.volume",
    "html.place",
    "html.type",
    "column.forced_tls",
    "html.protected",
    "html.before",
    "html.change",
    "html.no_tls_before",
    "html.no_rows",
    "html.way",
    "html.compared",
    "html.outside",
    "html.order",
    "html.shown",
    "html.look",
    "insights.with",
    "date.first_day",
    "join.colon",
    "join.comma",
    "html.no_before",
    "html.sum",
    "html.hint",
    "html.all_days",
];

/// The parts of the page.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    bands: Vec<Band>,
    periods: Vec<PeriodPart>,
    matters: Vec<Matter>,
    more_matters: String,
    places: Vec<Place>,
    choices: Vec<Choice>,
    details: Vec<Detail>,
    days: Vec<Day>,
    /// A round number at or above the highest bar.
    top: u64,
    first: NaiveDate,
    last: NaiveDate,
}

/// A TLS band that has a column.
#[derive(Debug, Serialize)]
struct Band {
    key: &'static str,
    name: String,
}

/// The figures of one period.
#[derive(Debug, Serialize)]
struct PeriodPart {
    ways: Vec<Way>,
    connectors: Vec<Line>,
    before: Vec<Line>,
    before_caption: String,
}

/// One direction of one period.
#[derive(Debug, Serialize)]
struct Way {
    name: String,
    all: String,
    messages: u64,
    before: Option<u64>,
    bands: Vec<WayBand>,
}

/// One band of one direction, and what it was in the period before.
#[derive(Debug, Serialize)]
struct WayBand {
    key: &'static str,
    name: String,
    count: u64,
    share: String,
    before: Option<u64>,
    before_share: String,
}

/// Messages of one connector, or of all mail of one direction where there is none.
#[derive(Debug, Serialize)]
struct Line {
    place: Option<usize>,
    way: &'static str,
    label: String,
    messages: u64,
    bands: Vec<(u64, String)>,
}

/// One matter that needs attention, with what each period says of it.
#[derive(Debug, Serialize)]
struct Matter {
    level: &'static str,
    severity: String,
    place: String,
    /// The entry of the drop-down that shows it.
    choice: Option<usize>,
    lines: Vec<String>,
    advice: String,
}

/// A direction and a connector.
#[derive(Debug, Serialize)]
struct Place {
    way: &'static str,
    /// Its entry of the drop-down.
    choice: usize,
    label: String,
    kind: String,
    forced: String,
}

/// An entry of the drop-down.
#[derive(Debug, Serialize)]
struct Choice {
    key: String,
    label: String,
}

/// Messages of one day, direction and connector.
#[derive(Debug, Serialize)]
struct Detail {
    date: NaiveDate,
    place: usize,
    bands: Vec<u64>,
    messages: u64,
}

/// One day of the charts.
#[derive(Debug, Serialize)]
struct Day {
    date: NaiveDate,
    number: u32,
    month: String,
    /// Whether no trace has any row of it.
    no_rows: bool,
    ways: Vec<DayWay>,
}

/// One direction of one day.
#[derive(Debug, Serialize)]
struct DayWay {
    name: String,
    messages: u64,
    bands: Vec<(&'static str, u64)>,
    text: String,
}

/// Builds the parts of the page.
pub(super) fn build(report: &Report, view: &View, words: &Words) -> Page {
    let names = Names::of(report, words);
    let choices = names.choices(words);
    let maker = Maker { report, words, bands: bands(report), names, choices };
    let places = maker.places();
    let days = maker.days();
    let (matters, hidden) = maker.matters(view);
    let most = days.iter().flat_map(|day| &day.ways).map(|way| way.messages).max().unwrap_or(0);
    let (first, last) = range(report);
    Page {
        bands: maker
            .bands
            .iter()
            .map(|band| Band { key: band.key(), name: maker.band(*band) })
            .collect(),
        periods: report.periods.iter().map(|period| maker.period(period, &places)).collect(),
        matters,
        more_matters: view::more_insights(hidden, words),
        details: maker.details(&places),
        places: places.keys().map(|place| maker.place(*place)).collect(),
        choices: maker.choices,
        days,
        top: round_up(most),
        first,
        last,
    }
}

/// What the script needs beside the tables: words, periods, days without rows, the direction
/// and the entry of the drop-down of each place. No figures, and no text from a trace.
pub(super) fn data(report: &Report, view: &View, page: &Page, words: &Words) -> String {
    let mut texts: BTreeMap<String, String> =
        SCRIPT_WORDS.iter().map(|key| ((*key).to_owned(), words.text(key))).collect();
    for month in 1..=12 {
        let key = format!("month.m{month}");
        texts.insert(key.clone(), words.text(&key));
    }
    let periods: Vec<serde_json::Value> = report
        .periods
        .iter()
        .zip(&view.periods)
        .map(|(period, shown)| {
            serde_json::json!({"title": shown.title, "from": period.from, "to": period.to})
        })
        .collect();
    let places: Vec<(&str, usize)> =
        page.places.iter().map(|place| (place.way, place.choice)).collect();
    let data = serde_json::json!({
        "words": texts,
        "places": places,
        "periods": periods,
        "without_rows": without_rows(report),
    });
    // `<` could end the element early.
    data.to_string().replace('<', "\\u003c")
}

type PlaceKey<'a> = (Direction, Option<&'a str>);
type Facts<'a> = BTreeMap<PlaceKey<'a>, usize>;

struct Maker<'a> {
    report: &'a Report,
    words: &'a Words,
    bands: Vec<Tls>,
    names: Names<'a>,
    choices: Vec<Choice>,
}

impl<'a> Maker<'a> {
    /// Every direction and connector with mail, in the order of the tables, numbered.
    fn places(&self) -> Facts<'a> {
        let connectors = self.report.periods.iter().flat_map(|period| &period.connectors);
        let found: BTreeSet<PlaceKey> = connectors
            .map(|part| (part.direction, part.connector.as_deref()))
            .chain(
                self.report
                    .periods
                    .iter()
                    .flat_map(|period| &period.daily)
                    .map(|day| (day.direction, day.connector.as_deref())),
            )
            .collect();
        found.into_iter().enumerate().map(|(index, place)| (place, index)).collect()
    }

    fn place(&self, (direction, name): PlaceKey) -> Place {
        let words = self.words;
        let same = |part: &&report::Connector| {
            part.direction == direction && part.connector.as_deref() == name
        };
        let mut parts = self.report.periods.iter().flat_map(|period| &period.connectors);
        let part = parts.find(same);
        let kind = part.map_or(ConnectorType::Unknown, |part| part.connector_type);
        let forced = match part.and_then(|part| part.forced_tls) {
            Some(true) => words.text("yes_no.yes"),
            Some(false) => words.text("yes_no.no"),
            None if kind == ConnectorType::None => String::new(),
            None => words.text("yes_no.unknown"),
        };
        Place {
            way: direction.name(),
            choice: self.choice(name),
            label: self.label(direction, name),
            kind: words.text(&format!("type.{}", kind.name())),
            forced,
        }
    }

    /// The number of a connector's entry in the drop-down; 0 is all mail flow.
    fn choice(&self, name: Option<&str>) -> usize {
        let key = self.names.key(name);
        self.choices.iter().position(|choice| choice.key == key).map_or(0, |index| index + 1)
    }

    fn label(&self, direction: Direction, name: Option<&str>) -> String {
        let name = self.names.label(name, self.words);
        let places = [("direction", self.direction(direction)), ("connector", name)];
        let places = places.each_ref().map(|(key, value)| (*key, value.as_str()));
        self.words.fill("insights.with", &places)
    }

    /// Each day once, also where periods overlap.
    fn details(&self, places: &Facts) -> Vec<Detail> {
        let mut days = BTreeMap::new();
        for day in self.report.periods.iter().flat_map(|period| &period.daily) {
            if let Some(place) = places.get(&(day.direction, day.connector.as_deref())) {
                days.insert((day.date, *place), &day.tls);
            }
        }
        days.into_iter()
            .map(|((date, place), tls)| Detail {
                date,
                place,
                bands: self.bands.iter().map(|band| tls.get(*band)).collect(),
                messages: tls.total(),
            })
            .collect()
    }

    fn days(&self) -> Vec<Day> {
        let mut sums: BTreeMap<(NaiveDate, Direction), TlsCounts> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for day in self.report.periods.iter().flat_map(|period| &period.daily) {
            if seen.insert((day.date, day.direction, day.connector.as_deref())) {
                sums.entry((day.date, day.direction)).or_default().add_all(&day.tls);
            }
        }
        let (first, last) = range(self.report);
        let without_rows = without_rows(self.report);
        let day = |date: NaiveDate| {
            let no_rows = without_rows.contains(&date);
            let way = |way| {
                let tls = sums.get(&(date, way)).copied().unwrap_or_default();
                self.day(date, no_rows, way, tls)
            };
            Day {
                date,
                number: date.day(),
                month: self.words.text(&format!("month.m{}", date.month())),
                no_rows,
                ways: WAYS.map(way).into(),
            }
        };
        first.iter_days().take_while(|date| *date <= last).map(day).collect()
    }

    fn day(&self, date: NaiveDate, no_rows: bool, direction: Direction, tls: TlsCounts) -> DayWay {
        let words = self.words;
        let said: Vec<String> = self
            .bands
            .iter()
            .filter(|band| tls.get(**band) > 0)
            .map(|band| words.labelled(&self.band(*band), &number(tls.get(*band))))
            .collect();
        let long = words.date(date);
        let text = if no_rows {
            words.labelled(&long, &words.text("html.no_rows"))
        } else if said.is_empty() {
            words.labelled(&long, &words.text("widget.no_mail"))
        } else {
            let messages = words.count("widget.messages", tls.total());
            let parts = words.join("comma", &said);
            let places = [("date", &long), ("messages", &messages), ("parts", &parts)];
            words.fill("chart.day", &places.map(|(key, value)| (key, value.as_str())))
        };
        DayWay {
            name: self.direction(direction),
            messages: tls.total(),
            bands: self.bands.iter().map(|band| (band.key(), tls.get(*band))).collect(),
            text,
        }
    }

    fn period(&self, period: &PeriodReport, places: &Facts) -> PeriodPart {
        let length = chrono::TimeDelta::days((period.to - period.from).num_days() + 1);
        let date = |day: NaiveDate| self.words.date(day.checked_sub_signed(length).unwrap_or(day));
        let (from, to) = (date(period.from), date(period.to));
        let dates = self.words.fill("date.range", &[("from", &from), ("to", &to)]);
        PeriodPart {
            ways: period.totals.iter().map(|total| self.way(total)).collect(),
            connectors: self.lines(period, places, |_, now| Some(now)),
            before: self.lines(period, places, |previous, _| previous),
            before_caption: self.words.fill("html.before_caption", &[("dates", &dates)]),
        }
    }

    /// A table of the connectors with a sum per direction, of now or of the period before.
    fn lines(
        &self,
        period: &PeriodReport,
        places: &Facts,
        counts: fn(Option<Previous>, Previous) -> Option<Previous>,
    ) -> Vec<Line> {
        let mut lines = Vec::new();
        for part in &period.connectors {
            let now = Previous { messages: part.messages, tls: part.tls };
            if let Some(counts) = counts(part.previous, now) {
                let place = places.get(&(part.direction, part.connector.as_deref())).copied();
                let label = self.label(part.direction, part.connector.as_deref());
                lines.push(self.line(place, part.direction, label, counts));
            }
        }
        for total in &period.totals {
            let now = Previous { messages: total.messages, tls: total.tls };
            if let Some(counts) = counts(total.previous, now) {
                let (way, all) =
                    (self.direction(total.direction), self.words.text("connectors.total"));
                let places = [("direction", way.as_str()), ("connector", all.as_str())];
                let label = self.words.fill("insights.with", &places);
                lines.push(self.line(None, total.direction, label, counts));
            }
        }
        lines
    }

    fn line(&self, place: Option<usize>, way: Direction, label: String, counts: Previous) -> Line {
        let shares = self.shares(&counts.tls);
        let bands = self.bands.iter().map(|band| counts.tls.get(*band)).zip(shares).collect();
        Line { place, way: way.name(), label, messages: counts.messages, bands }
    }

    fn way(&self, total: &report::Total) -> Way {
        let before = total.previous;
        let shares = self.shares(&total.tls);
        let shares_before = self.shares(&before.map(|before| before.tls).unwrap_or_default());
        let parts = self.bands.iter().zip(shares).zip(shares_before);
        Way {
            name: self.direction(total.direction),
            all: self.words.text("connectors.total"),
            messages: total.messages,
            before: before.map(|before| before.messages),
            bands: parts
                .map(|((band, share), before_share)| WayBand {
                    key: band.key(),
                    name: self.band(*band),
                    count: total.tls.get(*band),
                    share,
                    before: before.map(|before| before.tls.get(*band)),
                    before_share,
                })
                .collect(),
        }
    }

    /// Printed shares of the bands that are shown; empty where there is no message.
    fn shares(&self, tls: &TlsCounts) -> Vec<String> {
        let shares = report::shares(tls);
        let share = |band: &Tls| shares.and_then(|shares| shares.get(*band as usize).copied());
        let text = |band| share(band).map_or_else(String::new, |tenths| self.words.percent(tenths));
        self.bands.iter().map(text).collect()
    }

    /// The same rule, connector and advice in several periods is one matter. Where there are more
    /// than a reader is shown: the gravest, and of these the ones about the most messages; and
    /// how many others there are.
    fn matters(&self, view: &View) -> (Vec<Matter>, usize) {
        let mut found: Vec<(Severity, Vec<Said>)> = Vec::new();
        for (period, shown) in self.report.periods.iter().zip(&view.periods) {
            for (insight, text) in period.insights.iter().zip(&shown.insights) {
                let said = Said { period: &shown.title, insight, text };
                match found.iter_mut().find(|(_, others)| others.iter().any(|o| o.same(&said))) {
                    Some((gravest, others)) => {
                        *gravest = (*gravest).max(insight.severity);
                        others.push(said);
                    }
                    None => found.push((insight.severity, vec![said])),
                }
            }
        }
        found.sort_by_key(|(gravest, _)| std::cmp::Reverse(*gravest));
        let hidden = found.len().saturating_sub(view::MOST_INSIGHTS);
        if hidden > 0 {
            let most = |said: &[Said]| said.iter().map(|one| one.insight.messages).max();
            found.sort_by_key(|(gravest, said)| std::cmp::Reverse((*gravest, most(said))));
            found.truncate(view::MOST_INSIGHTS);
        }
        let matters = found.iter().filter_map(|(gravest, said)| self.matter(*gravest, said));
        (matters.collect(), hidden)
    }

    fn matter(&self, gravest: Severity, said: &[Said]) -> Option<Matter> {
        let first = said.first()?;
        let line = |one: &Said| {
            let mut when = one.period.to_owned();
            if one.insight.severity != gravest {
                when = format!("{when} ({})", one.text.severity);
            }
            self.words.fill("html.of_period", &[("period", &when), ("text", &one.text.text)])
        };
        let lines = match self.report.periods.as_slice() {
            [_] => said.iter().map(|one| one.text.text.clone()).collect(),
            _ => said.iter().map(line).collect(),
        };
        let about = first.insight.direction.map(|_| first.insight.connector.as_deref());
        Some(Matter {
            level: gravest.name(),
            severity: self.words.text(&format!("severity.{}", gravest.name())),
            place: first.text.place.clone(),
            choice: about.map(|name| self.choice(name)),
            lines,
            advice: first.text.advice.clone(),
        })
    }

    fn direction(&self, direction: Direction) -> String {
        self.words.text(&format!("direction.{}", direction.name()))
    }

    fn band(&self, band: Tls) -> String {
        self.words.text(&format!("tls.{}", band.key()))
    }
}

/// What one period says.
struct Said<'a> {
    period: &'a str,
    insight: &'a Insight,
    text: &'a InsightView,
}

impl Said<'_> {
    fn same(&self, other: &Self) -> bool {
        let (one, two) = (self.insight, other.insight);
        self.period != other.period
            && (one.rule, one.direction, &one.connector)
                == (two.rule, two.direction, &two.connector)
            && one.problem == two.problem
            && self.text.advice == other.text.advice
    }
}

/// The connectors' names as they are shown. Two names that would look alike get a number,
/// so that a choice in the drop-down always means one name.
struct Names<'a> {
    labels: BTreeMap<&'a str, String>,
    nameless: bool,
}

impl<'a> Names<'a> {
    fn of(report: &'a Report, words: &Words) -> Self {
        let mut labels = BTreeMap::new();
        let mut taken = BTreeSet::from([words.text("connectors.total")]);
        let mut nameless = false;
        let connectors = report.periods.iter().flat_map(|period| &period.connectors);
        for part in connectors {
            let Some(name) = part.connector.as_deref() else {
                nameless = true;
                continue;
            };
            labels.entry(name).or_insert_with(|| {
                let shown = view::connector(report, words, Some(name));
                let numbered = (2..).map(|count: u32| format!("{shown} ({count})"));
                let mut free = std::iter::once(shown.clone()).chain(numbered);
                let label = free.find(|label| !taken.contains(label)).unwrap_or(shown);
                taken.insert(label.clone());
                label
            });
        }
        Self { labels, nameless }
    }

    fn label(&self, name: Option<&str>, words: &Words) -> String {
        name.map_or_else(
            || words.text("connector.none"),
            |name| self.labels.get(name).cloned().unwrap_or_else(|| clean(name)),
        )
    }

    /// What stands for a name in the address of the page.
    fn key(&self, name: Option<&str>) -> String {
        let shown = |name| self.labels.get(name).cloned().unwrap_or_else(|| clean(name));
        name.map_or_else(|| "none".to_owned(), |name| format!("name:{}", shown(name)))
    }

    /// All names by the alphabet, then mail without a connector.
    fn choices(&self, words: &Words) -> Vec<Choice> {
        let mut labels: Vec<&String> = self.labels.values().collect();
        labels.sort_by_key(|label| (label.to_lowercase(), (*label).clone()));
        let named = labels
            .into_iter()
            .map(|label| Choice { key: format!("name:{label}"), label: label.clone() });
        let nameless = self
            .nameless
            .then(|| Choice { key: "none".to_owned(), label: words.text("connector.none") });
        named.chain(nameless).collect()
    }
}

/// The five usual bands, and the rare ones where any period or day has such a message.
fn bands(report: &Report) -> Vec<Tls> {
    let mut sum = TlsCounts::default();
    for period in &report.periods {
        for total in &period.totals {
            sum.add_all(&total.tls);
            sum.add_all(&total.previous.map(|before| before.tls).unwrap_or_default());
        }
    }
    let rare = |band: &Tls| matches!(band, Tls::Ssl3 | Tls::Unspecified | Tls::Unknown);
    Tls::ALL.into_iter().filter(|band| !rare(band) || sum.get(*band) > 0).collect()
}

/// First and last day of all periods.
fn range(report: &Report) -> (NaiveDate, NaiveDate) {
    let first = report.periods.iter().map(|period| period.from).min();
    let last = report.periods.iter().map(|period| period.to).max();
    (first.unwrap_or(report.as_of), last.unwrap_or(report.as_of))
}

fn without_rows(report: &Report) -> BTreeSet<NaiveDate> {
    let periods = report.periods.iter();
    periods.flat_map(|period| period.coverage.days_without_rows.iter().copied()).collect()
}
