//! The control plane as a process: its parts, made once and wired here.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use axum::Router;
use prometheus_client::registry::Registry;
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{
    service::Routes,
    transport::{Identity, Server, ServerTlsConfig, server::TcpIncoming},
};
use warder_shared::{
    admin,
    clock::Clock,
    config::BoundAddresses,
    egress::EgressRules,
    readiness::Readiness,
    secret::read_secret_file,
    serve::{self, Drain},
};

use crate::{
    accept::TrustedProxies,
    config::Config,
    grpc, jobs, router,
    service::{
        Services,
        feed::{Feed, FeedMetrics},
        keys::{KeySettings, Keys},
        nodes::Nodes,
        resolve::{ResolveLimit, Resolver},
    },
    store::Store,
    vault::{RootKey, Vault},
};

/// A control plane that listens but does not serve yet.
pub struct App {
    services: Services,
    feed: Feed,
    routes: Routes,
    tls: Option<ServerTlsConfig>,
    http: TcpListener,
    grpc: TcpListener,
    admin: TcpListener,
    audit_retention: chrono::Duration,
    registry: Registry,
    drain: Drain,
    proxies: TrustedProxies,
}

/// Opens the database and brings its schema up to date.
///
/// # Errors
/// When it cannot be reached, or is newer than this program.
pub async fn migrate(config: &Config, clock: Clock) -> anyhow::Result<Store> {
    let store = Store::connect(config.database_url.expose_secret(), clock)
        .await
        .context("WARDER_DATABASE_URL")?;
    store.migrate().await.context("the database's schema")?;
    Ok(store)
}

/// The vault's root key.
///
/// # Errors
/// When there is none, in one line.
pub fn root_key(config: &Config) -> anyhow::Result<RootKey> {
    let path = config
        .root_key_file
        .as_deref()
        .context("WARDER_ROOT_KEY_FILE is needed: it holds the vault's root key")?;
    read_root_key(path).context("WARDER_ROOT_KEY_FILE")
}

/// Reads a root key file.
///
/// # Errors
/// When it cannot be read or holds something else.
pub fn read_root_key(path: &Path) -> anyhow::Result<RootKey> {
    Ok(RootKey::parse(&read_secret_file(path)?)?)
}

/// The parts that use cases work with.
///
/// # Errors
/// What is wrong with the configuration, the database or the root key, in one line.
pub async fn services(config: &Config, clock: Clock) -> anyhow::Result<Services> {
    let root_key = root_key(config)?;
    let store = migrate(config, clock).await?;
    let vault = Vault::open(store.clone(), root_key)
        .await
        .context("the vault")?;
    let settings = KeySettings {
        issuer: config.public_url.clone(),
        audience: config.gateway_url.clone(),
        rotation: chrono::Duration::from_std(config.signing_key_rotation)
            .context("WARDER_SIGNING_KEY_ROTATION")?,
    };
    let keys = Keys::open(store.clone(), vault.clone(), settings)
        .await
        .context("the signing keys")?;
    Ok(Services::new(
        store,
        vault,
        keys,
        EgressRules::new(config.egress_allow.iter().copied()),
    )
    .requiring_resource(config.oauth_require_resource))
}

impl App {
    /// Makes every part and binds every listener, before anything starts.
    ///
    /// # Errors
    /// What is wrong with the configuration, the database or the machine, in one line.
    pub async fn build(config: &Config, clock: Clock) -> anyhow::Result<Self> {
        config.validate()?;
        let secrets = config
            .node_token_file
            .as_deref()
            .context("WARDER_NODE_TOKEN_FILE is needed: pods enroll with a secret from it")?;
        let secrets = read_secret_file(secrets).context("WARDER_NODE_TOKEN_FILE")?;
        let tls = match (&config.grpc_tls_cert_file, &config.grpc_tls_key_file) {
            (Some(cert), Some(key)) => Some(server_tls(cert, key)?),
            _ => None,
        };
        let services = services(config, clock).await?;
        let nodes =
            Nodes::new(&secrets, services.keys.clone()).context("WARDER_NODE_TOKEN_FILE")?;
        let mut registry = Registry::with_prefix("warder_control_plane");
        let metrics = FeedMetrics::default();
        metrics.register(&mut registry);
        let feed = Feed::open(services.store.clone(), services.keys.clone(), metrics)
            .await
            .context("the change feed")?;
        let resolver = Resolver::new(services.store.clone(), services.vault.clone(), feed.clone());
        let limit = ResolveLimit::new(config.resolve_rate, config.resolve_burst);
        limit.register(&mut registry);
        let drain = Drain::new(config.drain_timeout);
        let routes = grpc::routes(grpc::Parts {
            store: services.store.clone(),
            nodes,
            feed: feed.clone(),
            resolver,
            provider_keys: services.provider_keys.clone(),
            limit,
            shutdown: drain.started.clone(),
        });
        let bind = async |name: &'static str, address| {
            TcpListener::bind(address)
                .await
                .with_context(|| format!("{name}: cannot listen on {address}"))
        };
        let app = Self {
            services,
            feed,
            routes,
            tls,
            http: bind("WARDER_HTTP_ADDR", config.http_addr).await?,
            grpc: bind("WARDER_GRPC_ADDR", config.grpc_addr).await?,
            admin: bind("WARDER_ADMIN_ADDR", config.admin_addr).await?,
            audit_retention: chrono::Duration::from_std(config.audit_retention)
                .context("WARDER_AUDIT_RETENTION")?,
            registry,
            drain,
            proxies: TrustedProxies::new(config.trusted_proxies.iter().copied()),
        };
        if let Some(path) = &config.addresses_file {
            app.addresses()?
                .write_to(path)
                .with_context(|| format!("WARDER_ADDRESSES_FILE: {}", path.display()))?;
        }
        Ok(app)
    }

    /// Where the process listens.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn addresses(&self) -> anyhow::Result<BoundAddresses> {
        Ok(BoundAddresses {
            http: self.http.local_addr()?,
            grpc: Some(self.grpc.local_addr()?),
            admin: self.admin.local_addr()?,
        })
    }

    /// The REST API, for whoever runs it in the same process.
    pub fn rest(&self) -> Router {
        router::build(self.services.clone(), self.proxies.clone())
    }

    /// The parts that use cases work with.
    #[must_use]
    pub const fn services(&self) -> &Services {
        &self.services
    }

    /// What starts the drain; hand it to signals or to whoever ends this process.
    #[must_use]
    pub fn drain(&self) -> Drain {
        self.drain.clone()
    }

    /// Serves until the drain starts, lets requests finish, and ends.
    ///
    /// # Errors
    /// When the gRPC listener fails.
    pub async fn run(self) -> anyhow::Result<()> {
        let rest = self.rest();
        let Self {
            services,
            feed,
            routes,
            tls,
            http,
            grpc,
            admin,
            audit_retention,
            registry,
            drain,
            proxies: _,
        } = self;
        let (readiness, tasks) = (Readiness::default(), TaskTracker::new());
        let stop_admin = Drain::new(std::time::Duration::from_secs(1));
        tasks.spawn(feed.clone().run(drain.started.clone()));
        tasks.spawn(follow_database(
            feed,
            readiness.clone(),
            drain.started.clone(),
        ));
        tasks.spawn(jobs::read_provider_keys(
            services.clone(),
            drain.started.clone(),
        ));
        tasks.spawn(jobs::run(services, audit_retention, drain.started.clone()));
        let admin_router = admin::router(readiness.clone(), Arc::new(registry));
        let stopping = stop_admin.clone();
        tasks.spawn(async move { serve::serve_router(admin, admin_router, &stopping).await });
        let draining = drain.started.clone();
        tasks.spawn(async move {
            draining.cancelled().await;
            readiness.set("draining", false);
        });
        let mut server = Server::builder()
            .http2_keepalive_interval(Some(std::time::Duration::from_secs(10)))
            .http2_keepalive_timeout(Some(std::time::Duration::from_secs(5)));
        if let Some(tls) = tls {
            server = server.tls_config(tls).context("the certificate for pods")?;
        }
        let incoming = TcpIncoming::from(grpc).with_nodelay(Some(true));
        let pods = server
            .add_routes(routes)
            .serve_with_incoming_shutdown(incoming, drain.started.clone().cancelled_owned());
        tracing::info!("serving");
        let (pods, ()) = tokio::join!(pods, serve::serve_router(http, rest, &drain));
        drain.started.cancel();
        stop_admin.started.cancel();
        tasks.close();
        tasks.wait().await;
        tracing::info!("ended");
        pods.context("the gRPC listener")
    }
}

/// Ready while the feed hears the database, which it asks every few seconds.
async fn follow_database(feed: Feed, readiness: Readiness, shutdown: CancellationToken) {
    let mut interval = tokio::time::interval(std::time::Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = interval.tick() => readiness.set("database", feed.is_current()),
            () = shutdown.cancelled() => return,
        }
    }
}

fn server_tls(cert: &Path, key: &Path) -> anyhow::Result<ServerTlsConfig> {
    let cert = std::fs::read(cert)
        .with_context(|| format!("WARDER_GRPC_TLS_CERT_FILE: {}", cert.display()))?;
    let key = read_secret_file(key).context("WARDER_GRPC_TLS_KEY_FILE")?;
    Ok(ServerTlsConfig::new().identity(Identity::from_pem(cert, key.expose_secret())))
}
