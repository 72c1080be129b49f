//! An upstream inside the test: it records everything, and misbehaves on demand.
//!
//! Only for attacks and for moments that have to be held still; ordinary calls go to real MCP servers.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use futures_util::stream;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

use crate::recorded::Request;
use crate::wait::{self, PATIENCE};

/// What the sink does with a request.
#[derive(Debug, Clone, Default)]
pub struct Builder {
    tools: Vec<String>,
    sessions: bool,
    streaming: bool,
    extra_headers: Vec<(String, String)>,
    fixed: Option<(u16, String, String)>,
}

impl Builder {
    /// Offers one more tool; it answers with its own name.
    #[must_use]
    pub fn tool(mut self, name: &str) -> Self {
        self.tools.push(name.to_owned());
        self
    }

    /// Gives every client a session, and serves a GET stream in it.
    #[must_use]
    pub fn sessions(mut self) -> Self {
        self.sessions = true;
        self
    }

    /// Answers requests with event streams instead of JSON.
    #[must_use]
    pub fn streaming(mut self) -> Self {
        self.streaming = true;
        self
    }

    /// Adds a header to every response.
    #[must_use]
    pub fn response_header(mut self, name: &str, value: &str) -> Self {
        self.extra_headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Answers everything with this.
    #[must_use]
    pub fn always(mut self, status: u16, content_type: &str, body: &str) -> Self {
        self.fixed = Some((status, content_type.to_owned(), body.to_owned()));
        self
    }

    /// Answers everything with a redirect.
    #[must_use]
    pub fn redirect(self, status: u16, location: &str) -> Self {
        self.response_header("location", location)
            .always(status, "text/plain", "moved")
    }

    /// Starts it on a loopback port.
    ///
    /// # Panics
    /// When there is none.
    pub async fn start(self) -> Sink {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a loopback port is free");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            builder: self,
            requests: Mutex::default(),
            open_streams: AtomicUsize::new(0),
            held_calls: AtomicUsize::new(0),
            gate: watch::Sender::new(false),
            events: broadcast::Sender::new(64),
        });
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            // Ends only with the test.
            drop(axum::serve(listener, router).await);
        });
        Sink {
            address,
            shared,
            task,
        }
    }
}

/// A running sink.
#[derive(Debug)]
pub struct Sink {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// A tool that answers only after [`Sink::release`], wherever the sink offers it.
pub const HELD_TOOL: &str = "held";

impl Sink {
    /// A sink that behaves like an MCP server without tools.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Where its MCP endpoint is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request that it has received, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests().clone()
    }

    /// Returns what it has received, and forgets it.
    #[must_use]
    pub fn take(&self) -> Vec<Request> {
        std::mem::take(&mut *self.shared.requests())
    }

    /// Waits until this many GET streams are open.
    pub async fn until_streams(&self, count: usize) {
        let what = format!("{count} streams are open upstream");
        wait::until_true(&what, PATIENCE, async || {
            self.shared.open_streams.load(Ordering::SeqCst) == count
        })
        .await;
    }

    /// Waits until this many calls of [`HELD_TOOL`] have arrived and not been answered.
    pub async fn until_held(&self, count: usize) {
        let what = format!("{count} calls are held upstream");
        wait::until_true(&what, PATIENCE, async || {
            self.shared.held_calls.load(Ordering::SeqCst) == count
        })
        .await;
    }

    /// Lets held calls go on, those to come included.
    pub fn release(&self) {
        self.shared.gate.send_replace(true);
    }

    /// Sends a message on every open GET stream.
    pub fn push(&self, message: &Value) {
        // Without open streams there is nobody to hear it.
        drop(
            self.shared
                .events
                .send(format!("event: message\ndata: {message}\n\n")),
        );
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug)]
struct Shared {
    builder: Builder,
    requests: Mutex<Vec<Request>>,
    open_streams: AtomicUsize,
    held_calls: AtomicUsize,
    gate: watch::Sender<bool>,
    events: broadcast::Sender<String>,
}

impl Shared {
    fn requests(&self) -> std::sync::MutexGuard<'_, Vec<Request>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    // A body that breaks off is recorded as far as it came.
    let body = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    shared.requests().push(record(&parts, &body));

    let mut response = if let Some((status, content_type, body)) = &shared.builder.fixed {
        respond(*status, content_type, Body::from(body.clone()))
    } else {
        match parts.method {
            Method::POST => post(&shared, &body).await,
            Method::GET if shared.builder.sessions => {
                respond(200, "text/event-stream", open_stream(&shared))
            }
            Method::DELETE if shared.builder.sessions => respond(200, "text/plain", Body::empty()),
            _ => respond(405, "text/plain", Body::empty()),
        }
    };
    for (name, value) in &shared.builder.extra_headers {
        let name: HeaderName = name.parse().expect("a header name");
        response
            .headers_mut()
            .append(name, HeaderValue::from_str(value).expect("a header value"));
    }
    response
}

/// Answers one message, whatever the revision.
async fn post(shared: &Arc<Shared>, body: &Bytes) -> Response {
    let message: Value = serde_json::from_slice(body).unwrap_or_default();
    let Some(id) = message.get("id") else {
        return respond(202, "text/plain", Body::empty());
    };
    let params = &message["params"];
    let modern = !params["_meta"]["io.modelcontextprotocol/protocolVersion"].is_null();
    let outcome = match message["method"].as_str().unwrap_or_default() {
        "initialize" => Ok(json!({
            "protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": {"name": "sink", "version": "1"},
        })),
        "server/discover" => Ok(
            json!({"supportedVersions": ["2026-07-28", "2025-11-25"], "capabilities": {"tools": {}}}),
        ),
        "ping" => Ok(json!({})),
        "tools/list" => Ok(
            json!({"tools": shared.builder.tools.iter().map(|name| describe_tool(name)).collect::<Vec<_>>()}),
        ),
        "tools/call" => call(shared, params["name"].as_str().unwrap_or_default()).await,
        method => Err((-32601, format!("no method {method}"))),
    };
    let answer = match outcome {
        Ok(mut result) => {
            if modern {
                result["resultType"] = "complete".into();
            }
            json!({"jsonrpc": "2.0", "id": id, "result": result})
        }
        Err((code, text)) => {
            json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": text}})
        }
    };
    let mut response = if shared.builder.streaming {
        respond(
            200,
            "text/event-stream",
            Body::from(format!("event: message\ndata: {answer}\n\n")),
        )
    } else {
        respond(200, "application/json", Body::from(answer.to_string()))
    };
    if shared.builder.sessions && message["method"] == "initialize" {
        response.headers_mut().insert(
            "mcp-session-id",
            HeaderValue::from_static("upstream-session-0001"),
        );
    }
    response
}

async fn call(shared: &Arc<Shared>, tool: &str) -> Result<Value, (i64, String)> {
    if !shared.builder.tools.iter().any(|name| name == tool) {
        return Err((-32602, format!("the upstream knows no tool {tool}")));
    }
    if tool == HELD_TOOL {
        let held = Counted::new(shared, |shared| &shared.held_calls);
        let mut gate = shared.gate.subscribe();
        // Fails only when the sink is gone, and the connection with it.
        drop(gate.wait_for(|open| *open).await);
        drop(held);
    }
    Ok(json!({"content": [{"type": "text", "text": tool}], "isError": false}))
}

fn describe_tool(name: &str) -> Value {
    json!({"name": name, "description": "A tool of the sink.", "inputSchema": {"type": "object"}})
}

/// A stream that stays open until the client leaves.
fn open_stream(shared: &Arc<Shared>) -> Body {
    let open = Counted::new(shared, |shared| &shared.open_streams);
    let state = (shared.events.subscribe(), open);
    let first = stream::once(async { Ok::<_, Infallible>(": open\n\n".to_owned()) });
    let events = stream::unfold(state, |(mut events, open)| async move {
        let event = events.recv().await.ok()?;
        Some((Ok::<_, Infallible>(event), (events, open)))
    });
    Body::from_stream(futures_util::StreamExt::chain(first, events))
}

/// Adds one to a counter for as long as it lives.
struct Counted {
    shared: Arc<Shared>,
    counter: fn(&Shared) -> &AtomicUsize,
}

impl Counted {
    fn new(shared: &Arc<Shared>, counter: fn(&Shared) -> &AtomicUsize) -> Self {
        counter(shared).fetch_add(1, Ordering::SeqCst);
        Self {
            shared: Arc::clone(shared),
            counter,
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.counter)(&self.shared).fetch_sub(1, Ordering::SeqCst);
    }
}

fn respond(status: u16, content_type: &str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    response.headers_mut().insert(
        "content-type",
        HeaderValue::from_str(content_type).expect("a content type"),
    );
    response
}

fn record(parts: &Parts, body: &Bytes) -> Request {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Request {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect(),
        body: String::from_utf8_lossy(body).into_owned(),
    }
}
