//! What holds for every request, whatever it asks for.

use secrecy::ExposeSecret as _;
use serde_json::json;
use warder_control_plane::service::nodes::Nodes;

use crate::support::Scene;

#[tokio::test]
async fn every_answer_has_its_id_and_is_for_nobody_else() {
    let scene = Scene::new().await;
    let answers = [
        scene.get(&scene.ada, "/me").await.expect(200),
        scene
            .call("GET", "/me")
            .send()
            .await
            .problem(401, "unauthenticated"),
        scene
            .call("GET", "/nothing")
            .send()
            .await
            .problem(404, "not-found"),
        scene
            .call("DELETE", "/me")
            .bearer(&scene.ada)
            .send()
            .await
            .problem(405, "method-not-allowed"),
        scene
            .delete(&scene.ada, "/teams/none")
            .await
            .problem(404, "not-found"),
    ];
    let mut ids = Vec::new();
    for answer in &answers {
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            (
                "content-security-policy",
                "default-src 'none'; frame-ancestors 'none'",
            ),
        ] {
            assert_eq!(answer.headers[name], value);
        }
        let id = answer.headers["x-request-id"].to_str().unwrap();
        if !answer.status.is_success() {
            assert_eq!(answer.body["request_id"], id);
        }
        ids.push(id);
    }
    ids.dedup();
    assert_eq!(ids.len(), answers.len());
}

#[tokio::test]
async fn a_request_cannot_choose_its_id() {
    let scene = Scene::new().await;
    let call = scene
        .call("GET", "/me")
        .bearer(&scene.ada)
        .header("x-request-id", "chosen");
    assert_ne!(call.send().await.headers["x-request-id"], "chosen");
}

#[tokio::test]
async fn t09_a_token_counts_in_one_authorization_header_only() {
    let scene = Scene::new().await;
    let basic = format!("Basic {}", scene.ada);
    let twice = scene
        .call("GET", "/me")
        .bearer(&scene.ada)
        .bearer(&scene.ada);
    twice.send().await.problem(400, "malformed-request");
    scene
        .call("GET", "/me")
        .header("authorization", &basic)
        .send()
        .await
        .problem(401, "unauthenticated");
    scene
        .call("GET", &format!("/me?access_token={}", scene.ada))
        .send()
        .await
        .problem(401, "unauthenticated");
    let cookie = format!("token={}", scene.ada);
    scene
        .call("GET", "/me")
        .header("cookie", &cookie)
        .send()
        .await
        .problem(401, "unauthenticated");
}

#[tokio::test]
async fn t04_a_token_of_another_kind_is_refused() {
    let scene = Scene::new().await;
    let secret = "enrollment-secret-enrollment-secret";
    let nodes = Nodes::new(&secret.to_owned().into(), scene.keys.clone()).unwrap();
    let node = nodes.enroll(secret, "pod-1").unwrap();
    scene
        .get(node.token.expose_secret(), "/me")
        .await
        .problem(401, "unauthenticated");
    let mut tampered = scene.ada.clone();
    tampered.pop();
    scene
        .get(&tampered, "/me")
        .await
        .problem(401, "unauthenticated");
}

#[tokio::test]
async fn t59_unknown_fields_and_parameters_are_refused_by_name() {
    let scene = Scene::new().await;
    scene.server("demo", json!({})).await;
    let cases = [
        (
            "POST",
            "/users",
            json!({"email": "a@b", "is_admin": true}),
            "/is_admin",
        ),
        ("PATCH", "/users/ada@example.com", json!({"id": "x"}), "/id"),
        ("PUT", "/teams/dev", json!({"owner": 1}), "/owner"),
        (
            "POST",
            "/personal-access-tokens",
            json!({"name": "x", "scopes": []}),
            "/scopes",
        ),
        (
            "PUT",
            "/virtual-accounts/ci",
            json!({"permissions": [{"server": "demo", "role": "mcp-server-user", "x": 1}]}),
            "/permissions/0/x",
        ),
        (
            "PUT",
            "/mcp-servers/new",
            json!({"type": "remote", "url": "https://a.example.com", "tool_policy": {"x": 1}}),
            "/tool_policy/x",
        ),
        (
            "PUT",
            "/mcp-servers/new",
            json!({"type": "remote", "url": "https://a.example.com", "command": "sh"}),
            "/command",
        ),
        (
            "PUT",
            "/mcp-servers/new",
            json!({"type": "remote", "url": "https://a.example.com", "auth": {"type": "none", "x": 1}}),
            "/auth/x",
        ),
        (
            "PUT",
            "/mcp-servers/demo/collaborators",
            json!([{"subject": "team:everyone", "role": "mcp-server-user", "x": 1}]),
            "/0/x",
        ),
        (
            "PUT",
            "/mcp-servers/demo/auth-overrides",
            json!({"value": "v", "subjects": []}),
            "/subjects",
        ),
        (
            "POST",
            "/authorization/explain",
            json!({"subject": "user:ada@example.com", "server": "demo", "x": 1}),
            "/x",
        ),
    ];
    for (method, path, body, pointer) in cases {
        let answer = scene
            .call(method, path)
            .bearer(&scene.ada)
            .json(&body)
            .send()
            .await;
        let answer = answer.problem(400, "validation-failed");
        assert_eq!(answer.pointers(), [pointer], "{method} {path}");
    }
    for path in [
        "/me?x=1",
        "/users?sort=name",
        "/mcp-servers/demo?confirm=true",
        "/audit-events?actor=x",
    ] {
        scene
            .get(&scene.ada, path)
            .await
            .problem(400, "malformed-request");
    }
}

#[tokio::test]
async fn t13_a_body_is_exactly_one_json_value_of_the_declared_type() {
    let scene = Scene::new().await;
    let send = async |content_type: &'static str, body: String| {
        let call = scene.call("POST", "/users").bearer(&scene.ada).raw(body);
        call.header("content-type", content_type).send().await
    };
    for body in [
        "",
        "{",
        "{\"email\":\"a@b\"} {}",
        "{\"email\":\"a@b\"}x",
        "\u{feff}{}",
    ] {
        send("application/json", body.into())
            .await
            .problem(400, "malformed-request");
    }
    let twice = r#"{"email":"a@example.com","email":"b@example.com"}"#;
    send("application/json", twice.into())
        .await
        .problem(400, "validation-failed");
    let good = json!({"email": "a@example.com"}).to_string();
    send("text/plain", good.clone())
        .await
        .problem(415, "unsupported-media-type");
    send("application/x-www-form-urlencoded", good.clone())
        .await
        .problem(415, "unsupported-media-type");
    let large = json!({"email": "a@example.com", "name": "x".repeat(600 * 1024)}).to_string();
    send("application/json", large)
        .await
        .problem(413, "payload-too-large");
    send("application/json; charset=utf-8", good)
        .await
        .expect(201);
}

#[tokio::test]
async fn t57_a_refusal_does_not_repeat_a_secret() {
    let scene = Scene::new().await;
    let body = json!({
        "type": "remote", "url": "https://user:canary-1@mcp.example.com",
        "auth": {"type": "header", "level": "shared", "headers": {"Authorization": "canary-2\n"}},
    });
    let answer = scene
        .put(&scene.ada, "/mcp-servers/demo", body)
        .await
        .problem(400, "validation-failed");
    assert_eq!(answer.pointers(), ["/url", "/auth/headers/Authorization"]);
    assert!(
        !answer.body.to_string().contains("canary"),
        "{:#}",
        answer.body
    );
    let body = json!({"type": "remote", "url": "https://mcp.example.com", "auth": "canary-3"});
    let answer = scene
        .put(&scene.ada, "/mcp-servers/demo", body)
        .await
        .problem(400, "validation-failed");
    assert!(
        !answer.body.to_string().contains("canary"),
        "{:#}",
        answer.body
    );
}

#[tokio::test]
async fn lists_come_in_pages_that_neither_skip_nor_repeat() {
    let scene = Scene::new().await;
    for name in ["ab", "cd", "ef", "gh", "ij"] {
        scene
            .put(&scene.ada, &format!("/teams/{name}"), json!({}))
            .await
            .expect(201);
    }
    let mut seen = Vec::new();
    let mut path = "/teams?limit=2".to_owned();
    loop {
        let page = scene.get(&scene.ada, &path).await.expect(200);
        assert!(page.each("name").len() <= 2);
        seen.extend(page.each("name").into_iter().map(str::to_owned));
        match page.body["next_cursor"].as_str() {
            Some(cursor) => path = format!("/teams?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, ["ab", "cd", "ef", "gh", "ij"]);
    for path in [
        "/teams?limit=0",
        "/teams?limit=201",
        "/teams?cursor=nonsense",
        "/teams?cursor=MQ",
    ] {
        scene
            .get(&scene.ada, path)
            .await
            .problem(400, "validation-failed");
    }
}

#[tokio::test]
async fn the_key_set_is_public_and_may_be_cached() {
    let scene = Scene::new().await;
    let answer = scene
        .call("GET", "/.well-known/jwks.json")
        .send()
        .await
        .expect(200);
    let key = &answer.body["keys"][0];
    assert_eq!(
        (&key["kty"], &key["crv"], &key["alg"]),
        (&json!("OKP"), &json!("Ed25519"), &json!("EdDSA"))
    );
    assert_eq!(key.get("d"), None, "the private half stays");
    assert_eq!(answer.headers["cache-control"], "public, max-age=300");
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_no_defect_and_no_refusal() {
    let scene = Scene::new().await;
    scene.store.close().await;
    let answer = scene
        .get(&scene.ada, "/me")
        .await
        .problem(503, "unavailable");
    assert_eq!(answer.headers["retry-after"], "1");
    assert_eq!(answer.body.get("detail"), None, "the cause is for the log");
}
