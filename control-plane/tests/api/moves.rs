//! Changes of a server that its stored credentials do not survive.

use serde_json::{Value, json};

use crate::support::{Scene, server_body};

const ELSEWHERE: &str = "https://elsewhere.example.com/mcp";

fn individual(template: &str) -> Value {
    json!({"auth": {"type": "header", "level": "individual", "headers": {"Authorization": template}}})
}

fn shared(value: Value) -> Value {
    json!({"auth": {"type": "header", "level": "shared", "headers": {"Authorization": value}}})
}

fn moved(fields: Value) -> Value {
    let mut body = server_body(fields);
    body["url"] = json!(ELSEWHERE);
    body
}

/// A server with an override of Bob's.
async fn scene_with_override(fields: Value, values: Value) -> Scene {
    let scene = Scene::new().await;
    scene.member("bob").await;
    scene.server("demo", fields).await;
    let body = json!({"subject": "user:bob@example.com", "values": values});
    scene
        .put(&scene.ada, "/mcp-servers/demo/auth-overrides", body)
        .await
        .expect(201);
    scene
}

async fn overrides(scene: &Scene) -> usize {
    let answer = scene
        .get(&scene.ada, "/mcp-servers/demo/auth-overrides")
        .await
        .expect(200);
    answer.each("subject").len()
}

#[tokio::test]
async fn t29_overrides_do_not_move_with_the_server() {
    let fields = individual("Bearer {{KEY}}");
    let scene = scene_with_override(fields.clone(), json!({"KEY": "sk-12345678"})).await;
    let before = scene.get(&scene.ada, "/mcp-servers/demo").await;
    let refused = scene
        .put(&scene.ada, "/mcp-servers/demo", moved(fields.clone()))
        .await;
    let refused = refused.problem(409, "confirmation-required");
    let listed = json!({"headers": [], "auth_overrides": [{"subject": "user:bob@example.com", "names": ["KEY"]}]});
    assert_eq!(refused.body["would_delete"], listed);
    assert_eq!(
        scene.get(&scene.ada, "/mcp-servers/demo").await.tag(),
        before.tag(),
        "nothing happened"
    );
    assert_eq!(overrides(&scene).await, 1);

    let confirmed = scene
        .put(&scene.ada, "/mcp-servers/demo?confirm=true", moved(fields))
        .await
        .expect(200);
    assert_eq!(
        (&confirmed.body["url"], &confirmed.body["revision"]),
        (&json!(ELSEWHERE), &json!(2))
    );
    assert_eq!(overrides(&scene).await, 0);
    let event = scene.get(&scene.ada, "/audit-events?limit=1").await.body["items"][0].clone();
    assert_eq!(event["detail"]["deleted"], listed);
}

#[tokio::test]
async fn t29_a_stored_header_is_not_kept_for_another_origin() {
    let scene = Scene::new().await;
    let mut fields = shared(json!("Bearer sk-12345678"));
    fields["additional_headers"] = json!({"X-Org": "acme"});
    scene.server("demo", fields).await;
    let mut keep = shared(json!(null));
    keep["additional_headers"] = json!({"X-Org": null});
    for query in ["", "?confirm=true"] {
        let answer = scene
            .put(
                &scene.ada,
                &format!("/mcp-servers/demo{query}"),
                moved(keep.clone()),
            )
            .await;
        let answer = answer.problem(400, "validation-failed");
        assert_eq!(
            answer.pointers(),
            ["/auth/headers/Authorization", "/additional_headers/X-Org"]
        );
    }
    let mut path = server_body(keep);
    path["url"] = json!("https://mcp.example.com/v2/mcp");
    scene
        .put(&scene.ada, "/mcp-servers/demo", path)
        .await
        .expect(200);
    let mut entered = shared(json!("Bearer sk-87654321"));
    entered["additional_headers"] = json!({"X-Org": "acme"});
    scene
        .put(&scene.ada, "/mcp-servers/demo", moved(entered))
        .await
        .expect(200);
}

#[tokio::test]
async fn t29_a_stored_header_without_a_place_needs_a_confirmation() {
    let scene = Scene::new().await;
    scene
        .server("demo", shared(json!("Bearer sk-12345678")))
        .await;
    for fields in [
        json!({}),
        individual("Bearer {{KEY}}"),
        json!({"auth": {"type": "forwarding"}}),
    ] {
        let answer = scene
            .put(&scene.ada, "/mcp-servers/demo", server_body(fields))
            .await;
        let answer = answer.problem(409, "confirmation-required");
        assert_eq!(
            answer.body["would_delete"],
            json!({"headers": ["Authorization"], "auth_overrides": []})
        );
    }
    scene
        .put(
            &scene.ada,
            "/mcp-servers/demo?confirm=true",
            server_body(json!({})),
        )
        .await
        .expect(200);
    let back = scene
        .put(
            &scene.ada,
            "/mcp-servers/demo",
            server_body(shared(json!(null))),
        )
        .await;
    assert_eq!(
        back.problem(400, "validation-failed").pointers(),
        ["/auth/headers/Authorization"]
    );
}

#[tokio::test]
async fn an_override_that_still_fits_stays() {
    let scene =
        scene_with_override(individual("Bearer {{KEY}}"), json!({"KEY": "sk-12345678"})).await;
    scene
        .put(
            &scene.ada,
            "/mcp-servers/demo",
            server_body(individual("Token {{KEY}}")),
        )
        .await
        .expect(200);
    assert_eq!(overrides(&scene).await, 1);
    for fields in [
        individual("Bearer {{OTHER}}"),
        individual("{{KEY}} {{OTHER}}"),
        json!({}),
        shared(json!("x-12345678")),
    ] {
        scene
            .put(&scene.ada, "/mcp-servers/demo", server_body(fields))
            .await
            .problem(409, "confirmation-required");
    }
    assert_eq!(overrides(&scene).await, 1);
}
