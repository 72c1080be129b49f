//! Web pages of others, and tokens in the wrong place.

use e2e::gateway::list_message;
use e2e::sink::Sink;
use e2e::warder::Options;
use reqwest::Method;

use crate::raw_requests::scene;
use crate::support::{Scene, summary};

#[tokio::test]
async fn t68_a_foreign_web_page_is_refused() {
    const OURS: &str = "https://app.example";
    let options = Options {
        pod_environment: vec![("WARDER_ALLOWED_ORIGINS", OURS.to_owned())],
        ..Options::default()
    };
    let scene = Scene::start(options, Sink::builder().tool("allowed")).await;
    let foreign = [
        "null",
        "https://evil.example",
        "http://app.example",
        "https://app.example.evil.example",
        "https://app.example:444",
        "https://APP.example.",
        "https://xapp.example",
        "https://evil.example/https://app.example",
        "file://",
        "https://app.example evil",
        "*",
        "https://app.example@evil.example",
        "chrome-extension://abcdef",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://localhost:80@evil.example",
        "https://localhost",
        "http://localhost",
        "http://127.0.0.1:1",
        "http://evil.localhost",
    ];
    for origin in foreign {
        for token in [Some(&scene.ann.token), None] {
            let mut call = scene
                .gateway()
                .post("notes")
                .header("origin", origin)
                .message(&list_message(1));
            if let Some(token) = token {
                call = call.token(token);
            }
            let answer = call.send().await;
            assert_eq!(
                answer.refusal(),
                (403, "Forbidden".to_owned()),
                "{origin}: {answer:?}"
            );
            scene.assert_nothing_sent(origin);
        }
        let preflight = scene
            .gateway()
            .request(Method::OPTIONS, "notes")
            .header("origin", origin);
        let answer = preflight
            .header("access-control-request-method", "POST")
            .send()
            .await;
        let allowed = answer.header("access-control-allow-origin");
        assert!(allowed.is_none(), "{origin}: {answer:?}");
        scene.assert_nothing_sent(origin);
    }
    let own = scene
        .post()
        .header("origin", scene.gateway().origin())
        .message(&list_message(1))
        .send()
        .await;
    assert_eq!(own.tool_names(), ["allowed"], "the gateway's own origin");
    drop(scene.sink.take());
    let both = scene
        .post()
        .header("origin", OURS)
        .header("origin", "https://evil.example")
        .message(&list_message(1))
        .send()
        .await;
    assert!(
        matches!(
            summary(&both).as_str(),
            "403 Forbidden" | "400 InvalidRequest"
        ),
        "{both:?}"
    );
    scene.assert_nothing_sent("two origins");

    let answer = scene
        .post()
        .header("origin", OURS)
        .message(&list_message(1))
        .send()
        .await;
    assert_eq!(answer.tool_names(), ["allowed"]);
    assert_eq!(answer.header("access-control-allow-origin"), Some(OURS));
    assert!(answer.header("access-control-allow-credentials").is_none());
    assert!(scene.sink.take()[0].header("origin").is_none());

    let preflight = scene
        .gateway()
        .request(Method::OPTIONS, "notes")
        .header("origin", OURS)
        .header("access-control-request-method", "POST");
    let preflight = preflight
        .header(
            "access-control-request-headers",
            "authorization, content-type, mcp-protocol-version, mcp-param-region",
        )
        .send()
        .await;
    assert!(
        matches!(preflight.status, 200 | 204),
        "before authentication: {preflight:?}"
    );
    assert_eq!(preflight.header("access-control-allow-origin"), Some(OURS));
    let allowed = preflight
        .header("access-control-allow-headers")
        .unwrap_or_default()
        .to_lowercase();
    for name in [
        "authorization",
        "content-type",
        "mcp-protocol-version",
        "mcp-param-region",
    ] {
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
        let call = gateway
            .request_path(Method::POST, target)
            .header("accept", "application/json, text/event-stream");
        call.header("content-type", "application/json")
            .message(&list_message(1))
    };
    let path = "/mcp/notes/server";
    for query in [
        "access_token",
        "token",
        "ACCESS_TOKEN",
        "bearer",
        "x=1&access_token",
    ] {
        let answer = post(&format!("{path}?{query}={token}")).send().await;
        assert!(
            matches!(
                summary(&answer).as_str(),
                "400 InvalidRequest" | "401 Unauthorized"
            ),
            "{query}: {answer:?}"
        );
        scene.assert_nothing_sent(query);
    }
    for prefix in ["", "x=1&"] {
        let with_header = post(&format!("{path}?{prefix}access_token={token}"))
            .token(token)
            .send()
            .await;
        assert_eq!(
            with_header.refusal(),
            (400, "InvalidRequest".to_owned()),
            "{with_header:?}"
        );
        scene.assert_nothing_sent("query and header");
    }
    for (first, second) in [
        (token.as_str(), token.as_str()),
        (token, "garbage"),
        ("garbage", token),
    ] {
        let answer = post(path).token(first).token(second).send().await;
        assert_eq!(
            answer.refusal(),
            (400, "InvalidRequest".to_owned()),
            "{answer:?}"
        );
        scene.assert_nothing_sent("two headers");
    }
    // Not the last character: part of it is padding.
    let (signed, signature) = token.split_at(token.len() - 40);
    let tampered = format!(
        "{signed}{}{}",
        if signature.starts_with('A') { 'B' } else { 'A' },
        &signature[1..]
    );
    let refused = [
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        token.clone(),
        format!("Basic {token}"),
        format!("Token {token}"),
        format!("Bearer {token}, Bearer {token}"),
        format!("Bearer {token} {token}"),
        format!("Bearer {token},"),
        format!("Bearer\u{a0}{token}"),
        format!("Bearer \"{token}\""),
        format!("Bearer {token}="),
        format!("Bearer {tampered}"),
        format!("Bearer {}", token.to_uppercase()),
        format!("Bearer {}", token.replace('.', "..")),
        "Bearer null".to_owned(),
        "Bearer undefined".to_owned(),
        format!("BearerX {token}"),
        format!("Bearer {}", "a".repeat(6000)),
    ];
    for value in refused {
        let answer = post(path)
            .header_bytes("authorization", value.as_bytes())
            .send()
            .await;
        assert_eq!(
            answer.refusal(),
            (401, "Unauthorized".to_owned()),
            "{value:?}: {answer:?}"
        );
        assert!(
            answer
                .header("www-authenticate")
                .is_some_and(|challenge| challenge.starts_with("Bearer")),
            "{answer:?}"
        );
        scene.assert_nothing_sent(&value);
    }
    for (name, value) in [
        ("cookie", format!("access_token={token}")),
        ("x-api-key", token.clone()),
        ("proxy-authorization", format!("Bearer {token}")),
    ] {
        let answer = post(path).header(name, &value).send().await;
        assert_eq!(
            answer.refusal(),
            (401, "Unauthorized".to_owned()),
            "{name}: {answer:?}"
        );
        assert_eq!(answer.headers.get_all("www-authenticate").iter().count(), 1);
        scene.assert_nothing_sent(name);
    }
    for method in [Method::GET, Method::DELETE, Method::HEAD] {
        let answer = gateway.request(method.clone(), "notes").send().await;
        assert_eq!(answer.status, 401, "{method}: {answer:?}");
        scene.assert_nothing_sent(method.as_str());
    }
    let unknown = gateway
        .post("nothing")
        .message(&list_message(1))
        .send()
        .await;
    assert_eq!(
        unknown.refusal(),
        (401, "Unauthorized".to_owned()),
        "who is asking comes before what exists: {unknown:?}"
    );

    // None of that left the token in a log.
    let signature = token.rsplit('.').next().unwrap_or_default();
    assert_eq!(
        e2e::files::files_with(scene.warder.folder(), signature),
        Vec::<std::path::PathBuf>::new()
    );
    assert_eq!(
        post(path).token(token).send().await.tool_names(),
        ["allowed", "smuggled"]
    );
}
