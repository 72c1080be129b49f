//! Paths and hosts that no client library would send, byte by byte: refused, and nothing is sent.

use e2e::raw::exchange;
use serde_json::json;

use crate::raw_requests::{Template, scene, status};

#[tokio::test]
async fn t20_only_the_exact_path_reaches_a_server() {
    let scene = scene().await;
    let template = Template::of(&scene);
    scene
        .warder
        .api
        .register("secret", &scene.sink.url(), &json!({"type": "none"}), &[])
        .await;
    let allowed = exchange(
        template.address,
        template.request("/mcp/notes/server", &template.host()),
    )
    .await;
    assert_eq!(status(allowed.as_ref()), 200, "{allowed:?}");
    drop(scene.sink.take());

    let names = [
        "Notes",
        "NOTES",
        "notes.",
        "notes%20",
        "notes%00",
        "notes%0a",
        "notes%0d%0a",
        "notes;x",
        "notes;x=y",
        "notes,secret",
        "notes:80",
        "notes%3b",
        "notes%2e",
        ".notes",
        "-notes",
        "_notes",
        "n",
        "notes*",
        "*",
        "%2a",
        "note",
        "notess",
        "n%6ftes%20",
        "notes%2f",
        "notes%5c",
        "notes\\",
        "notes%252f",
        "no%2dtes",
        "n\u{f6}tes",
        "n%c3%b6tes",
        "xn--ntes-6qa",
        "\u{ff4e}otes",
        "notes%e2%80%8b",
        "%ef%bb%bfnotes",
        "notes%ff",
        "notes%c0%ae",
        "notes%",
        "notes%2",
        "notes%zz",
        "notes%u0041",
        "notes@secret",
        "notes+",
        "notes~",
        "notes'",
        "notes\"",
        "notes<",
        "notes%3f",
        "notes%23",
        "",
        "%20",
        ".",
        "..",
        "%2e",
        "%2e%2e",
    ];
    let mut targets: Vec<String> = names
        .iter()
        .map(|name| format!("/mcp/{name}/server"))
        .collect();
    let walks = [
        "..",
        "%2e%2e",
        "%2E%2E",
        ".%2e",
        "%2e.",
        "..%2f",
        "%2e%2e%2f",
        "..%5c",
        "..\\",
        "..;",
        "..;/",
        "%252e%252e",
        "....//",
        "..%00",
        "..%c0%af",
        "%c0%ae%c0%ae",
    ];
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
            "//mcp/notes/server",
            "/mcp//notes/server",
            "/mcp/notes//server",
            "/mcp/notes/server//",
            "///mcp///notes///server",
            "/mcp/notes/./server",
            "/./mcp/notes/server",
            "/mcp/./notes/server",
            "/MCP/notes/server",
            "/Mcp/notes/server",
            "/mcp/notes/Server",
            "/mcp/notes/SERVER",
            "/mcp/notes",
            "/mcp/notes/",
            "/mcp",
            "/mcp/",
            "/",
            "/mcp/notes/server/x",
            "/mcp/notes/server%2f",
            "/mcp/notes/server%00",
            "/mcp/notes/server;x",
            "/mcp/notes/server.json",
            "/mcp/notes/serve",
            "/mcp/notes/servers",
            "/mcp%2fnotes%2fserver",
            "/mcp/notes%2fserver",
            "/%6dcp/notes/server%20",
            "/mcp\\notes\\server",
            "/x/mcp/notes/server",
            "/mcp/notes/server/mcp/notes/server",
            "/api/v1/mcp-servers/notes",
            "/mcp/secret/server",
            "/mcp/nothing/server",
            "/v1/mcp/notes/server",
            "*",
            "mcp/notes/server",
            "?mcp/notes/server",
            "/mcp?/notes/server",
            "/mcp/notes?/server",
            "/mcp/notes/server%3fx",
            "/mcp/notes/server%23x",
            "/mcp/secret/server?server=notes",
            "/mcp/secret/server#/notes",
        ]
        .map(str::to_owned),
    );
    assert!(targets.len() >= 200, "{}", targets.len());
    for target in &targets {
        let response = exchange(template.address, template.request(target, &template.host())).await;
        assert!(
            matches!(status(response.as_ref()), 0 | 400 | 404 | 405),
            "{target:?}: {response:?}"
        );
        if let Some(response) = response.filter(|response| response.status == 404) {
            assert_eq!(
                response.error_type().as_deref(),
                Some("NotFound"),
                "{target:?}: {response:?}"
            );
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
    let foreign = [
        "evil.example",
        "127.0.0.1",
        "127.0.0.1:1",
        "localhost:1",
        "127.0.0.1.evil.example",
        "evil.example:80",
        "[::1]",
        "0.0.0.0",
        "0x7f.1",
        "2130706433",
    ];
    let mut cases: Vec<(String, String)> = foreign
        .iter()
        .map(|host| (path.to_owned(), format!("Host: {host}\r\n")))
        .collect();
    cases.extend([
        (path.to_owned(), String::new()),
        (path.to_owned(), "Host:\r\n".to_owned()),
        (path.to_owned(), "Host: \r\n".to_owned()),
        (
            path.to_owned(),
            format!("Host: {address}\r\nHost: {address}\r\n"),
        ),
        (
            path.to_owned(),
            format!("Host: {address}\r\nHost: evil.example\r\n"),
        ),
        (
            path.to_owned(),
            format!("Host: evil.example\r\nHost: {address}\r\n"),
        ),
        (
            path.to_owned(),
            format!("Host: {address}, evil.example\r\n"),
        ),
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
        (
            path.to_owned(),
            "X-Forwarded-Host: evil.example\r\n".to_owned(),
        ),
        (format!("http://evil.example{path}"), template.host()),
        (
            format!("http://{address}{path}"),
            "Host: evil.example\r\n".to_owned(),
        ),
        (
            format!("http://evil.example{path}"),
            "Host: evil.example\r\n".to_owned(),
        ),
        (
            format!("https://{address}{path}"),
            "Host: evil.example\r\n".to_owned(),
        ),
        (format!("http://evil@{address}{path}"), template.host()),
        (format!("//evil.example{path}"), template.host()),
    ]);
    for (target, host_lines) in &cases {
        let response = exchange(address, template.request(target, host_lines)).await;
        assert!(
            matches!(status(response.as_ref()), 0 | 400 | 404 | 421),
            "{target} {host_lines:?}: {response:?}"
        );
        if !target.starts_with("//") {
            assert_ne!(
                status(response.as_ref()),
                404,
                "the host is looked at before the path: {target} {host_lines:?}"
            );
        }
        scene.assert_nothing_sent(host_lines);
    }

    // Headers that claim another host decide nothing, and do not travel on.
    let claims = "X-Forwarded-Host: evil.example\r\nForwarded: host=evil.example\r\nX-Host: evil.example\r\nX-Original-URL: /mcp/secret/server\r\n\
                  X-Rewrite-URL: /mcp/secret/server\r\nX-Forwarded-Proto: https\r\n";
    let response = exchange(
        address,
        template.request(path, &format!("{}{claims}", template.host())),
    )
    .await;
    assert_eq!(status(response.as_ref()), 200, "{response:?}");
    let sent = scene.sink.take();
    assert_eq!(sent.len(), 1);
    assert!(
        !sent[0].mentions("evil.example") && !sent[0].mentions("secret"),
        "{sent:?}"
    );
    assert_eq!(
        sent[0].header("host"),
        Some(scene.sink.address().to_string().as_str())
    );
}
