//! Query parameters: unknown ones are refused, like unknown fields.

use axum::extract::FromRequestParts;
use axum_extra::extract::{Query, QueryRejection};
use http::request::Parts;
use serde::{Deserialize, de::DeserializeOwned};
use utoipa::IntoParams;

use crate::api::problem::{Kind, Problem};

/// The query parameters of a request.
#[derive(Debug)]
pub struct Params<T>(pub T);

/// No parameters at all.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Which part of a list to answer.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageParams {
    /// Most items to answer, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u16>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// Whether what is stored may be deleted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ConfirmParams {
    /// `true`: delete what is stored and no longer fits, instead of answering 409.
    #[serde(default)]
    pub confirm: bool,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(value) = Query::<T>::from_request_parts(parts, state).await.map_err(
            |rejection| match rejection {
                QueryRejection::FailedToDeserializeQueryString(error) => {
                    let text = error.to_string();
                    let text = text
                        .rsplit_once("query string: ")
                        .map_or(text.as_str(), |(_, text)| text);
                    Problem::new(
                        Kind::MalformedRequest,
                        format!("A query parameter is not valid: {text}"),
                    )
                }
                _ => Problem::new(Kind::MalformedRequest, "The query string cannot be read"),
            },
        )?;
        Ok(Self(value))
    }
}
