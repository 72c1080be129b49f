//! `/login/{provider}`: signing in at an identity provider.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use axum_extra::extract::Query;
use http::{HeaderValue, StatusCode, header, request::Parts};
use serde::Deserialize;

use super::login::{LoginParams, enter, origin};
use crate::{
    api::{
        path::Path,
        problem::{Kind, Problem},
    },
    authenticate::Browser,
    service::{
        Services,
        provider_sign_in::{self, ProviderAnswer, ProviderRefused},
    },
};

/// Parameters with which a browser comes back. Whatever else there is, is not read.
#[derive(Debug, Default, Deserialize)]
pub(super) struct CallbackParams {
    #[serde(default)]
    state: String,
    code: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

/// Sends the browser to the provider.
pub(super) async fn begin(
    State(services): State<Services>,
    Path(provider): Path<String>,
    Query(params): Query<LoginParams>,
    parts: Parts,
) -> Result<Response, Problem> {
    let browser = Browser::of(&parts)?;
    let url = provider_sign_in::begin(&services, &provider, browser.secret(), params.handle());
    let url = url.await.map_err(problem)?;
    let location = HeaderValue::from_str(url.as_str()).map_err(Problem::internal)?;
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response();
    if let Some(cookie) = browser.set_cookie() {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Takes the browser back, and lets its user in.
pub(super) async fn callback(
    State(services): State<Services>,
    Path(provider): Path<String>,
    Query(params): Query<CallbackParams>,
    parts: Parts,
) -> Result<Response, Problem> {
    let browser = Browser::of(&parts)?;
    let answer = ProviderAnswer {
        state: params.state,
        code: params.code,
        iss: params.iss,
        is_error: params.error.is_some(),
    };
    let origin = origin(&parts);
    let entered =
        provider_sign_in::finish(&services, &provider, browser.secret(), (answer, &origin));
    let entered = entered.await.map_err(problem)?;
    enter(&services, &browser, &entered.session, &entered.handle).await
}

/// What somebody hears who is not signed in, and what they can do about it.
fn problem(refused: ProviderRefused) -> Problem {
    let (kind, advice) = match &refused {
        ProviderRefused::Failed(_) => (Kind::Internal, ""),
        ProviderRefused::Unavailable => (Kind::Unavailable, "Try again in a minute."),
        ProviderRefused::State | ProviderRefused::Declined => {
            (Kind::Forbidden, "Go to the sign-in page and begin again.")
        }
        ProviderRefused::Identity(_) => (Kind::Forbidden, "Ask an administrator of Warder."),
        ProviderRefused::Issuer | ProviderRefused::Exchange(_) | ProviderRefused::Token(_) => (
            Kind::Forbidden,
            "Begin again; if it happens twice, an administrator finds the reason in the log.",
        ),
    };
    match refused {
        ProviderRefused::Failed(failure) => failure.into(),
        refused => {
            if let ProviderRefused::Exchange(error) = &refused {
                tracing::warn!(
                    error = error as &dyn std::error::Error,
                    "A sign-in at an identity provider failed"
                );
            }
            if let ProviderRefused::Token(error) = &refused {
                tracing::warn!("A sign-in at an identity provider failed: its ID token: {error}");
            }
            Problem::new(
                kind,
                format!("{}. {advice}", sentence(&refused.to_string())),
            )
        }
    }
}

fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters
        .next()
        .map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + characters.as_str()
}
