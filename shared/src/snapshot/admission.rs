//! Callers: what a token proves, and whom it lets in.

use std::{fmt, sync::Arc};

use chrono::{DateTime, Utc};

use super::{Keys, Snapshot, User, directory::Identity};
use crate::{
    id::{TeamId, TokenId},
    identity_provider::{Provider, ProviderProof, ResolveTo, Unverified},
    name::Name,
    principal::Principal,
    token::{Claims, TokenError},
};

/// What a verified token proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// It is a gateway token.
    Gateway(Claims),
    /// It is an identity provider's (IN-3).
    IdentityProvider(ProviderProof),
}

impl Proof {
    /// What is checked at each use: whether it is valid at this time and for the server asked for.
    ///
    /// # Errors
    /// [`TokenError::Expired`], [`TokenError::NotYetValid`] or [`TokenError::Audience`].
    pub fn check(&self, server: &str, now: DateTime<Utc>) -> Result<(), TokenError> {
        match self {
            Self::Gateway(claims) => {
                claims.check_server(server)?;
                claims.check_time(now)
            }
            Self::IdentityProvider(proof) => proof.check_time(now),
        }
    }

    /// Whether it lets its holder call tools: an OAuth client's token, only if the client asked for it.
    #[must_use]
    pub fn allows_tools(&self) -> bool {
        match self {
            Self::Gateway(claims) => claims
                .client
                .as_ref()
                .is_none_or(|client| client.scope.allows_tools()),
            Self::IdentityProvider(_) => true,
        }
    }

    /// Identity of a gateway token.
    #[must_use]
    pub fn token_id(&self) -> Option<TokenId> {
        match self {
            Self::Gateway(claims) => Some(claims.jti),
            Self::IdentityProvider(_) => None,
        }
    }

    /// Name of the identity provider whose token it is.
    #[must_use]
    pub fn identity_provider(&self) -> Option<&Name> {
        match self {
            Self::Gateway(_) => None,
            Self::IdentityProvider(proof) => Some(&proof.assertion.provider_name),
        }
    }
}

/// A verified token, and what verified it.
#[derive(Debug, Clone)]
pub struct Verified {
    /// What it proves.
    pub proof: Arc<Proof>,
    by: Verifier,
}

#[derive(Debug, Clone)]
enum Verifier {
    Gateway(Arc<Keys>),
    IdentityProvider(Arc<Provider>),
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
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// The token was revoked.
    #[error("revoked")]
    Revoked,
    /// Its user was disabled.
    #[error("the user is disabled")]
    Disabled,
    /// Its user, virtual account or identity provider is not there (any more).
    #[error("the user, virtual account or identity provider does not exist")]
    Unknown,
    /// Its identity provider was changed since it was verified.
    #[error("the identity provider was changed")]
    Changed,
    /// Its identity provider says something that stands for nobody here.
    #[error(transparent)]
    NotMapped(#[from] NotMapped),
}

/// What an identity provider says stands for nobody here. Never holds what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotMapped {
    /// Name of the provider.
    pub provider: Name,
    /// The claim that does not lead to anybody.
    pub claim: String,
    /// Why not.
    pub why: Unmapped,
}

/// Why a claim leads to nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unmapped {
    /// The token has no such claim, or not as text.
    Missing,
    /// Its value is mapped to no virtual account.
    NoAccount,
    /// Nobody has been introduced with it yet: the control plane may know who it is.
    Stranger,
    /// It is somebody who was disabled.
    Disabled,
    /// The control plane will not have them.
    Refused,
}

impl fmt::Display for NotMapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            provider,
            claim,
            why,
        } = self;
        write!(
            f,
            "the identity provider `{provider}` vouches for the token, but its claim `{claim}` "
        )?;
        f.write_str(match why {
            Unmapped::Missing => "is missing",
            Unmapped::NoAccount => "is not mapped to a virtual account",
            Unmapped::Stranger => "belongs to nobody known here yet",
            Unmapped::Disabled => "belongs to a user who is disabled",
            Unmapped::Refused => "belongs to nobody who may use this gateway",
        })
    }
}

impl std::error::Error for NotMapped {}

impl Snapshot {
    /// Verifies a token for a server, whoever has issued it: the verifier is chosen by the exact `iss`.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn verify(
        &self,
        token: &str,
        server: &str,
        now: DateTime<Utc>,
    ) -> Result<Verified, TokenError> {
        let issuer = Unverified::parse(token)?;
        let issuer = issuer.issuer().ok_or(TokenError::Issuer)?;
        let (proof, by) = if issuer == self.keys.issuer {
            let keys = self.keys.clone();
            let claims = keys
                .verifying
                .verify(token, &keys.issuer, &keys.audience, now)?;
            (Proof::Gateway(claims), Verifier::Gateway(keys))
        } else {
            let provider = self.directory.issuer(issuer).ok_or(TokenError::Issuer)?;
            (
                Proof::IdentityProvider(provider.verify(token, now)?),
                Verifier::IdentityProvider(provider.clone()),
            )
        };
        proof.check(server, now)?;
        Ok(Verified {
            proof: Arc::new(proof),
            by,
        })
    }

    /// Whether what verified a token is still what verifies such tokens. What changes with time or by the server
    /// asked for, [`Proof::check`] looks at.
    #[must_use]
    pub fn stands_by(&self, verified: &Verified) -> bool {
        match &verified.by {
            Verifier::Gateway(keys) => Arc::ptr_eq(keys, &self.keys),
            Verifier::IdentityProvider(provider) => self
                .directory
                .provider(provider.id)
                .is_some_and(|current| Arc::ptr_eq(provider, current)),
        }
    }

    /// Whether the holder of a verified token is (still) welcome (T10).
    ///
    /// # Errors
    /// [`NotAdmitted`] with the reason.
    pub fn admit(&self, proof: &Proof) -> Result<Caller, NotAdmitted> {
        match proof {
            Proof::Gateway(claims) => self.admit_claims(claims),
            Proof::IdentityProvider(proof) => self.admit_proof(proof),
        }
    }

    fn admit_claims(&self, claims: &Claims) -> Result<Caller, NotAdmitted> {
        let grant = claims
            .client
            .as_ref()
            .map(|client| TokenId::from_uuid(client.grant.as_uuid()));
        let revoked = |id| self.revoked.contains_key(&id);
        if revoked(claims.jti) || grant.is_some_and(revoked) {
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

    fn admit_proof(&self, proof: &ProviderProof) -> Result<Caller, NotAdmitted> {
        let assertion = &proof.assertion;
        let provider = self
            .directory
            .provider(assertion.provider)
            .ok_or(NotAdmitted::Unknown)?;
        if provider.revision != proof.revision {
            return Err(NotAdmitted::Changed);
        }
        let refused = |claim: &str, why| NotMapped {
            provider: provider.name.clone(),
            claim: claim.to_owned(),
            why,
        };
        match &provider.resolve_to {
            ResolveTo::VirtualAccount { claim } => {
                let value = assertion.account.as_deref();
                let value = value.ok_or_else(|| refused(claim.as_str(), Unmapped::Missing))?;
                let account = self
                    .directory
                    .account(provider.id, value)
                    .filter(|account| self.virtual_accounts.contains_key(account));
                let account =
                    account.ok_or_else(|| refused(claim.as_str(), Unmapped::NoAccount))?;
                Ok(Caller {
                    principal: Principal::VirtualAccount(account),
                    teams: Arc::default(),
                })
            }
            ResolveTo::User { team_claim, .. } => {
                let found = self.directory.user(assertion);
                let found = found.and_then(|id| Some((id, self.users.get(&id)?)));
                let claim = provider.person_claim();
                let (id, user) = found.ok_or_else(|| refused(claim, Unmapped::Stranger))?;
                if user.disabled {
                    return Err(refused(claim, Unmapped::Disabled).into());
                }
                let teams = match team_claim {
                    None => user.teams.clone(),
                    Some(_) => self.teams_by_groups(user, proof),
                };
                Ok(Caller {
                    principal: Principal::User(id),
                    teams,
                })
            }
        }
    }

    /// The teams of a user, with what this very token says in the place of what its provider said before.
    fn teams_by_groups(&self, user: &User, proof: &ProviderProof) -> Arc<[TeamId]> {
        let provider = proof.assertion.provider;
        let groups = &proof.assertion.groups;
        if groups.is_empty() && user.identities.is_empty() {
            return user.teams.clone();
        }
        let others = Identity::teams(&user.identities, Some(provider));
        let mut teams: Vec<TeamId> = user
            .own_teams
            .iter()
            .copied()
            .chain(others)
            .chain(self.directory.teams(provider, groups))
            .collect();
        teams.sort_unstable();
        teams.dedup();
        teams.into()
    }
}
