//! What a sealed value is bound to.

use warder_shared::id::{GrantId, IdentityProviderId, OverrideId, ServerId, UserId};
use warder_shared::principal::Principal;

/// The place, owner, destination and age of a sealed value. It opens with exactly the binding that it
/// was sealed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// The row's key.
    pub row: String,
    /// Whose value it is: a principal, a server, or the control plane itself.
    pub owner: String,
    /// The one origin (RFC 6454) that the value may be sent to; empty for keys that never leave.
    pub origin: String,
    /// How many times the value had been written.
    pub revision: i64,
}

/// The owner of the control plane's own keys.
const SELF: &str = "control-plane";

impl Binding {
    /// The values of a server's shared headers (OUT-2).
    #[must_use]
    pub fn server_auth(server: ServerId, origin: &str, revision: i64) -> Self {
        Self {
            table: "mcp_servers",
            column: "auth_secret",
            row: server.to_string(),
            owner: format!("server:{server}"),
            origin: origin.to_owned(),
            revision,
        }
    }

    /// The values of a server's additional headers.
    #[must_use]
    pub fn server_additional_headers(server: ServerId, origin: &str, revision: i64) -> Self {
        Self {
            column: "additional_headers",
            ..Self::server_auth(server, origin, revision)
        }
    }

    /// The values of a caller's own credential for a server.
    #[must_use]
    pub fn auth_override(
        id: OverrideId,
        server: ServerId,
        subject: Principal,
        origin: &str,
        revision: i64,
    ) -> Self {
        Self {
            table: "auth_overrides",
            column: "secret",
            row: id.to_string(),
            owner: format!("{subject} server:{server}"),
            origin: origin.to_owned(),
            revision,
        }
    }

    /// The secret that the refresh tokens of a grant are made of.
    #[must_use]
    pub fn oauth_grant(id: GrantId, user: UserId) -> Self {
        Self {
            table: "oauth_grants",
            column: "secret",
            row: id.to_string(),
            owner: Principal::User(user).to_string(),
            origin: String::new(),
            revision: 1,
        }
    }

    /// The secret of our client at an identity provider.
    #[must_use]
    pub fn identity_provider_client_secret(
        provider: IdentityProviderId,
        origin: &str,
        revision: i64,
    ) -> Self {
        Self {
            table: "identity_providers",
            column: "client_secret",
            row: provider.to_string(),
            owner: format!("identity-provider:{provider}"),
            origin: origin.to_owned(),
            revision,
        }
    }

    /// The private half of a key that signs tokens.
    #[must_use]
    pub fn signing_key(kid: &str) -> Self {
        Self {
            table: "signing_keys",
            column: "private_key",
            row: kid.to_owned(),
            owner: SELF.to_owned(),
            origin: String::new(),
            revision: 1,
        }
    }

    /// A key that seals session ids.
    #[must_use]
    pub fn session_key(id: &str) -> Self {
        Self {
            table: "session_keys",
            column: "key",
            ..Self::signing_key(id)
        }
    }

    /// Table and column, for errors.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}.{}", self.table, self.column)
    }

    /// Where the ledger keeps its line.
    pub(super) fn slot(&self) -> (String, String) {
        (self.place(), self.row.clone())
    }

    /// The associated data: the value's header, then every field behind its length, so that no two
    /// bindings have the same bytes.
    pub(super) fn associated_data(&self, header: &[u8]) -> Vec<u8> {
        let revision = self.revision.to_be_bytes();
        let fields: [&[u8]; 7] = [
            header,
            self.table.as_bytes(),
            self.column.as_bytes(),
            self.row.as_bytes(),
            self.owner.as_bytes(),
            self.origin.as_bytes(),
            &revision,
        ];
        let mut data = Vec::with_capacity(fields.iter().map(|field| field.len() + 8).sum());
        for field in fields {
            data.extend_from_slice(&(field.len() as u64).to_be_bytes());
            data.extend_from_slice(field);
        }
        data
    }
}
