//! The verified caller of a REST request.

use axum::extract::FromRequestParts;
use chrono::{DateTime, Utc};
use http::{header, request::Parts};
use warder_shared::{
    id::{TeamId, TokenId},
    principal::Principal,
    token::TokenKind,
};

use super::{
    bearer,
    cookies::{self, Presented, SESSION_COOKIE},
    same_origin::{self, X_CSRF_TOKEN},
    session::{self, SignedIn},
};
use crate::{
    accept::RequestId,
    domain::{Actor, TenantRole, User},
    service::{Services, subjects::PrincipalName},
    store::{self, StoreError},
};

/// Who calls, proved by a token or a session. Only this module can make one.
#[derive(Debug, Clone)]
pub struct Caller {
    principal: Principal,
    name: PrincipalName,
    roles: Vec<TenantRole>,
    teams: Vec<TeamId>,
    credential: Credential,
    request_id: RequestId,
}

/// What proved who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// This token.
    Token(TokenId),
    /// A session, which ends then at the latest.
    Session(DateTime<Utc>),
}

/// Why nobody is authenticated. The caller never hears what is wrong with a token.
#[derive(Debug, thiserror::Error)]
pub enum Unauthenticated {
    /// No bearer token came.
    #[error("send a token as `Authorization: Bearer …`")]
    Missing,
    /// More than one `Authorization` header came, or one beside a session (T9).
    #[error("send exactly one Authorization header, or a session, not both")]
    Ambiguous,
    /// The request changes something in a session, and no page of ours sent it (T60).
    #[error("in a session, send its token as `X-CSRF-Token`, from a page of this origin")]
    Forged,
    /// The token is not one of ours, not live, or its owner is not active.
    #[error("the token is not valid")]
    Invalid,
    /// It could not be found out.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Caller {
    pub(super) fn new(
        principal: Principal,
        name: PrincipalName,
        (roles, teams): (Vec<TenantRole>, Vec<TeamId>),
        credential: Credential,
        request_id: RequestId,
    ) -> Self {
        Self {
            principal,
            name,
            roles,
            teams,
            credential,
            request_id,
        }
    }

    /// The one who calls.
    #[must_use]
    pub const fn principal(&self) -> Principal {
        self.principal
    }

    /// Email of the user, or name of the virtual account.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.name {
            PrincipalName::User(email) => email.as_str(),
            PrincipalName::VirtualAccount(name) => name.as_str(),
        }
    }

    /// Tenant roles; a virtual account has none.
    #[must_use]
    pub fn roles(&self) -> &[TenantRole] {
        &self.roles
    }

    /// Teams of the user; a virtual account is in none.
    #[must_use]
    pub fn teams(&self) -> &[TeamId] {
        &self.teams
    }

    /// What proved it.
    #[must_use]
    pub const fn credential(&self) -> Credential {
        self.credential
    }

    /// The request that the caller made.
    #[must_use]
    pub const fn request_id(&self) -> &RequestId {
        &self.request_id
    }

    /// Whether the caller may do everything.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.roles.contains(&TenantRole::Admin)
    }

    /// The caller, as people write them.
    #[must_use]
    pub fn principal_name(&self) -> PrincipalName {
        self.name.clone()
    }

    /// The caller, for the audit log.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::principal(self.principal, Some(self.name().to_owned()))
    }
}

impl FromRequestParts<Services> for Caller {
    type Rejection = Unauthenticated;

    async fn from_request_parts(
        parts: &mut Parts,
        services: &Services,
    ) -> Result<Self, Unauthenticated> {
        // The console calls the API within the process, in the name of who is signed in.
        if let Some(signed_in) = parts.extensions.get::<SignedIn>() {
            return Ok(signed_in.caller().clone());
        }
        let has_token = parts.headers.contains_key(header::AUTHORIZATION);
        match cookies::read(&parts.headers, SESSION_COOKIE) {
            Presented::Nothing => {
                let token = bearer::token(&parts.headers)?;
                verify(services, token, request_id(parts)?).await
            }
            _ if has_token => Err(Unauthenticated::Ambiguous),
            Presented::Nonsense => Err(Unauthenticated::Invalid),
            Presented::Secret(secret) => {
                let signed_in = session::verify(services, parts, secret).await?;
                let signed_in = signed_in.ok_or(Unauthenticated::Invalid)?;
                if same_origin::is_unsafe(&parts.method) {
                    let token = parts.headers.get(X_CSRF_TOKEN);
                    let token = token.and_then(|token| token.to_str().ok());
                    if !signed_in.sent(parts, services, token.unwrap_or_default()) {
                        return Err(Unauthenticated::Forged);
                    }
                }
                Ok(signed_in.caller().clone())
            }
        }
    }
}

/// The id that every request was given.
pub(super) fn request_id(parts: &Parts) -> Result<RequestId, Unauthenticated> {
    let id = parts.extensions.get::<RequestId>().cloned();
    id.ok_or_else(|| Unauthenticated::Internal("the request has no id".into()))
}

/// Verifies a token as a pod would, then its record and its owner, which a pod hears of by the stream.
async fn verify(
    services: &Services,
    token: &str,
    request_id: RequestId,
) -> Result<Caller, Unauthenticated> {
    let claims = services.keys.verify(token).map_err(|error| {
        tracing::debug!(request.id = %request_id, "a token was refused: {error}");
        Unauthenticated::Invalid
    })?;
    // A client's token is for servers; what its user may do here, they did not grant (T4).
    if claims.kind == TokenKind::OAuth {
        return Err(Unauthenticated::Invalid);
    }
    let mut tx = services.store.begin_read().await?;
    let record = store::tokens::find(&mut tx, claims.jti).await?;
    let live = record
        .is_some_and(|record| record.owner == claims.sub && record.is_live(services.clock().now()));
    if !live {
        return Err(Unauthenticated::Invalid);
    }
    let (name, roles, teams) = match claims.sub {
        Principal::User(id) => {
            let user = store::users::find(&mut tx, id)
                .await?
                .filter(User::is_active);
            let user = user.ok_or(Unauthenticated::Invalid)?;
            let teams = store::teams::of_user(&mut tx, id).await?;
            (
                PrincipalName::User(user.email),
                user.roles,
                teams.into_iter().map(|team| team.id).collect(),
            )
        }
        Principal::VirtualAccount(id) => {
            let account = store::virtual_accounts::find(&mut tx, id).await?;
            let account = account.ok_or(Unauthenticated::Invalid)?;
            (
                PrincipalName::VirtualAccount(account.name),
                Vec::new(),
                Vec::new(),
            )
        }
    };
    Ok(Caller::new(
        claims.sub,
        name,
        (roles, teams),
        Credential::Token(claims.jti),
        request_id,
    ))
}

impl From<StoreError> for Unauthenticated {
    fn from(error: StoreError) -> Self {
        Self::Internal(error.into())
    }
}
