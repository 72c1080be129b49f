//! `/users`: people.

use axum::{
    Json,
    http::{HeaderName, StatusCode, header},
};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    api::{
        body::Body,
        call::Call,
        conditional::{ConditionParams, Conditions, Tagged},
        page::Listing,
        path::Path,
        problem::Problem,
        query::{Nothing, PageParams, Params},
    },
    authorize,
    domain::{Email, TenantRole, UserStatus},
    service::{
        users::{self, NewUser, UserPatch, UserView},
        words,
    },
};

/// A new user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateUser {
    /// Their address: kept in lower case, names the user from now on, never changes.
    #[schema(value_type = String, format = Email)]
    email: Email,
    /// Name shown to people.
    #[serde(default)]
    name: String,
    /// Tenant roles; `["member"]` when absent.
    #[schema(value_type = Option<Vec<words::TenantRole>>)]
    roles: Option<Vec<TenantRole>>,
    /// `active` when absent.
    #[schema(value_type = Option<words::UserStatus>)]
    status: Option<UserStatus>,
}

/// What to change of a user; absent fields stay as they are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchUser {
    /// Name shown to people.
    name: Option<String>,
    /// Tenant roles, all of them.
    #[schema(value_type = Option<Vec<words::TenantRole>>)]
    roles: Option<Vec<TenantRole>>,
    /// A disabled user's tokens are refused at once, everywhere.
    #[schema(value_type = Option<words::UserStatus>)]
    status: Option<UserStatus>,
}

/// Lists users by address.
#[utoipa::path(get, path = "/users", operation_id = "list_users", tag = "users", params(PageParams),
    responses((status = 200, body = Listing<UserView>)))]
pub async fn list(
    Call { services, caller }: Call,
    Params(page): Params<PageParams>,
) -> Result<Json<Listing<UserView>>, Problem> {
    let permit = authorize::administrator(&caller)?;
    Ok(Json(Listing::of(
        users::list(&services, &permit, page.request()?).await?,
    )))
}

/// Adds a user.
#[utoipa::path(post, path = "/users", operation_id = "create_user", tag = "users", request_body = CreateUser,
    responses((status = 201, body = UserView)))]
pub async fn create(
    Call { services, caller }: Call,
    Params(Nothing {}): Params<Nothing>,
    Body(body): Body<CreateUser>,
) -> Result<([(HeaderName, String); 1], Tagged<UserView>), Problem> {
    let permit = authorize::administrator(&caller)?;
    let user = NewUser {
        email: body.email,
        name: body.name,
        roles: body.roles.unwrap_or_else(|| vec![TenantRole::Member]),
        status: body.status.unwrap_or(UserStatus::Active),
    };
    let user = users::create(&services, &permit, user).await?;
    let location = format!("/api/v1/users/{}", user.email);
    Ok(([(header::LOCATION, location)], Tagged::written(true, user)))
}

/// Shows a user.
#[utoipa::path(get, path = "/users/{email}", operation_id = "get_user", tag = "users",
    params(("email" = String, Path, description = "Address of the user")),
    responses((status = 200, body = UserView)))]
pub async fn get(
    Call { services, caller }: Call,
    Path(email): Path<String>,
    Params(Nothing {}): Params<Nothing>,
) -> Result<Tagged<UserView>, Problem> {
    let permit = authorize::administrator(&caller)?;
    Ok(Tagged::current(
        users::get(&services, &permit, &email).await?,
    ))
}

/// Changes a user.
#[utoipa::path(patch, path = "/users/{email}", operation_id = "update_user", tag = "users",
    params(("email" = String, Path, description = "Address of the user"), ConditionParams), request_body = PatchUser,
    responses((status = 200, body = UserView)))]
pub async fn update(
    Call { services, caller }: Call,
    Path(email): Path<String>,
    Params(Nothing {}): Params<Nothing>,
    Conditions(precondition): Conditions,
    Body(body): Body<PatchUser>,
) -> Result<Tagged<UserView>, Problem> {
    let permit = authorize::administrator(&caller)?;
    let patch = UserPatch {
        name: body.name,
        roles: body.roles,
        status: body.status,
    };
    Ok(Tagged::current(
        users::update(&services, &permit, &email, patch, &precondition).await?,
    ))
}

/// Deletes a user with their memberships, collaborator entries and auth overrides, and revokes their tokens.
#[utoipa::path(delete, path = "/users/{email}", operation_id = "delete_user", tag = "users",
    params(("email" = String, Path, description = "Address of the user"), ConditionParams), responses((status = 204)))]
pub async fn delete(
    Call { services, caller }: Call,
    Path(email): Path<String>,
    Params(Nothing {}): Params<Nothing>,
    Conditions(precondition): Conditions,
) -> Result<StatusCode, Problem> {
    let permit = authorize::administrator(&caller)?;
    users::delete(&services, &permit, &email, &precondition).await?;
    Ok(StatusCode::NO_CONTENT)
}
