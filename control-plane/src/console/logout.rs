//! `/logout`: ends the session, here and on the server.

use axum::response::Response;
use http::header;
use serde::Deserialize;

use crate::{
    api::problem::Problem,
    authenticate::cookies,
    authorize,
    html::{Form, see_other},
    service::{
        BearerSecret,
        sessions::{self, Ending},
    },
};

/// The form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogoutForm {
    /// Handle of where to go once somebody, perhaps somebody else, has signed in.
    #[serde(default, rename = "continue")]
    handle: String,
}

/// Signs out.
pub(super) async fn submit(form: Form<LogoutForm>) -> Result<Response, Problem> {
    let permit = authorize::oneself(form.signed_in.caller());
    let this = Ending::One(form.signed_in.session().id);
    sessions::end(&form.services, &permit, this).await?;
    Ok(signed_out(&form.fields.handle))
}

/// Takes the session from the browser and leads it to the sign-in.
pub(super) fn signed_out(handle: &str) -> Response {
    let path = match BearerSecret::parse(handle) {
        Some(handle) => format!("/login?continue={}", handle.expose()),
        None => "/login".to_owned(),
    };
    let mut response = see_other(&path);
    let cookie = cookies::clear(cookies::SESSION_COOKIE);
    response.headers_mut().append(header::SET_COOKIE, cookie);
    response
}
