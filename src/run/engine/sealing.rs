//! What a run leaves in the archive.

use std::path::PathBuf;

use chrono::{DateTime, Utc};

use super::super::evidence::Evidence;
use super::super::filing::{self, Circumstances};
use super::super::plan::Plan;
use super::super::prepare::{self, Beside, Prepared};
use super::super::{RunError, chain, changes, time};
use super::failing::earlier;
use super::{Engine, EngineError};
use crate::archive::sign::Signer;
use crate::archive::{self, Place, Sealed};
use crate::clock::limit;
use crate::ledger::{Key, KnownHead, Ledger, LedgerError, NewMessage, NewRun, Run, Trigger};
use crate::render::mail::Filed;
use crate::report::ArchiveReport;
use crate::schedule;

impl Engine {
    /// A run whose head is on the disk is done, though its process ended before it could say
    /// so: what was sealed is what is mailed.
    pub(super) fn adopt(
        &mut self,
        run: &Run,
        evidence: &Evidence,
        sealed: &Sealed,
    ) -> Result<bool, EngineError> {
        let plan = self.plans.iter().find(|plan| plan.name == run.key.schedule).cloned();
        let letters = match &plan {
            Some(plan) => {
                let Some(prepared) = Prepared::from_bag(&sealed.path) else { return Ok(false) };
                self.letters(plan, run, &prepared, sealed)?
            }
            None => Vec::new(),
        };
        let filed: Vec<String> = archive::delivered(&sealed.path);
        self.done(run, sealed, &letters, &filed)?;
        tracing::warn!(run = %run.key, "the process ended after sealing: taken as done");
        evidence.tell(sealed);
        Ok(true)
    }

    /// Puts the archive in order after sealing failed: what has no head is removed, and what
    /// has one is done, though the disk complained. Where not even that is possible, the
    /// ledger still knows which bag was being made, and the next start puts it in order.
    pub(super) fn after_failure(
        &mut self,
        key: &Key,
        evidence: &Evidence,
    ) -> Result<Option<Sealed>, EngineError> {
        let Some(run) = self.ledger.run(key)? else { return Ok(None) };
        let unfinished: Vec<String> = run.sealing.iter().cloned().collect();
        let whole = archive::recover(&evidence.dir, &unfinished)?;
        for sealed in whole {
            if self.adopt(&run, evidence, &sealed)? {
                return Ok(Some(sealed));
            }
        }
        Ok(None)
    }

    /// Files the run, then writes it down as done with its messages.
    pub(super) fn seal(
        &mut self,
        plan: &Plan,
        run: &Run,
        prepared: &Prepared,
        (place, signer): (&Place, Option<&Signer>),
        started: DateTime<Utc>,
    ) -> Result<PathBuf, EngineError> {
        let key = &run.key;
        // Letters that cannot be written are found before anything is kept.
        let rehearsal = Beside {
            due_at: Some(run.due_at),
            filed: Some(Filed {
                folder: plan.evidence.name.clone(),
                bag: archive::bag_name(place.seq, &key.schedule, &key.nominal, key.revision),
                seq: place.seq,
                head_sha256: place.previous_head_sha256.clone(),
                signed: signer.is_some(),
            }),
            ..Beside::default()
        };
        prepare::rehearse(plan, &run.key, prepared, &rehearsal, started)?;
        let circumstances = Circumstances::of(plan, run, started, self.clock);
        let (deliveries, filed) = filing::deliveries(&self.ledger)?;
        let readers = |index: usize| prepared.readers(plan, index);
        let bag = filing::bag(place.seq, &circumstances, prepared, readers, deliveries);
        self.ledger.sealing(&run.key, started, &bag.name)?;
        let now = self.clock.now();
        let sealed = archive::seal(&plan.evidence.dir, &bag, place, signer, now)?;
        let letters = self.letters(plan, run, prepared, &sealed)?;
        self.done(run, &sealed, &letters, &filed)?;
        plan.evidence.tell(&sealed);
        Ok(sealed.path)
    }

    /// The letters of a run that is sealed.
    fn letters(
        &self,
        plan: &Plan,
        run: &Run,
        prepared: &Prepared,
        sealed: &Sealed,
    ) -> Result<Vec<NewMessage>, EngineError> {
        let beside = Beside {
            due_at: Some(run.due_at),
            earlier: earlier(&self.ledger, plan, run.due_at)?,
            filed: Some(filed(&plan.evidence, sealed)),
        };
        let now = self.clock.now();
        // What is filed is mailed, however long it took.
        let letters = || prepare::letters(plan, &run.key, prepared, &beside, now);
        Ok(limit::in_any_case(letters)?)
    }

    fn done(
        &mut self,
        run: &Run,
        sealed: &Sealed,
        letters: &[NewMessage],
        filed: &[String],
    ) -> Result<(), EngineError> {
        let head = KnownHead {
            seq: sealed.head.seq,
            bag: sealed.head.bag.clone(),
            sha256: sealed.head.sha256(),
            time: sealed.head.time.clone(),
        };
        Ok(self.ledger.finish(&run.key, self.clock.now(), &head, letters, filed)?)
    }

    /// Files something that no schedule made: a report on demand, or a closing bag.
    ///
    /// # Errors
    /// [`EngineError`] when ledger or archive fail.
    pub fn file_by_hand(
        &mut self,
        name: &str,
        evidence: &Evidence,
        build: impl FnOnce(
            &Run,
            &Place,
            Option<&Signer>,
            Vec<archive::File>,
        ) -> Result<archive::Bag, EngineError>,
    ) -> Result<Sealed, EngineError> {
        let now = self.clock.now();
        let key = self.free_key(name, now)?;
        let wanted = NewRun {
            key: key.clone(),
            zone: chrono_tz::UTC.name().to_owned(),
            due_at: now,
            trigger: Trigger::Manual,
            skipped: None,
        };
        self.ledger.add_run(&wanted)?;
        self.ledger.begin(&key, now)?;
        let filed = time::within(&key.to_string(), self.longest, || {
            let filed = self.file_run(&key, evidence, build);
            let late = limit::passed("not filed by hand");
            filed.map_err(|error| if late { RunError::Passed.into() } else { error })
        });
        match filed {
            Ok(sealed) => Ok(sealed),
            Err(error) => {
                if let Some(sealed) = self.after_failure(&key, evidence)? {
                    return Ok(sealed);
                }
                self.ledger.fail(&key, self.clock.now(), &chain(&error), &[])?;
                Err(error)
            }
        }
    }

    fn file_run(
        &mut self,
        key: &Key,
        evidence: &Evidence,
        build: impl FnOnce(
            &Run,
            &Place,
            Option<&Signer>,
            Vec<archive::File>,
        ) -> Result<archive::Bag, EngineError>,
    ) -> Result<Sealed, EngineError> {
        let now = self.clock.now();
        let Some(run) = self.ledger.run(key)? else {
            unreachable!("the run was written down just now");
        };
        let (place, signer) = place(&self.ledger, evidence)?;
        let (deliveries, filed) = filing::deliveries(&self.ledger)?;
        let bag = build(&run, &place, signer.as_ref(), deliveries)?;
        self.ledger.sealing(key, now, &bag.name)?;
        let sealed = archive::seal(&evidence.dir, &bag, &place, signer.as_ref(), now)?;
        self.done(&run, &sealed, &[], &filed)?;
        evidence.tell(&sealed);
        Ok(sealed)
    }

    /// A key that nothing has yet: two things may be filed in one second.
    fn free_key(&self, name: &str, now: DateTime<Utc>) -> Result<Key, EngineError> {
        let nominal = schedule::nominal_text(now.naive_utc());
        let newest = self.ledger.newest_revision(name, &nominal)?;
        let revision = newest.map_or(1, |run| run.key.revision + 1);
        Ok(Key { schedule: name.to_owned(), nominal, revision })
    }
}

/// The next place in the chain, and the key that signs.
///
/// # Errors
/// [`EngineError::Archive`] when the archive does not end where the ledger says.
pub fn place(ledger: &Ledger, evidence: &Evidence) -> Result<(Place, Option<Signer>), EngineError> {
    let newest = ledger.newest_head()?;
    let known = newest.as_ref().map(|head| (head.seq, head.sha256.as_str()));
    let place = archive::place(&evidence.dir, known)?;
    archive::check(&evidence.dir, place.seq)?;
    Ok((place, evidence.signer()?))
}

/// What a schedule's report prints of its place in the archive.
///
/// # Errors
/// [`LedgerError`] when the ledger fails.
pub fn archive_report(
    ledger: &Ledger,
    plan: &Plan,
    key: &Key,
    place: &Place,
    signer: Option<&Signer>,
) -> Result<ArchiveReport, LedgerError> {
    let runs = ledger.runs(&plan.name)?;
    let before = runs.iter().filter(|other| other.key != *key);
    let before = before.filter_map(|other| other.seq.zip(other.bag.as_deref())).max();
    let settings = before.and_then(|(_, bag)| plan.evidence.settings_of(bag));
    Ok(ArchiveReport {
        changes: settings.and_then(|before| changes::changes(&before, &plan.settings)),
        ..place_report(place, signer)
    })
}

/// What any report prints of its place in the archive.
pub fn place_report(place: &Place, signer: Option<&Signer>) -> ArchiveReport {
    ArchiveReport {
        seq: place.seq,
        previous_head: (place.seq > 1).then(|| place.previous_head_sha256.clone()),
        signed_by: signer.map(Signer::fingerprint),
        changes: None,
    }
}

/// Where a run is filed, as its mail says.
fn filed(evidence: &Evidence, sealed: &Sealed) -> Filed {
    Filed {
        folder: evidence.name.clone(),
        bag: sealed.head.bag.clone(),
        seq: sealed.head.seq,
        head_sha256: sealed.head.sha256(),
        signed: sealed.head.key != archive::head::UNSIGNED,
    }
}
