//! The sealed columns, whatever their table: what the vault seals anew, and what it has to forget.

use uuid::Uuid;

use super::Result;
use super::query::{Conn, Value, values_of};
use super::row::corrupt;
use super::tx::Tx;

/// A sealed value that this transaction deleted. The vault has to strike it from its ledger before the
/// transaction commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedSeal {
    /// Table and column.
    pub place: &'static str,
    /// The row's key.
    pub row: String,
}

pub(super) const SERVER_AUTH: &str = "mcp_servers.auth_secret";
pub(super) const SERVER_HEADERS: &str = "mcp_servers.additional_headers";
pub(super) const AUTH_OVERRIDE: &str = "auth_overrides.secret";
pub(super) const CLIENT_SECRET: &str = "identity_providers.client_secret";
pub(super) const SIGNING_KEY: &str = "signing_keys.private_key";
pub(super) const SESSION_KEY: &str = "session_keys.key";
pub(super) const OAUTH_GRANT: &str = "oauth_grants.secret";

/// Writes other bytes that say the same: pods need not hear of it. Whether there is such a row and
/// such a column.
///
/// # Errors
/// When the database fails.
pub async fn replace(tx: &mut Tx, place: &str, row: &str, sealed: &[u8]) -> Result<bool> {
    let uuid = || {
        let parsed = row.parse::<Uuid>();
        parsed.map_err(|_| corrupt("row_key", "not an id"))
    };
    let (sql, key): (&'static str, Value) = match place {
        SERVER_AUTH => (
            "UPDATE mcp_servers SET auth_secret = $2 WHERE id = $1",
            uuid()?.into(),
        ),
        SERVER_HEADERS => (
            "UPDATE mcp_servers SET additional_headers = $2 WHERE id = $1",
            uuid()?.into(),
        ),
        AUTH_OVERRIDE => (
            "UPDATE auth_overrides SET secret = $2 WHERE id = $1",
            uuid()?.into(),
        ),
        CLIENT_SECRET => (
            "UPDATE identity_providers SET client_secret = $2 WHERE id = $1",
            uuid()?.into(),
        ),
        SIGNING_KEY => (
            "UPDATE signing_keys SET private_key = $2 WHERE kid = $1",
            row.into(),
        ),
        SESSION_KEY => ("UPDATE session_keys SET key = $2 WHERE id = $1", row.into()),
        OAUTH_GRANT => (
            "UPDATE oauth_grants SET secret = $2 WHERE id = $1",
            uuid()?.into(),
        ),
        _ => return Ok(false),
    };
    let values = values_of![key, sealed];
    Ok(Conn::from(tx).execute(sql, values).await? > 0)
}
