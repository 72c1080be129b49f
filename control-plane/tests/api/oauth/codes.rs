use chrono::Duration;
use futures_util::future::join_all;
use serde_json::json;

use super::client::{ADA, Client, DEMO, GATEWAY, VERIFIER, claims, is_admitted, scene};
use crate::browser::Browser;

#[tokio::test]
async fn a_code_becomes_tokens_for_one_server() {
    let (scene, client) = scene().await;
    let tokens = client.tokens(&scene).await;
    assert_eq!(
        (&tokens["token_type"], &tokens["expires_in"]),
        (&json!("Bearer"), &json!(600))
    );
    assert_eq!(tokens["scope"], "mcp:read mcp:tools");
    let token = tokens["access_token"].as_str().unwrap();
    let claims = claims(token);
    assert_eq!(claims["aud"], DEMO);
    assert_eq!(claims["client_id"], client.id.as_str());
    assert_eq!(
        (&claims["kind"], &claims["scope"]),
        (&json!("oauth"), &tokens["scope"])
    );
    assert!(claims["sub"].as_str().unwrap().starts_with("user:"));
    // T11: at its own server and nowhere else.
    assert!(is_admitted(&scene, token, "demo").await);
    assert!(!is_admitted(&scene, token, "other").await);
    // T4: neither at the REST API, nor as a refresh token, and the other way round.
    scene
        .get(token, "/me")
        .await
        .problem(401, "unauthenticated");
    client.refresh(&scene, token).await.expect(400);
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    scene
        .get(refresh_token, "/me")
        .await
        .problem(401, "unauthenticated");
    assert!(!is_admitted(&scene, refresh_token, "demo").await);
    client.refresh(&scene, &scene.ada).await.expect(400);
    scene.get(&scene.ada, "/me").await.expect(200);
    // T56: nothing of it is stored as it is.
    let stored = scene.database_files();
    for secret in [token, refresh_token] {
        let found = stored
            .windows(secret.len())
            .any(|window| window == secret.as_bytes());
        assert!(!found);
    }
    scene.pass(Duration::seconds(631));
    assert!(
        !is_admitted(&scene, token, "demo").await,
        "ten minutes, and leeway"
    );
}

/// With a good code each time, so that it is PKCE that refuses.
#[tokio::test]
async fn t38_a_code_without_its_verifier_is_no_use() {
    let (scene, client) = scene().await;
    let browser = Browser::signed_in(&scene, ADA).await;
    let long = "v".repeat(129);
    let challenge = super::client::challenge(VERIFIER);
    for bad in [
        None,
        Some(""),
        Some("short"),
        Some(&VERIFIER[1..]),
        Some(challenge.as_str()),
        Some(long.as_str()),
        Some("another-verifier-that-is-long-enough-for-rfc-7636"),
        Some("a verifier with spaces that is long enough, really"),
    ] {
        let code = client.code(&browser, &[]).await;
        let answer = client
            .redeem_with(&scene, &code, &[("code_verifier", bad)])
            .await
            .expect(400);
        assert_eq!(answer.body["error"], "invalid_grant", "{bad:?}");
        // Whoever tried had the code: it is used up.
        client.redeem(&scene, &code).await.expect(400);
    }
    let code = client.code(&browser, &[]).await;
    client.redeem(&scene, &code).await.expect(200);
}

#[tokio::test]
async fn t37_t39_a_code_is_for_one_client_redirect_uri_and_resource() {
    let (scene, client) = scene().await;
    let browser = Browser::signed_in(&scene, ADA).await;
    for (changes, error) in [
        (&[("redirect_uri", None)][..], "invalid_grant"),
        (
            &[("redirect_uri", Some("http://127.0.0.1:49153/callback"))],
            "invalid_grant",
        ),
        (
            &[("redirect_uri", Some("http://127.0.0.1/callback"))],
            "invalid_grant",
        ),
        (
            &[(
                "resource",
                Some("https://gateway.example.com/mcp/other/server"),
            )],
            "invalid_target",
        ),
        (&[("resource", Some(GATEWAY))], "invalid_target"),
        (
            &[("resource", Some("https://evil.example"))],
            "invalid_target",
        ),
    ] {
        let code = client.code(&browser, &[]).await;
        let answer = client.redeem_with(&scene, &code, changes).await.expect(400);
        assert_eq!(answer.body["error"], error, "{changes:?}");
    }
    let other = Client::register(&scene, json!({})).await;
    let code = client.code(&browser, &[]).await;
    assert_eq!(
        other.redeem(&scene, &code).await.expect(400).body["error"],
        "invalid_grant"
    );
    let code = client.code(&browser, &[]).await;
    scene.pass(Duration::seconds(60));
    assert_eq!(
        client.redeem(&scene, &code).await.expect(400).body["error"],
        "invalid_grant"
    );
    for (fields, error) in [
        (&[("grant_type", "password")][..], "unsupported_grant_type"),
        (&[], "invalid_request"),
        (&[("grant_type", "authorization_code")], "invalid_request"),
        (
            &[("grant_type", "authorization_code"), ("code", "x")],
            "invalid_grant",
        ),
        (&[("grant_type", "refresh_token")], "invalid_request"),
        (
            &[
                ("grant_type", "refresh_token"),
                ("grant_type", "refresh_token"),
            ],
            "invalid_request",
        ),
    ] {
        let answer = client
            .post(&scene, "/oauth/token", fields)
            .await
            .expect(400);
        assert_eq!(answer.body["error"], error, "{fields:?}");
    }
}

#[tokio::test]
async fn t39_of_fifty_at_once_one_gets_tokens_and_then_nobody_has_any() {
    let (scene, client) = scene().await;
    let browser = Browser::signed_in(&scene, ADA).await;
    let code = client.code(&browser, &[]).await;
    let answers = join_all((0..50).map(|_| client.redeem(&scene, &code))).await;
    let (good, bad): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!((good.len(), bad.len()), (1, 49));
    assert!(
        bad.iter()
            .all(|answer| answer.body["error"] == "invalid_grant")
    );
    assert!(!is_admitted(&scene, &good[0].text("/access_token"), "demo").await);
    client
        .refresh(&scene, &good[0].text("/refresh_token"))
        .await
        .expect(400);
    assert!(
        scene
            .actions()
            .await
            .contains(&"oauth_grant.revoke".to_owned())
    );
}

#[tokio::test]
async fn a_confidential_client_shows_its_secret_in_the_body_or_by_http_authentication() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let (scene, public) = scene().await;
    let client = Client::register(
        &scene,
        json!({"token_endpoint_auth_method": "client_secret_basic"}),
    )
    .await;
    let secret = client.secret.clone().unwrap();
    let browser = Browser::signed_in(&scene, ADA).await;
    let code = client.code(&browser, &[]).await;
    client.redeem(&scene, &code).await.expect(200);

    let code = client.code(&browser, &[]).await;
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", &client.redirect_uri),
        ("code_verifier", VERIFIER),
    ];
    let body = form.extend_pairs(fields).finish();
    let send = async |credentials: &str| {
        let call = scene.call("POST", "/oauth/token").raw(body.clone());
        let call = call.header("content-type", "application/x-www-form-urlencoded");
        let value = format!("Basic {}", STANDARD.encode(credentials));
        call.header("authorization", &value).send().await
    };
    for wrong in [
        format!("{}:wrong", client.id),
        format!("{}:", client.id),
        "nobody:x".into(),
    ] {
        let answer = send(&wrong).await.expect(401);
        assert_eq!(answer.body["error"], "invalid_client");
        assert!(
            answer.headers["www-authenticate"]
                .to_str()
                .unwrap()
                .starts_with("Basic")
        );
    }
    send(&format!("{}:{secret}", client.id)).await.expect(200);

    for wrong in [None, Some("wrong".to_owned())] {
        let wrong = Client {
            id: client.id.clone(),
            redirect_uri: client.redirect_uri.clone(),
            secret: wrong,
        };
        let answer = wrong.redeem(&scene, "x").await.expect(401);
        assert_eq!(answer.body["error"], "invalid_client");
        assert!(!answer.headers.contains_key("www-authenticate"));
    }
    let empty = Client {
        secret: Some(String::new()),
        ..public
    };
    let code = empty.code(&browser, &[]).await;
    empty.redeem(&scene, &code).await.expect(200);
}
