//! A logo: SVG or PNG, told by its content, checked before anything is drawn.

use std::io::Cursor;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::svg::{self, Refused};

/// Longest file.
pub const MAX_BYTES: usize = 256 * 1024;
/// Most pixels on a side.
const MAX_SIDE: u32 = 2000;
/// First bytes of a PNG file.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// A logo that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logo {
    /// The file as it is.
    pub bytes: Vec<u8>,
    /// Its pixels, where it has any.
    pub picture: Option<Picture>,
}

/// Pixels on white ground.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Red, green and blue of each pixel, row by row from the top.
    pub rgb: Vec<u8>,
}

/// Why a file is no logo.
#[derive(Debug, thiserror::Error)]
pub enum LogoError {
    /// The file is too long.
    #[error("{bytes} bytes, where {MAX_BYTES} are allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It is another kind of file.
    #[error("neither PNG nor SVG")]
    Kind,
    /// The SVG holds something that is not allowed.
    #[error("{0}: not allowed in a logo")]
    Svg(Refused),
    /// The PNG file is damaged.
    #[error("it cannot be read as PNG")]
    Png(#[source] png::DecodingError),
    /// The PNG has too many pixels.
    #[error("{width} by {height} pixels, where {MAX_SIDE} by {MAX_SIDE} are allowed")]
    TooLarge {
        /// Pixels in a row.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The PNG moves.
    #[error("it is animated")]
    Animated,
}

impl LogoError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Svg(_) => "export it as plain SVG: shapes only, texts as outlines",
            Self::TooLong { .. } | Self::TooLarge { .. } => {
                "make it smaller: it is shown 48 pixels high"
            }
            Self::Kind | Self::Png(_) | Self::Animated => "save it as PNG or SVG anew",
        }
    }
}

impl Logo {
    /// Reads a file.
    ///
    /// # Errors
    /// [`LogoError`] that says what is wrong, and where.
    pub fn read(bytes: Vec<u8>) -> Result<Self, LogoError> {
        if bytes.len() > MAX_BYTES {
            return Err(LogoError::TooLong { bytes: bytes.len() });
        }
        if bytes.starts_with(PNG) {
            let picture = Some(picture(&bytes)?);
            return Ok(Self { bytes, picture });
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| LogoError::Kind)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if !text.trim_start().starts_with('<') {
            return Err(LogoError::Kind);
        }
        svg::check(text).map_err(LogoError::Svg)?;
        Ok(Self { picture: None, bytes })
    }

    /// The file as an address that holds it.
    pub(in crate::render) fn address(&self) -> String {
        let kind = if self.picture.is_some() { "image/png" } else { "image/svg+xml" };
        format!("data:{kind};base64,{}", BASE64_STANDARD.encode(&self.bytes))
    }
}

/// The pixels of a PNG file.
fn picture(bytes: &[u8]) -> Result<Picture, LogoError> {
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_ignore_text_chunk(true);
    let wanted = png::Transformations::normalize_to_color8() | png::Transformations::ALPHA;
    decoder.set_transformations(wanted);
    let (width, height) = decoder.read_header_info().map_err(LogoError::Png)?.size();
    if width > MAX_SIDE || height > MAX_SIDE {
        return Err(LogoError::TooLarge { width, height });
    }
    let mut reader = decoder.read_info().map_err(LogoError::Png)?;
    if reader.info().animation_control.is_some() {
        return Err(LogoError::Animated);
    }
    let mut pixels = vec![0; reader.output_buffer_size().unwrap_or_default()];
    reader.next_frame(&mut pixels).map_err(LogoError::Png)?;
    reader.finish().map_err(LogoError::Png)?;
    let (kind, _) = reader.output_color_type();
    Ok(Picture { width, height, rgb: on_white(&pixels, kind.samples()) })
}

/// Pixels of one or three colours and how far they cover, laid on white.
fn on_white(pixels: &[u8], samples: usize) -> Vec<u8> {
    let mut rgb = Vec::with_capacity(pixels.len() / samples * 3);
    for pixel in pixels.chunks_exact(samples) {
        let Some((cover, colours)) = pixel.split_last() else { continue };
        let cover = u16::from(*cover);
        let laid = |colour: u8| {
            let sum = u16::from(colour) * cover + 255 * (255 - cover);
            u8::try_from((sum + 127) / 255).unwrap_or(u8::MAX)
        };
        match colours {
            [grey] => rgb.extend([laid(*grey); 3]),
            colours => rgb.extend(colours.iter().map(|colour| laid(*colour))),
        }
    }
    rgb
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A PNG file of one colour type.
    fn encoded(
        kind: png::ColorType,
        depth: png::BitDepth,
        side: (u32, u32),
        data: &[u8],
    ) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, side.0, side.1);
        encoder.set_color(kind);
        encoder.set_depth(depth);
        if kind == png::ColorType::Indexed {
            encoder.set_palette(vec![255, 0, 0, 0, 0, 255]);
            encoder.set_trns(vec![255, 0]);
        }
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(data).unwrap();
        writer.finish().unwrap();
        bytes
    }

    fn pixels(bytes: Vec<u8>) -> Vec<u8> {
        Logo::read(bytes).unwrap().picture.unwrap().rgb
    }

    /// Whatever the file has, the pixels are red, green and blue on white.
    #[test]
    fn every_kind_of_png_is_laid_on_white() {
        use png::BitDepth::{Eight, One, Sixteen};
        use png::ColorType::{Grayscale, GrayscaleAlpha, Indexed, Rgb, Rgba};
        let two = (2, 1);
        assert_eq!(pixels(encoded(Rgb, Eight, two, &[1, 2, 3, 4, 5, 6])), [1, 2, 3, 4, 5, 6]);
        let half = [200, 0, 0, 255, 200, 0, 0, 128];
        assert_eq!(pixels(encoded(Rgba, Eight, two, &half)), [200, 0, 0, 227, 127, 127]);
        let clear = [9, 0, 9, 255];
        assert_eq!(pixels(encoded(GrayscaleAlpha, Eight, two, &clear)), [255, 255, 255, 9, 9, 9]);
        assert_eq!(pixels(encoded(Grayscale, One, two, &[0b0100_0000])), [0, 0, 0, 255, 255, 255]);
        let red = [255, 0, 0, 255, 255, 255];
        assert_eq!(pixels(encoded(Indexed, One, two, &[0b0100_0000])), red);
        let sixteen = [0x12, 0x34, 0, 0, 0xff, 0xff, 0x80, 0, 0, 0, 0, 0];
        let picture = pixels(encoded(Rgb, Sixteen, two, &sixteen));
        assert_eq!(picture, [0x12, 0, 0xff, 0x80, 0, 0]);
    }

    #[test]
    fn what_is_no_logo_is_refused() {
        let rgb = (png::ColorType::Rgb, png::BitDepth::Eight);
        let good = encoded(rgb.0, rgb.1, (2, 1), &[0; 6]);
        let cut = good[..good.len() - 20].to_vec();
        let mut damaged = good.clone();
        damaged[20] ^= 1;
        let wide = encoded(rgb.0, rgb.1, (2001, 1), &[0; 6003]);
        let mut animated = Vec::new();
        let mut encoder = png::Encoder::new(&mut animated, 1, 1);
        encoder.set_color(rgb.0);
        encoder.set_animated(2, 0).unwrap();
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&[0; 3]).unwrap();
        writer.write_image_data(&[1; 3]).unwrap();
        writer.finish().unwrap();
        let cases = [
            (cut, "cannot be read as PNG"),
            (damaged, "cannot be read as PNG"),
            (wide, "2001 by 1 pixels"),
            (animated, "animated"),
            (vec![b' '; MAX_BYTES + 1], "262145 bytes"),
            (b"GIF89a".to_vec(), "neither PNG nor SVG"),
            (b"\xff\xd8\xff\xe0".to_vec(), "neither PNG nor SVG"),
            (b"plain".to_vec(), "neither PNG nor SVG"),
            (Vec::new(), "neither PNG nor SVG"),
            (b"<svg".to_vec(), "line 1: it is no XML"),
            (b"\xef\xbb\xbf<svg>\n<script/></svg>".to_vec(), "without xmlns"),
        ];
        for (bytes, what) in cases {
            let error = Logo::read(bytes).unwrap_err();
            assert!(error.to_string().contains(what), "{error}");
            assert!(!error.hint().is_empty());
        }
    }

    #[test]
    fn the_largest_picture_is_taken() {
        let data = vec![0x55; 2000 * 2000 / 8];
        let bytes = encoded(png::ColorType::Grayscale, png::BitDepth::One, (2000, 2000), &data);
        assert_eq!(pixels(bytes).len(), 2000 * 2000 * 3);
    }
}
