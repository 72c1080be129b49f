//! `/tokens`: one's own personal access tokens.

use askama::Template;
use axum::response::{IntoResponse as _, Response};
use axum_extra::extract::Query;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use warder_shared::config::duration;

use crate::{
    api::{page::Listing, path::Path, problem::Problem, query::PageParams},
    authenticate::SignedIn,
    authorize,
    html::{Form, Html, Layout, Messages, Visit, see_other, time},
    service::{
        Failure, Services,
        issued::{IssuedToken, TokenStatus, TokenView},
        personal_access_tokens::{self as tokens, TokenInput},
    },
};

#[derive(Template)]
#[template(path = "tokens.html")]
struct TokensPage {
    layout: Layout,
    messages: Messages,
    name: String,
    issued: Option<IssuedToken>,
    tokens: Listing<TokenView>,
}

/// The form for a new token.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewToken {
    name: String,
    expires_in: String,
}

/// Lists one's tokens.
pub(super) async fn show(
    visit: Visit,
    Query(page): Query<PageParams>,
) -> Result<Response, Problem> {
    let shown = page_of(&visit.services, &visit.signed_in, &page).await?;
    Ok(Html(shown).into_response())
}

/// Makes a token and shows it, this once.
pub(super) async fn create(form: Form<NewToken>) -> Result<Response, Problem> {
    let Form {
        services,
        signed_in,
        fields,
    } = form;
    let permit = authorize::own_tokens(signed_in.caller())?;
    let made = match duration(&fields.expires_in) {
        Ok(lifetime) => {
            let input = TokenInput {
                name: fields.name.clone(),
                expires_in: Some(lifetime),
            };
            tokens::create(&services, &permit, input).await
        }
        Err(error) => Err(Failure::invalid("/expires_in", error)),
    };
    let (messages, issued) = match made {
        Ok(issued) => (Messages::none(), Some(issued)),
        Err(failure) => (Messages::of(failure.into())?, None),
    };
    let page = TokensPage {
        name: issued.as_ref().map_or(fields.name, |_| String::new()),
        issued,
        messages,
        ..page_of(&services, &signed_in, &PageParams::default()).await?
    };
    Ok((page.messages.status(), Html(page)).into_response())
}

/// Revokes one of one's tokens.
pub(super) async fn revoke(
    Path(id): Path<String>,
    form: Form<crate::html::NoFields>,
) -> Result<Response, Problem> {
    let permit = authorize::access_token(&form.services, form.signed_in.caller(), &id).await?;
    tokens::revoke(&form.services, &permit).await?;
    Ok(see_other("/tokens"))
}

async fn page_of(
    services: &Services,
    signed_in: &SignedIn,
    page: &PageParams,
) -> Result<TokensPage, Problem> {
    let permit = authorize::own_tokens(signed_in.caller())?;
    let mut tokens = Listing::of(tokens::list(services, &permit, page.request()?).await?);
    tokens.items.reverse();
    Ok(TokensPage {
        layout: Layout::of(signed_in, "Tokens", "/tokens"),
        messages: Messages::none(),
        name: String::new(),
        issued: None,
        tokens,
    })
}

/// A state of a token in words, and how good it is.
const fn words(status: &TokenStatus) -> (&'static str, &'static str) {
    match status {
        TokenStatus::Live => ("good", "live"),
        TokenStatus::Expired => ("", "expired"),
        TokenStatus::Revoked => ("bad", "revoked"),
    }
}
