//! Requests that no client library would send, byte by byte: refused, and nothing is sent.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use e2e::gateway::{call_message, list_message};
use e2e::raw::{Connection, Response, exchange};
use e2e::sink::Sink;
use e2e::warder::Options;
use reqwest::Method;
use serde_json::json;

use crate::support::{Scene, summary};

const CLOSES_WITHIN: Duration = Duration::from_secs(5);

async fn scene() -> Scene {
    Scene::start(Options::default(), Sink::builder().tool("allowed").tool("smuggled")).await
}

/// The head of a correct request and its body; tests change lines of it.
struct Template {
    address: SocketAddr,
    token: String,
}

impl Template {
    fn of(scene: &Scene) -> Self {
        Self { address: scene.warder.pods[0].address(), token: scene.ann.token.clone() }
    }

    fn request(&self, target: &str, host_lines: &str) -> String {
        let body = call_message(1, "allowed", &json!({}));
        self.head("POST", target, host_lines, &format!("Content-Length: {}\r\n", body.to_string().len())) + &body.to_string()
    }

    fn head(&self, method: &str, target: &str, host_lines: &str, more: &str) -> String {
        format!(
            "{method} {target} HTTP/1.1\r\n{host_lines}Authorization: Bearer {}\r\nAccept: application/json, text/event-stream\r\n\
             Content-Type: application/json\r\n{more}\r\n",
            self.token
        )
    }

    fn host(&self) -> String {
        format!("Host: {}\r\n", self.address)
    }
}

/// What a refused request came to: a status, or a connection closed without a word.
fn status(response: Option<&Response>) -> u16 {
    response.map_or(0, |response| response.status)
}

#[tokio::test]
async fn t20_only_the_exact_path_reaches_a_server() {
    let scene = scene().await;
    let template = Template::of(&scene);
    scene.warder.api.register("secret", &scene.sink.url(), &json!({"type": "none"}), &[]).await;
    let allowed = exchange(template.address, template.request("/mcp/notes/server", &template.host())).await;
    assert_eq!(status(allowed.as_ref()), 200, "{allowed:?}");
    drop(scene.sink.take());

    let names = [
        "Notes", "NOTES", "notes.", "notes%20", "notes%00", "notes%0a", "notes%0d%0a", "notes;x", "notes;x=y", "notes,secret", "notes:80", "notes%3b", "notes%2e",
        ".notes", "-notes", "_notes", "n", "notes*", "*", "%2a", "note", "notess", "n%6ftes%20", "notes%2f", "notes%5c", "notes\\", "notes%252f", "no%2dtes",
        "n\u{f6}tes", "n%c3%b6tes", "xn--ntes-6qa", "\u{ff4e}otes", "notes%e2%80%8b", "%ef%bb%bfnotes", "notes%ff", "notes%c0%ae", "notes%", "notes%2", "notes%zz",
        "notes%u0041", "notes@secret", "notes+", "notes~", "notes'", "notes\"", "notes<", "notes%3f", "notes%23", "", "%20", ".", "..", "%2e", "%2e%2e",
    ];
    let mut targets: Vec<String> = names.iter().map(|name| format!("/mcp/{name}/server")).collect();
    let walks = ["..", "%2e%2e", "%2E%2E", ".%2e", "%2e.", "..%2f", "%2e%2e%2f", "..%5c", "..\\", "..;", "..;/", "%252e%252e", "....//", "..%00", "..%c0%af", "%c0%ae%c0%ae"];
    for walk in walks {
        targets.push(format!("/mcp/secret/{walk}/notes/server"));
        targets.push(format!("/mcp/notes/{walk}/secret/server"));
        targets.push(format!("/mcp/notes/server/{walk}/server"));
        targets.push(format!("/{walk}/mcp/notes/server"));
        targets.push(format!("/mcp/{walk}/mcp/notes/server"));
        targets.push(format!("/mcp/notes/{walk}/notes/server"));
        targets.push(format!("/.well-known/{walk}/mcp/notes/server"));
    }
    targets.extend(
        [
            "//mcp/notes/server", "/mcp//notes/server", "/mcp/notes//server", "/mcp/notes/server//", "///mcp///notes///server", "/mcp/notes/./server", "/./mcp/notes/server",
            "/mcp/./notes/server", "/MCP/notes/server", "/Mcp/notes/server", "/mcp/notes/Server", "/mcp/notes/SERVER", "/mcp/notes", "/mcp/notes/", "/mcp", "/mcp/", "/",
            "/mcp/notes/server/x", "/mcp/notes/server%2f", "/mcp/notes/server%00", "/mcp/notes/server;x", "/mcp/notes/server.json", "/mcp/notes/serve", "/mcp/notes/servers",
            "/mcp%2fnotes%2fserver", "/mcp/notes%2fserver", "/%6dcp/notes/server%20", "/mcp\\notes\\server", "/x/mcp/notes/server", "/mcp/notes/server/mcp/notes/server",
            "/api/v1/mcp-servers/notes", "/mcp/secret/server", "/mcp/nothing/server", "/v1/mcp/notes/server", "*", "mcp/notes/server", "?mcp/notes/server", "/mcp?/notes/server",
            "/mcp/notes?/server", "/mcp/notes/server%3fx", "/mcp/notes/server%23x", "/mcp/secret/server?server=notes", "/mcp/secret/server#/notes",
        ]
        .map(str::to_owned),
    );
    assert!(targets.len() >= 200, "{}", targets.len());
    for target in &targets {
        let response = exchange(template.address, template.request(target, &template.host())).await;
        assert!(matches!(status(response.as_ref()), 0 | 400 | 404 | 405), "{target:?}: {response:?}");
        if let Some(response) = response.filter(|response| response.status == 404) {
            assert_eq!(response.error_type().as_deref(), Some("NotFound"), "{target:?}: {response:?}");
        }
        scene.assert_nothing_sent(target);
    }
}

#[tokio::test]
async fn t21_there_is_one_host_and_it_is_ours() {
    let scene = scene().await;
    let template = Template::of(&scene);
    let address = template.address;
    let path = "/mcp/notes/server";
    let foreign = ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost:1", "127.0.0.1.evil.example", "evil.example:80", "[::1]", "0.0.0.0", "0x7f.1", "2130706433"];
    let mut cases: Vec<(String, String)> = foreign.iter().map(|host| (path.to_owned(), format!("Host: {host}\r\n"))).collect();
    cases.extend([
        (path.to_owned(), String::new()),
        (path.to_owned(), "Host:\r\n".to_owned()),
        (path.to_owned(), "Host: \r\n".to_owned()),
        (path.to_owned(), format!("Host: {address}\r\nHost: {address}\r\n")),
        (path.to_owned(), format!("Host: {address}\r\nHost: evil.example\r\n")),
        (path.to_owned(), format!("Host: evil.example\r\nHost: {address}\r\n")),
        (path.to_owned(), format!("Host: {address}, evil.example\r\n")),
        (path.to_owned(), format!("Host: {address} evil.example\r\n")),
        (path.to_owned(), format!("Host: evil@{address}\r\n")),
        (path.to_owned(), format!("Host: {address}@evil.example\r\n")),
        (path.to_owned(), format!("Host: {address}/evil\r\n")),
        (path.to_owned(), format!("Host: {address}?evil\r\n")),
        (path.to_owned(), format!("Host: {address}#evil\r\n")),
        (path.to_owned(), format!("Host: http://{address}\r\n")),
        (path.to_owned(), format!("Host: {address}.\r\n")),
        (path.to_owned(), format!("Host : {address}\r\n")),
        (path.to_owned(), format!(" Host: {address}\r\n")),
        (path.to_owned(), "X-Forwarded-Host: evil.example\r\n".to_owned()),
        (format!("http://evil.example{path}"), template.host()),
        (format!("http://{address}{path}"), "Host: evil.example\r\n".to_owned()),
        (format!("http://evil.example{path}"), "Host: evil.example\r\n".to_owned()),
        (format!("https://{address}{path}"), "Host: evil.example\r\n".to_owned()),
        (format!("http://evil@{address}{path}"), template.host()),
        (format!("//evil.example{path}"), template.host()),
    ]);
    for (target, host_lines) in &cases {
        let response = exchange(address, template.request(target, host_lines)).await;
        assert!(matches!(status(response.as_ref()), 0 | 400 | 404 | 421), "{target} {host_lines:?}: {response:?}");
        if !target.starts_with("//") {
            assert_ne!(status(response.as_ref()), 404, "the host is looked at before the path: {target} {host_lines:?}");
        }
        scene.assert_nothing_sent(host_lines);
    }

    // Headers that claim another host decide nothing, and do not travel on.
    let claims = "X-Forwarded-Host: evil.example\r\nForwarded: host=evil.example\r\nX-Host: evil.example\r\nX-Original-URL: /mcp/secret/server\r\n\
                  X-Rewrite-URL: /mcp/secret/server\r\nX-Forwarded-Proto: https\r\n";
    let response = exchange(address, template.request(path, &format!("{}{claims}", template.host()))).await;
    assert_eq!(status(response.as_ref()), 200, "{response:?}");
    let sent = scene.sink.take();
    assert_eq!(sent.len(), 1);
    assert!(!sent[0].mentions("evil.example") && !sent[0].mentions("secret"), "{sent:?}");
    assert_eq!(sent[0].header("host"), Some(scene.sink.address().to_string().as_str()));
}

#[tokio::test]
async fn t65_a_request_has_one_length() {
    let scene = scene().await;
    let template = Template::of(&scene);
    let body = call_message(1, "allowed", &json!({})).to_string();
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    // What a desynchronized server would take for a second request.
    let smuggled_body = call_message(2, "smuggled", &json!({})).to_string();
    let length = format!("Content-Length: {}\r\n", smuggled_body.len());
    let smuggled = template.head("POST", "/mcp/notes/server", &template.host(), &length) + &smuggled_body;

    let chunked_well = template.head("POST", "/mcp/notes/server", &template.host(), "Transfer-Encoding: chunked\r\n") + &chunked;
    let response = exchange(template.address, chunked_well).await;
    assert_eq!(status(response.as_ref()), 200, "{response:?}");
    drop(scene.sink.take());

    let with_length = |more: &str| format!("Content-Length: {}\r\n{more}", body.len());
    let framings = [
        (with_length("Transfer-Encoding: chunked\r\n"), &chunked),
        ("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n".to_owned(), &chunked),
        (with_length("Transfer-Encoding: identity\r\n"), &body),
        (with_length("Transfer-Encoding: gzip\r\n"), &body),
        ("Transfer-Encoding: xchunked\r\n".to_owned(), &chunked),
        ("Transfer-Encoding: chunked, identity\r\n".to_owned(), &chunked),
        ("Transfer-Encoding: gzip, chunked\r\n".to_owned(), &chunked),
        ("Transfer-Encoding: chunked, chunked\r\n".to_owned(), &chunked),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n".to_owned(), &chunked),
        ("Transfer-Encoding : chunked\r\n".to_owned(), &chunked),
        ("Transfer-Encoding:\u{b}chunked\r\n".to_owned(), &chunked),
        ("Transfer-Encoding:\r\n chunked\r\n".to_owned(), &chunked),
        (with_length("Content-Length: 0\r\n"), &body),
        (with_length(&format!("Content-Length: {}\r\n", body.len() + 1)), &body),
        (format!("Content-Length: {0}, {1}\r\n", body.len(), body.len() + 1), &body),
        (format!("Content-Length: +{}\r\n", body.len()), &body),
        (format!("Content-Length: -{}\r\n", body.len()), &body),
        (format!("Content-Length: 0x{:x}\r\n", body.len()), &body),
        (format!("Content-Length: {} \u{b}\r\n", body.len()), &body),
        (format!("Content-Length : {}\r\n", body.len()), &body),
        ("Content-Length: 18446744073709551616\r\n".to_owned(), &body),
    ];
    for (framing, body) in &framings {
        let mut connection = Connection::open(template.address).await;
        connection.write(template.head("POST", "/mcp/notes/server", &template.host(), framing) + body + &smuggled).await;
        let response = connection.response(CLOSES_WITHIN).await;
        assert!(matches!(status(response.as_ref()), 0 | 400 | 411 | 413 | 415 | 501), "{framing:?}: {response:?}");
        connection.closed(CLOSES_WITHIN).await;
        scene.assert_nothing_sent(framing);
    }
    for body in ["g\r\n{}\r\n0\r\n\r\n", "-1\r\n{}\r\n0\r\n\r\n", "2\r\n{}X\r\n0\r\n\r\n", "ffffffffffffffffff\r\n{}\r\n0\r\n\r\n", "2\n{}\n0\n\n"] {
        let mut connection = Connection::open(template.address).await;
        connection.write(template.head("POST", "/mcp/notes/server", &template.host(), "Transfer-Encoding: chunked\r\n") + body + &smuggled).await;
        let response = connection.response(CLOSES_WITHIN).await;
        assert!(matches!(status(response.as_ref()), 0 | 400), "{body:?}: {response:?}");
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
    for version in ["HTTP/1.0", "HTTP/0.9", "HTTP/1.2", "HTTP/9.9", "HTTP/1", "http/1.1", "ICAP/1.0"] {
        let mut connection = Connection::open(template.address).await;
        connection.write(request.replacen("HTTP/1.1", version, 1)).await;
        let response = connection.response(CLOSES_WITHIN).await;
        assert!(matches!(status(response.as_ref()), 0 | 400 | 426 | 505), "{version}: {response:?}");
        connection.closed(CLOSES_WITHIN).await;
        scene.assert_nothing_sent(version);
    }
    let length = format!("Content-Length: {}\r\n", body.len());
    for upgrade in ["Connection: Upgrade\r\nUpgrade: websocket\r\n", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"] {
        let request = template.head("POST", "/mcp/notes/server", &template.host(), &format!("{upgrade}{length}")) + &body;
        let response = exchange(template.address, request).await;
        assert_ne!(status(response.as_ref()), 101, "{upgrade:?}: {response:?}");
        for sent in scene.sink.take() {
            assert!(sent.header("upgrade").is_none() && !sent.mentions("h2c") && !sent.mentions("websocket"), "{sent:?}");
        }
    }
    for method in ["CONNECT", "TRACE", "PUT", "PATCH", "BREW", "post"] {
        let request = template.head(method, "/mcp/notes/server", &template.host(), &length) + &body;
        let response = exchange(template.address, request).await;
        assert!(matches!(status(response.as_ref()), 0 | 400 | 405 | 501), "{method}: {response:?}");
        scene.assert_nothing_sent(method);
    }
    // Line ends without a carriage return are two readings of one request.
    let response = exchange(template.address, request.replace("\r\n", "\n")).await;
    assert!(matches!(status(response.as_ref()), 0 | 200 | 400), "{response:?}");
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
        (start.elapsed(), String::from_utf8_lossy(&received).into_owned())
    };
    let half_head = format!("POST /mcp/notes/server HTTP/1.1\r\n{}Authorization: Bear", template.host());
    let half_body = template.head("POST", "/mcp/notes/server", &template.host(), "Content-Length: 500\r\n") + "{\"jsonrpc\":";
    let half_chunk = template.head("POST", "/mcp/notes/server", &template.host(), "Transfer-Encoding: chunked\r\n") + "ff\r\n{";
    let legitimate = async {
        // The connections above are held all the while; others are served as ever.
        let mut served = 0;
        while start.elapsed() < Duration::from_secs(2) {
            assert_eq!(scene.gateway().call("notes", &scene.ann.token, "allowed", &json!({})).await.tool_text(), "allowed");
            served += 1;
        }
        served
    };
    let (head, body, chunk, silent, served) =
        tokio::join!(reap(half_head, 14), reap(half_body, 34), reap(half_chunk, 34), reap(String::new(), 34), legitimate);
    assert!(served > 10, "{served}");
    for (elapsed, received) in [&head, &body, &chunk, &silent] {
        assert!(*elapsed > Duration::from_millis(500), "slow is not yet hostile: {elapsed:?} {received}");
        assert!(!received.contains(" 200 "), "{received}");
    }
    let sent = scene.sink.take();
    assert_eq!(sent.len(), served, "only the complete requests were sent");
}

#[tokio::test]
async fn t68_a_foreign_web_page_is_refused() {
    const OURS: &str = "https://app.example";
    let options = Options { pod_environment: vec![("WARDER_ALLOWED_ORIGINS", OURS.to_owned())], ..Options::default() };
    let scene = Scene::start(options, Sink::builder().tool("allowed")).await;
    let foreign = [
        "null", "https://evil.example", "http://app.example", "https://app.example.evil.example", "https://app.example:444", "https://APP.example.", "https://xapp.example",
        "https://evil.example/https://app.example", "file://", "https://app.example evil", "*", "https://app.example@evil.example", "chrome-extension://abcdef", "http://localhost",
        "http://127.0.0.1:1",
    ];
    for origin in foreign {
        for token in [Some(&scene.ann.token), None] {
            let mut call = scene.gateway().post("notes").header("origin", origin).message(&list_message(1));
            if let Some(token) = token {
                call = call.token(token);
            }
            let answer = call.send().await;
            assert_eq!(answer.refusal(), (403, "Forbidden".to_owned()), "{origin}: {answer:?}");
            scene.assert_nothing_sent(origin);
        }
        let preflight = scene.gateway().request(Method::OPTIONS, "notes").header("origin", origin);
        let answer = preflight.header("access-control-request-method", "POST").send().await;
        let allowed = answer.header("access-control-allow-origin");
        assert!(allowed.is_none(), "{origin}: {answer:?}");
        scene.assert_nothing_sent(origin);
    }
    let both = scene.post().header("origin", OURS).header("origin", "https://evil.example").message(&list_message(1)).send().await;
    assert!(matches!(summary(&both).as_str(), "403 Forbidden" | "400 InvalidRequest"), "{both:?}");
    scene.assert_nothing_sent("two origins");

    let answer = scene.post().header("origin", OURS).message(&list_message(1)).send().await;
    assert_eq!(answer.tool_names(), ["allowed"]);
    assert_eq!(answer.header("access-control-allow-origin"), Some(OURS));
    assert!(answer.header("access-control-allow-credentials").is_none());
    assert!(scene.sink.take()[0].header("origin").is_none());

    let preflight = scene.gateway().request(Method::OPTIONS, "notes").header("origin", OURS).header("access-control-request-method", "POST");
    let preflight = preflight.header("access-control-request-headers", "authorization, content-type, mcp-protocol-version, mcp-param-region").send().await;
    assert!(matches!(preflight.status, 200 | 204), "before authentication: {preflight:?}");
    assert_eq!(preflight.header("access-control-allow-origin"), Some(OURS));
    let allowed = preflight.header("access-control-allow-headers").unwrap_or_default().to_lowercase();
    for name in ["authorization", "content-type", "mcp-protocol-version", "mcp-param-region"] {
        assert!(allowed.contains(name), "{name} is not in {allowed}");
    }
    scene.assert_nothing_sent("preflight");
}

#[tokio::test]
async fn t09_the_token_comes_once_and_in_one_place() {
    let scene = scene().await;
    let gateway = scene.gateway();
    let token = &scene.ann.token;
    let post = |target: &str| {
        let call = gateway.request_path(Method::POST, target).header("accept", "application/json, text/event-stream");
        call.header("content-type", "application/json").message(&list_message(1))
    };
    let path = "/mcp/notes/server";
    for query in ["access_token", "token", "ACCESS_TOKEN", "bearer", "x=1&access_token"] {
        let answer = post(&format!("{path}?{query}={token}")).send().await;
        assert!(matches!(summary(&answer).as_str(), "400 InvalidRequest" | "401 Unauthorized"), "{query}: {answer:?}");
        scene.assert_nothing_sent(query);
    }
    for prefix in ["", "x=1&"] {
        let with_header = post(&format!("{path}?{prefix}access_token={token}")).token(token).send().await;
        assert_eq!(with_header.refusal(), (400, "InvalidRequest".to_owned()), "{with_header:?}");
        scene.assert_nothing_sent("query and header");
    }
    for (first, second) in [(token.as_str(), token.as_str()), (token, "garbage"), ("garbage", token)] {
        let answer = post(path).token(first).token(second).send().await;
        assert_eq!(answer.refusal(), (400, "InvalidRequest".to_owned()), "{answer:?}");
        scene.assert_nothing_sent("two headers");
    }
    let tampered = format!("{}x", &token[..token.len() - 1]);
    let refused = [
        String::new(), "Bearer".to_owned(), "Bearer ".to_owned(), token.clone(), format!("Basic {token}"), format!("Token {token}"), format!("Bearer {token}, Bearer {token}"),
        format!("Bearer {token} {token}"), format!("Bearer {token},"), format!("Bearer\u{a0}{token}"), format!("Bearer \"{token}\""), format!("Bearer {token}="), format!("Bearer {tampered}"),
        format!("Bearer {}", token.to_uppercase()), format!("Bearer {}", token.replace('.', "..")), "Bearer null".to_owned(), "Bearer undefined".to_owned(),
        format!("BearerX {token}"), format!("Bearer {}", "a".repeat(6000)),
    ];
    for value in refused {
        let answer = post(path).header_bytes("authorization", value.as_bytes()).send().await;
        assert_eq!(answer.refusal(), (401, "Unauthorized".to_owned()), "{value:?}: {answer:?}");
        assert!(answer.header("www-authenticate").is_some_and(|challenge| challenge.starts_with("Bearer")), "{answer:?}");
        scene.assert_nothing_sent(&value);
    }
    for (name, value) in [("cookie", format!("access_token={token}")), ("x-api-key", token.clone()), ("proxy-authorization", format!("Bearer {token}"))] {
        let answer = post(path).header(name, &value).send().await;
        assert_eq!(answer.refusal(), (401, "Unauthorized".to_owned()), "{name}: {answer:?}");
        assert_eq!(answer.headers.get_all("www-authenticate").iter().count(), 1);
        scene.assert_nothing_sent(name);
    }
    for method in [Method::GET, Method::DELETE, Method::HEAD] {
        let answer = gateway.request(method.clone(), "notes").send().await;
        assert_eq!(answer.status, 401, "{method}: {answer:?}");
        scene.assert_nothing_sent(method.as_str());
    }
    let unknown = gateway.post("nothing").message(&list_message(1)).send().await;
    assert_eq!(unknown.refusal(), (401, "Unauthorized".to_owned()), "who is asking comes before what exists: {unknown:?}");

    // None of that left the token in a log.
    let signature = token.rsplit('.').next().unwrap_or_default();
    assert_eq!(e2e::files::files_with(scene.warder.folder(), signature), Vec::<std::path::PathBuf>::new());
    assert_eq!(post(path).token(token).send().await.tool_names(), ["allowed", "smuggled"]);
}
