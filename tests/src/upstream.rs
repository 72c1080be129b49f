//! Real MCP servers, each in a process of its own.

use std::process::Command;

use tempfile::TempDir;

use crate::files::tests_folder;
use crate::process::Process;
use crate::recorded::{RecordFile, Request};

/// A real MCP server that records every request it receives.
#[derive(Debug)]
pub struct Upstream {
    url: String,
    record: RecordFile,
    // Killed before its folder goes.
    _process: Process,
    _folder: TempDir,
}

/// How the FastMCP server is started.
#[derive(Debug, Clone, Copy, Default)]
pub struct FastMcp {
    /// Without sessions.
    pub stateless: bool,
    /// Answers with JSON instead of event streams.
    pub json: bool,
    /// How many tools it has besides echo, add, slow, fail, `secret_admin`, headers and count.
    pub extra_tools: usize,
}

impl FastMcp {
    /// Starts `python/servers/serve.py` and waits until it listens.
    pub async fn start(self) -> Upstream {
        let mut command = Command::new(python());
        command.arg(tests_folder().join("python/servers/serve.py"));
        if self.stateless {
            command.arg("--stateless");
        }
        if self.json {
            command.arg("--json");
        }
        command.args(["--tools", &self.extra_tools.to_string()]);
        Upstream::start("fastmcp server", command).await
    }
}

/// The official everything server of the TypeScript SDK, which speaks the revisions with a handshake.
#[derive(Debug, Clone, Copy)]
pub struct Everything;

impl Everything {
    /// Starts `node/servers/everything.mjs` and waits until it listens.
    pub async fn start(self) -> Upstream {
        let mut command = Command::new("node");
        command.arg(tests_folder().join("node/servers/everything.mjs"));
        Upstream::start("everything server", command).await
    }
}

/// The server that the official conformance suite wants to talk to, on the second generation of the TypeScript SDK.
#[derive(Debug, Clone, Copy)]
pub struct Conformance;

impl Conformance {
    /// Starts `node/servers/conformance.mjs` and waits until it listens. It records nothing.
    pub async fn start(self) -> Upstream {
        let mut command = Command::new("node");
        command.arg(tests_folder().join("node/servers/conformance.mjs"));
        Upstream::start("conformance server", command).await
    }
}

impl Upstream {
    /// Where its MCP endpoint is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Every request that it has received, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.record.read()
    }

    /// Every `tools/call` that it has received, oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|request| request.rpc_method().as_deref() == Some("tools/call"));
        requests
    }

    async fn start(name: &str, mut command: Command) -> Self {
        let folder = TempDir::new().expect("the temporary folder is writable");
        let record = folder.path().join("requests.jsonl");
        command.arg("--record").arg(&record);
        let (process, addresses) = Process::spawn_listening(name, command, folder.path()).await;
        let url = addresses["url"].as_str().expect("a server has a URL");
        Self {
            url: url.to_owned(),
            record: RecordFile(record),
            _process: process,
            _folder: folder,
        }
    }
}

/// The interpreter of the virtual environment that `make` installs the Python requirements in.
#[must_use]
pub fn python() -> std::path::PathBuf {
    let path = tests_folder().join(".cache/venv/bin/python");
    assert!(
        path.exists(),
        "{} is missing: run `make test` once, which installs it",
        path.display()
    );
    path
}
