//! A pod: its parts, made once and wired here.

use std::sync::Arc;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use warder_shared::{
    admin,
    clock::Clock,
    config::BoundAddresses,
    egress::EgressRules,
    id::ServerId,
    principal::Principal,
    readiness::{Pending, Readiness},
    secret::read_secret_file,
    serve::{self, Drain},
    snapshot::Snapshot,
};

use crate::{
    accept::{Gate, RequestIds, guarded_io::GuardedIo},
    audit::{self, Audit},
    authenticate::{Authenticator, Newcomers},
    authorize::Judge,
    config::Config,
    forward::{Forwarder, Streams, Upstreams},
    link::{Link, LinkConfig},
    mcp::parameters::Parameters,
    metrics::Metrics,
    pipeline::{self, Gateway},
    resolve::{Credentials, Vault},
    sync::{self, Dependents, Follower, Journal, Live},
};

/// What calls have left behind that a change may reach: credentials first, then the streams that use them.
struct Held {
    credentials: Arc<Credentials>,
    streams: Arc<Streams>,
}

impl Dependents for Held {
    fn credential_changed(&self, server: ServerId, principal: Option<Principal>) {
        self.credentials.invalidate(server, principal);
        self.streams.credential_changed(server, principal);
    }

    fn credentials_unknown(&self) {
        self.credentials.invalidate_all();
        self.streams.credentials_unknown();
    }

    fn review(&self, snapshot: &Snapshot, now: DateTime<Utc>) {
        self.streams.review(snapshot, now);
    }

    fn too_old(&self) {
        self.streams.end_all();
    }
}

/// A pod that listens but does not serve yet.
pub struct App {
    gateway: Arc<Gateway>,
    follower: Follower<Held>,
    journal: Option<Journal>,
    http: TcpListener,
    admin: TcpListener,
    registry: prometheus_client::registry::Registry,
    link: Arc<Link>,
    streams: Arc<Streams>,
    ready: Option<Pending>,
    readiness: Readiness,
    drain: Drain,
}

impl App {
    /// Makes every part and binds every listener, before anything starts.
    ///
    /// # Errors
    /// What is wrong with the configuration or the machine, in one line.
    pub async fn build(config: &Config, clock: Clock) -> anyhow::Result<Self> {
        config.validate()?;
        let enrollment_secret =
            read_secret_file(&config.node_token_file).context("WARDER_NODE_TOKEN_FILE")?;
        let read = |path: &std::path::PathBuf| {
            std::fs::read_to_string(path)
                .with_context(|| format!("WARDER_CONTROL_PLANE_CA_FILE: {}", path.display()))
        };
        let link = LinkConfig {
            url: config.control_plane_grpc_url.clone(),
            ca_cert: config
                .control_plane_ca_file
                .as_ref()
                .map(read)
                .transpose()?,
            node: config.node(),
            enrollment_secret: enrollment_secret.clone(),
        };
        let link = Arc::new(
            Link::new(link, clock.clone()).context("the connection to the control plane")?,
        );
        let (metrics, registry) = Metrics::new();
        let live = Arc::new(Live::new(config.max_stale));
        let streams = Arc::new(Streams::new(metrics.clone()));
        let credentials = Arc::new(Credentials::new(
            Vault::new(link.clone(), clock.clone()),
            metrics.clone(),
        ));
        let mut journal = match &config.state_dir {
            Some(directory) => Some(
                Journal::new(directory, enrollment_secret)
                    .with_context(|| format!("WARDER_STATE_DIR: {}", directory.display()))?,
            ),
            None => None,
        };
        let restored = journal
            .as_mut()
            .is_some_and(|journal| sync::restore(&live, journal, &clock));
        let readiness = Readiness::default();
        let ready = (!restored).then(|| readiness.wait_for("snapshot"));
        let parameters = Arc::new(Parameters::new());
        let forwarder = Forwarder {
            parameters: parameters.clone(),
            upstreams: Upstreams::new(EgressRules::new(config.egress_allow.iter().copied()))?,
            live: live.clone(),
            streams: streams.clone(),
            clock: clock.clone(),
        };
        let follower = Follower {
            live: live.clone(),
            dependents: Arc::new(Held {
                credentials: credentials.clone(),
                streams: streams.clone(),
            }),
            link: link.clone(),
            metrics: metrics.clone(),
            clock: clock.clone(),
        };
        let gateway = Arc::new(Gateway {
            url: config.gateway_url.clone(),
            gate: Gate::new(
                &config.gateway_url,
                &config.allowed_hosts,
                &config.allowed_origins,
            ),
            ids: RequestIds::new()?,
            callers: Authenticator::new(live.clone(), Newcomers::new(link.clone(), live.clone())),
            live: live.clone(),
            judge: Judge {
                live,
                max_body: config.max_body_size,
                parameters,
            },
            credentials,
            forwarder,
            audit: Audit::new(metrics),
            clock,
        });
        let http = TcpListener::bind(config.http_addr)
            .await
            .with_context(|| format!("WARDER_HTTP_ADDR: cannot listen on {}", config.http_addr))?;
        let admin = TcpListener::bind(config.admin_addr)
            .await
            .with_context(|| {
                format!("WARDER_ADMIN_ADDR: cannot listen on {}", config.admin_addr)
            })?;
        let app = Self {
            gateway,
            follower,
            journal,
            http,
            admin,
            registry,
            link,
            streams,
            ready,
            readiness,
            drain: Drain::new(config.drain_timeout),
        };
        if let Some(path) = &config.addresses_file {
            app.addresses()?
                .write_to(path)
                .with_context(|| format!("WARDER_ADDRESSES_FILE: {}", path.display()))?;
        }
        Ok(app)
    }

    /// Where the pod listens.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn addresses(&self) -> anyhow::Result<BoundAddresses> {
        Ok(BoundAddresses {
            http: self.http.local_addr()?,
            grpc: None,
            admin: self.admin.local_addr()?,
        })
    }

    /// What the pod still waits for.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// What starts the drain; hand it to signals or to whoever ends this pod.
    #[must_use]
    pub fn drain(&self) -> Drain {
        self.drain.clone()
    }

    /// Serves until the drain starts, lets calls finish, and ends.
    pub async fn run(self) {
        let Self {
            gateway,
            follower,
            journal,
            http,
            admin,
            registry,
            link,
            streams,
            ready,
            readiness,
            drain,
        } = self;
        let tasks = TaskTracker::new();
        let (stop, stop_admin) = (
            CancellationToken::new(),
            Drain::new(std::time::Duration::from_secs(1)),
        );
        tasks.spawn(Follower::keep_reviewing(
            follower.live.clone(),
            follower.dependents.clone(),
            follower.clock.clone(),
            stop.clone(),
        ));
        tasks.spawn(follower.follow(journal, ready, stop.clone()));
        tasks.spawn(audit::report(
            gateway.audit.queue(),
            link.clone(),
            stop.clone(),
        ));
        let admin_router = admin::router(readiness.clone(), Arc::new(registry));
        let stopping = stop_admin.clone();
        tasks.spawn(async move { serve::serve_router(admin, admin_router, &stopping).await });
        let (draining, ended, timeout) = (drain.started.clone(), stop.clone(), drain.timeout);
        tasks.spawn(async move {
            draining.cancelled().await;
            readiness.set("draining", false);
            streams.end_listening();
            // Who still waits for an answer then is told, while there is time to tell.
            tokio::select! {
                () = tokio::time::sleep(most_of(timeout)) => streams.end_all(),
                () = ended.cancelled() => {}
            }
        });
        tracing::info!(node = link.node(), "serving");
        serve::serve(
            http,
            serve::connection_builder(None),
            &drain,
            |stream, _| {
                let (io, connection) = GuardedIo::new(stream);
                let gateway = gateway.clone();
                let service = service_fn(move |request| {
                    let (gateway, connection) = (gateway.clone(), connection.clone());
                    async move { Ok(pipeline::handle(&gateway, &connection, request).await) }
                });
                (TokioIo::new(io), service)
            },
        )
        .await;
        stop.cancel();
        stop_admin.started.cancel();
        tasks.close();
        tasks.wait().await;
        tracing::info!("ended");
    }
}

/// All of the drain but a tenth.
fn most_of(timeout: std::time::Duration) -> std::time::Duration {
    timeout - timeout / 10
}
