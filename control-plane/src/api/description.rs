//! The API's description (OpenAPI 3.1), made from the handlers and completed here.

use serde_json::json;
use utoipa::{
    PartialSchema as _, ToSchema as _,
    openapi::{
        ComponentsBuilder, ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder,
        Ref, RefOr, ResponseBuilder, SecurityRequirement,
        extensions::Extensions,
        path::Operation,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::authenticate::cookies::SESSION_COOKIE;

use super::{policy, problem::ProblemBody, routes};

/// Name of the way to authenticate with a token.
const BEARER: &str = "bearer";

/// Name of the way to authenticate in a session.
const SESSION: &str = "session";

/// The whole description, as served and as committed.
#[must_use]
pub fn document() -> OpenApi {
    complete(routes().into_openapi())
}

/// What does not come from handlers.
pub(super) fn head() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Warder control plane")
        .version("1")
        .description(Some(
            "Everything that administrators, managers and callers set up. Times are RFC 3339 in UTC; errors are problem \
             details (RFC 9457) with a stable `type`; unknown fields and parameters are refused. `PUT` creates or replaces \
             and may carry `If-Match` or `If-None-Match: *`. Secrets are write-only.",
        ))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some(
            "A personal access token, or a token of a virtual account",
        ))
        .build();
    let session = ApiKeyValue::with_description(
        SESSION_COOKIE,
        "The session of a person who signed in. What changes something also needs `X-CSRF-Token`, from a page of this \
         origin. Never beside a bearer token.",
    );
    let components = ComponentsBuilder::new()
        .security_scheme(BEARER, SecurityScheme::Http(bearer))
        .security_scheme(SESSION, SecurityScheme::ApiKey(ApiKey::Cookie(session)))
        .schema(ProblemBody::name(), ProblemBody::schema())
        .build();
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .build()
}

/// Adds to every operation what holds for all of them: who may use it, how to authenticate, and how it
/// refuses.
pub(crate) fn complete(mut description: OpenApi) -> OpenApi {
    if let Some(components) = &mut description.components {
        let mut schemas = Vec::new();
        ProblemBody::schemas(&mut schemas);
        components.schemas.extend(schemas);
    }
    for item in description.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.delete,
            &mut item.patch,
        ];
        for operation in operations.into_iter().flatten() {
            complete_operation(operation);
        }
    }
    description
}

fn complete_operation(operation: &mut Operation) {
    let access = operation.operation_id.as_deref().and_then(policy::access);
    let facts = access.map(|access| [("x-warder-access", json!(access.as_str()))]);
    operation.extensions = facts.map(Extensions::from_iter);
    let ways = [BEARER, SESSION].map(|way| SecurityRequirement::new(way, [""; 0]));
    operation.security = Some(ways.into());
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response {
            response.description = match status.as_str() {
                "201" => "Created".to_owned(),
                "204" => "Done; there is nothing to show".to_owned(),
                _ => "The state as it is now".to_owned(),
            };
        }
    }
    let refusals = [
        ("401", "The request carries no valid token"),
        (
            "default",
            "Every other refusal: the problem's `type` says which",
        ),
    ];
    for (status, description) in refusals {
        let problem = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name(ProblemBody::name())))
            .build();
        let response = ResponseBuilder::new()
            .description(description)
            .content("application/problem+json", problem);
        operation
            .responses
            .responses
            .insert(status.to_owned(), RefOr::T(response.build()));
    }
}
