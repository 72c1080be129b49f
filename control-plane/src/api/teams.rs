//! `/teams`: groups of users.

use axum::{Json, http::StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

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
    domain::Email,
    service::teams::{self, TeamInput, TeamView},
};

/// The wanted state of a team.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutTeam {
    /// Name shown to people; the team's name when absent.
    display_name: Option<String>,
    /// Addresses of its members, all of them.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    members: Vec<Email>,
    /// Groups of identity providers whose people are members too, all of them.
    #[serde(default)]
    identity_provider_mapping: Vec<MappingRequest>,
}

/// Lists teams by name.
#[utoipa::path(get, path = "/teams", operation_id = "list_teams", tag = "teams", params(PageParams),
    responses((status = 200, body = Listing<TeamView>)))]
pub async fn list(
    Call { services, caller }: Call,
    Params(page): Params<PageParams>,
) -> Result<Json<Listing<TeamView>>, Problem> {
    let permit = authorize::administrator(&caller)?;
    Ok(Json(Listing::of(
        teams::list(&services, &permit, page.request()?).await?,
    )))
}

/// Shows a team.
#[utoipa::path(get, path = "/teams/{name}", operation_id = "get_team", tag = "teams",
    params(("name" = String, Path, description = "Name of the team")), responses((status = 200, body = TeamView)))]
pub async fn get(
    Call { services, caller }: Call,
    Path(name): Path<String>,
    Params(Nothing {}): Params<Nothing>,
) -> Result<Tagged<TeamView>, Problem> {
    let permit = authorize::administrator(&caller)?;
    Ok(Tagged::current(
        teams::get(&services, &permit, &name).await?,
    ))
}

/// Creates a team, or replaces its display name, members and mapped groups.
#[utoipa::path(put, path = "/teams/{name}", operation_id = "put_team", tag = "teams",
    params(("name" = String, Path, description = "Name of the team"), ConditionParams), request_body = PutTeam,
    responses((status = 200, body = TeamView), (status = 201, body = TeamView)))]
pub async fn put(
    Call { services, caller }: Call,
    Path(name): Path<String>,
    Params(Nothing {}): Params<Nothing>,
    Conditions(precondition): Conditions,
    Body(body): Body<PutTeam>,
) -> Result<Tagged<TeamView>, Problem> {
    let permit = authorize::administrator(&caller)?;
    let input = TeamInput {
        display_name: body.display_name,
        members: body.members,
        identity_provider_mapping: MappingRequest::inputs(body.identity_provider_mapping),
    };
    let (created, team) = teams::put(&services, &permit, &name, input, &precondition).await?;
    Ok(Tagged::written(created, team))
}

/// Deletes a team with its collaborator entries.
#[utoipa::path(delete, path = "/teams/{name}", operation_id = "delete_team", tag = "teams",
    params(("name" = String, Path, description = "Name of the team"), ConditionParams), responses((status = 204)))]
pub async fn delete(
    Call { services, caller }: Call,
    Path(name): Path<String>,
    Params(Nothing {}): Params<Nothing>,
    Conditions(precondition): Conditions,
) -> Result<StatusCode, Problem> {
    let permit = authorize::administrator(&caller)?;
    teams::delete(&services, &permit, &name, &precondition).await?;
    Ok(StatusCode::NO_CONTENT)
}
