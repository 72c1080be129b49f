//! Personal access tokens.

use chrono::{Duration, SubsecRound as _};
use serde_json::json;

use crate::support::Scene;

#[tokio::test]
async fn t56_a_token_is_shown_once_and_is_nowhere_in_the_database() {
    let scene = Scene::new().await;
    let made = scene
        .post(
            &scene.ada,
            "/personal-access-tokens",
            json!({"name": "laptop"}),
        )
        .await
        .expect(201);
    let (id, token) = (made.text("/id"), made.text("/token"));
    assert_eq!(
        made.headers["location"],
        format!("/api/v1/personal-access-tokens/{id}")
    );
    scene.get(&token, "/me").await.expect(200);

    let shown = [
        scene
            .get(&scene.ada, &format!("/personal-access-tokens/{id}"))
            .await
            .expect(200)
            .body,
        scene
            .get(&scene.ada, "/personal-access-tokens")
            .await
            .expect(200)
            .body,
        scene
            .get(&scene.ada, "/audit-events")
            .await
            .expect(200)
            .body,
    ];
    // The signature and the claims, each of which would give the token away or name it.
    for part in token.split('.').skip(1) {
        for body in &shown {
            assert!(!body.to_string().contains(part));
        }
        let files = scene.database_files();
        assert!(
            !files
                .windows(part.len())
                .any(|window| window == part.as_bytes())
        );
    }
    let files = scene.database_files();
    assert!(
        files.windows(6).any(|window| window == b"laptop"),
        "the files are those of the database"
    );
}

#[tokio::test]
async fn a_token_lives_as_long_as_asked() {
    let scene = Scene::new().await;
    let make = async |body| {
        scene
            .post(&scene.ada, "/personal-access-tokens", body)
            .await
    };
    for (expires_in, seconds) in [
        (json!(60), 60),
        (json!("2h"), 7200),
        (json!("366d"), 366 * 86_400),
        (json!(null), 90 * 86_400),
    ] {
        let answer = make(json!({"name": "x", "expires_in": expires_in}))
            .await
            .expect(201);
        let expires_at = chrono::DateTime::parse_from_rfc3339(&answer.text("/expires_at")).unwrap();
        let lifetime = expires_at.signed_duration_since(scene.now().trunc_subsecs(0));
        assert_eq!(lifetime, Duration::seconds(seconds), "{expires_in}");
    }
    for (body, pointer) in [
        (json!({"name": "x", "expires_in": 0}), "/expires_in"),
        (json!({"name": "x", "expires_in": "367d"}), "/expires_in"),
        (json!({"name": "x", "expires_in": u64::MAX}), "/expires_in"),
        (json!({"name": "x", "expires_in": "soon"}), "/expires_in"),
        (json!({"name": ""}), "/name"),
        (json!({}), "/name"),
    ] {
        let answer = make(body.clone()).await.problem(400, "validation-failed");
        assert_eq!(answer.pointers(), [pointer], "{body}");
    }
}

#[tokio::test]
async fn t10_an_expired_or_revoked_token_is_refused_at_once() {
    let scene = Scene::new().await;
    let body = json!({"name": "x", "expires_in": "10m"});
    let short = scene
        .post(&scene.ada, "/personal-access-tokens", body.clone())
        .await
        .text("/token");
    let revoked = scene
        .post(&scene.ada, "/personal-access-tokens", body)
        .await;
    let path = format!("/personal-access-tokens/{}", revoked.text("/id"));
    scene.get(&revoked.text("/token"), "/me").await.expect(200);
    scene.delete(&scene.ada, &path).await.expect(204);
    scene
        .get(&revoked.text("/token"), "/me")
        .await
        .problem(401, "unauthenticated");
    scene.delete(&scene.ada, &path).await.expect(204);
    assert_eq!(scene.get(&scene.ada, &path).await.body["status"], "revoked");

    scene.pass(Duration::minutes(10));
    scene
        .get(&short, "/me")
        .await
        .problem(401, "unauthenticated");
    let listed = scene.get(&scene.ada, "/personal-access-tokens").await;
    assert_eq!(listed.each("status"), ["live", "expired", "revoked"]);
    let revocations = scene
        .actions()
        .await
        .iter()
        .filter(|action| action.ends_with(".revoke"))
        .count();
    assert_eq!(revocations, 1);
}

#[tokio::test]
async fn t59_tokens_of_others_do_not_exist() {
    let scene = Scene::new().await;
    let bob = scene.member("bob").await;
    let ada = scene
        .get(&scene.ada, "/personal-access-tokens")
        .await
        .text("/items/0/id");
    let robot = scene.account("robot").await;
    let robots = scene
        .get(&scene.ada, "/virtual-accounts/robot/tokens")
        .await
        .text("/items/0/id");
    for id in [
        ada.as_str(),
        robots.as_str(),
        "nonsense",
        "0198c2a0-0000-7000-8000-000000000000",
    ] {
        for token in [&bob, &robot] {
            scene
                .get(token, &format!("/personal-access-tokens/{id}"))
                .await
                .problem(404, "not-found");
            scene
                .delete(token, &format!("/personal-access-tokens/{id}"))
                .await
                .problem(404, "not-found");
        }
    }
    // The administrator's door to personal tokens does not open those of virtual accounts.
    scene
        .delete(&scene.ada, &format!("/personal-access-tokens/{robots}"))
        .await
        .problem(404, "not-found");
    scene.get(&robot, "/me").await.expect(200);
    assert_eq!(
        scene
            .get(&bob, "/personal-access-tokens")
            .await
            .each("name"),
        ["test"]
    );
}

#[tokio::test]
async fn an_administrator_makes_and_revokes_tokens_of_others_on_the_record() {
    let scene = Scene::new().await;
    let bob = scene.member("bob").await;
    let id = scene
        .get(&bob, "/personal-access-tokens")
        .await
        .text("/items/0/id");
    let event = scene.get(&scene.ada, "/audit-events?limit=1").await.body["items"][0].clone();
    assert_eq!(
        (
            &event["action"],
            &event["actor"]["name"],
            &event["detail"]["user"]
        ),
        (
            &json!("personal_access_token.create"),
            &json!("ada@example.com"),
            &json!("bob@example.com"),
        )
    );
    scene
        .delete(&scene.ada, &format!("/personal-access-tokens/{id}"))
        .await
        .expect(204);
    scene.get(&bob, "/me").await.problem(401, "unauthenticated");
    let body = json!({"name": "x", "user": "nobody@example.com"});
    scene
        .post(&scene.ada, "/personal-access-tokens", body)
        .await
        .problem(404, "not-found");
}
