//! `CredentialService`: what pods ask for on behalf of a caller.

use secrecy::ExposeSecret as _;
use tonic::{Request, Response, Status, async_trait};
use warder_shared::id::ServerId;
use warder_shared::proto::v1::credential_service_server::CredentialService;
use warder_shared::proto::v1::{self, ResolveRequest, ResolveResponse};

use super::{authenticate, internal};
use crate::domain::SecretMap;
use crate::service::nodes::Nodes;
use crate::service::resolve::{Resolution, ResolveFailure, ResolveLimit, Resolver};

pub(super) struct Service {
    pub(super) nodes: Nodes,
    pub(super) resolver: Resolver,
    pub(super) limit: ResolveLimit,
}

#[async_trait]
impl CredentialService for Service {
    async fn resolve(
        &self,
        request: Request<ResolveRequest>,
    ) -> Result<Response<ResolveResponse>, Status> {
        let node = authenticate::node(&self.nodes, request.metadata())?;
        let admitted = self.limit.admit(node.name());
        admitted.map_err(|refused| Status::resource_exhausted(refused.to_string()))?;
        let request = request.into_inner();
        let unknown = || Status::not_found("the caller has no such server");
        let server: ServerId = request.server_id.parse().map_err(|_| unknown())?;
        let resolution = self.resolver.resolve(&request.caller_token, server).await;
        let resolution = resolution.map_err(|failure| match failure {
            ResolveFailure::Token(_) | ResolveFailure::Caller(_) => {
                tracing::warn!(
                    node = node.name(), server.id = %server,
                    "security: the pod {} asked for a credential, but {failure}", node.name(),
                );
                Status::permission_denied("the caller's token is not valid")
            }
            ResolveFailure::NoSuchServer => unknown(),
            ResolveFailure::Quarantined(_) => Status::failed_precondition(failure.to_string()),
            ResolveFailure::Vault(_) | ResolveFailure::Malformed(_) => {
                internal("Resolve", &failure)
            }
            ResolveFailure::Store(error) if error.is_transient() => {
                tracing::warn!("Resolve failed: {error}");
                Status::unavailable("the database is not available")
            }
            ResolveFailure::Store(_) => internal("Resolve", &failure),
        })?;
        Ok(Response::new(response(resolution)))
    }
}

fn response(resolution: Resolution) -> ResolveResponse {
    ResolveResponse {
        auth: headers(&resolution.auth),
        additional: headers(&resolution.additional),
        missing: resolution.missing,
        origin: resolution.origin,
        expires_at: None,
    }
}

fn headers(secrets: &SecretMap) -> Vec<v1::Header> {
    let header = |(name, value): (&str, &secrecy::SecretString)| v1::Header {
        name: name.to_owned(),
        value: value.expose_secret().to_owned(),
    };
    secrets.iter().map(header).collect()
}
