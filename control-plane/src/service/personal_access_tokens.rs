//! Use cases of personal access tokens.

use std::time::Duration;

use serde_json::json;
use warder_shared::{id::TokenId, principal::Principal};

use crate::{
    authorize::{AccessToken, Permit, TokenOwner},
    domain::{AuditEvent, ObjectKind, Page, PageRequest},
    service::{
        Failure, Services,
        issued::{IssuedToken, TokenView, issue, lifetime},
        text,
        tokens::NewToken,
    },
    store::{
        audit_events,
        tokens::{self, TokenFilter},
        users,
    },
};

/// A personal access token to make.
#[derive(Debug)]
pub struct TokenInput {
    /// What the token is for.
    pub name: String,
    /// How long it lives.
    pub expires_in: Option<Duration>,
}

/// Someone's tokens, in the order they were made in.
///
/// # Errors
/// When the database fails.
pub async fn list(
    services: &Services,
    permit: &Permit<TokenOwner>,
    page: PageRequest<TokenId>,
) -> Result<Page<TokenView, TokenId>, Failure> {
    let filter = TokenFilter {
        owner: Some(Principal::User(permit.resource().user)),
        kind: None,
    };
    let page = tokens::list(&services.store, filter, &page).await?;
    let now = services.clock().now();
    Ok(page.map(|token| TokenView::at(now, &token)))
}

/// What is known of a token.
#[must_use]
pub fn get(services: &Services, permit: &Permit<AccessToken>) -> TokenView {
    TokenView::at(services.clock().now(), &permit.resource().token)
}

/// Makes a token that acts exactly as its owner.
///
/// # Errors
/// [`Failure::Invalid`], or [`Failure::NotFound`] when the owner was deleted a moment ago.
pub async fn create(
    services: &Services,
    permit: &Permit<TokenOwner>,
    input: TokenInput,
) -> Result<IssuedToken, Failure> {
    if input.name.is_empty() {
        return Err(Failure::invalid("/name", "must not be empty"));
    }
    text::label(&input.name).map_err(|error| Failure::invalid("/name", error.to_string()))?;
    let TokenOwner { user, email } = permit.resource();
    let mut tx = services.store.begin().await?;
    let owner = users::find(&mut tx, *user).await?;
    owner
        .filter(|user| user.is_active())
        .ok_or(Failure::NotFound { what: "user" })?;
    let new = NewToken {
        owner: Principal::User(*user),
        name: input.name,
        created_by: permit.principal(),
        lifetime: lifetime(input.expires_in),
    };
    let issued = issue(services, &mut tx, new).await?;
    let record = permit.record(
        tx.clock(),
        "personal_access_token.create",
        ObjectKind::Token,
        issued.id.to_string(),
    );
    let detail = json!({ "user": email, "expires_at": issued.expires_at });
    audit_events::insert(&mut tx, &AuditEvent { detail, ..record }).await?;
    tx.commit().await?;
    Ok(issued)
}

/// Revokes a token. Revoking it again changes nothing.
///
/// # Errors
/// When the database fails.
pub async fn revoke(services: &Services, permit: &Permit<AccessToken>) -> Result<(), Failure> {
    let id = permit.resource().token.id;
    let mut tx = services.store.begin().await?;
    if tokens::revoke(&mut tx, id).await? {
        let record = permit.record(
            tx.clock(),
            "personal_access_token.revoke",
            ObjectKind::Token,
            id.to_string(),
        );
        audit_events::insert(&mut tx, &record).await?;
        tx.commit().await?;
    }
    Ok(())
}
