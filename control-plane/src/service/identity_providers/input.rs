//! What an administrator says about an identity provider, and the rules that it has to keep.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Url;
use warder_shared::{
    egress::EgressRules,
    identity_provider::{Algorithm, IdentifyBy, RequiredClaims},
    json::ClaimPath,
};

use super::below;
use crate::{
    domain::{Email, Login, People, ProviderConfiguration, Provisioning, ResolveTo},
    service::{Failure, Violations, servers::check_url, text},
};

/// Most items of any list.
const MAX_ITEMS: usize = 100;

/// Longest text that is compared with a claim or sent to the provider, in bytes.
const MAX_TEXT: usize = 512;

/// Types of JWTs that are no access tokens, whatever else they look like (T4).
const OTHER_TYPES: [&str; 5] = [
    "logout+jwt",
    "secevent+jwt",
    "dpop+jwt",
    "token-introspection+jwt",
    "oauth-authz-req+jwt",
];

/// The wanted state of an identity provider, as entered.
#[derive(Debug)]
pub struct ProviderInput {
    /// Name shown to people; absent: the provider's name.
    pub display_name: Option<String>,
    /// `iss` of its tokens.
    pub issuer: String,
    /// One of them must be in `aud`.
    pub audiences: Vec<String>,
    /// Where its keys are; absent: where its metadata says.
    pub jwks_uri: Option<String>,
    /// Accepted algorithms; absent: [`Algorithm::DEFAULT`].
    pub algorithms: Option<Vec<String>>,
    /// Accepted values of `typ`; absent: `at+jwt`, `JWT`, and none.
    pub token_types: Option<Vec<Option<String>>>,
    /// Path of a claim → the value it must have, or a list of such values.
    pub required_claims: BTreeMap<String, Value>,
    /// Whom its tokens stand for.
    pub resolve_to: ResolveToInput,
    /// Our client there.
    pub login: Option<LoginInput>,
}

/// Whom the tokens stand for, as entered: which fields go together follows from `kind`.
#[derive(Debug, Default)]
pub struct ResolveToInput {
    /// `virtual_account` or `user`.
    pub kind: String,
    /// Path of the claim that is mapped to virtual accounts.
    pub claim: Option<String>,
    /// What a person is known by.
    pub identify_by: Option<IdentifyBy>,
    /// Path of the claim with the address; absent: `email`.
    pub email_claim: Option<String>,
    /// Path of the claim with the groups.
    pub team_claim: Option<String>,
    /// What happens to strangers; absent: they are refused.
    pub provisioning: Option<Provisioning>,
    /// Domains that the provider may speak for.
    pub email_domains: Option<Vec<String>>,
}

/// Our client at an identity provider, as entered.
#[derive(Debug)]
pub struct LoginInput {
    /// Whether people may sign in with it.
    pub enabled: bool,
    /// Its `client_id`.
    pub client_id: String,
    /// Its secret: `None` for a public client, `Some(None)` keeps the stored one.
    pub client_secret: Option<Option<SecretString>>,
    /// What it asks for; absent: `openid email profile`.
    pub scopes: Option<Vec<String>>,
}

/// An input that keeps the rules.
pub(super) struct Checked {
    pub(super) issuer: String,
    /// With an empty display name where none was entered.
    pub(super) configuration: ProviderConfiguration,
    pub(super) client_secret: Option<Option<SecretString>>,
}

impl ProviderInput {
    /// # Errors
    /// [`Failure::Invalid`] with every broken rule.
    pub(super) fn check(self, egress: &EgressRules, own_issuer: &str) -> Result<Checked, Failure> {
        let mut violations = Violations::default();
        let display_name = self.display_name.unwrap_or_default();
        violations.take("/display_name", text::label(&display_name));
        violations.take("/issuer", check_issuer(&self.issuer, egress, own_issuer));
        let jwks_uri = self
            .jwks_uri
            .and_then(|uri| violations.take("/jwks_uri", check_url(&uri, egress)));
        check_texts("/audiences", &self.audiences, &mut violations);
        if self.audiences.is_empty() {
            violations.add("/audiences", "must have at least one audience");
        }
        let algorithms = algorithms(self.algorithms, &mut violations);
        let token_types = token_types(self.token_types, &mut violations);
        let required_claims = required_claims(self.required_claims, &mut violations);
        let resolve_to = self.resolve_to.check(&mut violations);
        let mut client_secret = None;
        let login = self.login.map(|login| {
            let people = !matches!(resolve_to, Some(ResolveTo::VirtualAccount { .. }));
            let (login, secret) = login.check(people, &mut violations);
            client_secret = secret;
            login
        });
        violations.finish()?;
        // Every violation was noted.
        let Some(resolve_to) = resolve_to else {
            return Err(Failure::invalid("/resolve_to", "is not complete"));
        };
        Ok(Checked {
            issuer: self.issuer,
            configuration: ProviderConfiguration {
                display_name,
                audiences: self.audiences,
                jwks_uri,
                algorithms,
                token_types,
                required_claims,
                resolve_to,
                login,
            },
            client_secret,
        })
    }
}

impl ResolveToInput {
    fn check(self, violations: &mut Violations) -> Option<ResolveTo> {
        const POINTER: &str = "/resolve_to";
        let strangers: Vec<&str> = match self.kind.as_str() {
            "virtual_account" => [
                ("identify_by", self.identify_by.is_some()),
                ("email_claim", self.email_claim.is_some()),
                ("team_claim", self.team_claim.is_some()),
                ("provisioning", self.provisioning.is_some()),
                ("email_domains", self.email_domains.is_some()),
            ]
            .into_iter()
            .filter_map(|(field, is_there)| is_there.then_some(field))
            .collect(),
            "user" if self.claim.is_some() => vec!["claim"],
            "user" => Vec::new(),
            _ => {
                violations.add(
                    below(POINTER, "type"),
                    "must be `virtual_account` or `user`",
                );
                return None;
            }
        };
        for field in strangers {
            let detail = format!("does not go with type `{}`", self.kind);
            violations.add(below(POINTER, field), detail);
        }
        let mut path = |field: &str, text: Option<String>| -> Option<ClaimPath> {
            violations.take(below(POINTER, field), ClaimPath::from_str(&text?))
        };
        if self.kind == "virtual_account" {
            let claim = path("claim", Some(self.claim.unwrap_or_default()));
            return claim.map(|claim| ResolveTo::VirtualAccount { claim });
        }
        let email_claim = path(
            "email_claim",
            self.email_claim.or_else(|| Some("email".into())),
        );
        let team_claim = path("team_claim", self.team_claim);
        let Some(identify_by) = self.identify_by else {
            violations.add(
                below(POINTER, "identify_by"),
                "must be `email` or `subject`",
            );
            return None;
        };
        let email_domains = email_domains(
            &below(POINTER, "email_domains"),
            self.email_domains,
            identify_by,
            violations,
        );
        Some(ResolveTo::User(People {
            identify_by,
            email_claim: email_claim?,
            team_claim,
            provisioning: self.provisioning.unwrap_or(Provisioning::InviteOnly),
            email_domains,
        }))
    }
}

impl LoginInput {
    fn check(
        self,
        people: bool,
        violations: &mut Violations,
    ) -> (Login, Option<Option<SecretString>>) {
        const POINTER: &str = "/login";
        if self.enabled && !people {
            violations.add(
                below(POINTER, "enabled"),
                "goes with `resolve_to` of type `user` only: virtual accounts do not sign in",
            );
        }
        let is_plain = |text: &str| {
            (1..=MAX_TEXT).contains(&text.len())
                && text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
        };
        // RFC 6749 appendices A.1 and A.2.
        const PLAIN: &str = "must be 1 to 512 printable ASCII characters";
        if !is_plain(&self.client_id) {
            violations.add(below(POINTER, "client_id"), PLAIN);
        }
        if let Some(Some(secret)) = &self.client_secret
            && !is_plain(secret.expose_secret())
        {
            violations.add(below(POINTER, "client_secret"), PLAIN);
        }
        let scopes = self
            .scopes
            .unwrap_or_else(|| ["openid", "email", "profile"].map(str::to_owned).to_vec());
        let pointer = below(POINTER, "scopes");
        check_texts(&pointer, &scopes, violations);
        for (index, scope) in scopes.iter().enumerate() {
            // RFC 6749 appendix A.4.
            let is_token = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
            if !scope.bytes().all(is_token) {
                violations.add(
                    below(&pointer, index),
                    "is not a scope (RFC 6749 section 3.3)",
                );
            }
        }
        if !scopes.iter().any(|scope| scope == "openid") {
            violations.add(
                pointer,
                "must have `openid`: people sign in with OpenID Connect",
            );
        }
        let login = Login {
            enabled: self.enabled,
            client_id: self.client_id,
            scopes,
        };
        (login, self.client_secret)
    }
}

fn check_issuer(text: &str, egress: &EgressRules, own: &str) -> Result<Url, String> {
    let url = check_url(text, egress)?;
    if url.query().is_some() || text.contains(['?', '#']) {
        return Err("must not have a query (RFC 8414 section 2)".into());
    }
    if url.as_str().trim_end_matches('/') == own.trim_end_matches('/') {
        return Err("is this control plane's own issuer".into());
    }
    Ok(url)
}

fn algorithms(entered: Option<Vec<String>>, violations: &mut Violations) -> Vec<Algorithm> {
    const POINTER: &str = "/algorithms";
    let Some(entered) = entered else {
        return Algorithm::DEFAULT.to_vec();
    };
    if entered.is_empty() {
        violations.add(POINTER, "must have at least one algorithm");
    }
    let read = |(index, name): (usize, &String)| {
        violations.take(below(POINTER, index), Algorithm::from_str(name))
    };
    let mut algorithms: Vec<_> = entered.iter().enumerate().filter_map(read).collect();
    algorithms.sort_unstable();
    algorithms.dedup();
    algorithms
}

fn token_types(
    entered: Option<Vec<Option<String>>>,
    violations: &mut Violations,
) -> Vec<Option<String>> {
    const POINTER: &str = "/token_types";
    let Some(entered) = entered else {
        return vec![Some("at+jwt".into()), Some("JWT".into()), None];
    };
    if entered.is_empty() {
        violations.add(POINTER, "must have at least one type, or `null` for none");
    }
    for (index, name) in entered.iter().enumerate() {
        let Some(name) = name else { continue };
        let is_type =
            (1..=128).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_type {
            violations.add(below(POINTER, index), "is not a value of `typ`");
        } else if OTHER_TYPES.contains(&name.to_ascii_lowercase().as_str()) {
            violations.add(
                below(POINTER, index),
                "is the type of tokens that are no access tokens",
            );
        }
    }
    entered
}

fn required_claims(
    entered: BTreeMap<String, Value>,
    violations: &mut Violations,
) -> RequiredClaims {
    const POINTER: &str = "/required_claims";
    if entered.len() > MAX_ITEMS {
        violations.add(POINTER, format!("must have at most {MAX_ITEMS} claims"));
    }
    let mut required = RequiredClaims::new();
    for (name, value) in entered {
        let pointer = below(POINTER, &name);
        let Some(path) = violations.take(pointer.clone(), ClaimPath::from_str(&name)) else {
            continue;
        };
        let values = match value {
            Value::Array(values) => values,
            one => vec![one],
        };
        let is_value = |value: &Value| match value {
            Value::String(text) => text.len() <= MAX_TEXT && !text.contains('\0'),
            Value::Number(number) => !number.is_f64(),
            other => other.is_boolean(),
        };
        if values.is_empty() || values.len() > MAX_ITEMS || !values.iter().all(is_value) {
            violations.add(
                pointer,
                "must be a text, a whole number, `true` or `false`, or a list of some of them",
            );
        }
        required.insert(path, values);
    }
    required
}

fn email_domains(
    pointer: &str,
    entered: Option<Vec<String>>,
    identify_by: IdentifyBy,
    violations: &mut Violations,
) -> BTreeSet<String> {
    let entered = entered.unwrap_or_default();
    match identify_by {
        IdentifyBy::Email if entered.is_empty() => violations.add(
            pointer,
            "must have the domains whose addresses the provider may speak for",
        ),
        IdentifyBy::Subject if !entered.is_empty() => {
            violations.add(pointer, "goes with `identify_by`: `email` only");
        }
        _ => {}
    }
    if entered.len() > MAX_ITEMS {
        violations.add(pointer, format!("must have at most {MAX_ITEMS} domains"));
    }
    let read = |(index, text): (usize, &String)| {
        violations.take(below(pointer, index), email_domain(text))
    };
    entered.iter().enumerate().filter_map(read).collect()
}

/// The domain as it stands in a stored address.
fn email_domain(text: &str) -> Result<String, &'static str> {
    let email: Option<Email> = format!("x@{text}").parse().ok();
    email
        .filter(|_| !text.contains('*') && !text.starts_with('.') && !text.ends_with('.'))
        .map(|email| email.domain().to_owned())
        .ok_or("must be a domain such as `example.com`, without `@` and `*`")
}

/// Texts that are compared with others exactly.
fn check_texts(pointer: &str, texts: &[String], violations: &mut Violations) {
    if texts.len() > MAX_ITEMS {
        violations.add(pointer, format!("must have at most {MAX_ITEMS} items"));
    }
    for (index, item) in texts.iter().enumerate() {
        if item.is_empty() || item.len() > MAX_TEXT || item.contains(char::is_control) {
            violations.add(
                below(pointer, index),
                "must be 1 to 512 bytes without control characters",
            );
        }
    }
}
