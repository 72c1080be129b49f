//! `/virtual-accounts`: accounts without a person behind them.

use axum::{Json, http::StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;
use warder_shared::{name::Name, policy::Role};

use crate::{
    api::{
        body::Body,
        call::Call,
        conditional::{ConditionParams, Conditions, Tagged},
        identity_providers::MappingRequest,
        page::Listing,
        path::Path,
        problem::Problem,
        query::{Nothing, PageParams, Params},
    },
    authorize,
    service::{
        virtual_accounts::{self as accounts, AccountInput, AccountView, PermissionInput},
        words,
    },
};

/// The wanted state of a virtual account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutVirtualAccount {
    /// What the account is for.
    #[serde(default)]
    description: String,
    /// What it may use, all of it: the same entries as the servers' `collaborators`, seen from this
    /// side. Absent: unchanged.
    permissions: Option<Vec<PermissionRequest>>,
    /// Values of identity providers' claims that stand for it, all of them.
    #[serde(default)]
    identity_provider_mapping: Vec<MappingRequest>,
}

/// What a virtual account may do with one server.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PermissionRequest {
    /// Name of the server.
    #[schema(value_type = String)]
    server: Name,
    /// What it may do with the server.
    #[schema(value_type = words::ServerRole)]
    role: Role,
    /// Patterns (`*` globs, case-sensitive) of the tools that it may call; absent: every tool.
    tools: Option<Vec<String>>,
    /// Patterns of tools that it may not call.
    #[serde(default)]
    deny_tools: Vec<String>,
}

/// Lists virtual accounts by name.
#[utoipa::path(get, path = "/virtual-accounts", operation_id = "list_virtual_accounts", tag = "virtual accounts",
    params(PageParams), responses((status = 200, body = Listing<AccountView>)))]
pub async fn list(
    Call { services, caller }: Call,
    Params(page): Params<PageParams>,
) -> Result<Json<Listing<AccountView>>, Problem> {
    let permit = authorize::administrator(&caller)?;
    Ok(Json(Listing::of(
        accounts::list(&services, &permit, page.request()?).await?,
    )))
}

/// Shows a virtual account.
#[utoipa::path(get, path = "/virtual-accounts/{name}", operation_id = "get_virtual_account", tag = "virtual accounts",
    params(("name" = String, Path, description = "Name of the account")), responses((status = 200, body = AccountView)))]
pub async fn get(
    Call { services, caller }: Call,
    Path(name): Path<String>,
    Params(Nothing {}): Params<Nothing>,
) -> Result<Tagged<AccountView>, Problem> {
    let permit = authorize::administrator(&caller)?;
    Ok(Tagged::current(
        accounts::get(&services, &permit, &name).await?,
    ))
}

/// Creates a virtual account, or replaces its description, permissions and mapped values.
#[utoipa::path(put, path = "/virtual-accounts/{name}", operation_id = "put_virtual_account", tag = "virtual accounts",
    params(("name" = String, Path, description = "Name of the account"), ConditionParams), request_body = PutVirtualAccount,
    responses((status = 200, body = AccountView), (status = 201, body = AccountView)))]
pub async fn put(
    Call { services, caller }: Call,
    Path(name): Path<String>,
    Params(Nothing {}): Params<Nothing>,
    Conditions(precondition): Conditions,
    Body(body): Body<PutVirtualAccount>,
) -> Result<Tagged<AccountView>, Problem> {
    let permit = authorize::administrator(&caller)?;
    let permissions = body
        .permissions
        .map(|list| list.into_iter().map(PermissionRequest::into).collect());
    let input = AccountInput {
        description: body.description,
        permissions,
        identity_provider_mapping: MappingRequest::inputs(body.identity_provider_mapping),
    };
    let (created, account) = accounts::put(&services, &permit, &name, input, &precondition).await?;
    Ok(Tagged::written(created, account))
}

/// Deletes a virtual account with its permissions and auth overrides, and revokes its tokens.
#[utoipa::path(delete, path = "/virtual-accounts/{name}", operation_id = "delete_virtual_account", tag = "virtual accounts",
    params(("name" = String, Path, description = "Name of the account"), ConditionParams), responses((status = 204)))]
pub async fn delete(
    Call { services, caller }: Call,
    Path(name): Path<String>,
    Params(Nothing {}): Params<Nothing>,
    Conditions(precondition): Conditions,
) -> Result<StatusCode, Problem> {
    let permit = authorize::administrator(&caller)?;
    accounts::delete(&services, &permit, &name, &precondition).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<PermissionRequest> for PermissionInput {
    fn from(request: PermissionRequest) -> Self {
        Self {
            server: request.server,
            role: request.role,
            tools: request.tools,
            deny_tools: request.deny_tools,
        }
    }
}
