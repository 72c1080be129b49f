//! Use cases of the caller's own account.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use warder_shared::{id::TokenId, name::Name, principal::Principal};

use crate::{
    authenticate::{Caller, Credential},
    domain::{Email, TenantRole},
    service::{Failure, Services, issued::effective_expiry, subjects::PrincipalName, words},
    store::{teams, tokens, users, virtual_accounts},
};

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Me)]
pub struct MeView {
    /// The caller in subjects: `user:<email>` or `virtual-account:<name>`.
    #[schema(value_type = String)]
    pub subject: PrincipalName,
    /// The address of a user.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub email: Option<Email>,
    /// Id of the user or virtual account.
    pub id: uuid::Uuid,
    /// Name shown to people: the user's, or the virtual account's description.
    pub name: String,
    /// Tenant roles; a virtual account has none.
    #[schema(value_type = Vec<words::TenantRole>)]
    pub roles: Vec<TenantRole>,
    /// Teams, by name; a virtual account is in none.
    #[schema(value_type = Vec<String>)]
    pub teams: Vec<Name>,
    /// The token of this request; absent in a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<UsedToken>,
    /// The session of this request; absent with a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<UsedSession>,
}

/// The session of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UsedSession {
    /// When it ends at the latest.
    pub expires_at: DateTime<Utc>,
}

/// The token of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UsedToken {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    pub id: TokenId,
    /// From when on it is refused.
    pub expires_at: DateTime<Utc>,
}

/// Describes the caller.
///
/// # Errors
/// [`Failure::NotFound`] when the caller was deleted a moment ago.
pub async fn describe(services: &Services, caller: &Caller) -> Result<MeView, Failure> {
    const GONE: Failure = Failure::NotFound { what: "caller" };
    let mut tx = services.store.begin_read().await?;
    let (token, session) = match caller.credential() {
        Credential::Token(id) => {
            let token = tokens::find(&mut tx, id).await?.ok_or(GONE)?;
            let expires_at = effective_expiry(&token);
            (Some(UsedToken { id, expires_at }), None)
        }
        Credential::Session(expires_at) => (None, Some(UsedSession { expires_at })),
    };
    let (id, name, email, team_names) = match caller.principal() {
        Principal::User(id) => {
            let user = users::find(&mut tx, id).await?.ok_or(GONE)?;
            let teams = teams::of_user(&mut tx, id).await?;
            (
                id.as_uuid(),
                user.name,
                Some(user.email),
                teams.into_iter().map(|team| team.name).collect(),
            )
        }
        Principal::VirtualAccount(id) => {
            let account = virtual_accounts::find(&mut tx, id).await?.ok_or(GONE)?;
            (id.as_uuid(), account.description, None, Vec::new())
        }
    };
    Ok(MeView {
        subject: caller.principal_name(),
        email,
        id,
        name,
        roles: caller.roles().to_vec(),
        teams: team_names,
        token,
        session,
    })
}
