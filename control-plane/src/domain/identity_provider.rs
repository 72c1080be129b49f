//! Whose tokens and sign-ins are accepted besides our own (IN-3).

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;
use warder_shared::{
    id::{IdentityProviderId, TeamId, UserId, VirtualAccountId},
    identity_provider::{self as shared, Algorithm, IdentifyBy, JwkSet, RequiredClaims},
    json::ClaimPath,
    name::Name,
};

use super::words;

/// An identity provider. Holds no secret: that of our client there is sealed beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct IdentityProvider {
    /// Never used again, even after the provider is gone.
    pub id: IdentityProviderId,
    /// Unique and immutable.
    pub name: Name,
    /// `iss` of its tokens, exactly. Unique.
    pub issuer: String,
    /// Everything else that is configured.
    pub configuration: ProviderConfiguration,
    /// Grows with every change of what is configured.
    pub revision: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When something that is configured last changed.
    pub updated_at: DateTime<Utc>,
}

/// What is configured of an identity provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderConfiguration {
    /// Name shown to people.
    pub display_name: String,
    /// One of them must be in `aud` of an access token.
    pub audiences: Vec<String>,
    /// Where its keys are; absent: where its metadata says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<Url>,
    /// The only algorithms that its tokens may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// Accepted values of `typ` of an access token; `None`: it may be absent.
    pub token_types: Vec<Option<String>>,
    /// What further claims must say: one of these values.
    pub required_claims: RequiredClaims,
    /// Whom its tokens stand for.
    pub resolve_to: ResolveTo,
    /// Our client there, with which people sign in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Login>,
}

/// Whom the tokens of an identity provider stand for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ResolveTo {
    /// The virtual account that the claim's value is mapped to.
    VirtualAccount {
        /// The claim.
        claim: ClaimPath,
    },
    /// A person.
    User(People),
}

/// How a provider's people become users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct People {
    /// What somebody is known by when they come for the first time.
    pub identify_by: IdentifyBy,
    /// Where their address stands.
    pub email_claim: ClaimPath,
    /// Where their groups stand, each of which may be mapped to teams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team_claim: Option<ClaimPath>,
    /// What happens to somebody who has no user yet.
    pub provisioning: Provisioning,
    /// The domains, in lower case, whose addresses the provider may speak for. Empty unless
    /// `identify_by` is `email`; no two providers share one.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub email_domains: BTreeSet<String>,
}

/// What happens to somebody who has no user yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provisioning {
    /// They get one.
    Jit,
    /// They are refused until an administrator made one.
    InviteOnly,
}

words!(Provisioning, "provisioning", { Jit => "jit", InviteOnly => "invite_only" });

/// Our client at an identity provider. Its secret, if it has one, is sealed in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Whether people may sign in with it.
    pub enabled: bool,
    /// `client_id` (RFC 6749 section 2.2).
    pub client_id: String,
    /// What is asked for (RFC 6749 section 3.3).
    pub scopes: Vec<String>,
}

/// What an identity provider publishes, as it was last read.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderKeys {
    /// Whose keys they are.
    pub provider: IdentityProviderId,
    /// Of its metadata, what matters here.
    pub metadata: Option<ProviderMetadata>,
    /// Where the keys were read.
    pub jwks_uri: Option<Url>,
    /// The usable keys, as a JWK set (RFC 7517); absent: none is known (any more).
    pub jwks: Option<Value>,
    /// When the keys were last read.
    pub fetched_at: Option<DateTime<Utc>>,
    /// When somebody last tried.
    pub checked_at: Option<DateTime<Utc>>,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

/// Metadata of an identity provider (OpenID Connect Discovery section 3, RFC 8414 section 2), as far as it
/// matters here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderMetadata {
    /// Who it is: the provider's issuer, exactly or but for one trailing slash.
    pub issuer: String,
    /// Where its keys are.
    pub jwks_uri: Option<Url>,
    /// Where people sign in.
    pub authorization_endpoint: Option<Url>,
    /// Where codes become tokens.
    pub token_endpoint: Option<Url>,
    /// Whether it names itself in authorization responses (RFC 9207 section 3).
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
    /// How clients authenticate at the token endpoint.
    #[serde(default = "default_auth_methods")]
    pub token_endpoint_auth_methods_supported: Vec<String>,
}

/// RFC 8414 section 2.
fn default_auth_methods() -> Vec<String> {
    vec!["client_secret_basic".to_owned()]
}

/// What the value of a claim stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MappingTarget {
    /// Membership of a team.
    Team(TeamId),
    /// A virtual account.
    VirtualAccount(VirtualAccountId),
}

/// A value of a provider's claim that stands for something here.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClaimMapping {
    /// Whose claim.
    pub provider: IdentityProviderId,
    /// The value, exactly.
    pub value: String,
}

/// Who a user is at an identity provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserIdentity {
    /// The provider.
    pub provider: IdentityProviderId,
    /// `sub`, exactly. One for each provider and user.
    pub subject: String,
    /// The user.
    pub user: UserId,
    /// When they were introduced.
    pub created_at: DateTime<Utc>,
}

impl IdentityProvider {
    /// The one origin (RFC 6454) that the secret of our client there may be sent on behalf of.
    #[must_use]
    pub fn origin(&self) -> String {
        origin(&self.issuer)
    }

    /// How its people become users; none: its tokens stand for virtual accounts.
    #[must_use]
    pub const fn people(&self) -> Option<&People> {
        match &self.configuration.resolve_to {
            ResolveTo::User(people) => Some(people),
            ResolveTo::VirtualAccount { .. } => None,
        }
    }

    /// Our client there, if people may sign in with it.
    #[must_use]
    pub fn sign_in(&self) -> Option<&Login> {
        self.configuration
            .login
            .as_ref()
            .filter(|login| login.enabled)
    }

    /// The provider as its tokens are verified, with the keys that were read.
    #[must_use]
    pub fn verifier(&self, keys: Option<&ProviderKeys>) -> shared::Provider {
        let configuration = &self.configuration;
        let jwks = keys.and_then(|keys| keys.jwks.as_ref());
        shared::Provider {
            id: self.id,
            name: self.name.clone(),
            issuer: self.issuer.clone(),
            revision: u64::try_from(self.revision).unwrap_or_default(),
            audiences: configuration.audiences.clone(),
            algorithms: configuration.algorithms.clone(),
            token_types: configuration
                .token_types
                .iter()
                .map(|name| name.as_ref().map(|name| name.to_ascii_lowercase()))
                .collect(),
            required_claims: configuration.required_claims.clone(),
            resolve_to: match &configuration.resolve_to {
                ResolveTo::VirtualAccount { claim } => shared::ResolveTo::VirtualAccount {
                    claim: claim.clone(),
                },
                ResolveTo::User(people) => shared::ResolveTo::User {
                    identify_by: people.identify_by,
                    email_claim: people.email_claim.clone(),
                    team_claim: people.team_claim.clone(),
                },
            },
            keys: jwks.map(key_set).unwrap_or_default(),
        }
    }
}

impl ProviderKeys {
    /// How many keys there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.jwks.as_ref().map_or(0, |jwks| key_set(jwks).len())
    }

    /// Whether there is a key of this `kid`.
    #[must_use]
    pub fn has(&self, kid: &str) -> bool {
        self.jwks
            .as_ref()
            .is_some_and(|jwks| key_set(jwks).has(kid))
    }
}

/// The origin of an issuer. Every stored one is a URL.
#[must_use]
pub fn origin(issuer: &str) -> String {
    Url::parse(issuer)
        .map(|url| warder_shared::egress::origin(&url))
        .unwrap_or_default()
}

/// Only sets that were read before are stored, so an unreadable one has no keys.
fn key_set(jwks: &Value) -> JwkSet {
    JwkSet::parse(jwks.to_string().as_bytes()).unwrap_or_default()
}
