//! Charts: the split of each direction, and stacked bars per day. The figures stand in the
//! tables beside them.

use super::layout::{Face, INK, Ink, LEFT, LINE, Layout, SIZE, SOFT, WIDTH};
use super::tags::Role;
use crate::render::view::{Chart, Part, Split};

const PANEL_HEIGHT: f32 = 84.0;
/// Least room for the figures beside the panels.
const LABEL_ROOM: f32 = 34.0;

/// Colour of a band, the same as in the page.
fn ink_of(band: &str) -> Ink {
    match band {
        "no_tls" => 0xb3_261e,
        "ssl3" => 0x7a_1fa2,
        "tls1_0" => 0xd9_730d,
        "tls1_1" => 0xc9_a000,
        "tls1_2" => 0x3b_82c4,
        "tls1_3" => 0x17_4f86,
        "tls_unspecified" => 0x6b_7280,
        _ => 0xb4_bac2,
    }
}

/// Height of a bar, and room for its label.
const HEIGHT: f32 = 14.0;
const LABEL: f32 = 62.0;

/// One direction as a bar of its bands.
pub(super) fn split(layout: &mut Layout, split: &Split) {
    if split.parts.is_empty() {
        return;
    }
    layout.keep(HEIGHT + 6.0);
    layout.figure(&split.alt, |layout| draw_split(layout, split));
    layout.down(HEIGHT + 6.0);
}

fn draw_split(layout: &mut Layout, split: &Split) {
    let top = layout.y();
    layout.text(LEFT, top - 10.0, SIZE, Face::Regular, INK, &split.label);
    let mut left = LEFT + LABEL;
    for part in &split.parts {
        let width = (WIDTH - LABEL) * tenths(part.tenths);
        layout.rectangle(left, top - HEIGHT, width, HEIGHT, ink_of(part.key));
        left += width;
    }
}

/// Tenths of a percent as a fraction.
fn tenths(tenths: u32) -> f32 {
    f32::from(u16::try_from(tenths).unwrap_or(1000)) / 1000.0
}

/// Names of the bands beside their colours.
pub(super) fn legend(layout: &mut Layout, parts: &[Part]) {
    layout.keep(16.0);
    layout.within(Role::List, |layout| draw_legend(layout, parts));
    layout.down(18.0);
}

fn draw_legend(layout: &mut Layout, parts: &[Part]) {
    let mut left = LEFT;
    for part in parts {
        let width = layout.measure(&part.name, SIZE - 1.0, Face::Regular) + 26.0;
        if left + width > LEFT + WIDTH {
            layout.down(13.0);
            left = LEFT;
        }
        let top = layout.y();
        layout.rectangle(left, top - 9.0, 7.0, 7.0, ink_of(part.key));
        layout.within(Role::Item, |layout| {
            layout.within(Role::ItemBody, |layout| {
                layout.text(left + 11.0, top - 8.5, SIZE - 1.0, Face::Regular, INK, &part.name);
            });
        });
        left += width;
    }
}

/// Height of a day chart.
pub(super) fn height(chart: &Chart) -> f32 {
    let panels = u16::try_from(chart.panels.len()).unwrap_or(1);
    f32::from(panels) * (PANEL_HEIGHT + 34.0) + 16.0
}

/// Stacked bars per day, one panel per direction on the same scale.
pub(super) fn days(layout: &mut Layout, chart: &Chart) {
    layout.figure(&chart.alt, |layout| {
        for (panel, name) in chart.panels.iter().enumerate() {
            draw_panel(layout, chart, panel, name);
        }
    });
    layout.paragraph(&chart.caption, SIZE - 1.0, Face::Regular, SOFT);
}

fn draw_panel(layout: &mut Layout, chart: &Chart, panel: usize, name: &str) {
    let top = layout.y();
    let ground = top - 16.0 - PANEL_HEIGHT;
    let size = SIZE - 1.5;
    layout.text(LEFT, top - 9.0, SIZE, Face::Bold, SOFT, name);
    let room = layout.measure(&chart.top_text, size, Face::Regular) + 4.0;
    let room = room.max(LABEL_ROOM);
    let axis = LEFT + room;
    for (height, text) in [(0.0, "0"), (PANEL_HEIGHT, chart.top_text.as_str())] {
        layout.rectangle(axis, ground + height, WIDTH - room, 0.4, LINE);
        layout.text_right(axis - 4.0, ground + height - 2.5, size, Face::Regular, SOFT, text);
    }
    let count = u16::try_from(chart.days.len().max(1)).unwrap_or(u16::MAX);
    let step = (WIDTH - room) / f32::from(count);
    // Days are named as often as there is room.
    let every = (f32::from(count) * 14.0 / (WIDTH - room)).ceil().max(1.0);
    for (day, index) in chart.days.iter().zip(0_u16..) {
        let left = axis + f32::from(index) * step;
        let mut bottom = ground;
        for (band, messages) in day.panels.get(panel).into_iter().flatten() {
            let height = PANEL_HEIGHT * part(*messages, chart.top);
            layout.rectangle(left + step * 0.1, bottom, step * 0.8, height, ink_of(band));
            bottom += height;
        }
        if f32::from(index) % every < 0.5 {
            let width = layout.measure(&day.short, size, Face::Regular);
            let middle = left + (step - width) / 2.0;
            layout.text(middle, ground - 10.0, size, Face::Regular, SOFT, &day.short);
        }
    }
    layout.down(PANEL_HEIGHT + 34.0);
}

/// Part of a whole, exact enough for a bar: in ten-thousandths.
fn part(messages: u64, top: u64) -> f32 {
    let parts = u128::from(messages) * 10_000 / u128::from(top.max(1));
    f32::from(u16::try_from(parts).unwrap_or(10_000)) / 10_000.0
}
