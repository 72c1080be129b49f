//! `SnapshotService`: what pods follow.

use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _, stream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, async_trait};
use warder_shared::proto::v1::snapshot_service_server::SnapshotService;
use warder_shared::proto::v1::{WatchRequest, WatchResponse};

use super::authenticate;
use crate::service::feed::Feed;
use crate::service::nodes::Nodes;

pub(super) struct Service {
    pub(super) nodes: Nodes,
    pub(super) feed: Feed,
    pub(super) shutdown: CancellationToken,
}

#[async_trait]
impl SnapshotService for Service {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let node = authenticate::node(&self.nodes, request.metadata())?;
        if !self.feed.is_current() {
            // Another replica may know more; and this pod shall not take old news for new.
            return Err(Status::unavailable("the database is not available"));
        }
        let request = request.into_inner();
        tracing::info!(
            node = node.name(),
            version = request.version,
            "the pod {} follows from version {}",
            node.name(),
            request.version,
        );
        let watcher = self.feed.watch(request.epoch, request.version);
        let responses = stream::unfold(watcher, |mut watcher| async move {
            let response = watcher.next().await;
            Some((Ok(response), watcher))
        });
        // A pod that has not renewed its credential by then has to prove itself again.
        let lifetime = node.expires_at() - self.feed.clock().now();
        let lifetime = lifetime.to_std().unwrap_or(Duration::ZERO);
        let expired = tokio::time::sleep(lifetime);
        let shutdown = self.shutdown.clone();
        let end = async move {
            tokio::select! {
                () = shutdown.cancelled_owned() => Status::unavailable("the control plane is stopping"),
                () = expired => Status::unauthenticated("the node credential has expired"),
            }
        };
        Ok(Response::new(Box::pin(until(responses, end))))
    }
}

/// The items of a stream until a future answers; then its answer as the stream's error.
fn until<T>(
    items: impl Stream<Item = Result<T, Status>>,
    end: impl Future<Output = Status>,
) -> impl Stream<Item = Result<T, Status>> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let end = async move {
        // The receiver is read when this has answered, and is there until then.
        let _ = sender.send(end.await);
    };
    let last = stream::once(receiver).filter_map(async |status| status.ok().map(Err));
    items.take_until(end).chain(last)
}
