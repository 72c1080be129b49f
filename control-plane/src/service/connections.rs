//! Use cases of connections: what a caller still has to enter before a server can be used.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use warder_shared::{id::ServerId, name::ServerName};

use crate::{
    authorize::{Oneself, Permit, Used},
    domain::{AuthOverride, OverrideKeys, Page, PageRequest, Server, ServerAuth},
    service::{Failure, Services},
    store::{auth_overrides, servers},
};

/// A caller's connection to a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Connection)]
pub struct ConnectionView {
    /// Name of the server.
    #[schema(value_type = String)]
    pub server: ServerName,
    /// Name shown to people.
    pub display_name: String,
    /// Whether the caller has to do something.
    pub status: ConnectionStatus,
    /// How the caller is known to the server; `null`: not by anything of their own.
    pub method: Option<ConnectionMethod>,
    /// When the caller has to connect again; `null`: never.
    pub expires_at: Option<DateTime<Utc>>,
    /// What the caller consented to.
    pub scopes: Vec<String>,
    /// What an auth override of this server has values for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub required_values: Vec<String>,
}

/// Whether a caller has to do something before a server can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionStatus {
    /// The gateway has what it needs from the caller.
    Authenticated,
    /// The caller has to enter values of their own.
    AuthenticationRequired,
    /// The server asks for nothing of the caller.
    AuthenticationNotRequired,
}

/// How a caller is known to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionMethod {
    /// Values of their own.
    AuthOverride,
}

/// The caller's connections, by server name.
///
/// # Errors
/// When the database fails.
pub async fn list(
    services: &Services,
    permit: &Permit<Oneself>,
    page: PageRequest<ServerName>,
) -> Result<Page<ConnectionView, ServerName>, Failure> {
    let mut tx = services.store.begin_read().await?;
    let principal = permit.resource().principal;
    let own = auth_overrides::of_subject(&mut tx, principal).await?;
    let own: HashMap<ServerId, AuthOverride> =
        own.into_iter().map(|item| (item.server_id, item)).collect();
    let page = servers::list_visible(&mut tx, principal, &page).await?;
    Ok(page.map(|server| {
        let own = own.get(&server.id);
        connection(server, own)
    }))
}

/// The caller's connection to one server.
///
/// # Errors
/// When the database fails.
pub async fn get(services: &Services, permit: &Permit<Used>) -> Result<ConnectionView, Failure> {
    let Used {
        server, principal, ..
    } = permit.resource();
    let own = auth_overrides::find(&services.store, server.id, *principal).await?;
    Ok(connection(server.clone(), own.as_ref()))
}

fn connection(server: Server, own: Option<&AuthOverride>) -> ConnectionView {
    let usable = own.is_some_and(|own| own.origin == server.origin());
    let required = required_values(&server.auth);
    let (status, method) = if usable {
        (
            ConnectionStatus::Authenticated,
            Some(ConnectionMethod::AuthOverride),
        )
    } else if required.is_empty() {
        (ConnectionStatus::AuthenticationNotRequired, None)
    } else {
        (ConnectionStatus::AuthenticationRequired, None)
    };
    ConnectionView {
        server: server.name,
        display_name: server.display_name,
        status,
        method,
        expires_at: None,
        scopes: Vec::new(),
        required_values: required,
    }
}

/// What a caller has to enter before the server can be used.
pub(super) fn required_values(auth: &ServerAuth) -> Vec<String> {
    match (auth, auth.override_keys()) {
        (ServerAuth::IndividualHeader { .. }, OverrideKeys::Placeholders(names)) => {
            names.into_iter().collect()
        }
        _ => Vec::new(),
    }
}
