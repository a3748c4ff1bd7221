//! Settings of how reports and mails look.

use serde::Deserialize;

/// `[branding]`: how reports and mails look. Paths go from the folder of `intransit.toml`; an
/// empty text takes away what the installation says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BrandingConfig {
    /// Logo for the head of report.html, and of report.pdf where it is PNG: SVG or PNG.
    pub logo: Option<String>,
    /// The logo as PNG for report.pdf, where `logo` is SVG.
    pub logo_png: Option<String>,
    /// Colour of title bar, headings, links and buttons, as in `#0f6cbd`.
    pub accent: Option<String>,
    /// Folder of templates that stand in the place of the built-in ones.
    pub templates: Option<String>,
}
