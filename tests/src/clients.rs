//! Real MCP clients, each session described by a plan and answered by what the library told its caller.

use std::process::Command;

use serde_json::{Value, json};

use crate::files::tests_folder;
use crate::process::run;
use crate::upstream::python;

/// Which library drives a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// `fastmcp.Client` as the recipes use it: it asks which era the server speaks.
    FastMcp,
    /// `fastmcp.Client` held to the handshake.
    FastMcpLegacy,
    /// `fastmcp.Client` held to 2026-07-28.
    FastMcpModern,
    /// The TypeScript SDK, first generation: `@modelcontextprotocol/sdk`.
    TypeScript1,
    /// The TypeScript SDK, second generation, as it comes: with the handshake.
    TypeScript2,
    /// The TypeScript SDK, second generation, pinned to 2026-07-28.
    TypeScript2Modern,
    /// The TypeScript SDK, second generation, asking which era the server speaks.
    TypeScript2Auto,
    /// `mcp-remote` as desktop applications run it, behind `@modelcontextprotocol/sdk`.
    McpRemote,
}

impl Client {
    fn is_python(self) -> bool {
        matches!(
            self,
            Self::FastMcp | Self::FastMcpLegacy | Self::FastMcpModern
        )
    }

    fn selector(self) -> (&'static str, &'static str) {
        match self {
            Self::FastMcp => ("mode", "auto"),
            Self::FastMcpLegacy => ("mode", "legacy"),
            Self::FastMcpModern => ("mode", "2026-07-28"),
            Self::TypeScript1 => ("client", "sdk-1"),
            Self::TypeScript2 => ("client", "client-2"),
            Self::TypeScript2Modern => ("client", "client-2-modern"),
            Self::TypeScript2Auto => ("client", "client-2-auto"),
            Self::McpRemote => ("client", "mcp-remote"),
        }
    }
}

/// One session of one client: connect, carry out the steps, disconnect.
#[derive(Debug, Clone)]
pub struct Session {
    client: Client,
    url: String,
    token: Option<String>,
    headers: Vec<(String, String)>,
    steps: Vec<Value>,
}

impl Session {
    /// A session with the MCP endpoint at `url`.
    #[must_use]
    pub fn new(client: Client, url: &str) -> Self {
        Self {
            client,
            url: url.to_owned(),
            token: None,
            headers: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// Sends `Authorization: Bearer TOKEN`.
    #[must_use]
    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// Sends a header with every request.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Lists the tools.
    #[must_use]
    pub fn list(self) -> Self {
        self.step(json!({"do": "list"}))
    }

    /// Calls a tool.
    #[must_use]
    pub fn call(self, tool: &str, arguments: &Value) -> Self {
        self.step(json!({"do": "call", "tool": tool, "arguments": arguments}))
    }

    /// Any other step that the client scripts know.
    #[must_use]
    pub fn step(mut self, step: Value) -> Self {
        self.steps.push(step);
        self
    }

    fn plan(&self) -> Value {
        let (selector, which) = self.client.selector();
        let headers: serde_json::Map<String, Value> = self
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.clone().into()))
            .collect();
        let mut plan =
            json!({"url": self.url, selector: which, "headers": headers, "steps": self.steps});
        if let Some(token) = &self.token {
            plan["token"] = token.clone().into();
        }
        plan
    }
}

/// What a session came to.
#[derive(Debug, Clone)]
pub struct Outcome(Value);

impl Outcome {
    /// The answers to the steps.
    ///
    /// # Panics
    /// When the client could not connect.
    #[must_use]
    pub fn steps(&self) -> &[Value] {
        assert_eq!(
            self.0["connected"], true,
            "the client cannot connect: {}",
            self.0
        );
        self.0["steps"]
            .as_array()
            .expect("a connected session has steps")
    }

    /// The names of the tools that step `index` listed.
    ///
    /// # Panics
    /// When that step did not list tools.
    #[must_use]
    pub fn tools(&self, index: usize) -> Vec<&str> {
        let step = &self.steps()[index];
        let tools = step["tools"]
            .as_array()
            .unwrap_or_else(|| panic!("step {index} lists no tools: {step}"));
        tools.iter().filter_map(Value::as_str).collect()
    }

    /// The text that the tool called in step `index` answered.
    ///
    /// # Panics
    /// When the call failed.
    #[must_use]
    pub fn text(&self, index: usize) -> &str {
        let step = &self.steps()[index];
        assert_eq!(step["is_error"], false, "step {index} failed: {step}");
        step["text"]
            .as_str()
            .unwrap_or_else(|| panic!("step {index} has no text: {step}"))
    }

    /// The error that step `index` came to.
    ///
    /// # Panics
    /// When it succeeded.
    #[must_use]
    pub fn error(&self, index: usize) -> &Value {
        let step = &self.steps()[index];
        step.get("error")
            .unwrap_or_else(|| panic!("step {index} succeeded: {step}"))
    }

    /// Why the client could not connect.
    ///
    /// # Panics
    /// When it could.
    #[must_use]
    pub fn refusal(&self) -> &Value {
        assert_eq!(
            self.0["connected"], false,
            "the client connected: {}",
            self.0
        );
        &self.0["error"]
    }

    /// The protocol revision that was agreed on.
    #[must_use]
    pub fn protocol_version(&self) -> Option<&str> {
        self.0["protocol_version"].as_str()
    }
}

/// Runs the sessions one after the other, those of one language in one process, and answers in their order.
///
/// # Panics
/// When a client script fails.
pub async fn run_sessions(sessions: &[Session]) -> Vec<Outcome> {
    let (python_plans, node_plans): (Vec<_>, Vec<_>) = sessions
        .iter()
        .partition(|session| session.client.is_python());
    let (from_python, from_node) = tokio::join!(
        run_script(Language::Python, &python_plans),
        run_script(Language::Node, &node_plans)
    );
    let (mut from_python, mut from_node) = (from_python.into_iter(), from_node.into_iter());
    sessions
        .iter()
        .map(|session| {
            if session.client.is_python() {
                from_python.next()
            } else {
                from_node.next()
            }
        })
        .map(|outcome| Outcome(outcome.expect("the script answers every session")))
        .collect()
}

/// Runs one session.
///
/// # Panics
/// When the client script fails.
pub async fn run_session(session: Session) -> Outcome {
    run_sessions(&[session]).await.remove(0)
}

#[derive(Debug, Clone, Copy)]
enum Language {
    Python,
    Node,
}

async fn run_script(language: Language, sessions: &[&Session]) -> Vec<Value> {
    if sessions.is_empty() {
        return Vec::new();
    }
    let (name, mut command, script) = match language {
        Language::Python => (
            "fastmcp client",
            Command::new(python()),
            "python/clients/fastmcp_client.py",
        ),
        Language::Node => (
            "TypeScript client",
            Command::new("node"),
            "node/clients/client.mjs",
        ),
    };
    command.arg(tests_folder().join(script));
    let plan =
        json!({"sessions": sessions.iter().map(|session| session.plan()).collect::<Vec<_>>()});
    let (status, output, errors) = run(name, command, Some(&plan.to_string())).await;
    assert!(
        status.success(),
        "the {name} ended with {status}:\n{errors}"
    );
    let last = output.lines().last().unwrap_or_default();
    let answer: Value =
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {output}\n{errors}"));
    answer["sessions"]
        .as_array()
        .cloned()
        .unwrap_or_else(|| panic!("no sessions in {answer}"))
}
