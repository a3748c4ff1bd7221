//! `run.json`: the circumstances of a run, for the evidence. Of the moment, and therefore in
//! no report file.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::plan::Plan;
use super::prepare::Prepared;
use crate::archive;
use crate::config::Inputs;
use crate::ledger::{Run, Trigger};
use crate::report::instant;
use crate::store::{self, Content};

#[derive(Debug, Serialize)]
struct Record<'a> {
    schema_version: u32,
    schedule: &'a str,
    nominal: &'a str,
    revision: u32,
    zone: &'a str,
    due_at: String,
    started_at: String,
    late_seconds: i64,
    trigger: &'static str,
    program: Program,
    host: String,
    person: String,
    inputs: &'static str,
    keep: &'a str,
    settings_sha256: String,
    variants: Vec<VariantRecord<'a>>,
}

#[derive(Debug, Serialize)]
struct Program {
    name: &'static str,
    version: &'static str,
    tzdb: &'static str,
}

#[derive(Debug, Serialize)]
struct VariantRecord<'a> {
    folder: &'a str,
    readers: Vec<&'a str>,
}

/// The bag of a run: its report, its circumstances, its settings, and its inputs by name and
/// hash (they stand in `report.json`) or as copies.
pub fn bag(
    plan: &Plan,
    run: &Run,
    prepared: &Prepared,
    seq: u64,
    started: DateTime<Utc>,
) -> archive::Bag {
    let key = &run.key;
    let mut files: Vec<archive::File> = prepared
        .files
        .iter()
        .map(|(name, bytes)| archive::File::new(name, bytes.clone()))
        .collect();
    for variant in &prepared.variants {
        for (name, bytes) in &variant.files {
            let name = format!("variants/{}/{name}", variant.name);
            files.push(archive::File::new(name, bytes.clone()));
        }
    }
    files.push(archive::File::new("run.json", record(plan, run, prepared, started)));
    files.push(archive::File::new("settings.toml", plan.settings.clone().into_bytes()));
    if plan.inputs == Inputs::Copy {
        files.extend(copies(plan, prepared));
    }
    archive::Bag {
        seq,
        name: archive::bag_name(seq, &key.schedule, &key.nominal, key.revision),
        info: vec![
            ("Source-Organization", plan.request.organisation.clone()),
            ("External-Identifier", key.to_string()),
            ("Bagging-Date", started.date_naive().to_string()),
            ("Bag-Software-Agent", format!("intransit {}", env!("CARGO_PKG_VERSION"))),
        ],
        files,
    }
}

/// Copies of the trace files, numbered in the order of the report's list, since files of
/// different folders may have one name. Members of an archive are copied with it, once.
fn copies(plan: &Plan, prepared: &Prepared) -> Vec<archive::File> {
    let mut copies: Vec<archive::File> = Vec::new();
    for (index, source) in prepared.outcome.report.sources.iter().enumerate() {
        let shown = plan.root.join(&source.file);
        let Some(path) = shown.ancestors().find(|path| path.is_file()) else { continue };
        if copies.iter().any(|file| file.sha256 == source.sha256) {
            continue;
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let name: String = name
            .iter()
            .flat_map(|name| name.chars())
            .map(|c| if plain(c) { c } else { '_' })
            .collect();
        copies.push(archive::File {
            name: format!("inputs/{:04}-{name}", index + 1),
            content: Content::Copy { from: path.to_owned(), sha256: source.sha256.clone() },
            sha256: source.sha256.clone(),
            bytes: source.bytes,
        });
    }
    copies
}

fn record(plan: &Plan, run: &Run, prepared: &Prepared, started: DateTime<Utc>) -> Vec<u8> {
    let variants = prepared.variants.iter().map(|variant| VariantRecord {
        folder: &variant.name,
        readers: plan
            .recipients
            .iter()
            .filter(|reader| variant.is_for(reader))
            .map(|reader| reader.address.as_str())
            .collect(),
    });
    let record = Record {
        schema_version: 1,
        schedule: &run.key.schedule,
        nominal: &run.key.nominal,
        revision: run.key.revision,
        zone: plan.zone.name(),
        due_at: instant(run.due_at),
        started_at: instant(started),
        late_seconds: (started - run.due_at).num_seconds().max(0),
        trigger: match run.trigger {
            Trigger::Schedule => "schedule",
            Trigger::Manual => "manual",
        },
        program: Program {
            name: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
            tzdb: chrono_tz::IANA_TZDB_VERSION,
        },
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        person: ["LOGNAME", "USER"]
            .iter()
            .find_map(|name| std::env::var(name).ok())
            .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw())),
        inputs: match plan.inputs {
            Inputs::Hash => "hash",
            Inputs::Copy => "copy",
        },
        keep: plan.keep.text(),
        settings_sha256: store::sha256(plan.settings.as_bytes()),
        variants: variants.collect(),
    };
    let mut text = serde_json::to_vec_pretty(&record).unwrap_or_default();
    text.push(b'\n');
    text
}
