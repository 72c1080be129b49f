//! Clients exchange codes and refresh tokens for access tokens (RFC 6749 sections 4.1.3 and 6).
//!
//! A code is presented once, whatever comes of it. Of a family of refresh tokens there is one newest; what
//! becomes of the others, [`OAuthGrant::presented`] says.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Duration;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use subtle::ConstantTimeEq as _;
use warder_shared::{
    id::{GrantId, TokenId},
    oauth::{Resource, Scopes},
    principal::Principal,
    token::{ACCESS_TOKEN_TYPE, Claims, ClientClaims, TokenKind},
};
use zeroize::Zeroizing;

use super::{
    AuthenticatedClient, ErrorCode, Refusal, access, event, hash, refresh_token::RefreshToken,
};
use crate::{
    domain::{
        Actor, OAuthGrant, ObjectKind, Outcome,
        oauth_grant::{ACCESS_TOKEN_LIFETIME, Presented},
    },
    service::Services,
    store::{Tx, audit_events, oauth_clients, oauth_codes, oauth_grants},
    vault::Binding,
};

/// A code that a client wants to redeem.
#[derive(Debug)]
pub struct Redemption {
    /// The code.
    pub code: SecretString,
    /// `redirect_uri`, as in the authorization request.
    pub redirect_uri: Option<String>,
    /// `code_verifier` (RFC 7636 section 4.5).
    pub verifier: Option<SecretString>,
    /// `resource`, if the client repeats it.
    pub resource: Option<String>,
}

/// A refresh token that a client wants to use.
#[derive(Debug)]
pub struct Refreshing {
    /// The token.
    pub token: SecretString,
    /// What the new access token is to allow; none: as much as was granted.
    pub scope: Option<String>,
    /// `resource`, if the client repeats it.
    pub resource: Option<String>,
}

/// What a client gets.
#[derive(Debug)]
pub struct Issued {
    /// The access token.
    pub access_token: SecretString,
    /// How long it lives.
    pub expires_in: Duration,
    /// The next refresh token; none: the client cannot use one.
    pub refresh_token: Option<SecretString>,
    /// What the access token allows.
    pub scopes: Scopes,
}

const INVALID: Refusal = Refusal::new(
    ErrorCode::InvalidGrant,
    "the code or refresh token is not valid (any more), or was not given to this client for this purpose",
);

/// A client's use is noted once in this time.
const NOTED: Duration = Duration::hours(12);

/// Exchanges a code. Presenting it uses it up, whatever else is wrong; presenting it again revokes what it
/// was exchanged for (RFC 6749 section 4.1.2).
///
/// # Errors
/// [`ErrorCode::InvalidGrant`] and [`ErrorCode::InvalidTarget`].
pub async fn redeem(
    services: &Services,
    client: &AuthenticatedClient,
    redemption: &Redemption,
) -> Result<Issued, Refusal> {
    let mut tx = services.store.begin().await?;
    let hash = hash(&redemption.code);
    let Some(code) = oauth_codes::take(&mut tx, &hash).await? else {
        if let Some(used) = oauth_codes::find(&mut tx, &hash).await? {
            revoke_replayed(&mut tx, used.grant, "code_used_twice").await?;
            tx.commit().await?;
        }
        return Err(INVALID);
    };
    let now = tx.now();
    let grant = oauth_grants::find(&mut tx, code.grant).await?;
    let grant = grant.filter(|grant| {
        now < code.expires_at
            && grant.is_live(now)
            && grant.client_id == client.id()
            && redemption.redirect_uri.as_deref() == Some(grant.redirect_uri.as_str())
            && proves(redemption.verifier.as_ref(), &code.challenge)
    });
    let checked = match grant {
        None => Err(INVALID),
        Some(grant) => check(services, &mut tx, &grant, redemption.resource.as_deref())
            .await
            .map(|()| grant),
    };
    let mut grant = match checked {
        Ok(grant) => grant,
        Err(refusal) => {
            tx.commit().await?;
            return Err(refusal);
        }
    };
    grant.redeemed_at = Some(now);
    grant.last_used_at = now;
    let scopes = grant.scopes;
    issue(services, tx, grant, scopes, "oauth_grant.redeem").await
}

/// Exchanges a refresh token.
///
/// # Errors
/// [`ErrorCode::InvalidGrant`], [`ErrorCode::InvalidTarget`] and [`ErrorCode::InvalidScope`].
pub async fn refresh(
    services: &Services,
    client: &AuthenticatedClient,
    refreshing: &Refreshing,
) -> Result<Issued, Refusal> {
    let mut tx = services.store.begin().await?;
    let (token, mut grant) = family(services, &mut tx, &refreshing.token)
        .await?
        .filter(|(_, grant)| grant.client_id == client.id() && grant.refreshes)
        .ok_or(INVALID)?;
    let now = tx.now();
    let presented = grant.presented(i64::from(token.generation), now);
    match presented {
        Presented::Over => return Err(INVALID),
        Presented::Replayed => {
            revoke_replayed(&mut tx, grant.id, "refresh_token_used_twice").await?;
            tx.commit().await?;
            return Err(INVALID);
        }
        Presented::Rotate | Presented::Repeat => {}
    }
    check(services, &mut tx, &grant, refreshing.resource.as_deref()).await?;
    let scopes = match refreshing.scope.as_deref() {
        None => grant.scopes,
        Some(scope) => Scopes::requested(Some(scope)),
    };
    if scopes > grant.scopes {
        return Err(Refusal::new(
            ErrorCode::InvalidScope,
            "that is more than was granted",
        ));
    }
    if presented == Presented::Rotate {
        grant.generation += 1;
        grant.rotated_at = Some(now);
    }
    grant.last_used_at = now;
    issue(services, tx, grant, scopes, "oauth_grant.refresh").await
}

/// The grant that a refresh token belongs to; none: it is not one of ours.
pub(super) async fn family(
    services: &Services,
    tx: &mut Tx,
    token: &SecretString,
) -> Result<Option<(RefreshToken, OAuthGrant)>, Refusal> {
    let Some(token) = RefreshToken::read(token.expose_secret()) else {
        return Ok(None);
    };
    let Some(grant) = oauth_grants::find(&mut *tx, token.grant).await? else {
        return Ok(None);
    };
    let secret = secret_of(services, tx, &grant).await?;
    Ok(token.is_genuine(&secret).then_some((token, grant)))
}

/// Revokes a grant of which something came that only a copy explains.
async fn revoke_replayed(tx: &mut Tx, id: GrantId, reason: &str) -> Result<(), Refusal> {
    if !oauth_grants::revoke(tx, id).await? {
        return Ok(());
    }
    let object = (ObjectKind::OAuthGrant, id.to_string());
    let mut record = event(tx, Actor::system(), "oauth_grant.revoke", object);
    record.outcome = Outcome::Denied;
    record.reason = Some(reason.to_owned());
    audit_events::insert(tx, &record).await?;
    tracing::warn!(grant = %id, reason, "security: a grant was revoked, somebody has a copy of one of its tokens");
    Ok(())
}

/// Whether tokens are still given: for the same resource, to a user who still has access to it.
async fn check(
    services: &Services,
    tx: &mut Tx,
    grant: &OAuthGrant,
    asked: Option<&str>,
) -> Result<(), Refusal> {
    let gateway = services.gateway_url();
    let granted = Resource::parse(&grant.resource, gateway).ok_or(INVALID)?;
    if asked.is_some_and(|asked| Resource::parse(asked, gateway).as_ref() != Some(&granted)) {
        return Err(Refusal::new(
            ErrorCode::InvalidTarget,
            "resource is not the one that was granted",
        ));
    }
    let access = access::of_user(tx, grant.user, &granted).await?;
    access.map(drop).ok_or(INVALID)
}

async fn issue(
    services: &Services,
    mut tx: Tx,
    grant: OAuthGrant,
    scopes: Scopes,
    action: &str,
) -> Result<Issued, Refusal> {
    let now = tx.now();
    oauth_grants::update_progress(&mut tx, &grant).await?;
    oauth_clients::touch(&mut tx, &grant.client_id, now - NOTED).await?;
    let owner = Principal::User(grant.user);
    let issued_at = now.timestamp();
    let claims = Claims {
        iss: services.keys.issuer().to_owned(),
        aud: grant.resource.clone(),
        sub: owner,
        jti: TokenId::new(tx.clock()),
        kind: TokenKind::OAuth,
        iat: issued_at,
        nbf: issued_at,
        exp: issued_at + ACCESS_TOKEN_LIFETIME.num_seconds(),
        client: Some(ClientClaims {
            client_id: grant.client_id.clone(),
            scope: scopes,
            grant: grant.id,
        }),
    };
    let access_token = services.keys.sign(ACCESS_TOKEN_TYPE, &claims)?;
    let refresh_token = if grant.refreshes {
        let secret = secret_of(services, &mut tx, &grant).await?;
        let generation = u32::try_from(grant.generation).map_err(Refusal::internal)?;
        Some(RefreshToken::make(&secret, grant.id, generation))
    } else {
        None
    };
    let object = (ObjectKind::OAuthGrant, grant.id.to_string());
    let mut record = event(&tx, Actor::principal(owner, None), action, object);
    record.detail = json!({
        "client_id": grant.client_id,
        "token": claims.jti,
        "scope": scopes.as_str(),
    });
    audit_events::insert(&mut tx, &record).await?;
    tx.commit().await?;
    Ok(Issued {
        access_token,
        expires_in: ACCESS_TOKEN_LIFETIME,
        refresh_token,
        scopes,
    })
}

async fn secret_of(
    services: &Services,
    tx: &mut Tx,
    grant: &OAuthGrant,
) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let sealed = oauth_grants::sealed_secret(&mut *tx, grant.id).await?;
    let sealed = sealed.ok_or(INVALID)?;
    let binding = Binding::oauth_grant(grant.id, grant.user);
    Ok(services.vault.open_value(tx, &binding, &sealed).await?)
}

/// Whether a verifier is the one whose hash the challenge is (RFC 7636 section 4.6).
fn proves(verifier: Option<&SecretString>, challenge: &str) -> bool {
    let Some(verifier) = verifier.map(|verifier| verifier.expose_secret()) else {
        return false;
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(fits) {
        return false;
    }
    let hashed = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
    bool::from(hashed.as_bytes().ct_eq(challenge.as_bytes()))
}
