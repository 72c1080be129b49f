//! What a write tells the pods.

use std::fmt;
use std::str::FromStr;

use warder_shared::id::{
    GrantId, IdentityProviderId, ServerId, TeamId, TokenId, UserId, VirtualAccountId,
};
use warder_shared::principal::Principal;

use super::words;

/// One thing that a write changed, as far as pods care. It names, it does not describe: whoever reads
/// it loads the thing as it is by then, or finds it gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// A server, its collaborators or its secrets were made, changed or removed.
    Server(ServerId),
    /// A user was made, disabled, removed, introduced by an identity provider, or joined or left a team.
    User(UserId),
    /// A virtual account was made or removed, or values of claims were mapped to it.
    VirtualAccount(VirtualAccountId),
    /// Values of claims were mapped to a team.
    Team(TeamId),
    /// An identity provider was made, changed or removed, or has other keys.
    IdentityProvider(IdentityProviderId),
    /// A token was revoked.
    RevokedToken(TokenId),
    /// What a user granted to an OAuth client was revoked.
    RevokedGrant(GrantId),
    /// A signing or session key was made, retired or dropped.
    Keys,
    /// A caller's own credential for a server was entered, replaced or removed.
    Credential(ServerId, Principal),
}

impl Change {
    /// The word for its kind.
    #[must_use]
    pub const fn kind(&self) -> ChangeKind {
        match self {
            Self::Server(_) => ChangeKind::Server,
            Self::User(_) => ChangeKind::User,
            Self::VirtualAccount(_) => ChangeKind::VirtualAccount,
            Self::Team(_) => ChangeKind::Team,
            Self::IdentityProvider(_) => ChangeKind::IdentityProvider,
            Self::RevokedToken(_) => ChangeKind::RevokedToken,
            Self::RevokedGrant(_) => ChangeKind::RevokedGrant,
            Self::Keys => ChangeKind::Keys,
            Self::Credential(..) => ChangeKind::Credential,
        }
    }

    /// Which one of its kind; empty where there is only one.
    #[must_use]
    pub fn entity_id(&self) -> String {
        match self {
            Self::Server(id) => id.to_string(),
            Self::User(id) => id.to_string(),
            Self::VirtualAccount(id) => id.to_string(),
            Self::Team(id) => id.to_string(),
            Self::IdentityProvider(id) => id.to_string(),
            Self::RevokedToken(id) => id.to_string(),
            Self::RevokedGrant(id) => id.to_string(),
            Self::Keys => String::new(),
            Self::Credential(server, principal) => format!("{server}/{principal}"),
        }
    }

    /// Puts together what [`Change::kind`] and [`Change::entity_id`] took apart; none when the id is
    /// not one of that kind.
    #[must_use]
    pub fn from_parts(kind: ChangeKind, entity_id: &str) -> Option<Self> {
        Some(match kind {
            ChangeKind::Server => Self::Server(parse(entity_id)?),
            ChangeKind::User => Self::User(parse(entity_id)?),
            ChangeKind::VirtualAccount => Self::VirtualAccount(parse(entity_id)?),
            ChangeKind::Team => Self::Team(parse(entity_id)?),
            ChangeKind::IdentityProvider => Self::IdentityProvider(parse(entity_id)?),
            ChangeKind::RevokedToken => Self::RevokedToken(parse(entity_id)?),
            ChangeKind::RevokedGrant => Self::RevokedGrant(parse(entity_id)?),
            ChangeKind::Keys => Self::Keys,
            ChangeKind::Credential => {
                let (server, principal) = entity_id.split_once('/')?;
                Self::Credential(parse(server)?, parse(principal)?)
            }
        })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.kind(), self.entity_id())
    }
}

/// What sort of thing a write changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// [`Change::Server`].
    Server,
    /// [`Change::User`].
    User,
    /// [`Change::VirtualAccount`].
    VirtualAccount,
    /// [`Change::Team`].
    Team,
    /// [`Change::IdentityProvider`].
    IdentityProvider,
    /// [`Change::RevokedToken`].
    RevokedToken,
    /// [`Change::RevokedGrant`].
    RevokedGrant,
    /// [`Change::Keys`].
    Keys,
    /// [`Change::Credential`].
    Credential,
}

words!(ChangeKind, "change kind", {
    Server => "server",
    User => "user",
    VirtualAccount => "virtual_account",
    Team => "team",
    IdentityProvider => "identity_provider",
    RevokedToken => "revoked_token",
    RevokedGrant => "revoked_grant",
    Keys => "keys",
    Credential => "credential",
});

fn parse<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn every_change_survives_the_database() {
        let id = Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0001);
        let server = ServerId::from_uuid(id);
        let user = UserId::from_uuid(id);
        let changes = [
            Change::Server(server),
            Change::User(user),
            Change::VirtualAccount(VirtualAccountId::from_uuid(id)),
            Change::Team(TeamId::from_uuid(id)),
            Change::IdentityProvider(IdentityProviderId::from_uuid(id)),
            Change::RevokedToken(TokenId::from_uuid(id)),
            Change::RevokedGrant(GrantId::from_uuid(id)),
            Change::Keys,
            Change::Credential(server, Principal::User(user)),
        ];
        assert_eq!(changes.len(), ChangeKind::ALL.len());
        for change in changes {
            let read = Change::from_parts(change.kind(), &change.entity_id());
            assert_eq!(read, Some(change));
        }
        assert_eq!(Change::from_parts(ChangeKind::Credential, "nonsense"), None);
    }
}
