//! Table `identity_providers`.

use warder_shared::id::IdentityProviderId;
use warder_shared::name::Name;

use super::query::{Conn, Value, values_of};
use super::row::{FromRow, Row, Sealed};
use super::sealed::CLIENT_SECRET;
use super::tx::Tx;
use super::{Result, identity_provider_mappings, user_identities};
use crate::domain::{Change, IdentityProvider, Page, PageRequest};

/// Adds an identity provider without a client secret.
///
/// # Errors
/// [`super::StoreError::Conflict`] when the name or the issuer is taken.
pub async fn insert(tx: &mut Tx, provider: &IdentityProvider) -> Result<()> {
    const SQL: &str = "INSERT INTO identity_providers \
        (id, name, issuer, configuration, revision, created_at, updated_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let values = values_of![
        provider.id.as_uuid(),
        provider.name.as_str(),
        provider.issuer.as_str(),
        Value::json(&provider.configuration)?,
        provider.revision,
        provider.created_at,
        provider.updated_at,
    ];
    Conn::from(&mut *tx).execute(SQL, values).await?;
    tx.record_change(Change::IdentityProvider(provider.id))
        .await
}

/// Writes every field but id, name and time of making; whether there is such a provider. The client
/// secret stays as it is.
///
/// # Errors
/// [`super::StoreError::Conflict`] when the issuer is taken.
pub async fn update(tx: &mut Tx, provider: &IdentityProvider) -> Result<bool> {
    const SQL: &str = "UPDATE identity_providers SET issuer = $2, configuration = $3, \
        revision = $4, updated_at = $5 WHERE id = $1";
    let values = values_of![
        provider.id.as_uuid(),
        provider.issuer.as_str(),
        Value::json(&provider.configuration)?,
        provider.revision,
        provider.updated_at,
    ];
    let found = Conn::from(&mut *tx).execute(SQL, values).await? > 0;
    if found {
        tx.record_change(Change::IdentityProvider(provider.id))
            .await?;
    }
    Ok(found)
}

/// Removes an identity provider with its keys, the claims mapped from it and who its people are; whether
/// there was one. The users stay.
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut Tx, id: IdentityProviderId) -> Result<bool> {
    const SQL: &str = "DELETE FROM identity_providers WHERE id = $1";
    user_identities::delete_of_provider(tx, id).await?;
    identity_provider_mappings::delete_of_provider(tx, id).await?;
    tx.drop_seal(CLIENT_SECRET, id);
    let found = Conn::from(&mut *tx)
        .execute(SQL, values_of![id.as_uuid()])
        .await?
        > 0;
    if found {
        tx.record_change(Change::IdentityProvider(id)).await?;
    }
    Ok(found)
}

/// The identity provider with an id.
///
/// # Errors
/// When the database fails.
pub async fn find(
    conn: impl Into<Conn<'_>>,
    id: IdentityProviderId,
) -> Result<Option<IdentityProvider>> {
    const SQL: &str = "SELECT id, name, issuer, configuration, revision, created_at, updated_at \
                       FROM identity_providers WHERE id = $1";
    conn.into()
        .fetch_optional(SQL, values_of![id.as_uuid()])
        .await
}

/// The identity provider with a name.
///
/// # Errors
/// When the database fails.
pub async fn find_by_name(
    conn: impl Into<Conn<'_>>,
    name: &Name,
) -> Result<Option<IdentityProvider>> {
    const SQL: &str = "SELECT id, name, issuer, configuration, revision, created_at, updated_at \
                       FROM identity_providers WHERE name = $1";
    conn.into()
        .fetch_optional(SQL, values_of![name.as_str()])
        .await
}

/// Identity providers by name.
///
/// # Errors
/// When the database fails.
pub async fn list(
    conn: impl Into<Conn<'_>>,
    request: &PageRequest<Name>,
) -> Result<Page<IdentityProvider, Name>> {
    const SQL: &str = "SELECT id, name, issuer, configuration, revision, created_at, updated_at \
                       FROM identity_providers WHERE name > $1 ORDER BY name LIMIT $2";
    let after = request.after.as_ref().map_or("", Name::as_str);
    let providers = conn
        .into()
        .fetch_all(SQL, values_of![after, request.rows()])
        .await?;
    Ok(Page::cut(
        providers,
        request,
        |provider: &IdentityProvider| provider.name.clone(),
    ))
}

/// Every identity provider, by name.
///
/// # Errors
/// When the database fails.
pub async fn all(conn: impl Into<Conn<'_>>) -> Result<Vec<IdentityProvider>> {
    const SQL: &str = "SELECT id, name, issuer, configuration, revision, created_at, updated_at \
                       FROM identity_providers ORDER BY name";
    conn.into().fetch_all(SQL, Vec::new()).await
}

/// The sealed secret of our client at a provider.
///
/// # Errors
/// When the database fails.
pub async fn client_secret(
    conn: impl Into<Conn<'_>>,
    id: IdentityProviderId,
) -> Result<Option<Sealed>> {
    const SQL: &str = "SELECT id, client_secret, client_secret_origin, client_secret_revision \
                       FROM identity_providers WHERE id = $1";
    let secret: Option<ClientSecret> = conn
        .into()
        .fetch_optional(SQL, values_of![id.as_uuid()])
        .await?;
    Ok(secret.and_then(|secret| secret.1))
}

/// The sealed secret of our client at every provider where it has one.
///
/// # Errors
/// When the database fails.
pub async fn all_client_secrets(
    conn: impl Into<Conn<'_>>,
) -> Result<Vec<(IdentityProviderId, Sealed)>> {
    const SQL: &str = "SELECT id, client_secret, client_secret_origin, client_secret_revision \
                       FROM identity_providers";
    let secrets: Vec<ClientSecret> = conn.into().fetch_all(SQL, Vec::new()).await?;
    Ok(secrets
        .into_iter()
        .filter_map(|secret| Some((secret.0, secret.1?)))
        .collect())
}

/// Replaces or removes the sealed secret of our client at a provider. Pods do not hear of it.
///
/// # Errors
/// When the database fails.
pub async fn set_client_secret(
    tx: &mut Tx,
    id: IdentityProviderId,
    sealed: Option<&Sealed>,
) -> Result<()> {
    const SQL: &str = "UPDATE identity_providers SET client_secret = $2, \
        client_secret_origin = $3, client_secret_revision = $4 WHERE id = $1";
    if sealed.is_none() {
        tx.drop_seal(CLIENT_SECRET, id);
    }
    let values = values_of![
        id.as_uuid(),
        sealed.map(|sealed| sealed.bytes.clone()),
        sealed.map(|sealed| sealed.origin.clone()),
        sealed.map(|sealed| sealed.revision),
    ];
    Conn::from(tx).execute(SQL, values).await.map(drop)
}

impl FromRow for IdentityProvider {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: IdentityProviderId::from_uuid(row.get("id")?),
            name: row.parse("name")?,
            issuer: row.get("issuer")?,
            configuration: row.json("configuration")?,
            revision: row.get("revision")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
        })
    }
}

struct ClientSecret(IdentityProviderId, Option<Sealed>);

impl FromRow for ClientSecret {
    fn from_row(row: &Row) -> Result<Self> {
        let sealed = row.sealed(
            "client_secret",
            "client_secret_origin",
            "client_secret_revision",
        )?;
        Ok(Self(IdentityProviderId::from_uuid(row.get("id")?), sealed))
    }
}
