//! The REST API, called in the name of who is signed in, without a network in between.

use std::sync::Arc;

use axum::{Router, body::Body, extract::Request};
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::{api::problem::Problem, authenticate::SignedIn};

/// Largest answer that a page is made of, in bytes: 200 servers with their certificates fit.
const MAX_ANSWER: usize = 128 << 20;

/// The API.
#[derive(Debug, Clone)]
pub(super) struct Rest(Router);

/// What it answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Value,
    /// `ETag` of what is shown.
    pub(super) tag: String,
}

/// A request to it.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) path: String,
    /// What the resource is believed to be: `If-Match`; an empty one asks for nothing.
    pub(super) tag: String,
    /// Whether nothing may be there yet: `If-None-Match: *`.
    pub(super) is_new: bool,
    pub(super) body: Option<String>,
}

impl Asked {
    pub(super) fn get(path: String) -> Self {
        Self::new(Method::GET, path)
    }

    pub(super) fn new(method: Method, path: String) -> Self {
        Self {
            method,
            path,
            tag: String::new(),
            is_new: false,
            body: None,
        }
    }

    pub(super) fn only_new(self) -> Self {
        Self {
            is_new: true,
            ..self
        }
    }

    pub(super) fn body(self, body: String) -> Self {
        Self {
            body: Some(body),
            ..self
        }
    }
}

impl Rest {
    pub(super) const fn new(api: Router) -> Self {
        Self(api)
    }

    /// Asks in the name of who is signed in.
    pub(super) async fn ask(&self, signed_in: &SignedIn, asked: Asked) -> Result<Answer, Problem> {
        let mut request = Request::builder()
            .method(asked.method)
            .uri(asked.path)
            .extension(signed_in.clone())
            .body(asked.body.map_or_else(Body::empty, Body::from))
            .map_err(Problem::internal)?;
        let headers = request.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static("application/json"),
        );
        if asked.is_new {
            headers.insert(header::IF_NONE_MATCH, header::HeaderValue::from_static("*"));
        }
        if !asked.tag.is_empty() {
            let tag = header::HeaderValue::from_str(&asked.tag);
            headers.insert(header::IF_MATCH, tag.map_err(Problem::internal)?);
        }
        let Ok(response) = self.0.clone().oneshot(request).await;
        let (parts, body) = response.into_parts();
        if let Some(problem) = parts.extensions.get::<Arc<Problem>>().cloned() {
            drop(parts);
            return Err(Arc::into_inner(problem)
                .unwrap_or_else(|| Problem::internal("a refusal is held elsewhere")));
        }
        let bytes = Limited::new(body, MAX_ANSWER).collect().await;
        let bytes = bytes.map_err(Problem::internal)?.to_bytes();
        let body = match parts.status {
            StatusCode::NO_CONTENT => Value::Null,
            _ => serde_json::from_slice(&bytes).map_err(Problem::internal)?,
        };
        Ok(Answer {
            body,
            tag: tag(&parts.headers),
        })
    }
}

fn tag(headers: &HeaderMap) -> String {
    let tag = headers.get(header::ETAG).map(|tag| tag.to_str());
    tag.and_then(Result::ok).unwrap_or_default().to_owned()
}
