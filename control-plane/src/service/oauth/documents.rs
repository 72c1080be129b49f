//! Clients that are described by a document at the URL that is their id (client id metadata documents).
//!
//! The URL is anybody's choice, so it is fetched by the egress rules, without redirects, within bounds, and
//! rarely (T42).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use moka::{Expiry, future::Cache};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use url::Url;
use warder_shared::egress::{Connector, EgressRules};

use super::registration::{client_name, redirect_uris, words};
use crate::domain::{KnownBy, OAuthClient};

/// Longest id, in bytes.
const MAX_URL: usize = 1000;

/// Largest document, in bytes.
const MAX_DOCUMENT: usize = 10 * 1024;

/// How long a document may take to arrive.
const DEADLINE: Duration = Duration::from_secs(5);

/// Most documents that are fetched at a time. Anybody can ask for one.
const MAX_FETCHES: usize = 16;

/// How long a document is remembered that does not say, or says too little or too much.
const REMEMBERED: Duration = Duration::from_secs(3600);
const REMEMBERED_AT_LEAST: Duration = Duration::from_secs(60);
const REMEMBERED_AT_MOST: Duration = Duration::from_secs(24 * 3600);

/// Most documents that are remembered.
const CAPACITY: u64 = 10_000;

/// Documents of clients, fetched when they are needed and remembered for a while. Clones share them.
#[derive(Clone)]
pub struct ClientDocuments(Arc<Inner>);

struct Inner {
    http: Client<Connector, Empty<Bytes>>,
    fetches: Semaphore,
    known: Cache<String, Known>,
}

#[derive(Clone)]
struct Known {
    client: Result<Arc<OAuthClient>, DocumentError>,
    remembered: Duration,
}

/// Why there is no client at a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// The URL is not one that can be a client's id.
    #[error("the client id is not a plain https URL with a path")]
    Url,
    /// It cannot be fetched.
    #[error("the client's document cannot be fetched")]
    Unreachable,
    /// It is not a JSON document of a reasonable size.
    #[error("the client's document is not a JSON object of at most 10 KiB")]
    Document,
    /// It describes another client.
    #[error("the client's document is about another client id")]
    OtherClient,
    /// It describes a client that cannot be served.
    #[error("the client's document describes a client that cannot be served")]
    Metadata,
    /// Too many are being fetched.
    #[error("too many client documents are being fetched right now")]
    Busy,
}

impl ClientDocuments {
    /// No document is known.
    #[must_use]
    pub fn new(egress: EgressRules) -> Self {
        let connector =
            Connector::new(egress, None, DEADLINE).expect("the public roots are certificates");
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(0)
            .build(connector);
        let known = Cache::builder()
            .max_capacity(CAPACITY)
            .expire_after(AsRemembered)
            .build();
        Self(Arc::new(Inner {
            http,
            fetches: Semaphore::new(MAX_FETCHES),
            known,
        }))
    }

    /// The client with an id. `own` are the origins of Warder itself.
    ///
    /// # Errors
    /// See [`DocumentError`].
    pub(super) async fn client(
        &self,
        id: &str,
        own: &[&str],
    ) -> Result<Arc<OAuthClient>, DocumentError> {
        let uri = location(id)?;
        let fetched = self.0.known.get_with_by_ref(id, self.fetch(id, uri, own));
        fetched.await.client
    }

    async fn fetch(&self, id: &str, uri: Uri, own: &[&str]) -> Known {
        let forgotten = |error| Known {
            client: Err(error),
            remembered: REMEMBERED_AT_LEAST,
        };
        let Ok(_slot) = self.0.fetches.try_acquire() else {
            return Known {
                remembered: Duration::from_secs(1),
                ..forgotten(DocumentError::Busy)
            };
        };
        match tokio::time::timeout(DEADLINE, self.get(uri)).await {
            Err(_) => forgotten(DocumentError::Unreachable),
            Ok(Err(error)) => forgotten(error),
            Ok(Ok((body, remembered))) => Known {
                client: read(id, &body, own).map(Arc::new),
                remembered,
            },
        }
    }

    async fn get(&self, uri: Uri) -> Result<(Bytes, Duration), DocumentError> {
        let request = Request::get(uri)
            .header(header::ACCEPT, "application/json")
            .body(Empty::new())
            .map_err(|_| DocumentError::Url)?;
        let response = self.0.http.request(request).await.map_err(|error| {
            tracing::info!(
                "a client's document cannot be fetched: {:#}",
                anyhow::Error::from(error)
            );
            DocumentError::Unreachable
        })?;
        // A redirect is an answer like any other: not a document.
        if response.status() != StatusCode::OK {
            return Err(DocumentError::Unreachable);
        }
        let text = |name| {
            response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        let kind = text(header::CONTENT_TYPE).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") && !kind.ends_with("+json") {
            return Err(DocumentError::Document);
        }
        let remembered = remembered(text(header::CACHE_CONTROL).unwrap_or_default());
        let body = Limited::new(response.into_body(), MAX_DOCUMENT).collect();
        let body = body.await.map_err(|_| DocumentError::Document)?;
        Ok((body.to_bytes(), remembered))
    }
}

/// How long each document is remembered.
struct AsRemembered;

impl Expiry<String, Known> for AsRemembered {
    fn expire_after_create(&self, _: &String, known: &Known, _: Instant) -> Option<Duration> {
        Some(known.remembered)
    }
}

/// Where a client's document is: its id, if that has one spelling only.
fn location(id: &str) -> Result<Uri, DocumentError> {
    let url = Url::parse(id).map_err(|_| DocumentError::Url)?;
    let plain = id.len() <= MAX_URL
        && url.as_str() == id
        && matches!(url.scheme(), "https" | "http")
        && url.path() != "/"
        && url.fragment().is_none()
        && !id.contains('@');
    if !plain {
        return Err(DocumentError::Url);
    }
    id.parse().map_err(|_| DocumentError::Url)
}

/// What a document says of the client with this id.
fn read(id: &str, body: &[u8], own: &[&str]) -> Result<OAuthClient, DocumentError> {
    let mut metadata: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| DocumentError::Document)?;
    if metadata.get("client_id").and_then(Value::as_str) != Some(id) {
        return Err(DocumentError::OtherClient);
    }
    let method = metadata.get("token_endpoint_auth_method");
    if method.is_some_and(|method| method != "none") {
        return Err(DocumentError::Metadata);
    }
    let unusable = |_| DocumentError::Metadata;
    let grant_types = words(
        &mut metadata,
        "grant_types",
        &["authorization_code", "refresh_token"],
    )
    .map_err(unusable)?;
    let host = Url::parse(id)
        .ok()
        .and_then(|url| url.host_str().map(ToOwned::to_owned))
        .ok_or(DocumentError::Url)?;
    Ok(OAuthClient {
        id: id.to_owned(),
        name: client_name(&metadata).map_err(unusable)?,
        redirect_uris: redirect_uris(&metadata, own).map_err(unusable)?,
        refreshes: grant_types.iter().any(|kind| kind == "refresh_token"),
        known_by: KnownBy::Document { host },
    })
}

/// How long a document with this `Cache-Control` is remembered (RFC 9111 section 5.2.2).
fn remembered(cache_control: &str) -> Duration {
    let directives = || {
        cache_control
            .split(',')
            .map(|directive| directive.trim().to_ascii_lowercase())
    };
    if directives().any(|directive| matches!(&*directive, "no-store" | "no-cache")) {
        return REMEMBERED_AT_LEAST;
    }
    directives()
        .find_map(|directive| directive.strip_prefix("max-age=")?.parse().ok())
        .map_or(REMEMBERED, Duration::from_secs)
        .clamp(REMEMBERED_AT_LEAST, REMEMBERED_AT_MOST)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn t42_an_id_is_a_url_with_one_spelling() {
        for good in [
            "https://claude.ai/oauth/claude-code-client-metadata",
            "https://vscode.dev/oauth/client-metadata.json",
            "https://client.example.com:8443/a?b=c",
        ] {
            assert!(location(good).is_ok(), "{good}");
        }
        for bad in [
            "https://client.example.com",
            "https://client.example.com/",
            "https://client.example.com/a#b",
            "https://user@client.example.com/a",
            "https://client.example.com/a/../b",
            "https://client.example.com/./a",
            "https://client.example.com:443/a",
            "https://CLIENT.example.com/a",
            "https://client.example.com/a b",
            "https:client.example.com/a",
            "ftp://client.example.com/a",
            "file:///etc/passwd",
            "https:///a",
            "https://client.example.com\\a",
            "",
            &format!("https://client.example.com/{}", "a".repeat(1000)),
        ] {
            assert_eq!(location(bad), Err(DocumentError::Url), "{bad}");
        }
    }

    #[test]
    fn t42_a_document_speaks_of_its_own_client_only() {
        const ID: &str = "https://client.example.com/metadata.json";
        let read = |document: Value| read(ID, document.to_string().as_bytes(), &[]);
        let good = json!({"client_id": ID, "client_name": "Client", "redirect_uris": ["http://localhost/callback"]});
        let client = read(good.clone()).expect("a client");
        assert_eq!(
            client.known_by,
            KnownBy::Document {
                host: "client.example.com".into()
            }
        );
        assert!(client.refreshes);
        let with = |member: &str, value: Value| {
            let mut document = good.clone();
            document[member] = value;
            document
        };
        for (document, error) in [
            (
                with(
                    "client_id",
                    json!("https://client.example.com/metadata.json/"),
                ),
                DocumentError::OtherClient,
            ),
            (
                with(
                    "client_id",
                    json!("https://other.example.com/metadata.json"),
                ),
                DocumentError::OtherClient,
            ),
            (with("client_id", Value::Null), DocumentError::OtherClient),
            (
                with("token_endpoint_auth_method", json!("client_secret_post")),
                DocumentError::Metadata,
            ),
            (with("redirect_uris", json!([])), DocumentError::Metadata),
            (
                with("redirect_uris", json!(["javascript:alert(1)"])),
                DocumentError::Metadata,
            ),
            (with("client_name", json!(["x"])), DocumentError::Metadata),
            (json!([]), DocumentError::Document),
        ] {
            assert_eq!(read(document.clone()), Err(error), "{document}");
        }
    }

    #[test]
    fn t42_a_document_is_remembered_within_bounds() {
        let seconds = |text: &str| remembered(text).as_secs();
        assert_eq!(seconds(""), 3600);
        assert_eq!(seconds("public, max-age=600"), 600);
        assert_eq!(seconds("max-age=0"), 60);
        assert_eq!(seconds("max-age=31536000"), 86_400);
        assert_eq!(seconds("no-store"), 60);
        assert_eq!(seconds("max-age=nonsense"), 3600);
    }
}
