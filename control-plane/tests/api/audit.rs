//! The audit log.

use chrono::Duration;
use serde_json::json;

use crate::support::Scene;

#[tokio::test]
async fn every_change_is_on_record_with_its_request() {
    let scene = Scene::new().await;
    let made = scene
        .post(&scene.ada, "/users", json!({"email": "bob@example.com"}))
        .await
        .expect(201);
    let log = scene.get(&scene.ada, "/audit-events").await.expect(200);
    let event = &log.body["items"][0];
    assert_eq!(event["action"], "user.create");
    assert_eq!(event["source"], "control-plane");
    assert_eq!(event["outcome"], "allowed");
    assert_eq!(
        (&event["actor"]["kind"], &event["actor"]["name"]),
        (&json!("user"), &json!("ada@example.com"))
    );
    assert_eq!(
        event["object"],
        json!({"kind": "user", "name": "bob@example.com"})
    );
    assert_eq!(
        event["request_id"],
        made.headers["x-request-id"].to_str().unwrap()
    );
}

#[tokio::test]
async fn a_refused_change_leaves_nothing_behind() {
    let scene = Scene::new().await;
    let before = scene.actions().await;
    let body = json!({"members": ["ada@example.com", "none@example.com"]});
    scene
        .put(&scene.ada, "/teams/dev", body)
        .await
        .problem(400, "validation-failed");
    let body =
        json!({"description": "x", "permissions": [{"server": "none", "role": "mcp-server-user"}]});
    scene
        .put(&scene.ada, "/virtual-accounts/ci", body)
        .await
        .problem(400, "validation-failed");
    assert_eq!(scene.actions().await, before);
    scene
        .get(&scene.ada, "/teams/dev")
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn events_are_found_by_what_they_are_about() {
    let scene = Scene::new().await;
    let bob = scene.member("bob").await;
    scene.pass(Duration::hours(1));
    let middle = scene.now().to_rfc3339().replace("+00:00", "Z");
    let auth = json!({"type": "header", "level": "individual", "headers": {"X-Key": "{{KEY}}"}});
    let everyone = json!([{"subject": "team:everyone", "role": "mcp-server-user"}]);
    scene
        .server("demo", json!({"auth": auth, "collaborators": everyone}))
        .await;
    scene
        .put(
            &bob,
            "/mcp-servers/demo/auth-overrides",
            json!({"value": "sk-12345678"}),
        )
        .await
        .expect(201);
    let id = scene.get(&bob, "/me").await.text("/id");
    let early = [
        "personal_access_token.create",
        "user.create",
        "user.bootstrap",
    ];
    let late = ["auth_override.put", "mcp_server.create"];
    for (query, expected) in [
        ("subject=user:bob@example.com".to_owned(), &late[..1]),
        (format!("subject=user:{id}"), &late[..1]),
        ("server=demo".to_owned(), &late[..]),
        (format!("since={middle}"), &late[..]),
        (
            "server=demo&subject=user:ada@example.com&outcome=allowed".to_owned(),
            &late[1..],
        ),
        ("outcome=denied".to_owned(), &[]),
        ("tool=read".to_owned(), &[]),
    ] {
        let found = scene
            .get(&scene.ada, &format!("/audit-events?{query}"))
            .await
            .expect(200);
        assert_eq!(found.each("action"), expected, "{query}");
    }
    let found = scene
        .get(&scene.ada, &format!("/audit-events?until={middle}"))
        .await
        .expect(200);
    let actions: Vec<&str> = found
        .each("action")
        .into_iter()
        .filter(|action| !action.contains("_key."))
        .collect();
    assert_eq!(actions, early);
    let nobody = scene
        .get(&scene.ada, "/audit-events?subject=user:none@example.com")
        .await;
    assert_eq!(
        nobody.problem(400, "validation-failed").pointers(),
        ["subject"]
    );
    for query in ["since=yesterday", "outcome=maybe", "subject=bob"] {
        scene
            .get(&scene.ada, &format!("/audit-events?{query}"))
            .await
            .problem(400, "malformed-request");
    }
}
