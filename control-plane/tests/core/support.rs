//! A database for each case, and things to put in it.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, Duration, Utc};
use e2e::postgres::Postgres;
use tempfile::TempDir;
use warder_control_plane::domain::{
    Change, Email, IdentityProvider, People, ProviderConfiguration, Provisioning, ResolveTo,
    Server, ServerAuth, ServerType, Team, TenantRole, Timeouts, TokenRecord, User, UserStatus,
    VirtualAccount,
};
use warder_control_plane::store::{
    Store, Tx, changes, identity_providers, servers, teams, users, virtual_accounts,
};
use warder_shared::clock::Clock;
use warder_shared::id::{IdentityProviderId, ServerId, TeamId, TokenId, UserId, VirtualAccountId};
use warder_shared::identity_provider::{Algorithm, IdentifyBy};
use warder_shared::name::Name;
use warder_shared::policy::ToolPolicy;
use warder_shared::principal::Principal;

/// When every case begins.
const START: i64 = 1_900_000_000;

/// A database of a case's own.
pub(crate) struct Scene {
    pub(crate) store: Store,
    pub(crate) time: Time,
    url: String,
    _folder: Option<TempDir>,
}

/// The time, moved by hand.
#[derive(Clone)]
pub(crate) struct Time(Arc<Mutex<DateTime<Utc>>>);

impl Scene {
    /// A scene on SQLite, without tables.
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("warder.db").display());
        Self::open(url, Some(folder)).await
    }

    /// A scene on PostgreSQL, without tables.
    pub(crate) async fn postgres(server: &Postgres) -> Self {
        Self::open(server.create_database().unwrap(), None).await
    }

    async fn open(url: String, folder: Option<TempDir>) -> Self {
        let time = Time(Arc::new(Mutex::new(
            DateTime::from_timestamp(START, 123_456_000).unwrap(),
        )));
        let store = Store::connect(&url, time.clock()).await.unwrap();
        Self {
            store,
            time,
            url,
            _folder: folder,
        }
    }

    /// The same scene with its tables.
    pub(crate) async fn with_tables(self) -> Self {
        self.store.migrate().await.unwrap();
        self
    }

    /// The same database, as another replica opens it.
    pub(crate) async fn replica(&self) -> Store {
        Store::connect(&self.url, self.time.clock()).await.unwrap()
    }

    /// Whether the database is one that replicas can share.
    pub(crate) fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres:")
    }

    /// Changes recorded after a version.
    pub(crate) async fn changes_since(&self, version: i64) -> Vec<Change> {
        let mut tx = self.store.begin_read().await.unwrap();
        changes::since(&mut tx, version, 1000)
            .await
            .unwrap()
            .unwrap()
    }

    /// The version of the last change.
    pub(crate) async fn version(&self) -> i64 {
        changes::current_version(&self.store).await.unwrap()
    }

    /// A user in the database.
    pub(crate) async fn user(&self, email: &str) -> User {
        let user = user(&self.time, email);
        let mut tx = self.store.begin().await.unwrap();
        users::insert(&mut tx, &user).await.unwrap();
        tx.commit().await.unwrap();
        user
    }

    /// A team in the database.
    pub(crate) async fn team(&self, name: &str) -> Team {
        let now = self.time.now();
        let id = TeamId::new(&self.time.clock());
        let display_name = format!("The team {name}");
        let team = Team {
            id,
            name: self::name(name),
            display_name,
            created_at: now,
            updated_at: now,
        };
        let mut tx = self.store.begin().await.unwrap();
        teams::insert(&mut tx, &team).await.unwrap();
        tx.commit().await.unwrap();
        team
    }

    /// A virtual account in the database.
    pub(crate) async fn virtual_account(&self, name: &str) -> VirtualAccount {
        let account = virtual_account(&self.time, name);
        let mut tx = self.store.begin().await.unwrap();
        virtual_accounts::insert(&mut tx, &account).await.unwrap();
        tx.commit().await.unwrap();
        account
    }

    /// An identity provider in the database, at `https://NAME.example`.
    pub(crate) async fn identity_provider(&self, name: &str) -> IdentityProvider {
        let provider = identity_provider(&self.time, name);
        let mut tx = self.store.begin().await.unwrap();
        identity_providers::insert(&mut tx, &provider)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        provider
    }

    /// A server in the database.
    pub(crate) async fn server(&self, name: &str) -> Server {
        let server = server(&self.time, name);
        let mut tx = self.store.begin().await.unwrap();
        servers::insert(&mut tx, &server).await.unwrap();
        tx.commit().await.unwrap();
        server
    }
}

impl Time {
    /// What time it is.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }

    /// Lets time pass.
    pub(crate) fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }

    /// A clock that shows it.
    pub(crate) fn clock(&self) -> Clock {
        let time = self.clone();
        Clock::from_fn(move || time.now())
    }
}

/// Commits without a vault: what was deleted was never sealed.
pub(crate) fn settle(tx: &mut Tx) {
    assert!(!tx.take_dropped_seals().is_empty());
}

/// A name.
pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// An address.
pub(crate) fn email(text: &str) -> Email {
    text.parse().unwrap()
}

/// A user who is nowhere yet.
pub(crate) fn user(time: &Time, email: &str) -> User {
    let now = time.now();
    User {
        id: UserId::new(&time.clock()),
        email: self::email(email),
        name: "Ada".to_owned(),
        roles: vec![TenantRole::Member],
        status: UserStatus::Active,
        created_at: now,
        updated_at: now,
    }
}

/// A virtual account that is nowhere yet.
pub(crate) fn virtual_account(time: &Time, name: &str) -> VirtualAccount {
    let (id, now) = (VirtualAccountId::new(&time.clock()), time.now());
    let description = "A service".to_owned();
    VirtualAccount {
        id,
        name: self::name(name),
        description,
        created_at: now,
        updated_at: now,
    }
}

/// An identity provider that is nowhere yet.
pub(crate) fn identity_provider(time: &Time, name: &str) -> IdentityProvider {
    let now = time.now();
    IdentityProvider {
        id: IdentityProviderId::new(&time.clock()),
        name: self::name(name),
        issuer: format!("https://{name}.example"),
        configuration: ProviderConfiguration {
            display_name: format!("The provider {name}"),
            audiences: vec!["https://gateway.example".to_owned()],
            jwks_uri: None,
            algorithms: Algorithm::DEFAULT.to_vec(),
            token_types: vec![Some("at+jwt".to_owned()), None],
            required_claims: [("realm/tenant".parse().unwrap(), vec!["t1".into()])].into(),
            resolve_to: ResolveTo::User(People {
                identify_by: IdentifyBy::Email,
                email_claim: "email".parse().unwrap(),
                team_claim: Some("groups".parse().unwrap()),
                provisioning: Provisioning::Jit,
                email_domains: [format!("{name}.example")].into(),
            }),
            login: None,
        },
        revision: 1,
        created_at: now,
        updated_at: now,
    }
}

/// A server that is nowhere yet.
pub(crate) fn server(time: &Time, name: &str) -> Server {
    let now = time.now();
    Server {
        id: ServerId::new(&time.clock()),
        name: self::name(name),
        server_type: ServerType::Remote,
        display_name: format!("The server {name}"),
        description: "“Ünïcode”\n\ttoo".to_owned(),
        url: "https://mcp.example:8443/mcp?x=1".parse().unwrap(),
        auth: ServerAuth::None,
        additional_header_names: Vec::new(),
        tool_policy: ToolPolicy::default(),
        prompts_enabled: true,
        resources_enabled: false,
        allow_header_override: true,
        ca_cert: None,
        timeouts: Timeouts::default(),
        revision: 1,
        created_by: None,
        created_at: now,
        updated_at: now,
    }
}

/// A token that is nowhere yet.
pub(crate) fn token(time: &Time, owner: Principal) -> TokenRecord {
    let now = time.now();
    TokenRecord {
        id: TokenId::new(&time.clock()),
        owner,
        name: "laptop".to_owned(),
        created_by: Some(owner),
        created_at: now,
        expires_at: now + Duration::days(1),
        retires_at: None,
        revoked_at: None,
    }
}
