//! `/oauth/token`: codes and refresh tokens become access tokens (RFC 6749 section 3.2).

use axum::{Json, extract::State};
use http::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Serialize, Serializer};

use super::{client, error::OAuthError, form::Form};
use crate::service::{
    Services,
    oauth::{self, ErrorCode, Issued, Redemption, Refreshing, Refusal},
};

/// A token response (RFC 6749 section 5.1).
#[derive(Serialize)]
pub(super) struct TokenResponse {
    #[serde(serialize_with = "expose")]
    access_token: SecretString,
    token_type: &'static str,
    expires_in: i64,
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "expose_some"
    )]
    refresh_token: Option<SecretString>,
    scope: &'static str,
}

/// Gives tokens.
pub(super) async fn post(
    State(services): State<Services>,
    headers: HeaderMap,
    form: Form,
) -> Result<Json<TokenResponse>, OAuthError> {
    let client = client::authenticate(&services, &headers, &form).await?;
    let missing = |description| OAuthError::invalid_request(description);
    let issued = match form.get("grant_type") {
        Some("authorization_code") => {
            let redemption = Redemption {
                code: form.secret("code").ok_or(missing("code is missing"))?,
                redirect_uri: form.text("redirect_uri"),
                verifier: form.secret("code_verifier"),
                resource: form.text("resource"),
            };
            oauth::redeem(&services, &client, &redemption).await?
        }
        Some("refresh_token") => {
            let token = form.secret("refresh_token");
            let refreshing = Refreshing {
                token: token.ok_or(missing("refresh_token is missing"))?,
                scope: form.text("scope"),
                resource: form.text("resource"),
            };
            oauth::refresh(&services, &client, &refreshing).await?
        }
        Some(_) => {
            return Err(Refusal::new(
                ErrorCode::UnsupportedGrantType,
                "grant_type is authorization_code or refresh_token",
            )
            .into());
        }
        None => return Err(missing("grant_type is missing")),
    };
    Ok(Json(TokenResponse::from(issued)))
}

impl From<Issued> for TokenResponse {
    fn from(issued: Issued) -> Self {
        Self {
            access_token: issued.access_token,
            token_type: "Bearer",
            expires_in: issued.expires_in.num_seconds(),
            refresh_token: issued.refresh_token,
            scope: issued.scopes.as_str(),
        }
    }
}

fn expose<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

fn expose_some<S: Serializer>(
    secret: &Option<SecretString>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => expose(secret, serializer),
        None => serializer.serialize_none(),
    }
}
