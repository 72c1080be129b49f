//! Tables `vault_ledger` and `vault_checkpoint`: what the vault last sealed, apart from the rows that
//! hold it. What is written here only means something to the vault.

use super::Result;
use super::query::{Conn, values_of};
use super::row::{FromRow, Row};
use super::tx::Tx;

/// A line of the ledger: a place that holds a sealed value, or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerLine {
    /// Table and column.
    pub place: String,
    /// The row's key.
    pub row: String,
    /// SHA-256 of the sealed bytes; none once they were deleted.
    pub digest: Option<Vec<u8>>,
    /// The epoch that this line was written in.
    pub epoch: i64,
}

/// What the ledger adds up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Grows by one with every line that is written.
    pub epoch: i64,
    /// The ledger's key, sealed by the root key.
    pub wrapped_key: Vec<u8>,
    /// The sum over all lines, sealed by the ledger's key.
    pub sealed_sum: Vec<u8>,
}

/// The checkpoint; none in a database whose vault was never opened.
///
/// # Errors
/// When the database fails.
pub async fn checkpoint(conn: impl Into<Conn<'_>>) -> Result<Option<Checkpoint>> {
    const SQL: &str = "SELECT epoch, wrapped_key, sealed_sum FROM vault_checkpoint WHERE id = 1";
    conn.into().fetch_optional(SQL, Vec::new()).await
}

/// Writes the checkpoint.
///
/// # Errors
/// When the database fails.
pub async fn put_checkpoint(tx: &mut Tx, checkpoint: &Checkpoint) -> Result<()> {
    const SQL: &str = "INSERT INTO vault_checkpoint (id, epoch, wrapped_key, sealed_sum) \
        VALUES (1, $1, $2, $3) ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, \
        wrapped_key = excluded.wrapped_key, sealed_sum = excluded.sealed_sum";
    let values = values_of![
        checkpoint.epoch,
        checkpoint.wrapped_key.as_slice(),
        checkpoint.sealed_sum.as_slice(),
    ];
    tx.note_ledger();
    Conn::from(tx).execute(SQL, values).await.map(drop)
}

/// Writes a line in the place of the one before.
///
/// # Errors
/// When the database fails.
pub async fn put(tx: &mut Tx, line: &LedgerLine) -> Result<()> {
    const SQL: &str = "INSERT INTO vault_ledger (place, row_key, digest, epoch) \
        VALUES ($1, $2, $3, $4) ON CONFLICT (place, row_key) DO UPDATE SET \
        digest = excluded.digest, epoch = excluded.epoch";
    let values = values_of![
        line.place.as_str(),
        line.row.as_str(),
        line.digest.as_deref(),
        line.epoch,
    ];
    tx.note_ledger();
    Conn::from(tx).execute(SQL, values).await.map(drop)
}

/// The lines that were written after an epoch; all of them after 0.
///
/// # Errors
/// When the database fails.
pub async fn since(conn: impl Into<Conn<'_>>, epoch: i64) -> Result<Vec<LedgerLine>> {
    const SQL: &str = "SELECT place, row_key, digest, epoch FROM vault_ledger WHERE epoch > $1";
    conn.into().fetch_all(SQL, values_of![epoch]).await
}

/// Drops lines of deleted values that were written before an epoch: whoever is that far behind reads
/// the whole ledger.
///
/// # Errors
/// When the database fails.
pub async fn forget_deleted(tx: &mut Tx, epoch: i64) -> Result<u64> {
    const SQL: &str = "DELETE FROM vault_ledger WHERE digest IS NULL AND epoch < $1";
    Conn::from(tx).execute(SQL, values_of![epoch]).await
}

/// Drops every line.
///
/// # Errors
/// When the database fails.
pub async fn clear(tx: &mut Tx) -> Result<()> {
    tx.note_ledger();
    Conn::from(tx)
        .execute("DELETE FROM vault_ledger", Vec::new())
        .await
        .map(drop)
}

impl FromRow for LedgerLine {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            place: row.get("place")?,
            row: row.get("row_key")?,
            digest: row.optional("digest")?,
            epoch: row.get("epoch")?,
        })
    }
}

impl FromRow for Checkpoint {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            epoch: row.get("epoch")?,
            wrapped_key: row.get("wrapped_key")?,
            sealed_sum: row.get("sealed_sum")?,
        })
    }
}
