//! The REST listener: which path leads where, and what happens to every request on its way.

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    middleware::{from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderValue, header};
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    accept::{self, Https, TrustedProxies},
    api::{
        self, description,
        problem::{self, Kind, Problem},
    },
    console, html, oauth,
    service::Services,
};

/// How long verifiers may keep the key set: half of the time that a key is published before its use.
const JWKS_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// Everything that the REST listener answers. Layers are listed from the handler outwards.
pub fn build(services: Services, proxies: TrustedProxies) -> Router {
    let clock = services.clock().clone();
    let https = Https(services.public_url().starts_with("https:"));
    let (operations, description) = api::routes().split_for_parts();
    let description = Json(description::complete(description));
    let in_process = operations
        .clone()
        .layer(DefaultBodyLimit::max(api::MAX_BODY))
        .with_state(services.clone());
    operations
        .route(
            "/api/v1/openapi.json",
            get(async move || description.clone()),
        )
        .route("/.well-known/jwks.json", get(jwks))
        .merge(console::routes(in_process))
        .route("/assets/style.css", get(html::style))
        .merge(oauth::routes())
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(DefaultBodyLimit::max(api::MAX_BODY))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(problem::render))
        .layer(from_fn_with_state(https, accept::harden))
        .layer(from_fn_with_state(clock, accept::identify))
        .layer(from_fn_with_state(proxies, accept::locate))
        .with_state(services)
}

/// The public keys of gateway tokens (RFC 7517), for everyone.
async fn jwks(State(services): State<Services>) -> Response {
    ([(header::CACHE_CONTROL, JWKS_CACHE)], Json(services.jwks())).into_response()
}

async fn unknown_path() -> Problem {
    Problem::new(Kind::NotFound, "there is nothing at this path")
}

async fn unknown_method() -> Problem {
    Problem::new(Kind::MethodNotAllowed, "this path has other methods")
}

/// A defect in a handler ends one request, not the process. The panic itself was logged by its hook.
fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    Problem::internal("a handler panicked").into_response()
}
