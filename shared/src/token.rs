//! Gateway tokens: JWTs (RFC 7519) that the control plane signs and every pod verifies by itself.
//!
//! The signature is the library's work; everything that the library leaves open by default is decided
//! here: `typ`, `crit`, `kid`, the algorithm, and that every claim is there with its exact type (T1–T4).

use std::{collections::HashMap, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize};

use crate::{
    id::{GrantId, IdentityProviderId, TokenId},
    oauth::{Resource, Scopes},
    principal::Principal,
};

/// `typ` of a gateway token (RFC 9068 section 2.1).
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// How far the clocks of signer and verifier may differ, in seconds.
pub const LEEWAY_SECONDS: i64 = 30;

/// Longest token that is looked at, in bytes.
pub const MAX_TOKEN_LENGTH: usize = 8 * 1024;

const MAX_KID_LENGTH: usize = 64;

/// What a gateway token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// Personal access token: acts exactly as its user (IN-1).
    Pat,
    /// Token of a virtual account (IN-2).
    VirtualAccount,
    /// Access token of an OAuth client: acts as the user who granted it, within its scopes (IN-4).
    #[serde(rename = "oauth")]
    OAuth,
}

/// The claims of a gateway token, all required.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WireClaims", into = "WireClaims")]
pub struct Claims {
    /// Issuer: the control plane's public URL.
    pub iss: String,
    /// Audience: the gateway's URL; of an OAuth client's token, a server's URL as well. One string, never a list.
    pub aud: String,
    /// The one who calls.
    pub sub: Principal,
    /// The token's own identity, by which it is revoked.
    pub jti: TokenId,
    /// What the token is for.
    pub kind: TokenKind,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// Not valid before, in seconds since 1970.
    pub nbf: i64,
    /// Not valid from then on, in seconds since 1970.
    pub exp: i64,
    /// With [`TokenKind::OAuth`], and only then: whose token it is besides the user's.
    pub client: Option<ClientClaims>,
}

/// What the token of an OAuth client says of the client (RFC 9068 section 2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientClaims {
    /// `client_id`: the client.
    pub client_id: String,
    /// What it may do.
    pub scope: Scopes,
    /// What the user granted: with it, every token of the family is revoked.
    pub grant: GrantId,
}

/// [`Claims`] as they stand in a token.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireClaims {
    iss: String,
    aud: String,
    #[serde(with = "as_text")]
    sub: Principal,
    jti: TokenId,
    kind: TokenKind,
    iat: i64,
    nbf: i64,
    exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    grant: Option<GrantId>,
}

impl TryFrom<WireClaims> for Claims {
    type Error = TokenError;

    fn try_from(wire: WireClaims) -> Result<Self, TokenError> {
        let client = match (wire.kind, wire.client_id, wire.scope, wire.grant) {
            (TokenKind::OAuth, Some(client_id), Some(scope), Some(grant)) => Some(ClientClaims {
                client_id,
                scope: scope.parse().map_err(|_| TokenError::Claims)?,
                grant,
            }),
            (TokenKind::Pat | TokenKind::VirtualAccount, None, None, None) => None,
            _ => return Err(TokenError::Claims),
        };
        Ok(Self {
            iss: wire.iss,
            aud: wire.aud,
            sub: wire.sub,
            jti: wire.jti,
            kind: wire.kind,
            iat: wire.iat,
            nbf: wire.nbf,
            exp: wire.exp,
            client,
        })
    }
}

impl From<Claims> for WireClaims {
    fn from(claims: Claims) -> Self {
        let client = claims.client;
        let scope = client.as_ref().map(|client| client.scope.to_string());
        let grant = client.as_ref().map(|client| client.grant);
        Self {
            iss: claims.iss,
            aud: claims.aud,
            sub: claims.sub,
            jti: claims.jti,
            kind: claims.kind,
            iat: claims.iat,
            nbf: claims.nbf,
            exp: claims.exp,
            client_id: client.map(|client| client.client_id),
            scope,
            grant,
        }
    }
}

/// Why a token is refused. The caller hears only that it is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a compact JWS, or longer than [`MAX_TOKEN_LENGTH`].
    #[error("not a JWT")]
    Malformed,
    /// The header names another algorithm than the key's, another `typ`, or has a `crit` member.
    #[error("the header is not that of this kind of token")]
    Header,
    /// No key has this `kid`.
    #[error("signed with a key that is not known")]
    UnknownKey,
    /// No key of its identity provider has this `kid`: it may be a new one.
    #[error("signed with a key of the identity provider that is not known (yet)")]
    UnknownProviderKey(Arc<UnknownKey>),
    /// Another kind of token: an ID token, a refresh token, a logout token.
    #[error("not an access token of a type that is accepted")]
    Type,
    /// A claim does not say what its identity provider's tokens must say.
    #[error("a required claim is missing or has another value")]
    RequiredClaims,
    /// The signature is not the key's.
    #[error("the signature does not fit")]
    Signature,
    /// A claim is missing, has another type, or is not known.
    #[error("the claims are not those of this kind of token")]
    Claims,
    /// Issued by someone else.
    #[error("issued by someone else")]
    Issuer,
    /// Meant for someone else.
    #[error("meant for another audience")]
    Audience,
    /// Not valid yet.
    #[error("not valid yet")]
    NotYetValid,
    /// Not valid any more.
    #[error("expired")]
    Expired,
}

/// A key that nobody here has heard of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UnknownKey {
    /// Whose key it would be.
    pub provider: IdentityProviderId,
    /// Its `kid`.
    pub kid: String,
}

/// The header that every signed token of ours has.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

/// The public keys that tokens may be signed with, by `kid`.
#[derive(Default, Clone)]
pub struct KeySet {
    keys: HashMap<String, DecodingKey>,
}

impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.keys.keys()).finish()
    }
}

impl KeySet {
    /// A set of Ed25519 public keys (RFC 8037), 32 bytes each.
    pub fn from_ed25519<'a>(keys: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let keys = keys
            .into_iter()
            .filter(|(_, key)| key.len() == 32)
            .map(|(kid, key)| (kid.to_owned(), DecodingKey::from_ed_der(key)))
            .collect();
        Self { keys }
    }

    /// Whether no token can be verified.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Verifies signature and header of a token of type `typ` and reads its claims, whatever they are.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn verify_signed<C: serde::de::DeserializeOwned>(
        &self,
        token: &str,
        typ: &str,
    ) -> Result<C, TokenError> {
        if token.len() > MAX_TOKEN_LENGTH {
            return Err(TokenError::Malformed);
        }
        let (header, _) = token.split_once('.').ok_or(TokenError::Malformed)?;
        let header = URL_SAFE_NO_PAD
            .decode(header)
            .map_err(|_| TokenError::Malformed)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| TokenError::Header)?;
        if header.alg != "EdDSA" || header.typ != typ || header.kid.len() > MAX_KID_LENGTH {
            return Err(TokenError::Header);
        }
        let key = self.keys.get(&header.kid).ok_or(TokenError::UnknownKey)?;
        // Only the signature is left to the library: every claim is checked by the caller, against the
        // time that it was given and with types that leave nothing out.
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        jsonwebtoken::decode::<C>(token, key, &validation)
            .map(|data| data.claims)
            .map_err(|error| match error.kind() {
                jsonwebtoken::errors::ErrorKind::InvalidSignature => TokenError::Signature,
                jsonwebtoken::errors::ErrorKind::Json(_) => TokenError::Claims,
                _ => TokenError::Malformed,
            })
    }

    /// Verifies a gateway token for this issuer and audience at this time.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn verify(
        &self,
        token: &str,
        issuer: &str,
        audience: &str,
        now: DateTime<Utc>,
    ) -> Result<Claims, TokenError> {
        let claims: Claims = self.verify_signed(token, ACCESS_TOKEN_TYPE)?;
        if claims.iss != issuer {
            return Err(TokenError::Issuer);
        }
        let is_for_us = match claims.client {
            None => claims.aud == audience,
            Some(_) => Resource::is_of(&claims.aud, audience),
        };
        if !is_for_us {
            return Err(TokenError::Audience);
        }
        let fits = matches!(
            (claims.kind, claims.sub),
            (TokenKind::Pat | TokenKind::OAuth, Principal::User(_))
                | (TokenKind::VirtualAccount, Principal::VirtualAccount(_))
        );
        if !fits {
            return Err(TokenError::Claims);
        }
        claims.check_time(now)?;
        Ok(claims)
    }
}

impl Claims {
    /// Whether the token is for this server: the gateway's own audience covers every server, a server's only
    /// that one (RFC 8707, T11).
    ///
    /// # Errors
    /// [`TokenError::Audience`].
    pub fn check_server(&self, server: &str) -> Result<(), TokenError> {
        if Resource::covers(&self.aud, server) {
            Ok(())
        } else {
            Err(TokenError::Audience)
        }
    }

    /// Whether the token is valid at this time, within [`LEEWAY_SECONDS`].
    ///
    /// # Errors
    /// [`TokenError::Expired`] or [`TokenError::NotYetValid`].
    pub fn check_time(&self, now: DateTime<Utc>) -> Result<(), TokenError> {
        let now = now.timestamp();
        if now >= self.exp.saturating_add(LEEWAY_SECONDS) {
            return Err(TokenError::Expired);
        }
        if now < self.nbf.saturating_sub(LEEWAY_SECONDS) {
            return Err(TokenError::NotYetValid);
        }
        Ok(())
    }
}

mod as_text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::principal::Principal;

    pub(super) fn serialize<S: Serializer>(
        principal: &Principal,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(principal)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Principal, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests;
