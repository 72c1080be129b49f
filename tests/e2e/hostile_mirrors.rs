//! Headers that repeat what the body says: they must agree with it, and never decide anything.

use e2e::gateway::{Answer, Call, MODERN, call_message, list_message, modern_meta};
use e2e::sink::Sink;
use e2e::warder::Options;
use serde_json::{Value, json};

use crate::support::{Scene, summary};

/// A `tools/call` of `allowed` in 2026-07-28, with the claims in its body.
fn modern_call() -> Value {
    let mut message = call_message(1, "allowed", &json!({}));
    message["params"]["_meta"] = modern_meta();
    message
}

/// The three headers as they should be, in that order; one of them is then changed.
const MIRRORS: [(&str, &str); 3] = [
    ("mcp-protocol-version", MODERN),
    ("mcp-method", "tools/call"),
    ("mcp-name", "allowed"),
];

async fn send_with(scene: &Scene, headers: &[(&str, &str)]) -> Answer {
    let call = headers
        .iter()
        .fold(scene.post(), |call: Call, (name, value)| {
            call.header(name, value)
        });
    call.message(&modern_call()).send().await
}

#[tokio::test]
async fn t17_headers_that_disagree_with_the_body_are_refused() {
    let sink = Sink::builder().tool("allowed").tool("forbidden");
    let scene = Scene::start(Options::default(), sink).await;

    // As it should be, with white space around the values and with base64 for the name.
    assert_eq!(send_with(&scene, &MIRRORS).await.tool_text(), "allowed");
    assert_eq!(
        send_with(
            &scene,
            &[
                MIRRORS[0],
                ("mcp-method", " tools/call\t"),
                ("mcp-name", "  allowed ")
            ]
        )
        .await
        .tool_text(),
        "allowed"
    );
    assert_eq!(
        send_with(
            &scene,
            &[
                MIRRORS[0],
                MIRRORS[1],
                ("mcp-name", "=?base64?YWxsb3dlZA==?=")
            ]
        )
        .await
        .tool_text(),
        "allowed"
    );
    drop(scene.sink.take());

    let different: [(usize, &[&str]); 3] = [
        (
            0,
            &[
                "2025-11-25",
                "2025-06-18",
                "2026-07-29",
                "garbage",
                "=?base64?MjAyNi0wNy0yOA==?=",
            ],
        ),
        (
            1,
            &[
                "tools/list",
                "Tools/Call",
                "TOOLS/CALL",
                "tools%2fcall",
                "tools/call/",
                "=?base64?dG9vbHMvbGlzdA==?=",
                "x",
            ],
        ),
        (
            2,
            &[
                "forbidden",
                "Allowed",
                "ALLOWED",
                "%61llowed",
                "allowed,forbidden",
                "=?base64?Zm9yYmlkZGVu?=",
                "=?base64?!!!?=",
                "=?base64?YWxsb3dlZA==",
                "=?BASE64?YWxsb3dlZA==?=",
                "=?base64??=",
                "=?base64?gICA?=",
                "x",
            ],
        ),
    ];
    for (index, values) in different {
        let mut missing = MIRRORS.to_vec();
        missing.remove(index);
        let mut cases = vec![missing];
        for value in values {
            let mut changed = MIRRORS.to_vec();
            changed[index].1 = value;
            cases.push(changed);
            // Both the right one and another, in either order.
            cases.push([&MIRRORS[..], &[(MIRRORS[index].0, value)]].concat());
            cases.push([&[(MIRRORS[index].0, *value)], &MIRRORS[..]].concat());
        }
        cases.push([&MIRRORS[..], &MIRRORS[index..=index]].concat());
        for case in cases {
            let answer = send_with(&scene, &case).await;
            assert_eq!(summary(&answer), "400 -32020", "{case:?}: {answer:?}");
            scene.assert_nothing_sent(&format!("{case:?}"));
        }
    }
}

#[tokio::test]
async fn t17_mirrors_are_compared_before_the_modern_revision_too() {
    let scene = Scene::start(
        Options::default(),
        Sink::builder().tool("allowed").tool("forbidden"),
    )
    .await;
    let call = |name: &'static str, value: &'static str| {
        scene
            .post()
            .header(name, value)
            .message(&call_message(1, "allowed", &json!({})))
    };
    // Some clients send these headers with older revisions; that is fine as long as they are true.
    assert_eq!(
        call("mcp-method", "tools/call").send().await.tool_text(),
        "allowed"
    );
    assert_eq!(
        call("mcp-name", "allowed").send().await.tool_text(),
        "allowed"
    );
    drop(scene.sink.take());
    for (name, value) in [
        ("mcp-method", "tools/list"),
        ("mcp-name", "forbidden"),
        ("mcp-name", "=?base64?Zm9yYmlkZGVu?="),
    ] {
        let answer = call(name, value).send().await;
        assert_eq!(
            summary(&answer),
            "400 -32020",
            "{name}: {value}: {answer:?}"
        );
        scene.assert_nothing_sent(value);
    }
}

#[tokio::test]
async fn t17_a_modern_header_needs_the_claim_in_the_body() {
    let scene = Scene::start(Options::default(), Sink::builder().tool("allowed")).await;
    let send = async |message: Value| {
        let call = MIRRORS
            .iter()
            .fold(scene.post(), |call, (name, value)| call.header(name, value));
        call.message(&message).send().await
    };
    let mut corpus = Vec::new();
    let mut without_claims = modern_call();
    without_claims["params"]["_meta"] = json!({});
    corpus.push(without_claims);
    corpus.push(call_message(1, "allowed", &json!({})));
    for message in corpus {
        let answer = send(message.clone()).await;
        assert_eq!(summary(&answer), "400 -32602", "{message}: {answer:?}");
        scene.assert_nothing_sent(&message.to_string());
    }
    for version in [json!(null), json!(20_260_728), json!([MODERN])] {
        let mut message = modern_call();
        message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = version;
        let answer = send(message.clone()).await;
        assert!(
            matches!(summary(&answer).as_str(), "400 -32602" | "400 -32020"),
            "{message}: {answer:?}"
        );
        scene.assert_nothing_sent(&message.to_string());
    }
    let answer = scene
        .post()
        .header("mcp-protocol-version", MODERN)
        .header("mcp-method", "tools/list")
        .message(&list_message(1))
        .send()
        .await;
    assert_eq!(
        summary(&answer),
        "400 -32602",
        "a header alone makes no modern request: {answer:?}"
    );
    assert_eq!(send(modern_call()).await.tool_text(), "allowed");
}

#[tokio::test]
async fn t17_mirrors_are_made_for_the_upstream_not_copied() {
    let scene = Scene::start(Options::default(), Sink::builder().tool("allowed")).await;
    let headers = [
        MIRRORS[0],
        MIRRORS[1],
        ("mcp-name", "=?base64?YWxsb3dlZA==?="),
        ("mcp-unknown", "canary"),
        ("x-mcp-name", "canary"),
    ];
    assert_eq!(send_with(&scene, &headers).await.tool_text(), "allowed");
    let sent = scene.sink.take();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].header("mcp-protocol-version"), Some(MODERN));
    assert_eq!(sent[0].header("mcp-method"), Some("tools/call"));
    assert_eq!(sent[0].header("mcp-name"), Some("allowed"));
    assert!(!sent[0].mentions("canary"), "{sent:?}");
}

#[tokio::test]
async fn t17_arguments_that_headers_repeat_are_compared_once_the_list_was_seen() {
    let list = json!({"jsonrpc": "2.0", "id": 1, "result": {"resultType": "complete", "tools": [
        {"name": "echo", "inputSchema": {"type": "object", "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "where": {"type": "object", "properties": {"floor": {"type": "integer", "x-mcp-header": "Floor"}}},
        }}},
        {"name": "plain", "inputSchema": {"type": "object"}},
    ]}});
    let sink = Sink::builder().always(200, "application/json", &list.to_string());
    let scene = Scene::start(Options::default(), sink).await;
    let send = async |tool: &str, headers: &[(&str, &str)], arguments: Value| {
        let call = headers
            .iter()
            .fold(scene.post(), |call, (name, value)| call.header(name, value));
        let message = call_message(1, tool, &arguments);
        summary(&call.modern_message(message).send().await)
    };
    let both = json!({"region": "eu", "where": {"floor": 7}});
    let (eu, seven) = (("mcp-param-region", "eu"), ("mcp-param-floor", "7"));

    assert_eq!(
        send("echo", &[("mcp-param-region", "us")], both.clone()).await,
        "200 result",
        "what nobody has told, nobody compares"
    );
    let listed = scene.post().modern_message(list_message(1)).send().await;
    assert_eq!(listed.tool_names(), ["echo", "plain"]);
    drop(scene.sink.take());

    let encoded = ("mcp-param-region", "=?base64?ZXU=?=");
    let unknown = ("mcp-param-unknown", "canary");
    let good: [(&[(&str, &str)], Value); 5] = [
        (&[eu, seven], both.clone()),
        (&[encoded, ("mcp-param-floor", "007")], both.clone()),
        (&[eu, seven, unknown], both.clone()),
        (&[unknown], json!({"region": null})),
        (&[], json!({})),
    ];
    for (headers, arguments) in good {
        let sent = send("echo", headers, arguments).await;
        assert_eq!(sent, "200 result", "{headers:?}");
        let upstream = scene.sink.take();
        for (name, value) in headers {
            assert_eq!(upstream[0].header(name), Some(*value));
        }
    }
    let bad: [(&[(&str, &str)], Value); 10] = [
        (&[seven], both.clone()),
        (&[eu], both.clone()),
        (&[("mcp-param-region", "EU"), seven], both.clone()),
        (
            &[("mcp-param-region", "=?base64?dXM=?="), seven],
            both.clone(),
        ),
        (
            &[("mcp-param-region", "=?base64?!!?="), seven],
            both.clone(),
        ),
        (&[eu, eu, seven], both.clone()),
        (&[eu, ("mcp-param-floor", "8")], both.clone()),
        (&[eu, ("mcp-param-floor", "7.0")], both.clone()),
        (&[eu], json!({})),
        (
            &[eu, seven],
            json!({"region": "eu", "where": {"floor": null}}),
        ),
    ];
    for (headers, arguments) in bad {
        let sent = send("echo", headers, arguments).await;
        assert_eq!(sent, "400 -32020", "{headers:?}");
        scene.assert_nothing_sent(&format!("{headers:?}"));
    }
    assert_eq!(send("plain", &[eu], both.clone()).await, "200 result");

    // Before the modern revision nobody has to repeat anything, but what is repeated is true.
    let legacy = async |value: Option<&str>| {
        let call = value.map_or(scene.post(), |value| {
            scene.post().header("mcp-param-region", value)
        });
        let call = call.message(&call_message(1, "echo", &both));
        summary(&call.send().await)
    };
    assert_eq!(legacy(None).await, "200 result");
    assert_eq!(legacy(Some("eu")).await, "200 result");
    assert_eq!(legacy(Some("us")).await, "400 -32020");
}
