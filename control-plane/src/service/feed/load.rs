//! From rows to what pods are told of them.

use std::collections::{HashMap, HashSet};

use chrono::TimeDelta;
use warder_shared::id::{ServerId, TeamId, UserId};
use warder_shared::policy::{Grant, Role};
use warder_shared::principal::Subject;
use warder_shared::proto::v1::change::Change as Wire;
use warder_shared::proto::{self, v1};
use warder_shared::token::LEEWAY_SECONDS;

use super::FeedFailure;
use super::directory::{self, Directory};
use super::state::{Entity, Loaded, distinct, entity};
use crate::domain::oauth_grant::ACCESS_TOKEN_LIFETIME;
use crate::domain::{
    Change, MappingTarget, OAuthGrant, Server, ServerAuth, Timeouts, TokenRecord, User,
    VirtualAccount,
};
use crate::service::keys::Keys;
use crate::store::{
    Tx, auth_overrides, collaborators, oauth_grants, servers, teams, tokens, users,
    virtual_accounts,
};

/// How long pods hear of a revoked grant: longer than an access token lives that a request under way may
/// still have got.
const REVOKED_GRANT_LIFETIME: TimeDelta =
    TimeDelta::minutes(ACCESS_TOKEN_LIFETIME.num_minutes() + 5);

/// Everything there is, as of a transaction.
pub(super) async fn everything(tx: &mut Tx, keys: &Keys) -> Result<Vec<Loaded>, FeedFailure> {
    let mut loaded = vec![Loaded::Present(
        Entity::Keys,
        Wire::Keys(keys.message(tx).await?),
    )];
    // Pods accept a token for a little longer than it says.
    let now = tx.now();
    loaded.extend(
        tokens::revoked_unexpired(&mut *tx, now - TimeDelta::seconds(LEEWAY_SECONDS))
            .await?
            .iter()
            .map(revoked_token),
    );

    loaded.extend(
        oauth_grants::revoked_since(&mut *tx, now - REVOKED_GRANT_LIFETIME)
            .await?
            .iter()
            .filter_map(revoked_grant),
    );

    loaded.extend(directory::providers(tx).await?);
    let mut directory = Directory::of_everybody(tx).await?;
    loaded.extend(directory.teams());
    let mut team_ids: HashMap<UserId, Vec<TeamId>> = HashMap::new();
    for membership in teams::all_memberships(&mut *tx).await? {
        team_ids
            .entry(membership.user_id)
            .or_default()
            .push(membership.team_id);
    }
    for item in users::all(&mut *tx).await? {
        let team_ids = team_ids.remove(&item.id).unwrap_or_default();
        loaded.push(user(&item, &team_ids, &mut directory));
    }
    loaded.extend(
        virtual_accounts::all(&mut *tx)
            .await?
            .iter()
            .map(|item| virtual_account(item, &mut directory)),
    );

    let mut grants: HashMap<ServerId, Vec<Grant>> = HashMap::new();
    for rule in collaborators::all(&mut *tx).await? {
        grants.entry(rule.server_id).or_default().push(rule.grant);
    }
    let overridden: HashSet<_> = auth_overrides::overridden_servers(&mut *tx)
        .await?
        .into_iter()
        .collect();
    for item in servers::all(&mut *tx).await? {
        let grants = grants.remove(&item.id).unwrap_or_default();
        loaded.push(server(&item, &grants, overridden.contains(&item.id)));
    }
    Ok(loaded)
}

/// What became of the things that changed, as of a transaction.
pub(super) async fn changed(
    tx: &mut Tx,
    keys: &Keys,
    changes: Vec<Change>,
) -> Result<Vec<Loaded>, FeedFailure> {
    let mut loaded = Vec::with_capacity(changes.len());
    for change in distinct(changes) {
        loaded.push(match entity(change) {
            Ok(entity) => one(tx, keys, entity).await?,
            Err(event) => Loaded::Event(Wire::CredentialChanged(event)),
        });
    }
    Ok(loaded)
}

async fn one(tx: &mut Tx, keys: &Keys, entity: Entity) -> Result<Loaded, FeedFailure> {
    let found = match entity {
        Entity::Keys => {
            keys.reload().await?;
            Some(Loaded::Present(entity, Wire::Keys(keys.message(tx).await?)))
        }
        Entity::RevokedToken(id) => {
            let token = tokens::find(&mut *tx, id).await?;
            token
                .filter(|token| token.revoked_at.is_some())
                .as_ref()
                .map(revoked_token)
        }
        Entity::RevokedGrant(id) => oauth_grants::find(&mut *tx, id)
            .await?
            .as_ref()
            .and_then(revoked_grant),
        Entity::User(id) => match users::find(&mut *tx, id).await? {
            Some(found) => {
                let memberships = teams::memberships_of_user(&mut *tx, id).await?;
                let team_ids: Vec<_> = memberships.iter().map(|member| member.team_id).collect();
                let mut directory = Directory::of_user(&mut *tx, id).await?;
                Some(user(&found, &team_ids, &mut directory))
            }
            None => None,
        },
        Entity::VirtualAccount(id) => {
            let target = MappingTarget::VirtualAccount(id);
            let mut directory = Directory::of_target(&mut *tx, target).await?;
            let found = virtual_accounts::find(&mut *tx, id).await?;
            found.map(|found| virtual_account(&found, &mut directory))
        }
        Entity::Team(id) => {
            let mut directory = Directory::of_target(&mut *tx, MappingTarget::Team(id)).await?;
            Some(directory.team(id))
        }
        Entity::IdentityProvider(id) => directory::one_provider(tx, id).await?,
        Entity::Server(id) => match servers::find(&mut *tx, id).await? {
            Some(found) => {
                let grants = collaborators::of_server(&mut *tx, id).await?;
                let overridden = auth_overrides::exist_for_server(&mut *tx, id).await?;
                Some(server(&found, &grants, overridden))
            }
            None => None,
        },
    };
    Ok(found.unwrap_or(Loaded::Gone(entity)))
}

fn revoked_token(token: &TokenRecord) -> Loaded {
    let message = v1::RevokedToken {
        jti: token.id.to_string(),
        expires_at: Some(proto::timestamp(token.expires_at)),
    };
    Loaded::Present(Entity::RevokedToken(token.id), Wire::RevokedToken(message))
}

/// As a token: pods look for the grant of a token where they look for the token.
fn revoked_grant(grant: &OAuthGrant) -> Option<Loaded> {
    let message = v1::RevokedToken {
        jti: grant.id.to_string(),
        expires_at: Some(proto::timestamp(grant.revoked_at? + REVOKED_GRANT_LIFETIME)),
    };
    Some(Loaded::Present(
        Entity::RevokedGrant(grant.id),
        Wire::RevokedToken(message),
    ))
}

fn user(user: &User, team_ids: &[TeamId], directory: &mut Directory) -> Loaded {
    let message = v1::User {
        id: user.id.to_string(),
        disabled: !user.is_active(),
        team_ids: team_ids.iter().map(ToString::to_string).collect(),
        identities: directory.identities(user.id),
    };
    Loaded::Present(Entity::User(user.id), Wire::User(message))
}

fn virtual_account(account: &VirtualAccount, directory: &mut Directory) -> Loaded {
    let target = MappingTarget::VirtualAccount(account.id);
    let message = v1::VirtualAccount {
        id: account.id.to_string(),
        identity_provider_mapping: directory.mappings(target),
    };
    Loaded::Present(
        Entity::VirtualAccount(account.id),
        Wire::VirtualAccount(message),
    )
}

fn server(server: &Server, grants: &[Grant], overridden: bool) -> Loaded {
    let message = v1::Server {
        id: server.id.to_string(),
        name: server.name.to_string(),
        display_name: server.display_name.clone(),
        revision: u64::try_from(server.revision).unwrap_or_default(),
        url: server.url.to_string(),
        grants: grants.iter().map(grant).collect(),
        tool_policy: Some(v1::ToolPolicy {
            enabled_by_default: server.tool_policy.enabled_by_default,
            enabled: server.tool_policy.enabled.clone(),
            disabled: server.tool_policy.disabled.clone(),
        }),
        outbound: Some(outbound(server, overridden)),
        prompts_enabled: server.prompts_enabled,
        resources_enabled: server.resources_enabled,
        allow_header_override: server.allow_header_override,
        ca_cert: server.ca_cert.clone().unwrap_or_default(),
        timeouts: Some(timeouts(server.timeouts)),
    };
    Loaded::Present(Entity::Server(server.id), Wire::Server(message))
}

fn outbound(server: &Server, overridden: bool) -> v1::Outbound {
    let (kind, forwardable) = match &server.auth {
        ServerAuth::None => (v1::OutboundKind::None, None),
        ServerAuth::SharedHeader { .. } => (v1::OutboundKind::HeaderShared, None),
        ServerAuth::IndividualHeader { .. } => (v1::OutboundKind::HeaderIndividual, None),
        ServerAuth::Forwarding { headers } => (v1::OutboundKind::Forwarding, headers.clone()),
    };
    v1::Outbound {
        kind: kind.into(),
        header_names: server.auth.header_names(),
        // Where the auth itself needs nothing stored, a caller's override may still be.
        additional_headers: overridden || !server.additional_header_names.is_empty(),
        forwardable: forwardable.unwrap_or_default(),
    }
}

fn timeouts(timeouts: Timeouts) -> v1::Timeouts {
    v1::Timeouts {
        connect_ms: timeouts.connect_ms.unwrap_or_default(),
        response_ms: timeouts.response_ms.unwrap_or_default(),
        idle_ms: timeouts.idle_ms.unwrap_or_default(),
    }
}

fn grant(grant: &Grant) -> v1::Grant {
    let subject = match grant.subject {
        Subject::User(id) => v1::subject::Subject::User(id.to_string()),
        Subject::Team(id) => v1::subject::Subject::Team(id.to_string()),
        Subject::VirtualAccount(id) => v1::subject::Subject::VirtualAccount(id.to_string()),
        Subject::Everyone => v1::subject::Subject::Everyone(true),
    };
    let role = match grant.role {
        Role::Manager => v1::Role::Manager,
        Role::User => v1::Role::User,
    };
    v1::Grant {
        subject: Some(v1::Subject {
            subject: Some(subject),
        }),
        role: role.into(),
        tools: grant
            .tools
            .clone()
            .map(|patterns| v1::ToolPatterns { patterns }),
        deny_tools: grant.deny_tools.clone(),
    }
}
