//! What changes while a call is under way, and what a server without auth of its own is sent.

use std::time::Duration;

use e2e::gateway::call_message;
use e2e::raw::Connection;
use e2e::wait::{PATIENCE, until_true};
use serde_json::json;

use crate::raw_requests::{Template, scene};
use crate::support::summary;

#[tokio::test]
async fn t10_a_token_revoked_while_the_body_arrives_is_refused() {
    let scene = scene().await;
    let template = Template::of(&scene);
    let body = call_message(1, "allowed", &json!({})).to_string();
    let (begin, end) = body.split_at(10);
    let length = format!("Content-Length: {}\r\n", body.len());
    let head = template.head("POST", "/mcp/notes/server", &template.host(), &length);
    let mut slow = Connection::open(template.address).await;
    slow.write(head + begin).await;
    scene.warder.api.revoke(&scene.ann).await;
    until_true("the revocation is known", PATIENCE, async || {
        let message = call_message(2, "allowed", &json!({}));
        scene.post().message(&message).send().await.status == 401
    })
    .await;
    drop(scene.sink.take());
    slow.write(end).await;
    let response = slow.response(Duration::from_secs(5)).await;
    assert_eq!(
        response.as_ref().map(|response| response.status),
        Some(401),
        "{response:?}"
    );
    scene.assert_nothing_sent("a token that was revoked");
}

#[tokio::test]
async fn t24_calls_as_tasks_do_not_pass_while_their_handles_are_bare() {
    let scene = scene().await;
    for method in [
        "tasks/get",
        "tasks/result",
        "tasks/list",
        "tasks/cancel",
        "tasks/update",
    ] {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"taskId": "of-somebody"}});
        let answer = scene.post().message(&message).send().await;
        assert_eq!(summary(&answer), "200 -32601", "{method}: {answer:?}");
    }
    let mut message = call_message(1, "allowed", &json!({}));
    message["params"]["task"] = json!({"ttl": 1000});
    let answer = scene.post().message(&message).send().await;
    assert_eq!(summary(&answer), "200 -32602", "{answer:?}");
    scene.assert_nothing_sent("a task");
}

#[tokio::test]
async fn an_override_is_sent_to_a_server_that_has_no_auth_of_its_own() {
    let scene = scene().await;
    let api = &scene.warder.api;
    api.set_override("notes", &scene.ann, &json!({"X-Own": "mine"}))
        .await;
    until_true("the override is sent", PATIENCE, async || {
        drop(scene.sink.take());
        let message = call_message(1, "allowed", &json!({}));
        drop(scene.post().message(&message).send().await);
        scene
            .sink
            .take()
            .iter()
            .any(|request| request.header("x-own") == Some("mine"))
    })
    .await;
}

#[tokio::test]
async fn t18_get_and_delete_are_held_to_their_version_too() {
    let scene = scene().await;
    let template = Template::of(&scene);
    for (method, version, expected) in [
        ("DELETE", "2026-07-28", 405),
        ("GET", "2026-07-28", 405),
        ("GET", "1999-01-01", 400),
        ("DELETE", "garbage", 400),
    ] {
        let more = format!("MCP-Protocol-Version: {version}\r\n");
        let head = template.head(method, "/mcp/notes/server", &template.host(), &more);
        let response = e2e::raw::exchange(template.address, head).await;
        let status = response.as_ref().map(|response| response.status);
        assert_eq!(status, Some(expected), "{method} {version}: {response:?}");
    }
    scene.assert_nothing_sent("a version that GET and DELETE do not have");
}
