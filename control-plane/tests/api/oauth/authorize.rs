use serde_json::json;

use super::client::{ADA, Client, DEMO, answered, path, scene};
use crate::{browser::Browser, support::Scene};

/// Whatever is wrong with client or redirect URI: a page, and nobody is redirected.
#[tokio::test]
async fn t37_nobody_is_redirected_to_what_was_not_registered() {
    let scene = Scene::new().await;
    let uris = json!(["https://client.example.com/cb", "http://127.0.0.1/callback"]);
    let client = Client::register(&scene, json!({"redirect_uris": uris})).await;
    let browser = Browser::signed_in(&scene, ADA).await;
    for bad in [
        "https://client.example.com/cb/",
        "https://client.example.com/cb?x=1",
        "https://client.example.com/cb#x",
        "https://client.example.com/CB",
        "https://Client.example.com/cb",
        "https://client.example.com:443/cb",
        "https://client.example.com./cb",
        "https://client.example.com.evil.example/cb",
        "https://client.example.com@evil.example/cb",
        "https://evil.example/cb",
        "https://evil.example/https://client.example.com/cb",
        "//client.example.com/cb",
        "http://client.example.com/cb",
        "javascript:alert(1)",
        "data:text/html,x",
        "http://127.0.0.1/callback/",
        "http://127.0.0.1/callback?x",
        "http://127.0.0.1:0/callback",
        "http://127.0.0.1:x/callback",
        "http://127.0.0.1:8080@evil.example/callback",
        "http://127.0.0.1.evil.example/callback",
        "http://localhost/callback",
        "http://127.0.0.2/callback",
        "http://[::1]/callback",
        "https://127.0.0.1/callback",
        "https://warder.example.com/login",
        "https://client.example.com/cb\r\nx: y",
        " https://client.example.com/cb",
        "",
    ] {
        let page = browser
            .get(&client.path(&[("redirect_uri", Some(bad))]))
            .await
            .expect(400);
        assert_eq!(page.location(), None, "{bad}");
        assert!(
            page.headers["content-type"]
                .to_str()
                .unwrap()
                .starts_with("text/html")
        );
    }
    browser
        .get(&client.path(&[("redirect_uri", None)]))
        .await
        .expect(400);
    for id in [None, Some("unknown"), Some("")] {
        let page = browser
            .get(&client.path(&[("client_id", id)]))
            .await
            .expect(400);
        assert_eq!(page.location(), None);
    }
    for name in ["client_id", "redirect_uri"] {
        let mut twice = client.request();
        let again = twice
            .iter()
            .find(|(other, _)| other == name)
            .unwrap()
            .clone();
        twice.push(again);
        let page = browser.get(&path(&twice)).await.expect(400);
        assert_eq!(page.location(), None, "{name}");
    }
    for good in [
        "https://client.example.com/cb",
        "http://127.0.0.1/callback",
        "http://127.0.0.1:1/callback",
        "http://127.0.0.1:65535/callback",
    ] {
        browser
            .get(&client.path(&[("redirect_uri", Some(good))]))
            .await
            .expect(200);
    }
}

/// What else is wrong, the client hears, before anybody has to sign in.
#[tokio::test]
async fn t38_t45_what_is_wrong_with_a_request_the_client_hears() {
    let (scene, client) = scene().await;
    let browser = Browser::new(&scene);
    let short = "c".repeat(42);
    let odd = "=".repeat(43);
    for (changes, error) in [
        (&[("response_type", None)][..], "invalid_request"),
        (
            &[("response_type", Some("token"))],
            "unsupported_response_type",
        ),
        (
            &[("response_type", Some("code token"))],
            "unsupported_response_type",
        ),
        (&[("response_mode", Some("fragment"))], "invalid_request"),
        (&[("code_challenge", None)], "invalid_request"),
        (&[("code_challenge", Some(""))], "invalid_request"),
        (&[("code_challenge", Some(&short))], "invalid_request"),
        (&[("code_challenge", Some(&odd))], "invalid_request"),
        (&[("code_challenge_method", None)], "invalid_request"),
        (
            &[("code_challenge_method", Some("plain"))],
            "invalid_request",
        ),
        (
            &[("code_challenge_method", Some("s256"))],
            "invalid_request",
        ),
        (&[("request", Some("e30.e30."))], "invalid_request"),
        (
            &[("request_uri", Some("https://evil.example/r"))],
            "invalid_request",
        ),
        (
            &[("resource", Some("https://evil.example/mcp/demo/server"))],
            "invalid_target",
        ),
        (
            &[("resource", Some("https://gateway.example.com/mcp/demo"))],
            "invalid_target",
        ),
        (&[("resource", Some("demo"))], "invalid_target"),
        (&[("prompt", Some("none"))], "login_required"),
    ] {
        let page = browser.get(&client.path(changes)).await;
        let answer = answered(&page);
        assert_eq!(answer.at, client.redirect_uri);
        assert_eq!(answer.get("error"), Some(error), "{changes:?}");
        assert_eq!(answer.get("state"), Some("st&te"));
        assert_eq!(answer.get("code"), None);
    }
    for (name, value, error) in [
        ("scope", "mcp:read", "invalid_request"),
        ("code_challenge", "x", "invalid_request"),
        ("state", "other", "invalid_request"),
        ("resource", DEMO, "invalid_target"),
    ] {
        let mut twice = client.request();
        twice.push((name.to_owned(), value.to_owned()));
        let answer = answered(&browser.get(&path(&twice)).await);
        assert_eq!(answer.get("error"), Some(error), "{name} twice");
    }
    let answer = answered(
        &browser
            .get(&client.path(&[("state", None), ("response_type", None)]))
            .await,
    );
    assert_eq!(answer.get("state"), None);
}

#[tokio::test]
async fn somebody_who_is_not_signed_in_comes_back_to_the_same_request() {
    let (scene, client) = scene().await;
    crate::browser::set_password(&scene, ADA).await;
    let browser = Browser::new(&scene);
    let wanted = client.path(&[]);
    let login = browser.get(&wanted).await.expect(303);
    let login = login.location().unwrap().to_owned();
    let handle = login.strip_prefix("/login?continue=").unwrap();
    let page = browser.get(&login).await.expect(200);
    let fields = [
        ("email", ADA),
        ("password", crate::browser::PASSWORD),
        ("continue", handle),
    ];
    browser
        .submit(&page, "/login", &fields)
        .await
        .leads_to(&wanted);
    let page = browser.get(&wanted).await.expect(200);
    assert!(page.text.contains("Allow access?"), "{}", page.text);
    let answer = answered(&browser.get(&client.path(&[("prompt", Some("none"))])).await);
    assert_eq!(answer.get("error"), Some("consent_required"));
}

/// What one may not use looks like what there is not, and only to those who signed in.
#[tokio::test]
async fn a_server_that_the_user_may_not_use_is_one_that_does_not_exist() {
    let (scene, client) = scene().await;
    let nobody = json!([]);
    scene.server("secluded", json!({})).await;
    let rules = "/mcp-servers/secluded/collaborators";
    scene.put(&scene.ada, rules, nobody).await.expect(200);
    let browser = Browser::signed_in(&scene, ADA).await;
    let mut pages = Vec::new();
    for name in ["secluded", "nothing"] {
        let url = format!("https://gateway.example.com/mcp/{name}/server");
        let path = client.path(&[("resource", Some(&url))]);
        Browser::new(&scene).get(&path).await.expect(303);
        let page = browser.get(&path).await.expect(200);
        assert!(!page.text.contains("value=\"approve\""), "{}", page.text);
        let answer = browser
            .submit(&page, &path, &[("decision", "approve")])
            .await;
        assert_eq!(answered(&answer).get("error"), Some("access_denied"));
        let answer = browser.submit(&page, &path, &[("decision", "deny")]).await;
        assert_eq!(answered(&answer).get("error"), Some("access_denied"));
        pages.push(page.text.replace(name, "NAME"));
    }
    assert_eq!(pages[0], pages[1]);
}
