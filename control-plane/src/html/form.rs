//! What a handler of a page begins with: who is in front of it, and the form that they sent.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse as _, Response};
use http::{header, request::Parts};
use secrecy::SecretString;
use serde::de::{DeserializeOwned, value::MapDeserializer};

use crate::{
    accept::RequestId,
    api::{
        body,
        problem::{Kind, Problem},
    },
    authenticate::{Browser, SignedIn},
    service::Services,
};

/// A form without fields of its own: its button says it all.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoFields {}

/// A field of a form that must not be shown: a password on its way.
#[derive(Debug)]
pub struct SecretText(pub SecretString);

impl<'de> serde::Deserialize<'de> for SecretText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <String as serde::Deserialize>::deserialize(deserializer).map(|text| Self(text.into()))
    }
}

/// Name of the field that carries the token.
const CSRF: &str = "csrf";

/// A request for a page by somebody who is signed in.
#[derive(Debug)]
pub struct Visit {
    /// What use cases work with.
    pub services: Services,
    /// Who is signed in.
    pub signed_in: SignedIn,
}

/// A form that somebody who is signed in sent from a page of ours, in this very session.
#[derive(Debug)]
pub struct Form<T> {
    /// What use cases work with.
    pub services: Services,
    /// Who is signed in.
    pub signed_in: SignedIn,
    /// What they entered: `T` has texts, or is a map of texts.
    pub fields: T,
}

/// A form that was sent from a page before sign-in, in this very browser.
#[derive(Debug)]
pub struct BrowserForm<T> {
    /// What use cases work with.
    pub services: Services,
    /// The browser.
    pub browser: Browser,
    /// The request as far as its body.
    pub parts: Parts,
    /// What was entered.
    pub fields: T,
}

impl FromRequestParts<Services> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, services: &Services) -> Result<Self, Response> {
        let signed_in = SignedIn::from_request_parts(parts, services).await;
        Ok(Self {
            services: services.clone(),
            signed_in: signed_in.map_err(|refusal| refusal.into_response())?,
        })
    }
}

impl<T: DeserializeOwned> FromRequest<Services> for Form<T> {
    type Rejection = Response;

    async fn from_request(request: Request, services: &Services) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visit = Visit::from_request_parts(&mut parts, services).await?;
        let request = Request::from_parts(parts.clone(), body);
        let (token, fields) = read(request).await.map_err(Problem::into_response)?;
        if !visit.signed_in.sent(&parts, services, &token) {
            return Err(forged(&parts).into_response());
        }
        Ok(Self {
            services: visit.services,
            signed_in: visit.signed_in,
            fields: fields.parse().map_err(Problem::into_response)?,
        })
    }
}

impl<T: DeserializeOwned> FromRequest<Services> for BrowserForm<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, services: &Services) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let browser = Browser::of(&parts).map_err(Problem::from)?;
        let (token, fields) = read(Request::from_parts(parts.clone(), body)).await?;
        if !browser.sent(&parts, services, &token) {
            return Err(forged(&parts));
        }
        Ok(Self {
            services: services.clone(),
            browser,
            fields: fields.parse()?,
            parts,
        })
    }
}

fn forged(parts: &Parts) -> Problem {
    let request_id = parts.extensions.get::<RequestId>();
    tracing::info!(
        request.id = request_id.map_or("", RequestId::as_str),
        "A form was refused: it was not sent from a page of this session"
    );
    Problem::new(
        Kind::Forbidden,
        "The form is out of date: go back, load the page again, and repeat",
    )
}

/// The fields of a form, none of them twice.
#[derive(Debug, Default)]
struct Fields(Vec<(String, String)>);

impl Fields {
    fn parse<T: DeserializeOwned>(self) -> Result<T, Problem> {
        let fields = MapDeserializer::<_, serde::de::value::Error>::new(self.0.into_iter());
        T::deserialize(fields)
            .map_err(|error| Problem::new(Kind::MalformedRequest, format!("The form: {error}")))
    }
}

/// The token of a form, and its other fields.
async fn read(request: Request) -> Result<(String, Fields), Problem> {
    let mut types = request.headers().get_all(header::CONTENT_TYPE).iter();
    let essence = types.next().and_then(|value| value.to_str().ok());
    let essence = essence.and_then(|value| value.split(';').next());
    let is_form = essence.is_some_and(|text| text.trim() == "application/x-www-form-urlencoded");
    if !is_form || types.next().is_some() {
        return Err(Problem::new(
            Kind::MalformedRequest,
            "This page takes forms",
        ));
    }
    let bytes = body::bytes(request, &()).await?;
    let mut fields = Fields::default();
    let mut token = None;
    for (name, value) in url::form_urlencoded::parse(&bytes) {
        let known = fields.0.iter().any(|(known, _)| *known == name);
        if known || (name == CSRF && token.is_some()) {
            return Err(Problem::new(
                Kind::MalformedRequest,
                "A field of the form came twice",
            ));
        }
        if name == CSRF {
            token = Some(value.into_owned());
        } else {
            fields.0.push((name.into_owned(), value.into_owned()));
        }
    }
    Ok((token.unwrap_or_default(), fields))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use axum::body::Body;

    use super::*;

    async fn fields(text: &'static str) -> Result<(String, BTreeMap<String, String>), Problem> {
        let request = Request::builder()
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(text))
            .unwrap();
        let (token, fields) = read(request).await?;
        Ok((token, fields.parse()?))
    }

    #[tokio::test]
    async fn a_form_has_each_field_once() {
        let (token, read) = fields("a=%3Cb%3E+c&csrf=t&d=").await.unwrap();
        assert_eq!((token.as_str(), read["a"].as_str()), ("t", "<b> c"));
        assert_eq!(read.len(), 2);
        for twice in ["a=1&a=2", "csrf=a&csrf=b", "csrf=a&a=1&csrf="] {
            assert!(fields(twice).await.is_err(), "{twice}");
        }
    }

    #[tokio::test]
    async fn what_is_no_form_is_refused() {
        for content_type in ["application/json", "text/plain", "multipart/form-data"] {
            let request = Request::builder()
                .header("content-type", content_type)
                .body(Body::from("a=1"))
                .unwrap();
            assert!(read(request).await.is_err(), "{content_type}");
        }
    }
}
