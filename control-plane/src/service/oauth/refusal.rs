//! Why the authorization server refuses, in the words of its RFCs.

use std::error::Error;

use crate::{
    service::{Failure, keys::KeyFailure},
    store::StoreError,
    vault::VaultError,
};

/// The `error` of a response (RFC 6749 sections 4.1.2.1 and 5.2, RFC 7591 section 3.2.2, RFC 8707 section 2,
/// OpenID Connect Core section 3.1.2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// A parameter is missing, malformed or there twice.
    InvalidRequest,
    /// Client authentication failed, or there is no such client.
    InvalidClient,
    /// The code or refresh token is not valid (any more), or not for this client.
    InvalidGrant,
    /// Neither a code nor a refresh token is what the client wants to exchange.
    UnsupportedGrantType,
    /// Something else than a code is asked for.
    UnsupportedResponseType,
    /// More is asked for than was granted.
    InvalidScope,
    /// The resource is not one of this gateway, or not the one that was granted.
    InvalidTarget,
    /// The user, or policy, said no.
    AccessDenied,
    /// Nobody is signed in, and nobody may be asked.
    LoginRequired,
    /// The user would have to agree, and may not be asked.
    ConsentRequired,
    /// A redirect URI is not one that may be registered.
    InvalidRedirectUri,
    /// The client's metadata cannot be used.
    InvalidClientMetadata,
    /// Too much is asked for right now.
    TemporarilyUnavailable,
    /// Something broke.
    ServerError,
}

impl ErrorCode {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::AccessDenied => "access_denied",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
        }
    }
}

/// A refusal: what the client hears, and for the log what it does not.
#[derive(Debug, thiserror::Error)]
#[error("{}: {description}", code.as_str())]
pub struct Refusal {
    /// What kind.
    pub code: ErrorCode,
    /// What is wrong, for whoever wrote the client.
    pub description: &'static str,
    /// What broke on our side.
    #[source]
    pub cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Refusal {
    /// A refusal of the client's request.
    #[must_use]
    pub const fn new(code: ErrorCode, description: &'static str) -> Self {
        Self {
            code,
            description,
            cause: None,
        }
    }

    /// Something broke on our side.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let cause = cause.into();
        let (code, description) = if crate::service::is_transient(&*cause) {
            (ErrorCode::TemporarilyUnavailable, "try again in a moment")
        } else {
            (ErrorCode::ServerError, "something went wrong here")
        };
        Self {
            code,
            description,
            cause: Some(cause),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::internal(error)
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Internal(cause) => Self::internal(cause),
            other => Self::internal(other),
        }
    }
}

impl From<VaultError> for Refusal {
    fn from(error: VaultError) -> Self {
        Failure::from(error).into()
    }
}

impl From<KeyFailure> for Refusal {
    fn from(error: KeyFailure) -> Self {
        match error {
            KeyFailure::Store(error) => error.into(),
            other => Self::internal(other),
        }
    }
}
