//! `x-tfy-mcp-headers`: headers that the client brings for the server (OUT-7; T30).
//!
//! All of it is valid or none of it is used; the header itself never goes on.

use std::{borrow::Cow, fmt};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use warder_shared::{headers, proto::v1::OutboundKind, snapshot::Server};

use super::Pair;
use crate::{error::Rejection, mcp::strict::Text};

static NAMES: [HeaderName; 2] = [
    HeaderName::from_static("x-tfy-mcp-headers"),
    HeaderName::from_static("x-warder-mcp-headers"),
];

const MAX_HEADERS: usize = 32;

/// Takes them out of the request's headers.
///
/// # Errors
/// 400 for anything malformed, and where the server takes none.
pub(super) fn take(request: &mut HeaderMap, server: &Server) -> Result<Vec<Pair>, Rejection> {
    let mut values = NAMES.iter().flat_map(|name| request.get_all(name));
    let Some(value) = values.next() else {
        return Ok(Vec::new());
    };
    if values.next().is_some() {
        return Err(Rejection::invalid(
            "send x-tfy-mcp-headers once, under one of its names",
        ));
    }
    let brought = parse(value)?;
    for name in &NAMES {
        request.remove(name);
    }
    let forwarding = server.outbound.kind == OutboundKind::Forwarding;
    if !server.allow_header_override && !forwarding {
        return Err(Rejection::invalid(
            "this server does not accept x-tfy-mcp-headers (allow_header_override is off)",
        ));
    }
    let forwardable = &server.outbound.forwardable;
    let refused = |name: &HeaderName| !forwardable.iter().any(|known| known == name.as_str());
    if forwarding
        && !forwardable.is_empty()
        && let Some((name, _)) = brought.iter().find(|(name, _)| refused(name))
    {
        return Err(Rejection::invalid(format!(
            "this server does not accept the header {name} in x-tfy-mcp-headers"
        )));
    }
    Ok(brought)
}

fn parse(value: &HeaderValue) -> Result<Vec<Pair>, Rejection> {
    let malformed = || {
        Rejection::invalid(
            "x-tfy-mcp-headers must be a JSON object of header names and string values, at most 32 of them and 8 KiB",
        )
    };
    let text = value
        .to_str()
        .ok()
        .filter(|text| text.len() <= headers::MAX_VALUE_LENGTH)
        .ok_or_else(malformed)?;
    let Flat(members) = serde_json::from_str(text).map_err(|_| malformed())?;
    if members.len() > MAX_HEADERS {
        return Err(malformed());
    }
    let mut brought: Vec<Pair> = Vec::with_capacity(members.len());
    for (name, value) in members {
        let refuse =
            |error: headers::HeaderError| Rejection::invalid(format!("x-tfy-mcp-headers: {error}"));
        let name = headers::parse_name(&name).map_err(refuse)?;
        let value = headers::parse_value(&name, &value).map_err(refuse)?;
        if brought.iter().any(|(known, _)| *known == name) {
            return Err(Rejection::invalid("x-tfy-mcp-headers names a header twice"));
        }
        brought.push((name, value));
    }
    Ok(brought)
}

/// An object of strings, with every member that its text has.
struct Flat<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Flat<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Vec<(Cow<'de, str>, Cow<'de, str>)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
                let mut flat = Vec::new();
                while let Some(key) = members.next_key_seed(Text)? {
                    flat.push((key, members.next_value_seed(Text)?));
                }
                Ok(flat)
            }
        }
        deserializer.deserialize_map(Collect).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<Vec<(String, String)>> {
        let value = HeaderValue::from_bytes(text.as_bytes()).ok()?;
        let text = |value: &HeaderValue| value.to_str().expect("ASCII").to_owned();
        parse(&value).ok().map(|pairs| {
            pairs
                .iter()
                .map(|(name, value)| (name.to_string(), text(value)))
                .collect()
        })
    }

    #[test]
    fn t30_only_an_object_of_permitted_headers_is_taken() {
        assert_eq!(
            parsed(r#"{"Authorization":"Bearer x","X-Custom":"a\tb"}"#)
                .expect("valid")
                .len(),
            2
        );
        assert_eq!(parsed("{}"), Some(vec![]));
        let many: Vec<String> = (0..33)
            .map(|number| format!("\"x-{number}\":\"1\""))
            .collect();
        for bad in [
            "",
            "null",
            "[]",
            "\"a\"",
            "{",
            "{}{}",
            r#"{"a":1}"#,
            r#"{"a":null}"#,
            r#"{"a":["b"]}"#,
            r#"{"a":{"b":"c"}}"#,
            r#"{"X-A":"1","x-a":"2"}"#,
            r#"{"x-a":"1","x-\u0061":"2"}"#,
            r#"{"x-a":"a\r\nb"}"#,
            r#"{"x-a":"a\u0000"}"#,
            r#"{"x-a":"\u00e9"}"#,
            r#"{"x-a\r\nb":"1"}"#,
            r#"{"Host":"a"}"#,
            r#"{"content-length":"1"}"#,
            r#"{"x_a":"1"}"#,
            r#"{"x-a":""}"#,
            r#"{":path":"/"}"#,
            &format!("{{{}}}", many.join(",")),
            &format!(r#"{{"x-a":"{}"}}"#, "a".repeat(9000)),
        ] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }
}
