//! How a page refuses.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{MatchedPath, Request},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{Html, Layout, see_other};
use crate::{
    accept::RequestId,
    api::problem::Problem,
    authenticate::{NotSignedIn, cookies},
    service::BearerSecret,
};

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    layout: Layout,
    detail: String,
    request_id: String,
}

/// Layer of everything that people look at: writes a problem as a page, where the API would write JSON.
pub async fn render(request: Request, next: Next) -> Response {
    let request_id = request.extensions().get::<RequestId>().cloned();
    let request_id = request_id.map_or(String::new(), |id| id.to_string());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    let Some(problem) = response.extensions_mut().remove::<Arc<Problem>>() else {
        return response;
    };
    problem.log(&request_id, &method, route.as_ref());
    let page = ProblemPage {
        layout: Layout::before_sign_in(problem.title(), String::new()),
        detail: problem.detail().to_owned(),
        request_id,
    };
    let (head, _) = response.into_parts();
    let mut page = Html(page).into_response();
    *page.status_mut() = head.status;
    page
}

impl IntoResponse for NotSignedIn {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(refusal) => Problem::from(refusal).into_response(),
            Self::SignIn {
                browser,
                continuation,
            } => {
                let handle = continuation.as_ref().map(BearerSecret::expose);
                let path = handle.map(|handle| format!("/login?continue={handle}"));
                let mut response = see_other(path.as_deref().unwrap_or("/login"));
                if let Some(cookie) = browser.set_cookie() {
                    response
                        .headers_mut()
                        .append(http::header::SET_COOKIE, cookie);
                }
                // A session that is not good any more is forgotten on both sides.
                response.headers_mut().append(
                    http::header::SET_COOKIE,
                    cookies::clear(cookies::SESSION_COOKIE),
                );
                response
            }
        }
    }
}
