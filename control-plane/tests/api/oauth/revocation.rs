use serde_json::json;

use super::client::{ADA, Client, is_admitted, scene};
use crate::browser::Browser;

/// Whatever is revoked, the answer is the same (T46).
#[tokio::test]
async fn t46_a_token_is_revoked_with_its_family_and_nobody_learns_anything() {
    let (scene, client) = scene().await;
    let other = Client::register(&scene, json!({})).await;
    for revoked in ["refresh_token", "access_token"] {
        let tokens = client.tokens(&scene).await;
        let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
        let (access, refresh) = (text("access_token"), text("refresh_token"));
        let mut answers = Vec::new();
        let revoke = async |client: &Client, token: &str, hint: &str| {
            let fields = [("token", token), ("token_type_hint", hint)];
            client
                .post(&scene, "/oauth/revoke", &fields)
                .await
                .expect(200)
        };
        for (client, token, hint) in [
            (&client, "unknown", "refresh_token"),
            (&client, "wrt_AAAA", "access_token"),
            (&other, &access, "access_token"),
            (&other, &refresh, "refresh_token"),
            (&client, &scene.ada, "access_token"),
        ] {
            answers.push(revoke(client, token, hint).await);
        }
        assert!(
            is_admitted(&scene, &access, "demo").await,
            "of another client nothing is revoked"
        );
        scene.get(&scene.ada, "/me").await.expect(200);
        let token = if revoked == "access_token" {
            &access
        } else {
            &refresh
        };
        for _ in 0..2 {
            answers.push(revoke(&client, token, "nonsense").await);
        }
        assert!(!is_admitted(&scene, &access, "demo").await, "{revoked}");
        client.refresh(&scene, &refresh).await.expect(400);
        for answer in &answers {
            assert_eq!(answer.body, answers[0].body);
            assert_eq!(answer.headers.len(), answers[0].headers.len());
        }
    }
    client.post(&scene, "/oauth/revoke", &[]).await.expect(400);
    let nobody = Client {
        id: "nobody".into(),
        ..other
    };
    nobody
        .post(&scene, "/oauth/revoke", &[("token", "x")])
        .await
        .expect(401);
}

#[tokio::test]
async fn people_see_their_applications_and_throw_them_out() {
    let (scene, client) = scene().await;
    scene.member("max").await;
    let tokens = client.tokens(&scene).await;
    let access = tokens["access_token"].as_str().unwrap();
    let browser = Browser::signed_in(&scene, ADA).await;
    let page = browser.get("/applications").await.expect(200);
    assert!(page.text.contains("Editor"), "{}", page.text);
    let action = page.after("action=\"/applications/", '"').unwrap();
    let action = format!("/applications/{action}");

    let other = Browser::signed_in(&scene, "max@example.com").await;
    let theirs = other.get("/applications").await.expect(200);
    assert!(theirs.text.contains("No application acts for you"));
    other.submit(&theirs, &action, &[]).await.expect(404);
    other
        .submit(&theirs, "/applications/nonsense/revoke", &[])
        .await
        .expect(404);
    browser.post(&action, &[], &[]).await.expect(403);
    assert!(is_admitted(&scene, access, "demo").await);

    browser
        .submit(&page, &action, &[])
        .await
        .leads_to("/applications");
    assert!(!is_admitted(&scene, access, "demo").await);
    client
        .refresh(&scene, tokens["refresh_token"].as_str().unwrap())
        .await
        .expect(400);
    assert!(
        browser
            .get("/applications")
            .await
            .text
            .contains("No application acts for you")
    );
}
