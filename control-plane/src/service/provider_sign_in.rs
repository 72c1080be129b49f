//! Signing in at an identity provider: the code flow of OpenID Connect with PKCE (RFC 7636), `state`, `nonce`
//! and, where the provider says that it names itself, `iss` (RFC 9207).
//!
//! A state is 256 random bits, kept as their hash, for one provider, one browser and ten minutes. It is gone
//! with the first answer, whatever that says (T49).

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Duration;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use url::Url;
use warder_shared::token::TokenError;

use super::{
    BearerSecret, Failure, Services,
    identities::{self, IdentifyFailure, Refusal},
    identity_providers::{SignInClient, sign_in_client},
    sessions,
    sign_in::Origin,
};
use crate::{
    domain::{ProviderMetadata, SignedInBy},
    store::pending_sign_ins::{self, PendingSignIn},
    upstream::token_endpoint::{Code, ExchangeError, TokenEndpoint},
};

/// How long a browser may be away.
const LIFE: Duration = Duration::minutes(10);

/// Most browsers that may be away at a time, since strangers send them.
const MOST: i64 = 10_000;

const PURPOSE: &str = "pending sign-in";

/// What only the state opens.
#[derive(Serialize, Deserialize)]
struct Sealed {
    nonce: String,
    verifier: String,
    /// Handle of where to go on; empty for the first page.
    handle: String,
}

/// What an identity provider sends a browser back with.
#[derive(Debug, Default)]
pub struct ProviderAnswer {
    /// The state that the browser was sent with.
    pub state: String,
    /// A code, if it went well.
    pub code: Option<String>,
    /// Who answers (RFC 9207).
    pub iss: Option<String>,
    /// Whether it did not go well. What it says of that is for nobody (T49).
    pub is_error: bool,
}

/// Somebody who was signed in.
#[derive(Debug)]
pub struct Entered {
    /// The id of their session.
    pub session: BearerSecret,
    /// Handle of where to go on; empty for the first page.
    pub handle: String,
}

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
pub enum ProviderRefused {
    /// The state is not one that this browser was sent with, or it was used, or took too long.
    #[error(
        "this sign-in was not begun in this browser, or it took too long, or it was used already"
    )]
    State,
    /// The answer is not from the provider that the browser was sent to.
    #[error("the answer is not from the identity provider that was asked")]
    Issuer,
    /// The provider did not sign anybody in.
    #[error("the identity provider did not sign you in")]
    Declined,
    /// The provider cannot be asked now.
    #[error("the identity provider cannot be asked now")]
    Unavailable,
    /// The code gave no token.
    #[error("the identity provider did not say who you are")]
    Exchange(#[from] ExchangeError),
    /// The ID token is not one for this sign-in.
    #[error("what the identity provider says of you cannot be trusted")]
    Token(#[from] TokenError),
    /// They have no user here.
    #[error("{0}")]
    Identity(Refusal),
    /// It could not be found out.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Where to send a browser so that somebody signs in at the provider of this name.
///
/// # Errors
/// [`ProviderRefused::Unavailable`] while the provider's metadata cannot be read or too many are away, and
/// [`Failure::NotFound`] when nobody may sign in with it.
pub async fn begin(
    services: &Services,
    provider: &str,
    browser: &BearerSecret,
    handle: &str,
) -> Result<Url, ProviderRefused> {
    let client = sign_in_client(services, provider).await?;
    let metadata = client.metadata.as_ref();
    let endpoint = metadata.and_then(|metadata| metadata.authorization_endpoint.clone());
    let mut url = endpoint.ok_or(ProviderRefused::Unavailable)?;
    let state = BearerSecret::generate()?;
    let (nonce, verifier) = (BearerSecret::generate()?, BearerSecret::generate()?);
    let sealed = Sealed {
        nonce: nonce.expose().to_owned(),
        verifier: verifier.expose().to_owned(),
        handle: handle.to_owned(),
    };
    let sealed = serde_json::to_vec(&sealed).map_err(|error| Failure::Internal(error.into()))?;
    let pending = PendingSignIn {
        state: state.hash(),
        provider: client.provider.name.clone(),
        browser: browser.hash(),
        sealed: state.seal(PURPOSE, &sealed)?,
        expires_at: services.clock().now() + LIFE,
    };
    if !keep(services, &pending).await? {
        return Err(ProviderRefused::Unavailable);
    }
    let challenge = digest::digest(&digest::SHA256, verifier.expose().as_bytes());
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &client.login.client_id)
        .append_pair("redirect_uri", &redirect_uri(services, &client))
        .append_pair("scope", &client.login.scopes.join(" "))
        .append_pair("state", state.expose())
        .append_pair("nonce", nonce.expose())
        .append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(challenge))
        .append_pair("code_challenge_method", "S256");
    Ok(url)
}

/// Notes that a browser goes; not when too many are away.
async fn keep(services: &Services, pending: &PendingSignIn) -> Result<bool, Failure> {
    let mut tx = services.store.begin_append().await?;
    let now = tx.now();
    pending_sign_ins::delete_expired(&mut tx, now).await?;
    if pending_sign_ins::count(&mut tx).await? >= MOST {
        return Ok(false);
    }
    pending_sign_ins::insert(&mut tx, pending).await?;
    tx.commit().await?;
    Ok(true)
}

/// Signs in whom the provider of this name sent back.
///
/// # Errors
/// See [`ProviderRefused`].
pub async fn finish(
    services: &Services,
    provider: &str,
    browser: &BearerSecret,
    (answer, origin): (ProviderAnswer, &Origin),
) -> Result<Entered, ProviderRefused> {
    let sealed = take(services, provider, browser, &answer.state).await?;
    let client = sign_in_client(services, provider).await?;
    let metadata = client
        .metadata
        .as_ref()
        .ok_or(ProviderRefused::Unavailable)?;
    check_issuer(metadata, answer.iss.as_deref())?;
    let code = answer.code.filter(|_| !answer.is_error);
    let code = code.ok_or(ProviderRefused::Declined)?;
    let url = metadata.token_endpoint.as_ref();
    let endpoint = TokenEndpoint {
        url: url.ok_or(ProviderRefused::Unavailable)?,
        client_id: &client.login.client_id,
        client_secret: client.client_secret.as_ref(),
        auth_methods: &metadata.token_endpoint_auth_methods_supported,
    };
    let code = Code {
        code: &code,
        redirect_uri: &redirect_uri(services, &client),
        verifier: &sealed.verifier,
    };
    let token = endpoint.id_token(&services.egress, &code).await?;
    let now = services.clock().now();
    let assertion = client.verifier.verify_id_token(
        token.expose_secret(),
        &client.login.client_id,
        &sealed.nonce,
        now,
    )?;
    let user = identities::identify(&services.store, &assertion)
        .await
        .map_err(|failure| match failure {
            IdentifyFailure::Refused(refusal) => ProviderRefused::Identity(refusal),
            IdentifyFailure::Store(error) => ProviderRefused::Failed(error.into()),
        })?;
    let way = SignedInBy::IdentityProvider(client.provider.name.clone());
    let session = sessions::start(services, user.id, way, origin.request_id.clone()).await?;
    Ok(Entered {
        session,
        handle: sealed.handle,
    })
}

/// Takes what a state stands for. It is gone, also when the rest does not fit.
async fn take(
    services: &Services,
    provider: &str,
    browser: &BearerSecret,
    state: &str,
) -> Result<Sealed, ProviderRefused> {
    let state = BearerSecret::parse(state).ok_or(ProviderRefused::State)?;
    let taken = async {
        let mut tx = services.store.begin_append().await?;
        let pending = pending_sign_ins::take(&mut tx, &state.hash()).await?;
        tx.commit().await?;
        Ok::<_, Failure>(pending)
    };
    let now = services.clock().now();
    let pending = taken.await?.filter(|pending| {
        pending.provider.as_str() == provider
            && pending.browser == browser.hash()
            && now < pending.expires_at
    });
    let sealed = pending.and_then(|pending| state.open(PURPOSE, &pending.sealed));
    sealed
        .and_then(|sealed| serde_json::from_slice(&sealed).ok())
        .ok_or(ProviderRefused::State)
}

/// Whether the answer is from the provider that was asked (RFC 9207 section 2.4).
fn check_issuer(metadata: &ProviderMetadata, iss: Option<&str>) -> Result<(), ProviderRefused> {
    let expected = metadata.authorization_response_iss_parameter_supported;
    match iss {
        Some(iss) if iss == metadata.issuer => Ok(()),
        None if !expected => Ok(()),
        _ => Err(ProviderRefused::Issuer),
    }
}

/// Where the provider sends browsers back: a place of its own for each, so that an answer of one is never
/// taken for that of another.
fn redirect_uri(services: &Services, client: &SignInClient) -> String {
    let name = client.provider.name.as_str();
    format!("{}/login/{name}/callback", services.public_url())
}
