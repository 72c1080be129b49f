//! Which client speaks.

use secrecy::SecretString;
use subtle::ConstantTimeEq as _;

use super::{ErrorCode, Refusal, hash};
use crate::{service::Services, store::oauth_clients};

/// A client that proved to be itself, as far as it can. Only [`authenticate`] makes one.
#[derive(Debug, Clone)]
pub struct AuthenticatedClient {
    id: String,
}

impl AuthenticatedClient {
    /// Its `client_id`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// Whether a client is one that is described by a document at its id, not one that registered.
pub(super) fn is_document(id: &str) -> bool {
    id.starts_with("https://") || id.starts_with("http://")
}

/// Authenticates a client at an endpoint that clients call themselves (RFC 6749 section 2.3). What a public
/// client proves, it proves by PKCE and by the tokens that it holds.
///
/// # Errors
/// [`ErrorCode::InvalidClient`] when there is no such client or the secret is not its own, in the same words.
pub async fn authenticate(
    services: &Services,
    id: &str,
    secret: Option<&SecretString>,
) -> Result<AuthenticatedClient, Refusal> {
    const REFUSED: Refusal = Refusal::new(
        ErrorCode::InvalidClient,
        "there is no such client, or it did not authenticate as it registered; register again",
    );
    let expected = if is_document(id) {
        None
    } else {
        let registered = oauth_clients::find(&services.store, id).await?;
        registered.ok_or(REFUSED)?.secret_hash
    };
    let proved = match (&expected, secret) {
        (None, None) => true,
        (Some(expected), Some(secret)) => bool::from(hash(secret).ct_eq(expected)),
        (None, Some(_)) | (Some(_), None) => false,
    };
    if !proved {
        return Err(REFUSED);
    }
    Ok(AuthenticatedClient { id: id.to_owned() })
}
