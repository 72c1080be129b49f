//! An authorization request, checked (RFC 6749 section 4.1.1).

use std::sync::Arc;

use warder_shared::oauth::{Resource, Scopes};

use super::{ErrorCode, Refusal, clients::is_document};
use crate::{
    domain::{OAuthClient, RedirectUri},
    service::Services,
    store::oauth_clients,
};

/// Longest `state`, in bytes: it goes back in a URL.
const MAX_STATE: usize = 8 * 1024;

/// A request that may be put to the user.
#[derive(Debug, Clone)]
pub struct AuthorizationRequest {
    /// Who asks.
    pub client: Arc<OAuthClient>,
    /// Where to answer.
    pub redirect_uri: RedirectUri,
    /// What to repeat in the answer.
    pub state: Option<String>,
    /// `code_challenge`, method S256 (RFC 7636 section 4.2).
    pub challenge: String,
    /// What the token is to be for.
    pub resource: Resource,
    /// What it is to allow.
    pub scopes: Scopes,
    /// Whether the user may be asked.
    pub prompt: Prompt,
}

/// Whether the user may be asked (OpenID Connect Core section 3.1.2.1). They are asked each time, so
/// `prompt=consent` says nothing new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompt {
    /// `none`: they may not.
    Never,
    /// They may.
    Allowed,
}

/// A request that is not put to the user.
#[derive(Debug)]
pub enum Rejected {
    /// It is unknown whom to answer: the user is told, and nobody is redirected (RFC 6749 section 4.1.2.1).
    Unanswerable(&'static str),
    /// Something broke before that was known.
    Failed(Refusal),
    /// The client is told.
    Answerable {
        /// Where.
        redirect_uri: RedirectUri,
        /// What to repeat in the answer.
        state: Option<String>,
        /// What.
        refusal: Refusal,
    },
}

/// A parameter that is there more than once.
struct Repeated;

/// Checks the parameters of an authorization request: client and redirect URI first.
///
/// # Errors
/// See [`Rejected`].
pub async fn check(
    services: &Services,
    parameters: &[(String, String)],
) -> Result<AuthorizationRequest, Rejected> {
    let (client, redirect_uri) = answerable(services, parameters).await?;
    let state = one(parameters, "state").ok().flatten().map(str::to_owned);
    match rest(services, parameters) {
        Ok(Rest {
            challenge,
            resource,
            scopes,
            prompt,
        }) => Ok(AuthorizationRequest {
            client,
            redirect_uri,
            state,
            challenge,
            resource,
            scopes,
            prompt,
        }),
        Err(refusal) => Err(Rejected::Answerable {
            redirect_uri,
            state,
            refusal,
        }),
    }
}

/// Who asks, and where to answer.
async fn answerable(
    services: &Services,
    parameters: &[(String, String)],
) -> Result<(Arc<OAuthClient>, RedirectUri), Rejected> {
    let own = [services.keys.issuer(), services.gateway_url()];
    let single = |name, problem| match one(parameters, name) {
        Ok(Some(value)) => Ok(value),
        Ok(None) | Err(Repeated) => Err(Rejected::Unanswerable(problem)),
    };
    let id = single("client_id", "The request names no client.")?;
    let client = if is_document(id) {
        let client = services.client_documents.client(id, &own).await;
        client.map_err(|error| {
            tracing::info!("an authorization request is refused: {error}");
            Rejected::Unanswerable(
                "The client's description could not be fetched from the address that it gives as its id, or does not fit it.",
            )
        })?
    } else {
        let found = oauth_clients::find(&services.store, id).await;
        let found = found.map_err(|error| Rejected::Failed(error.into()))?;
        let found = found.ok_or(Rejected::Unanswerable(
            "The client is not registered here (any more). Remove the server from the client and add it again, so that it registers anew.",
        ))?;
        Arc::new(found.client)
    };
    let uri = single(
        "redirect_uri",
        "The request does not say where to go back to.",
    )?;
    let uri = RedirectUri::parse(uri, &own).ok();
    let uri = uri.filter(|uri| client.may_be_answered_at(uri));
    let uri = uri.ok_or(Rejected::Unanswerable(
        "The client wants to go back to an address that it did not register.",
    ))?;
    Ok((client, uri))
}

struct Rest {
    challenge: String,
    resource: Resource,
    scopes: Scopes,
    prompt: Prompt,
}

fn rest(services: &Services, parameters: &[(String, String)]) -> Result<Rest, Refusal> {
    const fn invalid(description: &'static str) -> Refusal {
        Refusal::new(ErrorCode::InvalidRequest, description)
    }
    let single = |name| {
        one(parameters, name).map_err(|Repeated| invalid("a parameter is there more than once"))
    };
    let state = single("state")?;
    if state.is_some_and(|state| state.len() > MAX_STATE) {
        return Err(invalid("state is too long"));
    }
    if single("request")?.is_some() || single("request_uri")?.is_some() {
        return Err(invalid("request objects are not supported"));
    }
    if !matches!(single("response_mode")?, None | Some("query")) {
        return Err(invalid("response_mode is query"));
    }
    match single("response_type")? {
        Some("code") => {}
        Some(_) => {
            return Err(Refusal::new(
                ErrorCode::UnsupportedResponseType,
                "response_type is code",
            ));
        }
        None => return Err(invalid("response_type is missing")),
    }
    if single("code_challenge_method")? != Some("S256") {
        return Err(invalid("PKCE is needed: code_challenge_method is S256"));
    }
    let challenge = single("code_challenge")?.filter(|challenge| is_challenge(challenge));
    let challenge = challenge.ok_or(invalid(
        "PKCE is needed: code_challenge is 43 characters of base64url",
    ))?;
    let scope = single("scope")?;
    let prompts = single("prompt")?.unwrap_or_default();
    let prompt = if prompts.split(' ').any(|prompt| prompt == "none") {
        Prompt::Never
    } else {
        Prompt::Allowed
    };
    Ok(Rest {
        challenge: challenge.to_owned(),
        resource: resource(services, parameters)?,
        scopes: Scopes::requested(scope),
        prompt,
    })
}

/// What the token is to be for. Clients of MCP name their server; some name the gateway's origin or nothing,
/// and get a token for all servers, as personal access tokens are, unless that is forbidden.
fn resource(services: &Services, parameters: &[(String, String)]) -> Result<Resource, Refusal> {
    const fn invalid(description: &'static str) -> Refusal {
        Refusal::new(ErrorCode::InvalidTarget, description)
    }
    let wanted =
        one(parameters, "resource").map_err(|Repeated| invalid("a token is for one resource"))?;
    let resource = match wanted {
        None => Resource::Gateway,
        Some(wanted) => Resource::parse(wanted, services.gateway_url()).ok_or(invalid(
            "resource is not the URL of an MCP server of this gateway",
        ))?,
    };
    if resource == Resource::Gateway && services.require_resource {
        return Err(invalid(
            "resource is needed here: the URL of the MCP server that the token is for",
        ));
    }
    Ok(resource)
}

/// A parameter's value, if it is there once. Without a value it is as good as not there (RFC 6749 section 3.1).
fn one<'p>(parameters: &'p [(String, String)], name: &str) -> Result<Option<&'p str>, Repeated> {
    let mut values = parameters
        .iter()
        .filter(|(other, _)| other == name)
        .map(|(_, value)| value.as_str());
    let value = values.next();
    if values.next().is_some() {
        return Err(Repeated);
    }
    Ok(value.filter(|value| !value.is_empty()))
}

/// The hash of a verifier has 43 characters, neither more nor less.
fn is_challenge(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.len() == 43 && text.bytes().all(fits)
}
