//! Lost updates: what the caller believes the current state to be, checked where the write happens.

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;

use super::Failure;

/// A short name of one state of a resource: the same state has the same one, on every replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The fingerprint of what is read back: 128 bits of its SHA-256.
    pub fn of(state: &impl Serialize) -> Self {
        let text = serde_json::to_vec(state).unwrap_or_default();
        let hash = digest::digest(&digest::SHA256, &text);
        Self(URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]))
    }

    /// The strong entity tag that stands for it (RFC 9110 section 8.8.3).
    #[must_use]
    pub fn entity_tag(&self) -> String {
        format!("\"{}\"", self.0)
    }
}

/// What has to hold before a write (RFC 9110 section 13.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing.
    #[default]
    None,
    /// `If-Match: *`: the resource exists.
    Exists,
    /// `If-Match: "…", …`: the resource is in one of these states. The quotes are kept.
    State(Vec<String>),
    /// `If-None-Match: *`: the resource does not exist.
    Absent,
}

impl Precondition {
    /// Holds the current state against what was asked for. Call it inside the transaction that writes.
    ///
    /// # Errors
    /// [`Failure::PreconditionFailed`].
    pub fn check(&self, current: Option<&impl Serialize>) -> Result<(), Failure> {
        let holds = match (self, current) {
            (Self::None, _) | (Self::Exists, Some(_)) | (Self::Absent, None) => true,
            (Self::State(tags), Some(state)) => tags.contains(&Fingerprint::of(state).entity_tag()),
            (Self::Exists | Self::State(_), None) | (Self::Absent, Some(_)) => false,
        };
        if holds {
            Ok(())
        } else {
            Err(Failure::PreconditionFailed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_precondition_is_held_against_the_current_state() {
        let tag = Fingerprint::of(&"now").entity_tag();
        let cases = [
            (Precondition::None, None, true),
            (Precondition::Exists, Some("now"), true),
            (Precondition::Exists, None, false),
            (Precondition::Absent, None, true),
            (Precondition::Absent, Some("now"), false),
            (
                Precondition::State(vec!["\"other\"".into(), tag.clone()]),
                Some("now"),
                true,
            ),
            (Precondition::State(vec![tag.clone()]), Some("later"), false),
            (Precondition::State(vec![tag]), None, false),
        ];
        for (precondition, current, holds) in cases {
            assert_eq!(
                precondition.check(current.as_ref()).is_ok(),
                holds,
                "{precondition:?} {current:?}"
            );
        }
    }
}
