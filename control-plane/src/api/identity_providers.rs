//! `/identity-providers`: whose tokens and sign-ins are accepted besides our own.

use std::collections::BTreeMap;

use axum::{Json, http::StatusCode};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use utoipa::ToSchema;
use warder_shared::{identity_provider::IdentifyBy, name::Name};

use crate::{
    api::{
        body::Body,
        call::Call,
        conditional::{ConditionParams, Conditions, Tagged},
        page::Listing,
        path::Path,
        problem::Problem,
        query::{ConfirmParams, Nothing, PageParams, Params},
    },
    authorize,
    domain::Provisioning,
    service::{
        identity_providers::{
            self as providers, LoginInput, ProviderInput, ProviderView, ResolveToInput,
            mapping::MappingInput,
        },
        words,
    },
};

/// The wanted state of an identity provider.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutIdentityProvider {
    /// Name shown to people; the provider's name when absent.
    display_name: Option<String>,
    /// `iss` of its tokens, exactly: a URL that leads to its metadata.
    issuer: String,
    /// One of them must be in `aud` of an access token.
    audiences: Vec<String>,
    /// Where its keys are; where its metadata says when absent.
    jwks_uri: Option<String>,
    /// Accepted algorithms: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA. RS256, ES256 and
    /// EdDSA when absent.
    algorithms: Option<Vec<String>>,
    /// Accepted values of `typ` of an access token, `null` if it may be absent. `at+jwt`, `JWT` and `null`
    /// when absent.
    token_types: Option<Vec<Option<String>>>,
    /// Path of a claim (names with `/` between them, escaped as in a JSON pointer) → the value that it must
    /// have, or a list of such values.
    #[serde(default)]
    required_claims: BTreeMap<String, Value>,
    /// Whom its tokens stand for.
    resolve_to: ResolveToRequest,
    /// Our client there, with which people sign in; they do not when absent.
    login: Option<LoginRequest>,
}

/// Whom the tokens of an identity provider stand for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolveToRequest {
    /// `virtual_account`: the one that the value of `claim` is mapped to. `user`: a person.
    #[serde(rename = "type")]
    #[schema(example = "user")]
    kind: String,
    /// With `virtual_account`: path of the claim.
    claim: Option<String>,
    /// With `user`: what somebody is known by when they come for the first time.
    #[schema(value_type = Option<words::IdentifyBy>)]
    identify_by: Option<IdentifyBy>,
    /// With `user`: path of the claim with their address; `email` when absent.
    email_claim: Option<String>,
    /// With `user`: path of the claim with their groups, each of which may be mapped to teams.
    team_claim: Option<String>,
    /// With `user`: what happens to somebody who has no user yet; `invite_only` when absent.
    #[schema(value_type = Option<words::Provisioning>)]
    provisioning: Option<Provisioning>,
    /// With `identify_by: email`: the domains whose addresses the provider may speak for. No two providers
    /// share one.
    email_domains: Option<Vec<String>>,
}

/// Our client at an identity provider.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// Whether people may sign in with it.
    #[serde(default)]
    enabled: bool,
    /// Its `client_id`.
    client_id: String,
    /// Its secret; absent: a public client. Write-only: read back as `null`, and `null` keeps the stored
    /// value.
    #[serde(default, deserialize_with = "written_or_kept")]
    #[schema(value_type = Option<String>)]
    client_secret: Option<Option<SecretString>>,
    /// What it asks for; `openid`, `email` and `profile` when absent.
    scopes: Option<Vec<String>>,
}

/// A value of an identity provider's claim that stands for a team or a virtual account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MappingRequest {
    /// Name of the provider.
    #[schema(value_type = String)]
    identity_provider: Name,
    /// The claim's value, exactly.
    value: String,
}

impl MappingRequest {
    /// What the caller means.
    pub(super) fn inputs(requests: Vec<Self>) -> Vec<MappingInput> {
        let input = |request: Self| MappingInput {
            identity_provider: request.identity_provider,
            value: request.value,
        };
        requests.into_iter().map(input).collect()
    }
}

impl From<PutIdentityProvider> for ProviderInput {
    fn from(body: PutIdentityProvider) -> Self {
        let resolve_to = body.resolve_to;
        Self {
            display_name: body.display_name,
            issuer: body.issuer,
            audiences: body.audiences,
            jwks_uri: body.jwks_uri,
            algorithms: body.algorithms,
            token_types: body.token_types,
            required_claims: body.required_claims,
            resolve_to: ResolveToInput {
                kind: resolve_to.kind,
                claim: resolve_to.claim,
                identify_by: resolve_to.identify_by,
                email_claim: resolve_to.email_claim,
                team_claim: resolve_to.team_claim,
                provisioning: resolve_to.provisioning,
                email_domains: resolve_to.email_domains,
            },
            login: body.login.map(|login| LoginInput {
                enabled: login.enabled,
                client_id: login.client_id,
                client_secret: login.client_secret,
                scopes: login.scopes,
            }),
        }
    }
}

/// Lists identity providers by name.
#[utoipa::path(get, path = "/identity-providers", operation_id = "list_identity_providers",
    tag = "identity providers", params(PageParams), responses((status = 200, body = Listing<ProviderView>)))]
pub async fn list(
    Call { services, caller }: Call,
    Params(page): Params<PageParams>,
) -> Result<Json<Listing<ProviderView>>, Problem> {
    let permit = authorize::administrator(&caller)?;
    Ok(Json(Listing::of(
        providers::list(&services, &permit, page.request()?).await?,
    )))
}

/// Shows an identity provider.
#[utoipa::path(get, path = "/identity-providers/{name}", operation_id = "get_identity_provider",
    tag = "identity providers", params(("name" = String, Path, description = "Name of the provider")),
    responses((status = 200, body = ProviderView)))]
pub async fn get(
    Call { services, caller }: Call,
    Path(name): Path<String>,
    Params(Nothing {}): Params<Nothing>,
) -> Result<Tagged<ProviderView>, Problem> {
    let permit = authorize::administrator(&caller)?;
    let provider = providers::get(&services, &permit, &name).await?;
    let fingerprint = provider.fingerprint();
    Ok(Tagged::current(provider).tagged(fingerprint))
}

/// Creates an identity provider, or replaces what is configured of it.
///
/// Its keys are read before the answer, which says under `keys` why if they could not be. Another `issuer`
/// makes strangers of its people: 409 names how many, unless `confirm` is set.
#[utoipa::path(put, path = "/identity-providers/{name}", operation_id = "put_identity_provider",
    tag = "identity providers",
    params(("name" = String, Path, description = "Name of the provider"), ConfirmParams, ConditionParams),
    request_body = PutIdentityProvider,
    responses((status = 200, body = ProviderView), (status = 201, body = ProviderView)))]
pub async fn put(
    Call { services, caller }: Call,
    Path(name): Path<String>,
    Params(ConfirmParams { confirm }): Params<ConfirmParams>,
    Conditions(precondition): Conditions,
    Body(body): Body<PutIdentityProvider>,
) -> Result<Tagged<ProviderView>, Problem> {
    let permit = authorize::administrator(&caller)?;
    let target = (name.as_str(), &precondition, confirm);
    let (created, provider) = providers::put(&services, &permit, target, body.into()).await?;
    let fingerprint = provider.fingerprint();
    Ok(Tagged::written(created, provider).tagged(fingerprint))
}

/// Deletes an identity provider with the claims mapped from it. Its people keep their users, and are not
/// known by it any more.
#[utoipa::path(delete, path = "/identity-providers/{name}", operation_id = "delete_identity_provider",
    tag = "identity providers", params(("name" = String, Path, description = "Name of the provider"), ConditionParams),
    responses((status = 204)))]
pub async fn delete(
    Call { services, caller }: Call,
    Path(name): Path<String>,
    Params(Nothing {}): Params<Nothing>,
    Conditions(precondition): Conditions,
) -> Result<StatusCode, Problem> {
    let permit = authorize::administrator(&caller)?;
    providers::delete(&services, &permit, &name, &precondition).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A field that is there: a value, or `null` to keep the stored one.
fn written_or_kept<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<SecretString>>, D::Error> {
    let value = Option::<String>::deserialize(deserializer)?;
    Ok(Some(value.map(SecretString::from)))
}
