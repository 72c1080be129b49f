//! What is read at identity providers, and how often.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use chrono::Duration;
use e2e::forgery::LocalSigner;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use warder_control_plane::domain::{IdentityProvider, ProviderKeys, Provisioning};
use warder_control_plane::service::provider_keys::{KeyReader, Refreshed};
use warder_control_plane::store::{identity_provider_keys, identity_providers};
use warder_shared::egress::EgressRules;

use crate::planes::identities::provider;
use crate::planes::scene::Plane;

/// A server that answers what it is told to, and counts.
#[derive(Clone)]
struct Site(Arc<Inner>);

struct Inner {
    origin: String,
    metadata: Mutex<Answer>,
    keys: Mutex<Answer>,
    reads: AtomicUsize,
    elsewhere: AtomicUsize,
}

#[derive(Clone)]
enum Answer {
    Json(u16, Value),
    Text(String),
    Redirect(String),
    Never,
}

impl Site {
    /// A provider with the key of a signer.
    async fn start(signer: &LocalSigner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let metadata = json!({"issuer": origin, "jwks_uri": format!("{origin}/keys")});
        let site = Self(Arc::new(Inner {
            origin,
            metadata: Mutex::new(Answer::Json(200, metadata)),
            keys: Mutex::new(Answer::Json(200, signer.jwks())),
            reads: AtomicUsize::new(0),
            elsewhere: AtomicUsize::new(0),
        }));
        let router = Router::new().fallback(answer).with_state(site.clone());
        #[expect(
            clippy::disallowed_methods,
            reason = "a test's own site needs no limits"
        )]
        let serving = axum::serve(listener, router);
        tokio::spawn(async move { serving.await });
        site
    }

    fn metadata(&self, answer: Answer) {
        *self.0.metadata.lock().unwrap() = answer;
    }

    fn keys(&self, answer: Answer) {
        *self.0.keys.lock().unwrap() = answer;
    }

    /// How often the keys were read.
    fn reads(&self) -> usize {
        self.0.reads.load(Ordering::SeqCst)
    }

    /// The provider that this is.
    async fn provider(&self, plane: &Plane) -> IdentityProvider {
        let provider = IdentityProvider {
            issuer: self.0.origin.clone(),
            ..provider(plane, "okta", Provisioning::Jit)
        };
        let mut tx = plane.begin().await;
        identity_providers::insert(&mut tx, &provider)
            .await
            .unwrap();
        plane.commit(tx).await;
        provider
    }
}

async fn answer(State(site): State<Site>, request: Request) -> Response {
    let site = &*site.0;
    let answer = match request.uri().path() {
        "/.well-known/openid-configuration" => site.metadata.lock().unwrap().clone(),
        "/keys" => {
            site.reads.fetch_add(1, Ordering::SeqCst);
            site.keys.lock().unwrap().clone()
        }
        "/elsewhere" => {
            site.elsewhere.fetch_add(1, Ordering::SeqCst);
            site.keys.lock().unwrap().clone()
        }
        _ => Answer::Json(404, json!({})),
    };
    let response = Response::builder();
    match answer {
        Answer::Json(status, body) => response.status(status).body(body.to_string().into()),
        Answer::Text(body) => response.body(Body::from(body)),
        Answer::Redirect(to) => response
            .status(302)
            .header("location", to)
            .body(Body::empty()),
        Answer::Never => std::future::pending().await,
    }
    .unwrap()
}

async fn state(plane: &Plane, provider: &IdentityProvider) -> ProviderKeys {
    identity_provider_keys::find(&plane.scene.store, provider.id)
        .await
        .unwrap()
        .expect("it was tried")
}

/// How many keys pods know of.
async fn told(plane: &Plane, provider: &IdentityProvider) -> usize {
    plane.feed.refresh().await.unwrap();
    let snapshot = plane.feed.snapshot();
    snapshot.identity_provider(provider.id).unwrap().keys.len()
}

#[tokio::test]
async fn t07_what_a_provider_gets_wrong_costs_it_no_key_that_it_had() {
    let (plane, signer) = (Plane::new().await, LocalSigner::new());
    let site = Site::start(&signer).await;
    let okta = site.provider(&plane).await;
    let reader = plane.provider_keys();
    assert_eq!(told(&plane, &okta).await, 0);
    reader.read(okta.id).await.unwrap();
    let good = state(&plane, &okta).await;
    assert_eq!((good.count(), &good.error), (1, &None));
    assert_eq!(told(&plane, &okta).await, 1);

    let key = signer.jwks()["keys"][0].clone();
    let redirect = Answer::Redirect(format!("{}/elsewhere", site.0.origin));
    let faults = [
        (Answer::Json(500, json!({})), "answered 500"),
        (redirect, "answered 302"),
        (Answer::Text("<html>".into()), "not a JWK set"),
        (Answer::Json(200, json!({"keys": []})), "no usable key"),
        (
            Answer::Json(
                200,
                json!({"keys": [{"kty": "oct", "k": "AAAA", "kid": "k1"}]}),
            ),
            "no usable key",
        ),
        (Answer::Json(200, json!({"keys": vec![key; 65]})), "64 keys"),
        (
            Answer::Text(format!("{{\"keys\":[{}]}}", " ".repeat(300 * 1024))),
            "more than 262144 bytes",
        ),
        (Answer::Never, "longer than five seconds"),
    ];
    for (fault, words) in faults {
        site.keys(fault);
        reader.read(okta.id).await.unwrap();
        let state = state(&plane, &okta).await;
        let error = state.error.as_deref().unwrap_or_default();
        assert!(error.contains(words), "{words}: {error}");
        assert_eq!(
            (&state.jwks, state.fetched_at),
            (&good.jwks, good.fetched_at),
            "{words}"
        );
        assert_eq!(told(&plane, &okta).await, 1);
    }
    assert_eq!(
        site.0.elsewhere.load(Ordering::SeqCst),
        0,
        "no redirect is followed"
    );

    // What could not be read again for a day is not trusted any more.
    site.keys(Answer::Json(500, json!({})));
    plane.scene.time.advance(Duration::hours(25));
    reader.read(okta.id).await.unwrap();
    assert_eq!(told(&plane, &okta).await, 0);
    site.keys(Answer::Json(200, signer.jwks()));
    reader.read(okta.id).await.unwrap();
    assert_eq!(told(&plane, &okta).await, 1);
}

#[tokio::test]
async fn t50_metadata_of_somebody_else_leads_to_no_keys() {
    let (plane, signer) = (Plane::new().await, LocalSigner::new());
    let site = Site::start(&signer).await;
    let okta = site.provider(&plane).await;
    let (reader, origin) = (plane.provider_keys(), &site.0.origin);
    let keys = format!("{origin}/keys");
    let faults = [
        (
            json!({"issuer": "https://login.example", "jwks_uri": keys}),
            "another issuer",
        ),
        (
            json!({"issuer": format!("{origin}/x"), "jwks_uri": keys}),
            "another issuer",
        ),
        (json!({"jwks_uri": keys}), "another issuer"),
        (json!({"issuer": origin}), "jwks_uri"),
        (
            json!({"issuer": origin, "jwks_uri": "file:///etc/passwd"}),
            "jwks_uri",
        ),
        (json!({"issuer": origin, "jwks_uri": ["x"]}), "jwks_uri"),
        (json!([]), "not metadata"),
    ];
    for (metadata, words) in faults {
        site.metadata(Answer::Json(200, metadata));
        reader.read(okta.id).await.unwrap();
        let state = state(&plane, &okta).await;
        let error = state.error.unwrap_or_default();
        assert!(error.contains(words), "{words}: {error}");
    }
    site.metadata(Answer::Text(format!(
        "{{\"issuer\":\"x\",\"issuer\":{origin:?},\"jwks_uri\":{keys:?}}}"
    )));
    reader.read(okta.id).await.unwrap();
    assert_eq!((site.reads(), told(&plane, &okta).await), (0, 0));
}

#[tokio::test]
async fn t50_no_address_that_may_not_be_dialed_is_dialed_whoever_names_it() {
    let (plane, signer) = (Plane::new().await, LocalSigner::new());
    let site = Site::start(&signer).await;
    let okta = site.provider(&plane).await;
    // Only the site itself may be dialed; it names addresses elsewhere.
    let port = site.0.origin.rsplit(':').next().unwrap();
    let reader = plane.provider_keys();
    for host in [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "198.18.0.1",
        "240.0.0.1",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "[fd00::1]",
        "[fe80::1]",
        "[64:ff9b::a00:1]",
        "[2002:a00:1::]",
        "0x0a000001",
        "167772161",
        "012.0.0.1",
    ] {
        for scheme in ["http", "https"] {
            let keys = format!("{scheme}://{host}:{port}/keys");
            let metadata = json!({"issuer": site.0.origin, "jwks_uri": keys});
            site.metadata(Answer::Json(200, metadata));
            reader.read(okta.id).await.unwrap();
            let error = state(&plane, &okta).await.error.unwrap_or_default();
            assert!(error.contains("may be dialed"), "{keys}: {error}");
        }
    }
    // Without permission, not even the site.
    let strict = KeyReader::new(plane.scene.store.clone(), EgressRules::default()).unwrap();
    site.metadata(Answer::Json(
        200,
        json!({"issuer": site.0.origin, "jwks_uri": format!("{}/keys", site.0.origin)}),
    ));
    strict.read(okta.id).await.unwrap();
    let error = state(&plane, &okta).await.error.unwrap_or_default();
    assert!(error.contains("may be dialed"), "{error}");
    assert_eq!(site.reads(), 0);
}

#[tokio::test]
async fn t07_a_key_that_is_not_there_is_looked_for_once_in_half_a_minute_by_all_replicas_together()
{
    let (plane, signer) = (Plane::new().await, LocalSigner::new());
    let site = Site::start(&signer).await;
    let okta = site.provider(&plane).await;
    let replicas = [plane.provider_keys(), plane.provider_keys()];
    replicas[0].read(okta.id).await.unwrap();
    assert_eq!(site.reads(), 1);
    let refresh = async |replica: usize, kid: &str| {
        replicas[replica]
            .refresh(okta.id, kid)
            .await
            .unwrap()
            .expect("a provider")
    };
    assert_eq!(refresh(0, "k1").await, Refreshed::Found);

    // However many want however many keys.
    let kids: Vec<String> = (0..200).map(|number| format!("n{number}")).collect();
    let answers = kids
        .iter()
        .enumerate()
        .map(|(number, kid)| refresh(number % 2, kid));
    let answers = join_all(answers).await;
    assert_eq!(site.reads(), 2);
    let unknown = answers
        .iter()
        .filter(|answer| **answer == Refreshed::Unknown)
        .count();
    assert_eq!(unknown, 1);
    let bounded = |answer: &Refreshed| match answer {
        Refreshed::RetryAfter(wait) => (1..=30).contains(&wait.as_secs()),
        other => *other == Refreshed::Unknown,
    };
    assert!(answers.iter().all(bounded), "{answers:?}");

    // A new key, later.
    let mut jwks = signer.jwks();
    let mut second = jwks["keys"][0].clone();
    second["kid"] = "k2".into();
    jwks["keys"].as_array_mut().unwrap().push(second);
    site.keys(Answer::Json(200, jwks));
    assert!(matches!(refresh(1, "k2").await, Refreshed::RetryAfter(_)));
    plane.scene.time.advance(Duration::seconds(31));
    let answers = join_all((0..20).map(|number| refresh(number % 2, "k2"))).await;
    assert!(
        answers.iter().all(|answer| *answer == Refreshed::Found),
        "{answers:?}"
    );
    assert_eq!((site.reads(), told(&plane, &okta).await), (3, 2));

    // A provider that does not answer says nothing of a key.
    plane.scene.time.advance(Duration::seconds(31));
    site.keys(Answer::Json(503, json!({})));
    assert!(matches!(refresh(0, "k3").await, Refreshed::RetryAfter(_)));
    let nobody = provider(&plane, "nobody", Provisioning::Jit);
    assert_eq!(replicas[0].refresh(nobody.id, "k1").await.unwrap(), None);
}

#[tokio::test]
async fn keys_are_read_when_they_are_due_by_one_replica() {
    let (plane, signer) = (Plane::new().await, LocalSigner::new());
    let site = Site::start(&signer).await;
    let okta = site.provider(&plane).await;
    let replicas = [plane.provider_keys(), plane.provider_keys()];
    let read = async || join_all(replicas.iter().map(KeyReader::read_due)).await;
    assert!(read().await.iter().all(Result::is_ok));
    assert_eq!((site.reads(), told(&plane, &okta).await), (1, 1));
    read().await;
    plane.scene.time.advance(Duration::minutes(8));
    read().await;
    assert_eq!(site.reads(), 1, "not due yet");
    plane.scene.time.advance(Duration::minutes(3));
    read().await;
    assert_eq!(site.reads(), 2);
    let version = plane.feed.version();
    assert_eq!(told(&plane, &okta).await, 1);
    assert_eq!(
        plane.feed.version(),
        version,
        "the same keys are no news for pods"
    );
    // What failed is tried again soon.
    site.keys(Answer::Json(500, json!({})));
    plane.scene.time.advance(Duration::minutes(11));
    read().await;
    plane.scene.time.advance(Duration::minutes(2));
    read().await;
    assert_eq!(site.reads(), 4);
}
