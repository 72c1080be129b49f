//! `/personal-access-tokens`: the caller's own tokens, and for administrators everyone's.

use axum::{
    Json,
    http::{HeaderName, StatusCode, header},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

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
        personal_access_tokens::{self as tokens, TokenInput},
    },
};

/// A new personal access token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateToken {
    /// What the token is for.
    name: String,
    /// How long it lives: at most 366 days, 90 when absent.
    expires_in: Option<Span>,
    /// Address of another user whom it is for, for administrators; absent: the caller.
    user: Option<String>,
}

/// Whose tokens to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// Most items to answer, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Address of another user, for administrators; absent: the caller's own tokens.
    user: Option<String>,
}

/// Lists the caller's tokens, the newest last. Never the tokens themselves.
#[utoipa::path(get, path = "/personal-access-tokens", operation_id = "list_personal_access_tokens",
    tag = "personal access tokens", params(ListParams), responses((status = 200, body = Listing<TokenView>)))]
pub async fn list(
    Call { services, caller }: Call,
    Params(params): Params<ListParams>,
) -> Result<Json<Listing<TokenView>>, Problem> {
    let permit = match &params.user {
        Some(email) => authorize::tokens_of(&services, &caller, email).await?,
        None => authorize::own_tokens(&caller)?,
    };
    let page = PageParams {
        limit: params.limit,
        cursor: params.cursor,
    };
    Ok(Json(Listing::of(
        tokens::list(&services, &permit, page.request()?).await?,
    )))
}

/// Makes a token that acts exactly as the caller, or as the user for whom an administrator makes it. It is
/// shown in this answer and never again.
#[utoipa::path(post, path = "/personal-access-tokens", operation_id = "create_personal_access_token",
    tag = "personal access tokens", request_body = CreateToken, responses((status = 201, body = IssuedToken)))]
pub async fn create(
    Call { services, caller }: Call,
    Params(Nothing {}): Params<Nothing>,
    Body(body): Body<CreateToken>,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<IssuedToken>), Problem> {
    let permit = match &body.user {
        Some(email) => authorize::tokens_of(&services, &caller, email).await?,
        None => authorize::own_tokens(&caller)?,
    };
    let input = TokenInput {
        name: body.name,
        expires_in: body.expires_in.map(|span| span.0),
    };
    let issued = tokens::create(&services, &permit, input).await?;
    let location = format!("/api/v1/personal-access-tokens/{}", issued.id);
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(issued),
    ))
}

/// Shows what is known of a token; administrators see everyone's.
#[utoipa::path(get, path = "/personal-access-tokens/{id}", operation_id = "get_personal_access_token",
    tag = "personal access tokens", params(("id" = String, Path, description = "Id of the token")),
    responses((status = 200, body = TokenView)))]
pub async fn get(
    Call { services, caller }: Call,
    Path(id): Path<String>,
    Params(Nothing {}): Params<Nothing>,
) -> Result<Json<TokenView>, Problem> {
    let permit = authorize::access_token(&services, &caller, &id).await?;
    Ok(Json(tokens::get(&services, &permit)))
}

/// Revokes a token: every pod refuses it within a second. Administrators may revoke everyone's.
#[utoipa::path(delete, path = "/personal-access-tokens/{id}", operation_id = "revoke_personal_access_token",
    tag = "personal access tokens", params(("id" = String, Path, description = "Id of the token")),
    responses((status = 204)))]
pub async fn delete(
    Call { services, caller }: Call,
    Path(id): Path<String>,
    Params(Nothing {}): Params<Nothing>,
) -> Result<StatusCode, Problem> {
    let permit = authorize::access_token(&services, &caller, &id).await?;
    tokens::revoke(&services, &permit).await?;
    Ok(StatusCode::NO_CONTENT)
}
