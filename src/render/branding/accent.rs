//! The colour of an organisation, and whether it can be read (WCAG 2.2, success criterion
//! 1.4.3: text has a contrast of at least 4.5 to 1).

use std::fmt;

/// Least contrast of text.
pub const LEAST: f64 = 4.5;
/// Least contrast of the tint: light letters on dark ground are thin, and it costs nothing.
const LEAST_DARK: f64 = 6.0;
/// Ground of page, mail and paper.
const WHITE: Colour = Colour([0xff, 0xff, 0xff]);
/// Darkest light ground of the page: that of its panels.
const PANEL: Colour = Colour([0xf6, 0xf8, 0xfa]);
/// Lightest ground of the dark page and mail: that of their panels.
const DARK: Colour = Colour([0x16, 0x1b, 0x22]);
/// Steps from a colour to white or black.
const STEPS: u16 = 128;

/// Red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour(pub [u8; 3]);

/// A colour that can be read on white, and white on it; and what is made of it for links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accent {
    /// As it was given: on white ground, and as a ground for white text.
    pub light: Colour,
    /// A shade that can be read on panels, too; the colour itself where that can.
    pub link: Colour,
    /// A tint for dark ground.
    pub dark: Colour,
}

/// Why a colour cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AccentError {
    /// It is no colour of the form that is known.
    #[error("`{0}` is no colour")]
    Shape(String),
    /// It cannot be read.
    #[error(
        "`{colour}` has a contrast of {} to 1 against white, and text needs {LEAST}",
        rounded_down(*contrast)
    )]
    TooLight {
        /// The colour.
        colour: Colour,
        /// Its contrast against white.
        contrast: f64,
        /// The nearest darker colour that can be read.
        darker: Colour,
    },
}

impl AccentError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Shape(_) => "write # and six hexadecimal digits, as in #0f6cbd".to_owned(),
            Self::TooLight { darker, .. } => {
                format!("the nearest darker colour that can be read is {darker}")
            }
        }
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([red, green, blue]) = self;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

impl Colour {
    /// Reads `#` and six hexadecimal digits.
    fn read(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let [_, red, green, blue] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
        Some(Self([red, green, blue]))
    }

    /// Relative luminance (WCAG 2.2, glossary), from 0 for black to 1 for white.
    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// Contrast ratio (WCAG 2.2, glossary), from 1 to 21.
    pub fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// Red, green and blue as one number.
    pub fn rgb(self) -> u32 {
        let Self([red, green, blue]) = self;
        u32::from_be_bytes([0, red, green, blue])
    }

    /// So many steps of the way to white or black.
    fn towards(self, goal: Self, steps: u16) -> Self {
        let Self([red, green, blue]) = self;
        let Self([to_red, to_green, to_blue]) = goal;
        let part = |from: u8, to: u8| {
            let mixed = u16::from(from) * (STEPS - steps) + u16::from(to) * steps;
            u8::try_from(mixed / STEPS).unwrap_or(u8::MAX)
        };
        Self([part(red, to_red), part(green, to_green), part(blue, to_blue)])
    }

    /// The first colour on the way to a goal that stands out from a ground.
    fn readable(self, ground: Self, goal: Self, least: f64) -> Self {
        let mut way = (0..=STEPS).map(|steps| self.towards(goal, steps));
        way.find(|colour| colour.contrast(ground) >= least).unwrap_or(goal)
    }
}

/// Linear light of a channel, rounded so that no machine reckons it otherwise.
fn linear(channel: u8) -> f64 {
    let part = f64::from(channel) / 255.0;
    let light = if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) };
    (light * 1e9).round() / 1e9
}

impl Accent {
    /// Reads a colour as settings write it.
    ///
    /// # Errors
    /// [`AccentError`] when it is none, or cannot be read on white.
    pub fn read(text: &str) -> Result<Self, AccentError> {
        let light = Colour::read(text).ok_or_else(|| AccentError::Shape(text.to_owned()))?;
        let contrast = light.contrast(WHITE);
        if contrast < LEAST {
            let darker = light.readable(WHITE, Colour([0; 3]), LEAST);
            return Err(AccentError::TooLight { colour: light, contrast, darker });
        }
        Ok(Self {
            light,
            link: light.readable(PANEL, Colour([0; 3]), LEAST),
            dark: light.readable(DARK, WHITE, LEAST_DARK),
        })
    }
}

/// What is too little is not rounded to what would do.
fn rounded_down(contrast: f64) -> String {
    format!("{:.2}", (contrast * 100.0).floor() / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Black on white is 21 to 1, and #767676 the lightest grey that passes on white.
    #[test]
    fn contrasts_are_those_of_wcag() {
        let cases = [
            ("#000000", "#ffffff", 21.0),
            ("#ffffff", "#ffffff", 1.0),
            ("#767676", "#ffffff", 4.54),
            ("#777777", "#ffffff", 4.47),
            ("#ff0000", "#ffffff", 3.99),
            ("#0000ff", "#ffffff", 8.59),
            ("#0f6cbd", "#ffffff", 5.38),
            ("#7ab8ff", "#0d1117", 9.12),
        ];
        for (one, two, expected) in cases {
            let read = |text| Colour::read(text).unwrap();
            let (there, back) = (read(one).contrast(read(two)), read(two).contrast(read(one)));
            assert!((there - back).abs() < 1e-12);
            assert!((there - expected).abs() < 0.011, "{one} on {two}: {there}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_a_colour_that_can() {
        let error = Accent::read("#777777").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`#777777` has a contrast of 4.47 to 1 against white, and text needs 4.5"
        );
        assert_eq!(error.hint(), "the nearest darker colour that can be read is #767676");
        for text in ["#ffffff", "#4a90e2", "#ffb900", "#00ff00", "#787878"] {
            let AccentError::TooLight { darker, .. } = Accent::read(text).unwrap_err() else {
                panic!("{text}")
            };
            let contrast = darker.contrast(WHITE);
            assert!((LEAST..4.75).contains(&contrast), "{text}: {darker} {contrast}");
            assert_eq!(Accent::read(&darker.to_string()).unwrap().light, darker);
        }
    }

    #[test]
    fn what_is_no_colour_is_refused() {
        for text in ["", "red", "#fff", "0f6cbd", "#0f6cb", "#0f6cbg", "#0f6cbd0", "#+f6cbd"] {
            assert_eq!(Accent::read(text), Err(AccentError::Shape(text.to_owned())), "{text}");
        }
    }

    /// Every colour that is taken can be read wherever it stands, and white on it.
    #[test]
    fn shade_and_tint_can_be_read_on_panels_and_dark_ground() {
        for text in ["#000000", "#0f6cbd", "#767676", "#8b0000", "#000080", "#006400", "#5B2D8E"] {
            let accent = Accent::read(text).unwrap();
            assert!(accent.light.contrast(WHITE) >= LEAST);
            assert!(accent.link.contrast(PANEL) >= LEAST, "{text}: {}", accent.link);
            assert_eq!(accent.link == accent.light, text != "#767676", "{text}");
            assert!(accent.dark.contrast(DARK) >= LEAST_DARK, "{text}: {}", accent.dark);
            assert!(accent.dark.contrast(Colour([0x0d, 0x11, 0x17])) >= LEAST);
            assert_eq!(accent.light.to_string(), text.to_lowercase());
        }
    }
}
