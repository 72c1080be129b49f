//! The control plane may be away: what the pods know goes on, what they cannot know is refused, and they catch up.

use e2e::gateway::{Answer, Gateway};
use e2e::sink::Sink;
use e2e::wait::{PATIENCE, until_true};
use e2e::warder::{Database, Options};
use reqwest::Method;
use serde_json::json;

use crate::support::{Scene, summary, until_reachable};

async fn echo(gateway: &Gateway, server: &str, token: &str) -> Answer {
    gateway.call(server, token, "echo", &json!({})).await
}

async fn outage_on(database: Database) {
    let options = Options {
        database,
        pods: 2,
        ..Options::default()
    };
    let mut scene = Scene::start(options, Sink::builder().tool("echo").sessions()).await;
    let bob = scene.warder.api.person("bob@example.com").await;
    let shared = json!({"type": "header", "level": "shared", "headers": {"X-Api-Key": "shared"}});
    let own = json!({"type": "header", "level": "individual", "headers": {"X-Api-Key": "{{KEY}}"}});
    scene
        .warder
        .api
        .register("shared", &scene.sink.url(), &shared, &[&scene.ann, &bob])
        .await;
    scene
        .warder
        .api
        .register("own", &scene.sink.url(), &own, &[&scene.ann, &bob])
        .await;
    for caller in [&scene.ann, &bob] {
        scene
            .warder
            .api
            .set_override("own", caller, &json!({"KEY": caller.subject}))
            .await;
        until_reachable(&scene.warder, "own", caller).await;
    }
    let gateways = scene.warder.gateways();
    let warm = [
        ("notes", &scene.ann.token),
        ("shared", &scene.ann.token),
        ("own", &scene.ann.token),
    ];
    for gateway in &gateways {
        for (server, token) in warm {
            assert_eq!(echo(gateway, server, token).await.tool_text(), "echo");
        }
    }
    let session = gateways[0].connect("notes", &scene.ann.token).await;
    let mut stream = session.stream(&gateways[0]).await;

    scene.warder.control_plane.kill();
    for round in 0..20 {
        for gateway in &gateways {
            for (server, token) in warm {
                assert_eq!(
                    echo(gateway, server, token).await.tool_text(),
                    "echo",
                    "{server} in round {round}"
                );
            }
        }
        assert_eq!(
            session
                .call(&gateways[round % 2], "echo", &json!({}))
                .await
                .tool_text(),
            "echo"
        );
    }
    scene
        .sink
        .push(&json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {}}));
    assert!(
        matches!(
            stream.next(PATIENCE).await,
            e2e::event_stream::Next::Event(_)
        ),
        "the open stream goes on"
    );

    // Who is not warm is told that it is us, not them; policy and tokens are judged as ever.
    let cold = echo(&gateways[0], "own", &bob.token).await;
    let (status, kind) = cold.refusal();
    assert!(
        status == 503 && ["CredentialUnavailable", "Overloaded"].contains(&kind.as_str()),
        "{cold:?}"
    );
    assert_eq!(
        summary(&echo(&gateways[0], "own", "not-a-token").await),
        "401 Unauthorized"
    );
    assert_eq!(
        summary(&echo(&gateways[0], "nothing", &bob.token).await),
        "404 NotFound"
    );
    assert_eq!(
        summary(
            &gateways[0]
                .call("notes", &scene.ann.token, "nothing", &json!({}))
                .await
        ),
        "200 -32602",
        "what the upstream says"
    );

    // A pod that comes back starts from what it saved; one that never knew anything is not ready.
    scene.warder.pods[1].kill();
    scene.warder.pods[1].start().await;
    assert_eq!(
        echo(&gateways[1], "notes", &scene.ann.token)
            .await
            .tool_text(),
        "echo"
    );
    assert_eq!(
        session
            .call(&gateways[1], "echo", &json!({}))
            .await
            .tool_text(),
        "echo",
        "sessions outlive pods"
    );
    let mut fresh = scene.warder.new_pod("pod-fresh", Vec::new());
    fresh.launch();
    until_true("the fresh pod is alive", PATIENCE, async || {
        fresh
            .admin()
            .request_path(Method::GET, "/healthz")
            .try_send()
            .await
            .is_ok_and(|answer| answer.status == 200)
    })
    .await;
    assert!(!fresh.is_ready().await);
    let unready = echo(&fresh.gateway(), "notes", &scene.ann.token).await;
    assert_eq!(
        unready.status, 503,
        "closed, not open, and not the caller's fault: {unready:?}"
    );

    // Everything catches up without a restart.
    scene.warder.control_plane.start().await;
    fresh.until_ready().await;
    assert_eq!(
        echo(&fresh.gateway(), "notes", &scene.ann.token)
            .await
            .tool_text(),
        "echo"
    );
    scene
        .warder
        .api
        .register(
            "later",
            &scene.sink.url(),
            &json!({"type": "none"}),
            &[&bob],
        )
        .await;
    until_reachable(&scene.warder, "later", &bob).await;
    until_true("the cold caller is served", PATIENCE, async || {
        summary(&echo(&gateways[0], "own", &bob.token).await) == "200 result"
    })
    .await;
    scene.warder.api.revoke(&bob).await;
    for gateway in gateways.iter().chain([&fresh.gateway()]) {
        until_true("the revocation has arrived", PATIENCE, async || {
            summary(&echo(gateway, "own", &bob.token).await) == "401 Unauthorized"
        })
        .await;
    }
    assert_eq!(
        session
            .call(&gateways[1], "echo", &json!({}))
            .await
            .tool_text(),
        "echo"
    );
}

#[tokio::test]
async fn an_outage_of_the_control_plane_is_not_felt_on_sqlite() {
    outage_on(Database::Sqlite).await;
}

#[tokio::test]
async fn an_outage_of_the_control_plane_is_not_felt_on_postgresql() {
    outage_on(Database::Postgres).await;
}

#[tokio::test]
async fn t64_a_saved_snapshot_that_was_touched_is_not_believed() {
    let mut scene = Scene::start(Options::default(), Sink::builder().tool("echo")).await;
    let state = scene.warder.pods[0].state_folder();
    let files = || -> Vec<_> {
        std::fs::read_dir(&state)
            .expect("a state folder")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.is_file())
            .collect()
    };
    until_true("the pod has saved what it knows", PATIENCE, async || {
        !files().is_empty()
    })
    .await;
    scene.warder.control_plane.kill();
    scene.warder.pods[0].kill();
    for path in files() {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&path)
            .expect("its metadata")
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{} is readable by others", path.display());
        let mut bytes = std::fs::read(&path).expect("a saved file");
        for needle in ["ann@example.com", "Bearer", "BEGIN PRIVATE"] {
            assert!(
                !bytes
                    .windows(needle.len())
                    .any(|window| window == needle.as_bytes()),
                "{needle} in {}",
                path.display()
            );
        }
        let middle = bytes.len() / 2;
        if let Some(byte) = bytes.get_mut(middle) {
            *byte ^= 1;
        }
        std::fs::write(&path, bytes).expect("a saved file can be changed");
    }
    scene.warder.pods[0].launch();
    let admin = scene.warder.pods[0].admin();
    until_true("the pod is alive", PATIENCE, async || {
        admin
            .request_path(Method::GET, "/healthz")
            .try_send()
            .await
            .is_ok_and(|answer| answer.status == 200)
    })
    .await;
    assert!(
        !scene.warder.pods[0].is_ready().await,
        "it does not serve from a touched snapshot"
    );
    scene.warder.control_plane.start().await;
    scene.warder.pods[0].until_ready().await;
    assert_eq!(
        echo(&scene.gateway(), "notes", &scene.ann.token)
            .await
            .tool_text(),
        "echo"
    );
}
