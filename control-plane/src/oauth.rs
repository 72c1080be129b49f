//! Warder's authorization server as its clients see it: one file per endpoint.
//!
//! **Invariant:** nothing here decides anything; pages of every origin may read what clients call without a
//! browser's cookies, and no page may frame what users see.

mod authorize;
mod client;
mod cors;
mod error;
mod form;
mod metadata;
mod register;
mod revoke;
mod token;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::from_fn,
    routing::{get, post},
};

use crate::{html, service::Services};

/// Largest body of a request, in bytes.
const MAX_BODY: usize = 16 * 1024;

/// The endpoints.
pub fn routes() -> Router<Services> {
    let seen = Router::new()
        .route(
            "/oauth/authorize",
            get(authorize::show).post(authorize::decide),
        )
        .layer(from_fn(html::render));
    Router::new()
        .route(
            "/.well-known/oauth-authorization-server",
            get(metadata::get).options(cors::preflight),
        )
        .route(
            "/.well-known/openid-configuration",
            get(metadata::get).options(cors::preflight),
        )
        .route(
            "/oauth/register",
            post(register::post).options(cors::preflight),
        )
        .route("/oauth/token", post(token::post).options(cors::preflight))
        .route("/oauth/revoke", post(revoke::post).options(cors::preflight))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn(cors::readable_by_all))
        .layer(from_fn(error::log))
        .merge(seen)
}
