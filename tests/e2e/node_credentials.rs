//! What a pod's credential opens, and what it does not (T62): nothing without a caller's own token.

use std::time::Duration;

use e2e::api::Caller;
use e2e::files::{canary, write_secret};
use e2e::gateway::list_message;
use e2e::raw::Connection;
use e2e::sink::Sink;
use e2e::wait::{PATIENCE, until_true};
use e2e::warder::{Options, Warder};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tonic::metadata::MetadataValue;
use tonic::transport::{Certificate, Channel, ClientTlsConfig};
use tonic::{Code, Request};
use warder_shared::proto::v1::audit_service_client::AuditServiceClient;
use warder_shared::proto::v1::credential_service_client::CredentialServiceClient;
use warder_shared::proto::v1::identity_service_client::IdentityServiceClient;
use warder_shared::proto::v1::node_service_client::NodeServiceClient;
use warder_shared::proto::v1::snapshot_service_client::SnapshotServiceClient;
use warder_shared::proto::v1::{
    EnrollRequest, IdentifyRequest, RefreshKeysRequest, ReportRequest, ResolveRequest,
    ResolveResponse, WatchRequest, change::Change,
};

use crate::support::Scene;

/// A connection to the control plane's gRPC port, trusting what pods trust.
async fn connect(warder: &Warder) -> Channel {
    let authority =
        std::fs::read(&warder.certificates.authority).expect("the authority's certificate");
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(authority))
        .domain_name("localhost");
    let endpoint = Channel::from_shared(warder.control_plane.grpc_url()).expect("a URL");
    endpoint
        .tls_config(tls)
        .expect("the authority is valid")
        .connect()
        .await
        .expect("the control plane listens")
}

async fn enroll(warder: &Warder, secret: &str) -> Result<String, Code> {
    let request = EnrollRequest {
        enrollment_secret: secret.to_owned(),
        node: "stolen-pod".to_owned(),
    };
    let answer = NodeServiceClient::new(connect(warder).await)
        .enroll(request)
        .await;
    answer
        .map(|answer| answer.into_inner().node_token)
        .map_err(|status| status.code())
}

fn with_token<T>(message: T, token: Option<&str>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(token) = token {
        let value: MetadataValue<_> = format!("Bearer {token}").parse().expect("a token is ASCII");
        request.metadata_mut().insert("authorization", value);
    }
    request
}

async fn resolve(
    warder: &Warder,
    node: Option<&str>,
    caller: &str,
    server_id: &str,
) -> Result<ResolveResponse, Code> {
    let request = ResolveRequest {
        caller_token: caller.to_owned(),
        server_id: server_id.to_owned(),
    };
    let answer = CredentialServiceClient::new(connect(warder).await)
        .resolve(with_token(request, node))
        .await;
    answer
        .map(tonic::Response::into_inner)
        .map_err(|status| status.code())
}

/// Every server that the snapshot stream names: what a thief sees of a pod.
async fn watch(warder: &Warder, node: &str) -> (Vec<(String, String)>, String) {
    let request = WatchRequest {
        epoch: String::new(),
        version: 0,
    };
    let mut stream = SnapshotServiceClient::new(connect(warder).await)
        .watch(with_token(request, Some(node)))
        .await
        .expect("a watch")
        .into_inner();
    let (mut servers, mut everything) = (Vec::new(), String::new());
    loop {
        let response = tokio::time::timeout(PATIENCE, stream.message())
            .await
            .expect("in time")
            .expect("no error")
            .expect("an open stream");
        everything.push_str(&format!("{response:?}"));
        let more = response.more || servers.is_empty();
        for change in response.changes {
            if let Some(Change::Server(server)) = change.change {
                servers.push((server.name, server.id));
            }
        }
        if !more {
            return (servers, everything);
        }
    }
}

#[tokio::test]
async fn t62_a_stolen_pod_opens_nothing_by_itself() {
    let scene = Scene::start(Options::default(), Sink::builder().tool("echo")).await;
    let (warder, api) = (&scene.warder, &scene.warder.api);
    let bob = api.person("bob@example.com").await;
    let keys = [
        canary("key-of-ann"),
        canary("key-of-bob"),
        canary("shared-key"),
    ];
    let individual =
        json!({"type": "header", "level": "individual", "headers": {"X-Api-Key": "{{KEY}}"}});
    api.register("own", &scene.sink.url(), &individual, &[&scene.ann, &bob])
        .await;
    api.set_override("own", &scene.ann, &json!({"KEY": keys[0]}))
        .await;
    api.set_override("own", &bob, &json!({"KEY": keys[1]}))
        .await;
    let shared = json!({"type": "header", "level": "shared", "headers": {"X-Api-Key": keys[2]}});
    api.register("shared", &scene.sink.url(), &shared, &[&scene.ann])
        .await;

    let node = enroll(warder, &warder.enrollment_secret)
        .await
        .expect("the right secret enrolls");
    let (servers, snapshot) = watch(warder, &node).await;
    let id = |name: &str| {
        servers
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, id)| id.clone())
            .expect("the server is in the snapshot")
    };
    for key in &keys {
        assert!(
            !snapshot.contains(key.as_str()),
            "the snapshot holds a secret"
        );
    }

    // Whatever it presents for the caller that is not the caller's own live token.
    // Not the last character: part of it is padding.
    let (signed, signature) = scene.ann.token.split_at(scene.ann.token.len() - 40);
    let tampered = format!(
        "{signed}{}{}",
        if signature.starts_with('A') { 'B' } else { 'A' },
        &signature[1..]
    );
    let revoked = api.personal_access_token("ann@example.com").await;
    api.revoke(&revoked).await;
    for presented in [
        "",
        "x",
        &node,
        &tampered,
        &revoked.token,
        &warder.enrollment_secret,
    ] {
        for server in [id("own"), id("shared"), id("notes")] {
            assert_eq!(
                resolve(warder, Some(&node), presented, &server).await,
                Err(Code::PermissionDenied),
                "{presented}"
            );
        }
    }
    // With a caller's token: what that caller may have, and nothing of anybody else.
    let headers = async |caller: &Caller, server: &str| {
        let credential = resolve(warder, Some(&node), &caller.token, &id(server)).await?;
        Ok::<_, Code>(
            credential
                .auth
                .into_iter()
                .map(|header| header.value)
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(
        headers(&scene.ann, "own").await.as_deref(),
        Ok([keys[0].clone()].as_slice())
    );
    assert_eq!(
        headers(&bob, "own").await.as_deref(),
        Ok([keys[1].clone()].as_slice())
    );
    assert_eq!(
        headers(&scene.ann, "shared").await.as_deref(),
        Ok([keys[2].clone()].as_slice())
    );
    assert_eq!(
        resolve(warder, Some(&node), &bob.token, &id("shared"))
            .await
            .err(),
        Some(Code::NotFound),
        "Bob has no access to it"
    );
    assert_eq!(
        resolve(warder, Some(&node), &warder.admin.token, &id("own"))
            .await
            .err(),
        Some(Code::NotFound),
        "an administrator is no collaborator"
    );
    assert_eq!(
        resolve(warder, Some(&node), &bob.token, "not-an-id")
            .await
            .err(),
        Some(Code::NotFound)
    );

    // The pod's token is worth nothing at any other door.
    assert_eq!(
        api.with_token(&node)
            .send(reqwest::Method::GET, "/me", None)
            .await
            .0,
        401
    );
    let answer = scene
        .gateway()
        .post("notes")
        .token(&node)
        .message(&list_message(1))
        .send()
        .await;
    assert_eq!(answer.refusal(), (401, "Unauthorized".to_owned()));
}

#[tokio::test]
async fn t62_a_pod_that_asks_for_too_much_answers_503_for_a_while() {
    const CALLERS: usize = 8;
    let limit = |name| (name, "1".to_owned());
    let options = Options {
        control_plane_environment: vec![
            limit("WARDER_RESOLVE_RATE"),
            limit("WARDER_RESOLVE_BURST"),
        ],
        ..Options::default()
    };
    let scene = Scene::start(options, Sink::builder().tool("echo")).await;
    let (warder, api) = (&scene.warder, &scene.warder.api);
    let mut callers = Vec::new();
    for number in 0..CALLERS {
        callers.push(api.person(&format!("caller-{number}@example.com")).await);
    }
    let users: Vec<&Caller> = callers.iter().collect();
    let auth = json!({"type": "header", "level": "shared", "headers": {"X-Api-Key": "key"}});
    api.register("shared", &scene.sink.url(), &auth, &users)
        .await;
    for caller in &callers {
        scene.until_reachable("shared", caller).await;
    }
    let call = async |caller: &Caller| {
        let call = scene.gateway().post("shared").token(&caller.token);
        call.message(&list_message(1)).send().await
    };
    let answers = join_all(callers.iter().map(&call)).await;
    let refused: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status != 200)
        .collect();
    // One may come at once, and one with each second that this takes.
    assert!(
        (CALLERS / 2..CALLERS).contains(&refused.len()),
        "{answers:?}"
    );
    for answer in refused {
        assert_eq!(answer.refusal(), (503, "Overloaded".to_owned()));
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    assert!(warder.control_plane.log().contains("WARDER_RESOLVE_RATE"));
    let metrics = warder
        .control_plane
        .admin()
        .request_path(Method::GET, "/metrics");
    let metrics = metrics.send().await.body;
    let counted = |line: &str| {
        let count = line.strip_prefix("warder_control_plane_resolve_limited_total ");
        count.is_some_and(|count| count != "0")
    };
    assert!(metrics.lines().any(counted), "{metrics}");
    for caller in &callers {
        let what = "the caller is served in the end";
        until_true(what, PATIENCE, async || call(caller).await.status == 200).await;
    }
}

#[tokio::test]
async fn t62_every_rpc_asks_for_the_pods_own_token() {
    let scene = Scene::start(Options::default(), Sink::builder().tool("echo")).await;
    let warder = &scene.warder;
    let channel = connect(warder).await;
    for token in [
        None,
        Some(""),
        Some("x"),
        Some(scene.ann.token.as_str()),
        Some(warder.admin.token.as_str()),
        Some(warder.enrollment_secret.as_str()),
    ] {
        let watch = SnapshotServiceClient::new(channel.clone())
            .watch(with_token(WatchRequest::default(), token))
            .await;
        assert_eq!(
            watch.err().map(|status| status.code()),
            Some(Code::Unauthenticated),
            "{token:?}"
        );
        let report = AuditServiceClient::new(channel.clone())
            .report(with_token(ReportRequest::default(), token))
            .await;
        assert_eq!(
            report.err().map(|status| status.code()),
            Some(Code::Unauthenticated),
            "{token:?}"
        );
        let mut identities = IdentityServiceClient::new(channel.clone());
        let message = RefreshKeysRequest::default();
        let refresh = identities.refresh_keys(with_token(message, token)).await;
        let message = IdentifyRequest {
            caller_token: scene.ann.token.clone(),
        };
        let identify = identities.identify(with_token(message, token)).await;
        for status in [refresh.err(), identify.err()] {
            assert_eq!(
                status.map(|status| status.code()),
                Some(Code::Unauthenticated),
                "{token:?}"
            );
        }
        assert_eq!(
            resolve(warder, token, &scene.ann.token, "x").await.err(),
            Some(Code::Unauthenticated),
            "{token:?}"
        );
    }
    let secret = &warder.enrollment_secret;
    for wrong in [
        "",
        "x",
        &secret[1..],
        &format!("{secret}x"),
        &secret.to_uppercase(),
        &format!(" {secret}"),
        &scene.ann.token,
    ] {
        let refused = enroll(warder, wrong).await.err();
        assert!(
            matches!(
                refused,
                Some(Code::Unauthenticated | Code::PermissionDenied)
            ),
            "{wrong}: {refused:?}"
        );
    }
    assert!(!warder.control_plane.log().contains(secret.as_str()));
}

/// Starts a pod that cannot get in, and makes sure that it neither becomes ready nor serves.
async fn stays_out(warder: &Warder, name: &str, environment: Vec<(&'static str, String)>) {
    let mut pod = warder.new_pod(name, environment);
    pod.launch();
    until_true(&format!("{name} has tried"), PATIENCE, async || {
        pod.log()
            .lines()
            .any(|line| line.contains("WARN") || line.contains("ERROR"))
    })
    .await;
    assert!(!pod.is_ready().await, "{name}: {}", pod.log());
    let answer = pod
        .gateway()
        .post("notes")
        .token(&warder.admin.token)
        .message(&list_message(1))
        .try_send()
        .await;
    assert!(
        answer.is_err() || answer.is_ok_and(|answer| answer.status == 503),
        "{name}: {}",
        pod.log()
    );
    assert!(!pod.log().contains(&warder.enrollment_secret));
}

#[tokio::test]
async fn t63_the_stream_between_the_planes_is_never_plain() {
    let warder = Warder::start(Options::default()).await;
    // HTTP/2 without TLS, and HTTP/1.1 without TLS: no protocol, only a closed connection or a TLS alert.
    for hello in [
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        let mut connection = Connection::open(warder.control_plane.grpc_address()).await;
        connection.write(hello).await;
        let received = connection.closed(Duration::from_secs(15)).await;
        assert!(
            !received.starts_with(b"HTTP") && (received.is_empty() || received[0] == 0x15),
            "{received:?}"
        );
    }
    let plain_url = format!("http://{}", warder.control_plane.grpc_address());
    let other = tempfile_with(
        &warder,
        "other-secret.txt",
        &canary("another-secret-that-is-long-enough"),
    );
    let other_authority = other_authority(&warder);
    stays_out(
        &warder,
        "pod-plain",
        vec![
            ("WARDER_CONTROL_PLANE_GRPC_URL", plain_url),
            ("WARDER_CONTROL_PLANE_PLAINTEXT", "true".to_owned()),
        ],
    )
    .await;
    stays_out(
        &warder,
        "pod-wrong-secret",
        vec![("WARDER_NODE_TOKEN_FILE", other)],
    )
    .await;
    stays_out(
        &warder,
        "pod-wrong-authority",
        vec![("WARDER_CONTROL_PLANE_CA_FILE", other_authority)],
    )
    .await;
}

fn tempfile_with(warder: &Warder, name: &str, content: &str) -> String {
    let path = warder.folder().join(name);
    write_secret(&path, content);
    path.display().to_string()
}

fn other_authority(warder: &Warder) -> String {
    let folder = warder.folder().join("other");
    std::fs::create_dir(&folder).expect("the temporary folder is writable");
    e2e::certificates::Certificates::generate(&folder)
        .authority
        .display()
        .to_string()
}
