//! Collaborators.

use serde_json::json;

use crate::support::Scene;

const PATH: &str = "/mcp-servers/demo/collaborators";

#[tokio::test]
async fn collaborators_are_replaced_as_a_whole() {
    let scene = Scene::new().await;
    let bob = scene.member("bob").await;
    scene.server("demo", json!({})).await;
    let first = scene.get(&scene.ada, PATH).await.expect(200);
    let wanted = json!([
        {"subject": "user:bob@example.com", "role": "mcp-server-user", "tools": ["read_*"], "deny_tools": ["read_secret"]},
        {"subject": "team:everyone", "role": "mcp-server-user"},
    ]);
    let put = |tag: &str| {
        scene
            .call("PUT", PATH)
            .bearer(&scene.ada)
            .json(&wanted)
            .header("if-match", tag)
    };
    let answer = put(first.tag()).send().await.expect(200);
    assert_eq!(answer.body, wanted);
    put(first.tag())
        .send()
        .await
        .problem(412, "precondition-failed");
    let again = put(answer.tag()).send().await.expect(200);
    assert_eq!(again.tag(), answer.tag());
    assert_eq!(
        scene.actions().await.last().unwrap(),
        "mcp_server.set_collaborators"
    );
    assert_eq!(
        scene.actions().await.len(),
        5,
        "putting the same again is no change"
    );
    scene.get(&bob, "/mcp-servers/demo").await.expect(200);
    scene.put(&scene.ada, PATH, json!([])).await.expect(200);
    scene
        .get(&bob, "/mcp-servers/demo")
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn what_is_no_entry_is_refused() {
    let scene = Scene::new().await;
    scene.server("demo", json!({})).await;
    let everyone = json!({"subject": "team:everyone", "role": "mcp-server-user"});
    let before = scene.get(&scene.ada, PATH).await.body;
    for (body, pointer) in [
        (json!({}), ""),
        (json!([{"subject": "team:everyone"}]), "/0/role"),
        (
            json!([{"subject": "team:everyone", "role": "admin"}]),
            "/0/role",
        ),
        (
            json!([{"subject": "everyone", "role": "mcp-server-user"}]),
            "/0/subject",
        ),
        (
            json!([{"subject": "user:none@example.com", "role": "mcp-server-user"}]),
            "/0/subject",
        ),
        (
            json!([{"subject": "virtual-account:none", "role": "mcp-server-user"}]),
            "/0/subject",
        ),
        (json!([everyone, everyone]), "/1/subject"),
        (
            json!([{"subject": "team:everyone", "role": "mcp-server-user", "tools": ["ok", "not ok"]}]),
            "/0/tools/1",
        ),
        (
            json!([{"subject": "team:everyone", "role": "mcp-server-user", "deny_tools": [""]}]),
            "/0/deny_tools/0",
        ),
    ] {
        let answer = scene
            .put(&scene.ada, PATH, body.clone())
            .await
            .problem(400, "validation-failed");
        assert_eq!(answer.pointers(), [pointer], "{body}");
    }
    assert_eq!(scene.get(&scene.ada, PATH).await.body, before);
}
