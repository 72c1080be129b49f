//! Why may someone do something, or not? The same policy code answers as in the data plane.

use serde::Serialize;
use utoipa::ToSchema;
use warder_shared::{
    id::TeamId,
    name::{Name, ServerName},
    policy::{Grant, Refusal, Role, ServerPolicy},
    principal::{Principal, Subject},
};

use crate::{
    authorize::{Explained, Permit},
    domain::{ServerAuth, Team},
    service::{
        Failure, Services,
        collaborators::CollaboratorView,
        connections::required_values,
        subjects::{PrincipalName, SubjectName},
        words,
    },
    store::{Tx, auth_overrides, teams, users},
};

/// What the gateway would decide, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Explanation {
    /// Whom it is about.
    #[schema(value_type = String)]
    pub subject: PrincipalName,
    /// Name of the server.
    #[schema(value_type = String)]
    pub server: ServerName,
    /// Name of the tool; absent: the server as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Whether the call would be allowed.
    pub decision: ExplainedDecision,
    /// The rule that decides.
    pub rule: Rule,
    /// The rule in words.
    pub reason: String,
    /// How the subject is known.
    pub identity: IdentityView,
    /// The highest role of the entries that name the subject; `null`: none does.
    #[schema(value_type = Option<words::ServerRole>)]
    pub role: Option<Role>,
    /// The collaborator entries that name the subject.
    pub entries: Vec<CollaboratorView>,
    /// The credential that would be sent to the server.
    pub credential: CredentialView,
}

/// Whether a call would be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExplainedDecision {
    /// It would.
    Allowed,
    /// It would not.
    Denied,
}

/// The rule that decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The user is disabled.
    SubjectDisabled,
    /// No collaborator entry names the subject: to them the server does not exist.
    NoEntry,
    /// The tool's name is not one that MCP recommends.
    InvalidName,
    /// The server's `tool_policy.disabled` names the tool.
    ServerDisabled,
    /// The server's `tool_policy` does not enable the tool.
    ServerNotEnabled,
    /// A collaborator entry's `deny_tools` names the tool.
    Denied,
    /// No collaborator entry's `tools` names the tool.
    NotGranted,
    /// A collaborator entry allows it.
    Granted,
}

/// How a subject is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct IdentityView {
    /// `user:<id>` or `virtual-account:<id>`: the `sub` claim of their tokens.
    pub principal: String,
    /// Whether their tokens are accepted at all.
    pub active: bool,
    /// Their teams, as far as the caller may hear of them: any for administrators; for others their own and those
    /// that the server's collaborators name.
    #[schema(value_type = Vec<String>)]
    pub teams: Vec<Name>,
}

/// The credential that would be sent to a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CredentialView {
    /// Where it comes from.
    pub source: CredentialSource,
    /// Whether it is there.
    pub state: CredentialState,
    /// Headers that it sets.
    pub headers: Vec<String>,
    /// Values that the subject still has to enter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

/// Where a credential comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialSource {
    /// The server needs none.
    None,
    /// The server's shared headers.
    Shared,
    /// The subject's own values.
    AuthOverride,
    /// The client sends it along in `x-tfy-mcp-headers`.
    Client,
}

/// Whether a credential is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialState {
    /// It is.
    Available,
    /// The subject has to enter values first.
    Missing,
    /// None is needed, or it comes with the call.
    NotRequired,
}

/// Explains one decision.
///
/// # Errors
/// [`Failure::NotFound`] when the subject was deleted a moment ago.
pub async fn explain(
    services: &Services,
    permit: &Permit<Explained>,
    tool: Option<&str>,
) -> Result<Explanation, Failure> {
    let Explained {
        server,
        grants,
        subject,
        name,
        own_teams,
    } = permit.resource();
    let mut tx = services.store.begin_read().await?;
    let (active, subject_teams) = identity(&mut tx, *subject).await?;
    let team_ids: Vec<TeamId> = subject_teams.iter().map(|team| team.id).collect();
    let policy = ServerPolicy::compile(&server.tool_policy, grants);
    let access = policy.access(*subject, &team_ids);
    let rule = match (&access, tool) {
        _ if !active => Rule::SubjectDisabled,
        (None, _) => Rule::NoEntry,
        (Some(access), Some(tool)) => access
            .tool(tool)
            .map_or_else(Rule::from, |()| Rule::Granted),
        (Some(_), None) => Rule::Granted,
    };
    let mut entries = Vec::new();
    for grant in grants
        .iter()
        .filter(|grant| names(grant, *subject, &team_ids))
    {
        if let Some(subject) = SubjectName::of(&mut tx, grant.subject).await? {
            let Grant {
                role,
                tools,
                deny_tools,
                ..
            } = grant.clone();
            entries.push(CollaboratorView {
                subject,
                role,
                tools,
                deny_tools,
            });
        }
    }
    // Managers see the teams among the collaborators anyway, and their own; not how the tenant is made up.
    let may_hear_of = |team: TeamId| {
        let is_named = || {
            grants
                .iter()
                .any(|grant| grant.subject == Subject::Team(team))
        };
        own_teams
            .as_ref()
            .is_none_or(|own| own.contains(&team) || is_named())
    };
    let own = auth_overrides::find(&mut tx, server.id, *subject).await?;
    let own_names = own
        .filter(|own| own.origin == server.origin())
        .map(|own| own.hints.into_keys().collect());
    Ok(Explanation {
        subject: name.clone(),
        server: server.name.clone(),
        tool: tool.map(str::to_owned),
        decision: if rule == Rule::Granted {
            ExplainedDecision::Allowed
        } else {
            ExplainedDecision::Denied
        },
        rule,
        reason: rule.in_words().to_owned(),
        identity: IdentityView {
            principal: subject.to_string(),
            active,
            teams: subject_teams
                .into_iter()
                .filter(|team| may_hear_of(team.id))
                .map(|team| team.name)
                .collect(),
        },
        role: access.map(|access| access.role()),
        entries,
        credential: credential(&server.auth, own_names),
    })
}

async fn identity(tx: &mut Tx, subject: Principal) -> Result<(bool, Vec<Team>), Failure> {
    match subject {
        Principal::User(id) => {
            let user = users::find(&mut *tx, id)
                .await?
                .ok_or(Failure::NotFound { what: "subject" })?;
            Ok((user.is_active(), teams::of_user(tx, id).await?))
        }
        Principal::VirtualAccount(_) => Ok((true, Vec::new())),
    }
}

fn names(grant: &Grant, subject: Principal, teams: &[TeamId]) -> bool {
    match grant.subject {
        Subject::Everyone => matches!(subject, Principal::User(_)),
        Subject::Team(team) => teams.contains(&team),
        named => named == Subject::from(subject),
    }
}

fn credential(auth: &ServerAuth, own_names: Option<Vec<String>>) -> CredentialView {
    let set_by_auth = auth.header_names();
    let required = required_values(auth);
    let (source, state, headers, missing) = match (auth, own_names) {
        (ServerAuth::IndividualHeader { .. }, Some(_)) => (
            CredentialSource::AuthOverride,
            CredentialState::Available,
            set_by_auth,
            Vec::new(),
        ),
        // Whole headers, laid over those of the server's auth.
        (_, Some(names)) => {
            let own = |name: &String| names.iter().any(|own| own.eq_ignore_ascii_case(name));
            let mut headers = set_by_auth;
            headers.retain(|name| !own(name));
            headers.extend(names);
            (
                CredentialSource::AuthOverride,
                CredentialState::Available,
                headers,
                Vec::new(),
            )
        }
        (ServerAuth::IndividualHeader { .. }, None) if !required.is_empty() => (
            CredentialSource::AuthOverride,
            CredentialState::Missing,
            set_by_auth,
            required,
        ),
        (ServerAuth::SharedHeader { .. } | ServerAuth::IndividualHeader { .. }, None) => (
            CredentialSource::Shared,
            CredentialState::Available,
            set_by_auth,
            Vec::new(),
        ),
        (ServerAuth::None, None) => (
            CredentialSource::None,
            CredentialState::NotRequired,
            Vec::new(),
            Vec::new(),
        ),
        (ServerAuth::Forwarding { headers }, None) => {
            let headers = headers.clone().unwrap_or_default();
            (
                CredentialSource::Client,
                CredentialState::NotRequired,
                headers,
                Vec::new(),
            )
        }
    };
    CredentialView {
        source,
        state,
        headers,
        missing,
    }
}

impl From<Refusal> for Rule {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::InvalidName => Self::InvalidName,
            Refusal::ServerDisabled => Self::ServerDisabled,
            Refusal::ServerNotEnabled => Self::ServerNotEnabled,
            Refusal::Denied => Self::Denied,
            Refusal::NotGranted => Self::NotGranted,
        }
    }
}

impl Rule {
    const fn in_words(self) -> &'static str {
        match self {
            Self::SubjectDisabled => {
                "the user is disabled, so that none of their tokens is accepted"
            }
            Self::NoEntry => {
                "no collaborator entry of the server names the subject, their teams or everyone"
            }
            Self::InvalidName => {
                "the tool's name is not 1 to 128 characters of A-Z, a-z, 0-9, '_', '.' and '-'"
            }
            Self::ServerDisabled => "the server's tool_policy.disabled names the tool",
            Self::ServerNotEnabled => {
                "the server's tool_policy enables tools one by one, and not this one"
            }
            Self::Denied => "a collaborator entry's deny_tools names the tool",
            Self::NotGranted => "no collaborator entry's tools names the tool",
            Self::Granted => "a collaborator entry allows it, and nothing denies it",
        }
    }
}
