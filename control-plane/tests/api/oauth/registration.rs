use chrono::Duration;
use serde_json::{Value, json};

use crate::support::{Answer, Scene};

async fn register(scene: &Scene, body: Value) -> Answer {
    scene
        .call("POST", "/oauth/register")
        .json(&body)
        .send()
        .await
}

#[tokio::test]
async fn everything_that_a_client_says_comes_back() {
    let scene = Scene::new().await;
    let body = json!({
        "client_name": "Inspector <b>",
        "redirect_uris": ["http://localhost:6274/oauth/callback"],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
        "response_types": ["code"],
        "client_uri": "https://client.example.com",
        "logo_uri": "https://client.example.com/logo.png",
        "scope": "openid mcp:read",
        "software_version": null,
        "x-custom": {"deep": [1, "two"]},
    });
    let answer = register(&scene, body.clone()).await.expect(201);
    assert_eq!(answer.headers["cache-control"], "no-store");
    for (member, value) in body.as_object().unwrap() {
        let expected = (!value.is_null()).then_some(value);
        assert_eq!(answer.body.get(member), expected, "{member}");
    }
    assert_eq!(answer.body["client_id_issued_at"], scene.now().timestamp());
    assert!(answer.body["client_id"].as_str().unwrap().len() >= 16);
    assert!(
        answer.body.get("client_secret").is_none(),
        "a public client"
    );
    let members = answer.body.as_object().unwrap();
    assert!(members.values().all(|value| !value.is_null()));

    // Twice the same is two clients.
    let again = register(&scene, body).await.expect(201);
    assert_ne!(again.body["client_id"], answer.body["client_id"]);
    assert!(
        scene
            .actions()
            .await
            .contains(&"oauth_client.register".to_owned())
    );
}

#[tokio::test]
async fn a_client_that_wants_a_secret_gets_one_that_does_not_expire() {
    let scene = Scene::new().await;
    for method in ["client_secret_basic", "client_secret_post"] {
        let body = json!({"redirect_uris": ["https://client.example.com/cb"], "token_endpoint_auth_method": method});
        let answer = register(&scene, body).await.expect(201);
        assert_eq!(answer.body["client_secret_expires_at"], 0);
        assert_eq!(answer.body["token_endpoint_auth_method"], method);
        let secret = answer.text("/client_secret");
        assert!(secret.len() >= 43);
        let stored = scene.database_files();
        let found = stored
            .windows(secret.len())
            .any(|window| window == secret.as_bytes());
        assert!(!found, "t56: a secret is stored by its hash only");
    }
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_in_json() {
    let scene = Scene::new().await;
    let good = json!({"redirect_uris": ["https://client.example.com/cb"]});
    let with = |member: &str, value: Value| {
        let mut body = good.clone();
        body[member] = value;
        body
    };
    let uri = "https://client.example.com/cb";
    for (body, error) in [
        (json!({}), "invalid_redirect_uri"),
        (with("redirect_uris", json!([])), "invalid_redirect_uri"),
        (with("redirect_uris", json!(uri)), "invalid_redirect_uri"),
        (
            with("redirect_uris", json!([uri, 1])),
            "invalid_redirect_uri",
        ),
        (
            with("redirect_uris", json!([uri, "javascript:alert(1)"])),
            "invalid_redirect_uri",
        ),
        (
            with("redirect_uris", json!(["http://client.example.com/cb"])),
            "invalid_redirect_uri",
        ),
        (
            with(
                "redirect_uris",
                json!(["https://warder.example.com/login/okta/callback"]),
            ),
            "invalid_redirect_uri",
        ),
        (
            with(
                "redirect_uris",
                json!(["https://gateway.example.com/mcp/demo/server"]),
            ),
            "invalid_redirect_uri",
        ),
        (
            with("redirect_uris", json!(vec![uri; 11])),
            "invalid_redirect_uri",
        ),
        (
            with("token_endpoint_auth_method", json!("private_key_jwt")),
            "invalid_client_metadata",
        ),
        (
            with("token_endpoint_auth_method", json!(1)),
            "invalid_client_metadata",
        ),
        (
            with("grant_types", json!(["client_credentials"])),
            "invalid_client_metadata",
        ),
        (
            with("grant_types", json!("authorization_code")),
            "invalid_client_metadata",
        ),
        (
            with("response_types", json!(["token"])),
            "invalid_client_metadata",
        ),
        (
            with("client_name", json!({"en": "x"})),
            "invalid_client_metadata",
        ),
        (
            with("client_name", json!("evil\u{202e}txt")),
            "invalid_client_metadata",
        ),
        (
            with("client_name", json!("n".repeat(201))),
            "invalid_client_metadata",
        ),
        (
            with("x", json!("x".repeat(16 * 1024))),
            "invalid_client_metadata",
        ),
        (json!([]), "invalid_client_metadata"),
        (json!("x"), "invalid_client_metadata"),
    ] {
        let answer = register(&scene, body.clone()).await.expect(400);
        assert_eq!(answer.body["error"], error, "{body}");
        assert_eq!(answer.headers["content-type"], "application/json");
    }
    let call = scene.call("POST", "/oauth/register").raw("{");
    let answer = call
        .header("content-type", "application/json")
        .send()
        .await
        .expect(400);
    assert_eq!(answer.body["error"], "invalid_client_metadata");
}

/// However many register, there are so many of them and no more.
#[tokio::test]
async fn t41_a_flood_of_registrations_is_bounded() {
    let scene = Scene::new().await;
    let body = json!({"redirect_uris": ["https://client.example.com/cb"]});
    let mut taken = 0;
    for _ in 0..150 {
        let answer = register(&scene, body.clone()).await;
        match answer.status.as_u16() {
            201 => taken += 1,
            _ => {
                let answer = answer.expect(429);
                assert_eq!(answer.body["error"], "temporarily_unavailable");
                assert!(answer.headers.contains_key("retry-after"));
            }
        }
    }
    assert_eq!(taken, 100);
    scene.pass(Duration::hours(1));
    register(&scene, body).await.expect(201);
}

#[tokio::test]
async fn cursor_registers_three_uris_at_once_as_a_web_application() {
    let scene = Scene::new().await;
    let uris = json!([
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "https://www.cursor.com/agents/mcp/oauth/callback",
        "http://localhost:8787/callback",
    ]);
    let body = json!({
        "client_name": "Cursor",
        "application_type": "web",
        "redirect_uris": uris,
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    });
    let answer = register(&scene, body).await.expect(201);
    assert_eq!(answer.body["redirect_uris"], uris);
    assert_eq!(answer.body["application_type"], "web");
}

#[tokio::test]
async fn vs_code_registers_portless_and_fixed_loopback_addresses() {
    let scene = Scene::new().await;
    let uris = json!([
        "https://insiders.vscode.dev/redirect",
        "https://vscode.dev/redirect",
        "http://127.0.0.1/",
        "http://127.0.0.1:33418/",
    ]);
    let body = json!({"client_name": "Visual Studio Code", "redirect_uris": uris, "token_endpoint_auth_method": "none"});
    let answer = register(&scene, body).await.expect(201);
    assert_eq!(answer.body["redirect_uris"], uris);
}

#[tokio::test]
async fn opencode_registers_without_saying_what_it_is() {
    let scene = Scene::new().await;
    let body = json!({"redirect_uris": ["http://127.0.0.1:19876/mcp/oauth/callback"]});
    let answer = register(&scene, body).await.expect(201);
    assert_eq!(answer.body["token_endpoint_auth_method"], "none");
    assert_eq!(
        answer.body["grant_types"],
        json!(["authorization_code", "refresh_token"])
    );
    assert_eq!(answer.body["response_types"], json!(["code"]));
    assert!(answer.body.get("application_type").is_none());
}

#[tokio::test]
async fn chatgpt_claude_and_copilot_studio_register_their_pages() {
    let scene = Scene::new().await;
    for uri in [
        "https://chatgpt.com/connector_platform_oauth_redirect",
        "https://claude.ai/api/mcp/auth_callback",
        "https://claude.com/api/mcp/auth_callback",
        "https://global.consent.azure-apim.net/redirect/cr1a2b-5fwarder",
    ] {
        let body =
            json!({"redirect_uris": [uri], "token_endpoint_auth_method": "client_secret_post"});
        let answer = register(&scene, body).await.expect(201);
        assert_eq!(answer.body["redirect_uris"], json!([uri]));
    }
}
