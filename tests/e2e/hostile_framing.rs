//! Requests with two readings of where they end, and requests that never end.

use std::time::{Duration, Instant};

use e2e::gateway::call_message;
use e2e::raw::{Connection, exchange};
use serde_json::json;

use crate::raw_requests::{Template, scene, status};

const CLOSES_WITHIN: Duration = Duration::from_secs(5);

#[tokio::test]
async fn t65_a_request_has_one_length() {
    let scene = scene().await;
    let template = Template::of(&scene);
    let body = call_message(1, "allowed", &json!({})).to_string();
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    // What a desynchronized server would take for a second request.
    let smuggled_body = call_message(2, "smuggled", &json!({})).to_string();
    let length = format!("Content-Length: {}\r\n", smuggled_body.len());
    let smuggled =
        template.head("POST", "/mcp/notes/server", &template.host(), &length) + &smuggled_body;

    let chunked_well = template.head(
        "POST",
        "/mcp/notes/server",
        &template.host(),
        "Transfer-Encoding: chunked\r\n",
    ) + &chunked;
    let response = exchange(template.address, chunked_well).await;
    assert_eq!(status(response.as_ref()), 200, "{response:?}");
    drop(scene.sink.take());

    let with_length = |more: &str| format!("Content-Length: {}\r\n{more}", body.len());
    let framings = [
        (with_length("Transfer-Encoding: chunked\r\n"), &chunked),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n".to_owned(),
            &chunked,
        ),
        (with_length("Transfer-Encoding: identity\r\n"), &body),
        (with_length("Transfer-Encoding: gzip\r\n"), &body),
        ("Transfer-Encoding: xchunked\r\n".to_owned(), &chunked),
        (
            "Transfer-Encoding: chunked, identity\r\n".to_owned(),
            &chunked,
        ),
        ("Transfer-Encoding: gzip, chunked\r\n".to_owned(), &chunked),
        (
            "Transfer-Encoding: chunked, chunked\r\n".to_owned(),
            &chunked,
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n".to_owned(),
            &chunked,
        ),
        ("Transfer-Encoding : chunked\r\n".to_owned(), &chunked),
        ("Transfer-Encoding:\u{b}chunked\r\n".to_owned(), &chunked),
        ("Transfer-Encoding:\r\n chunked\r\n".to_owned(), &chunked),
        (with_length("Content-Length: 0\r\n"), &body),
        (
            with_length(&format!("Content-Length: {}\r\n", body.len() + 1)),
            &body,
        ),
        (
            format!("Content-Length: {0}, {1}\r\n", body.len(), body.len() + 1),
            &body,
        ),
        (format!("Content-Length: +{}\r\n", body.len()), &body),
        (format!("Content-Length: -{}\r\n", body.len()), &body),
        (format!("Content-Length: 0x{:x}\r\n", body.len()), &body),
        (format!("Content-Length: {} \u{b}\r\n", body.len()), &body),
        (format!("Content-Length : {}\r\n", body.len()), &body),
        ("Content-Length: 18446744073709551616\r\n".to_owned(), &body),
    ];
    let mut accepted = Vec::new();
    for (framing, body) in &framings {
        let mut connection = Connection::open(template.address).await;
        connection
            .write(
                template.head("POST", "/mcp/notes/server", &template.host(), framing)
                    + body
                    + &smuggled,
            )
            .await;
        let response = connection.response(CLOSES_WITHIN).await;
        if !matches!(status(response.as_ref()), 0 | 400 | 411 | 413 | 415 | 501)
            || !scene.sink.take().is_empty()
        {
            accepted.push((framing, response));
            continue;
        }
        connection.closed(CLOSES_WITHIN).await;
    }
    assert!(accepted.is_empty(), "{accepted:#?}");
    for body in [
        "g\r\n{}\r\n0\r\n\r\n",
        "-1\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}X\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        "2\n{}\n0\n\n",
    ] {
        let mut connection = Connection::open(template.address).await;
        connection
            .write(
                template.head(
                    "POST",
                    "/mcp/notes/server",
                    &template.host(),
                    "Transfer-Encoding: chunked\r\n",
                ) + body
                    + &smuggled,
            )
            .await;
        let response = connection.response(CLOSES_WITHIN).await;
        assert!(
            matches!(status(response.as_ref()), 0 | 400),
            "{body:?}: {response:?}"
        );
        connection.closed(CLOSES_WITHIN).await;
        scene.assert_nothing_sent(body);
    }
}

#[tokio::test]
async fn t65_only_http_1_1_is_spoken_and_nothing_is_upgraded() {
    let scene = scene().await;
    let template = Template::of(&scene);
    let body = call_message(1, "allowed", &json!({})).to_string();
    let request = template.request("/mcp/notes/server", &template.host());
    for version in [
        "HTTP/1.0", "HTTP/0.9", "HTTP/1.2", "HTTP/9.9", "HTTP/1", "http/1.1", "ICAP/1.0",
    ] {
        let mut connection = Connection::open(template.address).await;
        connection
            .write(request.replacen("HTTP/1.1", version, 1))
            .await;
        let response = connection.response(CLOSES_WITHIN).await;
        assert!(
            matches!(status(response.as_ref()), 0 | 400 | 426 | 505),
            "{version}: {response:?}"
        );
        connection.closed(CLOSES_WITHIN).await;
        scene.assert_nothing_sent(version);
    }
    let length = format!("Content-Length: {}\r\n", body.len());
    for upgrade in [
        "Connection: Upgrade\r\nUpgrade: websocket\r\n",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    ] {
        let request = template.head(
            "POST",
            "/mcp/notes/server",
            &template.host(),
            &format!("{upgrade}{length}"),
        ) + &body;
        let response = exchange(template.address, request).await;
        assert_ne!(status(response.as_ref()), 101, "{upgrade:?}: {response:?}");
        for sent in scene.sink.take() {
            assert!(
                sent.header("upgrade").is_none()
                    && !sent.mentions("h2c")
                    && !sent.mentions("websocket"),
                "{sent:?}"
            );
        }
    }
    for method in ["CONNECT", "TRACE", "PUT", "PATCH", "BREW", "post"] {
        let request = template.head(method, "/mcp/notes/server", &template.host(), &length) + &body;
        let response = exchange(template.address, request).await;
        assert!(
            matches!(status(response.as_ref()), 0 | 400 | 405 | 501),
            "{method}: {response:?}"
        );
        scene.assert_nothing_sent(method);
    }
    // Line ends without a carriage return are two readings of one request.
    let response = exchange(template.address, request.replace("\r\n", "\n")).await;
    assert!(
        matches!(status(response.as_ref()), 0 | 200 | 400),
        "{response:?}"
    );
    assert!(scene.sink.take().len() <= 1);
}

#[tokio::test]
async fn t67_a_client_that_never_finishes_is_let_go() {
    let scene = scene().await;
    let template = Template::of(&scene);
    let start = Instant::now();
    let reap = async |first: String, within: u64| {
        let mut connection = Connection::open(template.address).await;
        connection.write(first).await;
        let received = connection.closed(Duration::from_secs(within)).await;
        (
            start.elapsed(),
            String::from_utf8_lossy(&received).into_owned(),
        )
    };
    let half_head = format!(
        "POST /mcp/notes/server HTTP/1.1\r\n{}Authorization: Bear",
        template.host()
    );
    let half_body = template.head(
        "POST",
        "/mcp/notes/server",
        &template.host(),
        "Content-Length: 500\r\n",
    ) + "{\"jsonrpc\":";
    let half_chunk = template.head(
        "POST",
        "/mcp/notes/server",
        &template.host(),
        "Transfer-Encoding: chunked\r\n",
    ) + "ff\r\n{";
    let legitimate = async {
        // The connections above are held all the while; others are served as ever.
        let mut served = 0;
        while start.elapsed() < Duration::from_secs(2) {
            assert_eq!(
                scene
                    .gateway()
                    .call("notes", &scene.ann.token, "allowed", &json!({}))
                    .await
                    .tool_text(),
                "allowed"
            );
            served += 1;
        }
        served
    };
    let (head, body, chunk, silent, served) = tokio::join!(
        reap(half_head, 14),
        reap(half_body, 34),
        reap(half_chunk, 34),
        reap(String::new(), 34),
        legitimate
    );
    assert!(served > 10, "{served}");
    for (elapsed, received) in [&head, &body, &chunk, &silent] {
        assert!(
            *elapsed > Duration::from_millis(500),
            "slow is not yet hostile: {elapsed:?} {received}"
        );
        assert!(!received.contains(" 200 "), "{received}");
    }
    let sent = scene.sink.take();
    assert_eq!(sent.len(), served, "only the complete requests were sent");
}
