//! `/oauth/authorize`: a client sends the user here, who agrees or not (RFC 6749 section 3.1).
//!
//! The form of the page goes to the very request that it was shown for, which is checked again: nothing of a
//! request that is under way is kept.

use askama::Template;
use axum::{
    extract::{FromRequestParts as _, Request, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, StatusCode, Uri, header};
use serde::Deserialize;

use crate::{
    api::problem::{Kind, Problem},
    authenticate::SignedIn,
    authorize,
    domain::{KnownBy, RedirectUri},
    html::{self, Form, Html, Layout, Visit},
    service::{
        Services,
        oauth::{self, AuthorizationRequest, ErrorCode, Offer, Offered, Prompt, Refusal, Rejected},
    },
};

#[derive(Template)]
#[template(path = "consent.html")]
struct ConsentPage {
    layout: Layout,
    request: AuthorizationRequest,
    /// None: the user has no access, and can only go back.
    offer: Option<Offer>,
    /// Where the form goes: the request itself.
    action: String,
    email: String,
}

impl ConsentPage {
    /// What the client calls itself, or else is called.
    fn client(&self) -> &str {
        let client = &self.request.client;
        match &client.known_by {
            _ if !client.name.is_empty() => &client.name,
            KnownBy::Document { host } => host,
            KnownBy::Registration => "An application without a name",
        }
    }

    /// The host that vouches for the client.
    fn host(&self) -> Option<&str> {
        match &self.request.client.known_by {
            KnownBy::Document { host } => Some(host),
            KnownBy::Registration => None,
        }
    }

    /// Whether any program on the user's device could be answered in the client's place.
    fn is_local_only(&self) -> bool {
        let uris = &self.request.client.redirect_uris;
        uris.iter().all(RedirectUri::is_loopback)
    }
}

/// What the user says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Decision {
    decision: Answer,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Approve,
    Deny,
}

/// Shows what the client asks for.
pub(super) async fn show(
    State(services): State<Services>,
    request: Request,
) -> Result<Response, Response> {
    let (mut parts, _) = request.into_parts();
    let asked = check(&services, &parts.uri).await?;
    if asked.prompt == Prompt::Never {
        let signed_in = Option::<SignedIn>::from_request_parts(&mut parts, &services)
            .await
            .map_err(|refusal| refusal.into_response())?;
        let code = match signed_in {
            None => ErrorCode::LoginRequired,
            Some(_) => ErrorCode::ConsentRequired,
        };
        let refusal = Refusal::new(code, "the user would have to be asked");
        return Ok(refuse(&services, &asked, &refusal));
    }
    let visit = Visit::from_request_parts(&mut parts, &services).await?;
    let permit = authorize::oneself(visit.signed_in.caller());
    let offer = match oauth::offer(&services, &permit, &asked).await {
        Ok(offer) => Some(offer),
        Err(refusal) if refusal.code == ErrorCode::AccessDenied => None,
        Err(refusal) => return Err(failed(refusal)),
    };
    let lead = asked.redirect_uri.form_action();
    let action = parts.uri.path_and_query().map(ToString::to_string);
    let page = ConsentPage {
        layout: Layout::of(&visit.signed_in, "Allow access?", ""),
        email: visit.signed_in.user().email.to_string(),
        action: action.unwrap_or_default(),
        request: asked,
        offer,
    };
    Ok(html::leading_to(Html(page).into_response(), &lead))
}

/// Takes the user's answer to the client.
pub(super) async fn decide(uri: Uri, form: Form<Decision>) -> Result<Response, Response> {
    let services = &form.services;
    let asked = check(services, &uri).await?;
    let permit = authorize::oneself(form.signed_in.caller());
    let outcome = match form.fields.decision {
        Answer::Approve => oauth::approve(services, &permit, &asked).await,
        Answer::Deny => oauth::deny(services, &permit, &asked)
            .await
            .and(Err(Refusal::new(
                ErrorCode::AccessDenied,
                "the user said no",
            ))),
    };
    Ok(match outcome {
        Ok(code) => answer(
            services,
            &asked.redirect_uri,
            asked.state.as_deref(),
            &[("code", code.expose())],
        ),
        Err(refusal) => refuse(services, &asked, &refusal),
    })
}

/// The request in a URL, or what to answer instead.
async fn check(services: &Services, uri: &Uri) -> Result<AuthorizationRequest, Response> {
    let query = uri.query().unwrap_or_default();
    let parameters: Vec<_> = url::form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    oauth::check(services, &parameters)
        .await
        .map_err(|rejected| match rejected {
            Rejected::Unanswerable(why) => {
                Problem::new(Kind::MalformedRequest, why).into_response()
            }
            Rejected::Failed(refusal) => failed(refusal),
            Rejected::Answerable {
                redirect_uri,
                state,
                refusal,
            } => refuse_at(services, &redirect_uri, state.as_deref(), &refusal),
        })
}

fn refuse(services: &Services, asked: &AuthorizationRequest, refusal: &Refusal) -> Response {
    refuse_at(
        services,
        &asked.redirect_uri,
        asked.state.as_deref(),
        refusal,
    )
}

fn refuse_at(
    services: &Services,
    redirect_uri: &RedirectUri,
    state: Option<&str>,
    refusal: &Refusal,
) -> Response {
    if let Some(cause) = &refusal.cause {
        tracing::error!(
            error = &**cause as &dyn std::error::Error,
            "An authorization request failed"
        );
    }
    let parameters = [
        ("error", refusal.code.as_str()),
        ("error_description", refusal.description),
    ];
    answer(services, redirect_uri, state, &parameters)
}

/// Sends the browser back to the client. Every answer says who gives it (RFC 9207).
fn answer(
    services: &Services,
    redirect_uri: &RedirectUri,
    state: Option<&str>,
    parameters: &[(&str, &str)],
) -> Response {
    let mut parameters = parameters.to_vec();
    parameters.extend(state.map(|state| ("state", state)));
    parameters.push(("iss", services.public_url()));
    match HeaderValue::try_from(redirect_uri.with(&parameters)) {
        Ok(location) => (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response(),
        Err(error) => Problem::internal(error).into_response(),
    }
}

fn failed(refusal: Refusal) -> Response {
    match refusal.cause {
        Some(cause) => Problem::internal(cause),
        None => Problem::internal(refusal),
    }
    .into_response()
}
