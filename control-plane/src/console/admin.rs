//! `/admin/…`: everything that administrators look after.
//!
//! These pages are a client of the REST API within the process: one page lists a noun and makes new ones, one
//! shows one of them as the manifest that the API takes. So whatever the API refuses is refused here too, with
//! the same words, and nothing can be done here that could not be done there.

use axum::{
    Extension, Router,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};

use crate::{
    api::problem::{Kind, Problem},
    service::Services,
};

mod rest;
mod nouns;
mod list;
mod item;
mod tokens;
mod audit;

use rest::Rest;

/// The pages, as clients of this API.
pub(super) fn routes(api: Router) -> Router<Services> {
    Router::new()
        .route("/admin/audit-events", get(audit::show))
        .route("/admin/{noun}", get(list::show).post(list::create))
        .route("/admin/{noun}/{key}", get(item::show).post(item::save))
        .route("/admin/{noun}/{key}/delete", post(item::delete))
        .route("/admin/{noun}/{key}/test", post(item::test))
        .route("/admin/{noun}/{key}/tokens", post(tokens::create))
        .route(
            "/admin/{noun}/{key}/tokens/{id}/revoke",
            post(tokens::revoke),
        )
        .layer(Extension(Rest::new(api)))
}

fn unknown() -> Response {
    Problem::new(Kind::NotFound, "there is nothing at this path").into_response()
}
