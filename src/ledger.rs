//! The ledger: what was due, what ran, and what became of every message.
//!
//! One `SQLite` file in the state folder (`ledger.db`), which anybody can open with stock tools.
//!
//! | table | one row per | key |
//! |---|---|---|
//! | `schedule` | schedule that was ever looked at | name |
//! | `head` | sealed bag: what the archive must show | sequence number |
//! | `run` | nominal occurrence and revision | schedule, nominal, revision |
//! | `start` | run that was begun and did not come to an end: how often | as `run` |
//! | `outbox` | message to one recipient | Message-ID; once per run, purpose and recipient |
//! | `attempt` | attempt to hand a message over; rows are only added | number |
//! | `relay` | relay that is parked | its settings |
//!
//! Invariants
//! * The key of `run` is what makes an occurrence run once: a row is inserted or ignored.
//! * A schedule's cursor and the rows that came due move in one transaction.
//! * Every commit is on the disk before the call returns (WAL, `synchronous = FULL`); both
//!   settings are read back, and a ledger that does not take them is refused.
//! * Times are RFC 3339 in UTC with whole seconds, so that their texts sort as they do.

mod heads;
mod lock;
mod outbox;
mod runs;

use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, Utc};
use rusqlite::{Connection, OpenFlags};

pub use self::heads::KnownHead;
pub use self::lock::Lock;
pub use self::outbox::{
    Attempt, AttemptRow, Message, NewMessage, Parked, Purpose, Recipient, State,
};
pub use self::runs::{Key, NewRun, Run, RunState, Trigger};
use crate::store;

/// Name of the database file in the state folder.
const FILE_NAME: &str = "ledger.db";
/// Version of the tables.
const VERSION: i64 = 1;

/// Why the ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Another process works on the same state folder.
    #[error("`{}` is in use by {holder}", folder.display())]
    Held {
        /// The state folder.
        folder: PathBuf,
        /// Who holds it, as it wrote itself down.
        holder: String,
    },
    /// The database does not promise what was asked of it.
    #[error("`{}`: {setting} is `{found}` (expected `{expected}`)", path.display())]
    Setting {
        /// The database.
        path: PathBuf,
        /// The setting.
        setting: &'static str,
        /// What it is.
        found: String,
        /// What it must be.
        expected: &'static str,
    },
    /// The tables are of another version.
    #[error("`{}` has tables of version {found} (this program knows {VERSION})", path.display())]
    Version {
        /// The database.
        path: PathBuf,
        /// What was found.
        found: i64,
    },
    /// The database or a file beside it is a link.
    #[error(
        "`{}` is a symbolic link, and none is followed where something is written: remove it",
        path.display()
    )]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// `SQLite` failed.
    #[error("the ledger failed")]
    Sqlite(#[from] rusqlite::Error),
    /// The folder could not be made.
    #[error(transparent)]
    Folder(#[from] store::WriteError),
    /// The lock file failed.
    #[error("cannot lock `{}`", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// An open ledger.
#[derive(Debug)]
pub struct Ledger {
    connection: Connection,
    // The right to write lives as long as the connection that writes.
    _lock: Option<Lock>,
}

impl Ledger {
    /// Opens the ledger of a state folder for writing, and makes it where there is none.
    /// Only the holder of the folder's [`Lock`] may do so.
    ///
    /// # Errors
    /// [`LedgerError`] when it cannot be opened, or does not promise durability.
    pub fn open(lock: Lock) -> Result<Self, LedgerError> {
        let path = lock.folder().join(FILE_NAME);
        let mut connection = connect(lock.folder(), OpenFlags::default())?;
        connection.busy_timeout(std::time::Duration::from_secs(30))?;
        ask(&connection, &path, "journal_mode", "WAL", "wal")?;
        ask(&connection, &path, "synchronous", "FULL", "2")?;
        ask(&connection, &path, "foreign_keys", "ON", "1")?;
        match version(&connection)? {
            0 => {
                let transaction = connection.transaction()?;
                transaction.execute_batch(include_str!("ledger/tables.sql"))?;
                transaction.execute_batch(include_str!("ledger/starts.sql"))?;
                transaction.pragma_update(None, "user_version", VERSION)?;
                transaction.commit()?;
                store::step("tables made");
            }
            VERSION => {
                // The one table that came later; who only reads does not need it.
                connection.execute_batch(include_str!("ledger/starts.sql"))?;
            }
            found => return Err(LedgerError::Version { path, found }),
        }
        Ok(Self { connection, _lock: Some(lock) })
    }

    /// Opens the ledger of a state folder for reading; `None` where there is none yet.
    ///
    /// # Errors
    /// [`LedgerError`] when there is one that cannot be read.
    pub fn read(folder: &Path) -> Result<Option<Self>, LedgerError> {
        let path = folder.join(FILE_NAME);
        if !path.exists() {
            return Ok(None);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = connect(folder, flags)?;
        connection.busy_timeout(std::time::Duration::from_secs(30))?;
        match version(&connection)? {
            // Made, but nothing was ever committed.
            0 => Ok(None),
            VERSION => Ok(Some(Self { connection, _lock: None })),
            found => Err(LedgerError::Version { path, found }),
        }
    }
}

/// Opens the database; neither it nor a file beside it may be a link to elsewhere.
fn connect(folder: &Path, flags: OpenFlags) -> Result<Connection, LedgerError> {
    for ending in ["", "-wal", "-shm", "-journal"] {
        let path = folder.join(format!("{FILE_NAME}{ending}"));
        if path.is_symlink() {
            return Err(LedgerError::Link { path });
        }
    }
    // The folders above may be links.
    let real = folder.canonicalize();
    let path = real.unwrap_or_else(|_| folder.to_owned()).join(FILE_NAME);
    Ok(Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NOFOLLOW)?)
}

fn version(connection: &Connection) -> Result<i64, rusqlite::Error> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Sets a pragma and reads it back: after an I/O error `SQLite` keeps a weaker mode in silence.
fn ask(
    connection: &Connection,
    path: &Path,
    setting: &'static str,
    value: &str,
    expected: &'static str,
) -> Result<(), LedgerError> {
    connection.pragma_update(None, setting, value)?;
    let found: rusqlite::types::Value =
        connection.pragma_query_value(None, setting, |row| row.get(0))?;
    let found = match found {
        rusqlite::types::Value::Integer(number) => number.to_string(),
        rusqlite::types::Value::Text(text) => text,
        other => format!("{other:?}"),
    };
    if found == expected {
        return Ok(());
    }
    Err(LedgerError::Setting { path: path.to_owned(), setting, found, expected })
}

/// An instant as the ledger writes it.
fn text(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// An instant as the ledger wrote it.
fn instant(column: usize, text: &str) -> Result<DateTime<Utc>, rusqlite::Error> {
    let parsed = DateTime::parse_from_rfc3339(text).map(|time| time.with_timezone(&Utc));
    parsed.map_err(|error| {
        let kind = rusqlite::types::Type::Text;
        rusqlite::Error::FromSqlConversionFailure(column, kind, Box::new(error))
    })
}

/// A column that may be empty.
fn maybe_instant(
    row: &rusqlite::Row<'_>,
    column: &str,
) -> Result<Option<DateTime<Utc>>, rusqlite::Error> {
    let index = row.as_ref().column_index(column)?;
    let value: Option<String> = row.get(index)?;
    value.map(|value| instant(index, &value)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database in memory has no write-ahead log, and says so only when asked.
    #[test]
    fn a_setting_that_was_not_taken_is_refused() {
        let connection = Connection::open_in_memory().unwrap();
        let error = ask(&connection, Path::new("x.db"), "journal_mode", "WAL", "wal").unwrap_err();
        assert!(error.to_string().contains("journal_mode is `memory`"), "{error}");
        ask(&connection, Path::new("x.db"), "synchronous", "FULL", "2").unwrap();
    }
}
