use std::num::NonZeroU32;

use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::metadata::MetadataValue;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server as GrpcServer};
use tonic::{Code, Request};
use warder_control_plane::config::{RESOLVE_BURST, RESOLVE_RATE};
use warder_control_plane::domain::{Server, ServerAuth};
use warder_control_plane::grpc::{self, Parts};
use warder_control_plane::service::resolve::ResolveLimit;
use warder_shared::proto::v1::audit_service_client::AuditServiceClient;
use warder_shared::proto::v1::credential_service_client::CredentialServiceClient;
use warder_shared::proto::v1::identity_service_client::IdentityServiceClient;
use warder_shared::proto::v1::node_service_client::NodeServiceClient;
use warder_shared::proto::v1::snapshot_service_client::SnapshotServiceClient;
use warder_shared::proto::v1::{
    AuditEvent, EnrollRequest, IdentifyRequest, RefreshKeysRequest, ReportRequest, ResolveRequest,
    WatchRequest,
};

use crate::planes::scene::{ENROLLMENT_SECRET, Plane};
use crate::support::server;

/// The services on a loopback port, and a connection to them.
struct Served {
    plane: Plane,
    channel: Channel,
    shutdown: CancellationToken,
    _stop: DropGuard,
}

impl Served {
    async fn new() -> Self {
        Self::with_limit(ResolveLimit::new(RESOLVE_RATE, RESOLVE_BURST)).await
    }

    async fn with_limit(limit: ResolveLimit) -> Self {
        let plane = Plane::new().await;
        let shutdown = CancellationToken::new();
        let routes = grpc::routes(Parts {
            store: plane.scene.store.clone(),
            nodes: plane.nodes.clone(),
            feed: plane.feed.clone(),
            resolver: plane.resolver.clone(),
            limit,
            provider_keys: plane.provider_keys(),
            shutdown: shutdown.clone(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let serving = GrpcServer::builder()
            .add_routes(routes)
            .serve_with_incoming_shutdown(
                TcpIncoming::from(listener),
                stop.clone().cancelled_owned(),
            );
        tokio::spawn(serving);
        let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
        Self {
            plane,
            channel,
            shutdown,
            _stop: stop.drop_guard(),
        }
    }

    async fn enroll(&self) -> String {
        self.enroll_as("pod-1").await
    }

    async fn enroll_as(&self, node: &str) -> String {
        let request = EnrollRequest {
            enrollment_secret: ENROLLMENT_SECRET.to_owned(),
            node: node.to_owned(),
        };
        let mut client = NodeServiceClient::new(self.channel.clone());
        client
            .enroll(request)
            .await
            .unwrap()
            .into_inner()
            .node_token
    }
}

fn with<T>(message: T, authorization: &[&str]) -> Request<T> {
    let mut request = Request::new(message);
    for value in authorization {
        let value: MetadataValue<_> = value.parse().unwrap();
        request.metadata_mut().append("authorization", value);
    }
    request
}

#[tokio::test]
async fn t63_every_rpc_but_enroll_asks_for_a_node_credential() {
    let served = Served::new().await;
    let node = served.enroll().await;
    let ada = served.plane.user("ada@example.com").await;
    let (_, caller) = served.plane.token(ada).await;
    let good = format!("Bearer {node}");
    let refused: [&[&str]; 7] = [
        &[],
        &["Bearer "],
        &["Bearer a.b.c"],
        &[&format!("Bearer {caller}")],
        &[&format!("Basic {node}")],
        &[&node],
        &[&good, &good],
    ];
    let mut snapshots = SnapshotServiceClient::new(served.channel.clone());
    let mut credentials = CredentialServiceClient::new(served.channel.clone());
    let mut audit = AuditServiceClient::new(served.channel.clone());
    let mut identities = IdentityServiceClient::new(served.channel.clone());
    for authorization in refused {
        let codes = [
            identities
                .refresh_keys(with(RefreshKeysRequest::default(), authorization))
                .await
                .err(),
            identities
                .identify(with(IdentifyRequest::default(), authorization))
                .await
                .err(),
            snapshots
                .watch(with(WatchRequest::default(), authorization))
                .await
                .err(),
            credentials
                .resolve(with(ResolveRequest::default(), authorization))
                .await
                .err(),
            audit
                .report(with(ReportRequest::default(), authorization))
                .await
                .err(),
        ];
        for status in codes {
            assert_eq!(
                status.map(|status| status.code()),
                Some(Code::Unauthenticated)
            );
        }
    }
    assert!(
        snapshots
            .watch(with(WatchRequest::default(), &[&good]))
            .await
            .is_ok()
    );
    assert!(
        audit
            .report(with(ReportRequest::default(), &[&good]))
            .await
            .is_ok()
    );
    let status = credentials
        .resolve(with(ResolveRequest::default(), &[&good]))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let status = identities
        .refresh_keys(with(RefreshKeysRequest::default(), &[&good]))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let status = identities
        .identify(with(IdentifyRequest::default(), &[&good]))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);

    let mut nodes = NodeServiceClient::new(served.channel.clone());
    let mut enroll = async |enrollment_secret: &str, node: &str| {
        let (enrollment_secret, node) = (enrollment_secret.to_owned(), node.to_owned());
        nodes
            .enroll(EnrollRequest {
                enrollment_secret,
                node,
            })
            .await
            .unwrap_err()
            .code()
    };
    assert_eq!(
        enroll("a secret of somebody else, 32 long", "pod").await,
        Code::Unauthenticated
    );
    assert_eq!(
        enroll(ENROLLMENT_SECRET, "a pod").await,
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn t62_a_pod_resolves_with_a_callers_token_only() {
    let served = Served::new().await;
    let plane = &served.plane;
    let node = format!("Bearer {}", served.enroll().await);
    let ada = plane.user("ada@example.com").await;
    let bob = plane.user("bob@example.com").await;
    let auth = ServerAuth::SharedHeader {
        names: vec!["X-Key".to_owned()],
    };
    let mut written = Server {
        auth,
        ..server(&plane.scene.time, "github")
    };
    plane.insert(&written).await;
    plane.share(&written, &[("X-Key", "shared key")]).await;
    plane.permit(&written, ada).await;
    let mut credentials = CredentialServiceClient::new(served.channel.clone());
    let mut resolve = async |caller_token: &str, server_id: String| {
        let caller_token = caller_token.to_owned();
        let request = with(
            ResolveRequest {
                caller_token,
                server_id,
            },
            &[&node],
        );
        credentials
            .resolve(request)
            .await
            .map(tonic::Response::into_inner)
    };
    let (_, of_ada) = plane.token(ada).await;
    let (_, of_bob) = plane.token(bob).await;
    let id = written.id.to_string();
    let answer = resolve(&of_ada, id.clone()).await.unwrap();
    assert_eq!(answer.auth.len(), 1);
    assert_eq!(
        (answer.auth[0].name.as_str(), answer.auth[0].value.as_str()),
        ("X-Key", "shared key")
    );
    assert_eq!(answer.origin, "https://mcp.example:8443");
    let own = node.strip_prefix("Bearer ").unwrap();
    let refused = [
        (own, id.clone(), Code::PermissionDenied),
        ("", id.clone(), Code::PermissionDenied),
        (&of_bob, id.clone(), Code::NotFound),
        (&of_ada, "nonsense".to_owned(), Code::NotFound),
        (&of_ada, ada.to_string(), Code::NotFound),
    ];
    for (token, id, code) in refused {
        assert_eq!(resolve(token, id).await.unwrap_err().code(), code);
    }
    written.url = "https://other.example/".parse().unwrap();
    plane.update(&written).await;
    assert_eq!(
        resolve(&of_ada, id).await.unwrap_err().code(),
        Code::FailedPrecondition
    );
}

#[tokio::test]
async fn t62_a_pod_that_asks_for_too_much_is_refused_and_no_other() {
    let (rate, burst) = (NonZeroU32::MIN, NonZeroU32::new(5).unwrap());
    let served = Served::with_limit(ResolveLimit::new(rate, burst)).await;
    let code = async |node: &str| {
        let request = with(ResolveRequest::default(), &[&format!("Bearer {node}")]);
        let mut credentials = CredentialServiceClient::new(served.channel.clone());
        credentials.resolve(request).await.unwrap_err().code()
    };
    let (greedy, modest) = (served.enroll().await, served.enroll_as("pod-2").await);
    let mut codes = Vec::new();
    for _ in 0..20 {
        codes.push(code(&greedy).await);
    }
    let admitted = codes.iter().filter(|code| **code == Code::NotFound).count();
    let refused = codes
        .iter()
        .filter(|code| **code == Code::ResourceExhausted)
        .count();
    // One more may come with each second that this takes.
    assert!((5..15).contains(&admitted), "{codes:?}");
    assert_eq!(admitted + refused, 20);
    // Another credential of the same pod has no allowance of its own.
    assert_eq!(code(&served.enroll().await).await, Code::ResourceExhausted);
    assert_eq!(code(&modest).await, Code::NotFound);
}

#[tokio::test]
async fn r20_nobody_follows_a_control_plane_that_does_not_hear_its_database() {
    let served = Served::new().await;
    let node = format!("Bearer {}", served.enroll().await);
    let mut client = SnapshotServiceClient::new(served.channel.clone());
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(16)).await;
    tokio::time::resume();
    let refused = client.watch(with(WatchRequest::default(), &[&node])).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unavailable);
    served.plane.feed.refresh().await.unwrap();
    let followed = client.watch(with(WatchRequest::default(), &[&node])).await;
    let first = followed.unwrap().into_inner().message().await.unwrap();
    assert!(first.unwrap().reset);
}

#[tokio::test]
async fn requests_are_bounded() {
    let served = Served::new().await;
    let node = format!("Bearer {}", served.enroll().await);
    let long = "x".repeat(20 * 1024);
    let mut nodes = NodeServiceClient::new(served.channel.clone());
    let request = EnrollRequest {
        enrollment_secret: long.clone(),
        node: "pod".to_owned(),
    };
    assert_eq!(
        nodes.enroll(request).await.unwrap_err().code(),
        Code::OutOfRange
    );
    let mut credentials = CredentialServiceClient::new(served.channel.clone());
    let request = ResolveRequest {
        caller_token: long.clone(),
        server_id: String::new(),
    };
    let status = credentials
        .resolve(with(request, &[&node]))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange);
    let mut audit = AuditServiceClient::new(served.channel.clone());
    let events = vec![
        AuditEvent {
            object: long,
            ..AuditEvent::default()
        };
        300
    ];
    let status = audit
        .report(with(ReportRequest { events }, &[&node]))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange);
    let status = audit
        .report(with(
            ReportRequest {
                events: vec![AuditEvent::default(); 1001],
            },
            &[&node],
        ))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_stream_tells_of_commits_and_ends_when_the_control_plane_drains() {
    let served = Served::new().await;
    let node = format!("Bearer {}", served.enroll().await);
    let mut client = SnapshotServiceClient::new(served.channel.clone());
    let request = with(WatchRequest::default(), &[&node]);
    let mut stream = client.watch(request).await.unwrap().into_inner();
    let first = stream.message().await.unwrap().unwrap();
    assert!(first.reset);
    served.plane.user("ada@example.com").await;
    let second = stream.message().await.unwrap().unwrap();
    assert_eq!(
        (second.version, second.changes.len()),
        (first.version + 1, 1)
    );
    served.shutdown.cancel();
    assert_eq!(
        stream.message().await.unwrap_err().code(),
        Code::Unavailable
    );
}

#[tokio::test]
async fn a_stream_does_not_outlive_the_pods_credential() {
    let served = Served::new().await;
    let credential = served.plane.nodes.enroll(ENROLLMENT_SECRET, "pod").unwrap();
    // The credential is in its leeway: still accepted, and over.
    served
        .plane
        .scene
        .time
        .advance(chrono::Duration::hours(1) + chrono::Duration::seconds(5));
    let node = format!("Bearer {}", credential.token.expose_secret());
    let mut client = SnapshotServiceClient::new(served.channel.clone());
    let mut stream = client
        .watch(with(WatchRequest::default(), &[&node]))
        .await
        .unwrap()
        .into_inner();
    let ended = loop {
        match stream.message().await {
            Ok(message) => assert!(message.is_some(), "it ends with a reason"),
            Err(status) => break status.code(),
        }
    };
    assert_eq!(ended, Code::Unauthenticated);
}
