//! Table `oauth_codes`: authorization codes, by their hashes. A used one is remembered for a while, so that
//! its second use is known for what it is.

use chrono::{DateTime, Utc};
use warder_shared::id::GrantId;

use super::Result;
use super::query::{Conn, values_of};
use super::row::{FromRow, Row};
use super::tx::Tx;
use crate::domain::AuthorizationCode;

/// Adds a code.
///
/// # Errors
/// [`super::StoreError::MissingReference`] when its grant is gone.
pub async fn insert(tx: &mut Tx, code: &AuthorizationCode) -> Result<()> {
    const SQL: &str = "INSERT INTO oauth_codes (hash, grant_id, challenge, expires_at, used_at) \
                       VALUES ($1, $2, $3, $4, $5)";
    let values = values_of![
        code.hash.as_slice(),
        code.grant.as_uuid(),
        code.challenge.as_str(),
        code.expires_at,
        code.used_at,
    ];
    Conn::from(tx).execute(SQL, values).await.map(drop)
}

/// Uses a code up: the code, for exactly one caller ever.
///
/// # Errors
/// When the database fails.
pub async fn take(tx: &mut Tx, hash: &[u8]) -> Result<Option<AuthorizationCode>> {
    const SQL: &str = "UPDATE oauth_codes SET used_at = $2 WHERE hash = $1 AND used_at IS NULL \
                       RETURNING hash, grant_id, challenge, expires_at, used_at";
    let values = values_of![hash, tx.now()];
    Conn::from(tx).fetch_optional(SQL, values).await
}

/// The code with a hash, used or not.
///
/// # Errors
/// When the database fails.
pub async fn find(conn: impl Into<Conn<'_>>, hash: &[u8]) -> Result<Option<AuthorizationCode>> {
    const SQL: &str = "SELECT hash, grant_id, challenge, expires_at, used_at FROM oauth_codes \
                       WHERE hash = $1";
    conn.into().fetch_optional(SQL, values_of![hash]).await
}

/// Forgets codes that expired before `limit`; how many.
///
/// # Errors
/// When the database fails.
pub async fn delete_expired(tx: &mut Tx, limit: DateTime<Utc>) -> Result<u64> {
    const SQL: &str = "DELETE FROM oauth_codes WHERE expires_at < $1";
    Conn::from(tx).execute(SQL, values_of![limit]).await
}

impl FromRow for AuthorizationCode {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            hash: row.get("hash")?,
            grant: GrantId::from_uuid(row.get("grant_id")?),
            challenge: row.get("challenge")?,
            expires_at: row.get("expires_at")?,
            used_at: row.optional("used_at")?,
        })
    }
}
