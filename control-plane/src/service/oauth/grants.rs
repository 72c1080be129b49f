//! What a user granted to clients, as they see it.

use chrono::{DateTime, Utc};
use warder_shared::{
    id::{GrantId, UserId},
    principal::Principal,
};

use crate::{
    authorize::{Oneself, Permit},
    domain::{OAuthGrant, ObjectKind},
    service::{Failure, Services},
    store::{audit_events, oauth_grants},
};

/// A client that may act for a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantView {
    /// Identity, for revoking it.
    pub id: GrantId,
    /// What the client calls itself; empty when it does not say.
    pub client_name: String,
    /// Its `client_id`.
    pub client_id: String,
    /// The URL of the server that it may use, or of the gateway.
    pub resource: String,
    /// Whether it may call tools.
    pub calls_tools: bool,
    /// When the user agreed.
    pub created_at: DateTime<Utc>,
    /// The last time that it got an access token.
    pub last_used_at: DateTime<Utc>,
    /// When it has to ask again.
    pub expires_at: DateTime<Utc>,
}

/// What the user granted and what is still in force, the newest first.
///
/// # Errors
/// When the database fails.
pub async fn list(
    services: &Services,
    permit: &Permit<Oneself>,
) -> Result<Vec<GrantView>, Failure> {
    let Some(user) = user(permit) else {
        return Ok(Vec::new());
    };
    let now = services.clock().now();
    let grants = oauth_grants::live_of_user(&services.store, user, now).await?;
    Ok(grants.into_iter().map(GrantView::from).collect())
}

/// Takes back what the user granted: its tokens end everywhere within a second.
///
/// # Errors
/// [`Failure::NotFound`] when it is not theirs.
pub async fn revoke_own(
    services: &Services,
    permit: &Permit<Oneself>,
    id: GrantId,
) -> Result<(), Failure> {
    const UNKNOWN: Failure = Failure::NotFound {
        what: "application",
    };
    let mut tx = services.store.begin().await?;
    let grant = oauth_grants::find(&mut tx, id).await?;
    grant
        .filter(|grant| Some(grant.user) == user(permit))
        .ok_or(UNKNOWN)?;
    if oauth_grants::revoke(&mut tx, id).await? {
        let name = id.to_string();
        let event = permit.record(
            tx.clock(),
            "oauth_grant.revoke",
            ObjectKind::OAuthGrant,
            name,
        );
        audit_events::insert(&mut tx, &event).await?;
    }
    tx.commit().await?;
    Ok(())
}

fn user(permit: &Permit<Oneself>) -> Option<UserId> {
    match permit.resource().principal {
        Principal::User(user) => Some(user),
        Principal::VirtualAccount(_) => None,
    }
}

impl From<OAuthGrant> for GrantView {
    fn from(grant: OAuthGrant) -> Self {
        Self {
            id: grant.id,
            client_name: grant.client_name,
            client_id: grant.client_id,
            resource: grant.resource,
            calls_tools: grant.scopes.allows_tools(),
            created_at: grant.created_at,
            last_used_at: grant.last_used_at,
            expires_at: grant.expires_at,
        }
    }
}
