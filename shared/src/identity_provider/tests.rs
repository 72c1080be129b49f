use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        self, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
        RsaKeyPair,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use e2e::{
    forgery::{forgeries, good_claims},
    identity_provider::Signer,
};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::clock::Clock;

mod rules;

const ISSUER: &str = "https://login.example";
const AUDIENCE: &str = "https://gateway.example";

/// The keys of a provider, one of each family.
struct Keys {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

impl Keys {
    fn new() -> Self {
        let random = SystemRandom::new();
        let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
            .expect("random");
        let ed = Ed25519KeyPair::generate_pkcs8(&random).expect("random");
        Self {
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).expect("random"),
            ec: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ec.as_ref())
                .expect("a key"),
            ed: Ed25519KeyPair::from_pkcs8(ed.as_ref()).expect("a key"),
        }
    }

    fn jwks(&self) -> Value {
        let point = self.ec.public_key().as_ref();
        json!({"keys": [
            {"kty": "RSA", "kid": "rsa", "use": "sig", "n": encode(self.modulus()), "e": "AQAB", "x5c": ["MIIB"]},
            {"kty": "EC", "kid": "ec", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..])},
            {"kty": "OKP", "kid": "ed", "alg": "EdDSA", "crv": "Ed25519", "x": encode(self.ed.public_key().as_ref())},
        ]})
    }

    fn modulus(&self) -> &[u8] {
        self.rsa
            .public_key()
            .modulus()
            .big_endian_without_leading_zero()
    }

    fn sign(&self, header: &Value, payload: &str) -> String {
        let input = format!(
            "{}.{}",
            encode(header.to_string().as_bytes()),
            encode(payload.as_bytes())
        );
        let random = SystemRandom::new();
        let rsa = |padding: &'static dyn signature::RsaEncoding| {
            let mut bytes = vec![0; self.rsa.public_modulus_len()];
            self.rsa
                .sign(padding, &random, input.as_bytes(), &mut bytes)
                .expect("signs");
            bytes
        };
        let signature = match header["alg"].as_str() {
            Some("ES256") => self
                .ec
                .sign(&random, input.as_bytes())
                .expect("signs")
                .as_ref()
                .to_vec(),
            Some("EdDSA") => self.ed.sign(input.as_bytes()).as_ref().to_vec(),
            Some("PS256") => rsa(&signature::RSA_PSS_SHA256),
            Some("RS512") => rsa(&signature::RSA_PKCS1_SHA512),
            _ => rsa(&signature::RSA_PKCS1_SHA256),
        };
        format!("{input}.{}", encode(&signature))
    }

    fn good(&self, now: DateTime<Utc>) -> String {
        self.sign(&header("RS256", "rsa"), &claims(now).to_string())
    }
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn header(algorithm: &str, kid: &str) -> Value {
    json!({"alg": algorithm, "typ": "at+jwt", "kid": kid})
}

fn claims(now: DateTime<Utc>) -> Value {
    good_claims(ISSUER, AUDIENCE, now.timestamp())
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

fn provider(jwks: &Value) -> Provider {
    Provider {
        id: IdentityProviderId::new(&Clock::system()),
        name: "okta".parse().expect("a name"),
        issuer: ISSUER.into(),
        revision: 1,
        audiences: vec!["https://other.example".into(), AUDIENCE.into()],
        algorithms: vec![Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa],
        token_types: vec![Some("at+jwt".into()), Some("jwt".into()), None],
        required_claims: RequiredClaims::new(),
        resolve_to: ResolveTo::User {
            identify_by: IdentifyBy::Email,
            email_claim: "email".parse().expect("a path"),
            team_claim: Some("realm/groups".parse().expect("a path")),
        },
        keys: JwkSet::parse(jwks.to_string().as_bytes()).expect("keys"),
    }
}

#[test]
fn a_good_token_of_each_family_is_accepted() {
    let (keys, now) = (Keys::new(), Clock::system().now());
    let mut provider = provider(&keys.jwks());
    provider.algorithms.push(Algorithm::Ps256);
    let claims = with(claims(now), "realm", json!({"groups": ["dev", 1, "ops"]}));
    let claims = with(claims, "aud", json!(["x", AUDIENCE]));
    for (algorithm, kid) in [
        ("RS256", "rsa"),
        ("PS256", "rsa"),
        ("ES256", "ec"),
        ("EdDSA", "ed"),
    ] {
        let token = keys.sign(&header(algorithm, kid), &claims.to_string());
        let proof = provider.verify(&token, now).expect(algorithm);
        assert_eq!(proof.assertion.subject, "alice");
        assert_eq!(proof.assertion.email.as_deref(), Some("alice@example.com"));
        assert!(proof.assertion.email_verified);
        assert_eq!(proof.assertion.groups, ["dev", "ops"]);
    }
    for typ in [json!("JWT"), json!("application/at+jwt"), json!("AT+JWT")] {
        let token = keys.sign(
            &with(header("ES256", "ec"), "typ", typ.clone()),
            &claims.to_string(),
        );
        assert!(provider.verify(&token, now).is_ok(), "{typ}");
    }
    let bare =
        json!({"alg": "ES256", "kid": "ec", "jku": "https://elsewhere.example", "x5c": ["MIIB"]});
    assert!(
        provider
            .verify(&keys.sign(&bare, &claims.to_string()), now)
            .is_ok()
    );
}

#[test]
fn t01_t02_t03_t04_forged_tokens_are_refused() {
    let (keys, others, now) = (Keys::new(), Keys::new(), Clock::system().now());
    let provider = provider(&keys.jwks());
    assert!(
        provider.verify(&keys.good(now), now).is_ok(),
        "the corpus must start from a good token"
    );
    let forgeries = forgeries(ISSUER, AUDIENCE, now.timestamp(), "http://127.0.0.1:1/keys");
    assert!(forgeries.len() >= 60, "{}", forgeries.len());
    let mut accepted = Vec::new();
    for forgery in &forgeries {
        let mut header = header("RS256", "rsa");
        for (name, value) in forgery.header.as_object().expect("members") {
            header[name] = value.clone();
        }
        let signer = match forgery.signer {
            Signer::Current => &keys,
            Signer::Unknown => &others,
        };
        let token = forgery.finish(&signer.sign(&header, &forgery.payload));
        if provider.verify(&token, now).is_ok() {
            accepted.push(&forgery.name);
        }
    }
    assert!(accepted.is_empty(), "accepted: {accepted:#?}");
}

#[test]
fn t01_a_public_key_is_no_secret() {
    let (keys, now) = (Keys::new(), Clock::system().now());
    let provider = provider(&keys.jwks());
    let jwks = keys.jwks().to_string();
    let public = keys.rsa.public_key().as_ref().to_vec();
    for secret in [
        keys.modulus(),
        &public,
        jwks.as_bytes(),
        b"",
        keys.ed.public_key().as_ref(),
    ] {
        for kid in ["rsa", "ed"] {
            let input = format!(
                "{}.{}",
                encode(header("HS256", kid).to_string().as_bytes()),
                encode(claims(now).to_string().as_bytes())
            );
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input.as_bytes());
            let token = format!("{input}.{}", encode(tag.as_ref()));
            assert_eq!(provider.verify(&token, now), Err(TokenError::Header));
        }
    }
}

#[test]
fn t01_a_key_signs_with_its_own_algorithm_only() {
    let (keys, now) = (Keys::new(), Clock::system().now());
    let text = claims(now).to_string();
    let open = provider(&keys.jwks());
    // Not one of the provider's, though the key could.
    for algorithm in ["PS256", "RS512"] {
        let token = keys.sign(&header(algorithm, "rsa"), &text);
        assert_eq!(
            open.verify(&token, now),
            Err(TokenError::Header),
            "{algorithm}"
        );
    }
    // One of the provider's, with a key of another family.
    for (algorithm, kid) in [
        ("RS256", "ec"),
        ("RS256", "ed"),
        ("ES256", "rsa"),
        ("EdDSA", "rsa"),
        ("EdDSA", "ec"),
    ] {
        let token = keys.sign(&header(algorithm, kid), &text);
        assert_eq!(
            open.verify(&token, now),
            Err(TokenError::UnknownKey),
            "{algorithm} {kid}"
        );
    }
    // One of the provider's, but not the key's.
    let mut jwks = keys.jwks();
    jwks["keys"][0]["alg"] = "RS256".into();
    let mut pinned = provider(&jwks);
    pinned.algorithms = vec![Algorithm::Rs256, Algorithm::Ps256];
    assert!(
        pinned
            .verify(&keys.sign(&header("RS256", "rsa"), &text), now)
            .is_ok()
    );
    let token = keys.sign(&header("PS256", "rsa"), &text);
    assert_eq!(pinned.verify(&token, now), Err(TokenError::UnknownKey));
}

#[test]
fn t02_a_token_without_kid_needs_the_only_key_that_fits() {
    let (keys, others, now) = (Keys::new(), Keys::new(), Clock::system().now());
    let token = keys.sign(&json!({"alg": "RS256"}), &claims(now).to_string());
    assert!(provider(&keys.jwks()).verify(&token, now).is_ok());
    let mut two = keys.jwks();
    let another = others.jwks()["keys"][0].clone();
    two["keys"]
        .as_array_mut()
        .expect("keys")
        .push(with(another, "kid", json!("rsa-2")));
    assert_eq!(
        provider(&two).verify(&token, now),
        Err(TokenError::UnknownKey)
    );
}

#[test]
fn t07_a_key_that_is_not_known_is_told_apart_and_only_for_tokens_worth_asking_for() {
    let (keys, now) = (Keys::new(), Clock::system().now());
    let provider = provider(&keys.jwks());
    let unknown = |claims: &Value| {
        provider.verify(
            &keys.sign(&header("RS256", "new"), &claims.to_string()),
            now,
        )
    };
    let key = UnknownKeyOf(&provider, "new");
    assert_eq!(unknown(&claims(now)), Err(key.error()));
    assert_eq!(
        unknown(&with(claims(now), "exp", json!(1))),
        Err(TokenError::Expired)
    );
    assert_eq!(
        unknown(&with(claims(now), "aud", json!("x"))),
        Err(TokenError::Audience)
    );
}

struct UnknownKeyOf<'p>(&'p Provider, &'static str);

impl UnknownKeyOf<'_> {
    fn error(&self) -> TokenError {
        let key = crate::token::UnknownKey {
            provider: self.0.id,
            kid: self.1.into(),
        };
        TokenError::UnknownProviderKey(key.into())
    }
}

#[test]
fn t07_keys_that_are_of_no_use_are_left_out() {
    let keys = Keys::new();
    let good = keys.jwks()["keys"].as_array().expect("keys").clone();
    let (rsa, ec, ed) = (&good[0], &good[1], &good[2]);
    let count = |key: Value| {
        JwkSet::parse(json!({"keys": [ed, key]}).to_string().as_bytes()).map(|set| set.len())
    };
    assert_eq!(count(rsa.clone()), Ok(2));
    for useless in [
        json!({"kty": "oct", "kid": "o", "k": "AAAA"}),
        json!({"kty": "oct", "kid": "rsa", "alg": "RS256", "k": "AAAA"}),
        with(rsa.clone(), "use", json!("enc")),
        with(rsa.clone(), "use", json!(1)),
        with(rsa.clone(), "key_ops", json!(["sign"])),
        with(rsa.clone(), "alg", json!("HS256")),
        with(rsa.clone(), "alg", json!("RSA-OAEP")),
        with(rsa.clone(), "alg", json!("ES256")),
        with(rsa.clone(), "n", json!(encode(&[0xff; 128]))),
        with(rsa.clone(), "n", json!(encode(&vec![0xff; 2048]))),
        with(rsa.clone(), "n", json!("not base64!")),
        with(rsa.clone(), "kid", json!(7)),
        with(rsa.clone(), "kid", json!("k".repeat(257))),
        with(ec.clone(), "crv", json!("secp256k1")),
        with(ec.clone(), "crv", json!("P-384")),
        with(ec.clone(), "x", json!("AA")),
        with(ed.clone(), "crv", json!("X25519")),
        with(ed.clone(), "x", json!("AA")),
        json!("RSA"),
        json!({}),
    ] {
        assert_eq!(count(useless.clone()), Ok(1), "{useless}");
    }
    let parse = |text: &str| JwkSet::parse(text.as_bytes()).map(|set| set.len());
    for malformed in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#] {
        assert_eq!(parse(malformed), Err(InvalidKeys::Malformed), "{malformed}");
    }
    assert_eq!(parse(r#"{"keys":[]}"#), Err(InvalidKeys::Empty));
    let many = json!({"keys": vec![ed.clone(); 65]}).to_string();
    assert_eq!(parse(&many), Err(InvalidKeys::TooLarge));
    let long = format!("{{\"keys\":[{ed}]{}}}", " ".repeat(MAX_JWKS_LENGTH));
    assert_eq!(parse(&long), Err(InvalidKeys::TooLarge));
    let set = JwkSet::parse(keys.jwks().to_string().as_bytes()).expect("keys");
    assert!(!String::from_utf8_lossy(set.to_json()).contains("x5c"));
    assert_eq!(
        JwkSet::parse(set.to_json()).expect("keys").to_json(),
        set.to_json()
    );
}

#[test]
fn t08_each_check_alone_refuses() {
    let (keys, now) = (Keys::new(), Clock::system().now());
    let mut provider = provider(&keys.jwks());
    let path = "tier".parse().expect("a path");
    provider.required_claims.insert(path, vec![json!("gold")]);
    let good = with(claims(now), "tier", json!("gold"));
    let base = header("RS256", "rsa");
    let broken = [
        (
            Check::Issuer,
            base.clone(),
            with(good.clone(), "iss", json!("x")),
        ),
        (
            Check::Algorithm,
            with(base.clone(), "crit", json!([])),
            good.clone(),
        ),
        (
            Check::Type,
            with(base.clone(), "typ", json!("id+jwt")),
            good.clone(),
        ),
        (
            Check::Shape,
            base.clone(),
            with(good.clone(), "sub", json!(1)),
        ),
        (
            Check::Audience,
            base.clone(),
            with(good.clone(), "aud", json!("x")),
        ),
        (
            Check::Time,
            base.clone(),
            with(good.clone(), "exp", json!(1)),
        ),
        (
            Check::RequiredClaims,
            base.clone(),
            with(good.clone(), "tier", json!("tin")),
        ),
        (
            Check::Key,
            with(base.clone(), "kid", json!("x")),
            good.clone(),
        ),
        (Check::Signature, base.clone(), good.clone()),
    ];
    assert_eq!(broken.each_ref().map(|(check, ..)| *check), Check::ALL);
    for (check, header, claims) in broken {
        let signer = if check == Check::Signature {
            &Keys::new()
        } else {
            &keys
        };
        let token = signer.sign(&header, &claims.to_string());
        let parsed = Unverified::parse(&token).expect("three parts");
        for other in Check::ALL {
            // Without its key, nothing can be said of a signature.
            let expected = other != check && !(check == Check::Key && other == Check::Signature);
            assert_eq!(
                provider.check(other, &parsed, now).is_ok(),
                expected,
                "{other:?} of {check:?}"
            );
        }
        assert!(provider.verify(&token, now).is_err(), "{check:?}");
    }
    let token = keys.sign(&base, &good.to_string());
    assert!(provider.verify(&token, now).is_ok());
}

#[test]
fn t03_the_library_alone_would_accept_some_of_them() {
    use jsonwebtoken::{DecodingKey, Validation};
    let (keys, now) = (Keys::new(), Clock::system().now());
    let provider = provider(&keys.jwks());
    let mut validation = Validation::new(jsonwebtoken::Algorithm::RS256);
    validation.set_audience(&[AUDIENCE]);
    validation.set_issuer(&[ISSUER]);
    let key = DecodingKey::from_rsa_raw_components(keys.modulus(), &[1, 0, 1]);
    let mut claims_without = claims(now);
    claims_without
        .as_object_mut()
        .expect("claims")
        .remove("aud");
    let base = header("RS256", "rsa");
    for (name, header, claims) in [
        ("no audience", base.clone(), claims_without),
        (
            "not valid yet",
            base.clone(),
            with(claims(now), "nbf", json!(now.timestamp() + 3600)),
        ),
        (
            "an unknown extension",
            with(base.clone(), "crit", json!(["x"])),
            claims(now),
        ),
        (
            "another type",
            with(base.clone(), "typ", json!("logout+jwt")),
            claims(now),
        ),
        ("an ID token", base, with(claims(now), "nonce", json!("n"))),
    ] {
        let token = keys.sign(&header, &claims.to_string());
        let decoded = jsonwebtoken::decode::<Value>(&token, &key, &validation);
        assert!(
            decoded.is_ok(),
            "{name}: then our own check may go: {decoded:?}"
        );
        assert!(provider.verify(&token, now).is_err(), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn t01_a_token_with_any_bit_changed_is_refused(at in any::<prop::sample::Index>(), bit in 0u32..8) {
        let (keys, now) = (fixture(), DateTime::from_timestamp(1_900_000_000, 0).expect("a time"));
        let token = keys.sign(&header("EdDSA", "ed"), &claims(now).to_string());
        let provider = provider(&keys.jwks());
        prop_assert!(provider.verify(&token, now).is_ok());
        let mut bytes = token.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(changed) = String::from_utf8(bytes) {
            prop_assert!(provider.verify(&changed, now).is_err());
        }
    }
}

fn fixture() -> &'static Keys {
    static KEYS: std::sync::OnceLock<Keys> = std::sync::OnceLock::new();
    KEYS.get_or_init(Keys::new)
}
