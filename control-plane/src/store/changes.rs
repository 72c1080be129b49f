//! Tables `changes` and `snapshot_version`: what pods have to hear of, in the order it happened.

use super::Result;
use super::query::{Conn, values_of};
use super::row::{FromRow, Number, Row, corrupt};
use super::tx::Tx;
use crate::domain::Change;

/// The channel on which PostgreSQL tells other replicas of a commit.
pub(super) const CHANNEL: &str = "warder_changes";

/// PostgreSQL only.
pub(super) const NOTIFY: &str = "SELECT pg_notify('warder_changes', '')";

/// Waits for every other transaction that changes configuration. PostgreSQL only: on SQLite
/// `BEGIN IMMEDIATE` does the same.
pub(super) async fn lock(tx: &mut Tx) -> Result<()> {
    const SQL: &str = "SELECT version AS number FROM snapshot_version WHERE id = 1 FOR UPDATE";
    Conn::from(tx)
        .fetch_one::<Number>(SQL, Vec::new())
        .await
        .map(drop)
}

/// Takes the next version. The row stays locked until the transaction ends, which is why versions
/// appear in their order.
pub(super) async fn next_version(tx: &mut Tx) -> Result<i64> {
    const SQL: &str = "UPDATE snapshot_version SET version = version + 1 WHERE id = 1 \
                       RETURNING version AS number";
    Ok(Conn::from(tx).fetch_one::<Number>(SQL, Vec::new()).await?.0)
}

pub(super) async fn insert(tx: &mut Tx, version: i64, change: Change) -> Result<()> {
    const SQL: &str = "INSERT INTO changes (version, kind, entity_id, at) VALUES ($1, $2, $3, $4) \
                       ON CONFLICT (version, kind, entity_id) DO NOTHING";
    let values = values_of![
        version,
        change.kind().as_str(),
        change.entity_id(),
        tx.now()
    ];
    Conn::from(tx).execute(SQL, values).await.map(drop)
}

/// The version of the last change.
///
/// # Errors
/// When the database fails.
pub async fn current_version(conn: impl Into<Conn<'_>>) -> Result<i64> {
    const SQL: &str = "SELECT version AS number FROM snapshot_version WHERE id = 1";
    Ok(conn.into().fetch_one::<Number>(SQL, Vec::new()).await?.0)
}

/// The changes after `version`, oldest first, at most `limit` of them; none when some of them are no
/// longer remembered, so that only the whole state can say what changed.
///
/// # Errors
/// When the database fails.
pub async fn since(tx: &mut Tx, version: i64, limit: i64) -> Result<Option<Vec<Change>>> {
    const OLDEST: &str = "SELECT COALESCE(MIN(version), \
        (SELECT version + 1 FROM snapshot_version WHERE id = 1)) AS number FROM changes";
    const SQL: &str = "SELECT kind, entity_id FROM changes WHERE version > $1 \
                       ORDER BY version, kind, entity_id LIMIT $2";
    let oldest = Conn::from(&mut *tx)
        .fetch_one::<Number>(OLDEST, Vec::new())
        .await?
        .0;
    if version + 1 < oldest {
        return Ok(None);
    }
    let changes: Vec<Change> = Conn::from(tx)
        .fetch_all(SQL, values_of![version, limit + 1])
        .await?;
    let complete = i64::try_from(changes.len()).is_ok_and(|count| count <= limit);
    Ok(complete.then_some(changes))
}

/// Forgets all but the last `keep` versions.
///
/// # Errors
/// When the database fails.
pub async fn forget(tx: &mut Tx, keep: i64) -> Result<u64> {
    const SQL: &str = "DELETE FROM changes WHERE version <= \
                       (SELECT version FROM snapshot_version WHERE id = 1) - $1";
    Conn::from(tx).execute(SQL, values_of![keep]).await
}

impl FromRow for Change {
    fn from_row(row: &Row) -> Result<Self> {
        let entity_id: String = row.get("entity_id")?;
        Self::from_parts(row.parse("kind")?, &entity_id)
            .ok_or_else(|| corrupt("entity_id", "not an id of its kind"))
    }
}
