//! The state that pods are told, entity by entity.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use warder_shared::id::{
    GrantId, IdentityProviderId, ServerId, TeamId, TokenId, UserId, VirtualAccountId,
};
use warder_shared::proto::v1::change::Change as Wire;
use warder_shared::proto::{self, v1};
use warder_shared::snapshot::Snapshot;
use warder_shared::token::LEEWAY_SECONDS;

use crate::domain::Change;

/// One thing that pods know. Ordered as a new pod should hear of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Entity {
    Keys,
    RevokedToken(TokenId),
    RevokedGrant(GrantId),
    IdentityProvider(IdentityProviderId),
    /// Only one that values of claims are mapped to.
    Team(TeamId),
    User(UserId),
    VirtualAccount(VirtualAccountId),
    Server(ServerId),
}

/// What became of something that changed. Has no debug form, as it may hold session keys.
#[derive(Clone)]
pub(super) enum Loaded {
    /// It is this now.
    Present(Entity, Wire),
    /// It is no more.
    Gone(Entity),
    /// Something happened that leaves no state.
    Event(Wire),
}

/// Everything that pods know, at a version. Has no debug form, as it holds session keys.
pub(super) struct State {
    epoch: String,
    version: i64,
    entities: BTreeMap<Entity, Wire>,
    snapshot: Arc<Snapshot>,
}

impl State {
    pub(super) fn new(
        epoch: String,
        version: i64,
        loaded: Vec<Loaded>,
        now: DateTime<Utc>,
    ) -> Self {
        let mut state = Self {
            epoch,
            version,
            entities: BTreeMap::new(),
            snapshot: Arc::default(),
        };
        state.update(version, true, loaded, now);
        state
    }

    pub(super) fn epoch(&self) -> &str {
        &self.epoch
    }

    pub(super) const fn version(&self) -> i64 {
        self.version
    }

    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot)
    }

    /// Goes on to a version; the messages that take others there.
    pub(super) fn update(
        &mut self,
        version: i64,
        reset: bool,
        loaded: Vec<Loaded>,
        now: DateTime<Utc>,
    ) -> Vec<v1::Change> {
        if reset {
            self.entities.clear();
        }
        let mut changes = Vec::with_capacity(loaded.len());
        for item in loaded.into_iter().map(understandable) {
            changes.extend(message(&item));
            match item {
                Loaded::Present(entity, wire) => drop(self.entities.insert(entity, wire)),
                Loaded::Gone(entity) => drop(self.entities.remove(&entity)),
                Loaded::Event(_) => {}
            }
        }
        self.entities.retain(|_, wire| !has_expired(wire, now));
        self.version = version;
        match self.snapshot.apply(reset, &changes, now) {
            Ok(snapshot) => self.snapshot = Arc::new(snapshot),
            // Every message was applied alone before, so together they do not fail.
            Err(error) => tracing::error!("the state cannot be compiled: {error}"),
        }
        changes
    }

    /// The whole state.
    pub(super) fn everything(&self) -> Vec<v1::Change> {
        self.entities
            .values()
            .map(|wire| v1::Change {
                change: Some(wire.clone()),
            })
            .collect()
    }

    /// What became of things that changed, each once.
    pub(super) fn what_became_of(&self, changed: Vec<Change>) -> Vec<v1::Change> {
        distinct(changed)
            .into_iter()
            .filter_map(|change| message(&self.look_up(change)))
            .collect()
    }

    fn look_up(&self, change: Change) -> Loaded {
        match entity(change) {
            Ok(entity) => match self.entities.get(&entity) {
                Some(wire) => Loaded::Present(entity, wire.clone()),
                None => Loaded::Gone(entity),
            },
            Err(event) => Loaded::Event(Wire::CredentialChanged(event)),
        }
    }
}

/// The entity that a change is about, or the event that it is.
pub(super) fn entity(change: Change) -> Result<Entity, v1::CredentialChanged> {
    Ok(match change {
        Change::Server(id) => Entity::Server(id),
        Change::User(id) => Entity::User(id),
        Change::VirtualAccount(id) => Entity::VirtualAccount(id),
        Change::Team(id) => Entity::Team(id),
        Change::IdentityProvider(id) => Entity::IdentityProvider(id),
        Change::RevokedToken(id) => Entity::RevokedToken(id),
        Change::RevokedGrant(id) => Entity::RevokedGrant(id),
        Change::Keys => Entity::Keys,
        Change::Credential(server, principal) => {
            return Err(v1::CredentialChanged {
                server_id: server.to_string(),
                principal: principal.to_string(),
            });
        }
    })
}

/// Each change once, at its first place.
pub(super) fn distinct(changes: Vec<Change>) -> Vec<Change> {
    let mut seen = std::collections::HashSet::new();
    changes
        .into_iter()
        .filter(|change| seen.insert(*change))
        .collect()
}

fn message(item: &Loaded) -> Option<v1::Change> {
    let wire = match item {
        Loaded::Present(_, wire) | Loaded::Event(wire) => wire.clone(),
        Loaded::Gone(Entity::Server(id)) => Wire::ServerRemoved(id.to_string()),
        Loaded::Gone(Entity::User(id)) => Wire::UserRemoved(id.to_string()),
        Loaded::Gone(Entity::VirtualAccount(id)) => Wire::VirtualAccountRemoved(id.to_string()),
        Loaded::Gone(Entity::Team(id)) => Wire::TeamRemoved(id.to_string()),
        Loaded::Gone(Entity::IdentityProvider(id)) => Wire::IdentityProviderRemoved(id.to_string()),
        // A revocation goes with the token's expiry, which pods see by themselves.
        Loaded::Gone(Entity::RevokedToken(_) | Entity::RevokedGrant(_) | Entity::Keys) => {
            return None;
        }
    };
    Some(v1::Change { change: Some(wire) })
}

/// Whether a revocation speaks of a token that no verifier accepts any more.
fn has_expired(wire: &Wire, now: DateTime<Utc>) -> bool {
    let Wire::RevokedToken(token) = wire else {
        return false;
    };
    let expires_at = token.expires_at.as_ref().and_then(proto::datetime);
    expires_at.is_some_and(|at| at + Duration::seconds(LEEWAY_SECONDS) < now)
}

/// A pod refuses everything that comes with a message it cannot read. One such row must not keep the
/// others from it, and is as good as gone.
fn understandable(item: Loaded) -> Loaded {
    if let Loaded::Present(entity, wire) = &item {
        let change = v1::Change {
            change: Some(wire.clone()),
        };
        if let Err(error) = Snapshot::default().apply(false, &[change], DateTime::<Utc>::MIN_UTC) {
            tracing::error!("{entity:?} is left out, pods could not read it: {error}");
            return Loaded::Gone(*entity);
        }
    }
    item
}
