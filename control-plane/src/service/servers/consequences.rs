//! What a change of a server would delete.

use std::collections::BTreeSet;

use warder_shared::principal::Principal;

use super::{Current, secrets::Secrets};
use crate::{
    domain::{AuthOverride, OverrideKeys, PageRequest, Server},
    service::{Consequences, Failure, LostOverride, subjects::PrincipalName},
    store::{Tx, auth_overrides},
};

/// How many overrides are looked at in one statement.
const BATCH: u32 = 500;

/// What a change deletes, for the caller to read and for the database to do.
#[derive(Debug, Default)]
pub(super) struct Lost {
    pub(super) listed: Consequences,
    pub(super) overrides: Vec<Principal>,
}

/// Shared header values whose header is gone, and auth overrides that no longer fit.
pub(super) async fn of(
    tx: &mut Tx,
    current: &Current,
    server: &Server,
    secrets: &Secrets,
) -> Result<Lost, Failure> {
    let mut lost = Lost::default();
    let remaining = secrets.auth.names();
    lost.listed.headers = current.secrets.auth.names();
    lost.listed.headers.retain(|name| {
        !remaining
            .iter()
            .any(|other| other.eq_ignore_ascii_case(name))
    });

    let fit = Fit::between(&current.server, server);
    let mut request = PageRequest::first(BATCH);
    loop {
        let page = auth_overrides::list_of_server(&mut *tx, server.id, &request).await?;
        for item in page.items.iter().filter(|item| !fit.keeps(item)) {
            lost.overrides.push(item.subject);
            if let Some(subject) = PrincipalName::of(tx, item.subject).await? {
                let names = item.hints.keys().cloned().collect();
                lost.listed.auth_overrides.push(LostOverride {
                    subject: subject.to_string(),
                    names,
                });
            }
        }
        let Some(next) = page.next else {
            return Ok(lost);
        };
        request.after = Some(next);
    }
}

/// Which overrides survive a change.
struct Fit {
    origin: String,
    /// Names that an override may have; none: any.
    allowed: Option<BTreeSet<String>>,
    /// Whether an override needs all of them.
    all: bool,
    /// Whether names meant the same kind of thing before.
    same_kind: bool,
}

impl Fit {
    fn between(before: &Server, after: &Server) -> Self {
        let (old, new) = (before.auth.override_keys(), after.auth.override_keys());
        let placeholders = |keys: &OverrideKeys| matches!(keys, OverrideKeys::Placeholders(_));
        let same_kind = placeholders(&old) == placeholders(&new);
        let (allowed, all) = match new {
            OverrideKeys::Placeholders(names) => (Some(names), true),
            OverrideKeys::Headers(names) => (Some(names), false),
            OverrideKeys::AnyHeader => (None, false),
        };
        Self {
            origin: after.origin(),
            allowed,
            all,
            same_kind,
        }
    }

    fn keeps(&self, item: &AuthOverride) -> bool {
        let names: BTreeSet<String> = item.hints.keys().cloned().collect();
        let fits = match &self.allowed {
            None => true,
            Some(allowed) if self.all => names == *allowed,
            Some(allowed) => names.is_subset(allowed),
        };
        item.origin == self.origin && self.same_kind && fits
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::DateTime;
    use uuid::Uuid;
    use warder_shared::{
        id::{OverrideId, ServerId, UserId},
        policy::ToolPolicy,
    };

    use super::*;
    use crate::domain::{ServerAuth, ServerType, Timeouts};

    fn server(url: &str, auth: ServerAuth) -> Server {
        Server {
            id: ServerId::from_uuid(Uuid::nil()),
            name: "demo".parse().unwrap(),
            server_type: ServerType::Remote,
            display_name: String::new(),
            description: String::new(),
            url: url.parse().unwrap(),
            auth,
            additional_header_names: Vec::new(),
            tool_policy: ToolPolicy::default(),
            prompts_enabled: true,
            resources_enabled: true,
            allow_header_override: true,
            ca_cert: None,
            timeouts: Timeouts::default(),
            revision: 1,
            created_by: None,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
        }
    }

    fn individual(template: &str) -> ServerAuth {
        ServerAuth::IndividualHeader {
            headers: BTreeMap::from([("Authorization".into(), template.parse().unwrap())]),
        }
    }

    fn keeps(before: &Server, after: &Server, name: &str) -> bool {
        let item = AuthOverride {
            id: OverrideId::from_uuid(Uuid::nil()),
            server_id: before.id,
            subject: Principal::User(UserId::from_uuid(Uuid::nil())),
            hints: BTreeMap::from([(name.to_owned(), String::new())]),
            origin: before.origin(),
            revision: 1,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
        };
        Fit::between(before, after).keeps(&item)
    }

    #[test]
    fn t29_an_override_survives_only_where_it_still_fits() {
        const HERE: &str = "https://mcp.example.com/mcp";
        let shared = || ServerAuth::SharedHeader {
            names: vec!["Authorization".into()],
        };
        let templated = server(HERE, individual("Bearer {{KEY}}"));
        let cases = [
            (
                "another path",
                &templated,
                server("https://mcp.example.com/v2", individual("Bearer {{KEY}}")),
                "KEY",
                true,
            ),
            (
                "another text around it",
                &templated,
                server(HERE, individual("Token {{KEY}}")),
                "KEY",
                true,
            ),
            (
                "another host",
                &templated,
                server("https://evil.example.com/mcp", individual("Bearer {{KEY}}")),
                "KEY",
                false,
            ),
            (
                "another port",
                &templated,
                server(
                    "https://mcp.example.com:8443/mcp",
                    individual("Bearer {{KEY}}"),
                ),
                "KEY",
                false,
            ),
            (
                "another scheme",
                &templated,
                server("http://mcp.example.com/mcp", individual("Bearer {{KEY}}")),
                "KEY",
                false,
            ),
            (
                "another placeholder",
                &templated,
                server(HERE, individual("Bearer {{TOKEN}}")),
                "KEY",
                false,
            ),
            (
                "one more placeholder",
                &templated,
                server(HERE, individual("{{A}} {{KEY}}")),
                "KEY",
                false,
            ),
            (
                "shared headers",
                &templated,
                server(HERE, shared()),
                "KEY",
                false,
            ),
            (
                "no auth",
                &templated,
                server(HERE, ServerAuth::None),
                "KEY",
                false,
            ),
            (
                "whole header to no auth",
                &server(HERE, shared()),
                server(HERE, ServerAuth::None),
                "Authorization",
                true,
            ),
            (
                "whole header to placeholder",
                &server(HERE, shared()),
                server(HERE, individual("{{Authorization}}")),
                "Authorization",
                false,
            ),
        ];
        for (case, before, after, name, kept) in cases {
            assert_eq!(keeps(before, &after, name), kept, "{case}");
        }
    }
}
