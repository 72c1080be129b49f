//! What a client finds before it has a token: where to get one, and for what.
//!
//! **Invariant:** strangers read this, so it says the same of a server that exists and of one that does not.

use bytes::Bytes;
use http::{HeaderValue, Response, Uri, header};
use serde::Serialize;
use warder_shared::{
    oauth::{self, AuthorizationServerMetadata, ProtectedResourceMetadata},
    snapshot::Keys,
};

use crate::{
    accept::{self, Document},
    error::{ErrorType, Rejection},
};

/// A document, for everyone and for caches.
///
/// # Errors
/// 503 while the authorization server is not known yet.
pub(crate) fn answer(
    gateway_url: &str,
    keys: &Keys,
    document: Document,
) -> Result<Response<Bytes>, Rejection> {
    if keys.issuer.is_empty() {
        return Err(Rejection::unavailable(
            ErrorType::Overloaded,
            "the gateway has not heard from its control plane yet",
        ));
    }
    Ok(accept::readable_by_all(match document {
        Document::ProtectedResource(server) => json(&ProtectedResourceMetadata::of(
            gateway_url,
            &keys.issuer,
            &server,
        )),
        Document::AuthorizationServer => json(&AuthorizationServerMetadata::of(&keys.issuer)),
    }))
}

/// A refusal for want of a valid token says where to get one for what was asked for.
pub(crate) fn challenge(gateway_url: &str, target: &Uri, rejection: Rejection) -> Rejection {
    let server = rejection
        .is_challenge()
        .then(|| accept::server_of(target.path()))
        .flatten();
    match server {
        Some(server) => rejection.challenging(&oauth::resource_metadata_url(gateway_url, server)),
        None => rejection,
    }
}

fn json(document: &impl Serialize) -> Response<Bytes> {
    let mut response = Response::new(serde_json::to_vec(document).unwrap_or_default().into());
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=300"),
    );
    response
}
