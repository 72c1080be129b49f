//! An identity provider, as read back: never a secret.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::Serialize;
use url::Url;
use utoipa::ToSchema;
use warder_shared::{
    id::IdentityProviderId,
    identity_provider::{Algorithm, RequiredClaims},
    name::Name,
};

use crate::{
    domain::{IdentityProvider, Login, ProviderKeys, ResolveTo},
    service::{Fingerprint, words},
};

/// An identity provider, as read back.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = IdentityProvider)]
pub struct ProviderView {
    /// Never used again, even after the provider is gone.
    #[schema(value_type = String, format = Uuid)]
    pub id: IdentityProviderId,
    /// Its name in mappings.
    #[schema(value_type = String)]
    pub name: Name,
    /// Name shown to people.
    pub display_name: String,
    /// `iss` of its tokens, exactly.
    pub issuer: String,
    /// One of them must be in `aud` of an access token.
    pub audiences: Vec<String>,
    /// Where its keys are; absent: where its metadata says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub jwks_uri: Option<Url>,
    /// The only algorithms that its tokens may be signed with.
    #[schema(value_type = Vec<String>)]
    pub algorithms: Vec<Algorithm>,
    /// Accepted values of `typ` of an access token; `null`: it may be absent.
    pub token_types: Vec<Option<String>>,
    /// Path of a claim → what it must say: one of these values.
    #[schema(value_type = std::collections::BTreeMap<String, Vec<serde_json::Value>>)]
    pub required_claims: RequiredClaims,
    /// Whom its tokens stand for.
    #[schema(value_type = ResolveToSchema)]
    pub resolve_to: ResolveTo,
    /// Our client there, with which people sign in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<LoginView>,
    /// What is known of its keys. No part of the `ETag`.
    pub keys: KeysView,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When something that is configured last changed.
    pub updated_at: DateTime<Utc>,
}

/// Our client at an identity provider, as read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Login)]
pub struct LoginView {
    /// Whether people may sign in with it.
    pub enabled: bool,
    /// Its `client_id`.
    pub client_id: String,
    /// `null` where a secret is stored; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_secret: Option<()>,
    /// What it asks for.
    pub scopes: Vec<String>,
}

/// What is known of an identity provider's keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = IdentityProviderKeys)]
pub struct KeysView {
    /// When they were last read.
    pub fetched_at: Option<DateTime<Utc>>,
    /// When somebody last tried to.
    pub checked_at: Option<DateTime<Utc>>,
    /// How many are usable. While it is 0, none of its tokens is accepted.
    pub count: usize,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

/// Whom tokens stand for: describes [`ResolveTo`].
#[derive(ToSchema)]
#[schema(as = ResolveTo)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ResolveToSchema {
    /// The virtual account that the claim's value is mapped to.
    VirtualAccount {
        /// Path of the claim.
        claim: String,
    },
    /// A person.
    User {
        /// What somebody is known by when they come for the first time.
        identify_by: words::IdentifyBy,
        /// Path of the claim with their address.
        email_claim: String,
        /// Path of the claim with their groups.
        team_claim: Option<String>,
        /// What happens to somebody who has no user yet.
        provisioning: words::Provisioning,
        /// The domains whose addresses the provider may speak for.
        email_domains: Option<BTreeSet<String>>,
    },
}

impl ProviderView {
    pub(super) fn of(
        provider: IdentityProvider,
        has_secret: bool,
        keys: Option<&ProviderKeys>,
    ) -> Self {
        let configuration = provider.configuration;
        let login = configuration.login.map(|login| {
            let Login {
                enabled,
                client_id,
                scopes,
            } = login;
            LoginView {
                enabled,
                client_id,
                client_secret: has_secret.then_some(()),
                scopes,
            }
        });
        Self {
            id: provider.id,
            name: provider.name,
            display_name: configuration.display_name,
            issuer: provider.issuer,
            audiences: configuration.audiences,
            jwks_uri: configuration.jwks_uri,
            algorithms: configuration.algorithms,
            token_types: configuration.token_types,
            required_claims: configuration.required_claims,
            resolve_to: configuration.resolve_to,
            login,
            keys: keys.map(KeysView::from).unwrap_or_default(),
            created_at: provider.created_at,
            updated_at: provider.updated_at,
        }
    }

    /// The same without what changes by itself.
    #[must_use]
    pub fn configured(&self) -> Self {
        Self {
            keys: KeysView::default(),
            ..self.clone()
        }
    }

    /// What an `ETag` stands for.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.configured())
    }
}

impl From<&ProviderKeys> for KeysView {
    fn from(keys: &ProviderKeys) -> Self {
        Self {
            fetched_at: keys.fetched_at,
            checked_at: keys.checked_at,
            count: keys.count(),
            error: keys.error.clone(),
        }
    }
}
