//! One run made ready: the report frozen, every file rendered and checked, every letter
//! written. Nothing is stored and nothing is sent here.

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, Utc};

use super::filing::{BRANDING, RECORD, Record};
use super::plan::{Addressee, Plan};
use super::{RunError, files, report};
use crate::clock::limit;
use crate::deliver::message::{self, Letter};
use crate::ingest::Reading;
use crate::ledger::{Key, NewMessage, Purpose};
use crate::render::branding::Branding;
use crate::render::{self, Format, mail};
use crate::report::{ArchiveReport, Report, RunReport, broken_law, limited};
use crate::store;

/// Rendered files: name and content.
type Files = Vec<(String, Vec<u8>)>;

/// A run whose report is frozen.
#[derive(Debug)]
pub struct Prepared {
    /// The report.
    pub report: Report,
    /// What was read; none where the report was taken from its bag.
    pub reading: Option<Reading>,
    /// Its files.
    pub files: Files,
    /// The reports of recipients who see less of it or read another language.
    pub variants: Vec<Variant>,
    /// How all of them look.
    pub branding: Arc<Branding>,
}

/// The same figures for some recipients.
#[derive(Debug)]
pub struct Variant {
    /// Name of its folder in the evidence.
    pub name: String,
    language: String,
    connectors: Vec<String>,
    /// The report.
    pub report: Report,
    /// Its files, in all formats that one of its readers gets.
    pub files: Files,
}

/// Makes the report of an occurrence. Its periods end on the nominal local date, whatever
/// the clock says.
///
/// # Errors
/// [`RunError`] when there is nothing to report on, or a file does not hold what it must.
pub fn prepare(
    plan: &Plan,
    key: &Key,
    nominal: NaiveDateTime,
    archive: Option<ArchiveReport>,
) -> Result<Prepared, RunError> {
    store::may_end(&plan.name);
    let mut request = plan.request.clone();
    request.as_of = Some(nominal.date());
    request.run = Some(RunReport {
        schedule: key.schedule.clone(),
        nominal: key.nominal.clone(),
        revision: key.revision,
    });
    request.archive = archive;
    let outcome = report(&request)?;
    for note in &outcome.notes {
        tracing::warn!("{note}");
    }
    let branding = Arc::clone(&plan.branding);
    let files = checked(&outcome.report, &with_figures(&plan.formats), &branding)?;
    let mut variants: Vec<Variant> = Vec::new();
    for reader in &plan.recipients {
        if !is_main(reader, &outcome.report) {
            add_variant(&mut variants, reader, &outcome.report)?;
        }
    }
    for variant in &mut variants {
        let readers = plan.recipients.iter().filter(|reader| variant.is_for(reader));
        let mut formats: Vec<Format> = vec![Format::Json];
        for format in readers.flat_map(|reader| &reader.attach) {
            if !formats.contains(format) {
                formats.push(*format);
            }
        }
        variant.files = checked(&variant.report, &formats, &branding)?;
    }
    let (report, reading) = (outcome.report, Some(outcome.reading));
    Ok(Prepared { report, reading, files, variants, branding })
}

/// Figures that can be recomputed belong to the evidence of every run.
pub fn with_figures(formats: &[Format]) -> Vec<Format> {
    let mut formats = formats.to_vec();
    for format in [Format::Csv, Format::Json] {
        if !formats.contains(&format) {
            formats.push(format);
        }
    }
    formats
}

impl Prepared {
    /// A run as its bag holds it: for one that was sealed, but not written down before its
    /// process ended. `None` where the bag cannot be read.
    pub fn from_bag(bag: &Path) -> Option<Self> {
        let data = bag.join("data");
        let record: Record =
            serde_json::from_slice(&std::fs::read(data.join(RECORD)).ok()?).ok()?;
        let files = read_files(&data, &record.formats)?;
        let variant = |variant: &super::filing::VariantRecord| {
            let folder = data.join("variants").join(&variant.folder);
            Some(Variant {
                name: variant.folder.clone(),
                language: variant.language.clone(),
                connectors: variant.connectors.clone(),
                report: read_report(&folder)?,
                files: read_files(&folder, &variant.files)?,
            })
        };
        let variants = record.variants.iter().map(variant).collect::<Option<_>>()?;
        let branding = Arc::new(read_branding(&data)?);
        Some(Self { report: read_report(&data)?, reading: None, files, variants, branding })
    }
}

impl Prepared {
    /// The addresses that get this variant.
    pub fn readers(&self, plan: &Plan, variant: usize) -> Vec<String> {
        let variant = self.variants.get(variant);
        plan.recipients
            .iter()
            .filter(|reader| variant.is_some_and(|variant| variant.is_for(reader)))
            .map(|reader| reader.address.clone())
            .collect()
    }
}

fn read_report(folder: &Path) -> Option<Report> {
    serde_json::from_slice(&std::fs::read(folder.join("report.json")).ok()?).ok()
}

/// As it was filed; the default where nothing was.
fn read_branding(folder: &Path) -> Option<Branding> {
    let path = folder.join(BRANDING);
    if !path.exists() {
        return Some(Branding::default());
    }
    Branding::from_record(&std::fs::read(path).ok()?).ok()
}

fn read_files(folder: &Path, names: &[String]) -> Option<Files> {
    let read = |name: &String| Some((name.clone(), std::fs::read(folder.join(name)).ok()?));
    names.iter().map(read).collect()
}

/// Renders the files of a report and reads each of them again.
///
/// # Errors
/// [`RunError`] when one cannot be rendered, or does not hold what it must.
pub fn checked(
    report: &Report,
    formats: &[Format],
    branding: &Branding,
) -> Result<Files, RunError> {
    let files = files(report, formats, branding)?;
    match render::check::check(report, &files) {
        Ok(()) => Ok(files),
        Err(unreadable) => Err(branding
            .blamed(&unreadable)
            .map_or_else(|| RunError::Unreadable(unreadable), RunError::Render)),
    }
}

fn is_main(reader: &Addressee, report: &Report) -> bool {
    reader.connectors.is_empty() && reader.language == report.language
}

fn add_variant(
    variants: &mut Vec<Variant>,
    reader: &Addressee,
    report: &Report,
) -> Result<(), RunError> {
    if variants.iter().any(|variant| variant.is_for(reader)) {
        return Ok(());
    }
    let mut report = limited(report, &reader.connectors);
    report.language.clone_from(&reader.language);
    if let Some(law) = broken_law(&report) {
        return Err(RunError::DoesNotAddUp(law));
    }
    variants.push(Variant {
        name: format!("{:02}-{}", variants.len() + 1, reader.language),
        language: reader.language.clone(),
        connectors: reader.connectors.clone(),
        report,
        files: Vec::new(),
    });
    Ok(())
}

impl Variant {
    fn is_for(&self, reader: &Addressee) -> bool {
        self.language == reader.language && self.connectors == reader.connectors
    }
}

/// What a letter says beside the report.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// When the run was due.
    pub due_at: Option<DateTime<Utc>>,
    /// What became of earlier reports.
    pub earlier: Vec<mail::Earlier>,
    /// Where the report is filed.
    pub filed: Option<mail::Filed>,
}

/// The letters of a run, one per recipient.
///
/// # Errors
/// [`RunError`] when a body cannot be rendered or a letter cannot be built.
pub fn letters(
    plan: &Plan,
    key: &Key,
    prepared: &Prepared,
    beside: &Beside,
    now: DateTime<Utc>,
) -> Result<Vec<NewMessage>, RunError> {
    plan.recipients.iter().map(|reader| letter(plan, key, prepared, beside, now, reader)).collect()
}

/// Writes the letters of a run that is not filed yet and keeps none: what is wrong with them is
/// found before anything is kept. Unlike those of a filed run they have to be written in time.
///
/// # Errors
/// As [`letters`], and [`RunError::Passed`].
pub fn rehearse(
    plan: &Plan,
    key: &Key,
    prepared: &Prepared,
    beside: &Beside,
    now: DateTime<Utc>,
) -> Result<(), RunError> {
    for reader in &plan.recipients {
        if limit::passed("letters") {
            return Err(RunError::Passed);
        }
        letter(plan, key, prepared, beside, now, reader)?;
    }
    Ok(())
}

/// What a reader is told of earlier reports: who sees some connectors only is not told whom
/// else a report did not reach.
fn earlier_for(reader: &Addressee, earlier: &[mail::Earlier]) -> Vec<mail::Earlier> {
    let own = |earlier: &&mail::Earlier| match earlier {
        mail::Earlier::Undelivered { recipient, .. } => {
            reader.connectors.is_empty() || *recipient == reader.address
        }
        _ => true,
    };
    earlier.iter().filter(own).cloned().collect()
}

fn letter(
    plan: &Plan,
    key: &Key,
    prepared: &Prepared,
    beside: &Beside,
    now: DateTime<Utc>,
    reader: &Addressee,
) -> Result<NewMessage, RunError> {
    let variant = prepared.variants.iter().find(|variant| variant.is_for(reader));
    let (report, files) = variant
        .map_or((&prepared.report, &prepared.files), |variant| (&variant.report, &variant.files));
    // A format that the report itself does not have is rendered for this reader alone.
    let mut attachments: Files = Vec::new();
    for format in &reader.attach {
        let names = format.files();
        let present = files.iter().filter(|(name, _)| names.contains(&name.as_str()));
        let present: Files = present.cloned().collect();
        if present.is_empty() {
            attachments.extend(checked(report, &[*format], &prepared.branding)?);
        } else {
            attachments.extend(present);
        }
    }
    let facts = |left_out: bool| mail::Facts {
        due_at: beside.due_at,
        made_at: Some(now),
        earlier: earlier_for(reader, &beside.earlier),
        filed: beside.filed.clone(),
        attached: if left_out {
            Vec::new()
        } else {
            attachments.iter().map(|(name, _)| name.clone()).collect()
        },
        left_out,
    };
    let revision = format!("r{}", key.revision);
    let parts = [key.schedule.as_str(), key.nominal.as_str(), revision.as_str()];
    let id = |last: &[&str]| {
        message::message_id(&[&parts, last].concat(), &reader.address, &plan.post.sender)
    };
    let write = |id: &str, left_out: bool| {
        let body = mail::report(report, &facts(left_out), &prepared.branding)?;
        let attached = if left_out { &[][..] } else { &attachments };
        let head = beside.filed.as_ref().map(mail::Filed::head);
        let to = reader.address.as_str();
        let own = Own { to, message_id: id, attachments: attached, date: now, head };
        build(plan, key, body, own)
    };
    let small = (!attachments.is_empty()).then(|| {
        let id = id(&["small"]);
        write(&id, true).map(|bytes| (id, bytes))
    });
    let small = small.transpose()?;
    let full_id = id(&[]);
    let full = write(&full_id, false)?;
    let too_large = full.len() > plan.post.max_bytes;
    let (message_id, bytes, small) = match small {
        Some((id, bytes)) if too_large => (id, bytes, None),
        small => (full_id, full, small),
    };
    Ok(NewMessage {
        key: key.clone(),
        purpose: Purpose::Report,
        recipient: reader.address.clone(),
        sender: plan.post.sender.clone(),
        message_id,
        bytes,
        small,
    })
}

/// What only this letter has.
struct Own<'a> {
    to: &'a str,
    message_id: &'a str,
    attachments: &'a [(String, Vec<u8>)],
    date: DateTime<Utc>,
    /// The head of the bag that holds the report.
    head: Option<String>,
}

fn build(plan: &Plan, key: &Key, body: mail::Body, own: Own<'_>) -> Result<Vec<u8>, RunError> {
    let Own { to, message_id, attachments, date, head } = own;
    let mut headers = headers(key);
    // Whoever keeps this mail is a witness of the archive.
    headers.extend(head.map(|head| ("X-Intransit-Head", head)));
    let attachments = attachments
        .iter()
        .map(|(name, bytes)| (name.clone(), content_type(name), bytes.clone()))
        .collect();
    Ok(message::bytes(&Letter {
        from: plan.post.from.clone(),
        to: to.to_owned(),
        message_id: message_id.to_owned(),
        date,
        subject: body.subject,
        html: body.html,
        text: body.text,
        headers,
        attachments,
    })?)
}

fn headers(key: &Key) -> Vec<(&'static str, String)> {
    vec![
        // RFC 3834: no program answers this by itself.
        ("Auto-Submitted", "auto-generated".to_owned()),
        ("X-Auto-Response-Suppress", "All".to_owned()),
        ("X-Intransit-Run", key.to_string()),
    ]
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("pdf") => "application/pdf",
        Some("html") => "text/html; charset=utf-8",
        Some("csv") => "text/csv; charset=utf-8",
        Some("json") => "application/json",
        Some("xlsx") => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        _ => "application/octet-stream",
    }
}

/// A notice about a run to one address.
///
/// # Errors
/// [`RunError`] when it cannot be rendered or built.
pub fn notice(
    plan: &Plan,
    key: &Key,
    purpose: Purpose,
    notice: &mail::Notice,
    to: &str,
    now: DateTime<Utc>,
) -> Result<NewMessage, RunError> {
    let body = mail::notice(notice, &plan.request.language, plan.branding.accent)?;
    let revision = format!("r{}", key.revision);
    let parts = [key.schedule.as_str(), key.nominal.as_str(), &revision, purpose.name()];
    let message_id = message::message_id(&parts, to, &plan.post.sender);
    Ok(NewMessage {
        key: key.clone(),
        purpose,
        recipient: to.to_owned(),
        sender: plan.post.sender.clone(),
        bytes: {
            let own = Own { to, message_id: &message_id, attachments: &[], date: now, head: None };
            build(plan, key, body, own)?
        },
        message_id,
        small: None,
    })
}
