//! `/admin/audit-events`: what was done and decided.

use askama::Template;
use axum::{
    Extension,
    response::{IntoResponse as _, Response},
};
use axum_extra::extract::Query;
use serde::Deserialize;
use serde_json::Value;

use super::{
    nouns::cell,
    rest::{Asked, Rest},
};
use crate::{
    api::problem::Problem,
    html::{Html, Layout, Messages, Visit},
};

#[derive(Template)]
#[template(path = "admin_audit.html")]
struct AuditPage {
    layout: Layout,
    messages: Messages,
    filter: AuditParams,
    events: Vec<Event>,
    /// Query of the next page.
    next: String,
}

struct Event {
    at: String,
    actor: String,
    action: String,
    object: String,
    outcome: String,
    reason: String,
    detail: String,
}

/// Which events. An empty text asks for nothing.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct AuditParams {
    #[serde(default)]
    since: String,
    #[serde(default)]
    until: String,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    server: String,
    #[serde(default)]
    tool: String,
    #[serde(default)]
    outcome: String,
    #[serde(default)]
    cursor: String,
}

impl AuditParams {
    fn query(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in [
            ("since", &self.since),
            ("until", &self.until),
            ("subject", &self.subject),
            ("server", &self.server),
            ("tool", &self.tool),
            ("outcome", &self.outcome),
            ("cursor", &self.cursor),
        ] {
            if !value.is_empty() {
                query.append_pair(name, value.trim());
            }
        }
        query.finish()
    }
}

/// Lists them, the newest first.
pub(super) async fn show(
    Extension(rest): Extension<Rest>,
    visit: Visit,
    Query(filter): Query<AuditParams>,
) -> Result<Response, Problem> {
    let path = format!("/api/v1/audit-events?{}", filter.query());
    let mut page = AuditPage {
        layout: Layout::of(&visit.signed_in, "Audit", "/admin/audit-events"),
        messages: Messages::none(),
        events: Vec::new(),
        next: String::new(),
        filter,
    };
    match rest.ask(&visit.signed_in, Asked::get(path)).await {
        Ok(answer) => {
            let items = answer.body["items"].as_array().cloned().unwrap_or_default();
            page.events = items.iter().map(event).collect();
            let cursor = cell(&answer.body, "/next_cursor");
            if !cursor.is_empty() {
                let next = AuditParams {
                    cursor,
                    ..page.filter.clone()
                };
                page.next = next.query();
            }
        }
        Err(problem) if problem.is_about_input() => page.messages = Messages::of(problem)?,
        Err(problem) => return Err(problem),
    }
    Ok((page.messages.status(), Html(page)).into_response())
}

fn event(event: &Value) -> Event {
    let words = |pointers: [&str; 2]| {
        let words = pointers.map(|pointer| cell(event, pointer));
        words.join(" ").trim().to_owned()
    };
    let detail = event["detail"]
        .as_object()
        .filter(|detail| !detail.is_empty());
    let object = words(["/object/kind", "/object/name"]);
    Event {
        at: cell(event, "/at")
            .chars()
            .take(19)
            .collect::<String>()
            .replace('T', " "),
        actor: words(["/actor/kind", "/actor/name"]),
        action: cell(event, "/action"),
        object: if object.is_empty() {
            words(["/server", "/tool"])
        } else {
            object
        },
        outcome: cell(event, "/outcome"),
        reason: cell(event, "/reason"),
        detail: detail.map_or(String::new(), |detail| {
            format!("{:#}", Value::Object(detail.clone()))
        }),
    }
}
