//! What a manager says about a server, and the rules that it has to keep.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use secrecy::{ExposeSecret as _, SecretString};
use url::{Host, Url};
use warder_shared::{
    egress::{Connector, EgressRules},
    headers,
    policy::{ToolPolicy, is_pattern},
};

use crate::{
    domain::{HeaderTemplate, SecretMap, ServerAuth, Timeouts},
    service::{Failure, Violations, collaborators::CollaboratorInput, pointer_step, text},
};

/// Longest URL, in bytes.
const MAX_URL: usize = 2048;

/// Most headers that one server's `auth` or `additional_headers` may have.
const MAX_HEADERS: usize = 32;

/// Longest timeouts, in milliseconds.
const MAX_CONNECT_MS: u32 = 60_000;
const MAX_RESPONSE_MS: u32 = 3_600_000;
const MAX_IDLE_MS: u32 = 86_400_000;

/// Header name → value; `None` keeps the stored value.
pub type HeaderValues = BTreeMap<String, Option<SecretString>>;

/// The wanted state of a server, as entered.
#[derive(Debug)]
pub struct ServerInput {
    /// Name shown to people; absent: the server's name.
    pub display_name: Option<String>,
    /// What it is for.
    pub description: String,
    /// Where it is.
    pub url: String,
    /// How the gateway authenticates to it.
    pub auth: AuthInput,
    /// Headers sent whatever the auth is.
    pub additional_headers: HeaderValues,
    /// Which tools are callable at all.
    pub tool_policy: ToolPolicy,
    /// Who may use or manage it; absent: unchanged, and for a new server its creator manages it.
    pub collaborators: Option<Vec<CollaboratorInput>>,
    /// PEM certificates trusted instead of the public roots.
    pub ca_cert: Option<String>,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// Whether callers may send `x-tfy-mcp-headers`.
    pub allow_header_override: bool,
    /// Whether its prompts are reachable.
    pub prompts_enabled: bool,
    /// Whether its resources are reachable.
    pub resources_enabled: bool,
}

/// `auth`, as entered.
#[derive(Debug)]
pub enum AuthInput {
    /// OUT-1.
    None,
    /// OUT-2.
    SharedHeader(HeaderValues),
    /// OUT-3: header name → template.
    IndividualHeader(BTreeMap<String, String>),
    /// OUT-7: the only names that clients may forward; absent: any permitted name.
    Forwarding(Option<Vec<String>>),
}

/// Header values as entered, their names checked: those to store, and those to keep.
#[derive(Debug, Default)]
pub(super) struct Entered {
    pub(super) values: SecretMap,
    pub(super) kept: Vec<String>,
}

impl Entered {
    /// Every name, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        let names: BTreeSet<String> = self
            .values
            .names()
            .into_iter()
            .chain(self.kept.iter().cloned())
            .collect();
        names.into_iter().collect()
    }
}

/// The wanted state of a server, its rules checked as far as they need no database.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) display_name: Option<String>,
    pub(super) description: String,
    pub(super) url: Url,
    pub(super) auth: ServerAuth,
    pub(super) auth_values: Entered,
    pub(super) additional_headers: Entered,
    pub(super) tool_policy: ToolPolicy,
    pub(super) collaborators: Option<Vec<CollaboratorInput>>,
    pub(super) ca_cert: Option<String>,
    pub(super) timeouts: Timeouts,
    pub(super) allow_header_override: bool,
    pub(super) prompts_enabled: bool,
    pub(super) resources_enabled: bool,
}

impl ServerInput {
    /// Checks everything that can be checked without the database, and reports all of it at once.
    pub(super) fn check(self, egress: &EgressRules) -> Result<Checked, Failure> {
        let mut violations = Violations::default();
        if let Some(name) = &self.display_name {
            violations.take("/display_name", text::label(name));
        }
        violations.take("/description", text::prose(&self.description));
        let url = violations.take("/url", check_url(&self.url, egress));
        let (auth, auth_values) = check_auth(self.auth, &mut violations);
        let additional_headers = check_values(
            "/additional_headers",
            self.additional_headers,
            &mut violations,
        );
        check_patterns(
            "/tool_policy/enabled",
            &self.tool_policy.enabled,
            &mut violations,
        );
        check_patterns(
            "/tool_policy/disabled",
            &self.tool_policy.disabled,
            &mut violations,
        );
        if let Some(pem) = &self.ca_cert {
            let connector = Connector::new(egress.clone(), Some(pem), Duration::from_secs(1));
            violations.take("/tls/ca_cert", connector.map(drop));
        }
        check_timeouts(&self.timeouts, &mut violations);
        violations.finish()?;
        // A missing URL is a violation, so that this is never reached without one.
        let url = url.ok_or_else(|| Failure::invalid("/url", "is required"))?;
        Ok(Checked {
            display_name: self.display_name,
            description: self.description,
            url,
            auth,
            auth_values,
            additional_headers,
            tool_policy: self.tool_policy,
            collaborators: self.collaborators,
            ca_cert: self.ca_cert,
            timeouts: self.timeouts,
            allow_header_override: self.allow_header_override,
            prompts_enabled: self.prompts_enabled,
            resources_enabled: self.resources_enabled,
        })
    }
}

/// Tool patterns of any list.
pub(crate) fn check_patterns(pointer: &str, patterns: &[String], violations: &mut Violations) {
    for (index, pattern) in patterns.iter().enumerate() {
        if !is_pattern(pattern) {
            violations.add(
                format!("{pointer}/{index}"),
                "must be 1 to 128 characters of A-Z, a-z, 0-9, '_', '.', '-' and '*'",
            );
        }
    }
}

/// A URL that the gateway may dial, as far as that can be told from the URL alone.
pub(crate) fn check_url(text: &str, egress: &EgressRules) -> Result<Url, String> {
    if text.len() > MAX_URL {
        return Err(format!("must be at most {MAX_URL} bytes"));
    }
    let url = Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
    let tls = match url.scheme() {
        "https" => true,
        "http" => false,
        _ => return Err("must begin with http:// or https://".into()),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user name or password".into());
    }
    if url.fragment().is_some() {
        return Err("must not have a fragment".into());
    }
    let address = match url.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        Some(Host::Domain(name)) => is_localhost(name).then_some(IpAddr::from([127, 0, 0, 1])),
        None => return Err("must name a host".into()),
    };
    // Other names are checked where they are dialed, every time: what they resolve to may change.
    if address.is_some_and(|address| !egress.permits(address, tls)) {
        return Err(
            "is an address that the gateway may not dial; an operator can allow its network \
                    with WARDER_EGRESS_ALLOW"
                .into(),
        );
    }
    Ok(url)
}

fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

fn check_auth(auth: AuthInput, violations: &mut Violations) -> (ServerAuth, Entered) {
    const POINTER: &str = "/auth/headers";
    match auth {
        AuthInput::None => (ServerAuth::None, Entered::default()),
        AuthInput::SharedHeader(headers) => {
            if headers.is_empty() {
                violations.add(POINTER, "must have at least one header");
            }
            let entered = check_values(POINTER, headers, violations);
            (
                ServerAuth::SharedHeader {
                    names: entered.names(),
                },
                entered,
            )
        }
        AuthInput::IndividualHeader(headers) => {
            if headers.is_empty() {
                violations.add(POINTER, "must have at least one header");
            }
            check_count(POINTER, headers.len(), violations);
            let mut templates = BTreeMap::new();
            for (name, text) in headers {
                let pointer = format!("{POINTER}/{}", pointer_step(&name));
                let template = violations.take(&pointer, check_template(&name, &text));
                templates.extend(template.map(|template| (name, template)));
            }
            (
                ServerAuth::IndividualHeader { headers: templates },
                Entered::default(),
            )
        }
        AuthInput::Forwarding(headers) => {
            for (index, name) in headers.iter().flatten().enumerate() {
                violations.take(format!("{POINTER}/{index}"), headers::parse_name(name));
            }
            (ServerAuth::Forwarding { headers }, Entered::default())
        }
    }
}

fn check_template(name: &str, text: &str) -> Result<HeaderTemplate, String> {
    let header = headers::parse_name(name).map_err(|error| error.to_string())?;
    let template: HeaderTemplate = text
        .parse()
        .map_err(|error: crate::domain::header_template::InvalidTemplate| error.to_string())?;
    let sample: SecretMap = template
        .placeholders()
        .into_iter()
        .map(|name| (name.to_owned(), "x".to_owned()))
        .collect();
    let rendered = template
        .render(&sample)
        .ok_or("has a placeholder without a name")?;
    headers::parse_value(&header, rendered.expose_secret()).map_err(|error| error.to_string())?;
    Ok(template)
}

fn check_values(pointer: &str, headers: HeaderValues, violations: &mut Violations) -> Entered {
    check_count(pointer, headers.len(), violations);
    let mut entered = Entered::default();
    for (name, value) in headers {
        let pointer = format!("{pointer}/{}", pointer_step(&name));
        let Some(header) = violations.take(&pointer, headers::parse_name(&name)) else {
            continue;
        };
        match value {
            None => entered.kept.push(name),
            Some(value) => {
                if violations
                    .take(
                        &pointer,
                        headers::parse_value(&header, value.expose_secret()),
                    )
                    .is_some()
                {
                    entered.values.insert(name, value);
                }
            }
        }
    }
    entered
}

fn check_count(pointer: &str, count: usize, violations: &mut Violations) {
    if count > MAX_HEADERS {
        violations.add(pointer, format!("must have at most {MAX_HEADERS} headers"));
    }
}

fn check_timeouts(timeouts: &Timeouts, violations: &mut Violations) {
    let limits = [
        ("connect_ms", timeouts.connect_ms, MAX_CONNECT_MS),
        ("response_ms", timeouts.response_ms, MAX_RESPONSE_MS),
        ("idle_ms", timeouts.idle_ms, MAX_IDLE_MS),
    ];
    for (field, value, limit) in limits {
        if value.is_some_and(|value| !(1..=limit).contains(&value)) {
            violations.add(
                format!("/timeouts/{field}"),
                format!("must be 1 to {limit}"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t50_the_url_of_a_server_is_one_that_may_be_dialed() {
        let egress = EgressRules::default();
        let refused = [
            "",
            "mcp.example.com",
            "ftp://mcp.example.com",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "https://",
            "https://user@mcp.example.com",
            "https://:secret@mcp.example.com",
            "https://mcp.example.com/#a",
            "https://127.0.0.1/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://localhost/",
            "https://a.localhost./",
            "https://10.1.2.3/",
            "https://169.254.169.254/latest",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://192.168.0.1:8443/",
            "http://1.1.1.1/",
        ];
        for url in refused {
            assert!(check_url(url, &egress).is_err(), "{url}");
        }
        for url in [
            "https://mcp.example.com/mcp?a=b",
            "http://mcp.example.com:8080",
            "https://1.1.1.1/",
            "https://[2606:4700::1111]/",
        ] {
            assert!(check_url(url, &egress).is_ok(), "{url}");
        }
        let loopback = EgressRules::new(["127.0.0.0/8".parse().unwrap()]);
        for url in ["http://127.0.0.1:9000/mcp", "http://localhost:9000/mcp"] {
            assert!(check_url(url, &loopback).is_ok(), "{url}");
        }
    }
}
