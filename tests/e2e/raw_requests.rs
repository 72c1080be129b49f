//! Requests written byte by byte, for the stories about HTTP itself.

use std::net::SocketAddr;

use e2e::gateway::call_message;
use e2e::raw::Response;
use e2e::sink::Sink;
use e2e::warder::Options;
use serde_json::json;

use crate::support::Scene;

/// One pod, and an upstream with a tool that is called and one that nobody should reach.
pub(crate) async fn scene() -> Scene {
    Scene::start(
        Options::default(),
        Sink::builder().tool("allowed").tool("smuggled"),
    )
    .await
}

/// The head of a correct request and its body; tests change lines of it.
pub(crate) struct Template {
    pub(crate) address: SocketAddr,
    token: String,
}

impl Template {
    pub(crate) fn of(scene: &Scene) -> Self {
        Self {
            address: scene.warder.pods[0].address(),
            token: scene.ann.token.clone(),
        }
    }

    pub(crate) fn request(&self, target: &str, host_lines: &str) -> String {
        let body = call_message(1, "allowed", &json!({}));
        self.head(
            "POST",
            target,
            host_lines,
            &format!("Content-Length: {}\r\n", body.to_string().len()),
        ) + &body.to_string()
    }

    pub(crate) fn head(&self, method: &str, target: &str, host_lines: &str, more: &str) -> String {
        format!(
            "{method} {target} HTTP/1.1\r\n{host_lines}Authorization: Bearer {}\r\nAccept: application/json, text/event-stream\r\n\
             Content-Type: application/json\r\n{more}\r\n",
            self.token
        )
    }

    pub(crate) fn host(&self) -> String {
        format!("Host: {}\r\n", self.address)
    }
}

/// What a refused request came to: a status, or a connection closed without a word.
pub(crate) fn status(response: Option<&Response>) -> u16 {
    response.map_or(0, |response| response.status)
}
