//! Handles that servers give to clients: worth nothing to anybody else, and the server's own again when they come back.

use e2e::api::Caller;
use e2e::event_stream::parse_all;
use e2e::gateway::{Answer, Gateway, MODERN, modern_meta};
use e2e::sink::Sink;
use e2e::warder::Options;
use serde_json::{Value, json};

use crate::support::{Scene, summary, until_reachable};

/// The handles, in the text in which the server writes them.
const CURSOR: &str = r#""up\u0073tream \/ page 2""#;
const STATE: &str = r#""upstream st\u0061te""#;

/// Two pods, two servers behind which the same upstream answers everything alike, and two people who may use both.
async fn scene(content_type: &str, body: &str) -> (Scene, Caller) {
    let options = Options {
        pods: 2,
        ..Options::default()
    };
    let sink = Sink::builder().always(200, content_type, body);
    let scene = Scene::start(options, sink).await;
    let bob = scene.warder.api.person("bob@example.com").await;
    for server in ["notes", "others"] {
        scene
            .warder
            .api
            .register(
                server,
                &scene.sink.url(),
                &json!({"type": "none"}),
                &[&scene.ann, &bob],
            )
            .await;
        for caller in [&scene.ann, &bob] {
            until_reachable(&scene.warder, server, caller).await;
        }
    }
    (scene, bob)
}

fn answer_with_handles() -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[],"x":1.50,"nextCursor":{CURSOR},"requestState":{STATE}}}}}"#
    )
}

async fn send(gateway: &Gateway, server: &str, caller: &Caller, body: &str) -> Answer {
    let message: Value = serde_json::from_str(body).expect("JSON");
    let mut call = gateway.post(server).token(&caller.token);
    if body.contains("_meta") {
        call = call
            .header("mcp-protocol-version", MODERN)
            .header("mcp-method", message["method"].as_str().unwrap_or_default());
        if let Some(name) = message["params"]["name"].as_str() {
            call = call.header("mcp-name", name);
        }
    }
    call.body(body.to_owned()).send().await
}

#[tokio::test]
async fn t24_a_cursor_is_worth_nothing_to_anybody_else() {
    let (scene, bob) = scene("application/json", &answer_with_handles()).await;
    let pods = scene.warder.gateways();
    let page = |method: &str, cursor: &str| {
        format!(
            r#"{{"jsonrpc":"2.0", "id":1,"method":"{method}","params":{{"cursor":{cursor}, "x":1.50}}}}"#
        )
    };
    for method in [
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
    ] {
        let first = send(&pods[0], "notes", &scene.ann, &page(method, "null")).await;
        let cursor = first.json()["result"]["nextCursor"].to_string();
        let expected = answer_with_handles().replace(CURSOR, &cursor);
        assert_eq!(first.body, expected, "nothing else has changed");
        assert!(!cursor.contains("upstream") && !cursor.contains("page"));
        drop(scene.sink.take());

        // Any pod gives the server its own text back.
        let next = send(&pods[1], "notes", &scene.ann, &page(method, &cursor)).await;
        assert_eq!(next.status, 200, "{next:?}");
        assert_eq!(scene.sink.take()[0].body, page(method, CURSOR));

        let mut changed = cursor.clone();
        changed.replace_range(10..11, if &cursor[10..11] == "A" { "B" } else { "A" });
        for (what, server, caller, cursor) in [
            ("somebody else", "notes", &bob, cursor.as_str()),
            ("another server", "others", &scene.ann, &cursor),
            ("the server's own", "notes", &scene.ann, CURSOR),
            ("a changed one", "notes", &scene.ann, &changed),
        ] {
            let answer = send(&pods[1], server, caller, &page(method, cursor)).await;
            assert_eq!(summary(&answer), "400 -32602", "{what}: {answer:?}");
            scene.assert_nothing_sent(what);
        }
        let empty = send(&pods[0], "notes", &scene.ann, &page(method, "\"\"")).await;
        assert_eq!(empty.status, 200, "the empty string is a cursor: {empty:?}");
        assert_eq!(scene.sink.take()[0].body, page(method, "\"\""));
    }
}

#[tokio::test]
async fn t24_a_request_state_is_for_its_caller_and_the_same_request() {
    let (scene, bob) = scene("application/json", &answer_with_handles()).await;
    let pods = scene.warder.gateways();
    let call = |method: &str, name: &str, state: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"name":"{name}","requestState":{state},"_meta":{}}}}}"#,
            modern_meta()
        )
    };
    let first = send(
        &pods[0],
        "notes",
        &scene.ann,
        &call("tools/call", "echo", "null"),
    )
    .await;
    let state = first.json()["result"]["requestState"].to_string();
    assert_eq!(first.body, answer_with_handles().replace(STATE, &state));
    drop(scene.sink.take());

    let again = call("tools/call", "echo", &state);
    let answer = send(&pods[1], "notes", &scene.ann, &again).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(scene.sink.take()[0].body, call("tools/call", "echo", STATE));
    for (what, server, caller, body) in [
        ("somebody else", "notes", &bob, again.clone()),
        ("another server", "others", &scene.ann, again),
        (
            "another tool",
            "notes",
            &scene.ann,
            call("tools/call", "add", &state),
        ),
        (
            "another method",
            "notes",
            &scene.ann,
            call("prompts/get", "echo", &state),
        ),
        (
            "the server's own",
            "notes",
            &scene.ann,
            call("tools/call", "echo", STATE),
        ),
    ] {
        let answer = send(&pods[1], server, caller, &body).await;
        assert_eq!(summary(&answer), "400 -32602", "{what}: {answer:?}");
        scene.assert_nothing_sent(what);
    }
}

#[tokio::test]
async fn t24_an_event_id_resumes_its_callers_stream_on_any_pod_and_nobody_elses() {
    let answer = answer_with_handles();
    let events = format!(": hello\n\nid: ev-1 é\ndata:\n\nid: ev-2\ndata: {answer}\n\n");
    let (scene, bob) = scene("text/event-stream", &events).await;
    let pods = scene.warder.gateways();
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"resources/list"}"#;
    let streamed = send(&pods[0], "notes", &scene.ann, list).await;
    assert!(
        !streamed.body.contains("ev-") && !streamed.body.contains("page 2"),
        "{streamed:?}"
    );
    let ids: Vec<&str> = streamed
        .body
        .lines()
        .filter_map(|line| line.strip_prefix("id: "))
        .collect();
    assert_eq!(ids.len(), 2, "{streamed:?}");
    drop(scene.sink.take());
    let resume = async |server: &str, caller: &Caller, id: &str| {
        let get = pods[1].get(server).token(&caller.token);
        get.header_bytes("last-event-id", id.as_bytes())
            .send()
            .await
    };
    for (id, own) in ids.iter().zip(["ev-1 é", "ev-2"]) {
        let resumed = resume("notes", &scene.ann, id).await;
        assert_eq!(resumed.status, 200, "{resumed:?}");
        assert_eq!(scene.sink.take()[0].header("last-event-id"), Some(own));
        // The answer that the client came for, with a cursor that leads on.
        let message = parse_all(&resumed.body)[0].json();
        let cursor = &message["result"]["nextCursor"];
        let next = json!({"jsonrpc": "2.0", "id": 1, "method": "resources/list", "params": {"cursor": cursor}});
        assert_eq!(
            send(&pods[0], "notes", &scene.ann, &next.to_string())
                .await
                .status,
            200
        );
        assert!(scene.sink.take()[0].body.contains(CURSOR));
        for (what, server, caller, id) in [
            ("somebody else", "notes", &bob, *id),
            ("another server", "others", &scene.ann, id),
            ("the server's own", "notes", &scene.ann, own),
        ] {
            let answer = resume(server, caller, id).await;
            assert_eq!(
                answer.refusal(),
                (400, "InvalidRequest".to_owned()),
                "{what}"
            );
            scene.assert_nothing_sent(what);
        }
    }
}
