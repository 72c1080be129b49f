//! What clients out there do, each under its name.

use serde_json::json;
use warder_control_plane::{accept::TrustedProxies, router};

use super::client::{ADA, Client, DEMO, GATEWAY, answered, claims, is_admitted, path, scene};
use crate::browser::Browser;

/// It listens on the port that it gets, whatever it registered.
#[tokio::test]
async fn vs_code_comes_back_on_a_random_port() {
    let (scene, _) = scene().await;
    let uris = json!([
        "https://vscode.dev/redirect",
        "http://127.0.0.1/",
        "http://127.0.0.1:33418/"
    ]);
    let client = Client::register(&scene, json!({"redirect_uris": uris})).await;
    let browser = Browser::signed_in(&scene, ADA).await;
    for port in [33_418, 51_723] {
        let client = Client {
            redirect_uri: format!("http://127.0.0.1:{port}/"),
            id: client.id.clone(),
            secret: None,
        };
        let code = client.code(&browser, &[]).await;
        client.redeem(&scene, &code).await.expect(200);
    }
}

#[tokio::test]
async fn cursor_comes_back_by_its_own_scheme() {
    let (scene, _) = scene().await;
    let uri = "cursor://anysphere.cursor-mcp/oauth/callback";
    let client = Client::register(
        &scene,
        json!({"redirect_uris": [uri, "http://localhost:8787/callback"]}),
    )
    .await;
    let client = Client {
        redirect_uri: uri.into(),
        ..client
    };
    let browser = Browser::signed_in(&scene, ADA).await;
    let page = browser.get(&client.path(&[])).await.expect(200);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("form-action 'self' cursor:;"), "{policy}");
    let code = client.code(&browser, &[]).await;
    client.redeem(&scene, &code).await.expect(200);
}

/// It names the gateway's origin, with a slash, or nothing at all: its token is for every server of its user.
#[tokio::test]
async fn claude_code_names_the_origin_or_nothing() {
    let (scene, client) = scene().await;
    let browser = Browser::signed_in(&scene, ADA).await;
    for resource in [None, Some(GATEWAY), Some("https://gateway.example.com/")] {
        let path = client.path(&[("resource", resource)]);
        let page = browser.get(&path).await.expect(200);
        assert!(
            page.text.contains("every MCP server that you may use"),
            "{}",
            page.text
        );
        let code = client.code(&browser, &[("resource", resource)]).await;
        let answer = client
            .redeem_with(&scene, &code, &[("resource", resource)])
            .await
            .expect(200);
        let token = answer.text("/access_token");
        assert_eq!(claims(&token)["aud"], GATEWAY);
        for server in ["demo", "other"] {
            assert!(is_admitted(&scene, &token, server).await, "{server}");
        }
        scene
            .get(&token, "/me")
            .await
            .problem(401, "unauthenticated");
        // Repeated in another spelling, or not repeated.
        let refresh = answer.text("/refresh_token");
        client.refresh(&scene, &refresh).await.expect(200);
    }
    for resource in [DEMO.to_owned(), format!("{DEMO}/")] {
        let code = client
            .code(&browser, &[("resource", Some(&resource))])
            .await;
        let answer = client
            .redeem_with(&scene, &code, &[("resource", None)])
            .await
            .expect(200);
        assert_eq!(claims(&answer.text("/access_token"))["aud"], DEMO);
    }
    let strict = scene.services.clone().requiring_resource(true);
    let mut scene = scene;
    scene.router = router::build(strict, TrustedProxies::default());
    let browser = Browser::signed_in(&scene, ADA).await;
    for resource in [None, Some(GATEWAY)] {
        let answer = answered(&browser.get(&client.path(&[("resource", resource)])).await);
        assert_eq!(answer.get("error"), Some("invalid_target"));
    }
    browser.get(&client.path(&[])).await.expect(200);
}

/// It kept an id that is not known here any more: only `invalid_client` with 401 makes it register anew.
#[tokio::test]
async fn claude_code_with_a_stale_client_id_is_told_to_register_again() {
    let (scene, client) = scene().await;
    let stale = Client {
        id: "a-client-of-long-ago".into(),
        ..client
    };
    for fields in [
        &[("grant_type", "refresh_token"), ("refresh_token", "x")][..],
        &[("grant_type", "authorization_code"), ("code", "x")],
    ] {
        let answer = stale.post(&scene, "/oauth/token", fields).await.expect(401);
        assert_eq!(answer.body["error"], "invalid_client");
    }
    let browser = Browser::signed_in(&scene, ADA).await;
    let page = browser.get(&stale.path(&[])).await.expect(400);
    assert!(page.text.contains("registers anew"), "{}", page.text);
}

/// They ask for what the metadata list, and for consent with it.
#[tokio::test]
async fn typescript_and_python_sdks_ask_for_offline_access_and_consent() {
    let (scene, client) = scene().await;
    let browser = Browser::signed_in(&scene, ADA).await;
    let changes = [
        ("scope", Some("mcp:read mcp:tools offline_access")),
        ("prompt", Some("consent")),
    ];
    let code = client.code(&browser, &changes).await;
    let answer = client.redeem(&scene, &code).await.expect(200);
    assert_eq!(answer.body["scope"], "mcp:read mcp:tools");
    assert!(answer.body["refresh_token"].is_string());
}

#[tokio::test]
async fn a_client_that_names_no_scope_gets_one_that_works() {
    let (scene, client) = scene().await;
    let browser = Browser::signed_in(&scene, ADA).await;
    for scope in [None, Some(""), Some("openid profile")] {
        let code = client.code(&browser, &[("scope", scope)]).await;
        let answer = client.redeem(&scene, &code).await.expect(200);
        assert_eq!(answer.body["scope"], "mcp:read mcp:tools", "{scope:?}");
    }
}

#[tokio::test]
async fn a_client_that_cannot_refresh_gets_no_refresh_token() {
    let (scene, _) = scene().await;
    let client = Client::register(&scene, json!({"grant_types": ["authorization_code"]})).await;
    let tokens = client.tokens(&scene).await;
    assert!(tokens.get("refresh_token").is_none(), "absent, not null");
}

/// Unknown parameters are ignored, wherever they are (RFC 6749 section 3.1).
#[tokio::test]
async fn chatgpt_and_others_send_parameters_of_their_own() {
    let (scene, client) = scene().await;
    let browser = Browser::signed_in(&scene, ADA).await;
    let mut parameters = client.request();
    for (name, value) in [
        ("nonce", "n"),
        ("login_hint", "x@example.com"),
        ("max_age", "0"),
        ("access_type", "offline"),
    ] {
        parameters.push((name.into(), value.into()));
    }
    let path = path(&parameters);
    let page = browser.get(&path).await.expect(200);
    let answer = browser
        .submit(&page, &path, &[("decision", "approve")])
        .await;
    let code = answered(&answer).get("code").unwrap().to_owned();
    client
        .redeem_with(&scene, &code, &[("audience", Some("x"))])
        .await
        .expect(200);
}
