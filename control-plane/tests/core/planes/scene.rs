//! A control plane without its REST API.

use chrono::Duration;
use secrecy::{ExposeSecret as _, SecretString};
use warder_control_plane::domain::{AuthOverride, Collaborator, SecretMap, Server, TokenRecord};
use warder_control_plane::service::feed::{Feed, FeedMetrics};
use warder_control_plane::service::keys::{KeySettings, Keys};
use warder_control_plane::service::nodes::Nodes;
use warder_control_plane::service::resolve::Resolver;
use warder_control_plane::service::tokens::{self, NewToken};
use warder_control_plane::store::{self, Sealed, Tx, auth_overrides, collaborators, servers};
use warder_control_plane::vault::{Binding, RootKey, Vault};
use warder_shared::id::OverrideId;
use warder_shared::policy::{Grant, Role};
use warder_shared::principal::{Principal, Subject};

use crate::support::Scene;

/// `iss` of every token.
pub(crate) const ISSUER: &str = "https://control.example";

/// `aud` of every gateway token.
pub(crate) const AUDIENCE: &str = "https://gateway.example";

/// What pods enroll with.
pub(crate) const ENROLLMENT_SECRET: &str = "an enrollment secret that is long enough";

/// How long keys are used.
pub(crate) const ROTATION: Duration = Duration::days(30);

/// Everything that serves pods, on a database of its own.
pub(crate) struct Plane {
    pub(crate) scene: Scene,
    pub(crate) vault: Vault,
    pub(crate) keys: Keys,
    pub(crate) feed: Feed,
    pub(crate) nodes: Nodes,
    pub(crate) resolver: Resolver,
    root_key: SecretString,
}

impl Plane {
    pub(crate) async fn new() -> Self {
        let scene = Scene::sqlite().await.with_tables().await;
        let root_key = RootKey::generate().unwrap();
        let vault = Vault::open(scene.store.clone(), RootKey::parse(&root_key).unwrap())
            .await
            .unwrap();
        let keys = Keys::open(scene.store.clone(), vault.clone(), settings())
            .await
            .unwrap();
        let metrics = FeedMetrics::default();
        let feed = Feed::open(scene.store.clone(), keys.clone(), metrics)
            .await
            .unwrap();
        let nodes = Nodes::new(&SecretString::from(ENROLLMENT_SECRET), keys.clone()).unwrap();
        let resolver = Resolver::new(scene.store.clone(), vault.clone(), feed.clone());
        Self {
            scene,
            vault,
            keys,
            feed,
            nodes,
            resolver,
            root_key,
        }
    }

    /// The same keys, as a control plane that starts again finds them.
    pub(crate) async fn keys_after_a_restart(&self) -> Keys {
        let root_key = RootKey::parse(&self.root_key).unwrap();
        let vault = Vault::open(self.scene.store.clone(), root_key)
            .await
            .unwrap();
        Keys::open(self.scene.store.clone(), vault, settings())
            .await
            .unwrap()
    }

    /// A transaction that changes something.
    pub(crate) async fn begin(&self) -> Tx {
        self.scene.store.begin().await.unwrap()
    }

    /// Commits, and lets the feed hear of it.
    pub(crate) async fn commit(&self, tx: Tx) {
        tx.commit().await.unwrap();
        self.feed.refresh().await.unwrap();
    }

    /// A token that lives for a day.
    pub(crate) async fn token(&self, owner: Principal) -> (TokenRecord, String) {
        let mut tx = self.begin().await;
        let new = NewToken {
            owner,
            name: "laptop".to_owned(),
            created_by: Some(owner),
            lifetime: Duration::days(1),
        };
        let (record, token) = tokens::mint(&self.keys, &mut tx, new).await.unwrap();
        self.commit(tx).await;
        (record, token.expose_secret().to_owned())
    }

    /// A user, known to the feed.
    pub(crate) async fn user(&self, email: &str) -> Principal {
        let user = self.scene.user(email).await;
        self.feed.refresh().await.unwrap();
        Principal::User(user.id)
    }

    /// Lets someone use a server.
    pub(crate) async fn permit(&self, server: &Server, subject: impl Into<Subject>) {
        let subject = subject.into();
        let grant = Grant {
            subject,
            role: Role::User,
            tools: None,
            deny_tools: Vec::new(),
        };
        let mut tx = self.begin().await;
        let rule = Collaborator {
            server_id: server.id,
            grant,
        };
        collaborators::put(&mut tx, &rule).await.unwrap();
        self.commit(tx).await;
    }

    /// Gives a server the values of its shared headers.
    pub(crate) async fn share(&self, server: &Server, values: &[(&str, &str)]) {
        let (origin, revision) = (server.origin(), server.revision);
        let binding = Binding::server_auth(server.id, &origin, revision);
        let mut tx = self.begin().await;
        let bytes = self
            .vault
            .seal(&mut tx, &binding, &map(values).to_bytes())
            .await
            .unwrap();
        let sealed = Sealed {
            bytes,
            origin,
            revision,
        };
        servers::set_auth_secret(&mut tx, server.id, Some(&sealed))
            .await
            .unwrap();
        self.commit(tx).await;
    }

    /// Gives a server the values of its additional headers.
    pub(crate) async fn add_headers(&self, server: &Server, values: &[(&str, &str)]) {
        let (origin, revision) = (server.origin(), server.revision);
        let binding = Binding::server_additional_headers(server.id, &origin, revision);
        let mut tx = self.begin().await;
        let bytes = self
            .vault
            .seal(&mut tx, &binding, &map(values).to_bytes())
            .await
            .unwrap();
        let sealed = Sealed {
            bytes,
            origin,
            revision,
        };
        servers::set_additional_headers(&mut tx, server.id, Some(&sealed))
            .await
            .unwrap();
        self.commit(tx).await;
    }

    /// Gives someone values of their own for a server.
    pub(crate) async fn enter(&self, server: &Server, subject: Principal, values: &[(&str, &str)]) {
        let (now, values) = (self.scene.time.now(), map(values));
        let record = AuthOverride {
            id: OverrideId::new(&self.scene.time.clock()),
            server_id: server.id,
            subject,
            hints: values.hints(),
            origin: server.origin(),
            revision: 1,
            created_at: now,
            updated_at: now,
        };
        let binding = Binding::auth_override(record.id, server.id, subject, &record.origin, 1);
        let mut tx = self.begin().await;
        let sealed = self
            .vault
            .seal(&mut tx, &binding, &values.to_bytes())
            .await
            .unwrap();
        auth_overrides::put(&mut tx, &record, &sealed)
            .await
            .unwrap();
        self.commit(tx).await;
    }

    /// Writes a changed server.
    pub(crate) async fn update(&self, server: &Server) {
        let mut tx = self.begin().await;
        assert!(servers::update(&mut tx, server).await.unwrap());
        self.commit(tx).await;
    }

    /// A new server.
    pub(crate) async fn insert(&self, server: &Server) {
        let mut tx = self.begin().await;
        servers::insert(&mut tx, server).await.unwrap();
        self.commit(tx).await;
    }

    /// Revokes a token.
    pub(crate) async fn revoke(&self, token: &TokenRecord) {
        let mut tx = self.begin().await;
        assert!(store::tokens::revoke(&mut tx, token.id).await.unwrap());
        self.commit(tx).await;
    }
}

fn settings() -> KeySettings {
    KeySettings {
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        rotation: ROTATION,
    }
}

fn map(values: &[(&str, &str)]) -> SecretMap {
    values
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}
