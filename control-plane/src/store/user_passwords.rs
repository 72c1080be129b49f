//! Table `user_passwords`: hashes of passwords.

use warder_shared::id::UserId;

use super::Result;
use super::query::{Conn, values_of};
use super::row::{FromRow, Row};
use super::tx::Tx;

/// Sets a user's password, as a PHC string.
///
/// # Errors
/// When the database fails, or there is no such user.
pub async fn put(tx: &mut Tx, user: UserId, hash: &str) -> Result<()> {
    const SQL: &str = "INSERT INTO user_passwords (user_id, hash, updated_at) VALUES ($1, $2, $3) \
                       ON CONFLICT (user_id) DO UPDATE SET hash = $2, updated_at = $3";
    let values = values_of![user.as_uuid(), hash, tx.now()];
    Conn::from(tx).execute(SQL, values).await.map(drop)
}

/// The PHC string of a user's password, if they have one.
///
/// # Errors
/// When the database fails.
pub async fn find(conn: impl Into<Conn<'_>>, user: UserId) -> Result<Option<String>> {
    const SQL: &str = "SELECT hash FROM user_passwords WHERE user_id = $1";
    let found: Option<Hash> = conn
        .into()
        .fetch_optional(SQL, values_of![user.as_uuid()])
        .await?;
    Ok(found.map(|hash| hash.0))
}

struct Hash(String);

impl FromRow for Hash {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self(row.get("hash")?))
    }
}
