//! A font: measures, what it can show, and the part of it that goes into the file.

use std::collections::{BTreeMap, BTreeSet};

use printpdf::ParsedFont;
use sha2::{Digest, Sha256};
use subsetter::GlyphRemapper;

use crate::render::RenderError;
use crate::render::words::GROUP;

/// Gap between groups of digits, in thousandths of the size: seen by the eye, but below
/// the tenth of an em that text extraction takes for a blank.
pub(super) const GROUP_GAP: f32 = 90.0;

/// A font with its measures and the characters that were used of it.
pub(super) struct Font {
    /// Its name, and the name under which pages refer to it.
    pub(super) id: &'static str,
    bytes: &'static [u8],
    parsed: ParsedFont,
    used: BTreeSet<char>,
}

impl Font {
    /// Reads a font file.
    pub(super) fn new(id: &'static str, bytes: &'static [u8]) -> Result<Self, RenderError> {
        let parsed =
            ParsedFont::from_bytes(bytes, 0, &mut Vec::new()).ok_or(RenderError::Font(id))?;
        Ok(Self { id, bytes, parsed, used: BTreeSet::new() })
    }

    /// Says whether the font can show a character.
    pub(super) fn has(&self, letter: char) -> bool {
        self.glyph(letter).is_some()
    }

    fn glyph(&self, letter: char) -> Option<u16> {
        self.parsed.lookup_glyph_index(letter.into()).filter(|glyph| *glyph != 0)
    }

    /// Notes that characters were drawn.
    pub(super) fn uses(&mut self, letters: impl Iterator<Item = char>) {
        self.used.extend(letters);
    }

    /// Width of a text in thousandths of the size.
    pub(super) fn width(&self, text: &str) -> f32 {
        text.chars().map(|letter| self.advance(letter)).sum()
    }

    fn advance(&self, letter: char) -> f32 {
        if letter == GROUP {
            return GROUP_GAP;
        }
        let glyph = self.parsed.lookup_glyph_index(letter.into()).unwrap_or(0);
        let width = self.parsed.get_glyph_width(glyph).unwrap_or(0);
        f32::from(width) * 1000.0 / f32::from(self.parsed.units_per_em.max(1))
    }

    /// The font with only the glyphs that were used.
    pub(super) fn subset(&self) -> Result<ParsedFont, RenderError> {
        let fault = || RenderError::Font(self.id);
        let mut remapper = GlyphRemapper::new();
        let mut codepoints = BTreeMap::new();
        let mut widths = BTreeMap::new();
        for letter in &self.used {
            let Some(glyph) = self.glyph(*letter) else { continue };
            let new = remapper.remap(glyph);
            codepoints.insert(u32::from(*letter), new);
            widths.insert(new, self.parsed.get_glyph_width(glyph).unwrap_or(0));
        }
        let bytes = subsetter::subset(self.bytes, 0, &remapper).map_err(|_| fault())?;
        let mut font = ParsedFont::with_glyph_data(
            bytes,
            0,
            Some(self.subset_name()),
            codepoints,
            widths,
            self.parsed.units_per_em,
            self.parsed.font_metrics.clone(),
        );
        font.pdf_font_metrics = self.parsed.pdf_font_metrics.clone();
        Ok(font)
    }

    /// The name of a subset begins with six letters of its own (ISO 32000-1, 9.6.4); here
    /// they follow from what is in it.
    fn subset_name(&self) -> String {
        let letters: String = self.used.iter().collect();
        let digest = Sha256::digest(letters.as_bytes());
        let tag: String = digest.iter().take(6).map(|byte| char::from(b'A' + byte % 26)).collect();
        format!("{tag}+{}", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::pdf::layout::Layout;

    /// A glyph is mapped back to one character: had two the same glyph, a reader would find
    /// one of them as the other, such as every blank as a no-break space.
    #[test]
    fn no_two_characters_share_a_glyph() {
        let layout = Layout::new(None).unwrap();
        for font in layout.fonts() {
            let mut taken = BTreeMap::new();
            for (code, glyph) in &font.parsed.codepoint_to_glyph {
                assert_eq!(taken.insert(glyph, code), None, "{} U+{code:04X}", font.id);
            }
            assert!(taken.len() > 2000, "{}", font.id);
        }
    }
}
