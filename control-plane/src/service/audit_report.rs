//! What pods report of the calls that they saw.

use std::collections::HashMap;

use chrono::{DateTime, Duration, Utc};
use warder_shared::principal::Principal;
use warder_shared::proto::{self, v1};

use super::nodes::Node;
use crate::domain::{Actor, AuditEvent, AuditSource, ObjectKind, Outcome};
use crate::store::{Store, StoreError, Tx, audit_events, users, virtual_accounts};

/// Most events of one report.
pub const MAX_EVENTS: usize = 1000;

/// Longest text of an event, in characters: what callers send ends up in it.
const MAX_TEXT: usize = 256;

/// An event that is older than this gets the time of its arrival.
const OLDEST: Duration = Duration::days(30);

/// How far a pod's clock may be ahead.
const MOST_SKEW: Duration = Duration::minutes(5);

/// Why a report was not stored.
#[derive(Debug, thiserror::Error)]
pub enum ReportFailure {
    /// It has more events than one report may have.
    #[error("a report has at most {MAX_EVENTS} events")]
    TooMany,
    /// The database failed; the same report may be sent again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Stores a pod's events, each once however often it is reported; how many were new. An event that
/// cannot be understood is left out and logged: sending it again would not help.
///
/// # Errors
/// See [`ReportFailure`]; nothing was stored then.
pub async fn report(
    store: &Store,
    node: &Node,
    events: Vec<v1::AuditEvent>,
) -> Result<usize, ReportFailure> {
    if events.len() > MAX_EVENTS {
        return Err(ReportFailure::TooMany);
    }
    let mut tx = store.begin_append().await?;
    let mut names = Names::default();
    let mut stored = 0;
    for event in events {
        let principal = match event.principal.as_str() {
            "" => None,
            text => text.parse::<Principal>().ok(),
        };
        let actor = match principal {
            Some(principal) => Actor::principal(principal, names.of(&mut tx, principal).await?),
            None => Actor::anonymous(),
        };
        match read(event, actor, node, tx.now()) {
            Some(event) => stored += usize::from(audit_events::insert(&mut tx, &event).await?),
            None => tracing::warn!(
                node = node.name(),
                "a pod reported an event that is not readable"
            ),
        }
    }
    tx.commit().await?;
    Ok(stored)
}

/// Emails and names, each read once per report.
#[derive(Default)]
struct Names(HashMap<Principal, Option<String>>);

impl Names {
    async fn of(
        &mut self,
        tx: &mut Tx,
        principal: Principal,
    ) -> Result<Option<String>, StoreError> {
        if let Some(name) = self.0.get(&principal) {
            return Ok(name.clone());
        }
        let name = match principal {
            Principal::User(id) => users::find(tx, id)
                .await?
                .map(|user| user.email.to_string()),
            Principal::VirtualAccount(id) => virtual_accounts::find(tx, id)
                .await?
                .map(|account| account.name.to_string()),
        };
        self.0.insert(principal, name.clone());
        Ok(name)
    }
}

fn read(
    event: v1::AuditEvent,
    actor: Actor,
    node: &Node,
    now: DateTime<Utc>,
) -> Option<AuditEvent> {
    let outcome = match event.outcome() {
        v1::Outcome::Allowed => Outcome::Allowed,
        v1::Outcome::Denied => Outcome::Denied,
        v1::Outcome::Failed => Outcome::Failed,
        v1::Outcome::Unspecified => return None,
    };
    let server = text(event.server);
    let mut detail = serde_json::Map::new();
    if event.http_status != 0 {
        detail.insert("http_status".to_owned(), event.http_status.into());
    }
    detail.insert("duration_us".to_owned(), event.duration_us.into());
    if event.count > 1 {
        detail.insert("count".to_owned(), event.count.into());
    }
    if let Some(token) = text(event.token_id) {
        detail.insert("token_id".to_owned(), token.into());
    }
    if let Some(provider) = text(event.identity_provider) {
        detail.insert("identity_provider".to_owned(), provider.into());
    }
    Some(AuditEvent {
        id: event.id.parse().ok()?,
        at: event
            .at
            .as_ref()
            .and_then(proto::datetime)
            .filter(|at| is_plausible(*at, now))
            .unwrap_or(now),
        source: AuditSource::DataPlane,
        actor,
        action: text(event.method).unwrap_or_default(),
        object_kind: server.is_some().then_some(ObjectKind::Server),
        object_name: server.clone(),
        server,
        tool: text(event.object),
        outcome,
        reason: text(event.reason),
        request_id: text(event.request_id),
        node: Some(node.name().to_owned()),
        detail: detail.into(),
    })
}

/// Whether an event may have happened then. A pod may have kept it for long while the control plane was
/// away; it cannot have it from the future.
fn is_plausible(at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    (now - OLDEST..=now + MOST_SKEW).contains(&at)
}

/// The text, not longer than [`MAX_TEXT`]; none when it is empty.
fn text(text: String) -> Option<String> {
    match text.char_indices().nth(MAX_TEXT) {
        None if text.is_empty() => None,
        None => Some(text),
        Some((end, _)) => Some(text[..end].to_owned()),
    }
}
