//! Pages, text and wrapping. Lengths are in points, from the bottom left corner.

use printpdf::{
    Color, FontId, Mm, Op, ParsedFont, PdfFontHandle, PdfPage, Point, Pt, Rect, Rgb, TextItem,
    WindingOrder,
};

use super::font::{Font, GROUP_GAP};
use super::tags::{Bounds, Furniture, Mark, Page, Role, Tags};
use crate::render::RenderError;
use crate::render::words::GROUP;

/// A4.
pub(super) const PAGE_WIDTH: f32 = 595.28;
/// A4.
pub(super) const PAGE_HEIGHT: f32 = 841.89;
/// Left margin.
pub(super) const LEFT: f32 = 42.0;
/// Width between the margins.
pub(super) const WIDTH: f32 = PAGE_WIDTH - 2.0 * LEFT;
const TOP: f32 = PAGE_HEIGHT - 46.0;
/// Lowest point of the text.
pub(super) const BOTTOM: f32 = 52.0;
/// Size of ordinary text.
pub(super) const SIZE: f32 = 9.0;
/// Distance of baselines, in sizes.
const LEADING: f32 = 1.38;
/// What sums of widths may be off by.
const SLACK: f32 = 0.05;

/// A colour as 0xRRGGBB.
pub(super) type Ink = u32;
/// Ordinary text.
pub(super) const INK: Ink = 0x1b_1f24;
/// Text that stands back.
pub(super) const SOFT: Ink = 0x57_606a;
/// Thin lines.
pub(super) const LINE: Ink = 0xd0_d7de;
/// Ground of panels.
pub(super) const PANEL: Ink = 0xf3_f5f7;
/// Severity.
pub(super) const ALERT: Ink = 0xb3_261e;
/// Severity.
pub(super) const WARNING: Ink = 0x9a_5b00;
/// Severity.
pub(super) const NOTICE: Ink = 0x2b_5f93;

/// A font face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Face {
    /// Upright, regular weight.
    Regular,
    /// Upright, bold.
    Bold,
}

/// A heading, which is also a bookmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heading {
    /// A period, or the evidence.
    Part,
    /// A section of a part.
    Section,
}

/// A place in the document that the outline leads to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bookmark {
    /// Part or section.
    pub heading: Heading,
    /// Its text.
    pub title: String,
    /// Page, from 0.
    pub page: usize,
    /// Height on the page.
    pub y: f32,
}

/// A document in the making.
pub(super) struct Layout {
    regular: Font,
    bold: Font,
    pages: Vec<Page>,
    y: f32,
    bookmarks: Vec<Bookmark>,
    tags: Tags,
    /// Colour of the rules at title and parts; without it there are none.
    accent: Option<Ink>,
    /// Set while something is drawn that is not part of the content proper.
    furniture: Option<Furniture>,
}

/// What a layout leaves when it is done.
pub(super) struct Done {
    /// The pages.
    pub pages: Vec<PdfPage>,
    /// Fonts by their ids.
    pub fonts: Vec<(FontId, ParsedFont)>,
    /// The outline, in order.
    pub bookmarks: Vec<Bookmark>,
    /// What the content is.
    pub tags: Tags,
    /// The element of each piece of content, page by page.
    pub owners: Vec<Vec<usize>>,
}

impl Layout {
    /// An empty first page.
    pub(super) fn new(accent: Option<Ink>) -> Result<Self, RenderError> {
        Ok(Self {
            regular: Font::new(
                "NotoSans-Regular",
                include_bytes!("../../../templates/fonts/NotoSans-Regular.ttf"),
            )?,
            bold: Font::new(
                "NotoSans-Bold",
                include_bytes!("../../../templates/fonts/NotoSans-Bold.ttf"),
            )?,
            pages: vec![Page::default()],
            y: TOP,
            bookmarks: Vec::new(),
            tags: Tags::new(),
            accent,
            furniture: None,
        })
    }

    /// Draws what belongs to one element of the document.
    pub(super) fn within(&mut self, role: Role, draw: impl FnOnce(&mut Self)) {
        if self.furniture.is_some() {
            draw(self);
            return;
        }
        self.tags.open(role);
        draw(self);
        self.tags.close();
    }

    /// Draws a figure, with the text that stands instead of it for who cannot see it.
    pub(super) fn figure(&mut self, alt: &str, draw: impl FnOnce(&mut Self)) {
        self.within(Role::Figure, |layout| {
            layout.tags.describe(&alt.replace(GROUP, ""));
            draw(layout);
        });
    }

    /// Draws what is not part of the content proper.
    pub(super) fn furniture(&mut self, furniture: Furniture, draw: impl FnOnce(&mut Self)) {
        let before = self.furniture.replace(furniture);
        draw(self);
        self.furniture = before;
    }

    /// Height of the next line's top.
    pub(super) fn y(&self) -> f32 {
        self.y
    }

    /// Goes down.
    pub(super) fn down(&mut self, height: f32) {
        self.y -= height;
    }

    /// Leaves room, but not at the top of a page.
    pub(super) fn space(&mut self, height: f32) {
        if self.y < TOP {
            self.y -= height;
        }
    }

    /// Begins a page.
    pub(super) fn new_page(&mut self) {
        self.pages.push(Page::default());
        self.y = TOP;
    }

    /// Begins a page unless there is room for `height`. Says whether it did.
    pub(super) fn keep(&mut self, height: f32) -> bool {
        let breaks = self.y - height < BOTTOM && self.y < TOP;
        if breaks {
            self.new_page();
        }
        breaks
    }

    /// A heading with room for something under it; what follows belongs to its part or
    /// section until the next one.
    pub(super) fn heading(&mut self, heading: Heading, text: &str) {
        let (size, before, whole, role) = match heading {
            Heading::Part => (15.0, 4.0, Role::Part, Role::PartHeading),
            Heading::Section => (11.5, 12.0, Role::Section, Role::SectionHeading),
        };
        self.tags.begin(whole);
        self.keep(before + size * LEADING + 46.0);
        self.space(before);
        let page = self.pages.len() - 1;
        self.bookmarks.push(Bookmark { heading, title: text.to_owned(), page, y: self.y });
        self.within(role, |layout| layout.paragraph(text, size, Face::Bold, INK));
        if heading == Heading::Part {
            self.rule(1.0, 3.0);
        }
        self.down(2.0);
    }

    /// A rule over the whole width in the colour of the organisation, where it has one.
    pub(super) fn rule(&mut self, thickness: f32, below: f32) {
        if let Some(ink) = self.accent {
            self.rectangle(LEFT, self.y - thickness, WIDTH, thickness, ink);
            self.down(thickness + below);
        }
    }

    /// Wrapped text over the whole width.
    pub(super) fn paragraph(&mut self, text: &str, size: f32, face: Face, ink: Ink) {
        if self.furniture.is_none() && !self.tags.holds_text() {
            let draw = |layout: &mut Self| layout.paragraph(text, size, face, ink);
            return self.within(Role::Paragraph, draw);
        }
        for line in self.wrapped(text, size, face, WIDTH) {
            self.keep(size * LEADING);
            self.text(LEFT, self.y - size, size, face, ink, &line);
            self.y -= size * LEADING;
        }
        self.y -= 2.0;
    }

    /// Paragraphs beside a coloured mark, kept together: an item of a list.
    pub(super) fn marked_block(&mut self, mark: Ink, parts: &[(&str, Face, Ink)]) {
        let inner = WIDTH - 16.0;
        let wrap = |text: &str, face: Face| self.wrapped(text, SIZE, face, inner);
        let parts: Vec<(Vec<String>, Face, Ink)> =
            parts.iter().map(|(text, face, ink)| (wrap(text, *face), *face, *ink)).collect();
        let leading = SIZE * LEADING;
        let count = parts.iter().map(|(lines, ..)| lines.len()).sum::<usize>();
        let height = f32::from(u16::try_from(count).unwrap_or(u16::MAX)) * leading + 7.0;
        self.keep(height + 4.0);
        self.rectangle(LEFT, self.y - height, WIDTH, height, PANEL);
        self.rectangle(LEFT, self.y - height, 3.0, height, mark);
        let mut baseline = self.y - 3.0 - SIZE;
        let draw_part = |layout: &mut Self, (lines, face, ink): &(Vec<String>, Face, Ink)| {
            for line in lines {
                layout.text(LEFT + 11.0, baseline, SIZE, *face, *ink, line);
                baseline -= leading;
            }
        };
        self.within(Role::Item, |layout| {
            layout.within(Role::ItemBody, |layout| layout.paragraphs(&parts, draw_part));
        });
        self.y -= height + 4.0;
    }

    /// Draws each part as a paragraph of its own.
    fn paragraphs<P>(&mut self, parts: &[P], mut draw: impl FnMut(&mut Self, &P)) {
        for part in parts {
            self.within(Role::Paragraph, |layout| draw(layout, part));
        }
    }

    /// One line of text from a baseline's left end.
    pub(super) fn text(
        &mut self,
        x: f32,
        baseline: f32,
        size: f32,
        face: Face,
        ink: Ink,
        text: &str,
    ) {
        let covered = self.covered(text, face);
        if covered.is_empty() {
            return;
        }
        if self.furniture.is_none() && !self.tags.holds_text() {
            let draw = |layout: &mut Self| layout.text(x, baseline, size, face, ink, text);
            return self.within(Role::Paragraph, draw);
        }
        let font = self.font_mut(face);
        font.uses(covered.chars().filter(|letter| *letter != GROUP));
        let handle = PdfFontHandle::External(FontId(font.id.to_owned()));
        let right = x + font.width(&covered) * size / 1000.0;
        let mut items = Vec::new();
        for (index, part) in covered.split(GROUP).enumerate() {
            if index > 0 {
                items.push(TextItem::Offset(-GROUP_GAP));
            }
            if !part.is_empty() {
                items.push(TextItem::Text(part.to_owned()));
            }
        }
        let ops = [
            Op::StartTextSection,
            Op::SetFont { font: handle, size: Pt(size) },
            Op::SetFillColor { col: colour(ink) },
            Op::SetTextCursor { pos: Point { x: Pt(x), y: Pt(baseline) } },
            Op::ShowText { items },
            Op::EndTextSection,
        ];
        let mark = self.furniture.map_or_else(|| self.tags.mark(), Mark::Artifact);
        let (bottom, top) = (baseline - size * 0.3, baseline + size);
        self.push(mark, Bounds { left: x, bottom, right, top }, ops);
    }

    /// As [`Layout::text`], from the right end.
    pub(super) fn text_right(
        &mut self,
        right: f32,
        baseline: f32,
        size: f32,
        face: Face,
        ink: Ink,
        text: &str,
    ) {
        // A blank that only parts a line from the next stands outside.
        let width = self.measure(text.trim_end_matches(' '), size, face);
        self.text(right - width, baseline, size, face, ink, text);
    }

    /// A filled rectangle.
    pub(super) fn rectangle(&mut self, x: f32, y: f32, width: f32, height: f32, ink: Ink) {
        let rectangle = Rect {
            x: Pt(x),
            y: Pt(y),
            width: Pt(width),
            height: Pt(height),
            mode: Some(printpdf::PaintMode::Fill),
            winding_order: Some(WindingOrder::NonZero),
        };
        let ops = [Op::SetFillColor { col: colour(ink) }, Op::DrawRectangle { rectangle }];
        self.shape((x, y), (width, height), ops);
    }

    /// Something drawn that is no text, from its bottom left corner.
    pub(super) fn shape(
        &mut self,
        (x, y): (f32, f32),
        (width, height): (f32, f32),
        ops: impl IntoIterator<Item = Op>,
    ) {
        let mark = self.furniture.map_or_else(|| self.tags.shape_mark(), Mark::Artifact);
        let bounds = Bounds { left: x, bottom: y, right: x + width, top: y + height };
        self.push(mark, bounds, ops);
    }

    /// Width of a text.
    pub(super) fn measure(&self, text: &str, size: f32, face: Face) -> f32 {
        self.font(face).width(&self.covered(text, face)) * size / 1000.0
    }

    /// The text broken into lines of at most `width`; a word that is too long is broken. A
    /// line that ends between words keeps its blank, for who reads the lines as one text.
    pub(super) fn wrapped(&self, text: &str, size: f32, face: Face, width: f32) -> Vec<String> {
        let font = self.font(face);
        let room = (width + SLACK) * 1000.0 / size;
        let blank = font.width(" ");
        let mut lines: Vec<String> = Vec::new();
        let (mut line, mut taken) = (String::new(), 0.0);
        for word in self.covered(text, face).split(' ') {
            let wide = font.width(word);
            if !line.is_empty() {
                line.push(' ');
                if taken + blank + wide <= room {
                    line.push_str(word);
                    taken += blank + wide;
                    continue;
                }
                lines.push(std::mem::take(&mut line));
                taken = 0.0;
            }
            if wide <= room {
                line.push_str(word);
                taken = wide;
                continue;
            }
            let letters = pieces(word).flat_map(|piece| {
                // A spelled-out character is torn only where it is wider than a whole line.
                let torn = font.width(piece) > room;
                piece.split_inclusive(move |_| torn)
            });
            for piece in letters {
                let wide = font.width(piece);
                if !line.is_empty() && taken + wide > room {
                    lines.push(std::mem::take(&mut line));
                    taken = 0.0;
                }
                line.push_str(piece);
                taken += wide;
            }
        }
        lines.push(line);
        lines
    }

    /// The text cut with an ellipsis to fit one line.
    pub(super) fn fitted(&self, text: &str, size: f32, face: Face, width: f32) -> String {
        if self.measure(text, size, face) <= width {
            return text.to_owned();
        }
        let mut cut: String = text.to_owned();
        while cut.pop().is_some() {
            let shown = format!("{cut}…");
            if self.measure(&shown, size, face) <= width {
                return shown;
            }
        }
        String::new()
    }

    /// Adds a footer to every page.
    pub(super) fn footers(&mut self, text: &str, number: &dyn Fn(usize, usize) -> String) {
        let pages = self.pages.len();
        let current = std::mem::take(&mut self.pages);
        for (index, page) in current.into_iter().enumerate() {
            self.pages.push(page);
            let number = number(index + 1, pages);
            self.furniture(Furniture::Footer, |layout| layout.footer(text, &number));
        }
    }

    fn footer(&mut self, text: &str, number: &str) {
        let size = SIZE - 1.5;
        let room = WIDTH - self.measure(number, size, Face::Regular) - 20.0;
        let fitting = self.fitted(text, size, Face::Regular, room);
        self.text(LEFT, 30.0, size, Face::Regular, SOFT, &fitting);
        self.text_right(LEFT + WIDTH, 30.0, size, Face::Regular, SOFT, number);
    }

    /// The pages, the fonts with what was used of them, the outline and the structure.
    pub(super) fn finish(self) -> Result<Done, RenderError> {
        let size = (Mm::from(Pt(PAGE_WIDTH)), Mm::from(Pt(PAGE_HEIGHT)));
        let mut fonts = Vec::new();
        for font in self.fonts() {
            fonts.push((FontId(font.id.to_owned()), font.subset()?));
        }
        let (ops, owners): (Vec<_>, Vec<_>) = self.pages.into_iter().map(Page::into_ops).unzip();
        Ok(Done {
            pages: ops.into_iter().map(|ops| PdfPage::new(size.0, size.1, ops)).collect(),
            fonts,
            bookmarks: self.bookmarks,
            tags: self.tags,
            owners,
        })
    }

    /// The text with every character that the font lacks spelled out.
    fn covered(&self, text: &str, face: Face) -> String {
        let font = self.font(face);
        let mut out = String::with_capacity(text.len());
        for letter in text.chars() {
            if letter == GROUP || font.has(letter) {
                out.push(letter);
            } else if letter.is_whitespace() {
                out.push(' ');
            } else {
                out.push_str(&format!("<U+{:04X}>", u32::from(letter)));
            }
        }
        out
    }

    fn push(&mut self, mark: Mark, bounds: Bounds, ops: impl IntoIterator<Item = Op>) {
        let number = self.pages.len() - 1;
        if let Some(page) = self.pages.last_mut() {
            self.tags.draw((number, page), mark, bounds, ops);
        }
    }

    /// All fonts.
    pub(super) fn fonts(&self) -> [&Font; 2] {
        [&self.regular, &self.bold]
    }

    fn font(&self, face: Face) -> &Font {
        match face {
            Face::Regular => &self.regular,
            Face::Bold => &self.bold,
        }
    }

    fn font_mut(&mut self, face: Face) -> &mut Font {
        match face {
            Face::Regular => &mut self.regular,
            Face::Bold => &mut self.bold,
        }
    }
}

/// The letters of a word, one by one; a character that is spelled out is one piece.
fn pieces(word: &str) -> impl Iterator<Item = &str> {
    let mut rest = word;
    std::iter::from_fn(move || {
        let length = spelled(rest).or_else(|| rest.chars().next().map(char::len_utf8))?;
        let (piece, after) = rest.split_at_checked(length)?;
        rest = after;
        Some(piece)
    })
}

/// Length of a spelled-out character at the beginning of a text.
fn spelled(text: &str) -> Option<usize> {
    let code = text.strip_prefix("<U+")?;
    let digits = code.bytes().take_while(u8::is_ascii_hexdigit).count();
    let closed = code.as_bytes().get(digits) == Some(&b'>');
    (closed && (4..=6).contains(&digits)).then_some(digits + 4)
}

fn colour(ink: Ink) -> Color {
    let [_, red, green, blue] = ink.to_be_bytes();
    let part = |value: u8| f32::from(value) / 255.0;
    Color::Rgb(Rgb { r: part(red), g: part(green), b: part(blue), icc_profile: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_font_lacks_is_spelled_out() {
        let layout = Layout::new(None).unwrap();
        assert_eq!(layout.covered("Café 日📠", Face::Regular), "Café <U+65E5><U+1F4E0>");
        assert_eq!(layout.covered("Ελληνικά Привет ǅ", Face::Bold), "Ελληνικά Привет ǅ");
    }

    #[test]
    fn lines_fit_and_lose_nothing() {
        let layout = Layout::new(None).unwrap();
        let text = "a word and averyveryverylongwordwithoutanyblankinit, then more 日本";
        for width in [40.0, 77.0, 200.0] {
            let lines = layout.wrapped(text, SIZE, Face::Regular, width);
            for line in &lines {
                let shown = line.trim_end_matches(' ');
                assert!(
                    layout.measure(shown, SIZE, Face::Regular) <= width + SLACK + 0.01,
                    "{line} in {width}"
                );
            }
            let joined: String = lines.concat().replace(' ', "");
            assert_eq!(joined, layout.covered(text, Face::Regular).replace(' ', ""));
        }
    }
}
