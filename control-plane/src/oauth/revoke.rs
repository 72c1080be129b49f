//! `/oauth/revoke`: a client gives a token back (RFC 7009).

use axum::extract::State;
use http::{HeaderMap, StatusCode};

use super::{client, error::OAuthError, form::Form};
use crate::service::{Services, oauth};

/// Revokes a token and everything that was granted with it. What kind of token it is shows by itself, so
/// `token_type_hint` is not looked at.
pub(super) async fn post(
    State(services): State<Services>,
    headers: HeaderMap,
    form: Form,
) -> Result<StatusCode, OAuthError> {
    let client = client::authenticate(&services, &headers, &form).await?;
    let token = form
        .secret("token")
        .ok_or(OAuthError::invalid_request("token is missing"))?;
    oauth::revoke(&services, &client, &token).await?;
    Ok(StatusCode::OK)
}
