//! `ETag`, `If-Match` and `If-None-Match` (RFC 9110 sections 8.8.3 and 13.1).

use axum::{
    Json,
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts};
use serde::Serialize;
use utoipa::IntoParams;

use crate::{
    api::problem::{Kind, Problem},
    service::{Fingerprint, Precondition},
};

/// What the request's conditional headers ask for.
#[derive(Debug)]
pub struct Conditions(pub Precondition);

impl<S: Send + Sync> FromRequestParts<S> for Conditions {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let expected = joined(&parts.headers, &header::IF_MATCH)?;
        let refused = joined(&parts.headers, &header::IF_NONE_MATCH)?;
        let precondition = match (expected.as_deref(), refused.as_deref()) {
            (None, None) => Precondition::None,
            (Some("*"), None) => Precondition::Exists,
            (Some(tags), None) => {
                Precondition::State(tags.split(',').map(|tag| tag.trim().to_owned()).collect())
            }
            (None, Some("*")) => Precondition::Absent,
            (_, Some(_)) => {
                return Err(Problem::new(
                    Kind::MalformedRequest,
                    "If-None-Match is supported as `*`, and not beside If-Match",
                ));
            }
        };
        Ok(Self(precondition))
    }
}

/// The same headers, for the API description.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes what Conditions reads by hand")]
pub(super) struct ConditionParams {
    /// `ETag` of the state that the caller has in mind, or `*` for any; otherwise 412.
    #[param(rename = "If-Match")]
    if_match: Option<String>,
    /// `*`: only if there is nothing of this name yet; otherwise 412.
    #[param(rename = "If-None-Match")]
    if_none_match: Option<String>,
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, Problem> {
    let mut lines = Vec::new();
    for value in headers.get_all(name) {
        let line = value
            .to_str()
            .map_err(|_| Problem::new(Kind::MalformedRequest, format!("{name} cannot be read")))?;
        lines.push(line.trim());
    }
    Ok((!lines.is_empty()).then(|| lines.join(",")))
}

/// An answer that carries the entity tag of what it shows.
#[derive(Debug)]
pub struct Tagged<T> {
    status: StatusCode,
    value: T,
    fingerprint: Fingerprint,
}

impl<T: Serialize> Tagged<T> {
    /// What is there now.
    pub fn current(value: T) -> Self {
        Self {
            status: StatusCode::OK,
            fingerprint: Fingerprint::of(&value),
            value,
        }
    }

    /// What was written: 201 when it is new, else 200.
    pub fn written(created: bool, value: T) -> Self {
        let status = if created {
            StatusCode::CREATED
        } else {
            StatusCode::OK
        };
        Self {
            status,
            ..Self::current(value)
        }
    }

    /// The same with another tag: the value shows more than what can be written.
    pub fn tagged(self, fingerprint: Fingerprint) -> Self {
        Self {
            fingerprint,
            ..self
        }
    }
}

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let tag = HeaderValue::from_str(&self.fingerprint.entity_tag());
        let mut response = (self.status, Json(self.value)).into_response();
        if let Ok(tag) = tag {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}
