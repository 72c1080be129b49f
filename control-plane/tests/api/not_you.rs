//! "Not you": every operation of the description refuses those who may not use it, and does something
//! for those who may.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use warder_control_plane::api::policy::{self, Access};

use crate::{
    description::{Operation, operations},
    support::{Answer, Scene, server_body},
};

/// A scene with one of everything, and one caller of each sort.
struct Cast {
    scene: Scene,
    /// Manages the server.
    max: String,
    /// Uses the server.
    uma: String,
    /// Has nothing to do with it.
    otto: String,
    /// A virtual account that has nothing to do with it.
    robot: String,
    /// Of Uma.
    pat: String,
    /// Of the virtual account.
    account_token: String,
}

impl Cast {
    async fn new() -> Self {
        let scene = Scene::new().await;
        let max = scene.member("max").await;
        let uma = scene.member("uma").await;
        let otto = scene.member("otto").await;
        let robot = scene.account("robot").await;
        scene
            .put(&scene.ada, "/teams/dev", json!({}))
            .await
            .expect(201);
        scene
            .put(
                &scene.ada,
                "/identity-providers/okta",
                provider_body("https://idp.invalid"),
            )
            .await
            .expect(201);
        let fields = json!({
            "auth": {"type": "header", "level": "individual", "headers": {"Authorization": "Bearer {{KEY}}"}},
            "collaborators": [
                {"subject": "user:max@example.com", "role": "mcp-server-manager"},
                {"subject": "user:uma@example.com", "role": "mcp-server-user"},
            ],
        });
        scene.server("demo", fields).await;
        for subject in ["user:uma@example.com", "user:max@example.com"] {
            let body = json!({"subject": subject, "value": "sk-secret"});
            scene
                .put(&scene.ada, "/mcp-servers/demo/auth-overrides", body)
                .await
                .expect(201);
        }
        let pat = scene
            .get(&scene.ada, "/personal-access-tokens?user=uma@example.com")
            .await
            .text("/items/0/id");
        let account_token = scene
            .get(&scene.ada, "/virtual-accounts/robot/tokens")
            .await
            .text("/items/0/id");
        Self {
            scene,
            max,
            uma,
            otto,
            robot,
            pat,
            account_token,
        }
    }

    /// A request that an administrator is answered with success. An operation that is not here fails.
    fn sample(&self, operation: &Operation) -> (&'static str, Value) {
        let table: BTreeMap<&str, (&str, Value)> = [
            ("get_me", ("", Value::Null)),
            ("list_users", ("", Value::Null)),
            ("create_user", ("", json!({"email": "new@example.com"}))),
            ("get_user", ("", Value::Null)),
            ("update_user", ("", json!({"roles": ["admin"]}))),
            ("delete_user", ("", Value::Null)),
            ("list_teams", ("", Value::Null)),
            ("get_team", ("", Value::Null)),
            ("put_team", ("", json!({"members": ["otto@example.com"]}))),
            ("delete_team", ("", Value::Null)),
            (
                "list_personal_access_tokens",
                ("?user=uma@example.com", Value::Null),
            ),
            (
                "create_personal_access_token",
                ("", json!({"name": "x", "user": "uma@example.com"})),
            ),
            ("get_personal_access_token", ("", Value::Null)),
            ("revoke_personal_access_token", ("", Value::Null)),
            ("list_virtual_accounts", ("", Value::Null)),
            ("get_virtual_account", ("", Value::Null)),
            (
                "put_virtual_account",
                (
                    "",
                    json!({"permissions": [{"server": "demo", "role": "mcp-server-manager"}]}),
                ),
            ),
            ("delete_virtual_account", ("", Value::Null)),
            ("list_virtual_account_tokens", ("", Value::Null)),
            ("create_virtual_account_token", ("", json!({}))),
            ("get_virtual_account_token", ("", Value::Null)),
            ("revoke_virtual_account_token", ("", Value::Null)),
            ("list_identity_providers", ("", Value::Null)),
            ("get_identity_provider", ("", Value::Null)),
            (
                "put_identity_provider",
                ("", provider_body("https://evil.invalid")),
            ),
            ("delete_identity_provider", ("", Value::Null)),
            (
                "test_identity_provider_token",
                ("", json!({"token": "a.b.c"})),
            ),
            ("list_mcp_servers", ("", Value::Null)),
            ("get_mcp_server", ("", Value::Null)),
            (
                "put_mcp_server",
                (
                    "?confirm=true",
                    server_body(json!({"url": "https://evil.example.com/"})),
                ),
            ),
            ("delete_mcp_server", ("", Value::Null)),
            ("get_collaborators", ("", Value::Null)),
            (
                "put_collaborators",
                (
                    "",
                    json!([{"subject": "user:otto@example.com", "role": "mcp-server-manager"}]),
                ),
            ),
            ("list_auth_overrides", ("", Value::Null)),
            (
                "put_auth_override",
                (
                    "",
                    json!({"subject": "user:max@example.com", "value": "sk-other"}),
                ),
            ),
            (
                "delete_auth_override",
                ("?subject=user:max@example.com", Value::Null),
            ),
            ("list_connections", ("", Value::Null)),
            ("get_connection", ("", Value::Null)),
            (
                "explain_authorization",
                (
                    "",
                    json!({"subject": "user:max@example.com", "server": "demo"}),
                ),
            ),
            ("list_audit_events", ("", Value::Null)),
        ]
        .into();
        table
            .get(operation.id.as_str())
            .cloned()
            .unwrap_or_else(|| {
                panic!(
                    "{} {} has no test for \"not you\": add a sample",
                    operation.method, operation.path
                )
            })
    }

    async fn send(&self, operation: &Operation, token: Option<&str>) -> Answer {
        let (query, body) = self.sample(operation);
        let is_token = operation.path.contains("personal-access-tokens");
        let path = operation
            .path
            .replace("{email}", "max@example.com")
            .replace(
                "{id}",
                if is_token {
                    &self.pat
                } else {
                    &self.account_token
                },
            )
            .replace("{server}", "demo")
            .replace("/teams/{name}", "/teams/dev")
            .replace("/virtual-accounts/{name}", "/virtual-accounts/robot")
            .replace("/identity-providers/{name}", "/identity-providers/okta")
            .replace("/mcp-servers/{name}", "/mcp-servers/demo");
        assert!(
            !path.contains('{'),
            "{path} has a parameter without a sample"
        );
        let mut call = self
            .scene
            .call(&operation.method, &format!("{path}{query}"));
        if !body.is_null() {
            call = call.json(&body);
        }
        if let Some(token) = token {
            call = call.bearer(token);
        }
        call.send().await
    }

    /// Everything that a change would show in.
    async fn fingerprint(&self) -> Value {
        let scene = &self.scene;
        let mut seen = Vec::new();
        for path in [
            "/users",
            "/teams",
            "/virtual-accounts",
            "/identity-providers",
            "/virtual-accounts/robot/tokens",
            "/mcp-servers",
            "/mcp-servers/demo",
            "/mcp-servers/demo/auth-overrides",
            "/audit-events",
            "/personal-access-tokens?user=uma@example.com",
        ] {
            seen.push(scene.get(&scene.ada, path).await.expect(200).body);
        }
        seen.into()
    }
}

#[tokio::test]
async fn t59_nobody_gets_in_without_a_token() {
    let cast = Cast::new().await;
    let before = cast.fingerprint().await;
    for operation in operations() {
        for token in [None, Some("x.y.z")] {
            let answer = cast
                .send(&operation, token)
                .await
                .problem(401, "unauthenticated");
            assert!(
                answer.headers.contains_key("www-authenticate"),
                "{}",
                operation.id
            );
        }
    }
    assert_eq!(cast.fingerprint().await, before);
}

#[tokio::test]
async fn t59_a_caller_without_any_role_gets_nothing() {
    let cast = Cast::new().await;
    let before = cast.fingerprint().await;
    for operation in operations() {
        for token in [&cast.otto, &cast.robot] {
            let answer = cast.send(&operation, Some(token)).await;
            let has_id = operation.path.contains("{id}");
            match policy::access(&operation.id).expect("a policy") {
                Access::Oneself => sees_nobody_else(&operation, &answer.expect(200)),
                Access::Administrator | Access::ServerManagerOrCreator => {
                    drop(answer.problem(403, "forbidden"))
                }
                Access::TokenOwner if has_id => drop(answer.problem(404, "not-found")),
                Access::TokenOwner => drop(answer.problem(403, "forbidden")),
                Access::ServerUser | Access::ServerUserOrManager | Access::ServerManager => {
                    drop(answer.problem(404, "not-found"));
                }
            }
        }
    }
    assert_eq!(cast.fingerprint().await, before);
}

#[tokio::test]
async fn t59_a_user_of_a_server_cannot_manage_it_nor_reach_for_others() {
    let cast = Cast::new().await;
    let before = cast.fingerprint().await;
    for operation in operations() {
        let answer = cast.send(&operation, Some(&cast.uma)).await;
        match policy::access(&operation.id).expect("a policy") {
            Access::ServerManager | Access::ServerManagerOrCreator => {
                drop(answer.problem(403, "forbidden"))
            }
            Access::ServerUserOrManager if operation.id == "list_auth_overrides" => {
                assert_eq!(answer.expect(200).each("subject"), ["user:uma@example.com"]);
            }
            Access::ServerUserOrManager => drop(answer.problem(403, "forbidden")),
            Access::ServerUser => {
                assert_eq!(
                    answer.expect(200).body.get("collaborators"),
                    None,
                    "{}",
                    operation.id
                );
            }
            Access::Administrator => drop(answer.problem(403, "forbidden")),
            // Her own token, which she may even revoke: another test's matter.
            Access::TokenOwner | Access::Oneself => {}
        }
        if operation.id == "revoke_personal_access_token" {
            break;
        }
    }
    let uma = cast.scene.token_of("uma@example.com").await;
    for operation in operations()
        .iter()
        .filter(|operation| operation.path.contains("mcp-servers"))
    {
        let answer = cast.send(operation, Some(&uma)).await;
        assert!(
            answer.status == 200 || answer.status == 403,
            "{}: {}",
            operation.id,
            answer.status
        );
    }
    let after = cast.fingerprint().await;
    for unchanged in [0, 1, 2, 3, 4, 5, 6, 7] {
        assert_eq!(after[unchanged], before[unchanged]);
    }
}

/// So that the refusals above are not refusals of everything.
#[tokio::test]
async fn every_operation_does_something_for_an_administrator() {
    for operation in operations() {
        let cast = Cast::new().await;
        let answer = cast.send(&operation, Some(&cast.scene.ada)).await;
        assert!(
            answer.status.is_success(),
            "{}: {:#}",
            operation.id,
            answer.body
        );
    }
}

#[tokio::test]
async fn a_manager_may_do_everything_with_the_server_and_nothing_else() {
    for operation in operations() {
        let cast = Cast::new().await;
        let answer = cast.send(&operation, Some(&cast.max)).await;
        match policy::access(&operation.id).expect("a policy") {
            Access::Administrator => drop(answer.problem(403, "forbidden")),
            Access::TokenOwner => assert!(
                answer.status == 403 || answer.status == 404,
                "{}",
                operation.id
            ),
            _ => assert!(
                answer.status.is_success(),
                "{}: {:#}",
                operation.id,
                answer.body
            ),
        }
    }
}

fn provider_body(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "audiences": ["https://gateway.example.com"],
        "resolve_to": {"type": "virtual_account", "claim": "client_id"},
    })
}

fn sees_nobody_else(operation: &Operation, answer: &Answer) {
    let text = answer.body.to_string();
    for other in ["max@", "uma@", "ada@", "demo"] {
        assert!(
            !text.contains(other),
            "{} shows {other}: {text}",
            operation.id
        );
    }
}
