//! What the use cases work with.

use warder_shared::{clock::Clock, egress::EgressRules};

use crate::{
    service::{keys::Keys, oauth::ClientDocuments, passwords::Passwords, provider_keys::KeyReader},
    store::Store,
    vault::Vault,
};

/// The parts that use cases work with. Clones share them.
#[derive(Clone)]
pub struct Services {
    pub(crate) store: Store,
    pub(crate) vault: Vault,
    pub(crate) keys: Keys,
    pub(crate) egress: EgressRules,
    pub(crate) passwords: Passwords,
    pub(crate) client_documents: ClientDocuments,
    pub(crate) require_resource: bool,
    pub(crate) provider_keys: KeyReader,
}

impl Services {
    /// Puts the parts together.
    ///
    /// # Panics
    /// Never: the public roots are compiled in.
    #[must_use]
    pub fn new(store: Store, vault: Vault, keys: Keys, egress: EgressRules) -> Self {
        let provider_keys = KeyReader::new(store.clone(), egress.clone());
        Self {
            client_documents: ClientDocuments::new(egress.clone()),
            require_resource: false,
            provider_keys: provider_keys.expect("the public roots are certificates"),
            store,
            vault,
            keys,
            egress,
            passwords: Passwords::new(),
        }
    }

    /// The same, but OAuth clients must name the server that a token is for.
    #[must_use]
    pub fn requiring_resource(self, require_resource: bool) -> Self {
        Self {
            require_resource,
            ..self
        }
    }

    /// The clock that everything here is dated by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        self.store.clock()
    }

    /// The control plane's external URL, without a trailing slash: the issuer of its tokens.
    #[must_use]
    pub fn public_url(&self) -> &str {
        self.keys.issuer()
    }

    /// The gateway's external URL, without a trailing slash.
    #[must_use]
    pub fn gateway_url(&self) -> &str {
        self.keys.audience()
    }

    /// The public keys of gateway tokens as a JWK set (RFC 7517).
    #[must_use]
    pub fn jwks(&self) -> serde_json::Value {
        self.keys.jwks()
    }
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Services")
    }
}
