//! A real identity provider: the certified `oidc-provider`, with users, clients and faults of the test's choice.

use std::fs;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::files::tests_folder;
use crate::gateway::{Answer, Gateway};
use crate::ports::Port;
use crate::process::Process;

/// The client that takes tokens for itself.
const MACHINE: (&str, &str) = ("machine", "machine-secret");
/// The client that takes tokens for users, as an application in front of the gateway does.
const APPLICATION: (&str, &str) = ("application", "application-secret");

/// Who is known to a provider, and how it behaves. `Settings::default()` knows alice and bob of `example.com`.
#[derive(Debug, Clone)]
pub struct Settings(Value);

impl Default for Settings {
    fn default() -> Self {
        let machine = json!({
            "client_id": MACHINE.0, "client_secret": MACHINE.1, "grant_types": ["client_credentials"],
            "redirect_uris": [], "response_types": [], "scope": "mcp:read mcp:tools",
        });
        let application = web_client(APPLICATION.0, APPLICATION.1, &["http://127.0.0.1/callback"]);
        Self(json!({"users": {}, "clients": [machine, application], "default_resource": RESOURCE}))
            .user("alice", &json!({"email": "alice@example.com", "email_verified": true, "name": "Alice", "groups": ["engineering"]}))
            .user("bob", &json!({"email": "bob@example.com", "email_verified": true, "name": "Bob", "groups": ["marketing"]}))
    }
}

/// What tokens are for when nobody asks for another resource.
pub const RESOURCE: &str = "https://warder.example.com";

impl Settings {
    /// Adds a user, or replaces one. The name is the `sub`; `claims` come in ID tokens and access tokens.
    #[must_use]
    pub fn user(mut self, name: &str, claims: &Value) -> Self {
        self.0["users"][name] = claims.clone();
        self
    }

    /// Adds a client with a secret that signs people in.
    #[must_use]
    pub fn web_client(self, id: &str, secret: &str, redirect_uris: &[&str]) -> Self {
        self.client(web_client(id, secret, redirect_uris))
    }

    /// Adds a client as `oidc-provider` describes it; its member `claims` goes into its access tokens.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn client(mut self, client: Value) -> Self {
        self.0["clients"]
            .as_array_mut()
            .expect("clients are a list")
            .push(client);
        self
    }

    /// Signs with these algorithms; the first one unless a test mints with another. Default RS256.
    #[must_use]
    pub fn algorithms(self, algorithms: &[&str]) -> Self {
        self.set("algorithms", json!(algorithms))
    }

    /// Shows pages for signing in and for consent instead of doing both at once.
    #[must_use]
    pub fn interactive(self) -> Self {
        self.set("interactive", json!(true))
    }

    /// Is known as `localhost`: for a browser, another site than `127.0.0.1`.
    #[must_use]
    pub fn on_localhost(self) -> Self {
        self.set("host", json!("localhost"))
    }

    /// How long access tokens live. Default 300 s.
    #[must_use]
    pub fn access_token_seconds(self, seconds: u32) -> Self {
        self.set("access_token_seconds", json!(seconds))
    }

    fn set(mut self, name: &str, value: Value) -> Self {
        self.0[name] = value;
        self
    }
}

/// A running identity provider on a fixed port. Ends when dropped.
#[derive(Debug)]
pub struct IdentityProvider {
    issuer: Gateway,
    control: Gateway,
    // Killed before its folder goes.
    _process: Process,
    _folder: TempDir,
    _port: Port,
}

/// What the token endpoint gave to an application for its user.
#[derive(Debug, Clone)]
pub struct UserTokens {
    /// For the resource.
    pub access_token: String,
    /// For the application alone.
    pub id_token: String,
}

/// Which key signs a minted token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// The one that the provider signs with.
    Current,
    /// One that was never published.
    Unknown,
}

impl IdentityProvider {
    /// Starts `node/servers/identity_provider.mjs` and waits until it listens.
    ///
    /// # Panics
    /// When it does not come to listen.
    pub async fn start(settings: Settings) -> Self {
        let port = Port::reserve();
        let folder = TempDir::new().expect("the temporary folder is writable");
        let config = folder.path().join("config.json");
        fs::write(&config, settings.0.to_string()).expect("the temporary folder is writable");
        let mut command = Command::new("node");
        command
            .arg("--no-warnings")
            .arg(tests_folder().join("node/servers/identity_provider.mjs"))
            .args(["--port", &port.address().port().to_string(), "--config"])
            .arg(&config);
        let (process, addresses) =
            Process::spawn_listening("identity provider", command, folder.path()).await;
        let origin = |name: &str| Gateway::new(addresses[name].as_str().expect("two addresses"));
        Self {
            issuer: origin("url"),
            control: origin("control"),
            _process: process,
            _folder: folder,
            _port: port,
        }
    }

    /// The issuer, and the origin of everything.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.issuer.origin()
    }

    /// The provider over plain HTTP.
    #[must_use]
    pub fn origin(&self) -> &Gateway {
        &self.issuer
    }

    /// A token that the client `machine` takes for itself.
    ///
    /// # Panics
    /// When it gets none.
    pub async fn client_credentials(&self, scope: &str, resource: &str) -> String {
        self.client_credentials_of(MACHINE, scope, resource).await
    }

    /// A token that a client (id and secret) takes for itself.
    ///
    /// # Panics
    /// When it gets none.
    pub async fn client_credentials_of(
        &self,
        client: (&str, &str),
        scope: &str,
        resource: &str,
    ) -> String {
        // A scope and a URL hold nothing else that a form would have to escape.
        let escape = |text: &str| {
            text.replace(':', "%3A")
                .replace('/', "%2F")
                .replace(' ', "+")
        };
        let body = format!(
            "grant_type=client_credentials&scope={}&resource={}",
            escape(scope),
            escape(resource)
        );
        let basic = STANDARD.encode(format!("{}:{}", client.0, client.1));
        let answer = self
            .issuer
            .request_path(Method::POST, "/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("authorization", &format!("Basic {basic}"))
            .body(body)
            .send()
            .await;
        token(&answer.json(), "access_token", &answer)
    }

    /// The tokens that the client `application` gets for a user, for [`RESOURCE`]: through the code flow, without a page.
    ///
    /// # Panics
    /// When it gets none.
    pub async fn user_token(&self, user: &str) -> UserTokens {
        self.user_token_for(user, RESOURCE).await
    }

    /// The same for another resource.
    ///
    /// # Panics
    /// When it gets none.
    pub async fn user_token_for(&self, user: &str, resource: &str) -> UserTokens {
        let wanted = json!({"user": user, "client": APPLICATION.0, "resource": resource});
        let answer = self.ask("/user-token", &wanted).await;
        let tokens = answer.json();
        UserTokens {
            access_token: token(&tokens, "access_token", &answer),
            id_token: token(&tokens, "id_token", &answer),
        }
    }

    /// A token with exactly these claims. `header` replaces members of the header, whatever the signature is.
    ///
    /// # Panics
    /// When the provider has no such key.
    pub async fn mint(&self, header: &Value, claims: &Value, signer: Signer) -> String {
        self.mint_text(header, &claims.to_string(), signer).await
    }

    /// The same with a payload as it stands, for what no JSON library would write.
    ///
    /// # Panics
    /// When the provider has no such key.
    pub async fn mint_text(&self, header: &Value, payload: &str, signer: Signer) -> String {
        let key = match signer {
            Signer::Current => "current",
            Signer::Unknown => "unknown",
        };
        let wanted = json!({"header": header, "payload": payload, "key": key});
        let answer = self.ask("/mint", &wanted).await;
        token(&answer.json(), "token", &answer)
    }

    /// Signs with new keys from now on. The old ones stay published if asked, as a careful provider does it.
    pub async fn rotate_keys(&self, keep_old: bool) {
        self.ask("/rotate", &json!({"keep_old": keep_old})).await;
    }

    /// Replaces the claims of a user, in tokens issued from now on.
    pub async fn set_user(&self, name: &str, claims: &Value) {
        self.ask("/user", &json!({"name": name, "claims": claims}))
            .await;
    }

    /// Answers every request for `path` with this status and body, after this many milliseconds.
    pub async fn answer(&self, path: &str, status: u16, body: &Value, delay_ms: u32) {
        let wanted = json!({"path": path, "status": status, "body": body, "delay_ms": delay_ms});
        self.ask("/answer", &wanted).await;
    }

    /// Answers requests for `path` as before.
    pub async fn answer_normally(&self, path: &str) {
        self.ask("/answer", &json!({"path": path})).await;
    }

    /// How often its keys were fetched.
    pub async fn jwks_fetches(&self) -> u64 {
        self.requests("/jwks").await
    }

    /// How often this path was asked for.
    pub async fn requests(&self, path: &str) -> u64 {
        let counts = self.ask("/counts", &json!({})).await.json();
        counts[path].as_u64().unwrap_or(0)
    }

    async fn ask(&self, path: &str, body: &Value) -> Answer {
        let answer = self
            .control
            .request_path(Method::POST, path)
            .message(body)
            .send()
            .await;
        assert_eq!(answer.status, 200, "{path} {body}: {answer:?}");
        answer
    }
}

fn web_client(id: &str, secret: &str, redirect_uris: &[&str]) -> Value {
    // Native, since a web client may not return to http.
    json!({
        "client_id": id, "client_secret": secret, "application_type": "native", "redirect_uris": redirect_uris,
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
    })
}

fn token(tokens: &Value, name: &str, answer: &Answer) -> String {
    tokens[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name}: {answer:?}"))
        .to_owned()
}
