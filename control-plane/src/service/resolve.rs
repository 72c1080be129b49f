//! Which credential a caller's request to a server carries.
//!
//! The pod presents the caller's own token. It is verified and authorized here again, so a pod opens
//! nothing that the callers it serves could not have (T62).
//!
//! **Invariant:** a credential is handed out together with the one origin that it was entered for, and
//! only while that is the server's origin.

mod compose;
mod limit;

use warder_shared::id::ServerId;
use warder_shared::snapshot::{Caller, NotAdmitted};
use warder_shared::token::TokenError;

pub use self::compose::Resolution;
pub use self::limit::{ResolveLimit, TooMany};

use self::compose::Secrets;
use super::feed::Feed;
use crate::domain::secrets::MalformedSecrets;
use crate::domain::{SecretMap, Server};
use crate::store::auth_overrides::SealedOverride;
use crate::store::{Sealed, Store, StoreError, Tx, auth_overrides, servers};
use crate::vault::{Binding, Vault, VaultError};

/// Resolves credentials. Clones share everything.
#[derive(Debug, Clone)]
pub struct Resolver {
    store: Store,
    vault: Vault,
    feed: Feed,
}

/// Why there is no credential.
#[derive(Debug, thiserror::Error)]
pub enum ResolveFailure {
    /// The caller's token is not one.
    #[error("the caller's token is not valid: {0}")]
    Token(#[from] TokenError),
    /// The caller's token is one, but is not accepted (any more).
    #[error("the caller is not admitted: {0}")]
    Caller(#[from] NotAdmitted),
    /// There is no such server, as far as this caller may know.
    #[error("the caller has no such server")]
    NoSuchServer,
    /// The server moved to another origin since its secrets were entered.
    #[error("the stored {0} were entered for another origin and have to be entered again")]
    Quarantined(&'static str),
    /// The vault failed, or refused.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// An opened value is not what it should be.
    #[error(transparent)]
    Malformed(#[from] MalformedSecrets),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Resolver {
    /// A resolver on these parts.
    #[must_use]
    pub fn new(store: Store, vault: Vault, feed: Feed) -> Self {
        Self { store, vault, feed }
    }

    /// The credential for the holder of a token at a server, or what they have to enter first.
    ///
    /// # Errors
    /// See [`ResolveFailure`].
    pub async fn resolve(
        &self,
        caller_token: &str,
        server_id: ServerId,
    ) -> Result<Resolution, ResolveFailure> {
        let caller = match self.permitted(caller_token, server_id) {
            // The pod may have heard of a key, of somebody or of a server that this replica has not heard of yet.
            Err(refusal) => match self.feed.refresh().await {
                Ok(()) => self.permitted(caller_token, server_id)?,
                Err(_) => return Err(refusal),
            },
            Ok(caller) => caller,
        };

        let mut tx = self.store.begin_read().await?;
        let server = servers::find(&mut tx, server_id)
            .await?
            .ok_or(ResolveFailure::NoSuchServer)?;
        let sealed = servers::secrets(&mut tx, server_id)
            .await?
            .unwrap_or_default();
        let own = auth_overrides::find_sealed(&mut tx, server_id, caller.principal).await?;

        let quarantined = own
            .as_ref()
            .filter(|own| own.record.origin != server.origin());
        let missing = quarantined.map(|own| own.record.hints.keys().cloned().collect());
        let secrets = Secrets {
            shared: self
                .open_server(&mut tx, &server, sealed.auth, SHARED)
                .await?,
            additional: self
                .open_server(&mut tx, &server, sealed.additional_headers, ADDITIONAL)
                .await?,
            own: self
                .open_override(&mut tx, own.filter(|_| missing.is_none()))
                .await?,
        };
        drop(tx);
        let resolution = compose::compose(&server, &secrets);
        Ok(match missing {
            None => resolution,
            // Falling back to what everybody has would act as somebody else than the caller chose.
            Some(missing) => Resolution {
                auth: SecretMap::new(),
                missing,
                ..resolution
            },
        })
    }

    /// The holder of a token, if they may use a server, as far as is known here.
    fn permitted(&self, token: &str, server: ServerId) -> Result<Caller, ResolveFailure> {
        let snapshot = self.feed.snapshot();
        let known = snapshot.server_by_id(server);
        let name = known.map_or("", |known| known.name.as_str());
        let verified = snapshot.verify(token, name, self.store.clock().now())?;
        let caller = snapshot.admit(&verified.proof)?;
        let access = known.and_then(|known| known.policy.access(caller.principal, &caller.teams));
        match access {
            Some(_) => Ok(caller),
            None => Err(ResolveFailure::NoSuchServer),
        }
    }

    async fn open_server(
        &self,
        tx: &mut Tx,
        server: &Server,
        sealed: Option<Sealed>,
        column: Column,
    ) -> Result<SecretMap, ResolveFailure> {
        let Some(sealed) = sealed else {
            return Ok(SecretMap::new());
        };
        if sealed.origin != server.origin() {
            return Err(ResolveFailure::Quarantined(column.words));
        }
        let binding = (column.binding)(server.id, &sealed.origin, sealed.revision);
        let opened = self.vault.open_value(tx, &binding, &sealed.bytes).await?;
        Ok(SecretMap::from_bytes(&opened)?)
    }

    async fn open_override(
        &self,
        tx: &mut Tx,
        own: Option<SealedOverride>,
    ) -> Result<Option<SecretMap>, ResolveFailure> {
        let Some(SealedOverride {
            record,
            sealed_values,
        }) = own
        else {
            return Ok(None);
        };
        let (id, server, subject) = (record.id, record.server_id, record.subject);
        let binding = Binding::auth_override(id, server, subject, &record.origin, record.revision);
        let opened = self.vault.open_value(tx, &binding, &sealed_values).await?;
        Ok(Some(SecretMap::from_bytes(&opened)?))
    }
}

/// One of the two sealed columns of a server.
struct Column {
    words: &'static str,
    binding: fn(ServerId, &str, i64) -> Binding,
}

const SHARED: Column = Column {
    words: "shared headers",
    binding: Binding::server_auth,
};

const ADDITIONAL: Column = Column {
    words: "additional headers",
    binding: Binding::server_additional_headers,
};
