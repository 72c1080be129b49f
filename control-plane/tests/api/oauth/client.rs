//! An OAuth client, and the browser that it sends.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{
    browser::{Browser, Page},
    support::{Answer, Scene},
};

pub(crate) const GATEWAY: &str = "https://gateway.example.com";
pub(crate) const DEMO: &str = "https://gateway.example.com/mcp/demo/server";
pub(crate) const REDIRECT: &str = "http://127.0.0.1:49152/callback";
pub(crate) const VERIFIER: &str = "a-verifier-that-is-long-enough-for-rfc-7636-000";
pub(crate) const ADA: &str = "ada@example.com";

/// A client that registered.
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) secret: Option<String>,
    pub(crate) redirect_uri: String,
}

/// A control plane with a server that Ada may use, and a client.
pub(crate) async fn scene() -> (Scene, Client) {
    let scene = Scene::new().await;
    for name in ["demo", "other"] {
        let rule = json!([{"subject": "user:ada@example.com", "role": "mcp-server-user"}]);
        scene
            .server(
                name,
                json!({"display_name": format!("The {name}"), "collaborators": rule}),
            )
            .await;
    }
    let client = Client::register(&scene, json!({})).await;
    (scene, client)
}

impl Client {
    /// Registers with a loopback redirect URI and these members more.
    pub(crate) async fn register(scene: &Scene, more: Value) -> Self {
        let mut body =
            json!({"client_name": "Editor", "redirect_uris": ["http://127.0.0.1/callback"]});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let answer = scene
            .call("POST", "/oauth/register")
            .json(&body)
            .send()
            .await
            .expect(201);
        Self {
            id: answer.text("/client_id"),
            secret: answer.body["client_secret"].as_str().map(str::to_owned),
            redirect_uri: REDIRECT.to_owned(),
        }
    }

    /// The parameters of a good authorization request for the server `demo`.
    pub(crate) fn request(&self) -> Vec<(String, String)> {
        let challenge = challenge(VERIFIER);
        [
            ("response_type", "code"),
            ("client_id", &self.id),
            ("redirect_uri", &self.redirect_uri),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("state", "st&te"),
            ("scope", "mcp:read mcp:tools"),
            ("resource", DEMO),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// The path of that request, with these parameters replaced, added, or, without a value, left out.
    pub(crate) fn path(&self, changes: &[(&str, Option<&str>)]) -> String {
        let mut parameters = self.request();
        for (name, value) in changes {
            parameters.retain(|(other, _)| other != name);
            parameters.extend(value.map(|value| ((*name).to_owned(), value.to_owned())));
        }
        path(&parameters)
    }

    /// A code for that request, to which a person agrees.
    pub(crate) async fn code(
        &self,
        browser: &Browser<'_>,
        changes: &[(&str, Option<&str>)],
    ) -> String {
        let path = self.path(changes);
        let page = browser.get(&path).await.expect(200);
        let answer = browser
            .submit(&page, &path, &[("decision", "approve")])
            .await;
        let answered = answered(&answer);
        assert!(answered.at.starts_with("http://127.0.0.1:") || answered.at == self.redirect_uri);
        answered
            .get("code")
            .unwrap_or_else(|| panic!("no code: {:?}", answer.location()))
            .to_owned()
    }

    /// Sends a form to an endpoint, with this client's id and secret.
    pub(crate) async fn post(&self, scene: &Scene, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut all = vec![("client_id", self.id.as_str())];
        all.extend(
            self.secret
                .as_deref()
                .map(|secret| ("client_secret", secret)),
        );
        all.extend(fields);
        post(scene, path, &all).await
    }

    /// Redeems a code.
    pub(crate) async fn redeem(&self, scene: &Scene, code: &str) -> Answer {
        self.redeem_with(scene, code, &[]).await
    }

    /// Redeems a code with these parameters replaced, added, or left out.
    pub(crate) async fn redeem_with(
        &self,
        scene: &Scene,
        code: &str,
        changes: &[(&str, Option<&str>)],
    ) -> Answer {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", VERIFIER),
            ("resource", DEMO),
        ];
        for (name, value) in changes {
            fields.retain(|(other, _)| other != name);
            fields.extend(value.map(|value| (*name, value)));
        }
        self.post(scene, "/oauth/token", &fields).await
    }

    /// Tokens for the server `demo`, in Ada's name.
    pub(crate) async fn tokens(&self, scene: &Scene) -> Value {
        let browser = Browser::signed_in(scene, ADA).await;
        let code = self.code(&browser, &[]).await;
        self.redeem(scene, &code).await.expect(200).body
    }

    /// Uses a refresh token.
    pub(crate) async fn refresh(&self, scene: &Scene, token: &str) -> Answer {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.post(scene, "/oauth/token", &fields).await
    }
}

pub(crate) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
}

pub(crate) fn path(parameters: &[(String, String)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    format!(
        "/oauth/authorize?{}",
        query.extend_pairs(parameters).finish()
    )
}

pub(crate) async fn post(scene: &Scene, path: &str, fields: &[(&str, &str)]) -> Answer {
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    let body = body.extend_pairs(fields).finish();
    let call = scene.call("POST", path).raw(body);
    let answer = call
        .header("content-type", "application/x-www-form-urlencoded")
        .send()
        .await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    answer
}

/// Where the browser was sent, and with what.
pub(crate) struct Answered {
    pub(crate) at: String,
    parameters: Vec<(String, String)>,
}

impl Answered {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.parameters.iter().filter(|(other, _)| other == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} is there once");
        value
    }
}

/// The answer to a client, which says who gives it and repeats the state (T45).
#[track_caller]
pub(crate) fn answered(page: &Page) -> Answered {
    assert_eq!(page.status, 303, "{}", page.text);
    let location = page.location().expect("a location");
    let (at, query) = location.split_once('?').expect("a query");
    let answered = Answered {
        at: at.to_owned(),
        parameters: url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect(),
    };
    assert_eq!(answered.get("iss"), Some("https://warder.example.com"));
    assert_eq!(page.headers["referrer-policy"], "no-referrer");
    answered
}

/// What an access token says.
pub(crate) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("a payload");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// Whether a pod admits the holder of an access token to a server, by the code and the state that pods have.
pub(crate) async fn is_admitted(scene: &Scene, token: &str, server: &str) -> bool {
    use warder_control_plane::service::feed::{Feed, FeedMetrics};
    let feed = Feed::open(
        scene.store.clone(),
        scene.keys.clone(),
        FeedMetrics::default(),
    )
    .await
    .unwrap();
    let snapshot = feed.snapshot();
    let verified = snapshot.verify(token, server, scene.now());
    verified.is_ok_and(|verified| snapshot.admit(&verified.proof).is_ok())
}
