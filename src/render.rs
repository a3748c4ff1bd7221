//! Rendering: one frozen [`Report`] -> the bytes of each file. No I/O, no clock.
//!
//! | format | files |
//! |---|---|
//! | html | `report.html` |
//! | pdf | `report.pdf` |
//! | csv | `connectors.csv`, `daily.csv` |
//! | json | `report.json` |
//! | xlsx | `report.xlsx` |
//!
//! How an organisation's reports look is an input like the report itself ([`branding`]).
//! Every word comes from `templates/lang/*.toml` ([`words`]); every number from the report.
//! Text from a trace is hostile: escaped in HTML, neutralised in CSV, spelled out in PDF,
//! never a formula in XLSX.

pub mod branding;
pub mod check;
mod csv;
mod html;
pub mod json;
pub mod mail;
mod pdf;
pub mod summary;
mod view;
pub mod words;
mod xlsx;

use self::branding::{Branding, Fault};
use crate::report::Report;

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A self-contained page.
    Html,
    /// For the file.
    Pdf,
    /// Figures for a spreadsheet.
    Csv,
    /// Figures for programs.
    Json,
    /// A workbook; made where it is asked for.
    Xlsx,
}

impl Format {
    /// The name used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Pdf => "pdf",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Xlsx => "xlsx",
        }
    }

    /// The files of the format.
    pub fn files(self) -> &'static [&'static str] {
        match self {
            Self::Html => &["report.html"],
            Self::Pdf => &["report.pdf"],
            Self::Csv => &["connectors.csv", "daily.csv"],
            Self::Json => &["report.json"],
            Self::Xlsx => &["report.xlsx"],
        }
    }

    /// All formats, in the order in which they are written.
    pub const ALL: [Self; 5] = [Self::Html, Self::Pdf, Self::Csv, Self::Json, Self::Xlsx];

    /// The formats of a report that asks for none.
    pub const DEFAULT: [Self; 4] = [Self::Html, Self::Pdf, Self::Csv, Self::Json];
}

/// Why a file could not be rendered: a defect in a template or font, never in a trace.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// No words in this language.
    #[error("no language `{0}`")]
    Language(String),
    /// The template does not fit the report.
    #[error("the HTML template is at fault")]
    Template(#[from] minijinja::Error),
    /// A template of the organisation does not fit the report.
    #[error(transparent)]
    OwnTemplate(#[from] Fault),
    /// A font is at fault.
    #[error("the font `{0}` cannot be used")]
    Font(&'static str),
    /// The PDF could not be written.
    #[error("the PDF could not be written")]
    Pdf(#[source] std::io::Error),
    /// The workbook could not be written.
    #[error("the workbook could not be written")]
    Xlsx(#[from] rust_xlsxwriter::XlsxError),
}

/// Renders the files of one format: name and content of each.
///
/// # Errors
/// [`RenderError`] when a template, font or language file is at fault.
pub fn render(
    report: &Report,
    format: Format,
    branding: &Branding,
) -> Result<Vec<(String, Vec<u8>)>, RenderError> {
    let file = |name: &str, bytes| (name.to_owned(), bytes);
    Ok(match format {
        Format::Html => vec![file("report.html", html::render(report, branding)?)],
        Format::Pdf => vec![file("report.pdf", pdf::render(report, branding)?)],
        Format::Csv => vec![
            file("connectors.csv", csv::connectors(report)),
            file("daily.csv", csv::daily(report)),
        ],
        Format::Json => vec![file("report.json", json::render(report))],
        Format::Xlsx => vec![file("report.xlsx", xlsx::render(report)?)],
    })
}

/// Says whether there are words in a language.
///
/// # Errors
/// A sentence that names the languages there are.
pub fn check_language(language: &str) -> Result<(), String> {
    if words::Words::of(language).is_some() {
        return Ok(());
    }
    Err(format!("the languages are {}", words::LANGUAGES.map(|(name, _)| name).join(", ")))
}

/// Longest foreign text that is shown whole.
const MAX_SHOWN: usize = 160;

/// Foreign text as it may be shown: no control characters, nothing that turns the writing
/// direction, not absurdly long.
pub fn clean(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_SHOWN).map(visible).collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// Foreign text as it may stand in a terminal or a log, whole, on one line.
pub fn plain(text: &str) -> String {
    text.chars().map(visible).collect()
}

/// Lines as they may stand in a terminal.
pub fn plain_lines(text: &str) -> String {
    text.chars()
        .map(|letter| if matches!(letter, '\n' | '\t') { letter } else { visible(letter) })
        .collect()
}

/// The character, or a mark in place of one that hides or turns the writing direction.
fn visible(letter: char) -> char {
    match letter {
        '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}'
        | '\u{feff}' => '\u{fffd}',
        _ if letter.is_control() => '\u{fffd}',
        _ => letter,
    }
}
