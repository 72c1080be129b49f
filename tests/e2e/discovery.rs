//! What a client that has no token yet finds out from the server's URL alone (RFC 9728, RFC 8414).

use e2e::gateway::list_message;
use e2e::sink::Sink;
use e2e::warder::Options;
use reqwest::Method;

use crate::support::Scene;

const RESOURCE: &str = "/.well-known/oauth-protected-resource/mcp/notes/server";

#[tokio::test]
async fn a_client_finds_the_authorization_server_from_the_url_alone() {
    let scene = Scene::start(Options::default(), Sink::builder().tool("allowed")).await;
    let gateway = scene.gateway();
    let issuer = scene.warder.control_plane.public_url().to_owned();
    let get = async |path: &str| {
        let call = gateway.request_path(Method::GET, path);
        call.header("mcp-protocol-version", "2025-11-25")
            .send()
            .await
    };

    // The challenge leads to the metadata of exactly what was asked for, whatever the method.
    let metadata_url = format!("{}{RESOURCE}", gateway.origin());
    for (method, token) in [
        (Method::POST, None),
        (Method::GET, None),
        (Method::DELETE, None),
        (Method::HEAD, None),
        (Method::POST, Some("not-a-token")),
    ] {
        let mut call = gateway.request(method.clone(), "notes");
        if let Some(token) = token {
            call = call.token(token);
        }
        let answer = call.message(&list_message(1)).send().await;
        assert_eq!(answer.status, 401, "{method}: {answer:?}");
        let error = token.map_or("", |_| ", error=\"invalid_token\"");
        let expected = format!(
            "Bearer resource_metadata=\"{metadata_url}\", scope=\"mcp:read mcp:tools\"{error}"
        );
        assert_eq!(
            answer.header("www-authenticate"),
            Some(expected.as_str()),
            "{method}"
        );
    }

    let resource = get(RESOURCE).await;
    assert_eq!(resource.status, 200, "{resource:?}");
    assert_eq!(resource.json()["resource"], gateway.url("notes"));
    assert_eq!(
        resource.json()["authorization_servers"],
        serde_json::json!([issuer])
    );
    let behind = get("/mcp/notes/server/.well-known/oauth-protected-resource").await;
    assert_eq!(behind.body, resource.body);

    // A stranger does not learn which servers there are.
    let unknown = get("/.well-known/oauth-protected-resource/mcp/nothing/server").await;
    assert_eq!(unknown.body.replace("nothing", "notes"), resource.body);
    assert_eq!(
        get("/.well-known/oauth-protected-resource").await.status,
        404
    );

    // mcp-remote looks for the authorization server at every one of these on the resource's own origin.
    let mut documents = std::collections::BTreeSet::new();
    for name in ["oauth-authorization-server", "openid-configuration"] {
        for path in [
            format!("/.well-known/{name}"),
            format!("/.well-known/{name}/mcp/notes/server"),
            format!("/mcp/notes/server/.well-known/{name}"),
        ] {
            let answer = get(&path).await;
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
            assert_eq!(answer.json()["issuer"], issuer.as_str(), "{path}");
            documents.insert(answer.body);
        }
    }
    assert_eq!(documents.len(), 1, "{documents:?}");
    scene.assert_nothing_sent("discovery");
}

#[tokio::test]
async fn t68_public_documents_are_for_every_page_and_nothing_else_is() {
    let scene = Scene::start(Options::default(), Sink::builder().tool("allowed")).await;
    let gateway = scene.gateway();
    let from = |method: Method, path: &str| {
        let call = gateway.request_path(method, path);
        call.header("origin", "https://inspector.example")
    };
    let answer = from(Method::GET, RESOURCE).send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert!(answer.header("access-control-allow-credentials").is_none());
    assert!(
        answer
            .header("cache-control")
            .is_some_and(|value| value.contains("max-age"))
    );
    let preflight = from(Method::OPTIONS, RESOURCE)
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "mcp-protocol-version")
        .send()
        .await;
    assert_eq!(preflight.status, 204, "{preflight:?}");
    assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
    assert_eq!(
        preflight.header("access-control-allow-headers"),
        Some("mcp-protocol-version")
    );
    let head = from(Method::HEAD, RESOURCE).send().await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let post = from(Method::POST, RESOURCE).send().await;
    assert_eq!(
        (post.status, post.header("allow")),
        (405, Some("GET, HEAD, OPTIONS"))
    );
    // The same page may not use the server itself.
    let call = gateway.post("notes").token(&scene.ann.token);
    let call = call.header("origin", "https://inspector.example");
    let refused = call.message(&list_message(1)).send().await;
    assert_eq!(refused.refusal(), (403, "Forbidden".to_owned()));
    scene.assert_nothing_sent("a foreign page");
}
