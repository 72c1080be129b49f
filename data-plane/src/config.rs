//! How a pod is told what to do: flags, and `WARDER_*` variables of the same names.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;
use warder_shared::{config, telemetry::LogFormat};

/// Configuration of the data plane.
#[derive(Debug, Clone, clap::Parser)]
#[command(
    name = "warder-data-plane",
    version,
    about = "Warder's data plane: the door in front of MCP servers"
)]
pub struct Config {
    /// Where MCP clients are served.
    #[arg(long, env = "WARDER_HTTP_ADDR", default_value = "127.0.0.1:7090")]
    pub http_addr: SocketAddr,

    /// Where health and metrics are served, to operators only.
    #[arg(long, env = "WARDER_ADMIN_ADDR", default_value = "127.0.0.1:7092")]
    pub admin_addr: SocketAddr,

    /// The URL under which clients know the gateway: the audience of its tokens.
    #[arg(long, env = "WARDER_GATEWAY_URL", default_value = "http://127.0.0.1:7090", value_parser = config::base_url)]
    pub gateway_url: String,

    /// The control plane's gRPC address.
    #[arg(long, env = "WARDER_CONTROL_PLANE_GRPC_URL", default_value = "https://127.0.0.1:7081", value_parser = config::base_url)]
    pub control_plane_grpc_url: String,

    /// PEM file of the certificates that the control plane's is signed by (default: the public roots).
    #[arg(long, env = "WARDER_CONTROL_PLANE_CA_FILE")]
    pub control_plane_ca_file: Option<PathBuf>,

    /// Speak to the control plane without TLS. For development on one machine only.
    #[arg(long, env = "WARDER_CONTROL_PLANE_PLAINTEXT")]
    pub control_plane_plaintext: bool,

    /// This pod's name, as audit and metrics show it (default: the host's name).
    #[arg(long, env = "WARDER_NODE_NAME")]
    pub node_name: Option<String>,

    /// File with the secret that lets a pod enroll.
    #[arg(long, env = "WARDER_NODE_TOKEN_FILE")]
    pub node_token_file: PathBuf,

    /// Directory for the last known state, sealed, so that the pod can start while the control plane is away.
    #[arg(long, env = "WARDER_STATE_DIR")]
    pub state_dir: Option<PathBuf>,

    /// Private networks in which servers may be, as CIDR, separated by commas; also what may be dialed without TLS.
    #[arg(long, env = "WARDER_EGRESS_ALLOW", value_delimiter = ',', value_parser = config::network)]
    pub egress_allow: Vec<IpNet>,

    /// More hosts (`host` or `host:port`) that requests may name, separated by commas.
    #[arg(long, env = "WARDER_ALLOWED_HOSTS", value_delimiter = ',')]
    pub allowed_hosts: Vec<String>,

    /// More origins whose pages may use the gateway, separated by commas.
    #[arg(long, env = "WARDER_ALLOWED_ORIGINS", value_delimiter = ',')]
    pub allowed_origins: Vec<String>,

    /// How long calls go on without a word from the control plane.
    #[arg(long, env = "WARDER_MAX_STALE", default_value = "24h", value_parser = config::duration)]
    pub max_stale: Duration,

    /// Largest request body.
    #[arg(long, env = "WARDER_MAX_BODY_SIZE", default_value = "4MiB", value_parser = config::size)]
    pub max_body_size: usize,

    /// How long calls under way may take to finish after SIGTERM.
    #[arg(long, env = "WARDER_DRAIN_TIMEOUT", default_value = "30s", value_parser = config::duration)]
    pub drain_timeout: Duration,

    /// Threads that serve (default: one per core).
    #[arg(long, env = "WARDER_WORKERS")]
    pub workers: Option<usize>,

    /// File to which the addresses are written, as JSON, once the pod listens on them.
    #[arg(long, env = "WARDER_ADDRESSES_FILE")]
    pub addresses_file: Option<PathBuf>,

    /// What is logged, in the syntax of `RUST_LOG`.
    #[arg(long, env = "WARDER_LOG", default_value = "info")]
    pub log: String,

    /// `json` or `text`.
    #[arg(long, env = "WARDER_LOG_FORMAT", default_value = "json")]
    pub log_format: LogFormat,
}

impl Config {
    /// What clap cannot see in one value alone.
    ///
    /// # Errors
    /// A sentence that says what to change.
    pub fn validate(&self) -> anyhow::Result<()> {
        let plain = self.control_plane_grpc_url.starts_with("http://");
        anyhow::ensure!(
            plain == self.control_plane_plaintext,
            "WARDER_CONTROL_PLANE_GRPC_URL must be https://, or http:// together with WARDER_CONTROL_PLANE_PLAINTEXT (development only)"
        );
        anyhow::ensure!(self.max_body_size > 0, "WARDER_MAX_BODY_SIZE must not be 0");
        anyhow::ensure!(self.workers != Some(0), "WARDER_WORKERS must not be 0");
        for origin in &self.allowed_origins {
            let normal = config::base_url(origin)
                .map_err(|error| anyhow::anyhow!("WARDER_ALLOWED_ORIGINS: {origin:?}: {error}"))?;
            anyhow::ensure!(
                normal == *origin,
                "WARDER_ALLOWED_ORIGINS: write {normal} for {origin}"
            );
        }
        Ok(())
    }

    /// This pod's name.
    #[must_use]
    pub fn node(&self) -> String {
        let host = || {
            std::fs::read_to_string("/proc/sys/kernel/hostname")
                .unwrap_or_default()
                .trim()
                .to_owned()
        };
        let name = self.node_name.clone().unwrap_or_else(host);
        if name.is_empty() {
            "gateway".into()
        } else {
            name
        }
    }
}
