//! How an organisation's reports look: logo, colour, templates of its own.
//!
//! | part | report.html | report.pdf | mail |
//! |---|---|---|---|
//! | logo | SVG or PNG | PNG | no: a mail carries no picture |
//! | accent | title bar, links, buttons | rule | heading |
//! | templates | page, style sheet | no | HTML and text |
//!
//! A branding is read once and is an input of rendering like the report itself: no I/O here.
//! What a report was rendered with is filed beside it ([`Branding::record`]), so that it can
//! be made again.

pub mod accent;
pub mod logo;
mod svg;
pub mod templates;
mod trial;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

pub use self::accent::{Accent, AccentError};
pub use self::logo::{Logo, LogoError, Picture};
pub(super) use self::templates::Kind;
pub use self::templates::{Fault, Templates};
use super::check::Unreadable;
use super::{Format, RenderError};

/// How reports look; the default has nothing of an organisation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Branding {
    /// For report.html; for report.pdf where it is PNG.
    pub logo: Option<Logo>,
    /// For report.pdf, where the other is SVG.
    pub logo_png: Option<Logo>,
    /// The colour.
    pub accent: Option<Accent>,
    /// Templates in the place of the built-in ones.
    pub templates: Templates,
}

/// A branding as it is filed. Pictures are in base64.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    schema_version: u32,
    logo: Option<String>,
    logo_png: Option<String>,
    accent: Option<String>,
    templates: Templates,
}

/// Why a filed branding cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It is no JSON of the expected shape.
    #[error("it is no branding")]
    Shape(#[from] serde_json::Error),
    /// A picture is not in base64.
    #[error("a picture is not in base64")]
    Base64(#[from] base64::DecodeError),
    /// A picture is no logo.
    #[error(transparent)]
    Logo(#[from] LogoError),
    /// The colour cannot be used.
    #[error(transparent)]
    Accent(#[from] AccentError),
    /// A template cannot be used.
    #[error(transparent)]
    Template(#[from] Fault),
}

impl Branding {
    /// The pixels that report.pdf shows.
    pub fn picture(&self) -> Option<&Picture> {
        let png = self.logo_png.as_ref().or(self.logo.as_ref());
        png.and_then(|logo| logo.picture.as_ref())
    }

    /// What whoever set it should know of these formats.
    pub fn note(&self, formats: &[Format]) -> Option<&'static str> {
        let lacks = self.logo.is_some() && self.picture().is_none();
        (lacks && formats.contains(&Format::Pdf)).then_some(
            "report.pdf has no logo: it takes a PNG, and branding.logo is SVG (branding.logo_png)",
        )
    }

    /// A file that lacks something, where a template of the organisation made it.
    pub fn blamed(&self, unreadable: &Unreadable) -> Option<RenderError> {
        let own = self.templates.replace(&unreadable.file);
        own.then(|| self.templates.at_fault(&unreadable.file, unreadable.fault))
    }

    /// The branding for the file; none where it is the default.
    pub fn record(&self) -> Option<Vec<u8>> {
        if *self == Self::default() {
            return None;
        }
        let base64 = |logo: &Logo| BASE64_STANDARD.encode(&logo.bytes);
        Some(super::json::pretty(&Record {
            schema_version: 1,
            logo: self.logo.as_ref().map(base64),
            logo_png: self.logo_png.as_ref().map(base64),
            accent: self.accent.map(|accent| accent.light.to_string()),
            templates: self.templates.clone(),
        }))
    }

    /// Reads a filed branding; it is checked like a new one.
    ///
    /// # Errors
    /// [`RecordError`] that says what is wrong.
    pub fn from_record(bytes: &[u8]) -> Result<Self, RecordError> {
        let record: Record = serde_json::from_slice(bytes)?;
        let logo = |text: Option<String>| -> Result<Option<Logo>, RecordError> {
            let Some(text) = text else { return Ok(None) };
            Ok(Some(Logo::read(BASE64_STANDARD.decode(text)?)?))
        };
        let Templates { folder, files } = record.templates;
        Ok(Self {
            logo: logo(record.logo)?,
            logo_png: logo(record.logo_png)?,
            accent: record.accent.as_deref().map(Accent::read).transpose()?,
            templates: Templates::new(folder, files)?,
        })
    }

    /// Renders an example with the templates, so that a fault is known before it matters.
    ///
    /// # Errors
    /// [`RenderError`] with the fault.
    pub fn try_out(&self) -> Result<(), RenderError> {
        if self.templates.files.is_empty() { Ok(()) } else { trial::render(self) }
    }
}
