//! Table `sign_in_attempts`: passwords that were tried and signed nobody in.

use chrono::{DateTime, Utc};
use warder_shared::id::EventId;

use super::Result;
use super::query::{Conn, values_of};
use super::row::Number;
use super::tx::Tx;
use crate::domain::SecretHash;

/// Notes an attempt, before it is known how it ends.
///
/// # Errors
/// When the database fails.
pub async fn insert(tx: &mut Tx, id: EventId, account: &SecretHash, client: &str) -> Result<()> {
    const SQL: &str =
        "INSERT INTO sign_in_attempts (id, account_hash, client, at) VALUES ($1, $2, $3, $4)";
    let values = values_of![id.as_uuid(), account.as_bytes(), client, tx.now()];
    Conn::from(tx).execute(SQL, values).await.map(drop)
}

/// How many attempts there were after `since` at this account, and how many by this client.
///
/// # Errors
/// When the database fails.
pub async fn count(
    tx: &mut Tx,
    account: &SecretHash,
    client: &str,
    since: DateTime<Utc>,
) -> Result<(i64, i64)> {
    const ACCOUNT: &str = "SELECT COUNT(*) AS number FROM sign_in_attempts \
                           WHERE account_hash = $1 AND at > $2";
    const CLIENT: &str =
        "SELECT COUNT(*) AS number FROM sign_in_attempts WHERE client = $1 AND at > $2";
    let at_account: Number = Conn::from(&mut *tx)
        .fetch_one(ACCOUNT, values_of![account.as_bytes(), since])
        .await?;
    let by_client: Number = Conn::from(tx)
        .fetch_one(CLIENT, values_of![client, since])
        .await?;
    Ok((at_account.0, by_client.0))
}

/// Forgets an attempt.
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut Tx, id: EventId) -> Result<()> {
    const SQL: &str = "DELETE FROM sign_in_attempts WHERE id = $1";
    Conn::from(tx)
        .execute(SQL, values_of![id.as_uuid()])
        .await
        .map(drop)
}

/// Forgets every attempt at an account; how many.
///
/// # Errors
/// When the database fails.
pub async fn delete_of_account(tx: &mut Tx, account: &SecretHash) -> Result<u64> {
    const SQL: &str = "DELETE FROM sign_in_attempts WHERE account_hash = $1";
    Conn::from(tx)
        .execute(SQL, values_of![account.as_bytes()])
        .await
}

/// Forgets attempts from before `limit`; how many.
///
/// # Errors
/// When the database fails.
pub async fn delete_before(tx: &mut Tx, limit: DateTime<Utc>) -> Result<u64> {
    const SQL: &str = "DELETE FROM sign_in_attempts WHERE at <= $1";
    Conn::from(tx).execute(SQL, values_of![limit]).await
}
