//! Table `tokens`: which tokens were issued. The tokens themselves are stored nowhere.

use chrono::{DateTime, Utc};
use uuid::Uuid;
use warder_shared::id::TokenId;
use warder_shared::principal::Principal;
use warder_shared::token::TokenKind;

use super::Result;
use super::query::{Conn, values_of};
use super::row::{FromRow, Row};
use super::subject::{principal_columns, read_owner};
use super::tx::Tx;
use crate::domain::{Change, Page, PageRequest, TokenRecord};

/// Which tokens a list is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenFilter {
    /// Only tokens of this owner.
    pub owner: Option<Principal>,
    /// Only tokens of this kind.
    pub kind: Option<TokenKind>,
}

/// Adds a token.
///
/// # Errors
/// When the database fails.
pub async fn insert(tx: &mut Tx, token: &TokenRecord) -> Result<()> {
    const SQL: &str = "INSERT INTO tokens (id, owner_kind, owner_id, name, created_by, created_at, \
                       expires_at, retires_at, revoked_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let (owner_kind, owner_id) = principal_columns(token.owner);
    let values = values_of![
        token.id.as_uuid(),
        owner_kind,
        owner_id,
        token.name.as_str(),
        token.created_by.map(|principal| principal.to_string()),
        token.created_at,
        token.expires_at,
        token.retires_at,
        token.revoked_at,
    ];
    Conn::from(tx).execute(SQL, values).await.map(drop)
}

/// The token with an id.
///
/// # Errors
/// When the database fails.
pub async fn find(conn: impl Into<Conn<'_>>, id: TokenId) -> Result<Option<TokenRecord>> {
    const SQL: &str = "SELECT id, owner_kind, owner_id, name, created_by, created_at, expires_at, \
                       retires_at, revoked_at FROM tokens WHERE id = $1";
    conn.into()
        .fetch_optional(SQL, values_of![id.as_uuid()])
        .await
}

/// Tokens by id, which is the order they were made in; revoked and expired ones too.
///
/// # Errors
/// When the database fails.
pub async fn list(
    conn: impl Into<Conn<'_>>,
    filter: TokenFilter,
    request: &PageRequest<TokenId>,
) -> Result<Page<TokenRecord, TokenId>> {
    const SQL: &str = "SELECT id, owner_kind, owner_id, name, created_by, created_at, expires_at, \
                       retires_at, revoked_at FROM tokens \
                       WHERE id > $1 AND ($2 IS NULL OR owner_kind = $2) \
                       AND ($3 IS NULL OR owner_id = $3) AND ($4 IS NULL OR owner_kind = $4) \
                       ORDER BY id LIMIT $5";
    let owner = filter.owner.map(principal_columns);
    let kind = filter.kind.map(|kind| match kind {
        TokenKind::Pat => "user",
        TokenKind::VirtualAccount => "virtual-account",
        // Grants of OAuth clients have a table of their own.
        TokenKind::OAuth => "oauth",
    });
    let values = values_of![
        request.after.map_or(Uuid::nil(), TokenId::as_uuid),
        owner.map(|(kind, _)| kind),
        owner.map(|(_, id)| id),
        kind,
        request.rows(),
    ];
    let tokens = conn.into().fetch_all(SQL, values).await?;
    Ok(Page::cut(tokens, request, |token: &TokenRecord| token.id))
}

/// Revokes a token now; whether it was in force until then.
///
/// # Errors
/// When the database fails.
pub async fn revoke(tx: &mut Tx, id: TokenId) -> Result<bool> {
    const SQL: &str = "UPDATE tokens SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
    let values = values_of![id.as_uuid(), tx.now()];
    let found = Conn::from(&mut *tx).execute(SQL, values).await? > 0;
    if found {
        tx.record_change(Change::RevokedToken(id)).await?;
    }
    Ok(found)
}

/// Revokes every token of an owner now; which ones were in force until then.
///
/// # Errors
/// When the database fails.
pub async fn revoke_of_owner(tx: &mut Tx, owner: Principal) -> Result<Vec<TokenId>> {
    const SQL: &str = "UPDATE tokens SET revoked_at = $3 WHERE owner_kind = $1 AND owner_id = $2 \
                       AND revoked_at IS NULL AND expires_at > $3 RETURNING id";
    let (kind, id) = principal_columns(owner);
    let values = values_of![kind, id, tx.now()];
    revoked(tx, SQL, values).await
}

/// Plans the revocation of a token that was replaced, the end of its grace period. An earlier plan
/// stays; whether the token is in force.
///
/// # Errors
/// When the database fails.
pub async fn plan_retirement(tx: &mut Tx, id: TokenId, at: DateTime<Utc>) -> Result<bool> {
    const SQL: &str = "UPDATE tokens SET retires_at = CASE WHEN retires_at < $2 THEN retires_at \
                       ELSE $2 END WHERE id = $1 AND revoked_at IS NULL";
    Ok(Conn::from(tx)
        .execute(SQL, values_of![id.as_uuid(), at])
        .await?
        > 0)
}

/// Whether a planned revocation is due at `now`.
///
/// # Errors
/// When the database fails.
pub async fn retirement_is_due(conn: impl Into<Conn<'_>>, now: DateTime<Utc>) -> Result<bool> {
    const SQL: &str = "SELECT id FROM tokens WHERE retires_at IS NOT NULL AND revoked_at IS NULL \
                       AND retires_at <= $1 LIMIT 1";
    let found: Option<Id> = conn.into().fetch_optional(SQL, values_of![now]).await?;
    Ok(found.is_some())
}

/// Revokes the tokens whose planned revocation is due now; which ones.
///
/// # Errors
/// When the database fails.
pub async fn retire_due(tx: &mut Tx) -> Result<Vec<TokenId>> {
    const SQL: &str = "UPDATE tokens SET revoked_at = $1 WHERE retires_at IS NOT NULL \
                       AND revoked_at IS NULL AND retires_at <= $1 RETURNING id";
    let values = values_of![tx.now()];
    revoked(tx, SQL, values).await
}

/// Tokens that are revoked and have not expired by `now`.
///
/// # Errors
/// When the database fails.
pub async fn revoked_unexpired(
    conn: impl Into<Conn<'_>>,
    now: DateTime<Utc>,
) -> Result<Vec<TokenRecord>> {
    const SQL: &str = "SELECT id, owner_kind, owner_id, name, created_by, created_at, expires_at, \
                       retires_at, revoked_at FROM tokens \
                       WHERE revoked_at IS NOT NULL AND expires_at > $1";
    conn.into().fetch_all(SQL, values_of![now]).await
}

/// Forgets tokens that expired before `limit`; how many.
///
/// # Errors
/// When the database fails.
pub async fn delete_expired(tx: &mut Tx, limit: DateTime<Utc>) -> Result<u64> {
    const SQL: &str = "DELETE FROM tokens WHERE expires_at < $1";
    Conn::from(tx).execute(SQL, values_of![limit]).await
}

async fn revoked(
    tx: &mut Tx,
    sql: &'static str,
    values: Vec<super::query::Value>,
) -> Result<Vec<TokenId>> {
    let ids: Vec<Id> = Conn::from(&mut *tx).fetch_all(sql, values).await?;
    let ids: Vec<TokenId> = ids.into_iter().map(|id| id.0).collect();
    for id in &ids {
        tx.record_change(Change::RevokedToken(*id)).await?;
    }
    Ok(ids)
}

impl FromRow for TokenRecord {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: TokenId::from_uuid(row.get("id")?),
            owner: read_owner(row)?,
            name: row.get("name")?,
            created_by: row.parse_optional("created_by")?,
            created_at: row.get("created_at")?,
            expires_at: row.get("expires_at")?,
            retires_at: row.optional("retires_at")?,
            revoked_at: row.optional("revoked_at")?,
        })
    }
}

struct Id(TokenId);

impl FromRow for Id {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self(TokenId::from_uuid(row.get("id")?)))
    }
}
