//! Heads of the archive as the ledger remembers them: what the archive must show.

use rusqlite::{OptionalExtension, Row};

use super::{Ledger, LedgerError};

/// A head that was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownHead {
    /// Sequence number.
    pub seq: u64,
    /// Name of the bag.
    pub bag: String,
    /// SHA-256 of the head.
    pub sha256: String,
    /// When it was sealed.
    pub time: String,
}

impl Ledger {
    /// All heads, in order.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails.
    pub fn heads(&self) -> Result<Vec<KnownHead>, LedgerError> {
        let mut statement = self.connection.prepare("SELECT * FROM head ORDER BY seq")?;
        let heads = statement.query_map([], read)?.collect::<Result<_, _>>()?;
        Ok(heads)
    }

    /// The newest head.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails.
    pub fn newest_head(&self) -> Result<Option<KnownHead>, LedgerError> {
        let sql = "SELECT * FROM head ORDER BY seq DESC LIMIT 1";
        Ok(self.connection.query_row(sql, [], read).optional()?)
    }
}

fn read(row: &Row<'_>) -> Result<KnownHead, rusqlite::Error> {
    let seq: i64 = row.get("seq")?;
    Ok(KnownHead {
        seq: seq.cast_unsigned(),
        bag: row.get("bag")?,
        sha256: row.get("sha256")?,
        time: row.get("time")?,
    })
}
