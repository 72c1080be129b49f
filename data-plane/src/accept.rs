//! A connection's bytes become a request that is worth looking at: framed beyond doubt, for this
//! host, from a page that may ask, to a path that exists.
//!
//! **Invariant:** nothing here knows who calls or which servers there are; nothing of the body is read
//! before a later stage asks for it.

pub(crate) mod body;
mod cors;
mod gate;
pub(crate) mod guarded_io;
mod route;

use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderMap, Method, Request, Response, Version, header, request::Parts};
use hyper::body::Incoming;
use uuid::Uuid;

use crate::error::{ErrorType, Rejection};

pub(crate) use cors::public as readable_by_all;
pub(crate) use gate::Gate;
pub(crate) use guarded_io::Exchange;
pub(crate) use route::{Document, server as server_of};

/// A request that passed every check that needs to know nobody.
pub(crate) struct Accepted {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) server: String,
    pub(crate) body: Incoming,
    /// Only this module makes one.
    _checked: (),
}

/// What to do with a request.
pub(crate) enum Verdict {
    /// It goes on.
    Call(Box<Accepted>),
    /// It asks for a document that everyone may read.
    Document(Document),
    /// It is answered here: a preflight.
    Answer(Response<Bytes>),
}

/// Checks a request's form, host, origin and path.
///
/// # Errors
/// A [`Rejection`] for the first thing that is wrong.
pub(crate) fn check(
    gate: &Gate,
    exchange: &Exchange,
    request: Request<Incoming>,
) -> Result<Verdict, Rejection> {
    let (parts, body) = request.into_parts();
    framing(&parts, exchange)?;
    gate.host(&parts)?;
    if let Some(document) = route::document(parts.uri.path()) {
        return public(&parts, document);
    }
    gate.origin(&parts.headers)?;
    if parts.method == Method::OPTIONS {
        return Ok(Verdict::Answer(cors::preflight(&parts.headers)));
    }
    no_token_in_query(parts.uri.query())?;
    let server = route::server(parts.uri.path())
        .ok_or_else(Rejection::not_found)?
        .to_owned();
    Ok(Verdict::Call(Box::new(Accepted {
        method: parts.method,
        headers: parts.headers,
        server,
        body,
        _checked: (),
    })))
}

/// Pages of every origin may read what is public; nothing in it depends on who asks.
fn public(parts: &Parts, document: Document) -> Result<Verdict, Rejection> {
    match parts.method {
        Method::OPTIONS => Ok(Verdict::Answer(cors::public(cors::preflight(
            &parts.headers,
        )))),
        Method::GET | Method::HEAD => Ok(Verdict::Document(document)),
        _ => Err(method_not_allowed("GET, HEAD, OPTIONS")),
    }
}

/// 405, with what is allowed (RFC 9110 section 15.5.6).
pub(crate) fn method_not_allowed(allowed: &'static str) -> Rejection {
    Rejection::new(
        http::StatusCode::METHOD_NOT_ALLOWED,
        ErrorType::InvalidRequest,
        "this method is not allowed here",
    )
    .header(header::ALLOW, http::HeaderValue::from_static(allowed))
}

/// Headers that let a page of an accepted origin read the response, also when it is a refusal.
pub(crate) fn expose_to_origin(gate: &Gate, request: &HeaderMap) -> HeaderMap {
    match request.get(header::ORIGIN) {
        Some(origin) if gate.origin(request).is_ok() => cors::exposing(origin),
        _ => HeaderMap::new(),
    }
}

/// A message that two HTTP parsers could end at different places is answered and the connection closed (T65).
fn framing(parts: &Parts, exchange: &Exchange) -> Result<(), Rejection> {
    if parts.version < Version::HTTP_11 {
        let status = http::StatusCode::HTTP_VERSION_NOT_SUPPORTED;
        return Err(closing(Rejection::new(
            status,
            ErrorType::InvalidRequest,
            "HTTP/1.1 or later is needed",
        )));
    }
    let encoding = parts.headers.get(header::TRANSFER_ENCODING);
    let chunked =
        |encoding: &http::HeaderValue| encoding.as_bytes().eq_ignore_ascii_case(b"chunked");
    if encoding.is_some_and(|encoding| !chunked(encoding) || !exchange.has_one_framing()) {
        return Err(closing(Rejection::invalid(
            "a request has either Content-Length or Transfer-Encoding: chunked",
        )));
    }
    Ok(())
}

fn closing(rejection: Rejection) -> Rejection {
    rejection.header(header::CONNECTION, http::HeaderValue::from_static("close"))
}

/// A token in a URL ends up in logs and histories (T9).
fn no_token_in_query(query: Option<&str>) -> Result<(), Rejection> {
    let names = [
        "access_token",
        "token",
        "api_key",
        "apikey",
        "authorization",
    ];
    let found = query.is_some_and(|query| {
        url::form_urlencoded::parse(query.as_bytes())
            .any(|(name, _)| names.contains(&name.to_ascii_lowercase().as_str()))
    });
    if found {
        Err(Rejection::invalid(
            "a token belongs in the Authorization header, never in the URL",
        ))
    } else {
        Ok(())
    }
}

/// Makes the ids of requests: UUIDs of version 7, without asking for random numbers each time.
pub(crate) struct RequestIds {
    process: [u8; 6],
    counter: AtomicU32,
}

impl RequestIds {
    /// A source whose ids no other process makes.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let mut process = [0; 6];
        aws_lc_rs::rand::fill(&mut process).map_err(|_| anyhow::anyhow!("no random numbers"))?;
        Ok(Self {
            process,
            counter: AtomicU32::new(0),
        })
    }

    /// The next id.
    pub(crate) fn next(&self, now: DateTime<Utc>) -> Uuid {
        let [a, b, c, d] = self.counter.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let [p0, p1, p2, p3, p4, p5] = self.process;
        let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &[p0, p1, p2, a, b, c, d, p3, p4, p5])
            .into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t09_a_token_in_the_query_is_refused() {
        for query in [
            "access_token=x",
            "a=1&token=x",
            "Access_Token=",
            "api%5fkey=1",
        ] {
            assert!(no_token_in_query(Some(query)).is_err(), "{query}");
        }
        assert!(no_token_in_query(Some("a=token")).is_ok() && no_token_in_query(None).is_ok());
    }

    #[test]
    fn request_ids_are_distinct() {
        let (ids, now) = (
            RequestIds::new().expect("random"),
            warder_shared::clock::Clock::system().now(),
        );
        let made: std::collections::HashSet<_> = (0..100_000).map(|_| ids.next(now)).collect();
        assert_eq!(made.len(), 100_000);
        assert!(made.iter().all(|id| id.get_version_num() == 7));
    }
}
