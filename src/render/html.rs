//! `report.html`: one self-contained page, readable without scripts.
//!
//! The page loads nothing and runs nothing: its Content-Security-Policy allows one style
//! sheet by its hash. Charts are inline SVG, each with its table beside it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Value, context};
use sha2::{Digest, Sha256};

use super::RenderError;
use super::view;
use super::words::{GROUP, Words};
use crate::report::Report;

const TEMPLATE: &str = include_str!("../../templates/html/report.html");
const STYLE: &str = include_str!("../../templates/html/report.css");

/// Renders the page.
///
/// # Errors
/// [`RenderError`] when the template or language file is at fault.
pub(super) fn render(report: &Report) -> Result<Vec<u8>, RenderError> {
    let view = view::build(report)?;
    let words = Words::of(&report.language)
        .ok_or_else(|| RenderError::Language(report.language.clone()))?;
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    environment.add_filter("plain", |text: &str| text.replace(GROUP, ""));
    environment.add_template("report.html", TEMPLATE)?;
    let style_hash = BASE64_STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    let page = environment.get_template("report.html")?.render(context! {
        view => Value::from(Serde(&view)),
        style => Value::from_safe_string(STYLE.to_owned()),
        style_hash => Value::from_safe_string(style_hash),
        contents => words.text("report.contents"),
    })?;
    Ok(words.grouped(&page).into_bytes())
}
