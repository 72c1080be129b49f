//! Table `key_terms`: the keys that seal values, themselves sealed by the root key.

use chrono::{DateTime, Utc};

use super::Result;
use super::query::{Conn, values_of};
use super::row::{FromRow, Row};
use super::tx::Tx;

/// One generation of the sealing key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyTerm {
    /// 1 and upwards; the highest seals, all of them open.
    pub term: i64,
    /// The key, sealed by the root key.
    pub wrapped_key: Vec<u8>,
    /// How many values it has sealed.
    pub encryptions: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// Every term, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn list(conn: impl Into<Conn<'_>>) -> Result<Vec<KeyTerm>> {
    const SQL: &str =
        "SELECT term, wrapped_key, encryptions, created_at FROM key_terms ORDER BY term";
    conn.into().fetch_all(SQL, Vec::new()).await
}

/// Adds a term.
///
/// # Errors
/// [`super::StoreError::Conflict`] when another replica added it first.
pub async fn insert(tx: &mut Tx, term: &KeyTerm) -> Result<()> {
    const SQL: &str = "INSERT INTO key_terms (term, wrapped_key, encryptions, created_at) \
                       VALUES ($1, $2, $3, $4)";
    let values = values_of![
        term.term,
        term.wrapped_key.as_slice(),
        term.encryptions,
        term.created_at
    ];
    Conn::from(tx).execute(SQL, values).await.map(drop)
}

/// Counts one more value sealed by the newest term, and reads it. None when there is no term yet.
///
/// # Errors
/// When the database fails.
pub async fn count_encryption(tx: &mut Tx) -> Result<Option<KeyTerm>> {
    const SQL: &str = "UPDATE key_terms SET encryptions = encryptions + 1 \
                       WHERE term = (SELECT MAX(term) FROM key_terms) \
                       RETURNING term, wrapped_key, encryptions, created_at";
    Conn::from(tx).fetch_optional(SQL, Vec::new()).await
}

/// Writes the key of a term, sealed by another root key.
///
/// # Errors
/// When the database fails.
pub async fn set_wrapped_key(tx: &mut Tx, term: i64, wrapped_key: &[u8]) -> Result<()> {
    const SQL: &str = "UPDATE key_terms SET wrapped_key = $2 WHERE term = $1";
    Conn::from(tx)
        .execute(SQL, values_of![term, wrapped_key])
        .await
        .map(drop)
}

/// Destroys the keys of every term before one; how many.
///
/// # Errors
/// When the database fails.
pub async fn delete_before(tx: &mut Tx, term: i64) -> Result<u64> {
    const SQL: &str = "DELETE FROM key_terms WHERE term < $1";
    Conn::from(tx).execute(SQL, values_of![term]).await
}

impl FromRow for KeyTerm {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            term: row.get("term")?,
            wrapped_key: row.get("wrapped_key")?,
            encryptions: row.get("encryptions")?,
            created_at: row.get("created_at")?,
        })
    }
}
