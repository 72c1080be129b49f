//! The headers in which a request repeats its body (2026-07-28, "standard headers"; T17, T18).
//!
//! The body decides. A header that says otherwise is refused, in every revision: whoever behind us
//! trusts a header must read in it what was authorized.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue};

use super::{message::Message, method::Method, revision::Revision};

/// `MCP-Protocol-Version`
pub(crate) const PROTOCOL_VERSION: &str = "mcp-protocol-version";
/// `Mcp-Method`
pub(crate) const METHOD: &str = "mcp-method";
/// `Mcp-Name`
pub(crate) const NAME: &str = "mcp-name";
/// `Mcp-Param-…`
pub(crate) const PARAM_PREFIX: &str = "mcp-param-";

/// Why the headers do not fit the body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Mismatch {
    /// A header is missing, repeated, malformed or says something else than the body.
    #[error("the header {0} must be there once and repeat the request body")]
    Header(&'static str),
    /// The version header names a revision whose requests carry `_meta`, and this one does not.
    #[error(
        "requests of this protocol version carry _meta with the protocol version and the client's capabilities"
    )]
    MetaMissing,
    /// A revision that is not one.
    #[error("unsupported protocol version")]
    UnsupportedVersion(String),
}

/// What the request says of its revision, once headers and body agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// The revision named by the request; `None`: a legacy request that names none.
    pub(crate) revision: Option<Revision>,
    /// Whether `Mcp-Method` was there, and so goes on.
    pub(crate) method_mirrored: bool,
}

impl Agreed {
    /// Whether the request is one of the modern era.
    pub(crate) fn is_modern(self) -> bool {
        self.revision.is_some_and(Revision::is_modern)
    }
}

/// Compares headers and body.
///
/// # Errors
/// The first [`Mismatch`] in the order of the specification's checks.
pub(crate) fn check(headers: &HeaderMap, message: &Message<'_>) -> Result<Agreed, Mismatch> {
    let claim = message.params.revision.as_deref();
    if claim.is_some() && single(headers, PROTOCOL_VERSION)? != claim {
        return Err(Mismatch::Header("MCP-Protocol-Version"));
    }
    let revision = revision(headers)?;
    let modern = revision.is_some_and(Revision::is_modern);
    let (method, is_request) = (message.method(), message.id().is_some());
    if modern && is_request && (claim.is_none() || !message.params.capabilities) {
        return Err(Mismatch::MetaMissing);
    }
    let mirrored = single(headers, METHOD)?;
    let wire = match method {
        Some(Ok(method)) => Some(method.as_str()),
        Some(Err(name)) => Some(name),
        None => None,
    };
    if (mirrored.is_some() && mirrored != wire) || (mirrored.is_none() && modern && is_request) {
        return Err(Mismatch::Header("Mcp-Method"));
    }
    let named = match method {
        Some(Ok(method)) => method.named_by().and_then(|by| message.params.named(by)),
        _ => None,
    };
    let name = single(headers, NAME)?
        .map(|value| decode(value).ok_or(Mismatch::Header("Mcp-Name")))
        .transpose()?;
    // What a method that nobody knows is about, nobody can say: it is refused as unknown.
    let known = !matches!(method, Some(Err(_)));
    let differs = name.is_some() && name.as_deref() != named;
    let missing = name.is_none() && named.is_some() && modern && is_request;
    if known && (differs || missing) {
        return Err(Mismatch::Header("Mcp-Name"));
    }
    if headers
        .keys()
        .any(|key| key.as_str().starts_with(PARAM_PREFIX) && single(headers, key.as_str()).is_err())
    {
        return Err(Mismatch::Header("Mcp-Param"));
    }
    Ok(Agreed {
        revision,
        method_mirrored: mirrored.is_some(),
    })
}

/// The revision that a request names in its header.
///
/// # Errors
/// [`Mismatch`] for a repeated header, or a revision that is not one.
pub(crate) fn revision(headers: &HeaderMap) -> Result<Option<Revision>, Mismatch> {
    let version = single(headers, PROTOCOL_VERSION)?;
    let parse = |version: &str| {
        Revision::parse(version).ok_or_else(|| Mismatch::UnsupportedVersion(version.to_owned()))
    };
    version.map(parse).transpose()
}

/// The one value of a header, without surrounding white space.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Mismatch> {
    let label = match name {
        PROTOCOL_VERSION => "MCP-Protocol-Version",
        METHOD => "Mcp-Method",
        NAME => "Mcp-Name",
        _ => "Mcp-Param",
    };
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Mismatch::Header(label));
    }
    let value = value.to_str().map_err(|_| Mismatch::Header(label))?;
    Ok(Some(value.trim_matches([' ', '\t'])))
}

const SENTINEL: (&str, &str) = ("=?base64?", "?=");

/// What a mirrored value says: as it is, or in base64 between sentinels.
pub(super) fn decode(value: &str) -> Option<Cow<'_, str>> {
    match value
        .strip_prefix(SENTINEL.0)
        .and_then(|rest| rest.strip_suffix(SENTINEL.1))
    {
        None => Some(Cow::Borrowed(value)),
        Some(encoded) => Some(Cow::Owned(
            String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?,
        )),
    }
}

/// A value to be mirrored: in base64 where a header could not carry it as it is.
fn encode(value: &str) -> Option<HeaderValue> {
    let plain = value.bytes().all(|byte| matches!(byte, 0x20..=0x7e))
        && value.trim_matches(' ').len() == value.len()
        && !(value.starts_with(SENTINEL.0) && value.ends_with(SENTINEL.1));
    if plain {
        HeaderValue::from_str(value).ok()
    } else {
        HeaderValue::try_from(format!(
            "{}{}{}",
            SENTINEL.0,
            STANDARD.encode(value),
            SENTINEL.1
        ))
        .ok()
    }
}

/// Makes the mirrored headers anew from what was authorized.
pub(crate) fn write(
    headers: &mut HeaderMap,
    agreed: Agreed,
    method: Option<Method>,
    named: Option<&str>,
) {
    if let Some(revision) = agreed.revision {
        headers.insert(
            PROTOCOL_VERSION,
            HeaderValue::from_static(revision.as_str()),
        );
    }
    let Some(method) = method.filter(|_| agreed.method_mirrored) else {
        return;
    };
    headers.insert(METHOD, HeaderValue::from_static(method.as_str()));
    if let Some(value) = named.and_then(encode) {
        headers.insert(NAME, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::message;

    const MODERN: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;
    const LEGACY: &str =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}"#;

    fn checked(body: &str, headers: &[(&'static str, &str)]) -> Result<Agreed, Mismatch> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                *name,
                HeaderValue::from_bytes(value.as_bytes()).expect("a value"),
            );
        }
        check(&map, &message::parse(body.as_bytes()).expect("a message"))
    }

    const VERSION: (&str, &str) = (PROTOCOL_VERSION, "2026-07-28");
    const CALL: (&str, &str) = (METHOD, "tools/call");
    const ECHO: (&str, &str) = (NAME, "echo");

    #[test]
    fn a_modern_request_repeats_itself_in_headers() {
        assert!(
            checked(MODERN, &[VERSION, CALL, ECHO])
                .expect("agrees")
                .is_modern()
        );
        assert!(checked(MODERN, &[VERSION, CALL, (NAME, " =?base64?ZWNobw==?= ")]).is_ok());
    }

    #[test]
    fn t17_headers_that_differ_from_the_body_are_refused() {
        let corpus: [&[(&'static str, &str)]; 14] = [
            &[CALL, ECHO],
            &[VERSION, ECHO],
            &[VERSION, CALL],
            &[(PROTOCOL_VERSION, "2025-11-25"), CALL, ECHO],
            &[VERSION, VERSION, CALL, ECHO],
            &[VERSION, (METHOD, "tools/list"), ECHO],
            &[VERSION, (METHOD, "Tools/Call"), ECHO],
            &[VERSION, CALL, CALL, ECHO],
            &[VERSION, CALL, (NAME, "other")],
            &[VERSION, CALL, (NAME, "Echo")],
            &[VERSION, CALL, ECHO, (NAME, "other")],
            &[VERSION, CALL, (NAME, "=?base64?b3RoZXI=?=")],
            &[VERSION, CALL, (NAME, "=?base64?!!!?=")],
            &[
                VERSION,
                CALL,
                ECHO,
                ("mcp-param-a", "1"),
                ("mcp-param-a", "2"),
            ],
        ];
        for headers in corpus {
            assert!(
                matches!(checked(MODERN, headers), Err(Mismatch::Header(_))),
                "{headers:?}"
            );
        }
        assert_eq!(
            checked(LEGACY, &[VERSION, CALL, ECHO]),
            Err(Mismatch::MetaMissing)
        );
    }

    #[test]
    fn t18_a_legacy_request_is_held_to_the_headers_that_it_has() {
        for version in ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"] {
            assert!(
                !checked(LEGACY, &[(PROTOCOL_VERSION, version)])
                    .expect("agrees")
                    .is_modern()
            );
        }
        assert_eq!(
            checked(LEGACY, &[]),
            Ok(Agreed {
                revision: None,
                method_mirrored: false
            })
        );
        assert!(
            checked(LEGACY, &[CALL]).is_ok(),
            "mcp-remote sends the method without a version"
        );
        for headers in [
            &[(METHOD, "tools/list")][..],
            &[(NAME, "other")],
            &[(PROTOCOL_VERSION, "2025-11-25"), (METHOD, "ping")],
        ] {
            assert!(
                matches!(checked(LEGACY, headers), Err(Mismatch::Header(_))),
                "{headers:?}"
            );
        }
        for version in [
            "garbage",
            "2099-01-01",
            "",
            "2025-11-25, 2026-07-28",
            "2025-11-25\u{fe0f}",
        ] {
            assert!(
                checked(LEGACY, &[(PROTOCOL_VERSION, version)]).is_err(),
                "{version:?}"
            );
        }
    }

    #[test]
    fn a_value_that_no_header_can_carry_is_encoded() {
        for (value, header) in [
            ("echo", "echo"),
            (" a", "=?base64?IGE=?="),
            ("é", "=?base64?w6k=?="),
            ("=?base64?YQ==?=", "=?base64?PT9iYXNlNjQ/WVE9PT89?="),
        ] {
            let encoded = encode(value).expect("a header");
            assert_eq!(encoded, header);
            assert_eq!(decode(header).as_deref(), Some(value));
        }
    }
}
