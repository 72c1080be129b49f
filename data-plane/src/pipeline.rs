//! The way of one call.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use http::{Request, Response, Version};
use hyper::body::Incoming;
use warder_shared::clock::Clock;

use crate::{
    accept::{self, Gate, RequestIds, Verdict, guarded_io::Connection},
    audit::{Audit, Record},
    authenticate::Authenticator,
    authorize::{self, Judge},
    error::{ErrorType, Rejection},
    forward::{AnswerBody, Forwarder, Recorded},
    metadata,
    resolve::{self, Credentials},
    sync::Live,
};

/// The parts that a call needs.
pub(crate) struct Gateway {
    /// The URL under which clients know the gateway.
    pub(crate) url: String,
    pub(crate) gate: Gate,
    pub(crate) ids: RequestIds,
    pub(crate) live: Arc<Live>,
    pub(crate) callers: Authenticator,
    pub(crate) judge: Judge,
    pub(crate) credentials: Arc<Credentials>,
    pub(crate) forwarder: Forwarder,
    pub(crate) audit: Audit,
    pub(crate) clock: Clock,
}

/// Answers one request.
pub(crate) async fn handle(
    gateway: &Gateway,
    connection: &Connection,
    request: Request<Incoming>,
) -> Response<Recorded> {
    // Until the answer has ended, no other request's head is awaited on this connection.
    let exchange = connection.exchange(request.version() >= Version::HTTP_2);
    let now = gateway.clock.now();
    let id = gateway.ids.next(now);
    let mut record = gateway.audit.open(id, now);
    let exposing = accept::expose_to_origin(&gateway.gate, request.headers());
    let target = request.uri().clone();
    let mut response = match call(gateway, &exchange, request, now, &mut record).await {
        Ok(response) => {
            record.answered(response.status().as_u16());
            response
        }
        Err(rejection) => {
            record.rejected(&rejection);
            metadata::challenge(&gateway.url, &target, rejection)
                .into_response(&id.to_string())
                .map(AnswerBody::Whole)
        }
    };
    response.headers_mut().extend(exposing);
    response.map(|body| Recorded::new(body, record, exchange))
}

/// Top to bottom. Each step consumes what the step before it proved.
async fn call(
    gateway: &Gateway,
    exchange: &accept::Exchange,
    request: Request<Incoming>,
    now: DateTime<Utc>,
    record: &mut Record,
) -> Result<Response<AnswerBody>, Rejection> {
    let accepted = match accept::check(&gateway.gate, exchange, request)? {
        Verdict::Call(accepted) => *accepted,
        Verdict::Document(document) => {
            let view = gateway.live.view();
            return metadata::answer(&gateway.url, view.snapshot.keys(), document)
                .map(|response| response.map(AnswerBody::Whole));
        }
        Verdict::Answer(response) => return Ok(response.map(AnswerBody::Whole)),
    };
    if !gateway.live.is_fresh(now) {
        return Err(Rejection::unavailable(
            ErrorType::Overloaded,
            "the gateway has not heard from its control plane for too long",
        ));
    }
    if let Some(server) = gateway.live.view().snapshot.server(&accepted.server) {
        record.server(server);
    }
    let authenticated = gateway.callers.bearer(now, accepted).await?;
    record.identity(
        authenticated.identity.caller.principal,
        &authenticated.identity.proof,
    );
    let authorized = authorize::call(&gateway.judge, authenticated, record).await?;
    let equipped = resolve::credential(&gateway.credentials, authorized).await?;
    gateway.forwarder.send(equipped).await
}
