//! What goes into a bag: the report, the circumstances of its making (`run.json`), settings,
//! inputs by name and hash or as copies, and mail of earlier runs as it was sent.
//!
//! `run.json` is of the moment (host, person, clock), and therefore no part of the report.

use std::path::PathBuf;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::evidence::Evidence;
use super::plan::Plan;
use super::prepare::Prepared;
use crate::archive::{self, File};
use crate::clock::Clock;
use crate::config::Inputs;
use crate::ingest::Reading;
use crate::ledger::{AttemptRow, Key, Ledger, LedgerError, Run, Trigger};
use crate::report::{Report, instant};
use crate::store::{self, Content};

/// Name of the circumstances in a bag.
pub const RECORD: &str = "run.json";
/// Name of what the report looks like in a bag; absent where that is the default.
pub const BRANDING: &str = "branding.json";
/// Name of the settings in a bag.
pub const SETTINGS: &str = "settings.toml";

/// The circumstances of a run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Record {
    schema_version: u32,
    /// Name of the schedule.
    pub schedule: String,
    /// Nominal local time.
    pub nominal: String,
    /// 1, or a later revision.
    pub revision: u32,
    /// Zone of the nominal time.
    pub zone: String,
    due_at: String,
    started_at: String,
    /// Where the machine's clock was not believed: what was given instead, and what it said.
    #[serde(default)]
    clock: Option<String>,
    late_seconds: i64,
    trigger: String,
    program: Program,
    machine: Machine,
    /// `hash` or `copy`.
    pub inputs_kept: String,
    keep: String,
    settings_sha256: String,
    /// Whether traces were to be waited for.
    pub expects_whole: bool,
    /// The formats of the report.
    pub formats: Vec<String>,
    /// Every file that was read.
    pub inputs: Vec<InputRecord>,
    /// The reports of recipients who see less of it or read another language.
    pub variants: Vec<VariantRecord>,
}

/// What made the run.
#[derive(Debug, Serialize, Deserialize)]
struct Program {
    name: String,
    version: String,
    tzdb: String,
    binary_sha256: Option<String>,
}

/// Where and as whom it ran.
#[derive(Debug, Serialize, Deserialize)]
struct Machine {
    host: String,
    system: String,
    person: String,
    process: u32,
}

/// A file that was read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InputRecord {
    /// Name as in the report.
    pub file: String,
    /// Name of its copy in the bag; null where there is none.
    pub copy: Option<String>,
    /// SHA-256 of the file as it lay on the disk.
    pub sha256: String,
    bytes: u64,
    rows: u64,
    first: Option<String>,
    last: Option<String>,
    /// When it had been modified.
    pub modified: Option<String>,
    /// Where it lay.
    pub path: PathBuf,
    /// Which `[[source]]` it belongs to, from 0.
    pub source: usize,
}

/// A report for some recipients.
#[derive(Debug, Serialize, Deserialize)]
pub struct VariantRecord {
    /// Name of its folder under `variants/`.
    pub folder: String,
    /// Language.
    pub language: String,
    /// Only these connectors.
    pub connectors: Vec<String>,
    /// Names of its files.
    pub files: Vec<String>,
    readers: Vec<String>,
}

/// What is known of a run beside its report.
#[derive(Debug)]
pub struct Circumstances<'a> {
    /// Which run.
    pub run: &'a Run,
    /// When it began.
    pub started: DateTime<Utc>,
    /// What told so.
    pub clock: Clock,
    /// Name of the organisation.
    pub organisation: &'a str,
    /// Settings as used.
    pub settings: &'a str,
    /// Whether traces were to be waited for.
    pub expects_whole: bool,
    /// How evidence is kept.
    pub evidence: &'a Evidence,
}

impl<'a> Circumstances<'a> {
    /// Those of a schedule's run.
    pub fn of(plan: &'a Plan, run: &'a Run, started: DateTime<Utc>, clock: Clock) -> Self {
        Self {
            run,
            started,
            clock,
            organisation: &plan.request.organisation,
            settings: &plan.settings,
            expects_whole: plan.request.expects_whole,
            evidence: &plan.evidence,
        }
    }
}

/// The bag of a run.
pub fn bag(
    seq: u64,
    circumstances: &Circumstances<'_>,
    prepared: &Prepared,
    readers: impl Fn(usize) -> Vec<String>,
    deliveries: Vec<File>,
) -> archive::Bag {
    let key = &circumstances.run.key;
    let mut files: Vec<File> =
        prepared.files.iter().map(|(name, bytes)| File::new(name, bytes.clone())).collect();
    let mut variants = Vec::new();
    for (index, variant) in prepared.variants.iter().enumerate() {
        for (name, bytes) in &variant.files {
            files.push(File::new(format!("variants/{}/{name}", variant.name), bytes.clone()));
        }
        variants.push(VariantRecord {
            folder: variant.name.clone(),
            language: variant.report.language.clone(),
            connectors: variant.report.only.clone(),
            files: variant.files.iter().map(|(name, _)| name.clone()).collect(),
            readers: readers(index),
        });
    }
    let keeps = circumstances.evidence.inputs == Inputs::Copy;
    let inputs = prepared
        .reading
        .as_ref()
        .map(|reading| inputs(reading, &prepared.report, keeps, &mut files))
        .unwrap_or_default();
    let formats = prepared.files.iter().map(|(name, _)| name.clone()).collect();
    let record = record(circumstances, inputs, variants, formats);
    files.push(File::new(RECORD, pretty(&record)));
    files.push(File::new(SETTINGS, circumstances.settings.as_bytes().to_vec()));
    files.extend(prepared.branding.record().map(|record| File::new(BRANDING, record)));
    files.extend(deliveries);
    archive::Bag {
        name: archive::bag_name(seq, &key.schedule, &key.nominal, key.revision),
        run: key.to_string(),
        info: info(circumstances.organisation, key, circumstances.started, circumstances.clock),
        files,
    }
}

fn info(
    organisation: &str,
    key: &Key,
    started: DateTime<Utc>,
    clock: Clock,
) -> Vec<(&'static str, String)> {
    let mut info = vec![
        ("Source-Organization", organisation.to_owned()),
        ("External-Identifier", key.to_string()),
        ("Bagging-Date", started.date_naive().to_string()),
        ("Bag-Software-Agent", format!("intransit {}", env!("CARGO_PKG_VERSION"))),
    ];
    info.extend(clock.set_by_hand().map(|said| ("Intransit-Clock", said)));
    info
}

/// The inputs, and where they are kept their copies, numbered in the order of the list, since
/// files of different folders may have one name. An archive is copied once for its members.
fn inputs(
    reading: &Reading,
    report: &Report,
    keeps: bool,
    files: &mut Vec<File>,
) -> Vec<InputRecord> {
    let mut inputs: Vec<InputRecord> = Vec::new();
    for file in reading.files.iter().filter(|file| file.usable) {
        let held = inputs.iter().find(|held| held.path == file.path);
        let copy = held.and_then(|held| held.copy.clone()).or_else(|| {
            (keeps && file.name != "-").then(|| {
                let name = copy_name(inputs.len() + 1, &file.path);
                let from = file.path.clone();
                let sha256 = file.sha256.clone();
                files.push(match &file.asked {
                    Some(asked) => File::new(name.clone(), asked.answer.clone()),
                    None => File {
                        name: name.clone(),
                        content: Content::Copy { from, sha256: sha256.clone() },
                        sha256,
                        bytes: file.bytes,
                    },
                });
                name
            })
        });
        let source = report.sources.iter().find(|source| source.file == file.name);
        inputs.push(InputRecord {
            file: file.name.clone(),
            copy,
            sha256: file.sha256.clone(),
            bytes: file.bytes,
            rows: file.rows,
            first: source.and_then(|source| source.first.clone()),
            last: source.and_then(|source| source.last.clone()),
            modified: file.modified.map(|time| {
                DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Nanos, true)
            }),
            path: file.path.clone(),
            source: file.source,
        });
    }
    inputs
}

fn copy_name(number: usize, path: &std::path::Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: String = name.chars().map(plain).collect();
    format!("inputs/{number:04}-{name}")
}

fn record(
    circumstances: &Circumstances<'_>,
    inputs: Vec<InputRecord>,
    variants: Vec<VariantRecord>,
    formats: Vec<String>,
) -> Record {
    let (run, evidence) = (circumstances.run, circumstances.evidence);
    let system = rustix::system::uname();
    let word = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    Record {
        schema_version: 1,
        schedule: run.key.schedule.clone(),
        nominal: run.key.nominal.clone(),
        revision: run.key.revision,
        zone: run.zone.clone(),
        due_at: instant(run.due_at),
        started_at: instant(circumstances.started),
        clock: circumstances.clock.set_by_hand(),
        late_seconds: (circumstances.started - run.due_at).num_seconds().max(0),
        trigger: match run.trigger {
            Trigger::Schedule => "schedule".to_owned(),
            Trigger::Manual => "manual".to_owned(),
        },
        program: Program {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            tzdb: chrono_tz::IANA_TZDB_VERSION.to_owned(),
            binary_sha256: binary_sha256(),
        },
        machine: Machine {
            host: word(system.nodename()),
            system: format!("{} {}", word(system.sysname()), word(system.release())),
            person: person(),
            process: std::process::id(),
        },
        inputs_kept: match evidence.inputs {
            Inputs::Hash => "hash".to_owned(),
            Inputs::Copy => "copy".to_owned(),
        },
        keep: evidence.keep.text().to_owned(),
        settings_sha256: store::sha256(circumstances.settings.as_bytes()),
        expects_whole: circumstances.expects_whole,
        formats,
        inputs,
        variants,
    }
}

/// As whom the process runs.
pub fn person() -> String {
    // One line that a tombstone can hold.
    let plain = |name: String| {
        let name: String = name.chars().filter(|letter| !letter.is_control()).take(64).collect();
        (!name.trim().is_empty()).then_some(name)
    };
    let named = ["LOGNAME", "USER"].iter().find_map(|name| plain(std::env::var(name).ok()?));
    named.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

/// SHA-256 of the program itself, reckoned once.
fn binary_sha256() -> Option<String> {
    static SHA256: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    let read = || store::sha256_file(&std::env::current_exe().ok()?).ok();
    SHA256.get_or_init(read).clone()
}

/// What became of a message, for the evidence.
#[derive(Debug, Serialize)]
struct Delivery {
    run: String,
    purpose: &'static str,
    recipient: String,
    message_id: String,
    state: &'static str,
    file: String,
    attempts: Vec<AttemptRow>,
}

/// Messages that have come to an end since the bag before, as they were sent, with their
/// receipts; and their Message-IDs.
///
/// # Errors
/// [`LedgerError`] when the ledger fails.
pub fn deliveries(ledger: &Ledger) -> Result<(Vec<File>, Vec<String>), LedgerError> {
    let (mut files, mut ids, mut list) = (Vec::new(), Vec::new(), Vec::new());
    for message in ledger.unfiled()? {
        let file = format!("deliveries/{}.eml", message.message_id);
        files.push(File::new(file.clone(), ledger.bytes(&message.message_id)?));
        list.push(Delivery {
            run: message.key.to_string(),
            purpose: message.purpose.name(),
            recipient: message.recipient,
            state: message.state.name(),
            attempts: ledger.attempts(&message.message_id)?,
            message_id: format!("<{}>", message.message_id),
            file,
        });
        ids.push(message.message_id);
    }
    if !list.is_empty() {
        files.push(File::new("deliveries/deliveries.json", pretty(&list)));
    }
    Ok((files, ids))
}

/// The bag of a run without a report: what is still to be filed, and what else is given.
pub fn closing_bag(
    seq: u64,
    key: &Key,
    organisation: &str,
    clock: Clock,
    files: Vec<File>,
) -> archive::Bag {
    archive::Bag {
        name: archive::bag_name(seq, &key.schedule, &key.nominal, key.revision),
        run: key.to_string(),
        info: info(organisation, key, clock.now(), clock),
        files,
    }
}

fn pretty<T: Serialize>(value: &T) -> Vec<u8> {
    crate::render::json::pretty(value)
}
