//! Pods: how one becomes known, and how it proves who it is.
//!
//! An operator gives every pod an enrollment secret. A pod exchanges it for a credential of its own that
//! lives for an hour, so a secret that is withdrawn stops working within the hour. A credential opens
//! the stream, the audit report and the door of `Resolve`; what `Resolve` gives out is decided by the
//! caller's own token.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, Duration, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use warder_shared::token::LEEWAY_SECONDS;

use super::keys::{KeyFailure, Keys};

/// `typ` of a pod's credential: never accepted as a caller's token, nor the other way round.
const NODE_TOKEN_TYPE: &str = "node+jwt";

/// How long a pod's credential lives. Pods renew it at half of that.
const LIFETIME: Duration = Duration::hours(1);

/// The shortest enrollment secret, in bytes.
const SHORTEST_SECRET: usize = 32;

/// The longest name of a pod: that of a DNS name, which Kubernetes uses.
const LONGEST_NAME: usize = 253;

/// The enrollment secrets, and the credentials given for them.
#[derive(Clone)]
pub struct Nodes {
    /// Hashed, so that comparing takes the same time whatever their length.
    secrets: Vec<[u8; 32]>,
    keys: Keys,
}

/// A pod that proved who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    name: String,
    expires_at: DateTime<Utc>,
}

/// A credential for a pod.
#[derive(Debug)]
pub struct NodeCredential {
    /// The credential.
    pub token: SecretString,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// The enrollment secrets are not usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecrets {
    /// There is none.
    #[error("no enrollment secret is configured")]
    None,
    /// One is too short.
    #[error("an enrollment secret has fewer than 32 characters")]
    TooShort,
}

/// Why a pod gets no credential.
#[derive(Debug, thiserror::Error)]
pub enum EnrollFailure {
    /// The secret is not one of those configured.
    #[error("the enrollment secret is not known")]
    UnknownSecret,
    /// The name is not one.
    #[error("the name of a pod has 1 to 253 letters, digits, dots and hyphens")]
    Name,
    /// The keys failed.
    #[error(transparent)]
    Keys(#[from] KeyFailure),
}

/// The credential is not one of a pod, or has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the node credential is not valid")]
pub struct NotANode;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeClaims {
    iss: String,
    aud: String,
    sub: String,
    iat: i64,
    nbf: i64,
    exp: i64,
}

impl Nodes {
    /// Reads the enrollment secrets, one per line.
    ///
    /// # Errors
    /// [`InvalidSecrets`] when there is none or one is too short.
    pub fn new(secrets: &SecretString, keys: Keys) -> Result<Self, InvalidSecrets> {
        let mut hashes = Vec::new();
        for line in secrets
            .expose_secret()
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            if line.len() < SHORTEST_SECRET {
                return Err(InvalidSecrets::TooShort);
            }
            hashes.push(hash(line));
        }
        if hashes.is_empty() {
            return Err(InvalidSecrets::None);
        }
        Ok(Self {
            secrets: hashes,
            keys,
        })
    }

    /// Gives a pod that knows an enrollment secret a credential of its own.
    ///
    /// # Errors
    /// See [`EnrollFailure`].
    pub fn enroll(&self, secret: &str, name: &str) -> Result<NodeCredential, EnrollFailure> {
        let offered = hash(secret);
        // Every secret is compared, and all of each.
        let known = self
            .secrets
            .iter()
            .fold(subtle::Choice::from(0), |known, secret| {
                known | secret.ct_eq(&offered)
            });
        if !bool::from(known) {
            return Err(EnrollFailure::UnknownSecret);
        }
        if !is_node_name(name) {
            return Err(EnrollFailure::Name);
        }
        let issued = self.keys.clock().now().timestamp();
        let expires = issued + LIFETIME.num_seconds();
        let claims = NodeClaims {
            iss: self.keys.issuer().to_owned(),
            aud: self.audience(),
            sub: format!("node:{name}"),
            iat: issued,
            nbf: issued,
            exp: expires,
        };
        let token = self.keys.sign(NODE_TOKEN_TYPE, &claims)?;
        let expires_at = DateTime::from_timestamp(expires, 0).ok_or(KeyFailure::Cryptography)?;
        Ok(NodeCredential { token, expires_at })
    }

    /// The pod that a credential was given to.
    ///
    /// # Errors
    /// [`NotANode`], whatever is wrong with it.
    pub fn authenticate(&self, token: &str) -> Result<Node, NotANode> {
        let claims: NodeClaims = self
            .keys
            .verify_signed(token, NODE_TOKEN_TYPE)
            .map_err(|_| NotANode)?;
        let now = self.keys.clock().now().timestamp();
        let name = claims.sub.strip_prefix("node:").ok_or(NotANode)?;
        let valid = claims.iss == self.keys.issuer()
            && claims.aud == self.audience()
            && now < claims.exp.saturating_add(LEEWAY_SECONDS)
            && now >= claims.nbf.saturating_sub(LEEWAY_SECONDS)
            && is_node_name(name);
        let expires_at = DateTime::from_timestamp(claims.exp, 0).ok_or(NotANode)?;
        if valid {
            Ok(Node {
                name: name.to_owned(),
                expires_at,
            })
        } else {
            Err(NotANode)
        }
    }

    fn audience(&self) -> String {
        format!("{}/grpc", self.keys.issuer())
    }
}

impl Node {
    /// Its name, as it gave it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When its credential ends.
    #[must_use]
    pub const fn expires_at(&self) -> DateTime<Utc> {
        self.expires_at
    }
}

impl fmt::Debug for Nodes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Nodes")
            .field("secrets", &self.secrets.len())
            .finish_non_exhaustive()
    }
}

fn hash(secret: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
    hash
}

fn is_node_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
}
