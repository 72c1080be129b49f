//! Table `pending_sign_ins`: browsers that were sent to an identity provider and did not come back yet.

use chrono::{DateTime, Utc};
use warder_shared::name::Name;

use super::Result;
use super::query::{Conn, values_of};
use super::row::{FromRow, Number, Row};
use super::sessions::read_hash;
use super::tx::Tx;
use crate::domain::SecretHash;

/// A browser that was sent to an identity provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingSignIn {
    /// Hash of the `state` that it was sent with.
    pub state: SecretHash,
    /// Name of the provider.
    pub provider: Name,
    /// Hash of the browser's name.
    pub browser: SecretHash,
    /// What only the state opens.
    pub sealed: Vec<u8>,
    /// Until when it may come back.
    pub expires_at: DateTime<Utc>,
}

/// Notes that a browser was sent away.
///
/// # Errors
/// When the database fails.
pub async fn insert(tx: &mut Tx, pending: &PendingSignIn) -> Result<()> {
    const SQL: &str = "INSERT INTO pending_sign_ins (state_hash, provider, browser_hash, sealed, \
                       expires_at) VALUES ($1, $2, $3, $4, $5)";
    let values = values_of![
        pending.state.as_bytes(),
        pending.provider.as_str(),
        pending.browser.as_bytes(),
        pending.sealed.as_slice(),
        pending.expires_at,
    ];
    Conn::from(tx).execute(SQL, values).await.map(drop)
}

/// How many there are.
///
/// # Errors
/// When the database fails.
pub async fn count(conn: impl Into<Conn<'_>>) -> Result<i64> {
    const SQL: &str = "SELECT COUNT(*) AS number FROM pending_sign_ins";
    Ok(conn.into().fetch_one::<Number>(SQL, Vec::new()).await?.0)
}

/// Takes what a state stands for, once, however it ends.
///
/// # Errors
/// When the database fails.
pub async fn take(tx: &mut Tx, state: &SecretHash) -> Result<Option<PendingSignIn>> {
    const SQL: &str = "DELETE FROM pending_sign_ins WHERE state_hash = $1 \
                       RETURNING state_hash, provider, browser_hash, sealed, expires_at";
    Conn::from(tx)
        .fetch_optional(SQL, values_of![state.as_bytes()])
        .await
}

/// Forgets who did not come back by `now`; how many.
///
/// # Errors
/// When the database fails.
pub async fn delete_expired(tx: &mut Tx, now: DateTime<Utc>) -> Result<u64> {
    const SQL: &str = "DELETE FROM pending_sign_ins WHERE expires_at <= $1";
    Conn::from(tx).execute(SQL, values_of![now]).await
}

impl FromRow for PendingSignIn {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            state: read_hash(row, "state_hash")?,
            provider: row.parse("provider")?,
            browser: read_hash(row, "browser_hash")?,
            sealed: row.get("sealed")?,
            expires_at: row.get("expires_at")?,
        })
    }
}
