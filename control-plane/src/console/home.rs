//! `/`: who am I, and what may I use?

use askama::Template;
use axum::response::{IntoResponse as _, Response};
use axum_extra::extract::Query;

use crate::{
    api::{page::Listing, problem::Problem, query::PageParams},
    authorize,
    html::{Html, Layout, Visit},
    service::{
        connections::{self, ConnectionStatus, ConnectionView},
        me::{self, MeView},
    },
};

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    layout: Layout,
    me: MeView,
    gateway: String,
    servers: Listing<ConnectionView>,
}

/// Shows the servers that one may use.
pub(super) async fn show(
    visit: Visit,
    Query(page): Query<PageParams>,
) -> Result<Response, Problem> {
    let Visit {
        services,
        signed_in,
    } = visit;
    let permit = authorize::oneself(signed_in.caller());
    let servers = connections::list(&services, &permit, page.request()?).await?;
    let page = HomePage {
        layout: Layout::of(&signed_in, "Home", "/"),
        me: me::describe(&services, signed_in.caller()).await?,
        gateway: services.gateway_url().to_owned(),
        servers: Listing::of(servers),
    };
    Ok(Html(page).into_response())
}

/// A state of a connection in words, and how good it is.
pub(super) const fn words(status: &ConnectionStatus) -> (&'static str, &'static str) {
    match status {
        ConnectionStatus::Authenticated => ("good", "authenticated"),
        ConnectionStatus::AuthenticationRequired => ("warn", "authentication required"),
        ConnectionStatus::AuthenticationNotRequired => ("", "authentication not required"),
    }
}
