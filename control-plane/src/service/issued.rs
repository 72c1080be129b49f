//! Tokens as people see them: once in full, afterwards by what is known of them.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use warder_shared::id::TokenId;

use crate::{
    domain::TokenRecord,
    service::{
        Failure, Services,
        tokens::{self, DEFAULT_LIFETIME, MintFailure, NewToken},
    },
    store::Tx,
};

/// What is known of a token. Never the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Token)]
pub struct TokenView {
    /// Its `jti` claim.
    #[schema(value_type = String, format = Uuid)]
    pub id: TokenId,
    /// What the token is for.
    pub name: String,
    /// Whether it is accepted now.
    pub status: TokenStatus,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// From when on it is refused: the end of its life, or of its grace period once it was replaced.
    pub expires_at: DateTime<Utc>,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<DateTime<Utc>>,
}

/// Whether a token is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenStatus {
    /// It is.
    Live,
    /// Not any more: its time is over.
    Expired,
    /// Not any more: someone revoked it.
    Revoked,
}

/// A new token, shown once.
#[derive(Debug, Serialize, ToSchema)]
pub struct IssuedToken {
    /// Its `jti` claim.
    #[schema(value_type = String, format = Uuid)]
    pub id: TokenId,
    /// The token. It is stored nowhere: keep it now.
    #[serde(serialize_with = "expose")]
    #[schema(value_type = String)]
    pub token: SecretString,
    /// From when on it is refused.
    pub expires_at: DateTime<Utc>,
}

impl TokenView {
    /// What is known of a token at `now`.
    #[must_use]
    pub fn at(now: DateTime<Utc>, token: &TokenRecord) -> Self {
        let status = match token.revoked_at {
            Some(_) => TokenStatus::Revoked,
            None if token.is_live(now) => TokenStatus::Live,
            None => TokenStatus::Expired,
        };
        Self {
            id: token.id,
            name: token.name.clone(),
            status,
            created_at: token.created_at,
            expires_at: effective_expiry(token),
            revoked_at: token.revoked_at,
        }
    }
}

/// From when on a token is refused, if nobody revokes it.
pub(super) fn effective_expiry(token: &TokenRecord) -> DateTime<Utc> {
    token.retires_at.map_or(token.expires_at, |retires_at| {
        retires_at.min(token.expires_at)
    })
}

/// Makes a token whose life was asked for at `/expires_in`, and writes its record.
pub(super) async fn issue(
    services: &Services,
    tx: &mut Tx,
    new: NewToken,
) -> Result<IssuedToken, Failure> {
    let (record, token) = tokens::mint(&services.keys, tx, new)
        .await
        .map_err(|failure| match failure {
            MintFailure::Lifetime => Failure::invalid("/expires_in", failure.to_string()),
            MintFailure::Store(error) => error.into(),
            MintFailure::Keys(error) => Failure::Internal(error.into()),
        })?;
    Ok(IssuedToken {
        id: record.id,
        token,
        expires_at: record.expires_at,
    })
}

/// The life of a token, from what was asked for. Its bounds are those of [`tokens::mint`].
pub(super) fn lifetime(asked: Option<Duration>) -> TimeDelta {
    asked.map_or(DEFAULT_LIFETIME, |asked| {
        TimeDelta::from_std(asked).unwrap_or(TimeDelta::MAX)
    })
}

/// The one place where a token leaves.
fn expose<S: Serializer>(token: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(token.expose_secret())
}
