//! One id per request: in the answer, in the audit trail and in the log.

use std::{fmt, sync::Arc};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderName, HeaderValue};
use uuid::{NoContext, Timestamp, Uuid};
use warder_shared::clock::Clock;

/// Header of every answer.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Identity of one request. Always made here: an id from outside could be chosen to confuse whoever
/// reads the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    fn new(clock: &Clock) -> Self {
        let now = clock.now();
        let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
        let uuid = Uuid::new_v7(Timestamp::from_unix(
            NoContext,
            seconds,
            now.timestamp_subsec_nanos(),
        ));
        Self(uuid.to_string().into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Layer: gives the request its id (as an extension) and the answer the same one (as a header).
pub async fn identify(State(clock): State<Clock>, mut request: Request, next: Next) -> Response {
    let id = RequestId::new(&clock);
    request.extensions_mut().insert(id.clone());
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}
