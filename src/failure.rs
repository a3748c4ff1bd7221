//! What a user sees of any error: message, causes, hints, exit code.

use std::fmt;

use crate::archive::ArchiveError;
use crate::breakdown::CountError;
use crate::config::ConfigError;
use crate::cube::Trouble;
use crate::ledger::LedgerError;
use crate::run::RunError;
use crate::run::engine::{EngineError, Fault};
use crate::run::reproduce::ReproduceError;
use crate::store::WriteError;

/// Which way a command failed; the number is the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// An insight at or above `--fail-on`.
    Finding = 1,
    /// Usage or configuration.
    Usage = 2,
    /// No usable input.
    Input = 3,
    /// The report is made and filed, but not delivered to everyone.
    Delivery = 4,
    /// A defect, or a disk that cannot be written.
    Internal = 5,
}

/// A failed command.
#[derive(Debug)]
pub struct Failure {
    /// Which way.
    pub kind: FailureKind,
    /// What happened, then why.
    pub chain: Vec<String>,
    /// What to do about it.
    pub hints: Vec<String>,
    /// Whole lines, where there are several failures in one.
    said: Vec<String>,
}

impl Failure {
    /// A mistake in how the program was called.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        let (chain, hints) = (vec![message.into()], vec![hint.into()]);
        Self { kind: FailureKind::Usage, chain, hints, said: Vec::new() }
    }

    /// A failure whose lines are whole already, each with its `error:` or `hint:`.
    pub fn said(kind: FailureKind, lines: &[String]) -> Self {
        Self { kind, chain: Vec::new(), hints: Vec::new(), said: lines.to_vec() }
    }

    fn of(kind: FailureKind, error: &dyn std::error::Error) -> Self {
        let mut chain = vec![one_line(&error.to_string())];
        let mut source = error.source();
        while let Some(cause) = source {
            let text = one_line(&cause.to_string());
            if chain.last() != Some(&text) {
                chain.push(text);
            }
            source = cause.source();
        }
        Self { kind, chain, hints: Vec::new(), said: Vec::new() }
    }
}

/// A line end in the name of a file would make a line of its own.
fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

impl From<Fault> for FailureKind {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Input => Self::Input,
            Fault::Settings => Self::Usage,
            Fault::Internal => Self::Internal,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.chain.is_empty() {
            return f.write_str(&self.said.join("\n"));
        }
        write!(f, "error: {}", self.chain.join(": "))?;
        for hint in &self.hints {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let kind = match &error {
            _ if error.is_settings() => FailureKind::Usage,
            RunError::Ingest(_)
            | RunError::Lake(_)
            | RunError::Secret(_)
            | RunError::NoUsableRow { .. } => FailureKind::Input,
            RunError::EmptyPeriod { .. } | RunError::AsOf(_) | RunError::NoSuchConnector { .. } => {
                FailureKind::Usage
            }
            RunError::Passed
            | RunError::Defect
            | RunError::Count(_)
            | RunError::DoesNotAddUp(_)
            | RunError::Render(_)
            | RunError::Unreadable(_)
            | RunError::Message(_) => FailureKind::Internal,
        };
        let mut failure = Self::of(kind, &error);
        match &error {
            RunError::Ingest(ingest) => {
                failure.hints.extend(ingest.hint().map(str::to_owned));
            }
            RunError::Lake(lake) => failure.hints.extend(lake.hint().map(str::to_owned)),
            RunError::NoSuchConnector { nearest, .. } => {
                let meant = nearest.as_ref().map(|name| format!("did you mean `{name}`?"));
                failure.hints.extend(meant);
            }
            RunError::Count(CountError::Scratch(_)) => {
                let hint = "free space there, or give more memory with --memory";
                failure.hints.push(hint.to_owned());
            }
            RunError::Passed => {
                let hint = "give it more with run_timeout = \"12h\" in intransit.toml, 6h where \
                            nothing is said";
                failure.hints.push(hint.to_owned());
            }
            RunError::NoUsableRow { .. } => {
                failure
                    .hints
                    .push("`intransit inspect` shows why each row was rejected".to_owned());
            }
            _ => {}
        }
        failure
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let mut failure = Self::of(FailureKind::Usage, &error);
        // The TOML reader shows the line, and points at the place below it.
        if matches!(error, ConfigError::Shape { .. }) {
            failure.chain = vec![error.to_string()];
        }
        match &error {
            ConfigError::Shape { suggestion: Some(meant), .. }
            | ConfigError::NoSchedule { nearest: Some(meant), .. } => {
                failure.hints.push(format!("did you mean `{meant}`?"));
            }
            ConfigError::Value { hint, .. } => failure.hints.push(hint.clone()),
            _ => {}
        }
        failure
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        Self::of(FailureKind::Internal, &error)
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        let kind = match &error {
            LedgerError::Held { .. } => FailureKind::Usage,
            _ => FailureKind::Internal,
        };
        let mut failure = Self::of(kind, &error);
        if kind == FailureKind::Usage {
            failure.hints.push("one process works on a state folder at a time".to_owned());
        }
        failure
    }
}

impl From<Trouble> for Failure {
    fn from(error: Trouble) -> Self {
        let kind = match &error {
            Trouble::Busy { .. } => FailureKind::Usage,
            _ => FailureKind::Internal,
        };
        let mut failure = Self::of(kind, &error);
        if kind == FailureKind::Usage {
            failure.hints.push("try again when its report is made".to_owned());
        }
        failure
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Ledger(error) => error.into(),
            EngineError::Run(error) => error.into(),
            EngineError::Config(error) => error.into(),
            EngineError::Write(error) => error.into(),
            EngineError::Archive(error) => {
                let mut failure = Self::of(FailureKind::Internal, &error);
                if matches!(error, ArchiveError::Unknown { .. }) {
                    failure.hints.push(
                        "an older ledger was put back, or two installations share an archive"
                            .to_owned(),
                    );
                }
                failure
            }
        }
    }
}

impl From<ReproduceError> for Failure {
    fn from(error: ReproduceError) -> Self {
        match error {
            ReproduceError::Run(error) => error.into(),
            ReproduceError::Config(error) => error.into(),
            ReproduceError::NoReport { .. } => Self::of(FailureKind::Usage, &error),
            ReproduceError::Bag { .. } => Self::of(FailureKind::Input, &error),
            ReproduceError::Input { .. } => {
                let mut failure = Self::of(FailureKind::Input, &error);
                failure
                    .hints
                    .push("with `inputs = \"copy\"` in [archive] inputs are kept".to_owned());
                failure
            }
        }
    }
}
