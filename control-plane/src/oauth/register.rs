//! `/oauth/register`: a client registers itself (RFC 7591 section 3).

use std::time::Duration;

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, Request, State},
    response::{IntoResponse, Response},
};
use http::{Extensions, StatusCode};
use serde_json::{Map, Value};

use super::error::OAuthError;
use crate::{
    accept::ClientAddress,
    service::{
        Services,
        oauth::{self, ErrorCode, Refusal, Registration},
    },
};

/// How long a body may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(30);

/// A client's description of itself.
pub(super) struct Metadata(Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for Metadata {
    type Rejection = OAuthError;

    async fn from_request(request: Request, state: &S) -> Result<Self, OAuthError> {
        const UNREADABLE: Refusal = Refusal::new(
            ErrorCode::InvalidClientMetadata,
            "the body is a JSON object of at most 16 KiB",
        );
        let body = tokio::time::timeout(BODY_DEADLINE, Bytes::from_request(request, state)).await;
        let Ok(Ok(body)) = body else {
            return Err(UNREADABLE.into());
        };
        let metadata = serde_json::from_slice(&body).map_err(|_| UNREADABLE)?;
        Ok(Self(metadata))
    }
}

/// Registers a client: everything that it said comes back, with what it is called from now on.
pub(super) async fn post(
    State(services): State<Services>,
    extensions: Extensions,
    Metadata(metadata): Metadata,
) -> Result<Response, OAuthError> {
    let from = ClientAddress::of(&extensions).to_string();
    let Registration { registered, secret } = oauth::register(&services, metadata, &from).await?;
    let mut body = registered.metadata;
    body.insert("client_id".into(), registered.client.id.into());
    body.insert(
        "client_id_issued_at".into(),
        registered.created_at.timestamp().into(),
    );
    if let Some(secret) = secret {
        body.insert("client_secret".into(), secret.expose().into());
        body.insert("client_secret_expires_at".into(), 0.into());
    }
    Ok((StatusCode::CREATED, Json(body)).into_response())
}
