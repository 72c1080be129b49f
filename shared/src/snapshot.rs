//! What the control plane said, compiled for deciding: immutable, replaced as a whole.
//!
//! **Invariant:** a snapshot holds no secret but the keys that seal session ids.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use foldhash::HashMap;
use url::Url;

use crate::{
    egress,
    id::{IdentityProviderId, InvalidId, ServerId, TeamId, TokenId, UserId, VirtualAccountId},
    identity_provider::Provider,
    name::{Name, ServerName},
    policy::{Grant, Role, ServerPolicy, ToolPolicy},
    principal::Subject,
    proto::{self, v1},
    token::KeySet,
};

mod admission;
mod directory;

pub use admission::{Caller, NotAdmitted, NotMapped, Proof, Unmapped, Verified};

use directory::{Directory, Identity};

/// Everything that decides a call.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    servers: HashMap<ServerName, Arc<Server>>,
    server_names: HashMap<ServerId, ServerName>,
    users: HashMap<UserId, User>,
    virtual_accounts: HashMap<VirtualAccountId, ()>,
    revoked: HashMap<TokenId, DateTime<Utc>>,
    keys: Arc<Keys>,
    directory: Arc<Directory>,
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
    /// All of them.
    teams: Arc<[TeamId]>,
    /// Those that somebody put the user in.
    own_teams: Arc<[TeamId]>,
    identities: Arc<[Identity]>,
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
                let id = user.id.parse()?;
                let user = User::compile(user)?;
                self.forget_user(id);
                if !user.identities.is_empty() {
                    self.directory_mut().put_user(id, &user.identities);
                }
                self.users.insert(id, user);
            }
            Change::UserRemoved(id) => self.forget_user(id.parse()?),
            Change::VirtualAccount(account) => {
                let id = account.id.parse()?;
                let mappings = &account.identity_provider_mapping;
                if !mappings.is_empty() || self.directory.maps_to(id) {
                    self.directory_mut().put_account(id, mappings)?;
                }
                self.virtual_accounts.insert(id, ());
            }
            Change::VirtualAccountRemoved(id) => {
                let id = id.parse()?;
                if self.directory.maps_to(id) {
                    self.directory_mut().remove_account(id);
                }
                self.virtual_accounts.remove(&id);
            }
            Change::Team(team) => self
                .directory_mut()
                .put_team(team.id.parse()?, &team.identity_provider_mapping)?,
            Change::TeamRemoved(id) => self.directory_mut().remove_team(id.parse()?),
            Change::IdentityProvider(provider) => {
                self.directory_mut().put_provider(provider.try_into()?);
            }
            Change::IdentityProviderRemoved(id) => {
                self.directory_mut().remove_provider(id.parse()?);
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

    fn directory_mut(&mut self) -> &mut Directory {
        Arc::make_mut(&mut self.directory)
    }

    fn forget_user(&mut self, id: UserId) {
        let known = self.users.remove(&id);
        if let Some(user) = known.filter(|user| !user.identities.is_empty()) {
            self.directory_mut().remove_user(id, &user.identities);
        }
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

    /// The identity provider of this identity.
    #[must_use]
    pub fn identity_provider(&self, id: IdentityProviderId) -> Option<&Arc<Provider>> {
        self.directory.provider(id)
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }
}

impl User {
    fn compile(user: &v1::User) -> Result<Self, InvalidChange> {
        let own_teams: Arc<[TeamId]> = user
            .team_ids
            .iter()
            .map(|id| id.parse())
            .collect::<Result<_, _>>()?;
        let identities: Arc<[Identity]> = user
            .identities
            .iter()
            .map(Identity::read)
            .collect::<Result<_, _>>()?;
        let teams = if identities.is_empty() {
            own_teams.clone()
        } else {
            let mut teams: Vec<_> = own_teams.iter().copied().collect();
            teams.extend(Identity::teams(&identities, None));
            teams.sort_unstable();
            teams.dedup();
            teams.into()
        };
        Ok(Self {
            disabled: user.disabled,
            teams,
            own_teams,
            identities,
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
mod identity_tests;
#[cfg(test)]
mod tests;
