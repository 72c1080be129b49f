//! `warder dev`: both planes in one process, ready to be called.

mod api;
mod banner;
mod data_dir;
mod demo;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::Context as _;
use ipnet::IpNet;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::net::TcpListener;
use warder_control_plane as control_plane;
use warder_data_plane as data_plane;
use warder_shared::{
    clock::Clock,
    serve::Drain,
    telemetry::{self, LogFormat},
};

use self::{
    banner::Summary,
    data_dir::{DataDir, Ports},
};

/// Options of `warder dev`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Where the state is kept: database, root key, token. Made when it is not there.
    #[arg(long, default_value = ".warder")]
    data_dir: PathBuf,

    /// File to which the addresses and the token are written, as JSON, once everything is ready.
    #[arg(long)]
    state_file: Option<PathBuf>,

    /// Also start a demo MCP server and register it.
    #[arg(long)]
    demo: bool,

    /// Address of the administrator.
    #[arg(long, default_value = "admin@example.com")]
    admin_email: String,

    /// Port of the REST API; 0: any.
    #[arg(long, default_value_t = 7080)]
    control_plane_port: u16,

    /// Port on which pods are served; 0: any.
    #[arg(long, default_value_t = 7081)]
    grpc_port: u16,

    /// Port of the gateway; 0: any.
    #[arg(long, default_value_t = 7090)]
    gateway_port: u16,

    /// What is logged, in the syntax of `RUST_LOG`.
    #[arg(long, env = "WARDER_LOG", default_value = "warn")]
    log: String,
}

/// Runs until it is interrupted.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    telemetry::init(&options.log, LogFormat::Text)?;
    let clock = Clock::system();
    let directory = DataDir::open(&options.data_dir)?;
    let wanted = Ports {
        control_plane: options.control_plane_port,
        grpc: options.grpc_port,
        gateway: options.gateway_port,
        demo: 0,
    };
    let ports = directory.ports(wanted).await?;
    let control_plane =
        control_plane::app::App::build(&control_plane_config(&directory, ports)?, clock.clone())
            .await?;
    let gateway = data_plane::app::App::build(&gateway_config(&directory, ports)?, clock).await?;
    let (control_drain, gateway_drain, ready) =
        (control_plane.drain(), gateway.drain(), gateway.readiness());
    let interrupted = Drain::new(Duration::ZERO);
    interrupted.on_signals()?;

    let token = api::administrator(&control_plane, &directory, &options.admin_email).await?;
    api::first_password(&control_plane, &directory, &options.admin_email).await?;
    let addresses = control_plane.addresses()?;
    let mut demo_server = None;
    if options.demo {
        let listener = TcpListener::bind(loopback(ports.demo))
            .await
            .context("the demo server's port")?;
        let url = demo::url(&listener)?;
        api::register_demo(&control_plane, &token, &url).await?;
        tokio::spawn(demo::serve(listener, interrupted.started.clone()));
        demo_server = Some(url);
    }
    let control_plane = tokio::spawn(control_plane.run());
    let serving = tokio::spawn(gateway.run());
    while !ready.missing().is_empty() && !interrupted.started.is_cancelled() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let summary = Summary {
        control_plane_url: directory.control_plane_url(ports),
        gateway_url: directory.gateway_url(ports),
        grpc_url: format!("http://{}", addresses.grpc.unwrap_or(addresses.http)),
        admin_email: options.admin_email,
        admin_token: token.expose_secret().to_owned(),
        admin_token_file: directory.token_file(),
        sign_in_url: format!("{}/login", directory.control_plane_url(ports)),
        admin_password: directory.password()?.expose_secret().to_owned(),
        admin_password_file: directory.password_file(),
        demo_server: demo_server.as_ref().map(|_| demo::NAME.to_owned()),
        demo_server_url: demo_server,
        pids: banner::Pids {
            warder: std::process::id(),
        },
    };
    if let Some(path) = &options.state_file {
        summary
            .write_to(path)
            .with_context(|| format!("--state-file {}", path.display()))?;
    }
    summary.print()?;

    interrupted.started.cancelled().await;
    // The gateway first: its last audit events still find a control plane.
    gateway_drain.started.cancel();
    serving.await?;
    control_drain.started.cancel();
    control_plane.await?
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn loopback_networks() -> Vec<IpNet> {
    ["127.0.0.0/8", "::1/128"]
        .into_iter()
        .filter_map(|network| network.parse().ok())
        .collect()
}

fn control_plane_config(
    directory: &DataDir,
    ports: Ports,
) -> anyhow::Result<control_plane::config::Config> {
    Ok(control_plane::config::Config {
        database_url: SecretString::from(format!("sqlite:{}", directory.database().display())),
        public_url: directory.control_plane_url(ports),
        gateway_url: directory.gateway_url(ports),
        root_key_file: Some(directory.root_key()?),
        http_addr: loopback(ports.control_plane),
        grpc_addr: loopback(ports.grpc),
        admin_addr: loopback(0),
        node_token_file: Some(directory.node_token()?),
        grpc_tls_cert_file: None,
        grpc_tls_key_file: None,
        grpc_plaintext: true,
        oauth_require_resource: false,
        egress_allow: loopback_networks(),
        trusted_proxies: Vec::new(),
        signing_key_rotation: Duration::from_secs(30 * 24 * 3600),
        audit_retention: Duration::from_secs(400 * 24 * 3600),
        resolve_rate: control_plane::config::RESOLVE_RATE,
        resolve_burst: control_plane::config::RESOLVE_BURST,
        drain_timeout: Duration::from_secs(5),
        addresses_file: None,
        log: String::new(),
        log_format: LogFormat::Text,
    })
}

fn gateway_config(directory: &DataDir, ports: Ports) -> anyhow::Result<data_plane::config::Config> {
    Ok(data_plane::config::Config {
        http_addr: loopback(ports.gateway),
        admin_addr: loopback(0),
        gateway_url: directory.gateway_url(ports),
        control_plane_grpc_url: format!("http://{}", loopback(ports.grpc)),
        control_plane_ca_file: None,
        control_plane_plaintext: true,
        node_name: Some("dev".into()),
        node_token_file: directory.node_token()?,
        state_dir: None,
        egress_allow: loopback_networks(),
        allowed_hosts: Vec::new(),
        // Where the MCP Inspector's pages are served.
        allowed_origins: ["http://localhost:6274", "http://127.0.0.1:6274"]
            .map(Into::into)
            .into(),
        max_stale: Duration::from_secs(24 * 3600),
        max_body_size: 4 << 20,
        drain_timeout: Duration::from_secs(5),
        workers: None,
        addresses_file: None,
        log: String::new(),
        log_format: LogFormat::Text,
    })
}
