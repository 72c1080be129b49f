//! Identity providers, as far as their tokens are verified (IN-3): whose signature counts, for what, and what
//! the claims mean.
//!
//! **Invariant:** an [`Assertion`] that says anything about a caller comes out of a verification and from
//! nowhere else: every check of [`Check::ALL`] passed, the signature last.

use std::{collections::BTreeMap, fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    id::IdentityProviderId,
    json::ClaimPath,
    name::Name,
    token::{LEEWAY_SECONDS, TokenError},
};

mod keys;
mod token;
mod wire;

pub use keys::{InvalidKeys, JwkSet, MAX_JWKS_LENGTH, MAX_KEYS};
pub use token::{Check, Unverified};

/// An algorithm that signs tokens (RFC 7518 section 3.1, RFC 8037): asymmetric ones only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256.
    Es256,
    /// ECDSA on P-384.
    Es384,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// What a provider's tokens may be signed with when nobody says otherwise.
    pub const DEFAULT: [Self; 3] = [Self::Rs256, Self::Es256, Self::EdDsa];
}

/// Not one of the algorithms that are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or EdDSA")]
pub struct InvalidAlgorithm;

impl FromStr for Algorithm {
    type Err = InvalidAlgorithm;

    fn from_str(text: &str) -> Result<Self, InvalidAlgorithm> {
        serde_json::from_value(Value::from(text)).map_err(|_| InvalidAlgorithm)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// What a user is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentifyBy {
    /// Links to the user of the address that the provider vouches for.
    Email,
    /// Provider and `sub` are a user of their own.
    Subject,
}

/// Whom a token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResolveTo {
    /// The virtual account that this claim's value is mapped to.
    VirtualAccount {
        /// The claim.
        claim: ClaimPath,
    },
    /// The user that `sub` is bound to.
    User {
        /// How a user is found for the first time.
        identify_by: IdentifyBy,
        /// Where the address stands.
        email_claim: ClaimPath,
        /// Where the names of groups stand, each of which may be mapped to teams.
        team_claim: Option<ClaimPath>,
    },
}

/// What a claim must say: one of these values.
pub type RequiredClaims = BTreeMap<ClaimPath, Vec<Value>>;

/// An identity provider with its keys.
#[derive(Debug)]
pub struct Provider {
    /// Identity.
    pub id: IdentityProviderId,
    /// Name for administrators.
    pub name: Name,
    /// `iss` of its tokens, exactly.
    pub issuer: String,
    /// Grows with every change but those of the keys.
    pub revision: u64,
    /// One of them must be in `aud`.
    pub audiences: Vec<String>,
    /// The only algorithms.
    pub algorithms: Vec<Algorithm>,
    /// The only values of `typ`, in lower case; `None`: it may be absent.
    pub token_types: Vec<Option<String>>,
    /// What further claims must say.
    pub required_claims: RequiredClaims,
    /// Whom its tokens stand for.
    pub resolve_to: ResolveTo,
    /// Its public keys.
    pub keys: JwkSet,
}

/// What a provider says about somebody, in a token that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// Who says it.
    pub provider: IdentityProviderId,
    /// Name of who says it.
    pub provider_name: Name,
    /// `sub`, exactly.
    pub subject: String,
    /// The value that is mapped to a virtual account.
    pub account: Option<String>,
    /// The address.
    pub email: Option<String>,
    /// Whether the provider checked the address. Only the boolean counts.
    pub email_verified: bool,
    /// Names of groups.
    pub groups: Vec<String>,
    /// Name for people.
    pub name: Option<String>,
}

/// An assertion, and for how long it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderProof {
    /// What the token says.
    pub assertion: Assertion,
    /// Revision of the provider that it was verified against.
    pub revision: u64,
    /// Not valid before, in seconds since 1970.
    pub(crate) not_before: i64,
    /// Not valid from then on, in seconds since 1970.
    pub(crate) expires: i64,
}

/// What becomes of each check of a token.
#[derive(Debug)]
pub struct Explanation {
    /// The checks, in order.
    pub checks: [(Check, Result<(), TokenError>); 9],
    /// What the provider says, if it says so at all: signed by it, though perhaps for others or long ago.
    pub assertion: Option<Assertion>,
    /// `alg` of the header.
    pub algorithm: Option<String>,
    /// `kid` of the header.
    pub kid: Option<String>,
}

/// Most groups of one token that are looked at.
const MAX_GROUPS: usize = 1000;

/// Longest value that can be mapped, in bytes.
pub const MAX_VALUE_LENGTH: usize = 512;

impl Provider {
    /// Verifies an access token.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<ProviderProof, TokenError> {
        let token = Unverified::parse(token)?;
        for check in Check::ALL {
            self.check(check, &token, now)?;
        }
        token.proof(self)
    }

    /// Makes every check of an access token, also behind one that fails, for somebody who wants to know why it
    /// is refused.
    ///
    /// # Errors
    /// [`TokenError::Malformed`] when there is nothing to check.
    pub fn explain(&self, token: &str, now: DateTime<Utc>) -> Result<Explanation, TokenError> {
        let token = Unverified::parse(token)?;
        let checks = Check::ALL.map(|check| (check, self.check(check, &token, now)));
        let signed = checks
            .iter()
            .filter(|(check, _)| {
                matches!(
                    check,
                    Check::Issuer | Check::Algorithm | Check::Shape | Check::Signature
                )
            })
            .all(|(_, outcome)| outcome.is_ok());
        let assertion = signed.then(|| self.assertion(token.claims())).transpose();
        Ok(Explanation {
            checks,
            assertion: assertion?,
            algorithm: token.header("alg").map(str::to_owned),
            kid: token.header("kid").map(str::to_owned),
        })
    }

    /// Verifies the ID token of a sign-in (OpenID Connect Core section 3.1.3.7) for this client and nonce.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn verify_id_token(
        &self,
        token: &str,
        client_id: &str,
        nonce: &str,
        now: DateTime<Utc>,
    ) -> Result<Assertion, TokenError> {
        let token = Unverified::parse(token)?;
        for check in Check::OF_ID_TOKENS {
            self.check(check, &token, now)?;
        }
        token.check_sign_in(client_id, nonce)?;
        self.assertion(token.claims())
    }

    /// The claim by which a person is known for the first time.
    #[must_use]
    pub fn person_claim(&self) -> &str {
        match &self.resolve_to {
            ResolveTo::User {
                identify_by: IdentifyBy::Email,
                email_claim,
                ..
            } => email_claim.as_str(),
            _ => "sub",
        }
    }

    /// What claims say about somebody. The claims must have been verified.
    ///
    /// # Errors
    /// [`TokenError::Claims`] when there is no usable `sub`.
    fn assertion(&self, claims: &Map<String, Value>) -> Result<Assertion, TokenError> {
        let text = |value: Option<&Value>| {
            value
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty() && text.len() <= MAX_VALUE_LENGTH)
                .map(str::to_owned)
        };
        let (account, email, groups) = match &self.resolve_to {
            ResolveTo::VirtualAccount { claim } => (text(claim.find(claims)), None, Vec::new()),
            ResolveTo::User {
                email_claim,
                team_claim,
                ..
            } => {
                let groups = team_claim.as_ref().and_then(|claim| claim.find(claims));
                (None, text(email_claim.find(claims)), self::groups(groups))
            }
        };
        Ok(Assertion {
            provider: self.id,
            provider_name: self.name.clone(),
            subject: token::subject(claims)?.to_owned(),
            account,
            email,
            email_verified: claims.get("email_verified") == Some(&Value::Bool(true)),
            groups,
            name: text(
                claims
                    .get("name")
                    .or_else(|| claims.get("preferred_username")),
            ),
        })
    }
}

impl ProviderProof {
    /// Whether the token is valid at this time, within [`LEEWAY_SECONDS`].
    ///
    /// # Errors
    /// [`TokenError::Expired`] or [`TokenError::NotYetValid`].
    pub fn check_time(&self, now: DateTime<Utc>) -> Result<(), TokenError> {
        let now = now.timestamp();
        if now >= self.expires.saturating_add(LEEWAY_SECONDS) {
            return Err(TokenError::Expired);
        }
        if now < self.not_before.saturating_sub(LEEWAY_SECONDS) {
            return Err(TokenError::NotYetValid);
        }
        Ok(())
    }
}

/// One group, or several.
fn groups(value: Option<&Value>) -> Vec<String> {
    let items: &[Value] = match value {
        Some(Value::Array(items)) => items,
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    items
        .iter()
        .filter_map(Value::as_str)
        .filter(|group| group.len() <= MAX_VALUE_LENGTH)
        .take(MAX_GROUPS)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests;
