//! Every refusal of the REST API, as problem details (RFC 9457).

use std::{error::Error, sync::Arc};

use axum::{
    extract::{MatchedPath, Request},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, Method, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    accept::RequestId,
    authenticate::Unauthenticated,
    authorize::Denied,
    service::{Consequences, Failure, Violation, is_transient},
};

/// Why a request was refused: what the caller hears, and what is logged.
#[derive(Debug)]
pub struct Problem {
    kind: Kind,
    detail: String,
    errors: Vec<Violation>,
    would_delete: Option<Box<Consequences>>,
    /// Logged, never sent.
    cause: Option<Box<dyn Error + Send + Sync>>,
}

/// The closed list of problem types. Names are part of the API: they never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The body is not JSON, or not in UTF-8, or a parameter cannot be read.
    MalformedRequest,
    /// The request can be read, but breaks a rule; `errors` says where.
    ValidationFailed,
    /// The request asks for something that this version does not do.
    Unsupported,
    /// No valid token came with the request.
    Unauthenticated,
    /// The caller is known and may see the resource, but not do this.
    Forbidden,
    /// There is no such resource for this caller.
    NotFound,
    /// The resource has other methods.
    MethodNotAllowed,
    /// Something of this name exists already.
    AlreadyExists,
    /// The request would leave nobody who can administrate.
    LastAdministrator,
    /// The request would delete something stored; `would_delete` names it.
    ConfirmationRequired,
    /// `If-Match` or `If-None-Match` does not hold.
    PreconditionFailed,
    /// The body is larger than the API reads.
    PayloadTooLarge,
    /// The body is not declared as `application/json`.
    UnsupportedMediaType,
    /// The body did not arrive in time.
    RequestTimeout,
    /// The database does not answer now; the same request may work later.
    Unavailable,
    /// Our fault.
    Internal,
}

impl Kind {
    const fn facts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::MalformedRequest => (
                StatusCode::BAD_REQUEST,
                "urn:warder:problem:malformed-request",
                "The request cannot be read",
            ),
            Self::ValidationFailed => (
                StatusCode::BAD_REQUEST,
                "urn:warder:problem:validation-failed",
                "The request breaks a rule",
            ),
            Self::Unsupported => (
                StatusCode::BAD_REQUEST,
                "urn:warder:problem:unsupported",
                "Not supported by this version",
            ),
            Self::Unauthenticated => (
                StatusCode::UNAUTHORIZED,
                "urn:warder:problem:unauthenticated",
                "A valid token is required",
            ),
            Self::Forbidden => (
                StatusCode::FORBIDDEN,
                "urn:warder:problem:forbidden",
                "Not allowed",
            ),
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "urn:warder:problem:not-found",
                "Not found",
            ),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "urn:warder:problem:method-not-allowed",
                "Method not allowed",
            ),
            Self::AlreadyExists => (
                StatusCode::CONFLICT,
                "urn:warder:problem:already-exists",
                "Already exists",
            ),
            Self::LastAdministrator => (
                StatusCode::CONFLICT,
                "urn:warder:problem:last-administrator",
                "The last administrator stays",
            ),
            Self::ConfirmationRequired => (
                StatusCode::CONFLICT,
                "urn:warder:problem:confirmation-required",
                "Something stored would be deleted",
            ),
            Self::PreconditionFailed => (
                StatusCode::PRECONDITION_FAILED,
                "urn:warder:problem:precondition-failed",
                "The resource has changed",
            ),
            Self::PayloadTooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "urn:warder:problem:payload-too-large",
                "The body is too large",
            ),
            Self::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "urn:warder:problem:unsupported-media-type",
                "The body must be JSON",
            ),
            Self::RequestTimeout => (
                StatusCode::REQUEST_TIMEOUT,
                "urn:warder:problem:request-timeout",
                "The body came too slowly",
            ),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "urn:warder:problem:unavailable",
                "Not available now",
            ),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "urn:warder:problem:internal",
                "Internal error",
            ),
        }
    }
}

/// Problem details, as sent (RFC 9457 section 3).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// What went wrong, as a stable URI: `urn:warder:problem:…`.
    #[serde(rename = "type")]
    problem: &'static str,
    /// The same in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What went wrong with this very request.
    #[serde(skip_serializing_if = "str::is_empty")]
    detail: String,
    /// The same as in the `X-Request-Id` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// Each broken rule, for `validation-failed` and `unsupported`; for `already-exists` what is taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Violation>,
    /// What `?confirm=true` would delete, for `confirmation-required`.
    #[serde(skip_serializing_if = "Option::is_none")]
    would_delete: Option<Consequences>,
}

impl Problem {
    /// A problem of this kind; `detail` is read by the caller.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
            would_delete: None,
            cause: None,
        }
    }

    /// One broken rule, at a JSON pointer (RFC 6901).
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::violations(vec![Violation::new(pointer, detail)])
    }

    fn violations(errors: Vec<Violation>) -> Self {
        let detail = errors
            .iter()
            .map(Violation::to_string)
            .collect::<Vec<_>>()
            .join("; ");
        Self {
            errors,
            ..Self::new(Kind::ValidationFailed, detail)
        }
    }

    /// Something broke on our side: the caller hears the request id, the log hears the cause.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let cause = cause.into();
        let kind = if is_transient(&*cause) {
            Kind::Unavailable
        } else {
            Kind::Internal
        };
        Self {
            cause: Some(cause),
            ..Self::new(kind, "")
        }
    }
}

impl From<Unauthenticated> for Problem {
    fn from(refusal: Unauthenticated) -> Self {
        match refusal {
            Unauthenticated::Ambiguous => Self::new(Kind::MalformedRequest, refusal.to_string()),
            Unauthenticated::Missing | Unauthenticated::Invalid => {
                Self::new(Kind::Unauthenticated, refusal.to_string())
            }
            Unauthenticated::Forged => Self::new(Kind::Forbidden, refusal.to_string()),
            Unauthenticated::Internal(cause) => Self::internal(cause),
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Unknown { .. } => Self::new(Kind::NotFound, denied.to_string()),
            Denied::Forbidden { .. } => Self::new(Kind::Forbidden, denied.to_string()),
            Denied::Internal(cause) => Self::internal(cause),
        }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Invalid(errors) => Self::violations(errors),
            Failure::Unsupported(violation) => Self {
                errors: vec![violation.clone()],
                ..Self::new(Kind::Unsupported, violation.detail().to_owned())
            },
            Failure::NotFound { .. } => Self::new(Kind::NotFound, failure.to_string()),
            Failure::AlreadyExists { .. } => Self::new(Kind::AlreadyExists, failure.to_string()),
            Failure::Taken(violation) => Self {
                errors: vec![violation.clone()],
                ..Self::new(Kind::AlreadyExists, violation.to_string())
            },
            Failure::LastAdministrator => Self::new(Kind::LastAdministrator, failure.to_string()),
            Failure::PreconditionFailed => Self::new(Kind::PreconditionFailed, failure.to_string()),
            Failure::ConfirmationRequired(consequences) => {
                let detail = "What is stored no longer fits; repeat the request with ?confirm=true to delete it";
                Self {
                    would_delete: Some(Box::new(consequences)),
                    ..Self::new(Kind::ConfirmationRequired, detail)
                }
            }
            Failure::Overloaded => Self::new(Kind::Unavailable, failure.to_string()),
            Failure::Internal(cause) => Self::internal(cause),
        }
    }
}

/// The body is written by [`render`], which knows the request id.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, ..) = self.kind.facts();
        let mut response = status.into_response();
        if self.kind == Kind::Unauthenticated {
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"warder\""),
            );
        }
        if self.kind == Kind::Unavailable {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

impl IntoResponse for Unauthenticated {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

/// Layer: writes the body of a problem, and logs what must not be in it. Who was refused is logged too:
/// by the route's pattern, since a path names people.
pub async fn render(request: Request, next: Next) -> Response {
    let request_id = request
        .extensions()
        .get::<RequestId>()
        .map(ToString::to_string);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    let Some(problem) = response.extensions_mut().remove::<Arc<Problem>>() else {
        return response;
    };
    problem.log(
        request_id.as_deref().unwrap_or_default(),
        &method,
        route.as_ref(),
    );
    let body = problem.body(request_id);
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    let text = serde_json::to_vec(&body).unwrap_or_default();
    Response::from_parts(parts, text.into())
}

impl Problem {
    /// What went wrong, in general.
    pub(crate) fn title(&self) -> &'static str {
        let (_, _, title) = self.kind.facts();
        title
    }

    /// What went wrong with this very request.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// Each broken rule, or what went wrong.
    pub(crate) fn messages(&self) -> Vec<String> {
        if let Some(lost) = &self.would_delete {
            let headers = lost
                .headers
                .iter()
                .map(|name| format!("the stored header {name}"));
            let overrides = lost
                .auth_overrides
                .iter()
                .map(|lost| format!("the values that {} entered", lost.subject));
            let lost: Vec<_> = headers.chain(overrides).collect();
            return vec![format!("This would delete: {}", lost.join(", "))];
        }
        match self.errors.as_slice() {
            [] if self.detail.is_empty() => vec![self.title().to_owned()],
            [] => vec![self.detail.clone()],
            errors => errors.iter().map(Violation::to_string).collect(),
        }
    }

    /// Whether whoever sent the request can do something about it.
    pub(crate) fn is_theirs(&self) -> bool {
        self.status().is_client_error()
    }

    /// Whether it only needs to be confirmed.
    pub(crate) fn asks_for_confirmation(&self) -> bool {
        self.kind == Kind::ConfirmationRequired
    }

    /// Whether what was entered cannot be understood.
    pub(crate) fn is_about_input(&self) -> bool {
        matches!(self.kind, Kind::MalformedRequest | Kind::ValidationFailed)
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        let (status, ..) = self.kind.facts();
        status
    }

    /// Notes what must not be in the answer, and who was refused what.
    pub(crate) fn log(&self, request_id: &str, method: &Method, route: Option<&MatchedPath>) {
        if let Some(cause) = &self.cause {
            tracing::error!(
                request.id = request_id,
                error = &**cause as &dyn Error,
                "A request failed"
            );
        } else if matches!(self.kind, Kind::Unauthenticated | Kind::Forbidden) {
            let (_, kind, _) = self.kind.facts();
            tracing::info!(
                request.id = request_id,
                http.method = %method,
                http.route = route.map_or("", MatchedPath::as_str),
                problem = kind,
                "A request was refused"
            );
        }
    }

    fn body(&self, request_id: Option<String>) -> ProblemBody {
        let (status, problem, title) = self.kind.facts();
        ProblemBody {
            problem,
            title,
            status: status.as_u16(),
            detail: self.detail.clone(),
            request_id,
            errors: self.errors.clone(),
            would_delete: self.would_delete.as_deref().cloned(),
        }
    }
}
