//! OAuth clients: programs that ask users for access to servers.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::redirect_uri::RedirectUri;

/// A client as far as an authorization needs it, wherever it is described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthClient {
    /// Its `client_id`.
    pub id: String,
    /// What it calls itself; empty when it does not say. Anybody can claim any name.
    pub name: String,
    /// Where it may be answered.
    pub redirect_uris: Vec<RedirectUri>,
    /// Whether it can use refresh tokens.
    pub refreshes: bool,
    /// How it is known.
    pub known_by: KnownBy,
}

/// How a client is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownBy {
    /// It registered itself (RFC 7591): nothing that it says was checked.
    Registration,
    /// By a document at the URL that is its id: its host vouches for the redirect URIs.
    Document {
        /// Host of that URL.
        host: String,
    },
}

impl OAuthClient {
    /// Whether a request may be answered at `uri`.
    #[must_use]
    pub fn may_be_answered_at(&self, uri: &RedirectUri) -> bool {
        self.redirect_uris
            .iter()
            .any(|registered| registered.accepts(uri.as_str()))
    }
}

/// A client that registered itself.
#[derive(Debug, Clone, PartialEq)]
pub struct RegisteredClient {
    /// What an authorization needs.
    pub client: OAuthClient,
    /// SHA-256 of its secret; none: a public client (RFC 6749 section 2.1).
    pub secret_hash: Option<Vec<u8>>,
    /// What it said about itself, as it said it. Nothing in it is ever fetched (T41).
    pub metadata: Map<String, Value>,
    /// Hash of the address that it registered from.
    pub registered_from: Vec<u8>,
    /// When it registered.
    pub created_at: DateTime<Utc>,
    /// The last day on which a user granted it something or it refreshed a token; none: never.
    pub last_used_at: Option<DateTime<Utc>>,
}
