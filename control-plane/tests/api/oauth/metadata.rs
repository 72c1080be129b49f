use serde_json::json;

use crate::support::Scene;

const PATHS: [&str; 2] = [
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
];

#[tokio::test]
async fn t45_metadata_come_from_configuration_whatever_the_host() {
    let scene = Scene::new().await;
    let mut bodies = Vec::new();
    for path in PATHS {
        for host in ["warder.example.com", "evil.example"] {
            let call = scene.call("GET", path).header("host", host);
            let call = call.header("x-forwarded-host", host);
            let answer = call
                .header("mcp-protocol-version", "2025-11-25")
                .send()
                .await
                .expect(200);
            assert_eq!(answer.headers["content-type"], "application/json");
            assert_eq!(answer.headers["access-control-allow-origin"], "*");
            assert_eq!(answer.headers["cache-control"], "public, max-age=300");
            bodies.push(answer.body);
        }
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]));
    let body = &bodies[0];
    assert_eq!(body["issuer"], "https://warder.example.com");
    assert_eq!(
        body["authorization_endpoint"],
        "https://warder.example.com/oauth/authorize"
    );
    assert_eq!(body["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(body["authorization_response_iss_parameter_supported"], true);
    assert_eq!(body["client_id_metadata_document_supported"], true);
    assert_eq!(
        body["scopes_supported"],
        json!(["mcp:read", "mcp:tools", "offline_access"])
    );
    let methods = body["token_endpoint_auth_methods_supported"]
        .as_array()
        .unwrap();
    assert!(methods.contains(&json!("none")));
}

#[tokio::test]
async fn browsers_may_ask_what_other_clients_may() {
    let scene = Scene::new().await;
    for path in [
        PATHS[0],
        PATHS[1],
        "/oauth/register",
        "/oauth/token",
        "/oauth/revoke",
    ] {
        let call = scene
            .call("OPTIONS", path)
            .header("origin", "https://inspector.example");
        let call = call.header("access-control-request-method", "POST");
        let wanted = "authorization,mcp-protocol-version";
        let answer = call
            .header("access-control-request-headers", wanted)
            .send()
            .await
            .expect(204);
        assert_eq!(answer.headers["access-control-allow-origin"], "*", "{path}");
        assert_eq!(
            answer.headers["access-control-allow-headers"], wanted,
            "{path}"
        );
        assert!(
            !answer
                .headers
                .contains_key("access-control-allow-credentials"),
            "{path}"
        );
    }
    for path in PATHS {
        scene.call("HEAD", path).send().await.expect(200);
    }
    let refused = scene.call("POST", "/oauth/token").send().await.expect(400);
    assert_eq!(refused.headers["access-control-allow-origin"], "*");
}
