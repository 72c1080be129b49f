//! Table `mcp_servers`.

use warder_shared::id::ServerId;
use warder_shared::name::ServerName;
use warder_shared::principal::Principal;

use super::Result;
use super::query::{Conn, Value, values_of};
use super::row::{FromRow, Row, Sealed};
use super::sealed::{SERVER_AUTH, SERVER_HEADERS};
use super::subject::principal_columns;
use super::tx::Tx;
use crate::domain::{Change, Page, PageRequest, Server};

/// The sealed values of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerSecrets {
    /// Values of the shared headers (OUT-2).
    pub auth: Option<Sealed>,
    /// Values of the additional headers.
    pub additional_headers: Option<Sealed>,
}

/// Adds a server without secrets.
///
/// # Errors
/// [`super::StoreError::Conflict`] when the name is taken.
pub async fn insert(tx: &mut Tx, server: &Server) -> Result<()> {
    const SQL: &str = "INSERT INTO mcp_servers (id, name, type, display_name, description, url, \
        auth, additional_header_names, tool_policy, prompts_enabled, resources_enabled, \
        allow_header_override, ca_cert, timeouts, revision, created_by, created_at, updated_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";
    let values = values_of![
        server.id.as_uuid(),
        server.name.as_str(),
        server.server_type.as_str(),
        server.display_name.as_str(),
        server.description.as_str(),
        server.url.as_str(),
        Value::json(&server.auth)?,
        Value::json(&server.additional_header_names)?,
        Value::json(&server.tool_policy)?,
        server.prompts_enabled,
        server.resources_enabled,
        server.allow_header_override,
        server.ca_cert.as_deref(),
        Value::json(&server.timeouts)?,
        server.revision,
        server.created_by.map(|principal| principal.to_string()),
        server.created_at,
        server.updated_at,
    ];
    Conn::from(&mut *tx).execute(SQL, values).await?;
    tx.record_change(Change::Server(server.id)).await
}

/// Writes every field but id, name, type, maker and time of making; whether there is such a server.
/// The sealed values stay as they are.
///
/// # Errors
/// When the database fails.
pub async fn update(tx: &mut Tx, server: &Server) -> Result<bool> {
    const SQL: &str = "UPDATE mcp_servers SET display_name = $2, description = $3, url = $4, \
        auth = $5, additional_header_names = $6, tool_policy = $7, prompts_enabled = $8, \
        resources_enabled = $9, allow_header_override = $10, ca_cert = $11, timeouts = $12, \
        revision = $13, updated_at = $14 WHERE id = $1";
    let values = values_of![
        server.id.as_uuid(),
        server.display_name.as_str(),
        server.description.as_str(),
        server.url.as_str(),
        Value::json(&server.auth)?,
        Value::json(&server.additional_header_names)?,
        Value::json(&server.tool_policy)?,
        server.prompts_enabled,
        server.resources_enabled,
        server.allow_header_override,
        server.ca_cert.as_deref(),
        Value::json(&server.timeouts)?,
        server.revision,
        server.updated_at,
    ];
    let found = Conn::from(&mut *tx).execute(SQL, values).await? > 0;
    if found {
        tx.record_change(Change::Server(server.id)).await?;
    }
    Ok(found)
}

/// Removes a server with its collaborators and auth overrides; whether there was one.
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut Tx, id: ServerId) -> Result<bool> {
    const SQL: &str = "DELETE FROM mcp_servers WHERE id = $1";
    super::auth_overrides::drop_seals_of_server(tx, id).await?;
    tx.drop_seal(SERVER_AUTH, id);
    tx.drop_seal(SERVER_HEADERS, id);
    let found = Conn::from(&mut *tx)
        .execute(SQL, values_of![id.as_uuid()])
        .await?
        > 0;
    if found {
        tx.record_change(Change::Server(id)).await?;
    }
    Ok(found)
}

/// The server with an id.
///
/// # Errors
/// When the database fails.
pub async fn find(conn: impl Into<Conn<'_>>, id: ServerId) -> Result<Option<Server>> {
    const SQL: &str = "SELECT id, name, type, display_name, description, url, auth, \
        additional_header_names, tool_policy, prompts_enabled, resources_enabled, \
        allow_header_override, ca_cert, timeouts, revision, created_by, created_at, updated_at \
        FROM mcp_servers WHERE id = $1";
    conn.into()
        .fetch_optional(SQL, values_of![id.as_uuid()])
        .await
}

/// The server with a name.
///
/// # Errors
/// When the database fails.
pub async fn find_by_name(conn: impl Into<Conn<'_>>, name: &ServerName) -> Result<Option<Server>> {
    const SQL: &str = "SELECT id, name, type, display_name, description, url, auth, \
        additional_header_names, tool_policy, prompts_enabled, resources_enabled, \
        allow_header_override, ca_cert, timeouts, revision, created_by, created_at, updated_at \
        FROM mcp_servers WHERE name = $1";
    conn.into()
        .fetch_optional(SQL, values_of![name.as_str()])
        .await
}

/// Servers by name.
///
/// # Errors
/// When the database fails.
pub async fn list(
    conn: impl Into<Conn<'_>>,
    request: &PageRequest<ServerName>,
) -> Result<Page<Server, ServerName>> {
    const SQL: &str = "SELECT id, name, type, display_name, description, url, auth, \
        additional_header_names, tool_policy, prompts_enabled, resources_enabled, \
        allow_header_override, ca_cert, timeouts, revision, created_by, created_at, updated_at \
        FROM mcp_servers WHERE name > $1 ORDER BY name LIMIT $2";
    let after = request.after.as_ref().map_or("", ServerName::as_str);
    let servers = conn
        .into()
        .fetch_all(SQL, values_of![after, request.rows()])
        .await?;
    Ok(Page::cut(servers, request, |server: &Server| {
        server.name.clone()
    }))
}

/// The servers on which a caller has any role, directly, by a team or by `team:everyone`, by name.
///
/// # Errors
/// When the database fails.
pub async fn list_visible(
    conn: impl Into<Conn<'_>>,
    principal: Principal,
    request: &PageRequest<ServerName>,
) -> Result<Page<Server, ServerName>> {
    const SQL: &str = "SELECT id, name, type, display_name, description, url, auth, \
        additional_header_names, tool_policy, prompts_enabled, resources_enabled, \
        allow_header_override, ca_cert, timeouts, revision, created_by, created_at, updated_at \
        FROM mcp_servers WHERE name > $1 AND id IN (\
          SELECT server_id FROM collaborators WHERE \
          (subject_kind = $2 AND subject_id = $3) \
          OR ($2 = 'user' AND subject_kind = 'everyone') \
          OR ($2 = 'user' AND subject_kind = 'team' AND subject_id IN \
            (SELECT team_id FROM user_teams WHERE user_id = $3))\
        ) ORDER BY name LIMIT $4";
    let after = request.after.as_ref().map_or("", ServerName::as_str);
    let (kind, id) = principal_columns(principal);
    let servers = conn
        .into()
        .fetch_all(SQL, values_of![after, kind, id, request.rows()])
        .await?;
    Ok(Page::cut(servers, request, |server: &Server| {
        server.name.clone()
    }))
}

/// Every server, in no particular order.
///
/// # Errors
/// When the database fails.
pub async fn all(conn: impl Into<Conn<'_>>) -> Result<Vec<Server>> {
    const SQL: &str = "SELECT id, name, type, display_name, description, url, auth, \
        additional_header_names, tool_policy, prompts_enabled, resources_enabled, \
        allow_header_override, ca_cert, timeouts, revision, created_by, created_at, updated_at \
        FROM mcp_servers";
    conn.into().fetch_all(SQL, Vec::new()).await
}

/// The sealed values of a server; none when there is no such server.
///
/// # Errors
/// When the database fails.
pub async fn secrets(conn: impl Into<Conn<'_>>, id: ServerId) -> Result<Option<ServerSecrets>> {
    const SQL: &str = "SELECT auth_secret, auth_secret_origin, auth_secret_revision, \
        additional_headers, additional_headers_origin, additional_headers_revision \
        FROM mcp_servers WHERE id = $1";
    conn.into()
        .fetch_optional(SQL, values_of![id.as_uuid()])
        .await
}

/// The sealed values of every server.
///
/// # Errors
/// When the database fails.
pub async fn all_secrets(conn: impl Into<Conn<'_>>) -> Result<Vec<(ServerId, ServerSecrets)>> {
    const SQL: &str = "SELECT id, auth_secret, auth_secret_origin, auth_secret_revision, \
        additional_headers, additional_headers_origin, additional_headers_revision \
        FROM mcp_servers";
    let rows: Vec<SecretsOf> = conn.into().fetch_all(SQL, Vec::new()).await?;
    Ok(rows.into_iter().map(|row| (row.0, row.1)).collect())
}

/// Replaces or removes the sealed values of the shared headers. Changes no revision: the caller
/// updates the server too.
///
/// # Errors
/// When the database fails.
pub async fn set_auth_secret(tx: &mut Tx, id: ServerId, sealed: Option<&Sealed>) -> Result<()> {
    const SQL: &str = "UPDATE mcp_servers SET auth_secret = $2, auth_secret_origin = $3, \
                       auth_secret_revision = $4 WHERE id = $1";
    set_sealed(tx, (SERVER_AUTH, SQL), id, sealed).await
}

/// Replaces or removes the sealed values of the additional headers. Changes no revision: the caller
/// updates the server too.
///
/// # Errors
/// When the database fails.
pub async fn set_additional_headers(
    tx: &mut Tx,
    id: ServerId,
    sealed: Option<&Sealed>,
) -> Result<()> {
    const SQL: &str = "UPDATE mcp_servers SET additional_headers = $2, \
        additional_headers_origin = $3, additional_headers_revision = $4 WHERE id = $1";
    set_sealed(tx, (SERVER_HEADERS, SQL), id, sealed).await
}

async fn set_sealed(
    tx: &mut Tx,
    (place, sql): (&'static str, &'static str),
    id: ServerId,
    sealed: Option<&Sealed>,
) -> Result<()> {
    if sealed.is_none() {
        tx.drop_seal(place, id);
    }
    let values = values_of![
        id.as_uuid(),
        sealed.map(|sealed| sealed.bytes.clone()),
        sealed.map(|sealed| sealed.origin.clone()),
        sealed.map(|sealed| sealed.revision),
    ];
    Conn::from(&mut *tx).execute(sql, values).await?;
    tx.record_change(Change::Server(id)).await
}

impl FromRow for Server {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: ServerId::from_uuid(row.get("id")?),
            name: row.parse("name")?,
            server_type: row.parse("type")?,
            display_name: row.get("display_name")?,
            description: row.get("description")?,
            url: row.parse("url")?,
            auth: row.json("auth")?,
            additional_header_names: row.json("additional_header_names")?,
            tool_policy: row.json("tool_policy")?,
            prompts_enabled: row.get("prompts_enabled")?,
            resources_enabled: row.get("resources_enabled")?,
            allow_header_override: row.get("allow_header_override")?,
            ca_cert: row.optional("ca_cert")?,
            timeouts: row.json("timeouts")?,
            revision: row.get("revision")?,
            created_by: row.parse_optional("created_by")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
        })
    }
}

struct SecretsOf(ServerId, ServerSecrets);

impl FromRow for SecretsOf {
    fn from_row(row: &Row) -> Result<Self> {
        let id = ServerId::from_uuid(row.get("id")?);
        Ok(Self(id, ServerSecrets::from_row(row)?))
    }
}

impl FromRow for ServerSecrets {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            auth: row.sealed("auth_secret", "auth_secret_origin", "auth_secret_revision")?,
            additional_headers: row.sealed(
                "additional_headers",
                "additional_headers_origin",
                "additional_headers_revision",
            )?,
        })
    }
}
