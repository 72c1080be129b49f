//! `/.well-known/oauth-authorization-server`, `/.well-known/openid-configuration`: where everything is (RFC 8414).

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};
use warder_shared::oauth::AuthorizationServerMetadata;

use crate::service::Services;

/// How long clients may keep it.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// The metadata, whatever host it was asked at (T45).
pub(super) async fn get(State(services): State<Services>) -> Response {
    let document = AuthorizationServerMetadata::of(services.public_url());
    ([(header::CACHE_CONTROL, CACHE)], Json(document)).into_response()
}
