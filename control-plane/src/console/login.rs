//! `/login`: who are you?

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use axum_extra::extract::Query;
use http::{HeaderValue, StatusCode, header, request::Parts};
use serde::Deserialize;

use crate::{
    accept::{ClientAddress, RequestId},
    api::problem::Problem,
    authenticate::{Browser, SignedIn, cookies},
    html::{BrowserForm, Html, Layout, SecretText, see_other},
    service::{
        BearerSecret, Services, continuations,
        identity_providers::sign_in_providers,
        sign_in::{self, Origin, Refused},
    },
};

/// What everybody hears who is not signed in, whatever the reason (T61).
const REFUSAL: &str = "The address and the password do not go together, or there were too many attempts. After five \
                       wrong passwords wait for a quarter of an hour.";

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    layout: Layout,
    refusal: Option<&'static str>,
    email: String,
    handle: String,
    providers: Vec<ProviderLink>,
}

/// A provider to sign in with.
struct ProviderLink {
    name: String,
    path: String,
}

/// Parameters of the page. There is no address among them, only a handle (T44).
#[derive(Debug, Default, Deserialize)]
pub(super) struct LoginParams {
    #[serde(default, rename = "continue")]
    handle: String,
}

impl LoginParams {
    /// The handle, if it is one; else nothing.
    pub(super) fn handle(&self) -> &str {
        BearerSecret::parse(&self.handle).map_or("", |_| &self.handle)
    }
}

/// The form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginForm {
    email: String,
    password: SecretText,
    #[serde(default, rename = "continue")]
    handle: String,
}

/// Shows the form; somebody who is signed in is led on.
pub(super) async fn show(
    State(services): State<Services>,
    signed_in: Option<SignedIn>,
    Query(params): Query<LoginParams>,
    parts: Parts,
) -> Result<Response, Problem> {
    let browser = Browser::of(&parts)?;
    if signed_in.is_some() {
        return Ok(see_other(
            &destination(&services, &browser, &params.handle).await?,
        ));
    }
    page(
        &services,
        &browser,
        (StatusCode::OK, None),
        (String::new(), params.handle),
    )
    .await
}

/// Signs in with a password.
pub(super) async fn submit(form: BrowserForm<LoginForm>) -> Result<Response, Problem> {
    let BrowserForm {
        services,
        browser,
        parts,
        fields,
    } = form;
    let origin = origin(&parts);
    let signed_in =
        sign_in::with_password(&services, &fields.email, fields.password.0, &origin).await;
    let status = match signed_in {
        Ok(session) => return enter(&services, &browser, &session, &fields.handle).await,
        Err(Refused::Wrong) => StatusCode::UNAUTHORIZED,
        Err(Refused::TooMany) => StatusCode::TOO_MANY_REQUESTS,
        Err(Refused::Failed(failure)) => return Err(failure.into()),
    };
    page(
        &services,
        &browser,
        (status, Some(REFUSAL)),
        (fields.email, fields.handle),
    )
    .await
}

/// Where a request to sign in came from.
pub(super) fn origin(parts: &Parts) -> Origin {
    Origin {
        client: ClientAddress::of(&parts.extensions).to_string(),
        request_id: parts.extensions.get().map(RequestId::to_string),
    }
}

/// Gives the browser its new session and leads it to where it wanted to go.
pub(super) async fn enter(
    services: &Services,
    browser: &Browser,
    session: &BearerSecret,
    handle: &str,
) -> Result<Response, Problem> {
    let mut response = see_other(&destination(services, browser, handle).await?);
    let cookie = cookies::set(cookies::SESSION_COOKIE, session);
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

async fn destination(
    services: &Services,
    browser: &Browser,
    handle: &str,
) -> Result<String, Problem> {
    let target = match BearerSecret::parse(handle) {
        Some(handle) => continuations::take(services, browser.secret(), &handle).await?,
        None => None,
    };
    Ok(target.unwrap_or_else(|| "/".to_owned()))
}

async fn page(
    services: &Services,
    browser: &Browser,
    (status, refusal): (StatusCode, Option<&'static str>),
    (email, handle): (String, String),
) -> Result<Response, Problem> {
    // Only a handle is worth being sent back.
    let handle = BearerSecret::parse(&handle).map_or(String::new(), |_| handle);
    let providers = sign_in_providers(services).await?;
    let page = LoginPage {
        layout: Layout::before_sign_in("Sign in", browser.csrf_token()),
        refusal,
        email,
        providers: providers
            .into_iter()
            .map(|provider| ProviderLink {
                path: match handle.as_str() {
                    "" => format!("/login/{}", provider.name),
                    handle => format!("/login/{}?continue={handle}", provider.name),
                },
                name: provider.configuration.display_name,
            })
            .collect(),
        handle,
    };
    let mut response = (status, Html(page)).into_response();
    if let Some(cookie) = browser.set_cookie() {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        let seconds = HeaderValue::from(sign_in::WINDOW.num_seconds().unsigned_abs());
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    Ok(response)
}
