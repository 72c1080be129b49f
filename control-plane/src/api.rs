//! The REST API: one file per noun. Handlers read the request, ask [`crate::authorize`] for a permit,
//! call one use case and write the answer.
//!
//! **Invariant:** a handler's first argument is a [`call::Call`], so that nothing of a request is read
//! before its caller is authenticated; and a use case that changes anything, or shows what is not the
//! caller's own, cannot be called without a permit.

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::service::Services;

pub(crate) mod body;
mod call;
mod conditional;
mod duration;
pub(crate) mod page;
pub(crate) mod path;
pub(crate) mod query;
pub mod problem;
pub mod description;
pub mod policy;
pub mod me;
pub mod users;
pub mod teams;
pub mod personal_access_tokens;
pub mod virtual_accounts;
pub mod virtual_account_tokens;
pub mod identity_providers;
pub mod identity_provider_test;
pub mod servers;
pub mod collaborators;
pub mod auth_overrides;
pub mod connections;
pub mod authorization;
pub mod audit_events;

pub use body::MAX_BODY;

/// Where the API stands on the REST listener.
pub const PREFIX: &str = "/api/v1";

/// Every operation, with its description.
pub(crate) fn routes() -> OpenApiRouter<Services> {
    let api = OpenApiRouter::new()
        .routes(routes!(me::get))
        .routes(routes!(users::list, users::create))
        .routes(routes!(users::get, users::update, users::delete))
        .routes(routes!(teams::list))
        .routes(routes!(teams::get, teams::put, teams::delete))
        .routes(routes!(
            personal_access_tokens::list,
            personal_access_tokens::create
        ))
        .routes(routes!(
            personal_access_tokens::get,
            personal_access_tokens::delete
        ))
        .routes(routes!(virtual_accounts::list))
        .routes(routes!(
            virtual_accounts::get,
            virtual_accounts::put,
            virtual_accounts::delete
        ))
        .routes(routes!(
            virtual_account_tokens::list,
            virtual_account_tokens::create
        ))
        .routes(routes!(
            virtual_account_tokens::get,
            virtual_account_tokens::delete
        ))
        .routes(routes!(identity_providers::list))
        .routes(routes!(identity_provider_test::test))
        .routes(routes!(
            identity_providers::get,
            identity_providers::put,
            identity_providers::delete
        ))
        .routes(routes!(servers::list))
        .routes(routes!(servers::get, servers::put, servers::delete))
        .routes(routes!(collaborators::get, collaborators::put))
        .routes(routes!(
            auth_overrides::list,
            auth_overrides::put,
            auth_overrides::delete
        ))
        .routes(routes!(connections::list))
        .routes(routes!(connections::get))
        .routes(routes!(authorization::explain))
        .routes(routes!(audit_events::list));
    OpenApiRouter::with_openapi(description::head()).nest(PREFIX, api)
}
