//! Use cases of the tokens of virtual accounts.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use warder_shared::{id::TokenId, principal::Principal};

use crate::{
    authorize::{Permit, Tenant},
    domain::{AuditEvent, ObjectKind, Page, PageRequest, TokenRecord, VirtualAccount},
    service::{
        Failure, Services,
        issued::{IssuedToken, TokenView, issue, lifetime},
        text,
        tokens::{self as minting, NewToken},
        virtual_accounts::find,
    },
    store::{
        Tx, audit_events,
        tokens::{self, TokenFilter},
    },
};

/// How long a replaced token is still accepted when nobody says.
const DEFAULT_GRACE: Duration = Duration::from_secs(3600);

/// Longest time that a replaced token may still be accepted.
const MAX_GRACE: Duration = Duration::from_secs(30 * 86_400);

/// A token to make.
#[derive(Debug)]
pub struct NewAccountToken {
    /// What the token is for.
    pub name: String,
    /// How long it lives.
    pub expires_in: Option<Duration>,
    /// The live token that it replaces.
    pub replaces: Option<TokenId>,
    /// How long the replaced token is still accepted.
    pub grace_period: Option<Duration>,
}

/// An account's tokens, in the order they were made in.
///
/// # Errors
/// [`Failure::NotFound`] when there is no such account.
pub async fn list(
    services: &Services,
    _: &Permit<Tenant>,
    account: &str,
    page: PageRequest<TokenId>,
) -> Result<Page<TokenView, TokenId>, Failure> {
    let mut tx = services.store.begin_read().await?;
    let account = find(&mut tx, account).await?;
    let filter = TokenFilter {
        owner: Some(Principal::VirtualAccount(account.id)),
        kind: None,
    };
    let now = services.clock().now();
    Ok(tokens::list(&mut tx, filter, &page)
        .await?
        .map(|token| TokenView::at(now, &token)))
}

/// What is known of a token of an account.
///
/// # Errors
/// [`Failure::NotFound`] when there is no such account, or it has no such token.
pub async fn get(
    services: &Services,
    _: &Permit<Tenant>,
    account: &str,
    id: &str,
) -> Result<TokenView, Failure> {
    let mut tx = services.store.begin_read().await?;
    let account = find(&mut tx, account).await?;
    let token = token_of(&mut tx, &account, id).await?;
    Ok(TokenView::at(services.clock().now(), &token))
}

/// Makes a token of an account, and lets the one that it replaces live for its grace period only.
///
/// # Errors
/// [`Failure::NotFound`] when there is no such account, [`Failure::Invalid`] when what it should
/// replace is not a live token of the account.
pub async fn create(
    services: &Services,
    permit: &Permit<Tenant>,
    account: &str,
    input: NewAccountToken,
) -> Result<IssuedToken, Failure> {
    text::label(&input.name).map_err(|error| Failure::invalid("/name", error.to_string()))?;
    let grace = grace(&input)?;
    let mut tx = services.store.begin().await?;
    let account = find(&mut tx, account).await?;
    if let Some(replaced) = input.replaces {
        replace(&mut tx, &account, replaced, grace).await?;
    }
    let owner = Principal::VirtualAccount(account.id);
    let new = NewToken {
        owner,
        name: input.name,
        created_by: permit.principal(),
        lifetime: lifetime(input.expires_in),
    };
    let issued = issue(services, &mut tx, new).await?;
    let record = permit.record(
        tx.clock(),
        "virtual_account_token.create",
        ObjectKind::Token,
        issued.id.to_string(),
    );
    let detail = json!({
        "virtual_account": account.name,
        "expires_at": issued.expires_at,
        "replaces": input.replaces,
        "grace_seconds": input.replaces.map(|_| grace.num_seconds()),
    });
    audit_events::insert(&mut tx, &AuditEvent { detail, ..record }).await?;
    tx.commit().await?;
    Ok(issued)
}

/// Revokes a token of an account. Revoking it again changes nothing.
///
/// # Errors
/// [`Failure::NotFound`] when there is no such account, or it has no such token.
pub async fn revoke(
    services: &Services,
    permit: &Permit<Tenant>,
    account: &str,
    id: &str,
) -> Result<(), Failure> {
    let mut tx = services.store.begin().await?;
    let account = find(&mut tx, account).await?;
    let token = token_of(&mut tx, &account, id).await?;
    if tokens::revoke(&mut tx, token.id).await? {
        let record = permit.record(
            tx.clock(),
            "virtual_account_token.revoke",
            ObjectKind::Token,
            token.id.to_string(),
        );
        let detail = json!({ "virtual_account": account.name });
        audit_events::insert(&mut tx, &AuditEvent { detail, ..record }).await?;
        tx.commit().await?;
    }
    Ok(())
}

fn grace(input: &NewAccountToken) -> Result<TimeDelta, Failure> {
    if input.replaces.is_none() && input.grace_period.is_some() {
        return Err(Failure::invalid(
            "/grace_period",
            "goes with `replaces` only",
        ));
    }
    let grace = input.grace_period.unwrap_or(DEFAULT_GRACE);
    if grace > MAX_GRACE {
        return Err(Failure::invalid("/grace_period", "must be at most 30 days"));
    }
    TimeDelta::from_std(grace).map_err(|error| Failure::Internal(error.into()))
}

/// Lets a token live no longer than its grace period.
async fn replace(
    tx: &mut Tx,
    account: &VirtualAccount,
    id: TokenId,
    grace: TimeDelta,
) -> Result<(), Failure> {
    let now = tx.now();
    let token = tokens::find(&mut *tx, id).await?;
    let owned = token
        .filter(|token| token.owner == Principal::VirtualAccount(account.id) && token.is_live(now));
    if owned.is_none() {
        return Err(Failure::invalid(
            "/replaces",
            "is not a live token of this account",
        ));
    }
    minting::replace(tx, id, grace).await?;
    Ok(())
}

async fn token_of(tx: &mut Tx, account: &VirtualAccount, id: &str) -> Result<TokenRecord, Failure> {
    const NOT_FOUND: Failure = Failure::NotFound { what: "token" };
    let id = id.parse().map_err(|_| NOT_FOUND)?;
    let token = tokens::find(tx, id).await?.ok_or(NOT_FOUND)?;
    if token.owner == Principal::VirtualAccount(account.id) {
        Ok(token)
    } else {
        Err(NOT_FOUND)
    }
}
