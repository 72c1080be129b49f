//! Table `collaborators`: who may use or manage a server.

use warder_shared::id::ServerId;
use warder_shared::policy::{Grant, Role};
use warder_shared::principal::Subject;

use super::Result;
use super::query::{Conn, Value, values_of};
use super::row::{FromRow, Row, corrupt};
use super::subject::{read_subject, subject_columns};
use super::tx::Tx;
use crate::domain::{Change, Collaborator};

const MANAGER: &str = "mcp-server-manager";
const USER: &str = "mcp-server-user";

/// The rules of a server, in a stable order.
///
/// # Errors
/// When the database fails.
pub async fn of_server(conn: impl Into<Conn<'_>>, id: ServerId) -> Result<Vec<Grant>> {
    const SQL: &str = "SELECT server_id, subject_kind, subject_id, role, tools, deny_tools \
                       FROM collaborators WHERE server_id = $1 ORDER BY subject_kind, subject_id";
    let rules: Vec<Collaborator> = conn.into().fetch_all(SQL, values_of![id.as_uuid()]).await?;
    Ok(rules.into_iter().map(|rule| rule.grant).collect())
}

/// The rules that name a subject, in a stable order.
///
/// # Errors
/// When the database fails.
pub async fn of_subject(conn: impl Into<Conn<'_>>, subject: Subject) -> Result<Vec<Collaborator>> {
    const SQL: &str = "SELECT server_id, subject_kind, subject_id, role, tools, deny_tools \
                       FROM collaborators WHERE subject_kind = $1 AND subject_id = $2 \
                       ORDER BY server_id";
    let (kind, id) = subject_columns(subject);
    conn.into().fetch_all(SQL, values_of![kind, id]).await
}

/// Every rule of every server.
///
/// # Errors
/// When the database fails.
pub async fn all(conn: impl Into<Conn<'_>>) -> Result<Vec<Collaborator>> {
    const SQL: &str = "SELECT server_id, subject_kind, subject_id, role, tools, deny_tools \
                       FROM collaborators ORDER BY server_id, subject_kind, subject_id";
    conn.into().fetch_all(SQL, Vec::new()).await
}

/// Adds a rule, or replaces the one that names the same subject.
///
/// # Errors
/// [`super::StoreError::MissingReference`] when the server does not exist.
pub async fn put(tx: &mut Tx, rule: &Collaborator) -> Result<()> {
    const SQL: &str = "INSERT INTO collaborators \
        (server_id, subject_kind, subject_id, role, tools, deny_tools) \
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (server_id, subject_kind, subject_id) \
        DO UPDATE SET role = excluded.role, tools = excluded.tools, \
        deny_tools = excluded.deny_tools";
    let (kind, id) = subject_columns(rule.grant.subject);
    let values = values_of![
        rule.server_id.as_uuid(),
        kind,
        id,
        role_word(rule.grant.role),
        Value::json_or_null(rule.grant.tools.as_ref())?,
        Value::json(&rule.grant.deny_tools)?,
    ];
    Conn::from(&mut *tx).execute(SQL, values).await?;
    tx.record_change(Change::Server(rule.server_id)).await
}

/// Makes exactly these the rules of a server. Of two that name one subject the last counts.
///
/// # Errors
/// [`super::StoreError::MissingReference`] when the server does not exist.
pub async fn replace_of_server(tx: &mut Tx, id: ServerId, grants: &[Grant]) -> Result<()> {
    const SQL: &str = "DELETE FROM collaborators WHERE server_id = $1";
    Conn::from(&mut *tx)
        .execute(SQL, values_of![id.as_uuid()])
        .await?;
    tx.record_change(Change::Server(id)).await?;
    for grant in grants {
        put(
            tx,
            &Collaborator {
                server_id: id,
                grant: grant.clone(),
            },
        )
        .await?;
    }
    Ok(())
}

/// Makes exactly these the rules that name a subject, which each of them has to.
///
/// # Errors
/// [`super::StoreError::MissingReference`] when a server does not exist.
pub async fn replace_of_subject(
    tx: &mut Tx,
    subject: Subject,
    rules: &[Collaborator],
) -> Result<()> {
    let current = of_subject(&mut *tx, subject).await?;
    for old in &current {
        if !rules.iter().any(|rule| rule.server_id == old.server_id) {
            delete(tx, old.server_id, subject).await?;
        }
    }
    for rule in rules.iter().filter(|rule| rule.grant.subject == subject) {
        if !current.contains(rule) {
            put(tx, rule).await?;
        }
    }
    Ok(())
}

/// Removes the rule of a server that names a subject; whether there was one.
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut Tx, server: ServerId, subject: Subject) -> Result<bool> {
    const SQL: &str = "DELETE FROM collaborators \
                       WHERE server_id = $1 AND subject_kind = $2 AND subject_id = $3";
    let (kind, id) = subject_columns(subject);
    let values = values_of![server.as_uuid(), kind, id];
    let found = Conn::from(&mut *tx).execute(SQL, values).await? > 0;
    if found {
        tx.record_change(Change::Server(server)).await?;
    }
    Ok(found)
}

/// Removes every rule that names a subject, as when it is deleted; of which servers.
///
/// # Errors
/// When the database fails.
pub async fn delete_of_subject(tx: &mut Tx, subject: Subject) -> Result<Vec<ServerId>> {
    let rules = of_subject(&mut *tx, subject).await?;
    for rule in &rules {
        delete(tx, rule.server_id, subject).await?;
    }
    Ok(rules.into_iter().map(|rule| rule.server_id).collect())
}

const fn role_word(role: Role) -> &'static str {
    match role {
        Role::Manager => MANAGER,
        Role::User => USER,
    }
}

impl FromRow for Collaborator {
    fn from_row(row: &Row) -> Result<Self> {
        let role = match row.get::<String>("role")?.as_str() {
            MANAGER => Role::Manager,
            USER => Role::User,
            _ => return Err(corrupt("role", "an unknown server role")),
        };
        let grant = Grant {
            subject: read_subject(row)?,
            role,
            tools: row.json_optional("tools")?,
            deny_tools: row.json("deny_tools")?,
        };
        Ok(Self {
            server_id: ServerId::from_uuid(row.get("server_id")?),
            grant,
        })
    }
}
