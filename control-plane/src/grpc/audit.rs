//! `AuditService`: what pods report.

use tonic::{Request, Response, Status, async_trait};
use warder_shared::proto::v1::audit_service_server::AuditService;
use warder_shared::proto::v1::{ReportRequest, ReportResponse};

use super::{authenticate, internal};
use crate::service::audit_report::{self, ReportFailure};
use crate::service::nodes::Nodes;
use crate::store::Store;

pub(super) struct Service {
    pub(super) nodes: Nodes,
    pub(super) store: Store,
}

#[async_trait]
impl AuditService for Service {
    async fn report(
        &self,
        request: Request<ReportRequest>,
    ) -> Result<Response<ReportResponse>, Status> {
        let node = authenticate::node(&self.nodes, request.metadata())?;
        let events = request.into_inner().events;
        audit_report::report(&self.store, &node, events)
            .await
            .map_err(|failure| match failure {
                ReportFailure::TooMany => Status::invalid_argument(failure.to_string()),
                ReportFailure::Store(error) if error.is_transient() => {
                    tracing::warn!("Report failed: {error}");
                    Status::unavailable("the database is not available")
                }
                ReportFailure::Store(_) => internal("Report", &failure),
            })?;
        Ok(Response::new(ReportResponse {}))
    }
}
