//! Accepting connections, and letting go of them.
//!
//! `axum::serve` has no deadline for a request's head and no bound on connections, so both planes
//! accept for themselves (T67).

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use http::Request;
use http_body::Body;
use hyper::{
    body::Incoming,
    rt::{Read, Write},
    service::Service,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;

/// When to stop, and how long to wait for what is under way.
#[derive(Debug, Clone)]
pub struct Drain {
    /// Cancelled when the process is asked to end: nothing new is accepted from then on.
    pub started: CancellationToken,
    /// How long calls under way may take to finish.
    pub timeout: Duration,
}

impl Drain {
    /// A drain that has not started.
    #[must_use]
    pub fn new(timeout: Duration) -> Self {
        Self {
            started: CancellationToken::new(),
            timeout,
        }
    }

    /// Starts when the process gets SIGTERM or SIGINT.
    ///
    /// # Errors
    /// When the signals cannot be listened to.
    pub fn on_signals(&self) -> io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut terminate, mut interrupt) = (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        );
        let started = self.started.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("draining");
            started.cancel();
        });
        Ok(())
    }
}

/// Most connections that one listener holds at a time.
const MAX_CONNECTIONS: usize = 20_000;

/// How connections are read: bounds against peers that send too much or too slowly (T66, T67).
///
/// The deadline for an HTTP/1 head is `head_timeout`, or the caller's own business when `None`.
#[must_use]
pub fn connection_builder(head_timeout: Option<Duration>) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .max_headers(100)
        .max_buf_size(64 * 1024)
        .header_read_timeout(head_timeout);
    if head_timeout.is_some() {
        builder.http1().timer(TokioTimer::new());
    }
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(15))
        .max_concurrent_streams(100)
        .max_header_list_size(16 * 1024)
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(1024 * 1024);
    builder
}

/// Accepts connections until the drain starts, then lets the requests under way finish until its
/// timeout. `open` turns a connection into what is read from and what answers.
pub async fn serve<O, I, S, B>(
    listener: TcpListener,
    builder: auto::Builder<TokioExecutor>,
    drain: &Drain,
    open: O,
) where
    O: Fn(TcpStream, SocketAddr) -> (I, S),
    I: Read + Write + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = http::Response<B>, Error = Infallible>
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let graceful = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let slot = tokio::select! {
            slot = slots.clone().acquire_owned() => slot,
            () = drain.started.cancelled() => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = drain.started.cancelled() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: wait for some to come back.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let (io, service) = open(stream, peer);
        let connection = graceful.watch(builder.serve_connection(io, service).into_owned());
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = %error, "connection ended");
            }
            drop(slot);
        });
    }
    drop(listener);
    if tokio::time::timeout(drain.timeout, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("requests were still under way when the drain timeout ended");
    }
}

/// Serves an axum router, with a deadline of ten seconds for a request's head.
pub async fn serve_router(listener: TcpListener, router: Router, drain: &Drain) {
    let builder = connection_builder(Some(Duration::from_secs(10)));
    serve(listener, builder, drain, move |stream, peer| {
        let router = router.clone().layer(axum::Extension(peer));
        (TokioIo::new(stream), TowerToHyperService::new(router))
    })
    .await;
}
