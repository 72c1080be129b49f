//! The checks that a provider's token passes, one by one: the same for deciding and for explaining.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use jsonwebtoken::crypto;
use serde_json::{Map, Value};

use super::{Algorithm, Provider, ProviderProof, keys::MAX_KID_LENGTH};
use crate::{
    json,
    token::{LEEWAY_SECONDS, MAX_TOKEN_LENGTH, TokenError, UnknownKey},
};

/// Longest `sub`, in bytes (OpenID Connect Core section 2).
const MAX_SUBJECT: usize = 255;

/// A JWT that was taken apart, and nothing more: what it says proves nothing.
#[derive(Clone)]
pub struct Unverified<'t> {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    /// What was signed.
    input: &'t str,
    signature: &'t str,
}

/// One thing that a token must satisfy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// `iss` is the provider's, exactly.
    Issuer,
    /// `alg` is one of the provider's, and nothing in the header changes how it is read.
    Algorithm,
    /// `typ` is one of the provider's, and the token is no other kind of token.
    Type,
    /// `sub`, `exp` and the other times have their types.
    Shape,
    /// `aud` has one of the provider's audiences.
    Audience,
    /// It is valid now.
    Time,
    /// The required claims say what they must.
    RequiredClaims,
    /// The provider has a key for it.
    Key,
    /// The signature is that key's.
    Signature,
}

impl Check {
    /// Every check of an access token. What costs nothing comes first, so that nobody makes us look for keys with
    /// a token that is refused anyway.
    pub const ALL: [Self; 9] = [
        Self::Issuer,
        Self::Algorithm,
        Self::Type,
        Self::Shape,
        Self::Audience,
        Self::Time,
        Self::RequiredClaims,
        Self::Key,
        Self::Signature,
    ];

    /// Those of an ID token that do not depend on the sign-in.
    pub(super) const OF_ID_TOKENS: [Self; 6] = [
        Self::Issuer,
        Self::Algorithm,
        Self::Shape,
        Self::Time,
        Self::Key,
        Self::Signature,
    ];
}

impl<'t> Unverified<'t> {
    /// Takes a compact JWS apart (RFC 7515 section 7.1), strictly: no member twice.
    ///
    /// # Errors
    /// [`TokenError::Malformed`].
    pub fn parse(token: &'t str) -> Result<Self, TokenError> {
        let malformed = TokenError::Malformed;
        if token.len() > MAX_TOKEN_LENGTH {
            return Err(malformed);
        }
        let (input, signature) = token.rsplit_once('.').ok_or(malformed.clone())?;
        let (header, claims) = input.split_once('.').ok_or(malformed.clone())?;
        let object = |part: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
            json::object(&bytes).ok()
        };
        Ok(Self {
            header: object(header).ok_or(malformed.clone())?,
            claims: object(claims).ok_or(malformed)?,
            input,
            signature,
        })
    }

    /// Who it says has issued it.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.claims.get("iss")?.as_str()
    }

    /// What it says. Nothing may be decided on that.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// A member of the header, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header.get(name)?.as_str()
    }

    fn algorithm(&self) -> Result<Algorithm, TokenError> {
        let name = self.header("alg").ok_or(TokenError::Header)?;
        name.parse().map_err(|_| TokenError::Header)
    }

    fn kid(&self) -> Result<Option<&str>, TokenError> {
        match self.header.get("kid") {
            None => Ok(None),
            Some(Value::String(kid)) if kid.len() <= MAX_KID_LENGTH => Ok(Some(kid)),
            Some(_) => Err(TokenError::Header),
        }
    }

    /// The audiences: one, or a list of them (RFC 7519 section 4.1.3).
    fn audiences(&self) -> Result<Vec<&str>, TokenError> {
        let audiences = match self.claims.get("aud") {
            Some(Value::String(one)) => Some(vec![one.as_str()]),
            Some(Value::Array(items)) => items.iter().map(Value::as_str).collect(),
            _ => None,
        };
        audiences.ok_or(TokenError::Claims)
    }

    /// What the token proves, if every check has passed.
    pub(super) fn proof(&self, provider: &Provider) -> Result<ProviderProof, TokenError> {
        let time = |name| time(&self.claims, name);
        Ok(ProviderProof {
            assertion: provider.assertion(&self.claims)?,
            revision: provider.revision,
            not_before: time("nbf")?.max(time("iat")?).unwrap_or(i64::MIN),
            expires: time("exp")?.ok_or(TokenError::Claims)?,
        })
    }

    /// What binds an ID token to one sign-in of one client.
    pub(super) fn check_sign_in(&self, client_id: &str, nonce: &str) -> Result<(), TokenError> {
        let audiences = self.audiences()?;
        let party = self.claims.get("azp");
        if !audiences.contains(&client_id)
            || party.is_some_and(|party| party != client_id)
            || (audiences.len() > 1 && party.is_none())
        {
            return Err(TokenError::Audience);
        }
        let expected = self.claims.get("nonce").and_then(Value::as_str);
        if expected != Some(nonce) || self.claims.contains_key("events") {
            return Err(TokenError::Claims);
        }
        Ok(())
    }
}

impl Provider {
    /// Whether a token passes one check. Only all of them together prove anything.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(
        &self,
        check: Check,
        token: &Unverified<'_>,
        now: DateTime<Utc>,
    ) -> Result<(), TokenError> {
        let passes = |passed: bool, error| if passed { Ok(()) } else { Err(error) };
        match check {
            Check::Issuer => passes(token.issuer() == Some(&*self.issuer), TokenError::Issuer),
            Check::Algorithm => {
                let algorithm = token.algorithm()?;
                // These change what is signed or encrypted, or say that something else does.
                const FATAL: [&str; 4] = ["crit", "b64", "enc", "zip"];
                let plain = FATAL.iter().all(|name| !token.header.contains_key(*name));
                passes(
                    plain && self.algorithms.contains(&algorithm),
                    TokenError::Header,
                )
            }
            Check::Type => {
                let known = self.token_types.contains(&token_type(&token.header)?);
                passes(known && is_access_token(&token.claims), TokenError::Type)
            }
            Check::Shape => {
                subject(&token.claims)?;
                for name in ["nbf", "iat"] {
                    time(&token.claims, name)?;
                }
                passes(time(&token.claims, "exp")?.is_some(), TokenError::Claims)
            }
            Check::Audience => {
                let audiences = token.audiences()?;
                let ours = |audience: &&str| self.audiences.iter().any(|ours| ours == audience);
                passes(audiences.iter().any(ours), TokenError::Audience)
            }
            Check::Time => {
                let now = now.timestamp();
                let expires = time(&token.claims, "exp")?.ok_or(TokenError::Claims)?;
                passes(
                    now < expires.saturating_add(LEEWAY_SECONDS),
                    TokenError::Expired,
                )?;
                let begins = time(&token.claims, "nbf")?.max(time(&token.claims, "iat")?);
                let begun = begins.is_none_or(|at| now >= at.saturating_sub(LEEWAY_SECONDS));
                passes(begun, TokenError::NotYetValid)
            }
            Check::RequiredClaims => {
                let says = |(path, accepted): (&crate::json::ClaimPath, &Vec<Value>)| match path
                    .find(&token.claims)
                {
                    Some(Value::Array(items)) => items.iter().any(|item| accepted.contains(item)),
                    Some(value) => accepted.contains(value),
                    None => false,
                };
                passes(
                    self.required_claims.iter().all(says),
                    TokenError::RequiredClaims,
                )
            }
            Check::Key => self.key(token).map(drop),
            Check::Signature => {
                let valid = crypto::verify(
                    token.signature,
                    token.input.as_bytes(),
                    self.key(token)?,
                    token.algorithm()?.into(),
                );
                passes(valid.unwrap_or(false), TokenError::Signature)
            }
        }
    }

    fn key(&self, token: &Unverified<'_>) -> Result<&jsonwebtoken::DecodingKey, TokenError> {
        let kid = token.kid()?;
        if let Some(key) = self.keys.find(kid, token.algorithm()?) {
            return Ok(key);
        }
        match kid {
            // A new key, perhaps.
            Some(kid) if !self.keys.has(kid) => {
                Err(TokenError::UnknownProviderKey(Arc::new(UnknownKey {
                    provider: self.id,
                    kid: kid.to_owned(),
                })))
            }
            _ => Err(TokenError::UnknownKey),
        }
    }
}

/// `sub`, if it can be one.
pub(super) fn subject(claims: &Map<String, Value>) -> Result<&str, TokenError> {
    claims
        .get("sub")
        .and_then(Value::as_str)
        .filter(|subject| !subject.is_empty() && subject.len() <= MAX_SUBJECT)
        .ok_or(TokenError::Claims)
}

/// A time in whole seconds since 1970, which JSON may write with a point (RFC 7519 section 2, without
/// fractions).
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, TokenError> {
    const LATEST: f64 = 253_402_300_799.0;
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let seconds = value
        .as_f64()
        .filter(|seconds| value.is_number() && seconds.fract() == 0.0)
        .filter(|seconds| (0.0..=LATEST).contains(seconds))
        .ok_or(TokenError::Claims)?;
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        reason = "whole, and within the range above"
    )]
    Ok(Some(seconds as i64))
}

/// `typ` in lower case, without the prefix that may be left out (RFC 7515 section 4.1.9).
fn token_type(header: &Map<String, Value>) -> Result<Option<String>, TokenError> {
    match header.get("typ") {
        None => Ok(None),
        Some(Value::String(text)) => {
            let text = text.to_ascii_lowercase();
            Ok(Some(
                text.strip_prefix("application/")
                    .unwrap_or(&text)
                    .to_owned(),
            ))
        }
        Some(_) => Err(TokenError::Type),
    }
}

/// Whether nothing in the claims says that this is an ID token, a refresh token or a logout token (T4).
fn is_access_token(claims: &Map<String, Value>) -> bool {
    const OTHERS: [&str; 4] = ["nonce", "at_hash", "c_hash", "events"];
    let says = |name: &str, words: &[&str]| {
        let text = claims.get(name).and_then(Value::as_str).unwrap_or_default();
        words.iter().any(|word| word.eq_ignore_ascii_case(text))
    };
    OTHERS.iter().all(|name| !claims.contains_key(*name))
        && !says("typ", &["id", "refresh", "offline", "logout"])
        && !says("token_use", &["id", "refresh"])
}

impl From<Algorithm> for jsonwebtoken::Algorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Rs256 => Self::RS256,
            Algorithm::Rs384 => Self::RS384,
            Algorithm::Rs512 => Self::RS512,
            Algorithm::Ps256 => Self::PS256,
            Algorithm::Ps384 => Self::PS384,
            Algorithm::Ps512 => Self::PS512,
            Algorithm::Es256 => Self::ES256,
            Algorithm::Es384 => Self::ES384,
            Algorithm::EdDsa => Self::EdDSA,
        }
    }
}
