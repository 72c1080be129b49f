//! What every page has: its frame, its headers, its forms, and its way to refuse. Pages are plain forms;
//! nothing needs a script.
//!
//! **Invariant:** what comes from outside is written by a template, as text; a form changes something only
//! after its token was compared (T60); and a redirect leads to a path of ours (T44).

mod layout;
mod messages;
mod form;
mod refusal;

use askama::Template;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use http::{HeaderValue, StatusCode, header};

use crate::api::problem::Problem;

pub use form::{BrowserForm, Form, NoFields, SecretText, Visit};
pub use layout::Layout;
pub use messages::Messages;
pub use refusal::render;

/// What a page may load and do: nothing but our own styles and forms (T60).
const CONTENT_SECURITY_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'",
);

/// A page.
#[derive(Debug)]
pub struct Html<T>(pub T);

impl<T: Template> IntoResponse for Html<T> {
    fn into_response(self) -> Response {
        match self.0.render() {
            Ok(text) => {
                let headers = [
                    (
                        header::CONTENT_TYPE,
                        HeaderValue::from_static("text/html; charset=utf-8"),
                    ),
                    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
                ];
                (headers, text).into_response()
            }
            Err(error) => Problem::internal(error).into_response(),
        }
    }
}

/// A page whose form's answer leads to a place outside, which browsers hold against `form-action` (CSP 3): to
/// this source of it.
#[must_use]
pub fn leading_to(mut page: Response, source: &str) -> Response {
    let policy = page.headers().get(header::CONTENT_SECURITY_POLICY);
    let policy = policy.and_then(|policy| policy.to_str().ok());
    let wider = policy.unwrap_or_default().replace(
        "form-action 'self'",
        &format!("form-action 'self' {source}"),
    );
    if let Ok(policy) = HeaderValue::try_from(wider) {
        page.headers_mut()
            .insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    page
}

/// Leads on to a page of ours with GET (303). A path that no header can hold leads to the first page.
#[must_use]
pub fn see_other(path: &str) -> Response {
    let location = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

/// A time as people read it.
#[must_use]
pub fn time(at: &DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// The one stylesheet.
pub(crate) async fn style() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=300"),
    ];
    (headers, include_str!("../templates/style.css")).into_response()
}
