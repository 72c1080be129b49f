//! Real MCP clients that are given nothing but a server's URL, and find their way through OAuth from there.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::conversation::Conversation;
use crate::files::tests_folder;
use crate::upstream::python;

/// Which library finds its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OAuthClient {
    /// `fastmcp.Client(url, auth="oauth")`.
    FastMcp,
    /// The official Python SDK with its `OAuthClientProvider`.
    Python,
    /// The TypeScript SDK, first generation, with its OAuth helpers.
    TypeScript1,
    /// The TypeScript SDK, second generation, as it comes.
    TypeScript2,
    /// The TypeScript SDK, second generation, asking which era the server speaks.
    TypeScript2Auto,
    /// `mcp-remote` as desktop applications run it.
    McpRemote,
}

impl OAuthClient {
    /// All of them; those that keep what they got in a file come last.
    pub const ALL: [Self; 6] = [
        Self::FastMcp,
        Self::McpRemote,
        Self::Python,
        Self::TypeScript1,
        Self::TypeScript2,
        Self::TypeScript2Auto,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::FastMcp => "fastmcp",
            Self::Python => "mcp",
            Self::TypeScript1 => "sdk-1",
            Self::TypeScript2 => "client-2",
            Self::TypeScript2Auto => "client-2-auto",
            Self::McpRemote => "mcp-remote",
        }
    }

    fn command(self) -> Command {
        let (program, script) = match self {
            Self::FastMcp | Self::Python => (python(), "python/clients/oauth_client.py"),
            _ => ("node".into(), "node/clients/oauth_client.mjs"),
        };
        let mut command = Command::new(program);
        command.arg(tests_folder().join(script));
        command
    }
}

/// A running client of one server.
#[derive(Debug)]
pub struct Running {
    conversation: Conversation,
    // After the conversation, whose process uses it.
    memory: TempDir,
}

/// What a client has to say.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// Somebody should open this in a browser.
    Authorize(String),
    /// It is connected, and has completed the handshake of its era.
    Connected,
    /// What came of a step.
    Answer(Value),
    /// Why it could not connect, or what went wrong with a step.
    Failed(Value),
}

impl Running {
    /// Starts a client that knows nothing but this URL.
    pub async fn start(client: OAuthClient, url: &str) -> Self {
        let memory = TempDir::new().expect("the temporary folder is writable");
        Self::start_with(client, url, memory).await
    }

    /// Ends the client and starts it again, with what it remembers on disk.
    pub async fn restart(self, client: OAuthClient, url: &str) -> Self {
        let Self {
            conversation,
            memory,
        } = self;
        drop(conversation);
        std::fs::remove_file(memory.path().join("address.json"))
            .expect("the client wrote where it listens");
        Self::start_with(client, url, memory).await
    }

    async fn start_with(client: OAuthClient, url: &str, memory: TempDir) -> Self {
        let name = format!("client {}", client.name());
        let mut conversation = Conversation::start(&name, client.command(), memory.path()).await;
        let plan = json!({"url": url, "client": client.name(), "folder": memory.path()});
        conversation.send(&plan).await;
        Self {
            conversation,
            memory,
        }
    }

    /// The access token that it remembers, of those clients that keep it in a file.
    ///
    /// # Panics
    /// When it keeps none.
    #[must_use]
    pub fn access_token(&self) -> String {
        let token = self.kept()["tokens"]["access_token"].clone();
        token.as_str().expect("the client has a token").to_owned()
    }

    /// Makes the access token that it remembers one that nobody accepts. Only for clients that are started again: to them it is as if it
    /// had expired meanwhile.
    ///
    /// # Panics
    /// When it keeps none.
    pub fn spoil_access_token(&self) {
        let mut kept = self.kept();
        let spoilt = format!("{}x", self.access_token());
        kept["tokens"]["access_token"] = spoilt.into();
        std::fs::write(self.file(), kept.to_string()).expect("the client's file is writable");
    }

    fn kept(&self) -> Value {
        let kept = std::fs::read_to_string(self.file()).expect("the client keeps what it got");
        serde_json::from_str(&kept).expect("the client keeps JSON")
    }

    fn file(&self) -> PathBuf {
        self.memory.path().join("oauth.json")
    }

    /// What it says next.
    pub async fn next(&mut self) -> Said {
        let message = self.conversation.receive().await;
        if let Some(url) = message["authorize"].as_str() {
            return Said::Authorize(url.to_owned());
        }
        if message["connected"] == true {
            return Said::Connected;
        }
        match message.get("error") {
            Some(error) => Said::Failed(error.clone()),
            None => Said::Answer(message),
        }
    }

    /// Lists the tools.
    ///
    /// # Panics
    /// When it cannot.
    pub async fn list(&mut self) -> Vec<String> {
        let answer = self.answer(&json!({"do": "list"})).await;
        let tools = answer["tools"].as_array().expect("a list of tools");
        tools
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    }

    /// Calls a tool and returns the text of its answer.
    ///
    /// # Panics
    /// When it cannot, or the tool fails.
    pub async fn call(&mut self, tool: &str, arguments: &Value) -> String {
        let answer = self.answer(&call_step(tool, arguments)).await;
        assert_eq!(answer["is_error"], false, "{answer}");
        answer["text"].as_str().expect("a text").to_owned()
    }

    /// Calls a tool and returns what the client says first.
    pub async fn try_call(&mut self, tool: &str, arguments: &Value) -> Said {
        self.conversation.send(&call_step(tool, arguments)).await;
        self.next().await
    }

    async fn answer(&mut self, step: &Value) -> Value {
        self.conversation.send(step).await;
        match self.next().await {
            Said::Answer(answer) => answer,
            other => panic!("{step} came to {other:?}"),
        }
    }
}

fn call_step(tool: &str, arguments: &Value) -> Value {
    json!({"do": "call", "tool": tool, "arguments": arguments})
}
