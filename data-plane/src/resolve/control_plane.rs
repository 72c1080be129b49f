//! Asking the control plane for a credential, in the caller's own name (T62).

use std::sync::Arc;

use http::StatusCode;
use tonic::{Code, Status};
use warder_shared::{
    clock::Clock,
    headers,
    proto::{
        datetime,
        v1::{
            Header, ResolveRequest, ResolveResponse,
            credential_service_client::CredentialServiceClient,
        },
    },
    snapshot::Server,
};

use super::{Pair, cache::Stored};
use crate::{
    authenticate::Identity,
    error::{ErrorType, Rejection},
    link::Link,
};

/// The control plane's vault, as far as callers' own tokens open it.
pub(crate) struct Vault {
    link: Arc<Link>,
    clock: Clock,
}

impl Vault {
    /// The vault at the other end of this link.
    pub(crate) fn new(link: Arc<Link>, clock: Clock) -> Self {
        Self { link, clock }
    }

    /// Fetches what is stored for this caller and server.
    pub(super) async fn fetch(
        &self,
        identity: &Identity,
        server: &Server,
    ) -> Result<Stored, Rejection> {
        let message = ResolveRequest {
            caller_token: identity.token.expose().to_owned(),
            server_id: server.id.to_string(),
        };
        let channel = self.link.channel();
        let response = self.link.ask(message, |request| {
            let mut client = CredentialServiceClient::new(channel.clone());
            async move { client.resolve(request).await }
        });
        self.read(response.await.map_err(|status| refusal(&status))?, server)
    }

    fn read(&self, response: ResolveResponse, server: &Server) -> Result<Stored, Rejection> {
        // The server may have moved since this pod last heard of it. A credential goes to the origin that it
        // was made for or nowhere (T29).
        if response.origin != server.origin {
            return Err(unavailable().because("the credential is for another origin"));
        }
        let pairs = |headers: &[Header]| headers.iter().map(pair).collect::<Result<Vec<_>, _>>();
        let lifetime = response
            .expires_at
            .as_ref()
            .and_then(datetime)
            .map(|at| (at - self.clock.now()).to_std().unwrap_or_default());
        Ok(Stored {
            auth: pairs(&response.auth)?,
            additional: pairs(&response.additional)?,
            missing: response.missing,
            lifetime,
        })
    }
}

fn pair(header: &Header) -> Result<Pair, Rejection> {
    let parsed = headers::parse_name(&header.name)
        .and_then(|name| headers::parse_value(&name, &header.value).map(|value| (name, value)));
    parsed.map_err(|_| unavailable().because("a stored header cannot be sent"))
}

fn unavailable() -> Rejection {
    Rejection::unavailable(
        ErrorType::CredentialUnavailable,
        "the credential for this server cannot be had right now",
    )
}

fn refusal(status: &Status) -> Rejection {
    match status.code() {
        Code::PermissionDenied => {
            Rejection::unauthorized(true, "the token is not valid here (any more)")
                .because("refused by the control plane")
        }
        Code::NotFound => Rejection::not_found().because("refused by the control plane"),
        Code::FailedPrecondition => Rejection::new(
            StatusCode::FORBIDDEN,
            ErrorType::CredentialUnavailable,
            "a manager of this server has to enter its credentials again",
        ),
        // The control plane says so in its log.
        Code::ResourceExhausted => Rejection::unavailable(
            ErrorType::Overloaded,
            "too many credentials are asked for at once",
        )
        .because("this pod asks for too many credentials"),
        code => {
            tracing::warn!(
                ?code,
                message = status.message(),
                "the control plane did not give a credential"
            );
            unavailable().because(format!("control plane: {code:?}"))
        }
    }
}
