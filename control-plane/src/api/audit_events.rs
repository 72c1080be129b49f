//! `/audit-events`: what was done and decided.

use axum::Json;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    api::{
        call::Call,
        page::Listing,
        problem::Problem,
        query::{PageParams, Params},
    },
    authorize,
    domain::Outcome,
    service::{
        audit::{self, ActorQuery, AuditEventView, AuditQuery},
        words,
    },
};

/// Which events to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditParams {
    /// Most items to answer, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Events from this time on (RFC 3339).
    since: Option<DateTime<Utc>>,
    /// Events before this time (RFC 3339).
    until: Option<DateTime<Utc>>,
    /// Who acted: `user:<email>` or `virtual-account:<name>`, or with an id instead of the name.
    #[param(value_type = Option<String>)]
    subject: Option<ActorQuery>,
    /// Name of the server that it was about.
    server: Option<String>,
    /// Tool, prompt or resource that it was about.
    tool: Option<String>,
    /// How it ended.
    #[param(value_type = Option<words::Outcome>)]
    outcome: Option<Outcome>,
}

/// Lists audit events, the newest first.
#[utoipa::path(get, path = "/audit-events", operation_id = "list_audit_events", tag = "audit", params(AuditParams),
    responses((status = 200, body = Listing<AuditEventView>)))]
pub async fn list(
    Call { services, caller }: Call,
    Params(params): Params<AuditParams>,
) -> Result<Json<Listing<AuditEventView>>, Problem> {
    let permit = authorize::administrator(&caller)?;
    let page = PageParams {
        limit: params.limit,
        cursor: params.cursor,
    };
    let query = AuditQuery {
        since: params.since,
        until: params.until,
        subject: params.subject,
        server: params.server,
        tool: params.tool,
        outcome: params.outcome,
    };
    Ok(Json(Listing::of(
        audit::list(&services, &permit, query, page.request()?).await?,
    )))
}
