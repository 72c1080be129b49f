//! Reading a request's body, under a limit and a deadline.

use std::{pin::pin, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::future::Either;
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

use crate::error::{ErrorType, Rejection};

/// How long a body may take altogether.
const DEADLINE: Duration = Duration::from_secs(30);

/// Reads the whole body.
///
/// # Errors
/// 413 over the limit, 408 after the deadline, 415 for an encoded or foreign content type, 400 when it breaks off.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Incoming,
    limit: usize,
) -> Result<Bytes, Rejection> {
    check_form(headers)?;
    let too_large = || {
        Rejection::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            ErrorType::PayloadTooLarge,
            format!("the body is larger than {limit} bytes"),
        )
    };
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let collect = pin!(collect(body, limit));
    // Most bodies came with the head: no timer for those.
    let collected =
        match futures_util::future::select(collect, futures_util::future::ready(())).await {
            Either::Left((collected, _)) => collected,
            Either::Right(((), pending)) => {
                tokio::time::timeout(DEADLINE, pending).await.map_err(|_| {
                    Rejection::new(
                        StatusCode::REQUEST_TIMEOUT,
                        ErrorType::InvalidRequest,
                        "the body took longer than 30 seconds",
                    )
                    .header(header::CONNECTION, http::HeaderValue::from_static("close"))
                })?
            }
        };
    match collected {
        Ok(bytes) => Ok(bytes),
        Err(Incomplete::TooLarge) => Err(too_large()),
        Err(Incomplete::Broken) => Err(Rejection::invalid("the body broke off")),
    }
}

enum Incomplete {
    TooLarge,
    Broken,
}

async fn collect(mut body: Incoming, limit: usize) -> Result<Bytes, Incomplete> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Incomplete::Broken)?.into_data() else {
            continue;
        };
        if first.len() + rest.len() + data.len() > limit {
            return Err(Incomplete::TooLarge);
        }
        if first.is_empty() && rest.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&std::mem::take(&mut first));
            }
            rest.extend_from_slice(&data);
        }
    }
    Ok(if rest.is_empty() {
        first
    } else {
        rest.freeze()
    })
}

/// JSON in UTF-8, not encoded: what is authorized is what the bytes say (T19).
fn check_form(headers: &HeaderMap) -> Result<(), Rejection> {
    let refuse = |message| {
        Err(Rejection::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ErrorType::InvalidRequest,
            message,
        ))
    };
    if headers.contains_key(header::CONTENT_ENCODING) {
        return refuse("send the body without Content-Encoding");
    }
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let json = match (
        types.next().and_then(|value| value.to_str().ok()),
        types.next(),
    ) {
        (Some(value), None) => is_json(value),
        _ => false,
    };
    if json {
        Ok(())
    } else {
        refuse("Content-Type must be application/json")
    }
}

fn is_json(content_type: &str) -> bool {
    if content_type == "application/json" {
        return true;
    }
    let mut parts = content_type.split(';').map(str::trim);
    parts
        .next()
        .is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"))
        && parts.all(|parameter| {
            !parameter.to_ascii_lowercase().starts_with("charset=")
                || parameter[8..]
                    .trim_matches('"')
                    .eq_ignore_ascii_case("utf-8")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t19_only_plain_utf8_json_is_read() {
        for good in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/json; profile=x",
        ] {
            assert!(is_json(good), "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "application/jsonp",
            "application/json; charset=utf-16",
            "application/json, text/plain",
            "multipart/form-data",
        ] {
            assert!(!is_json(bad), "{bad}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            http::HeaderValue::from_static("application/json"),
        );
        assert!(check_form(&headers).is_ok());
        headers.insert(
            header::CONTENT_ENCODING,
            http::HeaderValue::from_static("gzip"),
        );
        assert!(check_form(&headers).is_err());
    }
}
