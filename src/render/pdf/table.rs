//! Tables: columns as wide as their content, heads repeated on every page, rows kept whole.
//!
//! Numbers are never broken. A first cell that is too wide for its column stands on a line
//! of its own over the whole width, so that a name is found as it is written.

use super::layout::{Face, INK, Ink, LEFT, LINE, Layout, SIZE, SOFT, WIDTH};
use super::tags::{Furniture, Role};
use crate::render::view::{Cell, Row, Table};

/// Blank on each side of a cell.
const PAD: f32 = 4.0;
/// Sizes that are tried until all columns fit.
const SIZES: [f32; 5] = [SIZE - 1.0, SIZE - 1.5, SIZE - 2.0, SIZE - 3.0, SIZE - 4.0];
const LEADING: f32 = 1.3;
/// Size of the smaller text in a cell.
const SUB: f32 = 0.85;

struct Shape {
    size: f32,
    widths: Vec<f32>,
}

/// Draws a table from the current height on.
pub(super) fn draw(layout: &mut Layout, table: &Table) {
    let shape = shape(layout, table);
    let head = head_lines(layout, table, &shape);
    let first = table.rows.first().map_or(0.0, |row| Drawn::new(layout, table, row, &shape).height);
    layout.keep(SIZE * 1.4 + height_of_head(&head, &shape) + first + 8.0);
    layout.within(Role::Table, |layout| {
        let caption = |layout: &mut Layout| {
            layout.paragraph(&table.caption, SIZE, Face::Regular, SOFT);
        };
        layout.within(Role::Caption, caption);
        layout.within(Role::TableHead, |layout| draw_head(layout, table, &shape, &head));
        layout.within(Role::TableBody, |layout| draw_rows(layout, table, &shape, &head));
    });
    layout.space(8.0);
}

fn draw_rows(layout: &mut Layout, table: &Table, shape: &Shape, head: &[Vec<String>]) {
    for row in &table.rows {
        let drawn = Drawn::new(layout, table, row, shape);
        if layout.keep(drawn.height) {
            // Who reads the table as a whole has had its head.
            let again = |layout: &mut Layout| draw_head(layout, table, shape, head);
            layout.furniture(Furniture::Repeated, again);
        }
        layout.within(Role::Row, |layout| drawn.draw(layout, table, shape));
    }
}

/// The largest size at which the columns fit, and their widths.
fn shape(layout: &Layout, table: &Table) -> Shape {
    let mut best = None;
    for size in SIZES {
        let natural: Vec<f32> =
            (0..table.columns.len()).map(|index| natural(layout, table, index, size)).collect();
        let least: Vec<f32> =
            (0..table.columns.len()).map(|index| least(layout, table, index, size)).collect();
        let fits = least.iter().sum::<f32>() <= WIDTH;
        best = Some(Shape { size, widths: widths(&natural, &least) });
        if fits {
            break;
        }
    }
    best.unwrap_or(Shape { size: SIZE, widths: Vec::new() })
}

/// Half of what is left over goes to the first column, the other half to all others.
fn spread(widths: &mut [f32], rest: f32) {
    let others = f32::from(u16::try_from(widths.len().saturating_sub(1)).unwrap_or(u16::MAX));
    let share = if others > 0.0 { rest / 2.0 / others } else { 0.0 };
    for (index, width) in widths.iter_mut().enumerate() {
        *width += if index == 0 { rest - share * others } else { share };
    }
}

/// Natural widths and what is left over where they fit; else what each column can spare is
/// taken from it in proportion.
fn widths(natural: &[f32], least: &[f32]) -> Vec<f32> {
    let wanted: f32 = natural.iter().sum();
    let mut widths = natural.to_vec();
    if wanted <= WIDTH {
        spread(&mut widths, WIDTH - wanted);
        return widths;
    }
    let spare: f32 = natural.iter().zip(least).map(|(natural, least)| natural - least).sum();
    let share = if spare > 0.0 { ((wanted - WIDTH) / spare).min(1.0) } else { 0.0 };
    for (width, least) in widths.iter_mut().zip(least) {
        *width -= (*width - least) * share;
    }
    // What is still too wide at the smallest size is pressed together, never let out.
    let sum: f32 = widths.iter().sum();
    if sum > WIDTH {
        for width in &mut widths {
            *width *= WIDTH / sum;
        }
    }
    widths
}

fn cells(table: &Table, index: usize) -> impl Iterator<Item = (&Row, &Cell)> {
    table.rows.iter().filter_map(move |row| Some((row, row.cells.get(index)?)))
}

fn face(row: &Row) -> Face {
    if row.total { Face::Bold } else { Face::Regular }
}

fn natural(layout: &Layout, table: &Table, index: usize, size: f32) -> f32 {
    let numeric = table.columns.get(index).is_some_and(|column| column.numeric);
    let head = table.columns.get(index).map_or("", |column| column.head.as_str());
    // The head of a number column may wrap; that of a text column need not.
    let head = if numeric {
        longest_word(layout, head, size)
    } else {
        layout.measure(head, size, Face::Bold)
    };
    let content = cells(table, index).map(|(row, cell)| {
        let text = layout.measure(&cell.text, size, face(row));
        text.max(layout.measure(&cell.sub, size * SUB, Face::Regular))
    });
    content.fold(head, f32::max) + 2.0 * PAD
}

fn least(layout: &Layout, table: &Table, index: usize, size: f32) -> f32 {
    let natural = natural(layout, table, index, size);
    if table.columns.get(index).is_some_and(|column| column.numeric) {
        return natural;
    }
    let head = table.columns.get(index).map_or("", |column| column.head.as_str());
    let words = cells(table, index).map(|(_, cell)| longest_word(layout, &cell.text, size));
    let widest = words.fold(longest_word(layout, head, size), f32::max) + 2.0 * PAD;
    let most = if index == 0 { WIDTH * 0.26 } else { WIDTH * 0.58 };
    widest.min(most).min(natural)
}

fn longest_word(layout: &Layout, text: &str, size: f32) -> f32 {
    text.split(' ').map(|word| layout.measure(word, size, Face::Bold)).fold(0.0, f32::max)
}

fn head_lines(layout: &Layout, table: &Table, shape: &Shape) -> Vec<Vec<String>> {
    let heads = table.columns.iter().zip(&shape.widths);
    heads
        .map(|(column, width)| {
            layout.wrapped(&column.head, shape.size, Face::Bold, width - 2.0 * PAD)
        })
        .collect()
}

fn lines_height(lines: usize, size: f32) -> f32 {
    f32::from(u16::try_from(lines).unwrap_or(u16::MAX)) * size * LEADING
}

fn height_of_head(head: &[Vec<String>], shape: &Shape) -> f32 {
    lines_height(head.iter().map(Vec::len).max().unwrap_or(1), shape.size) + 5.0
}

fn draw_head(layout: &mut Layout, table: &Table, shape: &Shape, head: &[Vec<String>]) {
    let height = height_of_head(head, shape);
    let top = layout.y();
    layout.within(Role::Row, |layout| {
        let mut left = LEFT;
        for ((column, lines), width) in table.columns.iter().zip(head).zip(&shape.widths) {
            // Heads stand at the foot of their cells.
            let above = height - 5.0 - lines_height(lines.len(), shape.size);
            let place = Place { left, width: *width, top: top - above, numeric: column.numeric };
            layout.within(Role::ColumnHead, |layout| {
                place.draw(layout, lines, shape.size, Face::Bold, INK);
            });
            left += width;
        }
    });
    layout.rectangle(LEFT, top - height + 1.0, WIDTH, 0.9, INK);
    layout.down(height + 1.0);
}

/// Where the lines of a cell go.
struct Place {
    left: f32,
    width: f32,
    top: f32,
    numeric: bool,
}

impl Place {
    fn draw(&self, layout: &mut Layout, lines: &[String], size: f32, face: Face, ink: Ink) {
        let mut baseline = self.top - size;
        for line in lines {
            if self.numeric {
                let right = self.left + self.width - PAD;
                layout.text_right(right, baseline, size, face, ink, line);
            } else {
                layout.text(self.left + PAD, baseline, size, face, ink, line);
            }
            baseline -= size * LEADING;
        }
    }
}

/// The lines of a row, measured before it is known on which page they go.
struct Drawn<'a> {
    row: &'a Row,
    /// A first cell that stands over the whole width.
    over: Vec<String>,
    texts: Vec<Vec<String>>,
    subs: Vec<Vec<String>>,
    height: f32,
}

impl<'a> Drawn<'a> {
    fn new(layout: &Layout, table: &Table, row: &'a Row, shape: &Shape) -> Self {
        let face = face(row);
        let mut over = Vec::new();
        let mut texts = Vec::new();
        let mut subs = Vec::new();
        let cells = row.cells.iter().zip(&shape.widths).zip(&table.columns);
        for (index, ((cell, width), column)) in cells.enumerate() {
            let room = width - 2.0 * PAD;
            let one_line = layout.measure(&cell.text, shape.size, face) <= room + 0.01;
            if column.numeric || one_line {
                texts.push(if cell.text.is_empty() { vec![] } else { vec![cell.text.clone()] });
            } else if index == 0 {
                over = layout.wrapped(&cell.text, shape.size, face, WIDTH - 2.0 * PAD);
                texts.push(Vec::new());
            } else {
                texts.push(layout.wrapped(&cell.text, shape.size, face, room));
            }
            let above =
                if over.is_empty() || index > 0 { texts.last_mut() } else { Some(&mut over) };
            if !cell.sub.is_empty()
                && let Some(line) = above.and_then(|lines| lines.last_mut())
            {
                // Who reads the lines as one text needs the blank between them.
                line.push(' ');
            }
            subs.push(match cell.sub.as_str() {
                "" => Vec::new(),
                sub if column.numeric => vec![sub.to_owned()],
                sub => layout.wrapped(sub, shape.size * SUB, Face::Regular, room),
            });
        }
        let tallest = texts
            .iter()
            .zip(&subs)
            .map(|(text, sub)| {
                lines_height(text.len(), shape.size) + lines_height(sub.len(), shape.size * SUB)
            })
            .fold(0.0, f32::max);
        let height = lines_height(over.len(), shape.size) + tallest + 5.0;
        Self { row, over, texts, subs, height }
    }

    fn draw(&self, layout: &mut Layout, table: &Table, shape: &Shape) {
        let face = face(self.row);
        let top = layout.y() - 1.5;
        if self.row.total {
            layout.rectangle(LEFT, layout.y() + 0.4, WIDTH, 0.9, INK);
        }
        let under_over = top - lines_height(self.over.len(), shape.size);
        let mut left = LEFT;
        let cells = shape.widths.iter().zip(self.texts.iter().zip(&self.subs));
        for ((index, column), (width, (text, sub))) in table.columns.iter().enumerate().zip(cells) {
            let (width, numeric) = (*width, column.numeric);
            let place = Place { left, width, top: under_over, numeric };
            let under_text = under_over - lines_height(text.len(), shape.size);
            let under = Place { top: under_text, ..place };
            let role = if index == 0 && !numeric { Role::RowHead } else { Role::Cell };
            layout.within(role, |layout| {
                if index == 0 {
                    let over = Place { left: LEFT, width: WIDTH, top, numeric: false };
                    over.draw(layout, &self.over, shape.size, face, INK);
                }
                place.draw(layout, text, shape.size, face, INK);
                under.draw(layout, sub, shape.size * SUB, Face::Regular, SOFT);
            });
            left += width;
        }
        layout.down(self.height);
        layout.rectangle(LEFT, layout.y() + 0.6, WIDTH, 0.4, LINE);
    }
}
