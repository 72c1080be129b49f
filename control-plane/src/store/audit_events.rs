//! Table `audit_events`. Rows are added and read, never changed, and deleted when they are old.

use chrono::{DateTime, Utc};
use uuid::Uuid;
use warder_shared::id::EventId;

use super::Result;
use super::query::{Conn, Value, values_of};
use super::row::{FromRow, Row};
use super::tx::Tx;
use crate::domain::{Actor, ActorKind, AuditEvent, Outcome, Page, PageRequest};

/// Place of an event in the log: time, then id.
pub type EventKey = (DateTime<Utc>, EventId);

/// Which events a list is about. Every field that is given has to fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Not before.
    pub from: Option<DateTime<Utc>>,
    /// Before.
    pub until: Option<DateTime<Utc>>,
    /// Sort of actor.
    pub actor_kind: Option<ActorKind>,
    /// Id of the user or virtual account that acted.
    pub actor_id: Option<Uuid>,
    /// Name of the MCP server.
    pub server: Option<String>,
    /// Name of the tool, prompt or resource.
    pub tool: Option<String>,
    /// How it ended.
    pub outcome: Option<Outcome>,
}

/// Adds an event; whether it was new. One with the same id changes nothing.
///
/// # Errors
/// When the database fails.
pub async fn insert(tx: &mut Tx, event: &AuditEvent) -> Result<bool> {
    const SQL: &str = "INSERT INTO audit_events (id, at, source, actor_kind, actor_id, actor_name, \
        action, object_kind, object_name, server, tool, outcome, reason, request_id, node, detail) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) \
        ON CONFLICT (id) DO NOTHING";
    let values = values_of![
        event.id.as_uuid(),
        event.at,
        event.source.as_str(),
        event.actor.kind.as_str(),
        event.actor.id,
        event.actor.name.as_deref(),
        event.action.as_str(),
        event.object_kind.map(|kind| kind.as_str()),
        event.object_name.as_deref(),
        event.server.as_deref(),
        event.tool.as_deref(),
        event.outcome.as_str(),
        event.reason.as_deref(),
        event.request_id.as_deref(),
        event.node.as_deref(),
        Value::json(&event.detail)?,
    ];
    Ok(Conn::from(tx).execute(SQL, values).await? > 0)
}

/// Events, newest first.
///
/// # Errors
/// When the database fails.
pub async fn list(
    conn: impl Into<Conn<'_>>,
    filter: &AuditFilter,
    request: &PageRequest<EventKey>,
) -> Result<Page<AuditEvent, EventKey>> {
    const SQL: &str = "SELECT id, at, source, actor_kind, actor_id, actor_name, action, object_kind, \
        object_name, server, tool, outcome, reason, request_id, node, detail FROM audit_events \
        WHERE ($1 IS NULL OR at < $1 OR (at = $1 AND id < $2)) \
        AND ($3 IS NULL OR at >= $3) AND ($4 IS NULL OR at < $4) \
        AND ($5 IS NULL OR actor_kind = $5) AND ($6 IS NULL OR actor_id = $6) \
        AND ($7 IS NULL OR server = $7) AND ($8 IS NULL OR tool = $8) \
        AND ($9 IS NULL OR outcome = $9) ORDER BY at DESC, id DESC LIMIT $10";
    let values = values_of![
        request.after.map(|(at, _)| at),
        request.after.map(|(_, id)| id.as_uuid()),
        filter.from,
        filter.until,
        filter.actor_kind.map(|kind| kind.as_str()),
        filter.actor_id,
        filter.server.as_deref(),
        filter.tool.as_deref(),
        filter.outcome.map(|outcome| outcome.as_str()),
        request.rows(),
    ];
    let events = conn.into().fetch_all(SQL, values).await?;
    Ok(Page::cut(events, request, |event: &AuditEvent| {
        (event.at, event.id)
    }))
}

/// Deletes the oldest events before a time, at most `limit` of them; how many.
///
/// # Errors
/// When the database fails.
pub async fn delete_before(tx: &mut Tx, before: DateTime<Utc>, limit: u32) -> Result<u64> {
    const SQL: &str = "DELETE FROM audit_events WHERE id IN \
        (SELECT id FROM audit_events WHERE at < $1 ORDER BY at, id LIMIT $2)";
    let values = values_of![before, i64::from(limit)];
    Conn::from(tx).execute(SQL, values).await
}

impl FromRow for AuditEvent {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: EventId::from_uuid(row.get("id")?),
            at: row.get("at")?,
            source: row.parse("source")?,
            actor: Actor {
                kind: row.parse("actor_kind")?,
                id: row.optional("actor_id")?,
                name: row.optional("actor_name")?,
            },
            action: row.get("action")?,
            object_kind: row.parse_optional("object_kind")?,
            object_name: row.optional("object_name")?,
            server: row.optional("server")?,
            tool: row.optional("tool")?,
            outcome: row.parse("outcome")?,
            reason: row.optional("reason")?,
            request_id: row.optional("request_id")?,
            node: row.optional("node")?,
            detail: row.json("detail")?,
        })
    }
}
