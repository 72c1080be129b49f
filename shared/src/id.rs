//! Identities of stored things: one type per noun, all UUIDs of version 7 (RFC 9562), so that they
//! sort by the time they were made.

use uuid::{NoContext, Timestamp, Uuid};

use crate::clock::Clock;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new identity, made now.
            #[must_use]
            pub fn new(clock: &Clock) -> Self {
                Self(uuid_v7(clock))
            }

            /// The identity that a stored UUID stands for.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID, for storing.
            #[must_use]
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            /// Reads the hyphenated lower-case form only, so that an identity has one spelling.
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse(text).map(Self)
            }
        }
    )+};
}

ids! {
    /// A person.
    UserId,
    /// A service account.
    VirtualAccountId,
    /// A team of users.
    TeamId,
    /// A registered MCP server.
    ServerId,
    /// A gateway token: its `jti` (RFC 7519 section 4.1.7).
    TokenId,
    /// An identity provider.
    IdentityProviderId,
    /// What a user granted to an OAuth client: the family of its tokens.
    GrantId,
    /// A caller's own value for a server's credential.
    OverrideId,
    /// An audit event.
    EventId,
}

/// The text is not a hyphenated lower-case UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an identity: expected a lower-case UUID")]
pub struct InvalidId;

fn parse(text: &str) -> Result<Uuid, InvalidId> {
    let uuid = Uuid::try_parse(text).map_err(|_| InvalidId)?;
    let mut buffer = Uuid::encode_buffer();
    (uuid.hyphenated().encode_lower(&mut buffer) == text)
        .then_some(uuid)
        .ok_or(InvalidId)
}

fn uuid_v7(clock: &Clock) -> Uuid {
    let now = clock.now();
    let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
    Uuid::new_v7(Timestamp::from_unix(
        NoContext,
        seconds,
        now.timestamp_subsec_nanos(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t05_an_identity_has_one_spelling() {
        let id = UserId::new(&Clock::system());
        assert_eq!(id.to_string().parse::<UserId>(), Ok(id));
        for twin in [
            id.to_string().to_uppercase(),
            id.as_uuid().simple().to_string(),
            format!(" {id}"),
            format!("{{{id}}}"),
        ] {
            assert_eq!(twin.parse::<UserId>(), Err(InvalidId), "{twin}");
        }
    }
}
