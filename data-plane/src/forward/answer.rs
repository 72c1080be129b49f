//! What a client sees of a server's answer.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use hyper::body::Incoming;

use super::{
    AnswerBody, Forwarder,
    body::{MAX_LIST, Passing},
    events::{Awaited, EventStream, Listener},
    handles::{self, Handles},
    streams::Dependencies,
};
use crate::{
    authorize::{self, Call, MessageCall, SESSION_ID},
    error::{ErrorType, Rejection},
    mcp::{
        list,
        method::Method,
        mirror,
        object::Unreadable,
        response,
        session::{Owner, Purpose},
        unknown_tool,
    },
    resolve::Equipped,
};

/// Makes a server's answer the client's.
///
/// # Errors
/// A [`Rejection`] in place of an answer that is not MCP.
pub(super) async fn shape(
    forwarder: &Forwarder,
    equipped: &Equipped,
    response: Response<Incoming>,
) -> Result<Response<AnswerBody>, Rejection> {
    let (parts, body) = response.into_parts();
    let kind = Kind::of(&parts.headers);
    let status = judge(equipped, parts.status, kind, &parts.headers)?;
    let mut headers = HeaderMap::with_capacity(6);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(version) = parts.headers.get(mirror::PROTOCOL_VERSION) {
        headers.insert(mirror::PROTOCOL_VERSION, version.clone());
    }
    if let Some(upstream) = parts.headers.get(SESSION_ID) {
        headers.insert(SESSION_ID, session(forwarder, equipped, upstream)?);
    }
    let body = match kind {
        Kind::Events if status.is_success() => {
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("text/event-stream"),
            );
            headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
            AnswerBody::Events(Box::new(events(forwarder, equipped, body)?))
        }
        Kind::Json => {
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            );
            json(forwarder, equipped, status, body).await?
        }
        _ => AnswerBody::empty(),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Events,
    Other,
}

impl Kind {
    fn of(headers: &HeaderMap) -> Self {
        let value = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let essence = value.split(';').next().unwrap_or_default().trim();
        if headers.contains_key(header::CONTENT_ENCODING) {
            Self::Other
        } else if essence.eq_ignore_ascii_case("application/json") {
            Self::Json
        } else if essence.eq_ignore_ascii_case("text/event-stream") {
            Self::Events
        } else {
            Self::Other
        }
    }
}

/// The status that the client sees, or what it is told instead.
fn judge(
    equipped: &Equipped,
    status: StatusCode,
    kind: Kind,
    headers: &HeaderMap,
) -> Result<StatusCode, Rejection> {
    let bad = |message: &'static str| {
        unusable(message).because(format!("the server answered {}", status.as_u16()))
    };
    let asks = equipped.call.id().is_some();
    match status.as_u16() {
        200 if kind == Kind::Other && (asks || matches!(equipped.call, Call::Stream(_))) => {
            Err(bad("the server answered with something that is not MCP"))
        }
        // Clients take 202 for a failed end of a session.
        202 if matches!(equipped.call, Call::EndSession) => Ok(StatusCode::NO_CONTENT),
        202 | 204 if asks => Err(bad("the server did not answer the request")),
        200 | 202 | 204 => Ok(status),
        // The challenge is for us, not for our client: it names somebody else's authorization server (T35).
        401 | 403 => Err(Rejection::new(
            StatusCode::BAD_GATEWAY,
            ErrorType::CredentialUnavailable,
            "the server refused the credential that the gateway sent",
        )
        .because(format!("the server answered {}", status.as_u16()))),
        404 if equipped.session.is_some() => Err(Rejection::new(
            StatusCode::NOT_FOUND,
            ErrorType::NotFound,
            "there is no such session; start a new one with initialize",
        )),
        400 | 404 | 405 | 406 if matches!(equipped.call, Call::Stream(_)) => {
            Err(super::no_stream())
        }
        405 => Err(super::no_stream()),
        400..=499 if kind == Kind::Json && status.as_u16() != 429 => Ok(status),
        429 => {
            let seconds = headers
                .get(header::RETRY_AFTER)
                .and_then(|value| value.to_str().ok()?.parse().ok())
                .unwrap_or(1);
            Err(Rejection::new(
                StatusCode::TOO_MANY_REQUESTS,
                ErrorType::RateLimited,
                "the server wants fewer requests",
            )
            .retry_after(Duration::from_secs(seconds)))
        }
        504 => Err(Rejection::new(
            StatusCode::GATEWAY_TIMEOUT,
            ErrorType::UpstreamTimeout,
            "the server did not get an answer in time itself",
        )),
        400..=499 => Err(refused(status)),
        300..=399 => Err(bad(
            "the server answered with a redirect, which the gateway never follows",
        )),
        _ => Err(bad("the server failed")),
    }
}

/// The client's form of the server's session id: the one it has already, or a new one.
fn session(
    forwarder: &Forwarder,
    equipped: &Equipped,
    upstream: &HeaderValue,
) -> Result<HeaderValue, Rejection> {
    let unusable = || unusable("the server's session id cannot be used");
    let upstream = upstream.to_str().map_err(|_| unusable())?;
    let sealed = match &equipped.session {
        Some(session) if session.upstream == upstream => session.sealed.clone(),
        _ => {
            let owner = Owner::new(
                equipped.identity.caller.principal,
                &equipped.server,
                Purpose::Session,
            );
            forwarder
                .live
                .view()
                .sealer
                .seal(owner, upstream)
                .ok_or_else(unusable)?
        }
    };
    HeaderValue::try_from(sealed).map_err(|_| unusable())
}

fn listener(forwarder: &Forwarder, equipped: &Equipped) -> Listener {
    Listener {
        handles: Handles::of(forwarder, equipped),
        parameters: forwarder.parameters.clone(),
        server: equipped.server.clone(),
        caller: equipped.identity.caller.clone(),
        listening: matches!(equipped.call, Call::Stream(_)),
        legacy: !matches!(&equipped.call, Call::Message(message) if message.agreed.is_modern()),
    }
}

fn events(
    forwarder: &Forwarder,
    equipped: &Equipped,
    body: Incoming,
) -> Result<EventStream, Rejection> {
    let dependencies = Dependencies::of(equipped);
    let tool = dependencies.tool.clone();
    let guard = forwarder.streams.open(dependencies);
    let guard = guard.ok_or_else(|| {
        Rejection::new(
            StatusCode::TOO_MANY_REQUESTS,
            ErrorType::RateLimited,
            "too many streams of yours are open already",
        )
        .retry_after(Duration::from_secs(10))
    })?;
    // What allowed it may have gone since it was asked for, before the stream was noted.
    if forwarder.still_allowed(equipped).is_err() {
        guard.ended.cancel();
    }
    let awaited = equipped.call.id().map(|id| Awaited {
        id: id.to_owned(),
        tool,
    });
    Ok(EventStream::new(
        body,
        listener(forwarder, equipped),
        awaited,
        guard,
        equipped.request_id.to_string(),
    ))
}

/// Largest answer, other than a list, that is checked before it is passed on. A larger one is passed on
/// as it comes.
const CHECKED: usize = 1024 * 1024;

async fn json(
    forwarder: &Forwarder,
    equipped: &Equipped,
    status: StatusCode,
    body: Incoming,
) -> Result<AnswerBody, Rejection> {
    let called = called(equipped);
    let limit = match called {
        Called::Tools | Called::List => MAX_LIST,
        Called::Tool(_) | Called::Other => CHECKED,
    };
    let mut passing = Passing::new(body, equipped.server.timeouts.idle_ms);
    let bytes = match passing.whole(limit).await {
        Ok(Some(bytes)) => bytes,
        Ok(None) if limit == MAX_LIST => {
            return Err(unusable("the server's list is larger than 16 MiB"));
        }
        Ok(None) => return Ok(AnswerBody::Passing(passing)),
        Err(error) => {
            return Err(unusable("the server's answer broke off").because(error.to_string()));
        }
    };
    let Some(id) = equipped.call.id() else {
        return Ok(AnswerBody::empty());
    };
    let text = std::str::from_utf8(&bytes).ok();
    let Some(text) = text
        .filter(|text| response::read(text).is_some_and(|message| response::answers(message, id)))
    else {
        return Err(if status.is_success() {
            unusable("the server answered with something that is not MCP")
        } else {
            refused(status)
        });
    };
    let unreadable = |error: Unreadable| {
        unusable("the server's answer cannot be read").because(error.to_string())
    };
    let filtered = match called {
        Called::Tools => {
            let listener = listener(forwarder, equipped);
            list::filter(text, |tool, description| listener.shows(tool, description))
                .map_err(unreadable)?
        }
        Called::Tool(tool) if unknown_tool::says_so(text, tool) => {
            return Err(authorize::unknown_tool(tool).because("the server has no such tool"));
        }
        _ => None,
    };
    let sealed = handles::seal(forwarder, equipped, filtered.as_deref().unwrap_or(text));
    let changed = sealed.map_err(unreadable)?.or(filtered);
    Ok(AnswerBody::Whole(
        changed.map_or_else(|| bytes.clone(), Bytes::from),
    ))
}

fn unusable(message: &'static str) -> Rejection {
    Rejection::new(
        StatusCode::BAD_GATEWAY,
        ErrorType::UpstreamUnavailable,
        message,
    )
}

/// What the server says about it is no message, and so not for the client.
fn refused(status: StatusCode) -> Rejection {
    Rejection::new(
        status,
        ErrorType::InvalidRequest,
        "the server refused the request",
    )
    .because(format!("the server answered {}", status.as_u16()))
}

/// What of the answer has to be looked at.
enum Called<'a> {
    Tools,
    List,
    Tool(&'a str),
    Other,
}

fn called(equipped: &Equipped) -> Called<'_> {
    match &equipped.call {
        Call::Message(MessageCall {
            method: Some(Method::ToolsList),
            ..
        }) => Called::Tools,
        Call::Message(MessageCall {
            method:
                Some(Method::PromptsList | Method::ResourcesList | Method::ResourceTemplatesList),
            ..
        }) => Called::List,
        Call::Message(MessageCall {
            method: Some(Method::ToolsCall),
            named: Some(tool),
            ..
        }) => Called::Tool(tool),
        _ => Called::Other,
    }
}
