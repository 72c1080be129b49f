//! The two cookies: one names a session, the other a browser that nobody has signed in with yet.
//!
//! The prefix `__Host-` makes browsers keep them to this host, to TLS (or loopback) and to answers of ours
//! (RFC 6265bis section 4.1.3.2).

use axum_extra::extract::cookie::{Cookie, SameSite};
use http::{HeaderMap, HeaderValue, header};

use crate::service::BearerSecret;

/// Names the session.
pub const SESSION_COOKIE: &str = "__Host-warder-session";

/// Names the browser: forms before sign-in, states and continuations are bound to it.
pub const BROWSER_COOKIE: &str = "__Host-warder-browser";

/// What a request says under the name of a cookie.
#[derive(Debug, Clone)]
pub(super) enum Presented {
    /// Nothing.
    Nothing,
    /// One value of the right form.
    Secret(BearerSecret),
    /// Several values, or one that we never set.
    Nonsense,
}

impl Presented {
    /// The value, if it is one.
    pub(super) fn secret(self) -> Option<BearerSecret> {
        match self {
            Self::Secret(secret) => Some(secret),
            Self::Nothing | Self::Nonsense => None,
        }
    }
}

/// Reads a cookie.
pub(super) fn read(headers: &HeaderMap, name: &str) -> Presented {
    let mut presented = Presented::Nothing;
    for line in headers.get_all(header::COOKIE) {
        let Ok(line) = line.to_str() else {
            continue;
        };
        for cookie in Cookie::split_parse(line).flatten() {
            if cookie.name() == name {
                presented = match (presented, BearerSecret::parse(cookie.value())) {
                    (Presented::Nothing, Some(secret)) => Presented::Secret(secret),
                    _ => Presented::Nonsense,
                };
            }
        }
    }
    presented
}

/// `Set-Cookie` that gives the browser a secret, until it is closed.
#[must_use]
pub fn set(name: &'static str, secret: &BearerSecret) -> HeaderValue {
    line(Cookie::new(name, secret.expose().to_owned()))
}

/// `Set-Cookie` that takes it away again.
#[must_use]
pub fn clear(name: &'static str) -> HeaderValue {
    let mut cookie = Cookie::new(name, "");
    cookie.make_removal();
    line(cookie)
}

fn line(mut cookie: Cookie<'static>) -> HeaderValue {
    cookie.set_path("/");
    cookie.set_secure(true);
    cookie.set_http_only(true);
    // Strict would hide the session from the page that an identity provider or a client leads to.
    cookie.set_same_site(SameSite::Lax);
    let mut value =
        HeaderValue::from_str(&cookie.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t60_a_cookie_is_for_this_host_only_and_for_no_script() {
        let secret = BearerSecret::generate().unwrap();
        let value = set(SESSION_COOKIE, &secret);
        let text = value.to_str().unwrap();
        let expected = format!(
            "{SESSION_COOKIE}={}; HttpOnly; SameSite=Lax; Secure; Path=/",
            secret.expose()
        );
        assert_eq!(text, expected);
        assert!(!format!("{value:?}").contains(secret.expose()));
        let cleared = clear(SESSION_COOKIE);
        assert!(cleared.to_str().unwrap().contains("Max-Age=0"));
    }

    #[test]
    fn t09_a_cookie_has_one_value() {
        let secret = BearerSecret::generate().unwrap();
        let secret = secret.expose();
        let read = |lines: &[String]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::COOKIE, line.parse().unwrap());
            }
            super::read(&headers, "a")
        };
        let one = format!("x=1; a={secret}; y=2");
        assert!(matches!(read(&[one]), Presented::Secret(_)));
        assert!(matches!(read(&["b=1".into()]), Presented::Nothing));
        for lines in [
            vec![format!("a={secret}; a={secret}")],
            vec![format!("a={secret}"), format!("a={secret}")],
            vec!["a=x".into()],
            vec![format!("a={secret}; a=")],
        ] {
            assert!(matches!(read(&lines), Presented::Nonsense), "{lines:?}");
        }
    }
}
