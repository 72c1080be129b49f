//! `/virtual-accounts/{name}/tokens`: several live tokens per account, so that one can replace another.

use axum::{
    Json,
    http::{HeaderName, StatusCode, header},
};
use serde::Deserialize;
use utoipa::ToSchema;
use warder_shared::id::TokenId;

use crate::{
    api::{
        body::Body,
        call::Call,
        duration::Span,
        page::Listing,
        path::Path,
        problem::Problem,
        query::{Nothing, PageParams, Params},
    },
    authorize,
    service::{
        issued::{IssuedToken, TokenView},
        virtual_account_tokens::{self as tokens, NewAccountToken},
    },
};

/// A new token of a virtual account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateAccountToken {
    /// What the token is for.
    #[serde(default)]
    name: String,
    /// How long it lives: at most 366 days, 90 when absent.
    expires_in: Option<Span>,
    /// Id of the live token that the new one replaces.
    #[schema(value_type = Option<String>)]
    replaces: Option<TokenId>,
    /// How long the replaced token is still accepted: one hour when absent, `0` for not at all.
    grace_period: Option<Span>,
}

/// Lists an account's tokens, the newest last. Never the tokens themselves.
#[utoipa::path(get, path = "/virtual-accounts/{name}/tokens", operation_id = "list_virtual_account_tokens",
    tag = "virtual accounts", params(("name" = String, Path, description = "Name of the account"), PageParams),
    responses((status = 200, body = Listing<TokenView>)))]
pub async fn list(
    Call { services, caller }: Call,
    Path(name): Path<String>,
    Params(page): Params<PageParams>,
) -> Result<Json<Listing<TokenView>>, Problem> {
    let permit = authorize::administrator(&caller)?;
    Ok(Json(Listing::of(
        tokens::list(&services, &permit, &name, page.request()?).await?,
    )))
}

/// Makes a token of the account. It is shown in this answer and never again.
#[utoipa::path(post, path = "/virtual-accounts/{name}/tokens", operation_id = "create_virtual_account_token",
    tag = "virtual accounts", params(("name" = String, Path, description = "Name of the account")),
    request_body = CreateAccountToken, responses((status = 201, body = IssuedToken)))]
pub async fn create(
    Call { services, caller }: Call,
    Path(name): Path<String>,
    Params(Nothing {}): Params<Nothing>,
    Body(body): Body<CreateAccountToken>,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<IssuedToken>), Problem> {
    let permit = authorize::administrator(&caller)?;
    let input = NewAccountToken {
        name: body.name,
        expires_in: body.expires_in.map(|span| span.0),
        replaces: body.replaces,
        grace_period: body.grace_period.map(|span| span.0),
    };
    let issued = tokens::create(&services, &permit, &name, input).await?;
    let location = format!("/api/v1/virtual-accounts/{name}/tokens/{}", issued.id);
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(issued),
    ))
}

/// Shows what is known of a token of the account.
#[utoipa::path(get, path = "/virtual-accounts/{name}/tokens/{id}", operation_id = "get_virtual_account_token",
    tag = "virtual accounts",
    params(("name" = String, Path, description = "Name of the account"), ("id" = String, Path, description = "Id of the token")),
    responses((status = 200, body = TokenView)))]
pub async fn get(
    Call { services, caller }: Call,
    Path((name, id)): Path<(String, String)>,
    Params(Nothing {}): Params<Nothing>,
) -> Result<Json<TokenView>, Problem> {
    let permit = authorize::administrator(&caller)?;
    Ok(Json(tokens::get(&services, &permit, &name, &id).await?))
}

/// Revokes a token of the account: every pod refuses it within a second.
#[utoipa::path(delete, path = "/virtual-accounts/{name}/tokens/{id}", operation_id = "revoke_virtual_account_token",
    tag = "virtual accounts",
    params(("name" = String, Path, description = "Name of the account"), ("id" = String, Path, description = "Id of the token")),
    responses((status = 204)))]
pub async fn delete(
    Call { services, caller }: Call,
    Path((name, id)): Path<(String, String)>,
    Params(Nothing {}): Params<Nothing>,
) -> Result<StatusCode, Problem> {
    let permit = authorize::administrator(&caller)?;
    tokens::revoke(&services, &permit, &name, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
