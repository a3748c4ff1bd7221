//! Passwords and tokens: looked at when settings are checked, read only when a connection needs
//! them, and never shown.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use super::command;
use crate::config::ConfigError;
use crate::store;

/// Where the password or token comes from.
#[derive(Debug, Clone)]
pub(super) enum Secret {
    /// There is none.
    None,
    /// A file, readable by its owner only.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// A command that prints it.
    Command(Vec<String>),
}

impl Secret {
    /// The secret; empty where there is none.
    ///
    /// # Errors
    /// A sentence that says what could not be read; it never holds a secret.
    pub(super) fn read(&self) -> Result<SecretString, String> {
        match self {
            Self::None => Ok(SecretString::default()),
            Self::File(path) => {
                let bytes = store::read_private(path)?;
                let text = std::str::from_utf8(&bytes)
                    .map_err(|_| format!("`{}` holds no text", path.display()))?;
                Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
            }
            Self::Variable(name) => match std::env::var(name) {
                Ok(text) => Ok(SecretString::from(Zeroizing::new(text).as_str())),
                Err(_) => Err(format!("the environment variable `{name}` is not set")),
            },
            Self::Command(words) => token(words),
        }
    }

    /// Where it comes from, never what it is. Arguments of a command may hold a secret.
    pub(super) fn origin(&self) -> Option<String> {
        match self {
            Self::None => None,
            Self::File(path) => Some(format!("the password in the file `{}`", path.display())),
            Self::Variable(name) => {
                Some(format!("the password in the environment variable `{name}`"))
            }
            Self::Command(words) => {
                let program = words.first().map_or("", String::as_str);
                Some(format!("the token that the command `{program}` prints"))
            }
        }
    }
}

/// Checks that a file with a secret is there and nobody else's to read.
///
/// # Errors
/// [`ConfigError::Value`] naming file and key.
pub(super) fn private_file(path: &Path, key: &str, file: &Path) -> Result<(), ConfigError> {
    store::check_private(path).map_err(|found| {
        let hint = format!("chmod 600 {}", path.display());
        ConfigError::value(file, key, found, hint)
    })
}

/// What the token command prints. Its own errors go to our stderr.
fn token(words: &[String]) -> Result<SecretString, String> {
    let output = Zeroizing::new(command::output(words, &[])?);
    // Its arguments may hold a secret.
    let program = words.first().map_or("", String::as_str);
    let text = std::str::from_utf8(&output)
        .map_err(|_| format!("`{program}` printed what is no text"))?
        .trim();
    if text.is_empty() {
        return Err(format!("`{program}` printed nothing"));
    }
    Ok(SecretString::from(text))
}
