//! Whose credential reaches the server behind the gateway, and what never does.

use std::collections::BTreeSet;

use e2e::api::Caller;
use e2e::files::{canary, files_with};
use e2e::gateway::{Call, call_message};
use e2e::recorded::Request;
use e2e::sink::Sink;
use e2e::warder::Options;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Scene, until_reachable};

const CLIENT_HEADERS: &str = "x-tfy-mcp-headers";

/// Headers that say nothing about who the caller is.
const NEUTRAL: [&str; 14] = [
    "host",
    "accept",
    "accept-encoding",
    "content-type",
    "content-length",
    "transfer-encoding",
    "user-agent",
    "mcp-protocol-version",
    "mcp-session-id",
    "mcp-method",
    "mcp-name",
    "last-event-id",
    "traceparent",
    "tracestate",
];

pub(crate) async fn scene() -> Scene {
    Scene::start(Options::default(), Sink::builder().tool("echo")).await
}

pub(crate) fn echo(call: Call) -> Call {
    call.message(&call_message(1, "echo", &json!({})))
}

pub(crate) fn shared(value: &str) -> Value {
    json!({"type": "header", "level": "shared", "headers": {"Authorization": format!("Bearer {value}")}})
}

pub(crate) fn individual() -> Value {
    json!({"type": "header", "level": "individual", "headers": {"Authorization": "Bearer {{API_KEY}}", "X-Kind": "individual"}})
}

/// The names of headers that carry something of the caller's or the operator's.
fn telling(request: &Request) -> BTreeSet<&str> {
    request
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| !NEUTRAL.contains(name))
        .collect()
}

#[tokio::test]
async fn t28_nothing_that_the_client_sent_leaks_upstream() {
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
    api.register(
        "forwarding",
        &scene.sink.url(),
        &json!({"type": "forwarding"}),
        &[&scene.ann],
    )
    .await;
    api.set_override("individual", &scene.ann, &json!({"API_KEY": own_key}))
        .await;
    for server in ["shared", "individual", "forwarding"] {
        until_reachable(&scene.warder, server, &scene.ann).await;
    }
    drop(scene.sink.take());

    let private = [
        "cookie",
        "proxy-authorization",
        "x-api-key",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
        "forwarded",
        "via",
        "referer",
        "x-tfy-metadata",
        "x-tfy-api-key",
        "x-warder-anything",
        "x-custom",
        "x-amzn-oidc-data",
        "x-auth-request-access-token",
        "x-ms-token-aad-access-token",
        "cf-access-jwt-assertion",
        "from",
        "x-request-id",
        "baggage",
    ];
    let canaries: Vec<String> = private.iter().map(|name| canary(name)).collect();
    let decorate = |call: Call| {
        private
            .iter()
            .zip(&canaries)
            .fold(call, |call, (name, value)| call.header(name, value))
    };
    let cases: [(&str, &[&str], Option<&str>); 5] = [
        ("notes", &[], None),
        ("shared", &["authorization"], None),
        ("individual", &["authorization", "x-kind"], None),
        ("forwarding", &[], None),
        (
            "forwarding",
            &["authorization", "x-mine"],
            Some(r#"{"Authorization":"Bearer mine","X-Mine":"1"}"#),
        ),
    ];
    for (server, expected, client_headers) in cases {
        let target = format!("/mcp/{server}/server?session={}", canary("query"));
        let mut posts = vec![
            scene.gateway().post(server),
            scene
                .gateway()
                .request_path(Method::POST, &target)
                .header("accept", "application/json, text/event-stream")
                .header("content-type", "application/json"),
        ];
        while let Some(post) = posts.pop() {
            let mut call = decorate(post.token(&scene.ann.token));
            if let Some(client_headers) = client_headers {
                call = call.header(CLIENT_HEADERS, client_headers);
            }
            let answer = echo(call).send().await;
            if answer.status == 400 && posts.len() == 1 {
                // A query may be refused; it may not be passed on.
                scene.assert_nothing_sent("a query");
                continue;
            }
            assert_eq!(answer.tool_text(), "echo", "{server}: {answer:?}");
            let sent = scene.sink.take().remove(0);
            for canary in &canaries {
                assert!(!sent.mentions(canary), "{server}: {canary} in {sent:?}");
            }
            assert!(
                !sent.mentions(&scene.ann.token),
                "{server}: the gateway token went upstream: {sent:?}"
            );
            assert!(sent.query.is_empty(), "{server}: {sent:?}");
            assert_eq!(
                telling(&sent),
                expected.iter().copied().collect(),
                "{server}: {sent:?}"
            );
        }
    }
    let authorization = async |server: &str| {
        echo(scene.gateway().post(server).token(&scene.ann.token))
            .send()
            .await;
        scene
            .sink
            .take()
            .remove(0)
            .header("authorization")
            .map(str::to_owned)
    };
    assert_eq!(
        authorization("shared").await,
        Some(format!("Bearer {shared_key}"))
    );
    assert_eq!(
        authorization("individual").await,
        Some(format!("Bearer {own_key}"))
    );
}

#[tokio::test]
async fn t57_no_secret_is_in_a_log_a_file_or_a_metric() {
    let scene = scene().await;
    let api = &scene.warder.api;
    let secrets = [
        canary("shared-key"),
        canary("own-key"),
        canary("client-header"),
        canary("additional"),
    ];
    let [shared_key, own_key, client_header, additional] = &secrets;
    let mut server = json!({
        "type": "remote", "url": scene.sink.url(), "auth": shared(shared_key), "additional_headers": {"X-Additional": additional},
        "collaborators": [{"subject": scene.ann.subject, "role": "mcp-server-user"}],
    });
    api.put("/mcp-servers/shared", &server).await;
    server["auth"] = individual();
    api.put("/mcp-servers/individual", &server).await;
    api.set_override("individual", &scene.ann, &json!({"API_KEY": own_key}))
        .await;
    for server in ["shared", "individual"] {
        until_reachable(&scene.warder, server, &scene.ann).await;
        let call = scene.gateway().post(server).token(&scene.ann.token).header(
            CLIENT_HEADERS,
            &json!({"X-Client": client_header}).to_string(),
        );
        assert_eq!(echo(call).send().await.tool_text(), "echo");
    }
    let sent = scene.sink.take();
    assert!(
        secrets
            .iter()
            .all(|secret| sent.iter().any(|request| request.mentions(secret))),
        "each secret was really in use: {sent:?}"
    );

    let signature = |caller: &Caller| {
        caller
            .token
            .rsplit('.')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let everything = secrets
        .iter()
        .cloned()
        .chain([signature(&scene.ann), signature(&scene.warder.admin)]);
    let mut answers = Vec::new();
    for path in [
        "/mcp-servers/shared",
        "/mcp-servers/individual",
        "/mcp-servers/individual/auth-overrides",
        "/audit-events",
        "/mcp-servers",
    ] {
        answers.push(api.get(path).await.to_string());
    }
    for admin in [
        scene.warder.pods[0].admin(),
        scene.warder.control_plane.admin(),
    ] {
        answers.push(
            admin
                .request_path(Method::GET, "/metrics")
                .send()
                .await
                .body,
        );
    }
    for secret in everything {
        let found = files_with(scene.warder.folder(), &secret);
        assert!(found.is_empty(), "{secret} is in {found:?}");
        assert!(
            !answers.iter().any(|answer| answer.contains(&secret)),
            "{secret} is in an answer"
        );
    }
}

#[tokio::test]
async fn t31_the_nearest_credential_wins_and_is_the_only_one() {
    let scene = scene().await;
    let api = &scene.warder.api;
    let bob = api.person("bob@example.com").await;
    let mut server = json!({
        "type": "remote", "url": scene.sink.url(), "auth": shared("from-the-server"), "additional_headers": {"X-Lowest": "lowest"},
        "collaborators": [{"subject": scene.ann.subject, "role": "mcp-server-user"}, {"subject": bob.subject, "role": "mcp-server-user"}],
    });
    api.put("/mcp-servers/shared", &server).await;
    server["auth"] = json!({"type": "none"});
    server["additional_headers"]["Authorization"] = "Bearer lowest".into();
    api.put("/mcp-servers/additional", &server).await;
    api.set_override("shared", &bob, &json!({"Authorization": "Bearer from-bob"}))
        .await;
    for server in ["shared", "additional"] {
        until_reachable(&scene.warder, server, &scene.ann).await;
    }
    drop(scene.sink.take());
    let sent_for = async |server: &str, caller: &Caller, client_headers: Option<&str>| {
        let mut call = scene.gateway().post(server).token(&caller.token);
        if let Some(client_headers) = client_headers {
            call = call.header(CLIENT_HEADERS, client_headers);
        }
        let answer = echo(call).send().await;
        assert_eq!(answer.tool_text(), "echo", "{answer:?}");
        let sent = scene.sink.take().remove(0);
        (
            sent.header("authorization").map(str::to_owned),
            sent.header("x-lowest").map(str::to_owned),
            sent,
        )
    };
    let bearer = |word: &str| Some(format!("Bearer {word}"));
    let lowest = Some("lowest".to_owned());

    let (authorization, additional, _) = sent_for("additional", &scene.ann, None).await;
    assert_eq!(
        (authorization, additional),
        (bearer("lowest"), lowest.clone())
    );
    let (authorization, additional, _) = sent_for("shared", &scene.ann, None).await;
    assert_eq!(
        (authorization, additional),
        (bearer("from-the-server"), lowest.clone())
    );
    let (authorization, additional, sent) = sent_for("shared", &bob, None).await;
    assert_eq!(
        (authorization, additional),
        (bearer("from-bob"), lowest.clone())
    );
    assert!(!sent.mentions("from-the-server"), "{sent:?}");
    for spelling in ["Authorization", "authorization", "AUTHORIZATION"] {
        for caller in [&scene.ann, &bob] {
            let client_headers = json!({spelling: "Bearer from-the-client"}).to_string();
            let (authorization, _, sent) = sent_for("shared", caller, Some(&client_headers)).await;
            assert_eq!(authorization, bearer("from-the-client"));
            assert!(
                !sent.mentions("from-the-server")
                    && !sent.mentions("from-bob")
                    && !sent.mentions("Bearer lowest"),
                "{sent:?}"
            );
        }
    }
    let (_, additional, _) = sent_for(
        "shared",
        &scene.ann,
        Some(r#"{"x-lowest":"from-the-client"}"#),
    )
    .await;
    assert_eq!(additional.as_deref(), Some("from-the-client"));
}

#[tokio::test]
async fn t32_callers_never_share_a_credential() {
    const ROUNDS: usize = 12;
    let scene = scene().await;
    let api = &scene.warder.api;
    let bob = api.person("bob@example.com").await;
    // Named like a user, to be told apart all the same.
    let service = api.virtual_account("ann").await;
    let without = api.person("without@example.com").await;
    let callers = [
        (&scene.ann, "key-of-ann"),
        (&bob, "key-of-bob"),
        (&service, "key-of-the-service"),
    ];
    api.register(
        "individual",
        &scene.sink.url(),
        &individual(),
        &[&scene.ann, &bob, &service, &without],
    )
    .await;
    for (caller, key) in callers {
        api.set_override("individual", caller, &json!({"API_KEY": key}))
            .await;
        until_reachable(&scene.warder, "individual", caller).await;
    }
    until_reachable(&scene.warder, "individual", &without).await;

    let gateway = scene.gateway();
    for _ in 0..ROUNDS {
        // Everybody at once, all with the same id.
        let calls = callers.map(|(caller, key)| {
            gateway
                .post("individual")
                .token(&caller.token)
                .message(&call_message(0, "echo", &json!({"expected": key})))
                .send()
        });
        let refused = gateway
            .post("individual")
            .token(&without.token)
            .message(&call_message(0, "echo", &json!({"expected": "nothing"})))
            .send();
        let (answers, refused) = tokio::join!(join_all(calls), refused);
        assert!(answers.iter().all(|answer| answer.tool_text() == "echo"));
        assert_eq!(
            refused.refusal(),
            (403, "CredentialUnavailable".to_owned()),
            "{refused:?}"
        );
    }
    let sent = scene.sink.take();
    assert_eq!(sent.len(), ROUNDS * callers.len());
    for request in sent {
        let body: Value = serde_json::from_str(&request.body).expect("a message");
        let expected = body["params"]["arguments"]["expected"]
            .as_str()
            .expect("an argument");
        assert_eq!(
            request.header("authorization"),
            Some(format!("Bearer {expected}").as_str())
        );
        assert_eq!(
            request
                .headers
                .iter()
                .filter(|(_, value)| value.contains("key-of-"))
                .count(),
            1
        );
    }
}
