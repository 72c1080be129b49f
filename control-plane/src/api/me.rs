//! `/me`: who am I?

use axum::Json;

use crate::{
    api::{
        call::Call,
        problem::Problem,
        query::{Nothing, Params},
    },
    service::me::{self, MeView},
};

/// Tells the caller who they are, their teams and roles.
#[utoipa::path(get, path = "/me", operation_id = "get_me", tag = "me", responses((status = 200, body = MeView)))]
pub async fn get(
    Call { services, caller }: Call,
    Params(Nothing {}): Params<Nothing>,
) -> Result<Json<MeView>, Problem> {
    Ok(Json(me::describe(&services, &caller).await?))
}
