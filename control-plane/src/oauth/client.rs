//! How a client says who it is: in the body, or by HTTP authentication (RFC 6749 section 2.3.1).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, header};
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::{error::OAuthError, form::Form};
use crate::service::{
    Services,
    oauth::{self, AuthenticatedClient, ErrorCode, Refusal},
};

/// The client that sent a request.
pub(super) async fn authenticate(
    services: &Services,
    headers: &HeaderMap,
    form: &Form,
) -> Result<AuthenticatedClient, OAuthError> {
    let in_body = (form.get("client_id"), form.secret("client_secret"));
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        let (id, secret) = in_body;
        let id = id.ok_or(MISSING)?;
        return Ok(oauth::authenticate(services, id, secret.as_ref()).await?);
    };
    let value = value.to_str().ok().filter(|_| values.next().is_none());
    let (id, secret) = value
        .and_then(basic)
        .ok_or(MISSING)
        .map_err(|refusal| OAuthError::from(refusal).basic())?;
    let contradicts = in_body.0.is_some_and(|other| other != id.as_str()) || in_body.1.is_some();
    if contradicts {
        return Err(OAuthError::invalid_request(
            "a client authenticates in one way",
        ));
    }
    oauth::authenticate(services, &id, secret.as_ref())
        .await
        .map_err(|refusal| OAuthError::from(refusal).basic())
}

const MISSING: Refusal = Refusal::new(
    ErrorCode::InvalidClient,
    "say which client this is: client_id in the body, or HTTP Basic authentication",
);

/// Id and secret of `Basic …`, each of which is form-encoded before they are put together.
fn basic(value: &str) -> Option<(Zeroizing<String>, Option<SecretString>)> {
    let (scheme, credentials) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(credentials.trim()).ok()?);
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let id = Zeroizing::new(form_decode(&decoded[..colon])?);
    let secret = Zeroizing::new(form_decode(&decoded[colon + 1..])?);
    let secret = (!secret.is_empty()).then(|| SecretString::from(secret.as_str()));
    Some((id, secret))
}

/// A single value, without a name and without separators.
fn form_decode(value: &[u8]) -> Option<String> {
    if value.contains(&b'&') || value.contains(&b'=') {
        // Not encoded at all, as some clients send it.
        return String::from_utf8(value.to_vec()).ok();
    }
    match url::form_urlencoded::parse(value).next() {
        None => Some(String::new()),
        Some((decoded, _)) => Some(decoded.into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn read(credentials: &str) -> Option<(String, Option<String>)> {
        let value = format!("Basic {}", STANDARD.encode(credentials));
        let (id, secret) = basic(&value)?;
        let secret = secret.map(|secret| secret.expose_secret().to_owned());
        Some((id.to_string(), secret))
    }

    #[test]
    fn the_parts_of_basic_are_form_encoded() {
        let some = |id: &str, secret: &str| Some((id.to_owned(), Some(secret.to_owned())));
        assert_eq!(read("client:secret"), some("client", "secret"));
        assert_eq!(read("a%3Ab:p%25+q"), some("a:b", "p% q"));
        assert_eq!(read("client:a:b"), some("client", "a:b"));
        assert_eq!(read("client:"), Some(("client".into(), None)));
        assert_eq!(read("client"), None);
        assert_eq!(basic("Bearer x").map(drop), None);
        assert_eq!(basic("Basic !").map(drop), None);
    }
}
