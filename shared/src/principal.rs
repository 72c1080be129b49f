//! Who calls, and whom a rule speaks of.

use std::{fmt, str::FromStr};

use crate::id::{InvalidId, TeamId, UserId, VirtualAccountId};

/// The one who calls. The kind is part of the identity: a user and a virtual account never collide,
/// whatever their ids are (T5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Principal {
    /// A person.
    User(UserId),
    /// A service account.
    VirtualAccount(VirtualAccountId),
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user:{id}"),
            Self::VirtualAccount(id) => write!(f, "virtual-account:{id}"),
        }
    }
}

impl FromStr for Principal {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text.split_once(':') {
            Some(("user", id)) => Ok(Self::User(id.parse()?)),
            Some(("virtual-account", id)) => Ok(Self::VirtualAccount(id.parse()?)),
            _ => Err(InvalidId),
        }
    }
}

/// Whom a collaborator entry speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// One person.
    User(UserId),
    /// The members of a team.
    Team(TeamId),
    /// One service account.
    VirtualAccount(VirtualAccountId),
    /// `team:everyone`: all users, no virtual accounts.
    Everyone,
}

impl From<Principal> for Subject {
    fn from(principal: Principal) -> Self {
        match principal {
            Principal::User(id) => Self::User(id),
            Principal::VirtualAccount(id) => Self::VirtualAccount(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn principal() -> impl Strategy<Value = Principal> {
        (any::<bool>(), any::<u128>()).prop_map(|(user, raw)| {
            let uuid = Uuid::from_u128(raw);
            if user {
                Principal::User(UserId::from_uuid(uuid))
            } else {
                Principal::VirtualAccount(VirtualAccountId::from_uuid(uuid))
            }
        })
    }

    proptest! {
        #[test]
        fn t05_the_text_of_a_principal_is_injective(one in principal(), other in principal()) {
            prop_assert_eq!(one == other, one.to_string() == other.to_string());
            prop_assert_eq!(one.to_string().parse::<Principal>(), Ok(one));
        }
    }
}
