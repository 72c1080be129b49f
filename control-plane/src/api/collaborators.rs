//! `/mcp-servers/{name}/collaborators`: who may use or manage a server.

use serde::Deserialize;
use utoipa::ToSchema;
use warder_shared::policy::Role;

use crate::{
    api::{
        body::Body,
        call::Call,
        conditional::{ConditionParams, Conditions, Tagged},
        path::Path,
        problem::Problem,
        query::{Nothing, Params},
    },
    authorize,
    service::{
        collaborators::{self, CollaboratorInput, CollaboratorView},
        subjects::SubjectName,
        words,
    },
};

/// One collaborator entry.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Collaborator)]
pub struct CollaboratorRequest {
    /// `user:<email>`, `team:<name>`, `virtual-account:<name>`, or `team:everyone`: all users, no
    /// virtual accounts.
    #[schema(value_type = String, example = "user:ada@example.com")]
    subject: SubjectName,
    /// What they may do with the server.
    #[schema(value_type = words::ServerRole)]
    role: Role,
    /// Patterns (`*` globs, case-sensitive) of the tools that they may call; absent: every tool.
    tools: Option<Vec<String>>,
    /// Patterns of tools that they may not call, whatever else allows them.
    #[serde(default)]
    deny_tools: Vec<String>,
}

impl From<CollaboratorRequest> for CollaboratorInput {
    fn from(request: CollaboratorRequest) -> Self {
        Self {
            subject: request.subject,
            role: request.role,
            tools: request.tools,
            deny_tools: request.deny_tools,
        }
    }
}

/// Lists the collaborators of a server, all of them.
#[utoipa::path(get, path = "/mcp-servers/{name}/collaborators", operation_id = "get_collaborators", tag = "mcp servers",
    params(("name" = String, Path, description = "Name of the server")),
    responses((status = 200, body = Vec<CollaboratorView>)))]
pub async fn get(
    Call { services, caller }: Call,
    Path(name): Path<String>,
    Params(Nothing {}): Params<Nothing>,
) -> Result<Tagged<Vec<CollaboratorView>>, Problem> {
    let permit = authorize::managed(&services, &caller, &name).await?;
    Ok(Tagged::current(
        collaborators::get(&services, &permit).await?,
    ))
}

/// Replaces the collaborators of a server, all of them. Every pod follows within a second.
#[utoipa::path(put, path = "/mcp-servers/{name}/collaborators", operation_id = "put_collaborators", tag = "mcp servers",
    params(("name" = String, Path, description = "Name of the server"), ConditionParams), request_body = Vec<CollaboratorRequest>,
    responses((status = 200, body = Vec<CollaboratorView>)))]
pub async fn put(
    Call { services, caller }: Call,
    Path(name): Path<String>,
    Params(Nothing {}): Params<Nothing>,
    Conditions(precondition): Conditions,
    Body(body): Body<Vec<CollaboratorRequest>>,
) -> Result<Tagged<Vec<CollaboratorView>>, Problem> {
    let permit = authorize::managed(&services, &caller, &name).await?;
    let input = body.into_iter().map(CollaboratorRequest::into).collect();
    Ok(Tagged::current(
        collaborators::put(&services, &permit, input, &precondition).await?,
    ))
}
