//! The data plane over plain HTTP, for what a well-behaved MCP client would never show.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::event_stream::{self, EventStream};
use crate::wait::PATIENCE;

/// The newest revision with a handshake.
pub const LEGACY: &str = "2025-11-25";
/// The revision without one.
pub const MODERN: &str = "2026-07-28";

/// One pod, or whatever else answers at an origin.
#[derive(Debug, Clone)]
pub struct Gateway {
    http: reqwest::Client,
    origin: String,
}

impl Gateway {
    /// The gateway at `origin`, such as `http://127.0.0.1:7090`.
    #[must_use]
    pub fn new(origin: &str) -> Self {
        Self {
            http: http_client(),
            origin: origin.to_owned(),
        }
    }

    /// Its origin.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The MCP endpoint of a server.
    #[must_use]
    pub fn url(&self, server: &str) -> String {
        format!("{}/mcp/{server}/server", self.origin)
    }

    /// A POST to a server, with the headers of a client that does everything right.
    pub fn post(&self, server: &str) -> Call {
        self.request(Method::POST, server)
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json")
    }

    /// A GET of a server's stream.
    pub fn get(&self, server: &str) -> Call {
        self.request(Method::GET, server)
            .header("accept", "text/event-stream")
    }

    /// A request to a server without any headers.
    pub fn request(&self, method: Method, server: &str) -> Call {
        Call(self.http.request(method, self.url(server)))
    }

    /// A request to any path of this origin.
    pub fn request_path(&self, method: Method, path: &str) -> Call {
        Call(self.http.request(method, format!("{}{path}", self.origin)))
    }

    /// Sends a `tools/call` of the newest revision with a handshake, without a session.
    pub async fn call(&self, server: &str, token: &str, tool: &str, arguments: &Value) -> Answer {
        self.post(server)
            .token(token)
            .message(&call_message(1, tool, arguments))
            .send()
            .await
    }

    /// Sends a `tools/list` of the newest revision with a handshake, without a session.
    pub async fn list(&self, server: &str, token: &str) -> Answer {
        self.post(server)
            .token(token)
            .message(&list_message(1))
            .send()
            .await
    }

    /// Carries out the handshake and returns the session.
    ///
    /// # Panics
    /// When the server refuses, or does not give a session id.
    pub async fn connect(&self, server: &str, token: &str) -> Session {
        let answer = self
            .post(server)
            .token(token)
            .message(&initialize_message(1, LEGACY))
            .send()
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let id = answer
            .header("mcp-session-id")
            .unwrap_or_else(|| panic!("no session id: {answer:?}"))
            .to_owned();
        let session = Session {
            server: server.to_owned(),
            token: token.to_owned(),
            id,
        };
        let initialized = session
            .post(self)
            .message(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
            .send()
            .await;
        assert_eq!(initialized.status, 202, "{initialized:?}");
        session
    }
}

/// An MCP session, which any pod serves.
#[derive(Debug, Clone)]
pub struct Session {
    /// The server that it is with.
    pub server: String,
    /// Whose it is.
    pub token: String,
    /// The id as the gateway gave it.
    pub id: String,
}

impl Session {
    /// A POST in this session, through one of the pods.
    pub fn post(&self, gateway: &Gateway) -> Call {
        self.decorate(gateway.post(&self.server))
    }

    /// A tool call in this session, through one of the pods.
    pub async fn call(&self, gateway: &Gateway, tool: &str, arguments: &Value) -> Answer {
        self.post(gateway)
            .message(&call_message(2, tool, arguments))
            .send()
            .await
    }

    /// Opens the session's GET stream.
    pub async fn stream(&self, gateway: &Gateway) -> EventStream {
        self.decorate(gateway.get(&self.server)).open().await
    }

    /// Ends the session.
    pub async fn delete(&self, gateway: &Gateway) -> Answer {
        self.decorate(gateway.request(Method::DELETE, &self.server))
            .send()
            .await
    }

    fn decorate(&self, call: Call) -> Call {
        call.token(&self.token)
            .header("mcp-session-id", &self.id)
            .header("mcp-protocol-version", LEGACY)
    }
}

/// A request in the making.
#[must_use = "a request does nothing until it is sent"]
pub struct Call(RequestBuilder);

impl Call {
    /// Adds `Authorization: Bearer TOKEN`.
    pub fn token(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Adds a header; one more if it is there already.
    pub fn header(self, name: &str, value: &str) -> Self {
        self.header_bytes(name, value.as_bytes())
    }

    /// Adds a header whose value need not be text.
    ///
    /// # Panics
    /// When HTTP cannot carry it; such headers need [`crate::raw`].
    pub fn header_bytes(self, name: &str, value: &[u8]) -> Self {
        let name: HeaderName = name
            .parse()
            .unwrap_or_else(|error| panic!("{error}: {name}"));
        let value =
            HeaderValue::from_bytes(value).unwrap_or_else(|error| panic!("{error}: {value:?}"));
        Self(self.0.header(name, value))
    }

    /// Sets a header in place of what is there.
    ///
    /// # Panics
    /// When HTTP cannot carry it.
    pub fn replace_header(self, name: &str, value: &str) -> Self {
        let mut headers = HeaderMap::new();
        let name: HeaderName = name
            .parse()
            .unwrap_or_else(|error| panic!("{error}: {name}"));
        headers.insert(
            name,
            value
                .parse()
                .unwrap_or_else(|error| panic!("{error}: {value}")),
        );
        Self(self.0.headers(headers))
    }

    /// Sets the body to a message.
    pub fn message(self, message: &Value) -> Self {
        self.body(message.to_string())
    }

    /// Sets the body to a message of 2026-07-28, and the headers that mirror it.
    pub fn modern_message(self, mut message: Value) -> Self {
        let method = message["method"].as_str().unwrap_or_default().to_owned();
        message["params"]["_meta"] = modern_meta();
        let mut call = self
            .header("mcp-protocol-version", MODERN)
            .header("mcp-method", &method);
        if let Some(name) = message["params"]["name"].as_str() {
            call = call.header("mcp-name", name);
        }
        call.message(&message)
    }

    /// Sets the body.
    pub fn body(self, body: impl Into<reqwest::Body>) -> Self {
        Self(self.0.body(body))
    }

    /// Sends the request and reads the whole answer.
    ///
    /// # Panics
    /// When none comes.
    pub async fn send(self) -> Answer {
        self.try_send()
            .await
            .unwrap_or_else(|error| panic!("no answer: {error}"))
    }

    /// Sends the request; an error says why no complete answer came.
    pub async fn try_send(self) -> Result<Answer, String> {
        let exchange = async {
            let response = self.0.send().await?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body = response.text().await?;
            Ok::<_, reqwest::Error>(Answer {
                status,
                headers,
                body,
            })
        };
        let answer = tokio::time::timeout(PATIENCE, exchange)
            .await
            .map_err(|_| format!("nothing for {PATIENCE:?}"))?;
        answer.map_err(|error| format!("{error:?}"))
    }

    /// Sends the request and leaves the answer's stream open.
    ///
    /// # Panics
    /// When the answer is no event stream.
    pub async fn open(self) -> EventStream {
        let response = tokio::time::timeout(PATIENCE, self.0.send()).await;
        let response = response.unwrap_or_else(|_| panic!("no answer for {PATIENCE:?}"));
        EventStream::new(response.unwrap_or_else(|error| panic!("no answer: {error:?}")))
    }
}

/// A complete answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The first value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The JSON-RPC message that answers the request: the body, or the last event of the stream.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn message(&self) -> Value {
        if self
            .header("content-type")
            .is_some_and(|value| value.starts_with("text/event-stream"))
        {
            let events = event_stream::parse_all(&self.body);
            return events
                .last()
                .unwrap_or_else(|| panic!("an empty stream: {self:?}"))
                .json();
        }
        self.json()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The text of a tool's successful answer.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn tool_text(&self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        let message = self.message();
        let text = message["result"]["content"][0]["text"].as_str();
        text.unwrap_or_else(|| panic!("no text in {message}"))
            .to_owned()
    }

    /// The names of the listed tools.
    ///
    /// # Panics
    /// When the answer is no list of tools.
    #[must_use]
    pub fn tool_names(&self) -> Vec<String> {
        let message = self.message();
        let tools = message["result"]["tools"]
            .as_array()
            .unwrap_or_else(|| panic!("no tools in {message}"));
        tools
            .iter()
            .filter_map(|tool| tool["name"].as_str())
            .map(str::to_owned)
            .collect()
    }

    /// The status and the type of an error of the gateway, having checked its shape.
    ///
    /// # Panics
    /// When the answer is no such error.
    #[must_use]
    pub fn refusal(&self) -> (u16, String) {
        let body = self.json();
        let error = &body["error"];
        for field in ["type", "message", "request_id"] {
            assert!(
                error[field].as_str().is_some_and(|text| !text.is_empty()),
                "no {field} in {self:?}"
            );
        }
        (
            self.status,
            error["type"].as_str().unwrap_or_default().to_owned(),
        )
    }

    /// The status and the JSON-RPC error code, having checked the shape.
    ///
    /// # Panics
    /// When the answer is no JSON-RPC error.
    #[must_use]
    pub fn rpc_error(&self) -> (u16, i64) {
        let message = self.message();
        assert_eq!(message["jsonrpc"], "2.0", "{self:?}");
        assert!(
            message.get("id") != Some(&Value::Null),
            "an error names its request or nothing, never null: {self:?}"
        );
        assert!(message["error"]["message"].is_string(), "{self:?}");
        (
            self.status,
            message["error"]["code"]
                .as_i64()
                .unwrap_or_else(|| panic!("no code in {self:?}")),
        )
    }
}

/// A `tools/call` message.
#[must_use]
pub fn call_message(id: u32, tool: &str, arguments: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})
}

/// A `tools/list` message.
#[must_use]
pub fn list_message(id: u32) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/list", "params": {}})
}

/// The first message of a handshake.
#[must_use]
pub fn initialize_message(id: u32, version: &str) -> Value {
    let params = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "e2e", "version": "1"}});
    json!({"jsonrpc": "2.0", "id": id, "method": "initialize", "params": params})
}

/// The `_meta` that every request of 2026-07-28 carries.
#[must_use]
pub fn modern_meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "e2e", "version": "1"},
    })
}

/// A client that follows nothing, remembers nothing and goes through no proxy.
pub(crate) fn http_client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(5))
        .build()
        .expect("a client without TLS can always be built")
}
