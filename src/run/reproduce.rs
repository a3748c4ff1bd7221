//! A filed report made again from its inputs, and compared byte for byte.
//!
//! It looks as it did then: logo, colour and templates are those in the bag. The inputs are the copies in the bag; where only names and hashes were kept, the files at
//! their old place, if they still have the same SHA-256.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use chrono::DateTime;

use super::filing::{BRANDING, InputRecord, RECORD, Record, SETTINGS};
use super::lake::LakeSource;
use super::{Request, RunError, files, report, settings};
use crate::config::{Config, ConfigError};
use crate::ingest::{self, Archived, Source};
use crate::render::Format;
use crate::render::branding::Branding;
use crate::report::{Report, limited};
use crate::store;

/// Why a report cannot be made again.
#[derive(Debug, thiserror::Error)]
pub enum ReproduceError {
    /// A file of the bag cannot be read, or is not what it should be.
    #[error("`{}` cannot be used: {why}", path.display())]
    Bag {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The bag holds no report.
    #[error("`{bag}` holds no report")]
    NoReport {
        /// Name of the bag.
        bag: String,
    },
    /// Only the hash of an input was kept, and the file is no longer that one.
    #[error("`{file}`: only its SHA-256 was kept, and it {why}")]
    Input {
        /// Name of the input.
        file: String,
        /// `is gone` or `has changed`.
        why: &'static str,
    },
    /// The settings in the bag cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The report cannot be made.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// What a comparison came to.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Comparison {
    /// Name of the bag.
    pub bag: String,
    /// Files that are the same, byte for byte.
    pub same: Vec<String>,
    /// Files that differ: name, and where first.
    pub different: Vec<Difference>,
    /// Version that made the report, and version that made it again, where they differ.
    pub versions: Option<(String, String)>,
}

/// A file that differs.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Difference {
    /// Name of the file.
    pub file: String,
    /// What differs, as well as it can be said.
    pub what: String,
}

/// Makes the report of a bag again and compares every file of it.
///
/// # Errors
/// [`ReproduceError`] when that cannot be done; a difference is no error.
pub fn reproduce(bag: &Path) -> Result<Comparison, ReproduceError> {
    let data = bag.join("data");
    let name = bag.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !data.join("report.json").exists() {
        return Err(ReproduceError::NoReport { bag: name });
    }
    let record: Record = json(&data.join(RECORD))?;
    let filed: Report = json(&data.join("report.json"))?;
    let text = read(&data.join(SETTINGS))?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let config = Config::parse(&text, &data.join(SETTINGS))?;
    let mut made = report(&request(&data, &record, &filed, &config)?)?.report;
    // Files that were passed over are named in the report, not kept.
    made.skipped.clone_from(&filed.skipped);
    let branding = branding(&data.join(BRANDING))?;
    let mut comparison = Comparison {
        bag: name,
        same: Vec::new(),
        different: Vec::new(),
        versions: versions(&filed, &made),
    };
    let mut compare = |folder: &str, report: &Report, names: &[String]| {
        compare(&mut comparison, &data, folder, (report, &branding), names)
    };
    compare("", &made, &record.formats)?;
    for variant in &record.variants {
        let mut report = limited(&made, &variant.connectors);
        report.language.clone_from(&variant.language);
        let folder = format!("variants/{}/", variant.folder);
        compare(&folder, &report, &variant.files)?;
    }
    Ok(comparison)
}

fn versions(filed: &Report, made: &Report) -> Option<(String, String)> {
    let words = |report: &Report| {
        let generator = &report.generator;
        format!("{} {}, tzdb {}", generator.name, generator.version, generator.tzdb)
    };
    let (filed, made) = (words(filed), words(made));
    (filed != made).then_some((filed, made))
}

/// What the report was made of, with its inputs where they are now.
fn request(
    data: &Path,
    record: &Record,
    filed: &Report,
    config: &Config,
) -> Result<Request, ReproduceError> {
    let file = data.join(SETTINGS);
    let mut sources: Vec<Source> = Vec::new();
    let lake = lake(data, record, config)?;
    for input in record.inputs.iter().filter(|_| lake.is_none()) {
        let source = source(data, input, config, &file)?;
        if sources.iter().all(|held| held.path != source.path) {
            sources.push(source);
        }
    }
    let zone = settings::zone(&filed.timezone, "timezone", &file)?;
    let ranged = filed.periods.iter().find(|period| period.id == "range");
    let standing = filed.periods.iter().filter(|period| period.id != "range");
    let periods = standing.map(|period| period.id.parse()).collect::<Result<Vec<_>, _>>();
    Ok(Request {
        sources,
        lake,
        skip_bad_files: true,
        zone,
        periods: periods.map_err(|error: crate::period::PeriodError| ReproduceError::Bag {
            path: data.join("report.json"),
            why: error.to_string(),
        })?,
        range: ranged.map(|period| (period.from, period.to)),
        as_of: Some(filed.as_of),
        organisation: filed.organisation.clone(),
        language: filed.language.clone(),
        only: filed.only.clone(),
        named: settings::named(config),
        unit: settings::unit(config, &file)?,
        insights: config.insights.clone(),
        connectors: config.connector.clone(),
        run: filed.run.clone(),
        archive: filed.archive.clone(),
        expects_whole: record.expects_whole,
        // A report is reproduced from its inputs, not from what they once were counted to.
        cache: None,
        memory: config.memory.unwrap_or_default(),
    })
}

/// The answer of an engine, where the report was made of one. What the engine would answer
/// today is another matter.
fn lake(
    data: &Path,
    record: &Record,
    config: &Config,
) -> Result<Option<LakeSource>, ReproduceError> {
    let asked = |input: &&InputRecord| {
        config.source.get(input.source).is_some_and(|source| source.engine.is_some())
    };
    let Some(input) = record.inputs.iter().find(asked) else { return Ok(None) };
    let Some(copy) = &input.copy else {
        let file = input.file.clone();
        return Err(ReproduceError::Input { file, why: "is a table, which may have changed" });
    };
    let path = data.join(copy);
    let answer = read(&path)?;
    if store::sha256(&answer) != input.sha256 {
        return Err(ReproduceError::Bag { path, why: "it has changed".to_owned() });
    }
    Ok(Some(LakeSource::Filed(answer)))
}

/// The copy of an input, or the file at its old place.
fn source(
    data: &Path,
    input: &InputRecord,
    config: &Config,
    file: &Path,
) -> Result<Source, ReproduceError> {
    let path = match &input.copy {
        Some(copy) => data.join(copy),
        None => input.path.clone(),
    };
    match store::sha256_file(&path) {
        Ok(sha256) if sha256 == input.sha256 => {}
        Ok(_) if input.copy.is_some() => {
            return Err(ReproduceError::Bag { path, why: "it has changed".to_owned() });
        }
        Ok(_) => {
            return Err(ReproduceError::Input { file: input.file.clone(), why: "has changed" });
        }
        Err(_) => return Err(ReproduceError::Input { file: input.file.clone(), why: "is gone" }),
    }
    let connectors = settings::connectors(config, file)?;
    let given = ingest::Settings { connectors, ..ingest::Settings::default() };
    let settings = match config.source.get(input.source) {
        Some(source) => settings::source(source, Path::new(""), file, &given)?.settings,
        None => given,
    };
    let modified = input.modified.as_deref();
    let modified = modified.and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    // A member of an archive is read through the archive: its name is the archive's and more.
    let name = input.path.file_name().map(|name| name.to_string_lossy().into_owned());
    let whole = name.as_ref().and_then(|name| {
        let at = input.file.rfind(name.as_str())?;
        input.file.get(..at + name.len()).map(str::to_owned)
    });
    Ok(Source {
        path: path.to_string_lossy().into_owned(),
        root: PathBuf::new(),
        archived: Some(Archived {
            name: whole.unwrap_or_else(|| input.file.clone()),
            modified: modified.map(SystemTime::from),
        }),
        settings,
    })
}

fn compare(
    comparison: &mut Comparison,
    data: &Path,
    folder: &str,
    (report, branding): (&Report, &Branding),
    names: &[String],
) -> Result<(), ReproduceError> {
    let formats: Vec<Format> = Format::ALL
        .into_iter()
        .filter(|format| format.files().iter().any(|file| names.iter().any(|name| name == file)))
        .collect();
    for (name, bytes) in files(report, &formats, branding)? {
        if !names.contains(&name) {
            continue;
        }
        let filed = read(&data.join(folder).join(&name))?;
        let file = format!("{folder}{name}");
        if filed == bytes {
            comparison.same.push(file);
        } else {
            comparison.different.push(Difference { file, what: first_difference(&filed, &bytes) });
        }
    }
    Ok(())
}

/// Where two files differ first: the line where they are text, else the byte.
fn first_difference(filed: &[u8], made: &[u8]) -> String {
    let at = filed.iter().zip(made).position(|(a, b)| a != b);
    let at = at.unwrap_or_else(|| filed.len().min(made.len()));
    let line = |bytes: &[u8]| {
        let text = String::from_utf8(bytes.to_vec()).ok()?;
        let number = bytes.get(..at)?.split(|byte| *byte == b'\n').count() - 1;
        let line: String = text.lines().nth(number).unwrap_or("").trim().chars().take(80).collect();
        Some((number + 1, line))
    };
    match (line(filed), line(made)) {
        (Some((number, was)), Some((_, is))) => {
            format!("line {number}: filed `{was}`, made `{is}`")
        }
        _ => format!("byte {at} of {} filed, {} made", filed.len(), made.len()),
    }
}

fn branding(path: &Path) -> Result<Branding, ReproduceError> {
    if !path.exists() {
        return Ok(Branding::default());
    }
    Branding::from_record(&read(path)?)
        .map_err(|error| ReproduceError::Bag { path: path.to_owned(), why: super::chain(&error) })
}

fn read(path: &Path) -> Result<Vec<u8>, ReproduceError> {
    std::fs::read(path)
        .map_err(|error| ReproduceError::Bag { path: path.to_owned(), why: error.to_string() })
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, ReproduceError> {
    serde_json::from_slice(&read(path)?)
        .map_err(|error| ReproduceError::Bag { path: path.to_owned(), why: error.to_string() })
}
