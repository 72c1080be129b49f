//! The public keys of a provider (RFC 7517), each usable in one way only.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;
use serde_json::{Map, Value};

use super::Algorithm;
use crate::json;

/// Longest key set that is read, in bytes (T7).
pub const MAX_JWKS_LENGTH: usize = 256 * 1024;

/// Most keys of a provider (T7).
pub const MAX_KEYS: usize = 64;

/// Longest `kid` that is looked up, in bytes.
pub(super) const MAX_KID_LENGTH: usize = 256;

/// Shortest RSA modulus, in bytes.
const MIN_MODULUS: usize = 256;

/// Longest RSA modulus, in bytes: what the library verifies.
const MAX_MODULUS: usize = 1024;

/// The keys that signatures of a provider are verified with.
#[derive(Default, Clone)]
pub struct JwkSet {
    keys: Vec<Key>,
    /// What was read, without what is of no use.
    json: Vec<u8>,
}

#[derive(Clone)]
struct Key {
    kid: Option<String>,
    /// The only algorithm, where the key says so.
    algorithm: Option<Algorithm>,
    family: Family,
    key: DecodingKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// Why no key set can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeys {
    /// It is not a JWK set.
    #[error("is not a JWK set (RFC 7517)")]
    Malformed,
    /// It is longer than is read.
    #[error("has more than 64 keys or 256 KiB")]
    TooLarge,
    /// It has no key that verifies signatures.
    #[error(
        "has no usable key: RSA of 2048 bits or more, EC on P-256 or P-384, or Ed25519, for signatures"
    )]
    Empty,
}

impl std::fmt::Debug for JwkSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set()
            .entries(self.keys.iter().map(|key| &key.kid))
            .finish()
    }
}

impl JwkSet {
    /// Reads a key set. Keys that are symmetric, meant for something else than signatures, or not
    /// known here are left out, also when somebody holds a token that names them.
    ///
    /// # Errors
    /// See [`InvalidKeys`].
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidKeys> {
        if bytes.len() > MAX_JWKS_LENGTH {
            return Err(InvalidKeys::TooLarge);
        }
        let set = json::object(bytes).map_err(|_| InvalidKeys::Malformed)?;
        let entries = set
            .get("keys")
            .and_then(Value::as_array)
            .ok_or(InvalidKeys::Malformed)?;
        if entries.len() > MAX_KEYS {
            return Err(InvalidKeys::TooLarge);
        }
        let (keys, used): (Vec<Key>, Vec<Value>) = entries
            .iter()
            .filter_map(|entry| Some((Key::read(entry.as_object()?)?, public(entry)?)))
            .unzip();
        if keys.is_empty() {
            return Err(InvalidKeys::Empty);
        }
        let json = serde_json::json!({ "keys": used }).to_string().into_bytes();
        Ok(Self { keys, json })
    }

    /// The same as JSON: usable keys only, with the members that matter.
    #[must_use]
    pub fn to_json(&self) -> &[u8] {
        &self.json
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether a key has this `kid`.
    #[must_use]
    pub fn has(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid.as_deref() == Some(kid))
    }

    /// The one key that a token with this header may be signed with: that of the `kid`, or, without one, the
    /// only key that does this algorithm at all.
    pub(super) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&DecodingKey> {
        let mut fitting = self.keys.iter().filter(|key| {
            key.fits(algorithm) && kid.is_none_or(|kid| key.kid.as_deref() == Some(kid))
        });
        let found = fitting.next()?;
        fitting.next().is_none().then_some(&found.key)
    }
}

impl Key {
    fn read(jwk: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        if jwk.get("use").is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let operations = jwk.get("key_ops").map(|operations| operations.as_array());
        let verifies = operations.is_none_or(|operations| {
            operations.is_some_and(|operations| operations.iter().any(|name| name == "verify"))
        });
        if !verifies {
            return None;
        }
        let kid = match jwk.get("kid") {
            None => None,
            Some(kid) => Some(kid.as_str().filter(|kid| kid.len() <= MAX_KID_LENGTH)?),
        };
        let algorithm = match jwk.get("alg") {
            None => None,
            // The fully specified name of the same (RFC 9864 section 2.2).
            Some(name) if name == "Ed25519" => Some(Algorithm::EdDsa),
            Some(name) => Some(name.as_str()?.parse().ok()?),
        };
        let (family, key) = match (text("kty")?, text("crv")) {
            ("RSA", None) => {
                let (modulus, exponent) = (decode(text("n")?)?, decode(text("e")?)?);
                // Some providers write a leading zero, which says nothing about a number's size.
                let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
                let modulus = &modulus[zeros..];
                if !(MIN_MODULUS..=MAX_MODULUS).contains(&modulus.len()) {
                    return None;
                }
                let key = DecodingKey::from_rsa_raw_components(modulus, &exponent);
                (Family::Rsa, key)
            }
            ("EC", Some(curve)) => {
                let (family, size) = match curve {
                    "P-256" => (Family::P256, 32),
                    "P-384" => (Family::P384, 48),
                    _ => return None,
                };
                let (x, y) = (text("x")?, text("y")?);
                if decode(x)?.len() != size || decode(y)?.len() != size {
                    return None;
                }
                (family, DecodingKey::from_ec_components(x, y).ok()?)
            }
            ("OKP", Some("Ed25519")) => {
                let x = text("x")?;
                if decode(x)?.len() != 32 {
                    return None;
                }
                (Family::Ed25519, DecodingKey::from_ed_components(x).ok()?)
            }
            _ => return None,
        };
        let key = Self {
            kid: kid.map(str::to_owned),
            algorithm,
            family,
            key,
        };
        key.algorithm
            .is_none_or(|algorithm| key.fits(algorithm))
            .then_some(key)
    }

    /// Whether the key does this algorithm, by its type, its curve and what it says of itself.
    fn fits(&self, algorithm: Algorithm) -> bool {
        let family = match algorithm {
            Algorithm::Es256 => Family::P256,
            Algorithm::Es384 => Family::P384,
            Algorithm::EdDsa => Family::Ed25519,
            _ => Family::Rsa,
        };
        self.family == family && self.algorithm.is_none_or(|only| only == algorithm)
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// The members of a key that say what it is: certificates and whatever else is there is left out.
fn public(jwk: &Value) -> Option<Value> {
    const MEMBERS: [&str; 9] = ["kty", "crv", "kid", "alg", "use", "n", "e", "x", "y"];
    let members = jwk.as_object()?.iter();
    let kept = members.filter(|(name, _)| MEMBERS.contains(&name.as_str()));
    Some(Value::Object(
        kept.map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    ))
}
