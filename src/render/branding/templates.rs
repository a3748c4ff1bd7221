//! Templates: the built-in ones, and those of an organisation in their place.
//!
//! | name | what it is |
//! |---|---|
//! | `report.html` | the page |
//! | `report.css` | a style sheet that comes after the built-in one; no template |
//! | `mail/report.html`, `mail/report.txt` | the two bodies of a report's mail |
//! | `_….html`, `mail/_….txt` and the like | parts that these include |
//!
//! A template finds the one that it stands for as `builtin/…`. Notices are always built in:
//! who is to be told of a fault is told.
//!
//! Invariants
//! * Text in `.html` is escaped, and nothing can turn that off.
//! * A template ends: its steps and its output are counted.
//! * Page and mail load nothing.

use std::collections::BTreeMap;
use std::io::{self, Write};

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};
use serde::{Deserialize, Serialize};

use super::super::RenderError;
use super::super::words::{GROUP, Words, number};

/// The built-in templates.
const BUILT_IN: [(&str, &str); 6] = [
    ("report.html", include_str!("../../../templates/html/report.html")),
    ("mail/frame.html", include_str!("../../../templates/mail/frame.html")),
    ("mail/report.html", include_str!("../../../templates/mail/report.html")),
    ("mail/report.txt", include_str!("../../../templates/mail/report.txt")),
    ("mail/notice.html", include_str!("../../../templates/mail/notice.html")),
    ("mail/notice.txt", include_str!("../../../templates/mail/notice.txt")),
];
/// Where a template of an organisation finds those that it stands for.
const PREFIX: &str = "builtin/";
/// What may stand in the place of a built-in one.
const OWN: [&str; 4] = ["report.html", STYLE, "mail/report.html", "mail/report.txt"];
/// The style sheet that is added.
const STYLE: &str = "report.css";
/// Longest template.
pub const MAX_BYTES: usize = 256 * 1024;
/// Most templates.
const MAX_FILES: usize = 64;
/// Longest output, far above that of the built-in page.
const MAX_OUTPUT: usize = 64 * 1024 * 1024;
/// Steps that any template may take.
const STEPS: u64 = 2_000_000;
/// Steps more for each line of a report; the built-in page needs some hundred.
const STEPS_PER_LINE: u64 = 5_000;

/// What no page holds: it would load or lead to something, or let foreign text act.
const NEVER: [&str; 7] =
    ["<link", "<base", "http-equiv", "<iframe", "<object", "<embed", "autoescape"];
/// What no mail holds beside that.
const NEVER_IN_MAIL: [&str; 5] = ["<img", "<script", "background=", "url(", "@import"];
/// What no style sheet holds.
const NEVER_IN_STYLE: [&str; 3] = ["</", "url(", "@import"];

/// A template that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {what}", line.map(|line| format!(" line {line}")).unwrap_or_default())]
pub struct Fault {
    /// The file, with its folder.
    pub file: String,
    /// Line, from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong.
    pub what: String,
}

/// Which templates are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::render) enum Kind {
    /// Those of report.html, with so many lines of figures.
    Page {
        /// Lines of tables.
        lines: u64,
    },
    /// Those of the HTML of mail.
    MailHtml,
    /// Those of its text.
    MailText,
}

impl Kind {
    /// Templates of one kind do not see those of another: text that is not escaped gets into
    /// no HTML.
    fn has(self, name: &str) -> bool {
        let in_mail = name.starts_with("mail/");
        let ending = name.rsplit('.').next();
        match self {
            Self::Page { .. } => !in_mail && ending == Some("html"),
            Self::MailHtml => in_mail && ending == Some("html"),
            Self::MailText => in_mail && ending == Some("txt"),
        }
    }

    fn escapes(self) -> AutoEscape {
        if self == Self::MailText { AutoEscape::None } else { AutoEscape::Html }
    }

    fn steps(self) -> u64 {
        match self {
            Self::Page { lines } => STEPS.saturating_add(lines.saturating_mul(STEPS_PER_LINE)),
            Self::MailHtml | Self::MailText => STEPS,
        }
    }
}

/// Templates of an organisation, checked as far as they can be without a report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Templates {
    /// Their folder, as the settings write it.
    pub(super) folder: String,
    /// Name and text.
    pub(super) files: BTreeMap<String, String>,
}

impl Templates {
    /// Templates by their names within the folder.
    ///
    /// # Errors
    /// [`Fault`] for the first that has a name nobody asks for, is too long, holds what it
    /// must not, or is no template.
    pub fn new(folder: String, files: BTreeMap<String, String>) -> Result<Self, Fault> {
        let templates = Self { folder, files };
        if templates.files.len() > MAX_FILES {
            let what =
                format!("{} templates, where {MAX_FILES} are allowed", templates.files.len());
            return Err(Fault { file: templates.folder, line: None, what });
        }
        for (name, text) in &templates.files {
            templates.check_name(name)?;
            templates.check_text(name, text)?;
        }
        for kind in [Kind::Page { lines: 0 }, Kind::MailHtml, Kind::MailText] {
            templates.environment(kind, Words::english()).map_err(|error| match error {
                RenderError::OwnTemplate(fault) => fault,
                other => templates.fault("", None, other.to_string()),
            })?;
        }
        Ok(templates)
    }

    fn check_name(&self, name: &str) -> Result<(), Fault> {
        let inner = name.strip_prefix("mail/").unwrap_or(name);
        let kinds = [Kind::Page { lines: 0 }, Kind::MailHtml, Kind::MailText];
        let part = inner.starts_with('_')
            && !inner.contains('/')
            && kinds.iter().any(|kind| kind.has(name));
        if part || OWN.contains(&name) {
            return Ok(());
        }
        let what = format!(
            "no template has this name: they are {}, and parts whose names begin with _",
            OWN.join(", ")
        );
        Err(self.fault(name, None, what))
    }

    fn check_text(&self, name: &str, text: &str) -> Result<(), Fault> {
        if text.len() > MAX_BYTES {
            let what = format!("{} bytes, where {MAX_BYTES} are allowed", text.len());
            return Err(self.fault(name, None, what));
        }
        let never: Vec<&str> = match name.rsplit('.').next() {
            Some("css") => NEVER_IN_STYLE.to_vec(),
            Some("html") if Kind::MailHtml.has(name) => [&NEVER[..], &NEVER_IN_MAIL].concat(),
            Some("html") => NEVER.to_vec(),
            _ => Vec::new(),
        };
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.to_ascii_lowercase();
            if let Some(found) = never.iter().find(|never| line.contains(**never)) {
                let what = format!("`{found}` is not allowed: page and mail load nothing");
                let what = if *found == "autoescape" {
                    "`autoescape` is not allowed: names from traces are hostile".to_owned()
                } else {
                    what
                };
                return Err(self.fault(name, Some(number), what));
            }
        }
        Ok(())
    }

    fn fault(&self, name: &str, line: Option<usize>, what: impl Into<String>) -> Fault {
        let file = format!("{}/{name}", self.folder.trim_end_matches('/'));
        Fault { file, line, what: what.into() }
    }

    /// The style sheet that is added to the built-in one.
    pub(in crate::render) fn style(&self) -> &str {
        self.files.get(STYLE).map_or("", String::as_str)
    }

    /// Whether a template stands in the place of the built-in one.
    pub(in crate::render) fn replace(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    /// What is wrong with a file that a template made.
    pub(in crate::render) fn at_fault(&self, name: &str, what: impl Into<String>) -> RenderError {
        RenderError::OwnTemplate(self.fault(name, None, what))
    }

    /// The templates of a kind, ready to be filled.
    ///
    /// # Errors
    /// [`RenderError`] when one is no template.
    pub(in crate::render) fn environment(
        &self,
        kind: Kind,
        words: &'static Words,
    ) -> Result<Environment<'_>, RenderError> {
        let mut environment = empty(kind, words)?;
        for (name, text) in BUILT_IN.into_iter().filter(|(name, _)| kind.has(name)) {
            if !self.files.is_empty() {
                environment.add_template_owned(format!("{PREFIX}{name}"), text)?;
            }
            if !self.files.contains_key(name) {
                environment.add_template(name, text)?;
            }
        }
        for (name, text) in self.files.iter().filter(|(name, _)| kind.has(name)) {
            environment.add_template(name, text).map_err(|error| self.explained(&error))?;
        }
        if !self.files.is_empty() {
            environment.set_fuel(Some(kind.steps()));
        }
        Ok(environment)
    }

    /// Fills a template.
    ///
    /// # Errors
    /// [`RenderError`] when it does not fit the report.
    pub(in crate::render) fn fill(
        &self,
        environment: &Environment<'_>,
        name: &str,
        context: Value,
    ) -> Result<String, RenderError> {
        let template = environment.get_template(name)?;
        if self.files.is_empty() {
            return Ok(template.render(context)?);
        }
        let mut output = Limited { text: Vec::new(), full: false };
        let result = template.render_captured_to(context, &mut output).map(drop);
        if output.full {
            return Err(self.at_fault(name, format!("makes more than {MAX_OUTPUT} bytes")));
        }
        result.map_err(|error| self.explained(&error))?;
        Ok(String::from_utf8_lossy(&output.text).into_owned())
    }

    /// The innermost place that is known of an error, and what is wrong there.
    fn explained(&self, error: &Error) -> RenderError {
        let mut chain = vec![error];
        while let Some(inner) = chain.last().and_then(|error| std::error::Error::source(*error)) {
            let Some(inner) = inner.downcast_ref::<Error>() else { break };
            chain.push(inner);
        }
        let innermost = chain.last().copied().unwrap_or(error);
        let own = |error: &&Error| error.name().is_some_and(|name| self.replace(name));
        let place = chain.iter().rev().copied().find(own).unwrap_or(innermost);
        let mut what = match innermost.kind() {
            ErrorKind::OutOfFuel => "it does not come to an end".to_owned(),
            kind => kind.to_string(),
        };
        if let Some(detail) = innermost.detail() {
            what = format!("{what}: {detail}");
        }
        RenderError::OwnTemplate(self.fault(place.name().unwrap_or_default(), place.line(), what))
    }
}

/// An environment without templates.
fn empty(kind: Kind, words: &'static Words) -> Result<Environment<'static>, RenderError> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(move |_| kind.escapes());
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    if matches!(kind, Kind::Page { .. }) {
        let blocks = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?;
        environment.set_syntax(blocks);
    }
    environment.remove_filter("safe");
    environment.add_filter("plain", |text: &str| text.replace(GROUP, ""));
    environment.add_filter("number", number);
    environment.add_function("word", |key: &str| {
        let unknown = || Error::new(ErrorKind::InvalidOperation, format!("no words for `{key}`"));
        words.get(key).map(str::to_owned).ok_or_else(unknown)
    });
    Ok(environment)
}

/// Output that may not grow for ever.
struct Limited {
    text: Vec<u8>,
    full: bool,
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.text.len() + bytes.len() > MAX_OUTPUT {
            self.full = true;
            return Err(io::Error::other("the output is too long"));
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
