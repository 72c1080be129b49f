//! Secrets that prove something by being shown: ids of sessions, handles, states.

use aws_lc_rs::{
    digest, hmac,
    rand::{SecureRandom as _, SystemRandom},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::Failure;
use crate::{domain::SecretHash, vault::AeadKey};

/// How many characters 256 bits are in base64 without padding.
const LENGTH: usize = 43;

/// 256 random bits in base64url. Stored only as their hash; what goes with them may be sealed under them,
/// so that the database alone does not give it away.
#[derive(Clone)]
pub struct BearerSecret(SecretString);

impl BearerSecret {
    /// A new one.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn generate() -> Result<Self, Failure> {
        let mut bytes = Zeroizing::new([0; 32]);
        SystemRandom::new()
            .fill(bytes.as_mut_slice())
            .map_err(|_| Failure::Internal("no random numbers".into()))?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes.as_slice()).into()))
    }

    /// One that somebody shows, if it has the form of one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (text.len() == LENGTH && text.bytes().all(is_base64url)).then(|| Self(text.into()))
    }

    /// The secret, for the one who is to show it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What is stored of it.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        let hash = digest::digest(&digest::SHA256, self.expose().as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(hash.as_ref());
        SecretHash::from_bytes(bytes)
    }

    /// Another secret that follows from it (HMAC-SHA-256, RFC 2104) and does not give it away. One for
    /// each purpose.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.expose().as_bytes());
        let tag = hmac::sign(&key, purpose.as_bytes());
        let mut bytes = Zeroizing::new([0; 32]);
        bytes.copy_from_slice(tag.as_ref());
        bytes
    }

    /// Seals what only the bearer may learn.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn seal(&self, purpose: &str, plaintext: &[u8]) -> Result<Vec<u8>, Failure> {
        AeadKey::new(self.derive(purpose).as_slice())
            .and_then(|key| key.seal(plaintext, purpose.as_bytes()))
            .ok_or_else(|| Failure::Internal("a value cannot be sealed".into()))
    }

    /// Opens what [`BearerSecret::seal`] made for the same purpose.
    #[must_use]
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        AeadKey::new(self.derive(purpose).as_slice())?.open(sealed, purpose.as_bytes())
    }
}

impl std::fmt::Debug for BearerSecret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("BearerSecret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_the_same_secret_and_purpose_only() {
        let secret = BearerSecret::generate().unwrap();
        let other = BearerSecret::generate().unwrap();
        let sealed = secret.seal("one", b"text").unwrap();
        assert_eq!(secret.open("one", &sealed).unwrap().as_slice(), b"text");
        assert!(secret.open("two", &sealed).is_none());
        assert!(other.open("one", &sealed).is_none());
        assert_ne!(secret.hash(), other.hash());
    }

    #[test]
    fn only_what_has_the_form_of_a_secret_is_one() {
        let secret = BearerSecret::generate().unwrap();
        let parsed = BearerSecret::parse(secret.expose()).unwrap();
        assert_eq!(parsed.hash(), secret.hash());
        let long = format!("{}A", secret.expose());
        let odd = format!("{}=", &secret.expose()[1..]);
        for text in ["", "x", "//evil.example", &long, &odd] {
            assert!(BearerSecret::parse(text).is_none(), "{text}");
        }
        assert_eq!(format!("{secret:?}"), "BearerSecret");
    }
}
