//! From rows to what pods are told of identity providers, and of who their people and services are.

use std::collections::HashMap;

use warder_shared::id::{IdentityProviderId, TeamId, UserId};
use warder_shared::proto::v1;
use warder_shared::proto::v1::change::Change as Wire;

use super::state::{Entity, Loaded};
use crate::domain::{ClaimMapping, IdentityProvider, MappingTarget, ProviderKeys, UserIdentity};
use crate::store::{
    Result, Tx, identity_provider_keys, identity_provider_mappings, identity_providers,
    user_identities,
};

/// What is said of users and virtual accounts, to be told with them.
#[derive(Default)]
pub(super) struct Directory {
    identities: HashMap<UserId, Vec<v1::UserIdentity>>,
    mappings: HashMap<MappingTarget, Vec<v1::ClaimMapping>>,
}

impl Directory {
    /// What is said of everybody, as of a transaction.
    pub(super) async fn of_everybody(tx: &mut Tx) -> Result<Self> {
        let mut directory = Self::default();
        let teams = user_identities::teams(&mut *tx, None).await?;
        directory.introduce(user_identities::all(&mut *tx).await?, &teams);
        let mut mappings = identity_provider_mappings::all(tx).await?;
        mappings.sort_unstable();
        for (target, mapping) in mappings {
            let known = directory.mappings.entry(target).or_default();
            known.push(claim_mapping(mapping));
        }
        Ok(directory)
    }

    /// What is said of one user.
    pub(super) async fn of_user(tx: &mut Tx, id: UserId) -> Result<Self> {
        let mut directory = Self::default();
        let teams = user_identities::teams(&mut *tx, Some(id)).await?;
        directory.introduce(user_identities::of_user(tx, id).await?, &teams);
        Ok(directory)
    }

    /// What is mapped to one team or virtual account.
    pub(super) async fn of_target(tx: &mut Tx, target: MappingTarget) -> Result<Self> {
        let mut directory = Self::default();
        let mappings = identity_provider_mappings::of_target(tx, target).await?;
        if !mappings.is_empty() {
            let mappings = mappings.into_iter().map(claim_mapping).collect();
            directory.mappings.insert(target, mappings);
        }
        Ok(directory)
    }

    /// Who a user is, at every provider that introduced them.
    pub(super) fn identities(&mut self, user: UserId) -> Vec<v1::UserIdentity> {
        self.identities.remove(&user).unwrap_or_default()
    }

    /// The values that are mapped to a team or virtual account.
    pub(super) fn mappings(&mut self, target: MappingTarget) -> Vec<v1::ClaimMapping> {
        self.mappings.remove(&target).unwrap_or_default()
    }

    /// The teams that values are mapped to.
    pub(super) fn teams(&mut self) -> Vec<Loaded> {
        let targets: Vec<TeamId> = self
            .mappings
            .keys()
            .filter_map(|target| match target {
                MappingTarget::Team(id) => Some(*id),
                MappingTarget::VirtualAccount(_) => None,
            })
            .collect();
        targets.into_iter().map(|id| self.team(id)).collect()
    }

    /// A team: told only if values are mapped to it.
    pub(super) fn team(&mut self, id: TeamId) -> Loaded {
        let identity_provider_mapping = self.mappings(MappingTarget::Team(id));
        if identity_provider_mapping.is_empty() {
            return Loaded::Gone(Entity::Team(id));
        }
        let message = v1::Team {
            id: id.to_string(),
            identity_provider_mapping,
        };
        Loaded::Present(Entity::Team(id), Wire::Team(message))
    }

    fn introduce(
        &mut self,
        identities: Vec<UserIdentity>,
        teams: &HashMap<(UserId, IdentityProviderId), Vec<TeamId>>,
    ) {
        for identity in identities {
            let teams = teams.get(&(identity.user, identity.provider));
            let message = v1::UserIdentity {
                identity_provider_id: identity.provider.to_string(),
                subject: identity.subject,
                team_ids: teams
                    .into_iter()
                    .flatten()
                    .map(ToString::to_string)
                    .collect(),
            };
            self.identities
                .entry(identity.user)
                .or_default()
                .push(message);
        }
    }
}

/// Every identity provider, as of a transaction.
pub(super) async fn providers(tx: &mut Tx) -> Result<Vec<Loaded>> {
    let mut keys: HashMap<_, ProviderKeys> = identity_provider_keys::all(&mut *tx)
        .await?
        .into_iter()
        .map(|keys| (keys.provider, keys))
        .collect();
    let providers = identity_providers::all(tx).await?;
    Ok(providers
        .iter()
        .map(|found| provider(found, keys.remove(&found.id).as_ref()))
        .collect())
}

/// One identity provider, if it is there.
pub(super) async fn one_provider(tx: &mut Tx, id: IdentityProviderId) -> Result<Option<Loaded>> {
    let Some(found) = identity_providers::find(&mut *tx, id).await? else {
        return Ok(None);
    };
    let keys = identity_provider_keys::find(tx, id).await?;
    Ok(Some(provider(&found, keys.as_ref())))
}

fn provider(provider: &IdentityProvider, keys: Option<&ProviderKeys>) -> Loaded {
    let message = v1::IdentityProvider::from(&provider.verifier(keys));
    Loaded::Present(
        Entity::IdentityProvider(provider.id),
        Wire::IdentityProvider(message),
    )
}

fn claim_mapping(mapping: ClaimMapping) -> v1::ClaimMapping {
    v1::ClaimMapping {
        identity_provider_id: mapping.provider.to_string(),
        value: mapping.value,
    }
}
