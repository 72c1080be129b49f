//! What the control plane knows about: plain types and their rules.
//!
//! **Invariant:** nothing here awaits, reads a clock, or knows SQL, HTTP or gRPC.

pub mod email;
pub mod user;
pub mod team;
pub mod virtual_account;
pub mod token;
pub mod identity_provider;
pub mod server;
pub mod server_auth;
pub mod header_template;
pub mod collaborator;
pub mod auth_override;
pub mod secrets;
pub mod audit_event;
pub mod keys;
pub mod secret_hash;
pub mod password;
pub mod session;
pub mod change;
pub mod page;
pub mod redirect_uri;
pub mod oauth_client;
pub mod oauth_grant;

pub use audit_event::{Actor, ActorKind, AuditEvent, AuditSource, ObjectKind, Outcome};
pub use auth_override::AuthOverride;
pub use change::Change;
pub use collaborator::Collaborator;
pub use email::Email;
pub use header_template::HeaderTemplate;
pub use identity_provider::{
    ClaimMapping, IdentityProvider, Login, MappingTarget, People, ProviderConfiguration,
    ProviderKeys, ProviderMetadata, Provisioning, ResolveTo, UserIdentity,
};
pub use keys::{SessionKeyRecord, SigningKeyRecord};
pub use oauth_client::{KnownBy, OAuthClient, RegisteredClient};
pub use oauth_grant::{AuthorizationCode, OAuthGrant};
pub use page::{Page, PageRequest};
pub use redirect_uri::{InvalidRedirectUri, RedirectUri};
pub use secret_hash::SecretHash;
pub use secrets::SecretMap;
pub use server::{Server, ServerType, Timeouts};
pub use server_auth::{OverrideKeys, ServerAuth};
pub use session::{Session, SignedInBy};
pub use team::Team;
pub use token::TokenRecord;
pub use user::{TenantRole, User, UserStatus};
pub use virtual_account::VirtualAccount;

/// A word in the database or the API that names no variant of an enum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not a known {what}")]
pub struct UnknownWord {
    /// What was expected, such as `user status`.
    pub what: &'static str,
    /// What was found.
    pub word: String,
}

/// Gives a field-less enum its words: `as_str`, `Display`, `FromStr`, serde as a string.
macro_rules! words {
    ($type:ident, $what:literal, { $($variant:ident => $word:literal),+ $(,)? }) => {
        impl $type {
            /// Every variant, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word that stands for this variant in the database and in the API.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::domain::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::domain::UnknownWord { what: $what, word: word.to_owned() }),
                }
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                word.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use words;
