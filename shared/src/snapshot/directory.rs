//! Who the people and services of identity providers are here.

use std::sync::Arc;

use foldhash::HashMap;

use super::InvalidChange;
use crate::{
    id::{IdentityProviderId, TeamId, UserId, VirtualAccountId},
    identity_provider::{Assertion, Provider},
    proto::v1,
};

/// The providers, and what they say translated into what is known here.
#[derive(Debug, Clone, Default)]
pub(super) struct Directory {
    providers: HashMap<IdentityProviderId, Arc<Provider>>,
    translations: HashMap<IdentityProviderId, Translation>,
    /// What each mapped account and team has in `translations`, so that it can be taken out again.
    accounts: HashMap<VirtualAccountId, Vec<Mapping>>,
    teams: HashMap<TeamId, Vec<Mapping>>,
}

#[derive(Debug, Clone, Default)]
struct Translation {
    users: HashMap<String, UserId>,
    accounts: HashMap<String, VirtualAccountId>,
    teams: HashMap<String, Vec<TeamId>>,
}

type Mapping = (IdentityProviderId, String);

/// Who a user is at an identity provider, and what follows from it.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    provider: IdentityProviderId,
    subject: String,
    teams: Vec<TeamId>,
}

impl Directory {
    pub(super) fn provider(&self, id: IdentityProviderId) -> Option<&Arc<Provider>> {
        self.providers.get(&id)
    }

    pub(super) fn issuer(&self, issuer: &str) -> Option<&Arc<Provider>> {
        self.providers
            .values()
            .find(|provider| provider.issuer == issuer)
    }

    pub(super) fn put_provider(&mut self, provider: Provider) {
        self.providers.insert(provider.id, Arc::new(provider));
    }

    pub(super) fn remove_provider(&mut self, id: IdentityProviderId) {
        self.providers.remove(&id);
        self.translations.remove(&id);
    }

    pub(super) fn put_user(&mut self, user: UserId, identities: &[Identity]) {
        for identity in identities {
            self.of(identity.provider)
                .users
                .insert(identity.subject.clone(), user);
        }
    }

    pub(super) fn remove_user(&mut self, user: UserId, identities: &[Identity]) {
        for identity in identities {
            let users = &mut self.of(identity.provider).users;
            // In the meantime the subject may have been bound to another user.
            if users.get(&identity.subject) == Some(&user) {
                users.remove(&identity.subject);
            }
        }
    }

    /// Whether values are mapped to the account.
    pub(super) fn maps_to(&self, account: VirtualAccountId) -> bool {
        self.accounts.contains_key(&account)
    }

    pub(super) fn put_account(
        &mut self,
        account: VirtualAccountId,
        mappings: &[v1::ClaimMapping],
    ) -> Result<(), InvalidChange> {
        self.remove_account(account);
        let mappings = read(mappings)?;
        for (provider, value) in &mappings {
            self.of(*provider).accounts.insert(value.clone(), account);
        }
        if !mappings.is_empty() {
            self.accounts.insert(account, mappings);
        }
        Ok(())
    }

    pub(super) fn remove_account(&mut self, account: VirtualAccountId) {
        for (provider, value) in self.accounts.remove(&account).unwrap_or_default() {
            let accounts = &mut self.of(provider).accounts;
            // In the meantime the value may have been given to another account.
            if accounts.get(&value) == Some(&account) {
                accounts.remove(&value);
            }
        }
    }

    pub(super) fn put_team(
        &mut self,
        team: TeamId,
        mappings: &[v1::ClaimMapping],
    ) -> Result<(), InvalidChange> {
        self.remove_team(team);
        let mappings = read(mappings)?;
        for (provider, value) in &mappings {
            let teams = self.of(*provider).teams.entry(value.clone()).or_default();
            teams.push(team);
        }
        self.teams.insert(team, mappings);
        Ok(())
    }

    pub(super) fn remove_team(&mut self, team: TeamId) {
        for (provider, value) in self.teams.remove(&team).unwrap_or_default() {
            if let Some(teams) = self.of(provider).teams.get_mut(&value) {
                teams.retain(|known| *known != team);
            }
        }
    }

    fn of(&mut self, provider: IdentityProviderId) -> &mut Translation {
        self.translations.entry(provider).or_default()
    }

    /// The user that the subject of an assertion is bound to.
    pub(super) fn user(&self, assertion: &Assertion) -> Option<UserId> {
        let translation = self.translations.get(&assertion.provider)?;
        translation.users.get(&assertion.subject).copied()
    }

    /// The virtual account that a value is mapped to.
    pub(super) fn account(
        &self,
        provider: IdentityProviderId,
        value: &str,
    ) -> Option<VirtualAccountId> {
        let translation = self.translations.get(&provider)?;
        translation.accounts.get(value).copied()
    }

    /// The teams that groups are mapped to.
    pub(super) fn teams(
        &self,
        provider: IdentityProviderId,
        groups: &[String],
    ) -> impl Iterator<Item = TeamId> {
        let translation = self.translations.get(&provider);
        groups
            .iter()
            .filter_map(move |group| translation?.teams.get(group))
            .flatten()
            .copied()
    }
}

impl Identity {
    pub(super) fn read(identity: &v1::UserIdentity) -> Result<Self, InvalidChange> {
        let teams = identity.team_ids.iter().map(|id| id.parse());
        Ok(Self {
            provider: identity.identity_provider_id.parse()?,
            subject: identity.subject.clone(),
            teams: teams.collect::<Result<_, _>>()?,
        })
    }

    /// The teams that follow from these, but for those of one provider.
    pub(super) fn teams(
        identities: &[Self],
        but: Option<IdentityProviderId>,
    ) -> impl Iterator<Item = TeamId> {
        identities
            .iter()
            .filter(move |identity| Some(identity.provider) != but)
            .flat_map(|identity| &identity.teams)
            .copied()
    }
}

fn read(mappings: &[v1::ClaimMapping]) -> Result<Vec<Mapping>, InvalidChange> {
    let mapping = |mapping: &v1::ClaimMapping| {
        Ok((mapping.identity_provider_id.parse()?, mapping.value.clone()))
    };
    mappings.iter().map(mapping).collect()
}
