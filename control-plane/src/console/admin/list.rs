//! `/admin/{noun}`: all of them, and a form for a new one.

use askama::Template;
use axum::{
    Extension,
    response::{IntoResponse as _, Response},
};
use axum_extra::extract::Query;
use http::Method;
use serde::Deserialize;
use serde_json::Value;

use super::{
    nouns::{Noun, cell, encoded},
    rest::{Asked, Rest},
    unknown,
};
use crate::{
    api::{path::Path, problem::Problem},
    authenticate::SignedIn,
    html::{Form, Html, Layout, Messages, Visit, see_other},
};

#[derive(Template)]
#[template(path = "admin_list.html")]
struct ListPage {
    layout: Layout,
    messages: Messages,
    noun: &'static Noun,
    rows: Vec<Row>,
    next: String,
    /// What was entered.
    key: String,
    manifest: String,
}

struct Row {
    key: String,
    path: String,
    cells: Vec<String>,
}

/// Which part of the list.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ListParams {
    #[serde(default)]
    cursor: String,
}

/// A new one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewForm {
    key: String,
    manifest: String,
}

/// Lists them.
pub(super) async fn show(
    Extension(rest): Extension<Rest>,
    Path(noun): Path<String>,
    visit: Visit,
    Query(params): Query<ListParams>,
) -> Result<Response, Problem> {
    let Some(noun) = Noun::at(&noun) else {
        return Ok(unknown());
    };
    let page = page_of(&rest, &visit.signed_in, noun, &params.cursor).await?;
    Ok(Html(page).into_response())
}

/// Makes a new one, and shows it.
pub(super) async fn create(
    Extension(rest): Extension<Rest>,
    Path(noun): Path<String>,
    form: Form<NewForm>,
) -> Result<Response, Problem> {
    let Some(noun) = Noun::at(&noun) else {
        return Ok(unknown());
    };
    let Form {
        signed_in, fields, ..
    } = form;
    let key = fields.key.trim();
    match rest
        .ask(&signed_in, wanted(noun, key, &fields.manifest))
        .await
    {
        Ok(answer) => Ok(see_other(
            &noun.page_path(&cell(&answer.body, &format!("/{}", noun.key))),
        )),
        Err(problem) => {
            let page = ListPage {
                messages: Messages::of(problem)?,
                key: fields.key,
                manifest: fields.manifest,
                ..page_of(&rest, &signed_in, noun, "").await?
            };
            Ok((page.messages.status(), Html(page)).into_response())
        }
    }
}

/// The request that makes a new one, and no other way round changes one that is there.
fn wanted(noun: &Noun, key: &str, manifest: &str) -> Asked {
    if !noun.is_patched {
        let path = noun.api_path(key);
        return Asked::new(Method::PUT, path)
            .only_new()
            .body(manifest.to_owned());
    }
    // The name stands in the body; what is no object goes as it is, to be refused as what it is.
    let body = match serde_json::from_str(manifest) {
        Ok(Value::Object(mut fields)) => {
            fields.insert(noun.key.to_owned(), key.into());
            Value::Object(fields).to_string()
        }
        _ => manifest.to_owned(),
    };
    Asked::new(Method::POST, noun.api.to_owned()).body(body)
}

async fn page_of(
    rest: &Rest,
    signed_in: &SignedIn,
    noun: &'static Noun,
    cursor: &str,
) -> Result<ListPage, Problem> {
    let mut path = noun.api.to_owned();
    if !cursor.is_empty() {
        path.push_str(&format!("?cursor={}", encoded(cursor)));
    }
    let answer = rest.ask(signed_in, Asked::get(path)).await?;
    let items = answer.body["items"].as_array().cloned().unwrap_or_default();
    let rows = items.iter().map(|item| {
        let key = cell(item, &format!("/{}", noun.key));
        Row {
            path: noun.page_path(&key),
            key,
            cells: noun
                .columns
                .iter()
                .map(|(_, pointer)| cell(item, pointer))
                .collect(),
        }
    });
    Ok(ListPage {
        layout: Layout::of(signed_in, noun.many, noun.section),
        messages: Messages::none(),
        noun,
        rows: rows.collect(),
        next: cell(&answer.body, "/next_cursor"),
        key: String::new(),
        manifest: noun.example.to_owned(),
    })
}
