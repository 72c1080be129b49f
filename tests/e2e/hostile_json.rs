//! Message bodies that a laxer parser behind the gateway could read differently: refused, and nothing is sent.

use e2e::gateway::{LEGACY, MODERN, call_message, list_message, modern_meta};
use e2e::sink::Sink;
use e2e::warder::Options;
use serde_json::{Value, json};

use crate::support::{Scene, summary, user_rule};

/// Ann may use `allowed` and nothing else.
async fn scene() -> Scene {
    let sink = Sink::builder()
        .tool("allowed")
        .tool("forbidden")
        .tool("odd name");
    let scene = Scene::start(Options::default(), sink).await;
    let rules = json!([user_rule(&scene.ann, &["allowed"], &[])]);
    scene.warder.api.set_collaborators("notes", &rules).await;
    let what = "the pod knows the narrower rule";
    e2e::wait::until_true(what, e2e::wait::PATIENCE, async || {
        scene
            .gateway()
            .list("notes", &scene.ann.token)
            .await
            .tool_names()
            == ["allowed"]
    })
    .await;
    drop(scene.sink.take());
    scene
}

/// Sends each body and expects that answer, and nothing upstream.
pub(crate) async fn refuse_all(scene: &Scene, corpus: &[(String, &str)]) {
    assert!(!corpus.is_empty());
    for (body, expected) in corpus {
        let answer = scene.post().body(body.clone()).send().await;
        assert_eq!(summary(&answer), *expected, "{body}\n{answer:?}");
        scene.assert_nothing_sent(body);
    }
    still_works(scene).await;
}

/// A silent upstream proves nothing unless it also hears what it should.
async fn still_works(scene: &Scene) {
    let answer = scene
        .gateway()
        .call("notes", &scene.ann.token, "allowed", &json!({}))
        .await;
    assert_eq!(answer.tool_text(), "allowed");
    assert_eq!(scene.sink.take().len(), 1);
}

#[tokio::test]
async fn t12_a_batch_is_refused_whole_in_every_revision() {
    let scene = scene().await;
    let allowed = call_message(1, "allowed", &json!({}));
    let denied = call_message(2, "forbidden", &json!({}));
    let batches = [
        json!([]),
        json!([allowed]),
        json!([allowed, denied]),
        json!([denied, allowed]),
        json!([[allowed]]),
        json!([1, null]),
    ];
    for version in [
        None,
        Some("2025-03-26"),
        Some("2025-06-18"),
        Some(LEGACY),
        Some(MODERN),
    ] {
        for batch in &batches {
            let mut call = scene.post().message(batch);
            if let Some(version) = version {
                call = call.header("mcp-protocol-version", version);
            }
            let answer = call.send().await;
            assert_eq!(
                summary(&answer),
                "400 -32600",
                "{version:?} {batch}\n{answer:?}"
            );
            scene.assert_nothing_sent(&batch.to_string());
        }
    }
    still_works(&scene).await;
}

#[tokio::test]
async fn t13_a_key_that_comes_twice_is_refused_at_every_depth() {
    let scene = scene().await;
    let envelope = |members: &str| format!(r#"{{"jsonrpc":"2.0","id":1,{members}}}"#);
    let call = |params: &str| envelope(&format!(r#""method":"tools/call","params":{{{params}}}"#));
    let argument = |value: &str| call(&format!(r#""name":"allowed","arguments":{{"a":{value}}}"#));
    let bodies = [
        envelope(r#""method":"tools/list","method":"tools/call","params":{"name":"forbidden"}"#),
        envelope(
            r#""method":"tools/call","params":{"name":"allowed"},"params":{"name":"forbidden"}"#,
        ),
        envelope(
            r#""method":"tools/list","m\u0065thod":"tools/call","params":{"name":"forbidden"}"#,
        ),
        envelope(r#""id":2,"method":"tools/call","params":{"name":"allowed"}"#),
        envelope(r#""jsonrpc":"2.0","method":"tools/call","params":{"name":"allowed"}"#),
        envelope(r#""method":"tools/call","params":{"name":"allowed"},"extra":1,"extra":2"#),
        call(r#""name":"allowed","name":"forbidden""#),
        call(r#""name":"forbidden","name":"allowed""#),
        call(r#""name":"allowed","n\u0061me":"forbidden""#),
        call(r#""\u006e\u0061\u006d\u0065":"allowed","name":"forbidden""#),
        call(r#""name":"allowed","arguments":{},"arguments":{"a":1}"#),
        call(r#""name":"allowed","_meta":{"x":1,"x":2}"#),
        argument(r#"1,"a":2"#),
        argument(r#"1,"\u0061":2"#),
        argument(r#"{"b":1,"b":2}"#),
        argument(r#"{"b":{"c":{"d":1,"d":1}}}"#),
        argument(r#"[{"b":1,"b":2}]"#),
        argument(r#"[[[{"b":1},{"c":1,"c":2}]]]"#),
        argument(r#"{"":1,"":2}"#),
        argument(r#"{"\n":1,"\u000a":2}"#),
        argument(r#"{"\ud83d\ude00":1,"😀":2}"#),
    ];
    let corpus: Vec<_> = bodies
        .into_iter()
        .map(|body| (body, "400 -32600"))
        .collect();
    refuse_all(&scene, &corpus).await;
}

#[tokio::test]
async fn t13_what_is_accepted_is_sent_byte_for_byte() {
    let scene = scene().await;
    let bodies = [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools\/call","params":{"name":"allowed","arguments":{}}}"#,
        r#"{ "params" : {"arguments":{"z":1.0,"a":1e2,"big":123456789012345678901234567890,"neg":-0.0},"name":"\u0061llowed"},"method":"tools/call","id":"x-1","jsonrpc":"2.0"}"#,
        "{\"jsonrpc\":\"2.0\",\r\n\t\"id\":0,\"method\":\"tools/call\",\"params\":{\"name\":\"allowed\",\"unknown\":{\"kept\":true},\"arguments\":{\"Name\":1,\"name\":2,\"NAME\":3}},\"other\":[]}\n",
        r#"{"jsonrpc":"2.0","id":9007199254740991,"method":"tools/call","params":{"name":"allowed","arguments":{"text":"ſ K \u2028 😀 é e\u0301"}}}"#,
    ];
    for body in bodies {
        let answer = scene.post().body(body).send().await;
        assert_eq!(answer.tool_text(), "allowed", "{body}");
        let sent = scene.sink.take();
        assert_eq!(sent.len(), 1, "{sent:?}");
        assert_eq!(sent[0].body, body);
    }
}

#[tokio::test]
async fn t14_a_key_that_only_differs_in_case_from_a_known_one_is_refused() {
    let scene = scene().await;
    let twins = [
        ("method", vec!["Method", "METHOD", "methoD", "ｍｅｔｈｏｄ"]),
        (
            "params",
            vec!["Params", "PARAMS", "param\u{17f}", "PARAM\u{17f}"],
        ),
        ("id", vec!["Id", "ID", "iD"]),
        ("jsonrpc", vec!["JSONRPC", "JsonRpc", "j\u{17f}onrpc"]),
    ];
    let mut corpus = Vec::new();
    for (known, variants) in &twins {
        for variant in variants {
            // Beside the known key, and in its place.
            let mut beside = call_message(1, "allowed", &json!({}));
            beside[*variant] = if *known == "params" {
                json!({"name": "forbidden"})
            } else {
                beside[*known].clone()
            };
            corpus.push((beside.to_string(), "400 -32600"));
            let mut instead = call_message(1, "forbidden", &json!({}));
            let value = instead
                .as_object_mut()
                .and_then(|object| object.remove(*known));
            instead[*variant] = value.unwrap_or_default();
            corpus.push((instead.to_string(), "400 -32600"));
        }
    }
    for variant in [
        "Name",
        "NAME",
        "nAme",
        "ｎａｍｅ",
        "Arguments",
        "ARGUMENTS",
        "argument\u{17f}",
        "_Meta",
        "_META",
    ] {
        let mut message = call_message(1, "allowed", &json!({}));
        message["params"][variant] = json!("forbidden");
        corpus.push((message.to_string(), "400 -32600"));
    }
    refuse_all(&scene, &corpus).await;
}

#[tokio::test]
async fn t15_a_name_is_compared_byte_by_byte() {
    let scene = scene().await;
    let long = "a".repeat(129);
    let names = [
        "forbidden",
        "nothing",
        "",
        "Allowed",
        "ALLOWED",
        "allowed ",
        " allowed",
        "allowed\t",
        "allowed\n",
        "allowed\u{0}",
        "allowed\u{0}x",
        "allowed\u{200b}",
        "\u{feff}allowed",
        "\u{430}llowed",
        "allowe\u{501}",
        "ａllowed",
        "a\u{301}llowed",
        "%61llowed",
        "allowed%00",
        "allowed%2e",
        "allowed/../forbidden",
        "./allowed",
        "allowed/",
        "notes/allowed",
        "notes__allowed",
        "notes.allowed",
        "allowed;x",
        "allowed?x",
        "*",
        "allow*",
        "allowed,forbidden",
        "allowed\u{202e}",
        "\u{1}allowed",
        "odd name",
        &long,
    ];
    for name in names {
        let answer = scene
            .gateway()
            .call("notes", &scene.ann.token, name, &json!({}))
            .await;
        assert_eq!(summary(&answer), "200 -32602", "{name:?}: {answer:?}");
        assert_eq!(
            answer.message()["error"]["message"],
            format!("Unknown tool: {name}")
        );
        assert_eq!(answer.message()["id"], 1);
        scene.assert_nothing_sent(name);
    }
    for name in [
        json!(null),
        json!(1),
        json!(["allowed"]),
        json!({"allowed": 1}),
        json!(true),
    ] {
        let mut message = call_message(1, "", &json!({}));
        message["params"]["name"] = name;
        let answer = scene.post().message(&message).send().await;
        assert!(
            ["400 -32602", "200 -32602", "400 -32600"].contains(&summary(&answer).as_str()),
            "{message}: {answer:?}"
        );
        scene.assert_nothing_sent(&message.to_string());
    }
    still_works(&scene).await;

    // Where everything is allowed, a name outside of the alphabet still cannot be called.
    scene
        .warder
        .api
        .set_collaborators(
            "notes",
            &json!([{"subject": scene.ann.subject, "role": "mcp-server-user"}]),
        )
        .await;
    e2e::wait::until_true(
        "the pod knows the wider rule",
        e2e::wait::PATIENCE,
        async || {
            scene
                .gateway()
                .call("notes", &scene.ann.token, "forbidden", &json!({}))
                .await
                .body
                .contains("result")
        },
    )
    .await;
    drop(scene.sink.take());
    for name in ["odd name", "caf\u{e9}", "forbidden\u{0}", &long] {
        let answer = scene
            .gateway()
            .call("notes", &scene.ann.token, name, &json!({}))
            .await;
        assert_eq!(summary(&answer), "200 -32602", "{name:?}: {answer:?}");
        scene.assert_nothing_sent(name);
    }
}

#[tokio::test]
async fn t16_only_known_methods_pass_and_requests_have_an_id() {
    let scene = scene().await;
    let unknown = [
        "Tools/Call",
        "TOOLS/CALL",
        "tools/call\u{0}",
        "tools/call ",
        " tools/call",
        "tools//call",
        "tools/Call",
        "/tools/call",
        "tools/call/",
        "tools.call",
        "tools/execute",
        "rpc.discover",
        "",
        "*",
        "initialize\u{200b}",
        "admin/everything",
        "tools/call?x=1",
        "\u{ff54}ools/call",
    ];
    for method in unknown {
        let message =
            json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"name": "forbidden"}});
        let answer = scene.post().message(&message).send().await;
        assert_eq!(summary(&answer), "200 -32601", "{method:?}: {answer:?}");
        assert_eq!(answer.message()["id"], 1);
        scene.assert_nothing_sent(method);

        // A method that no header can carry cannot be sent this way at all.
        if method.bytes().all(|byte| matches!(byte, 0x21..=0x7e)) && !method.is_empty() {
            let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {}});
            let answer = scene.post().modern_message(message).send().await;
            assert_eq!(summary(&answer), "404 -32601", "{method:?}: {answer:?}");
            scene.assert_nothing_sent(method);
        }
    }
    for method in [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
    ] {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {}});
        let answer = scene.post().modern_message(message).send().await;
        assert_eq!(
            summary(&answer),
            "404 -32601",
            "{method} is gone in 2026-07-28: {answer:?}"
        );
        scene.assert_nothing_sent(method);
    }

    let no_id = |method: &str| {
        json!({"jsonrpc": "2.0", "method": method, "params": {"name": "allowed"}}).to_string()
    };
    let with = |member: &str, value: Value| {
        let mut message = call_message(1, "allowed", &json!({}));
        message[member] = value;
        message.to_string()
    };
    let corpus = [
        (no_id("tools/call"), "400 -32600"),
        (no_id("tools/list"), "400 -32600"),
        (no_id("initialize"), "400 -32600"),
        (no_id("resources/read"), "400 -32600"),
        (with("id", json!(null)), "400 -32600"),
        (with("id", json!(1.5)), "400 -32600"),
        (with("id", json!({})), "400 -32600"),
        (with("id", json!([1])), "400 -32600"),
        (with("id", json!(true)), "400 -32600"),
        (with("method", json!(null)), "400 -32600"),
        (with("method", json!(["tools/call"])), "400 -32600"),
        (with("method", json!({"tools/call": 1})), "400 -32600"),
        (with("jsonrpc", json!("1.0")), "400 -32600"),
        (with("jsonrpc", json!(2.0)), "400 -32600"),
        (with("jsonrpc", json!(null)), "400 -32600"),
        (
            json!({"id": 1, "method": "tools/call", "params": {"name": "allowed"}}).to_string(),
            "400 -32600",
        ),
        (json!({"jsonrpc": "2.0", "id": 1}).to_string(), "400 -32600"),
        (json!({}).to_string(), "400 -32600"),
    ];
    refuse_all(&scene, &corpus).await;
}

#[tokio::test]
async fn t18_access_is_the_same_in_every_revision() {
    let scene = scene().await;
    for version in [
        None,
        Some("2025-03-26"),
        Some("2025-06-18"),
        Some(LEGACY),
        Some(MODERN),
    ] {
        let send = async |message: Value| match version {
            None => scene.post().message(&message).send().await,
            Some(MODERN) => scene.post().modern_message(message).send().await,
            Some(version) => {
                scene
                    .post()
                    .header("mcp-protocol-version", version)
                    .message(&message)
                    .send()
                    .await
            }
        };
        assert_eq!(
            send(call_message(1, "allowed", &json!({})))
                .await
                .tool_text(),
            "allowed",
            "{version:?}"
        );
        assert_eq!(
            send(list_message(1)).await.tool_names(),
            ["allowed"],
            "{version:?}"
        );
        drop(scene.sink.take());
        let answer = send(call_message(1, "forbidden", &json!({}))).await;
        assert_eq!(summary(&answer), "200 -32602", "{version:?}: {answer:?}");
        scene.assert_nothing_sent("forbidden");
    }
    for version in [
        "1999-01-01",
        "2025-11-24",
        "2026-07-29",
        "2027-01-01",
        "9999-99-99",
        "latest",
        "2025-11-25, 2026-07-28",
        "1",
        "-",
    ] {
        for tool in ["allowed", "forbidden"] {
            let call = scene.post().header("mcp-protocol-version", version);
            let answer = call
                .message(&call_message(1, tool, &json!({})))
                .send()
                .await;
            assert_eq!(answer.status, 400, "{version}: {answer:?}");
            scene.assert_nothing_sent(version);
        }
        // In the body as well: a revision that nobody speaks.
        let mut message = call_message(1, "allowed", &json!({}));
        message["params"]["_meta"] = modern_meta();
        message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = version.into();
        let call = scene
            .post()
            .header("mcp-protocol-version", version)
            .header("mcp-method", "tools/call")
            .header("mcp-name", "allowed");
        let answer = call.message(&message).send().await;
        assert_eq!(answer.status, 400, "{version}: {answer:?}");
        scene.assert_nothing_sent(version);
    }
}
