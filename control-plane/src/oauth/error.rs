//! Refusals as clients read them (RFC 6749 section 5.2).

use std::{error::Error, sync::Arc};

use axum::{
    Json,
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::{
    accept::RequestId,
    service::oauth::{ErrorCode, Refusal},
};

/// A refusal of what a client asked for.
#[derive(Debug)]
pub(super) struct OAuthError {
    refusal: Refusal,
    /// Whether the client tried HTTP authentication, and is told that it failed in those words.
    basic: bool,
}

#[derive(Serialize)]
struct Body {
    error: &'static str,
    error_description: &'static str,
}

impl OAuthError {
    /// A malformed request.
    pub(super) const fn invalid_request(description: &'static str) -> Self {
        Self {
            refusal: Refusal::new(ErrorCode::InvalidRequest, description),
            basic: false,
        }
    }

    /// The refusal of a client that tried HTTP authentication.
    pub(super) fn basic(self) -> Self {
        Self {
            basic: true,
            ..self
        }
    }

    fn status(&self) -> StatusCode {
        let broken = self.refusal.cause.is_some();
        match self.refusal.code {
            ErrorCode::InvalidClient => StatusCode::UNAUTHORIZED,
            ErrorCode::TemporarilyUnavailable if broken => StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::TemporarilyUnavailable => StatusCode::TOO_MANY_REQUESTS,
            ErrorCode::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl From<Refusal> for OAuthError {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            basic: false,
        }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let status = self.status();
        let body = Body {
            error: self.refusal.code.as_str(),
            error_description: self.refusal.description,
        };
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED && self.basic {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"warder\""),
            );
        }
        let retry_after = match status {
            StatusCode::TOO_MANY_REQUESTS => Some("600"),
            StatusCode::SERVICE_UNAVAILABLE => Some("1"),
            _ => None,
        };
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        response.extensions_mut().insert(Arc::new(self.refusal));
        response
    }
}

/// Layer: logs what was refused, and what broke, once.
pub(super) async fn log(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().cloned();
    let id = id.as_ref().map_or("", RequestId::as_str);
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    let Some(refusal) = response.extensions_mut().remove::<Arc<Refusal>>() else {
        return response;
    };
    match &refusal.cause {
        Some(cause) => tracing::error!(
            request.id = id,
            http.route = path,
            error = &**cause as &dyn Error,
            "A request of an OAuth client failed"
        ),
        None => tracing::info!(
            request.id = id,
            http.route = path,
            "A request of an OAuth client was refused: {refusal}"
        ),
    }
    response
}
