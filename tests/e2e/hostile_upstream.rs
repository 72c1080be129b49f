//! Servers that want more than their share: to be followed elsewhere, to keep credentials, to speak to the client.

use e2e::files::canary;
use e2e::gateway::{call_message, list_message};
use e2e::sink::{HELD_TOOL, Sink};
use e2e::wait::{PATIENCE, until_true};
use e2e::warder::Options;
use reqwest::Method;
use serde_json::json;

use crate::outbound::{echo, individual, scene, shared};
use crate::support::{Scene, summary, until_reachable};

#[tokio::test]
async fn t29_a_redirect_is_not_followed() {
    let evil = Sink::builder().tool("echo").start().await;
    let scene = scene().await;
    for status in [301, 302, 303, 307, 308] {
        let name = format!("moved-{status}");
        let moved = Sink::builder().redirect(status, &evil.url()).start().await;
        scene
            .warder
            .api
            .register(&name, &moved.url(), &shared("key"), &[&scene.ann])
            .await;
        until_reachable(&scene.warder, &name, &scene.ann).await;
        let answer = echo(scene.gateway().post(&name).token(&scene.ann.token))
            .send()
            .await;
        assert_eq!(
            answer.refusal(),
            (502, "UpstreamUnavailable".to_owned()),
            "{answer:?}"
        );
        assert!(
            answer.header("location").is_none() && !answer.body.contains(&evil.url()),
            "{answer:?}"
        );
        assert_eq!(moved.take().len(), 1, "asked once");
        assert!(evil.take().is_empty());
    }
}

#[tokio::test]
async fn t29_a_moved_server_does_not_take_credentials_along() {
    let evil = Sink::builder().tool("echo").start().await;
    let scene = scene().await;
    let api = &scene.warder.api;
    let (shared_key, own_key) = (canary("shared-key"), canary("own-key"));
    api.register(
        "shared",
        &scene.sink.url(),
        &shared(&shared_key),
        &[&scene.ann],
    )
    .await;
    api.register(
        "individual",
        &scene.sink.url(),
        &individual(),
        &[&scene.ann],
    )
    .await;
    api.set_override("individual", &scene.ann, &json!({"API_KEY": own_key}))
        .await;
    for server in ["shared", "individual"] {
        until_reachable(&scene.warder, server, &scene.ann).await;
        assert_eq!(
            echo(scene.gateway().post(server).token(&scene.ann.token))
                .send()
                .await
                .tool_text(),
            "echo"
        );
        // The way a manager moves a server without entering its secrets again: they are to be kept.
        let kept = json!({"type": "header", "level": "shared", "headers": {"Authorization": null}});
        let moved = json!({
            "type": "remote", "url": evil.url(), "auth": if server == "shared" { kept } else { individual() },
            "collaborators": [{"subject": scene.ann.subject, "role": "mcp-server-user"}],
        });
        let (status, answer) = api
            .send(
                Method::PUT,
                &format!("/mcp-servers/{server}?confirm=true"),
                Some(&moved),
            )
            .await;
        let what = format!("{server} has moved ({status} {answer})");
        if (200..300).contains(&status) {
            until_true(&what, PATIENCE, async || {
                let answer = echo(scene.gateway().post(server).token(&scene.ann.token))
                    .send()
                    .await;
                summary(&answer) != "200 result"
            })
            .await;
            let answer = echo(scene.gateway().post(server).token(&scene.ann.token))
                .send()
                .await;
            assert_eq!(
                answer.refusal(),
                (403, "CredentialUnavailable".to_owned()),
                "{answer:?}"
            );
        } else {
            assert!(matches!(status, 400 | 409), "{what}");
        }
    }
    assert!(
        !evil
            .take()
            .iter()
            .any(|request| request.mentions(&shared_key) || request.mentions(&own_key))
    );

    // Entered again, for the new place, it works.
    api.register("individual", &evil.url(), &individual(), &[&scene.ann])
        .await;
    api.set_override("individual", &scene.ann, &json!({"API_KEY": "confirmed"}))
        .await;
    until_true("the confirmed value is used", PATIENCE, async || {
        echo(scene.gateway().post("individual").token(&scene.ann.token))
            .send()
            .await
            .status
            == 200
    })
    .await;
    assert_eq!(
        evil.take()
            .last()
            .and_then(|request| request.header("authorization").map(str::to_owned))
            .as_deref(),
        Some("Bearer confirmed")
    );
}

#[tokio::test]
async fn t34_of_the_upstreams_headers_only_harmless_ones_reach_the_client() {
    let hostile = [
        ("set-cookie", "session=evil"),
        ("location", "https://evil.example/"),
        ("clear-site-data", "\"*\""),
        ("alt-svc", "h2=\"evil.example\""),
        ("x-powered-by", "evil"),
        ("content-security-policy", "default-src *"),
        ("access-control-allow-origin", "*"),
        ("access-control-allow-credentials", "true"),
        ("strict-transport-security", "max-age=0"),
        (
            "www-authenticate",
            "Bearer resource_metadata=\"https://evil.example\"",
        ),
        ("x-custom", "evil"),
        ("link", "<https://evil.example>; rel=preload"),
        ("refresh", "0; url=https://evil.example"),
    ];
    let sink = hostile
        .iter()
        .fold(Sink::builder().tool("echo"), |sink, (name, value)| {
            sink.response_header(name, value)
        });
    let scene = Scene::start(Options::default(), sink).await;
    let answer = echo(scene.post()).send().await;
    assert_eq!(answer.tool_text(), "echo");
    for (name, _) in hostile {
        assert!(answer.header(name).is_none(), "{name} passed: {answer:?}");
    }
    assert!(!format!("{answer:?}").contains("evil"), "{answer:?}");
}

#[tokio::test]
async fn t35_the_upstreams_challenge_never_reaches_the_client() {
    let scene = scene().await;
    for status in [401, 403] {
        let name = format!("refuses-{status}");
        let refuses = Sink::builder()
            .response_header(
                "www-authenticate",
                "Bearer resource_metadata=\"https://evil.example/.well-known\", realm=\"evil\"",
            )
            .always(
                status,
                "application/json",
                r#"{"error":"evil_token","resource_metadata":"https://evil.example"}"#,
            )
            .start()
            .await;
        scene
            .warder
            .api
            .register(&name, &refuses.url(), &shared("wrong-key"), &[&scene.ann])
            .await;
        until_reachable(&scene.warder, &name, &scene.ann).await;
        let answer = scene
            .gateway()
            .post(&name)
            .token(&scene.ann.token)
            .message(&list_message(1))
            .send()
            .await;
        assert_ne!(
            answer.status, 401,
            "the client's own token was fine: {answer:?}"
        );
        let (status, kind) = answer.refusal();
        assert!(matches!(status, 403 | 502), "{answer:?}");
        assert!(
            ["CredentialUnavailable", "UpstreamUnavailable"].contains(&kind.as_str()),
            "{answer:?}"
        );
        assert!(!format!("{answer:?}").contains("evil"), "{answer:?}");
        assert!(
            refuses.take().len() <= 2,
            "asked once, and once more with a fresh credential at most"
        );
    }
}

#[tokio::test]
async fn r17_an_answer_that_is_no_mcp_is_ours_to_explain() {
    let scene = scene().await;
    let evil = "<script>evil()</script>";
    let cases = [
        ("html", 200, "text/html", evil.to_owned()),
        ("failed", 500, "text/html", evil.to_owned()),
        (
            "failed-as-json",
            503,
            "application/json",
            json!({"evil": true}).to_string(),
        ),
        ("no-json", 200, "application/json", evil.to_owned()),
        (
            "no-message",
            200,
            "application/json",
            json!({"evil": true}).to_string(),
        ),
        (
            "list",
            200,
            "application/json",
            json!([{"jsonrpc": "2.0", "id": 1, "result": {"evil": 1}}]).to_string(),
        ),
        (
            "other-id",
            200,
            "application/json",
            json!({"jsonrpc": "2.0", "id": 2, "result": {"evil": 1}}).to_string(),
        ),
        (
            "id-as-text",
            200,
            "application/json",
            json!({"jsonrpc": "2.0", "id": "1", "result": {"evil": 1}}).to_string(),
        ),
        ("empty", 200, "application/json", String::new()),
        ("nothing", 204, "application/json", String::new()),
        ("accepted", 202, "application/json", String::new()),
        ("switching", 226, "text/plain", evil.to_owned()),
    ];
    let mut passed = Vec::new();
    for (name, status, content_type, body) in cases {
        let upstream = Sink::builder()
            .always(status, content_type, &body)
            .start()
            .await;
        scene
            .warder
            .api
            .register(name, &upstream.url(), &shared("key"), &[&scene.ann])
            .await;
        until_reachable(&scene.warder, name, &scene.ann).await;
        for message in [list_message(1), call_message(1, "echo", &json!({}))] {
            let answer = scene
                .gateway()
                .post(name)
                .token(&scene.ann.token)
                .message(&message)
                .send()
                .await;
            if summary(&answer) != "502 UpstreamUnavailable" || answer.body.contains("evil") {
                passed.push((name, answer));
            }
            assert_eq!(upstream.take().len(), 1, "{name}: asked once, never again");
        }
    }
    assert!(passed.is_empty(), "{passed:#?}");
}

#[tokio::test]
async fn r15_a_server_that_is_away_or_hangs_fails_alone_and_in_time() {
    let scene = scene().await;
    let api = &scene.warder.api;
    let hanging = Sink::builder().tool(HELD_TOOL).start().await;
    let server = json!({
        "type": "remote", "url": hanging.url(), "auth": {"type": "none"}, "timeouts": {"response_ms": 300},
        "collaborators": [{"subject": scene.ann.subject, "role": "mcp-server-user"}],
    });
    api.put("/mcp-servers/hanging", &server).await;
    let nobody = e2e::ports::Port::reserve();
    let url = format!("http://{}/mcp", nobody.address());
    api.register("away", &url, &json!({"type": "none"}), &[&scene.ann])
        .await;
    for server in ["hanging", "away"] {
        until_reachable(&scene.warder, server, &scene.ann).await;
    }
    let call = |server: &str, tool: &str| {
        scene
            .gateway()
            .post(server)
            .token(&scene.ann.token)
            .message(&call_message(1, tool, &json!({})))
            .send()
    };
    let (hanging_answer, away, fine) = tokio::join!(
        call("hanging", HELD_TOOL),
        call("away", "echo"),
        call("notes", "echo")
    );
    assert_eq!(
        hanging_answer.refusal(),
        (504, "UpstreamTimeout".to_owned()),
        "{hanging_answer:?}"
    );
    assert_eq!(
        away.refusal(),
        (502, "UpstreamUnavailable".to_owned()),
        "{away:?}"
    );
    assert!(
        !away.body.contains(&nobody.address().to_string()),
        "where a server is, is not the caller's business: {away:?}"
    );
    assert_eq!(fine.tool_text(), "echo");
    assert_eq!(hanging.take().len(), 1, "asked once, never again");
    // It was let go, not kept waiting upstream.
    hanging.until_held(0).await;
}

#[tokio::test]
async fn t50_a_pod_dials_only_where_it_may() {
    let options = Options {
        pod_environment: vec![("WARDER_EGRESS_ALLOW", "192.0.2.0/24".to_owned())],
        ..Options::default()
    };
    let sink = Sink::builder().tool("echo");
    let scene = Scene::start(options, sink).await;
    let port = scene.sink.address().port();
    let answer = echo(scene.post()).send().await;
    assert_eq!(
        answer.refusal(),
        (502, "UpstreamUnavailable".to_owned()),
        "{answer:?}"
    );
    scene.assert_nothing_sent("loopback is not in the list of this pod");

    // The control plane, which allows loopback here, refuses the rest by itself.
    let private = [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "[fe80::1]",
        "[fc00::1]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::a00:1]",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "0x0a.0.0.1",
        "167772161",
    ];
    for host in private {
        for url in [
            format!("http://{host}:{port}/mcp"),
            format!("https://{host}/mcp"),
        ] {
            let server = json!({"type": "remote", "url": url, "auth": {"type": "none"}, "collaborators": [{"subject": scene.ann.subject, "role": "mcp-server-user"}]});
            let (status, answer) = scene
                .warder
                .api
                .send(Method::PUT, "/mcp-servers/private", Some(&server))
                .await;
            assert_eq!(status, 400, "{url}: {answer}");
        }
    }
    for url in [
        "ftp://127.0.0.1/mcp",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "//127.0.0.1/mcp",
        "http://user:secret@127.0.0.1/mcp",
        "http://127.0.0.1/mcp#x",
        "",
    ] {
        let server = json!({"type": "remote", "url": url, "auth": {"type": "none"}});
        let (status, answer) = scene
            .warder
            .api
            .send(Method::PUT, "/mcp-servers/private", Some(&server))
            .await;
        assert_eq!(status, 400, "{url}: {answer}");
    }
}
