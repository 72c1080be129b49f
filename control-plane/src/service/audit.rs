//! Use cases of the audit log.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use warder_shared::{id::EventId, principal::Principal};

use crate::{
    authorize::{Permit, Tenant},
    domain::{Actor, ActorKind, AuditEvent, AuditSource, ObjectKind, Outcome, Page, PageRequest},
    service::{Failure, Services, subjects::PrincipalName, words},
    store::audit_events::{self, AuditFilter, EventKey},
};

/// An audit event, as read back.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = AuditEvent)]
pub struct AuditEventView {
    /// Made where the event happened.
    #[schema(value_type = String, format = Uuid)]
    pub id: EventId,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// Which plane saw it.
    #[schema(value_type = String, example = "control-plane")]
    pub source: AuditSource,
    /// Who did it.
    pub actor: ActorView,
    /// What was done: `mcp_server.update`, or the MCP method.
    pub action: String,
    /// What it was done to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectView>,
    /// Name of the MCP server that it was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Tool, prompt or resource that it was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// How it ended.
    #[schema(value_type = words::Outcome)]
    pub outcome: Outcome,
    /// Type of the error, or the rule that refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The request that did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Name of the pod that saw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Further facts.
    pub detail: serde_json::Value,
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Actor)]
pub struct ActorView {
    /// What sort of actor.
    #[schema(value_type = String, example = "user")]
    pub kind: ActorKind,
    /// Id of the user or virtual account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// Address of the user or name of the virtual account, as it was then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What something was done to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AuditObject)]
pub struct ObjectView {
    /// What kind of thing.
    #[schema(value_type = String, example = "mcp-server")]
    pub kind: ObjectKind,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Which events to list.
#[derive(Debug, Default)]
pub struct AuditQuery {
    /// Not before.
    pub since: Option<DateTime<Utc>>,
    /// Before.
    pub until: Option<DateTime<Utc>>,
    /// Who acted.
    pub subject: Option<ActorQuery>,
    /// Name of the server.
    pub server: Option<String>,
    /// Tool, prompt or resource.
    pub tool: Option<String>,
    /// How it ended.
    pub outcome: Option<Outcome>,
}

/// Who acted: by name, or by id, which also finds those who are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActorQuery {
    /// `user:<email>` or `virtual-account:<name>`.
    Name(PrincipalName),
    /// `user:<id>` or `virtual-account:<id>`.
    Id(Principal),
}

/// Events, the newest first.
///
/// # Errors
/// [`Failure::Invalid`] when the subject does not exist.
pub async fn list(
    services: &Services,
    _: &Permit<Tenant>,
    query: AuditQuery,
    page: PageRequest<EventKey>,
) -> Result<Page<AuditEventView, EventKey>, Failure> {
    let mut tx = services.store.begin_read().await?;
    let actor = match query.subject {
        None => None,
        Some(ActorQuery::Id(principal)) => Some(principal),
        Some(ActorQuery::Name(name)) => {
            let unknown = || {
                Failure::invalid(
                    "subject",
                    "there is nobody of this name; ask by id for someone who is gone",
                )
            };
            Some(name.resolve(&mut tx).await?.ok_or_else(unknown)?)
        }
    };
    let actor = actor.map(|principal| Actor::principal(principal, None));
    let filter = AuditFilter {
        from: query.since,
        until: query.until,
        actor_kind: actor.as_ref().map(|actor| actor.kind),
        actor_id: actor.and_then(|actor| actor.id),
        server: query.server,
        tool: query.tool,
        outcome: query.outcome,
    };
    Ok(audit_events::list(&mut tx, &filter, &page)
        .await?
        .map(AuditEventView::from))
}

impl std::str::FromStr for ActorQuery {
    type Err = crate::service::subjects::InvalidSubject;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(principal) => Ok(Self::Id(principal)),
            Err(_) => text.parse().map(Self::Name),
        }
    }
}

impl<'de> serde::Deserialize<'de> for ActorQuery {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl From<AuditEvent> for AuditEventView {
    fn from(event: AuditEvent) -> Self {
        Self {
            id: event.id,
            at: event.at,
            source: event.source,
            actor: ActorView {
                kind: event.actor.kind,
                id: event.actor.id,
                name: event.actor.name,
            },
            action: event.action,
            object: event.object_kind.map(|kind| ObjectView {
                kind,
                name: event.object_name,
            }),
            server: event.server,
            tool: event.tool,
            outcome: event.outcome,
            reason: event.reason,
            request_id: event.request_id,
            node: event.node,
            detail: event.detail,
        }
    }
}
