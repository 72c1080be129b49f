//! The call itself: a request made anew for the server, and its answer made fit for the client.
//!
//! **Invariant:** the request upstream starts from an empty header map; what goes into it is named
//! here or is the credential (T28). The answer's headers start empty too.

mod answer;
mod body;
mod events;
mod handles;
mod streams;
mod upstreams;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method as HttpMethod, Request, Response, StatusCode, header,
};
use http_body_util::Full;
use hyper::body::Incoming;
use warder_shared::{clock::Clock, snapshot::Server};

use crate::{
    accept,
    authorize::{Call, LAST_EVENT_ID, SESSION_ID},
    error::{ErrorType, Rejection},
    mcp::{mirror, parameters::Parameters},
    resolve::Equipped,
    sync::Live,
};

pub(crate) use body::{AnswerBody, Recorded};
pub(crate) use streams::Streams;
pub(crate) use upstreams::Upstreams;

/// What forwarding needs.
pub(crate) struct Forwarder {
    pub(crate) upstreams: Upstreams,
    pub(crate) live: Arc<Live>,
    pub(crate) streams: Arc<Streams>,
    /// Learned from lists of tools that pass.
    pub(crate) parameters: Arc<Parameters>,
    pub(crate) clock: Clock,
}

/// How long a server may take to begin its answer, unless it was told otherwise.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);

/// Headers of the client that a server sees.
static FORWARDED: [HeaderName; 2] = [
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

impl Forwarder {
    /// Sends the call and shapes the answer.
    ///
    /// # Errors
    /// A [`Rejection`] when the server does not answer, or with something that no client should see.
    pub(crate) async fn send(&self, equipped: Equipped) -> Result<Response<AnswerBody>, Rejection> {
        let sent = async {
            self.still_allowed(&equipped)?;
            let response = self.exchange(&equipped).await?;
            answer::shape(self, &equipped, response).await
        };
        sent.await
            .map_err(|rejection| rejection.answering(equipped.call.id()))
    }

    /// Whether what was decided before the credential was fetched still holds, now that it is about to be used.
    fn still_allowed(&self, equipped: &Equipped) -> Result<(), Rejection> {
        let view = self.live.view();
        let unchanged = view.version() == equipped.version
            || streams::Dependencies::of(equipped).hold(&view.snapshot, self.clock.now());
        if !unchanged {
            equipped.identity.clone().again(&view.snapshot)?;
            return Err(Rejection::not_found().because("withdrawn while the call was on its way"));
        }
        if equipped
            .stamp
            .as_ref()
            .is_some_and(|stamp| !stamp.is_current())
        {
            return Err(Rejection::unavailable(
                ErrorType::CredentialUnavailable,
                "the credential for this server has just changed",
            ));
        }
        Ok(())
    }

    async fn exchange(&self, equipped: &Equipped) -> Result<Response<Incoming>, Rejection> {
        let request = request(equipped)?;
        let client = self.upstreams.client(&equipped.server)?;
        let timeout = match equipped.server.timeouts.response_ms {
            0 => RESPONSE_TIMEOUT,
            milliseconds => Duration::from_millis(milliseconds.into()),
        };
        match tokio::time::timeout(timeout, client.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(unreachable(&equipped.server, &error)),
            Err(_) => Err(Rejection::new(
                StatusCode::GATEWAY_TIMEOUT,
                ErrorType::UpstreamTimeout,
                "the server did not answer in time",
            )),
        }
    }
}

fn unreachable(server: &Server, error: &hyper_util::client::legacy::Error) -> Rejection {
    let mut causes = vec![error.to_string()];
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    tracing::warn!(server = %server.name, cause = causes.join(": "), "a server cannot be reached");
    let message = if error.is_connect() {
        "the server cannot be reached"
    } else {
        "the server broke the connection"
    };
    Rejection::new(
        StatusCode::BAD_GATEWAY,
        ErrorType::UpstreamUnavailable,
        message,
    )
    .because(causes.pop().unwrap_or_default())
}

/// The request as the server sees it.
fn request(equipped: &Equipped) -> Result<Request<Full<Bytes>>, Rejection> {
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(
        header::USER_AGENT,
        HeaderValue::from_static(concat!("warder/", env!("CARGO_PKG_VERSION"))),
    );
    headers.insert(
        header::ACCEPT_ENCODING,
        HeaderValue::from_static("identity"),
    );
    for name in &FORWARDED {
        if let Some(value) = equipped.headers.get(name) {
            headers.insert(name, value.clone());
        }
    }
    let (method, body) = match &equipped.call {
        Call::Message(message) => {
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            );
            headers.insert(
                header::ACCEPT,
                HeaderValue::from_static("application/json, text/event-stream"),
            );
            mirror::write(
                &mut headers,
                message.agreed,
                message.method,
                message.named.as_deref(),
            );
            for (name, value) in equipped
                .headers
                .iter()
                .filter(|(name, _)| name.as_str().starts_with(mirror::PARAM_PREFIX))
            {
                headers.insert(name, value.clone());
            }
            (HttpMethod::POST, Full::new(message.body.clone()))
        }
        Call::Stream(resumed) => {
            if let Some(id) = resumed {
                headers.insert(LAST_EVENT_ID, id.clone());
            }
            headers.insert(
                header::ACCEPT,
                HeaderValue::from_static("text/event-stream"),
            );
            version(&mut headers, &equipped.headers);
            (HttpMethod::GET, Full::default())
        }
        Call::EndSession => {
            version(&mut headers, &equipped.headers);
            (HttpMethod::DELETE, Full::default())
        }
    };
    if let Some(session) = &equipped.session {
        let value = HeaderValue::try_from(&session.upstream).map_err(|_| Rejection::not_found())?;
        headers.insert(SESSION_ID, value);
    }
    for (name, value) in &equipped.credential {
        headers.insert(name, value.clone());
    }
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = equipped.server.uri.clone();
    *request.headers_mut() = headers;
    Ok(request)
}

/// Repeats the version that a request without a body names, if it is one.
fn version(headers: &mut HeaderMap, client: &HeaderMap) {
    let named = client
        .get(mirror::PROTOCOL_VERSION)
        .and_then(|value| value.to_str().ok());
    if let Some(revision) = named.and_then(crate::mcp::revision::Revision::parse) {
        headers.insert(
            mirror::PROTOCOL_VERSION,
            HeaderValue::from_static(revision.as_str()),
        );
    }
}

/// The answer to a GET for which the server has no stream.
fn no_stream() -> Rejection {
    accept::method_not_allowed("POST")
}
