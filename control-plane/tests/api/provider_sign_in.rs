//! Signing in at an identity provider. The provider here is a double: it answers what no real one can be made to.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_lc_rs::{
    digest,
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use axum::{
    Json, Router,
    extract::State,
    response::IntoResponse,
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use warder_control_plane::{
    domain::identity_provider::ProviderKeys,
    store::{identity_provider_keys, identity_providers},
};
use warder_shared::serve::{self, Drain};

use crate::{
    browser::{Browser, Page},
    support::Scene,
};

const CALLBACK: &str = "/login/okta/callback";
const SESSION: &str = "__Host-warder-session";

/// A double of an identity provider.
struct Provider {
    issuer: String,
    double: Arc<Double>,
    drain: Drain,
}

struct Double {
    key: Ed25519KeyPair,
    /// Claims of the next ID token.
    claims: Mutex<Value>,
    /// What came to the token endpoint: its credentials and its form.
    exchanges: Mutex<Vec<(String, String)>>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.drain.started.cancel();
    }
}

impl Provider {
    /// A running one, through which people of example.org sign in.
    async fn start(scene: &Scene) -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let double = Arc::new(Double {
            key: Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap(),
            claims: Mutex::default(),
            exchanges: Mutex::default(),
        });
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .await
            .unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let (metadata, jwks) = (metadata(&issuer), double.jwks());
        let (served, keys) = (metadata.clone(), jwks.clone());
        let router = Router::new()
            .route(
                "/.well-known/openid-configuration",
                get(async move || Json(served.clone())),
            )
            .route("/jwks", get(async move || Json(keys.clone())))
            .route("/token", post(token))
            .with_state(Arc::clone(&double));
        let drain = Drain::new(Duration::ZERO);
        let stop = drain.clone();
        tokio::spawn(async move { serve::serve_router(listener, router, &stop).await });
        let body = json!({
            "issuer": issuer, "audiences": ["gateway"], "display_name": "Okta & Söhne",
            "resolve_to": {
                "type": "user", "identify_by": "email", "email_domains": ["example.org"], "provisioning": "jit",
            },
            "login": {"enabled": true, "client_id": "warder", "client_secret": "sk-canary-client-secret"},
        });
        scene
            .put(&scene.ada, "/identity-providers/okta", body)
            .await
            .expect(201);
        let provider = Self {
            issuer,
            double,
            drain,
        };
        provider.publish(scene, metadata, jwks).await;
        provider
    }

    /// Lets the control plane know of it, as if it had asked.
    async fn publish(&self, scene: &Scene, metadata: Value, jwks: Value) {
        let name = "okta".parse().unwrap();
        let stored = identity_providers::find_by_name(&scene.store, &name)
            .await
            .unwrap()
            .unwrap();
        let now = scene.now();
        let keys = ProviderKeys {
            provider: stored.id,
            metadata: Some(serde_json::from_value(metadata).unwrap()),
            jwks_uri: None,
            jwks: Some(jwks),
            fetched_at: Some(now),
            checked_at: Some(now),
            error: None,
        };
        let mut tx = scene.store.begin().await.unwrap();
        identity_provider_keys::put(&mut tx, &keys, now + TimeDelta::days(1))
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    /// Sends a browser away, and lets the next ID token be about this person. The parameters with which it is
    /// sent.
    async fn begin(&self, scene: &Scene, browser: &Browser<'_>, person: Value) -> Sent {
        self.begin_at(scene, browser, "/login/okta", person).await
    }

    async fn begin_at(
        &self,
        scene: &Scene,
        browser: &Browser<'_>,
        path: &str,
        person: Value,
    ) -> Sent {
        let page = browser.get(path).await.expect(303);
        let url = url::Url::parse(page.location().unwrap()).unwrap();
        assert_eq!(
            url.as_str().split('?').next(),
            Some(&*format!("{}/authorize", self.issuer))
        );
        let parameter = |name: &str| {
            let value = url.query_pairs().find(|(known, _)| known == name);
            value
                .unwrap_or_else(|| panic!("{name} in {url}"))
                .1
                .into_owned()
        };
        assert_eq!(parameter("response_type"), "code");
        assert_eq!(parameter("client_id"), "warder");
        assert_eq!(parameter("scope"), "openid email profile");
        assert_eq!(
            parameter("redirect_uri"),
            format!("https://warder.example.com{CALLBACK}")
        );
        assert_eq!(parameter("code_challenge_method"), "S256");
        let mut claims = json!({
            "iss": self.issuer, "aud": "warder", "sub": "s-1", "nonce": parameter("nonce"),
            "iat": scene.now().timestamp(), "exp": scene.now().timestamp() + 300,
            "email": "gil@example.org", "email_verified": true,
        });
        claims
            .as_object_mut()
            .unwrap()
            .extend(person.as_object().unwrap().clone());
        *self.double.claims.lock().unwrap() = claims;
        Sent {
            state: parameter("state"),
            challenge: parameter("code_challenge"),
            iss: url::form_urlencoded::byte_serialize(self.issuer.as_bytes()).collect(),
        }
    }

    fn exchanges(&self) -> Vec<(String, String)> {
        self.double.exchanges.lock().unwrap().clone()
    }
}

/// With what a browser was sent away.
struct Sent {
    state: String,
    challenge: String,
    iss: String,
}

impl Sent {
    fn back(&self) -> String {
        format!(
            "{CALLBACK}?code=code-1&state={}&iss={}",
            self.state, self.iss
        )
    }
}

impl Double {
    fn jwks(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.key.public_key().as_ref());
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k1", "alg": "EdDSA", "use": "sig", "x": x}]})
    }

    fn id_token(&self) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let claims = self.claims.lock().unwrap().clone();
        let input = format!(
            "{}.{}",
            part(&json!({"alg": "EdDSA", "kid": "k1"})),
            part(&claims)
        );
        let signature = self.key.sign(input.as_bytes());
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

fn metadata(issuer: &str) -> Value {
    json!({
        "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/jwks"),
        "authorization_response_iss_parameter_supported": true,
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
    })
}

async fn token(
    State(double): State<Arc<Double>>,
    headers: HeaderMap,
    form: String,
) -> impl IntoResponse {
    let credentials = headers["authorization"].to_str().unwrap().to_owned();
    double.exchanges.lock().unwrap().push((credentials, form));
    let body = json!({"access_token": "canary-access", "token_type": "Bearer", "id_token": double.id_token()});
    (StatusCode::OK, Json(body))
}

/// Whether nobody is signed in, and the page says so without a word of the provider's.
#[track_caller]
fn refused(browser: &Browser<'_>, page: Page) {
    let page = page.expect(403);
    assert_eq!(browser.cookie(SESSION), None);
    assert!(page.text.contains("<h1>"), "{}", page.text);
    for word in ["canary", "code-1", "gil@"] {
        assert!(!page.text.contains(word), "{word}: {}", page.text);
    }
}

#[tokio::test]
async fn somebody_signs_in_at_their_identity_provider() {
    let scene = Scene::with_loopback().await;
    let provider = Provider::start(&scene).await;
    let browser = Browser::new(&scene);
    let login = browser.get("/tokens").await.expect(303);
    let page = browser.get(login.location().unwrap()).await.expect(200);
    assert!(
        page.text.contains("Sign in with Okta &#38; Söhne"),
        "{}",
        page.text
    );
    let path = page.after("full\" href=\"", '"').unwrap().to_owned();
    assert!(path.starts_with("/login/okta?continue="), "{path}");
    let sent = provider
        .begin_at(&scene, &browser, &path, json!({"name": "Gil"}))
        .await;
    browser.get(&sent.back()).await.leads_to("/tokens");
    let home = browser.get("/").await.expect(200);
    assert!(
        home.text.contains("Welcome, Gil") && home.text.contains("gil@example.org"),
        "{}",
        home.text
    );
    assert!(
        browser
            .get("/account")
            .await
            .text
            .contains("identity-provider:okta")
    );

    let exchanges = provider.exchanges();
    let [(credentials, form)] = exchanges.as_slice() else {
        panic!("{exchanges:?}");
    };
    assert!(credentials.starts_with("Basic "));
    let form: Vec<(String, String)> = url::form_urlencoded::parse(form.as_bytes())
        .into_owned()
        .collect();
    let field = |name: &str| {
        form.iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.clone())
            .unwrap()
    };
    assert_eq!(
        field("redirect_uri"),
        format!("https://warder.example.com{CALLBACK}")
    );
    let challenge = digest::digest(&digest::SHA256, field("code_verifier").as_bytes());
    assert_eq!(URL_SAFE_NO_PAD.encode(challenge), sent.challenge);

    // The same person again is the same user, whatever the provider says of the address by then.
    let again = Browser::new(&scene);
    let sent = provider
        .begin(&scene, &again, json!({"email": "ada@example.com"}))
        .await;
    again.get(&sent.back()).await.leads_to("/");
    assert!(again.get("/").await.text.contains("gil@example.org"));
    let users = scene.get(&scene.ada, "/users").await.expect(200);
    assert_eq!(users.each("email"), ["ada@example.com", "gil@example.org"]);
    // Disabled, they are out at once, and do not come back.
    scene
        .patch(
            &scene.ada,
            "/users/gil@example.org",
            json!({"status": "disabled"}),
        )
        .await
        .expect(200);
    browser.get("/").await.leads_to("/login");
    let other = Browser::new(&scene);
    let sent = provider.begin(&scene, &other, json!({})).await;
    let page = other.get(&sent.back()).await;
    assert!(page.text.contains("disabled"));
    assert_eq!(other.cookie(SESSION), None);
}

#[tokio::test]
async fn t49_a_state_is_for_one_answer_in_one_browser() {
    let scene = Scene::with_loopback().await;
    let provider = Provider::start(&scene).await;
    let browser = Browser::new(&scene);
    let sent = provider.begin(&scene, &browser, json!({})).await;
    // In another browser: and then it is gone for the right one, too.
    let other = Browser::new(&scene);
    other.get("/login").await.expect(200);
    refused(&other, other.get(&sent.back()).await);
    refused(&browser, browser.get(&sent.back()).await);
    // With an error, of which nothing is shown.
    let sent = provider.begin(&scene, &browser, json!({})).await;
    let back = format!(
        "{CALLBACK}?state={}&error=canary-error&error_description=%3Cb%3Ecanary&iss={}",
        sent.state, sent.iss
    );
    refused(&browser, browser.get(&back).await);
    refused(&browser, browser.get(&sent.back()).await);
    // At another provider's place.
    let sent = provider.begin(&scene, &browser, json!({})).await;
    refused(
        &browser,
        browser.get(&sent.back().replace("okta", "other")).await,
    );
    refused(&browser, browser.get(&sent.back()).await);
    // Too late.
    let sent = provider.begin(&scene, &browser, json!({})).await;
    scene.pass(TimeDelta::minutes(10));
    refused(&browser, browser.get(&sent.back()).await);
    for guess in ["", "x", &"A".repeat(43), "%00", "//evil.example"] {
        refused(
            &browser,
            browser
                .get(&format!("{CALLBACK}?code=code-1&state={guess}"))
                .await,
        );
    }
    assert_eq!(provider.exchanges(), [], "no code was sent anywhere");
    browser.get("/login/nobody").await.expect(404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t49_fifty_answers_at_once_are_one_exchange() {
    let scene = Scene::with_loopback().await;
    let provider = Provider::start(&scene).await;
    let browser = Browser::new(&scene);
    let sent = provider.begin(&scene, &browser, json!({})).await;
    let back = sent.back();
    let pages = futures_util::future::join_all((0..50).map(|_| browser.get(&back))).await;
    let entered = pages
        .iter()
        .filter(|page| page.location() == Some("/"))
        .count();
    let refused = pages.iter().filter(|page| page.status == 403).count();
    assert_eq!((entered, refused, provider.exchanges().len()), (1, 49, 1));
}

#[tokio::test]
async fn t45_the_answer_is_from_the_provider_that_was_asked() {
    let scene = Scene::with_loopback().await;
    let provider = Provider::start(&scene).await;
    let browser = Browser::new(&scene);
    for iss in ["", "&iss=", "&iss=https%3A%2F%2Fevil.example"] {
        let sent = provider.begin(&scene, &browser, json!({})).await;
        let back = format!("{CALLBACK}?code=code-1&state={}{iss}", sent.state);
        refused(&browser, browser.get(&back).await);
    }
    assert_eq!(
        provider.exchanges(),
        [],
        "the code of another provider is sent to none"
    );
}

#[tokio::test]
async fn t05_an_id_token_is_for_this_sign_in_and_about_somebody_who_is_welcome() {
    let scene = Scene::with_loopback().await;
    let provider = Provider::start(&scene).await;
    let browser = Browser::new(&scene);
    for claims in [
        json!({"nonce": "another"}),
        json!({"nonce": null}),
        json!({"aud": "another"}),
        json!({"aud": ["warder", "another"]}),
        json!({"aud": ["warder", "another"], "azp": "another"}),
        json!({"iss": "https://evil.example"}),
        json!({"exp": 1}),
        json!({"sub": ""}),
        json!({"sub": 7}),
        json!({"email_verified": "true"}),
        json!({"email_verified": false}),
        json!({"email": "ada@example.com"}),
        json!({"email": "gil@example.org.evil.example"}),
        json!({"email": null}),
    ] {
        let sent = provider.begin(&scene, &browser, claims.clone()).await;
        let page = browser.get(&sent.back()).await;
        assert_eq!(page.status, 403, "{claims}: {}", page.text);
        refused(&browser, page);
    }
    let users = scene.get(&scene.ada, "/users").await.expect(200);
    assert_eq!(users.each("email"), ["ada@example.com"], "nobody was added");
}

#[tokio::test]
async fn t56_nothing_of_a_sign_in_is_readable_in_the_database() {
    let scene = Scene::with_loopback().await;
    let provider = Provider::start(&scene).await;
    let browser = Browser::new(&scene);
    let sent = provider.begin(&scene, &browser, json!({})).await;
    let nonce = provider.double.claims.lock().unwrap()["nonce"]
        .as_str()
        .unwrap()
        .to_owned();
    let finds = |text: &str| {
        let files = scene.database_files();
        files
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    for secret in [&sent.state, &nonce, "sk-canary-client-secret"] {
        assert!(!finds(secret), "{secret}");
    }
    browser.get(&sent.back()).await.leads_to("/");
    let (_, form) = provider.exchanges().remove(0);
    let verifier = form.split("code_verifier=").nth(1).unwrap().to_owned();
    for secret in [
        &*verifier,
        "code-1",
        "canary-access",
        &browser.cookie(SESSION).unwrap(),
    ] {
        assert!(!finds(secret), "{secret}");
    }
    assert!(finds("gil@example.org"), "the search finds what is there");
}
