//! Table `auth_overrides`: callers' own credentials for servers.

use uuid::Uuid;
use warder_shared::id::{OverrideId, ServerId};
use warder_shared::principal::Principal;

use super::Result;
use super::query::{Conn, Value, values_of};
use super::row::{FromRow, Number, Row};
use super::sealed::AUTH_OVERRIDE;
use super::subject::{principal_columns, read_principal};
use super::tx::Tx;
use crate::domain::{AuthOverride, Change, Page, PageRequest};

/// An override together with its sealed values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedOverride {
    /// What is readable of it.
    pub record: AuthOverride,
    /// What the vault made of its values.
    pub sealed_values: Vec<u8>,
}

/// Adds an override, or writes over the one with the same id.
///
/// # Errors
/// [`super::StoreError::MissingReference`] when the server does not exist,
/// [`super::StoreError::Conflict`] when the subject has another override of that server.
pub async fn put(tx: &mut Tx, record: &AuthOverride, sealed_values: &[u8]) -> Result<()> {
    const SQL: &str = "INSERT INTO auth_overrides (id, server_id, subject_kind, subject_id, secret, \
        hints, origin, revision, created_at, updated_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO UPDATE SET \
        secret = excluded.secret, hints = excluded.hints, origin = excluded.origin, \
        revision = excluded.revision, updated_at = excluded.updated_at";
    let (kind, id) = principal_columns(record.subject);
    let values = values_of![
        record.id.as_uuid(),
        record.server_id.as_uuid(),
        kind,
        id,
        sealed_values,
        Value::json(&record.hints)?,
        record.origin.as_str(),
        record.revision,
        record.created_at,
        record.updated_at,
    ];
    let is_first = !exist_for_server(&mut *tx, record.server_id).await?;
    Conn::from(&mut *tx).execute(SQL, values).await?;
    if is_first {
        tx.record_change(Change::Server(record.server_id)).await?;
    }
    tx.record_change(Change::Credential(record.server_id, record.subject))
        .await
}

/// Whether anybody has an override of a server. Pods are told, since they ask for credentials of a
/// server only where there may be one; so the first and the last override also change the server.
///
/// # Errors
/// When the database fails.
pub async fn exist_for_server(conn: impl Into<Conn<'_>>, server: ServerId) -> Result<bool> {
    const SQL: &str = "SELECT COUNT(*) AS number FROM \
        (SELECT id FROM auth_overrides WHERE server_id = $1 LIMIT 1) AS one";
    let found: Number = conn
        .into()
        .fetch_one(SQL, values_of![server.as_uuid()])
        .await?;
    Ok(found.0 > 0)
}

/// The servers of which anybody has an override.
///
/// # Errors
/// When the database fails.
pub async fn overridden_servers(conn: impl Into<Conn<'_>>) -> Result<Vec<ServerId>> {
    const SQL: &str = "SELECT DISTINCT server_id FROM auth_overrides";
    let servers: Vec<Overridden> = conn.into().fetch_all(SQL, Vec::new()).await?;
    Ok(servers.into_iter().map(|server| server.0).collect())
}

/// A caller's override of a server.
///
/// # Errors
/// When the database fails.
pub async fn find(
    conn: impl Into<Conn<'_>>,
    server: ServerId,
    subject: Principal,
) -> Result<Option<AuthOverride>> {
    Ok(find_sealed(conn, server, subject)
        .await?
        .map(|found| found.record))
}

/// A caller's override of a server, with its sealed values.
///
/// # Errors
/// When the database fails.
pub async fn find_sealed(
    conn: impl Into<Conn<'_>>,
    server: ServerId,
    subject: Principal,
) -> Result<Option<SealedOverride>> {
    const SQL: &str = "SELECT id, server_id, subject_kind, subject_id, secret, hints, origin, \
        revision, created_at, updated_at FROM auth_overrides \
        WHERE server_id = $1 AND subject_kind = $2 AND subject_id = $3";
    let (kind, id) = principal_columns(subject);
    conn.into()
        .fetch_optional(SQL, values_of![server.as_uuid(), kind, id])
        .await
}

/// Every override, with its sealed values.
///
/// # Errors
/// When the database fails.
pub async fn all_sealed(conn: impl Into<Conn<'_>>) -> Result<Vec<SealedOverride>> {
    const SQL: &str = "SELECT id, server_id, subject_kind, subject_id, secret, hints, origin, \
        revision, created_at, updated_at FROM auth_overrides";
    conn.into().fetch_all(SQL, Vec::new()).await
}

/// The overrides of a server by id, which is the order they were made in.
///
/// # Errors
/// When the database fails.
pub async fn list_of_server(
    conn: impl Into<Conn<'_>>,
    server: ServerId,
    request: &PageRequest<OverrideId>,
) -> Result<Page<AuthOverride, OverrideId>> {
    const SQL: &str = "SELECT id, server_id, subject_kind, subject_id, hints, origin, revision, \
        created_at, updated_at FROM auth_overrides WHERE server_id = $1 AND id > $2 \
        ORDER BY id LIMIT $3";
    let after = request.after.map_or(Uuid::nil(), OverrideId::as_uuid);
    let values = values_of![server.as_uuid(), after, request.rows()];
    let overrides = conn.into().fetch_all(SQL, values).await?;
    Ok(Page::cut(overrides, request, |item: &AuthOverride| item.id))
}

/// The overrides of a caller, by server.
///
/// # Errors
/// When the database fails.
pub async fn of_subject(
    conn: impl Into<Conn<'_>>,
    subject: Principal,
) -> Result<Vec<AuthOverride>> {
    const SQL: &str = "SELECT id, server_id, subject_kind, subject_id, hints, origin, revision, \
        created_at, updated_at FROM auth_overrides \
        WHERE subject_kind = $1 AND subject_id = $2 ORDER BY server_id";
    let (kind, id) = principal_columns(subject);
    conn.into().fetch_all(SQL, values_of![kind, id]).await
}

/// Removes a caller's override of a server; whether there was one.
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut Tx, server: ServerId, subject: Principal) -> Result<bool> {
    const SQL: &str = "DELETE FROM auth_overrides \
                       WHERE server_id = $1 AND subject_kind = $2 AND subject_id = $3 \
                       RETURNING id, server_id, subject_kind, subject_id";
    let (kind, id) = principal_columns(subject);
    let keys = removed(tx, SQL, values_of![server.as_uuid(), kind, id]).await?;
    Ok(!keys.is_empty())
}

/// Removes every override of a server, as when its auth no longer fits them; whose.
///
/// # Errors
/// When the database fails.
pub async fn delete_of_server(tx: &mut Tx, server: ServerId) -> Result<Vec<Principal>> {
    const SQL: &str = "DELETE FROM auth_overrides WHERE server_id = $1 \
                       RETURNING id, server_id, subject_kind, subject_id";
    removed(tx, SQL, values_of![server.as_uuid()])
        .await
        .map(|keys| keys.into_iter().map(|key| key.subject).collect())
}

/// Removes every override of a caller, as when they are deleted; of which servers.
///
/// # Errors
/// When the database fails.
pub async fn delete_of_subject(tx: &mut Tx, subject: Principal) -> Result<Vec<ServerId>> {
    const SQL: &str = "DELETE FROM auth_overrides WHERE subject_kind = $1 AND subject_id = $2 \
                       RETURNING id, server_id, subject_kind, subject_id";
    let (kind, id) = principal_columns(subject);
    removed(tx, SQL, values_of![kind, id])
        .await
        .map(|keys| keys.into_iter().map(|key| key.server).collect())
}

/// Notes that the overrides of a server go with it.
pub(super) async fn drop_seals_of_server(tx: &mut Tx, server: ServerId) -> Result<()> {
    const SQL: &str =
        "SELECT id, server_id, subject_kind, subject_id FROM auth_overrides WHERE server_id = $1";
    let keys: Vec<Key> = Conn::from(&mut *tx)
        .fetch_all(SQL, values_of![server.as_uuid()])
        .await?;
    for key in keys {
        tx.drop_seal(AUTH_OVERRIDE, key.id);
    }
    Ok(())
}

async fn removed(tx: &mut Tx, sql: &'static str, values: Vec<Value>) -> Result<Vec<Key>> {
    let keys: Vec<Key> = Conn::from(&mut *tx).fetch_all(sql, values).await?;
    for key in &keys {
        tx.drop_seal(AUTH_OVERRIDE, key.id);
        record_removal(tx, key.server, key.subject).await?;
    }
    Ok(keys)
}

async fn record_removal(tx: &mut Tx, server: ServerId, subject: Principal) -> Result<()> {
    if !exist_for_server(&mut *tx, server).await? {
        tx.record_change(Change::Server(server)).await?;
    }
    tx.record_change(Change::Credential(server, subject)).await
}

struct Key {
    id: OverrideId,
    server: ServerId,
    subject: Principal,
}

struct Overridden(ServerId);

impl FromRow for Overridden {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self(ServerId::from_uuid(row.get("server_id")?)))
    }
}

impl FromRow for Key {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: OverrideId::from_uuid(row.get("id")?),
            server: ServerId::from_uuid(row.get("server_id")?),
            subject: read_principal(row)?,
        })
    }
}

impl FromRow for AuthOverride {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: OverrideId::from_uuid(row.get("id")?),
            server_id: ServerId::from_uuid(row.get("server_id")?),
            subject: read_principal(row)?,
            hints: row.json("hints")?,
            origin: row.get("origin")?,
            revision: row.get("revision")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
        })
    }
}

impl FromRow for SealedOverride {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            record: AuthOverride::from_row(row)?,
            sealed_values: row.get("secret")?,
        })
    }
}
