use chrono::DateTime;
use secrecy::ExposeSecret as _;
use uuid::Uuid;
use warder_shared::id::ServerId;
use warder_shared::policy::ToolPolicy;

use super::*;
use crate::domain::{ServerType, Timeouts};

fn map(values: &[(&str, &str)]) -> SecretMap {
    values
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn server(auth: ServerAuth) -> Server {
    Server {
        id: ServerId::from_uuid(Uuid::nil()),
        name: "demo".parse().unwrap(),
        server_type: ServerType::Remote,
        display_name: String::new(),
        description: String::new(),
        url: "https://mcp.example/mcp".parse().unwrap(),
        auth,
        additional_header_names: Vec::new(),
        tool_policy: ToolPolicy::default(),
        prompts_enabled: true,
        resources_enabled: true,
        allow_header_override: true,
        ca_cert: None,
        timeouts: Timeouts::default(),
        revision: 7,
        created_by: None,
        created_at: DateTime::UNIX_EPOCH,
        updated_at: DateTime::UNIX_EPOCH,
    }
}

fn shared(names: &[&str]) -> ServerAuth {
    ServerAuth::SharedHeader {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
    }
}

fn individual(headers: &[(&str, &str)]) -> ServerAuth {
    let headers = headers.iter();
    let headers = headers.map(|(name, text)| ((*name).to_owned(), text.parse().unwrap()));
    ServerAuth::IndividualHeader {
        headers: headers.collect(),
    }
}

/// The auth layer as text, and what is missing.
fn composed(auth: ServerAuth, secrets: Secrets) -> (Vec<String>, Vec<String>) {
    let resolution = compose(&server(auth), &secrets);
    assert_eq!(resolution.origin, "https://mcp.example");
    let headers = resolution.auth.iter();
    let headers = headers.map(|(name, value)| format!("{name}: {}", value.expose_secret()));
    (headers.collect(), resolution.missing)
}

fn secrets(shared: &[(&str, &str)], own: Option<&[(&str, &str)]>) -> Secrets {
    Secrets {
        shared: map(shared),
        additional: SecretMap::new(),
        own: own.map(map),
    }
}

#[test]
fn shared_headers_are_everybodys() {
    let (headers, missing) = composed(shared(&["X-Key"]), secrets(&[("X-Key", "k")], None));
    assert_eq!(
        (headers, missing),
        (vec!["X-Key: k".to_owned()], Vec::new())
    );
}

#[test]
fn an_own_header_replaces_the_shared_one_of_the_same_name() {
    let sealed = [("Authorization", "shared"), ("X-Org", "acme")];
    let secrets = secrets(&sealed, Some(&[("authorization", "own")]));
    let (headers, missing) = composed(shared(&["Authorization", "X-Org"]), secrets);
    assert_eq!(headers, ["X-Org: acme", "authorization: own"]);
    assert!(missing.is_empty());
}

#[test]
fn own_values_go_into_placeholders_and_nowhere_else() {
    let auth = || {
        individual(&[
            ("Authorization", "Basic {{USER}}:{{KEY}}"),
            ("X-Org", "acme"),
        ])
    };
    let both: &[_] = &[("USER", "ada"), ("KEY", "k")];
    let (headers, missing) = composed(auth(), secrets(&[], Some(both)));
    assert_eq!(headers, ["Authorization: Basic ada:k", "X-Org: acme"]);
    assert!(missing.is_empty());

    for (own, names) in [(None, vec!["KEY", "USER"]), (Some(&both[..1]), vec!["KEY"])] {
        let (headers, missing) = composed(auth(), secrets(&[], own));
        assert!(headers.is_empty(), "no half of a credential: {headers:?}");
        assert_eq!(missing, names);
    }
}

#[test]
fn a_template_without_placeholders_is_sent_until_somebody_has_an_own_header() {
    let auth = || individual(&[("X-Key", "public")]);
    assert_eq!(composed(auth(), secrets(&[], None)).0, ["X-Key: public"]);
    let own = secrets(&[], Some(&[("X-Key", "own")]));
    assert_eq!(composed(auth(), own).0, ["X-Key: own"]);
}

#[test]
fn own_headers_are_the_auth_of_a_server_without_any() {
    for auth in [ServerAuth::None, ServerAuth::Forwarding { headers: None }] {
        assert!(composed(auth.clone(), secrets(&[], None)).0.is_empty());
        let own = secrets(&[], Some(&[("X-Key", "own")]));
        assert_eq!(composed(auth, own).0, ["X-Key: own"]);
    }
}
