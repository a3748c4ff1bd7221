//! `report.html`: one self-contained page, whole without scripts and better with its own.
//!
//! The page loads nothing: its Content-Security-Policy allows one style sheet and one script
//! by their hashes. Every figure stands once, in a table; the script reads the tables and
//! holds no figure of its own. Charts are inline SVG, each with its table beside it.

mod page;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Value, context};
use sha2::{Digest, Sha256};

use super::RenderError;
use super::view;
use super::words::{GROUP, Words, number};
use crate::report::Report;

const TEMPLATE: &str = include_str!("../../templates/html/report.html");
const STYLE: &str = include_str!("../../templates/html/report.css");
const SCRIPT: &str = include_str!("../../templates/html/report.js");

/// Renders the page.
///
/// # Errors
/// [`RenderError`] when the template or language file is at fault.
pub(super) fn render(report: &Report) -> Result<Vec<u8>, RenderError> {
    let view = view::build(report)?;
    let words = Words::of(&report.language)
        .ok_or_else(|| RenderError::Language(report.language.clone()))?;
    let page = page::build(report, &view, words);
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    let blocks = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?;
    environment.set_syntax(blocks);
    environment.add_filter("plain", |text: &str| text.replace(GROUP, ""));
    environment.add_filter("number", number);
    environment.add_function("word", |key: &str| words.text(key));
    environment.add_template("report.html", TEMPLATE)?;
    let text = environment.get_template("report.html")?.render(context! {
        view => Value::from(Serde(&view)),
        page => Value::from(Serde(&page)),
        data => Value::from_safe_string(page::data(report, &view, &page, words)),
        style => Value::from_safe_string(STYLE.to_owned()),
        style_hash => Value::from_safe_string(hash(STYLE)),
        script => Value::from_safe_string(SCRIPT.to_owned()),
        script_hash => Value::from_safe_string(hash(SCRIPT)),
    })?;
    Ok(words.grouped(&text).into_bytes())
}

/// Hash of an inline element's content as a Content-Security-Policy names it.
fn hash(content: &str) -> String {
    BASE64_STANDARD.encode(Sha256::digest(content.as_bytes()))
}
