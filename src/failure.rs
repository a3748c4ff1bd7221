//! What a user sees of any error: message, causes, hints, exit code.

use std::fmt;

use crate::config::ConfigError;
use crate::run::RunError;
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
}

impl Failure {
    /// A mistake in how the program was called.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        let (chain, hints) = (vec![message.into()], vec![hint.into()]);
        Self { kind: FailureKind::Usage, chain, hints }
    }

    fn of(kind: FailureKind, error: &dyn std::error::Error) -> Self {
        let mut chain = vec![error.to_string()];
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            if chain.last() != Some(&text) {
                chain.push(text);
            }
            source = cause.source();
        }
        Self { kind, chain, hints: Vec::new() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
            RunError::Ingest(_) | RunError::NoUsableRow { .. } => FailureKind::Input,
            RunError::EmptyPeriod { .. } | RunError::AsOf(_) | RunError::NoSuchConnector { .. } => {
                FailureKind::Usage
            }
            RunError::Count(_) | RunError::DoesNotAddUp(_) | RunError::Render(_) => {
                FailureKind::Internal
            }
        };
        let mut failure = Self::of(kind, &error);
        match &error {
            RunError::Ingest(ingest) => {
                failure.hints.extend(ingest.hint().map(str::to_owned));
            }
            RunError::NoSuchConnector { nearest, .. } => {
                let meant = nearest.as_ref().map(|name| format!("did you mean `{name}`?"));
                failure.hints.extend(meant);
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
        if let ConfigError::Shape { suggestion: Some(key), .. } = &error {
            failure.hints.push(format!("did you mean `{key}`?"));
        }
        failure
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        Self::of(FailureKind::Internal, &error)
    }
}
