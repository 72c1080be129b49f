//! A user is asked whether a client may act for them, and answers (T43).
//!
//! They are asked each time: nothing is remembered of earlier answers, so a link that somebody else made shows
//! a page and gives nothing away.

use chrono::Duration;
use serde_json::json;
use warder_shared::{
    id::{GrantId, UserId},
    principal::Principal,
};

use super::{
    ErrorCode, Refusal,
    access::{self, Access},
    random_bytes,
    request::AuthorizationRequest,
};
use crate::{
    authorize::{Oneself, Permit},
    domain::{
        AuditEvent, AuthorizationCode, OAuthGrant, ObjectKind, Outcome,
        oauth_grant::{CODE_LIFETIME, GRANT_LIFETIME},
    },
    service::{BearerSecret, Services},
    store::{Tx, audit_events, oauth_clients, oauth_codes, oauth_grants},
    vault::Binding,
};

/// A client's use is noted once in this time.
const NOTED: Duration = Duration::hours(12);

/// What a user is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Where the client will use the token.
    pub to: Offered,
    /// Its URL.
    pub url: String,
}

/// Where a client will use its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offered {
    /// At every server that the user may use.
    Everything,
    /// At the server with this name for people.
    Server(String),
}

/// What the user would grant.
///
/// # Errors
/// [`ErrorCode::AccessDenied`] when they have no access themselves, whether there is such a server or not.
pub async fn offer(
    services: &Services,
    permit: &Permit<Oneself>,
    request: &AuthorizationRequest,
) -> Result<Offer, Refusal> {
    let mut tx = services.store.begin_read().await?;
    let user = user(permit)?;
    let access = access::of_user(&mut tx, user, &request.resource).await?;
    let to = match access.ok_or(NO_ACCESS)? {
        Access::Gateway => Offered::Everything,
        Access::Server(server) if server.display_name.is_empty() => {
            Offered::Server(server.name.to_string())
        }
        Access::Server(server) => Offered::Server(server.display_name),
    };
    Ok(Offer {
        to,
        url: request.resource.url(services.gateway_url()),
    })
}

/// The user agrees: the code that the client gets tokens for.
///
/// # Errors
/// As [`offer`].
pub async fn approve(
    services: &Services,
    permit: &Permit<Oneself>,
    request: &AuthorizationRequest,
) -> Result<BearerSecret, Refusal> {
    let user = user(permit)?;
    let code = BearerSecret::generate()?;
    let mut tx = services.store.begin().await?;
    let now = tx.now();
    let access = access::of_user(&mut tx, user, &request.resource).await?;
    access.ok_or(NO_ACCESS)?;
    let grant = OAuthGrant {
        id: GrantId::new(tx.clock()),
        user,
        client_id: request.client.id.clone(),
        client_name: request.client.name.clone(),
        redirect_uri: request.redirect_uri.as_str().to_owned(),
        resource: request.resource.url(services.gateway_url()),
        scopes: request.scopes,
        refreshes: request.client.refreshes,
        generation: 0,
        rotated_at: None,
        created_at: now,
        redeemed_at: None,
        last_used_at: now,
        expires_at: now + GRANT_LIFETIME,
        revoked_at: None,
    };
    let secret = random_bytes()?;
    let binding = Binding::oauth_grant(grant.id, user);
    let sealed = services
        .vault
        .seal(&mut tx, &binding, secret.as_slice())
        .await?;
    oauth_grants::insert(&mut tx, &grant, &sealed).await?;
    let waiting = AuthorizationCode {
        hash: code.hash().as_bytes().to_vec(),
        grant: grant.id,
        challenge: request.challenge.clone(),
        expires_at: now + CODE_LIFETIME,
        used_at: None,
    };
    oauth_codes::insert(&mut tx, &waiting).await?;
    oauth_clients::touch(&mut tx, &grant.client_id, now - NOTED).await?;
    let event = asked(
        &tx,
        permit,
        request,
        "oauth_grant.create",
        grant.id.to_string(),
    );
    audit_events::insert(&mut tx, &event).await?;
    tx.commit().await?;
    Ok(code)
}

/// The user does not agree.
///
/// # Errors
/// When the database fails.
pub async fn deny(
    services: &Services,
    permit: &Permit<Oneself>,
    request: &AuthorizationRequest,
) -> Result<(), Refusal> {
    let mut tx = services.store.begin_append().await?;
    let mut event = asked(&tx, permit, request, "oauth_grant.refuse", String::new());
    event.object_name = None;
    event.outcome = Outcome::Denied;
    event.reason = Some("refused_by_user".into());
    audit_events::insert(&mut tx, &event).await?;
    tx.commit().await?;
    Ok(())
}

const NO_ACCESS: Refusal = Refusal::new(
    ErrorCode::AccessDenied,
    "the user has no access to this resource",
);

/// Virtual accounts have tokens of their own and grant nothing.
fn user(permit: &Permit<Oneself>) -> Result<UserId, Refusal> {
    match permit.resource().principal {
        Principal::User(user) => Ok(user),
        Principal::VirtualAccount(_) => Err(NO_ACCESS),
    }
}

fn asked(
    tx: &Tx,
    permit: &Permit<Oneself>,
    request: &AuthorizationRequest,
    action: &str,
    name: String,
) -> AuditEvent {
    let mut event = permit.record(tx.clock(), action, ObjectKind::OAuthGrant, name);
    event.detail = json!({
        "client_id": request.client.id,
        "client_name": request.client.name,
        "redirect_uri": request.redirect_uri.as_str(),
        "scope": request.scopes.as_str(),
    });
    if let warder_shared::oauth::Resource::Server(name) = &request.resource {
        event.server = Some(name.to_string());
    }
    event
}
