//! A control plane for each test, and callers of it.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Body};
use chrono::{DateTime, Duration, Utc};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;
use warder_control_plane::{
    accept::TrustedProxies,
    authorize, router,
    service::{
        Services, bootstrap,
        keys::{KeySettings, Keys},
    },
    store::Store,
    vault::{RootKey, Vault},
};
use warder_shared::{clock::Clock, egress::EgressRules};

/// When every test begins.
const START: i64 = 1_900_000_000;

/// A control plane of a test's own, with the administrator Ada.
pub(crate) struct Scene {
    pub(crate) router: Router,
    pub(crate) services: Services,
    pub(crate) keys: Keys,
    pub(crate) store: Store,
    /// The administrator's token.
    pub(crate) ada: String,
    time: Arc<Mutex<DateTime<Utc>>>,
    folder: TempDir,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// A request in the making.
pub(crate) struct Call<'s> {
    scene: &'s Scene,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Body,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with_egress(EgressRules::default()).await
    }

    /// A scene that may dial this machine.
    pub(crate) async fn with_loopback() -> Self {
        Self::with_egress(EgressRules::new(["127.0.0.0/8".parse().unwrap()])).await
    }

    async fn with_egress(egress: EgressRules) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let time = Arc::new(Mutex::new(DateTime::from_timestamp(START, 0).unwrap()));
        let source = Arc::clone(&time);
        let clock = Clock::from_fn(move || *source.lock().unwrap());
        let url = format!("sqlite:{}", folder.path().join("warder.db").display());
        let store = Store::connect(&url, clock).await.unwrap();
        store.migrate().await.unwrap();
        let root_key = RootKey::parse(&RootKey::generate().unwrap()).unwrap();
        let vault = Vault::open(store.clone(), root_key).await.unwrap();
        let settings = KeySettings {
            issuer: "https://warder.example.com".into(),
            audience: "https://gateway.example.com".into(),
            rotation: Duration::days(3650),
        };
        let keys = Keys::open(store.clone(), vault.clone(), settings)
            .await
            .unwrap();
        let services = Services::new(store.clone(), vault, keys.clone(), egress);
        let ada = bootstrap::first_administrator(
            &services,
            &authorize::operator(),
            "ada@example.com".parse().unwrap(),
            "Ada".into(),
            None,
        )
        .await
        .unwrap();
        *time.lock().unwrap() += Duration::milliseconds(1);
        let ada = ada.token.expose_secret().to_owned();
        let router = router::build(services.clone(), TrustedProxies::default());
        Self {
            router,
            services,
            keys,
            store,
            ada,
            time,
            folder,
        }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        *self.time.lock().unwrap()
    }

    pub(crate) fn pass(&self, duration: Duration) {
        *self.time.lock().unwrap() += duration;
    }

    /// Everything that the database consists of on disk.
    pub(crate) fn database_files(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            bytes.extend(std::fs::read(entry.unwrap().path()).unwrap());
        }
        bytes
    }

    pub(crate) fn call(&self, method: &str, path: &str) -> Call<'_> {
        Call {
            scene: self,
            method: method.parse().unwrap(),
            path: path.into(),
            headers: HeaderMap::new(),
            body: Body::empty(),
        }
    }

    pub(crate) async fn get(&self, token: &str, path: &str) -> Answer {
        self.call("GET", path).bearer(token).send().await
    }

    pub(crate) async fn put(&self, token: &str, path: &str, body: Value) -> Answer {
        self.call("PUT", path)
            .bearer(token)
            .json(&body)
            .send()
            .await
    }

    pub(crate) async fn post(&self, token: &str, path: &str, body: Value) -> Answer {
        self.call("POST", path)
            .bearer(token)
            .json(&body)
            .send()
            .await
    }

    pub(crate) async fn patch(&self, token: &str, path: &str, body: Value) -> Answer {
        self.call("PATCH", path)
            .bearer(token)
            .json(&body)
            .send()
            .await
    }

    pub(crate) async fn delete(&self, token: &str, path: &str) -> Answer {
        self.call("DELETE", path).bearer(token).send().await
    }

    /// A member with a token of their own.
    pub(crate) async fn member(&self, name: &str) -> String {
        let email = format!("{name}@example.com");
        self.post(&self.ada, "/users", json!({ "email": email }))
            .await
            .expect(201);
        self.token_of(&email).await
    }

    /// A token of a user.
    pub(crate) async fn token_of(&self, email: &str) -> String {
        let body = json!({ "name": "test", "user": email });
        let answer = self
            .post(&self.ada, "/personal-access-tokens", body)
            .await
            .expect(201);
        answer.text("/token")
    }

    /// A virtual account with a token.
    pub(crate) async fn account(&self, name: &str) -> String {
        let path = format!("/virtual-accounts/{name}");
        self.put(&self.ada, &path, json!({})).await.expect(201);
        let answer = self
            .post(&self.ada, &format!("{path}/tokens"), json!({}))
            .await
            .expect(201);
        answer.text("/token")
    }

    /// A server, whose fields are added to those that it needs.
    pub(crate) async fn server(&self, name: &str, fields: Value) {
        let path = format!("/mcp-servers/{name}");
        self.put(&self.ada, &path, server_body(fields))
            .await
            .expect(201);
    }

    /// Actions in the audit log that callers did, the oldest first.
    pub(crate) async fn actions(&self) -> Vec<String> {
        let answer = self
            .get(&self.ada, "/audit-events?limit=200")
            .await
            .expect(200);
        let actions = answer.each("action").into_iter().map(str::to_owned);
        let mut actions: Vec<String> = actions.filter(|action| !action.contains("_key.")).collect();
        actions.reverse();
        actions
    }
}

/// A body that makes a server, with these fields added or replaced.
pub(crate) fn server_body(fields: Value) -> Value {
    let mut body = json!({ "type": "remote", "url": "https://mcp.example.com/mcp" });
    body.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    body
}

impl Call<'_> {
    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(name, value.parse().unwrap());
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.raw(body.to_string())
            .header("content-type", "application/json")
    }

    pub(crate) fn raw(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) async fn send(self) -> Answer {
        let own = ["/.", "/api", "/oauth"];
        let path = if own.iter().any(|own| self.path.starts_with(own)) {
            self.path
        } else {
            format!("/api/v1{}", self.path)
        };
        let mut request = Request::builder()
            .method(self.method)
            .uri(path)
            .body(self.body)
            .unwrap();
        *request.headers_mut() = self.headers;
        let response = self.scene.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        self.scene.pass(Duration::milliseconds(1));
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| String::from_utf8(bytes.to_vec()).unwrap().into())
        };
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }
}

impl Answer {
    /// The same answer, if it has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{:#}", self.body);
        self
    }

    /// The same answer, if it is a problem of this status and type.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, problem: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(
            answer.headers[header::CONTENT_TYPE],
            "application/problem+json"
        );
        assert_eq!(
            answer.body["type"],
            format!("urn:warder:problem:{problem}"),
            "{:#}",
            answer.body
        );
        assert_eq!(answer.body["status"], status);
        answer
    }

    /// Where a validation problem says that rules are broken.
    pub(crate) fn pointers(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().expect("errors");
        errors
            .iter()
            .map(|error| error["pointer"].as_str().unwrap())
            .collect()
    }

    pub(crate) fn text(&self, pointer: &str) -> String {
        self.body
            .pointer(pointer)
            .and_then(Value::as_str)
            .expect(pointer)
            .to_owned()
    }

    pub(crate) fn tag(&self) -> &str {
        self.headers[header::ETAG].to_str().unwrap()
    }

    /// A field of every item of a list.
    pub(crate) fn each(&self, field: &str) -> Vec<&str> {
        let items = self.body["items"].as_array().expect("items");
        items
            .iter()
            .map(|item| item[field].as_str().unwrap())
            .collect()
    }
}
