//! Auth overrides.

use serde_json::{Value, json};

use crate::support::Scene;

const PATH: &str = "/mcp-servers/demo/auth-overrides";

async fn scene(auth: Value) -> (Scene, String) {
    let scene = Scene::new().await;
    let bob = scene.member("bob").await;
    let entry = json!({"subject": "user:bob@example.com", "role": "mcp-server-user"});
    scene
        .server("demo", json!({"auth": auth, "collaborators": [entry]}))
        .await;
    (scene, bob)
}

fn templates(headers: Value) -> Value {
    json!({"type": "header", "level": "individual", "headers": headers})
}

#[tokio::test]
async fn t56_values_are_written_and_read_back_as_four_characters() {
    let (scene, bob) = scene(templates(json!({"Authorization": "Bearer {{KEY}}"}))).await;
    let made = scene
        .put(&bob, PATH, json!({"value": "canary-abcd1234"}))
        .await
        .expect(201);
    assert_eq!(
        (&made.body["subject"], &made.body["last_four"]),
        (&json!("user:bob@example.com"), &json!({"KEY": "1234"}))
    );
    let body = json!({"subject": "user:bob@example.com", "values": {"KEY": "canary-wxyz9876"}});
    let replaced = scene.put(&scene.ada, PATH, body).await.expect(200);
    assert_eq!(replaced.body["last_four"], json!({"KEY": "9876"}));
    for (token, path) in [
        (&bob, PATH),
        (&scene.ada, PATH),
        (&scene.ada, "/audit-events"),
    ] {
        assert!(
            !scene
                .get(token, path)
                .await
                .expect(200)
                .body
                .to_string()
                .contains("canary"),
            "{path}"
        );
    }
    let files = scene.database_files();
    assert!(!files.windows(6).any(|window| window == b"canary"));
    scene.delete(&bob, PATH).await.expect(204);
    scene.delete(&bob, PATH).await.problem(404, "not-found");
    let actions = scene.actions().await;
    assert_eq!(
        actions[actions.len() - 3..],
        [
            "auth_override.put",
            "auth_override.put",
            "auth_override.delete"
        ]
    );
}

#[tokio::test]
async fn values_are_those_that_the_server_asks_for() {
    let one = templates(json!({"Authorization": "Bearer {{KEY}}"}));
    let two = templates(json!({"X-A": "{{A}}", "X-B": "{{B}} {{A}}"}));
    let shared =
        json!({"type": "header", "level": "shared", "headers": {"Authorization": "Bearer x"}});
    let none = json!({"type": "none"});
    let cases: [(&Value, Value, &[&str]); 17] = [
        (&one, json!({"value": "sk"}), &[]),
        (&one, json!({"values": {"KEY": "sk"}}), &[]),
        (
            &one,
            json!({"values": {"KEY": "sk", "B": "x"}}),
            &["/values/B"],
        ),
        (&one, json!({"values": {}}), &["/values", "/values/KEY"]),
        (&one, json!({"values": {"KEY": null}}), &["/values/KEY"]),
        (&one, json!({"value": "a\nb"}), &["/value", "/values/KEY"]),
        (&one, json!({"value": ""}), &["/value", "/values/KEY"]),
        (&one, json!({}), &[""]),
        (&one, json!({"value": "a", "values": {"KEY": "b"}}), &[""]),
        (&two, json!({"value": "sk"}), &["/value"]),
        (&two, json!({"values": {"A": "a"}}), &["/values/B"]),
        (&two, json!({"values": {"A": "a", "B": "b"}}), &[]),
        (&shared, json!({"value": "Bearer mine"}), &[]),
        (
            &shared,
            json!({"values": {"authorization": "Bearer mine"}}),
            &[],
        ),
        (
            &shared,
            json!({"values": {"X-Other": "x"}}),
            &["/values/X-Other"],
        ),
        (&none, json!({"value": "sk"}), &["/value"]),
        (&none, json!({"values": {"Host": "x"}}), &["/values/Host"]),
    ];
    for (auth, body, pointers) in cases {
        let (scene, bob) = scene(auth.clone()).await;
        let answer = scene.put(&bob, PATH, body.clone()).await;
        if pointers.is_empty() {
            answer.expect(201);
        } else {
            assert_eq!(
                answer.problem(400, "validation-failed").pointers(),
                pointers,
                "{auth} {body}"
            );
        }
    }
}

#[tokio::test]
async fn t59_only_managers_reach_for_the_values_of_others() {
    let (scene, bob) = scene(templates(json!({"Authorization": "Bearer {{KEY}}"}))).await;
    let ada = json!({"subject": "user:ada@example.com", "value": "sk-12345678"});
    scene
        .put(&bob, PATH, ada.clone())
        .await
        .problem(403, "forbidden");
    scene
        .put(
            &bob,
            PATH,
            json!({"subject": "user:none@example.com", "value": "x"}),
        )
        .await
        .problem(403, "forbidden");
    scene.put(&scene.ada, PATH, ada).await.expect(201);
    scene
        .delete(&bob, &format!("{PATH}?subject=user:ada@example.com"))
        .await
        .problem(403, "forbidden");
    assert_eq!(scene.get(&bob, PATH).await.body["items"], json!([]));

    scene.account("ci").await;
    scene
        .put(
            &scene.ada,
            PATH,
            json!({"subject": "virtual-account:ci", "value": "sk-12345678"}),
        )
        .await
        .expect(201);
    assert_eq!(
        scene.get(&scene.ada, PATH).await.each("subject"),
        ["user:ada@example.com", "virtual-account:ci"]
    );
    scene
        .put(
            &scene.ada,
            PATH,
            json!({"subject": "user:none@example.com", "value": "x"}),
        )
        .await
        .problem(404, "not-found");
    let team = scene
        .put(
            &scene.ada,
            PATH,
            json!({"subject": "team:everyone", "value": "x"}),
        )
        .await;
    assert_eq!(
        team.problem(400, "validation-failed").pointers(),
        ["/subject"]
    );
    scene
        .delete(&scene.ada, &format!("{PATH}?subject=virtual-account:ci"))
        .await
        .expect(204);
}
