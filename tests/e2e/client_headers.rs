//! `x-tfy-mcp-headers`: what a client may have sent upstream in its name, and what it may not.

use e2e::gateway::{Answer, Call, call_message};
use e2e::sink::Sink;
use e2e::warder::Options;
use serde_json::json;

use crate::support::{Scene, until_reachable};

const NAME: &str = "x-tfy-mcp-headers";
const ALIAS: &str = "x-warder-mcp-headers";

/// What must come of one value of the header.
enum Expect {
    /// 400 `InvalidRequest`, and nothing is sent.
    Refused,
    /// Exactly these headers arrive besides those that always do.
    Sent(&'static [(&'static str, &'static str)]),
}
use Expect::{Refused, Sent};

#[rustfmt::skip]
fn corpus() -> Vec<(String, Expect)> {
    let fixed = vec![
        // What it is for.
        (r#"{}"#, Sent(&[])),
        (r#" { } "#, Sent(&[])),
        (r#"{"X-One":"1"}"#, Sent(&[("x-one", "1")])),
        (r#"{"x-one":"1","X-Two":"2"}"#, Sent(&[("x-one", "1"), ("x-two", "2")])),
        (r#"{"Authorization":"Bearer custom-token","X-Custom-Header":"custom-value"}"#, Sent(&[("authorization", "Bearer custom-token"), ("x-custom-header", "custom-value")])),
        (r#"{"authorization":"Basic dXNlcjpwYXNz"}"#, Sent(&[("authorization", "Basic dXNlcjpwYXNz")])),
        (r#"{"X-API-Key":"sk_123"}"#, Sent(&[("x-api-key", "sk_123")])),
        (r#"{"X-\u004fne":"\u0031"}"#, Sent(&[("x-one", "1")])),
        (r#"{"X-Spaced":"a b  c"}"#, Sent(&[("x-spaced", "a b  c")])),
        (r#"{"X-Marks":"!#$%&'*+-.^_`|~ ()<>@,;:[]?={}/"}"#, Sent(&[("x-marks", "!#$%&'*+-.^_`|~ ()<>@,;:[]?={}/")])),
        (r#"{"X-Quote":"\"\\"}"#, Sent(&[("x-quote", "\"\\")])),
        (r#"{"X-Tenant":"42","X-Region":"eu"}"#, Sent(&[("x-tenant", "42"), ("x-region", "eu")])),
        (r#"{"X":"1"}"#, Sent(&[("x", "1")])),
        (r#"{"Private-Token":"p"}"#, Sent(&[("private-token", "p")])),
        // Not an object of words.
        ("", Refused), ("not json", Refused), ("{", Refused), ("[]", Refused), (r#"["X-One","1"]"#, Refused), ("null", Refused), ("1", Refused), (r#""x""#, Refused),
        (r#"{"X-One":"1"} x"#, Refused), (r#"{"X-One":"1"}{"X-Two":"2"}"#, Refused), (r#"{"X-One":"1",}"#, Refused), (r#"{'X-One':'1'}"#, Refused), (r#"X-One: 1"#, Refused),
        (r#"{"X-One":1}"#, Refused), (r#"{"X-One":true}"#, Refused), (r#"{"X-One":null}"#, Refused), (r#"{"X-One":["1"]}"#, Refused), (r#"{"X-One":{"a":"1"}}"#, Refused),
        (r#"{"notes":{"X-One":"1"}}"#, Refused), (r#"{"X-One":"1","X-Two":2}"#, Refused),
        // One name twice, however it is spelled.
        (r#"{"X-One":"1","X-One":"2"}"#, Refused), (r#"{"X-One":"1","x-one":"2"}"#, Refused), (r#"{"X-One":"1","X-\u004fne":"1"}"#, Refused),
        (r#"{"Authorization":"a","authorization":"b"}"#, Refused), (r#"{"X-One":"1","X_One":"2"}"#, Refused),
        // Names that are none.
        (r#"{"":"1"}"#, Refused), (r#"{" ":"1"}"#, Refused), (r#"{"X One":"1"}"#, Refused), (r#"{" X-One":"1"}"#, Refused), (r#"{"X-One ":"1"}"#, Refused), (r#"{"X-One:":"1"}"#, Refused),
        (r#"{"X-One\r\nX-Two":"1"}"#, Refused), (r#"{"X-One\u0000":"1"}"#, Refused), (r#"{"X-\u00d6ne":"1"}"#, Refused), (r#"{"X(One)":"1"}"#, Refused), (r#"{"X/One":"1"}"#, Refused),
        (r#"{":authority":"evil"}"#, Refused), (r#"{":path":"/"}"#, Refused), (r#"{"X-One\t":"1"}"#, Refused),
        // Values that would become something else.
        (r#"{"X-One":"1\r\nX-Two: 2"}"#, Refused), (r#"{"X-One":"1\nX-Two: 2"}"#, Refused), (r#"{"X-One":"1\r"}"#, Refused), (r#"{"X-One":"\u0000"}"#, Refused), (r#"{"X-One":"a\u0000b"}"#, Refused),
        (r#"{"X-One":"\u007f"}"#, Refused), (r#"{"X-One":"\u001b[31m"}"#, Refused), (r#"{"X-One":"\u00e9"}"#, Refused), (r#"{"X-One":"\u4e2d"}"#, Refused), (r#"{"X-One":"\ud800"}"#, Refused),
        (r#"{"X-One":" 1"}"#, Refused), (r#"{"X-One":"1 "}"#, Refused), (r#"{"X-One":""}"#, Refused), (r#"{"X-One":"\t"}"#, Refused),
        // Names that belong to the connection, the message or the gateway.
        (r#"{"Host":"evil.example"}"#, Refused), (r#"{"host":"evil.example"}"#, Refused), (r#"{"Connection":"close"}"#, Refused), (r#"{"Keep-Alive":"1"}"#, Refused),
        (r#"{"Transfer-Encoding":"chunked"}"#, Refused), (r#"{"TE":"trailers"}"#, Refused), (r#"{"Trailer":"X"}"#, Refused), (r#"{"Upgrade":"h2c"}"#, Refused), (r#"{"Expect":"100-continue"}"#, Refused),
        (r#"{"Proxy-Authorization":"x"}"#, Refused), (r#"{"Proxy-Connection":"x"}"#, Refused), (r#"{"Content-Length":"0"}"#, Refused), (r#"{"content-length":"0"}"#, Refused),
        (r#"{"Content-Type":"text/plain"}"#, Refused), (r#"{"Content-Encoding":"gzip"}"#, Refused), (r#"{"Content-Anything":"x"}"#, Refused), (r#"{"Accept":"text/html"}"#, Refused), (r#"{"Accept-Encoding":"gzip"}"#, Refused),
        (r#"{"Mcp-Session-Id":"x"}"#, Refused), (r#"{"MCP-Protocol-Version":"2025-03-26"}"#, Refused), (r#"{"Mcp-Method":"tools/call"}"#, Refused), (r#"{"mcp-name":"forbidden"}"#, Refused),
        (r#"{"Mcp-Param-X":"1"}"#, Refused), (r#"{"Forwarded":"for=1"}"#, Refused), (r#"{"X-Forwarded-For":"10.0.0.1"}"#, Refused), (r#"{"x-forwarded-host":"evil.example"}"#, Refused),
        (r#"{"X-Forwarded-Anything":"x"}"#, Refused), (r#"{"Cookie":"a=b"}"#, Refused), (r#"{"Origin":"https://evil.example"}"#, Refused), (r#"{"Via":"1.1 x"}"#, Refused), (r#"{"x-tfy-mcp-headers":"{}"}"#, Refused), (r#"{"X-Warder-Mcp-Headers":"{}"}"#, Refused), (r#"{"X-One":"1","Host":"evil.example"}"#, Refused),
    ];
    let mut corpus: Vec<(String, Expect)> = fixed.into_iter().map(|(value, expect): (&str, Expect)| (value.to_owned(), expect)).collect();
    let many = |count: usize| {
        let members: Vec<String> = (0..count).map(|index| format!(r#""X-{index}":"1""#)).collect();
        format!("{{{}}}", members.join(","))
    };
    corpus.push((many(33), Refused));
    corpus.push((many(200), Refused));
    corpus.push((format!(r#"{{"X-One":"{}"}}"#, "a".repeat(9000)), Refused));
    corpus.push((format!(r#"{{"{}":"1"}}"#, "a".repeat(9000)), Refused));
    corpus.push((format!("{}{}", "[".repeat(2000), "]".repeat(2000)), Refused));
    corpus
}

/// A server that takes whatever headers the client brings.
async fn scene() -> Scene {
    let scene = Scene::start(Options::default(), Sink::builder().tool("echo")).await;
    scene
        .warder
        .api
        .register(
            "notes",
            &scene.sink.url(),
            &json!({"type": "forwarding"}),
            &[&scene.ann],
        )
        .await;
    scene
}

async fn send(call: Call) -> Answer {
    call.message(&call_message(1, "echo", &json!({})))
        .send()
        .await
}

#[tokio::test]
async fn t30_client_headers_arrive_exactly_or_not_at_all() {
    let scene = scene().await;
    assert_eq!(send(scene.post()).await.tool_text(), "echo");
    let always = scene.sink.take().remove(0).headers;
    let corpus = corpus();
    assert!(corpus.len() >= 80);
    for (value, expect) in &corpus {
        let answer = send(scene.post().header_bytes(NAME, value.as_bytes())).await;
        match expect {
            Refused => {
                assert_eq!(
                    answer.refusal(),
                    (400, "InvalidRequest".to_owned()),
                    "{value}: {answer:?}"
                );
                scene.assert_nothing_sent(value);
            }
            Sent(expected) => {
                assert_eq!(answer.status, 200, "{value}: {answer:?}");
                let mut headers = scene.sink.take().remove(0).headers;
                headers.retain(|header| !always.contains(header));
                headers.sort();
                let mut expected: Vec<_> = expected
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect();
                expected.sort();
                assert_eq!(headers, expected, "{value}");
            }
        }
    }
}

#[tokio::test]
async fn t30_the_header_comes_once_under_one_of_its_names() {
    let scene = scene().await;
    let value = r#"{"X-One":"1"}"#;
    assert_eq!(
        send(scene.post().header(ALIAS, value)).await.tool_text(),
        "echo"
    );
    let sent = scene.sink.take().remove(0);
    assert_eq!(sent.header("x-one"), Some("1"));
    assert!(
        sent.header(ALIAS).is_none() && sent.header(NAME).is_none(),
        "{sent:?}"
    );

    for (case, call) in [
        (
            "both names",
            scene.post().header(NAME, value).header(ALIAS, value),
        ),
        (
            "both names, one empty",
            scene.post().header(NAME, value).header(ALIAS, "{}"),
        ),
        (
            "twice",
            scene
                .post()
                .header(NAME, value)
                .header(NAME, r#"{"X-Two":"2"}"#),
        ),
        (
            "not text",
            scene.post().header_bytes(NAME, b"{\"X-One\":\"\xff\"}"),
        ),
    ] {
        let answer = send(call).await;
        assert_eq!(
            answer.refusal(),
            (400, "InvalidRequest".to_owned()),
            "{case}: {answer:?}"
        );
        scene.assert_nothing_sent(case);
    }
}

#[tokio::test]
async fn t30_a_server_says_which_client_headers_it_takes() {
    let scene = scene().await;
    let api = &scene.warder.api;
    let narrow = json!({"type": "forwarding", "headers": ["Authorization", "X-One"]});
    api.register("narrow", &scene.sink.url(), &narrow, &[&scene.ann])
        .await;
    let closed = json!({
        "type": "remote", "url": scene.sink.url(), "auth": {"type": "none"}, "allow_header_override": false,
        "collaborators": [{"subject": scene.ann.subject, "role": "mcp-server-user"}],
    });
    api.put("/mcp-servers/closed", &closed).await;
    for server in ["narrow", "closed"] {
        until_reachable(&scene.warder, server, &scene.ann).await;
    }
    drop(scene.sink.take());

    let post = |server: &str, value: &str| {
        scene
            .gateway()
            .post(server)
            .token(&scene.ann.token)
            .header(NAME, value)
    };
    assert_eq!(
        send(post(
            "narrow",
            r#"{"x-one":"1","AUTHORIZATION":"Bearer a"}"#
        ))
        .await
        .tool_text(),
        "echo"
    );
    let sent = scene.sink.take().remove(0);
    assert_eq!(
        (sent.header("x-one"), sent.header("authorization")),
        (Some("1"), Some("Bearer a"))
    );
    let refused = send(post("narrow", r#"{"X-One":"1","X-Two":"2"}"#)).await;
    assert_eq!(
        refused.refusal(),
        (400, "InvalidRequest".to_owned()),
        "{refused:?}"
    );
    scene.assert_nothing_sent("a name that the server does not take");

    let refused = send(post("closed", r#"{"X-One":"1"}"#)).await;
    assert_eq!(
        refused.refusal(),
        (400, "InvalidRequest".to_owned()),
        "{refused:?}"
    );
    assert!(
        refused.body.contains("allow_header_override"),
        "the error names the switch: {refused:?}"
    );
    scene.assert_nothing_sent("a server that takes none");
}
