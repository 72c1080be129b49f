//! A server's event stream on its way to the client: event by event, without waiting for more, until what
//! allowed it is gone.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;
use warder_shared::snapshot::{Caller, Server};

use super::{handles::Handles, streams::StreamGuard};
use crate::{
    authorize,
    error::{ErrorType, Rejection},
    mcp::{
        list,
        object::Unreadable,
        parameters::Parameters,
        response::{self, FromServer},
        sse::{Decoder, Event},
        unknown_tool,
    },
};

/// A comment after this much silence keeps proxies in between from giving the stream up.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Whose tools are listed in the stream.
pub(super) struct Listener {
    pub(super) server: Arc<Server>,
    pub(super) caller: Caller,
    pub(super) handles: Handles,
    pub(super) parameters: Arc<Parameters>,
    /// Whether this is a GET stream, which may carry any answer.
    pub(super) listening: bool,
    /// Whether the revision knows resumption.
    pub(super) legacy: bool,
}

impl Listener {
    /// Whether the caller may call, and so see, this tool; what the list says of it is noted.
    pub(super) fn shows(&self, tool: &str, description: &str) -> bool {
        self.parameters.learn(&self.server, tool, description);
        self.server
            .policy
            .access(self.caller.principal, &self.caller.teams)
            .is_some_and(|access| access.tool(tool).is_ok())
    }
}

/// The answer that a stream is for.
pub(super) struct Awaited {
    /// JSON text of its id.
    pub(super) id: String,
    /// The tool that was called.
    pub(super) tool: Option<String>,
}

/// The stream.
pub(crate) struct EventStream {
    body: Incoming,
    decoder: Decoder,
    listener: Listener,
    /// What a POST's stream is for; `None` for a GET.
    awaited: Option<Awaited>,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    _guard: StreamGuard,
    keep_alive: Pin<Box<Sleep>>,
    silent_since: Instant,
    idle: Option<Duration>,
    cut_off: Option<&'static str>,
    over: bool,
    /// Whether an event had an id, so that a client may ask for the rest on another stream.
    resumable: bool,
    request_id: String,
}

impl EventStream {
    pub(super) fn new(
        body: Incoming,
        listener: Listener,
        awaited: Option<Awaited>,
        guard: StreamGuard,
        request_id: String,
    ) -> Self {
        let idle = match listener.server.timeouts.idle_ms {
            0 => None,
            milliseconds => Some(Duration::from_millis(milliseconds.into())),
        };
        Self {
            body,
            decoder: Decoder::default(),
            listener,
            awaited,
            ended: Box::pin(guard.ended.clone().cancelled_owned()),
            _guard: guard,
            keep_alive: Box::pin(tokio::time::sleep(KEEP_ALIVE)),
            silent_since: Instant::now(),
            idle,
            cut_off: None,
            over: false,
            resumable: false,
            request_id,
        }
    }

    /// Why the stream ended before the server ended it.
    pub(super) fn cut_off(&self) -> Option<&'static str> {
        self.cut_off
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if self.over {
                return Poll::Ready(None);
            }
            if self.ended.as_mut().poll(cx).is_ready() {
                return self.withdrawn();
            }
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    let Ok(data) = frame.into_data() else {
                        continue;
                    };
                    self.silent_since = Instant::now();
                    match self.pass_on(&data) {
                        Ok(text) if text.is_empty() => {}
                        Ok(text) => return Poll::Ready(Some(text.into())),
                        Err(reason) => return self.cut(reason),
                    }
                }
                // The rest may be asked for on another stream (2025-11-25): that is no failure.
                Poll::Ready(ended @ (None | Some(Err(_)))) if self.resumable => {
                    self.cut_off = ended.map(|_| "the server's stream broke off");
                    self.over = true;
                    return Poll::Ready(None);
                }
                Poll::Ready(Some(Err(error))) => {
                    tracing::warn!(server = %self.listener.server.name, %error, "an event stream broke off");
                    return self.cut("the server's stream broke off");
                }
                Poll::Ready(None) if self.awaited.is_some() => {
                    return self.cut("the server ended the stream without an answer");
                }
                Poll::Ready(None) => {
                    self.over = true;
                    return Poll::Ready(None);
                }
                Poll::Pending => return self.poll_silence(cx),
            }
        }
    }

    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.keep_alive.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        let silence = self.silent_since.elapsed();
        if self.idle.is_some_and(|idle| silence >= idle) {
            return self.cut("the server fell silent");
        }
        self.keep_alive.as_mut().reset(Instant::now() + KEEP_ALIVE);
        // Whether that timer is ready too is asked when this comment has been taken.
        Poll::Ready(Some(Bytes::from_static(b":\n\n")))
    }

    /// Ends the stream on the server's account.
    fn cut(&mut self, reason: &'static str) -> Poll<Option<Bytes>> {
        let status = http::StatusCode::BAD_GATEWAY;
        self.end(
            reason,
            Rejection::new(status, ErrorType::UpstreamUnavailable, reason),
        )
    }

    /// Ends the stream because its caller may not have it any more.
    fn withdrawn(&mut self) -> Poll<Option<Bytes>> {
        let reason = "what allowed the stream was withdrawn";
        self.end(
            reason,
            Rejection::new(http::StatusCode::FORBIDDEN, ErrorType::Forbidden, reason),
        )
    }

    /// A client that waits for an answer gets one, with its own id (R16).
    fn end(&mut self, reason: &'static str, rejection: Rejection) -> Poll<Option<Bytes>> {
        self.cut_off = Some(reason);
        self.over = true;
        let Some(Awaited { id, .. }) = self.awaited.take() else {
            return Poll::Ready(None);
        };
        let body = rejection
            .answering(Some(&id))
            .into_response(&self.request_id)
            .into_body();
        let mut text = String::new();
        Event::message(String::from_utf8_lossy(&body).into_owned()).write_to(&mut text);
        Poll::Ready(Some(text.into()))
    }

    fn pass_on(&mut self, data: &[u8]) -> Result<String, &'static str> {
        let (listener, awaited, resumable) =
            (&self.listener, &mut self.awaited, &mut self.resumable);
        let mut text = String::new();
        let mut broken = None;
        let fed = self.decoder.feed(data, |mut event| match screen(listener, awaited, &mut event) {
            Screened::Pass => {
                event.id = event.id.and_then(|id| listener.handles.event_id(id));
                *resumable |= listener.legacy && event.id.as_deref().is_some_and(|id| !id.is_empty());
                event.write_to(&mut text);
            }
            Screened::Drop => tracing::warn!(server = %listener.server.name, "an event that is no message, or answers another request, was left out"),
            Screened::Unreadable => broken = Some("the server's answer cannot be read"),
        });
        match (fed, broken) {
            (Err(_), _) => Err("the server's events cannot be read"),
            (Ok(()), Some(reason)) => Err(reason),
            (Ok(()), None) => Ok(text),
        }
    }
}

enum Screened {
    Pass,
    Drop,
    Unreadable,
}

/// Looks at an event: it is empty (a priming event) or a message. On the stream of a POST the only answer is the
/// awaited one; a list of tools in an answer has only the caller's tools, also on a GET stream, where a
/// client may resume.
fn screen(listener: &Listener, awaited: &mut Option<Awaited>, event: &mut Event) -> Screened {
    if event.data.trim().is_empty() {
        return Screened::Pass;
    }
    let Some(message) = response::read(&event.data) else {
        return Screened::Drop;
    };
    if message == FromServer::Own {
        return Screened::Pass;
    }
    if !listener.listening {
        let Some(Awaited { id, tool }) =
            awaited.take_if(|awaited| response::answers(message, &awaited.id))
        else {
            return Screened::Drop;
        };
        if let Some(tool) = tool.filter(|tool| unknown_tool::says_so(&event.data, tool)) {
            let body = authorize::unknown_tool(&tool)
                .answering(Some(&id))
                .into_response("")
                .into_body();
            event.data = String::from_utf8_lossy(&body).into_owned();
            return Screened::Pass;
        }
    }
    let fitted = list::filter(&event.data, |tool, description| {
        listener.shows(tool, description)
    })
    .and_then(|filtered| {
        let sealed = listener
            .handles
            .answer(filtered.as_deref().unwrap_or(&event.data))?;
        Ok(sealed.or(filtered))
    });
    match fitted {
        Ok(None) => Screened::Pass,
        Ok(Some(fitted)) => {
            event.data = fitted;
            Screened::Pass
        }
        Err(Unreadable) => Screened::Unreadable,
    }
}
