//! `/mcp-servers`: the servers behind the gateway.

use axum::{Json, http::StatusCode};
use serde::{Deserialize, de::IgnoredAny};
use utoipa::ToSchema;
use warder_shared::{name::InvalidName, policy::ToolPolicy};

use crate::{
    api::{
        body::Body,
        call::Call,
        collaborators::CollaboratorRequest,
        conditional::{ConditionParams, Conditions, Tagged},
        page::Listing,
        path::Path,
        problem::Problem,
        query::{ConfirmParams, Nothing, PageParams, Params},
    },
    authorize,
    domain::Timeouts,
    service::{
        Failure, Violation,
        servers::{self, AuthInput, ServerInput, ServerView},
        words,
    },
};

pub mod auth;

use auth::{AuthRequest, HeaderMapRequest};

/// The wanted state of a server.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutServer {
    /// `remote`: one MCP server at a URL.
    #[serde(rename = "type")]
    #[schema(example = "remote")]
    server_type: String,
    /// Name shown to people; the server's name when absent.
    display_name: Option<String>,
    /// What it is for.
    #[serde(default)]
    description: String,
    /// Where it is: `https`, or `http` where an operator allowed its network.
    #[schema(value_type = String)]
    url: Option<String>,
    /// How the gateway authenticates to it; `none` when absent.
    auth: Option<AuthRequest>,
    /// Headers sent whatever the auth is. Write-only: read back as `null`, and `null` keeps the stored
    /// value.
    additional_headers: Option<HeaderMapRequest>,
    /// Which tools are callable at all; every tool when absent.
    #[schema(value_type = Option<words::ToolPolicy>)]
    tool_policy: Option<ToolPolicy>,
    /// Who may use or manage it. Absent: unchanged; on a new server its creator becomes manager.
    collaborators: Option<Vec<CollaboratorRequest>>,
    /// Certificates.
    #[serde(default)]
    tls: TlsRequest,
    /// How long it may take.
    #[schema(value_type = Option<words::Timeouts>)]
    timeouts: Option<Timeouts>,
    /// Whether callers may send `x-tfy-mcp-headers`; `true` when absent.
    allow_header_override: Option<bool>,
    /// Whether its prompts are reachable; `true` when absent.
    prompts_enabled: Option<bool>,
    /// Whether its resources are reachable; `true` when absent.
    resources_enabled: Option<bool>,
    #[schema(ignore)]
    servers: Option<IgnoredAny>,
    #[schema(ignore)]
    best_effort: Option<IgnoredAny>,
    #[schema(ignore)]
    prefix: Option<IgnoredAny>,
}

/// Certificates of a server.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsRequest {
    /// PEM certificates trusted for this server instead of the public roots.
    ca_cert: Option<String>,
}

impl PutServer {
    /// What the caller means.
    fn interpret(self) -> Result<ServerInput, Failure> {
        const SUPPORTED: &str = "this version supports `remote` servers only";
        match self.server_type.as_str() {
            "remote" => {}
            "virtual" => return Err(Failure::Unsupported(Violation::new("/type", SUPPORTED))),
            _ => {
                return Err(Failure::invalid(
                    "/type",
                    format!("is not known; {SUPPORTED}"),
                ));
            }
        }
        let virtual_only = [
            ("servers", &self.servers),
            ("best_effort", &self.best_effort),
            ("prefix", &self.prefix),
        ];
        if let Some((field, _)) = virtual_only.into_iter().find(|(_, value)| value.is_some()) {
            return Err(Failure::invalid(
                format!("/{field}"),
                "does not go with type `remote`",
            ));
        }
        Ok(ServerInput {
            display_name: self.display_name,
            description: self.description,
            url: self
                .url
                .ok_or_else(|| Failure::invalid("/url", "is required"))?,
            auth: self
                .auth
                .map_or(Ok(AuthInput::None), AuthRequest::interpret)?,
            additional_headers: self.additional_headers.unwrap_or_default().0,
            tool_policy: self.tool_policy.unwrap_or_default(),
            collaborators: self
                .collaborators
                .map(|list| list.into_iter().map(CollaboratorRequest::into).collect()),
            ca_cert: self.tls.ca_cert,
            timeouts: self.timeouts.unwrap_or_default(),
            allow_header_override: self.allow_header_override.unwrap_or(true),
            prompts_enabled: self.prompts_enabled.unwrap_or(true),
            resources_enabled: self.resources_enabled.unwrap_or(true),
        })
    }
}

/// Lists the servers that the caller may use, by name; administrators see every server.
#[utoipa::path(get, path = "/mcp-servers", operation_id = "list_mcp_servers", tag = "mcp servers", params(PageParams),
    responses((status = 200, body = Listing<ServerView>)))]
pub async fn list(
    Call { services, caller }: Call,
    Params(page): Params<PageParams>,
) -> Result<Json<Listing<ServerView>>, Problem> {
    Ok(Json(Listing::of(
        servers::list(&services, &caller, page.request()?).await?,
    )))
}

/// Shows a server; its collaborators to managers only.
#[utoipa::path(get, path = "/mcp-servers/{name}", operation_id = "get_mcp_server", tag = "mcp servers",
    params(("name" = String, Path, description = "Name of the server")), responses((status = 200, body = ServerView)))]
pub async fn get(
    Call { services, caller }: Call,
    Path(name): Path<String>,
    Params(Nothing {}): Params<Nothing>,
) -> Result<Tagged<ServerView>, Problem> {
    let permit = authorize::used(&services, &caller, &name).await?;
    Ok(Tagged::current(servers::get(&services, &permit).await?))
}

/// Creates a server (administrators), or replaces its state (managers).
///
/// A header value of `null` keeps the stored one, as long as the URL stays at its origin. What no
/// longer fits is deleted only with `?confirm=true`; without it, the answer is 409 and lists it.
#[utoipa::path(put, path = "/mcp-servers/{name}", operation_id = "put_mcp_server", tag = "mcp servers",
    params(("name" = String, Path, description = "Name of the server"), ConfirmParams, ConditionParams), request_body = PutServer,
    responses((status = 200, body = ServerView), (status = 201, body = ServerView)))]
pub async fn put(
    Call { services, caller }: Call,
    Path(name): Path<String>,
    Params(ConfirmParams { confirm }): Params<ConfirmParams>,
    Conditions(precondition): Conditions,
    Body(body): Body<PutServer>,
) -> Result<Tagged<ServerView>, Problem> {
    let name = name
        .parse()
        .map_err(|error: InvalidName| Problem::invalid("name", error.to_string()))?;
    let permit = authorize::put_server(&services, &caller, name).await?;
    let (created, server) = servers::put(
        &services,
        &permit,
        body.interpret()?,
        &precondition,
        confirm,
    )
    .await?;
    Ok(Tagged::written(created, server))
}

/// Deletes a server with its collaborators and every auth override.
#[utoipa::path(delete, path = "/mcp-servers/{name}", operation_id = "delete_mcp_server", tag = "mcp servers",
    params(("name" = String, Path, description = "Name of the server"), ConditionParams), responses((status = 204)))]
pub async fn delete(
    Call { services, caller }: Call,
    Path(name): Path<String>,
    Params(Nothing {}): Params<Nothing>,
    Conditions(precondition): Conditions,
) -> Result<StatusCode, Problem> {
    let permit = authorize::managed(&services, &caller, &name).await?;
    servers::delete(&services, &permit, &precondition).await?;
    Ok(StatusCode::NO_CONTENT)
}
