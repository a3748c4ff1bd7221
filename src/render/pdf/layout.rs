//! Pages, text and wrapping. Lengths are in points, from the bottom left corner.

use std::collections::{BTreeMap, BTreeSet};

use printpdf::{
    Color, FontId, Mm, Op, ParsedFont, PdfFontHandle, PdfPage, Point, Pt, Rect, Rgb, TextItem,
    WindingOrder,
};
use subsetter::GlyphRemapper;

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
/// Gap between groups of digits, in thousandths of the size: seen by the eye, but below
/// the tenth of an em that text extraction takes for a blank.
const GROUP_GAP: f32 = 90.0;

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

/// A font with its measures and the characters that were used of it.
struct Font {
    id: &'static str,
    bytes: &'static [u8],
    parsed: ParsedFont,
    used: BTreeSet<char>,
}

impl Font {
    fn new(id: &'static str, bytes: &'static [u8]) -> Result<Self, RenderError> {
        let parsed =
            ParsedFont::from_bytes(bytes, 0, &mut Vec::new()).ok_or(RenderError::Font(id))?;
        Ok(Self { id, bytes, parsed, used: BTreeSet::new() })
    }

    fn has(&self, letter: char) -> bool {
        self.parsed.lookup_glyph_index(letter.into()).is_some_and(|glyph| glyph != 0)
    }

    /// Advance in thousandths of the size.
    fn advance(&self, letter: char) -> f32 {
        if letter == GROUP {
            return GROUP_GAP;
        }
        let glyph = self.parsed.lookup_glyph_index(letter.into()).unwrap_or(0);
        let width = self.parsed.get_glyph_width(glyph).unwrap_or(0);
        f32::from(width) * 1000.0 / f32::from(self.parsed.units_per_em.max(1))
    }

    /// The font with only the glyphs that were used.
    fn subset(&self) -> Result<ParsedFont, RenderError> {
        let fault = || RenderError::Font(self.id);
        let mut remapper = GlyphRemapper::new();
        let mut codepoints = BTreeMap::new();
        let mut widths = BTreeMap::new();
        for letter in &self.used {
            let Some(glyph) = self.parsed.lookup_glyph_index((*letter).into()) else { continue };
            let new = remapper.remap(glyph);
            codepoints.insert(u32::from(*letter), new);
            widths.insert(new, self.parsed.get_glyph_width(glyph).unwrap_or(0));
        }
        let bytes = subsetter::subset(self.bytes, 0, &remapper).map_err(|_| fault())?;
        let mut font = ParsedFont::with_glyph_data(
            bytes,
            0,
            Some(self.id.to_owned()),
            codepoints,
            widths,
            self.parsed.units_per_em,
            self.parsed.font_metrics.clone(),
        );
        font.pdf_font_metrics = self.parsed.pdf_font_metrics.clone();
        Ok(font)
    }
}

/// A document in the making.
pub(super) struct Layout {
    regular: Font,
    bold: Font,
    pages: Vec<Vec<Op>>,
    y: f32,
    bookmarks: Vec<Bookmark>,
}

/// What a layout leaves when it is done.
pub(super) struct Done {
    /// The pages.
    pub pages: Vec<PdfPage>,
    /// Fonts by their ids.
    pub fonts: Vec<(FontId, ParsedFont)>,
    /// The outline, in order.
    pub bookmarks: Vec<Bookmark>,
}

impl Layout {
    /// An empty first page.
    pub(super) fn new() -> Result<Self, RenderError> {
        Ok(Self {
            regular: Font::new(
                "NotoSans-Regular",
                include_bytes!("../../../templates/fonts/NotoSans-Regular.ttf"),
            )?,
            bold: Font::new(
                "NotoSans-Bold",
                include_bytes!("../../../templates/fonts/NotoSans-Bold.ttf"),
            )?,
            pages: vec![Vec::new()],
            y: TOP,
            bookmarks: Vec::new(),
        })
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
        self.pages.push(Vec::new());
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

    /// A heading with room for something under it.
    pub(super) fn heading(&mut self, heading: Heading, text: &str) {
        let (size, before) = match heading {
            Heading::Part => (15.0, 4.0),
            Heading::Section => (11.5, 12.0),
        };
        self.keep(before + size * LEADING + 46.0);
        self.space(before);
        let page = self.pages.len() - 1;
        self.bookmarks.push(Bookmark { heading, title: text.to_owned(), page, y: self.y });
        self.paragraph(text, size, Face::Bold, INK);
        self.down(2.0);
    }

    /// Wrapped text over the whole width.
    pub(super) fn paragraph(&mut self, text: &str, size: f32, face: Face, ink: Ink) {
        for line in self.wrapped(text, size, face, WIDTH) {
            self.keep(size * LEADING);
            self.text(LEFT, self.y - size, size, face, ink, &line);
            self.y -= size * LEADING;
        }
        self.y -= 2.0;
    }

    /// Paragraphs beside a coloured mark, kept together.
    pub(super) fn marked_block(&mut self, mark: Ink, parts: &[(&str, Face, Ink)]) {
        let inner = WIDTH - 16.0;
        let mut lines: Vec<(String, Face, Ink)> = Vec::new();
        for (text, face, ink) in parts {
            lines.extend(
                self.wrapped(text, SIZE, *face, inner).into_iter().map(|line| (line, *face, *ink)),
            );
        }
        let leading = SIZE * LEADING;
        let count = u16::try_from(lines.len()).unwrap_or(u16::MAX);
        let height = f32::from(count) * leading + 7.0;
        self.keep(height + 4.0);
        self.rectangle(LEFT, self.y - height, WIDTH, height, PANEL);
        self.rectangle(LEFT, self.y - height, 3.0, height, mark);
        let mut baseline = self.y - 3.0 - SIZE;
        for (line, face, ink) in lines {
            self.text(LEFT + 11.0, baseline, SIZE, face, ink, &line);
            baseline -= leading;
        }
        self.y -= height + 4.0;
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
        let font = self.font_mut(face);
        font.used.extend(covered.chars().filter(|letter| *letter != GROUP));
        let handle = PdfFontHandle::External(FontId(font.id.to_owned()));
        let mut items = Vec::new();
        for (index, part) in covered.split(GROUP).enumerate() {
            if index > 0 {
                items.push(TextItem::Offset(-GROUP_GAP));
            }
            if !part.is_empty() {
                items.push(TextItem::Text(part.to_owned()));
            }
        }
        self.push([
            Op::StartTextSection,
            Op::SetFont { font: handle, size: Pt(size) },
            Op::SetFillColor { col: colour(ink) },
            Op::SetTextCursor { pos: Point { x: Pt(x), y: Pt(baseline) } },
            Op::ShowText { items },
            Op::EndTextSection,
        ]);
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
        let width = self.measure(text, size, face);
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
        self.push([Op::SetFillColor { col: colour(ink) }, Op::DrawRectangle { rectangle }]);
    }

    /// Width of a text.
    pub(super) fn measure(&self, text: &str, size: f32, face: Face) -> f32 {
        let font = self.font(face);
        self.covered(text, face).chars().map(|letter| font.advance(letter)).sum::<f32>() * size
            / 1000.0
    }

    /// The text broken into lines of at most `width`; a word that is too long is broken.
    pub(super) fn wrapped(&self, text: &str, size: f32, face: Face, width: f32) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let mut line = String::new();
        for word in self.covered(text, face).split(' ') {
            let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
            if self.measure(&longer, size, face) <= width + SLACK {
                line = longer;
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            for letter in word.chars() {
                line.push(letter);
                if line.chars().count() > 1 && self.measure(&line, size, face) > width + SLACK {
                    line.pop();
                    lines.push(std::mem::replace(&mut line, letter.to_string()));
                }
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
        for (index, ops) in current.into_iter().enumerate() {
            self.pages.push(ops);
            let number = number(index + 1, pages);
            let size = SIZE - 1.5;
            let room = WIDTH - self.measure(&number, size, Face::Regular) - 20.0;
            let fitting = self.fitted(text, size, Face::Regular, room);
            self.text(LEFT, 30.0, size, Face::Regular, SOFT, &fitting);
            self.text_right(LEFT + WIDTH, 30.0, size, Face::Regular, SOFT, &number);
        }
    }

    /// The pages, the fonts with what was used of them, and the outline.
    pub(super) fn finish(self) -> Result<Done, RenderError> {
        let size = (Mm::from(Pt(PAGE_WIDTH)), Mm::from(Pt(PAGE_HEIGHT)));
        let mut fonts = Vec::new();
        for font in [&self.regular, &self.bold] {
            fonts.push((FontId(font.id.to_owned()), font.subset()?));
        }
        Ok(Done {
            pages: self.pages.into_iter().map(|ops| PdfPage::new(size.0, size.1, ops)).collect(),
            fonts,
            bookmarks: self.bookmarks,
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

    fn push(&mut self, ops: impl IntoIterator<Item = Op>) {
        if let Some(page) = self.pages.last_mut() {
            page.extend(ops);
        }
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
        let layout = Layout::new().unwrap();
        assert_eq!(layout.covered("Café 日📠", Face::Regular), "Café <U+65E5><U+1F4E0>");
        assert_eq!(layout.covered("Ελληνικά Привет ǅ", Face::Bold), "Ελληνικά Привет ǅ");
    }

    #[test]
    fn lines_fit_and_lose_nothing() {
        let layout = Layout::new().unwrap();
        let text = "a word and averyveryverylongwordwithoutanyblankinit, then more 日本";
        for width in [40.0, 77.0, 200.0] {
            let lines = layout.wrapped(text, SIZE, Face::Regular, width);
            for line in &lines {
                assert!(
                    layout.measure(line, SIZE, Face::Regular) <= width + SLACK,
                    "{line} in {width}"
                );
            }
            let joined: String = lines.concat().replace(' ', "");
            assert_eq!(joined, layout.covered(text, Face::Regular).replace(' ', ""));
        }
    }
}
