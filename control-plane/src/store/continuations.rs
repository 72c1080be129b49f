//! Table `continuations`: where browsers go on once they are signed in.

use chrono::{DateTime, Utc};

use super::Result;
use super::query::{Conn, values_of};
use super::row::{FromRow, Number, Row};
use super::tx::Tx;
use crate::domain::SecretHash;

/// Keeps a target, sealed under the handle, for the browser that asked for it.
///
/// # Errors
/// When the database fails.
pub async fn insert(
    tx: &mut Tx,
    handle: &SecretHash,
    browser: &SecretHash,
    target: &[u8],
    expires_at: DateTime<Utc>,
) -> Result<()> {
    const SQL: &str = "INSERT INTO continuations (handle_hash, browser_hash, target, expires_at) \
                       VALUES ($1, $2, $3, $4)";
    let values = values_of![handle.as_bytes(), browser.as_bytes(), target, expires_at];
    Conn::from(tx).execute(SQL, values).await.map(drop)
}

/// How many there are.
///
/// # Errors
/// When the database fails.
pub async fn count(conn: impl Into<Conn<'_>>) -> Result<i64> {
    const SQL: &str = "SELECT COUNT(*) AS number FROM continuations";
    Ok(conn.into().fetch_one::<Number>(SQL, Vec::new()).await?.0)
}

/// Takes the sealed target of a handle, once, for the browser that it was kept for.
///
/// # Errors
/// When the database fails.
pub async fn take(
    tx: &mut Tx,
    handle: &SecretHash,
    browser: &SecretHash,
) -> Result<Option<Vec<u8>>> {
    const SQL: &str = "DELETE FROM continuations WHERE handle_hash = $1 AND browser_hash = $2 \
                       AND expires_at > $3 RETURNING target";
    let values = values_of![handle.as_bytes(), browser.as_bytes(), tx.now()];
    let target: Option<Target> = Conn::from(tx).fetch_optional(SQL, values).await?;
    Ok(target.map(|target| target.0))
}

/// Forgets what expired by `now`; how many.
///
/// # Errors
/// When the database fails.
pub async fn delete_expired(tx: &mut Tx, now: DateTime<Utc>) -> Result<u64> {
    const SQL: &str = "DELETE FROM continuations WHERE expires_at <= $1";
    Conn::from(tx).execute(SQL, values_of![now]).await
}

struct Target(Vec<u8>);

impl FromRow for Target {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self(row.get("target")?))
    }
}
