//! What an identity provider publishes: its metadata and its keys.

use std::time::Duration;

use serde_json::{Map, Value};
use url::Url;
use warder_shared::{
    identity_provider::{InvalidKeys, JwkSet, MAX_JWKS_LENGTH},
    json,
};

use super::{ReadError, Reader};
use crate::domain::ProviderMetadata;

/// Longest metadata, in bytes.
const MAX_METADATA: usize = 256 * 1024;

/// What was found. Either half may be missing without the other.
#[derive(Debug)]
pub struct Published {
    /// The metadata.
    pub metadata: Result<ProviderMetadata, ProviderError>,
    /// The keys.
    pub keys: Result<PublishedKeys, ProviderError>,
}

/// The keys of a provider.
#[derive(Debug)]
pub struct PublishedKeys {
    /// Where they are.
    pub jwks_uri: Url,
    /// The usable ones.
    pub keys: JwkSet,
    /// For how long they may be kept, if the provider says so.
    pub max_age: Option<Duration>,
}

/// Why nothing was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The metadata is no JSON object.
    #[error("{0} is not metadata: not one JSON object, or one with a member twice")]
    Metadata(Url),
    /// The metadata is somebody else's.
    #[error("the metadata at {0} is that of another issuer")]
    Issuer(Url),
    /// The metadata does not say where the keys are.
    #[error("the metadata has no usable `jwks_uri`")]
    NoKeys,
    /// What is there is not usable.
    #[error("{0} {1}")]
    Keys(Url, InvalidKeys),
}

/// Reads what a provider publishes; its keys where `jwks_uri` says, or else the metadata.
pub async fn read(reader: &Reader, issuer: &str, jwks_uri: Option<&Url>) -> Published {
    let metadata = metadata(reader, issuer).await;
    let location = match (jwks_uri, &metadata) {
        (Some(configured), _) => Ok(configured.clone()),
        (None, Ok(metadata)) => metadata.jwks_uri.clone().ok_or(ProviderError::NoKeys),
        (None, Err(error)) => Err(error.clone()),
    };
    let keys = match location {
        Ok(location) => keys(reader, location).await,
        Err(error) => Err(error),
    };
    Published { metadata, keys }
}

async fn keys(reader: &Reader, jwks_uri: Url) -> Result<PublishedKeys, ProviderError> {
    let document = reader.read(&jwks_uri, MAX_JWKS_LENGTH).await?;
    match JwkSet::parse(&document.body) {
        Ok(keys) => Ok(PublishedKeys {
            jwks_uri,
            keys,
            max_age: document.max_age,
        }),
        Err(error) => Err(ProviderError::Keys(jwks_uri, error)),
    }
}

/// The metadata, wherever providers put it. The first place that has any decides.
async fn metadata(reader: &Reader, issuer: &str) -> Result<ProviderMetadata, ProviderError> {
    let mut first = None;
    for place in places(issuer) {
        match reader.read(&place, MAX_METADATA).await {
            Ok(document) => {
                let metadata = json::object(&document.body)
                    .map_err(|_| ProviderError::Metadata(place.clone()))?;
                return interpret(&metadata, issuer).ok_or(ProviderError::Issuer(place));
            }
            Err(error @ ReadError::Status(..)) => drop(first.get_or_insert(error)),
            Err(error) => return Err(error.into()),
        }
    }
    let none = || ReadError::Url(issuer.to_owned());
    Err(first.unwrap_or_else(none).into())
}

/// Where metadata of an issuer may be: OpenID Connect Discovery section 4, then RFC 8414 section 3.
fn places(issuer: &str) -> Vec<Url> {
    let Ok(url) = Url::parse(issuer) else {
        return Vec::new();
    };
    let path = url.path().trim_end_matches('/');
    let at = |path: String| {
        let mut place = url.clone();
        place.set_path(&path);
        place.set_query(None);
        place
    };
    let mut places = vec![
        at(format!("{path}/.well-known/openid-configuration")),
        at(format!("/.well-known/oauth-authorization-server{path}")),
    ];
    if !path.is_empty() {
        places.push(at(format!("/.well-known/openid-configuration{path}")));
    }
    places
}

/// What matters of the metadata; none when it is another issuer's. They are compared as they stand, but for the
/// slash that is all of a path.
fn interpret(metadata: &Map<String, Value>, issuer: &str) -> Option<ProviderMetadata> {
    let named = metadata.get("issuer")?.as_str()?;
    let without_path = Url::parse(issuer).is_ok_and(|url| url.path() == "/");
    let same = named == issuer
        || (without_path
            && named.strip_suffix('/').unwrap_or(named)
                == issuer.strip_suffix('/').unwrap_or(issuer));
    if !same {
        return None;
    }
    // Without TLS only as its issuer, which an operator allowed: people are sent there with what signs them in.
    let plain = issuer.starts_with("http:");
    let url = |name: &str| {
        let url = Url::parse(metadata.get(name)?.as_str()?).ok()?;
        let is_fine = (url.scheme() == "https" || (plain && url.scheme() == "http"))
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        is_fine.then_some(url)
    };
    let methods = metadata
        .get("token_endpoint_auth_methods_supported")
        .and_then(Value::as_array)
        .map(|methods| {
            methods
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        });
    Some(ProviderMetadata {
        issuer: named.to_owned(),
        jwks_uri: url("jwks_uri"),
        authorization_endpoint: url("authorization_endpoint"),
        token_endpoint: url("token_endpoint"),
        authorization_response_iss_parameter_supported: metadata
            .get("authorization_response_iss_parameter_supported")
            == Some(&Value::Bool(true)),
        token_endpoint_auth_methods_supported: methods
            .unwrap_or_else(|| vec!["client_secret_basic".to_owned()]),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn metadata_is_looked_for_where_providers_put_it() {
        let places = |issuer| {
            places(issuer)
                .into_iter()
                .map(String::from)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            places("https://a.example/"),
            [
                "https://a.example/.well-known/openid-configuration",
                "https://a.example/.well-known/oauth-authorization-server",
            ]
        );
        assert_eq!(
            places("https://a.example/t/1"),
            [
                "https://a.example/t/1/.well-known/openid-configuration",
                "https://a.example/.well-known/oauth-authorization-server/t/1",
                "https://a.example/.well-known/openid-configuration/t/1",
            ]
        );
    }

    #[test]
    fn t50_metadata_of_another_issuer_and_addresses_of_another_kind_do_not_count() {
        let read = |issuer: &str, metadata: Value| interpret(metadata.as_object().unwrap(), issuer);
        for (issuer, named, same) in [
            ("https://a.example", "https://a.example", true),
            ("https://a.example", "https://a.example/", true),
            ("https://a.example/", "https://a.example", true),
            ("https://a.example/t", "https://a.example/t/", false),
            ("https://a.example", "https://A.example", false),
            ("https://a.example", "http://a.example", false),
            ("https://a.example", "https://a.example//", false),
            ("https://a.example", "https://a.example.evil", false),
        ] {
            let found = read(issuer, json!({"issuer": named}));
            assert_eq!(found.is_some(), same, "{issuer} {named}");
        }
        let found = read(
            "https://a.example",
            json!({
                "issuer": "https://a.example", "jwks_uri": "file:///etc/passwd",
                "authorization_endpoint": "javascript:alert(1)", "token_endpoint": "https://a.example/token",
            }),
        )
        .unwrap();
        assert_eq!((found.jwks_uri, found.authorization_endpoint), (None, None));
        assert!(found.token_endpoint.is_some());
        for (issuer, endpoint, accepted) in [
            ("https://a.example", "http://a.example/token", false),
            (
                "https://a.example",
                "https://user:word@a.example/token",
                false,
            ),
            ("http://127.0.0.1:9", "http://127.0.0.1:9/token", true),
        ] {
            let found = read(
                issuer,
                json!({"issuer": issuer, "token_endpoint": endpoint}),
            );
            assert_eq!(
                found.unwrap().token_endpoint.is_some(),
                accepted,
                "{endpoint}"
            );
        }
    }
}
