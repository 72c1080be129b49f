//! How the control plane is told what to do: flags, and `WARDER_*` variables of the same names.

use std::{net::SocketAddr, num::NonZeroU32, path::PathBuf, time::Duration};

use ipnet::IpNet;
use warder_shared::{config, telemetry::LogFormat};

/// Credentials per second that one pod may ask for in the long run.
pub const RESOLVE_RATE: NonZeroU32 = NonZeroU32::new(500).expect("is not zero");

/// Credentials that one pod may ask for at once.
pub const RESOLVE_BURST: NonZeroU32 = NonZeroU32::new(2000).expect("is not zero");

/// Configuration of the control plane.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// Where facts are kept: `sqlite:PATH` or `postgres://…`.
    #[arg(long, env = "WARDER_DATABASE_URL", hide_env_values = true)]
    pub database_url: secrecy::SecretString,

    /// The URL under which people and clients know the control plane: the issuer of its tokens.
    #[arg(long, env = "WARDER_PUBLIC_URL", default_value = "http://127.0.0.1:7080", value_parser = config::base_url)]
    pub public_url: String,

    /// The URL under which clients know the gateway: the audience of its tokens.
    #[arg(long, env = "WARDER_GATEWAY_URL", default_value = "http://127.0.0.1:7090", value_parser = config::base_url)]
    pub gateway_url: String,

    /// File with the root key of the vault: 32 bytes in base64 on one line.
    #[arg(long, env = "WARDER_ROOT_KEY_FILE")]
    pub root_key_file: Option<PathBuf>,

    /// Where the REST API is served.
    #[arg(long, env = "WARDER_HTTP_ADDR", default_value = "127.0.0.1:7080")]
    pub http_addr: SocketAddr,

    /// Where pods are served.
    #[arg(long, env = "WARDER_GRPC_ADDR", default_value = "127.0.0.1:7081")]
    pub grpc_addr: SocketAddr,

    /// Where health and metrics are served, to operators only.
    #[arg(long, env = "WARDER_ADMIN_ADDR", default_value = "127.0.0.1:7082")]
    pub admin_addr: SocketAddr,

    /// File with the secrets that let a pod enroll, one on each line, 32 characters or more.
    #[arg(long, env = "WARDER_NODE_TOKEN_FILE")]
    pub node_token_file: Option<PathBuf>,

    /// PEM file of the certificate that pods see.
    #[arg(
        long,
        env = "WARDER_GRPC_TLS_CERT_FILE",
        requires = "grpc_tls_key_file"
    )]
    pub grpc_tls_cert_file: Option<PathBuf>,

    /// PEM file of that certificate's private key.
    #[arg(
        long,
        env = "WARDER_GRPC_TLS_KEY_FILE",
        requires = "grpc_tls_cert_file"
    )]
    pub grpc_tls_key_file: Option<PathBuf>,

    /// Serve pods without TLS. For development on one machine only.
    #[arg(
        long,
        env = "WARDER_GRPC_PLAINTEXT",
        conflicts_with = "grpc_tls_cert_file"
    )]
    pub grpc_plaintext: bool,

    /// Private networks in which servers may be, as CIDR, separated by commas; also what may be dialed without TLS.
    #[arg(long, env = "WARDER_EGRESS_ALLOW", value_delimiter = ',', value_parser = config::network)]
    pub egress_allow: Vec<IpNet>,

    /// Networks of proxies in front of the REST listener whose X-Forwarded-For is believed, as CIDR, separated by
    /// commas. Wrong passwords are counted by the client's address.
    #[arg(long, env = "WARDER_TRUSTED_PROXIES", value_delimiter = ',', value_parser = config::network)]
    pub trusted_proxies: Vec<IpNet>,

    /// Refuse OAuth clients that do not name the server that a token is for, instead of giving them one for every server that their user may use.
    #[arg(long, env = "WARDER_OAUTH_REQUIRE_RESOURCE")]
    pub oauth_require_resource: bool,

    /// How long a key signs before the next one does.
    #[arg(long, env = "WARDER_SIGNING_KEY_ROTATION", default_value = "30d", value_parser = config::duration)]
    pub signing_key_rotation: Duration,

    /// How long audit events are kept; at least a day.
    #[arg(long, env = "WARDER_AUDIT_RETENTION", default_value = "400d", value_parser = config::duration)]
    pub audit_retention: Duration,

    /// How many credentials per second one pod may ask for in the long run.
    #[arg(long, env = "WARDER_RESOLVE_RATE", default_value_t = RESOLVE_RATE)]
    pub resolve_rate: NonZeroU32,

    /// How many credentials one pod may ask for at once, above the rate.
    #[arg(long, env = "WARDER_RESOLVE_BURST", default_value_t = RESOLVE_BURST)]
    pub resolve_burst: NonZeroU32,

    /// How long requests under way may take to finish after SIGTERM.
    #[arg(long, env = "WARDER_DRAIN_TIMEOUT", default_value = "30s", value_parser = config::duration)]
    pub drain_timeout: Duration,

    /// File to which the addresses are written, as JSON, once the process listens on them.
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
        anyhow::ensure!(
            self.grpc_tls_cert_file.is_some() || self.grpc_plaintext,
            "pods are served over TLS: set WARDER_GRPC_TLS_CERT_FILE and WARDER_GRPC_TLS_KEY_FILE (or WARDER_GRPC_PLAINTEXT for development on one machine)"
        );
        anyhow::ensure!(
            self.signing_key_rotation >= Duration::from_secs(3600),
            "WARDER_SIGNING_KEY_ROTATION must be at least 1h: a key is known everywhere for a while before it is used"
        );
        anyhow::ensure!(
            self.audit_retention >= Duration::from_secs(24 * 3600),
            "WARDER_AUDIT_RETENTION must be at least 1d"
        );
        Ok(())
    }
}
