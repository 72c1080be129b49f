//! MCP sessions of the revisions with a handshake: any pod serves them, and nobody but their owner.

use e2e::gateway::{LEGACY, Session, call_message};
use e2e::sink::Sink;
use e2e::upstream::FastMcp;
use e2e::wait::PATIENCE;
use e2e::warder::{Options, Warder};
use serde_json::json;

use crate::support::{Scene, summary, until_reachable};

#[tokio::test]
async fn a_stateful_server_keeps_its_session_across_pods() {
    let options = Options {
        pods: 2,
        ..Options::default()
    };
    let (warder, upstream) = tokio::join!(Warder::start(options), FastMcp::default().start());
    let ann = warder.api.person("ann@example.com").await;
    let service = warder.api.virtual_account("reporter").await;
    warder
        .api
        .register(
            "notes",
            upstream.url(),
            &json!({"type": "none"}),
            &[&ann, &service],
        )
        .await;
    until_reachable(&warder, "notes", &ann).await;
    until_reachable(&warder, "notes", &service).await;
    let gateways = warder.gateways();

    let session = gateways[0].connect("notes", &ann.token).await;
    let other = gateways[1].connect("notes", &service.token).await;
    for expected in 1..=6 {
        let answer = session
            .call(&gateways[expected % 2], "count", &json!({}))
            .await;
        assert_eq!(
            answer.tool_text(),
            expected.to_string(),
            "one session upstream, whichever pod is asked"
        );
    }
    assert_eq!(
        other
            .call(&gateways[0], "count", &json!({}))
            .await
            .tool_text(),
        "1",
        "another caller has another session"
    );

    let upstream_ids: Vec<String> = upstream
        .requests()
        .iter()
        .filter_map(|request| request.header("mcp-session-id").map(str::to_owned))
        .collect();
    assert!(!upstream_ids.is_empty());
    assert!(
        !upstream_ids.contains(&session.id) && !session.id.contains(&upstream_ids[0]),
        "neither side sees the other's id"
    );
    assert!(
        session.id.bytes().all(|byte| matches!(byte, 0x21..=0x7e)),
        "{}",
        session.id
    );

    let deleted = session.delete(&gateways[1]).await;
    assert!(matches!(deleted.status, 200 | 204), "{deleted:?}");
    let after = session.call(&gateways[0], "count", &json!({})).await;
    assert_eq!(
        after.status, 404,
        "the client is told to begin again: {after:?}"
    );
    assert_eq!(
        other
            .call(&gateways[1], "count", &json!({}))
            .await
            .tool_text(),
        "2"
    );
}

#[tokio::test]
async fn t24_a_session_id_is_worth_nothing_to_anybody_else() {
    let scene = Scene::start(
        Options {
            pods: 2,
            ..Options::default()
        },
        Sink::builder().tool("echo").sessions(),
    )
    .await;
    let api = &scene.warder.api;
    let bob = api.person("bob@example.com").await;
    let service = api.virtual_account("ann").await;
    for server in ["notes", "others"] {
        api.register(
            server,
            &scene.sink.url(),
            &json!({"type": "none"}),
            &[&scene.ann, &bob, &service],
        )
        .await;
        for caller in [&scene.ann, &bob, &service] {
            until_reachable(&scene.warder, server, caller).await;
        }
    }
    let [first, second] = [0, 1].map(|index| scene.warder.pods[index].gateway());
    let session = first.connect("notes", &scene.ann.token).await;
    assert_eq!(
        session.call(&second, "echo", &json!({})).await.tool_text(),
        "echo"
    );
    drop(scene.sink.take());

    let steal = |change: fn(&mut Session, &str), value: &str| {
        let mut stolen = session.clone();
        change(&mut stolen, value);
        stolen
    };
    let with_token = |stolen: &mut Session, token: &str| stolen.token = token.to_owned();
    let with_id = |stolen: &mut Session, id: &str| stolen.id = id.to_owned();
    let mut thefts = vec![
        steal(with_token, &bob.token),
        steal(with_token, &service.token),
        steal(|stolen, server| stolen.server = server.to_owned(), "others"),
    ];
    let id = session.id.clone();
    let (head, tail) = id.split_at(id.len() / 2);
    let flipped = |at: usize| {
        let mut bytes = id.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).expect("ASCII")
    };
    let forged = [
        "upstream-session-0001".to_owned(),
        "x".to_owned(),
        format!("{id}x"),
        format!("x{id}"),
        id[..id.len() - 1].to_owned(),
        format!("{head}{head}"),
        tail.to_owned(),
        id.to_uppercase(),
        flipped(0),
        flipped(id.len() / 2),
        flipped(id.len() - 2),
        format!("{id},{id}"),
        "0".repeat(4000),
    ];
    thefts.extend(forged.iter().map(|id| steal(with_id, id)));
    for stolen in &thefts {
        for gateway in [&first, &second] {
            let call = stolen.call(gateway, "echo", &json!({})).await;
            assert_eq!(summary(&call), "404 NotFound", "{stolen:?}: {call:?}");
            let stream = gateway
                .get(&stolen.server)
                .token(&stolen.token)
                .header("mcp-session-id", &stolen.id)
                .header("mcp-protocol-version", LEGACY)
                .send()
                .await;
            assert_eq!(summary(&stream), "404 NotFound", "{stolen:?}: {stream:?}");
            let delete = stolen.delete(gateway).await;
            assert_eq!(summary(&delete), "404 NotFound", "{stolen:?}: {delete:?}");
            scene.assert_nothing_sent(&format!("{stolen:?}"));
        }
    }
    let twice = session
        .post(&first)
        .header("mcp-session-id", "x")
        .message(&call_message(1, "echo", &json!({})))
        .send()
        .await;
    assert!(matches!(twice.status, 400 | 404), "{twice:?}");
    scene.assert_nothing_sent("two session ids");

    assert_eq!(
        session.call(&first, "echo", &json!({})).await.tool_text(),
        "echo",
        "the owner is not disturbed"
    );
    assert_eq!(
        scene.sink.take()[0].header("mcp-session-id"),
        Some("upstream-session-0001")
    );
}

#[tokio::test]
async fn events_of_a_stream_arrive_one_by_one_as_they_happen() {
    let scene = Scene::start(Options::default(), Sink::builder().tool("echo").sessions()).await;
    let gateway = scene.gateway();
    let session = gateway.connect("notes", &scene.ann.token).await;
    let mut stream = session.stream(&gateway).await;
    scene.sink.until_streams(1).await;
    for number in 1..=3 {
        let message = json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": number}});
        scene.sink.push(&message);
        // The upstream stream stays open: only an unbuffered gateway can have passed this on.
        match stream.next(PATIENCE).await {
            e2e::event_stream::Next::Event(event) => assert_eq!(event.json(), message),
            other => panic!("{other:?} instead of event {number}"),
        }
    }
    drop(stream);
    // The client has gone: nobody listens upstream any more either.
    scene.sink.until_streams(0).await;
}

#[tokio::test]
async fn a_get_without_a_stream_is_405() {
    let scene = Scene::start(Options::default(), Sink::builder().tool("echo")).await;
    let answer = scene
        .gateway()
        .get("notes")
        .token(&scene.ann.token)
        .send()
        .await;
    assert_eq!(answer.status, 405, "{answer:?}");
    assert!(
        answer
            .header("allow")
            .is_some_and(|allow| allow.contains("POST")),
        "{answer:?}"
    );
    let modern = scene
        .gateway()
        .get("notes")
        .token(&scene.ann.token)
        .header("mcp-protocol-version", "2026-07-28")
        .send()
        .await;
    assert_eq!(modern.status, 405, "{modern:?}");
    assert_eq!(modern.header("allow"), Some("POST"), "{modern:?}");
}

#[tokio::test]
async fn t67_one_caller_has_a_bounded_number_of_streams() {
    let scene = Scene::start(Options::default(), Sink::builder().sessions()).await;
    let bob = scene.warder.api.person("bob@example.com").await;
    scene
        .warder
        .api
        .register(
            "notes",
            &scene.sink.url(),
            &json!({"type": "none"}),
            &[&scene.ann, &bob],
        )
        .await;
    until_reachable(&scene.warder, "notes", &bob).await;
    let gateway = scene.gateway();
    let session = gateway.connect("notes", &scene.ann.token).await;
    let mut streams = Vec::new();
    for _ in 0..50 {
        streams.push(session.stream(&gateway).await);
    }
    let more = gateway
        .get("notes")
        .token(&scene.ann.token)
        .header("mcp-session-id", &session.id)
        .header("mcp-protocol-version", LEGACY)
        .send()
        .await;
    assert_eq!(more.refusal(), (429, "RateLimited".to_owned()), "{more:?}");
    assert!(more.header("retry-after").is_some(), "{more:?}");

    // Others are not concerned, nor calls, and who closes a stream may open another.
    let other = gateway.connect("notes", &bob.token).await;
    let _stream = other.stream(&gateway).await;
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    assert_eq!(
        session.post(&gateway).message(&ping).send().await.status,
        200
    );
    scene.sink.until_streams(51).await;
    drop(streams.pop());
    scene.sink.until_streams(50).await;
    streams.push(session.stream(&gateway).await);
}
