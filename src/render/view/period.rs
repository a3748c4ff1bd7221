//! One period as a reader sees it.

use chrono::NaiveDate;

use super::{
    Card, Cell, Chart, ChartDay, Column, InsightView, Part, PeriodView, Row, Split, Table, cell,
    column, time,
};
use crate::insight::{Certainty, Insight};
use crate::render::clean;
use crate::render::words::{Words, number};
use crate::report::{self, Connector, PeriodReport, Report, Total};
use crate::trace::{ConnectorType, Direction, Tls, TlsCounts};

/// Builds the view of one period.
pub(super) struct Builder<'a> {
    pub(super) report: &'a Report,
    pub(super) words: &'a Words,
    pub(super) period: &'a PeriodReport,
}

impl Builder<'_> {
    pub(super) fn build(&self) -> PeriodView {
        let (words, period) = (self.words, self.period);
        let bands = shown_bands(period.totals.iter().map(|total| &total.tls));
        let directions = [Direction::Inbound, Direction::Outbound];
        let title = self.title();
        let dates = self.dates();
        let foremost = foremost(&period.insights, MOST_INSIGHTS);
        let hidden = period.insights.len() - foremost.len();
        PeriodView {
            id: period.id.clone(),
            line: words.fill("period.line", &[("period", &title), ("dates", &dates)]),
            title,
            dates,
            cards: period.totals.iter().map(|total| self.card(total)).collect(),
            split_title: words.text("split.title"),
            totals: self.totals(&bands),
            splits: period.totals.iter().map(|total| self.split(total)).collect(),
            chart: self.chart(&bands),
            insights_title: words.text("insights.title"),
            no_insights: words.text("insights.none"),
            insights: period.insights.iter().map(|insight| self.insight(insight)).collect(),
            foremost,
            more_insights: more_insights(hidden, words),
            connectors_title: words.text("connectors.title"),
            connectors: directions.map(|direction| self.connectors(direction, &bands)).into(),
            peers_title: words.text("peers.title"),
            no_peers: words.text("peers.none"),
            peers: self.peers(),
            coverage_title: words.text("coverage.title"),
            coverage: self.coverage(),
            coverage_tables: self.coverage_tables(),
        }
    }

    fn title(&self) -> String {
        match self.period.id.as_str() {
            "week" | "month" | "range" => self.words.text(&format!("period.{}", self.period.id)),
            days => {
                let days = days.trim_end_matches('d').parse();
                self.words.count("period.days", days.unwrap_or(0))
            }
        }
    }

    fn dates(&self) -> String {
        let (words, period) = (self.words, self.period);
        words.fill(
            "period.hours",
            &[
                ("from", &words.date(period.from)),
                ("to", &words.date(period.to)),
                ("hours", &period.hours.to_string()),
            ],
        )
    }

    fn card(&self, total: &Total) -> Card {
        let words = self.words;
        let tls = &total.tls;
        let protected = total.messages - tls.no_tls - tls.unknown;
        let Some(share) = report::share(protected, total.messages) else {
            return Card {
                direction: self.direction(total.direction),
                messages: "0".to_owned(),
                unit: words.text("widget.no_mail"),
                share: String::new(),
                share_of: String::new(),
                lines: Vec::new(),
            };
        };
        let shown = words.percent(share);
        let mut lines = Vec::new();
        if tls.unknown > 0 {
            let unknown = report::share(tls.unknown, total.messages).unwrap_or(0);
            lines.push(words.fill("widget.not_recorded", &[("share", &words.percent(unknown))]));
        }
        lines.push(self.change(total));
        let unit = words.count("widget.messages", total.messages);
        Card {
            direction: self.direction(total.direction),
            messages: number(total.messages),
            unit,
            share: if tls.unknown > 0 {
                words.fill("widget.at_least", &[("share", &shown)])
            } else {
                shown
            },
            share_of: words.text("widget.protected"),
            lines,
        }
    }

    fn change(&self, total: &Total) -> String {
        let words = self.words;
        let Some(previous) = total.previous else { return words.text("widget.no_previous") };
        let difference = total.messages.abs_diff(previous.messages);
        let key = match total.messages.cmp(&previous.messages) {
            std::cmp::Ordering::Equal => return words.text("widget.same"),
            std::cmp::Ordering::Greater => "widget.more",
            std::cmp::Ordering::Less => "widget.less",
        };
        words.fill(key, &[("change", &number(difference))])
    }

    fn split(&self, total: &Total) -> Split {
        let words = self.words;
        let label = self.direction(total.direction);
        let parts = self.parts(&label, &total.tls);
        let listed: Vec<String> =
            parts.iter().map(|part| format!("{} {}", part.name, part.share)).collect();
        let places = [("direction", label.as_str()), ("parts", &words.join("comma", &listed))];
        let alt = words.fill("split.alt", &places);
        Split { label, alt, parts }
    }

    fn parts(&self, label: &str, tls: &TlsCounts) -> Vec<Part> {
        let words = self.words;
        let part = |band: Tls, tenths| {
            let (name, share) = (self.band(band), words.percent(tenths));
            let places = [("direction", label), ("band", &name), ("share", &share)];
            let tip = words.fill("split.part", &places);
            Part { key: band.key(), name, tenths, share, tip }
        };
        let shares = report::shares(tls).unwrap_or_default();
        Tls::ALL
            .into_iter()
            .zip(shares)
            .filter(|(band, _)| tls.get(*band) > 0)
            .map(|(band, tenths)| part(band, tenths))
            .collect()
    }

    fn totals(&self, bands: &[Tls]) -> Table {
        let words = self.words;
        let head = column(words.text("column.direction"), false);
        let rows = self.period.totals.iter().map(|total| Row {
            cells: self.counts(
                vec![cell(self.direction(total.direction))],
                total.messages,
                &total.tls,
                bands,
            ),
            total: false,
        });
        Table {
            caption: words.text("split.caption"),
            columns: self.count_columns(vec![head], bands),
            rows: rows.collect(),
        }
    }

    fn connectors(&self, direction: Direction, bands: &[Tls]) -> Table {
        let words = self.words;
        let heads = ["connector", "type", "forced_tls"]
            .map(|key| column(words.text(&format!("column.{key}")), false));
        let mut rows: Vec<Row> = self
            .period
            .connectors
            .iter()
            .filter(|connector| connector.direction == direction)
            .map(|connector| self.connector(connector, bands))
            .collect();
        let all = self.period.totals.iter().find(|total| total.direction == direction);
        if let Some(total) = all.filter(|_| !rows.is_empty()) {
            let first =
                vec![cell(words.text("connectors.total")), Cell::default(), Cell::default()];
            let cells = self.counts(first, total.messages, &total.tls, bands);
            rows.push(Row { cells, total: true });
        }
        Table {
            caption: words.fill("connectors.caption", &[("direction", &self.direction(direction))]),
            columns: self.count_columns(heads.into(), bands),
            rows,
        }
    }

    fn connector(&self, connector: &Connector, bands: &[Tls]) -> Row {
        let words = self.words;
        let forced = match connector.forced_tls {
            Some(true) => "yes_no.yes",
            Some(false) => "yes_no.no",
            None => "yes_no.unknown",
        };
        let forced = match connector.connector_type {
            ConnectorType::None if connector.forced_tls.is_none() => String::new(),
            _ => words.text(forced),
        };
        let first = vec![
            cell(self.name(connector.connector.as_deref())),
            cell(words.text(&format!("type.{}", connector.connector_type.name()))),
            cell(forced),
        ];
        let cells = self.counts(first, connector.messages, &connector.tls, bands);
        Row { cells, total: false }
    }

    /// Adds the columns that every table of messages has.
    fn count_columns(&self, mut columns: Vec<Column>, bands: &[Tls]) -> Vec<Column> {
        columns.push(column(self.words.text("column.messages"), true));
        columns.extend(bands.iter().map(|band| Column {
            head: self.band(*band),
            numeric: true,
            band: Some(band.key()),
        }));
        columns
    }

    fn counts(
        &self,
        mut cells: Vec<Cell>,
        messages: u64,
        tls: &TlsCounts,
        bands: &[Tls],
    ) -> Vec<Cell> {
        cells.push(cell(number(messages)));
        let shares = report::shares(tls);
        for band in bands {
            let tenths = shares.and_then(|shares| shares.get(*band as usize).copied());
            let sub = tenths.map_or_else(String::new, |tenths| self.words.percent(tenths));
            cells.push(Cell { text: number(tls.get(*band)), sub });
        }
        cells
    }

    fn peers(&self) -> Option<Table> {
        let words = self.words;
        let peers = &self.period.peers;
        if peers.is_empty() {
            return None;
        }
        let other = self.period.other_peers.as_ref();
        let all = peers.iter().map(|peer| &peer.tls).chain(other.map(|other| &other.tls));
        let bands = shown_bands(all);
        let heads =
            ["peer", "direction"].map(|key| column(words.text(&format!("column.{key}")), false));
        let rows = peers.iter().map(|peer| {
            let first = vec![cell(clean(&peer.peer)), cell(self.direction(peer.direction))];
            Row { cells: self.counts(first, peer.messages, &peer.tls, &bands), total: false }
        });
        let other = other.map(|other| {
            let first = vec![cell(words.count("peers.other", other.peers)), Cell::default()];
            Row { cells: self.counts(first, other.messages, &other.tls, &bands), total: false }
        });
        Some(Table {
            caption: words.text("peers.caption"),
            columns: self.count_columns(heads.into(), &bands),
            rows: rows.chain(other).collect(),
        })
    }

    fn insight(&self, insight: &Insight) -> InsightView {
        let words = self.words;
        let place = insight.direction.map_or_else(String::new, |direction| {
            let connector = self.name(insight.connector.as_deref());
            words.fill(
                "insights.with",
                &[("direction", &self.direction(direction)), ("connector", &connector)],
            )
        });
        let mut advice = words.text(&format!("advice.{}", insight.advice.code()));
        if let Some(contact) = &insight.contact {
            let contact = words.fill("insights.contact", &[("contact", &clean(contact))]);
            advice = words.join("sentence", &[advice, contact]);
        }
        let severity = words.text(&format!("severity.{}", insight.severity.name()));
        InsightView {
            level: insight.severity.name(),
            head: match place.as_str() {
                "" => severity.clone(),
                place => words.labelled(&severity, place),
            },
            severity,
            place,
            text: self.insight_text(insight),
            advice,
        }
    }

    fn insight_text(&self, insight: &Insight) -> String {
        let words = self.words;
        let key = match (insight.problem, insight.certainty) {
            (Some(problem), _) => format!("problem.{}", problem.code()),
            (None, Certainty::Certain) => format!("insight.certain.{}", insight.rule.id()),
            (None, Certainty::Possible) => format!("insight.possible.{}", insight.rule.id()),
        };
        let share = report::share(insight.messages, insight.of);
        let mut sentences = vec![words.fill(
            &key,
            &[
                ("messages", &number(insight.messages)),
                ("of", &number(insight.of)),
                ("limit", &words.whole_percent(insight.limit_percent.unwrap_or(0))),
                ("share", &share.map_or_else(String::new, |share| words.percent(share))),
                ("previous", &number(insight.previous.unwrap_or(0))),
            ],
        )];
        if insight.too_little_mail {
            sentences.push(words.text("insights.too_little"));
        }
        if let Some(previous) = insight.previous.filter(|_| insight.limit_percent.is_some()) {
            sentences.push(words.fill("insights.previous", &[("n", &number(previous))]));
        }
        words.join("sentence", &sentences)
    }

    fn chart(&self, bands: &[Tls]) -> Chart {
        let words = self.words;
        let period = self.period;
        let directions = [Direction::Inbound, Direction::Outbound];
        let mut days = Vec::new();
        let mut most = 0;
        for date in period.from.iter_days().take_while(|day| *day <= period.to) {
            let tls = directions.map(|direction| day_sum(period, date, direction));
            most = tls.iter().map(TlsCounts::total).fold(most, u64::max);
            days.push(ChartDay {
                date: date.to_string(),
                short: date.format("%d").to_string(),
                panels: tls.iter().map(|tls| chart_parts(tls, bands)).collect(),
                texts: tls.iter().map(|tls| self.day_text(date, tls)).collect(),
            });
        }
        let top = round_up(most);
        let part = |band: &Tls| Part {
            key: band.key(),
            name: self.band(*band),
            tenths: 0,
            share: String::new(),
            tip: String::new(),
        };
        Chart {
            title: words.text("chart.title"),
            caption: words.text("chart.caption"),
            alt: words.fill(
                "chart.alt",
                &[
                    ("from", &words.date(period.from)),
                    ("to", &words.date(period.to)),
                    ("most", &number(most)),
                ],
            ),
            panels: directions.map(|direction| self.direction(direction)).into(),
            days,
            top,
            top_text: number(top),
            legend: bands.iter().map(part).collect(),
        }
    }

    fn day_text(&self, date: NaiveDate, tls: &TlsCounts) -> String {
        let words = self.words;
        let parts: Vec<String> = Tls::ALL
            .iter()
            .filter(|band| tls.get(**band) > 0)
            .map(|band| format!("{} {}", self.band(*band), number(tls.get(*band))))
            .collect();
        if parts.is_empty() {
            return words.labelled(&words.date(date), &words.text("widget.no_mail"));
        }
        let messages = words.count("widget.messages", tls.total());
        let parts = words.join("comma", &parts);
        let places = [("date", words.date(date)), ("messages", messages), ("parts", parts)];
        let places = places.each_ref().map(|(name, value)| (*name, value.as_str()));
        words.fill("chart.day", &places)
    }

    fn coverage(&self) -> Vec<String> {
        let words = self.words;
        let coverage = &self.period.coverage;
        let mut lines = Vec::new();
        match (&coverage.first, &coverage.last) {
            (Some(first), Some(last)) => {
                lines.push(
                    words.fill("coverage.span", &[("first", &time(first)), ("last", &time(last))]),
                );
            }
            _ => lines.push(words.text("coverage.no_rows")),
        }
        if !coverage.days_without_rows.is_empty() {
            let days = days(&coverage.days_without_rows, words);
            lines.push(words.fill("coverage.days", &[("days", &days)]));
        }
        lines.extend(coverage.gaps.iter().map(|gap| {
            words.fill("coverage.gap", &[("from", &time(&gap.from)), ("to", &time(&gap.to))])
        }));
        if coverage.days_without_rows.is_empty() && coverage.gaps.is_empty() {
            lines.push(words.text("coverage.whole"));
        }
        lines.extend(
            coverage
                .capped_files
                .iter()
                .map(|file| words.fill("coverage.capped", &[("file", &clean(file))])),
        );
        let all: u64 = self.period.totals.iter().map(|total| total.messages).sum();
        if coverage.tls_not_recorded {
            lines.push(words.text("coverage.not_recorded"));
        } else if coverage.unknown_messages > 0 {
            let places = [("messages", number(coverage.unknown_messages)), ("of", number(all))];
            let places = places.each_ref().map(|(name, value)| (*name, value.as_str()));
            lines.push(words.fill("coverage.unknown", &places));
        }
        if coverage.ends_after_newest_row {
            lines.push(words.text("coverage.not_over"));
        }
        lines
    }

    fn coverage_tables(&self) -> Vec<Table> {
        let words = self.words;
        let coverage = &self.period.coverage;
        let text_columns = |keys: &[&str]| -> Vec<Column> {
            keys.iter().map(|key| column(words.text(&format!("column.{key}")), false)).collect()
        };
        let place = |date: NaiveDate, direction, connector: Option<&str>| {
            vec![
                cell(date.to_string()),
                cell(self.direction(direction)),
                cell(self.name(connector)),
            ]
        };
        let mut tables = Vec::new();
        if !coverage.controls.is_empty() {
            let mut columns = text_columns(&["date", "direction", "connector"]);
            columns.extend(
                ["total", "counted", "difference"]
                    .map(|key| column(words.text(&format!("column.{key}")), true)),
            );
            let rows = coverage.controls.iter().map(|control| {
                let mut cells =
                    place(control.date, control.direction, control.connector.as_deref());
                let difference = format!("{:+}", control.difference);
                cells.extend([
                    cell(number(control.total)),
                    cell(number(control.rows)),
                    cell(difference),
                ]);
                Row { cells, total: false }
            });
            let rows = rows.collect();
            tables.push(Table { caption: words.text("coverage.controls"), columns, rows });
        }
        if !coverage.conflicts.is_empty() {
            let rows = coverage.conflicts.iter().map(|conflict| {
                let mut cells =
                    place(conflict.date, conflict.direction, conflict.connector.as_deref());
                cells.extend([cell(clean(&conflict.used)), cell(clean(&conflict.unused))]);
                Row { cells, total: false }
            });
            tables.push(Table {
                caption: words.text("coverage.conflicts"),
                columns: text_columns(&["date", "direction", "connector", "used", "unused"]),
                rows: rows.collect(),
            });
        }
        tables
    }

    fn direction(&self, direction: Direction) -> String {
        self.words.text(&format!("direction.{}", direction.name()))
    }

    fn band(&self, band: Tls) -> String {
        self.words.text(&format!("tls.{}", band.key()))
    }

    fn name(&self, connector: Option<&str>) -> String {
        super::connector(self.report, self.words, connector)
    }
}

/// Insights that a document shows in full, per period: about two pages. A thousand connectors
/// may have one each, on a hundred pages that nobody reads.
pub(in crate::render) const MOST_INSIGHTS: usize = 20;

/// The insights that a reader is shown, by their place: all in their order, or, where there are
/// more than `most`, the gravest, and of these the ones about the most messages.
pub(in crate::render) fn foremost(insights: &[Insight], most: usize) -> Vec<usize> {
    let mut places: Vec<(usize, &Insight)> = insights.iter().enumerate().collect();
    if places.len() > most {
        places.sort_by_key(|(_, insight)| std::cmp::Reverse((insight.severity, insight.messages)));
        places.truncate(most);
    }
    places.into_iter().map(|(place, _)| place).collect()
}

/// That so many are not shown, and where they are; empty where none is left out.
pub(in crate::render) fn more_insights(hidden: usize, words: &Words) -> String {
    let hidden = u64::try_from(hidden).unwrap_or(u64::MAX);
    if hidden == 0 { String::new() } else { words.count("insights.more", hidden) }
}

/// The five usual bands, and the rare ones where there is any such message.
fn shown_bands<'a>(counts: impl Iterator<Item = &'a TlsCounts>) -> Vec<Tls> {
    let mut sum = TlsCounts::default();
    counts.for_each(|tls| sum.add_all(tls));
    let rare = |band: &Tls| matches!(band, Tls::Ssl3 | Tls::Unspecified | Tls::Unknown);
    Tls::ALL.into_iter().filter(|band| !rare(band) || sum.get(*band) > 0).collect()
}

fn day_sum(period: &PeriodReport, date: NaiveDate, direction: Direction) -> TlsCounts {
    let mut sum = TlsCounts::default();
    for day in period.daily.iter().filter(|day| day.date == date && day.direction == direction) {
        sum.add_all(&day.tls);
    }
    sum
}

/// Best protected at the ground, so that the worst stands out on top.
fn chart_parts(tls: &TlsCounts, bands: &[Tls]) -> Vec<(&'static str, u64)> {
    bands
        .iter()
        .rev()
        .filter(|band| tls.get(**band) > 0)
        .map(|band| (band.key(), tls.get(*band)))
        .collect()
}

/// A round number at or above `most`.
pub(in crate::render) fn round_up(most: u64) -> u64 {
    let mut power = 1_u64;
    loop {
        for factor in [1, 2, 3, 4, 5, 6, 8] {
            let top = power.saturating_mul(factor);
            if top >= most {
                return top;
            }
        }
        power = power.saturating_mul(10);
    }
}

/// Days in words, runs shortened.
fn days(days: &[NaiveDate], words: &Words) -> String {
    let runs = days.chunk_by(|a, b| a.succ_opt() == Some(*b));
    let text = |run: &[NaiveDate]| match run {
        [first, .., last] => {
            words.fill("date.range", &[("from", &words.date(*first)), ("to", &words.date(*last))])
        }
        [only] => words.date(*only),
        [] => String::new(),
    };
    words.join("semicolon", &runs.map(text).collect::<Vec<_>>())
}
