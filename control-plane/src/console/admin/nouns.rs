//! What there is to look after, as a table.

use serde_json::Value;

/// A noun of the API.
#[derive(Debug)]
pub(super) struct Noun {
    /// Path below `/admin/`.
    pub(super) path: &'static str,
    /// Link of the navigation that it belongs to.
    pub(super) section: &'static str,
    /// Path of its list in the API.
    pub(super) api: &'static str,
    /// Field that names one of them.
    pub(super) key: &'static str,
    /// Many of them, in words.
    pub(super) many: &'static str,
    /// One of them, in words.
    pub(super) one: &'static str,
    /// Columns of the list: heading and JSON pointer.
    pub(super) columns: &'static [(&'static str, &'static str)],
    /// Fields that one can change, in the order in which they are shown.
    pub(super) fields: &'static [&'static str],
    /// What a new one may look like.
    pub(super) example: &'static str,
    /// Whether it is made with POST and changed with PATCH, instead of PUT for both.
    pub(super) is_patched: bool,
    /// Whether it has tokens.
    pub(super) has_tokens: bool,
    /// Whether a token can be tried on it.
    pub(super) has_test: bool,
}

/// Every noun.
const NOUNS: &[Noun] = &[
    Noun {
        path: "servers",
        section: "/admin/servers",
        api: "/api/v1/mcp-servers",
        key: "name",
        many: "Servers",
        one: "server",
        columns: &[
            ("Shown as", "/display_name"),
            ("URL", "/url"),
            ("Auth", "/auth/type"),
        ],
        fields: &[
            "type",
            "display_name",
            "description",
            "url",
            "servers",
            "best_effort",
            "prefix",
            "auth",
            "additional_headers",
            "allow_header_override",
            "tool_policy",
            "prompts_enabled",
            "resources_enabled",
            "collaborators",
            "tls",
            "timeouts",
        ],
        example: r#"{
  "type": "remote",
  "display_name": "",
  "description": "",
  "url": "https://mcp.example.com/mcp",
  "auth": { "type": "none" },
  "collaborators": [
    { "subject": "team:everyone", "role": "mcp-server-user" }
  ]
}"#,
        is_patched: false,
        has_tokens: false,
        has_test: false,
    },
    Noun {
        path: "users",
        section: "/admin/users",
        api: "/api/v1/users",
        key: "email",
        many: "Users",
        one: "user",
        columns: &[
            ("Name", "/name"),
            ("Roles", "/roles"),
            ("Status", "/status"),
        ],
        fields: &["name", "roles", "status"],
        example: r#"{
  "name": "",
  "roles": ["member"]
}"#,
        is_patched: true,
        has_tokens: true,
        has_test: false,
    },
    Noun {
        path: "teams",
        section: "/admin/teams",
        api: "/api/v1/teams",
        key: "name",
        many: "Teams",
        one: "team",
        columns: &[("Shown as", "/display_name"), ("Members", "/members")],
        fields: &["display_name", "members", "identity_provider_mapping"],
        example: r#"{
  "display_name": "",
  "members": []
}"#,
        is_patched: false,
        has_tokens: false,
        has_test: false,
    },
    Noun {
        path: "virtual-accounts",
        section: "/admin/virtual-accounts",
        api: "/api/v1/virtual-accounts",
        key: "name",
        many: "Virtual accounts",
        one: "virtual account",
        columns: &[("Description", "/description")],
        fields: &["description", "permissions", "identity_provider_mapping"],
        example: r#"{
  "description": "",
  "permissions": []
}"#,
        is_patched: false,
        has_tokens: true,
        has_test: false,
    },
    Noun {
        path: "identity-providers",
        section: "/admin/identity-providers",
        api: "/api/v1/identity-providers",
        key: "name",
        many: "Identity providers",
        one: "identity provider",
        columns: &[
            ("Shown as", "/display_name"),
            ("Issuer", "/issuer"),
            ("Keys", "/keys/count"),
            ("Trouble", "/keys/error"),
        ],
        fields: &[
            "display_name",
            "issuer",
            "audiences",
            "jwks_uri",
            "algorithms",
            "token_types",
            "required_claims",
            "resolve_to",
            "login",
        ],
        example: r#"{
  "issuer": "https://login.example.com",
  "audiences": ["warder"],
  "resolve_to": {
    "type": "user",
    "identify_by": "email",
    "email_domains": ["example.com"],
    "provisioning": "jit"
  },
  "login": { "enabled": true, "client_id": "", "client_secret": "" }
}"#,
        is_patched: false,
        has_tokens: false,
        has_test: true,
    },
];

impl Noun {
    /// The noun at a path below `/admin/`.
    pub(super) fn at(path: &str) -> Option<&'static Self> {
        NOUNS.iter().find(|noun| noun.path == path)
    }

    /// Where one of them is in the API.
    pub(super) fn api_path(&self, key: &str) -> String {
        format!("{}/{}", self.api, encoded(key))
    }

    /// Where the page of one of them is.
    pub(super) fn page_path(&self, key: &str) -> String {
        format!("/admin/{}/{}", self.path, encoded(key))
    }

    /// Where the tokens of one of them are in the API, with whatever makes them theirs.
    pub(super) fn tokens_path(&self, key: &str) -> String {
        match self.path {
            "users" => format!("/api/v1/personal-access-tokens?user={}", encoded(key)),
            _ => format!("{}/tokens", self.api_path(key)),
        }
    }

    /// The manifest of one of them: the fields that one can change, as text.
    pub(super) fn manifest(&self, state: &Value) -> String {
        let fields = self.fields.iter().filter_map(|field| {
            let value = state.get(field).filter(|value| !value.is_null())?;
            Some(format!(
                "  \"{field}\": {}",
                format!("{value:#}").replace('\n', "\n  ")
            ))
        });
        format!("{{\n{}\n}}", fields.collect::<Vec<_>>().join(",\n"))
    }
}

/// A text as one step of a path, or as the value of a parameter. Keys have no spaces.
pub(super) fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// What stands at a pointer, in one line.
pub(super) fn cell(state: &Value, pointer: &str) -> String {
    match state.pointer(pointer) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            let items: Vec<_> = items.iter().map(|item| cell(item, "")).collect();
            items.join(", ")
        }
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_manifest_has_the_fields_that_one_can_change() {
        let team = Noun::at("teams").unwrap();
        let state =
            json!({"id": 1, "name": "dev", "members": ["a@b", "c@d"], "display_name": "Dev"});
        let text = team.manifest(&state);
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            read,
            json!({"display_name": "Dev", "members": ["a@b", "c@d"]})
        );
        assert!(text.starts_with("{\n  \"display_name\""), "{text}");
        assert_eq!(cell(&state, "/members"), "a@b, c@d");
        assert_eq!(team.page_path("a/../b?c"), "/admin/teams/a%2F..%2Fb%3Fc");
    }

    #[test]
    fn every_example_can_be_read() {
        for noun in NOUNS {
            let example: Value = serde_json::from_str(noun.example).unwrap();
            let fields = example.as_object().unwrap();
            assert!(
                fields
                    .keys()
                    .all(|field| noun.fields.contains(&field.as_str()))
            );
        }
    }
}
