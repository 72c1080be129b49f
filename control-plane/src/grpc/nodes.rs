//! `NodeService`: how a pod becomes known.

use secrecy::ExposeSecret as _;
use tonic::{Request, Response, Status, async_trait};
use warder_shared::proto;
use warder_shared::proto::v1::node_service_server::NodeService;
use warder_shared::proto::v1::{EnrollRequest, EnrollResponse};

use super::internal;
use crate::service::nodes::{EnrollFailure, Nodes};

pub(super) struct Service {
    pub(super) nodes: Nodes,
}

#[async_trait]
impl NodeService for Service {
    async fn enroll(
        &self,
        request: Request<EnrollRequest>,
    ) -> Result<Response<EnrollResponse>, Status> {
        let request = request.into_inner();
        let credential = self.nodes.enroll(&request.enrollment_secret, &request.node);
        let credential = credential.map_err(|failure| match failure {
            EnrollFailure::UnknownSecret => {
                tracing::warn!("security: a pod tried to enroll with an unknown secret");
                Status::unauthenticated(failure.to_string())
            }
            EnrollFailure::Name => Status::invalid_argument(failure.to_string()),
            EnrollFailure::Keys(error) => internal("Enroll", &error),
        })?;
        tracing::info!(node = request.node, "enrolled the pod {}", request.node);
        Ok(Response::new(EnrollResponse {
            node_token: credential.token.expose_secret().to_owned(),
            expires_at: Some(proto::timestamp(credential.expires_at)),
        }))
    }
}
