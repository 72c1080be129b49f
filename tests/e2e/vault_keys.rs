//! The keys of the vault change while calls go on, and what a control plane says when its database is away.

use std::time::Duration;

use e2e::files::{canary, root_key, write_secret};
use e2e::process::run;
use e2e::sink::Sink;
use e2e::wait::{PATIENCE, until_true};
use e2e::warder::{Database, Options};
use reqwest::Method;
use serde_json::json;

use crate::outbound::{echo, individual};
use crate::support::Scene;

/// Runs a command of the operator's that has to succeed; what it printed.
async fn vault(scene: &Scene, arguments: &[&str]) -> String {
    let command = scene.warder.control_plane.command(arguments);
    let (status, output, errors) = run("warder-control-plane vault", command, None).await;
    assert!(status.success(), "{arguments:?}: {output}\n{errors}");
    output
}

/// Enters a value of Ann's and calls with it until the upstream has seen it; no call may fail.
async fn enter_and_call(scene: &Scene) {
    let value = canary("own-key");
    let values = json!({ "API_KEY": value });
    scene
        .warder
        .api
        .set_override("own", &scene.ann, &values)
        .await;
    let what = "the upstream sees the new value";
    until_true(what, PATIENCE, async || {
        let call = scene.gateway().post("own").token(&scene.ann.token);
        let answer = echo(call).send().await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let expected = format!("Bearer {value}");
        let sent = scene.sink.take();
        sent.iter().any(|request| {
            request
                .headers
                .iter()
                .any(|(name, sent)| name == "authorization" && *sent == expected)
        })
    })
    .await;
}

#[tokio::test]
async fn r22_the_keys_of_the_vault_change_while_calls_go_on() {
    let mut scene = Scene::start(Options::default(), Sink::builder().tool("echo")).await;
    let api = &scene.warder.api;
    api.register("own", &scene.sink.url(), &individual(), &[&scene.ann])
        .await;
    let values = json!({"API_KEY": canary("own-key")});
    api.set_override("own", &scene.ann, &values).await;
    scene.until_reachable("own", &scene.ann).await;
    let calls = async |scene: &Scene| {
        for _ in 0..10 {
            enter_and_call(scene).await;
        }
    };

    let sealing = vault(&scene, &["vault", "rotate-sealing-key"]);
    let (printed, ()) = tokio::join!(sealing, calls(&scene));
    assert!(printed.contains("old keys are destroyed"), "{printed}");

    let folder = scene.warder.folder().to_owned();
    let next = root_key();
    write_secret(&folder.join("next.key"), &next);
    let path = folder.join("next.key").display().to_string();
    let rotate = ["vault", "rotate-root-key", "--new-root-key-file", &path];
    let (_, ()) = tokio::join!(vault(&scene, &rotate), calls(&scene));

    // Whoever starts now needs the new root key.
    scene.warder.control_plane.stop(PATIENCE).await;
    let command = scene.warder.control_plane.command(&[]);
    let (status, output, errors) = run("the old root key", command, None).await;
    assert!(!status.success());
    assert!(format!("{output}{errors}").contains("root key"), "{errors}");
    std::fs::write(folder.join("root.key"), next).unwrap();
    scene.warder.control_plane.start().await;
    enter_and_call(&scene).await;

    // Accepting what is there takes nothing away from what was right.
    scene.warder.control_plane.stop(PATIENCE).await;
    let printed = vault(&scene, &["vault", "accept-restore"]).await;
    assert!(printed.contains("taken for the newest"), "{printed}");
    scene.warder.control_plane.start().await;
    enter_and_call(&scene).await;
    assert!(!scene.warder.control_plane.log().contains("security:"));
}

#[tokio::test]
async fn r20_a_control_plane_is_ready_while_its_database_answers() {
    let options = Options {
        database: Database::Postgres,
        ..Options::default()
    };
    let mut scene = Scene::start(options, Sink::builder().tool("echo")).await;
    let control_plane = scene.warder.control_plane.admin();
    let is_ready = async |expected: bool| {
        let what = format!("the control plane is ready: {expected}");
        until_true(&what, Duration::from_secs(90), async || {
            let answer = control_plane
                .request_path(Method::GET, "/readyz")
                .send()
                .await;
            (answer.status == 200) == expected
        })
        .await;
    };
    is_ready(true).await;
    scene.warder.postgres().stop();
    is_ready(false).await;
    // What does not need it goes on: liveness, and every call.
    let alive = control_plane
        .request_path(Method::GET, "/healthz")
        .send()
        .await;
    assert_eq!(alive.status, 200);
    assert_eq!(echo(scene.post()).send().await.status, 200);
    scene.warder.postgres().start_again().unwrap();
    is_ready(true).await;
    // And changes reach the pod again.
    let api = &scene.warder.api;
    api.register(
        "late",
        &scene.sink.url(),
        &json!({"type": "none"}),
        &[&scene.ann],
    )
    .await;
    scene.until_reachable("late", &scene.ann).await;
}
