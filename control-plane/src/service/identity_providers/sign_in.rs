//! What signing in with an identity provider needs.

use secrecy::SecretString;
use warder_shared::identity_provider::Provider;

use super::{NOT_FOUND, secret};
use crate::{
    domain::{IdentityProvider, Login, ProviderMetadata},
    service::{Failure, Services},
    store::{identity_provider_keys, identity_providers},
};

/// Our client at an identity provider, with what the provider publishes.
#[derive(Debug)]
pub struct SignInClient {
    /// The provider.
    pub provider: IdentityProvider,
    /// The provider as its ID tokens are verified.
    pub verifier: Provider,
    /// Where people are sent, and codes. Absent while it could not be read.
    pub metadata: Option<ProviderMetadata>,
    /// Our client's name and what it asks for.
    pub login: Login,
    /// Our client's secret, for the token endpoint of `metadata` only; none: a public client.
    pub client_secret: Option<SecretString>,
}

/// The providers that people may sign in with, by name.
///
/// # Errors
/// When the database fails.
pub async fn sign_in_providers(services: &Services) -> Result<Vec<IdentityProvider>, Failure> {
    let mut providers = identity_providers::all(&services.store).await?;
    providers.retain(|provider| provider.sign_in().is_some());
    Ok(providers)
}

/// What signing in with the provider of a name needs.
///
/// # Errors
/// [`Failure::NotFound`] when there is no such provider, or people may not sign in with it.
pub async fn sign_in_client(services: &Services, name: &str) -> Result<SignInClient, Failure> {
    let mut tx = services.store.begin_read().await?;
    let provider = super::find(&mut tx, name).await?;
    let login = provider.sign_in().cloned().ok_or(NOT_FOUND)?;
    let keys = identity_provider_keys::find(&mut tx, provider.id).await?;
    let sealed = identity_providers::client_secret(&mut tx, provider.id).await?;
    let client_secret = match sealed {
        // One that was entered for another origin opens for nobody.
        Some(sealed) if sealed.origin == provider.origin() => {
            Some(secret::open(&services.vault, &mut tx, provider.id, &sealed).await?)
        }
        Some(_) => {
            return Err(Failure::Internal(
                "the client secret was entered for another origin".into(),
            ));
        }
        None => None,
    };
    Ok(SignInClient {
        verifier: provider.verifier(keys.as_ref()),
        metadata: keys.and_then(|keys| keys.metadata),
        provider,
        login,
        client_secret,
    })
}
