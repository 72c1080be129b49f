//! Tokens of users and virtual accounts, on the page of their owner.

use axum::{
    Extension,
    response::{IntoResponse as _, Response},
};
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::{
    item,
    nouns::{Noun, cell, encoded},
    rest::{Asked, Rest},
    unknown,
};
use crate::{
    api::{path::Path, problem::Problem},
    authenticate::SignedIn,
    html::{Form, Html, Messages, NoFields, see_other},
};

/// A token, as a row.
pub(super) struct TokenRow {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) status: String,
    pub(super) created_at: String,
    pub(super) expires_at: String,
}

/// The form for a new one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewToken {
    name: String,
    expires_in: String,
}

/// Tokens of somebody, the newest first.
pub(super) async fn of(
    rest: &Rest,
    signed_in: &SignedIn,
    noun: &Noun,
    key: &str,
) -> Result<Vec<TokenRow>, Problem> {
    let answer = rest
        .ask(signed_in, Asked::get(noun.tokens_path(key)))
        .await?;
    let items = answer.body["items"].as_array().cloned().unwrap_or_default();
    let rows = items.iter().rev().map(|token| TokenRow {
        id: cell(token, "/id"),
        name: cell(token, "/name"),
        status: cell(token, "/status"),
        created_at: cell(token, "/created_at"),
        expires_at: cell(token, "/expires_at"),
    });
    Ok(rows.collect())
}

/// Makes a token and shows it, this once.
pub(super) async fn create(
    Extension(rest): Extension<Rest>,
    Path((noun, key)): Path<(String, String)>,
    form: Form<NewToken>,
) -> Result<Response, Problem> {
    let Some(noun) = Noun::at(&noun).filter(|noun| noun.has_tokens) else {
        return Ok(unknown());
    };
    let Form {
        signed_in, fields, ..
    } = form;
    let mut body = json!({ "name": fields.name, "expires_in": fields.expires_in });
    let mut path = noun.tokens_path(&key);
    if let Some((list, _)) = path.split_once('?') {
        body["user"] = key.clone().into();
        path = list.to_owned();
    }
    let asked = Asked::new(Method::POST, path).body(body.to_string());
    let (messages, issued) = match rest.ask(&signed_in, asked).await {
        Ok(answer) => (Messages::none(), Some(cell(&answer.body, "/token"))),
        Err(problem) => (Messages::of(problem)?, None),
    };
    let mut page = item::page_of(&rest, &signed_in, noun, &key).await?;
    (page.messages, page.issued) = (messages, issued);
    Ok((page.messages.status(), Html(page)).into_response())
}

/// Revokes a token.
pub(super) async fn revoke(
    Extension(rest): Extension<Rest>,
    Path((noun, key, id)): Path<(String, String, String)>,
    form: Form<NoFields>,
) -> Result<Response, Problem> {
    let Some(noun) = Noun::at(&noun).filter(|noun| noun.has_tokens) else {
        return Ok(unknown());
    };
    let path = noun.tokens_path(&key);
    let list = path.split_once('?').map_or(path.as_str(), |(list, _)| list);
    let path = format!("{list}/{}", encoded(&id));
    rest.ask(&form.signed_in, Asked::new(Method::DELETE, path))
        .await?;
    Ok(see_other(&noun.page_path(&key)))
}
