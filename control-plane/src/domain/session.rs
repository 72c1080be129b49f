//! A person who signed in, in one browser.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Duration, Utc};
use warder_shared::{id::UserId, name::Name};

use super::{SecretHash, UnknownWord};

/// A session. Its id is a secret of the browser; only its hash is known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Hash of the id.
    pub id: SecretHash,
    /// Who signed in.
    pub user: UserId,
    /// How they proved who they are.
    pub signed_in_by: SignedInBy,
    /// When they signed in.
    pub created_at: DateTime<Utc>,
    /// When a request last came, give or take a minute.
    pub last_seen_at: DateTime<Utc>,
    /// When it ends, whatever comes.
    pub expires_at: DateTime<Utc>,
}

impl Session {
    /// How long a session lives without a request.
    pub const IDLE: Duration = Duration::minutes(30);

    /// How long a session lives at most.
    pub const LIFE: Duration = Duration::hours(12);

    /// Whether it is good at `now`.
    #[must_use]
    pub fn is_live(&self, now: DateTime<Utc>) -> bool {
        now < self.expires_at && now < self.last_seen_at + Self::IDLE
    }
}

/// How someone proved who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedInBy {
    /// With their password.
    Password,
    /// At the identity provider of this name.
    IdentityProvider(Name),
}

const PASSWORD: &str = "password";
const IDENTITY_PROVIDER: &str = "identity-provider:";

impl fmt::Display for SignedInBy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password => formatter.write_str(PASSWORD),
            Self::IdentityProvider(name) => write!(formatter, "{IDENTITY_PROVIDER}{name}"),
        }
    }
}

impl FromStr for SignedInBy {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let provider = text.strip_prefix(IDENTITY_PROVIDER).map(str::parse);
        match provider {
            Some(Ok(name)) => Ok(Self::IdentityProvider(name)),
            None if text == PASSWORD => Ok(Self::Password),
            _ => Err(UnknownWord {
                what: "way to sign in",
                word: text.to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_sign_in_survives_the_database() {
        for way in [
            SignedInBy::Password,
            SignedInBy::IdentityProvider("okta".parse().unwrap()),
        ] {
            assert_eq!(way.to_string().parse(), Ok(way));
        }
        for text in ["", "identity-provider:", "identity-provider:A", "link"] {
            assert!(text.parse::<SignedInBy>().is_err(), "{text}");
        }
    }
}
