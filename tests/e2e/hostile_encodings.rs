//! Bodies that are too large, encoded in another way, or no JSON at all.

use e2e::gateway::call_message;
use e2e::sink::Sink;
use e2e::warder::Options;
use serde_json::json;

use crate::hostile_json::refuse_all;
use crate::support::{Scene, summary};

#[tokio::test]
async fn t19_size_encoding_and_syntax_have_one_reading() {
    const LIMIT: usize = 64 * 1024;
    let options = Options {
        pod_environment: vec![("WARDER_MAX_BODY_SIZE", "64KiB".to_owned())],
        ..Options::default()
    };
    let scene = Scene::start(options, Sink::builder().tool("allowed")).await;
    let padded = |tool: &str, size: usize| {
        let empty = call_message(1, tool, &json!({"padding": ""})).to_string();
        call_message(1, tool, &json!({"padding": "p".repeat(size - empty.len())})).to_string()
    };

    let exact = scene.post().body(padded("allowed", LIMIT)).send().await;
    assert_eq!(exact.tool_text(), "allowed");
    assert_eq!(
        scene.sink.take().first().map(|request| request.body.len()),
        Some(LIMIT)
    );
    for size in [LIMIT + 1, LIMIT * 2, LIMIT * 16] {
        let answer = scene.post().body(padded("allowed", size)).try_send().await;
        // The connection may be closed while the rest of the body is still being written.
        if let Ok(answer) = answer {
            assert_eq!(
                answer.refusal(),
                (413, "PayloadTooLarge".to_owned()),
                "{size}"
            );
        }
        scene.assert_nothing_sent("too large");
        let chunks = padded("allowed", size)
            .into_bytes()
            .chunks(1024)
            .map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()))
            .collect::<Vec<_>>();
        let chunked = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
        if let Ok(answer) = scene.post().body(chunked).try_send().await {
            assert_eq!(
                answer.refusal(),
                (413, "PayloadTooLarge".to_owned()),
                "{size} in chunks"
            );
        }
        scene.assert_nothing_sent("too large, in chunks");
    }

    for encoding in [
        "gzip",
        "br",
        "deflate",
        "zstd",
        "x-unknown",
        "gzip, identity",
    ] {
        let answer = scene
            .post()
            .header("content-encoding", encoding)
            .message(&call_message(1, "allowed", &json!({})))
            .send()
            .await;
        assert_eq!(
            answer.refusal(),
            (415, "InvalidRequest".to_owned()),
            "{encoding}"
        );
        scene.assert_nothing_sent(encoding);
    }
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/json-rpc",
        "application/jsonx",
        "text/json",
        "*/*",
        "application/json; charset=utf-16",
        "json",
    ] {
        let call = scene
            .gateway()
            .request(reqwest::Method::POST, "notes")
            .token(&scene.ann.token);
        let call = call
            .header("accept", "application/json, text/event-stream")
            .header("content-type", content_type);
        let answer = call
            .message(&call_message(1, "allowed", &json!({})))
            .send()
            .await;
        assert_eq!(
            answer.refusal(),
            (415, "InvalidRequest".to_owned()),
            "{content_type}"
        );
        scene.assert_nothing_sent(content_type);
    }
    let call = scene
        .gateway()
        .request(reqwest::Method::POST, "notes")
        .token(&scene.ann.token)
        .header("accept", "application/json, text/event-stream");
    let answer = call
        .message(&call_message(1, "allowed", &json!({})))
        .send()
        .await;
    assert_eq!(
        answer.refusal(),
        (415, "InvalidRequest".to_owned()),
        "no content type"
    );
    scene.assert_nothing_sent("no content type");

    let good = call_message(1, "allowed", &json!({})).to_string();
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let utf16_marked: Vec<u8> = std::iter::once(0xFEFF)
        .chain(good.encode_utf16())
        .flat_map(u16::to_be_bytes)
        .collect();
    let marked = [b"\xEF\xBB\xBF", good.as_bytes()].concat();
    let invalid = good
        .as_bytes()
        .iter()
        .map(|byte| if *byte == b'a' { 0xFF } else { *byte })
        .collect::<Vec<_>>();
    let overlong = [
        br#"{"jsonrpc":"2.0","id":1,"method":"tools"#.as_slice(),
        b"\xC0\xAF",
        br#"call","params":{"name":"allowed"}}"#,
    ]
    .concat();
    for (case, body) in [
        ("UTF-16", utf16),
        ("UTF-16 with mark", utf16_marked),
        ("UTF-8 with mark", marked),
        ("not UTF-8", invalid),
        ("overlong", overlong),
    ] {
        let answer = scene.post().body(body).send().await;
        assert_eq!(summary(&answer), "400 -32700", "{case}: {answer:?}");
        scene.assert_nothing_sent(case);
    }
    let deep = |depth: usize| {
        let argument = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        good.replace(
            r#""arguments":{}"#,
            &format!(r#""arguments":{{"a":{argument}}}"#),
        )
    };
    let syntax = [
        "",
        " ",
        "{",
        "hello",
        "{]",
        "{'jsonrpc':'2.0'}",
        "NaN",
        "{\"a\":1,}",
        "[1,]",
        "// x\n{}",
        "{}{}",
        "{\"a\":01}",
        "{\"a\":\"\t\"}",
        "\u{feff}{}",
    ];
    let mut corpus: Vec<(String, &str)> = syntax
        .iter()
        .map(|body| ((*body).to_owned(), "400 -32700"))
        .collect();
    corpus.push((format!("{good}{good}"), "400 -32700"));
    corpus.push((format!("{good}\n{good}"), "400 -32700"));
    corpus.extend(
        ["1", "null", "true", "\"tools/call\""].map(|body| (body.to_owned(), "400 -32600")),
    );
    corpus.push((deep(70), "400 -32600"));
    corpus.push((deep(20_000), "400 -32600"));
    refuse_all(&scene, &corpus).await;
    assert_eq!(
        scene.post().body(deep(16)).send().await.tool_text(),
        "allowed"
    );
}
