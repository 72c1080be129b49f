//! AES-256-GCM (NIST SP 800-38D) with random nonces: nonce ‖ ciphertext ‖ tag.

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, aead};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

/// Length of a key, in bytes.
const KEY_LENGTH: usize = 32;

/// Length of a nonce, in bytes (section 5.2.1.1: 96 bits is what to use).
pub(super) const NONCE_LENGTH: usize = 12;

/// A key, ready to use.
pub(crate) struct Key(Aes256Gcm);

impl Key {
    /// The key of these bytes; none when they are not 32.
    pub(crate) fn new(bytes: &[u8]) -> Option<Self> {
        Aes256Gcm::new_from_slice(bytes).ok().map(Self)
    }

    /// Seals with a new nonce; none when the text is too long or the random source fails.
    pub(crate) fn seal(&self, plaintext: &[u8], associated_data: &[u8]) -> Option<Vec<u8>> {
        let nonce = nonce()?;
        let payload = Payload {
            msg: plaintext,
            aad: associated_data,
        };
        let ciphertext = self
            .0
            .encrypt(&aead::Nonce::<Aes256Gcm>::from(nonce), payload)
            .ok()?;
        Some([nonce.as_slice(), &ciphertext].concat())
    }

    /// Opens what [`Key::seal`] made; none when it is anything else.
    pub(crate) fn open(&self, sealed: &[u8], associated_data: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_LENGTH>()?;
        let payload = Payload {
            msg: ciphertext,
            aad: associated_data,
        };
        let nonce = aead::Nonce::<Aes256Gcm>::from(*nonce);
        self.0.decrypt(&nonce, payload).ok().map(Zeroizing::new)
    }
}

/// A new nonce (section 8.2.2: 96 random bits); none when the random source fails.
pub(super) fn nonce() -> Option<[u8; NONCE_LENGTH]> {
    let mut nonce = [0; NONCE_LENGTH];
    SystemRandom::new().fill(&mut nonce).ok()?;
    Some(nonce)
}

/// The bytes of a new key; none when the random source fails.
pub(super) fn random_key() -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; KEY_LENGTH]);
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(bytes)
}
