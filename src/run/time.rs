//! `run_timeout`: how long a run may take, whoever asked for it, and what becomes of a process
//! that does not stop.

use std::path::Path;
use std::time::Duration;

use chrono::TimeDelta;

use crate::clock::limit;
use crate::config::{Config, ConfigError, Span};

/// How long a run may take where nothing is said.
const HOURS: i64 = 6;
/// Exit code of a process that cannot stop: that of other defects.
const STUCK: i32 = 5;

/// `run_timeout`
///
/// # Errors
/// [`ConfigError::Value`] naming file and key.
pub fn run_timeout(config: &Config, file: &Path) -> Result<Span, ConfigError> {
    let timeout = config.run_timeout.clone().unwrap_or_else(|| Span::hours(HOURS));
    if timeout.length() < TimeDelta::seconds(1) {
        let hint = "write a length of time such as run_timeout = \"6h\"";
        return Err(ConfigError::value(file, "run_timeout", "is no time at all", hint));
    }
    Ok(timeout)
}

/// A length of time as the process counts it.
pub fn longest(span: &Span) -> Duration {
    span.length().to_std().unwrap_or(Duration::MAX)
}

/// Does `work`, which asks [`limit::passed`]; the process ends where it goes on all the same.
pub fn within<T>(what: &str, longest: Duration, work: impl FnOnce() -> T) -> T {
    let said = format!("{what} does not stop, long after run_timeout: the process ends");
    let stuck = move || {
        tracing::error!("{said}");
        if !tracing::dispatcher::has_been_set() {
            use std::io::Write;
            drop(writeln!(std::io::stderr(), "error: {said}"));
        }
        #[allow(clippy::exit, reason = "no thread can be ended but with all others")]
        std::process::exit(STUCK);
    };
    limit::within(longest, stuck, work)
}
