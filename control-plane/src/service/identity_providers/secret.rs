//! The secret of our client at an identity provider: sealed for the issuer's origin.

use secrecy::{ExposeSecret as _, SecretString};
use warder_shared::id::IdentityProviderId;

use crate::{
    domain::IdentityProvider,
    service::Failure,
    store::{Sealed, Tx, identity_providers},
    vault::{Binding, Vault},
};

/// Opens what is stored.
pub(super) async fn load(
    vault: &Vault,
    tx: &mut Tx,
    id: IdentityProviderId,
) -> Result<Option<SecretString>, Failure> {
    let Some(sealed) = identity_providers::client_secret(&mut *tx, id).await? else {
        return Ok(None);
    };
    open(vault, tx, id, &sealed).await.map(Some)
}

/// Opens a sealed secret.
pub(super) async fn open(
    vault: &Vault,
    tx: &mut Tx,
    id: IdentityProviderId,
    sealed: &Sealed,
) -> Result<SecretString, Failure> {
    let binding = Binding::identity_provider_client_secret(id, &sealed.origin, sealed.revision);
    let bytes = vault.open_value(tx, &binding, &sealed.bytes).await?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Failure::Internal("a sealed client secret is not text".into()))?;
    Ok(text.into())
}

/// Seals the secret for a provider as it is now, or removes it.
pub(super) async fn store(
    vault: &Vault,
    tx: &mut Tx,
    provider: &IdentityProvider,
    secret: Option<SecretString>,
) -> Result<(), Failure> {
    let sealed = match secret {
        None => None,
        Some(secret) => {
            let (origin, revision) = (provider.origin(), provider.revision);
            let binding = Binding::identity_provider_client_secret(provider.id, &origin, revision);
            let bytes = vault
                .seal(tx, &binding, secret.expose_secret().as_bytes())
                .await?;
            Some(Sealed {
                bytes,
                origin,
                revision,
            })
        }
    };
    identity_providers::set_client_secret(tx, provider.id, sealed.as_ref()).await?;
    Ok(vault.settle(tx).await?)
}
