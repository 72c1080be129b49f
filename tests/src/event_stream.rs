//! Server-sent events as a client receives them.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use serde_json::Value;

/// One event of a stream (WHATWG HTML, section 9.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// The `id` field.
    pub id: Option<String>,
    /// The `event` field.
    pub name: Option<String>,
    /// The `data` lines, joined.
    pub data: String,
}

impl Event {
    /// The message in the event.
    ///
    /// # Panics
    /// When it is not JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error} in event {self:?}"))
    }
}

/// What a stream does next.
#[derive(Debug)]
pub enum Next {
    /// An event with data.
    Event(Event),
    /// The end of the body, as HTTP has it.
    End,
    /// The connection broke before the body was complete.
    Broken(String),
}

/// An open `text/event-stream` answer.
pub struct EventStream {
    body: std::pin::Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    buffer: String,
}

impl EventStream {
    /// Reads the body of `response`.
    ///
    /// # Panics
    /// When it is not an event stream.
    #[must_use]
    pub fn new(response: reqwest::Response) -> Self {
        let content_type = response.headers().get("content-type").cloned();
        assert!(
            content_type
                .as_ref()
                .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream")),
            "{} with {content_type:?} is no event stream",
            response.status()
        );
        Self {
            body: Box::pin(response.bytes_stream()),
            buffer: String::new(),
        }
    }

    /// The next event with data; comments and empty events are passed over.
    ///
    /// # Panics
    /// When nothing happens for `within`.
    pub async fn next(&mut self, within: Duration) -> Next {
        tokio::time::timeout(within, self.advance())
            .await
            .unwrap_or_else(|_| panic!("nothing on the stream for {within:?}"))
    }

    /// Reads on to the clean end of the stream.
    ///
    /// # Panics
    /// When it is still open after `within`, or breaks.
    pub async fn end(&mut self, within: Duration) {
        let read_on = async {
            loop {
                match self.advance().await {
                    Next::Event(_) => {}
                    Next::End => return,
                    Next::Broken(error) => panic!("the stream broke instead of ending: {error}"),
                }
            }
        };
        tokio::time::timeout(within, read_on)
            .await
            .unwrap_or_else(|_| panic!("the stream is still open after {within:?}"));
    }

    async fn advance(&mut self) -> Next {
        loop {
            while let Some((block, rest)) = self.buffer.split_once("\n\n") {
                let event = parse(block);
                self.buffer = rest.to_owned();
                if !event.data.is_empty() {
                    return Next::Event(event);
                }
            }
            match self.body.next().await {
                Some(Ok(chunk)) => self
                    .buffer
                    .push_str(&String::from_utf8_lossy(&chunk).replace("\r\n", "\n")),
                Some(Err(error)) => return Next::Broken(format!("{error:?}")),
                None => return Next::End,
            }
        }
    }
}

/// Every event with data in a complete body.
#[must_use]
pub fn parse_all(body: &str) -> Vec<Event> {
    body.replace("\r\n", "\n")
        .split("\n\n")
        .map(parse)
        .filter(|event| !event.data.is_empty())
        .collect()
}

fn parse(block: &str) -> Event {
    let mut event = Event::default();
    let mut data = Vec::new();
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => event.id = Some(value.to_owned()),
            "event" => event.name = Some(value.to_owned()),
            "data" => data.push(value),
            // Comments have an empty field name; others do not concern the tests.
            _ => {}
        }
    }
    event.data = data.join("\n");
    event
}
