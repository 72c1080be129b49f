//! A database with a sealed value in every place, and whoever may write to it.

use secrecy::SecretString;
use warder_control_plane::domain::{AuthOverride, SessionKeyRecord, SigningKeyRecord};
use warder_control_plane::store::vault_ledger::{self, Checkpoint, LedgerLine};
use warder_control_plane::store::{
    Sealed, Store, Tx, auth_overrides, identity_providers, sealed, servers, session_keys,
    signing_keys,
};
use warder_control_plane::vault::{Binding, RootKey, Vault, VaultError};
use warder_shared::id::{IdentityProviderId, OverrideId, ServerId};
use warder_shared::principal::Principal;

use crate::support::Scene;

pub(super) const PLACES: [&str; 6] = [
    "auth_overrides.secret",
    "identity_providers.client_secret",
    "mcp_servers.additional_headers",
    "mcp_servers.auth_secret",
    "session_keys.key",
    "signing_keys.private_key",
];

/// A database with one sealed value in every place.
pub(super) struct Sealing {
    pub(super) scene: Scene,
    pub(super) root_key: SecretString,
    pub(super) vault: Vault,
    pub(super) record: AuthOverride,
    pub(super) server: ServerId,
    pub(super) provider: IdentityProviderId,
}

/// A sealed value as its row holds it.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) binding: Binding,
    pub(super) bytes: Vec<u8>,
}

impl Sealing {
    pub(super) async fn new(scene: Scene) -> Self {
        let root_key = RootKey::generate().unwrap();
        let vault = open(&scene.store, &root_key).await.unwrap();
        let server = scene.server("github").await;
        let record = AuthOverride {
            id: OverrideId::new(&scene.time.clock()),
            server_id: server.id,
            subject: Principal::User(scene.user("ada@example.com").await.id),
            hints: [("KEY".to_owned(), String::new())].into(),
            origin: server.origin(),
            revision: 1,
            created_at: scene.time.now(),
            updated_at: scene.time.now(),
        };
        let server = server.id;
        let provider = scene.identity_provider("okta").await.id;
        Self {
            scene,
            root_key,
            vault,
            record,
            server,
            provider,
        }
    }

    /// The binding of the value of a place at its n-th writing.
    pub(super) fn binding(&self, place: &str, revision: i64) -> Binding {
        let (record, server) = (&self.record, self.server);
        match place {
            "auth_overrides.secret" => {
                let subject = record.subject;
                Binding::auth_override(record.id, server, subject, &record.origin, revision)
            }
            "mcp_servers.auth_secret" => Binding::server_auth(server, &record.origin, revision),
            "mcp_servers.additional_headers" => {
                Binding::server_additional_headers(server, &record.origin, revision)
            }
            "identity_providers.client_secret" => {
                let origin = "https://okta.example";
                Binding::identity_provider_client_secret(self.provider, origin, revision)
            }
            "session_keys.key" => Binding::session_key("session"),
            _ => Binding::signing_key("kid"),
        }
    }

    /// Seals a value and stores it, as the control plane does.
    pub(super) async fn write(&self, place: &str, revision: i64) -> Held {
        let binding = self.binding(place, revision);
        let text = format!("{place} {revision}");
        let mut tx = self.scene.store.begin().await.unwrap();
        let bytes = self.vault.seal(&mut tx, &binding, text.as_bytes()).await;
        let held = Held {
            binding,
            bytes: bytes.unwrap(),
        };
        self.put(&mut tx, &held).await;
        tx.commit().await.unwrap();
        held
    }

    /// Writes a row as whoever can write to the database may.
    pub(super) async fn put(&self, tx: &mut Tx, held: &Held) {
        let Held { binding, bytes } = held;
        let now = self.scene.time.now();
        let sealed = Sealed {
            bytes: bytes.clone(),
            origin: binding.origin.clone(),
            revision: binding.revision,
        };
        match binding.place().as_str() {
            "auth_overrides.secret" => {
                let record = AuthOverride {
                    revision: binding.revision,
                    ..self.record.clone()
                };
                auth_overrides::put(tx, &record, bytes).await.unwrap();
            }
            "mcp_servers.auth_secret" => {
                let written = servers::set_auth_secret(tx, self.server, Some(&sealed)).await;
                written.unwrap();
            }
            "mcp_servers.additional_headers" => {
                servers::set_additional_headers(tx, self.server, Some(&sealed))
                    .await
                    .unwrap();
            }
            "identity_providers.client_secret" => {
                identity_providers::set_client_secret(tx, self.provider, Some(&sealed))
                    .await
                    .unwrap();
            }
            "session_keys.key" => {
                if sealed::replace(tx, &binding.place(), &binding.row, bytes)
                    .await
                    .unwrap()
                {
                    return;
                }
                let key = SessionKeyRecord {
                    id: binding.row.clone(),
                    created_at: now,
                    active_from: now,
                    retired_at: Some(now),
                };
                session_keys::insert(tx, &key, bytes).await.unwrap();
            }
            _ => {
                if sealed::replace(tx, &binding.place(), &binding.row, bytes)
                    .await
                    .unwrap()
                {
                    return;
                }
                let key = SigningKeyRecord {
                    kid: binding.row.clone(),
                    algorithm: "EdDSA".to_owned(),
                    public_key: vec![1],
                    created_at: now,
                    active_from: now,
                    retired_at: Some(now),
                    verify_until: Some(now),
                };
                signing_keys::insert(tx, &key, bytes).await.unwrap();
            }
        }
    }

    pub(super) async fn put_back(&self, held: &Held) {
        let mut tx = self.scene.store.begin().await.unwrap();
        self.put(&mut tx, held).await;
        tx.commit().await.unwrap();
    }

    /// Deletes the row of a value, as the control plane does.
    pub(super) async fn delete(&self, place: &str) {
        let mut tx = self.scene.store.begin().await.unwrap();
        let later = self.scene.time.now() + chrono::Duration::days(1);
        match place {
            "auth_overrides.secret" => {
                let subject = self.record.subject;
                assert!(
                    auth_overrides::delete(&mut tx, self.server, subject)
                        .await
                        .unwrap()
                );
            }
            "mcp_servers.auth_secret" => {
                let deleted = servers::set_auth_secret(&mut tx, self.server, None).await;
                deleted.unwrap();
            }
            "mcp_servers.additional_headers" => {
                servers::set_additional_headers(&mut tx, self.server, None)
                    .await
                    .unwrap();
            }
            "identity_providers.client_secret" => {
                identity_providers::set_client_secret(&mut tx, self.provider, None)
                    .await
                    .unwrap();
            }
            "session_keys.key" => {
                let deleted = session_keys::delete_retired(&mut tx, later).await;
                assert_eq!(deleted.unwrap(), 1);
            }
            _ => {
                let deleted = signing_keys::delete_expired(&mut tx, later).await;
                assert_eq!(deleted.unwrap(), 1);
            }
        }
        self.vault.settle(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Deletes the override and does not tell the vault.
    pub(super) async fn delete_unsettled(&self) -> Tx {
        let mut tx = self.scene.store.begin().await.unwrap();
        let deleted = auth_overrides::delete(&mut tx, self.server, self.record.subject).await;
        assert!(deleted.unwrap());
        tx
    }

    /// What comes of opening a value: with the process that sealed it, one that was there before, and
    /// one that starts now.
    pub(super) async fn tried(
        &self,
        before: &Vault,
        held: &Held,
    ) -> Vec<Result<Vec<u8>, VaultError>> {
        let started = open(&self.scene.store, &self.root_key).await.unwrap();
        let mut opened = Vec::new();
        for vault in [&self.vault, before, &started] {
            opened.push(read(&self.scene.store, vault, held).await);
        }
        opened
    }

    pub(super) async fn checkpoint(&self) -> Checkpoint {
        let found = vault_ledger::checkpoint(&self.scene.store).await;
        found.unwrap().unwrap()
    }

    pub(super) async fn line(&self, held: &Held) -> LedgerLine {
        let lines = vault_ledger::since(&self.scene.store, 0).await.unwrap();
        let is_of =
            |line: &LedgerLine| line.place == held.binding.place() && line.row == held.binding.row;
        lines.into_iter().find(is_of).unwrap()
    }
}

pub(super) async fn open(store: &Store, root_key: &SecretString) -> Result<Vault, VaultError> {
    Vault::open(store.clone(), RootKey::parse(root_key).unwrap()).await
}

pub(super) async fn read(store: &Store, vault: &Vault, held: &Held) -> Result<Vec<u8>, VaultError> {
    let mut tx = store.begin_read().await.unwrap();
    let opened = vault.open_value(&mut tx, &held.binding, &held.bytes).await;
    opened.map(|bytes| bytes.to_vec())
}

pub(super) fn is_put_back(opened: &[Result<Vec<u8>, VaultError>], place: &str) -> bool {
    opened
        .iter()
        .all(|opened| matches!(opened, Err(VaultError::PutBack { place: named }) if named == place))
}
