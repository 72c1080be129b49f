//! Callers who bring a token of their own identity provider (IN-3), with a real one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use e2e::event_stream::EventStream;
use e2e::forgery::{forgeries, good_claims};
use e2e::gateway::{Answer, Gateway, call_message};
use e2e::identity_provider::{IdentityProvider, RESOURCE, Settings, Signer};
use e2e::sink::{Builder, Sink};
use e2e::wait::{PATIENCE, until_true};
use e2e::warder::{Options, Warder};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::summary;

const SECOND: Duration = Duration::from_secs(1);

/// A Warder with an identity provider `okta`, and a server `notes` with a shared credential that its team
/// `engineering` may use.
struct Scene {
    warder: Warder,
    sink: Sink,
    okta: IdentityProvider,
}

impl Scene {
    /// Everything, with two pods.
    async fn start(settings: Settings, resolve_to: Value) -> Self {
        let options = Options {
            pods: 2,
            ..Options::default()
        };
        let sink = Sink::builder().tool("echo").sessions();
        Self::with(options, sink, settings, resolve_to).await
    }

    async fn with(options: Options, sink: Builder, settings: Settings, resolve_to: Value) -> Self {
        let (warder, sink, okta) = tokio::join!(
            Warder::start(options),
            sink.start(),
            IdentityProvider::start(settings)
        );
        let scene = Self { warder, sink, okta };
        scene.provide("okta", &scene.okta, resolve_to).await;
        scene
    }

    /// Registers an identity provider.
    async fn provide(&self, name: &str, provider: &IdentityProvider, resolve_to: Value) {
        let body = json!({
            "issuer": provider.issuer(), "audiences": [RESOURCE], "resolve_to": resolve_to,
        });
        let path = format!("/identity-providers/{name}");
        let made = self.warder.api.put(&path, &body).await;
        assert_eq!(made["keys"]["error"], Value::Null, "{made:#}");
        assert!(made["keys"]["count"].as_u64() > Some(0), "{made:#}");
    }

    /// Registers `notes` with a credential of its own for those who may use it.
    async fn serve(&self, subject: &str) {
        let auth = json!({"type": "header", "level": "shared", "headers": {"Authorization": "Bearer upstream-secret"}});
        let server = json!({
            "type": "remote", "url": self.sink.url(), "auth": auth,
            "collaborators": [{"subject": subject, "role": "mcp-server-user"}],
        });
        self.warder.api.put("/mcp-servers/notes", &server).await;
    }

    /// The same for Alice, who is there before she has come.
    async fn serve_to_alice(&self) {
        let body = json!({"email": "alice@example.com"});
        self.warder.api.post("/users", &body).await;
        self.serve("user:alice@example.com").await;
    }

    fn gateway(&self) -> Gateway {
        self.warder.gateway()
    }

    async fn call(&self, token: &str) -> Answer {
        self.gateway()
            .call("notes", token, "echo", &json!({}))
            .await
    }

    /// Waits until both pods give this answer to a token.
    async fn until(&self, token: &str, expected: &str) {
        for gateway in self.warder.gateways() {
            let what = format!("{} answers {expected}", gateway.origin());
            until_true(&what, PATIENCE, async || {
                let answer = gateway.call("notes", token, "echo", &json!({})).await;
                summary(&answer) == expected
            })
            .await;
        }
    }

    /// A stream of the caller on each pod.
    async fn open_streams(&self, token: &str) -> Vec<EventStream> {
        let mut streams = Vec::new();
        for gateway in self.warder.gateways() {
            let session = gateway.connect("notes", token).await;
            streams.push(session.stream(&gateway).await);
        }
        self.sink.until_streams(2).await;
        streams
    }

    /// A token of the provider with the good claims and these.
    async fn mint(&self, header: &Value, claims: &[(&str, Value)]) -> String {
        let mut all = good_claims(self.okta.issuer(), RESOURCE, now());
        for (name, value) in claims {
            all[*name] = value.clone();
        }
        self.okta.mint(header, &all, Signer::Current).await
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    i64::try_from(since.as_secs()).expect("before the end of time")
}

fn people(provisioning: &str) -> Value {
    json!({
        "type": "user", "identify_by": "email", "team_claim": "groups", "provisioning": provisioning,
        "email_domains": ["example.com"],
    })
}

fn by_subject() -> Value {
    json!({"type": "user", "identify_by": "subject", "provisioning": "jit"})
}

/// A team whose members are who the provider says, by its name.
async fn team(warder: &Warder, name: &str, provider: &str, value: &str) {
    let mapping = json!([{"identity_provider": provider, "value": value}]);
    let body = json!({"identity_provider_mapping": mapping});
    warder.api.put(&format!("/teams/{name}"), &body).await;
}

#[tokio::test]
async fn a_person_calls_with_a_token_of_their_identity_provider_and_acts_with_their_teams() {
    let scene = Scene::start(Settings::default(), people("jit")).await;
    team(&scene.warder, "engineers", "okta", "engineering").await;
    scene.serve("team:engineers").await;
    let alice = scene.okta.user_token("alice").await;
    scene.until(&alice.access_token, "200 result").await;
    let sent = scene.sink.take();
    let call = sent.last().expect("a request");
    assert_eq!(
        call.header("authorization"),
        Some("Bearer upstream-secret"),
        "not her own token"
    );

    // A colleague of another group is somebody, too, but not somebody who may use the server.
    let bob = scene.okta.user_token("bob").await;
    assert_eq!(
        summary(&scene.call(&bob.access_token).await),
        "404 NotFound"
    );
    let users = scene.warder.api.get("/users").await;
    let emails: Vec<_> = users["items"]
        .as_array()
        .expect("users")
        .iter()
        .map(|user| user["email"].clone())
        .collect();
    assert_eq!(
        emails,
        ["admin@example.com", "alice@example.com", "bob@example.com"]
    );
    // What the token says of groups counts, and it counts at once.
    scene
        .okta
        .set_user(
            "alice",
            &json!({"email": "alice@example.com", "email_verified": true, "groups": []}),
        )
        .await;
    let outside = scene.okta.user_token("alice").await;
    assert_eq!(
        summary(&scene.call(&outside.access_token).await),
        "404 NotFound"
    );
    assert_eq!(
        summary(&scene.call(&alice.access_token).await),
        "200 result"
    );

    // T4: what the provider made for the application alone is no access token.
    assert_eq!(
        summary(&scene.call(&alice.id_token).await),
        "401 Unauthorized"
    );

    until_true("the call is audited", PATIENCE, async || {
        let events = scene
            .warder
            .api
            .get("/audit-events?subject=user:alice@example.com&server=notes")
            .await;
        events["items"]
            .as_array()
            .expect("events")
            .iter()
            .any(|event| {
                event["detail"]["identity_provider"] == "okta" && event["outcome"] == "allowed"
            })
    })
    .await;
}

/// A virtual account that a value of a provider's claim stands for.
async fn account(warder: &Warder, name: &str, mapping: Value) {
    let body = json!({"identity_provider_mapping": mapping});
    warder
        .api
        .put(&format!("/virtual-accounts/{name}"), &body)
        .await;
}

#[tokio::test]
async fn a_service_calls_with_its_own_token_as_a_virtual_account() {
    let to = json!({"type": "virtual_account", "claim": "client_id"});
    let scene = Scene::start(Settings::default(), to).await;
    let mapping = json!([{"identity_provider": "okta", "value": "machine"}]);
    account(&scene.warder, "batch", json!([])).await;
    scene.serve("virtual-account:batch").await;
    let token = scene.okta.client_credentials("mcp:read", RESOURCE).await;
    let refused = scene.call(&token).await;
    assert_eq!(summary(&refused), "403 IdentityNotMapped");
    let body = &refused.body;
    assert!(
        body.contains("okta") && body.contains("client_id"),
        "{body}"
    );
    assert!(
        !body.contains(&token) && !body.contains("machine"),
        "{body}"
    );

    account(&scene.warder, "batch", mapping.clone()).await;
    scene.until(&token, "200 result").await;
    let unmapped = scene
        .mint(&json!({}), &[("client_id", json!("Machine"))])
        .await;
    let missing = scene
        .mint(&json!({}), &[("client_id", json!(["machine"]))])
        .await;
    for other in [unmapped, missing] {
        assert_eq!(summary(&scene.call(&other).await), "403 IdentityNotMapped");
    }
    // A value stands for one account.
    let body = json!({"identity_provider_mapping": mapping});
    let (status, _) = scene
        .warder
        .api
        .send(Method::PUT, "/virtual-accounts/other", Some(&body))
        .await;
    assert_eq!(status, 409);

    // T10: the mapping goes, and with it every open stream.
    let mut streams = scene.open_streams(&token).await;
    account(&scene.warder, "batch", json!([])).await;
    let since = Instant::now();
    join_all(streams.iter_mut().map(|stream| stream.end(SECOND))).await;
    scene.until(&token, "403 IdentityNotMapped").await;
    assert!(since.elapsed() < SECOND, "{:?}", since.elapsed());
}

#[tokio::test]
async fn t01_t02_t03_t04_t11_forged_tokens_are_refused_on_every_way_in() {
    let options = Options::default();
    let sink = Sink::builder().tool("echo").sessions();
    let scene = Scene::with(options, sink, Settings::default(), people("jit")).await;
    scene.serve("team:everyone").await;
    let good = scene.mint(&json!({}), &[]).await;
    scene.until(&good, "200 result").await;
    drop(scene.sink.take());
    let fetches = scene.okta.jwks_fetches().await;
    let elsewhere = Sink::builder().start().await;
    let forged = forgeries(scene.okta.issuer(), RESOURCE, now(), &elsewhere.url());
    assert!(forged.len() >= 60);
    let gateway = scene.gateway();
    let mut accepted = Vec::new();
    for forgery in &forged {
        let signed = scene
            .okta
            .mint_text(&forgery.header, &forgery.payload, forgery.signer)
            .await;
        let token = forgery.finish(&signed);
        let message = call_message(1, "echo", &json!({}));
        let answers = join_all([
            gateway.post("notes").token(&token).message(&message).send(),
            gateway.get("notes").token(&token).send(),
            gateway
                .request(Method::DELETE, "notes")
                .token(&token)
                .send(),
        ])
        .await;
        for answer in answers {
            // A key that nobody knows may be one that cannot be looked for at this moment.
            let kind = summary(&answer);
            if kind != "401 Unauthorized" && kind != "503 Overloaded" {
                accepted.push(format!("{}: {kind}", forgery.name));
            }
        }
        let (status, _) = scene
            .warder
            .api
            .with_token(&token)
            .send(Method::GET, "/me", None)
            .await;
        if status != 401 {
            accepted.push(format!("{} at the API: {status}", forgery.name));
        }
    }
    assert!(accepted.is_empty(), "{accepted:#?}");
    // T4: nor is a good one accepted by the API.
    let api = scene.warder.api.with_token(&good);
    assert_eq!(api.send(Method::GET, "/me", None).await.0, 401);
    assert!(scene.sink.take().is_empty(), "nothing was sent");
    assert!(
        elsewhere.requests().is_empty(),
        "nobody asked for keys elsewhere"
    );
    let fetched = scene.okta.jwks_fetches().await - fetches;
    assert!(fetched <= 2, "{fetched} fetches of keys");
    assert_eq!(summary(&scene.call(&good).await), "200 result");
}

#[tokio::test]
async fn t05_t06_nobody_becomes_somebody_else_by_what_a_provider_says() {
    let scene = Scene::start(Settings::default(), people("jit")).await;
    let corp = IdentityProvider::start(Settings::default()).await;
    // A second provider may not speak for the same domain.
    let body =
        json!({"issuer": corp.issuer(), "audiences": [RESOURCE], "resolve_to": people("jit")});
    let path = "/identity-providers/corp";
    let (status, problem) = scene.warder.api.send(Method::PUT, path, Some(&body)).await;
    assert_eq!(status, 409, "{problem}");
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|text| text.contains("okta")),
        "{problem}"
    );
    scene.provide("corp", &corp, by_subject()).await;

    scene.serve_to_alice().await;
    let alice = scene.okta.user_token("alice").await.access_token;
    scene.until(&alice, "200 result").await;
    // The same `sub` and the same verified address, said by another provider.
    let twin = corp.user_token("alice").await.access_token;
    assert_eq!(summary(&scene.call(&twin).await), "404 NotFound");

    // Bob's address becomes Alice's at his provider: he stays Bob.
    let bob = scene.okta.user_token("bob").await.access_token;
    assert_eq!(summary(&scene.call(&bob).await), "404 NotFound");
    let claims = json!({"email": "alice@example.com", "email_verified": true});
    scene.okta.set_user("bob", &claims).await;
    let bob = scene.okta.user_token("bob").await.access_token;
    assert_eq!(summary(&scene.call(&bob).await), "404 NotFound");

    // Somebody new with her address is nobody, and so is one whose address was not checked.
    for (subject, verified) in [
        ("eve", json!(true)),
        ("mallory", json!("true")),
        ("trudy", json!(false)),
    ] {
        let claims = [("sub", json!(subject)), ("email_verified", verified)];
        let token = scene.mint(&json!({}), &claims).await;
        assert_eq!(
            summary(&scene.call(&token).await),
            "403 IdentityNotMapped",
            "{subject}"
        );
    }
    let users = scene.warder.api.get("/users").await;
    assert_eq!(
        users["items"].as_array().map(Vec::len),
        Some(4),
        "{users:#}"
    );
}

#[tokio::test]
async fn t07_keys_are_replaced_under_load_without_a_call_refused() {
    let scene = Scene::start(Settings::default(), by_subject()).await;
    scene.serve("team:everyone").await;
    let token = scene.okta.user_token("alice").await.access_token;
    scene.until(&token, "200 result").await;
    let fetches = scene.okta.jwks_fetches().await;
    let over = AtomicBool::new(false);
    let gateways = scene.warder.gateways();
    let callers = (0..8).map(async |number: usize| {
        let mut answers: BTreeMap<String, usize> = BTreeMap::new();
        while !over.load(Ordering::Relaxed) {
            // A new token each time, signed with whatever key the provider has now.
            let token = scene.mint(&json!({}), &[]).await;
            let gateway = &gateways[number % gateways.len()];
            let answer = gateway.call("notes", &token, "echo", &json!({})).await;
            *answers.entry(summary(&answer)).or_default() += 1;
        }
        answers
    });
    let rotation = async {
        let calls = || scene.sink.requests().len();
        let more = async |count: usize| {
            let before = calls();
            until_true("calls go on", PATIENCE, async || calls() >= before + count).await;
        };
        more(20).await;
        scene.okta.rotate_keys(true).await;
        more(40).await;
        over.store(true, Ordering::Relaxed);
    };
    let (answers, ()) = tokio::join!(join_all(callers), rotation);
    let mut all: BTreeMap<String, usize> = BTreeMap::new();
    for (kind, count) in answers.into_iter().flatten() {
        *all.entry(kind).or_default() += count;
    }
    assert_eq!(all.keys().collect::<Vec<_>>(), ["200 result"], "{all:?}");
    let fetched = scene.okta.jwks_fetches().await - fetches;
    assert!((1..=2).contains(&fetched), "{fetched} fetches of keys");
    // A token of before is as good as it was.
    assert_eq!(summary(&scene.call(&token).await), "200 result");
}

#[tokio::test]
async fn t07_a_flood_of_unknown_keys_costs_the_provider_a_handful_of_requests() {
    // Ten thousand take the harness minutes to sign; what is bounded does not depend on how many come.
    const FLOOD: usize = 1000;
    let scene = Scene::start(Settings::default(), by_subject()).await;
    scene.serve("team:everyone").await;
    let token = scene.okta.user_token("alice").await.access_token;
    scene.until(&token, "200 result").await;
    let fetches = scene.okta.jwks_fetches().await;
    let gateways = scene.warder.gateways();
    let mut answers: BTreeMap<String, usize> = BTreeMap::new();
    let flood = futures_util::stream::iter(0..FLOOD).map(|number| {
        let (scene, gateway) = (&scene, &gateways[number % 2]);
        async move {
            let header = json!({"kid": format!("key-{number}")});
            let token = scene.mint(&header, &[]).await;
            let answer = gateway.call("notes", &token, "echo", &json!({})).await;
            if answer.status == 503 {
                assert!(answer.header("retry-after").is_some(), "{answer:?}");
            }
            summary(&answer)
        }
    });
    let mut flood = flood.buffer_unordered(16);
    while let Some(kind) = flood.next().await {
        *answers.entry(kind).or_default() += 1;
    }
    drop(flood);
    let others: Vec<_> = answers
        .keys()
        .filter(|kind| !["401 Unauthorized", "503 Overloaded"].contains(&kind.as_str()))
        .collect();
    assert!(others.is_empty(), "{answers:?}");
    let fetched = scene.okta.jwks_fetches().await - fetches;
    assert!(fetched <= 3, "{fetched} fetches of keys");
    // Those who come with a good token have not noticed.
    assert_eq!(summary(&scene.call(&token).await), "200 result");
}

#[tokio::test]
async fn t10_a_user_who_is_disabled_is_out_within_a_second() {
    let scene = Scene::start(Settings::default(), people("jit")).await;
    scene.serve("team:everyone").await;
    let token = scene.okta.user_token("alice").await.access_token;
    scene.until(&token, "200 result").await;
    let mut streams = scene.open_streams(&token).await;
    let body = json!({"status": "disabled"});
    scene
        .warder
        .api
        .patch("/users/alice@example.com", &body)
        .await;
    let since = Instant::now();
    join_all(streams.iter_mut().map(|stream| stream.end(SECOND))).await;
    scene.until(&token, "403 IdentityNotMapped").await;
    assert!(since.elapsed() < SECOND, "{:?}", since.elapsed());
    drop(scene.sink.take());

    let body = json!({"status": "active"});
    scene
        .warder
        .api
        .patch("/users/alice@example.com", &body)
        .await;
    scene.until(&token, "200 result").await;
    // The provider itself goes: who it spoke for is there, but its tokens open nothing.
    scene.warder.api.delete("/identity-providers/okta").await;
    scene.until(&token, "401 Unauthorized").await;
}

#[tokio::test]
async fn t08_without_the_control_plane_nobody_new_comes_in_and_nobody_becomes_anonymous() {
    let mut scene = Scene::start(Settings::default(), people("jit")).await;
    scene.serve("team:everyone").await;
    let alice = scene.okta.user_token("alice").await.access_token;
    scene.until(&alice, "200 result").await;
    let bob = scene.okta.user_token("bob").await.access_token;
    scene.warder.control_plane.kill();
    drop(scene.sink.take());
    // Those who are known go on; a stranger, and a key that may be new, cannot be looked up.
    let unknown = scene.mint(&json!({"kid": "unheard-of"}), &[]).await;
    for token in [&bob, &unknown] {
        assert_eq!(summary(&scene.call(token).await), "503 Overloaded");
    }
    let forged = scene
        .okta
        .mint(
            &json!({}),
            &good_claims(scene.okta.issuer(), RESOURCE, now()),
            Signer::Unknown,
        )
        .await;
    assert_ne!(scene.call(&forged).await.status, 200);
    assert!(scene.sink.take().is_empty(), "nothing was sent");
    assert_eq!(
        summary(&scene.call(&alice).await),
        "200 result",
        "from what the pod remembers"
    );
}
