//! What pods call, one file per service of `proto/warder/v1`.
//!
//! Thin: a request is bounded, its sender is authenticated, a service does the work, and its failure is
//! turned into a status. What a pod hears of an internal failure is that there was one.

mod audit;
mod authenticate;
mod credentials;
mod identities;
mod nodes;
mod snapshot;

use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use warder_shared::proto::v1::audit_service_server::AuditServiceServer;
use warder_shared::proto::v1::credential_service_server::CredentialServiceServer;
use warder_shared::proto::v1::identity_service_server::IdentityServiceServer;
use warder_shared::proto::v1::node_service_server::NodeServiceServer;
use warder_shared::proto::v1::snapshot_service_server::SnapshotServiceServer;

use crate::service::feed::Feed;
use crate::service::nodes::Nodes;
use crate::service::provider_keys::KeyReader;
use crate::service::resolve::{ResolveLimit, Resolver};
use crate::store::Store;

/// The longest request that is not a report, in bytes: a token of the greatest length and some room.
const SMALL_REQUEST: usize = 16 * 1024;

/// The longest audit report, in bytes.
const REPORT: usize = 4 * 1024 * 1024;

/// What the services stand on.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Where audit events go.
    pub store: Store,
    /// Who may call.
    pub nodes: Nodes,
    /// What pods follow.
    pub feed: Feed,
    /// What pods ask for.
    pub resolver: Resolver,
    /// How often pods may ask.
    pub limit: ResolveLimit,
    /// Whose keys they ask for.
    pub provider_keys: KeyReader,
    /// Ends the streams when the process drains.
    pub shutdown: CancellationToken,
}

/// Every service, ready to be served.
#[must_use]
pub fn routes(parts: Parts) -> Routes {
    let Parts {
        store,
        nodes,
        feed,
        resolver,
        limit,
        provider_keys,
        shutdown,
    } = parts;
    let enrollment = nodes::Service {
        nodes: nodes.clone(),
    };
    let identities = identities::Service {
        nodes: nodes.clone(),
        store: store.clone(),
        feed: feed.clone(),
        keys: provider_keys,
        limit: limit.clone(),
    };
    let snapshots = snapshot::Service {
        nodes: nodes.clone(),
        feed,
        shutdown,
    };
    let credentials = credentials::Service {
        nodes: nodes.clone(),
        resolver,
        limit,
    };
    let audit = audit::Service { nodes, store };
    Routes::default()
        .add_service(NodeServiceServer::new(enrollment).max_decoding_message_size(SMALL_REQUEST))
        .add_service(SnapshotServiceServer::new(snapshots).max_decoding_message_size(SMALL_REQUEST))
        .add_service(
            CredentialServiceServer::new(credentials).max_decoding_message_size(SMALL_REQUEST),
        )
        .add_service(
            IdentityServiceServer::new(identities).max_decoding_message_size(SMALL_REQUEST),
        )
        .add_service(AuditServiceServer::new(audit).max_decoding_message_size(REPORT))
}

/// The status of a failure that is ours. Its cause is logged here, once, and not told.
fn internal(rpc: &'static str, error: &dyn std::error::Error) -> tonic::Status {
    tracing::error!(rpc, "{rpc} failed: {error}");
    tonic::Status::internal("internal error")
}
