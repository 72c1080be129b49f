//! `/connections`: what servers need of me.

use std::collections::BTreeMap;

use askama::Template;
use axum::response::{IntoResponse as _, Response};
use axum_extra::extract::Query;
use secrecy::SecretString;

use super::home::words;
use crate::{
    api::{page::Listing, path::Path, problem::Problem, query::PageParams},
    authenticate::SignedIn,
    authorize,
    html::{Form, Html, Layout, Messages, NoFields, Visit, see_other},
    service::{
        Services,
        connections::{self, ConnectionMethod, ConnectionView},
        overrides::{self, OverrideInput},
    },
};

#[derive(Template)]
#[template(path = "connections.html")]
struct ConnectionsPage {
    layout: Layout,
    messages: Messages,
    connections: Listing<ConnectionView>,
}

/// Lists one's connections.
pub(super) async fn show(
    visit: Visit,
    Query(page): Query<PageParams>,
) -> Result<Response, Problem> {
    let shown = page_of(&visit.services, &visit.signed_in, &page).await?;
    Ok(Html(shown).into_response())
}

/// Stores one's own values for a server: each field of the form is one of them.
pub(super) async fn enter(
    Path(server): Path<String>,
    form: Form<BTreeMap<String, String>>,
) -> Result<Response, Problem> {
    let Form {
        services,
        signed_in,
        fields,
    } = form;
    let permit = authorize::override_of(&services, signed_in.caller(), &server, None).await?;
    let values = fields
        .into_iter()
        .map(|(name, value)| (name, SecretString::from(value)));
    match overrides::put(&services, &permit, OverrideInput::Named(values.collect())).await {
        Ok(_) => Ok(see_other("/connections")),
        Err(failure) => {
            let page = ConnectionsPage {
                messages: Messages::of(failure.into())?,
                ..page_of(&services, &signed_in, &PageParams::default()).await?
            };
            Ok((page.messages.status(), Html(page)).into_response())
        }
    }
}

/// Deletes one's own values for a server.
pub(super) async fn forget(
    Path(server): Path<String>,
    form: Form<NoFields>,
) -> Result<Response, Problem> {
    let caller = form.signed_in.caller();
    let permit = authorize::override_of(&form.services, caller, &server, None).await?;
    overrides::delete(&form.services, &permit).await?;
    Ok(see_other("/connections"))
}

async fn page_of(
    services: &Services,
    signed_in: &SignedIn,
    page: &PageParams,
) -> Result<ConnectionsPage, Problem> {
    let permit = authorize::oneself(signed_in.caller());
    let connections = connections::list(services, &permit, page.request()?).await?;
    Ok(ConnectionsPage {
        layout: Layout::of(signed_in, "Connections", "/connections"),
        messages: Messages::none(),
        connections: Listing::of(connections),
    })
}

/// Whether the connection stands on values that its user entered.
fn has_values(connection: &ConnectionView) -> bool {
    connection.method == Some(ConnectionMethod::AuthOverride)
}
