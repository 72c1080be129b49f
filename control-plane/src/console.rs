//! The pages of the console, one file per page. A page does what an operation of the API does, by the same
//! permits and use cases.
//!
//! **Invariant:** a handler begins with a [`Visit`](crate::html::Visit), a [`Form`](crate::html::Form), or,
//! before sign-in, a [`BrowserForm`](crate::html::BrowserForm).

use axum::{
    Router,
    middleware::from_fn,
    routing::{get, post},
};

use crate::{html, service::Services};

mod login;
mod provider_login;
mod logout;
mod home;
mod tokens;
mod connections;
mod applications;
mod account;
mod admin;

/// Every page. Those of administrators are clients of `api`.
pub(crate) fn routes(api: Router) -> Router<Services> {
    Router::new()
        .route("/", get(home::show))
        .route("/login", get(login::show).post(login::submit))
        .route("/login/{provider}", get(provider_login::begin))
        .route("/login/{provider}/callback", get(provider_login::callback))
        .route("/logout", post(logout::submit))
        .route("/tokens", get(tokens::show).post(tokens::create))
        .route("/tokens/{id}/revoke", post(tokens::revoke))
        .route("/connections", get(connections::show))
        .route("/connections/{server}", post(connections::enter))
        .route("/connections/{server}/forget", post(connections::forget))
        .route("/applications", get(applications::show))
        .route("/applications/{id}/revoke", post(applications::revoke))
        .route("/account", get(account::show))
        .route("/account/password", post(account::change_password))
        .route("/account/sessions/end", post(account::end_sessions))
        .merge(admin::routes(api))
        .layer(from_fn(html::render))
}
