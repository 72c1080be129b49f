//! Personal access tokens and tokens of virtual accounts: JWTs that are shown once and stored nowhere.

use chrono::{DateTime, Duration, Utc};
use secrecy::SecretString;
use warder_shared::id::TokenId;
use warder_shared::principal::Principal;
use warder_shared::token::{ACCESS_TOKEN_TYPE, Claims};

use super::keys::{KeyFailure, Keys};
use crate::domain::{Actor, AuditEvent, AuditSource, ObjectKind, Outcome, TokenRecord};
use crate::store::{self, Store, StoreError, Tx, audit_events};

/// The longest life of a token.
pub const MAX_LIFETIME: Duration = Duration::days(366);

/// The life of a token for which none was asked.
pub const DEFAULT_LIFETIME: Duration = Duration::days(90);

/// A token to make.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Whom it acts as.
    pub owner: Principal,
    /// What people call it.
    pub name: String,
    /// Who makes it; none: the bootstrap command.
    pub created_by: Option<Principal>,
    /// How long it lives, to the second: 1 second to [`MAX_LIFETIME`].
    pub lifetime: Duration,
}

/// Why a token was not made.
#[derive(Debug, thiserror::Error)]
pub enum MintFailure {
    /// The lifetime is out of bounds.
    #[error("a token lives for 1 second to {} days", MAX_LIFETIME.num_days())]
    Lifetime,
    /// The keys failed.
    #[error(transparent)]
    Keys(#[from] KeyFailure),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes a token: its record, and the token itself, which exists nowhere else. It is good once the
/// transaction commits.
///
/// # Errors
/// [`MintFailure::Lifetime`], or when the keys or the database fail.
pub async fn mint(
    keys: &Keys,
    tx: &mut Tx,
    new: NewToken,
) -> Result<(TokenRecord, SecretString), MintFailure> {
    if new.lifetime < Duration::seconds(1) || new.lifetime > MAX_LIFETIME {
        return Err(MintFailure::Lifetime);
    }
    let created_at = tx.now();
    let issued = created_at.timestamp();
    let expires = issued + new.lifetime.num_seconds();
    let record = TokenRecord {
        id: TokenId::new(tx.clock()),
        owner: new.owner,
        name: new.name,
        created_by: new.created_by,
        created_at,
        expires_at: DateTime::from_timestamp(expires, 0).ok_or(MintFailure::Lifetime)?,
        retires_at: None,
        revoked_at: None,
    };
    let claims = Claims {
        iss: keys.issuer().to_owned(),
        aud: keys.audience().to_owned(),
        sub: record.owner,
        jti: record.id,
        kind: record.kind(),
        iat: issued,
        nbf: issued,
        exp: expires,
        client: None,
    };
    let token = keys.sign(ACCESS_TOKEN_TYPE, &claims)?;
    store::tokens::insert(tx, &record).await?;
    Ok((record, token))
}

/// Ends a token now; whether it was in force until then.
///
/// # Errors
/// When the database fails.
pub async fn revoke(tx: &mut Tx, id: TokenId) -> Result<bool, StoreError> {
    store::tokens::revoke(tx, id).await
}

/// Ends a token that another one replaces, after a grace period in which both work; whether it was in
/// force.
///
/// # Errors
/// When the database fails.
pub async fn replace(tx: &mut Tx, id: TokenId, grace: Duration) -> Result<bool, StoreError> {
    if grace <= Duration::zero() {
        return revoke(tx, id).await;
    }
    let at: DateTime<Utc> = tx.now() + grace.min(MAX_LIFETIME);
    store::tokens::plan_retirement(tx, id, at).await
}

/// Ends the replaced tokens whose grace period is over; which ones. Cheap when there are none.
///
/// # Errors
/// When the database fails; it is done again at the next call.
pub async fn retire_due(store: &Store) -> Result<Vec<TokenId>, StoreError> {
    if !store::tokens::retirement_is_due(store, store.clock().now()).await? {
        return Ok(Vec::new());
    }
    let mut tx = store.begin().await?;
    let retired = store::tokens::retire_due(&mut tx).await?;
    for id in &retired {
        let event = retirement_event(&tx, *id);
        audit_events::insert(&mut tx, &event).await?;
    }
    tx.commit().await?;
    Ok(retired)
}

fn retirement_event(tx: &Tx, id: TokenId) -> AuditEvent {
    AuditEvent {
        id: warder_shared::id::EventId::new(tx.clock()),
        at: tx.now(),
        source: AuditSource::ControlPlane,
        actor: Actor::system(),
        action: "token.retire".to_owned(),
        object_kind: Some(ObjectKind::Token),
        object_name: Some(id.to_string()),
        server: None,
        tool: None,
        outcome: Outcome::Allowed,
        reason: Some("grace_period_over".to_owned()),
        request_id: None,
        node: None,
        detail: serde_json::json!({}),
    }
}
