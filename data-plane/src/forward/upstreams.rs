//! The clients that dial servers: one for all that have public certificates, one for each that has roots
//! of its own.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use http_body_util::Full;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use moka::sync::Cache;
use warder_shared::{
    egress::{Connector, EgressRules, RootsError},
    snapshot::Server,
};

use crate::error::{ErrorType, Rejection};

type Upstream = Client<Connector, Full<Bytes>>;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The clients. Connections are shared between callers: every request carries its own credential.
pub(crate) struct Upstreams {
    rules: EgressRules,
    usual: Upstream,
    /// By roots and connect timeout in milliseconds, for servers that differ from the usual.
    special: Cache<(Option<Arc<str>>, u32), Arc<Upstream>>,
}

impl Upstreams {
    /// Clients that dial what the rules permit.
    pub(crate) fn new(rules: EgressRules) -> Result<Self, RootsError> {
        let usual = client(Connector::new(rules.clone(), None, CONNECT_TIMEOUT)?);
        let special = Cache::builder()
            .max_capacity(1_000)
            .time_to_idle(Duration::from_secs(600))
            .build();
        Ok(Self {
            rules,
            usual,
            special,
        })
    }

    /// The client for a server.
    pub(super) fn client(&self, server: &Server) -> Result<Upstream, Rejection> {
        let connect_ms = server.timeouts.connect_ms;
        if server.ca_cert.is_none() && connect_ms == 0 {
            return Ok(self.usual.clone());
        }
        let timeout = if connect_ms == 0 {
            CONNECT_TIMEOUT
        } else {
            Duration::from_millis(connect_ms.into())
        };
        let make = || {
            Connector::new(self.rules.clone(), server.ca_cert.as_deref(), timeout)
                .map(|connector| Arc::new(client(connector)))
        };
        let made = self
            .special
            .try_get_with((server.ca_cert.clone(), connect_ms), make);
        made.map(|client| Upstream::clone(&client))
            .map_err(|error| {
                Rejection::new(
                    StatusCode::BAD_GATEWAY,
                    ErrorType::UpstreamUnavailable,
                    "the server's ca_cert cannot be used",
                )
                .because(error.to_string())
            })
    }
}

fn client(connector: Connector) -> Upstream {
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(60))
        .pool_max_idle_per_host(256)
        .build(connector)
}
