//! What the caller may do: the server, the message, the tool, the session.
//!
//! **Invariant:** one decision for every method and every way in (T22); what it was made on, the strictly
//! read body, is what is forwarded.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method as HttpMethod, StatusCode, header};
use uuid::Uuid;
use warder_shared::{
    policy::Access,
    snapshot::{Server, Snapshot},
};

use crate::{
    accept::{self, body},
    audit::Record,
    authenticate::{Authenticated, Identity},
    error::{ErrorType, Rejection},
    mcp::{
        handle,
        message::{self, Message},
        method::{Method, Rule},
        mirror::{self, Agreed, Mismatch},
        parameters::{Parameters, Repeated},
        revision::Revision,
        session::{Owner, Purpose, Sealer},
    },
    sync::Live,
};

/// What requests are decided with.
pub(crate) struct Judge {
    pub(crate) live: Arc<Live>,
    /// Largest body of a request, in bytes.
    pub(crate) max_body: usize,
    pub(crate) parameters: Arc<Parameters>,
}

/// What one request is decided on.
struct Grounds<'a> {
    judge: &'a Judge,
    sealer: &'a Sealer,
    identity: &'a Identity,
    server: &'a Server,
    access: Access<'a>,
    headers: &'a HeaderMap,
}

impl Grounds<'_> {
    /// The server's own handle, if the caller got `sealed` for it (T24).
    fn open(&self, purpose: Purpose<'_>, sealed: &str) -> Option<String> {
        let owner = Owner::new(self.identity.caller.principal, self.server, purpose);
        self.sealer.open(owner, sealed)
    }
}

/// A request that policy allows.
pub(crate) struct Authorized {
    pub(crate) identity: Identity,
    pub(crate) server: Arc<Server>,
    pub(crate) headers: HeaderMap,
    pub(crate) call: Call,
    pub(crate) session: Option<Session>,
    /// Id of the request.
    pub(crate) request_id: Uuid,
    /// Version of the view that allowed it.
    pub(crate) version: u64,
    /// Only this module makes one.
    _allowed: (),
}

/// What is asked of the server.
pub(crate) enum Call {
    /// POST: a message.
    Message(MessageCall),
    /// GET: the stream of the server's own messages, from an event on that the server knows by this id.
    Stream(Option<HeaderValue>),
    /// DELETE: the end of a session.
    EndSession,
}

/// A message that may be sent.
pub(crate) struct MessageCall {
    /// The body, as it came but for the server's handles, which are its own again.
    pub(crate) body: Bytes,
    /// JSON text of the id of a request.
    pub(crate) id: Option<String>,
    /// `None` for a response to the server.
    pub(crate) method: Option<Method>,
    /// The tool, prompt or resource that it names.
    pub(crate) named: Option<String>,
    /// What headers and body agree on.
    pub(crate) agreed: Agreed,
}

/// A session of the caller with the server.
pub(crate) struct Session {
    /// The id as the client has it.
    pub(crate) sealed: String,
    /// The id as the server has it.
    pub(crate) upstream: String,
}

impl Call {
    /// JSON text of the request's id.
    pub(crate) fn id(&self) -> Option<&str> {
        match self {
            Self::Message(message) => message.id.as_deref(),
            Self::Stream(_) | Self::EndSession => None,
        }
    }
}

/// `Mcp-Session-Id` (2025-03-26 to 2025-11-25).
pub(crate) const SESSION_ID: &str = "mcp-session-id";

/// `Last-Event-ID` (WHATWG HTML section 9.2.4).
pub(crate) const LAST_EVENT_ID: &str = "last-event-id";

/// Decides about a request. What it is decided on is the view at the moment when the body is there: a client
/// that takes its time with the body gains none (T10).
///
/// # Errors
/// 401 for a caller who was withdrawn meanwhile, 404 where the caller has no access, a JSON-RPC error for a
/// message or a tool that may not be sent.
pub(crate) async fn call(
    judge: &Judge,
    authenticated: Authenticated,
    record: &mut Record,
) -> Result<Authorized, Rejection> {
    let Authenticated {
        method,
        headers,
        server: name,
        body,
        identity,
    } = authenticated;
    // The bodies of those who have no access are not read.
    permitted(&judge.live.view().snapshot, &name, &identity)?;
    let body = match method {
        HttpMethod::POST => body::read(&headers, body, judge.max_body).await?,
        _ => Bytes::new(),
    };
    let view = judge.live.view();
    let identity = identity.again(&view.snapshot)?;
    let (server, access) = permitted(&view.snapshot, &name, &identity)?;
    let grounds = Grounds {
        judge,
        sealer: &view.sealer,
        identity: &identity,
        server,
        access,
        headers: &headers,
    };
    let call = match method {
        HttpMethod::POST => Call::Message(message(&grounds, body, record)?),
        HttpMethod::GET => {
            record.method("GET");
            legacy(&headers)?;
            stream(&headers)?;
            Call::Stream(resumed(&grounds)?)
        }
        HttpMethod::DELETE => {
            record.method("DELETE");
            legacy(&headers)?;
            Call::EndSession
        }
        _ => return Err(accept::method_not_allowed("GET, POST, DELETE, OPTIONS")),
    };
    let session = session(&grounds, &call).map_err(|rejection| rejection.answering(call.id()))?;
    let server = server.clone();
    Ok(Authorized {
        identity,
        server,
        headers,
        call,
        session,
        request_id: record.id(),
        version: view.version(),
        _allowed: (),
    })
}

/// The server, and what the caller may do there; one answer for all others, whatever the reason (AC-1).
fn permitted<'a>(
    snapshot: &'a Snapshot,
    name: &str,
    identity: &Identity,
) -> Result<(&'a Arc<Server>, Access<'a>), Rejection> {
    let server = snapshot
        .server(name)
        .ok_or_else(|| Rejection::not_found().because("no such server"))?;
    let access = server
        .policy
        .access(identity.caller.principal, &identity.caller.teams);
    Ok((
        server,
        access.ok_or_else(|| Rejection::not_found().because("not a collaborator"))?,
    ))
}

fn message(
    grounds: &Grounds<'_>,
    body: Bytes,
    record: &mut Record,
) -> Result<MessageCall, Rejection> {
    let message = message::parse(&body).map_err(|malformed| {
        Rejection::rpc(
            StatusCode::BAD_REQUEST,
            malformed.code(),
            malformed.to_string(),
        )
    })?;
    let id = message.id().map(ToOwned::to_owned);
    let decided = decide(grounds, &message, &body, record).and_then(|(method, named, agreed)| {
        let opened = match method {
            Some(method) => open_handles(grounds, &body, &message, method)?,
            None => None,
        };
        Ok((method, named.map(ToOwned::to_owned), agreed, opened))
    });
    let (method, named, agreed, opened) =
        decided.map_err(|rejection| rejection.answering(id.as_deref()))?;
    Ok(MessageCall {
        id,
        method,
        named,
        agreed,
        body: opened.unwrap_or_else(|| body.clone()),
    })
}

/// The body with the server's own handles in place of the caller's; `None` when it has none.
fn open_handles(
    grounds: &Grounds<'_>,
    body: &[u8],
    message: &Message<'_>,
    method: Method,
) -> Result<Option<Bytes>, Rejection> {
    let params = &message.params;
    if params.cursor.is_none() && params.request_state.is_none() {
        return Ok(None);
    }
    let named = method.named_by().and_then(|by| params.named(by));
    // Strictly read before, so it is text.
    let mut text = Cow::Borrowed(std::str::from_utf8(body).unwrap_or_default());
    for held in handle::held(&text.clone(), method, named, params) {
        let own = grounds.open(held.purpose, &held.sealed).ok_or_else(|| {
            let text = "the cursor or requestState is not one that you got here for this";
            Rejection::rpc(StatusCode::BAD_REQUEST, -32602, text)
                .because("a handle that is not the caller's")
        })?;
        text = Cow::Owned(handle::splice(&text, held.at, &own));
    }
    Ok(Some(text.into_owned().into()))
}

type Decided<'a> = (Option<Method>, Option<&'a str>, Agreed);

fn decide<'a>(
    grounds: &Grounds<'_>,
    message: &'a Message<'_>,
    body: &[u8],
    record: &mut Record,
) -> Result<Decided<'a>, Rejection> {
    let Grounds {
        server, headers, ..
    } = *grounds;
    let agreed = mirror::check(headers, message).map_err(mismatch)?;
    let unknown = |name: &str| {
        let status = if agreed.is_modern() {
            StatusCode::NOT_FOUND
        } else {
            StatusCode::OK
        };
        let name: String = name.chars().take(64).collect();
        Rejection::rpc(status, -32601, format!("Method not found: {name}"))
    };
    let method = match message.method() {
        None => {
            record.method("response");
            return Ok((None, None, agreed));
        }
        Some(Err(name)) => return Err(unknown(name)),
        Some(Ok(method)) => method,
    };
    record.method(method.as_str());
    if method.is_legacy_only() && agreed.is_modern() {
        return Err(unknown(method.as_str()));
    }
    let named = method.named_by().and_then(|by| message.params.named(by));
    if let Some(named) = named {
        record.object(named);
    }
    let calls_tool = matches!(method.rule(), Rule::Tool);
    if calls_tool && !grounds.identity.proof.allows_tools() {
        return Err(Rejection::insufficient_scope());
    }
    let enabled = match method.rule() {
        Rule::Server => true,
        Rule::Tool if message.params.task => {
            return Err(Rejection::rpc(
                StatusCode::OK,
                -32602,
                "calls that run as tasks do not pass the gateway yet",
            ));
        }
        Rule::Tool => {
            let tool = named.ok_or_else(|| {
                Rejection::rpc(
                    StatusCode::OK,
                    -32602,
                    "tools/call needs the name of a tool",
                )
            })?;
            grounds
                .access
                .tool(tool)
                .map_err(|refusal| unknown_tool(tool).because(refusal.as_str()))?;
            let repeated = Repeated {
                headers,
                body,
                modern: agreed.is_modern(),
            };
            let parameters = &grounds.judge.parameters;
            parameters
                .check(server, tool, &repeated)
                .map_err(mismatch)?;
            true
        }
        Rule::Prompts => server.prompts_enabled,
        Rule::Resources => server.resources_enabled,
        Rule::Reference => match message.params.reference.as_deref() {
            Some("ref/prompt") => server.prompts_enabled,
            Some("ref/resource") => server.resources_enabled,
            _ => {
                return Err(Rejection::rpc(
                    StatusCode::OK,
                    -32602,
                    "ref must be of type ref/prompt or ref/resource",
                ));
            }
        },
    };
    if enabled {
        Ok((Some(method), named, agreed))
    } else {
        Err(unknown(method.as_str()).because("switched off for this server"))
    }
}

/// The one answer for a tool that is forbidden and for one that does not exist (AC-3).
pub(crate) fn unknown_tool(name: &str) -> Rejection {
    Rejection::rpc(StatusCode::OK, -32602, format!("Unknown tool: {name}"))
}

fn mismatch(mismatch: Mismatch) -> Rejection {
    let rejection = |code, text: String| Rejection::rpc(StatusCode::BAD_REQUEST, code, text);
    match &mismatch {
        Mismatch::Header(_) => rejection(-32020, mismatch.to_string()),
        Mismatch::MetaMissing => rejection(-32602, mismatch.to_string()),
        Mismatch::UnsupportedVersion(requested) => {
            // Of the era that knows this error, and so what any server of it supports: more than it tells in
            // `server/discover` may not be told here. Older revisions are agreed on by `initialize`.
            let modern = Revision::ALL.into_iter().filter(|one| one.is_modern());
            let supported: Vec<_> = modern.map(Revision::as_str).collect();
            let requested: String = requested.chars().take(64).collect();
            rejection(-32022, mismatch.to_string())
                .data(serde_json::json!({"supported": supported, "requested": requested}))
        }
    }
}

/// GET and DELETE are of the legacy era.
fn legacy(headers: &HeaderMap) -> Result<(), Rejection> {
    match mirror::revision(headers).map_err(mismatch)? {
        Some(revision) if revision.is_modern() => Err(accept::method_not_allowed("POST")),
        _ => Ok(()),
    }
}

/// GET asks for a stream of events.
fn stream(headers: &HeaderMap) -> Result<(), Rejection> {
    let events = headers.get_all(header::ACCEPT).iter().any(|value| {
        value.to_str().is_ok_and(|value| {
            value.split(',').any(|kind| {
                matches!(
                    kind.split(';').next().unwrap_or("").trim(),
                    "text/event-stream" | "text/*" | "*/*"
                )
            })
        })
    });
    if events {
        Ok(())
    } else {
        Err(Rejection::new(
            StatusCode::NOT_ACCEPTABLE,
            ErrorType::InvalidRequest,
            "Accept must name text/event-stream",
        ))
    }
}

/// The id of the event after which the caller wants to go on (2025-11-25, resumability).
fn resumed(grounds: &Grounds<'_>) -> Result<Option<HeaderValue>, Rejection> {
    let mut values = grounds.headers.get_all(LAST_EVENT_ID).iter();
    let Some(value) = values.next().filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let sealed = value.to_str().ok().filter(|_| values.next().is_none());
    sealed
        .and_then(|sealed| grounds.open(Purpose::Event, sealed))
        .and_then(|id| HeaderValue::try_from(id).ok())
        .map(Some)
        .ok_or_else(|| {
            Rejection::invalid("Last-Event-ID is not the id of an event that you got here")
                .because("a handle that is not the caller's")
        })
}

/// Opens the session that the request names. One that was made for somebody else is as unknown as
/// one that was never made (T24).
fn session(grounds: &Grounds<'_>, call: &Call) -> Result<Option<Session>, Rejection> {
    let needless = matches!(call, Call::Message(message) if message.method == Some(Method::Initialize) || message.agreed.is_modern());
    let mut values = grounds.headers.get_all(SESSION_ID).iter();
    let Some(sealed) = values.next().filter(|_| !needless) else {
        return Ok(None);
    };
    let unknown = || {
        Rejection::new(
            StatusCode::NOT_FOUND,
            ErrorType::NotFound,
            "there is no such session; start a new one with initialize",
        )
    };
    if values.next().is_some() {
        return Err(Rejection::invalid(
            "a request has one Mcp-Session-Id header",
        ));
    }
    let sealed = sealed.to_str().map_err(|_| unknown())?;
    let upstream = grounds.open(Purpose::Session, sealed).ok_or_else(unknown)?;
    Ok(Some(Session {
        sealed: sealed.to_owned(),
        upstream,
    }))
}
