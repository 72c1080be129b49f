//! Table `session_keys`: the keys that seal session ids.

use chrono::{DateTime, Utc};

use super::Result;
use super::query::{Conn, values_of};
use super::row::{FromRow, Row};
use super::sealed::SESSION_KEY;
use super::tx::Tx;
use crate::domain::{Change, SessionKeyRecord};

/// A session key and its sealed bytes.
pub struct StoredSessionKey {
    /// What is readable of it.
    pub record: SessionKeyRecord,
    /// What the vault made of it.
    pub sealed_key: Vec<u8>,
}

/// Every key, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn list(conn: impl Into<Conn<'_>>) -> Result<Vec<StoredSessionKey>> {
    const SQL: &str = "SELECT id, key, created_at, active_from, retired_at FROM session_keys \
                       ORDER BY created_at, id";
    conn.into().fetch_all(SQL, Vec::new()).await
}

/// Adds a key and its sealed bytes.
///
/// # Errors
/// When the database fails.
pub async fn insert(tx: &mut Tx, key: &SessionKeyRecord, sealed_key: &[u8]) -> Result<()> {
    const SQL: &str = "INSERT INTO session_keys (id, key, created_at, active_from, retired_at) \
                       VALUES ($1, $2, $3, $4, $5)";
    let values = values_of![
        key.id.as_str(),
        sealed_key,
        key.created_at,
        key.active_from,
        key.retired_at
    ];
    Conn::from(&mut *tx).execute(SQL, values).await?;
    tx.record_change(Change::Keys).await
}

/// Notes that a key seals no more.
///
/// # Errors
/// When the database fails.
pub async fn retire(tx: &mut Tx, id: &str, at: DateTime<Utc>) -> Result<()> {
    const SQL: &str =
        "UPDATE session_keys SET retired_at = $2 WHERE id = $1 AND retired_at IS NULL";
    if Conn::from(&mut *tx)
        .execute(SQL, values_of![id, at])
        .await?
        > 0
    {
        tx.record_change(Change::Keys).await?;
    }
    Ok(())
}

/// Drops keys that were retired before `limit`; how many.
///
/// # Errors
/// When the database fails.
pub async fn delete_retired(tx: &mut Tx, limit: DateTime<Utc>) -> Result<usize> {
    const SQL: &str = "DELETE FROM session_keys WHERE retired_at IS NOT NULL AND retired_at < $1 \
                       RETURNING id, key, created_at, active_from, retired_at";
    let dropped: Vec<StoredSessionKey> = Conn::from(&mut *tx)
        .fetch_all(SQL, values_of![limit])
        .await?;
    for key in &dropped {
        tx.drop_seal(SESSION_KEY, &key.record.id);
    }
    if !dropped.is_empty() {
        tx.record_change(Change::Keys).await?;
    }
    Ok(dropped.len())
}

impl FromRow for StoredSessionKey {
    fn from_row(row: &Row) -> Result<Self> {
        let record = SessionKeyRecord {
            id: row.get("id")?,
            created_at: row.get("created_at")?,
            active_from: row.get("active_from")?,
            retired_at: row.optional("retired_at")?,
        };
        Ok(Self {
            record,
            sealed_key: row.get("key")?,
        })
    }
}
