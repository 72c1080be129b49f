//! Tokens that an identity provider would never issue for us, however they are signed: each differs from a good one
//! in one thing. One list for the verifier alone and for every way in (T1–T4).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::identity_provider::Signer;

/// Signs as an identity provider without one: for tests that have no use for a running one.
pub struct LocalSigner(Ed25519KeyPair);

impl LocalSigner {
    /// A signer with a key of its own, `k1`.
    ///
    /// # Panics
    /// When there is no randomness.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "each one is another")]
    pub fn new() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("randomness");
        Self(Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("a key"))
    }

    /// Its public key as a JWK set.
    #[must_use]
    pub fn jwks(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.0.public_key().as_ref());
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": x}]})
    }

    /// An access token with these claims.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "k1"});
        let input = format!("{}.{}", part(&header), part(claims));
        let signature = self.0.sign(input.as_bytes());
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

impl std::fmt::Debug for LocalSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LocalSigner")
    }
}

/// A token to forge.
#[derive(Debug, Clone)]
pub struct Forgery {
    /// What is wrong with it.
    pub name: String,
    /// Members of the header that differ from what the signer writes by itself.
    pub header: Value,
    /// The payload, as text: some are no JSON that a library would write.
    pub payload: String,
    /// Whose key signs it.
    pub signer: Signer,
    edit: fn(&str) -> String,
}

impl Forgery {
    fn new(name: impl Into<String>, header: Value, claims: &Value) -> Self {
        Self {
            name: name.into(),
            header,
            payload: claims.to_string(),
            signer: Signer::Current,
            edit: str::to_owned,
        }
    }

    fn edited(name: &str, claims: &Value, edit: fn(&str) -> String) -> Self {
        Self {
            edit,
            ..Self::new(name, json!({}), claims)
        }
    }

    /// What is sent, once the token was signed.
    #[must_use]
    pub fn finish(&self, signed: &str) -> String {
        (self.edit)(signed)
    }
}

/// The claims of a good token, issued at `now` (in seconds) for a minute more than an hour.
#[must_use]
pub fn good_claims(issuer: &str, audience: &str, now: i64) -> Value {
    json!({
        "iss": issuer, "aud": audience, "sub": "alice", "client_id": "machine", "iat": now, "nbf": now,
        "exp": now + 3660, "email": "alice@example.com", "email_verified": true,
    })
}

/// Everything that must be refused where [`good_claims`] are accepted from a provider that takes its default token
/// types; `jku` is an address that nobody may ask.
#[must_use]
pub fn forgeries(issuer: &str, audience: &str, now: i64, jku: &str) -> Vec<Forgery> {
    let good = good_claims(issuer, audience, now);
    let mut forgeries = headers(&good, jku);
    forgeries.extend(claims(&good, now));
    forgeries.extend(texts(&good));
    forgeries.extend(edits(&good));
    forgeries.push(Forgery {
        signer: Signer::Unknown,
        ..Forgery::new(
            "signed with a key that was never published",
            json!({}),
            &good,
        )
    });
    forgeries
}

/// T1, T2, T4: what the header says.
fn headers(good: &Value, jku: &str) -> Vec<Forgery> {
    let own_key =
        json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let cases = [
        ("alg", json!("none")),
        ("alg", json!("None")),
        ("alg", json!("nOnE")),
        ("alg", json!("HS256")),
        ("alg", json!("HS512")),
        ("alg", json!("rs256")),
        ("alg", json!("ES256K")),
        ("alg", json!("RSA-OAEP")),
        ("alg", json!("")),
        ("alg", json!(null)),
        ("alg", json!(["RS256"])),
        ("kid", json!("unheard-of")),
        ("kid", json!("../../../dev/null")),
        ("kid", json!("' OR '1'='1")),
        ("kid", json!("\u{0}")),
        ("kid", json!("k".repeat(1000))),
        ("kid", json!(null)),
        ("kid", json!(["a"])),
        ("kid", json!(1)),
        ("kid", json!("")),
        ("typ", json!("id+jwt")),
        ("typ", json!("logout+jwt")),
        ("typ", json!("secevent+jwt")),
        ("typ", json!("dpop+jwt")),
        ("typ", json!("refresh+jwt")),
        ("typ", json!("node+jwt")),
        ("typ", json!("JWE")),
        ("typ", json!(null)),
        ("typ", json!(["at+jwt"])),
        ("crit", json!(["exp"])),
        ("crit", json!(["b64"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
    ];
    let mut forgeries: Vec<Forgery> = cases
        .into_iter()
        .map(|(name, value)| {
            Forgery::new(format!("{name} is {value}"), json!({ name: value }), good)
        })
        .collect();
    // Key material of their own, beside a `kid` that leads to no key of the provider.
    for (name, value) in [
        ("jwk", own_key),
        ("jku", json!(jku)),
        ("x5u", json!(jku)),
        ("x5c", json!(["MIIB"])),
    ] {
        forgeries.push(Forgery {
            signer: Signer::Unknown,
            ..Forgery::new(format!("brings {name}"), json!({ name: value }), good)
        });
    }
    forgeries
}

/// T3, T4, T11: what the claims say.
fn claims(good: &Value, now: i64) -> Vec<Forgery> {
    let mut forgeries = Vec::new();
    let mut forge = |name: &str, value: Option<Value>| {
        let mut claims = good.clone();
        let object = claims.as_object_mut().expect("claims are an object");
        let what = match value {
            None => {
                object.remove(name);
                format!("no {name}")
            }
            Some(value) => {
                let what = format!("{name} is {value}");
                object.insert(name.to_owned(), value);
                what
            }
        };
        forgeries.push(Forgery::new(what, json!({}), &claims));
    };
    let text = |name: &str| good[name].as_str().expect("text").to_owned();
    let (issuer, audience) = (text("iss"), text("aud"));
    for name in ["iss", "aud", "sub", "exp"] {
        forge(name, None);
        forge(name, Some(Value::Null));
        forge(name, Some(json!({})));
    }
    for value in [
        json!(format!("{issuer}/")),
        json!(format!("{issuer}.evil.example")),
        json!(issuer.to_uppercase()),
        json!([issuer]),
        json!("https://somebody.else.example"),
    ] {
        forge("iss", Some(value));
    }
    for value in [
        json!("https://another.example"),
        json!(format!("{audience}/x")),
        json!(audience.to_uppercase()),
        json!(""),
        json!([]),
        json!([[audience.clone()]]),
        json!([audience, 1]),
        json!({"0": audience}),
    ] {
        forge("aud", Some(value));
    }
    for value in [
        json!(""),
        json!(1),
        json!(["alice"]),
        json!("a".repeat(256)),
    ] {
        forge("sub", Some(value));
    }
    for value in [
        json!(now - 31),
        json!(now - 3600),
        json!(0),
        json!(-1),
        json!((now + 3600).to_string()),
        json!([now + 3600]),
        json!(true),
        json!(1e300),
        json!(now as f64 + 3600.5),
    ] {
        forge("exp", Some(value));
    }
    for name in ["nbf", "iat"] {
        forge(name, Some(json!(now + 3600)));
        forge(name, Some(json!(now.to_string())));
        forge(name, Some(json!(null)));
    }
    for (name, value) in [
        ("nonce", json!("n")),
        ("at_hash", json!("h")),
        ("c_hash", json!("h")),
        (
            "events",
            json!({"http://schemas.openid.net/event/backchannel-logout": {}}),
        ),
        ("typ", json!("ID")),
        ("typ", json!("Refresh")),
        ("token_use", json!("id")),
    ] {
        forge(name, Some(value));
    }
    forgeries
}

/// T3: payloads that two readers could read differently.
fn texts(good: &Value) -> Vec<Forgery> {
    let text = good.to_string();
    let inside = text.strip_prefix('{').expect("an object");
    let cases = [
        ("sub twice", format!("{{\"sub\":\"bob\",{inside}")),
        (
            "sub twice, once escaped",
            format!("{{\"s\\u0075b\":\"bob\",{inside}"),
        ),
        (
            "a member twice inside",
            format!("{{\"x\":{{\"a\":1,\"a\":2}},{inside}"),
        ),
        ("text behind the object", format!("{text} {{}}")),
        ("a list", format!("[{text}]")),
        ("cut off", text[..text.len() - 1].to_owned()),
        ("no JSON", "hello".to_owned()),
        ("nothing", String::new()),
    ];
    cases
        .map(|(name, payload)| Forgery {
            payload,
            ..Forgery::new(format!("payload: {name}"), json!({}), good)
        })
        .into()
}

/// T1: what becomes of a good token on the way.
fn edits(good: &Value) -> Vec<Forgery> {
    fn parts(token: &str) -> (&str, &str) {
        token.rsplit_once('.').expect("a token has parts")
    }
    vec![
        Forgery::edited("no signature", good, |token| parts(token).0.to_owned()),
        Forgery::edited("an empty signature", good, |token| {
            format!("{}.", parts(token).0)
        }),
        Forgery::edited("a shorter signature", good, |token| {
            token[..token.len() - 4].to_owned()
        }),
        Forgery::edited("a signature of zeros", good, |token| {
            let (input, signature) = parts(token);
            format!("{input}.{}", "A".repeat(signature.len()))
        }),
        Forgery::edited("a fourth part", good, |token| format!("{token}.AA")),
        Forgery::edited("five parts", good, |token| format!("{token}.AA.AA")),
        Forgery::edited("a padded signature", good, |token| format!("{token}=")),
        Forgery::edited("another payload", good, |token| {
            let (input, signature) = parts(token);
            let header = input.split_once('.').expect("a header").0;
            format!("{header}.eyJzdWIiOiJhZG1pbiJ9.{signature}")
        }),
        Forgery::edited("no header", good, |token| {
            let (_, rest) = token.split_once('.').expect("a header");
            format!(".{rest}")
        }),
    ]
}
