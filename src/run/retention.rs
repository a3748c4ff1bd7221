//! Retention: bags that were kept long enough go, their tombstones stay.
//!
//! A tombstone is a file of a later bag, sealed and signed like everything else: it says
//! which bag was removed, when, by whom and by which rule. The chain stays whole. A bag that
//! holds tombstones is never removed.

use chrono::{DateTime, Utc};

use super::engine::{Engine, EngineError};
use super::evidence::Evidence;
use super::filing;
use super::plan::Plan;
use super::status;
use crate::archive::head::Head;
use crate::archive::tombstone::{self, Tombstone};
use crate::archive::{BAGS, File};
use crate::clock::Clock;
use crate::ledger::{Ledger, LedgerError};
use crate::report::instant;
use crate::store;

/// Folder of the tombstones in a bag.
const TOMBSTONES: &str = "tombstones";

/// The bags that were kept longer than the rule asks for, oldest first. The newest bag is
/// never among them.
pub fn due(evidence: &Evidence, heads: &[Head], now: DateTime<Utc>) -> Vec<Head> {
    let newest = heads.last().map(|head| head.seq);
    let old = |head: &&Head| {
        let sealed = DateTime::parse_from_rfc3339(&head.time);
        let bag = evidence.dir.join(BAGS).join(&head.bag);
        sealed.is_ok_and(|sealed| now - sealed.with_timezone(&Utc) > evidence.keep.length())
            && Some(head.seq) != newest
            && bag.is_dir()
            && !bag.join("data").join(TOMBSTONES).exists()
    };
    heads.iter().filter(old).cloned().collect()
}

/// Seals the tombstones, then removes the bags. Broken off in between, bags are left that
/// have a tombstone already; the next time goes on.
///
/// # Errors
/// [`EngineError`] when ledger or archive fail.
pub fn prune(
    engine: &mut Engine,
    evidence: &Evidence,
    old: &[Head],
    organisation: &str,
    clock: Clock,
) -> Result<(), EngineError> {
    let person = filing::person();
    engine.file_by_hand("closing", evidence, |run, place, _, mut files| {
        files.extend(old.iter().map(|head| {
            let text = of(head, evidence, &person, clock.now()).text();
            File::new(tombstone::file_name(head.seq), text.into_bytes())
        }));
        Ok(filing::closing_bag(place.seq, &run.key, organisation, clock, files))
    })?;
    for head in old {
        store::remove_folder(&evidence.dir.join(BAGS).join(&head.bag))?;
    }
    Ok(())
}

fn of(head: &Head, evidence: &Evidence, person: &str, now: DateTime<Utc>) -> Tombstone {
    Tombstone {
        seq: head.seq,
        bag: head.bag.clone(),
        tag_manifest_sha256: head.tag_manifest_sha256.clone(),
        reason: format!("keep = \"{}\"", evidence.keep.text()),
        by: person.to_owned(),
        time: instant(now),
    }
}

/// Schedules whose newest evidence is older than it should be: a cut tail may look like that.
///
/// # Errors
/// [`LedgerError`] when the ledger fails.
pub fn overdue(
    plans: &[Plan],
    ledger: Option<&Ledger>,
    now: DateTime<Utc>,
) -> Result<Vec<String>, LedgerError> {
    let status = status::status(plans, ledger, now, None)?;
    let late = status.schedules.into_iter().filter(|schedule| schedule.overdue);
    Ok(late
        .map(|schedule| {
            let last = schedule.last_success.unwrap_or_else(|| "none".to_owned());
            format!("the schedule {} is overdue: its newest report is {last}", schedule.name)
        })
        .collect())
}
