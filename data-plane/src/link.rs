//! The pod's connection to the control plane, and the credential that it shows there.

use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use secrecy::{ExposeSecret as _, SecretString};
use tonic::{
    Request, Response, Status,
    metadata::{Ascii, MetadataValue},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};
use warder_shared::{
    clock::Clock,
    proto::{
        datetime,
        v1::{EnrollRequest, node_service_client::NodeServiceClient},
    },
};

/// How long an answer of the control plane is waited for.
pub(crate) const RPC_TIMEOUT: Duration = Duration::from_secs(5);

/// The connection and the credential.
pub(crate) struct Link {
    channel: Channel,
    clock: Clock,
    node: String,
    enrollment_secret: SecretString,
    credential: ArcSwapOption<Credential>,
    enrolling: tokio::sync::Mutex<()>,
}

struct Credential {
    authorization: MetadataValue<Ascii>,
    renew_at: Instant,
    expires_at: Instant,
}

/// Where the control plane is and how this pod introduces itself.
pub(crate) struct LinkConfig {
    /// `https://host:port`; `http://` only where plaintext was asked for.
    pub(crate) url: String,
    /// PEM certificates that the control plane's is signed by; `None`: the public roots.
    pub(crate) ca_cert: Option<String>,
    /// This pod's name.
    pub(crate) node: String,
    /// What lets a pod enroll.
    pub(crate) enrollment_secret: SecretString,
}

impl Link {
    /// A link that connects when it is first used, and again whenever it must.
    pub(crate) fn new(config: LinkConfig, clock: Clock) -> anyhow::Result<Self> {
        let mut endpoint = Endpoint::from_shared(config.url.clone())?
            .connect_timeout(Duration::from_secs(5))
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(5))
            .keep_alive_while_idle(true);
        if config.url.starts_with("https:") {
            let tls = match &config.ca_cert {
                Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
                None => ClientTlsConfig::new()
                    .trust_anchors(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            };
            endpoint = endpoint.tls_config(tls)?;
        }
        Ok(Self {
            channel: endpoint.connect_lazy(),
            clock,
            node: config.node,
            enrollment_secret: config.enrollment_secret,
            credential: ArcSwapOption::empty(),
            enrolling: tokio::sync::Mutex::new(()),
        })
    }

    /// For making a client.
    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// This pod's name.
    pub(crate) fn node(&self) -> &str {
        &self.node
    }

    /// A message with this pod's credential, for which it enrolls when it has none that lasts.
    ///
    /// # Errors
    /// Why it could not enroll.
    pub(crate) async fn request<T>(&self, message: T) -> Result<Request<T>, Status> {
        let authorization = self.authorization().await?;
        let mut request = Request::new(message);
        request
            .metadata_mut()
            .insert("authorization", authorization);
        Ok(request)
    }

    /// Asks, and once more with a new credential when the one that it had has expired or was withdrawn.
    ///
    /// # Errors
    /// What the control plane says, or why it was not reached.
    pub(crate) async fn ask<T: Clone, R, F>(
        &self,
        message: T,
        rpc: impl Fn(Request<T>) -> F,
    ) -> Result<R, Status>
    where
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let mut request = self.request(message.clone()).await?;
        request.set_timeout(RPC_TIMEOUT);
        let answer = match rpc(request).await {
            Err(status) if status.code() == tonic::Code::Unauthenticated => {
                self.judge(&status);
                let mut request = self.request(message).await?;
                request.set_timeout(RPC_TIMEOUT);
                rpc(request).await
            }
            other => other,
        };
        answer.map(Response::into_inner)
    }

    /// Forgets the credential, if this is what the control plane refused.
    pub(crate) fn judge(&self, status: &Status) {
        if status.code() == tonic::Code::Unauthenticated {
            self.credential.store(None);
        }
    }

    async fn authorization(&self) -> Result<MetadataValue<Ascii>, Status> {
        if let Some(authorization) = self.lasting() {
            return Ok(authorization);
        }
        let _one_at_a_time = self.enrolling.lock().await;
        if let Some(authorization) = self.lasting() {
            return Ok(authorization);
        }
        match self.enroll().await {
            Ok(authorization) => Ok(authorization),
            Err(status) => {
                let known = self.credential.load();
                let valid = known
                    .as_ref()
                    .filter(|credential| credential.expires_at > Instant::now());
                valid
                    .map(|credential| credential.authorization.clone())
                    .ok_or(status)
            }
        }
    }

    fn lasting(&self) -> Option<MetadataValue<Ascii>> {
        let known = self.credential.load();
        known
            .as_ref()
            .filter(|credential| credential.renew_at > Instant::now())
            .map(|credential| credential.authorization.clone())
    }

    async fn enroll(&self) -> Result<MetadataValue<Ascii>, Status> {
        let mut request = Request::new(EnrollRequest {
            enrollment_secret: self.enrollment_secret.expose_secret().to_owned(),
            node: self.node.clone(),
        });
        request.set_timeout(RPC_TIMEOUT);
        let response = NodeServiceClient::new(self.channel())
            .enroll(request)
            .await?
            .into_inner();
        let lifetime = response
            .expires_at
            .as_ref()
            .and_then(datetime)
            .and_then(|expires_at| (expires_at - self.clock.now()).to_std().ok())
            .ok_or_else(|| {
                Status::internal("the credential has expired already: compare the clocks")
            })?;
        let mut authorization = MetadataValue::try_from(format!("Bearer {}", response.node_token))
            .map_err(|_| Status::internal("the credential is no metadata value"))?;
        authorization.set_sensitive(true);
        let now = Instant::now();
        let credential = Credential {
            authorization: authorization.clone(),
            renew_at: now + lifetime / 2,
            expires_at: now + lifetime,
        };
        self.credential.store(Some(credential.into()));
        tracing::debug!(node = %self.node, "enrolled");
        Ok(authorization)
    }
}
