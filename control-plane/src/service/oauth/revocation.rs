//! Clients give tokens back (RFC 7009).

use secrecy::{ExposeSecret as _, SecretString};
use warder_shared::{id::GrantId, principal::Principal};

use super::{AuthenticatedClient, Refusal, event, tokens::family};
use crate::{
    domain::{Actor, ObjectKind},
    service::Services,
    store::{Tx, audit_events, oauth_grants},
};

/// Revokes the grant that a token belongs to, if it is this client's. A token that is none, is not valid any
/// more or is another client's changes nothing, and the client cannot tell (T46).
///
/// # Errors
/// When the database or the vault fails.
pub async fn revoke(
    services: &Services,
    client: &AuthenticatedClient,
    token: &SecretString,
) -> Result<(), Refusal> {
    let mut tx = services.store.begin().await?;
    let Some(id) = grant_of(services, &mut tx, token).await? else {
        return Ok(());
    };
    let grant = oauth_grants::find(&mut tx, id).await?;
    let Some(grant) = grant.filter(|grant| grant.client_id == client.id()) else {
        return Ok(());
    };
    if oauth_grants::revoke(&mut tx, id).await? {
        let actor = Actor::principal(Principal::User(grant.user), None);
        let object = (ObjectKind::OAuthGrant, id.to_string());
        let mut record = event(&tx, actor, "oauth_grant.revoke", object);
        record.reason = Some("revoked_by_client".to_owned());
        audit_events::insert(&mut tx, &record).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// The grant that a refresh token or an access token belongs to.
async fn grant_of(
    services: &Services,
    tx: &mut Tx,
    token: &SecretString,
) -> Result<Option<GrantId>, Refusal> {
    if let Some((_, grant)) = family(services, tx, token).await? {
        return Ok(Some(grant.id));
    }
    let claims = services.keys.verify(token.expose_secret()).ok();
    Ok(claims
        .and_then(|claims| claims.client)
        .map(|client| client.grant))
}
