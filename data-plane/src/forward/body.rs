//! Bodies of answers.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::events::EventStream;
use crate::{accept::Exchange, audit::Record};

/// Largest list of tools.
pub(crate) const MAX_LIST: usize = 16 * 1024 * 1024;

/// Largest answer that is not a stream.
const MAX_ANSWER: u64 = 16 * 1024 * 1024;

/// How long a body may be silent, unless its server was told otherwise.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);

/// The body of an answer.
pub(crate) enum AnswerBody {
    /// Known as a whole.
    Whole(Bytes),
    /// Passed on as it comes.
    Passing(Passing),
    /// Passed on event by event.
    Events(Box<EventStream>),
}

impl AnswerBody {
    pub(crate) fn empty() -> Self {
        Self::Whole(Bytes::new())
    }
}

/// A server's body, byte by byte, within bounds.
pub(crate) struct Passing {
    /// What was read of it already.
    begun: Bytes,
    body: Incoming,
    left: u64,
    idle: Duration,
    /// Made when the body first lets us wait.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Passing {
    pub(super) fn new(body: Incoming, idle_ms: u32) -> Self {
        let idle = if idle_ms == 0 {
            IDLE_TIMEOUT
        } else {
            Duration::from_millis(idle_ms.into())
        };
        Self {
            begun: Bytes::new(),
            body,
            left: MAX_ANSWER,
            idle,
            timer: None,
        }
    }

    /// The whole body, or `None` when there is more of it than `limit`: then it passes on from its beginning.
    pub(super) async fn whole(&mut self, limit: usize) -> io::Result<Option<Bytes>> {
        let mut read = BytesMut::new();
        while let Some(frame) = poll_fn(|cx| self.poll(cx)).await {
            let Ok(data) = frame?.into_data() else {
                continue;
            };
            if read.is_empty() && self.body.is_end_stream() {
                return Ok(Some(data));
            }
            read.extend_from_slice(&data);
            if read.len() > limit {
                self.begun = read.freeze();
                return Ok(None);
            }
        }
        Ok(Some(read.freeze()))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if !self.begun.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.begun)))));
        }
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                let Some(left) = self.left.checked_sub(length) else {
                    return Poll::Ready(Some(Err(io::Error::other(
                        "the answer is larger than 16 MiB",
                    ))));
                };
                self.left = left;
                self.timer = None;
                // Trailers are the server's own affair with its client, which is us.
                Poll::Ready(Some(Ok(if frame.is_data() {
                    frame
                } else {
                    Frame::data(Bytes::new())
                })))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(io::Error::other(error)))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                let idle = self.idle;
                let timer = self.timer.get_or_insert_with(|| {
                    Box::pin(tokio::time::sleep_until(Instant::now() + idle))
                });
                timer.as_mut().poll(cx).map(|()| {
                    Some(Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "the server fell silent",
                    )))
                })
            }
        }
    }
}

/// A body with the record of its call: when the body is dropped, the record is written.
pub(crate) struct Recorded {
    body: AnswerBody,
    record: Record,
    _exchange: Exchange,
}

impl Recorded {
    /// A body whose end closes the record and ends the exchange on its connection.
    pub(crate) fn new(body: AnswerBody, record: Record, exchange: Exchange) -> Self {
        Self {
            body,
            record,
            _exchange: exchange,
        }
    }
}

impl Body for Recorded {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let polled = match &mut self.body {
            AnswerBody::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            AnswerBody::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            AnswerBody::Passing(passing) => passing.poll(cx),
            AnswerBody::Events(events) => events
                .poll(cx)
                .map(|data| data.map(|data| Ok(Frame::data(data)))),
        };
        match &polled {
            Poll::Ready(Some(Err(error))) => {
                tracing::warn!(%error, "an answer broke off");
                self.record.broke_off("the server's answer broke off");
            }
            Poll::Ready(None) => {
                if let AnswerBody::Events(events) = &self.body
                    && let Some(reason) = events.cut_off()
                {
                    self.record.broke_off(reason);
                }
            }
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            AnswerBody::Whole(bytes) => bytes.is_empty(),
            AnswerBody::Passing(_) => false,
            AnswerBody::Events(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            AnswerBody::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            AnswerBody::Passing(_) | AnswerBody::Events(_) => SizeHint::default(),
        }
    }
}
