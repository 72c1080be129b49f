//! Refresh tokens: a grant's id, a number, and a MAC over both under the grant's own secret.
//!
//! So nothing is stored of a token: the grant's row has the number of the newest one and, sealed in the
//! vault, the secret. And a token's successor is the same whoever asks for it, which is what lets a client
//! ask twice (R11).

use aws_lc_rs::{constant_time, hmac};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::SecretString;
use uuid::Uuid;
use warder_shared::id::GrantId;

/// How a refresh token begins, so that scanners find lost ones.
const PREFIX: &str = "wrt_";

/// Keeps these MACs apart from any others.
const PURPOSE: &[u8] = b"warder refresh token";

/// A refresh token as it was presented; whether it is one of ours, [`RefreshToken::is_genuine`] says.
pub(super) struct RefreshToken {
    pub(super) grant: GrantId,
    pub(super) generation: u32,
    tag: [u8; 32],
}

impl RefreshToken {
    /// The token of a grant with this number.
    pub(super) fn make(secret: &[u8], grant: GrantId, generation: u32) -> SecretString {
        let tag = tag(secret, grant, generation);
        let mut bytes = grant.as_uuid().as_bytes().to_vec();
        bytes.extend_from_slice(&generation.to_be_bytes());
        bytes.extend_from_slice(tag.as_ref());
        SecretString::from(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Reads a token's form.
    pub(super) fn read(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let (grant, rest) = bytes.split_first_chunk::<16>()?;
        let (generation, tag) = rest.split_first_chunk::<4>()?;
        Some(Self {
            grant: GrantId::from_uuid(Uuid::from_bytes(*grant)),
            generation: u32::from_be_bytes(*generation),
            tag: tag.try_into().ok()?,
        })
    }

    /// Whether it was made of this secret.
    pub(super) fn is_genuine(&self, secret: &[u8]) -> bool {
        let expected = tag(secret, self.grant, self.generation);
        constant_time::verify_slices_are_equal(expected.as_ref(), &self.tag).is_ok()
    }
}

fn tag(secret: &[u8], grant: GrantId, generation: u32) -> hmac::Tag {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let mut context = hmac::Context::with_key(&key);
    context.update(PURPOSE);
    context.update(grant.as_uuid().as_bytes());
    context.update(&generation.to_be_bytes());
    context.sign()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn t40_a_token_is_its_familys_only() {
        let (one, other) = (
            GrantId::from_uuid(Uuid::from_u128(1)),
            GrantId::from_uuid(Uuid::from_u128(2)),
        );
        let token = RefreshToken::make(&[7; 32], one, 3);
        let text = token.expose_secret();
        let read = RefreshToken::read(text).unwrap();
        assert_eq!((read.grant, read.generation), (one, 3));
        assert!(read.is_genuine(&[7; 32]) && !read.is_genuine(&[8; 32]));
        let moved = RefreshToken {
            grant: other,
            ..RefreshToken::read(text).unwrap()
        };
        let later = RefreshToken {
            generation: 4,
            ..RefreshToken::read(text).unwrap()
        };
        assert!(!moved.is_genuine(&[7; 32]) && !later.is_genuine(&[7; 32]));
        for bad in [
            "",
            "wrt_",
            &text[..text.len() - 2],
            &format!("{text}AAAA"),
            &text[4..],
        ] {
            assert!(RefreshToken::read(bad).is_none(), "{bad}");
        }
    }
}
