//! Why a call is refused: what the caller hears, whose fault it is, and what the audit trail keeps.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;
use warder_shared::oauth::SCOPES;

/// The types of errors of the data plane (contract, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub(crate) enum ErrorType {
    /// No valid token.
    Unauthorized,
    /// The token is an identity provider's, and stands for nobody here.
    IdentityNotMapped,
    /// The caller may not do this.
    Forbidden,
    /// No such server, path or session, for this caller.
    NotFound,
    /// The request is malformed.
    InvalidRequest,
    /// The body is larger than the limit.
    PayloadTooLarge,
    /// Too many requests.
    RateLimited,
    /// The server cannot be reached or does not speak MCP.
    UpstreamUnavailable,
    /// The server did not answer in time.
    UpstreamTimeout,
    /// No credential that the server accepts.
    CredentialUnavailable,
    /// The gateway cannot decide right now.
    Overloaded,
}

impl ErrorType {
    /// The word in bodies, audit and metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthorized => "Unauthorized",
            Self::IdentityNotMapped => "IdentityNotMapped",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "NotFound",
            Self::InvalidRequest => "InvalidRequest",
            Self::PayloadTooLarge => "PayloadTooLarge",
            Self::RateLimited => "RateLimited",
            Self::UpstreamUnavailable => "UpstreamUnavailable",
            Self::UpstreamTimeout => "UpstreamTimeout",
            Self::CredentialUnavailable => "CredentialUnavailable",
            Self::Overloaded => "Overloaded",
        }
    }
}

/// A refusal, ready to be answered.
#[derive(Debug, Clone)]
pub(crate) struct Rejection(Box<Refusal>);

#[derive(Debug, Clone)]
struct Refusal {
    status: StatusCode,
    form: Form,
    message: Cow<'static, str>,
    /// For the audit trail: the rule or the cause, in the gateway's words.
    reason: Cow<'static, str>,
    headers: Vec<(header::HeaderName, HeaderValue)>,
    /// JSON text of the request's id, once it is known.
    id: Option<String>,
    challenge: Option<Challenge>,
    denied: bool,
}

/// What `WWW-Authenticate` says beyond where to get a token (RFC 6750, section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Challenge {
    /// No token came.
    Missing,
    /// The one that came is not valid.
    InvalidToken,
    /// The one that came is valid, but its client did not ask for enough.
    InsufficientScope,
}

impl Challenge {
    /// One challenge in the simplest form that every client reads: each parameter once, quoted, no spaces around `=`.
    fn header(self, resource_metadata: &str) -> Option<HeaderValue> {
        let scope = SCOPES.join(" ");
        let error = match self {
            Self::Missing => "",
            Self::InvalidToken => ", error=\"invalid_token\"",
            Self::InsufficientScope => ", error=\"insufficient_scope\"",
        };
        HeaderValue::try_from(format!(
            "Bearer resource_metadata=\"{resource_metadata}\", scope=\"{scope}\"{error}"
        ))
        .ok()
    }
}

#[derive(Debug, Clone)]
enum Form {
    /// `{"error": {"type", "message", "request_id"}}`
    Typed(ErrorType),
    /// A JSON-RPC error, where MCP demands one.
    Rpc {
        code: i32,
        data: Option<serde_json::Value>,
    },
}

impl Rejection {
    /// A typed error.
    pub(crate) fn new(
        status: StatusCode,
        kind: ErrorType,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self(Box::new(Refusal {
            status,
            form: Form::Typed(kind),
            message: message.into(),
            reason: Cow::Borrowed(kind.as_str()),
            headers: Vec::new(),
            id: None,
            challenge: None,
            denied: status.is_client_error(),
        }))
    }

    /// A JSON-RPC error.
    pub(crate) fn rpc(
        status: StatusCode,
        code: i32,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self(Box::new(Refusal {
            status,
            form: Form::Rpc { code, data: None },
            message: message.into(),
            reason: Cow::Owned(format!("json-rpc {code}")),
            headers: Vec::new(),
            id: None,
            challenge: None,
            denied: true,
        }))
    }

    /// A request that is malformed.
    pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorType::InvalidRequest, message)
    }

    /// One answer for everything that does not exist for this caller, whether it exists or not (AC-1).
    pub(crate) fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            ErrorType::NotFound,
            "there is no MCP server here that you may use; the path is /mcp/{server}/server",
        )
    }

    /// No valid token. `sent` says whether there was one at all (RFC 6750 section 3.1).
    pub(crate) fn unauthorized(sent: bool, message: &'static str) -> Self {
        let mut rejection = Self::new(StatusCode::UNAUTHORIZED, ErrorType::Unauthorized, message);
        rejection.0.challenge = Some(if sent {
            Challenge::InvalidToken
        } else {
            Challenge::Missing
        });
        rejection
    }

    /// The client's token does not reach this far. All that it can need is asked for at once, so that one more
    /// round is enough.
    pub(crate) fn insufficient_scope() -> Self {
        let message = "the client's token does not allow tool calls: it needs the scope mcp:tools";
        let mut rejection = Self::new(StatusCode::FORBIDDEN, ErrorType::Forbidden, message);
        rejection.0.challenge = Some(Challenge::InsufficientScope);
        rejection.because("insufficient_scope")
    }

    /// The gateway cannot answer now; the caller may try again.
    pub(crate) fn unavailable(kind: ErrorType, message: &'static str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, kind, message)
            .retry_after(Duration::from_secs(1))
    }

    /// Says more to the audit trail than to the caller.
    pub(crate) fn because(mut self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.0.reason = reason.into();
        self
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// Says when to try again.
    pub(crate) fn retry_after(self, after: Duration) -> Self {
        self.header(
            header::RETRY_AFTER,
            HeaderValue::from(after.as_secs().max(1)),
        )
    }

    /// The `data` member of a JSON-RPC error.
    pub(crate) fn data(mut self, value: serde_json::Value) -> Self {
        if let Form::Rpc { data, .. } = &mut self.0.form {
            *data = Some(value);
        }
        self
    }

    /// Answers the request of this id.
    pub(crate) fn answering(mut self, id: Option<&str>) -> Self {
        if self.0.id.is_none() {
            self.0.id = id.map(ToOwned::to_owned);
        }
        self
    }

    /// Whether it has to say where a token can be had.
    pub(crate) fn is_challenge(&self) -> bool {
        self.0.challenge.is_some()
    }

    /// Says it: in the metadata of the resource that was asked for (RFC 9728, section 5.1).
    pub(crate) fn challenging(self, resource_metadata: &str) -> Self {
        let value = self.0.challenge.and_then(|it| it.header(resource_metadata));
        match value {
            Some(value) => self.header(header::WWW_AUTHENTICATE, value),
            None => self,
        }
    }

    /// HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }

    /// For the audit trail.
    pub(crate) fn reason(&self) -> &Cow<'static, str> {
        &self.0.reason
    }

    /// Whether policy or the caller's own fault refused it; otherwise something failed.
    pub(crate) fn is_denial(&self) -> bool {
        self.0.denied
    }

    /// The response. A typed error that answers a JSON-RPC request is a JSON-RPC error at the same time,
    /// so that MCP clients can match it to their call.
    pub(crate) fn into_response(self, request_id: &str) -> Response<Bytes> {
        #[derive(Serialize)]
        struct Body<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            jsonrpc: Option<&'static str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            id: Option<&'a serde_json::value::RawValue>,
            error: ErrorBody<'a>,
        }
        #[derive(Serialize)]
        struct ErrorBody<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            code: Option<i32>,
            #[serde(skip_serializing_if = "Option::is_none", rename = "type")]
            kind: Option<ErrorType>,
            message: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            data: Option<&'a serde_json::Value>,
            #[serde(skip_serializing_if = "Option::is_none")]
            request_id: Option<&'a str>,
        }
        let id = self
            .0
            .id
            .as_deref()
            .and_then(|id| serde_json::from_str(id).ok());
        let (code, kind, data) = match &self.0.form {
            Form::Typed(kind) => (id.map(|_| -32603), Some(*kind), None),
            Form::Rpc { code, data } => (Some(*code), None, data.as_ref()),
        };
        let body = Body {
            jsonrpc: code.map(|_| "2.0"),
            id,
            error: ErrorBody {
                code,
                kind,
                message: &self.0.message,
                data,
                request_id: kind.map(|_| request_id),
            },
        };
        let mut response = Response::new(serde_json::to_vec(&body).unwrap_or_default().into());
        *response.status_mut() = self.0.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.extend(self.0.headers);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(rejection: Rejection) -> String {
        String::from_utf8(rejection.into_response("r-1").into_body().to_vec()).expect("UTF-8")
    }

    #[test]
    fn a_typed_error_has_the_shape_of_the_contract() {
        insta::assert_snapshot!(body(Rejection::invalid("no")), @r#"{"error":{"type":"InvalidRequest","message":"no","request_id":"r-1"}}"#);
    }

    #[test]
    fn a_challenge_names_each_parameter_once() {
        let challenge = |rejection: Rejection| {
            let response = rejection
                .challenging("https://gw.example/m")
                .into_response("r-1");
            assert_eq!(
                response
                    .headers()
                    .get_all(header::WWW_AUTHENTICATE)
                    .iter()
                    .count(),
                1
            );
            response.headers()[header::WWW_AUTHENTICATE]
                .to_str()
                .expect("text")
                .to_owned()
        };
        assert_eq!(
            challenge(Rejection::unauthorized(false, "no")),
            "Bearer resource_metadata=\"https://gw.example/m\", scope=\"mcp:read mcp:tools\""
        );
        assert_eq!(
            challenge(Rejection::unauthorized(true, "no")),
            "Bearer resource_metadata=\"https://gw.example/m\", scope=\"mcp:read mcp:tools\", error=\"invalid_token\""
        );
        assert_eq!(
            challenge(Rejection::insufficient_scope()),
            "Bearer resource_metadata=\"https://gw.example/m\", scope=\"mcp:read mcp:tools\", error=\"insufficient_scope\""
        );
    }

    #[test]
    fn an_error_answers_its_request_once_the_id_is_known() {
        let typed = Rejection::unavailable(ErrorType::Overloaded, "later").answering(Some("\"a\""));
        insta::assert_snapshot!(body(typed), @r#"{"jsonrpc":"2.0","id":"a","error":{"code":-32603,"type":"Overloaded","message":"later","request_id":"r-1"}}"#);
        let rpc = Rejection::rpc(StatusCode::OK, -32602, "Unknown tool: x").answering(Some("7"));
        insta::assert_snapshot!(body(rpc), @r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"Unknown tool: x"}}"#);
        let unknown = Rejection::rpc(StatusCode::BAD_REQUEST, -32700, "no");
        insta::assert_snapshot!(body(unknown), @r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"no"}}"#);
    }
}
