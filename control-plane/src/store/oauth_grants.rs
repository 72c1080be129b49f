//! Table `oauth_grants`: what users granted to OAuth clients, and how far each family of tokens has come.

use chrono::{DateTime, Utc};
use warder_shared::id::{GrantId, UserId};

use super::Result;
use super::query::{Conn, Value, values_of};
use super::row::{FromRow, Row};
use super::sealed::OAUTH_GRANT;
use super::tx::Tx;
use crate::domain::{Change, OAuthGrant};

/// Adds a grant with the sealed secret that its refresh tokens are made of.
///
/// # Errors
/// [`super::StoreError::MissingReference`] when the user is gone.
pub async fn insert(tx: &mut Tx, grant: &OAuthGrant, sealed_secret: &[u8]) -> Result<()> {
    const SQL: &str = "INSERT INTO oauth_grants (id, user_id, client_id, client_name, redirect_uri, \
                       resource, scopes, refreshes, secret, generation, rotated_at, created_at, \
                       redeemed_at, last_used_at, expires_at, revoked_at) VALUES \
                       ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
    let values = values_of![
        grant.id.as_uuid(),
        grant.user.as_uuid(),
        grant.client_id.as_str(),
        grant.client_name.as_str(),
        grant.redirect_uri.as_str(),
        grant.resource.as_str(),
        grant.scopes.as_str(),
        grant.refreshes,
        sealed_secret,
        grant.generation,
        grant.rotated_at,
        grant.created_at,
        grant.redeemed_at,
        grant.last_used_at,
        grant.expires_at,
        grant.revoked_at,
    ];
    Conn::from(tx).execute(SQL, values).await.map(drop)
}

/// The grant with an id.
///
/// # Errors
/// When the database fails.
pub async fn find(conn: impl Into<Conn<'_>>, id: GrantId) -> Result<Option<OAuthGrant>> {
    const SQL: &str = "SELECT id, user_id, client_id, client_name, redirect_uri, resource, scopes, \
                       refreshes, generation, rotated_at, created_at, redeemed_at, last_used_at, \
                       expires_at, revoked_at FROM oauth_grants WHERE id = $1";
    conn.into()
        .fetch_optional(SQL, values_of![id.as_uuid()])
        .await
}

/// The sealed secret of a grant.
///
/// # Errors
/// When the database fails.
pub async fn sealed_secret(conn: impl Into<Conn<'_>>, id: GrantId) -> Result<Option<Vec<u8>>> {
    const SQL: &str = "SELECT id, user_id, secret FROM oauth_grants WHERE id = $1";
    let grant: Option<Sealed> = conn
        .into()
        .fetch_optional(SQL, values_of![id.as_uuid()])
        .await?;
    Ok(grant.map(|grant| grant.secret))
}

/// What a user granted and what is still in force at `now`, the newest first.
///
/// # Errors
/// When the database fails.
pub async fn live_of_user(
    conn: impl Into<Conn<'_>>,
    user: UserId,
    now: DateTime<Utc>,
) -> Result<Vec<OAuthGrant>> {
    const SQL: &str = "SELECT id, user_id, client_id, client_name, redirect_uri, resource, scopes, \
                       refreshes, generation, rotated_at, created_at, redeemed_at, last_used_at, \
                       expires_at, revoked_at FROM oauth_grants WHERE user_id = $1 \
                       AND redeemed_at IS NOT NULL AND revoked_at IS NULL AND expires_at > $2 \
                       ORDER BY id DESC";
    conn.into()
        .fetch_all(SQL, values_of![user.as_uuid(), now])
        .await
}

/// Writes how far a family has come: its generation, and the times of it.
///
/// # Errors
/// When the database fails.
pub async fn update_progress(tx: &mut Tx, grant: &OAuthGrant) -> Result<()> {
    const SQL: &str = "UPDATE oauth_grants SET generation = $2, rotated_at = $3, redeemed_at = $4, \
                       last_used_at = $5 WHERE id = $1";
    let values = values_of![
        grant.id.as_uuid(),
        grant.generation,
        grant.rotated_at,
        grant.redeemed_at,
        grant.last_used_at,
    ];
    Conn::from(tx).execute(SQL, values).await.map(drop)
}

/// Revokes a grant and every token of its family now; whether it was in force until then.
///
/// # Errors
/// When the database fails.
pub async fn revoke(tx: &mut Tx, id: GrantId) -> Result<bool> {
    const SQL: &str =
        "UPDATE oauth_grants SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
    let values = values_of![id.as_uuid(), tx.now()];
    let found = Conn::from(&mut *tx).execute(SQL, values).await? > 0;
    if found {
        tx.record_change(Change::RevokedGrant(id)).await?;
    }
    Ok(found)
}

/// Grants that were revoked after `limit`.
///
/// # Errors
/// When the database fails.
pub async fn revoked_since(
    conn: impl Into<Conn<'_>>,
    limit: DateTime<Utc>,
) -> Result<Vec<OAuthGrant>> {
    const SQL: &str = "SELECT id, user_id, client_id, client_name, redirect_uri, resource, scopes, \
                       refreshes, generation, rotated_at, created_at, redeemed_at, last_used_at, \
                       expires_at, revoked_at FROM oauth_grants WHERE revoked_at > $1";
    conn.into().fetch_all(SQL, values_of![limit]).await
}

/// Forgets grants that were over, or never redeemed, before `limit`; how many.
///
/// # Errors
/// When the database fails.
pub async fn delete_over(tx: &mut Tx, limit: DateTime<Utc>) -> Result<usize> {
    const SQL: &str = "DELETE FROM oauth_grants WHERE expires_at < $1 OR revoked_at < $1 \
                       OR (redeemed_at IS NULL AND created_at < $1) RETURNING id, user_id, secret";
    deleted(tx, SQL, values_of![limit]).await
}

/// Forgets what a user granted; how many grants. Pods hear that the user is gone.
///
/// # Errors
/// When the database fails.
pub async fn delete_of_user(tx: &mut Tx, user: UserId) -> Result<usize> {
    const SQL: &str = "DELETE FROM oauth_grants WHERE user_id = $1 RETURNING id, user_id, secret";
    deleted(tx, SQL, values_of![user.as_uuid()]).await
}

async fn deleted(tx: &mut Tx, sql: &'static str, values: Vec<Value>) -> Result<usize> {
    let grants: Vec<Sealed> = Conn::from(&mut *tx).fetch_all(sql, values).await?;
    for grant in &grants {
        tx.drop_seal(OAUTH_GRANT, grant.id);
    }
    Ok(grants.len())
}

/// Every grant with its sealed secret.
///
/// # Errors
/// When the database fails.
pub async fn all_sealed(conn: impl Into<Conn<'_>>) -> Result<Vec<(GrantId, UserId, Vec<u8>)>> {
    const SQL: &str = "SELECT id, user_id, secret FROM oauth_grants";
    let grants: Vec<Sealed> = conn.into().fetch_all(SQL, Vec::new()).await?;
    let grants = grants.into_iter();
    Ok(grants
        .map(|grant| (grant.id, grant.user, grant.secret))
        .collect())
}

impl FromRow for OAuthGrant {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: GrantId::from_uuid(row.get("id")?),
            user: UserId::from_uuid(row.get("user_id")?),
            client_id: row.get("client_id")?,
            client_name: row.get("client_name")?,
            redirect_uri: row.get("redirect_uri")?,
            resource: row.get("resource")?,
            scopes: row.parse("scopes")?,
            refreshes: row.get("refreshes")?,
            generation: row.get("generation")?,
            rotated_at: row.optional("rotated_at")?,
            created_at: row.get("created_at")?,
            redeemed_at: row.optional("redeemed_at")?,
            last_used_at: row.get("last_used_at")?,
            expires_at: row.get("expires_at")?,
            revoked_at: row.optional("revoked_at")?,
        })
    }
}

struct Sealed {
    id: GrantId,
    user: UserId,
    secret: Vec<u8>,
}

impl FromRow for Sealed {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: GrantId::from_uuid(row.get("id")?),
            user: UserId::from_uuid(row.get("user_id")?),
            secret: row.get("secret")?,
        })
    }
}
