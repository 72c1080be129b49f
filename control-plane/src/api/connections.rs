//! `/connections`: what the caller still has to enter before servers can be used.

use axum::Json;

use crate::{
    api::{
        call::Call,
        page::Listing,
        path::Path,
        problem::Problem,
        query::{Nothing, PageParams, Params},
    },
    authorize,
    service::connections::{self, ConnectionView},
};

/// Lists the caller's connections to the servers that they may use, by server name.
#[utoipa::path(get, path = "/connections", operation_id = "list_connections", tag = "connections", params(PageParams),
    responses((status = 200, body = Listing<ConnectionView>)))]
pub async fn list(
    Call { services, caller }: Call,
    Params(page): Params<PageParams>,
) -> Result<Json<Listing<ConnectionView>>, Problem> {
    let permit = authorize::oneself(&caller);
    Ok(Json(Listing::of(
        connections::list(&services, &permit, page.request()?).await?,
    )))
}

/// Shows the caller's connection to one server.
#[utoipa::path(get, path = "/connections/{server}", operation_id = "get_connection", tag = "connections",
    params(("server" = String, Path, description = "Name of the server")), responses((status = 200, body = ConnectionView)))]
pub async fn get(
    Call { services, caller }: Call,
    Path(server): Path<String>,
    Params(Nothing {}): Params<Nothing>,
) -> Result<Json<ConnectionView>, Problem> {
    let permit = authorize::used(&services, &caller, &server).await?;
    Ok(Json(connections::get(&services, &permit).await?))
}
