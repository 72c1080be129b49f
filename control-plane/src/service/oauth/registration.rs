//! Clients register themselves (RFC 7591). Anybody may, so what they say is only ever shown as text, nothing
//! in it is fetched, and there is a bound on how many there are (T41).

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Duration;
use serde_json::{Map, Value, json};

use super::{ErrorCode, Refusal, event, random_bytes};
use crate::{
    domain::{Actor, KnownBy, OAuthClient, ObjectKind, RedirectUri, RegisteredClient},
    service::{BearerSecret, Services, text},
    store::{audit_events, oauth_clients},
};

/// Most redirect URIs of a client.
const MAX_REDIRECT_URIS: usize = 10;

/// Most registrations from one address in [`WINDOW`].
const MAX_FROM_ADDRESS: i64 = 100;
const WINDOW: Duration = Duration::hours(1);

/// Most clients that nobody ever granted anything to. They are forgotten after a day.
const MAX_UNUSED: i64 = 5_000;

/// Members that are ours to give.
const OURS: [&str; 6] = [
    "client_id",
    "client_id_issued_at",
    "client_secret",
    "client_secret_expires_at",
    "registration_access_token",
    "registration_client_uri",
];

/// A client as it was registered.
#[derive(Debug)]
pub struct Registration {
    /// The client, with everything that it said about itself.
    pub registered: RegisteredClient,
    /// Its secret, shown now and never again; none: a public client.
    pub secret: Option<BearerSecret>,
}

/// Registers a client from an address.
///
/// # Errors
/// [`ErrorCode::InvalidRedirectUri`] and [`ErrorCode::InvalidClientMetadata`] for what it says,
/// [`ErrorCode::TemporarilyUnavailable`] when there were too many registrations.
pub async fn register(
    services: &Services,
    metadata: Map<String, Value>,
    from: &str,
) -> Result<Registration, Refusal> {
    const TOO_MANY: Refusal = Refusal::new(
        ErrorCode::TemporarilyUnavailable,
        "too many clients registered; try again later",
    );
    let own = [services.keys.issuer(), services.gateway_url()];
    let Described {
        metadata,
        public,
        client,
    } = describe(metadata, &own)?;
    let secret = if public {
        None
    } else {
        Some(BearerSecret::generate()?)
    };
    let registered_from = digest(&SHA256, from.as_bytes()).as_ref().to_vec();

    let mut tx = services.store.begin().await?;
    let now = tx.now();
    let from_there = oauth_clients::count_from(&mut tx, &registered_from, now - WINDOW).await?;
    if from_there >= MAX_FROM_ADDRESS || oauth_clients::count_unused(&mut tx).await? >= MAX_UNUSED {
        return Err(TOO_MANY);
    }
    let registered = RegisteredClient {
        client: OAuthClient {
            id: URL_SAFE_NO_PAD.encode(&random_bytes()?[..16]),
            ..client
        },
        secret_hash: secret
            .as_ref()
            .map(|secret| secret.hash().as_bytes().to_vec()),
        metadata,
        registered_from,
        created_at: now,
        last_used_at: None,
    };
    oauth_clients::insert(&mut tx, &registered).await?;
    let object = (ObjectKind::OAuthClient, registered.client.id.clone());
    let mut record = event(&tx, Actor::anonymous(), "oauth_client.register", object);
    record.detail = json!({
        "client_name": registered.client.name,
        "redirect_uris": registered.client.redirect_uris,
    });
    audit_events::insert(&mut tx, &record).await?;
    tx.commit().await?;
    Ok(Registration { registered, secret })
}

/// A client's description of itself, understood.
struct Described {
    metadata: Map<String, Value>,
    public: bool,
    client: OAuthClient,
}

fn describe(mut metadata: Map<String, Value>, own: &[&str]) -> Result<Described, Refusal> {
    metadata.retain(|name, value| !value.is_null() && !OURS.contains(&name.as_str()));
    let redirect_uris = redirect_uris(&metadata, own)?;
    let public = match metadata
        .entry("token_endpoint_auth_method")
        .or_insert_with(|| "none".into())
        .as_str()
    {
        Some("none") => true,
        Some("client_secret_basic" | "client_secret_post") => false,
        _ => {
            return Err(invalid(
                "token_endpoint_auth_method is none, client_secret_basic or client_secret_post",
            ));
        }
    };
    let grant_types = words(
        &mut metadata,
        "grant_types",
        &["authorization_code", "refresh_token"],
    )?;
    if !grant_types.iter().any(|kind| kind == "authorization_code") {
        return Err(invalid("grant_types contains authorization_code"));
    }
    let response_types = words(&mut metadata, "response_types", &["code"])?;
    if !response_types.iter().any(|kind| kind == "code") {
        return Err(invalid("response_types contains code"));
    }
    let name = client_name(&metadata)?;
    Ok(Described {
        public,
        client: OAuthClient {
            id: String::new(),
            name,
            redirect_uris,
            refreshes: grant_types.iter().any(|kind| kind == "refresh_token"),
            known_by: KnownBy::Registration,
        },
        metadata,
    })
}

/// The redirect URIs of a client's metadata, registered or from a document.
pub(super) fn redirect_uris(
    metadata: &Map<String, Value>,
    own: &[&str],
) -> Result<Vec<RedirectUri>, Refusal> {
    const UNUSABLE: Refusal = Refusal::new(
        ErrorCode::InvalidRedirectUri,
        "redirect_uris is a list of 1 to 10 URIs: https, http on a loopback address, or a private-use scheme with a dot in it; without fragment or user, and not Warder's own",
    );
    let list = metadata
        .get("redirect_uris")
        .and_then(Value::as_array)
        .filter(|list| (1..=MAX_REDIRECT_URIS).contains(&list.len()))
        .ok_or(UNUSABLE)?;
    list.iter()
        .map(|uri| RedirectUri::parse(uri.as_str()?, own).ok())
        .collect::<Option<_>>()
        .ok_or(UNUSABLE)
}

/// What a client calls itself.
pub(super) fn client_name(metadata: &Map<String, Value>) -> Result<String, Refusal> {
    let name = match metadata.get("client_name") {
        None => "",
        Some(name) => name.as_str().ok_or(invalid("client_name is a text"))?,
    };
    if text::label(name).is_err() {
        return Err(invalid(
            "client_name has at most 200 characters, all of them visible",
        ));
    }
    Ok(name.trim().to_owned())
}

/// A list of words of a client's metadata, which says its default where the client did not.
pub(super) fn words(
    metadata: &mut Map<String, Value>,
    member: &'static str,
    default: &[&str],
) -> Result<Vec<String>, Refusal> {
    let value = metadata.entry(member).or_insert_with(|| json!(default));
    serde_json::from_value(value.clone())
        .map_err(|_| invalid("grant_types and response_types are lists of texts"))
}

const fn invalid(description: &'static str) -> Refusal {
    Refusal::new(ErrorCode::InvalidClientMetadata, description)
}
