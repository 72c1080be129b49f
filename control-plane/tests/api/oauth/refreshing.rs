use chrono::Duration;
use futures_util::future::join_all;
use serde_json::json;

use super::client::{Client, is_admitted, scene};
use crate::support::{Answer, Scene};

fn pair(answer: &Answer) -> (String, String) {
    (answer.text("/access_token"), answer.text("/refresh_token"))
}

async fn start() -> (Scene, Client, String, String) {
    let (scene, client) = scene().await;
    let tokens = client.tokens(&scene).await;
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    let (access, refresh) = (text("access_token"), text("refresh_token"));
    (scene, client, access, refresh)
}

#[tokio::test]
async fn a_refresh_token_becomes_the_next_one() {
    let (scene, client, first, token) = start().await;
    let answer = client.refresh(&scene, &token).await.expect(200);
    let (access, next) = pair(&answer);
    assert_ne!(access, first);
    assert_ne!(next, token);
    assert_eq!(
        answer.body["scope"], "mcp:read mcp:tools",
        "as much as was granted"
    );
    assert!(
        is_admitted(&scene, &access, "demo").await && is_admitted(&scene, &first, "demo").await
    );
    let again = client.refresh(&scene, &next).await.expect(200);
    assert_ne!(pair(&again).1, next);
}

/// Every one of them gets an access token that works, and all of them the same next refresh token.
#[tokio::test]
async fn r11_twenty_uses_at_once_all_get_tokens_that_work() {
    let (scene, client, _, token) = start().await;
    let answers = join_all((0..20).map(|_| client.refresh(&scene, &token))).await;
    let mut next = std::collections::BTreeSet::new();
    for answer in answers {
        let (access, refresh) = pair(&answer.expect(200));
        assert!(is_admitted(&scene, &access, "demo").await);
        next.insert(refresh);
    }
    assert_eq!(next.len(), 1, "one branch");
    client
        .refresh(&scene, next.first().unwrap())
        .await
        .expect(200);
}

#[tokio::test]
async fn r11_a_lost_answer_can_be_asked_for_again() {
    let (scene, client, _, token) = start().await;
    let (_, lost) = pair(&client.refresh(&scene, &token).await.expect(200));
    scene.pass(Duration::seconds(29));
    let (access, same) = pair(&client.refresh(&scene, &token).await.expect(200));
    assert_eq!(same, lost);
    assert!(is_admitted(&scene, &access, "demo").await);
    client.refresh(&scene, &same).await.expect(200);
}

#[tokio::test]
async fn t40_r11_a_true_replay_ends_the_family_everywhere() {
    for wait in [Duration::zero(), Duration::seconds(31)] {
        let (scene, client, first, token) = start().await;
        let (access, mut newest) = pair(&client.refresh(&scene, &token).await.expect(200));
        if wait.is_zero() {
            // Its successor was used.
            newest = pair(&client.refresh(&scene, &newest).await.expect(200)).1;
        }
        scene.pass(wait);
        let answer = client.refresh(&scene, &token).await.expect(400);
        assert_eq!(answer.body["error"], "invalid_grant");
        for refused in [&first, &access] {
            assert!(!is_admitted(&scene, refused, "demo").await);
        }
        for dead in [&newest, &token] {
            assert_eq!(
                client.refresh(&scene, dead).await.expect(400).body["error"],
                "invalid_grant"
            );
        }
        let audit = scene
            .get(&scene.ada, "/audit-events?limit=200")
            .await
            .expect(200);
        assert!(audit.body.to_string().contains("refresh_token_used_twice"));
    }
}

#[tokio::test]
async fn t40_forged_and_foreign_refresh_tokens_end_nothing() {
    let (scene, client, access, token) = start().await;
    let other = Client::register(&scene, json!({})).await;
    let mut forged = token.clone().into_bytes();
    let last = forged.len() - 2;
    forged[last] = if forged[last] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).unwrap();
    for (client, token) in [
        (&client, &forged),
        (&other, &token),
        (&client, &"wrt_x".to_owned()),
    ] {
        let answer = client.refresh(&scene, token).await.expect(400);
        assert_eq!(answer.body["error"], "invalid_grant");
    }
    assert!(is_admitted(&scene, &access, "demo").await);
    client.refresh(&scene, &token).await.expect(200);
}

#[tokio::test]
async fn t40_a_family_lives_for_thirty_days_however_often_it_is_refreshed() {
    let (scene, client, _, mut token) = start().await;
    for _ in 0..29 {
        scene.pass(Duration::days(1));
        token = pair(&client.refresh(&scene, &token).await.expect(200)).1;
    }
    scene.pass(Duration::days(1));
    client.refresh(&scene, &token).await.expect(400);
}

#[tokio::test]
async fn t45_a_refresh_never_gives_more_than_was_granted() {
    let (scene, client) = scene().await;
    let browser = crate::browser::Browser::signed_in(&scene, super::client::ADA).await;
    let code = client.code(&browser, &[("scope", Some("mcp:read"))]).await;
    let tokens = client.redeem(&scene, &code).await.expect(200);
    assert_eq!(tokens.body["scope"], "mcp:read");
    let token = tokens.text("/refresh_token");
    let with = async |token: &str, name: &str, value: &str| {
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            (name, value),
        ];
        client.post(&scene, "/oauth/token", &fields).await
    };
    for scope in ["mcp:tools", "mcp:read mcp:tools"] {
        assert_eq!(
            with(&token, "scope", scope).await.expect(400).body["error"],
            "invalid_scope"
        );
    }
    for resource in [
        "https://gateway.example.com/mcp/other/server",
        "https://gateway.example.com",
    ] {
        let answer = with(&token, "resource", resource).await.expect(400);
        assert_eq!(answer.body["error"], "invalid_target");
    }
    let answer = with(&token, "scope", "mcp:read").await.expect(200);
    assert_eq!(answer.body["scope"], "mcp:read");

    // Less for one token, and all of it for the next.
    let code = client.code(&browser, &[]).await;
    let token = client
        .redeem(&scene, &code)
        .await
        .expect(200)
        .text("/refresh_token");
    let less = with(&token, "scope", "mcp:read").await.expect(200);
    assert_eq!(less.body["scope"], "mcp:read");
    let all = client
        .refresh(&scene, &less.text("/refresh_token"))
        .await
        .expect(200);
    assert_eq!(all.body["scope"], "mcp:read mcp:tools");
}

#[tokio::test]
async fn who_lost_access_or_was_disabled_refreshes_nothing() {
    let (scene, client) = scene().await;
    scene.member("uma").await;
    let rule = json!([{"subject": "user:uma@example.com", "role": "mcp-server-user"}]);
    let rules = "/mcp-servers/demo/collaborators";
    scene.put(&scene.ada, rules, rule.clone()).await.expect(200);
    let browser = crate::browser::Browser::signed_in(&scene, "uma@example.com").await;
    let code = client.code(&browser, &[]).await;
    let token = client
        .redeem(&scene, &code)
        .await
        .expect(200)
        .text("/refresh_token");

    scene.put(&scene.ada, rules, json!([])).await.expect(200);
    assert_eq!(
        client.refresh(&scene, &token).await.expect(400).body["error"],
        "invalid_grant"
    );
    scene.put(&scene.ada, rules, rule).await.expect(200);
    let user = "/users/uma@example.com";
    scene
        .patch(&scene.ada, user, json!({"status": "disabled"}))
        .await
        .expect(200);
    assert_eq!(
        client.refresh(&scene, &token).await.expect(400).body["error"],
        "invalid_grant"
    );
    scene
        .patch(&scene.ada, user, json!({"status": "active"}))
        .await
        .expect(200);
    let answer = client.refresh(&scene, &token).await.expect(200);
    scene.delete(&scene.ada, user).await.expect(204);
    client.refresh(&scene, &pair(&answer).1).await.expect(400);
}
