//! Which headers an operator or a client may have sent upstream (T30).
//!
//! The rule is a list of what is *never* theirs: everything that frames or routes a message, that says
//! who came before, that MCP gives a meaning to, or that the gateway makes itself.

use http::{HeaderName, HeaderValue};

/// Longest value, in bytes.
pub const MAX_VALUE_LENGTH: usize = 8 * 1024;

/// Why a header is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Not a token (RFC 9110 section 5.1), or it has a `_`, which some servers read as `-`.
    #[error("{0:?} is not a valid header name")]
    Name(String),
    /// A name that only the gateway sets.
    #[error("the header {0:?} is set by the gateway and cannot be chosen")]
    Reserved(String),
    /// The value has a character other than visible ASCII, space and tab, begins or ends with white
    /// space, is empty or too long. The value itself is not repeated: it may be a secret.
    #[error(
        "the value of the header {0:?} must be 1 to 8192 visible ASCII characters, without control characters"
    )]
    Value(String),
}

const RESERVED: [&str; 30] = [
    // Framing and connection (RFC 9110 section 7.6.1, RFC 9112).
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
    "http2-settings",
    "proxy-authenticate",
    "proxy-authorization",
    // Routing, and who came before.
    "host",
    "forwarded",
    "via",
    "x-real-ip",
    "true-client-ip",
    "max-forwards",
    "alt-used",
    // The message's form belongs to the message.
    "accept",
    "accept-encoding",
    "accept-charset",
    "accept-language",
    "range",
    "last-event-id",
    // The client's own relation with the gateway.
    "cookie",
    "cookie2",
    "origin",
    "referer",
    "x-tfy-mcp-headers",
    "x-warder-mcp-headers",
];

const RESERVED_PREFIXES: [&str; 6] = [
    "content-",
    "mcp-",
    "x-forwarded-",
    "sec-",
    "proxy-",
    "access-control-",
];

/// The name of a header that an operator or a client chose.
///
/// # Errors
/// [`HeaderError::Name`] or [`HeaderError::Reserved`].
pub fn parse_name(name: &str) -> Result<HeaderName, HeaderError> {
    let parsed = HeaderName::from_bytes(name.as_bytes())
        .ok()
        .filter(|_| name.len() <= 128 && !name.contains('_'))
        .ok_or_else(|| HeaderError::Name(name.chars().take(128).collect()))?;
    let lower = parsed.as_str();
    if RESERVED.contains(&lower)
        || RESERVED_PREFIXES
            .iter()
            .any(|prefix| lower.starts_with(prefix))
    {
        return Err(HeaderError::Reserved(lower.to_owned()));
    }
    Ok(parsed)
}

/// The value of such a header, marked as sensitive.
///
/// # Errors
/// [`HeaderError::Value`].
pub fn parse_value(name: &HeaderName, value: &str) -> Result<HeaderValue, HeaderError> {
    let visible = value
        .bytes()
        .all(|byte| matches!(byte, 0x20..=0x7e | b'\t'));
    let trimmed = value.trim_matches([' ', '\t']).len() == value.len();
    if !visible || !trimmed || value.is_empty() || value.len() > MAX_VALUE_LENGTH {
        return Err(HeaderError::Value(name.to_string()));
    }
    let mut value =
        HeaderValue::from_str(value).map_err(|_| HeaderError::Value(name.to_string()))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t30_names_that_are_not_the_callers_to_choose() {
        let refused = [
            "",
            " ",
            "a b",
            "a:b",
            ":authority",
            "a\r\nb",
            "a\0",
            "é",
            "a_b",
            "Authorization ",
            "Host",
            "CONNECTION",
            "Transfer-Encoding",
            "Content-Length",
            "Content-Type",
            "Mcp-Session-Id",
            "MCP-Protocol-Version",
            "Mcp-Param-x",
            "Forwarded",
            "X-Forwarded-For",
            "X-Forwarded-Anything",
            "Cookie",
            "Origin",
            "TE",
            "Upgrade",
            "Expect",
            "Trailer",
            "Accept",
            "Accept-Encoding",
            "Proxy-Authorization",
            "Sec-Fetch-Site",
            "Via",
            "x-tfy-mcp-headers",
            "Last-Event-ID",
        ];
        for name in refused {
            assert!(parse_name(name).is_err(), "{name:?}");
        }
        for name in [
            "Authorization",
            "X-API-Key",
            "x-custom",
            "api-key",
            "PRIVATE-TOKEN",
            "x-goog-api-key",
            "traceparent",
        ] {
            assert!(parse_name(name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn t30_values_that_could_end_a_header() {
        let name = parse_name("x-a").expect("a name");
        for value in [
            "",
            " a",
            "a ",
            "a\r\nb: c",
            "a\nb",
            "a\0",
            "é",
            "a\u{7f}",
            "\t",
            &"a".repeat(MAX_VALUE_LENGTH + 1),
        ] {
            assert!(parse_value(&name, value).is_err(), "{value:?}");
        }
        for value in ["a", "Bearer abc", "a\tb", "~!@#"] {
            let parsed = parse_value(&name, value).expect("a value");
            assert!(parsed.is_sensitive() && parsed == value);
        }
    }
}
