//! `/applications`: programs that may act for one, and how to be rid of them.

use askama::Template;
use axum::response::{IntoResponse as _, Response};
use warder_shared::id::GrantId;

use crate::{
    api::{path::Path, problem::Problem},
    authorize,
    html::{Form, Html, Layout, NoFields, Visit, see_other, time},
    service::{
        Failure,
        oauth::{self, GrantView},
    },
};

#[derive(Template)]
#[template(path = "applications.html")]
struct ApplicationsPage {
    layout: Layout,
    grants: Vec<GrantView>,
}

/// Lists them.
pub(super) async fn show(visit: Visit) -> Result<Response, Problem> {
    let permit = authorize::oneself(visit.signed_in.caller());
    let page = ApplicationsPage {
        grants: oauth::list(&visit.services, &permit).await?,
        layout: Layout::of(&visit.signed_in, "Applications", "/applications"),
    };
    Ok(Html(page).into_response())
}

/// Takes back what one of them was granted.
pub(super) async fn revoke(
    Path(id): Path<String>,
    form: Form<NoFields>,
) -> Result<Response, Problem> {
    const UNKNOWN: Failure = Failure::NotFound {
        what: "application",
    };
    let id: GrantId = id.parse().map_err(|_| UNKNOWN)?;
    let permit = authorize::oneself(form.signed_in.caller());
    oauth::revoke_own(&form.services, &permit, id).await?;
    Ok(see_other("/applications"))
}
