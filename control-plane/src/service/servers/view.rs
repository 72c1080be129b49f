//! A server, as read back: never a secret.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use url::Url;
use utoipa::ToSchema;
use warder_shared::{id::ServerId, name::ServerName, policy::ToolPolicy};

use crate::{
    domain::{Server, ServerAuth, ServerType, Timeouts},
    service::{Services, collaborators::CollaboratorView, words},
};

/// A server, as read back.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Server)]
pub struct ServerView {
    /// Never used again, even after the server is gone.
    #[schema(value_type = String, format = Uuid)]
    pub id: ServerId,
    /// Its name in the gateway's URLs; never changes.
    #[schema(value_type = String)]
    pub name: ServerName,
    /// What kind of server it is.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "remote")]
    pub server_type: ServerType,
    /// Name shown to people.
    pub display_name: String,
    /// What it is for.
    pub description: String,
    /// Where it is.
    #[schema(value_type = String)]
    pub url: Url,
    /// Where callers reach it: its MCP endpoint on the gateway.
    pub gateway_url: String,
    /// How the gateway authenticates to it.
    #[schema(value_type = AuthSchema)]
    pub auth: AuthView,
    /// Headers sent whatever the auth is; values are never shown.
    #[schema(value_type = BTreeMap<String, Option<String>>)]
    pub additional_headers: BTreeMap<String, Hidden>,
    /// Which tools are callable at all; shown to its managers, one server at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<words::ToolPolicy>)]
    pub tool_policy: Option<ToolPolicy>,
    /// Who may use or manage it; shown to its managers, one server at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collaborators: Option<Vec<CollaboratorView>>,
    /// Certificates.
    pub tls: TlsView,
    /// How long it may take.
    #[schema(value_type = words::Timeouts)]
    pub timeouts: Timeouts,
    /// Whether callers may send `x-tfy-mcp-headers`.
    pub allow_header_override: bool,
    /// Whether its prompts are reachable.
    pub prompts_enabled: bool,
    /// Whether its resources are reachable.
    pub resources_enabled: bool,
    /// Grows with every change of URL, auth or headers.
    pub revision: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When a field, its collaborators or its secrets last changed.
    pub updated_at: DateTime<Utc>,
}

/// Certificates of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Tls)]
pub struct TlsView {
    /// PEM certificates trusted for this server instead of the public roots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_cert: Option<String>,
}

/// `auth`, as read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum AuthView {
    /// OUT-1.
    None,
    /// OUT-2 and OUT-3.
    Header(HeaderAuthView),
    /// OUT-7.
    Forwarding {
        /// The only names that clients may send; absent: any permitted name.
        #[serde(skip_serializing_if = "Option::is_none")]
        headers: Option<Vec<String>>,
    },
}

/// `auth` of type `header`, as read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "level", rename_all = "snake_case")]
pub enum HeaderAuthView {
    /// OUT-2: values are never shown.
    Shared {
        /// Header name → `null`.
        headers: BTreeMap<String, Hidden>,
    },
    /// OUT-3.
    Individual {
        /// Header name → template.
        headers: BTreeMap<String, String>,
    },
}

/// How `auth` is described, written and read back.
#[derive(ToSchema)]
#[schema(as = Auth)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum AuthSchema {
    /// The gateway sends nothing.
    None,
    /// The gateway sends headers.
    Header {
        /// Whose values are sent.
        level: LevelSchema,
        /// Header name → value. `shared`: write-only; read back as `null`, and `null` keeps the stored
        /// value. `individual`: a template such as `Bearer {{API_KEY}}`; each caller's own values go
        /// into the placeholders.
        headers: BTreeMap<String, Option<String>>,
    },
    /// The gateway sends headers that the client put into `x-tfy-mcp-headers`.
    Forwarding {
        /// The only names that clients may send; absent: any permitted name.
        headers: Option<Vec<String>>,
    },
}

/// Whose header values are sent.
#[derive(ToSchema)]
#[schema(as = AuthLevel)]
#[serde(rename_all = "snake_case")]
pub enum LevelSchema {
    /// The same for everyone.
    Shared,
    /// Each caller's own.
    Individual,
}

/// A value that is stored and never shown: `null`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hidden;

impl Serialize for Hidden {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_none()
    }
}

impl ServerView {
    /// What is shown of a server; to its managers together with its collaborators.
    #[must_use]
    pub(super) fn of(
        services: &Services,
        server: Server,
        collaborators: Option<Vec<CollaboratorView>>,
    ) -> Self {
        Self {
            gateway_url: format!("{}/mcp/{}/server", services.gateway_url(), server.name),
            id: server.id,
            name: server.name,
            server_type: server.server_type,
            display_name: server.display_name,
            description: server.description,
            url: server.url,
            auth: AuthView::of(&server.auth),
            additional_headers: hidden(&server.additional_header_names),
            tool_policy: collaborators.is_some().then_some(server.tool_policy),
            collaborators,
            tls: TlsView {
                ca_cert: server.ca_cert,
            },
            timeouts: server.timeouts,
            allow_header_override: server.allow_header_override,
            prompts_enabled: server.prompts_enabled,
            resources_enabled: server.resources_enabled,
            revision: server.revision,
            created_at: server.created_at,
            updated_at: server.updated_at,
        }
    }
}

impl AuthView {
    fn of(auth: &ServerAuth) -> Self {
        match auth {
            ServerAuth::None => Self::None,
            ServerAuth::SharedHeader { names } => Self::Header(HeaderAuthView::Shared {
                headers: hidden(names),
            }),
            ServerAuth::IndividualHeader { headers } => {
                let headers = headers
                    .iter()
                    .map(|(name, template)| (name.clone(), template.to_string()))
                    .collect();
                Self::Header(HeaderAuthView::Individual { headers })
            }
            ServerAuth::Forwarding { headers } => Self::Forwarding {
                headers: headers.clone(),
            },
        }
    }
}

fn hidden(names: &[String]) -> BTreeMap<String, Hidden> {
    names.iter().map(|name| (name.clone(), Hidden)).collect()
}
