//! A pod that is asked to stop: calls finish, streams end cleanly, and nothing new is taken.

use std::time::Duration;

use e2e::process::Signal;
use e2e::sink::{HELD_TOOL, Sink};
use e2e::wait::{PATIENCE, until_true};
use e2e::warder::Options;
use serde_json::json;

use crate::support::Scene;

#[tokio::test]
async fn r05_calls_in_flight_finish_and_streams_end() {
    let options = Options {
        pods: 2,
        ..Options::default()
    };
    let mut scene = Scene::start(
        options,
        Sink::builder().tool(HELD_TOOL).tool("echo").sessions(),
    )
    .await;
    let (leaving, staying) = (
        scene.warder.pods[0].gateway(),
        scene.warder.pods[1].gateway(),
    );
    let session = leaving.connect("notes", &scene.ann.token).await;
    let mut stream = session.stream(&leaving).await;
    scene.sink.until_streams(1).await;
    let in_flight = {
        let (session, leaving) = (session.clone(), leaving.clone());
        tokio::spawn(async move { session.call(&leaving, HELD_TOOL, &json!({})).await })
    };
    scene.sink.until_held(1).await;

    scene.warder.pods[0].signal(Signal::TERM);
    until_true("the pod says that it is not ready", PATIENCE, async || {
        !scene.warder.pods[0].is_ready().await
    })
    .await;
    stream.end(Duration::from_secs(5)).await;
    until_true("new connections are not taken", PATIENCE, async || {
        leaving
            .post("notes")
            .token(&scene.ann.token)
            .body("{}")
            .try_send()
            .await
            .is_err()
    })
    .await;
    assert!(!in_flight.is_finished());
    // The client goes on through the other pod, in the same session.
    assert_eq!(
        session.call(&staying, "echo", &json!({})).await.tool_text(),
        "echo"
    );

    scene.sink.release();
    assert_eq!(
        in_flight
            .await
            .expect("the call does not panic")
            .tool_text(),
        HELD_TOOL,
        "the call in flight was answered"
    );
    let status = scene.warder.pods[0].ended(Duration::from_secs(10)).await;
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn r05_a_call_that_never_ends_does_not_hold_the_pod_forever() {
    let options = Options {
        pod_environment: vec![("WARDER_DRAIN_TIMEOUT", "1s".to_owned())],
        ..Options::default()
    };
    let mut scene = Scene::start(options, Sink::builder().tool(HELD_TOOL)).await;
    let (gateway, token) = (scene.gateway(), scene.ann.token.clone());
    let in_flight = tokio::spawn(async move {
        gateway
            .post("notes")
            .token(&token)
            .message(&e2e::gateway::call_message(1, HELD_TOOL, &json!({})))
            .try_send()
            .await
    });
    scene.sink.until_held(1).await;
    scene.warder.pods[0].signal(Signal::TERM);
    let status = scene.warder.pods[0].ended(Duration::from_secs(10)).await;
    assert!(status.success(), "{status}");
    let answer = in_flight.await.expect("the call does not panic");
    assert!(
        answer.is_err() || answer.is_ok_and(|answer| answer.status >= 500),
        "no half answer"
    );
}

#[tokio::test]
async fn the_control_plane_ends_cleanly_too() {
    let mut scene = Scene::start(Options::default(), Sink::builder().tool("echo")).await;
    let status = scene
        .warder
        .control_plane
        .stop(Duration::from_secs(15))
        .await;
    assert!(
        status.success(),
        "open streams of pods do not hold it: {status}"
    );
    assert_eq!(
        scene
            .gateway()
            .call("notes", &scene.ann.token, "echo", &json!({}))
            .await
            .tool_text(),
        "echo"
    );
}
