//! Where an OAuth client may be answered (RFC 6749 section 3.1.2).

use serde::{Deserialize, Serialize};
use url::Url;

/// Longest redirect URI, in bytes.
const MAX_LENGTH: usize = 2000;

/// Redirect URIs with a scheme of a client's own that has no dot in it, as widely used clients have
/// registered them. Exactly these, since anybody may claim such a scheme.
const WELL_KNOWN: [&str; 1] = ["cursor://anysphere.cursor-mcp/oauth/callback"];

/// The spellings of this machine (RFC 8252 section 7.3; `localhost` because clients use it).
const LOOPBACK: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

/// A redirect URI that a client may register. What arrives in requests is compared with it byte by byte;
/// only the port of a loopback address may differ, since a client that listens takes what it gets
/// (RFC 8252 section 7.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RedirectUri(String);

/// Why a redirect URI is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRedirectUri {
    /// Not an absolute URI of visible ASCII characters, or too long.
    #[error("a redirect URI is an absolute URI of at most {MAX_LENGTH} visible ASCII characters")]
    Malformed,
    /// It has a fragment (RFC 6749 section 3.1.2).
    #[error("a redirect URI has no fragment")]
    Fragment,
    /// It has a user or a password.
    #[error("a redirect URI has no user in it")]
    User,
    /// Neither https, nor http on this machine, nor a scheme of the client's own.
    #[error(
        "a redirect URI is https, http on a loopback address, or a private-use scheme with a dot in it"
    )]
    Scheme,
    /// It leads to Warder itself.
    #[error("a redirect URI leads to the client, not to Warder")]
    Own,
}

impl RedirectUri {
    /// A redirect URI that somebody wants to register. `own` are the origins of Warder itself: a code that
    /// came back there could be taken for another one.
    ///
    /// # Errors
    /// See [`InvalidRedirectUri`].
    pub fn parse(text: &str, own: &[&str]) -> Result<Self, InvalidRedirectUri> {
        let plain = |byte: u8| byte.is_ascii_graphic() && !br#"\"<>^`{|}"#.contains(&byte);
        if text.len() > MAX_LENGTH || !text.bytes().all(plain) {
            return Err(InvalidRedirectUri::Malformed);
        }
        let url = Url::parse(text).map_err(|_| InvalidRedirectUri::Malformed)?;
        if text.contains('#') {
            return Err(InvalidRedirectUri::Fragment);
        }
        let authority = authority(text);
        if authority.is_some_and(|authority| authority.contains('@')) {
            return Err(InvalidRedirectUri::User);
        }
        match url.scheme() {
            "https" if authority.is_some_and(|authority| !authority.is_empty()) => {}
            "http" if loopback(text).is_some() => {}
            _ if WELL_KNOWN.contains(&text) => {}
            // RFC 8252 section 7.1: a domain name that the client's maker has, backwards.
            scheme if scheme.contains('.') && text.starts_with(&format!("{scheme}:/")) => {}
            _ => return Err(InvalidRedirectUri::Scheme),
        }
        let uri = Self(text.to_owned());
        if own.iter().any(|origin| leads_to(text, &url, origin)) {
            return Err(InvalidRedirectUri::Own);
        }
        Ok(uri)
    }

    /// The URI, as registered.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a request may name `presented` where this is registered. `presented` is then as sound as
    /// this is, but may lead to a port of Warder's own.
    #[must_use]
    pub fn accepts(&self, presented: &str) -> bool {
        self.0 == presented
            || matches!(
                (loopback(&self.0), loopback(presented)),
                (Some(registered), Some(presented)) if registered == presented
            )
    }

    /// Whether it leads to a program on the user's machine over http, which any program there could be.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        loopback(&self.0).is_some()
    }

    /// Where it leads, for people: the host, or the scheme of an application.
    #[must_use]
    pub fn destination(&self) -> &str {
        let scheme = self.0.split(':').next().unwrap_or_default();
        match authority(&self.0) {
            Some(authority) if scheme.eq_ignore_ascii_case("https") => authority,
            Some(_) if self.is_loopback() => "this device",
            _ => scheme,
        }
    }

    /// What a page's `form-action` has to allow so that a form's answer may lead there (CSP 3). A client
    /// on the web may lead on to another host; CSP has no form for an IPv6 address.
    #[must_use]
    pub fn form_action(&self) -> String {
        let scheme = self.0.split(':').next().unwrap_or_default();
        match authority(&self.0) {
            Some(authority) if self.is_loopback() && !authority.starts_with('[') => {
                format!("http://{authority}")
            }
            _ => format!("{}:", scheme.to_ascii_lowercase()),
        }
    }

    /// The URI with parameters added to its query (RFC 6749 section 4.1.2).
    #[must_use]
    pub fn with(&self, parameters: &[(&str, &str)]) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(parameters);
        let separator = match self.0.split_once('?') {
            None => "?",
            Some((_, "")) => "",
            Some(_) => "&",
        };
        format!("{}{separator}{}", self.0, query.finish())
    }
}

/// What stands between `//` and the path.
fn authority(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("://")?;
    rest.split(['/', '?', '#']).next()
}

/// Host and path with query of an http URI on this machine, without its port. By hand, since what a URL
/// parser tidies up (`..`, an empty port, `127.1`) must not be equal.
fn loopback(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("http://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = LOOPBACK
        .into_iter()
        .find(|host| authority.starts_with(*host))?;
    let port = authority.strip_prefix(host)?;
    let fits = port.is_empty()
        || port.strip_prefix(':').is_some_and(|port| {
            port.bytes().all(|byte| byte.is_ascii_digit())
                && port.parse::<u16>().is_ok_and(|port| port > 0)
        });
    fits.then_some((host, if path.is_empty() { "/" } else { path }))
}

fn leads_to(text: &str, url: &Url, origin: &str) -> bool {
    let Ok(own) = Url::parse(origin) else {
        return false;
    };
    let both_here = loopback(text).is_some() && loopback(origin).is_some();
    url.origin() == own.origin()
        || (both_here && url.port_or_known_default() == own.port_or_known_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: [&str; 2] = ["https://warder.example.com", "http://127.0.0.1:7090"];

    fn parse(text: &str) -> Result<RedirectUri, InvalidRedirectUri> {
        RedirectUri::parse(text, &OWN)
    }

    #[test]
    fn t37_redirect_uris_that_clients_register_are_taken() {
        for good in [
            "https://claude.ai/api/mcp/auth_callback",
            "https://claude.com/api/mcp/auth_callback",
            "https://chatgpt.com/connector_platform_oauth_redirect",
            "https://global.consent.azure-apim.net/redirect/warder",
            "https://vscode.dev/redirect",
            "https://insiders.vscode.dev/redirect",
            "https://www.cursor.com/agents/mcp/oauth/callback",
            "https://client.example.com:8443/cb?tenant=a",
            "http://127.0.0.1/",
            "http://127.0.0.1:33418/",
            "http://127.0.0.1",
            "http://localhost/callback",
            "http://localhost:8787/callback",
            "http://[::1]:9000/cb",
            "cursor://anysphere.cursor-mcp/oauth/callback",
            "com.example.app:/oauth/callback",
            "com.example.app://oauth/callback",
        ] {
            let uri = parse(good).expect(good);
            assert!(uri.accepts(good), "{good}");
        }
    }

    #[test]
    fn t37_redirect_uris_that_nobody_should_register_are_refused() {
        for bad in [
            "",
            "/callback",
            "callback",
            "//evil.example.com/cb",
            "javascript:alert(1)",
            "javascript://client.example.com/%0aalert(1)",
            "JavaScript:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "file:///etc/passwd",
            "blob:https://client.example.com/x",
            "about:blank",
            "ftp://client.example.com/cb",
            "ws://127.0.0.1/cb",
            "myapp:/callback",
            "cursor://anysphere.cursor-mcp/oauth/callback/",
            "cursor://anysphere.cursor-mcp/oauth/callback?x=1",
            "cursor://evil/oauth/callback",
            "com.example.app",
            "com.example.app:callback",
            "http://client.example.com/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://127.0.0.1@evil.example/cb",
            "http://localhost.evil.example/cb",
            "http://localhost@evil.example/cb",
            "http://127.1/cb",
            "http://0x7f000001/cb",
            "http://2130706433/cb",
            "http://127.0.0.2/cb",
            "http://0.0.0.0/cb",
            "http://[::ffff:127.0.0.1]/cb",
            "http://127.0.0.1:0/cb",
            "http://127.0.0.1:/cb",
            "http://127.0.0.1:99999/cb",
            "http://127.0.0.1:80x/cb",
            "http://LOCALHOST/cb",
            "https://client.example.com/cb#fragment",
            "https://client.example.com/cb#",
            "https://user@client.example.com/cb",
            "https://user:pass@client.example.com/cb",
            "https://client.example.com\\@evil.example/cb",
            "https://client.example.com/cb\r\nLocation: https://evil.example",
            "https://client.example.com/cb x",
            " https://client.example.com/cb",
            "https://client.example.com/\u{e9}",
            "https://client.example.com/<script>",
            "https:///cb",
            "https:client.example.com",
            "https://",
            "https://warder.example.com/login/okta/callback",
            "https://WARDER.example.com:443/oauth/callback/github",
            "http://127.0.0.1:7090/mcp/demo/server",
            "http://localhost:7090/",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        assert!(parse(&format!("https://client.example.com/{}", "a".repeat(2000))).is_err());
    }

    #[test]
    fn t37_a_redirect_uri_is_compared_byte_by_byte() {
        let registered = parse("https://client.example.com/cb?x=1").expect("sound");
        for other in [
            "https://client.example.com/cb",
            "https://client.example.com/cb?x=1&y=2",
            "https://client.example.com/cb?x=1#",
            "https://client.example.com/cb/?x=1",
            "https://client.example.com/CB?x=1",
            "https://Client.example.com/cb?x=1",
            "https://client.example.com:443/cb?x=1",
            "https://client.example.com/./cb?x=1",
            "https://client.example.com/%63b?x=1",
            "https://client.example.com.evil.example/cb?x=1",
            "https://evil.example/client.example.com/cb?x=1",
            "http://client.example.com/cb?x=1",
            " https://client.example.com/cb?x=1",
            "https://client.example.com/cb?x=1 ",
            "",
        ] {
            assert!(!registered.accepts(other), "{other:?}");
        }
    }

    #[test]
    fn t37_only_the_port_of_a_loopback_address_may_differ() {
        for registered in ["http://127.0.0.1/cb", "http://127.0.0.1:33418/cb"] {
            let registered = parse(registered).expect("sound");
            for port in ["", ":1", ":33418", ":65535"] {
                assert!(
                    registered.accepts(&format!("http://127.0.0.1{port}/cb")),
                    "{port}"
                );
            }
            for other in [
                "http://localhost:33418/cb",
                "http://[::1]:33418/cb",
                "https://127.0.0.1:33418/cb",
                "http://127.0.0.1:33418/other",
                "http://127.0.0.1:33418/cb/",
                "http://127.0.0.1:33418/cb?x=1",
                "http://127.0.0.1:33418/x/../cb",
                "http://127.0.0.1:33418@evil.example/cb",
                "http://127.0.0.1:33418.evil.example/cb",
                "http://127.0.0.1.evil.example/cb",
                "http://127.0.0.1:0/cb",
                "http://127.0.0.1:/cb",
                "http://127.0.0.1:33418/cb#x",
                "HTTP://127.0.0.1:33418/cb",
            ] {
                assert!(!registered.accepts(other), "{other}");
            }
        }
        let root = parse("http://127.0.0.1").expect("sound");
        assert!(root.accepts("http://127.0.0.1:9/"));
    }

    #[test]
    fn an_answer_is_added_to_the_query() {
        let with = |text: &str| {
            parse(text)
                .expect("sound")
                .with(&[("code", "a b"), ("state", "&=")])
        };
        assert_eq!(
            with("https://a.example/cb"),
            "https://a.example/cb?code=a+b&state=%26%3D"
        );
        assert_eq!(
            with("https://a.example/cb?x=1"),
            "https://a.example/cb?x=1&code=a+b&state=%26%3D"
        );
        assert_eq!(
            with("https://a.example/cb?"),
            "https://a.example/cb?code=a+b&state=%26%3D"
        );
    }

    #[test]
    fn people_and_browsers_are_told_where_it_leads() {
        for (text, destination, form_action) in [
            ("https://a.example/cb", "a.example", "https:"),
            (
                "http://localhost:99/cb",
                "this device",
                "http://localhost:99",
            ),
            (
                "cursor://anysphere.cursor-mcp/oauth/callback",
                "cursor",
                "cursor:",
            ),
            ("com.example.app:/cb", "com.example.app", "com.example.app:"),
        ] {
            let uri = parse(text).expect(text);
            assert_eq!(
                (uri.destination(), uri.form_action().as_str()),
                (destination, form_action)
            );
        }
    }
}
