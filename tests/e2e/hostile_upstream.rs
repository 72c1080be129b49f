//! Servers that want more than their share: to be followed elsewhere, to keep credentials, to speak to the client.

use e2e::files::canary;
use e2e::gateway::list_message;
use e2e::sink::Sink;
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
