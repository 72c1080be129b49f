//! What a browser's page may send and read. Whether it may ask at all, the gate has decided.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

/// Answers a preflight, before anybody is authenticated: it carries no token by design.
pub(super) fn preflight(request: &HeaderMap) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(
        header::ALLOW,
        HeaderValue::from_static("GET, POST, DELETE, OPTIONS"),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST, DELETE, OPTIONS"),
    );
    // Browsers want every name spelled out, and `Mcp-Param-…` names are the servers' own.
    let wanted = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let usual = "Authorization, Content-Type, Accept, Mcp-Protocol-Version, Mcp-Session-Id, Mcp-Method, Mcp-Name, Last-Event-ID";
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        wanted.unwrap_or(HeaderValue::from_static(usual)),
    );
    headers.insert(
        header::ACCESS_CONTROL_MAX_AGE,
        HeaderValue::from_static("600"),
    );
    response
}

/// Lets every page read an answer that is for everyone. There is nothing in it that a page could abuse.
pub(crate) fn public(mut response: Response<Bytes>) -> Response<Bytes> {
    response.headers_mut().insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    response
}

/// Lets the page of an accepted origin read the response. Never with credentials of the browser's own.
pub(super) fn exposing(origin: &HeaderValue) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    let readable = "Mcp-Session-Id, WWW-Authenticate, Mcp-Protocol-Version, Last-Event-ID";
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(readable),
    );
    headers
}
