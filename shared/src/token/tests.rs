use aws_lc_rs::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use jsonwebtoken::{EncodingKey, Header as JwtHeader};
use serde_json::{Value, json};

use super::*;
use crate::{clock::Clock, id::UserId};

const ISSUER: &str = "https://control.example";
const AUDIENCE: &str = "https://gateway.example";

struct Signer {
    pair: Ed25519KeyPair,
    private: EncodingKey,
}

impl Signer {
    fn new() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("random");
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("a key pair");
        Self {
            pair,
            private: EncodingKey::from_ed_der(document.as_ref()),
        }
    }

    fn keys(&self) -> KeySet {
        KeySet::from_ed25519([("k1", self.pair.public_key().as_ref())])
    }

    /// Signs any header and claims, also ones that the library would not make.
    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!("{}.{}", part(header), part(claims));
        let signature = self.pair.sign(input.as_bytes());
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

fn header() -> Value {
    json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "k1"})
}

fn claims(now: DateTime<Utc>) -> Value {
    let clock = Clock::fixed(now);
    let at = now.timestamp();
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": format!("user:{}", UserId::new(&clock)),
        "jti": TokenId::new(&clock), "kind": "pat", "iat": at, "nbf": at, "exp": at + 3600,
    })
}

fn with(mut object: Value, key: &str, value: Value) -> Value {
    object[key] = value;
    object
}

fn without(mut object: Value, key: &str) -> Value {
    object.as_object_mut().expect("an object").remove(key);
    object
}

#[test]
fn a_token_of_ours_is_accepted_until_it_expires() {
    let (signer, now) = (Signer::new(), Clock::system().now());
    let token = signer.sign(&header(), &claims(now));
    let verify = |seconds| {
        signer
            .keys()
            .verify(
                &token,
                ISSUER,
                AUDIENCE,
                now + chrono::Duration::seconds(seconds),
            )
            .map(|_| ())
    };
    assert_eq!(verify(0), Ok(()));
    assert_eq!(verify(3600 + LEEWAY_SECONDS - 1), Ok(()));
    assert_eq!(verify(3600 + LEEWAY_SECONDS), Err(TokenError::Expired));
    assert_eq!(verify(-LEEWAY_SECONDS - 1), Err(TokenError::NotYetValid));
}

#[test]
fn t01_t02_t03_t04_forged_tokens_are_refused() {
    let (signer, now) = (Signer::new(), Clock::system().now());
    let good = claims(now);
    let at = now.timestamp();
    let long = "k".repeat(1 << 20);
    let headers = [
        json!({"alg": "none", "typ": "at+jwt", "kid": "k1"}),
        with(header(), "alg", json!("HS256")),
        with(header(), "alg", json!("eddsa")),
        with(header(), "alg", json!("ES256")),
        with(header(), "typ", json!("JWT")),
        with(header(), "typ", json!("id+jwt")),
        with(header(), "typ", json!("node+jwt")),
        without(header(), "typ"),
        without(header(), "kid"),
        with(header(), "kid", json!("k2")),
        with(header(), "kid", json!("../../k1")),
        with(header(), "kid", json!("k1\u{0}")),
        with(header(), "kid", json!("' OR 1=1 --")),
        with(header(), "kid", json!(long)),
        with(header(), "kid", json!(["k1"])),
        with(header(), "crit", json!(["exp"])),
        with(header(), "crit", json!([])),
        with(header(), "jku", json!("http://127.0.0.1:1/keys")),
        with(header(), "x5u", json!("http://127.0.0.1:1/keys")),
        with(header(), "x5c", json!(["AA=="])),
        with(
            header(),
            "jwk",
            json!({"kty": "OKP", "crv": "Ed25519", "x": "AA"}),
        ),
        with(header(), "b64", json!(false)),
    ];
    let mut forged: Vec<String> = headers
        .iter()
        .map(|header| signer.sign(header, &good))
        .collect();
    for key in ["iss", "aud", "sub", "jti", "kind", "iat", "nbf", "exp"] {
        forged.push(signer.sign(&header(), &without(good.clone(), key)));
        forged.push(signer.sign(&header(), &with(good.clone(), key, Value::Null)));
        forged.push(signer.sign(&header(), &with(good.clone(), key, json!([good[key]]))));
    }
    let claims = [
        ("iss", json!("https://control.example/")),
        ("iss", json!("https://other.example")),
        ("aud", json!("https://gateway.example.evil")),
        ("aud", json!([AUDIENCE, "x"])),
        ("sub", json!("admin")),
        (
            "sub",
            json!(format!("virtual-account:{}", UserId::new(&Clock::system()))),
        ),
        (
            "sub",
            json!(good["sub"].as_str().expect("text").to_uppercase()),
        ),
        ("kind", json!("refresh")),
        ("kind", json!("virtual_account")),
        ("exp", json!(at - 3600)),
        ("exp", json!("9999999999")),
        ("exp", json!(1e12)),
        ("exp", json!(at as f64 + 3600.5)),
        ("nbf", json!(at + 3600)),
        ("admin", json!(true)),
    ];
    forged
        .extend(claims.map(|(key, value)| signer.sign(&header(), &with(good.clone(), key, value))));
    let token = signer.sign(&header(), &good);
    let (input, signature) = token.rsplit_once('.').expect("three parts");
    let alike = JwtHeader {
        typ: Some(ACCESS_TOKEN_TYPE.into()),
        kid: Some("k1".into()),
        ..JwtHeader::new(Algorithm::EdDSA)
    };
    forged.extend([
        input.to_owned(),
        format!("{input}."),
        format!("{input}.{}", &signature[1..]),
        format!("{token}."),
        format!("{token}="),
        format!(" {token}"),
        "a.b.c".into(),
        String::new(),
        "x".repeat(MAX_TOKEN_LENGTH + 1),
        Signer::new().sign(&header(), &good),
        jsonwebtoken::encode(&alike, &good, &Signer::new().private).expect("a token"),
        jsonwebtoken::encode(
            &JwtHeader {
                alg: Algorithm::HS256,
                ..alike
            },
            &good,
            &EncodingKey::from_secret(signer.pair.public_key().as_ref()),
        )
        .expect("a token"),
    ]);
    let keys = signer.keys();
    assert!(
        keys.verify(&token, ISSUER, AUDIENCE, now).is_ok(),
        "the corpus must start from a good token"
    );
    let accepted: Vec<_> = forged
        .iter()
        .filter(|token| keys.verify(token, ISSUER, AUDIENCE, now).is_ok())
        .collect();
    assert!(accepted.is_empty(), "accepted: {accepted:?}");
    assert!(forged.len() >= 60, "the corpus has {} tokens", forged.len());
}

#[test]
fn t03_the_library_alone_would_accept_a_token_without_audience() {
    let (signer, now) = (Signer::new(), Clock::system().now());
    let token = signer.sign(&header(), &without(claims(now), "aud"));
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&[AUDIENCE]);
    validation.set_issuer(&[ISSUER]);
    let key = DecodingKey::from_ed_der(signer.pair.public_key().as_ref());
    assert!(
        jsonwebtoken::decode::<Value>(&token, &key, &validation).is_ok(),
        "then our own check may go"
    );
    assert_eq!(
        signer.keys().verify(&token, ISSUER, AUDIENCE, now),
        Err(TokenError::Claims)
    );
}
