//! Ed25519 signatures (RFC 8032) over JWTs, and the making of keys.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::SecretString;
use serde::Serialize;
use zeroize::Zeroizing;

use super::failure::KeyFailure;
use crate::domain::SigningKeyRecord;

/// A key that signs.
pub(super) struct Signer {
    kid: String,
    key: EncodingKey,
}

impl Signer {
    /// The signer with a private key in PKCS #8 (RFC 8410).
    pub(super) fn new(kid: String, document: &[u8]) -> Self {
        Self {
            kid,
            key: EncodingKey::from_ed_der(document),
        }
    }

    /// Signs claims as a JWT with this `typ`.
    pub(super) fn sign<C: Serialize>(
        &self,
        typ: &str,
        claims: &C,
    ) -> Result<SecretString, KeyFailure> {
        let header = Header {
            typ: Some(typ.to_owned()),
            kid: Some(self.kid.clone()),
            ..Header::new(Algorithm::EdDSA)
        };
        Ok(SecretString::from(jsonwebtoken::encode(
            &header, claims, &self.key,
        )?))
    }
}

/// A key that nobody has seen yet.
pub(super) struct NewKey {
    pub(super) kid: String,
    /// The private key in PKCS #8.
    pub(super) document: Zeroizing<Vec<u8>>,
    public_key: Vec<u8>,
}

impl NewKey {
    /// A new key, named by its thumbprint (RFC 7638).
    pub(super) fn generate() -> Result<Self, KeyFailure> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        let document = document.map_err(|_| KeyFailure::Cryptography)?;
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref());
        let pair = pair.map_err(|_| KeyFailure::Cryptography)?;
        let public_key = pair.public_key().as_ref().to_vec();
        Ok(Self {
            kid: thumbprint(&public_key),
            document: Zeroizing::new(document.as_ref().to_vec()),
            public_key,
        })
    }

    /// Its row.
    pub(super) fn record(
        self,
        created_at: DateTime<Utc>,
        active_from: DateTime<Utc>,
    ) -> SigningKeyRecord {
        SigningKeyRecord {
            kid: self.kid,
            algorithm: "EdDSA".to_owned(),
            public_key: self.public_key,
            created_at,
            active_from,
            retired_at: None,
            verify_until: None,
        }
    }
}

/// The public half as a JWK (RFC 8037, section 2).
pub(super) fn jwk(record: &SigningKeyRecord) -> serde_json::Value {
    serde_json::json!({
        "kty": "OKP",
        "crv": "Ed25519",
        "x": URL_SAFE_NO_PAD.encode(&record.public_key),
        "kid": record.kid,
        "use": "sig",
        "alg": record.algorithm,
    })
}

/// A new session key: its name and its 32 bytes.
pub(super) fn new_session_key() -> Result<(String, Zeroizing<Vec<u8>>), KeyFailure> {
    let mut id = [0; 9];
    let mut bytes = Zeroizing::new(vec![0; 32]);
    let random = SystemRandom::new();
    random.fill(&mut id).map_err(|_| KeyFailure::Cryptography)?;
    random
        .fill(&mut bytes)
        .map_err(|_| KeyFailure::Cryptography)?;
    Ok((URL_SAFE_NO_PAD.encode(id), bytes))
}

/// RFC 7638, section 3, for an OKP key (RFC 8037, appendix A.3).
fn thumbprint(public_key: &[u8]) -> String {
    let x = URL_SAFE_NO_PAD.encode(public_key);
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_that_of_the_example_in_rfc_8037() {
        let x = URL_SAFE_NO_PAD
            .decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
            .unwrap();
        assert_eq!(
            thumbprint(&x),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
    }
}
