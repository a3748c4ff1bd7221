//! Settings: `intransit.toml`, `schedules/*.toml`, column maps, and the embedded defaults.
//!
//! Both files have one shape, [`Config`]; a schedule's file is laid over the installation's.
//! Unknown keys are errors that suggest the nearest known one. Nothing here reads a trace.

mod branding;
mod home;
mod mail;
mod map;
mod memory;
mod span;

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

pub use self::branding::BrandingConfig;
pub use self::home::{Home, SCHEDULES, ScheduleSettings};
pub use self::mail::{
    Addresses, Auth, MailConfig, NotifyConfig, OnDoubt, RecipientConfig, Security, Transport,
    secret_variables,
};
pub use self::map::MapConfig;
pub use self::memory::{Memory, MemoryError};
pub use self::span::{Span, SpanError};

/// File that holds the settings of an installation; its folder is the root for paths.
pub const FILE_NAME: &str = "intransit.toml";

/// Why settings could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The settings file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is longer than any settings are.
    #[error("`{}` is longer than {} MiB: these are no settings", path.display(), MOST_BYTES >> 20)]
    TooLong {
        /// The settings file.
        path: PathBuf,
    },
    /// The file is not TOML of the expected shape.
    #[error("`{}`: {found}", path.display())]
    Shape {
        /// The settings file.
        path: PathBuf,
        /// Line, column and what was found, as the TOML reader says.
        found: String,
        /// The nearest known key, where a key was unknown.
        suggestion: Option<String>,
    },
    /// A value cannot be used.
    #[error("`{}`: `{key}`: {found}", path.display())]
    Value {
        /// The settings file.
        path: PathBuf,
        /// The key, with its table.
        key: String,
        /// What was found, and what was expected.
        found: String,
        /// What to do about it.
        hint: String,
    },
    /// No schedule has this name.
    #[error("no schedule `{name}` in `{}`", folder.display())]
    NoSchedule {
        /// What was asked for.
        name: String,
        /// Where it was looked for.
        folder: PathBuf,
        /// The name most like it.
        nearest: Option<String>,
    },
    /// The time zone is not in the IANA database.
    #[error("`{found}` is not an IANA time zone (expected a name such as America/Sao_Paulo)")]
    Zone {
        /// What was written.
        found: String,
    },
}

impl ConfigError {
    /// A value that cannot be used.
    pub fn value(
        path: &Path,
        key: &str,
        found: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let (path, key) = (path.to_owned(), key.to_owned());
        Self::Value { path, key, found: found.into(), hint: hint.into() }
    }
}

/// What `intransit.toml` and the files of `schedules/` may say.
#[derive(Debug, Clone, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// When the schedule is due: five crontab fields, in its time zone. Schedules only.
    pub cron: Option<String>,
    /// Which missed occurrences are made up for; all of them where not given.
    pub missed: Option<Missed>,
    /// How far back; 35 days where not given.
    pub missed_window: Option<Span>,
    /// How long making a report may take; 6 hours where not given.
    pub run_timeout: Option<Span>,
    /// Whether the schedule rests; what comes due meanwhile is recorded as skipped.
    pub paused: Option<bool>,
    /// How long to wait while the newest row is older than the end of the period.
    pub wait_for_data: Option<Span>,
    /// IANA time zone in which days begin.
    pub timezone: Option<String>,
    /// Periods of the standard report.
    pub periods: Option<Vec<String>>,
    /// What is counted: `messages` or `recipients`.
    pub count: Option<String>,
    /// How much memory a report may take; rows that do not fit are set aside on the disk.
    pub memory: Option<Memory>,
    /// The report itself.
    pub report: ReportConfig,
    /// How reports and mails look.
    pub branding: BrandingConfig,
    /// Sets of trace files.
    pub source: Vec<SourceConfig>,
    /// Names of connectors for logs, which know services and hosts only.
    pub map: Vec<MapConfig>,
    /// Limits of the built-in rules.
    pub insights: InsightsConfig,
    /// What the organisation knows about its connectors.
    pub connector: Vec<ConnectorConfig>,
    /// Who gets the report by mail.
    pub recipient: Vec<RecipientConfig>,
    /// How mail leaves.
    pub mail: MailConfig,
    /// Who is told when something goes wrong.
    pub notify: NotifyConfig,
    /// The evidence of each run.
    pub archive: ArchiveConfig,
    /// What the program keeps for itself.
    pub state: StateConfig,
}

/// Which missed occurrences are made up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Missed {
    /// Each one, in order: evidence has no holes.
    All,
    /// The newest one.
    Last,
    /// None.
    None,
}

/// `[archive]`
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ArchiveConfig {
    /// Folder of the evidence.
    pub dir: String,
    /// How long evidence is to be kept, as a statement; six years where not given.
    pub keep: Span,
    /// Whether the trace files themselves go into the evidence, or their names and hashes.
    pub inputs: Inputs,
    /// OpenSSH ed25519 private key that seals the evidence, readable by its owner only.
    pub signing_key: Option<String>,
    /// Command that gets an RFC 3161 query on its input and prints the reply of an authority.
    pub tsa_command: Vec<String>,
    /// Command that is told each new head: its number and its hash are added as arguments.
    pub witness_command: Vec<String>,
}

impl Default for ArchiveConfig {
    fn default() -> Self {
        Self {
            dir: "evidence".to_owned(),
            keep: Span::years(6),
            inputs: Inputs::Hash,
            signing_key: None,
            tsa_command: Vec::new(),
            witness_command: Vec::new(),
        }
    }
}

/// What the evidence holds of the trace files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Inputs {
    /// Names, lengths and SHA-256.
    Hash,
    /// Copies too.
    Copy,
}

/// `[state]`
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StateConfig {
    /// Folder of the ledger and its lock, on a local disk.
    pub dir: String,
}

impl Default for StateConfig {
    fn default() -> Self {
        Self { dir: "state".to_owned() }
    }
}

/// `[report]`
#[derive(Debug, Clone, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReportConfig {
    /// Name printed on the report.
    pub organisation: Option<String>,
    /// Language of the report.
    pub language: Option<String>,
    /// Files to write.
    pub formats: Option<Vec<String>>,
}

/// `[[source]]`
#[derive(Debug, Clone, Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// File, folder or glob, from the folder of `intransit.toml`; with `engine`, Parquet files
    /// by their whole path, as the engine reaches them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Kind, or `auto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Direction of every row, for files that do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<String>,
    /// Zone of times without a zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// `day-first` or `month-first`, for dates such as 9/11/2026.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dates: Option<String>,
    /// Year of the first line of logs whose stamps have none; else the file's time tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub year: Option<i32>,
    /// `spark-connect`: the rows are counted by an engine where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// Where the engine is, as in `sc://lake.example.com:15002`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Name of its table, in the place of `path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// How the connection to the engine is protected: `tls`, or `none-loopback-only`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<String>,
    /// File that holds a bearer token for the engine, readable by its owner only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<String>,
    /// Environment variable that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_env: Option<String>,
    /// Command that prints it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub token_command: Vec<String>,
    /// Longest time that the engine may take; 10 minutes where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_limit: Option<Span>,
    /// Most rows that it may answer; two million where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_limit: Option<u64>,
    /// Column map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<ColumnMap>,
}

/// `[insights]`
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InsightsConfig {
    /// Share of No TLS above which `no-tls-share` fires, in percent.
    pub no_tls_percent: u32,
    /// Share of TLS 1.0 and older above which `tls1_0-share` fires, in percent.
    pub tls1_0_percent: u32,
    /// Messages below which a share is too little mail to judge.
    pub min_messages: u64,
}

impl Default for InsightsConfig {
    fn default() -> Self {
        Self { no_tls_percent: 25, tls1_0_percent: 50, min_messages: 20 }
    }
}

/// `[[connector]]`
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectorConfig {
    /// Name as the traces spell it.
    pub name: String,
    /// Whether the connector is set to force TLS.
    #[serde(default)]
    pub forced_tls: Option<bool>,
    /// Whom to ask about it.
    #[serde(default)]
    pub contact: Option<String>,
}

/// Which header of a table holds which canonical field.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ColumnMap {
    /// Time of the message.
    pub time: Option<String>,
    /// Identity of the message.
    pub message_id: Option<String>,
    /// Direction.
    pub direction: Option<String>,
    /// Connector name.
    pub connector: Option<String>,
    /// Connector type.
    pub connector_type: Option<String>,
    /// Whether TLS was forced.
    pub forced_tls: Option<String>,
    /// TLS version.
    pub tls: Option<String>,
    /// Cipher.
    pub cipher: Option<String>,
    /// Sender address.
    pub sender: Option<String>,
    /// Recipient addresses.
    pub recipient: Option<String>,
    /// Remote domain or host.
    pub peer: Option<String>,
    /// Number of messages that a row stands for.
    pub messages: Option<String>,
}

/// A column map in a file of its own, with or without a `[columns]` head.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnFile {
    columns: ColumnMap,
}

impl Config {
    /// Reads the settings of `path`.
    ///
    /// # Errors
    /// [`ConfigError`] with the place and, for an unknown key, the nearest known one.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(&read_text(path)?, path)
    }

    /// Reads the settings of a text; `path` is where it stands.
    ///
    /// # Errors
    /// [`ConfigError`] with the place and, for an unknown key, the nearest known one.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let config: Self = parse(text, path)?;
        let of_sources = config.source.iter().filter_map(|source| source.token_env.as_ref());
        mail::note_secrets(config.mail.password_env.iter().chain(of_sources));
        Ok(config)
    }

    /// The nearest settings file at or above `folder`.
    pub fn find(folder: &Path) -> Option<PathBuf> {
        folder.ancestors().map(|above| above.join(FILE_NAME)).find(|path| path.is_file())
    }
}

impl ColumnMap {
    /// Reads a column map file.
    ///
    /// # Errors
    /// [`ConfigError`] with the place and, for an unknown key, the nearest known one.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = read_text(path)?;
        match toml::from_str::<ColumnFile>(&text) {
            Ok(file) => Ok(file.columns),
            Err(_) if text.contains("[columns]") => {
                parse::<ColumnFile>(&text, path).map(|file| file.columns)
            }
            Err(_) => parse(&text, path),
        }
    }
}

/// Each value of a settings text by its key, as in `insights.no_tls_percent` or
/// `recipient.1.address`. `None` when the text is no TOML.
pub fn flat(text: &str) -> Option<std::collections::BTreeMap<String, String>> {
    let mut values = std::collections::BTreeMap::new();
    flatten("", &toml::Value::Table(text.parse().ok()?), &mut values);
    Some(values)
}

fn flatten(
    prefix: &str,
    value: &toml::Value,
    into: &mut std::collections::BTreeMap<String, String>,
) {
    let inner =
        |key: &str| if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
    match value {
        toml::Value::Table(table) => {
            table.iter().for_each(|(key, value)| flatten(&inner(key), value, into));
        }
        toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => {
            (1_usize..)
                .zip(items)
                .for_each(|(number, value)| flatten(&inner(&number.to_string()), value, into));
        }
        other => {
            into.insert(prefix.to_owned(), other.to_string());
        }
    }
}

/// The JSON Schema of the settings files, for editors.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Config).to_value()
}

/// Reads an IANA zone name.
///
/// # Errors
/// [`ConfigError::Zone`] when the database does not have it.
pub fn zone(name: &str) -> Result<Tz, ConfigError> {
    name.parse().map_err(|_| ConfigError::Zone { found: name.to_owned() })
}

/// Longest file of settings.
const MOST_BYTES: u64 = 1 << 20;

fn read_text(path: &Path) -> Result<String, ConfigError> {
    let mut text = String::new();
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(MOST_BYTES + 1).read_to_string(&mut text));
    // A longer one may be cut within a character, which is not what is wrong with it.
    let length = read.as_ref().map_or(0, |length| *length as u64);
    let cut = read.as_ref().is_err_and(|error| error.kind() == ErrorKind::InvalidData)
        && path.metadata().is_ok_and(|meta| meta.len() > MOST_BYTES);
    if length > MOST_BYTES || cut {
        return Err(ConfigError::TooLong { path: path.to_owned() });
    }
    read.map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    Ok(text)
}

fn parse<T: serde::de::DeserializeOwned>(text: &str, path: &Path) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| ConfigError::Shape {
        path: path.to_owned(),
        found: without_secret(error.to_string().trim_end()),
        suggestion: suggestion(error.message()),
    })
}

/// What the TOML reader says, which shows the line at fault: its value goes where the key may
/// name a secret that somebody wrote into the settings.
fn without_secret(said: &str) -> String {
    let secret = ["pass", "secret", "token", "credential"];
    let shown = |line: &str| {
        let lower = line.to_lowercase();
        match line.split_once('=') {
            Some((before, _)) if secret.iter().any(|word| lower.contains(word)) => {
                format!("{before}= …")
            }
            _ => line.to_owned(),
        }
    };
    said.lines().map(shown).collect::<Vec<_>>().join("\n")
}

/// The known key nearest to the unknown one in serde's message.
fn suggestion(message: &str) -> Option<String> {
    let (unknown, known) = message.split_once("unknown field `")?.1.split_once('`')?;
    nearest(unknown, known.split('`').skip(1).step_by(2))
}

/// The candidate most like `word`, where one is like enough to be meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(3) / 3)
        .min()
        .map(|(_, candidate)| candidate.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_known_one() {
        let path = Path::new("intransit.toml");
        let error = parse::<Config>("[insights]\nno_tls_procent = 3\n", path).unwrap_err();
        let ConfigError::Shape { found, suggestion, .. } = error else { panic!("{error}") };
        assert!(found.contains("line 2"), "{found}");
        assert_eq!(suggestion.as_deref(), Some("no_tls_percent"));
    }

    #[test]
    fn a_column_map_may_have_a_head() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("map.toml");
        for text in ["time = \"Zeit\"\n", "[columns]\ntime = \"Zeit\"\n"] {
            crate::store::write_atomic(&path, text.as_bytes()).unwrap();
            assert_eq!(ColumnMap::read(&path).unwrap().time.as_deref(), Some("Zeit"));
        }
    }
}
