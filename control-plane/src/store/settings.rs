//! Table `settings`: facts about the database as a whole.

use uuid::Uuid;

use super::db::Store;
use super::query::{Conn, values_of};
use super::row::{FromRow, Row};
use super::{Result, StoreError};

const EPOCH: &str = "epoch";

/// The identity of this database, made once, at its first migration. Pods compare it before they
/// believe that a version number counts the same history.
///
/// # Errors
/// When the database was never migrated, or fails.
pub async fn epoch(conn: impl Into<Conn<'_>>) -> Result<String> {
    get(conn, EPOCH).await?.ok_or(StoreError::Corrupt {
        column: "settings.epoch",
        reason: "the database has no identity: run the migrations".to_owned(),
    })
}

pub(super) async fn ensure_epoch(store: &Store) -> Result<()> {
    const SQL: &str =
        "INSERT INTO settings (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING";
    // Any fresh UUID will do.
    let epoch: Uuid = warder_shared::id::EventId::new(store.clock()).as_uuid();
    Conn::from(store)
        .execute(SQL, values_of![EPOCH, epoch.to_string()])
        .await?;
    Ok(())
}

async fn get(conn: impl Into<Conn<'_>>, key: &str) -> Result<Option<String>> {
    const SQL: &str = "SELECT value FROM settings WHERE key = $1";
    let setting: Option<Setting> = conn.into().fetch_optional(SQL, values_of![key]).await?;
    Ok(setting.map(|setting| setting.0))
}

struct Setting(String);

impl FromRow for Setting {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self(row.get("value")?))
    }
}
