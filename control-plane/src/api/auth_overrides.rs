//! `/mcp-servers/{name}/auth-overrides`: callers' own values for a server.

use std::collections::BTreeMap;

use axum::{Json, http::StatusCode};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::{
        body::Body,
        call::Call,
        page::Listing,
        path::Path,
        problem::Problem,
        query::{Nothing, PageParams, Params},
        servers::auth::HeaderMapRequest,
    },
    authorize,
    service::{
        Failure,
        overrides::{self, OverrideInput, OverrideView},
        pointer_step,
        subjects::PrincipalName,
    },
};

/// A caller's own values for a server: `value` where there is one, else `values`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutAuthOverride {
    /// Whose values they are: `user:<email>` or `virtual-account:<name>`; absent: the caller's own.
    #[schema(value_type = Option<String>)]
    subject: Option<PrincipalName>,
    /// The only value that the server asks for. Write-only.
    value: Option<String>,
    /// Placeholder name → value, or header name → whole header value. Write-only.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    values: Option<HeaderMapRequest>,
}

/// Whose values to delete.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SubjectParams {
    /// `user:<email>` or `virtual-account:<name>`; absent: the caller's own.
    #[param(value_type = Option<String>)]
    subject: Option<PrincipalName>,
}

impl PutAuthOverride {
    /// What the caller means, apart from the subject.
    fn interpret(self) -> Result<OverrideInput, Failure> {
        match (self.value, self.values) {
            (Some(value), None) => Ok(OverrideInput::Single(SecretString::from(value))),
            (None, Some(values)) => {
                let mut named = BTreeMap::new();
                for (name, value) in values.0 {
                    let pointer = format!("/values/{}", pointer_step(&name));
                    named.insert(
                        name,
                        value.ok_or_else(|| Failure::invalid(pointer, "must be a text"))?,
                    );
                }
                Ok(OverrideInput::Named(named))
            }
            _ => Err(Failure::invalid("", "must have either `value` or `values`")),
        }
    }
}

/// Lists who has values of their own, never the values: everyone's for managers, else the caller's.
#[utoipa::path(get, path = "/mcp-servers/{name}/auth-overrides", operation_id = "list_auth_overrides", tag = "auth overrides",
    params(("name" = String, Path, description = "Name of the server"), PageParams),
    responses((status = 200, body = Listing<OverrideView>)))]
pub async fn list(
    Call { services, caller }: Call,
    Path(name): Path<String>,
    Params(page): Params<PageParams>,
) -> Result<Json<Listing<OverrideView>>, Problem> {
    let permit = authorize::used(&services, &caller, &name).await?;
    Ok(Json(Listing::of(
        overrides::list(&services, &permit, page.request()?).await?,
    )))
}

/// Stores someone's own values, replacing those before: anybody's for managers, else the caller's.
#[utoipa::path(put, path = "/mcp-servers/{name}/auth-overrides", operation_id = "put_auth_override", tag = "auth overrides",
    params(("name" = String, Path, description = "Name of the server")), request_body = PutAuthOverride,
    responses((status = 200, body = OverrideView), (status = 201, body = OverrideView)))]
pub async fn put(
    Call { services, caller }: Call,
    Path(name): Path<String>,
    Params(Nothing {}): Params<Nothing>,
    Body(body): Body<PutAuthOverride>,
) -> Result<(StatusCode, Json<OverrideView>), Problem> {
    let permit = authorize::override_of(&services, &caller, &name, body.subject.as_ref()).await?;
    let (created, view) = overrides::put(&services, &permit, body.interpret()?).await?;
    Ok((
        if created {
            StatusCode::CREATED
        } else {
            StatusCode::OK
        },
        Json(view),
    ))
}

/// Deletes someone's own values: anybody's for managers, else the caller's.
#[utoipa::path(delete, path = "/mcp-servers/{name}/auth-overrides", operation_id = "delete_auth_override", tag = "auth overrides",
    params(("name" = String, Path, description = "Name of the server"), SubjectParams), responses((status = 204)))]
pub async fn delete(
    Call { services, caller }: Call,
    Path(name): Path<String>,
    Params(params): Params<SubjectParams>,
) -> Result<StatusCode, Problem> {
    let permit = authorize::override_of(&services, &caller, &name, params.subject.as_ref()).await?;
    overrides::delete(&services, &permit).await?;
    Ok(StatusCode::NO_CONTENT)
}
