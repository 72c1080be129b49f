//! Table `sessions`: who is signed in, in which browser.

use chrono::{DateTime, Utc};
use warder_shared::id::UserId;

use super::Result;
use super::query::{Conn, values_of};
use super::row::{FromRow, Row, corrupt};
use super::tx::Tx;
use crate::domain::{SecretHash, Session};

/// Adds a session.
///
/// # Errors
/// When the database fails, or there is no such user.
pub async fn insert(tx: &mut Tx, session: &Session) -> Result<()> {
    const SQL: &str = "INSERT INTO sessions (id_hash, user_id, signed_in_by, created_at, \
                       last_seen_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)";
    let values = values_of![
        session.id.as_bytes(),
        session.user.as_uuid(),
        session.signed_in_by.to_string(),
        session.created_at,
        session.last_seen_at,
        session.expires_at,
    ];
    Conn::from(tx).execute(SQL, values).await.map(drop)
}

/// The session with this hash of its id; it may have ended.
///
/// # Errors
/// When the database fails.
pub async fn find(conn: impl Into<Conn<'_>>, id: &SecretHash) -> Result<Option<Session>> {
    const SQL: &str = "SELECT id_hash, user_id, signed_in_by, created_at, last_seen_at, expires_at \
                       FROM sessions WHERE id_hash = $1";
    conn.into()
        .fetch_optional(SQL, values_of![id.as_bytes()])
        .await
}

/// Sessions of a user, the oldest first; some may have ended.
///
/// # Errors
/// When the database fails.
pub async fn of_user(conn: impl Into<Conn<'_>>, user: UserId) -> Result<Vec<Session>> {
    const SQL: &str = "SELECT id_hash, user_id, signed_in_by, created_at, last_seen_at, expires_at \
                       FROM sessions WHERE user_id = $1 ORDER BY created_at, id_hash";
    conn.into().fetch_all(SQL, values_of![user.as_uuid()]).await
}

/// Notes that a request came in a session.
///
/// # Errors
/// When the database fails.
pub async fn touch(tx: &mut Tx, id: &SecretHash) -> Result<()> {
    const SQL: &str = "UPDATE sessions SET last_seen_at = $2 WHERE id_hash = $1";
    let values = values_of![id.as_bytes(), tx.now()];
    Conn::from(tx).execute(SQL, values).await.map(drop)
}

/// Ends a session of a user; whether there was one.
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut Tx, user: UserId, id: &SecretHash) -> Result<bool> {
    const SQL: &str = "DELETE FROM sessions WHERE user_id = $1 AND id_hash = $2";
    let values = values_of![user.as_uuid(), id.as_bytes()];
    Ok(Conn::from(tx).execute(SQL, values).await? > 0)
}

/// Ends every session of a user, `other_than` left alone; how many.
///
/// # Errors
/// When the database fails.
pub async fn delete_of_user(
    tx: &mut Tx,
    user: UserId,
    other_than: Option<&SecretHash>,
) -> Result<u64> {
    const SQL: &str = "DELETE FROM sessions WHERE user_id = $1 AND ($2 IS NULL OR id_hash <> $2)";
    let values = values_of![user.as_uuid(), other_than.map(|id| id.as_bytes().to_vec())];
    Conn::from(tx).execute(SQL, values).await
}

/// Forgets sessions that ended by `now`; how many.
///
/// # Errors
/// When the database fails.
pub async fn delete_ended(tx: &mut Tx, now: DateTime<Utc>) -> Result<u64> {
    const SQL: &str = "DELETE FROM sessions WHERE expires_at <= $1 OR last_seen_at <= $2";
    let values = values_of![now, now - Session::IDLE];
    Conn::from(tx).execute(SQL, values).await
}

impl FromRow for Session {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: read_hash(row, "id_hash")?,
            user: UserId::from_uuid(row.get("user_id")?),
            signed_in_by: row.parse("signed_in_by")?,
            created_at: row.get("created_at")?,
            last_seen_at: row.get("last_seen_at")?,
            expires_at: row.get("expires_at")?,
        })
    }
}

/// Reads a column that holds a hash.
pub(super) fn read_hash(row: &Row, column: &'static str) -> Result<SecretHash> {
    let bytes: Vec<u8> = row.get(column)?;
    let bytes = bytes
        .try_into()
        .map_err(|_| corrupt(column, "a hash has 32 bytes"))?;
    Ok(SecretHash::from_bytes(bytes))
}
