//! Parameters in the body of a request (RFC 6749 section 3.2).

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
};
use http::header;
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::error::OAuthError;

/// How long a body may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(30);

/// The parameters of a request, each of them once at most. Has no debug form, as there are secrets in it.
pub(super) struct Form(Vec<(String, Zeroizing<String>)>);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = OAuthError;

    async fn from_request(request: Request, state: &S) -> Result<Self, OAuthError> {
        const TYPE: OAuthError =
            OAuthError::invalid_request("send the parameters as application/x-www-form-urlencoded");
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok());
        let essence = content_type.unwrap_or_default().split(';').next();
        if !essence.is_some_and(|essence| {
            essence
                .trim()
                .eq_ignore_ascii_case("application/x-www-form-urlencoded")
        }) {
            return Err(TYPE);
        }
        let body = tokio::time::timeout(BODY_DEADLINE, Bytes::from_request(request, state)).await;
        let Ok(Ok(body)) = body else {
            return Err(OAuthError::invalid_request(
                "the body is too large, or did not arrive completely",
            ));
        };
        Self::parse(&body)
    }
}

impl Form {
    /// Reads parameters; one without a value is as good as not there.
    pub(super) fn parse(body: &[u8]) -> Result<Self, OAuthError> {
        let mut form = Self(Vec::new());
        for (name, value) in url::form_urlencoded::parse(body) {
            if form.0.iter().any(|(other, _)| *other == name) {
                return Err(OAuthError::invalid_request(
                    "a parameter is there more than once",
                ));
            }
            form.0
                .push((name.into_owned(), Zeroizing::new(value.into_owned())));
        }
        form.0.retain(|(_, value)| !value.is_empty());
        Ok(form)
    }

    /// A parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A parameter, to keep.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// A parameter that nobody else may see.
    pub(super) fn secret(&self, name: &str) -> Option<SecretString> {
        self.get(name).map(SecretString::from)
    }
}
