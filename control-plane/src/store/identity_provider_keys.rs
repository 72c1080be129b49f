//! Table `identity_provider_keys`: what providers publish, and whose turn it is to read it.

use chrono::{DateTime, Utc};
use warder_shared::id::IdentityProviderId;

use super::Result;
use super::query::{Conn, Value, values_of};
use super::row::{FromRow, Row};
use super::tx::Tx;
use crate::domain::{Change, ProviderKeys};

/// What is known of a provider's keys.
///
/// # Errors
/// When the database fails.
pub async fn find(
    conn: impl Into<Conn<'_>>,
    provider: IdentityProviderId,
) -> Result<Option<ProviderKeys>> {
    const SQL: &str = "SELECT provider_id, metadata, jwks_uri, jwks, fetched_at, checked_at, error \
                       FROM identity_provider_keys WHERE provider_id = $1";
    conn.into()
        .fetch_optional(SQL, values_of![provider.as_uuid()])
        .await
}

/// What is known of every provider's keys, in no particular order.
///
/// # Errors
/// When the database fails.
pub async fn all(conn: impl Into<Conn<'_>>) -> Result<Vec<ProviderKeys>> {
    const SQL: &str = "SELECT provider_id, metadata, jwks_uri, jwks, fetched_at, checked_at, error \
                       FROM identity_provider_keys";
    conn.into().fetch_all(SQL, Vec::new()).await
}

/// Writes what was read, or why it was not, and when it is due again.
///
/// # Errors
/// [`super::StoreError::MissingReference`] when there is no such provider.
pub async fn put(tx: &mut Tx, keys: &ProviderKeys, due_at: DateTime<Utc>) -> Result<()> {
    const SQL: &str = "INSERT INTO identity_provider_keys \
        (provider_id, metadata, jwks_uri, jwks, fetched_at, checked_at, error, due_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (provider_id) DO UPDATE SET \
        metadata = excluded.metadata, jwks_uri = excluded.jwks_uri, jwks = excluded.jwks, \
        fetched_at = excluded.fetched_at, checked_at = excluded.checked_at, \
        error = excluded.error, due_at = excluded.due_at";
    let before = find(&mut *tx, keys.provider).await?;
    let values = values_of![
        keys.provider.as_uuid(),
        Value::json_or_null(keys.metadata.as_ref())?,
        keys.jwks_uri.as_ref().map(ToString::to_string),
        Value::json_or_null(keys.jwks.as_ref())?,
        keys.fetched_at,
        keys.checked_at,
        keys.error.clone(),
        due_at,
    ];
    Conn::from(&mut *tx).execute(SQL, values).await?;
    if before.and_then(|before| before.jwks) != keys.jwks {
        tx.record_change(Change::IdentityProvider(keys.provider))
            .await?;
    }
    Ok(())
}

/// Forgets everything about a provider's keys, so that they are due at once.
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut Tx, provider: IdentityProviderId) -> Result<()> {
    const SQL: &str = "DELETE FROM identity_provider_keys WHERE provider_id = $1";
    let found = Conn::from(&mut *tx)
        .execute(SQL, values_of![provider.as_uuid()])
        .await?
        > 0;
    if found {
        tx.record_change(Change::IdentityProvider(provider)).await?;
    }
    Ok(())
}

/// The providers whose keys should be read now.
///
/// # Errors
/// When the database fails.
pub async fn due(conn: impl Into<Conn<'_>>, now: DateTime<Utc>) -> Result<Vec<IdentityProviderId>> {
    const SQL: &str = "SELECT identity_providers.id AS provider_id FROM identity_providers \
        LEFT JOIN identity_provider_keys ON identity_provider_keys.provider_id = identity_providers.id \
        WHERE due_at IS NULL OR due_at <= $1 ORDER BY identity_providers.id";
    let due: Vec<Provider> = conn.into().fetch_all(SQL, values_of![now]).await?;
    Ok(due.into_iter().map(|provider| provider.0).collect())
}

/// Takes the turn to read a provider's keys, if they are due: nobody else's it is until `until`.
///
/// # Errors
/// [`super::StoreError::MissingReference`] when there is no such provider.
pub async fn claim(
    tx: &mut Tx,
    provider: IdentityProviderId,
    until: DateTime<Utc>,
) -> Result<bool> {
    const SQL: &str = "INSERT INTO identity_provider_keys (provider_id, due_at) VALUES ($1, $2) \
        ON CONFLICT (provider_id) DO UPDATE SET due_at = excluded.due_at \
        WHERE identity_provider_keys.due_at <= $3";
    let values = values_of![provider.as_uuid(), until, tx.now()];
    Ok(Conn::from(tx).execute(SQL, values).await? > 0)
}

/// Takes the turn to look for a key that is not there, unless somebody did after `since`.
///
/// # Errors
/// [`super::StoreError::MissingReference`] when there is no such provider.
pub async fn ask(tx: &mut Tx, provider: IdentityProviderId, since: DateTime<Utc>) -> Result<bool> {
    const SQL: &str = "INSERT INTO identity_provider_keys (provider_id, due_at, asked_at) \
        VALUES ($1, $2, $2) ON CONFLICT (provider_id) DO UPDATE SET asked_at = excluded.asked_at \
        WHERE identity_provider_keys.asked_at IS NULL OR identity_provider_keys.asked_at <= $3";
    let values = values_of![provider.as_uuid(), tx.now(), since];
    Ok(Conn::from(tx).execute(SQL, values).await? > 0)
}

/// When somebody last looked for a key that was not there.
///
/// # Errors
/// When the database fails.
pub async fn asked_at(
    conn: impl Into<Conn<'_>>,
    provider: IdentityProviderId,
) -> Result<Option<DateTime<Utc>>> {
    const SQL: &str = "SELECT asked_at FROM identity_provider_keys WHERE provider_id = $1";
    let asked: Option<AskedAt> = conn
        .into()
        .fetch_optional(SQL, values_of![provider.as_uuid()])
        .await?;
    Ok(asked.and_then(|asked| asked.0))
}

impl FromRow for ProviderKeys {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            provider: IdentityProviderId::from_uuid(row.get("provider_id")?),
            metadata: row.json_optional("metadata")?,
            jwks_uri: row.parse_optional("jwks_uri")?,
            jwks: row.json_optional("jwks")?,
            fetched_at: row.optional("fetched_at")?,
            checked_at: row.optional("checked_at")?,
            error: row.optional("error")?,
        })
    }
}

struct Provider(IdentityProviderId);

impl FromRow for Provider {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self(IdentityProviderId::from_uuid(row.get("provider_id")?)))
    }
}

struct AskedAt(Option<DateTime<Utc>>);

impl FromRow for AskedAt {
    fn from_row(row: &Row) -> Result<Self> {
        row.optional("asked_at").map(Self)
    }
}
