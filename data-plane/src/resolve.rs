//! Which credential goes out: the layers of headers, highest first: what the client brings, the caller's
//! override or the server's auth, and the server's additional headers (contract, section 4).

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use uuid::Uuid;
use warder_shared::{proto::v1::OutboundKind, snapshot::Server};

use crate::{
    authenticate::Identity,
    authorize::{Authorized, Call, Session},
    error::{ErrorType, Rejection},
};

mod cache;
mod client_headers;
mod control_plane;

pub(crate) use cache::{Credentials, Stamp};
pub(crate) use control_plane::Vault;

/// A request with everything that goes to the server.
pub(crate) struct Equipped {
    pub(crate) identity: Identity,
    pub(crate) server: Arc<Server>,
    /// The client's headers, of which an allow-list goes on.
    pub(crate) headers: HeaderMap,
    pub(crate) call: Call,
    pub(crate) session: Option<Session>,
    /// Made for `server.origin` and no other.
    pub(crate) credential: HeaderMap,
    /// Id of the request.
    pub(crate) request_id: Uuid,
    /// Version of the view that allowed the call.
    pub(crate) version: u64,
    /// Of the stored part of the credential, if there is one.
    pub(crate) stamp: Option<Stamp>,
    /// Only this module makes one.
    _attached: (),
}

/// One header of a credential.
pub(crate) type Pair = (HeaderName, HeaderValue);

/// Attaches the credential.
///
/// # Errors
/// 400 for headers that the client may not bring, 403 when a value of the caller's own is missing, 503 when the control
/// plane would have to be asked and cannot be.
pub(crate) async fn credential(
    credentials: &Credentials,
    authorized: Authorized,
) -> Result<Equipped, Rejection> {
    let Authorized {
        identity,
        server,
        mut headers,
        call,
        session,
        request_id,
        version,
        ..
    } = authorized;
    let (credential, stamp) = layers(credentials, &identity, &server, &mut headers)
        .await
        .map_err(|rejection| rejection.answering(call.id()))?;
    Ok(Equipped {
        identity,
        server,
        headers,
        call,
        session,
        credential,
        request_id,
        version,
        stamp,
        _attached: (),
    })
}

async fn layers(
    credentials: &Credentials,
    identity: &Identity,
    server: &Server,
    headers: &mut HeaderMap,
) -> Result<(HeaderMap, Option<Stamp>), Rejection> {
    let brought = client_headers::take(headers, server)?;
    let named = server.outbound.header_names.iter().map(String::as_str);
    let auth_needed = has_stored_auth(server) && !replaces_auth(&brought, named);
    let mut credential = HeaderMap::new();
    let mut stamp = None;
    if auth_needed || server.outbound.additional_headers {
        let (mut stored, mut stored_stamp) = credentials.get(identity, server).await?;
        if !stored_stamp.is_current() {
            // It changed while it was fetched.
            (stored, stored_stamp) = credentials.get(identity, server).await?;
        }
        stamp = Some(stored_stamp);
        credential.extend(stored.additional.iter().cloned());
        if auth_needed && !stored.missing.is_empty() {
            return Err(missing(server, &stored.missing));
        }
        // An override is the auth layer, also of a server that has no other.
        let stored_names = stored.auth.iter().map(|(name, _)| name.as_str());
        if (auth_needed || !has_stored_auth(server)) && !replaces_auth(&brought, stored_names) {
            for (name, value) in &stored.auth {
                credential.insert(name, value.clone());
            }
        }
    }
    for (name, value) in brought {
        credential.insert(name, value);
    }
    Ok((credential, stamp))
}

fn has_stored_auth(server: &Server) -> bool {
    matches!(
        server.outbound.kind,
        OutboundKind::HeaderShared | OutboundKind::HeaderIndividual
    )
}

/// Whether what the client brings is a credential of its own. Then none of the stored one is sent: two
/// credentials in one request belong to nobody (T31).
fn replaces_auth<'a>(brought: &[Pair], mut auth: impl Iterator<Item = &'a str>) -> bool {
    brought
        .iter()
        .any(|(name, _)| name == header::AUTHORIZATION)
        || auth.any(|own| brought.iter().any(|(name, _)| name.as_str() == own))
}

fn missing(server: &Server, names: &[String]) -> Rejection {
    let message = format!(
        "the server {name} needs a value of your own for {what}: set it with PUT /api/v1/mcp-servers/{name}/auth-overrides",
        name = server.name,
        what = names.join(", "),
    );
    Rejection::new(
        StatusCode::FORBIDDEN,
        ErrorType::CredentialUnavailable,
        message,
    )
    .because("no override")
}
