//! Table `signing_keys`: the keys that sign tokens.

use chrono::{DateTime, Utc};

use super::Result;
use super::query::{Conn, values_of};
use super::row::{FromRow, Row};
use super::sealed::SIGNING_KEY;
use super::tx::Tx;
use crate::domain::{Change, SigningKeyRecord};

/// Every key, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn list(conn: impl Into<Conn<'_>>) -> Result<Vec<SigningKeyRecord>> {
    const SQL: &str = "SELECT kid, algorithm, public_key, created_at, active_from, retired_at, \
                       verify_until FROM signing_keys ORDER BY created_at, kid";
    conn.into().fetch_all(SQL, Vec::new()).await
}

/// The sealed private half of a key.
///
/// # Errors
/// When the database fails.
pub async fn sealed_private_key(conn: impl Into<Conn<'_>>, kid: &str) -> Result<Option<Vec<u8>>> {
    const SQL: &str = "SELECT kid, private_key FROM signing_keys WHERE kid = $1";
    let key: Option<SealedKey> = conn.into().fetch_optional(SQL, values_of![kid]).await?;
    Ok(key.map(|key| key.sealed))
}

/// Every sealed private half, with its key's id.
///
/// # Errors
/// When the database fails.
pub async fn all_sealed(conn: impl Into<Conn<'_>>) -> Result<Vec<(String, Vec<u8>)>> {
    const SQL: &str = "SELECT kid, private_key FROM signing_keys";
    let keys: Vec<SealedKey> = conn.into().fetch_all(SQL, Vec::new()).await?;
    Ok(keys.into_iter().map(|key| (key.kid, key.sealed)).collect())
}

/// Adds a key and its sealed private half.
///
/// # Errors
/// When the database fails.
pub async fn insert(tx: &mut Tx, key: &SigningKeyRecord, sealed_private_key: &[u8]) -> Result<()> {
    const SQL: &str = "INSERT INTO signing_keys (kid, algorithm, public_key, private_key, created_at, \
                       active_from, retired_at, verify_until) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let values = values_of![
        key.kid.as_str(),
        key.algorithm.as_str(),
        key.public_key.as_slice(),
        sealed_private_key,
        key.created_at,
        key.active_from,
        key.retired_at,
        key.verify_until,
    ];
    Conn::from(&mut *tx).execute(SQL, values).await?;
    tx.record_change(Change::Keys).await
}

/// Notes that a key signs no more, and how long its signatures are still good.
///
/// # Errors
/// When the database fails.
pub async fn retire(
    tx: &mut Tx,
    kid: &str,
    at: DateTime<Utc>,
    verify_until: DateTime<Utc>,
) -> Result<()> {
    const SQL: &str = "UPDATE signing_keys SET retired_at = $2, verify_until = $3 \
                       WHERE kid = $1 AND retired_at IS NULL";
    if Conn::from(&mut *tx)
        .execute(SQL, values_of![kid, at, verify_until])
        .await?
        > 0
    {
        tx.record_change(Change::Keys).await?;
    }
    Ok(())
}

/// Drops keys whose last signature has expired by `now`; how many.
///
/// # Errors
/// When the database fails.
pub async fn delete_expired(tx: &mut Tx, now: DateTime<Utc>) -> Result<usize> {
    const SQL: &str = "DELETE FROM signing_keys WHERE verify_until IS NOT NULL AND verify_until < $1 \
                       RETURNING kid, private_key";
    let dropped: Vec<SealedKey> = Conn::from(&mut *tx).fetch_all(SQL, values_of![now]).await?;
    for key in &dropped {
        tx.drop_seal(SIGNING_KEY, &key.kid);
    }
    if !dropped.is_empty() {
        tx.record_change(Change::Keys).await?;
    }
    Ok(dropped.len())
}

impl FromRow for SigningKeyRecord {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            kid: row.get("kid")?,
            algorithm: row.get("algorithm")?,
            public_key: row.get("public_key")?,
            created_at: row.get("created_at")?,
            active_from: row.get("active_from")?,
            retired_at: row.optional("retired_at")?,
            verify_until: row.optional("verify_until")?,
        })
    }
}

struct SealedKey {
    kid: String,
    sealed: Vec<u8>,
}

impl FromRow for SealedKey {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            kid: row.get("kid")?,
            sealed: row.get("private_key")?,
        })
    }
}
