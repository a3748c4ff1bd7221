//! Schedules and their runs.

use std::fmt;

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Row, named_params, params};

use super::{KnownHead, Ledger, LedgerError, NewMessage, instant, maybe_instant, text};
use crate::store;

/// Which run: a schedule's nominal occurrence, and which revision of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Name of the schedule.
    pub schedule: String,
    /// Nominal local time, as in `2026-11-16T07:00`.
    pub nominal: String,
    /// 1 for the first report, 2 and on for revisions.
    pub revision: u32,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.schedule, self.nominal)?;
        if self.revision > 1 { write!(f, "r{}", self.revision) } else { Ok(()) }
    }
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// To be run.
    Due,
    /// Being run.
    Running,
    /// Report sealed, mails in the outbox.
    Done,
    /// No report could be made.
    Failed,
    /// Not to be run, for a reason.
    Skipped,
}

impl RunState {
    /// The word in the ledger and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    fn of(name: &str) -> Option<Self> {
        [Self::Due, Self::Running, Self::Done, Self::Failed, Self::Skipped]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// What asked for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// The schedule.
    Schedule,
    /// A person.
    Manual,
}

impl Trigger {
    /// The word in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Manual => "manual",
        }
    }
}

/// An occurrence to be written down.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// Which.
    pub key: Key,
    /// IANA zone of the nominal time.
    pub zone: String,
    /// When it is due.
    pub due_at: DateTime<Utc>,
    /// What asked for it.
    pub trigger: Trigger,
    /// Why it is not to be run, if so.
    pub skipped: Option<String>,
}

/// A run as it stands in the ledger.
#[derive(Debug, Clone)]
pub struct Run {
    /// Which.
    pub key: Key,
    /// IANA zone of the nominal time.
    pub zone: String,
    /// When it was due.
    pub due_at: DateTime<Utc>,
    /// What asked for it.
    pub trigger: Trigger,
    /// Where it stands.
    pub state: RunState,
    /// Why it failed, was skipped, or waits.
    pub reason: Option<String>,
    /// Not before this instant.
    pub next_at: Option<DateTime<Utc>>,
    /// Attempts that ended in an error.
    pub attempts: u32,
    /// Sequence number of its evidence.
    pub seq: Option<u64>,
    /// Name of its bag.
    pub bag: Option<String>,
    /// Name of the bag that was being made when the process ended.
    pub sealing: Option<String>,
}

impl Ledger {
    /// Up to when the occurrences of a schedule are written down; none before its first look.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails.
    pub fn cursor(&self, schedule: &str) -> Result<Option<DateTime<Utc>>, LedgerError> {
        let sql = "SELECT cursor FROM schedule WHERE name = ?1";
        let cursor: Option<String> =
            self.connection.query_row(sql, [schedule], |row| row.get(0)).optional()?;
        Ok(cursor.map(|cursor| instant(0, &cursor)).transpose()?)
    }

    /// Writes down what came due and moves the cursor, in one transaction. The cursor never
    /// goes back; an occurrence that is there already is left as it is.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails; nothing is then changed.
    pub fn plan(
        &mut self,
        schedule: &str,
        cursor: DateTime<Utc>,
        runs: &[NewRun],
    ) -> Result<(), LedgerError> {
        let transaction = self.connection.transaction()?;
        for run in runs {
            insert(&transaction, run)?;
        }
        transaction.execute(
            "INSERT INTO schedule (name, seen, cursor) VALUES (?1, ?2, ?2)
             ON CONFLICT (name) DO UPDATE SET cursor = max(cursor, excluded.cursor)",
            params![schedule, text(cursor)],
        )?;
        transaction.commit()?;
        store::step("ledger committed");
        Ok(())
    }

    /// Writes down one occurrence that a person asked for; one that is there is left as it is.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails.
    pub fn add_run(&self, run: &NewRun) -> Result<(), LedgerError> {
        insert(&self.connection, run)?;
        store::step("run added");
        Ok(())
    }

    /// One run.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails.
    pub fn run(&self, key: &Key) -> Result<Option<Run>, LedgerError> {
        let sql = "SELECT * FROM run WHERE schedule = ?1 AND nominal = ?2 AND revision = ?3";
        let key = params![key.schedule, key.nominal, key.revision];
        Ok(self.connection.query_row(sql, key, read).optional()?)
    }

    /// The newest revision of an occurrence.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails.
    pub fn newest_revision(
        &self,
        schedule: &str,
        nominal: &str,
    ) -> Result<Option<Run>, LedgerError> {
        let sql = "SELECT * FROM run WHERE schedule = ?1 AND nominal = ?2
                   ORDER BY revision DESC LIMIT 1";
        Ok(self.connection.query_row(sql, [schedule, nominal], read).optional()?)
    }

    /// All runs of a schedule, in the order in which they were due.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails.
    pub fn runs(&self, schedule: &str) -> Result<Vec<Run>, LedgerError> {
        let sql = "SELECT * FROM run WHERE schedule = ?1 ORDER BY due_at, nominal, revision";
        let mut statement = self.connection.prepare(sql)?;
        let runs = statement.query_map([schedule], read)?.collect::<Result<_, _>>()?;
        Ok(runs)
    }

    /// Every run whose process ended in the middle.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails.
    pub fn interrupted(&self) -> Result<Vec<Run>, LedgerError> {
        let sql = "SELECT * FROM run WHERE state = 'running' OR sealing IS NOT NULL
                   ORDER BY due_at, nominal, revision";
        let mut statement = self.connection.prepare(sql)?;
        let runs = statement.query_map([], read)?.collect::<Result<_, _>>()?;
        Ok(runs)
    }

    /// Marks a run as being run, and counts the start.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails; nothing is then changed.
    pub fn begin(&mut self, key: &Key, now: DateTime<Utc>) -> Result<(), LedgerError> {
        let set = "state = 'running', started = :at, reason = NULL, next_at = NULL,
                   finished = NULL";
        let transaction = self.connection.transaction()?;
        change(&transaction, key, set, now, None)?;
        transaction.execute(
            "INSERT INTO start (schedule, nominal, revision, count) VALUES (?1, ?2, ?3, 1)
             ON CONFLICT DO UPDATE SET count = count + 1",
            params![key.schedule, key.nominal, key.revision],
        )?;
        transaction.commit()?;
        store::step("run changed");
        Ok(())
    }

    /// How often a run was begun without coming to an end.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails.
    pub fn starts(&self, key: &Key) -> Result<u32, LedgerError> {
        let sql = "SELECT count FROM start WHERE schedule = ?1 AND nominal = ?2 AND revision = ?3";
        let key = params![key.schedule, key.nominal, key.revision];
        Ok(self.connection.query_row(sql, key, |row| row.get(0)).optional()?.unwrap_or(0))
    }

    /// Says whether any run of a schedule was begun without coming to an end.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails.
    pub fn is_started(&self, schedule: &str) -> Result<bool, LedgerError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM start WHERE schedule = ?1)";
        Ok(self.connection.query_row(sql, [schedule], |row| row.get(0))?)
    }

    /// Puts a run back to be run, not before `until` where that is given. With a `reason` it came
    /// to an end; without one its process ended in the middle, and its start counts.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails; nothing is then changed.
    pub fn postpone(
        &mut self,
        key: &Key,
        until: DateTime<Utc>,
        reason: Option<&str>,
        counts: bool,
    ) -> Result<(), LedgerError> {
        let attempts = if counts { "attempts + 1" } else { "attempts" };
        let set = format!(
            "state = 'due', sealing = NULL, next_at = :at, reason = :reason, attempts = {attempts}"
        );
        let transaction = self.connection.transaction()?;
        change(&transaction, key, &set, until, reason)?;
        if reason.is_some() {
            came_to_an_end(&transaction, key)?;
        }
        transaction.commit()?;
        store::step("run changed");
        Ok(())
    }

    /// Marks a run as failed, with the messages that tell of it, in one transaction.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails; nothing is then changed.
    pub fn fail(
        &mut self,
        key: &Key,
        now: DateTime<Utc>,
        reason: &str,
        told: &[NewMessage],
    ) -> Result<(), LedgerError> {
        let set = "state = 'failed', finished = :at, reason = :reason, sealing = NULL,
                   next_at = NULL, attempts = attempts + 1";
        let transaction = self.connection.transaction()?;
        change(&transaction, key, set, now, Some(reason))?;
        came_to_an_end(&transaction, key)?;
        for message in told {
            super::outbox::insert(&transaction, message, now)?;
        }
        transaction.commit()?;
        store::step("run failed");
        Ok(())
    }

    /// Writes down which bag is about to be made, so that a restart knows a leftover.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails.
    pub fn sealing(&self, key: &Key, now: DateTime<Utc>, bag: &str) -> Result<(), LedgerError> {
        self.change(key, "sealing = :reason, started = coalesce(started, :at)", now, Some(bag))
    }

    /// Marks a run as done, with its bag and head, its messages, and the earlier messages
    /// that its bag holds, in one transaction.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails; nothing is then changed.
    pub fn finish(
        &mut self,
        key: &Key,
        now: DateTime<Utc>,
        head: &KnownHead,
        messages: &[NewMessage],
        filed: &[String],
    ) -> Result<(), LedgerError> {
        let transaction = self.connection.transaction()?;
        let seq = head.seq.cast_signed();
        transaction.execute(
            "INSERT INTO head (seq, bag, sha256, time) VALUES (?1, ?2, ?3, ?4)",
            params![seq, head.bag, head.sha256, head.time],
        )?;
        transaction.execute(
            "UPDATE run SET state = 'done', finished = ?4, seq = ?5, bag = ?6, sealing = NULL,
                    reason = NULL, next_at = NULL
             WHERE schedule = ?1 AND nominal = ?2 AND revision = ?3",
            params![key.schedule, key.nominal, key.revision, text(now), seq, head.bag],
        )?;
        came_to_an_end(&transaction, key)?;
        for message in messages {
            super::outbox::insert(&transaction, message, now)?;
        }
        for id in filed {
            super::outbox::file(&transaction, id, seq)?;
        }
        transaction.commit()?;
        store::step("ledger committed");
        Ok(())
    }

    fn change(
        &self,
        key: &Key,
        set: &str,
        at: DateTime<Utc>,
        reason: Option<&str>,
    ) -> Result<(), LedgerError> {
        change(&self.connection, key, set, at, reason)?;
        store::step("run changed");
        Ok(())
    }
}

fn change(
    connection: &rusqlite::Connection,
    key: &Key,
    set: &str,
    at: DateTime<Utc>,
    reason: Option<&str>,
) -> Result<(), LedgerError> {
    let sql = format!(
        "UPDATE run SET {set}
         WHERE schedule = :schedule AND nominal = :nominal AND revision = :revision
           AND state <> 'done' AND :at IS NOT NULL AND (:reason IS NULL OR :reason <> '')"
    );
    let changed = connection.execute(
        &sql,
        named_params! {
            ":schedule": key.schedule, ":nominal": key.nominal, ":revision": key.revision,
            ":at": text(at), ":reason": reason,
        },
    )?;
    debug_assert_eq!(changed, 1, "{key} is in the ledger and not done");
    Ok(())
}

/// Starts are counted anew after an end.
fn came_to_an_end(connection: &rusqlite::Connection, key: &Key) -> Result<(), LedgerError> {
    connection.execute(
        "DELETE FROM start WHERE schedule = ?1 AND nominal = ?2 AND revision = ?3",
        params![key.schedule, key.nominal, key.revision],
    )?;
    Ok(())
}

fn insert(connection: &rusqlite::Connection, run: &NewRun) -> Result<(), LedgerError> {
    let state = if run.skipped.is_some() { RunState::Skipped } else { RunState::Due };
    connection.execute(
        "INSERT OR IGNORE INTO run
             (schedule, nominal, revision, zone, due_at, trigger, state, reason)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            run.key.schedule,
            run.key.nominal,
            run.key.revision,
            run.zone,
            text(run.due_at),
            run.trigger.name(),
            state.name(),
            run.skipped,
        ],
    )?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Run, rusqlite::Error> {
    let (state, trigger): (String, String) = (row.get("state")?, row.get("trigger")?);
    let due_at: String = row.get("due_at")?;
    let seq: Option<i64> = row.get("seq")?;
    Ok(Run {
        key: Key {
            schedule: row.get("schedule")?,
            nominal: row.get("nominal")?,
            revision: row.get("revision")?,
        },
        zone: row.get("zone")?,
        due_at: instant(row.as_ref().column_index("due_at")?, &due_at)?,
        trigger: if trigger == "manual" { Trigger::Manual } else { Trigger::Schedule },
        // The table admits these words only.
        state: RunState::of(&state).unwrap_or(RunState::Failed),
        reason: row.get("reason")?,
        next_at: maybe_instant(row, "next_at")?,
        attempts: row.get("attempts")?,
        seq: seq.map(i64::cast_unsigned),
        bag: row.get("bag")?,
        sealing: row.get("sealing")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Lock;

    fn at(hour: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + 3600 * hour, 0).unwrap()
    }

    fn occurrence(nominal: &str) -> NewRun {
        NewRun {
            key: Key { schedule: "weekly".into(), nominal: nominal.into(), revision: 1 },
            zone: "UTC".into(),
            due_at: at(0),
            trigger: Trigger::Schedule,
            skipped: None,
        }
    }

    #[test]
    fn an_occurrence_is_written_down_once_and_the_cursor_never_goes_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(Lock::take(folder.path(), "a test").unwrap()).unwrap();
        let run = occurrence("2026-11-16T07:00");
        ledger.plan("weekly", at(2), &[run.clone(), run.clone()]).unwrap();
        ledger.begin(&run.key, at(2)).unwrap();
        ledger.fail(&run.key, at(2), "no trace", &[]).unwrap();
        ledger.plan("weekly", at(1), &[run]).unwrap();
        assert_eq!(ledger.cursor("weekly").unwrap(), Some(at(2)));
        let runs = ledger.runs("weekly").unwrap();
        assert_eq!(runs.iter().map(|run| run.state).collect::<Vec<_>>(), [RunState::Failed]);
    }
}
