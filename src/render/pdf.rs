//! `report.pdf`: A4 pages written by printpdf, finished by lopdf.
//!
//! printpdf places glyphs; it knows no tables, no wrapping and no page numbers. Those are
//! here: `layout` (pages, text, wrapping), `table`, `chart`. Whatever is drawn says what it
//! is (`tags`), and `archive` makes of the pages a PDF/A-3b document for the file: outline,
//! metadata, colours, the figures as attachments, an identity that follows from its content.
//!
//! Invariants
//! * Nothing is drawn outside the margins, but the footer.
//! * Every character is shown or spelled out (`<U+65E5>`); none vanishes.
//! * What is read follows the order in which it is drawn; furniture is no part of it.
//! * The same report with the same branding gives the same bytes, in any process.

mod archive;
mod attach;
mod chart;
mod font;
mod layout;
mod metadata;
mod outline;
mod picture;
mod srgb;
mod table;
mod tags;

use chrono::{DateTime, FixedOffset};
use chrono_tz::Tz;

use self::layout::{Face, Heading, Layout, SIZE};
use self::metadata::{Facts, plain};
use self::tags::Role;
use super::RenderError;
use super::branding::Branding;
use super::view::{self, Card, EvidenceView, InsightView, PartView, PeriodView, View};
use super::words::Words;
use crate::period;
use crate::report::Report;

/// Renders the file.
///
/// # Errors
/// [`RenderError`] when a font or language file is at fault.
pub(super) fn render(report: &Report, branding: &Branding) -> Result<Vec<u8>, RenderError> {
    let view = view::build(report)?;
    let words = Words::of(&report.language)
        .ok_or_else(|| RenderError::Language(report.language.clone()))?;
    let mut layout = Layout::new(branding.accent.map(|accent| accent.light.rgb()))?;
    let logo = branding.picture();
    if let Some(logo) = logo {
        picture::draw(&mut layout, logo, &view.organisation);
    }
    title(&mut layout, &view);
    for (index, period) in view.periods.iter().enumerate() {
        if index > 0 {
            layout.new_page();
        }
        draw_period(&mut layout, period);
    }
    layout.new_page();
    if let Some(part) = &view.tls_rpt {
        draw_part(&mut layout, part);
    }
    draw_evidence(&mut layout, &view);
    layout.footers(&view.footer, &|page, pages| {
        words.fill("report.page", &[("page", &page.to_string()), ("pages", &pages.to_string())])
    });
    archive::finish(layout, &facts(report, &view), &attach::figures(report, words), logo)
}

fn facts(report: &Report, view: &View) -> Facts {
    Facts {
        title: plain(&view.heading),
        author: plain(&view.organisation),
        subject: plain(&view.question),
        maker: plain(&view.made_by),
        language: view.language.clone(),
        date: day_begin(report),
    }
}

/// When the day begins as of which the report is, in its own time zone.
fn day_begin(report: &Report) -> DateTime<FixedOffset> {
    let zone: Tz = report.timezone.parse().unwrap_or(Tz::UTC);
    period::day_start(report.as_of, zone).with_timezone(&zone).fixed_offset()
}

fn title(layout: &mut Layout, view: &View) {
    layout.rule(3.0, 5.0);
    layout.within(Role::Title, |layout| {
        layout.paragraph(&view.title, 20.0, Face::Bold, layout::INK);
    });
    layout.paragraph(&view.question, SIZE + 1.0, Face::Regular, layout::INK);
    layout.paragraph(&view.about, SIZE, Face::Regular, layout::SOFT);
    for notice in &view.notices {
        layout.paragraph(notice, SIZE, Face::Bold, layout::INK);
    }
    layout.space(6.0);
}

fn draw_period(layout: &mut Layout, period: &PeriodView) {
    layout.heading(Heading::Part, &period.title);
    layout.paragraph(&period.dates, SIZE, Face::Regular, layout::SOFT);
    layout.space(4.0);
    cards(layout, &period.cards);
    layout.heading(Heading::Section, &period.insights_title);
    if period.insights.is_empty() {
        layout.paragraph(&period.no_insights, SIZE, Face::Regular, layout::INK);
    }
    layout.within(Role::List, |layout| {
        for insight in period.foremost.iter().filter_map(|place| period.insights.get(*place)) {
            draw_insight(layout, insight);
        }
    });
    if !period.more_insights.is_empty() {
        layout.paragraph(&period.more_insights, SIZE, Face::Bold, layout::INK);
    }
    layout.keep(90.0);
    layout.heading(Heading::Section, &period.split_title);
    for split in &period.splits {
        chart::split(layout, split);
    }
    chart::legend(layout, &period.chart.legend);
    table::draw(layout, &period.totals);
    layout.keep(chart::height(&period.chart) + 30.0);
    layout.heading(Heading::Section, &period.chart.title);
    chart::days(layout, &period.chart);
    layout.heading(Heading::Section, &period.connectors_title);
    for connectors in period.connectors.iter().filter(|table| !table.rows.is_empty()) {
        table::draw(layout, connectors);
    }
    layout.heading(Heading::Section, &period.peers_title);
    match &period.peers {
        Some(peers) => table::draw(layout, peers),
        None => layout.paragraph(&period.no_peers, SIZE, Face::Regular, layout::INK),
    }
    layout.heading(Heading::Section, &period.coverage_title);
    for line in &period.coverage {
        layout.paragraph(line, SIZE, Face::Regular, layout::INK);
    }
    for coverage in &period.coverage_tables {
        table::draw(layout, coverage);
    }
}

/// The widget: both directions side by side.
fn cards(layout: &mut Layout, cards: &[Card]) {
    const HEIGHT: f32 = 82.0;
    const GAP: f32 = 12.0;
    layout.keep(HEIGHT + 8.0);
    let count = u16::try_from(cards.len().max(1)).unwrap_or(1);
    let width = (layout::WIDTH + GAP) / f32::from(count) - GAP;
    let top = layout.y();
    for (card, index) in cards.iter().zip(0_u16..) {
        let left = layout::LEFT + f32::from(index) * (width + GAP);
        layout.rectangle(left, top - HEIGHT, width, HEIGHT, layout::PANEL);
        layout.within(Role::Block, |layout| draw_card(layout, card, (left + 10.0, top), width));
    }
    layout.down(HEIGHT + 8.0);
}

fn draw_card(layout: &mut Layout, card: &Card, (left, top): (f32, f32), width: f32) {
    layout.text(left, top - 16.0, SIZE, Face::Bold, layout::SOFT, &card.direction);
    layout.text(left, top - 34.0, 16.0, Face::Bold, layout::INK, &card.unit);
    let share = format!("{} {}", card.share, card.share_of);
    layout.text(left, top - 48.0, SIZE, Face::Bold, layout::INK, share.trim());
    for (line, index) in card.lines.iter().zip(0_u16..) {
        let fitting = layout.fitted(line, SIZE - 1.0, Face::Regular, width - 20.0);
        let baseline = top - 61.0 - 11.5 * f32::from(index);
        layout.text(left, baseline, SIZE - 1.0, Face::Regular, layout::SOFT, &fitting);
    }
}

fn draw_insight(layout: &mut Layout, insight: &InsightView) {
    let colour = match insight.level {
        "alert" => layout::ALERT,
        "warning" => layout::WARNING,
        _ => layout::NOTICE,
    };
    let parts = [
        (insight.head.as_str(), Face::Bold, colour),
        (&insight.text, Face::Regular, layout::INK),
        (&insight.advice, Face::Regular, layout::SOFT),
    ];
    layout.marked_block(colour, &parts);
}

/// A part of sentences and tables.
fn draw_part(layout: &mut Layout, part: &PartView) {
    layout.heading(Heading::Part, &part.title);
    for line in &part.lines {
        layout.paragraph(line, SIZE, Face::Regular, layout::INK);
    }
    for each in &part.tables {
        table::draw(layout, each);
    }
}

fn draw_evidence(layout: &mut Layout, view: &View) {
    let evidence: &EvidenceView = &view.evidence;
    layout.heading(Heading::Part, &evidence.title);
    for line in &evidence.filed {
        layout.paragraph(line, SIZE, Face::Regular, layout::INK);
    }
    if let Some(changes) = &evidence.changes {
        layout.heading(Heading::Section, &evidence.changes_title);
        table::draw(layout, changes);
    }
    layout.heading(Heading::Section, &evidence.sources_title);
    if !evidence.sources.rows.is_empty() {
        table::draw(layout, &evidence.sources);
    }
    layout.paragraph(&evidence.law, SIZE, Face::Regular, layout::SOFT);
    for note in &evidence.notes {
        layout.paragraph(note, SIZE, Face::Regular, layout::INK);
    }
    if !evidence.hashes.rows.is_empty() {
        layout.heading(Heading::Section, &evidence.hashes_title);
        table::draw(layout, &evidence.hashes);
    }
    layout.heading(Heading::Section, &evidence.rejects_title);
    match &evidence.rejects {
        Some(rejects) => table::draw(layout, rejects),
        None => layout.paragraph(&evidence.no_rejects, SIZE, Face::Regular, layout::INK),
    }
    layout.space(8.0);
    layout.paragraph(&view.made_by, SIZE - 1.0, Face::Regular, layout::SOFT);
}
