//! Whether a request that changes something was made by a page of ours (T60): what the browser itself says
//! of it, and a token that only our pages know.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, Method, header};
use subtle::ConstantTimeEq as _;

use crate::service::BearerSecret;

/// Header in which scripts send the token.
pub const X_CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");

/// What the browser says of where a request came from (Fetch Metadata).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether requests with this method change something.
pub(super) fn is_unsafe(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether the browser says that a page of `origin` made the request. A request that says nothing was not
/// made by a browser that we know to tell.
///
/// Pages that send no referrer, as ours, send `Origin: null` with their forms: then `Sec-Fetch-Site`,
/// which no page can set, has to say it.
pub(super) fn is_same_origin(headers: &HeaderMap, origin: &str) -> bool {
    let (Ok(site), Ok(from)) = (
        only(headers, &SEC_FETCH_SITE),
        only(headers, &header::ORIGIN),
    ) else {
        return false;
    };
    match (site, from) {
        (Some("same-origin"), from) => from.is_none_or(|from| from == "null" || from == origin),
        (None, Some(from)) => from == origin,
        _ => false,
    }
}

/// The only value of a header; an error when there are several.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, ()> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(|value| value.to_str().map_err(drop));
    match values.next() {
        None => value.transpose(),
        Some(_) => Err(()),
    }
}

/// The token for forms of the browser or session that this secret names. It cannot be made without the
/// secret, and does not give it away.
pub(super) fn csrf_token(secret: &BearerSecret) -> String {
    URL_SAFE_NO_PAD.encode(secret.derive("csrf").as_slice())
}

/// Whether a token is that of a secret, in constant time.
pub(super) fn is_csrf_token(secret: &BearerSecret, presented: &str) -> bool {
    csrf_token(secret)
        .as_bytes()
        .ct_eq(presented.as_bytes())
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t60_only_pages_of_our_own_change_anything() {
        const OURS: &str = "https://warder.example";
        let check = |site: &[&str], origin: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in site {
                headers.append(SEC_FETCH_SITE, value.parse().unwrap());
            }
            for value in origin {
                headers.append(header::ORIGIN, value.parse().unwrap());
            }
            is_same_origin(&headers, OURS)
        };
        assert!(check(&["same-origin"], &[OURS]));
        assert!(check(&["same-origin"], &["null"]));
        assert!(check(&["same-origin"], &[]));
        assert!(check(&[], &[OURS]));
        for (site, origin) in [
            (vec![], vec![]),
            (vec![], vec!["null"]),
            (vec![], vec!["https://evil.example"]),
            (vec![], vec!["https://warder.example.evil.example"]),
            (vec![], vec!["http://warder.example"]),
            (vec![], vec![OURS, "https://evil.example"]),
            (vec!["same-site"], vec![OURS]),
            (vec!["cross-site"], vec![OURS]),
            (vec!["none"], vec![OURS]),
            (vec!["same-origin"], vec!["https://evil.example"]),
            (vec!["same-origin", "cross-site"], vec![OURS]),
        ] {
            assert!(!check(&site, &origin), "{site:?} {origin:?}");
        }
    }

    #[test]
    fn t60_a_token_is_good_for_its_own_session_only() {
        let (mine, other) = (
            BearerSecret::generate().unwrap(),
            BearerSecret::generate().unwrap(),
        );
        let token = csrf_token(&mine);
        assert!(is_csrf_token(&mine, &token));
        assert!(!is_csrf_token(&other, &token));
        assert!(!is_csrf_token(&mine, ""));
        assert_ne!(token, mine.expose());
    }
}
