//! Why a reading could not go on, and what to do about it.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use polars::prelude::PolarsError;

use crate::ingest::blocks::MAX_LINE;
use crate::ingest::open::{MOST_TIMES, UNPACKED_ANYWAY};
use crate::ingest::tls_rpt::TlsRptError;
use crate::ingest::zipped::ZipFault;
use crate::ingest::{columns, job, spool};

/// Why a whole reading could not go on.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are named in the messages")]
pub enum IngestError {
    /// A source matches no file.
    #[error("`{source_name}` matches no file")]
    Absent { source_name: String },
    /// A source is no valid pattern.
    #[error("`{source_name}` is not a valid pattern")]
    Pattern { source_name: String, source: glob::PatternError },
    /// A file could not be read.
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// There is no room for copies of what can be read only once.
    #[error("cannot write to the temporary folder `{}`", path.display())]
    Spool { path: PathBuf, source: std::io::Error },
    /// A stream goes on and on.
    #[error("`{file}` does not end: more than {} GiB came", spool::MOST_BYTES >> 30)]
    Endless { file: String },
    /// A device is no file.
    #[error("`{}` is a device, not a file", path.display())]
    Device { path: PathBuf },
    /// There are more files than can be told apart.
    #[error("the sources hold more than {most} files")]
    TooManyFiles { most: usize },
    /// There are more names than are held.
    #[error(
        "the sources hold more than {most} names of connectors, remote domains and ciphers, or longer ones than are held"
    )]
    TooManyNames { most: usize },
    /// There are more day totals than are held.
    #[error("the sources hold more than {} day totals", job::MOST_TOTALS)]
    TooManyTotals,
    /// A file holds nothing.
    #[error("`{file}` is empty")]
    Empty { file: String },
    /// A compressed file is damaged or cut off.
    #[error("`{file}` is damaged or cut off")]
    Corrupt { file: String, source: std::io::Error },
    /// A compressed file unpacks to more than any trace of its length.
    #[error(
        "`{file}` unpacks to more than {} MiB and more than {} times its own length of {packed} bytes",
        UNPACKED_ANYWAY >> 20, MOST_TIMES
    )]
    Unpacked { file: String, packed: u64 },
    /// A ZIP archive is refused.
    #[error("`{file}` is refused")]
    Zip { file: String, source: ZipFault },
    /// A Parquet file is damaged.
    #[error("`{file}` is not readable as Parquet")]
    Parquet { file: String, source: Arc<PolarsError> },
    /// A JSON document is damaged.
    #[error("`{file}` is not readable as JSON")]
    Json { file: String, source: serde_json::Error },
    /// The columns are those of no known kind.
    #[error("`{file}` is no mail trace: found {}", found_columns(found))]
    NotATrace { file: String, found: Vec<String> },
    /// A header has more columns than any trace.
    #[error("`{file}` is no mail trace: it has more than {} columns", columns::MOST)]
    TooManyColumns { file: String },
    /// The first line is longer than any header.
    #[error("`{file}` is no mail trace: its first line is longer than {} MiB", MAX_LINE >> 20)]
    LongHeader { file: String },
    /// A column that the kind or the user's map needs is absent.
    #[error("`{file}` has no column `{column}`: found {}", found_columns(found))]
    MissingColumn { file: String, column: String, found: Vec<String> },
    /// Nothing says which way the messages went.
    #[error("`{file}` does not say which way messages went: found {}", found_columns(found))]
    NoDirection { file: String, found: Vec<String> },
    /// Day and month could be either way round.
    #[error(
        "`{file}` line {line}: `{found}` could be day/month or month/day, and no date in the file tells"
    )]
    DayOrder { file: String, line: u64, found: String },
    /// A label of the connector report is not known.
    #[error(
        "`{file}` line {line}: `{found}` does not say its direction (expected a label such as \"From partner - NAME\", or a Direction column)"
    )]
    Label { file: String, line: u64, found: String },
    /// A TLS report of another organisation cannot be read.
    #[error("`{file}` cannot be used")]
    TlsReport { file: String, source: TlsRptError },
    /// Stamps have no year, and nothing tells it.
    #[error("the lines of `{file}` have no year")]
    NoYear { file: String },
    /// A table cannot be read in the place where it is.
    #[error("`{file}` cannot be counted where it is: {why}")]
    Unfit { file: String, why: String },
    /// polars refused a frame.
    #[error("a canonical frame could not be made")]
    Frame(#[source] PolarsError),
}

/// At most twelve header names, shortened.
fn found_columns(found: &[String]) -> String {
    const SHOWN: usize = 12;
    if found.is_empty() {
        return "no columns".to_owned();
    }
    let clean = |name: &String| {
        let short: String =
            name.chars().take(40).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        format!("`{short}`")
    };
    let mut text = found.iter().take(SHOWN).map(clean).collect::<Vec<_>>().join(", ");
    if found.len() > SHOWN {
        text.push_str(&format!(" and {} more", found.len() - SHOWN));
    }
    text
}

impl IngestError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Absent { .. } => Some("name a file, a folder, a glob in quotes, or `-`"),
            Self::NotATrace { .. } => Some(
                "expected the header of a Connector report (Date, Connector direction and name, No TLS, …, Volume), \
                 a connector report detail (date_time_utc, direction, connector_name, tls_version), \
                 or a message trace (summary or extended); for other tables give --columns MAP.toml",
            ),
            Self::MissingColumn { .. } => {
                Some("give the column's real name with --columns MAP.toml, or another --kind")
            }
            Self::DayOrder { .. } => Some("give --day-first or --month-first"),
            Self::NoYear { .. } => Some("give the year of its first line with --year"),
            Self::NoDirection { .. } | Self::Label { .. } => {
                Some("give --direction inbound or --direction outbound")
            }
            Self::Endless { .. } => Some("write it into a file, and give that"),
            Self::Device { .. } => Some("give `-` for standard input, or a file"),
            Self::TooManyNames { .. } => Some(
                "give it more memory (--memory, `memory` in intransit.toml), or see with \
                 `intransit inspect` which is no trace of yours",
            ),
            Self::TooManyTotals => {
                Some("give fewer files, or see with `intransit inspect` which is no trace of yours")
            }
            Self::TooManyFiles { .. } => {
                Some("name fewer, such as those of the period, or join several in one archive")
            }
            Self::Unpacked { .. } => Some(
                "if it is what was exported, unpack it and give the unpacked file; \
                 --skip-bad-files leaves it out",
            ),
            Self::Zip { .. } => {
                Some("unpack it and give the folder, or leave it out with --skip-bad-files")
            }
            Self::Corrupt { .. } | Self::Parquet { .. } | Self::Json { .. } => {
                Some("export the file again, or leave it out with --skip-bad-files")
            }
            _ => None,
        }
    }

    /// Says whether the machine failed, not the file: the disk, memory, open files. That may
    /// pass by itself, while a file that is not there or may not be read waits for a person.
    pub fn is_machine(&self) -> bool {
        let failed = |error: &std::io::Error| {
            let waits = matches!(
                error.kind(),
                ErrorKind::NotFound
                    | ErrorKind::PermissionDenied
                    | ErrorKind::IsADirectory
                    | ErrorKind::NotADirectory
                    | ErrorKind::InvalidFilename
            );
            error.raw_os_error().is_some() && !waits
        };
        match self {
            Self::Spool { .. } => true,
            Self::Read { source, .. } | Self::Corrupt { source, .. } => failed(source),
            Self::Json { source, .. } => source.is_io(),
            Self::Parquet { source, .. } => match &**source {
                PolarsError::IO { error, .. } => failed(error),
                _ => false,
            },
            _ => false,
        }
    }

    /// A file that is no trace at all may lie in a folder of traces.
    pub(super) fn is_no_trace(&self) -> bool {
        matches!(
            self,
            Self::NotATrace { .. }
                | Self::TooManyColumns { .. }
                | Self::LongHeader { .. }
                | Self::Empty { .. }
        )
    }
}
