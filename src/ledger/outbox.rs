//! Messages on their way, each to one recipient.
//!
//! ```text
//!  queued ──▶ sending ──▶ delivered | refused | expired
//!    ▲           │
//!    └─ in-doubt ◀┴▶ held
//! ```
//! `sending` is on the disk before the final dot goes out: whatever is found in it after a
//! crash may have arrived.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Row, params};

use super::{Key, Ledger, LedgerError, instant, maybe_instant, text};
use crate::store;

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The report.
    Report,
    /// Tells that a report could not be made.
    Failed,
    /// Tells that a report could not be delivered to somebody.
    Undelivered,
}

impl Purpose {
    /// The word in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Failed => "failed",
            Self::Undelivered => "undelivered",
        }
    }

    fn of(name: &str) -> Self {
        [Self::Failed, Self::Undelivered]
            .into_iter()
            .find(|purpose| purpose.name() == name)
            .unwrap_or(Self::Report)
    }
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// To be handed over.
    Queued,
    /// Being handed over; nobody knows yet.
    Sending,
    /// The relay has it, or the folder.
    Delivered,
    /// Refused for good.
    Refused,
    /// It may have arrived; the same bytes go out once more.
    InDoubt,
    /// Given up after too many days.
    Expired,
    /// It may have arrived; a person decides.
    Held,
}

impl State {
    /// All states.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Sending,
        Self::Delivered,
        Self::Refused,
        Self::InDoubt,
        Self::Expired,
        Self::Held,
    ];

    /// The word in the ledger and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Delivered => "delivered",
            Self::Refused => "refused",
            Self::InDoubt => "in-doubt",
            Self::Expired => "expired",
            Self::Held => "held",
        }
    }

    /// Says whether nothing more happens by itself.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Delivered | Self::Refused | Self::Expired | Self::Held)
    }
}

/// A message to be written down.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// Of which run.
    pub key: Key,
    /// What for.
    pub purpose: Purpose,
    /// Address of the one recipient.
    pub recipient: String,
    /// Address of the sender.
    pub sender: String,
    /// Message-ID without angle brackets.
    pub message_id: String,
    /// The very bytes (RFC 5322).
    pub bytes: Vec<u8>,
    /// Message-ID and bytes of the same message without attachments, for a relay to which
    /// it is too large.
    pub small: Option<(String, Vec<u8>)>,
}

/// A message as it stands in the ledger.
#[derive(Debug, Clone)]
pub struct Message {
    /// Message-ID without angle brackets.
    pub message_id: String,
    /// Of which run.
    pub key: Key,
    /// What for.
    pub purpose: Purpose,
    /// Address of the one recipient.
    pub recipient: String,
    /// Address of the sender.
    pub sender: String,
    /// Where it stands.
    pub state: State,
    /// Attempts that ended.
    pub attempts: u32,
    /// How often it may have arrived.
    pub doubts: u32,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it changed last.
    pub updated: DateTime<Utc>,
    /// Not before this instant.
    pub next_at: Option<DateTime<Utc>>,
    /// Whether there is a variant without attachments.
    pub has_small: bool,
    /// What the last attempt said.
    pub reply: Option<String>,
    /// Who has it.
    pub relay: Option<String>,
    /// TLS version of our own session.
    pub tls: Option<String>,
    /// Its cipher suite.
    pub cipher: Option<String>,
    /// SHA-256 of the relay's certificate.
    pub certificate_sha256: Option<String>,
}

/// A recipient of a run and where the message stands, for those who were not reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Of which run.
    pub key: Key,
    /// Address.
    pub address: String,
    /// Where it stands.
    pub state: State,
    /// What the last attempt said.
    pub reply: Option<String>,
}

/// What an attempt came to.
#[derive(Debug, Clone, Default)]
pub struct Attempt {
    /// Short word for the outcome.
    pub outcome: &'static str,
    /// Where in the conversation it was decided.
    pub phase: Option<&'static str>,
    /// What the relay said, or what happened.
    pub reply: String,
    /// Who has it.
    pub relay: Option<String>,
    /// TLS version of the session.
    pub tls: Option<String>,
    /// Cipher suite of the session.
    pub cipher: Option<String>,
    /// SHA-256 of the relay's certificate.
    pub certificate_sha256: Option<String>,
    /// SHA-256 of the bytes.
    pub sha256: String,
}

/// An attempt as it stands in the ledger.
#[derive(Debug, Clone, serde::Serialize)]
pub struct AttemptRow {
    /// Message-ID without angle brackets.
    pub message_id: String,
    /// SHA-256 of the bytes.
    pub sha256: String,
    /// When it ended.
    pub at: String,
    /// Short word for the outcome.
    pub outcome: String,
    /// Where in the conversation it was decided.
    pub phase: Option<String>,
    /// What the relay said, or what happened.
    pub reply: String,
    /// Who has it.
    pub relay: Option<String>,
    /// TLS version of the session.
    pub tls: Option<String>,
    /// Cipher suite of the session.
    pub cipher: Option<String>,
    /// SHA-256 of the relay's certificate.
    pub certificate_sha256: Option<String>,
}

/// A relay that is left alone for a while.
#[derive(Debug, Clone)]
pub struct Parked {
    /// Its settings in short.
    pub name: String,
    /// How often in a row it failed.
    pub failures: u32,
    /// Until when.
    pub until: DateTime<Utc>,
    /// Whether waiting will not help.
    pub needs_a_person: bool,
    /// What happened.
    pub why: String,
}

const COLUMNS: &str = "message_id, schedule, nominal, revision, purpose, recipient, sender, state,
    attempts, doubts, created, updated, next_at, small IS NOT NULL AS has_small, reply, relay, tls,
    cipher, certificate_sha256";

impl Ledger {
    /// Every message, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails.
    pub fn messages(&self) -> Result<Vec<Message>, LedgerError> {
        self.select("ORDER BY created, nominal, recipient", &[])
    }

    /// The messages of one run.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails.
    pub fn messages_of(&self, key: &Key) -> Result<Vec<Message>, LedgerError> {
        self.select(
            "WHERE schedule = ?1 AND nominal = ?2 AND revision = ?3 ORDER BY purpose, recipient",
            &[&key.schedule, &key.nominal, &key.revision],
        )
    }

    /// The messages that may be handed over now, those of the oldest runs first.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails.
    pub fn ready(&self, now: DateTime<Utc>) -> Result<Vec<Message>, LedgerError> {
        self.select("WHERE next_at <= ?1 ORDER BY created, nominal, recipient", &[&text(now)])
    }

    /// The messages in a state.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails.
    pub fn in_state(&self, state: State) -> Result<Vec<Message>, LedgerError> {
        self.select("WHERE state = ?1 ORDER BY created, nominal, recipient", &[&state.name()])
    }

    /// Messages that have come to an end and are in no bag yet.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails.
    pub fn unfiled(&self) -> Result<Vec<Message>, LedgerError> {
        self.select(
            "WHERE filed IS NULL AND state IN ('delivered', 'refused', 'expired', 'held')
             ORDER BY created, nominal, recipient",
            &[],
        )
    }

    /// Every attempt to hand a message over, under this Message-ID or, where it was too
    /// large, the one before.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails.
    pub fn attempts(&self, message_id: &str) -> Result<Vec<AttemptRow>, LedgerError> {
        let before = message_id.replacen(".small.", ".", 1);
        let sql = "SELECT * FROM attempt WHERE message_id IN (?1, ?2) ORDER BY number";
        let mut statement = self.connection.prepare(sql)?;
        let row = |row: &Row<'_>| {
            Ok(AttemptRow {
                message_id: row.get("message_id")?,
                sha256: row.get("sha256")?,
                at: row.get("at")?,
                outcome: row.get("outcome")?,
                phase: row.get("phase")?,
                reply: row.get("reply")?,
                relay: row.get("relay")?,
                tls: row.get("tls")?,
                cipher: row.get("cipher")?,
                certificate_sha256: row.get("certificate_sha256")?,
            })
        };
        let rows = statement.query_map([message_id, &before], row)?.collect::<Result<_, _>>()?;
        Ok(rows)
    }

    /// Runs whose report has come to an end without reaching everyone, and of which nobody
    /// was told yet.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails.
    pub fn untold(&self) -> Result<Vec<Key>, LedgerError> {
        let sql = "SELECT schedule, nominal, revision FROM outbox
                   GROUP BY schedule, nominal, revision
                   HAVING sum(purpose = 'undelivered') = 0
                      AND sum(purpose = 'report' AND state NOT IN
                              ('delivered', 'refused', 'expired', 'held')) = 0
                      AND sum(purpose = 'report' AND state <> 'delivered') > 0";
        let mut statement = self.connection.prepare(sql)?;
        let key = |row: &Row<'_>| {
            Ok(Key { schedule: row.get(0)?, nominal: row.get(1)?, revision: row.get(2)? })
        };
        let keys = statement.query_map([], key)?.collect::<Result<_, _>>()?;
        Ok(keys)
    }

    /// The very bytes of a message.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails, or has no such message.
    pub fn bytes(&self, message_id: &str) -> Result<Vec<u8>, LedgerError> {
        let sql = "SELECT bytes FROM outbox WHERE message_id = ?1";
        Ok(self.connection.query_row(sql, [message_id], |row| row.get(0))?)
    }

    /// Writes down further messages of a run; one that is there already is left as it is.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails; nothing is then changed.
    pub fn queue(
        &mut self,
        messages: &[NewMessage],
        now: DateTime<Utc>,
    ) -> Result<(), LedgerError> {
        let transaction = self.connection.transaction()?;
        for message in messages {
            insert(&transaction, message, now)?;
        }
        transaction.commit()?;
        store::step("ledger committed");
        Ok(())
    }

    /// Marks a message as being handed over. When this returns, it is on the disk.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails: the message must then not be handed over.
    pub fn sending(&self, message_id: &str, now: DateTime<Utc>) -> Result<(), LedgerError> {
        self.connection.execute(
            "UPDATE outbox SET state = 'sending', next_at = NULL, updated = ?2
             WHERE message_id = ?1",
            params![message_id, text(now)],
        )?;
        store::step("message marked as sending");
        Ok(())
    }

    /// Writes down what an attempt came to, in one transaction.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails; nothing is then changed.
    pub fn settle(
        &mut self,
        message: &Message,
        (state, next_at): (State, Option<DateTime<Utc>>),
        attempt: &Attempt,
        now: DateTime<Utc>,
    ) -> Result<(), LedgerError> {
        let doubt = attempt.outcome == "in-doubt";
        let transaction = self.connection.transaction()?;
        transaction.execute(
            "UPDATE outbox SET state = ?2, next_at = ?3, attempts = attempts + 1,
                    doubts = doubts + ?4, updated = ?5, filed = NULL, phase = ?6, reply = ?7, relay = ?8,
                    tls = ?9, cipher = ?10, certificate_sha256 = ?11
             WHERE message_id = ?1",
            params![
                message.message_id,
                state.name(),
                next_at.map(text),
                i64::from(doubt),
                text(now),
                attempt.phase,
                attempt.reply,
                attempt.relay,
                attempt.tls,
                attempt.cipher,
                attempt.certificate_sha256,
            ],
        )?;
        log(&transaction, &message.message_id, attempt, now)?;
        transaction.commit()?;
        store::step("ledger committed");
        Ok(())
    }

    /// Puts the variant without attachments in the place of a message that is too large. It
    /// has a Message-ID of its own, which is returned: these are other bytes.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails; nothing is then changed.
    pub fn make_small(
        &mut self,
        message: &Message,
        attempt: &Attempt,
        now: DateTime<Utc>,
    ) -> Result<String, LedgerError> {
        let transaction = self.connection.transaction()?;
        let sql = "SELECT small_id FROM outbox WHERE message_id = ?1 AND small IS NOT NULL";
        let small_id: String =
            transaction.query_row(sql, [&message.message_id], |row| row.get(0))?;
        transaction.execute(
            "UPDATE outbox SET message_id = small_id, bytes = small, small_id = NULL, small = NULL,
                    state = 'queued', next_at = ?2, updated = ?2, reply = ?3
             WHERE message_id = ?1 AND small IS NOT NULL",
            params![message.message_id, text(now), attempt.reply],
        )?;
        log(&transaction, &message.message_id, attempt, now)?;
        transaction.commit()?;
        store::step("ledger committed");
        Ok(small_id)
    }

    /// Moves a message without an attempt: put back after a crash, or by a person.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails.
    pub fn put(
        &self,
        message_id: &str,
        state: State,
        next_at: Option<DateTime<Utc>>,
        reply: Option<&str>,
        doubts: u32,
    ) -> Result<(), LedgerError> {
        self.connection.execute(
            "UPDATE outbox SET state = ?2, next_at = ?3, reply = coalesce(?4, reply), doubts = ?5,
                    filed = NULL
             WHERE message_id = ?1",
            params![message_id, state.name(), next_at.map(text), reply, doubts],
        )?;
        store::step("message put");
        Ok(())
    }

    /// Gives a message all its time again, because a person asks for it.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails.
    pub fn retry(&self, message_id: &str, now: DateTime<Utc>) -> Result<(), LedgerError> {
        self.connection.execute(
            "UPDATE outbox SET state = 'queued', created = ?2, next_at = ?2, attempts = 0, filed = NULL
             WHERE message_id = ?1 AND state NOT IN ('delivered', 'sending')",
            params![message_id, text(now)],
        )?;
        store::step("message to be tried again");
        Ok(())
    }

    /// The relay's rest, if it has one.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails.
    pub fn parked(&self, name: &str) -> Result<Option<Parked>, LedgerError> {
        let sql = "SELECT * FROM relay WHERE name = ?1";
        let found = self.connection.query_row(sql, [name], |row| {
            let until: String = row.get("parked_until")?;
            Ok(Parked {
                name: row.get("name")?,
                failures: row.get("failures")?,
                until: instant(row.as_ref().column_index("parked_until")?, &until)?,
                needs_a_person: row.get("needs_a_person")?,
                why: row.get("why")?,
            })
        });
        Ok(found.optional()?)
    }

    /// Leaves a relay alone until an instant.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails.
    pub fn park(&self, parked: &Parked) -> Result<(), LedgerError> {
        self.connection.execute(
            "INSERT OR REPLACE INTO relay (name, failures, parked_until, needs_a_person, why)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                parked.name,
                parked.failures,
                text(parked.until),
                parked.needs_a_person,
                parked.why
            ],
        )?;
        store::step("relay parked");
        Ok(())
    }

    /// Ends the rest of a relay, or of all.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails.
    pub fn unpark(&self, name: Option<&str>) -> Result<(), LedgerError> {
        self.connection
            .execute("DELETE FROM relay WHERE ?1 IS NULL OR name = ?1", params![name])?;
        store::step("relay freed");
        Ok(())
    }

    fn select(
        &self,
        rest: &str,
        values: &[&dyn rusqlite::ToSql],
    ) -> Result<Vec<Message>, LedgerError> {
        let mut statement =
            self.connection.prepare(&format!("SELECT {COLUMNS} FROM outbox {rest}"))?;
        let messages = statement.query_map(values, read)?.collect::<Result<_, _>>()?;
        Ok(messages)
    }
}

pub(super) fn insert(
    connection: &rusqlite::Connection,
    message: &NewMessage,
    now: DateTime<Utc>,
) -> Result<(), LedgerError> {
    let (small_id, small) = message.small.as_ref().map(|(id, bytes)| (id, bytes)).unzip();
    connection.execute(
        "INSERT INTO outbox (message_id, schedule, nominal, revision, purpose, recipient, sender,
                             state, created, updated, next_at, bytes, small_id, small)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'queued', ?8, ?8, ?8, ?9, ?10, ?11)
         ON CONFLICT (schedule, nominal, revision, purpose, recipient) DO NOTHING",
        params![
            message.message_id,
            message.key.schedule,
            message.key.nominal,
            message.key.revision,
            message.purpose.name(),
            message.recipient,
            message.sender,
            text(now),
            message.bytes,
            small_id,
            small,
        ],
    )?;
    Ok(())
}

/// Marks a message as being in a bag. The bytes of one that was delivered are evidence there,
/// and nobody needs them here again.
pub(super) fn file(
    connection: &rusqlite::Connection,
    message_id: &str,
    seq: i64,
) -> Result<(), LedgerError> {
    connection.execute(
        "UPDATE outbox SET filed = ?2,
                bytes = CASE state WHEN 'delivered' THEN x'' ELSE bytes END
         WHERE message_id = ?1",
        params![message_id, seq],
    )?;
    Ok(())
}

fn log(
    connection: &rusqlite::Connection,
    message_id: &str,
    attempt: &Attempt,
    now: DateTime<Utc>,
) -> Result<(), LedgerError> {
    connection.execute(
        "INSERT INTO attempt (message_id, sha256, at, outcome, phase, reply, relay, tls, cipher,
                              certificate_sha256)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            message_id,
            attempt.sha256,
            text(now),
            attempt.outcome,
            attempt.phase,
            attempt.reply,
            attempt.relay,
            attempt.tls,
            attempt.cipher,
            attempt.certificate_sha256,
        ],
    )?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Message, rusqlite::Error> {
    let (state, purpose): (String, String) = (row.get("state")?, row.get("purpose")?);
    let (created, updated): (String, String) = (row.get("created")?, row.get("updated")?);
    Ok(Message {
        message_id: row.get("message_id")?,
        key: Key {
            schedule: row.get("schedule")?,
            nominal: row.get("nominal")?,
            revision: row.get("revision")?,
        },
        purpose: Purpose::of(&purpose),
        recipient: row.get("recipient")?,
        sender: row.get("sender")?,
        // The table admits these words only.
        state: State::ALL.into_iter().find(|known| known.name() == state).unwrap_or(State::Held),
        attempts: row.get("attempts")?,
        doubts: row.get("doubts")?,
        created: instant(row.as_ref().column_index("created")?, &created)?,
        updated: instant(row.as_ref().column_index("updated")?, &updated)?,
        next_at: maybe_instant(row, "next_at")?,
        has_small: row.get("has_small")?,
        reply: row.get("reply")?,
        relay: row.get("relay")?,
        tls: row.get("tls")?,
        cipher: row.get("cipher")?,
        certificate_sha256: row.get("certificate_sha256")?,
    })
}
