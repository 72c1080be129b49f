//! The control plane as a client of others' servers, and a reader of what they publish.
//!
//! **Invariant:** every address is somebody else's choice, so each request goes through the egress rules, follows no
//! redirect, and is bounded in time and size (T50).

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use url::Url;
use warder_shared::egress::{Connector, EgressRules, RootsError};

pub mod provider;
pub mod token_endpoint;

/// How long a document may take to arrive, from the first byte that is sent.
const DEADLINE: Duration = Duration::from_secs(5);

/// Reads documents. Clones share their connections.
#[derive(Clone)]
pub struct Reader(Client<Connector, Empty<Bytes>>);

/// A document as it came.
#[derive(Debug)]
pub struct Document {
    /// The document.
    pub body: Bytes,
    /// For how long it may be kept, if it says so (RFC 9111 section 5.2.2.1).
    pub max_age: Option<Duration>,
}

/// Why a document cannot be read. Says nothing of what was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The address is none that can be requested.
    #[error("{0} is not an http(s) URL")]
    Url(String),
    /// Nobody answers, or nobody who may be asked.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// What was asked for.
        url: Url,
        /// Why not.
        reason: String,
    },
    /// The answer took too long.
    #[error("{0} took longer than five seconds")]
    Slow(Url),
    /// The answer is not the document.
    #[error("{0} answered {1}")]
    Status(Url, StatusCode),
    /// The answer is longer than is read.
    #[error("{0} answered more than {1} bytes, or broke off")]
    Length(Url, usize),
}

impl Reader {
    /// A reader that dials what the rules permit.
    ///
    /// # Errors
    /// When there are no roots to trust.
    pub fn new(rules: EgressRules) -> Result<Self, RootsError> {
        let connector = Connector::new(rules, None, DEADLINE)?;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(0)
            .build(connector);
        Ok(Self(client))
    }

    /// Reads a JSON document of at most `limit` bytes.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn read(&self, url: &Url, limit: usize) -> Result<Document, ReadError> {
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(ReadError::Url(url.to_string()));
        }
        tokio::time::timeout(DEADLINE, self.request(url, limit))
            .await
            .unwrap_or_else(|_| Err(ReadError::Slow(url.clone())))
    }

    async fn request(&self, url: &Url, limit: usize) -> Result<Document, ReadError> {
        let request = Request::get(url.as_str())
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, "warder")
            .body(Empty::new())
            .map_err(|_| ReadError::Url(url.to_string()))?;
        let response = self.0.request(request).await;
        let response = response.map_err(|error| ReadError::Unreachable {
            url: url.clone(),
            reason: innermost(&error),
        })?;
        // A redirect is an answer like any other: not the document.
        if response.status() != StatusCode::OK {
            return Err(ReadError::Status(url.clone(), response.status()));
        }
        let max_age = max_age(response.headers());
        let body = Limited::new(response.into_body(), limit).collect().await;
        let body = body.map_err(|_| ReadError::Length(url.clone(), limit))?;
        Ok(Document {
            body: body.to_bytes(),
            max_age,
        })
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reader")
    }
}

/// What began it: the outer errors only say that a connection failed.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::CACHE_CONTROL)?.to_str().ok()?;
    let seconds = value
        .split(',')
        .find_map(|directive| directive.trim().strip_prefix("max-age="))?;
    seconds.parse().ok().map(Duration::from_secs)
}
