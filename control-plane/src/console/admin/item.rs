//! `/admin/{noun}/{key}`: one of them, as its manifest.

use askama::Template;
use axum::{
    Extension,
    response::{IntoResponse as _, Response},
};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    nouns::{Noun, cell},
    rest::{Asked, Rest},
    tokens::{self, TokenRow},
    unknown,
};
use crate::{
    api::{path::Path, problem::Problem},
    authenticate::SignedIn,
    html::{Form, Html, Layout, Messages, Visit, see_other},
};

#[derive(Template)]
#[template(path = "admin_item.html")]
pub(super) struct ItemPage {
    layout: Layout,
    pub(super) messages: Messages,
    noun: &'static Noun,
    key: String,
    path: String,
    tag: String,
    manifest: String,
    /// The fields that nobody changes here.
    facts: Vec<(String, String)>,
    /// Whether what was entered would delete something, and has to be confirmed.
    confirm: bool,
    tokens: Vec<TokenRow>,
    /// A new token, shown this once.
    pub(super) issued: Option<String>,
    /// What came of a test.
    tested: String,
}

/// The form with the manifest.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SaveForm {
    manifest: String,
    tag: String,
    #[serde(default)]
    confirm: String,
}

/// The form that deletes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeleteForm {
    tag: String,
    /// The name once more.
    key: String,
}

/// The form with a token to try.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TestForm {
    token: String,
}

/// Shows it.
pub(super) async fn show(
    Extension(rest): Extension<Rest>,
    Path((noun, key)): Path<(String, String)>,
    visit: Visit,
) -> Result<Response, Problem> {
    let Some(noun) = Noun::at(&noun) else {
        return Ok(unknown());
    };
    let page = page_of(&rest, &visit.signed_in, noun, &key).await?;
    Ok(Html(page).into_response())
}

/// Saves what was entered, if nobody else has changed it since it was shown.
pub(super) async fn save(
    Extension(rest): Extension<Rest>,
    Path((noun, key)): Path<(String, String)>,
    form: Form<SaveForm>,
) -> Result<Response, Problem> {
    let Some(noun) = Noun::at(&noun) else {
        return Ok(unknown());
    };
    let Form {
        signed_in, fields, ..
    } = form;
    let method = if noun.is_patched {
        Method::PATCH
    } else {
        Method::PUT
    };
    let mut path = noun.api_path(&key);
    if fields.confirm == "true" {
        path.push_str("?confirm=true");
    }
    let asked = Asked {
        tag: fields.tag.clone(),
        ..Asked::new(method, path).body(fields.manifest.clone())
    };
    let problem = match rest.ask(&signed_in, asked).await {
        Ok(_) => return Ok(see_other(&noun.page_path(&key))),
        Err(problem) => problem,
    };
    let confirm = problem.asks_for_confirmation();
    let page = ItemPage {
        messages: Messages::of(problem)?,
        confirm,
        manifest: fields.manifest,
        // The state that the text was made from, so that what came between is still noticed.
        tag: fields.tag,
        ..page_of(&rest, &signed_in, noun, &key).await?
    };
    Ok((page.messages.status(), Html(page)).into_response())
}

/// Deletes it, once its name was written again.
pub(super) async fn delete(
    Extension(rest): Extension<Rest>,
    Path((noun, key)): Path<(String, String)>,
    form: Form<DeleteForm>,
) -> Result<Response, Problem> {
    let Some(noun) = Noun::at(&noun) else {
        return Ok(unknown());
    };
    let Form {
        signed_in, fields, ..
    } = form;
    let messages = if fields.key.trim() == key {
        let asked = Asked {
            tag: fields.tag,
            ..Asked::new(Method::DELETE, noun.api_path(&key))
        };
        match rest.ask(&signed_in, asked).await {
            Ok(_) => return Ok(see_other(&format!("/admin/{}", noun.path))),
            Err(problem) => Messages::of(problem)?,
        }
    } else {
        Messages::one(format!("To delete it, write its name: {key}"))
    };
    let page = ItemPage {
        messages,
        ..page_of(&rest, &signed_in, noun, &key).await?
    };
    Ok((page.messages.status(), Html(page)).into_response())
}

/// Shows how a token would be understood.
pub(super) async fn test(
    Extension(rest): Extension<Rest>,
    Path((noun, key)): Path<(String, String)>,
    form: Form<TestForm>,
) -> Result<Response, Problem> {
    let Some(noun) = Noun::at(&noun).filter(|noun| noun.has_test) else {
        return Ok(unknown());
    };
    let Form {
        signed_in, fields, ..
    } = form;
    let body = json!({ "token": fields.token.trim() }).to_string();
    let path = format!("{}/test", noun.api_path(&key));
    let asked = Asked::new(Method::POST, path).body(body);
    let (messages, tested) = match rest.ask(&signed_in, asked).await {
        Ok(answer) => (Messages::none(), format!("{:#}", answer.body)),
        Err(problem) => (Messages::of(problem)?, String::new()),
    };
    let page = ItemPage {
        messages,
        tested,
        ..page_of(&rest, &signed_in, noun, &key).await?
    };
    Ok((page.messages.status(), Html(page)).into_response())
}

/// The page of one of them as it is now.
pub(super) async fn page_of(
    rest: &Rest,
    signed_in: &SignedIn,
    noun: &'static Noun,
    key: &str,
) -> Result<ItemPage, Problem> {
    let answer = rest.ask(signed_in, Asked::get(noun.api_path(key))).await?;
    let tokens = if noun.has_tokens {
        tokens::of(rest, signed_in, noun, key).await?
    } else {
        Vec::new()
    };
    Ok(ItemPage {
        layout: Layout::of(signed_in, format!("{} {key}", noun.one), noun.section),
        messages: Messages::none(),
        noun,
        key: key.to_owned(),
        path: noun.page_path(key),
        tag: answer.tag,
        manifest: noun.manifest(&answer.body),
        facts: facts(noun, &answer.body),
        confirm: false,
        tokens,
        issued: None,
        tested: String::new(),
    })
}

fn facts(noun: &Noun, state: &Value) -> Vec<(String, String)> {
    let fields = state.as_object().into_iter().flatten();
    let facts = fields.filter(|(name, value)| {
        !value.is_null() && *name != noun.key && !noun.fields.contains(&name.as_str())
    });
    facts
        .map(|(name, value)| (name.replace('_', " "), cell(value, "")))
        .collect()
}
