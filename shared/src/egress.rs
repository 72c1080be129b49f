//! Where the gateway may dial: public addresses over TLS, and whatever the operator allowed.
//!
//! A name is resolved once and the connection goes to the address that was checked, so a second
//! answer of the name server cannot move it (DNS rebinding). No proxy is taken from the environment and
//! no redirect is followed: there is no code for either.

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;

mod address;
mod connector;

pub use connector::{Connector, RootsError};

/// Which addresses may be dialed.
#[derive(Debug, Clone, Default)]
pub struct EgressRules {
    allow: Arc<[IpNet]>,
}

impl EgressRules {
    /// Public addresses, and these networks.
    #[must_use]
    pub fn new(allow: impl IntoIterator<Item = IpNet>) -> Self {
        Self {
            allow: allow.into_iter().collect(),
        }
    }

    /// Whether an address may be dialed. Without TLS only what the operator allowed by name.
    #[must_use]
    pub fn permits(&self, address: IpAddr, tls: bool) -> bool {
        let address = address.to_canonical();
        self.allow.iter().any(|network| network.contains(&address))
            || (tls && address::is_public(address))
    }
}

/// Scheme, host and port of a URL (RFC 6454 section 6.2): what a credential is bound to.
#[must_use]
pub fn origin(url: &url::Url) -> String {
    url.origin().ascii_serialization()
}
