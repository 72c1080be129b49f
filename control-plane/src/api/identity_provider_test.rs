//! `/identity-providers/{name}/test`: what becomes of a token.

use axum::Json;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    api::{
        body::Body,
        call::Call,
        path::Path,
        problem::Problem,
        query::{Nothing, Params},
    },
    authorize,
    service::identity_test::{self, TokenTest},
};

/// A token to look at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TestToken {
    /// An access token of the provider. It is not stored, logged or answered.
    token: String,
}

/// Explains step by step what becomes of a token, and changes nothing.
#[utoipa::path(post, path = "/identity-providers/{name}/test", operation_id = "test_identity_provider_token",
    tag = "identity providers", params(("name" = String, Path, description = "Name of the identity provider")),
    request_body = TestToken, responses((status = 200, body = TokenTest)))]
pub async fn test(
    Call { services, caller }: Call,
    Path(name): Path<String>,
    Params(Nothing {}): Params<Nothing>,
    Body(body): Body<TestToken>,
) -> Result<Json<TokenTest>, Problem> {
    let permit = authorize::administrator(&caller)?;
    let token = SecretString::from(body.token);
    Ok(Json(
        identity_test::explain(&services, &permit, &name, token.expose_secret()).await?,
    ))
}
