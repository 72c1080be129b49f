//! What the control plane said, compiled for deciding: immutable, replaced as a whole.
//!
//! **Invariant:** a snapshot holds no secret but the keys that seal session ids.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use foldhash::HashMap;
use url::Url;

use crate::{
    egress,
    id::{InvalidId, ServerId, TeamId, TokenId, UserId, VirtualAccountId},
    name::{Name, ServerName},
    policy::{Grant, Role, ServerPolicy, ToolPolicy},
    principal::{Principal, Subject},
    proto::{self, v1},
    token::{Claims, KeySet},
};

/// Everything that decides a call.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    servers: HashMap<ServerName, Arc<Server>>,
    server_names: HashMap<ServerId, ServerName>,
    users: HashMap<UserId, User>,
    virtual_accounts: HashMap<VirtualAccountId, ()>,
    revoked: HashMap<TokenId, DateTime<Utc>>,
    keys: Arc<Keys>,
}

/// The keys that tokens are verified and session ids are sealed with.
#[derive(Default)]
pub struct Keys {
    /// `iss` of every gateway token.
    pub issuer: String,
    /// `aud` of every gateway token.
    pub audience: String,
    /// The public keys of tokens.
    pub verifying: KeySet,
    /// Id and AES-256 key, newest first.
    pub session: Vec<(String, [u8; 32])>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("verifying", &self.verifying)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone)]
struct User {
    disabled: bool,
    teams: Arc<[TeamId]>,
}

/// A registered MCP server, as far as a call needs it.
#[derive(Debug)]
pub struct Server {
    /// Identity.
    pub id: ServerId,
    /// Name in the path.
    pub name: ServerName,
    /// Name for people.
    pub display_name: String,
    /// Grows with every change of URL, auth or headers.
    pub revision: u64,
    /// Where it is.
    pub uri: http::Uri,
    /// Scheme, host and port of `uri`: the only place that its credentials may go.
    pub origin: String,
    /// Who may do what.
    pub policy: ServerPolicy,
    /// How the gateway authenticates to it.
    pub outbound: Outbound,
    /// Whether prompts pass.
    pub prompts_enabled: bool,
    /// Whether resources pass.
    pub resources_enabled: bool,
    /// Whether callers may send `x-tfy-mcp-headers`.
    pub allow_header_override: bool,
    /// PEM certificates trusted instead of the public roots.
    pub ca_cert: Option<Arc<str>>,
    /// Bounds in time.
    pub timeouts: v1::Timeouts,
}

/// How the gateway authenticates to a server: names only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbound {
    /// Which of the methods of `auth`.
    pub kind: v1::OutboundKind,
    /// Headers that the auth layer sets, in lower case.
    pub header_names: Vec<String>,
    /// Whether stored additional headers exist.
    pub additional_headers: bool,
    /// With [`v1::OutboundKind::Forwarding`]: the only names a client may forward; empty: any.
    pub forwardable: Vec<String>,
}

/// A caller whose token was accepted and who still exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub principal: Principal,
    /// The teams of a user; none for a virtual account.
    pub teams: Arc<[TeamId]>,
}

/// Why a valid token is refused all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// The token was revoked.
    #[error("revoked")]
    Revoked,
    /// Its user was disabled.
    #[error("the user is disabled")]
    Disabled,
    /// Its user or virtual account is not there (any more).
    #[error("the user or virtual account does not exist")]
    Unknown,
}

/// A change cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum InvalidChange {
    /// An identity is not one.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// A name is not one.
    #[error(transparent)]
    Name(#[from] crate::name::InvalidName),
    /// A URL is not one.
    #[error("not a URL")]
    Url(#[from] url::ParseError),
    /// A URL is not one that can be requested.
    #[error("not a URI")]
    Uri(#[from] http::uri::InvalidUri),
    /// A field that must be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
}

impl Snapshot {
    /// The snapshot after these changes; after a reset they are the whole state.
    ///
    /// # Errors
    /// [`InvalidChange`] when one cannot be understood; nothing is applied then.
    pub fn apply(
        &self,
        reset: bool,
        changes: &[v1::Change],
        now: DateTime<Utc>,
    ) -> Result<Self, InvalidChange> {
        let mut next = if reset { Self::default() } else { self.clone() };
        for change in changes.iter().filter_map(|change| change.change.as_ref()) {
            next.apply_one(change)?;
        }
        next.revoked.retain(|_, expires_at| {
            *expires_at + chrono::Duration::seconds(crate::token::LEEWAY_SECONDS) > now
        });
        Ok(next)
    }

    fn apply_one(&mut self, change: &v1::change::Change) -> Result<(), InvalidChange> {
        use v1::change::Change;
        match change {
            Change::Server(server) => {
                let server = Server::compile(server)?;
                self.remove_server(server.id);
                self.server_names.insert(server.id, server.name.clone());
                self.servers.insert(server.name.clone(), Arc::new(server));
            }
            Change::ServerRemoved(id) => self.remove_server(id.parse()?),
            Change::User(user) => {
                let teams = user
                    .team_ids
                    .iter()
                    .map(|id| id.parse())
                    .collect::<Result<_, _>>()?;
                self.users.insert(
                    user.id.parse()?,
                    User {
                        disabled: user.disabled,
                        teams,
                    },
                );
            }
            Change::UserRemoved(id) => {
                self.users.remove(&id.parse()?);
            }
            Change::VirtualAccount(account) => {
                self.virtual_accounts.insert(account.id.parse()?, ());
            }
            Change::VirtualAccountRemoved(id) => {
                self.virtual_accounts.remove(&id.parse()?);
            }
            Change::RevokedToken(token) => {
                let expires_at = token.expires_at.as_ref().and_then(proto::datetime);
                self.revoked.insert(
                    token.jti.parse()?,
                    expires_at.ok_or(InvalidChange::Missing("expires_at"))?,
                );
            }
            Change::Keys(keys) => self.keys = Arc::new(Keys::compile(keys)),
            // An event for the credential cache; it changes nothing here.
            Change::CredentialChanged(_) => {}
        }
        Ok(())
    }

    fn remove_server(&mut self, id: ServerId) {
        if let Some(name) = self.server_names.remove(&id) {
            self.servers.remove(&name);
        }
    }

    /// The server of this name.
    #[must_use]
    pub fn server(&self, name: &str) -> Option<&Arc<Server>> {
        self.servers.get(name)
    }

    /// The server of this identity.
    #[must_use]
    pub fn server_by_id(&self, id: ServerId) -> Option<&Arc<Server>> {
        self.servers.get(self.server_names.get(&id)?.as_str())
    }

    /// Every server.
    pub fn servers(&self) -> impl Iterator<Item = &Arc<Server>> {
        self.servers.values()
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    /// Whether the holder of a verified token is (still) welcome (T10).
    ///
    /// # Errors
    /// [`NotAdmitted`] with the reason.
    pub fn admit(&self, claims: &Claims) -> Result<Caller, NotAdmitted> {
        if self.revoked.contains_key(&claims.jti) {
            return Err(NotAdmitted::Revoked);
        }
        let teams = match claims.sub {
            Principal::User(id) => match self.users.get(&id) {
                None => return Err(NotAdmitted::Unknown),
                Some(user) if user.disabled => return Err(NotAdmitted::Disabled),
                Some(user) => user.teams.clone(),
            },
            Principal::VirtualAccount(id) if self.virtual_accounts.contains_key(&id) => {
                Arc::default()
            }
            Principal::VirtualAccount(_) => return Err(NotAdmitted::Unknown),
        };
        Ok(Caller {
            principal: claims.sub,
            teams,
        })
    }
}

impl Keys {
    fn compile(keys: &v1::KeySet) -> Self {
        let verifying = keys
            .verifying_keys
            .iter()
            .map(|key| (key.kid.as_str(), key.ed25519.as_slice()));
        let session = keys
            .session_keys
            .iter()
            .filter_map(|key| Some((key.id.clone(), key.key.as_slice().try_into().ok()?)));
        Self {
            issuer: keys.issuer.clone(),
            audience: keys.audience.clone(),
            verifying: KeySet::from_ed25519(verifying),
            session: session.collect(),
        }
    }
}

impl Server {
    fn compile(server: &v1::Server) -> Result<Self, InvalidChange> {
        let url = Url::parse(&server.url)?;
        let grants = server
            .grants
            .iter()
            .map(grant)
            .collect::<Result<Vec<_>, _>>()?;
        let policy = server
            .tool_policy
            .as_ref()
            .ok_or(InvalidChange::Missing("tool_policy"))?;
        let policy = ToolPolicy {
            enabled_by_default: policy.enabled_by_default,
            enabled: policy.enabled.clone(),
            disabled: policy.disabled.clone(),
        };
        let outbound = server
            .outbound
            .as_ref()
            .ok_or(InvalidChange::Missing("outbound"))?;
        Ok(Self {
            id: server.id.parse()?,
            name: server.name.parse::<Name>()?,
            display_name: server.display_name.clone(),
            revision: server.revision,
            origin: egress::origin(&url),
            uri: url.as_str().parse()?,
            policy: ServerPolicy::compile(&policy, &grants),
            outbound: Outbound {
                kind: outbound.kind(),
                header_names: outbound
                    .header_names
                    .iter()
                    .map(|name| name.to_ascii_lowercase())
                    .collect(),
                additional_headers: outbound.additional_headers,
                forwardable: outbound
                    .forwardable
                    .iter()
                    .map(|name| name.to_ascii_lowercase())
                    .collect(),
            },
            prompts_enabled: server.prompts_enabled,
            resources_enabled: server.resources_enabled,
            allow_header_override: server.allow_header_override,
            ca_cert: (!server.ca_cert.is_empty()).then(|| server.ca_cert.as_str().into()),
            timeouts: server.timeouts.unwrap_or_default(),
        })
    }
}

fn grant(grant: &v1::Grant) -> Result<Grant, InvalidChange> {
    use v1::subject::Subject as Wire;
    let subject = grant
        .subject
        .as_ref()
        .and_then(|subject| subject.subject.as_ref())
        .ok_or(InvalidChange::Missing("subject"))?;
    let subject = match subject {
        Wire::User(id) => Subject::User(id.parse()?),
        Wire::Team(id) => Subject::Team(id.parse()?),
        Wire::VirtualAccount(id) => Subject::VirtualAccount(id.parse()?),
        Wire::Everyone(_) => Subject::Everyone,
    };
    let role = match grant.role() {
        v1::Role::Manager => Role::Manager,
        v1::Role::User => Role::User,
        v1::Role::Unspecified => return Err(InvalidChange::Missing("role")),
    };
    Ok(Grant {
        subject,
        role,
        tools: grant.tools.as_ref().map(|tools| tools.patterns.clone()),
        deny_tools: grant.deny_tools.clone(),
    })
}

#[cfg(test)]
mod tests;
