//! `[[source]]` with an engine, checked; and the report of what it answers.

use std::path::Path;
use std::time::Duration;

use super::secret::{Secret, private_file};
use super::{Outcome, Request, RunError, build, check_usable, scope};
use crate::breakdown::sql::PeerScope;
use crate::config::{ConfigError, SourceConfig, Span};
use crate::ingest::{self, IngestError};
use crate::lake::{self, Answer, Engine, LakeError, Needs, Table};
use crate::period::PeriodKind;

/// The only engine that there is, by its name in settings.
const SPARK_CONNECT: &str = "spark-connect";
const TIME_LIMIT: Duration = Duration::from_mins(10);
const ROW_LIMIT: u64 = 2_000_000;
/// More rows than an answer can have in memory.
const MOST_ROWS: u64 = 50_000_000;
/// Port of Spark Connect where none is given.
const PORT: u16 = 15002;
/// More days than a calendar month and what may lie between its end and the as-of date.
const MONTH_DAYS: u32 = 62;

/// A table that is counted where it is.
#[derive(Debug, Clone)]
pub enum LakeSource {
    /// By an engine that is asked.
    Asked(Box<Way>),
    /// It was; this is the filed answer.
    Filed(Vec<u8>),
}

/// An engine and a table of it, with its secret still where it lies.
#[derive(Debug, Clone)]
pub struct Way {
    host: String,
    port: u16,
    tls: bool,
    secret: Secret,
    time_limit: Duration,
    row_limit: u64,
    table: Table,
    settings: ingest::Settings,
}

impl Way {
    /// Checks a source whose rows are counted by an engine.
    ///
    /// # Errors
    /// [`ConfigError::Value`] naming file and key.
    pub fn of(
        source: &SourceConfig,
        root: &Path,
        file: &Path,
        settings: ingest::Settings,
    ) -> Result<Self, ConfigError> {
        let value = |key: &str, found: String, hint: &str| {
            ConfigError::value(file, &format!("source.{key}"), found, hint)
        };
        let engine = source.engine.as_deref().unwrap_or_default();
        if engine != SPARK_CONNECT {
            return Err(value("engine", format!("`{engine}`"), "expected spark-connect"));
        }
        let hint = "url = \"sc://lake.example.com:15002\"";
        let url = source.url.as_deref();
        let url = url.ok_or_else(|| value("url", "is missing".to_owned(), hint))?;
        let (host, port) = place(url).ok_or_else(|| {
            // It may hold a secret.
            let hint = "write sc://HOST:PORT and nothing more; a token has keys of its own";
            value("url", "is no address of an engine".to_owned(), hint)
        })?;
        let tls = tls(source, &host, &value)?;
        let (time_limit, row_limit) = limits(source, &value)?;
        let table = table(source, &value)?;
        let secret = secret(source, root, file, &value)?;
        if !lake::BUILT {
            let found = format!("`{engine}` is not part of this program");
            return Err(value("engine", found, lake::NOT_BUILT_HINT));
        }
        Ok(Self { host, port, tls, secret, time_limit, row_limit, table, settings })
    }

    fn engine(&self) -> Result<Engine, String> {
        let token = match &self.secret {
            Secret::None => None,
            secret => Some(secret.read()?),
        };
        Ok(Engine {
            host: self.host.clone(),
            port: self.port,
            tls: self.tls,
            token,
            time_limit: self.time_limit,
            row_limit: self.row_limit,
        })
    }

    /// Says whether the engine is there; nothing is asked.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn probe(&self) -> Result<(), String> {
        self.engine()?.knock().map_err(|error| super::chain(&error))
    }

    fn ask(&self, request: &Request) -> Result<Answer, RunError> {
        let engine = self.engine().map_err(RunError::Secret)?;
        let needs = Needs { zone: request.zone, peers: peers(request), row_limit: self.row_limit };
        Ok(lake::ask(&engine, &self.table, &self.settings, &needs)?)
    }
}

/// Host and port of an address.
fn place(url: &str) -> Option<(String, u16)> {
    let rest = url.strip_prefix("sc://")?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !port.contains(']') => {
            (host, port.parse().ok().filter(|port| *port > 0)?)
        }
        _ => (rest, PORT),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let good = bare.map_or_else(
        || !host.is_empty() && host.bytes().all(plain),
        |address| address.parse::<std::net::Ipv6Addr>().is_ok(),
    );
    good.then(|| (host.to_ascii_lowercase(), port))
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<std::net::IpAddr>();
    bare == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Makes the error of a key of the source.
type Value<'a> = dyn Fn(&str, String, &str) -> ConfigError + 'a;

fn tls(source: &SourceConfig, host: &str, value: &Value<'_>) -> Result<bool, ConfigError> {
    match source.security.as_deref() {
        None | Some("tls") => Ok(true),
        Some("none-loopback-only") if is_loopback(host) => Ok(false),
        Some("none-loopback-only") => {
            let found = format!("`none-loopback-only`, and `{host}` is another machine");
            let hint = "use security = \"tls\", or a tunnel that ends on this machine";
            Err(value("security", found, hint))
        }
        Some(other) => {
            let hint = "expected tls or none-loopback-only";
            Err(value("security", format!("`{other}`"), hint))
        }
    }
}

/// Longest time, and most rows of an answer.
fn limits(source: &SourceConfig, value: &Value<'_>) -> Result<(Duration, u64), ConfigError> {
    let long_enough = |span: &Span| {
        let length = span.length().to_std().ok();
        length.filter(|length| *length >= Duration::from_secs(1)).ok_or_else(|| {
            value("time_limit", format!("`{}`", span.text()), "at least 1s, such as 10m")
        })
    };
    let time_limit = source.time_limit.as_ref().map_or(Ok(TIME_LIMIT), long_enough)?;
    let row_limit = source.row_limit.unwrap_or(ROW_LIMIT);
    if !(1..=MOST_ROWS).contains(&row_limit) {
        return Err(value("row_limit", row_limit.to_string(), "from 1 to 50000000"));
    }
    Ok((time_limit, row_limit))
}

fn table(source: &SourceConfig, value: &Value<'_>) -> Result<Table, ConfigError> {
    let path = Some(source.path.as_str()).filter(|path| !path.is_empty());
    match (source.table.as_deref(), path) {
        (Some(_), Some(_)) => {
            let found = "stands beside `path`".to_owned();
            Err(value("table", found, "give table or path, one of them"))
        }
        (None, None) => {
            let hint = "table = \"mail.traces\", or path = \"/lake/mail/traces\" of Parquet files";
            Err(value("table", "is missing".to_owned(), hint))
        }
        (Some(name), None) => {
            let parts = name.split('.');
            let good = parts.clone().all(|part| !part.trim().is_empty()) && parts.count() <= 4;
            if good && !name.contains('`') && !name.contains(char::is_control) {
                Ok(Table::Named(name.to_owned()))
            } else {
                Err(value("table", format!("`{name}`"), "a name such as catalog.schema.table"))
            }
        }
        (None, Some(path)) => {
            let whole = path.starts_with('/') || path.contains("://");
            if whole && !path.contains(char::is_control) {
                Ok(Table::Parquet(path.to_owned()))
            } else {
                let hint =
                    "the whole path as the engine reaches it, such as /lake/traces or s3a://…";
                Err(value("path", format!("`{path}`"), hint))
            }
        }
    }
}

fn secret(
    source: &SourceConfig,
    root: &Path,
    file: &Path,
    value: &Value<'_>,
) -> Result<Secret, ConfigError> {
    let command = Some(&source.token_command).filter(|words| !words.is_empty());
    match (&source.token_file, &source.token_env, command) {
        (None, None, None) => Ok(Secret::None),
        (Some(path), None, None) => {
            let path = root.join(path);
            private_file(&path, "source.token_file", file)?;
            Ok(Secret::File(path))
        }
        (None, Some(name), None) if std::env::var_os(name).is_some() => {
            Ok(Secret::Variable(name.clone()))
        }
        (None, Some(name), None) => {
            let found = format!("the environment variable `{name}` is not set");
            Err(value("token_env", found, "set it for the process that makes the report"))
        }
        (None, None, Some(words)) => Ok(Secret::Command(words.clone())),
        _ => {
            let found = "stands beside another of its kind".to_owned();
            let hint = "give token_file, token_env or token_command, one of them";
            Err(value("token_file", found, hint))
        }
    }
}

/// The remote domains that the report needs, or of somewhat more days.
fn peers(request: &Request) -> PeerScope {
    let only = request.only.clone();
    if let Some(as_of) = request.as_of
        && let Ok(periods) = super::periods(request, as_of)
    {
        let from = periods.iter().map(|period| period.from).min();
        let between = from.zip(periods.iter().map(|period| period.to).max());
        return PeerScope { between, last: None, only };
    }
    let length = |kind: &PeriodKind| match kind {
        PeriodKind::Days(days) => *days,
        PeriodKind::Week => 7,
        PeriodKind::Month | PeriodKind::Range => MONTH_DAYS,
    };
    let between = request.range.and_then(|(from, to)| Some((from, to.succ_opt()?)));
    PeerScope { between, last: request.periods.iter().map(length).max(), only }
}

/// The report of a table that is counted where it is.
///
/// # Errors
/// [`RunError`] as for files, or as the engine says.
pub(super) fn report(request: &Request, source: &LakeSource) -> Result<Outcome, RunError> {
    let answer = match source {
        LakeSource::Asked(way) => way.ask(request)?,
        LakeSource::Filed(bytes) => Answer::from_bytes(bytes).map_err(RunError::Lake)?,
    };
    let names = request.names();
    let too_many = || RunError::Ingest(IngestError::TooManyNames { most: names.most() });
    let counted = answer
        .counted(&names)
        .map_err(|error| if names.is_full() { too_many() } else { error.into() })?;
    check_usable(&counted.reading)?;
    let newest = counted.default_as_of(request.zone);
    let (as_of, scope) = scope(request, &counted.reading, newest)?;
    let (breakdown, reading) = counted.finish(&names, &scope).map_err(RunError::Count)?;
    build(request, reading, &breakdown, (as_of, scope.periods))
}

impl From<LakeError> for RunError {
    fn from(error: LakeError) -> Self {
        match error {
            LakeError::Table(error) => Self::Ingest(error),
            other => Self::Lake(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_engines() {
        let cases = [
            ("sc://lake.example.com", Some(("lake.example.com", 15002))),
            ("sc://Lake.example.com:443/", Some(("lake.example.com", 443))),
            ("sc://127.0.0.1:15002", Some(("127.0.0.1", 15002))),
            ("sc://[::1]:15002", Some(("[::1]", 15002))),
            ("sc://[::1]", Some(("[::1]", 15002))),
            ("sc://", None),
            ("sc://:15002", None),
            ("sc://lake:0", None),
            ("sc://lake:65536", None),
            ("sc://lake:15002/;token=hunter2", None),
            ("sc://user@lake:15002", None),
            ("https://lake.example.com", None),
            ("lake.example.com:15002", None),
        ];
        for (url, expected) in cases {
            let expected = expected.map(|(host, port)| (host.to_owned(), port));
            assert_eq!(place(url), expected, "{url}");
        }
        assert!(is_loopback("localhost") && is_loopback("[::1]") && is_loopback("127.1.2.3"));
        assert!(!is_loopback("lake.example.com") && !is_loopback("10.0.0.1"));
    }
}
