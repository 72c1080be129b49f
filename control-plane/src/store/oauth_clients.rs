//! Table `oauth_clients`: clients that registered themselves.

use chrono::{DateTime, Utc};

use super::Result;
use super::query::{Conn, Value, values_of};
use super::row::{FromRow, Number, Row};
use super::tx::Tx;
use crate::domain::{KnownBy, OAuthClient, RegisteredClient};

/// Adds a client.
///
/// # Errors
/// [`super::StoreError::Conflict`] when the id is taken.
pub async fn insert(tx: &mut Tx, registered: &RegisteredClient) -> Result<()> {
    const SQL: &str = "INSERT INTO oauth_clients (id, name, redirect_uris, refreshes, secret_hash, \
                       metadata, registered_from, created_at, last_used_at) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let client = &registered.client;
    let values = values_of![
        client.id.as_str(),
        client.name.as_str(),
        Value::json(&client.redirect_uris)?,
        client.refreshes,
        registered.secret_hash.as_deref(),
        Value::json(&registered.metadata)?,
        registered.registered_from.as_slice(),
        registered.created_at,
        registered.last_used_at,
    ];
    Conn::from(tx).execute(SQL, values).await.map(drop)
}

/// The client with an id.
///
/// # Errors
/// When the database fails.
pub async fn find(conn: impl Into<Conn<'_>>, id: &str) -> Result<Option<RegisteredClient>> {
    const SQL: &str = "SELECT id, name, redirect_uris, refreshes, secret_hash, metadata, \
                       registered_from, created_at, last_used_at FROM oauth_clients WHERE id = $1";
    conn.into().fetch_optional(SQL, values_of![id]).await
}

/// Notes that a client was used, unless that was noted after `recent`.
///
/// # Errors
/// When the database fails.
pub async fn touch(tx: &mut Tx, id: &str, recent: DateTime<Utc>) -> Result<()> {
    const SQL: &str = "UPDATE oauth_clients SET last_used_at = $2 WHERE id = $1 \
                       AND (last_used_at IS NULL OR last_used_at < $3)";
    let values = values_of![id, tx.now(), recent];
    Conn::from(tx).execute(SQL, values).await.map(drop)
}

/// How many clients were never used.
///
/// # Errors
/// When the database fails.
pub async fn count_unused(conn: impl Into<Conn<'_>>) -> Result<i64> {
    const SQL: &str = "SELECT COUNT(*) AS number FROM oauth_clients WHERE last_used_at IS NULL";
    let count: Number = conn.into().fetch_one(SQL, Vec::new()).await?;
    Ok(count.0)
}

/// How many clients registered from an address since `since`.
///
/// # Errors
/// When the database fails.
pub async fn count_from(
    conn: impl Into<Conn<'_>>,
    registered_from: &[u8],
    since: DateTime<Utc>,
) -> Result<i64> {
    const SQL: &str = "SELECT COUNT(*) AS number FROM oauth_clients \
                       WHERE registered_from = $1 AND created_at > $2";
    let count: Number = conn
        .into()
        .fetch_one(SQL, values_of![registered_from, since])
        .await?;
    Ok(count.0)
}

/// Forgets clients that were made before `unused` and never used, or last used before `inactive`; how many.
///
/// # Errors
/// When the database fails.
pub async fn delete_idle(
    tx: &mut Tx,
    unused: DateTime<Utc>,
    inactive: DateTime<Utc>,
) -> Result<u64> {
    const SQL: &str = "DELETE FROM oauth_clients WHERE (last_used_at IS NULL AND created_at < $1) \
                       OR last_used_at < $2";
    Conn::from(tx)
        .execute(SQL, values_of![unused, inactive])
        .await
}

impl FromRow for RegisteredClient {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            client: OAuthClient {
                id: row.get("id")?,
                name: row.get("name")?,
                redirect_uris: row.json("redirect_uris")?,
                refreshes: row.get("refreshes")?,
                known_by: KnownBy::Registration,
            },
            secret_hash: row.optional("secret_hash")?,
            metadata: row.json("metadata")?,
            registered_from: row.get("registered_from")?,
            created_at: row.get("created_at")?,
            last_used_at: row.optional("last_used_at")?,
        })
    }
}
