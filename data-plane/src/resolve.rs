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

use cache::Stored;
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
        let (stored, stored_stamp) = credentials.get(identity, server).await?;
        stamp = Some(stored_stamp);
        credential.extend(stored.additional.iter().cloned());
        let auth = auth_layer(&stored, &brought, auth_needed, !has_stored_auth(server));
        for (name, value) in auth.map_err(|lacking| missing(server, lacking))? {
            credential.insert(name, value.clone());
        }
    }
    for (name, value) in brought {
        credential.insert(name, value);
    }
    Ok((credential, stamp))
}

/// What of the stored auth goes out, or what is missing for that. `needed` says whether the server's own auth has to; `free`
/// whether it has none, and an override is all there is. One that is out of use, since its server has moved, leaves no
/// gap: without it the call would be somebody else's.
fn auth_layer<'a>(
    stored: &'a Stored,
    brought: &[Pair],
    needed: bool,
    free: bool,
) -> Result<&'a [Pair], &'a [String]> {
    let lacking = stored.missing.iter().map(String::as_str);
    if !stored.missing.is_empty() && (needed || free && !replaces_auth(brought, lacking)) {
        return Err(&stored.missing);
    }
    let names = stored.auth.iter().map(|(name, _)| name.as_str());
    if (needed || free) && !replaces_auth(brought, names) {
        Ok(&stored.auth)
    } else {
        Ok(&[])
    }
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
        || auth.any(|own| {
            let is_own = |name: &HeaderName| name.as_str().eq_ignore_ascii_case(own);
            brought.iter().any(|(name, _)| is_own(name))
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t31_an_override_that_is_out_of_use_is_missing_where_there_is_no_other_auth_too() {
        let pair =
            |name: &'static str| (HeaderName::from_static(name), HeaderValue::from_static("x"));
        let stored = |auth: Vec<Pair>, missing: &[&str]| Stored {
            auth,
            additional: Vec::new(),
            missing: missing.iter().map(|&name| name.to_owned()).collect(),
            lifetime: None,
        };
        let own = stored(vec![pair("x-key")], &[]);
        let out_of_use = stored(Vec::new(), &["X-Key"]);
        let (nothing, other) = (&[][..], &[pair("x-other")][..]);
        let same = &[pair("x-key")][..];
        for (stored, brought, needed, free, goes) in [
            (&own, nothing, false, true, Ok(1)),
            (&own, other, false, true, Ok(1)),
            (&own, same, false, true, Ok(0)),
            (&own, nothing, true, false, Ok(1)),
            (&own, nothing, false, false, Ok(0)),
            (&out_of_use, nothing, false, true, Err(1)),
            (&out_of_use, other, false, true, Err(1)),
            (&out_of_use, same, false, true, Ok(0)),
            (&out_of_use, nothing, true, false, Err(1)),
            (&out_of_use, nothing, false, false, Ok(0)),
        ] {
            let layer = auth_layer(stored, brought, needed, free);
            let counted = layer.map(<[Pair]>::len).map_err(<[String]>::len);
            assert_eq!(counted, goes, "{stored:?} {brought:?} {needed} {free}");
        }
    }
}
