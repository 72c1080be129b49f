//! For whom a request is, and from which page: `Host` and `Origin` (T21, T68).

use std::collections::HashSet;

use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts, uri::Authority};

use crate::error::{ErrorType, Rejection};

/// The hosts that the gateway answers as, and the pages that may ask it.
#[derive(Debug)]
pub(crate) struct Gate {
    hosts: HashSet<String>,
    origins: HashSet<String>,
}

const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

impl Gate {
    /// A gate for the gateway's URL, more hosts (`host` or `host:port`) and more origins.
    pub(crate) fn new(gateway_url: &str, hosts: &[String], origins: &[String]) -> Self {
        let authority = gateway_url
            .split_once("://")
            .map_or(gateway_url, |(_, authority)| authority)
            .to_ascii_lowercase();
        let mut all: HashSet<String> = hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        let mut pages: HashSet<String> = origins
            .iter()
            .map(|origin| origin.to_ascii_lowercase())
            .collect();
        if let Some((host, port)) = authority.rsplit_once(':')
            && LOOPBACK.contains(&host)
        {
            // One machine, three spellings.
            all.extend(LOOPBACK.map(|host| format!("{host}:{port}")));
            pages.extend(LOOPBACK.map(|host| format!("http://{host}:{port}")));
        }
        all.insert(authority);
        pages.insert(gateway_url.to_ascii_lowercase());
        Self {
            hosts: all,
            origins: pages,
        }
    }

    /// Exactly one host, and one of ours; whatever the request's form, it says the same everywhere.
    pub(crate) fn host(&self, parts: &Parts) -> Result<(), Rejection> {
        let refuse = || {
            Rejection::new(
                StatusCode::MISDIRECTED_REQUEST,
                ErrorType::InvalidRequest,
                "this gateway does not answer for that host (see WARDER_GATEWAY_URL and WARDER_ALLOWED_HOSTS)",
            )
        };
        let mut values = parts.headers.get_all(header::HOST).iter();
        let host = values
            .next()
            .map(HeaderValue::to_str)
            .transpose()
            .map_err(|_| refuse())?;
        if values.next().is_some() {
            return Err(Rejection::invalid("a request has one Host header"));
        }
        let authority = parts.uri.authority().map(Authority::as_str);
        let named = match (host, authority) {
            (Some(host), Some(authority)) if !host.eq_ignore_ascii_case(authority) => {
                return Err(Rejection::invalid(
                    "Host and the request's target name different hosts",
                ));
            }
            (Some(named), _) | (None, Some(named)) => named,
            (None, None) => return Err(Rejection::invalid("a request has one Host header")),
        };
        if self.hosts.contains(named) || self.hosts.contains(&named.to_ascii_lowercase()) {
            Ok(())
        } else {
            Err(refuse())
        }
    }

    /// No origin, or one that is allowed. `null` is nobody's.
    pub(crate) fn origin(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        let mut values = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = values.next() else {
            return Ok(());
        };
        let known = |origin: &str| self.origins.contains(&origin.to_ascii_lowercase());
        let allowed = values.next().is_none() && origin.to_str().is_ok_and(known);
        if allowed {
            Ok(())
        } else {
            Err(Rejection::new(
                StatusCode::FORBIDDEN,
                ErrorType::Forbidden,
                "pages of this origin may not use the gateway (see WARDER_ALLOWED_ORIGINS)",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn host(gate: &Gate, target: &str, hosts: &[&str]) -> Result<(), StatusCode> {
        let mut request = Request::builder().uri(target);
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        gate.host(&request.body(()).expect("a request").into_parts().0)
            .map_err(|rejection| rejection.status())
    }

    #[test]
    fn t21_a_request_names_one_host_and_it_is_ours() {
        let gate = Gate::new("https://gw.example", &["gw.internal:7090".into()], &[]);
        assert_eq!(host(&gate, "/mcp", &["gw.example"]), Ok(()));
        assert_eq!(host(&gate, "/mcp", &["GW.Example"]), Ok(()));
        assert_eq!(host(&gate, "/mcp", &["gw.internal:7090"]), Ok(()));
        assert_eq!(host(&gate, "https://gw.example/mcp", &[]), Ok(()));
        assert_eq!(
            host(&gate, "https://gw.example/mcp", &["gw.example"]),
            Ok(())
        );
        for hosts in [
            &[][..],
            &["gw.example", "gw.example"],
            &["gw.example", "evil.example"],
        ] {
            assert_eq!(
                host(&gate, "/mcp", hosts),
                Err(StatusCode::BAD_REQUEST),
                "{hosts:?}"
            );
        }
        assert_eq!(
            host(&gate, "https://gw.example/mcp", &["evil.example"]),
            Err(StatusCode::BAD_REQUEST)
        );
        for name in [
            "evil.example",
            "gw.example:80",
            "gw.example.",
            "gw.example@evil",
            "",
            " ",
            "gw.example,evil",
            "127.0.0.1",
            "gw.internal",
        ] {
            assert_eq!(
                host(&gate, "/mcp", &[name]),
                Err(StatusCode::MISDIRECTED_REQUEST),
                "{name}"
            );
        }
    }

    fn origin(gate: &Gate, origins: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for origin in origins {
            headers.append(
                header::ORIGIN,
                HeaderValue::from_bytes(origin.as_bytes()).expect("a value"),
            );
        }
        gate.origin(&headers).is_ok()
    }

    #[test]
    fn t68_pages_of_other_origins_are_refused() {
        let gate = Gate::new("https://gw.example", &[], &["https://app.example".into()]);
        assert!(
            origin(&gate, &[])
                && origin(&gate, &["https://gw.example"])
                && origin(&gate, &["https://app.example"])
        );
        for refused in [
            "null",
            "",
            "https://evil.example",
            "http://gw.example",
            "https://gw.example.evil",
            "https://gw.example:8443",
            "http://localhost:3000",
            "file://",
        ] {
            assert!(!origin(&gate, &[refused]), "{refused}");
        }
        assert!(!origin(
            &gate,
            &["https://gw.example", "https://gw.example"]
        ));
    }

    #[test]
    fn t68_on_loopback_the_gateway_has_three_names() {
        let gate = Gate::new("http://127.0.0.1:7090", &[], &[]);
        assert!(origin(&gate, &["http://localhost:7090"]) && origin(&gate, &["http://[::1]:7090"]));
        for refused in [
            "http://localhost:6274",
            "http://localhost",
            "http://localhost.evil.example",
            "null",
            "http://localhost:7090@evil",
        ] {
            assert!(!origin(&gate, &[refused]), "{refused}");
        }
        for name in ["127.0.0.1:7090", "localhost:7090", "[::1]:7090"] {
            assert_eq!(host(&gate, "/mcp", &[name]), Ok(()), "{name}");
        }
        assert_eq!(
            host(&gate, "/mcp", &["rebind.example:7090"]),
            Err(StatusCode::MISDIRECTED_REQUEST)
        );
    }
}
