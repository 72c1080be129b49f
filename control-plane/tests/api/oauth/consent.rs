use serde_json::json;

use super::client::{ADA, Client, DEMO, answered, scene};
use crate::browser::{Browser, ORIGIN};

#[tokio::test]
async fn t43_a_link_that_somebody_made_shows_a_page_and_gives_nothing_away() {
    let (scene, _) = scene().await;
    let evil = Client::register(
        &scene,
        json!({"client_name": "Warder", "redirect_uris": ["https://evil.example/cb"]}),
    )
    .await;
    let evil = Client {
        redirect_uri: "https://evil.example/cb".into(),
        ..evil
    };
    let browser = Browser::signed_in(&scene, ADA).await;
    for prompt in [
        None,
        Some("consent"),
        Some("login select_account"),
        Some("unheard-of"),
    ] {
        let page = browser
            .get(&evil.path(&[("prompt", prompt)]))
            .await
            .expect(200);
        assert_eq!(page.location(), None);
        assert!(
            page.text.contains("Unverified application"),
            "{}",
            page.text
        );
        assert!(
            page.text.contains("<strong>evil.example</strong>"),
            "{}",
            page.text
        );
        assert!(
            page.text.contains(ADA) && page.text.contains("The demo") && page.text.contains(DEMO)
        );
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(policy.contains("form-action 'self' https:;"), "{policy}");
        assert!(policy.contains("script-src 'self';"), "{policy}");
        assert_eq!(page.headers["x-frame-options"], "DENY");
    }
    // Having agreed once changes nothing.
    let path = evil.path(&[]);
    let page = browser.get(&path).await;
    let answer = browser
        .submit(&page, &path, &[("decision", "approve")])
        .await;
    assert_eq!(answered(&answer).at, "https://evil.example/cb");
    browser.get(&path).await.expect(200);
}

#[tokio::test]
async fn t43_nobody_agrees_for_somebody_else() {
    let (scene, client) = scene().await;
    scene.member("max").await;
    let (browser, other) = (
        Browser::signed_in(&scene, ADA).await,
        Browser::signed_in(&scene, "max@example.com").await,
    );
    let path = client.path(&[]);
    let theirs = other.get("/").await;
    let page = browser.get(&path).await;
    let approve = ("decision", "approve");
    let good: [(&'static str, &str); 1] = [("origin", ORIGIN)];
    let evil: [(&'static str, &str); 2] = [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ];
    for (fields, headers) in [
        (vec![approve], &good[..]),
        (vec![approve, ("csrf", "")], &good),
        (vec![approve, ("csrf", theirs.csrf())], &good),
        (vec![approve, ("csrf", page.csrf())], &evil),
        (
            vec![approve, ("csrf", page.csrf()), ("csrf", page.csrf())],
            &good,
        ),
    ] {
        let answer = browser.post(&path, &fields, headers).await;
        assert!(
            answer.status.is_client_error(),
            "{fields:?}: {}",
            answer.status
        );
        assert_eq!(answer.location(), None);
    }
    // Without a session there is nobody to agree.
    let answer = Browser::new(&scene)
        .post(&path, &[approve, ("csrf", page.csrf())], &good)
        .await;
    assert!(
        answer
            .location()
            .is_some_and(|path| path.starts_with("/login"))
    );
    browser
        .post(&path, &[approve, ("csrf", page.csrf())], &good)
        .await
        .expect(303);
}

#[tokio::test]
async fn t43_the_request_is_checked_again_when_the_user_agrees() {
    let (scene, client) = scene().await;
    let browser = Browser::signed_in(&scene, ADA).await;
    let page = browser.get(&client.path(&[])).await;
    let approve = [("decision", "approve")];
    let path = client.path(&[("redirect_uri", Some("https://evil.example/cb"))]);
    let answer = browser.submit(&page, &path, &approve).await.expect(400);
    assert_eq!(answer.location(), None);
    let path = client.path(&[("code_challenge_method", Some("plain"))]);
    let answer = browser.submit(&page, &path, &approve).await;
    assert_eq!(answered(&answer).get("error"), Some("invalid_request"));
    let answer = browser
        .submit(&page, &client.path(&[]), &[("decision", "maybe")])
        .await;
    assert_eq!(answer.location(), None);
}

#[tokio::test]
async fn a_user_who_says_no_is_heard() {
    let (scene, client) = scene().await;
    let browser = Browser::signed_in(&scene, ADA).await;
    let path = client.path(&[]);
    let page = browser.get(&path).await;
    let answer = answered(&browser.submit(&page, &path, &[("decision", "deny")]).await);
    assert_eq!(answer.get("error"), Some("access_denied"));
    assert_eq!(
        (answer.get("state"), answer.get("code")),
        (Some("st&te"), None)
    );
    assert!(
        scene
            .actions()
            .await
            .contains(&"oauth_grant.refuse".to_owned())
    );
}

/// What a client says about itself is text, whatever is in it.
#[tokio::test]
async fn t41_t60_names_of_clients_are_text() {
    let (scene, _) = scene().await;
    let browser = Browser::signed_in(&scene, ADA).await;
    for name in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "'><svg/onload=alert(1)>",
        "</p><form action=https://evil.example>",
        "{{7*7}}",
        "&lt;b&gt;",
        "javascript:alert(1)",
        "<!-- ",
        "]]>",
    ] {
        let client = Client::register(&scene, json!({"client_name": name})).await;
        let path = client.path(&[]);
        let page = browser.get(&path).await.expect(200);
        for markup in [
            "<script>alert",
            "<img",
            "<svg",
            "https://evil.example>",
            "<!-- <",
        ] {
            assert!(!page.text.contains(markup), "{name}: {}", page.text);
        }
        let code = client.code(&browser, &[]).await;
        client.redeem(&scene, &code).await.expect(200);
        let page = browser.get("/applications").await.expect(200);
        for markup in ["<script>alert", "<img", "<svg"] {
            assert!(!page.text.contains(markup), "{name}");
        }
    }
}
