//! The address that names a user.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use warder_shared::name::Name;

/// Longest address accepted, in bytes (RFC 5321, section 4.5.3.1.3, less the angle brackets).
const MAX_LENGTH: usize = 254;

/// An email address, in lower case: the name of a user in the API.
///
/// Only its shape is checked, no mail is ever sent: one `@` with something on both sides, and no
/// white space, control character or character that has a meaning in URLs or lists of subjects.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Email(String);

/// Where the addresses of users without one end: a domain that never exists (RFC 2606 section 2), so that no mail and
/// no identity provider leads there.
const OF_SUBJECTS: &str = ".subject.invalid";

/// The text is not an email address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an email address has the form `name@domain`, at most 254 characters")]
pub struct InvalidEmail;

impl Email {
    /// The address as stored and compared.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands behind the `@`.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.split_once('@').map_or("", |(_, domain)| domain)
    }

    /// The address of somebody who is known by the subject of an identity provider alone: the same for the same
    /// issuer and subject, and nobody else's.
    #[must_use]
    pub fn of_subject(provider: &Name, issuer: &str, subject: &str) -> Self {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(&(issuer.len() as u64).to_be_bytes());
        hash.update(issuer.as_bytes());
        hash.update(subject.as_bytes());
        let hash = hash.finish();
        let name: String = hash.as_ref()[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self(format!("{name}@{provider}{OF_SUBJECTS}"))
    }

    /// Whether it is such an address.
    #[must_use]
    pub fn is_of_subject(&self) -> bool {
        self.0.ends_with(OF_SUBJECTS)
    }
}

impl FromStr for Email {
    type Err = InvalidEmail;

    fn from_str(text: &str) -> Result<Self, InvalidEmail> {
        let refused = |character: char| {
            character.is_whitespace()
                || character.is_control()
                || matches!(
                    character,
                    '/' | '?' | '#' | '%' | ',' | ';' | ':' | '<' | '>' | '"' | '\\'
                )
        };
        let (name, domain) = text.split_once('@').ok_or(InvalidEmail)?;
        if text.len() > MAX_LENGTH
            || name.is_empty()
            || domain.is_empty()
            || domain.contains('@')
            || text.contains(refused)
        {
            return Err(InvalidEmail);
        }
        Ok(Self(text.to_lowercase()))
    }
}

impl fmt::Display for Email {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

impl serde::Serialize for Email {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Email {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_kept_in_lower_case() {
        let email: Email = "Ada.Lovelace+x@Example.ORG".parse().unwrap();
        assert_eq!(email.as_str(), "ada.lovelace+x@example.org");
    }

    #[test]
    fn t05_a_subject_has_an_address_that_nobody_else_can_have() {
        let name: Name = "okta".parse().unwrap();
        let of = |issuer, subject| Email::of_subject(&name, issuer, subject);
        let one = of("https://a.example", "1");
        assert_eq!(one, of("https://a.example", "1"));
        assert_eq!(one.domain(), "okta.subject.invalid");
        assert!(one.is_of_subject());
        assert_eq!(one.as_str().parse(), Ok(one.clone()));
        for other in [
            of("https://a.example", "1 "),
            of("https://a.example1", ""),
            of("https://b.example", "1"),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        let long = format!("{}@example.org", "a".repeat(250));
        for text in [
            "", "@", "a@", "@b", "a", "a@b@c", "a b@c", "a@b\n", "a/b@c", "a@b,c", &long,
        ] {
            assert_eq!(text.parse::<Email>(), Err(InvalidEmail), "{text:?}");
        }
    }
}
