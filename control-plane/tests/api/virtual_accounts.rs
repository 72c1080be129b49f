//! Virtual accounts and their tokens.

use chrono::Duration;
use serde_json::json;

use crate::support::Scene;

#[tokio::test]
async fn an_account_and_a_server_show_the_same_entries_from_both_sides() {
    let scene = Scene::new().await;
    scene.server("demo", json!({"collaborators": []})).await;
    let permission = json!({"server": "demo", "role": "mcp-server-user", "tools": ["read_*"]});
    let body = json!({"description": "CI", "permissions": [permission]});
    let made = scene
        .put(&scene.ada, "/virtual-accounts/ci", body.clone())
        .await
        .expect(201);
    assert_eq!(made.body["permissions"], json!([permission]));
    let again = scene
        .put(&scene.ada, "/virtual-accounts/ci", body)
        .await
        .expect(200);
    assert_eq!(again.tag(), made.tag());
    let entry =
        json!({"subject": "virtual-account:ci", "role": "mcp-server-user", "tools": ["read_*"]});
    assert_eq!(
        scene
            .get(&scene.ada, "/mcp-servers/demo/collaborators")
            .await
            .body,
        json!([entry])
    );

    scene
        .put(&scene.ada, "/mcp-servers/demo/collaborators", json!([]))
        .await
        .expect(200);
    let read = scene
        .get(&scene.ada, "/virtual-accounts/ci")
        .await
        .expect(200);
    assert_eq!(read.body["permissions"], json!([]));
    assert_ne!(
        read.tag(),
        made.tag(),
        "a change from the other side is a change"
    );
    let kept = scene
        .put(
            &scene.ada,
            "/virtual-accounts/ci",
            json!({"description": "new"}),
        )
        .await
        .expect(200);
    assert_eq!(kept.body["permissions"], json!([]));
}

#[tokio::test]
async fn what_is_no_account_is_refused() {
    let scene = Scene::new().await;
    scene.server("demo", json!({})).await;
    let user = json!({"server": "demo", "role": "mcp-server-user"});
    for (body, pointers) in [
        (
            json!({"permissions": [{"server": "none", "role": "mcp-server-user"}]}),
            vec!["/permissions/0/server"],
        ),
        (
            json!({"permissions": [{"server": "demo", "role": "owner"}]}),
            vec!["/permissions/0/role"],
        ),
        (
            json!({"permissions": [{"server": "Demo", "role": "mcp-server-user"}]}),
            vec!["/permissions/0/server"],
        ),
        (
            json!({"permissions": [user, user]}),
            vec!["/permissions/1/server"],
        ),
        (
            json!({"permissions": [{"server": "demo", "role": "mcp-server-user", "tools": ["a b"]}]}),
            vec!["/permissions/0/tools/0"],
        ),
        (json!({"description": "a\u{0}b"}), vec!["/description"]),
    ] {
        let answer = scene
            .put(&scene.ada, "/virtual-accounts/ci", body.clone())
            .await
            .problem(400, "validation-failed");
        assert_eq!(answer.pointers(), pointers, "{body}");
    }
    scene
        .get(&scene.ada, "/virtual-accounts/ci")
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn t56_a_replaced_token_works_for_its_grace_period_only() {
    let scene = Scene::new().await;
    let old = scene.account("ci").await;
    let path = "/virtual-accounts/ci/tokens";
    let id = scene.get(&scene.ada, path).await.text("/items/0/id");
    let body = json!({"replaces": id, "grace_period": "10m"});
    let new = scene
        .post(&scene.ada, path, body)
        .await
        .expect(201)
        .text("/token");
    for token in [&old, &new] {
        assert_eq!(
            scene.get(token, "/me").await.expect(200).body["subject"],
            "virtual-account:ci"
        );
    }
    let listed = scene.get(&scene.ada, &format!("{path}/{id}")).await;
    let ends = chrono::DateTime::parse_from_rfc3339(&listed.text("/expires_at")).unwrap();
    let grace = ends.signed_duration_since(scene.now());
    assert!(
        grace <= Duration::minutes(10) && grace > Duration::minutes(9),
        "{grace}"
    );

    scene.pass(Duration::minutes(10));
    scene.get(&old, "/me").await.problem(401, "unauthenticated");
    scene.get(&new, "/me").await.expect(200);
    let again = json!({"replaces": id});
    let answer = scene
        .post(&scene.ada, path, again)
        .await
        .problem(400, "validation-failed");
    assert_eq!(answer.pointers(), ["/replaces"]);
    for part in new.split('.').skip(1) {
        assert!(
            !scene
                .database_files()
                .windows(part.len())
                .any(|window| window == part.as_bytes())
        );
    }
}

#[tokio::test]
async fn a_token_may_be_replaced_without_grace_and_never_by_another_account() {
    let scene = Scene::new().await;
    let old = scene.account("ci").await;
    let other = scene.account("other").await;
    let path = "/virtual-accounts/ci/tokens";
    let id = scene.get(&scene.ada, path).await.text("/items/0/id");
    for (body, pointer) in [
        (json!({"replaces": id}), "/replaces"),
        (json!({"grace_period": 60}), "/grace_period"),
        (json!({"replaces": "x"}), "/replaces"),
    ] {
        let answer = scene
            .post(&scene.ada, "/virtual-accounts/other/tokens", body)
            .await
            .problem(400, "validation-failed");
        assert_eq!(answer.pointers(), [pointer]);
    }
    let long = json!({"replaces": id, "grace_period": "31d"});
    assert_eq!(
        scene
            .post(&scene.ada, path, long)
            .await
            .problem(400, "validation-failed")
            .pointers(),
        ["/grace_period"]
    );
    scene.get(&old, "/me").await.expect(200);
    scene
        .post(&scene.ada, path, json!({"replaces": id, "grace_period": 0}))
        .await
        .expect(201);
    scene.get(&old, "/me").await.problem(401, "unauthenticated");
    scene.get(&other, "/me").await.expect(200);

    let foreign = format!("/virtual-accounts/other/tokens/{id}");
    scene
        .get(&scene.ada, &foreign)
        .await
        .problem(404, "not-found");
    scene
        .delete(&scene.ada, &foreign)
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn t10_tokens_of_an_account_end_with_it() {
    let scene = Scene::new().await;
    let first = scene.account("ci").await;
    let second = scene
        .post(&scene.ada, "/virtual-accounts/ci/tokens", json!({}))
        .await
        .expect(201);
    let path = format!("/virtual-accounts/ci/tokens/{}", second.text("/id"));
    scene.delete(&scene.ada, &path).await.expect(204);
    scene
        .get(&second.text("/token"), "/me")
        .await
        .problem(401, "unauthenticated");
    scene.get(&first, "/me").await.expect(200);
    scene
        .delete(&scene.ada, "/virtual-accounts/ci")
        .await
        .expect(204);
    scene
        .get(&first, "/me")
        .await
        .problem(401, "unauthenticated");
    scene.get(&scene.ada, &path).await.problem(404, "not-found");
}

#[tokio::test]
async fn an_account_acts_with_its_server_roles_only() {
    let scene = Scene::new().await;
    let ci = scene.account("ci").await;
    let entry = json!({"subject": "virtual-account:ci", "role": "mcp-server-manager"});
    scene
        .server("demo", json!({"collaborators": [entry]}))
        .await;
    scene.server("other", json!({})).await;
    assert_eq!(scene.get(&ci, "/mcp-servers").await.each("name"), ["demo"]);
    let keep = json!([entry, {"subject": "team:everyone", "role": "mcp-server-user"}]);
    scene
        .put(&ci, "/mcp-servers/demo/collaborators", keep)
        .await
        .expect(200);
    scene
        .get(&ci, "/mcp-servers/other")
        .await
        .problem(404, "not-found");
    scene.get(&ci, "/users").await.problem(403, "forbidden");
    scene
        .put(
            &ci,
            "/mcp-servers/new",
            crate::support::server_body(json!({})),
        )
        .await
        .problem(403, "forbidden");
}
