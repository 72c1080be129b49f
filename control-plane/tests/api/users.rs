//! Users.

use serde_json::json;

use crate::support::Scene;

#[tokio::test]
async fn a_user_is_made_read_changed_and_deleted() {
    let scene = Scene::new().await;
    let made = scene
        .post(
            &scene.ada,
            "/users",
            json!({"email": "Bob@Example.com", "name": "Bob"}),
        )
        .await
        .expect(201);
    assert_eq!(made.headers["location"], "/api/v1/users/bob@example.com");
    assert_eq!(
        (
            &made.body["email"],
            &made.body["roles"],
            &made.body["status"]
        ),
        (
            &json!("bob@example.com"),
            &json!(["member"]),
            &json!("active")
        )
    );
    scene
        .post(&scene.ada, "/users", json!({"email": "BOB@example.com"}))
        .await
        .problem(409, "already-exists");

    let read = scene
        .get(&scene.ada, "/users/bob%40example.com")
        .await
        .expect(200);
    assert_eq!(read.body, made.body);
    assert_eq!(read.tag(), made.tag());
    let changed = scene
        .patch(
            &scene.ada,
            "/users/bob@example.com",
            json!({"name": "Robert"}),
        )
        .await
        .expect(200);
    assert_eq!(
        (&changed.body["name"], &changed.body["roles"]),
        (&json!("Robert"), &json!(["member"]))
    );
    let again = scene
        .patch(
            &scene.ada,
            "/users/bob@example.com",
            json!({"name": "Robert"}),
        )
        .await
        .expect(200);
    assert_eq!(again.tag(), changed.tag());

    let stale = scene
        .call("PATCH", "/users/bob@example.com")
        .bearer(&scene.ada)
        .header("if-match", read.tag());
    stale
        .json(&json!({"name": "B"}))
        .send()
        .await
        .problem(412, "precondition-failed");
    let stale = scene
        .call("DELETE", "/users/bob@example.com")
        .bearer(&scene.ada)
        .header("if-match", read.tag());
    stale.send().await.problem(412, "precondition-failed");
    let current = scene
        .call("DELETE", "/users/bob@example.com")
        .bearer(&scene.ada)
        .header("if-match", changed.tag());
    current.send().await.expect(204);
    scene
        .get(&scene.ada, "/users/bob@example.com")
        .await
        .problem(404, "not-found");
    assert_eq!(
        scene.actions().await,
        [
            "user.bootstrap",
            "user.create",
            "user.update",
            "user.delete"
        ]
    );
}

#[tokio::test]
async fn what_is_no_user_is_refused() {
    let scene = Scene::new().await;
    for (body, pointer) in [
        (json!({}), "/email"),
        (json!({"email": "bob"}), "/email"),
        (json!({"email": "a@b@c"}), "/email"),
        (json!({"email": "b@example.com", "roles": []}), "/roles"),
        (
            json!({"email": "b@example.com", "roles": ["owner"]}),
            "/roles/0",
        ),
        (
            json!({"email": "b@example.com", "status": "gone"}),
            "/status",
        ),
        (
            json!({"email": "b@example.com", "name": "a\u{202e}b"}),
            "/name",
        ),
        (
            json!({"email": "b@example.com", "name": "x".repeat(201)}),
            "/name",
        ),
    ] {
        let answer = scene
            .post(&scene.ada, "/users", body.clone())
            .await
            .problem(400, "validation-failed");
        assert_eq!(answer.pointers(), [pointer], "{body}");
    }
}

#[tokio::test]
async fn t10_a_disabled_or_deleted_user_is_refused_at_once() {
    let scene = Scene::new().await;
    let bob = scene.member("bob").await;
    scene.get(&bob, "/me").await.expect(200);
    scene
        .patch(
            &scene.ada,
            "/users/bob@example.com",
            json!({"status": "disabled"}),
        )
        .await
        .expect(200);
    scene.get(&bob, "/me").await.problem(401, "unauthenticated");
    scene
        .patch(
            &scene.ada,
            "/users/bob@example.com",
            json!({"status": "active"}),
        )
        .await
        .expect(200);
    scene.get(&bob, "/me").await.expect(200);
    scene
        .delete(&scene.ada, "/users/bob@example.com")
        .await
        .expect(204);
    scene.get(&bob, "/me").await.problem(401, "unauthenticated");

    // Someone new of the same address is someone else.
    scene
        .post(&scene.ada, "/users", json!({"email": "bob@example.com"}))
        .await
        .expect(201);
    scene.get(&bob, "/me").await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn t59_the_last_active_administrator_stays() {
    let scene = Scene::new().await;
    let path = "/users/ada@example.com";
    for body in [json!({"roles": ["member"]}), json!({"status": "disabled"})] {
        scene
            .patch(&scene.ada, path, body)
            .await
            .problem(409, "last-administrator");
    }
    scene
        .delete(&scene.ada, path)
        .await
        .problem(409, "last-administrator");

    let bob = json!({"email": "bob@example.com", "roles": ["admin"], "status": "disabled"});
    scene.post(&scene.ada, "/users", bob).await.expect(201);
    scene
        .delete(&scene.ada, path)
        .await
        .problem(409, "last-administrator");
    scene
        .patch(
            &scene.ada,
            "/users/bob@example.com",
            json!({"status": "active"}),
        )
        .await
        .expect(200);
    scene.delete(&scene.ada, path).await.expect(204);
}

#[tokio::test]
async fn a_deleted_user_is_gone_from_everywhere() {
    let scene = Scene::new().await;
    scene.member("bob").await;
    scene
        .put(
            &scene.ada,
            "/teams/dev",
            json!({"members": ["bob@example.com"]}),
        )
        .await
        .expect(201);
    let entry = json!({"subject": "user:bob@example.com", "role": "mcp-server-user"});
    let auth = json!({"type": "header", "level": "individual", "headers": {"X-Key": "{{KEY}}"}});
    scene
        .server("demo", json!({"auth": auth, "collaborators": [entry]}))
        .await;
    let own = json!({"subject": "user:bob@example.com", "value": "sk-12345678"});
    scene
        .put(&scene.ada, "/mcp-servers/demo/auth-overrides", own)
        .await
        .expect(201);

    scene
        .delete(&scene.ada, "/users/bob@example.com")
        .await
        .expect(204);
    assert_eq!(
        scene.get(&scene.ada, "/teams/dev").await.body["members"],
        json!([])
    );
    assert_eq!(
        scene
            .get(&scene.ada, "/mcp-servers/demo/collaborators")
            .await
            .body,
        json!([])
    );
    assert_eq!(
        scene
            .get(&scene.ada, "/mcp-servers/demo/auth-overrides")
            .await
            .body["items"],
        json!([])
    );
}
