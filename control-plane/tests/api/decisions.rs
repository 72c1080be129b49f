//! What would be decided: explanations and connections.

use serde_json::{Value, json};

use crate::support::Scene;

async fn explain(scene: &Scene, token: &str, subject: &str, tool: Option<&str>) -> Value {
    let body = json!({"subject": subject, "server": "demo", "tool": tool});
    scene
        .post(token, "/authorization/explain", body)
        .await
        .expect(200)
        .body
}

#[tokio::test]
async fn a_decision_is_explained_by_the_rule_that_makes_it() {
    let scene = Scene::new().await;
    let bob = scene.member("bob").await;
    scene.member("eve").await;
    scene.account("ci").await;
    scene
        .put(
            &scene.ada,
            "/teams/dev",
            json!({"members": ["bob@example.com"]}),
        )
        .await
        .expect(201);
    let fields = json!({
        "tool_policy": {"disabled": ["drop"]},
        "collaborators": [
            {"subject": "team:dev", "role": "mcp-server-user", "tools": ["read_*", "drop"], "deny_tools": ["read_secret"]},
        ],
    });
    scene.server("demo", fields).await;
    for (subject, tool, decision, rule) in [
        ("user:bob@example.com", None, "allowed", "granted"),
        (
            "user:bob@example.com",
            Some("read_file"),
            "allowed",
            "granted",
        ),
        (
            "user:bob@example.com",
            Some("read_secret"),
            "denied",
            "denied",
        ),
        (
            "user:bob@example.com",
            Some("write"),
            "denied",
            "not_granted",
        ),
        (
            "user:bob@example.com",
            Some("drop"),
            "denied",
            "server_disabled",
        ),
        (
            "user:bob@example.com",
            Some("a b"),
            "denied",
            "invalid_name",
        ),
        (
            "user:eve@example.com",
            Some("read_file"),
            "denied",
            "no_entry",
        ),
        ("virtual-account:ci", None, "denied", "no_entry"),
    ] {
        let answer = explain(&scene, &scene.ada, subject, tool).await;
        assert_eq!(
            (&answer["decision"], &answer["rule"]),
            (&json!(decision), &json!(rule)),
            "{subject} {tool:?}"
        );
    }
    let answer = explain(&scene, &bob, "user:bob@example.com", Some("read_file")).await;
    assert_eq!(answer["identity"]["teams"], json!(["dev"]));
    assert_eq!(answer["entries"][0]["subject"], "team:dev");
    assert_eq!(answer["role"], "mcp-server-user");
    scene
        .patch(
            &scene.ada,
            "/users/bob@example.com",
            json!({"status": "disabled"}),
        )
        .await
        .expect(200);
    let answer = explain(&scene, &scene.ada, "user:bob@example.com", None).await;
    assert_eq!(
        (&answer["decision"], &answer["rule"]),
        (&json!("denied"), &json!("subject_disabled"))
    );
}

#[tokio::test]
async fn managers_hear_of_teams_that_are_their_own_or_that_the_server_names() {
    let scene = Scene::new().await;
    let eve = scene.member("eve").await;
    scene.member("bob").await;
    for (team, members) in [
        ("named", vec!["bob@example.com"]),
        ("of-both", vec!["bob@example.com", "eve@example.com"]),
        ("unrelated", vec!["bob@example.com"]),
    ] {
        let body = json!({ "members": members });
        let path = format!("/teams/{team}");
        scene.put(&scene.ada, &path, body).await.expect(201);
    }
    let fields = json!({"collaborators": [
        {"subject": "user:eve@example.com", "role": "mcp-server-manager"},
        {"subject": "team:named", "role": "mcp-server-user"},
    ]});
    scene.server("demo", fields).await;
    for (caller, teams) in [
        (&eve, json!(["named", "of-both"])),
        (&scene.ada, json!(["named", "of-both", "unrelated"])),
    ] {
        let answer = explain(&scene, caller, "user:bob@example.com", None).await;
        assert_eq!(answer["identity"]["teams"], teams);
    }
}

#[tokio::test]
async fn the_tool_policy_is_for_managers() {
    let scene = Scene::new().await;
    let (bob, eve) = (scene.member("bob").await, scene.member("eve").await);
    let fields = json!({
        "tool_policy": {"disabled": ["drop_*"]},
        "collaborators": [
            {"subject": "user:bob@example.com", "role": "mcp-server-user"},
            {"subject": "user:eve@example.com", "role": "mcp-server-manager"},
        ],
    });
    scene.server("demo", fields).await;
    for (caller, shown) in [(&bob, false), (&eve, true), (&scene.ada, true)] {
        let one = scene
            .get(caller, "/mcp-servers/demo")
            .await
            .expect(200)
            .body;
        assert_eq!(one.get("tool_policy").is_some(), shown);
        assert_eq!(one.get("collaborators").is_some(), shown);
        let listed = scene.get(caller, "/mcp-servers").await.expect(200).body;
        assert_eq!(listed["items"][0].get("tool_policy"), None);
    }
}

#[tokio::test]
async fn connections_say_what_is_missing() {
    let scene = Scene::new().await;
    let bob = scene.member("bob").await;
    let kinds = [
        (
            "forwarded",
            json!({"type": "forwarding"}),
            "authentication_not_required",
            "client",
            "not_required",
        ),
        (
            "individual",
            json!({"type": "header", "level": "individual", "headers": {"X-Key": "{{KEY}}"}}),
            "authentication_required",
            "auth_override",
            "missing",
        ),
        (
            "open",
            json!({"type": "none"}),
            "authentication_not_required",
            "none",
            "not_required",
        ),
        (
            "shared",
            json!({"type": "header", "level": "shared", "headers": {"X-Key": "k"}}),
            "authentication_not_required",
            "shared",
            "available",
        ),
    ];
    let everyone = json!([{"subject": "team:everyone", "role": "mcp-server-user"}]);
    for (name, auth, ..) in &kinds {
        scene
            .server(name, json!({"auth": auth, "collaborators": everyone}))
            .await;
    }
    scene.server("secret", json!({})).await;
    let listed = scene.get(&bob, "/connections").await.expect(200);
    assert_eq!(
        listed.each("server"),
        ["forwarded", "individual", "open", "shared"]
    );
    for (index, (name, _, status, source, state)) in kinds.iter().enumerate() {
        let one = scene
            .get(&bob, &format!("/connections/{name}"))
            .await
            .expect(200)
            .body;
        assert_eq!(one, listed.body["items"][index]);
        assert_eq!(
            (&one["status"], &one["method"]),
            (&json!(status), &json!(null)),
            "{name}"
        );
        let body = json!({"subject": "user:bob@example.com", "server": name});
        let credential = scene
            .post(&bob, "/authorization/explain", body)
            .await
            .expect(200)
            .body["credential"]
            .clone();
        assert_eq!(
            (&credential["source"], &credential["state"]),
            (&json!(source), &json!(state)),
            "{name}"
        );
    }
    assert_eq!(listed.body["items"][1]["required_values"], json!(["KEY"]));
    scene
        .get(&bob, "/connections/secret")
        .await
        .problem(404, "not-found");

    scene
        .put(
            &bob,
            "/mcp-servers/individual/auth-overrides",
            json!({"value": "sk-12345678"}),
        )
        .await
        .expect(201);
    let connected = scene.get(&bob, "/connections/individual").await.body;
    assert_eq!(
        (&connected["status"], &connected["method"]),
        (&json!("authenticated"), &json!("auth_override"))
    );
    let ada = scene.get(&scene.ada, "/connections/individual").await.body;
    assert_eq!(
        ada["status"], "authentication_required",
        "a connection is one's own"
    );
}
