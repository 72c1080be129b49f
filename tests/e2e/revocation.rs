//! What is taken away is gone on every pod within a second, open streams included.

use std::time::{Duration, Instant};

use e2e::api::Caller;
use e2e::event_stream::EventStream;
use e2e::gateway::{Session, call_message};
use e2e::sink::Sink;
use e2e::wait::until_true;
use e2e::warder::{Database, Options};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Scene, summary, until_reachable, user_rule};

/// AC-5: a change of access reaches every pod in under a second.
const SECOND: Duration = Duration::from_secs(1);

/// Two pods, and an upstream that holds streams open.
async fn scene(database: Database) -> Scene {
    let options = Options {
        database,
        pods: 2,
        ..Options::default()
    };
    Scene::start(
        options,
        Sink::builder().tool("echo").tool("other").sessions(),
    )
    .await
}

/// A session and an open stream of the caller on each pod.
async fn open_streams(scene: &Scene, caller: &Caller) -> Vec<(Session, EventStream)> {
    let mut streams = Vec::new();
    for gateway in scene.warder.gateways() {
        let session = gateway.connect("notes", &caller.token).await;
        let stream = session.stream(&gateway).await;
        streams.push((session, stream));
    }
    streams
}

/// Waits until every pod gives the caller this answer, and fails when that takes longer than a second from `since`.
async fn refused_everywhere(scene: &Scene, caller: &Caller, since: Instant, expected: &str) {
    for gateway in scene.warder.gateways() {
        let what = format!("{} answers {expected}", gateway.origin());
        until_true(&what, SECOND, async || {
            let answer = gateway
                .call("notes", &caller.token, "echo", &json!({}))
                .await;
            summary(&answer) == expected
        })
        .await;
    }
    assert!(
        since.elapsed() < SECOND,
        "{expected} everywhere only after {:?}",
        since.elapsed()
    );
}

/// Takes something away from `caller` and expects their streams to end and their calls to be refused, on both pods.
async fn takes_effect(scene: &Scene, caller: &Caller, expected: &str, change: impl AsyncFnOnce()) {
    let mut streams = open_streams(scene, caller).await;
    let mut bystander = open_streams(scene, &scene.ann).await;
    scene.sink.until_streams(4).await;
    change().await;
    let since = Instant::now();
    let ends = join_all(streams.iter_mut().map(|(_, stream)| stream.end(SECOND)));
    tokio::join!(ends, refused_everywhere(scene, caller, since, expected));
    scene.sink.until_streams(2).await;

    // Nobody else is disturbed, and what was refused was not sent.
    drop(scene.sink.take());
    for (gateway, (session, _)) in scene.warder.gateways().iter().zip(&streams) {
        let answer = session.call(gateway, "echo", &json!({})).await;
        assert_eq!(summary(&answer), expected, "{answer:?}");
    }
    scene.assert_nothing_sent(expected);
    for (gateway, (session, stream)) in scene.warder.gateways().iter().zip(&mut bystander) {
        assert_eq!(
            session.call(gateway, "echo", &json!({})).await.tool_text(),
            "echo"
        );
        let message = json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "still here"}});
        scene.sink.push(&message);
        assert!(
            matches!(stream.next(SECOND).await, e2e::event_stream::Next::Event(event) if event.json() == message)
        );
    }
}

async fn bob(scene: &Scene) -> Caller {
    let bob = scene.warder.api.person("bob@example.com").await;
    admit(scene, &bob).await;
    bob
}

/// Lets the caller use `notes`, beside Ann.
async fn admit(scene: &Scene, caller: &Caller) {
    let rules = json!([
        user_rule(&scene.ann, &["*"], &[]),
        user_rule(caller, &["*"], &[])
    ]);
    scene.warder.api.set_collaborators("notes", &rules).await;
    until_reachable(&scene.warder, "notes", caller).await;
}

async fn revoked_tokens_end(database: Database) {
    let scene = scene(database).await;
    let api = &scene.warder.api;
    let bob = bob(&scene).await;
    takes_effect(&scene, &bob, "401 Unauthorized", async || {
        api.revoke(&bob).await
    })
    .await;
    // Another token of the same person is not touched.
    let again = api.personal_access_token("bob@example.com").await;
    assert_eq!(
        scene
            .gateway()
            .call("notes", &again.token, "echo", &json!({}))
            .await
            .tool_text(),
        "echo"
    );

    let service = api.virtual_account("reporter").await;
    admit(&scene, &service).await;
    takes_effect(&scene, &service, "401 Unauthorized", async || {
        api.revoke(&service).await
    })
    .await;
}

#[tokio::test]
async fn t27_a_revoked_token_ends_its_streams_on_sqlite() {
    revoked_tokens_end(Database::Sqlite).await;
}

#[tokio::test]
async fn t27_a_revoked_token_ends_its_streams_on_postgresql() {
    revoked_tokens_end(Database::Postgres).await;
}

#[tokio::test]
async fn t27_a_removed_collaborator_is_out() {
    let scene = scene(Database::Sqlite).await;
    let api = &scene.warder.api;
    let bob = bob(&scene).await;
    let without_bob = json!([user_rule(&scene.ann, &["*"], &[])]);
    takes_effect(&scene, &bob, "404 NotFound", async || {
        api.set_collaborators("notes", &without_bob).await
    })
    .await;

    // The same through a team: leaving it is enough.
    let carol = api.person("carol@example.com").await;
    api.put(
        "/teams/readers",
        &json!({"display_name": "Readers", "members": ["carol@example.com"]}),
    )
    .await;
    let team_rule = json!([user_rule(&scene.ann, &["*"], &[]), {"subject": "team:readers", "role": "mcp-server-user"}]);
    api.set_collaborators("notes", &team_rule).await;
    until_reachable(&scene.warder, "notes", &carol).await;
    takes_effect(&scene, &carol, "404 NotFound", async || {
        api.put(
            "/teams/readers",
            &json!({"display_name": "Readers", "members": []}),
        )
        .await;
    })
    .await;
}

#[tokio::test]
async fn t10_a_disabled_or_deleted_subject_is_out() {
    let scene = scene(Database::Sqlite).await;
    let api = &scene.warder.api;
    let bob = bob(&scene).await;
    takes_effect(&scene, &bob, "401 Unauthorized", async || {
        api.patch("/users/bob@example.com", &json!({"status": "disabled"}))
            .await;
    })
    .await;
    api.patch("/users/bob@example.com", &json!({"status": "active"}))
        .await;
    until_reachable(&scene.warder, "notes", &bob).await;
    takes_effect(&scene, &bob, "401 Unauthorized", async || {
        api.delete("/users/bob@example.com").await
    })
    .await;

    let service = api.virtual_account("reporter").await;
    admit(&scene, &service).await;
    takes_effect(&scene, &service, "401 Unauthorized", async || {
        api.delete("/virtual-accounts/reporter").await
    })
    .await;
}

#[tokio::test]
async fn a_changed_override_is_used_and_a_removed_one_refused() {
    let scene = scene(Database::Sqlite).await;
    let api = &scene.warder.api;
    let auth =
        json!({"type": "header", "level": "individual", "headers": {"X-Api-Key": "{{KEY}}"}});
    api.register("own", &scene.sink.url(), &auth, &[&scene.ann])
        .await;
    until_reachable(&scene.warder, "own", &scene.ann).await;
    let key_sent = async |gateway: &e2e::gateway::Gateway| {
        let answer = gateway
            .call("own", &scene.ann.token, "echo", &json!({}))
            .await;
        let sent = scene.sink.take().pop();
        (
            summary(&answer),
            sent.and_then(|request| request.header("x-api-key").map(str::to_owned)),
        )
    };
    let everywhere = async |expected: (&str, Option<&str>)| {
        let since = Instant::now();
        for gateway in scene.warder.gateways() {
            until_true(&format!("{expected:?}"), SECOND, async || {
                let (summary, key) = key_sent(&gateway).await;
                (summary.as_str(), key.as_deref()) == expected
            })
            .await;
        }
        assert!(
            since.elapsed() < SECOND,
            "{expected:?} everywhere only after {:?}",
            since.elapsed()
        );
    };
    everywhere(("403 CredentialUnavailable", None)).await;
    for key in ["first", "second", "third"] {
        api.set_override("own", &scene.ann, &json!({"KEY": key}))
            .await;
        everywhere(("200 result", Some(key))).await;
    }
    api.delete(&format!(
        "/mcp-servers/own/auth-overrides?subject={}",
        scene.ann.subject
    ))
    .await;
    everywhere(("403 CredentialUnavailable", None)).await;
}

#[tokio::test]
async fn a_changed_tool_policy_is_in_force_for_lists_and_calls() {
    let scene = scene(Database::Sqlite).await;
    let api = &scene.warder.api;
    let names = async |gateway: &e2e::gateway::Gateway| {
        gateway.list("notes", &scene.ann.token).await.tool_names()
    };
    let expect = async |rule: Value, expected: &[&str]| {
        api.set_collaborators("notes", &json!([rule])).await;
        let since = Instant::now();
        for gateway in scene.warder.gateways() {
            until_true(&format!("{expected:?} is listed"), SECOND, async || {
                names(&gateway).await == expected
            })
            .await;
            for tool in ["echo", "other"] {
                let answer = gateway
                    .post("notes")
                    .token(&scene.ann.token)
                    .message(&call_message(1, tool, &json!({})))
                    .send()
                    .await;
                let wanted = if expected.contains(&tool) {
                    "200 result"
                } else {
                    "200 -32602"
                };
                assert_eq!(
                    summary(&answer),
                    wanted,
                    "what is listed is callable and what is not is not: {tool}: {answer:?}"
                );
            }
        }
        assert!(since.elapsed() < SECOND * 2, "{:?}", since.elapsed());
    };
    expect(user_rule(&scene.ann, &["*"], &[]), &["echo", "other"]).await;
    expect(user_rule(&scene.ann, &["*"], &["other"]), &["echo"]).await;
    expect(user_rule(&scene.ann, &["oth*"], &[]), &["other"]).await;
    expect(user_rule(&scene.ann, &[], &[]), &[]).await;
    expect(user_rule(&scene.ann, &["*"], &[]), &["echo", "other"]).await;
}

#[tokio::test]
async fn a_replaced_token_lives_for_its_grace_period_and_no_longer() {
    let scene = scene(Database::Sqlite).await;
    let api = &scene.warder.api;
    let service = api.virtual_account("reporter").await;
    admit(&scene, &service).await;
    let path = "/virtual-accounts/reporter/tokens";
    let replace = async |old: &Caller, grace: &str| {
        let body = json!({"expires_in": "1h", "replaces": old.token_id, "grace_period": grace});
        let answer = api.post(path, &body).await;
        let field = |name: &str| answer[name].as_str().expect("a token").to_owned();
        Caller {
            subject: old.subject.clone(),
            token: field("token"),
            token_id: field("id"),
        }
    };
    let works = async |caller: &Caller| {
        for gateway in scene.warder.gateways() {
            assert_eq!(
                gateway
                    .call("notes", &caller.token, "echo", &json!({}))
                    .await
                    .tool_text(),
                "echo"
            );
        }
    };
    let second = replace(&service, "1h").await;
    works(&service).await;
    works(&second).await;
    let third = replace(&second, "0s").await;
    refused_everywhere(&scene, &second, Instant::now(), "401 Unauthorized").await;
    works(&third).await;

    let fourth = replace(&third, "1s").await;
    works(&fourth).await;
    for gateway in scene.warder.gateways() {
        until_true(
            "the grace period is over",
            e2e::wait::PATIENCE,
            async || {
                summary(
                    &gateway
                        .call("notes", &third.token, "echo", &json!({}))
                        .await,
                ) == "401 Unauthorized"
            },
        )
        .await;
    }
    works(&fourth).await;
}

#[tokio::test]
async fn a_deleted_server_is_gone_for_everybody() {
    let scene = scene(Database::Sqlite).await;
    let mut streams = open_streams(&scene, &scene.ann).await;
    scene.sink.until_streams(2).await;
    scene.warder.api.delete("/mcp-servers/notes").await;
    let since = Instant::now();
    let ends = join_all(streams.iter_mut().map(|(_, stream)| stream.end(SECOND)));
    tokio::join!(
        ends,
        refused_everywhere(&scene, &scene.ann, since, "404 NotFound")
    );
    scene.sink.until_streams(0).await;
}

#[tokio::test]
async fn the_servers_own_policy_and_switches_are_in_force() {
    let scene = scene(Database::Sqlite).await;
    let api = &scene.warder.api;
    let gateway = scene.gateway();
    let set = async |change: Value| {
        let mut server = json!({
            "type": "remote", "url": scene.sink.url(), "auth": {"type": "none"},
            "collaborators": [{"subject": scene.ann.subject, "role": "mcp-server-user"}],
        });
        server
            .as_object_mut()
            .expect("an object")
            .extend(change.as_object().cloned().expect("an object"));
        api.put("/mcp-servers/notes", &server).await;
    };
    let lists = async |expected: &[&str]| {
        until_true(&format!("{expected:?} is listed"), SECOND, async || {
            gateway.list("notes", &scene.ann.token).await.tool_names() == expected
        })
        .await;
    };
    set(json!({"tool_policy": {"enabled_by_default": false, "enabled": ["ec*"], "disabled": []}}))
        .await;
    lists(&["echo"]).await;
    set(json!({"tool_policy": {"enabled_by_default": false, "enabled": ["*"], "disabled": ["echo"]}})).await;
    lists(&["other"]).await;
    assert_eq!(
        summary(
            &gateway
                .call("notes", &scene.ann.token, "echo", &json!({}))
                .await
        ),
        "200 -32602"
    );

    let ask = async |method: &str| {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"uri": "memo://x", "name": "x"}});
        gateway
            .post("notes")
            .token(&scene.ann.token)
            .message(&message)
            .send()
            .await
    };
    set(json!({"prompts_enabled": false, "resources_enabled": false})).await;
    lists(&["echo", "other"]).await;
    drop(scene.sink.take());
    for method in [
        "prompts/list",
        "prompts/get",
        "resources/list",
        "resources/read",
        "resources/templates/list",
        "resources/subscribe",
    ] {
        let answer = ask(method).await;
        assert!(
            answer.status == 200 || answer.status == 404,
            "{method}: {answer:?}"
        );
        assert!(
            answer.message()["result"].is_null() || !answer.body.contains("no method"),
            "{method}: {answer:?}"
        );
        scene.assert_nothing_sent(method);
    }
    set(json!({})).await;
    until_true("prompts pass again", SECOND, async || {
        drop(ask("prompts/list").await);
        scene
            .sink
            .take()
            .iter()
            .any(|request| request.rpc_method().as_deref() == Some("prompts/list"))
    })
    .await;
}
