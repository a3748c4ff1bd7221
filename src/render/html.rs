//! `report.html`: one self-contained page, whole without scripts and better with its own.
//!
//! The page loads nothing: its Content-Security-Policy allows one style sheet and one script
//! by their hashes, and pictures only where a logo stands in the page itself. The policy is
//! put into every page, whoever wrote its template. Every figure stands once, in a table; the
//! script reads the tables and holds no figure of its own. Charts are inline SVG, each with
//! its table beside it.

mod page;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use minijinja::value::Serde;
use minijinja::{Value, context};
use sha2::{Digest, Sha256};

use super::RenderError;
use super::branding::{Accent, Branding, Kind};
use super::view;
use super::words::Words;
use crate::report::Report;

const NAME: &str = "report.html";
const STYLE: &str = include_str!("../../templates/html/report.css");
const SCRIPT: &str = include_str!("../../templates/html/report.js");

/// Renders the page.
///
/// # Errors
/// [`RenderError`] when the template or language file is at fault.
pub(super) fn render(report: &Report, branding: &Branding) -> Result<Vec<u8>, RenderError> {
    let view = view::build(report)?;
    let words = Words::of(&report.language)
        .ok_or_else(|| RenderError::Language(report.language.clone()))?;
    let page = page::build(report, &view, words);
    let style = style(branding);
    let templates = &branding.templates;
    let environment = templates.environment(Kind::Page { lines: lines(report) }, words)?;
    let context = context! {
        view => Value::from(Serde(&view)),
        page => Value::from(Serde(&page)),
        branding => looks(branding),
        data => Value::from_safe_string(page::data(report, &view, &page, words)),
        style => Value::from_safe_string(style.clone()),
        script => Value::from_safe_string(SCRIPT.to_owned()),
    };
    let text = templates.fill(&environment, NAME, context)?;
    let text = guarded(&text, &policy(&style, branding))
        .ok_or_else(|| templates.at_fault(NAME, "does not begin with doctype, html and head"))?;
    Ok(words.grouped(&text).into_bytes())
}

/// Lines of figures, by which the length of the page goes.
fn lines(report: &Report) -> u64 {
    let of = |period: &crate::report::PeriodReport| {
        period.daily.len() + period.connectors.len() + period.peers.len() + period.insights.len()
    };
    let lines = report.periods.iter().map(of).sum::<usize>();
    u64::try_from(lines + report.sources.len() + report.rejects.len()).unwrap_or(u64::MAX)
}

/// What a template may know of the branding.
fn looks(branding: &Branding) -> Value {
    let colour = |of: fn(Accent) -> String| branding.accent.map(of);
    let address = branding.logo.as_ref().map(|logo| Value::from_safe_string(logo.address()));
    context! {
        logo => address,
        accent => colour(|accent| accent.light.to_string()),
        accent_dark => colour(|accent| accent.dark.to_string()),
    }
}

/// The style sheet: the page's own, the colour, and what the organisation adds.
fn style(branding: &Branding) -> String {
    let mut style = STYLE.to_owned();
    if let Some(Accent { light, link, dark }) = branding.accent {
        style.push_str(&format!(
            ":root{{--accent:{light};--link:{link}}}\n\
             @media screen and (prefers-color-scheme:dark){{:root{{--link:{dark}}}}}\n"
        ));
    }
    style.push_str(branding.templates.style());
    style
}

/// What the page may load and run.
fn policy(style: &str, branding: &Branding) -> String {
    let pictures = if branding.logo.is_some() { "img-src data:; " } else { "" };
    format!(
        "default-src 'none'; {pictures}style-src 'sha256-{}'; script-src 'sha256-{}'; \
         base-uri 'none'; form-action 'none'",
        hash(style),
        hash(SCRIPT)
    )
}

/// The page with its policy as the first thing in its head. `None` where something stands
/// before that could load or run without it.
fn guarded(page: &str, policy: &str) -> Option<String> {
    let (before, after) = page.split_once("<head>")?;
    let mut tags = before.split('<').map(str::trim_end);
    let begins = tags.next() == Some("")
        && tags.next().is_some_and(|tag| tag.eq_ignore_ascii_case("!doctype html>"))
        && tags.next().is_some_and(|tag| tag.starts_with("html") && tag.ends_with('>'))
        && tags.next().is_none();
    let meta = format!("<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">");
    begins.then(|| format!("{before}<head>\n{meta}{after}"))
}

/// Hash of an inline element's content as a Content-Security-Policy names it.
fn hash(content: &str) -> String {
    BASE64_STANDARD.encode(Sha256::digest(content.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_comes_before_anything_that_could_load() {
        let good = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<title>";
        let page = guarded(good, "P").unwrap();
        assert_eq!(
            page,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"P\">\n<title>"
        );
        for bad in [
            "",
            "<p>no head",
            "<head>",
            "<html><head>",
            "<!doctype html><html><script src=x></script><head>",
            "<!doctype html><!-- <head> --><html>",
            "<img src=x><!doctype html><html><head>",
            "<!doctype html><html lang=\"en\"><body><head>",
        ] {
            assert_eq!(guarded(bad, "P"), None, "{bad}");
        }
    }
}
