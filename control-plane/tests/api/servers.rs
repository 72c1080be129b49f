//! MCP servers.

use serde_json::{Value, json};

use crate::support::{Scene, server_body};

#[tokio::test]
async fn a_server_is_put_read_and_put_again() {
    let scene = Scene::new().await;
    let made = scene
        .put(&scene.ada, "/mcp-servers/demo", server_body(json!({})))
        .await
        .expect(201);
    let expected = json!({
        "name": "demo", "type": "remote", "display_name": "demo", "description": "",
        "url": "https://mcp.example.com/mcp",
        "gateway_url": "https://gateway.example.com/mcp/demo/server",
        "auth": {"type": "none"}, "additional_headers": {},
        "tool_policy": {"enabled_by_default": true, "enabled": [], "disabled": []},
        "collaborators": [{"subject": "user:ada@example.com", "role": "mcp-server-manager"}],
        "tls": {}, "timeouts": {}, "allow_header_override": true,
        "prompts_enabled": true, "resources_enabled": true, "revision": 1,
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(made.body[field], *value, "{field}");
    }
    let read = scene.get(&scene.ada, "/mcp-servers/demo").await.expect(200);
    assert_eq!((read.tag(), &read.body), (made.tag(), &made.body));
    let again = scene
        .put(&scene.ada, "/mcp-servers/demo", server_body(json!({})))
        .await
        .expect(200);
    assert_eq!(
        (again.tag(), &again.body),
        (made.tag(), &made.body),
        "nothing changed"
    );

    let fields = json!({
        "display_name": "Demo", "description": "One\nTwo", "tool_policy": {"disabled": ["rm_*"]},
        "timeouts": {"connect_ms": 1000}, "allow_header_override": false, "prompts_enabled": false,
    });
    let put = |body: &Value, tag: &str| {
        scene
            .call("PUT", "/mcp-servers/demo")
            .bearer(&scene.ada)
            .json(body)
            .header("if-match", tag)
    };
    let changed = put(&server_body(fields), made.tag())
        .send()
        .await
        .expect(200);
    assert_eq!(changed.body["tool_policy"]["disabled"], json!(["rm_*"]));
    assert_eq!(
        (&changed.body["timeouts"], &changed.body["revision"]),
        (&json!({"connect_ms": 1000}), &json!(1))
    );
    put(&server_body(json!({})), made.tag())
        .send()
        .await
        .problem(412, "precondition-failed");
    let delete = scene
        .call("DELETE", "/mcp-servers/demo")
        .bearer(&scene.ada)
        .header("if-match", made.tag());
    delete.send().await.problem(412, "precondition-failed");
    scene
        .delete(&scene.ada, "/mcp-servers/demo")
        .await
        .expect(204);
    assert_eq!(
        scene.actions().await,
        [
            "user.bootstrap",
            "mcp_server.create",
            "mcp_server.update",
            "mcp_server.delete"
        ]
    );
}

#[tokio::test]
async fn what_is_no_server_is_refused() {
    let scene = Scene::new().await;
    let header =
        |headers: Value| json!({"auth": {"type": "header", "level": "shared", "headers": headers}});
    let template = |headers: Value| json!({"auth": {"type": "header", "level": "individual", "headers": headers}});
    let cases = [
        (json!({"type": "local"}), "/type"),
        (json!({"type": "stdio"}), "/type"),
        (json!({"servers": []}), "/servers"),
        (json!({"url": null}), "/url"),
        (json!({"url": "mcp.example.com"}), "/url"),
        (json!({"url": "file:///etc/passwd"}), "/url"),
        (json!({"url": "https://127.0.0.1/"}), "/url"),
        (json!({"url": "http://169.254.169.254/latest"}), "/url"),
        (json!({"url": "https://u:p@mcp.example.com/"}), "/url"),
        (json!({"url": "https://mcp.example.com/#x"}), "/url"),
        (json!({"display_name": "a\u{7}"}), "/display_name"),
        (json!({"auth": {"type": "basic"}}), "/auth/type"),
        (json!({"auth": {}}), "/auth/type"),
        (
            json!({"auth": {"type": "none", "headers": {}}}),
            "/auth/headers",
        ),
        (
            json!({"auth": {"type": "none", "level": "shared"}}),
            "/auth/level",
        ),
        (
            json!({"auth": {"type": "header", "headers": {"X-A": "b"}}}),
            "/auth/level",
        ),
        (
            json!({"auth": {"type": "header", "level": "shared"}}),
            "/auth/headers",
        ),
        (
            json!({"auth": {"type": "header", "level": "shared", "headers": ["X-A"]}}),
            "/auth/headers",
        ),
        (header(json!({})), "/auth/headers"),
        (header(json!({"Host": "x"})), "/auth/headers/Host"),
        (
            header(json!({"Mcp-Session-Id": "x"})),
            "/auth/headers/Mcp-Session-Id",
        ),
        (header(json!({"X/A": "x"})), "/auth/headers/X~1A"),
        (header(json!({"X-A": "x\r\nX-B: y"})), "/auth/headers/X-A"),
        (header(json!({"X-A": ""})), "/auth/headers/X-A"),
        (header(json!({"X-A": null})), "/auth/headers/X-A"),
        (header(json!({"X-A": 1})), "/auth/headers/X-A"),
        (header(json!({"X-A": "1", "x-a": "2"})), "/auth/headers"),
        (template(json!({"X-A": "{{A"})), "/auth/headers/X-A"),
        (template(json!({"X-A": "{{A-B}}"})), "/auth/headers/X-A"),
        (template(json!({"X-A": null})), "/auth/headers/X-A"),
        (
            json!({"auth": {"type": "forwarding", "headers": {"X-A": "x"}}}),
            "/auth/headers",
        ),
        (
            json!({"auth": {"type": "forwarding", "headers": ["Cookie"]}}),
            "/auth/headers/0",
        ),
        (
            json!({"additional_headers": {"Cookie": "x"}}),
            "/additional_headers/Cookie",
        ),
        (
            json!({"tool_policy": {"disabled": ["a", "b c"]}}),
            "/tool_policy/disabled/1",
        ),
        (
            json!({"timeouts": {"connect_ms": 0}}),
            "/timeouts/connect_ms",
        ),
        (
            json!({"timeouts": {"connect_ms": 60_001}}),
            "/timeouts/connect_ms",
        ),
        (json!({"tls": {"ca_cert": "not PEM"}}), "/tls/ca_cert"),
        (
            json!({"collaborators": [{"subject": "ada", "role": "mcp-server-user"}]}),
            "/collaborators/0/subject",
        ),
        (
            json!({"collaborators": [{"subject": "team:none", "role": "mcp-server-user"}]}),
            "/collaborators/0/subject",
        ),
    ];
    for (fields, pointer) in cases {
        let answer = scene
            .put(&scene.ada, "/mcp-servers/demo", server_body(fields.clone()))
            .await;
        let answer = answer.problem(400, "validation-failed");
        assert_eq!(answer.pointers(), [pointer], "{fields}");
    }
    for name in ["Demo", "d", "1demo", "de_mo", "de%2fmo"] {
        let path = format!("/mcp-servers/{name}");
        let answer = scene.put(&scene.ada, &path, server_body(json!({}))).await;
        let answer = answer.problem(400, "validation-failed");
        assert_eq!(answer.pointers(), ["name"], "{name}");
    }
    assert_eq!(
        scene.get(&scene.ada, "/mcp-servers").await.body["items"],
        json!([])
    );
}

#[tokio::test]
async fn what_later_versions_do_is_refused_by_name() {
    let scene = Scene::new().await;
    for (body, pointer) in [
        (
            json!({"type": "virtual", "servers": [{"name": "github"}], "best_effort": false}),
            "/type",
        ),
        (
            server_body(
                json!({"auth": {"type": "oauth2", "grant": "authorization_code", "discover": true}}),
            ),
            "/auth/type",
        ),
        (
            server_body(json!({"auth": {"type": "passthrough", "allow_gateway_tokens": false}})),
            "/auth/type",
        ),
    ] {
        let answer = scene
            .put(&scene.ada, "/mcp-servers/demo", body)
            .await
            .problem(400, "unsupported");
        assert_eq!(answer.pointers(), [pointer]);
        assert!(
            answer.text("/detail").contains("support"),
            "{:#}",
            answer.body
        );
    }
}

#[tokio::test]
async fn t56_header_values_are_written_and_never_read() {
    let scene = Scene::new().await;
    let body = server_body(json!({
        "auth": {"type": "header", "level": "shared", "headers": {"Authorization": "Bearer canary-shared"}},
        "additional_headers": {"X-Org": "canary-additional"},
    }));
    let made = scene
        .put(&scene.ada, "/mcp-servers/demo", body.clone())
        .await
        .expect(201);
    assert_eq!(
        made.body["auth"],
        json!({"type": "header", "level": "shared", "headers": {"Authorization": null}})
    );
    assert_eq!(made.body["additional_headers"], json!({"X-Org": null}));
    for path in ["/mcp-servers/demo", "/mcp-servers", "/audit-events"] {
        assert!(
            !scene
                .get(&scene.ada, path)
                .await
                .body
                .to_string()
                .contains("canary"),
            "{path}"
        );
    }
    let files = scene.database_files();
    assert!(!files.windows(6).any(|window| window == b"canary"));

    // The same values again are no change; what is read back can be written back.
    let again = scene
        .put(&scene.ada, "/mcp-servers/demo", body)
        .await
        .expect(200);
    assert_eq!(again.tag(), made.tag());
    let kept = server_body(
        json!({"auth": made.body["auth"], "additional_headers": made.body["additional_headers"]}),
    );
    let kept = scene
        .put(&scene.ada, "/mcp-servers/demo", kept)
        .await
        .expect(200);
    assert_eq!(kept.tag(), made.tag());
    let other = server_body(json!({
        "auth": {"type": "header", "level": "shared", "headers": {"Authorization": "Bearer another"}},
        "additional_headers": {"X-Org": null},
    }));
    let other = scene
        .put(&scene.ada, "/mcp-servers/demo", other)
        .await
        .expect(200);
    assert_eq!(other.body["revision"], 2);
}

#[tokio::test]
async fn callers_see_the_servers_that_name_them() {
    let scene = Scene::new().await;
    let bob = scene.member("bob").await;
    let entry =
        |subject: &str| json!({"collaborators": [{"subject": subject, "role": "mcp-server-user"}]});
    scene.server("direct", entry("user:bob@example.com")).await;
    scene.server("public", entry("team:everyone")).await;
    scene.server("secret", json!({})).await;
    let ci = scene.account("ci").await;
    assert_eq!(
        scene.get(&bob, "/mcp-servers").await.each("name"),
        ["direct", "public"]
    );
    assert_eq!(
        scene.get(&scene.ada, "/mcp-servers").await.each("name"),
        ["direct", "public", "secret"]
    );
    assert_eq!(
        scene.get(&ci, "/mcp-servers").await.body["items"],
        json!([]),
        "everyone means users"
    );
    let text = scene
        .get(&bob, "/mcp-servers/direct")
        .await
        .expect(200)
        .body
        .to_string();
    assert!(
        !text.contains("bob@example.com"),
        "collaborators are for managers"
    );
    for body in [
        scene.get(&bob, "/mcp-servers/secret").await,
        scene.get(&bob, "/mcp-servers/absent").await,
    ] {
        body.problem(404, "not-found");
    }
    for name in ["secret", "absent"] {
        let answer = scene
            .put(
                &bob,
                &format!("/mcp-servers/{name}"),
                server_body(json!({})),
            )
            .await;
        assert_eq!(
            answer.problem(403, "forbidden").body["detail"],
            "this needs the role admin, or mcp-server-manager on an existing server"
        );
    }
}
