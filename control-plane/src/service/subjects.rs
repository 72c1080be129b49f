//! How people write whom they mean: `user:<email>`, `team:<name>`, `virtual-account:<name>`.

use std::{fmt, str::FromStr};

use warder_shared::{
    name::Name,
    principal::{Principal, Subject},
};

use crate::{
    domain::{Email, Team},
    store::{Result, Tx, teams, users, virtual_accounts},
};

/// A user or a virtual account, as written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PrincipalName {
    /// `user:<email>`.
    User(Email),
    /// `virtual-account:<name>`.
    VirtualAccount(Name),
}

/// Whom a collaborator entry names, as written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SubjectName {
    /// One caller.
    Principal(PrincipalName),
    /// `team:<name>`.
    Team(Name),
    /// `team:everyone`.
    Everyone,
}

/// The text names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSubject {
    /// Where a team may stand.
    #[error("must be user:<email>, team:<name>, virtual-account:<name> or team:everyone")]
    Subject,
    /// Where only a caller may stand.
    #[error("must be user:<email> or virtual-account:<name>")]
    Principal,
}

impl PrincipalName {
    /// Whom it stands for; none when there is nobody of this name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn resolve(&self, tx: &mut Tx) -> Result<Option<Principal>> {
        Ok(match self {
            Self::User(email) => users::find_by_email(tx, email)
                .await?
                .map(|user| Principal::User(user.id)),
            Self::VirtualAccount(name) => virtual_accounts::find_by_name(tx, name)
                .await?
                .map(|account| Principal::VirtualAccount(account.id)),
        })
    }

    /// The name of a caller; none when they are gone.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn of(tx: &mut Tx, principal: Principal) -> Result<Option<Self>> {
        Ok(match principal {
            Principal::User(id) => users::find(tx, id)
                .await?
                .map(|user| Self::User(user.email)),
            Principal::VirtualAccount(id) => virtual_accounts::find(tx, id)
                .await?
                .map(|account| Self::VirtualAccount(account.name)),
        })
    }
}

impl SubjectName {
    /// Whom it stands for; none when there is nobody of this name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn resolve(&self, tx: &mut Tx) -> Result<Option<Subject>> {
        Ok(match self {
            Self::Principal(name) => name.resolve(tx).await?.map(Subject::from),
            Self::Team(name) => teams::find_by_name(tx, name)
                .await?
                .map(|team| Subject::Team(team.id)),
            Self::Everyone => Some(Subject::Everyone),
        })
    }

    /// The name of a subject; none when it is gone.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn of(tx: &mut Tx, subject: Subject) -> Result<Option<Self>> {
        Ok(match subject {
            Subject::User(id) => PrincipalName::of(tx, Principal::User(id))
                .await?
                .map(Self::Principal),
            Subject::VirtualAccount(id) => PrincipalName::of(tx, Principal::VirtualAccount(id))
                .await?
                .map(Self::Principal),
            Subject::Team(id) => teams::find(tx, id).await?.map(|team| Self::Team(team.name)),
            Subject::Everyone => Some(Self::Everyone),
        })
    }
}

impl FromStr for PrincipalName {
    type Err = InvalidSubject;

    fn from_str(text: &str) -> Result<Self, InvalidSubject> {
        let (kind, name) = text.split_once(':').ok_or(InvalidSubject::Principal)?;
        match kind {
            "user" => name
                .parse()
                .map(Self::User)
                .map_err(|_| InvalidSubject::Principal),
            "virtual-account" => name
                .parse()
                .map(Self::VirtualAccount)
                .map_err(|_| InvalidSubject::Principal),
            _ => Err(InvalidSubject::Principal),
        }
    }
}

impl FromStr for SubjectName {
    type Err = InvalidSubject;

    fn from_str(text: &str) -> Result<Self, InvalidSubject> {
        match text.strip_prefix("team:") {
            Some(Team::EVERYONE) => Ok(Self::Everyone),
            Some(name) => name
                .parse()
                .map(Self::Team)
                .map_err(|_| InvalidSubject::Subject),
            None => text
                .parse()
                .map(Self::Principal)
                .map_err(|_| InvalidSubject::Subject),
        }
    }
}

impl fmt::Display for PrincipalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(email) => write!(f, "user:{email}"),
            Self::VirtualAccount(name) => write!(f, "virtual-account:{name}"),
        }
    }
}

impl fmt::Display for SubjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Principal(name) => name.fmt(f),
            Self::Team(name) => write!(f, "team:{name}"),
            Self::Everyone => write!(f, "team:{}", Team::EVERYONE),
        }
    }
}

macro_rules! as_text {
    ($($type:ident),+) => {$(
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

as_text!(PrincipalName, SubjectName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_written_in_one_way() {
        for text in [
            "user:ada@example.com",
            "team:dev",
            "virtual-account:ci",
            "team:everyone",
        ] {
            assert_eq!(
                text.parse::<SubjectName>()
                    .map(|subject| subject.to_string()),
                Ok(text.into())
            );
        }
        for text in [
            "",
            "ada@example.com",
            "user:",
            "user:ada",
            "team:",
            "team:Dev",
            "virtual-account:c",
            "everyone",
            "users:a@b",
            "USER:a@b",
        ] {
            assert_eq!(
                text.parse::<SubjectName>(),
                Err(InvalidSubject::Subject),
                "{text}"
            );
        }
        assert_eq!(
            "team:dev".parse::<PrincipalName>(),
            Err(InvalidSubject::Principal)
        );
    }
}
