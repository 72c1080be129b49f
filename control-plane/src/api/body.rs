//! Reads a request's JSON body, strictly.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
};
use http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};

use crate::{
    api::problem::{Kind, Problem},
    service::pointer_step,
};

/// Largest body that the REST API reads, in bytes: a certificate bundle fits.
pub const MAX_BODY: usize = 512 * 1024;

/// How long a body may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(30);

/// The JSON body of a request. Unknown fields, wrong types and trailing text are refused, naming the
/// field by JSON pointer.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(
                Kind::UnsupportedMediaType,
                "Send the body as Content-Type: application/json",
            ));
        }
        if request.headers().contains_key(header::CONTENT_ENCODING) {
            return Err(Problem::new(
                Kind::UnsupportedMediaType,
                "Send the body without Content-Encoding",
            ));
        }
        parse(&bytes(request, state).await?).map(Body)
    }
}

/// The bytes of a request's body, within its limits of size and time.
pub(crate) async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    tokio::time::timeout(BODY_DEADLINE, Bytes::from_request(request, state))
        .await
        .map_err(|_| Problem::new(Kind::RequestTimeout, ""))?
        .map_err(|rejection| match rejection.status() {
            http::StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
                Kind::PayloadTooLarge,
                format!("The limit is {MAX_BODY} bytes"),
            ),
            _ => Problem::new(Kind::MalformedRequest, "The body did not arrive completely"),
        })
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let essence = value
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = pointer(error.path());
        let inner = error.into_inner();
        match inner.classify() {
            serde_json::error::Category::Data => misfit(path, &inner),
            _ => Problem::new(
                Kind::MalformedRequest,
                format!(
                    "The body is not JSON (line {}, column {})",
                    inner.line(),
                    inner.column()
                ),
            ),
        }
    })?;
    deserializer
        .end()
        .map_err(|_| Problem::new(Kind::MalformedRequest, "Text follows the JSON value"))?;
    Ok(value)
}

/// RFC 6901 pointer to where deserialization stopped.
fn pointer(path: &Path) -> String {
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(format!("/{index}")),
            Segment::Map { key } => Some(format!("/{}", pointer_step(key))),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

/// What the parser says about a value that does not fit, without the value, which may be a secret.
fn misfit(mut pointer: String, error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    let text = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(text, _)| text);
    for (message, rule) in [("missing", "is required"), ("duplicate", "appears twice")] {
        let field = text
            .strip_prefix(message)
            .and_then(|rest| rest.strip_prefix(" field `"));
        if let Some(field) = field.and_then(|rest| rest.strip_suffix('`')) {
            pointer.push_str(&format!("/{}", pointer_step(field)));
            return Problem::invalid(pointer, rule);
        }
    }
    match text.rsplit_once(", expected ") {
        Some((met, expected)) if met.starts_with("invalid ") => {
            Problem::invalid(pointer, format!("expected {expected}"))
        }
        _ => Problem::invalid(pointer, text),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[serde(rename = "list")]
        _list: Vec<Inner>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[serde(rename = "map")]
        _map: BTreeMap<String, u8>,
    }

    #[test]
    fn t59_a_refused_body_names_the_field_and_not_its_value() {
        let cases = [
            (
                r#"{"list":[{"map":{}},{"map":{},"admin":true}]}"#,
                "/list/1/admin",
            ),
            (
                r#"{"list":[{"map":{"a/b":"sk-secret"}}]}"#,
                "/list/0/map/a~1b",
            ),
            (r#"{"list":"sk-secret, expected x"}"#, "/list"),
            (r#"{"list":[],"list":[]}"#, "/list"),
            (r#"{"roles":["sk-secret"]}"#, "/roles"),
            (r#"{"list":[{}]}"#, "/list/0/map"),
        ];
        for (body, pointer) in cases {
            let problem = format!("{:?}", parse::<Outer>(body.as_bytes()).expect_err(body));
            assert!(
                problem.contains(&format!("{pointer:?}")),
                "{body}: {problem}"
            );
            assert!(!problem.contains("sk-secret"), "{body}: {problem}");
        }
    }

    #[test]
    fn t13_what_is_not_exactly_one_json_value_is_refused() {
        for body in ["", "{", "{} {}", "{}x", "\u{feff}{}", "[]"] {
            assert!(parse::<Outer>(body.as_bytes()).is_err(), "{body:?}");
        }
    }
}
