//! Sessions of people who signed in.

use chrono::{DateTime, Utc};
use serde_json::json;
use warder_shared::{id::EventId, id::UserId, principal::Principal};

use super::{BearerSecret, Failure, Services};
use crate::{
    authorize::{Oneself, Permit},
    domain::{
        Actor, AuditEvent, AuditSource, ObjectKind, Outcome, SecretHash, Session, SignedInBy,
    },
    store::{Tx, audit_events, sessions, users},
};

/// A session, as its user sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    /// Hash of its id, to name it by.
    pub id: SecretHash,
    /// How its user signed in.
    pub signed_in_by: SignedInBy,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When a request last came, give or take a minute.
    pub last_seen_at: DateTime<Utc>,
    /// When it ends at the latest.
    pub expires_at: DateTime<Utc>,
}

/// Starts a session of somebody who has just proved who they are; its id, which the browser keeps. Always
/// a new one, so that nobody can have known it before (session fixation).
///
/// # Errors
/// [`Failure::NotFound`] when the user is gone or disabled.
pub async fn start(
    services: &Services,
    user: UserId,
    signed_in_by: SignedInBy,
    request_id: Option<String>,
) -> Result<BearerSecret, Failure> {
    let mut tx = services.store.begin().await?;
    let id = start_in(&mut tx, user, signed_in_by, request_id).await?;
    tx.commit().await?;
    Ok(id)
}

/// The same, within the transaction that decided who it is.
pub(super) async fn start_in(
    tx: &mut Tx,
    user: UserId,
    signed_in_by: SignedInBy,
    request_id: Option<String>,
) -> Result<BearerSecret, Failure> {
    let found = users::find(&mut *tx, user).await?;
    let user = found
        .filter(|user| user.is_active())
        .ok_or(Failure::NotFound { what: "user" })?;
    let (id, now) = (BearerSecret::generate()?, tx.now());
    let session = Session {
        id: id.hash(),
        user: user.id,
        signed_in_by,
        created_at: now,
        last_seen_at: now,
        expires_at: now + Session::LIFE,
    };
    sessions::insert(tx, &session).await?;
    let event = AuditEvent {
        id: EventId::new(tx.clock()),
        at: now,
        source: AuditSource::ControlPlane,
        actor: Actor::principal(Principal::User(user.id), Some(user.email.to_string())),
        action: "session.start".to_owned(),
        object_kind: Some(ObjectKind::Session),
        object_name: Some(user.email.to_string()),
        server: None,
        tool: None,
        outcome: Outcome::Allowed,
        reason: None,
        request_id,
        node: None,
        detail: json!({ "signed_in_by": session.signed_in_by.to_string() }),
    };
    audit_events::insert(tx, &event).await?;
    Ok(id)
}

/// The caller's sessions that are good now, the newest first.
///
/// # Errors
/// When the database fails.
pub async fn list(
    services: &Services,
    permit: &Permit<Oneself>,
) -> Result<Vec<SessionView>, Failure> {
    let Principal::User(user) = permit.resource().principal else {
        return Ok(Vec::new());
    };
    let now = services.clock().now();
    let mut found = sessions::of_user(&services.store, user).await?;
    found.retain(|session| session.is_live(now));
    found.reverse();
    Ok(found.into_iter().map(SessionView::from).collect())
}

/// Which sessions to end.
#[derive(Debug, Clone, Copy)]
pub enum Ending {
    /// This one.
    One(SecretHash),
    /// Every one but this.
    Others(SecretHash),
    /// Every one.
    All,
}

/// Ends sessions of the caller, at once and on every replica.
///
/// # Errors
/// When the database fails.
pub async fn end(
    services: &Services,
    permit: &Permit<Oneself>,
    which: Ending,
) -> Result<(), Failure> {
    let Principal::User(user) = permit.resource().principal else {
        return Ok(());
    };
    let mut tx = services.store.begin().await?;
    let ended = match which {
        Ending::One(id) => u64::from(sessions::delete(&mut tx, user, &id).await?),
        Ending::Others(id) => sessions::delete_of_user(&mut tx, user, Some(&id)).await?,
        Ending::All => sessions::delete_of_user(&mut tx, user, None).await?,
    };
    if ended == 0 {
        return Ok(());
    }
    let name = permit.actor_name().unwrap_or_default().to_owned();
    let record = permit.record(tx.clock(), "session.end", ObjectKind::Session, name);
    let detail = json!({ "sessions": ended });
    audit_events::insert(&mut tx, &AuditEvent { detail, ..record }).await?;
    tx.commit().await?;
    Ok(())
}

impl From<Session> for SessionView {
    fn from(session: Session) -> Self {
        Self {
            id: session.id,
            signed_in_by: session.signed_in_by,
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            expires_at: session.expires_at,
        }
    }
}
