//! The only way out: a hyper connector that dials checked addresses.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs as _},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::{HttpConnector, dns::Name};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tower::Service;

use super::EgressRules;

/// Dials servers for a hyper client: resolves, checks every address, connects to a checked one, and
/// speaks TLS where the URL says `https`.
#[derive(Clone)]
pub struct Connector {
    rules: EgressRules,
    plain: HttpsConnector<HttpConnector<Resolver>>,
    tls: HttpsConnector<HttpConnector<Resolver>>,
}

/// The operator's certificates cannot be used as roots.
#[derive(Debug, thiserror::Error)]
#[error("ca_cert holds no usable PEM certificate")]
pub struct RootsError;

impl Connector {
    /// A connector that trusts the public roots, or only the given PEM certificates.
    ///
    /// # Errors
    /// [`RootsError`] when `ca_cert` has no usable certificate.
    pub fn new(
        rules: EgressRules,
        ca_cert: Option<&str>,
        connect_timeout: Duration,
    ) -> Result<Self, RootsError> {
        let mut roots = RootCertStore::empty();
        match ca_cert {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(pem) => {
                for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                    roots
                        .add(certificate.map_err(|_| RootsError)?)
                        .map_err(|_| RootsError)?;
                }
                if roots.is_empty() {
                    return Err(RootsError);
                }
            }
        }
        let tls = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let https = |secure: bool| {
            let mut http = HttpConnector::new_with_resolver(Resolver {
                rules: rules.clone(),
                tls: secure,
            });
            http.enforce_http(false);
            http.set_nodelay(true);
            http.set_connect_timeout(Some(connect_timeout));
            http.set_keepalive(Some(Duration::from_secs(60)));
            HttpsConnectorBuilder::new()
                .with_tls_config(tls.clone())
                .https_or_http()
                .enable_http1()
                .enable_http2()
                .wrap_connector(http)
        };
        Ok(Self {
            plain: https(false),
            tls: https(true),
            rules,
        })
    }
}

impl Service<Uri> for Connector {
    type Response = <HttpsConnector<HttpConnector<Resolver>> as Service<Uri>>::Response;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match self.tls.poll_ready(cx) {
            Poll::Ready(Ok(())) => self.plain.poll_ready(cx),
            other => other,
        }
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let tls = uri.scheme() == Some(&http::uri::Scheme::HTTPS);
        // An address in the URL is dialed without asking the resolver, so it is checked here.
        let literal = uri
            .host()
            .and_then(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().ok());
        if literal.is_some_and(|address| !self.rules.permits(address, tls)) {
            return Box::pin(async { Err(refused().into()) });
        }
        if tls {
            self.tls.call(uri)
        } else {
            self.plain.call(uri)
        }
    }
}

/// Resolves a name to the addresses that may be dialed.
#[derive(Clone)]
pub struct Resolver {
    rules: EgressRules,
    tls: bool,
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (rules, tls) = (self.rules.clone(), self.tls);
        Box::pin(async move {
            let name: Arc<str> = name.as_str().into();
            let found = tokio::task::spawn_blocking(move || (&*name, 0).to_socket_addrs())
                .await
                .map_err(io::Error::other)??;
            let permitted: Vec<_> = found
                .filter(|address| rules.permits(address.ip(), tls))
                .collect();
            if permitted.is_empty() {
                Err(refused())
            } else {
                Ok(permitted.into_iter())
            }
        })
    }
}

fn refused() -> io::Error {
    io::Error::new(
        io::ErrorKind::PermissionDenied,
        "the address is not one that may be dialed (see WARDER_EGRESS_ALLOW)",
    )
}
