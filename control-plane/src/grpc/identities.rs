//! `IdentityService`: what pods ask of identity providers' keys and people.

use tonic::{Request, Response, Status, async_trait};
use warder_shared::proto::v1::identity_service_server::IdentityService;
use warder_shared::proto::v1::{
    IdentifyRequest, IdentifyResponse, RefreshKeysRequest, RefreshKeysResponse, identify_response,
    refresh_keys_response,
};

use super::{authenticate, internal};
use crate::service::feed::{Feed, FeedFailure};
use crate::service::identities::{self, IdentifyFailure, IntroduceFailure};
use crate::service::nodes::Nodes;
use crate::service::provider_keys::{KeyReader, Refreshed};
use crate::service::resolve::ResolveLimit;
use crate::store::{Store, StoreError};

pub(super) struct Service {
    pub(super) nodes: Nodes,
    pub(super) store: Store,
    pub(super) feed: Feed,
    pub(super) keys: KeyReader,
    pub(super) limit: ResolveLimit,
}

#[async_trait]
impl IdentityService for Service {
    async fn refresh_keys(
        &self,
        request: Request<RefreshKeysRequest>,
    ) -> Result<Response<RefreshKeysResponse>, Status> {
        authenticate::node(&self.nodes, request.metadata())?;
        let RefreshKeysRequest {
            identity_provider_id,
            kid,
        } = request.into_inner();
        let unknown = || Status::not_found("there is no such identity provider");
        let id = identity_provider_id.parse().map_err(|_| unknown())?;
        let refreshed = self.keys.refresh(id, &kid).await;
        let refreshed = refreshed.map_err(|error| database("RefreshKeys", &error))?;
        let outcome = match refreshed.ok_or_else(unknown)? {
            Refreshed::Found => {
                let failed = |error: FeedFailure| internal("RefreshKeys", &error);
                self.feed.refresh().await.map_err(failed)?;
                let version = u64::try_from(self.feed.version()).unwrap_or_default();
                refresh_keys_response::Outcome::Version(version)
            }
            Refreshed::Unknown => refresh_keys_response::Outcome::Unknown(true),
            Refreshed::RetryAfter(wait) => {
                let wait = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
                refresh_keys_response::Outcome::RetryAfterMs(wait)
            }
        };
        let outcome = Some(outcome);
        Ok(Response::new(RefreshKeysResponse { outcome }))
    }

    async fn identify(
        &self,
        request: Request<IdentifyRequest>,
    ) -> Result<Response<IdentifyResponse>, Status> {
        use identify_response::Outcome;
        let node = authenticate::node(&self.nodes, request.metadata())?;
        let admitted = self.limit.admit(node.name());
        admitted.map_err(|refused| Status::resource_exhausted(refused.to_string()))?;
        let token = request.into_inner().caller_token;
        let outcome = match identities::introduce(&self.store, &self.feed, &token).await {
            Ok(version) => Outcome::Version(version),
            Err(IntroduceFailure::Identify(IdentifyFailure::Refused(refusal))) => {
                Outcome::Refusal(refusal.to_string())
            }
            Err(IntroduceFailure::Token(error)) => {
                tracing::warn!(
                    node = node.name(),
                    "security: the pod {} asked who somebody is, but the token is refused: {error}",
                    node.name(),
                );
                return Err(Status::permission_denied("the caller's token is not valid"));
            }
            Err(
                IntroduceFailure::Identify(IdentifyFailure::Store(error))
                | IntroduceFailure::Feed(FeedFailure::Store(error)),
            ) => return Err(database("Identify", &error)),
            Err(error @ IntroduceFailure::Feed(_)) => return Err(internal("Identify", &error)),
        };
        let outcome = Some(outcome);
        Ok(Response::new(IdentifyResponse { outcome }))
    }
}

fn database(rpc: &'static str, error: &StoreError) -> Status {
    if error.is_transient() {
        tracing::warn!("{rpc} failed: {error}");
        Status::unavailable("the database is not available")
    } else {
        internal(rpc, error)
    }
}
