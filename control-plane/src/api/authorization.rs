//! `/authorization/explain`: why may someone do something, or not?

use axum::Json;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    api::{
        body::Body,
        call::Call,
        problem::Problem,
        query::{Nothing, Params},
    },
    authorize,
    service::{
        explain::{self, Explanation},
        subjects::PrincipalName,
    },
};

/// What to explain.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainRequest {
    /// Who would call: `user:<email>` or `virtual-account:<name>`.
    #[schema(value_type = String)]
    subject: PrincipalName,
    /// Name of the server.
    server: String,
    /// Name of the tool; absent: the server as a whole.
    tool: Option<String>,
}

/// Explains what the gateway would decide, and which credential it would send: for administrators and
/// managers of the server about anyone, for everyone else about themselves.
#[utoipa::path(post, path = "/authorization/explain", operation_id = "explain_authorization", tag = "authorization",
    request_body = ExplainRequest, responses((status = 200, body = Explanation)))]
pub async fn explain(
    Call { services, caller }: Call,
    Params(Nothing {}): Params<Nothing>,
    Body(body): Body<ExplainRequest>,
) -> Result<Json<Explanation>, Problem> {
    let permit = authorize::explained(&services, &caller, &body.server, &body.subject).await?;
    Ok(Json(
        explain::explain(&services, &permit, body.tool.as_deref()).await?,
    ))
}
